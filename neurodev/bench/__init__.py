"""Benchmarks: ratios measured side by side, by name."""

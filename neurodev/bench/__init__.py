"""Benchmarks: ratios measured side by side, by name."""

from neurodev.moved import names_of

__getattr__ = names_of(__name__)

"""Kernels of weight layers, and the policy that chooses among them."""

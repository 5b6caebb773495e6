"""Kernels of weight layers, and the policy that chooses among them."""

from neurodev.moved import names_of

__getattr__ = names_of(__name__)

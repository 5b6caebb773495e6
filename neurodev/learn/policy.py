"""Which kernel for which layer: the crossovers between storages, spike rates and densities.

Measured on the reference machine (`neurodev bench train-sparse` shows them again); d is the density of the
weights, r the share of sources that spike in a row of the batch:

* a matrix product (``gemm``) wins over event-driven rows above r = 0.35;
* walking the synapses along the batch (``lanes``) wins over dense rows below d = 2.5 r;
* sparse rows win over lanes only for few spikes, and over dense rows below d = 0.05.

A sparse table above these densities is unpacked into dense rows for the call: that costs one pass over the weights.
"""

from __future__ import annotations

GEMM_RATE = 0.35
LANES_PER_RATE = 2.5
SPARSE_ROWS_DENSITY = 0.05
SPARSE_ROWS_RATE = 0.015


def choose(density: float, rate: float, sparse: bool) -> str:
    """Name of the kernel: ``rows``, ``gemm``, ``lanes`` or ``sparse_rows``.

    Parameters
    ----------
    density : float
        Living synapses over pairs.
    rate : float
        Mean share of non-zero inputs per row; 1 for currents.
    sparse : bool
        Whether the table holds living synapses only.
    """
    if sparse:
        if density < SPARSE_ROWS_DENSITY and rate < SPARSE_ROWS_RATE:
            return "sparse_rows"
        if density < LANES_PER_RATE * rate:
            return "lanes"
        if density < SPARSE_ROWS_DENSITY:
            return "sparse_rows"
    return "gemm" if rate > GEMM_RATE else "rows"

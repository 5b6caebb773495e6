"""Which kernel for which layer: the cheapest by costs that were measured.

Costs are nanoseconds per pair of source and target and row of the batch, d the density of the weights and r the share
of sources that spike in a row, on the reference machine (AVX2, 512 KB of second-level cache; 784 x 800, 800 rows;
`neurodev bench train-sparse` times steps again):

===============  ==============  ==================================================================================
``gemm``         .027            a matrix product
``rows``         .075 r          events add dense rows
``along_batch``  .085 d          every synapse goes along the batch
``sparse_rows``  .95 d r         events add the living synapses of their rows
===============  ==============  ==================================================================================

A sparse table that is multiplied by rows or as a matrix is unpacked for the call: one pass over the pairs.
"""

from __future__ import annotations

GEMM, ROWS, ALONG_BATCH, SPARSE_ROWS = 0.027, 0.075, 0.085, 0.95
NARROW = 32  # targets up to which all input gradients, as one product, cost less than finding those of use


def choose(density: float, rate: float, sparse: bool) -> str:
    """Name of the kernel: ``rows``, ``gemm``, ``along_batch`` or ``sparse_rows``.

    Parameters
    ----------
    density : float
        Living synapses over pairs.
    rate : float
        Mean share of non-zero inputs per row; 1 for currents.
    sparse : bool
        Whether the table holds living synapses only.
    """
    cost = {"rows": ROWS * rate, "gemm": GEMM}
    if sparse:
        cost |= {"along_batch": ALONG_BATCH * density, "sparse_rows": SPARSE_ROWS * density * rate}
    return min(cost, key=lambda name: cost[name])

"""Which kernel is chosen: the cheapest by the table of costs, on both sides of every crossover."""

import numpy as np
import pytest

from neurodev.learn.kernels import conv_ways, policy

COST = {  # as the table of the module says
    "gemm": lambda d, r: 0.027,
    "rows": lambda d, r: 0.075 * r,
    "along_batch": lambda d, r: 0.085 * d,
    "sparse_rows": lambda d, r: 0.95 * d * r,
}


@pytest.mark.parametrize("sparse", [False, True])
def test_the_cheapest_is_chosen(sparse):
    for d in np.geomspace(1e-3, 1.0, 31):
        for r in np.geomspace(1e-3, 1.0, 31):
            chosen = policy.choose(d, r, sparse)
            among = COST if sparse else {name: COST[name] for name in ("gemm", "rows")}
            assert COST[chosen](d, r) == min(cost(d, r) for cost in among.values())


@pytest.mark.parametrize(
    "below, above, density, rate, moved",
    [
        ("rows", "gemm", 1.0, 0.027 / 0.075, "rate"),  # a dense table: matrix products from 36 % on
        ("sparse_rows", "along_batch", 0.05, 0.085 / 0.95, "rate"),  # few synapses: along the batch from 9 % on
        ("sparse_rows", "rows", 0.075 / 0.95, 0.05, "density"),  # rare spikes: dense rows from 8 % on
        ("along_batch", "gemm", 0.027 / 0.085, 0.9, "density"),
    ],
)
def test_crossovers(below, above, density, rate, moved):
    for factor, want in ((0.99, below), (1.01, above)):
        d, r = (density * factor, rate) if moved == "density" else (density, rate * factor)
        assert policy.choose(d, r, below != "rows") == want


def test_convolutions():
    """By synapses only where few live, all are stored and the input spikes; matrix products for busy input."""
    few, busy = conv_ways.SYNAPSES_DENSITY, conv_ways.GEMM_RATE
    for stride, events in ((1, "patches"), (2, "taps")):
        assert conv_ways.choose(1.0, 0.9 * busy, stride, False) == events
        assert conv_ways.choose(1.0, 1.1 * busy, stride, False) == "gemm"
        assert conv_ways.choose(1.1 * few, 0.1, stride, True) == events
        assert conv_ways.choose(0.9 * few, 0.1, stride, True) == "synapses"
        assert conv_ways.choose(0.9 * few, 0.1, stride, False) == events
        assert conv_ways.choose(0.9 * few, 1.0, stride, True) == "gemm"

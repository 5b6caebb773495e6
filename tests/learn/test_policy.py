"""Which kernel is chosen: the cheapest by the table of costs, on both sides of every crossover."""

import numpy as np
import pytest

from neurodev.learn.kernels import conv_ways, policy

N, ROWS = 800, 1000
C = policy.REFERENCE
COST = {  # as the table of the module says
    "gemm": lambda d, r: C.gemm,
    "rows": lambda d, r: C.rows * r,
    "along_batch": lambda d, r: C.along_batch * d + C.turn / N,
    "masks": lambda d, r: (C.masks * 1008 + C.synapse) * d / ROWS + C.words / N,  # 63 words of 16 rows
    "sparse_rows": lambda d, r: (C.sparse_rows * d + C.event / N) * r,
}


@pytest.mark.parametrize("sparse", [False, True])
def test_the_cheapest_is_chosen(sparse):
    more = {"gemm": C.pack / ROWS, "rows": C.pack / ROWS} if sparse else {}
    among = COST if sparse else {name: COST[name] for name in ("gemm", "rows")}
    seen = set()
    for d in np.geomspace(1e-3, 1.0, 31):
        for r in np.geomspace(1e-3, 1.0, 31):
            chosen = policy.choose(d, r, sparse, ROWS, N)
            cost = {name: f(d, r) + more.get(name, 0.0) for name, f in among.items()}
            assert cost[chosen] == min(cost.values())
            seen.add(chosen)
    assert seen == set(among) - {"along_batch"}  # masks do the same for less, where inputs are bits


@pytest.mark.parametrize(("n_row", "whole"), [(ROWS, 992), (16, 16), (15, 0)])
def test_neurons_in_the_same_pass_count(n_row, whole):
    """They cost less there, as far as there are whole words of rows: masks are chosen sooner, and only they."""
    seen = set()
    for d in np.geomspace(1e-3, 1.0, 31):
        for r in np.geomspace(1e-3, 1.0, 31):
            alone, together = (policy.choose(d, r, True, n_row, N, passing=p) for p in (0.0, 1 / 784))
            assert together in (alone, "masks")
            seen.add((alone, together))
    assert (("sparse_rows", "masks") in seen) == (whole > 0)


def test_where_there_are_no_masks():
    """Not for what counts more than once, nor for few rows: the way to every synapse costs as much as for many."""
    assert policy.choose(0.05, 0.2, True, ROWS, N) == "masks"
    assert policy.choose(0.05, 0.2, True, ROWS, N, False) != "masks"
    for n_row in (1, 4, 8):
        assert policy.choose(0.1, 0.05, True, n_row, N) == "sparse_rows"


def test_gradients_of_use_alone_where_they_are_few():
    assert policy.by_window(0.05, 0.01, N) and not policy.by_window(0.05, 0.9, N)


def test_costs_are_measured_once_and_kept(tmp_path, monkeypatch):
    """A file that is damaged, or of another form, is measured again; what another process kept is taken."""
    monkeypatch.setenv("NEURODEV_COSTS", "")
    monkeypatch.setattr(policy, "ENABLED", True)
    monkeypatch.setattr(policy, "folder_of", lambda source: tmp_path)
    made = [C._replace(gemm=0.5), C._replace(gemm=0.7)]
    monkeypatch.setattr(policy, "measured", lambda: made.pop(0))
    kept = policy.kept.__wrapped__
    assert kept().gemm == 0.5 == kept().gemm and len(made) == 1
    (file,) = tmp_path.iterdir()
    for damaged in (
        "", "[]", "{}", '{"gemm": NaN}', file.read_text().replace("0.5", "-0.5"), file.read_text().replace("0.5", "0"),
    ):  # fmt: skip
        file.unlink()
        file.write_text(damaged)
        made[:] = [C._replace(gemm=0.9)]
        assert kept().gemm == 0.9 == kept().gemm, damaged
    monkeypatch.setattr(policy, "folder_of", lambda source: None)
    made[:] = [C]
    assert kept() == C
    monkeypatch.setenv("NEURODEV_COSTS", "reference")
    assert kept() is C


@pytest.mark.compiled
def test_this_machine_is_measured():
    """Plausible, whatever the machine: all positive, and a product of matrices cheaper than a row for each spike."""
    found = policy.measured()
    assert all(0 <= x < 1000 for x in found) and found.gemm > 0 and found.rows > found.gemm
    assert found.along_batch > 0 and found.sparse_rows > 0 and found.masks > 0 and np.isfinite(found).all()


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

"""A probe says whose its columns are, and keeps what it was asked for and no more."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import neurodev as nd
from neurodev.errors import NeurodevError, ParameterError


@pytest.fixture
def sim(tmp_path: Path) -> nd.Simulation:
    net = nd.Network(seed=1)
    s, e = net.add(nd.Poisson(100.0), 5, name="s"), net.add(nd.LIF(), 5, name="e")
    net.connect(s, e, nd.OneToOne(), weight=[1.0, 2.0, 3.0, 4.0, 5.0], delay=[2.0, 1.0, 2.0, 1.0, 2.0], name="q")
    return nd.Simulation(net, to=tmp_path / "a.sqlite")


def test_a_column_is_one_synapse_whoever_dies_and_is_born(sim: nd.Simulation) -> None:
    weight, uid = sim.probe("q", "weight", every=10.0), sim.probe("q", "uid", every=10.0)
    pre, delay, born = (sim.probe("q", what, every=10.0) for what in ("pre", "delay", "born"))
    two = sim.probe("q", "weight", every=10.0, uids=[4, 2])
    sim.at(15.0, nd.RemoveSynapses("q", source=[1]), clock="spike")
    sim.at(15.0, nd.AddSynapses("q", [0], [3], weight=9.0), clock="spike")
    sim.at(25.0, nd.RemoveSynapses("q", source=[4]), clock="spike")
    sim.run(30.0)
    n = np.nan
    assert weight.uid.tolist() == [1, 2, 3, 4, 5, 6] and weight.times.tolist() == [10.0, 20.0, 30.0]
    right = [[1, 2, 3, 4, 5, n], [1, n, 3, 4, 5, 9], [1, n, 3, 4, n, 9]]
    assert np.array_equal(weight.values, right, equal_nan=True)
    lives = ~np.isnan(weight.values)
    for p in (uid, pre, delay, born):
        assert p.uid.tolist() == weight.uid.tolist() and np.array_equal(~np.isnan(p.values), lives)
    assert (uid.values == uid.uid)[lives].all()
    assert np.nanmax(pre.values, axis=0).tolist() == [0, 1, 2, 3, 4, 0]
    assert np.nanmax(delay.values, axis=0).tolist() == [2, 1, 2, 1, 2, 1]
    assert np.nanmax(born.values, axis=0).tolist() == [0, 0, 0, 0, 0, 15]
    assert two.uid.tolist() == [4, 2]
    assert np.array_equal(two.values, [[4, 2], [4, n], [4, n]], equal_nan=True)


def test_a_probe_of_two_cells_keeps_two(sim: nd.Simulation) -> None:
    everyone = sim.probe("e", "V")
    some = {
        "list": sim.probe("e", "V", cells=[3, 1]),
        "mask": sim.probe("e", "V", cells=[False, True, False, True, False]),
        "set": sim.probe(sim.simulator.network.populations["e"], cells={3, 1}),
    }
    sim.run(50.0)
    assert everyone.values.shape == (50, 5) and np.ptp(everyone.values) > 0
    for how, p in some.items():
        assert p.cells.tolist() == ([3, 1] if how == "list" else [1, 3]), how
        assert np.array_equal(p.values, everyone.values[:, p.cells])
        assert sum(v.nbytes for v in p._values) == 50 * 2 * 8


def test_a_probe_that_saw_nothing_yet_has_its_columns(sim: nd.Simulation) -> None:
    assert sim.probe("e", cells=[2]).values.shape == (0, 1)
    p = sim.probe("q", "weight")
    assert p.values.shape == (0, 5) and p.uid.tolist() == [1, 2, 3, 4, 5]


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "no place": ({"what": "ee"}, "nothing of this network to probe by 'ee' .did you mean 'e'"),
    "a number": ({"what": 3}, "nothing of this network"),
    "no signal": ({"what": "e", "signal": "calcum"}, "'e' has no signal 'calcum'"),
    "signal of no type": ({"what": "e", "signal": ["V"]}, "has no signal"),
    "no column": ({"what": "q", "signal": "wieght"}, "did you mean 'weight'"),
    "V of a drive": ({"what": "s"}, "is a drive and has no membrane"),
    "fractions": ({"what": "e", "cells": [1.5]}, "cells .*fractions"),
    "short mask": ({"what": "e", "cells": [True]}, "cells .*length 1"),
    "nobody": ({"what": "e", "cells": []}, "cells .*picks none"),
    "beyond": ({"what": "e", "cells": [5]}, "cells .*5 is beyond"),
    "uids of cells": ({"what": "e", "uids": [1]}, "use cells="),
    "cells of synapses": ({"what": "q", "signal": "weight", "cells": [1]}, "use uids="),
    "foreign uid": ({"what": "q", "signal": "weight", "uids": [77]}, "uid 77 the first"),
    "every zero": ({"what": "e", "every": 0}, "every must be a positive number of ms, got 0"),
    "every nan": ({"what": "e", "every": float("nan")}, "every must be"),
    "every text": ({"what": "e", "every": "1"}, "every must be"),
    "every true": ({"what": "e", "every": True}, "every must be"),
    "without end": ({"what": "e", "every": 1e-12}, "every must be at least 0.001 ms"),
    "misspelt": ({"what": "e", "evry": 1.0}, "no parameter 'evry' .did you mean 'every'"),
}


@pytest.mark.parametrize("case", WRONG, ids=lambda c: c.replace(" ", "-"))
def test_what_cannot_be_probed(sim: nd.Simulation, case: str) -> None:
    given, match = WRONG[case]
    with pytest.raises(NeurodevError, match=match):
        sim.probe(**given)
    assert sim.run(1.0).spike == 1.0


def test_samples_that_no_memory_holds_are_refused_before_the_run(sim: nd.Simulation) -> None:
    sim.probe("e", every=1e-3)
    with pytest.raises(ParameterError, match=r"the samples of 1 probes would take at least .* GiB.*raise every="):
        sim.run(1e10)
    assert sim.run(0.01).spike == pytest.approx(0.01)

"""What a drive of a user gives is looked at before the loop reads it: a cell too many would be foreign memory."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import neurodev as nd
from neurodev.engine.simulator import Simulator
from neurodev.errors import BuildError, SimulationError
from neurodev.neurons.drive import Drive, Source


class Given(Source):
    def __init__(self, period: Any, chunk: Any) -> None:
        self.period, self.given = period, chunk

    def chunk(self, k: int) -> Any:
        return self.given


@dataclass(frozen=True)
class Odd(Drive):
    given: Any = None
    period: Any = 10.0

    def bind(self, n, positions, seed, name):
        return Given(self.period, self.given) if self.period != "none" else 7

    def mean_rate_hz(self):
        return 1.0


def run(drive):
    net = nd.Network(seed=1)
    source = net.add(drive, 12, name="odd")
    cells = net.add(nd.LIF(), 3, name="cells")
    net.connect(source, cells, nd.AllToAll(), weight=1.0, delay=1.0)
    sim = Simulator(net)
    sim.run_until_spike(25.0)
    return sim


CHUNKS = {
    "a cell too many": (([1.0], [12]), "names cell 12 of 12"),
    "a negative cell": (([1.0], [-1]), "names cell -1 of 12"),
    "late": (([10.0], [0]), "outside \\[0, 10\\)"),
    "early": (([-0.1], [0]), "outside"),
    "nan": (([np.nan], [0]), "outside"),
    "fractions of cells": (([1.0], [1.5]), "numbers of cells"),
    "lengths": (([1.0, 2.0], [1]), "numbers of cells"),
    "nothing": (None, "is no \\(times, cells\\)"),
}


@pytest.mark.parametrize("case", CHUNKS)
def test_a_wrong_chunk_is_refused(case):
    given, match = CHUNKS[case]
    with pytest.raises(SimulationError, match=match) as e:
        run(Odd(given))
    assert "chunk 0 of Odd 'odd'" in str(e.value)


@pytest.mark.parametrize("period", [0.0, -1.0, 1e-9, float("nan"), float("inf"), "none"])
def test_a_period_that_would_never_end_is_refused(period):
    with pytest.raises(BuildError, match=r"Odd.bind of 'odd' must return a source"):
        run(Odd(([1.0], [0]), period))


def test_lists_are_taken_and_their_spikes_delivered():
    sim = run(Odd(([1.0, 2.5], [3, 4])))
    assert sim.engine.take_counts()[0].tolist() == [0, 0, 0, 3, 3, 0, 0, 0, 0, 0, 0, 0]

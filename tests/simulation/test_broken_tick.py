"""A mechanism that raises, or writes what is no number, stops the run; what was recorded before is in the file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

import neurodev as nd
from neurodev.engine.simulator import Simulator
from neurodev.errors import SimulationError
from neurodev.units import day, hour

PHASES = ("signals", "add", "advance", "propose", "settle")


@dataclass(frozen=True)
class Fragile(nd.Mechanism):
    """Raises in one phase of the third tick."""

    equation: ClassVar[str] = "none"
    phase: str = nd.param("add", choices=PHASES, source="free")
    interrupt: bool = False

    def _maybe(self, view: Any, phase: str) -> None:
        if phase == self.phase and view.clock.tick == 3:
            raise KeyboardInterrupt if self.interrupt else ValueError("a foreign module")

    def signals(self, view: Any) -> None:
        self._maybe(view, "signals")

    def add(self, view: Any) -> None:
        self._maybe(view, "add")

    def advance(self, view: Any) -> None:
        self._maybe(view, "advance")

    def propose(self, view: Any) -> None:
        self._maybe(view, "propose")

    def settle(self, view: Any) -> None:
        self._maybe(view, "settle")


@dataclass(frozen=True)
class Senseless(nd.Mechanism):
    """Writes something that is no number into one column of one synapse at the second tick."""

    owns: ClassVar[tuple[str, ...]] = ("weight", "mine")
    adds: ClassVar[tuple[str, ...]] = ("drive_odd",)
    causes: ClassVar[dict[str, nd.Cause]] = {"odd": nd.Cause("it was odd", colour="#000000")}
    equation: ClassVar[str] = "none"
    into: str = "weight"
    value: Any = None

    def __post_init__(self) -> None:
        """Nothing to check: the value is senseless."""

    def columns(self) -> dict[str, float]:
        return {"mine": 0.0, "drive_odd": 0.0}

    def plain_columns(self) -> dict[str, float]:
        return self.columns()

    def advance(self, view: Any) -> None:
        if view.clock.tick == 2:
            table = view.table
            if self.into == "rate_hz":
                view.target["rate_hz"][4] = self.value
            else:
                column = table.weight if self.into == "weight" else table.column(self.into)
                column[view.slots()[7]] = self.value


def simulation(to: Path, mechanism: nd.Mechanism) -> nd.Simulation:
    """Cells that fire, and synapses with one mechanism."""
    net = nd.Network(seed=2)
    cells = net.add(nd.LIF(drive=25.0), 10, name="cells")
    net.connect(cells, cells, nd.Degree(3), weight=0.1, name="ring").use(mechanism)
    return nd.Simulation(net, acceleration=1e4, tick=2 * hour, to=to, record="all")


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("interrupt", [False, True])
def test_what_came_before_an_error_is_kept(tmp_path: Path, phase: str, interrupt: bool) -> None:
    """All counts and spikes of the tick in which a mechanism raises; the run says that it broke, and in whom."""
    sim = simulation(tmp_path / "a.sqlite", Fragile(phase=phase, interrupt=interrupt))
    with pytest.raises(KeyboardInterrupt if interrupt else ValueError):
        sim.run(1 * day)
    run = nd.Run(tmp_path / "a.sqlite")
    counts, (times, who) = run.counts("cells"), run.spikes("cells")
    assert len(counts) == len(run.count_windows("cells")) == 3
    assert (counts.sum(axis=1) > 0).all() and counts.sum() == times.size == who.size
    assert np.bincount(who, minlength=10).tolist() == counts.sum(axis=0).tolist()
    said = run.file.item("finished")
    if interrupt:
        assert said == "interrupted"
    else:
        assert said.startswith("stopped: ValueError: a foreign module") and f"Fragile.{phase} on 'ring'" in said
    assert run.verify() == 30


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("into", ["weight", "mine", "drive_odd"])
def test_columns_that_are_no_numbers_are_told(tmp_path: Path, into: str, value: float) -> None:
    """Mechanism, projection, column, uid and time; the tick is not recorded as if it were sound."""
    sim = simulation(tmp_path / "a.sqlite", Senseless(into=into, value=value))
    table = sim.simulator.tables["ring"]
    uid = int(table.uid[table.slots()[7]])
    with pytest.raises(SimulationError, match=rf"Senseless on 'ring': {into} is .* uid {uid} first, at 1.44e\+07 ms"):
        sim.run(1 * day)
    run = nd.Run(tmp_path / "a.sqlite")
    assert "Senseless on 'ring'" in run.file.item("finished") and len(run.counts("cells")) == 2


def test_signals_that_are_no_numbers_are_told(tmp_path: Path) -> None:
    """A signal of a population, by the neuron."""
    sim = simulation(tmp_path / "a.sqlite", Senseless(into="rate_hz", value=np.nan))
    with pytest.raises(SimulationError, match="'cells': the signal rate_hz is NaN in 1 of 10 neurons, neuron 4 first"):
        sim.run(1 * day)


@dataclass(frozen=True)
class Newborn(nd.Mechanism):
    """Raises when a synapse is born."""

    equation: ClassVar[str] = "none"

    def born(self, view: Any, slots: Any) -> None:
        raise ValueError("a foreign module")


@dataclass
class Meddling(nd.Intervention):
    """Raises when its time has come."""

    def check(self, sim: Any) -> None:
        """Nothing speaks against it."""

    def apply(self, sim: Any) -> None:
        raise ValueError("a foreign module")


@pytest.mark.parametrize("where", ["born", "apply"])
def test_who_raised_between_the_phases_is_told(tmp_path: Path, where: str) -> None:
    """At a birth and in an intervention: by name, with the time; what came before is sealed and whole."""
    net = nd.Network(seed=2)
    cells = net.add(nd.LIF(drive=25.0), 10, name="cells")
    ring = net.connect(cells, cells, nd.Degree(3), weight=0.1, name="ring")
    ring.use(nd.Turnover(early=0.0, late=50.0), *([Newborn()] if where == "born" else []))
    sim = nd.Simulation(net, acceleration=1e4, tick=2 * hour, to=tmp_path / "a.sqlite")
    if where == "apply":
        sim.at(5 * hour, Meddling())
    with pytest.raises(ValueError, match="a foreign module"):
        sim.run(1 * day)
    run = nd.Run(tmp_path / "a.sqlite")
    said = "Newborn.born on 'ring', tick 1" if where == "born" else "Meddling.apply, at 1.8e+07 ms of life"
    assert said in run.file.item("finished") and run.file.sealed
    assert len(run.counts("cells")) == (1 if where == "born" else 3)
    run.verify()


@pytest.mark.parametrize(
    ("model", "column", "said"),
    [
        (nd.LIF(), "u", "LIF of 'cells': the potential is NaN"),
        (nd.LIF(tau_excitatory=5.0, tau_inhibitory=5.0), "u", "LIF of 'cells': the potential is NaN"),
        (nd.LIF(tau_excitatory=5.0, tau_inhibitory=5.0), 1, "LIF of 'cells': the column .* is NaN"),
        (
            nd.LIF(tau_excitatory=5.0, tau_inhibitory=5.0, dendrite=nd.Plateau(2)),
            "place",
            "LIF of 'cells': .* of a branch is NaN",
        ),
    ],
)
def test_neurons_that_are_no_numbers_are_told(model: Any, column: Any, said: str) -> None:
    """Membranes, and the columns and places of a model with rules: population, neuron and time, at the next tick."""
    net = nd.Network(seed=2)
    cells = net.add(model, 6, name="cells", room=2)
    sim = Simulator(net, tick=100.0)
    sim.run_until_spike(100.0)  # the unborn are nobody's business
    held = sim.engine.cells.get(cells.index)
    if column == "u":
        sim.engine.state.neurons.u[4] = np.nan
    elif column == "place":
        assert held is not None
        held.places[2 * 4 + 1, -1] = np.nan
    else:
        assert held is not None
        held.state[4, column] = np.nan
    with pytest.raises(SimulationError, match=rf"{said} in 1 of 8 neurons, neuron 4 first, at 200 ms of life"):
        sim.run_until_spike(300.0)

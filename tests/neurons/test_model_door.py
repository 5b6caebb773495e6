"""Whatever a user's neuron model gives, right or wrong: a clear refusal or a run, never a crash, a hang or a guess."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import neurodev as nd
from neurodev import jit
from neurodev.engine.simulator import Simulator
from neurodev.errors import BuildError, SimulationError
from neurodev.jit import kernel, model_rule
from neurodev.neurons.model import Column, Membrane, NeuronModel, Rules
from neurodev.neurons.rules import cells_of, schedule, unschedule
from neurodev.params import param


@model_rule
def receive(m, i, q, k, weight, t):
    cells_of(m)[i, 1] += weight
    return 0


@model_rule
def predict(m, first, last, unused, none, t):
    for i in range(first, last):
        unschedule(m, i)
    return 0


@model_rule
def event(m, i, b, c, none, t):
    return 1


@model_rule
def reset(m, i, b, c, none, t):
    return 0


@model_rule
def for_ever(m, first, last, unused, none, t):
    for i in range(first, last):
        schedule(m, i, t)
    return 0


@model_rule
def backwards(m, first, last, unused, none, t):
    for i in range(first, last):
        schedule(m, i, t - 1.0)
    return 0


@model_rule
def many(m, first, last, unused, none, t):
    for i in range(first, last):
        for k in range(500):
            schedule(m, i, t + 0.01 * (k + 1))
    return 0


@model_rule
def of_another_length(m, i):
    return 0


@kernel
def a_kernel(m, i, b, c, none, t):
    return 0


def plain(m, i, b, c, none, t):
    return 0


RULES = Rules(predict, event, reset, receive)


@dataclass(frozen=True)
class Cell(NeuronModel):
    tau: Any = param(10.0, unit="ms", array=True, source="free")
    give: Any = None

    def given(self, what, otherwise):
        return self.give[what] if self.give and what in self.give else otherwise

    def rules(self):
        return self.given("rules", RULES)

    def columns(self):
        return self.given("columns", (Column("x"),))

    def place_columns(self):
        return self.given("place_columns", ())

    def n_scratch(self):
        return self.given("n_scratch", 0)

    def start(self, values):
        return self.given("start", {})

    def table(self, values, fastest):
        return self.given("table", super().table(values, fastest))

    def fastest_rate(self, n, name):
        return self.given("fastest_rate", 0.0)

    def membrane(self, n, name):
        return self.given("membrane", super().membrane(n, name))


class NoDataclass(NeuronModel):
    def rules(self):
        return RULES


def built(model, n=50, **words):
    net = nd.Network(seed=1, **words)
    cells = net.add(model, n, name="cells")
    net.background(cells, nd.Background(rate_hz=500.0, weight=1.0))
    return Simulator(net)


Z = np.zeros(50)
WRONG = {
    "no rules": ({"rules": None}, "rules\\(\\) returned None"),
    "a tuple": ({"rules": (predict, event, reset, receive)}, "must return a Rules"),
    "nothing received": ({"rules": Rules(predict, event, reset)}, "needs receive, or both deliver and kick"),
    "rows": ({"table": np.zeros((3, 1))}, r"shape \(50, at least 1\), got shape \(3, 1\)"),
    "no values": ({"table": np.zeros((50, 0))}, r"got shape \(50, 0\)"),
    "one dimension": ({"table": np.zeros(50)}, r"got shape \(50,\)"),
    "text": ({"table": np.full((50, 1), "40")}, "must return numbers"),
    "nan": ({"table": np.full((50, 1), np.nan)}, "table\\(\\) holds NaN"),
    "words": ({"columns": ("x",)}, "must return a tuple of Column"),
    "twice": ({"columns": (Column("x"), Column("x"))}, "a word of its own"),
    "event": ({"columns": (Column("event"),)}, "other than 'event'"),
    "fill": ({"columns": (Column("x", float("nan")),)}, "fill of 'x'"),
    "places": ({"place_columns": (Column("y"),)}, "without a dendrite"),
    "start": ({"start": {"y": 0.0}}, "start\\(\\) names a column 'y'"),
    "start shape": ({"start": {"x": np.zeros(3)}}, r"shape \(50,\)"),
    "scratch": ({"n_scratch": 2.5}, "n_scratch\\(\\) must return a whole number"),
    "rate": ({"fastest_rate": float("nan")}, "fastest_rate\\(\\) must return a finite rate"),
    "membrane": ({"membrane": Membrane(Z, Z, Z, Z, np.zeros(3), Z)}, r"refractory must have shape \(50,\)"),
    "refractory": ({"membrane": Membrane(Z, Z, Z, Z, Z * np.nan, Z)}, "without NaN"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_what_a_model_gives_is_looked_at(case):
    give, match = WRONG[case]
    with pytest.raises(BuildError, match=match) as e:
        built(Cell(give=give))
    assert "Cell of population 'cells'" in str(e.value)


def test_a_model_is_a_dataclass():
    with pytest.raises(BuildError, match="@dataclass"):
        built(NoDataclass())


@pytest.mark.skipif(not jit.ENABLED, reason="what the compiler makes of a rule")
@pytest.mark.parametrize("rule", [plain, a_kernel, of_another_length], ids=lambda r: getattr(r, "__name__", "rule"))
def test_a_rule_is_compiled_as_one(rule):
    """An undecorated function has no address that could be called."""
    with pytest.raises(BuildError, match="rule 'event' (must be a function decorated|does not compile)"):
        built(Cell(give={"rules": Rules(predict, rule, reset, receive)}))


@pytest.mark.parametrize("rule", [for_ever, backwards], ids=["the same instant", "the past"])
def test_a_model_that_never_moves_on_is_stopped(rule):
    sim = built(Cell(give={"rules": Rules(rule, event, reset, receive)}), n=5)
    with pytest.raises(SimulationError, match="population 'cells': the rules of Cell note an event"):
        sim.run_until_spike(5.0)


def test_more_events_than_room():
    """The heap grows, and what was noted last is what happens: once in 5 ms for each of 50 neurons."""
    sim = built(Cell(give={"rules": Rules(many, event, reset, receive)}))
    before = sim.engine.state.queue.crossing_time.size
    sim.run_until_spike(0.9)
    assert sim.engine.state.queue.crossing_time.size > before
    sim.verify()


@pytest.mark.parametrize("model", ["currents", "supra"])
def test_many_rows_at_one_instant(model):
    """Hundreds of simultaneous rows onto neurons that are all near threshold: the heap has room for every event."""
    words = dict(tau_excitatory=5.0, tau_inhibitory=5.0) if model == "currents" else dict(drive=21.0)
    counts = []
    for together in (True, False):
        net = nd.Network(seed=1, together=together)
        cells = net.add(nd.LIF(tau=20, threshold=20, **words), 200, name="cells")
        source = net.add(nd.SpikeList(np.repeat([1.0, 9.0], 100), np.tile(np.arange(100), 2)), 100)
        net.connect(source, cells, nd.AllToAll(), weight=60.0 if model == "currents" else 0.01, delay=1.0, name="p")
        sim = Simulator(net)
        sim.run_until_spike(90.0)
        counts.append(int(sim.engine.take_counts()[0].sum()))
    assert counts[0] > 0 and counts[1] > 0

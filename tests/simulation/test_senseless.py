"""What makes no sense at the doors of a simulation is refused at once: argument, value and cure, nothing allocated.

Every argument of every public function that describes and runs a network, against a table of senseless values; and
sizes, rates and durations that no machine holds or ends, against a limit of memory and time.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import neurodev as nd
from neurodev.engine.simulator import Simulator
from neurodev.errors import NeurodevError, ParameterError

NAN, INF = float("nan"), float("inf")
SENSELESS: dict[str, Any] = {
    "nan": NAN, "inf": INF, "-inf": -INF, "negative": -1, "a negative fraction": -0.5, "text": "no", "no text": "",
    "bytes": b"1", "nothing": [], "an empty array": np.zeros(0), "a list": [1.0, 2.0, 3.0], "a mask": np.ones(4, bool),
    "a table": np.ones((2, 2)), "an object": object(), "a class": int, "a dictionary": {"a": 1}, "complex": 1j,
    "a generator": (i for i in range(3)), "a digit": "1", "an array of text": np.array(["1"]), "nan of numpy": np.nan,
    "not a time": pd.NaT, "a hole": pd.NA, "5000 digits": 10**5000,
}  # fmt: skip


class Given:
    """A network, and calls with one argument replaced."""

    def __init__(self, to: Path) -> None:
        self.to = to
        self.net = nd.Network(seed=1)
        self.s, self.e = self.net.add(nd.Poisson(5.0), 4, name="s"), self.net.add(nd.LIF(), 4, name="e")

    def network(self, **more: Any) -> Any:
        return nd.Network(**more)

    def add(self, **more: Any) -> Any:
        return self.net.add(**({"model": nd.LIF(), "n": 4} | more))

    def add_drive(self, **more: Any) -> Any:
        return self.net.add(**({"model": nd.Poisson(), "n": 4} | more))

    def connect(self, **more: Any) -> Any:
        given = {"source": self.s, "target": self.e, "wiring": nd.OneToOne(), "weight": 1.0} | more
        return self.net.connect(**given)

    def connect_spines(self, **more: Any) -> Any:
        given = {"source": self.s, "target": self.e, "wiring": nd.OneToOne(), "spines": nd.Spines()} | more
        return self.net.connect(**given)

    def background(self, **more: Any) -> Any:
        return self.net.background(**({"target": self.e, "drive": nd.Background()} | more))

    def simulation(self, **more: Any) -> Any:
        nd.Simulation(**({"network": self.net, "to": self.to} | more)).close()

    def simulate(self, **more: Any) -> Any:
        return nd.simulate(**({"network": self.net, "duration": 1.0, "to": self.to, "progress": False} | more))


ARGUMENTS: dict[str, tuple[str, ...]] = {
    "network": ("seed", "sheet", "together"),
    "add": ("model", "n", "name", "inhibitory", "positions", "jitter", "room"),
    "add_drive": ("model", "n", "name", "inhibitory", "positions", "jitter", "room"),
    "connect": ("source", "target", "wiring", "weight", "delay", "spines", "name", "multapses", "signed", "branch"),
    "connect_spines": ("weight", "spines", "delay", "multapses", "branch"),
    "background": ("target", "drive"),
    "simulation": ("network", "acceleration", "tick", "record", "progress", "events_per_tick", "start", "study"),
    "simulate": ("network", "duration", "progress", "tick", "acceleration"),
}
MEANINGFUL = {  # senseless elsewhere, but not here
    "name": {"text", "a digit"},
    "weight": {"nothing", "an empty array", "a list"},  # how many there are is known when they are drawn
    "delay": {"nothing", "an empty array", "a list"},
    "study": {"text", "no text", "a digit"},
    "start": {"negative", "a negative fraction"},
}
PAIRS = [(f, a) for f, arguments in ARGUMENTS.items() for a in arguments]


@pytest.mark.parametrize(("function", "argument"), PAIRS, ids=lambda x: x)
def test_senseless_values(tmp_path: Path, function: str, argument: str) -> None:
    fine = MEANINGFUL.get(argument, set())
    for case, value in SENSELESS.items():
        if case in fine:
            continue
        with pytest.raises(NeurodevError) as e:
            getattr(Given(tmp_path / "a.sqlite"), function)(**{argument: value})
        assert len(str(e.value)) < 500, case
        if argument not in ("weight", "spines"):  # one of which excludes the other
            assert argument.removesuffix("s") in str(e.value), (case, str(e.value))
    assert not list(tmp_path.iterdir())


INTERVENTIONS: list[tuple[type, dict[str, Any]]] = [
    (nd.Silence, {"population": "e", "on": True}),
    (nd.Block, {"where": "q", "mechanism": "TrophicFactor", "on": True}),
    (nd.SetRate, {"population": "e", "rate_hz": 3.0}),
    (nd.RemoveSynapses, {"projection": "q", "uids": [1]}),
    (nd.RemoveSynapses, {"projection": "q", "source": [0], "target": [0], "cause": "lesion"}),
    (nd.Lesion, {"population": "e", "neurons": [1]}),
    (nd.AddSynapses, {"projection": "q", "source": [0], "target": [1], "weight": 1.0, "delay": 1.0}),
    (nd.Infuse, {"projection": "q", "rate": 1.0, "targets": [1]}),
    (nd.Antagonise, {"projection": "q", "share": 0.5, "targets": [1]}),
]


@pytest.mark.parametrize("k", range(len(INTERVENTIONS)), ids=lambda k: INTERVENTIONS[k][0].__name__)
def test_senseless_interventions(tmp_path: Path, k: int) -> None:
    kind, fine = INTERVENTIONS[k]
    given = Given(tmp_path / "a.sqlite")
    given.background()
    given.connect_spines(name="q").use(nd.SpineSize(death="none"), nd.TrophicFactor())
    sim = Simulator(given.net)
    kind(**fine).check(sim)
    for argument in fine:
        for case, value in SENSELESS.items():
            if argument in ("source", "target") and case == "a mask" and kind is nd.RemoveSynapses:
                continue  # a mask of four cells is one
            if argument in ("neurons", "targets") and case == "a mask":
                continue
            with pytest.raises(NeurodevError) as e:
                what = kind(**fine | {argument: value})
                what.check(sim)
            assert len(str(e.value)) < 900, case


DRIVES: list[tuple[type, dict[str, Any]]] = [
    (nd.Poisson, {"rate_hz": 5.0}),
    (nd.Regular, {"interval": 5.0, "phase": 1.0}),
    (nd.SpikeList, {"times": [1.0], "indices": [0], "repeat": 5.0}),
    (nd.Background, {"rate_hz": 5.0, "amplitudes": "fixed"}),
    (nd.RetinalWaves, dict(nd.RetinalWaves().__dict__)),
    (nd.Recorded, {"trains": [([1.0], [0])], "places": [[0.5, 0.5]] * 4, "interval": 50.0, "permutation": False}),
]


@pytest.mark.parametrize("k", range(len(DRIVES)), ids=lambda k: DRIVES[k][0].__name__)
def test_senseless_drives(tmp_path: Path, k: int) -> None:
    kind, fine = DRIVES[k]
    for argument in fine:
        for case, value in SENSELESS.items():
            given = Given(tmp_path / "a.sqlite")
            with pytest.raises(NeurodevError) as e:
                drive = kind(**fine | {argument: value})
                if kind is nd.Background:
                    given.background(drive=drive)
                else:
                    Simulator(given.add_drive(model=drive) and given.net).run_until_spike(20.0)
            assert len(str(e.value)) < 900, case


def test_lists_of_another_length_than_the_synapses(tmp_path: Path) -> None:
    for argument in ("weight", "delay", "branch"):
        for values in ([1.0, 2.0, 3.0], np.ones(5), []):
            given = Given(tmp_path / "a.sqlite")
            target = given.net.add(nd.LIF(dendrite=nd.Branches(4)), 4)
            many = np.asarray(values, dtype=int if argument == "branch" else float)
            given.connect(**{"target": target, argument: many})
            with pytest.raises(ParameterError, match=argument):
                given.simulation()


def test_words_and_numbers_are_no_truth(tmp_path: Path) -> None:
    for function, argument in (("network", "together"), ("add", "inhibitory"), ("connect", "multapses"),
                               ("connect", "signed"), ("simulation", "progress")):  # fmt: skip
        for value in ("no", "yes", 0, 1, 1.0, None, np.int64(0)):
            with pytest.raises(ParameterError, match=f"{argument} must be True or False, got"):
                getattr(Given(tmp_path / "a.sqlite"), function)(**{argument: value})
        getattr(Given(tmp_path / "a.sqlite"), function)(**{argument: np.False_})


def test_truth_and_fractions_are_no_numbers(tmp_path: Path) -> None:
    for function, argument in (("network", "seed"), ("add", "n"), ("add", "room"), ("simulation", "events_per_tick")):
        for value in (True, 2.7, np.float64(2.7), "2"):
            with pytest.raises(ParameterError, match=argument):
                getattr(Given(tmp_path / "a.sqlite"), function)(**{argument: value})
    for function, argument in (("add", "jitter"), ("connect", "weight"), ("connect", "delay"), ("simulation", "tick"),
                               ("simulation", "acceleration"), ("simulate", "duration")):  # fmt: skip
        with pytest.raises(ParameterError, match=argument):
            getattr(Given(tmp_path / "a.sqlite"), function)(**{argument: True})


def test_numbers_of_numpy_and_pandas_are_numbers(tmp_path: Path) -> None:
    column = pd.Series([3, 5])
    net = nd.Network(seed=np.uint8(3))
    s = net.add(nd.Poisson(np.float32(5.0)), column.max(), jitter=np.int64(1), name=np.str_("s"))
    e = net.add(nd.LIF(), np.array(4), room=np.int16(1), inhibitory=np.True_)
    net.background(e, nd.Background(rate_hz=pd.Series([1.0] * 5), weight=np.float64(0.1)))
    q = net.connect(s, e, nd.Degree(np.int64(2)), weight=np.float32(0.5), delay=np.float64(1.0))
    p = net.connect(s, e, nd.Pairs([0, 1], [2, 3]), weight=column, name="p")
    assert (
        type(e.n) is int and e.n == 5 and e.inhibitory is True and p.weight.tolist() == [3.0, 5.0] and q.weight == 0.5
    )
    sim = nd.Simulation(net, tick=np.float32(2.0), acceleration=np.int64(1), to=tmp_path / "a.sqlite")
    assert sim.run(column.mean()).spike == 4.0
    sim.close()


def test_misspelt_arguments_are_named_with_the_nearest(tmp_path: Path) -> None:
    for function, word, match in (
        ("network", "sed", "Network has no parameter 'sed' .did you mean 'seed'"),
        ("add", "inhibitry", "Network.add has no parameter 'inhibitry' .did you mean 'inhibitory'"),
        ("connect", "wieght", "Network.connect has no parameter 'wieght' .did you mean 'weight'"),
        ("background", "drvie", "did you mean 'drive'"),
        ("simulation", "acceleratoin", "Simulation has no parameter 'acceleratoin' .did you mean 'acceleration'"),
        ("simulate", "recrod", "Simulation has no parameter 'recrod' .did you mean 'record'"),
    ):
        with pytest.raises(ParameterError, match=match):
            getattr(Given(tmp_path / "a.sqlite"), function)(**{word: 1})
    with pytest.raises(ParameterError, match="Network.add: missing a required argument: 'n'"):
        nd.Network().add(nd.LIF())
    with pytest.raises(ParameterError, match="simulate: missing a required argument: 'duration'"):
        nd.simulate(nd.Network())


def test_names_are_words_of_their_own(tmp_path: Path) -> None:
    for name in ("a/b", "../x", "a b", "a.b", "a\n", "a\0", "<b>", "'", "a-b", ""):
        for function in ("add", "connect"):
            with pytest.raises(ParameterError, match="name must be a word"):
                getattr(Given(tmp_path / "a.sqlite"), function)(name=name)
    for function, name in (("add", "s"), ("connect", "e")):
        with pytest.raises(NeurodevError, match=f"there is already a population named '{name}'"):
            getattr(Given(tmp_path / "a.sqlite"), function)(name=name)
    given = Given(tmp_path / "a.sqlite")
    given.connect(name="q")
    for function in ("add", "connect"):
        with pytest.raises(NeurodevError, match="there is already a projection named 'q'"):
            getattr(given, function)(name="q")


def large(net: nd.Network, n: int = 10**6) -> tuple[Any, Any]:
    """A million cells cost nothing to speak of, until they are connected."""
    where = np.broadcast_to(0.0, (n, 2))
    return net.add(nd.Poisson(1.0), n, positions=where), net.add(nd.LIF(), n, positions=where)


def add(model: Any, n: int, **more: Any) -> Callable[[Path], Any]:
    return lambda to: nd.Network().add(model, n, **more)


def driven(drive: Callable[[], Any], n: int = 1, duration: float = 10.0) -> Callable[[Path], Any]:
    def go(to: Path) -> Any:
        net = nd.Network()
        net.connect(net.add(drive(), n), net.add(nd.LIF(), 1), nd.AllToAll(), weight=1.0)
        return nd.simulate(net, duration, to=to, progress=False)

    return go


def backed(rate_hz: Any) -> Callable[[Path], Any]:
    def go(to: Path) -> Any:
        net = nd.Network()
        net.background(net.add(nd.LIF(), 1), nd.Background(rate_hz=rate_hz, weight=0.0))
        return nd.simulate(net, 10.0, to=to, progress=False)

    return go


def connected(wiring: Any, **more: Any) -> Callable[[Path], Any]:
    def go(to: Path) -> Any:
        net = nd.Network()
        return net.connect(*large(net), wiring, weight=1.0, **more)

    return go


def lasting(duration: float, **more: Any) -> Callable[[Path], Any]:
    def go(to: Path) -> Any:
        net = nd.Network()
        net.add(nd.LIF(), 1)
        return nd.simulate(net, duration, to=to, progress=False, **more)

    return go


ENDLESS: dict[str, tuple[Callable[[Path], Any], str]] = {
    "1e9 neurons": (add(nd.LIF(), 10**9), "population 'exc' of 1e.09 cells would take at least .* GiB"),
    "1e12 neurons": (add(nd.LIF(), 10**12), "GiB"),
    "1e30 neurons": (add(nd.LIF(), 10**30), "a whole number in .1, 4611686018427387904"),
    "1e12 cells of a drive": (add(nd.RetinalWaves(), 10**12), "GiB"),
    "room for 1e12": (add(nd.LIF(), 1, room=10**12), "GiB"),
    "all of a million to a million": (connected(nd.AllToAll()), "of 1e.12 synapses would take at least .* GiB"),
    "half of a million to a million": (connected(nd.Probability(0.5)), "GiB"),
    "a billion inputs": (connected(nd.Degree(10**9), multapses=True), "GiB"),
    "a billion neighbours": (connected(nd.Near(inputs=10**9), multapses=True), "GiB"),
    "a Poisson cell of 1e18 Hz": (driven(lambda: nd.Poisson(1e18)), "Poisson.rate_hz"),
    "a background of 1e18 Hz": (backed(1e18), "Background.rate_hz"),
    "backgrounds of 1e18 Hz": (backed([1e18]), "Background.rate_hz"),
    "an interval of 1e-12 ms": (driven(lambda: nd.Regular(interval=1e-12)), "Regular.interval"),
    "waves of 1e18 Hz": (driven(lambda: nd.RetinalWaves(rate_hz=1e18)), "RetinalWaves.rate_hz"),
    "too many fast cells": (driven(lambda: nd.Poisson(1e6), n=10**5), "spikes drawn at a time.* GiB"),
    "too many fast regular cells": (driven(lambda: nd.Regular(interval=1e-3), n=10**5), "GiB"),
    "1e300 ms": (lasting(1e300), "years of computing"),
    "1e300 ms at a large tick": (lasting(1e300, tick=1e299), "years of computing"),
    "1e18 ms at once": (lasting(1e18, acceleration=1e3), "years of computing"),
    "a tick of 1e-12 ms": (lasting(1.0, tick=1e-12), "tick=1e-12 ms of life .* raise tick="),
    "an acceleration of 1e300": (lasting(1.0, acceleration=1e300), "lower acceleration="),
    "an acceleration of 1e-300": (lasting(1.0, acceleration=1e-300), "years of computing"),
    "many ticks": (lasting(1e12, tick=1.0), "1e.12 ticks"),
    "an acceleration of zero": (lasting(1.0, acceleration=0), "acceleration must be a positive number"),
}


@pytest.mark.parametrize("case", ENDLESS, ids=lambda c: c.replace(" ", "-"))
def test_what_no_memory_holds_and_what_never_ends(tmp_path: Path, case: str) -> None:
    call, match = ENDLESS[case]
    before, begun = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
    with pytest.raises(NeurodevError, match=match):
        call(tmp_path / "a.sqlite")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 2**19  # KiB: half a GiB
    assert time.perf_counter() - begun < 5.0
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("size", [1e13, 1e30, 1e300, 1.7e308])
def test_potentials_that_would_free_a_refractory_neuron_and_write_beyond_its_list(tmp_path: Path, size: float) -> None:
    given = Given(tmp_path / "a.sqlite")
    for call, match in (
        (lambda: given.connect(weight=size), "weight must not be beyond"),
        (lambda: given.connect(weight=[-size], signed=True), "weight must not be beyond"),
        (lambda: nd.Background(weight=size), "Background.weight must be <="),
        (lambda: nd.Background(weight=-size), "Background.weight must be >="),
        (lambda: nd.Spines(weight=size), "Spines.weight must be <="),
        (lambda: refuses(nd.LIF(threshold=size)), "its threshold must lie within"),
        (lambda: refuses(nd.LIF(reset=-size)), "its reset must lie within"),
        (lambda: refuses(nd.LIF(drive=size)), "its v_inf must lie within"),
        (lambda: refuses(nd.LIF(tau=1 / size)), "its time constants must be at least 1e-06 ms"),
    ):
        with pytest.raises(NeurodevError, match=match):
            call()


def refuses(model: Any) -> None:
    net = nd.Network()
    net.add(model, 3)
    Simulator(net)

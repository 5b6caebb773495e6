"""A door that speaks: every wrong call names the argument, the value and the cure."""

import tomllib
from pathlib import Path

import numpy as np
import pytest

import neurodev as nd
from neurodev.cli import main
from neurodev.errors import NeurodevError
from neurodev.studies import development, reading
from neurodev.studies.lines import lines_of
from neurodev.units import day, hour


def net():
    n = nd.Network(seed=1)
    return n, n.add(nd.Poisson(5.0), 10, name="in"), n.add(nd.LIF(), 10, name="out")


def connect(**k):
    n, a, b = net()
    return n.connect(a, b, k.pop("wiring", nd.Degree(3)), **({"weight": 1.0} | k))


def use(*mechanisms):
    return connect(weight=None, spines=nd.Spines()).use(*mechanisms)


def coarse():
    n, a, b = net()
    n.connect(a, b, nd.Degree(2), spines=nd.Spines()).use(nd.SpineSize(tau=5 * hour))
    nd.Simulation(n)


def rare_waves():
    n = nd.Network()
    r = n.add(nd.RetinalWaves(), 16)
    e = n.add(nd.LIF(), 4)
    n.connect(r, e, nd.Degree(2), spines=nd.Spines()).use(nd.SpineSize())
    nd.Simulation(n, acceleration=1000)


CASES = {
    "zero tau": (lambda: nd.LIF(tau=0.0), r"LIF.tau must be > 0.* got 0"),
    "nan threshold": (lambda: nd.LIF(threshold=np.nan), "LIF.threshold must be finite"),
    "reset above threshold": (lambda: nd.LIF(reset=30.0), "reset must be below"),
    "initial above threshold": (lambda: nd.LIF(initial=25.0), "initial must be below"),
    "wrong length": (lambda: nd.Network().add(nd.LIF(tau=np.ones(3)), 4), r"shape \(4,\)"),
    "nan weight": (lambda: connect(weight=np.nan), "weight must be a finite number"),
    "negative weight": (lambda: connect(weight=-1.0), "inhibitory=True"),
    "weight and spines": (lambda: connect(spines=nd.Spines()), "either weight"),
    "lanes": (lambda: nd.Uniform(1, 30, step=0.0001), "at most 65535"),
    "zero delay": (lambda: connect(delay=0.0), "must be > 0"),
    "short delay": (lambda: nd.Simulation(_short()), "must be >= 0.01 ms"),
    "delay word": (lambda: connect(delay="soon"), "nd.Uniform"),
    "empty population": (lambda: nd.Network().add(nd.LIF(), 0), "needs at least 1 cell"),
    "half a cell": (lambda: nd.Network().add(nd.LIF(), 2.5), "must be a whole number"),
    "class not instance": (lambda: nd.Network().add(nd.LIF, 3), "must be nd.LIF"),
    "duplicate population": (lambda: _twice(), "already a population named 'a'"),
    "duplicate projection": (lambda: _twice_connected(), "already a projection"),
    "foreign population": (
        lambda: nd.Network().connect(net()[1], net()[2], nd.Degree(2), weight=1.0),
        "population of this",
    ),
    "onto a drive": (lambda: _onto_drive(), "takes no synapses"),
    "too many inputs": (lambda: nd.Simulation(_many()), "lower it or connect with multapses=True"),
    "wiring class": (lambda: connect(wiring=nd.Degree), "give an instance"),
    "two owners": (lambda: use(nd.SpineSize(), _Second()), "two owners, SpineSize and _Second"),
    "reads nothing": (lambda: connect().use(_Reader()), "no mechanism here owns"),
    "mechanism twice": (lambda: use(nd.SpineSize(), nd.SpineSize()), "twice"),
    "no spines": (lambda: connect().use(nd.SpineSize()), "has no spines"),
    "wrong level": (lambda: use(nd.Scaling()), "used on a population"),
    "mechanism class": (lambda: use(nd.SpineSize), "give an instance"),
    "unknown rule": (lambda: nd.STDP("brust"), "did you mean 'burst'"),
    "newborn below minimum": (lambda: nd.SpineSize(newborn=-2.0), "every newborn dies"),
    "tick too coarse": (coarse, "too coarse for SpineSize"),
    "no episode in a tick": (rare_waves, "less than one episode"),
    "seed": (lambda: nd.Network(seed=-1), "seed must be an integer"),
    "wave too slow": (lambda: nd.RetinalWaves(speed=0.001).bind(4, np.eye(4, 2) * 1000, 1, "r"), "raise interval"),
    "shuffle poisson": (lambda: nd.shuffled(nd.Poisson(3.0)), "no correlations"),
    "spike list": (lambda: nd.SpikeList([1.0, 2.0], [0]), "equal length"),
    "past": (lambda: _past(), "lies in the past"),
    "unknown intervention target": (lambda: _silence_typo(), "did you mean 'out'"),
    "duration": (lambda: nd.simulate(net()[0], -1.0, progress=False), "a positive number of ms of life"),
    "no folder": (lambda: nd.simulate(net()[0], 1.0, to="/no/such/folder/x.sqlite"), "does not exist"),
}


class _Second(nd.SpineSize):
    pass


class _Reader(nd.Neurotrophin):
    reads = ("nothing_here",)


def _short():
    n, a, b = net()
    n.connect(a, b, nd.Degree(2), weight=1.0, delay=0.001)
    return n


def _many():
    n, a, b = net()
    n.connect(a, b, nd.Degree(11), weight=1.0)
    return n


def _twice():
    n = nd.Network()
    n.add(nd.LIF(), 2, name="a")
    n.add(nd.LIF(), 2, name="a")


def _twice_connected():
    n, a, b = net()
    for _ in range(2):
        n.connect(a, b, nd.Degree(2), weight=1.0)


def _onto_drive():
    n, a, b = net()
    n.connect(b, a, nd.Degree(2), weight=1.0)


def _past():
    n, _, b = net()
    sim = nd.Simulation(n)
    sim.run(10.0)
    sim.at(5.0, nd.Silence(b))


def _silence_typo():
    n, _, _ = net()
    nd.Simulation(n).at(5.0, nd.Silence("ot"))


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.replace(" ", "-"))
def test_refused(case):
    call, match = CASES[case]
    with pytest.raises(NeurodevError, match=match):
        call()


CONTACTS = """
[population.a]
kind = "Poisson"
n = 30
[population.b]
kind = "LIF"
n = 20
[projection.p]
source = "a"
target = "b"
wiring = {kind = "Contacts", more = 0.3, wiring = {kind = "Degree", inputs = 8}}
weight = 1.0
multapses = true
"""


def test_several_contacts_in_a_study(tmp_path):
    """A wiring that takes another wiring, as data."""
    path = tmp_path / "s.toml"
    path.write_text(CONTACTS)
    wiring = development.build(reading.load(path)).projections["p"].wiring
    assert wiring == nd.Contacts(nd.Degree(inputs=8), more=0.3)


GIVEN = """
[population.film]
kind = "Recorded"
n = 2
trains = [[[1.0, 4.0], [0, 1]], [["2 ms"], [1]]]
places = [[0.1, 0.2], [0.9, 0.5]]
interval = "1 second"
[population.list]
kind = "SpikeList"
n = 3
times = [1.0, 2.5, "30 ms"]
indices = [0, 2, 1]
[population.cells]
kind = "LIF"
n = 4
threshold = [20.0, 21.0, 22.0, 23.0]
[projection.p]
source = "list"
target = "cells"
wiring = {kind = "Pairs", source = [0, 1, 2], target = [3, 0, 1]}
delay = {kind = "DelayList", delays = [1.0, 2.0, 1.5]}
weight = 30.0
[projection.q]
source = "film"
target = "cells"
wiring = {kind = "AllToAll"}
delay = [1.0, 1.0, 1.0, 1.0, 2.0, 2.0, 2.0, 2.0]
weight = 1.0
[run]
duration = "2 second"
record = "all"
"""


def test_what_a_text_can_say_works(tmp_path):
    """Recordings, lists of spikes, pairs and delays, by name."""
    path = tmp_path / "s.toml"
    path.write_text(GIVEN)
    s = reading.load(path, {"run.acceleration": "1", "projection.p.wiring.target": "[3, 0, 2]"})
    net = development.build(s)
    assert net.populations["film"].model.n == 2 and net.populations["film"].positions[1].tolist() == [900.0, 500.0]
    assert net.projections["p"].delay.delays.tolist() == [1.0, 2.0, 1.5]
    assert development.build(s, shuffled=True).populations["film"].model.permutation
    run = development.run(s, tmp_path / "r.sqlite")
    times, cells = run.spikes("list")
    assert times.tolist() == [1.0, 2.5, 30.0] and cells.tolist() == [0, 2, 1]
    assert sorted(run.spikes("cells")[1]) == [0, 2, 3]  # each arrival alone is above threshold
    path.write_text(GIVEN.replace('kind = "Recorded"', 'kind = "Recording"'))
    with pytest.raises(NeurodevError, match="line 3: .*did you mean 'Recorded'"):
        development.build(reading.load(path))


def test_lines_of_every_key_of_every_study():
    """The paths of the scan are those of the parsed table, and a key that two tables use is told apart."""
    root = Path(__file__).parents[1]

    def paths(value, path=()):
        yield from [path] if path else []
        entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        for key, inner in entries:
            yield from paths(inner, (*path, key))

    odd = '"a b" = [[1, 2.5], [{x = """\ny = 1\n"""}]] # z = 1\nc.d = 1979-05-27\n'
    odd += "[[e]]\n[[e.f]]\ng = '[h]'\n[[e]]\nd = 3\n"
    texts = [odd, GIVEN, *(p.read_text() for d in ("examples", "neurodev") for p in (root / d).rglob("*.toml"))]
    for text in texts:
        assert set(lines_of(text)) == set(paths(tomllib.loads(text)))
    found = lines_of(odd)
    assert (found["c", "d"], found["e", 0, "f", 0, "g"], found["e", 1, "d"]) == (4, 7, 9)
    s = reading.Study(GIVEN, {}, "s.toml", {("run", "tick"): "3"})
    assert s.where("projection", "q", "weight").startswith("s.toml, line 28: 'weight = 1.0'")
    assert s.where("projection", "q", "spines", "volume").startswith("s.toml, line 23: '[projection.q]'")
    assert s.where("run", "tick") == "s.toml, --set run.tick=3" and s.where("at", 0) == "s.toml"


@pytest.mark.parametrize(
    ("given", "match"),
    [
        ({"projection.p.use.STDP.gain": "1"}, "no table 'use'"),
        (
            {"projection.p.wiring.kind": "Pears"},
            "--set projection.p.wiring.kind=Pears: .*mean 'Pairs'",
        ),
        ({"projection.p.weight.x": "1"}, "is no table that could have 'x'|no table"),
        ({"population.cells.threshold": '"5 mW"'}, "--set population.cells.threshold.*unknown unit 'mW'"),
    ],
)
def test_refused_settings(given, match, tmp_path):
    path = tmp_path / "s.toml"
    path.write_text(GIVEN)
    with pytest.raises(NeurodevError, match=match):
        development.build(reading.load(path, given))


STUDIES = {
    CONTACTS.replace('"Degree"', '"Degre"'): "line 11.*did you mean 'Degree'",
    CONTACTS.replace('{kind = "Degree", inputs = 8}', '"Degree"'): "wiring needs a table with a kind, got 'Degree'",
    'populaton.x = 1': "did you mean 'population'",
    '[population.e]\nkind = "LIFF"\nn = 3': "did you mean 'LIF'",
    '[population.e]\nkind = "LIF"\nn = 3\ntua = 5.0': "line 4.*did you mean 'tau'",
    '[population.e]\nkind = "LIF"': "needs n",
    '[population.e]\nkind = "LIF"\nn = 3\ntau = "5 dya"': "did you mean 'day'",
    '[population.e]\nkind = "LIF"\nn = 3\n'
    '[projection.p]\nsource = "e"\ntarget = "f"\nwiring = {kind = "Near"}': "no population 'f'",
    '[population.e]\nkind = "LIF"\nn = 3\n[run]\nduraton = "1 day"': "did you mean 'duration'",
    'x = [': "not valid TOML",
}  # fmt: skip


@pytest.mark.parametrize("text", STUDIES)
def test_refused_studies(text, tmp_path, capsys):
    path = tmp_path / "s.toml"
    path.write_text(text)
    assert main(["run", str(path), "--quiet"]) == 2
    import re

    assert re.search(STUDIES[text], capsys.readouterr().err, re.S)


def test_other_refusals_of_the_command_line(tmp_path, capsys):
    foreign = tmp_path / "x.sqlite"
    foreign.write_bytes(b"not a database, but long enough to look at" * 50)
    for argv, match in (
        (["info", str(tmp_path / "none.sqlite")], "there is no run file"),
        (["info", str(foreign)], "not a run file"),
        (["run", str(tmp_path / "none.toml")], "neurodev new"),
        (["bench", "brunell"], "did you mean 'brunel'"),
    ):
        assert main(argv) == 2
        assert match in capsys.readouterr().err


def test_set_and_new(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["new", "mine"]) == 0
    s = reading.load("mine.toml", {"projection.map.use.STDP.gain": "3.5", "run.duration": "1 day"})
    q = development.build(s).projections["map"]
    assert q.mechanisms[0].gain == 3.5 and development.duration(s) == day
    assert main(["new", "mine"]) == 2

"""What things say of themselves: a few lines at a prompt, a small table in a notebook; cheap, and never an error."""

from __future__ import annotations

import inspect
import shutil
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

import neurodev as nd
from neurodev import card, registry
from neurodev.data.dataset import Dataset, SpikeTrains
from neurodev.formats.counts import Counts
from neurodev.protocols.fitting import Fits
from neurodev.record.reader import Reader
from neurodev.runs.training import Synapses
from tests.learn.small import patterns, trained
from tests.walked import few, imaged
from tests.walked_sweeps import STUDY

DAY = 86400e3
EVIL = "<script>alert('a')</script>&\n\x1b[2J\"" + "x" * 1000


def network() -> nd.Network:
    made = nd.Network(seed=1)
    s, e = made.add(nd.Poisson(50.0), 4, name="s"), made.add(nd.LIF(), 4, name="e", room=2)
    made.connect(s, e, nd.AllToAll(), spines=nd.Spines(), name="q").use(nd.SpineSize(), nd.Turnover(early=9, late=9))
    e.use(nd.Scaling())
    return made


class World:
    """A run, a training, and what can be had from them."""

    def __init__(self, folder: Path) -> None:
        self.run = nd.simulate(network(), 3 * DAY, acceleration=1e6, to=folder / "run.sqlite", progress=False)
        t = trained(epochs=2, to=folder / "training.sqlite", methods=[nd.methods.SET(0.5)])
        t.fit()
        self.training = t.close()
        self.fit = nd.fit(imaged(), few(), n=100, rounds=1)
        (folder / "s.toml").write_text(STUDY)
        self.sweep = nd.sweep(folder / "s.toml", seeds=2, jobs=1, progress=False)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return World(tmp_path_factory.mktemp("card"))


def many(n: int = 900) -> np.ndarray[Any, Any]:
    return np.linspace(1.0, 2.0, n)


def evil_history() -> nd.History:
    n = 300
    columns = {f"{EVIL}{k}": np.arange(n) for k in range(30)}
    return nd.History.of_sessions(
        np.random.default_rng(1).random((n, 5)),
        range(5),
        columns=columns,
        title=EVIL,
        size_unit=EVIL,
        notes=[EVIL] * 50,
    )


# what tells of itself by a card, with what it must say
CARDS: dict[str, tuple[Callable[[World], Any], str]] = {
    "Run": (lambda w: w.run, "1 plastic projection, 3 days of life, "),
    "a training": (lambda w: w.training, "2 epochs of training"),
    "Sweep": (lambda w: w.sweep, "1 point x 2 seeds, 2 finished, 0 failed, in"),
    "Spines of a run": (lambda w: w.run.spines, "alive at the end"),
    "Synapses": (lambda w: w.training.spines, "synapses of 'fc', 'out'"),
    "Spine": (lambda w: w.run.spines.longest(), "of 'q', s "),
    "Synapse": (lambda w: w.training.spines.longest(), "Synapse("),
    "Log": (lambda w: w.run.log, "births and deaths of 'q', in ticks of"),
    "Lives": (lambda w: w.run.neurons, "0 of e"),
    "Training": (lambda w: w.training.training, "2 epochs"),
    "Network": (lambda w: network(), "2 populations: s (4), e (6), 1 projection: q"),
    "Population": (lambda w: network().populations["e"], "4 neurons and room for 2, LIF, excitatory, uses Scaling"),
    "Projection": (lambda w: network().projections["q"], "s to e, about 24 synapses, 4 inputs each, spines of 4 mV"),
    "Dataset": (lambda w: patterns(), "40 training and 12 test samples of 6 float32, 3 classes: a, b, c"),
    "SpikeTrains": (lambda w: SpikeTrains.of([([1.0, 2.0], [0, 1])], 3, 5.0), "1 sample, 2 spikes of 3 cells in 5 ms"),
    "History": (lambda w: imaged(), "0 births and 1"),
    "a history of a run": (lambda w: w.run.history(), "days"),
    "a history with evil names": (lambda w: evil_history(), "300 lives"),
    "Counts": (lambda w: Counts.of_history(imaged(), None), "1 dendrites, 4 sessions in days"),
    "SurvivalCurve": (lambda w: imaged().survival("standing"), "at risk; "),
    "a curve without a death": (lambda w: nd.History.of_lives([0, 0], [1, 1]).survival("all"), "nobody died up to 1"),
    "Fit": (lambda w: w.fit, "fitted to 30 lives"),
    "Fits": (lambda w: Fits([w.fit, w.fit]), "is nearest"),
    "Look": (lambda w: w.fit.fitted, "lives=30"),
    "Changes": (lambda w: imaged().changes(), "number=(4,) of"),
    "Hazards": (lambda w: nd.History.of_lives([0, 1, 1], [1, 2, 3]).hazard([0.0, 2.0, 4.0]), "HazardTable("),
    "Observed": (lambda w: w.fit.fitted.data, "lag=(3,) of 4 to 12"),
    "Simulation": (lambda w: nd.Simulation(network(), acceleration=60.0), "2 populations, 1 projection, 0 ms of life"),
    "Trainer": (lambda w: trained(epochs=2, methods=[nd.methods.SET(0.5)]), "'patterns', SET, 0 of 2 epochs"),
    "Layered": (lambda w: w.training.training.structure(), "Layered("),
}  # fmt: skip


@pytest.mark.parametrize("name", CARDS)
def test_a_card_is_short_says_what_is_wanted_and_is_escaped(name: str, world: World) -> None:
    make, wanted = CARDS[name]
    thing = make(world)
    text = repr(thing)
    assert wanted in text, text
    assert len(text) <= card.LETTERS and text.count("\n") < card.LINES, text
    assert card.printable(text) == text and "array(" not in text
    page = thing._repr_html_()
    root = ElementTree.fromstring(page)  # well formed, as nothing that is not escaped would be
    assert {e.tag for e in root.iter()} == {"table", "caption", "tbody", "tr", "th", "td"}
    assert not [e for e in root.iter() if set(e.attrib) - {"scope"}]
    cells = [e.text for e in root.iter("td")]
    assert cells and all(cells) and max(map(len, cells)) <= card.CELL, page
    assert not [c for c in cells if c.startswith("not readable")], page
    assert len(cells) <= card.ROWS + 1


def with_arrays() -> Iterator[Any]:
    """Parts of a network that hold arrays."""
    n = many()
    yield nd.Pairs(np.arange(n.size), np.arange(n.size))
    yield nd.Matrix(np.ones((30, 30)))
    yield nd.DelayList(n)
    yield nd.Kicks(times=np.cumsum(n), amplitudes=n)
    yield nd.CurrentSteps(times=np.cumsum(n), amplitudes=n)
    yield nd.InhomogeneousPoisson(n)
    yield nd.SpikeList(np.cumsum(n), np.zeros(n.size, dtype=int))
    yield nd.Background(rate_hz=n)
    yield nd.Recorded([(n, np.zeros(n.size, int))], np.full((2, 2), 0.5))
    cells, q = np.arange(n.size), network().projections["q"]
    yield nd.AddSynapses(q, cells, cells)
    yield nd.RemoveSynapses(q, cells)
    yield nd.Lesion(q.target, cells.tolist())
    yield nd.Infuse(q, 1.0, cells)
    yield nd.Antagonise(q, 1.0, cells)
    yield nd.SetWeights(q, n, cells)
    yield nd.SetColumn(q, "weight", n, cells)
    yield from (nd.Silence(q.target), nd.Block(q, "SpineSize"), nd.SetRate("s", 1.0), nd.SetParameter("SpineSize", {}))
    yield from (nd.Contacts(nd.Degree(3)), nd.Rewired(nd.Degree(3)), nd.ByDistance(inputs=3), nd.Spines())
    yield nd.Cause("<b>", "it was <b>", "died", "#000000")


def simple() -> Iterator[Any]:
    """Everything of the registry that can be made without a word."""
    for kind in registry.OURS:
        for cls in registry.ours(kind).values():
            if inspect.isclass(cls):
                try:
                    yield cls()
                except (TypeError, nd.NeurodevError):
                    continue


def test_nothing_public_shows_more_than_some_lines(world: World) -> None:
    """Every public class of which an instance can be had."""
    found = [*simple(), *(make(world) for make, _ in CARDS.values()), *with_arrays(), nd.Sheet(10, 10), few()]
    # 700: one mechanism tells sixteen numbers
    long = {type(x).__name__: repr(x)[:80] for x in found if len(repr(x)) > 700 or repr(x).count("\n") > 5}
    assert not long
    public = {x for x in (getattr(nd, n) for n in nd.__all__) if inspect.isclass(x) and not inspect.isabstract(x)}
    made = {c for x in found for c in type(x).__mro__} | set(nd.NeurodevError.__mro__)
    assert not {c.__name__ for c in public - made}
    page = [x._repr_html_() for x in found if hasattr(x, "_repr_html_")]
    assert len(page) > 30 and all(ElementTree.fromstring(p).tag == "table" for p in page)


# ---------------------------------------------------------------------- whatever happens


def test_a_run_whose_file_is_gone_still_says_which_it_was(world: World, tmp_path: Path) -> None:
    path = tmp_path / "gone.sqlite"
    shutil.copy(world.run.path, path)
    run = nd.Run(path)
    spines, spine, log = run.spines, run.spines.longest(), run.log
    path.unlink()
    for thing in (run, spines, spine, log, run.neurons):
        assert len(repr(thing)) < card.LETTERS
        ElementTree.fromstring(thing._repr_html_())
    assert "gone.sqlite" in repr(run) and "1 plastic projection" in repr(run)
    assert repr(run).count("not readable (RunFileError)") == 1 and "not readable" in run._repr_html_()
    assert "cannot be read: RunFileError" in repr(log)


def test_a_run_that_grows_or_was_cut_short(tmp_path: Path) -> None:
    simulation = nd.Simulation(network(), acceleration=1e6, to=tmp_path / "grows.sqlite", progress=False)
    run = nd.Run(tmp_path / "grows.sqlite")
    assert "grows.sqlite" in repr(run) and "not readable" not in run._repr_html_()
    simulation.file.abandon()
    assert "not sealed" in repr(nd.Run(tmp_path / "grows.sqlite"))


@pytest.mark.parametrize("cls", [nd.Run, nd.History, nd.Network, nd.Population, Dataset, Counts, Synapses])
def test_what_was_never_finished_says_so(cls: type) -> None:
    """As a debugger shows what failed while it was made."""
    thing = cls.__new__(cls)
    assert repr(thing).startswith(f"{cls.__name__}(cannot be read: AttributeError")
    assert "cannot be read" in thing._repr_html_()


def test_a_word_about_a_log_does_not_read_it(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two million events are counted by the file, not by whoever looks."""
    run = nd.Run(world.run.path)
    read: list[str] = []
    monkeypatch.setattr(Reader, "log", lambda self, name, until=None: read.append(name))
    monkeypatch.setattr(Reader, "_read", lambda self, name, *a: read.append(name))
    texts = repr(run), run._repr_html_(), repr(run.log), run.log._repr_html_(), repr(run.neurons)
    assert not read
    n = world.run.file.log_bytes()[0]
    assert n == len(world.run.log) > 0 and all(f"{n:,} births and deaths" in t for t in texts[:4])


def test_lines_and_letters_are_cut() -> None:
    class Long(card.Card):
        def _words(self) -> str:
            return "\n".join(["word " * 40] * 40)

        def _rows(self) -> card.Rows:
            return [(f"{EVIL}{k}", EVIL) for k in range(50)]

    text = repr(Long())
    assert len(text) <= card.LETTERS
    root = ElementTree.fromstring(Long()._repr_html_())
    cells = [e.text or "" for e in root.iter("td")]
    assert cells[-1] == "30 more" and all(len(c) <= card.CELL for c in cells) and "alert('a')" in cells[0]

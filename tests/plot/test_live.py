"""The interactive page: what it ships is what the run is, its stories are `story()`, and no name becomes markup."""

from __future__ import annotations

import base64
import gzip
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import neurodev as nd
from neurodev import History
from neurodev.errors import NeurodevError, ParameterError
from neurodev.learn import LIF, Conv2d, Flatten, Linear, Sequential
from neurodev.plot import live
from neurodev.plot.packing import Packed
from neurodev.runs import coding, telling
from neurodev.structure import story
from neurodev.structure.cause import Cause, Causes
from neurodev.units import day
from tests.learn.small import WIDE, patterns, trained
from tests.plot.test_pages import three

NODE = shutil.which("node")
EVIL = "</script><img src=x onerror=window.hit=1>&amp;\"'$$x^2$$"
TAG = "<img src=x onerror=window.hit=1>&lt;$$x^2$$"  # of layers, which may be called anything
SCRIPT = Path(live.__file__).with_name("live.js")


def table() -> History:
    """Cells of a microscope whose every name is hostile."""
    rng = np.random.default_rng(2)
    size = np.exp(rng.normal(0, 0.6, (40, 6)))
    size[rng.random(size.shape) < 0.3] = np.nan
    size[:5] = 1.0
    return History.of_sessions(
        size, [0.0, 2.0, 4.0, 8.0, 12.0, 16.0], ident=[f"{k}{EVIL}" for k in range(40)], title=EVIL, unit="hour",
        size_unit=EVIL, notes=[EVIL],
        columns={"cell": np.array([f"{EVIL}{k % 3}" for k in range(40)]),
                 "cause": np.where(np.arange(40) % 2, EVIL, "")},
        causes=Causes(["initial", EVIL], {EVIL: Cause(EVIL)}),
    )  # fmt: skip


@dataclass
class Made:
    """Runs and a table, and pages of them where Bokeh is there."""

    folder: Path
    runs: dict[str, Any] = field(default_factory=dict)
    growing: Any = None

    def page(self, name: str, *others: str, again: bool = False) -> Path:
        """The page of one, or of several side by side; written once, or anew."""
        pytest.importorskip("bokeh")
        first, *rest = (self.runs[n] for n in (name, *others))
        path = self.folder / f"{'-'.join((name, *others))}.html"
        return path if path.exists() and not again else first.report(path, *rest)

    def parts(self, name: str) -> Any:
        """Its history, and what tells its stories."""
        made = self.runs[name]
        if isinstance(made, History):
            return made, coding.of_history, None
        return made.history(), lambda h: telling.of_run(made, made.spines, h.ident), made


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Made]:
    out = Made(tmp_path_factory.mktemp("live"))
    net, (_, b, _), (near, *_) = three()
    sim = nd.Simulation(net, acceleration=7200, to=out.folder / "three.sqlite")
    sim.at(2 * day, nd.Lesion(b, list(range(20)))).at(2.2 * day, nd.RemoveSynapses(near, target=[30], cause="turnover"))
    out.runs["three"] = sim.run(4 * day).close()
    net = nd.Network(seed=3)
    noise, cells = net.add(nd.Poisson(20.0), 20, name="noise"), net.add(nd.LIF(), 10, name="cells")
    net.connect(noise, cells, nd.Degree(8), spines=nd.Spines(weight=2), name="q").use(nd.SpineSize(), nd.Turnover())
    out.runs["random"] = nd.simulate(
        net, 0.5 * day, acceleration=7200, to=out.folder / "random.sqlite", progress=False
    )  # fmt: skip
    net = nd.Network(seed=5)
    noise = net.add(nd.Poisson(20.0), 20, name="noise")
    cells = net.add(nd.LIF(tau_excitatory=5, tau_inhibitory=10, dendrite=nd.Branches(4)), 6, name="cells")
    q = net.connect(noise, cells, nd.Degree(8), spines=nd.Spines(weight=20.0), name="q")
    q.use(nd.SpineSize(), nd.Turnover(early=3))
    grows = nd.Simulation(net, acceleration=7200, to=out.folder / "branches.sqlite", progress=False, checkpoint=0.0)
    out.growing = grows.run(3 * day)
    out.runs["branches"] = nd.Run(out.folder / "branches.sqlite")
    filters = Sequential(
        Conv2d(4, 3, name="conv"), LIF(0.2, 0.5, surrogate=WIDE), Flatten(), Linear(3, name="out"),
        LIF(0.2, 0.5, surrogate=WIDE), inputs=(2, 5, 5), seed=1,
    )  # fmt: skip
    t = nd.Trainer(filters, patterns(shape=(2, 5, 5)), epochs=2, to=out.folder / "conv.sqlite", progress=False,
                   methods=[nd.methods.SET(0.5)])  # fmt: skip
    t.fit()
    out.runs["conv"] = t.close()
    layers = Sequential(
        Linear(12, name=f"fc{TAG}"), LIF(0.2, 0.5, surrogate=WIDE), Linear(3, name=TAG), LIF(0.2, 0.5, surrogate=WIDE),
        inputs=(6,), seed=1,
    )  # fmt: skip
    t = trained(layers, epochs=3, to=out.folder / "training.sqlite", methods=[nd.methods.SET(0.3)])
    t.fit()
    out.runs["training"] = t.close()
    out.runs["table"] = table()
    yield out
    out.growing.close()


def shipped(path: Path) -> list[dict[str, Any]]:
    """What a page holds of each history: ``meta``, ``curves`` and the columns ``lives``, ``sizes``, ``shape``."""
    text = path.read_text(encoding="utf-8")
    of = {
        m[1]: json.loads(m[2]) for m in re.finditer(r'<script type="application/json" id="(\w+)">(.*?)</script>', text)
    }

    def sources(node: Any) -> Any:
        if isinstance(node, dict):
            if node.get("name") == "ColumnDataSource" and "attributes" in node:
                yield node["attributes"]
            for value in node.values():
                yield from sources(value)
        elif isinstance(node, list):
            for value in node:
                yield from sources(value)

    found = {s["name"]: s["data"]["entries"] for s in sources(of["document"]) if "name" in s}
    for k, each in enumerate(of["data"]):
        for name in ("lives", "sizes", "shape"):
            each[name] = {c: column(v) for c, v in found.get(f"{name}-{k}", [])}
    return of["data"]


def column(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    raw = gzip.decompress(base64.b64decode(value["array"]["data"]))
    return np.frombuffer(raw, dtype=value["dtype"]).tolist()


NAMES = ("three", "random", "training", "table")
TOLD = (*NAMES, "branches", "conv")  # a run on dendrites that still grows; kernels


@pytest.mark.parametrize("name", TOLD)
def test_pieces_in_columns_are_the_pieces_of_a_story(made: Made, name: str) -> None:
    history, tell, run = made.parts(name)
    told = tell(history)
    some = {*range(0, len(history), max(len(history) // 60, 1)), *np.flatnonzero(told.by_hand)[:5].tolist()}
    assert told.by_hand.any() == (name == "three")
    for k in sorted(some):
        mine = {n: c.words[c.code[k] - 1] for n, c in told.columns.items() if c.code[k]}
        if run is None:
            assert all(word in history.story(history.ident[k]) for word in mine.values())
            continue
        spine = run.spines[int(history.ident[k])]
        theirs = spine._pieces()
        assert mine == {n: w for n, w in theirs.items() if n in told.columns}, spine.story()
        assert told.by_hand[k] == (spine.by_hand and not run.is_training)
        assert story.told(told.clauses, theirs) == spine.story()
    assert name != "branches" or (", on branch " in spine.story() and not run.file.item("sealed", False))
    assert name != "conv" or "of the kernel to filter" in run.spines[int(history.ident[0])].story()


@pytest.mark.skipif(NODE is None, reason="no peer: node, which would run the page's script")
@pytest.mark.parametrize("name", TOLD)
def test_the_script_tells_the_stories_of_python(made: Made, name: str, tmp_path: Path) -> None:
    history, tell, run = made.parts(name)
    packed = Packed.of(history, tell, run)
    data = {
        "meta": packed.meta, "curves": packed.curves, "sizes": packed.sizes.tolist(), "index": 0, "group": 0,
        "cells": {k: np.asarray(v).tolist() for k, v in packed.cells.items()},
        "typed": {k: [v.dtype.name, v.tolist()] for k, v in packed.lives.items()},
    }  # fmt: skip
    (tmp_path / "data.json").write_text(json.dumps(data))
    (tmp_path / "play.js").write_text(
        f"const nd = require({json.dumps(str(SCRIPT))}), run = require('./data.json');\n"
        "const kinds = {uint8: Uint8Array, uint16: Uint16Array, uint32: Uint32Array, float64: Float64Array};\n"
        "run.lives = Object.fromEntries(Object.entries(run.typed).map(([k, [t, v]]) => [k, kinds[t].from(v)]));\n"
        "nd.prepare(run);\n"
        "const rows = Array.from({length: run.n}, (_, i) => i);\n"
        "console.log(JSON.stringify({ident: [...run.ident], stories: rows.map((i) => nd.story(run, i)),\n"
        "  courses: run.curves.map((_, g) => nd.course(run, rows.filter((i) => run.lives.group[i] === g))),\n"
        "  living: run.curves.map((_, g) => nd.counts(run, g).living.map((v) => v.reduce((a, b) => a + b, 0))),\n"
        "  survival: nd.survival(run, rows.filter((i) => run.lives.group[i] === 0))}));\n"
    )
    out = subprocess.run([NODE, "play.js"], cwd=tmp_path, capture_output=True, text=True, check=True)
    found = json.loads(out.stdout)
    assert np.all(np.diff(packed.lives["cell"].astype(int)) >= 0) and len(found["stories"]) == len(history)
    idents = packed.meta["idents"] or [int(x) for x in found["ident"]]
    assert sorted(idents) == sorted(history.ident.tolist())
    some = {*range(0, len(idents), max(len(idents) // 60, 1)), *np.flatnonzero(packed.lives["by_hand"])[:5].tolist()}
    for k in sorted(some):
        ident = packed.meta["idents"][packed.lives["ident"][k]] if run is None else idents[k]
        told = history.story(ident) if run is None else run.spines[ident].story()
        assert found["stories"][k] == told
    for curve, course, living in zip(packed.curves, found["courses"], found["living"], strict=True):
        assert course["number"] == curve["number"] == living
        assert course["births"] == curve["births"] and course["deaths"] == curve["deaths"]
    name = packed.meta["groups"][0]["name"]
    whole = (history if run is None else history.select(projection=name)).survival()
    assert found["survival"]["n"] == packed.curves[0]["newborn"]
    if whole.value.size and run is None:  # of a run births are told at their tick, in a curve in the middle of it
        np.testing.assert_allclose(found["survival"]["share"][1:-1], whole.value, rtol=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_a_page_holds_what_is_there_and_fetches_nothing(made: Made, name: str) -> None:
    path = made.page(name)
    text = path.read_text(encoding="utf-8")
    assert not re.search(r'<(?:script|img|link|iframe)[^>]*(?:src|href)=["\']?(?:https?:)?//', text)
    (data,) = shipped(path)
    history, _, run = made.parts(name)
    steps = np.array(data["meta"]["steps"]) * (run.days / data["meta"]["end"] if run and not run.is_training else 1.0)
    total = np.sum([c["number"] for c in data["curves"]], axis=0)
    np.testing.assert_array_equal(total, history.number(steps))
    for k in range(steps.size):
        alive = (np.array(data["lives"]["first"]) <= k) & (k < np.array(data["lives"]["last"]))
        assert alive.sum() == total[k]
    shown = {m for m in re.findall(r"<h3>(.*?)</h3>", text)}
    assert ("Accuracy" in shown) == (name == "training") and "How many live" in shown
    assert data["meta"]["placed"] == (name == "three")
    assert ('"links-0"' in text) == (name == "three")
    assert ("Receptive fields" in text) == (name == "three")
    assert "nan" not in re.sub(r"<script>.*?</script>", "", text, flags=re.DOTALL).lower().split()


def test_the_same_page_has_the_same_bytes(made: Made) -> None:
    first = made.page("table").read_bytes()
    made.page("random", again=True)  # ids go on counting
    assert made.page("table", again=True).read_bytes() == first
    assert len(made.page("random").read_bytes()) < 2.3e6  # of which the libraries are 1.7


def test_of_too_many_lives_some_neurons_are_shown(made: Made, tmp_path: Path) -> None:
    pytest.importorskip("bokeh")
    history, tell, run = made.parts("three")
    path = live.write([live.Part(history, tell, run, "three")], tmp_path / "p.html", most=500)
    (data,) = shipped(path)
    whole = shipped(made.page("three"))[0]
    assert data["meta"]["lives"] == len(history) and 200 < data["meta"]["shipped"] <= 500
    assert data["curves"] == whole["curves"]  # numbers are of all
    said = (
        f"{data['meta']['shipped']:,} of {len(history):,} lives are on this page, those of {data['meta']['shown']:,} of"
    )
    assert said in path.read_text(encoding="utf-8")
    for cell in set(data["lives"]["cell"]):  # whole neurons
        target = data["shape"]["cell"][cell]
        assert data["lives"]["cell"].count(cell) == int((history.column("post") == target).sum())


def test_runs_side_by_side(made: Made) -> None:
    path = made.page("three", "random")
    both = shipped(path)
    assert len(both) == 2 and both[0]["meta"]["lives"] > both[1]["meta"]["lives"]
    assert path.read_text(encoding="utf-8").count("<h2>three.sqlite</h2>") == 1


def test_names_reach_the_page_as_text(made: Made) -> None:
    for name in ("table", "training"):
        text = made.page(name).read_text(encoding="utf-8")
        assert "<img src=x" not in re.sub(r"<script>.*?</script>", "", text, flags=re.DOTALL)
        assert text.count("</script>") == text.count("<script>") + text.count('<script type="application/json"')


def test_refused(made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    three_, training, history = made.runs["three"], made.runs["training"], made.runs["table"]
    net = nd.Network(seed=1)
    net.connect(net.add(nd.Poisson(5.0), 3), net.add(nd.LIF(), 2), nd.AllToAll(), weight=1.0)
    bare = nd.simulate(net, 100.0, tick=100.0, to=tmp_path / "bare.sqlite", progress=False)
    with pytest.raises(ParameterError, match="no projection on spines"):
        three_.report(tmp_path / "p.html", bare)
    assert "<img" in bare.report(tmp_path / "bare.html").read_text()  # the still page has what there is
    with pytest.raises(ParameterError, match="holds a run"):
        three_.report(three_.path)
    with pytest.raises(ParameterError, match="still page shows one run"):
        three_.report(tmp_path / "p.html", made.runs["random"], still=True)
    with pytest.raises(ParameterError, match="others"):
        history.report(tmp_path / "p.html", three_)
    with pytest.raises(ParameterError, match="identities are in .ident"):
        history.story("nobody")
    if live.installed():
        with pytest.raises(ParameterError, match="do not share a slider"):
            three_.report(tmp_path / "p.html", training)
        with pytest.raises(ParameterError, match="has no lives"):
            history.select(np.zeros(len(history), bool)).report(tmp_path / "p.html")
    monkeypatch.setattr("neurodev.plot.live.import_module", _nothing)
    with pytest.raises(NeurodevError, match=r"pip install 'neurodev\[report\]'"):
        history.report(tmp_path / "p.html")
    still = made.runs["random"].report(tmp_path / "still.html").read_text()
    assert "Spine raster" in still and "<script" not in still
    assert not (tmp_path / "p.html").exists()


def _nothing(name: str) -> Any:
    raise ImportError(f"No module named {name!r}")

"""A page says what is so: sections of what the run has, per projection, in the reader's units, with what was done."""

from __future__ import annotations

import html
import io
import re
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import ClassVar

import matplotlib
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

import neurodev as nd
from neurodev.errors import NeurodevError
from neurodev.mechanisms.base import SynapseView
from neurodev.params import param
from neurodev.plot import activity, evolution, fields, lives, report, style
from neurodev.structure.duration import deeds, lasting
from neurodev.structure.plan import Plan
from neurodev.studies import development, reading
from neurodev.units import day, ms, second

DEMO = {
    "run.duration": '"1 day"', "population.exc.n": "60", "population.retina.n": "64", "population.inh.n": "16",
    "projection.lateral.wiring.inputs": "6", "projection.feed_back.wiring.inputs": "8",
    "projection.inhibition.wiring.inputs": "6", "projection.disinhibition.wiring.inputs": "4",
    "projection.feed_forward.wiring.inputs": "8",
}  # fmt: skip


def three() -> tuple[nd.Network, list, list]:
    """A sheet with three projections on spines: wired by distance, at random, and without any mechanism."""
    net = nd.Network(seed=3, sheet=nd.Sheet(400, 400))
    a, b = net.add(nd.Poisson(20.0), 64, name="a"), net.add(nd.LIF(), 49, name="b")
    c = net.add(nd.Poisson(15.0), 49, name="c")
    near = net.connect(a, b, nd.Near(sigma=80, inputs=8), spines=nd.Spines(weight=2), name="near")
    near.use(nd.SpineSize(), nd.Turnover())
    far = net.connect(c, b, nd.Degree(6), spines=nd.Spines(weight=2), name="far")
    far.use(nd.SpineSize(), nd.Turnover(early=2, late=2))
    still = net.connect(c, b, nd.Degree(4), spines=nd.Spines(weight=2), name="still")
    return net, [a, b, c], [near, far, still]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pages")


@pytest.fixture(scope="module")
def runs(folder: Path) -> dict[str, nd.Run]:
    source = Path(nd.__file__).parent / "studies/map.toml"
    out = {"demo": development.run(reading.load(source, DEMO), folder / "demo.sqlite")}
    net = nd.Network(seed=3)
    a, b = net.add(nd.Poisson(20.0), 40, name="noise"), net.add(nd.LIF(), 30, name="cells")
    net.connect(a, b, nd.Degree(8), weight=4.0)
    out["random"] = nd.simulate(net, 3 * second, tick=500 * ms, to=folder / "random.sqlite", progress=False)
    out["three"] = nd.simulate(three()[0], 3 * day, acceleration=7200, to=folder / "three.sqlite", progress=False)
    net, (a, b, _), (near, *_) = three()
    sim = nd.Simulation(net, acceleration=7200, to=folder / "lesion.sqlite")
    sim.at(2 * day, nd.Lesion(b, list(range(20)))).at(2.2 * day, nd.RemoveSynapses(near, target=[30], cause="turnover"))
    sim.at(2.5 * day, nd.Silence(a))
    out["lesion"] = sim.run(3 * day).close()
    out["short"] = nd.simulate(three()[0], 1 * second, to=folder / "short.sqlite", progress=False)
    return out


@pytest.fixture(scope="module")
def pages(runs: dict[str, nd.Run], folder: Path) -> dict[str, str]:
    """The five pages as a reader meets them: markup and pictures taken out, headings in brackets."""
    out = {}
    for name, run in runs.items():
        with pytest.MonkeyPatch.context() as m:
            m.setattr("neurodev.plot.page.png", lambda figure: b"png")
            text = report.write(run, folder / f"{name}.html").read_text()
        text = text[text.index("<body>") :]
        text = re.sub(r"<svg.*?</svg>|<details>.*?</details>", "", text, flags=re.DOTALL)
        text = re.sub(r"<h2>(.*?)</h2>", r"[\1]", text)
        out[name] = html.unescape(re.sub(r"<[^>]+>", " ", text))
    return out


def sections(page: str) -> list[str]:
    return re.findall(r"\[([A-Z][^\]\[]*)\]", page)


def words(figure: matplotlib.figure.Figure) -> str:
    FigureCanvasAgg(figure).print_png(io.BytesIO())
    return " ".join(" ".join(t.get_text().split()) for t in figure.findobj(matplotlib.text.Text))


DONE = [2.0, 2.2, 2.5]  # days of the interventions of the lesion
LAST = "Provenance, and what was approximate"


def test_the_demo(pages: dict[str, str]) -> None:
    assert sections(pages["demo"]) == [
        "Density and causes", "Spine raster", "Survival", "Sizes", "Receptive fields, first day and last",
        "Rates and spikes", LAST,
    ]  # fmt: skip
    assert "1 day of life" in pages["demo"] and "Receptive fields went" in pages["demo"]
    assert "bands that the study sets" in pages["demo"] and "day of the peak" in pages["demo"]
    assert "then down to" not in pages["demo"]  # it only grew


def test_a_random_network_has_no_structure_and_no_map(pages: dict[str, str]) -> None:
    page = pages["random"]
    assert sections(page) == ["Rates and spikes", LAST]
    assert "3 seconds of life" in page and "tick 500 ms of life = 500 ms of spikes" in page
    assert "No synapse was born and none died" in page
    for word in ("eceptive", "topograph", "band", "overshoot", "spine raster", "0.0 bytes", "days of life", "e-05"):
        assert word not in page, word


def test_each_projection_has_its_own_sections(pages: dict[str, str], runs: dict[str, nd.Run]) -> None:
    page, run = pages["three"], runs["three"]
    assert sections(page) == [
        "Density and causes: near", "Spine raster: near", "Survival: near", "Sizes: near",
        "Receptive fields, first day and last: near",
        "Density and causes: far", "Spine raster: far", "Survival: far", "Sizes: far", "Rates and spikes", LAST,
    ]  # fmt: skip
    assert "still: 4.0 spines per b neuron throughout: nothing was born and nothing died" in page
    assert fields.mapped(run) == ["near"]
    s = run.spines
    for name in ("near", "far"):
        mine = (s.owner == s.projections.index(name)) & (s.born > 0)
        said = words(evolution.single(evolution.survival, run, projection=name))
        assert sum(int(n.replace(",", "")) for n in re.findall(r"\(n = ([\d,]+)\)", said)) == mine.sum() > 0
        log = run.log.batch(name)
        up = sum(p.get_height() for p in evolution.single(evolution.causes, run, projection=name).axes[0].patches
                 if p.get_height() > 0)  # fmt: skip
        assert up == pytest.approx(np.count_nonzero(log.kind == nd.structure.log.BIRTH) / 49)
    assert "3 projections together" in words(evolution.single(evolution.survival, run))


def test_a_lesion_is_no_pruning_and_is_marked_everywhere(pages: dict[str, str], runs: dict[str, nd.Run]) -> None:
    page, run = pages["lesion"], runs["lesion"]
    assert sections(page)[0] == "Interventions" and "Neurons" in sections(page)
    # the rate over life is of the ticks, that by age of all who died
    assert "; by itself" in words(evolution.single(evolution.death_rates, run, projection="near"))
    assert "; all deaths" in words(evolution.single(evolution.death_rates_by_age, run, projection="near"))
    assert re.search(r"on day 2.0 +Lesion b", page) and re.search(r"on day 2.5 +Silence a", page)
    assert "ms of spikes:" not in page and "then down to" not in page and "per living b neuron" in page
    number = run.density("still")[1]
    assert np.all(number <= 4.5)  # neurons and their synapses go together: no peak in between
    for draw in (evolution.density, evolution.causes, evolution.raster, evolution.death_rates, fields.field_radii,
                 activity.rates, lives.alive, lives.fates):  # fmt: skip
        figure = evolution.single(draw, run)
        (ax,) = figure.axes
        marks = [line.get_xdata()[0] for line in ax.lines if line.get_gid() == "intervention"]
        assert marks == pytest.approx([2.0, 2.2, 2.5]), draw.__name__
        assert "overshoots" not in words(figure) and {"1", "2", "3"} <= {t.get_text() for t in ax.texts}, draw.__name__
    bars = evolution.single(evolution.causes, run, projection="still").axes[0].patches
    assert {round(p.get_x() + p.get_width() / 2, 1) for p in bars if p.get_height()} == {2.5}  # after day 2, not before


def test_an_intervention_is_marked_in_the_life_of_a_spine_and_in_its_stretch_of_spikes(runs: dict[str, nd.Run]) -> None:
    run = runs["lesion"]
    for ax in run.spines.longest().plot().axes:
        assert [line.get_xdata()[0] for line in ax.lines if line.get_gid() == "intervention"] == pytest.approx(DONE)
    figure = style.new_figure(6, 3)
    ax = figure.add_subplot()
    activity.train(ax, run, 2.2)
    start = activity._stretch(run, 2.2)[0]
    marks = [line.get_xdata()[0] for line in ax.lines if line.get_gid() == "intervention"]
    expected = (np.array(DONE) / run.tick_days * run.tick_spike - start) / 1e3
    low, high = ax.get_xlim()
    assert marks == pytest.approx(expected[(expected >= low) & (expected <= high)])


def test_what_was_done_is_told_in_words(pages: dict[str, str]) -> None:
    page = pages["lesion"]
    assert "Lesion b, 20 of them (0, 1, 2 ...)" in page and "Silence a" in page and "True" not in page
    assert str(nd.Silence("a", on=False)) == "Silence a, off" and str(nd.Block("q", "STDP")) == "Block q, STDP"


def test_nothing_in_a_panel_covers_what_it_draws(runs: dict[str, nd.Run]) -> None:
    """Keys of filled panels stand outside of them, words at a peak above the curve, dashes of a control on the line."""
    for draw in (evolution.causes, activity.rates, lives.fates):
        figure = evolution.single(draw, runs["lesion"])
        words(figure)
        (ax,) = figure.axes
        assert not ax.get_legend().get_window_extent().overlaps(ax.get_window_extent()), draw.__name__
    log = Course([5, 20, 9, 6, 6], "fluctuation", 30, [])
    nobody = SimpleNamespace(batch=lambda name: SimpleNamespace(neuron=np.zeros(0)))
    course = SimpleNamespace(
        days=4.0, is_training=False, plastic=["q"], neurons=nobody, log=log, file=log, causes=log.causes,
        tick_days=1.0, tick_spike=1.0,
        density=log.density, population=log.population,
        projection=lambda name: {"name": "q", "target": "t", "spines": {}},
    )  # fmt: skip
    figure = style.new_figure(6, 3)
    ax = figure.add_subplot()
    evolution.density(ax, course, course)
    words(figure)
    (peak,) = (t for t in ax.texts if t.get_text().startswith("peak"))
    run, control = (next(x for x in ax.lines if x.get_label() == k) for k in ("run", "control"))
    curve = ax.transData.transform(
        np.column_stack([np.linspace(0, 4, 400), np.interp(np.linspace(0, 4, 400), *run.get_data())])
    )
    box = peak.get_window_extent()
    assert not any(box.contains(*xy) for xy in curve) and control.get_zorder() > run.get_zorder()
    assert box.y1 <= ax.get_window_extent().y1


def test_bars_of_the_living_end_where_spines_are_lost(runs: dict[str, nd.Run]) -> None:
    run = runs["three"]
    (ax,) = evolution.single(evolution.size_distribution, run, projection="near").axes
    limit = np.log10(run.projection("near")["spines"]["volume"]) + run.smallest_size("near") / np.log(10)
    assert any(line.get_xdata()[0] == pytest.approx(limit) for line in ax.lines)
    sides = [(p.get_x(), p.get_x() + p.get_width()) for p in ax.patches if hasattr(p, "get_x") and p.get_height() > 0]
    assert not any(low < limit - 1e-9 and high > limit + 1e-9 for low, high in sides)


def test_place_is_spoken_of_only_where_it_matters(runs: dict[str, nd.Run]) -> None:
    for name, order in (("random", "in order of their numbers"), ("three", "from left to right")):
        assert order in words(evolution.single(activity.train, runs[name], 0.0)), name
    assert "x (um)" in words(evolution.single(fields.topography, runs["three"]))


def test_a_long_note_stays_in_its_panel_and_under_its_title() -> None:
    figure = style.new_figure(3, 3)
    ax = figure.add_subplot()
    style.plain(
        ax, "Rates", "x", "y", "cells in the central 70 % of the sheet; band: 10 to 90 % of cells; grey: half to twice"
    )
    words(figure)
    (note,) = ax.texts
    box, title = note.get_window_extent(), ax._left_title.get_window_extent()
    assert box.x1 <= figure.bbox.x1 and box.y0 >= ax.get_window_extent().y1 and not box.overlaps(title)


def test_a_band_over_one_time_is_a_bar(runs: dict[str, nd.Run]) -> None:
    said = words(evolution.single(activity.rates, runs["short"]))
    assert "bar: 10 to 90 % of cells of b" in said and "band" not in said


def test_what_was_approximate_is_said_once(pages: dict[str, str], runs: dict[str, nd.Run]) -> None:
    for name, page in pages.items():
        for said in runs[name].file.item("approximations"):
            assert page.count(said) == 1, name


def test_a_control_of_something_else_is_refused(runs: dict[str, nd.Run], tmp_path: Path) -> None:
    with pytest.raises(NeurodevError, match="is no control of .*no projection 'near', but"):
        report.write(runs["three"], tmp_path / "x.html", runs["random"])
    assert not (tmp_path / "x.html").exists()


def test_a_rate_ends_only_where_its_cells_end(runs: dict[str, nd.Run]) -> None:
    figure = evolution.single(activity.rates, runs["lesion"])
    (line,) = [k for k in figure.axes[0].lines if k.get_label() == "b"]
    assert np.isfinite(line.get_ydata()).all()  # 29 of 49 live on
    net, (_, b, _), _ = three()
    sim = nd.Simulation(net, acceleration=7200)
    sim.at(1 * day, nd.Lesion(b))
    gone = evolution.single(activity.rates, sim.run(3 * day).close())
    (line,) = [k for k in gone.axes[0].lines if k.get_label() == "b"]
    assert np.isfinite(line.get_ydata()).tolist() == [True, False, False]


def test_a_borrowed_cause_is_not_told_as_true(runs: dict[str, nd.Run]) -> None:
    run = runs["lesion"]
    s = run.spines
    removed = s.uid[(s.post == 30) & (s.owner == 0) & (np.abs(s.died - 2.2) < run.tick_days)
                    & (s.cause == run.causes.code("turnover"))]  # fmt: skip
    spine = s[int(removed[0])]
    assert spine.by_hand and "by the experimenter's hand" in spine.story()
    assert run.causes["turnover"].sentence not in spine.story() and "by hand" in words(spine.plot())
    natural = s.uid[(s.died < 1.9) & (s.cause >= 0)]
    assert not any(s[int(u)].by_hand for u in natural[:20]) and "by hand" not in words(s[int(natural[0])].plot())


@dataclass(frozen=True)
class Ageing(nd.Mechanism):
    """Synapses die at an age, which is the number that the log gets."""

    causes: ClassVar[dict[str, nd.Cause]] = {"age": nd.Cause("it had grown too old", decided="its days were")}
    most: float = param(0.5, unit="1", source="free")

    def propose(self, view: SynapseView) -> Plan | None:
        slots = view.table.slots()
        age = (view.clock.life - view.table.born[slots]) / day
        old = age > self.most
        code = np.full(old.sum(), nd.structure.cause.cause_code("age"), dtype=np.uint8)
        return Plan("Ageing", slots[old], code, age[old].astype(np.float32))


def test_the_number_that_decided_is_told_as_what_it_is(tmp_path: Path) -> None:
    """On a spine too: it is not its size because sizes are there."""
    net = nd.Network(seed=3)
    a, b = net.add(nd.Poisson(20.0), 9), net.add(nd.LIF(), 9)
    q = net.connect(a, b, nd.Degree(3), spines=nd.Spines(weight=2), name="q")
    q.use(nd.SpineSize(death="none"), Ageing())
    run = nd.simulate(net, 1 * day, acceleration=7200, to=tmp_path / "x.sqlite", progress=False)
    spine = run.spines[int(run.spines.died_of("age")[0])]
    assert f"of age: it had grown too old (its days were {spine.death_value:.4g})." in spine.story()
    assert spine.death_value == pytest.approx(0.5, abs=0.1) and "ln(V/V0)" not in spine.story()
    assert np.isnan(spine.death_log_size) and words(spine.plot())


def test_a_projection_that_only_an_experimenter_changes_has_its_density(tmp_path: Path) -> None:
    net, (_, b, c), _ = three()
    plain = net.connect(c, b, nd.OneToOne(), weight=1.0, name="plain")
    sim = nd.Simulation(net, acceleration=7200, to=tmp_path / "x.sqlite")
    sim.at(0.5 * day, nd.AddSynapses(plain, list(range(40)), list(range(1, 41)), weight=1.0))
    run = sim.run(1 * day).close()
    number = run.density("plain")[1]
    assert number[0] == 1.0 and number[-1] == pytest.approx(89 / 49) and number.size == run.n_tick + 1
    with pytest.MonkeyPatch.context() as m:
        m.setattr("neurodev.plot.page.png", lambda figure: b"png")
        page = report.write(run, tmp_path / "x.html").read_text()
    assert "plain: From 1.0 synapses per b neuron at the start to 1.8 at the end" in page
    assert "Density and causes: plain" in page and "Spine raster: plain" not in page


def test_a_run_shorter_than_a_tick(pages: dict[str, str]) -> None:
    page = pages["short"]
    assert "1 second of life" in page and "shorter than one tick (2 hours of life)" in page
    assert not {"Sizes: near", "Density and causes: near"} & set(sections(page))
    assert "Rates and spikes" in sections(page)
    assert "eceptive fields" not in page and "nan" not in page.lower().split()


def test_lives_of_a_short_run_are_told_in_its_units(tmp_path: Path) -> None:
    net, *_ = three()
    run = nd.simulate(net, 8 * second, tick=second, to=tmp_path / "x.sqlite", progress=False)
    told = run.spines.longest().story()
    assert "8 seconds" in told and "day" not in told
    assert "life time (seconds)" in words(evolution.single(evolution.density, run))
    assert "life time (seconds)" in words(run.spines.longest().plot())


class Course:
    """What `rose_and_fell` asks of a run: how many there are from day to day, and of what the dead died on day 3."""

    tick_days = tick_spike = 1.0
    is_training = False
    causes = nd.structure.cause.Causes()

    def __init__(self, number: list[float], cause: str, dead: int, done: list[str]) -> None:
        self.number, self.cause, self.dead, self.done = np.array(number, dtype=float), cause, dead, done
        self.file = self.log = self

    def item(self, name: str, default: list) -> list:
        return self.done

    def projection(self, name: str) -> dict:
        return {"name": name, "target": "t"}

    def population(self, name: str) -> dict:
        return {"n": 10}

    def density(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        return np.arange(self.number.size, dtype=float), self.number

    def batch(self, name: str) -> nd.structure.log.LogBatch:
        kind = np.full(self.dead, nd.structure.log.DEATH)
        columns = dict.fromkeys(nd.structure.log.LogBatch._fields, np.full(self.dead, 3))
        return nd.structure.log.LogBatch(**columns | {"kind": kind, "cause": kind * 0 + self.causes.code(self.cause)})

    def days(self, batch: nd.structure.log.LogBatch) -> np.ndarray:
        return batch.tick * 1.0


@pytest.mark.parametrize(
    ("number", "cause", "dead", "done", "says"),
    [
        ([5, 9, 9, 6, 6], "fluctuation", 30, [], True),
        ([5, 9, 9, 6, 6], "neuron_death", 30, [], False),
        ([5, 9, 9, 6, 6], "fluctuation", 30, ["2.5 ms of spikes: Silence a"], False),
        ([5, 9, 9, 6, 6], "fluctuation", 30, ["3.5 ms of spikes: Silence a"], True),  # it had come down before
        ([5, 9, 9, 6, 6, 6], "fluctuation", 30, ["4 ms of spikes: Silence a"], True),
        ([9, 9, 9, 6, 6], "fluctuation", 30, [], False),  # it never rose
        ([5, 9, 9, 8.9, 8.9], "fluctuation", 1, [], False),
        ([5, 6, 7, 8, 9], "fluctuation", 0, [], False),
    ],
)
def test_only_what_pruned_itself_says_so(number: list, cause: str, dead: int, done: list, says: bool) -> None:
    assert evolution.rose_and_fell(Course(number, cause, dead, done), "q") is says


EVIL = "</title><script>alert(1)</script><img src=x onerror=alert(2)>"


def test_nothing_of_a_run_reaches_the_page_as_markup(
    tmp_path: Path, runs: dict[str, nd.Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever a file says of itself: its seed, its study, what was done, what was approximate, a cause, a layer."""
    pytest.importorskip("sklearn")
    monkeypatch.setattr("neurodev.plot.page.png", lambda figure: b"png")

    class File:
        def __init__(self, inner) -> None:
            self._inner = inner

        def __getattr__(self, name):
            return getattr(self._inner, name)

        def item(self, name, *default):
            value = self._inner.item(name, *default)
            if name in ("approximations", "methods"):
                return [EVIL]
            if name == "interventions":
                return [f"5 ms of spikes: {EVIL}"]
            return value

    study = 'name = """' + EVIL + '"""'
    model = nd.learn.Sequential(
        nd.learn.Linear(6, name="<b>$x$"), nd.learn.LIF(0.9), nd.learn.Linear(10), inputs=(8, 8)
    )
    trainer = nd.learn.Trainer(model, nd.data.digits().subset(60, 0), epochs=1, to=tmp_path / "t.sqlite")
    for run in (nd.Run(runs["three"].path), trainer.fit().close()):
        run.file = File(run.file)
        run.provenance = {**run.provenance, "seed": EVIL, "study": study, "date": EVIL}
        if run.is_training:
            run.training.settings["data"] = EVIL
        page = report.write(run, tmp_path / "p.html").read_text()
        assert "<script" not in page and "<img src=x" not in page and "<b>" not in page
        assert html.escape(EVIL) in page


def test_a_page_is_never_written_over_a_run(tmp_path: Path, runs: dict[str, nd.Run]) -> None:
    path = runs["random"].path
    whole = path.read_bytes()
    for to in (path, runs["three"].path, tmp_path, tmp_path / "none" / "x.html", "/dev/null"):
        with pytest.raises(NeurodevError, match="holds a run|folder|device"):
            report.write(runs["random"], to)
    assert path.read_bytes() == whole


def test_stretches_of_life_in_words() -> None:
    assert [lasting(d) for d in (30, 1.5, 1 / 24, 2 / 1440, 1 / 86400, 0.05 / 86400, 0)] == [
        "30 days", "1.5 days", "1 hour", "2 minutes", "1 second", "50 ms", "0 ms",
    ]  # fmt: skip
    assert deeds(["3.6e+06 ms of spikes: Lesion b", "nonsense"], 6e4, 1 / 12) == [(5.0, "Lesion b")]
    at_once = ["1 ms of spikes: Silence a", "1 ms of spikes: Lesion b", "0.5 ms of spikes: Silence c"]
    assert [d.text for d in deeds(at_once, 1.0, 1.0)] == ["Silence c", "Silence a", "Lesion b"]
    assert style.life_clock(0.5).axis == "life time (hours)" and style.life_clock(30).one == "day"

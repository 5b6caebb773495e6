"""Every picture draws from every kind of run, says what it shows, and changes nothing outside its figure."""

import copy
import html
import io
import tomllib
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

import neurodev as nd
from neurodev.metrics import maturation
from neurodev.plot import activity, evolution, fields, report, spine, style
from neurodev.plot import page as pages
from neurodev.units import day

SINGLES = [
    evolution.density, evolution.causes, evolution.raster, evolution.survival, evolution.death_rates,
    evolution.death_rates_by_age, evolution.size_distribution, fields.field_radii, fields.radius_histogram,
    fields.topography, activity.rates,
]  # fmt: skip


def small(path, days, spines=True, turnover=True, study=""):
    """A sheet of few cells under Poisson drive."""
    net = nd.Network(seed=3, sheet=nd.Sheet(400, 400))
    a, b = net.add(nd.Poisson(20.0), 64, name="a"), net.add(nd.LIF(), 49, name="b")
    near = nd.Near(sigma=80, inputs=8)
    if not spines:
        net.connect(a, b, near, weight=4.0)
        return nd.simulate(net, days * day, acceleration=7200, to=path, progress=False)
    q = net.connect(a, b, near, spines=nd.Spines(weight=4), name="map")
    if turnover:
        q.use(nd.STDP("burst"), nd.SpineSize(), nd.Neurotrophin(), nd.Turnover())
    return nd.simulate(net, days * day, acceleration=7200, to=path, progress=False, study=study)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("plot")
    return {
        "long": small(folder / "long.sqlite", 9), "control": small(folder / "control.sqlite", 9),
        "short": small(folder / "short.sqlite", 0.5), "still": small(folder / "still.sqlite", 2, turnover=False),
        "bare": small(folder / "bare.sqlite", 1.5, spines=False),
    }  # fmt: skip


def drawn(figure):
    """All words of a figure, after it was drawn."""
    FigureCanvasAgg(figure).print_png(io.BytesIO())
    return " ".join(" ".join(t.get_text().split()) for t in figure.findobj(matplotlib.text.Text))


def settings():
    """All global settings but the backend: to read it is to choose it."""
    return {k: matplotlib.rcParams[k] for k in matplotlib.rcParams if k != "backend"}


@pytest.mark.parametrize("name", ["long", "short", "still"])
@pytest.mark.parametrize("draw", SINGLES, ids=lambda d: d.__name__)
def test_every_panel_draws(runs, name, draw):
    before = settings()
    figure = evolution.single(draw, runs[name])
    text = drawn(figure)
    ax = figure.axes[0]
    assert ax.get_title(loc="left") and ax.get_xlabel() and "nan" not in text.lower().split()
    assert settings() == before


@pytest.mark.parametrize("name", ["long", "short", "still"])
def test_figures_draw(runs, name):
    assert "neuron" in drawn(runs[name].plot())
    drawn(activity.activity_figure(runs[name]))


def test_overview_beside_its_control(runs):
    text = drawn(evolution.run_overview(runs["long"], runs["control"]))
    for word in ("births", "packing floor", "Kaplan-Meier", "log-normal", "control", "um³", "per spine and day"):
        assert word in text, word


def test_no_legend_lies_on_a_life(runs):
    figure = evolution.single(evolution.raster, runs["long"], size=(10.5, 6.0))
    FigureCanvasAgg(figure).draw()
    ax = figure.axes[0]
    assert not ax.get_legend().get_window_extent().overlaps(ax.get_window_extent())


def test_squares_fill_the_grid_of_fields(runs):
    """At least two thirds of the width of a grid are fields, not white space."""
    for control in (None, runs["control"]):
        figure = fields.map_figure(runs["long"], control)
        assert ("control" in drawn(figure)) == (control is not None)
        squares = [ax for ax in figure.axes if not ax.get_xlabel() and not ax.get_yticks().size]
        boxes = [ax.get_window_extent() for ax in squares]
        columns = {round(b.x0) for b in boxes}
        assert len(squares) % len(columns) == 0
        wide = max(b.x1 for b in boxes) - min(b.x0 for b in boxes)
        high = max(b.y1 for b in boxes) - min(b.y0 for b in boxes)
        area = sum(b.width * b.height for b in boxes)
        assert area > 0.6 * wide * high


def test_field_rings_and_weights(runs):
    run = runs["long"]
    figure = style.new_figure(3, 3)
    ax = figure.add_subplot()
    fields.field(ax, run, 9.0, fields.neurons_to_show(run, 1)[0], "title", reach=200.0)
    assert ax.get_title() == "title" and len(ax.patches) == 1
    assert len(fields.neurons_to_show(run, 6)) == len(set(fields.neurons_to_show(run, 6)))
    drawn(figure)


def test_lives(runs):
    spines = runs["long"].spines
    dead = int(spines.uid[np.flatnonzero(~np.isnan(spines.died))[0]])
    text = drawn(spine.spine_figure(spines[dead]))
    assert f"Spine {dead}" in text and "died on day" in text
    # the run knows where its spines are lost, and the line stands there
    figure = spine.spine_figure(spines[dead])
    assert "below this a spine is lost" in drawn(figure) and spines[dead].threshold == nd.SpineSize().minimum
    assert any(list(line.get_ydata()) == [-1.6, -1.6] for line in figure.axes[0].lines)
    alive = int(spines.survivors()[0])
    assert "alive at the end" in drawn(spine.spine_figure(spines[alive], threshold=-2.0))


def test_report(runs, tmp_path, monkeypatch):
    monkeypatch.setattr(pages, "png", lambda figure: b"png")  # what is in the pictures is tested above
    page = report.write(runs["long"], tmp_path / "r.html", runs["control"]).read_text()
    assert page.count("<img") == 6 and "<svg" in page and "the control" in page and "CONTROL" not in page
    assert "<script" not in page and "http://" not in page.replace("http://www.w3.org", "")  # nothing from elsewhere
    short = report.write(runs["short"], tmp_path / "s.html").read_text()
    assert "12 hours of life" in short and ">nan<" not in short
    bare = report.write(runs["bare"], tmp_path / "b.html").read_text()
    assert "No projection of this network is on spines" in bare and bare.count("<img") == 1


def test_one_verdict(tmp_path, monkeypatch):
    """Run and report say the same numbers, those that the study gave a band; without one none."""
    monkeypatch.setattr(pages, "png", lambda figure: b"png")
    bands = dict.fromkeys(maturation.BANDS, (0.0, 1.0)) | {"sd": (None, 0.1), "evidence_gap": (1.0, None)}
    text = "[bands]\n" + "".join(
        f"{k} = [{'-inf' if low is None else low}, {'inf' if high is None else high}]\n"
        for k, (low, high) in bands.items()
    )
    run, control = small(tmp_path / "a.sqlite", 3, study=text), small(tmp_path / "b.sqlite", 3, study=text)
    checks, n = run.checks(), run.summary()
    assert [c[:4] for c in checks] == [c[:4] for c in maturation.checks(n, None, bands)] and len(checks) > 9
    values = {c.name: c for c in checks}
    assert values["peak : final"].value == n["peak_to_final"] and values["sd of ln V"].high == 0.1
    beside = run.checks(control)
    assert [c.name for c in beside[:-1]] == [c.name for c in checks] and "the control" in beside[-1].name
    page = report.write(run, tmp_path / "r.html", control).read_text()
    for c in beside:
        value = f"{c.value:.2f}" if np.isfinite(c.value) else "n/a"
        assert f"<td>{html.escape(c.name)}</td><td class=n>{value}</td>" in page
    assert "rise of the death rate (SE)" not in values  # too short to have one


def test_what_no_study_set_is_not_judged(runs, tmp_path, monkeypatch):
    assert runs["long"].checks() == [] == runs["long"].checks(runs["control"])
    monkeypatch.setattr(pages, "png", lambda figure: b"png")
    page = report.write(runs["long"], tmp_path / "r.html", runs["control"]).read_text()
    assert "bands" not in page and ">inside<" not in page and "overshoot and pruning" not in page
    one = small(tmp_path / "a.sqlite", 1, study="[bands]\nsd = [0.0, 9.0]\n")
    assert [c.name for c in one.checks()] == ["sd of ln V"]
    shipped = tomllib.loads((Path(nd.__file__).parent / "studies/map.toml").read_text())["bands"]
    known = {k: tuple(b if np.isfinite(b) else None for b in v) for k, v in shipped.items()}
    assert known == maturation.BANDS


def test_report_is_named_by_its_study(runs):
    named = copy.copy(runs["long"])
    named.provenance = {"study": 'name = "A <map>"'}
    assert pages.name_of(named) == "A <map>"
    for text in ("", "not = = toml", None):
        named.provenance = {"study": text}
        assert pages.name_of(named) == "long.sqlite"


def test_colours_of_causes_differ():
    named = {c: style.colour(c) for c in ("evidence", "trophic", "fluctuation", "hazard", "turnover")}
    assert len(set(named.values())) == len(named) and style.colour("unheard of") == style.colour("another")

    def apart(a, b):
        one, other = (np.array(matplotlib.colors.to_rgb(style.COLOURS[c])) for c in (a, b))
        return np.abs(one - other).sum()

    assert apart("early", "control") > 0.8 and apart("run", "control") > 0.8 and apart("run", "early") > 0.8
    assert style.png(style.new_figure(1, 1)).startswith(b"\x89PNG")

"""The pictures of a history: they draw what the metrics say, take what they promise, and keep their words inside."""

from __future__ import annotations

import io
import warnings
from typing import Any

import matplotlib
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

import neurodev as nd
from neurodev.errors import NeurodevError, ParameterError
from neurodev.metrics import graphs, sizes, topology
from neurodev.metrics.turnover import death_rates_by_age
from neurodev.plot import style
from neurodev.structure.cause import CAUSES, Causes

NAMES = (
    "density", "births_and_deaths", "raster", "survival", "hazard", "hazard_surface", "losses", "persistence", "sizes",
    "size_distribution", "matrix", "degrees", "degree_evolution", "graph",
)  # fmt: skip
LONG = "A title with $dollars$ & a_name, " + "which goes on and on " * 8
DAYS = np.arange(0.0, 44.0, 4.0)


def made(n: int = 200, *, sized: bool = True, title: str = "made up", causes: bool = True) -> nd.History:
    """Lives with births, deaths, sizes, cells and causes."""
    at = np.random.default_rng(3)
    first = at.integers(0, 8, n)
    last = np.minimum(first + at.geometric(0.25, n), DAYS.size - 1)
    here = (np.arange(DAYS.size) >= first[:, None]) & (np.arange(DAYS.size) <= last[:, None])
    size = np.where(here, np.exp(at.normal(size=(n, 1)) + 0.3 * at.normal(size=here.shape)), np.nan)
    words = np.array(["a cause with $money$ and a name that has no end at all", "trophic", "hazard"])
    columns = {"cell": at.integers(0, 6, n), "pre": at.integers(0, 9, n), "post": at.integers(0, 6, n)}
    if causes:
        columns["cause"] = np.where(last < DAYS.size - 1, words[at.integers(0, 3, n)], "")
    given = {"columns": columns, "title": title, "size_unit": "um³" if sized else ""}
    return nd.History.of_sessions(size if sized else here, DAYS, present=here, **given)


@pytest.fixture(scope="module")
def history() -> nd.History:
    return made()


@pytest.fixture(scope="module")
def awkward() -> dict[str, nd.History]:
    nobody = nd.History([], [], 3.0, sessions=[0.0, 3.0], columns={"pre": [], "post": [], "cell": []}, title=LONG)
    return {
        "long": made(title=LONG), "one": made(1, title=LONG), "none": nobody,
        "bare": made(60, sized=False, causes=False, title=LONG),
        "at once": nd.History([[-np.inf, 0.0]] * 2, [[0.0, np.inf]] * 2, 0.0, columns={"pre": [0, 1], "post": [1, 2]}),
    }  # fmt: skip


def outside(figure: Figure) -> list[str]:
    """Words that are not within a figure, once it is drawn."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)  # a layout that gives up
        figure.draw_without_rendering()
    box, found, renderer = figure.bbox, [], figure._get_renderer()
    beyond = {t for ax in figure.axes for axis in (ax.xaxis, ax.yaxis) for t in not_drawn(axis)}
    for text in figure.findobj(matplotlib.text.Text):
        if text.get_text().strip() and text.get_visible() and text not in beyond:
            at = text.get_window_extent(renderer)
            if at.x0 < box.x0 - 1 or at.x1 > box.x1 + 1 or at.y0 < box.y0 - 1 or at.y1 > box.y1 + 1:
                found.append(text.get_text())
    return found


def not_drawn(axis: Any) -> list[Any]:
    """Names of the ticks of an axis that lie beyond its ends, or are hidden."""
    shown = {id(tick) for tick in axis._update_ticks()} if axis.get_visible() and axis.axes.axison else set()
    ticks = [*axis.majorTicks, *axis.minorTicks]
    return [t for tick in ticks if id(tick) not in shown for t in (tick.label1, tick.label2)]


@pytest.mark.parametrize("name", NAMES)
def test_words_stay_inside_a_small_figure(name: str, awkward: dict[str, nd.History]) -> None:
    for kind in ("long", "none"):
        figure = getattr(nd.plot, name)(awkward[kind])
        figure.set_size_inches(3.0, 2.0)
        assert outside(figure) == [], kind


@pytest.mark.parametrize("name", ["density", "raster", "births_and_deaths", "survival", "sizes", "graph"])
def test_words_stay_inside_whatever_is_drawn(name: str, awkward: dict[str, nd.History]) -> None:
    for kind, size in (("one", (3.0, 2.0)), ("bare", (3.0, 2.0)), ("at once", (3.0, 2.0)), ("long", (13.0, 8.0))):
        figure = getattr(nd.plot, name)(awkward[kind])
        figure.set_size_inches(*size)
        assert outside(figure) == [], (kind, size)


# ---------------------------------------------------------------------- what is drawn is what the metrics say


def line(ax: Any, label: str) -> Any:
    return next(x for x in ax.lines if str(x.get_label()).startswith(label))


def test_density(history: nd.History) -> None:
    ax, right = nd.plot.density(history, per=None).axes
    drawn = line(ax, "alive")
    assert (drawn.get_xdata() == DAYS).all() and (drawn.get_ydata() == history.number(DAYS)).all()
    births, deaths = (p.get_data().values for p in right.patches)
    changes = history.changes()
    assert births * 4 == pytest.approx(changes.gained) and deaths * 4 == pytest.approx(changes.lost)
    weeks = nd.plot.density(history, unit="week", per="cell").axes[0]
    assert line(weeks, "alive").get_xdata() == pytest.approx(DAYS / 7)
    assert line(weeks, "alive").get_ydata() == pytest.approx(history.number(DAYS) / 6)
    assert weeks.get_xlabel() == "time (weeks)" and "per cell" in weeks.get_ylabel()


def test_births_and_deaths_by_cause(history: nd.History) -> None:
    ax = nd.plot.births_and_deaths(history, per=None).axes[0]
    up = sum(p.get_height() * 4 for p in ax.patches if p.get_height() > 0)
    assert up == pytest.approx(np.isfinite(history.birth).sum())
    for name, count in history.deaths_by_cause().items():
        bars = next(c for c in ax.containers if c.get_label().startswith(f"deaths: {name[:10]}"))
        assert -sum(p.get_height() * 4 for p in bars) == pytest.approx(count)


def test_every_life_is_a_line(history: nd.History) -> None:
    (ax,) = nd.plot.raster(history, colours={"trophic": "#123456"}).axes
    (lines,) = ax.collections
    ends = np.array(lines.get_segments())
    assert len(ends) == len(history)
    assert np.sort(ends[:, 1, 0] - ends[:, 0, 0]) == pytest.approx(np.sort(history.lives("all").duration))
    mine = (lines.get_colors() == matplotlib.colors.to_rgba("#123456")).all(axis=1)
    assert mine.sum() == history.deaths_by_cause()["trophic"]
    (ax,) = nd.plot.raster(history, by="cell", chosen=[2, 4], most=20).axes
    assert len(ax.collections[0].get_segments()) == 20
    assert [t.get_text() for t in ax.get_yticklabels()] == ["cell 2", "cell 4"]


def test_survival(history: nd.History) -> None:
    for method in ("kaplan-meier", "turnbull"):
        km = history.survival(method=method)
        (ax,) = nd.plot.survival(history, method=method).axes
        found, enough = line(ax, "newborns"), km.at_risk >= 10
        assert found.get_xdata()[1:] == pytest.approx(km.time[enough])
        assert found.get_ydata()[1:] == pytest.approx(km.value[enough])
    (ax,) = nd.plot.survival(history, parts=2, standing=True).axes
    first, second = history.bins("birth", [0, 20, np.nextafter(40, 41)]).values()
    assert line(ax, "born on days 0 to 20").get_ydata()[1] == first.survival().value[0]
    assert f"(n = {len(second)})" in line(ax, "born on days 20 to 40").get_label() and line(ax, "there from the start")
    (ax,) = nd.plot.survival(history, by="cell").axes
    assert len(ax.get_legend().get_texts()) == 6
    with pytest.raises(ParameterError, match="by must be a column of at most 12 values, and 'place' has 200"):
        nd.plot.survival(history._with(history.born, history.died, columns={"place": np.arange(200.0)}), by="place")
    with pytest.raises(ParameterError, match="parts and by ask for different curves"):
        nd.plot.survival(history, by="cell", parts=2)


def test_hazard(history: nd.History) -> None:
    ages = [0.0, 1.0, 2.0, 4.0]
    (ax,) = nd.plot.hazard(history, unit="week", ages=ages).axes
    lives = history.lives()
    rate, _, lived = death_rates_by_age(lives.duration, lives.died, np.array(ages) * 7)
    assert (lived > 20).all() and ax.lines[0].get_ydata() == pytest.approx(rate * 7)
    edges = [-9.0, 0.0, 9.0]
    ax = nd.plot.hazard_surface(history, ages=[0, 10, 40], log_sizes=edges).axes[0]
    table = history.hazard([0, 10, 40], edges)
    assert np.asarray(ax.collections[0].get_array()).ravel() == pytest.approx(table.rate.T.ravel())
    (ax,) = nd.plot.losses(history, groups=4).axes
    x, here = history.log_sizes(), history.present()
    lost = (here[:, :-1] & ~here[:, 1:])[here[:, :-1]]
    expected = sizes.losses_by_size(x[:, :-1][here[:, :-1]], lost, 4)
    assert [p.get_height() for p in ax.patches] == pytest.approx(expected)


def test_persistence(history: nd.History) -> None:
    (ax,) = nd.plot.persistence(history).axes
    found = history.persistence()
    early, late = np.triu_indices(DAYS.size, 1)
    assert ax.lines[0].get_ydata() == pytest.approx(found.kept[early, late])
    next_one = np.mean([found.kept[k, k + 1] for k in range(DAYS.size - 1)])
    assert line(ax, "there again").get_ydata()[0] == pytest.approx(next_one)


def test_sizes(history: nd.History) -> None:
    (ax,) = nd.plot.sizes(history).axes
    assert line(ax, "median").get_ydata() == pytest.approx(np.exp(np.nanmedian(history.log_sizes(), axis=0)))
    (ax,) = nd.plot.size_distribution(history, sessions=[4.0, 21.0]).axes
    said = [t.get_text() for t in ax.get_legend().get_texts()]
    number = np.isfinite(history.sizes()).sum(axis=0)
    assert {f"day 4 (n = {number[1]})", f"day 20 (n = {number[5]})", "log-normal"} == {*said}
    spread = sizes.lognormal_fit(history.log_sizes()[:, 5][np.isfinite(history.sizes()[:, 5])]).sd
    assert f"sd of ln size {spread:.2f}" in ax.said[1]


def test_one_life(history: nd.History) -> None:
    k = int(np.flatnonzero(np.isfinite(history.birth) & np.isfinite(history.death))[0])
    (ax,) = nd.plot.life(history, history.ident[k], unit="hour").axes
    size = history.sizes()[k]
    assert line(ax, "size").get_ydata() == pytest.approx(size[np.isfinite(size)])
    assert line(ax, "size").get_xdata() == pytest.approx(24 * DAYS[np.isfinite(size)])
    born, died = ax.patches[:2]
    assert [born.get_x(), born.get_x() + born.get_width()] == pytest.approx(24 * history.born[k])
    assert [died.get_x(), died.get_x() + died.get_width()] == pytest.approx(24 * history.died[k])
    assert history.story(history.ident[k]) in ax.said[1]
    with pytest.raises(ParameterError, match="no 4711 in this history"):
        nd.plot.life(history, 4711)


def test_connections(history: nd.History) -> None:
    ax = nd.plot.matrix(history, t=2, unit="week").axes[0]
    m, _, _ = history.graph(14.0)
    assert np.ma.filled(ax.images[0].get_array(), 0.0) == pytest.approx(m.toarray())
    here = history.alive(40.0)
    pre, post = (np.unique(history.column(c), return_inverse=True)[1] for c in ("pre", "post"))
    out, into = topology.degrees(pre[here], post[here], 9, 6)
    (ax,) = nd.plot.degrees(history).axes
    for name, number in (("inputs, day 40", into), ("outputs, day 40", out)):
        found = line(ax, name)
        assert found.get_ydata() == pytest.approx([np.mean(number >= k) for k in found.get_xdata()])
    (ax,) = nd.plot.degree_evolution(history).axes
    assert line(ax, "inputs, mean").get_ydata()[-1] == into.mean()
    assert line(ax, "outputs, largest").get_ydata()[-1] == out.max()
    panels = nd.plot.graph(history, at=[4.0, 20.0]).axes
    new, gone = history.alive(20.0) & ~history.alive(4.0), history.alive(4.0) & ~history.alive(20.0)
    assert len(panels) == 2 and f"{new.sum()} new, {gone.sum()} gone" in panels[1].said[1]
    with pytest.raises(ParameterError, match="t must lie between 0 and 40 days"):
        nd.plot.matrix(history, t=41)
    with pytest.raises(ParameterError, match="no column 'pre'; there are"):
        nd.plot.degrees(nd.History.of_lives([0.0], [1.0]))


def test_motifs(history: nd.History) -> None:
    try:
        graphs.motifs([0], [1], 3)
    except NeurodevError as e:
        with pytest.raises(NeurodevError, match="networkx"):
            nd.plot.motifs(history)
        pytest.skip(str(e))
    (ax,) = nd.plot.motifs(history, at=[20.0]).axes
    here = history.alive(20.0)
    names, both = np.unique(np.concatenate([history.column("pre"), history.column("post")]), return_inverse=True)
    expected = graphs.motifs(both[: len(history)][here], both[len(history) :][here], names.size)
    for drawn in ax.lines:
        assert drawn.get_ydata()[0] == expected[drawn.get_label().split(",")[0]]


# ---------------------------------------------------------------------- doors, notebooks, files


def test_motifs_of_too_many_are_refused() -> None:
    pre, post = (x.ravel() for x in np.mgrid[:400, :400])
    ever = np.tile([-np.inf, 0.0], (pre.size, 1))
    dense = nd.History(ever, -ever[:, ::-1], 0.0, columns={"pre": pre, "post": post})
    with pytest.raises(ParameterError, match="to count the triples among 400 cells .*give fewer times"):
        nd.plot.motifs(dense)


@pytest.mark.parametrize("name", NAMES)
def test_doors(name: str, history: nd.History) -> None:
    draw = getattr(nd.plot, name)
    with pytest.raises(ParameterError, match="of must be a History or a run"):
        draw([1, 2])
    with pytest.raises(ParameterError, match="colours must be a list of colours, or a dictionary"):
        draw(history, colours="loud")
    with pytest.raises(ParameterError, match="unit must be one of .*got 'weak' .did you mean 'week'"):
        draw(history, unit="weak")
    with pytest.raises(ParameterError, match="ax must be the axes of a figure"):
        draw(history, 3)
    with pytest.raises(ParameterError, match="projection 'x' is not in this history"):
        draw(history, projection="x")
    lives = nd.History.of_lives([0.0, 0.0], [1.0, 2.0], columns={"pre": [0, 1], "post": [1, 2]}, unit="epoch")
    with pytest.raises(ParameterError, match="unit must be 'epoch', for the times of this history are in no other"):
        draw(lives, unit="day")
    if name not in ("hazard_surface", "matrix"):  # which have a scale
        with pytest.raises(ParameterError, match="nothing in this picture is called 'nobody'"):
            draw(history, colours={"nobody": "red"})


def test_on_axes_of_the_user(history: nd.History) -> None:
    """Any figure will do; what is drawn is drawn there, and nothing global changes."""
    before = {k: v for k, v in matplotlib.rcParams.items() if k != "backend"}
    figure = Figure(figsize=(4, 3))
    for k, name in enumerate(("density", "raster", "survival", "sizes")):
        assert getattr(nd.plot, name)(history, figure.add_subplot(2, 2, k + 1)) is figure
    FigureCanvasAgg(figure).draw()
    assert {k: v for k, v in matplotlib.rcParams.items() if k != "backend"} == before
    with pytest.raises(ParameterError, match="at must be one time where ax is given"):
        nd.plot.graph(history, figure.axes[0], at=[0, 4])


def test_a_picture_shows_itself(history: nd.History) -> None:
    picture = nd.plot.survival(history)
    assert isinstance(picture, style.Picture) and picture._repr_png_().startswith(b"\x89PNG")
    assert set(NAMES) < set(nd.plot.__all__) == set(dir(nd.plot))
    with pytest.raises(AttributeError, match="no attribute 'nothing'; its pictures are"):
        nd.plot.nothing  # noqa: B018


def test_files_of_vectors_stay_small() -> None:
    many = made(4000)
    picture = nd.plot.raster(many, most=4000)
    text = style.svg(picture)
    assert len(text) < 400_000 and "<image" in text and "Lives, from birth to death" in text
    few = style.svg(nd.plot.raster(many))
    assert "<image" not in few and "600 of 4,000 lives" in few
    out = io.BytesIO()
    picture.savefig(out, format="svg")
    assert b">Lives, from birth to death, by cause<" in out.getvalue()
    out = io.BytesIO()
    picture.savefig(out, format="pdf")
    assert out.getvalue().startswith(b"%PDF") and len(out.getvalue()) < 400_000


def test_a_hundred_thousand_lives() -> None:
    at = np.random.default_rng(1)
    born = at.uniform(0, 30, 100_000)
    died = born + at.exponential(5.0, born.size)
    ended = died < 30
    limits = np.column_stack([np.where(ended, died - 0.01, 30.0), np.where(ended, died, np.inf)])
    many = nd.History(np.column_stack([born - 0.01, born]), limits, 30.0, title="many")
    for name in ("density", "births_and_deaths", "raster", "survival", "hazard"):
        figure = getattr(nd.plot, name)(many)
        figure.set_size_inches(3.0, 2.0)
        assert outside(figure) == [], name
    assert "600 of 100,000 lives" in nd.plot.raster(many).axes[0].said[1]


# ---------------------------------------------------------------------- colours

# for dichromats: Machado, Oliveira & Fernandes 2009, doi 10.1109/TVCG.2009.113, severity 1, of linear RGB
DICHROMATS = {
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
}  # fmt: skip
TO_XYZ = np.array([
    [0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041],
])  # fmt: skip


def lab(colour: str, eye: str) -> np.ndarray:
    """CIELAB of a colour as an eye sees it."""
    s = np.array(matplotlib.colors.to_rgb(colour))
    linear = np.where(s <= 0.04045, s / 12.92, ((s + 0.055) / 1.055) ** 2.4)
    seen = np.clip(np.array(DICHROMATS[eye]) @ linear, 0, 1)
    x = TO_XYZ @ seen / np.array([0.95047, 1.0, 1.08883])
    f = np.where(x > 216 / 24389, np.cbrt(x), (24389 / 27 * x + 16) / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


DEFAULT_STUDY = ("evidence", "trophic", "fluctuation", "hazard", "turnover")


def together() -> dict[str, list[str]]:
    """Colours that stand in one picture."""
    causes = {word: Causes()[word].colour for word in CAUSES}
    births, alive = style.COLOURS["birth"], style.COLOURS["alive"]
    return {
        "a history without colours": [*style.HUES],
        "causes without colours": [style.HUES[k] for k in (1, 0, 3, 4, 5, 6)] + [births, alive],
        "the default study": [causes[w] for w in DEFAULT_STUDY] + [births, alive],
        "pruning a network": [causes[w] for w in ("survival", "unit_survival", "magnitude", "threshold", "gradient")],
        "density": [style.INK, births, "#D55E00"], "cohorts": [*style.COHORTS, style.INK],
        "graph": ["#D55E00", "#8FA3C4", style.RULE], "sizes": ["#D55E00", "#7E93B5", style.INK],
    }  # fmt: skip


@pytest.mark.parametrize("where", together())
@pytest.mark.parametrize("eye", DICHROMATS)
def test_colours_that_stand_together_stay_apart(eye: str, where: str) -> None:
    seen = [lab(c, eye) for c in together()[where]]
    apart = [np.linalg.norm(a - b) for k, a in enumerate(seen) for b in seen[:k]]
    assert min(apart) > 12, min(apart)  # about 2 are seen side by side


def test_two_causes_that_declare_one_colour_are_told_apart() -> None:
    causes = Causes()
    assert causes["evidence"].colour == causes["survival"].colour
    names = np.array(["evidence", "survival", "trophic", "unit_survival"] * 5)
    h = nd.History([[0.0, 1.0]] * 20, [[2.0, 3.0]] * 20, 8.0, columns={"cause": names}, causes=causes)
    (ax,) = nd.plot.births_and_deaths(h).axes
    box = ax.get_legend()
    shades = {t.get_text(): p.get_facecolor() for t, p in zip(box.get_texts(), box.get_patches(), strict=True)}
    assert len(set(shades.values())) == len(shades) == 5

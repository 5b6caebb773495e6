"""The pictures of a history: they draw what the metrics say, take what they promise, and keep their words inside."""

from __future__ import annotations

import warnings
from typing import Any

import matplotlib
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

import neurodev as nd

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
        FigureCanvasAgg(figure).draw()
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
    for kind, history in awkward.items():
        figure = getattr(nd.plot, name)(history)
        figure.set_size_inches(3.0, 2.0)
        assert outside(figure) == [], kind


@pytest.mark.parametrize("name", NAMES)
def test_words_stay_inside_a_large_figure(name: str, awkward: dict[str, nd.History]) -> None:
    figure = getattr(nd.plot, name)(awkward["long"])
    figure.set_size_inches(13.0, 8.0)
    figure.set_dpi(60)
    assert outside(figure) == []

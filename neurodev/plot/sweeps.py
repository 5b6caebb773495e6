"""A sweep in one figure: a number over its points with intervals over seeds, and its course over time."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from matplotlib.figure import Figure

from neurodev.errors import ParameterError, shown
from neurodev.metrics.cost import mean_and_interval
from neurodev.plot.door import drawn
from neurodev.plot.style import HUES, legend, new_figure, plain


class Course(NamedTuple):
    """The course of a number at one point: times, (n_time,), and values of each seed, (n_seed, n_time)."""

    label: str
    time: Any
    each: Any


class Swept(NamedTuple):
    """What is drawn of a sweep.

    Attributes
    ----------
    name : str
        Of the number.
    axis : str
        Of the parameter that goes along.
    x : (n_point,) float64
    words : list of str
        Labels of the points, where no parameter is a number.
    lines : list of (str, indices of points)
        What is joined, in order of x.
    y : (n_point, n_seed) float64
    clock, what : str
        Label of the times of the courses, and what they are of.
    courses : list of Course
    """

    name: str
    axis: str
    x: Any
    words: list[str]
    lines: list[tuple[str, Any]]
    y: Any
    clock: str
    what: str
    courses: list[Course]


def _swept(value: Any, argument: str) -> Any:
    """A rule: what is drawn of a sweep."""
    if not isinstance(value, Swept):
        raise ParameterError(f"{argument} must be what a sweep draws, nd.Sweep(folder).plot(), got {shown(value)}")
    return value


@drawn(swept=_swept)
def sweep_figure(swept: Swept) -> Figure:
    """A number over the points, mean and 95 % interval over seeds with each run beside; and the course over time.

    Parameters
    ----------
    swept : Swept
    """
    figure = new_figure(5.6 * (2 if swept.courses else 1), 3.8)
    axes = figure.subplots(1, 2 if swept.courses else 1, squeeze=False)[0]
    ax, said = axes[0], swept.name.replace("_", " ")
    plain(ax, said, swept.axis, said, f"mean and 95 % interval over {swept.y.shape[1]} seeds; each run a dot")
    for (label, at), hue in zip(swept.lines, HUES, strict=False):
        told = [mean_and_interval(y[np.isfinite(y)]) if np.isfinite(y).any() else (np.nan, np.nan) for y in swept.y[at]]
        mean, half = np.array(told).reshape(-1, 2).T
        ax.errorbar(
            swept.x[at], mean, np.nan_to_num(half), fmt="o" if swept.words else "o-", color=hue, markersize=5,
            linewidth=1.6, label=label,
        )  # fmt: skip
        for k in at:
            ax.plot(np.full(swept.y.shape[1], swept.x[k]), swept.y[k], ".", color=hue, alpha=0.45, markersize=4)
    if swept.words:
        ax.set_xticks(swept.x, swept.words, rotation=30, ha="right", parse_math=False)
    if any(label for label, _ in swept.lines):
        _beside(ax)
    if swept.courses:
        _draw_courses(axes[1], swept)
    return figure


def _beside(ax: Any) -> None:
    """The key beside the axes, where it hides nothing."""
    legend(ax, loc="upper left", bbox_to_anchor=(1.01, 1.0))


def _draw_courses(ax: Any, swept: Swept) -> None:
    """Means over seeds, with the range of the seeds."""
    plain(ax, swept.what.replace("_", " "), swept.clock, swept.what.replace("_", " "), "mean and range over seeds")
    for course, hue in zip(swept.courses, HUES, strict=False):
        ax.plot(course.time, course.each.mean(axis=0), color=hue, linewidth=1.6, label=course.label)
        if len(course.each) > 1:
            ax.fill_between(course.time, course.each.min(axis=0), course.each.max(axis=0), color=hue, alpha=0.15, lw=0)
    if len(swept.courses) > 1:
        _beside(ax)

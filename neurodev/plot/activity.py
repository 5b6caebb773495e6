"""Activity: rates per day against their target, and the spikes of one recorded stretch."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from neurodev.metrics import maps
from neurodev.plot import fields
from neurodev.plot.door import developed
from neurodev.plot.style import (
    INK,
    POPULATIONS,
    SOFT,
    beside,
    clock_of,
    empty,
    interventions,
    mark_interventions,
    mark_moments,
    new_figure,
    plain,
)
from neurodev.structure.duration import lasting
from neurodev.structure.run_like import RunLike

_FEW = 4000  # spikes whose dots may be larger than a pixel, which hardly shows its colour

F8 = NDArray[np.float64]


def _centre(run: RunLike, name: str) -> NDArray[np.bool_]:
    """Cells that count: of a map the central 70 % of the sheet, where it is whole; else all."""
    everyone = np.ones(int(run.population(name)["n"]), bool)
    if not fields.mapped(run):
        return everyone
    middle = maps.central(run.positions(name), *run.network["sheet"])
    return middle if middle.any() else everyone


def _course(run: RunLike, name: str) -> tuple[NDArray[Any], F8]:
    """Days of life, and the rate of each cell then, (n_time,) and (n_time, n) Hz: by days, or by ticks.

    The last may be of a part of a day, or of a tick.
    """
    if run.days >= 1:
        by_day = run.rates(name)
        edges = np.minimum(np.arange(by_day.shape[0] + 1), run.days)
        return (edges[:-1] + edges[1:]) / 2, by_day
    windows = run.count_windows(name)
    return windows.mean(axis=1) * run.tick_days / run.tick_spike, 1e3 * run.counts(name) / np.diff(windows, axis=1)


@developed
def has_rates(run: RunLike) -> bool:
    """Whether a rate can be told of any population: spikes were counted."""
    return any(run.counts(p["name"]).shape[0] for p in run.network["populations"])


@developed
def has_trains(run: RunLike) -> bool:
    """Whether whole stretches were recorded spike by spike."""
    return _stretch(run, 0.0) is not None


def _mean(values: F8) -> F8:
    """Mean over the living, NaN at times at which nobody lives."""
    living = np.isfinite(values)
    n = living.sum(axis=1)
    return np.where(n > 0, np.where(living, values, 0.0).sum(axis=1) / np.maximum(n, 1), np.nan)


@developed
def rates(ax: Any, run: RunLike) -> None:
    """Mean rate of each population over its living cells, against the target of homeostasis and half and twice of it.

    By days; by ticks in a run that does not last a day.
    """
    aim = run.file.item("target_hz", None)
    scaled = run.projection()["target"] if run.plastic else None  # a run without spines has rates all the same
    clock, counted, notes = clock_of(run), has_rates(run), []
    for k, p in enumerate(run.network["populations"]):
        which, shade = _centre(run, p["name"]), POPULATIONS[k % len(POPULATIONS)]
        day, r = _course(run, p["name"])
        at, r = day / clock.days, r[:, which]
        living = np.isfinite(r).any(axis=1) if r.size else np.zeros(0, bool)
        if living.any() and p["name"] == scaled and r.shape[1] > 1:
            low, high = np.nanquantile(r[living], [0.1, 0.9], axis=1)
            if living.sum() > 1:
                ax.fill_between(at[living], low, high, color=shade, alpha=0.15, lw=0)
            else:  # a band over a single time has no width
                ax.vlines(at[living], low, high, color=shade, alpha=0.35, lw=4)
            notes = [f"{'band' if living.sum() > 1 else 'bar'}: 10 to 90 % of cells of {p['name']}"]
        ax.plot(at, _mean(r), "o-", ms=3, lw=1.4, color=shade, label=p["name"])
    if fields.mapped(run):
        notes.insert(0, "cells in the central 70 % of the sheet")
    if aim:
        ax.axhspan(0.5 * aim, 2 * aim, color="#EEF1F5", lw=0, zorder=0)
        ax.axhline(aim, color=INK, lw=1.0, ls=":", label=f"target {aim:g} Hz")
        notes.append("grey: half to twice the target")
    ax.set_ylim(0, 1.08 * ax.get_ylim()[1])  # room for the numbers of interventions
    ax.set_xlim(0, run.days / clock.days)
    if not counted:
        empty(ax, "no spikes were counted: no rate")
    mark_interventions(ax, run)
    beside(ax)
    title = "Rates per day" if run.days >= 1 else f"Rates over {lasting(min(run.tick_days, run.days))}"
    plain(ax, title, clock.axis, "rate (Hz of spike time)", "; ".join(notes))


def _stretch(run: RunLike, day: float) -> tuple[float, float] | None:
    """Recorded stretch (ms of spike time) nearest to a day of life."""
    seen = [run.spike_windows(p["name"]) for p in run.network["populations"]]
    seen = [w for w in seen if len(w)]
    if not seen:
        return None
    windows = seen[0]
    middle = windows.mean(axis=1) / run.tick_spike * run.tick_days
    start, stop = windows[int(np.argmin(np.abs(middle - day)))]
    return float(start), float(stop)


@developed
def train(ax: Any, run: RunLike, day: float, most: int = 4000) -> None:
    """The spikes of one recorded stretch near a day of life, population by population.

    Cells are in order along the sheet, or of their numbers where place means nothing.

    At most `most` cells are drawn of each population (the first ones in order); empty time at both ends is cut.
    """
    stretch = _stretch(run, day)
    if stretch is None:
        empty(ax, "no full trains were recorded")
        plain(ax, "Spikes", "spike time (s)", "")
        return
    start, stop = stretch
    base, marks, first, last, placed = 0, [], stop, start, fields.placed(run)
    for k, p in enumerate(run.network["populations"]):
        shade = POPULATIONS[k % len(POPULATIONS)]
        t, i = run.spikes(p["name"])
        here = (t >= start) & (t < stop)
        t, i = t[here], i[here].astype(np.int64)
        rank = np.empty(p["n"], np.int64)
        order = np.argsort(run.positions(p["name"])[:, 0], kind="stable") if placed else np.arange(p["n"])
        rank[order] = np.arange(p["n"])
        shown = rank[i] < most
        style: dict[str, Any] = {"marker": ","} if t.size > _FEW else {"marker": ".", "ms": 3.0, "mew": 0}
        ax.plot((t[shown] - start) / 1e3, base + rank[i[shown]], ls="", color=shade, rasterized=True, **style)
        if t.size:
            first, last = min(first, float(t.min())), max(last, float(t.max()))
        marks.append((base + min(p["n"], most) / 2, p["name"], shade))
        base += min(p["n"], most)
        ax.axhline(base, color=SOFT, lw=0.5)
    if not any(run.spikes(p["name"])[0].size for p in run.network["populations"]):
        empty(ax, "no cell fired")
    ax.set_ylim(0, base)
    if last > first:
        margin = min(0.2, 0.03 * (last - first) / 1e3)
        ax.set_xlim((first - start) / 1e3 - margin, (last - start) / 1e3 + margin)
    ax.set_yticks([m for m, _, _ in marks], [name for _, name, _ in marks])
    for label, (_, _, shade) in zip(ax.get_yticklabels(), marks, strict=True):
        label.set_color(shade)
    when = start / run.tick_spike * run.tick_days
    told = f"on day {when:.1f}".removesuffix(".0") if run.days >= 1 else f"after {lasting(when)}"
    told = "from the start on" if when <= 0 and run.days < 1 else told
    mark_moments(ax, [(d.day / run.tick_days * run.tick_spike - start) / 1e3 for d in interventions(run)])
    note = "cells in order from left to right" if placed else "cells in order of their numbers"
    plain(ax, f"Spikes recorded {told}", "spike time since then (s)", "", note)
    ax.tick_params(axis="y", length=0)


@developed
def activity_figure(run: RunLike) -> Figure:
    """Rates above; below, where trains were recorded, those of the first and (if it is another) the last day."""
    first, last = _stretch(run, 0.0), _stretch(run, run.days)
    fig = new_figure(11.0, 7.2 if first is not None else 3.6)
    if first is None:
        rates(fig.add_subplot(), run)
        return fig
    if not has_rates(run):
        train(fig.add_subplot(), run, 0.0)
        return fig
    grid = fig.add_gridspec(2, 2, height_ratios=[1, 1.35])
    rates(fig.add_subplot(grid[0, :]), run)
    if first == last:
        train(fig.add_subplot(grid[1, :]), run, 0.0)
        return fig
    train(fig.add_subplot(grid[1, 0]), run, 0.0)
    train(fig.add_subplot(grid[1, 1]), run, run.days)
    return fig

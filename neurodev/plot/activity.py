"""Activity: rates per day against their target, and the spikes of one recorded stretch."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from neurodev.metrics import maps
from neurodev.plot.style import INK, POPULATIONS, SOFT, empty, legend, new_figure, plain
from neurodev.structure.run_like import RunLike

F8 = NDArray[np.float64]


def _centre(run: RunLike, name: str) -> NDArray[np.bool_]:
    """Cells that count: the central 70 % of the sheet (all, if none lies there)."""
    middle = maps.central(run.positions(name), *run.network["sheet"])
    return middle if middle.any() else np.ones(middle.size, bool)


def rates(ax: Any, run: RunLike) -> None:
    """Mean rate of each population on each day, against the target of homeostasis and half and twice of it."""
    aim = run.file.item("target_hz", None)
    scaled = run.projection()["target"] if run.plastic else None  # a run without spines has rates all the same
    days = 0
    for p, shade in zip(run.network["populations"], POPULATIONS, strict=False):
        r = run.rates(p["name"])[:, _centre(run, p["name"])]
        days = max(days, r.shape[0])
        at = np.arange(r.shape[0]) + 0.5
        if r.shape[0] and p["name"] == scaled:
            ax.fill_between(at, *np.quantile(r, [0.1, 0.9], axis=1), color=shade, alpha=0.15, lw=0)
        ax.plot(at, r.mean(axis=1), "o-", ms=3, lw=1.4, color=shade, label=p["name"])
    if aim:
        ax.axhspan(0.5 * aim, 2 * aim, color="#EEF1F5", lw=0, zorder=0)
        ax.axhline(aim, color=INK, lw=1.0, ls=":", label=f"target {aim:g} Hz")
    ax.set_ylim(0, 1.15 * ax.get_ylim()[1])  # room for the legend
    ax.set_xlim(0, max(days, 1))
    if not days:
        empty(ax, "shorter than a day: no daily rate")
    note = "band: 10 to 90 % of cells" + ("; grey: half to twice the target" if aim else "")
    legend(ax, loc="upper right", ncols=2)
    plain(ax, "Rates per day", "life time (days)", "rate (Hz of spike time)", note)


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


def train(ax: Any, run: RunLike, day: float, most: int = 4000) -> None:
    """The spikes of one recorded stretch near a day of life, cells in order along the sheet, population by population.

    At most `most` cells are drawn of each population (the first ones in order); empty time at both ends is cut.
    """
    stretch = _stretch(run, day)
    if stretch is None:
        empty(ax, "no full trains were recorded")
        plain(ax, "Spikes", "time (s)", "")
        return
    start, stop = stretch
    base, marks, first, last = 0, [], stop, start
    for p, shade in zip(run.network["populations"], POPULATIONS, strict=False):
        t, i = run.spikes(p["name"])
        here = (t >= start) & (t < stop)
        t, i = t[here], i[here].astype(np.int64)
        rank = np.empty(p["n"], np.int64)
        rank[np.argsort(run.positions(p["name"])[:, 0], kind="stable")] = np.arange(p["n"])
        shown = rank[i] < most
        ax.plot((t[shown] - start) / 1e3, base + rank[i[shown]], ",", color=shade, rasterized=True)
        if t.size:
            first, last = min(first, float(t.min())), max(last, float(t.max()))
        marks.append((base + min(p["n"], most) / 2, p["name"], shade))
        base += min(p["n"], most)
        ax.axhline(base, color=SOFT, lw=0.5)
    ax.set_ylim(0, base)
    if last > first:
        ax.set_xlim((first - start) / 1e3 - 0.2, (last - start) / 1e3 + 0.2)
    ax.set_yticks([m for m, _, _ in marks], [name for _, name, _ in marks])
    for label, (_, _, shade) in zip(ax.get_yticklabels(), marks, strict=True):
        label.set_color(shade)
    when = start / run.tick_spike * run.tick_days
    plain(
        ax, f"Spikes recorded on day {when:.1f}".removesuffix(".0"), "time (s)", "", "cells in order from left to right"
    )
    ax.tick_params(axis="y", length=0)


def activity_figure(run: RunLike) -> Figure:
    """Rates per day above; below, where trains were recorded, those of the first and the last day."""
    recorded = _stretch(run, 0.0) is not None
    fig = new_figure(11.0, 7.2 if recorded else 3.6)
    if not recorded:
        rates(fig.add_subplot(), run)
        return fig
    grid = fig.add_gridspec(2, 2, height_ratios=[1, 1.35])
    rates(fig.add_subplot(grid[0, :]), run)
    train(fig.add_subplot(grid[1, 0]), run, 0.0)
    train(fig.add_subplot(grid[1, 1]), run, run.days)
    return fig

"""The life of one spine: its size from day to day, and what moved it."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from neurodev.plot.door import drawn
from neurodev.plot.style import (
    COLOURS,
    INK,
    ORANGE,
    SOFT,
    colour,
    empty,
    legend,
    life_clock,
    mark_moments,
    new_figure,
    plain,
    word,
)
from neurodev.structure.duration import moment, unit_of
from neurodev.structure.run_like import SpineLike, SynapseLike


def _span(spine: SpineLike) -> tuple[float, float, float]:
    """Birth, last moment, and a margin, days."""
    last = float(spine.died if spine.died is not None else spine.end)
    return float(spine.born), last, max(0.06 * (last - float(spine.born)), 0.05 * min(1.0, unit_of(spine.end)[0]))


def _volume_axis(ax: Any) -> None:
    """Ticks of ln(V / V0) at round multiples of V0."""
    low, high = ax.get_ylim()
    marks = np.array([0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100])
    marks = marks[(np.log(marks) >= low) & (np.log(marks) <= high)]
    if marks.size > 1:
        ax.yaxis.set_major_locator(FixedLocator(np.log(marks).tolist()))
        ax.yaxis.set_minor_locator(NullLocator())
    ax.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{np.exp(y):.3g}"))


def _annotate(ax: Any, text: str, at: tuple[float, float], left: bool, shade: str) -> None:
    ax.annotate(text, at, (-8 if left else 8, 9), textcoords="offset points", ha="right" if left else "left",
                fontsize=8.5, color=shade, bbox={"fc": "white", "ec": "none", "alpha": 0.8, "pad": 1.0})  # fmt: skip


def _legend_above(ax: Any) -> None:
    """A legend on the line of the note, at the right, where no curve can pass."""
    legend(
        ax, loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=4, frameon=False, borderaxespad=0.1, columnspacing=1.2
    )


def _size(ax: Any, spine: SpineLike, threshold: float | None) -> None:
    unit = life_clock(spine.end).days
    born, last = (x / unit for x in _span(spine)[:2])
    days, x = np.asarray(spine.days, dtype=float) / unit, np.asarray(spine.log_size, dtype=float)
    known = min(days.size, x.size)
    days, x = days[:known], x[:known]
    died = spine.died is not None
    ended = died and np.isfinite(spine.death_log_size)
    shade = colour(spine.cause, spine.causes) if spine.cause else COLOURS["alive"]
    ax.axvspan(born, last, color="#F4F6F9", lw=0, zorder=0)
    if known:
        ax.plot(days, x, "o-", color=COLOURS["run"], ms=4.5, lw=1.6, label="size in the pictures", zorder=3)
        if threshold is not None:
            ax.fill_between(days, x, threshold, color="#7E93B5", alpha=0.15, lw=0)
    if ended:
        if known:
            ax.plot([days[-1], last], [x[-1], spine.death_log_size], ":", color=SOFT, lw=1.3, zorder=2)
        ax.plot(last, spine.death_log_size, "X", color=shade, ms=11, mec="white", mew=0.8, zorder=5)
    if not known and not ended:
        empty(ax, "it lived between two pictures: its size was not kept")
    if threshold is not None:
        ax.axhline(threshold, color=ORANGE, lw=1.2, ls=":", label="below this a spine is lost")
    ax.axvline(born, color=COLOURS["birth"], lw=1.5)
    ax.axvline(last, color=shade, lw=1.5, ls="-" if died else "--")
    low, high = ax.get_ylim()
    room = 0.1 if spine.deeds else 0.0  # for their numbers
    ax.set_ylim(low - 0.04 * (high - low), high + (0.22 + room) * (high - low))
    top = ax.get_ylim()[1] - (0.14 + room) * (high - low)
    start = "there from the start" if spine.birth_cause == "initial" else f"born {moment(spine.born, spine.end)}"
    _annotate(ax, start, (born, top), False, COLOURS["birth"])
    end = "alive at the end"
    if spine.died is not None:
        when = moment(spine.died, spine.end)
        end = f"died {when} of {word(spine.cause or 'an unknown cause')}"
        end = f"removed {when} by hand, as {word(spine.cause or '')}" if spine.by_hand else end
    _annotate(ax, end, (last, top), True, shade if died else SOFT)
    if not known and not ended:
        ax.set_yticks([])
    else:
        _volume_axis(ax)


def _terms(ax: Any, spine: SpineLike) -> None:
    """The terms of the set-point from day to day, and at death."""
    unit = life_clock(spine.end).days
    last = _span(spine)[1] / unit
    days = np.asarray(spine.days, dtype=float) / unit
    total, drawn, at_death = np.zeros(days.size), 0, False
    for term in (name for name, unit in spine.units.items() if unit == "sd"):
        values, shade = spine.history.get(f"drive_{term}"), colour(term, spine.causes)
        seen = values is not None and len(values) == days.size > 0
        if values is not None and seen:
            ax.plot(days, values, "o-", ms=3.5, lw=1.4, color=shade, label=word(term))
            total = total + np.asarray(values, dtype=float)
            drawn += 1
        if term in spine.terms:
            ax.plot(last, spine.terms[term], "X", color=shade, ms=8, mec="white", mew=0.6, zorder=5,
                    label=None if seen else f"{word(term)} at death")  # fmt: skip
            at_death = True
    if drawn > 1:
        ax.plot(days, total, "--", color=INK, lw=1.2, label="both together" if drawn == 2 else "all together")
    if not drawn and not at_death:
        empty(ax, "no mechanism moved its set-point, or no picture kept it")
    ax.axhline(0, color=SOFT, lw=0.8)
    ax.margins(y=0.18)
    _legend_above(ax)


@drawn()
def synapse_figure(synapse: SynapseLike) -> Figure:
    """Weight of a trained synapse over epochs, from birth to death.

    Parameters
    ----------
    synapse : Synapse
        One of ``run.spines`` of a run of training.

    Returns
    -------
    matplotlib.figure.Figure
    """
    unit = synapse.epoch_days
    born, last, margin = (x / unit for x in _span(synapse))
    margin = max(margin, 0.05)
    died = synapse.died is not None
    shade = colour(synapse.cause, synapse.causes) if synapse.cause else COLOURS["alive"]
    fig = new_figure(9.0, 3.6)
    ax = fig.add_subplot()
    ax.axvspan(born, last, color="#F4F6F9", lw=0, zorder=0)
    ax.axhline(0, color=SOFT, lw=0.8)
    if synapse.weight.size:
        ax.plot(synapse.epochs, synapse.weight, "o-", color=COLOURS["run"], ms=4.5, lw=1.6, zorder=3)
        if synapse.cause == "magnitude":  # the number that decided is a weight too
            end = np.copysign(synapse.death_value, synapse.weight[-1])
            ax.plot([synapse.epochs[-1], last], [synapse.weight[-1], end], ":", color=SOFT, lw=1.3, zorder=2)
            ax.plot(last, end, "X", color=shade, ms=11, mec="white", mew=0.8, zorder=5)
    else:
        empty(ax, "it lived between two pictures: its weight was not kept")
        ax.set_yticks([])
    ax.axvline(born, color=COLOURS["birth"], lw=1.5)
    ax.axvline(last, color=shade, lw=1.5, ls="-" if died else "--")
    low, high = ax.get_ylim()
    ax.set_ylim(low - 0.06 * (high - low), high + 0.3 * (high - low))
    top = high + 0.14 * (high - low)
    start = "there from the start" if synapse.birth_cause == "initial" else f"born: {word(synapse.birth_cause)}"
    _annotate(ax, start, (born, top), False, COLOURS["birth"])
    _annotate(
        ax,
        f"died: {word(synapse.cause)}" if synapse.cause else "alive at the end",
        (last, top),
        True,
        shade if died else SOFT,
    )
    ax.set_xlim(born - margin, last + margin)
    lived = f"{'lived' if died else 'has lived'} {last - born:.2f} epochs"
    plain(ax, f"Synapse {synapse.uid} of {synapse.projection}, {synapse.place()}", "epoch", "weight", lived)
    return fig


@drawn()
def spine_figure(spine: SpineLike, threshold: float | None = None) -> Figure:
    """Size over the life of a spine above, the terms that moved its set-point below.

    Parameters
    ----------
    spine : Spine
        One of ``run.spines``.
    threshold : float, optional
        ln(V / V0) below which a spine is lost; that of its run (``spine.threshold``) if not given.

    Returns
    -------
    matplotlib.figure.Figure
    """
    limit = spine.threshold if threshold is None else threshold
    fig = new_figure(9.0, 5.6)
    top, bottom = fig.subplots(2, 1, sharex=True, height_ratios=[1.7, 1])
    clock = life_clock(spine.end)
    born, last, margin = (x / clock.days for x in _span(spine))
    _size(top, spine, limit)
    _legend_above(top)
    title = f"Spine {spine.uid}: {spine.source} {spine.pre} onto {spine.target} {spine.post}"
    note = f"{'lived' if spine.died is not None else 'has lived'} {last - born:.1f} {clock.many}"
    if limit is None and spine.died is not None and np.isfinite(spine.death_log_size):
        note += f"; at death V was {np.exp(spine.death_log_size):.2f} of the reference volume"
    plain(top, title, "", "head volume V / V0 (log)", note)
    _terms(bottom, spine)
    plain(bottom, "What moved its set-point", clock.axis, "shift (sd of ln V)",
          "crosses: at its death" if spine.died is not None and spine.terms else "")  # fmt: skip
    bottom.set_xlim(born - margin, last + margin)
    for ax in (top, bottom):
        mark_moments(ax, [deed.day / clock.days for deed in spine.deeds])
    return fig

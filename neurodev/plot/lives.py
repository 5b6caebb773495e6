"""The lives of neurons: how many live, who is born, who dies and of what."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from neurodev.plot.door import developed
from neurodev.plot.style import (
    COLOURS,
    INK,
    POPULATIONS,
    beside,
    clock_of,
    colour,
    empty,
    legend,
    mark_interventions,
    new_figure,
    plain,
    word,
)
from neurodev.structure.log import BIRTH, DEATH
from neurodev.structure.run_like import RunLike


@developed
def changing(run: RunLike) -> list[str]:
    """Names of the populations of which neurons were born or died."""
    return [p["name"] for p in run.network["populations"] if run.neurons.batch(p["name"]).neuron.size]


@developed
def alive(ax: Any, run: RunLike) -> None:
    """Number of living neurons of each population in which it changes."""
    names, clock = changing(run), clock_of(run)
    words = []
    for k, name in enumerate(names):
        day, count = run.neurons.count(name)
        shade = POPULATIONS[k % len(POPULATIONS)]
        ax.step(day / clock.days, count, where="post", color=shade, lw=1.6, label=name)
        words.append(f"{name} {count[0]:,} to {count[-1]:,}")
    if not names:
        empty(ax, "no neuron was born or died")
    ax.set_ylim(0, 1.12 * ax.get_ylim()[1])
    ax.set_xlim(0, max(run.days / clock.days, 1e-9))
    mark_interventions(ax, run)
    legend(ax, loc="lower left", ncols=2)
    plain(ax, "Living neurons", clock.axis, "neurons", "; ".join(words[:4]))


@developed
def fates(ax: Any, run: RunLike) -> None:
    """Neurons born (up) and dead by cause (down) on each day, all populations together."""
    clock = clock_of(run)
    last = max(int(np.ceil(run.days / clock.days - 1e-9)), 1)
    born, dead = np.zeros(last), np.zeros((len(run.causes.words), last))
    for name in changing(run):
        b = run.neurons.batch(name)
        # an event of tick k happened at its end: the last tick of a day belongs to that day
        # ... and what an experimenter does then to the next
        by_hand = np.isin(np.array(run.causes.words)[b.cause.astype(np.int64)], ("intervention", "lesion"))
        when = (run.neurons.days(name) + 1e-6 * run.tick_days * by_hand) / clock.days
        day = np.clip(np.ceil(when - 1e-9).astype(np.int64) - 1, 0, last - 1)
        born += np.bincount(day[b.kind == BIRTH], minlength=last)
        died = b.kind == DEATH
        np.add.at(dead, (b.cause[died].astype(np.int64), day[died]), 1)
    centre, bottom = np.arange(last) + 0.5, np.zeros(last)
    if born.any():
        ax.bar(centre, born, 0.86, color=COLOURS["birth"], label="born")
    for code in sorted(np.flatnonzero(dead.sum(axis=1)), key=lambda c: -dead[c].sum()):
        name = run.causes.words[code]
        ax.bar(centre, -dead[code], 0.86, bottom=bottom, color=colour(name, run.causes), label=f"died: {word(name)}")
        bottom -= dead[code]
    ax.axhline(0, color=INK, lw=0.8)
    ax.set_xlim(0, last)
    mark_interventions(ax, run)
    ax.yaxis.set_major_formatter(lambda v, _: f"{abs(v):g}")
    beside(ax)
    text = f"{born.sum():.0f} born, {dead.sum():.0f} died"
    plain(ax, "Neurons born (up) and dead (down)", clock.axis, f"neurons per {clock.one}", text)


@developed
def lives_figure(run: RunLike) -> Figure:
    """Living neurons, and births and deaths by cause, side by side."""
    fig = new_figure(10.5, 3.4)
    left, right = fig.subplots(1, 2)
    alive(left, run)
    fates(right, run)
    return fig

"""Structure over time: density, births and deaths by cause, the spine raster, survival, sizes, and all in one figure.

Every function takes a *run*: what fulfils `neurodev.structure.run_like.RunLike`, as `neurodev.runs.run.Run` does.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from numpy.typing import NDArray

from neurodev.errors import ParameterError
from neurodev.metrics import sizes, turnover
from neurodev.params import takes
from neurodev.plot import activity, fields
from neurodev.plot.door import developed, drawn
from neurodev.plot.fields import field, field_radii, map_figure, neurons_to_show
from neurodev.plot.style import (
    COHORTS,
    COLOURS,
    DAYS,
    INK,
    beside,
    clock_of,
    colour,
    empty,
    interventions,
    legend,
    mark_interventions,
    new_figure,
    plain,
    word,
)
from neurodev.structure.duration import lasting
from neurodev.structure.log import DEATH
from neurodev.structure.run_like import RunLike
from neurodev.structure.selection import indices

__all__ = [
    "causes", "death_rates", "death_rates_by_age", "density", "field", "field_radii", "map_figure", "neurons_to_show",
    "overview", "raster", "run_overview", "single", "size_distribution", "survival",
]  # fmt: skip

F8 = NDArray[np.float64]
LIFE = "life time (days)"
FORCED = ("intervention", "lesion", "neuron_death")  # deaths that no mechanism of the synapses decided


def _days(number: float) -> str:
    return f"{number:.1f}".removesuffix(".0")


@developed
def noun(run: RunLike, projection: Any = None) -> str:
    """What a synapse of a projection is called: a spine where it sits on one."""
    return "spine" if run.projection(projection)["spines"] else "synapse"


def _living(run: RunLike, projection: Any = None) -> str:
    """The word for neurons of whom some may be dead."""
    target = run.projection(projection)["target"]
    return "living " if run.neurons.batch(target).neuron.size else ""


@developed
def rose_and_fell(run: RunLike, projection: Any = None) -> bool:
    """Whether the number went up to a peak and came down again by itself, by more than 5 % each way.

    By itself: before an experimenter did anything.  Deaths that a neuron's death brings are not pruning.
    """
    q = run.projection(projection)
    day, n = run.density(q["name"])
    if done := interventions(run):
        untouched = day <= done[0].day * (1 + 1e-9)
        day, n = day[untouched], n[untouched]
    if not n.size:
        return False
    peak = int(np.argmax(n))
    if not 0 < peak < n.size - 1 or n[peak] <= 1.05 * n[0] or n[peak] <= 1.05 * n[-1]:
        return False
    log = run.log.batch(q["name"])
    words = np.array(run.causes.words)
    forced = (log.kind == DEATH) & np.isin(words[log.cause.astype(np.int64)], FORCED)
    when = run.log.days(log)
    lost = np.count_nonzero(forced & (when >= day[peak]) & (when <= day[-1])) / run.population(q["target"])["n"]
    return bool(n[peak] > 1.05 * (n[-1] + lost))


@developed
def density(ax: Any, run: RunLike, control: RunLike | None = None, projection: Any = None) -> None:
    """Spines per neuron over life time, with the peak, beside a control."""
    clock, what = clock_of(run), noun(run, projection)
    day, n = run.density(projection)
    top = float(n.max())
    if control is not None:
        there, m = control.density(projection)
        # above the run's line: where both take the same course, the dashes lie on it
        ax.plot(there / clock.days, m, color=COLOURS["control"], lw=1.4, ls=(0, (4, 2)), label="control", zorder=3.5)
        top = max(top, float(m.max()))
    at = day / clock.days
    ax.plot(at, n, color=COLOURS["run"], lw=2.0, label="run", zorder=3)
    peak = int(np.argmax(n))
    text = f"{n[0]:.1f} at the start"
    if 0 < peak < n.size - 1 and n[peak] > 1.05 * n[-1]:
        ax.plot(at[peak], n[peak], "o", color=COLOURS["run"], ms=5, zorder=4)
        # above both courses, where none can pass
        how = {"xytext": (0, 7), "textcoords": "offset points", "ha": "center", "va": "bottom"}
        when = f"on day {_days(day[peak])}" if clock.one == "day" else f"after {lasting(day[peak])}"
        ax.annotate(f"peak {n[peak]:.1f}\n{when}", (at[peak], top), **how, fontsize=8.2, color=INK)
        text += f", {n[peak]:.1f} at the peak, {n[-1]:.1f} at the end"
        text += f": {n[peak] / n[-1]:.2f} : 1" if n[-1] > 0 else ""
    else:
        text += f", {n[-1]:.1f} at the end"
    ax.set_ylim(0, 1.3 * max(top, 1e-9))  # room for the words at the peak
    ax.set_xlim(0, max(float(at[-1]), 1e-9))
    if control is not None:
        legend(ax, loc="lower right")
    mark_interventions(ax, run)
    title = f"{what.capitalize()} density"
    title += " overshoots and is pruned back" if rose_and_fell(run, projection) else ""
    plain(ax, title, clock.axis, f"{what}s per {_living(run, projection)}neuron", text)


Bars = list[tuple[str, str, F8]]


@drawn()
def bars(ax: Any, up: Bars, down: Bars) -> None:
    """Stacked bars, one for each unit of time from 0: (label, colour, height) upwards and downwards, highest first."""
    last = max([1, *(height.size for _, _, height in up + down)])
    centre = np.arange(last) + 0.5
    for sign, stack in ((1, up), (-1, down)):
        bottom = np.zeros(last)
        for label, shade, height in sorted(stack, key=lambda item: -item[2].sum()):
            part = sign * np.pad(height, (0, last - height.size))
            ax.bar(centre, part, 0.86, bottom=bottom, color=shade, label=label)
            bottom += part
    ax.axhline(0, color=INK, lw=0.8)
    ax.set_xlim(0, last)
    low, high = ax.get_ylim()
    ax.set_ylim(1.05 * low, 1.05 * high)
    ax.yaxis.set_major_formatter(lambda v, _: f"{abs(v):g}")
    beside(ax)


def _stamped(run: RunLike, log: Any) -> F8:
    """Days of events: what an experimenter does on the stroke of a day belongs to the day that begins."""
    by_hand = np.isin(np.array(run.causes.words)[log.cause.astype(np.int64)], FORCED[:2])
    return np.asarray(run.log.days(log) + 1e-6 * run.tick_days * by_hand)


@developed
def causes(ax: Any, run: RunLike, projection: Any = None) -> None:
    """Births upwards, deaths by cause downwards, per neuron and day (or what is shorter, as `clock_of` says)."""
    q, clock = run.projection(projection), clock_of(run)
    log, n = run.log.batch(q["name"]), run.population(q["target"])["n"]
    when, died, end = _stamped(run, log) / clock.days, log.kind == DEATH, run.days / clock.days
    births = turnover.events_per_day(when[~died], np.zeros((~died).sum()), end)
    deaths = turnover.events_per_day(when[died], log.cause[died], end)
    up = [("births", COLOURS["birth"], count / n) for count in births.values()]
    dead_of = {run.causes.words[c]: count / n for c, count in deaths.items()}
    down = [(f"deaths: {word(c)}", colour(c, run.causes), count) for c, count in dead_of.items()]
    bars(ax, up, down)
    if not log.uid.size:
        empty(ax, "nothing was born and nothing died")
    mark_interventions(ax, run)
    text = f"{(~died).sum() / n:.3g} born and {died.sum() / n:.3g} died per neuron"
    text += f" (of {n}, living or not)" if _living(run, q["name"]) else ""
    plain(ax, "Births (up) and deaths by cause (down)", clock.axis, f"per neuron and {clock.one}", text)


def _central(run: RunLike, neurons: int, projection: Any = None) -> Any:
    """The target neurons nearest to the middle of the sheet."""
    target = run.positions(run.projection(projection)["target"])
    return np.argsort(((target - np.array(run.network["sheet"]) / 2) ** 2).sum(axis=1), kind="stable")[:neurons]


def _raster_rows(
    run: RunLike, chosen: Any, most: int, projection: Any, unit: float
) -> tuple[list[Any], list[str], list[tuple[float, int]], int]:
    """Segments, colours, (middle row, neuron) of each group, and number of rows; times in units of so many days."""
    s = run.spines
    owner = s.projections.index(run.projection(projection)["name"])
    row, lines, colours, groups = 0, [], [], []
    for j in chosen:
        mine = np.flatnonzero((s.post == j) & (s.owner == owner))
        if mine.size > most:  # evenly thinned, so that every time of birth stays in the picture
            mine = mine[np.argsort(s.born[mine], kind="stable")][np.linspace(0, mine.size - 1, most).astype(np.int64)]
        mine = mine[np.lexsort((s.life[mine], s.born[mine]))]
        begin = row
        for i in mine:
            alive = bool(np.isnan(s.died[i]))
            lines.append([(s.born[i] / unit, row), ((s.end if alive else s.died[i]) / unit, row)])
            colours.append(COLOURS["alive"] if alive else colour(run.causes.words[int(s.cause[i])], run.causes))
            row += 1
        groups.append(((begin + row - 1) / 2, int(j)))
        row += 5
    return lines, colours, groups, max(row - 5, 1)


@drawn()
def raster(
    ax: Any, run: RunLike, neurons: int = 3, most: int = 150, chosen: Any = None, projection: Any = None,
    words: tuple[str, str] = ("spine", "neuron"),
) -> None:  # fmt: skip
    """One line for each spine of a few neurons, from birth to death, coloured by the cause of death.

    A neuron with more than `most` spines shows that many, evenly thinned in order of birth.

    Parameters
    ----------
    neurons : int
        So many neurons from the middle of the sheet, unless `chosen` names them.
    chosen : (n,) int, optional
    projection : str, optional
    words : (str, str)
        What a line and a group of them are called.
    """
    clock, q = clock_of(run), run.projection(projection)
    n = int(run.population(q["target"])["n"])
    if chosen is None and run.is_training:
        raise ParameterError("chosen must list units of a run of training, got None: plot.training.raster picks them")
    picked = _central(run, neurons, projection) if chosen is None else chosen
    chosen = indices(picked, n, "chosen", of=f"cells of {q['target']!r}", some=True)
    lines, colours, groups, rows = _raster_rows(run, chosen, most, projection, clock.days)
    height = ax.get_window_extent().height / ax.figure.dpi * 72  # points, before the layout is final
    ax.add_collection(LineCollection(lines, colors=colours, linewidths=float(np.clip(0.72 * height / rows, 0.5, 3.0))))
    ax.set_xlim(0, max(run.days / clock.days, 1e-9))
    ax.set_ylim(-2, rows + 1)
    ax.set_yticks([t for t, _ in groups], [f"{words[1]} {j}" for _, j in groups], rotation=90, va="center")
    log = run.log.batch(run.projection(projection)["name"])
    counts = run.causes.count(log.cause[log.kind == DEATH])
    for name in sorted(counts, key=lambda c: -counts[c]):
        shade = colour(name, run.causes)
        if shade in set(colours):
            ax.plot([], [], color=shade, lw=3, label=word(name))
    if COLOURS["alive"] in set(colours):
        ax.plot([], [], color=COLOURS["alive"], lw=3, label="alive at the end")
    some = f"{len(groups)} {words[1]}{'s' * (len(groups) != 1)}"
    owner = run.spines.projections.index(run.projection(projection)["name"])
    lived = int((np.isin(run.spines.post, chosen) & (run.spines.owner == owner)).sum())
    which = f"Every {words[0]}" if lived == len(lines) else f"{len(lines):,} of {lived:,} {words[0]}s"
    mark_interventions(ax, run)
    title = f"{which} of {some}, from birth to death, coloured by cause"
    plain(ax, title, clock.axis, "", " ")
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    legend(
        ax, loc="lower left", bbox_to_anchor=(-0.006, 1.0), ncols=8, frameon=False, columnspacing=1.2, borderaxespad=0.1
    )


def _survival_curve(ax: Any, km: turnover.SurvivalCurve, shade: str, width: float, label: str) -> float:
    """Draw a curve as far as ten are at risk; returns the age at which it ends."""
    enough = km.at_risk >= 10
    t, v = np.concatenate([[0], km.time[enough]]), np.concatenate([[1], km.value[enough]])
    low, high = (np.concatenate([[1], edge[enough]]) for edge in km.interval())
    if enough.all() and np.isfinite(km.until):  # nobody dies any more, but some are watched on
        t, v, low, high = (np.append(a, b) for a, b in ((t, km.until), (v, v[-1]), (low, low[-1]), (high, high[-1])))
    ax.step(t, v, where="post", color=shade, lw=width, label=label)
    ax.fill_between(t, low, high, step="post", color=shade, alpha=0.22, lw=0)
    return float(t[-1])


def _spread(ages: Any, apart: float) -> list[float]:
    """Some of the ages, none nearer than `apart` to the one before: a mark for each would be a bar."""
    kept: list[float] = []
    for age in np.sort(ages):
        if not kept or age - kept[-1] >= apart:
            kept.append(float(age))
    return kept


@drawn()
def survival(
    ax: Any, run: RunLike, parts: int = 3, standing: bool = False, projection: Any = None
) -> None:  # fmt: skip
    """Kaplan-Meier curves of newborns by when they were born, with 95 % bands; the living are censored.

    Parameters
    ----------
    parts : int
        So many stretches of life.
    standing : bool
        Those that were there from the start have a curve too.
    projection : str, optional
        Of one projection alone; of all together, if not given.
    """
    s, clock = run.spines, clock_of(run)
    mine_all = np.ones(s.born.size, dtype=bool)
    if projection is not None:
        mine_all = s.owner == s.projections.index(run.projection(projection)["name"])
    edges = [run.days * k / parts for k in range(parts + 1)]
    lived, until = s.life / clock.days, run.days / clock.days
    groups = []
    if standing:
        groups.append((np.flatnonzero(mine_all & (s.born <= 1e-9)), "there from the start", INK, 1.6))
    for k, rows in enumerate(turnover.cohorts(s.born, edges)):
        begin, end = (_days(edge / clock.days) for edge in edges[k : k + 2])
        label = f"born {'on' if clock.one == 'day' else 'in'} {clock.many} {begin} to {end}"
        # later curves thinner: one may lie on another
        rows = np.asarray(rows)[mine_all[rows]]
        groups.append((rows, label, COHORTS[min(k, len(COHORTS) - 1)], 2.6 - 0.7 * min(k, 2)))
    censored, lowest = 0, 1.0
    for mine, label, shade, width in groups:
        if not mine.size:
            continue
        died = ~np.isnan(s.died[mine])
        km = turnover.kaplan_meier(lived[mine], died)
        end_of_curve = _survival_curve(ax, km, shade, width, f"{label} (n = {mine.size:,})")
        ages = [age for age in _spread(lived[mine][~died], until / 50) if age <= end_of_curve * (1 + 1e-9)]
        ax.plot(ages, km.at(ages), "|", color=shade, ms=6, mew=1.0)
        censored += int((~died).sum())
        lowest = min(lowest, float(km.value.min(initial=1.0)))
    ax.set_ylim(0, 1.02)
    ax.set_xlim(0, max(until, 1e-9))
    legend(ax, loc="upper right" if lowest < 0.6 else "lower left")
    if not ax.lines:
        empty(ax, "no spine was born in this run")
    text = f"Kaplan-Meier, 95 % bands; ticks: censored ({censored:,} live on)"
    if projection is None and len(s.projections) > 1:
        text += f"; all {len(s.projections)} {'tensors' if run.is_training else 'projections'} together"
    title = "Survival of synapses" if standing else "Survival of newborn spines"
    plain(ax, title, clock.age, "share alive", text)


@developed
def death_rates_by_age(ax: Any, run: RunLike, projection: Any = None) -> None:
    """Deaths per spine and day against age, newborns only; of one projection, or of all together."""
    s = run.spines
    new = s.born > 1e-9
    if projection is not None:
        new &= s.owner == s.projections.index(run.projection(projection)["name"])
    edges = np.array([0, 0.25, 0.5, 1, 2, 3, 5, 8, 12, 18, 25, 40, 60, 100, 200, 400], dtype=float)
    edges = np.append(edges[edges < run.days], run.days) if run.days > 0 else np.array([0.0, 1.0])
    rate, error, lived = turnover.death_rates_by_age(s.life[new], ~np.isnan(s.died[new]), edges)
    use = lived > 20
    middle = 0.5 * (edges[1:] + edges[:-1])
    if use.any():
        ax.errorbar(middle[use], rate[use], 1.96 * error[use], fmt="o-", ms=4, lw=1.3, color=INK, elinewidth=1)
        ax.set_ylim(0, 1.12 * float(np.nanmax((rate + 1.96 * error)[use])) + 1e-9)
    else:
        empty(ax, "too few lives")
    ax.set_xlim(0, None)
    note = "newborns; 95 % bars" + ("; all deaths" if interventions(run) else "")
    plain(ax, "Death rate by age", "age (days)", "deaths per spine and day", note)


@developed
def death_rates(ax: Any, run: RunLike, width: float = 3.0, projection: Any = None) -> None:
    """Deaths per spine and day in windows of life time."""
    name = run.projection(projection)["name"]
    dies = f"deaths/{name}" in run.series_names
    left, rate, error = run.death_rates(width, name) if dies else (np.zeros(0), np.zeros(0), np.zeros(0))
    ok = np.isfinite(rate)
    if not ok.any():
        empty(ax, "nothing here lives and dies by itself")
    else:
        middle = 0.5 * (left + np.minimum(left + width, run.days))  # the last window may be cut short
        ax.errorbar(middle[ok], rate[ok], 1.96 * error[ok], fmt="o-", ms=4, lw=1.3, color=INK, elinewidth=1)
        ax.set_ylim(0, 1.12 * float((rate + 1.96 * error)[ok].max()) + 1e-9)
    ax.set_xlim(0, max(run.days, 1e-9))
    if clock_of(run) == DAYS:
        mark_interventions(ax, run)
    by_itself = "; by itself" if interventions(run) else ""  # what is done between ticks is in no series
    note = f"windows of {min(width, run.days):.3g} days; 95 % bars{by_itself}"
    plain(ax, "Death rate over life", LIFE, "deaths per spine and day", note)


def _threshold(run: RunLike, projection: Any = None) -> float | None:
    """Volume (um3) below which a spine is lost, if the run has a mechanism that says so."""
    smallest = run.smallest_size(projection)
    return None if smallest is None else float(run.projection(projection)["spines"]["volume"] * np.exp(smallest))


def _log_volumes(run: RunLike, day: float, projection: Any = None) -> Any:
    """log10 of the volumes (um3) in the snapshot of a day; None if it has no sizes."""
    q = run.projection(projection)
    state = run.snapshot(q["name"], day, ("log_size",))
    if "log_size" not in state or not len(state["log_size"]):
        return None
    return np.asarray(state["log_size"], dtype=float) / sizes.DECADE + np.log10(q["spines"]["volume"])


@developed
def sized(run: RunLike, projection: Any = None) -> bool:
    """Whether the spines of a projection have sizes, and some live at the end."""
    q = run.projection(projection)
    return bool(q["spines"]) and bool(run.snapshot_days) and _log_volumes(run, run.days, q["name"]) is not None


def _bins(low: float, high: float, n: int, edge: float | None) -> F8:
    """Edges of about n bins, one of them where spines are lost: no bar of the living may reach across it."""
    edges = np.linspace(low, high, n)
    if edge is None:
        return edges
    at, step = float(np.log10(edge)), float(edges[1] - edges[0])
    return at + step * np.arange(-np.ceil(max(at - low, 0.0) / step), np.ceil((high - at) / step) + 1)


@developed
def size_distribution(ax: Any, run: RunLike, control: RunLike | None = None, projection: Any = None) -> None:
    """Sizes on the first and the last day on a log axis, with the log-normal fit and the central decade."""
    early, late = fields.nearest_day(run, 1.0), fields.nearest_day(run, run.days)
    first, last = _log_volumes(run, early, projection), _log_volumes(run, late, projection)
    title, axis = "Spine sizes", ("head volume (um³)", "share per decade")
    if last is None:
        empty(ax, "this run kept no sizes")
        plain(ax, title, *axis)
        return
    pooled = last if first is None else np.concatenate([first, last])
    edge = _threshold(run, projection)
    least = pooled.min() if edge is None else min(pooled.min(), np.log10(edge) - 0.06)  # room for the line of loss
    low, high = least, np.ceil(10 * pooled.max()) / 10 + 0.1
    edges = _bins(low, high, int(np.clip(4 * np.sqrt(last.size) / 3, 12, 60)), edge)
    middle = float(np.median(last))
    ax.axvspan(middle - 0.5, middle + 0.5, color="#EEF1F5", lw=0, zorder=0)
    ax.hist(
        last,
        edges,
        density=True,
        color="#7E93B5",
        alpha=0.85,
        label=f"{fields.named(late, run.days)} (n = {last.size:,})",
    )
    if first is not None and late > early:
        ax.hist(
            first,
            edges,
            density=True,
            histtype="step",
            color=COLOURS["early"],
            lw=1.6,
            label=fields.named(early, run.days),
        )
    theirs = _log_volumes(control, control.days, projection) if control is not None else None
    if theirs is not None:
        ax.hist(
            theirs, edges, density=True, histtype="step", color=COLOURS["control"], lw=1.4, ls="--", label="control"
        )
    fit = sizes.lognormal_fit(last * sizes.DECADE)
    if fit.sd > 0:
        grid = np.linspace(low, high, 300)
        label = f"log-normal, sd of ln V {fit.sd:.2f}"
        ax.plot(grid, fit.density(grid * sizes.DECADE) * sizes.DECADE, color=INK, lw=1.6, label=label)
    if edge is not None:
        ax.axvline(np.log10(edge), color=INK, lw=1.2, ls=":", label=f"lost below {edge:.2g} um³")
    ticks = np.array([1, 2, 5]) * 10.0 ** np.arange(-6, 5)[:, None]
    ticks = ticks[(ticks >= 10**low) & (ticks <= 10**high)]
    ax.set_xticks(np.log10(ticks), [f"{t:g}" for t in ticks])
    ax.set_xlim(low, high)
    legend(ax, loc="upper right")
    share = sizes.central_decade(last * sizes.DECADE)
    plain(ax, title, *axis, f"{100 * share:.0f} % lie in the central decade (shaded)")


@developed
def run_overview(run: RunLike, control: RunLike | None = None) -> Figure:
    """Everything about the structure of a run in one figure.

    Parameters
    ----------
    run : Run
        A run with a projection on spines.
    control : Run, optional
        Drawn beside it wherever the two can be compared.

    Returns
    -------
    matplotlib.figure.Figure
    """
    mapped = bool(fields.mapped(run))
    heights = [3.0, 5.4, *([5.7 if control is not None else 4.2] if mapped else []), 3.0]
    fig = new_figure(13.0, sum(heights))
    rows: Any = fig.subfigures(len(heights), 1, height_ratios=heights)
    top = rows[0].subplots(1, 2)
    density(top[0], run, control)
    causes(top[1], run)
    middle = rows[1].add_gridspec(1, 2, width_ratios=[1.65, 1.0])
    raster(rows[1].add_subplot(middle[0]), run)
    right = middle[1].subgridspec(2, 1)
    first = run.plastic[0]
    survival(rows[1].add_subplot(right[0]), run, projection=first)
    size_distribution(rows[1].add_subplot(right[1]), run)
    if mapped:
        fields.draw_map(rows[2], run, control, neurons=6, small=True)
    bottom = rows[-1].subplots(1, 3)
    death_rates(bottom[0], run)
    death_rates_by_age(bottom[1], run, first)
    activity.rates(bottom[2], run)
    return fig


@developed
def overview(run: RunLike, control: RunLike | None = None) -> Figure:
    """The same as `run_overview`."""
    return run_overview(run, control)


@drawn()
def single(
    draw: Any, run: RunLike, *args: Any, size: tuple[float, float] = (9.0, 3.4), **words: Any
) -> Figure:  # fmt: skip
    """One of the panels above as a figure of its own."""
    takes("draw", draw, "ax", "run", *map(str, args), **words)
    fig = new_figure(*size)
    draw(fig.add_subplot(), run, *args, **words)
    return fig

"""Structure over time: density, births and deaths by cause, the spine raster, survival, sizes, and all in one figure.

Every function takes a *run*: what fulfils `neurodev.structure.run_like.RunLike`, as `neurodev.runs.run.Run` does.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from neurodev.errors import ParameterError
from neurodev.metrics import sizes
from neurodev.plot import activity, courses, fields, measured, risky, survivals
from neurodev.plot.asked import remembered
from neurodev.plot.door import developed, drawn
from neurodev.plot.fields import field, field_radii, map_figure, neurons_to_show
from neurodev.plot.style import (
    COLOURS,
    DAYS,
    INK,
    clock_of,
    empty,
    interventions,
    legend,
    mark_interventions,
    new_figure,
    plain,
)
from neurodev.registry import takes
from neurodev.structure.duration import lasting
from neurodev.structure.log import DEATH
from neurodev.structure.run_like import RunLike
from neurodev.structure.selection import indices

__all__ = [
    "causes", "death_rates", "death_rates_by_age", "density", "field", "field_radii", "map_figure", "neurons_to_show",
    "overview", "raster", "run_overview", "single", "size_distribution", "survival",
]  # fmt: skip

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


@developed
def causes(ax: Any, run: RunLike, projection: Any = None) -> None:
    """Births upwards, deaths by cause downwards, per neuron and day (or what is shorter), with what was done."""
    name = run.projection(projection)["name"]
    courses.births_and_deaths(run, ax, projection=name)
    mark_interventions(ax, run)
    if _living(run, name):
        title, note, _ = ax.said
        plain(ax, title, ax.get_xlabel(), ax.get_ylabel(), f"{note}, living or not")


def _central(run: RunLike, neurons: int, projection: Any = None) -> Any:
    """The target neurons nearest to the middle of the sheet."""
    target = run.positions(run.projection(projection)["target"])
    return np.argsort(((target - np.array(run.network["sheet"]) / 2) ** 2).sum(axis=1), kind="stable")[:neurons]


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
    q = run.projection(projection)
    n = int(run.population(q["target"])["n"])
    if chosen is None and run.is_training:
        raise ParameterError("chosen must list units of a run of training, got None: plot.training.raster picks them")
    picked = _central(run, neurons, projection) if chosen is None else chosen
    chosen = indices(picked, n, "chosen", of=f"cells of {q['target']!r}", some=True)
    cells = chosen.tolist()
    owner = run.spines.projections.index(q["name"])
    number = np.unique(run.spines.post[run.spines.owner == owner].astype(np.int64), return_counts=True)
    lived = {int(j): int(k) for j, k in zip(*number, strict=True) if j in cells}
    if lived:
        courses.raster(
            run, ax, projection=q["name"], by="cell", chosen=[j for j in cells if j in lived], most=most * len(lived),
            name=words[1],
        )  # fmt: skip
    else:
        empty(ax, f"no {words[0]} lived there")
        plain(ax, "", clock_of(run).axis, "")
    total, kept = sum(lived.values()), sum(min(k, most) for k in lived.values())
    some = f"{len(cells)} {words[1]}{'s' * (len(cells) != 1)}"
    which = f"Every {words[0]}" if kept == total else f"{kept:,} of {total:,} {words[0]}s"
    mark_interventions(ax, run)
    plain(ax, f"{which} of {some}, from birth to death, coloured by cause", ax.get_xlabel(), "")
    ax.spines["left"].set_visible(False)
    ax.tick_params(axis="y", length=0)


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
    name = None if projection is None else run.projection(projection)["name"]
    survivals.survival(run, ax, projection=name, parts=parts, standing=standing)
    title = "Survival of synapses" if standing else "Survival of newborn spines"
    plain(ax, title, ax.get_xlabel(), ax.get_ylabel(), ax.said[1])


@developed
def death_rates_by_age(ax: Any, run: RunLike, projection: Any = None) -> None:
    """Deaths per spine and day against age, newborns only; of one projection, or of all together."""
    edges = np.array([0, 0.25, 0.5, 1, 2, 3, 5, 8, 12, 18, 25, 40, 60, 100, 200, 400], dtype=float)
    edges = np.append(edges[edges < run.days], run.days) if run.days > 0 else np.array([0.0, 1.0])
    name = None if projection is None else run.projection(projection)["name"]
    risky.hazard(run, ax, projection=name, unit="day", ages=edges)
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


@developed
def size_distribution(ax: Any, run: RunLike, control: RunLike | None = None, projection: Any = None) -> None:
    """Sizes on the first and the last day on a log axis, with the log-normal fit and the central decade."""
    name = run.projection(projection)["name"]
    early, late = fields.nearest_day(run, 1.0), fields.nearest_day(run, run.days)
    measured.size_distribution(run, ax, projection=name, unit="day", sessions=[early, late])
    last = _log_volumes(run, late, name)
    plain(ax, "Spine sizes", ax.get_xlabel(), ax.get_ylabel(), "" if last is None else ax.said[1])
    if last is None:
        return
    middle = float(np.median(last))
    ax.axvspan(middle - 0.5, middle + 0.5, color="#EEF1F5", lw=0, zorder=0)
    theirs = None if control is None else _log_volumes(control, control.days, name)
    if theirs is not None:
        look = {"color": COLOURS["control"], "lw": 1.4, "ls": "--", "label": "control"}
        low, high = ax.get_xlim()
        ax.hist(theirs, np.linspace(low, high, 50), density=True, histtype="step", **look)
    legend(ax, loc="upper right")
    share = sizes.central_decade(last * sizes.DECADE)
    note = f"{100 * share:.0f} % lie in the central decade (shaded)"
    plain(ax, "Spine sizes", ax.get_xlabel(), ax.get_ylabel(), note)


@developed
@remembered()
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

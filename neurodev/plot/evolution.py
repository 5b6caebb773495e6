"""Structure over time: density, causes, the spine raster, survival, sizes, maps."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from neurodev.metrics import maps
from neurodev.metrics.turnover import kaplan_meier
from neurodev.plot.style import COLOURS, colour, new_figure, plain
from neurodev.structure.log import BIRTH, CAUSES, DEATH


def density(ax: Any, run: Any, control: Any = None) -> None:
    """Spines per neuron over life time."""
    day, n = run.density()
    ax.plot(day, n, color=COLOURS["run"], lw=1.8, label="run")
    if control is not None:
        ax.plot(*control.density(), color=COLOURS["control"], lw=1.2, ls="--", label="control")
    peak = int(np.argmax(n))
    ax.plot(day[peak], n[peak], "o", color=COLOURS["run"], ms=4)
    ax.annotate(f"peak {n[peak]:.1f}, day {day[peak]:.0f}", (day[peak], n[peak]), (4, 5), textcoords="offset points")
    ax.annotate(f"{n[-1]:.1f}", (day[-1], n[-1]), (-4, 6), textcoords="offset points", ha="right")
    ax.set_ylim(0, 1.18 * n.max())
    ax.set_xlim(0, day[-1])
    if control is not None:
        ax.legend(loc="lower right")
    plain(ax, "Spine density", "life time (days)", "spines per neuron")


def causes(ax: Any, run: Any) -> None:
    """Births above, deaths by cause below, per neuron and day."""
    log = run.log.batch(run.projection()["name"])
    n = run.population(run.projection()["target"])["n"]
    when = log.tick * run.tick_days
    last = max(int(np.ceil(run.days - 1e-9)), 1)
    edges = np.arange(last + 1.0)
    centre = edges[:-1] + 0.5
    births = np.histogram(when[log.kind == BIRTH] - 1e-9, edges)[0] / n
    ax.bar(centre, births, 0.9, color=COLOURS["birth"], label="births")
    bottom = np.zeros(last)
    for code in np.unique(log.cause[log.kind == DEATH]):
        word = CAUSES[int(code)]
        k = np.histogram(when[(log.kind == DEATH) & (log.cause == code)] - 1e-9, edges)[0] / n
        ax.bar(centre, -k, 0.9, bottom=bottom, color=colour(word), label=f"died of {word}")
        bottom -= k
    ax.axhline(0, color="k", lw=0.6)
    ax.set_xlim(0, last)
    ax.legend(ncols=2, loc="upper right")
    plain(ax, "Births, and deaths by cause", "life time (days)", "per neuron and day")


def raster(ax: Any, run: Any, neurons: int = 3) -> None:
    """One line for each spine of a few central neurons, coloured by its cause of death."""
    s = run.spines
    target = run.positions(run.projection()["target"])
    sheet = np.array(run.network["sheet"])
    chosen = np.argsort(((target - sheet / 2) ** 2).sum(axis=1))[:neurons]
    row, lines, colours, ticks = 0, [], [], []
    for j in chosen:
        mine = np.flatnonzero((s.post == j) & (s.owner == 0))
        mine = mine[np.lexsort((s.life[mine], s.born[mine]))]
        begin = row
        for i in mine:
            end = s.end if np.isnan(s.died[i]) else s.died[i]
            lines.append([(s.born[i], row), (end, row)])
            colours.append(COLOURS["alive"] if np.isnan(s.died[i]) else colour(CAUSES[int(s.cause[i])]))
            row += 1
        ticks.append(((begin + row) / 2, int(j)))
        row += 4
    ax.add_collection(LineCollection(lines, colors=colours, linewidths=max(0.5, min(1.5, 260 / max(row, 1)))))
    ax.set_xlim(0, run.days)
    ax.set_ylim(-2, row)
    ax.set_yticks([t for t, _ in ticks], [f"neuron {j}" for _, j in ticks], rotation=90, va="center")
    for word in [c for c in ("fluctuation", "evidence", "trophic", "hazard", "turnover") if c in run.log.by_cause()]:
        ax.plot([], [], color=colour(word), lw=2, label=f"died of {word}")
    ax.plot([], [], color=COLOURS["alive"], lw=2, label="alive at the end")
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=4)
    plain(ax, f"Every spine of {neurons} neurons", "life time (days)", "")


def survival(ax: Any, run: Any) -> None:
    """Kaplan-Meier curves of newborns, by when they were born."""
    s = run.spines
    third = run.days / 3
    for a, shade in ((0.0, "#56B4E9"), (third, "#0072B2"), (2 * third, "#003355")):
        mine = (s.born > a) & (s.born <= a + third)
        if not mine.any():
            continue
        km = kaplan_meier(s.life[mine], ~np.isnan(s.died[mine]))
        t, v = np.concatenate([[0], km.time]), np.concatenate([[1], km.value])
        ax.step(t, v, where="post", color=shade, label=f"born on days {a:.0f}-{a + third:.0f} ({mine.sum()})")
        e = np.concatenate([[0], 1.96 * km.error])
        ax.fill_between(t, np.clip(v - e, 0, 1), np.clip(v + e, 0, 1), step="post", color=shade, alpha=0.15, lw=0)
    ax.set_ylim(0, 1)
    ax.set_xlim(0, None)
    ax.legend(loc="upper right")
    plain(ax, "Survival of newborn spines (95 % bands)", "age (days)", "share alive")


def size_distribution(ax: Any, run: Any) -> None:
    """Sizes on the last day, with the log-normal of the same moments."""
    name = run.projection()["name"]
    volume = run.projection()["spines"]["volume"]
    for day, shade, label in ((1.0, "#BBBBBB", "day 1"), (run.days, COLOURS["run"], f"day {run.days:.0f}")):
        state = run.snapshot(name, day)
        if "log_size" not in state:
            continue
        x = state["log_size"] / np.log(10.0) + np.log10(volume)
        ax.hist(x, 60, density=True, histtype="stepfilled", color=shade, alpha=0.55, label=label)
        if day == run.days:
            grid = np.linspace(x.min(), x.max(), 200)
            sd = x.std()
            ax.plot(grid, np.exp(-0.5 * ((grid - x.mean()) / sd) ** 2) / sd / np.sqrt(2 * np.pi), "k-", lw=1,
                    label=f"log-normal, sd of ln V {sd * np.log(10):.2f}")  # fmt: skip
    ticks = [0.01, 0.03, 0.1, 0.3, 1.0, 3.0]
    ax.set_xticks(np.log10(ticks), [f"{t:g}" for t in ticks])
    ax.set_ylim(0, None)
    ax.legend(loc="upper right")
    plain(ax, "Spine sizes", "head volume (um3)", "density")


def field(ax: Any, run: Any, day: float, neuron: int, title: str) -> None:
    """The receptive field of one neuron on a day."""
    q = run.projection()
    state = run.snapshot(q["name"], day)
    mine = state["post"] == neuron
    source, target = run.positions(q["source"]), run.positions(q["target"])
    w = np.zeros(source.shape[0])
    np.add.at(w, state["pre"][mine], np.abs(state["weight"][mine]))
    ax.scatter(*source.T, s=4, color="#E5E5E5", lw=0)
    used = w > 0
    ax.scatter(*source[used].T, s=6 + 60 * w[used] / max(w.max(), 1e-9), c=w[used], cmap="viridis", lw=0)
    ax.plot(*target[neuron], "+", color="#D55E00", ms=9, mew=1.5)
    ax.set_aspect("equal")
    ax.set_xticks([])
    ax.set_yticks([])
    ax.set_title(title, loc="left", fontsize=9)
    for spine in ax.spines.values():
        spine.set_color("#CCCCCC")


def neurons_to_show(run: Any, n: int = 3) -> list[int]:
    """Neurons spread over the centre of the sheet."""
    target = run.positions(run.projection()["target"])
    sheet = np.array(run.network["sheet"])
    places = [(0.5, 0.5), (0.32, 0.66), (0.68, 0.36)][:n]
    return [int(np.argmin(((target - sheet * p) ** 2).sum(axis=1))) for p in places]


def field_radii(ax: Any, run: Any, control: Any = None) -> None:
    """Mean receptive field radius over life, beside its packing floor."""
    for r, shade, label in ((run, COLOURS["run"], "run"), (control, COLOURS["control"], "control")):
        if r is None:
            continue
        days = [d for d in r.snapshot_days]
        fields = [r.field(d) for d in days]
        ax.plot(days, [f["radius"] for f in fields], "o-", ms=2.5, color=shade, label=f"{label}: rms radius")
        ax.plot(days, [f["floor"] for f in fields], ":", color=shade, label=f"{label}: packing floor")
    ax.set_ylim(0, None)
    ax.legend(loc="lower left")
    plain(ax, "Receptive field radius", "life time (days)", "um")


def map_figure(run: Any, control: Any = None) -> Figure:
    """Receptive fields on the first day, the last day, and in the control."""
    columns = 3 if control is not None else 2
    fig = new_figure(3.0 * columns + 3.6, 7.2)
    grid = fig.add_gridspec(3, columns + 1, width_ratios=[1.0] * columns + [1.35])
    for row, j in enumerate(neurons_to_show(run)):
        field(fig.add_subplot(grid[row, 0]), run, 1.0, j, f"neuron {j}, day 1")
        field(fig.add_subplot(grid[row, 1]), run, run.days, j, f"day {run.days:.0f}")
        if control is not None:
            field(fig.add_subplot(grid[row, 2]), control, control.days, j, f"control, day {control.days:.0f}")
    field_radii(fig.add_subplot(grid[0:2, columns]), run, control)
    ax = fig.add_subplot(grid[2, columns])
    q = run.projection()
    state = run.snapshot(q["name"], run.days)
    target = run.positions(q["target"])
    c, _, _ = maps.centroids(state["pre"], state["post"], state["weight"], run.positions(q["source"]), target.shape[0])
    segments = np.stack([target, c], axis=1)
    ax.add_collection(LineCollection(list(segments[~np.isnan(c).any(axis=1)]), colors="#0072B2", linewidths=0.6))
    ax.set_xlim(0, run.network["sheet"][0])
    ax.set_ylim(0, run.network["sheet"][1])
    ax.set_aspect("equal")
    plain(ax, "From neuron to field", "um", "um")
    return fig


def rates(ax: Any, run: Any) -> None:
    """Mean rate of each population per day."""
    for p, shade in zip(run.network["populations"], ("#999999", "#0072B2", "#D55E00", "#009E73"), strict=False):
        r = run.rates(p["name"]).mean(axis=1)
        ax.plot(np.arange(r.size) + 0.5, r, "o-", ms=3, color=shade, label=p["name"])
    aim = run.file.item("target_hz", None)
    if aim:
        ax.axhline(aim, color="#0072B2", lw=0.8, ls=":")
    ax.set_ylim(0, None)
    ax.legend()
    plain(ax, "Mean rates (dotted: target)", "life time (days)", "Hz of spike time")


def overview(run: Any, control: Any = None) -> Figure:
    """Everything about structure in one figure."""
    fig = new_figure(12.5, 10.5)
    grid = fig.add_gridspec(3, 2, height_ratios=[1.0, 1.3, 1.0])
    density(fig.add_subplot(grid[0, 0]), run, control)
    causes(fig.add_subplot(grid[0, 1]), run)
    raster(fig.add_subplot(grid[1, 0]), run)
    field_radii(fig.add_subplot(grid[1, 1]), run, control)
    survival(fig.add_subplot(grid[2, 0]), run)
    size_distribution(fig.add_subplot(grid[2, 1]), run)
    return fig


def single(draw: Any, run: Any, *args: Any, size: tuple[float, float] = (9.0, 3.4)) -> Figure:
    """One of the panels above as a figure of its own."""
    fig = new_figure(*size)
    draw(fig.add_subplot(), run, *args)
    return fig

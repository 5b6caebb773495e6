"""Maps: receptive fields on the first and the last day, beside a control."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.patches import Circle, Rectangle
from numpy.typing import NDArray

from neurodev.errors import ParameterError
from neurodev.metrics import maps
from neurodev.params import finite, or_none
from neurodev.plot.door import a_developed_run, developed, drawn
from neurodev.plot.style import (
    BLUE,
    COLOURS,
    INK,
    ORANGE,
    RULE,
    SOFT,
    clock_of,
    empty,
    legend,
    mark_interventions,
    new_figure,
    plain,
)
from neurodev.structure.duration import lasting
from neurodev.structure.run_like import RunLike
from neurodev.structure.selection import one

F8 = NDArray[np.float64]
CENTRE = ORANGE


_WEIGHTS = ("pre", "post", "weight")
_LOCAL = ("Near",)  # wirings that connect by distance
_PLACED = ("RetinalWaves", "Recorded")  # drives whose spikes depend on where a cell stands


def _is_local(wiring: dict[str, Any]) -> bool:
    return wiring.get("kind") in _LOCAL or isinstance(inner := wiring.get("wiring"), dict) and _is_local(inner)


@developed
def mapped(run: RunLike) -> list[str]:
    """The projections on spines that can have a map: wired by distance, or driven by what depends on place.

    Cells of every network stand somewhere; of a random one the fields say nothing.
    """
    drives = {p["name"]: p.get("model", {}).get("kind") for p in run.network["populations"]}
    found = [q for q in run.network["projections"] if q["name"] in run.plastic]
    return [q["name"] for q in found if _is_local(q.get("wiring", {})) or drives.get(q["source"]) in _PLACED]


@developed
def placed(run: RunLike) -> bool:
    """Whether it matters to anything in a network where its cells stand."""
    network = run.network
    drives = {p.get("model", {}).get("kind") for p in network["populations"]}
    return bool(drives & set(_PLACED)) or any(_is_local(q.get("wiring", {})) for q in network["projections"])


@developed
def nearest_day(run: RunLike, wanted: float) -> float:
    """Day of the snapshot nearest to the one wanted."""
    if not run.snapshot_days:
        raise ParameterError(
            f"wanted: no day is near, for {run.path} holds no picture of its synapses yet, got {wanted}"
        )
    return float(min(run.pictured_days(), key=lambda d: abs(d - wanted)))


@drawn()
def named(day: float, end: float = 1.0) -> str:
    """A day, or what has passed where the run does not last one."""
    if end < 1.0 - 1e-6:
        return "at the start" if day <= 0 else f"after {lasting(day)}"
    return f"day {day:.1f}".removesuffix(".0")


@developed
def neurons_to_show(run: RunLike, n: int = 3, projection: Any = None) -> list[int]:
    """Neurons spread over the centre of the sheet."""
    target = run.positions(run.projection(projection)["target"])
    sheet = np.array(run.network["sheet"])
    places = [(0.5, 0.5), (0.32, 0.66), (0.68, 0.36), (0.34, 0.34), (0.66, 0.66), (0.5, 0.25)]
    found: list[int] = []
    for p in places:
        nearest = int(np.argmin(((target - sheet * p) ** 2).sum(axis=1)))
        if nearest not in found and len(found) < n:
            found.append(nearest)
    return found


def _inputs(run: RunLike, day: float, neuron: int, projection: Any = None) -> tuple[F8, F8, F8]:
    """Positions of all sources, the weight of each onto a neuron on a day, and the position of the neuron."""
    q = run.projection(projection)
    neuron = one(neuron, int(run.population(q["target"])["n"]), "neuron", of=f"cells of {q['target']!r}")
    state, source = run.snapshot(q["name"], day, _WEIGHTS), run.positions(q["source"])
    mine = state["post"] == neuron
    weight = np.zeros(source.shape[0])
    np.add.at(weight, state["pre"][mine].astype(np.int64), np.abs(state["weight"][mine].astype(float)))
    return source, weight, run.positions(q["target"])[neuron]


@developed
def field(
    ax: Any, run: RunLike, day: float, neuron: int, title: str = "", largest: float | None = None,
    reach: float | None = None, projection: Any = None,
) -> None:  # fmt: skip
    """The receptive field of one neuron on a day.

    Area and shade of a disc tell the weight of the input (`largest`, mV, is the fullest), the cross is where the
    neuron sits, the ring the weighted rms radius about the centroid.  `reach` (um) limits the view around the neuron.
    """
    source, weight, own = _inputs(run, day, neuron, projection)
    top = largest if largest else float(weight.max(initial=0.0))
    used = weight > 0
    strength = np.clip(weight[used] / max(top, 1e-12), 0, 1)
    inches = ax.get_window_extent().width / ax.figure.dpi  # before the layout is final
    scale = 0.8 * inches**2 * (1.0 if reach is None else (330.0 / reach) ** 2)
    ax.scatter(*source.T, s=2.2, color="#DDE1E7", lw=0, zorder=1)
    ax.scatter(*source[used].T, s=scale * (7 + 70 * strength), c=0.25 + 0.75 * strength, cmap="YlGnBu", vmin=0, vmax=1,
               edgecolors="white", linewidths=0.4, zorder=2)  # fmt: skip
    if used.any():
        c, radius, _ = maps.centroids(np.flatnonzero(used), np.zeros(used.sum()), weight[used], source, 1)
        ring = Circle((float(c[0, 0]), float(c[0, 1])), float(radius[0]), fill=False, ec=CENTRE, lw=1.0, zorder=3)
        ax.add_patch(ring)
    else:
        empty(ax, "no input", height=0.85)  # clear of the cross
    ax.plot(*own, "+", color=CENTRE, ms=8, mew=1.6, zorder=4)
    if reach is not None:
        ax.set_xlim(own[0] - reach, own[0] + reach)
        ax.set_ylim(own[1] - reach, own[1] + reach)
    ax.set_aspect("equal")
    ax.set_xticks([])
    ax.set_yticks([])
    for side in ax.spines.values():
        side.set_color(RULE)
    if title:
        ax.set_title(title, fontsize=9, color=INK)


def _scale_bar(ax: Any, length: float = 200.0) -> None:
    (x, _), (y, up) = ax.get_xlim(), ax.get_ylim()
    a, b = x + 0.06 * (up - y), y + 0.07 * (up - y)
    ax.plot([a, a + length], [b, b], color=INK, lw=2, solid_capstyle="butt", zorder=5)
    ax.text(
        a + length / 2,
        b + 0.02 * (up - y),
        f"{length:g} um",
        ha="center",
        va="bottom",
        fontsize=7.5,
        color=INK,
        zorder=5,
        bbox={"fc": "white", "ec": "none", "alpha": 0.75, "pad": 0.6},
    )


def _conditions(run: RunLike, control: RunLike | None) -> list[tuple[RunLike, float, str]]:
    """(run, day, label) of each row of small fields."""
    early = nearest_day(run, 1.0)
    rows = [(run, early, named(early, run.days))]
    late = nearest_day(run, run.days)
    if late > early:
        rows.append((run, late, named(late, run.days)))
    if control is not None:
        end = nearest_day(control, control.days)
        rows.append((control, end, f"control,\n{named(end, control.days)}"))
    return rows


@developed
def small_fields(
    figure: Any, run: RunLike, control: RunLike | None = None, neurons: int = 5, projection: Any = None
) -> None:  # fmt: skip
    """Rows of fields: the first day, the last, the control; one column for each neuron, one scale of weight."""
    rows, chosen = _conditions(run, control), neurons_to_show(run, neurons, projection)
    seen = [[_inputs(r, day, j, projection) for j in chosen] for r, day, _ in rows]
    weights = np.concatenate([w[w > 0] for row in seen for _, w, _ in row])
    far = [float(np.abs(p[w > 0] - own).max(initial=0.0)) for row in seen for p, w, own in row]
    largest = float(np.quantile(weights, 0.98)) if weights.size else 1.0
    reach = max(far) * 1.06 + 10.0 if max(far, default=0.0) > 0 else None
    axes = figure.subplots(len(rows), len(chosen), squeeze=False)
    for k, (r, day, label) in enumerate(rows):
        for m, j in enumerate(chosen):
            field(axes[k, m], r, day, j, f"neuron {j}" if k == 0 else "", largest, reach, projection)
        axes[k, 0].set_ylabel(label, fontsize=9.5, fontweight="bold", color=INK, labelpad=6)
    if reach is not None:
        _scale_bar(axes[-1, 0])
    how = f"discs: inputs, area by weight (full at {largest:.1f} mV); cross: the neuron; ring: rms radius"
    figure.suptitle("Receptive fields", x=0.01, ha="left", fontsize=10.5, fontweight="bold", color=INK)
    figure.supxlabel(how, fontsize=8.2, color=SOFT)


@developed
def field_radii(ax: Any, run: RunLike, control: RunLike | None = None, projection: Any = None) -> None:
    """Mean receptive field radius over life, beside its packing floor."""
    text, unit = "", clock_of(run)
    for r, shade, label in ((control, COLOURS["control"], "control"), (run, COLOURS["run"], "run")):
        if r is None:
            continue
        days = r.pictured_days(projection)
        seen = [r.field(d, projection) for d in days]
        radius, floor = ([f[k] for f in seen] for k in ("radius", "floor"))
        at = np.array(days) / unit.days
        ax.plot(at, radius, "o-", ms=2.8, lw=1.6, color=shade, label=label)
        ax.plot(at, floor, ":", lw=1.3, color=shade, label="its packing floor")
        if r is run:
            text = f"mean of the centre; ends at {radius[-1]:.0f} um, floor {floor[-1]:.0f} um"
    ax.set_ylim(0, 1.08 * ax.get_ylim()[1])
    ax.set_xlim(0, max(run.days / unit.days, 1e-9))
    mark_interventions(ax, run)
    legend(ax, loc="lower right", ncols=2 if control is not None else 1)
    plain(ax, "Field radius over life", unit.axis, "rms radius (um)", text)


@developed
def radius_histogram(ax: Any, run: RunLike, control: RunLike | None = None, projection: Any = None) -> None:
    """Field radii of the central neurons: first day, last day, control, with the packing floor of the last."""
    q = run.projection(projection)
    floor, styles = np.nan, (COLOURS["early"], INK, COLOURS["control"])
    drawn = []
    for r, day, label in _conditions(run, control):
        state = r.snapshot(q["name"], day, _WEIGHTS)
        where = (r.positions(q["source"]), r.positions(q["target"]))
        drawn.append(
            (maps.field_radii(state["pre"], state["post"], state["weight"], *where, *r.network["sheet"]), label)
        )
        if r is run:
            floor = r.field(day, projection)["floor"]
    values = np.concatenate([v for v, _ in drawn])
    if not values.size:
        empty(ax, "no field in the centre")
    else:
        edges = np.linspace(0, 1.05 * float(values.max()) + 1e-9, 45)
        shades = styles if len(drawn) > 2 or control is None else (styles[0], styles[2])
        for (v, label), shade in zip(drawn, shades, strict=False):
            ax.hist(v, edges, histtype="stepfilled", color=shade, alpha=0.28, lw=0)
            ax.hist(v, edges, histtype="step", color=shade, lw=1.4, label=label.replace("\n", " "))
        ax.axvline(floor, color=INK, lw=1.2, ls=":", label="packing floor")
        ax.set_xlim(0, edges[-1])
    legend(ax, loc="best")
    plain(ax, "Field radii of the central neurons", "rms radius (um)", "neurons")


@drawn(run=a_developed_run, day=or_none(finite("days", low=0.0)))
def topography(ax: Any, run: RunLike, day: float | None = None, projection: Any = None) -> None:
    """A line from every neuron to the centroid of its inputs: short lines are a good map."""
    q = run.projection(projection)
    when = nearest_day(run, run.days if day is None else day)
    state, target = run.snapshot(q["name"], when, _WEIGHTS), run.positions(q["target"])
    c, _, total = maps.centroids(state["pre"], state["post"], state["weight"], run.positions(q["source"]), len(target))
    has = total > 0
    lines = np.stack([target[has], c[has]], axis=1)
    ax.add_collection(LineCollection(list(lines), colors=BLUE, linewidths=0.8))
    ax.plot(*target[has].T, ".", ms=1.8, color=INK)
    width, height = run.network["sheet"]
    core = Rectangle(
        (0.15 * width, 0.15 * height), 0.7 * width, 0.7 * height, fill=False, ec=CENTRE, lw=1.8, ls=":", zorder=5
    )
    ax.add_patch(core)
    ax.set_xlim(0, width)
    ax.set_ylim(0, height)
    ax.set_aspect("equal")
    text = f"mean length in the centre (dotted) {run.field(when, projection)['error']:.0f} um"
    plain(ax, f"From neuron (dot) to field, {named(when, run.days)}", "x (um)", "y (um)", text)


@developed
def draw_map(
    figure: Any, run: RunLike, control: RunLike | None = None, neurons: int = 5, small: bool = False,
    projection: Any = None,
) -> None:  # fmt: skip
    """Small fields at the left, radii at the right (and topography, unless `small`), into a figure or a part of it."""
    left, right = figure.subfigures(1, 2, width_ratios=[2.6, 1.0] if small else [2.0, 1.0])
    if projection is None and (those := mapped(run)):
        projection = those[0]
    small_fields(left, run, control, neurons, projection)
    if small:
        axes = right.subplots(2, 1)
        field_radii(axes[0], run, control, projection)
        radius_histogram(axes[1], run, control, projection)
        return
    axes = right.subplots(3, 1, height_ratios=[1, 1, 1.25])
    field_radii(axes[0], run, control, projection)
    radius_histogram(axes[1], run, control, projection)
    topography(axes[2], run, projection=projection)


@developed
def map_figure(run: RunLike, control: RunLike | None = None, projection: Any = None) -> Figure:
    """Receptive fields on the first day, the last day, and in the control; radii, packing floor and topography."""
    rows = len(_conditions(run, control))
    fig = new_figure(14.4, 7.8)
    draw_map(
        fig, run, control, 4 if rows > 2 else 3, projection=projection
    )  # squares that fill their part of the figure
    return fig

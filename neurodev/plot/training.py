"""A run of training: what it learned, what lived and died, what it cost, panel by panel and in one figure.

Every function takes a *run* of training (`neurodev.structure.run_like.RunLike`); raster and survival are those of
developing runs.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from neurodev.plot import courses, evolution, measured
from neurodev.plot.asked import brief, remembered
from neurodev.plot.door import trained
from neurodev.plot.style import COLOURS, INK, POPULATIONS, SOFT, empty, legend, new_figure, plain
from neurodev.structure.log import BIRTH, DEATH
from neurodev.structure.run_like import RunLike

F8 = NDArray[np.float64]


def _epochs(run: RunLike) -> F8:
    return np.arange(1.0, run.training.n_epoch + 1)


def _axis(ax: Any, run: RunLike) -> None:
    ax.set_xlim(0, max(run.training.n_epoch, 1))
    ax.xaxis.set_major_locator(MaxNLocator(8, integer=True))


def _shade(k: int) -> str:
    return POPULATIONS[k % len(POPULATIONS)]


@trained
def accuracy(ax: Any, run: RunLike) -> None:
    """Share of samples classified rightly in each epoch."""
    e, t = _epochs(run), run.training
    test, right = t.reached(), t.measure == "accuracy"
    ax.plot(e, t.reached("train"), "-", lw=1.3, color=COLOURS["early"], label="training, while learning")
    aside = t.reached("validation")
    if np.isfinite(aside).any():
        ax.plot(e, aside, "-", lw=1.5, color=_shade(1), label="validation, after each epoch")
    ax.plot(e, test, "o-", ms=3, lw=1.8, color=INK, label="test, after each epoch")
    _axis(ax, run)
    legend(ax, loc="lower right" if right else "upper right")
    said = f"{test[-1]:.2f} % at the end, {test.max():.2f} % at best"
    said = said if right else f"{test[-1]:.4g} at the end, {test.min():.4g} at best"
    title, unit = ("Accuracy", "right (%)") if right else ("Error", "root of the mean squared error")
    plain(ax, title, "epoch", unit, f"test: {said}")


@trained
def loss(ax: Any, run: RunLike) -> None:
    """Loss in each epoch."""
    e = _epochs(run)
    ax.plot(e, run.series("train_loss"), "-", lw=1.3, color=COLOURS["early"], label="training")
    ax.plot(e, run.series("test_loss"), "o-", ms=3, lw=1.8, color=INK, label="test")
    ax.set_ylim(0, None)
    _axis(ax, run)
    legend(ax, loc="upper right")
    plain(ax, "Loss", "epoch", str(run.training.settings["loss"]))


@trained
def densities(ax: Any, run: RunLike) -> None:
    """Density of each weight tensor, and of all together, from the start."""
    t = run.training
    for k, name in enumerate(t.tensors):
        e, d = t.density(name)
        ax.plot(e, d, "-", lw=1.5, color=_shade(k + 1), label=name if k < 8 else None)
    ax.plot(_epochs(run), run.series("density"), "--", lw=1.3, color=INK, label="all")
    ax.set_ylim(0, 1.05 * ax.get_ylim()[1])
    _axis(ax, run)
    legend(ax, loc="best", ncols=2)
    total = int(t.total("n_synapse")[-1])
    plain(ax, "Density", "epoch", "synapses per pair", f"{total:,} synapses at the end")


@trained
def exchanges(ax: Any, run: RunLike) -> None:
    """Births (upwards) and deaths (downwards) of all tensors by cause in each epoch."""
    courses.births_and_deaths(run, ax, per=None)
    log = run.log.all
    if not log.uid.size:
        ax.set_yticks([])
    _axis(ax, run)
    born, died = (int((log.kind == kind).sum()) for kind in (BIRTH, DEATH))
    plain(ax, "Births (up) and deaths (down)", "epoch", "synapses per epoch", f"{born:,} born, {died:,} died")


@trained
def busiest(run: RunLike) -> tuple[str, NDArray[np.int64]]:
    """The weight tensor with most births and deaths, and three of its units: at the quartiles of what they saw."""
    name = max(run.training.tensors, key=lambda n: run.log.batch(n).uid.size)
    log, n = run.log.batch(name), run.population(run.projection(name)["target"])["n"]
    seen = np.bincount(log.post.astype(np.int64), minlength=n)
    order = np.argsort(seen, kind="stable")
    return name, np.unique(order[[n // 4, n // 2, (3 * n) // 4]])


@trained
def raster(ax: Any, run: RunLike, most: int = 150) -> None:
    """One line for each synapse of a few units of the tensor with most exchanges, coloured by the cause of death."""
    name, units = busiest(run)
    taps = int(run.projection(name).get("taps", 1))
    word_of = f"{name} {'filter' if taps > 1 else 'unit'}"
    evolution.raster(ax, run, most=most, chosen=units, projection=name, words=("synapse", word_of))


@trained
def survival(ax: Any, run: RunLike) -> None:
    """Kaplan-Meier curves of those there from the start and of newborns, by when they were born."""
    evolution.survival(ax, run, standing=True)


def _pictures(run: RunLike) -> list[tuple[float, str]]:
    """(epoch, label) of the first and the last picture of all weights."""
    days = run.snapshot_days
    t = run.training
    return [(d / t.epoch_days, run.picture(d)) for d in ([days[0], days[-1]] if len(days) > 1 else days)]


def _weights(run: RunLike, label: str) -> F8:
    parts = [run.file.read(f"{label}/{name}/weight") for name in run.training.tensors]
    return np.concatenate(parts).astype(float)


@trained
def weights(ax: Any, run: RunLike) -> None:
    """Weights of all living synapses, at the start and at the end."""
    seen = [(epoch, _weights(run, label)) for epoch, label in _pictures(run)]
    edge = max(float(np.quantile(np.abs(w), 0.999)) for _, w in seen if w.size) if any(w.size for _, w in seen) else 1.0
    edges = np.linspace(-edge, edge, 61)
    for k, (epoch, w) in enumerate(seen):
        last = k == len(seen) - 1
        how: dict[str, Any] = (
            {"color": "#7E93B5", "alpha": 0.85} if last
            else {"histtype": "step", "color": COLOURS["early"], "lw": 1.6}
        )  # fmt: skip
        if w.size:
            ax.hist(w, edges, density=True, label=f"epoch {epoch:g} (n = {w.size:,})", zorder=1 + (not last), **how)
    ax.axvline(0, color=SOFT, lw=0.8)
    legend(ax, loc="upper right")
    plain(ax, "Weights", "weight", "share per unit", "the outermost 0.1 % are cut")


@trained
def size_distribution(ax: Any, run: RunLike) -> None:
    """Sizes, |weight|, of all living synapses on a log axis, at the start and at the end."""
    measured.size_distribution(run, ax, fit=False)


@trained
def rates(ax: Any, run: RunLike) -> None:
    """Spikes per neuron and step of each layer, while training."""
    found = run.training.layers("rate")
    for k, (name, r) in enumerate(found.items()):
        ax.plot(_epochs(run), r, "-", lw=1.5, color=_shade(k), label=name if k < 8 else None)
    if not found:
        empty(ax, "no layer of this network spikes")
    ax.set_ylim(0, None)
    _axis(ax, run)
    legend(ax, loc="best", ncols=2)
    plain(ax, "Spike rates", "epoch", "spikes per neuron and step")


@trained
def operations(ax: Any, run: RunLike) -> None:
    """Synaptic operations of each epoch beside those of a dense network with the same spikes."""
    e, done, dense = _epochs(run), run.series("operations"), run.series("dense_operations")
    ax.plot(e, dense, "--", lw=1.3, color=COLOURS["control"], label="dense, same spikes")
    ax.plot(e, done, "o-", ms=3, lw=1.8, color=INK, label="executed")
    ax.fill_between(e, done, dense, color=COLOURS["control"], alpha=0.08, lw=0)
    ax.set_ylim(0, 1.1 * max(float(dense.max()), 1.0))
    ax.yaxis.set_major_formatter(lambda v, _: brief(v))
    _axis(ax, run)
    legend(ax, loc="lower left")
    share = done[-1] / max(dense[-1], 1.0)
    plain(ax, "Synaptic operations", "epoch", "per epoch, forward", f"{100 * share:.3g} % of dense in the last epoch")


@trained
@remembered()
def training_overview(run: RunLike) -> Figure:
    """Everything about a run of training in one figure.

    Parameters
    ----------
    run : Run
        Of training.

    Returns
    -------
    matplotlib.figure.Figure
    """
    heights = [3.0, 5.4, 3.2]
    fig = new_figure(13.0, sum(heights))
    if not run.training.n_epoch:
        empty(fig.add_subplot(), "no epoch is finished yet")
        return fig
    rows: Any = fig.subfigures(3, 1, height_ratios=heights)
    for ax, draw in zip(rows[0].subplots(1, 4), (accuracy, loss, densities, exchanges), strict=True):
        draw(ax, run)
    middle = rows[1].add_gridspec(1, 2, width_ratios=[1.65, 1.0])
    raster(rows[1].add_subplot(middle[0]), run)
    right = middle[1].subgridspec(2, 1)
    survival(rows[1].add_subplot(right[0]), run)
    size_distribution(rows[1].add_subplot(right[1]), run)
    for ax, draw in zip(rows[2].subplots(1, 3), (weights, rates, operations), strict=True):
        draw(ax, run)
    return fig

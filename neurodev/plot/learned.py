"""Networks that are trained: structure by layer over epochs, accuracy beside density; and maps of developing ones."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from neurodev.arrays import F8
from neurodev.errors import ParameterError, shown
from neurodev.params import finite, one_of, or_none
from neurodev.plot import fields
from neurodev.plot.asked import axes_of, colours_of, log_axis, short
from neurodev.plot.door import is_history, pictured
from neurodev.plot.inside import fit
from neurodev.plot.style import HUES, INK, SOFT, beside, legend, new_figure, plain

QUANTITIES = {
    "density": ("Density", "share of pairs joined"), "paths": ("Ways from input to output", "share of the dense"),
    "idle": ("Units on no way", "units"), "rank": ("Effective rank of the weights", "effective rank"),
}  # fmt: skip


def _trained(of: Any) -> Any:
    """A run of training with an epoch.

    Raises
    ------
    ParameterError
        For all else.
    """
    if is_history(of):
        raise ParameterError(f"of must be a run of training, for a history knows no layers, got {shown(of)}")
    if not of.is_training:
        raise ParameterError(f"of must be a run of training, got one of development: {shown(of)}")
    if not of.training.n_epoch:
        raise ParameterError(f"of has no epoch that is finished yet: {shown(of)}")
    return of


def _epochs_only(unit: str | None) -> None:
    if unit not in (None, "epoch"):
        raise ParameterError(f"unit must be 'epoch', for a training has no other, got {unit!r}")


def _quantity(value: Any, argument: str) -> str:
    return one_of(value, argument, tuple(QUANTITIES))


@pictured(quantity=or_none(_quantity))
def layers(
    of: Any, ax: Any = None, *, colours: Any = None, unit: str | None = None, quantity: str | None = None
) -> Figure:
    """Structure of a trained network by layer over epochs: density, ways through it, idle units, effective rank.

    Parameters
    ----------
    of : Run
        Of training.
    ax : Axes, optional
        For one quantity.
    colours : dict or list, optional
        Of the layers.
    unit : {"epoch"}, optional
    quantity : {"density", "paths", "idle", "rank"}, optional
        All four, in a figure of their own, if not given.

    Returns
    -------
    Figure

    Raises
    ------
    ParameterError
        For what is no run of training, and where layers do not follow each other (of density alone they may).

    Examples
    --------
    >>> from neurodev.learn import LIF, Linear, Sequential, Surrogate
    >>> draw = np.random.default_rng(0)
    >>> X, y = draw.random((40, 30)), draw.integers(0, 2, 40)
    >>> cells = lambda: LIF(0.5, 0.5, surrogate=Surrogate(width=2.0))
    >>> model = Sequential(Linear(16, name="fc"), cells(), Linear(2, name="out"), cells(), inputs=(30,))
    >>> run = nd.Trainer(model, (X, y, X, y), epochs=2, batch=10, progress=False).fit().close()
    >>> nd.plot.layers(run).savefig("layers.png")
    """
    run = _trained(of)
    _epochs_only(unit)
    if quantity is None and ax is not None:
        raise ParameterError(f"quantity must be one of {list(QUANTITIES)} where ax is given, got None")
    wanted = list(QUANTITIES) if quantity is None else [quantity]
    names = list(run.training.tensors)
    shade = colours_of(names, colours, _of_layers(len(names)))
    found = {} if wanted == ["density"] else _structures(run, "rank" in wanted)
    if ax is not None or len(wanted) == 1:
        figure, one = axes_of(ax)
        axes = [one]
    else:
        figure = new_figure(9.6, 5.8)
        axes = list(figure.subplots(2, 2).ravel())
    for panel, what in zip(axes, wanted, strict=True):
        _layer(panel, run, what, names, shade, found)
    return figure


def _of_layers(n: int) -> list[str]:
    return [*HUES[: min(n, len(HUES))]]


def _structures(run: Any, ranks: bool) -> dict[float, Any]:
    """Structure in each picture (of many, in twenty of them), by epoch."""
    epochs = [d / run.training.epoch_days for d in run.snapshot_days]
    some = np.unique(np.linspace(0, len(epochs) - 1, min(len(epochs), 20)).astype(np.int64))
    return {epochs[k]: run.training.structure(epochs[k], ranks) for k in some.tolist()}


def _layer(ax: Any, run: Any, what: str, names: list[str], shade: dict[str, str], found: dict[float, Any]) -> None:
    """One quantity of all layers."""
    title, said = QUANTITIES[what]
    at = np.array(sorted(found))
    note = short(run.path.stem, 60)
    if what == "density":
        for name in names:
            epoch, density = run.training.density(name)
            ax.plot(epoch, density, "-", lw=1.6, color=shade[name], label=short(name))
        ax.set_ylim(0, 1.05 * ax.get_ylim()[1])
        beside(ax)
    elif what == "paths":
        share = np.array([found[e].path_share for e in at])
        ax.plot(at, share, "o-", ms=3.5, lw=1.6, color=INK)
        if (share > 0).all() and share.min() < 0.2 * share.max():
            ax.set_yscale("log")
            log_axis(ax.yaxis)
        else:
            ax.set_ylim(0, 1.05 * max(float(share.max(initial=0.0)), 1e-9))
        note = f"{found[at[-1]].paths:.3g} ways at the end"
    else:
        values: F8 = np.array([(found[e].idle[1:] if what == "idle" else found[e].effective_rank) for e in at])
        for k, name in enumerate(names):
            ax.plot(at, values[:, k], "o-", ms=3.5, lw=1.6, color=shade[name], label=short(name))
        ax.set_ylim(0, 1.08 * max(float(np.nanmax(values, initial=0.0)), 1.0))
        beside(ax)
        note = "behind each layer" if what == "idle" else "exp of the entropy of the singular values"
    _epoch_axis(ax, run)
    plain(ax, title, "epoch", said, note)
    if ax.get_figure(root=True).get_layout_engine() is None:
        fit(ax)


def _epoch_axis(ax: Any, run: Any) -> None:
    ax.set_xlim(0, max(run.training.n_epoch, 1))
    ax.xaxis.set_major_locator(MaxNLocator(8, integer=True))


@pictured()
def accuracy_and_density(of: Any, ax: Any = None, *, colours: Any = None, unit: str | None = None) -> Figure:
    """Share of the test set that is classified rightly, and density of all weights (right axis), over epochs.

    Parameters
    ----------
    of : Run
        Of training.
    ax : Axes, optional
    colours : dict or list, optional
        Of ``"accuracy"`` and ``"density"``.
    unit : {"epoch"}, optional

    Returns
    -------
    Figure

    Raises
    ------
    ParameterError
        For what is no run of training with an epoch.

    Examples
    --------
    >>> from neurodev.learn import LIF, Linear, Sequential, Surrogate
    >>> draw = np.random.default_rng(0)
    >>> X, y = draw.random((40, 30)), draw.integers(0, 2, 40)
    >>> cells = lambda: LIF(0.5, 0.5, surrogate=Surrogate(width=2.0))
    >>> model = Sequential(Linear(16, name="fc"), cells(), Linear(2, name="out"), cells(), inputs=(30,))
    >>> run = nd.Trainer(model, (X, y, X, y), epochs=2, batch=10, progress=False).fit().close()
    >>> nd.plot.accuracy_and_density(run).savefig("accuracy_and_density.png")
    """
    run = _trained(of)
    _epochs_only(unit)
    figure, ax = axes_of(ax)
    names = ("accuracy", "density")
    shade = colours_of(names, colours, [INK, "#D55E00"])
    epoch, right = np.arange(1.0, run.training.n_epoch + 1), run.training.reached()
    density = run.series("density")
    ax.plot(epoch, right, "o-", ms=3, lw=1.8, color=shade["accuracy"], label="accuracy")
    beside_it = ax.twinx()
    beside_it.plot(epoch, density, "-", lw=1.6, color=shade["density"])
    beside_it.set_ylim(0, 1.3 * max(float(density.max(initial=0.0)), 1e-9))
    beside_it.set_ylabel("density", color=shade["density"], fontsize=9)
    beside_it.tick_params(labelsize=8.5, colors=SOFT, length=3)
    beside_it.spines[["top", "left", "bottom"]].set_visible(False)
    beside_it.said = ("", "", None)
    ax.plot([], [], color=shade["density"], lw=1.6, label="density")
    low, high = float(right.min()), float(right.max())
    ax.set_ylim(max(low - 0.1 * (high - low) - 1, 0), high + 0.3 * (high - low) + 2)
    _epoch_axis(ax, run)
    legend(ax, loc="upper left", ncols=2)
    accuracy = run.training.measure == "accuracy"
    said = f"{right[-1]:.2f} % right" if accuracy else f"error {right[-1]:.4g}"
    note = f"{short(run.path.stem, 60)}: {said} at density {density[-1]:.4g} at the end"
    title, unit = ("Accuracy and density", "right (%)") if accuracy else ("Error and density", "error")
    plain(ax, title, "epoch", unit, note)
    if ax.get_figure(root=True).get_layout_engine() is None:
        fit(ax)
    return figure


@pictured(day=or_none(finite("days", low=0.0)))
def maps(
    of: Any, ax: Any = None, *, control: Any = None, projection: Any = None, day: float | None = None
) -> Figure:  # fmt: skip
    """Receptive fields on the first and the last day, radii and topography, of a run that has a map.

    Parameters
    ----------
    of : Run
        Of development.
    ax : Axes, optional
        For topography alone, a line from every neuron to the centroid of its inputs.
    control : Run, optional
        Drawn beside it.
    projection : str, optional
        The first that has a map if not named.
    day : float, days, optional
        Of the topography; the last if not given.

    Returns
    -------
    Figure

    Raises
    ------
    ParameterError
        For a history, a run of training, and one whose network has no map.

    Examples
    --------
    >>> net = nd.Network(seed=1)
    >>> retina, cells = net.add(nd.Poisson(10.0), 25, name="retina"), net.add(nd.LIF(), 9, name="cells")
    >>> net.connect(retina, cells, nd.Near(sigma=150.0, inputs=5), spines=nd.Spines(weight=4.0)).use(nd.SpineSize())
    Projection('retina_cells', retina to cells, about 45 synapses, 5 inputs each, spines of 4 mV, uses SpineSize)
    >>> run = nd.simulate(net, 2 * nd.units.day, acceleration=1e5, progress=False)
    >>> nd.plot.maps(run).savefig("maps.png")
    """
    if is_history(of):
        raise ParameterError(f"of must be a run, for a history does not know where its cells stand, got {shown(of)}")
    if of.is_training:
        raise ParameterError(f"of must be a run of development, got one of training: {shown(of)}")
    those = fields.mapped(of)
    if not those:
        raise ParameterError("of has no map: nothing in its network is wired by distance or driven by place")
    if projection is None:
        projection = those[0]
    if ax is None:
        return fields.map_figure(of, control, projection)
    fields.topography(ax, of, day, projection)
    figure: Figure = ax.get_figure(root=True)
    return figure

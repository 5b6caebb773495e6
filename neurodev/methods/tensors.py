"""The weight tensors of a model as methods see them: which are hidden, which unit is a filter, what drives what."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from neurodev.errors import StudyError
from neurodev.learn.core.layer import Group, Layer, Weights
from neurodev.learn.layers.dendritic import Dendritic
from neurodev.learn.model import Recurrent, Residual
from neurodev.learn.training.course import Course
from neurodev.structure.dense import DenseTable
from neurodev.structure.table import Table

I8 = NDArray[np.int64]


@dataclass(frozen=True)
class Tensor:
    """One weight tensor.

    Attributes
    ----------
    name : str
        As in `Course.weights`.
    layer : Layer
    weights : Weights
    neurons : str
        Name of the layer of neurons that it drives; empty if there is none.
    taps : int
        Weights between one input channel and one output channel: 1, or the area of a convolution's kernel.
    output : bool
        Whether it leads to the output.
    """

    name: str
    layer: Layer
    weights: Weights
    neurons: str
    taps: int
    output: bool

    @property
    def table(self) -> Table:
        """Its synapses; a unit (neuron or filter) is a target."""
        return self.weights.table

    @property
    def dense(self) -> DenseTable:
        """Its synapses in dense storage."""
        assert isinstance(self.weights.table, DenseTable)
        return self.weights.table

    @property
    def convolution(self) -> bool:
        """Whether units are filters."""
        return self.taps > 1

    @property
    def shape(self) -> tuple[int, ...]:
        """Dimensions, for the Erdos-Renyi-kernel rule."""
        n_in, n_out = self.table.n_source, self.table.n_target
        side = round(self.taps**0.5)
        return (n_in // self.taps, n_out, side, side) if self.taps > 1 else (n_in, n_out)

    def pairs(self) -> I8:
        """The slots of all pairs of a dense table, living or not, in row order."""
        t = self.dense
        return (np.arange(t.n_source)[:, None] * t.stride + np.arange(t.n_target)).reshape(-1)

    def living(self) -> I8:
        """Living synapses of each unit, (n_target,)."""
        t = self.table
        if isinstance(t, DenseTable):
            return np.asarray(t.grid(t.alive)[:, : t.n_target].sum(axis=0, dtype=np.int64))
        return np.bincount(t.post[t.slots()], minlength=t.n_target).astype(np.int64)


def _follow(layer: Layer, waiting: list[Layer], neurons: dict[int, str]) -> list[Layer]:
    """Note the name of the neurons that each weighted layer drives, by id; what passes other weights drives none.

    `waiting` are the weighted layers whose currents reach this one; returns those whose currents leave it.
    """
    if isinstance(layer, Recurrent):
        waiting = [*_follow(layer.feed, waiting, neurons), layer.back]
        return _follow(layer.neurons, waiting, neurons)
    if isinstance(layer, Residual):
        ends = _follow(layer.body, waiting, neurons)
        return ends + (waiting if layer.shortcut is None else _follow(layer.shortcut, waiting, neurons))
    if isinstance(layer, Dendritic):
        return [layer.drive, layer.gate]
    if isinstance(layer, Group):
        for part in layer.parts():
            waiting = _follow(part, waiting, neurons)
        return waiting
    if layer.neuronal:
        for one in waiting:
            neurons.setdefault(id(one), layer.name)
        return []
    return [layer] if any(isinstance(p, Weights) for p in layer.parameters.values()) else waiting


def tensors(trainer: Course) -> list[Tensor]:
    """All weight tensors, from input to output."""
    by_weights = {id(w): name for name, w in trainer.weights().items()}
    found: list[Tensor] = []
    neurons: dict[int, str] = {}
    _follow(trainer.model, [], neurons)
    for layer in trainer.model.layers():
        for p in layer.parameters.values():
            if isinstance(p, Weights):
                after = neurons.get(id(layer), "")
                found.append(Tensor(by_weights[id(p)], layer, p, after, layer.taps, False))
    if not found:
        raise StudyError("the model has no weights: methods work on Linear, Conv2d and layers made of them")
    last = found[-1].layer
    return [Tensor(t.name, t.layer, t.weights, t.neurons, t.taps, t.layer is last) for t in found]


def above(t: Tensor, every: list[Tensor]) -> Tensor:
    """The first tensor of the next layer of neurons: not one that drives the same; the last if there is none."""
    later = every[[x.name for x in every].index(t.name) + 1 :]
    return next((x for x in later if not t.neurons or x.neurons != t.neurons), every[-1])


def share_of(trainer: Course, sparsity: float, mine: list[Tensor], method: str) -> float:
    """Sparsity of the tensors that a method works on, for one of all tensors together.

    Raises
    ------
    StudyError
        If it were more than all of their synapses.
    """
    of_all, of_mine = (sum(t.table.n_source * t.table.n_target for t in them) for them in (tensors(trainer), mine))
    share = float(sparsity * of_all / of_mine)
    if share >= 1:
        most = of_mine / of_all
        raise StudyError(
            f"{method}: sparsity={sparsity:g} of all weights is more than all of {[t.name for t in mine]}, which hold "
            f"{most:.4g} of them: lower it, or name more tensors with layers="
        )
    return share


def chosen(trainer: Course, names: tuple[str, ...] | None, method: str, *, first: bool = True) -> list[Tensor]:
    """The tensors a method works on: those named, or all but the output.

    Without `first` those of the first layer of neurons are left out (a recurrent layer has two, as a dendritic one),
    unless there is no other.

    Raises
    ------
    StudyError
        If a name is unknown, or nothing is left to work on.
    """
    every = tensors(trainer)
    if names is not None:
        unknown = [n for n in names if n not in {t.name for t in every}]
        if unknown:
            raise StudyError(f"{method}: no weight tensor {unknown[0]!r}; there are {[t.name for t in every]}")
        return [t for t in every if t.name in names]
    hidden = [t for t in every if not t.output]
    if not first and hidden:
        later = [t for t in hidden[1:] if not t.neurons or t.neurons != hidden[0].neurons]
        hidden = later or hidden
    if not hidden:
        raise StudyError(f"{method}: the model has no hidden weight tensor; name the tensors with layers=")
    return hidden

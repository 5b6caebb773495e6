"""Losses: a function of the output and the labels that returns its value and the gradient at the output.

Values and gradients are means over `total` samples, the size of the whole batch, of which the output may be a part.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurodev.errors import ParameterError
from neurodev.learn.core.spikes import Current, Spikes
from neurodev.registry import find, registered

Array = NDArray[Any]
Loss = Callable[[Any, NDArray[np.int64], int], tuple[float, Current, Array]]


def _cube(y: Spikes | Current) -> Array:
    """(T, B, n) values."""
    values = y.dense() if isinstance(y, Spikes) else y.by_row
    return values.reshape(y.steps, y.batch, -1)


def _spread(y: Spikes | Current, per_sample: Array) -> Current:
    """The same gradient at every step."""
    n = per_sample.shape[1]
    value = np.broadcast_to(per_sample / y.steps, (y.steps, *per_sample.shape)).reshape(-1, n)
    return Current(np.ascontiguousarray(value), y.steps, y.batch, y.shape)


def one_hot(labels: NDArray[np.int64], n: int, kind: type = np.float32) -> Array:
    """(B, n) with a 1 at each label."""
    out: Array = np.zeros((labels.size, n), dtype=kind)
    out[np.arange(labels.size), labels] = 1
    return out


def _softmax(z: Array) -> Array:
    e = np.exp(z - z.max(axis=-1, keepdims=True))
    return np.asarray(e / e.sum(axis=-1, keepdims=True))


@registered("loss")
def rate_mse(y: Spikes | Current, labels: NDArray[np.int64], total: int) -> tuple[float, Current, Array]:
    """Mean over classes and samples of (mean output - one-hot)^2; returns (value, gradient, scores (B, n)).

    A sample whose rates equal its target has an exactly zero gradient.
    """
    rate = _cube(y).mean(axis=0)
    error = rate - one_hot(labels, rate.shape[1], rate.dtype.type)
    scale = rate.dtype.type(2 / (rate.shape[1] * total))
    value = float((error.astype(np.float64) ** 2).sum()) / (rate.shape[1] * total)
    return value, _spread(y, scale * error), rate


@registered("loss")
def rate_cross_entropy(y: Spikes | Current, labels: NDArray[np.int64], total: int) -> tuple[float, Current, Array]:
    """Cross-entropy of the softmax of the mean output."""
    score = _cube(y).mean(axis=0)
    p = _softmax(score)
    value = -float(np.log(np.maximum(p[np.arange(labels.size), labels], 1e-30)).sum()) / total
    gradient = (p - one_hot(labels, p.shape[1], p.dtype.type)) / p.dtype.type(total)
    return value, _spread(y, gradient), score


@registered("loss")
def step_cross_entropy(y: Spikes | Current, labels: NDArray[np.int64], total: int) -> tuple[float, Current, Array]:
    """Cross-entropy at every step, averaged over steps."""
    cube = _cube(y)
    p = _softmax(cube)
    value = -float(np.log(np.maximum(p[:, np.arange(labels.size), labels], 1e-30)).sum()) / (total * y.steps)
    gradient = (p - one_hot(labels, p.shape[2], p.dtype.type)) / p.dtype.type(total * y.steps)
    return value, Current(gradient.reshape(-1, p.shape[2]), y.steps, y.batch, y.shape), cube.mean(axis=0)


@registered("loss")
def peak_cross_entropy(y: Spikes | Current, labels: NDArray[np.int64], total: int) -> tuple[float, Current, Array]:
    """Cross-entropy of the softmax of each output's largest value over time (for `LI` readouts)."""
    cube = _cube(y)
    at = cube.argmax(axis=0)
    score = np.take_along_axis(cube, at[None], axis=0)[0]
    p = _softmax(score)
    value = -float(np.log(np.maximum(p[np.arange(labels.size), labels], 1e-30)).sum()) / total
    gradient = np.zeros_like(cube)
    push = (p - one_hot(labels, p.shape[1], p.dtype.type)) / p.dtype.type(total)
    np.put_along_axis(gradient, at[None], push[None], axis=0)
    return value, Current(gradient.reshape(-1, p.shape[1]), y.steps, y.batch, y.shape), score


@registered("loss")
def first_spike_cross_entropy(
    y: Spikes | Current, labels: NDArray[np.int64], total: int
) -> tuple[float, Current, Array]:
    """Cross-entropy of the softmax of ``-t_first / T``, t_first = T for a silent output.

    The derivative of the first spike time with respect to a spike flag at t is taken as ``-(T - t) / T`` at the first
    spike, and at every step for a silent output (so that it can learn to fire): a surrogate, not an exact gradient.
    """
    cube = _cube(y)
    steps = cube.shape[0]
    fired = cube > 0
    any_fired = fired.any(axis=0)
    first = np.where(any_fired, fired.argmax(axis=0), steps)
    score = (-first / steps).astype(cube.dtype)
    p = _softmax(score)
    value = -float(np.log(np.maximum(p[np.arange(labels.size), labels], 1e-30)).sum()) / total
    push = (p - one_hot(labels, p.shape[1], p.dtype.type)) / p.dtype.type(total)
    t = np.arange(steps)[:, None, None]
    sensitivity = ((steps - t) / steps) * np.where(any_fired, t == first, True)
    gradient = (push[None] * sensitivity).astype(cube.dtype)
    return value, Current(gradient.reshape(-1, p.shape[1]), y.steps, y.batch, y.shape), score


def as_loss(what: str | Loss) -> Loss:
    """A loss from its name or ``"module:function"``, or the function itself.

    Raises
    ------
    ParameterError
        For an unknown name, with the nearest.
    """
    loss: Loss = find("loss", what) if isinstance(what, str) else what
    if not callable(loss):
        raise ParameterError(f"loss must be a name or a function of (output, labels, total), got {what!r}")
    return loss() if isinstance(loss, type) else loss

"""Losses: a function of the output and the labels that returns its value and the gradient at the output.

    value, gradient, scores = loss(y, labels, total)

Values and gradients are means over `total` samples, the size of the whole batch, of which the output may be a part.
A plain function will do; a loss that takes other targets than classes says so by its attribute `targets` (see
`neurodev.data.targets`), and one whose labels mean something else derives from `Loss` and says which samples are right.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurodev.arrays import Array
from neurodev.data.targets import KINDS
from neurodev.errors import ParameterError
from neurodev.learn.core.spikes import Current, Spikes
from neurodev.params import number, one_of, scalar
from neurodev.registry import Registered, find, ours, registered, takes

LEAST = 1e-30  # probability below which its logarithm stays where it is
Function = Callable[[Any, NDArray[np.int64], int], tuple[float, Current, Array]]


class Loss(Registered, kind="loss"):
    """Base of losses that are more than a function.

    Attributes
    ----------
    name : str
        As the run file calls it.
    targets : tuple of str, optional
        Which targets it takes, of ``classes``, ``numbers`` and ``labels``; all of them if None.
    cut : float
        Score above which a label counts as given, where samples may have several.

    Examples
    --------
    >>> from neurodev.learn import Loss
    >>> Loss.cut
    0.5
    """

    name = "custom"
    targets: tuple[str, ...] | None = None
    cut: float = 0.5

    def __call__(self, y: Any, labels: NDArray[np.int64], total: int) -> tuple[float, Current, Array]:
        """Value, gradient and scores of some samples.

        Parameters
        ----------
        y : Spikes or Current
            Output of the model for B samples.
        labels : (B,) int64, or (B, n_output)
            Class numbers; or numbers (float64), or labels (bytes of 0 and 1).
        total : int
            Samples of the whole batch, over which value and gradient are means.

        Returns
        -------
        value : float
        gradient : Current
            In the arrangement of `y`.
        scores : (B, n_class)
            What a sample is classified by.
        """
        raise NotImplementedError

    def right(self, scores: Array, labels: NDArray[Any]) -> NDArray[Any]:
        """What each sample is worth, (B,), by its targets.

        Whether its largest score is that of its class; the share of its labels that are told; or the mean squared
        distance from its numbers.
        """
        if labels.ndim == 1:
            return np.asarray(scores.argmax(axis=1) == labels)
        if labels.dtype.kind == "f":
            return np.asarray(((scores - labels) ** 2).mean(axis=1))
        return np.asarray(((scores > self.cut) == (labels > 0)).mean(axis=1))


def check_targets(loss: Loss, kind: str) -> None:
    """Refuse a loss that does not take targets of a kind.

    Raises
    ------
    ParameterError
        Naming those of ours that do.
    """
    if loss.targets is not None and kind not in loss.targets:
        fit = [name for name, made in ours("loss").items() if kind in getattr(made, "targets", ("classes",))]
        raise ParameterError(
            f"loss {loss.name} takes {' or '.join(loss.targets)}, but the targets of the data are {kind}: take one of "
            f"{fit}, or your own"
        )


def judged(loss: Loss, y: Any, labels: NDArray[Any], total: int) -> tuple[float, Current, Array, float]:
    """What a loss says of some samples, looked at: value, gradient, scores, and how many samples are right.

    The last is the sum of what `Loss.right` says of each: a whole number where that is True or False.

    Raises
    ------
    ParameterError
        If its gradient is not in the arrangement of `y`, or there is not one row of scores, or one verdict, per
        sample; if scores are NaN where the value is none.
    """
    said = loss(y, labels, total)
    if not isinstance(said, tuple) or len(said) != 3:
        what = f"{len(said)} values" if isinstance(said, tuple) else type(said).__name__
        raise ParameterError(f"loss {loss.name} must return (value, gradient, scores), got {what}")
    value, gradient, scores = said
    value = scalar(value)
    if isinstance(value, bool) or not isinstance(value, (int, float, np.floating)):
        raise ParameterError(f"loss {loss.name}: the value must be a number, got {value!r:.80}")
    wanted = (y.steps, y.batch, y.n)
    got = (gradient.steps, gradient.batch, gradient.n) if isinstance(gradient, Current) else None
    if got != wanted or gradient.value.size != y.steps * y.batch * y.n:
        what = type(gradient).__name__ if got is None else f"{got} with values of shape {gradient.value.shape}"
        raise ParameterError(
            f"loss {loss.name}: the gradient must be a Current of (steps, samples, units) {wanted} like y, got {what}"
        )
    if np.ndim(scores) != 2 or len(scores) != len(labels):
        raise ParameterError(f"loss {loss.name}: scores need one row per sample, {len(labels)}, got {np.shape(scores)}")
    scores = np.asarray(scores)
    if scores.shape[1] != y.n or scores.dtype.kind not in "iuf":
        raise ParameterError(
            f"loss {loss.name}: scores must be numbers of shape {(len(labels), y.n)}, one a sample and class, got "
            f"{scores.dtype} {scores.shape}"
        )
    if np.isfinite(value) and np.isnan(scores).any():  # otherwise the training stops by its value
        raise ParameterError(f"loss {loss.name}: scores must be numbers, but some are NaN")
    return value, gradient, scores, _worth(loss, np.asarray(loss.right(scores, labels)), labels)


def _worth(loss: Loss, right: NDArray[Any], labels: NDArray[Any]) -> float:
    """The sum of what samples are worth, looked at."""
    wanted, several = (len(labels),), labels.ndim > 1
    flags = right.dtype.kind == "b" or right.dtype.kind in "iuf" and np.isin(right, (0, 1)).all()
    fits = flags or several and right.dtype.kind in "iuf" and not (right < 0).any()
    if right.shape != wanted or not fits:
        what = "a number of at least 0 for each sample" if several else "True or False"
        raise ParameterError(
            f"loss {loss.name}: right must say {wanted} {what}, got {right.shape} of {right.dtype}: "
            f"{right.ravel()[:3].tolist()!r:.60}"
        )
    return float(right.sum()) if several else int(right.astype(np.int64).sum())


class _Plain(Loss, word=False):
    """A function as a loss."""

    def __init__(self, function: Function):
        self.function = function
        self.name = getattr(function, "__name__", Loss.name)  # a partial has none

    @property
    def targets(self) -> tuple[str, ...] | None:  # type: ignore[override]
        """What the function says (see `of_targets`); if nothing, whatever the data have."""
        return getattr(self.function, "targets", None)

    @property
    def cut(self) -> float:  # type: ignore[override]
        """What the function says."""
        return getattr(self.function, "cut", Loss.cut)

    def __call__(self, y: Any, labels: NDArray[np.int64], total: int) -> tuple[float, Current, Array]:
        return self.function(y, labels, total)

    def made_of(self) -> list[Any]:
        """The function."""
        return [self.function]


def of_targets(*kinds: str, cut: float = Loss.cut) -> Callable[[Any], Any]:
    """Decorate a loss that is a function: it takes targets of these kinds, and labels count as given above `cut`.

    Raises
    ------
    ParameterError
        For an unknown kind, or a cut that is no number.

    Examples
    --------
    >>> from neurodev.learn import of_targets
    >>> @of_targets("numbers")
    ... def absolute(y, targets, total):
    ...     ...
    ...
    >>> absolute.targets
    ('numbers',)
    """
    for kind in kinds:
        one_of(kind, "kinds", KINDS)
    cut = number(cut, "cut")

    def mark(function: Any) -> Any:
        function.targets, function.cut = kinds, cut
        return function

    return mark


def wanted(labels: NDArray[Any], n: int, kind: type = np.float32) -> Array:
    """(B, n) what outputs should be: a 1 at each class, or the numbers or labels themselves."""
    return one_hot(labels, n, kind) if labels.ndim == 1 else labels.astype(kind)


def cube_of(y: Spikes | Current) -> Array:
    """(T, B, n) values."""
    values = y.dense() if isinstance(y, Spikes) else y.by_row
    return values.reshape(y.steps, y.batch, -1)


def spread_evenly(y: Spikes | Current, per_sample: Array) -> Current:
    """The same gradient at every step."""
    each = per_sample / y.steps
    value = np.empty((y.steps, *each.shape), dtype=each.dtype)
    value[...] = each
    return Current(value.reshape(-1, each.shape[1]), y.steps, y.batch, y.shape)


def one_hot(labels: NDArray[np.int64], n: int, kind: type = np.float32) -> Array:
    """(B, n) with a 1 at each label."""
    out: Array = np.zeros((labels.size, n), dtype=kind)
    out[np.arange(labels.size), labels] = 1
    return out


def softmax(z: Array) -> Array:
    """Softmax along the last axis."""
    e = np.exp(z - z.max(axis=-1, keepdims=True))
    return np.asarray(e / e.sum(axis=-1, keepdims=True))


@registered("loss")
@of_targets("classes", "numbers", "labels")
def rate_mse(y: Spikes | Current, labels: NDArray[Any], total: int) -> tuple[float, Current, Array]:
    """Mean over outputs and samples of (mean output - target)^2; returns (value, gradient, scores (B, n)).

    Targets are 1 at the class of a sample and 0 elsewhere; or numbers, or labels, themselves.  A sample whose rates
    equal its target has an exactly zero gradient.
    """
    rate = cube_of(y).mean(axis=0)
    error = rate - wanted(labels, rate.shape[1], rate.dtype.type)
    scale = rate.dtype.type(2 / (rate.shape[1] * total))
    value = float((error.astype(np.float64) ** 2).sum()) / (rate.shape[1] * total)
    return value, spread_evenly(y, scale * error), rate


@registered("loss")
@of_targets("classes")
def rate_cross_entropy(y: Spikes | Current, labels: NDArray[np.int64], total: int) -> tuple[float, Current, Array]:
    """Cross-entropy of the softmax of the mean output."""
    score = cube_of(y).mean(axis=0)
    p = softmax(score)
    value = -float(np.log(np.maximum(p[np.arange(labels.size), labels], LEAST)).sum()) / total
    gradient = (p - one_hot(labels, p.shape[1], p.dtype.type)) / p.dtype.type(total)
    return value, spread_evenly(y, gradient), score


@registered("loss")
@of_targets("labels", cut=0.0)
def rate_binary_cross_entropy(y: Spikes | Current, labels: NDArray[Any], total: int) -> tuple[float, Current, Array]:
    """Mean over labels and samples of the cross-entropy of the logistic of each mean output.

    A label counts as given where the mean output is above 0: for outputs that are currents or potentials.
    """
    score = cube_of(y).mean(axis=0)
    z, target = score.astype(np.float64), wanted(labels, score.shape[1], np.float64)
    share = 1 / (score.shape[1] * total)
    value = float((np.maximum(z, 0) - z * target + np.log1p(np.exp(-np.abs(z)))).sum()) * share
    chance = np.where(z >= 0, 1.0, np.exp(-np.abs(z))) / (1 + np.exp(-np.abs(z)))
    return value, spread_evenly(y, ((chance - target) * share).astype(score.dtype)), score


@registered("loss")
@of_targets("classes")
def step_cross_entropy(y: Spikes | Current, labels: NDArray[np.int64], total: int) -> tuple[float, Current, Array]:
    """Cross-entropy at every step, averaged over steps."""
    cube = cube_of(y)
    p = softmax(cube)
    value = -float(np.log(np.maximum(p[:, np.arange(labels.size), labels], LEAST)).sum()) / (total * y.steps)
    gradient = (p - one_hot(labels, p.shape[2], p.dtype.type)) / p.dtype.type(total * y.steps)
    return value, Current(gradient.reshape(-1, p.shape[2]), y.steps, y.batch, y.shape), cube.mean(axis=0)


@registered("loss")
@of_targets("classes")
def peak_cross_entropy(y: Spikes | Current, labels: NDArray[np.int64], total: int) -> tuple[float, Current, Array]:
    """Cross-entropy of the softmax of each output's largest value over time (for `LI` readouts)."""
    cube = cube_of(y)
    at = cube.argmax(axis=0)
    score = np.take_along_axis(cube, at[None], axis=0)[0]
    p = softmax(score)
    value = -float(np.log(np.maximum(p[np.arange(labels.size), labels], LEAST)).sum()) / total
    gradient = np.zeros_like(cube)
    push = (p - one_hot(labels, p.shape[1], p.dtype.type)) / p.dtype.type(total)
    np.put_along_axis(gradient, at[None], push[None], axis=0)
    return value, Current(gradient.reshape(-1, p.shape[1]), y.steps, y.batch, y.shape), score


@registered("loss")
@of_targets("classes")
def first_spike_cross_entropy(
    y: Spikes | Current, labels: NDArray[np.int64], total: int
) -> tuple[float, Current, Array]:
    """Cross-entropy of the softmax of ``-t_first / T``, t_first = T for a silent output.

    The derivative of the first spike time with respect to a spike flag at t is taken as ``-(T - t) / T`` at the first
    spike, and at every step for a silent output (so that it can learn to fire): a surrogate, not an exact gradient.
    """
    cube = cube_of(y)
    steps = cube.shape[0]
    fired = cube > 0
    any_fired = fired.any(axis=0)
    first = np.where(any_fired, fired.argmax(axis=0), steps)
    score = (-first / steps).astype(cube.dtype)
    p = softmax(score)
    value = -float(np.log(np.maximum(p[np.arange(labels.size), labels], LEAST)).sum()) / total
    push = (p - one_hot(labels, p.shape[1], p.dtype.type)) / p.dtype.type(total)
    t = np.arange(steps)[:, None, None]
    sensitivity = ((steps - t) / steps) * np.where(any_fired, t == first, True)
    gradient = (push[None] * sensitivity).astype(cube.dtype)
    return value, Current(gradient.reshape(-1, p.shape[1]), y.steps, y.batch, y.shape), score


def as_loss(what: str | Loss | Function) -> Loss:
    """A loss from its name or ``"module:name"``, from a function of (output, labels, total), or itself.

    Raises
    ------
    ParameterError
        For an unknown name, with the nearest; for what cannot be called.
    """
    made = find("loss", what) if isinstance(what, str) else what
    made = made() if isinstance(made, type) else made
    if isinstance(made, Loss):
        if type(made).__call__ is Loss.__call__:
            raise ParameterError(f"loss {type(made).__name__} says nothing: it needs a __call__(y, labels, total)")
        return made
    if not callable(made):
        raise ParameterError(f"loss must be a name or a function of (output, labels, total), got {what!r}")
    return _Plain(takes("loss", made, "output", "labels", "total"))

"""Optimisers and schedules; moments live in columns of the tables, and each step clears the gradient in its pass."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from neurodev import params
from neurodev.arrays import Array
from neurodev.errors import ParameterError, nearest
from neurodev.jit import kernel
from neurodev.learn.core.doors import divisor
from neurodev.learn.core.layer import Vector, Weights
from neurodev.learn.core.threads import by_halves
from neurodev.params import number, param
from neurodev.registry import Registered, registered

Schedule = Callable[[float], float]


@kernel
def _sgd(value: Array, gradient: Array, velocity: Array, rate: Any, momentum: Any, decay: Any) -> None:
    """One step; all arrays flat, (n,); clears the gradient."""
    for k in range(value.shape[0]):
        g = gradient[k] + decay * value[k]
        v = momentum * velocity[k] + g
        velocity[k] = v
        value[k] -= rate * v
        gradient[k] = 0


@kernel
def _adam(
    value: Array, gradient: Array, first: Array, second: Array, rate: Any, b1: Any, b2: Any, e: Any, c1: Any, c2: Any,
    coupled: Any, decoupled: Any,
) -> None:  # fmt: skip
    """One step; all arrays flat, (n,); c1, c2 correct the bias of the moments; clears the gradient."""
    one = value.dtype.type(1)
    a1, a2 = one - b1, one - b2
    for k in range(value.shape[0]):
        w = value[k]
        g = gradient[k] + coupled * w
        m = b1 * first[k] + a1 * g
        v = b2 * second[k] + a2 * g * g
        first[k] = m
        second[k] = v
        value[k] = w - decoupled * w - rate * (m * c1) / (np.sqrt(v * c2) + e)
        gradient[k] = 0


def _check(owner: Any) -> None:
    """Refuse what is no rate, then what is wrong with the rest."""
    number(owner.rate, "rate", above=0.0)
    params.check(owner)


def _whole_steps(value: Any) -> int:
    steps = params.scalar(value)
    if isinstance(steps, bool) or not isinstance(steps, int) or steps < 0:
        raise ParameterError(f"steps must be a whole number of at least 0, got {value!r}")
    return steps


def _below_one(owner: Any, *names: str) -> None:
    """Refuse shares of the past that reach 1, in single precision too: nothing would ever be forgotten."""
    for name in names:
        value = getattr(owner, name)
        if not float(np.float32(value)) < 1:
            raise ParameterError(f"{type(owner).__name__}.{name} must lie in [0, 1), got {value!r}: the past must fade")


class Optimiser(Registered, ABC, kind="optimiser"):
    """Base of all optimisers.

    A training has one of its own, which begins at step 0.  Checkpoints keep its numbers and arrays (`rate` and `steps`
    too, whoever changed them), and those that it keeps as `moment` of what it moves.

    Attributes
    ----------
    rate : float
        Learning rate, to which schedules are factors.
    steps : int
        Steps made so far.
    """

    rate: float
    steps: int

    @abstractmethod
    def step(self, parameters: Iterable[Weights | Vector], factor: float = 1.0) -> None:
        """Move all parameters along their gradients and clear these; `factor` is the schedule's."""


class _Checked(Optimiser, word=False):
    """What is changed while it learns is looked at as at the beginning."""

    def __setattr__(self, name: str, value: Any) -> None:
        if type(self) in (SGD, Adam):  # a class of one's own may have what it likes
            known = [f.name for f in fields(self)]  # type: ignore[arg-type]
            if name not in known:
                who = type(self).__name__
                raise ParameterError(f"{who} has no {name!r}{nearest(name, known)}; it has {known}")
            if name == "steps":
                value = _whole_steps(value)
            elif name in vars(self) and name == "rate":  # 0 is in order while it learns
                value = value if type(value) is int and value >= 0 else number(value, "the optimiser's rate", low=0.0)
            elif name in vars(self):
                made = type(self)(**{**{k: getattr(self, k) for k in known}, "rate": 1.0, name: value})
                value = getattr(made, name)
        object.__setattr__(self, name, value)


@dataclass
class SGD(_Checked):
    """Stochastic gradient descent with momentum; `decay` is added to the gradient.

    Parameters
    ----------
    rate : float
    momentum : float
        In [0, 1).
    decay : float
        Weight decay (not on biases, norms and leaks), at least 0.
    steps : int
        Steps that it has made.

    Raises
    ------
    ParameterError
        Naming the argument.

    Examples
    --------
    >>> from neurodev.learn import SGD
    >>> SGD(0.1, momentum=0.9).rate
    0.1
    """

    rate: float = param(0.1, above=0.0, source="free")
    momentum: float = param(0.9, low=0.0, high=1.0, source="free")
    decay: float = param(0.0, low=0.0, source="free")
    steps: int = 0

    def __post_init__(self) -> None:
        _check(self)
        self.steps = params.whole(self.steps, "steps", 0)
        _below_one(self, "momentum")

    def step(self, parameters: Iterable[Weights | Vector], factor: float = 1.0) -> None:
        """Move all parameters; `factor` is the schedule's."""
        self.steps += 1
        for p in parameters:
            value, gradient = p.flat()
            kind = value.dtype.type
            velocity = p.moment("moment1").reshape(-1)
            value, gradient = p.flat()  # a new moment column may have moved the block
            decay = self.decay if p.decay else 0.0
            numbers = self.rate * factor, self.momentum, decay
            by_halves(_sgd, (value, gradient, velocity), *map(kind, numbers))


@dataclass
class Adam(_Checked):
    """Adam (Kingma & Ba 2015); with ``decoupled=True`` AdamW (Loshchilov & Hutter 2019).

    Parameters
    ----------
    rate, epsilon : float
    b1, b2 : float
        In [0, 1).
    decay : float
        Weight decay, at least 0: added to the gradient, or (decoupled) ``rate * decay`` of the weight taken off per
        step.
    steps : int
        Steps that it has made.

    Raises
    ------
    ParameterError
        Naming the argument.

    Examples
    --------
    >>> from neurodev.learn import Adam
    >>> Adam(3e-3).b2
    0.999
    """

    rate: float = param(1e-3, above=0.0, source="Kingma & Ba 2015")
    b1: float = param(0.9, low=0.0, high=1.0, source="Kingma & Ba 2015")
    b2: float = param(0.999, low=0.0, high=1.0, source="Kingma & Ba 2015")
    epsilon: float = param(1e-8, above=0.0, source="Kingma & Ba 2015")
    decay: float = param(0.0, low=0.0, source="free")
    decoupled: bool = param(False, source="free")
    steps: int = 0

    def __post_init__(self) -> None:
        _check(self)
        self.steps = params.whole(self.steps, "steps", 0)
        _below_one(self, "b1", "b2")
        divisor(self.epsilon, "Adam.epsilon", cure="where a gradient is 0, so are both moments, and 0 / 0 is no step")

    def step(self, parameters: Iterable[Weights | Vector], factor: float = 1.0) -> None:
        """Move all parameters; `factor` is the schedule's."""
        self.steps += 1
        c1, c2 = 1 / (1 - self.b1**self.steps), 1 / (1 - self.b2**self.steps)
        rate = self.rate * factor
        for p in parameters:
            p.moment("moment1"), p.moment("moment2")
            first, second = p.moment("moment1").reshape(-1), p.moment("moment2").reshape(-1)
            value, gradient = p.flat()
            kind: Any = value.dtype.type
            decay = self.decay if p.decay else 0.0
            coupled, loose = (0.0, rate * decay) if self.decoupled else (decay, 0.0)
            numbers = rate, self.b1, self.b2, self.epsilon, c1, c2, coupled, loose
            by_halves(_adam, (value, gradient, first, second), *map(kind, numbers))


@registered("optimiser")
def AdamW(rate: float = 1e-3, decay: float = 0.01, **more: Any) -> Adam:  # noqa: N802
    """Adam with decoupled weight decay.

    Examples
    --------
    >>> from neurodev.learn import AdamW
    >>> AdamW(3e-3).decoupled
    True
    """
    return Adam(rate, decay=decay, decoupled=True, **more)


# ---------------------------------------------------------------- schedules: progress in [0, 1] -> factor on the rate


@registered("schedule")
def constant() -> Schedule:
    """Always 1.

    Examples
    --------
    >>> from neurodev.learn import constant
    >>> constant()(0.5)
    1.0
    """
    return lambda progress: 1.0


@registered("schedule")
def cosine(final: float = 0.0, warm_up: float = 0.0) -> Schedule:
    """From 1 to `final` along half a cosine, after a linear rise over the share `warm_up` of the run.

    Examples
    --------
    >>> from neurodev.learn import cosine
    >>> round(cosine()(0.5), 3), cosine(final=0.1)(1.0)
    (0.5, 0.1)
    """
    final = number(final, "final", low=0.0, high=1.0)
    warm_up = number(warm_up, "warm_up", low=0.0, below=1.0)

    def factor(progress: float) -> float:
        if progress < warm_up:
            return progress / warm_up
        x = (progress - warm_up) / (1 - warm_up)
        return final + (1 - final) * 0.5 * (1 + math.cos(math.pi * min(x, 1.0)))

    return factor


@registered("schedule")
def staircase(every: float, factor: float = 0.1) -> Schedule:
    """Times `factor` after each share `every` of the run.

    Examples
    --------
    >>> from neurodev.learn import staircase
    >>> staircase(0.5, 0.1)(0.75)
    0.1
    """
    every, factor = divisor(every, "every", high=1.0), number(factor, "factor", low=0.0)
    return lambda progress: factor ** math.floor(progress / every + 1e-12)

"""Optimisers and schedules; moments live in columns of the tables, and each step clears the gradient in its pass."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from neurodev.arrays import Array
from neurodev.errors import ParameterError
from neurodev.jit import kernel
from neurodev.learn.core.layer import Vector, Weights
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


def _rate(value: float) -> float:
    if not (isinstance(value, (int, float)) and math.isfinite(value) and value > 0):
        raise ParameterError(f"rate must be a positive number, got {value!r}")
    return float(value)


class Optimiser(Registered, ABC, kind="optimiser"):
    """Base of all optimisers.

    Attributes
    ----------
    rate : float
        Learning rate, to which schedules are factors.
    steps : int
        Steps made so far; checkpoints keep it.
    """

    rate: float
    steps: int

    @abstractmethod
    def step(self, parameters: Iterable[Weights | Vector], factor: float = 1.0) -> None:
        """Move all parameters along their gradients and clear these; `factor` is the schedule's."""


@dataclass
class SGD(Optimiser):
    """Stochastic gradient descent with momentum; `decay` is added to the gradient.

    Parameters
    ----------
    rate : float
    momentum : float
    decay : float
        Weight decay (not on biases, norms and leaks).
    """

    rate: float = 0.1
    momentum: float = 0.9
    decay: float = 0.0
    steps: int = 0

    def __post_init__(self) -> None:
        self.rate = _rate(self.rate)

    def step(self, parameters: Iterable[Weights | Vector], factor: float = 1.0) -> None:
        """Move all parameters; `factor` is the schedule's."""
        self.steps += 1
        for p in parameters:
            value, gradient = p.flat()
            kind = value.dtype.type
            velocity = p.moment("moment1").reshape(-1)
            value, gradient = p.flat()  # a new moment column may have moved the block
            decay = self.decay if p.decay else 0.0
            _sgd(value, gradient, velocity, kind(self.rate * factor), kind(self.momentum), kind(decay))


@dataclass
class Adam(Optimiser):
    """Adam (Kingma & Ba 2015); with ``decoupled=True`` AdamW (Loshchilov & Hutter 2019).

    Parameters
    ----------
    rate, b1, b2, epsilon : float
    decay : float
        Weight decay: added to the gradient, or (decoupled) ``rate * decay`` of the weight taken off per step.
    """

    rate: float = 1e-3
    b1: float = 0.9
    b2: float = 0.999
    epsilon: float = 1e-8
    decay: float = 0.0
    decoupled: bool = False
    steps: int = 0

    def __post_init__(self) -> None:
        self.rate = _rate(self.rate)

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
            _adam(
                value, gradient, first, second, kind(rate), kind(self.b1), kind(self.b2), kind(self.epsilon), kind(c1),
                kind(c2), kind(coupled), kind(loose),
            )  # fmt: skip


@registered("optimiser")
def AdamW(rate: float = 1e-3, decay: float = 0.01, **more: Any) -> Adam:  # noqa: N802
    """Adam with decoupled weight decay."""
    return Adam(rate, decay=decay, decoupled=True, **more)


# ---------------------------------------------------------------- schedules: progress in [0, 1] -> factor on the rate


@registered("schedule")
def constant() -> Schedule:
    """Always 1."""
    return lambda progress: 1.0


@registered("schedule")
def cosine(final: float = 0.0, warm_up: float = 0.0) -> Schedule:
    """From 1 to `final` along half a cosine, after a linear rise over the share `warm_up` of the run."""
    if not 0 <= warm_up < 1 or not 0 <= final <= 1:
        raise ParameterError(f"warm_up must lie in [0, 1) and final in [0, 1], got {warm_up!r}, {final!r}")

    def factor(progress: float) -> float:
        if progress < warm_up:
            return progress / warm_up
        x = (progress - warm_up) / (1 - warm_up)
        return final + (1 - final) * 0.5 * (1 + math.cos(math.pi * min(x, 1.0)))

    return factor


@registered("schedule")
def staircase(every: float, factor: float = 0.1) -> Schedule:
    """Times `factor` after each share `every` of the run."""
    if not 0 < every <= 1:
        raise ParameterError(f"every must lie in (0, 1], got {every!r}")
    return lambda progress: factor ** math.floor(progress / every + 1e-12)

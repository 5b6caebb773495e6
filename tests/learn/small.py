"""A training that takes a moment: three patterns of six values, twelve hidden neurons."""

from __future__ import annotations

from typing import Any

import numpy as np

from neurodev.data.dataset import Dataset
from neurodev.learn.core.layer import Layer
from neurodev.learn.core.surrogate import Surrogate
from neurodev.learn.layers.linear import Linear
from neurodev.learn.layers.neurons import LIF
from neurodev.learn.model import Sequential
from neurodev.learn.training.encode import Bernoulli
from neurodev.learn.training.trainer import Trainer

WIDE = Surrogate("rectangle", 2.0)


def patterns(n: int = 40, n_test: int = 12, shape: tuple[int, ...] = (6,)) -> Dataset:
    draw = np.random.default_rng(5)
    y = np.arange(n + n_test) % 3
    means = draw.random((3, int(np.prod(shape))))
    x = np.clip(means[y] + draw.normal(0, 0.1, (y.size, means.shape[1])), 0, 1).astype(np.float32)
    x = x.reshape(-1, *shape)
    return Dataset(x[:n], y[:n], x[n:], y[n:], "patterns", ("a", "b", "c"))


def layers(hidden: int = 12, leak: float = 0.2) -> list[Layer]:
    return [
        Linear(hidden, name="fc"), LIF(leak, 0.5, surrogate=WIDE),
        Linear(3, name="out"), LIF(0.2, 0.5, surrogate=WIDE),
    ]  # fmt: skip


def net(hidden: int = 12, leak: float = 0.2, **more: Any) -> Sequential:
    return Sequential(*layers(hidden, leak), **({"inputs": (6,), "seed": 1} | more))


def trained(model: Sequential | None = None, data: Any = None, **more: Any) -> Trainer:
    given: dict[str, Any] = {"encoder": Bernoulli(4), "epochs": 6, "batch": 10, "seed": 2}
    return Trainer(net() if model is None else model, patterns() if data is None else data, **(given | more))

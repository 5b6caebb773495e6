"""Benchmarks of the trainable path: forward, backward and optimiser of one batch, without data loading.

The input is the same kind of array that the peers get (0/1 bytes), turned into events within the timed step.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np

from neurodev import rng
from neurodev.learn import networks
from neurodev.learn.core.spikes import Spikes
from neurodev.learn.core.storage import quickest
from neurodev.learn.layers.linear import Linear
from neurodev.learn.layers.neurons import LIF
from neurodev.learn.model import Sequential, total_counters
from neurodev.learn.training.encode import Direct
from neurodev.learn.training.loss import rate_mse
from neurodev.learn.training.memory import keep_freed_memory
from neurodev.learn.training.optim import Adam
from neurodev.learn.training.workers import Workers

STEPS, BATCH = 25, 64


def fully_connected(density: float, seed: int = 1) -> Sequential:
    """784-800-10 with a leak of 0.9 and the rectangle; the first layer is stored as suits its density."""
    first = Linear(800, density=density, storage=quickest(density), name="hidden")
    return Sequential(first, LIF(0.9), Linear(10, gain=2.0, name="out"), LIF(0.9), inputs=(784,), seed=seed)


def flat_input(rate: float, steps: int, batch: int, n: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """(steps * batch, n) bytes, each 1 with probability `rate`."""
    draw = rng.generator(0, "benchmark", "input").random((steps * batch, n))
    return np.asarray(draw < rate, dtype=np.uint8)


def training_step(model: Sequential, flags: Any, steps: int, batch: int, threads: int) -> Callable[[], None]:
    """A call that runs forward, backward and Adam on one batch."""
    cube = flags.reshape(steps, batch, -1)
    shape = tuple(model.inputs or ())

    @cache
    def part(first: int, n: int) -> Any:
        return np.ascontiguousarray(cube[:, first : first + n]).reshape(steps * n, -1)

    def make(which: Any) -> Spikes:  # as encoders do, which make a part of a batch at a time
        return Spikes.made(part(int(which[0]), which.size), steps, which.size, shape, wanted=False)

    return _step(model, make, steps, batch, threads)


def _step(model: Sequential, make: Callable[[Any], Any], steps: int, batch: int, threads: int) -> Callable[[], None]:
    """The same for any input: what `make` gives for some of the samples."""
    keep_freed_memory()
    workers = Workers(model, rate_mse, threads, steps)
    optimiser = Adam(1e-3)
    labels = np.arange(batch, dtype=np.int64) % int(np.prod(model.outputs))
    samples = np.arange(batch, dtype=np.int64)

    def step() -> None:
        workers.run(make, samples, labels, learn=True)
        with workers.both():
            optimiser.step(model.parameters_of(), 1.0)

    return step


def timed(steps: Sequence[Callable[[], None]], repeats: int, wall: bool = True) -> list[list[float]]:
    """Seconds of `repeats` calls of each step, which take turns: what else the machine does then meets all alike.

    Two calls of each for the caches come before.  Of the clock on the wall or of the processor.
    """
    clock = time.perf_counter if wall else time.process_time
    out: list[list[float]] = [[] for _ in steps]
    for _ in range(repeats + 2):
        for step, seconds in zip(steps, out, strict=True):
            begin = clock()
            step()
            seconds.append(clock() - begin)
    return [seconds[2:] for seconds in out]


def net_and_step(
    net: str, density: float = 1.0, rate: float = 0.05, threads: int = 1, batch: int | None = None
) -> tuple[Sequential, Callable[[], None]]:
    """A net of the benchmarks (``fc``, ``conv``, ``cifar``), and a call that runs a step of it."""
    if net == "fc":
        model, batch = fully_connected(density), batch or BATCH
        return model, training_step(model, flat_input(rate, STEPS, batch, 784), STEPS, batch, threads)
    if net == "conv":
        model, batch = networks.sdsnn_mnist(seed=1), batch or 100
        return model, training_step(model, flat_input(rate, 20, batch, 784), 20, batch, threads)
    batch = batch or 50
    model = networks.sdsnn_cifar10(storage=quickest(density), density=density, width=0.25, steps=4, seed=1)
    images = rng.generator(0, "benchmark", "input").random((batch, 32, 32, 3)).astype(np.float32)
    return model, _step(model, lambda which: Direct()(images, which, 0, 1), 4, batch, threads)


def measure(density: float, rate: float, threads: int = 1, repeats: int = 15, wall: bool = True) -> dict[str, Any]:
    """Median seconds of a step of the fully connected net, with its activity and its memory."""
    model, step = net_and_step("fc", density, rate, threads)
    table = model.weights_of()["hidden"].table
    more = {"density": density, "input_rate": rate, "bytes_of_weights": round(table.memory() * table.n_synapse)}
    return _measured(model, step, threads, repeats, wall) | more


def measure_conv(threads: int = 1, repeats: int = 7, wall: bool = True, batch: int = 100) -> dict[str, Any]:
    """Median seconds of a step of SD-SNN's net for MNIST as it is drawn, T = 20, 13 % input."""
    model, step = net_and_step("conv", 1.0, 0.13, threads, batch)
    return _measured(model, step, threads, repeats, wall)


def measure_cifar(
    density: float, threads: int = 1, repeats: int = 7, wall: bool = True, batch: int = 50
) -> dict[str, Any]:
    """Median seconds of a step of the six convolutions for CIFAR-10 at a quarter width, 4 steps, images as currents."""
    model, step = net_and_step("cifar", density, 0.0, threads, batch)
    return _measured(model, step, threads, repeats, wall) | {"density": density}


def _measured(model: Sequential, step: Callable[[], None], threads: int, repeats: int, wall: bool) -> dict[str, Any]:
    seconds = timed([step], repeats, wall)[0]
    return _numbers(model, seconds, repeats + 2) | {"threads": threads}


def _numbers(model: Sequential, seconds: list[float], calls: int) -> dict[str, Any]:
    """What is told of the steps of one model."""
    counters = total_counters(model, [])
    return {
        "seconds": float(np.median(seconds)), "spread": [min(seconds), max(seconds)], "all": seconds,
        "rates": {n: c.spikes / c.sites for n, c in counters.items() if c.sites},
        "kernels": {n: dict(c.kernels) for n, c in counters.items() if c.kernels},
        "operations": sum(c.operations for c in counters.values()) // calls,
    }  # fmt: skip


def scaling(
    densities: Sequence[float] = (1.0, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01), rates: Sequence[float] = (0.02, 0.05, 0.13),
    repeats: int = 9, wall: bool = True,
) -> list[dict[str, Any]]:  # fmt: skip
    """Seconds of a step of the fully connected net for every density and rate of input, the same seed for all."""
    cases = [(d, r, fully_connected(d)) for r in rates for d in densities]
    steps = [training_step(m, flat_input(r, STEPS, BATCH, 784), STEPS, BATCH, 1) for _, r, m in cases]
    seconds = timed(steps, repeats, wall)
    return [
        {"density": d, "input_rate": r} | _numbers(m, s, repeats + 2)
        for (d, r, m), s in zip(cases, seconds, strict=True)
    ]

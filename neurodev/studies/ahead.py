"""Compiling ahead: what most networks use is compiled once, before somebody waits for it.

A container image, or a machine that several people use, does so when it is set up (`neurodev compile`).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

import numpy as np

from neurodev import rng
from neurodev.bench import networks
from neurodev.data.dataset import Dataset
from neurodev.engine.engine import Engine
from neurodev.engine.network import Network
from neurodev.learn import networks as learned
from neurodev.learn.model import Sequential
from neurodev.learn.training.encode import Bernoulli
from neurodev.learn.training.trainer import Trainer
from neurodev.neurons.dendrite import Plateau
from neurodev.neurons.drive import Background
from neurodev.neurons.lif import LIF
from neurodev.studies import development, reading

_MOMENT = 2.0  # ms of spikes: every piece of the loop has been called


def _started(net: Network) -> None:
    Engine(net).run_until(_MOMENT)


def _default() -> Network:
    return development.build(reading.load(Path(str(files("neurodev.studies").joinpath("map.toml")))))


def _dendrites() -> Network:
    net = Network(seed=1)
    cells = net.add(LIF(dendrite=Plateau(3), tau_excitatory=5.0, tau_inhibitory=10.0, capacitance=200.0), 20)
    net.background(cells, Background(rate_hz=2_000.0, weight=18.0))
    return net


def _trained(model: Sequential) -> None:
    """Two steps on noise as images."""
    draw = rng.generator(0, "compile", "images")
    x, y = draw.random((8, *(model.inputs or ())), dtype=np.float32), np.arange(8) % 10
    data = Dataset(x, y, x[:1], y[:1], "noise", tuple(map(str, range(10))))
    trainer = Trainer(model, data, encoder=Bernoulli(4), epochs=1, batch=4, checkpoint=0, calibrate=False)
    for k in range(2):
        trainer.train_step(np.arange(4 * k, 4 * k + 4))
    trainer.close()


def _layers() -> None:
    for density in (1.0, 0.2, 0.02):
        storage = "dense" if density == 1.0 else "sparse"
        _trained(learned.fully_connected(hidden=(800,), density=density, storage=storage))


def _convolutions() -> None:
    for density in (1.0, 0.2, 0.02):
        _trained(learned.sdsnn_mnist(density=density, storage="dense" if density == 1.0 else "sparse"))


_KINDS: dict[str, Callable[[], object]] = {
    "static synapses": lambda: _started(networks.brunel_network(0.002)),
    "STDP": lambda: _started(networks.brunel_network(0.002, True)),
    "cells that fire by themselves": lambda: _started(networks.vogels_abbott_network(0.02)),
    "currents": lambda: _started(networks.vogels_abbott_current_network(0.05)),
    "dendrites": lambda: _started(_dendrites()),
    "spines": lambda: networks.run("spines", 0.02),
    "training of layers": _layers,
    "training of convolutions": _convolutions,
    "the default study": lambda: _started(_default()),
}


def compile_ahead(tell: Callable[[str], None]) -> float:
    """Compile what networks of every common kind use, and keep it (`NEURODEV_CACHE_DIR` says where).

    Parameters
    ----------
    tell : callable
        Is told a line about every kind.

    Returns
    -------
    float
        Processor seconds.

    Examples
    --------
    >>> spent = compile_ahead(print)  # doctest: +SKIP
    """
    begin = time.process_time()
    for words, use in _KINDS.items():
        before = time.process_time()
        use()
        tell(f"{words}: {time.process_time() - before:.1f} processor seconds")
    return time.process_time() - begin

"""EventProp on MNIST: 784-350-10, latency code, exact gradients; prints accuracy and processor seconds by epoch.

python tests/benchmarks/eventprop_mnist.py PATH_TO_MNIST --seed 0

Published for this net and code (Wunderlich & Pehl 2021, Sci. Rep. 11:12829): 97.58 +- 0.12 %.
"""

import argparse

import numpy as np

from neurodev import data, rng
from neurodev.learn.eventprop import EventLayer, EventModel, EventNeuron, EventTrainer, Readout, calibrate
from neurodev.structure.dense import DenseTable


def build(options):
    draw = rng.generator(options.seed, "eventprop")
    hidden = draw.normal(options.mean, options.spread, (784, options.hidden)).astype(np.float32)
    out = (draw.normal(0.0, 1.0, (options.hidden, 10)) * options.out_spread).astype(np.float32)
    neuron = EventNeuron(options.tau_m, options.tau_s)
    first = EventLayer(DenseTable.full(hidden), neuron, duration=options.duration, clip=options.clip)
    readout = Readout(
        DenseTable.full(out), options.readout, duration=options.duration, tau_m=options.tau_m, tau_s=options.tau_s
    )
    return EventModel(first, readout=readout)


def train(options, report=print):
    """Train and return the test accuracy after each epoch."""
    d = data.mnist(options.path)
    encode = lambda x: data.latency(x, options.window, threshold=options.threshold)
    x, x_test, y = encode(d.x_train[: options.train]), encode(d.x_test), d.y_train[: options.train]
    model = build(options)
    calibrate(model.layers[0], x[:500], options.rate)
    trainer = EventTrainer(
        model, options.lr, options.out_lr, options.epochs, options.batch, options.seed, options.gain, options.drop,
        options.low, 100.0, options.push,
    )  # fmt: skip
    history, seconds = [], 0.0
    for done in trainer.fit(x, y):
        seconds += done.seconds
        history.append(model.evaluate(x_test, d.y_test))
        report(
            f"epoch {done.number}: test {100 * history[-1]:.2f} %, train {100 * done.accuracy:.2f} %, "
            f"loss {done.loss:.4f}, {done.spikes[0]:.2f} spikes a neuron, clipped {100 * done.clipped:.3f} %, "
            f"{seconds:.1f} s of processor time in training",
            flush=True,
        )
    return history


def options(words=None):
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("path")
    for name, value in {
        "epochs": 20, "batch": 50, "seed": 0, "hidden": 350, "train": 60000, "lr": 2e-3, "out_lr": 5.0,
        "tau_m": 20.0, "tau_s": 10.0, "duration": 40.0, "window": 20.0, "threshold": 0.2, "gain": 3.0, "clip": 0.05,
        "drop": 0.2, "mean": 0.05, "spread": 0.05, "out_spread": 0.1, "rate": 0.7, "low": 0.5, "push": 0.1,
    }.items():  # fmt: skip
        p.add_argument(f"--{name.replace('_', '-')}", type=type(value), default=value)
    p.add_argument("--readout", default="mean")
    return p.parse_args(words)


if __name__ == "__main__":
    train(options())

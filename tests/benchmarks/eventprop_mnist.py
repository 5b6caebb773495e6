"""EventProp on MNIST: 784-350-10, latency code, exact gradients; prints accuracy and seconds after each epoch.

python tests/benchmarks/eventprop_mnist.py /work/shared/data/mnist --epochs 20 --seed 0
"""

import argparse
import time

import numpy as np

from neurodev import data, rng
from neurodev.learn.eventprop import EventLayer, EventNeuron, Readout, calibrate, cross_entropy, losses
from neurodev.learn.optim import Adam, cosine
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
    return first, readout


def drop(spikes, share, seed, epoch, batch):
    """Remove a random share of the input spikes."""
    if share == 0.0:
        return spikes
    keep = rng.generator(seed, "drop", epoch, batch).random(spikes.times.size) >= share
    offsets = np.concatenate([[0], np.cumsum(keep)])[spikes.offsets]
    return data.SpikeTrains(spikes.times[keep], spikes.cells[keep], offsets, spikes.n_cell, spikes.duration)


def accuracy(first, readout, x, y):
    right = 0
    for k in range(0, len(y), 1000):
        hidden, _ = first(x[k : k + 1000])
        scores, _ = readout(hidden)
        right += int((scores.argmax(axis=1) == y[k : k + 1000]).sum())
    return right / len(y)


def train(options, report=print):
    """Train and return the test accuracy after each epoch."""
    d = data.mnist(options.path)
    encode = lambda x: data.latency(x, options.window, threshold=options.threshold)
    x, x_test = encode(d.x_train[: options.train]), encode(d.x_test)
    y = d.y_train[: options.train]
    first, readout = build(options)
    calibrate(first, x[:500], options.rate)
    slow, fast = Adam(options.lr), Adam(options.lr * options.out_lr)
    schedule = cosine(final=0.01)
    history, seconds = [], 0.0
    n_batch = len(y) // options.batch
    for epoch in range(options.epochs):
        begin = time.perf_counter()
        order = rng.generator(options.seed, "order", epoch).permutation(len(y))
        value, n_spike, clipped, right = 0.0, 0, 0.0, 0
        for b in range(n_batch):
            chosen = order[b * options.batch : (b + 1) * options.batch]
            hidden, pull = first(drop(x[chosen], options.drop, options.seed, epoch, b))
            scores, pull_scores = readout(hidden)
            right += int((scores.argmax(axis=1) == y[chosen]).sum())
            loss, d_scores = cross_entropy(scores, y[chosen], options.gain)
            push = losses.rate_penalty(hidden, options.low, 100.0, options.push)
            pull(pull_scores(d_scores), d_final=push.d_final, inputs=False)
            factor = schedule((epoch * n_batch + b) / (options.epochs * n_batch))
            slow.step(first.parameters.values(), factor)
            fast.step(readout.parameters.values(), factor)
            value, n_spike, clipped = value + loss, n_spike + hidden.times.size, clipped + pull.clip_rate
        seconds += time.perf_counter() - begin
        history.append(accuracy(first, readout, x_test, d.y_test))
        report(
            f"epoch {epoch + 1}: test {100 * history[-1]:.2f} %, "
            f"train {100 * right / (n_batch * options.batch):.2f} %, "
            f"loss {value / n_batch:.4f}, {n_spike / (n_batch * options.batch * options.hidden):.2f} spikes a neuron, "
            f"clipped {100 * clipped / n_batch:.3f} %, {seconds:.1f} s of training",
            flush=True,
        )
    return history


def options():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("path")
    for name, value in {
        "epochs": 10, "batch": 100, "seed": 0, "hidden": 350, "train": 60000, "lr": 2e-3, "out_lr": 5.0,
        "tau_m": 20.0, "tau_s": 10.0, "duration": 40.0, "window": 20.0, "threshold": 0.2, "gain": 1.0, "clip": 0.05,
        "drop": 0.0, "mean": 0.05, "spread": 0.05, "out_spread": 0.1, "rate": 0.7, "low": 0.0, "push": 0.0,
    }.items():  # fmt: skip
        p.add_argument(f"--{name.replace('_', '-')}", type=type(value), default=value)
    p.add_argument("--readout", default="mean")
    return p


if __name__ == "__main__":
    train(options().parse_args())

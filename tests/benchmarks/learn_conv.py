"""Accuracy of the SD-SNN conv net, ours and snnTorch's: same net, first weights, epochs and seed.

    TORCH_PYTHON=PYTHON python tests/benchmarks/learn_conv.py FOLDER [--train 10000] [--test 5000] [--epochs 3]

FOLDER holds the four IDX files of MNIST or Fashion-MNIST.  15C3-AP2-40C3-AP2-300FC-10FC, 20 steps of Bernoulli input,
batch 100, mean squared error of rates, Adam 2e-3 along a cosine; leak 0.2, threshold 0.5, reset to zero.  Both nets
begin with the same weights; the surrogates are the libraries' own choices (rectangle; arctan).  One JSON line each.
"""

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
import numpy as np

T, B, RATE = 20, 100, 2e-3


def ours(d, epochs, seed, weights):
    """Train ours; keeps its first weights for the peer, as (sources, targets) arrays."""
    from neurodev.learn.core.storage import dense_image
    from neurodev.learn.networks import sdsnn_mnist
    from neurodev.learn.training.encode import Bernoulli
    from neurodev.learn.training.optim import Adam, cosine
    from neurodev.learn.training.trainer import Trainer

    t = Trainer(
        sdsnn_mnist(seed=seed), d, encoder=Bernoulli(T), epochs=epochs, batch=B, optimiser=Adam(RATE),
        schedule=cosine(), seed=seed, threads=1, checkpoint=0,
    )  # fmt: skip
    first = {n: dense_image(w.table) for n, w in t.weights().items()}
    np.savez(weights, x=d.x_train, y=d.y_train, x_test=d.x_test, y_test=d.y_test, **first)
    begin = time.process_time()
    t.fit()
    return [round(100 * e.test_accuracy, 2) for e in t.history], time.process_time() - begin


def snntorch(path, epochs, seed):
    """Train snnTorch's net from the same weights."""
    import snntorch
    import torch
    from snntorch import utils
    from torch import nn

    torch.manual_seed(seed)
    torch.set_num_threads(1)
    data = np.load(path)
    lif = lambda: snntorch.Leaky(beta=0.2, threshold=0.5, reset_mechanism="zero", init_hidden=True)
    net = nn.Sequential(
        nn.Conv2d(1, 15, 3, padding=1, bias=False), lif(), nn.AvgPool2d(2),
        nn.Conv2d(15, 40, 3, padding=1, bias=False), lif(), nn.AvgPool2d(2),
        nn.Flatten(), nn.Linear(1960, 300, bias=False), lif(), nn.Linear(300, 10, bias=False), lif(),
    )  # fmt: skip
    with torch.no_grad():
        for k, name in ((0, "conv1"), (3, "conv2")):  # ours: (channel x tap, target)
            w = torch.from_numpy(data[name]).reshape(-1, 3, 3, net[k].out_channels)
            net[k].weight.copy_(w.permute(3, 0, 1, 2))
        fc1 = torch.from_numpy(data["fc1"]).reshape(7, 7, 40, 300).permute(3, 2, 0, 1)  # ours: channels last
        net[7].weight.copy_(fc1.reshape(300, -1))
        net[9].weight.copy_(torch.from_numpy(data["fc2"]).T)

    def rates(x):
        utils.reset(net)
        spikes = (torch.rand(T, *x.shape) < x).float()
        return torch.stack([net(s) for s in spikes]).mean(0)

    as_input = lambda x: torch.from_numpy(x.reshape(-1, 1, 28, 28).astype(np.float32) / 255)
    x, x_test = as_input(data["x"]), as_input(data["x_test"])
    y, y_test = (torch.from_numpy(data[k].astype(np.int64)) for k in ("y", "y_test"))
    steps = epochs * math.ceil(len(y) / B)
    optimiser = torch.optim.Adam(net.parameters(), lr=RATE)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda k: 0.5 * (1 + math.cos(math.pi * k / steps)))
    accuracy, begin = [], time.process_time()
    for _ in range(epochs):
        for some in torch.randperm(len(y)).split(B):
            loss = ((rates(x[some]) - nn.functional.one_hot(y[some], 10).float()) ** 2).mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
        with torch.no_grad():
            right = sum(
                int((rates(x_test[a : a + B]).argmax(1) == y_test[a : a + B]).sum()) for a in range(0, len(y_test), B)
            )
        accuracy.append(round(100 * right / len(y_test), 2))
    return accuracy, time.process_time() - begin


def report(name, found):
    """One JSON line: accuracies after each epoch, processor seconds with tests."""
    print(json.dumps({"name": name, "test": found[0], "seconds": round(found[1], 1)}), flush=True)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("folder")
    p.add_argument("--train", type=int, default=10_000)
    p.add_argument("--test", type=int, default=5_000)
    p.add_argument("--epochs", type=int, default=3)
    p.add_argument("--seed", type=int, default=1)
    a = p.parse_args()
    if a.folder.endswith(".npz"):
        report("snntorch", snntorch(a.folder, a.epochs, a.seed))
        return
    import neurodev as nd

    with tempfile.TemporaryDirectory() as folder:
        weights = str(Path(folder) / "first.npz")
        d = nd.data.mnist(a.folder).subset(a.train, 0, n_test=a.test)
        report("neurodev", ours(d, a.epochs, a.seed, weights))
        if python := os.environ.get("TORCH_PYTHON"):
            subprocess.run([python, __file__, weights, "--epochs", str(a.epochs), "--seed", str(a.seed)], check=True)


if __name__ == "__main__":
    sys.exit(main())

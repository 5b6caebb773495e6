"""Step times of the SD-SNN conv net on MNIST, ours and the torch libraries': ``python train_conv.py [FOLDER]``.

Forward, backward and Adam on the same 100 images a step (MNIST from FOLDER), 20 steps of Bernoulli input, one thread.
Prints one JSON line a program.  Ours runs here; the peers in an environment of their own, given by TORCH_PYTHON (with
torch, snntorch, spikingjelly).  Seconds are CPU seconds of the thread, so that a busy machine matters less.
"""

import json
import os
import statistics
import subprocess
import sys
import time

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")
import numpy as np  # noqa: E402

T, B, STEPS = 20, 100, int(os.environ.get("STEPS", "8"))


def images(folder):
    """(n, 28, 28) bytes and labels; a synthetic blob where there is no MNIST."""
    if folder and os.path.isdir(folder):
        import gzip

        read = lambda name, skip: np.frombuffer(gzip.open(os.path.join(folder, name)).read(), np.uint8, offset=skip)
        return read("train-images-idx3-ubyte.gz", 16).reshape(-1, 28, 28), read("train-labels-idx1-ubyte.gz", 8)
    draw = np.random.default_rng(0)
    y, x = np.indices((28, 28)) / 28 - 0.5
    blob = np.exp(-20 * (x**2 + y**2))
    return (255 * blob * draw.uniform(0.3, 1, (2000, 28, 28))).astype(np.uint8), draw.integers(0, 10, 2000)


def report(name, seconds, **more):
    """One JSON line."""
    line = {"name": name, "median": statistics.median(seconds), "best": min(seconds), "steps": len(seconds), **more}
    print(json.dumps({k: round(v, 4) if isinstance(v, float) else v for k, v in line.items()}), flush=True)


def timed(step):
    """CPU seconds of STEPS calls after two to warm up."""
    out = []
    for k in range(STEPS + 2):
        begin = time.thread_time()
        step(k)
        out.append(time.thread_time() - begin)
    return out[2:]


def ours(x, y):
    """The trainer's own step: input, forward, backward, Adam."""
    from neurodev.learn.networks import sdsnn_mnist
    from neurodev.learn.training.encode import Bernoulli
    from neurodev.learn.training.loss import rate_mse
    from neurodev.learn.training.memory import keep_freed_memory
    from neurodev.learn.training.optim import Adam
    from neurodev.learn.training.workers import Workers

    model, encoder, optimiser = sdsnn_mnist(seed=1), Bernoulli(T), Adam(1e-3)
    keep_freed_memory()
    workers = Workers(model, rate_mse, 1, T)
    x, labels = x[..., None], y.astype(np.int64)

    def step(k):
        samples = np.arange(k * B, (k + 1) * B) % len(labels)
        make = lambda ids: encoder(x, ids, 0, k)
        workers.run(make, samples, labels[samples], learn=True, step=k)
        optimiser.step(model.parameters_of())

    report("neurodev", timed(step))


def peer_step(net, forward, x, y):
    """A step of a torch net whose ``forward(net, input)`` returns the mean output rate."""
    import torch

    optimiser = torch.optim.Adam(net.parameters(), lr=1e-3)
    x, y = torch.from_numpy(x.astype(np.float32) / 255)[:, None], torch.from_numpy(y.astype(np.int64))

    def step(k):
        samples = torch.arange(k * B, (k + 1) * B) % len(y)
        p = x[samples]
        spikes = (torch.rand(T, *p.shape) < p).float()
        target = torch.nn.functional.one_hot(y[samples], 10).float()
        loss = ((forward(net, spikes) - target) ** 2).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()

    return step


def snntorch_net(x, y):
    """snnTorch, Leaky with reset to zero, step by step."""
    import snntorch
    import torch
    from torch import nn

    lif = lambda: snntorch.Leaky(beta=0.2, threshold=0.5, reset_mechanism="zero", init_hidden=True)
    pool = lambda: nn.AvgPool2d(2)
    net = nn.Sequential(
        nn.Conv2d(1, 15, 3, padding=1, bias=False), lif(), pool(), nn.Conv2d(15, 40, 3, padding=1, bias=False), lif(),
        pool(), nn.Flatten(), nn.Linear(1960, 300, bias=False), lif(), nn.Linear(300, 10, bias=False), lif(),
    )  # fmt: skip

    def forward(net, spikes):
        from snntorch import utils

        utils.reset(net)
        return torch.stack([net(s) for s in spikes]).mean(0)

    report("snntorch", timed(peer_step(net, forward, x, y)), version=snntorch.__version__)


def spikingjelly_net(x, y):
    """SpikingJelly, multi-step modules, torch backend, channels-last weights (its faster layout on a CPU)."""
    import torch
    from spikingjelly.activation_based import functional, layer, neuron, surrogate

    lif = lambda: neuron.LIFNode(
        tau=1.25, decay_input=False, v_threshold=0.5, v_reset=0.0, surrogate_function=surrogate.ATan(), step_mode="m"
    )  # fmt: skip
    conv = lambda a, b: layer.Conv2d(a, b, 3, padding=1, bias=False, step_mode="m")
    pool = lambda: layer.AvgPool2d(2, step_mode="m")
    net = torch.nn.Sequential(
        conv(1, 15), lif(), pool(), conv(15, 40), lif(), pool(), layer.Flatten(step_mode="m"),
        layer.Linear(1960, 300, bias=False, step_mode="m"), lif(),
        layer.Linear(300, 10, bias=False, step_mode="m"), lif(),
    ).to(memory_format=torch.channels_last)  # fmt: skip

    def forward(net, spikes):
        functional.reset_net(net)
        return net(spikes).mean(0)

    report("spikingjelly", timed(peer_step(net, forward, x, y)))


def main():
    if len(sys.argv) > 2 and sys.argv[1] == "peer":
        import torch

        torch.set_num_threads(1)
        x, y = images(sys.argv[3] if len(sys.argv) > 3 else None)
        {"snntorch": snntorch_net, "spikingjelly": spikingjelly_net}[sys.argv[2]](x, y)
        return
    folder = sys.argv[1] if len(sys.argv) > 1 else None
    ours(*images(folder))
    python = os.environ.get("TORCH_PYTHON")
    for peer in ("snntorch", "spikingjelly") if python else ():
        subprocess.run([python, __file__, "peer", peer, *([folder] if folder else [])], check=False)


if __name__ == "__main__":
    main()

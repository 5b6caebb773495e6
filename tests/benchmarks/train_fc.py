"""Seconds of a training step, 784-800-10 (T = 25, batch 64) or SD-SNN's conv net, beside JAX and two torch libraries.

    python tests/benchmarks/train_fc.py --jax PYTHON --torch PYTHON      # interpreters that have jax and optax; torch
    python tests/benchmarks/train_fc.py --jax PYTHON --net conv --rate 0.13

Forward, backward and Adam on the same 0/1 input array; all on one core, one after the other, round by round, so that a
busy machine disturbs everyone alike; seconds are those of the processor.  Prints a JSON object for each sparsity:
medians, ratios to the fastest peer, memory, and the processor's name.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np

PEER = r"""
import json, sys, time
import numpy as np, torch, resource
from torch import nn
torch.set_num_threads(1)
T, B = 25, 64
rate, sparsity, repeats = float(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3])
draw = np.random.default_rng(0)
x = torch.from_numpy((draw.random((T, B, 784)) < rate).astype(np.float32))
target = torch.eye(10)[torch.arange(B) % 10]

def masked(layer):
    mask = (torch.rand_like(layer.weight) < 1 - sparsity).float()
    return lambda v: nn.functional.linear(v, layer.weight * mask)

def snntorch_net():
    import snntorch as snn
    from snntorch import surrogate
    a, b = nn.Linear(784, 800, bias=False), nn.Linear(800, 10, bias=False)
    la = snn.Leaky(beta=0.9, spike_grad=surrogate.atan(), reset_mechanism="zero")
    lb = snn.Leaky(beta=0.9, spike_grad=surrogate.atan(), reset_mechanism="zero")
    first = masked(a) if sparsity else a
    def forward(x):
        ma, mb, out = la.init_leaky(), lb.init_leaky(), 0
        current = first(x)
        for t in range(T):
            s, ma = la(current[t], ma)
            s, mb = lb(b(s), mb)
            out = out + s
        return out / T
    return forward, [*a.parameters(), *b.parameters()], lambda: None

def spikingjelly_net():
    from spikingjelly.activation_based import functional, layer, neuron, surrogate
    a, b = layer.Linear(784, 800, bias=False, step_mode="m"), layer.Linear(800, 10, bias=False, step_mode="m")
    def lif():
        atan = surrogate.ATan()
        return neuron.LIFNode(tau=10.0, decay_input=False, v_reset=0.0, step_mode="m", surrogate_function=atan)
    net = nn.Sequential(a, lif(), b, lif())
    first = masked(a)
    def forward(x):
        y = first(x) if sparsity else a(x)
        for part in net[1:]:
            y = part(y)
        return y.mean(0)
    return forward, list(net.parameters()), lambda: functional.reset_net(net)

out = {}
for name, make in (("snnTorch", snntorch_net), ("SpikingJelly", spikingjelly_net)):
    try:
        forward, parameters, reset = make()
    except ImportError:
        continue
    optimiser = torch.optim.Adam(parameters, 1e-3)
    seconds = []
    for k in range(repeats + 2):
        begin = time.process_time()
        optimiser.zero_grad()
        ((forward(x) - target) ** 2).mean().backward()
        optimiser.step()
        reset()
        seconds.append(time.process_time() - begin)
    out[name] = sorted(seconds[2:])[len(seconds[2:]) // 2]
out["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps(out))
"""

OURS = r"""
import json, sys, resource
from neurodev.bench import training as b
net, rate, sparsity, repeats = sys.argv[1], float(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4])
threads = int(sys.argv[5]) if len(sys.argv) > 5 else 1
if net == "conv":
    r = b.measure_conv(threads, repeats, wall=threads > 1)
else:
    r = b.measure(1 - sparsity, rate, threads, repeats, wall=threads > 1)
r["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps(r))
"""
JAX = Path(__file__).with_name("peers_jax.py").read_text(encoding="utf-8")


def processor() -> str:
    """Name, family and model."""
    found = {}
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        key, _, value = line.partition(":")
        found.setdefault(key.strip(), value.strip())
    return f"{found.get('model name')}, family {found.get('cpu family')}, model {found.get('model')}"


def call(python: str, code: str, *words: object, core: str = "0") -> dict[str, float]:
    """Run a program on one core and read what it prints."""
    env = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    env["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
    line = ["taskset", "-c", core, python, "-c", code, *map(str, words)]
    done = subprocess.run(line, capture_output=True, text=True, env=env, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def peers(a: argparse.Namespace) -> dict[str, float]:
    """Seconds of each peer, once."""
    out: dict[str, float] = {}
    if a.jax:
        out |= call(a.jax, JAX, a.net, a.rate, a.repeats, core=a.core)
    if a.torch and a.net == "fc":
        out |= call(a.torch, PEER, a.rate, 0.0, a.repeats, core=a.core)  # masks only slow them down
    return {name: seconds for name, seconds in out.items() if name not in ("peak_mb", "least")}


def main() -> None:
    """Compare, and print."""
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--jax", help="an interpreter that has jax and optax")
    p.add_argument("--torch", help="an interpreter that has torch, snntorch and spikingjelly")
    p.add_argument("--net", choices=("fc", "conv"), default="fc")
    p.add_argument("--rate", type=float, default=0.05)
    p.add_argument("--sparsity", type=float, nargs="*", default=[0.0, 0.95, 0.99])
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--repeats", type=int, default=9)
    p.add_argument("--core", default="0", help="the core that all run on")
    p.add_argument("--threads", action="store_true", help="also two threads against one")
    a = p.parse_args()
    os.environ["PYTHONPATH"] = str(Path(__file__).parents[2])
    for sparsity in a.sparsity if a.net == "fc" else [0.0]:
        ours, theirs = [], []
        for _ in range(a.rounds):
            theirs.append(peers(a))
            ours.append(call(sys.executable, OURS, a.net, a.rate, sparsity, 2 * a.repeats + 5, core=a.core))
        names = {k: float(np.median([t[k] for t in theirs])) for k in theirs[0]}
        mine = float(np.median([o["seconds"] for o in ours]))
        result = {
            "name": f"train-{a.net}", "sparsity": sparsity, "input_rate": a.rate, "rates": ours[0]["rates"],
            "kernels": ours[0]["kernels"], "seconds": mine, "least": min(min(o["all"]) for o in ours), "peers": names,
            "peak_mb": float(np.median([o["peak_mb"] for o in ours])), "processor": processor(),
        }  # fmt: skip
        if names:
            result["ratio"] = min(names.values()) / mine
            result["ratios"] = [min(t.values()) / o["seconds"] for t, o in zip(theirs, ours, strict=True)]
        if a.threads:
            words = OURS, a.net, a.rate, sparsity, 2 * a.repeats + 5
            both, one = (call(sys.executable, *words, n, core="0,1")["seconds"] for n in (2, 1))
            result["two_threads"] = one / both
        print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()

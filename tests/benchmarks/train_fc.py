"""Seconds of a training step, 784-800-10 (T = 25, batch 64) or one of two conv nets, beside JAX and five libraries.

    python tests/benchmarks/train_fc.py --jax PYTHON --peers PYTHON      # interpreters that have jax and optax; more
    python tests/benchmarks/train_fc.py --jax PYTHON --peers PYTHON --core 0,1
    python tests/benchmarks/train_fc.py --jax PYTHON --peers PYTHON --net conv --rate 0.13
    python tests/benchmarks/train_fc.py --jax PYTHON --net cifar --sparsity 0 0.95 0.99
    python tests/benchmarks/train_fc.py --jax PYTHON --pairs 30       # some steps each in turns: restless machines

`conv` is SD-SNN's net for MNIST, `cifar` its six convolutions for CIFAR-10 at a quarter width, 4 steps, batch 50 (JAX
beside it, dense: a mask only adds to a step).
`--peers` names interpreters of environments with any of jaxpike, Spyx, SparseLab, snnTorch and SpikingJelly (``pip
install jaxpike spyx sparselab snntorch spikingjelly``); what is not there is left out, and said.  Forward, backward
and Adam on the same 0/1 input array; all on one core (or two), one after the other, round by round, so that a busy
machine disturbs everyone alike; seconds are those of the processor, with two cores those on the wall.  Prints a JSON
object for each sparsity: medians, ratios to the fastest peer, memory, versions, and the processor's name.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
from peers_task import processor

OURS = r"""
import json, sys, resource
from neurodev.bench import training as b
net, rate, sparsity, repeats = sys.argv[1], float(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4])
threads = int(sys.argv[5]) if len(sys.argv) > 5 else 1
if net == "conv":
    r = b.measure_conv(threads, repeats, wall=threads > 1)
elif net == "cifar":
    r = b.measure_cifar(1 - sparsity, threads, repeats, wall=threads > 1)
else:
    r = b.measure(1 - sparsity, rate, threads, repeats, wall=threads > 1)
r["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps(r))
"""
IN_TURNS = r"""
import sys, time
from neurodev.bench import training as b
net, rate, sparsity, threads = sys.argv[1], float(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4])
step = b.net_and_step(net, 1 - sparsity, rate, threads)[1]
for _ in sys.stdin:
    for _ in range(int(sys.argv[5])):
        begin, clock = time.process_time(), time.perf_counter()
        step()
        print(time.process_time() - begin, time.perf_counter() - clock, flush=True)
"""
HERE = Path(__file__).parent
TURN = 6  # steps in a row
JAX = (HERE / "peers_jax.py").read_text(encoding="utf-8")
PEERS = ("jaxpike", "spyx", "torch")  # each in a file of its own; SparseLab beside them where weights are sparse


def around(core: str) -> dict[str, str]:
    """The environment of a program on some cores."""
    n = str(len(core.split(",")))
    env = {**os.environ, "OMP_NUM_THREADS": n, "OPENBLAS_NUM_THREADS": n, "MKL_NUM_THREADS": n}
    env["XLA_FLAGS"] = f"--xla_cpu_multi_thread_eigen={str(n != '1').lower()} intra_op_parallelism_threads={n}"
    return env


def in_turns(a: argparse.Namespace, sparsity: float) -> dict[str, Any]:
    """Some steps of ours and some of JAX, in turns, `a.pairs` times: whatever the machine does meets both alike.

    The first of them finds the caches as the other left them, and does not count.
    """
    n = len(a.core.split(","))
    words = {
        "neurodev": [sys.executable, "-c", IN_TURNS, a.net, str(a.rate), str(sparsity), str(n), str(TURN)],
        "JAX": [a.jax, str(HERE / "peers_jax.py"), a.net, str(a.rate), str(-TURN)],
    }
    seconds: dict[str, list[float]] = {name: [] for name in words}
    running = {
        name: subprocess.Popen(
            ["taskset", "-c", a.core, *w], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=around(a.core)
        )
        for name, w in words.items()
    }
    for k in range(a.pairs + 2):
        for name, program in running.items():
            assert program.stdin is not None and program.stdout is not None
            program.stdin.write("\n")
            program.stdin.flush()
            spent = [float(program.stdout.readline().split()[n > 1]) for _ in range(TURN)]
            if k >= 2:
                seconds[name].append(float(np.median(spent[1:])))
    for program in running.values():
        program.communicate()
    ratios = np.array(seconds["JAX"]) / np.array(seconds["neurodev"])
    return {
        "name": f"train-{a.net} in turns", "sparsity": sparsity, "input_rate": a.rate, "cores": n, "pairs": a.pairs,
        "seconds": {name: float(np.median(s)) for name, s in seconds.items()},
        "least": {name: min(s) for name, s in seconds.items()}, "ratio": float(np.median(ratios)),
        "quartiles": [float(v) for v in np.quantile(ratios, (0.25, 0.75))], "processor": processor(),
    }  # fmt: skip


def run(words: list[str], core: str) -> list[dict[str, Any]]:
    """Run a program on some cores and read what it prints."""
    env = around(core)
    done = subprocess.run(["taskset", "-c", core, *words], capture_output=True, text=True, env=env, check=True)
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def call(python: str, code: str, *words: object, core: str = "0") -> dict[str, float]:
    """The last object that a program prints."""
    return run([python, "-c", code, *map(str, words)], core)[-1]


def peers(a: argparse.Namespace, sparsity: float, versions: dict[str, str]) -> dict[str, float]:
    """Seconds of each peer, once."""
    out: dict[str, float] = {}
    two = "," in a.core
    if a.jax:
        found = call(a.jax, JAX, a.net, a.rate, a.repeats, core=a.core)
        out["JAX"] = found["wall" if two else "JAX"]
    words = ["--rate", str(a.rate), "--repeats", str(a.repeats), "--cores", a.core]
    if a.net == "cifar":
        return out
    names = ("jaxpike", "spyx") if a.net == "conv" else (*PEERS, "sparselab") if sparsity else PEERS
    for python in a.peers:
        for name in names:
            more = ["--sparsity", str(sparsity)] if name == "sparselab" else []  # of others masks only slow a step down
            more += ["--net", a.net] if name in ("jaxpike", "spyx") else []
            try:
                cases = run([python, str(HERE / f"peers_{name}.py"), *words, *more], a.core)
            except subprocess.CalledProcessError as e:
                print(f"{name} is left out: {(e.stderr.splitlines() or ['?'])[-1]}", file=sys.stderr)
                continue
            for case in cases:
                out[case["name"]] = case["ms" if two else "processor_ms"] / 1e3
                versions |= case["versions"]
    return out


def main() -> None:
    """Compare, and print."""
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--jax", help="an interpreter that has jax and optax")
    p.add_argument("--peers", nargs="*", default=[], help="interpreters that have some of the other libraries")
    p.add_argument("--net", choices=("fc", "conv", "cifar"), default="fc")
    p.add_argument("--rate", type=float, default=0.05)
    p.add_argument("--sparsity", type=float, nargs="*", default=[0.0, 0.95, 0.99])
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--repeats", type=int, default=9)
    p.add_argument("--core", default="0", help="the core that all run on, or two: 0,1")
    p.add_argument("--threads", action="store_true", help="also two threads against one")
    p.add_argument("--pairs", type=int, default=0, help="JAX alone, some steps of ours and of its, so many times")
    a = p.parse_args()
    os.environ["PYTHONPATH"] = str(HERE.parents[1])
    if a.pairs:
        for sparsity in a.sparsity if a.net != "conv" else [0.0]:
            print(json.dumps(in_turns(a, sparsity)), flush=True)
        return
    threads = len(a.core.split(","))
    for sparsity in a.sparsity if a.net != "conv" else [0.0]:
        ours, theirs, versions = [], [], dict[str, str]()
        for _ in range(a.rounds):
            theirs.append(peers(a, sparsity, versions))
            ours.append(call(sys.executable, OURS, a.net, a.rate, sparsity, 2 * a.repeats + 5, threads, core=a.core))
        names = {k: float(np.median([t[k] for t in theirs])) for k in theirs[0]}
        mine = float(np.median([o["seconds"] for o in ours]))
        result = {
            "name": f"train-{a.net}", "sparsity": sparsity, "input_rate": a.rate, "rates": ours[0]["rates"],
            "kernels": ours[0]["kernels"], "seconds": mine, "least": min(min(o["all"]) for o in ours), "peers": names,
            "peak_mb": float(np.median([o["peak_mb"] for o in ours])), "processor": processor(),
            "versions": versions, "cores": threads,
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

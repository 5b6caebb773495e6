"""What the peers of the trainable path have in common: the task, the cores, the clock, what is printed.

784-800-10, T = 25, batch 64, Adam at 1e-3, inputs of 0 and 1 of which a share is 1, the mean squared distance of the
mean output rates from one-hot labels; a step is forward, backward and optimiser.  Imported by `peers_jaxpike.py`,
`peers_spyx.py`, `peers_sparselab.py` and `peers_torch.py`, which run in environments of their own (of this file NumPy
alone is asked).  Each is called so, for one core and for two:

    PYTHON tests/benchmarks/peers_jaxpike.py --rate 0.05 0.13 --cores 0
    PYTHON tests/benchmarks/peers_jaxpike.py --rate 0.05 0.13 --cores 0,1

and prints a JSON object for each case: milliseconds a step on the wall and of the processor, median and least, the
rates at which layers fire, versions, and the processor's name.
"""

import argparse
import json
import os
import resource
import statistics
import sys
import time
from importlib.metadata import PackageNotFoundError, version

STEPS, BATCH, SIZES = 25, 64, (784, 800, 10)
CONV_STEPS, CONV_BATCH = 20, 100  # of SD-SNN's net for MNIST, 15C3-AP2-40C3-AP2-300FC-10FC


def arguments(what, sparse=False, conv=False):
    """Cases, repeats and cores; to be called before the library is imported, whose threads are set here."""
    p = argparse.ArgumentParser(description=what, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--rate", type=float, nargs="*", default=[0.05, 0.13], help="share of inputs that are 1")
    p.add_argument("--repeats", type=int, default=15)
    p.add_argument("--cores", default="0", help="those that are used, such as 0 or 0,1")
    if conv:
        p.add_argument("--net", choices=("fc", "conv"), default="fc")
    if sparse:
        p.add_argument("--sparsity", type=float, nargs="*", default=[0.95, 0.99], help="of the first layer's weights")
    a = p.parse_args()
    a.cores = sorted({int(k) for k in a.cores.split(",")})
    os.sched_setaffinity(0, a.cores)
    n = str(len(a.cores))
    os.environ |= {"OMP_NUM_THREADS": n, "OPENBLAS_NUM_THREADS": n, "MKL_NUM_THREADS": n, "JAX_PLATFORMS": "cpu"}
    os.environ["XLA_FLAGS"] = f"--xla_cpu_multi_thread_eigen={str(n != '1').lower()} intra_op_parallelism_threads={n}"
    return a


def task(rate, net="fc"):
    """Inputs (T, B, ...) of 0.0 and 1.0, and labels (B,): the same for everyone."""
    import numpy as np

    shape = (STEPS, BATCH, SIZES[0]) if net == "fc" else (CONV_STEPS, CONV_BATCH, 28, 28, 1)
    draw = np.random.default_rng(0)
    return (draw.random(shape) < rate).astype(np.float32), np.arange(shape[1]) % SIZES[2]


NETS = {
    "fc": {"net": "784-800-10", "steps": STEPS, "batch": BATCH},
    "conv": {"net": "15C3-AP2-40C3-AP2-300FC-10FC", "steps": CONV_STEPS, "batch": CONV_BATCH},
}


def report(name, step, repeats, packages, **more):
    """Time `step`, which returns the loss as a float, after three calls to warm up, and print what came out."""
    losses, wall, worked = [], [], []
    for _ in range(repeats + 3):
        begin, spent = time.perf_counter(), time.process_time()
        losses.append(float(step()))
        wall.append(1e3 * (time.perf_counter() - begin))
        worked.append(1e3 * (time.process_time() - spent))
    wall, worked = wall[3:], worked[3:]
    versions = {"python": sys.version.split()[0]}
    for package in packages:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = "?"
    print(json.dumps({
        "name": name, **NETS[more.pop("net", "fc")], **more,
        "ms": statistics.median(wall), "least_ms": min(wall), "processor_ms": statistics.median(worked),
        "least_processor_ms": min(worked), "loss": [losses[0], losses[-1]],
        "cores": len(os.sched_getaffinity(0)), "versions": versions, "processor": processor(),
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }), flush=True)  # fmt: skip


def processor():
    """Name, family and model."""
    found = {}
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        for line in file:
            key, _, value = line.partition(":")
            found.setdefault(key.strip(), value.strip())
    return f"{found.get('model name')}, family {found.get('cpu family')}, model {found.get('model')}"

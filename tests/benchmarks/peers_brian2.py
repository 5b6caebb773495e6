"""The benchmark networks in Brian2, C++ standalone, one thread: ``python peers_brian2.py NAME`` prints one JSON line.

Run it in an environment of its own (``pip install brian2==2.9.0 'numpy<2.3'``, and a C++ compiler); `compare.py` does
so.  Code generation, compilation and the making of synapses are not in `seconds`, which is what the generated program
measures around its main loop, from 10 ms on.
"""

import json
import sys
import tempfile

import brian2 as b
import numpy as np
from brian2 import Hz, ms, mV, pA, pF, second

START = 10 * ms  # the part that is not timed: initial transients of memory, as for the other simulators


def membranes(n, equations, threshold, reset, refractory, start, namespace):
    group = b.NeuronGroup(
        n, equations, threshold=f"v > {threshold}*mV", reset=f"v = {reset}*mV", refractory=refractory, method="exact",
        namespace=namespace,
    )  # fmt: skip
    group.v = start * mV
    return group


def fixed_degree(source, target, degree, draw, **more):
    """Synapses with `degree` inputs for each target, drawn with replacement."""
    s = b.Synapses(source, target, **more)
    m = len(target)
    s.connect(i=draw.integers(0, len(source), m * degree), j=np.repeat(np.arange(m), degree))
    return s


def brunel(scale, stdp=False):
    """Brunel 2000, model A: g = 5, eta = 2, 20 kHz background for each neuron."""
    n_e, n_i, c_e, c_i = (int(scale * k) for k in (10_000, 2_500, 1_000, 250))
    draw = np.random.default_rng(1)
    space = {"tau": 20 * ms, "J": 0.1 * mV, "K": 0.5 * mV, "tau_trace": 20 * ms, "up": 0.001 * mV,
             "down": 0.00105 * mV, "top": 0.2 * mV}  # fmt: skip
    cells = membranes(n_e + n_i, "dv/dt = -v/tau : volt (unless refractory)", 20, 10, 2 * ms,
                      draw.uniform(0, 19.9, n_e + n_i), space)  # fmt: skip
    e, i = cells[:n_e], cells[n_e:]
    # 20 000 inputs of 1 Hz are as many as 20 kHz: a binomial number in each step
    noise = b.PoissonInput(cells, "v", 1000, 20 * Hz, weight=0.1 * mV)
    static = {"on_pre": "v_post += J", "delay": 1.5 * ms, "namespace": space}
    parts = [cells, noise]
    if stdp:
        plastic = fixed_degree(
            e, e, c_e, draw, delay={"pre": 1.5 * ms}, namespace=space,
            model="w : volt\ndx/dt = -x/tau_trace : 1 (event-driven)\ndy/dt = -y/tau_trace : 1 (event-driven)",
            on_pre="v_post += w\nw = clip(w - down*y, 0*volt, top)\nx += 1",
            on_post="w = clip(w + up*x, 0*volt, top)\ny += 1",
        )  # fmt: skip
        plastic.w = 0.1 * mV
        parts += [plastic, fixed_degree(e, i, c_e, draw, **static)]
    else:
        parts.append(fixed_degree(e, cells, c_e, draw, **static))
    parts.append(fixed_degree(i, cells, c_i, draw, on_pre="v_post -= K", delay=1.5 * ms, namespace=space))
    return parts, e


def vogels_abbott(scale):
    """Brette et al. 2007, benchmark 4 (voltage jumps)."""
    n = int(4000 * scale)
    n_e = int(0.8 * n)
    draw = np.random.default_rng(1)
    space = {"tau": 20 * ms, "J": 0.25 * mV, "K": 2.25 * mV}
    cells = membranes(n, "dv/dt = (-49*mV - v)/tau : volt (unless refractory)", -50, -60, 5 * ms,
                      draw.uniform(-60, -50.001, n), space)  # fmt: skip
    e, i = cells[:n_e], cells[n_e:]
    parts = [cells]
    for source, act in ((e, "v_post += J"), (i, "v_post -= K")):
        s = b.Synapses(source, cells, on_pre=act, delay=0.1 * ms, namespace=space)
        s.connect(p=0.02)
        parts.append(s)
    return parts, e


def vogels_abbott_current(scale):
    """Vogels & Abbott 2005 with exponential currents of 5 and 10 ms."""
    n = int(4000 * scale)
    n_e = int(0.8 * n)
    draw = np.random.default_rng(1)
    space = {"tau": 20 * ms, "te": 5 * ms, "ti": 10 * ms, "C": 200 * pF, "J": 16.2 * pA, "K": 139.5 * pA}
    equations = """dv/dt = (-49*mV - v)/tau + (ie - ii)/C : volt (unless refractory)
                   die/dt = -ie/te : amp
                   dii/dt = -ii/ti : amp"""
    cells = membranes(n, equations, -50, -60, 5 * ms, draw.uniform(-60, -50.001, n), space)
    e, i = cells[:n_e], cells[n_e:]
    return [
        cells,
        fixed_degree(e, cells, 64, draw, on_pre="ie_post += J", delay=0.1 * ms, namespace=space),
        fixed_degree(i, cells, 16, draw, on_pre="ii_post += K", delay=0.1 * ms, namespace=space),
    ], e


def main():
    name = sys.argv[1]
    scale = float(sys.argv[2]) if len(sys.argv) > 2 else 1.0
    duration = (1 if name.startswith("brunel") else 5) * second
    with tempfile.TemporaryDirectory() as folder:
        b.set_device("cpp_standalone", directory=folder, build_on_run=False)
        b.prefs.devices.cpp_standalone.openmp_threads = 0
        b.prefs.devices.cpp_standalone.extra_make_args_unix = ["-j2"]
        b.defaultclock.dt = 0.1 * ms
        if name == "vogels-abbott":
            parts, e = vogels_abbott(scale)
        elif name == "vogels-abbott-current":
            parts, e = vogels_abbott_current(scale)
        else:
            parts, e = brunel(scale, name == "brunel-stdp")
        rates = b.PopulationRateMonitor(e)
        network = b.Network(*parts, rates)
        network.run(START)
        network.run(duration)
        b.device.build(directory=folder, compile=True, run=True, debug=False)
        # the time that the generated program measures around the loop of the last `run`
        seconds = b.device._last_run_time
        after = np.asarray(rates.t / ms) >= START / ms
        rate = float(np.mean(np.asarray(rates.rate / Hz)[after]))
    print(json.dumps({"name": name, "peer": "Brian2 C++ standalone", "version": b.__version__,
                      "seconds": seconds / (duration / second), "rate_hz": rate}))  # fmt: skip


if __name__ == "__main__":
    main()

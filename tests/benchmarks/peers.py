"""The benchmark networks in NEST, one thread: ``python peers.py NAME {grid,precise}`` prints one JSON line.

Run it in an environment of its own (``pip install nest-simulator==3.10.0 numpy``); `compare.py` does so.
Build time is not in `seconds`.
"""

import json
import sys
import time

import nest
import numpy as np


def brunel(precise, scale, stdp=False):
    """Brunel 2000, model A: g = 5, eta = 2, 20 kHz background for each neuron."""
    n_e, n_i, c_e, c_i = (int(scale * k) for k in (10_000, 2_500, 1_000, 250))
    j, g = 0.1, 5.0
    cell = {"tau_m": 20.0, "C_m": 1.0, "E_L": 0.0, "V_th": 20.0, "V_reset": 10.0, "t_ref": 2.0}
    model = "iaf_psc_delta_ps" if precise else "iaf_psc_delta"
    e = nest.Create(model, n_e, cell)
    i = nest.Create(model, n_i, cell)
    draw = np.random.default_rng(1)
    e.V_m, i.V_m = draw.uniform(0, 19.9, n_e), draw.uniform(0, 19.9, n_i)
    noise = nest.Create("poisson_generator_ps" if precise else "poisson_generator", 1, {"rate": 20_000.0})
    nest.Connect(noise, e + i, syn_spec={"weight": j, "delay": 1.5})
    plastic = {"synapse_model": "stdp_synapse", "weight": j, "delay": 1.5, "Wmax": 2 * j, "lambda": 0.005,
               "alpha": 1.05, "mu_plus": 0.0, "mu_minus": 0.0, "tau_plus": 20.0}  # fmt: skip
    static = {"weight": j, "delay": 1.5}
    degree = lambda k: {"rule": "fixed_indegree", "indegree": k}
    nest.Connect(e, e, degree(c_e), plastic if stdp else static)
    nest.Connect(e, i, degree(c_e), static)
    nest.Connect(i, e + i, degree(c_i), {"weight": -g * j, "delay": 1.5})
    return e, i, 20_000.0 * (n_e + n_i)


def vogels_abbott(precise, scale):
    """Brette et al. 2007, benchmark 4."""
    n = int(4000 * scale)
    n_e = int(0.8 * n)
    cell = {"tau_m": 20.0, "C_m": 1.0, "E_L": -49.0, "V_th": -50.0, "V_reset": -60.0, "t_ref": 5.0}
    model = "iaf_psc_delta_ps" if precise else "iaf_psc_delta"
    e, i = nest.Create(model, n_e, cell), nest.Create(model, n - n_e, cell)
    draw = np.random.default_rng(1)
    e.V_m, i.V_m = draw.uniform(-60, -50.001, n_e), draw.uniform(-60, -50.001, n - n_e)
    rule = {"rule": "pairwise_bernoulli", "p": 0.02, "allow_autapses": False}
    nest.Connect(e, e + i, rule, {"weight": 0.25, "delay": 0.1})
    nest.Connect(i, e + i, rule, {"weight": -2.25, "delay": 0.1})
    return e, i, 0.0


def main():
    name, mode = sys.argv[1], sys.argv[2]
    scale = float(sys.argv[3]) if len(sys.argv) > 3 else 1.0
    nest.set_verbosity("M_ERROR")
    nest.ResetKernel()
    nest.resolution, nest.local_num_threads = 0.1, 1
    begin = time.perf_counter()
    precise = mode == "precise"
    if name == "vogels-abbott":
        e, i, external = vogels_abbott(precise, scale)
    else:
        e, i, external = brunel(precise, scale, name == "brunel-stdp")
    recorder = nest.Create("spike_recorder")
    nest.Connect(e, recorder)
    nest.Simulate(10.0)
    build = time.perf_counter() - begin
    before = recorder.n_events
    begin = time.perf_counter()
    nest.Simulate(1000.0)
    seconds = time.perf_counter() - begin
    rate = (recorder.n_events - before) / len(e)
    print(json.dumps({"name": name, "peer": f"NEST {mode}", "version": nest.__version__, "seconds": seconds,
                      "build_seconds": build, "rate_hz": rate, "external_events": external}))  # fmt: skip


if __name__ == "__main__":
    main()

"""neurodev and NEST precise, spike by spike, on one Brunel network with given connections and external spikes.

    python tests/benchmarks/same_spikes.py --peers FOLDER [--write]

runs both (NEST with the Python of the environment FOLDER), prints how many spikes agree and where they first differ,
and with --write renews tests/engine/brunel_nest.json.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[2]

NEST = """
import sys, numpy as np, nest
d = np.load(sys.argv[1])
n_e, n_i, j, g, end, delay, input_delay = (float(x) for x in d["numbers"])
n_e, n_i = int(n_e), int(n_i)
nest.set_verbosity("M_ERROR")
nest.ResetKernel()
nest.resolution, nest.local_num_threads = 0.1, 1
cell = {"tau_m": 20.0, "C_m": 1.0, "E_L": 0.0, "V_th": 20.0, "V_reset": 10.0, "t_ref": 2.0, "V_m": 0.0}
neurons = nest.Create("iaf_psc_delta_ps", n_e + n_i, cell)
ids = np.array(neurons.tolist())
first = {"e": 0, "i": n_e}
for name in ("ee", "ei", "ie", "ii"):
    source, target = d[name]
    w = np.full(source.size, j if name[0] == "e" else -g * j)
    nest.Connect(ids[source + first[name[0]]], ids[target + first[name[1]]], "one_to_one",
                 {"weight": w, "delay": np.full(source.size, delay)})
cut = np.searchsorted(d["neuron"], np.arange(n_e + n_i + 1))
given = nest.Create("spike_generator", n_e + n_i, {"precise_times": True})
for a in range(n_e + n_i):
    given[a].set({"spike_times": d["times"][cut[a] : cut[a + 1]]})
nest.Connect(given, neurons, "one_to_one", {"weight": j, "delay": input_delay})
recorder = nest.Create("spike_recorder")
nest.Connect(neurons, recorder)
nest.Simulate(end + 0.1)
t, k = np.array(recorder.events["times"]), np.array(recorder.events["senders"]) - ids[0]
order = np.lexsort((k, t))
order = order[t[order] < end]
np.savez(sys.argv[2], t=t[order], cell=k[order])
"""


def nest_train(python, module):
    """The spikes that NEST finds."""
    times, neuron = module.external()
    order = np.lexsort((times, neuron))
    with tempfile.TemporaryDirectory() as folder:
        given, found, script = (Path(folder) / name for name in ("given.npz", "found.npz", "nest_side.py"))
        numbers = (module.N_E, module.N_I, module.J, module.G, module.DURATION, module.DELAY, module.INPUT_DELAY)
        np.savez(given, times=times[order], neuron=neuron[order], numbers=numbers, **module.connections())
        script.write_text(NEST)
        subprocess.run([str(python), str(script), str(given), str(found)], check=True, stdout=subprocess.DEVNULL)
        with np.load(found) as f:
            return f["t"], f["cell"]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--peers", type=Path, default=Path(".peers"))
    parser.add_argument("--write", action="store_true")
    args = parser.parse_args()
    sys.path.insert(0, str(ROOT))
    from tests.engine import brunel_input, test_brunel

    t, cell = test_brunel.trains(brunel_input.network(), brunel_input.DURATION)
    theirs_t, theirs_cell = nest_train(args.peers / "bin/python", brunel_input)
    m = min(t.size, theirs_t.size)
    bad = np.flatnonzero((np.abs(t[:m] - theirs_t[:m]) > 1e-9) | (cell[:m] != theirs_cell[:m]))
    print(f"neurodev {t.size} spikes, NEST precise {theirs_t.size}; equal to 1e-9 ms: {bad[0] if bad.size else m}; "
          f"largest difference {np.abs(t[:m] - theirs_t[:m]).max():.2g} ms")  # fmt: skip
    if args.write:
        edges = np.arange(0.0, brunel_input.DURATION + 1, 5.0)
        excitatory = theirs_cell < brunel_input.N_E
        out = {
            "source": "NEST 3.10.0, iaf_psc_delta_ps, by tests/benchmarks/same_spikes.py --write",
            "excitatory": np.histogram(theirs_t[excitatory], edges)[0].tolist(),
            "inhibitory": np.histogram(theirs_t[~excitatory], edges)[0].tolist(),
            "last_times": theirs_t[-20:].tolist(), "last_cells": theirs_cell[-20:].tolist(),
        }  # fmt: skip
        (ROOT / "tests/engine/brunel_nest.json").write_text(json.dumps(out, indent=1) + "\n")


if __name__ == "__main__":
    main()

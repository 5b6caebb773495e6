"""NEST's structural-plasticity example (two populations, growth curves, pairing): ``python peers_structural.py``.

Reads ``{"scale": share of the cells, "seconds": spike time, "update": ms}`` and prints one JSON line: mean calcium and
number of synapses of the excitatory and the inhibitory population, second by second.  Run it in NEST's own environment.
"""

import json
import sys

import nest
import numpy as np


def main():
    given = json.load(sys.stdin)
    nest.ResetKernel()
    nest.set_verbosity("M_ERROR")
    nest.resolution = 0.1
    nest.structural_plasticity_update_interval = given["update"]
    kinds = {}
    for word, weight in (("ex", 585.0), ("in", -585.0)):
        nest.CopyModel("static_synapse", f"synapse_{word}", {"weight": weight, "delay": 1.0})
        kinds[f"synapse_{word}"] = {
            "synapse_model": f"synapse_{word}", "post_synaptic_element": f"Den_{word}",
            "pre_synaptic_element": f"Axon_{word}",
        }  # fmt: skip
    nest.structural_plasticity_synapses = kinds

    def curve(rate, eps):
        return {"growth_curve": "gaussian", "growth_rate": rate, "continuous": False, "eta": 0.0, "eps": eps}

    e = nest.Create("iaf_psc_alpha", round(800 * given["scale"]), {"synaptic_elements": {
        "Den_ex": curve(1e-4, 0.05), "Den_in": curve(1e-4, 0.05), "Axon_ex": curve(1e-4, 0.05)}})  # fmt: skip
    i = nest.Create("iaf_psc_alpha", round(200 * given["scale"]), {"synaptic_elements": {
        "Den_ex": curve(4e-4, 0.2), "Den_in": curve(1e-4, 0.2), "Axon_in": curve(1e-4, 0.2)}})  # fmt: skip
    noise = nest.Create("poisson_generator", 1, {"rate": 10_000.0})
    nest.Connect(noise, e + i, "all_to_all", {"weight": 6.2, "delay": 1.0})
    nest.EnableStructuralPlasticity()
    out = {"calcium_e": [], "calcium_i": [], "synapses_e": [], "synapses_i": []}
    for _ in range(given["seconds"]):
        nest.Simulate(1000.0)
        for word, cells, axon in (("e", e, "Axon_ex"), ("i", i, "Axon_in")):
            out[f"calcium_{word}"].append(float(np.mean(cells.Ca)))
            out[f"synapses_{word}"].append(int(sum(k[axon]["z_connected"] for k in cells.synaptic_elements)))
    print(json.dumps({"version": nest.__version__, **out}))


if __name__ == "__main__":
    main()

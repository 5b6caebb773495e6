"""One neuron in NEST with the parameters of a model of neurodev: ``python peers_models.py < tasks.json``.

A task is ``{"model": ..., "parameters": {...}, "arrivals": [[ms, weight], ...], "until": ms, "every": ms}``; what is
printed is one JSON object: for each task the spike times (ms) and V (mV) every so many ms, or for other kinds of tasks
what their function says.  Run it in NEST's own environment (`compare.py` makes one).
"""

import json
import sys

import nest
import numpy as np

PRECISE = 0.1  # ms: grid of the models whose spikes lie between its points
FINE = 0.001  # ms: grid of all others


def leaky(p):
    """What all leaky models share."""
    return {
        "C_m": p["capacitance"], "E_L": p["rest"], "V_th": p["threshold"], "V_reset": p["reset"], "V_m": p["rest"],
        "t_ref": p["refractory"],
    }  # fmt: skip


def of_tau(p):
    """With a time constant and a constant current."""
    return {"tau_m": p["tau"], "I_e": p["drive"] * p["capacitance"] / p["tau"], **leaky(p)}


def taus(p):
    """Of synapses."""
    return {"tau_syn_ex": p["tau_excitatory"], "tau_syn_in": p["tau_inhibitory"]}


def cell(model, p):
    """(model of NEST, its parameters, grid, whether inputs are exponential currents that NEST's model has not)."""
    if model == "LIF" and p["tau_excitatory"] is None:
        return "iaf_psc_delta_ps", of_tau(p), PRECISE, False
    if model == "LIF":
        return "iaf_psc_exp_ps", of_tau(p) | taus(p), PRECISE, False
    if model == "AlphaLIF":
        return "iaf_psc_alpha_ps", of_tau(p) | taus(p), PRECISE, False
    if model == "ConductanceLIF":
        ends = {"E_ex": p["reversal_excitatory"], "E_in": p["reversal_inhibitory"]}
        leak = {"g_L": p["capacitance"] / p["tau"], "I_e": p["drive"] * p["capacitance"] / p["tau"]}
        return "iaf_cond_exp", leaky(p) | taus(p) | ends | leak, FINE, False
    if model == "GLIF":
        return "glif_psc", generalised(p), FINE, True
    if model == "AdaptiveExponential":
        return "aeif_psc_delta", {
            "C_m": p["capacitance"], "g_L": p["leak"], "E_L": p["rest"], "V_th": p["threshold"], "Delta_T": p["slope"],
            "a": p["coupling"], "tau_w": p["tau_adaptation"], "b": p["increment"], "V_reset": p["reset"],
            "V_peak": p["peak"], "I_e": p["drive"], "t_ref": p["refractory"], "V_m": p["rest"], "gsl_error_tol": 1e-10,
        }, FINE, False  # fmt: skip
    if model == "Izhikevich":
        return "izhikevich", {
            "a": p["recovery_rate"], "b": p["recovery_slope"], "c": p["reset"], "d": p["jump"], "I_e": p["drive"],
            "V_th": p["peak"], "V_m": p["reset"], "U_m": p["recovery_slope"] * p["reset"],
        }, FINE, False  # fmt: skip
    if model == "HodgkinHuxley":
        return "hh_psc_alpha", {
            "C_m": p["capacitance"], "g_Na": p["sodium"], "g_K": p["potassium"], "g_L": p["leak"],
            "E_Na": p["reversal_sodium"], "E_K": p["reversal_potassium"], "E_L": p["reversal_leak"], "I_e": p["drive"],
            "V_m": -65.0, "t_ref": 0.0,
        }, FINE, True  # fmt: skip
    raise SystemExit(f"NEST has no {model}")


def generalised(p):
    """`glif_psc`: threshold and currents jump when the refractory period ends; what was there before decays in it."""
    late = p["refractory"]
    found = {
        "g": p["capacitance"] / p["tau"], "C_m": p["capacitance"], "E_L": p["rest"], "V_th": p["threshold"],
        "V_reset": p["reset"], "t_ref": late, "V_m": p["rest"], "spike_dependent_threshold": p["level"] in (2, 4),
        "after_spike_currents": p["level"] in (3, 4), "adapting_threshold": False,
    }  # fmt: skip
    if p["level"] in (2, 4):
        found |= {
            "th_spike_add": p["threshold_jump"] * np.exp(-late / p["tau_threshold"]),
            "th_spike_decay": 1.0 / p["tau_threshold"], "voltage_reset_fraction": p["reset_share"],
            "voltage_reset_add": p["reset"] - p["rest"],
        }  # fmt: skip
    if p["level"] in (3, 4):
        decay = [1.0 / p["tau_1"], 1.0 / p["tau_2"]]
        found |= {
            "asc_init": [0.0, 0.0],
            "asc_decay": decay,
            "asc_r": [p["share_1"], p["share_2"]],
            "asc_amps": [p[f"current_{k + 1}"] * np.exp(-late * decay[k]) for k in range(2)],
        }
    return found


def currents(p, arrivals, until):
    """Exponential currents as steps of the grid, each with the mean over it: (times, pA)."""
    t = np.arange(1, round(until / FINE)) * FINE
    total = np.full(t.size, p["drive"] * p["capacitance"] / p["tau"] if "tau" in p else 0.0)
    for at, weight in arrivals:
        tau = p["tau_excitatory"] if weight > 0 else p["tau_inhibitory"]
        later = t > at - FINE / 2
        share = tau / FINE * -np.expm1(-FINE / tau)
        total[later] += weight * share * np.exp(-(t[later] - at) / tau)
    return t - FINE, total  # it takes a step to arrive


def connect_currents(task, neuron, grid):
    """Give a neuron its input as steps of current."""
    t, pa = currents(task["parameters"], task["arrivals"], task["until"])
    keep = t >= grid - 1e-9
    steps = {"amplitude_times": np.round(t[keep] / grid) * grid, "amplitude_values": pa[keep]}
    source = nest.Create("step_current_generator", 1, steps | {"allow_offgrid_times": True})
    nest.Connect(source, neuron, syn_spec={"delay": grid})


def one_neuron(task):
    """Spike times, and V now and then."""
    p = task["parameters"]
    model, parameters, grid, as_steps = cell(task["model"], p)
    nest.ResetKernel()
    nest.resolution, nest.local_num_threads = grid, 1
    neuron = nest.Create(model, 1, parameters)
    if as_steps:
        connect_currents(task, neuron, grid)
    else:
        for t, weight in task["arrivals"]:
            source = nest.Create("spike_generator", 1, {"spike_times": [round(t - 1.0, 9)]})
            nest.Connect(source, neuron, syn_spec={"weight": weight, "delay": 1.0})
    meter = nest.Create("multimeter", 1, {"interval": task["every"], "record_from": ["V_m"]})
    nest.Connect(meter, neuron)
    recorder = nest.Create("spike_recorder")
    nest.Connect(neuron, recorder)
    nest.Simulate(task["until"] + 1.0)
    t, v = np.array(meter.events["times"]), np.array(meter.events["V_m"])
    spikes = np.array(recorder.events["times"])
    if task["model"] == "HodgkinHuxley":  # NEST tells the peak; asked for is the rise through 0
        spikes = rises(task, model, parameters, grid)
    keep = t <= task["until"] + 1e-9
    return {"spikes": spikes[spikes < task["until"]].tolist(), "t": t[keep].tolist(), "v": v[keep].tolist()}


def rises(task, model, parameters, grid):
    """When V rises through 0, from a second run that is looked at on the whole grid."""
    nest.ResetKernel()
    nest.resolution = grid
    neuron = nest.Create(model, 1, parameters)
    connect_currents(task, neuron, grid)
    meter = nest.Create("multimeter", 1, {"interval": grid, "record_from": ["V_m"]})
    nest.Connect(meter, neuron)
    nest.Simulate(task["until"] + 1.0)
    t, v = np.array(meter.events["times"]), np.array(meter.events["V_m"])
    k = np.flatnonzero((v[:-1] < 0) & (v[1:] >= 0))
    return t[k] + grid * -v[k] / (v[k + 1] - v[k])


def sinusoid(task):
    """Spikes of a sinusoidal Poisson generator in bins of its period, and in all."""
    p = task["parameters"]
    nest.ResetKernel()
    nest.resolution, nest.rng_seed = 0.1, 7
    generator = nest.Create("sinusoidal_poisson_generator", 1, {
        "rate": p["rate_hz"], "amplitude": p["amplitude_hz"], "frequency": p["frequency_hz"],
        "phase": np.degrees(p["phase"]),
    })  # fmt: skip
    parrots = nest.Create("parrot_neuron", task["n"])
    nest.Connect(generator, parrots, syn_spec={"delay": 0.1})
    recorder = nest.Create("spike_recorder")
    nest.Connect(parrots, recorder)
    nest.Simulate(task["until"] + 1.0)
    t = np.array(recorder.events["times"]) - 0.15  # the way to the parrot, and the middle of a step
    t = t[(t >= 0) & (t < task["until"])]
    period = 1000.0 / p["frequency_hz"]
    return {"counts": np.histogram(t % period, np.linspace(0, period, task["bins"] + 1))[0].tolist()}


def stdp(task):
    """The weight of one plastic synapse after each of its arrivals; spikes of the target are given."""
    nest.ResetKernel()
    nest.resolution = 0.01
    before = nest.Create("parrot_neuron")
    taus = {"tau_minus": task["tau_minus"], "tau_minus_triplet": task["tau_y"]}
    after = nest.Create("parrot_neuron", 1, taus)
    for parrot, times in ((before, task["pre"]), (after, task["post"])):
        source = nest.Create("spike_generator", 1, {"spike_times": np.round(np.array(times) - 1.0, 9)})
        nest.Connect(source, parrot, syn_spec={"delay": 1.0})
    recorder = nest.Create("weight_recorder")
    nest.CopyModel(task["synapse"], "watched", {"weight_recorder": recorder, **task["parameters"]})
    # port 1 of a parrot learns of arrivals but repeats none
    nest.Connect(before, after, syn_spec={
        "synapse_model": "watched", "weight": task["weight"], "delay": 0.01, "receptor_type": 1
    })  # fmt: skip
    nest.Simulate(task["until"])
    return {"weights": np.array(recorder.events["weights"]).tolist()}


def main():
    nest.set_verbosity("M_ERROR")
    kinds = {"sinusoid": sinusoid, "stdp": stdp}
    out = [kinds.get(task.get("kind"), one_neuron)(task) for task in json.load(sys.stdin)]
    print(json.dumps({"version": nest.__version__, "answers": out}))


if __name__ == "__main__":
    main()

"""One neuron in Brian2 with the parameters of a model of neurodev: ``python peers_models_brian2.py < tasks.json``.

Tasks and answers are those of `peers_models.py`.  Everything is integrated on a grid of .01 ms (linear equations
exactly, others by Runge and Kutta's fourth order), so that spikes and inputs are up to a step or two late.  Run it in
Brian2's own environment (`compare.py` makes one).
"""

import json
import sys

import brian2 as b
import numpy as np
from brian2 import ms, mV, nS, pA, pF

STEP = 0.01  # ms
LEAK = "dv/dt = (rest + drive - v)/tau + ({current})/C : volt (unless refractory)\n"
EXPONENTIAL = "die/dt = -ie/te : amp\ndii/dt = -ii/ti : amp\n"
UNITS = {
    "tau": ms, "threshold": mV, "reset": mV, "rest": mV, "drive": mV, "capacitance": pF, "tau_excitatory": ms,
    "tau_inhibitory": ms, "reversal_excitatory": mV, "reversal_inhibitory": mV, "threshold_jump": mV,
    "tau_threshold": ms, "current_1": pA, "current_2": pA, "tau_1": ms, "tau_2": ms, "leak": nS, "slope": mV,
    "coupling": nS, "tau_adaptation": ms, "increment": pA, "peak": mV, "sodium": nS, "potassium": nS,
    "reversal_sodium": mV, "reversal_potassium": mV, "reversal_leak": mV,
}  # fmt: skip
NAMES = {"capacitance": "C", "tau_excitatory": "te", "tau_inhibitory": "ti"}


def cell(model, p):
    """(equations, threshold, reset, what an excitatory and an inhibitory input do, start, method) of a model."""
    fires, back = "v >= threshold", "v = reset"
    currents = p.get("tau_excitatory") is not None
    flow = "ie + ii" if currents else "0*amp"
    jump = "v += int(not_refractory_post)*w*mV" if p.get("refractory") else "v += w*mV"
    both = ("ie += w*pA", "ii += w*pA") if currents else (jump, jump)
    tail = EXPONENTIAL if currents else ""
    start = {"v": p.get("rest", 0.0) * mV}
    if model == "LIF":
        return LEAK.format(current=flow) + tail, fires, back, both, start, "exact"
    if model == "AlphaLIF":
        rise = "".join(f"di{k}/dt = (z{k} - i{k})/t{k} : amp\ndz{k}/dt = -z{k}/t{k} : amp\n" for k in "ei")
        both = ("ze += w*pA*exp(1)", "zi += w*pA*exp(1)")
        return LEAK.format(current=flow) + rise, fires, back, both, start, "exact"
    if model == "ConductanceLIF":
        flow = "ge*(reversal_excitatory - v) + gi*(reversal_inhibitory - v)"
        tail = "dge/dt = -ge/te : siemens\ndgi/dt = -gi/ti : siemens\n"
        return LEAK.format(current=flow) + tail, fires, back, ("ge += w*nS", "gi -= w*nS"), start, "rk4"
    if model == "GLIF":
        own = "da/dt = -a/tau_1 : amp\ndb/dt = -b/tau_2 : amp\ndtheta/dt = -theta/tau_threshold : volt\n"
        back = (
            "v = reset + reset_share*(v - rest)\na = share_1*a + current_1\nb = share_2*b + current_2\n"
            "theta += threshold_jump"
        )
        return LEAK.format(current=flow + " + a + b") + tail + own, fires + " + theta", back, both, start, "exact"
    if model == "AdaptiveExponential":
        own = (
            "up = leak*slope*exp(clip((v - threshold)/slope, -100, 30)) : amp\n"
            f"dv/dt = (-leak*(v - rest) + up - x + drive*pA + {flow})/C : volt (unless refractory)\n"
            "dx/dt = (coupling*(v - rest) - x)/tau_adaptation : amp\n"
        )
        return own + tail, "v >= peak", back + "\nx += increment", both, start, "rk4"
    if model == "Izhikevich":
        own = (
            "dv/dt = (0.04*(v/mV)**2 + 5*v/mV + 140 - u + drive)*mV/ms : volt\n"
            "du/dt = recovery_rate*(recovery_slope*v/mV - u)/ms : 1\n"
        )
        both, start = ("v += w*mV",) * 2, {"v": p["reset"] * mV, "u": p["recovery_slope"] * p["reset"]}
        return own, "v >= peak", back + "\nu += jump", both, start, "rk4"
    if model == "HodgkinHuxley":
        own = (
            f"dv/dt = (sodium*m**3*h*(reversal_sodium - v) + potassium*n**4*(reversal_potassium - v) + "
            f"leak*(reversal_leak - v) + drive*pA + {flow})/C : volt\n"
            "dm/dt = (0.1*(y + 40)/(1 - exp(-(y + 40)/10))*(1 - m) - 4*exp(-(y + 65)/18)*m)/ms : 1\n"
            "dh/dt = (0.07*exp(-(y + 65)/20)*(1 - h) - h/(1 + exp(-(y + 35)/10)))/ms : 1\n"
            "dn/dt = (0.01*(y + 55)/(1 - exp(-(y + 55)/10))*(1 - n) - 0.125*exp(-(y + 65)/80)*n)/ms : 1\n"
            "y = v/mV : 1\n"
        )
        return own + tail, "v >= 0*mV", "", both, {"v": -65.0 * mV} | at_rest(-65.0), "rk4"
    raise SystemExit(f"Brian2 has no {model} here")


def at_rest(v):
    """Gates of the axon that stand still at V, mV."""
    am, bm = 0.1 * (v + 40) / (1 - np.exp(-(v + 40) / 10)), 4 * np.exp(-(v + 65) / 18)
    ah, bh = 0.07 * np.exp(-(v + 65) / 20), 1 / (1 + np.exp(-(v + 35) / 10))
    an, bn = 0.01 * (v + 55) / (1 - np.exp(-(v + 55) / 10)), 0.125 * np.exp(-(v + 65) / 80)
    return {"m": am / (am + bm), "h": ah / (ah + bh), "n": an / (an + bn)}


def built(task):
    """A group of one neuron, its input, and what looks at it."""
    p, model = task["parameters"], task["model"]
    equations, fires, back, (up, down), start, method = cell(model, p)
    space = {}
    for name, value in p.items():
        if value is not None and not isinstance(value, (str, bool)):
            unit = UNITS.get(name, 1)
            # drives of stepped models are pA, or a slope
            stepped = model in ("AdaptiveExponential", "HodgkinHuxley", "Izhikevich")
            space[NAMES.get(name, name)] = value if stepped and name == "drive" else value * unit
    late = p.get("refractory", 0.0)
    group = b.NeuronGroup(
        1, equations, threshold=fires, reset=back, namespace=space, method=method,
        refractory="v >= 0*mV" if model == "HodgkinHuxley" else (late - STEP / 2) * ms if late else False,
    )  # fmt: skip
    for name, value in start.items():
        setattr(group, name, value)
    parts = [group]
    for sign, act in ((1, up), (-1, down)):
        mine = [(t, w) for t, w in task["arrivals"] if w * sign > 0]
        # an input acts after the step that begins at its time
        times = np.array([t for t, _ in mine]) - STEP
        source = b.SpikeGeneratorGroup(len(mine), np.arange(len(mine)), times * ms)
        synapses = b.Synapses(source, group, "w : 1", on_pre=act)
        synapses.connect()
        synapses.w = [w for _, w in mine]
        parts += [source, synapses]
    spikes, v = b.SpikeMonitor(group), b.StateMonitor(group, "v", record=True, dt=task["every"] * ms)
    return [*parts, spikes, v], spikes, v


def main():
    b.prefs.codegen.target = "numpy"
    b.BrianLogger.suppress_name("resolution_conflict")
    b.defaultclock.dt = STEP * ms
    tasks = json.load(sys.stdin)
    all_parts, seen = [], []
    for task in tasks:
        parts, spikes, v = built(task)
        all_parts += parts
        seen.append((spikes, v))
    network = b.Network(*all_parts)
    network.run((tasks[0]["until"] + 1.0) * ms)
    out = []
    for task, (spikes, v) in zip(tasks, seen, strict=True):
        # spikes are found at the end of the step that they are told to begin
        t = np.asarray(spikes.t / ms) + STEP
        at = np.asarray(v.t / ms)
        keep = (at > 0) & (at <= task["until"] + 1e-9)
        found = np.asarray(v.v[0] / mV)[keep]
        out.append({"spikes": t[t < task["until"]].tolist(), "t": at[keep].tolist(), "v": found.tolist()})
    print(json.dumps({"version": b.__version__, "answers": out}))


if __name__ == "__main__":
    main()

"""The whole simulator again, slow and obvious: a heap of events, a dict for each synapse, math.exp.

It starts from the initial state of a built `Simulator` (who connects to whom, uids, sizes, drives,
backgrounds) and shares
no kernel with it; random draws are the published functions of (key, counter, step).
"""

from __future__ import annotations

import heapq
import math

import numpy as np

from neurodev import rng
from neurodev.neurons.lif import LIF
from neurodev.neurons.stimulus import CurrentSteps
from tests.naive import background
from tests.naive.branched_cell import BranchedCell
from tests.naive.current_cell import REACH, CurrentCell

# in this order at equal times; stimuli that inhibit or change a drive are early, others late
RELEASE, EARLY, ARRIVAL, LATE, BACKGROUND, CROSSING, DRIVE, LOOK, END, POST = range(10)


class Cell:
    def __init__(self, tau, v_inf, threshold, reset, refractory, v):
        self.tau, self.v_inf, self.threshold, self.reset, self.refractory = tau, v_inf, threshold, reset, refractory
        self.v, self.t, self.free, self.stamp = v, 0.0, True, 0
        self.dead = False

    def decay(self, t):
        if self.free:
            keep = 1.0 if math.isinf(self.tau) else math.exp(-(t - self.t) / self.tau)
            self.v = self.v_inf + (self.v - self.v_inf) * keep
        self.t = t


class NaiveSimulator:
    """`run(until)` in ms of spikes; `spikes` lists (time, population, cell); `log` lists (tick, event, uid, cause)."""

    def __init__(self, simulator):
        s = self.s = simulator
        self.net = s.network
        self.spikes, self.log, self.heap, self.sequence = [], [], [], 0
        self.cells = {}
        for p in self.net.populations.values():
            if isinstance(p.model, LIF):
                q = p.model.expand(p.n, p.name)
                if p.model.has_currents:
                    kind, more = CurrentCell, lambda i: ()
                    if p.model.dendrite is not None:
                        kind, more = BranchedCell, lambda i, p=p, q=q: (p.model.dendrite, q["rest"][i])
                    self.cells[p.name] = [
                        kind(q["tau"][i], q["rest"][i] + q["drive"][i], q["threshold"][i], q["reset"][i],
                             q["refractory"][i], q["initial"][i],
                             [1 / q["tau_excitatory"][i], 1 / q["tau_inhibitory"][i]], q["capacitance"][i], *more(i))
                        for i in range(p.n)
                    ]  # fmt: skip
                    continue
                self.cells[p.name] = [
                    Cell(q["tau"][i], q["rest"][i] + q["drive"][i], q["threshold"][i], q["reset"][i],
                         q["refractory"][i], q["initial"][i])
                    for i in range(p.n)
                ]  # fmt: skip
        self.rows, self.synapses, self.traces, self.terminals = {}, {}, {}, {}
        for q in self.net.projections.values():
            table = s.tables[q.name]
            state = table.state()
            rows = {}
            synapses = []
            for k in range(state["uid"].size):
                syn = {"uid": int(state["uid"][k]), "pre": int(state["pre"][k]), "post": int(state["post"][k]),
                       "lane": int(state["lane"][k]), "weight": float(state["weight"][k]), "since": -1.0,
                       **{c: float(state[c][k]) for c in table.column_names}}  # fmt: skip
                synapses.append(syn)
                rows.setdefault((syn["lane"], syn["pre"]), []).append(syn)
            self.rows[q.name], self.synapses[q.name] = rows, synapses
            self.traces[q.name] = ({}, {})
        self.signals = {n: {k: v.copy() for k, v in b.signals.items()} for n, b in s.blocks.items()}
        self.first_signals = {n: {k: v.copy() for k, v in b.items()} for n, b in self.signals.items()}
        self.unborn = {p.name: list(range(p.n - p.room, p.n)) for p in self.net.populations.values()}
        self.birthdays = {p.name: {} for p in self.net.populations.values()}
        for p in self.net.populations.values():
            for i in self.unborn[p.name]:
                self.cells[p.name][i].dead = True
        self.counts = {p.name: np.zeros(p.n, dtype=int) for p in self.net.populations.values()}
        self.next_uid = s.engine.uids.next
        self.now, self.tick = 0.0, 0

    # -------------------------------------------------------------- events

    def push(self, t, kind, source, payload):
        self.sequence += 1
        heapq.heappush(self.heap, (t, kind, source, self.sequence, payload))

    def load_inputs(self, until):
        for p, source in self.s.engine._sources:
            k = 0
            while k * source.period < until:
                times, index = source.chunk(k)
                for t, i in zip(times, index, strict=True):
                    self.push(k * source.period + t, DRIVE, (p.index, int(i)), None)
                k += 1
        for t, j, amplitude in background.events(self.s.engine, until):
            self.push(t, BACKGROUND, (j, 0), (j, amplitude))
        for p, stimulus, which in self.net.stimuli:
            if isinstance(stimulus, CurrentSteps):
                for t in stimulus.times:
                    for i in which:
                        self.push(t, EARLY, (p.index, int(i)), (p, int(i), None))
                continue
            for k, t in enumerate(stimulus.times):
                w = float(np.broadcast_to(stimulus.amplitudes, stimulus.times.shape)[k])
                for i in which if stimulus.cells is None else [which[stimulus.cells[k]]]:
                    self.push(t, EARLY if w < 0 else LATE, (p.index, int(i)), (p, int(i), w))

    def v_inf(self, p, i, t):
        """Where V of a cell goes at `t`."""
        q = p.model.expand(p.n, p.name)
        total = q["rest"][i] + q["drive"][i]
        for target, stimulus, which in self.net.stimuli:
            if target is p and isinstance(stimulus, CurrentSteps) and i in which:
                past = [k for k, when in enumerate(stimulus.times) if when <= t]
                levels = stimulus.amplitudes[past[-1]] if past else 0.0
                total += levels[list(which).index(i)] if np.ndim(levels) else levels
        return total

    def stimulate(self, p, i, w, t):
        c = self.cells[p.name][i]
        if w is None:
            c.decay(t)
            c.v_inf = self.v_inf(p, i, t)
        elif self.kick(p, i, w, t):
            c.v = c.reset
            self.fire(p, i, t)
            return
        self.predict(p, i, t)

    def locate(self, j):
        for p in self.net.populations.values():
            first = int(self.s.engine.state.neurons.first[p.index])
            if first >= 0 and first <= j < first + p.n:
                return p, j - first
        raise AssertionError

    def emit(self, p, i, t):
        self.spikes.append((t, p.name, i))
        self.counts[p.name][i] += 1
        lane = 0  # of equal arrival times, inhibition comes first: by the sign of the synapse
        parts = [(q, one) for q in self.net.projections.values() for one in ((-1, 1) if q.signed else (0,))]
        negative = lambda q, one: one < 0 or (one == 0 and q.source.inhibitory)  # noqa: E731
        for q, one in sorted(parts, key=lambda x: (not negative(*x), x[0].name)):
            for k, d in enumerate(self.s.tables[q.name].delays):
                if q.source is p:
                    self.push(t + d, ARRIVAL, (lane, len(self.spikes)), (q, k, i, t, one))
                lane += 1

    def fire(self, p, i, t):
        self.emit(p, i, t)
        # a spike follows the arrivals of its own instant
        self.push(t, POST, (int(self.s.engine.state.neurons.first[p.index]) + i, 0), (p, i))
        c = self.cells[p.name][i]
        c.stamp += 1
        if c.refractory > 0:
            c.free = False
            self.push(t + c.refractory, RELEASE, (int(self.s.engine.state.neurons.first[p.index]) + i, 0), (p, i))
        else:
            self.predict(p, i, t)

    def predict(self, p, i, t):
        c = self.cells[p.name][i]
        c.stamp += 1
        first = int(self.s.engine.state.neurons.first[p.index])
        if isinstance(c, CurrentCell):
            if c.free and not c.dead:
                c.decay(t)
                at = c.crossing()
                if at is None:
                    self.push(t + REACH, LOOK, (first + i, 0), (p, i, c.stamp))
                else:
                    self.push(t + at, CROSSING, (first + i, 0), (p, i, c.stamp))
            return
        if c.free and not c.dead and c.v_inf > c.threshold:
            at = t + c.tau * math.log((c.v_inf - c.v) / (c.v_inf - c.threshold))
            self.push(at, CROSSING, (first + i, 0), (p, i, c.stamp))

    def kick(self, p, i, w, t, branch=None):
        c = self.cells[p.name][i]
        c.decay(t)
        if isinstance(c, BranchedCell) and branch is not None:
            started = None if c.dead else c.arrive(0 if w > 0 else 1, w, int(branch), t)
            if started is not None:
                self.push(started[0], END, (i, 0), (p, i, int(branch), started[1]))
            return False
        if isinstance(c, CurrentCell):
            if not c.dead:
                c.kick(0 if w > 0 else 1, w)
            return False
        if not c.free or c.dead:
            return False
        c.v += w
        return c.v >= c.threshold

    def arrive(self, q, lane, source, emitted, sign, t):
        p = q.target
        row = [s for s in self.rows[q.name].get((lane, source), []) if s["since"] <= emitted]
        row = [s for s in row if sign * s["weight"] >= 0]
        fired, scale = [], self.release(q, lane, source, sign, t)
        for syn in row:
            i = syn["post"]
            if self.kick(p, i, scale * syn["weight"], t, syn.get("branch")):
                c = self.cells[p.name][i]
                if c.refractory > 0:
                    c.free = False
                else:
                    c.v = c.reset
                fired.append(i)
        for m in q.mechanisms:
            if m.name == "STDP":
                self.on_pre(q, m, lane, source, t)
        for i in fired:
            self.fire(p, i, t)
        for syn in row:
            if syn["post"] not in fired:
                self.predict(p, syn["post"], t)

    def process(self, until):
        while self.heap and self.heap[0][0] < until:
            t, kind, source, _, payload = heapq.heappop(self.heap)
            self.now = t
            if kind == RELEASE:
                p, i = payload
                c = self.cells[p.name][i]
                if c.dead:
                    continue
                c.decay(t)
                c.free, c.v, c.t = True, c.reset, t
                self.predict(p, i, t)
            elif kind == ARRIVAL:
                self.arrive(*payload, t)
            elif kind == BACKGROUND:
                self.stimulate(*self.locate(payload[0]), payload[1], t)
            elif kind in (EARLY, LATE):
                self.stimulate(*payload, t)
            elif kind == CROSSING:
                p, i, stamp = payload
                c = self.cells[p.name][i]
                if c.stamp == stamp and c.free and not c.dead:
                    c.decay(t)
                    c.t, c.v = t, c.reset
                    self.fire(p, i, t)
            elif kind == END:
                p, i, branch, size = payload
                c = self.cells[p.name][i]
                if c.until.get(branch) == t and not c.dead:
                    c.decay(t)
                    c.end(branch, size)
                    self.predict(p, i, t)
            elif kind == POST:
                p, i = payload
                for q in self.net.projections.values():
                    if q.target is p:
                        for m in q.mechanisms:
                            if m.name == "STDP":
                                self.on_post(q, m, i, t)
            elif kind == LOOK:
                p, i, stamp = payload
                if self.cells[p.name][i].stamp == stamp:
                    self.predict(p, i, t)
            else:
                self.emit(list(self.net.populations.values())[source[0]], source[1], t)

    # -------------------------------------------------------------- plasticity: traces as lists of times

    def release(self, q, lane, source, sign, t):
        """What the terminal of a source and lane lets go: u x, by the equations from its last spike to this one."""
        for m in q.mechanisms:
            if m.name == "TsodyksMarkram":
                s = self.terminals.setdefault(
                    (q.name, lane, source), {"u": 0.0, "y": 0.0, "z": 0.0, "t": t, "out": 0.0}
                )
                if sign <= 0:
                    dt, p, r = t - s["t"], m.tau_psc, m.tau_rec
                    s["u"] *= math.exp(-dt / m.tau_facil) if m.tau_facil else 0.0
                    s["z"] *= math.exp(-dt / r)
                    if p:
                        s["z"] += s["y"] * r / (r - p) * (math.exp(-dt / r) - math.exp(-dt / p))
                        s["y"] *= math.exp(-dt / p)
                    s["u"] += m.U * (1 - s["u"])
                    s["out"] = s["u"] * (1 - s["y"] - s["z"])
                    s["y" if p else "z"] += s["out"]
                    s["t"] = t
                return s["out"]
        return 1.0

    def trace(self, times, t, tau, nearest=False):
        if nearest:
            return math.exp(-(t - times[-1]) / tau) if times else 0.0
        return math.fsum(math.exp(-(t - x) / tau) for x in times)

    def change(self, m, syn, dw):
        if "log_size" in syn:
            syn["accumulator"] += dw
        else:
            syn["weight"] = min(max(syn["weight"] + m.weight_max * dw, 0.0), max(syn["weight"], m.weight_max))

    def on_pre(self, q, m, lane, source, t):
        pre, post = self.traces[q.name]
        mine = pre.setdefault((lane, source), [])
        near = m.rule == "nearest"
        for syn in self.rows[q.name].get((lane, source), []):
            spikes = post.get(syn["post"], [])
            if m.rule == "burst":
                dw = m.burst_gain * self.trace(spikes, t, m.burst_tau) - m.value("burst_loss")
            elif m.rule == "triplet":
                y = self.trace(spikes, t, m.value("tau_minus"))
                dw = -y * (m.value("depression") + m.triplet_depression * self.trace(mine, t, m.tau_x))
            else:
                dw = -m.value("depression") * self.trace(spikes, t, m.value("tau_minus"), near)
            self.change(m, syn, dw)
        mine.append(t)

    def on_post(self, q, m, i, t):
        pre, post = self.traces[q.name]
        mine = post.setdefault(i, [])
        near = m.rule == "nearest"
        for syn in self.synapses[q.name]:
            if syn["post"] != i:
                continue
            arrivals = pre.get((syn["lane"], syn["pre"]), [])
            if m.rule == "burst":
                dw = m.burst_gain * self.trace(arrivals, t, m.burst_tau) - m.value("burst_loss")
            elif m.rule == "triplet":
                x = self.trace(arrivals, t, m.value("tau_plus"))
                dw = x * (m.value("potentiation") + m.triplet_potentiation * self.trace(mine, t, m.tau_y))
            else:
                dw = m.value("potentiation") * self.trace(arrivals, t, m.value("tau_plus"), near)
            self.change(m, syn, dw)
        mine.append(t)

    # -------------------------------------------------------------- ticks

    @np.errstate(over="ignore")
    def run(self, until):
        self.load_inputs(until)
        for name, cells in self.cells.items():
            for i in range(len(cells)):
                self.predict(self.net.populations[name], i, 0.0)
        step = self.s.tick_spike
        while (self.tick + 1) * step <= until + 1e-9:
            self.process((self.tick + 1) * step)
            self.do_tick()
        self.process(until)
        order = list(self.net.populations)
        self.spikes.sort(key=lambda s: (s[0], order.index(s[1]), s[2]))

    def do_tick(self):
        self.tick += 1
        T, life = self.s.tick, self.tick * self.s.tick
        for name, k in self.counts.items():
            self.signals[name]["rate_hz"] = k * 1e3 / self.s.tick_spike
            k[:] = 0
        doomed, due = set(), {}
        for p in self.net.populations.values():
            b = self.signals[p.name]
            for m in p.mechanisms:
                if m.name == "Scaling":
                    keep = math.exp(-T / m.average)
                    b["rate_average"] = b["rate_hz"] + (b["rate_average"] - b["rate_hz"]) * keep
                    step = np.clip((1 - b["rate_average"] / m.target_hz) * T / m.tau, -m.limit, m.limit)
                    b["scaling"] = np.clip(b["scaling"] + step, -m.bound, m.bound)
                elif m.name == "NeuronDeath":
                    doomed |= self.doomed(p, m, b, T, life)
                elif m.name == "Neurogenesis":
                    due[p.name] = self.grow_up(p, m, b, T, life)
        for name, i in doomed:
            self.cells[name][i].dead = True
        for name, (m, number) in due.items():
            for _ in range(min(number, len(self.unborn[name]))):
                self.be_born(name, m, self.unborn[name].pop(0), life)
        self.gone = {
            q.name: [s for s in self.synapses[q.name]
                     if (q.source.name, s["pre"]) in doomed or (q.target.name, s["post"]) in doomed]
            for q in self.net.projections.values()
        }  # fmt: skip
        for q in sorted(self.net.projections.values(), key=lambda q: q.name):  # newborns take their uids in this order
            if q.mechanisms:
                self.tick_projection(q, {m.name: m for m in q.mechanisms}, T, life)
            else:
                for syn in self.gone[q.name]:
                    self.remove(q, syn, "neuron_death")

    def doomed(self, p, m, signals, T, life):
        keep = math.exp(-T / m.average)
        signals["fate_rate"] = signals["rate_hz"] + (signals["fate_rate"] - signals["rate_hz"]) * keep
        key = rng.key(self.net.seed, p.name, "neuron death")
        out = set()
        for i, c in enumerate(self.cells[p.name]):
            if not c.dead:
                age = life - self.birthdays[p.name].get(i, 0.0)
                exposed = max(min(age, m.end) - max(age - T, m.begin), 0.0)
                h = -math.log(1 - m.fraction) / (m.end - m.begin)
                h *= math.exp(-m.slope * (signals["fate_rate"][i] / m.target_hz - 1))
                if float(rng.uniform(key, np.uint64(i), np.uint64(self.tick))) < 1 - math.exp(-h * exposed):
                    out.add((p.name, i))
        return out

    def grow_up(self, p, m, signals, T, life):
        """Ages of the newborn; returns the mechanism and how many are born in this tick."""
        for i, born in self.birthdays[p.name].items():
            x = max(life - born - m.first_spine, 0.0) / (m.half - m.first_spine)
            signals["maturity"][i] = x * x / (1 + x * x)
            critical = m.critical_begin < life - born <= m.critical_end
            signals["plasticity"][i] = m.plasticity if critical else 1.0
        mean = m.rate * max(min(life, m.end) - max(life - T, m.begin), 0.0) / 86.4e6
        key = rng.key(self.net.seed, p.name, "neuron births")
        u, n = float(rng.uniform(key, np.uint64(0), np.uint64(self.tick))), 0
        while u > math.fsum(math.exp(-mean) * mean**k / math.factorial(k) for k in range(n + 1)):
            n += 1
        return m, n

    def be_born(self, name, m, i, life):
        c = self.cells[name][i]
        p = self.net.populations[name]
        for k, v in self.signals[name].items():
            v[i] = self.first_signals[name][k][i]
        for other in p.mechanisms:
            if other.name == "Scaling":
                self.signals[name]["scaling"][i] = other.start
        self.signals[name]["maturity"][i] = 0.0
        self.signals[name]["synapses_from"][i] = life + m.first_spine
        self.signals[name]["axon_from"][i] = life + m.axon
        self.birthdays[name][i] = life
        c.dead, c.free = False, True
        c.t, c.v = self.tick * self.s.tick_spike, float(p.model.expand(p.n, name)["initial"][i])
        if isinstance(c, CurrentCell):
            c.forget()
        self.predict(p, i, c.t)

    def ready(self, p, signal, i, life):
        return self.lives(p, i) and (signal not in self.signals[p.name] or self.signals[p.name][signal][i] <= life)

    def lives(self, p, i):
        return p.name not in self.cells or not self.cells[p.name][i].dead

    def remove(self, q, syn, cause):
        self.log.append((self.tick, "death", syn["uid"], cause))
        self.synapses[q.name].remove(syn)
        self.rows[q.name][(syn["lane"], syn["pre"])].remove(syn)

    def born_at(self, q, source, target, weight, t):
        """A synapse made at `t`, on the first lane: it does not carry spikes that were emitted before."""
        syn = {"uid": self.next_uid, "pre": source, "post": target, "lane": 0, "weight": weight, "since": t}
        self.next_uid += 1
        self.synapses[q.name].append(syn)
        self.rows[q.name].setdefault((0, source), []).append(syn)

    def tick_projection(self, q, m, T, life):
        synapses = self.synapses[q.name]
        of = {}
        for syn in synapses:
            of.setdefault(syn["post"], []).append(syn)
        if "STDP" in m:
            keep = math.exp(-T / m["STDP"].evidence_tau)
            scale = m["STDP"].period / self.s.tick_spike / m["STDP"].reference()
            plasticity = self.signals[q.target.name].get("plasticity", np.ones(q.target.n))
            for syn in synapses:
                syn["accumulator"] *= plasticity[syn["post"]]
                syn["evidence"] = syn["evidence"] * keep + (1 - keep) * syn["accumulator"] * scale
                syn["accumulator"] = 0.0
            for group in of.values():
                mean = math.fsum(s["evidence"] for s in group) / len(group)
                for s in group:
                    s["drive_evidence"] = m["STDP"].gain * min(max(s["evidence"] - mean, -2.0), 2.0)
        if "Neurotrophin" in m:
            n = m["Neurotrophin"]
            for group in of.values():
                total = math.fsum(math.exp(n.exponent * s["log_size"]) for s in group)
                for s in group:
                    share = n.feeds * math.exp(n.exponent * s["log_size"]) / total - 1
                    s["drive_trophic"] = n.gain * min(max(share, -n.clip), n.clip)
        dead = self.sizes(q, m["SpineSize"], T)
        births = self.births(q, m["Turnover"], of, T, life) if "Turnover" in m else []
        gone = [s["uid"] for s in self.gone[q.name]]
        for syn, cause in [(s, "neuron_death") for s in self.gone[q.name]] + dead:
            if cause == "neuron_death" or syn["uid"] not in gone:
                self.remove(q, syn, cause)
        mean = {}
        for j in {b[1] for b in births}:
            h = [s["evidence"] for s in synapses if s["post"] == j]
            mean[j] = math.fsum(h) / len(h) if h else 0.0
        for source, target, lane in births:
            syn = {"uid": self.next_uid, "pre": source, "post": target, "lane": lane,
                   "since": self.tick * self.s.tick_spike,
                   "log_size": m["SpineSize"].newborn, "evidence": mean[target], "accumulator": 0.0,
                   "drive_evidence": 0.0, "drive_trophic": 0.0, "size": 0.0, "weight": 0.0}  # fmt: skip
            if q.branches is not None:
                u = float(rng.uniform(rng.key(self.net.seed, q.name, "branch"), np.uint64(syn["uid"]), np.uint64(0)))
                syn["branch"] = math.floor(q.branches.per_neuron * u)
            self.next_uid += 1
            self.log.append((self.tick, "birth", syn["uid"], "turnover"))
            synapses.append(syn)
            self.rows[q.name].setdefault((lane, source), []).append(syn)
        scaling = self.signals[q.target.name].get("scaling")
        sp = q.spines
        for syn in synapses:
            syn["size"] = sp.volume * math.exp(syn["log_size"])
            gain = math.exp(scaling[syn["post"]]) if scaling is not None else 1.0
            silent = sp.volume * math.exp(sp.silent)
            syn["weight"] = sp.weight / sp.volume * max(0.0, syn["size"] - silent) * gain

    def sizes(self, q, m, T):
        keys = {k: rng.key(self.net.seed, q.name, k) for k in ("size", "death")}
        step, keep = np.uint64(self.tick), math.exp(-T / m.tau)
        dead = []
        for syn in self.synapses[q.name]:
            terms = {k[6:]: v for k, v in syn.items() if k.startswith("drive_")}
            mean = m.mean + m.sd * sum(terms.values())
            old, u = syn["log_size"], np.uint64(syn["uid"])
            new = mean + (old - mean) * keep + m.sd * math.sqrt(1 - keep**2) * float(rng.normal(keys["size"], u, step))
            syn["log_size"] = new
            p = 1.0
            if old > m.minimum and new > m.minimum:
                p = math.exp(-(old - m.minimum) * (new - m.minimum) * m.tau / (m.sd**2 * T))
            if float(rng.uniform(keys["death"], u, step)) < p:
                lowered = sum(terms.values()) < 0
                dead.append((syn, min(terms, key=terms.get) if lowered else "fluctuation"))
        return dead

    def births(self, q, m, of, T, life):
        key = rng.key(self.net.seed, q.name, "births")
        step = np.uint64(self.tick)
        affinity = q.wiring.affinity(q.source.positions, q.target.positions, q.source is q.target)
        signals = self.signals[q.target.name]
        n_lane = self.s.tables[q.name].n_lane
        out = []
        for j in range(q.target.n):
            if not self.ready(q.target, "synapses_from", j, life):
                continue
            mean = m.expected(life - T, life)
            if "maturity" in signals:
                since = signals["synapses_from"][j]
                mean = m.expected(max(life - T - since, 0.0), life - since) * signals["maturity"][j]
            u, n, p = float(rng.uniform(key, np.uint64(1024 * j), step)), 0, math.exp(-mean)
            total = p
            while u > total and n < 60:
                n += 1
                p *= mean / n
                total += p
            taken = {s["pre"] for s in of.get(j, [])}
            for b in range(n):
                free = [i for i in range(q.source.n) if i not in taken and affinity[j, i] > 0]
                free = [i for i in free if self.ready(q.source, "axon_from", i, life)]
                if not free:
                    break
                k = np.uint64(1024 * j + b + 1)
                left = float(rng.uniform(key, k, step)) * sum(affinity[j, i] for i in free)
                for i in free:  # noqa: B007
                    left -= affinity[j, i]
                    if left <= 0:
                        break
                taken.add(i)
                lane = min(int(float(rng.uniform(key ^ np.uint64(64), k, step)) * n_lane), n_lane - 1)
                out.append((i, j, lane))
        return out

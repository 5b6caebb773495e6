"""Spike-timing-dependent plasticity: it gathers evidence, or (without spines) changes weights.

Rules, all exact in continuous time (x: trace of arrivals at the synapse, y: trace of the target's spikes):

=========  ==============================================  =========================================
rule       at an arrival                                   at a spike
=========  ==============================================  =========================================
pair       - A- y                                          + A+ x
nearest    the same with saturating traces
triplet    - y1 (A2- + A3- x2)                             + x1 (A2+ + A3+ y2)
burst      + A y - B                                       + A x - C
=========  ==============================================  =========================================

With spines the changes add up in `accumulator`; at a tick they become *evidence*
``h <- h e^{-T/tau} + (1 - e^{-T/tau}) a / a_ref``, where a_ref is the accumulation of one coincident burst, and the
set-point of the size moves by ``gain clip(h - hbar)`` with hbar the target's mean (heterosynaptic depression).
Sources: pair Song 2000; triplet Pfister & Gerstner 2006; burst Butts, Kanold & Shatz 2007 (pbio.0050061), Gjorgjieva 2009.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from neurodev.jit import hook, kernel, prefetch, rule, view_f4, view_f8, view_i8, view_u4
from neurodev.mechanisms import base
from neurodev.mechanisms.base import I8, Hot, Mechanism, SynapseView, mean_per_target
from neurodev.params import param
from neurodev.units import day

# positions in the parameter vector
P_MODE, P_BOUNDS, P_MAX, P_POWER, P_A, P_B, P_C, P_D = range(8)
EVIDENCE, WEIGHT = 0, 1
HARD, MULTIPLICATIVE, POWER = 0, 1, 2


@rule
def bounded(w, dw, limit, kind, power):  # type: ignore[no-untyped-def]
    """Weight after a change `dw` (in units of `limit`): hard, multiplicative LTD, or Guetig's power law."""
    if kind == MULTIPLICATIVE:
        w = w + (dw * limit if dw > 0.0 else dw * w)
    elif kind == POWER:
        r = w / limit
        w = w + limit * dw * ((1.0 - r) ** power if dw > 0.0 else r**power)
    else:
        w = w + dw * limit
    return min(max(w, 0.0), limit)


@kernel
def change_row(record, first, last, constant, factor, trace):  # type: ignore[no-untyped-def]
    """Change the slots of one row by ``constant + factor * Y[target]``."""
    r = view_i8(record, base.RECORD_SIZE)
    p = view_f8(r[base.R_PARAMETERS], r[base.R_N_PARAMETER])
    capacity = r[base.R_CAPACITY]
    post = view_u4(r[base.R_POST], capacity)
    n_target = r[base.R_N_TARGET]
    y = view_f8(r[base.R_POST_TRACE] + 8 * trace * n_target, n_target)
    if p[P_MODE] == EVIDENCE:
        c = view_i8(r[base.R_COLUMNS], 1)[0]
        a = view_f8(r[base.R_F] + 8 * c * capacity, capacity)
        for s in range(first, last):
            a[s] += constant + factor * y[post[s]]
        return
    weight = view_f4(r[base.R_WEIGHT], capacity)
    limit = p[P_MAX]
    if p[P_BOUNDS] == HARD:
        for s in range(first, last):
            w = weight[s] + limit * (constant + factor * y[post[s]])
            weight[s] = np.float32(min(max(w, 0.0), limit))
        return
    kind, power = np.int64(p[P_BOUNDS]), p[P_POWER]
    for s in range(first, last):
        dw = constant + factor * y[post[s]]
        weight[s] = np.float32(bounded(np.float64(weight[s]), dw, limit, kind, power))


@kernel
def change_inputs(record, j, constant, factor, trace):  # type: ignore[no-untyped-def]
    """Change all inputs of target `j` by ``constant + factor * X[row]``; slots are prefetched 32 ahead."""
    r = view_i8(record, base.RECORD_SIZE)
    p = view_f8(r[base.R_PARAMETERS], r[base.R_N_PARAMETER])
    capacity, n_target, n_in = r[base.R_CAPACITY], r[base.R_N_TARGET], r[base.R_N_IN]
    begin = view_i8(r[base.R_IN_START], n_target)[j]
    end = begin + np.int64(view_u4(r[base.R_IN_LENGTH], n_target)[j])
    slot, row = view_u4(r[base.R_IN_SLOT], n_in), view_u4(r[base.R_IN_ROW], n_in)
    n_row = r[base.R_N_ROW]
    x = view_f8(r[base.R_PRE_TRACE] + 8 * trace * n_row, n_row)
    if p[P_MODE] == EVIDENCE:
        c = view_i8(r[base.R_COLUMNS], 1)[0]
        a = view_f8(r[base.R_F] + 8 * c * capacity, capacity)
        for k in range(begin, end):
            if k + 32 < end:
                prefetch(a, np.int64(slot[k + 32]))
            a[slot[k]] += constant + factor * x[row[k]]
        return
    weight = view_f4(r[base.R_WEIGHT], capacity)
    limit, kind, power = p[P_MAX], np.int64(p[P_BOUNDS]), p[P_POWER]
    if kind == HARD:
        for k in range(begin, end):
            if k + 32 < end:
                prefetch(weight, np.int64(slot[k + 32]))
            w = weight[slot[k]] + limit * (constant + factor * x[row[k]])
            weight[slot[k]] = np.float32(min(max(w, 0.0), limit))
        return
    for k in range(begin, end):
        if k + 32 < end:
            prefetch(weight, np.int64(slot[k + 32]))
        s = slot[k]
        weight[s] = np.float32(bounded(np.float64(weight[s]), constant + factor * x[row[k]], limit, kind, power))


@rule
def growth(record, trace, t):  # type: ignore[no-untyped-def]
    """Factor between trace number `trace` (pre traces first) and its rescaled value at `t`."""
    r = view_i8(record, base.RECORD_SIZE)
    n = r[base.R_N_PRE_TRACE] + r[base.R_N_POST_TRACE]
    return np.exp((t - view_f8(r[base.R_BASE], n)[trace]) / view_f8(r[base.R_TAU], n)[trace])


@rule
def parameter(record, k):  # type: ignore[no-untyped-def]
    """Entry `k` of the parameter vector."""
    r = view_i8(record, base.RECORD_SIZE)
    return view_f8(r[base.R_PARAMETERS], r[base.R_N_PARAMETER])[k]


@rule
def raise_pre(record, source, lane, trace, g, saturating):  # type: ignore[no-untyped-def]
    """An arrival raises pre trace `trace` of (source, lane) by one, or to one."""
    r = view_i8(record, base.RECORD_SIZE)
    n_row = r[base.R_N_ROW]
    x = view_f8(r[base.R_PRE_TRACE] + 8 * trace * n_row, n_row)
    row = lane * r[base.R_N_SOURCE] + source
    x[row] = g if saturating else x[row] + g


@rule
def raise_post(record, j, trace, g, saturating):  # type: ignore[no-untyped-def]
    """A spike raises post trace `trace` of target `j` by one, or to one."""
    r = view_i8(record, base.RECORD_SIZE)
    n_target = r[base.R_N_TARGET]
    y = view_f8(r[base.R_POST_TRACE] + 8 * trace * n_target, n_target)
    y[j] = g if saturating else y[j] + g


@rule
def pre_value(record, source, lane, trace):  # type: ignore[no-untyped-def]
    """Rescaled pre trace of (source, lane)."""
    r = view_i8(record, base.RECORD_SIZE)
    n_row = r[base.R_N_ROW]
    return view_f8(r[base.R_PRE_TRACE] + 8 * trace * n_row, n_row)[lane * r[base.R_N_SOURCE] + source]


@rule
def post_value(record, j, trace):  # type: ignore[no-untyped-def]
    """Rescaled post trace of target `j`."""
    r = view_i8(record, base.RECORD_SIZE)
    n_target = r[base.R_N_TARGET]
    return view_f8(r[base.R_POST_TRACE] + 8 * trace * n_target, n_target)[j]


# Traces: pair, nearest and burst have x = 0 (pre), y = 1 (post 0); triplet x1, x2 = 0, 1 and y1, y2 = 2, 3.


@hook
def pair_pre(record, source, lane, first, last, t):  # type: ignore[no-untyped-def]
    """Depression at an arrival."""
    change_row(record, first, last, 0.0, -parameter(record, P_B) / growth(record, 1, t), 0)
    raise_pre(record, source, lane, 0, growth(record, 0, t), False)


@hook
def pair_post(record, j, b, c, d, t):  # type: ignore[no-untyped-def]
    """Potentiation at a spike."""
    change_inputs(record, j, 0.0, parameter(record, P_A) / growth(record, 0, t), 0)
    raise_post(record, j, 0, growth(record, 1, t), False)


@hook
def nearest_pre(record, source, lane, first, last, t):  # type: ignore[no-untyped-def]
    """Depression by the nearest spike."""
    change_row(record, first, last, 0.0, -parameter(record, P_B) / growth(record, 1, t), 0)
    raise_pre(record, source, lane, 0, growth(record, 0, t), True)


@hook
def nearest_post(record, j, b, c, d, t):  # type: ignore[no-untyped-def]
    """Potentiation by the nearest arrival."""
    change_inputs(record, j, 0.0, parameter(record, P_A) / growth(record, 0, t), 0)
    raise_post(record, j, 0, growth(record, 1, t), True)


@hook
def triplet_pre(record, source, lane, first, last, t):  # type: ignore[no-untyped-def]
    """Depression at an arrival, modulated by the slow pre trace before it rises."""
    g2 = growth(record, 1, t)
    amplitude = parameter(record, P_B) + parameter(record, P_D) * pre_value(record, source, lane, 1) / g2
    change_row(record, first, last, 0.0, -amplitude / growth(record, 2, t), 0)
    raise_pre(record, source, lane, 0, growth(record, 0, t), False)
    raise_pre(record, source, lane, 1, g2, False)


@hook
def triplet_post(record, j, b, c, d, t):  # type: ignore[no-untyped-def]
    """Potentiation at a spike, modulated by the slow post trace before it rises."""
    g2 = growth(record, 3, t)
    amplitude = parameter(record, P_A) + parameter(record, P_C) * post_value(record, j, 1) / g2
    change_inputs(record, j, 0.0, amplitude / growth(record, 0, t), 0)
    raise_post(record, j, 0, growth(record, 2, t), False)
    raise_post(record, j, 1, g2, False)


@hook
def burst_pre(record, source, lane, first, last, t):  # type: ignore[no-untyped-def]
    """Coincidence minus a constant at an arrival."""
    change_row(record, first, last, -parameter(record, P_B), parameter(record, P_A) / growth(record, 1, t), 0)
    raise_pre(record, source, lane, 0, growth(record, 0, t), False)


@hook
def burst_post(record, j, b, c, d, t):  # type: ignore[no-untyped-def]
    """Coincidence minus a constant at a spike."""
    change_inputs(record, j, -parameter(record, P_C), parameter(record, P_A) / growth(record, 0, t), 0)
    raise_post(record, j, 0, growth(record, 1, t), False)


@kernel
def update_evidence(slots, accumulator, evidence, keep, scale):  # type: ignore[no-untyped-def]
    """Low-pass the accumulated changes into evidence, and clear them."""
    for k in range(slots.shape[0]):
        s = slots[k]
        evidence[s] = evidence[s] * keep + (1.0 - keep) * (accumulator[s] * scale)
        accumulator[s] = 0.0


@kernel
def evidence_drive(slots, post, evidence, mean, gain, clip, out):  # type: ignore[no-untyped-def]
    """Write ``gain clip(h - mean of the target)``."""
    for k in range(slots.shape[0]):
        s = slots[k]
        out[s] = gain * min(max(evidence[s] - mean[post[s]], -clip), clip)


_HOOKS = {
    "pair": (pair_pre, pair_post),
    "nearest": (nearest_pre, nearest_post),
    "triplet": (triplet_pre, triplet_post),
    "burst": (burst_pre, burst_post),
}


@dataclass(frozen=True)
class STDP(Mechanism):
    """Spike-timing-dependent plasticity.

    Parameters
    ----------
    rule : {"pair", "nearest", "triplet", "burst"}
    potentiation, depression : float
        A+ and A- (pair, nearest); A2+ and A2- (triplet); in units of the largest weight where there are no spines.
    triplet_potentiation, triplet_depression : float
        A3+ and A3-.
    tau_plus, tau_minus, tau_x, tau_y : float, ms (spike)
        Traces of the pair and triplet rules.
    burst_tau : float, ms (spike);  burst_gain : float
        Symmetric trace and A of the burst rule.
    burst_loss : float, optional
        B = C; by default ``A tau r D / period``: the same bursts at independent times give no mean drift.
    reference_hz, reference_burst, period : float
        The coincident burst of a_ref: rate, duration (ms), and one per `period` ms of spike time.
    evidence_tau : float, ms (life);  gain, clip : float
        tau_h, kH and the bound of abs(h - hbar).
    heterosynaptic : bool
        Subtract the target's mean evidence.
    newborn : {"mean", "zero"}
        Evidence of a newborn.
    bounds : {"hard", "multiplicative", "power"};  weight_max : float, mV;  power : float
        Without spines: bounds of the weight.
    """

    rule: str = param("pair", choices=("pair", "nearest", "triplet", "burst"), source="model.md, section 4")
    potentiation: Any = param(None, unit="1", none=True, source="Song 2000: .005; triplet 5e-10 (Pfister 2006)")
    depression: Any = param(None, unit="1", none=True, source="Song 2000: .00525; triplet 7e-3 (Pfister 2006)")
    triplet_potentiation: float = param(6.2e-3, unit="1", source="Pfister & Gerstner 2006, visual cortex, all-to-all")
    triplet_depression: float = param(2.3e-4, unit="1", source="Pfister & Gerstner 2006, visual cortex, all-to-all")
    tau_plus: Any = param(None, unit="ms", clock="spike", above=0.0, none=True, source="Song 2000: 20; triplet 16.8")
    tau_minus: Any = param(None, unit="ms", clock="spike", above=0.0, none=True, source="Song 2000: 20; triplet 33.7")
    tau_x: float = param(101.0, unit="ms", clock="spike", above=0.0, source="Pfister & Gerstner 2006")
    tau_y: float = param(125.0, unit="ms", clock="spike", above=0.0, source="Pfister & Gerstner 2006 (recalled)")
    burst_tau: float = param(400.0, unit="ms", clock="spike", above=0.0, source="default study, section 2")
    burst_gain: float = param(1.0, unit="1", low=0.0, source="default study, section 2")
    burst_loss: Any = param(None, unit="1", none=True, low=0.0, source="default study, section 1 (4)")
    reference_hz: float = param(25.0, unit="Hz", clock="spike", above=0.0, source="default study, section 2")
    reference_burst: float = param(1000.0, unit="ms", clock="spike", above=0.0, source="default study, section 2")
    period: float = param(60_000.0, unit="ms", clock="spike", above=0.0, source="default study, section 2")
    evidence_tau: float = param(1 * day, unit="ms", clock="life", above=0.0, source="default study, section 2")
    gain: float = param(4.0, unit="1", low=0.0, source="default study, section 1 (2)")
    clip: float = param(2.0, unit="1", above=0.0, source="model.md, section 3 (2)")
    heterosynaptic: bool = param(True, source="off switch")
    newborn: str = param("mean", choices=("mean", "zero"), source="default study, section 1 (3)")
    bounds: str = param("hard", choices=("hard", "multiplicative", "power"), source="science.md, section 1.13")
    weight_max: float = param(1.0, unit="mV", above=0.0, source="free")
    power: float = param(1.0, unit="1", low=0.0, source="Guetig 2003")

    equation: ClassVar[str] = "pair: dw = A+ exp(-dt/tau+), -A- exp(dt/tau-);  burst: +A y - B at arrivals, +A x - C at spikes"
    owns: ClassVar[tuple[str, ...]] = ("evidence", "accumulator")
    adds: ClassVar[tuple[str, ...]] = ("drive_evidence",)

    def value(self, name: str) -> float:
        """A constant of the rule, with the rule's own default where none was given."""
        triplet = self.rule == "triplet"
        default = {
            "potentiation": 5e-10 if triplet else 5e-3, "depression": 7e-3 if triplet else 5.25e-3,
            "tau_plus": 16.8 if triplet else 20.0, "tau_minus": 33.7 if triplet else 20.0,
            "burst_loss": self.burst_gain * self.burst_tau * self.reference_hz * self.reference_burst / 1e3 / self.period,
        }  # fmt: skip
        given = getattr(self, name)
        return float(default[name] if given is None else given)

    def reference(self) -> float:
        """a_ref: what one coincident burst of independent Poisson trains accumulates (its potentiation, for pair rules)."""
        r, d = self.reference_hz / 1e3, self.reference_burst
        if self.rule == "burst":
            tau = self.burst_tau
            both = 2.0 * tau * (d - tau * -np.expm1(-d / tau))
            return float(self.burst_gain * r * r * both - 2.0 * self.value("burst_loss") * r * d)
        tau = self.value("tau_plus")
        a = self.value("potentiation")
        if self.rule == "triplet":
            a += self.triplet_potentiation * r * self.tau_y
        return float(a * r * r * tau * (d - tau * -np.expm1(-d / tau)))

    def columns(self) -> dict[str, float]:
        """Evidence, its accumulator, and the drive it adds to."""
        return {"accumulator": 0.0, "evidence": 0.0, "drive_evidence": 0.0}

    def fastest_life_time(self) -> float:
        """Of the evidence."""
        return self.evidence_tau

    def hot(self, columns: frozenset[str]) -> Hot:
        """Hooks of the rule; to evidence where spines have sizes, else to the weight."""
        mode = EVIDENCE if "log_size" in columns else WEIGHT
        kind = ("hard", "multiplicative", "power").index(self.bounds)
        head = (float(mode), float(kind), self.weight_max, self.power)
        pre, post = _HOOKS[self.rule]
        if self.rule == "burst":
            loss = self.value("burst_loss")
            tail: tuple[float, ...] = (self.burst_gain, loss, loss, 0.0)
            traces: tuple[tuple[float, ...], tuple[float, ...]] = ((self.burst_tau,), (self.burst_tau,))
        elif self.rule == "triplet":
            tail = (
                self.value("potentiation"), self.value("depression"), self.triplet_potentiation, self.triplet_depression
            )  # fmt: skip
            traces = ((self.value("tau_plus"), self.tau_x), (self.value("tau_minus"), self.tau_y))
        else:
            tail = (self.value("potentiation"), self.value("depression"), 0.0, 0.0)
            traces = ((self.value("tau_plus"),), (self.value("tau_minus"),))
        return Hot(pre, post, head + tail, ("accumulator",), *traces)

    def signals(self, view: SynapseView) -> None:
        """Turn the tick's accumulation into evidence per reference period."""
        t, c = view.table, view.clock
        if "log_size" not in t.column_names:
            return
        keep = np.exp(-c.tick_life / self.evidence_tau)
        scale = self.period / c.tick_spike / self.reference()
        update_evidence(view.slots(), t.column("accumulator"), t.column("evidence"), keep, scale)

    def add(self, view: SynapseView) -> None:
        """Move the set-point by the evidence against the target's mean."""
        t = view.table
        if "log_size" not in t.column_names:
            return
        slots = view.slots()
        mean = mean_per_target(view, "evidence", slots)[0] if self.heterosynaptic else np.zeros(t.n_target)
        evidence_drive(slots, t.post, t.column("evidence"), mean, self.gain, self.clip, t.column("drive_evidence"))

    def born(self, view: SynapseView, slots: I8) -> None:
        """A newborn starts with the mean evidence of its target's other synapses."""
        t = view.table
        if self.newborn == "zero" or "log_size" not in t.column_names:
            return
        total, count = mean_per_target(view, "evidence", view.slots())
        total = total * count  # newborns hold 0 so far: only the count must leave them out
        others = count - np.bincount(t.post[slots], minlength=t.n_target)
        t.column("evidence")[slots] = (total / np.maximum(others, 1))[t.post[slots]]


def drift(stdp: STDP, pre_hz: float, post_hz: float) -> float:
    """Mean change per second for independent Poisson trains (EX-46 to EX-48, and the burst rule's closed form)."""
    x, y = pre_hz / 1e3, post_hz / 1e3
    if stdp.rule == "burst":
        loss = stdp.value("burst_loss")
        return 1e3 * (2.0 * stdp.burst_gain * x * y * stdp.burst_tau - loss * (x + y))
    tp, tm = stdp.value("tau_plus"), stdp.value("tau_minus")
    ap, am = stdp.value("potentiation"), stdp.value("depression")
    if stdp.rule == "nearest":
        return 1e3 * x * y * (ap * tp / (1.0 + x * tp) - am * tm / (1.0 + y * tm))
    if stdp.rule == "triplet":
        up = ap * tp + stdp.triplet_potentiation * tp * stdp.tau_y * y
        return 1e3 * x * y * (up - am * tm - stdp.triplet_depression * tm * stdp.tau_x * x)
    return 1e3 * x * y * (ap * tp - am * tm)

"""Leaky neurons with alpha-shaped synaptic currents, exact.

    tau dV/dt = rest + drive - V + (tau / C) (I_e + I_i),     I(s) = w (e s / tau_s) exp(-s / tau_s) after an arrival

so that w (pA) is the peak of the current, reached after tau_s.  Between events a current over C is
``(i + j s) exp(-l s)`` with l = 1 / tau_s, and with r = 1 / tau and x = V - V_inf

    x(s) = exp(-r s) (x + sum_k i_k phi_1(l_k - r, s) + j_k phi_2(l_k - r, s))
    phi_n(d, s) = int_0^s y^(n-1) exp(-d y) dy

which is EX-31i of the reference, stable for equal time constants.  Crossings are found without sampling:
``exp(r s) (x(s) - threshold)`` is monotone between two zeros of

    h(s) = sum_k (i_k + j_k s) exp(-l_k s) - r threshold

and the zeros of h are isolated by annihilation: d/ds takes the constant away, (d/ds + l_k) twice takes the current k
away, what is left has the same form, and between the zeros of a level the one above it is monotone (up to its
exponential).  The last level is a single exponential, which has no zero.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from neurodev.arrays import F8, Int
from neurodev.jit import kernel, model_rule, rule, view2_f8, view_f8
from neurodev.neurons.current import CLOSE, response
from neurodev.neurons.leaky import check_levels, with_initial
from neurodev.neurons.model import Column, Input, NeuronModel, Rules
from neurodev.neurons.rules import (
    block_end,
    cells_of,
    classes_of,
    is_free,
    kinds_of,
    model_of,
    schedule,
    unschedule,
)
from neurodev.params import check, param

V, FLOW, T = 1, 2, 6  # columns of a neuron: mV; i and j of excitation, then of inhibition, over C; ms
R, V_INF, THRESHOLD, RESET, RATES, JUMPS = 0, 1, 2, 3, 4, 6  # columns of the table of classes
N_LEVEL = 5  # h, without its constant, then without each of four terms
ZEROS, FOUND = N_LEVEL, N_LEVEL + 1  # rows of the scratch
SCRATCH = (N_LEVEL + 2, N_LEVEL)


@rule
def response_2(r: float, rate: float, s: float) -> float:
    """``exp(-r s) phi_2(rate - r, s)``: by its series where the closed form cancels; never overflows."""
    d = rate - r
    z = d * s
    if abs(z) > 0.5:
        return (np.exp(-r * s) - np.exp(-rate * s) * (1.0 + z)) / (d * d)  # type: ignore[no-any-return]
    term, area = 1.0, 0.5
    for n in range(1, 14):  # the next term is below 1e-16 of the first
        term *= -z / n
        area += term / (n + 2)
    return np.exp(-r * s) * s * s * area  # type: ignore[no-any-return]


@rule
def current_at(x: F8, c: F8, s: float) -> float:
    """Total current over C (mV/ms), `s` ms on."""
    return (x[FLOW] + x[FLOW + 1] * s) * np.exp(-c[RATES] * s) + (x[FLOW + 2] + x[FLOW + 3] * s) * np.exp(  # type: ignore[no-any-return]
        -c[RATES + 1] * s
    )


@kernel
def above_rest(x: F8, c: F8, s: float) -> float:
    """V - V_inf, `s` ms after the neuron stood at `x`."""
    r = c[R]
    out = (x[V] - c[V_INF]) * np.exp(-r * s)
    for k in range(2):
        i, j = x[FLOW + 2 * k], x[FLOW + 2 * k + 1]
        if i != 0.0 or j != 0.0:
            out += i * response(r, c[RATES + k], s) + j * response_2(r, c[RATES + k], s)
    return out  # type: ignore[no-any-return]


@kernel
def level(levels: F8, d: int, l1: float, l2: float, s: float) -> float:
    """The sum after `d` annihilations at `s`: ``c + (i + j s) exp(-l1 s) + (i + j s) exp(-l2 s)``."""
    a = levels[d]
    return a[0] + (a[1] + a[2] * s) * np.exp(-l1 * s) + (a[3] + a[4] * s) * np.exp(-l2 * s)  # type: ignore[no-any-return]


@kernel
def make_levels(x: F8, c: F8, levels: F8) -> None:
    """The coefficients of h and of what annihilation leaves of it."""
    l1, l2 = c[RATES], c[RATES + 1]
    levels[0, 0] = -c[R] * c[THRESHOLD]
    for k in range(4):
        levels[0, 1 + k] = x[FLOW + k]
    for d in range(1, N_LEVEL):
        gone = 0.0 if d == 1 else l1 if d < 4 else l2
        a, b = levels[d - 1], levels[d]
        b[0] = 0.0
        b[1], b[2] = a[2] + (gone - l1) * a[1], (gone - l1) * a[2]
        b[3], b[4] = a[4] + (gone - l2) * a[3], (gone - l2) * a[4]


@kernel
def zero_between(levels: F8, d: int, l1: float, l2: float, low: float, high: float) -> float:
    """The only zero of a level in [low, high]: regula falsi of Illinois, kept within its bracket."""
    at_low, at_high = level(levels, d, l1, l2, low), level(levels, d, l1, l2, high)
    side = 0
    for k in range(200):
        s = high - at_high * (high - low) / (at_high - at_low) if k % 4 < 3 else 0.5 * (low + high)
        if not (low <= s <= high):
            s = 0.5 * (low + high)
        here = level(levels, d, l1, l2, s)
        if here == 0.0:
            return s
        if (here < 0.0) == (at_low < 0.0):
            low, at_low = s, here
            if side == 1:
                at_high *= 0.5
            side = 1
        else:
            high, at_high = s, here
            if side == 2:
                at_low *= 0.5
            side = 2
        if high - low < CLOSE:
            break
    return 0.5 * (low + high)


@kernel
def turning_points(x: F8, c: F8, horizon: float, scratch: F8) -> int:
    """The zeros of h in (0, horizon), ascending, into row ZEROS of the scratch; returns how many."""
    levels, zeros, found = scratch[:N_LEVEL], scratch[ZEROS], scratch[FOUND]
    l1, l2 = c[RATES], c[RATES + 1]
    make_levels(x, c, levels)
    number = 0
    for d in range(N_LEVEL - 1, -1, -1):
        fresh, low = 0, 0.0
        before = level(levels, d, l1, l2, 0.0)
        for k in range(number + 1):
            high = zeros[k] if k < number else horizon
            after = level(levels, d, l1, l2, high)
            if before * after < 0.0:
                found[fresh] = zero_between(levels, d, l1, l2, low, high)
                fresh += 1
            low, before = high, after
        for k in range(fresh):
            zeros[k] = found[k]
        number = fresh
    return number


@kernel
def upward(x: F8, c: F8, low: float, high: float) -> float:
    """Time in [low, high] at which V rises through the threshold: Newton, kept within its bracket."""
    s = low
    for _ in range(200):
        here = above_rest(x, c, s)
        if here < c[THRESHOLD]:
            low = s
        else:
            high = s
        steep = current_at(x, c, s) - c[R] * here
        new = s - (here - c[THRESHOLD]) / steep if steep > 0.0 else high + 1.0
        if not (low <= new <= high):
            new = 0.5 * (low + high)
        step = abs(new - s)
        s = new
        if step < CLOSE:
            break
    return s


@kernel
def first_crossing(x: F8, c: F8, horizon: float, scratch: F8) -> float:
    """First time (ms) within `horizon` at which V reaches the threshold; -1 if it does not.

    x : state of a neuron from column 0 on;  c : its class;  scratch : SCRATCH
    """
    if x[V] - c[V_INF] >= c[THRESHOLD]:
        return 0.0
    number = turning_points(x, c, horizon, scratch)
    low = 0.0
    for k in range(number + 1):
        high = scratch[ZEROS, k] if k < number else horizon
        if above_rest(x, c, high) >= c[THRESHOLD]:
            return upward(x, c, low, high)
        low = high
    return -1.0


@rule
def decay(x: F8, c: F8, t: float) -> None:
    """Bring the currents to `t`."""
    s = t - x[T]
    for k in range(2):
        fade, at = np.exp(-c[RATES + k] * s), FLOW + 2 * k
        x[at], x[at + 1] = (x[at] + x[at + 1] * s) * fade, x[at + 1] * fade
    x[T] = t


@kernel
def advance(m: int, i: Int, t: float) -> None:
    """Bring neuron `i` to `t`; its potential stands still while it is not free."""
    x, c = cells_of(m)[i], classes_of(m)[kinds_of(m)[i]]
    if t == x[T]:
        return
    if is_free(m, i):
        x[V] = c[V_INF] + above_rest(x, c, t - x[T])
    decay(x, c, t)


@model_rule
def receive(m: int, i: Int, q: Int, k: Int, weight: float, t: float) -> int:
    """The slope of a current jumps; the sign chooses which."""
    advance(m, i, t)
    channel = 0 if weight > 0.0 else 1
    cells_of(m)[i, FLOW + 2 * channel + 1] += weight * classes_of(m)[kinds_of(m)[i], JUMPS + channel]
    return 0


@kernel
def predict_one(m: int, i: Int, t: float) -> None:
    """Note the crossing of neuron `i` if there is one within the block."""
    advance(m, i, t)
    unschedule(m, i)
    x, c = cells_of(m)[i], classes_of(m)[kinds_of(m)[i]]
    if not is_free(m, i) or c[THRESHOLD] == np.inf:
        return
    left, v = block_end(m) - t, x[V] - c[V_INF]
    push = 0.0
    for k in range(4):
        push += max(x[FLOW + k], 0.0) * (1.0 if k % 2 == 0 else 0.5 * left)
    # a bound: each current does at most what it would do if nothing of it or by it decayed
    if max(v, v * np.exp(-c[R] * left)) + left * push < c[THRESHOLD]:
        return
    after = first_crossing(x, c, left, view2_f8(model_of(m).scratch, SCRATCH[0], SCRATCH[1]))
    if after >= 0.0:
        schedule(m, i, t + after)


@model_rule
def predict(m: int, first: Int, last: Int, unused: int, none: float, t: float) -> int:
    """Find the crossings in the block."""
    for i in range(first, last):
        predict_one(m, i, t)
    return 0


@model_rule
def event(m: int, i: Int, b: int, c: int, none: float, t: float) -> int:
    """A crossing is a spike."""
    if not is_free(m, i):
        return 0
    advance(m, i, t)
    cells_of(m)[i, V] = classes_of(m)[kinds_of(m)[i], RESET]
    return 1


@model_rule
def reset(m: int, i: Int, b: int, c: int, none: float, t: float) -> int:
    """V = V_reset; currents go on."""
    x, p = cells_of(m)[i], classes_of(m)[kinds_of(m)[i]]
    decay(x, p, t)
    x[V] = p[RESET]
    return 0


@model_rule
def potential(m: int, first: Int, last: Int, where: int, none: float, t: float) -> int:
    """V as it is at `t`; nothing is changed."""
    out = view_f8(where, last - first)
    for i in range(first, last):
        x, c = cells_of(m)[i], classes_of(m)[kinds_of(m)[i]]
        out[i - first] = c[V_INF] + above_rest(x, c, t - x[T]) if is_free(m, i) else c[RESET]
    return 0


@dataclass(frozen=True)
class AlphaLIF(NeuronModel):
    """Leaky integrate-and-fire neurons with alpha-shaped synaptic currents, exact.

    Each parameter is a number or one number per neuron; weights (pA) are the peaks of the currents.

    Parameters
    ----------
    tau : float or (n,) array, ms
        Membrane time constant; ``inf`` means no leak (then rest and drive have no effect on V).
    threshold, reset, rest : float or (n,) array, mV
        Spike when V >= threshold (``inf``: the cell never fires); V after a spike; V without input.
    refractory : float or (n,) array, ms
        V stands at `reset` for so long; currents go on.
    drive : float or (n,) array, mV
        Steady depolarisation R I of a constant current.
    initial : float or (n,) array, mV, optional
        V at time 0; rest (or reset, where rest is above threshold) if not given.
    tau_excitatory, tau_inhibitory : float or (n,) array, ms
        A current peaks so long after its arrival.
    initial_excitatory, initial_inhibitory : float or (n,) array, pA
        Synaptic currents at time 0 (signed), which only decay.
    capacitance : float or (n,) array, pF

    Examples
    --------
    >>> AlphaLIF(tau_excitatory=0.5).weight_unit
    'pA'
    """

    drive_changes: ClassVar[bool] = True
    equation: ClassVar[str] = (
        "tau dV/dt = rest + drive - V + (tau / C) I;  an arrival adds w (e s / tau_s) exp(-s / tau_s) to I, with "
        "tau_excitatory or tau_inhibitory by the sign of w;  at threshold a spike, V = reset for the refractory period"
    )

    tau: Any = param(10.0, unit="ms", clock="spike", above=0.0, high=float("inf"), array=True, source="free")
    threshold: Any = param(15.0, unit="mV", high=float("inf"), array=True, source="free")
    reset: Any = param(0.0, unit="mV", array=True, source="free")
    rest: Any = param(0.0, unit="mV", array=True, source="convention")
    refractory: Any = param(2.0, unit="ms", clock="spike", low=0.0, array=True, source="Brunel 2000")
    drive: Any = param(0.0, unit="mV", array=True, source="free")
    initial: Any = param(None, unit="mV", array=True, none=True, source="free")
    tau_excitatory: Any = param(2.0, unit="ms", clock="spike", above=0.0, array=True, source="free")
    tau_inhibitory: Any = param(2.0, unit="ms", clock="spike", above=0.0, array=True, source="free")
    initial_excitatory: Any = param(0.0, unit="pA", array=True, source="free")
    initial_inhibitory: Any = param(0.0, unit="pA", array=True, source="free")
    capacitance: Any = param(250.0, unit="pF", above=0.0, array=True, source="free")

    @property
    def weight_unit(self) -> str:
        """Weights are peaks of currents."""
        return "pA"

    def __post_init__(self) -> None:
        check(self)
        check_levels(self)

    def expand(self, n: int, name: str) -> dict[str, F8]:
        """Every parameter as an (n,) array."""
        return with_initial(super().expand(n, name))

    def rules(self) -> Rules:
        """Its compiled rules."""
        return Rules(predict, event, reset, receive, potential=potential)

    def columns(self) -> tuple[Column, ...]:
        """V, both currents over C with their slopes, and the time of all these."""
        words = ("v", "excitation", "excitation_slope", "inhibition", "inhibition_slope")
        return (*(Column(w) for w in words), Column("t", None, True))

    def n_scratch(self) -> int:
        """Room to isolate the zeros of h."""
        return int(np.prod(SCRATCH))

    def start(self, values: dict[str, F8]) -> dict[str, F8]:
        """V and synaptic currents at the beginning."""
        c = values["capacitance"]
        return {
            "v": values["initial"],
            "excitation": values["initial_excitatory"] / c,
            "inhibition": values["initial_inhibitory"] / c,
        }

    def table(self, values: dict[str, F8], fastest: float) -> F8:
        """The columns at the top of the file."""
        q = values
        v_inf = np.where(np.isinf(q["tau"]), 0.0, q["rest"] + q["drive"])
        rates = [1.0 / q["tau_excitatory"], 1.0 / q["tau_inhibitory"]]
        jumps = [np.e * rate / q["capacitance"] for rate in rates]
        return np.column_stack([1.0 / q["tau"], v_inf, q["threshold"] - v_inf, q["reset"], *rates, *jumps])

    def mean_drive(self, n: int, name: str, inputs: Sequence[Input]) -> tuple[float, float]:
        """Mean and noise amplitude (mV, Brunel's sigma) that some inputs give a neuron.

        The square of the answer to one input, over all time, is that of ``1 / ((s + r) (s + l)^2)``.
        """
        p = {k: float(np.mean(v)) for k, v in self.expand(n, name).items()}
        mu, variance, r = p["drive"], 0.0, 1.0 / p["tau"]
        for given in inputs:
            rate = 1.0 / p["tau_excitatory" if given.weight > 0 else "tau_inhibitory"]
            start = given.weight * np.e * rate / p["capacitance"]
            mu += start / rate**2 * given.rate * p["tau"]
            square = (r + 2.0 * rate) / (4.0 * r * rate**3 * (r + rate) ** 2)
            variance += 2.0 * given.square * start**2 * square * given.rate
        return mu, float(np.sqrt(variance))

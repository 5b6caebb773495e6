"""Leaky neurons with exponential synaptic conductances, event-driven after Brette 2006 (Neural Comput 18:2004).

    tau dV/dt = rest + drive - V + (tau / C) (g_e (E_e - V) + g_i (E_i - V)),     dg_k/dt = -g_k / tau_k

With r = 1 / tau, G_k = g_k / C, y = V - V_inf and D_k = E_k - V_inf, and ``H(u) = int_u^s (r + G_e + G_i)``, which is
a sum of exponentials,

    y(s) = y(0) exp(-H(0)) + int_0^s (G_e(u) D_e + G_i(u) D_i) exp(-H(u)) du

For one time constant of both conductances the integral is Brette's difference of incomplete gamma functions (EX-32 of
the reference).  Here it is taken by Gauss's rule of 12 points on panels over which neither H nor a conductance changes
by more than a factor e: on the ellipse of Bernstein with parameter 6 the integrand is at most 350 times its value in
the middle, so that the rule leaves less than 4e-16 of the integral, which is its rounding.  This needs no equal time
constants, none shorter than that of the membrane, and does not cancel over short intervals.

The spike test is Brette's, for any time constants.  Where V crosses the threshold it rises, so that its slope there,

    F(s) = r (V_inf - threshold) + G_e(s) (E_e - threshold) + G_i(s) (E_i - threshold)

is positive; F has at most two zeros, and while F > 0 a potential that is above threshold cannot fall below it.  One
look at the end of each stretch with F > 0 therefore decides whether V crosses in it, and brackets the only crossing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from neurodev.arrays import F8, Int
from neurodev.jit import kernel, model_rule, rule, view_f8
from neurodev.neurons.current import CLOSE, turning
from neurodev.neurons.leaky import check_levels, with_initial
from neurodev.neurons.model import Column, NeuronModel, Rules
from neurodev.neurons.rules import block_end, cells_of, classes_of, is_free, kinds_of, schedule, unschedule
from neurodev.params import check, param

V, G, T = 1, 2, 4  # columns of a neuron: mV; both conductances over C, 1/ms; ms
R, V_INF, THRESHOLD, RESET, INVERSE, RATES, DRIVES = 0, 1, 2, 3, 4, 5, 7  # columns of the table of classes
NODES, WEIGHTS = (np.ascontiguousarray(a) for a in np.polynomial.legendre.leggauss(12))
FORGOTTEN = 50.0  # exp(-H) beyond which nothing is left of the past


@rule
def left_of(g: F8, c: F8, u: float, s: float) -> float:
    """H: the integral of all conductances from `u` to `s`, 1."""
    le, li = c[RATES], c[RATES + 1]
    excitation = g[0] / le * np.exp(-le * u) * -np.expm1(-le * (s - u))
    inhibition = g[1] / li * np.exp(-li * u) * -np.expm1(-li * (s - u))
    return c[R] * (s - u) + excitation + inhibition  # type: ignore[no-any-return]


@kernel
def above_rest(y: float, g: F8, c: F8, s: float) -> float:
    """V - V_inf, `s` ms after it was `y` with conductances `g`."""
    le, li, at, out = c[RATES], c[RATES + 1], s, 0.0
    shortest = np.inf
    if g[0] != 0.0:
        shortest = 1.0 / le
    if g[1] != 0.0:
        shortest = min(shortest, 1.0 / li)
    if shortest == np.inf:
        return y * np.exp(-c[R] * s)  # type: ignore[no-any-return]
    while at > 0.0:  # panels from the end on: nothing is left of what lies far before it
        total = g[0] * np.exp(-le * at) + g[1] * np.exp(-li * at)
        half = 0.5 * min(at, min(shortest, 1.0 / (c[R] + np.e * total)))
        part = 0.0
        for k in range(NODES.shape[0]):
            u = at - half + half * NODES[k]
            ge, gi = g[0] * np.exp(-le * u), g[1] * np.exp(-li * u)
            part += WEIGHTS[k] * (ge * c[DRIVES] + gi * c[DRIVES + 1]) * np.exp(-left_of(g, c, u, s))
        out += half * part
        at = at - 2.0 * half if at > 2.0 * half else 0.0
        if at > 0.0 and left_of(g, c, at, s) > FORGOTTEN:
            return out  # type: ignore[no-any-return]
    return out + y * np.exp(-left_of(g, c, 0.0, s))  # type: ignore[no-any-return]


@rule
def slope_at_threshold(g: F8, c: F8, s: float) -> float:
    """F: the slope of V where it meets the threshold at `s`, mV/ms."""
    gap, e, i = c[THRESHOLD], np.exp(-c[RATES] * s), np.exp(-c[RATES + 1] * s)
    return -c[R] * gap + g[0] * e * (c[DRIVES] - gap) + g[1] * i * (c[DRIVES + 1] - gap)  # type: ignore[no-any-return]


@kernel
def zero_of_slope(g: F8, c: F8, low: float, high: float) -> float:
    """The zero of F in [low, high], where it is monotone and changes sign: bisection."""
    rising = slope_at_threshold(g, c, low) < 0.0
    for _ in range(100):
        s = 0.5 * (low + high)
        if (slope_at_threshold(g, c, s) < 0.0) == rising:
            low = s
        else:
            high = s
        if high - low < CLOSE:
            break
    return 0.5 * (low + high)


@kernel
def upward(y: float, g: F8, c: F8, low: float, high: float) -> float:
    """Time in [low, high] at which V rises through the threshold: Newton, kept within its bracket."""
    s = low
    for _ in range(200):
        here = above_rest(y, g, c, s)
        if here < c[THRESHOLD]:
            low = s
        else:
            high = s
        ge, gi = g[0] * np.exp(-c[RATES] * s), g[1] * np.exp(-c[RATES + 1] * s)
        steep = -c[R] * here + ge * (c[DRIVES] - here) + gi * (c[DRIVES + 1] - here)
        new = s - (here - c[THRESHOLD]) / steep if steep > 0.0 else high + 1.0
        if not (low <= new <= high):
            new = 0.5 * (low + high)
        step = abs(new - s)
        s = new
        if step < CLOSE:
            break
    return s


@kernel
def first_crossing(y: float, g: F8, c: F8, horizon: float) -> float:
    """First time (ms) within `horizon` at which V reaches the threshold; -1 if it does not.

    y : V - V_inf, mV;  g : (2,) conductances over C, 1/ms;  c : class of the neuron
    """
    if y >= c[THRESHOLD]:
        return 0.0
    gap = c[THRESHOLD]
    turn = turning(g[0] * (c[DRIVES] - gap), g[1] * (c[DRIVES + 1] - gap), c[RATES], c[RATES + 1])
    low = 0.0
    while True:  # at most two stretches over which F is monotone
        high = turn if low < turn < horizon else horizon
        before, after = slope_at_threshold(g, c, low), slope_at_threshold(g, c, high)
        begin, top = low, high  # where F > 0
        if before * after < 0.0:
            zero = zero_of_slope(g, c, low, high)
            begin, top = (low, zero) if before > 0.0 else (zero, high)
        if (before > 0.0 or after > 0.0) and above_rest(y, g, c, top) >= gap:
            return upward(y, g, c, begin, top)
        low = high
        if high >= horizon:
            return -1.0


@rule
def decay(x: F8, c: F8, t: float) -> None:
    """Bring the conductances to `t`."""
    s = t - x[T]
    x[G] *= np.exp(-c[RATES] * s)
    x[G + 1] *= np.exp(-c[RATES + 1] * s)
    x[T] = t


@kernel
def advance(m: int, i: Int, t: float) -> None:
    """Bring neuron `i` to `t`; its potential stands still while it is not free."""
    x, c = cells_of(m)[i], classes_of(m)[kinds_of(m)[i]]
    if t == x[T]:
        return
    if is_free(m, i):
        x[V] = c[V_INF] + above_rest(x[V] - c[V_INF], x[G : G + 2], c, t - x[T])
    decay(x, c, t)


@model_rule
def receive(m: int, i: Int, q: Int, k: Int, weight: float, t: float) -> int:
    """A conductance jumps; the sign of the weight chooses which."""
    advance(m, i, t)
    cells_of(m)[i, G + (0 if weight > 0.0 else 1)] += abs(weight) * classes_of(m)[kinds_of(m)[i], INVERSE]
    return 0


@kernel
def predict_one(m: int, i: Int, t: float) -> None:
    """Note the crossing of neuron `i` if there is one within the block."""
    advance(m, i, t)
    unschedule(m, i)
    x, c = cells_of(m)[i], classes_of(m)[kinds_of(m)[i]]
    if not is_free(m, i) or c[THRESHOLD] == np.inf:
        return
    left, y = block_end(m) - t, x[V] - c[V_INF]
    # a bound: where V is above what it is now, no current is larger than now
    push = max(-c[R] * y, 0.0) + x[G] * max(c[DRIVES] - y, 0.0) + x[G + 1] * max(c[DRIVES + 1] - y, 0.0)
    if y + left * push < c[THRESHOLD]:
        return
    after = first_crossing(y, x[G : G + 2], c, left)
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
    """V = V_reset; conductances go on."""
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
        ahead = c[V_INF] + above_rest(x[V] - c[V_INF], x[G : G + 2], c, t - x[T]) if is_free(m, i) else c[RESET]
        out[i - first] = ahead
    return 0


@dataclass(frozen=True)
class ConductanceLIF(NeuronModel):
    """Leaky integrate-and-fire neurons with exponential synaptic conductances, exact to rounding.

    Each parameter is a number or one number per neuron; weights are conductances (nS).

    Parameters
    ----------
    tau : float or (n,) array, ms
        Membrane time constant; ``inf`` means no leak (then rest and drive have no effect on V).
    threshold, reset, rest : float or (n,) array, mV
        Spike when V >= threshold (``inf``: the cell never fires); V after a spike; V without input.
    refractory : float or (n,) array, ms
        V stands at `reset` for so long; conductances go on.
    drive : float or (n,) array, mV
        Steady depolarisation R I of a constant current.
    initial : float or (n,) array, mV, optional
        V at time 0; rest (or reset, where rest is above threshold) if not given.
    tau_excitatory, tau_inhibitory : float or (n,) array, ms
        Decay of the conductances; any values, at least .01 ms.
    reversal_excitatory, reversal_inhibitory : float or (n,) array, mV
        Where each conductance pulls V.
    initial_excitatory, initial_inhibitory : float or (n,) array, nS
        Conductances at time 0.
    capacitance : float or (n,) array, pF

    Examples
    --------
    >>> ConductanceLIF(reversal_inhibitory=-75.0).weight_unit
    'nS'
    """

    drive_changes: ClassVar[bool] = True
    equation: ClassVar[str] = (
        "tau dV/dt = rest + drive - V + (tau / C) (g_e (E_e - V) + g_i (E_i - V));  dg/dt = -g / tau_s;  an arrival "
        "adds its weight to g_e or, of an inhibitory source, to g_i;  at threshold a spike, V = reset for the "
        "refractory period"
    )

    tau: Any = param(
        20.0, unit="ms", clock="spike", above=0.0, high=float("inf"), array=True, source="Vogels & Abbott 2005"
    )
    threshold: Any = param(-50.0, unit="mV", high=float("inf"), array=True, source="Vogels & Abbott 2005")
    reset: Any = param(-60.0, unit="mV", array=True, source="Vogels & Abbott 2005")
    rest: Any = param(-60.0, unit="mV", array=True, source="Vogels & Abbott 2005")
    refractory: Any = param(5.0, unit="ms", clock="spike", low=0.0, array=True, source="Vogels & Abbott 2005")
    drive: Any = param(0.0, unit="mV", array=True, source="free")
    initial: Any = param(None, unit="mV", array=True, none=True, source="free")
    tau_excitatory: Any = param(5.0, unit="ms", clock="spike", low=0.01, array=True, source="Vogels & Abbott 2005")
    tau_inhibitory: Any = param(10.0, unit="ms", clock="spike", low=0.01, array=True, source="Vogels & Abbott 2005")
    reversal_excitatory: Any = param(0.0, unit="mV", array=True, source="Vogels & Abbott 2005")
    reversal_inhibitory: Any = param(-80.0, unit="mV", array=True, source="Vogels & Abbott 2005")
    initial_excitatory: Any = param(0.0, unit="nS", low=0.0, array=True, source="free")
    initial_inhibitory: Any = param(0.0, unit="nS", low=0.0, array=True, source="free")
    capacitance: Any = param(200.0, unit="pF", above=0.0, array=True, source="Vogels & Abbott 2005")

    @property
    def weight_unit(self) -> str:
        """Weights are conductances."""
        return "nS"

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
        """V, both conductances over C (1/ms), and the time of these."""
        return Column("v"), Column("excitation"), Column("inhibition"), Column("t", None, True)

    def start(self, values: dict[str, F8]) -> dict[str, F8]:
        """V and conductances at the beginning."""
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
        return np.column_stack(
            [
                1.0 / q["tau"], v_inf, q["threshold"] - v_inf, q["reset"], 1.0 / q["capacitance"],
                1.0 / q["tau_excitatory"], 1.0 / q["tau_inhibitory"], q["reversal_excitatory"] - v_inf,
                q["reversal_inhibitory"] - v_inf,
            ]
        )  # fmt: skip

"""The generalised leaky integrate-and-fire neuron: a threshold and currents that its own spikes move, exact.

    tau dV/dt = rest + drive - V + (tau / C) (I_1 + I_2 + synaptic currents),     spike when V >= threshold + Theta
    dI_k/dt = -I_k / tau_k,     dTheta/dt = -Theta / tau_threshold
    at a spike:  I_k -> share_k I_k + current_k,  Theta -> Theta + threshold_jump,  V -> reset + reset_share (V - rest)

Mihalas & Niebur 2009 (Neural Comput 21:704) with a = 0, which are the levels 1 to 4 of Teeter et al. 2018 (Nat Commun
9:709); a threshold that follows the potential (a > 0, level 5) is left out.  V stands still during refractoriness,
while currents and Theta go on from the spike on.

Crossings are found as those of a fixed threshold: the distance ``D = V - Theta`` is itself the potential of a leaky
membrane, ``D' = -D / tau + ... + (1 / tau_threshold - 1 / tau) Theta``, driven by one exponential more, so that
`expsum.py` isolates its turning points without sampling, also where time constants are equal.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from neurodev.arrays import F8, Int
from neurodev.errors import ParameterError
from neurodev.jit import kernel, model_rule, rule, view2_f8, view_f8
from neurodev.neurons.door import LARGEST
from neurodev.neurons.expsum import SCRATCH, WIDTH, first_crossing_of_sum, value_of_sum
from neurodev.neurons.model import Column, Membrane, NeuronModel, Rules
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

# columns of a neuron after that of its event: mV; four currents over C, mV/ms; Theta, mV; ms; 1 from a spike to its end
V, CURRENTS, THETA, T, HELD = 1, 2, 6, 7, 8
N_CURRENT = 4  # two of synapses, two of spikes
N_TERM = N_CURRENT + 1  # what drives D: the currents and Theta
# columns of the table of classes; the last are the rates of the terms
R, V_INF, THRESHOLD, RESET, RESET_SHARE, REST, INVERSE, JUMP, SHARE, CURRENT = *range(9), 10
SYNAPTIC, RATES = 12, 13


@rule
def terms_of(m: int) -> F8:
    """Room for the currents that drive D."""
    return view2_f8(model_of(m).scratch, SCRATCH[0], SCRATCH[1])[WIDTH + 3]  # type: ignore[no-any-return]


@kernel
def fill_terms(m: int, i: Int, terms: F8) -> None:
    """The terms of neuron `i` as it stands."""
    x, c = cells_of(m)[i], classes_of(m)[kinds_of(m)[i]]
    for k in range(N_CURRENT):
        terms[k] = x[CURRENTS + k]
    terms[N_CURRENT] = (c[RATES + N_CURRENT] - c[R]) * x[THETA]


@kernel
def potential_after(m: int, i: Int, s: float) -> float:
    """V (mV) of a free neuron, `s` ms after it stood as its columns say."""
    x, c = cells_of(m)[i], classes_of(m)[kinds_of(m)[i]]
    # the currents stand beside each other as `value_of_sum` wants them
    return c[V_INF] + value_of_sum(x[V] - c[V_INF], x[CURRENTS:], c[RATES:], N_CURRENT, c[R], s)  # type: ignore[no-any-return]


@rule
def decay(x: F8, c: F8, t: float) -> None:
    """Bring the currents, and Theta behind them, to `t`."""
    for k in range(N_TERM):
        x[CURRENTS + k] *= np.exp(-c[RATES + k] * (t - x[T]))
    x[T] = t


@kernel
def advance(m: int, i: Int, t: float) -> None:
    """Bring neuron `i` to `t`; its potential stands still while it is not free."""
    x, c = cells_of(m)[i], classes_of(m)[kinds_of(m)[i]]
    if t == x[T]:
        return
    if is_free(m, i):
        x[V] = potential_after(m, i, t - x[T])
    decay(x, c, t)


@model_rule
def receive(m: int, i: Int, q: Int, k: Int, weight: float, t: float) -> int:
    """A current jumps, or V where synapses are delta jumps; the latter are lost while it is not free."""
    advance(m, i, t)
    x, c = cells_of(m)[i], classes_of(m)[kinds_of(m)[i]]
    if c[SYNAPTIC] == 1.0:
        x[CURRENTS + (0 if weight > 0.0 else 1)] += weight * c[INVERSE]
    elif is_free(m, i):
        x[V] += weight
    return 0


@kernel
def predict_one(m: int, i: Int, t: float) -> None:
    """Note the crossing of neuron `i` if there is one within the block."""
    advance(m, i, t)
    unschedule(m, i)
    x, c = cells_of(m)[i], classes_of(m)[kinds_of(m)[i]]
    if not is_free(m, i) or c[THRESHOLD] == np.inf:
        return
    terms, left = terms_of(m), block_end(m) - t
    fill_terms(m, i, terms)
    distance = x[V] - c[V_INF] - x[THETA]
    push = 0.0
    for k in range(N_TERM):
        push += max(terms[k], 0.0)
    # a bound: each current does at most what it would do if nothing of it or by it decayed
    if max(distance, distance * np.exp(-c[R] * left)) + left * push < c[THRESHOLD]:
        return
    scratch = view2_f8(model_of(m).scratch, SCRATCH[0], SCRATCH[1])
    after = first_crossing_of_sum(distance, terms, c[RATES:], N_TERM, c[R], c[THRESHOLD], left, scratch)
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
    """A crossing is a spike: everything that spikes move is moved."""
    if not is_free(m, i):
        return 0
    advance(m, i, t)
    x, p = cells_of(m)[i], classes_of(m)[kinds_of(m)[i]]
    x[V] = p[RESET] + p[RESET_SHARE] * (x[V] - p[REST])
    x[HELD] = 1.0
    x[THETA] += p[JUMP]
    for k in range(2):
        x[CURRENTS + 2 + k] = p[SHARE + k] * x[CURRENTS + 2 + k] + p[CURRENT + k]
    return 1


@model_rule
def reset(m: int, i: Int, b: int, c: int, none: float, t: float) -> int:
    """After a spike V goes on from where the spike has put it; otherwise (silence ends) from `reset`."""
    x, p = cells_of(m)[i], classes_of(m)[kinds_of(m)[i]]
    decay(x, p, t)
    if x[HELD] == 0.0:
        x[V] = p[RESET]
    x[HELD] = 0.0
    return 0


@model_rule
def potential(m: int, first: Int, last: Int, where: int, none: float, t: float) -> int:
    """V as it is at `t`; nothing is changed."""
    out = view_f8(where, last - first)
    for i in range(first, last):
        x = cells_of(m)[i]
        out[i - first] = potential_after(m, i, t - x[T]) if is_free(m, i) else x[V]
    return 0


@dataclass(frozen=True)
class GLIF(NeuronModel):
    """Leaky integrate-and-fire neurons with spike-triggered currents and a spike-triggered threshold, exact.

    Each parameter is a number or one number per neuron.

    Parameters
    ----------
    tau : float or (n,) array, ms
        Membrane time constant; ``inf`` means no leak (then rest and drive have no effect on V).
    threshold, rest : float or (n,) array, mV
        Threshold without spikes (``inf``: the cell never fires), and V without input.
    reset, reset_share : float or (n,) array, mV and 1
        After a spike ``V = reset + reset_share (V - rest)``, with V at the spike.
    refractory : float or (n,) array, ms
        V stands still for so long; what spikes have moved decays meanwhile.
    drive : float or (n,) array, mV
        Steady depolarisation R I of a constant current.
    initial : float or (n,) array, mV, optional
        V at time 0; rest if not given.
    threshold_jump, tau_threshold : float or (n,) array, mV and ms
        What a spike adds to the threshold, and how fast it is forgotten.
    current_1, current_2, tau_1, tau_2, share_1, share_2 : float or (n,) array, pA, ms and 1
        What a spike adds to each spike-triggered current, its decay, and the share of what flowed that a spike leaves.
    tau_excitatory, tau_inhibitory : float or (n,) array, ms, optional
        Decay of the synaptic currents; give both, and weights are in pA, else synapses jump V, by mV.
    initial_excitatory, initial_inhibitory : float or (n,) array, pA
        Synaptic currents at time 0 (signed).
    capacitance : float or (n,) array, pF

    Examples
    --------
    >>> GLIF(threshold_jump=3.0, current_2=-60.0).weight_unit
    'mV'
    """

    drive_changes: ClassVar[bool] = True
    equation: ClassVar[str] = (
        "tau dV/dt = rest + drive - V + (tau / C) (I_1 + I_2 + I);  dI_k/dt = -I_k / tau_k;  dTheta/dt = -Theta / "
        "tau_threshold;  at V >= threshold + Theta a spike: I_k = share_k I_k + current_k, Theta grows by "
        "threshold_jump, V = reset + reset_share (V - rest) for the refractory period"
    )

    tau: Any = param(
        20.0, unit="ms", clock="spike", above=0.0, high=float("inf"), array=True, source="Mihalas & Niebur 2009"
    )
    threshold: Any = param(
        -50.0, unit="mV", low=-LARGEST, high=float("inf"), array=True, source="Mihalas & Niebur 2009"
    )
    reset: Any = param(-70.0, unit="mV", array=True, source="Mihalas & Niebur 2009")
    rest: Any = param(-70.0, unit="mV", array=True, source="Mihalas & Niebur 2009")
    refractory: Any = param(2.0, unit="ms", clock="spike", low=0.0, array=True, source="free")
    drive: Any = param(0.0, unit="mV", array=True, source="free")
    initial: Any = param(None, unit="mV", array=True, none=True, source="free")
    reset_share: Any = param(0.0, unit="1", low=0.0, high=1.0, array=True, source="Mihalas & Niebur 2009")
    threshold_jump: Any = param(2.0, unit="mV", low=0.0, array=True, source="free")
    tau_threshold: Any = param(
        100.0, unit="ms", clock="spike", above=0.0, array=True, source="Mihalas & Niebur 2009"
    )  # b = 10 /s
    current_1: Any = param(0.0, unit="pA", array=True, source="free")
    tau_1: Any = param(5.0, unit="ms", clock="spike", above=0.0, array=True, source="Mihalas & Niebur 2009")
    share_1: Any = param(0.0, unit="1", low=0.0, high=1.0, array=True, source="Mihalas & Niebur 2009")
    current_2: Any = param(-20.0, unit="pA", array=True, source="free")
    tau_2: Any = param(50.0, unit="ms", clock="spike", above=0.0, array=True, source="Mihalas & Niebur 2009")
    share_2: Any = param(1.0, unit="1", low=0.0, high=1.0, array=True, source="Mihalas & Niebur 2009")
    tau_excitatory: Any = param(None, unit="ms", clock="spike", above=0.0, array=True, none=True, source="free")
    tau_inhibitory: Any = param(None, unit="ms", clock="spike", above=0.0, array=True, none=True, source="free")
    initial_excitatory: Any = param(0.0, unit="pA", array=True, source="free")
    initial_inhibitory: Any = param(0.0, unit="pA", array=True, source="free")
    capacitance: Any = param(200.0, unit="pF", above=0.0, array=True, source="free")

    def __post_init__(self) -> None:
        check(self)
        if (self.tau_excitatory is None) != (self.tau_inhibitory is None):
            raise ParameterError(
                "GLIF.tau_excitatory and GLIF.tau_inhibitory belong together: give both for synaptic currents, or "
                f"neither for delta synapses; got {self.tau_excitatory!r} and {self.tau_inhibitory!r}"
            )
        if not self.has_currents and (np.any(self.initial_excitatory) or np.any(self.initial_inhibitory)):
            raise ParameterError(
                "GLIF.initial_excitatory and GLIF.initial_inhibitory are synaptic currents: give tau_excitatory= and "
                "tau_inhibitory= as well"
            )

    def expand(self, n: int, name: str) -> dict[str, F8]:
        """Every parameter as an (n,) array; what would fire again at once for ever is refused."""
        q = super().expand(n, name)
        q.setdefault("initial", q["rest"].copy())
        after = q["reset"] + q["reset_share"] * (np.where(np.isinf(q["threshold"]), 0.0, q["threshold"]) - q["rest"])
        stuck = (after > q["threshold"]) | ((after == q["threshold"]) & (q["threshold_jump"] == 0.0))
        if stuck.any():
            k = int(np.argmax(stuck))
            raise ParameterError(
                f"GLIF of {name!r}: a spike at threshold={q['threshold'][k]:g} leaves V at {after[k]:g} mV, where it "
                "fires again at once: lower reset or reset_share, or give a threshold_jump"
            )
        if np.any(q["initial"] >= q["threshold"]):
            raise ParameterError(f"GLIF.initial of {name!r} must be below GLIF.threshold, got {q['initial'].max():g}")
        return q

    @property
    def has_currents(self) -> bool:
        """Whether synapses give exponential currents (weights in pA) rather than jumps of V (weights in mV)."""
        return self.tau_excitatory is not None

    @property
    def weight_unit(self) -> str:
        """pA with synaptic currents, mV with delta synapses."""
        return "pA" if self.has_currents else "mV"

    def rules(self) -> Rules:
        """Its compiled rules."""
        return Rules(predict, event, reset, receive, potential=potential)

    def columns(self) -> tuple[Column, ...]:
        """V, the currents over C (mV/ms), what spikes have added to the threshold, and the time of all these."""
        words = ("v", "excitation", "inhibition", "current_1", "current_2", "theta")
        return (*(Column(w) for w in words), Column("t", None, True), Column("held"))

    def n_scratch(self) -> int:
        """Room to isolate the zeros of a sum of exponentials."""
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
        q, one = values, np.ones(values["tau"].size)
        v_inf = np.where(np.isinf(q["tau"]), 0.0, q["rest"] + q["drive"])
        synaptic = [1.0 / q[k] if self.has_currents else one for k in ("tau_excitatory", "tau_inhibitory")]
        return np.column_stack(
            [
                1.0 / q["tau"], v_inf, q["threshold"] - v_inf, q["reset"], q["reset_share"], q["rest"],
                1.0 / q["capacitance"], q["threshold_jump"], q["share_1"], q["share_2"],
                q["current_1"] / q["capacitance"], q["current_2"] / q["capacitance"], one * self.has_currents,
                *synaptic, 1.0 / q["tau_1"], 1.0 / q["tau_2"], 1.0 / q["tau_threshold"],
            ]
        )  # fmt: skip

    def membrane(self, n: int, name: str) -> Membrane:
        """The loop keeps nothing of it but its refractory period."""
        self.expand(n, name)
        return super().membrane(n, name)

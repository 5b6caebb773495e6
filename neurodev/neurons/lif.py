"""The leaky integrate-and-fire neuron, in closed form between events.  With delta synapses:

    tau dV/dt = -(V - rest) + drive,     V -> V + w at an arrival,     spike when V >= threshold

so that ``V(t) = V_inf + (V(0) - V_inf) exp(-t / tau)`` with ``V_inf = rest + drive``.  After a spike V is held at
`reset` for the refractory period, and delta inputs are lost meanwhile.  If ``V_inf > threshold`` the neuron crosses
without input at ``t = tau ln((V_inf - V) / (V_inf - threshold))``, which the engine predicts.

With exponential synaptic currents (`current.py`) a weight is a current in pA that jumps at the arrival and decays with
`tau_excitatory` or `tau_inhibitory`; currents keep flowing during refractoriness, and every crossing is predicted.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from neurodev.errors import ParameterError
from neurodev.params import check, param
from neurodev.registry import Registered
from neurodev.structure.places import Branches

F8 = NDArray[np.float64]
CURRENT_PARAMETERS = ("tau_excitatory", "tau_inhibitory", "capacitance")


@dataclass(frozen=True)
class LIF(Registered, kind="neuron model", word=True):
    """Leaky integrate-and-fire neurons; each parameter is a number or one number per neuron.

    Its namesake `neurodev.learn.LIF` is a layer of the trainable path, in discrete steps.

    Parameters
    ----------
    tau : float or (n,) array, ms
        Membrane time constant; ``inf`` means no leak.
    threshold, reset, rest : float or (n,) array, mV
        Spike when V >= threshold; V after a spike; V without input.
    refractory : float or (n,) array, ms
        Absolute refractory period; 0 switches it off.
    drive : float or (n,) array, mV
        Steady depolarisation R I of a constant current.
    initial : float or (n,) array, mV, optional
        V at time 0; rest (or reset, where rest is above threshold) if not given.
    tau_excitatory, tau_inhibitory : float or (n,) array, ms, optional
        Decay of the synaptic currents, any value (that of `tau` too); give both, and weights are in pA.  Without them
        synapses are delta jumps of V, and weights are in mV.
    capacitance : float or (n,) array, pF
        Turns currents into slopes of V; with delta synapses it has no effect.
    dendrite : Branches, Bilinear, TwoLayer or Plateau, optional
        Branches on which the synapses sit (`dendrite.py`); all but linear `Branches` need synaptic currents.
    """

    equation: ClassVar[str] = (
        "tau dV/dt = rest + drive - V (+ R I);  at threshold a spike, V = reset for the refractory period;  an input "
        "jumps V by its weight, or I by its weight where tau_excitatory and tau_inhibitory are given"
    )

    tau: Any = param(20.0, unit="ms", clock="spike", above=0.0, high=float("inf"), array=True, source="Brunel 2000")
    threshold: Any = param(20.0, unit="mV", array=True, source="Brunel 2000")
    reset: Any = param(0.0, unit="mV", array=True, source="free: chosen for the default study")
    rest: Any = param(0.0, unit="mV", array=True, source="convention")
    refractory: Any = param(2.0, unit="ms", clock="spike", low=0.0, array=True, source="Brunel 2000")
    drive: Any = param(0.0, unit="mV", array=True, source="free")
    initial: Any = param(None, unit="mV", array=True, none=True, source="free")
    tau_excitatory: Any = param(None, unit="ms", clock="spike", above=0.0, array=True, none=True, source="free")
    tau_inhibitory: Any = param(None, unit="ms", clock="spike", above=0.0, array=True, none=True, source="free")
    capacitance: Any = param(200.0, unit="pF", above=0.0, array=True, source="Vogels & Abbott 2005")
    dendrite: Branches | None = None

    def __post_init__(self) -> None:
        check(self)
        if np.any(np.asarray(self.reset) >= np.asarray(self.threshold)):
            raise ParameterError(
                f"LIF.reset must be below LIF.threshold, got reset={self.reset!r}, threshold={self.threshold!r}"
            )
        if self.initial is not None and np.any(np.asarray(self.initial) >= np.asarray(self.threshold)):
            raise ParameterError(f"LIF.initial must be below LIF.threshold, got {self.initial!r}")
        if (self.tau_excitatory is None) != (self.tau_inhibitory is None):
            raise ParameterError(
                "LIF.tau_excitatory and LIF.tau_inhibitory belong together: give both for synaptic currents, "
                f"or neither for delta synapses; got {self.tau_excitatory!r} and {self.tau_inhibitory!r}"
            )

        self._check_dendrite()

    def _check_dendrite(self) -> None:
        if self.dendrite is None:
            return
        if not isinstance(self.dendrite, Branches):
            raise ParameterError(f"LIF.dendrite must be e.g. nd.Branches(8) or nd.Plateau(8), got {self.dendrite!r}")
        if not self.dendrite.linear:
            word = type(self.dendrite).__name__
            if not self.has_currents:
                raise ParameterError(
                    f"the branches of {word} integrate synaptic currents: give LIF tau_excitatory= and tau_inhibitory="
                )
            if np.any(np.isinf(np.asarray(self.tau, dtype=float))):
                raise ParameterError(f"{word} needs a leaky membrane: LIF.tau must be finite, got {self.tau!r}")

    @property
    def has_currents(self) -> bool:
        """Whether synapses give exponential currents (weights in pA) rather than jumps of V (weights in mV)."""
        return self.tau_excitatory is not None

    def as_jump(self, weight: float) -> tuple[float, float]:
        """The jump of V (mV) with the same area as an input of `weight`, and its variance of V over the jump's."""
        if not self.has_currents:
            return weight, 1.0
        tau_current = float(np.mean(self.tau_excitatory if weight > 0 else self.tau_inhibitory))
        tau = float(np.mean(self.tau))
        return weight * tau_current / float(np.mean(self.capacitance)), 1.0 / (1.0 + tau_current / tau)

    def expand(self, n: int, name: str) -> dict[str, F8]:
        """Every parameter as an (n,) array; wrong lengths are refused by name."""
        out: dict[str, F8] = {}
        for f in fields(self):
            value = getattr(self, f.name)
            if value is None or "unit" not in f.metadata:
                continue
            array = np.asarray(value, dtype=float)
            if array.ndim and array.shape != (n,):
                raise ParameterError(
                    f"LIF.{f.name} of {name!r} must be a number or have shape ({n},), got shape {array.shape}"
                )
            out[f.name] = np.broadcast_to(array, (n,)).copy()
        if "initial" not in out:
            out["initial"] = np.where(out["rest"] < out["threshold"], out["rest"], out["reset"])
        return out


def crossing_time(v: float, v_inf: float, threshold: float, tau: float) -> float:
    """Time (ms) until a neuron at `v` (mV) crosses `threshold` without input; inf if it never does."""
    if v >= threshold:
        return 0.0
    if v_inf <= threshold:
        return float("inf")
    return float(tau * np.log((v_inf - v) / (v_inf - threshold)))


def rate_constant_hz(v_inf: float, threshold: float, reset: float, tau: float, refractory: float) -> float:
    """Firing rate (Hz) under a constant drive."""
    t = crossing_time(reset, v_inf, threshold, tau)
    return 0.0 if np.isinf(t) else 1e3 / (t + refractory)


def siegert_hz(mu: float, sigma: float, tau: float, threshold: float, reset: float, refractory: float) -> float:
    """Firing rate (Hz) in the diffusion limit (Siegert 1951; Brunel's sigma: sd of V is sigma / sqrt 2).

    Parameters
    ----------
    mu, sigma : float, mV
        Mean drive and noise amplitude, relative to rest.
    """
    from scipy.integrate import quad
    from scipy.special import erfcx

    if sigma <= 0:
        return rate_constant_hz(mu, threshold, reset, tau, refractory)
    low, high = (reset - mu) / sigma, (threshold - mu) / sigma
    if high > 26:
        return 0.0
    area = quad(lambda x: np.sqrt(np.pi) * erfcx(-x), low, high, epsabs=0, epsrel=1e-12, limit=500)[0]
    return float(1e3 / (refractory + tau * area))

"""The leaky integrate-and-fire neuron, in closed form between events.  With delta synapses:

    tau dV/dt = -(V - rest) + drive,     V -> V + w at an arrival,     spike when V >= threshold

so that ``V(t) = V_inf + (V(0) - V_inf) exp(-t / tau)`` with ``V_inf = rest + drive``.  After a spike V is held at
`reset` for the refractory period, and delta inputs are lost meanwhile.  If ``V_inf > threshold`` the neuron crosses
without input at ``t = tau ln((V_inf - V) / (V_inf - threshold))``, which the engine predicts.

With exponential synaptic currents (`current.py`) a weight is a current in pA that jumps at the arrival and decays with
`tau_excitatory` or `tau_inhibitory`; currents keep flowing during refractoriness, and every crossing is predicted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from neurodev.errors import ParameterError
from neurodev.jit import address
from neurodev.neurons import channels, current_rules, dendrite_rules
from neurodev.neurons.dendrite import Plateau, code_of
from neurodev.neurons.dendrite import parameters as dendrite_numbers
from neurodev.neurons.expsum import SCRATCH
from neurodev.neurons.model import Cells, Column, Input, Membrane, NeuronModel, Rules, is_free
from neurodev.params import check, param
from neurodev.structure.places import Branches

F8 = NDArray[np.float64]


@dataclass(frozen=True)
class LIF(NeuronModel):
    """Leaky integrate-and-fire neurons; each parameter is a number or one number per neuron.

    Its namesake `neurodev.learn.LIF` is a layer of the trainable path, in discrete steps.

    Parameters
    ----------
    tau : float or (n,) array, ms
        Membrane time constant; ``inf`` means no leak.
    threshold, reset, rest : float or (n,) array, mV
        Spike when V >= threshold (``inf``: the cell never fires, potential only); V after a spike; V without input.
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

    Examples
    --------
    >>> net = nd.Network(seed=1)
    >>> net.add(nd.LIF(tau=20.0, threshold=np.linspace(18.0, 22.0, 10)), 10, name="cells")
    Population('cells', 10 neurons, LIF, excitatory)
    """

    scales: ClassVar[bool] = True
    inlined: ClassVar[bool] = True  # with delta synapses
    drive_changes: ClassVar[bool] = True
    equation: ClassVar[str] = (
        "tau dV/dt = rest + drive - V (+ R I);  at threshold a spike, V = reset for the refractory period;  an input "
        "jumps V by its weight, or I by its weight where tau_excitatory and tau_inhibitory are given"
    )

    tau: Any = param(20.0, unit="ms", clock="spike", above=0.0, high=float("inf"), array=True, source="Brunel 2000")
    threshold: Any = param(20.0, unit="mV", high=float("inf"), array=True, source="Brunel 2000")
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
            if not self.branched:
                raise ParameterError(
                    f"LIF.dendrite: nothing here computes what branches of {word} do with their currents: derive "
                    f"{word} from nd.Bilinear, nd.TwoLayer or nd.Plateau, or write a neuron model whose rules do it"
                )
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

    @property
    def branched(self) -> int:
        """Which dendrite its rules compute; 0: none, or one that merely adds up."""
        return code_of(self.dendrite)

    @property
    def weight_unit(self) -> str:
        """pA with synaptic currents, mV with delta synapses."""
        return "pA" if self.has_currents else "mV"

    # ------------------------------------------------------------------ as a model (see `neurons/model.py`)

    def rules(self) -> Rules | None:
        """None with delta synapses; those of its currents, or of its dendrite."""
        if not self.has_currents:
            return None
        rules = dendrite_rules if self.branched else current_rules
        return Rules(
            rules.predict, rules.event, rules.reset, deliver=rules.deliver, kick=rules.kick, rebase=rules.rebase
        )  # fmt: skip

    def columns(self) -> tuple[Column, ...]:
        """The constant of each channel; the next end of a plateau, or what may be added without a crossing."""
        n_channel = dendrite_rules.N_CHANNEL if self.branched else current_rules.N_CHANNEL
        constants = tuple(Column(f"b_{k}") for k in range(n_channel))
        return (*constants, Column("ends", np.inf, True)) if self.branched else (*constants, Column("margin"))

    def place_columns(self) -> tuple[Column, ...]:
        """The constants of excitation and inhibition of a branch, and the end and the size of its plateau."""
        return (Column("b_e"), Column("b_i"), Column("end", np.inf, True), Column("size")) if self.branched else ()

    def n_scratch(self) -> int:
        """Room to isolate the zeros of a sum of exponentials."""
        return int(np.prod(SCRATCH)) if self.branched else 0

    def _rates(self, values: dict[str, F8]) -> tuple[F8, F8]:
        """1 / tau (n,) and the decay of each channel (n, WIDTH), 1/ms."""
        rate = np.zeros((values["tau"].size, channels.WIDTH))
        rate[:, 0], rate[:, 1] = 1.0 / values["tau_excitatory"], 1.0 / values["tau_inhibitory"]
        if self.branched:  # products of two currents decay with the sum of their rates; plateaus do not decay
            rate[:, 2:5] = rate[:, [0, 0, 1]] + rate[:, [0, 1, 1]]
        return _leak(values["tau"]), rate

    def fastest_rate(self, n: int, name: str) -> float:
        """Of its currents."""
        return float(self._rates(self.expand(n, name))[1].max()) if self.has_currents else 0.0

    def table(self, values: dict[str, F8], fastest: float) -> F8:
        """The columns of `neurons/channels.py`, and those of a dendrite."""
        rate, decay = self._rates(values)
        v_inf = _v_inf(values)
        # a frame lasts FRAME of the fastest time constants: a difference of rates below its inverse needs the anchor
        anchored = np.abs(decay - rate[:, None]) * channels.FRAME < fastest
        common = [rate, values["threshold"] - v_inf, values["reset"] - v_inf, 1.0 / values["capacitance"]]
        out = np.column_stack([*common, v_inf - values["rest"], decay, anchored])
        if not self.branched:
            return out
        numbers = np.zeros(1 + channels.WIDTH)
        given = dendrite_numbers(self.dendrite)
        numbers[0], numbers[1 : 1 + len(given)] = self.branched, given
        return np.column_stack([out, np.broadcast_to(numbers, (out.shape[0], numbers.size))])

    def membrane(self, n: int, name: str) -> Membrane:
        """The leak of the membrane; with currents, crossings are predicted by the rules."""
        q = self.expand(n, name)
        threshold = np.full(n, np.inf) if self.has_currents else q["threshold"]
        return Membrane(_leak(q["tau"]), _v_inf(q), threshold, q["reset"], q["refractory"], q["initial"])

    def expand(self, n: int, name: str) -> dict[str, F8]:
        """Every parameter as an (n,) array; wrong lengths are refused by name."""
        out = super().expand(n, name)
        if "initial" not in out:
            out["initial"] = np.where(out["rest"] < out["threshold"], out["rest"], out["reset"])
        return out

    def potentials(self, cells: Cells, t: float) -> F8:
        """V of membranes with currents at the present time `t`."""
        c = cells.classes[cells.kind]
        n_channel = dendrite_rules.N_CHANNEL if self.branched else current_rules.N_CHANNEL
        u = cells.u + channels.synaptic_part(address(cells.record), 0, cells.n, n_channel)
        v_inf = _v_inf(cells.values())
        v = v_inf + u * np.exp(-(t - cells.frame) * c[:, channels.R])
        return np.where(is_free(cells.u), v, v_inf + c[:, channels.RESET])

    def approximations(self) -> list[str]:
        """What plateaus leave out."""
        if not isinstance(self.dendrite, Plateau) or self.dendrite.magnesium == 0.0:
            return []
        return [
            f"a plateau keeps for its {self.dendrite.duration:g} ms the amplitude that the potential allowed at its "
            "onset."
        ]

    # ------------------------------------------------------------------ what to expect of it

    def as_jump(self, weight: float) -> tuple[float, float]:
        """The jump of V (mV) with the same area as an input of `weight`, and its variance of V over the jump's."""
        if not self.has_currents:
            return weight, 1.0
        tau_current = float(np.mean(self.tau_excitatory if weight > 0 else self.tau_inhibitory))
        tau = float(np.mean(self.tau))
        return weight * tau_current / float(np.mean(self.capacitance)), 1.0 / (1.0 + tau_current / tau)

    def mean_drive(self, n: int, name: str, inputs: Sequence[Input]) -> tuple[float, float]:
        """Mean and noise amplitude (mV, Brunel's sigma) that some inputs give a neuron."""
        p = self.expand(n, name)
        tau = float(np.mean(p["tau"]))
        mu, variance = float(np.mean(p["drive"])), 0.0
        for given in inputs:
            w, share = self.as_jump(given.weight)
            mu += w * given.rate * tau
            variance += given.square * w * w * share * given.rate * tau
        return mu, float(np.sqrt(variance))

    def outlook(self, n: int, name: str, inputs: Sequence[Input]) -> list[str]:
        """Its mean drive and the rate that follows from it alone."""
        mu, sigma = self.mean_drive(n, name, inputs)
        values = self.expand(n, name)
        fires = np.isfinite(values["threshold"])
        if not fires.any():
            return [f"mean drive {mu:.3g} mV, noise {sigma:.2g} mV: never fires (threshold inf)"]
        c = {k: float(np.mean(v[fires])) for k, v in values.items()}
        gap = c["threshold"] - c["rest"]
        guess = siegert_hz(mu, sigma, c["tau"], gap, c["reset"] - c["rest"], c["refractory"])
        about = "silent" if guess < 1e-3 else f"about {guess:.2g} Hz"
        out = [f"mean drive {mu:.3g} mV of {gap:g}, noise {sigma:.2g} mV: {about} from the drives alone"]
        if guess < 0.01 and mu < 0.5 * gap:
            out.append("             (silent on average: it fires only if its drive comes in bursts)")
        return out


def _leak(tau: F8) -> F8:
    """1 / tau, 1/ms; 0 without leak."""
    with np.errstate(divide="ignore"):
        return np.where(np.isinf(tau), 0.0, 1.0 / tau)


def _v_inf(values: dict[str, F8]) -> F8:
    """Where V goes without synaptic input, mV; potentials without leak are counted from 0."""
    return np.where(np.isinf(values["tau"]), 0.0, values["rest"] + values["drive"])


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

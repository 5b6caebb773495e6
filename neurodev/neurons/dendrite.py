"""Dendrites: what branches make of their synapses before the soma sees it.

Synapses give exponential currents (`current.py`); a synapse on branch b adds to the excitation E_b or inhibition I_b of
its branch, and the soma receives

    Branches   sum of all currents: a point neuron is a neuron with linear branches
    Bilinear   sum of all currents, plus kappa R I_j I_k for every pair of inputs: with the steady state
               V = V_j + V_k + kappa V_j V_k (Li et al. 2014).  The product of two exponentials is an exponential, so
               the pairs make three further currents, of rates 2 l_E, l_E + l_I and 2 l_I, and an arrival changes each
               by its weight times what flows: exact in events
    TwoLayer   at an arrival that takes E_b from a to a + w, a current of unit (s(a + w) - s(a)): n synapses at one
               instant give s(n), those that come when the branch has forgotten give n s(1) (Poirazi et al. 2003)
    Plateau    sum of all currents, and a current of given duration when an arrival lifts E_b over a threshold (an
               NMDA-like plateau).  Its amplitude follows the potential at its onset and then stays: an approximation

Inhibition reaches the soma linearly in TwoLayer and Plateau.  Background inputs reach the soma, not a branch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from neurodev.arrays import F8
from neurodev.errors import ParameterError
from neurodev.jit import rule
from neurodev.neurons.door import check_subclass
from neurodev.params import asks, measured, param
from neurodev.structure.places import Branches


@rule
def sigmoid(n: F8 | float, height: float, middle: float, width: float, slope: float, curvature: float) -> F8 | float:
    """Output of a branch for `n` synapses' worth of excitation, in synapses."""
    return height / (1.0 + np.exp((middle - n) / width)) + slope * n + curvature * n * n


@rule
def magnesium_block(v: F8 | float, magnesium: float) -> F8 | float:
    """Share of NMDA conductance that is open at `v` mV under `magnesium` mM (Jahr & Stevens 1990)."""
    return 1.0 / (1.0 + magnesium / 3.57 * np.exp(-0.062 * v))


@dataclass(frozen=True)
class Bilinear(Branches):
    """Every pair of inputs adds kappa times the product of their responses.

    Parameters
    ----------
    per_neuron, length : as in `Branches`
    excitatory_reversal, inhibitory_reversal : float, mV
        Relative to rest.  They give each kappa that is not set: ``-(1/E_1 + 1/E_2)``, the limit of weak conductances.
    kappa_ee, kappa_ei, kappa_ii : float, 1/mV, optional
        Of two excitatory inputs, one of each, two inhibitory ones.
    across : float
        kappa of inputs on different branches over that of inputs on the same one.

    Examples
    --------
    >>> nd.LIF(tau_excitatory=3.0, tau_inhibitory=8.0, dendrite=nd.Bilinear()).dendrite.excitatory_reversal
    70.0
    """

    linear: ClassVar[bool] = False
    equation: ClassVar[str] = (
        "soma current = sum_j I_j + sum over pairs kappa_jk R I_j I_k (other branches: x across);  "
        "steady state V = V_j + V_k + kappa V_j V_k, kappa_jk = -(1/E_j + 1/E_k) where not set"
    )

    excitatory_reversal: float = param(70.0, unit="mV", above=0.0, source="free: relative to rest")
    inhibitory_reversal: float = param(-10.0, unit="mV", high=-1e-6, source="free: relative to rest")
    kappa_ee: float | None = param(None, unit="1/mV", none=True, source="-(1/E_1 + 1/E_2), weak inputs (derived)")
    kappa_ei: float | None = param(None, unit="1/mV", none=True, source="-(1/E_1 + 1/E_2), weak inputs (derived)")
    kappa_ii: float | None = param(None, unit="1/mV", none=True, source="-(1/E_1 + 1/E_2), weak inputs (derived)")
    across: float = param(0.0, unit="1", low=0.0, high=1.0, source="free")

    def kappas(self) -> tuple[float, float, float]:
        """kappa of E-E, E-I and I-I pairs on one branch, 1/mV."""
        e, i = 1.0 / self.excitatory_reversal, 1.0 / self.inhibitory_reversal
        given = (self.kappa_ee, self.kappa_ei, self.kappa_ii)
        ee, ei, ii = (-k if g is None else g for k, g in zip((2.0 * e, e + i, 2.0 * i), given, strict=True))
        return ee, ei, ii


@dataclass(frozen=True)
class TwoLayer(Branches):
    """Every branch passes its excitation through a sigmoid, the soma adds the branches up.

    ``s(n) = height / (1 + exp((middle - n) / width)) + slope n + curvature n^2``, n in synapses of `unit`.

    Parameters
    ----------
    per_neuron, length : as in `Branches`
    unit : float, pA
        Excitatory current of one synapse: n = E_b / unit, and the soma receives unit s(n).
    height, middle, width, slope, curvature : float
        The defaults are recalled from Poirazi et al. 2003, not checked.

    Examples
    --------
    >>> nd.LIF(tau_excitatory=3.0, tau_inhibitory=8.0, dendrite=nd.TwoLayer(8)).dendrite.per_neuron
    8
    """

    linear: ClassVar[bool] = False
    equation: ClassVar[str] = (
        "soma current = sum over branches of unit s(E_b / unit), at an arrival unit (s(after) - s(before)), + I;  "
        "s(n) = height / (1 + exp((middle - n) / width)) + slope n + curvature n^2"
    )

    unit: float = param(30.0, unit="pA", above=0.0, source="free")
    height: float = param(1.0, unit="1", low=0.0, source="Poirazi et al. 2003 (recalled)")
    middle: float = param(3.6, unit="1", source="Poirazi et al. 2003 (recalled)")
    width: float = param(0.2, unit="1", above=0.0, source="Poirazi et al. 2003 (recalled)")
    slope: float = param(0.30, unit="1", low=0.0, source="Poirazi et al. 2003 (recalled)")
    curvature: float = param(0.0114, unit="1", source="Poirazi et al. 2003 (recalled)")

    @asks(n=measured())
    def output(self, n: ArrayLike) -> F8:
        """s(n), in synapses; `n` of any shape."""
        return np.asarray(
            sigmoid(np.asarray(n, dtype=float), self.height, self.middle, self.width, self.slope, self.curvature)
        )


@dataclass(frozen=True)
class Plateau(Branches):
    """NMDA-like plateaus: a branch excited over its threshold adds a current that lasts.

    It begins with the arrival that lifts the excitation of the branch to `threshold` and ends `duration` later,
    whatever comes; the next such arrival begins another, also at the instant of the end.  Onset and end are events, in
    closed form.

    Parameters
    ----------
    per_neuron, length : as in `Branches`
    threshold : float, pA
        Excitatory current of the branch: 8-20 synapses active within milliseconds (Major 2013, third-party).
    amplitude : float, pA
        Current into the soma of a plateau that begins at rest.
    duration : float, ms
        50-200 ms (Major 2013, third-party).
    magnesium : float, mM
        The amplitude is multiplied by B(V + depolarisation) / B(depolarisation + resting), with the block B of Jahr &
        Stevens and V at the onset; 0: no voltage dependence.  An approximation: V later in the plateau does not count.
    resting, depolarisation : float, mV
        Real potential at the LIF's `rest`, and how far a branch at threshold lies above its soma.

    Examples
    --------
    >>> nd.LIF(tau_excitatory=3.0, tau_inhibitory=8.0, dendrite=nd.Plateau(8)).dendrite.per_neuron
    8
    """

    linear: ClassVar[bool] = False
    equation: ClassVar[str] = (
        "E_b reaches threshold at t0: soma current + amplitude B(V(t0) + depolarisation) / B(depolarisation) until "
        "t0 + duration, potentials from resting;  B(v) = 1 / (1 + magnesium/3.57 exp(-.062 v))"
    )

    threshold: float = param(300.0, unit="pA", above=0.0, source="free (10 synapses of 30 pA)")
    amplitude: float = param(100.0, unit="pA", low=0.0, source="free")
    duration: float = param(100.0, unit="ms", clock="spike", above=0.0, source="50-200 ms: Major 2013 (third-party)")
    magnesium: float = param(1.0, unit="mM", low=0.0, source="Jahr & Stevens 1990 (recalled)")
    resting: float = param(-70.0, unit="mV", source="free")
    depolarisation: float = param(40.0, unit="mV", low=0.0, source="40-50 mV, Schiller et al. 2000 (recalled)")

    @asks(v=measured("mV"))
    def onset(self, v: ArrayLike) -> F8:
        """Amplitude (pA) of a plateau that begins at the somatic potential `v` (mV above rest), any shape."""
        at = self.resting + self.depolarisation
        v = np.asarray(v, dtype=float)
        return np.asarray(
            self.amplitude * magnesium_block(at + v, self.magnesium) / magnesium_block(at, self.magnesium)
        )


KINDS: dict[type, int] = {Branches: 0, Bilinear: 1, TwoLayer: 2, Plateau: 3}


def code_of(dendrite: Branches | None) -> int:
    """Number of a dendrite's rule, for the engine: that of its nearest ancestor; 0 where there is nothing but a sum."""
    return next((KINDS[c] for c in type(dendrite).__mro__ if c in KINDS), 0)


def check_dendrite(dendrite: Branches, where: str) -> None:
    """Refuse what a class of one's own changes in a dendrite of ours, where the compiled rules do not look at it.

    Raises
    ------
    BuildError
        Naming the method or the parameter.
    """
    known = next(c for c in type(dendrite).__mro__ if c in KINDS)
    check_subclass(dendrite, known, where, tuple(n for n in ("output", "onset") if hasattr(known, n)))


def parameters(dendrite: Any) -> list[float]:
    """The numbers of a dendrite as the engine keeps them (at most 8)."""
    d = dendrite
    if isinstance(d, Bilinear):
        return [*d.kappas(), d.across]
    if isinstance(d, TwoLayer):
        return [d.unit, d.height, d.middle, d.width, d.slope, d.curvature]
    if isinstance(d, Plateau):
        at = d.resting + d.depolarisation
        scale = d.amplitude / float(magnesium_block(at, d.magnesium))
        # ten weights of a tenth reach it, however their sum is rounded
        return [d.threshold * (1.0 - 1e-12), scale, d.duration, d.magnesium, at]
    return []


# ---------------------------------------------------------------- closed forms of conductances, for parameters


def _conductances(leak: float, conductance: ArrayLike, reversal: ArrayLike) -> tuple[F8, F8]:
    g, e = np.atleast_1d(np.asarray(conductance, dtype=float)), np.atleast_1d(np.asarray(reversal, dtype=float))
    if g.shape != e.shape or g.ndim != 1:
        raise ParameterError(
            f"conductance and reversal need one value per input each, got shapes {g.shape} and {e.shape}"
        )
    if leak <= 0 or np.any(g < 0) or np.any(e == 0):
        raise ParameterError("leak must be positive, conductances not negative and reversals not 0 (rest)")
    return g, e


def steady_state(leak: float, conductance: ArrayLike, reversal: ArrayLike) -> float:
    """Potential (mV above rest) of one compartment under steady conductances: sum g E / (leak + sum g).

    Parameters
    ----------
    leak : float, nS
    conductance : (n,) array_like, nS
    reversal : (n,) array_like, mV above rest
    """
    g, e = _conductances(leak, conductance, reversal)
    return float(np.sum(g * e) / (leak + np.sum(g)))


def kappa(leak: float, conductance: ArrayLike, reversal: ArrayLike) -> float:
    """The bilinear coefficient (1/mV) of two steady conductances on one compartment, exactly.

    ``-((gL + g1) / E1 + (gL + g2) / E2) / (gL + g1 + g2)``, so that V = V1 + V2 + kappa V1 V2 (derived).
    Parameters as in `steady_state`, with n = 2.
    """
    g, e = _conductances(leak, conductance, reversal)
    if g.size != 2:
        raise ParameterError(f"kappa is of two inputs, got {g.size}")
    return float(-np.sum((leak + g) / e) / (leak + np.sum(g)))


def pairwise(leak: float, conductance: ArrayLike, reversal: ArrayLike) -> float:
    """What the bilinear rule says of many inputs: sum V_i + sum over pairs kappa_ij V_i V_j, mV.

    Its error against `steady_state` is of third order in the conductances.
    """
    g, e = _conductances(leak, conductance, reversal)
    v = g * e / (leak + g)
    out = float(np.sum(v))
    for i in range(g.size):
        for j in range(i):
            out += kappa(leak, [g[i], g[j]], [e[i], e[j]]) * v[i] * v[j]
    return out


# ---------------------------------------------------------------- passive cables in steady state


def chain(axial: ArrayLike, leak: ArrayLike, at: int) -> F8:
    """Potentials (n,) of a chain of n compartments per unit of steady current into compartment `at`.

    Parameters
    ----------
    axial : (n - 1,) array_like, nS
        Between neighbours.
    leak : (n,) array_like, nS
    at : int

    Returns
    -------
    (n,) float64, mV per pA
    """
    from scipy.linalg import solveh_banded

    between, own = np.asarray(axial, dtype=float), np.asarray(leak, dtype=float)
    n = own.size
    if between.shape != (n - 1,) or np.any(between <= 0) or np.any(own < 0) or own.sum() <= 0:
        raise ParameterError(
            f"chain needs {n - 1} positive axial conductances for {n} compartments, some of which leak; "
            f"got shape {between.shape}"
        )
    if not 0 <= at < n:
        raise ParameterError(f"at must be a compartment in [0, {n}), got {at}")
    diagonal = own.copy()
    diagonal[:-1] += between
    diagonal[1:] += between
    current = np.zeros(n)
    current[at] = 1.0
    bands = np.vstack([np.concatenate([[0.0], -between]), diagonal])
    return np.asarray(solveh_banded(bands, current), dtype=np.float64)


def cable_attenuation(distance: ArrayLike, length: float, constant: float, soma: float) -> F8:
    """Somatic over local potential of a steady input `distance` um from the soma on a passive branch.

    ``1 / (cosh X + rho sinh X)``, X = distance / constant: seen from the input towards the soma the cable ends in the
    somatic conductance, which is `soma` times that of a semi-infinite branch (textbook cable theory; Rall).

    Parameters
    ----------
    distance : (n,) array_like, um
    length : float, um
        Of the branch; what lies beyond the input does not matter for this ratio, it only bounds `distance`.
    constant : float, um
        Length constant.
    soma : float
        Somatic conductance over that of the semi-infinite branch.
    """
    d = np.asarray(distance, dtype=float)
    if constant <= 0 or soma < 0 or np.any(d < 0) or np.any(d > length):
        raise ParameterError("constant must be positive, soma not negative, and distance within the branch")
    x = d / constant
    return np.asarray(1.0 / (np.cosh(x) + soma * np.sinh(x)))

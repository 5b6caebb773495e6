"""Controllers: pure functions from time, or from counts of the living, to a number that steers pruning and growth.

`x` is the share of a schedule that has passed, 0 to 1.  Sources: the public code of SD-SNN (Han et al. 2025, Inf. Sci.
689:121481), STDS (Chen et al. 2022), GraNet, ITOP, RigL, and NDSNN (Huang et al. 2023, arXiv 2304.12214; recalled).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from neurodev.errors import ParameterError, shown
from neurodev.params import number

F8 = NDArray[np.float64]


LATEST = 1_000_000.0  # epoch of a published run beyond which no sum goes


def _share(x: float) -> float:
    return min(max(number(x, "x"), 0.0), 1.0)


def cubic(x: float, first: float, last: float) -> float:
    """``last + (first - last)(1 - x)^3``: fast at first (Zhu & Gupta 2017; NDSNN, GMP, GraNet)."""
    return last + (first - last) * (1.0 - _share(x)) ** 3


def cosine(x: float, first: float, last: float = 0.0) -> float:
    """Half a cosine from `first` to `last` (NDSNN, RigL)."""
    return last + 0.5 * (first - last) * (1.0 + math.cos(math.pi * _share(x)))


def linear(x: float, first: float, last: float) -> float:
    """A straight line."""
    return first + (last - first) * _share(x)


def sine(x: float, top: float) -> float:
    """``top (1 - cos(pi x)) / 2``: from 0 to `top`, flat at both ends (STDS)."""
    return 0.5 * top * (1.0 - math.cos(math.pi * _share(x)))


def percentile(k: float, first: float, growth: float = 1.1, cap: float = 99.0) -> float:
    """``min(cap, first + growth^k)``: rank a regenerating synapse must reach k epochs after the start (SD-SNN)."""
    return float(min(cap, first + growth ** min(k, 1e3)))


def neurotrophic(share: float, rate: float, alive: int, alive_next: int) -> float:
    """The next cumulative share (in per cent) to prune: ``share + rate alive / alive_next`` (SD-SNN).

    Many sources that compete for few targets mean more death: the neurotrophic hypothesis.

    Raises
    ------
    ParameterError
        If the next layer has no living unit.
    """
    if not alive_next >= 1:
        raise ParameterError("the layer above has no living unit, so that there is nothing to compete for")
    return share + rate * alive / alive_next


def exponential_rate(k: int, tau: float, scale: float = 1.0, until: float = 200.0) -> float:
    """Sum of ``exp(-j / tau)`` over the epochs j of a long run that epoch k of a shorter one stands for.

    Parameters
    ----------
    k : int
        Epochs since the start, in the epochs of this run.
    scale : float
        Length of this run over that of the long one; 1 gives ``exp(-k / tau)``.
    until : float
        Only epochs j before this one count.
    """
    tau, scale = number(tau, "tau", above=0.0), number(scale, "scale", above=0.0)
    until = min(number(until, "until", infinite=True), LATEST)
    j = np.arange(math.ceil(k / scale - 1e-9), math.ceil(min((k + 1) / scale, until) - 1e-9))
    return float(np.exp(-j / tau).sum())


def decayed(epochs: int, eta: float, of: int) -> float:
    """Share of the sum of ``exp(-floor(m / eta))`` over `of` epochs that the first `epochs` hold (DPAP)."""
    steps = np.exp(-np.floor(np.arange(max(of, 1)) / number(eta, "eta", above=0.0) + 1e-12))
    return float(steps[: max(epochs, 0)].sum() / steps.sum())


def erdos_renyi(
    shapes: Sequence[Sequence[int]], density: float, power: float = 1.0, dense: Sequence[bool] | None = None
) -> F8:
    """Density of each layer by the Erdos-Renyi-kernel rule, for a `density` of all weights together.

    ``eps p_l`` with ``p_l = (sum of all dimensions / product of all dimensions)^power``; layers that would pass 1
    become dense and the others are solved again.  (RigL, public code.)

    Parameters
    ----------
    shapes : sequence of tuple
        Dimensions of each weight tensor: (n_in, n_out), or (n_in, n_out, kernel, kernel).
    density : float
        In (0, 1].
    dense : sequence of bool, optional
        Layers that stay dense whatever the rule says.

    Raises
    ------
    ParameterError
        If the density is out of range, or already used up by the layers that stay dense.
    """
    density = number(density, "density", above=0.0, high=1.0)
    if not len(shapes) or any(not len(s) or not np.all(np.asarray(s) >= 1) for s in shapes):
        raise ParameterError(f"shapes must be those of weight tensors, sizes of at least 1, got {shown(list(shapes))}")
    if dense is not None and len(dense) != len(shapes):
        raise ParameterError(f"dense must say of each of {len(shapes)} tensors whether it stays, got {len(dense)}")
    size = np.array([np.prod(s) for s in shapes], dtype=float)
    p = (np.array([np.sum(s) for s in shapes], dtype=float) / size) ** power
    full = np.zeros(size.size, dtype=bool) if dense is None else np.asarray(dense, dtype=bool).copy()
    while not full.all():
        left = density * size.sum() - size[full].sum()
        if left <= 0:
            raise ParameterError(
                f"a density of {density:g} leaves nothing beside the layers that stay dense, which hold "
                f"{size[full].sum() / size.sum():.3g} of all weights: raise the density, or let them be sparse"
            )
        eps = left / float((p * size)[~full].sum())
        if eps * p[~full].max() <= 1.0 + 1e-12:
            return np.where(full, 1.0, np.minimum(eps * p, 1.0))
        full |= ~full & (p == p[~full].max())
    return np.ones(size.size)


def fewest_deaths(n_now: int, n_next: int, ratio: float) -> int:
    """Deaths of a round that ends with `n_next` synapses: the share `ratio`, or as many as feasible growth needs.

    A round of n deaths and ``n_next - (n_now - n)`` births can only be carried out if there are no negative births
    (NDSNN, feasibility): then more die, and none are born.
    """
    ratio = number(ratio, "ratio", low=0.0, high=1.0)
    wanted = int(math.floor(ratio * n_now + 1e-9))
    return min(max(wanted, n_now - n_next, 0), n_now)

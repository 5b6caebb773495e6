"""Losses on spike times and voltages.  All values and gradients are means over samples.

Exact: `cross_entropy`, `first_spike_cross_entropy`, `spike_time_error`.  The number of spikes has no exact gradient
(it is a staircase), so `rate_penalty` is a push in the right direction and says so.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neurodev import params
from neurodev.data.dataset import I8, SpikeTrains, check_labels, trains_of
from neurodev.errors import ParameterError
from neurodev.learn.training.loss import softmax

F8 = NDArray[np.float64]
LEAST = 1e-300  # probability below which its logarithm stays where it is


class Push(NamedTuple):
    """What a loss on spikes hands to ``Pullback(d_times, d_final=..., kicks=...)``.

    Attributes
    ----------
    value : float
    d_times : (n_spike,)
    d_final : (n_sample, n)
        For cells that should have fired and did not (the phantom): a pull on V at the end of the trial.
    kicks : (n_spike,)
        Not part of an exact gradient.
    """

    value: float
    d_times: F8
    d_final: F8
    kicks: F8

    def pull_arguments(self) -> dict[str, F8]:
        """As keyword arguments of a `Pullback`."""
        return {"d_times": self.d_times, "d_final": self.d_final, "kicks": self.kicks}


def cross_entropy(scores: ArrayLike, labels: ArrayLike, gain: float = 1.0) -> tuple[float, F8]:
    """Cross-entropy of the softmax of ``gain * scores``: (value, d_scores).

    Parameters
    ----------
    scores : (n_sample, n_class)
    labels : (n_sample,) int
    gain : float, 1/mV
    """
    z = gain * np.asarray(scores, dtype=np.float64)
    if z.ndim != 2:
        raise ParameterError(f"scores must be (n_sample, n_class), got shape {z.shape}")
    y = check_labels(labels, z.shape[1], "labels")
    if y.size != z.shape[0]:
        raise ParameterError(f"need as many labels as samples, got {y.size} and {z.shape[0]}")
    p = softmax(z)
    rows = np.arange(y.size)
    value = -float(np.log(np.maximum(p[rows, y], LEAST)).mean())
    p[rows, y] -= 1.0
    return value, gain * p / y.size


def first_spikes(spikes: SpikeTrains) -> tuple[F8, I8]:
    """Time of the first spike of each cell (infinite if it is silent) and its place in the list (-1), (n_sample, n)."""
    n_sample = len(trains_of(spikes, "spikes"))
    at = np.full(n_sample * spikes.n_cell, -1, dtype=np.int64)
    sample = np.repeat(np.arange(n_sample), np.diff(spikes.offsets))
    flat = sample * spikes.n_cell + spikes.cells
    # written from the back, so that the earliest spike stays
    at[flat[::-1]] = np.arange(flat.size)[::-1]
    time = np.where(at >= 0, spikes.times[np.maximum(at, 0)] if flat.size else np.inf, np.inf)
    return time.reshape(n_sample, -1), at.reshape(n_sample, -1)


def predict_first(spikes: SpikeTrains, final: F8) -> I8:
    """The class whose cell fires first; if none fires, the one with the highest final voltage."""
    time, at = first_spikes(spikes)
    return np.asarray(np.where((at >= 0).any(axis=1), time.argmin(axis=1), final.argmax(axis=1)))


def first_spike_cross_entropy(
    spikes: SpikeTrains,
    labels: ArrayLike,
    *,
    tau0: float = 2.0,
    alpha: float = 0.01,
    tau1: float = 10.0,
    phantom: float = 1.0,
) -> Push:
    """Cross-entropy of the softmax of ``-t_first / tau0`` plus ``alpha (exp(t_label / tau1) - 1)``.

    Parameters
    ----------
    spikes : SpikeTrains
        Of the output cells, one a class.  A silent cell counts as if it fired at the end of the trial.
    labels : (n_sample,) int
    tau0, tau1 : float, ms
    alpha : float
        Presses the right cell to fire early (Goeltz et al. 2021, Nat. Mach. Intell. 3:823).
    phantom : float, 1/mV
        A right cell that is silent adds ``-phantom * V(end)`` to the loss, whose gradient is exact and raises V; 0
        leaves silent cells alone (they then never learn).
    """
    params.number(tau0, "tau0", above=0), params.number(tau1, "tau1", above=0)
    params.number(alpha, "alpha", low=0), params.number(phantom, "phantom", low=0)
    y = check_labels(labels, trains_of(spikes, "spikes").n_cell, "labels")
    if y.size != len(spikes):
        raise ParameterError(f"need as many labels as samples, got {y.size} and {len(spikes)}")
    time, at = first_spikes(spikes)
    n, rows = len(spikes), np.arange(len(spikes))
    t = np.minimum(time, spikes.duration)
    p = softmax(-t / tau0)
    value = -np.log(np.maximum(p[rows, y], LEAST)) + alpha * np.expm1(t[rows, y] / tau1)
    d = -p / tau0
    d[rows, y] += 1.0 / tau0 + alpha / tau1 * np.exp(t[rows, y] / tau1)
    d_times = np.zeros(spikes.times.size)
    fired = at >= 0
    d_times[at[fired]] = d[fired] / n
    d_final = np.zeros((n, spikes.n_cell))
    silent = ~fired[rows, y]
    d_final[rows[silent], y[silent]] = -phantom / n
    return Push(float(value.mean()), d_times, d_final, np.zeros_like(d_times))


def spike_time_error(spikes: SpikeTrains, target: SpikeTrains, *, phantom: float = 1.0) -> Push:
    """Half the squared distance (ms^2) of the k-th spike of each cell to the k-th of its target, summed.

    Spikes without a partner do not count; a cell with fewer spikes than its target is pulled by the phantom (see
    `first_spike_cross_entropy`).
    """
    trains_of(spikes, "spikes"), trains_of(target, "target")
    if len(spikes) != len(target) or spikes.n_cell != target.n_cell:
        raise ParameterError(
            f"target has {len(target)} samples of {target.n_cell} cells, spikes {len(spikes)} of {spikes.n_cell}"
        )
    n = max(len(spikes), 1)
    a, b = _ranked(spikes), _ranked(target)
    common, ia, ib = np.intersect1d(a, b, assume_unique=True, return_indices=True)
    error = spikes.times[ia] - target.times[ib]
    d_times = np.zeros(spikes.times.size)
    d_times[ia] = error / n
    d_final = np.where(spikes.counts() < target.counts(), -phantom / n, 0.0)
    return Push(0.5 * float((error**2).sum()) / n, d_times, d_final, np.zeros_like(d_times))


def _ranked(spikes: SpikeTrains) -> I8:
    """A number for each spike that is the same for the k-th spike of the same cell of the same sample."""
    sample = np.repeat(np.arange(len(spikes)), np.diff(spikes.offsets))
    flat = sample * spikes.n_cell + spikes.cells
    order = np.argsort(flat, kind="stable")
    start = np.searchsorted(flat[order], flat[order], side="left")
    rank = np.empty(flat.size, dtype=np.int64)
    rank[order] = np.arange(flat.size) - start
    return rank * (len(spikes) * spikes.n_cell) + flat


def rate_penalty(spikes: SpikeTrains, low: float, high: float, strength: float) -> Push:
    """A push of each cell's mean count over the samples towards [low, high] spikes a trial.  **Not a gradient.**

    A count is a staircase in the weights: its exact gradient is zero.  Spikes of a cell that fires too much get a
    negative kick of lambda_V, as if an earlier rise of V cost something; a cell that fires too little is pulled up by
    its voltage at the end.  `value` is the squared excess that this works against.

    Parameters
    ----------
    spikes : SpikeTrains
    low, high : float
        Spikes of a cell in a trial.
    strength : float
    """
    params.number(strength, "strength", low=0)
    if not 0 <= params.number(low, "low") <= high:
        raise ParameterError(f"need 0 <= low <= high, got {low!r} and {high!r}")
    n = max(len(trains_of(spikes, "spikes")), 1)
    mean = spikes.counts().mean(axis=0) if len(spikes) else np.zeros(spikes.n_cell)
    excess = np.maximum(mean - high, 0.0) - np.maximum(low - mean, 0.0)
    kicks = -strength * np.maximum(excess, 0.0)[spikes.cells] / n
    d_final = np.broadcast_to(strength * np.minimum(excess, 0.0) / n, (len(spikes), spikes.n_cell)).copy()
    return Push(0.5 * strength * float((excess**2).sum()), np.zeros(spikes.times.size), d_final, kicks)

"""Bienenstock-Cooper-Munro plasticity on episodes: one kernel for both drivers.

    score of a synapse  <-  score + sum over episodes of  x y (y - theta)

x and y are the activities of source and target in an *episode*: the mean rates of a tick in the engine, the final
trace of a sample in training.  The threshold theta of a target slides, in one of two ways:

* ``running mean``: theta after n batches is the mean, over the batches so far, of the batch's mean y, starting at 0
  (the pruning score of DPAP; its published form keeps one theta for each position in the batch, `per_slot`);
* ``sliding``: tau dtheta/dt = y^2 - theta, exact over a tick in which y is constant (BCM 1982; Intrator & Cooper 1992).

A batch uses the threshold from before its own update.  The score is never reset (DPAP accumulates over its whole
training; scales cancel in `Survival`, which reads it).  What the score does is chosen by `act`: nothing by itself
(``score``), it changes weights (``weight``: dw/dt = rate x y (y - theta), projections without spines), or its low-pass
shifts the set-point of sizes against the target's mean (``size``).  As evidence for spines it is the same idea as
STDP's, on rates instead of spikes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike

from neurodev.arrays import F8, I8, U4, Floats
from neurodev.errors import BuildError, ParameterError
from neurodev.jit import kernel, rule
from neurodev.mechanisms.base import Mechanism, SynapseView
from neurodev.mechanisms.hooks import within
from neurodev.mechanisms.per_target import mean_per_target, start_at_mean
from neurodev.params import param
from neurodev.structure.cause import Cause
from neurodev.structure.store import Rows
from neurodev.structure.table import Table
from neurodev.units import day

# ---------------------------------------------------------------------- shared by both drivers


@rule
def bcm(x: float, y: float, threshold: float) -> float:
    """The rule: positive above the threshold, negative below, nothing without input or response."""
    return x * y * (y - threshold)


@kernel
def modulations(post: Floats, threshold: F8, out: F8) -> None:
    """``y (y - theta)`` of every episode and target, post and out (n_episode, n_target).

    threshold : (1, n_target), or (n_episode, n_target)
    """
    last = threshold.shape[0] - 1
    for e in range(post.shape[0]):
        for j in range(post.shape[1]):
            out[e, j] = bcm(1.0, np.float64(post[e, j]), threshold[min(e, last), j])


@kernel
def add_products(rows: Rows, n_source: int, target: U4, pre: Floats, modulation: F8, scale: float, out: F8) -> None:
    """``out[slot] += scale pre[e, source] modulation[e, target]`` over all episodes e; silent sources cost nothing.

    target, out : (capacity,);  pre : (n_episode, n_source);  modulation : (n_episode, n_target)
    """
    for r in range(rows.start.shape[0]):
        i = r % n_source
        first, last = rows.start[r], rows.start[r] + rows.length[r]
        for e in range(pre.shape[0]):
            x = scale * np.float64(pre[e, i])
            if x == 0.0:
                continue
            for s in range(first, last):
                out[s] += x * modulation[e, target[s]]


@kernel
def gather_products(rows: Rows, n_source: int, target: U4, product: F8, out: F8) -> None:
    """``out[slot] += product[source, target]``; target, out (capacity,), product (n_source, n_target)."""
    for r in range(rows.start.shape[0]):
        i = r % n_source
        for s in range(rows.start[r], rows.start[r] + rows.length[r]):
            out[s] += product[i, target[s]]


def accumulate(
    table: Table, pre: Floats, post: Floats, threshold: F8, out: F8, *, scale: float = 1.0, dense: bool = False
) -> None:
    """Add ``scale * sum over episodes of x y (y - theta)`` to the column `out` of every living synapse.

    Parameters
    ----------
    pre : (n_episode, n_source) float
    post : (n_episode, n_target) float
    threshold : (1, n_target) or (n_episode, n_target) float64
        One threshold a target, or one for each position in the batch.
    out : (capacity,) float64
    dense : bool
        Form the whole (n_source, n_target) product first: faster for nearly full tables and many episodes; the sums
        then differ in the last digits.

    Raises
    ------
    ParameterError
        If the shapes do not fit the table.
    """
    episodes = pre.shape[0]
    if pre.shape != (episodes, table.n_source) or post.shape != (episodes, table.n_target):
        raise ParameterError(
            f"episodes of shape {pre.shape} and {post.shape} do not fit a table of {table.n_source} sources and "
            f"{table.n_target} targets: give (n_episode, n_source) and (n_episode, n_target)"
        )
    if threshold.shape not in ((1, table.n_target), (episodes, table.n_target)):
        raise ParameterError(
            f"threshold has shape {threshold.shape}: give (1, {table.n_target}) for one threshold a target, or "
            f"({episodes}, {table.n_target}) for one a batch position"
        )
    modulation = np.empty(post.shape)
    modulations(post, threshold, modulation)
    where = (table.rows, table.n_source, table.post)
    if dense:
        gather_products(*where, scale * (pre.T.astype(np.float64) @ modulation), out)
    else:
        add_products(*where, np.ascontiguousarray(pre), modulation, float(scale), out)


def running_mean(threshold: F8, post: Floats, n: int) -> F8:
    """Threshold after the `n`-th batch (counted from 1): ``(theta (n - 1) + c) / n``.

    With `threshold` of shape (1, n_target), c is the batch's mean activity; with (n_episode, n_target) each batch
    position keeps its own (the published form, in which the position has a meaning it should not have).
    """
    c = post.mean(axis=0, keepdims=True, dtype=np.float64) if threshold.shape[0] == 1 else post.astype(np.float64)
    return np.asarray((threshold * (n - 1) + c) / n, dtype=np.float64)


def sliding(threshold: F8, activity: F8, step: float, tau: float) -> F8:
    """Threshold after `step` during which y was `activity`, exactly: tau dtheta/dt = y^2 - theta."""
    square = np.asarray(activity, dtype=np.float64) ** 2
    return np.asarray(square + (threshold - square) * np.exp(-step / tau))


# ---------------------------------------------------------------------- in the engine


@dataclass(frozen=True)
class BCM(Mechanism):
    """Rate-based plasticity with a sliding threshold, one episode a tick.

    Parameters
    ----------
    act : {"score", "weight", "size"}
        Only keep the score (for `Survival`), change weights, or shift the set-point of sizes.
    reference_hz : float, Hz (spike)
        Rate that counts as activity 1, of source and target.
    threshold : {"running mean", "sliding"}
    threshold_tau : float, ms (life)
        Of the sliding threshold.
    rate : float, 1/day
        Learning rate of weights, in units of `weight_max`; 0 is the off switch.
    weight_max : float, mV
        Weights grow up to this and fall down to 0; one that was given above it is kept, and can only fall.
    evidence_tau : float, ms (life)
        Low-pass of the score before it moves set-points.
    gain : float
        Shift of the set-point per unit of the low-passed score against the target's mean, in sd of size; 0 is the off
        switch.
    clip : float
        Bound of the difference.

    Examples
    --------
    >>> net = nd.Network(seed=1)
    >>> a, b = net.add(nd.Poisson(10.0), 50, name="a"), net.add(nd.LIF(), 20, name="b")
    >>> net.connect(a, b, nd.Degree(5), weight=1.0).use(nd.BCM())
    Projection('a_b', a to b, about 100 synapses, 5 inputs each, 1 mV, uses BCM)
    """

    act: str = param("score", choices=("score", "weight", "size"), source="free: which column is written, our choice")
    reference_hz: float = param(10.0, unit="Hz", clock="spike", above=0.0, source="free")
    threshold: str = param("running mean", choices=("running mean", "sliding"), source="DPAP's public code")
    threshold_tau: float = param(1 * day, unit="ms", clock="life", above=0.0, source="free")
    rate: float = param(0.1, unit="1/day", clock="life", low=0.0, source="free")
    weight_max: float = param(1.0, unit="mV", above=0.0, source="free")
    evidence_tau: float = param(1 * day, unit="ms", clock="life", above=0.0, source="as STDP.evidence_tau")
    gain: float = param(1.0, unit="1", low=0.0, source="free")
    clip: float = param(2.0, unit="1", above=0.0, source="as STDP.clip")

    reach: ClassVar[str] = "target"
    equation: ClassVar[str] = (
        "score += x y (y - theta) per episode;  theta: running mean of y, or tau dtheta/dt = y^2 - theta;  "
        "weight: dw/dt = rate x y (y - theta);  size: drive = gain clip(h - hbar), h the low-passed score"
    )
    owns: ClassVar[tuple[str, ...]] = ("bcm", "bcm_evidence")
    adds: ClassVar[tuple[str, ...]] = ("drive_bcm",)
    causes: ClassVar[dict[str, Cause]] = {
        "bcm": Cause(
            "its source had been active while the target stayed below its threshold of modification, more than its "
            "neighbours' sources, and its set-point fell",
            colour="#2A9D8F",
        )
    }
    reads: ClassVar[tuple[str, ...]] = ("rate_hz",)

    def columns(self) -> dict[str, float]:
        """The score; for sizes also its low-pass and the drive."""
        return {"bcm": 0.0} | ({"bcm_evidence": 0.0, "drive_bcm": 0.0} if self.act == "size" else {})

    def writes_weight(self, columns: frozenset[str]) -> bool:
        """With ``act="weight"``, unless switched off."""
        return self.act == "weight" and self.rate > 0.0

    def fastest_life_time(self) -> float:
        """Of the low-pass and of the sliding threshold, where they are in use."""
        tau = self.evidence_tau if self.act == "size" else float("inf")
        return min(tau, self.threshold_tau) if self.threshold == "sliding" else tau

    def prepare(self, view: SynapseView) -> None:
        """Create the signals of the targets: threshold, summed activity, number of episodes.

        Raises
        ------
        BuildError
            Where weights are read off sizes, or there are no sizes to shift.
        """
        sized = "log_size" in view.table.column_names
        if self.act == "weight" and sized:
            raise BuildError(f"projection {view.name!r} reads its weights off sizes: use BCM(act='size') there")
        if self.act == "size" and not sized:
            raise BuildError(f"projection {view.name!r} has no sizes: use BCM(act='weight'), or add SpineSize")
        for signal in ("threshold", "activity", "episodes"):
            view.target.add(_signal(signal, view))

    def signals(self, view: SynapseView) -> None:
        """Take the tick's mean rates as one episode: score, weights, then the threshold."""
        t, c = view.table, view.clock
        pre = (view.source["rate_hz"] / self.reference_hz)[None]
        y = view.target["rate_hz"] / self.reference_hz
        post = y[None]
        theta = view.target[_signal("threshold", view)]
        score = t.column("bcm")
        if self.act == "size":
            evidence, slots = t.column("bcm_evidence"), view.slots()
            keep = float(np.exp(-c.tick_life / self.evidence_tau))
            evidence[slots] *= keep
            accumulate(t, pre, post, theta[None], evidence, scale=1.0 - keep)
        elif self.act == "weight" and self.rate > 0:
            change = np.zeros(t.capacity)
            accumulate(t, pre, post, theta[None], change, scale=self.rate * c.tick_life / day * self.weight_max)
            change_weights(view.slots(), t.weight, change, self.weight_max)
        accumulate(t, pre, post, theta[None], score)
        total, n = view.target[_signal("activity", view)], view.target[_signal("episodes", view)]
        total += y
        n += 1.0
        if self.threshold == "sliding":
            theta[:] = sliding(theta, y, c.tick_life, self.threshold_tau)
        else:
            theta[:] = running_mean(theta[None], post, int(n[0]))[0]

    def add(self, view: SynapseView) -> None:
        """Shift the set-points of sizes."""
        if self.act != "size":
            return
        slots, t = view.slots(), view.table
        mean, _ = mean_per_target(view, "bcm_evidence", slots)
        difference = t.column("bcm_evidence")[slots] - mean[t.post[slots]]
        t.column("drive_bcm")[slots] += self.gain * np.clip(difference, -self.clip, self.clip)

    def born(self, view: SynapseView, slots: I8) -> None:
        """A newborn starts with the mean low-passed score of its target's other synapses, as with STDP."""
        if self.act == "size":
            start_at_mean(view, "bcm_evidence", slots)


def _signal(name: str, view: SynapseView) -> str:
    """Name of a signal of the targets that belongs to one projection."""
    return f"bcm_{name}_{view.name}"


def activity(view: SynapseView) -> F8:
    """Summed activity of each target over all episodes so far (the epoch trace of DPAP).

    Raises
    ------
    BuildError
        If no `BCM` gathers it on this projection.
    """
    name = _signal("activity", view)
    if name not in view.target:
        raise BuildError(f"projection {view.name!r} has no summed activity: use BCM() there, and do not block it")
    return view.target[name]


@kernel
def change_weights(slots: I8, weight: Floats, change: F8, limit: float) -> None:
    """Add a change to magnitudes, which fall to 0 and grow to `limit` at most; signs stay.

    weight, change : (capacity,)
    """
    for k in range(slots.shape[0]):
        s = slots[k]
        w = np.float64(weight[s])
        sign = -1.0 if w < 0.0 else 1.0
        weight[s] = sign * within(sign * w, change[s], limit)


# ---------------------------------------------------------------------- closed forms


def selective_response(n_pattern: int) -> tuple[float, float]:
    """Winner's response and threshold in the selective state for K independent equiprobable patterns (EX-54): K, K.

    The mean of y^2 over patterns is winner^2 / K, which must equal the threshold, which must equal the winner.
    """
    return float(n_pattern), float(n_pattern)


def change_per_episode(pre: ArrayLike, post: ArrayLike, threshold: float) -> F8:
    """The curve of the rule, ``x y (y - theta)``."""
    x, y = np.asarray(pre, dtype=np.float64), np.asarray(post, dtype=np.float64)
    return np.asarray(x * y * (y - threshold))

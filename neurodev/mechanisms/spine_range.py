"""A private weight range for every synapse, which grows where the weight presses against it and shrinks where it fails.

Once an epoch, for a synapse of weight w (at the end of the epoch) with range low..high:

* *over*: w >= high.  After `count` + 1 epochs in a row, high rises by the mean excess over the last `count` of them;
  mirrored for w <= low.
* *weakening*: abs(w) fell since the epoch before.  After `count` + 1 epochs in a row both bounds shrink by `shrink`.
* from epoch `count` + 1 on, the weight is clipped to its range.

Ranges start, at the end of epoch 0, at plus and minus the largest weight of all.  The width high - low, scaled over the
layer, is the spine's width in the density score of SD-SNN.

Source: SD-SNN (Han et al. 2025, Inf. Sci. 689:121481), public code.

A counter of -1 means: not in the last epoch.  In the engine the mechanism is a curiosity: without spines it clips
weights; with spines it follows sizes without touching them, which have bounds of their own (the pull to the set-point).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike

from neurodev.arrays import F8, I8, Floats
from neurodev.errors import BuildError
from neurodev.jit import kernel, rule
from neurodev.mechanisms.base import Mechanism, SynapseView
from neurodev.mechanisms.survival import epoch_ended, minmax
from neurodev.params import param
from neurodev.structure.duration import lasting
from neurodev.units import day

COLUMNS = (
    "range_low", "range_high", "range_under", "range_over", "range_deficit", "range_excess", "range_weak", "range_last"
)  # fmt: skip
LOW, HIGH, UNDER, OVER, DEFICIT, EXCESS, WEAK, LAST = range(8)

# ---------------------------------------------------------------------- shared by both drivers


@rule
def counted(counter: float, now: bool) -> float:
    """Consecutive epochs after the first one; -1 when the run is broken."""
    return counter + 1.0 if now else -1.0


@kernel
def move_ranges(slots: I8, weight: Floats, f: Floats, at: I8, count: float, shrink: float) -> None:
    """One epoch of all ranges.

    weight : (capacity,), at the end of the epoch;  f : (n_column, capacity);  at : (8,) positions of `COLUMNS` in f
    """
    for k in range(slots.shape[0]):
        s = slots[k]
        w = np.float64(weight[s])
        over = w >= f[at[HIGH], s]
        under = w <= f[at[LOW], s]
        weaker = abs(w) < abs(f[at[LAST], s])
        f[at[OVER], s] = counted(f[at[OVER], s], over)
        f[at[EXCESS], s] = f[at[EXCESS], s] + (w - f[at[HIGH], s]) if f[at[OVER], s] > 0.0 else 0.0
        f[at[UNDER], s] = counted(f[at[UNDER], s], under)
        f[at[DEFICIT], s] = f[at[DEFICIT], s] + (w - f[at[LOW], s]) if f[at[UNDER], s] > 0.0 else 0.0
        f[at[WEAK], s] = counted(f[at[WEAK], s], weaker)
        if f[at[OVER], s] >= count:
            f[at[HIGH], s] += f[at[EXCESS], s] / count
            f[at[OVER], s] = 0.0
            f[at[EXCESS], s] = 0.0
        if f[at[UNDER], s] >= count:
            f[at[LOW], s] += f[at[DEFICIT], s] / count
            f[at[UNDER], s] = 0.0
            f[at[DEFICIT], s] = 0.0
        if f[at[WEAK], s] >= count:
            f[at[HIGH], s] *= shrink
            f[at[LOW], s] *= shrink
            f[at[WEAK], s] = 0.0
        f[at[LAST], s] = w


@kernel
def clip_to_ranges(slots: I8, weight: Floats, f: Floats, at: I8) -> int:
    """Clip every weight to its range; returns how many moved.  Arrays as in `move_ranges`."""
    n = 0
    for k in range(slots.shape[0]):
        s = slots[k]
        w = np.float64(weight[s])
        clipped = min(max(w, f[at[LOW], s]), f[at[HIGH], s])
        if clipped != w:
            weight[s] = clipped
            n += 1
    return n


def positions(names: list[str]) -> I8:
    """Positions of `COLUMNS` among the columns of a table."""
    return np.array([names.index(c) for c in COLUMNS], dtype=np.int64)


def width(low: ArrayLike, high: ArrayLike) -> F8:
    """Spine width of SD-SNN's density score: high + abs(low), scaled to 0..1 over the layer (0.5 if all are equal)."""
    return minmax(np.asarray(high, dtype=np.float64) + np.abs(np.asarray(low, dtype=np.float64)))


_HAN = "Han et al. 2025, Inf. Sci. 689:121481, public code"


@dataclass(frozen=True)
class SpineRange(Mechanism):
    """A private range of weights for every synapse.

    Parameters
    ----------
    count : int
        Tc: a trigger needs count + 1 epochs in a row.
    shrink : float
        Factor of both bounds of a weakening synapse; 1 is the off switch of shrinking.
    clip : bool
        Off switch of the constraint; ranges then only observe.
    epoch : float, ms (life)
        Length of an epoch in the engine; the trainer's epochs are its own.

    Examples
    --------
    >>> net = nd.Network(seed=1)
    >>> a, b = net.add(nd.Poisson(10.0), 50, name="a"), net.add(nd.LIF(), 20, name="b")
    >>> net.connect(a, b, nd.Degree(5), spines=nd.Spines(weight=4.0)).use(nd.SpineRange())
    Projection('a_b', a to b, about 100 synapses, 5 inputs each, spines of 4 mV, uses SpineRange)
    """

    count: int = param(18, unit="1", low=1, source=f"{_HAN}: Tc = 18")
    shrink: float = param(0.75, unit="1", above=0.0, high=1.0, source=_HAN)
    clip: bool = param(True, source="off switch")
    epoch: float = param(1 * day, unit="ms", clock="life", above=0.0, source="free")

    equation: ClassVar[str] = (
        "after count + 1 epochs with w >= high: high += mean excess (mirrored below);  with abs(w) falling: both "
        "bounds x shrink;  w <- clip(w, low, high)"
    )
    owns: ClassVar[tuple[str, ...]] = COLUMNS

    def begin(self, slots: I8, weight: Floats, f: Floats, at: I8) -> None:
        """Start all ranges from the weights at the end of epoch 0: plus and minus the largest weight."""
        top = float(weight[slots].max()) if slots.size else 0.0
        start(slots, weight, f, at, -top, top)

    def update(self, slots: I8, weight: Floats, f: Floats, at: I8, epoch: int) -> None:
        """The end of an epoch (counted from 0), ranges and weights in place; both drivers call this.

        Parameters
        ----------
        weight : (capacity,) float
            Masked weights at the end of the epoch; clipped in place where `clip` is on and epoch > count.
        f : (n_column, capacity) float64, at : (8,) int64
            The table's columns and the positions of `COLUMNS` in it (`positions`).
        """
        if epoch == 0:
            self.begin(slots, weight, f, at)
            return
        move_ranges(slots, weight, f, at, float(self.count), self.shrink)
        if self.clip and epoch > self.count:
            clip_to_ranges(slots, weight, f, at)

    # ------------------------------------------------------------------ in the engine

    def columns(self) -> dict[str, float]:
        """Bounds, runs and their sums, and the weight of the epoch before."""
        return {c: -1.0 if c in ("range_under", "range_over", "range_weak") else 0.0 for c in COLUMNS}

    def prepare(self, view: SynapseView) -> None:
        """Refuse an epoch shorter than a tick.

        Raises
        ------
        BuildError
            With the cure.
        """
        if self.epoch < view.clock.tick_life * (1 - 1e-9):
            raise BuildError(
                f"projection {view.name!r}: an epoch of SpineRange ({lasting(self.epoch / day)}) is shorter than "
                f"a tick ({lasting(view.clock.tick_life / day)}): raise epoch=, or use a shorter tick="
            )

    def advance(self, view: SynapseView) -> None:
        """At the end of an epoch: weights without spines, else sizes, which are only followed."""
        epoch = epoch_ended(view, self.epoch)
        if epoch is None:
            return
        t, slots = view.table, view.slots()
        at = positions(t.column_names)
        if "size" in t.column_names:
            observer = SpineRange(self.count, self.shrink, False, self.epoch)
            observer.update(slots, t.column("size"), t.f, at, epoch)
            return
        # signs of a projection are all the same: the range is one of magnitudes
        magnitude = np.abs(t.weight)
        self.update(slots, magnitude, t.f, at, epoch)
        t.weight[slots] = np.copysign(magnitude[slots], t.weight[slots])

    def born(self, view: SynapseView, slots: I8) -> None:
        """A newborn takes the widest range of the others, and no history."""
        t = view.table
        at = positions(t.column_names)
        living = view.slots()
        old = np.setdiff1d(living, slots, assume_unique=True)
        top = float(t.column("range_high")[old].max()) if old.size else 0.0
        weight = t.column("size") if "size" in t.column_names else np.abs(t.weight)
        start(slots, weight, t.f, at, -top, top)


@kernel
def start(slots: I8, weight: Floats, f: Floats, at: I8, low: float, high: float) -> None:
    """Give slots a range and no history.  Arrays as in `move_ranges`."""
    for k in range(slots.shape[0]):
        s = slots[k]
        f[at[LOW], s] = low
        f[at[HIGH], s] = high
        f[at[UNDER], s] = -1.0
        f[at[OVER], s] = -1.0
        f[at[DEFICIT], s] = 0.0
        f[at[EXCESS], s] = 0.0
        f[at[WEAK], s] = -1.0
        f[at[LAST], s] = np.float64(weight[s])

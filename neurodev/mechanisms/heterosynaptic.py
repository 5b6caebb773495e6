"""Heterosynaptic shrinkage: a spine among potentiated neighbours shrinks.

    potentiated:  induction in the tick >= threshold
    a spine that was not potentiated, with at least `number` potentiated ones within `radius` on its branch,
    some of them on either side, loses `amount` of ln V at once

Oh, Parajuli & Zito 2015 (PMC4294981, abstract and legends): potentiating four or more spines shrinks an unstimulated
one 2 to 3.4 um away and inside the cluster; not at 3.4 to 4 um, not after one or three, not outside the cluster.  How
much it shrinks was not read: `amount` is free.

Induction is what STDP accumulated in the tick, in units of its reference burst.  Every tick is judged by itself: use it
with ticks about as long as an induction lasts (a minute of spikes), and with little acceleration.  Positions are the
columns ``branch`` and ``place`` (um from the root of the branch).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from neurodev.arrays import F8, I8
from neurodev.errors import BuildError
from neurodev.jit import kernel
from neurodev.mechanisms.base import Mechanism, SynapseView
from neurodev.params import param
from neurodev.structure.cause import Cause

PLACES = ("branch", "place")


def require_places(view: SynapseView, who: str) -> None:
    """Refuse a projection whose synapses have no place on a branch.

    Raises
    ------
    BuildError
        With the cure.
    """
    if any(c not in view.table.column_names for c in PLACES):
        raise BuildError(
            f"projection {view.name!r}: {who} needs the places of synapses on branches (columns 'branch' and 'place'), "
            "which nothing here provides: give the target a dendrite, as in nd.LIF(dendrite=nd.Branches(4))"
        )


def along_branches(view: SynapseView, slots: I8) -> tuple[I8, I8]:
    """Slots ordered by target, branch and place, and the number of the branch of each (ascending)."""
    t = view.table
    branch, place, post = t.column("branch")[slots], t.column("place")[slots], t.post[slots].astype(np.int64)
    order = np.lexsort((t.uid[slots], place, branch, post))
    post, branch = post[order], branch[order]
    new = np.concatenate([[False], (np.diff(post) != 0) | (np.diff(branch) != 0)]) if slots.size else np.zeros(0, bool)
    return slots[order], np.cumsum(new)


@kernel
def shrink_beside(
    slots: I8, group: I8, place: F8, induction: F8, step: F8, threshold: float, number: int, radius: float,
    inside: bool, amount: float,
) -> int:  # fmt: skip
    """Lower the steps of unpotentiated spines among potentiated ones; returns how many.

    slots, group : (n,), ordered by group (a branch) and place;  place, induction, step : (capacity,)
    """
    n, shrunk, first = slots.shape[0], 0, 0
    for k in range(n):
        s = slots[k]
        while group[first] != group[k] or place[s] - place[slots[first]] > radius:
            first += 1
        if induction[s] >= threshold:
            continue
        left, right = 0, 0
        for i in range(first, k):
            if induction[slots[i]] >= threshold:
                left += 1
        for i in range(k + 1, n):
            if group[i] != group[k] or place[slots[i]] - place[s] > radius:
                break
            if induction[slots[i]] >= threshold:
                right += 1
        if left + right >= number and (not inside or (left > 0 and right > 0)):
            step[s] -= amount
            shrunk += 1
    return shrunk


@dataclass(frozen=True)
class Heterosynaptic(Mechanism):
    """A spine among potentiated neighbours shrinks.

    Parameters
    ----------
    amount : float
        Loss of ln V by one such event; 0 is the off switch.
    number : int
        How many potentiated neighbours it takes.
    radius : float, um
        How near they must be, along the branch.
    inside : bool
        Whether there must be potentiated ones on either side.
    threshold : float
        Induction from which a spine counts as potentiated, in reference bursts of STDP.

    Examples
    --------
    >>> net = nd.Network(seed=1)
    >>> a, b = net.add(nd.Poisson(10.0), 50, name="a"), net.add(nd.LIF(), 20, name="b")
    >>> projection = net.connect(a, b, nd.Degree(5), spines=nd.Spines(weight=4.0))
    >>> projection.use(nd.STDP(), nd.SpineSize(), nd.Heterosynaptic())
    Projection('a_b', a to b, about 100 synapses, 5 inputs each, spines of 4 mV, uses STDP, SpineSize, Heterosynaptic)
    """

    amount: float = param(0.25, unit="1", low=0.0, source="free")
    number: int = param(4, unit="1", low=1, source="Oh 2015 (PMC4294981, abstract)")
    radius: float = param(3.4, unit="um", above=0.0, source="Oh 2015 (PMC4294981, legends)")
    inside: bool = param(True, source="Oh 2015 (PMC4294981, legends)")
    threshold: float = param(0.5, unit="1", above=0.0, source="free")

    reach: ClassVar[str] = "target"
    equation: ClassVar[str] = (
        "induction < threshold and at least `number` neighbours within radius with induction >= threshold, on either "
        "side:  ln V <- ln V - amount"
    )
    adds: ClassVar[tuple[str, ...]] = ("step_heterosynaptic", "induction")
    causes: ClassVar[dict[str, Cause]] = {
        "heterosynaptic": Cause(
            "its neighbours on the branch were potentiated, and it shrank beside them", colour="#B55B5B"
        )
    }
    reads: ClassVar[tuple[str, ...]] = ("accumulator", "log_size", *PLACES)

    def columns(self) -> dict[str, float]:
        """What the tick induced, and the step of size."""
        return {"induction": 0.0, "step_heterosynaptic": 0.0}

    def prepare(self, view: SynapseView) -> None:
        """Refuse a projection without sizes or without places.

        Raises
        ------
        BuildError
            With the cure.
        """
        if "log_size" not in view.table.column_names:
            raise BuildError(f"projection {view.name!r}: Heterosynaptic changes sizes; use SpineSize on it")
        require_places(view, self.name)

    def add(self, view: SynapseView) -> None:
        """Ask for the steps of those that shrink."""
        if self.amount == 0.0:
            return
        t, slots = view.table, view.slots()
        strong = slots[t.column("induction")[slots] >= self.threshold]
        crowded = np.bincount(t.post[strong], minlength=t.n_target) >= self.number
        if not crowded.any():
            return
        slots, group = along_branches(view, slots[crowded[t.post[slots]]])
        shrink_beside(
            slots, group, t.column("place"), t.column("induction"), t.column("step_heterosynaptic"), self.threshold,
            int(self.number), self.radius, self.inside, self.amount,
        )  # fmt: skip

    def advance(self, view: SynapseView) -> None:
        """Forget the tick's induction: a rule that is blocked must not go on inducing."""
        view.table.column("induction")[view.slots()] = 0.0

    def born(self, view: SynapseView, slots: I8) -> None:
        """A newborn has seen nothing."""
        view.table.column("induction")[slots] = 0.0

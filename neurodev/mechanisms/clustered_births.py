"""Local clustering of births: a newborn may grow beside an older synapse of its target.

Without this mechanism a newborn lies anywhere on the branches of its target (spine positions are mostly random:
PMC4107399, abstract).  With it, and with probability `clustered`, it grows beside an older synapse of its target: at a
distance drawn from a normal law of width `spread` along the same branch, mirrored at the ends.  The older synapse is
chosen at random, or with a chance that grows with its volume.  Its partner is who the births chose.

Glutamate alone triggers new spines locally (Kwon & Sabatini 2011, PMC3107907, abstract); how far from a synapse and how
often was not read: `clustered` and `spread` are free.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neurodev.arrays import F8, I8
from neurodev.errors import BuildError
from neurodev.jit import kernel
from neurodev.mechanisms.base import Mechanism, SynapseView
from neurodev.mechanisms.heterosynaptic import PLACES, require_places
from neurodev.noise import normals_of, uniforms_of
from neurodev.params import param


@kernel
def choose_parents(targets: I8, pick: F8, post: I8, slots: I8, affinity: F8, total: F8, parent: I8) -> None:
    """The older synapse beside which each newborn grows: a slot, or -1 where its target has none.

    targets, pick, parent : (n_born,), the newborns' targets and a uniform each, and what is found
    post, slots, affinity : (n_old,), of the older synapses, ordered by target;  total : (n_target,), sums of affinity
    """
    for b in range(targets.shape[0]):
        left = pick[b] * total[targets[b]]
        parent[b] = -1
        for k in range(np.searchsorted(post, targets[b]), slots.shape[0]):
            if post[k] != targets[b]:
                break
            parent[b] = slots[k]
            left -= affinity[k]
            if left <= 0.0:
                break


def mirrored(place: F8, length: float) -> F8:
    """Places folded back onto 0..length, however far outside they fell."""
    x = np.mod(place, 2.0 * length)
    return np.where(x > length, 2.0 * length - x, x)


@dataclass(frozen=True)
class ClusteredBirths(Mechanism):
    """Newborns may grow beside older synapses of their target.

    Parameters
    ----------
    clustered : float
        Share of newborns that grow beside an older synapse of their target; 0 is the off switch.
    spread : float, um
        Width of the normal law of their distance to it.
    attraction : float
        How much larger synapses attract more: their chance is proportional to V to this power.
    length : float, um
        Of the branches, as given to the dendrite.

    Examples
    --------
    >>> net = nd.Network(seed=1)
    >>> a, b = net.add(nd.Poisson(10.0), 50, name="a"), net.add(nd.LIF(), 20, name="b")
    >>> net.connect(a, b, nd.Degree(5), spines=nd.Spines(weight=4.0)).use(nd.Turnover(), nd.ClusteredBirths())
    Projection('a_b', a to b, about 100 synapses, 5 inputs each, spines of 4 mV, uses Turnover, ClusteredBirths)
    """

    clustered: float = param(0.3, unit="1", low=0.0, high=1.0, source="free")
    spread: float = param(2.0, unit="um", above=0.0, source="free")
    attraction: float = param(0.0, unit="1", source="free")
    length: float = param(100.0, unit="um", above=0.0, source="free")

    reach: ClassVar[str] = "target"
    equation: ClassVar[str] = (
        "place of a newborn: anywhere with probability 1 - clustered, else mirrored N(place of an older one, spread^2)"
    )
    adds: ClassVar[tuple[str, ...]] = PLACES
    reads: ClassVar[tuple[str, ...]] = PLACES

    def prepare(self, view: SynapseView) -> None:
        """Refuse a projection without places, and branches longer than the length given.

        Raises
        ------
        BuildError
            With the cure.
        """
        require_places(view, self.name)
        place = view.table.column("place")[view.slots()]
        if place.size and place.max() > self.length:
            raise BuildError(
                f"projection {view.name!r}: a synapse lies {place.max():g} um from the root of its branch, beyond "
                f"ClusteredBirths.length ({self.length:g} um): give length= the length of the branches"
            )

    def born(self, view: SynapseView, slots: I8) -> None:
        """Move those newborns that grow beside an older synapse to their places."""
        t = view.table
        near = slots[uniforms_of(view.key("clustered"), t.uid[slots]) < self.clustered]
        if not near.size:
            return
        parent = self._parents(view, near, slots)
        near, parent = near[parent >= 0], parent[parent >= 0]
        t.column("branch")[near] = t.column("branch")[parent]
        away = self.spread * normals_of(view.key("distance"), t.uid[near])
        t.column("place")[near] = mirrored(t.column("place")[parent] + away, self.length)

    def _parents(self, view: SynapseView, near: I8, newborn: I8) -> I8:
        t = view.table
        fresh: NDArray[np.bool_] = np.zeros(t.capacity, dtype=np.bool_)
        fresh[newborn] = True
        old = view.slots()
        old = old[~fresh[old]]
        old = old[np.lexsort((t.uid[old], t.post[old]))]  # by uid, so that the order of rows does not matter
        post = t.post[old].astype(np.int64)
        affinity = np.ones(old.size)
        if self.attraction != 0.0 and "log_size" in t.column_names:
            affinity = np.exp(self.attraction * t.column("log_size")[old])
        total: F8 = np.asarray(np.bincount(post, weights=affinity, minlength=t.n_target), dtype=np.float64)
        parent = np.empty(near.size, dtype=np.int64)
        choose_parents(
            t.post[near].astype(np.int64), uniforms_of(view.key("parent"), t.uid[near]), post, old, affinity, total,
            parent,
        )  # fmt: skip
        return parent


# ---------------------------------------------------------------------- closed form


def share_within(births: ClusteredBirths, place: float, distance: ArrayLike, n_branch: int = 1) -> F8:
    """Share of newborns that lie within `distance` (um) of their target's only synapse, which is at `place`."""
    from scipy.special import ndtr

    d, length, s = np.asarray(distance, dtype=np.float64), births.length, births.spread
    low, high = np.maximum(place - d, 0.0), np.minimum(place + d, length)
    scattered = (high - low) / length / n_branch
    beside = np.zeros_like(d)
    for k in range(-3, 4):  # images of the interval under mirroring at both ends
        for a, b in ((low, high), (-high, -low)):
            beside += ndtr((b + 2 * k * length - place) / s) - ndtr((a + 2 * k * length - place) / s)
    return np.asarray((1.0 - births.clustered) * scattered + births.clustered * beside)

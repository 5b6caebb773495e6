"""Protocols of what happens among neighbours on a branch: shrinkage beside potentiated spines, clustered births."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from neurodev.arrays import F8, I8
from neurodev.mechanisms.base import Mechanism, SynapseView
from neurodev.mechanisms.clustered_births import ClusteredBirths, share_within
from neurodev.mechanisms.heterosynaptic import Heterosynaptic
from neurodev.mechanisms.turnover import Turnover
from neurodev.noise import uniforms_of
from neurodev.protocols.registry import protocol
from neurodev.protocols.result import Panel, Protocol
from neurodev.protocols.stage import Ticks
from neurodev.protocols.stages import Induce, quiet
from neurodev.structure.table import Table
from neurodev.units import day, minute


@dataclass(frozen=True)
class Places(Mechanism, word=False):
    """Puts synapses on branches: the first ones at `place` on branch 0 (by uid), newborns anywhere."""

    owns: ClassVar[tuple[str, ...]] = ("branch", "place")
    place: Any = None
    branches: Any = 1
    length: Any = 100.0

    def columns(self) -> dict[str, float]:
        """Branch and place, um."""
        return {"branch": 0.0, "place": 0.0}

    def prepare(self, view: SynapseView) -> None:
        """Lay out the first synapses."""
        t, slots = view.table, view.slots()
        t.column("place")[slots] = np.asarray(self.place, dtype=float)[t.uid[slots].astype(np.int64) - 1]

    def born(self, view: SynapseView, slots: I8) -> None:
        """Scatter the newborns."""
        t = view.table
        t.column("branch")[slots] = np.floor(self.branches * uniforms_of(view.key("branch"), t.uid[slots]))
        t.column("place")[slots] = self.length * uniforms_of(view.key("place"), t.uid[slots])


def one_branch(place: F8) -> Table:
    """Synapses at given places of one branch of one neuron."""
    k = np.arange(place.size)
    none = np.zeros(place.size, dtype=np.int64)
    return Table.build(place.size, 1, [1.0], k, none, none, 1.0, columns=("size",))


def beside(rule: Heterosynaptic, number: int, distance: float, one_sided: bool = False) -> float:
    """Change of ln V of a spine with `number` potentiated ones at `distance`, by turns on either side."""
    side = np.ones(number) if one_sided else np.where(np.arange(number) % 2 == 0, 1.0, -1.0)
    place = np.concatenate([[50.0], 50.0 + side * distance])
    amount = np.concatenate([[0.0], np.full(number, 1.0)])
    world = Ticks((quiet(), Places(place), Induce(amount), rule), one_branch(place), tick=minute, acceleration=1.0)
    before = world.of("log_size")[0]
    world.step()
    return float(world.of("log_size")[0] - before)


@protocol(Heterosynaptic)
def heterosynaptic_protocol(rule: Heterosynaptic) -> Protocol:
    """The matrix of BIO-19: how many potentiated neighbours at which distance shrink a spine between them."""
    panel = Panel("A spine among potentiated ones", "distance (um)", "change of ln V")
    near = np.arange(0.2, 2.0 * rule.radius, 0.2)
    near = near[np.abs(near - rule.radius) > 1e-6]
    for number in (1, rule.number - 1, rule.number, rule.number + 2):
        if number < 1:
            continue
        enough = number >= rule.number and (number > 1 or not rule.inside)
        law = np.where((near <= rule.radius) & enough, -rule.amount, 0.0)
        panel.add(f"{number} potentiated", near, [beside(rule, int(number), float(d)) for d in near], law, 1e-12)
    outside = Panel("A spine at the edge of the cluster", "potentiated, all on one side", "change of ln V")
    counts = np.arange(1.0, 9.0)
    found = [beside(rule, int(n), 0.5 * rule.radius, one_sided=True) for n in counts]
    law = np.where((counts >= rule.number) & (not rule.inside), -rule.amount, 0.0)
    outside.add("", counts, found, law, 1e-12)
    return Protocol(rule, "induction of a spine's neighbours for one tick", [panel, outside], "Oh 2015, PMC4294981")


def distances(births: ClusteredBirths, place: float, n: int, n_branch: int, seed: int) -> F8:
    """Distances (um; infinite on another branch) of first newborns to their target's only synapse, at `place`."""
    k = np.arange(n)
    none = np.zeros(n, dtype=np.int64)
    table = Table.build(3, n, [1.0], none, k, none, 1.0, columns=("size",))
    turnover = Turnover(early=0.0, late=0.2)
    places = Places(np.full(n, place), n_branch, births.length)
    world = Ticks((turnover, places, births), table, tick=day, seed=seed)
    world.step()
    t = world.table
    slots = t.slots()
    newborn = slots[t.uid[slots] > n]
    same = t.column("branch")[newborn] == 0
    return np.where(same, np.abs(t.column("place")[newborn] - place), np.inf)


@protocol(ClusteredBirths)
def clustered_protocol(births: ClusteredBirths, *, n: int = 20_000, n_branch: int = 4, seed: int = 1) -> Protocol:
    """How near newborns lie to the only older synapse of their target, in the middle of a branch and near its end."""
    panels = []
    for title, place in (("In the middle of a branch", 0.5), ("Near its end", 0.01)):
        at = place * births.length
        found = distances(births, at, n, n_branch, seed)
        d = np.concatenate([np.arange(1, 9) * births.spread / 2.0, [10 * births.spread, 0.4 * births.length]])
        d = np.sort(np.minimum(d, births.length))
        p, smooth = share_within(births, at, d, n_branch), np.linspace(0.0, d[-1], 300)
        panel = Panel(title, "distance (um)", "share of newborns within it")
        panel.add(
            f"{found.size} newborns", d, [np.mean(found <= x) for x in d], p,
            4.0 * np.sqrt(np.maximum(p * (1 - p), 1.0 / found.size) / found.size),
            fine=(smooth, share_within(births, at, smooth, n_branch)),
        )  # fmt: skip
        panels.append(panel)
    return Protocol(births, "newborns of targets with a single synapse", panels, "Kwon & Sabatini 2011 (abstract)")

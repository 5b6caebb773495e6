"""Sheets, the positions of cells on them, and places along dendritic branches."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from neurodev.arrays import F8, U8
from neurodev.jit import kernel
from neurodev.params import check, number, param
from neurodev.registry import Registered, Spoken
from neurodev.rng import uniform

MOST_OBLONG = 2.5  # longer over shorter side of a grid's cell, from which on a larger grid is thinned instead


@dataclass(frozen=True)
class Sheet(metaclass=Spoken):
    """A flat rectangle of tissue.

    Parameters
    ----------
    width, height : float, um
    periodic : bool
        Opposite edges are joined: wirings and delays by distance go the shortest way round, and no cell lies at an
        edge.  Places are written as on a plane; drives and the measures of maps keep the plane.

    Examples
    --------
    >>> nd.Network(seed=1, sheet=nd.Sheet(800.0, 600.0, periodic=True)).sheet.width
    800.0
    """

    width: float = param(1000.0, unit="um", above=0.0, high=1e7, source="free: chosen for the default study")
    height: float = param(1000.0, unit="um", above=0.0, high=1e7, source="free: chosen for the default study")

    periodic: bool = param(False, source="off switch")

    def __post_init__(self) -> None:
        check(self)


def grid_shape(n: int, width: float, height: float) -> tuple[int, int]:
    """Columns and rows of the grid of exactly `n` places whose cells are most nearly square."""
    best = (n, 1)
    small = [rows for rows in range(1, math.isqrt(n) + 1) if n % rows == 0]
    for rows in sorted({*small, *(n // rows for rows in small)}):
        columns = n // rows
        skew = abs(np.log((width / columns) / (height / rows)))
        if skew < abs(np.log((width / best[0]) / (height / best[1]))):
            best = (columns, rows)
    return best


def grid(n: int, sheet: Sheet, jitter: float, draw: np.random.Generator) -> F8:
    """Positions (n, 2) in um: the most nearly square grid, each place moved by up to `jitter` um in x and y.

    If `n` has no factorisation near the sheet's shape (a prime, say), a larger grid is thinned at random.
    """
    jitter = number(jitter, "jitter", "um", low=0.0)
    columns, rows = grid_shape(n, sheet.width, sheet.height)
    ratio = (sheet.width / columns) / (sheet.height / rows)
    keep = None
    if not 1.0 / MOST_OBLONG < ratio < MOST_OBLONG:
        rows = int(np.ceil(np.sqrt(n * sheet.height / sheet.width)))
        columns = int(np.ceil(n / rows))
        keep = np.sort(draw.choice(columns * rows, n, replace=False))
    x = (np.arange(columns) + 0.5) * sheet.width / columns
    y = (np.arange(rows) + 0.5) * sheet.height / rows
    places = np.column_stack([np.tile(x, rows), np.repeat(y, columns)])
    if keep is not None:
        places = places[keep]
    if jitter:
        places = places + draw.uniform(-jitter, jitter, places.shape)
        places = np.clip(places, 0.0, [sheet.width, sheet.height])
    return np.ascontiguousarray(places)


@kernel
def draw_places(stream: np.uint64, uids: U8, n_branch: float, length: float, branch: F8, place: F8) -> None:
    """Branch and place of the synapses `uids`, (n,) each: functions of (stream, uid) alone."""
    for k in range(uids.shape[0]):
        branch[k] = min(np.floor(n_branch * uniform(stream, uids[k], np.uint64(0))), n_branch - 1.0)  # u may round to 1
        place[k] = length * uniform(stream, uids[k], np.uint64(1))


@dataclass(frozen=True)
class Branches(Registered, kind="dendrite", word=True):
    """The dendrite of a neuron as a few straight branches; synapses sit at places along them.

    As the ``dendrite`` of `LIF` the branches are linear: a point neuron whose synapses have places.  Its namesake
    `neurodev.learn.Branches` is a layer of the trainable path: the somatic half of a two-layer neuron.

    Parameters
    ----------
    per_neuron : int
    length : float, um

    Examples
    --------
    >>> nd.Branches(per_neuron=8).per_neuron
    8
    """

    linear: ClassVar[bool] = True  # nothing but a sum: a point neuron
    equation: ClassVar[str] = "soma current = sum over branches of E_b + I_b, the currents of their synapses"

    per_neuron: int = param(1, unit="1", low=1, high=65535, source="free")
    length: float = param(100.0, unit="um", above=0.0, source="free")

    def __post_init__(self) -> None:
        check(self)

    def draw(self, stream: np.uint64, uids: U8) -> tuple[F8, F8]:
        """Branch and place (um from its root) of synapses, each (n,), uniform: spine positions are mostly random.

        Source: Poisson-like positions along human cortical dendrites (PMC4107399, abstract).
        """
        branch, place = np.empty(uids.size), np.empty(uids.size)
        draw_places(stream, uids, float(self.per_neuron), float(self.length), branch, place)
        return branch, place

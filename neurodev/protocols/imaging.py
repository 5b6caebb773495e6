"""What repeated imaging would see of spines that live without spikes under given mechanisms."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neurodev import rng
from neurodev.arrays import F8
from neurodev.errors import ParameterError
from neurodev.mechanisms.base import Mechanism
from neurodev.noise import normals_of
from neurodev.protocols.stage import Replacement, Ticks
from neurodev.structure.table import Table
from neurodev.units import day, hour


def population(
    mechanisms: Sequence[Mechanism], n: int = 5000, *, n_target: int = 100, burn_in: float = 0.0,
    tick: float = 12 * hour, seed: int = 1, replace: bool = False,
) -> Ticks:  # fmt: skip
    """Spines on `n_target` dendrites without spikes, after `burn_in` ms of life.

    Parameters
    ----------
    mechanisms : sequence of Mechanism
        Sizes, births and deaths.
    n : int
        Spines at the start; afterwards births and deaths decide.
    replace : bool
        Replace each spine that dies by a newborn, so that the number stands still.
    burn_in, tick : float, ms (life)
    seed : int

    Returns
    -------
    Ticks
    """
    if n < 0 or n_target < 1:
        raise ParameterError(f"population needs n >= 0 spines on n_target >= 1 dendrites, got n={n}, {n_target}")
    k = np.arange(n)
    table = Table.build(
        64, n_target, [1.0], (k // n_target) % 64, k % n_target, np.zeros(n, dtype=np.int64), 1.0, columns=("size",)
    )
    if replace:
        mechanisms = [*mechanisms, Replacement(np.bincount(k % n_target, minlength=n_target))]
    world = Ticks(mechanisms, table, tick=tick, seed=seed, multapses=True)
    world.step(round(burn_in / tick))
    return world


def image(world: Ticks, days: ArrayLike, noise: float = 0.0) -> F8:
    """Image a population: ln V of every spine ever seen, in sessions at `days` from now.

    Parameters
    ----------
    world : Ticks
        It moves on to the last session.
    days : (n_session,) array_like
        Days from now, rising; multiples of the tick.
    noise : float
        Standard deviation of the measured ln V about the true one.

    Returns
    -------
    (n_seen, n_session) float64
        NaN where absent; rows by uid.
    """
    start = world.clock.tick
    seen: list[tuple[NDArray[np.uint64], F8]] = []
    key = rng.key(world.view.seed, "imaging", "noise")
    has_size = "log_size" in world.table.column_names
    for session, d in enumerate(np.atleast_1d(np.asarray(days, dtype=float))):
        steps = start + round(d * day / world.tick) - world.clock.tick
        if steps < 0 or (session and steps == 0):
            raise ParameterError(f"days must rise by a tick ({world.tick / day:g} d) at least, got {days!r}")
        world.step(steps)
        slots = world.table.slots()
        uid = world.table.uid[slots]
        x = np.array(world.table.column("log_size")[slots]) if has_size else np.zeros(slots.size)
        seen.append((uid.copy(), x + noise * normals_of(key, uid, session) if noise > 0 else x))
    every = np.unique(np.concatenate([u for u, _ in seen]))
    out = np.full((every.size, len(seen)), np.nan)
    for k, (uid, x) in enumerate(seen):
        out[np.searchsorted(every, uid), k] = x
    return out

"""The initial synapses of a projection: pairs, delays and weights, drawn each from a stream of its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from neurodev import rng
from neurodev.arrays import F8, I8, Integers
from neurodev.engine.network import Network, Projection
from neurodev.errors import ParameterError
from neurodev.params import check_memory
from neurodev.structure.table import MAX_LANES
from neurodev.structure.weights import Weights

SHORTEST_DELAY = 0.01  # ms; below it the window of known arrivals shrinks to nothing


@dataclass
class Drawn:
    """Synapses as they are drawn: who, by which of the delays (ms), and how strong (mV, signed), (n,) each."""

    source: Integers
    target: Integers
    delays: F8
    lane: Integers
    weight: F8
    lane_of: Callable[[I8, I8], Integers] | None  # of newborns, where it follows from the pair


def drawn(network: Network, q: Projection) -> Drawn:
    """Draw the initial synapses of a projection.

    Raises
    ------
    ParameterError
        Where the wiring cannot be had between these cells, delays are too short or too many, or weights too few.
    """
    draw = rng.generator(network.seed, q.name, "wiring")
    here, there = (p.positions[: p.n - p.room] for p in (q.source, q.target))  # the unborn have no synapses
    source, target = q.wiring.draw(here, there, draw, q.source is q.target, q.multapses)
    grows = q.spines is not None or q.plastic
    delay = q.delay.between(q.source.positions, q.target.positions, network.sheet, (source, target), grows)
    delays = delay.lanes()
    if len(delays) > MAX_LANES:
        raise ParameterError(f"projection {q.name!r} needs {len(delays)} delay lanes; at most {MAX_LANES}: widen step=")
    if delays.size and delays[0] < SHORTEST_DELAY:
        raise ParameterError(f"the delays of {q.name!r} must be >= {SHORTEST_DELAY} ms, got {delays[0]:g}")
    stream = rng.generator(network.seed, q.name, "delay")
    check_memory(
        16.0 * len(delays) * q.source.n, f"rows of projection {q.name!r}, {len(delays)} delays for each source",
        "round delays (step=)",
    )  # fmt: skip
    lane = delay.of(source, target, stream)
    lane_of = (lambda s, t: delay.of(s, t, stream)) if delay.by_distance else None
    return Drawn(source, target, delays, lane, _weights(network, q, source.size), lane_of)


def _weights(network: Network, q: Projection, n: int) -> F8:
    """Signed weights of `n` synapses, (n,)."""
    sign = -1.0 if q.source.inhibitory and not q.signed else 1.0
    if q.spines is not None:
        return np.broadcast_to(np.float64(sign * q.spines.weight), (n,))
    if isinstance(q.weight, Weights):
        magnitude = np.asarray(q.weight.draw(n, rng.generator(network.seed, q.name, "weight")), dtype=np.float64)
        if magnitude.shape != (n,) or not np.all((magnitude >= 0.0) & (magnitude < np.inf)):
            raise ParameterError(
                f"{type(q.weight).__name__}.draw of {q.name!r} must give {n} finite numbers >= 0, got shape "
                f"{magnitude.shape}"
            )
        return magnitude if sign > 0 else np.negative(magnitude, out=magnitude)
    given = np.asarray(q.weight, dtype=np.float64)
    if given.ndim and given.shape != (n,):
        raise ParameterError(
            f"weight of {q.name!r} must be a number or have one value per synapse ({n}), got shape {given.shape}"
        )
    return np.broadcast_to(sign * given, (n,))

"""Drives as the engine asks them: bound to their cells, and every chunk looked at before the loop is told of it."""

from __future__ import annotations

import numpy as np

from neurodev.arrays import F8, I8
from neurodev.engine.network import Population
from neurodev.errors import BuildError, SimulationError, shown
from neurodev.neurons.drive import Drive, Source

SHORTEST_PERIOD = 1e-3  # ms of a chunk of a drive: a shorter one would be asked for without end


def bound(p: Population, seed: int, model: Drive | None = None, turn: int = 0) -> Source:
    """A drive bound to its cells: that of the network, or another `model`, the `turn`-th that was set since.

    Each turn draws by itself: what comes is independent of what was.

    Raises
    ------
    BuildError
        If what it gives is no source, or its period is no length of time.
    """
    drive = p.model if model is None else model
    assert isinstance(drive, Drive)
    source = drive.bind(p.n, p.positions, seed, f"{p.name} {turn}" if turn else p.name)
    period = getattr(source, "period", None)
    if not hasattr(source, "chunk") or not isinstance(period, (int, float)) or not SHORTEST_PERIOD <= period < np.inf:
        raise BuildError(
            f"{type(drive).__name__}.bind of {p.name!r} must return a source with chunk(k) and a period of at least "
            f"{SHORTEST_PERIOD:g} ms, got {shown(source, 60)} with period {period!r}"
        )
    return source


def chunk_of(source: Source, k: int, p: Population) -> tuple[F8, I8]:
    """Chunk `k` of a bound drive, looked at before the loop is told of it.

    Raises
    ------
    SimulationError
        For times outside the chunk or out of order, and for cells that there are not: the population, the drive, and
        the first that is wrong.
    """
    try:
        t, j = source.chunk(k)
        times, cells = np.asarray(t, dtype=np.float64), np.asarray(j)
    except (TypeError, ValueError) as e:
        raise SimulationError(f"chunk {k} of {type(p.model).__name__} {p.name!r} is no (times, cells): {e}") from e
    what = ""
    if times.ndim != 1 or cells.shape != times.shape or (cells.size and cells.dtype.kind not in "iu"):
        what = f"must be times (n,) and numbers of cells (n,), got {times.shape} and {cells.shape} of {cells.dtype}"
    elif times.size:
        late = ~((times >= 0.0) & (times < source.period))
        strange = (cells < 0) | (cells >= p.n)
        if late.any():
            what = f"has a spike at {times[late][0]!r} ms, outside [0, {source.period:g})"
        elif strange.any():
            what = f"names cell {int(cells[strange][0])} of {p.n}"
    if what:
        raise SimulationError(f"chunk {k} of {type(p.model).__name__} {p.name!r} {what}")
    return times, cells.astype(np.int64)

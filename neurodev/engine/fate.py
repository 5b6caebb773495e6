"""What the death and the birth of a neuron mean to the event loop.

A neuron that does not live holds the sentinel of the refractory: it swallows every input without a test, so the loop
need not know of it.  Dying takes away what is still on its way: its release from refractoriness, its spikes that
travel, its currents and predicted crossings, its traces, and (a cell of a drive) the spikes it had still to emit.  All
of it happens between two events.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from neurodev.engine.engine import Engine
from neurodev.engine.loop.state import (
    LISTS,
    N_AGENDA,
    N_AGENDA_AT,
    N_DRIVE,
    N_DRIVE_AT,
    REFRACTORY,
    SENTINEL,
    T_NOW,
)
from neurodev.errors import InvariantError
from neurodev.neurons.rules import AT

I8 = NDArray[np.int64]
B1 = NDArray[np.bool_]


def _keep(wanted: B1, first: int, *arrays: NDArray[np.generic]) -> int:
    """Close the gaps in a stretch of parallel arrays that begins at `first`; returns where it ends now."""
    n = int(wanted.sum())
    for a in arrays:
        a[first : first + n] = a[first : first + wanted.size][wanted]
    return first + n


def kill(engine: Engine, population: int, neurons: I8) -> None:
    """Neurons of a population cease: silent for ever, with nothing of them on its way."""
    dead = np.zeros(engine.populations[population].n, dtype=bool)
    dead[neurons] = True
    engine.alive[population] &= ~dead
    _forget_membranes(engine, population, dead)
    _forget_spikes(engine, population, dead)
    for h in engine.hot:
        q, t = engine.projections[h.place], engine.tables[h.place]
        if q.source.index == population:
            h.arrays.pre_trace.reshape(-1, t.parts * t.n_lane, t.n_source)[:, :, dead] = 0.0
        if q.target.index == population:
            h.arrays.post_trace[:, dead] = 0.0
    for own in engine.hot_populations:
        if own.place == population:
            own.arrays.post_trace[:, dead] = 0.0


def _forget_membranes(engine: Engine, population: int, dead: B1) -> None:
    first = int(engine.state.neurons.first[population])
    if first < 0:
        return
    engine.state.neurons.u[first : first + dead.size][dead] = SENTINEL
    gone = np.zeros(engine.state.neurons.u.size, dtype=bool)
    gone[first : first + dead.size] = dead
    for s in engine.parts.states:
        n, q = s.clock.n, s.queue
        for listed in LISTS:
            at, k = int(n[listed.at]) if listed.at >= 0 else 0, int(n[listed.count])
            arrays = [getattr(q, name) for name in listed.arrays]
            n[listed.count] = k = _keep(~gone[getattr(q, listed.index)[at:k]], at, *arrays)
            if listed.heap:
                order = np.lexsort((q.crossing_index[:k], q.crossing_time[:k]))  # a sorted list is a heap
                for a in arrays:
                    a[:k] = a[:k][order]
    _forget_cells(engine, population, np.flatnonzero(dead))


def _forget_cells(engine: Engine, population: int, neurons: I8) -> None:
    """No current flows in these neurons and their branches, and no event of theirs is predicted."""
    if population in engine.cells:
        engine.cells[population].forget(neurons, float(engine.state.clock.time[T_NOW]))


def _forget_spikes(engine: Engine, population: int, dead: B1) -> None:
    """Spikes in the log, on the agenda of the open window, and still to come from a drive."""
    log, drives = engine.state.log, engine.state.drives
    k = int(log.count[population])
    wanted = ~dead[log.index[population, :k]]
    before = np.concatenate([[0], np.cumsum(~wanted)])
    log.count[population] = _keep(wanted, 0, log.time[population], log.index[population])
    for s in engine.parts.states:
        n, q, lanes = s.clock.n, s.queue, s.lanes
        mine = lanes.population == population
        lanes.cursor[mine] -= before[lanes.cursor[mine]]
        at, k = int(n[N_AGENDA_AT]), int(n[N_AGENDA])
        lane = q.lane[at:k].astype(np.int64)
        n_source = s.projections.n_source[lanes.projection[lane]]
        from_here = lanes.population[lane] == population
        source = np.where(from_here, q.row[at:k] % np.maximum(n_source, 1), 0)
        n[N_AGENDA] = _keep(~(from_here & dead[source]), at, q.time, q.row, q.lane)
    n = engine.state.clock.n
    at, k = int(n[N_DRIVE_AT]), int(n[N_DRIVE])
    here = drives.population[at:k] == population
    wanted = ~(here & dead[np.where(here, drives.index[at:k], 0)])
    n[N_DRIVE] = _keep(wanted, at, drives.time, drives.population, drives.index)


def wake(engine: Engine, population: int, neurons: I8) -> None:
    """Neurons are born: from now on they integrate, from their initial potential and without currents."""
    s = engine.state
    first = int(s.neurons.first[population])
    engine.alive[population][neurons] = True
    _forget_cells(engine, population, neurons)  # background falls also on places that nobody has yet
    if s.neurons.silenced[population] == 1:
        return
    j = first + neurons
    engine.place(j, engine.initial_u[j])
    engine.predict(population, int(j.min()), int(j.max()) + 1)


def verify(engine: Engine) -> None:
    """Check that nothing of a neuron that does not live is left in the event loop.

    Raises
    ------
    InvariantError
        Naming the population.
    """
    state = engine.state
    for p, alive in zip(engine.populations, engine.alive, strict=True):
        absent = ~alive
        if not absent.any():
            continue
        found = absent[state.log.index[p.index, : int(state.log.count[p.index])]].any()
        first = int(state.neurons.first[p.index])
        if first >= 0:
            found |= bool(np.any(state.neurons.u[first : first + p.n][absent] > REFRACTORY))
            j = np.flatnonzero(absent) + first
            for s in engine.parts.states:
                for listed in LISTS:
                    at = int(s.clock.n[listed.at]) if listed.at >= 0 else 0
                    who = getattr(s.queue, listed.index)[at : int(s.clock.n[listed.count])]
                    found |= bool(np.isin(who, j).any())
            if p.index in engine.cells:
                found |= bool(np.isfinite(engine.cells[p.index].state[absent, AT]).any())
        if found:
            raise InvariantError(f"population {p.name!r}: a neuron that does not live has an event on its way")

"""Looking at the membranes of a running engine, and touching them: whichever part a neuron belongs to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from neurodev.arrays import F8, I8
from neurodev.engine import build
from neurodev.engine.loop.background import gather_again
from neurodev.engine.loop.lists import close_lists, place_all, potentials_at
from neurodev.engine.loop.spiking import predict_delta
from neurodev.engine.loop.state import (
    N_BLOCK_OPEN,
    N_CONTACTS,
    N_CROSSING,
    N_DUE,
    N_DUE_AT,
    N_INPUT,
    N_INPUT_AT,
    N_RELEASE,
    REFRACTORY,
    SENTINEL,
    T_FRAME,
    T_NOW,
    State,
)
from neurodev.errors import BuildError, Status
from neurodev.jit import address, address_of_hook
from neurodev.neurons.model import Cells, NeuronModel, call
from neurodev.neurons.tree import TreeLIF

if TYPE_CHECKING:
    from neurodev.engine.network import Network, Population
    from neurodev.engine.parts import Parts
    from neurodev.engine.ranks import Ranks


class Membranes:
    """What an engine says and changes of its neurons, between two events."""

    network: Network
    populations: list[Population]
    parts: Parts
    ranks: Ranks | None
    n_part: int
    _apart: bool
    cells: dict[int, Cells]
    alive: list[NDArray[np.bool_]]
    v_inf_of: F8  # of each class of membranes
    _initial: F8

    @property
    def state(self) -> State:
        """The state of the first part, which is the only one of most networks."""
        return self.parts.hub

    @property
    def v_inf(self) -> F8:
        """Where the potential of each neuron goes without input now, (n_neuron,) mV."""
        return self.v_inf_of[self.state.neurons.kind]

    @property
    def initial_u(self) -> F8:
        """How far above that each of them begins, (n_neuron,) mV."""
        return self._initial - self.v_inf

    @property
    def _now(self) -> float:
        return float(self.state.clock.time[T_NOW])

    def _grow(self, k: int, status: Status) -> None:
        raise NotImplementedError

    def together(self) -> None:
        """Let every rank have what the others wrote."""
        raise NotImplementedError

    def _shares(self, neurons: I8) -> list[tuple[int, I8, NDArray[np.bool_]]]:
        """(part, its neurons, which of the given ones they are) for all parts that have some of these neurons."""
        out = []
        for k, s in enumerate(self.parts.states):
            p = s.neurons.population[neurons]
            mine = (neurons >= s.own.first[p]) & (neurons < s.own.last[p])
            if mine.any():
                out.append((k, np.ascontiguousarray(neurons[mine], dtype=np.int64), mine))
        return out

    def _in_frame(self, neurons: I8) -> F8:
        """u of neurons (of all) now, (n,), without the background that is still to come."""
        s, u = self.state, np.zeros(neurons.size)
        for k, mine, which in self._shares(neurons):
            out = np.zeros(mine.size)
            potentials_at(int(self.parts.addresses[k]), mine, self._now, out)
            u[which] = out
        if self.ranks is not None:
            self.ranks.meet()
            p = s.neurons.population[neurons]
            owner = self.ranks.owners(neurons - s.neurons.first[p], s.neurons.size[p], self.n_part)
            return self.ranks.pick(u, owner)
        return u

    def _put_in_frame(self, neurons: I8, u: F8) -> None:
        self._apart = self.ranks is not None
        for k, mine, which in self._shares(neurons):
            place_all(int(self.parts.addresses[k]), mine, np.ascontiguousarray(u[which]), self._now)

    def potential(self, population: str, neurons: I8 | None = None, compartment: int = 0) -> F8:
        """Membrane potentials (mV) of a population, or of some of its neurons, now: of the soma, or of another
        compartment where neurons have a tree.

        Reset while refractory, NaN where no neuron lives.
        """
        self.together()
        p = self.network.populations[population]
        if not isinstance(p.model, NeuronModel):
            raise BuildError(f"{population!r} is a drive and has no membrane")
        s, which = self.state, np.arange(p.n) if neurons is None else neurons
        if p.index in self.cells:
            cells = self.cells[p.index]
            if compartment and isinstance(p.model, TreeLIF):
                v = p.model.compartments(cells, self._now)[which, compartment]
            else:
                v = p.model.potentials(cells, self._now)[which]
            return np.where(self.alive[p.index][which], v, np.nan)
        here = int(s.neurons.first[p.index]) + which
        u, kind = self._in_frame(here), s.neurons.kind[here]
        dt = self._now - s.clock.time[T_FRAME]
        v_inf = self.v_inf_of[kind]
        v = v_inf + u * np.exp(-dt * s.neurons.rate[kind])
        v = np.where(u < REFRACTORY, v_inf + s.neurons.reset[kind], v)
        return np.where(self.alive[p.index][which], v, np.nan)

    def place(self, neurons: I8, v: F8) -> None:
        """Let neurons (of all) stand at `v` mV above their V_inf now."""
        s = self.state
        self._put_in_frame(
            neurons, v * np.exp((self._now - s.clock.time[T_FRAME]) * s.neurons.rate[s.neurons.kind[neurons]])
        )

    def silence(self, population: int, on: bool) -> None:
        """Silence a population (or let it fire again, from reset)."""
        s = self.state
        if s.neurons.silenced[population] == int(on):
            return
        self.together()
        self._apart = self.ranks is not None  # a rank knows when its own neurons are free again
        s.neurons.silenced[population] = int(on)
        first = int(s.neurons.first[population])
        if first < 0:
            return
        here = slice(first, first + int(s.neurons.size[population]))
        if on:
            s.neurons.u[here] = SENTINEL
            if isinstance(self.populations[population].model, TreeLIF):  # the dendrite must know from when on
                self.cells[population].ask("predict", 0, self.cells[population].n, self._now)
            return
        free = self.alive[population].copy()
        for part in self.parts.states:
            n, q = part.clock.n, part.queue
            pending = np.concatenate([q.release_index[: n[N_RELEASE]], q.due_index[n[N_DUE_AT] : n[N_DUE]]]).astype(
                np.int64
            )
            free[pending[(pending >= here.start) & (pending < here.stop)] - first] = False
        if population in self.cells:
            cells = self.cells[population]
            cells.u[free] = 0.0
            for i in np.flatnonzero(free).tolist():
                cells.ask("reset", i, i + 1, self._now)
        else:
            which = first + np.flatnonzero(free)
            self.place(which, s.neurons.reset[s.neurons.kind[which]])
        self.predict(population, here.start, here.stop)

    def predict(self, population: int, first: int, last: int) -> None:
        """Note the coming crossings of neurons `first`..`last` of a population, set to new potentials from outside."""
        for k, s in enumerate(self.parts.states):
            if not s.clock.n[N_BLOCK_OPEN]:
                continue  # the next block looks at everybody
            begin, end = max(first, int(s.own.first[population])), min(last, int(s.own.last[population]))
            if begin >= end:
                continue
            spare = (end - begin) + max(s.queue.release_time.size, int(s.clock.n[N_CONTACTS])) + 1
            while self.parts.states[k].clock.n[N_CROSSING] + spare >= self.parts.states[k].queue.crossing_time.size:
                self._grow(k, Status.CROSSING_FULL)
            if population in self.cells:
                zero = int(s.neurons.first[population])
                rule, record = self.cells[population].rules.predict, self.parts.records[k][population]
                call(address_of_hook(rule), address(record), begin - zero, end - zero, 0, 0.0, self._now)
            else:
                predict_delta(int(self.parts.addresses[k]), begin, end, self._now)

    def set_background_rate(self, population: int, rate_hz: float) -> None:
        """Give every background of every neuron of a population this rate from now on; 0 stops them.

        What was drawn of the open block is drawn anew from now on.
        """
        first = int(self.state.neurons.first[population])
        neurons = np.arange(first, first + int(self.state.neurons.size[population]), dtype=np.int64)
        u = self._in_frame(neurons)
        for k, s in enumerate(self.parts.states):
            pieces = np.flatnonzero(s.neurons.population[s.background.first] == population)
            if pieces.size:
                close_lists(int(self.parts.addresses[k]))
                s.background.rate[pieces], s.background.since[pieces] = rate_hz / 1e3, self._now
                s.background.turn[pieces] += np.uint64(1)
                background = build.with_chances(s.background, float(s.clock.length[1]))
                self.parts.replace(k, background=background, lists=build.make_lists(background, s.lists.of))
        if not self.state.clock.n[N_BLOCK_OPEN]:
            return
        if population not in self.cells:
            self._put_in_frame(neurons, u)
            self.predict(population, first, first + neurons.size)
            return
        for k in range(len(self.parts.states)):
            while gather_again(int(self.parts.addresses[k])) == Status.INPUT_FULL:
                self._grow(k, Status.INPUT_FULL)
            s = self.parts.states[k]
            n = s.clock.n
            n[N_INPUT_AT] = np.searchsorted(s.queue.input_time[: n[N_INPUT]], self._now)

"""What methods do to the net of a training: propose and store structure, look into a step.

The half of a `Course` that knows tensors, layers and the replica; the trainer is the other half, the clocks.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurodev.errors import StudyError
from neurodev.learn.core.layer import Weights
from neurodev.learn.core.storage import STORAGES, stored, suiting
from neurodev.learn.model import Sequential
from neurodev.learn.training import closed, door
from neurodev.learn.training.method import Method
from neurodev.learn.training.workers import Workers
from neurodev.params import one_of
from neurodev.structure.cause import Causes
from neurodev.structure.dense import DenseTable
from neurodev.structure.log import StructuralLog
from neurodev.structure.plan import Applied, Plan, apply, merge


class Structured(closed.Closed):
    """Base of trainers: the net that is trained, its structure, and who looks at it."""

    model: Sequential
    methods: list[Method]
    workers: Workers
    causes: Causes
    logs: dict[str, StructuralLog]
    births: dict[str, list[int]]
    step: int
    _by: Method | None
    _begun: dict[str, str] | None
    _watching: dict[str, str]
    _skip: bool

    @property
    def life(self) -> float:
        """Life time, ms."""
        raise NotImplementedError

    def weights(self) -> dict[str, Weights]:
        """The weight tensors by name."""
        return self.model.weights_of()

    def tensor(self, name: str) -> Weights:
        """The weight tensor of a name; an unknown one is a StudyError, with the nearest."""
        return door.tensor(self.weights(), name)

    # ------------------------------------------------------------------ structure

    def propose(self, name: str, plans: Sequence[Plan]) -> Applied:
        """Merge and apply plans on a weight tensor now, and log them at this step.

        Newborn synapses, and dead ones that must not move, lose their gradient and the moments of the optimiser.
        """
        table = self.tensor(name).table
        door.check_plans(plans)
        for plan in plans:
            self.causes.check(plan.mechanism, plan.death_cause, plan.deaths.size)
            self.causes.check(plan.mechanism, plan.birth_cause, plan.source.size)
        merged = merge(list(plans), table, single_contact=True)
        gone = merged.plan.deaths
        done = apply(table, merged, tick=self.step, life=self.life, log=self.logs[name])
        if done.n_born or done.n_died:
            self.births[name][0] += done.n_born
            self.births[name][1] += done.n_died
            if isinstance(table, DenseTable):  # the sparse table does so by itself
                still = not any(m.dead == "move" for m in self.methods)
                fresh = np.concatenate([done.slots, gone]) if still else done.slots
                for column in table.column_names:
                    if column != "theta":
                        table.column(column)[fresh] = 0
        return done

    def begin_with(self, name: str, alive: NDArray[np.bool_] | None = None, storage: str | None = None) -> None:
        """Structure and storage of a weight tensor before training; for `Method.prepare` only.

        Parameters
        ----------
        alive : (n_source, n_target) bool, optional
            Which synapses exist.  The weights of the others are divided among them: their standard deviation
            grows with ``1 / sqrt(density)``, as it does where a layer is drawn sparse.
        storage : {"dense", "hidden", "sparse", "suiting"}, optional
        """
        w = self.tensor(name)
        if self._begun is None:
            raise StudyError(
                f"begin_with({name!r}) is for Method.prepare alone: later, structure changes through propose"
            )
        if self._by is not None:
            first = self._begun.setdefault(name, self._by.name)
            if first != self._by.name:
                raise StudyError(
                    f"{first} and {self._by.name} exclude each other: both set the structure that {name!r} begins with"
                )
        if alive is not None:
            alive = door.check_alive(alive, (w.table.n_source, w.table.n_target))
            dense = stored(w.table, "dense")
            assert isinstance(dense, DenseTable)
            if (alive & (dense.grid(dense.alive)[:, : dense.n_target] == 0)).any():
                who = "a method" if self._by is None else self._by.name
                raise StudyError(
                    f"{who} draws the structure of {name!r} itself, but it has lost synapses already: build it with "
                    "density=1, or take a model that was not pruned"
                )
            dense.keep_only(alive)
            dense.weight *= dense.weight.dtype.type(np.sqrt(alive.size / max(int(alive.sum()), 1)))
            w.table = dense
        self.store(name, storage if storage is not None else "hidden" if w.hidden else "dense")

    def store(self, name: str, storage: str) -> None:
        """Change how a weight tensor is stored; identities, moments and values go along.  See `Course.store`."""
        w, twin = self.tensor(name), self.workers.twin.weights_of()[name]
        one_of(storage, "storage", (*STORAGES, "suiting"))
        storage = suiting(w.table) if storage == "suiting" else storage
        hidden = storage == "hidden"
        table = stored(w.table, storage)
        if table is not w.table or hidden != w.hidden:
            w.put(table, hidden)
        if twin is not w:
            twin.put_like(w)

    def watch(self, layer: str, look: Callable[[Any, Any], Any] | None) -> None:
        """Have ``look(x, y)`` called at every training call of a layer; see `watched`."""
        who = "this method" if self._by is None else self._by.name
        door.check_watch(self.model, layer, who)
        door.check_look(look)
        if look is not None and self._watching.setdefault(layer, who) != who:
            raise StudyError(
                f"{self._watching[layer]} and {who} exclude each other: both watch {layer!r}, which one can"
            )
        for model in self.models():
            next(one for one in model.layers() if one.name == layer).watch = look

    def watched(self, layer: str) -> list[Any]:
        """What `watch` returned in this step, in the order of the batch; forgotten afterwards."""
        door.check_watch(self.model, layer, "this method")
        out: list[Any] = []
        for model in self.models():
            one = next(one for one in model.layers() if one.name == layer)
            out += one.watched
            one.watched = []
        return out

    def probe(self, name: str) -> None:
        """Have this step add up the gradient of every pair of a weight tensor; see `probed`."""
        self.tensor(name)
        for model in self.models():
            w = model.weights_of()[name]
            w.probe = np.zeros((w.table.n_source, w.table.n_target), dtype=w.table.weight.dtype)

    def probed(self, name: str) -> NDArray[Any]:
        """(n_source, n_target) gradients asked for by `probe`; forgotten afterwards."""
        self.tensor(name)
        parts = []
        for model in self.models():
            w = model.weights_of()[name]
            if w.probe is None:
                raise StudyError(f"probed({name!r}) without probe({name!r}) before the forward pass of this step")
            parts.append(w.probe)
            w.probe = None
        return parts[0] if len(parts) == 1 else parts[0] + parts[1]

    def models(self) -> list[Sequential]:
        """The model and, where there is one, the replica that works on the second half of each batch."""
        twin = self.workers.twin
        return [self.model] if twin is self.model else [self.model, twin]

    def share(self, layer: str, key: str) -> None:
        """Give the replica the parameter that a method has added to a layer."""
        door.check_watch(self.model, layer, "this method")
        door.check_parameter(self.model, layer, key)
        mine, *others = (next(one for one in m.layers() if one.name == layer) for m in self.models())
        for other in others:
            other.parameters[key] = mine.parameters[key].replica()

    @property
    def skip_update(self) -> bool:
        """Former way of a method to leave out the update of a step: `Method.after_backward` now returns True."""
        return self._skip

    @skip_update.setter
    def skip_update(self, skip: bool) -> None:
        warnings.warn("return True from after_backward in place of skip_update", DeprecationWarning, stacklevel=2)
        self._skip = bool(skip)

    def clear_gradients(self) -> None:
        """Set all gradients to 0, those of the replica too."""
        self.workers.clear()

    def _hold_the_dead(self) -> None:
        """Absent synapses that must not move get no gradient."""
        if any(m.dead == "move" for m in self.methods):
            return
        for w in self.weights().values():
            table = w.table
            if isinstance(table, DenseTable) and not w.hidden and table.n_synapse < table.n_source * table.n_target:
                gradient = w.gradient
                gradient *= table.alive

"""Checkpoints of a training: named arrays, no pickle."""

from __future__ import annotations

from collections.abc import Mapping
from types import MethodType, SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurodev.errors import RunFileError
from neurodev.learn.core.layer import Vector
from neurodev.learn.kernels import policy
from neurodev.learn.training.checked import check_arrays, check_weights
from neurodev.learn.training.course import Course
from neurodev.learn.training.kept import keep, plain_of, put, unkept
from neurodev.record.packed import under
from neurodev.registry import word_of

OLDER = 7  # costs of kernels that a checkpoint held before there were masks


def _parts(t: Course) -> dict[str, Any]:
    """The parts of a training whose attributes may change while it runs, by name; callbacks by their kind."""
    parts = {name: getattr(t, name) for name in ("optimiser", "encoder", "loss", "schedule", "augment")}
    for callback in t.callbacks:
        word, k = word_of(callback if hasattr(callback, "__qualname__") else type(callback)), 1
        while f"callback/{word}/{k}" in parts:
            k += 1
        parts[f"callback/{word}/{k}"] = callback
    # the state of a method of an object is that of the object
    owners = {name: part.__self__ if isinstance(part, MethodType) else part for name, part in parts.items()}
    return {name: owner for name, owner in owners.items() if owner is not t}


def left_out(t: Course) -> list[str]:
    """What parts of a training hold and its checkpoints do not, by class, attribute and class of that."""
    return [f"{type(part).__name__}.{words}" for part in _parts(t).values() for words in unkept(part)]


def state_of(t: Course) -> dict[str, NDArray[Any]]:
    """Everything that the rest of a training run depends on."""
    out = {"trainer": np.array([t.epoch, t.step, t.model.uids.next], dtype=np.int64)}
    out["costs"] = np.array(t.workers.costs or policy.known(), dtype=np.float64)
    for name, part in _parts(t).items():
        out |= {f"part/{name}/{key}": a for key, a in keep(part).items()}
    for name, w in t.weights().items():
        out |= {f"table/{name}/{key}": a for key, a in w.table.arrays().items()}
        out[f"table/{name}/storage"] = np.array(w.storage)
    for layer in t.model.layers():
        for key, p in layer.parameters.items():
            if isinstance(p, Vector):
                out[f"vector/{layer.name}/{key}"] = p.value
                out |= {f"moment/{layer.name}/{key}/{m}": a for m, a in p.moments.items()}
        out |= {f"buffer/{layer.name}/{key}": a for key, a in layer.buffers().items()}
        out |= {f"layer/{layer.name}/{key}": a for key, a in keep(SimpleNamespace(**plain_of(layer))).items()}
    for k, method in enumerate(t.methods):
        out |= {f"method/{k}/{key}": a for key, a in method.state().items()}
    return out


def restore(t: Course, state: Mapping[str, NDArray[Any]]) -> None:
    """Put a trainer where `state_of` found one; the model must have been built alike."""
    t.epoch, t.step, t.model.uids.next = (int(v) for v in state["trainer"])
    t.workers.costs = _costs(state)
    for name, part in _parts(t).items():
        put(part, under(state, f"part/{name}/"))
    for name, w in t.weights().items():
        t.store(name, str(state[f"table/{name}/storage"]))
        w.table.load(under(state, f"table/{name}/"))
    for layer in t.model.layers():
        for key, p in layer.parameters.items():
            if isinstance(p, Vector):
                p.value[...] = state[f"vector/{layer.name}/{key}"]
                p.moments = {m: a.copy() for m, a in under(state, f"moment/{layer.name}/{key}/").items()}
        for key, a in layer.buffers().items():
            a[...] = state[f"buffer/{layer.name}/{key}"]
        put(layer, under(state, f"layer/{layer.name}/"))
    for k, method in enumerate(t.methods):
        method.restore(under(state, f"method/{k}/"))
    t.clear_gradients()


def _costs(state: Mapping[str, NDArray[Any]]) -> policy.Costs | None:
    """The costs of kernels in a checkpoint; None where they are to be measured, as after one of other kernels.

    Raises
    ------
    RunFileError
        If they are damaged.
    """
    kept = state.get("costs", np.zeros(0))
    if kept.dtype == np.float64 and kept.shape in ((0,), (OLDER,)):
        return None
    if kept.dtype == np.float64 and kept.shape == (len(policy.Costs._fields),):
        costs = policy.Costs(*kept.tolist())
        if policy.sound(costs):
            return costs
    raise RunFileError(f"a checkpoint is damaged: {kept!r:.80} are no costs of kernels")


def check_state(t: Course, state: Mapping[str, NDArray[Any]]) -> None:
    """Refuse what does not fit this training, before anything is changed.

    Raises
    ------
    RunFileError
        With what is missing, or leads where there is nothing.
    """
    _costs(state)
    check_arrays(state, state_of(t))
    epoch, step, next_uid = (int(v) for v in state["trainer"])
    if step != epoch * t.steps_per_epoch:
        raise RunFileError(f"a checkpoint is damaged: epoch {epoch} does not end at step {step}")
    for name, w in t.weights().items():
        check_weights(name, w, state, next_uid)

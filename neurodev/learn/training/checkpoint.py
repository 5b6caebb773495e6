"""Checkpoints of a training: named arrays, no pickle."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from neurodev.learn.core.layer import Vector

if TYPE_CHECKING:
    from neurodev.learn.training.trainer import Trainer


_TABLE = (
    "post", "weight", "row", "pos_in", "uid", "born", "f", "row_start", "row_length", "row_room", "in_start",
    "in_length", "in_room", "in_slot", "in_row", "alive",
)  # fmt: skip


_NUMBERS = ("n_synapse", "pool_end", "in_end")


def state_of(t: Trainer) -> dict[str, NDArray[Any]]:
    """Everything that the rest of a training run depends on."""
    out = {"trainer": np.array([t.epoch, t.step, t.optimiser.steps, t.model.uids.next], dtype=np.int64)}
    for name, w in t.weights().items():
        for a in _TABLE:
            if hasattr(w.table, a):
                out[f"table/{name}/{a}"] = getattr(w.table, a)
        out[f"table/{name}/numbers"] = np.array([getattr(w.table, a) for a in _NUMBERS], dtype=np.int64)
        out[f"table/{name}/storage"] = np.array(w.storage)
        out[f"table/{name}/columns"] = np.array(w.table.column_names, dtype=np.str_)
    for layer in t.model.layers():
        for key, p in layer.parameters.items():
            if isinstance(p, Vector):
                out[f"vector/{layer.name}/{key}"] = p.value
                out |= {f"moment/{layer.name}/{key}/{m}": a for m, a in p.moments.items()}
        for key, a in getattr(layer, "buffers", dict)().items():
            out[f"buffer/{layer.name}/{key}"] = a
    for k, method in enumerate(t.methods):
        out |= {f"method/{k}/{key}": a for key, a in method.state().items()}
    return out


def restore(t: Trainer, state: dict[str, NDArray[Any]]) -> None:
    """Put a trainer where `state_of` found one; the model must have been built alike."""
    t.epoch, t.step, t.optimiser.steps, t.model.uids.next = (int(v) for v in state["trainer"])
    for name, w in t.weights().items():
        t.store(name, str(state[f"table/{name}/storage"]))
        for a in _TABLE:
            if f"table/{name}/{a}" in state:
                setattr(w.table, a, state[f"table/{name}/{a}"].copy())
        for a, v in zip(_NUMBERS, state[f"table/{name}/numbers"], strict=True):
            setattr(w.table, a, int(v))
        w.table.column_names = [str(c) for c in state[f"table/{name}/columns"]]
        w.table.version += 1
    for layer in t.model.layers():
        for key, p in layer.parameters.items():
            if isinstance(p, Vector):
                p.value[...] = state[f"vector/{layer.name}/{key}"]
                prefix = f"moment/{layer.name}/{key}/"
                p.moments = {k[len(prefix) :]: a.copy() for k, a in state.items() if k.startswith(prefix)}
        for key, a in getattr(layer, "buffers", dict)().items():
            a[...] = state[f"buffer/{layer.name}/{key}"]
    for k, method in enumerate(t.methods):
        prefix = f"method/{k}/"
        method.restore({key[len(prefix) :]: a for key, a in state.items() if key.startswith(prefix)})
    t.workers.clear()


def pack(state: dict[str, NDArray[Any]]) -> bytes:
    """Named arrays as compressed bytes."""
    buffer = io.BytesIO()
    arrays: dict[str, Any] = {k.replace("/", "|"): v for k, v in state.items()}
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


def unpack(data: bytes) -> dict[str, NDArray[Any]]:
    """The arrays behind `pack`; nothing is executed (no pickle)."""
    with np.load(io.BytesIO(data), allow_pickle=False) as z:
        return {k.replace("|", "/"): z[k] for k in z.files}

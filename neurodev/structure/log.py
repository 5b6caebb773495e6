"""The structural log: each birth and death, with its cause and the number that decided it.

The log compares the structure at successive ticks; it is written in one batch per tick and projection.  On
disk a batch is
a set of compressed columns: deaths carry no partners (their uid's birth tells them), births no terms.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from neurodev.errors import ParameterError, RunFileError, nearest

BIRTH, DEATH = 0, 1
LEVEL = 2  # of compression: 4 % larger than 6, in half the time (log of a training run)
CAUSES: tuple[str, ...] = (
    "initial", "turnover", "fluctuation", "evidence", "trophic", "hazard", "shrunk", "intervention", "lesion",
    "neuron_death", "drive", "rewire", "survival", "retraction", "elements", "axonal_elements", "dendritic_elements",
    "neurogenesis",
    "magnitude", "density", "unit_survival", "threshold", "gradient", "random", "regeneration", "regrowth",
    "consolidation", "heterosynaptic",
)  # fmt: skip


def cause_code(name: str) -> int:
    """Code of a cause; an unknown term of a set-point is logged as ``drive``."""
    return CAUSES.index(name) if name in CAUSES else CAUSES.index("drive")


def check_cause(name: str) -> int:
    """Code of a cause that a caller named; unknown names are refused."""
    if name not in CAUSES:
        raise ParameterError(f"unknown cause {name!r}{nearest(name, CAUSES)}; causes are {CAUSES}")
    return CAUSES.index(name)


class LogBatch(NamedTuple):
    """Births and deaths, one row each, in the order in which they were applied (deaths first).

    `value` is the log size at the event; `evidence` and `trophic` are the terms of the set-point at a
    death (NaN where there is none); partners of a death are repeated here, not on disk.
    """

    tick: NDArray[np.int32]
    kind: NDArray[np.uint8]
    uid: NDArray[np.uint64]
    cause: NDArray[np.uint8]
    pre: NDArray[np.uint32]
    post: NDArray[np.uint32]
    lane: NDArray[np.uint8]
    value: NDArray[np.float32]
    evidence: NDArray[np.float32]
    trophic: NDArray[np.float32]


_DTYPES = ("<i4", "u1", "<u8", "u1", "<u4", "<u4", "u1", "<f4", "<f4", "<f4")


def empty() -> LogBatch:
    """A batch without events."""
    return LogBatch(*(np.zeros(0, dtype=d) for d in _DTYPES))


def concatenate(batches: Iterable[LogBatch]) -> LogBatch:
    """One batch from many."""
    parts = list(batches)
    if not parts:
        return empty()
    return LogBatch(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


class StructuralLog:
    """Gathers the batches of one projection until a recorder takes them."""

    def __init__(self) -> None:
        self._pending: list[LogBatch] = []

    def append(self, batch: LogBatch) -> None:
        """Add a batch; empty ones are dropped."""
        if batch.uid.size:
            self._pending.append(batch)

    def take(self) -> LogBatch:
        """Everything since the last call, as one batch."""
        out = concatenate(self._pending)
        self._pending = []
        return out


class NeuronBatch(NamedTuple):
    """Births and deaths of the neurons of a population, one row each, deaths of a tick first.

    `value` is the number that decided: the hazard (1/day) of a death, the age (days) at which a newborn takes up its
    first synapses; NaN where nothing was weighed.
    """

    tick: NDArray[np.int32]
    kind: NDArray[np.uint8]
    neuron: NDArray[np.uint32]
    cause: NDArray[np.uint8]
    value: NDArray[np.float32]


def concatenate_neurons(batches: Iterable[NeuronBatch]) -> NeuronBatch:
    """One batch of neuron events from many (or from none)."""
    nothing = NeuronBatch(*(np.zeros(0, dtype=d) for d in ("<i4", "u1", "<u4", "u1", "<f4")))
    return NeuronBatch(*(np.concatenate(columns) for columns in zip(nothing, *batches, strict=True)))


class NeuronLog:
    """Gathers the neuron events of one population until a recorder takes them."""

    def __init__(self) -> None:
        self._pending: list[NeuronBatch] = []

    def append(self, tick: int, kind: int, neurons: NDArray[np.int64], cause: Any, value: Any) -> None:
        """Add the births or the deaths of some neurons; `cause` (codes) and `value` may be one for all."""
        n = neurons.size
        if n:
            self._pending.append(
                NeuronBatch(
                    np.full(n, tick, dtype=np.int32), np.full(n, kind, dtype=np.uint8), neurons.astype(np.uint32),
                    np.broadcast_to(np.asarray(cause, dtype=np.uint8), n).copy(),
                    np.broadcast_to(np.asarray(value, dtype=np.float32), n).copy(),
                )
            )  # fmt: skip

    def take(self) -> NeuronBatch:
        """Everything since the last call."""
        out = concatenate_neurons(self._pending)
        self._pending = []
        return out


def _shuffled(a: NDArray[np.generic]) -> bytes:
    """Bytes of equal significance side by side: they compress far better."""
    raw = np.ascontiguousarray(a).view(np.uint8).reshape(-1, a.dtype.itemsize)
    return raw.T.tobytes()


def _unshuffled(raw: bytes, dtype: str, n: int) -> NDArray[np.generic]:
    size = np.dtype(dtype).itemsize
    return np.frombuffer(raw, dtype=np.uint8).reshape(size, n).T.copy().view(dtype).reshape(-1)


def encode(batch: LogBatch) -> bytes:
    """Compress a batch (typically 10 to 20 bytes an event)."""
    dead = batch.kind == DEATH
    birth = ~dead
    uid = batch.uid.astype("<u8")
    parts = [
        _shuffled(batch.tick.astype("<i4")),
        batch.kind.astype("u1").tobytes(),
        _shuffled(uid),
        batch.cause.astype("u1").tobytes(),
        _shuffled(batch.pre[birth].astype("<u2") if batch.pre.size and batch.pre.max() < 65536 else batch.pre[birth]),
        _shuffled(batch.post[birth].astype("<u4")),
        batch.lane[birth].astype("u1").tobytes(),
        _shuffled(batch.value.astype("<f4")),
        _shuffled(batch.evidence[dead].astype("<f4")),
        _shuffled(batch.trophic[dead].astype("<f4")),
    ]
    wide = not (batch.pre.size and batch.pre.max() < 65536)
    head = struct.pack("<4sIIB", b"ndL1", uid.size, int(dead.sum()), int(wide))
    lengths = struct.pack(f"<{len(parts)}I", *(len(p) for p in parts))
    return head + zlib.compress(lengths + b"".join(parts), LEVEL)


def decode(blob: bytes) -> LogBatch:
    """The batch behind `encode`; partners of deaths are 0 (see `fill_partners`).

    Raises
    ------
    RunFileError
        If the bytes are not a batch.
    """
    try:
        magic, n, n_dead, wide = struct.unpack_from("<4sIIB", blob)
        if magic != b"ndL1":
            raise ValueError("wrong mark")
        raw = zlib.decompress(blob[struct.calcsize("<4sIIB") :])
        lengths = struct.unpack_from("<10I", raw)
        at, parts = 40, []
        for k in lengths:
            parts.append(raw[at : at + k])
            at += k
    except (struct.error, zlib.error, ValueError) as e:
        raise RunFileError(f"a batch of the structural log cannot be read ({e}); the file is damaged") from e
    kind = np.frombuffer(parts[1], dtype="u1").copy()
    dead = kind == DEATH
    n_birth = n - n_dead
    pre, post = np.zeros(n, np.uint32), np.zeros(n, np.uint32)
    lane = np.zeros(n, np.uint8)
    evidence, trophic = np.full(n, np.nan, np.float32), np.full(n, np.nan, np.float32)
    pre[~dead] = _unshuffled(parts[4], "<u4" if wide else "<u2", n_birth)
    post[~dead] = _unshuffled(parts[5], "<u4", n_birth)
    lane[~dead] = np.frombuffer(parts[6], dtype="u1")
    evidence[dead] = _unshuffled(parts[8], "<f4", n_dead)
    trophic[dead] = _unshuffled(parts[9], "<f4", n_dead)
    return LogBatch(
        _unshuffled(parts[0], "<i4", n).astype(np.int32), kind, _unshuffled(parts[2], "<u8", n).astype(np.uint64),
        np.frombuffer(parts[3], dtype="u1").copy(), pre, post, lane,
        _unshuffled(parts[7], "<f4", n).astype(np.float32), evidence, trophic,
    )  # fmt: skip


def fill_partners(
    batch: LogBatch, uid: NDArray[np.uint64], pre: NDArray[np.uint32], post: NDArray[np.uint32]
) -> LogBatch:
    """Give deaths their partners, from their births or from the initial synapses (`uid`, `pre`, `post`)."""
    birth = batch.kind == BIRTH
    known = np.concatenate([uid.astype(np.uint64), batch.uid[birth]])
    order = np.argsort(known)
    if known.size == 0:
        return batch
    at = order[np.minimum(np.searchsorted(known[order], batch.uid), known.size - 1)]
    found = known[at] == batch.uid
    all_pre = np.concatenate([pre, batch.pre[birth]])
    all_post = np.concatenate([post, batch.post[birth]])
    return batch._replace(
        pre=np.where(found, all_pre[at], batch.pre).astype(np.uint32),
        post=np.where(found, all_post[at], batch.post).astype(np.uint32),
    )

"""The structural log: each birth and death, with its cause and the numbers that decided it.

The log compares the structure at successive ticks; it is written in one batch per tick and projection.  On disk a
batch is a set of compressed columns: deaths carry no partners (their uid's birth tells them), births no terms.
"""

from __future__ import annotations

import struct
import warnings
import zlib
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from neurodev.arrays import Integers
from neurodev.errors import ParameterError, RunFileError, nearest
from neurodev.structure import cause

BIRTH, DEATH = 0, 1
LEVEL = 2  # of compression: 4 % larger than 6, in half the time (log of a training run)
OLD_TERMS = ("evidence", "trophic")  # what batches with the first mark carry, whoever decided


class LogBatch(NamedTuple):
    """Births and deaths, one row each, in the order in which they were applied (deaths first).

    `value` is the log size at the event; `terms` (n_event, k) are the numbers that decided a death, under the names
    that the log of the projection keeps (NaN where there is none, and at births); partners of a death are repeated
    here, not on disk.
    """

    tick: NDArray[np.int32]
    kind: NDArray[np.uint8]
    uid: NDArray[np.uint64]
    cause: NDArray[np.uint8]
    pre: NDArray[np.uint32]
    post: NDArray[np.uint32]
    lane: Integers
    value: NDArray[np.float32]
    terms: NDArray[np.float32]


_DTYPES = ("<i4", "u1", "<u8", "u1", "<u4", "<u4", "u1", "<f4")


def empty(n_term: int = 0) -> LogBatch:
    """A batch without events."""
    columns = [np.zeros(0, dtype=d) for d in _DTYPES]
    return LogBatch._make([*columns, np.zeros((0, n_term), dtype=np.float32)])


def concatenate(batches: Iterable[LogBatch]) -> LogBatch:
    """One batch from many with the same terms."""
    parts = list(batches)
    if not parts:
        return empty()
    return LogBatch(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


def reordered(batch: LogBatch, terms: Sequence[str], wanted: Sequence[str]) -> LogBatch:
    """The same events with their `terms` under other names; NaN under those that the batch does not have."""
    if tuple(terms) == tuple(wanted):
        return batch
    columns = np.full((batch.uid.size, len(wanted)), np.nan, dtype=np.float32)
    for k, name in enumerate(wanted):
        if name in terms:
            columns[:, k] = batch.terms[:, list(terms).index(name)]
    return batch._replace(terms=columns)


class StructuralLog:
    """Gathers the batches of one projection until a recorder takes them.

    Parameters
    ----------
    terms : sequence of str
        Names of the numbers that may decide a death there, as its mechanisms declare them.
    """

    def __init__(self, terms: Sequence[str] = ()) -> None:
        self.terms = tuple(terms)
        self._pending: list[LogBatch] = []

    def check(self, who: str, terms: Iterable[str]) -> None:
        """Refuse terms that nobody declared.

        Raises
        ------
        ParameterError
            With the term and the nearest.
        """
        for name in terms:
            if name not in self.terms:
                raise ParameterError(
                    f"plan of {who}: nobody declared the term {name!r}{nearest(name, self.terms)}; declared are "
                    f"{self.terms}: say terms = {{{name!r}: unit}} on the mechanism"
                )

    def append(self, batch: LogBatch) -> None:
        """Add a batch; empty ones are dropped."""
        if batch.uid.size:
            self._pending.append(batch)

    def take(self) -> LogBatch:
        """Everything since the last call, as one batch."""
        out = concatenate(self._pending or [empty(len(self.terms))])
        self._pending = []
        return out

    def pending(self) -> LogBatch:
        """Everything since the last `take`, which stays."""
        return concatenate(self._pending or [empty(len(self.terms))])


class Moments:
    """When an experimenter's births and deaths happened: between ticks, of which alone the log tells.

    Gathers them until a recorder takes them: who (a uid, or a neuron), birth or death, and life time in ms.
    """

    def __init__(self) -> None:
        self._pending: list[tuple[NDArray[Any], int, float]] = []

    def note(self, who: NDArray[Any], kind: int, life: float) -> None:
        """Births or deaths at one time."""
        if who.size:
            self._pending.append((who, kind, life))

    def take(self) -> dict[str, NDArray[Any]]:
        """Everything since the last call, as columns (n,): ``who``, ``kind``, ``life``; empty if there was nothing."""
        found = self.pending()
        self._pending = []
        return found

    def pending(self) -> dict[str, NDArray[Any]]:
        """The same, which stays."""
        found = self._pending
        if not found:
            return {}
        sizes = [who.size for who, _, _ in found]
        return {
            "who": np.concatenate([who for who, _, _ in found]).astype("<u8"),
            "kind": np.repeat(np.array([kind for _, kind, _ in found], dtype="u1"), sizes),
            "life": np.repeat(np.array([life for _, _, life in found], dtype="<f8"), sizes),
        }


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
        out = self.pending()
        self._pending = []
        return out

    def pending(self) -> NeuronBatch:
        """The same, which stays."""
        return concatenate_neurons(self._pending)

    def put_back(self, batch: NeuronBatch) -> None:
        """Take on what another log gathered."""
        if batch.neuron.size:
            self._pending.append(batch)


def _shuffled(a: NDArray[np.generic]) -> bytes:
    """Bytes of equal significance side by side: they compress far better."""
    raw = np.ascontiguousarray(a).view(np.uint8).reshape(-1, a.dtype.itemsize)
    return raw.T.tobytes()


def _unshuffled(raw: bytes, dtype: str, n: int) -> NDArray[np.generic]:
    size = np.dtype(dtype).itemsize
    return np.frombuffer(raw, dtype=np.uint8).reshape(size, n).T.copy().view(dtype).reshape(-1)


_HEAD = {b"ndL1": "<4sIIB", b"ndL2": "<4sIIBB"}  # mark, events, deaths, wide sources; then number of terms
_FIRST_TERM = 8  # columns before the terms
DENSEST = 1040  # times that deflate can shrink at most, about
SUSPECT, LARGEST = 250, 1 << 27  # beyond both a batch is not expanded: so many times its bytes, and so many bytes


def encode(batch: LogBatch) -> bytes:
    """Compress a batch (typically 10 to 20 bytes an event); a term that no death has costs nothing."""
    dead = batch.kind == DEATH
    birth = ~dead
    uid = batch.uid.astype("<u8")
    known = np.flatnonzero(np.isfinite(batch.terms[dead]).any(axis=0))
    many = bool(batch.lane.size and batch.lane.max() > 255)
    parts = [
        _shuffled(batch.tick.astype("<i4")),
        batch.kind.astype("u1").tobytes(),
        _shuffled(uid),
        batch.cause.astype("u1").tobytes(),
        _shuffled(batch.pre[birth].astype("<u2") if batch.pre.size and batch.pre.max() < 65536 else batch.pre[birth]),
        _shuffled(batch.post[birth].astype("<u4")),
        _shuffled(batch.lane[birth].astype("<u2" if many else "u1")),
        _shuffled(batch.value.astype("<f4")),
        *(_shuffled(batch.terms[dead, k].astype("<f4")) for k in known),
    ]
    wide = not (batch.pre.size and batch.pre.max() < 65536)
    head = struct.pack(_HEAD[b"ndL2"], b"ndL2", uid.size, int(dead.sum()), wide + 2 * many, known.size)
    lengths = struct.pack(f"<{len(parts)}I", *(len(p) for p in parts))
    return head + zlib.compress(known.astype("u1").tobytes() + lengths + b"".join(parts), LEVEL)


def _parts(blob: bytes) -> tuple[int, int, int, list[int], list[bytes]]:
    """Events, deaths, whether sources (1) and lanes (2) are wide, terms and columns of a batch of either mark.

    Nothing is expanded before the head was found to fit the bytes, and nothing is taken for a column that does not fit
    the head.
    """
    mark = blob[:4]
    if mark not in _HEAD:
        raise ValueError("wrong mark")
    _, n, n_dead, wide, *rest = struct.unpack_from(_HEAD[mark], blob)
    n_term = rest[0] if rest else len(OLD_TERMS)
    if n_dead > n or wide > 3:
        raise ValueError(f"{n_dead} deaths of {n} events")
    n_birth = n - n_dead
    lanes = (2 if wide & 2 else 1) * n_birth
    widths = [4 * n, n, 8 * n, n, (4 if wide & 1 else 2) * n_birth, 4 * n_birth, lanes, 4 * n, *[4 * n_dead] * n_term]
    listed = len(rest) * n_term  # the older mark does not list its terms
    packed = blob[struct.calcsize(_HEAD[mark]) :]
    raw = _inflated(packed, listed + 4 * len(widths) + sum(widths))
    known = list(raw[:listed]) if rest else list(range(n_term))
    if struct.unpack_from(f"<{len(widths)}I", raw, listed) != tuple(widths) or len(set(known)) != n_term:
        raise ValueError("its columns do not fit its head")
    at, parts = listed + 4 * len(widths), []
    for k in widths:
        parts.append(raw[at : at + k])
        at += k
    return n, n_dead, wide, known, parts


def _inflated(packed: bytes, size: int) -> bytes:
    """So many bytes out of deflated ones, or none."""
    if size > DENSEST * len(packed) + 64 or size > max(SUSPECT * len(packed), LARGEST):
        raise ValueError(f"{len(packed)} bytes do not hold {size}")
    machine = zlib.decompressobj()
    raw = machine.decompress(packed, size + 1)
    if len(raw) != size or not machine.eof or machine.unused_data:
        raise ValueError(f"the bytes do not hold the {size} that they should")
    return raw


def decode(blob: bytes, n_term: int = len(OLD_TERMS)) -> LogBatch:
    """The batch behind `encode`, with so many terms; partners of deaths are 0 (see `fill_partners`).

    Raises
    ------
    RunFileError
        If the bytes are not a batch, or one of more terms.
    """
    try:
        n, n_dead, wide, known, parts = _parts(blob)
        if max(known, default=-1) >= n_term and blob[:4] != b"ndL1":
            raise ValueError(f"term {max(known)} of {n_term}")
        kind = np.frombuffer(parts[1], dtype="u1").copy()
        dead = kind == DEATH
        if int(dead.sum()) != n_dead or (kind > DEATH).any():
            raise ValueError("its births and deaths are not as many as it says")
        n_birth = n - n_dead
        pre, post = np.zeros(n, np.uint32), np.zeros(n, np.uint32)
        lane: Any = np.zeros(n, np.uint16 if wide & 2 else np.uint8)
        terms = np.full((n, n_term), np.nan, np.float32)
        pre[~dead] = _unshuffled(parts[4], "<u4" if wide & 1 else "<u2", n_birth)
        post[~dead] = _unshuffled(parts[5], "<u4", n_birth)
        lane[~dead] = _unshuffled(parts[6], "<u2" if wide & 2 else "u1", n_birth)
        for k, part in zip(known, parts[_FIRST_TERM:], strict=True):
            if k < n_term:  # a training of the first mark carried two columns of nothing
                terms[dead, k] = _unshuffled(part, "<f4", n_dead)
        return LogBatch(
            _unshuffled(parts[0], "<i4", n).astype(np.int32), kind,
            _unshuffled(parts[2], "<u8", n).astype(np.uint64), np.frombuffer(parts[3], dtype="u1").copy(), pre, post,
            lane, _unshuffled(parts[7], "<f4", n).astype(np.float32), terms,
        )  # fmt: skip
    except (struct.error, zlib.error, ValueError) as e:
        raise RunFileError(f"a batch of the structural log cannot be read ({e}); the file is damaged") from e


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


def __getattr__(name: str) -> Any:
    """Old names, for one release: causes have a module of their own."""
    moved = {"CAUSES": "CAUSES", "cause_code": "cause_code", "check_cause": "cause_code"}
    if name not in moved:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    warnings.warn(
        f"neurodev.structure.log.{name} is neurodev.structure.cause.{moved[name]} now", DeprecationWarning, stacklevel=2
    )
    return getattr(cause, moved[name])

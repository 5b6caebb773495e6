"""Spikes: the one currency between neurons and weights.

Neurons write one byte per neuron and step, without a branch; weights ask for what suits their kernel: event lists
by time (``rows``), event lists by source (``columns``), or the bytes themselves.  Every view is made once, on demand.

A batch of B samples over T steps has ``R = T * B`` rows, ``row = t * B + b``.  Two layouts carry the same
numbers: ``rows`` (R, n) and ``units`` (n, R); sparse kernels that walk along the batch want units.
Where spikes come from neurons with a compact surrogate, only the *window* (the neurons near threshold)
can use a gradient: `window` lists it, and gradients elsewhere need not be computed.
"""

from __future__ import annotations

import copy
import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurodev import params
from neurodev.arrays import I8, U1, U2, U4, Int
from neurodev.errors import ParameterError, shown
from neurodev.jit import kernel
from neurodev.learn.core import doors
from neurodev.learn.core.lanes import FLAGS, bits_of, count_ones, lowest_one
from neurodev.learn.core.masks import count_bits, pack_flags, turn, words_of
from neurodev.params import asks

Spans = NDArray[np.int32]  # (B, lines, 2): first pixel and the one after the last that may differ from zero
MOST = 4  # spikes that a byte may count: what `_list_counts` repeats


@dataclass(frozen=True)
class Events:
    """A ragged list: the members of list k are ``index[start[k]:start[k + 1]]``."""

    start: I8
    index: U4

    @property
    def n(self) -> int:
        """Number of events."""
        return int(self.start[-1])

    def per_index(self, n: int) -> I8:
        """How many events each of `n` members has."""
        out = np.zeros(n, dtype=np.int64)
        _count_events(self.index, self.n, out)
        return out


@kernel
def _list_counts(flags: U1, start: I8, index: U4) -> None:
    """The position of each byte, as often as it counts (at most 4); branch-free, so index needs 4 places to spare."""
    n_row, n = flags.shape
    at: Int = 0
    for r in range(n_row):
        start[r] = at
        row = flags[r]
        for j in range(n):
            index[at] = np.uint32(j)
            index[at + 1] = np.uint32(j)
            index[at + 2] = np.uint32(j)
            index[at + 3] = np.uint32(j)
            at += np.int64(row[j])
    start[n_row] = at


@kernel
def _list_flags(flags: U1, start: I8, index: U4) -> None:
    """The position of each byte that is not 0, flags flat in rows of ``start.size - 1``; 4 places to spare.

    Of 64 flags four are listed at a time, whether they are there or not: what comes next writes over them.
    """
    n_row = start.shape[0] - 1
    n = flags.shape[0] // max(n_row, 1)
    at: Int = 0
    for r in range(n_row):
        start[r] = at
        first = r * n
        for q in range(0, n // FLAGS * FLAGS, FLAGS):
            bits = bits_of(flags, first + q)
            k = at
            at += count_ones(bits)
            while k < at:
                for i in range(4):
                    index[k + i] = np.uint32(q + lowest_one(bits))
                    bits &= bits - np.uint64(1)
                k += 4
        for j in range(n // FLAGS * FLAGS, n):
            index[at] = np.uint32(j)
            at += np.int64(flags[first + j] != 0)
    start[n_row] = at


@kernel
def _count_events(index: U4, n: Int, out: I8) -> None:
    """Add 1 to `out` (n_unit,) for each of the first n events."""
    for k in range(n):
        out[index[k]] += 1


@kernel
def _count_units(flags: U1, count: NDArray[np.int32]) -> None:
    """Add each column of bytes, flags (R, n), to `count` (n,), a row at a time."""
    for r in range(flags.shape[0]):
        row = flags[r]
        for j in range(row.shape[0]):
            count[j] += np.int32(row[j])


@kernel
def _transpose_events(start: I8, index: U4, n: Int, out_start: I8, out_index: U4) -> None:
    """Counting sort of (row, index) events by index."""
    out_start[:] = 0
    for k in range(start[-1]):
        out_start[np.int64(index[k]) + 2] += 1
    for k in range(2, n + 2):
        out_start[k] += out_start[k - 1]
    for r in range(start.shape[0] - 1):
        for k in range(start[r], start[r + 1]):
            j = np.int64(index[k]) + 1
            out_index[out_start[j]] = np.uint32(r)
            out_start[j] += 1


def turned(a: NDArray[Any]) -> NDArray[Any]:
    """The transpose as a new contiguous array."""
    if not a.flags.c_contiguous or a.dtype.kind not in "fiu":
        return np.ascontiguousarray(a.T)
    out: NDArray[Any] = np.empty(a.shape[::-1], dtype=a.dtype)
    turn(a, out)
    return out


def list_flags(flags: U1, several: bool = False, present: int | None = None) -> Events:
    """Events of a (n_row, n) array of flags, or with `several` of counts up to 4: a count of k is k events.

    `present` is the number of non-zero bytes, where it is known.
    """
    start = np.empty(flags.shape[0] + 1, dtype=np.int64)
    if several:
        index = np.empty(int(flags.sum(dtype=np.int64)) + 4, dtype=np.uint32)
        _list_counts(flags, start, index)
    else:
        n = int(np.count_nonzero(flags)) if present is None else present
        index = np.empty(n + 4, dtype=np.uint32)
        _list_flags(np.ascontiguousarray(flags).reshape(-1), start, index)
    return Events(start, index)


def transposed(events: Events, n: int) -> Events:
    """The same events, listed by their index instead of by their row."""
    start = np.empty(n + 2, dtype=np.int64)
    index = np.empty(max(events.n, 1), dtype=np.uint32)
    _transpose_events(events.start, events.index, n, start, index)
    return Events(start[: n + 1], index)


def _layout(word: str) -> str:
    """A layout by its name, or by the one of the last release.

    Raises
    ------
    ParameterError
        For an unknown word.
    """
    if isinstance(word, str) and word == "lanes":
        warnings.warn("layout='lanes' is called 'units' now", DeprecationWarning, stacklevel=3)
        return "units"
    return params.one_of(word, "layout", ("rows", "units"))


def _check_spans(spans: Any, batch: int, shape: tuple[int, ...]) -> None:
    if spans is None:
        return
    fits = isinstance(spans, np.ndarray) and len(shape) == 3 and spans.shape == (batch, shape[0], 2)
    if not fits or spans.dtype != np.int32:
        raise ParameterError(f"spans must be int32 (batch, height, 2) of an image, got {shown(spans)}")
    if spans.min() < 0 or spans.max() > shape[1]:
        raise ParameterError(f"spans must be pixels in [0, {shape[1]}], got {spans.min()} to {spans.max()}")


def _kind(kind: Any, name: str) -> Any:
    """A type of float."""
    if not isinstance(kind, type) or kind not in (np.float32, np.float64, float):
        raise ParameterError(f"{name} must be np.float32 or np.float64, got {shown(kind)}")
    return kind


class Spikes:
    """The spikes of `n` units over a batch.

    Parameters
    ----------
    flags : (R, n) uint8, or (n, R) with ``layout="units"``
        Spikes of each unit and row: 0 or 1, or counts of up to 4 (2 x 2 average pooling).  More in a step is a current.
    steps, batch : int
    shape : tuple of int
        Shape of one sample's units: (n,) or (height, width, channels).
    scale : float
        What one count is worth (1/4 after 2 x 2 average pooling).
    wanted : bool
        Whether anybody upstream can use a gradient (False for input).
    window : callable, optional
        Returns an (R, n) uint8 array: where a gradient with respect to these spikes is of use.  None: everywhere.
    spans : (B, height, 2) int32, optional
        For each sample and line of an image, the pixels outside of which nothing ever spikes, where that is known.

    Attributes
    ----------
    counts : bool
        Whether a byte may be above 1, whatever it is worth; looked up in the flags.

    Raises
    ------
    ParameterError
        If flags are of another type or shape, or count more than 4.

    Examples
    --------
    >>> from neurodev.learn import Spikes
    >>> spikes = Spikes(np.array([[1, 0, 0], [0, 1, 1]], dtype=np.uint8), steps=2, batch=1, shape=(3,))
    >>> spikes.rate
    0.5
    """

    def __init__(
        self,
        flags: U1,
        steps: int,
        batch: int,
        shape: tuple[int, ...],
        *,
        layout: str = "rows",
        scale: float = 1.0,
        wanted: bool = True,
        window: Callable[[], U1] | None = None,
        spans: Spans | None = None,
    ):
        shape = doors.shape_of("shape", shape)
        steps, batch = params.whole(steps, "steps", 1), params.whole(batch, "batch", 1)
        self._take(flags, steps, batch, shape, _layout(layout), scale, wanted, window, spans)
        self.scale, self.wanted = params.number(scale, "scale", above=0), params.flag(wanted, "wanted")
        if window is not None and (not callable(window) or isinstance(window, type)):
            raise ParameterError(f"window must be a function that returns flags, or None, got {shown(window)}")
        n, rows = self.n, self.n_row
        want = (rows, n) if self.layout == "rows" else (n, rows)
        if not isinstance(flags, np.ndarray) or flags.shape != want or flags.dtype != np.uint8:
            got = f"{flags.dtype} {flags.shape}" if isinstance(flags, np.ndarray) else repr(flags)
            raise ParameterError(f"flags must be uint8 of shape {want} ({self.layout}), got {got}")
        most = int(flags.max())
        if most > MOST:
            raise ParameterError(
                f"flags must be 0 or 1, or counts of at most {MOST}, got {most}: clip them (np.minimum(flags, 1)), or "
                "hand them over as a Current"
            )
        self.counts = most > 1
        _check_spans(spans, batch, shape)

    def _take(
        self, flags: U1, steps: int, batch: int, shape: tuple[int, ...], layout: str, scale: float, wanted: bool,
        window: Callable[[], U1] | None, spans: Spans | None,
    ) -> None:  # fmt: skip
        self.flags, self.steps, self.batch, self.shape = flags, steps, batch, shape
        self.layout, self.scale, self.wanted, self._window, self.spans = layout, scale, wanted, window, spans

    @classmethod
    def made(
        cls, flags: U1, steps: int, batch: int, shape: tuple[int, ...], *, counts: bool = False, layout: str = "rows",
        scale: float = 1.0, wanted: bool = True, window: Callable[[], U1] | None = None, spans: Spans | None = None,
    ) -> Spikes:  # fmt: skip
        """Spikes that a layer has just made, whose bytes need no look: it knows whether they are flags or `counts`."""
        out = object.__new__(cls)
        out._take(flags, steps, batch, shape, layout, scale, wanted, window, spans)
        out.counts = counts
        return out

    @property
    def n(self) -> int:
        """Number of units."""
        return math.prod(self.shape)

    @property
    def n_row(self) -> int:
        """Steps times batch."""
        return self.steps * self.batch

    @cached_property
    def by_row(self) -> U1:
        """Counts as (R, n)."""
        return self.flags if self.layout == "rows" else turned(self.flags)

    @cached_property
    def by_unit(self) -> U1:
        """Counts as (n, R)."""
        return self.flags if self.layout == "units" else turned(self.flags)

    @cached_property
    def rows(self) -> Events:
        """For each row, the units that spiked."""
        return list_flags(self.by_row, self.counts, self.n_present)

    @cached_property
    def columns(self) -> Events:
        """For each unit, the rows in which it spiked."""
        return transposed(self.rows, self.n)

    @cached_property
    def present(self) -> Events:
        """For each row, the units that have a count, each once however often it counts."""
        if not self.counts:
            return self.rows
        return list_flags(self.by_row, present=self.n_present)

    @cached_property
    def near(self) -> U1 | None:
        """Where a gradient is of use, (R, n) bytes of 0 or 1; None for everywhere.

        Raises
        ------
        ParameterError
            If the window is of another type or shape.
        """
        if self._window is None:
            return None
        near = np.asarray(self._window())
        if near.shape != (self.n_row, self.n) or near.dtype not in (np.uint8, np.bool_):
            raise ParameterError(f"window must give uint8 {(self.n_row, self.n)}, got {near.dtype} {near.shape}")
        near = np.ascontiguousarray(near).view(np.uint8)
        return near if near.max() <= 1 else (near != 0).view(np.uint8)

    @cached_property
    def window(self) -> Events | None:
        """For each row, the units whose gradient is of use; None for all."""
        return None if self.near is None else list_flags(self.near)

    @cached_property
    def words(self) -> U2:
        """For each unit, the rows in which it spiked, a bit each: (n, R / 16); for flags, not for counts."""
        words: U2 = np.empty((words_of(self.n_row), self.n), dtype=np.uint16)
        pack_flags(self.by_row, words)
        return turned(words)

    def pack(self) -> U2:
        """Make `words` now: what is counted afterwards is counted from them, which is quicker."""
        return self.words

    @cached_property
    def per_unit(self) -> I8:
        """Events of each unit over the batch; from a list of them where there is one."""
        if "columns" in self.__dict__:
            start = self.columns.start
            return start[1:] - start[:-1]
        if "words" in self.__dict__:
            bits = np.empty(self.n, dtype=np.int64)
            count_bits(self.words, bits)
            return bits
        if "rows" in self.__dict__:
            return self.rows.per_index(self.n)
        if self.layout == "units":
            return np.asarray(self.flags.sum(axis=1, dtype=np.int64))
        count = np.zeros(self.n, dtype=np.int32)
        _count_units(self.flags, count)
        return count.astype(np.int64)

    @cached_property
    def n_present(self) -> int:
        """Number of non-zero counts; from the bits where there are some."""
        if "words" in self.__dict__:
            return int(self.per_unit.sum())
        return int(np.count_nonzero(self.flags if self.counts else self.flags.view(np.bool_)))  # several times faster

    @cached_property
    def rate(self) -> float:
        """Mean share of non-zero counts per unit and step."""
        return self.n_present / max(self.flags.size, 1)

    @asks(kind=_kind)
    def worth(self, kind: type) -> NDArray[Any]:
        """What each count is worth, (256,)."""
        table: NDArray[Any] = (np.arange(256) * self.scale).astype(kind)
        return table

    @asks(kind=_kind)
    def dense(self, kind: type = np.float32) -> NDArray[Any]:
        """Values as (R, n) floats."""
        return np.asarray(self.by_row.astype(kind) * kind(self.scale))

    @asks(kind=_kind)
    def mean(self, kind: type = np.float32) -> NDArray[Any]:
        """Mean over steps, (B, n): the rate code of a sample."""
        return np.asarray((self.by_row.reshape(self.steps, self.batch, self.n).mean(axis=0) * self.scale).astype(kind))

    def reshaped(self, shape: tuple[int, ...]) -> Spikes:
        """The same spikes with their units arranged otherwise.

        Lists and counts that were made before are shared: they go by unit.  Spans go by line, and are not.
        """
        shape = doors.shape_of("shape", shape)
        if math.prod(shape) != self.n:
            raise ParameterError(f"{self.n} units cannot be arranged as shape={shape}")
        out = copy.copy(self)
        out.shape, out.spans = tuple(shape), None
        return out


@dataclass
class Current:
    """Input currents of neurons: float values, ``rows`` (R, n) or ``units`` (n, R); see `Spikes` for the layouts.

    Attributes
    ----------
    spans : (B, height, 2) int32, optional
        For each sample and line of an image, the pixels outside of which everything is 0, where that is known.
    busy : (B,) uint8, optional
        Of a gradient: which samples have any, where that is known.

    Examples
    --------
    >>> from neurodev.learn import Current
    >>> Current(np.zeros((4, 3), dtype=np.float32), steps=2, batch=2, shape=(3,)).n
    3
    """

    value: NDArray[Any]  # float32 or float64
    steps: int
    batch: int
    shape: tuple[int, ...]
    layout: str = "rows"
    wanted: bool = True
    spans: Spans | None = None
    busy: U1 | None = None

    def __post_init__(self) -> None:
        self.layout = _layout(self.layout)
        if type(self.steps) is not int or type(self.batch) is not int:
            self.steps, self.batch = params.whole(self.steps, "steps", 1), params.whole(self.batch, "batch", 1)
        if type(self.shape) is not tuple or not all(type(n) is int for n in self.shape):
            self.shape = doors.shape_of("shape", self.shape)
        rows, value = self.steps * self.batch, self.value
        want = (rows, self.n) if self.layout == "rows" else (self.n, rows)
        fits = isinstance(value, np.ndarray) and value.shape == want and self.steps >= 1 and self.batch >= 1
        if not fits or value.dtype not in (np.float32, np.float64):
            got = f"{value.dtype} {value.shape}" if isinstance(value, np.ndarray) else repr(value)
            raise ParameterError(f"value must be float32 or float64 of shape {want} ({self.layout}), got {got}")
        _check_spans(self.spans, self.batch, self.shape)
        if type(self.wanted) is not bool:
            self.wanted = params.flag(self.wanted, "wanted")
        busy = self.busy
        if busy is not None and (
            not isinstance(busy, np.ndarray) or busy.shape != (self.batch,) or busy.dtype != np.uint8
        ):
            raise ParameterError(f"busy must be uint8 ({self.batch},), got {shown(self.busy)}")

    @property
    def n(self) -> int:
        """Number of units."""
        return math.prod(self.shape)

    @property
    def by_row(self) -> NDArray[Any]:
        """Values as (R, n)."""
        return self.value if self.layout == "rows" else turned(self.value)

    def reshaped(self, shape: tuple[int, ...]) -> Current:
        """The same values with their units arranged otherwise; spans go by line, and are dropped."""
        shape = doors.shape_of("shape", shape)
        if math.prod(shape) != self.n:
            raise ParameterError(f"{self.n} units cannot be arranged as shape={shape}")
        return Current(self.value, self.steps, self.batch, tuple(shape), self.layout, self.wanted)

    def like(self, value: NDArray[Any]) -> Current:
        """Other values in the same arrangement."""
        return Current(value, self.steps, self.batch, self.shape, self.layout)

    @cached_property
    def by_unit(self) -> NDArray[Any]:
        """Values as (n, R)."""
        return self.value if self.layout == "units" else turned(self.value)


def at_steps(x: Spikes | Current, kept: NDArray[np.bool_]) -> Spikes | Current:
    """The input at some of its steps only; the others are as if they had never been.

    Parameters
    ----------
    kept : (steps,) bool
    """
    rows = np.repeat(kept, x.batch)
    n = int(kept.sum())
    if isinstance(x, Current):
        return Current(x.by_row[rows], n, x.batch, x.shape, wanted=x.wanted)
    return Spikes.made(x.by_row[rows], n, x.batch, x.shape, counts=x.counts, scale=x.scale, wanted=x.wanted)

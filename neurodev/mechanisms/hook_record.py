"""The record of a hook: where its arrays lie and how long they are, declared once and filled in one place.

A hook is given one number, the address of its record.  `HookRecord` names the entries, and their order *is* the layout:
hooks read it by name (`mechanisms/hooks.py`), and `HookArrays.fill` writes it by name, after it has looked at every
array once: a hook views memory without bounds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray

from neurodev.arrays import F8, I8
from neurodev.errors import BuildError, InvariantError
from neurodev.jit import address
from neurodev.mechanisms.base import Hot
from neurodev.mechanisms.hook_check import check_hooks
from neurodev.structure.table import Table


class HookRecord(NamedTuple):
    """Entries of a hook's record, int64 each: addresses of arrays, and sizes.

    A mechanism of a population has no synapses: it finds its signals, parameters and post traces only, and all else
    is 0.  One that only releases (`Hot.rows_only`) finds rows, parameters and traces.
    """

    f: int
    """float64 (n_column, capacity): all columns of the table."""
    n_column: int
    capacity: int
    """Slots of the table."""
    post: int
    """uint32 (capacity,): target of each slot."""
    weight: int
    """float64 (capacity,), mV, signed."""
    uid: int
    """uint64 (capacity,)."""
    in_start: int
    """int64 (n_target,): where the in-list of each target begins."""
    in_length: int
    """int32 (n_target,), viewed as uint32."""
    in_slot: int
    """uint32 (n_in,): slots of the in-lists."""
    in_row: int
    """uint32 (n_in,): rows of the in-lists."""
    n_in: int
    n_source: int
    n_row: int
    """Rows (source, lane), row = lane * n_source + source."""
    n_target: int
    """Target neurons; of a population, its neurons."""
    parameters: int
    """float64 (n_parameter,): the mechanism's `Hot.parameters`, in the order of its fields."""
    n_parameter: int
    kinds: int
    """float64 (n_kind, fields): the mechanism's `Hot.kinds`, one after the other."""
    n_kind: int
    hot_column: int
    """int64 (n_hot_column,): positions in `f` of the columns that the mechanism named."""
    n_hot_column: int
    pre_trace: int
    """float64 (n_pre_trace, n_row), rescaled."""
    n_pre_trace: int
    post_trace: int
    """float64 (n_post_trace, n_target), rescaled."""
    n_post_trace: int
    base: int
    """float64 (n_pre_trace + n_post_trace,): base time of each trace, ms."""
    tau: int
    """float64 (n_pre_trace + n_post_trace,): time constant of each trace, ms."""
    signal: int
    """int64 (n_signal,): addresses of float64 (n_target,) signals; a population's mechanisms only."""
    n_signal: int


@dataclass
class HookArrays:
    """The arrays to which the record of one mechanism points, on one projection or population.

    Parameters
    ----------
    who : str
        The mechanism, for messages.
    hot : Hot
    n_target : int
        Target neurons; of a population, its neurons.
    table : Table, optional
        Of the projection, with in-lists.
    signals : sequence of (n_target,) float64
        Of the population, in the order of ``hot.columns``.
    copies : int
        2 where rows come twice for each spike, once for each sign: traces of the second follow those of the first.

    Attributes
    ----------
    record : (len(HookRecord),) int64
    parameters : float64
        ``hot.parameters``, then ``hot.kinds``.
    columns : (n_hot_column,) int64
    pre_trace, post_trace : (n_trace, n_row) and (n_trace, n_target) float64
        At least one row each, used or not.
    tau : (n_pre_trace + n_post_trace,) float64, ms

    Raises
    ------
    BuildError
        If the table lacks a column that the hooks ask for, or a hook asks for more than `hot` names.
    """

    who: str
    hot: Hot
    n_target: int
    table: Table | None = None
    signals: Sequence[F8] = ()
    copies: int = 1

    def __post_init__(self) -> None:
        hot, t = self.hot, self.table
        check_hooks(self.who, hot)
        self.record: I8 = np.zeros(len(HookRecord._fields), dtype=np.int64)
        self.parameters: F8 = np.array([*hot.parameters, *(x for k in hot.kinds for x in k)], dtype=np.float64)
        names = t.column_names if t is not None else []
        absent = [c for c in hot.columns if t is not None and c not in names]
        if absent:
            raise BuildError(f"hooks of {self.who} ask for columns {absent}, which the table lacks; it has {names}")
        self.columns: I8 = np.array([names.index(c) for c in hot.columns if t is not None], dtype=np.int64)
        self.addresses: I8 = np.zeros(len(self.signals), dtype=np.int64)
        self.n_row = self.copies * t.n_row if t is not None else 0
        self.pre_trace: F8 = np.zeros((max(len(hot.pre_traces), 1), self.n_row))
        self.post_trace: F8 = np.zeros((max(len(hot.post_traces), 1), self.n_target))
        self.tau: F8 = np.array(hot.pre_traces + hot.post_traces, dtype=np.float64)

    def fill(self, base: F8) -> None:
        """Write the record: anew whenever an array may have moved.

        Parameters
        ----------
        base : (n_pre_trace + n_post_trace,) float64, ms
            Base times of the traces; the caller keeps and moves them.

        Raises
        ------
        InvariantError
            If an array is not what a hook would view: its type, its size, or not contiguous.
        """
        hot, n = self.hot, self.n_target
        n_pre, n_post = len(hot.pre_traces), len(hot.post_traces)
        self.addresses[:] = [self._at("signal", a, np.float64, n) for a in self.signals]
        of_table = self._of_table(self.table) if self.table is not None else {}
        nothing = dict.fromkeys(HookRecord._fields, 0)
        record = HookRecord(**nothing | of_table | {
            "n_target": n,
            "parameters": self._at("parameters", self.parameters, np.float64, len(hot.parameters)),
            "n_parameter": len(hot.parameters),
            "kinds": address(self.parameters) + self.parameters.itemsize * len(hot.parameters),
            "n_kind": len(hot.kinds),
            "pre_trace": self._at("pre_trace", self.pre_trace, np.float64, n_pre * self.n_row), "n_pre_trace": n_pre,
            "post_trace": self._at("post_trace", self.post_trace, np.float64, n_post * n), "n_post_trace": n_post,
            "base": self._at("base", base, np.float64, n_pre + n_post),
            "tau": self._at("tau", self.tau, np.float64, n_pre + n_post),
            "signal": address(self.addresses), "n_signal": len(self.signals),
        })  # fmt: skip
        self.record[:] = record

    def _of_table(self, t: Table) -> dict[str, int]:
        """The entries of the synapses."""
        if t.n_target != self.n_target:
            raise InvariantError(f"hooks of {self.who}: {self.n_target} targets, but the table has {t.n_target}")
        if self.columns.size and self.columns.max() >= t.f.shape[0]:
            raise InvariantError(f"hooks of {self.who}: a table of {t.f.shape[0]} columns has no {self.columns.max()}")
        if self.hot.rows_only:
            return {"n_source": t.n_source, "n_row": self.n_row}
        capacity, n_in, at = t.f.shape[1], t.in_slot.size, self._at
        return {
            "f": at("f", t.f, np.float64, t.f.shape[0] * capacity), "n_column": t.f.shape[0], "capacity": capacity,
            "post": at("post", t.post, np.uint32, capacity), "weight": at("weight", t.weight, np.float64, capacity),
            "uid": at("uid", t.uid, np.uint64, capacity),
            "in_start": at("in_start", t.in_start, np.int64, self.n_target),
            "in_length": at("in_length", t.in_length, np.int32, self.n_target),
            "in_slot": at("in_slot", t.in_slot, np.uint32, n_in), "in_row": at("in_row", t.in_row, np.uint32, n_in),
            "n_in": n_in, "n_source": t.n_source, "n_row": self.n_row,
            "hot_column": address(self.columns), "n_hot_column": self.columns.size,
        }  # fmt: skip

    def _at(self, name: str, array: NDArray[Any], kind: DTypeLike, size: int) -> int:
        """The address of an array, if it is what a hook will view."""
        if array.dtype != kind or array.size < size or not array.flags.c_contiguous:
            loose = "" if array.flags.c_contiguous else ", not contiguous"
            raise InvariantError(
                f"hooks of {self.who}: {name!r} is {array.dtype} of {array.size}{loose}; they view {size} contiguous "
                f"{np.dtype(kind)}"
            )
        return address(array)

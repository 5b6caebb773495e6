"""Blocks of synapses: looked at when they are given, kept in few bytes, put into the rows of a table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neurodev.arrays import I8, U4, U8, Array, Floats, Integers
from neurodev.errors import ParameterError, shown
from neurodev.structure import store
from neurodev.structure.parts import parts_of

CHUNK = 1 << 22  # synapses that are put in order at a time
Block = tuple[ArrayLike, ArrayLike, ArrayLike, ArrayLike]
"""Source, target, lane and weight of some synapses."""


class Part(NamedTuple):
    """A block that has been looked at: what there is of its synapses, (n,)."""

    row: U4
    target: NDArray[Any]
    """In 16 bits where that is enough."""
    weight: Floats
    """() where it is one."""


def listed(what: str, values: Any, wanted: str, kinds: str) -> Array:
    """A list as an array (m,) of numbers of some kinds (NumPy's letters), called `wanted`.

    Raises
    ------
    ParameterError
        For what is no such list.
    """
    try:
        a = np.asarray(values)
    except (TypeError, ValueError, OverflowError):
        raise ParameterError(f"{what} must be a list of {wanted}, got {shown(values, 60)}") from None
    if a.ndim != 1 or (a.size and a.dtype.kind not in kinds):
        cure = ": np.flatnonzero(mask) lists what a mask marks" if a.dtype == np.bool_ else ""
        raise ParameterError(f"{what} must be a list of {wanted}, got {a.dtype} of shape {a.shape}{cure}")
    return a


def whole_numbers(what: str, values: ArrayLike, n: int) -> I8:
    """Indices below `n` as an array of one's own, (m,).

    Parameters
    ----------
    what : str
        Whose they are, for the message.

    Raises
    ------
    ParameterError
        For what is no list of whole numbers in [0, n): a mask, floats, a table of them.
    """
    found: I8 = _indices(what, values, n).astype(np.int64)
    return found


def _indices(what: str, values: ArrayLike, n: int) -> Integers:
    """The same of whatever type they are: a copy of a hundred million costs more than the table."""
    a = listed(what, values, "whole numbers", "iu")
    if a.size and (a.min() < 0 or a.max() >= n):
        raise ParameterError(f"{what} must lie in [0, {n}), got {a.min()}..{a.max()}")
    return a


def finite(weight: ArrayLike, n: int, kind: type) -> Floats:
    """Weights of `n` synapses, () or (n,), from one or as many."""
    given = np.asarray(weight)
    if given.dtype.kind not in "iuf" or given.shape not in ((), (n,)):
        raise ParameterError(
            f"weight must be a number or one number for each of {n} synapses, got {given.dtype} of shape {given.shape}"
        )
    with np.errstate(over="ignore"):
        w: Floats = given.astype(kind)
    if not np.all(np.isfinite(w)):
        raise ParameterError(f"weight must be finite in {np.dtype(kind)}: it holds NaN, infinity or more than fits")
    return w


def checked(
    block: Block, n_source: int, n_target: int, n_lane: int, weight_type: type, row_of: Callable[[I8, I8, I8], I8]
) -> Part:
    """Rows, targets and weights of a block; `row_of` gives the rows of sources, targets and lanes.

    Raises
    ------
    ParameterError
        Where an index is no whole number or out of range, or a weight is not finite.
    """
    source, target, lane, weight = block
    s, t = _indices("source indices", source, n_source), _indices("target indices", target, n_target)
    one = np.ndim(lane) == 0
    k = _indices("lane indices", np.full(1, lane) if one else lane, n_lane)
    for name, a in (("target", t), *(() if one else (("lane", k),))):
        if a.shape != s.shape:
            raise ParameterError(f"{name} must have shape {s.shape} like source, got {a.shape}")
    row: U4 = np.empty(s.size, dtype=np.uint32)
    for part in parts_of(s.size):  # nothing else that is as long as all of them is made
        a, b, c = (x.astype(np.int64) for x in (s[part], t[part], k if one else k[part]))
        row[part] = row_of(a, b, c)
    narrow = np.uint16 if n_target <= 1 << 16 else np.uint32
    return Part(row, t.astype(narrow), finite(weight, s.size, weight_type))


def ascending(parts: list[Part], n_row: int) -> bool:
    """Whether the targets of each source and lane, of `n_row`, are given in ascending order."""
    last = 0
    for p in parts:
        if p.row.size and (int(p.target[0]) < last or np.any(p.target[1:] < p.target[:-1])):
            break
        last = int(p.target[-1]) if p.row.size else last
    else:
        return True  # of all of them
    latest: I8 = np.zeros(n_row, dtype=np.int64)
    return all(
        store.ascend(
            p.row[at : at + CHUNK].astype(np.int64) % n_row, p.target[at : at + CHUNK].astype(np.int64), latest
        )
        for p in parts
        for at in range(0, p.row.size, CHUNK)
    )


def only(parts: list[Part]) -> Any:
    """The one weight that all synapses of these blocks have.

    Raises
    ------
    ParameterError
        If there are several.
    """
    weights = [p.weight for p in parts if p.row.size]
    one = weights[0].flat[0]
    if any(np.any(w != one) for w in weights):
        raise ParameterError("weights must be one and the same for all synapses where they are kept alike=True")
    return one


def fill(parts: list[Part], first_uid: int, rows: store.Rows, post: U4, weight: Floats | None, uid: U8 | None) -> None:
    """Put blocks into their rows, in their order, into the arrays of a table; without weights or uids where None."""
    no_weight: Floats = np.zeros(0, dtype=parts[0].weight.dtype if parts else np.float64)
    own = no_weight if weight is None else weight
    names: U8 = np.zeros(0, dtype=np.uint64) if uid is None else uid
    for p in parts:
        for at in range(0, p.row.size, CHUNK):
            here = slice(at, min(at + CHUNK, p.row.size))
            n = here.stop - at
            w = np.full(n, p.weight) if p.weight.ndim == 0 else np.ascontiguousarray(p.weight[here])
            store.fill(
                p.row[here].astype(np.int64), p.target[here].astype(np.int64), no_weight if weight is None else w,
                np.uint64(first_uid), rows, post, own, names,
            )  # fmt: skip
            first_uid += n


def lane_type(n_lane: int) -> type:
    """In what the number of a delay is kept: a byte, where it has room."""
    return np.uint8 if n_lane <= 256 else np.uint16


def part_of(unit: I8, n: int, parts: int) -> I8:
    """Which of `parts` equal shares of `n` units each belongs to; neighbours stay together."""
    return unit * parts // n


def part_bounds(n: int, parts: int) -> I8:
    """(parts + 1,): share k holds the units from ``bounds[k]`` up to ``bounds[k + 1]`` (see `part_of`)."""
    return -(-np.arange(parts + 1, dtype=np.int64) * n // parts)


def with_room(length: I8) -> I8:
    """Room of a fresh row: an eighth more, at least one slot, in a table that will change."""
    return length + np.maximum(length // 8, 1)

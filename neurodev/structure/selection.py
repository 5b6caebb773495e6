"""Selection: the one place where what a user picks (cells, synapses) becomes numbers.

`indices` takes whole numbers, masks, slices, ranges and sets; `uids` takes identities; `living` finds the slots of
synapses by their identities, `synapses` by identities, or by a mask or a slice over them.  What could be read in two
ways is refused: a fraction is no cell, a mask of another length no mask, and a generator is gone once it has been
looked at.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from numbers import Integral
from typing import Any, NoReturn

import numpy as np

from neurodev.arrays import I8, U8
from neurodev.errors import ParameterError, shown
from neurodev.structure.table import Table

_MOST = 2**63 - 1
_FRACTIONS = "fractions select nothing: give whole numbers (x.astype(int), if that is meant)"


def _is_whole(x: Any) -> bool:
    return isinstance(x, (Integral, np.integer)) and not isinstance(x, (bool, np.bool_))


def _array(value: Any, refuse: Any) -> np.ndarray[Any, Any]:
    """An array of integers or booleans, (n,), from a number, a list, an array or a column of a table."""
    if isinstance(value, (str, bytes, bytearray, memoryview)):
        refuse("a text selects nothing")
    if isinstance(value, Mapping):
        refuse("a dictionary is no selection: give list(its keys)")
    if isinstance(value, Iterator):
        refuse("an iterator is used up once it has been read: give a list")
    if isinstance(value, (float, np.floating)):
        refuse(_FRACTIONS)
    if (
        not isinstance(value, (Integral, np.bool_))
        and not hasattr(value, "__len__")
        and not hasattr(value, "__array__")
    ):
        refuse("give a whole number, a list of them, a mask, a slice or a set")
    if isinstance(value, (list, tuple)):
        if {isinstance(x, (bool, np.bool_)) for x in value} == {True, False}:
            refuse("it mixes True and False with numbers: a list of whole numbers, or a mask?")
        if all(_is_whole(x) for x in value):  # NumPy would make fractions of integers of several widths
            value = np.array([int(x) for x in value], dtype=object)
    try:
        found = np.asarray(value)
    except (TypeError, ValueError, OverflowError):
        refuse("its rows differ in length")
    if found.ndim == 0:
        if found.dtype.kind == "b":
            refuse("True and False are no number of a cell or synapse")
        found = found.reshape(1)
    if found.ndim != 1:
        refuse(f"it has shape {found.shape}: give one row of numbers")
    if found.dtype.kind == "O":  # nullable columns of pandas, integers beyond 64 bits
        if all(isinstance(x, (bool, np.bool_)) for x in found) and found.size:
            return found.astype(bool)
        if not all(_is_whole(x) for x in found):
            refuse("it holds something else than whole numbers")
        if any(abs(int(x)) > _MOST for x in found):
            refuse("it holds a number that no cell or synapse has")
        return found.astype(np.int64)
    if not found.size and found.dtype.kind not in "SU":
        return found.astype(np.int64)
    if found.dtype.kind == "f":
        refuse(_FRACTIONS)
    if found.dtype.kind not in "iub":
        refuse(f"numbers of type {found.dtype} select nothing")
    return found


def indices(value: Any, n: int, argument: str, *, of: str = "cells", some: bool = False, ordered: bool = False) -> I8:
    """The places among `n` that a user means, in the given order.

    Parameters
    ----------
    value : int, list or array of int, mask of n bool, slice, range or set
        A set is taken in ascending order, a mask and a slice as NumPy takes them.
    n : int
        How many there are to pick from.
    argument : str
        Name of the argument, for the error.
    of : str
        What is picked, for the error: "neurons of 'exc'".
    some : bool
        Whether an empty selection is refused.
    ordered : bool
        Whether the order counts, as in lists of pairs: masks and sets, which have none, are refused.

    Returns
    -------
    (k,) int64

    Raises
    ------
    ParameterError
        For everything else: fractions, text, masks of another length, negative numbers and numbers beyond the last.

    Examples
    --------
    >>> indices([False, True, True], 3, "cells")
    array([1, 2])
    >>> indices({2, 0}, 3, "cells")
    array([0, 2])
    """

    def refuse(why: str) -> NoReturn:
        raise ParameterError(
            f"{argument} must pick {of} by numbers in [0, {n}), by a mask of length {n}, by a slice or by a set, "
            f"got {shown(value)}: {why}"
        )

    found: np.ndarray[Any, Any]
    if isinstance(value, slice):
        try:
            found = np.arange(n)[value]
        except (TypeError, ValueError):
            refuse("a slice is made of whole numbers")
    elif isinstance(value, range):
        if len(value) and not (0 <= min(value[0], value[-1]) and max(value[0], value[-1]) < n):
            refuse(f"there are {n}")
        found = np.arange(value.start, value.stop, value.step) if len(value) else np.zeros(0, dtype=np.int64)
    elif isinstance(value, Set):
        if ordered:
            refuse("here the order counts, and a set has none: give a list")
        if not all(_is_whole(x) for x in value):
            refuse("a set for selection holds whole numbers only")
        found = _array(sorted(value), refuse)
    else:
        found = _array(value, refuse)
    if found.dtype.kind == "b":
        if ordered:
            refuse("here the order counts, and a mask has none: give np.flatnonzero(mask)")
        if found.size != n:
            refuse(f"the mask has length {found.size}")
        found = np.flatnonzero(found)
    if found.size and (found.min() < 0 or found.max() >= n):
        low = int(found.min())
        refuse("negative numbers do not count from the end here" if low < 0 else f"{int(found.max())} is beyond them")
    if some and not found.size:
        refuse("it picks none")
    return found.astype(np.int64)


def one(value: Any, n: int, argument: str, *, of: str = "cells") -> int:
    """A single place among `n`; see `indices`.

    Raises
    ------
    ParameterError
        For anything but one whole number in [0, n).
    """
    if not _is_whole(value) or not 0 <= int(value) < n:
        raise ParameterError(f"{argument} must be one of {of}, a whole number in [0, {n}), got {shown(value)}")
    return int(value)


def uids(value: Any, argument: str) -> U8:
    """Identities of synapses, (k,), in the given order, each once.

    Raises
    ------
    ParameterError
        For fractions, masks, text and numbers that are no identity; for one that is named twice.
    """

    def refuse(why: str) -> NoReturn:
        raise ParameterError(
            f"{argument} must be uids of synapses (whole numbers from 1, a list or a set of them), got "
            f"{shown(value)}: {why}"
        )

    if isinstance(value, Set):
        value = sorted(value) if all(_is_whole(x) for x in value) else list(value)
    if isinstance(value, slice):
        refuse("a slice picks places, not identities")
    found = _array(value, refuse)
    if found.dtype.kind == "b":
        refuse("a mask picks places, not identities: give uid[mask]")
    if found.size and found.min() < 1:
        refuse(f"{int(found.min())} is no uid")
    out = found.astype(np.uint64)
    if np.unique(out).size != out.size:
        refuse("it names one twice")
    return out


def living(table: Table, value: Any, argument: str, of: str, *, some: bool = False) -> I8:
    """Slots of the living synapses of a table that a user names by uid, (k,), in the given order.

    Parameters
    ----------
    of : str
        What the table holds, for the error: "synapses of 'map'".
    some : bool
        Whether an empty selection is refused.

    Raises
    ------
    ParameterError
        As `uids`; and for one that is dead, or never belonged to this table.
    """
    wanted = uids(value, argument)
    slots = table.slot_of(wanted)
    lost = wanted[slots < 0]
    if some and not wanted.size:
        raise ParameterError(f"{argument} must name living {of}, got {shown(value)}: it names none")
    if lost.size:
        never = bool(lost[0] >= table.uids.next)
        why = "nobody has it yet" if never else "it died, or belongs to another projection"
        raise ParameterError(
            f"{argument} must name living {of}, got {shown(value)}: {lost.size} of {wanted.size} are not alive there, "
            f"uid {int(lost[0])} the first ({why}); the living are table.uid[table.slots()]"
        )
    return slots


def synapses(table: Table, value: Any, argument: str, of: str) -> I8:
    """Slots of the living synapses of a table that a user means, (k,), at least one.

    Parameters
    ----------
    value : uids (a list, an array or a set), a mask or a slice
        A mask has an entry for each living synapse in the order of their uids, and a slice counts in that order.
    of : str
        What the table holds, for the error: "synapses of 'map'".

    Raises
    ------
    ParameterError
        As `living` and `indices`.
    """
    masked = isinstance(value, (list, tuple)) and bool(value) and all(isinstance(x, (bool, np.bool_)) for x in value)
    if isinstance(value, slice) or masked or getattr(getattr(value, "dtype", None), "kind", "") == "b":
        slots = table.slots()
        slots = slots[np.argsort(table.uid_of(slots))]
        return slots[indices(value, slots.size, argument, of=f"{of}, in the order of their uids,", some=True)]
    return living(table, value, argument, of, some=True)

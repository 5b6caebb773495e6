"""What stands in the cells of a table: numbers, flags, names, dates; and how it is told what could not be read."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from neurodev.arrays import B1, F8, I8
from neurodev.errors import shown

NOTHING = frozenset({"", "nan", "na", "n/a", "#n/a", "none", "null", "<na>", "nat"})
"""What is written, in small letters, where there is no value."""
YES = frozenset({"true", "yes", "y", "t", "1", "1.0", "present", "○", "●"})
NO = frozenset({"false", "no", "n", "f", "0", "0.0", "absent", "ー", "–", "-", "×"})
SHOWN = 3
"""Rows that a note names; of the others it tells the number."""
_COMMA = re.compile(r"[+-]?\d*,\d+(e[+-]?\d+)?", re.IGNORECASE)
_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}(,\d{3})+")
_WHOLE = re.compile(r"0|-?[1-9]\d{0,19}")


class Numbers(NamedTuple):
    """Cells as numbers, (n,) each."""

    value: F8
    """NaN where there is none."""
    bad: B1
    """Whether something stands there that is no finite number."""
    why: str
    """What is wrong with the bad ones."""


def words(values: NDArray[Any]) -> NDArray[np.str_]:
    """Cells as words, without the blanks around them; whole floats as whole numbers are written."""
    a = np.asarray(values)
    if a.dtype.kind == "f":
        whole = np.isfinite(a) & (a == np.trunc(a)) & (np.abs(a) < 2.0**53)
        text = np.array([f"{x:.0f}" if w else repr(float(x)) for x, w in zip(a.tolist(), whole, strict=True)])
        a = np.where(np.isnan(a), "", text) if a.size else text
    return np.char.strip(a.astype(str)) if a.size else np.zeros(0, dtype="U1")


def nothing(text: NDArray[np.str_], more: Iterable[str] = ()) -> B1:
    """Whether nothing is written in a cell; `more` words say so too."""
    return np.isin(np.char.lower(text), [*NOTHING, *(w.casefold() for w in more)])


def mapped(text: NDArray[np.str_], f: Callable[[str], Any]) -> list[Any]:
    """A function of each cell, called once for each word that there is."""
    known, where = np.unique(text, return_inverse=True)
    found = [f(str(w)) for w in known]
    return [found[k] for k in where.tolist()]


def numbers(values: NDArray[Any], na: Iterable[str] = (), decimal: str = "") -> Numbers:
    """Cells as numbers.

    Parameters
    ----------
    values : (n,) array
        Words, or numbers.
    na : iterable of str
        Further words for nothing.
    decimal : {"", ".", ","}
        What stands before decimals; if nothing, a comma does where a column has commas and no points, unless it may
        stand between thousands.
    """
    a = np.asarray(values)
    if a.dtype.kind in "fiub":
        value = a.astype(np.float64)
        bad = np.isinf(value)
        if extra := [float(w) for w in na if _float(w) is not None]:
            value[np.isin(value, extra)] = np.nan
        return Numbers(np.where(bad, np.nan, value), bad, "no finite number")
    text = words(a)
    empty = nothing(text, na)
    value = np.full(text.size, np.nan)
    why = "no finite number"
    try:
        if decimal == ",":
            raise ValueError
        value[~empty] = text[~empty].astype(np.float64)
    except ValueError:
        known, where = np.unique(text[~empty], return_inverse=True)
        found, why = _with_commas([str(w) for w in known], decimal)
        value[~empty] = found[where]
    value[np.isinf(value)] = np.nan
    return Numbers(value, ~empty & np.isnan(value), why)


def _float(word: str) -> float | None:
    try:
        return float(word)
    except ValueError:
        return None


def _with_commas(known: list[str], decimal: str) -> tuple[F8, str]:
    """Values of words of which some have decimal commas, NaN where none can be told, and what is wrong with those."""
    commas = [w for w in known if _COMMA.fullmatch(w)]
    why = "no finite number"
    if decimal == ".":
        taken = False
    elif decimal == ",":
        taken = True
    else:
        points = any("." in w and _float(w) is not None for w in known)
        thousands = bool(commas) and all(_THOUSANDS.fullmatch(w) for w in commas)
        taken = bool(commas) and not points and not thousands
        if commas and not taken:
            why = "no number that can be told: say decimal=',' or decimal='.'"
    out = [np.nan] * len(known)
    for k, w in enumerate(known):
        if _COMMA.fullmatch(w):
            out[k] = float(w.replace(",", ".")) if taken else np.nan
        elif not (decimal == "," and "." in w):
            found = _float(w)
            out[k] = np.nan if found is None else found
    return np.array(out, dtype=np.float64), why


def flags(values: NDArray[Any], na: Iterable[str] = ()) -> tuple[B1, B1]:
    """Cells as True or False, and whether something stands there that is neither; nothing is False."""
    a = np.asarray(values)
    if a.dtype.kind in "biu":
        return a.astype(bool), np.zeros(a.size, dtype=bool)
    text = np.char.lower(words(a))
    yes, no = np.isin(text, list(YES)), np.isin(text, list(NO)) | nothing(text, na)
    return yes, ~yes & ~no


def plain(text: NDArray[Any], decimals: bool = True) -> NDArray[Any]:
    """Words as numbers, where each of them is one and no two are the same; numbers as they are.

    ``"012"`` is a word, and so is ``"1.10"`` beside ``"1.1"``, or without `decimals`.
    """
    a = np.asarray(text)
    if a.dtype.kind != "U" or not a.size:
        return a
    if all(mapped(a, lambda w: bool(_WHOLE.fullmatch(w)))):
        whole = [int(w) for w in a.tolist()]
        for kind in (np.int64, np.uint64):  # identities of runs take 64 bits
            if np.iinfo(kind).min <= min(whole) and max(whole) <= np.iinfo(kind).max:
                return np.array(whole, dtype=kind)
        return a
    given = numbers(a)
    empty = nothing(a)
    written = all(mapped(a[~empty], lambda w: "." in w or "e" in w.lower() or bool(_WHOLE.fullmatch(w))))
    if not decimals or given.bad.any() or empty.all() or not written:
        return a
    return given.value if np.unique(a[~empty]).size == np.unique(given.value[~empty]).size else a


def days_of_dates(text: NDArray[np.str_]) -> F8 | None:
    """Days since the first of some dates (year-month-day); None where one is no date."""
    day = mapped(text, lambda w: w[:10] if re.fullmatch(r"\d{4}-\d{2}-\d{2}([T ][\d:.]*)?", w) else "")
    if not day or not all(day):
        return None
    try:
        found = np.array(day, dtype="datetime64[D]")
    except ValueError:
        return None
    return np.asarray((found - found.min()).astype(np.float64))


_VERBS = {"are": "is", "have": "has", "say": "says", "repeat": "repeats", "hold": "holds"}


def told(line: I8, why: str, values: Sequence[Any] | NDArray[Any] | None = None, what: str = "row") -> str:
    """A note on some rows: how many, the first of them, and what stands there."""
    order = np.argsort(line, kind="stable")[:SHOWN].tolist()
    first = [f"row {int(line[i])}" + ("" if values is None else f" ({shown(str(values[i]), 24)})") for i in order]
    more = f" and {len(line) - SHOWN:,} more" if len(line) > SHOWN else ""
    many = len(line) != 1
    if not many:
        why = re.sub(r"^((?:of .*? )?)(are|have|say|repeat|hold)( .*? and are)?\b", _singular, why)
    return f"{len(line):,} {what}{'s' if many else ''} {why}: {', '.join(first)}{more}"


def _singular(m: re.Match[str]) -> str:
    return m[1] + _VERBS[m[2]] + (m[3] or "").replace("are", "is")

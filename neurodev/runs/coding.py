"""What fills the gaps of many stories at once, in columns of codes; and the stories of lives that no run tells of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from neurodev.arrays import B1, F8
from neurodev.structure import story
from neurodev.structure.cause import Causes

_KNOWN = ("projection", "cell", "dendrite", "pre", "post")  # of a history: what is told of where it sat


class Coded(NamedTuple):
    """A column of words: 0 where there is none, else the place of the word in the list, from 1."""

    code: NDArray[Any]
    words: list[str]


class Telling(NamedTuple):
    """The stories of some lives, (n,) each, but for the names and numbers that a page knows already.

    `terms` holds the numbers that decided a death (and what is known of a place), by name: whether they are ``moved``,
    ``others`` or ``known``, and the column.
    """

    clauses: tuple[str, ...]
    born: F8
    died: F8
    columns: dict[str, Coded]
    terms: dict[str, tuple[str, Coded]]
    by_hand: B1


def coded(values: F8, write: Callable[[float], str], there: B1) -> Coded:
    """Numbers (n,) as the words that `write` makes of them, where they are there."""
    number, place = np.unique(values[there], return_inverse=True)
    words: dict[str, int] = {}
    each = np.array([words.setdefault(write(float(x)), len(words) + 1) for x in number], dtype=np.int64)
    code = np.zeros(values.size, dtype=np.int64)
    code[there] = each[place] if number.size else 0
    return Coded(code, list(words))


def form(spec: str) -> Callable[[float], str]:
    """A function that writes a number so."""
    return lambda x: f"{x:{spec}}"


def words_of(column: NDArray[Any]) -> Coded:
    """A column of names or numbers as words."""
    names, code = np.unique(column, return_inverse=True)
    return Coded(np.asarray(code, dtype=np.int64) + 1, [str(x) for x in names.tolist()])


def _sizes(history: Any) -> tuple[F8, F8]:
    """Largest size of each that was measured, and when."""
    seen, n = history.seen, len(history)
    known = np.isfinite(seen.size)
    order = np.lexsort((seen.session[known], -seen.size[known], seen.row[known]))
    row = seen.row[known][order]
    first = np.r_[True, np.diff(row) > 0][: row.size]
    size, when = np.full(n, np.nan), np.full(n, np.nan)
    size[row[first]] = seen.size[known][order][first]
    when[row[first]] = history.sessions[seen.session[known][order][first]]
    return size, when


def of_history(history: Any) -> Telling:
    """The stories of the lives of a history; times in its unit.

    Parameters
    ----------
    history : History
    """
    number, (b0, b1), (d0, d1) = form(story.SEEN_NUMBER), history.born.T, history.died.T
    standing, dead = np.isinf(b0), np.isfinite(d1)
    (size, when), sharp, ended = _sizes(history), b0 == b1, d0 == d1
    columns = {
        "born_after": coded(b0, number, ~standing & ~sharp), "born_by": coded(b1, number, ~standing & ~sharp),
        "born": coded(b1, number, ~standing & sharp), "died": coded(d1, number, dead & ended),
        "last_after": coded(d0, number, dead & ~ended), "died_by": coded(d1, number, dead & ~ended),
        "died_after": coded(np.full(dead.size, history.end), number, ~dead),
        "largest": coded(size, number, np.isfinite(size)), "largest_when": coded(when, number, np.isfinite(size)),
    }  # fmt: skip
    known = [k for k in _KNOWN if k in history.columns and history.columns[k].ndim == 1]
    # who is connected says where it sits: the cell is the one of both that is called post
    known = [k for k in known if not (k == "cell" and "post" in known)]
    terms = {k: ("known", words_of(history.columns[k])) for k in known}
    born = np.where(standing, history.start, history.birth)
    died = np.where(dead, history.death, np.nan)
    return Telling(story.SEEN, born, died, columns, terms, np.zeros(dead.size, bool))


def of_one(history: Any, row: int) -> str:
    """The story of one row of a history."""
    one = history.select(np.arange(len(history)) == row)
    telling = of_history(one)
    pieces = {k: c.words[c.code[0] - 1] for k, c in telling.columns.items() if c.code[0]}
    pieces |= {"uid": f"{one.ident[0]}", "unit": one.unit}
    pieces |= {"there": ""} if one.standing[0] else {}
    pieces |= {"alive": ""} if np.isinf(one.died[0, 1]) else {"ended": ""}
    terms = [(name, c.words[c.code[0] - 1]) for name, (_, c) in telling.terms.items()]
    pieces |= {"known": story.listed("known", terms)} if terms else {}
    if "cause" in one.columns and np.isfinite(one.died[0, 1]) and (cause := f"{one.columns['cause'][0]}"):
        pieces |= {"cause": cause, "reason": (one.causes or Causes())[cause].sentence}
    return story.told(story.SEEN, pieces)

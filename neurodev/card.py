"""What a thing says of itself: a line or a few at a prompt, and a small table in a notebook.

Both are cheap, and neither ever fails: what cannot be read (a run whose file is gone) is said to be so.  Names come
from users and from files, so that every word is made fit for a terminal, and escaped where it is markup.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Iterable, Sequence
from dataclasses import fields, is_dataclass
from typing import Any, TypeVar

import numpy as np

from neurodev.writing import printable

Value = str | Callable[[], Any]
Rows = Sequence[tuple[str, Value]]
T = TypeVar("T", bound=type)
LINES, LETTERS = 6, 600  # of what is said at a prompt, at most
ROWS, CELL = 20, 240  # of a table, and letters of a cell of it
_NAMES = 6  # of a list of names


class Card:
    """Base of what says in few words what it is: `_words` at a prompt, and `_rows` of a table in a notebook."""

    def _words(self) -> str:
        return outline(self)

    def _rows(self) -> Rows:
        return parts(self)

    def __repr__(self) -> str:
        return brief(self)

    def _repr_html_(self) -> str:
        return markup(self)


def outlined(cls: T) -> T:
    """A tuple with names, or a data class, that says of its arrays what shape they have and does not show them."""
    for name, said in (("__repr__", lambda self: brief(self)), ("_repr_html_", lambda self: markup(self))):
        setattr(cls, name, said)
    return cls


# ---------------------------------------------------------------------- the two ways to say it


def brief(thing: Any) -> str:
    """What a thing says at a prompt: some lines, whatever happens."""
    try:
        words = printable(thing._words() if hasattr(thing, "_words") else outline(thing))
    except Exception as e:  # its file is gone, or it was never finished
        words = f"{type(thing).__name__}(cannot be read: {_failed(e)})"
    lines = words.split("\n")
    if len(lines) > LINES:
        words = "\n".join([*lines[: LINES - 1], f"... and {len(lines) - LINES + 1} lines more"])
    return words if len(words) <= LETTERS else words[: LETTERS - 3] + "..."


def markup(thing: Any) -> str:
    """What a thing says in a notebook: a table of names and values, whatever happens."""
    try:
        rows = list(thing._rows() if hasattr(thing, "_rows") else parts(thing))
    except Exception as e:
        rows = [("cannot be read", _failed(e))]
    return table(type(thing).__name__, rows)


def table(title: str, rows: Rows) -> str:
    """A table of names and values as markup that loads and runs nothing; values that cannot be had are said to be so.

    Examples
    --------
    >>> table("Run", [("life", "3 days")])
    '<table><caption>Run</caption><tbody><tr><th scope="row">life</th><td>3 days</td></tr></tbody></table>'
    """
    shown = list(rows)[:ROWS]
    lines = [(name, value if isinstance(value, str) else known(value)) for name, value in shown]
    if len(rows) > ROWS:
        lines.append(("...", f"{len(rows) - ROWS} more"))
    body = "".join(f'<tr><th scope="row">{_cell(name)}</th><td>{_cell(value)}</td></tr>' for name, value in lines)
    return f"<table><caption>{_cell(title)}</caption><tbody>{body}</tbody></table>"


def _cell(text: str) -> str:
    """A word of a user as markup."""
    plain = printable(str(text), lines=False)
    return html.escape(plain if len(plain) <= CELL else plain[: CELL - 3] + "...")


def known(ask: Callable[[], Any]) -> str:
    """What is asked, or that it cannot be read.

    Examples
    --------
    >>> known(lambda: 3), known(lambda: {}["a"])
    ('3', 'not readable (KeyError)')
    """
    try:
        return str(ask())
    except Exception as e:
        return f"not readable ({type(e).__name__})"


def _failed(e: Exception) -> str:
    said = known(lambda: str(e)).partition("\n")[0]
    return f"{type(e).__name__}{': ' if said else ''}{said}"[:200]


# ---------------------------------------------------------------------- words


def named(names: Iterable[Any], most: int = _NAMES) -> str:
    """Some names of a list.

    Examples
    --------
    >>> named(["a", "b"]), named("abcdefgh", 3)
    ('a, b', 'a, b, c and 5 more')
    """
    every = [str(n) for n in names]
    first = ", ".join(n if len(n) <= 40 else n[:37] + "..." for n in every[:most])
    return first + (f" and {len(every) - most:,} more" if len(every) > most else "")


def counted(n: float, word: str, plural: str = "") -> str:
    """A number of something.

    Examples
    --------
    >>> counted(1, "life", "lives"), counted(12000, "synapse")
    ('1 life', '12,000 synapses')
    """
    return f"{n:,.0f} {word if n == 1 else plural or word + 's'}"


def told(value: Any, most: int = 60) -> str:
    """A value in few letters: of an array its shape and range, of a list how many.

    Examples
    --------
    >>> told(np.arange(12.0).reshape(3, 4)), told(0.123456), told([])
    ('(3, 4) of 0 to 11', '0.123456', '[]')
    """
    if isinstance(value, np.ndarray) and (value.ndim != 0):
        return _array(value)
    if isinstance(value, (float, np.floating)):
        return f"{value:.6g}"
    if (isinstance(value, (list, set, frozenset, dict)) or type(value) is tuple) and len(value) > 8:
        return f"{type(value).__name__} of {len(value):,}"
    words = " ".join(brief(value).split()) if hasattr(value, "_words") else " ".join(known(lambda: repr(value)).split())
    return words if len(words) <= most else words[: most - 3] + "..."


def _array(a: np.ndarray[Any, Any]) -> str:
    if a.dtype.kind not in "iufb" or not a.size:
        return f"{a.shape} of {a.dtype.name}"
    finite = a[np.isfinite(a)] if a.dtype.kind == "f" else a
    if a.dtype.kind == "b":
        return f"{a.shape} with {int(a.sum()):,} true"
    if not finite.size:
        return f"{a.shape} without a number"
    low, high = f"{finite.min():.4g}", f"{finite.max():.4g}"
    return f"{a.shape} of {low}" + (f" to {high}" if low != high else "")


def _members(thing: Any) -> list[tuple[str, Any]]:
    """Names and values of a tuple with names or a data class."""
    names = [f.name for f in fields(thing) if f.repr] if is_dataclass(thing) else list(getattr(thing, "_fields", ()))
    return [(n, getattr(thing, n)) for n in names]


def outline(thing: Any) -> str:
    """A tuple with names, or a data class, with its arrays told by shape and range."""
    return f"{type(thing).__name__}({', '.join(f'{n}={told(v)}' for n, v in _members(thing))})"


def parts(thing: Any) -> Rows:
    """The same as rows."""
    return [(n, told(v, CELL)) for n, v in _members(thing)]

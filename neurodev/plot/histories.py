"""The still page of histories: what each holds, what could not be read of it, and its pictures."""

from __future__ import annotations

import html
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from neurodev.errors import ParameterError, shown
from neurodev.plot import output
from neurodev.plot.door import drawn
from neurodev.plot.page import Section, image, write_page


def _each_a_history(value: Any, argument: str) -> Any:
    """A rule: histories, one at least, with lives in them."""
    if not isinstance(value, (list, tuple)) or not value or not all(hasattr(h, "seen") for h in value):
        raise ParameterError(f"{argument} must be a list of histories, [history], got {shown(value)}")
    for k, h in enumerate(value):
        if not len(h):
            raise ParameterError(f"{argument}[{k}] must hold a life, got {shown(h)}")
    return value


@drawn(histories=_each_a_history)
def write(histories: Sequence[Any], path: str | Path) -> Path:
    """Write one page of pictures about histories, one after the other: a file that needs nothing else.

    Parameters
    ----------
    histories : sequence of History
    path : path
        The page; an existing one is replaced.

    Returns
    -------
    Path

    Raises
    ------
    ParameterError
        Without a life to show, and for a path that holds something else.
    NeurodevError
        If the page cannot be written.
    """
    output.checked(path)  # before anything is drawn
    names = [str(h.title) or f"history {k}" for k, h in enumerate(histories, 1)]
    sections: list[Section] = [_section(h, n, len(names) > 1) for h, n in zip(histories, names, strict=True)]
    lead = f"<p class=lead>{html.escape(_said(histories[0]))}</p>" if len(histories) == 1 else ""
    return write_page(path, " beside ".join(dict.fromkeys(names)), lead, sections)


def _said(history: Any) -> str:
    """What is in a history, without its name, which stands above."""
    new, dead = int((~history.standing).sum()), int((history.died[:, 1] < float("inf")).sum())
    said = f"{len(history):,} lives, {new:,} births and {dead:,} deaths in {history.end - history.start:g} "
    return said + f"{history.unit}s" + (f", {history.sessions.size} sessions" if history.sessions.size else "") + "."


def _section(history: Any, name: str, many: bool) -> Section:
    from neurodev.plot import overview  # a name of the room, which loads its pictures when they are asked for

    notes = "".join(f"<li>{html.escape(n)}</li>" for n in history.notes)
    pictures = image(overview(history), f"Lives, births and deaths, survival and sizes of {name}")
    said = f"<p class=lead>{html.escape(_said(history))}</p>" if many else ""
    told = f"<p class=note>What could not be read, and what was assumed:</p><ul class=note>{notes}</ul>"
    return name if many else "All of it", "", said + pictures + (told if notes else "")

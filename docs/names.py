"""The page of public names, from the package itself: a name that is added to it has its page without a line here."""

from __future__ import annotations

from operator import attrgetter
from pathlib import Path
from typing import Any

import neurodev as nd
from neurodev import registry
from neurodev.protocols import show

HEAD = """Public names
============

Everything below is made from the docstrings. ``import neurodev as nd`` gives the names of the first part; the trainable
path, the methods, the data and the pictures live in ``nd.learn``, ``nd.methods``, ``nd.data`` and ``nd.plot``, and are
loaded when they are first used.
"""
# headings for the kinds of the registry that have names at the top of the package; other kinds are headed by their name
HEADINGS = {
    "mechanism": "Mechanisms", "growth curve": "Growth curves", "neuron model": "Neuron models",
    "dendrite": "Dendrites", "drive": "Drives", "stimulus": "Stimuli", "wiring": "Wirings", "delay": "Delays",
    "intervention": "Interventions",
}  # fmt: skip
_WITH_THEM = ("neurodev.Cause", "neurodev.param")  # what a class of one's own is written with
OWN = "What your own derives from"
# what a mechanism of one's own is handed, and hands back
HANDED = "What your own mechanism sees"
_HANDED = tuple(
    f"neurodev.{n}"
    for n in ("mechanisms.base.SynapseView", "mechanisms.base.NeuronView", "mechanisms.base.NeuronBlock",
              "mechanisms.base.Clock", "structure.table.Table", "structure.plan.Plan", "structure.plan.NeuronPlan")
)  # fmt: skip
ROOMS = {"learn": "Layers, neurons, training", "methods": "Methods", "data": "Data", "plot": "Pictures"}


def groups() -> dict[str, list[str]]:
    """Heading -> full names, in the order of the page; each public name stands once."""
    left = [n for n in nd.__all__ if not n.startswith("__") and n not in ROOMS]
    out: dict[str, list[str]] = {"Networks, simulations, runs": [], OWN: [], HANDED: []}
    for kind in registry.OURS:
        mine = [n for n in left if n in registry.OURS[kind]]
        left = [n for n in left if n not in mine]
        if mine:
            out[HEADINGS.get(kind, kind.capitalize())] = [f"neurodev.{n}" for n in mine]
    bases = {f"neurodev.{n}" for n in left} & {*registry.BASES.values(), *_WITH_THEM}
    out[OWN] = sorted(bases)
    out[HANDED] = list(_HANDED)
    out["Networks, simulations, runs"] = [f"neurodev.{n}" for n in left if f"neurodev.{n}" not in bases]
    shown = [getattr(nd, n) for n in nd.__all__ if n not in ROOMS]
    for name, heading in ROOMS.items():
        room = getattr(nd, name)
        new = [n for n in room.__all__ if not any(getattr(room, n) is thing for thing in shown)]
        out[heading] = [f"neurodev.{name}.{n}" for n in new]
    return out


def found(name: str) -> Any:
    """What a full name of the list stands for."""
    return attrgetter(name.removeprefix("neurodev."))(nd)


def members() -> dict[str, dict[str, list[str]]]:
    """Of each class of the list what it can do: its own members and those of our bases that have no page; the others.

    A member is a public function or property with a docstring, told as the directive that describes it and its name.
    """
    listed = [n for group in groups().values() for n in group]
    pages = {thing: n for n in listed if isinstance(thing := found(n), type)}
    return {n: _members(thing, pages) for thing, n in pages.items()}


def _members(thing: type, pages: dict[type, str]) -> dict[str, list[str]]:
    bases = [b for b in thing.__mro__[1:] if b in pages]
    mine = show.members(thing, {c for b in bases for c in b.__mro__})
    return {
        "names": list(mine),
        "described": [f"auto{'method' if callable(m) else 'property'}:: {thing.__name__}.{n}" for n, m in mine.items()],
        "bases": [pages[b] for b in bases],
    }


def page() -> str:
    """The page in reStructuredText."""
    parts = [HEAD]
    for heading, names in groups().items():
        parts.append(f"{heading}\n{'-' * len(heading)}\n")
        tables = {n: thing for n in names if isinstance(thing := found(n), dict)}
        pages = "".join(f"   ~{n}\n" for n in names if n not in tables)
        parts.append(f".. autosummary::\n   :toctree: generated\n   :nosignatures:\n\n{pages}")
        parts += [f"``{n}`` is a dictionary: {', '.join(sorted(words))}.\n" for n, words in tables.items()]
    return "\n".join(parts)


def write(path: Path) -> None:
    """Write the page if it has changed (sphinx reads again what is newer)."""
    text = page()
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")

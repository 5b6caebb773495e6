"""The page of public names, from the package itself: a name that is added to it has its page without a line here."""

from __future__ import annotations

from operator import attrgetter
from pathlib import Path

import neurodev as nd
from neurodev import registry

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
ROOMS = {"learn": "Layers, neurons, training", "methods": "Methods", "data": "Data", "plot": "Pictures"}


def groups() -> dict[str, list[str]]:
    """Heading -> full names, in the order of the page; each public name stands once."""
    left = [n for n in nd.__all__ if not n.startswith("__") and n not in ROOMS]
    out: dict[str, list[str]] = {"Networks, simulations, runs": [], OWN: []}
    for kind in registry.OURS:
        mine = [n for n in left if n in registry.OURS[kind]]
        left = [n for n in left if n not in mine]
        if mine:
            out[HEADINGS.get(kind, kind.capitalize())] = [f"neurodev.{n}" for n in mine]
    bases = {f"neurodev.{n}" for n in left} & {*registry.BASES.values(), *_WITH_THEM}
    out[OWN] = sorted(bases)
    out["Networks, simulations, runs"] = [f"neurodev.{n}" for n in left if f"neurodev.{n}" not in bases]
    shown = [getattr(nd, n) for n in nd.__all__ if n not in ROOMS]
    for name, heading in ROOMS.items():
        room = getattr(nd, name)
        new = [n for n in room.__all__ if not any(getattr(room, n) is thing for thing in shown)]
        out[heading] = [f"neurodev.{name}.{n}" for n in new]
    return out


def page() -> str:
    """The page in reStructuredText."""
    parts = [HEAD]
    for heading, names in groups().items():
        parts.append(f"{heading}\n{'-' * len(heading)}\n")
        tables = {n: thing for n in names if isinstance(thing := attrgetter(n.removeprefix("neurodev."))(nd), dict)}
        pages = "".join(f"   ~{n}\n" for n in names if n not in tables)
        parts.append(f".. autosummary::\n   :toctree: generated\n   :nosignatures:\n\n{pages}")
        parts += [f"``{n}`` is a dictionary: {', '.join(sorted(words))}.\n" for n, words in tables.items()]
    return "\n".join(parts)


def write(path: Path) -> None:
    """Write the page if it has changed (sphinx reads again what is newer)."""
    text = page()
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")

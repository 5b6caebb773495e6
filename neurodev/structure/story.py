"""The sentences in which a life is told: one list, of which Python and the script of a page make the same words.

A story is a list of clauses with gaps, ``{name}``.  A clause is told where every one of its gaps has a piece; a gap
that is filled with nothing (``""``) is a condition.  So whoever has the pieces has the story: `told` in Python,
``neurodev.told`` on a page (`neurodev/plot/live.js`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from neurodev.structure.duration import lasting, moment

GAP = re.compile(r"\{(\w+)\}")

SPINE: tuple[str, ...] = (
    "Spine {uid} of {target} {post} ",
    "{there}was there from the start, as ",
    "was born {born}{how}, as ",
    "contact of {source} {pre} ({projection})",
    ", on branch {branch}, {place} um from its root",
    ". ",
    "Largest in the pictures: {largest} of the reference volume {largest_when}. ",
    "{alive}It was alive at the end, after {lived}.",
    "It lived {lived} and died {died} ",
    "{by_hand}by the experimenter's hand, who gave it the cause {cause}: nothing else decided it.",
    "of {cause}: {reason}",
    " ({decided} {value})",
    "{judged}.",
    " At its death ln(V/V0) was {size}",
    "; what moved its set-point (in sd): {moved}",
    "; its {others}",
    "{sized}.",
)
SYNAPSE: tuple[str, ...] = (
    "Synapse {uid} of {projection}, ",
    "from input {input} to unit {post}, ",
    "from channel {channel} at ({row}, {column}) of the kernel to filter {post}, ",
    "{there}was there from the start. ",
    "was born at {born}: {birth_reason}",
    " ({birth_decided} {birth_value})",
    "{new}. ",
    "Strongest in the pictures: weight {largest} at epoch {largest_when}. ",
    "{alive}It was alive at the end, after {lived} epochs.",
    "It lived {lived} epochs and died at {died} of {cause}: {reason}",
    " ({decided} {value})",
    "{judged}.",
)
SEEN: tuple[str, ...] = (
    "{uid}",
    " ({known})",
    "{there} was there when watching began. ",
    " came between {unit} {born_after} and {born_by}. ",
    " was born on {unit} {born}. ",
    "Largest: {largest} on {unit} {largest_when}. ",
    "{alive}It was there to the end, on {unit} {died_after}.",
    "It was last there on {unit} {last_after} and gone by {unit} {died_by}",
    "It died on {unit} {died}",
    ", of {cause}: {reason}",
    "{ended}.",
)

# how the numbers of pieces are written; of terms: between the name and the number, and between two of them
SIZE, RATIO, SHIFT, TERM, DECIDED, WEIGHT, WHERE, SEEN_NUMBER = (
    ".2f", ".2f", "+.2f", ".3g", ".4g", "+.4g", ".0f", ".4g",
)  # fmt: skip
TERMS: dict[str, tuple[str, str]] = {"moved": (" ", ", "), "others": (" was ", "; its "), "known": (" ", ", ")}


def told(clauses: Sequence[str], pieces: Mapping[str, str]) -> str:
    """The clauses of which all pieces are there, one after the other.

    Examples
    --------
    >>> told(("Spine {uid}", " of {cell}", "{lives} lives."), {"uid": "7", "lives": ""})
    'Spine 7 lives.'
    """
    return "".join(
        GAP.sub(lambda gap: pieces[gap[1]], clause)
        for clause in clauses
        if all(name in pieces for name in GAP.findall(clause))
    )


def listed(kind: str, terms: Sequence[tuple[str, str]]) -> str:
    """Terms with their numbers as one piece, ``moved``, ``others`` or ``known``."""
    between, after = TERMS[kind]
    return after.join(f"{name}{between}{number}" for name, number in terms)


@dataclass(frozen=True)
class Words:
    """How the times of a story are written; days of life in, words out."""

    clauses: tuple[str, ...]
    moment: Callable[[float], str]
    lived: Callable[[float], str]
    picture: Callable[[float], str]


def development(end: float) -> Words:
    """Of a run of development that lasts until `end`, days."""
    return Words(
        SPINE, lambda day: moment(day, end),
        lambda life: f"{life:.1f} days" if life >= 1.0 or end >= 1.0 else lasting(life),
        lambda day: f"on day {day:g}" if end >= 1.0 else moment(day, end),
    )  # fmt: skip


def training(epoch_days: float, step_days: float) -> Words:
    """Of a training in which an epoch and a step stand for so much of life, days."""
    return Words(
        SYNAPSE, lambda day: f"epoch {day / epoch_days:.2f} (step {round(day / step_days)})",
        lambda life: f"{life / epoch_days:.2f}", lambda day: f"{day / epoch_days:g}",
    )  # fmt: skip

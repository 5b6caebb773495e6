"""Which methods get on in one training: each says what it decides, and of one thing one method decides."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from neurodev.errors import StudyError

# what absent synapses do, by the word of a method
DEAD = {"move": "act until the next event", "hidden": "have a hidden parameter", "zero": "do not exist"}
# what methods decide, by the word of `Method.decides`; others may have words of their own
DECISIONS = {
    "start": "set the structure that a net begins with",
    "life": "decide which synapses live",
}


def why_not(first: Any, second: Any) -> str | None:
    """Why two methods cannot work in one training, as a sentence with the cure; None where they can.

    Examples
    --------
    >>> from neurodev import methods
    >>> why_not(methods.Static(0.8), methods.LTH(0.9)) is None
    True
    >>> print(why_not(methods.SET(0.8), methods.LTH(0.9)))
    SET and LTH exclude each other: both decide which synapses live; take one of them
    """
    if type(first) is type(second):
        if first is not second and _apart(first, second):
            return None
        return f"{second.name} is given twice: one is enough, or let each have layers= of its own"
    both = next((word for word in first.decides if word in second.decides), None)
    if both is not None and not _apart(first, second):
        have = all("layers" in getattr(m, "__dataclass_fields__", {}) for m in (first, second))
        return (
            f"{first.name} and {second.name} exclude each other: both {DECISIONS.get(both, f'decide on the {both}')}; "
            "take one of them" + (", or let each have layers= of its own" if have else "")
        )
    acting = all(m.causes or m.decides or m.dead != "zero" for m in (first, second))
    if acting and first.dead != second.dead:
        hint = "; DPAP(strict=True) lets them go" if {first.dead, second.dead} == {"move", "zero"} and "DPAP" in (
            first.name, second.name
        ) else "; take one of them"  # fmt: skip
        return (
            f"{first.name} and {second.name} exclude each other: absent synapses {DEAD[first.dead]} under the first "
            f"and {DEAD[second.dead]} under the second{hint}"
        )
    return None


def _apart(first: Any, second: Any) -> bool:
    """Whether each names tensors of its own."""
    mine, theirs = (getattr(m, "layers", None) for m in (first, second))
    return mine is not None and theirs is not None and not set(mine) & set(theirs)


def check(methods: Sequence[Any]) -> None:
    """Refuse methods that cannot work in one training.

    Raises
    ------
    StudyError
        Naming two that exclude each other, and the cure.
    """
    for k, m in enumerate(methods):
        if m.dead not in DEAD:
            raise StudyError(f"{m.name}.dead must be one of {tuple(DEAD)}, got {m.dead!r}")
        words = m.decides
        if isinstance(words, str) or not all(isinstance(w, str) for w in words):
            raise StudyError(f"{m.name}.decides must be a tuple of words, such as {tuple(DECISIONS)}, got {words!r}")
        for other in methods[:k]:
            reason = why_not(other, m)
            if reason is not None:
                raise StudyError(reason)

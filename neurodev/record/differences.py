"""What differs between two descriptions, each of words, numbers, lists and dictionaries, as sentences."""

from __future__ import annotations

from typing import Any

_MOST_TOLD = 3  # differences in an error
# words of the description itself, not of a user
_SECTIONS = (("network", "layers"), ("network",), ("methods",))


def differences(mine: Any, theirs: Any, place: tuple[str, ...] = ()) -> list[str]:
    """What is different between two descriptions, each as ``leak of lif1 is 0.9, the file has 0.2``."""
    if isinstance(mine, dict) and isinstance(theirs, dict):
        both = [*mine, *(k for k in theirs if k not in mine)]
        for what in ("class", "function"):  # where this differs, so does the rest
            names = mine.get(what), theirs.get(what)
            if names[0] != names[1] and not all(isinstance(name, dict) for name in names):  # an attribute of that name
                return [_different(mine, theirs, place)]
        # what an older neurodev did not know of, and is not used, is no difference
        found = [differences(mine.get(k), theirs.get(k), (*place, k)) for k in both]
        return [line for lines in found for line in lines]
    if isinstance(mine, list) and isinstance(theirs, list) and len(mine) == len(theirs):
        pairs = enumerate(zip(mine, theirs, strict=True))
        return [line for k, (a, b) in pairs for line in differences(a, b, (*place, f"[{k}]"))]
    return [] if mine == theirs and type(mine) is type(theirs) else [_different(mine, theirs, place)]


def _different(mine: Any, theirs: Any, place: tuple[str, ...]) -> str:
    section = next((s for s in _SECTIONS if place[: len(s)] == s and len(place) > len(s)), ())
    words = place[len(section) :] or ("the whole",)
    owner = " of ".join(reversed(words[:-1]))
    if words[-1] == "sha256":
        return f"{owner} holds other values than the file tells of"
    if words[-1] == "code":
        return f"{owner} does something else than when the file was begun (its code has changed)"
    return f"{' of '.join(reversed(words))} is {_said(mine)}, the file has {_said(theirs)}"


def _said(value: Any) -> str:
    if isinstance(value, dict):
        return str(value.get("class", value.get("function", f"{len(value)} entries")))
    text = repr(value)
    return text if len(text) <= 70 else f"{text[:60]}..."


def told(lines: list[str]) -> str:
    """The first few of some differences, in a line."""
    more = len(lines) - _MOST_TOLD
    return "; ".join(lines[:_MOST_TOLD]) + (f"; and {more} more" if more > 0 else "")

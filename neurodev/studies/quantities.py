"""Numbers with units, as a study writes them: ``"30 day"``, checked against what the number is meant to be."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from typing import Any

import neurodev.units as units
from neurodev import registry
from neurodev.errors import StudyError
from neurodev.quantity import nearest_unit

Units = tuple[str, ...] | None

_UNIT = {k: v for k, v in vars(units).items() if isinstance(v, float)}
_QUANTITY = re.compile(r"^\s*([-+]?[\d.][\d._]*(?:[eE][-+]?\d+)?)\s*([A-Za-z]\w*)\s*$")
# the words of each dimension; the first is the unit in which neurodev reckons
DIMENSIONS: dict[str, tuple[str, ...]] = {
    "time": ("ms", "us", "second", "minute", "hour", "day"), "voltage": ("mV", "volt"), "length": ("um", "mm"),
    "volume": ("um3",), "current": ("pA", "nA"), "capacitance": ("pF",), "conductance": ("nS",), "rate": ("Hz",),
}  # fmt: skip
_DIMENSION = {word: name for name, words in DIMENSIONS.items() for word in words}
WEIGHT: Units = ("mV", "pA", "nS")
TIME: Units = ("ms",)
# what parameters are that do not say their unit themselves
_BY_NAME: dict[str, Units] = {
    "weight": WEIGHT, "max_rate": ("Hz",),
    **dict.fromkeys(("delay", "delays", "duration", "refractory", "trains"), TIME),
}  # fmt: skip


def _dimension(word: str) -> str:
    return _DIMENSION.get(word, "")


def quantity(value: Any, meant: Units = None) -> Any:
    """``"30 day"`` as a number in neurodev's units, in lists too; anything else as it is.

    Parameters
    ----------
    meant : tuple of str, optional
        Units of the number that is meant; empty for one without a unit.  Any unit, if not given.

    Raises
    ------
    StudyError
        For an unknown unit, with the nearest; for one of another dimension; for a number that is none.
    """
    if isinstance(value, list):
        return [quantity(v, meant) for v in value]
    if not isinstance(value, str) or not (m := _QUANTITY.match(value)):
        return value
    if m[2] not in _UNIT:
        raise StudyError(f"unknown unit {m[2]!r} in {value!r}{nearest_unit(m[2])}; units are {sorted(_UNIT)}")
    try:
        number = float(m[1])
    except ValueError:
        raise StudyError(f"{m[1]!r} in {value!r} is no number; write one such as '1.5 {m[2]}'") from None
    if meant is not None and _dimension(m[2]) not in {_dimension(u) for u in meant if _dimension(u)}:
        raise StudyError(f"{value!r} is a {_dimension(m[2])}, but {_told(meant)}")
    return number * _UNIT[m[2]]


def _told(meant: tuple[str, ...]) -> str:
    """What is meant instead."""
    named = [(_dimension(u), u) for u in meant if _dimension(u)]
    if not named:
        said = f" ({meant[0]})" if meant and meant[0] != "1" else ""
        return f"a plain number{said} is meant here, without a unit"
    return f"a {' or a '.join(f'{d} ({u!r})' for d, u in named)} is meant here"


def number(value: Any, meant: Units, what: str) -> float:
    """A quantity that must be a number: neither a truth value nor a word.

    Raises
    ------
    StudyError
        Naming what it is and how it is written.
    """
    found = quantity(value, meant)
    if isinstance(found, bool) or not isinstance(found, (int, float)):
        example = f'"2 {"hour" if meant == TIME else meant[0] if meant else "ms"}"'
        raise StudyError(f"{what} must be a number, or a quantity such as {example}, got {value!r}")
    return float(found)


def units_of(make: Callable[..., Any], name: str) -> tuple[bool, Units]:
    """Whether a parameter of a class or function is a word, not a number; and the units of the number.

    Parameters that say nothing of themselves take any unit where they are a user's, and none where they are ours.
    """
    field = getattr(make, "__dataclass_fields__", {}).get(name)
    meta = {} if field is None else field.metadata
    annotation = str(inspect.signature(make).parameters[name].annotation)
    if meta.get("choices") or isinstance(getattr(field, "default", None), str) or re.search(r"\bstr\b", annotation):
        return True, None
    if "unit" in meta:
        # the weight of a spine or a background is a current or a conductance where its target has those
        return False, WEIGHT if name == "weight" and meta["unit"] in (WEIGHT or ()) else (meta["unit"],)
    if name.endswith("_hz"):
        return False, ("Hz",)
    if name in _BY_NAME:
        return False, _BY_NAME[name]
    return False, () if registry.is_ours(make) else None

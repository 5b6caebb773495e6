"""Numbers with units, as a study writes them: ``"30 day"``, checked against what the number is meant to be."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from typing import Any

from neurodev import registry, units
from neurodev.errors import ParameterError, StudyError
from neurodev.quantity import WORDS, dimension_of, in_unit, parts, unit_of

Units = tuple[str, ...] | None

WEIGHT: Units = ("mV", "pA", "nS")
TIME: Units = ("ms",)
# what parameters are that do not say their unit themselves
_BY_NAME: dict[str, Units] = {
    "weight": WEIGHT, "amplitudes": WEIGHT, "max_rate": ("Hz",),
    **dict.fromkeys(("delay", "delays", "duration", "refractory", "trains"), TIME),
}  # fmt: skip


def quantity(value: Any, meant: Units = None) -> Any:
    """``"30 day"`` as a number in neurodev's units, in lists too; anything else as it is.

    Parameters
    ----------
    meant : tuple of str, optional
        Units of the number that is meant; empty for one without a unit.  Any unit, if not given.

    Raises
    ------
    StudyError
        For an unknown unit, with the nearest; for one of another dimension.
    """
    if isinstance(value, list):
        return [quantity(v, meant) for v in value]
    found = parts(value) if isinstance(value, str) else None
    if found is None:
        return value
    number, word = found
    try:
        size, dimension = unit_of(word)
    except ParameterError as e:
        raise StudyError(f"{value!r}: {e}") from None
    if not meant and word not in WORDS:  # a composed unit is left to whom the value is for
        return value
    if meant is None:
        return number * float(getattr(units, word, size))
    for unit in meant:
        if unit_of(unit)[1] == dimension:
            return in_unit(value, unit, "it")
    raise StudyError(f"{value!r} is {dimension_of(word)}, but {_told(meant)}")


def _told(meant: tuple[str, ...]) -> str:
    """What is meant instead."""
    named = [f"{dimension_of(u)} ({u!r})" for u in meant if u != "1"]
    return f"{' or '.join(named)} is meant here" if named else "a plain number is meant here, without a unit"


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
        size = name in ("weight", "amplitudes") and meta["unit"] in (WEIGHT or ())
        return False, WEIGHT if size else (meta["unit"],)
    if name.endswith("_hz"):
        return False, ("Hz",)
    if name in _BY_NAME:
        return False, _BY_NAME[name]
    return False, () if registry.is_ours(make) else None

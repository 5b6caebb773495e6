"""Numbers with a unit, as studies and people write them: ``"5 day"`` in the unit of what it is for.

A unit knows its dimension, so that a voltage cannot be taken for a time.  Plain floats know none: `neurodev.units`.
"""

from __future__ import annotations

import re

from neurodev import units
from neurodev.errors import ParameterError, nearest, shown

Dimension = tuple[int, int, int, int, int]
"""Exponents of time, voltage, length, current and concentration."""

_NONE: Dimension = (0, 0, 0, 0, 0)
_OF: dict[Dimension, str] = {
    (1, 0, 0, 0, 0): "ms second minute hour day us", (0, 1, 0, 0, 0): "mV volt", (0, 0, 1, 0, 0): "um mm",
    (0, 0, 2, 0, 0): "um2", (0, 0, 3, 0, 0): "um3", (0, 0, 0, 1, 0): "pA nA", (1, -1, 0, 1, 0): "pF",
    (0, -1, 0, 1, 0): "nS",
}  # fmt: skip
# what one is in ms, mV, um, pA, mM and their powers; so a Hz is a thousandth per ms here, and no plain 1
WORDS: dict[str, tuple[float, Dimension]] = {
    word: (float(getattr(units, word)), dimension) for dimension, words in _OF.items() for word in words.split()
}
WORDS |= {"Hz": (1e-3, (-1, 0, 0, 0, 0)), "mM": (1.0, (0, 0, 0, 0, 1)), "uM": (1e-3, (0, 0, 0, 0, 1))}
_NAMES: dict[Dimension, str] = {
    _NONE: "a plain number", (1, 0, 0, 0, 0): "a time", (-1, 0, 0, 0, 0): "a rate", (0, 1, 0, 0, 0): "a voltage",
    (0, 0, 1, 0, 0): "a length", (0, 0, 3, 0, 0): "a volume", (0, 0, 0, 1, 0): "a current",
    (1, -1, 0, 1, 0): "a capacitance", (0, -1, 0, 1, 0): "a conductance", (0, 0, 0, 0, 1): "a concentration",
    (-1, 0, 1, 0, 0): "a speed",
}  # fmt: skip
_QUANTITY = re.compile(r"^\s*([-+]?(?:\d+(?:_\d+)*\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*([A-Za-z/1].*?)\s*$")


_ALSO = {
    "s": "second", "sec": "second", "m": "minute", "min": "minute", "h": "hour", "d": "day", "V": "volt", "kHz": "Hz",
    "mv": "mV", "hz": "Hz", "S": "nS", "F": "pF", "A": "pA",
}  # fmt: skip


def nearest_unit(word: str) -> str:
    """The unit that an unknown word most probably means, as messages tell it; `s` is no misspelt `us`."""
    if (plain := word.removesuffix("s")) in WORDS and plain != word:
        return f" (did you mean {plain!r}?)"
    return f" (did you mean {_ALSO[word]!r}?)" if word in _ALSO else nearest(word, WORDS)


def parts(text: str) -> tuple[float, str] | None:
    """Number and unit of a text; None where it does not begin with a number that a unit follows."""
    found = _QUANTITY.match(text)
    return (float(found[1]), found[2]) if found else None


def unit_of(text: str) -> tuple[float, Dimension]:
    """Size and dimension of ``"ms"``, ``"um/ms"``, ``"1/day"`` or ``"/day"``.

    Raises
    ------
    ParameterError
        For an unknown word, with the nearest.
    """
    above, *below = (word.strip() for word in text.split("/"))
    size, dimension = 1.0, _NONE
    for power, word in [(1, above), *((-1, b) for b in below)]:
        if word in ("", "1") and power == 1 and (below or word):
            continue
        if word not in WORDS:
            raise ParameterError(f"unknown unit {word!r} in {text!r}{nearest_unit(word)}; units are {sorted(WORDS)}")
        one, of = WORDS[word]
        size *= one**power
        dimension = tuple(d + power * e for d, e in zip(dimension, of, strict=True))  # type: ignore[assignment]
    return size, dimension


def dimension_of(unit: str) -> str:
    """What a unit measures, in words: ``a time``, ``a rate``, ``a plain number``.

    Raises
    ------
    ParameterError
        For an unknown unit, with the nearest.
    """
    return _NAMES.get(unit_of(unit)[1], f"in {unit}")


def in_unit(text: str, unit: str, where: str) -> float:
    """The number of a text with a unit, in another unit of the same dimension.

    Parameters
    ----------
    text : str
        ``"5 day"``, ``"14 /day"``, ``"0.2 um/ms"``.
    unit : str
        Unit of the result, ``"1"`` for none.
    where : str
        What it is for, as messages name it.

    Raises
    ------
    ParameterError
        If the text is no number with a unit, or one of another dimension.

    Examples
    --------
    >>> in_unit("2 minute", "ms", "duration")
    120000.0
    >>> in_unit("1 mV", "ms", "duration")
    Traceback (most recent call last):
    neurodev.errors.ParameterError: duration must be a number in ms (a time), got '1 mV', which is a voltage
    """
    size, dimension = unit_of(unit)
    wanted = "a plain number" if unit == "1" else f"a number in {unit} ({_NAMES.get(dimension, unit)})"
    found = parts(text)
    if found is None:
        example = "" if unit == "1" else f": write 20.0, or '20 {unit}' as a text"
        raise ParameterError(f"{where} must be {wanted.partition(' (')[0]}, got {shown(text)}{example}")
    try:
        one, given = unit_of(found[1])
    except ParameterError as e:
        raise ParameterError(f"{where}: {e}") from None
    if given != dimension:
        raise ParameterError(f"{where} must be {wanted}, got {shown(text)}, which is {dimension_of(found[1])}")
    return found[0] if one == size else found[0] * (one / size)

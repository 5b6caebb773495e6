"""Parameters as data: default, unit, clock, range and source of every number a user can set."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import Field, dataclass, field, fields, is_dataclass
from typing import Any

from neurodev.errors import ParameterError, nearest
from neurodev.registry import word_of

UNITS = frozenset(
    {"ms", "mV", "um", "um3", "um/ms", "Hz", "1/ms", "1/day", "pA", "pF", "nS", "day", "1", "uM", "mM", "mV/ms", "1/mV"}
)
CLOCKS = frozenset({"spike", "life", None})


@dataclass(frozen=True)
class ParameterInfo:
    """What is known of one parameter."""

    name: str
    default: Any
    unit: str
    clock: str | None
    low: float | None
    high: float | None
    source: str
    doc: str


def param(
    default: Any = ...,
    *,
    unit: str = "1",
    clock: str | None = None,
    low: float | None = None,
    high: float | None = None,
    above: float | None = None,
    source: str = "free",
    doc: str = "",
    choices: Sequence[Any] | None = None,
    array: bool = False,
    none: bool = False,
) -> Any:
    """A dataclass field that knows its unit, clock, range and source.

    Parameters
    ----------
    default : any
        Default value; omit it to make the parameter required.
    unit : str
        One of ``neurodev.params.UNITS``.
    clock : {"spike", "life", None}
        Which clock a time constant is on.
    low, high : float, optional
        Inclusive range.
    above : float, optional
        Exclusive lower bound (``above=0`` means strictly positive).
    source : str
        Where the default comes from, or ``"free"``.
    choices : sequence, optional
        The allowed values of a word.
    array : bool
        Whether a per-neuron array is accepted as well as a scalar.
    none : bool
        Whether None is accepted.
    """
    if unit not in UNITS:
        raise ParameterError(f"unit {unit!r} is not one of {sorted(UNITS)}")
    if clock not in CLOCKS:
        raise ParameterError(f"clock {clock!r} must be 'spike', 'life' or None")
    meta = {
        "unit": unit, "clock": clock, "low": low, "high": high, "above": above, "source": source,
        "doc": doc, "choices": tuple(choices) if choices else None, "array": array, "none": none,
    }  # fmt: skip
    if default is ...:
        return field(metadata=meta)
    return field(default=default, metadata=meta)


def _check_number(owner: str, f: Field[Any], value: Any) -> None:
    import numpy as np

    meta = f.metadata
    if meta["array"]:
        try:
            values = np.asarray(value, dtype=float)
        except (TypeError, ValueError):
            raise ParameterError(
                f"{owner}.{f.name} must be a number or an array of numbers in {meta['unit']}, got {value!r}"
            ) from None
    else:
        if isinstance(value, bool) or not isinstance(value, (int, float, np.integer, np.floating)):
            raise ParameterError(f"{owner}.{f.name} must be a number in {meta['unit']}, got {value!r}")
        values = np.asarray(float(value))
    if not np.all(np.isfinite(values)):
        # an infinite time constant is a legitimate limit (no leak); NaN never is
        allowed = meta["high"] is not None and math.isinf(meta["high"]) and not np.any(np.isnan(values))
        if not allowed:
            raise ParameterError(f"{owner}.{f.name} must be finite, got {value!r}; unit {meta['unit']}")
    low, high, above = meta["low"], meta["high"], meta["above"]
    if above is not None and np.any(values <= above):
        raise ParameterError(f"{owner}.{f.name} must be > {above} {meta['unit']}, got {value!r}")
    if low is not None and np.any(values < low):
        raise ParameterError(f"{owner}.{f.name} must be >= {low} {meta['unit']}, got {value!r}")
    if high is not None and np.any(values > high):
        raise ParameterError(f"{owner}.{f.name} must be <= {high} {meta['unit']}, got {value!r}")


def check(obj: Any) -> None:
    """Check every `param` of the dataclass `obj`; call it from ``__post_init__``.

    Raises
    ------
    ParameterError
        Naming the parameter, its value and what would be accepted.
    """
    owner = type(obj).__name__
    for f in fields(obj):
        if "unit" not in f.metadata:
            continue
        value = getattr(obj, f.name)
        if value is None and f.metadata["none"]:
            continue
        choices = f.metadata["choices"]
        if choices is not None:
            if value not in choices:
                hint = nearest(str(value), [str(c) for c in choices])
                raise ParameterError(f"{owner}.{f.name} must be one of {choices}, got {value!r}{hint}")
        elif isinstance(f.default, bool):
            if not isinstance(value, bool):
                raise ParameterError(f"{owner}.{f.name} must be True or False, got {value!r}")
        elif not isinstance(f.default, str):
            _check_number(owner, f, value)


def describe(cls: Any) -> list[ParameterInfo]:
    """The parameters of a dataclass (or of an instance), in order."""
    out = []
    for f in fields(cls):
        if "unit" in f.metadata:
            m = f.metadata
            low = m["above"] if m["above"] is not None else m["low"]
            out.append(ParameterInfo(f.name, f.default, m["unit"], m["clock"], low, m["high"], m["source"], m["doc"]))
    return out


def asdict(obj: Any) -> dict[str, Any]:
    """The parameters of `obj` as plain words and numbers, ready for provenance."""
    import numpy as np

    def plain(v: Any) -> Any:
        if isinstance(v, np.ndarray):
            return v.tolist()
        if isinstance(v, np.generic):
            return v.item()
        return {"kind": word_of(type(v)), **asdict(v)} if is_dataclass(v) else v

    given = {f.name: getattr(obj, f.name) for f in fields(obj)}
    known = {f.name for f in fields(obj) if "unit" in f.metadata}
    return {k: plain(v) for k, v in given.items() if k in known or is_dataclass(v)}

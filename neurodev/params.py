"""Parameters as data: default, unit, clock, range and source of every number a user can set."""

from __future__ import annotations

import functools
import inspect
import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import Field, dataclass, field, fields, is_dataclass
from typing import Any, ParamSpec, TypeVar

from neurodev.errors import ParameterError, nearest, shown
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


# ---------------------------------------------------------------------- arguments that are no parameters


def as_number(
    value: Any, argument: str, unit: str = "", *, low: float = -math.inf, high: float = math.inf,
    above: float = -math.inf, cure: str = "",
) -> float:  # fmt: skip
    """A finite number that a user gave, as a float; NumPy's scalars are numbers, True and text are none.

    Parameters
    ----------
    low, high : float
        Inclusive range.
    above : float
        Exclusive lower bound.
    cure : str
        What to do instead, for the error.

    Raises
    ------
    ParameterError
        Naming the argument, the value and what would be accepted.
    """
    import numpy as np

    of = f" {unit}" if unit else ""
    if above > -math.inf:
        wanted = "a positive number" + of if above == 0.0 else f"a number > {above:g}{of}"
    else:
        wanted = f"a number >= {low:g}{of}" if low > -math.inf else "a finite number" + of
    if high < math.inf:
        wanted += f" and <= {high:g}"
    what = f"{argument} must be {wanted}, got {shown(value)}" + (f"; {cure}" if cure else "")
    if isinstance(value, np.ndarray) and value.ndim == 0:
        value = value[()]
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise ParameterError(what)
    try:
        number = float(value)
    except OverflowError:
        raise ParameterError(what) from None
    if not math.isfinite(number) or number < low or number > high or number <= above:
        raise ParameterError(what)
    return number


def as_count(value: Any, argument: str, *, low: int = 0, high: int | None = None, cure: str = "") -> int:
    """A whole number that a user gave, as an int: no fraction, not 3.0, not True, no text.

    Raises
    ------
    ParameterError
        Naming the argument, the value and what would be accepted.
    """
    import numpy as np

    if isinstance(value, np.ndarray) and value.ndim == 0:
        value = value[()]
    whole = isinstance(value, (int, np.integer)) and not isinstance(value, (bool, np.bool_))
    if not whole or int(value) < low or (high is not None and int(value) > high):
        span = f">= {low}" if high is None else f"in [{low}, {high}]"
        raise ParameterError(
            f"{argument} must be a whole number {span}, got {shown(value)}{'; ' + cure if cure else ''}"
        )
    return int(value)


def as_flag(value: Any, argument: str) -> bool:
    """True or False, as a user gave it; words (`"no"`) and numbers are refused, which Python would take for True.

    Raises
    ------
    ParameterError
        Naming the argument and the value.
    """
    import numpy as np

    if not isinstance(value, (bool, np.bool_)):
        raise ParameterError(f"{argument} must be True or False, got {shown(value)}")
    return bool(value)


P = ParamSpec("P")
R = TypeVar("R")


def check_call(function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any], name: str) -> None:
    """Refuse arguments that a function does not have, with the nearest, and say which are missing.

    Raises
    ------
    ParameterError
        Where Python would raise a TypeError.
    """
    signature = inspect.signature(function)
    known = [p.name for p in signature.parameters.values() if p.name != "self" and p.kind is not p.VAR_KEYWORD]
    if not any(p.kind is p.VAR_KEYWORD for p in signature.parameters.values()):
        for word in kwargs:
            if word not in known:
                raise ParameterError(
                    f"{name} has no argument {word!r}{nearest(word, known)}; it has {', '.join(known)}"
                )
    try:
        signature.bind(*args, **kwargs)
    except TypeError as e:
        raise ParameterError(f"{name}: {e}; its arguments are {', '.join(known)}") from None


def door(function: Callable[P, R]) -> Callable[P, R]:
    """Decorate a public function: what is wrong with the names and number of its arguments is a ParameterError."""
    name = function.__qualname__.removesuffix(".__init__")

    @functools.wraps(function)
    def checked(*args: P.args, **kwargs: P.kwargs) -> R:
        check_call(function, args, kwargs, name)
        return function(*args, **kwargs)

    return checked


def memory_gib() -> float:
    """Memory of this machine, GiB; 16 where it does not say."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2.0**30
    except (AttributeError, ValueError, OSError):
        return 16.0


def check_memory(size: float, what: str, cure: str) -> None:
    """Refuse what this machine cannot hold, before anything is allocated.

    Parameters
    ----------
    size : float
        Bytes, at least.

    Raises
    ------
    ParameterError
        With the estimate.
    """
    if not size <= memory_gib() * 2.0**30:
        raise ParameterError(
            f"{what} would take at least {size / 2.0**30:.3g} GiB, and this machine has {memory_gib():.3g} GiB: {cure}"
        )

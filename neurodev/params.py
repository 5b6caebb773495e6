"""Parameters as data: default, unit, clock, range and source of every number a user can set."""

from __future__ import annotations

import functools
import inspect
import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import Field, dataclass, field, fields, is_dataclass
from numbers import Real
from typing import Any, NoReturn, ParamSpec, TypeVar

from neurodev.errors import ParameterError, nearest, shown
from neurodev.quantity import in_unit, parts
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
    for argument, word, words in (("unit", unit, UNITS), ("clock", clock, CLOCKS)):
        if not isinstance(word, (str, type(None))) or word not in words:
            raise ParameterError(f"{argument} {shown(word)} must be one of {sorted(words, key=str)}")
    for argument, bound in (("low", low), ("high", high), ("above", above)):
        if bound is not None:
            if math.isnan(number(bound, argument, unit)):
                raise ParameterError(f"{argument} must be a number, got {bound!r}")
    for argument, text in (("source", source), ("doc", doc)):
        if not isinstance(text, str):
            raise ParameterError(f"{argument} must be a text, got {shown(text)}")
    for argument, flag in (("array", array), ("none", none)):
        as_flag(flag, argument)
    if choices is not None and (isinstance(choices, (str, bytes)) or not isinstance(choices, (list, tuple, frozenset))):
        raise ParameterError(f"choices must be a list of words, got {shown(choices)}")
    meta = {
        "unit": unit, "clock": clock, "low": low, "high": high, "above": above, "source": source,
        "doc": doc, "choices": tuple(choices) if choices else None, "array": array, "none": none,
        "given": default is ...,
    }  # fmt: skip
    if default is ...:
        return field(metadata=meta)
    return field(default=default, metadata=meta)


def scalar(value: Any) -> Any:
    """What a NumPy, pandas or 0-d array scalar holds, as Python has it; anything else as it is."""
    if hasattr(value, "item") and getattr(value, "ndim", None) == 0:
        return value.item()
    return value


def number(value: Any, where: str, unit: str = "1") -> float:
    """A number, or a text with a unit of the same dimension, as a float in `unit`; NaN and infinity pass.

    Raises
    ------
    ParameterError
        Naming `where`, the value and the unit.
    """
    plain = scalar(value)
    if isinstance(plain, str):
        return in_unit(plain, unit, where)
    if isinstance(plain, bool) or not isinstance(plain, Real):
        raise ParameterError(f"{where} must be a number{_in(unit)}, got {shown(value)}")
    try:
        return float(plain)
    except OverflowError:
        raise ParameterError(f"{where} must be finite, got {shown(value)}; unit {unit}") from None


_LARGEST = 2**63 - 1  # that arrays can hold


def whole(value: Any, where: str, low: int | None = None, high: int = _LARGEST) -> int:
    """A whole number as an int, ``3.0`` too; fractions, texts and flags are refused.

    Raises
    ------
    ParameterError
        Naming `where`, the value and the range.
    """
    plain = scalar(value)
    wanted = "a whole number" if low is None else f"a whole number of at least {low}"
    if isinstance(plain, bool) or not isinstance(plain, Real):
        raise ParameterError(f"{where} must be {wanted}, got {shown(value)}")
    try:
        found = int(plain)  # type: ignore[call-overload]
    except (ValueError, OverflowError):  # NaN and infinity
        raise ParameterError(f"{where} must be {wanted}, got {shown(value)}") from None
    if found != plain:
        raise ParameterError(f"{where} must be {wanted}, got {shown(value)}: fractions are not cut off")
    if low is not None and found < low:
        raise ParameterError(f"{where} must be {wanted}, got {shown(value)}")
    if found > high or found < -_LARGEST:
        raise ParameterError(f"{where} must be <= {high}, got {shown(value)}")
    return int(found)


def wholes(value: Any, where: str) -> Any:
    """Whole numbers of any shape as int64; fractions, flags, texts and what would not fit are refused.

    Raises
    ------
    ParameterError
        Naming `where` and the first value that is none.
    """
    import numpy as np

    try:
        if isinstance(value, np.ma.MaskedArray) and np.ma.is_masked(value):
            raise ValueError("masked")
        a = np.asarray(value)
    except (TypeError, ValueError, OverflowError):
        raise ParameterError(f"{where} must be whole numbers, got {shown(value)}") from None
    if a.size == 0:
        return a.astype(np.int64)
    if a.dtype.kind == "i" or a.dtype.kind == "u" and a.dtype.itemsize < 8:
        return a.astype(np.int64, copy=False)
    if a.dtype.kind not in "uf":
        cure = ": np.flatnonzero(mask) gives the places of a mask" if a.dtype.kind == "b" else ""
        raise ParameterError(f"{where} must be whole numbers, got {shown(value)}{cure}")
    with np.errstate(invalid="ignore"):
        same = (a == np.floor(a)) & (np.abs(a) < 2**63) if a.dtype.kind == "f" else a <= np.iinfo(np.int64).max
    if not np.all(same):
        raise ParameterError(f"{where} must be whole numbers, got {shown(a[~same].ravel()[0].item())}")
    return a.astype(np.int64)


def numbers(value: Any, where: str, unit: str = "1") -> Any:
    """A number or an array of numbers, as it is where it holds such already; a text with a unit is converted.

    Raises
    ------
    ParameterError
        Naming `where`, the value and the unit.
    """
    import numpy as np

    if isinstance(scalar(value), (str, bool)):
        plain = scalar(value)
        if isinstance(plain, str):
            return in_unit(plain, unit, where) if parts(plain) else _refuse_numbers(where, unit, value)
        _refuse_numbers(where, unit, value)
    if isinstance(value, np.ma.MaskedArray) and np.ma.is_masked(value):
        raise ParameterError(f"{where} has masked entries: fill them or leave them out, got {shown(value)}")
    try:
        values = np.asarray(value)
        fits = values.dtype.kind in "iuf" or values.size == 0 and values.dtype.kind != "b"
        if not fits and values.dtype.kind == "O" and all(isinstance(scalar(v), Real) for v in values.ravel()):
            values, fits = values.astype(np.float64), not any(isinstance(scalar(v), bool) for v in values.ravel())
        if not fits:
            _refuse_numbers(where, unit, value)
    except ParameterError:
        raise
    except Exception:  # whatever an object that is no array says
        _refuse_numbers(where, unit, value)
    if isinstance(value, (int, float, list, tuple, np.ndarray, np.number)) and values.dtype.kind != "O":
        return value.item() if isinstance(value, np.number) else value
    return values if values.ndim else values.item()


def _refuse_numbers(where: str, unit: str, value: Any) -> NoReturn:
    raise ParameterError(f"{where} must be a number or an array of numbers{_in(unit)}, got {shown(value)}")


def _in(unit: str) -> str:
    return f" in {unit}"


def _check_range(where: str, meta: Mapping[str, Any], value: Any) -> None:
    import numpy as np

    values = np.asarray(value, dtype=float)
    if values.ndim > 1:
        raise ParameterError(f"{where} must be a number or a list of them, got an array of shape {values.shape}")
    if not values.size and not meta["given"]:
        raise ParameterError(f"{where} must be a number, or a list with one a cell, got {shown(value)}")
    if not np.all(np.isfinite(values)):
        # an infinite time constant is a legitimate limit (no leak); NaN never is
        allowed = meta["high"] is not None and math.isinf(meta["high"]) and not np.any(np.isnan(values))
        if not allowed:
            raise ParameterError(f"{where} must be finite, got {shown(value)}; unit {meta['unit']}")
    low, high, above = meta["low"], meta["high"], meta["above"]
    if above is not None and np.any(values <= above):
        raise ParameterError(f"{where} must be > {above} {meta['unit']}, got {shown(value)}")
    if low is not None and np.any(values < low):
        raise ParameterError(f"{where} must be >= {low} {meta['unit']}, got {shown(value)}")
    if high is not None and np.any(values > high):
        raise ParameterError(f"{where} must be <= {high} {meta['unit']}, got {shown(value)}")


def _checked(where: str, f: Field[Any], value: Any) -> Any:
    """The value of one parameter as it is kept, or an error."""
    meta, kind = f.metadata, str(getattr(f.type, "__name__", f.type)).partition(" ")[0]
    if meta["choices"] is not None:
        plain = scalar(value)
        if not isinstance(plain, (str, int, float)) or plain not in meta["choices"]:
            hint = nearest(str(plain), [str(c) for c in meta["choices"]])
            raise ParameterError(f"{where} must be one of {meta['choices']}, got {shown(value)}{hint}")
        return plain
    if isinstance(f.default, bool) or kind == "bool":
        return as_flag(scalar(value), where)
    if isinstance(f.default, str) or kind == "str":
        plain = scalar(value)
        if not isinstance(plain, str):
            raise ParameterError(f"{where} must be a word, got {shown(value)}")
        return plain
    if meta["array"]:
        kept = numbers(value, where, meta["unit"])
    elif kind == "int":
        kept = whole(value, where)
    else:
        kept = number(value, where, meta["unit"])
    _check_range(where, meta, kept)
    # what was a number stays the number it was: descriptions of runs are compared as text
    return value if type(value) in (int, float) and kind != "int" else kept


def check(obj: Any) -> None:
    """Check every `param` of the dataclass `obj`; call it from ``__post_init__``.

    Scalars of NumPy and pandas become Python's, a text with a unit of the right dimension (``"5 day"``) becomes a
    number in the parameter's unit, and whole numbers become ints where ints are meant.

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
        kept = _checked(f"{owner}.{f.name}", f, value)
        if kept is not value:
            object.__setattr__(obj, f.name, kept)  # a frozen dataclass, which is being made


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
        if isinstance(v, np.generic):
            return v.item()
        if hasattr(v, "__array__"):  # an array, or a column of a table
            return np.asarray(v).tolist()
        return {"kind": word_of(type(v)), **asdict(v)} if is_dataclass(v) else v

    given = {f.name: getattr(obj, f.name) for f in fields(obj)}
    known = {f.name for f in fields(obj) if "unit" in f.metadata}
    return {k: plain(v) for k, v in given.items() if k in known or is_dataclass(v)}


# ---------------------------------------------------------------------- arguments that are no parameters


def as_number(
    value: Any, argument: str, unit: str = "", *, low: float = -math.inf, high: float = math.inf,
    above: float = -math.inf, cure: str = "",
) -> float:  # fmt: skip
    """A finite number that a user gave, as a float; NumPy's scalars are numbers, True is none.

    A text with a unit of the dimension of `unit` is converted, any other is refused.

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

    of, unit_of = (f" {unit}", f" of {unit}") if unit else ("", "")
    if above > -math.inf:
        wanted = "a positive number" + unit_of if above == 0.0 else f"a number > {above:g}{of}"
    else:
        wanted = f"a number >= {low:g}{of}" if low > -math.inf else "a finite number" + unit_of
    if high < math.inf:
        wanted += f" and <= {high:g}"
    what = f"{argument} must be {wanted}, got {shown(value)}" + (f"; {cure}" if cure else "")
    if isinstance(value, np.ndarray) and value.ndim == 0:
        value = value[()]
    if isinstance(value, str) and parts(value) and (word := unit.partition(" ")[0]) in UNITS:
        value = in_unit(value, word, argument)
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


def asks(**rules: Callable[[Any, str], Any]) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Decorate a public function or method: arguments pass ``rule(value, name)``, which checks and converts them.

    Raises
    ------
    ParameterError
        Of a rule; or where an argument is missing, misspelt or one too many.

    Examples
    --------
    >>> @asks(day=finite("days"))
    ... def later(day): return day + 1.0
    >>> later("soon")
    Traceback (most recent call last):
    neurodev.errors.ParameterError: day must be a finite number of days, got 'soon'
    """

    def mark(function: Callable[P, R]) -> Callable[P, R]:
        signature, name = inspect.signature(function), function.__qualname__.removesuffix(".__init__")

        @functools.wraps(function)
        def asked(*args: P.args, **kwargs: P.kwargs) -> R:
            try:
                bound = signature.bind(*args, **kwargs)
            except TypeError:
                check_call(function, args, kwargs, name)
                raise
            for argument, rule in rules.items():
                if argument in bound.arguments:
                    bound.arguments[argument] = rule(bound.arguments[argument], argument)
            return function(*bound.args, **bound.kwargs)

        return asked

    return mark


def finite(unit: str = "", **bounds: Any) -> Callable[[Any, str], float]:
    """A rule for `asks`: `as_number` within bounds."""
    return lambda value, argument: as_number(value, argument, unit, **bounds)


def counted(low: int = 0, high: int = _LARGEST) -> Callable[[Any, str], int]:
    """A rule for `asks`: `as_count` within bounds."""
    return lambda value, argument: as_count(value, argument, low=low, high=high)


def measured(unit: str = "1") -> Callable[[Any, str], Any]:
    """A rule for `asks`: finite numbers of any shape, as float64."""
    import numpy as np

    def rule(value: Any, argument: str) -> Any:
        found = np.asarray(numbers(value, argument, unit), dtype=np.float64)
        if not np.isfinite(found).all():
            raise ParameterError(f"{argument} must be finite{_in(unit)}, got {shown(value)}")
        return found

    return rule


def of_type(*kinds: type, what: str) -> Callable[[Any, str], Any]:
    """A rule for `asks`: an object of one of some classes, described to the user as `what`."""

    def rule(value: Any, argument: str) -> Any:
        if not isinstance(value, kinds):
            raise ParameterError(f"{argument} must be {what}, got {shown(value)}")
        return value

    return rule


def or_none(rule: Callable[[Any, str], Any]) -> Callable[[Any, str], Any]:
    """A rule for `asks`: None as well."""
    return lambda value, argument: None if value is None else rule(value, argument)


def among(known: Callable[[], Sequence[str]] | Sequence[str]) -> Callable[[Any, str], str]:
    """A rule for `asks`: one of some words."""

    def rule(value: Any, argument: str) -> str:
        words = known() if callable(known) else known
        if not isinstance(value, str) or value not in words:
            raise ParameterError(
                f"{argument} must be one of {list(words)}, got {shown(value)}{nearest(str(value)[:80], words)}"
            )
        return value

    return rule


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

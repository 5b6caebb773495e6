"""Parameters as data: default, unit, clock, range and source of every number a user can set.

Arguments that are no parameters are asked for in the same words: `number`, `numbers`, `whole`, `wholes`, `flag` and
`one_of`.
"""

from __future__ import annotations

import functools
import inspect
import math
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import Field, dataclass, field, fields, is_dataclass
from numbers import Real
from typing import Any, NoReturn, ParamSpec, TypeVar

from neurodev.errors import ParameterError, nearest, shown
from neurodev.quantity import in_unit, parts
from neurodev.registry import misfit, word_of

UNITS = frozenset(
    {"ms", "mV", "um", "um2", "um3", "um/ms", "Hz", "1/ms", "1/day", "pA", "pF", "nS", "day", "1", "uM", "mM"}
    | {"mV/ms", "1/mV"}
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

    Examples
    --------
    >>> from dataclasses import dataclass
    >>> @dataclass
    ... class Leak:
    ...     tau: float = nd.param(20.0, unit="ms", clock="spike", low=0.0, source="Brunel 2000")
    ...
    >>> Leak().tau
    20.0
    """
    for argument, word, words in (("unit", unit, UNITS), ("clock", clock, CLOCKS)):
        if not isinstance(word, (str, type(None))) or word not in words:
            raise ParameterError(f"{argument} {shown(word)} must be one of {sorted(words, key=str)}")
    for argument, bound in (("low", low), ("high", high), ("above", above)):
        if bound is not None:
            number(bound, argument, unit, infinite=True)
    for argument, text in (("source", source), ("doc", doc)):
        if not isinstance(text, str):
            raise ParameterError(f"{argument} must be a text, got {shown(text)}")
    for argument, given in (("array", array), ("none", none)):
        flag(given, argument)
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


def number(
    value: Any, where: str, unit: str = "1", *, low: float = -math.inf, high: float = math.inf,
    above: float = -math.inf, below: float = math.inf, infinite: bool = False, cure: str = "",
) -> float:  # fmt: skip
    """A number as a float; scalars of NumPy and pandas are numbers, True is none.

    A text with a unit of the dimension of `unit` is converted, any other is refused.

    Parameters
    ----------
    where : str
        What it is for, as messages name it.
    unit : str
        One of ``neurodev.params.UNITS``, and what of it is meant: ``"ms of life"``.
    low, high : float
        Inclusive range.
    above, below : float
        Exclusive range.
    infinite : bool
        Whether infinity is a number here; NaN never is.
    cure : str
        What to do instead, for the error.

    Raises
    ------
    ParameterError
        Naming `where`, the value and what would be accepted.
    """
    found = _float(value, where, unit.partition(" ")[0])
    if found is not None and low <= found <= high and above < found and (found < below or found == below == math.inf):
        if infinite or math.isfinite(found):
            return found
    wanted = _span(unit, max(low, above), min(high, below), above < low, high < below, infinite)
    raise ParameterError(f"{where} must {wanted}, got {shown(value)}{'; ' + cure if cure else ''}")


def _span(unit: str, least: float, most: float, with_least: bool, with_most: bool, infinite: bool) -> str:
    """What a number must be, in words."""
    of, after = ("", "") if unit == "1" else (f" of {unit}", f" {unit}")
    if least > -math.inf and most < math.inf:
        return f"lie in {'[' if with_least else '('}{least:g}, {most:g}{']' if with_most else ')'}{after}"
    if least == 0.0 and not with_least:
        return f"be a positive number{of}"
    if least > -math.inf:
        return f"be a number {'>=' if with_least else '>'} {least:g}{after}"
    if most < math.inf:
        return f"be a number {'<=' if with_most else '<'} {most:g}{after}"
    return f"be a {'' if infinite else 'finite '}number{of}"


def _float(value: Any, where: str, unit: str) -> float | None:
    """Whatever is a number, or a text with a unit, as a float, NaN and infinity too; None for anything else."""
    plain = scalar(value)
    if isinstance(plain, str):
        return in_unit(plain, unit, where) if unit in UNITS else None
    try:
        return float(plain) if isinstance(plain, Real) and not isinstance(plain, bool) else None
    except OverflowError:  # a whole number of hundreds of digits
        return None


_LARGEST = 2**63 - 1  # that arrays can hold


def whole(value: Any, where: str, low: int | None = None, high: int = _LARGEST, *, cure: str = "") -> int:
    """A whole number as an int, ``3.0`` too; fractions, texts and flags are refused.

    Parameters
    ----------
    where : str
        What it is for, as messages name it.
    low, high : int
        Inclusive range.
    cure : str
        What to do instead, for the error.

    Raises
    ------
    ParameterError
        Naming `where`, the value and the range.
    """
    plain, found = scalar(value), None
    if isinstance(plain, Real) and not isinstance(plain, bool):
        try:
            found = int(plain)  # type: ignore[call-overload]
        except (ValueError, OverflowError):  # NaN and infinity
            pass
    least = -_LARGEST if low is None else low
    if found is not None and found == plain and least <= found <= high:
        return int(found)
    wanted = "a whole number"
    if high < _LARGEST or found is not None and found > high:
        wanted += f" in [{least}, {high}]"
    elif low is not None:
        wanted += f" of at least {low}"
    why = ": fractions are not cut off" if found is not None and found != plain else ""
    raise ParameterError(f"{where} must be {wanted}, got {shown(value)}{'; ' + cure if cure else why}")


def flag(value: Any, where: str) -> bool:
    """True or False; words (``"no"``) and numbers are refused, which Python would take for True.

    Raises
    ------
    ParameterError
        Naming `where` and the value.
    """
    plain = scalar(value)
    if not isinstance(plain, bool):
        raise ParameterError(f"{where} must be True or False, got {shown(value)}")
    return plain


def one_of(value: Any, where: str, choices: Iterable[str]) -> str:
    """One of two or more words.

    Raises
    ------
    ParameterError
        Naming `where`, the value, the words and the nearest of them.
    """
    known = list(choices)
    if isinstance(value, str) and value in known:
        return str(value)
    said = ", ".join(map(repr, known[:-1])) + f" or {known[-1]!r}"
    hint = nearest(value, known) if isinstance(value, str) else ""
    raise ParameterError(f"{where} must be {said}, got {shown(value)}{hint}")


def a_name(value: Any, where: str = "name", *, word: bool = False) -> str:
    """A name that becomes part of names in a run file, and is written and drawn.

    Parameters
    ----------
    word : bool
        Whether it is a word of letters, digits and _ alone; if not, what can be printed and has no ``/`` will do, and
        nothing too (layers are numbered then).

    Raises
    ------
    ParameterError
        Naming `where` and the value.
    """
    if isinstance(value, str):
        fits = value.replace("_", "a").isalnum() if word else not value or value.isprintable() and "/" not in value
        if fits:
            return str(value)
    wanted = "a word of letters, digits and _" if word else "a word without '/'"
    raise ParameterError(f"{where} must be {wanted}, got {shown(value)}")


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
    return "" if unit == "1" else f" in {unit}"


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
        return flag(value, where)
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
        kept = _float(value, where, meta["unit"])
        if kept is None:
            raise ParameterError(f"{where} must be a number{_in(meta['unit'])}, got {shown(value)}")
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


# ---------------------------------------------------------------------- arguments of functions

P = ParamSpec("P")
R = TypeVar("R")


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
        signature = inspect.signature(function)
        taken = list(signature.parameters.values())
        plain = all(p.kind is p.POSITIONAL_OR_KEYWORD for p in taken)
        needed = sum(p.default is p.empty for p in taken)
        order = [p.name for p in taken]
        places = [(order.index(name), name, rule) for name, rule in rules.items() if name in order]

        @functools.wraps(function)
        def asked(*args: P.args, **kwargs: P.kwargs) -> R:
            if plain and not kwargs and needed <= len(args) <= len(taken):  # in order: nothing to find out
                given: list[Any] = list(args)
                for k, name, rule in places:
                    if k < len(given):
                        given[k] = rule(given[k], name)
                return function(*given)  # type: ignore[call-arg]
            try:
                bound = signature.bind(*args, **kwargs)
            except TypeError as e:
                raise ParameterError(misfit(function, args, kwargs) or str(e)) from None
            for argument, rule in rules.items():
                if argument in bound.arguments:
                    bound.arguments[argument] = rule(bound.arguments[argument], argument)
            return function(*bound.args, **bound.kwargs)

        return asked

    return mark


def by_name(
    rules: Mapping[str, Callable[[Any, str], Any]], **others: Callable[[Any, str], Any]
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Decorate as `asks` does: every argument passes the rule of its name; one without a rule cannot be defined."""

    def mark(function: Callable[P, R]) -> Callable[P, R]:
        taken = inspect.signature(function).parameters.values()
        named = [p.name for p in taken if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
        return asks(**{name: others[name] if name in others else rules[name] for name in named})(function)

    return mark


def finite(unit: str = "1", **bounds: Any) -> Callable[[Any, str], float]:
    """A rule for `asks`: `number` within bounds."""
    return lambda value, argument: number(value, argument, unit, **bounds)


def counted(low: int = 0, high: int = _LARGEST) -> Callable[[Any, str], int]:
    """A rule for `asks`: `whole` within bounds."""
    return lambda value, argument: whole(value, argument, low, high)


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

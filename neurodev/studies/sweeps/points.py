"""What a sweep varies: values of keys of a study, as lists and ranges, and the points that they make.

A range is written ``"20..40"``; ``"20..40/5"`` are five values of it at equal distances, ``"1e-4..1e-2:log"`` is one
whose logarithm is evenly covered, ``"10..50:whole"`` one of whole numbers, ``"5..20 ms"`` one with a unit.
"""

from __future__ import annotations

import itertools
import math
import re
import tomllib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from neurodev import rng
from neurodev.errors import ParameterError, nearest, shown
from neurodev.params import flag, one_of, scalar, whole
from neurodev.quantity import parts
from neurodev.studies import reading

MOST = 100_000  # runs of a sweep
DRAWS = ("sobol", "halton", "latin", "random")
_WAYS = ("log", "whole")
_RANGE = re.compile(r"\s*(\S.*?)\.\.(.*?\S)(?:/\s*(\d+))?\s*")
# words of tables and data sets, and the numbers that runs end with, which are no names of parameters beside them
_OWN = ("seed", "day", "epoch", "point", "run", "n", "failed", "rate_hz", "final", "peak", "sd", "accuracy", "error",
        "best", "density", "synapses", "births", "deaths", "operations")  # fmt: skip
_EXAMPLE = 'over={"projection.map.use.Neurotrophin.feeds": [20, 30, 40]}'


class Range(NamedTuple):
    """Numbers between two, evenly or by their logarithm; `steps` of them, or as many as are drawn (0)."""

    low: float
    high: float
    steps: int = 0
    log: bool = False
    whole: bool = False
    unit: str = ""

    def at(self, share: NDArray[np.float64]) -> list[Any]:
        """Values at shares of the way from the lowest to the highest, (n,) in [0, 1]."""
        low, high = (math.log(self.low), math.log(self.high)) if self.log else (self.low, self.high)
        if self.whole and not self.log and not self.steps:  # each whole number has the same share
            found = np.minimum(np.floor(low + share * (high - low + 1.0)), high)
        else:
            found = low + share * (high - low)
            found = np.exp(found) if self.log else found
            found = np.round(found) if self.whole else found
        found = np.clip(found, self.low, self.high)
        numbers = [int(x) if self.whole else float(f"{x:.12g}") for x in found]
        return [f"{x:g} {self.unit}" if self.whole else f"{x!r} {self.unit}" for x in numbers] if self.unit else numbers

    def listed(self) -> list[Any]:
        """The values of a range that says how many there are."""
        return self.at(np.linspace(0.0, 1.0, self.steps))


class Points(NamedTuple):
    """Points of a sweep.

    Attributes
    ----------
    keys : list of str
        Keys of the study.
    rows : list of tuple
        Values of each point, in the order of keys.
    grid : bool
        Whether they are all combinations of `axes`, the last key running fastest.
    axes : list of list
        The values of each key, of a grid.
    drawn : bool
        Whether values were drawn, so that nobody chose them one by one.
    """

    keys: list[str]
    rows: list[tuple[Any, ...]]
    grid: bool
    axes: list[list[Any]]
    drawn: bool

    def tables(self) -> list[dict[str, Any]]:
        """Each point as values by key."""
        return [dict(zip(self.keys, row, strict=True)) for row in self.rows]


# ---------------------------------------------------------------------- values


def words(text: str, key: str) -> list[Any] | Range:
    """What the command line gives to a key: ``"20,30,40"``, ``"[8],[8,8]"``, ``"a,b"``, or a range.

    Examples
    --------
    >>> words("20,30", "a"), words("fast,slow", "a"), words("1..9/3", "a").listed()
    ([20, 30], ['fast', 'slow'], [1.0, 5.0, 9.0])
    """
    if (found := _range(text, key)) is not None:
        return found
    try:
        listed = tomllib.loads(f"x = [{text}]")["x"]
    except (ValueError, RecursionError):
        listed = [reading.as_value(w.strip()) for w in text.split(",")]
    if not text.strip() or any(isinstance(v, str) and not v for v in listed):
        raise ParameterError(f"--over {key}={text}: a value is missing: write --over {key}=20,30,40")
    return list(listed)


def _range(text: str, key: str) -> Range | None:
    """A range, if a text is one: both of its ends are numbers."""
    body, *ways = text.split(":")
    found = _RANGE.fullmatch(body)
    if found is None:
        return None
    first, last, count = found.groups()
    low, high = _number(first), _number(last)
    if low is None or high is None:
        return None
    said = f"over[{key!r}] = {text!r}"
    for way in ways:
        if way.strip() not in _WAYS:
            raise ParameterError(f"{said}: no way {way!r}{nearest(way, _WAYS)}; ways are {', '.join(_WAYS)}")
    log, only = (way in [w.strip() for w in ways] for way in _WAYS)
    unit = high[1] or low[1]
    if low[1] and low[1] != unit:
        raise ParameterError(f"{said}: {low[1]!r} and {high[1]!r} are two units: write both ends in one")
    steps = 0
    if count:
        steps = whole(int(count[:9]), f"the number of values of over[{key!r}]", 2, MOST)
    if not (math.isfinite(low[0]) and math.isfinite(high[0]) and low[0] < high[0]):
        raise ParameterError(f"{said}: a range goes from a number to a larger one, such as '20..40'")
    if log and low[0] <= 0.0:
        raise ParameterError(
            f"{said}: the logarithm covers positive numbers alone: leave out ':log', or raise {first!r}"
        )
    if only and not (low[0].is_integer() and high[0].is_integer()):
        raise ParameterError(f"{said}: ':whole' needs whole numbers at both ends")
    return Range(low[0], high[0], steps, log, only, unit)


def _number(word: str) -> tuple[float, str] | None:
    """A number and perhaps its unit."""
    try:
        return float(word), ""
    except ValueError:
        return parts(word)


def _values(given: Any, key: str) -> list[Any] | Range:
    """The values of a key: a list, or a text as the command line has it."""
    if isinstance(given, (Range, str)):
        return words(given, key) if isinstance(given, str) else given
    if isinstance(given, np.ndarray):
        given = given.tolist()
    if isinstance(given, (Mapping, bytes, set, frozenset)) or not isinstance(given, Sequence | range):
        raise ParameterError(f"over[{key!r}] must be a list of values, or a range such as '20..40', got {shown(given)}")
    found = [_plain(v, key) for v in given]
    if not found:
        raise ParameterError(f"over[{key!r}] is empty: give it values, as in {_EXAMPLE}")
    return found


def _plain(value: Any, key: str) -> Any:
    """A value that a study can say."""
    value = value.tolist() if isinstance(value, np.ndarray) else scalar(value)
    if isinstance(value, (list, tuple)):
        return [_plain(v, key) for v in value]
    if isinstance(value, Mapping) and all(isinstance(k, str) for k in value):
        return {k: _plain(v, key) for k, v in value.items()}
    if isinstance(value, bool) or isinstance(value, (int, float, str)) and value == value and value != "":
        return value
    raise ParameterError(
        f"over[{key!r}] holds {shown(value)}, which a study cannot say: write numbers, words, flags, lists, tables"
    )


def _key(key: Any) -> str:
    if not isinstance(key, str) or not key.strip():
        raise ParameterError(f"over must have keys of the study, as in {_EXAMPLE}, got {shown(key)}")
    if key == "seed":
        raise ParameterError(
            "over['seed']: seeds are given by seeds= (--seeds), so that they are the same at each point"
        )
    return key


# ---------------------------------------------------------------------- points


def points(
    over: Any = None, *, paired: bool = False, draw: int | None = None, how: str = "sobol", seed: int = 0
) -> Points:
    """The points of a sweep.

    Parameters
    ----------
    over : dict or list of dict
        Values by key: all combinations of them; or the points themselves, one after the other.
    paired : bool
        The first values of all keys together, then the second, ...
    draw : int, optional
        So many points from ranges (and lists, whose entries are as likely as each other).
    how : {"sobol", "halton", "latin", "random"}
        Points that cover ranges evenly (low discrepancy), a Latin hypercube, or independent points.
    seed : int
        Of the draws.

    Raises
    ------
    ParameterError
        Naming the key, what is wrong with its values, and the cure.

    Examples
    --------
    >>> points({"a": [1, 2], "b": [3, 4]}).rows
    [(1, 3), (1, 4), (2, 3), (2, 4)]
    >>> points({"a": [1, 2], "b": [3, 4]}, paired=True).rows
    [(1, 3), (2, 4)]
    """
    paired, how = flag(paired, "paired"), one_of(how, "how", DRAWS)
    if isinstance(over, list) and over:
        return _listed(over, paired, draw)
    if over is None or isinstance(over, (dict, list)) and not over:
        over = {}
    if not isinstance(over, Mapping):
        raise ParameterError(f"over must be values by key, {_EXAMPLE}, or a list of points, got {shown(over)}")
    given = {_key(k): _values(v, k) for k, v in over.items()}
    if draw is not None:
        n = whole(draw, "draw", 1, MOST)
        if paired or not given:
            why = (
                "paired=True takes lists as they stand" if paired else "there is nothing to draw: give ranges in over="
            )
            raise ParameterError(f"draw={n} draws from ranges, and {why}")
        return Points(list(given), _drawn(given, n, how, seed), False, [], True)
    for key, values in given.items():
        if isinstance(values, Range) and not values.steps:
            raise ParameterError(
                f"over[{key!r}] is a range without a number of values: say how many are drawn of it, draw=16 (--draw "
                "16), or how many it has, as in '20..40/5'"
            )
    axes = [v.listed() if isinstance(v, Range) else v for v in given.values()]
    if paired:
        lengths = {k: len(v) for k, v in zip(given, axes, strict=True)}
        if len(set(lengths.values())) > 1:
            raise ParameterError(f"paired=True takes lists of one length, got {lengths}")
        rows = list(zip(*axes, strict=True)) or [()]
        return Points(list(given), _once(list(given), rows), not given, [], False)
    for key, axis in zip(given, axes, strict=True):
        _once([key], [(v,) for v in axis])
    total = math.prod(map(len, axes))
    if total > MOST:
        raise ParameterError(
            f"over has {total:,} combinations, and a sweep at most {MOST:,}: draw some of them, draw=1000"
        )
    return Points(list(given), list(itertools.product(*axes)), True, axes, False)


def _listed(over: list[Any], paired: bool, draw: Any) -> Points:
    """Points that were given one by one."""
    for k, point in enumerate(over):
        if not isinstance(point, Mapping) or not point:
            raise ParameterError(f"over[{k}] must be a point, values by key, got {shown(point)}")
        if point.keys() != over[0].keys():
            raise ParameterError(
                f"over[{k}] has the keys {sorted(point)}, and over[0] has {sorted(over[0])}: use the same"
            )
    if paired or draw is not None:
        raise ParameterError("over= a list of points is taken as it stands: leave out paired= and draw=")
    keys = [_key(k) for k in over[0]]
    return Points(keys, _once(keys, [tuple(_plain(p[k], k) for k in keys) for p in over]), False, [], False)


def _once(keys: list[str], rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Rows of which none is there twice."""
    seen = set()
    for row in rows:
        word = repr([(type(v).__name__ if isinstance(v, bool) else "", v) for v in row])
        if word in seen:
            held = ", ".join(f"{k}={v!r}" for k, v in zip(keys, row, strict=True))
            raise ParameterError(f"over holds {held} twice: leave one of them out; seeds= repeats a point")
        seen.add(word)
    return rows


def _drawn(given: dict[str, list[Any] | Range], n: int, how: str, seed: int) -> list[tuple[Any, ...]]:
    """n points of ranges and lists."""
    share = _shares(n, len(given), how, seed)
    columns = []
    for k, values in enumerate(given.values()):
        if isinstance(values, Range):
            columns.append(values._replace(steps=0).at(share[:, k]))
        else:
            columns.append([values[min(int(x * len(values)), len(values) - 1)] for x in share[:, k]])
    return list({repr(row): row for row in zip(*columns, strict=True)}.values())  # of few values some come again


def _shares(n: int, d: int, how: str, seed: int) -> NDArray[np.float64]:
    """n points of the unit cube, (n, d): the same for equal seeds, whatever SciPy's own scrambling does."""
    draw = rng.generator(seed, "sweep", how)
    if how == "random":
        return draw.random((n, d))
    if how == "latin":
        cells = np.column_stack([draw.permutation(n) for _ in range(d)])
        return np.asarray((cells + draw.random((n, d))) / n)
    from scipy.stats import qmc

    if how == "sobol":
        even = qmc.Sobol(d, scramble=False).random_base2(math.ceil(math.log2(n)))[:n]
    else:
        even = qmc.Halton(d, scramble=False).random(n)
    return np.asarray((even + draw.random(d)) % 1.0)  # the whole set is shifted, so that no corner is always there


# ---------------------------------------------------------------------- names


def labels(keys: Sequence[str]) -> dict[str, str]:
    """A short name for each key: its last words, as few as tell it from the others.

    Examples
    --------
    >>> labels(["projection.map.use.STDP.gain", "run.tick", "population.a.n"])
    {'projection.map.use.STDP.gain': 'gain', 'run.tick': 'tick', 'population.a.n': 'a.n'}
    """
    out = {}
    for key in keys:
        pieces = key.split(".")
        for k in range(1, len(pieces) + 1):
            word = ".".join(pieces[-k:])
            alone = not any(o != key and f".{o}".endswith(f".{word}") for o in keys)
            if alone and word not in _OWN or k == len(pieces):
                out[key] = word
                break
    return out


def seeds(given: Any, first: int) -> list[int]:
    """The seeds of a sweep: so many from the study's on, or those that are listed.

    Raises
    ------
    ParameterError
        For what is neither, and seeds that are listed twice.
    """
    if isinstance(given, (list, tuple, range, np.ndarray)):
        found = [rng.check_seed(scalar(s)) for s in given]
        if not found or len(set(found)) < len(found):
            raise ParameterError(
                f"seeds must be a number of seeds, or a list in which each stands once, got {shown(given)}"
            )
        return found
    n = whole(given, "seeds", 1, MOST, cure="a number of seeds from the study's on, or a list of them")
    return [rng.check_seed(first + k) for k in range(n)]

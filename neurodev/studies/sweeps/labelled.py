"""The results of a sweep as one labelled data set: parameters x seeds x time, by xarray."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np

from neurodev.errors import NeurodevError, ParameterError
from neurodev.quantity import parts
from neurodev.runs.run import Run
from neurodev.studies.sweeps.numbers import series
from neurodev.studies.sweeps.points import Points, labels
from neurodev.studies.writing import value as in_words
from neurodev.writing import absolute, unfit


def _xarray() -> Any:
    try:
        import xarray
    except ImportError:
        raise ParameterError(
            "the data set needs xarray: pip install 'neurodev[sweep]'; table() and to_pandas() do without"
        ) from None
    return xarray


def coordinate(values: Sequence[Any]) -> tuple[Any, dict[str, str]]:
    """Values of a parameter as an array, (n,), and their unit where all have the same; words for what is no number.

    Examples
    --------
    >>> coordinate(["5 ms", "10 ms"])
    (array([ 5., 10.]), {'units': 'ms'})
    """
    found = [parts(v) if isinstance(v, str) else None for v in values]
    units = {f[1] for f in found if f is not None}
    if len(units) == 1 and None not in found:
        return np.array([f[0] for f in found if f is not None]), {"units": units.pop()}
    if all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in values):
        return np.array([float(v) for v in values]), {}
    return np.array([v if isinstance(v, str) else in_words(v) for v in values]), {}


def dataset(
    points: Points, seeds: Sequence[int], runs: Mapping[int, Run], numbers: Mapping[int, Mapping[str, float]]
) -> Any:
    """One `xarray.Dataset` of all runs, by their number in the sweep.

    Raises
    ------
    ParameterError
        If xarray is not installed.
    """
    xarray = _xarray()
    n_point, n_seed = len(points.rows), len(seeds)
    told = {k: series(run) for k, run in runs.items()}
    time = _union([t for t, _ in told.values()])
    clock = "epoch" if any(run.is_training for run in runs.values()) else "day"
    names = list(dict.fromkeys(n for _, found in told.values() for n in found))
    arrays = {n: np.full((n_point * n_seed, time.size), np.nan) for n in names}
    for k, (t, found) in told.items():
        at = np.searchsorted(time, t - _close(t))
        for n, a in found.items():
            arrays[n][k, at] = a
    last = list(dict.fromkeys(n for found in numbers.values() for n in found))
    shape, dims, coords = _layout(points)
    variables = {
        n.replace("/", "."): ([*dims, "seed", clock], a.reshape(*shape, n_seed, time.size)) for n, a in arrays.items()
    }
    for n in last:
        flat = np.array([numbers.get(k, {}).get(n, np.nan) for k in range(n_point * n_seed)])
        variables[f"last.{n}"] = ([*dims, "seed"], flat.reshape(*shape, n_seed))
    coords |= {"seed": ("seed", np.asarray(seeds, dtype=np.float64 if max(seeds) >= 2**31 else np.int32))}
    if names:
        coords[clock] = (clock, time, {"units": "days of life"} if clock == "day" else {})
    return xarray.Dataset(variables, coords, {"source": "neurodev sweep", "keys": ", ".join(points.keys)})


def _layout(points: Points) -> tuple[list[int], list[str], dict[str, Any]]:
    """Lengths and names of the dimensions of points, and the coordinates along them."""
    short = labels(points.keys)
    coords: dict[str, Any] = {}
    if points.grid:
        for key, axis in zip(points.keys, points.axes, strict=True):
            at, units = coordinate(axis)
            coords[short[key]] = (short[key], at, {"key": key} | units)
        return [len(a) for a in points.axes], [short[k] for k in points.keys], coords
    coords = {"point": ("point", np.arange(len(points.rows), dtype=np.int32))}
    for key, column in zip(points.keys, zip(*points.rows, strict=True), strict=True):
        at, units = coordinate(column)
        coords[short[key]] = ("point", at, {"key": key} | units)
    return [len(points.rows)], ["point"], coords


def _close(t: Any) -> Any:
    return 1e-9 * np.maximum(np.abs(t), 1.0)


def _union(times: Sequence[Any]) -> Any:
    """All times, each once: those of runs of other ticks stand between them."""
    if not times:
        return np.zeros(0)
    every = np.unique(np.concatenate(times))
    return every[np.append(True, np.diff(every) > _close(every[1:]))] if every.size else every


def write(data: Any, path: str | os.PathLike[str]) -> Path:
    """Write a data set as netCDF, whole or not at all.

    Raises
    ------
    ParameterError
        If the path cannot be written to.
    NeurodevError
        If writing fails.
    """
    to = absolute(path, "path")
    if why := unfit(to):
        raise ParameterError(f"cannot write to {str(path)!r}: {why}")
    part = to.with_name(f".{to.name[:80]}.{uuid4().hex[:8]}.part")
    try:
        data.to_netcdf(part, engine="scipy", format="NETCDF3_64BIT")
        os.replace(part, to)
    except OSError as e:
        raise NeurodevError(f"cannot write {str(path)!r}: {e.strerror or e}; what stood there before stays") from e
    finally:
        part.unlink(missing_ok=True)
    return to

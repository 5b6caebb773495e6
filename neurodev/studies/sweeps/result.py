"""What a sweep came to: its runs, those that failed, one table over seeds, one labelled data set, one figure."""

from __future__ import annotations

import os
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from neurodev import rng
from neurodev.card import Card, Rows, counted, named
from neurodev.errors import ParameterError, nearest, shown
from neurodev.metrics.cost import mean_and_interval
from neurodev.params import number, one_of
from neurodev.runs.run import Run
from neurodev.studies.sweeps import folder as place
from neurodev.studies.sweeps.cases import Case
from neurodev.studies.sweeps.numbers import MAIN, numbers, series
from neurodev.studies.sweeps.points import labels
from neurodev.writing import absolute


class Failure(NamedTuple):
    """A run that failed: its number in the sweep, its point and seed, its file, and why."""

    task: int
    point: dict[str, Any]
    seed: int
    file: str
    message: str


class Sweep(Card):
    """A sweep, as its folder has it: finished or still growing.

    Parameters
    ----------
    folder : path
        That of `nd.sweep` or ``neurodev sweep``.

    Attributes
    ----------
    folder : Path
    keys : list of str
        Keys of the study that were varied.
    seeds : list of int
    points : list of dict
        Values by key, of each point.

    Raises
    ------
    ParameterError
        If it is not the folder of a sweep.

    Examples
    --------
    >>> found = nd.Sweep("map-sweep")                                                      # doctest: +SKIP
    >>> found.table()                                                                      # doctest: +SKIP
    >>> found.dataset.to_netcdf("map.nc")                                                  # doctest: +SKIP
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = absolute(folder, "folder")
        described = place.read(self.folder)
        self._cases, self._points = described.cases, described.points
        self.keys, self.seeds, self.points = described.points.keys, described.seeds, described.points.tables()

    def _words(self) -> str:
        return (
            f"Sweep({counted(len(self.points), 'point')} x {counted(len(self.seeds), 'seed')}, "
            f"{len(self._finished)} finished, {len(self.failed)} failed, in {str(self.folder)!r})"
        )

    def _rows(self) -> Rows:
        return [
            ("folder", str(self.folder)), ("varied", named(self.keys) or "seeds alone"),
            ("points", f"{len(self.points):,}"), ("seeds", named(self.seeds)),
            ("finished", lambda: f"{len(self._finished):,} of {len(self._cases):,}"),
            ("failed", lambda: f"{len(self.failed):,}"),
        ]  # fmt: skip

    def __len__(self) -> int:
        """Runs that there are to be."""
        return len(self._cases)

    # ------------------------------------------------------------------ runs

    @cached_property
    def _finished(self) -> dict[int, Case]:
        return {
            k: c for k, c in enumerate(self._cases)
            if place.state(self.folder / c.file, c.hash) == place.FINISHED
        }  # fmt: skip

    @property
    def runs(self) -> list[Run]:
        """The runs that are finished, in the order of the sweep: all seeds of the first point, then of the next."""
        return [self._opened(k) for k in self._finished]

    def _opened(self, task: int) -> Run:
        return Run(self.folder / self._cases[task].file)

    @property
    def failed(self) -> list[Failure]:
        """The runs that failed, each with its message."""
        tried = ((k, c) for k, c in enumerate(self._cases) if k not in self._finished)
        found = ((k, c, place.failure(self.folder / c.file)) for k, c in tried)
        return [Failure(k, dict(c.point), c.seed, c.file, why) for k, c, why in found if why]

    @property
    def missing(self) -> list[str]:
        """Files of the runs that are not finished, those that failed included."""
        return [c.file for k, c in enumerate(self._cases) if k not in self._finished]

    def refresh(self) -> Sweep:
        """Look again, while runs are still going."""
        for name in ("_finished", "_numbers", "dataset"):
            self.__dict__.pop(name, None)
        return self

    def run(self, seed: int | None = None, **point: Any) -> Run:
        """The run of a seed at a point.

        Parameters
        ----------
        seed : int, optional
            The first if not given.
        **point
            Values by the short name of their key: ``feeds=20``; with a dot in it, ``**{"STDP.gain": 2.0}``.

        Raises
        ------
        ParameterError
            If no run or more than one fits, or it is not finished.
        """
        short = {v: k for k, v in labels(self.keys).items()}
        wanted = {}
        for word, value in point.items():
            meant = [k for k in self.keys if f".{k}".endswith(f".{word}")]
            if len(meant) != 1:
                raise ParameterError(f"{word!r} was not varied{nearest(word, short)}; there are {sorted(short)}")
            wanted[meant[0]] = value
        seed = self.seeds[0] if seed is None else rng.check_seed(seed)
        fits = [k for k, c in enumerate(self._cases) if c.seed == seed and wanted.items() <= c.point.items()]
        if len(fits) != 1:
            raise ParameterError(
                f"{len(fits)} runs have seed={shown(seed)} and {shown(point)}: name one value of each of "
                f"{sorted(short)}, and one of the seeds {named(self.seeds)}"
            )
        if fits[0] not in self._finished:
            why = place.failure(self.folder / self._cases[fits[0]].file)
            raise ParameterError(f"the run of {self._cases[fits[0]]} {'failed: ' + why if why else 'is not finished'}")
        return self._opened(fits[0])

    # ------------------------------------------------------------------ numbers

    @cached_property
    def _numbers(self) -> dict[int, dict[str, float]]:
        return {k: numbers(self._opened(k)) for k in self._finished}

    @property
    def names(self) -> list[str]:
        """Names of the numbers that each run ends with."""
        return list(dict.fromkeys(n for found in self._numbers.values() for n in found))

    def _at(self, point: int) -> list[int]:
        n = len(self.seeds)
        return list(range(point * n, (point + 1) * n))

    def values(self, name: str) -> Any:
        """One number of all runs, (n_point, n_seed); NaN where a run is not finished.

        Raises
        ------
        ParameterError
            For an unknown name, with the nearest.
        """
        if not self.names:
            raise ParameterError(f"no run in {str(self.folder)!r} is finished, so that there is no {shown(name)} yet")
        name = one_of(name, "name", self.names)
        flat = [self._numbers.get(k, {}).get(name, np.nan) for k in range(len(self._cases))]
        return np.array(flat, dtype=np.float64).reshape(len(self.points), len(self.seeds))

    def table(self, level: float = 0.95) -> Any:
        """Means over seeds with their intervals, as a frame of pandas: a row a point.

        Parameters
        ----------
        level : float
            Of the confidence intervals (Student's t over seeds).

        Returns
        -------
        pandas.DataFrame
            Parameters, ``n`` (finished runs), ``failed``, and for each number its mean, and behind it the half width of
            its interval, ``NAME +-``, NaN for one seed.
        """
        import pandas as pd

        level = number(level, "level", above=0.0, below=1.0)
        short, failed = labels(self.keys), {f.task for f in self.failed}
        rows = []
        for p, point in enumerate(self.points):
            at = self._at(p)
            row = {short[k]: v for k, v in point.items()}
            row |= {"n": sum(k in self._finished for k in at), "failed": sum(k in failed for k in at)}
            for name in self.names:
                found = np.array([self._numbers.get(k, {}).get(name, np.nan) for k in at])
                known = found[np.isfinite(found)]
                mean, half = mean_and_interval(known, level) if known.size else (np.nan, np.nan)
                row |= {name: mean, f"{name} +-": half}
            rows.append(row)
        return pd.DataFrame(rows)

    def told(self) -> str:
        """The table in lines: the main numbers with 95 % intervals over seeds, and what failed."""
        frame = self.table()
        shorts = list(labels(self.keys).values())
        main = [n for n in MAIN if n in self.names and np.isfinite(frame[n]).any()]
        heads = [*(shorts or ["study"]), "n", *main]
        lines = [heads]
        for row in frame.to_dict("records"):
            cells = [_short(row[s]) for s in shorts] or ["as it is"]
            cells.append(f"{row['n']}" + (f" ({row['failed']} failed)" if row["failed"] else ""))
            for name in main:
                half = row[f"{name} +-"]
                cells.append(f"{row[name]:.4g}" + (f" +- {half:.2g}" if np.isfinite(half) else ""))
            lines.append(cells)
        width = [max(len(line[k]) for line in lines) for k in range(len(heads))]
        out = ["  ".join(cell.rjust(w) for cell, w in zip(line, width, strict=True)).rstrip() for line in lines]
        for failure in self.failed:
            out.append(f"failed: {self._cases[failure.task]}: {failure.message}")
        left = len(self.missing) - len(self.failed)
        return "\n".join([*out, *([f"{counted(left, 'run')} not finished yet"] if left else [])])

    def to_pandas(self) -> Any:
        """Every series of every finished run, a long frame: parameters, ``seed``, ``day`` or ``epoch``, the series."""
        import pandas as pd

        short, frames = labels(self.keys), []
        for k, c in self._finished.items():
            run = self._opened(k)
            time, found = series(run)
            head: dict[str, Any] = {short[key]: [value] * len(time) for key, value in c.point.items()}
            head |= {"seed": c.seed, "epoch" if run.is_training else "day": time}
            frames.append(pd.DataFrame(head | found))
        return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()

    # ------------------------------------------------------------------ the data set, the figure

    @cached_property
    def dataset(self) -> Any:
        """Everything in one `xarray.Dataset`: series over parameters, seeds and time, last numbers over the first two.

        Of a grid each parameter is a dimension, else ``point`` is one, and parameters are its coordinates; ``day`` or
        ``epoch`` is the time.  What is not finished is NaN.  A ``/`` in the name of a series is a ``.`` here, as files
        of netCDF cannot have it; numbers at the end of a run are ``last.NAME``.

        Raises
        ------
        ParameterError
            If xarray is not installed.
        """
        from neurodev.studies.sweeps.labelled import dataset

        runs = {k: self._opened(k) for k in self._finished}
        return dataset(self._points, self.seeds, runs, self._numbers)

    def to_netcdf(self, path: str | os.PathLike[str]) -> Path:
        """Write the data set to a file of netCDF; returns the path.

        Raises
        ------
        ParameterError
            If xarray is not installed, or the path cannot be written to.
        """
        from neurodev.studies.sweeps.labelled import write

        return write(self.dataset, path)

    def plot(self, name: str | None = None) -> Any:
        """A number over the points, mean and 95 % interval over seeds with each run beside, and its course over time.

        Parameters
        ----------
        name : str, optional
            One of `names`; the first main one if not given.

        Raises
        ------
        ParameterError
            If no run is finished, or for an unknown name.
        """
        from neurodev.plot.sweeps import sweep_figure
        from neurodev.studies.sweeps.drawn import picture

        if name is None:
            name = next((n for n in MAIN if n in self.names and np.isfinite(self.values(n)).any()), None)
        if not self._finished or name is None:
            raise ParameterError(f"no run in {str(self.folder)!r} is finished: there is nothing to draw yet")
        runs = [[self._opened(k) for k in self._at(p) if k in self._finished] for p in range(len(self.points))]
        return sweep_figure(picture(name, self.keys, self.points, self.values(name), runs))


def _short(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)

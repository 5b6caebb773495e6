"""Runs and histories as tidy tables: one row for each life, sighting, event, synapse in a picture, or tick."""

from __future__ import annotations

import warnings
from typing import Any, NamedTuple

import numpy as np

from neurodev import __version__
from neurodev.errors import ParameterError, shown
from neurodev.runs.history import History
from neurodev.runs.reading import Reading
from neurodev.runs.run import Run
from neurodev.structure.cause import Causes

OF_HISTORIES = ("lives", "sessions")
OF_RUNS = ("log", "snapshots", "series", "spikes")
TABLES = (*OF_HISTORIES, *OF_RUNS)
_WORDS = ("cause", "birth_cause", "projection", "event", "source", "target", "population")  # a few of them, many times
# columns of pictures whose unit the run file leaves to the manual
_UNITS = {"weight": "weight_mV", "born": "born_day", "place": "place_um", "delay": "delay_ms"}


class Table(NamedTuple):
    """A frame of pandas, and what is known of the whole."""

    frame: Any
    about: dict[str, Any]
    history: History | None = None


def table(what: Any, name: str, projection: Any = None) -> Table:
    """A table of a run or a history.

    Parameters
    ----------
    what : Run, History or frame
    name : {"lives", "sessions", "log", "snapshots", "series", "spikes"}
        A row for each life; each sighting; each birth or death; each living synapse of each picture; each tick; each
        recorded spike.
    projection : str, optional
        Of a run: the lives, sightings or pictures of one projection.

    Raises
    ------
    ParameterError
        For what has no such table.
    """
    about: dict[str, Any] = {"written_by": f"neurodev {__version__}", "table": name}
    if isinstance(what, Run) and name in OF_RUNS:
        frame = {"log": _log, "snapshots": _snapshots, "series": _series, "spikes": _spikes}[name](what, projection)
        return Table(_categories(frame, what.causes.words), about)
    h = a_history(what, projection, name == "sessions")
    if name not in OF_HISTORIES:
        raise ParameterError(f"table={name!r} is of a run, and this is a history: choose one of {OF_HISTORIES}")
    frame = h.to_pandas() if name == "lives" else h.to_sessions()
    about |= {"unit": h.unit, "size_unit": h.size_unit, "title": h.title, "end": h.end, "notes": list(h.notes)}
    about["sessions"] = h.sessions.tolist()
    return Table(_categories(frame, h.causes.words if h.causes else ()), about | _meanings(h.causes), h)


def a_history(what: Any, projection: Any = None, sizes: bool = True) -> History:
    """The history of a run, or one as it is.

    Raises
    ------
    ParameterError
        For anything else.
    """
    if isinstance(what, Run):
        return what.history(projection, sizes=sizes)
    if not isinstance(what, History):
        raise ParameterError(f"what must be a run or a history, got {shown(what)}")
    if projection is not None:
        return what.select(projection=projection)
    return what


def history_of(found: Table) -> History:
    """The history of a table of lives or sightings."""
    frame, about, _ = found
    more: dict[str, Any] = {k: about[k] for k in ("unit", "size_unit", "title", "notes") if k in about}
    if "causes" in about:
        more["causes"] = Causes.read(about["causes"], about.get("meanings", {}))
    columns = {str(name): _array(frame[name]) for name in frame.columns}
    if about["table"] == "lives":
        born = np.column_stack([columns.pop("born_after"), columns.pop("born_by")])
        died = np.column_stack([columns.pop("died_after"), columns.pop("died_by")])
        del columns["birth"], columns["death"]
        return History(born, died, about["end"], ident=columns.pop("id"), columns=columns, **more)
    return _sighted(columns, about, more)


def _sighted(columns: dict[str, Any], about: dict[str, Any], more: dict[str, Any]) -> History:
    """A history of sightings: rows by their identity, in the order in which they first stand there."""
    ident, day, size = columns.pop("id"), np.asarray(columns.pop("session"), float), columns.pop("size")
    at = np.asarray(about["sessions"], dtype=np.float64) if "sessions" in about else np.unique(day)
    names, first, row = np.unique(ident, return_index=True, return_inverse=True)
    seen = np.asarray(columns.pop("looked", np.ones(row.size, bool)), dtype=bool)
    shape, session = (names.size, at.size), np.searchsorted(at, day)
    here, sizes, looked = np.zeros(shape, bool), np.full(shape, np.nan), np.ones(shape, bool)
    here[row[seen], session[seen]] = True
    sizes[row, session] = size
    looked[row[~seen], session[~seen]] = False
    h = History.of_sessions(
        here, at, looked=looked, ident=names, columns={k: v[first] for k, v in columns.items()}, **more
    )
    kept = sizes[np.searchsorted(names, h.ident)]  # who was never seen is not there
    return History(
        h.born, h.died, h.end, ident=h.ident, sessions=at, looked=h.looked, columns=h.columns, notes=h.notes,
        seen=h.seen._replace(size=kept[h.seen.row, h.seen.session]), unit=h.unit, size_unit=h.size_unit, title=h.title,
        causes=h.causes,
    )  # fmt: skip


def _array(series: Any) -> Any:
    values = series.to_numpy()
    if values.dtype == object or series.dtype == "category":
        inside = values.size and not isinstance(values[0], str) and np.ndim(values[0])
        return np.array(values.tolist()) if inside else np.array(["" if v is None else str(v) for v in values], str)
    return values


def _meanings(causes: Causes | None) -> dict[str, Any]:
    if causes is None:
        return {}
    return {"causes": list(causes.words), "meanings": causes.describe()}


def _categories(frame: Any, words: Any) -> Any:
    """Words that stand many times as categories; those of causes are all that there are."""
    import pandas as pd

    for name in set(_WORDS) & set(frame.columns):
        there = pd.unique(frame[name])
        known = [w for w in words if w in set(there)] if name.endswith("cause") else sorted(there)
        known += [w for w in there if w not in known]
        frame[name] = pd.Categorical(frame[name], categories=known)
    return frame


def _log(run: Run, projection: Any) -> Any:
    frame = run.log.to_pandas()
    if projection is not None:
        frame = frame[frame["projection"] == run.projection(projection)["name"]].reset_index(drop=True)
    return frame


def _snapshots(run: Reading, projection: Any) -> Any:
    import pandas as pd

    names = run.plastic if projection is None else [run.projection(projection)["name"]]
    if not names:
        raise ParameterError("this run has no projection on spines, hence no snapshots")
    parts = []
    for name in names:
        for day in run.snapshot_days if "snapshot_day" in run.series_names else []:
            found = run.snapshot(name, day)
            own = {k if run.is_training else _UNITS.get(k, k): v for k, v in found.items() if v.ndim == 1}
            parts.append(pd.DataFrame({"projection": name, "day": day, **own}))
    if not parts:
        return pd.DataFrame({"projection": np.zeros(0, str), "day": np.zeros(0), "uid": np.zeros(0, np.uint64)})
    return pd.concat(parts, ignore_index=True)


def _series(run: Reading, projection: Any) -> Any:
    """One row for each tick; what was not taken at every tick has no place here, and is told of."""
    import pandas as pd

    names = [n for n in run.series_names if n != "snapshot_day"]
    found = {n: run.series(n) for n in names}
    if left := [n for n, v in found.items() if v.size != run.n_tick]:
        warnings.warn(
            f"series not taken at every tick are left out: {', '.join(left)}; run.series has them", stacklevel=2
        )
    whole = {("life_day" if n == "life" else n): v for n, v in found.items() if v.size == run.n_tick}
    return pd.DataFrame({"tick": np.arange(run.n_tick), **whole})


def _spikes(run: Reading, projection: Any) -> Any:
    """One row for each recorded spike, a population after the other; which are recorded, `record=` said."""
    import pandas as pd

    if projection is not None:
        raise ParameterError(f"spikes are of populations: leave projection={shown(projection)} out")
    parts = []
    for p in () if run.is_training else run.network["populations"]:
        time, cell = run.spikes(p["name"])
        parts.append(pd.DataFrame({"population": np.full(time.size, p["name"]), "cell": cell, "time_ms": time}))
    if not any(len(part) for part in parts):
        raise ParameterError('this run recorded no spikes: run it with record="all", or record={"name": True}')
    return pd.concat(parts, ignore_index=True)

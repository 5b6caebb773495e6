"""NWB: spikes as Units, and a table of spines for each session."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from neurodev import __version__
from neurodev.errors import ParameterError, shown
from neurodev.formats.base import Format
from neurodev.formats.contents import Spikes, joined, spikes_of
from neurodev.formats.frames import a_history
from neurodev.params import flag, one_of
from neurodev.runs.history import History
from neurodev.runs.run import Run
from neurodev.runs.sightings import Seen
from neurodev.structure.cause import Causes
from neurodev.writing import a_path

_MODULE = "structure"
_LIVES = "lives"
_ABOUT = "neurodev"
_TOLD = {
    "id": "identity, the same in all sessions", "size": "size of it in this session",
    "cell": "the cell that it is on", "dendrite": "the dendrite that it is on",
    "branch": "the branch of the dendrite that it is on", "place": "its distance from the root of the branch, um",
    "pre": "the cell that sends", "post": "the cell that receives", "cause": "why it died; empty while it lives",
    "projection": "which connections it is one of", "birth_cause": "why it was born",
}  # fmt: skip


_SUBJECT = ("subject_id", "species", "age", "sex", "genotype", "strain", "weight", "description")
_FILE = ("experimenter", "institution", "lab", "keywords", "experiment_description", "related_publications")
_LISTS = ("experimenter", "keywords", "related_publications")


def _words(given: Any, where: str, known: tuple[str, ...]) -> dict[str, Any]:
    """Words of NWB, by their names."""
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise ParameterError(f"{where} must be a mapping from words of NWB to texts, got {shown(given)}")
    for key, value in given.items():
        one_of(key, where, known)
        listed = key in _LISTS and isinstance(value, (list, tuple)) and all(isinstance(x, str) for x in value)
        if not isinstance(value, str) and not listed:
            raise ParameterError(f"{where}[{key!r}] must be a text, got {shown(value)}")
    return {k: [v] if k in _LISTS and isinstance(v, str) else v for k, v in given.items()}


class Recording(NamedTuple):
    """What NWB holds of ours."""

    history: History | None
    spikes: dict[str, Spikes]


class NWB(Format):
    """Spikes as Units, and a DynamicTable of spines for each session (extra ``nwb``, pynwb).

    Units are all recorded cells, with ``population`` and ``cell``, times in s of spike time, and the stretches over
    which they were recorded as ``obs_intervals``.  The processing module ``structure`` has a table for each session (of
    a run: each picture), ``spines_1`` and so on, with a row for each spine that was seen: ``spine``, ``size``, and all
    that is known of it, such as cell, dendrite, branch and place; and the table ``lives`` with its birth and death.

    Parameters
    ----------
    projection : str, optional
        Of a run: the spines of one projection.
    spikes : bool
        Whether the spikes of a run are written.
    identifier, description : str, optional
        Of the file; made of the run or history if not given.
    start : datetime, optional
        When the session began, with its time zone; the date of a run, or 1970, if not given.
    subject : mapping of str to str, optional
        Whose tissue it was, in the words of NWB: ``{"subject_id": "m7", "species": "Mus musculus", "age": "P30D"}``;
        archives ask for it, and a simulation has none.
    about : mapping, optional
        What else NWB says of a file: ``experimenter``, ``institution``, ``lab``, ``keywords``,
        ``experiment_description``, ``related_publications``.

    Examples
    --------
    >>> run.export("run.nwb")  # doctest: +SKIP
    """

    suffix = ".nwb"
    extra = "nwb"

    def __init__(
        self, projection: str | None = None, spikes: bool = True, identifier: str = "", description: str = "",
        start: Any = None, subject: Mapping[str, str] | None = None, about: Mapping[str, Any] | None = None,
    ) -> None:  # fmt: skip
        self.projection, self.spikes = projection, flag(spikes, "spikes")
        self.identifier, self.description = str(identifier), str(description)
        self.subject, self.about = _words(subject, "subject", _SUBJECT), _words(about, "about", _FILE)
        try:
            self.start = datetime.fromisoformat(start) if isinstance(start, str) else start
        except ValueError:
            raise ParameterError(f"start must be a date such as '2026-11-28T12:00:00+00:00', got {start!r}") from None
        if self.start is not None and (not isinstance(self.start, datetime) or self.start.tzinfo is None):
            raise ParameterError(f"start must be a datetime with a time zone, got {start!r}")

    def write(self, what: Any, path: Path | str) -> None:
        """Write a run or a history.

        Raises
        ------
        ParameterError
            For columns that NWB has no type for, or with names of ours.
        """
        with self.library():
            import pynwb
        history, spikes = self._parts(what)
        title = what.path.stem if isinstance(what, Run) else history.title if history else ""
        date = what.provenance.get("date") if isinstance(what, Run) else None
        begun = datetime.fromisoformat(date) if date else datetime(1970, 1, 1, tzinfo=UTC)
        file = pynwb.NWBFile(
            session_description=self.description or f"{title or 'a history'}, written by neurodev {__version__}",
            identifier=self.identifier or title or "history",
            session_start_time=self.start or begun, **self.about,
        )  # fmt: skip
        if self.subject:
            file.subject = pynwb.file.Subject(**self.subject)
        if spikes:
            _add_units(file, spikes)
        if history is not None:
            self._add_history(file, history)
        with pynwb.NWBHDF5IO(str(path), "w") as io:
            io.write(file)

    def _parts(self, what: Any) -> Recording:
        if isinstance(what, Recording):
            return what
        if not isinstance(what, Run):
            return Recording(a_history(what, self.projection), {})
        spikes = spikes_of(what) if self.spikes and not what.is_training else {}
        return Recording(what.history(self.projection) if what.plastic else None, spikes)

    def _add_history(self, file: Any, h: History) -> None:
        from hdmf.common import DynamicTable

        strange = [n for n, a in {"ident": h.ident, **h.columns}.items() if a.dtype.kind not in "biufU" or a.ndim > 1]
        if strange:
            self.refuse(strange, "columns with one number, flag or word for each row")
        ours = {"id", "spine", "size", "born_after", "born_by", "died_after", "died_by", "colnames", "columns", "name"}
        if theirs := sorted(ours & set(h.columns)):
            self.refuse(theirs, f"columns beside {', '.join(sorted(ours))}")
        if h.looked is not None:
            self.refuse(["looked"], "places that were looked at in every session")
        module = file.create_processing_module(_MODULE, "who was there when")
        about = {"unit": h.unit, "size_unit": h.size_unit, "title": h.title, "notes": list(h.notes), "end": h.end}
        about["sessions"] = h.sessions.tolist()
        if h.causes is not None:
            about |= {"causes": list(h.causes.words), "meanings": h.causes.describe()}
        for k, time in enumerate(h.sessions.tolist()):
            row = h.seen.row[h.seen.session == k]
            size = h.seen.size[h.seen.session == k]
            table = DynamicTable(name=f"spines_{k + 1}", description=f"session at {time:g} {h.unit}s", id=row)
            _add_column(table, "spine", h.ident[row], _TOLD["id"])
            _add_column(table, "size", size, f"{_TOLD['size']}, {h.size_unit or 'unit not given'}")
            for name, values in h.columns.items():
                _add_column(table, name, values[row], _TOLD.get(name, "what else is known of it"))
            module.add(table)
        table = DynamicTable(name=_LIVES, description=f"births and deaths, {h.unit}s, each between two times")
        table.id.extend(range(len(h)))
        _add_column(table, "spine", h.ident, _TOLD["id"])
        for word, limits in (("born", h.born), ("died", h.died)):
            for side, values in zip(("after", "by"), limits.T, strict=True):
                _add_column(table, f"{word}_{side}", values, f"{word} {side} this time; infinite where nobody saw it")
        for name, values in h.columns.items():
            _add_column(table, name, values, _TOLD.get(name, "what else is known of it"))
        module.add(table)
        file.add_scratch(json.dumps(about), name=_ABOUT, description="what neurodev knows of the whole, as JSON")

    def read(self, path: Path | str) -> Recording:
        """The history and the spikes of a file that `write` made.

        Raises
        ------
        ParameterError
            If the file is no such one.
        """
        with self.library():
            import pynwb
        if not a_path(path).is_file():
            raise ParameterError(f"path: there is no file {str(path)!r}")
        try:
            with pynwb.NWBHDF5IO(str(path), "r") as io:
                file = io.read()
                return Recording(_history(file), _spikes(file))
        except Exception as e:  # whatever a damaged file raises in three libraries
            raise ParameterError(f"path: {str(path)!r} cannot be read as NWB: {e}") from e


def _add_column(table: Any, name: str, values: Any, told: str) -> None:
    """A column; words as a list, which HDF5 keeps with their lengths."""
    a = np.asarray(values)
    table.add_column(name=name, description=told, data=a.tolist() if a.dtype.kind == "U" else a)


def _add_units(file: Any, spikes: dict[str, Spikes]) -> None:
    """A unit for each recorded cell; times in s."""
    file.add_unit_column("population", "the population that the cell is one of")
    file.add_unit_column("cell", "its number in the population")
    for name, s in spikes.items():
        order = np.lexsort((s.time, s.cell))
        time, cell = s.time[order] * 1e-3, s.cell[order]
        begin, end = (np.searchsorted(cell, s.cells, side=side) for side in ("left", "right"))
        for who, a, b in zip(s.cells.tolist(), begin, end, strict=True):
            file.add_unit(spike_times=time[a:b], obs_intervals=s.windows * 1e-3, population=name, cell=who)
    if file.units is not None:  # spikes are on no grid: times differ by what a number of 8 bytes can tell
        last = max((float(s.windows.max(initial=0.0)) for s in spikes.values()), default=0.0)
        file.units.resolution = float(np.spacing(max(last * 1e-3, 1.0)))


def _data(table: Any, name: str) -> Any:
    values = table[name].data[:]
    a = np.asarray(values)
    return np.array([v.decode() if isinstance(v, bytes) else v for v in a], str) if a.dtype.kind in "OU" else a


def _history(file: Any) -> History | None:
    if _MODULE not in file.processing:
        return None
    tables = file.processing[_MODULE].data_interfaces
    about = json.loads(str(np.asarray(file.scratch[_ABOUT].data)[()]))
    lives = tables[_LIVES]
    columns = {name: _data(lives, name) for name in lives.colnames}
    ident = columns.pop("spine")
    born, died = (np.column_stack([columns.pop(f"{w}_{s}") for s in ("after", "by")]) for w in ("born", "died"))
    at = about.pop("sessions")
    session, row, size = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)], [np.zeros(0)]
    for k in range(len(at)):
        table = tables[f"spines_{k + 1}"]
        row.append(np.asarray(table.id.data[:], dtype=np.int64))
        size.append(np.asarray(_data(table, "size"), dtype=np.float64))
        session.append(np.full(row[-1].size, k))
    seen = (np.concatenate(session), np.concatenate(row), np.concatenate(size))
    if "causes" in about:
        about["causes"] = Causes.read(about["causes"], about.pop("meanings"))
    return History(born, died, about.pop("end"), ident=ident, sessions=at, seen=Seen(*seen), columns=columns, **about)


def _spikes(file: Any) -> dict[str, Spikes]:
    if file.units is None:
        return {}
    population, cell = _data(file.units, "population"), np.asarray(_data(file.units, "cell"), dtype=np.int64)
    out = {}
    for name in dict.fromkeys(population.tolist()):
        mine = np.flatnonzero(population == name)
        trains = [np.asarray(file.units["spike_times"][int(k)], dtype=np.float64) * 1e3 for k in mine]
        windows = np.asarray(file.units["obs_intervals"][int(mine[0])], dtype=np.float64).reshape(-1, 2) * 1e3
        time, who = np.concatenate(trains), np.repeat(cell[mine], [t.size for t in trains])
        order = np.lexsort((who, time))
        out[name] = Spikes(time[order], who[order], cell[mine], joined(windows))
    return out

"""NumPy's .npz: a whole history, nothing left out."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from neurodev import __version__
from neurodev.errors import ParameterError
from neurodev.formats.base import Format
from neurodev.formats.frames import a_history
from neurodev.params import check_memory
from neurodev.runs.history import History
from neurodev.runs.sightings import Seen
from neurodev.structure.cause import Causes
from neurodev.writing import a_path

_COLUMN = "column/"


class NPZ(Format):
    """A whole history as NumPy's compressed arrays: births, deaths, sightings, columns, where nobody looked.

    Arrays are ``born`` and ``died`` (n, 2), ``ident`` (n,), ``sessions``, ``seen_session``, ``seen_row``,
    ``seen_size`` (n_seen,), ``looked`` (n, n_session) where there are places that nobody looked at, ``end``, and
    ``column/NAME``; ``about`` is JSON with units, title, notes, and what causes mean.

    Parameters
    ----------
    projection : str, optional
        Of a run: one projection alone.

    Examples
    --------
    >>> run.export("history.npz")
    >>> np.load("history.npz")["born"]
    """

    suffix = ".npz"

    def __init__(self, projection: str | None = None) -> None:
        self.projection = projection

    def write(self, what: Any, path: Path | str) -> None:
        """Write a history, or that of a run.

        Raises
        ------
        ParameterError
            For identities or columns that are no arrays of numbers, flags or words.
        """
        h = a_history(what, self.projection)
        columns = {name: _plain(values) for name, values in {"ident": h.ident, **h.columns}.items()}
        strange = [name for name, values in columns.items() if values.dtype.kind not in "biufUSc"]
        if strange:
            self.refuse(strange, "arrays of numbers, flags or words")
        about: dict[str, Any] = {
            "written_by": f"neurodev {__version__}", "unit": h.unit, "size_unit": h.size_unit, "title": h.title,
            "notes": list(h.notes),
        }  # fmt: skip
        if h.causes is not None:
            about |= {"causes": list(h.causes.words), "meanings": h.causes.describe()}
        arrays = {
            "born": h.born, "died": h.died, "end": np.array(h.end), "sessions": h.sessions,
            "seen_session": h.seen.session, "seen_row": h.seen.row, "seen_size": h.seen.size,
            "ident": columns["ident"], "about": np.array(json.dumps(about)),
            **({} if h.looked is None else {"looked": h.looked}),
            **{f"{_COLUMN}{name}": columns[name] for name in h.columns},
        }  # fmt: skip
        with Path(path).open("wb") as file:
            np.savez_compressed(file, allow_pickle=False, **arrays)

    def read(self, path: Path | str) -> History:
        """The history.

        Raises
        ------
        ParameterError
            If the file is none of ours.
        """
        try:
            with zipfile.ZipFile(a_path(path)) as whole:
                n = float(sum(i.file_size for i in whole.infolist()))
                check_memory(n, f"the arrays of {Path(path).name}", "select() fewer lives before they are written")
            with a_path(path).open("rb") as raw, np.load(raw, allow_pickle=False) as file:
                a = {name: file[name] for name in file.files}
            about = json.loads(str(a["about"]))
            seen = Seen(a["seen_session"], a["seen_row"], a["seen_size"])
            causes = Causes.read(about["causes"], about["meanings"]) if "causes" in about else None
            columns = {n.removeprefix(_COLUMN): v for n, v in a.items() if n.startswith(_COLUMN)}
            return History(
                a["born"], a["died"], float(a["end"]), ident=a["ident"], sessions=a["sessions"], seen=seen,
                looked=a.get("looked"), columns=columns, causes=causes,
                **{k: about[k] for k in ("unit", "size_unit", "title", "notes")},
            )  # fmt: skip
        except ParameterError:
            raise
        except Exception as e:  # whatever a damaged file raises
            raise ParameterError(f"path: {str(path)!r} holds no history as NPZ writes it: {e}") from e


def is_ours(path: Any) -> bool:
    """Whether a file is a history as `NPZ` writes it."""
    if not isinstance(path, Path) or path.suffix.lower() != NPZ.suffix:
        return False
    try:
        with zipfile.ZipFile(path) as file:
            return {"born.npy", "died.npy", "ident.npy", "about.npy"} <= set(file.namelist())
    except Exception:  # no file, or whatever a damaged one raises: the reader of tables says what it is
        return False


def _plain(values: Any) -> Any:
    """Words that are objects as an array of words."""
    a = np.asarray(values)
    if a.dtype == object and a.ndim == 1 and all(isinstance(v, str) for v in a.tolist()):
        return np.array(a.tolist(), dtype=str) if a.size else np.zeros(0, dtype="U1")
    return a

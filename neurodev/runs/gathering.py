"""The history of a run: of development, with days, or of training, with epochs."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurodev.arrays import F8
from neurodev.errors import ParameterError
from neurodev.runs.history import History
from neurodev.runs.reading import Reading
from neurodev.runs.sightings import Seen
from neurodev.runs.spines import Spines
from neurodev.runs.training import Training
from neurodev.structure.selection import indices


def history(run: Reading, spines: Spines, projection: Any, cells: Any, sizes: bool) -> History:
    """All that ever lived in some projections of a run; see `Run.history`."""
    names = spines.projections if projection is None else [run.projection(projection)["name"]]
    if projection is not None and names[0] not in spines.projections and run.log.batch(names[0]).uid.size:
        spines = Spines(run, names)  # changed by an experimenter alone
    for name in names:
        if name not in spines.projections:
            raise ParameterError(f"{name!r} has no births and deaths: choose one of {spines.projections}")
    owner = np.array([spines.projections.index(name) for name in names])
    keep = np.isin(spines.owner, owner)
    if cells is not None:
        targets = {run.projection(name)["target"] for name in names}
        if len(targets) > 1:
            raise ParameterError(
                f"cells= needs one target population, and there are {sorted(targets)}: give projection="
            )
        n = int(run.population(targets.pop())["n"])
        keep &= np.isin(spines.post, indices(cells, n, "cells"))
    rows = np.flatnonzero(keep)
    rows = rows[np.argsort(spines.uid[rows], kind="stable")]
    unit, scale = ("epoch", 1.0 / Training(run).epoch_days) if run.is_training else ("day", 1.0)
    tick, end = run.tick_days * scale, run.days * scale
    first, last = spines.born[rows] * scale, spines.died[rows] * scale
    initial = spines.birth_cause[rows] == run.causes.code("initial")
    # a tick knows that something happened since the one before
    born = np.column_stack([np.where(initial, -np.inf, np.maximum(first - tick, 0.0)), first])
    lived = np.isnan(last)
    died = np.column_stack([np.where(lived, end, np.maximum(last - tick, born[:, 1])), np.where(lived, np.inf, last)])
    words = np.array([*run.causes.words, ""])
    columns: dict[str, NDArray[Any]] = {
        "projection": np.array(spines.projections)[spines.owner[rows]], "pre": spines.pre[rows],
        "post": spines.post[rows], "cell": spines.post[rows], "cause": words[spines.cause[rows]],
        "birth_cause": words[spines.birth_cause[rows]], **{k: v[rows] for k, v in spines.terms.items()},
    }  # fmt: skip
    at, seen, more = _pictures(run, names, spines.uid[rows], scale) if sizes else (np.zeros(0), None, {})
    title = run.path.stem if len(names) > 1 or len(spines.projections) == 1 else f"{run.path.stem}: {names[0]}"
    return History(
        born, died, end, ident=spines.uid[rows], sessions=at, seen=seen, columns={**columns, **more}, unit=unit,
        size_unit="|weight|" if run.is_training else "V/V0", title=title, causes=run.causes,
    )  # fmt: skip


def _pictures(
    run: Reading, names: list[str], uid: NDArray[np.uint64], scale: float
) -> tuple[F8, Seen, dict[str, NDArray[Any]]]:
    """Times of the pictures, the sizes in them, and the places on dendrites, of synapses in order of their uids."""
    labels = {day * scale: label for name in names for day, label in run.pictures(name)}
    at = np.array(sorted(labels))
    session, row, size = [], [], []
    places = {name: np.full(uid.size, np.nan) for name in ("branch", "place")}
    with run.file.held():
        for k, time in enumerate(at):
            for name in names:
                here = f"{labels[time]}/{name}/"
                if not run.file.length(f"{here}uid"):
                    continue
                who = run.file.read(f"{here}uid")
                found = np.minimum(np.searchsorted(uid, who), max(uid.size - 1, 0))
                known = uid[found] == who if uid.size else np.zeros(who.size, bool)
                session.append(np.full(int(known.sum()), k))
                row.append(found[known])
                size.append(_size(run, here)[known])
                for word, values in places.items():
                    if run.file.length(here + word):
                        values[found[known]] = run.file.read(here + word)[known]
    empty = [np.zeros(0, np.int64)]
    seen = Seen(np.concatenate(session or empty), np.concatenate(row or empty), np.concatenate(size or [np.zeros(0)]))
    return at, seen, {k: v for k, v in places.items() if np.isfinite(v).any()}


def _size(run: Reading, here: str) -> F8:
    """V/V0 where sizes are kept, and the magnitude of the weight elsewhere."""
    if run.file.length(f"{here}log_size"):
        return np.asarray(np.exp(run.file.read(f"{here}log_size").astype(np.float64)))
    return np.asarray(np.abs(run.file.read(f"{here}weight").astype(np.float64)))

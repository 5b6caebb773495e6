"""What a page ships of a history: columns of bytes, in place of 40,000 lines; numbers of the whole, lives of as many
neurons as fit.

Times, sizes and words are codes into short lists; lives are sorted by neuron, so that those of one lie together.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurodev.arrays import B1, F8, I8
from neurodev.plot import fields
from neurodev.plot.style import Clock, clock_of
from neurodev.structure import story
from neurodev.structure.cause import Causes

MOST = 100_000  # lives on a page, of up to 16 sessions each
_LEVELS = 127  # of sizes
_CELLS = 4000  # dots that a browser draws at once without waiting
_TIMES = 4096
_STEPS = 24  # of a run with fewer pictures than half of that
_GOLDEN = 0.6180339887498949


@dataclass
class Packed:
    """One history as a page has it: words and lists (`meta`), columns of lives, sizes and cells by name."""

    meta: dict[str, Any]
    lives: dict[str, NDArray[Any]]
    sizes: NDArray[np.uint8]
    cells: dict[str, Any]
    curves: list[dict[str, Any]]

    @classmethod
    def of(cls, history: Any, tell: Callable[[Any], Any], run: Any = None, most: int = MOST) -> Packed:
        """A history as a page ships it.

        Parameters
        ----------
        history : History
        tell : function
            Of a history, to its `Telling`.
        run : Run, optional
            Whose history it is.
        most : int
            Lives (fewer if they were seen often); of more those of some cells are shipped.

        Returns
        -------
        Packed
        """
        at, of_history, of_telling = _clock(history, run)
        cells = _of_run(history, run) if run is not None else _of_table(history)
        steps, scale = _steps(history, run), _scale(history)
        row = np.flatnonzero(_chosen(history, cells.of, most))
        row = row[np.lexsort((row, cells.of[row]))]
        part = _ordered(history, row)
        telling = tell(part)
        shown = np.unique(cells.of[row])
        kind = "seen" if run is None else "training" if run.is_training else "development"
        meta: dict[str, Any] = {
            "kind": kind, "clauses": list(telling.clauses), "joined": story.TERMS,
            "words": {k: c.words for k, c in telling.columns.items()}, "unit": at.one, "units": at.many,
            "terms": [{"name": k.rpartition("/")[0] or k, "kind": which, "words": c.words}
                      for k, (which, c) in telling.terms.items()],
            "groups": cells.groups, "steps": _rounded(steps / of_history),
            "sessions": _rounded(history.sessions / of_history),
            "session_of_step": (np.searchsorted(history.sessions, steps, side="right") - 1).tolist(),
            "scale": list(scale) if scale else None, "levels": _LEVELS, "size_unit": history.size_unit,
            "lives": len(history), "shipped": int(row.size), "cells": int(np.unique(cells.of).size),
            "shown": int(shown.size), "placed": cells.placed, "end": float(history.end / of_history),
            "start": float(history.start / of_history),
        }  # fmt: skip
        lives, sizes = _lives(part, telling, meta, steps, scale, of_telling)
        lives["cell"] = _small(np.searchsorted(shown, cells.of[row]))
        lives["group"] = _small(cells.group[row])
        if run is not None:
            lives["pre"] = _small(part.columns["pre"])
        words = [c["word"] for c in meta["causes"]]
        one = len(cells.groups) == 1
        parts = [history if one else history.select(cells.group == g) for g in range(len(cells.groups))]
        curves = [_curve(h, steps, of_history, words) for h in parts]
        return cls(meta, lives, sizes, _shape(cells, shown), curves)


def _small(values: NDArray[Any]) -> NDArray[Any]:
    """Whole numbers from 0 in as few bytes as hold them."""
    most = int(values.max(initial=0))
    return values.astype(np.uint8 if most < 2**8 else np.uint16 if most < 2**16 else np.uint32)


@dataclass(frozen=True)
class _Cells:
    """Who the lives belong to: their names (or their numbers within a group), and which of them each life is on."""

    group: I8
    """Of each life: its projection."""
    groups: list[dict[str, Any]]
    of: I8
    """Of each life: its cell."""
    number: I8
    names: list[str] | None
    x: F8
    y: F8
    placed: bool


def _grid(n: int, begin: float = 0.0) -> tuple[F8, F8]:
    """Places of cells that stand nowhere: rows in order of their numbers."""
    columns = max(int(np.ceil(np.sqrt(1.7 * n))), 1)
    k = np.arange(n)
    return (k % columns).astype(float), begin - (k // columns).astype(float)


def _of_run(history: Any, run: Any) -> _Cells:
    names = np.unique(history.column("projection")).tolist()
    names = [q["name"] for q in run.network["projections"] if q["name"] in names]
    group = np.searchsorted(sorted(names), history.column("projection"))
    group = np.array([names.index(x) for x in sorted(names)], dtype=np.int64)[group] if names else group
    where: dict[str, int] = {}
    x: list[F8] = []
    y: list[F8] = []
    number: list[I8] = []
    groups: list[dict[str, Any]] = []
    placed = not run.is_training and fields.placed(run)
    for name in names:
        q = run.projection(name)
        target, n = q["target"], int(run.population(q["target"])["n"])
        if target not in where:
            where[target] = int(sum(a.size for a in x))
            px, py = run.positions(target).T if placed else _grid(n)
            x.append(px)
            y.append(py)
            number.append(np.arange(n))
        sources = run.positions(q["source"]).T if placed and name in fields.mapped(run) else None
        groups.append(
            {"name": name, "source": q["source"], "target": target, "taps": int(q.get("taps", 1)),
             "first": where[target], "n": n,
             "sources": None if sources is None else [np.round(a, 1).tolist() for a in sources]}
        )  # fmt: skip
    begin = np.array([g["first"] for g in groups], dtype=np.int64)
    of = begin[group] + history.column("post").astype(np.int64)
    return _Cells(group, groups, of, np.concatenate(number), None, np.concatenate(x), np.concatenate(y), placed)


def _of_table(history: Any) -> _Cells:
    n = len(history)
    name = next((k for k in ("cell", "post", "dendrite") if k in history.columns), None)
    values = history.column(name) if name else np.zeros(n, dtype=np.int64)
    cells, of = np.unique(values, return_inverse=True)
    names = [f"{name} {c}" for c in cells.tolist()] if name else ["all"]
    group, groups = np.zeros(n, np.int64), [{"name": history.title or "all"}]
    if "projection" in history.columns:
        every, group = np.unique(history.column("projection"), return_inverse=True)
        groups = [{"name": str(x)} for x in every.tolist()]
    for g in groups:
        g.update({"source": "", "target": "", "taps": 1, "first": 0, "n": len(names), "sources": None})
    x, y = _grid(len(names))
    return _Cells(group, groups, np.asarray(of, np.int64), np.arange(len(names)), names, x, y, False)


def _chosen(history: Any, of: I8, most: int) -> B1:
    """Lives to be shipped: all, or those of as many cells as fit, spread evenly over their numbers.

    One that was seen in more than 16 sessions takes the room of more than one.
    """
    room = np.maximum(1.0, (8.0 + np.bincount(history.seen.row, minlength=of.size)) / 24.0)
    if room.sum() <= most and np.unique(of).size <= _CELLS:
        return np.ones(of.size, dtype=bool)
    each = np.bincount(of, room)
    order = np.argsort(np.arange(each.size) * _GOLDEN % 1.0, kind="stable")
    order = order[each[order] > 0]
    fit = order[np.cumsum(each[order]) <= most][:_CELLS]
    if fit.size:
        return np.isin(of, fit)
    keep = np.zeros(of.size, dtype=bool)  # one cell alone is too much
    keep[np.linspace(0, of.size - 1, max(int(most / room.mean()), 1)).astype(np.int64)] = True
    return keep


def _clock(history: Any, run: Any) -> tuple[Clock, float, float]:
    """The clock of a page, and by what times of a history and of a telling are divided."""
    if run is None:
        unit = history.unit
        return Clock(1.0, unit, f"{unit}s", f"time ({unit}s)", f"age ({unit}s)"), 1.0, 1.0
    found = clock_of(run)
    return found, 1.0 if run.is_training else found.days, found.days


def _steps(history: Any, run: Any) -> F8:
    """Where the slider can stand, in the unit of the history: at its sessions, if there are enough of them."""
    at = history.sessions
    few = run is not None and not run.is_training and at.size < _STEPS // 2
    if at.size < 2 or few:
        at = np.linspace(history.start, history.end, _STEPS + 1) if history.end > history.start else np.zeros(1)
    return np.asarray(at, dtype=np.float64)


def _alive(history: Any, steps: F8) -> tuple[I8, I8]:
    """Of each the first step at which it lives, and the first at which it lives no more; as `History.alive`."""
    born = np.where(history.standing, -np.inf, history.birth)
    died = np.where(np.isfinite(history.died[:, 1]), history.death, np.inf)
    return np.searchsorted(steps, born), np.searchsorted(steps, died)


def _timed(born: F8, died: F8) -> tuple[list[float], NDArray[Any], NDArray[Any]]:
    """Distinct times, and the place of births and (from 1; 0: alive) deaths among them."""
    dead = ~np.isnan(died)
    times = np.unique(np.concatenate([born, died[dead]]))
    if times.size > _TIMES:  # finer than a pixel is not to be seen; words of the exact times go by themselves
        times = np.linspace(times[0], times[-1], _TIMES)
    last = np.zeros(born.size, dtype=np.int64)
    last[dead] = 1 + np.minimum(np.searchsorted(times, died[dead]), times.size - 1)
    first = np.minimum(np.searchsorted(times, born), times.size - 1)
    return [float(f"{t:.7g}") for t in times], _small(first), _small(last)


def _sized(history: Any, scale: tuple[float, float]) -> tuple[NDArray[Any], NDArray[Any], NDArray[np.uint8]]:
    """First session and number of sessions of each life, and its sizes in them, from 1 on a scale of logarithms."""
    seen, n = history.seen, len(history)
    fit = np.isfinite(seen.size) & (seen.size > 0)
    session, row, size = seen.session[fit], seen.row[fit], np.log(seen.size[fit])
    first, last = np.full(n, history.sessions.size), np.full(n, -1)
    np.minimum.at(first, row, session)
    np.maximum.at(last, row, session)
    count = np.maximum(last - first + 1, 0)
    first = np.where(count > 0, first, 0)
    begin = np.concatenate([[0], np.cumsum(count)])
    out = np.zeros(int(begin[-1]), dtype=np.uint8)
    low, high = scale
    code = np.rint((size - low) / max(high - low, 1e-12) * _LEVELS)
    out[begin[row] + session - first[row]] = 1 + np.clip(code, 0, _LEVELS).astype(np.uint8)
    return _small(first), _small(count), out


def _scale(history: Any) -> tuple[float, float] | None:
    """Smallest and largest ln size of the page; the smallest thousandth of them are put at its end."""
    size = history.seen.size
    size = size[np.isfinite(size) & (size > 0)]
    if not size.size or np.all(size == size[0]):
        return None
    x = np.log(size)
    return float(np.quantile(x, 0.001)), float(x.max())


def _identities(ident: NDArray[Any]) -> tuple[NDArray[Any], list[str] | None]:
    """Identities as steps from one to the next (of 32 bits, or exact), or as places in a list."""
    if ident.dtype.kind in "iu" and ident.size and int(ident.min()) >= 0:
        if int(ident.max()) < 2**32:  # steps are small within a cell, and squeeze better
            return np.diff(ident.astype(np.uint32), prepend=np.uint32(0)), None
        if int(ident.max()) < 2**53:
            return np.diff(ident.astype(np.float64), prepend=0.0), None
    return _small(np.arange(ident.size)), [str(x) for x in ident.tolist()]


def _causes(words: NDArray[Any], meanings: Causes) -> tuple[list[str], NDArray[Any]]:
    """The causes that occur, and the place of each life's among them from 1; 0 where it has none."""
    found = [w for w in np.unique(words).tolist() if w]
    names = [w for w in meanings.words if w in found] + [w for w in found if w not in meanings.words]
    place = {w: k for k, w in enumerate(names, 1)} | {"": 0}
    known, code = np.unique(words, return_inverse=True)
    return names, _small(np.array([place[w] for w in known.tolist()], dtype=np.int64)[code])


def _curve(history: Any, steps: F8, scale: float, words: list[str]) -> dict[str, Any]:
    """Of the whole: how many live at each step, what happened between them, and survival of newborns with its band.

    `words` are the causes; of the curve as much is kept as shows.
    """
    km, (first, last), n = history.survival("newborn"), _alive(history, steps), steps.size
    out: dict[str, Any] = {"number": history.number(steps).tolist(), "n": len(history)}
    out["births"] = np.bincount(first, minlength=n + 1)[:n].tolist()
    dead = np.isfinite(history.died[:, 1])
    of = np.asarray(history.columns.get("cause", np.full(len(history), ""))).astype(str)
    each = [dead & (of == w) for w in words] + [dead & ~np.isin(of, words)]
    out["deaths"] = [np.bincount(last[d], minlength=n + 1)[:n].tolist() for d in each]
    low, high = km.interval()
    keep = np.unique(np.linspace(0, max(km.time.size - 1, 0), min(km.time.size, 240)).astype(np.int64))
    columns = {"age": km.time / scale, "share": km.value, "low": low, "high": high}
    out |= {k: [float(f"{x:.5g}") for x in np.nan_to_num(v[keep], nan=0.0)] for k, v in columns.items()}
    out["until"] = float(km.until / scale) if np.isfinite(km.until) else 0.0
    out["newborn"] = int((~history.standing).sum())
    return out


def _rounded(values: F8) -> list[float]:
    return [float(f"{x:.7g}") for x in values]


def _lives(
    part: Any, telling: Any, meta: dict[str, Any], steps: F8, scale: tuple[float, float] | None, unit: float
) -> tuple[dict[str, NDArray[Any]], NDArray[np.uint8]]:  # fmt: skip
    """Columns of the lives that are shipped, and their sizes; what the codes in them mean goes into `meta`."""
    n = len(part)
    first, last = _alive(part, steps)
    meta["times"], born, died = _timed(telling.born / unit, telling.died / unit)
    since, count, sizes = np.zeros(n, np.uint8), np.zeros(n, np.uint8), np.zeros(0, np.uint8)
    if scale:
        since, count, sizes = _sized(part, scale)
    ident, meta["idents"] = _identities(part.ident)
    causes, nothing = part.causes or Causes(), np.full(n, "", dtype="<U1")
    cause = np.where(np.isfinite(part.died[:, 1]), part.columns.get("cause", nothing).astype(str), "")
    words, codes = _causes(np.concatenate([cause, part.columns.get("birth_cause", nothing).astype(str)]), causes)
    meta["causes"] = [{"word": w} | _told(causes[w]) for w in words]
    lives: dict[str, NDArray[Any]] = {
        "ident": ident, "born": born, "died": died, "first": _small(first), "last": _small(last), "since": since,
        "count": count, "cause": codes[:n], "birth_cause": codes[n:], "by_hand": telling.by_hand.astype(np.uint8),
        "standing": part.standing.astype(np.uint8),
    }  # fmt: skip
    meta["timed"] = {}
    for name, column in telling.columns.items():
        if name in ("born", "died") and (by_time := _by_time(lives[name], column.code)) is not None:
            meta["timed"][name] = by_time
        else:
            lives[f"word_{name}"] = _small(column.code)
    for k, (_, column) in enumerate(telling.terms.values()):
        lives[f"term_{k}"] = _small(column.code)
    return lives, sizes


def _shape(cells: _Cells, shown: I8) -> dict[str, Any]:
    """Places, numbers and names of the cells that are shown."""
    x, y = cells.x[shown], cells.y[shown]
    if not cells.placed and shown.size < cells.x.size:  # without gaps
        for first, n in {(g["first"], g["n"]) for g in cells.groups}:
            mine = (shown >= first) & (shown < first + n)
            x[mine], y[mine] = _grid(int(mine.sum()))
    out: dict[str, Any] = {"x": x, "y": y, "number": _small(cells.number[shown]), "cell": _small(shown)}
    if cells.names is not None:
        out["name"] = [cells.names[k] for k in shown.tolist()]
    return out


def _by_time(time: NDArray[Any], code: NDArray[Any]) -> list[int] | None:
    """The word of each code of time, where one follows from the other; then only one of them is shipped."""
    found = np.zeros(int(time.max(initial=0)) + 1, dtype=np.int64)
    there = code > 0
    found[time[there]] = code[there]
    # who has no word (who was there from the start) is told apart before a word is looked for
    return found.tolist() if np.array_equal(found[time[there]], code[there]) else None


def _told(cause: Any) -> dict[str, str]:
    return {"sentence": cause.sentence, "birth": cause.birth, "decided": cause.decided, "colour": cause.colour}


def _ordered(history: Any, row: I8) -> Any:
    """The history of some rows, in this order."""
    part = history.select(np.isin(np.arange(len(history)), row))
    rank = np.empty(len(history), dtype=np.int64)
    rank[row] = np.arange(row.size)
    new = rank[np.sort(row)]  # place of each row of the part
    order = np.argsort(new)
    seen = part.seen._replace(row=new[part.seen.row])
    return part._with(
        part.born[order], part.died[order], ident=part.ident[order], seen=seen,
        looked=None if part.looked is None else part.looked[order],
        columns={k: v[order] for k, v in part.columns.items()},
    )  # fmt: skip

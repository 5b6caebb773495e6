"""The shapes of imaging tables: long, wide, first and last sightings, exact births and deaths."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from neurodev.arrays import B1, F8, I8
from neurodev.errors import ParameterError, shown
from neurodev.formats.asked import Asked, numbers_in, times_of
from neurodev.formats.cells import NO, YES, flags, nothing, numbers, plain, told, words
from neurodev.formats.grid import Column, Grid, listed
from neurodev.params import check_memory
from neurodev.runs.history import History

_INNER = {"at", "life"}  # columns that the reader made


def settled(grid: Grid, a: Asked) -> Asked:
    """Without those columns of a preset that need not be there and are not."""
    for name in a.may:
        given = getattr(a, name)
        if not all(grid.has(c) for c in (given if isinstance(given, list) else [given])):
            a = replace(a, **cast("Any", {name: None}))
    return a


def joined_words(grid: Grid, columns: Sequence[Column], where: str) -> NDArray[np.str_]:
    """Words of some columns as one, ``"cell/dendrite/spine"``; empty where nothing is written in one of them."""
    parts = [words(grid.columns[grid.pick(c, where)]) for c in columns]
    out = parts[0]
    for p in parts[1:]:
        out = np.char.add(np.char.add(out, "/"), p)
    missing = np.any([nothing(p) for p in parts], axis=0)
    return np.where(missing, "", out)


def places_of(grid: Grid, a: Asked) -> tuple[F8, B1]:
    """Where each is, in um, (n, 2) or (n, 3), and whether that is not known."""
    assert a.position is not None
    found = [numbers(grid.columns[grid.pick(c, "position")], a.na, a.decimal).value for c in a.position]
    where = np.column_stack(found) * (1.0 if a.scale is None else a.scale)
    return where, np.asarray(~np.isfinite(where).all(axis=1))


def read_sessions_of(sessions: F8, at: F8, keep: B1, unit: str) -> tuple[F8, list[str]]:
    """Sessions but those of which no row could be read: that nothing is known of them is no absence."""
    gone = np.isin(sessions, at[~keep]) & ~np.isin(sessions, at[keep])
    said = ", ".join(f"{t:g}" for t in sessions[gone])
    return sessions[~gone], [f"no row of {unit} {said} could be read: taken as not looked at"] if gone.any() else []


def lives_of(ident: NDArray[np.str_]) -> tuple[I8, I8]:
    """The life of each row, numbered as they appear, and the first row of each life."""
    _, first, life = np.unique(ident, return_index=True, return_inverse=True)
    order = np.argsort(first, kind="stable")
    rank = np.empty(order.size, dtype=np.int64)
    rank[order] = np.arange(order.size)
    return rank[life], first[order].astype(np.int64)


def kept_columns(
    grid: Grid, a: Asked, life: I8, first: I8, used: set[str]
) -> tuple[dict[str, NDArray[Any]], list[str]]:
    """Columns that are the same in all rows of a life, and a note on those that are not."""
    out: dict[str, NDArray[Any]] = {}
    change: list[str] = []
    for name, values in grid.columns.items():
        if name in used:
            continue
        same = values == values[first[life]]
        if values.dtype.kind == "f":
            same |= np.isnan(values) & np.isnan(values[first[life]])
        if np.all(same):
            if values.dtype.kind != "U" or not nothing(values[first]).all():
                out[name] = plain(values[first])
        else:
            change.append(name)
    for word, columns in (("cell", a.cell), ("dendrite", a.dendrite)):
        if columns is not None:
            out[word] = plain(joined_words(grid, columns, word)[first], False)
    if a.position is not None and not set("xyz") & set(out):
        where, _ = places_of(grid, a)
        out.update(zip("xyz", where[first].T, strict=False))
    if a.place is not None:
        out["place"] = numbers(grid.columns[grid.pick(a.place, "place")], a.na, a.decimal).value[first]
    note = f"columns that change from session to session are not kept: {listed(change, 8)}"
    return out, [note] if change else []


def sizes_of(grid: Grid, a: Asked) -> tuple[F8, list[str]]:
    """Size in each row; NaN where there is none, 0 where that is written."""
    if a.size is None:
        return np.full(grid.line.size, np.nan), []
    name = grid.pick(a.size, "size")
    values = grid.columns[name]
    value, bad, why = numbers(values, a.na, a.decimal)
    text = values.astype(str)
    notes = []
    if bad.any():
        if not np.isfinite(value).any():
            raise ParameterError(f"size: column {name!r} of {grid.source} has no number; it begins {shown(text[0])}")
        notes.append(told(grid.line[bad], f"have no size, {name!r} is {why}", text[bad]))
    if (low := value < 0).any():
        notes.append(told(grid.line[low], f"have no size, {name!r} is negative", text[low]))
        value = np.where(low, np.nan, value)
    return value, notes


def long(grid: Grid, a: Asked) -> History:
    """A row for each sighting."""
    a = settled(grid, a)
    assert a.id is not None and a.session is not None
    if isinstance(a.looked, np.ndarray):
        raise ParameterError(
            f"looked must be a column, 'rows' or times by dendrite of a long table, got {shown(a.looked)}"
        )
    ident = joined_words(grid, a.id, "id")
    column = grid.pick(
        a.days if isinstance(a.days, str) else a.session[0], "days" if isinstance(a.days, str) else "session"
    )
    days = None if isinstance(a.days, str) else a.days
    at, sessions, notes = times_of(grid.columns[column], days, grid.line, grid.source, a.unit)
    notes = [*a.notes, *grid.notes, *notes]
    if (lost := ident == "").any():
        notes.append(told(grid.line[lost], "are left out, without an id"))
    keep = ~lost & np.isfinite(at)
    if not keep.any():
        raise ParameterError(f"path: no row of {grid.source} could be read: {'; '.join(notes)}")
    sessions, more = read_sessions_of(sessions if a.at is None else a.at, at, keep, a.unit)
    notes += more
    grid, ident, at = grid.keep(keep), ident[keep], at[keep]
    size, more = sizes_of(grid, a)
    notes += more
    life, first = lives_of(ident)
    session = np.searchsorted(sessions, at)
    there, where, more = _flagged(grid, a)
    notes += more
    rows, size, more = _once(grid, a, life, session, sessions, size)
    notes += more
    there &= ~(size == 0.0)
    if (zero := (size == 0.0)[rows]).any():
        notes.append(told(grid.line[rows][zero], "have size 0: taken as absent"))
    n, m = first.size, sessions.size
    check_memory(40.0 * n * m, f"{n:,} lives in {m:,} sessions", "read fewer of them")
    here, look, table = np.zeros((n, m), bool), np.ones((n, m), bool), np.full((n, m), np.nan)
    look[life[~where], session[~where]] = False
    here[life[rows], session[rows]] = (there & where)[rows]
    look |= here
    table[life[rows], session[rows]] = np.where(there & where, size, np.nan)[rows]
    used = {grid.pick(c, "") for c in (*a.session, a.size, a.present, a.place, *(a.position or ())) if c is not None}
    used |= {column, *_INNER} | ({grid.pick(a.looked, "")} if _is_flag(a.looked, grid) else set())
    used |= {grid.pick(a.id[0], "id")} if len(a.id) == 1 else set()
    columns, more = kept_columns(grid, a, life, first, used)
    notes += more
    notes += _by_dendrite(a, columns, here, look, sessions, life, session)
    return _made(table, here, look, sessions, plain(ident[first], False), columns, a, notes)


def _is_flag(looked: Any, grid: Grid) -> bool:
    return isinstance(looked, (str, int)) and (looked != "rows" or grid.has("rows"))


def _flagged(grid: Grid, a: Asked) -> tuple[B1, B1, list[str]]:
    """Whether it was there in each row, whether the place was looked at, and notes on flags that are none."""
    n = grid.line.size
    there, where = np.ones(n, bool), np.ones(n, bool)
    notes = []
    wanted = [("present", a.present)] + ([("looked", a.looked)] if _is_flag(a.looked, grid) else [])
    for argument, column in wanted:
        if column is None:
            continue
        values = grid.columns[grid.pick(column, argument)]
        yes, bad = flags(values, a.na)
        if bad.all():
            raise ParameterError(
                f"{argument}: column {column!r} of {grid.source} holds no flags, but {shown(values[0])}"
            )
        if bad.any():
            notes.append(told(grid.line[bad], f"are taken as not looked at: {column!r} is no flag", values[bad]))
        where &= ~bad
        if argument == "present":
            there = yes
        else:
            where &= yes
    if (out := ~where).any() and _is_flag(a.looked, grid):
        notes.append(told(grid.line[out], f"say that nobody looked there ({a.looked!r})"))
    return there, where, notes


def _once(grid: Grid, a: Asked, life: I8, session: I8, sessions: F8, size: F8) -> tuple[I8, F8, list[str]]:
    """One row for each life and session, and its size."""
    pair = life * max(sessions.size, 1) + session
    _, rows, which = np.unique(pair, return_index=True, return_inverse=True)
    again = np.ones(pair.size, dtype=bool)
    again[rows] = False
    if not again.any():
        return rows.astype(np.int64), size, []
    k = np.flatnonzero(again)
    first = rows[which[k]]
    same = np.ones(k.size, dtype=bool)
    for values in grid.columns.values():
        same &= (values[k] == values[first]) | (words(values[k]) == words(values[first]))
    notes = [told(grid.line[k[same]], "repeat an earlier row and are left out")] if same.any() else []
    other = k[~same]
    if not other.size:
        return rows.astype(np.int64), size, notes
    i, j = int(rows[which[other[0]]]), int(other[0])
    both = f"rows {grid.line[i]} and {grid.line[j]} of {grid.source} have one id in session {sessions[session[i]]:g}"
    if a.twice == "refuse":
        raise ParameterError(
            f"id: {both} ({other.size:,} such rows): name more columns that tell lives apart, of {listed(grid.names)}, "
            "or say twice='first', 'mean' or 'largest'"
        )
    merged = size.copy()
    if a.twice == "mean":
        known = np.isfinite(size)
        total = np.bincount(which, np.where(known, size, 0.0))
        with np.errstate(invalid="ignore"):
            merged[rows] = total / np.bincount(which, known.astype(float))
    elif a.twice == "largest":
        top = np.full(rows.size, -np.inf)
        np.maximum.at(top, which, np.where(np.isfinite(size), size, -np.inf))
        merged[rows] = np.where(np.isfinite(top), top, np.nan)
    notes.append(told(grid.line[other], f"are of a life and session that has a row: {a.twice} taken"))
    return rows.astype(np.int64), merged, notes


def _by_dendrite(
    a: Asked, columns: dict[str, NDArray[Any]], here: B1, look: B1, sessions: F8, life: I8, session: I8
) -> list[str]:
    """Mark what was not looked at, by dendrite; and notes on dendrites without a row in a session."""
    listed_ = isinstance(a.looked, dict) or isinstance(a.looked, str) and a.looked == "rows"
    if "dendrite" not in columns:
        if listed_:
            raise ParameterError(f"looked={shown(a.looked)} is told by dendrite: say which column is the dendrite")
        return []
    name, of = np.unique(columns["dendrite"], return_inverse=True)
    rows = np.zeros((name.size, sessions.size), dtype=bool)
    rows[of[life], session] = True
    if isinstance(a.looked, dict):
        known = words(name).tolist()
        if strange := [d for d in a.looked if d not in known]:
            raise ParameterError(f"looked: there is no dendrite {strange[0]!r}; there are {listed(known)}")
        for k, d in enumerate(known):
            if d in a.looked and isinstance(a.looked[d], np.ndarray):
                there = np.isin(sessions, a.looked[d])
                if (odd := rows[k] & ~there).any():
                    raise ParameterError(
                        f"looked: dendrite {d!r} has rows in session {sessions[odd][0]:g}, which it does not list, "
                        f"got {shown(a.looked[d].tolist())}"
                    )
                look[of == k] &= there
        return []
    bare = np.argwhere(~rows)
    if not bare.size:
        return []
    cases = [f"dendrite {name[i]} in session {sessions[k]:g}" for i, k in bare[:3]]
    more = f" and {len(bare) - 3:,} more" if len(bare) > 3 else ""
    if listed_:
        look &= rows[of]
        return [f"without a row, taken as not looked at: {', '.join(cases)}{more}"]
    return [
        f"without a row, taken as looked at and all absent (looked='rows' takes it otherwise): {', '.join(cases)}{more}"
    ]


def _made(
    table: F8,
    here: B1,
    look: B1,
    sessions: F8,
    ident: NDArray[Any],
    columns: dict[str, Any],
    a: Asked,
    notes: list[str],
) -> History:
    name = a.size if isinstance(a.size, str) and a.size != "size" else ""
    return History.of_sessions(
        table, sessions, present=here, looked=None if look.all() else look, again=a.again, ident=ident, columns=columns,
        unit=a.unit, size_unit=a.size_unit or name, title=a.title, notes=tuple(notes),
    )  # fmt: skip


# ---------------------------------------------------------------------- wide


def matrix_of(grid: Grid, a: Asked) -> str | None:
    """The array of a file that is a wide table: named by `size`, or the only one of two dimensions."""
    tables = [k for k, v in grid.arrays.items() if v.ndim == 2 and v.dtype.kind in "biuf"]
    if isinstance(a.size, str):
        if a.size in tables:
            return a.size
        if a.size not in grid.arrays:
            raise ParameterError(f"size: no array {a.size!r} in {grid.source}; it has {listed(list(grid.arrays))}")
        return None
    if len(tables) > 1 and not grid.has("session"):
        raise ParameterError(
            f"size must say which array of {grid.source} holds sizes: {listed(tables)}, got {a.size!r}"
        )
    return tables[0] if len(tables) == 1 else None


def wide_arrays(grid: Grid, name: str, a: Asked) -> History:
    """An array (n, n_session), and others (n,) as columns."""
    matrix = grid.arrays[name]
    n, m = matrix.shape
    if isinstance(a.days, str):
        at = grid.arrays.get(a.days)
        if at is None or at.shape != (m,):
            raise ParameterError(
                f"days: no array {a.days!r} of {m} times in {grid.source}; it has {listed(list(grid.arrays))}"
            )
        a = replace(a, days=at.astype(np.float64))
    if not isinstance(a.days, np.ndarray):
        raise ParameterError(f"days must give a time for each of the {m} columns of {name!r}, got {shown(a.days)}")
    columns = {k: v for k, v in grid.arrays.items() if v.shape == (n,) and v.dtype.kind in "biufUS"}
    known = {name, a.looked} if isinstance(a.looked, str) else {name}
    left = [k for k in grid.arrays if k not in columns and k not in known]
    notes = [f"arrays of {grid.source} that are not of its {n} rows are not read: {listed(left, 8)}"] if left else []
    if isinstance(a.looked, str) and a.looked in grid.arrays:
        a = replace(a, looked=grid.arrays[a.looked].astype(bool))
    names = [f"session {k + 1}" for k in range(m)]
    whole = Grid(
        {**columns, **dict(zip(names, matrix.T, strict=True))},
        np.arange(1, n + 1),
        grid.source,
        notes=(*grid.notes, *notes),
    )
    return wide(whole, replace(a, session=list(names)))


def wide(grid: Grid, a: Asked) -> History:
    """A row for each life, a column for each session."""
    a = settled(grid, a)
    assert a.session is not None
    if a.present is not None:
        raise ParameterError(f"present is of long tables: in a wide one the cells say it, got {a.present!r}")
    names = [grid.pick(c, "session") for c in a.session]
    at = _times_of_columns(names, a, grid)
    order = np.argsort(at)
    names, at = [names[k] for k in order], at[order]
    notes = [*a.notes, *grid.notes]
    ident = joined_words(grid, a.id, "id") if a.id is not None else grid.line.astype(str)
    keep = ident != ""
    if not keep.all():
        notes.append(told(grid.line[~keep], "are left out, without an id"))
    life, first = lives_of(ident[keep])
    if first.size < life.size:
        k = np.flatnonzero(keep)[np.setdiff1d(np.arange(life.size), first)]
        if a.twice != "first":
            raise ParameterError(
                f"id: row {grid.line[k[0]]} of {grid.source} has an id that stands above ({str(ident[k[0]])!r}): name "
                f"more columns that tell lives apart, of {listed(grid.names)}, or say twice='first'"
            )
        notes.append(told(grid.line[k], "are left out, with an id that stands above", ident[k]))
        keep[k] = False
    rows = np.flatnonzero(keep)
    n, m = rows.size, len(names)
    if not n:
        raise ParameterError(f"path: no row of {grid.source} could be read: {'; '.join(notes)}")
    check_memory(40.0 * n * m, f"{n:,} lives in {m:,} sessions", "read fewer of them")
    table, here, look = np.full((n, m), np.nan), np.zeros((n, m), bool), np.ones((n, m), bool)
    strange: list[tuple[int, str]] = []
    for j, name in enumerate(names):
        table[:, j], here[:, j], look[:, j], odd = _marks(grid.columns[name][rows], a)
        if not look[:, j].any() or nothing(words(grid.columns[name][rows]), a.na).all():
            look[:, j] = False
            notes.append(f"column {name!r} of {grid.source} is empty: taken as not looked at")
        strange += [(int(grid.line[rows[i]]), f"{name}: {grid.columns[name][rows[i]]}") for i in odd]
    if strange:
        strange.sort()
        why = "are neither size nor mark, taken as not looked at"
        notes.append(told(np.array([r for r, _ in strange]), why, [w for _, w in strange], "cell"))
    if not np.any(np.isfinite(table) & (table != 1.0) & here):
        table[:] = np.nan  # marks of presence, not sizes
    part = grid.keep(rows)
    used = {*names, *([part.pick(c, "") for c in a.id] if a.id is not None and len(a.id) == 1 else [])}
    columns, _ = kept_columns(part, a, np.arange(n), np.arange(n), used)
    look &= _looked_in(a, part, columns, at, rows, grid.line.size, order)
    if (blind := here & ~look).any():
        notes.append(
            told(grid.line[rows[np.argwhere(blind)[:, 0]]], "hold a size where nobody looked: not read", None, "cell")
        )
    here &= look
    return _made(np.where(here, table, np.nan), here, look, at, plain(ident[rows], False), columns, a, notes)


def _times_of_columns(names: list[str], a: Asked, grid: Grid) -> F8:
    if isinstance(a.days, np.ndarray):
        at: F8 | None = a.days
    elif isinstance(a.days, dict):
        given = a.days
        if missing := [n for n in names if n not in given]:
            raise ParameterError(
                f"days has no time for {listed(missing, 5)} of {grid.source}; got {listed(list(given), 8)}"
            )
        at = np.array([given[n] for n in names])
    else:
        at = numbers_in(names) if a.days is None and len(names) > 1 else None
    if at is None or at.size != len(names) or np.unique(at).size != at.size:
        raise ParameterError(f"days must give a time for each of {listed(names, 12)}, got {shown(a.days)}")
    return at


def _marks(values: NDArray[Any], a: Asked) -> tuple[F8, B1, B1, list[int]]:
    """Size, whether it is there, whether anybody looked, and which cells are none of what they may be."""
    text = np.char.lower(words(values))
    blind = np.isin(text, [w.casefold() for w in a.not_looked])
    if "nan" in {w.casefold() for w in a.not_looked} and values.dtype.kind == "f":
        blind |= np.isnan(values)
    size, bad, _ = numbers(values, a.na, a.decimal)
    yes = bad & np.isin(text, list(YES))
    no = bad & np.isin(text, list(NO))
    bad = (bad & ~yes & ~no & ~blind) | (size < 0)
    here = (yes | (size > 0)) & ~blind & ~bad
    return np.where(here, size, np.nan), here, ~blind & ~bad, np.flatnonzero(bad).tolist()


def _looked_in(a: Asked, grid: Grid, columns: dict[str, NDArray[Any]], at: F8, rows: I8, n: int, order: I8) -> B1:
    """What `looked` says of a wide table, (n, n_session)."""
    look = np.ones((rows.size, at.size), dtype=bool)
    if a.looked is None:
        return look
    if isinstance(a.looked, np.ndarray):
        if a.looked.shape not in ((at.size,), (n, at.size)):
            raise ParameterError(f"looked must be ({at.size},) or ({n}, {at.size}), got shape {a.looked.shape}")
        return look & (a.looked[order] if a.looked.ndim == 1 else a.looked[rows][:, order])
    if isinstance(a.looked, dict):
        none = np.zeros(0, dtype=np.int64)
        _by_dendrite(a, columns, look, look, at, none, none)
        return look
    raise ParameterError(f"looked of a wide table must be an array, or times by dendrite, got {shown(a.looked)}")


# ---------------------------------------------------------------------- lives


def lives(grid: Grid, a: Asked) -> History:
    """A row for each life, with the times of its first and last sighting."""
    assert a.first is not None and a.last is not None
    if isinstance(a.days, (str, dict)):
        raise ParameterError(f"days must be the times of the sessions, beside first and last, got {shown(a.days)}")
    if a.looked is not None:
        raise ParameterError(f"looked says nothing beside first and last, got {shown(a.looked)}")
    begin, end = (
        numbers(grid.columns[grid.pick(c, w)], a.na, a.decimal) for c, w in ((a.first, "first"), (a.last, "last"))
    )
    notes = [*a.notes, *grid.notes]
    ident = joined_words(grid, a.id, "id") if a.id is not None else grid.line.astype(str)
    _, once = lives_of(ident)
    repeated = np.ones(ident.size, dtype=bool)
    repeated[once] = False
    at = (
        a.days
        if a.days is not None
        else np.unique(np.concatenate([x.value[np.isfinite(x.value)] for x in (begin, end)]))
    )
    unknown = ~np.isfinite(begin.value) | ~np.isfinite(end.value)
    cases = {
        "without a first and a last time": unknown,
        "last seen before first": ~unknown & (end.value < begin.value),
        "seen at a time that is no session": ~unknown & ~(np.isin(begin.value, at) & np.isin(end.value, at)),
        "without an id": ident == "",
        "with an id that stands above": repeated & (ident != ""),
    }
    if cases["with an id that stands above"].any() and a.twice != "first":
        k = int(np.argmax(cases["with an id that stands above"]))
        raise ParameterError(
            f"id: row {grid.line[k]} of {grid.source} has an id that stands above ({str(ident[k])!r}): name more "
            f"columns that tell lives apart, of {listed(grid.names)}, or say twice='first'"
        )
    keep = np.ones(ident.size, dtype=bool)
    for why, rows in cases.items():
        rows &= keep
        if rows.any():
            said = [
                f"{x}, {y}"
                for x, y in zip(*(grid.columns[grid.pick(c, "")][rows] for c in (a.first, a.last)), strict=True)
            ]
            notes.append(told(grid.line[rows], f"are left out, {why}", said))
            keep &= ~rows
    if not keep.any():
        raise ParameterError(f"path: no row of {grid.source} could be read: {'; '.join(notes)}")
    check_memory(40.0 * keep.sum() * at.size, f"{keep.sum():,} lives in {at.size:,} sessions", "read fewer of them")
    x, y = begin.value[keep][:, None], end.value[keep][:, None]
    here = (at >= x) & (at <= y)
    part = grid.keep(keep)
    rows = np.arange(part.line.size)
    used = {grid.pick(c, "") for c in (a.first, a.last)} | (
        {grid.pick(a.id[0], "")} if a.id and len(a.id) == 1 else set()
    )
    columns, _ = kept_columns(part, replace(a, size=None), rows, rows, used)
    table = np.full(here.shape, np.nan)
    return _made(
        table, here, np.ones(here.shape, bool), at, plain(ident[keep], False), columns, replace(a, size=None), notes
    )


def said_of_all(grid: Grid, a: Asked) -> tuple[Grid, Asked]:
    """Units that a table of ours has as columns with one word, if nothing else was asked for."""
    found = {}
    for name in ("unit", "size_unit"):
        text = np.unique(words(grid.columns[name])) if name in grid.columns else np.zeros(0)
        if text.size == 1:
            found[name] = str(text[0])
    a = replace(a, unit=found.get("unit", a.unit) if a.unit == "day" else a.unit)
    a = replace(a, size_unit=a.size_unit or found.get("size_unit", ""))
    return replace(grid, columns={k: v for k, v in grid.columns.items() if k not in found}), a


def known(grid: Grid, a: Asked, names: Sequence[str]) -> History:
    """A row for each life, with the limits of its birth and death: what `History.to_pandas` writes."""
    limits = []
    for name in names:
        text = words(grid.columns[grid.pick(name, "path")])
        try:
            limits.append(text.astype(np.float64))
        except ValueError:
            raise ParameterError(f"path: column {name!r} of {grid.source} holds what is no number") from None
    born, died = np.column_stack(limits[:2]), np.column_stack(limits[2:])
    ident = plain(words(grid.columns[grid.pick("id", "id")]), False) if grid.has("id") else None
    used = {grid.pick(n, "") for n in (*names, "id", "birth", "death", "end") if grid.has(n)}
    rows = np.arange(grid.line.size)
    columns, _ = kept_columns(grid, a, rows, rows, used)
    times = np.concatenate([born.ravel(), died.ravel()])
    times = numbers(grid.columns["end"]).value if "end" in grid.columns else times
    end = float(times[np.isfinite(times)].max()) if np.isfinite(times).any() else 0.0
    return History(
        born, died, end, ident=ident, columns=columns, unit=a.unit, size_unit=a.size_unit, title=a.title,
        notes=(*a.notes, *grid.notes),
    )  # fmt: skip

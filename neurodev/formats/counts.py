"""Numbers per dendrite and session, where nobody knows who is who.

A table of totals, gains and losses names no life: which of a dendrite's spines were lost is not in it, so that neither
ages nor sizes nor a survival by age can be.  Anonymous lives would need a choice of who died, and every curve by age
would be that choice.  `Counts` therefore offers what the numbers hold, and nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neurodev import card
from neurodev.arrays import F8
from neurodev.card import Card, Rows, named
from neurodev.errors import ParameterError, shown
from neurodev.formats import asked as door
from neurodev.formats.asked import times_of
from neurodev.formats.cells import numbers, plain, told
from neurodev.formats.grid import Column, Grid, concatenated, listed
from neurodev.formats.shapes import joined_words, kept_columns, lives_of
from neurodev.metrics.turnover import Changes, SurvivalCurve
from neurodev.params import asks, check_memory, flag, of_type, one_of, or_none
from neurodev.runs.history import History
from neurodev.runs.sightings import rising

Name = str | int | None
Columns = str | int | Sequence[str | int] | None


class Counts(Card):
    """How many there were on each dendrite in each session, and how many came and went since the one before.

    Parameters
    ----------
    total : (n, n_session) array_like
        Numbers, or densities; NaN where a dendrite was not looked at.
    sessions : (n_session,) array_like, `unit`
        Rising times.
    gained, lost : (n, n_session) array_like, optional
        Since the session before in which the dendrite was looked at; NaN in its first.
    ident : (n,) array_like, optional
        Names of the dendrites.
    columns : mapping of str to (n,) array, optional
    unit, title : str
    notes : sequence of str

    Raises
    ------
    ParameterError
        For shapes that do not fit, and negative numbers.

    Examples
    --------
    >>> c = Counts([[10, 11], [20, 18]], [0, 4], gained=[[np.nan, 2], [np.nan, 1]], lost=[[np.nan, 1], [np.nan, 3]])
    >>> c.changes().turnover_ratio.round(3).tolist()
    [0.119]
    """

    def __init__(
        self,
        total: ArrayLike,
        sessions: ArrayLike,
        *,
        gained: ArrayLike | None = None,
        lost: ArrayLike | None = None,
        ident: ArrayLike | None = None,
        columns: Mapping[str, ArrayLike] | None = None,
        unit: str = "day",
        title: str = "",
        notes: Sequence[str] = (),
    ) -> None:
        self.sessions = rising(sessions, "sessions")
        self.total = _table(total, "total", self.sessions.size)
        n = len(self.total)
        nothing = np.full(self.total.shape, np.nan)
        self.gained = nothing if gained is None else _table(gained, "gained", self.sessions.size, n)
        self.lost = nothing.copy() if lost is None else _table(lost, "lost", self.sessions.size, n)
        self.ident = np.arange(n) if ident is None else _names(ident, n)
        self.columns = _columns(columns, n)
        self.unit, self.title = door.a_text(unit, "unit"), door.a_text(title, "title")
        if not isinstance(notes, (list, tuple)) or not all(isinstance(x, str) for x in notes):
            raise ParameterError(f"notes must be a list of sentences, got {shown(notes)}")
        self.notes = tuple(notes)

    @classmethod
    @asks(history=of_type(History, what="a history"), by=or_none(lambda v, w: door.column(v, w)))
    def of_history(cls, history: History, by: str | None = "dendrite") -> Counts:
        """Of a history: what would be left of it if only numbers per dendrite were published.

        Parameters
        ----------
        history : History
        by : str, optional
            The column of dendrites; all are one if None.
        """
        here, look = history.present(), history.looked
        of = np.zeros(len(history), dtype=np.int64) if by is None else history.column(str(by))
        names, which = np.unique(of, return_inverse=True)
        shape = (names.size, history.sessions.size)
        total, gained, lost = np.zeros(shape), np.full(shape, np.nan), np.full(shape, np.nan)
        np.add.at(total, which, here.astype(float))
        if look is not None:
            seen = np.zeros(shape)
            np.add.at(seen, which, look.astype(float))
            total[seen == 0] = np.nan
        for i in range(names.size):
            past = -1
            mine = here[which == i]
            for k in np.flatnonzero(np.isfinite(total[i])).tolist():
                if past >= 0:
                    gained[i, k] = (mine[:, k] & ~mine[:, past]).sum()
                    lost[i, k] = (mine[:, past] & ~mine[:, k]).sum()
                past = k
        return cls(
            total, history.sessions, gained=gained, lost=lost, ident=names, unit=history.unit, title=history.title
        )

    def __len__(self) -> int:
        return len(self.total)

    def _words(self) -> str:
        name = f"{card.told(self.title)}, " if self.title else ""
        return f"Counts({name}{len(self):,} dendrites, {self.sessions.size} sessions in {self.unit}s)"

    def _rows(self) -> Rows:
        at = self.sessions
        return [
            ("title", self.title or "none"), ("dendrites", f"{len(self):,}"),
            ("sessions", f"{at.size:,}, from {at[0]:g} to {at[-1]:g} {self.unit}s" if at.size else "none"),
            ("columns", named(self.columns, 12) or "none"), ("notes", f"{len(self.notes)}"),
        ]  # fmt: skip

    def number(self) -> F8:
        """Sum over the dendrites that were looked at, (n_session,)."""
        return np.asarray(np.nansum(self.total, axis=0))

    def changes(self) -> Changes:
        """Gains, losses and turnover from session to session, as `metrics.turnover.session_changes` defines them.

        An interval counts the dendrites that were looked at in both of its sessions, with their gains and losses known.
        """
        gained, lost, before, after = self._pairs()
        g, x, a, b = (v.sum(axis=0) for v in (gained, lost, before, after))
        with np.errstate(divide="ignore", invalid="ignore"):
            into, out = np.where(a > 0, g / a, np.nan), np.where(a > 0, x / a, np.nan)
            ratio = np.where(a + b > 0, (g + x) / (a + b), np.nan)
        return Changes(self.number(), g, x, into, out, ratio)  # type: ignore[arg-type]

    def survival(self) -> SurvivalCurve:
        """Share that survives from the first session on, interval by interval, of all who live at each beginning.

        It is what Kaplan-Meier with delayed entry makes of lives whose time is that of the calendar: old and young
        stand together at risk, since counts do not tell them apart.  In a population where the young die sooner it
        lies below the survival of those who were there at the start.
        """
        _, lost, before, _ = self._pairs()
        n, d = before.sum(axis=0), lost.sum(axis=0)
        at, known = self.sessions[1:] - self.sessions[0], n > 0
        n, d, at = n[known], d[known], at[known]
        value = np.cumprod(1.0 - d / n)
        with np.errstate(divide="ignore", invalid="ignore"):
            terms = d / (n * (n - d))
            error = value * np.sqrt(np.cumsum(np.where(np.isfinite(terms), terms, 0.0)))
        return SurvivalCurve(at, value, error, n, float(at[-1]) if at.size else float("nan"))

    def _pairs(self) -> tuple[F8, F8, F8, F8]:
        """Gains, losses, numbers before and after, (n, n_session - 1) each; 0 where one of them is not known."""
        before, after = self.total[:, :-1], self.total[:, 1:]
        gained, lost = self.gained[:, 1:], self.lost[:, 1:]
        known = np.isfinite(before) & np.isfinite(after) & np.isfinite(gained) & np.isfinite(lost)
        gained, lost, before, after = (np.where(known, v, 0.0) for v in (gained, lost, before, after))
        return gained, lost, before, after

    def to_pandas(self) -> Any:
        """One row for each dendrite and session that was looked at (see `read_counts`)."""
        import pandas as pd

        row, session = np.nonzero(np.isfinite(self.total))
        return pd.DataFrame(
            {
                "dendrite": self.ident[row], "session": self.sessions[session], "total": self.total[row, session],
                "gained": self.gained[row, session], "lost": self.lost[row, session],
                **{k: v[row] for k, v in self.columns.items()},
            }
        )  # fmt: skip


def _names(given: Any, n: int) -> NDArray[Any]:
    """Names (n,), each once."""
    a = door.array(given)
    if a.shape != (n,) or a.dtype.kind not in "iuUS" or np.unique(a).size != n:
        raise ParameterError(f"ident must name each of {n} dendrites, once each, got {shown(given)}")
    return a


def _columns(given: Any, n: int) -> dict[str, NDArray[Any]]:
    if given is None:
        return {}
    found = {str(k): np.asarray(v) for k, v in given.items()} if isinstance(given, Mapping) else {"": np.zeros(n + 1)}
    if any(v.shape[:1] != (n,) for v in found.values()):
        raise ParameterError(f"columns must hold a value for each of {n} dendrites, got {shown(given)}")
    return found


def _table(given: ArrayLike, where: str, m: int, n: int | None = None) -> F8:
    try:
        a = np.asarray(given, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        raise ParameterError(f"{where} must be numbers, (n, {m}), got {shown(given)}") from None
    if a.ndim != 2 or a.shape[1] != m or n is not None and len(a) != n or (a < 0).any() or np.isinf(a).any():
        raise ParameterError(
            f"{where} must be (n, {m}), finite and not negative, NaN where unknown, got {shown(given)}"
        )
    return a


def read_counts(
    path: Any, preset: str | None = None, *, dendrite: Columns = None, session: Name = None, total: Name = None,
    gained: Name = None, lost: Name = None, rates: Any = None, days: Any = None, na: Any = None,
    decimal: str | None = None, sheet: Name = None, header: bool | int | None = None, delimiter: str | None = None,
    fill: Columns = None, unit: str | None = None, title: str | None = None,
) -> Counts:  # fmt: skip
    """Numbers per dendrite and session: what is left of imaging where no spine has a name.

    Parameters
    ----------
    path : a file, a folder, a pattern or a list of files, or a frame
    preset : ``"kwan"``, which gives the arguments below; what you say goes before
    dendrite : the column, or the columns together, that name a dendrite
    session : the column of sessions
    total : the column of numbers, or of densities
    gained, lost : columns of what came and what went since the session before, if they are there
    rates : True: gains and losses are shares of the number before; ``"percent"``: percents of it
    days : times of the sessions in order, by their words, or a column of them
    na, decimal, sheet, header, delimiter, fill, unit, title : as in `read_sessions`

    Returns
    -------
    Counts
        Its ``notes`` say by row what could not be read, and where gains and losses do not explain the change.

    Raises
    ------
    ParameterError
        With the columns that there are.

    Examples
    --------
    >>> import pandas as pd
    >>> t = pd.DataFrame({"d": ["a", "a"], "day": [0, 4], "n": [10, 11], "new": [0, 2], "gone": [0, 1]})
    >>> read_counts(t, dendrite="d", session="day", total="n", gained="new", lost="gone").changes().lost.tolist()
    [1.0]
    """
    return _read(**locals())


def _read(path: Any, preset: Any, **given: Any) -> Counts:
    files, of_path, notes = door.sources(path)
    form = door.preset_of(preset, "read_counts")
    wanted = {k: v for k, v in given.items() if v is not None}
    wanted = {**form.given, **wanted} if form is not None else wanted
    columns: dict[str, Column] = {
        w: door.column(wanted[w], w) for w in ("session", "total", "gained", "lost") if w in wanted
    }
    dendrite = door.column_list(wanted["dendrite"], "dendrite") if "dendrite" in wanted else None
    na, days = door.some_words(wanted.get("na", ()), "na"), door.days_of(wanted.get("days"))
    decimal = one_of(wanted["decimal"], "decimal", (".", ",")) if "decimal" in wanted else ""
    unit, title = door.a_text(wanted.get("unit", "day"), "unit"), door.title_of(path, wanted)
    rates = wanted.get("rates", False)
    share = 100.0 if isinstance(rates, str) and rates == "percent" else 1.0 if flag(rates, "rates") else 0.0
    how = {
        "sheet": door.a_sheet(wanted.get("sheet")), "header": door.a_header(wanted.get("header")),
        "delimiter": door.a_delimiter(wanted.get("delimiter")),
    }  # fmt: skip
    if of_path is not None:
        raise ParameterError(f"path: counts need a column of sessions, not times of files, got {shown(path)}")
    grids = door.loaded(files, **how)
    if "fill" in wanted:
        grids = [g.filled(door.column_list(wanted["fill"], "fill")) for g in grids]
    grid = concatenated(grids) if len(grids) > 1 else grids[0]
    own: dict[str, Column] = {w: w for w in ("session", "total", "gained", "lost") if grid.has(w)}
    columns = {**own, **columns}
    dendrite = dendrite or (["dendrite"] if grid.has("dendrite") else None)
    if dendrite is None or not {"session", "total"} <= set(columns):
        missing = [
            w for w in ("dendrite", "session", "total") if (dendrite if w == "dendrite" else columns.get(w)) is None
        ]
        raise ParameterError(
            f"{missing[0]} must say which column of {grid.source} it is: it has {listed(grid.names)}, got None"
        )
    found = _gathered(grid, dendrite, columns, days, na, decimal, unit, share)
    found.title, found.notes = title, (*notes, *found.notes)
    return found


def _gathered(
    grid: Grid,
    dendrite: list[Column],
    columns: dict[str, Any],
    days: Any,
    na: Any,
    decimal: str,
    unit: str,
    share: float,
) -> Counts:
    """Tables (n, n_session) of a list of rows."""
    ident = joined_words(grid, dendrite, "dendrite")
    column = grid.pick(days if isinstance(days, str) else columns["session"], "session")
    days = None if isinstance(days, str) else days
    at, sessions, notes = times_of(grid.columns[column], days, grid.line, grid.source, unit)
    values: dict[str, F8] = {}
    for word in ("total", "gained", "lost"):
        if word not in columns:
            continue
        name = grid.pick(columns[word], word)
        found = numbers(grid.columns[name], na, decimal)
        bad = found.bad | (found.value < 0)
        values[word] = np.where(bad, np.nan, found.value)
        if bad.any():
            notes.append(
                told(grid.line[bad], f"have no {word}: {name!r} is no number that can be", grid.columns[name][bad])
            )
    keep = (ident != "") & np.isfinite(at)
    if (lost := ident == "").any():
        notes.append(told(grid.line[lost], "are left out, without a dendrite"))
    if not keep.any() or not np.isfinite(values["total"][keep]).any():
        raise ParameterError(f"total: no row of {grid.source} could be read: {'; '.join(notes) or 'all are empty'}")
    part = grid.keep(keep)
    which, first = lives_of(ident[keep])
    session = np.searchsorted(sessions, at[keep])
    pair, row = np.unique(which * sessions.size + session, return_index=True)
    if pair.size < which.size:
        k = np.setdiff1d(np.arange(which.size), row)
        raise ParameterError(
            f"dendrite: row {part.line[k[0]]} of {grid.source} is of a dendrite and session that stand above "
            f"({str(ident[keep][k[0]])!r}): name more columns that tell dendrites apart, of {listed(grid.names)}"
        )
    check_memory(24.0 * first.size * sessions.size, f"{first.size} dendrites in {sessions.size} sessions", "read fewer")
    tables = {w: np.full((first.size, sessions.size), np.nan) for w in ("total", "gained", "lost")}
    for word, v in values.items():
        tables[word][which, session] = v[keep]
    line = np.zeros(tables["total"].shape, dtype=np.int64)
    line[which, session] = part.line
    _since_before(tables, share)
    if not share:
        notes += _unexplained(tables, line)
    used = {column, *(part.pick(c, "") for c in columns.values()), *([dendrite[0]] if len(dendrite) == 1 else [])}
    kept, _ = kept_columns(part, door.Asked(), which, first, {part.pick(c, "") for c in used})
    return Counts(
        tables["total"], sessions, gained=tables["gained"], lost=tables["lost"], ident=plain(ident[keep][first], False),
        columns=kept, unit=unit, notes=(*grid.notes, *notes),
    )  # fmt: skip


def _since_before(tables: dict[str, F8], share: float) -> None:
    """Numbers in place of shares of the number before; nothing came or went before the first session of a dendrite."""
    total = tables["total"]
    before = np.full(len(total), np.nan)
    for k in range(total.shape[1]):
        for word in ("gained", "lost"):
            t = tables[word][:, k]
            tables[word][:, k] = np.where(np.isnan(before), np.nan, t * before / share if share else t)
        before = np.where(np.isfinite(total[:, k]), total[:, k], before)


def _unexplained(tables: dict[str, F8], line: NDArray[np.int64]) -> list[str]:
    """A note on rows whose number is not the one before, and what came, without what went."""
    total, gained, lost = tables["total"], tables["gained"], tables["lost"]
    before = total[:, :-1].copy()
    for k in range(1, before.shape[1]):
        before[:, k] = np.where(np.isnan(before[:, k]), before[:, k - 1], before[:, k])
    off = np.abs(before + gained[:, 1:] - lost[:, 1:] - total[:, 1:]) > 1e-6
    rows = np.sort(line[:, 1:][off])
    return [told(rows, "have a total that is not the one before, plus gained, less lost")] if rows.size else []

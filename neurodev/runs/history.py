"""Who was there when: of a run, of a training, of a microscope, or of connectomes at several ages.

Whatever lives and dies (a spine, a synapse, a connection) is one row.  Its birth and its death are intervals: a run
knows them to a tick, imaging to the sessions around them, and who was there from the start has no birth that anybody
saw.  A session in which a place was not looked at says nothing of it, which is not the same as absence.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neurodev import rng
from neurodev.arrays import B1, F8, I8
from neurodev.errors import ParameterError, nearest, shown
from neurodev.metrics import turnover
from neurodev.noise import normals_of
from neurodev.params import check_memory, number, of_type, one_of, or_none
from neurodev.runs import coding
from neurodev.runs.asking import METHODS, Asking, curve
from neurodev.runs.export import export
from neurodev.runs.sightings import (
    Seen,
    apart,
    array_of,
    as_looked,
    at_place,
    between,
    checked,
    identities,
    intervals,
    middle,
    nothing_seen,
    rising,
)
from neurodev.structure.cause import Causes

KINDS = ("all", "newborn", "standing")


class History(Asking):
    """Lives, and what was seen of them.

    Parameters
    ----------
    born, died : (n, 2) array_like, `unit`
        Birth lies after the first and not after the second of two times, and so does death.  Minus infinity: it was
        there when watching began.  Infinity: it was there when watching ended.
    end : float
        When watching ended.
    ident : (n,) array_like, optional
        Identities, each once; rows are numbered if not given.
    sessions : (n_session,) array_like
        Times at which sizes were taken, rising.
    seen : Seen, optional
    looked : (n, n_session) bool array_like, optional
        Whether the place of each was looked at in each session; everywhere and always if not given.
    columns : mapping of str to (n,) array
        What else is known of each: ``cell``, ``dendrite``, ``pre``, ``post``, ``place`` (um), ``cause`` ...
    unit : str
        Of all times: ``"day"``, ``"hour"``, ``"epoch"``.
    size_unit : str
        What sizes are: ``"ln"`` of them is taken wherever a metric asks for it.
    title : str
    notes : sequence of str
        What could not be read, and what was assumed.
    causes : Causes, optional
        What the words of the column ``cause`` mean, with their colours.

    Attributes
    ----------
    start : float
        The first session, or 0.

    Raises
    ------
    ParameterError
        Naming the argument and the first row that cannot be.

    Examples
    --------
    >>> h = History.of_sessions([[1.0, 2.0, np.nan], [np.nan, 1.5, 1.0]], sessions=[0, 4, 8])
    >>> h.died.tolist()
    [[4.0, 8.0], [8.0, inf]]
    >>> h.number([0, 4, 8]).tolist()
    [1, 2, 1]
    """

    def __init__(
        self,
        born: ArrayLike,
        died: ArrayLike,
        end: float,
        *,
        ident: ArrayLike | None = None,
        sessions: ArrayLike = (),
        seen: Seen | None = None,
        looked: ArrayLike | None = None,
        columns: Mapping[str, ArrayLike] | None = None,
        unit: str = "day",
        size_unit: str = "",
        title: str = "",
        notes: Sequence[str] = (),
        causes: Causes | None = None,
    ) -> None:
        words = of_type(str, what="a text")
        self.unit, self.size_unit = words(unit, "unit"), words(size_unit, "size_unit")
        self.title = words(title, "title")
        self.born, self.died = intervals(born, "born"), intervals(died, "died")
        if self.born.shape != self.died.shape:
            raise ParameterError(f"born and died must have a row each, got {len(self.born)} and {len(self.died)}")
        wrong = np.flatnonzero(self.died[:, 1] < self.born[:, 0])
        if wrong.size:
            k = int(wrong[0])
            raise ParameterError(f"row {k} dies before it is born: born {self.born[k]}, died {self.died[k]}")
        n = len(self.born)
        self.sessions = rising(sessions, "sessions")
        self.end = number(end, "end", unit)
        self.start = float(self.sessions[0]) if self.sessions.size else min(0.0, self.end)
        self.ident = np.arange(n) if ident is None else identities(ident, n)
        self.seen = nothing_seen() if seen is None else checked(seen, n, self.sessions.size)
        self.looked = None if looked is None else as_looked(looked, n, self.sessions.size)
        self.columns: dict[str, NDArray[Any]] = {}
        if columns is not None and not isinstance(columns, Mapping):
            raise ParameterError(f"columns must be a dictionary of arrays, got {shown(columns)}")
        for name, values in (columns or {}).items():
            a = array_of(values, f"column {name!r}")
            if a.shape[:1] != (n,):
                raise ParameterError(f"column {name!r} must have a value for each of {n} rows, got shape {a.shape}")
            self.columns[str(name)] = a
        if not isinstance(notes, (list, tuple)):
            raise ParameterError(f"notes must be a list of texts, got {shown(notes)}")
        self.notes = tuple(words(x, "notes") for x in notes)
        self.causes: Causes | None = or_none(of_type(Causes, what="a list of causes"))(causes, "causes")

    # ------------------------------------------------------------------ makers

    @classmethod
    def of_sessions(
        cls,
        seen: ArrayLike,
        sessions: ArrayLike,
        *,
        looked: ArrayLike | None = None,
        present: ArrayLike | None = None,
        again: str = "same",
        **more: Any,
    ) -> History:
        """Of a table with a row for each and a column for each session.

        Parameters
        ----------
        seen : (n, n_session) array_like
            Sizes, NaN or 0 where absent; or whether it was there.
        sessions : (n_session,) array_like
            Times of the sessions, rising.
        looked : (n, n_session) or (n_session,) bool array_like, optional
        present : (n, n_session) bool array_like, optional
            Whether each was there, where sizes do not tell: one that is there may have no size (NaN).
        again : {"same", "new"}
            What is absent and comes back was overlooked meanwhile, or is another one each time (its identity gets a
            mark: ``"12'"``).
        **more
            As for `History`; rows that nobody ever saw are left out, and told of in the notes.

        Raises
        ------
        ParameterError
            For shapes that do not fit, and sizes below 0.
        """
        one_of(again, "again", ("same", "new"))
        at = rising(sessions, "sessions")
        size = np.asarray(seen)
        if size.ndim != 2 or size.shape[1] != at.size:
            raise ParameterError(f"seen must be (n, {at.size}), a column for each session, got shape {size.shape}")
        measured = size.dtype.kind == "f" or (size.dtype.kind in "iu" and size.size and size.max() > 1)
        size = size.astype(np.float64)
        if (size < 0).any():
            raise ParameterError(f"sizes must not be negative, got {np.nanmin(size):g}: give exp of logarithms")
        here = np.isfinite(size) & (size > 0)
        here = here if present is None else as_looked(present, len(here), at.size, "present")
        where = np.ones(here.shape, bool) if looked is None else as_looked(looked, len(here), at.size)
        if (here & ~where).any():
            i, k = np.argwhere(here & ~where)[0]
            raise ParameterError(f"row {i} was seen in session {k} ({at[k]:g}), which was not looked at there")
        names = identities(more.pop("ident", None), len(here)) if more.get("ident") is not None else None
        names = np.arange(len(here)) if names is None else names
        columns = {k: np.asarray(v) for k, v in (more.pop("columns", None) or {}).items()}
        if again == "new":
            here, size, where, names, columns = apart(here, size, where, names, columns)
        ever = here.any(axis=1)
        if not ever.all():
            more["notes"] = (*more.get("notes", ()), f"{int((~ever).sum())} rows were never seen and are left out")
            here, size, where, names = here[ever], size[ever], where[ever], names[ever]
            columns = {k: v[ever] for k, v in columns.items()}
        born, died = between(here, where, at)
        row, session = np.nonzero(here)
        order = np.argsort(session, kind="stable")
        row, session = row[order], session[order]
        found = Seen(session, row, size[row, session] if measured else np.full(row.size, np.nan))
        end = float(at[-1]) if at.size else 0.0
        return cls(
            born, died, end, ident=names, sessions=at, seen=found, looked=None if where.all() else where,
            columns=columns, **more,
        )  # fmt: skip

    @classmethod
    def of_lives(cls, first: ArrayLike, last: ArrayLike, sessions: ArrayLike | None = None, **more: Any) -> History:
        """Of the times at which each was seen first and last.

        Parameters
        ----------
        first, last : (n,) array_like
            Each the time of a session.
        sessions : (n_session,) array_like, optional
            Those that there were; those at which something was seen first or last if not given.
        **more
            As for `of_sessions`.

        Raises
        ------
        ParameterError
            Where a time is that of no session, or the last lies before the first.
        """
        a, b = (np.asarray(x, dtype=np.float64) for x in (first, last))
        at = np.unique(np.concatenate([a, b])) if sessions is None else rising(sessions, "sessions")
        wrong = ~np.isin(a, at) | ~np.isin(b, at) | (b < a)
        if wrong.any():
            k = int(np.argmax(wrong))
            raise ParameterError(f"row {k}: first {a[k]:g} and last {b[k]:g} must be sessions, of {shown(at.tolist())}")
        return cls.of_sessions((at >= a[:, None]) & (at <= b[:, None]), at, **more)

    @classmethod
    def of_edges(cls, tables: Sequence[Any], ages: ArrayLike, **more: Any) -> History:
        """Of connections between cells with names, at several ages.

        Parameters
        ----------
        tables : sequence of (pre, post) or (pre, post, size)
            Of each age: arrays (n_edge,) of the names of cells, and of sizes (or numbers of synapses), which are
            summed where a connection is listed several times; NaN where one was not measured.
        ages : (n_age,) array_like
        **more
            As for `of_sessions`.
        """
        at = rising(ages, "ages")
        if len(tables) != at.size:
            raise ParameterError(f"tables must be one for each of {at.size} ages, got {len(tables)}")
        found: dict[tuple[str, str], F8] = {}
        for k, table in enumerate(tables):
            pre, post, *rest = (np.asarray(x) for x in table)
            size = rest[0].astype(np.float64) if rest else np.ones(pre.size)
            for a, b, s in zip(pre.tolist(), post.tolist(), size.tolist(), strict=True):
                found.setdefault((str(a), str(b)), np.zeros(at.size))[k] += s
        pairs = sorted(found)
        size = np.array([found[p] for p in pairs]).reshape(len(pairs), at.size)
        columns = {"pre": np.array([a for a, _ in pairs]), "post": np.array([b for _, b in pairs])}
        columns |= dict(more.pop("columns", None) or {})
        names = np.array([f"{a}>{b}" for a, b in pairs])
        return cls.of_sessions(size, at, present=size != 0.0, ident=names, columns=columns, **more)

    # ------------------------------------------------------------------ looking

    def __len__(self) -> int:
        return len(self.born)

    @property
    def birth(self) -> F8:
        """When each was born, in the middle of what is known, (n,); NaN of those who were there from the start."""
        return middle(self.born)

    @property
    def death(self) -> F8:
        """When each died, in the middle of what is known, (n,); NaN of those who live."""
        return middle(self.died)

    @property
    def standing(self) -> B1:
        """Whether each was there when watching began, (n,): its age is not known."""
        return np.asarray(np.isinf(self.born[:, 0]))

    def column(self, name: str) -> NDArray[Any]:
        """What is known of each, (n,).

        Raises
        ------
        ParameterError
            With what there is.
        """
        if name not in self.columns:
            raise ParameterError(f"no column {name!r}; there are {sorted(self.columns)}{nearest(name, self.columns)}")
        return self.columns[name]

    def alive(self, t: float) -> B1:
        """Who lives at a time, (n,): births and deaths stand in the middle of what is known of them."""
        born = np.where(self.standing, -np.inf, self.birth)
        died = np.where(np.isfinite(self.died[:, 1]), self.death, np.inf)
        return np.asarray((born <= t) & (t < died))

    def number(self, times: ArrayLike) -> I8:
        """How many live at each of some times, (n_time,)."""
        at = np.atleast_1d(np.asarray(times, dtype=np.float64))
        born = np.sort(np.where(self.standing, -np.inf, self.birth))
        died = np.sort(self.death[np.isfinite(self.died[:, 1])])
        return np.searchsorted(born, at, side="right") - np.searchsorted(died, at, side="right")

    def present(self) -> B1:
        """Whether each was seen in each session, (n, n_session)."""
        check_memory(float(len(self)) * self.sessions.size, "a table of lives and sessions", "select() fewer")
        out = np.zeros((len(self), self.sessions.size), dtype=np.bool_)
        out[self.seen.row, self.seen.session] = True
        return out

    def sizes(self) -> F8:
        """Sizes, (n, n_session); NaN where absent, or not measured."""
        check_memory(8.0 * len(self) * self.sessions.size, "a table of sizes", "select() fewer")
        out = np.full((len(self), self.sessions.size), np.nan)
        out[self.seen.row, self.seen.session] = self.seen.size
        return out

    def log_sizes(self) -> F8:
        """Natural logarithm of the sizes, (n, n_session); NaN where absent, not measured, or 0."""
        with np.errstate(divide="ignore", invalid="ignore"):
            out = np.log(self.sizes())
        out[~np.isfinite(out)] = np.nan
        return out

    # ------------------------------------------------------------------ choosing

    def select(self, which: Any = None, **where: Any) -> History:
        """The history of some.

        Parameters
        ----------
        which : mask or indices, (n,) or fewer, optional
        **where
            Values of columns: ``select(cell="a", dendrite=[1, 2])``.
        """
        keep = np.ones(len(self), dtype=bool)
        if which is not None:
            a = np.asarray(which)
            if a.dtype == bool and a.shape != keep.shape:
                raise ParameterError(f"which must be a mask of {len(self)} entries or indices, got shape {a.shape}")
            keep = a.copy() if a.dtype == bool else np.isin(np.arange(len(self)), a)
        for name, value in where.items():
            values = value if isinstance(value, (list, tuple, set, np.ndarray)) else [value]
            keep &= np.isin(self.column(name), list(values))
        new = np.cumsum(keep) - 1
        mine = keep[self.seen.row]
        seen = Seen(self.seen.session[mine], new[self.seen.row[mine]], self.seen.size[mine])
        return self._with(
            self.born[keep], self.died[keep], ident=self.ident[keep], seen=seen,
            looked=None if self.looked is None else self.looked[keep],
            columns={k: v[keep] for k, v in self.columns.items()},
        )  # fmt: skip

    def by(self, name: str) -> dict[Any, History]:
        """A history for each value of a column, called by it: ``"cell 3"``."""
        values = self.column(name)
        parts = {v: self.select(values == v) for v in np.unique(values).tolist()}
        for value, part in parts.items():
            part.title = f"{name} {value}"
        return parts

    def _with(self, born: F8, died: F8, **other: Any) -> History:
        same: dict[str, Any] = {
            "end": self.end, "sessions": self.sessions, "unit": self.unit, "size_unit": self.size_unit,
            "title": self.title, "notes": self.notes, "causes": self.causes,
        }  # fmt: skip
        return History(born, died, **{**same, **other})

    def image(
        self, sessions: ArrayLike, *, noise: float = 0.0, looked: ArrayLike | None = None, seed: int = 1
    ) -> History:
        """What a microscope would have seen of it.

        Parameters
        ----------
        sessions : (n_session,) array_like
            Times of the sessions, rising.
        noise : float
            Standard deviation of the measured ln size about the true one.
        looked : (n_session,) or (n, n_session) bool array_like, optional
            Where nobody looks nothing is known.
        seed : int
            Of the noise.

        Returns
        -------
        History
            Births and deaths are known to the sessions around them; a size is that of the last session of this history
            that is not later (the first if there is none).
        """
        at = rising(sessions, "sessions")
        here = np.array([self.alive(t) for t in at]).T.reshape(len(self), at.size)
        if looked is not None:
            here &= as_looked(looked, len(self), at.size)
        size = np.where(here, 1.0, np.nan)
        if self.seen.row.size and np.isfinite(self.seen.size).any():
            mine = self.sizes()
            column = np.clip(np.searchsorted(self.sessions, at, side="right") - 1, 0, None)
            found = mine[:, column]
            known = np.array([np.isfinite(row).any() for row in mine])
            # who was born after one session and died before the next has no size of its own
            first = np.where(known, np.argmax(np.isfinite(mine), axis=1), 0)
            found = np.where(np.isfinite(found), found, mine[np.arange(len(self)), first][:, None])
            if noise > 0.0:
                for k in range(at.size):
                    z = normals_of(rng.key(seed, "imaging"), np.arange(len(self)).astype(np.uint64), k)
                    found[:, k] *= np.exp(noise * z)
            size = np.where(here, np.where(np.isfinite(found), found, 1.0), np.nan)
        return History.of_sessions(
            size, at, looked=looked, ident=self.ident, columns=self.columns, unit=self.unit, size_unit=self.size_unit,
            title=self.title, causes=self.causes,
        )  # fmt: skip

    # ------------------------------------------------------------------ asking

    def lives(self, kind: str = "newborn", place: float = 0.5) -> turnover.Lives:
        """Durations and whether they ended, as `metrics.turnover.kaplan_meier` takes them.

        Parameters
        ----------
        kind : {"newborn", "standing", "all"}
            Those whose birth was seen; those who were there from the start, from then on; both.
        place : float
            Where in the interval that is known a birth or a death is put: 0 at its beginning, 1 at its end.
        """
        one_of(kind, "kind", KINDS)
        standing = self.standing
        mine = {"newborn": ~standing, "standing": standing, "all": np.ones(len(self), bool)}[kind]
        dead = np.isfinite(self.died[:, 1])
        born = np.where(standing, self.start, at_place(self.born, place))
        died = np.where(dead, at_place(self.died, place), np.maximum(self.died[:, 0], born))
        return turnover.Lives(np.maximum(died - born, 0.0)[mine], dead[mine], standing[mine])

    def survival(
        self, kind: str = "newborn", by: str | None = None, place: float = 0.5, method: str = "kaplan-meier"
    ) -> Any:
        """Share that lives on, by age (or by time since watching began, of the ``"standing"``).

        Parameters
        ----------
        kind, place
            As for `lives`.
        by : str, optional
            A column: one curve for each of its values (for cohorts and sizes see `bins`).
        method : {"kaplan-meier", "turnbull"}
            Deaths lie at `place` of what is known of them, or anywhere in it (`metrics.censored.turnbull`): births,
            and the steps of the curve, are at `place`.

        Returns
        -------
        SurvivalCurve, or a dict of them
        """
        one_of(method, "method", METHODS)
        if by is not None:
            return {v: h.survival(kind, place=place, method=method) for v, h in self.by(by).items()}
        return curve(self, kind, place, method)

    def changes(self) -> turnover.Changes:
        """Gains, losses and turnover from session to session."""
        return turnover.session_changes(self.present())

    def deaths_by_cause(self) -> dict[str, int]:
        """Number of the dead by the words of the column ``cause``."""
        words, count = np.unique(self.column("cause")[np.isfinite(self.died[:, 1])], return_counts=True)
        return dict(zip(words.tolist(), count.tolist(), strict=True))

    def graph(self, t: float) -> Any:
        """Who is connected at a time: a sparse matrix (n_pre, n_post) of sizes, and the names of its rows and columns.

        Sizes are those of the last session before; 1 where none were measured.
        """
        from scipy import sparse

        here = self.alive(t)
        pre, rows = np.unique(self.column("pre"), return_inverse=True)
        post, columns = np.unique(self.column("post"), return_inverse=True)
        weight = np.ones(len(self))
        past = self.sessions[self.seen.session] <= t
        weight[self.seen.row[past]] = self.seen.size[past]
        weight[~np.isfinite(weight)] = 1.0
        m = sparse.coo_array((weight[here], (rows[here], columns[here])), shape=(pre.size, post.size)).tocsr()
        return m, pre, post

    def story(self, ident: Any) -> str:
        """What is known of one, in a few sentences.

        Parameters
        ----------
        ident : identity, as in `ident`

        Raises
        ------
        ParameterError
            For one that is not there.
        """
        named = isinstance(ident, (str, int, float, np.generic)) and not isinstance(ident, bool)
        found = np.flatnonzero(self.ident == ident) if named else np.zeros(0, dtype=np.int64)
        if found.size != 1:
            raise ParameterError(f"no {shown(ident)} in this history of {len(self)}; its identities are in .ident")
        return coding.of_one(self, int(found[0]))

    def plot(self) -> Any:
        """Lives, density, births and deaths by cause, survival, hazard, sizes and degrees in one figure.

        The pictures one by one: ``nd.plot.survival(history)`` and its like.
        """
        from neurodev.plot.together import overview

        return overview(self)

    # ------------------------------------------------------------------ going out

    def export(self, path: Any, kind: str | None = None, *, overwrite: bool = False, **options: Any) -> Any:
        """Write it in one of the formats; see `Run.export`."""
        return export(self, path, kind, overwrite, options)

    def report(self, path: Any, *others: History) -> Path:
        """Write an interactive page about this history, beside others of one unit: one HTML file and nothing else.

        Parameters
        ----------
        path : path
            The page; an existing one is replaced.
        *others : History

        Returns
        -------
        Path

        Raises
        ------
        ParameterError
            Without a life in it, for histories of different units, and for a path that holds something else.
        NeurodevError
            If Bokeh is not installed: ``pip install 'neurodev[report]'``.
        """
        from neurodev.plot import live

        for k, other in enumerate(others):
            if not isinstance(other, History):
                raise ParameterError(f"others[{k}] must be a History, got {shown(other)}")
        return live.write([live.Part(h, coding.of_history) for h in (self, *others)], path)

    def to_pandas(self) -> Any:
        """One row for each: identity, birth and death with their limits, and the columns."""
        import pandas as pd

        return pd.DataFrame(
            {
                "id": self.ident, "birth": self.birth, "death": self.death, "born_after": self.born[:, 0],
                "born_by": self.born[:, 1], "died_after": self.died[:, 0], "died_by": self.died[:, 1],
                **{k: list(v) if v.ndim > 1 else v for k, v in self.columns.items()},
            }
        )  # fmt: skip

    def to_sessions(self) -> Any:
        """One row for each session and who was seen in it: id, session, size and the columns (see `read_sessions`).

        Where places were not looked at, there is a column ``looked``, and a row for each of these with False.
        """
        import pandas as pd

        row, session, size = self.seen.row, self.seen.session, self.seen.size
        looked = {}
        if self.looked is not None:
            blind = np.nonzero(~self.looked)
            flag = np.arange(row.size + blind[0].size) < row.size
            row, session = np.concatenate([row, blind[0]]), np.concatenate([session, blind[1]])
            order = np.argsort(session, kind="stable")
            size = np.concatenate([size, np.full(blind[0].size, np.nan)])[order]
            row, session, looked = row[order], session[order], {"looked": flag[order]}
        rest = {k: list(v[row]) if v.ndim > 1 else v[row] for k, v in self.columns.items()}
        return pd.DataFrame({"id": self.ident[row], "session": self.sessions[session], "size": size, **looked, **rest})

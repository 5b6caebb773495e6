"""Births and deaths of a run, with their causes."""

from __future__ import annotations

import math
import warnings
from collections.abc import Collection, Mapping
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurodev.card import Card, Rows, named
from neurodev.errors import ParameterError, RunFileError, nearest, shown
from neurodev.params import asks, finite, number, of_type
from neurodev.record.runfile import RunFile
from neurodev.runs import described
from neurodev.structure.cause import Causes
from neurodev.structure.duration import lasting
from neurodev.structure.log import BIRTH, DEATH, LogBatch, concatenate, fill_partners, reordered
from neurodev.units import day as DAY

F8 = NDArray[np.float64]

BY_HAND = ("intervention", "lesion")
_BATCH = of_type(LogBatch, what="events of a log, such as run.log.all or run.log.batch(name)")


def name_in(thing: Any, known: Collection[str], what: str) -> str:
    """The name of a population or projection, given as such or as an object that bears it.

    Raises
    ------
    ParameterError
        For a name that is not among `known`, with the nearest.
    """
    word = thing if isinstance(thing, str) else getattr(thing, "name", None)
    if not isinstance(word, str) or word not in known:
        hint = nearest(word, known) if isinstance(word, str) else ""
        raise ParameterError(f"no {what} {shown(thing if word is None else word)}{hint}; this run has {sorted(known)}")
    return word


def select(batch: LogBatch, which: NDArray[np.bool_]) -> LogBatch:
    """Some events of a batch."""
    return LogBatch._make(column[which] for column in batch)


def moments_of(file: RunFile, what: str, name: str) -> tuple[NDArray[np.uint64], NDArray[np.bool_], F8]:
    """Who of a projection's ``"synapses"`` or a population's ``"neurons"`` was born or died by hand: who, died, days.

    Raises
    ------
    RunFileError
        If the columns do not belong together.
    """
    place = f"moments/{what}/{name}"
    if not file.length(f"{place}/who"):
        return np.zeros(0, dtype=np.uint64), np.zeros(0, dtype=bool), np.zeros(0)
    who, kind, life = (file.read(f"{place}/{column}") for column in ("who", "kind", "life"))
    fits = who.shape == kind.shape == life.shape and who.ndim == 1
    if not fits or not np.isin(kind, (BIRTH, DEATH)).all() or not np.all(life >= 0.0):
        raise RunFileError(f"the times of interventions on {name!r} do not belong together; the file is damaged")
    return who.astype(np.uint64), kind == DEATH, np.asarray(life, dtype=np.float64) / DAY


class Log(Card):
    """Births and deaths of a run, with their causes; `len` is their number.

    Parameters
    ----------
    file : RunFile
    sizes : mapping
        Number of sources and of targets of each projection of the run, in its order.
    tick_days : float, days
        Life time of a tick.
    causes : Causes
        The list that the codes in the log refer to.

    Examples
    --------
    >>> run.log.to_pandas().groupby("cause").size()
    >>> run.log.deaths_by_cause((1, 2))
    """

    def __init__(self, file: RunFile, sizes: Mapping[str, tuple[int, int]], tick_days: float, causes: Causes) -> None:
        self._file, self._known, self._tick_days = file, dict(sizes), tick_days
        self.causes = causes
        self._batches: dict[str, LogBatch] = {}

    def _words(self) -> str:
        text = f"Log({self._number()} of {named(map(repr, self._file.logged())) or 'no projection'}"
        return text + f", in ticks of {lasting(self._tick_days)})"

    def _number(self) -> str:
        return f"{self._file.log_bytes()[0]:,} births and deaths"  # as the file counts them

    def _rows(self) -> Rows:
        return [
            ("births and deaths", self._number), ("projections", lambda: named(self._file.logged())),
            ("tick", lasting(self._tick_days)), ("bytes", lambda: f"{self._file.log_bytes()[1]:,}"),
            ("numbers that decide a death", lambda: named(self.term_names) or "none"),
        ]  # fmt: skip

    def terms(self, projection: Any) -> dict[str, str]:
        """Unit of each number that may decide a death in one projection, by its name; columns of its ``terms``."""
        return self._file.terms(name_in(projection, self._known, "projection"))

    def batch(self, projection: Any) -> LogBatch:
        """All events of one projection, deaths with their partners: arrays (n_event,), see `LogBatch`."""
        name = name_in(projection, self._known, "projection")
        if name not in self._batches:
            with self._file.held():
                raw = self._file.log(name)
                self._look_at(name, raw)
                uid, pre, post, lane = described.synapses(self._file, f"initial/{name}", *self._known[name])
            if not np.isin(raw.uid[raw.kind == DEATH], np.concatenate([uid, raw.uid[raw.kind == BIRTH]])).all():
                raise self._file.damaged(f"the log of {name!r}", "a synapse dies that was never born")
            filled = fill_partners(raw, uid, pre, post)
            # the lane of a death, like its partners, is told by its birth
            lanes = fill_partners(raw._replace(pre=raw.lane.astype(np.uint32)), uid, lane.astype(np.uint32), post).pre
            self._batches[name] = filled._replace(lane=lanes.astype(np.result_type(lane, raw.lane)))
        return self._batches[name]

    def _look_at(self, name: str, batch: LogBatch) -> None:
        """What a log tells must be possible in this run."""
        what, born = f"the log of {name!r}", batch.kind == BIRTH
        if batch.cause.size and int(batch.cause.max()) >= len(self.causes.words):
            raise self._file.damaged(what, f"it names cause {int(batch.cause.max())} of {len(self.causes.words)}")
        if batch.tick.size and int(batch.tick.min()) < 0:
            raise self._file.damaged(what, f"something happened at tick {int(batch.tick.min())}")
        for end, index, most in zip(("pre", "post"), (batch.pre, batch.post), self._known[name], strict=True):
            described.check_index(self._file, what, end, index[born], most)

    @cached_property
    def term_names(self) -> tuple[str, ...]:
        """Names of the terms of all projections, sorted: the columns of ``all.terms``."""
        return tuple(sorted({term for name in self._names for term in self.terms(name)}))

    @cached_property
    def all(self) -> LogBatch:
        """All events of all projections, one projection after the other: arrays (n_event,)."""
        return concatenate(reordered(self.batch(n), tuple(self.terms(n)), self.term_names) for n in self._names)

    @cached_property
    def _names(self) -> list[str]:
        logged = set(self._file.logged())
        return [name for name in self._known if name in logged]

    @cached_property
    def projections(self) -> NDArray[np.str_]:
        """Name of the projection of each event in `all`, (n_event,)."""
        sizes = [self.batch(name).uid.size for name in self._names]
        return np.repeat(np.array(self._names, dtype=np.str_), np.array(sizes, dtype=np.int64))

    def __len__(self) -> int:
        return int(self.all.uid.size)

    @property
    def births(self) -> LogBatch:
        """Births only."""
        return select(self.all, self.all.kind == BIRTH)

    @property
    def deaths(self) -> LogBatch:
        """Deaths only."""
        return select(self.all, self.all.kind == DEATH)

    @asks(batch=_BATCH)
    def days(self, batch: LogBatch) -> F8:
        """Life time of each event, days (n_event,): that of its tick, and of an experimenter's deed its own."""
        return self._when(batch)[0]

    @cached_property
    def _moments(self) -> tuple[NDArray[np.uint64], F8]:
        """Who was born or died by hand (twice the uid, and one more at a death), ascending, and when, days."""
        names = {n.split("/")[2] for n in self._file.names("moments/synapses/") if n.count("/") == 3}
        found = [moments_of(self._file, "synapses", name) for name in self._known if name in names]
        if not found:
            return np.zeros(0, dtype=np.uint64), np.zeros(0)
        who, died, day = (np.concatenate(column) for column in zip(*found, strict=True))
        key = 2 * who + died
        order = np.argsort(key)
        return key[order], day[order]

    def _when(self, batch: LogBatch) -> tuple[F8, NDArray[np.bool_]]:
        """Life time of each event, days, and which of them happened between ticks; (n_event,) each."""
        day = np.asarray(batch.tick * self._tick_days, dtype=np.float64)
        key, when = self._moments
        if not key.size:
            return day, np.zeros(day.size, dtype=bool)
        wanted = 2 * batch.uid.astype(np.uint64) + (batch.kind == DEATH)
        at = np.minimum(np.searchsorted(key, wanted), key.size - 1)
        found = key[at] == wanted
        return np.where(found, when[at], day), found

    @asks(batch=_BATCH, t=finite("days"))
    def living_until(self, batch: LogBatch, t: float) -> LogBatch:
        """Events up to `t` (days); of an experimenter's those before `t`: he acts after what else happens then."""
        when, between = self._when(batch)
        slack = 1e-9 * max(t, 1.0)
        by_hand = [self.causes.code(c) for c in BY_HAND if c in self.causes]
        later = (np.isin(batch.cause, by_hand) | between) & (when >= t - slack)
        return select(batch, (when <= t + slack) & ~later)

    def deaths_by_cause(self, window: tuple[float, float] | None = None) -> dict[str, int]:
        """Number of deaths by cause, over the whole life or over `window` = (after, until) in days of life."""
        dead = self.deaths
        if window is not None:
            if not isinstance(window, (tuple, list, np.ndarray)):
                raise ParameterError(f"window must be (after, until) in days, got {shown(window)}")
            try:
                after, until = (number(w, "window") for w in window)
            except (TypeError, ValueError):
                after = until = math.nan
            if not after < until:
                raise ParameterError(f"window must be (after, until) in days with after < until, got {shown(window)}")
            when = self.days(dead)
            dead = select(dead, (when > after + 1e-9) & (when <= until + 1e-9))
        return self.causes.count(dead.cause)

    def by_cause(self) -> dict[str, int]:
        """Old name of `deaths_by_cause`."""
        warnings.warn("Log.by_cause is Log.deaths_by_cause now", DeprecationWarning, stacklevel=2)
        return self.deaths_by_cause()

    def to_pandas(self) -> Any:
        """The log as a data frame in order of time, one row for each birth or death, one column for each term."""
        import pandas as pd

        b = self.all
        order = np.argsort(b.tick, kind="stable")
        columns: dict[str, NDArray[Any]] = {
            "day": self.days(b), "tick": b.tick, "event": np.where(b.kind == DEATH, "death", "birth"), "uid": b.uid,
            "projection": self.projections, "cause": self.causes.names(b.cause), "pre": b.pre, "post": b.post,
            "lane": b.lane, "log_size": b.value,
        }  # fmt: skip
        for k, name in enumerate(self.term_names):
            columns[name if name not in columns else f"term_{name}"] = b.terms[:, k]
        return pd.DataFrame(columns).iloc[order].reset_index(drop=True)

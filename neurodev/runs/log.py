"""Births and deaths of a run, with their causes."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from neurodev.errors import ParameterError
from neurodev.structure.log import BIRTH, CAUSES, DEATH, LogBatch, concatenate, fill_partners

if TYPE_CHECKING:
    from neurodev.runs.run import Run

F8 = NDArray[np.float64]


_BY_HAND = [CAUSES.index(c) for c in ("intervention", "lesion")]


def _select(batch: LogBatch, which: NDArray[np.bool_]) -> LogBatch:
    return LogBatch._make(column[which] for column in batch)


def _living_until(batch: LogBatch, when: F8, t: float) -> LogBatch:
    """Events (`when`, days) up to `t`; an experimenter acts after the tick that his deeds are logged with."""
    slack = 1e-9 * max(t, 1.0)
    later = np.isin(batch.cause, _BY_HAND) & (when >= t - slack)
    return _select(batch, (when <= t + slack) & ~later)


class Log:
    """Births and deaths of a run, with their causes; `len` is their number.

    Examples
    --------
    >>> run.log.to_pandas().groupby("cause").size()
    >>> run.log.deaths_by_cause((10, 20))
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self._batches: dict[str, LogBatch] = {}

    def batch(self, projection: Any) -> LogBatch:
        """All events of one projection, deaths with their partners: arrays (n_event,), see `LogBatch`."""
        name = self._run.projection(projection)["name"]
        if name not in self._batches:
            f = self._run.file
            raw = f.log(name)
            uid, pre, post, lane = (f.read(f"initial/{name}/{k}") for k in ("uid", "pre", "post", "lane"))
            filled = fill_partners(raw, uid, pre, post)
            # the lane of a death, like its partners, is told by its birth
            lanes = fill_partners(raw._replace(pre=raw.lane.astype(np.uint32)), uid, lane.astype(np.uint32), post).pre
            self._batches[name] = filled._replace(lane=lanes.astype(np.uint8))
        return self._batches[name]

    @cached_property
    def all(self) -> LogBatch:
        """All events of all projections, one projection after the other: arrays (n_event,)."""
        return concatenate(self.batch(name) for name in self._names)

    @cached_property
    def _names(self) -> list[str]:
        logged = set(self._run.file.logged())
        return [q["name"] for q in self._run.network["projections"] if q["name"] in logged]

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
        return _select(self.all, self.all.kind == BIRTH)

    @property
    def deaths(self) -> LogBatch:
        """Deaths only."""
        return _select(self.all, self.all.kind == DEATH)

    def days(self, batch: LogBatch) -> F8:
        """Life time of each event, days (n_event,)."""
        return np.asarray(batch.tick * self._run.tick_days, dtype=np.float64)

    def deaths_by_cause(self, window: tuple[float, float] | None = None) -> dict[str, int]:
        """Number of deaths by cause, over the whole life or over `window` = (after, until) in days of life."""
        dead = self.deaths
        if window is not None:
            after, until = (float(w) for w in window)
            if not after < until:
                raise ParameterError(f"window must be (after, until) in days with after < until, got {window!r}")
            when = self.days(dead)
            dead = _select(dead, (when > after + 1e-9) & (when <= until + 1e-9))
        count = np.bincount(dead.cause, minlength=len(CAUSES))
        return {c: int(k) for c, k in zip(CAUSES, count, strict=True) if k}

    def by_cause(self) -> dict[str, int]:
        """Number of deaths by cause over the whole life."""
        return self.deaths_by_cause()

    def to_pandas(self) -> Any:
        """The log as a data frame in order of time, one row for each birth or death."""
        import pandas as pd

        b = self.all
        order = np.argsort(b.tick, kind="stable")
        names = np.array(CAUSES)
        frame = pd.DataFrame(
            {
                "day": self.days(b), "tick": b.tick, "event": np.where(b.kind == DEATH, "death", "birth"), "uid": b.uid,
                "projection": self.projections, "cause": names[b.cause], "pre": b.pre, "post": b.post, "lane": b.lane,
                "log_size": b.value, "evidence": b.evidence, "trophic": b.trophic,
            }
        )  # fmt: skip
        return frame.iloc[order].reset_index(drop=True)

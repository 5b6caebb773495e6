"""The run that a user holds: the record, and what can be asked of it."""

from __future__ import annotations

import os
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurodev.errors import InvariantError, ParameterError, nearest
from neurodev.metrics import maps, maturation, sizes, spikes, turnover
from neurodev.record.runfile import RunFile
from neurodev.spines import Spines
from neurodev.structure.log import BIRTH, CAUSES, DEATH, LogBatch, concatenate, fill_partners
from neurodev.structure.verify import replay
from neurodev.units import day as DAY

F8 = NDArray[np.float64]


class Log:
    """Births and deaths of a run, with their causes."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._batches: dict[str, LogBatch] = {}

    def batch(self, projection: str) -> LogBatch:
        """All events of one projection, deaths with their partners."""
        if projection not in self._batches:
            f = self._run.file
            raw = f.log(projection)
            first = [f.read(f"initial/{projection}/{k}") for k in ("uid", "pre", "post")]
            self._batches[projection] = fill_partners(raw, *first)
        return self._batches[projection]

    @cached_property
    def all(self) -> LogBatch:
        """All events of all projections."""
        return concatenate(self.batch(name) for name in self._run.plastic)

    def __len__(self) -> int:
        return int(self.all.uid.size)

    @property
    def births(self) -> LogBatch:
        """Births only."""
        return LogBatch(*(c[self.all.kind == BIRTH] for c in self.all))

    @property
    def deaths(self) -> LogBatch:
        """Deaths only."""
        return LogBatch(*(c[self.all.kind == DEATH] for c in self.all))

    def days(self, batch: LogBatch) -> F8:
        """Life time of each event, days."""
        return np.asarray(batch.tick * self._run.tick_days, dtype=np.float64)

    def by_cause(self) -> dict[str, int]:
        """Number of deaths by cause."""
        count = np.bincount(self.deaths.cause, minlength=len(CAUSES))
        return {c: int(k) for c, k in zip(CAUSES, count, strict=True) if k}

    def to_pandas(self) -> Any:
        """The log as a data frame."""
        import pandas as pd

        b = self.all
        names = np.array(CAUSES)
        return pd.DataFrame(
            {
                "day": self.days(b), "tick": b.tick, "event": np.where(b.kind == DEATH, "death", "birth"), "uid": b.uid,
                "cause": names[b.cause], "pre": b.pre, "post": b.post, "lane": b.lane, "log_size": b.value,
                "evidence": b.evidence, "trophic": b.trophic,
            }
        )  # fmt: skip


class Run:
    """A finished (or still growing) run.

    Parameters
    ----------
    path : path
        The run file.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.file = RunFile.open(path)
        self.network: dict[str, Any] = self.file.item("network")
        self.provenance: dict[str, Any] = self.file.item("provenance")
        self.tick_days = self.file.item("tick") / DAY
        self.tick_spike: float = self.file.item("tick_spike")
        self.log = Log(self)

    def __repr__(self) -> str:
        return f"Run({str(self.path)!r}, {self.days:g} days of life, {len(self.plastic)} plastic projections)"

    # ------------------------------------------------------------------ names

    @property
    def plastic(self) -> list[str]:
        """Projections on spines."""
        return [q["name"] for q in self.network["projections"] if q["spines"]]

    def projection(self, name: str | None = None) -> dict[str, Any]:
        """Description of a projection; the first on spines if not named."""
        known = {q["name"]: q for q in self.network["projections"]}
        if name is None:
            if not self.plastic:
                raise ParameterError("this run has no projection on spines")
            name = self.plastic[0]
        if name not in known:
            raise ParameterError(f"no projection {name!r}{nearest(name, known)}; this run has {sorted(known)}")
        found: dict[str, Any] = known[name]
        return found

    def population(self, name: Any) -> dict[str, Any]:
        """Description of a population."""
        word = name if isinstance(name, str) else getattr(name, "name", str(name))
        known = {p["name"]: p for p in self.network["populations"]}
        if word not in known:
            raise ParameterError(f"no population {word!r}{nearest(word, known)}; this run has {sorted(known)}")
        found: dict[str, Any] = known[word]
        return found

    # ------------------------------------------------------------------ numbers

    @property
    def days(self) -> float:
        """Life time recorded, days."""
        life = self.file.item("life", None)
        if life is not None:
            return float(life) / DAY
        return float(self.series("life")[-1]) if "series/life" in self.file.names("series/") else 0.0

    def series(self, name: str) -> F8:
        """One number per tick."""
        return np.asarray(self.file.read(f"series/{name}"), dtype=np.float64)

    def spikes(self, population: Any) -> tuple[F8, NDArray[np.uint32]]:
        """Recorded spikes of a population: (times in ms of spike time, cells)."""
        name = self.population(population)["name"]
        if f"spikes/{name}/time" not in self.file.names(f"spikes/{name}"):
            return np.zeros(0), np.zeros(0, np.uint32)
        return self.file.read(f"spikes/{name}/time"), self.file.read(f"spikes/{name}/index")

    def counts(self, population: Any) -> NDArray[np.uint16]:
        """Spike counts, (n_tick, n)."""
        return self.file.read(f"counts/{self.population(population)['name']}")

    def rates(self, population: Any) -> F8:
        """Mean rate of every cell on each day, (n_day, n), Hz."""
        ticks = max(1, round(1.0 / self.tick_days))
        return spikes.rates_by_window(self.counts(population).astype(np.int64), self.tick_spike, ticks)

    def positions(self, population: Any) -> F8:
        """Positions, (n, 2) um."""
        return self.file.read(f"positions/{self.population(population)['name']}")

    def density(self, projection: str | None = None) -> tuple[F8, F8]:
        """Life time (days) and synapses per target neuron, from the start."""
        q = self.projection(projection)
        n = self.population(q["target"])["n"]
        start = self.file.read(f"initial/{q['name']}/uid").size
        day = np.concatenate([[0.0], self.series("life")])
        return day, np.concatenate([[start], self.series(f"n_synapse/{q['name']}")]) / n

    @cached_property
    def snapshot_days(self) -> list[float]:
        """Life times of the snapshots, days."""
        return [float(d) for d in self.series("snapshot_day")]

    def snapshot(self, projection: str, day: float) -> dict[str, NDArray[Any]]:
        """The living synapses on the snapshot nearest to `day`."""
        at = min(self.snapshot_days, key=lambda d: abs(d - day))
        prefix = f"snapshot/{at:g}/{projection}/"
        return {n[len(prefix) :]: self.file.read(n) for n in self.file.names(prefix)}

    @cached_property
    def spines(self) -> Spines:
        """Every spine that ever lived."""
        if not self.plastic:
            raise ParameterError("this run has no projection on spines")
        return Spines(self, self.plastic)

    def graph(self, t: float | None = None, projection: str | None = None) -> Any:
        """The synapses alive at life time `t` (ms; the end if not given), as a sparse (n_source, n_target) matrix.

        Values are the weights (mV) of the nearest snapshot; a synapse without one there holds NaN.  The table
        itself (uid, pre, post, lane) is the attribute ``columns``.
        """
        from scipy.sparse import csr_array

        q = self.projection(projection)
        name = q["name"]
        first = [self.file.read(f"initial/{name}/{k}") for k in ("uid", "pre", "post", "lane")]
        batch = self.log.batch(name)
        if t is not None:
            keep = batch.tick * self.tick_days * DAY <= t + 1e-3
            batch = LogBatch(*(c[keep] for c in batch))
        uid, pre, post, lane = replay(first[0], first[1], first[2], first[3], batch)
        weight = np.full(uid.size, np.nan)
        state = self.snapshot(name, (self.days if t is None else t / DAY)) if q["spines"] else {
            "uid": first[0], "weight": self.file.read(f"initial/{name}/weight")}  # fmt: skip
        order = np.argsort(state["uid"])
        if order.size:
            at = np.minimum(np.searchsorted(state["uid"][order], uid), order.size - 1)
            hit = state["uid"][order][at] == uid
            weight[hit] = state["weight"][order][at][hit]
        shape = (self.population(q["source"])["n"], self.population(q["target"])["n"])
        matrix = csr_array((weight, (pre.astype(np.int64), post.astype(np.int64))), shape=shape)
        matrix.columns = {"uid": uid, "pre": pre, "post": post, "lane": lane, "weight": weight}
        return matrix

    # ------------------------------------------------------------------ verdicts

    def field(self, day: float, projection: str | None = None) -> dict[str, float]:
        """Receptive fields on a day: mean radius, packing floor, topographic error, inputs (central 70 %)."""
        q = self.projection(projection)
        state = self.snapshot(q["name"], day)
        return maps.field_summary(
            state["pre"], state["post"], state["weight"], self.positions(q["source"]), self.positions(q["target"]),
            *self.network["sheet"],
        )  # fmt: skip

    def summary(self, projection: str | None = None) -> dict[str, float]:
        """The success numbers of a developing map."""
        q = self.projection(projection)
        day, number = self.density(q["name"])
        out = maturation.density_numbers(day, number)
        last = self.snapshot(q["name"], self.days)
        target = self.positions(q["target"])
        middle = maps.central(target, *self.network["sheet"])
        if "log_size" in last:
            x = last["log_size"]
            _, out["sd"], out["skew"] = sizes.log_moments(x)
            out["decade"] = sizes.central_decade(x)
        start, end = self.field(1.0, q["name"]), self.field(self.days, q["name"])
        out |= {
            "field_start": start["radius"], "field_end": end["radius"], "floor_end": end["floor"],
            "field_change": 100.0 * (end["radius"] / start["radius"] - 1.0),
            "error_start": start["error"], "error_end": end["error"],
        }  # fmt: skip
        rates = self.rates(q["target"])[:, middle]
        aim = self.file.item("target_hz", None)
        out["rate_hz"] = float(rates[-5:].mean()) if rates.size else float("nan")
        out["rate_ratio"] = out["rate_hz"] / aim if aim else float("nan")
        out["second_peak"] = maps.second_peak_share(
            last["pre"], last["post"], last["weight"], self.positions(q["source"]), middle
        )
        out["evidence_gap"] = self._gap(q["name"])
        return out

    def _gap(self, name: str) -> float:
        """Evidence drive of the living (daily snapshots) against that of those dying, in sd within neurons."""
        log = self.log.batch(name)
        dead = (log.kind == DEATH) & np.isfinite(log.evidence)
        when = log.tick * self.tick_days
        gaps = []
        for day in self.snapshot_days:
            if day <= 3.0:
                continue
            state = self.snapshot(name, day)
            if "drive_evidence" not in state:
                return float("nan")
            old = day - state["born"] > 1.0
            here = dead & (when > day - 1.0) & (when <= day)
            # the drive is gain (h - hbar): already relative to the target's mean
            alive, gone = state["drive_evidence"][old], log.evidence[here]
            if alive.size > 1 and gone.size and alive.std() > 0:
                gaps.append((alive.mean() - gone.mean()) / alive.std())
        return float(np.mean(gaps)) if gaps else float("nan")

    def checks(self) -> list[maturation.Check]:
        """The success numbers with their bands."""
        return maturation.checks({"sd": np.nan, "skew": np.nan, "decade": np.nan} | self.summary())

    def death_rates(self, width: float = 3.0, projection: str | None = None) -> tuple[F8, F8, F8]:
        """Deaths per spine and day in windows: left edges (days), rates, standard errors."""
        name = self.projection(projection)["name"]
        return turnover.death_rates(
            self.series("life"), self.series(f"deaths/{name}"), self.series(f"n_synapse/{name}"), width
        )

    def verify(self) -> int:
        """Replay the log onto the initial structure and compare with the final one; returns the number of synapses.

        Raises
        ------
        InvariantError
            If they differ.
        """
        total = 0
        for name in self.plastic:
            first = [self.file.read(f"initial/{name}/{k}") for k in ("uid", "pre", "post", "lane")]
            uid, pre, post, lane = replay(first[0], first[1], first[2], first[3], self.log.batch(name))
            final = {k: self.file.read(f"final/{name}/{k}") for k in ("uid", "pre", "post", "lane")}
            order = np.argsort(final["uid"])
            for k, a in (("uid", uid), ("pre", pre), ("post", post), ("lane", lane)):
                if a.size != order.size or np.any(final[k][order] != a):
                    raise InvariantError(
                        f"replaying the log of {name!r} does not give the final structure ({k} differs)"
                    )
            total += int(uid.size)
        return total

    # ------------------------------------------------------------------ looking

    def plot(self, control: Run | None = None) -> Any:
        """Density, births and deaths by cause, sizes, survival and map in one figure."""
        from neurodev.plot.evolution import overview

        return overview(self, control)

    def info(self) -> str:
        """What is in the file, in a few lines."""
        p = self.provenance
        versions = ", ".join(f"{k} {v}" for k, v in p["versions"].items())
        n, size = self.file.log_bytes()
        lines = [
            f"{self.path}: {self.days:g} days of life, finished: {self.file.item('finished')}",
            f"  written {p['date']} with {versions}; seed {p['seed']}",
            f"  acceleration {self.file.item('acceleration'):g}, tick {self.tick_days * 24:g} h of life = "
            f"{self.tick_spike / 1000:g} s of spikes, {self.file.item('events', 0) / 1e6:.1f} M synaptic events",
            "  populations: " + ", ".join(f"{q['name']} ({q['n']})" for q in self.network["populations"]),
            "  projections: " + ", ".join(q["name"] for q in self.network["projections"]),
            f"  log: {n} births and deaths, {size / max(n, 1):.1f} bytes each"
            + (f"; deaths by cause: {self.log.by_cause()}" if self.plastic else ""),
        ]
        lines += [f"  intervention at {w}" for w in self.file.item("interventions", [])]
        lines += [f"  approximate: {a}" for a in self.file.item("approximations", [])]
        return "\n".join(lines)

"""The run that a user holds: the record, and what can be asked of it.  Opened also while it is still written."""

from __future__ import annotations

import os
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurodev.errors import InvariantError, ParameterError, RunFileError, nearest
from neurodev.metrics import maps, maturation, sizes, spikes, turnover
from neurodev.record.runfile import RunFile
from neurodev.runs.lives import Lives
from neurodev.runs.log import F8, Log, _living_until
from neurodev.runs.spines import Spines
from neurodev.runs.training import Synapses, Training
from neurodev.structure.log import BIRTH, DEATH, LogBatch
from neurodev.structure.verify import replay
from neurodev.units import day as DAY


class Run:
    """A finished (or still growing) run.

    A growing run shows what was written when it was opened; `refresh` looks again.

    Parameters
    ----------
    path : path
        The run file.

    Raises
    ------
    RunFileError
        If the file is missing, truncated, foreign or newer than this neurodev, or holds no run yet.

    Examples
    --------
    >>> run = nd.Run("map.sqlite")
    >>> run.spines.longest().story()
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.file = RunFile.open(path)
        if "network" not in self.file.items():
            raise RunFileError(f"{str(self.path)!r} holds no run yet: wait until its simulation has begun")
        self.network: dict[str, Any] = self.file.item("network")
        self.provenance: dict[str, Any] = self.file.item("provenance")
        self.tick_days = self.file.item("tick") / DAY
        self.tick_spike: float = self.file.item("tick_spike")
        self.log = Log(self)

    def __repr__(self) -> str:
        return f"Run({str(self.path)!r}, {self.days:g} days of life, {len(self.plastic)} plastic projections)"

    def refresh(self) -> Run:
        """Look again at a run that is still growing."""
        self.file.refresh()
        self.log = Log(self)
        for name in ("spines", "snapshot_days"):
            self.__dict__.pop(name, None)
        return self

    # ------------------------------------------------------------------ names

    @property
    def plastic(self) -> list[str]:
        """Projections on spines."""
        return [q["name"] for q in self.network["projections"] if q["spines"]]

    def projection(self, name: Any = None) -> dict[str, Any]:
        """Description of a projection; the first on spines if not named."""
        known = {q["name"]: q for q in self.network["projections"]}
        if name is None:
            if not self.plastic:
                raise ParameterError("this run has no projection on spines")
            name = self.plastic[0]
        word = name if isinstance(name, str) else getattr(name, "name", str(name))
        if word not in known:
            raise ParameterError(f"no projection {word!r}{nearest(word, known)}; this run has {sorted(known)}")
        found: dict[str, Any] = known[word]
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
    def n_tick(self) -> int:
        """Ticks recorded."""
        return self.file.length("series/life")

    @property
    def days(self) -> float:
        """Life time recorded, days."""
        life = self.file.item("life", None)
        if life is not None:
            return float(life) / DAY
        return float(self.series("life")[-1]) if self.n_tick else 0.0

    def series(self, name: str) -> F8:
        """One number per tick, (n_tick,)."""
        known = [n.removeprefix("series/") for n in self.file.names("series/")]
        if name not in known:
            raise ParameterError(f"no series {name!r}{nearest(name, known)}; this run has {known}")
        return np.asarray(self.file.read(f"series/{name}"), dtype=np.float64)

    def spikes(self, population: Any) -> tuple[F8, NDArray[np.uint32]]:
        """Recorded spikes of a population: times (n_spike,) in ms of spike time, and cells (n_spike,).

        By default these are the trains of one tick a day; `spike_windows` tells which.
        """
        name = self.population(population)["name"]
        if not self.file.length(f"spikes/{name}/time"):
            return np.zeros(0), np.zeros(0, np.uint32)
        return self.file.read(f"spikes/{name}/time"), self.file.read(f"spikes/{name}/index")

    def spike_windows(self, population: Any) -> F8:
        """The stretches of spike time over which `spikes` is complete, (n_tick, 2) ms; whole ticks only."""
        name = self.population(population)["name"]
        if not self.file.length(f"spikes/{name}/tick"):
            return np.zeros((0, 2))
        tick = self.file.read(f"spikes/{name}/tick").astype(np.float64)
        return np.column_stack([tick, tick + 1.0]) * self.tick_spike

    def counts(self, population: Any) -> NDArray[np.uint32]:
        """Spike counts, (n_tick, n)."""
        q = self.population(population)
        if not self.file.length(f"counts/{q['name']}"):
            return np.zeros((0, q["n"]), np.uint32)
        return self.file.read(f"counts/{q['name']}")

    def rates(self, population: Any) -> F8:
        """Mean rate of every cell on each whole day, (n_day, n), Hz of spike time; NaN where not alive all day."""
        ticks = max(1, round(1.0 / self.tick_days))
        rates = spikes.rates_by_window(self.counts(population).astype(np.int64), self.tick_spike, ticks)
        if self.neurons.events(population):
            edges = np.arange(rates.shape[0] + 1) * ticks * self.tick_days * DAY
            alive = np.stack([self.neurons.alive(population, t) for t in edges])
            rates = np.where(alive[:-1] & alive[1:], rates, np.nan)
        return rates

    def positions(self, population: Any) -> F8:
        """Positions, (n, 2) um."""
        return self.file.read(f"positions/{self.population(population)['name']}")

    def density(self, projection: Any = None) -> tuple[F8, F8]:
        """Life time (days) and synapses per living target neuron, (n_tick + 1,) each, from the start."""
        q = self.projection(projection)
        n = np.maximum(self.neurons.count(q["target"])[1], 1)
        start = self.file.length(f"initial/{q['name']}/uid")
        if not self.n_tick:
            return np.zeros(1), start / n
        day = np.concatenate([[0.0], self.series("life")])
        if not self.file.length(f"series/n_synapse/{q['name']}"):  # no mechanism: only an experimenter changes it
            log = self.log.batch(q["name"])
            step = np.where(log.kind == BIRTH, 1.0, -1.0)
            change = np.bincount(np.minimum(log.tick + 1, day.size), step, minlength=day.size)[: day.size]
            return day, (start + np.cumsum(change)) / n
        return day, np.concatenate([[start], self.series(f"n_synapse/{q['name']}")]) / n

    @cached_property
    def snapshot_days(self) -> list[float]:
        """Life times of the snapshots, days."""
        return [float(d) for d in self.series("snapshot_day")]

    def snapshot(self, projection: Any, day: float) -> dict[str, NDArray[Any]]:
        """The living synapses on the snapshot nearest to `day`: columns (n_synapse,) by name; ``born`` in days."""
        name = self.projection(projection)["name"]
        if name not in self.plastic:
            raise ParameterError(
                f"projection {name!r} has no spines, hence no snapshots; run.graph() holds its synapses"
            )
        at = min(self.snapshot_days, key=lambda d: abs(d - day))
        prefix = f"snapshot/{at:g}/{name}/"
        return {n[len(prefix) :]: self.file.read(n) for n in self.file.names(prefix)}

    @property
    def neurons(self) -> Lives:
        """Births and deaths of neurons, and who lives."""
        return Lives(self)

    @cached_property
    def spines(self) -> Spines:
        """Every spine that ever lived."""
        if not self.plastic:
            raise ParameterError("this run has no projection on spines")
        return Synapses(self, self.plastic) if self.is_training else Spines(self, self.plastic)

    @property
    def is_training(self) -> bool:
        """Whether a trainer wrote this run."""
        return bool(self.file.item("kind", None) == "training")

    @property
    def training(self) -> Training:
        """Epochs, accuracy and cost of a run of training."""
        return Training(self)

    def _pictures(self, name: str) -> list[tuple[float, str]]:
        """(day, label) of everything that holds weights of a projection."""
        out = [(0.0, "initial"), (self.days, "final")]
        if name in self.plastic:
            out += [(d, f"snapshot/{d:g}") for d in self.snapshot_days]
        return [(d, label) for d, label in out if f"{label}/{name}/weight" in self.file.names(f"{label}/{name}/")]

    def _weights(self, name: str, uid: NDArray[np.uint64], day: float) -> F8:
        """Weights of synapses from the nearest picture in which each is seen; NaN if in none of the three nearest."""
        weight = np.full(uid.size, np.nan)
        for _, label in sorted(self._pictures(name), key=lambda p: abs(p[0] - day))[:3]:
            left = np.flatnonzero(np.isnan(weight))
            if not left.size:
                break
            seen = self.file.read(f"{label}/{name}/uid")
            order = np.argsort(seen)
            at = np.searchsorted(seen[order], uid[left])
            known = at < order.size
            known[known] = seen[order[at[known]]] == uid[left[known]]
            weight[left[known]] = self.file.read(f"{label}/{name}/weight")[order[at[known]]]
        return weight

    def _replayed(self, name: str, batch: LogBatch) -> dict[str, NDArray[Any]]:
        """The synapses living after `batch`, sorted by uid."""
        uid, pre, post, lane = (self.file.read(f"initial/{name}/{k}") for k in ("uid", "pre", "post", "lane"))
        return dict(zip(("uid", "pre", "post", "lane"), replay(uid, pre, post, lane, batch), strict=True))

    def graph(self, t: float | None = None, projection: Any = None) -> Any:
        """The synapses alive at life time `t` (ms; the end if not given), as a sparse (n_source, n_target) matrix.

        The structure is exact: the log replayed onto the initial one up to the last tick at or before `t`.  Values
        are weights (mV) of the nearest snapshot that saw the synapse; one that none saw holds NaN.  The table itself
        (uid, pre, post, lane, weight), one row for each entry of ``data``, is the attribute ``columns``; several
        contacts of a pair are several entries.

        Parameters
        ----------
        t : float, ms (life), optional
        projection : str, optional
            The first on spines if not named.

        Returns
        -------
        scipy.sparse.csr_array
        """
        from scipy.sparse import csr_array

        q = self.projection(projection)
        name, batch = q["name"], self.log.batch(q["name"])
        if t is not None:
            if not isinstance(t, (int, float, np.number)) or not -1e-3 <= t <= self.days * DAY * (1 + 1e-9) + 1e-3:
                raise ParameterError(
                    f"t must be a life time in ms between 0 and {self.days:g} days, got {t!r}; e.g. t=10*day"
                )
            batch = _living_until(batch, self.log.days(batch), float(t) / DAY)
        columns = self._replayed(name, batch)
        columns["weight"] = self._weights(name, columns["uid"], self.days if t is None else float(t) / DAY)
        order = np.lexsort((columns["uid"], columns["post"], columns["pre"]))
        columns = {k: v[order] for k, v in columns.items()}
        shape = (self.population(q["source"])["n"], self.population(q["target"])["n"])
        ends = np.concatenate([[0], np.cumsum(np.bincount(columns["pre"].astype(np.int64), minlength=shape[0]))])
        matrix = csr_array((columns["weight"], columns["post"].astype(np.int64), ends), shape=shape)
        matrix.columns = columns
        return matrix

    # ------------------------------------------------------------------ verdicts

    def field(self, day: float, projection: Any = None) -> dict[str, float]:
        """Receptive fields on a day: mean radius, packing floor, topographic error, inputs (central 70 %)."""
        q = self.projection(projection)
        state = self.snapshot(q["name"], day)
        return maps.field_summary(
            state["pre"], state["post"], state["weight"], self.positions(q["source"]), self.positions(q["target"]),
            *self.network["sheet"],
        )  # fmt: skip

    def summary(self, projection: Any = None) -> dict[str, float]:
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
        living = rates[-5:][np.isfinite(rates[-5:])]
        out["rate_hz"] = float(living.mean()) if living.size else float("nan")
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

    def death_rates(self, width: float = 3.0, projection: Any = None) -> tuple[F8, F8, F8]:
        """Deaths per spine and day in windows: left edges (days), rates, standard errors."""
        name = self.projection(projection)["name"]
        return turnover.death_rates(
            self.series("life"), self.series(f"deaths/{name}"), self.series(f"n_synapse/{name}"), width
        )

    def verify(self) -> int:
        """Replay the log onto the initial structure and compare with the final one.

        A run that has no final structure, because it still grows or its writer was killed, is compared with its
        last snapshot.

        Returns
        -------
        int
            Number of synapses compared.

        Raises
        ------
        InvariantError
            If they differ, naming the projection, the column and a uid.
        """
        total = 0
        for q in self.network["projections"]:
            name = q["name"]
            label, batch = f"final/{name}", self.log.batch(name)
            if not self.file.names(label + "/"):
                if name not in self.plastic:
                    continue  # static: nothing to compare
                last = self.snapshot_days[-1]
                label, batch = f"snapshot/{last:g}/{name}", _living_until(batch, self.log.days(batch), last)
            replayed = self._replayed(name, batch)
            kept = {k: self.file.read(f"{label}/{k}") for k in replayed}
            self._same(name, label, replayed, kept)
            total += int(replayed["uid"].size)
        return total

    @staticmethod
    def _same(name: str, label: str, replayed: dict[str, NDArray[Any]], kept: dict[str, NDArray[Any]]) -> None:
        begin = f"replaying the log of {name!r} does not give its structure in {label!r}: "
        odd = np.setxor1d(replayed["uid"], kept["uid"])
        if odd.size:
            raise InvariantError(f"{begin}{odd.size} synapses live in only one of them, uid {odd[0]} the first")
        order = np.argsort(kept["uid"])
        for k, a in replayed.items():
            wrong = np.flatnonzero(kept[k][order] != a)
            if wrong.size:
                raise InvariantError(f"{begin}{k} of uid {replayed['uid'][wrong[0]]} differs")

    # ------------------------------------------------------------------ looking

    def plot(self, control: Run | None = None) -> Any:
        """Density, births and deaths by cause, sizes, survival and map (or accuracy and cost) in one figure."""
        if self.is_training:
            from neurodev.plot.training import training_overview

            return training_overview(self)
        from neurodev.plot.evolution import overview

        return overview(self, control)

    def _state(self) -> str:
        if not self.file.sealed and not self.file.item("finished"):
            return "not sealed: it still grows, or its writer was killed"
        done = self.file.item("finished")
        return "finished" if done is True else f"ended early ({done})" if done else "not finished"

    def info(self) -> str:
        """What is in the file, in a few lines."""
        p = self.provenance
        versions = ", ".join(f"{k} {v}" for k, v in p["versions"].items())
        n, size = self.file.log_bytes()
        megabytes = self.path.stat().st_size / 1e6
        lines = [
            f"{self.path}: {self.days:g} days of life, {self._state()}",
            f"  written {p['date']} with {versions}; seed {p['seed']}",
        ]
        if self.is_training:
            lines[0] = f"{self.path}: {self.n_tick} epochs of training, {self._state()}"
            lines += self.training.lines()
        else:
            lines.append(
                f"  acceleration {self.file.item('acceleration'):g}, tick {self.tick_days * 24:g} h of life = "
                f"{self.tick_spike / 1000:g} s of spikes, {self.file.item('events', 0) / 1e6:.1f} M synaptic events"
            )
        lines += [
            "  populations: " + ", ".join(f"{q['name']} ({q['n']})" for q in self.network["populations"]),
            "  projections: " + ", ".join(q["name"] for q in self.network["projections"]),
            f"  {megabytes:.1f} MB; log: {n} births and deaths, {size / max(n, 1):.1f} bytes each"
            + (f"; deaths by cause: {self.log.by_cause()}" if self.plastic else ""),
        ]
        lines += [f"  intervention at {w}" for w in self.file.item("interventions", [])]
        lines += [f"  approximate: {a}" for a in self.file.item("approximations", [])]
        return "\n".join(lines)

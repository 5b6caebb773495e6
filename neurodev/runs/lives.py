"""The lives of neurons: who was born, who died and of what, who lives."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurodev.card import Card, Rows, named
from neurodev.metrics import spikes
from neurodev.params import number
from neurodev.runs import described
from neurodev.runs.log import moments_of
from neurodev.runs.reading import Reading
from neurodev.structure.log import BIRTH, DEATH, NeuronBatch
from neurodev.units import day as DAY
from neurodev.units import slack

F8 = NDArray[np.float64]
B1 = NDArray[np.bool_]


class Lives(Card):
    """Births and deaths of the neurons of a run; `len` is their number.

    Examples
    --------
    >>> run.neurons.deaths_by_cause("exc")
    >>> day, alive = run.neurons.count("exc")
    """

    def __init__(self, run: Reading) -> None:
        self._run = run

    def _words(self) -> str:
        born_or_dead = [f"{self._number(p['name']):,} of {p['name']}" for p in self._run.network["populations"]]
        return f"Lives(births and deaths of neurons: {named(born_or_dead)})"

    def _rows(self) -> Rows:
        names = [p["name"] for p in self._run.network["populations"]]
        return [(name, f"{self._number(name):,} births and deaths") for name in names]

    def _number(self, name: str) -> int:
        return self._run.file.length(f"neurons/{name}/neuron")

    def __len__(self) -> int:
        return sum(self.batch(p["name"]).neuron.size for p in self._run.network["populations"])

    def batch(self, population: Any) -> NeuronBatch:
        """Neuron events of one population in order of time: arrays (n_event,), see `NeuronBatch`."""
        name, f = self._run.population(population)["name"], self._run.file
        if not f.length(f"neurons/{name}/neuron"):
            return NeuronBatch(*(np.zeros(0, dtype=d) for d in ("<i4", "u1", "<u4", "u1", "<f4")))
        out, what = NeuronBatch(*(f.read(f"neurons/{name}/{c}") for c in NeuronBatch._fields)), f"the log of {name!r}"
        if len({a.shape for a in out}) > 1 or out.tick.ndim != 1 or (out.tick < 0).any():
            raise f.damaged(what, "its columns do not fit each other")
        described.check_index(f, what, "neurons", out.neuron, int(self._run.population(name)["n"]))
        described.check_index(f, what, "causes", out.cause, len(self._run.causes.words))
        return out

    def days(self, population: Any) -> F8:
        """Life time of each event of `batch`, days (n_event,): that of its tick, and of an experimenter's its own."""
        b, f = self.batch(population), self._run.file
        day = np.asarray(b.tick * self._run.tick_days, dtype=np.float64)
        who, died, when = moments_of(f, "neurons", self._run.population(population)["name"])
        if who.size:
            by_hand = dict(zip(zip(who.tolist(), died.tolist(), strict=True), when.tolist(), strict=True))
            events = zip(b.neuron.tolist(), (b.kind == DEATH).tolist(), day.tolist(), strict=True)
            day = np.array([by_hand.get((i, dead), d) for i, dead, d in events])
        return day

    def events(self, population: Any) -> bool:
        """Whether neurons of the population were born or died, or can be born."""
        return bool(self._run.population(population).get("room", 0)) or self.batch(population).neuron.size > 0

    def alive(self, population: Any, t: float | None = None) -> B1:
        """Who lives at life time `t` (ms; the end if not given), (n,)."""
        p, b = self._run.population(population), self.batch(population)
        if t is not None:
            t = number(t, "t", "ms of life", low=0.0, cure="e.g. t=10*day")
        last = np.inf if t is None else t / DAY * (1 + 1e-12) + 1e-9 * self._run.tick_days
        here = self.days(population) <= last
        out: B1 = np.arange(p["n"]) < p["n"] - p.get("room", 0)
        out[b.neuron[here & (b.kind == BIRTH)]] = True
        out[b.neuron[here & (b.kind == DEATH)]] = False  # an index lives once: nobody is born after his death
        return out

    def count(self, population: Any) -> tuple[F8, NDArray[np.int64]]:
        """Life time (days) and number of living neurons, (n_tick + 1,) each, from the start."""
        p, b = self._run.population(population), self.batch(population)
        n = self._run.n_tick + 1
        day = np.concatenate([[0.0], self._run.series("life")]) if n > 1 else np.zeros(1)
        step = np.where(b.kind == BIRTH, 1, -1)
        tick = np.ceil(self.days(population) / self._run.tick_days - 1e-6).astype(np.int64)  # the first that saw it
        change = np.bincount(np.minimum(tick, n - 1), step, minlength=n).astype(np.int64)
        return day, p["n"] - p.get("room", 0) + np.cumsum(change)

    def deaths_by_cause(self, population: Any) -> dict[str, int]:
        """Number of dead neurons by cause."""
        b = self.batch(population)
        return self._run.causes.count(b.cause[b.kind == DEATH])

    def to_pandas(self) -> Any:
        """One row for each birth or death of a neuron."""
        import pandas as pd

        frames = []
        for p in self._run.network["populations"]:
            b = self.batch(p["name"])
            frames.append(
                pd.DataFrame(
                    {
                        "day": self.days(p["name"]), "tick": b.tick,
                        "event": np.where(b.kind == DEATH, "death", "birth"), "population": p["name"],
                        "neuron": b.neuron, "cause": self._run.causes.names(b.cause), "value": b.value,
                    }
                )
            )  # fmt: skip
        return pd.concat(frames).sort_values("tick", kind="stable").reset_index(drop=True)


def rates(run: Reading, population: Any, *, whole: bool = False) -> F8:
    """Mean rate of every cell on each day, (n_day, n), Hz of spike time; NaN where not alive all day.

    The last row may be of a part of a day, unless only the whole ones are wanted.
    """
    ticks = max(1, round(1.0 / run.tick_days))
    counts, windows = run.counts(population).astype(np.int64), run.count_windows(population)
    cut = len(windows) and windows[-1, 1] - windows[-1, 0] < run.tick_spike - slack(float(windows[-1, 1]))
    hz = spikes.rates_by_window(counts[: len(counts) - int(cut)], run.tick_spike, ticks)
    edges = np.arange(hz.shape[0] + 1) * ticks * run.tick_days * DAY
    rest = slice(hz.shape[0] * ticks, None)
    if not whole and len(counts[rest]):
        last = 1e3 * counts[rest].sum(axis=0) / (windows[-1, 1] - windows[rest][0, 0])
        hz, edges = np.vstack([hz, last]), np.append(edges, run.days * DAY)
    lives = Lives(run)
    if lives.events(population):
        first = [lives.alive(population, t) for t in edges[:-1]]
        # who dies on the stroke of a day lived all of it
        last = [lives.alive(population, t - 0.5 * run.tick_days * DAY) for t in edges[1:]]
        hz = np.where(np.array(first) & np.array(last), hz, np.nan) if hz.size else hz
    return hz

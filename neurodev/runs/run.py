"""The run that a user holds: the record, and what can be asked of it.  Opened also while it is still written."""

from __future__ import annotations

import os
import warnings
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from neurodev.card import Rows, counted, known, named
from neurodev.errors import ParameterError
from neurodev.metrics.maturation import Check
from neurodev.params import asks, finite, flag, of_type, or_none
from neurodev.runs import described, gathering, lives, replay, reporting, verdict
from neurodev.runs.export import export
from neurodev.runs.history import History
from neurodev.runs.lives import Lives
from neurodev.runs.log import F8
from neurodev.runs.reading import Reading
from neurodev.runs.spines import Spines
from neurodev.runs.training import Synapses, Training
from neurodev.structure.duration import deeds, lasting, moment
from neurodev.units import day as DAY
from neurodev.writing import printable

_MOST_TOLD = 20  # interventions
_CONTROL = or_none(of_type(Reading, what="a run, nd.Run(path)"))


def _counted(n: float) -> str:
    return f"{n / 1e6:.1f} M" if n >= 1e5 else f"{n:,.0f}"


class Run(Reading):
    """A finished (or still growing) run.

    A growing run shows what was written when it was opened; `refresh` looks again.

    Parameters
    ----------
    path : path
        The run file.

    Attributes
    ----------
    log : Log
        Births and deaths with their causes: ``run.log.deaths_by_cause()``, ``run.log.to_pandas()``.
    network, provenance : dict
        What ran: populations, projections and mechanisms with their parameters; versions, hashes, seed and study.
    causes : Causes
        The run's own list of causes, by which its log is decoded.
    tick_days, tick_spike : float, days and ms
        Life time and spike time of a tick.

    Raises
    ------
    RunFileError
        If the file is missing, truncated, foreign or newer than this neurodev, or holds no run yet.

    Examples
    --------
    >>> run = nd.Run("map.sqlite")  # doctest: +SKIP
    >>> run.spines.longest().story()
    """

    def _words(self) -> str:
        n = counted(len(self.plastic), "plastic projection")
        return f"Run({str(self.path)!r}, {n}, {known(lambda: f'{self._span()}, {self._events()}, {self._state()}')})"

    def _span(self) -> str:
        return f"{counted(self.n_tick, 'epoch')} of training" if self.is_training else f"{lasting(self.days)} of life"

    def _events(self) -> str:
        return f"{self.file.log_bytes()[0]:,} births and deaths"

    def _rows(self) -> Rows:
        p, trained = self.provenance, known(lambda: self.is_training) == "True"
        right = [("what it learns", lambda: self.training.what)] if trained else []
        return [
            ("file", str(self.path)), ("length", self._span), ("state", self._state), *right,
            ("written", f"{p.get('date', 'some day')}, seed {p.get('seed', '?')}"),
            ("populations", named(f"{q['name']} ({q['n']:,})" for q in self.network["populations"])),
            ("projections", named(q["name"] for q in self.network["projections"])),
            ("on spines", named(self.plastic) or "none"), ("births and deaths", self._events),
            ("pictures", lambda: f"{self.file.length('series/snapshot_day'):,}"),
            ("size", lambda: f"{self.file.size / 1e6:.1f} MB"),
        ]  # fmt: skip

    def refresh(self) -> Self:
        """Look again at a run that is still growing."""
        self.__dict__.pop("spines", None)
        return super().refresh()

    # ------------------------------------------------------------------ lives

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
    def training(self) -> Training:
        """Epochs, accuracy and cost of a run of training."""
        return Training(self)

    def model(self, epoch: Any = None, *, trust: bool = False) -> Any:
        """The trained model of a run of training, ready to predict: structure, weights, statistics, and its encoder.

        Parameters
        ----------
        epoch : int or "best", optional
            After so many epochs (0: as it began), or that of the best accuracy (on the validation samples where there
            are any, else on the test set); the last if not given.
        trust : bool
            Take classes of one's own whose source has changed, or cannot be read; their modules are imported by the
            caller in any case.

        Returns
        -------
        neurodev.learn.Sequential
            From the checkpoint of that epoch where there is one, else from its picture: the weights themselves, of
            synapses with new identities.  Hidden parameters, which are in no picture, are then gone, and the layer is
            dense.

        Raises
        ------
        ParameterError
            For a run of development, an epoch of which neither was kept (with those that were), a model with a part
            that has no name.
        RunFileError
            If an older neurodev wrote the run.
        StudyError
            If a class of one's own is not imported, or has changed.

        Examples
        --------
        >>> nd.Run("digits.sqlite").model("best").predict(images)                           # doctest: +SKIP
        """
        return self.training.model(epoch, trust=trust)

    def rates(self, population: Any) -> F8:
        """Mean rate of every cell on each day, (n_day, n), Hz of spike time; NaN where not alive all day.

        The last row is of a part of a day, where the run ends within one.
        """
        return lives.rates(self, population)

    @asks(sizes=flag)
    def history(self, projection: Any = None, cells: Any = None, *, sizes: bool = True) -> History:
        """Who was there when: every synapse that ever lived, with its births and deaths, sizes and causes.

        A birth or a death is known to a tick.  Of a training the unit of time is the epoch.

        Parameters
        ----------
        projection : str, optional
            All that have births and deaths if not named.
        cells : int, list, mask, slice or set, optional
            Target neurons; all if not given.
        sizes : bool
            Whether the sizes in the pictures (snapshots) are read as well.

        Returns
        -------
        History

        Raises
        ------
        ParameterError
            For an unknown projection or cell, and a run without births and deaths.
        """
        return gathering.history(self, self.spines, projection, cells, sizes)

    # ------------------------------------------------------------------ structure

    def density(self, projection: Any = None) -> tuple[F8, F8]:
        """Life time (days) and synapses per living target neuron, (n_tick + 1,) each, from the start."""
        return replay.density(self, projection)

    def graph(self, t: float | None = None, projection: Any = None) -> Any:
        """The synapses alive at life time `t` (ms; the end if not given), as a sparse (n_source, n_target) matrix.

        The structure is exact: the log replayed onto the initial one up to the last tick at or before `t`.  Values
        are weights (mV) of the nearest picture that saw the synapse: of the beginning, the end, and for projections on
        spines of the snapshots between; one that none saw holds NaN.  A warning says so where weights moved meanwhile.
        The table itself (uid, pre, post, lane, weight, and seen: of which day the weight is), one row for each entry of
        ``data``, is the attribute ``columns``; several contacts of a pair are several entries.

        Parameters
        ----------
        t : float, ms (life), optional
        projection : str, optional
            The first on spines if not named.

        Returns
        -------
        scipy.sparse.csr_array

        Raises
        ------
        ParameterError
            For a time outside the run, or an unknown projection.
        """
        return replay.graph(self, t, projection)

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
        RunFileError
            If any byte of the file does not fit its checksum.
        InvariantError
            If they differ, naming the projection, the column and a uid.

        Warns
        -----
        UserWarning
            If the file is of a format without checksums, so that nothing proves its bytes.
        """
        n = replay.verify(self)
        if not self.file.proven:
            warnings.warn(
                f"{str(self.path)!r} is of an older format without checksums: whether its bytes are those written "
                "cannot be told",
                stacklevel=2,
            )
        return n

    # ------------------------------------------------------------------ verdicts

    @asks(day=finite("days"))
    def field(self, day: float, projection: Any = None) -> dict[str, float]:
        """Receptive fields on a day: mean radius, packing floor, topographic error, inputs (central 70 %)."""
        return verdict.field(self, day, projection)

    def summary(self, projection: Any = None) -> dict[str, float]:
        """The success numbers of a developing map, by name."""
        return verdict.numbers(self, projection)

    @asks(control=_CONTROL)
    def checks(self, control: Reading | None = None) -> list[Check]:
        """The numbers that the study gave a band, with it; beside a control, also how much more the fields shrank."""
        return verdict.verdict(self, control)

    @asks(width=finite("days", above=0.0))
    def death_rates(self, width: float = 3.0, projection: Any = None) -> tuple[F8, F8, F8]:
        """Deaths per spine and day in windows: left edges (days), rates, standard errors."""
        return verdict.death_rates(self, width, projection)

    # ------------------------------------------------------------------ looking

    @asks(control=_CONTROL)
    def plot(self, control: Run | None = None) -> Any:
        """Density, births and deaths by cause, sizes, survival and map (or accuracy and cost) in one figure."""
        if self.is_training:
            from neurodev.plot.training import training_overview

            return training_overview(self)
        from neurodev.plot.evolution import overview

        return overview(self, control)

    @asks(control=_CONTROL, still=or_none(flag))
    def report(
        self, path: str | Path, *others: Run, control: Run | None = None, still: bool | None = None
    ) -> Path:  # fmt: skip
        """Write one page about the run, beside others of its kind: an HTML file that needs nothing else.

        Parameters
        ----------
        path : path
            The page; an existing one is replaced.
        *others : Run
            Shown side by side, with one slider for all: of development all, or of training all.
        control : Run, optional
            Of a run of development alone: the numbers are told beside its own.
        still : bool, optional
            Pictures alone, without a slider and stories.  If not given, the page is interactive where Bokeh is
            installed (``pip install 'neurodev[report]'``) and the run has a projection on spines.

        Returns
        -------
        Path

        Raises
        ------
        ParameterError
            If the path holds a run, or the runs do not fit together.
        NeurodevError
            If the page cannot be written, or ``still=False`` without Bokeh.
        """
        every = [self, *(of_type(Run, what="a run, nd.Run(path)")(r, f"others[{k}]") for k, r in enumerate(others))]
        return reporting.write(every, path, control, still)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the run to a file that is not there yet: one that is in memory, or a copy; returns the path.

        Raises
        ------
        RunFileError
            If there is a file already, or it cannot be written.
        """
        return self.file.copy(path)

    def export(self, path: Any, kind: str | None = None, *, overwrite: bool = False, **options: Any) -> Path:
        """Write the run in one of the formats of others, or in one's own; returns the path.

        Parameters
        ----------
        path : path
            The format is told by its end, as in ``"spines.csv"``, ``"spikes.nwb"``.
        kind : str, optional
            The format by name: one of ours, or ``"module:Class"``.
        overwrite : bool
            Whether what lies there may be replaced, which happens when the new file is whole; a run never is.
        **options
            What the format takes: ``table=``, ``t=`` ...; ``neurodev show CSV`` tells.

        Raises
        ------
        ParameterError
            For an unknown format, a path that is taken, what the format has no words for, and a library that is
            missing.

        Examples
        --------
        >>> run.export("spines.csv")
        >>> run.export("graph.sparse.npz", t=1 * nd.units.day)
        """
        return export(self, path, kind, overwrite, options)

    def _delivered(self) -> str:
        """How many synaptic events there were; of a run that nobody sealed, up to its last tick, if it had one."""
        if "events" in self.file.items():
            return f", {_counted(described.number(self.file, 'events', 0))} synaptic events"
        told = self.series("events").tolist() if "events" in self.series_names else []
        return f", {_counted(told[-1])} synaptic events up to its last tick" if told else ""

    def _state(self) -> str:
        if not self.file.sealed and not self.file.item("finished"):
            return "not sealed: it still grows, or its writer was killed"
        done = self.file.item("finished")
        met = self.file.item("met", "") if done is True else ""
        if met:
            return f"finished, where {met} held"
        return "finished" if done is True else f"ended early ({done})" if done else "not finished"

    def info(self) -> str:
        """What is in the file, in a few lines."""
        p = self.provenance
        versions = ", ".join(f"{k} {v}" for k, v in p.get("versions", {}).items())
        n, size = self.file.log_bytes()
        megabytes = self.file.size / 1e6
        lines = [
            f"{self.path}: {lasting(self.days)} of life, {self._state()}",
            f"  written {p.get('date', 'some day')} with {versions or 'an unknown version'}; seed {p.get('seed', '?')}"
            + (f"; up to {p['threads']} threads" if isinstance(p.get("threads"), int) and p["threads"] > 1 else "")
            + (f"; on {p['ranks']} ranks" if isinstance(p.get("ranks"), int) else ""),
        ]
        if self.is_training:
            lines[0] = f"{self.path}: {self.n_tick} epochs of training, {self._state()}"
            lines += self.training.lines()
        else:
            fast = described.number(self.file, "acceleration", low=0.0)
            lines.append(
                f"  acceleration {fast:g}, tick {lasting(self.tick_days)} of life = "
                f"{lasting(self.tick_spike / DAY)} of spikes{self._delivered()}"
            )
        lines += [
            "  populations: " + ", ".join(f"{q['name']} ({q['n']})" for q in self.network["populations"]),
            "  projections: " + ", ".join(q["name"] for q in self.network["projections"]),
            f"  {megabytes:.1f} MB; log: {n} births and deaths"
            + (f", {size / n:.1f} bytes each; deaths by cause: {self.log.deaths_by_cause()}" if n else ""),
        ]
        began = self.file.item("circuit", None)
        if isinstance(began, dict):
            lines.append(f"  it began from the circuit {began.get('source')}")
        done = deeds(described.words(self.file, "interventions"), self.tick_spike, self.tick_days)
        lines += [f"  intervention {moment(d.day, self.days)}: {d.text}" for d in done[:_MOST_TOLD]]
        lines += [f"  ... and {len(done) - _MOST_TOLD} more interventions"] * (len(done) > _MOST_TOLD)
        lines += [f"  it calls {c}" for c in described.words(self.file, "called")]
        lines += [f"  it cannot be rerun: {why}" for why in described.words(self.file, "cannot_rerun")]
        lines += [f"  approximate: {a}" for a in described.words(self.file, "approximations")]
        return "\n".join(printable(line, lines=False) for line in lines)

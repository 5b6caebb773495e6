"""A run of training as its holder sees it: epochs in place of days, synapses that tell their lives in weights."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurodev import registry
from neurodev.card import Card, Rows, counted, named
from neurodev.errors import ParameterError, RunFileError
from neurodev.metrics.cost import f1
from neurodev.metrics.layered import Layered
from neurodev.params import among, asks, finite, flag, of_type, or_none, whole
from neurodev.runs import described
from neurodev.runs.layering import structure
from neurodev.runs.reading import Reading
from neurodev.runs.spines import Spine, Spines
from neurodev.structure import story

F8 = NDArray[np.float64]
SATURATED = 0.9  # spikes a unit and step, above which a layer hardly tells one input from another
HEALTH = {
    "silent": "raise the gain of the layer below, lower its threshold, or lower the optimiser's rate",
    "saturated": "lower the gain of the layer below, raise its threshold, or normalise its input (BatchNorm)",
}


@dataclass(frozen=True, repr=False)
class Synapse(Spine):
    """One trained synapse; as a `Spine`, with epochs and weights.

    Attributes
    ----------
    epoch_days, step_days : float
        Life time that an epoch and a step stand for, days.
    taps : int
        Places of the kernel that a pair of channels is connected by; 1 in fully connected layers.
    """

    epoch_days: float
    step_days: float
    taps: int

    @property
    def epochs(self) -> F8:
        """Epochs of the pictures that saw it, (n_picture,)."""
        return np.asarray(self.days / self.epoch_days)

    @property
    def weight(self) -> F8:
        """Its weight in them, (n_picture,)."""
        return self.history.get("weight", np.zeros(0))

    def when(self, days: float) -> str:
        """A moment in epochs and steps."""
        return self._tell().moment(days)

    def place(self) -> str:
        """What it connects."""
        return story.told(story.SYNAPSE[1:3], self._place()).removesuffix(", ")

    def _place(self) -> dict[str, str]:
        out = {"post": f"{self.post}"}
        if self.taps == 1:
            return out | {"input": f"{self.pre}"}
        row, column = divmod(self.pre % self.taps, round(self.taps**0.5))
        return out | {"channel": f"{self.pre // self.taps}", "row": f"{row}", "column": f"{column}"}

    def _tell(self) -> story.Words:
        return story.training(self.epoch_days, self.step_days)

    def _born(self) -> dict[str, str]:
        if self.birth_cause == "initial":
            return self._place() | {"there": ""}
        out = {"born": self.when(self.born), "new": ""} | self._place()
        return out | self._reason("birth_", self.birth_cause, self.birth_value)

    def _largest(self) -> dict[str, str]:
        if not self.weight.size:
            return {}
        k = int(np.argmax(np.abs(self.weight)))
        when = self._tell().picture(self.days[k])
        return {"largest": f"{self.weight[k]:{story.WEIGHT}}", "largest_when": when}

    def _pieces(self) -> dict[str, str]:
        mine = replace(self, by_hand=False, death_log_size=np.nan) if self.by_hand else self
        return super(Synapse, mine)._pieces()

    def plot(self) -> Any:
        """The life as a figure: its weight over epochs."""
        from neurodev.plot.spine import synapse_figure

        return synapse_figure(self)


class Synapses(Spines):
    """All synapses of a run of training, by uid; arrays as in `Spines`, of which `value` is what decided a death."""

    _noun = "synapse"

    def _clock(self) -> tuple[str, float]:
        return "epoch", 1.0 / Training(self._run).epoch_days

    def __getitem__(self, uid: int) -> Synapse:
        spine = super().__getitem__(uid)
        return Synapse(
            **vars(spine), epoch_days=Training(self._run).epoch_days, step_days=self._run.tick_days,
            taps=int(self._run.projection(spine.projection).get("taps", 1)),
        )  # fmt: skip


class Training(Card):
    """What a run of training says of itself: ``run.training``.

    Raises
    ------
    ParameterError
        If the run is one of development.
    """

    def __init__(self, run: Reading) -> None:
        if not run.is_training:
            raise ParameterError(f"{run.path} is a run of development, not of training: run.series() holds its numbers")
        self._run = run
        self.settings: dict[str, Any] = described.training(run.file)

    def _words(self) -> str:
        return f"Training({self.what}, {counted(self.n_epoch, 'epoch')})"

    def _rows(self) -> Rows:
        return [
            ("data and methods", self.what), ("epochs", f"{self.n_epoch} of {self.settings['epochs']}"),
            ("layers", named(self.settings["layers"], 12)), ("tensors of weights", named(self.tensors, 12)),
            (f"{self.measure} on the test set", self._right),
            ("density", lambda: f"{self._run.series('density')[-1]:.4g}"),
        ]  # fmt: skip

    def _right(self) -> str:
        return self._told(self.reached()[-1]) if self.n_epoch else "no epoch is finished yet"

    @property
    def measure(self) -> str:
        """What samples are judged by: ``"accuracy"``, or ``"error"`` where their targets are numbers."""
        return "error" if self.settings.get("targets") == "numbers" else "accuracy"

    @asks(part=among(("train", "validation", "test")))
    def reached(self, part: str = "test") -> F8:
        """Samples of a part that were right after each epoch, in % (of labels: that were told); or the error.

        Parameters
        ----------
        part : {"test", "validation", "train"}

        Returns
        -------
        (n_epoch,) float64
            NaN where the data have no such part.
        """
        name = f"{part}_{self.measure}"
        if name not in self._run.series_names:
            return np.full(self.n_epoch, np.nan)
        return (100.0 if self.measure == "accuracy" else 1.0) * self._run.series(name)

    @property
    def best(self) -> int:
        """The epoch, from 1, with the best accuracy or error on the validation samples, or else the test set.

        Raises
        ------
        RunFileError
            If no epoch has such a number.
        """
        part = "validation" if f"validation_{self.measure}" in self._run.series_names else "test"
        found = self.reached(part) * (1 if self.measure == "accuracy" else -1)
        if not np.isfinite(found).any():
            raise RunFileError(f"{self._run.path} has no {self.measure} of any epoch: give it validation samples")
        return int(np.nanargmax(found)) + 1

    def _told(self, value: float) -> str:
        return f"{value:.2f} %" if self.measure == "accuracy" else f"{value:.4g}"

    @property
    def notes(self) -> list[tuple[int, int, str]]:
        """What callbacks noted: (epochs that were done, step, text)."""
        return [(int(epoch), int(step), str(text)) for epoch, step, text in self._run.file.item("notes", [])]

    def per_class(self) -> F8:
        """Share of the test samples of each class that were right after the last epoch, (n_class,); NaN where none.

        Where samples have several labels, of those that have it: how often it was told.

        Raises
        ------
        RunFileError
            If the run has no table of decisions (see `confusion`).
        """
        table = self.confusion
        hits, there = (
            (np.diag(table), table.sum(axis=1)) if table.ndim == 2 else (table[:, 1, 1], table[:, 1].sum(axis=1))
        )
        with np.errstate(invalid="ignore"):
            return np.asarray(hits / there)

    def f1(self) -> F8:
        """F1 of each class or label on the test samples after the last epoch, (n_class,): see `metrics.cost.f1`.

        Raises
        ------
        RunFileError
            If the run has no table of decisions (see `confusion`).
        """
        return np.asarray(f1(self.confusion))

    def to_pandas(self) -> Any:
        """All numbers of the epochs as a frame of pandas: a row an epoch, a column a series, by their names."""
        import pandas as pd

        run = self._run
        found = {n: run.series(n) for n in run.series_names if n != "snapshot_day"}
        frame = pd.DataFrame({n: a for n, a in found.items() if a.size == self.n_epoch})
        frame.insert(0, "epoch", np.arange(1, self.n_epoch + 1))
        return frame

    def health(self) -> list[str]:
        """Layers that fell silent or fired at nearly every step, by epoch, and what to do about it."""
        out = []
        for name, rate in self.layers("rate").items():
            for word, cure in HEALTH.items():
                here = rate == 0 if word == "silent" else rate > SATURATED
                for k in np.flatnonzero(here & ~np.append(False, here[:-1])):
                    until = int(k) + int(np.argmin(np.append(here[k:], False)))
                    when = f"epoch {k + 1}" + (f" to {until}" if until > k + 1 else "")
                    out.append(f"{name} is {word} in {when}: {cure}")
        return out

    @cached_property
    def epoch_days(self) -> float:
        """Life time that an epoch stands for, days."""
        return float(self._run.series("life")[0]) if self.n_epoch else 1.0

    @property
    def n_epoch(self) -> int:
        """Epochs done."""
        return self._run.n_tick

    @property
    def tensors(self) -> list[str]:
        """Names of the weight tensors, from input to output."""
        return self._run.plastic

    @property
    def confusion(self) -> NDArray[np.int64]:
        """(n_class, n_class): how often each class (row) of the test set was taken for each (column), last epoch.

        Where samples have several labels, (n_label, 2, 2): how often each was there (row: no, yes) and told (column).

        Raises
        ------
        RunFileError
            If the run has no finished epoch, or was written before this was kept.
        """
        f = self._run.file
        rows = f.length("confusion")
        if not rows:
            why = "there are decisions only where targets are classes or labels"
            why = why if self.n_epoch else "train at least one epoch"
            raise RunFileError(f"{self._run.path} holds no table of decisions: {why}")
        last = f.read("confusion", rows - 1, rows)
        if last.ndim != 2 or not 0 < last.shape[1] <= rows:
            raise f.damaged("array 'confusion'", f"it has {rows} rows of {last.shape[1:]}")
        if self.settings.get("targets") != "labels":
            return f.read("confusion", rows - last.shape[1], rows).astype(np.int64)
        if last.shape[1] != 2 or rows % (2 * max(self.n_epoch, 1)):
            raise f.damaged("array 'confusion'", f"it has {rows} rows of {last.shape[1:]} in {self.n_epoch} epochs")
        return f.read("confusion", rows - rows // self.n_epoch, rows).astype(np.int64).reshape(-1, 2, 2)

    def density(self, tensor: str) -> tuple[F8, F8]:
        """Epochs from the start, and the share of pairs that a synapse joins, (n_epoch + 1,) each."""
        tensor = self._run.projection(tensor)["name"]
        start = float(self._run.file.length(f"initial/{tensor}/uid"))
        pairs = start
        if self.n_epoch:
            n, d = (float(self._run.series(f"{k}/{tensor}")[0]) for k in ("n_synapse", "density"))
            pairs = n / d if d else float(self._run.projection(tensor).get("pairs", max(start, 1.0)))
            later = self._run.series(f"density/{tensor}")
        else:
            later = np.zeros(0)
        return np.arange(self.n_epoch + 1.0), np.concatenate([[start / max(pairs, 1.0)], later])

    def units(self, tensor: str) -> tuple[int, int]:
        """Units of a tensor that have a synapse at the end, and all of them."""
        tensor = self._run.projection(tensor)["name"]
        f, label = self._run.file, f"final/{tensor}/post"
        if not f.length(label):
            label = f"{self._run.picture(self._run.snapshot_days[-1])}/{tensor}/post"
        n = int(self._run.population(self._run.projection(tensor)["target"])["n"])
        return (int(np.unique(f.read(label)).size) if f.length(label) else 0), n

    @asks(epoch=or_none(finite(low=0.0)), ranks=flag)
    def structure(self, epoch: float | None = None, ranks: bool = True) -> Layered:
        """Ways from input to output, units on none, and ranks of the weights, by layer (see `metrics.layered`).

        Parameters
        ----------
        epoch : float, optional
            The picture nearest to it; the last if not given.
        ranks : bool
            Whether to reckon the ranks, which take a dense matrix of each layer.

        Raises
        ------
        ParameterError
            If layers do not follow each other, as in residual networks.

        Notes
        -----
        Units of convolutions are channels: a synapse joins two of them, whatever its tap; weights of taps add up.
        """
        return structure(self._run, self.epoch_days, epoch, ranks)

    def model(self, epoch: Any = None, *, trust: bool = False) -> Any:
        """The model as it stood at the end of an epoch; see `Run.model`."""
        f, words = self._run.file, self._run.file.item("model", None)
        if not isinstance(words, dict):
            raise RunFileError(f"{self._run.path} holds no words for its model: an older neurodev wrote it")
        if "without" in words:
            raise ParameterError(f"{self._run.path} holds no model: {words['without']}")
        wanted = self._wanted(epoch)
        days = wanted * self.epoch_days
        steps = max(1, round(self.epoch_days / self._run.tick_days)) if self._run.tick_days else 1
        state = next((data for step, data in f.checkpoints() if step == wanted * steps and wanted), None)
        seen, picture = self._run.snapshot_days, self._run.picture(days)
        if state is None and not np.isclose(seen, days).any():
            picture = "final"
            if wanted != self.n_epoch or not all(f.length(f"final/{name}/pre") for name in self.tensors):
                there = sorted({round(d / self.epoch_days) for d in seen} | {s // steps for s, _ in f.checkpoints()})
                raise ParameterError(
                    f"epoch {wanted} was neither pictured nor kept as a checkpoint in {self._run.path}: there are the "
                    f"epochs {there}"
                )
        make = registry.find("layer", "Sequential").of_run
        return make(f, wanted, picture, state, flag(trust, "trust"))

    def _wanted(self, epoch: Any) -> int:
        """An epoch by its number, by "best", or the last."""
        n = self.n_epoch
        if epoch is None:
            return n
        if isinstance(epoch, str):
            if epoch != "best":
                raise ParameterError(f"epoch must be a number, 'best' or None (the last), got {epoch!r}")
            names = {s.removeprefix("series/") for s in self._run.file.names("series/")}
            for by in (f"{part}_{what}" for part in ("validation", "test") for what in ("accuracy", "error")):
                reached = self._run.series(by) if by in names and n else np.zeros(0)
                if np.isfinite(reached).any():
                    return 1 + int(np.nanargmax(-reached if by.endswith("error") else reached))
            raise ParameterError(f"epoch='best': {self._run.path} has no accuracy of any epoch")
        k = whole(epoch, "epoch", 0)
        if k > n:
            raise ParameterError(f"epoch must lie in [0, {n}], the epochs that are done, got {k}")
        return k

    @asks(kind=of_type(str, what="the name of a series of layers, such as 'rate'"))
    def layers(self, kind: str) -> dict[str, F8]:
        """Series that there is one of for each layer, such as ``rate``, by the name of the layer, (n_epoch,)."""
        names = self._run.file.names(f"series/{kind}/")
        return {n.removeprefix(f"series/{kind}/"): self._run.series(n.removeprefix("series/")) for n in names}

    def total(self, kind: str) -> F8:
        """Sum of such a series over layers, (n_epoch,)."""
        return np.asarray(np.sum([*self.layers(kind).values(), np.zeros(self.n_epoch)], axis=0))

    @property
    def what(self) -> str:
        """The data and the methods in a few words."""
        s = self.settings
        methods = " and ".join(s["methods"]) or "no method (dense)"
        return f"{methods} on {s['data']} ({s['n_train']:,} training samples, {s['n_test']:,} test samples)"

    def sentence(self) -> str:
        """What came out, in a few sentences."""
        if not self.n_epoch:
            return f"{self.what}: no epoch is finished yet."
        run, n = self._run, self.n_epoch
        right, accuracy = self.reached(), self.measure == "accuracy"
        best = int(np.argmax(right if accuracy else -right))
        last = {k: float(run.series(k)[-1]) for k in ("density", "operations", "dense_operations")}
        alive = int(self.total("n_synapse")[-1])
        of = "labels of the test samples" if self.settings.get("targets") == "labels" else "test samples"
        said = f"{right[-1]:.2f} % of the {of} right" if accuracy else f"an error of {right[-1]:.4g} on the tests"
        text = f"{self.what}: {said} after {n} epoch{'s' * (n > 1)}"
        better = right[best] > right[-1] if accuracy else right[best] < right[-1]
        text += f" (best: {self._told(right[best])} after {best + 1}). " if better else ". "
        text += (
            f"{alive:,} synapses live, density {last['density']:.4g}; {self.total('births').sum():,.0f} were born and "
        )
        text += f"{self.total('deaths').sum():,.0f} died. "
        share = last["operations"] / max(last["dense_operations"], 1.0)
        text += f"The last epoch took {last['operations']:,.0f} synaptic operations, {100 * share:.3g} % of the "
        return text + f"{last['dense_operations']:,.0f} that its spikes would take in a dense network."

    def lines(self) -> list[str]:
        """What `Run.info` says of it."""
        s, run = self.settings, self._run
        out = [f"  {self.what}"]
        if self.n_epoch:
            reached, seconds = self.reached(), run.series("seconds").sum()
            compiler = np.nansum(run.series("compile_seconds")) if "compile_seconds" in run.series_names else 0.0
            best = reached.max() if self.measure == "accuracy" else reached.min()
            of = " of the test set" if self.measure == "accuracy" else " on the test set"
            out.append(
                f"  {self.measure} after {self.n_epoch} of {s['epochs']} epochs: {self._told(reached[-1])}{of} "
                f"(best {self._told(best)}), density {run.series('density')[-1]:.4g}; {seconds:.1f} s of training"
                + (f" and {compiler:.1f} s of compiling" if compiler >= 0.1 else "")
            )
            if "n_validation" in s:
                now = self.reached("validation")[-1]
                out.append(f"  on {s['n_validation']:,} validation samples: {self._told(now)}; best epoch {self.best}")
        if stopped := run.file.item("stopped", None):
            out.append(f"  a callback ended it after epoch {stopped['epoch']}: {stopped['why']}")
        out += [f"  {m}" for m in described.words(run.file, "methods")]
        plain = [re.sub(r", steps=\d+\)$", ")", str(s[k])) for k in ("encoder", "optimiser", "loss")]
        out.append(f"  {', '.join(plain)}, batch {s['batch']}; layers: {', '.join(s['layers'])}")
        return out

"""SD-SNN: private weight ranges, pruning of neurons by spine density, regeneration of synapses (Han et al. 2025).

Once an epoch, before evaluation, e counted from 0, Tc = 18 epochs of the published run:

=========  ==================================================================================
e = 0      ranges start from the weights
e >= 1     ranges move                                            (`mechanisms.spine_range`)
e > Tc     weights are clipped to their ranges
e > 2 Tc   synapses regenerate, then neurons are pruned
=========  ==================================================================================

A pruned synapse is set to 0 at the end of every epoch and trained freely in between: what it has learned by the end of
the epoch shows how hard the loss pulls at its place.  It regenerates, with that value, when it has stayed above a
percentile of its layer for Tg + 2 epochs in a row.  The share of neurons to prune follows the neurotrophic ratio.
Source: Han et al. 2025, Inf. Sci. 689:121481 (arXiv 2211.12219), from its public code; where code and text differ, the
parameter says which reading is the default.  Counters scale with the length of the run (`scale`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from neurodev import params
from neurodev.learn.training.course import Course
from neurodev.mechanisms.spine_range import COLUMNS, SpineRange, positions, width
from neurodev.methods import rewire, schedule
from neurodev.methods.scaled import EPOCHS, LEAST_SCALE, Scaled, names_of
from neurodev.methods.tensors import Tensor, above, chosen, share_of, tensors
from neurodev.params import param
from neurodev.structure.cause import Cause
from neurodev.structure.plan import Plan

_HAN = "Han et al. 2025, Inf. Sci. 689:121481, public code"
F8 = NDArray[np.float64]
I8 = NDArray[np.int64]
EARLY = 24.0  # pruning epochs, of the published run, in which the neurotrophic rate falls exponentially


@dataclass
class SDSNN(Scaled):
    """Adaptive sparse structure development.

    Parameters
    ----------
    layers : tuple of str, optional
        Weight tensors that take part; by default all hidden ones but the first (the published MNIST, N-MNIST and DVS
        nets), or the only one.
    sparsity : float, optional
        Share of absent synapses over all tensors, in place of the percentages and their neurotrophic increase: at every
        pruning as many of the sparsest neurons go as a line to it over the first `EARLY` pruning epochs (of the
        published run) asks for, what regenerated included.  Ours.
    percent, percent_filters : float
        Cumulative share of neurons (filters) at the first pruning, per cent.
    rate : float
        Factor on the neurotrophic increase of fully connected layers (0.5 for CIFAR-10).
    late_rate : float
        Increase after the 24th pruning epoch, per epoch.
    dead_below, dead_below_filters : int
        A unit with fewer living synapses counts as dead in the neurotrophic ratio.
    count : int
        Tc, in epochs of the published run.
    persistence, persistence_filters : int
        Tg of single synapses and of kernels, in epochs of the published run.
    floor, floor_filters : float
        Percentile that regeneration starts from.
    regenerate, prune : bool
        Off switches.
    repruneable : bool
        Whether units that were pruned once, and regenerated, may be pruned again.
    signed : bool
        Compare signed values for regeneration, as the published code does: then only positive weights come back.
    frozen_conv_ranges : bool
        Leave the ranges of convolutions as they begin, as the published CIFAR-10 code does.
    clip_output : bool
        Keep the output's weights within the band of the first epoch (not for CIFAR-10).
    published_epochs : int
        Length of the published run: 300, for CIFAR-10 600.
    scale : float, optional
        Length of this run over the published one, by default ``epochs / published_epochs``.  All counts of epochs are
        multiplied by it (at least 1), and an epoch stands for ``1 / scale`` of theirs in the rates.

    Examples
    --------
    >>> from neurodev.learn import LIF, Linear, Sequential, Surrogate
    >>> draw = np.random.default_rng(0)
    >>> X, y = draw.random((40, 30)), draw.integers(0, 2, 40)
    >>> cells = lambda: LIF(0.5, 0.5, surrogate=Surrogate(width=2.0))
    >>> model = Sequential(Linear(16, name="fc"), cells(), Linear(2, name="out"), cells(), inputs=(30,))
    >>> method = nd.methods.SDSNN(sparsity=0.5)
    >>> trainer = nd.Trainer(model, (X, y, X, y), epochs=4, batch=10, methods=[method], progress=False).fit()
    >>> round(trainer.close().series("density")[-1], 1)
    np.float64(0.5)
    """

    layers: tuple[str, ...] | None = None
    percent: float = param(35.0, low=0.0, high=100.0, source=f"{_HAN}: MNIST, 35 %")
    percent_filters: float = param(5.0, low=0.0, high=100.0, source=f"{_HAN}: 5 %")
    rate: float = param(1.0, low=0.0, source=f"{_HAN}: exp(-k)")
    late_rate: float = param(0.00075, low=0.0, source=f"{_HAN}: after epoch 60")
    dead_below: int = param(20, low=1, source=_HAN)
    dead_below_filters: int = param(10, low=1, source=_HAN)
    count: int = param(18, low=1, source=f"{_HAN}: Tc = 18")
    persistence: int = param(10, low=1, source=f"{_HAN}: Tg = 10")
    persistence_filters: int = param(18, low=1, source=f"{_HAN}: Tg = 18")
    floor: float = param(60.0, low=0.0, high=99.0, source=f"{_HAN}: 60 + 1.1^k")
    floor_filters: float = param(65.0, low=0.0, high=99.0, source=f"{_HAN}: 65 + 1.1^k")
    regenerate: bool = param(True, source="off switch")
    prune: bool = param(True, source="off switch")
    repruneable: bool = param(False, source=f"{_HAN}: a history of the pruned")
    signed: bool = param(False, source="free: magnitude is our reading; the public code compares signed values")
    frozen_conv_ranges: bool = param(False, source="free: off, our reading; frozen in the public CIFAR-10 code")
    clip_output: bool = param(True, source=f"{_HAN}: the constant band of epoch 0; off for CIFAR-10")
    published_epochs: int = param(EPOCHS, low=1, source=f"{_HAN}: MNIST, N-MNIST, DVS-Gesture 300; CIFAR-10 600")
    scale: float | None = param(None, low=LEAST_SCALE, none=True, source="free: one factor for all counts, our reading")
    sparsity: float | None = param(None, low=0.0, high=0.999, none=True, source="free: our controller")

    causes: ClassVar[dict[str, Cause]] = {
        "density": Cause(
            "its neuron had the least spine density of its layer and was pruned",
            decided="the spine density of its unit was", colour="#7B2D4F",
        ),
        "regeneration": Cause(
            "it was restored because the loss kept pulling at its place",
            decided="the |weight| learned at its place was", colour="#2F6B3A",
        ),
    }  # fmt: skip
    dead = "move"
    gradient = "always"
    decides: ClassVar[tuple[str, ...]] = ("life",)
    equation: ClassVar[str] = (
        "range of a weight: r up where it stays beyond it, r -> .75 r where |w| keeps falling;  units pruned: the "
        "lowest p % of the summed widths;  p <- p + alpha A/A_above;  a synapse comes back: |w| above the "
        "(q0 + 1.1^k)th percentile Tg + 2 epochs in a row"
    )

    def __post_init__(self) -> None:
        params.check(self)
        self.layers = names_of(self, self.layers)
        super().__init__()

    # ------------------------------------------------------------------ counters of this run

    def scaled(self, trainer: Course, epochs: int) -> int:
        """A count of epochs in this run."""
        return max(1, round(epochs * self.scale_of(trainer)))

    def increase(self, k: int, scale: float, filters: bool) -> float:
        """alpha, the rate of the neurotrophic increase, k epochs after the first pruning."""
        if filters:
            return schedule.exponential_rate(k, 5.0, scale)
        late = max(0.0, (k + 1) / scale - max(k / scale, EARLY))
        return self.rate * schedule.exponential_rate(k, 1.0, scale, until=EARLY) + self.late_rate * late

    def over_a_run(self) -> dict[str, tuple[NDArray[Any], NDArray[Any]]]:
        """Neurons pruned of 300 under ten classes if none comes back, per cent, and the percentile to pass."""
        first = 2 * self.count + 1
        n = self.published_epochs
        epoch, percent, p = np.arange(n), np.zeros(n), self.percent
        for e in range(first, n):
            pruned = np.floor(3 * p + 1e-9)
            percent[e] = pruned / 3
            p = min(p + self.increase(e - first, 1.0, False) * (300 - pruned) / 10, 100.0)
        at, k = epoch[first:], np.arange(n - first)
        edge = np.array([schedule.percentile(float(v), self.floor) for v in k])
        return {
            "neurons pruned, of 300 under 10, if none comes back (%)": ((epoch + 1) / n, percent),
            "percentile that a synapse must pass to come back": ((at + 1) / n, edge),
        }

    # ------------------------------------------------------------------ clocks

    def start(self, trainer: Course) -> None:
        """Ranges as columns, counters and percentages as memory."""
        for t in chosen(trainer, self.layers, self.name, first=False):
            for column, fill in SpineRange().columns().items():
                t.table.add_column(column)[:] = fill  # an earlier training may have left its own
            shape = (t.table.n_source // t.taps) * t.table.n_target
            self.memory[f"run/{t.name}"] = np.full(shape, -1, dtype=np.int64)
            self.memory[f"ever/{t.name}"] = np.zeros(t.table.n_target, dtype=bool)
            self.memory[f"percent/{t.name}"] = np.array([self.percent_filters if t.convolution else self.percent])
        if self.sparsity is not None:
            share_of(trainer, self.sparsity, chosen(trainer, self.layers, self.name, first=False), self.name)
        for t in tensors(trainer):
            if t.output:
                self.memory["band"] = np.zeros(1)

    def epoch_end(self, trainer: Course) -> None:
        """The four rules, in their published order, then the mask."""
        e, count = trainer.epoch, self.scaled(trainer, self.count)
        mine = chosen(trainer, self.layers, self.name, first=False)
        ranges = SpineRange(count)
        for t in mine:
            self._move_range(t, ranges, e)
        if self.clip_output:
            self._clip_output(trainer, e, count)
        if e > 2 * count:
            k = e - (2 * count + 1)
            for t in mine:
                if self.regenerate:
                    self._regenerate(trainer, t, k)
            for t in mine:
                if self.prune:
                    self._prune(trainer, t, k)
            if self.prune and self.sparsity is None:
                self._raise_percentages(trainer, mine, k)
        for t in mine:
            t.table.weight[t.dense.alive == 0] = 0.0

    # ------------------------------------------------------------------ the rules

    def _move_range(self, t: Tensor, ranges: SpineRange, epoch: int) -> None:
        table, pairs = t.dense, t.pairs()
        at = positions(table.column_names)
        masked: NDArray[Any] = table.weight * table.alive
        frozen = t.convolution and self.frozen_conv_ranges and epoch > 0
        if not frozen:
            ranges.update(pairs, masked, table.f, at, epoch)
        elif epoch > ranges.count:
            masked = np.clip(masked, table.f[at[0]], table.f[at[1]]).astype(masked.dtype)
        slots = table.slots()
        table.weight[slots] = masked[slots]

    def _clip_output(self, trainer: Course, epoch: int, count: int) -> None:
        """The output's weights stay in the constant band of epoch 0."""
        for t in tensors(trainer):
            if t.output:
                if epoch == 0:
                    self.memory["band"][0] = float(t.table.weight[t.table.slots()].max())
                elif epoch > count:
                    band = abs(float(self.memory["band"][0]))
                    np.clip(t.table.weight, -band, band, out=t.table.weight)

    def _regenerate(self, trainer: Course, t: Tensor, k: int) -> None:
        table = t.dense
        n, taps = table.n_target, t.taps
        weight = table.grid(table.weight)[:, :n].reshape(-1, taps, n).astype(np.float64)
        alive = table.grid(table.alive)[:, :n].reshape(-1, taps, n)
        value, absent = weight.sum(axis=1), ~alive.any(axis=1)
        if not self.signed:
            value = np.abs(value)
        first = self.floor_filters if t.convolution else self.floor
        edge = np.percentile(value, schedule.percentile(k / self.scale_of(trainer), first))
        run = self.memory[f"run/{t.name}"]
        rewire.persistent(run, (absent & (value > edge)).reshape(-1))
        limit = self.scaled(trainer, self.persistence_filters if t.convolution else self.persistence)
        back = np.flatnonzero(run > limit)
        if not back.size:
            return
        run[back] = -1
        channel, target = back // n, back % n
        source = (channel[:, None] * taps + np.arange(taps)).reshape(-1)
        target = np.repeat(target, taps)
        values = table.weight[table.slot(source, target)]
        rank = np.repeat(value.reshape(-1)[back], taps)
        trainer.propose(t.name, [rewire.births(self.name, source, target, "regeneration", values, rank)])

    def _to_target(self, trainer: Course, t: Tensor, density: F8, ever: NDArray[np.bool_], k: int) -> I8:
        """The sparsest units, as many as the line to a target sparsity asks for at the k-th pruning."""
        assert self.sparsity is not None
        share = share_of(trainer, self.sparsity, chosen(trainer, self.layers, self.name, first=False), self.name)
        over = min((k + 1) / self.scale_of(trainer) / EARLY, 1.0)
        living = t.living()
        excess = int(living.sum()) - (1 - share * over) * t.table.n_source * t.table.n_target
        units = np.flatnonzero((living > 0) & (self.repruneable | ~ever))
        units = units[np.argsort(density[units], kind="stable")]
        n = int(np.searchsorted(np.cumsum(living[units]), excess, side="right"))
        return units[: min(n, max(int((living > 0).sum()) - 1, 0))]

    def _prune(self, trainer: Course, t: Tensor, k: int) -> None:
        table, slots, ever = t.dense, t.table.slots(), self.memory[f"ever/{t.name}"]
        low, high = table.column(COLUMNS[0]), table.column(COLUMNS[1])
        pairs = t.pairs()
        spine = np.zeros(table.capacity)
        spine[pairs] = width(low[pairs], high[pairs])
        density = rewire.per_target(table, slots, spine[slots])
        none = np.zeros_like(ever)
        percent = float(self.memory[f"percent/{t.name}"][0])
        if self.sparsity is None:
            doomed = rewire.lowest_units(density, percent, none if self.repruneable else ever)
        else:
            doomed = self._to_target(trainer, t, density, ever, k)
        ever[doomed] = True
        gone = slots[np.isin(table.post[slots], doomed)]
        if gone.size:
            trainer.propose(t.name, [_density_deaths(self.name, gone, density[table.post[gone]])])

    def _raise_percentages(self, trainer: Course, mine: list[Tensor], k: int) -> None:
        every = tensors(trainer)
        scale = self.scale_of(trainer)
        for t in mine:
            after = above(t, every)
            below = self.dead_below_filters if t.convolution else self.dead_below
            alive = int((t.living() >= min(below, t.table.n_source)).sum())
            fewest = self.dead_below_filters if after.convolution else self.dead_below
            limit = min(fewest, after.table.n_source)
            n_next = after.table.n_target if after.output else int((after.living() >= limit).sum())
            percent = self.memory[f"percent/{t.name}"]
            rate = self.increase(k, scale, t.convolution)
            percent[0] = min(schedule.neurotrophic(percent[0], rate, alive, max(n_next, 1)), 100.0)

    def series(self, trainer: Course) -> dict[str, float]:
        """Cumulative percentage and living units of each tensor."""
        out = {}
        for t in chosen(trainer, self.layers, self.name, first=False):
            out[f"percent/{t.name}"] = float(self.memory[f"percent/{t.name}"][0])
            out[f"living_units/{t.name}"] = float((t.living() > 0).sum())
        return out

    def without(self, *parts: str) -> SDSNN:
        """The same method with some of its rules off: ``without("regenerate")``."""
        off: dict[str, Any] = dict.fromkeys(parts, False)
        return replace(self, **off)


def _density_deaths(name: str, gone: I8, density: F8) -> Plan:
    return rewire.deaths(name, gone, "density", density)

"""What stimuli give to whom: the script of a part, and the classes that neurons turn to when their drive changes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurodev import rng
from neurodev.arrays import F8, I8
from neurodev.engine.loop.state import Neurons, Own, Script
from neurodev.engine.members import Population
from neurodev.errors import BuildError, ParameterError, shown
from neurodev.neurons.door import LARGEST
from neurodev.neurons.model import Changes, NeuronModel
from neurodev.neurons.stepped import QUIET, Stepped, noise_table
from neurodev.neurons.stimulus import EVERYBODY, LATEST, Inputs, Levels, Noise, Stimulus
from neurodev.params import check_memory
from neurodev.structure.selection import indices

U4 = NDArray[np.uint32]
Given = tuple[Population, Stimulus, I8]  # to which of its cells
CHANGE, INHIBITION, EXCITATION = range(3)  # in this order at one instant; arrivals come before the last
_BYTES = 40.0  # of a neuron whose drive changes once, with what is needed to put the changes in order


def chosen(target: Population, stimulus: Stimulus, cells: Any) -> I8:
    """The cells that a stimulus reaches, looked at together with what it gives to them.

    Raises
    ------
    ParameterError, BuildError
        For cells that there are not or that are named twice, and for what such cells cannot take.
    """
    of, what = f"cells of {target.name!r}", f"{type(stimulus).__name__} onto {target.name!r}"
    which = np.arange(target.n) if cells is None else indices(cells, target.n, "cells", of=of, some=True)
    if np.unique(which).size < which.size:
        twice = int(np.flatnonzero(np.bincount(which) > 1)[0])
        raise ParameterError(f"cells must name each of the {of} once, got {shown(cells)}: {twice} comes twice")
    inputs_of(stimulus, which.size, what)
    levels = levels_of(stimulus, which.size, what)
    if levels is not None:
        check_memory(
            _BYTES * levels.times.size * which.size, f"{what}: {levels.times.size} steps", "give fewer of them"
        )
        _check_steps(target, which, what)
    if noise_of(stimulus, which.size, what) is not None and not isinstance(target.model, Stepped):
        word = type(target.model).__name__
        raise BuildError(
            f"{what}: {word} goes from event to event in closed form, where a noisy current has none: use a model that "
            "integrates itself (nd.AdaptiveExponential, nd.Izhikevich, nd.HodgkinHuxley), or nd.Background"
        )
    return which


def _check_steps(target: Population, which: I8, what: str) -> None:
    """A model whose drive can change, and has an effect."""
    model = target.model
    assert isinstance(model, NeuronModel)
    word = type(model).__name__
    if not model.drive_changes:
        raise BuildError(
            f"{what}: {word} has no parameter `drive` that can change while it runs: use nd.LIF, nd.AlphaLIF, "
            "nd.ConductanceLIF, nd.GLIF, nd.TreeLIF or a model that integrates itself (nd.AdaptiveExponential, ...), "
            "or give it nd.Kicks"
        )
    tau = np.broadcast_to(np.asarray(getattr(model, "tau", 1.0), dtype=float), (target.n,))[which]
    if np.isinf(tau).any():
        raise BuildError(
            f"{what}: {word}.tau is inf, and without leak `drive` (R I, in mV) has no effect: give a finite tau, or "
            "nd.Kicks"
        )


def _refuse(what: str, given: object) -> ParameterError:
    return ParameterError(
        f"{what} must give times from 0 to {LATEST:g} ms, with finite amplitudes and cells that there are, got "
        f"{shown(given)}"
    )


def _fit(times: F8, amplitudes: F8) -> bool:
    fits = times.ndim == 1 and bool(np.all((times >= 0.0) & (times <= LATEST)))
    return fits and bool(np.all(np.abs(amplitudes) <= LARGEST))  # NaN is not


def inputs_of(stimulus: Stimulus, n: int, what: str) -> Inputs | None:
    """What a stimulus gives, looked at: it may be of a class of the user's own."""
    given = stimulus.inputs(n, what)
    if given is None:
        return None
    try:
        times, amplitudes, cells = (np.asarray(a) for a in given)
        found = Inputs(times.astype(np.float64), amplitudes.astype(np.float64), cells.astype(np.int64))
    except (TypeError, ValueError) as e:
        raise _refuse(f"{what}.inputs", given) from e
    fits = _fit(*found[:2]) and found.times.shape == found.amplitudes.shape == found.cells.shape
    if not fits or np.any((found.cells >= n) | (found.cells < EVERYBODY)):
        raise _refuse(f"{what}.inputs", given)
    return found


def levels_of(stimulus: Stimulus, n: int, what: str) -> Levels | None:
    """The levels of a stimulus, looked at."""
    given = stimulus.levels(n, what)
    if given is None:
        return None
    try:
        times, amplitudes = (np.asarray(a).astype(np.float64) for a in given)
    except (TypeError, ValueError) as e:
        raise _refuse(f"{what}.levels", given) from e
    shapes = ((times.size,), (times.size, n))
    if not _fit(times, amplitudes) or amplitudes.shape not in shapes or np.any(np.diff(times) <= 0.0):
        raise _refuse(f"{what}.levels", given)
    return Levels(times, amplitudes)


def noise_of(stimulus: Stimulus, n: int, what: str) -> Noise | None:
    """The noisy currents of a stimulus, looked at."""
    given = stimulus.noise(n, what)
    if given is None:
        return None
    try:
        found = Noise(*(np.asarray(a).astype(np.float64) for a in given))
        fits = all(a.shape == (n,) and np.all(np.abs(a) <= LARGEST) for a in found)
    except (TypeError, ValueError) as e:
        raise _refuse_noise(what, given) from e
    if not fits or np.any(found.sigma < 0.0) or np.any(found.tau <= 0.0):
        raise _refuse_noise(what, given)
    return found


def _refuse_noise(what: str, given: object) -> ParameterError:
    return ParameterError(
        f"{what}.noise must give mean, sigma >= 0 and tau > 0, finite, one for each cell, got {shown(given)}"
    )


def noise_onto(p: Population, stimuli: Sequence[Given], seed: int) -> F8 | None:
    """What a model that integrates itself finds of the noisy currents of its neurons; None where there are none.

    Raises
    ------
    BuildError
        Where a neuron has two.
    """
    out, has = np.tile(QUIET, (p.n, 1)), np.zeros(p.n, dtype=bool)
    for q, stimulus, cells in stimuli:
        what = f"{type(stimulus).__name__} onto {q.name!r}"
        noise = noise_of(stimulus, cells.size, what) if q is p else None
        if noise is None:
            continue
        if has[cells].any():
            raise BuildError(
                f"{what}: cell {int(cells[has[cells]][0])} has a noisy current already: give it one, of the mean and "
                "the variance of the sum"
            )
        has[cells] = True
        assert isinstance(p.model, Stepped)
        out[cells] = noise_table(*noise, p.model.step, int(rng.key(seed, "noise", p.name)))
    return out if has.any() else None


# ---------------------------------------------------------------- changes of the drive


def changes_of(p: Population, stimuli: Sequence[Given]) -> Changes | None:
    """The drive of the cells of a population whenever it changes for some of them; None if it never does.

    Raises
    ------
    BuildError
        Where the model does not take such a drive.
    """
    found = []
    for q, stimulus, cells in stimuli:
        levels = levels_of(stimulus, cells.size, f"{type(stimulus).__name__} onto {q.name!r}") if q is p else None
        if levels is not None:
            found.append((cells, levels))
    if not found:
        return None
    assert isinstance(p.model, NeuronModel)
    # whatever the order in which they were named, sums are taken in the same
    found.sort(key=lambda x: (x[1].times.tobytes(), x[1].amplitudes.tobytes(), x[0].tobytes()))
    values = p.model.expand(p.n, p.name)
    base = drive = values["drive"]
    now = np.zeros((len(found), p.n))
    time, who, drives = [], [], []
    for t in np.unique(np.concatenate([levels.times for _, levels in found])):
        for k, (cells, levels) in enumerate(found):
            at = np.searchsorted(levels.times, t)
            if at < levels.times.size and levels.times[at] == t:
                now[k, cells] = levels.amplitudes[at]
        total = base + now.sum(axis=0)
        changed = np.flatnonzero(total != drive)
        drive = total
        if changed.size:
            time.append(float(t))
            who.append(changed)
            drives.append(total[changed])
    if not who:
        return None
    cell = np.concatenate(who)
    own = [f.name for f in fields(p.model) if f.name in values and f.metadata["array"]]  # type: ignore[arg-type]
    given = {name: values[name][cell] for name in own} | {"drive": np.concatenate(drives)}
    try:
        return Changes(np.array(time), who, replace(p.model, **given))  # type: ignore[type-var]
    except ParameterError as e:
        raise BuildError(f"{p.name!r} does not take a drive that stimuli give to it: {e}") from e


def all_changes(populations: Sequence[Population], stimuli: Sequence[Given]) -> dict[int, Changes]:
    """`changes_of` every population that has some, by its index."""
    found = {p.index: changes_of(p, stimuli) for p in populations if not p.is_drive}
    return {p: changes for p, changes in found.items() if changes is not None}


# ---------------------------------------------------------------- the script


class _Entries:
    """Entries of a script while they are gathered."""

    def __init__(self) -> None:
        self.columns: list[tuple[NDArray[Any], ...]] = []
        self.neurons: list[I8] = []
        self.turns: list[tuple[U4, U4, F8]] = []
        self.listed = self.changes = 0

    def add(self, time: F8, amount: F8, rank: Any, change: Any, first: Any, last: Any, place: int, cell: Any) -> None:
        """Some entries; `place` and `cell` order those of one instant."""
        n = time.size
        whole = (np.broadcast_to(np.asarray(x, dtype=np.int64), (n,)) for x in (rank, change, first, last, place, cell))
        self.columns.append((time, amount, *whole))

    def lists(self, neurons: I8) -> int:
        """Where a list of neurons begins."""
        at = self.listed
        self.neurons.append(neurons)
        self.listed += neurons.size
        return at

    def script(self) -> Script:
        """All of them in order of time."""
        i8 = np.int64
        if self.columns:
            time, amount, rank, change, first, last, place, cell = (
                np.concatenate(x) for x in zip(*self.columns, strict=True)
            )
        else:
            time, amount = np.zeros((2, 0))
            rank, change, first, last, place, cell = np.zeros((6, 0), i8)
        order = np.lexsort((cell, amount, place, rank, time))
        kinds = [np.concatenate([t[k] for t in self.turns]) if self.turns else np.zeros(0) for k in range(3)]
        return Script(
            time[order].astype(float), amount[order].astype(float), (rank[order] < EXCITATION).astype(i8),
            change[order].astype(i8), first[order].astype(i8), last[order].astype(i8),
            np.concatenate([*self.neurons, np.zeros(0, i8)]).astype(np.uint32), kinds[0].astype(np.uint32),
            kinds[1].astype(np.uint32), kinds[2].astype(float),
        )  # fmt: skip


def _add_inputs(out: _Entries, given: Given, place: int, begin: int, mine: Callable[[I8], NDArray[np.bool_]]) -> None:
    p, stimulus, which = given
    inputs = inputs_of(stimulus, which.size, f"{type(stimulus).__name__} onto {p.name!r}")
    if inputs is None:
        return
    rank = np.where(inputs.amplitudes < 0.0, INHIBITION, EXCITATION)
    everybody = inputs.cells == EVERYBODY
    neurons = begin + which
    if everybody.any() and mine(neurons).any():
        here = neurons[mine(neurons)]
        at = out.lists(here)
        out.add(
            inputs.times[everybody], inputs.amplitudes[everybody], rank[everybody], -1, at, at + here.size, place,
            neurons[0],
        )  # fmt: skip
    each = neurons[inputs.cells]
    here = ~everybody & mine(each)
    if here.any():
        single = out.lists(each[here]) + np.arange(int(here.sum()))
        out.add(inputs.times[here], inputs.amplitudes[here], rank[here], -1, single, single + 1, place, each[here])


def _add_changes(
    out: _Entries, p: Population, changes: Changes, place: int, neurons: Neurons,
    mine: Callable[[I8], NDArray[np.bool_]], v_inf: F8, kinds: list[U4], own_kinds: list[U4],
) -> None:  # fmt: skip
    j, kind = int(neurons.first[p.index]) + np.concatenate(changes.who), np.concatenate(kinds)
    own_kind = np.concatenate(own_kinds) if own_kinds else np.zeros_like(kind)
    of = np.repeat(np.arange(len(changes.who)), [x.size for x in changes.who])
    # of which class each of them was before: that of its last change, or of its beginning
    before, order = neurons.kind[j], np.argsort(j, kind="stable")
    again = j[order][1:] == j[order][:-1]
    before[order[1:][again]] = kind[order[:-1][again]]
    here = mine(j)
    if not here.any():
        return
    which, size = np.unique(of[here], return_counts=True)
    begin = np.cumsum(size) - size
    at = out.lists(j[here]) + begin
    time = changes.time[which]
    out.add(time, np.zeros(time.size), CHANGE, out.changes + begin, at, at + size, place, np.zeros(time.size))
    out.turns.append((kind[here], own_kind[here], (v_inf[kind] - v_inf[before])[here]))
    out.changes += int(here.sum())


def make_script(
    populations: Sequence[Population],
    stimuli: Sequence[Given],
    changes: dict[int, Changes],
    neurons: Neurons,
    own: Own,
    v_inf: F8,
    kinds: dict[int, list[U4]],
    own_kinds: dict[int, list[U4]],
) -> Script:
    """What happens to the neurons of a part; times since the start.

    Parameters
    ----------
    v_inf : (n_class,) float64, mV
    kinds, own_kinds : dict of lists
        Classes of the neurons of each change of a population, among those of the loop and of its model.
    """
    out = _Entries()
    by_name = {p.index: k for k, p in enumerate(sorted(populations, key=lambda p: p.name))}

    def mine(p: Population) -> Callable[[I8], NDArray[np.bool_]]:
        return lambda j: (j >= own.first[p.index]) & (j < own.last[p.index])

    for given in stimuli:
        p = given[0]
        _add_inputs(out, given, by_name[p.index], int(neurons.first[p.index]), mine(p))
    for p in (p for p in populations if p.index in changes):
        own_kind = own_kinds.get(p.index, [])
        _add_changes(out, p, changes[p.index], by_name[p.index], neurons, mine(p), v_inf, kinds[p.index], own_kind)
    return out.script()

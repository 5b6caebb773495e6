"""Protocols of spines as they grow up: stages, shapes, and the early phase of a change."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from neurodev.arrays import F8
from neurodev.mechanisms.base import Mechanism, SynapseView
from neurodev.mechanisms.early_phase import EarlyPhase, time_course
from neurodev.mechanisms.spine_shape import SpineShape, share_of_stubby, shares
from neurodev.mechanisms.spine_size import SpineSize
from neurodev.mechanisms.spine_stage import STAGES, SpineStage, mean_numbers
from neurodev.protocols.births import bare
from neurodev.protocols.registry import protocol
from neurodev.protocols.result import Panel, Protocol
from neurodev.protocols.stage import Ticks, star
from neurodev.units import day, minute


@dataclass(frozen=True)
class Induce(Mechanism, word=False):
    """Stands for STDP: in tick `when` every synapse is induced by its own `amount` (reference bursts, by uid)."""

    owns: ClassVar[tuple[str, ...]] = ("accumulator",)
    amount: Any = None
    when: Any = 1

    def columns(self) -> dict[str, float]:
        """What a rule accumulates, and what it induced in the tick."""
        return {"accumulator": 0.0, "induction": 0.0}

    def signals(self, view: SynapseView) -> None:
        """Induce."""
        t, slots = view.table, view.slots()
        if view.clock.tick == self.when:
            t.column("induction")[slots] = np.asarray(self.amount, float)[t.uid[slots].astype(np.int64) - 1]


def quiet() -> SpineSize:
    """Sizes that nothing but steps moves."""
    return SpineSize(noise=False, death="none", tau=1e13 * day)


def courses(rule: EarlyPhase, volumes: F8, amount: float, minutes: int, tick: float = minute / 30) -> F8:
    """Total size over the first one after one induction, minute by minute, (n_volume, minutes)."""
    n, start = volumes.size, np.log(volumes / 0.05)
    world = Ticks((quiet(), Induce(np.full(n, amount)), rule), star(n), tick=tick, acceleration=1.0)
    world.table.column("log_size")[world.table.slots()] = start
    out = []
    for _ in range(minutes):
        world.step(round(minute / tick))
        out.append(np.exp(world.of("log_size") - start) * (1.0 + world.of("early")))
    return np.array(out).T


@protocol(EarlyPhase)
def early_protocol(rule: EarlyPhase, *, minutes: int = 60) -> Protocol:
    """One induction of a small, a middle and a large spine, and of depression: size minute by minute."""
    tick, t = rule.tau / 300.0, np.arange(1, minutes + 1, dtype=np.float64)
    every = minute / np.ceil(minute / tick)  # a whole number of ticks a minute
    volumes, panels = np.array([0.05, 0.12, 0.3]), []
    for title, amount in (("Potentiation: one reference burst", 1.0), ("Depression", -0.1)):
        rise = float(np.clip(rule.gain * amount, rule.lowest, rule.highest))
        given = rise / rule.gain if rule.gain > 0 else 0.0  # bounds are not part of the closed form
        found = courses(rule, volumes, given, minutes, every)
        panel = Panel(title, "minutes after the induction", "total size over the first one")
        for v, y in zip(volumes, found, strict=True):
            # the induction is spread over its tick, so that it comes half a tick before the clock's minutes
            law = time_course(rule, float(v), t - 0.5 * every / minute, rise)
            panel.add(f"{v:g} um3", t, y, law, 1e-5 * (1.0 + abs(rise)))
        panels.append(panel)
    return Protocol(
        rule, "an induction, and what is left of it after an hour", panels,
        "Matsuzaki 2004 Nature 429:761 (abstract; time course recalled)",
    )  # fmt: skip


@protocol(SpineStage)
def stage_protocol(stage: SpineStage, *, n_target: int = 1500, seed: int = 1) -> Protocol:
    """Filopodia, shaft synapses and spines of bare targets in time, at two ticks (EX-35)."""
    panels, as_given = [], replace(stage, births=True, deaths=True)
    days = np.arange(1, 13, dtype=np.float64) * 2.0
    for tick in (0.25 * day, 2.0 * day):
        world = Ticks((as_given,), bare(n_target), tick=tick, seed=seed, multapses=True)
        found = []
        for d in days:
            world.step(round(d * day / tick) - world.clock.tick)
            found.append(np.bincount(world.of("stage").astype(np.int64), minlength=3) / n_target)
        law, smooth = mean_numbers(as_given, days), np.linspace(0.0, days[-1], 300)
        panel = Panel(f"From bare dendrites, ticks of {tick / day:g} d", "life (days)", "per target")
        for k in range(3):
            if law[k].max() <= 1e-9:
                continue
            wide = 4.0 * np.sqrt(np.maximum(law[k], 1.0 / n_target) / n_target)
            line = (smooth, mean_numbers(as_given, smooth)[k])
            panel.add(STAGES[k], days, np.array(found)[:, k], law[k], wide, fine=line)
        panels.append(panel)
    question = "births of filopodia on bare dendrites, and what becomes of them"
    return Protocol(stage, question, panels, "closed form of the Markov chain; Fiala 1998 (abstract)")


def similar(shape: SpineShape, seed: int) -> Panel:
    """How much longer, wider and larger spines of 200 volumes are than what was drawn for them at birth."""
    n = 200
    one, same = (
        Ticks((SpineSize(death="none", sd=0.8), s), star(n), seed=seed)
        for s in (shape, replace(shape, length_power=0.0, diameter_power=0.0, density_power=0.0))
    )
    for world in (one, same):
        world.step(3)
    order = np.argsort(one.of("log_size"))
    v = np.exp(one.of("log_size"))[order]
    panel = Panel("Proportions", "V / V0", "times what was drawn", log_x=True, log_y=True)
    for name, power in shape.powers.items():
        panel.add(name.replace("_", " "), v, (one.of(name) / same.of(name))[order], v ** (power / 3.0), 1e-12 * v**2)
    return panel


@protocol(SpineShape)
def shape_protocol(shape: SpineShape, *, n: int = 20_000, seed: int = 1) -> Protocol:
    """Necks: their moments, their independence of size, and the share of each label."""
    drawn = replace(shape, isotropic=False)
    world = Ticks((SpineSize(death="none"), drawn), star(n), seed=seed)
    length, width, x = world.of("neck_length"), world.of("neck_diameter"), world.of("log_size")
    moments = Panel("Necks", "of length and diameter", "um", x_names=("mean", "spread", "mean", "spread"))
    given = np.array([shape.neck_length, shape.neck_length_sd, shape.neck_diameter, shape.neck_diameter_sd])
    found = [length.mean(), length.std(), width.mean(), width.std()]
    cv = given[1::2] / given[::2]
    # fourth moment of a log-normal over its variance squared, less one: what the spread of the spread needs
    w = 1.0 + cv**2
    heavy = w**4 + 2 * w**3 + 3 * w**2 - 4.0
    wide = 4.0 * np.array([given[1], given[1] * np.sqrt(heavy[0]) / 2, given[3], given[3] * np.sqrt(heavy[1]) / 2])
    moments.add(f"{n} spines", np.arange(4.0), found, given, wide / np.sqrt(n) + 1e-12)
    free = Panel("Independence", "of ln V", "correlation", x_names=("length", "diameter"))
    free.add("", [0.0, 1.0], [np.corrcoef(a, x)[0, 1] for a in (length, width)], 0.0, 4.0 / np.sqrt(n))
    panels = [moments, free] if not shape.isotropic else [moments, similar(shape, seed)]
    share = shares(shape.labels(0.05 * np.exp(x), length, width))
    p = share_of_stubby(shape)
    labels = Panel("Labels", "label", "share", x_names=("stubby",))
    labels.add("", [0.0], [share["stubby"]], p, 4.0 * np.sqrt(p * (1 - p) / n) + 2.0 / n)
    source = "Arellano 2007 (traits); Harris, Jensen & Tsao 1992 (classes; recalled)"
    return Protocol(shape, "necks of spines, and the labels they are given", [*panels, labels], source)

"""Protocols of the death and the birth of neurons."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from neurodev.mechanisms.base import Clock, Mechanism, NeuronBlock, NeuronView
from neurodev.mechanisms.neuron_fate import Neurogenesis, NeuronDeath, survival
from neurodev.protocols.registry import protocol
from neurodev.protocols.result import Panel, Protocol
from neurodev.structure.plan import NeuronPlan, merge_neurons
from neurodev.units import day, hour


class Cohort:
    """Neurons without synapses and spikes, at given rates, and one mechanism that decides who lives."""

    def __init__(self, mechanism: Mechanism, n: int, tick: float, room: int = 0, seed: int = 1) -> None:
        self.mechanism = mechanism
        self.block = NeuronBlock(n + room, room=room)
        self.clock = Clock(0, 0.0, 0.0, tick, tick / 120.0)
        self.view = NeuronView("alone", self.block, self.clock, seed)
        self.block.add("rate_hz")
        for name, fill in mechanism.columns().items():
            self.block.add(name, fill)
        mechanism.prepare(self.view)

    def step(self, rate_hz: float = 0.0) -> None:
        """One tick, everybody firing at `rate_hz`."""
        b, c, m = self.block, self.clock, self.mechanism
        c.tick += 1
        c.life = c.tick * c.tick_life
        b["rate_hz"][:] = rate_hz
        for phase in (m.signals, m.add, m.advance):
            phase(self.view)
        b.clear_absent()
        plan = m.propose(self.view)
        if isinstance(plan, NeuronPlan):
            merged = merge_neurons([plan], b.alive, b.unborn)
            b.alive[merged.died], b.died[merged.died] = False, c.life
            b.alive[merged.born], b.born[merged.born] = True, c.life
            if merged.born.size:
                m.born(self.view, merged.born)


@protocol(NeuronDeath)
def neuron_death_protocol(death: NeuronDeath, *, n: int = 3000, seed: int = 1) -> Protocol:
    """Survival through the window at constant rates, and the hazard."""
    target = death.target_hz if death.target_hz is not None else 0.5
    # alone there is no trophic signal, and a neuron at a constant rate has its average at once
    alone = replace(death, activity=1.0, trophic=0.0, target_hz=target, average=0.0)
    tick = (alone.end - alone.begin) / 48.0
    steps = int(np.ceil((alone.end + 0.2 * (alone.end - alone.begin)) / tick))
    panel = Panel("Survival at a constant rate", "age (days)", "share alive")
    for support in (0.5, 1.0, 2.0):
        group = Cohort(alone, n, tick, seed=seed)
        age, alive = np.arange(1, steps + 1) * tick, np.zeros(steps)
        for k in range(steps):
            group.step(support * target)
            alive[k] = group.block.alive.mean()
        law = np.maximum(survival(alone, support, age), 1.0 - alone.most)
        accepted = 4.0 * np.sqrt(law * (1.0 - law) / n) + 1.5 / n
        panel.add(f"rate {support:g} of the set-point", age / day, alive, law, accepted)
    s = np.linspace(0.0, 3.0, 61)
    base = -np.log(1.0 - death.fraction) / ((death.end - death.begin) / day)
    curve = Panel("Hazard in the window", "support", "deaths per neuron and day")
    curve.add("", s, death.hazard(s), base * np.exp(-death.slope * (s - 1.0)), 1e-9)
    return Protocol(
        death, "neurons that fire at constant rates grow through the window of death", [panel, curve],
        "-ln(1 - fraction) over the window at the set-point; Wong 2018, Southwell 2012, Oppenheim 1991 (recalled)",
    )  # fmt: skip


@protocol(Neurogenesis)
def neurogenesis_protocol(growth: Neurogenesis, *, room: int = 2000, seed: int = 1) -> Protocol:
    """Births in time, and how a newborn grows up."""
    always = replace(growth, births=True, begin=0.0, end=float("inf"), rate=growth.rate if growth.rate > 0 else 1.0)
    tick = min(12 * hour, 20 * day / always.rate)
    steps = int(min(400, room / 2 / (always.rate * tick / day)))
    group = Cohort(always, 1, tick, room, seed)
    number = np.zeros(steps)
    for k in range(steps):
        group.step()
        number[k] = int(group.block.alive.sum()) - 1
    days = np.arange(1, steps + 1) * (tick / day)
    births = Panel("Births", "life (days)", "neurons born")
    births.add("", days, number, always.rate * days, 4.0 * np.sqrt(always.rate * days) + 1.0)
    one = Cohort(replace(always, rate=0.0), 1, growth.critical_end / 84.0, 1, seed)
    b, c = one.block, one.clock
    c.life = c.tick_life  # born at the end of the first tick
    c.tick = 1
    b.alive[1], b.born[1] = True, c.life
    growth.born(one.view, np.array([1]))
    age, mature, plastic = [], [], []
    for _ in range(96):
        one.step()
        age.append(c.life - b.born[1])
        mature.append(b["maturity"][1])
        plastic.append(b["plasticity"][1])
    a = np.array(age)
    x = np.maximum(a - growth.first_spine, 0.0) / (growth.half - growth.first_spine)
    young = Panel("A newborn grows up", "age (days)", "relative to a mature neuron")
    young.add("rate of new synapses", a / day, mature, 1.0 - 1.0 / (1.0 + x * x), 1e-9)
    inside = (a > growth.critical_begin) & (a <= growth.critical_end)
    young.add("plasticity", a / day, plastic, np.where(inside, growth.plasticity, 1.0), 1e-9)
    return Protocol(
        growth, "births into a population with room, and the maturation of one newborn", [births, young],
        "Zhao 2006: first spines at 16 d, growth in weeks 3 and 4; PMC4828289: larger LTP in weeks 4 to 6",
    )  # fmt: skip

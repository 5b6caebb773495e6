"""Presets: sets of mechanisms whose numbers were taken from measurements, each number with its source.

::

    projection.use(*nd.presets.mature_cortex(window="thinned skull"))
    print(nd.presets.mature_cortex())

Two published families of imaging disagree by an order of magnitude (a window over cortex, or skull thinned above it):
both are here, and nothing is averaged.  What a preset must give (its bands) is tested by runs.  Presets of turnover
know two classes of spines and no sizes (`Persistence`); `sized_cortex` knows sizes and no classes.  Use one of them on
a projection, with `SpineSize(death="none")` beside the former where weights are wanted.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from neurodev.errors import ParameterError, nearest, shown
from neurodev.mechanisms.base import Mechanism
from neurodev.mechanisms.neuron_fate import DEATH_PRESETS, Neurogenesis, NeuronDeath
from neurodev.mechanisms.persistence import Persistence
from neurodev.mechanisms.spine_size import SpineSize
from neurodev.mechanisms.turnover import Turnover
from neurodev.params import asks, finite, number, of_type, or_none
from neurodev.registry import Spoken
from neurodev.units import day

_TEXT = of_type(str, what="a text")
Key = TypeVar("Key")
Picked = TypeVar("Picked")


@dataclass(frozen=True)
class Band(metaclass=Spoken):
    """A number that a preset must give."""

    name: str
    low: float
    high: float
    source: str

    def __post_init__(self) -> None:
        _TEXT(self.name, "name")
        low = number(self.low, "low")
        object.__setattr__(self, "low", low)
        object.__setattr__(self, "high", number(self.high, "high", low=low, infinite=True))
        _TEXT(self.source, "source")


@dataclass(frozen=True)
class Preset(metaclass=Spoken):
    """Mechanisms with the provenance of their numbers.

    Attributes
    ----------
    name, sentence : str
    mechanisms : tuple of Mechanism
        ``projection.use(*preset)``, or ``population.use(*preset)`` for fates of neurons.
    sources : dict of str to str
        Where each number that was set comes from: measured, fitted (to what), or free.
    bands : tuple of Band
        What runs of it must give.
    """

    name: str
    sentence: str
    mechanisms: tuple[Mechanism, ...]
    sources: dict[str, str]
    bands: tuple[Band, ...] = ()

    def __post_init__(self) -> None:
        _TEXT(self.name, "name")
        _TEXT(self.sentence, "sentence")
        for name, kind in (("mechanisms", Mechanism), ("bands", Band)):
            given = getattr(self, name)
            if not isinstance(given, (tuple, list)) or not all(isinstance(x, kind) for x in given):
                raise ParameterError(f"{name} must be a tuple of {kind.__name__}, got {shown(given)}")
            object.__setattr__(self, name, tuple(given))
        if not self.mechanisms:
            raise ParameterError(f"mechanisms must be one or more, got {shown(self.mechanisms)}")
        known, given = {m.name for m in self.mechanisms}, self.sources
        if not isinstance(given, dict) or not all(isinstance(x, str) for pair in given.items() for x in pair):
            raise ParameterError(f"sources must be texts by 'Mechanism.parameter', got {shown(given)}")
        if left := [k for k in given if k.partition(".")[0] not in known]:
            raise ParameterError(f"sources of {left[0]!r} are of no mechanism of the preset: {sorted(known)}")

    def __iter__(self) -> Iterator[Mechanism]:
        return iter(self.mechanisms)

    def __len__(self) -> int:
        return len(self.mechanisms)

    def __str__(self) -> str:
        lines = [f"{self.name}: {self.sentence}"]
        for m in self.mechanisms:
            given = sorted(k.split(".", 1)[1] for k in self.sources if k.startswith(m.name + "."))
            lines += [f"  {m.name}.{k} = {_word(getattr(m, k), k)}: {self.sources[f'{m.name}.{k}']}" for k in given]
        lines += [f"  gives {b.name} {b.low:g} to {b.high:g} ({b.source})" for b in self.bands]
        return "\n".join(lines)


def _word(value: Any, name: str) -> str:
    if isinstance(value, float) and (name.endswith("tau") or name in ("begin", "end", "first_spine", "half")):
        return f"{value / day:g} day"
    return f"{value:.5g}" if isinstance(value, float) else repr(value)


def _pick(table: dict[Key, Picked], key: Key, what: str) -> Picked:
    if not isinstance(key, (str, tuple)) or key not in table:
        hint = nearest(str(key), map(str, table)) if isinstance(key, (str, tuple)) else ""
        raise ParameterError(f"{what} must be one of {tuple(table)}, got {shown(key)}{hint}")
    return table[key]


# ---------------------------------------------------------------------- turnover in two classes

# (window, age): d1, d2 per day, share of persistent among the standing, persistent births relative to a stationary
# population, sources of the measured and of the fitted, bands
_HOLTMAAT = "Holtmaat 2005 Neuron 45:279, L5 apical tufts in S1"
_GRUTZENDLER = "Grutzendler 2002 Nature (V1, L5); Zuo 2005 Neuron 46:181 (barrel, motor, frontal, L5)"
_FITTED = "fitted to the persistent fraction; not unique"
_CRANIAL = {
    "P16-25": (0.010, 0.35, 0.3354, 0.35),
    "P35-80": (0.006, 0.35, 0.5370, 0.54),
    "P80-120": (0.004, 0.30, 0.6485, 0.66),
    "P175-225": (0.003, 0.30, 0.7219, 0.73),
}
_SKULL = {
    "1 month": (
        0.0085, 0.30, 0.94, 0.0538,
        (Band("lost in 14 d", 0.13, 0.20, "Zuo 2005"), Band("gained in 14 d", 0.05, 0.08, "Zuo 2005"),
         Band("survival over 30 d", 0.66, 0.80, "Grutzendler 2002: 73 % in V1")),
    ),
    "adult": (
        4.9e-4, 0.30, 0.966, 0.75,
        (Band("lost in 14 d", 0.03, 0.05, "Zuo 2005"), Band("gained in 14 d", 0.03, 0.05, "Zuo 2005"),
         Band("lost in 548 d", 0.21, 0.31, "Zuo 2005"), Band("gained in 548 d", 0.14, 0.24, "Zuo 2005")),
    ),
}  # fmt: skip


def _classes(name: str, sentence: str, spines: float, numbers: tuple[float, ...], source: str, bands: tuple[Band, ...]
             ) -> Preset:  # fmt: skip
    """Two classes whose transient births balance their deaths, and persistent ones by a given share."""
    if not spines > 0:
        raise ParameterError(f"spines must be positive, the number of spines on each target, got {spines!r}")
    d1, d2, f, balance = numbers
    lasting, brief = balance * f * d1, (1.0 - f) * d2  # births per spine and day
    p = Persistence(
        late=spines * (lasting + brief), hazard=d1, transient_hazard=d2, share=lasting / (lasting + brief), first=f
    )
    births = "births that balance deaths" if balance == 1.0 else "births that fall short of deaths"
    sources = {
        "Persistence.hazard": f"{_FITTED}: {source}", "Persistence.transient_hazard": f"{_FITTED}: {source}",
        "Persistence.first": f"{_FITTED}: {source}", "Persistence.share": f"from the above, with {births}",
        "Persistence.late": f"{spines:g} spines on each target (free), {births}",
    }  # fmt: skip
    return Preset(name, sentence, (p,), sources, bands)


def _cranial(name: str, age: str, spines: float) -> Preset:
    d1, d2, f, eight = _pick(_CRANIAL, age, "age")
    band = Band("survival over 8 d", eight - 0.03, eight + 0.03, f"{_HOLTMAAT}: {100 * eight:.0f} %")
    sentence = f"spines of mouse cortex at {age} through a cranial window"
    return _classes(name, sentence, spines, (d1, d2, f, 1.0), _HOLTMAAT, (band,))


def _skull(name: str, age: str, spines: float) -> Preset:
    *numbers, bands = _pick(_SKULL, age, "age")
    sentence = f"spines of mouse cortex ({age}) through thinned skull"
    return _classes(name, sentence, spines, tuple(numbers), _GRUTZENDLER, bands)


@asks(age=or_none(of_type(str, what="a word")), spines=finite("spines", above=0.0, high=1e9))
def mature_cortex(window: str = "cranial", age: str | None = None, spines: float = 30.0) -> Preset:
    """Turnover of spines on L5 tufts of adult mouse cortex.

    Parameters
    ----------
    window : {"cranial", "thinned skull"}
        How it was imaged: the two disagree, and no preset stands between them.
    age : str, optional
        Cranial: "P80-120" (default) or "P175-225"; thinned skull: "adult".
    spines : float
        On each target.
    """
    make, default = _pick({"cranial": (_cranial, "P80-120"), "thinned skull": (_skull, "adult")}, window, "window")
    return make("mature_cortex", age or default, spines)


@asks(age=or_none(of_type(str, what="a word")), spines=finite("spines", above=0.0, high=1e9))
def adolescent_cortex(window: str = "cranial", age: str | None = None, spines: float = 30.0) -> Preset:
    """Turnover of spines on L5 tufts of adolescent mouse cortex.

    Parameters
    ----------
    window : {"cranial", "thinned skull"}
    age : str, optional
        Cranial: "P35-80" (default) or "P16-25"; thinned skull: "1 month".
    spines : float
        On each target, at the start.
    """
    make, default = _pick({"cranial": (_cranial, "P35-80"), "thinned skull": (_skull, "1 month")}, window, "window")
    return make("adolescent_cortex", age or default, spines)


@asks(spines=finite("spines", above=0.0, high=1e9))
def hippocampus_ca1(spines: float = 30.0) -> Preset:
    """Turnover of spines on basal dendrites of adult CA1: one population, 40 % in four days."""
    if not spines > 0:
        raise ParameterError(f"spines must be positive, the number of spines on each target, got {spines!r}")
    life = 7.83
    source = "Pfeiffer 2018 eLife 34700: 40 % in 4 d; Attardo 2015, PMC4648621: one population, mean life 1-2 weeks"
    return Preset(
        "hippocampus_ca1", "spines of adult CA1, one population that turns over within weeks",
        (Turnover(early=0.0, late=spines / life, hazard=1.0 / life),),
        {"Turnover.hazard": source, "Turnover.late": f"{spines:g} spines on each target (free), births balance deaths"},
        (Band("survival over 4 d", 0.57, 0.63, "Pfeiffer 2018"),
         Band("survival over 30 d", 0.013, 0.031, "one population of that rate: exp(-30 / 7.83)")),
    )  # fmt: skip


# ---------------------------------------------------------------------- sizes


def sized_cortex() -> Preset:
    """Sizes and deaths of excitatory synapses on L2/3 pyramidal cells of adult mouse barrel cortex (cranial window).

    Sizes fluctuate about a mean for months, small ones die at a graded hazard, newborns are small and variable.  The
    numbers are the default study's, found on all fourteen dendrites of Melander 2021, so that those data do not test
    them; `analysis/melander.py` starts from them and fits its own on seven.  Add births (``Turnover(early=0,
    late=...)``) at the rate you need.
    """
    data = "PSD-95 imaging (Melander 2021 Cell Rep 37:109972, all 14 dendrites)"
    fitted, chosen = f"fitted to {data}", f"chosen by hand with later survival in view: {data}"
    size = SpineSize(
        sd=1.06, tau=150 * day, death="hazard", hazard_rate=0.0074, hazard_slope=2.34, newborn=-1.16, newborn_sd=0.68,
        first=0.3,
    )  # fmt: skip
    sources = {
        "SpineSize.death": "first passage cannot give both survival and lasting sizes (Melander 2021)",
        "SpineSize.first": "its stationary mean",
    }
    sources |= {f"SpineSize.{k}": fitted for k in ("sd", "hazard_rate", "newborn", "newborn_sd")}
    sources |= {f"SpineSize.{k}": chosen for k in ("tau", "hazard_slope")}
    return Preset(
        "sized_cortex", "sizes and deaths of synapses of adult mouse cortex, L2/3", (size,), sources,
        (
            Band("sd of ln V", 0.7, 1.2, "Dorkenwald 2022 eLife 76120: 1.00"),
            Band("share in the central decade", 0.66, 0.9, "Dorkenwald 2022: .75"),
            Band("largest over smallest", 100.0, np.inf, "Dorkenwald 2022: over two decades"),
            Band("survival over 4 d", 0.878, 0.958, "Melander 2021: .918"),
            Band("survival over 28 d", 0.662, 0.742, "Melander 2021: .702"),
        ),
    )  # fmt: skip


# ---------------------------------------------------------------------- overshoot


PRIMATE, RODENT = (0.203764, 23.21), (0.0985036, 34.92)
"""Early births per adult synapse and day, and the day of the peak, at a hazard of .03 a day and early_tau 10 d; the
peaks are 5/3 (EX-34) and 1.1 of the adult number."""


def _overshoot(name: str, sentence: str, shape: tuple[float, float], band: Band, source: str, peak_day: float,
               synapses: float) -> Preset:  # fmt: skip
    if not (peak_day > 0 and synapses > 0):
        raise ParameterError(f"peak_day and synapses must be positive, got {peak_day!r} and {synapses!r}")
    early, unscaled = shape
    scale = unscaled / peak_day
    turnover = Turnover(
        early=early * synapses * scale, late=0.03 * synapses * scale, early_tau=10 * day / scale, hazard=0.03 * scale
    )
    free = f"time is scaled to a peak on day {peak_day:g} (free)"
    return Preset(
        name, sentence, (turnover,),
        {
            "Turnover.early": source, "Turnover.early_tau": free, "Turnover.hazard": free,
            "Turnover.late": f"{synapses:g} synapses on each target in the adult (free)",
        },
        (band,),
    )  # fmt: skip


@asks(peak_day=finite("days", above=0.0, high=1e9), synapses=finite("synapses", above=0.0, high=1e9))
def primate_cortex(peak_day: float = 23.21, synapses: float = 30.0) -> Preset:
    """Overshoot and pruning of synapses in primate visual cortex: 40 % of the peak are lost.

    Parameters
    ----------
    peak_day : float, days
        Human V1 peaks at 8 months, macaque V1 in the twelfth week after birth; the default compresses that.
    synapses : float
        On each target in the adult.
    """
    source = "Huttenlocher & de Courten 1987 (human V1: 40 % lost); Zielinski & Hendrickson (macaque V1: 63 to 37.7)"
    band = Band("peak over adult", 1.52, 1.82, "Huttenlocher & de Courten 1987: 40 % lost, 1.67 +- .15")
    sentence = "synapses of primate cortex overshoot by two thirds and are pruned"
    return _overshoot("primate_cortex", sentence, PRIMATE, band, source, peak_day, synapses)


@asks(peak_day=finite("days", above=0.0, high=1e9), synapses=finite("synapses", above=0.0, high=1e9))
def rodent_cortex(peak_day: float = 34.92, synapses: float = 30.0) -> Preset:
    """Little overshoot, as in visual cortex of rat, rabbit and tree shrew."""
    source = "free: middle of the band; V1 of rat, rabbit and tree shrew reported without overshoot (third-party)"
    band = Band("peak over adult", 1.0, 1.2, "free: little or none")
    return _overshoot("rodent_cortex", "synapses of rodent cortex hardly overshoot", RODENT, band, source, peak_day,
                      synapses)  # fmt: skip


# ---------------------------------------------------------------------- fates of neurons


def population_death(population: str = "pyramidal", **changes: Any) -> Preset:
    """Naturally occurring death of neurons; use it on a population.

    Parameters
    ----------
    population : {"pyramidal", "interneuron", "motoneuron"}
    **changes
        Other parameters of `NeuronDeath`.
    """
    fraction, begin, end = _pick(DEATH_PRESETS, population, "population")
    width = {"pyramidal": 0.03}.get(population, 0.05)
    source = {"pyramidal": "Wong 2018: 12 %, P2-P5", "interneuron": "Southwell 2012: 30-40 %, peak at P7",
              "motoneuron": "Oppenheim 1991: about half"}[population] + " (recalled)"  # fmt: skip
    sources = {f"NeuronDeath.{k}": source for k in ("fraction", "begin", "end")}
    return Preset(
        "population_death", f"death of {population} neurons in a window of age",
        (NeuronDeath.preset(population, **changes),), sources,
        (Band("share that died", fraction - width, fraction + width, source),),
    )  # fmt: skip


def adult_neurogenesis(rate: float = 1.0, **changes: Any) -> Preset:
    """Neurons born into a settled circuit, as in the adult dentate gyrus; use it on a population with room.

    Parameters
    ----------
    rate : float, 1/day
    **changes
        Other parameters of `Neurogenesis`.
    """
    source = "Zhao 2006 J Neurosci 26:3: first spines at 16 d, growth in weeks 3 and 4"
    return Preset(
        "adult_neurogenesis", "neurons are born, grow spines in the third week, and are plastic in weeks 4 to 6",
        (Neurogenesis(rate=rate, **changes),),
        {"Neurogenesis.rate": "free", "Neurogenesis.first_spine": source, "Neurogenesis.half": source,
         "Neurogenesis.plasticity": "free; PMC4828289: larger LTP in weeks 4 to 6"},
        (Band("age at half of the spines (d)", 18.0, 28.0, "Zhao 2006: weeks 3 and 4"),),
    )  # fmt: skip


PRESETS: dict[str, Callable[..., Preset]] = {
    f.__name__: f
    for f in (
        mature_cortex, adolescent_cortex, sized_cortex, hippocampus_ca1, primate_cortex, rodent_cortex,
        population_death, adult_neurogenesis,
    )
}  # fmt: skip
"""Every preset by name."""


@asks(words=of_type(dict, what="a dictionary of words by parameter"))
def named(name: str, words: dict[str, str]) -> Preset:
    """A preset from words, as the command line gives them: ``named("mature_cortex", {"window": "cranial"})``."""
    make = _pick(PRESETS, name, "preset")
    known = list(inspect.signature(make).parameters)
    given: dict[str, Any] = {}
    for key, word in words.items():
        if key not in known or key == "changes":
            raise ParameterError(f"{name} has no {key!r}{nearest(key, known)}; it has {known}")
        try:
            given[key] = float(word)
        except ValueError:
            given[key] = word
    return make(**given)

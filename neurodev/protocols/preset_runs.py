"""Protocols of presets: what they give when they run, beside what was measured."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from neurodev.arrays import F8
from neurodev.mechanisms.neuron_fate import Neurogenesis, NeuronDeath
from neurodev.mechanisms.persistence import Persistence
from neurodev.mechanisms.presets import Preset
from neurodev.mechanisms.spine_size import SpineSize
from neurodev.mechanisms.turnover import Turnover, birth_death_mean
from neurodev.metrics import sizes
from neurodev.metrics.turnover import session_changes, survival_fraction, two_class_survival
from neurodev.protocols.births import numbers
from neurodev.protocols.fates import Cohort, neurogenesis_protocol
from neurodev.protocols.imaging import image, population
from neurodev.protocols.registry import isolate, protocol
from neurodev.protocols.result import Panel, Protocol
from neurodev.units import day, hour

_OVER = re.compile(r"(survival|lost|gained|turnover ratio) (?:over|in) ([\d.]+) d")


def asked_days(preset: Preset) -> list[float]:
    """The ages (days) that the bands of a preset name."""
    return sorted({float(m[2]) for b in preset.bands if (m := _OVER.fullmatch(b.name))})


def between(present: NDArray[np.bool_], days: list[float]) -> dict[str, float]:
    """Survival, losses, gains and turnover ratio between the first session and each of `days`."""
    out: dict[str, float] = {}
    for k, d in enumerate(days, start=1):
        c = session_changes(present[:, [0, k]])
        ids = [np.flatnonzero(present[:, i]) for i in (0, k)]
        out |= {
            f"survival over {d:g} d": survival_fraction(*ids), f"lost in {d:g} d": float(c.lost_fraction[0]),
            f"gained in {d:g} d": float(c.gained_fraction[0]),
            f"turnover ratio over {d:g} d": float(c.turnover_ratio[0]),
        }  # fmt: skip
    return out


def imaged(preset: Preset, days: list[float], n: int, seed: int) -> F8:
    """ln V (0 without sizes) of about `n` spines imaged at once and after `days`."""
    sized = isinstance(preset.mechanisms[0], SpineSize)
    tick = 3 * hour if min(days) % 1 else 2 * day if all(d % 2 == 0 for d in days) else day
    if sized:
        tick = min(tick, 12 * hour)
    if sized:
        world = population(preset.mechanisms, n, burn_in=300 * day, tick=tick, seed=seed, replace=True)
    else:
        turnover = preset.mechanisms[0]
        assert isinstance(turnover, Turnover)
        world = population(preset.mechanisms, n, n_target=max(round(n / standing(turnover)), 1), tick=tick, seed=seed)
    return image(world, [0.0, *days])


def standing(turnover: Turnover) -> float:
    """Spines that each target has at the start of a preset of turnover."""
    if not isinstance(turnover, Persistence):
        return turnover.late / turnover.hazard
    f = turnover.standing if turnover.first is None else float(turnover.first)
    return turnover.late * (1.0 - turnover.share) / turnover.transient_hazard / (1.0 - f)


def measure(preset: Preset, n: int = 5000, seed: int = 1) -> dict[str, float]:
    """The numbers that the bands of a preset name, by a run without spikes."""
    first = preset.mechanisms[0]
    if isinstance(first, NeuronDeath):
        return {"share that died": died(first, n, seed)}
    if isinstance(first, Neurogenesis):
        curve = neurogenesis_protocol(first, room=50).panels[1].curves[0]
        return {"age at half of the spines (d)": float(curve.x[np.searchsorted(curve.y, 0.5)])}
    if preset.bands and preset.bands[0].name == "peak over adult":
        assert isinstance(first, Turnover)
        _, run, _ = overshoot(first, n, seed)
        return {"peak over adult": float(run.max() / run[-20:].mean())}
    days = asked_days(preset)
    x = imaged(preset, days, n, seed)
    out = between(np.isfinite(x), days)
    if isinstance(first, SpineSize):
        now = x[np.isfinite(x[:, 0]), 0]
        out |= {
            "sd of ln V": sizes.log_moments(now)[1], "share in the central decade": sizes.central_decade(now),
            "largest over smallest": float(np.exp(np.ptp(now))),
        }  # fmt: skip
    return out


def died(death: NeuronDeath, n: int, seed: int) -> float:
    """Share of neurons at their set-point that die in the window."""
    target = death.target_hz if death.target_hz is not None else 0.5
    tick = (death.end - death.begin) / 48.0
    group = Cohort(replace(death, activity=1.0, trophic=0.0, target_hz=target), n, tick, seed=seed)
    for _ in range(int(np.ceil(1.1 * death.end / tick))):
        group.step(target)
    return 1.0 - float(group.block.alive.mean())


def overshoot(turnover: Turnover, n: int, seed: int) -> tuple[F8, F8, F8]:
    """Days, mean number of synapses of a target from none, and its closed form."""
    unit = turnover.early_tau / day / 10.0
    days: F8 = np.asarray(np.arange(1, 101) * 3.0 * unit, dtype=np.float64)
    tick = 1.0 * unit * day
    adult = turnover.late / turnover.hazard
    run = numbers(turnover, days, tick, max(round(n / adult), 1), seed)
    return days, run, birth_death_mean(days, turnover)


def survival_law(preset: Preset, days: F8) -> F8 | None:
    """Closed form of the survival of the standing, where there is one."""
    m = preset.mechanisms[0]
    if isinstance(m, Persistence):
        f = m.standing if m.first is None else float(m.first)
        return two_class_survival(days, f, m.hazard, m.transient_hazard)
    return np.exp(-m.hazard * days) if isinstance(m, Turnover) else None


@protocol(Preset)
def preset_protocol(preset: Preset, *, n: int = 5000, seed: int = 1) -> Protocol:
    """A run of the preset: its curve, and the numbers it must give against their bands."""
    first, panels = preset.mechanisms[0], []
    if isinstance(first, NeuronDeath | Neurogenesis):
        panels += isolate(first).panels
    elif isinstance(first, Turnover) and preset.bands[0].name == "peak over adult":
        days, run, law = overshoot(first, n, seed)
        targets = max(round(n * first.hazard / first.late), 1)
        number = Panel("Synapses from birth", "life (days)", "synapses per target")
        panels.append(number.add(f"{targets} targets", days, run, law, 4.0 * np.sqrt(law / targets)))
        loss = Panel("Pruning slows down after the peak", "life (days)", "synapses lost per target and day")
        wide = 4.0 * first.hazard * np.sqrt(law / targets)
        panels.append(loss.add("", days, first.hazard * run, first.hazard * law, wide))
    else:
        days = np.unique([*asked_days(preset), 1.0, 2.0, 4.0, 8.0, 14.0, 20.0, 30.0, 45.0, 60.0])
        fine = np.geomspace(days[0], days[-1], 200) if days[-1] > 100 else np.linspace(0.0, days[-1], 200)
        present = np.isfinite(imaged(preset, list(days), n, seed))
        run = np.array([between(present, list(days))[f"survival over {d:g} d"] for d in days])
        panel = Panel("Survival of the standing", "days", "share still there", log_x=bool(days[-1] > 100))
        known = survival_law(preset, days)
        accepted = 0.0 if known is None else 4.0 * np.sqrt(known * (1.0 - known) / n)
        smooth = survival_law(preset, fine)
        line = None if smooth is None else (fine, smooth)
        panels.append(panel.add(f"{n} spines", days, run, known, accepted, fine=line))
    got = measure(preset, n, seed + 1)
    bands = Panel("What it must give", "place in the band", "", bands=True)
    for b in preset.bands:
        value = got[b.name]
        at = (2.0 * value - b.low - b.high) / (b.high - b.low) if np.isfinite(b.high) else 2.0 * b.low / value - 1.0
        most = f"{b.low:g} to {b.high:g}" if np.isfinite(b.high) else f"above {b.low:g}"
        bands.add(f"{b.name}: {value:.3g} ({most})", [0.0], [at], [0.0], 1.0)
    panels.append(bands)
    sources = "; ".join(dict.fromkeys(b.source for b in preset.bands))
    return Protocol(preset, preset.sentence, panels, sources)

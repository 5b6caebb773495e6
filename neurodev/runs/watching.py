"""A run that still grows, in a line at each look: how old it is, how many live, who was born and died of what."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from neurodev.errors import RunFileError
from neurodev.record.runfile import RunFile
from neurodev.runs.run import Run
from neurodev.structure.duration import lasting
from neurodev.writing import printable

_SILENT = 60.0  # seconds without anything new, after which the writer may be gone


@dataclass
class _Look:
    """What was seen when: `wall` seconds, `life` days, births and deaths by cause so far."""

    wall: float
    life: float
    births: int = 0
    deaths: dict[str, int] = field(default_factory=dict)


def _living(run: Run) -> int:
    """Synapses that live in all projections that have births and deaths."""
    out = 0
    for name in run.plastic:
        known = run.file.length(f"series/n_synapse/{name}")
        if known:
            out += int(run.file.read(f"series/n_synapse/{name}", known - 1, known)[0])
        else:
            out += run.file.length(f"initial/{name}/uid")
    return out


def _rates(run: Run) -> str:
    """Mean rates in the last whole tick, Hz of spike time; accuracy of a training."""
    if run.is_training:
        found, right = run.training.reached(), run.training.measure == "accuracy"
        known = found[-1:] if np.isfinite(found[-1:]).all() else found[:0]
        return (f"{known[0]:.2f} % right" if right else f"error {known[0]:.4g}") if known.size else ""
    out, n = [], run.n_tick
    for p in run.network["populations"]:
        label = f"counts/{p['name']}"
        if n and run.file.length(label) >= n:
            row = run.file.read(label, n - 1, n)
            out.append(f"{p['name']} {row.mean() / run.tick_spike * 1e3:.3g} Hz")
    return ", ".join(out[:4])


def _told(run: Run, now: _Look, before: _Look | None) -> str:
    """The line of a look: changes are those since the look before, or since the start."""
    if run.is_training:
        said = f"epoch {run.n_tick} of {run.training.settings.get('epochs', '?')}"
    else:
        said = f"{lasting(now.life)} of life"
    said += f": {_living(run):,} live" if run.plastic else ""
    past = before or _Look(now.wall, 0.0)
    if run.plastic:
        new = {w: n - past.deaths.get(w, 0) for w, n in now.deaths.items()}
        died = ", ".join(f"{w} {n:,}" for w, n in sorted(new.items(), key=lambda x: -x[1]) if n)
        said += f"; {now.births - past.births:,} born, {sum(new.values()):,} died{f' ({died})' if died else ''}"
        said += " since the last look" if before is not None else " so far"
    if rates := _rates(run):
        said += f"; {rates}"
    if before is not None and now.wall > past.wall and now.life > past.life and not run.is_training:
        said += f"; {lasting((now.life - past.life) / (now.wall - past.wall))} of life a second"
    return said


def lines(path: str | os.PathLike[str], every: float = 2.0) -> Iterator[str]:
    """A line for each look at a growing run, until it is sealed; the last says how it ended.

    Parameters
    ----------
    path : path
        The run file.
    every : float, seconds
        Between looks.

    Yields
    ------
    str
        Fit for a terminal.

    Raises
    ------
    RunFileError
        If there is no file, or it is no run.
    """
    before: _Look | None = None
    changed = time.monotonic()
    while True:
        ended = bool(RunFile.open(path).item("sealed", False))  # looked at first: what is read then is whole
        try:
            run = Run(path)
        except RunFileError:
            if ended or "network" in RunFile.open(path).items():
                raise
            yield f"{printable(str(path), lines=False)}: nothing yet, its simulation has not begun"
            time.sleep(every)
            continue
        now = _Look(time.monotonic(), run.days, *_events(run))
        fresh = before is None or now.life > before.life
        if fresh:
            yield printable(_told(run, now, before), lines=False)
            before, changed = now, now.wall
        elif not ended and now.wall - changed > _SILENT:
            silent = lasting((now.wall - changed) / 86400.0)
            yield f"nothing new for {silent}: its writer may be gone (neurodev run --resume goes on from a checkpoint)"
        if ended:
            yield printable(run.info().splitlines()[0], lines=False)
            return
        time.sleep(every)


def _events(run: Run) -> tuple[int, dict[str, int]]:
    """Births, and deaths by cause, so far."""
    if not run.plastic or not len(run.log):
        return 0, {}
    deaths = run.log.deaths_by_cause()
    return len(run.log) - sum(deaths.values()), deaths

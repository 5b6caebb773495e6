"""Ablations of a study: each mechanism that it has left out in turn, its controls, paired seeds, one table.

The conditions follow from the study's own tables: every entry of a ``use``, with what reads the columns that only it
owns; every off switch of a mechanism (a parameter whose source says so) that is on; all mechanisms that move set-points
together; all mechanisms; and, where a drive has correlations, the drive shuffled.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from neurodev import params
from neurodev.engine.network import Network
from neurodev.errors import ParameterError
from neurodev.mechanisms.base import Mechanism
from neurodev.runs.run import Run
from neurodev.studies import development, reading
from neurodev.studies.sweeps.cases import Case, case
from neurodev.studies.sweeps.folder import made
from neurodev.studies.sweeps.numbers import numbers
from neurodev.studies.sweeps.one import FAILED, How, Outcome
from neurodev.studies.sweeps.sweep import going, shares

EVENTS_PER_TICK = 100_000_000  # a runaway is reported after so many, unless the study says otherwise
_COLUMNS = (
    ("day_1", "n day 1", "{:.1f}"), ("peak", "peak", "{:.1f}"), ("peak_day", "on day", "{:.0f}"),
    ("final", "end", "{:.1f}"), ("peak_to_final", "ratio", "{:.2f}"), ("sd", "sd ln V", "{:.2f}"),
    ("decade", "decade", "{:.2f}"), ("field_start", "field", "{:.0f}"), ("field_end", "-> um", "{:.0f}"),
    ("error_start", "error", "{:.0f}"), ("error_end", "-> um", "{:.0f}"), ("rate_hz", "rate Hz", "{:.2f}"),
    ("evidence_gap", "gap sd", "{:.2f}"), ("second_peak", "2nd peak", "{:.2f}"),
)  # fmt: skip


@dataclass(frozen=True)
class Use:
    """A mechanism of a study: the table ("population" or "projection"), its name, and its place in ``use``."""

    part: str
    where: str
    index: int


@dataclass(frozen=True)
class Condition:
    """One row of the table: what is left out, which switches are off, and whether the drive is shuffled."""

    name: str
    without: tuple[Use, ...] = ()
    off: tuple[tuple[Use, str], ...] = ()
    shuffled: bool = False


def used(study: reading.Study, network: Network) -> Iterator[tuple[Use, Mechanism]]:
    """Every mechanism of a study, where it stands, beside the object that it became."""
    for part, built in (("population", network.populations), ("projection", network.projections)):
        for where, given in study.table.get(part, {}).items():
            mechanisms: tuple[Mechanism, ...] = built[where].mechanisms
            for index, m in zip(range(len(given.get("use", []))), mechanisms, strict=True):
                yield Use(part, where, index), m


def dependants(use: Use, everything: dict[Use, Mechanism]) -> tuple[Use, ...]:
    """A mechanism, and those of the same place that read what nobody owns without it, in the order of the study."""
    here = {u: m for u, m in everything.items() if (u.part, u.where) == (use.part, use.where)}
    gone = {use}
    while True:
        lost = {c for u in gone for c in here[u].owns} - {c for u, m in here.items() if u not in gone for c in m.owns}
        more = {u for u, m in here.items() if u not in gone and lost & set(m.reads)}
        if not more:
            return tuple(u for u in here if u in gone)
        gone |= more


def conditions(study: reading.Study) -> list[Condition]:
    """What is to be run: the whole study first.

    Raises
    ------
    NeurodevError
        If the study itself cannot be built.
    """
    network = development.build(study)
    everything = dict(used(study, network))
    kinds = [m.name for m in everything.values()]

    def called(u: Use) -> str:
        m = everything[u].name
        return m if kinds.count(m) == 1 else f"{m} of {u.where}"

    out = [Condition("full")]
    if development.correlated(network):
        out.append(Condition("drive shuffled", shuffled=True))
    for u in everything:
        gone = dependants(u, everything)
        out.append(Condition("without " + ", ".join(called(x) for x in sorted(gone, key=lambda x: x != u)), gone))
    moving = tuple(u for u, m in everything.items() if any(c.startswith(("drive_", "step_")) for c in m.adds))
    if len(moving) > 1:
        out.append(Condition("set-points stay", moving))
    if len(everything) > 1:
        out.append(Condition("no mechanism", tuple(everything)))
    for u, m in everything.items():
        for info in params.describe(m):
            if info.source.startswith("off switch") and getattr(m, info.name) is True:
                out.append(Condition(f"{called(u)}.{info.name} off", off=((u, info.name),)))
    # two ways to leave out the same are one
    seen: dict[tuple[Any, ...], Condition] = {}
    for c in out:
        seen.setdefault((frozenset(c.without), c.off, c.shuffled), c)
    return list(seen.values())


def changed(study: reading.Study, condition: Condition) -> reading.Study:
    """A copy of the study under a condition."""
    s = copy.deepcopy(study)
    for u, key in condition.off:
        given = s.table[u.part][u.where]["use"][u.index]
        (given["parameters"] if key in given.get("parameters", {}) else given)[key] = False
    for u in sorted(condition.without, key=lambda u: -u.index):  # from the end, so that places stay
        del s.table[u.part][u.where]["use"][u.index]
    return s


def table(results: list[dict[str, Any]]) -> str:
    """Means over seeds, one line per condition."""
    names = list(dict.fromkeys(r["condition"] for r in results))
    width = max(len(n) for n in names) + 2
    lines = [f"{'condition':<{width}}{'seeds':>6}" + "".join(f"{title:>9}" for _, title, _ in _COLUMNS)]
    for name in names:
        rows = [r for r in results if r["condition"] == name]
        good = [r for r in rows if "stopped" not in r]
        if not good:
            lines.append(f"{name:<{width}}{len(rows):>6}  stopped: {rows[0]['stopped']}")
            continue
        values = (np.mean([r.get(k, np.nan) for r in good]) for k, _, _ in _COLUMNS)
        cells = "".join(f"{form.format(v):>9}" for v, (_, _, form) in zip(values, _COLUMNS, strict=True))
        lines.append(f"{name:<{width}}{len(good):>6}{cells}")
    return "\n".join(lines)


def cases(study: reading.Study, seeds: int) -> list[Case]:
    """The runs: each condition with each seed; a runaway ends after so many events, unless the study says otherwise."""
    study.table.setdefault("run", {}).setdefault("events_per_tick", EVENTS_PER_TICK)
    out = []
    for c in conditions(study):
        s = changed(study, c)
        s = s.resolved(shuffled=True) if c.shuffled else s
        out += [case(s, study.seed + k, {"condition": c.name}, name=c.name) for k in range(seeds)]
    return out


def main(
    path: str, overrides: dict[str, str], seeds: int, jobs: int, to: str | None = None, quiet: bool = False
) -> list[dict[str, Any]]:
    """Run all conditions of a study with the same seeds and print the table: a sweep over conditions.

    Parameters
    ----------
    to : str, optional
        Folder that keeps the runs; those that are finished there are not run again.
    quiet : bool
        Print the table alone, no line a run.

    Raises
    ------
    ParameterError
        If `seeds` or `jobs` is not a positive number.
    NeurodevError
        If the study itself cannot be built.
    """
    for name, value in (("seeds", seeds), ("jobs", jobs)):
        if value < 1:
            raise ParameterError(f"{name} must be at least 1, got {value!r}")
    s = reading.load(path, overrides)
    development.duration(s)  # what is wrong in [run] stops here, not in every row
    every = cases(s, seeds)
    results: dict[str, dict[str, Any]] = {}
    with TemporaryDirectory() as nowhere:
        folder = Path(nowhere) if to is None else made(to)

        def done(c: Case, outcome: Outcome) -> None:
            results[c.file] = {"condition": c.point["condition"], "seed": c.seed} | (
                {"stopped": outcome.message} if outcome.state == FAILED else numbers(Run(folder / c.file))
            )
            if to is None:  # it has told what it is for
                (folder / c.file).unlink(missing_ok=True)
            if not quiet:
                print(f"done: {c.point['condition']}, seed {c.seed}", flush=True)

        jobs, threads = shares(jobs, None, len(every))
        going(every, How(str(folder), threads, os.getcwd()), None, jobs, tell=done)
    ordered = [results[c.file] for c in every]
    print(table(ordered))
    return ordered


def command(args: Any) -> None:
    """`neurodev ablate`."""
    main(args.study, reading.settings(args.set), args.seeds, args.jobs, args.to, args.quiet)

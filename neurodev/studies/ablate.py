"""Ablations of a study: each mechanism off in turn, the drive shuffled, paired seeds, one table."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from neurodev.errors import NeurodevError
from neurodev.studies import development, reading

_COLUMNS = (
    ("day_1", "n day 1", "{:.1f}"), ("peak", "peak", "{:.1f}"), ("peak_day", "on day", "{:.0f}"),
    ("final", "end", "{:.1f}"), ("peak_to_final", "ratio", "{:.2f}"), ("sd", "sd ln V", "{:.2f}"),
    ("decade", "decade", "{:.2f}"), ("field_start", "field", "{:.0f}"), ("field_end", "-> um", "{:.0f}"),
    ("error_start", "error", "{:.0f}"), ("error_end", "-> um", "{:.0f}"), ("rate_hz", "rate Hz", "{:.2f}"),
    ("evidence_gap", "gap sd", "{:.2f}"), ("second_peak", "2nd peak", "{:.2f}"),
)  # fmt: skip


@dataclass(frozen=True)
class Condition:
    """One row: settings by (mechanism, parameter), and whether the drive is shuffled."""

    name: str
    changes: tuple[tuple[str, str, Any], ...] = ()
    shuffled: bool = False


CONDITIONS = (
    Condition("full"),
    Condition("drive shuffled", shuffled=True),
    Condition("evidence off", (("STDP", "gain", 0.0),)),
    Condition("competition off", (("Neurotrophin", "gain", 0.0),)),
    Condition("both off", (("STDP", "gain", 0.0), ("Neurotrophin", "gain", 0.0))),
    Condition("fluctuation off", (("SpineSize", "noise", False),)),
    Condition("turnover off", (("Turnover", "births", False), ("SpineSize", "death", "none"))),
    Condition("births off", (("Turnover", "births", False),)),
    Condition("deaths off", (("SpineSize", "death", "none"),)),
    Condition("scaling off", (("Scaling", "tau", 1e18), ("Scaling", "start", 0.0))),
    Condition("heterosynaptic off", (("STDP", "heterosynaptic", False),)),
)


def applies(condition: Condition, study: reading.Study) -> bool:
    """Whether the study uses what the condition changes."""
    used = {
        u["kind"]
        for part in ("population", "projection")
        for given in study.table.get(part, {}).values()
        for u in given.get("use", [])
    }
    return all(kind in used for kind, _, _ in condition.changes)


def changed(study: reading.Study, condition: Condition) -> reading.Study:
    """The study with the condition's settings."""
    for part in ("population", "projection"):
        for given in study.table.get(part, {}).values():
            for use in given.get("use", []):
                for kind, key, value in condition.changes:
                    if use["kind"] == kind:
                        use[key] = value
    return study


def one(path: str, overrides: dict[str, str], condition: Condition, seed: int) -> dict[str, Any]:
    """Run one condition with one seed; a runaway is reported, not raised."""
    s = changed(reading.load(path, overrides), condition)
    s.table.setdefault("run", {}).setdefault("events_per_tick", 100_000_000)
    with TemporaryDirectory() as folder:
        try:
            run = development.run(s, f"{folder}/run.sqlite", seed=seed, shuffled=condition.shuffled)
        except NeurodevError as e:
            return {"condition": condition.name, "stopped": str(e)}
        return {"condition": condition.name, **run.summary()}


def table(results: list[dict[str, Any]]) -> str:
    """Means over seeds, one line per condition."""
    head = f"{'condition':<20}{'seeds':>6}" + "".join(f"{title:>9}" for _, title, _ in _COLUMNS)
    lines = [head]
    for name in dict.fromkeys(r["condition"] for r in results):
        rows = [r for r in results if r["condition"] == name]
        good = [r for r in rows if "stopped" not in r]
        if not good:
            lines.append(f"{name:<20}{len(rows):>6}  stopped: {rows[0]['stopped']}")
            continue
        values = (np.mean([r.get(k, np.nan) for r in good]) for k, _, _ in _COLUMNS)
        cells = "".join(f"{form.format(v):>9}" for v, (_, _, form) in zip(values, _COLUMNS, strict=True))
        lines.append(f"{name:<20}{len(good):>6}{cells}")
    return "\n".join(lines)


def main(path: str, overrides: dict[str, str], seeds: int, jobs: int) -> list[dict[str, Any]]:
    """Run all conditions that apply and print the table."""
    s = reading.load(path, overrides)
    first = int(s.table.get("seed", 0))
    development.build(s)  # complain before any process starts
    work = [(c, first + k) for c in CONDITIONS if applies(c, s) for k in range(seeds)]
    with ProcessPoolExecutor(max(1, jobs), mp_context=get_context("spawn")) as pool:
        futures = [pool.submit(one, path, overrides, c, seed) for c, seed in work]
        results = []
        for (c, seed), f in zip(work, futures, strict=True):
            results.append(f.result())
            print(f"done: {c.name}, seed {seed}", flush=True)
    print(table(results))
    return results

"""Does the exact engine repeat the default study?  Success numbers beside the published ones, seed by seed.

    python -m analysis.default_study [--seeds 4] [--halved]

The published numbers were found on a grid of 0.5 ms, with 1.4 late births per neuron and day.  A number passes if the
mean over seeds is as near to it as the tolerance says; the seeds of the published study differed by less than that.
With --halved every seed is run a second time at half the acceleration, where nothing but the spread may change.
The table of ablations is printed by `neurodev ablate`.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from importlib.resources import files
from tempfile import TemporaryDirectory

import numpy as np

from analysis import common
from neurodev.studies import development, reading

PUBLISHED = {  # number of `Run.summary`: (what it is, published, tolerance)
    "day_1": ("spines per neuron on day 1", 21.3, 2.0),
    "peak": ("peak of spines per neuron", 41.3, 3.0),
    "peak_day": ("day of the peak", 6.0, 2.0),
    "final": ("spines per neuron on day 30", 24.4, 2.0),
    "peak_to_final": ("peak : final", 1.69, 0.10),
    "sd": ("sd of ln V", 0.95, 0.05),
    "skew": ("skew of ln V", 0.47, 0.15),
    "decade": ("share of sizes in the central decade", 0.77, 0.05),
    "field_change": ("change of the field radius, %", -50.0, 5.0),
    "error_end": ("topographic error on day 30, um", 49.0, 8.0),
    "rate_ratio": ("rate of the last 5 days over its target", 0.98, 0.10),
    "evidence_gap": ("evidence, living - dying, sd", 1.14, 0.10),
}


def one(seed: int, **settings: str) -> dict[str, float]:
    """Success numbers of the default study with one seed."""
    study = reading.load(str(files("neurodev.studies").joinpath("map.toml")), settings)
    with TemporaryDirectory() as folder:
        return development.run(study, f"{folder}/run.sqlite", seed=seed).summary()


def judged(results: list[dict[str, float]]) -> list[tuple[str, float, float, float, float, float, str]]:
    """(what, mean, lowest, highest, published, tolerance, verdict) of every published number."""
    rows = []
    for name, (what, published, tolerance) in PUBLISHED.items():
        got = np.array([r[name] for r in results])
        good = abs(got.mean() - published) <= tolerance
        rows.append((what, got.mean(), got.min(), got.max(), published, tolerance, "pass" if good else "FAIL"))
    return rows


def main(argv: Sequence[str] | None = None) -> None:
    """Repeat the study with each seed, judge, print."""
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--seeds", type=int, default=4)
    p.add_argument("--halved", action="store_true", help="also at half the acceleration")
    args = p.parse_args(argv)
    head = ("number", "mean", "lowest", "highest", "published", "tolerance", "verdict")
    for title, settings in (("acceleration 120", {}), ("acceleration 60", {"run.acceleration": "60"})):
        if settings and not args.halved:
            continue
        results = []
        for seed in range(1, args.seeds + 1):
            results.append(one(seed, **settings))
            print(f"done: {title}, seed {seed}", flush=True)
        print(f"\n{title}, {args.seeds} seeds\n{common.table(head, judged(results))}\n", flush=True)


if __name__ == "__main__":
    raise SystemExit(common.run(main))

"""Sizes of the excitatory spine synapses of mouse cortex by electron microscopy (Kasthuri 2015) against two runs.

1. The distribution of sizes, against the spines of `nd.presets.sized_cortex` without spikes.  Its numbers were found
   on another data set (Melander 2021: PSD-95 fluorescence over time); nothing is fitted here.  The unit of size is
   free, so only spreads and shapes are compared; the like of PSD-95 is the size of the PSD, not the spine's volume.
2. The sizes of two synapses of one axon on one dendrite, which share the history of both cells.  A run of the default
   study with several contacts a pair allowed is asked for the same correlation, and again without spike timing
   (no STDP), where only fluctuation and competition are left.  Nothing is fitted.

Controls, in both: two synapses of one axon on two dendrites, of two axons on one dendrite, and pairs shuffled.
"""

from __future__ import annotations

import csv
import tempfile
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

import numpy as np

from analysis import common, source
from neurodev.mechanisms import presets
from neurodev.metrics import sizes, topology
from neurodev.plot.style import AMBER, BLUE, INK, SOFT, legend, new_figure, plain
from neurodev.protocols.imaging import image, population
from neurodev.studies import development, reading
from neurodev.units import day

VOXEL = 0.024 * 0.024 * 0.030
"""um3; the table heads spine volume "cubic microns", but the values can only be voxels."""


class Sizes(NamedTuple):
    """Shape of a distribution of sizes."""

    n: int
    sd: float  # of the logarithm
    skew: float
    decade: float  # share within the decade around the median
    span: float  # largest over smallest


class Pairs(NamedTuple):
    """Correlation of ln size within pairs of synapses, its standard error, and the number of pairs."""

    r: float
    error: float
    n: int


def shape(log_size: np.ndarray) -> Sizes:
    """The numbers of a distribution."""
    _, sd, skew = sizes.log_moments(log_size)
    return Sizes(log_size.size, sd, skew, sizes.central_decade(log_size), float(np.exp(np.ptp(log_size))))


def pairs(log_size: np.ndarray, axon: np.ndarray, dendrite: np.ndarray, resamples: int = 300, seed: int = 1) -> Pairs:
    """Same axon, same dendrite; the error by drawing pairs again with replacement."""
    found = sizes.partner_pairs(log_size, axon, dendrite)
    draw, n = np.random.default_rng(seed), len(found)
    if n < 3:
        return Pairs(float("nan"), float("nan"), n)
    drawn = [sizes.pair_correlation(found[draw.integers(0, n, n)]) for _ in range(resamples)]
    return Pairs(sizes.pair_correlation(found), float(np.std(drawn)), n)


def chance(log_size: np.ndarray, group: np.ndarray, other: np.ndarray, seed: int = 1, most: int = 2000) -> Pairs:
    """Pairs that share `group` (their axon, say) but not `other` (their dendrite)."""
    draw = np.random.default_rng(seed)
    order = np.lexsort((draw.random(group.size), group))
    a, b = order[:-1], order[1:]
    keep = (group[a] == group[b]) & (other[a] != other[b])
    a, b = a[keep][:most], b[keep][:most]
    return pairs(np.concatenate([log_size[a], log_size[b]]), np.tile(np.arange(a.size), 2), np.zeros(2 * a.size, int))


class Table(NamedTuple):
    """Excitatory spine synapses whose spine has a volume."""

    log_volume: np.ndarray  # ln of um3
    log_psd: np.ndarray  # ln of pixels
    axon: np.ndarray
    dendrite: np.ndarray


def load(given: str | None = None) -> Table:
    """Read the reconstruction."""
    with open(source.file_of("kasthuri", given), newline="") as f:
        rows = list(csv.DictReader(f))
    kind, spine, psd, volume, axon, dendrite = (
        np.array([float(r[k]) for r in rows])
        for k in ("axon_type", "is_spine_synapse", "psd_size_px", "spine_volume_vox", "axon", "dendrite")
    )
    ours = (kind == 0) & (spine == 1) & (volume > 0) & (psd > 0)
    return Table(np.log(volume[ours] * VOXEL), np.log(psd[ours]), axon[ours].astype(int), dendrite[ours].astype(int))


# ------------------------------------------------------------------------------------------------------ runs


def mature(n: int = 5000, seed: int = 1) -> np.ndarray:
    """ln V of the mature preset without spikes, stationary."""
    world = population(presets.sized_cortex().mechanisms, n, burn_in=600 * day, tick=day, seed=seed, replace=True)
    return image(world, [0.0])[:, 0]


SHEET = {
    "sheet.width": '"0.5 mm"', "sheet.height": '"0.5 mm"', "population.retina.n": "100", "population.exc.n": "200",
    "population.inh.n": "50",
}  # fmt: skip
"""A quarter of the default study's sheet, at its densities."""


def developed(days: float, timing: bool = True, settings: dict[str, str] | None = None) -> Table:
    """The default study with several contacts a pair allowed, on its last day; ln V where ln of um3 is asked."""
    path = str(files("neurodev.studies").joinpath("map.toml"))
    asked = {"projection.map.multapses": "true", "run.duration": f'"{days} day"'} | (settings or SHEET)
    with tempfile.TemporaryDirectory() as folder:
        run = development.run(
            reading.load(path, asked), Path(folder) / "run.sqlite", without=None if timing else "STDP"
        )
        last = run.snapshot("map", days)
        size, pre, post = (np.array(last[k]) for k in ("log_size", "pre", "post"))
    return Table(size.astype(float), size.astype(float), pre.astype(int), post.astype(int))


# ------------------------------------------------------------------------------------------------------ report


class Study(NamedTuple):
    """Everything that is printed and drawn."""

    data: Table
    mature: np.ndarray
    runs: dict[str, Table]


def study_all(given: str | None = None, days: float = 20.0, settings: dict[str, str] | None = None) -> Study:
    """Data and runs."""
    runs = {
        "with spike timing": developed(days, True, settings), "without": developed(days, False, settings)
    }  # fmt: skip
    return Study(load(given), mature(), runs)


def kinds(t: Table, seed: int = 1) -> dict[str, Pairs]:
    """Correlation within pairs that share both partners, one, or none."""
    shuffled = np.random.default_rng(seed).permutation(t.log_volume)
    return {
        "same axon, same dendrite": pairs(t.log_volume, t.axon, t.dendrite),
        "same axon only": chance(t.log_volume, t.axon, t.dendrite),
        "same dendrite only": chance(t.log_volume, t.dendrite, t.axon),
        "shuffled": pairs(shuffled, t.axon, t.dendrite),
    }


def figure(done: Study, within: dict[str, dict[str, Pairs]]):
    """The distribution of sizes, and the correlations."""
    fig = new_figure(12.5, 3.8)
    left, middle, right = fig.subplots(1, 3)
    plain(left, "Size of excitatory spine synapses", "ln size, less its mean", "density")
    bins, x = np.linspace(-3.5, 3.5, 36), np.linspace(-3.5, 3.5, 200)
    for v, hue, name in (
        (done.data.log_psd, INK, "PSD (electron microscopy)"), (done.data.log_volume, SOFT, "spine volume"),
        (done.mature, BLUE, "mature preset"),
    ):  # fmt: skip
        left.hist(v - v.mean(), bins, density=True, histtype="step", color=hue, label=name, linewidth=1.6)
    fit = sizes.lognormal_fit(done.data.log_psd - done.data.log_psd.mean())
    left.plot(x, fit.density(x), color=INK, linewidth=1.0, linestyle="--", label="log-normal of the PSD")
    left.set_ylim(0.0, 1.15)  # room for the legend above the bars
    legend(left, loc="upper left")
    found = sizes.partner_pairs(done.data.log_volume, done.data.axon, done.data.dendrite)
    plain(middle, "One axon on one dendrite", "ln volume of one (um3)", "ln volume of the other")
    middle.plot(found[:, 0], found[:, 1], "o", color=INK, markersize=3.5)
    plain(right, "Correlation within pairs", "", "correlation of ln size")
    hues = (INK, BLUE, AMBER)
    for k, ((name, each), hue) in enumerate(zip(within.items(), hues, strict=True)):
        at = np.arange(len(each)) + 0.18 * (k - 1)
        right.errorbar(
            at, [p.r for p in each.values()], [p.error for p in each.values()], fmt="o", color=hue, label=name
        )
    right.axhline(0.0, color=SOFT, linewidth=0.8)
    right.set_xticks(np.arange(4), ["both", "axon", "dendrite", "shuffled"])
    legend(right, loc="upper right")
    return fig


def main(argv: Sequence[str] | None = None) -> None:
    """Compare, print, draw."""
    parser = common.arguments(__doc__.split("\n\n")[0], "kasthuri.png")
    parser.add_argument("--days", type=float, default=20.0, help="life of the runs with spikes (default: 20)")
    args = parser.parse_args(argv)
    done = study_all(args.data, args.days)
    last = done.runs["with spike timing"]
    lines = [
        [name, *shape(x)]
        for name, x in (
            ("spine volume", done.data.log_volume), ("PSD", done.data.log_psd), ("mature preset", done.mature),
            (f"default study, day {args.days:g}", last.log_volume),
        )
    ]  # fmt: skip
    print(common.table(["", "n", "sd ln", "skew", "central decade", "largest/smallest"], lines))
    for word, x in (("PSD", done.data.log_psd), ("volume", done.data.log_volume)):
        d = sizes.kolmogorov_smirnov(x - x.mean(), done.mature - done.mature.mean()).distance
        print(f"Kolmogorov-Smirnov distance of {word} and mature preset, both centred: {d:.3f}")
    within = {"electron microscopy": kinds(done.data)} | {k: kinds(t) for k, t in done.runs.items()}
    head = ["correlation of ln size (standard error; pairs)", *within]
    cells = [[k, *[f"{w[k].r:.2f} ({w[k].error:.2f}; {w[k].n})" for w in within.values()]] for k in within[head[1]]]
    print("\n" + common.table(head, cells))
    for name, t in {"electron microscopy": done.data, **done.runs}.items():
        count = topology.contacts_per_pair(t.axon, t.dendrite, int(t.dendrite.max()) + 1)
        print(f"{name}: {100 * count[1] / count.sum():.1f} % of connected pairs have one contact")
    print("\nFitted here: nothing. The mature preset was fitted to Melander 2021; the default study to no data set.")
    common.save(figure(done, within), args.to)


if __name__ == "__main__":
    raise SystemExit(common.run(main))

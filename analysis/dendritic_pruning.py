"""NSPDI-SNN against linear neurons under STDS, at equal sparsity and equal parameters, its three ideas removed in turn.

    python -m analysis.dendritic_pruning examples/studies/dendritic_mnist.toml [--sparsity 0.9 0.95] [--seeds 5]
    python -m analysis.dendritic_pruning maze

The study's method is NSPDI on a `fully_connected` net with gated dendrites.  In the maze (10 x 10, 35 % walls, seed 0)
the percentages are of the starts, every free cell but the goal, from which the greedy policy finds the goal within 4
times the shortest path; its settings are in `walker`.  The variants:

    NSPDI      gate V, gains of its own for each neuron (h), hard cut
    V = 0      no gate; the hidden layers are widened until the net has as many synapses
    h = 0      gate and cut, equal gains
    cut = 0    gate and gains, no cut
    STDS       neither gate nor gains nor cut, widened

The sparsity is an outcome of the displacement D, so D is found for each variant and sparsity: density falls about as a
power of D, so that secants of log density over log D, on runs of full length with the first seed, lead to the wanted
density within 5 % of itself in two to four runs (15 % where small nets scatter too much).  Accuracy takes no part in
that.  All seeds then run with that D.

The table gives accuracies (mean and half of the 95 % interval), the sparsity reached, living synapses, and the paired
difference to STDS, seed by seed, with its standard error.  A run file that is there and finished is not trained again.
"""

from __future__ import annotations

import argparse
import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from analysis import common
from analysis.methods import finished, resumed
from neurodev import registry
from neurodev.data.maze import ACTIONS, Maze
from neurodev.errors import ParameterError
from neurodev.learn import keep_freed_memory
from neurodev.learn.training.optim import Adam, cosine
from neurodev.learn.training.reinforce import ClippedPolicy, Critic, PolicyTrainer, policy_network
from neurodev.metrics import cost
from neurodev.runs.run import Run
from neurodev.studies import reading, training
from neurodev.studies.reading import Study

VARIANTS = ("NSPDI", "V = 0", "h = 0", "cut = 0", "STDS")
GATED = ("NSPDI", "h = 0", "cut = 0")
NEAR = 0.05  # of the wanted density
TRIES = 8
STEEP = -2.5  # of log density over log D, before two runs tell; measured -2 to -3


@dataclass(frozen=True)
class Read:
    """What one run says at its end."""

    accuracy: float
    density: float
    synapses: int
    seconds: float


def read(run: Run) -> Read:
    """The end of a run."""
    living = sum(int(run.series(f"n_synapse/{n}")[-1]) for n in run.training.tensors)
    return Read(100 * float(run.series("test_accuracy")[-1]), float(run.series("density")[-1]), living,
                float(run.series("seconds").sum()))  # fmt: skip


# ---------------------------------------------------------------- the variants


def synapses(widths: Sequence[int], gated: bool) -> int:
    """Pairs in all tensors of a fully connected net; hidden layers have two where they are gated."""
    pairs = [a * b for a, b in zip(widths[:-1], widths[1:], strict=True)]
    return (2 if gated else 1) * sum(pairs[:-1]) + pairs[-1]


def widened(widths: Sequence[int]) -> list[int]:
    """Hidden widths with which linear neurons have nearest to as many synapses as gated ones with `widths`."""
    want, hidden = synapses(widths, True), widths[1:-1]
    grown = [[round(n * f) for n in hidden] for f in np.arange(1.0, 2.0, 1 / (10 * max(hidden)))]
    return min(grown, key=lambda h: abs(synapses([widths[0], *h, widths[-1]], False) - want))


def pruning(variant: str, own: dict[str, Any], displacement: float) -> dict[str, Any]:
    """The method of a variant, from that of the study."""
    words = own | {"displacement": displacement}
    if variant in ("h = 0", "STDS"):
        words["heterogeneity"] = 0.0
    if variant in ("cut = 0", "STDS"):
        words["cut"] = 0.0
    if variant == "STDS":
        words["kind"] = "STDS"
    return words


def of(base: Study, variant: str, displacement: float, ends: tuple[int, int]) -> Study:
    """The study of a variant; displacement 0 stands for no pruning, `ends` are the numbers of inputs and classes."""
    t = copy.deepcopy(base.table)
    if variant not in GATED:
        t["network"] |= {"dendritic": False, "hidden": widened([ends[0], *t["network"]["hidden"], ends[1]])}
    own = next(m for m in t["method"] if m["kind"] == "NSPDI")
    t["method"] = [pruning(variant, own, displacement)] if displacement else []
    return Study(base.text, t, base.path)


# ---------------------------------------------------------------- runs


def displacement_for(density: float, measure: Callable[[float], float], first: float) -> float:
    """The displacement at which `measure` gives nearly that density.

    Raises
    ------
    ParameterError
        If some runs do not lead there.
    """
    seen: dict[float, float] = {}
    d = first
    for _ in range(TRIES):
        d = float(f"{d:.3g}")
        if d in seen:
            break
        seen[d] = measure(d)
        if abs(seen[d] - density) <= NEAR * density:
            return d
        off = {x: math.log(max(y, 1e-9) / density) for x, y in seen.items()}
        two = sorted(off, key=lambda x: abs(off[x]))[:2]
        if min(off.values()) < 0 < max(off.values()):  # between the nearest on either side
            two = [
                max((x for x in off if off[x] < 0), key=lambda x: off[x]),
                min((x for x in off if off[x] > 0), key=lambda x: off[x]),
            ]
        slope = STEEP
        if len(two) == 2:
            measured = (off[two[0]] - off[two[1]]) / math.log(two[0] / two[1])
            slope = measured if measured < -0.3 else STEEP
        d = two[0] * math.exp(float(np.clip(-off[two[0]] / slope, -1.1, 1.1)))
    best = min(seen, key=lambda x: abs(seen[x] - density))
    if abs(seen[best] - density) <= 3 * NEAR * density:  # small nets: density is no smooth function of D
        return best
    raise ParameterError(f"no displacement gave a density of {density:g}; seen: {seen}")


def all_reads(
    train: Callable[[str, float, int], Read], sparsity: Sequence[float], seeds: Sequence[int], first: float
) -> tuple[dict[tuple[str, float], list[Read]], dict[tuple[str, float], float]]:
    """Runs and displacements by (variant, sparsity); the unpruned nets of two variants come with sparsity 0.

    Parameters
    ----------
    train : callable
        ``train(variant, displacement, seed)``.
    first : float
        Displacement of the first trial.
    """
    found, used = {}, {}
    for variant in VARIANTS:
        d = first
        for s in sparsity:
            d = displacement_for(1 - s, lambda x, v=variant: train(v, x, seeds[0]).density, d)
            used[variant, s] = d
            found[variant, s] = [train(variant, d, k) for k in seeds]
    for variant in ("NSPDI", "STDS"):
        found[variant, 0.0] = [train(variant, 0.0, k) for k in seeds]
    return found, used


def student(base: Study, folder: Path, **how: Any) -> Callable[[str, float, int], Read]:
    """``train`` for a study."""
    data = training.dataset(base)
    ends = math.prod(training.shape_of(data)), data.n_class

    def train(variant: str, displacement: float, seed: int) -> Read:
        to = folder / f"{variant.replace(' ', '')}-{displacement:g}-seed{seed}.sqlite"
        return read(resumed(of(base, variant, displacement, ends), seed, to, data=data, **how))

    return train


def walker(folder: Path, epochs: int = 200, hidden: int = 64) -> Callable[[str, float, int], Read]:
    """``train`` for the maze."""
    maze = Maze(side=10, walls=0.35, seed=0)
    wide = widened([len(maze.cells), hidden, len(ACTIONS)])[0]

    def train(variant: str, displacement: float, seed: int) -> Read:
        size = f"{hidden}x{epochs}"  # what else the run depends on
        to = folder / f"{variant.replace(' ', '')}-{displacement:g}-{size}-seed{seed}.sqlite"
        if (run := finished(to)) is not None:
            return read(run)
        to.unlink(missing_ok=True)
        words = pruning(variant, {"kind": "NSPDI"}, displacement)
        methods = [registry.find("method", words.pop("kind"))(**words)] if displacement else []
        gated = variant in GATED
        t = PolicyTrainer(
            policy_network(maze, hidden if gated else wide, readout="currents", dendritic=gated, seed=seed), maze,
            steps=5, epochs=epochs, batch=100, optimiser=Adam(1e-2), schedule=cosine(0.1), methods=methods, seed=seed,
            loss=ClippedPolicy(sharpness=2.0, entropy=0.03), critic=Critic(trace=0.6), to=to, checkpoint=0,
        )  # fmt: skip
        return read(t.fit().close())

    return train


# ---------------------------------------------------------------- the table


def _pm(values: Sequence[float], digits: int = 2) -> str:
    mean, half = cost.mean_and_interval(values)
    return f"{mean:.{digits}f}" + (f" ± {half:.{digits}f}" if np.isfinite(half) else "")


def written(found: dict[tuple[str, float], list[Read]], used: dict[tuple[str, float], float]) -> str:
    """The table."""
    head = ["variant", "D", "sparsity %", "living synapses", "right %", "minus STDS", "standard error", "seconds"]
    rows: list[list[object]] = []
    for variant, s in sorted(found, key=lambda k: (k[1], VARIANTS.index(k[0]))):
        mine, base = found[variant, s], found["STDS", s]
        row: list[object] = [
            variant if s else f"{'gated' if variant == 'NSPDI' else 'linear'}, unpruned",
            f"{used.get((variant, s), 0.0):g}", _pm([100 * (1 - r.density) for r in mine]),
            f"{np.mean([r.synapses for r in mine]):,.0f}", _pm([r.accuracy for r in mine]),
        ]  # fmt: skip
        if variant == "STDS":
            rows.append([*row, "", "", _pm([r.seconds for r in mine], 1)])
            continue
        gap = np.array([a.accuracy - b.accuracy for a, b in zip(mine, base, strict=True)])
        error = gap.std(ddof=1) / np.sqrt(gap.size) if gap.size > 1 else float("nan")
        rows.append([*row, f"{gap.mean():+.2f}", f"{error:.2f}", _pm([r.seconds for r in mine], 1)])
    return common.table(head, rows)


def loaded(path: str, settings: dict[str, str]) -> Study:
    """The study, if it is one of gated dendrites.

    Raises
    ------
    ParameterError
        If it is not.
    """
    base = reading.load(Path(path), settings)
    net, methods = base.table.get("network", {}), base.table.get("method", [])
    right = net.get("kind") == "fully_connected" and net.get("dendritic") is True and "hidden" in net
    if not right or [m["kind"] for m in methods] != ["NSPDI"]:
        raise ParameterError(f"{path}: its net must be fully_connected, dendritic and pruned by NSPDI, with its hidden")
    return base


def main(argv: Sequence[str] | None = None) -> None:
    """Train what is missing, then print."""
    keep_freed_memory()
    p = argparse.ArgumentParser(description="NSPDI-SNN against linear neurons under STDS, at equal sparsity and size.")
    p.add_argument("study", help="a training study (TOML) of a gated fully_connected net under NSPDI, or maze")
    p.add_argument("--sparsity", type=float, nargs="+", default=[0.9, 0.95])
    p.add_argument("--seeds", type=int, default=5)
    p.add_argument("--to", default="dendritic_pruning", help="folder of run files and table")
    p.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="e.g. data.train=10000")
    p.add_argument("--threads", type=int, default=1, choices=(1, 2))
    args = p.parse_args(argv)
    if args.seeds < 1 or not all(0 < s < 1 for s in args.sparsity):
        raise ParameterError("--seeds must be at least 1, and every --sparsity lie in (0, 1)")
    folder = Path(args.to)
    folder.mkdir(parents=True, exist_ok=True)
    if args.study == "maze":
        train, first, about = walker(folder), 0.33, "Maze of 10 x 10, percentages of its 64 starts"
    else:
        base = loaded(args.study, reading.settings(args.set))
        t = base.table
        train, first = student(base, folder, threads=args.threads), float(t["method"][0].get("displacement", 0.06))
        about = f"{t['data']}, {t['network']}, {t['encoder']}, {t['optimiser']}, {t['train']}"
    found, used = all_reads(train, args.sparsity, range(args.seeds), first)
    text = written(found, used) + (
        f"\n\n{about}; {args.seeds} seed(s), means ± half of the 95 % interval.  Linear nets are widened to as many "
        "synapses as the gated one has."
    )
    print(text)
    (folder / "dendritic_pruning.txt").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    raise SystemExit(common.run(main))

"""NSPDI-SNN against linear neurons under STDS, at equal sparsity and equal parameters, its three ideas removed in turn.

    python -m analysis.dendritic_pruning examples/studies/dendritic_mnist.toml [--sparsity 0.9 0.95] [--seeds 5]
    python -m analysis.dendritic_pruning maze
    python -m analysis.dendritic_pruning pro_anti --division saliency --within

The study's method is NSPDI on a `fully_connected` net with gated dendrites.  In the maze (10 x 10, 35 % walls, seed 0)
the percentages are of the starts, every free cell but the goal, from which the greedy policy finds the goal within 4
times the shortest path; its settings are in `walker`.  Other made tasks are in `dendritic_tasks`.  The variants:

    NSPDI      gate V, gains of its own for each neuron (h), hard cut
    V = 0      no gate; the hidden layers are widened until the net has as many synapses
    h = 0      gate and cut, equal gains
    cut = 0    gate and gains, no cut
    STDS       neither gate nor gains nor cut, widened
    even       with --division: NSPDI without it, one threshold for gates and drives

The sparsity is an outcome of the displacement D, so D is found for each variant and sparsity: density falls about as a
power of D, so that secants of log density over log D, on runs of full length with the first seed, lead to the wanted
density within 5 % of itself in two to four runs (15 % where small nets scatter too much).  Accuracy takes no part in
that.  All seeds then run with that D.  With --within the methods place their thresholds themselves for the sparsity
(their parameter `sparsity`), which all runs reach to a synapse.

The table gives accuracies (mean and half of the 95 % interval), the sparsity reached, living synapses, those of them in
gates, and the paired differences to STDS and to V = 0, seed by seed, with their standard errors.  With --validation all
of it is of training samples set aside: for choosing.  --worth tells of one net with one threshold for gates and drives
how large the hidden parameters of each tensor are, what its gradients are, and what the loss gains without it.

A run file that is there and finished is not trained again.
"""

from __future__ import annotations

import argparse
import copy
import math
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from analysis import common, dendritic_tasks
from analysis.methods import finished, resumed
from neurodev import registry
from neurodev.data.maze import ACTIONS, Maze
from neurodev.errors import ParameterError
from neurodev.learn import keep_freed_memory
from neurodev.learn.training.course import Course
from neurodev.learn.training.optim import Adam, cosine
from neurodev.learn.training.reinforce import ClippedPolicy, Critic, PolicyTrainer, policy_network
from neurodev.methods import NSPDI
from neurodev.methods.division import DIVISIONS, felt
from neurodev.methods.tensors import Tensor, tensors
from neurodev.metrics import cost
from neurodev.runs.run import Run
from neurodev.studies import reading, training
from neurodev.studies.reading import Study

VARIANTS = ("NSPDI", "V = 0", "h = 0", "cut = 0", "STDS")
EVEN = "even"  # a sixth, where the study divides
GATED = ("NSPDI", "h = 0", "cut = 0", EVEN)
NEAR = 0.05  # of the wanted density
TRIES = 8
STEEP = -2.5  # of log density over log D, before two runs tell; measured -2 to -3


@dataclass(frozen=True)
class Read:
    """What one run says at its end."""

    accuracy: float
    density: float
    synapses: int
    gates: int  # of them
    seconds: float


def read(run: Run, part: str = "test") -> Read:
    """The end of a run; its accuracy on the test or validation samples."""
    living = {n: int(run.series(f"n_synapse/{n}")[-1]) for n in run.training.tensors}
    gates = sum(k for n, k in living.items() if n.endswith("_gate"))
    right, density = (float(run.series(name)[-1]) for name in (f"{part}_accuracy", "density"))
    return Read(100 * right, density, sum(living.values()), gates, float(run.series("seconds").sum()))


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


def pruning(variant: str, own: dict[str, Any], amount: float, within: bool = False) -> dict[str, Any]:
    """The method of a variant, from that of the study; `amount` is its displacement, or `within` its sparsity."""
    words = own | {"sparsity" if within else "displacement": amount}
    if within:
        words.pop("displacement", None)
    if variant not in ("NSPDI", "h = 0", "cut = 0"):
        words.pop("division", None)
    if variant in ("h = 0", "STDS"):
        words["heterogeneity"] = 0.0
    if variant in ("cut = 0", "STDS"):
        words["cut"] = 0.0
    if variant == "STDS":
        words["kind"] = "STDS"
    return words


def of(base: Study, variant: str, amount: float, ends: tuple[int, int], within: bool = False) -> Study:
    """The study of a variant; an amount of 0 stands for no pruning, `ends` are the numbers of inputs and classes."""
    t = copy.deepcopy(base.table)
    if variant not in GATED:
        t["network"] |= {"dendritic": False, "hidden": widened([ends[0], *t["network"]["hidden"], ends[1]])}
    own = next(m for m in t["method"] if m["kind"] == "NSPDI")
    t["method"] = [pruning(variant, own, amount, within)] if amount else []
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
    train: Callable[[str, float, int], Read], sparsity: Sequence[float], seeds: Sequence[int], first: float | None,
    variants: Sequence[str] = VARIANTS, unpruned: bool = True,
) -> tuple[dict[tuple[str, float], list[Read]], dict[tuple[str, float], float]]:  # fmt: skip
    """Runs and displacements by (variant, sparsity); the unpruned nets of two variants come with sparsity 0.

    Parameters
    ----------
    train : callable
        ``train(variant, amount, seed)``.
    first : float, optional
        Displacement of the first trial; none where the amount is the sparsity itself.
    """
    found, used = {}, {}
    for s in sparsity if first is None else ():
        for seed in seeds:  # seed by seed, so that what is broken off has pairs
            for variant in variants:
                found.setdefault((variant, s), []).append(train(variant, s, seed))
    for variant in variants if first is not None else ():
        d = first or 0.0
        for s in sparsity:
            d = displacement_for(1 - s, lambda x, v=variant: train(v, x, seeds[0]).density, d)
            used[variant, s] = d
            found[variant, s] = [train(variant, d, k) for k in seeds]
    for variant in ("NSPDI", "STDS") if unpruned else ():
        found[variant, 0.0] = [train(variant, 0.0, k) for k in seeds]
    return found, used


def place(folder: Path, variant: str, amount: float, within: bool, seed: int, more: str = "") -> Path:
    """The file of a run."""
    kind = "share" if within and amount else ""
    return folder / f"{variant.replace(' ', '')}-{kind}{amount:g}{more}-seed{seed}.sqlite"


def student(
    base: Study, folder: Path, within: bool = False, part: str = "test", **how: Any
) -> Callable[[str, float, int], Read]:
    """``train`` for a study."""
    data = training.dataset(base)
    ends = math.prod(training.shape_of(data)), data.n_class

    def train(variant: str, amount: float, seed: int) -> Read:
        to = place(folder, variant, amount, within, seed)
        return read(resumed(of(base, variant, amount, ends, within), seed, to, data=data, **how), part)

    return train


def walker(
    folder: Path,
    epochs: int = 200,
    hidden: int = 64,
    *,
    within: bool = False,
    division: str | None = None,
    maze: int = 0,
) -> Callable[[str, float, int], Read]:
    """``train`` for the maze of a seed."""
    there = Maze(side=10, walls=0.35, seed=maze)
    wide = widened([len(there.cells), hidden, len(ACTIONS)])[0]
    own = {"kind": "NSPDI"} | ({} if division is None else {"division": division})

    def train(variant: str, amount: float, seed: int) -> Read:
        size = f"-{hidden}x{epochs}" + (f"-maze{maze}" if maze else "")  # what else the run depends on
        to = place(folder, variant, amount, within, seed, size)
        if (run := finished(to)) is not None:
            return read(run)
        to.unlink(missing_ok=True)
        words = pruning(variant, own, amount, within)
        methods = [registry.find("method", words.pop("kind"))(**words)] if amount else []
        gated = variant in GATED
        t = PolicyTrainer(
            policy_network(there, hidden if gated else wide, readout="currents", dendritic=gated, seed=seed), there,
            steps=5, epochs=epochs, batch=100, optimiser=Adam(1e-2), schedule=cosine(0.1), methods=methods, seed=seed,
            loss=ClippedPolicy(sharpness=2.0, entropy=0.03), critic=Critic(trace=0.6), to=to, checkpoint=0,
        )  # fmt: skip
        return read(t.fit().close())

    return train


# ---------------------------------------------------------------- what synapses are worth


class WatchedNSPDI(NSPDI):
    """NSPDI that keeps for each tensor the root mean squares by which a threshold can be divided, of the last epoch."""

    def after_backward(self, trainer: Course) -> None:
        """Add what this step feels."""
        if trainer.step % trainer.steps_per_epoch == 0:
            self.seen: dict[str, list[tuple[float, ...]]] = {t.name: [] for t in tensors(trainer)}
        for t in tensors(trainer):
            table = t.dense
            w, g = (table.grid(x)[:, : table.n_target] for x in (table.weight, t.weights.gradient))
            self.seen[t.name].append(tuple(felt(how, w, g) for how in DIVISIONS))
        super().after_backward(trainer)


def size(t: Tensor) -> float:
    """Root mean square of the hidden parameters of a tensor."""
    theta = t.dense.grid(t.dense.column("theta"))[:, : t.table.n_target]
    return float(np.sqrt(np.square(theta, dtype=np.float64).mean()))


def worth(base: Study, sparsity: float, seed: int, threads: int = 1) -> str:
    """A table of the tensors of one net under an even threshold: sizes of theta, gradients, and losses by removal."""
    data = training.dataset(base)
    on = "test" if data.x_validation is None else "validation"
    own = {k: v for k, v in pruning(EVEN, base.table["method"][0], sparsity, True).items() if k != "kind"}
    bare = copy.deepcopy(base.table) | {"method": []}
    made = training.trainer(Study(base.text, bare, base.path), seed=seed, data=data, progress=False, threads=threads)
    first = {name: float(w.table.weight.std()) for name, w in made.weights().items()}
    made.close()
    how = Study(base.text, bare | {"method": [{"kind": "analysis.dendritic_pruning:WatchedNSPDI", **own}]}, base.path)
    t = training.trainer(how, seed=seed, data=data, progress=False, threads=threads).fit()
    loss = lambda: (o := t.evaluate(on=on)).loss / o.n
    whole, rows = loss(), list[list[object]]()
    for x in tensors(t):
        w = x.table.weight
        kept, alive = w.copy(), np.flatnonzero(w)
        alive = alive[np.argsort(np.abs(w[alive]))]
        more = []
        for gone in (alive[: max(alive.size // 10, 1)], alive):
            w[gone] = 0
            more += [f"{loss() - whole:+.4f}"]
            w[:] = kept
        rms = np.sqrt(np.mean(t.methods[0].seen[x.name], axis=0))  # type: ignore[attr-defined]
        rows.append([x.name, f"{first[x.name]:.4f}", f"{size(x):.4f}", alive.size, *(f"{v:.2e}" for v in rms), *more])
    t.close()
    head = [
        "tensor",
        "theta at first",
        "at the end",
        "living",
        *DIVISIONS,
        "loss without the weakest tenth",
        "without it",
    ]
    return common.table(head, rows)


# ---------------------------------------------------------------- the table


def _pm(values: Sequence[float], digits: int = 2) -> str:
    mean, half = cost.mean_and_interval(values)
    return f"{mean:.{digits}f}" + (f" ± {half:.{digits}f}" if np.isfinite(half) else "")


def paired(mine: Sequence[Read], base: Sequence[Read] | None) -> tuple[str, str]:
    """Mean of the differences, seed by seed, and its standard error."""
    if base is None or base is mine:
        return "", ""
    gap = np.array([a.accuracy - b.accuracy for a, b in zip(mine, base, strict=True)])
    return f"{gap.mean():+.2f}", f"{gap.std(ddof=1) / np.sqrt(gap.size) if gap.size > 1 else float('nan'):.2f}"


def written(found: dict[tuple[str, float], list[Read]], used: dict[tuple[str, float], float]) -> str:
    """The table."""
    head = [
        "variant", "D", "sparsity %", "living synapses", "in gates", "right %", "minus STDS", "standard error",
        "minus V = 0", "standard error", "seconds",
    ]  # fmt: skip
    rows: list[list[object]] = []
    for variant, s in sorted(found, key=lambda k: (k[1], (*VARIANTS, EVEN).index(k[0]))):
        mine = found[variant, s]
        rows.append([
            variant if s else f"{'gated' if variant == 'NSPDI' else 'linear'}, unpruned",
            f"{used[variant, s]:g}" if (variant, s) in used else "" if s else "0",
            _pm([100 * (1 - r.density) for r in mine]), f"{np.mean([r.synapses for r in mine]):,.0f}",
            f"{np.mean([r.gates for r in mine]):,.0f}", _pm([r.accuracy for r in mine]),
            *paired(mine, found["STDS", s]), *paired(mine, found.get(("V = 0", s))), _pm([r.seconds for r in mine], 1),
        ])  # fmt: skip
    return common.table(head, rows)


def loaded(path: str, settings: dict[str, str], division: str | None = None) -> Study:
    """The study, if it is one of gated dendrites; the word of a task of `dendritic_tasks` stands for its own.

    Raises
    ------
    ParameterError
        If it is not.
    """
    if path in dendritic_tasks.TASKS:
        with tempfile.TemporaryDirectory() as folder:
            own = Path(folder) / f"{path}.toml"
            own.write_text(dendritic_tasks.study(path), encoding="utf-8")
            base = reading.load(own, settings)
    else:
        base = reading.load(Path(path), settings)
    net, methods = base.table.get("network", {}), base.table.get("method", [])
    right = net.get("kind") == "fully_connected" and net.get("dendritic") is True and "hidden" in net
    if not right or [m["kind"] for m in methods] != ["NSPDI"]:
        raise ParameterError(f"{path}: its net must be fully_connected, dendritic and pruned by NSPDI, with its hidden")
    if division is not None:
        methods[0]["division"] = division
    return base


def _arguments() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(description="NSPDI-SNN against linear neurons under STDS, at equal sparsity and size.")
    p.add_argument(
        "study",
        help="a training study (TOML) of a gated fully_connected net under NSPDI, or maze, "
        + ", ".join(dendritic_tasks.TASKS),
    )
    p.add_argument("--sparsity", type=float, nargs="+", default=[0.9, 0.95])
    p.add_argument("--seeds", type=int, default=5)
    p.add_argument("--first-seed", type=int, default=0)
    p.add_argument("--within", action="store_true", help="the methods search their thresholds within each run")
    p.add_argument("--division", choices=DIVISIONS, help="of NSPDI's threshold between gates and drives")
    p.add_argument("--validation", action="store_true", help="tell what is right of the samples set aside")
    p.add_argument("--worth", action="store_true", help="only tell what the synapses of one net are worth")
    p.add_argument("--variants", nargs="+", choices=(*VARIANTS, EVEN), help="some only, and no unpruned nets")
    p.add_argument("--maze", type=int, default=0, help="seed of the maze")
    p.add_argument("--to", default="dendritic_pruning", help="folder of run files and table")
    p.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="e.g. data.train=10000")
    p.add_argument("--threads", type=int, default=1, choices=(1, 2))
    return p


def main(argv: Sequence[str] | None = None) -> None:
    """Train what is missing, then print."""
    keep_freed_memory()
    args = _arguments().parse_args(argv)
    if args.seeds < 1 or not all(0 < s < 1 for s in args.sparsity):
        raise ParameterError("--seeds must be at least 1, and every --sparsity lie in (0, 1)")
    if args.variants and "STDS" not in args.variants:
        raise ParameterError("--variants must have STDS among them, to which the others are compared")
    folder = Path(args.to)
    folder.mkdir(parents=True, exist_ok=True)
    if args.study == "maze":
        train = walker(folder, within=args.within, division=args.division, maze=args.maze)
        first, about, divides = 0.33, "Maze of 10 x 10, percentages of its starts", args.division is not None
    else:
        base = loaded(args.study, reading.settings(args.set), args.division)
        if args.worth:
            print(worth(base, args.sparsity[-1], args.first_seed, args.threads))
            return
        t, own = base.table, base.table["method"][0]
        part = "validation" if args.validation else "test"
        train = student(base, folder, args.within, part, threads=args.threads)
        first, divides = float(own.get("displacement", 0.06)), own.get("division") is not None
        about = f"{t['data']}, {t['network']}, {t['encoder']}, {t['optimiser']}, {t['train']}, {own}"
    variants = args.variants or (*VARIANTS, *([EVEN] if divides else []))
    seeds = range(args.first_seed, args.first_seed + args.seeds)
    found, used = all_reads(
        train, args.sparsity, seeds, None if args.within else first, variants, unpruned=not args.variants
    )  # fmt: skip
    text = written(found, used) + (
        f"\n\n{about}; seeds {seeds[0]} to {seeds[-1]}, means ± half of the 95 % interval.  Linear nets are widened "
        "to as many synapses as the gated one has."
    )
    print(text)
    (folder / "dendritic_pruning.txt").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    raise SystemExit(common.run(main))

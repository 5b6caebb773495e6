"""NDSNN against its rivals at equal sparsity, epochs and seeds: one study of NDSNN gives the task, the rest is its own.

    python -m analysis.rivals examples/studies/ndsnn_mnist.toml [--sparsity 0.95 0.98 0.99] [--seeds 3] [--to rivals]

For each seed the task is learned dense, by NDSNN, RigL, SET, CH-SNN and a fixed random structure at each sparsity, and
by one LTH run that passes through all of them: its rounds take equal shares near 25 %, so that some round ends at each
sparsity, and what LTH has reached (and spent) there is read off at the end of that round.  A run file that is there
and finished is not trained again.

The table gives accuracies (mean and half the 95 % interval over seeds), the paired difference NDSNN minus rival with
its standard error, seconds of training, and the cost that the NDSNN paper counts (mean spike rate x density, summed
over epochs) as a share of LTH's.  All methods but LTH and dense learn at the study's rate; those two at --dense-rate.
"""

from __future__ import annotations

import argparse
import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from analysis import common
from analysis.methods import MARKS, SHADES, logarithmic, resumed
from neurodev.errors import ParameterError
from neurodev.metrics import cost
from neurodev.plot.style import legend, new_figure, plain
from neurodev.runs.run import Run
from neurodev.studies import reading
from neurodev.studies.reading import Study

RIVALS = ("NDSNN", "RigL", "SET", "CHSNN", "Static")
SHARE = 0.25  # of the living that a round of LTH takes, as published; adjusted so that rounds end at the sparsities


@dataclass(frozen=True)
class Read:
    """What one run says at one sparsity."""

    accuracy: float
    density: float
    seconds: float
    last: float  # seconds of the last round; of the whole run for the others
    paper: float  # spike rate x density, summed over epochs
    course: np.ndarray  # (2, n_epoch): density and seconds of each epoch

    @property
    def wrong(self) -> float:
        """Test samples classified wrongly, per cent."""
        return 100 - self.accuracy


@dataclass
class Task:
    """A study of NDSNN, and how its rivals are derived from it."""

    base: Study
    sparsity: list[float]
    round_epochs: int
    dense_rate: float
    own: dict[str, dict[str, Any]] = field(default_factory=dict)  # settings of rivals, by name

    def share(self) -> float:
        """LTH's share a round, the nearest to 25 % for which a round ends at the first sparsity."""
        d = 1 - self.sparsity[0]
        return float(1 - d ** (1 / max(round(math.log(d) / math.log(1 - SHARE)), 1)))

    def pruning(self, sparsity: float) -> int:
        """The pruning after which LTH has a sparsity."""
        n = math.log(1 - sparsity) / math.log(1 - self.share())
        return math.ceil(n - 1e-9) if sparsity == self.sparsity[-1] else round(n)

    def of(self, method: str, sparsity: float = 0.0) -> Study:
        """The study of a rival."""
        t = copy.deepcopy(self.base.table)
        own = next(m for m in t["method"] if m["kind"] == "NDSNN")
        words: dict[str, Any] = {"kind": method, "sparsity": sparsity}
        if method == "NDSNN":
            words = own | {"sparsity": sparsity}
        elif method == "RigL":
            words["every"] = own.get("every", 100)
        elif method == "SET":
            words["dense_output"] = False  # at 99 % a dense output alone would hold more than all synapses together
        elif method == "CHSNN":
            words["convolutions"] = "static"  # published dense: then the tensors together would not be as sparse
        elif method == "LTH":
            words["share"] = self.share()
            t["train"]["epochs"] = (self.pruning(sparsity) + 1) * self.round_epochs
        words |= self.own.get(method, {})
        if method in ("LTH", "dense"):
            t["optimiser"]["rate"] = self.dense_rate
        t["method"] = [] if method == "dense" else [words]
        return Study(self.base.text, t, self.base.path)


def read(run: Run, first: int, last: int) -> Read:
    """The state after epoch `last`; seconds are those from the start, and from epoch `first`."""
    seconds, density = run.series("seconds"), run.series("density")
    rate = np.mean(list(run.training.layers("rate").values()), axis=0)
    return Read(
        100 * float(run.series("test_accuracy")[last - 1]), float(density[last - 1]), float(seconds[:last].sum()),
        float(seconds[first:last].sum()), float((rate * density)[:last].sum()), np.stack([density, seconds]),
    )  # fmt: skip


def all_reads(task: Task, seeds: Sequence[int], folder: Path, **how: Any) -> dict[tuple[str, float], list[Read]]:
    """Train or open everything, seed by seed; the key is (method, sparsity)."""
    found: dict[tuple[str, float], list[Read]] = {}
    for seed in seeds:
        for s in task.sparsity:
            for method in RIVALS:
                run = resumed(task.of(method, s), seed, folder / f"{method}-{s:g}-seed{seed}.sqlite", **how)
                found.setdefault((method, s), []).append(read(run, 0, len(run.series("seconds"))))
        run = resumed(task.of("dense"), seed, folder / f"dense-seed{seed}.sqlite", **how)
        found.setdefault(("dense", 0.0), []).append(read(run, 0, len(run.series("seconds"))))
        run = resumed(task.of("LTH", task.sparsity[-1]), seed, folder / f"LTH-seed{seed}.sqlite", **how)
        for s in task.sparsity:
            k = task.pruning(s)
            found.setdefault(("LTH", s), []).append(read(run, k * task.round_epochs, (k + 1) * task.round_epochs))
    return found


def _pm(values: Sequence[float], digits: int = 2) -> str:
    mean, half = cost.mean_and_interval(values)
    return f"{mean:.{digits}f}" + (f" ± {half:.{digits}f}" if np.isfinite(half) else "")


def written(task: Task, found: dict[tuple[str, float], list[Read]]) -> str:
    """The table."""
    head = ["method", "sparsity %", "right %", "NDSNN minus it", "standard error", "seconds", "NDSNN's seconds / its",
            "/ its last round's", "NDSNN's rate x density / its"]  # fmt: skip
    rows: list[list[object]] = []
    dense = found["dense", 0.0]
    for s in task.sparsity:
        ours = found["NDSNN", s]
        for name in (*RIVALS, "LTH"):
            theirs = found[name, s]
            gap = np.array([a.accuracy - b.accuracy for a, b in zip(ours, theirs, strict=True)])
            error = gap.std(ddof=1) / np.sqrt(gap.size) if gap.size > 1 else float("nan")
            mean = lambda what, of: float(np.mean([getattr(r, what) for r in of]))
            row: list[object] = [
                name, f"{100 * (1 - mean('density', theirs)):.1f}", _pm([r.accuracy for r in theirs]),
            ]  # fmt: skip
            if name == "NDSNN":
                rows.append([*row, "", "", _pm([r.seconds for r in theirs], 0), "", "", ""])
                continue
            last = f"{mean('seconds', ours) / mean('last', theirs):.2f}" if name == "LTH" else ""
            rows.append([
                *row, f"{gap.mean():+.2f}", f"{error:.2f}", _pm([r.seconds for r in theirs], 0),
                f"{mean('seconds', ours) / mean('seconds', theirs):.2f}", last,
                f"{mean('paper', ours) / mean('paper', theirs):.2f}",
            ])  # fmt: skip
    rows.append(
        ["dense", "0.0", _pm([r.accuracy for r in dense]), "", "", _pm([r.seconds for r in dense], 0), "", "", ""]
    )
    t = task.base.table
    own = "".join(f" {name}: {', '.join(f'{k} {v}' for k, v in words.items())}." for name, words in task.own.items())
    about = (
        f"{t['data']}, {t['network']}, {t['encoder']}, {t['train']}; {len(dense)} seed(s), means ± half of the 95 % "
        f"interval. LTH: {100 * task.share():.1f} % a round, {task.round_epochs} epochs a round, the whole from the "
        f"first round on; it and dense learn at {task.dense_rate:g}, the others at {t['optimiser']['rate']:g}.{own}"
    )
    return common.table(head, rows) + "\n\n" + about


def figure(task: Task, found: dict[tuple[str, float], list[Read]]) -> Any:
    """Errors, seconds of training, and seconds of an epoch against density."""
    fig = new_figure(14.0, 4.2)
    axes = fig.subplots(1, 3)
    for k, name in enumerate((*RIVALS, "LTH")):
        every = [found[name, s] for s in task.sparsity]
        x = [100 * np.mean([r.density for r in one]) for one in every]
        for ax, key in ((axes[0], "wrong"), (axes[1], "seconds")):
            y = [cost.mean_and_interval([getattr(r, key) for r in one]) for one in every]
            ax.errorbar(x, [m for m, _ in y], np.nan_to_num([h for _, h in y]), marker=MARKS[k], ms=6, lw=1.3,
                        color=SHADES[k + 1], label=name)  # fmt: skip
        for one in every[-1:] if name == "LTH" else every:  # a run of LTH has all densities
            d, seconds = np.median([r.course for r in one], axis=0)
            axes[2].plot(100 * d, seconds, MARKS[k], ms=4, color=SHADES[k + 1])
    for ax, key in ((axes[0], "wrong"), (axes[1], "seconds")):
        ax.axhline(
            np.mean([getattr(r, key) for r in found["dense", 0.0]]), color=SHADES[0], lw=1, ls=":", label="dense"
        )
        ax.set_xscale("log")
        ticks = [100 * (1 - s) for s in task.sparsity]
        ax.set_xticks(ticks, [f"{v:.3g}" for v in ticks])
        ax.minorticks_off()
        ax.invert_xaxis()
        logarithmic(ax)
    axes[2].set_xscale("log")
    axes[2].set_xticks([100, 50, 20, 10, 5, 2, 1], ["100", "50", "20", "10", "5", "2", "1"])
    axes[2].minorticks_off()
    axes[2].invert_xaxis()
    axes[2].set_ylim(0)
    plain(axes[2], "Seconds of an epoch", "density at its end (%)", "s", "medians over seeds")
    plain(axes[0], "Errors", "density (%)", "wrong (%)", "of the test samples; bars: 95 % intervals over seeds")
    plain(axes[1], "Seconds of training", "density (%)", "s", "LTH: all rounds so far")
    legend(axes[0], loc="best")
    return fig


def _own(given: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Settings of rivals by name, from ``NAME.KEY=VALUE``."""
    out: dict[str, dict[str, Any]] = {}
    for words in given:
        key, equals, value = words.partition("=")
        name, _, word = key.partition(".")
        if name not in (*RIVALS, "LTH") or not word or not equals:
            raise ParameterError(
                f"--rival needs NAME.KEY=VALUE with one of {', '.join((*RIVALS, 'LTH'))}, got {words!r}"
            )
        if word in ("kind", "sparsity", "share"):
            raise ParameterError(f"--rival {words!r}: the comparison itself sets {word!r}")
        out.setdefault(name, {})[word] = reading.as_value(value)
    return out


def main(argv: Sequence[str] | None = None) -> None:
    """Train what is missing, then print and draw."""
    p = argparse.ArgumentParser(description="NDSNN against its rivals, with paired seeds.")
    p.add_argument("study", help="a training study (TOML) whose method is NDSNN")
    p.add_argument("--sparsity", type=float, nargs="+", default=[0.95, 0.98, 0.99])
    p.add_argument("--seeds", type=int, default=3)
    p.add_argument("--round-epochs", type=int, default=2, help="epochs of a round of LTH")
    p.add_argument("--dense-rate", type=float, default=1e-3, help="learning rate of LTH and dense")
    p.add_argument("--to", default="rivals", help="folder of run files, table and figure")
    p.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="e.g. encoder.steps=5")
    p.add_argument("--rival", action="append", default=[], metavar="NAME.KEY=VALUE", help="e.g. CHSNN.width=0.0625")
    p.add_argument("--threads", type=int, default=2, choices=(1, 2))
    p.add_argument("--quiet", action="store_true", help="no progress bars")
    args = p.parse_args(argv)
    base = reading.load(args.study, reading.settings(args.set))
    if "NDSNN" not in [m.get("kind") for m in base.table.get("method", [])]:
        raise ParameterError(f"{args.study} has no method NDSNN: its rivals take task and network from such a study")
    task = Task(base, sorted(args.sparsity), args.round_epochs, args.dense_rate, _own(args.rival))
    first = base.seed
    folder = Path(args.to)
    folder.mkdir(parents=True, exist_ok=True)
    how = {"threads": args.threads, "progress": not args.quiet}
    found = all_reads(task, range(first, first + args.seeds), folder, **how)
    text = written(task, found)
    print(text)
    (folder / "rivals.txt").write_text(text + "\n", encoding="utf-8")
    common.save(figure(task, found), folder / "rivals.png")


if __name__ == "__main__":
    raise SystemExit(common.run(main))

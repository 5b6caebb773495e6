"""Which method gives what, for how many operations?  One table and one figure from many runs of training.

    python -m analysis.methods STUDY.toml... [--seeds 3] [--to methods] [--set train.epochs=2] [--threads 2]

Every study is trained with every seed; a run file of the same study that is there and finished is not trained again,
one that was broken off goes on.  A file of that name that holds a run of another study, or of other settings, stays
as it is: the new run gets a name of its own.  Then the table is printed and written (`methods.txt`) and the figure
drawn (`methods.png`).  A row is a study; means over seeds with 95 % intervals (Student's t).  Operations, energy and
information are those of one test sample after the last epoch: a synaptic operation is a living weight read because a
spike arrived, the energy 0.9 pJ an addition and 3.7 pJ a multiplication (45 nm, arithmetic alone: Horowitz 2014,
ISSCC, p. 10), the information that of the decision about the label, from the table of decisions, corrected for bias
(`neurodev.metrics.cost`).
"""

from __future__ import annotations

import argparse
import hashlib
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from analysis import common
from neurodev.data.dataset import Dataset
from neurodev.errors import ParameterError
from neurodev.learn import keep_freed_memory
from neurodev.metrics import cost
from neurodev.plot.style import INK, SOFT, legend, new_figure, plain
from neurodev.record.runfile import RunFile
from neurodev.runs.run import Run
from neurodev.studies import reading, training, writing

BUDGET = ("data", "n_train", "n_test", "epochs", "batch", "encoder", "layers")
SHADES = (
    "#22304A", "#0072B2", "#D55E00", "#3C9D7E", "#CC79A7", "#E69F00", "#56B4E9", "#7B2D4F", "#8C8C00", "#8E6BAF",
    "#B4703A", "#5A5A5A",
)  # fmt: skip
MARKS = "osD^vP*Xhp<>"


@dataclass
class Trained:
    """The runs of one study, one a seed, and what they gave."""

    name: str
    runs: list[Run]

    def numbers(self, key: str) -> tuple[float, float]:
        """Mean and half width of the 95 % interval of a number of `measured`."""
        return cost.mean_and_interval([measured(r)[key] for r in self.runs])

    def course(self, *names: str) -> np.ndarray:
        """(n_epoch,) mean over seeds of the sum of some series."""
        return np.mean([np.sum([r.series(n) for n in names], axis=0) for r in self.runs], axis=0)


# ---------------------------------------------------------------- runs


def finished(to: Path) -> Run | None:
    """The run of a file that is there and finished."""
    if not to.is_file():
        return None
    with RunFile.open(to) as file:
        done = file.item("finished", False) is True
    return Run(to) if done else None


def place_for(s: reading.Study, to: Path) -> Path:
    """The file `to` if it is free or holds a run of this very study; else one whose name says the study's hash."""
    if not to.is_file() or _is_of(s, to):
        return to
    digest = hashlib.blake2b(writing.written(tomllib.loads(s.text)).encode(), digest_size=4).hexdigest()
    own = to.with_name(f"{to.stem}-{digest}{to.suffix}")
    if own.is_file() and not _is_of(s, own):
        raise ParameterError(f"{own} holds a run of another study: remove it, or name another folder with --to")
    return own


def _is_of(s: reading.Study, to: Path) -> bool:
    with RunFile.open(to) as file:
        kept = (file.item("provenance", None) or {}).get("study")
    return isinstance(kept, str) and writing.same(kept, tomllib.loads(s.text))


def resumed(
    s: reading.Study, seed: int, to: Path, threads: int = 2, progress: bool = False, data: Dataset | None = None
) -> Run:
    """The finished run of a study with a seed: from the file `to`, or trained into it; `data` if already read.

    See `place_for` where the file holds a run of another study.
    """
    s = training.resolved(s, seed)
    to = place_for(s, to)
    if (run := finished(to)) is not None:
        return run
    resume = False
    if to.is_file():
        with RunFile.open(to) as file:
            resume = bool(file.checkpoints())
    begun = to.is_file() and not resume  # broken off before its first checkpoint
    t = training.trainer(
        s, to, seed=seed, data=data, threads=threads, progress=progress, resume=resume, overwrite=begun
    )  # fmt: skip
    t.fit()
    return t.close()


def all_runs(sources: Sequence[Path], seeds: int, folder: Path, settings: dict[str, str], **how: Any) -> list[Trained]:
    """Train or open everything."""
    if len({s.stem for s in sources}) < len(sources):
        raise ParameterError("two studies have the same file name, and so would their runs")
    if seeds < 1:
        raise ParameterError(f"--seeds must be at least 1, got {seeds}")
    folder.mkdir(parents=True, exist_ok=True)
    out = []
    for source in sources:
        first = reading.load(source, settings).seed
        files = [(k, folder / f"{source.stem}-seed{k}.sqlite") for k in range(first, first + seeds)]
        out.append(Trained(source.stem, [resumed(reading.load(source, settings), k, f, **how) for k, f in files]))
    return out


def differences(every: Sequence[Trained]) -> list[str]:
    """What is not the same in all runs although a fair comparison asks for it."""
    found = []
    for key in BUDGET:
        values = {str(r.training.settings[key]) for one in every for r in one.runs}
        if len(values) > 1:
            found.append(f"{key} differs: {'; '.join(sorted(values))}")
    return found


# ---------------------------------------------------------------- numbers


def measured(run: Run) -> dict[str, float]:
    """The numbers of one run."""
    t, n = run.training, run.training.settings["n_test"]
    done, dense, products = (
        float(run.series(f"test_{k}")[-1]) for k in ("operations", "dense_operations", "multiplications")
    )
    decided = t.confusion  # all 0 where a run is judged otherwise, as a walk in a maze
    bits = cost.information(decided) if decided.any() else float("nan")
    units = [t.units(name) for name in t.tensors]
    return {
        "accuracy": 100 * float(run.series("test_accuracy")[-1]),
        "best": 100 * float(run.series("test_accuracy").max()),
        "sparsity": 100 * (1 - float(run.series("density")[-1])),
        "units": float(sum(a for a, _ in units[:-1])), "all units": float(sum(a for _, a in units[:-1])),
        "operations": done / n, "of dense": 100 * done / max(dense, 1.0),
        "energy": 1e9 * cost.energy(done, products) / n,  # a current is multiplied, then added
        "seconds": float(run.series("seconds").sum()),
        "information": bits,
        "per operation": 1e6 * cost.information_per_operation(decided, max(done, 1.0)) if decided.any() else bits,
        "training": float(run.series("operations").sum()),
        "births": float(t.total("births").sum()), "deaths": float(t.total("deaths").sum()),
    }  # fmt: skip


COLUMNS = (
    ("accuracy", "right %", 2), ("sparsity", "sparsity %", 2), ("units", "live units", 0),
    ("operations", "operations", 0), ("of dense", "% of dense", 1), ("energy", "energy nJ", 3),
    ("information", "bits", 3), ("per operation", "bits/10^6 op", 2), ("seconds", "seconds", 1),
    ("births", "born", 0), ("deaths", "died", 0),
)  # fmt: skip


def written(every: Sequence[Trained]) -> str:
    """The table, and below it what it is a table of."""
    rows = [["study", *(head for _, head, _ in COLUMNS), "density of each tensor"]]
    for one in every:
        cells = []
        for key, _, digits in COLUMNS:
            mean, half = one.numbers(key)
            cells.append(f"{mean:,.{digits}f}" + (f" ± {half:,.{digits}f}" if np.isfinite(half) else ""))
        cells.append("  ".join(f"{name} {d:.3g}" for name, d in layer_densities(one)))
        rows.append([one.name, *cells])
    width = [max(len(r[k]) for r in rows) for k in range(len(rows[0]))]
    last = len(width) - 1
    lines = [
        "  ".join(w.ljust(n) if k in (0, last) else w.rjust(n) for k, (w, n) in enumerate(zip(r, width, strict=True)))
        for r in rows
    ]
    s = every[0].runs[0].training.settings
    about = (
        f"{s['data']}, {s['n_train']:,} training and {s['n_test']:,} test samples, {s['epochs']} epochs, batch "
        f"{s['batch']}, {s['encoder']}; {len(every[0].runs)} seed(s), means ± half of the 95 % interval. Operations, "
        "energy (0.9 pJ an addition, 3.7 pJ a multiplication, 45 nm, arithmetic alone) and bits are of one test sample."
    )
    notes = [f"NOT AT EQUAL BUDGET: {d}" for d in differences(every)]
    return "\n".join([line.rstrip() for line in lines] + ["", about, *notes])


def layer_densities(one: Trained) -> list[tuple[str, float]]:
    """(name, density at the end), mean over seeds, of each weight tensor."""
    names = one.runs[0].training.tensors
    return [(n, float(np.mean([r.training.density(n)[1][-1] for r in one.runs]))) for n in names]


# ---------------------------------------------------------------- figure


def logarithmic(ax: Any) -> None:
    """A log axis with numbers that can be read, at 1, 2 and 5."""
    ax.set_yscale("log")
    low, high = ax.get_ylim()
    ticks = (np.array([1, 2, 5]) * 10.0 ** np.arange(-6, 12)[:, None]).reshape(-1)
    ticks = ticks[(ticks >= low) & (ticks <= high)]
    ax.set_yticks(ticks, [f"{t:,.12g}" for t in ticks])
    ax.minorticks_off()


def _against_sparsity(ax: Any, every: Sequence[Trained], key: str, title: str, y: str, note: str = "") -> None:
    for k, one in enumerate(every):
        (x, dx), (v, dv) = one.numbers("sparsity"), one.numbers(key)
        how = {"color": SHADES[k % len(SHADES)], "marker": MARKS[k % len(MARKS)], "label": one.name}
        ax.errorbar(x, v, np.nan_to_num(dv), np.nan_to_num(dx), ms=6, lw=0, elinewidth=1, **how)
    plain(ax, title, "sparsity (%)", y, note)


def _densities(ax: Any, every: Sequence[Trained]) -> None:
    names = [n for n, _ in layer_densities(every[0])]
    for k, one in enumerate(every):
        found = dict(layer_densities(one))
        x = np.arange(len(names)) + 0.8 * ((k + 0.5) / len(every) - 0.5)
        ax.bar(x, [found.get(n, np.nan) for n in names], 0.8 / len(every), color=SHADES[k % len(SHADES)])
    ax.set_xticks(np.arange(len(names)), names)
    plain(ax, "Density of each tensor", "", "synapses per pair", "at the end")


def _exchange(ax: Any, every: Sequence[Trained]) -> None:
    """Births upwards and deaths downwards, per living synapse, in each epoch."""
    for k, one in enumerate(every):
        names = one.runs[0].training.tensors
        living = np.maximum(one.course(*(f"n_synapse/{n}" for n in names)), 1.0)
        e = np.arange(1, living.size + 1)
        for sign, kind in ((1, "births"), (-1, "deaths")):
            share = 100 * one.course(*(f"{kind}/{n}" for n in names)) / living
            if share.any():
                ax.plot(e, sign * share, "-", lw=1.3, color=SHADES[k % len(SHADES)])
    ax.axhline(0, color=INK, lw=0.8)
    ax.set_yscale("symlog", linthresh=1.0)
    ax.yaxis.set_major_formatter(lambda v, _: f"{abs(v):g}")
    plain(ax, "Births (up) and deaths (down)", "epoch", "% of the living, per epoch", "log beyond 1 %")


def _courses(ax: Any, every: Sequence[Trained]) -> None:
    for k, one in enumerate(every):
        n = one.runs[0].training.settings["n_test"]
        done = one.course("test_operations") / n
        ax.plot(np.arange(1, done.size + 1), done, "-", lw=1.5, color=SHADES[k % len(SHADES)])
    logarithmic(ax)
    plain(ax, "Synaptic operations", "epoch", "per test sample")


def _seconds(ax: Any, every: Sequence[Trained]) -> None:
    for k, one in enumerate(every):
        mean, half = one.numbers("seconds")
        ax.barh(k, mean, 0.7, xerr=np.nan_to_num(half), color=SHADES[k % len(SHADES)], ecolor=SOFT)
    ax.set_yticks(range(len(every)), [one.name for one in every])
    ax.invert_yaxis()
    plain(ax, "Seconds of training", "s, without evaluation", "")


def figure(every: Sequence[Trained]) -> Any:
    """Accuracy and information per operation against sparsity; densities, exchanges, operations, seconds."""
    fig = new_figure(14.0, 8.4)
    axes = fig.subplots(2, 3).reshape(-1)
    _against_sparsity(axes[0], every, "accuracy", "Accuracy", "right (%)", "bars: 95 % intervals over seeds")
    note = "mutual information of decision and label, over operations"
    _against_sparsity(axes[1], every, "per operation", "Information per operation", "bits per million", note)
    logarithmic(axes[1])
    axes[0].set_ylim(max(axes[0].get_ylim()[0], 0.0), min(axes[0].get_ylim()[1], 100.5))
    legend(axes[0], loc="best", ncols=2)
    for ax, draw in zip(axes[2:], (_densities, _exchange, _courses, _seconds), strict=True):
        draw(ax, every)
    return fig


# ---------------------------------------------------------------- the program


def main(argv: Sequence[str] | None = None) -> None:
    """Train what is missing, then print and draw."""
    keep_freed_memory()
    p = argparse.ArgumentParser(description="One table and one figure from many runs of training.")
    p.add_argument("studies", nargs="+", help="training studies (TOML)")
    p.add_argument("--seeds", type=int, default=3)
    p.add_argument("--to", default="methods", help="folder of run files, table and figure")
    p.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="in all studies, e.g. train.epochs=2"
    )
    p.add_argument("--threads", type=int, default=2, choices=(1, 2))
    p.add_argument("--quiet", action="store_true", help="no progress bars")
    args = p.parse_args(argv)
    settings = reading.settings(args.set)
    folder = Path(args.to)
    how = {"threads": args.threads, "progress": not args.quiet}
    every = all_runs([Path(s) for s in args.studies], args.seeds, folder, settings, **how)
    text = written(every)
    print(text)
    (folder / "methods.txt").write_text(text + "\n", encoding="utf-8")
    common.save(figure(every), folder / "methods.png")


if __name__ == "__main__":
    raise SystemExit(common.run(main))

"""How do trainings prune, regrow and learn, epoch by epoch?

    python -m analysis.pruning_course RUN... [--to pruning_course.png]

A panel each for the samples of the test set that are right, the density of the prunable tensors, and the synapses born
and pruned in every epoch.  The table says with what each number was had: data, subset, seed, epochs, seconds; the epoch
of the best accuracy is told beside the last, which is what a paper reports that has no validation set.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

import neurodev as nd
from analysis import common
from analysis.methods import MARKS, SHADES
from neurodev.errors import ParameterError
from neurodev.plot.style import legend, new_figure, plain

HEAD = (
    "run", "method", "images", "seed", "epochs", "right %", "best % (epoch)", "pruned %", "born in epochs", "births",
    "deaths", "seconds",
)  # fmt: skip


def row(run: nd.Run) -> list[object]:
    """A row of the table."""
    settings, right = run.training.settings, run.training.reached("test")
    born, best = run.training.total("births"), int(np.argmax(right))
    images = f"{settings['n_train']} / {settings['n_test']}"
    return [
        run.path.stem, ", ".join(settings["methods"]), images, settings["seed"], right.size, f"{right[-1]:.2f}",
        f"{right[best]:.2f} ({best + 1})", f"{100 * (1 - run.series('density')[-1]):.2f}", int(np.sum(born > 0)),
        int(born.sum()), int(run.training.total("deaths").sum()), f"{run.series('seconds').sum():.0f}",
    ]  # fmt: skip


def draw(runs: Sequence[nd.Run], to: str) -> None:
    """Three panels over epochs, a colour a run."""
    figure = new_figure(11.5, 3.8)
    right, density, lives = figure.subplots(1, 3)
    for k, run in enumerate(runs):
        shade, epoch = SHADES[k % len(SHADES)], np.arange(1, run.series("density").size + 1)
        how = {"color": shade, "lw": 1.4, "marker": MARKS[k % len(MARKS)], "ms": 2.5}
        right.plot(epoch, run.training.reached("test"), label=run.path.stem, **how)
        density.plot(epoch, run.series("density"), **how)
        for what, sign in (("births", 1), ("deaths", -1)):
            lives.bar(epoch, sign * run.training.total(what), color=shade, alpha=0.6, width=0.8)
    last = np.concatenate([run.training.reached("test") for run in runs])
    right.set_ylim(np.percentile(last, 5) - 0.3, last.max() + 0.1)
    lives.set_yscale("symlog", linthresh=100)
    lives.axhline(0, color="0.5", lw=0.6)
    plain(right, "Right", "epoch", "of the test set (%)")
    plain(density, "Density", "epoch", "living share of the pairs")
    plain(lives, "Born (up) and pruned (down)", "epoch", "synapses an epoch")
    density.set_ylim(0, 1.03)
    legend(right, loc="lower right")
    common.save(figure, to)


def main(argv: Sequence[str] | None = None) -> None:
    """Read, print, draw."""
    p = common.arguments(__doc__.split("\n\n")[0], "pruning_course.png", data=False)
    p.add_argument("runs", nargs="+", metavar="RUN", help="run files of training")
    args = p.parse_args(argv)
    common.picture_kind(args.to)
    runs = [nd.Run(path) for path in args.runs]
    for run in runs:
        if not run.training.n_epoch:
            raise ParameterError(f"{run.path} holds no finished epoch of a training")
    print(common.table(HEAD, [row(run) for run in runs]))
    draw(runs, args.to)


if __name__ == "__main__":
    raise SystemExit(common.run(main))

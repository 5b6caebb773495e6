"""Does the cost of training follow what exists?  Seconds of a step against the density of synapses and the spike rate.

    python -m analysis.training_cost        # prints two tables, writes training_cost.png

Below a density of 1 the first layer stores its living synapses only (NDSNN, RigL, SET, Static, late LTH); at 1 it has
all pairs, as under the masks and hidden weights of SD-SNN, DPAP and NSPDI, whose cost therefore follows spikes alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from analysis import common
from neurodev.bench import training as bench_training
from neurodev.plot.style import COHORTS, legend, new_figure, plain

RATES = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3)
DENSITIES = (1.0, 0.05, 0.01)


def against_density(ax: Any, repeats: int) -> None:
    """One line a rate; prints the largest rise as density falls, and the cost at the last over that at the first."""
    steps = bench_training.scaling(repeats=repeats, wall=False)
    for shade, rate in zip(COHORTS, sorted({s["input_rate"] for s in steps}), strict=True):
        mine = [s for s in steps if s["input_rate"] == rate]
        density, ms = np.array([s["density"] for s in mine]), np.array([1e3 * s["seconds"] for s in mine])
        ax.plot(density, ms, "o-", color=shade, label=f"{100 * rate:g} % of inputs spike at a step")
        rise = max(b / c - 1 for k, b in enumerate(ms) for c in ms[:k])
        row = "  ".join(f"{d:g}: {m:.1f}" for d, m in zip(density, ms, strict=True))
        print(f"rate {rate:g}: ms by density {row}; largest rise {100 * rise:+.0f} %, .01 over 1: {ms[-1] / ms[0]:.2f}")
    ax.set_xscale("log")
    ax.set_xticks([1, 0.1, 0.01], ["1", ".1", ".01"])
    ax.invert_xaxis()
    plain(ax, "Against synapses", "density of the first layer", "processor time of a step (ms)",
          "784-800-10, T = 25, batch 64; one thread")  # fmt: skip


def against_rate(ax: Any, repeats: int) -> None:
    """One line a density."""
    steps = bench_training.scaling(DENSITIES, RATES, repeats, wall=False)
    labels = ("all pairs stored, masked or not", "5 % of them stored", "1 % of them stored")
    for shade, density, label in zip(reversed(COHORTS), DENSITIES, labels, strict=False):
        ms = [1e3 * s["seconds"] for s in steps if s["density"] == density]
        ax.plot(100 * np.array(RATES), ms, "o-", color=shade, label=label)
        row = "  ".join(f"{r:g}: {m:.1f}" for r, m in zip(RATES, ms, strict=True))
        print(f"density {density:g}: ms by rate {row}")
    plain(ax, "Against spikes", "inputs that spike at a step (%)", "ms", "the same net")


def main(argv: Sequence[str] | None = None) -> None:
    """Measure, print, draw."""
    p = common.arguments(__doc__.split("\n\n")[0], "training_cost.png", data=False)
    p.add_argument("--repeats", type=int, default=15)
    args = p.parse_args(argv)
    figure = new_figure(11.5, 4.2)
    for ax, draw in zip(figure.subplots(1, 2), (against_density, against_rate), strict=True):
        draw(ax, args.repeats)
        ax.set_ylim(0, None)
        legend(ax, loc="best")
    common.save(figure, args.to)


if __name__ == "__main__":
    raise SystemExit(common.run(main))

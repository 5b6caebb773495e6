"""Does the cost of training follow what exists?  Seconds of a step against the density of synapses and the spike rate.

python -m analysis.training_cost        # prints a table, writes training_cost.png
"""

from __future__ import annotations

import argparse

import numpy as np

from neurodev import bench_training
from neurodev.plot.style import COHORTS, legend, new_figure, plain, png


def main() -> None:
    """Measure, print, draw."""
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--to", default="analysis/training_cost.png")
    p.add_argument("--repeats", type=int, default=15)
    a = p.parse_args()
    steps = bench_training.scaling(repeats=a.repeats, wall=False)
    figure = new_figure(7.2, 4.2)
    ax = figure.subplots()
    for shade, rate in zip(COHORTS, sorted({s["input_rate"] for s in steps}), strict=True):
        mine = [s for s in steps if s["input_rate"] == rate]
        density, ms = np.array([s["density"] for s in mine]), np.array([1e3 * s["seconds"] for s in mine])
        ax.plot(density, ms, "o-", color=shade, label=f"{100 * rate:g} % of inputs spike at a step")
        rise = max(b / c - 1 for k, b in enumerate(ms) for c in ms[:k]) if ms.size > 1 else 0.0
        row = "  ".join(f"{d:g}: {m:.1f}" for d, m in zip(density, ms, strict=True))
        print(f"rate {rate:g}: ms by density {row}; largest rise {100 * rise:+.0f} %, .01 over 1: {ms[-1] / ms[0]:.2f}")
    ax.set_xscale("log")
    ax.invert_xaxis()
    ax.set_ylim(0, None)
    legend(ax, loc="upper right")
    plain(ax, "A training step of 784-800-10, T = 25, batch 64", "density of the first layer", "processor time (ms)",
          "forward, backward, Adam; one thread")  # fmt: skip
    with open(a.to, "wb") as f:
        f.write(png(figure))


if __name__ == "__main__":
    main()

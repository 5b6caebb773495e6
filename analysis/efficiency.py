"""What does it give for what it costs?  Of trainings accuracy for density and operations; of development, events.

    python -m analysis.efficiency RUN [RUN ...] [--to efficiency.png]

A row for each run of training: right answers, density, synaptic operations of the last epoch (and of all), and a row
for each of its layers: synapses, units on no way from input to output, effective rank of the weights.  Of development:
events of the whole network a second of spikes, and for each living spine, in the first and the last tenth of the run.
What a run did not record is left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from analysis import common, source
from neurodev import plot
from neurodev.errors import ParameterError
from neurodev.plot.style import POPULATIONS, legend, new_figure, plain

NAN = float("nan")
MOST_RANK = 4_000_000
"""Entries of a layer up to which its rank is reckoned."""
HEAD = ["", "right %", "best %", "density", "operations", "of a dense net", "of all epochs", "points per % density"]


def of_training(run: Any) -> list[object]:
    """Right answers, density and operations, and accuracy over density; NaN for what was not recorded."""
    known = set(run.series_names)
    last = lambda name: float(run.series(name)[-1]) if name in known and run.n_tick else NAN
    right = 100 * run.series("test_accuracy") if "test_accuracy" in known else np.array([NAN])
    spent = float(run.series("operations").sum()) if "operations" in known else NAN
    density, operations = last("density"), last("operations")
    dense = last("dense_operations")
    return [right[-1], np.nanmax(right), density, operations, operations / dense if dense else NAN, spent,
            right[-1] / (100 * density) if density else NAN]  # fmt: skip


def layers(run: Any) -> list[list[object]]:
    """A row for each layer at the end: synapses, density, units without inputs, outputs or ways, effective rank."""
    pairs = [int(run.projection(name).get("pairs", 0)) for name in run.plastic]
    try:
        found = run.training.structure(ranks=max(pairs, default=0) <= MOST_RANK)
    except ParameterError:  # layers that do not follow each other, as in residual networks
        return []
    rows: list[list[object]] = []
    for k, name in enumerate(run.plastic):
        rank = found.effective_rank[k] if found.effective_rank.size else NAN
        rows.append([name, int(found.synapses[k]), found.density[k], int(found.deaf[k + 1]), int(found.mute[k + 1]),
                     int(found.idle[k + 1]), rank])  # fmt: skip
    return rows


def of_development(run: Any) -> list[object]:
    """Spines at the end; events a second of spikes at first and at last; the same for each living spine."""
    known, seconds = set(run.series_names), run.tick_spike / 1000.0
    number = sum(run.series(f"n_synapse/{p}") for p in run.plastic if f"n_synapse/{p}" in known)
    if "events" not in known or not np.size(number) or not run.n_tick:
        return [NAN] * 5
    events = np.diff(run.series("events"), prepend=0.0) / seconds  # the series counts from the start
    part = max(run.n_tick // 10, 1)
    out: list[object] = [int(number[-1])]
    for each in (events, events / np.maximum(number, 1.0)):
        out += [float(each[:part].mean()), float(each[-part:].mean())]
    return out


def sentence(rows: dict[str, list[object]]) -> str:
    """Which run gives most right answers, and which the most for its synapses."""
    best = max(rows, key=lambda name: float(rows[name][0]))  # type: ignore[arg-type]
    lean = max(rows, key=lambda name: float(rows[name][6]))  # type: ignore[arg-type]
    right, density, share = (float(rows[best][k]) for k in (0, 2, 4))  # type: ignore[arg-type]
    text = f"{best} has {right:.2f} % right at a density of {density:.3g}"
    text += f", with {share:.1%} of the operations of a dense network" if np.isfinite(share) else ""
    if len(rows) > 1 and lean != best:
        text += f"; {lean} most for its synapses: {float(rows[lean][0]):.2f} % at {float(rows[lean][2]):.3g}"  # type: ignore[arg-type]
    return text


def figure(trained: dict[str, list[object]], found: Sequence[source.Source]) -> Any:
    """A point for each training, against density and against operations; the number of spines of development."""
    if not trained:
        return source.pictures(found, [lambda s, ax: plot.density(s.history, ax)])
    if len(found) == 1:  # no other to stand beside: how it came about
        return source.pictures(found, [
            lambda s, ax: plot.accuracy_and_density(s.run, ax), lambda s, ax: plot.layers(s.run, ax, quantity="density")
        ])  # fmt: skip
    fig = new_figure(11.0, 3.8)
    panels = (("density", 2, "density at the end"), ("operations", 3, "synaptic operations of the last epoch"))
    for ax, (word, k, label) in zip(fig.subplots(1, 2), panels, strict=True):
        plain(ax, f"Right answers against {word}", label, "test samples right (%)")
        for n, (name, row) in enumerate(trained.items()):
            hue = POPULATIONS[n % len(POPULATIONS)]
            ax.plot(row[k], row[0], "os^Dv"[n // len(POPULATIONS) % 5], color=hue, markersize=7, label=name)
        ax.set_xscale("log")
    legend(ax, loc="best")
    return fig


def main(argv: Sequence[str] | None = None) -> None:
    """Tell, and draw."""
    args, found = source.asked(__doc__, "efficiency.png", argv)
    for s in found:
        if s.run is None:
            raise ParameterError(f"{s.name} is a table, which knows no cost: give run files")
    trained = {s.name: of_training(s.run) for s in found if s.run.is_training and s.run.n_tick}
    grown = {s.name: of_development(s.run) for s in found if not s.run.is_training}
    if trained:
        print(common.table(HEAD, [[k, *v] for k, v in trained.items()]))
        for s in found:
            if s.name in trained and (rows := layers(s.run)):
                head = [
                    s.name,
                    "synapses",
                    "density",
                    "without inputs",
                    "without outputs",
                    "on no way",
                    "effective rank",
                ]
                print("\n" + common.table(head, rows))
        print(f"\n{sentence(trained)}.")
    if grown:
        head = ["", "spines", "events a second at first", "at last", "for each spine at first", "at last"]
        print(common.table(head, [[k, *v] for k, v in grown.items()]))
        for name, (n, *_, first, last) in grown.items():
            if np.isfinite(float(first)):
                print(f"\n{name}: for each living spine the network handles {first:.3g} events a second at first and "
                      f"{last:.3g} at last ({n:,} alive).")  # fmt: skip
    common.save(figure(trained, found), args.to)


if __name__ == "__main__":
    raise SystemExit(common.run(main))

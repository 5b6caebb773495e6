"""Do two of them differ?  Lifetimes, sizes, degrees and turnover of two runs, or of a run and data.

    python -m analysis.compare ONE OTHER [--as-recorded] [--to compare.png]

A run beside a table is imaged as the table was: in as many sessions at the same intervals, the last at the end of the
run, so that both know as much (`--as-recorded`: it is taken as it is).  Lifetimes are compared by the log-rank test,
ln sizes of the last session, each about its mean (units differ), by Kolmogorov's and Smirnov's, and so are degrees over
their mean.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from analysis import common, source
from analysis.survival import KINDS
from neurodev import plot
from neurodev.errors import ParameterError
from neurodev.metrics import sizes

NAN = float("nan")
SURE = 0.05


def alike(one: source.Source, other: source.Source) -> list[Any]:
    """Two histories; of a run and a table, the run as it would have been imaged.

    Raises
    ------
    ParameterError
        If the run is shorter than the table.
    """
    out = []
    for mine, theirs in ((one, other), (other, one)):
        h, sessions = mine.history, theirs.history.sessions
        if mine.run is not None and theirs.run is None and sessions.size > 1:
            at = sessions - sessions[-1] + h.end
            if at[0] < h.start:
                raise ParameterError(
                    f"{mine.name} lasts {common.amount(h.end - h.start, h.unit)} and {theirs.name} "
                    f"{common.amount(sessions[-1] - sessions[0], h.unit)}: a run as long is needed, or --as-recorded"
                )
            h = h.image(at)
        out.append(h)
    return out


def last_sizes(h: Any) -> np.ndarray:
    """ln size in the last session that has sizes, about its mean, (n,)."""
    x = h.log_sizes()
    for k in range(h.sessions.size - 1, -1, -1):
        y = x[np.isfinite(x[:, k]), k]
        if y.size > 2 and np.ptp(y) > 0:
            return y - y.mean()
    return np.zeros(0)


def degrees(h: Any) -> np.ndarray:
    """How many each cell receives at the end over their mean, (n_cell,); nothing where no cells are known."""
    column = next((k for k in ("post", "cell", "dendrite") if k in h.columns), None)
    if column is None:
        return np.zeros(0)
    cells, index = np.unique(h.column(column), return_inverse=True)
    here = h.present()[:, -1] if h.sessions.size else h.alive(h.end)
    n = np.bincount(index[here], minlength=cells.size)
    return n / n.mean() if n.any() else np.zeros(0)


def told(a: Any, b: Any) -> list[list[object]]:
    """A row for each question: the number of either, by how much they differ, and p."""
    rows: list[list[object]] = []
    for kind in KINDS:
        if a.lives(kind).duration.size and b.lives(kind).duration.size:
            found = a.compare(b, kind)
            middle = [f"{h.survival(kind).median:.3g}" if np.isfinite(h.survival(kind).median) else "-" for h in (a, b)]
            if np.isfinite(found.p):
                rows.append([f"half of the {kind} live ({a.unit}s)", *middle, found.hazard_ratio, found.p])
    for name, function in (("sd of ln size", last_sizes), ("sd of degrees over their mean", degrees)):
        x, y = function(a), function(b)
        if x.size > 2 and y.size > 2:
            found = sizes.kolmogorov_smirnov(x, y)
            rows.append([name, x.std(), y.std(), found.distance, found.p])
    ratio = []
    for h in (a, b):
        gaps = np.diff(h.sessions)
        ratio.append(float(np.nanmean(h.changes().turnover_ratio / gaps)) if gaps.size else NAN)
    if np.isfinite(ratio).all():
        rows.append([f"turnover ratio per {a.unit}", *ratio, ratio[0] / ratio[1] if ratio[1] else NAN, NAN])
    return rows


def plain(row: str) -> str:
    """What a row is about, in a sentence."""
    if row.startswith("half of the "):
        return f"lifetimes of the {row.split()[3]}"
    return {"sd of ln size": "the distribution of sizes"}.get(row, "the distribution of degrees")


def sentence(a: Any, b: Any, rows: list[list[object]]) -> str:
    """In what they differ beyond chance, and in what not."""
    words = {plain(str(r[0])): float(r[4]) for r in rows if np.isfinite(float(r[4]))}  # type: ignore[arg-type]
    apart = [f"{k} ({common.chance(p)})" for k, p in words.items() if p < SURE]
    same = [k for k, p in words.items() if p >= SURE]
    both = f"{a.title} and {b.title}"
    if not apart:
        return f"{both} do not differ beyond chance in {', '.join(same) or 'anything that could be tested'}"
    return f"{both} differ in {', '.join(apart)}" + (f"; not beyond chance in {', '.join(same)}" if same else "")


def main(argv: Sequence[str] | None = None) -> None:
    """Compare, print, draw."""
    args, found = source.asked(
        __doc__, "compare.png", argv,
        lambda p: p.add_argument("--as-recorded", action="store_true", help="do not image a run as a table was"),
        count=2,
    )  # fmt: skip
    source.one_unit(found)
    a, b = [s.history for s in found] if args.as_recorded else alike(*found)
    rows = told(a, b)
    if not rows:
        raise ParameterError(f"{a.title} and {b.title} have nothing in common that could be compared")
    print(
        common.table(
            ["", a.title, b.title, "ratio or distance", "p"],
            [[*r[:4], common.chance(r[4]).removeprefix("p = ")] for r in rows],
        )
    )
    print(f"\n{sentence(a, b, rows)}.")
    common.save(plot.compare([a, b]), args.to)


if __name__ == "__main__":
    raise SystemExit(common.run(main))

"""Who follows whom?  Births of each cell, contacts that come where another has gone, and pairs that connect again.

    python -m analysis.lineage SOURCE [SOURCE ...] [--cell post] [--reach 0.5] [--to lineage.png]

Of cells (or dendrites): births and deaths of each, how unequal they are, and whether cells that lose many gain many.
Of positions: who comes within `--reach` um of where another has gone is held for the same by imaging that follows
places.  Of pairs (pre, post): one that has lost its last contact may get one again; how often and how long after (by
Kaplan and Meier: the wait ends with watching), and whether births return to such pairs more often than if they fell
on any pair that is free.  What is absent in a session of a table and comes back is one that is born again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from analysis import common, source
from neurodev import plot
from neurodev.errors import ParameterError
from neurodev.metrics import sizes, topology
from neurodev.metrics.turnover import SurvivalCurve, kaplan_meier
from neurodev.plot.style import BLUE, plain

NAN = float("nan")


class Regrowth(NamedTuple):
    """What becomes of pairs that have lost their last contact."""

    wait: np.ndarray  # from the loss to the next contact, or to the end of watching, (n_loss,)
    again: np.ndarray  # whether it came, (n_loss,) bool
    chains: np.ndarray  # number of pairs that were connected 0 (none), 1, 2, ... times apart
    births: int  # onto pairs that were not connected
    returned: int  # of these, onto pairs that had been
    expected: float  # of these, if they fell on any free pair alike

    @property
    def curve(self) -> SurvivalCurve:
        """Share of pairs that are still without, by time since the loss."""
        return kaplan_meier(self.wait, self.again)


def per_cell(h: Any, column: str) -> tuple[np.ndarray, np.ndarray]:
    """Births and deaths of each cell (or dendrite) by the values of a column, (n_cell,) each."""
    cells, index = np.unique(h.column(column), return_inverse=True)
    born, died = np.isfinite(h.born[:, 0]), np.isfinite(h.died[:, 1])
    return np.bincount(index[born], minlength=cells.size), np.bincount(index[died], minlength=cells.size)


def regrowth(h: Any) -> Regrowth:
    """Losses of the last contact of a pair, and what followed; projections are pairs of their own."""
    parts = [_regrowth(part) for part in (h.by("projection").values() if "projection" in h.columns else [h])]
    wait, again = (np.concatenate([getattr(p, word) for p in parts]) for word in ("wait", "again"))
    chains = np.zeros(max(p.chains.size for p in parts), dtype=np.int64)
    for p in parts:
        chains[: p.chains.size] += p.chains
    counts = (sum(getattr(p, word) for p in parts) for word in ("births", "returned", "expected"))
    return Regrowth(wait, again, chains, *counts)


def _regrowth(h: Any) -> Regrowth:
    """The same of one projection."""
    (pres, pre), (posts, post) = (np.unique(h.column(k), return_inverse=True) for k in ("pre", "post"))
    pair = pre * posts.size + post
    born = np.where(h.standing, -np.inf, h.birth)
    died = np.where(np.isfinite(h.died[:, 1]), h.death, np.inf)
    order = np.lexsort((born, pair))
    pair, born, died = pair[order], born[order], died[order]
    # the latest death so far of each pair: pairs lie behind each other, so that none reaches into the next
    levels, level = np.unique(died, return_inverse=True)
    until = levels[np.maximum.accumulate(level + pair * levels.size) % levels.size]
    first = np.concatenate([[True], pair[1:] != pair[:-1]])
    start = np.flatnonzero(first | (born > np.concatenate([[-np.inf], until[:-1]])))  # of being connected, once more
    begun, ended, who = born[start], until[np.concatenate([start[1:] - 1, [born.size - 1]])], pair[start]
    followed = np.concatenate([who[1:] == who[:-1], [False]])
    lost, new = np.isfinite(ended), np.isfinite(begun)
    wait = np.where(followed, np.concatenate([begun[1:], [NAN]]), h.end) - ended
    returned = int(np.concatenate([[False], followed[:-1]])[new].sum())
    chains = np.bincount(np.unique(who, return_counts=True)[1])
    return Regrowth(wait[lost], followed[lost], chains, int(new.sum()), returned,
                    _expected(begun, ended, who, float(pres.size * posts.size)))  # fmt: skip


def _expected(begun: np.ndarray, ended: np.ndarray, who: np.ndarray, possible: float) -> float:
    """How many stretches would begin on a pair that had been connected, if each began on any free pair alike."""
    news, ends = np.sort(begun[np.isfinite(begun)]), np.sort(ended[np.isfinite(ended)])
    firsts = np.sort(begun[np.concatenate([[True], who[1:] != who[:-1]])])
    connected = np.searchsorted(np.sort(begun), news) - np.searchsorted(ends, news)
    ever = np.searchsorted(firsts, news)
    free = np.maximum(possible - connected, 1.0)
    return float(np.sum((ever - connected) / free))


def told(h: Any, cell: str | None, reach: float) -> tuple[list[list[object]], list[str]]:
    """Rows of numbers, and pieces of the sentence."""
    rows: list[list[object]] = []
    said: list[str] = []
    column = cell or next((k for k in ("cell", "dendrite", "post") if k in h.columns), None)
    if column is not None:
        births, deaths = per_cell(h, column)
        r = sizes.correlation(births.astype(float), deaths.astype(float)) if births.size > 2 else NAN
        rows += [[f"births of each {column}", births.mean(), births.std(), topology.gini(births)],
                 [f"deaths of each {column}", deaths.mean(), deaths.std(), topology.gini(deaths)]]  # fmt: skip
        said.append(f"a {column} sees {births.mean():.3g} births (sd {births.std():.2g})")
        said[-1] += f", and who gains more loses more (r = {r:.2f})" if np.isfinite(r) and r > 0.3 else ""
    group = next((k for k in ("dendrite", "cell") if k in h.columns), None)
    if "place" in h.columns and group:
        at = h.by_position(reach, group=group)
        rows.append([f"lives at a position ({reach:g} um)", len(h) / max(len(at), 1), NAN, NAN])
        said.append(f"{len(h):,} lives took {len(at):,} positions, so that imaging by place would miss "
                    f"{1 - len(at) / len(h):.0%} of the births")  # fmt: skip
    if {"pre", "post"} <= set(h.columns):
        found = regrowth(h)
        n = np.arange(found.chains.size)
        rows.append(
            ["stretches of a pair that was ever connected", float(found.chains @ n / found.chains.sum()), NAN, NAN]
        )
        if found.wait.size:
            rows.append(["share of losses after which it connects again", found.again.mean(), NAN, NAN])
            text = f"of {found.wait.size:,} losses of a pair's last contact {found.again.mean():.0%} were made good"
            text += (
                f", half of these within {common.amount(np.median(found.wait[found.again]), h.unit)}"
                if found.again.any()
                else ""
            )
            said.append(text)
        if found.expected > 0:
            ratio = found.returned / found.expected
            rows.append(["returns to a former pair, over what any free pair gives", ratio, NAN, NAN])
            said.append(f"new contacts return to a former pair {ratio:.2g} times as often as to any free one")
    return rows, said


def _connect_again(s: source.Source, ax: Any) -> None:
    """Share of pairs that are still without, by time since their last contact was lost; or births of each cell."""
    h = source.stretches(s)
    if {"pre", "post"} <= set(h.columns) and (found := regrowth(h)).wait.size:
        note = f"{found.wait.size:,} losses; band of 95 %"
        plain(ax, "Pairs that lost their last contact", f"since then ({h.unit}s)", "share still without", note)
        curve = found.curve
        if curve.time.size:
            low, high = curve.interval()
            ax.fill_between(curve.time, low, high, step="post", color=BLUE, alpha=0.2, linewidth=0)
        time, value = [0.0, *curve.time, curve.until], [1.0, *curve.value, *curve.value[-1:]]
        ax.step(time[: len(value)], value, where="post", color=BLUE, linewidth=1.8)
        ax.set_ylim(0.0, 1.02)
        ax.set_xlim(left=0.0)
        return
    column = next((k for k in ("cell", "dendrite", "post") if k in h.columns), None)
    births, deaths = per_cell(h, column) if column else (np.zeros(0), np.zeros(0))
    plain(ax, f"Births and deaths of each {column or 'cell'}", "births", "deaths")
    ax.plot(births, deaths, "o", color=BLUE, markersize=4)


def figure(found: Sequence[source.Source]) -> Any:
    """Every life, and pairs that connect again."""
    return source.pictures(found, [lambda s, ax: plot.raster(s.history, ax), _connect_again])


def options(p: Any) -> None:
    """Of cells and positions."""
    p.add_argument("--cell", help="the column whose births are counted (default: cell, dendrite or post)")
    p.add_argument("--reach", type=float, default=0.5, help="um that positions may be apart (default: 0.5)")


def main(argv: Sequence[str] | None = None) -> None:
    """Tell, and draw."""
    args, found = source.asked(__doc__, "lineage.png", argv, options)
    for s in found:
        rows, said = told(source.stretches(s), args.cell, args.reach)
        if not rows:
            raise ParameterError(f"{s.name}: no columns cell, dendrite, pre or post: nobody knows who follows whom")
        print(f"{common.table([s.name, 'mean', 'sd', 'Gini'], rows)}\n\n{s.name}: {'; '.join(said)}.\n")
    common.save(figure(found), args.to)


if __name__ == "__main__":
    raise SystemExit(common.run(main))

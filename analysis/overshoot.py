"""Does their number overshoot?  Number over time, its peak, births and deaths around it, and turnover by its names.

    python -m analysis.overshoot SOURCE [SOURCE ...] [--to overshoot.png]

Of each stretch of what was watched (of imaging: between sessions, where births and deaths are what was gained and
lost): the number, births and deaths for each one that lives, and turnover as it is published under four names:

    turnover ratio      (gained + lost) / (number before + number after)    Holtmaat et al. 2005
    formation rate      gained / number before
    elimination rate    lost / number before
    survival fraction   those there before that are there after / number before
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from analysis import common, source
from neurodev import plot
from neurodev.metrics import turnover

Rows = list[list[object]]


class Course(NamedTuple):
    """The number over time, and where it peaks."""

    time: np.ndarray
    number: np.ndarray
    peak: int  # which of the times

    @property
    def ratio(self) -> float:
        """Peak over end; NaN if nobody is left."""
        return float(self.number[self.peak] / self.number[-1]) if self.number[-1] else float("nan")

    @property
    def inside(self) -> bool:
        """Whether the peak lies within what was watched, and above both its ends."""
        n = self.number
        return bool(n[self.peak] > max(n[0], n[-1]))


def course(s: source.Source, points: int = 241) -> Course:
    """Number at many times; of imaging and connectomes in the sessions, where it was counted."""
    h = s.history
    if counted(s):
        time, number = h.sessions, h.present().sum(axis=0)
    else:
        time = np.linspace(h.start, h.end, points)
        number = h.number(time)
    return Course(time, number, int(np.argmax(number)))


def counted(s: source.Source) -> bool:
    """Whether what is known of it was seen in sessions, and nothing between them."""
    return s.run is None and s.history.sessions.size > 1


def moves(s: source.Source, at: np.ndarray) -> tuple[turnover.Changes, np.ndarray, np.ndarray]:
    """Changes between some times, and births and deaths from each to the next (between sessions: gains and losses)."""
    h = s.history
    if counted(s):
        found = turnover.session_changes(h.present()[:, np.isin(h.sessions, at)])
        return found, found.gained, found.lost
    found = turnover.session_changes(np.column_stack([h.alive(t) for t in at]))
    births, deaths = (np.sort(x[np.isfinite(x)]) for x in (h.birth, h.death))
    return found, *(np.diff(np.searchsorted(x, at, side="right")) for x in (births, deaths))


def told(s: source.Source, most: int = 8) -> Rows:
    """A row for each stretch: number after, births and deaths per one and unit, and turnover by its four names."""
    h = s.history
    at = h.sessions if h.sessions.size > 1 else np.linspace(h.start, h.end, most)
    at = at[np.unique(np.linspace(0, at.size - 1, min(most, at.size)).round().astype(int))]
    found, births, deaths = moves(s, at)
    rows: Rows = []
    for k in range(at.size - 1):
        lived = 0.5 * (found.number[k] + found.number[k + 1]) * (at[k + 1] - at[k])
        rates = [x[k] / lived if lived else float("nan") for x in (births, deaths)]
        names = [x[k] for x in (found.turnover_ratio, found.gained_fraction, found.lost_fraction)]
        moved = [int(x[k]) for x in (found.number[1:], births, deaths)]
        rows.append([f"{at[k]:.4g} to {at[k + 1]:.4g}", *moved, *rates, *names, 1.0 - names[2]])
    return rows


def sentence(s: source.Source) -> str:
    """Peak, end, and what came before and after."""
    h, c = s.history, course(s)
    first, top, last = (int(c.number[k]) for k in (0, c.peak, -1))
    if not c.inside:
        way = "grew" if last > first else "fell" if last < first else "stood"
        return f"no overshoot: the number {way} from {first:,} to {last:,} in {common.amount(h.end - h.start, h.unit)}"
    _, births, deaths = moves(s, c.time)
    early = f"{int(births[: c.peak].sum()):,} births and {int(deaths[: c.peak].sum()):,} deaths before"
    late = f"{int(births[c.peak :].sum()):,} and {int(deaths[c.peak :].sum()):,} after"
    return (
        f"the number rises from {first:,} to {top:,} at {h.unit} {c.time[c.peak]:.3g} and ends at {last:,}: "
        f"peak : end = {c.ratio:.2f}, with {early} it, {late}"
    )


def figure(found: Sequence[source.Source]) -> Any:
    """The number over time, and births and deaths by cause."""
    return source.pictures(found, [
        lambda s, ax: plot.density(s.history, ax, per=None, events=False),
        lambda s, ax: plot.births_and_deaths(s.history, ax, per=None),
    ])  # fmt: skip


def main(argv: Sequence[str] | None = None) -> None:
    """Tell, and draw."""
    args, found = source.asked(__doc__, "overshoot.png", argv)
    for s in found:
        source.lived(s)
        head = [f"{s.name}: {s.unit}s", "number after", "births", "deaths", f"births per one and {s.unit}",
                f"deaths per one and {s.unit}", "turnover ratio", "formation rate", "elimination rate",
                "survival fraction"]  # fmt: skip
        print(f"{common.table(head, told(s))}\n\n{s.name}: {sentence(s)}.\n")
    common.save(figure(found), args.to)


if __name__ == "__main__":
    raise SystemExit(common.run(main))

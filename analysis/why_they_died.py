"""Why did they die?  Deaths by cause with the numbers that decided; without causes, by size and age.

    python -m analysis.why_they_died SOURCE [SOURCE ...] [--to why_they_died.png]

A history with a column ``cause`` (runs, and tables of runs) is told by cause: how many died of it, the share of the
newborns that it took by each age while others died of others (Aalen and Johansen), the middle of the numbers that
decided when they died, and the ln size at the last look.  An imaging table knows no cause: it is told by the rate of
death at each age and, where sizes were measured, in each fifth of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from analysis import common, source
from neurodev import plot
from neurodev.metrics import sizes

PLACES = ("branch", "place", "x", "y", "z")
NAN = float("nan")
Rows = list[list[object]]


def terms(h: Any) -> list[str]:
    """Columns of numbers that are no places: what decided."""
    return [k for k, v in h.columns.items() if v.dtype.kind == "f" and v.ndim == 1 and k not in PLACES]


def last_log_size(h: Any) -> np.ndarray:
    """ln of the size when each was last seen, (n,); NaN where it never was."""
    out = np.full(len(h), np.nan)
    with np.errstate(divide="ignore", invalid="ignore"):
        out[h.seen.row] = np.log(h.seen.size)  # entries go session by session: the last one stays
    return np.where(np.isfinite(out), out, np.nan)


def middle(x: np.ndarray) -> float:
    """The median of what is known."""
    x = x[np.isfinite(x)]
    return float(np.median(x)) if x.size else NAN


def by_cause(h: Any) -> tuple[list[str], Rows, str]:
    """Head, a row for each cause, and a sentence."""
    kind = "newborn" if np.isfinite(h.born[:, 0]).any() else "standing"
    curves, ages, asked = h.incidence(kind), source.times(h, 3), terms(h)
    count, size, words = h.deaths_by_cause(), last_log_size(h), h.column("cause")
    dead, rows = np.isfinite(h.died[:, 1]), []
    for word, n in sorted(count.items(), key=lambda entry: -entry[1]):
        mine, curve = dead & (words == word), curves.get(word)
        taken = [float(curve.at(a)) if curve else NAN for a in ages]
        numbers = [middle(h.column(k)[mine].astype(float)) for k in asked]
        rows.append([word or "(none told)", n, n / max(sum(count.values()), 1), *taken, *numbers, middle(size[mine])])
    head = [
        "cause",
        "deaths",
        "share",
        *[f"{kind} by {common.amount(a, h.unit)}" for a in ages],
        *asked,
        "last ln size",
    ]
    most, n = max(count.items(), key=lambda entry: entry[1])
    text = (
        f"{sum(count.values()):,} of {len(h):,} died, {n / sum(count.values()):.0%} of them of {most.replace('_', ' ')}"
    )
    text += f" ({h.causes[most].sentence})" if h.causes and most in h.causes.words else ""
    until = ages[ages <= curves[most].until] if most in curves else ages[:0]
    if until.size:
        share = float(curves[most].at(until[-1]))
        text += f", which took {share:.0%} of the {kind} within {common.amount(until[-1], h.unit)}"
    told = [f"{k} {v:.2g}" for k, v in zip(asked, rows[0][-1 - len(asked) : -1], strict=True) if np.isfinite(v)]
    return head, rows, text + (f"; the middle of what decided: {', '.join(told)}" if told else "")


def by_size_and_age(h: Any) -> tuple[list[str], Rows, str]:
    """Head, rates of death by age (and shares lost by fifths of size), and a sentence."""
    lags = source.times(h, 4)
    edges = np.concatenate([[0.0], 0.5 * (lags[1:] + lags[:-1]), lags[-1:]])  # sessions lie amid their bins
    table = h.hazard(edges)
    rows: Rows = []
    for k in range(edges.size - 1):
        what = f"age {edges[k]:g} to {edges[k + 1]:g} {h.unit}s"
        rows.append([what, int(table.deaths[k, 0]), table.rate[k, 0], table.low[k, 0], table.high[k, 0]])
    known = np.flatnonzero(np.isfinite(table.rate[:, 0]) & (table.exposure[:, 0] > 0))
    text = f"{int(np.isfinite(h.died[:, 1]).sum()):,} of {len(h):,} died, of no cause that was told"
    if known.size > 1:
        first, last = (table.rate[k, 0] for k in known[[0, -1]])
        text += f"; newborns at first at a rate of {first:.2g} per {h.unit}, at last of {last:.2g}"
    x, here = h.log_sizes(), h.present()
    looked = np.ones(here.shape, bool) if h.looked is None else h.looked
    told = np.isfinite(x[:, :-1]) & looked[:, 1:]
    if told.sum() >= 5 and np.ptp(x[:, :-1][told]) > 0:
        share = sizes.losses_by_size(x[:, :-1][told], ~here[:, 1:][told])
        names = ("smallest fifth", "second", "third", "fourth", "largest fifth")
        rows += [[f"lost to the next session, {n}", "", v, NAN, NAN] for n, v in zip(names, share, strict=True)]
        text += f"; of the smallest fifth {share[0]:.1%} were gone at the next session, of the largest {share[-1]:.1%}"
    return ["", "deaths", f"rate per {h.unit}, or share", "low", "high"], rows, text


def told(s: source.Source) -> tuple[list[str], Rows, str]:
    """What there is to tell of a source."""
    h = source.lived(s)
    dead = np.isfinite(h.died[:, 1])
    if not dead.any():
        return ["cause", "deaths"], [["none", 0]], "nobody died"
    named = "cause" in h.columns and (h.column("cause")[dead].astype(str) != "").any()
    return by_cause(h) if named else by_size_and_age(h)


def figure(found: Sequence[source.Source]) -> Any:
    """Births and deaths by cause, and the hazard by age; survival where no birth was seen."""

    def ages(s: source.Source, ax: Any) -> Any:
        return (plot.hazard if np.isfinite(s.history.born[:, 0]).any() else plot.survival)(s.history, ax)

    return source.pictures(found, [lambda s, ax: plot.births_and_deaths(s.history, ax), ages])


def main(argv: Sequence[str] | None = None) -> None:
    """Tell, and draw."""
    args, found = source.asked(__doc__, "why_they_died.png", argv)
    for s in found:
        head, rows, text = told(s)
        print(f"{common.table(head, rows)}\n\n{s.name}: {text}.\n")
    common.save(figure(found), args.to)


if __name__ == "__main__":
    raise SystemExit(common.run(main))

"""How long do they live?  Newborns and those who stood at the beginning, by groups, with limits.

    python -m analysis.survival SOURCE [SOURCE ...] [--by COLUMN | --cohorts N | --sizes N] [--to survival.png]

Survival is Kaplan's and Meier's, with limits of 95 % at stated ages.  Sessions that lie far apart know deaths to
intervals only: Turnbull's estimate, which puts them nowhere within, stands beside it.  Two groups are compared by the
log-rank test, several each with all others together.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from analysis import common, source
from neurodev import plot
from neurodev.errors import ParameterError
from neurodev.metrics import risks
from neurodev.metrics.turnover import SurvivalCurve

KINDS = ("newborn", "standing")
MOST = 8
Rows = list[list[object]]


def limits(curve: SurvivalCurve, ages: np.ndarray) -> np.ndarray:
    """Share beyond each age with its lower and upper limit, (n_age, 3); NaN beyond what was observed."""
    low, high = curve.interval()
    at = np.searchsorted(curve.time, ages, side="right")
    return np.column_stack([curve.at(ages), *(np.concatenate([[1.0], x])[at] for x in (low, high))])


def coarse(h: Any) -> bool:
    """Whether deaths are known to intervals that are not short beside the lives that they end."""
    dead = np.isfinite(h.died).all(axis=1) & np.isfinite(h.born[:, 0])
    if not dead.any():
        return False
    life = np.median(h.died[dead].mean(axis=1) - h.born[dead].mean(axis=1))
    return bool(np.mean(np.diff(h.died[dead], axis=1)) > 0.1 * life)


def groups(h: Any, by: str | None, cohorts: int | None, sizes: int | None) -> dict[str, Any]:
    """Parts of a history by name: of a column, of birth, or of size at first sight; all if nothing is asked."""
    if by is not None:
        parts = {str(v): part for v, part in h.by(by).items()}
        return dict(sorted(parts.items(), key=lambda item: -len(item[1]))[:MOST])
    if cohorts is not None:
        if cohorts < 1:
            raise ParameterError(f"--cohorts must be 1 at least, got {cohorts}")
        edges = np.linspace(h.start, h.end, cohorts + 1)
        edges[-1] = np.nextafter(edges[-1], np.inf)
        return {f"born {a:.3g} to {b:.3g}": part for (a, b), part in h.bins("birth", edges).items() if len(part)}
    if sizes is not None:
        return {f"ln size {a:.2g} to {b:.2g}": part for (a, b), part in h.bins("size", sizes).items() if len(part)}
    return {"all": h}


def told(parts: dict[str, Any], ages: np.ndarray) -> Rows:
    """A row for each group and kind: lives, deaths, median, and the share beyond each age with its limits."""
    rows: Rows = []
    for name, h in parts.items():
        for kind in KINDS:
            lives = h.lives(kind)
            if not lives.duration.size:
                continue
            curve = h.survival(kind)
            cells = [f"{s:.2f} ({a:.2f}-{b:.2f})" if np.isfinite(s) else "-" for s, a, b in limits(curve, ages)]
            rows.append([f"{name}, {kind}", lives.duration.size, int(lives.died.sum()), curve.median, *cells])
            if coarse(h):
                other = [f"{s:.2f}" if np.isfinite(s) else "-" for s in h.survival(kind, method="turnbull").at(ages)]
                rows.append(["  Turnbull", "", "", "", *other])
    return rows


def compared(parts: dict[str, Any]) -> Rows:
    """Log-rank of each group with the others, kind by kind: ratio of hazards and p."""
    rows: Rows = []
    names = list(parts) if len(parts) > 2 else list(parts)[:1] * (len(parts) == 2)
    for kind in KINDS:
        lives = {name: h.lives(kind) for name, h in parts.items()}
        for name in names:
            rest = [v for k, v in lives.items() if k != name]
            other = (np.concatenate([getattr(v, word) for v in rest]) for word in ("duration", "died"))
            try:
                found = risks.log_rank(lives[name].duration, lives[name].died, *other)
            except ParameterError:  # nobody of this kind in one of them
                continue
            if np.isnan(found.p):
                continue
            against = "all others" if len(parts) > 2 else next(k for k in parts if k != name)
            rows.append(
                [f"{name} against {against}, {kind}", found.hazard_ratio, common.chance(found.p).removeprefix("p = ")]
            )
    return rows


def sentence(h: Any) -> str:
    """How long newborns live, and what is left of those who stood."""
    text = []
    for kind, word in (("newborn", "newborns"), ("standing", "that stood at the beginning")):
        lives, curve = h.lives(kind), h.survival(kind)
        if not lives.duration.size:
            continue
        if np.isfinite(curve.median):
            text.append(
                f"half of the {lives.duration.size:,} {word} are gone after {common.amount(curve.median, h.unit)}"
            )
        elif np.isfinite(curve.until):
            share, low, high = limits(curve, np.array([curve.until]))[0]
            text.append(
                f"{share:.0%} (95 %: {low:.0%} to {high:.0%}) of the {lives.duration.size:,} {word} live on after "
                f"{common.amount(curve.until, h.unit)}"
            )
    return "; ".join(text) or "nothing is known of any life"


def figure(found: Sequence[source.Source], by: str | None, cohorts: int | None, sizes: int | None) -> Any:
    """The curves of each source: of its groups, or of newborns and standing."""

    def draw(s: source.Source, ax: Any) -> Any:
        if sizes is None:
            whole = by is None and cohorts is None
            return plot.survival(s.history, ax, by=by, parts=cohorts, standing=whole)
        x = s.history.first_log_size()
        words = np.full(len(s.history), "not measured", dtype="<U40")
        for k, ((low, high), part) in enumerate(s.history.bins("size", sizes).items(), 1):
            words[np.isin(s.history.ident, part.ident)] = f"{k}: ln size {low:.2g} to {high:.2g}"
        marked = s.history.select(np.isfinite(x))
        marked.columns["size"] = words[np.isfinite(x)]
        return plot.survival(marked, ax, by="size", kind="all")

    return source.pictures(found, [draw])


def options(p: Any) -> None:
    """Groups."""
    one = p.add_mutually_exclusive_group()
    one.add_argument("--by", help="a column: a curve for each of its values")
    one.add_argument("--cohorts", type=int, help="so many cohorts of birth")
    one.add_argument("--sizes", type=int, help="so many groups of size at first sight")


def main(argv: Sequence[str] | None = None) -> None:
    """Tell, compare, draw."""
    args, found = source.asked(__doc__, "survival.png", argv, options)
    unit = source.one_unit(found)
    parts = {}
    for s in found:
        for name, part in groups(source.lived(s), args.by, args.cohorts, args.sizes).items():
            parts[s.name if name == "all" else name if len(found) == 1 else f"{s.name}, {name}"] = part
    ages = source.times(max((s.history for s in found), key=lambda h: h.end - h.start))
    print(common.table(["", "lives", "deaths", "median", *[common.amount(a, unit) for a in ages]], told(parts, ages)))
    if tests := compared(parts):
        print("\n" + common.table(["log-rank", "ratio of hazards", "p"], tests))
    for s in found:
        print(f"\n{s.name}: {sentence(s.history)}.")
    common.save(figure(found, args.by, args.cohorts, args.sizes), args.to)


if __name__ == "__main__":
    raise SystemExit(common.run(main))

"""How large are they, and how do sizes move?  Distribution, changes, memory and tails, session by session.

    python -m analysis.sizes SOURCE [SOURCE ...] [--to sizes.png]

Of each session: the spread and skew of ln size, its distance from a log-normal, the share within the decade about the
median.  Of changes from one session to the next: their mean and spread in fifths of the size before, and the slope of
that spread (a change in proportion to size has one in sizes, and none in their logarithms).  Of memory: the correlation
of ln size with itself.  Of tails: whether power law, log-normal or exponential is nearest (Vuong's test).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from analysis import common, source
from neurodev import plot
from neurodev.errors import ParameterError
from neurodev.metrics import sizes, tails

MOST_TAIL = 20000
NAN = float("nan")
Rows = list[list[object]]


def measured(s: source.Source) -> Any:
    """Its history, if sizes differ in it.

    Raises
    ------
    ParameterError
        Otherwise.
    """
    x = s.history.seen.size
    x = x[np.isfinite(x) & (x > 0)]
    if x.size < 3 or not np.ptp(x) > 0:
        raise ParameterError(f"{s.name}: no sizes were measured: nothing to tell")
    return s.history


def by_session(h: Any, most: int = 8) -> Rows:
    """A row for each of some sessions: n, mean, sd and skew of ln size, distance from a log-normal, central decade."""
    x, rows = h.log_sizes(), []
    for k in np.unique(np.linspace(0, h.sessions.size - 1, min(most, h.sessions.size)).round().astype(int)):
        y = x[np.isfinite(x[:, k]), k]
        if y.size < 3 or not np.ptp(y) > 0:
            continue
        mean, sd, skew = sizes.log_moments(y)
        distance = sizes.lognormal_fit(y).distance
        rows.append([f"{h.unit} {h.sessions[k]:g}", y.size, mean, sd, skew, distance, sizes.central_decade(y)])
    return rows


def changes(h: Any) -> tuple[Rows, float]:
    """Change of ln size to the next session in fifths of the size before, its mean and spread; the spread's slope."""
    x = h.log_sizes()
    pairs = np.isfinite(x[:, :-1]) & np.isfinite(x[:, 1:])
    before, after = x[:, :-1][pairs], x[:, 1:][pairs]
    if before.size < 20 or not np.ptp(before) > 0:
        return [], NAN
    found = sizes.change_by_size(before, after)
    rows = [[f"{k} fifth", a, b, c] for k, a, b, c in zip(("smallest", "second", "third", "fourth", "largest"),
            found.size, found.change, found.change_sd, strict=True)]  # fmt: skip
    return rows, float(found.slope)


def memory(h: Any) -> tuple[np.ndarray, np.ndarray]:
    """Time between sessions, mean over all pairs so far apart in number, and correlation of ln size."""
    course = sizes.size_course(h.log_sizes())
    at, n = h.sessions, h.sessions.size
    return np.array([np.mean(at[k:] - at[: n - k]) for k in range(n)]), course.correlation


def heavy(h: Any, seed: int = 1) -> tails.Tails | None:
    """The tail of the sizes in the last session that has enough of them; of many, of some that are drawn."""
    x = h.sizes()
    for k in range(h.sessions.size - 1, -1, -1):
        y = x[np.isfinite(x[:, k]) & (x[:, k] > 0), k]
        if y.size >= 50:
            draw = np.random.default_rng(seed)
            return tails.tails(y if y.size <= MOST_TAIL else draw.choice(y, MOST_TAIL, replace=False))
    return None


def sentence(h: Any) -> str:
    """Spread, memory and tail."""
    first, last = (rows := by_session(h))[0], rows[-1]
    text = f"ln size has an sd of {last[3]:.2f} and a skew of {last[4]:.2f} on {last[0]} (n = {last[1]:,})"
    text += f", from {first[3]:.2f} and {first[4]:.2f} on {first[0]}" if len(rows) > 1 else ""
    if h.sessions.size > 1:
        lag, r = memory(h)
        known = np.flatnonzero(np.isfinite(r[1:])) + 1
        if known.size:
            k = known[-1]
            text += f"; sizes {common.amount(lag[k], h.unit)} apart correlate by {r[k]:.2f}"
    found = heavy(h)
    if found is not None:
        p = found.compare("lognormal", "power_law").p
        name = found.nearest.replace("_", " ").replace("lognormal", "log-normal")
        text += f"; above {found.xmin:.3g} (n = {found.n:,}) the {name} is nearest"
        text += f" (log-normal against power law: {common.chance(p)})" if np.isfinite(p) else ""
    return text


def figure(found: Sequence[source.Source]) -> Any:
    """The distribution, sizes over time, and what sessions have in common."""
    draws = [lambda s, ax: plot.size_distribution(s.history, ax)]
    if any(s.history.sessions.size > 1 for s in found):
        draws += [lambda s, ax: plot.sizes(s.history, ax), lambda s, ax: plot.persistence(s.history, ax)]
    return source.pictures(found, draws)


def main(argv: Sequence[str] | None = None) -> None:
    """Tell, and draw."""
    args, found = source.asked(__doc__, "sizes.png", argv)
    for s in found:
        h = measured(s)
        head = [f"{s.name}: ln size", "n", "mean", "sd", "skew", "off log-normal", "central decade"]
        print(common.table(head, by_session(h)))
        if h.sessions.size > 1:
            rows, slope = changes(h)
            if rows:
                print("\n" + common.table(["to the next session", "ln size before", "change", "its sd"], rows))
                print(f"the sd of the change by ln size has a slope of {slope:.3f}")
            lag, r = memory(h)
            few = np.unique(np.linspace(1, lag.size - 1, 8).round().astype(int))
            print("\n" + common.table(["apart", *[common.amount(lag[k], h.unit) for k in few]],
                                      [["correlation", *[r[k] for k in few]]]))  # fmt: skip
        print(f"\n{s.name}: {sentence(h)}.\n")
    common.save(figure(found), args.to)


if __name__ == "__main__":
    raise SystemExit(common.run(main))

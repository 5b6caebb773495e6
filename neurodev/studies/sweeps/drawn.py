"""What the figure of a sweep shows: which parameter goes along, which tell lines apart, whose course is drawn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from neurodev.plot.sweeps import Course, Swept
from neurodev.runs.run import Run
from neurodev.studies.sweeps.labelled import coordinate
from neurodev.studies.sweeps.numbers import series
from neurodev.studies.sweeps.points import labels

MOST = 7  # lines


def _is_number(values: Sequence[Any]) -> bool:
    return bool(coordinate(values)[0].dtype.kind == "f")


def picture(
    name: str, keys: Sequence[str], points: Sequence[dict[str, Any]], y: Any, runs: Sequence[Sequence[Run]]
) -> Swept:
    """A number, y (n_point, n_seed), over the points of a sweep, and its course in the runs of each."""
    short = labels(keys)
    columns = {k: [p[k] for p in points] for k in keys}
    numeric = [k for k, v in columns.items() if _is_number(v) and len(set(map(repr, v))) > 1]
    words = [", ".join(f"{short[k]}={_word(p[k])}" for k in keys) or "as it is" for p in points]
    if not numeric:
        lines = [("", np.arange(len(words)))]
        return Swept(name, "", np.arange(float(len(words))), words, lines, y, *_courses(name, words, runs))
    along = max(numeric, key=lambda k: len(set(columns[k])))
    x, units = coordinate(columns[along])
    rest = [", ".join(f"{short[k]}={_word(p[k])}" for k in keys if k != along) for p in points]
    groups = list(dict.fromkeys(rest))
    if len(groups) > MOST:  # of draws: no lines, points alone
        groups, rest = [""], [""] * len(rest)
    lines = [(g, np.array([k for k in np.argsort(x, kind="stable") if rest[k] == g])) for g in groups]
    label = short[along] + (f" ({units['units']})" if units else "")
    return Swept(name, label, x, [], lines, y, *_courses(name, words, runs))


def _word(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _courses(name: str, words: Sequence[str], runs: Sequence[Sequence[Run]]) -> tuple[str, str, list[Course]]:
    """The clock, the name of the series that goes with a number, and its course at some points."""
    first = next(run for each in runs for run in each)
    wanted = [f"test_{name}", name] if first.is_training else []
    wanted += [f"n_synapse/{q}" for q in first.plastic]
    what = next((w for w in wanted if w in first.series_names), "")
    clock = "epoch" if first.is_training else "life time (days)"
    courses: list[Course] = []
    if not what:
        return clock, what, courses
    n = len(words)
    chosen = range(n) if n <= MOST else np.unique(np.linspace(0, n - 1, MOST).round().astype(int)).tolist()
    for p in chosen:
        told = [(t, found[what]) for t, found in map(series, runs[p]) if what in found]
        if told:
            shortest = min(len(t) for t, _ in told)
            each = np.array([a[:shortest] for _, a in told])
            courses.append(Course(words[p], told[0][0][:shortest], each))
    return clock, what.replace("n_synapse/", "synapses of "), courses

"""What fills the gaps of many stories at once, in columns of codes: what a page ships instead of stories.

The words are those of `Spine.story`, written by the same functions (`neurodev.structure.story`); equal words are
written once.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurodev.arrays import B1, F8, I8
from neurodev.runs.coding import Coded, Telling, coded, form
from neurodev.runs.log import BY_HAND
from neurodev.runs.reading import Reading
from neurodev.runs.spines import Spines
from neurodev.runs.training import Training
from neurodev.structure import story


def _largest(run: Reading, spines: Spines, rows: I8, names: list[str]) -> dict[str, F8]:
    """Of each row the largest size that a snapshot saw, when that was, and where it sat on its dendrite at last."""
    weight = run.is_training
    found = {k: np.full(rows.size, np.nan) for k in ("size", "day", "branch", "place")}
    order = np.argsort(spines.uid[rows], kind="stable")
    uid = spines.uid[rows][order]
    with run.file.held():
        for day in run.snapshot_days:
            for name in names:
                here = f"{run.picture(day)}/{name}/"
                column = here + ("weight" if weight else "log_size")
                if not uid.size or not run.file.length(f"{here}uid"):
                    continue
                who = run.file.read(f"{here}uid")
                at = np.minimum(np.searchsorted(uid, who), uid.size - 1)
                known = uid[at] == who
                row = order[at[known]]
                for word in ("branch", "place"):
                    if run.file.length(here + word):
                        found[word][row] = run.file.read(here + word)[known]
                if not run.file.length(column):
                    continue
                size = run.file.read(column)[known].astype(np.float64)
                best = found["size"][row]
                more = np.isnan(best) | (np.abs(size) > np.abs(best) if weight else size > best)
                found["size"][row[more]], found["day"][row[more]] = size[more], day
    return found


def of_run(run: Reading, spines: Spines, ident: NDArray[Any]) -> Telling:
    """The stories of the spines or synapses of these uids.

    Parameters
    ----------
    run : Reading
    spines : Spines
        Its spines.
    ident : (n,) array
        Uids, each that of a spine.

    Returns
    -------
    Telling
        Times in days of life.
    """
    order = np.argsort(spines.uid)
    rows = order[np.searchsorted(spines.uid[order], ident)]
    names = [spines.projections[k] for k in np.unique(spines.owner[rows])]
    words = story.training(Training(run).epoch_days, run.tick_days) if run.is_training else story.development(run.days)
    born, died, cause = spines.born[rows], spines.died[rows], spines.cause[rows]
    dead, largest = ~np.isnan(died), _largest(run, spines, rows, names)
    by_hand = np.zeros(rows.size, bool) if run.is_training else _by_hand(run, spines, rows)
    judged = dead & ~by_hand
    known = [run.causes[w] for w in run.causes.words]
    decided = np.array([bool(c.decided) for c in known] + [False])
    has = np.array([run.file.length(f"initial/{name}/log_size") > 0 for name in spines.projections])
    value = spines.value[rows]
    sized = judged & has[spines.owner[rows]] & ~decided[cause] & np.isfinite(value)
    if run.is_training:
        sized[:] = False
    size = largest["size"]
    ratio = story.WEIGHT if run.is_training else story.RATIO
    columns = {
        "born": coded(born, words.moment, spines.birth_cause[rows] != run.causes.code("initial")),
        "died": coded(died, words.moment, dead),
        "lived": coded(spines.life[rows], words.lived, np.ones(rows.size, bool)),
        "largest": coded(size if run.is_training else np.exp(size), form(ratio), np.isfinite(size)),
        "largest_when": coded(largest["day"], words.picture, np.isfinite(size)),
        "value": coded(value, form(story.DECIDED), judged & decided[cause] & np.isfinite(value) & ~sized),
        "size": coded(value, form(story.SIZE), sized),
    }
    if run.is_training:
        number = spines.birth_value[rows]
        told = decided[spines.birth_cause[rows]] & np.isfinite(number)
        columns["birth_value"] = coded(number, form(story.DECIDED), told)
    for word in ("branch", "place"):
        if np.isfinite(largest[word]).any() and not run.is_training:
            columns[word] = coded(largest[word], form(story.WHERE), np.isfinite(largest[word]))
    return Telling(words.clauses, born, died, columns, _terms(run, spines, rows, sized), by_hand)


def _terms(run: Reading, spines: Spines, rows: I8, sized: B1) -> dict[str, tuple[str, Coded]]:
    out = {}
    for term, values in spines.terms.items():
        number = values[rows]
        units = np.array([run.log.terms(name).get(term) == "sd" for name in spines.projections])[spines.owner[rows]]
        for kind, mine, spec in (("moved", units, story.SHIFT), ("others", ~units, story.TERM)):
            if (there := sized & mine & np.isfinite(number)).any():
                out[f"{term}/{kind}"] = (kind, coded(number, form(spec), there))
    return out


def _by_hand(run: Reading, spines: Spines, rows: I8) -> B1:
    """Whether each was removed by the experimenter under a cause of a mechanism, (n,)."""
    out = np.zeros(rows.size, dtype=bool)
    deeds = [d for d in spines._deeds() if d.text.startswith("RemoveSynapses ")]
    if not deeds:
        return out
    died, words = spines.died[rows], run.causes.words
    near = np.zeros(rows.size, dtype=bool)
    for deed in deeds:
        near |= (died >= deed.day - run.tick_days * 1.001) & (died <= deed.day + run.tick_days * 1e-3)
    for k in np.flatnonzero(near):
        i = int(rows[k])
        terms = {term: float(v[i]) for term, v in spines.terms.items() if np.isfinite(v[i])}
        name = spines.projections[int(spines.owner[i])]
        out[k] = words[int(spines.cause[i])] not in BY_HAND and spines._by_hand(
            name, float(died[k]), words[int(spines.cause[i])], terms
        )
    return out

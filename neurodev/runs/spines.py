"""Spines of a run: each with a life that can be told."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurodev.card import Card, Rows, counted, named
from neurodev.errors import ParameterError, shown
from neurodev.params import asks, number, of_type
from neurodev.runs import described
from neurodev.runs.log import BY_HAND
from neurodev.runs.reading import Reading
from neurodev.structure import story
from neurodev.structure.cause import Causes
from neurodev.structure.duration import Deed, deeds, lasting
from neurodev.structure.log import DEATH, concatenate, reordered

F8 = NDArray[np.float64]


def _number_or_nan(value: Any, argument: str) -> float:
    """NaN where nothing was measured."""
    return float(value) if isinstance(value, float) and np.isnan(value) else number(value, argument)


@dataclass(frozen=True, repr=False)
class Spine(Card):
    """One spine, from birth to death (or to the end of the run); times in days of life.

    `days` and `log_size` (n_snapshot,) are its sizes, ln(V/V0), in the snapshots that saw it; `history` holds every
    column of those snapshots.  `death_value` is the number that its death was logged with, `death_log_size` its size
    then (NaN in a projection without sizes); `terms` are the numbers that decided, by name, and `units` their units
    (``"sd"``: what moved its set-point).  `causes` are those of its run.  `threshold` is the size below which a spine
    is lost there, if a mechanism says so.  `by_hand`: the experimenter removed it, whatever cause he gave.  `deeds` is
    what the experimenter did in the run, in the order in which its report numbers it.
    """

    uid: int
    projection: str
    source: str
    target: str
    pre: int
    post: int
    born: float
    died: float | None
    cause: str | None
    birth_cause: str
    birth_value: float
    death_value: float
    death_log_size: float
    terms: dict[str, float]
    units: dict[str, str]
    days: F8
    log_size: F8
    history: dict[str, F8]
    end: float
    causes: Causes
    threshold: float | None
    by_hand: bool
    deeds: tuple[Deed, ...]

    @property
    def life(self) -> float:
        """Days lived, so far if it still lives."""
        return (self.died if self.died is not None else self.end) - self.born

    def _words(self) -> str:
        kind, when = type(self).__name__, self._tell().moment
        text = f"{kind}({self.uid} of {self.projection!r}, {self.source} {self.pre} to {self.target} {self.post}"
        text += ", there at the start" if self.birth_cause == "initial" else f", born {when(self.born)}"
        return text + (f", died {when(self.died)}: {self.cause})" if self.died is not None else ", alive)")

    def _rows(self) -> Rows:
        when = self._tell().moment
        out: list[tuple[str, Any]] = [
            ("uid", f"{self.uid}"), ("projection", self.projection),
            ("from", f"{self.source} {self.pre}"), ("to", f"{self.target} {self.post}"),
            ("born", f"{when(self.born)}: {self.birth_cause}"),
            ("died", "lives" if self.died is None else f"{when(self.died)}: {self.cause}"),
        ]  # fmt: skip
        out += [(name, f"{value:.4g} {self.units.get(name, '')}".strip()) for name, value in self.terms.items()]
        return [*out, ("pictures that saw it", f"{self.days.size}"), ("story", self.story)]

    @property
    def evidence(self) -> float:
        """Old name of ``terms["evidence"]``; NaN without it."""
        return self._old("evidence")

    @property
    def trophic(self) -> float:
        """Old name of ``terms["trophic"]``; NaN without it."""
        return self._old("trophic")

    def _old(self, term: str) -> float:
        warnings.warn(f"Spine.{term} is Spine.terms[{term!r}] now", DeprecationWarning, stacklevel=3)
        return self.terms.get(term, float("nan"))

    @asks(cause=of_type(str, what="the word of a cause"), value=_number_or_nan)
    def reason(self, cause: str, value: float) -> str:
        """Why it was born or died, with the number that decided."""
        meaning = self.causes[cause]
        known = meaning.decided and np.isfinite(value)
        decided = f" ({meaning.decided} {value:{story.DECIDED}})" if known else ""
        return meaning.sentence + decided

    def _tell(self) -> story.Words:
        return story.development(self.end)

    def story(self) -> str:
        """Its life in a few sentences."""
        return story.told(self._tell().clauses, self._pieces())

    def _pieces(self) -> dict[str, str]:
        """What fills the gaps of its story."""
        out = {"uid": f"{self.uid}", "source": self.source, "target": self.target, "projection": self.projection}
        out |= {"pre": f"{self.pre}", "post": f"{self.post}"} | self._born() | self._largest()
        out["lived"] = self._tell().lived(self.life)
        if self.died is None or self.cause is None:
            return out | {"alive": ""}
        out |= {"died": self._tell().moment(self.died), "cause": self.cause}
        if self.by_hand:
            return out | {"by_hand": ""}
        sized = bool(np.isfinite(self.death_log_size))
        out |= self._reason("", self.cause, np.nan if sized else self.death_value) | {"judged": ""}
        return out | self._at_death() if sized else out

    def _born(self) -> dict[str, str]:
        if self.birth_cause == "initial":
            return {"there": ""}
        how = self.causes[self.birth_cause].birth
        return {"born": self._tell().moment(self.born), "how": f"{', ' if how else ''}{how}"}

    def _largest(self) -> dict[str, str]:
        out = {}
        if "branch" in self.history and self.days.size:
            out = {k: f"{self.history[k][-1]:{story.WHERE}}" for k in ("branch", "place")}
        if self.log_size.size:
            k = int(np.argmax(self.log_size))
            out["largest"] = f"{np.exp(self.log_size[k]):{story.RATIO}}"
            out["largest_when"] = self._tell().picture(self.days[k])
        return out

    def _at_death(self) -> dict[str, str]:
        """What decided its death, where that was its size."""
        out = {"size": f"{self.death_log_size:{story.SIZE}}", "sized": ""}
        kinds = {n: "moved" if self.units.get(n) == "sd" else "others" for n in self.terms}
        for kind, form in (("moved", story.SHIFT), ("others", story.TERM)):
            if terms := [(n, f"{v:{form}}") for n, v in self.terms.items() if kinds[n] == kind]:
                out[kind] = story.listed(kind, terms)
        return out

    def _reason(self, begin: str, cause: str, value: float) -> dict[str, str]:
        """The pieces of `reason`: why, and the number that decided."""
        meaning = self.causes[cause]
        out = {f"{begin}reason": meaning.sentence}
        if meaning.decided and np.isfinite(value):
            out |= {f"{begin}decided": meaning.decided, f"{begin}value": f"{value:{story.DECIDED}}"}
        return out

    def plot(self) -> Any:
        """The life as a figure."""
        from neurodev.plot.spine import spine_figure

        return spine_figure(self)


class Spines(Card, Mapping[int, Spine]):
    """All spines that ever lived in a run, by uid.

    Arrays, one row for each (n_spine,): `uid`, `pre`, `post`, `born` and `died` (days; NaN: alive), `cause` (its place
    in the list of the run's causes; -1: alive), `owner` (index into `projections`), `birth_value` and, at death,
    `value` (ln(V/V0), or the number that decided).  `terms` holds arrays (n_spine,) of the numbers that decided a
    death, by name.

    Examples
    --------
    >>> run.spines.longest().story()
    >>> run.spines.longest().plot()
    """

    _noun = "spine"

    def __init__(self, run: Reading, projections: list[str]) -> None:
        self._run = run
        self.projections = projections
        names = tuple(sorted({term for p in projections for term in run.log.terms(p)}))
        parts, owner = [], []
        initial = []
        for k, name in enumerate(projections):
            log = reordered(run.log.batch(name), tuple(run.log.terms(name)), names)
            parts.append(log)
            owner.append(np.full(log.uid.size, k))
            uid, pre, post, _ = run.synapses("initial", name)
            initial.append((uid, pre, post, k))
        log = concatenate(parts)
        births = log.kind != DEATH
        owners = np.concatenate(owner) if owner else np.zeros(0, dtype=np.int64)
        day = run.log.days(log)
        there = run.causes.code("initial")
        u = [i[0] for i in initial] + [log.uid[births]]
        self.uid: NDArray[np.uint64] = np.concatenate(u).astype(np.uint64)
        self.pre = np.concatenate([i[1] for i in initial] + [log.pre[births]]).astype(np.int64)
        self.post = np.concatenate([i[2] for i in initial] + [log.post[births]]).astype(np.int64)
        self.owner = np.concatenate([np.full(i[0].size, i[3]) for i in initial] + [owners[births]]).astype(np.int64)
        self.born = np.concatenate([np.zeros(i[0].size) for i in initial] + [day[births]])
        self.birth_cause = np.concatenate([np.full(i[0].size, there) for i in initial] + [log.cause[births]])
        n = self.uid.size
        self.died: F8 = np.full(n, np.nan)
        self.cause: NDArray[np.int64] = np.full(n, -1)
        self.birth_value: F8 = np.concatenate([np.full(i[0].size, np.nan) for i in initial] + [log.value[births]])
        self.value: F8 = np.full(n, np.nan)
        self.terms: dict[str, F8] = {name: np.full(n, np.nan) for name in names}
        order = np.argsort(self.uid)
        dead = ~births
        at = order[np.searchsorted(self.uid[order], log.uid[dead])] if n else np.zeros(0, np.int64)
        self.died[at], self.cause[at] = day[dead], log.cause[dead]
        self.value[at] = log.value[dead]
        for k, name in enumerate(names):
            self.terms[name][at] = log.terms[dead, k]
        self._order = order

    def _words(self) -> str:
        n, dead = self.uid.size, int((~np.isnan(self.died)).sum())
        text = f"{type(self).__name__}({counted(n, self._noun)} of {named(map(repr, self.projections))}"
        return text + f": {n - dead:,} alive at the end, {dead:,} died)"

    def _rows(self) -> Rows:
        there, dead = self.birth_cause == self._run.causes.code("initial"), ~np.isnan(self.died)
        causes = self._run.causes.count(self.cause[dead])
        return [
            ("projections", named(self.projections)), (f"{self._noun}s that ever lived", f"{self.uid.size:,}"),
            ("there at the start", f"{int(there.sum()):,}"), ("born", f"{int((~there).sum()):,}"),
            ("died", f"{int(dead.sum()):,}"), ("alive at the end", f"{int((~dead).sum()):,}"),
            ("end", lambda: lasting(self.end)),
            ("deaths by cause", named(f"{k} {n:,}" for k, n in causes.items() if n) or "none"),
        ]  # fmt: skip

    def __len__(self) -> int:
        return int(self.uid.size)

    def __iter__(self) -> Iterator[int]:
        return iter(self.uid.tolist())

    @property
    def end(self) -> float:
        """End of the run, days."""
        return self._run.days

    @property
    def life(self) -> F8:
        """Days lived by each, up to the end of the run."""
        return np.asarray(np.where(np.isnan(self.died), self.end, self.died) - self.born)

    def _find(self, uid: object) -> int:
        """Row of a uid; -1 if there is none."""
        if isinstance(uid, bool) or not isinstance(uid, (int, np.integer)) or not 0 <= uid < 2**64:
            return -1
        k = int(np.searchsorted(self.uid[self._order], np.uint64(uid)))
        found = k < self.uid.size and int(self.uid[self._order[k]]) == int(uid)
        return int(self._order[k]) if found else -1

    def __contains__(self, uid: object) -> bool:
        return self._find(uid) >= 0

    def get(self, uid: int, default: Any = None) -> Any:
        """The spine of that uid, or `default`."""
        return self[uid] if uid in self else default

    def __getitem__(self, uid: int) -> Spine:
        i = self._find(uid)
        if i < 0:
            raise ParameterError(f"no {self._noun} {shown(uid, 40)} in this run; {self._known(uid)}")
        name = self.projections[int(self.owner[i])]
        q = self._run.projection(name)
        days, history = self._history(name, int(uid))
        died = None if np.isnan(self.died[i]) else float(self.died[i])
        words, value = self._run.causes.words, float(self.value[i])
        cause = words[int(self.cause[i])] if died is not None else ""
        # the logged number is the size, unless the cause says what else it is
        sized = self._run.file.length(f"initial/{name}/log_size") > 0
        sized = sized and not (cause and self._run.causes[cause].decided)
        terms = {term: float(v[i]) for term, v in self.terms.items() if np.isfinite(v[i])}
        return Spine(
            int(uid), name, q["source"], q["target"], int(self.pre[i]), int(self.post[i]), float(self.born[i]), died,
            cause or None, words[int(self.birth_cause[i])],
            float(self.birth_value[i]), value, value if sized else np.nan, terms, self._run.log.terms(name), days,
            history.get("log_size", np.zeros(0)), history, self.end, self._run.causes, self._run.smallest_size(name),
            died is not None and self._by_hand(name, died, cause, terms), tuple(self._deeds()),
        )  # fmt: skip

    def _by_hand(self, name: str, died: float, cause: str, terms: dict[str, float]) -> bool:
        """Whether the experimenter removed it under a cause that a mechanism declares: none decided it then."""
        if cause in BY_HAND or any(np.isfinite(v) for v in terms.values()):
            return False
        run = self._run
        for deed in self._deeds():
            near = deed.day - run.tick_days * (1 + 1e-6) <= died <= deed.day + run.tick_days * 1e-6
            cut = len(deed.text) >= 80  # a long list of synapses leaves no room for the cause
            if near and deed.text.startswith(f"RemoveSynapses {name},") and (cut or deed.text.endswith(cause)):
                return True
        return False

    def _deeds(self) -> list[Deed]:
        run = self._run
        return deeds(run.file.item("interventions", []) or [], run.tick_spike, run.tick_days)

    def _history(self, name: str, uid: int) -> tuple[F8, dict[str, F8]]:
        with self._run.file.held():
            return self._seen(name, uid)

    def _seen(self, name: str, uid: int) -> tuple[F8, dict[str, F8]]:
        file, days, rows = self._run.file, [], []
        i = self._find(uid)
        for day in self._run.snapshot_days:
            # a day of grace on either side: births and deaths are known to a tick
            if day < self.born[i] - 1.0 or day > self.died[i] + 1.0:
                continue
            here = f"{self._run.picture(day)}/{name}"
            at = np.flatnonzero(file.read(f"{here}/uid") == uid)
            if at.size:
                days.append(day)
                rows.append(described.one(file, here, int(at[0])))
        keys = rows[0] if rows else {}
        return np.array(days), {k: np.array([r[k] for r in rows]) for k in keys}

    def _known(self, uid: object) -> str:
        """The identities that there are, near one that is not."""
        if not self.uid.size:
            return "it has none at all"
        known = self.uid[self._order]
        text = f"it has {known.size:,}, with uids from {known[0]} to {known[-1]}"
        if isinstance(uid, (int, np.integer)) and known[0] < uid < known[-1]:
            k = int(np.searchsorted(known, np.uint64(uid)))
            text += f" but not all between; the nearest are {known[k - 1]} and {known[k]}"
        return text

    def to_pandas(self) -> Any:
        """One row for each, in words: who it was, where it sat, when it was born and died, and of what.

        Columns are ``id`` (the uid), ``projection``, ``source``, ``target``, ``pre``, ``post``, ``born``, ``died`` and
        ``life`` (days; of a training epochs; `died` is NaN of those alive, whose life is that up to the end),
        ``birth_cause``, ``cause`` (empty of those alive), ``birth_value`` and ``death_value`` (the numbers that the
        log holds), and each term that decided a death by its name.  ``frame.attrs["units"]`` holds units by column.

        Names that `History.to_pandas` has as well mean the same; `born` and `died` are the ticks at which births and
        deaths were seen, its ``born_by`` and ``died_by``.

        Examples
        --------
        >>> run.spines.to_pandas().groupby("cause")["life"].median()
        """
        import pandas as pd

        run, (unit, scale) = self._run, self._clock()
        ends = [[run.projection(name)[k] for name in self.projections] for k in ("source", "target")]
        of = lambda names: np.array(names, dtype=np.str_)[self.owner] if len(self) else np.zeros(0, dtype=np.str_)
        words = np.array([*run.causes.words, ""])  # the last is that of -1: alive
        columns: dict[str, NDArray[Any]] = {
            "id": self.uid, "projection": of(self.projections), "source": of(ends[0]), "target": of(ends[1]),
            "pre": self.pre, "post": self.post, "born": self.born * scale, "died": self.died * scale,
            "life": self.life * scale, "birth_cause": words[self.birth_cause], "cause": words[self.cause],
            "birth_value": self.birth_value, "death_value": self.value,
        }  # fmt: skip
        units = dict.fromkeys(("born", "died", "life"), unit)
        for name, values in self.terms.items():
            column = name if name not in columns else f"term_{name}"
            columns[column] = values
            units[column] = next((run.log.terms(p)[name] for p in self.projections if name in run.log.terms(p)), "")
        frame = pd.DataFrame(columns)
        frame.attrs["units"] = units
        return frame

    def _clock(self) -> tuple[str, float]:
        """The unit in which times are told, and how many of them a day is."""
        return "day", 1.0

    def longest(self) -> Spine:
        """The longest completed life: of those that died, who lived longest; if none died, the oldest.

        Many that are alive at the end may be older: `survivors` lists them.
        """
        if not self.uid.size:
            raise ParameterError("no spine ever lived in this run")
        dead = ~np.isnan(self.died)
        life = np.where(dead, self.life, -1.0) if dead.any() else self.life
        return self[int(self.uid[int(np.argmax(life))])]

    def survivors(self) -> NDArray[np.uint64]:
        """Uids of those alive at the end, (n,)."""
        return self.uid[np.isnan(self.died)]

    def died_of(self, cause: str) -> NDArray[np.uint64]:
        """Uids of those that died of a cause, (n,)."""
        return np.asarray(self.uid[self.cause == self._run.causes.code(cause)])

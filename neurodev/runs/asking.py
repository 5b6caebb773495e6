"""What a history is asked, in one line each: metrics of its arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from neurodev.arrays import F8
from neurodev.card import Card, Rows, named, told
from neurodev.errors import ParameterError, shown
from neurodev.metrics import risks, turnover
from neurodev.metrics.censored import turnbull
from neurodev.metrics.persistence import Persistence, persistence, positions
from neurodev.runs.sightings import at_place

METHODS = ("kaplan-meier", "turnbull")


def curve(history: Any, kind: str, place: float, method: str) -> turnover.SurvivalCurve:
    """Survival of a kind of lives; see `History.survival`."""
    found = history.lives(kind, place)
    if method == "kaplan-meier":
        return turnover.kaplan_meier(found.duration, found.died)
    mine = {"newborn": ~history.standing, "standing": history.standing, "all": np.ones(len(history), bool)}[kind]
    born = np.where(history.standing, history.start, at_place(history.born, place))[mine]
    limits = np.maximum(history.died[mine] - born[:, None], 0.0)
    return turnbull(limits[:, 0], limits[:, 1]).curve(place)


class Asking(Card):
    """What a history says of itself, and questions that are metrics of its arrays."""

    def _words(self: Any) -> str:
        dead, new = int(np.isfinite(self.died[:, 1]).sum()), int((~self.standing).sum())
        name = f"{told(self.title)}, " if self.title else ""
        text = f"History({name}{len(self):,} lives, {new:,} births and {dead:,} deaths in {self.end - self.start:g} "
        text += f"{self.unit}s"
        return text + (f", {self.sessions.size} sessions)" if self.sessions.size else ")")

    def _rows(self: Any) -> Rows:
        standing, dead = int(self.standing.sum()), int(np.isfinite(self.died[:, 1]).sum())
        at, size = self.sessions, self.seen.size[np.isfinite(self.seen.size)]
        unseen = 0 if self.looked is None else int((~self.looked).sum())
        return [
            ("title", self.title or "none"), ("lives", f"{len(self):,}"), ("there at the start", f"{standing:,}"),
            ("births", f"{len(self) - standing:,}"), ("deaths", f"{dead:,}"),
            ("watched", f"{self.start:g} to {self.end:g} {self.unit}s"),
            ("sessions", f"{at.size:,}, from {at[0]:g} to {at[-1]:g} {self.unit}s" if at.size else "none"),
            ("not looked at", f"{unseen:,} of {len(self) * at.size:,}" if unseen else "nothing"),
            ("sizes", f"{size.size:,}, {size.min():.4g} to {size.max():.4g}" if size.size else "none"),
            ("unit of sizes", self.size_unit or "not said"), ("columns", named(self.columns, 12) or "none"),
            ("notes", f"{len(self.notes)}: {self.notes[0]}" if self.notes else "none"),
        ]  # fmt: skip

    def first_log_size(self: Any) -> F8:
        """ln of the size at first sight, (n,); NaN where it was never measured."""
        x = self.log_sizes()
        known = np.isfinite(x)
        if not x.shape[1]:
            return np.full(len(x), np.nan)
        return np.where(known.any(axis=1), x[np.arange(len(x)), known.argmax(axis=1)], np.nan)

    def bins(self: Any, of: str, edges: ArrayLike) -> dict[tuple[float, float], Any]:
        """A history for each bin of a number, by its limits: cohorts, or sizes at first sight.

        Parameters
        ----------
        of : str
            ``"birth"``, ``"size"`` (ln of it at first sight), or a column of numbers.
        edges : (n_bin + 1,) array_like, or int
            Rising edges (what lies on one belongs to the bin above), or how many bins of equally many.

        Returns
        -------
        dict
            From (low, high) to history; who has no such number is in none.

        Examples
        --------
        >>> from neurodev import History
        >>> h = History.of_lives([0, 4, 8, 8], [4, 12, 8, 12], [0, 4, 8, 12])
        >>> {limits: len(part) for limits, part in h.bins("birth", [0, 4, 8]).items()}
        {(0.0, 4.0): 1, (4.0, 8.0): 2}
        """
        values = self.birth if of == "birth" else self.first_log_size() if of == "size" else self.column(of)
        x = np.asarray(values)
        if x.dtype.kind not in "iuf":
            raise ParameterError(f"column {of!r} holds no numbers: use by({of!r})")
        e = np.asarray(edges, dtype=np.float64)
        if e.ndim == 0:
            known = x[np.isfinite(x)]
            if not (1 <= e == np.floor(e)) or known.size < e:
                raise ParameterError(
                    f"edges must be a number of bins of at most {known.size} lives, got {shown(edges)}"
                )
            e = np.quantile(known, np.linspace(0.0, 1.0, int(e) + 1))
            e[-1] = np.nextafter(e[-1], np.inf)
            e = np.unique(e)
        if e.size < 2 or not np.all(np.diff(e) > 0):
            raise ParameterError(f"edges must be at least two rising numbers, got {shown(edges)}")
        return {(float(a), float(b)): self.select((x >= a) & (x < b)) for a, b in zip(e[:-1], e[1:], strict=True)}

    def compare(self: Any, other: Any, kind: str = "newborn", place: float = 0.5) -> risks.LogRank:
        """Whether the lives of two histories of one unit end at one pace (log-rank).

        Parameters
        ----------
        other : History
        kind, place
            As for `lives`.
        """
        if getattr(other, "unit", None) != self.unit:
            raise ParameterError(f"other must be a history in {self.unit}s, got {shown(other)}")
        a, b = self.lives(kind, place), other.lives(kind, place)
        return risks.log_rank(a.duration, a.died, b.duration, b.died)

    def incidence(
        self: Any, kind: str = "newborn", place: float = 0.5, cause: str = "cause"
    ) -> dict[Any, risks.Incidence]:
        """Share that has died of each cause by each age, while others die of others.

        Parameters
        ----------
        kind, place
            As for `lives`.
        cause : str
            The column of causes.
        """
        found, words = self.lives(kind, place), self.column(cause)
        mine = {"newborn": ~self.standing, "standing": self.standing}.get(kind, np.ones(len(self), bool))
        return risks.cumulative_incidence(found.duration, found.died, words[mine])

    def hazard(self: Any, ages: ArrayLike, log_sizes: ArrayLike = (-np.inf, np.inf)) -> risks.HazardTable:
        """Death rates by age and by ln size, of those whose birth was seen, from session to session.

        Parameters
        ----------
        ages : (n_age + 1,) array_like, `unit`
        log_sizes : (n_size + 1,) array_like
            Edges; one bin of all if not given, those without a size included.
        """
        x = self.log_sizes()
        everything = np.asarray(log_sizes, dtype=np.float64)
        if everything.size == 2 and np.isinf(everything).all():
            x = np.where(np.isfinite(x), x, 0.0)
        s = risks.stretches(self.present(), self.sessions, self.birth, x, self.looked)
        return risks.hazard_table(s.begin, s.end, s.died, s.log_size, ages, log_sizes)

    def persistence(self: Any) -> Persistence:
        """What every two sessions have in common: shares kept, overlap, correlation of ln sizes."""
        return persistence(self.present(), self.log_sizes(), self.looked)

    def by_position(self: Any, reach: float, place: str = "place", group: str = "cell") -> Any:
        """The history of positions: who comes where another has gone is held for the same, as imaging may do.

        Parameters
        ----------
        reach : float, um
            How far apart two may be to be held for one.
        place, group : str
            Columns: where each is, and on which dendrite.

        Returns
        -------
        History
            One row for each position, born with its first and dying with its last occupant; columns are those of the
            first.  What was seen is that of all its occupants.
        """
        at = positions(self.column(group), self.column(place), self.birth, self.death, reach)
        n = int(at.max(initial=-1)) + 1
        first = np.full(n, len(self))
        order = np.lexsort((np.arange(len(self)), np.where(self.standing, -np.inf, self.birth)))
        first[at[order[::-1]]] = order[::-1]
        born, died = self.born[first], np.full((n, 2), -np.inf)
        for k in (0, 1):
            np.maximum.at(died[:, k], at, self.died[:, k])
        seen = self.seen._replace(row=at[self.seen.row])
        looked = None if self.looked is None else self.looked[first]
        columns = {name: v[first] for name, v in self.columns.items()}
        return self._with(born, died, ident=self.ident[first], seen=seen, looked=looked, columns=columns)

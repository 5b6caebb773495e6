"""Mechanisms fitted to a history: simulated under the same imaging, compared by what imaging says.

The model lives without spikes (`protocols.imaging`), is imaged in the same sessions with measurement noise, and the
numbers of `protocols.observed` are compared with those of the history, each over its standard error.  The free numbers
are found by `scipy.optimize.least_squares`; one seed throughout keeps the simulation nearly smooth.  Standard errors
come from the Jacobian and the covariance of what was fitted, which is drawn by resampling the lives, and counts the
simulation's own noise.  What is held out is never looked at before the numbers stand.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from neurodev.arrays import B1, F8
from neurodev.card import Card, Rows, named, outlined
from neurodev.errors import ParameterError, nearest, shown
from neurodev.params import flag, number, one_of, whole
from neurodev.protocols.fit_models import FitModel, Numbers, fit_model
from neurodev.protocols.imaging import image, population
from neurodev.protocols.observed import QUANTITIES, USUAL, Observed, observe
from neurodev.record.bar import Bar
from neurodev.runs.history import History
from neurodev.units import day

_PER_DAY = {"day": 1.0, "hour": 24.0}
_STEPS = (0.3, 0.15)  # of a coordinate, for slopes: above the noise of the simulation
_SEARCHES = 4  # at most, each from the best so far
_FEWEST = 0.005  # the least standard error of anything: no table is known better
_WORST = 100.0  # deviation that counts for what a model cannot even tell


@outlined
class Table(NamedTuple):
    """A history as it is fitted."""

    present: B1
    log_size: F8 | None
    looked: B1 | None
    days: F8

    def seen(self, rows: Any = slice(None)) -> Observed:
        """Its numbers, of all or some lives."""
        x = None if self.log_size is None else self.log_size[rows]
        return observe(self.present[rows], self.days, x, None if self.looked is None else self.looked[rows])


@outlined
class Look(NamedTuple):
    """A table and a model side by side."""

    data: Observed
    error: F8  #: standard errors of the data's numbers, in the order of `Observed.row`
    model: Observed
    lives: int
    quantities: tuple[str, ...] = USUAL  #: those that count

    @property
    def deviations(self) -> F8:
        """Of the model from the data, over the standard error, (n_term,); NaN where the data tell nothing."""
        return (self.model.row() - self.data.row()) / self.error

    @property
    def mean_square(self) -> float:
        """Mean square of the deviations that count: about 1 if the model is right and large."""
        return self._mean_square(self.quantities)

    def off(self) -> dict[str, float]:
        """Root mean square deviation of each quantity that the data tell, whether it counts or not."""
        found = {q: float(np.sqrt(self._mean_square((q,)))) for q in QUANTITIES}
        return {q: x for q, x in found.items() if np.isfinite(x)}

    def _mean_square(self, quantities: Sequence[str]) -> float:
        d = self.deviations[np.isin(self.data.names(), quantities)]
        d = d[np.isfinite(d)]
        return float(np.mean(d**2)) if d.size else float("nan")

    def largest(self) -> dict[str, float]:
        """The largest deviation of each quantity that counts, in its own unit."""
        off, names = np.abs(self.model.row() - self.data.row()), np.array(self.data.names())
        found = {q: off[(names == q) & np.isfinite(off)] for q in self.quantities}
        return {q: float(x.max()) for q, x in found.items() if x.size}


@outlined
class Fit(NamedTuple):
    """What a model became when it was fitted to a history."""

    model: str
    title: str
    numbers: Numbers  #: all, the free ones as they were found
    errors: Numbers  #: standard errors of the free ones
    covariance: F8  #: of the free ones as they were varied (logarithms of most), (n_free, n_free)
    free: tuple[str, ...]
    at_limit: tuple[str, ...]  #: free ones that ended at a limit: their errors mean nothing
    fitted: Look
    held_out: Look | None
    what: str  #: what was held out, in words
    asked: dict[str, float]  #: how near it was to come
    simulations: int
    message: str

    @property
    def score(self) -> float:
        """Mean square deviation of what was held out; of what was fitted if nothing was."""
        return (self.held_out or self.fitted).mean_square

    @property
    def missed(self) -> dict[str, float]:
        """Quantities in which the model is farther off what was held out (or fitted) than was asked, and how far."""
        off = (self.held_out or self.fitted).largest()
        return {q: off[q] for q, band in self.asked.items() if off.get(q, 0.0) > band}

    def sentence(self) -> str:
        """What was fitted, what was predicted, and how well."""
        found = ", ".join(f"{k} {self.numbers[k]:.3g} +- {self.errors[k]:.2g}" for k in self.free)
        text = f"The model {self.model!r} fitted to {self.fitted.lives:,} lives"
        text += f" of {self.title}" if self.title else ""
        text += f" ({found}) lies {np.sqrt(self.fitted.mean_square):.2g} standard errors off what was fitted"
        if self.held_out is not None:
            off = ", ".join(f"{q.replace('_', ' ')} {x:.2g}" for q, x in self.held_out.largest().items())
            text += f" and {np.sqrt(self.held_out.mean_square):.2g} off what was predicted: {self.what} (at most {off})"
        if self.asked:
            text += f"; farther than was asked: {', '.join(self.missed) or 'nothing'}"
        text += f"; at the limit of what was allowed: {', '.join(self.at_limit)}" if self.at_limit else ""
        return text + "."

    def _words(self) -> str:
        return self.sentence()

    def _rows(self) -> Rows:
        rows: list[tuple[str, Any]] = [("model", self.model), ("history", self.title or "without a title")]
        rows += [(k, f"{self.numbers[k]:.4g} +- {self.errors[k]:.2g}") for k in self.free]
        rows += [("fixed", named(f"{k} {v:.4g}" for k, v in self.numbers.items() if k not in self.free) or "none")]
        rows += [("off what was fitted", f"{np.sqrt(self.fitted.mean_square):.3g} standard errors")]
        if self.held_out is not None:
            rows += [(f"off {self.what}", f"{np.sqrt(self.held_out.mean_square):.3g} standard errors")]
        return [*rows, ("at the limit of what was allowed", named(self.at_limit) or "none")]

    def plot(self) -> Any:
        """Data and model in one figure."""
        from neurodev.plot.fits import fit_figure

        return fit_figure([self])


class Fits(Card, tuple[Fit, ...]):
    """Several models fitted to one history, the nearest to what was held out first."""

    def _words(self) -> str:
        return self.sentence()

    def _rows(self) -> Rows:
        return [(f.model, f"mean square deviation {f.score:.4g} of {f.what or 'what was fitted'}") for f in self]

    def sentence(self) -> str:
        """Which is nearest, and by how much."""
        scores = ", ".join(f"{f.model} {f.score:.3g}" for f in self)
        what = self[0].what or "what was fitted (nothing was held out)"
        return f"Mean square deviation of {what}, in standard errors: {scores}; {self[0].model!r} is nearest."

    def plot(self) -> Any:
        """Data and all models in one figure."""
        from neurodev.plot.fits import fit_figure

        return fit_figure(list(self))


def fit(
    history: History, model: FitModel | str | Sequence[FitModel | str] = "graded", free: Sequence[str] | None = None, *,
    fixed: Mapping[str, float] | None = None, held_out: Any = None, asked: Mapping[str, float] | None = None,
    quantities: Sequence[str] | None = None, n: int = 6000, rounds: int = 20, seed: int = 1, progress: bool = False,
) -> Any:  # fmt: skip
    """Fit a model of spines to a history: who dies, and how sizes move.

    Parameters
    ----------
    history : History
        In days or hours, with three sessions at least; of a run, ``run.history().image(sessions)``.
    model : FitModel or str, or a list of them
        ``"graded"`` (a hazard that falls with size), ``"nascent"`` (and transient newborns), ``"constant"`` (one rate
        of death), ``"threshold"``, ``"two components"``; several are ordered by what was held out.
    free : sequence of str, optional
        The numbers to be found; all of the model if not given.
    fixed : mapping of str to float, optional
        Values of others (those of the model if not given).
    held_out : optional
        What is predicted and not fitted: a column (every other of its values, in order, is held out), a mapping from a
        column to the values held out, a mask (n,) of lives, ``"sessions"`` (the later half of them), or another
        history, in sessions of its own.
    asked : mapping of str to float, optional
        How near the model must come to each quantity that matters (``"survival"``, ``"newborn"``, ``"correlation"``,
        ``"losses"``, ``"sd"``, ``"newborn_mean"``, ``"newborn_sd"``): a standard error counts as half of it at most,
        and `Fit.missed` tells where the model is farther off.
    quantities : sequence of str, optional
        Which of these are fitted, all if not given; or ``"standing"``, the survival of those of the first session
        alone, so that what becomes of the newborns is predicted.
    n : int
        Spines of the simulation.
    rounds : int
        Steps of the search at most.
    seed : int
    progress : bool
        Whether to say on stderr how far it is.

    Returns
    -------
    Fit, or Fits for several models

    Raises
    ------
    ParameterError
        Where the history cannot tell what is asked.

    Notes
    -----
    Births are not fitted: who dies is replaced, as in a population that stands still.

    Examples
    --------
    >>> import pandas as pd
    >>> draw = np.random.default_rng(0)
    >>> there = lambda: np.where(draw.random(40) < 0.7, draw.lognormal(-2.0, 0.5, 40), 0.0)
    >>> seen = {f"d{day}": there() for day in (0, 4, 8, 12)}
    >>> history = nd.read_sessions(pd.DataFrame({"spine": range(40), **seen}), id="spine")
    >>> fitted = nd.fit(history, "constant", n=100, rounds=1)
    >>> fitted.model
    'constant'
    """
    if isinstance(model, (list, tuple)):
        if not model:
            raise ParameterError("model must name one model at least, got none")
        found = [fit(history, m, free, fixed=fixed, held_out=held_out, asked=asked, quantities=quantities, n=n,
                     rounds=rounds, seed=seed, progress=progress) for m in model]  # fmt: skip
        return Fits(sorted(found, key=lambda f: f.score))
    which: FitModel = fit_model(model)  # type: ignore[arg-type]
    if not isinstance(history, History):
        raise ParameterError(f"history must be a History, got {shown(history)}: use run.history() or nd.History")
    train, test, what = _halves(history, held_out)
    known, wanted = train.seen(), _wanted(quantities)
    told = int((np.isfinite(known.row()) & np.isin(known.names(), wanted)).sum())
    names, values = _asked(which, known, free, fixed, train.log_size is not None, told)
    spines, steps, start = (
        whole(n, "n", 100, 1_000_000),
        whole(rounds, "rounds", 1, 1000),
        whole(seed, "seed", 0, 2**31),
    )
    world, bands = _World(which, train, values, spines, start), _bands(asked)
    bar = Bar(_SEARCHES, f"{which.name}: {len(train.present):,} lives", flag(progress, "progress"))
    try:
        return _search(world, names, values, known, steps, test, what, history.title, bands, wanted, bar)
    finally:
        bar.close()


# ------------------------------------------------------------------ what is asked


def _bands(asked: Mapping[str, float] | None) -> dict[str, float]:
    given = _mapping(asked, "asked")
    return {one_of(k, "asked", QUANTITIES): number(v, f"asked[{k!r}]", "1", above=0.0) for k, v in given.items()}


def _wanted(quantities: Any) -> tuple[str, ...]:
    """What is fitted, each once, in the order of `QUANTITIES`."""
    if quantities is None:
        return USUAL
    if not isinstance(quantities, (list, tuple)) or not quantities:
        raise ParameterError(f"quantities must be a list of some of {list(QUANTITIES)}, got {shown(quantities)}")
    given = {one_of(q, "quantities", QUANTITIES) for q in quantities}
    return tuple(q for q in QUANTITIES if q in given)


def _mapping(given: Any, where: str) -> dict[str, float]:
    if given is not None and not (isinstance(given, Mapping) and all(isinstance(k, str) for k in given)):
        raise ParameterError(f"{where} must be a mapping from names to numbers, got {shown(given)}")
    return dict(given or {})


def _table(h: History) -> Table:
    if h.unit not in _PER_DAY:
        raise ParameterError(f"history must be in days or hours, got {h.unit}s")
    if h.sessions.size < 3 or not len(h):
        cure = "give history.image(sessions)" if not h.sessions.size else "more sessions are needed"
        raise ParameterError(f"history has {h.sessions.size} sessions and {len(h)} lives: {cure}")
    x = h.log_sizes()
    days = (h.sessions - h.sessions[0]) / _PER_DAY[h.unit]
    return Table(h.present(), x if np.isfinite(x).any() and np.nanstd(x) > 0 else None, h.looked, days)


def _halves(h: History, held_out: Any) -> tuple[Table, Table | None, str]:
    """What is fitted, what is held out, and its words."""
    if held_out is None:
        return _table(h), None, ""
    if isinstance(held_out, History):
        return _table(h), _table(held_out), held_out.title or "another history"
    if isinstance(held_out, str) and held_out == "sessions":
        whole_table = _table(h)
        m = whole_table.days.size
        k = (m + 1) // 2
        if m - k + 1 < 3 or k < 3:
            raise ParameterError(f"held_out='sessions' needs five sessions at least, got {m}")
        return _cut(whole_table, slice(0, k)), _cut(whole_table, slice(k - 1, m)), f"the last {m - k + 1} sessions"
    if isinstance(held_out, str):
        values = np.unique(h.column(held_out))
        held_out = {held_out: values[1::2].tolist()}
    if isinstance(held_out, Mapping):
        mask = np.ones(len(h), dtype=bool)
        for name, values in held_out.items():
            mask &= np.isin(h.column(name), np.atleast_1d(np.asarray(values)))
        words = ", ".join(f"{len(np.atleast_1d(np.asarray(v)))} of {np.unique(h.column(k)).size} by {k!r}"
                          for k, v in held_out.items())  # fmt: skip
    else:
        mask = held_out if isinstance(held_out, np.ndarray) else np.array(held_out, dtype=object)
        mask = mask.astype(bool) if mask.ndim == 1 and all(isinstance(x, (bool, np.bool_)) for x in mask) else mask
        if mask.dtype != bool or mask.shape != (len(h),):
            raise ParameterError(
                f"held_out must be a column, a mapping, 'sessions' or a mask (n,), got {shown(held_out)}"
            )
        words = f"{int(mask.sum()):,} lives"
    if not mask.any() or mask.all():
        raise ParameterError(f"held_out must leave some lives on both sides, got {int(mask.sum())} of {len(h)}")
    return _table(h.select(~mask)), _table(h.select(mask)), words


def _cut(t: Table, part: slice) -> Table:
    here = t.present[:, part]
    ever = here.any(axis=1)
    return Table(
        here[ever], None if t.log_size is None else t.log_size[ever, part],
        None if t.looked is None else t.looked[ever, part], t.days[part] - t.days[part][0],
    )  # fmt: skip


def _asked(
    m: FitModel,
    seen: Observed,
    free: Sequence[str] | None,
    fixed: Mapping[str, float] | None,
    measured: bool,
    told: int,
) -> tuple[list[str], Numbers]:
    """The free numbers, and all numbers to start from."""
    set_by_user = _mapping(fixed, "fixed")
    if free is not None and not (isinstance(free, (str, list, tuple)) and all(isinstance(k, str) for k in free)):
        raise ParameterError(f"free must be a list of names of numbers, got {shown(free)}")
    wanted = [free] if isinstance(free, str) else list(m.numbers) if free is None else list(free)
    if free is None:
        wanted = [k for k in wanted if k not in set_by_user and (measured or k != "noise")]
    for name in [*wanted, *set_by_user]:
        if name not in m.numbers:
            raise ParameterError(
                f"free and fixed: {m.name} has no number {name!r}; it has {sorted(m.numbers)}{nearest(name, m.numbers)}"
            )
    if len(set(wanted)) != len(wanted) or set(wanted) & set(set_by_user) or not wanted:
        raise ParameterError(f"free must name numbers once each, and none that is fixed, got {shown(wanted)}")
    if told < len(wanted):
        raise ParameterError(f"free asks for {len(wanted)} numbers, and the history tells {told}: free fewer")
    values = {k: v.start for k, v in m.numbers.items()}
    guess = m.guess(seen)
    for k in wanted:
        x = m.numbers[k]
        values[k] = float(np.clip(guess.get(k, x.start), x.low, x.high))
    for k, v in set_by_user.items():
        values[k] = number(v, k, "1", low=m.numbers[k].low, high=m.numbers[k].high)
    return wanted, values


# ------------------------------------------------------------------ the simulation


class _World:
    """A model imaged as the table was."""

    def __init__(self, m: FitModel, table: Table, values: Numbers, n: int, seed: int) -> None:
        self.model, self.table, self.n, self.seed, self.done = m, table, n, seed, 0
        # long enough for sizes to be those of a population that stands still
        self.burn_in = float(np.clip(2.0 * values.get("tau", 100.0), 150.0, 600.0)) * day
        gap = float(np.diff(table.days).min()) * day
        self.tick = min(m.tick, gap)

    def seen(
        self, values: Numbers, n: int | None = None, seed: int | None = None, table: Table | None = None
    ) -> Observed:
        """Its numbers."""
        t, count = table or self.table, n or self.n
        self.done += 1
        p = population(
            self.model.build(values), count, burn_in=self.burn_in, tick=self.tick,
            seed=self.seed if seed is None else seed, replace=True,
        )  # fmt: skip
        x = image(p, t.days, values.get("noise", 0.0) if t.log_size is not None else 0.0)
        here = np.isfinite(x)
        looked = None if t.looked is None else _patterns(t.looked, len(x), self.seed)
        return observe(here, t.days, None if t.log_size is None else x, looked)


def _patterns(looked: B1, n: int, seed: int) -> B1:
    """What was looked at of simulated spines: the patterns of the table, as often as there."""
    kinds, count = np.unique(looked, axis=0, return_counts=True)
    return np.asarray(kinds[np.random.default_rng(seed).choice(len(kinds), n, p=count / count.sum())])


def covariance(table: Table, draws: int = 200, seed: int = 1) -> F8:
    """Covariance of what is observed, by drawing the lives again, (n_term, n_term)."""
    draw, n = np.random.default_rng(seed), len(table.present)
    rows = np.array([table.seen(draw.integers(0, n, n)).row() for _ in range(draws)])
    found = np.ma.cov(np.ma.masked_invalid(rows), rowvar=False).filled(0.0)
    return np.asarray(found, dtype=np.float64)


def _errors(seen: Observed, spread: F8, asked: Mapping[str, float]) -> F8:
    """Standard errors, none smaller than one life in those it is of, or than anything is known; or half of `asked`."""
    with np.errstate(divide="ignore"):
        least = np.maximum(0.5 / np.maximum(seen.counts, 1.0), _FEWEST)
    out = np.maximum(np.sqrt(np.maximum(np.diag(spread), 0.0)), least)
    out = np.minimum(out, [0.5 * asked.get(q, np.inf) for q in seen.names()])
    out[~np.isfinite(seen.row())] = np.nan
    return np.asarray(out)


# ------------------------------------------------------------------ the search


def _search(
    world: _World, free: list[str], values: Numbers, known: Observed, rounds: int, test: Table | None, what: str,
    title: str, asked: dict[str, float], wanted: tuple[str, ...], bar: Bar,
) -> Fit:  # fmt: skip
    m = world.model
    target, spread = known.row(), covariance(world.table)
    error = _errors(known, spread, asked)
    used = np.isfinite(target) & np.isin(known.names(), wanted)
    at = lambda x: {**values, **{k: m.numbers[k].value(v) for k, v in zip(free, x, strict=True)}}

    def off(x: F8) -> F8:
        """Deviations over their errors."""
        d = ((world.seen(at(x)).row() - target) / error)[used]
        return np.where(np.isfinite(d), np.clip(d, -_WORST, _WORST), _WORST)

    limits = np.array([[m.numbers[k].coordinate(v) for v in (m.numbers[k].low, m.numbers[k].high)] for k in free]).T
    start = np.array([m.numbers[k].coordinate(values[k]) for k in free])
    said = lambda search, cost: bar.update(
        search, f"{m.name}: {world.done} simulations, {np.sqrt(cost / used.sum()):.3g} standard errors off"
    )
    x, slope, message = descend(off, start, limits, rounds, said)
    bar.update(_SEARCHES, f"{m.name}: {world.done} simulations")
    numbers = at(x)
    spread_of_fit = _spread(slope, spread[np.ix_(used, used)], error[used], len(world.table.present) / world.n)
    at_limit = tuple(k for k, v, a, b in zip(free, x, *limits, strict=True) if v - a < 0.02 or b - v < 0.02)
    scale = np.array([numbers[k] if m.numbers[k].log else 1.0 for k in free])
    errors = dict(zip(free, (scale * np.sqrt(np.diag(spread_of_fit))).tolist(), strict=True))
    many, other = 3 * world.n, world.seed + 1
    fitted = Look(known, error, world.seen(numbers, many, other), len(world.table.present), wanted)
    predicted = None
    if test is not None:
        seen = test.seen()
        predicted = Look(
            seen,
            _errors(seen, covariance(test), {}),
            world.seen(numbers, many, other, test),
            len(test.present),
            tuple(q for q in QUANTITIES if q in USUAL or q in wanted),
        )
    return Fit(
        m.name, title, numbers, errors, spread_of_fit, tuple(free), at_limit, fitted, predicted, what, asked,
        world.done, message,
    )  # fmt: skip


def descend(
    off: Callable[[F8], F8], start: F8, limits: F8, rounds: int, said: Callable[[int, float], None] | None = None
) -> tuple[F8, F8, str]:
    """The coordinates with the least squares, the Jacobian there, and why the search ended.

    A simulation is never quite smooth: a step that fails by its noise ends a search before its time.  So slopes are
    taken over wide steps, first wider ones, and the search is taken up again from the best of all that was simulated.

    Parameters
    ----------
    off : callable
        Coordinates (n,) -> finite deviations over their standard errors, (n_term,).
    start : (n,) float64
        In units in which .15 is a small step: logarithms, for instance.
    limits : (2, n) float64
        Lowest and highest coordinates.
    rounds : int
        Steps of each of the searches (four at most).
    said : callable, optional
        Told after each simulation how many searches are over, and the least sum of squares so far.
    """
    from scipy.optimize import least_squares

    memory: dict[bytes, tuple[float, F8, F8]] = {}
    searches = 0

    def known(x: F8) -> F8:
        key = np.asarray(x).tobytes()
        if key not in memory:
            d = off(x)
            memory[key] = (float(d @ d), np.array(x), d)
            if said is not None:
                said(searches, min(cost for cost, _, _ in memory.values()))
        return memory[key][2]

    def slopes(x: F8, step: float) -> F8:
        columns = []
        for k in range(x.size):
            ends = np.clip([x[k] - step, x[k] + step], *limits[:, k])
            low, high = (known(np.concatenate([x[:k], [v], x[k + 1 :]])) for v in ends)
            columns.append((high - low) / (ends[1] - ends[0]))
        return np.column_stack(columns)

    inner = limits + np.array([[1e-3], [-1e-3]])
    x, before, message = np.clip(start, *inner), np.inf, ""
    for search, step in enumerate((_STEPS[0], *[_STEPS[1]] * (_SEARCHES - 1))):
        searches = search
        found = least_squares(
            known, x, lambda y, h=step: slopes(y, h), bounds=limits, ftol=1e-3, xtol=1e-3, max_nfev=rounds
        )
        cost, x, _ = min(memory.values(), key=lambda entry: entry[0])
        x, message = np.clip(x, *inner), str(found.message)
        if cost > 0.97 * before:
            break
        before = cost
    return x, slopes(x, _STEPS[1]), message


def _spread(slope: F8, spread: F8, error: F8, own: float) -> F8:
    """Covariance of the coordinates: the Jacobian turns that of what was fitted, and the simulation's, into theirs.

    slope : (n_term, n_free), of deviations over errors;  own : lives of the table over those of the simulation
    """
    turn = np.linalg.pinv(slope, rcond=1e-6) / error
    return np.asarray(turn @ (spread * (1.0 + own)) @ turn.T)

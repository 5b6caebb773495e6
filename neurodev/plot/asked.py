"""What is drawn: a history, or that of a run; in which unit, in which colours, on which axes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from matplotlib.colors import LinearSegmentedColormap, ListedColormap
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter
from numpy.typing import NDArray

from neurodev.arrays import F8, I8
from neurodev.errors import ParameterError, nearest, shown
from neurodev.metrics.turnover import SurvivalCurve
from neurodev.plot.door import Asked, is_history, is_run
from neurodev.plot.inside import fit
from neurodev.plot.style import HUES, INK, Clock, Picture, new_figure, plain
from neurodev.structure.duration import unit_of

# days of each unit that another can become
DAYS_OF = {
    "ms": 1.0 / 86400e3, "second": 1.0 / 86400.0, "minute": 1.0 / 1440.0, "hour": 1.0 / 24.0, "day": 1.0, "week": 7.0,
    "month": 365.25 / 12.0, "year": 365.25,
}  # fmt: skip

CAUSES = tuple(HUES[k] for k in (1, 0, 3, 4, 5, 6))  # of what has no colour of its own; births are green

_FEW = 10  # at risk, below which a curve says little

_remembered: ContextVar[dict[Any, Any] | None] = ContextVar("remembered", default=None)


@dataclass(frozen=True)
class About(Asked):
    """A history that is drawn, with the run that it is of, and its times in the unit of the picture."""

    history: Any
    run: Any
    clock: Clock
    factor: float
    """Units of the picture in one of the history."""
    own: bool
    """Whether the picture has a figure of its own, which says whose it is."""

    def times(self, values: Any) -> F8:
        """Times of the history in the unit of the picture."""
        found: F8 = self.factor * values
        return found

    @property
    def projections(self) -> list[str]:
        """Of which projections there are lives, if that is known."""
        return several(self.history.columns.get("projection", np.zeros(0, dtype=str)))

    @property
    def imaged(self) -> bool:
        """Whether births and deaths are known to sessions, and no better."""
        at, h = self.history.sessions, self.history
        limits = np.concatenate([h.born.ravel(), h.died.ravel()])
        return self.run is None and at.size > 1 and bool(np.isin(limits[np.isfinite(limits)], at).all())

    @property
    def start(self) -> float:
        """When watching began."""
        return float(self.factor * self.history.start)

    @property
    def end(self) -> float:
        """When it ended; never at once."""
        return max(float(self.factor * self.history.end), self.start + 1e-9)


@contextmanager
def remembered() -> Iterator[None]:
    """While several pictures of one run are drawn: its history is made once, and forgotten afterwards."""
    token = _remembered.set({})
    try:
        yield
    finally:
        _remembered.reset(token)


def _history(run: Any, projection: Any, sizes: bool) -> Any:
    """The history of a run, which may have been made for another picture."""
    known = _remembered.get()
    key = (id(run), str(projection))
    if known is not None and key in known and (known[key][0] or not sizes):
        return known[key][1]
    found = run.history(projection=projection, sizes=sizes)
    if known is not None:
        known.clear()  # no more than one is held
        known[key] = (sizes, found)
    return found


def about(of: Any, projection: Any, unit: str | None, own: bool, *, sizes: bool = True) -> About:
    """What is drawn: a history as it is, or that of a run.

    Raises
    ------
    ParameterError
        For what is neither, a projection that is not there, and a unit that the times cannot become.
    """
    if isinstance(of, About):
        return replace(of, own=own)
    run = None
    if is_history(of):
        history = of
        if projection is not None:
            known = sorted({str(x) for x in of.columns.get("projection", ())})
            if str(projection) not in known:
                raise ParameterError(f"projection {projection!r} is not in this history; there are {known}")
            history = of.select(projection=str(projection))
    elif is_run(of):
        run, history = of, _history(of, projection, sizes)
    else:
        raise ParameterError(f"of must be a History or a run, nd.Run(path), got {shown(of)}")
    clock, factor = clock_in(history, unit, run is not None)
    return About(history, run, clock, factor, own)


def clock_in(history: Any, unit: str | None, of_run: bool = False) -> tuple[Clock, float]:
    """The unit of a picture, and how many of them the unit of a history is.

    Raises
    ------
    ParameterError
        For a unit that its times cannot become.
    """
    of = history.unit
    if unit is None:
        unit = of
        if of == "day" and 0.0 < history.end - history.start < 1.0 - 1e-6:
            unit = unit_of(history.end - history.start)[1]
    factor = 1.0
    if unit != of:
        if of not in DAYS_OF:
            raise ParameterError(f"unit must be {of!r}, for the times of this history are in no other, got {unit!r}")
        if unit not in DAYS_OF:
            raise ParameterError(f"unit must be one of {list(DAYS_OF)}, got {unit!r}{nearest(unit, DAYS_OF)}")
        factor = DAYS_OF[of] / DAYS_OF[unit]
    many = unit if unit == "ms" else f"{unit}s"
    axis = unit if unit in ("epoch", "session") else f"{'life time' if of_run else 'time'} ({many})"
    return Clock(DAYS_OF.get(unit, 1.0), unit, many, axis, f"age ({many})"), factor


def _apart(shades: dict[str, str]) -> dict[str, str]:
    """Colours of words that are drawn together: of two that declare the same, the second takes one that is free."""
    out: dict[str, str] = {}
    for word, shade in shades.items():
        free = (h for h in HUES if h not in shades.values() and h not in out.values())
        out[word] = shade if shade not in out.values() else next(free, shade)
    return out


def colours_of(
    words: Sequence[str], colours: Any, usual: Sequence[str] | dict[str, str] = HUES, also: Sequence[str] = ()
) -> dict[str, str]:
    """A colour for each word: of a dictionary by word, of a list in order, or the usual one.

    Raises
    ------
    ParameterError
        For a word that is neither drawn nor among `also`.
    """
    plainly = (
        [usual[w] for w in words] if isinstance(usual, dict) else [usual[k % len(usual)] for k in range(len(words))]
    )
    found = dict(zip(words, plainly, strict=True))
    if isinstance(usual, dict):
        found = _apart(found)
    if isinstance(colours, dict):
        for word in colours:
            if word not in found and word not in also:
                raise ParameterError(
                    f"colours: nothing in this picture is called {word!r}; there are {list(words)}"
                    f"{nearest(str(word), list(words))}"
                )
        return {w: colours.get(w, c) for w, c in found.items()}
    if colours is not None:
        return {w: colours[k % len(colours)] for k, w in enumerate(words)}
    return found


def axes_of(ax: Any, width: float = 6.0, height: float = 3.6) -> tuple[Picture, Any]:
    """The figure that holds some axes, and these; a figure of its own, inches, if there are none."""
    if ax is None:
        figure = new_figure(width, height)
        return figure, figure.add_subplot()
    return ax.get_figure(root=True), ax


def say(ax: Any, it: About, title: str, x: str, y: str, note: str = "") -> None:
    """Title, labels and note of a panel; a figure of its own says whose history it is."""
    name = short(it.history.title, 60) if it.own else ""
    plain(ax, title, x, y, ": ".join(w for w in (name, note) if w))
    if it.clock.one in ("epoch", "session") and x == it.clock.axis:
        ax.xaxis.set_major_locator(MaxNLocator(8, integer=True))
    if ax.get_figure(root=True).get_layout_engine() is None:  # a figure of the user's: ours does so when it is drawn
        fit(ax)


def short(text: Any, most: int = 28) -> str:
    """A name, not longer than so many letters."""
    words = " ".join(str(text).split())
    return words if len(words) <= most else f"{words[: most - 3]}..."


def cells_of(it: About, column: str) -> int:
    """How many cells there are: of a run all that can be targets, of a history those that it names."""
    if it.run is None or column != "cell":
        return int(np.unique(it.history.column(column)).size)
    names = it.projections or it.run.plastic
    targets = {it.run.projection(name)["target"] for name in names}
    return sum(int(it.run.population(t)["n"]) for t in targets)


def several(words: NDArray[Any]) -> list[Any]:
    """Each word once, in order: of many that are few this is faster than to sort them."""
    return sorted(set(words.tolist()))


def causes_of(it: About) -> tuple[NDArray[Any], dict[str, str]]:
    """The word of what each died of, (n,), empty of the living; and the usual colours of these words."""
    h = it.history
    dead = np.isfinite(h.died[:, 1])
    given = h.columns.get("cause")
    if given is None:
        return np.where(dead, "deaths", ""), {"deaths": CAUSES[0]}
    words = np.asarray(given)
    words = words if words.dtype.kind == "U" else words.astype(str).reshape(len(h))
    named = words != ""
    if (named != dead).any():
        words = np.where(dead, np.where(named, words, "unknown"), "")
    count = Counter(words[dead].tolist())
    order = sorted(count, key=lambda w: (-count[w], w))
    known = h.causes
    usual = {
        w: known[w].colour if known is not None and w in known else CAUSES[k % len(CAUSES)] for k, w in enumerate(order)
    }
    return words, usual


def names_of(it: About) -> list[str]:
    """Words that colours may be given for, though nothing of that kind is in a picture."""
    known = it.history.causes
    return ["alive", "births", "deaths", "unknown", *(known.words if known is not None else ())]


def bar(ax: Any, drawn: Any, said: str) -> None:
    """The scale of colours at the right of a panel."""
    scale = ax.get_figure(root=False).colorbar(drawn, ax=ax, pad=0.02, fraction=0.05)
    scale.set_label(said, fontsize=9, color=INK)
    scale.ax.yaxis.label.set_parse_math(False)
    scale.ax.tick_params(labelsize=8.5, colors=INK, length=3)
    scale.outline.set_visible(False)
    scale.ax.said = ("", "", None)  # its words are made to fit as well


def shades(colours: Any, *, dark: bool = False) -> Any:
    """A scale of colours for numbers from low to high; `dark` towards the high ones, for what stands on white."""
    if isinstance(colours, dict):
        raise ParameterError(f"colours must be a list from low to high in this picture, got {shown(colours)}")
    if colours is None:
        return "cividis_r" if dark else "cividis"
    return LinearSegmentedColormap.from_list("given", colours) if len(colours) > 1 else ListedColormap(colours)


def brief(number: float) -> str:
    """A large number as an axis says it: 25k, 1.5M."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(number) >= size:
            return f"{number / size:.3g}{letter}"
    return f"{number:.3g}"


def draw_survival(ax: Any, it: About, km: SurvivalCurve, shade: str, width: float, label: str, n: int) -> float:
    """Draw a curve with its band as far as ten are at risk (all of it, of few lives); returns where it ends."""
    enough = km.at_risk >= (_FEW if n >= 3 * _FEW else 1)
    t, v = np.concatenate([[0], km.time[enough]]), np.concatenate([[1], km.value[enough]])
    low, high = (np.concatenate([[1], edge[enough]]) for edge in km.interval())
    if enough.all() and np.isfinite(km.until):  # nobody dies any more, but some are watched on
        t, v, low, high = (np.append(a, b) for a, b in ((t, km.until), (v, v[-1]), (low, low[-1]), (high, high[-1])))
    t = it.times(t)
    ax.step(t, v, where="post", color=shade, lw=width, label=label)
    ax.fill_between(t, low, high, step="post", color=shade, alpha=0.22, lw=0)
    return float(t[-1])


def log_axis(axis: Any) -> None:
    """A logarithmic scale with a few round names."""
    low, high = axis.get_view_interval()
    narrow = high < 300 * max(low, 1e-300)
    axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if narrow else (1.0,), numticks=8))
    axis.set_major_formatter(lambda v, _: rounded(v))
    axis.set_minor_formatter(NullFormatter())


def rounded(number: float) -> str:
    """A round number as an axis says it."""
    if number > 0 and not 1e-3 <= number < 1e5:
        power = int(np.floor(np.log10(number) + 1e-9))
        head = number / 10.0**power
        return f"$10^{{{power}}}$" if abs(head - 1) < 1e-6 else f"${head:.3g}\\cdot10^{{{power}}}$"
    return f"{number:.6g}"


def numbered(it: About) -> tuple[I8, I8, int, int]:
    """Numbers of the cells at both ends of each, and how many there are on each side."""
    found = []
    several = it.history.columns.get("projection", np.zeros(len(it.history), dtype=str))
    _, part = np.unique(several, return_inverse=True)
    for side in ("pre", "post"):
        _, cell = np.unique(it.history.column(side), return_inverse=True)
        _, number = np.unique(part * max(cell.max(initial=0) + 1, 1) + cell, return_inverse=True)
        found.append(number)
    return found[0], found[1], int(found[0].max(initial=-1)) + 1, int(found[1].max(initial=-1)) + 1

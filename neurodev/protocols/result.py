"""What a protocol yields: curves of a mechanism run alone, each beside its closed form and, if given, a measurement."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from neurodev.arrays import F8
from neurodev.errors import ParameterError, shown
from neurodev.params import flag, numbers
from neurodev.registry import Spoken


def _array(values: ArrayLike | None, argument: str) -> F8:
    """Numbers (n,), NaN among them; none for None."""
    if values is None:
        return np.zeros(0)
    found = np.atleast_1d(np.asarray(numbers(values, argument), dtype=np.float64))
    if found.ndim != 1:
        raise ParameterError(f"{argument} must be a list of numbers, got an array of shape {found.shape}")
    return found


def _as_many(values: ArrayLike, argument: str, n: int) -> F8:
    """One number for all of `n`, or one for each."""
    found = _array(values, argument)
    if found.size not in (1, n):
        raise ParameterError(f"{argument} needs one number, or one for each of {n} points, got {found.size}")
    return np.broadcast_to(found, n).copy()


def _several(values: Any, argument: str, least: int, most: int) -> list[F8]:
    """A tuple of lists of numbers."""
    if not isinstance(values, (tuple, list)) or not least <= len(values) <= most:
        many = f"{least}" if least == most else f"{least} or {most}"
        raise ParameterError(f"{argument} must be a tuple of {many} lists of numbers, got {shown(values)}")
    return [_array(a, argument) for a in values]


def _texts(thing: Any, *names: str) -> None:
    for name in names:
        if not isinstance(getattr(thing, name), str):
            raise ParameterError(f"{name} must be a text, got {shown(getattr(thing, name))}")


def _list_of(thing: Any, name: str, kind: type) -> None:
    given = getattr(thing, name)
    if not isinstance(given, (list, tuple)) or not all(isinstance(x, kind) for x in given):
        raise ParameterError(f"{name} must be a list of {kind.__name__}, got {shown(given)}")


@dataclass(frozen=True)
class Curve(metaclass=Spoken):
    """One curve of a mechanism and its theory.

    Attributes
    ----------
    label : str
    x, y : (n,) float64
        What the mechanism's own code gave.
    theory : (n,) float64
        The closed form at `x`; NaN where there is none.
    accepted : (n,) float64
        Deviation that rounding, a step, or four standard errors of a finite sample account for.
    theory_x, theory_y : (m,) float64
        The closed form on a finer grid, for drawing (else `x` and `theory`).
    data_x, data_y, data_error : (k,) float64
        A measurement, empty if there is none.
    """

    label: str
    x: F8
    y: F8
    theory: F8
    accepted: F8
    theory_x: F8
    theory_y: F8
    data_x: F8
    data_y: F8
    data_error: F8

    def __post_init__(self) -> None:
        _texts(self, "label")
        for name in ("x", "y", "theory", "accepted", "theory_x", "theory_y", "data_x", "data_y", "data_error"):
            object.__setattr__(self, name, _array(getattr(self, name), name))
        for first, *others in (("x", "y", "theory", "accepted"), ("theory_x", "theory_y"), ("data_x", "data_y")):
            for name in others:
                n, size = getattr(self, first).size, getattr(self, name).size
                if size != n:
                    raise ParameterError(f"{name} needs one number for each of the {n} of {first}, got {size}")
        if self.data_error.size not in (0, self.data_x.size):
            raise ParameterError(f"data_error needs {self.data_x.size} numbers or none, got {self.data_error.size}")

    @property
    def error(self) -> float:
        """Largest deviation from the closed form, in the unit of y; NaN without one."""
        d = np.abs(self.y - self.theory)
        return float(np.nanmax(d)) if d.size and not np.all(np.isnan(d)) else float("nan")

    @property
    def share(self) -> float:
        """Largest deviation as a share of what is accepted there: at most 1 where the curve holds."""
        d = np.abs(self.y - self.theory)
        with np.errstate(divide="ignore", invalid="ignore"):
            s = np.where(d == 0.0, 0.0, d / self.accepted)
        return float(np.nanmax(s)) if s.size and not np.all(np.isnan(s)) else float("nan")


@dataclass
class Panel(metaclass=Spoken):
    """Curves that share two axes; with `bands`, single numbers in half-widths from the middle of their bands.

    With `x_names`, x counts words from 0 instead of measuring something.
    """

    title: str
    x_label: str
    y_label: str
    curves: list[Curve] = field(default_factory=list)
    log_x: bool = False
    log_y: bool = False
    bands: bool = False
    x_names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _texts(self, "title", "x_label", "y_label")
        _list_of(self, "curves", Curve)
        _list_of(self, "x_names", str)
        for name in ("log_x", "log_y", "bands"):
            setattr(self, name, flag(getattr(self, name), name))

    def add(
        self, label: str, x: ArrayLike, y: ArrayLike, theory: ArrayLike | None = None, accepted: ArrayLike = 1e-9, *,
        fine: tuple[ArrayLike, ArrayLike] | None = None,
        data: tuple[ArrayLike, ArrayLike] | tuple[ArrayLike, ArrayLike, ArrayLike] | None = None,
    ) -> Panel:  # fmt: skip
        """Add a curve.

        Parameters
        ----------
        label : str
        x, y : (n,) array_like
        theory : (n,) array_like, optional
            The closed form at `x`.
        accepted : scalar or (n,) array_like
            Accepted deviation, in the unit of y.
        fine : tuple of two (m,) array_like, optional
            The closed form for drawing.
        data : tuple of (k,) array_like, optional
            A measurement: x, y and (optionally) its error.
        """
        xs, ys = _array(x, "x"), _array(y, "y")
        th = np.full(ys.size, np.nan) if theory is None else _as_many(theory, "theory", ys.size)
        tx, ty = (xs, th) if fine is None else _several(fine, "fine", 2, 2)
        d = [] if data is None else _several(data, "data", 2, 3)
        given = d + [np.zeros(0)] * (3 - len(d))
        limit = _as_many(accepted, "accepted", ys.size)
        self.curves.append(Curve(label, xs, ys, th, limit, tx, ty, *given))
        return self


@dataclass
class Protocol(metaclass=Spoken):
    """A mechanism, run alone.

    Attributes
    ----------
    mechanism : Mechanism
        The mechanism as it was run.
    question : str
        What the protocol does, in a sentence.
    panels : list of Panel
    source : str
        Where the closed form or the experiment comes from.
    """

    mechanism: Any
    question: str
    panels: list[Panel]
    source: str = ""

    def __post_init__(self) -> None:
        _texts(self, "question", "source")
        _list_of(self, "panels", Panel)

    @property
    def name(self) -> str:
        """The mechanism's word."""
        return str(getattr(self.mechanism, "name", "") or type(self.mechanism).__name__)

    @property
    def curves(self) -> list[Curve]:
        """All curves, panel by panel."""
        return [c for p in self.panels for c in p.curves]

    @property
    def worst(self) -> Curve:
        """The curve whose deviation is the largest share of what is accepted."""
        tested = [c for c in self.curves if not np.isnan(c.error)]
        return max(tested or self.curves, key=lambda c: -1.0 if np.isnan(c.share) else c.share)

    @property
    def error(self) -> float:
        """Largest deviation of the worst curve from its closed form, in its own unit."""
        return self.worst.error

    @property
    def passed(self) -> bool:
        """Whether every curve with a closed form lies within what is accepted, and there is at least one."""
        shares = [c.share for c in self.curves if not np.isnan(c.error)]
        return bool(shares) and all(s <= 1.0 for s in shares)

    def plot(self) -> Any:
        """Model, theory and measurement: a matplotlib Figure."""
        from neurodev.plot.protocol import figure

        return figure(self)

    def __str__(self) -> str:
        lines = [f"{self.name}: {self.question}"]
        for p in self.panels:
            lines.append(f"  {p.title}" + (f"  ({p.x_label}; {p.y_label})" if not p.bands else ""))
            for c in p.curves:
                label = c.label or "model"
                if p.bands:
                    lines.append(f"    {label}: {'inside' if c.share <= 1.0 else 'OUTSIDE'}")
                elif np.isnan(c.error):
                    lines.append(f"    {label:<34} {c.y.size} points, no closed form")
                else:
                    verdict = "agrees" if c.share <= 1.0 else "DEVIATES"
                    lines.append(
                        f"    {label:<34} {c.y.size:>4} points, largest deviation {c.error:.3g} "
                        f"({100 * c.share:.3g} % of what is accepted): {verdict}"
                    )
        if self.source:
            lines.append(f"  source: {self.source}")
        return "\n".join(lines)

"""The door of the pictures: axes, runs, numbers and words are looked at before anything is drawn.

`drawn` asks for each argument by the rule that bears its name, so that all panels speak alike; a function with an
argument that has no rule cannot be defined.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, ParamSpec, TypeVar

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import is_color_like
from matplotlib.figure import FigureBase

from neurodev.errors import NeurodevError, ParameterError, shown
from neurodev.params import by_name, counted, finite, flag, measured, numbers, of_type, one_of, or_none
from neurodev.structure.cause import Causes

P = ParamSpec("P")
R = TypeVar("R")
Rule = Callable[[Any, str], Any]

_INCHES = 500.0  # of a side: more pixels than a picture can have


def _like(what: str, *names: str) -> Rule:
    """A rule: whatever has these attributes, which are not computed for it."""

    def rule(value: Any, argument: str) -> Any:
        nothing = object()
        if isinstance(value, type) or any(inspect.getattr_static(value, n, nothing) is nothing for n in names):
            raise ParameterError(f"{argument} must be {what}, got {shown(value)}")
        return value

    return rule


def is_history(value: Any) -> bool:
    """Whether something is asked as `History` is."""
    return not isinstance(value, type) and all(hasattr(type(value), n) for n in ("lives", "present", "survival"))


def is_run(value: Any) -> bool:
    """Whether something has a history, as `Run` has."""
    return not isinstance(value, type) and callable(getattr(type(value), "history", None))


class Asked:
    """What pictures are drawn of, where several are drawn of the same."""


def _of(value: Any, argument: str) -> Any:
    """A rule: a history, or what has one."""
    if not is_history(value) and not is_run(value) and not isinstance(value, Asked):
        raise ParameterError(f"{argument} must be a History or a run, nd.Run(path), got {shown(value)}")
    return value


def _colours(value: Any, argument: str) -> Any:
    """A rule: colours by word, or some in a row."""
    given = list(value.values()) if isinstance(value, dict) else list(value) if isinstance(value, (list, tuple)) else []
    if not given or not all(isinstance(c, (str, tuple, list)) and is_color_like(c) for c in given):
        raise ParameterError(
            f"{argument} must be a list of colours, or a dictionary of word: colour, such as '#0072B2', "
            f"got {shown(value)}"
        )
    return dict(value) if isinstance(value, dict) else given


def _kind(value: Any, argument: str) -> str:
    """A rule: whose lives."""
    return one_of(value, argument, ("newborn", "standing", "all"))


_RUN = _like("a run, nd.Run(path)", "days", "is_training", "projection", "log")
_SECTION = "title, note and markup as three texts"
_BAR = "a label, a colour, and heights from 0 on"


def a_trained_run(value: Any, argument: str) -> Any:
    """A run of training."""
    if not _RUN(value, argument).is_training:
        raise ParameterError(f"{argument} must be a run of training, got {shown(value)}: draw it with plot.evolution")
    return value


def a_developed_run(value: Any, argument: str) -> Any:
    """A run of development."""
    if _RUN(value, argument).is_training:
        raise ParameterError(f"{argument} must be a run of development, got {shown(value)}: draw it with plot.training")
    return value


def _triples(of: str, fits: Callable[[Any], bool]) -> Rule:
    """A rule: a list of triples."""

    def rule(value: Any, argument: str) -> Any:
        listed = isinstance(value, Iterable) and not isinstance(value, (str, bytes, dict, set))
        items = list(value) if listed and bool(getattr(value, "ndim", 1)) else None
        if items is None or not all(isinstance(x, (tuple, list)) and len(x) == 3 and fits(x) for x in items):
            raise ParameterError(f"{argument} must be a list of {of} each, got {shown(value)}")
        return items

    return rule


def _is_bar(x: Any) -> bool:
    heights = x[2]
    return all(isinstance(w, str) for w in x[:2]) and isinstance(heights, np.ndarray) and heights.ndim == 1


def rising(value: Any, argument: str) -> Any:
    """A rule: rising numbers, two at least."""
    found = unbounded(value, argument)
    if not np.isfinite(found).all():
        raise ParameterError(f"{argument} must be finite, got {shown(value)}")
    return found


def unbounded(value: Any, argument: str) -> Any:
    """A rule: rising numbers, two at least; the outer ones may be infinite."""
    found = np.asarray(numbers(value, argument), dtype=np.float64)
    if found.ndim != 1 or found.size < 2 or not np.all(np.diff(found) > 0):
        raise ParameterError(f"{argument} must be at least two rising numbers, got {shown(value)}")
    return found


def times(value: Any, argument: str) -> Any:
    """A rule: a time, or some of them."""
    found = np.atleast_1d(measured()(value, argument))
    if found.ndim != 1 or not found.size:
        raise ParameterError(f"{argument} must be times, one at least, got {shown(value)}")
    return found


def named(value: Any, argument: str) -> Any:
    """A rule: an identity, which the history knows."""
    if not isinstance(value, (str, int, float, np.generic)) or isinstance(value, bool):
        raise ParameterError(f"{argument} must be an identity, as in history.ident, got {shown(value)}")
    return value


def a_list(value: Any, argument: str) -> Any:
    """A rule: some values in a row."""
    items = value.tolist() if isinstance(value, np.ndarray) and value.ndim == 1 else value
    if not isinstance(items, (list, tuple)) or not items or any(isinstance(x, (bool, np.bool_)) for x in items):
        raise ParameterError(f"{argument} must be a list of values, one at least, got {shown(value)}")
    return list(items)


def _moments(value: Any, argument: str) -> Any:
    found = measured()(value, argument)
    if found.ndim != 1:
        raise ParameterError(f"{argument} must be a list of numbers, got {shown(value)}")
    return found


def _pair(fits: Rule) -> Rule:
    """A rule: two of something."""

    def rule(value: Any, argument: str) -> Any:
        if not isinstance(value, (tuple, list)) or len(value) != 2:
            raise ParameterError(f"{argument} must be two of them, got {shown(value)}")
        return tuple(fits(x, argument) for x in value)

    return rule


def _draw(value: Any, argument: str) -> Any:
    if not callable(value) or isinstance(value, type):
        raise ParameterError(f"{argument} must be a function draw(ax, run, ...), got {shown(value)}")
    return value


def _as_it_is(value: Any, argument: str) -> Any:
    """A rule: the run, or what writes, looks at it, and names it."""
    return value


_TEXT = of_type(str, what="a text")
_SIDE = finite("inches", above=0.0, high=_INCHES)
_COUNT = counted(1)
RULES: dict[str, Rule] = {
    "ax": of_type(Axes, what="the axes of a figure, figure.add_subplot()"),
    "figure": of_type(FigureBase, what="a figure, plot.style.new_figure(width, height)"),
    "of": _of, "colours": or_none(_colours),
    "events": flag, "unit": or_none(_TEXT), "per": or_none(_TEXT), "by": or_none(_TEXT),
    "kind": or_none(_kind),
    "run": _RUN, "control": or_none(_RUN),
    "spine": _like("a spine, run.spines[uid]", "uid", "born", "died", "log_size", "deeds"),
    "synapse": _like("a synapse of a run of training, run.spines[uid]", "uid", "born", "epochs", "weight"),
    "protocol": _like("a protocol, nd.isolate(mechanism)", "panels", "question"),
    "panel": _like("a panel of a protocol", "curves", "title", "x_label"),
    "draw": _draw, "causes": or_none(of_type(Causes, what="the causes of a run, run.causes")),
    "projection": _as_it_is, "neuron": _as_it_is, "chosen": _as_it_is, "path": _as_it_is, "to": _as_it_is,
    "day": finite("days", low=0.0), "wanted": finite("days"), "days": finite("days", low=0.0),
    "end": finite("days", low=0.0), "moments": _moments, "threshold": or_none(finite()),
    "n": _COUNT, "neurons": _COUNT, "most": _COUNT, "parts": counted(1, 1000), "dpi": counted(1, 2400),
    "width": _SIDE, "height": _SIDE, "size": _pair(_SIDE), "words": _pair(_TEXT),
    "largest": or_none(finite("mV", above=0.0)), "reach": or_none(finite("um", above=0.0)),
    "standing": flag, "small": flag, "replace": flag,
    "up": _triples(_BAR, _is_bar), "down": _triples(_BAR, _is_bar),
    "sections": _triples(_SECTION, lambda x: all(isinstance(w, str) for w in x)),
    "data": of_type(bytes, what="bytes"),
    **dict.fromkeys(("title", "x", "y", "note", "text", "alt", "name", "lead", "cause"), _TEXT),
}  # fmt: skip


def drawn(**others: Rule) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Decorate a function of this room: its arguments pass the rules of their names, or of `others`.

    Raises
    ------
    ParameterError
        Naming the argument, its value and what it should be.
    """

    def mark(function: Callable[P, R]) -> Callable[P, R]:
        asked = by_name(RULES, **others)(function)
        return _beside(asked) if {"run", "control"} <= {*inspect.signature(function).parameters} else asked

    return mark


def _beside(function: Callable[P, R]) -> Callable[P, R]:
    """A function that draws a control beside a run: it has the projection that is drawn, and on spines as there."""
    signature = inspect.signature(function)

    @functools.wraps(function)
    def asked(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            given = signature.bind(*args, **kwargs).arguments
        except TypeError:  # the function says so
            return function(*args, **kwargs)
        run, control, name = given["run"], given.get("control"), given.get("projection")
        if control is not None and _RUN(run, "run") and _RUN(control, "control"):
            if name is not None or run.plastic:
                comparable(run, control, [run.projection(name)])
        return function(*args, **kwargs)

    return asked


def comparable(run: Any, control: Any, projections: Iterable[dict[str, Any]]) -> None:
    """Refuse a control that has not these projections, on spines as in the run; and one of training, or for one.

    Raises
    ------
    ParameterError
    """
    if run.is_training or control.is_training:
        one = run if run.is_training else control
        raise ParameterError(f"a control is for runs of development, and {one.path} is one of training: leave it out")
    for q in projections:
        try:
            there = bool(control.projection(q["name"])["spines"])
        except NeurodevError:
            theirs = sorted(p["name"] for p in control.network["projections"])
            raise ParameterError(
                f"control {control.path} is no control of {run.path}: it has no projection {q['name']!r}, but {theirs}"
            ) from None
        if there != bool(q["spines"]):
            raise ParameterError(
                f"control {control.path} is no control of {run.path}: {q['name']!r} is on spines in one of them only"
            )


pictured = partial(drawn, ax=or_none(RULES["ax"]))
trained = drawn(run=a_trained_run)
developed = drawn(run=a_developed_run, control=or_none(a_developed_run))

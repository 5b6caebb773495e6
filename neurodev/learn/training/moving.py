"""From gradients to a step: clipped by value or norm, with rates and decays of their own for some layers."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import numpy as np

from neurodev.errors import ParameterError, StudyError, nearest, shown
from neurodev.learn.core.layer import Vector, Weights
from neurodev.learn.model import Sequential
from neurodev.params import number

Parameter = Weights | Vector
SETTINGS = ("rate", "decay")


class Moving:
    """Clips gradients and moves parameters.

    Parameters
    ----------
    model : Sequential
    optimiser : Optimiser
    groups : mapping of str to mapping
        By the name of a layer, or ``"layer.key"`` for one of its parameters: ``rate`` and ``decay`` in place of the
        optimiser's.  A rate goes along with the optimiser's, whatever changes that; one of 0 leaves the layer as it is.
    norm, value : float, optional
        Longest gradient of all parameters together, and largest one of any.

    Raises
    ------
    ParameterError, StudyError
        Naming what does not fit.
    """

    def __init__(
        self, model: Sequential, optimiser: Any, groups: Any = None, norm: float | None = None,
        value: float | None = None,
    ):  # fmt: skip
        self.norm = None if norm is None else number(norm, "clip_norm", above=0.0)
        self.value = None if value is None else number(value, "clip_value", above=0.0)
        self._model, self._groups = model, checked(model, optimiser, groups)
        self._ratio = {k: g["rate"] / optimiser.rate for k, g in self._groups.items() if "rate" in g}
        self._longest, self._shortened, self._steps = 0.0, 0, 0

    def clip(self) -> None:
        """Shorten the gradients.

        Raises
        ------
        ParameterError
            If their length is no number.
        """
        if self.norm is None and self.value is None:
            return
        gradients = [p.flat()[1] for p in self._model.parameters_of()]
        length = float(np.sqrt(sum(float(np.dot(g, g)) for g in map(_doubles, gradients))))
        if not np.isfinite(length):
            raise ParameterError(
                f"the gradient became {length}, which cannot be clipped: lower the optimiser's rate, or look for a "
                "division by zero in the loss"
            )
        most = max((float(np.abs(g).max(initial=0)) for g in gradients), default=0.0)
        self._longest, self._steps = max(self._longest, length), self._steps + 1
        self._shortened += (self.norm is not None and length > self.norm) or (
            self.value is not None and most > self.value
        )
        for g in gradients:
            if self.value is not None and most > self.value:
                np.clip(g, -self.value, self.value, out=g)
        if self.norm is None:
            return
        if self.value is not None and most > self.value:  # clipped by value first, then by norm
            length = float(np.sqrt(sum(float(np.dot(g, g)) for g in map(_doubles, gradients))))
        if length > self.norm:
            for g in gradients:
                g *= g.dtype.type(self.norm / length)

    def step(self, optimiser: Any, factor: float) -> None:
        """Move all parameters, each group by a copy of the optimiser with its settings."""
        if not self._groups:
            optimiser.step(self._model.parameters_of(), factor)
            return
        rest, parts = self._divided()
        others = []
        for name, chosen in parts.items():
            other = copy.copy(optimiser)  # which stands at the same step, and keeps moments where the parameters are
            given = self._groups[name]
            if name in self._ratio:
                object.__setattr__(other, "rate", optimiser.rate * self._ratio[name])
            if "decay" in given:
                object.__setattr__(other, "decay", given["decay"])
            others.append((other, chosen))
        optimiser.step(rest, factor)
        for other, chosen in others:
            other.step(chosen, factor)

    def _divided(self) -> tuple[list[Parameter], dict[str, list[Parameter]]]:
        """Parameters of no group, and those of each; ``"layer.key"`` goes before ``"layer"``."""
        rest: list[Parameter] = []
        parts: dict[str, list[Parameter]] = {name: [] for name in self._groups}
        for layer in self._model.layers():
            for key, p in layer.parameters.items():
                names = (f"{layer.name}.{key}", layer.name)
                mine = next((n for n in names if n in parts), None)
                (rest if mine is None else parts[mine]).append(p)
        return rest, parts

    def series(self) -> dict[str, float]:
        """Longest gradient of an epoch before it was clipped, and the share of steps that were; counted anew."""
        if self.norm is None and self.value is None:
            return {}
        out = {"gradient_norm": self._longest, "clipped": self._shortened / max(self._steps, 1)}
        self._longest, self._shortened, self._steps = 0.0, 0, 0
        return out


def _doubles(gradient: Any) -> Any:
    return gradient.astype(np.float64)


def checked(model: Sequential, optimiser: Any, groups: Any) -> dict[str, dict[str, float]]:
    """Groups of parameters, looked at.

    Raises
    ------
    ParameterError, StudyError
        Naming the group.
    """
    if groups is None:
        return {}
    if not isinstance(groups, Mapping):
        raise ParameterError(f'groups must be a table such as {{"out": {{"rate": 1e-4}}}}, got {shown(groups)}')
    known = [n for layer in model.layers() if layer.parameters for n in
             (layer.name, *(f"{layer.name}.{k}" for k in layer.parameters))]  # fmt: skip
    out: dict[str, dict[str, float]] = {}
    for name, given in groups.items():
        if name not in known:
            raise StudyError(f"groups: there is no layer {shown(name)}{nearest(str(name), known)}; there are {known}")
        if not isinstance(given, Mapping) or not given or any(k not in SETTINGS for k in given):
            raise ParameterError(f"groups[{name!r}] must be a table of {' and '.join(SETTINGS)}, got {shown(given)}")
        for key in given:
            if not hasattr(optimiser, key):
                raise StudyError(f"groups[{name!r}]: {type(optimiser).__name__} has no {key} that could be another")
        out[name] = {k: number(v, f"groups[{name!r}]: {k}", low=0.0) for k, v in given.items()}
    return out

"""Wiring by distance with a kernel of one's choice: a named one, or a function of distance."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from neurodev import registry
from neurodev.arrays import F8, Integers
from neurodev.errors import ParameterError, nearest, shown
from neurodev.params import check, check_memory, param
from neurodev.structure.distances import squares
from neurodev.structure.places import Sheet
from neurodev.structure.wiring import SYNAPSE, Wiring, checked_inputs, partners, tossed

_SAMPLE = 64  # targets over which the mean of a kernel is taken

KERNELS: dict[str, Callable[[F8, float, float, float], F8]] = {
    "gaussian": lambda d, scale, wide, surround: np.exp(-(d**2) / (2.0 * scale**2)),
    "exponential": lambda d, scale, wide, surround: np.exp(-d / scale),
    "box": lambda d, scale, wide, surround: (d <= scale).astype(np.float64),
    "difference": lambda d, scale, wide, surround: np.maximum(
        np.exp(-(d**2) / (2.0 * scale**2)) - surround * np.exp(-(d**2) / (2.0 * wide**2)), 0.0
    ),
}


@dataclass(frozen=True)
class ByDistance(Wiring):
    """Pairs by a kernel of their distance d (um), on a plane or around a periodic sheet.

    Give `inputs` for exactly so many sources a target, or `p` for pairs that are connected independently.

    Parameters
    ----------
    kernel : text or function
        ``"gaussian"`` exp(-d^2 / (2 scale^2)), ``"exponential"`` exp(-d / scale), ``"box"`` 1 up to scale,
        ``"difference"`` (of Gaussians) exp(-d^2 / (2 scale^2)) - surround exp(-d^2 / (2 wide^2)), cut off at 0; or
        ``f(d)``: values >= 0 for distances of any shape; in a study ``"module:function"``.
    scale : float, um
    inputs : int, optional
        Synapses of a target, drawn without replacement in proportion to the kernel.
    p : float, optional
        Pairs are connected with probability ``min(1, p kernel(d))``.
    wide : float, um
        Of the second Gaussian.
    surround : float
        Its height.

    Examples
    --------
    >>> local = ByDistance("exponential", scale=150.0, inputs=20)
    >>> ring = ByDistance(lambda d: (d > 50.0) * np.exp(-d / 100.0), p=0.3)
    """

    kernel: Any | str = "gaussian"
    scale: float = param(100.0, unit="um", above=0.0, high=1e9, source="free")
    inputs: int | None = param(None, unit="1", low=0, none=True, source="given")
    p: float | None = param(None, unit="1", low=0.0, none=True, source="given")
    wide: float = param(200.0, unit="um", above=0.0, high=1e9, source="free")
    surround: float = param(0.5, unit="1", low=0.0, source="free")

    def __post_init__(self) -> None:
        check(self)
        if isinstance(self.kernel, str) and ":" in self.kernel:
            object.__setattr__(self, "kernel", registry.load(self.kernel))
        known = isinstance(self.kernel, str) and self.kernel in KERNELS
        if not known and (not callable(self.kernel) or isinstance(self.kernel, type)):
            hint = nearest(self.kernel, KERNELS) if isinstance(self.kernel, str) else ""
            raise ParameterError(
                f"ByDistance.kernel must be one of {list(KERNELS)} or a function of distance, got "
                f"{shown(self.kernel)}{hint}"
            )
        if (self.inputs is None) == (self.p is None):
            raise ParameterError(
                f"ByDistance takes inputs= (so many a target) or p= (pairs independently), one of them, got "
                f"inputs={self.inputs}, p={self.p}"
            )

    def of(self, distance: F8) -> F8:
        """The kernel at distances (um) of any shape.

        Raises
        ------
        ParameterError
            For a function that gives anything but finite numbers >= 0 of that shape.
        """
        if isinstance(self.kernel, str):
            return KERNELS[self.kernel](distance, self.scale, self.wide, self.surround)
        try:
            found = np.broadcast_to(np.asarray(self.kernel(distance), dtype=np.float64), distance.shape)
        except Exception as e:  # whatever a function of the user's raises
            raise ParameterError(f"ByDistance.kernel {shown(self.kernel)} failed: {type(e).__name__}: {e}") from e
        if not np.all((found >= 0.0) & (found < np.inf)):
            wrong = found[~((found >= 0.0) & (found < np.inf))][0]
            raise ParameterError(
                f"ByDistance.kernel must give finite numbers >= 0, got {wrong} of {shown(self.kernel)}"
            )
        return np.array(found)

    def on(self, sheet: Sheet, source: F8, target: F8) -> ByDistance:
        """See `Wiring.on`; with the mean of the kernel over a sample of targets, for `mean_inputs`."""
        known = copy.copy(super().on(sheet, source, target))
        if self.p is not None and len(source) and len(target):
            some = target[:: max(len(target) // _SAMPLE, 1)][:_SAMPLE]
            p = np.minimum(self.p * known.affinity(source, some, False), 1.0)
            object.__setattr__(known, "_mean", float(p.mean()))
        return known

    def affinity(self, source: F8, target: F8, same: bool) -> F8:
        """The kernel, (n_target, n_source)."""
        a = self.of(np.sqrt(squares(source, target, self.sheet)))
        if same:
            np.fill_diagonal(a, 0.0)
        return a

    def log_affinity(self, source: F8, target: F8) -> F8:
        """See `Wiring.log_affinity`; in closed form where the kernel falls below what a number can hold."""
        d2 = squares(source, target, self.sheet)
        if self.kernel == "gaussian":
            return np.asarray(-d2 / (2.0 * self.scale**2))
        if self.kernel == "exponential":
            return np.asarray(-np.sqrt(d2) / self.scale)
        with np.errstate(divide="ignore"):
            return np.asarray(np.log(self.of(np.sqrt(d2))))

    def draw(
        self, source: F8, target: F8, draw: np.random.Generator, same: bool, multapses: bool
    ) -> tuple[Integers, Integers]:
        """See `Wiring.draw`."""
        n_source, n_target = source.shape[0], target.shape[0]
        if self.inputs is not None:
            k = checked_inputs(self.inputs, n_source, n_target, same, multapses, "ByDistance")
            return partners(self, k, source, target, draw, same, multapses)
        expected = self.mean_inputs(n_source, n_target) * n_target
        check_memory(expected * SYNAPSE, f"ByDistance(p={self.p}) of {expected:.3g} synapses", "lower p")
        chance = lambda block: (self.p or 0.0) * self.affinity(source, target[block], False)
        return tossed(chance, expected, n_source, n_target, draw, same)

    def mean_inputs(self, n_source: int, n_target: int) -> float:
        """`inputs`, or the mean of p kernel(d) over a sample of targets times the sources."""
        if self.inputs is not None:
            return float(self.inputs)
        assert self.p is not None
        return float(self.__dict__.get("_mean", min(self.p, 1.0))) * n_source

    def described(self) -> dict[str, Any]:
        """The kernel: its word, or the place and the text of the function."""
        if isinstance(self.kernel, str):
            return {"kernel": self.kernel}
        word = registry.word_of(self.kernel) if hasattr(self.kernel, "__qualname__") else type(self.kernel).__name__
        try:
            return {"kernel": word, "text": inspect.getsource(self.kernel)}
        except (OSError, TypeError):
            return {"kernel": word}

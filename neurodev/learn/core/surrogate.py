"""Surrogate derivatives of the spike: what stands in for the slope of a step.

``h(x)``, x = V - threshold.  The rectangle and the triangle are zero outside a window, so that
the backward pass touches only neurons near threshold; the others never are.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurodev import params
from neurodev.arrays import Int
from neurodev.errors import ParameterError, nearest
from neurodev.jit import rule
from neurodev.learn.core.doors import divisor
from neurodev.params import param
from neurodev.registry import Registered, find, names

RECTANGLE, TRIANGLE, ARCTAN, FAST_SIGMOID = 0, 1, 2, 3
KINDS = {"rectangle": RECTANGLE, "triangle": TRIANGLE, "arctan": ARCTAN, "fast_sigmoid": FAST_SIGMOID}
COMPACT = ("rectangle", "triangle")


@rule
def slope(kind: Int, x: Any, width: Any) -> Any:
    """The surrogate derivative at x = V - threshold."""
    # an integer here would turn a vector of float32 into one of doubles
    a, zero, one = abs(x), width - width, width / width
    if kind == RECTANGLE:
        return one / (width + width) if a < width else zero
    if kind == TRIANGLE:
        return max(width - a, zero) * (one / (width * width))
    if kind == ARCTAN:
        y = x / width
        return one / (width * (one + y * y))
    y = one + a / width
    return one / (width * y * y)


@dataclass(frozen=True)
class Surrogate(Registered, kind="surrogate", word=True):
    """A surrogate derivative.

    Derive from it to give one a name, with other defaults or with a curve of its own in ``__call__``: neurons call it
    on V - threshold of all their units, which takes longer than the four curves that kernels know.

    Parameters
    ----------
    kind : {"rectangle", "triangle", "arctan", "fast_sigmoid"}
        rectangle ``1/(2w)`` inside ``|x| < w`` (Wu et al. 2018); triangle ``(w - |x|)/w^2`` inside (Esser et al. 2016);
        arctan ``1/(w (1 + (x/w)^2))``, area pi, usually scaled: see `from_alpha`;
        fast sigmoid ``1/(w (1 + |x|/w)^2)``, area 2 (Zenke & Ganguli 2018).
    width : float
        In units of the potential.
    height : float
        Factor on the derivative.

    Examples
    --------
    >>> from neurodev.learn import Surrogate
    >>> Surrogate("triangle", width=1.0)(np.array([-0.5, 0.0, 2.0]))
    array([ 0.5,  1. , -0. ])
    """

    kind: str = param("rectangle", choices=tuple(KINDS))
    width: float = param(0.5, unit="1", above=0.0, source="SD-SNN and STBP use 0.5 for a threshold of 0.5")
    height: float = param(1.0, unit="1", above=0.0, source="unit area; free")

    def __post_init__(self) -> None:
        params.check(self)
        divisor(self.width, f"{type(self).__name__}.width")

    @property
    def own(self) -> bool:
        """Whether its curve is that of its own ``__call__``, which kernels do not know."""
        return type(self).__call__ is not Surrogate.__call__

    @property
    def code(self) -> int:
        """Number of the kind, for kernels.

        Raises
        ------
        ParameterError
            For a surrogate with a curve of its own, which kernels do not know.
        """
        if self.own:
            raise ParameterError(
                f"kernels know {tuple(KINDS)}, not that of {type(self).__name__}: call it in a layer of your own, "
                "as LIF does"
            )
        return KINDS[self.kind]

    @property
    def compact(self) -> bool:
        """Whether it is known to be zero outside ``|x| < width``."""
        return self.kind in COMPACT and not self.own

    @classmethod
    def from_alpha(cls, alpha: float = 2.0) -> Surrogate:
        """The arctan of snnTorch and SpikingJelly, ``alpha / (2 (1 + (pi alpha x / 2)^2))``."""
        alpha = params.number(alpha, "alpha", above=0)
        width = 2.0 / (np.pi * alpha)
        return cls("arctan", width, alpha * width / 2)

    def __call__(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """The derivative at x = V - threshold (an array; for looking at it)."""
        a, w = np.abs(np.asarray(x, dtype=np.float64)), self.width
        y = {
            "rectangle": lambda: (a < w) / (2 * w),
            "triangle": lambda: (a < w) * (w - a) / w**2,
            "arctan": lambda: 1 / (w * (1 + (a / w) ** 2)),
            "fast_sigmoid": lambda: 1 / (w * (1 + a / w) ** 2),
        }[self.kind]()
        return np.asarray(self.height * y, dtype=np.float64)


class _Function(Surrogate, word=False):
    """A function of V - threshold as a surrogate."""

    def __init__(self, function: Callable[[NDArray[Any]], NDArray[Any]]):
        super().__init__()
        object.__setattr__(self, "function", function)

    def __call__(self, x: NDArray[Any]) -> NDArray[Any]:
        y: NDArray[Any] = self.function(x)  # type: ignore[attr-defined]
        return y

    def made_of(self) -> list[Any]:
        """The function."""
        return [self.function]  # type: ignore[attr-defined]

    def __repr__(self) -> str:
        f = self.function  # type: ignore[attr-defined]
        return f"Surrogate({getattr(f, '__qualname__', repr(f))})"


def slopes_of(surrogate: Surrogate, x: NDArray[Any]) -> NDArray[Any]:
    """The derivative at x = V - threshold, in the type of x, as a curve of one's own gives it.

    Raises
    ------
    ParameterError
        If it does not give one number for each.
    """
    y = np.asarray(surrogate(x))
    if y.shape != x.shape or y.dtype.kind not in "fiub":
        raise ParameterError(
            f"the surrogate {surrogate!r} must give a number for each of {x.shape} potentials, got {y.dtype} {y.shape}"
        )
    return y.astype(x.dtype, copy=False)


def as_surrogate(what: Surrogate | str | Callable[[NDArray[Any]], NDArray[Any]]) -> Surrogate:
    """A surrogate from itself, the name of its curve, the name of a class (``"module:Class"``), a class, or a function.

    Raises
    ------
    ParameterError
        For an unknown name, with the nearest.
    """
    if isinstance(what, Surrogate):
        return what
    if isinstance(what, type) and issubclass(what, Surrogate):
        return what()
    if callable(what) and not isinstance(what, type):
        return _Function(what)
    if isinstance(what, str) and what in KINDS:
        return Surrogate(what)
    known = [*KINDS, *names("surrogate")]
    if not isinstance(what, str) or ":" not in what and what not in known:
        raise ParameterError(f"unknown surrogate {what!r}{nearest(str(what), known)}; there are {tuple(known)}")
    found: Surrogate = find("surrogate", what)()
    return found

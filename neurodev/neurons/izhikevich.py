"""The simple model of spiking neurons (Izhikevich 2003, IEEE Trans Neural Netw 14:1569), stepped.

    dv/dt = .04 v^2 + 5 v + 140 - u + I,     du/dt = a (b v - u),     at v = 30 mV a spike: v = c, u -> u + d

with time in ms and v in mV.  The paper takes steps of half a millisecond, which shift spikes by milliseconds; here the
equations themselves are integrated.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from neurodev.arrays import F8, Int
from neurodev.jit import model_rule, view_f8
from neurodev.neurons.stepped import Stepped, parameters_of
from neurodev.params import param

A, B, RESET, D = range(4)


@model_rule
def flow(m: int, i: Int, x: int, dx: int, current: float, t: float) -> int:
    """The slopes of v and u."""
    p, out = parameters_of(m, i), view_f8(dx, 2)
    v, u = view_f8(x, 2)[0], view_f8(x, 2)[1]
    out[0] = (0.04 * v + 5.0) * v + 140.0 - u + current
    out[1] = p[A] * (p[B] * v - u)
    return 0


@model_rule
def after_spike(m: int, i: Int, x: int, c: int, none: float, t: float) -> int:
    """v = c, u -> u + d."""
    state, p = view_f8(x, 2), parameters_of(m, i)
    state[0] = p[RESET]
    state[1] += p[D]
    return 0


@dataclass(frozen=True)
class Izhikevich(Stepped):
    """Izhikevich's simple neurons; approximate: they integrate themselves (see `Stepped`).

    Each parameter is a number or one number per neuron, but for `step` and `tolerance`.

    Parameters
    ----------
    recovery_rate, recovery_slope : float or (n,) array, 1/ms and 1
        a and b of the paper: how fast u follows, and b v, which it follows.
    reset, jump : float or (n,) array, mV and mV/ms
        c and d of the paper: v after a spike, and what a spike adds to u.
    drive : float or (n,) array, mV/ms
        I of the paper.

    Examples
    --------
    >>> Izhikevich(recovery_rate=0.1, jump=2.0, drive=10.0).peak  # fast spiking
    30.0
    """

    equation: ClassVar[str] = (
        "dv/dt = .04 v^2 + 5 v + 140 - u + I;  du/dt = recovery_rate (recovery_slope v - u);  at v >= peak a spike: "
        "v = reset, u grows by jump"
    )
    variables: ClassVar[tuple[str, ...]] = ("v", "u")

    recovery_rate: Any = param(0.02, unit="1/ms", above=0.0, array=True, source="Izhikevich 2003 (regular spiking)")
    recovery_slope: Any = param(0.2, unit="1", array=True, source="Izhikevich 2003 (regular spiking)")
    reset: Any = param(-65.0, unit="mV", array=True, source="Izhikevich 2003 (regular spiking)")
    jump: Any = param(8.0, unit="mV/ms", array=True, source="Izhikevich 2003 (regular spiking)")
    peak: Any = param(30.0, unit="mV", array=True, source="Izhikevich 2003")
    drive: Any = param(0.0, unit="mV/ms", array=True, source="free")

    def flow(self) -> Any:
        """Slopes of v and u."""
        return flow

    def after_spike(self) -> Any:
        """v = c, u -> u + d."""
        return after_spike

    def first(self, values: dict[str, F8]) -> dict[str, F8]:
        """v at reset, u where it then comes to rest, as the paper starts."""
        v = values.get("initial", values["reset"])
        return {"v": v, "u": values["recovery_slope"] * v}

"""Adaptive leaky integrate-and-fire: each spike raises the threshold, which decays back.

``threshold[t] = threshold + boost a[t]``,  ``a[t+1] = hold a[t] + (1 - hold) s[t]``  (Bellec et al. 2018); the rest
as in `neurodev.learn.layers.neurons`, with the threshold of the moment in the reset by subtraction.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurodev import params
from neurodev.arrays import U1, Array
from neurodev.jit import kernel
from neurodev.learn.core.fields import asked
from neurodev.learn.core.layer import Pullback, expect, guarded
from neurodev.learn.core.spikes import Current, Spikes
from neurodev.learn.core.surrogate import slope, slopes_of
from neurodev.learn.layers.neurons import LIF, Slopes, Steps, in_layout

# leak, gain, threshold, boost, hold, whether the reset subtracts
_Neuron = tuple[Any, Any, Any, Any, Any, bool]


@kernel
def integrate_adaptive(x: Array, neuron: _Neuron, u: Array, over: Array, s: U1) -> None:
    """Potentials, what they are above threshold, and spikes; all (outer, T, inner)."""
    leak, gain, threshold, boost, hold, subtract = neuron
    zero = x.dtype.type(0)
    rise = zero + 1 - hold
    a = np.empty(x.shape[2], dtype=x.dtype)
    for o in range(x.shape[0]):
        a[:] = zero
        for t in range(x.shape[1]):
            now, drive, up, spike = u[o, t], x[o, t], over[o, t], s[o, t]
            before, up_before = u[o, max(t - 1, 0)], over[o, max(t - 1, 0)]
            if t == 0:
                for k in range(now.shape[0]):
                    now[k] = gain * drive[k]
            else:
                for k in range(now.shape[0]):
                    fired = up_before[k] >= zero
                    kept = up_before[k] if subtract else zero
                    now[k] = leak * (kept if fired else before[k]) + gain * drive[k]
                for k in range(now.shape[0]):
                    a[k] = hold * a[k] + (rise if up_before[k] >= zero else zero)
            for k in range(now.shape[0]):
                up[k] = now[k] - (threshold + boost * a[k])
            for k in range(now.shape[0]):
                spike[k] = np.uint8(1) if up[k] >= zero else np.uint8(0)


@kernel
def adjoint_adaptive(u: Array, over: Array, g: Array, neuron: _Neuron, slopes: Slopes, d: Array) -> None:
    """Gradient `d` of the input current from that of the spikes; the adjoint of the adaptation runs along.

    All arrays (outer, T, inner).
    """
    leak, gain, _, boost, hold, subtract = neuron
    kind, width, height, attached = slopes
    zero = u.dtype.type(0)
    rise = zero + 1 - hold
    keep = zero + 1 if attached else zero
    n_step = u.shape[1]
    da = np.empty(u.shape[2], dtype=u.dtype)  # dL/da[t + 1]
    for o in range(u.shape[0]):
        da[:] = zero
        for back in range(n_step):
            t = n_step - 1 - back
            now, up, out, push = u[o, t], over[o, t], d[o, t], g[o, t]
            later = d[o, min(t + 1, n_step - 1)]
            for k in range(now.shape[0]):
                carry = zero if back == 0 else leak * later[k]
                fired = up[k] >= zero
                drop = now[k] - up[k] if subtract else now[k]  # what a spike takes off the potential
                h = height * slope(kind, up[k], width)
                above = h * (push[k] + rise * da[k] - keep * carry * drop) if h != zero else zero
                raised = -above
                if subtract and attached and fired:
                    raised -= carry
                da[k] = hold * da[k] + boost * raised
                out[k] = (carry if subtract or not fired else zero) + above
    if gain != 1:
        for o in range(u.shape[0]):
            for t in range(n_step):
                for k in range(u.shape[2]):
                    d[o, t, k] *= gain


def adjoint_adaptive_with(h: Array, u: Array, over: Array, g: Array, neuron: _Neuron, attached: bool, d: Array) -> None:
    """As `adjoint_adaptive`, with the slopes `h` at all potentials, as a surrogate of one's own gives them."""
    leak, gain, _, boost, hold, subtract = neuron
    later, da = np.zeros_like(u[:, 0]), np.zeros_like(u[:, 0])
    for t in range(u.shape[1] - 1, -1, -1):
        fired, carry = over[:, t] >= 0, leak * later
        drop = u[:, t] - over[:, t] if subtract else u[:, t]
        above = h[:, t] * (g[:, t] + (1 - hold) * da - (carry * drop if attached else 0))
        raised = -above - (np.where(fired, carry, 0) if subtract and attached else 0)
        da = hold * da + boost * raised
        later = (carry if subtract else np.where(fired, 0, carry)) + above
        d[:, t] = gain * later


class AdaptiveSteps(Steps):
    """The equations of `AdaptiveLIF` one step at a time; parameters as `Steps`."""

    neurons: AdaptiveLIF

    def __init__(self, neurons: AdaptiveLIF, shape: tuple[int, int, int], kind: type):
        super().__init__(neurons, shape, kind)
        self.over: Array = np.empty(shape, dtype=kind)
        self.a = self.da = self.later = np.zeros(shape[1:], dtype=kind)

    def forward(self, t: int, x: Array) -> None:
        """As `Steps.forward`."""
        (leak, gain), n, v = self.neurons.constants(), self.neurons, np.zeros_like(x)
        self.a = n.hold * self.a + (1 - n.hold) * self.s[t - 1] if t else np.zeros_like(x)
        if t:
            v = np.where(self.s[t - 1], self.over[t - 1] if self.subtract else 0, self.u[t - 1])
        self.u[t] = leak * v + gain * x
        self.over[t] = self.u[t] - (n.threshold + n.boost * self.a)
        self.s[t] = self.over[t] >= 0

    def backward(self, t: int, g: Array) -> None:
        """As `Steps.backward`."""
        if t + 1 == self.u.shape[0]:
            self.da = self.later = np.zeros_like(g)
        (leak, gain), n, fired, attached = self.neurons.constants(), self.neurons, self.s[t], not self.neurons.detach
        carry = leak * self.later
        drop = self.u[t] - self.over[t] if self.subtract else self.u[t]
        up = g + (1 - n.hold) * self.da - (carry * drop if attached else 0)
        above = slopes_of(n.surrogate, self.over[t]) * up
        raised = -above - (np.where(fired, carry, 0) if self.subtract and attached else 0)
        self.da = n.hold * self.da + n.boost * raised
        self.later = (carry if self.subtract else np.where(fired, 0, carry)) + above
        self.d[t] = gain * self.later


class AdaptiveLIF(LIF):
    """LIF whose threshold rises with each spike; further parameters as `LIF`.

    Parameters
    ----------
    boost : float
        Full height of the adaptation, in units of the potential (1.6 to 1.8 thresholds in Bellec et al. 2018).
    hold : float
        Factor on the adaptation per step, in [0, 1).

    Examples
    --------
    >>> from neurodev.learn import AdaptiveLIF, Linear, Sequential
    >>> model = Sequential(Linear(4), AdaptiveLIF(0.9, boost=1.8, hold=0.97), inputs=(6,), seed=1)
    >>> model.outputs
    (4,)
    """

    boost: float = asked(params.number, low=0)
    hold: float = asked(params.number, low=0, below=1)

    def __init__(
        self, leak: float = 0.9, threshold: float = 1.0, *, boost: float = 1.8, hold: float = 0.97, **more: Any
    ):
        super().__init__(leak, threshold, **more)
        self.boost, self.hold = boost, hold

    def in_steps(self, shape: tuple[int, int, int], kind: type) -> Steps:
        """The same equations one step at a time."""
        return AdaptiveSteps(self, shape, kind)

    def __call__(self, x: Current) -> tuple[Spikes, Pullback]:
        """Spikes of the same units, and their pullback."""
        expect(self, x)
        kind = x.value.dtype.type
        rows = x.by_row.reshape(1, x.steps, -1)
        u, over, s = np.empty_like(rows), np.empty_like(rows), np.empty(rows.shape, dtype=np.uint8)
        leak, gain = (kind(c) for c in self.constants())
        neuron = leak, gain, kind(self.threshold), kind(self.boost), kind(self.hold), self.reset == "subtract"
        integrate_adaptive(rows, neuron, u, over, s)
        n_row = x.steps * x.batch
        width = self.surrogate.width
        self.counters.spikes += int(np.count_nonzero(s))
        self.counters.sites += s.size

        def window() -> NDArray[np.uint8]:
            return (np.abs(over) < width).astype(np.uint8).reshape(n_row, -1)

        def pull(dy: Current) -> Current:
            g = in_layout(dy, "rows").reshape(rows.shape)
            d, h = np.empty_like(u), self.surrogate
            if h.own:
                adjoint_adaptive_with(slopes_of(h, over), u, over, g, neuron, not self.detach, d)
            else:
                adjoint_adaptive(u, over, g, neuron, (h.code, kind(h.width), kind(h.height), not self.detach), d)
            return Current(d.reshape(n_row, -1), x.steps, x.batch, x.shape)

        seen = window if self.surrogate.compact else None
        y = Spikes.made(s.reshape(n_row, -1), x.steps, x.batch, x.shape, window=seen)
        return y, guarded(self, y, pull)

"""Neurons of the trainable path: leaky integrators in discrete steps, with a surrogate for the slope of the spike.

``u[t] = leak v[t-1] + gain x[t]``,  ``s[t] = (u[t] >= threshold)``,  then ``v = u (1 - s)`` (reset to zero) or
``v = u - threshold s`` (reset by subtraction).  Potentials start at rest (0) in every sample.  The adjoint is

    d[t] = leak d[t+1] (1 - s[t])  +  h(u[t]) (g[t] - leak d[t+1] u[t])          reset to zero, attached
    d[t] = leak d[t+1]             +  h(u[t]) (g[t] - leak d[t+1] threshold)     subtraction, attached

with g the gradient at the spikes; the second product is left out of the bracket when the reset is detached.  Only u is
kept: spikes and slopes are made again from it.  All arrays are (outer, T, inner): one kernel for both layouts.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurodev import params
from neurodev.arrays import U1, Array, Int, aligned
from neurodev.errors import ParameterError
from neurodev.jit import kernel, rule, sum_kernel
from neurodev.learn.core import doors
from neurodev.learn.core.answers import unmade
from neurodev.learn.core.fields import asked
from neurodev.learn.core.lanes import (
    back_by_subtraction,
    back_to_zero,
    count_window,
    flag_rows,
    step_by_subtraction,
    step_to_zero,
)
from neurodev.learn.core.layer import Layer, Pullback, Vector, expect, guarded
from neurodev.learn.core.masks import LANES, few_products
from neurodev.learn.core.spikes import Current, Spikes, turned
from neurodev.learn.core.surrogate import RECTANGLE, Surrogate, as_surrogate, slope, slopes_of

_STEEPEST = 60.0  # exponent of a learned leak, whose share is then 1e-26: neither 0 nor an overflow
_SLOWEST = 1 + 1e-9  # time constant in steps, above 1, of a learned share of nearly everything
_LEARNED = "it is learned, and follows from parameters['leak']"
LOOK_EVERY = 4  # steps: how many potentials are near threshold is a statistic


# leak, gain, threshold, whether the reset subtracts; the first three of the type of the arrays
Neuron = tuple[Any, Any, Any, bool]
# kind of the surrogate, its width and height, whether the gradient goes through the reset
Slopes = tuple[int, Any, Any, bool]


@rule
def step_vectors(now: Array, before: Array, drive: Array, neuron: Neuron) -> None:
    """Potentials `now` (n,) from those of the step before, as far as there are whole vectors."""
    leak, gain, threshold, subtract = neuron
    n_vector = now.shape[0] // LANES
    if subtract:
        step_by_subtraction(n_vector, now, before, drive, leak, gain, threshold)
    else:
        step_to_zero(n_vector, now, before, drive, leak, gain, threshold)


@rule
def step(now: Array, before: Array, drive: Array, first: bool, neuron: Neuron) -> None:
    """Potentials `now` (n,) from those of the step before; of whole vectors alone `step_vectors` is much quicker."""
    leak, gain, threshold, subtract = neuron
    zero = now.dtype.type(0)
    if first:
        for k in range(now.shape[0]):
            now[k] = gain * drive[k]
        return
    step_vectors(now, before, drive, neuron)
    for k in range(now.shape[0] // LANES * LANES, now.shape[0]):
        v = before[k]
        v = (v - threshold if subtract else zero) if v >= threshold else v
        now[k] = leak * v + gain * drive[k]


@rule
def back_vectors(now: Array, up: Array, later: Array, out: Array, neuron: Neuron, slopes: Slopes) -> None:
    """As `step_back` but at the last step, as far as there are whole vectors, with the rectangle."""
    leak, _, threshold, subtract = neuron
    kind, width, height, attached = slopes
    hold, inside = now.dtype.type(attached), height * slope(kind, now.dtype.type(0), width)
    n_vector = now.shape[0] // LANES
    if subtract:
        back_by_subtraction(n_vector, now, up, later, out, leak, threshold, width, inside, hold)
    else:
        back_to_zero(n_vector, now, up, later, out, leak, threshold, width, inside, hold)


@rule
def step_back(now: Array, up: Array, later: Array, out: Array, last: bool, neuron: Neuron, slopes: Slopes) -> None:
    """Gradient `out` (n,) of the currents at a step, over gain, from that of the spikes, `up`, and of the next step.

    `up` is read only where the slope is not zero: elsewhere it may hold anything.
    """
    leak, _, threshold, subtract = neuron
    kind, width, height, attached = slopes
    zero = now.dtype.type(0)
    hold = now.dtype.type(1) if attached else zero
    if last:
        for k in range(now.shape[0]):
            h = height * slope(kind, now[k] - threshold, width)
            out[k] = h * up[k] if h != zero else zero
    elif kind == RECTANGLE:
        back_vectors(now, up, later, out, neuron, slopes)
        for k in range(now.shape[0] // LANES * LANES, now.shape[0]):
            v, carry = now[k], leak * later[k]
            h = height * slope(kind, v - threshold, width)
            kept = zero if v >= threshold and not subtract else carry
            out[k] = kept + (h * (up[k] - hold * carry * (threshold if subtract else v)) if h != zero else zero)
    elif subtract:
        for k in range(now.shape[0]):
            carry = leak * later[k]
            h = height * slope(kind, now[k] - threshold, width)
            out[k] = carry + (h * (up[k] - hold * carry * threshold) if h != zero else zero)
    else:
        for k in range(now.shape[0]):
            v = now[k]
            carry = leak * later[k]
            h = height * slope(kind, v - threshold, width)
            out[k] = (zero if v >= threshold else carry) + (h * (up[k] - hold * carry * v) if h != zero else zero)


@kernel
def integrate(x: Array, neuron: Neuron, u: Array, s: U1) -> None:
    """Potentials before reset and spikes; x, u (outer, T, inner), s the same in bytes."""
    threshold, n_vector = neuron[2], x.shape[2] // LANES
    for o in range(x.shape[0]):
        for t in range(x.shape[1]):
            step(u[o, t], u[o, max(t - 1, 0)], x[o, t], t == 0, neuron)
            now, spike = u[o, t], s[o, t]
            flag_rows(now, threshold, n_vector, spike, 0, LANES)
            for k in range(n_vector * LANES, now.shape[0]):
                spike[k] = np.uint8(1) if now[k] >= threshold else np.uint8(0)


@rule
def in_window(now: Array, threshold: Any, width: Any) -> Int:
    """How many potentials (n,) are inside the open window around threshold."""
    n_vector = now.shape[0] // LANES
    total: Int = count_window(now, threshold, width, n_vector)
    for k in range(n_vector * LANES, now.shape[0]):
        total += np.int64(abs(now[k] - threshold) < width)
    return total


@kernel
def adjoint(u: Array, g: Array, neuron: Neuron, slopes: Slopes, d: Array) -> None:
    """Gradient `d` of the input current from that of the spikes; u, g, d (outer, T, inner); d may not be g.

    The carry is read from the row of t + 1, never from a running array, which the compiler would not vectorise.
    """
    gain, last = neuron[1], u.shape[1] - 1
    for o in range(u.shape[0]):
        for t in range(last, -1, -1):
            step_back(u[o, t], g[o, t], d[o, min(t + 1, last)], d[o, t], t == last, neuron, slopes)
    if gain != 1:
        for o in range(u.shape[0]):
            for t in range(u.shape[1]):
                for k in range(u.shape[2]):
                    d[o, t, k] *= gain


@kernel
def adjoint_of_product(delta: Array, w: Array, u: Array, neuron: Neuron, slopes: Slopes, d: Array) -> None:
    """As `adjoint`, where few targets read the spikes: the gradient of these is never written.

    Of what the targets have to learn, `delta` flat (R, n_few), and their weights by tile, `w` (n / 16, n_few, 16); u
    and d (T, B * n).
    """
    n_tile, n_few, last = w.shape[0], w.shape[1], u.shape[0] - 1
    n, up, flat_w = n_tile * LANES, np.empty(u.shape[1], dtype=u.dtype), w.reshape(-1)
    batch = u.shape[1] // n
    for t in range(last, -1, -1):
        for k in range(n_tile):
            few_products(
                batch, up, LANES * k, n, delta, t * batch * n_few, n_few, flat_w, k * n_few * LANES, n_few
            )  # fmt: skip
        step_back(u[t], up, d[min(t + 1, last)], d[t], t == last, neuron, slopes)
    if neuron[1] != 1:
        for t in range(u.shape[0]):
            for k in range(u.shape[1]):
                d[t, k] *= neuron[1]


def adjoint_with(h: Array, u: Array, g: Array, neuron: Neuron, attached: bool, d: Array) -> None:
    """As `adjoint`, with the slopes `h` at all potentials, as a surrogate of one's own gives them."""
    leak, gain, threshold, subtract = neuron
    later = np.zeros_like(u[:, 0])  # dL/du[t + 1]
    for t in range(u.shape[1] - 1, -1, -1):
        now, carry = u[:, t], leak * later
        up = g[:, t] - carry * (threshold if subtract else now) if attached else g[:, t]
        later = (carry if subtract else np.where(now >= threshold, 0, carry)) + h[:, t] * up
        d[:, t] = gain * later


@sum_kernel
def leak_gradient(u: Array, d: Array, gain: Any, threshold: Any, subtract: bool) -> tuple[float, float]:
    """Sums over all of dL/du[t] v[t-1] and of dL/du[t] u[t]; `d` is the gradient of the current, gain dL/du; (outer, T,
    inner)."""
    total, beside = 0.0, 0.0
    zero = u.dtype.type(0)
    for o in range(u.shape[0]):
        for t in range(u.shape[1]):
            part, own = zero, zero
            if t == 0:
                for k in range(u.shape[2]):
                    own += u[o, t, k] * d[o, t, k]
            else:
                for k in range(u.shape[2]):
                    v = u[o, t - 1, k]
                    v = (v - threshold if subtract else zero) if v >= threshold else v
                    part += v * d[o, t, k]
                    own += u[o, t, k] * d[o, t, k]
            total += part
            beside += own
    return total / gain, beside / gain


@kernel
def count_near(u: Array, threshold: Any, width: Any, every: Int) -> Int:
    """How many lie inside the open window around threshold at every so many-th step; u (outer, T, inner)."""
    total: Int = 0
    for o in range(u.shape[0]):
        for t in range(0, u.shape[1], every):
            total += in_window(u[o, t], threshold, width)
    return total


@kernel
def flag_near(u: Array, threshold: Any, width: Any, flags: U1) -> None:
    """Bytes that are 1 inside the open window around threshold; all arrays flat."""
    for k in range(u.shape[0]):
        flags[k] = np.uint8(abs(u[k] - threshold) < width)


def _cube(value: Array, steps: int, batch: int, layout: str) -> Array:
    """(outer, T, inner) view of a signal in either layout."""
    if layout == "rows":
        return value.reshape(1, steps, -1)
    return value.reshape(value.shape[0], steps, batch)


def in_layout(x: Current, layout: str) -> Array:
    """The values of a gradient in the layout of the signal it belongs to."""
    return x.value if x.layout == layout else turned(x.value)


class Steps:
    """The equations of `LIF` one step at a time, for neurons that feed back on themselves.

    A class of neurons with other equations has an ``in_steps`` of its own beside its ``__call__``.

    Parameters
    ----------
    neurons : LIF
    shape : (T, B, n)
    kind : type
        Of potentials and currents.

    Attributes
    ----------
    s : (T, B, n) uint8
        Spikes, as far as `forward` has come.
    d : (T, B, n)
        Gradient of the currents, as far as `backward` has come.
    """

    def __init__(self, neurons: LIF, shape: tuple[int, int, int], kind: type):
        self.neurons, self.subtract = neurons, neurons.reset == "subtract"
        self.u: Array = np.empty(shape, dtype=kind)
        self.d: Array = np.zeros(shape, dtype=kind)
        self.s: U1 = np.zeros(shape, dtype=np.uint8)

    def forward(self, t: int, x: Array) -> None:
        """Potentials and spikes of step t, after those before; x (B, n)."""
        (leak, gain), u, s = self.neurons.constants(), self.u, self.s
        threshold, v = self.neurons.threshold, np.zeros_like(x)
        if t:
            v = u[t - 1] - threshold * s[t - 1] if self.subtract else np.where(s[t - 1], 0, u[t - 1])
        u[t] = leak * v + gain * x
        s[t] = u[t] >= threshold

    def backward(self, t: int, g: Array) -> None:
        """Gradient of the currents of step t, after those that follow, from that of the spikes, g (B, n)."""
        (leak, gain), u, d = self.neurons.constants(), self.u, self.d
        threshold = self.neurons.threshold
        carry = leak * d[t + 1] / gain if t + 1 < u.shape[0] else np.zeros_like(g)
        h = slopes_of(self.neurons.surrogate, u[t] - threshold)
        push = g if self.neurons.detach else g - carry * (threshold if self.subtract else u[t])
        kept = carry if self.subtract else np.where(u[t] >= threshold, 0, carry)
        d[t] = gain * (kept + h * push)


class LIF(Layer):
    """Leaky integrate-and-fire in discrete steps; its namesake `neurodev.LIF` is a neuron of the event engine.

    Parameters
    ----------
    leak : float
        Factor on the potential per step, in [0, 1].
    threshold : float
    gain : float
        Factor on the input (``1 - leak`` for ``tau u' = -u + x``; see `from_tau`).
    reset : {"zero", "subtract"}
    detach : bool
        Whether the gradient ignores the reset.
    surrogate : Surrogate, str or callable
        One of the curves by its name, or a curve of one's own: a `Surrogate` with its ``__call__``, or a function of
        arrays of V - threshold.
    name : str

    Raises
    ------
    ParameterError
        Naming the argument.

    Examples
    --------
    >>> from neurodev.learn import LIF
    >>> LIF(0.9, 1.0, reset="subtract").leak, round(LIF.from_tau(4.0).leak, 2)
    (0.9, 0.75)
    """

    takes = "currents"
    gives = "spikes"
    neuronal = True
    leak: float = asked(params.number, low=0, high=1)
    threshold: float = asked(doors.divisor)
    gain: float = asked(doors.divisor)
    reset: str = asked(params.one_of, choices=("zero", "subtract"))
    detach: bool = asked(params.flag)
    surrogate: Surrogate = asked(lambda value, where: as_surrogate(value))

    def __init__(
        self,
        leak: float = 0.9,
        threshold: float = 1.0,
        *,
        gain: float = 1.0,
        reset: str = "zero",
        detach: bool = False,
        surrogate: Surrogate | str | Callable[[NDArray[Any]], NDArray[Any]] = "rectangle",
        name: str = "",
    ):
        super().__init__()
        self.leak, self.threshold, self.gain = leak, threshold, gain
        self.reset, self.detach, self.surrogate, self.name = reset, detach, surrogate, name  # type: ignore[assignment]

    @classmethod
    def from_tau(cls, tau: float, threshold: float = 1.0, **more: Any) -> LIF:
        """``u += (x - u) / tau``: leak 1 - 1/tau, gain 1/tau (tau in steps, at least 1)."""
        tau = params.number(tau, "tau", low=1)
        return cls(1 - 1 / tau, threshold, gain=1 / tau, **more)

    def constants(self) -> tuple[float, float]:
        """(leak, gain) of this call."""
        return self.leak, self.gain

    def slopes(self, kind: type) -> Slopes:
        """One of the curves that kernels know, as they take it."""
        h = self.surrogate
        return h.code, kind(h.width), kind(h.height), not self.detach

    def __call__(self, x: Current) -> tuple[Spikes, Pullback]:
        """Spikes of the same units, and their pullback."""
        expect(self, x)
        kind = x.value.dtype.type
        cube = _cube(np.ascontiguousarray(x.value), x.steps, x.batch, x.layout)
        u, s = aligned(cube.shape, kind, empty=True), np.empty(cube.shape, dtype=np.uint8)
        leak, gain = self.constants()
        subtract = self.reset == "subtract"
        theta = kind(self.threshold)
        neuron = kind(leak), kind(gain), theta, subtract
        integrate(cube, neuron, u, s)
        flags = s.reshape(x.value.shape)
        width = kind(self.surrogate.width)

        def window() -> Array:
            near = np.empty(u.size, dtype=np.uint8)
            flag_near(u.reshape(-1), theta, width, near)
            grid = near.reshape(x.value.shape)
            return grid if x.layout == "rows" else turned(grid)

        c = self.counters
        seen = window if self.surrogate.compact else None
        out = Spikes.made(flags, x.steps, x.batch, x.shape, layout=x.layout, window=seen)
        c.spikes += out.n_present
        c.sites += s.size

        def pull(dy: Current) -> Current:
            d = aligned(u.shape, kind, empty=True)
            h = self.surrogate
            product = unmade(dy) if x.layout == "rows" and x.n % LANES == 0 and not h.own else None
            if product is not None:
                delta = np.ascontiguousarray(product.delta, dtype=kind).reshape(-1)
                adjoint_of_product(delta, product.by_tile(kind), u[0], neuron, self.slopes(kind), d[0])
            else:
                g = _cube(np.ascontiguousarray(in_layout(dy, x.layout), dtype=kind), x.steps, x.batch, x.layout)
                if h.own:
                    adjoint_with(slopes_of(h, u - theta), u, g, neuron, not self.detach, d)
                else:
                    adjoint(u, g, neuron, self.slopes(kind), d)
            if h.compact:
                c.near += count_near(u, theta, width, LOOK_EVERY)
                c.looked += u[:, ::LOOK_EVERY].size
            self.learn_constants(u, d, kind(gain), theta, subtract)
            return x.like(d.reshape(x.value.shape))

        return out, guarded(self, out, pull)

    def learn_constants(self, u: Array, d: Array, gain: Any, theta: Any, subtract: bool) -> None:
        """Gradients of the neuron's own parameters; none here."""

    def in_steps(self, shape: tuple[int, int, int], kind: type) -> Steps:
        """The same equations one step at a time, for (T, B, n) currents: what `Recurrent` asks for."""
        return Steps(self, shape, kind)


class IF(LIF):
    """Integrate-and-fire without leak; parameters as `LIF`.

    Examples
    --------
    >>> from neurodev.learn import IF, Linear, Sequential
    >>> model = Sequential(Linear(4), IF(1.0), inputs=(6,), seed=1)
    >>> model.outputs
    (4,)
    """

    def __init__(self, threshold: float = 1.0, **more: Any):
        super().__init__(1.0, threshold, **more)

    def given(self) -> dict[str, Any]:
        """As of `LIF`, without a leak."""
        return {k: v for k, v in super().given().items() if k != "leak"}


class PLIF(LIF):
    """LIF whose leak is learned: ``u += (x - u) sigmoid(w)``, one w per layer (Fang et al. 2021).

    Parameters
    ----------
    tau : float
        Initial time constant in steps; ``sigmoid(w) = 1 / tau``.

    Examples
    --------
    >>> from neurodev.learn import PLIF
    >>> PLIF(tau=2.0).tau
    2.0
    """

    leak: float = asked(params.number, low=0, high=1, fixed=_LEARNED, learned=True)
    gain: float = asked(doors.divisor, high=1, fixed=_LEARNED, learned=True)

    def __init__(self, tau: float = 2.0, threshold: float = 1.0, **more: Any):
        tau = params.number(tau, "tau", above=1)
        if more.get("gain", 1.0) != 1.0:
            raise ParameterError(f"gain of PLIF is learned, 1 / tau at first, got {more['gain']!r}: give tau")
        super().__init__(1 - 1 / tau, threshold, **more)
        self.parameters["leak"] = Vector(np.array([-math.log(tau - 1)]))

    @property
    def tau(self) -> float:
        """The time constant as it is learned, steps."""
        return max(1.0 / self.constants()[1], _SLOWEST)

    def given(self) -> dict[str, Any]:
        """As of `LIF`, with `tau` for leak and gain; what is learned is kept beside it."""
        return {k: v for k, v in super().given().items() if k not in ("leak", "gain")}

    def constants(self) -> tuple[float, float]:
        """(leak, gain) from the learned parameter."""
        share = 1 / (1 + math.exp(min(-float(self.parameters["leak"].value[0]), _STEEPEST)))
        return 1 - share, share

    def learn_constants(self, u: Array, d: Array, gain: Any, theta: Any, subtract: bool) -> None:
        """``u[t] = v + share (x - v)``: du/dshare = x - v = (u - v) / share; d holds share dL/du."""
        share = float(gain)
        through_v, through_u = leak_gradient(u, d, gain, theta, subtract)
        by_share = (through_u - through_v) / share
        self.parameters["leak"].gradient[0] += by_share * share * (1 - share)


class LI(Layer):
    """Leaky integrator without spikes, a readout: returns the potentials.  ``leak``, ``gain``, ``name`` as `LIF`.

    Examples
    --------
    >>> from neurodev.learn import LI, Linear, Sequential
    >>> model = Sequential(Linear(4), LI(0.9), inputs=(6,), seed=1)
    >>> model.outputs
    (4,)
    """

    takes = gives = "currents"
    leak: float = asked(params.number, low=0, high=1)
    gain: float = asked(doors.divisor)

    def __init__(self, leak: float = 0.9, *, gain: float = 1.0, name: str = ""):
        super().__init__()
        self.leak, self.gain, self.name = leak, gain, name

    def __call__(self, x: Current) -> tuple[Current, Pullback]:
        """Potentials of the same units, and their pullback."""
        expect(self, x)
        cube = _cube(x.value, x.steps, x.batch, x.layout)
        v = np.empty_like(cube)
        leak, gain = x.value.dtype.type(self.leak), x.value.dtype.type(self.gain)
        v[:, 0] = gain * cube[:, 0]
        for t in range(1, x.steps):
            v[:, t] = leak * v[:, t - 1] + gain * cube[:, t]

        def pull(dy: Current) -> Current:
            d = np.array(_cube(in_layout(dy, x.layout), x.steps, x.batch, x.layout), copy=True)
            for t in range(x.steps - 2, -1, -1):
                d[:, t] += leak * d[:, t + 1]
            return x.like((gain * d).reshape(x.value.shape))

        y = x.like(v.reshape(x.value.shape))
        return y, guarded(self, y, pull)


class ReLU(Layer):
    """Rectifier, for non-spiking twins; takes and returns currents.

    Examples
    --------
    >>> from neurodev.learn import Linear, ReLU, Sequential
    >>> model = Sequential(Linear(4), ReLU(), inputs=(6,), seed=1)
    >>> model.outputs
    (4,)
    """

    takes = gives = "currents"
    neuronal = True

    def __call__(self, x: Current) -> tuple[Current, Pullback]:
        """Rectified currents, and their pullback."""
        expect(self, x)
        y = x.like(np.maximum(x.value, 0))
        pull = lambda dy: x.like(np.where(x.value > 0, in_layout(dy, x.layout), 0).astype(x.value.dtype))
        return y, guarded(self, y, pull)

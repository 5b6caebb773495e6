"""Passive trees in the event loop: modes that decay by themselves, and the first time that their sum reaches a level.

The potentials of the compartments above rest are a sum of modes, each of which goes to its steady value at a rate of
its own (`tree.py`).  There are two such sets: of the tree as it is (free), where a drive into the soma makes the steady
values, and of the tree with its soma held at reset, where that does.  A neuron keeps its modes in the set it is in.

The soma is a constant and ``f(s) = sum_k a_k exp(-l_k s)`` with a_k of both signs and any number of them.  A crossing
is never stepped over.  The slope and the bend of f are each a falling sum less another falling sum, so that over [s, e]

    f'  <=  sum over a_k < 0 of |a_k| l_k exp(-l_k s)   -  sum over a_k > 0 of a_k l_k exp(-l_k e)
    f'' <=  sum over a_k > 0 of a_k l_k^2 exp(-l_k s)   -  sum over a_k < 0 of |a_k| l_k^2 exp(-l_k e)

With such bounds S and B, f lies below ``f(s) + S d`` and below ``f(s) + f'(s) d + B d^2 / 2`` as long as s + d <= e:
the first d at which the lower of them meets the level is a step that passes no crossing.  If that is beyond e, there is
none before e.  Else the step is taken, and as e follows it, B comes near to f'': the steps converge to the first
crossing as those of Newton's method do, from below, and pass a summit below the level however near.

A synaptic current ``g exp(-l s)`` into a mode of rate r gives it ``g q(s)``, ``q(s) = exp(-r s) (1 - exp(-(l - r) s)) /
(l - r)``, stable for equal rates, with ``q' = L - r q`` and ``q'' = r^2 q - (l + r) L``, ``L = exp(-l s)``.  q rises,
concave, to one summit and then falls, so that its bounds over [s, e] follow from its values at both ends, its tangent
at s, and L(s) / r, which no summit after s exceeds; those of q' and q'' follow from these.
"""

from __future__ import annotations

import numpy as np

from neurodev.arrays import F8, Int
from neurodev.jit import kernel, model_rule, rule, view_f8
from neurodev.neurons.current import CLOSE, response
from neurodev.neurons.rules import (
    block_end,
    branches_of,
    cells_of,
    classes_of,
    is_free,
    kinds_of,
    model_of,
    schedule,
    scratch_of,
    unschedule,
)

# columns of a neuron: ms; 1 while its modes are those of a held soma; the modes (n), mV sqrt(pF); with synaptic
# currents what each gives the modes, mV sqrt(pF) / ms: (n) for excitation in either set, then for inhibition
T, HELD, MODES = 1, 2, 3
# columns of the table of classes: threshold and reset above rest, rest, where the soma settles above rest, the
# compartment of the background, the rates of both synaptic currents (0: synapses are charges); then the capacitances
# (n), then for either set of modes the rates (n), the steady values (n), and the matrix (n, n) to compartments
THRESHOLD, RESET, REST, SETTLED, BACKGROUND, CURRENTS = range(6)
VECTORS = 7
FREE, SOMA_HELD = 0, 1
MOST_SWEEPS = 60


@kernel
def rotate_apart(f: F8, v: F8) -> None:
    """Turn the columns of `f` until they are orthogonal to each other (one-sided Jacobi), and those of `v` with them.

    ``f v_k`` are then the left vectors of f, each times its singular value.  Small singular values keep their digits
    beside large ones, and nothing depends on the library of linear algebra that is installed: modes are kept in
    checkpoints.

    f : (m, n);  v : (n, n), the unit matrix
    """
    m, n = f.shape
    for _ in range(MOST_SWEEPS):
        turned = False
        for p in range(n - 1):
            for q in range(p + 1, n):
                a, b, c = 0.0, 0.0, 0.0
                for i in range(m):
                    a += f[i, p] * f[i, p]
                    b += f[i, q] * f[i, q]
                    c += f[i, p] * f[i, q]
                if abs(c) <= 2.3e-16 * m * np.sqrt(a * b):
                    continue
                turned = True
                zeta = (b - a) / (2.0 * c)
                t = (1.0 if zeta >= 0.0 else -1.0) / (abs(zeta) + np.sqrt(1.0 + zeta * zeta))
                cosine = 1.0 / np.sqrt(1.0 + t * t)
                sine = cosine * t
                for i in range(m):
                    x = f[i, p]
                    f[i, p], f[i, q] = cosine * x - sine * f[i, q], sine * x + cosine * f[i, q]
                for i in range(n):
                    x = v[i, p]
                    v[i, p], v[i, q] = cosine * x - sine * v[i, q], sine * x + cosine * v[i, q]
        if not turned:
            return


# ---------------------------------------------------------------- where things are


@rule
def n_of(m: int) -> int:
    """Number of compartments."""
    return model_of(m).per_neuron


@rule
def rates_of(c: F8, n: Int, which: Int) -> F8:
    """Rates (1/ms) of a set of modes, (n,)."""
    first = VECTORS + n + which * (2 * n + n * n)
    return c[first : first + n]


@rule
def steady_of(c: F8, n: Int, which: Int) -> F8:
    """Where the modes of a set settle without inputs, (n,)."""
    first = VECTORS + 2 * n + which * (2 * n + n * n)
    return c[first : first + n]


@rule
def weights_of(c: F8, n: Int, which: Int, j: Int) -> F8:
    """What each mode is worth in compartment `j`, mV per unit of it; also what a charge of 1 fC there adds to it."""
    first = VECTORS + 3 * n + which * (2 * n + n * n) + j * n
    return c[first : first + n]


@rule
def given_of(x: F8, n: Int, channel: Int, which: Int) -> F8:
    """What a synaptic current gives each mode of a set, (n,); empty where synapses are charges."""
    first = MODES + n + (2 * channel + which) * n
    return x[first : first + n]


@rule
def class_of(m: int, i: Int) -> F8:
    """The parameters of neuron `i`."""
    return classes_of(m)[kinds_of(m)[i]]  # type: ignore[no-any-return]


# ---------------------------------------------------------------- crossings


@rule
def sums(z: F8, w: F8, rates: F8, s: float) -> tuple[float, float, float, float, float]:
    """f, `s` ms on; what makes it fall and rise; what bends it up and down (each of these falls with s)."""
    value = falling = rising = up = down = 0.0
    for k in range(z.shape[0]):
        a = w[k] * z[k] * np.exp(-rates[k] * s)
        slope = a * rates[k]
        value += a
        if a > 0.0:
            falling += slope
            up += slope * rates[k]
        else:
            rising -= slope
            down -= slope * rates[k]
    return value, falling, rising, up, down


@rule
def sure_step(miss: float, slope: float, steepest: float, bend: float) -> float:
    """How far f surely stays below a level that it misses by `miss`, given its slope and bounds of slope and bend."""
    by_slope = miss / steepest if steepest > 0.0 else np.inf
    inside = slope * slope + 2.0 * bend * miss
    if inside < 0.0:
        return np.inf
    top = slope + np.sqrt(inside)
    return max(by_slope, 2.0 * miss / top if top > 0.0 else np.inf)


@rule
def driven(a: F8, w: F8, rates: F8, l: float, s: float, h: float) -> tuple[float, float, float, float]:  # noqa: E741
    """What one synaptic current adds to f: value and slope at `s`, and bounds of slope and bend over [s, s + h]."""
    value = slope = steepest = bend = 0.0
    at_s, at_e = np.exp(-l * s), np.exp(-l * (s + h))
    for k in range(a.shape[0]):
        c, r = w[k] * a[k], rates[k]
        if c == 0.0:
            continue
        q, q_end = response(r, l, s), response(r, l, s + h)
        rise = at_s - r * q
        low, high = min(q, q_end), max(q, q_end)
        if rise > 0.0 and at_e < r * q_end:  # a summit in between
            high = max(min(q + rise * h, at_s / r), high)
        value += c * q
        slope += c * rise
        if c > 0.0:
            steepest += c * (at_s - r * low)
            bend += c * (r * r * high - (l + r) * at_e)
        else:
            steepest += c * (at_e - r * high)
            bend += c * (r * r * low - (l + r) * at_s)
    return value, slope, steepest, bend


@kernel
def first_reach(z: F8, e: F8, i: F8, w: F8, rates: F8, of_e: float, of_i: float, level: float, horizon: float) -> float:
    """First time (ms) within `horizon` at which the sum of modes reaches `level`; -1 if it does not.

    ``sum_k w_k (z_k exp(-rates_k s) + e_k q_k(s) + i_k q_k(s))``.  A summit that misses the level by less than what the
    slope there makes of 1e-10 ms counts as reaching it.

    z, w, rates : (n,), any n, rates not negative;  e, i : what synaptic currents that decay at `of_e` and `of_i` give
    each mode, (n,), or empty
    """
    s, h = 0.0, horizon
    while True:
        h = min(h, horizon - s)
        value, falling, rising, up, down = sums(z, w, rates, s)
        _, falling_there, _, _, down_there = sums(z, w, rates, s + h)
        by_e, by_i = driven(e, w, rates, of_e, s, h), driven(i, w, rates, of_i, s, h)
        miss = level - value - by_e[0] - by_i[0]
        if miss <= 0.0:
            return s
        step = sure_step(
            miss, rising - falling + by_e[1] + by_i[1], rising - falling_there + by_e[2] + by_i[2],
            up - down_there + by_e[3] + by_i[3],
        )  # fmt: skip
        if step >= h:
            if s + h >= horizon:
                return -1.0
            s += h
            h *= 2.0
            continue
        s += step
        if step < CLOSE:
            return s
        h = 2.0 * step


# ---------------------------------------------------------------- a neuron in time


@kernel
def change_set(m: int, i: Int, which: Int) -> None:
    """Write the potentials of neuron `i` as modes of the other set; a soma that comes free stands at reset."""
    x, c, n = cells_of(m)[i], class_of(m, i), n_of(m)
    z, u = x[MODES : MODES + n], scratch_of(m)
    here = np.int64(x[HELD])
    for j in range(n):
        w, at = weights_of(c, n, here, j), 0.0
        for k in range(n):
            at += w[k] * z[k]
        u[j] = at
    if which == FREE:
        u[0] = c[RESET]
    z[:] = 0.0
    for j in range(n):
        w, charge = weights_of(c, n, which, j), c[VECTORS + j] * u[j]
        for k in range(n):
            z[k] += w[k] * charge
    x[HELD] = which


@kernel
def decay(x: F8, c: F8, n: Int, t: float) -> None:
    """Bring the modes, and what drives them, to `t`."""
    which, s = np.int64(x[HELD]), t - x[T]
    x[T] = t
    if s == 0.0:
        return
    rates, steady = rates_of(c, n, which), steady_of(c, n, which)
    for k in range(n):
        x[MODES + k] = steady[k] + (x[MODES + k] - steady[k]) * np.exp(-rates[k] * s)
    if c[CURRENTS] == 0.0:
        return
    for channel in range(2):
        rate, given = c[CURRENTS + channel], given_of(x, n, channel, which)
        for k in range(n):
            if given[k] != 0.0:
                x[MODES + k] += given[k] * response(rates[k], rate, s)
        fade, first = np.exp(-rate * s), MODES + n + 2 * channel * n
        for k in range(first, first + 2 * n):
            x[k] *= fade


@kernel
def advance(m: int, i: Int, t: float) -> None:
    """Bring neuron `i` to `t`; its soma is held from when it is first seen not to be free (a silenced one at once)."""
    x = cells_of(m)[i]
    decay(x, class_of(m, i), n_of(m), t)
    if x[HELD] == FREE and not is_free(m, i):
        change_set(m, i, SOMA_HELD)


@model_rule
def receive(m: int, i: Int, q: Int, k: Int, weight: float, t: float) -> int:
    """A charge, or a current, on the compartment of the synapse, or of the background.

    A charge on a held soma is lost; a current into it goes on.
    """
    advance(m, i, t)
    x, c, n = cells_of(m)[i], class_of(m, i), n_of(m)
    j = np.int64(c[BACKGROUND]) if q < 0 else np.int64(branches_of(m, q)[k])
    if c[CURRENTS] == 0.0:
        w = weights_of(c, n, np.int64(x[HELD]), j)
        for a in range(n):
            x[MODES + a] += w[a] * weight
        return 0
    channel = 0 if weight > 0.0 else 1
    for which in range(2):
        w, given = weights_of(c, n, which, j), given_of(x, n, channel, which)
        for a in range(n):
            given[a] += w[a] * weight
    return 0


@kernel
def most_of(x: F8, c: F8, n: Int, span: float) -> float:
    """A bound of V of a free soma over `span` ms, mV above rest: what is positive grows no further than this."""
    z, w, rates, steady = x[MODES : MODES + n], weights_of(c, n, FREE, 0), rates_of(c, n, FREE), steady_of(c, n, FREE)
    most = c[SETTLED]
    for k in range(n):
        most += max(w[k] * (z[k] - steady[k]), 0.0)
    if c[CURRENTS] > 0.0:
        for channel in range(2):
            given = given_of(x, n, channel, FREE)
            for k in range(n):
                most += max(w[k] * given[k], 0.0) * min(span, 1.0 / max(rates[k], c[CURRENTS + channel]))
    return most  # type: ignore[no-any-return]


@kernel
def predict_one(m: int, i: Int, t: float) -> None:
    """Note the crossing of neuron `i` if there is one within the block."""
    unschedule(m, i)
    x, c, n = cells_of(m)[i], class_of(m, i), n_of(m)
    if not is_free(m, i):
        advance(m, i, t)
        return
    if most_of(x, c, n, block_end(m) - x[T]) < c[THRESHOLD]:
        return
    advance(m, i, t)
    away, steady = scratch_of(m)[:n], steady_of(c, n, FREE)
    for k in range(n):
        away[k] = x[MODES + k] - steady[k]
    after = first_reach(
        away, given_of(x, n, 0, FREE), given_of(x, n, 1, FREE), weights_of(c, n, FREE, 0), rates_of(c, n, FREE),
        c[CURRENTS], c[CURRENTS + 1], c[THRESHOLD] - c[SETTLED], block_end(m) - t,
    )  # fmt: skip
    if after >= 0.0:
        schedule(m, i, t + after)


@model_rule
def predict(m: int, first: Int, last: Int, unused: int, none: float, t: float) -> int:
    """Find the crossings in the block."""
    for i in range(first, last):
        predict_one(m, i, t)
    return 0


@model_rule
def event(m: int, i: Int, b: int, c: int, none: float, t: float) -> int:
    """A crossing is a spike: the soma is held from now on."""
    if not is_free(m, i):
        return 0
    advance(m, i, t)
    change_set(m, i, SOMA_HELD)
    return 1


@model_rule
def reset(m: int, i: Int, b: int, c: int, none: float, t: float) -> int:
    """The soma stands at reset and is free; the dendrite stands where it has come to."""
    decay(cells_of(m)[i], class_of(m, i), n_of(m), t)
    change_set(m, i, FREE)
    return 0


@kernel
def soma_after(x: F8, c: F8, n: Int, s: float) -> float:
    """V of a free soma, `s` ms after its neuron stood as its columns say; mV above rest."""
    rates, w, steady, out = rates_of(c, n, FREE), weights_of(c, n, FREE, 0), steady_of(c, n, FREE), c[SETTLED]
    for k in range(n):
        out += w[k] * (x[MODES + k] - steady[k]) * np.exp(-rates[k] * s)
    if c[CURRENTS] > 0.0:
        for channel in range(2):
            out += driven(given_of(x, n, channel, FREE), w, rates, c[CURRENTS + channel], s, 0.0)[0]
    return out  # type: ignore[no-any-return]


@model_rule
def potential(m: int, first: Int, last: Int, where: int, none: float, t: float) -> int:
    """V of the soma as it is at `t`; nothing is changed."""
    out, n = view_f8(where, last - first), n_of(m)
    for i in range(first, last):
        x, c = cells_of(m)[i], class_of(m, i)
        out[i - first] = c[REST] + (soma_after(x, c, n, t - x[T]) if is_free(m, i) else c[RESET])
    return 0

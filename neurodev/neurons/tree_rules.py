"""Passive trees in the event loop: modes that decay by themselves, and the first time that their sum reaches a level.

The potentials of the compartments, relative to where they would come to rest, are a sum of modes, each of which decays
at a rate of its own (`tree.py`).  There are two such sets: of the tree as it is (free), and of the tree with its soma
held at reset.  A neuron keeps its modes in the set that it is in.

The soma is ``f(s) = sum_k a_k exp(-l_k s)`` with a_k of both signs and any number of them.  A crossing is never
stepped over.  The slope and the bend of f are each a falling sum less another falling sum, so that over [s, e]

    f'  <=  sum over a_k < 0 of |a_k| l_k exp(-l_k s)   -  sum over a_k > 0 of a_k l_k exp(-l_k e)
    f'' <=  sum over a_k > 0 of a_k l_k^2 exp(-l_k s)   -  sum over a_k < 0 of |a_k| l_k^2 exp(-l_k e)

With such bounds S and B, f lies below ``f(s) + S d`` and below ``f(s) + f'(s) d + B d^2 / 2`` as long as s + d <= e:
the first d at which the lower of them meets the level is a step that passes no crossing.  If that is beyond e, there is
none before e.  Else the step is taken, and as e follows it, B comes near to f'': the steps converge to the first
crossing as those of Newton's method do, from below, and pass a summit below the level however near.
"""

from __future__ import annotations

import numpy as np

from neurodev.arrays import F8, Int
from neurodev.jit import kernel, model_rule, rule, view_f8
from neurodev.neurons.current import CLOSE
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

T, HELD, MODES = 1, 2, 3  # columns of a neuron: ms; 1 while its modes are those of a held soma; mV sqrt(pF)
# columns of the table of classes: threshold and reset above rest, rest, the compartment of the background; then the
# capacitances (n), then for either set of modes the rates (n), where the compartments come to rest (n), and the matrix
# (n, n) from modes to compartments
THRESHOLD, RESET, REST, BACKGROUND = range(4)
VECTORS = 4
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
def resting_of(c: F8, n: Int, which: Int) -> F8:
    """Where the compartments come to rest without inputs, mV above `rest`, (n,)."""
    first = VECTORS + 2 * n + which * (2 * n + n * n)
    return c[first : first + n]


@rule
def weights_of(c: F8, n: Int, which: Int, j: Int) -> F8:
    """What each mode is worth in compartment `j`, mV per unit of it; also what a charge of 1 fC there adds to it."""
    first = VECTORS + 3 * n + which * (2 * n + n * n) + j * n
    return c[first : first + n]


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


@kernel
def first_reach(z: F8, w: F8, rates: F8, level: float, horizon: float) -> float:
    """First time (ms) within `horizon` at which ``sum_k w_k z_k exp(-rates_k s)`` reaches `level`; -1 if it does not.

    z, w, rates : (n,), any n, rates not negative.  A summit that misses the level by less than what the slope there
    makes of 1e-10 ms counts as reaching it.
    """
    s, h = 0.0, horizon
    value, falling, rising, up, down = sums(z, w, rates, 0.0)
    while value < level:
        h = min(h, horizon - s)
        there, falling_there, rising_there, up_there, down_there = sums(z, w, rates, s + h)
        step = sure_step(level - value, rising - falling, rising - falling_there, up - down_there)
        if step >= h:
            if s + h >= horizon:
                return -1.0
            s += h
            h *= 2.0
            value, falling, rising, up, down = there, falling_there, rising_there, up_there, down_there
            continue
        s += step
        if step < CLOSE:
            return s
        h = 2.0 * step
        value, falling, rising, up, down = sums(z, w, rates, s)
    return s


# ---------------------------------------------------------------- a neuron in time


@kernel
def change_set(m: int, i: Int, which: Int) -> None:
    """Write the potentials of neuron `i` as modes of the other set; a soma that comes free stands at reset."""
    x, c, n = cells_of(m)[i], class_of(m, i), n_of(m)
    z, u = x[MODES : MODES + n], scratch_of(m)
    here = np.int64(x[HELD])
    for j in range(n):
        w, at = weights_of(c, n, here, j), resting_of(c, n, here)[j]
        for k in range(n):
            at += w[k] * z[k]
        u[j] = at
    if which == FREE:
        u[0] = c[RESET]
    z[:] = 0.0
    for j in range(n):
        w, charge = weights_of(c, n, which, j), c[VECTORS + j] * (u[j] - resting_of(c, n, which)[j])
        for k in range(n):
            z[k] += w[k] * charge
    x[HELD] = which


@rule
def decay(x: F8, c: F8, n: Int, t: float) -> None:
    """Bring the modes to `t`."""
    rates, s = rates_of(c, n, np.int64(x[HELD])), t - x[T]
    if s != 0.0:
        for k in range(n):
            x[MODES + k] *= np.exp(-rates[k] * s)
    x[T] = t


@kernel
def advance(m: int, i: Int, t: float) -> None:
    """Bring neuron `i` to `t`; its soma is held from when it is first seen not to be free."""
    x = cells_of(m)[i]
    decay(x, class_of(m, i), n_of(m), t)
    if x[HELD] == FREE and not is_free(m, i):
        change_set(m, i, SOMA_HELD)


@model_rule
def receive(m: int, i: Int, q: Int, k: Int, weight: float, t: float) -> int:
    """A charge on the compartment of the synapse, or of the background; one on a held soma is lost."""
    advance(m, i, t)
    x, c, n = cells_of(m)[i], class_of(m, i), n_of(m)
    j = np.int64(c[BACKGROUND]) if q < 0 else np.int64(branches_of(m, q)[k])
    w = weights_of(c, n, np.int64(x[HELD]), j)
    for a in range(n):
        x[MODES + a] += w[a] * weight
    return 0


@kernel
def predict_one(m: int, i: Int, t: float) -> None:
    """Note the crossing of neuron `i` if there is one within the block."""
    unschedule(m, i)
    x, c, n = cells_of(m)[i], class_of(m, i), n_of(m)
    if not is_free(m, i):
        advance(m, i, t)
        return
    level, z, w = c[THRESHOLD] - resting_of(c, n, FREE)[0], x[MODES : MODES + n], weights_of(c, n, FREE, 0)
    most = 0.0
    for k in range(n):
        most += max(w[k] * z[k], 0.0)
    if most < level:  # what is positive only decays
        return
    advance(m, i, t)
    after = first_reach(z, w, rates_of(c, n, FREE), level, block_end(m) - t)
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


@model_rule
def potential(m: int, first: Int, last: Int, where: int, none: float, t: float) -> int:
    """V of the soma as it is at `t`; nothing is changed."""
    out, n = view_f8(where, last - first), n_of(m)
    for i in range(first, last):
        x, c = cells_of(m)[i], class_of(m, i)
        if is_free(m, i):
            rates, w = rates_of(c, n, FREE), weights_of(c, n, FREE, 0)
            out[i - first] = c[REST] + resting_of(c, n, FREE)[0] + sums(x[MODES : MODES + n], w, rates, t - x[T])[0]
        else:
            out[i - first] = c[REST] + c[RESET]
    return 0

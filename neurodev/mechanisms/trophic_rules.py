"""Kernels of `TrophicFactor`: receptors and ligand of one target neuron, one step of a stiff solver after the other.

Of each synapse c (occupied receptors), r (free receptors) and p (production), of the target its free ligand l:

    dc = on r - off c - internalised c            on = association l
    dr = p - turnover r - (on r - off c)
    dp = (F(c) - p) / lag
    dl = supply - loss l - sum(on r - off c) / volume

The step is Rosenbrock's of order two with gamma = 1 + 1/sqrt(2) (Verwer and others 1999), which is L-stable and keeps
decaying quantities positive.  Its fixed points are those of the equations, whatever the step.  The Jacobian is three
by three for every synapse with one common row and column for the ligand, so a step costs as much as there are synapses.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from neurodev.arrays import B1, F8
from neurodev.jit import kernel, rule
from neurodev.structure.store import InLists

LINEAR, MICHAELIS, HILL = 0, 1, 2
GAMMA = 1.0 + np.sqrt(0.5)


class Kinetics(NamedTuple):
    """The constants of a factor; rates in 1/day, times in days."""

    off: float
    internal: float
    turnover: float
    lag: float
    loss: float
    volume: float
    curve: float
    """LINEAR, MICHAELIS or HILL."""
    half: float
    exponent: float
    pro_share: float
    pro_loss: float


class Receptors(NamedTuple):
    """Columns of the table, (capacity,) each."""

    bound: F8
    free: F8
    made: F8


class Targets(NamedTuple):
    """What belongs to each target, (n_target,) each."""

    alive: B1
    ligand: F8
    """Free mature factor; moved."""
    pro: F8
    """Free pro-form; moved."""
    release: F8
    """1/day"""
    infused: F8
    """1/day"""
    cleavage: F8
    """1/day"""
    blocked: F8
    """Share of receptors."""


class Step(NamedTuple):
    """Scratch of a step for one target of n synapses."""

    k: F8
    """(2, 3, n)"""
    z: F8
    """(3, n)"""
    slope: F8
    """(n,)"""


@rule
def receptor_growth(curve: float, strength: float, half: float, exponent: float, c: float) -> float:
    """F(c), production of receptors where c are occupied."""
    if curve == LINEAR:
        return strength * c
    if curve == MICHAELIS:
        return strength * c / (half + c)
    x = (c / half) ** exponent
    return strength * x / (1.0 + x)  # type: ignore[no-any-return]


@rule
def receptor_slope(curve: float, strength: float, half: float, exponent: float, c: float) -> float:
    """dF/dc."""
    if curve == LINEAR:
        return strength
    if curve == MICHAELIS:
        return strength * half / (half + c) ** 2
    if c <= 0.0:
        return strength / half if exponent == 1.0 else 0.0
    x = (c / half) ** exponent
    return strength * exponent * x / (c * (1.0 + x) ** 2)  # type: ignore[no-any-return]


@rule
def solve_synapse(
    s: float, on: float, slope: float, q: Kinetics, right_c: float, right_r: float, right_p: float
) -> tuple[float, float, float]:
    """Solve (1 - s J) k = right for the block of one synapse, the ligand held; returns k of c, r and p."""
    late = 1.0 + s / q.lag
    feed = s * slope / (q.lag * late)  # p = right_p / late + feed * c
    a, b = 1.0 + s * (q.off + q.internal), 1.0 + s * (q.turnover + on)
    both, back = right_r + s * right_p / late, s * (q.off + feed)
    determinant = a * b - s * on * back
    c = (b * right_c + s * on * both) / determinant
    r = (a * both + back * right_c) / determinant
    return c, r, right_p / late + feed * c


@kernel
def rosenbrock(
    u: F8, ligand: float, association: F8, strength: F8, supply: float, h: float, q: Kinetics, scratch: Step
) -> float:
    """One step of `h` days of one target; returns the new ligand.

    u : (3, n), c, r and p of its synapses, moved;  association, strength : (n,)
    """
    k, z, slope = scratch
    s, n, share = GAMMA * h, u.shape[1], 1.0 / q.volume
    takes, back = 0.0, 0.0
    for i in range(n):
        on, pull = association[i] * ligand, association[i] * u[1, i]
        slope[i] = receptor_slope(q.curve, strength[i], q.half, q.exponent, u[0, i])
        z[0, i], z[1, i], z[2, i] = solve_synapse(s, on, slope[i], q, s * pull, -s * pull, 0.0)
        takes += pull
        back += q.off * z[0, i] - on * z[1, i]
    denominator = 1.0 + s * (q.loss + takes * share) - s * share * back
    before, move = 0.0, 0.0
    for stage in range(2):
        now, bound, gain = ligand + before, 0.0, 0.0
        for i in range(n):
            c, r, p = u[0, i], u[1, i], u[2, i]
            old_c, old_r, old_p = 0.0, 0.0, 0.0
            if stage == 1:
                old_c, old_r, old_p = k[0, 0, i], k[0, 1, i], k[0, 2, i]
                c, r, p = c + old_c, r + old_r, p + old_p
            binding = association[i] * now * r - q.off * c
            made = receptor_growth(q.curve, strength[i], q.half, q.exponent, max(c, 0.0))
            right_c = h * (binding - q.internal * c) - 2.0 * old_c
            right_r = h * (p - q.turnover * r - binding) - 2.0 * old_r
            right_p = h * (made - p) / q.lag - 2.0 * old_p
            on = association[i] * ligand
            y_c, y_r, y_p = solve_synapse(s, on, slope[i], q, right_c, right_r, right_p)
            k[stage, 0, i], k[stage, 1, i], k[stage, 2, i] = y_c, y_r, y_p
            bound += binding
            gain += q.off * y_c - on * y_r
        right = h * (supply - q.loss * now - bound * share) - 2.0 * before
        step = (right + s * share * gain) / denominator
        for i in range(n):
            for m in range(3):
                k[stage, m, i] += z[m, i] * step
        move += (1.5 if stage == 0 else 0.5) * step
        before = step
    for i in range(n):
        for m in range(3):
            u[m, i] = max(u[m, i] + 1.5 * k[0, m, i] + 0.5 * k[1, m, i], 0.0)
    return max(ligand + move, 0.0)


@kernel
def advance_targets(
    lists: InLists, n_source: int, receptors: Receptors, targets: Targets, association: F8, strength: F8, q: Kinetics,
    n_step: int, h: float,
) -> None:  # fmt: skip
    """Advance all receptors and the ligand of every living target by `n_step` steps of `h` days.

    association, strength : (n_source,), of the axons, at their activity
    """
    bound, free, made = receptors
    alive, ligand, pro, release, infused, cleavage, blocked = targets
    most = 1
    for j in range(ligand.shape[0]):
        most = max(most, lists.length[j])
    u_all, k_all, z_all = np.empty((3, most)), np.empty((2, 3, most)), np.empty((3, most))
    a_all, f_all, slope_all = np.empty(most), np.empty(most), np.empty(most)
    for j in range(ligand.shape[0]):
        if not alive[j]:
            continue
        n, first = lists.length[j], lists.start[j]
        u, scratch = u_all[:, :n], Step(k_all[:, :, :n], z_all[:, :n], slope_all[:n])
        a, f = a_all[:n], f_all[:n]
        for i in range(n):
            e, source = lists.slot[first + i], lists.row[first + i] % n_source
            u[0, i], u[1, i], u[2, i] = bound[e], free[e], made[e]
            a[i], f[i] = association[source] * (1.0 - blocked[j]), strength[source]
        leaves = q.pro_loss + cleavage[j]
        keep = np.exp(-leaves * h)
        for _ in range(n_step):
            supply = (1.0 - q.pro_share) * release[j] + infused[j]
            if q.pro_share > 0.0:  # exact: the pro-form follows a linear equation of its own
                rest = q.pro_share * release[j] / leaves
                supply += cleavage[j] * (rest + (pro[j] - rest) * (1.0 - keep) / (leaves * h))
                pro[j] = rest + (pro[j] - rest) * keep
            ligand[j] = rosenbrock(u, ligand[j], a, f, supply, h, q, scratch)
        for i in range(n):
            e = lists.slot[first + i]
            bound[e], free[e], made[e] = u[0, i], u[1, i], u[2, i]

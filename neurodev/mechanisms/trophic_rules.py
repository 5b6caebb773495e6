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

import numpy as np

from neurodev.jit import kernel, rule

LINEAR, MICHAELIS, HILL = 0, 1, 2
GAMMA = 1.0 + np.sqrt(0.5)

# the number vector: rates in 1/day, times in days
Q_OFF, Q_INTERNAL, Q_TURNOVER, Q_LAG, Q_LOSS, Q_VOLUME = 0, 1, 2, 3, 4, 5
Q_CURVE, Q_HALF, Q_EXPONENT, Q_PRO_SHARE, Q_PRO_LOSS = 6, 7, 8, 9, 10


@rule
def receptor_growth(curve, strength, half, exponent, c):  # type: ignore[no-untyped-def]
    """F(c), production of receptors where c are occupied."""
    if curve == LINEAR:
        return strength * c
    if curve == MICHAELIS:
        return strength * c / (half + c)
    x = (c / half) ** exponent
    return strength * x / (1.0 + x)


@rule
def receptor_slope(curve, strength, half, exponent, c):  # type: ignore[no-untyped-def]
    """dF/dc."""
    if curve == LINEAR:
        return strength
    if curve == MICHAELIS:
        return strength * half / (half + c) ** 2
    if c <= 0.0:
        return strength / half if exponent == 1.0 else 0.0
    x = (c / half) ** exponent
    return strength * exponent * x / (c * (1.0 + x) ** 2)


@rule
def solve_synapse(s, on, slope, q, right_c, right_r, right_p):  # type: ignore[no-untyped-def]
    """Solve (1 - s J) k = right for the block of one synapse, the ligand held; returns k of c, r and p."""
    late = 1.0 + s / q[Q_LAG]
    feed = s * slope / (q[Q_LAG] * late)  # p = right_p / late + feed * c
    a, b = 1.0 + s * (q[Q_OFF] + q[Q_INTERNAL]), 1.0 + s * (q[Q_TURNOVER] + on)
    both, back = right_r + s * right_p / late, s * (q[Q_OFF] + feed)
    determinant = a * b - s * on * back
    c = (b * right_c + s * on * both) / determinant
    r = (a * both + back * right_c) / determinant
    return c, r, right_p / late + feed * c


@kernel
def rosenbrock(u, ligand, association, strength, supply, h, q, k, z, slope):  # type: ignore[no-untyped-def]
    """One step of `h` days; `u` (3, n) holds c, r, p and is moved; returns the new ligand.

    k (2, 3, n), z (3, n), slope (n) : scratch
    """
    s, n, share = GAMMA * h, u.shape[1], 1.0 / q[Q_VOLUME]
    takes, back = 0.0, 0.0
    for i in range(n):
        on, pull = association[i] * ligand, association[i] * u[1, i]
        slope[i] = receptor_slope(q[Q_CURVE], strength[i], q[Q_HALF], q[Q_EXPONENT], u[0, i])
        z[0, i], z[1, i], z[2, i] = solve_synapse(s, on, slope[i], q, s * pull, -s * pull, 0.0)
        takes += pull
        back += q[Q_OFF] * z[0, i] - on * z[1, i]
    denominator = 1.0 + s * (q[Q_LOSS] + takes * share) - s * share * back
    before, move = 0.0, 0.0
    for stage in range(2):
        now, bound, gain = ligand + before, 0.0, 0.0
        for i in range(n):
            c, r, p = u[0, i], u[1, i], u[2, i]
            old_c, old_r, old_p = 0.0, 0.0, 0.0
            if stage == 1:
                old_c, old_r, old_p = k[0, 0, i], k[0, 1, i], k[0, 2, i]
                c, r, p = c + old_c, r + old_r, p + old_p
            binding = association[i] * now * r - q[Q_OFF] * c
            made = receptor_growth(q[Q_CURVE], strength[i], q[Q_HALF], q[Q_EXPONENT], max(c, 0.0))
            right_c = h * (binding - q[Q_INTERNAL] * c) - 2.0 * old_c
            right_r = h * (p - q[Q_TURNOVER] * r - binding) - 2.0 * old_r
            right_p = h * (made - p) / q[Q_LAG] - 2.0 * old_p
            on = association[i] * ligand
            y_c, y_r, y_p = solve_synapse(s, on, slope[i], q, right_c, right_r, right_p)
            k[stage, 0, i], k[stage, 1, i], k[stage, 2, i] = y_c, y_r, y_p
            bound += binding
            gain += q[Q_OFF] * y_c - on * y_r
        right = h * (supply - q[Q_LOSS] * now - bound * share) - 2.0 * before
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
    in_start, in_length, in_slot, in_row, n_source, bound, free, made, ligand, pro, alive, release, infused, cleavage,
    block, association, strength, q, n_step, h,
):  # type: ignore[no-untyped-def] # fmt: skip
    """Advance all receptors and the ligand of every target by `n_step` steps of `h` days.

    Parameters
    ----------
    bound, free, made : columns of the table (capacity,)
    ligand, pro, release, infused, cleavage, block : (n_target,)
        Free mature ligand and pro-form (both moved); release, infusion, cleavage (1/day); share of receptors blocked.
    association, strength : (n_source,)
        Of the axons, at their activity.
    """
    most = 1
    for j in range(ligand.shape[0]):
        most = max(most, in_length[j])
    u_all, k_all, z_all = np.empty((3, most)), np.empty((2, 3, most)), np.empty((3, most))
    a_all, f_all, slope_all = np.empty(most), np.empty(most), np.empty(most)
    for j in range(ligand.shape[0]):
        if not alive[j]:
            continue
        n, first = in_length[j], in_start[j]
        u, k, z = u_all[:, :n], k_all[:, :, :n], z_all[:, :n]
        a, f, slope = a_all[:n], f_all[:n], slope_all[:n]
        for i in range(n):
            e, source = in_slot[first + i], in_row[first + i] % n_source
            u[0, i], u[1, i], u[2, i] = bound[e], free[e], made[e]
            a[i], f[i] = association[source] * (1.0 - block[j]), strength[source]
        leaves = q[Q_PRO_LOSS] + cleavage[j]
        keep = np.exp(-leaves * h)
        for _ in range(n_step):
            supply = (1.0 - q[Q_PRO_SHARE]) * release[j] + infused[j]
            if q[Q_PRO_SHARE] > 0.0:  # exact: the pro-form follows a linear equation of its own
                rest = q[Q_PRO_SHARE] * release[j] / leaves
                supply += cleavage[j] * (rest + (pro[j] - rest) * (1.0 - keep) / (leaves * h))
                pro[j] = rest + (pro[j] - rest) * keep
            ligand[j] = rosenbrock(u, ligand[j], a, f, supply, h, q, k, z, slope)
        for i in range(n):
            e = in_slot[first + i]
            bound[e], free[e], made[e] = u[0, i], u[1, i], u[2, i]

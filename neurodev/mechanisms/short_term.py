"""Short-term plasticity of Tsodyks and Markram: what a terminal releases depends on when it last did.

At a spike the share u of resources that is used rises, and u of the recovered resources x is released; the weights of
the row act times ``u x`` at that arrival:

    u <- u + U (1 - u),   then   x <- x - u x,   y <- y + u x

Between spikes u decays with `tau_facil`; what is active, y, becomes inactive with `tau_psc`; what is inactive,
z = 1 - x - y, recovers with `tau_rec`:

    du/dt = -u / tau_facil,    dy/dt = -y / tau_psc,    dz/dt = y / tau_psc - z / tau_rec

That is the form of Tsodyks, Pawelzik & Markram 1998 and Tsodyks, Uziel & Markram 2000.  With ``tau_psc = 0`` resources
are inactive at once, and the recursion from spike to spike is that of Maass & Markram 2002 (their D is `tau_rec`, their
F is `tau_facil`, their R is x):

    u[n+1] = U + u[n] (1 - U) e^{-dt / F},    R[n+1] = 1 + (R[n] - u[n] R[n] - 1) e^{-dt / D}

Both are linear between spikes, so each step is exact, whatever its length.  The state follows from the spikes of the
source alone: it is kept once for each source and delay (each row), moves at every arrival, also while the row has no
synapse, and changes no weight.  A synapse born onto an old terminal finds it as its spikes have left it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from neurodev.arrays import F8
from neurodev.jit import hook, rule
from neurodev.mechanisms.base import Hot, Mechanism
from neurodev.mechanisms.hooks import parameters_of, pre_traces_of, release, row_of, started
from neurodev.params import param

# pre traces of infinite time constant, which are therefore kept as they are: what is released (first, as the loop reads
# it), the state just after the last spike, when that was (ms of its epoch), and when the run began in that epoch
RELEASED, USED, ACTIVE, INACTIVE, LAST, BEGAN = range(6)
N_TRACE = 6


class ReleaseParameters(NamedTuple):
    """Of the hook; times in ms, 0: at once."""

    utilisation: float
    tau_rec: float
    tau_facil: float
    tau_psc: float


@rule
def faded(dt: float, tau: float) -> float:
    """What is left after `dt` of a decay with `tau`; nothing where tau is 0."""
    return np.exp(-dt / tau) if tau > 0.0 else 0.0


@rule
def passed_on(dt: float, tau_psc: float, tau_rec: float) -> float:
    """What is inactive `dt` after a unit became active, ``(e^{-dt/r} - e^{-dt/p}) r / (r - p)``, also where r = p."""
    if tau_psc <= 0.0:
        return faded(dt, tau_rec)
    if tau_rec <= 0.0:
        return 0.0
    a, b = 1.0 / tau_psc, 1.0 / tau_rec
    x = abs(a - b) * dt
    share = -np.expm1(-x) / x if x > 0.0 else 1.0
    return a * dt * share * np.exp(-min(a, b) * dt)  # type: ignore[no-any-return]


@hook
def release_at_arrival(record: int, source: int, lane: int, first: int, last: int, t: float) -> None:
    """Bring the terminal to the present, and let it release."""
    p, row, began = parameters_of(record, ReleaseParameters), row_of(record, source, lane), started(record)
    used, active, inactive = pre_traces_of(record, 1), pre_traces_of(record, 2), pre_traces_of(record, 3)
    when, epoch = pre_traces_of(record, 4), pre_traces_of(record, 5)
    dt = (t - when[row]) - (began - epoch[row])
    u = used[row] * faded(dt, p.tau_facil)
    u += p.utilisation * (1.0 - u)
    y = active[row] * faded(dt, p.tau_psc)
    z = inactive[row] * faded(dt, p.tau_rec) + active[row] * passed_on(dt, p.tau_psc, p.tau_rec)
    factor = u * max(1.0 - y - z, 0.0)
    release(record, row, factor)
    used[row], active[row], inactive[row] = u, y + factor, z
    when[row], epoch[row] = t, began


@dataclass(frozen=True)
class TsodyksMarkram(Mechanism):
    """Short-term depression and facilitation: a row's weights act times what its terminal releases.

    Parameters
    ----------
    U : float
        Share of the resources that a rested terminal releases at a spike: its weights act times U.
    tau_rec : float, ms (spike)
        Recovery of inactive resources (Maass & Markram's D); 0: at once, no depression.
    tau_facil : float, ms (spike)
        Decay of what spikes added to the share (their F); 0: at once, no facilitation.
    tau_psc : float, ms (spike)
        How long released resources stay active before they need to recover.  0: not at all, the recursion of Maass &
        Markram.  The synaptic current is the target's: give it the same decay, ``nd.LIF(tau_excitatory=tau_psc, ...)``.

    Notes
    -----
    Mean values (U, tau_rec, tau_facil) of Maass, Natschlaeger & Markram 2002 (recalled): EE .5, 1100, 50; EI .05, 125,
    1200; IE .25, 700, 20; II .32, 144, 60.  Tsodyks, Pawelzik & Markram 1998, their figure 1: .5, 800, 0 with tau_psc
    = 3; .03, 130, 530 with tau_psc = 1.5.  Populations whose synapses differ are connected by several projections.

    Examples
    --------
    Depressing synapses between pyramidal cells:

    >>> rule = TsodyksMarkram(U=0.5, tau_rec=1100.0, tau_facil=50.0)
    >>> used, recovered = course(rule, [0.0, 50.0, 100.0])
    >>> (used * recovered).round(3).tolist()
    [0.5, 0.309, 0.151]
    """

    U: float = param(0.5, unit="1", above=0.0, high=1.0, source="Maass, Natschlaeger & Markram 2002, EE (recalled)")
    tau_rec: float = param(1100.0, unit="ms", clock="spike", low=0.0, source="Maass et al. 2002, EE: D (recalled)")
    tau_facil: float = param(50.0, unit="ms", clock="spike", low=0.0, source="Maass et al. 2002, EE: F (recalled)")
    tau_psc: float = param(0.0, unit="ms", clock="spike", low=0.0, source="0: Maass & Markram 2002; Tsodyks 1998: 3")

    static: ClassVar[bool] = True
    owns: ClassVar[tuple[str, ...]] = ("release",)
    reach: ClassVar[str] = "target"
    equation: ClassVar[str] = (
        "at a spike: u <- u + U (1 - u), then the row delivers w u x and x <- x - u x, y <- y + u x;  between spikes: "
        "du/dt = -u / tau_facil, dy/dt = -y / tau_psc, dz/dt = y / tau_psc - z / tau_rec, x = 1 - y - z"
    )

    def hot(self, columns: frozenset[str]) -> Hot:
        """A hook before the delivery of each row."""
        parameters = ReleaseParameters(self.U, self.tau_rec, self.tau_facil, self.tau_psc)
        return Hot(None, None, parameters, (), (float("inf"),) * N_TRACE, on_release=release_at_arrival)

    def mean_release(self, rate_hz: float) -> float:
        """``u x`` with ``u = U (1 + r F) / (1 + r U F)`` and ``x = 1 / (1 + u r (D + tau_psc))``.

        The mean of u is exact, and that of x where there is no facilitation; otherwise u and x are taken as independent
        (Tsodyks, Pawelzik & Markram 1998).
        """
        r = rate_hz / 1e3
        u = self.U * (1.0 + r * self.tau_facil) / (1.0 + r * self.U * self.tau_facil)
        return u / (1.0 + u * r * (self.tau_rec + self.tau_psc))


# ---------------------------------------------------------------------- closed forms


def between(rule: TsodyksMarkram, dt: ArrayLike) -> tuple[F8, F8, F8, F8]:
    """What `dt` ms without a spike leave of u, y and z, and what they make of y that is then in z, each as `dt`."""
    t = np.asarray(dt, dtype=np.float64)
    r, p = rule.tau_rec, rule.tau_psc
    u, y, z = (np.exp(-t / tau) if tau > 0.0 else np.zeros(t.shape) for tau in (rule.tau_facil, p, r))
    if p == 0.0 or r == 0.0:
        on = z
    elif p == r:
        on = t / r * z
    else:  # the difference of two exponentials, to its last digit also where they are nearly equal
        slow, fast = max(p, r), min(p, r)
        on = np.exp(-t / slow) * -np.expm1(-t * (slow - fast) / (slow * fast)) * r / abs(r - p)
    return u, y, z, np.asarray(on)


def course(rule: TsodyksMarkram, times: ArrayLike) -> tuple[F8, F8]:
    """Share that is used (u) and resources that it finds (x) at each spike of a terminal that was at rest, (n,) each.

    times : (n,) array_like, ms, ascending
    """
    t = np.asarray(times, dtype=np.float64)
    used, found = np.zeros(t.size), np.zeros(t.size)
    u = y = z = 0.0
    for k, (of_u, of_y, of_z, on) in enumerate(zip(*between(rule, np.diff(t, prepend=t[:1])), strict=True)):
        y, z = y * of_y, z * of_z + y * on
        u = u * of_u + rule.U * (1.0 - u * of_u)
        used[k], found[k] = u, 1.0 - y - z
        y += u * found[k]
    return used, found


def stationary(rule: TsodyksMarkram, period: ArrayLike) -> tuple[F8, F8]:
    """u and x at the spikes of a regular train of such a period (ms), once it has gone on for long.

    ``u = U / (1 - (1 - U) e^{-T/F})``; with P and E left of y and of z after a period, and g of y passed on to z,
    ``x = 1 / (1 + u (P + g / (1 - E)) / (1 - P))``, which is (1 - E) / (1 - (1 - u) E) where ``tau_psc = 0``.
    """
    of_u, of_y, of_z, on = between(rule, period)
    u = rule.U / (1.0 - (1.0 - rule.U) * of_u)
    return np.asarray(u), np.asarray(1.0 / (1.0 + u * (of_y + on / (1.0 - of_z)) / (1.0 - of_y)))

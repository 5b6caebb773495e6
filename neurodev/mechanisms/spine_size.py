"""Spine size: the logarithm of the head volume as an Ornstein-Uhlenbeck process, and the death it decides.

    dx = -(x - m) / tau dt + sd sqrt(2 / tau) dW,     x = ln(V / V0),     m = mean + sd * (sum of drives)

advanced exactly over a tick.  Sizes are log-normal (Loewenstein 2011, J Neurosci 31:9481); fluctuations are intrinsic (Yasumatsu
2008, PMC2706274).  An optional second, slow component of the same form follows Loewenstein's two time scales.

Death is a *first passage* below `minimum` (developmental preset): between two ticks x crosses the bound with the
Brownian-bridge probability ``exp(-(x - b)(x' - b) tau / (sd^2 T))``, which takes the set-point as constant over the tick
(T << tau); or a *graded hazard* ``k0 exp(-slope (x - mean))`` per day (mature preset; default study, section 8).

Every death here is asked for by the size, so its *cause* is `fluctuation` when the set-point was not lowered (m >= mean), else
the drive that lowered it most.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from neurodev.errors import ParameterError
from neurodev.jit import kernel, rule
from neurodev.mechanisms.base import F8, I8, Mechanism, SynapseView
from neurodev.params import param
from neurodev.rng import normal, uniform
from neurodev.structure.log import cause_code
from neurodev.structure.plan import Plan
from neurodev.units import day

DRIVE = "drive_"
_LIFE = np.uint64(1)
_SLOW = np.uint64(2)


@rule
def ou_step(x, mean, keep, kick, z):  # type: ignore[no-untyped-def]
    """Exact OU update: `keep` = exp(-T/tau), `kick` = sd sqrt(1 - keep^2), `z` a standard normal."""
    return mean + (x - mean) * keep + kick * z


@rule
def bridge_crossing(x, y, bound, scale):  # type: ignore[no-untyped-def]
    """Probability that the path from `x` to `y` went below `bound`; `scale` = tau / (sd^2 T)."""
    if x <= bound or y <= bound:
        return 1.0
    return np.exp(-(x - bound) * (y - bound) * scale)


@kernel
def advance_sizes(
    slots, uid, f, x_at, slow_at, drives, stream, death_stream, slow_stream, tick,
    mean, sd, keep, kick, slow_keep, slow_kick, mode, bound, scale, hazard, slope, doomed,
):  # type: ignore[no-untyped-def] # fmt: skip
    """Advance x (and the slow part) of every slot; write the doomed slots, clear the drives of the living.

    mode: 0 no death, 1 first passage, 2 hazard.  Returns the number of doomed slots.
    """
    n_doomed = 0
    for k in range(slots.shape[0]):
        s = slots[k]
        m = mean
        for d in range(drives.shape[0]):
            m += sd * f[drives[d], s]
        old = f[x_at, s]
        slow = 0.0
        if slow_at >= 0:
            slow = f[slow_at, s]
        fast = ou_step(old - slow, m, keep, kick, normal(stream, uid[s], tick) if kick > 0.0 else 0.0)
        if slow_at >= 0:
            z = normal(slow_stream, uid[s], tick) if slow_kick > 0.0 else 0.0
            slow = ou_step(slow, 0.0, slow_keep, slow_kick, z)
            f[slow_at, s] = slow
        new = fast + slow
        f[x_at, s] = new
        dead = False
        if mode == 1:
            p = bridge_crossing(old, new, bound, scale)
            dead = p >= 1.0 or (p > 1e-12 and uniform(death_stream, uid[s], tick) < p)
        elif mode == 2:
            h = hazard * 0.5 * (np.exp(-slope * (old - mean)) + np.exp(-slope * (new - mean)))
            dead = uniform(death_stream, uid[s], tick) < -np.expm1(-h)
        if dead:
            doomed[n_doomed] = s
            n_doomed += 1
    return n_doomed


@dataclass(frozen=True)
class SpineSize(Mechanism):
    """The size of a spine fluctuates about a set-point that other mechanisms shift.

    Parameters
    ----------
    sd : float
        Stationary standard deviation s of ln V.
    tau : float, ms (life)
        Relaxation time of the (fast) component.
    mean : float
        mu, the set-point without drives.
    minimum : float
        x_min, where a spine vanishes.
    newborn, newborn_sd : float
        Mean and spread of x at birth.
    first : float
        Mean of the initial sizes, drawn as N(first, sd) above minimum + 0.05.
    noise : bool
        Off: no dW; the set-point still uses sd.
    death : {"first passage", "hazard", "none"}
    hazard_rate : float, 1/day;  hazard_slope : float
        k0 and beta of the graded hazard.
    slow_share : float;  slow_tau : float, ms (life)
        Share of the variance in a second, slow component, and its time constant.
    """

    owns: ClassVar[tuple[str, ...]] = ("log_size",)
    equation: ClassVar[str] = "dx = -(x - m)/tau dt + sd sqrt(2/tau) dW,  x = ln(V/V0),  m = mean + sd sum(drives)"

    sd: float = param(0.7, unit="1", low=0.0, source="default study, section 2")
    tau: float = param(2.5 * day, unit="ms", clock="life", above=0.0, source="default study, section 2")
    mean: float = param(0.0, unit="1", source="default study, section 2")
    minimum: float = param(-1.6, unit="1", source="default study, section 2: x_min = ln(.010/.05)")
    newborn: float = param(-0.8, unit="1", source="default study, section 2")
    newborn_sd: float = param(0.0, unit="1", low=0.0, source="default study, section 8 for the mature preset")
    first: float = param(-0.2, unit="1", source="default study, section 2")
    noise: bool = param(True, source="off switch")
    death: str = param("first passage", choices=("first passage", "hazard", "none"), source="model.md, section 3 (6)")
    hazard_rate: float = param(0.0074, unit="1/day", clock="life", low=0.0, source="default study, section 8")
    hazard_slope: float = param(2.34, unit="1", low=0.0, source="default study, section 8: 2.2 per sd of .94")
    slow_share: float = param(0.0, unit="1", low=0.0, high=1.0, source="default study, section 8")
    slow_tau: float = param(200 * day, unit="ms", clock="life", above=0.0, source="default study, section 8")
    _doomed: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.newborn <= self.minimum and self.death == "first passage":
            raise ParameterError(
                f"SpineSize.newborn={self.newborn} must lie above SpineSize.minimum={self.minimum}, "
                "or every newborn dies at once"
            )

    def columns(self) -> dict[str, float]:
        """log_size, and the slow part where there is one."""
        return {"log_size": 0.0} | ({"slow_size": 0.0} if self.slow_share > 0 else {})

    def fastest_life_time(self) -> float:
        """The fast component's."""
        return self.tau

    def prepare(self, view: SynapseView) -> None:
        """Draw the initial sizes: a normal above the minimum, by inversion, one uniform for each uid."""
        from scipy.special import ndtr, ndtri

        slots = view.slots()
        u = np.array([uniform(view.key("first sizes"), np.uint64(i), np.uint64(0)) for i in view.table.uid[slots]])
        if self.sd == 0:
            view.table.column("log_size")[slots] = self.first
            return
        low = ndtr((self.minimum + 0.05 - self.first) / self.sd) if self.death == "first passage" else 0.0
        view.table.column("log_size")[slots] = self.first + self.sd * ndtri(low + u * (1.0 - low))

    def advance(self, view: SynapseView) -> None:
        """Advance all sizes by a tick and note who must die."""
        table, t = view.table, view.clock.tick_life
        names = table.column_names
        drives = np.array([i for i, c in enumerate(names) if c.startswith(DRIVE)], dtype=np.int64)
        slots = view.slots()
        doomed = np.empty(slots.size, dtype=np.int64)
        fast_sd = self.sd * np.sqrt(1.0 - self.slow_share)
        slow_sd = self.sd * np.sqrt(self.slow_share)
        keep, slow_keep = np.exp(-t / self.tau), np.exp(-t / self.slow_tau)
        mode = {"none": 0, "first passage": 1, "hazard": 2}[self.death]
        variance = fast_sd**2 * t / self.tau + slow_sd**2 * t / self.slow_tau
        n = advance_sizes(
            slots, table.uid, table.f, names.index("log_size"),
            names.index("slow_size") if "slow_size" in names else -1, drives,
            view.key("size"), view.key("death"), view.key("slow size"), np.uint64(view.clock.tick),
            self.mean, self.sd, keep, fast_sd * np.sqrt(1 - keep**2) if self.noise else 0.0,
            slow_keep, slow_sd * np.sqrt(1 - slow_keep**2) if self.noise else 0.0,
            mode, self.minimum, 1.0 / variance if self.noise and variance > 0 else np.inf,
            self.hazard_rate * t / day, self.hazard_slope, doomed,
        )  # fmt: skip
        self._doomed[view.name] = doomed[:n].copy()

    def propose(self, view: SynapseView) -> Plan | None:
        """The deaths noted by `advance`, with their causes."""
        doomed: I8 = self._doomed.pop(view.name, np.zeros(0, dtype=np.int64))
        if not doomed.size:
            return None
        table = view.table
        terms = {c[len(DRIVE) :]: table.column(c)[doomed] for c in table.column_names if c.startswith(DRIVE)}
        cause = self.causes(terms, doomed.size)
        nan = np.full(doomed.size, np.nan)
        return Plan(
            self.name, doomed, cause, table.column("log_size")[doomed].astype(np.float32),
            terms.get("evidence", nan).astype(np.float32), terms.get("trophic", nan).astype(np.float32),
        )  # fmt: skip

    def causes(self, terms: dict[str, F8], n: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
        """Cause of each death: fluctuation (or hazard) if the set-point was not lowered, else the lowest term."""
        own = cause_code("hazard" if self.death == "hazard" else "fluctuation")
        cause = np.full(n, own, dtype=np.uint8)
        if not terms:
            return cause
        stack = np.stack(list(terms.values()))
        codes = np.array([cause_code(name) for name in terms], dtype=np.uint8)
        lowered = stack.sum(axis=0) < 0
        cause[lowered] = codes[np.argmin(stack, axis=0)][lowered]
        return cause

    def born(self, view: SynapseView, slots: I8) -> None:
        """Newborns start at `newborn`."""
        x = view.table.column("log_size")
        x[slots] = self.newborn
        if self.newborn_sd > 0:
            key = view.key("newborn")
            x[slots] += self.newborn_sd * np.array(
                [normal(key, u, np.uint64(view.clock.tick)) for u in view.table.uid[slots]]
            )


def mean_first_passage(start: float, bound: float, mean: float, sd: float, tau: float) -> float:
    """Mean time for the OU process to fall from `start` below `bound` (EX-41), in the unit of `tau`."""
    from scipy.integrate import quad
    from scipy.special import erfcx

    a, b = (bound - mean) / (sd * np.sqrt(2.0)), (start - mean) / (sd * np.sqrt(2.0))
    return float(tau * np.sqrt(np.pi) * quad(erfcx, a, b)[0])

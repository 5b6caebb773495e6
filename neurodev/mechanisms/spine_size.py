"""Spine size: the logarithm of the head volume as an Ornstein-Uhlenbeck process, and the death it decides.

    dx = -(x - m) / tau dt + sd sqrt(2 / tau) dW,     x = ln(V / V0),     m = mean + sd * (sum of drives)

advanced exactly over a tick.  Sizes are log-normal (Loewenstein 2011, J Neurosci 31:9481); fluctuations are intrinsic
(Yasumatsu 2008, PMC2706274).  An optional second, slow component of the same form follows Loewenstein's two
time scales.

Drives are the columns whose names begin with ``drive_``.  This mechanism owns them: it clears them in the first phase
of a tick, the others add to them in the second, it reads them in the third, and they stay readable until the next tick.
Steps (``step_``) are handled alike, but move x itself, at once and for good: consolidation, shrinkage beside others.

Death is a *first passage* below `minimum` (developmental preset): between two ticks x crosses the bound with the
Brownian-bridge probability ``exp(-(x - b)(x' - b) tau / (sd^2 T))``, which takes the set-point as constant over the
tick (T << tau); or a *graded hazard* ``k0 exp(-slope (x - mean))`` per day, averaged over the two ends of a tick
(mature preset, fitted to Melander 2021, Cell Rep 37:109972).

Every death here is asked for by the size, so its *cause* is `fluctuation` (under the hazard: `hazard`) when the
set-point was not lowered (m >= mean), else the drive that lowered it most.  A step counts as a drive of its tick.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neurodev.arrays import F8, I8, U8
from neurodev.errors import BuildError, ParameterError
from neurodev.jit import kernel, rule
from neurodev.mechanisms.base import Mechanism, SynapseView
from neurodev.noise import BLOCK, STEEPEST, exponentials, normals, normals_of, uniforms_of
from neurodev.params import param
from neurodev.rng import uniform
from neurodev.structure.cause import Cause, cause_code
from neurodev.structure.duration import lasting
from neurodev.structure.plan import Plan
from neurodev.units import day

DRIVE = "drive_"
STEP = "step_"
ALIVE, PASSAGE, HAZARD = 0, 1, 2
DEATHS = {"none": ALIVE, "first passage": PASSAGE, "hazard": HAZARD}
_ROWS = 8  # scratch rows of `advance_sizes`: five of its own, and what `normals` and `exponentials` want
_CERTAIN = 30.0  # minus the logarithm of a probability that counts as none


@dataclass
class Doomed:
    """Who must die of its size in this tick, found when sizes advance and asked for when plans are made."""

    slots: I8 = field(default_factory=lambda: np.zeros(0, dtype=np.int64))


class Motion(NamedTuple):
    """The constants of a tick."""

    mean: float
    sd: float
    keep: float
    """exp(-T/tau)"""
    kick: float
    """Standard deviation of what the tick adds."""
    slow_keep: float
    slow_kick: float
    bound: float
    """Where a spine vanishes."""
    scale: float
    """1 / variance of the path within the tick; infinite without noise."""
    hazard: float
    """Expected deaths in the tick at the mean size."""
    slope: float


class Scratch(NamedTuple):
    """Working memory of `advance_sizes`."""

    work: F8
    """(_ROWS, BLOCK)"""
    bits: U8
    """(_ROWS, BLOCK), a view of `work`"""
    counter: U8
    """(BLOCK,)"""


@rule
def ou_step(x: float, mean: float, keep: float, kick: float, z: float) -> float:
    """Exact OU update: `keep` = exp(-T/tau), `kick` = sd sqrt(1 - keep^2), `z` a standard normal."""
    return mean + (x - mean) * keep + kick * z


@rule
def bridge_crossing(x: float, y: float, bound: float, scale: float) -> float:
    """Probability that the path from `x` to `y` went below `bound`; `scale` = tau / (sd^2 T)."""
    if x <= bound or y <= bound:
        return 1.0
    return np.exp(-(x - bound) * (y - bound) * scale)  # type: ignore[no-any-return]


@rule
def clear_of(x: float, y: float, bound: float, scale: float) -> bool:
    """Whether a crossing is so improbable (below 1e-13) that no uniform need be drawn."""
    return x > bound and y > bound and (x - bound) * (y - bound) * scale > _CERTAIN


@kernel
def advance_sizes(
    slots: I8, uid: U8, f: F8, x_at: int, slow_at: int, drives: I8, streams: U8, tick: np.uint64, q: Motion, mode: int,
    doomed: I8, scratch: Scratch,
) -> int:  # fmt: skip
    """Advance x (and the slow part) of every slot by a tick, and list the doomed; returns their number.

    Parameters
    ----------
    slots, doomed : (n_synapse,)
    uid : (capacity,)
    f : (n_column, capacity)
        With x in row `x_at`, the slow part in row `slow_at` (-1: none) and the drives in rows `drives`.
    streams : (3,)
        Of the size, the slow part and death.
    mode : {ALIVE, PASSAGE, HAZARD}
    """
    work, bits, counter = scratch
    n_doomed, n = 0, slots.shape[0]
    for first in range(0, n, BLOCK):
        m = min(BLOCK, n - first)
        old, new, slow, mean, z = work[0, :m], work[1, :m], work[2, :m], work[3, :m], work[4, :m]
        block, uids, z_bits = slots[first : first + m], counter[:m], bits[4, :m]
        for k in range(m):
            uids[k] = uid[block[k]]
            old[k] = f[x_at, block[k]]
            mean[k] = q.mean
            slow[k] = 0.0
            z[k] = 0.0
        for d in range(drives.shape[0]):
            for k in range(m):
                mean[k] += q.sd * f[drives[d], block[k]]
        if slow_at >= 0:
            for k in range(m):
                slow[k] = f[slow_at, block[k]]
        if q.kick > 0.0:
            normals(streams[0], uids, tick, z, z_bits, work[5:])
        for k in range(m):
            new[k] = ou_step(old[k] - slow[k], mean[k], q.keep, q.kick, z[k])
        if slow_at >= 0:
            if q.slow_kick > 0.0:
                normals(streams[1], uids, tick, z, z_bits, work[5:])
            for k in range(m):
                slow[k] = ou_step(slow[k], 0.0, q.slow_keep, q.slow_kick, z[k])
                f[slow_at, block[k]] = slow[k]
                new[k] += slow[k]
        for k in range(m):
            f[x_at, block[k]] = new[k]
        if mode == PASSAGE:
            for k in range(m):
                if not clear_of(old[k], new[k], q.bound, q.scale):
                    p = bridge_crossing(old[k], new[k], q.bound, q.scale)
                    if p >= 1.0 or uniform(streams[2], uids[k], tick) < p:
                        doomed[n_doomed] = block[k]
                        n_doomed += 1
        elif mode == HAZARD:
            n_doomed = doom_by_hazard(block, uids, old, new, streams[2], tick, q, doomed, n_doomed, scratch)
    return n_doomed


@kernel
def doom_by_hazard(
    block: I8, uids: U8, old: F8, new: F8, stream: np.uint64, tick: np.uint64, q: Motion, doomed: I8, n_doomed: int,
    scratch: Scratch,
) -> int:  # fmt: skip
    """Deaths of one block at the mean of the hazards at both ends of the tick; overwrites `old` and `new`.

    block, uids, old, new : (m,);  doomed : (n_synapse,), of which `n_doomed` are listed; returns how many are then
    """
    work, bits = scratch.work, scratch.bits
    m = block.shape[0]
    for k in range(m):
        old[k] = max(min(-q.slope * (old[k] - q.mean), STEEPEST), -STEEPEST)
        new[k] = max(min(-q.slope * (new[k] - q.mean), STEEPEST), -STEEPEST)
    exponentials(old, work[5, :m], bits[5, :m])
    exponentials(new, work[5, :m], bits[5, :m])
    for k in range(m):
        h = 0.5 * q.hazard * (old[k] + new[k])
        u = uniform(stream, uids[k], tick)
        if u < h and u < -np.expm1(-h):
            doomed[n_doomed] = block[k]
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
        x_min, where a spine vanishes (first passage).
    newborn, newborn_sd : float
        Mean and spread of x at birth.  With a spread, a newborn below the minimum dies at the next tick.
    first : float
        Mean of the initial sizes, drawn as N(first, sd) above minimum + 0.05 (under the hazard: untruncated).
    noise : bool
        Off: no dW; the set-point still uses sd.
    death : {"first passage", "hazard", "none"}
        "none" is the off switch of deaths.
    hazard_rate : float, 1/day
        k0 of the graded hazard.
    hazard_slope : float
        beta of the graded hazard, per unit of ln V.
    slow_share : float
        Share of the variance in a second, slow component (0: none), which is drawn given x from their joint
        stationary law, at the start and at birth.
    slow_tau : float, ms (life)
        Its time constant.

    Examples
    --------
    >>> net = nd.Network(seed=1)
    >>> a, b = net.add(nd.Poisson(10.0), 50, name="a"), net.add(nd.LIF(), 20, name="b")
    >>> net.connect(a, b, nd.Degree(5), spines=nd.Spines(weight=4.0)).use(nd.SpineSize(noise=False))
    Projection('a_b', a to b, about 100 synapses, 5 inputs each, spines of 4 mV, uses SpineSize)
    """

    owns: ClassVar[tuple[str, ...]] = ("log_size", "size")
    reach: ClassVar[str] = "target"
    equation: ClassVar[str] = (
        "dx = -(x - m)/tau dt + sd sqrt(2/tau) dW,  x = ln(V/V0),  m = mean + sd sum(drives);  "
        "death: first passage below minimum, or hazard_rate exp(-hazard_slope (x - mean)) a day"
    )

    causes: ClassVar[dict[str, Cause]] = {
        "fluctuation": Cause(
            "its size wandered below the limit by chance, although nothing had lowered its set-point",
            colour="#E69F00",
        ),
        "hazard": Cause("the hazard of small spines caught it", colour="#D55E00"),
    }

    sd: float = param(0.7, unit="1", low=0.0, source="free: calibrated for the default study")
    tau: float = param(2.5 * day, unit="ms", clock="life", above=0.0, source="free: calibrated for the default study")
    mean: float = param(0.0, unit="1", source="free: calibrated for the default study")
    minimum: float = param(-1.6, unit="1", source="free: calibrated; x_min = ln(.010/.05)")
    newborn: float = param(-0.8, unit="1", source="free: calibrated for the default study")
    newborn_sd: float = param(0.0, unit="1", low=0.0, source="free; mature preset: Melander 2021")
    first: float = param(-0.2, unit="1", source="free: calibrated for the default study")
    noise: bool = param(True, source="off switch")
    death: str = param("first passage", choices=tuple(DEATHS), source="free: our model, first passage or graded hazard")
    hazard_rate: float = param(0.0074, unit="1/day", clock="life", low=0.0, source="fitted to Melander 2021")
    hazard_slope: float = param(2.34, unit="1", low=0.0, source="chosen on Melander 2021: 2.2 per sd of .94")
    slow_share: float = param(0.0, unit="1", low=0.0, high=1.0, source="free: off; two parts: Loewenstein 2011")
    slow_tau: float = param(200 * day, unit="ms", clock="life", above=0.0, source="free: tried on Melander 2021")

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

    def approximations(self, tick: float) -> list[str]:
        """The set-point within a tick."""
        return [
            f"the set-point is taken as constant over a tick ({lasting(tick / day)} against tau "
            f"{lasting(self.tau / day)}) in the bridge probability of first passage."
        ]

    def fastest_life_time(self) -> float:
        """The fast component's; a slow component is slower only if its time constant says so."""
        return min(self.tau, self.slow_tau) if self.slow_share > 0 else self.tau

    def prepare(self, view: SynapseView) -> None:
        """Draw the initial sizes: a normal above the minimum, by inversion, one uniform for each uid.

        Raises
        ------
        BuildError
            If something shifts the set-point, or moves the size, without declaring the cause that it is.
        """
        from scipy.special import ndtr, ndtri

        if self.death != "none":
            self._check_causes(view)
        slots = view.slots()
        uid = view.table.uid[slots]
        x = np.full(slots.size, self.first)
        if self.sd > 0:
            cut = (self.minimum + 0.05 - self.first) / self.sd
            below = float(ndtr(cut)) if self.death != "hazard" else 0.0
            x += self.sd * ndtri(below + uniforms_of(view.key("first sizes"), uid) * (1.0 - below))
        view.table.column("log_size")[slots] = x
        self._split(view, slots, x - self.first, "first slow sizes")

    @staticmethod
    def _check_causes(view: SynapseView) -> None:
        for column in view.table.column_names:
            for begin in (DRIVE, STEP):
                word = column.removeprefix(begin)
                try:
                    if word != column:
                        cause_code(word)
                except ParameterError as e:
                    raise BuildError(
                        f"projection {view.name!r}: {column!r} moves sizes, but nobody declares the cause {word!r} "
                        "that its deaths are logged with; the mechanism that adds to it must say "
                        f"causes = {{{word!r}: Cause('why it died')}} ({e})"
                    ) from e

    def _split(self, view: SynapseView, slots: I8, deviation: F8, purpose: str) -> None:
        """Give the slow part its share of a deviation, and the spread that the joint stationary law has around it."""
        if self.slow_share > 0:
            spread = self.sd * np.sqrt(self.slow_share * (1.0 - self.slow_share))
            z = normals_of(view.key(purpose), view.table.uid[slots])
            view.table.column("slow_size")[slots] = self.slow_share * deviation + spread * z

    def signals(self, view: SynapseView) -> None:
        """Clear the drives and steps, before others add to them."""
        table = view.table
        for i in (*_drives(table.column_names), *_steps(table.column_names)):
            table.f[i] = 0.0

    def advance(self, view: SynapseView) -> None:
        """Advance all sizes by a tick and note who must die."""
        table, names = view.table, view.table.column_names
        slots = view.slots()
        for i in _steps(names):
            table.column("log_size")[slots] += table.f[i, slots]
        doomed, work = np.empty(slots.size, dtype=np.int64), np.empty((_ROWS, BLOCK))
        streams = np.array([view.key("size"), view.key("slow size"), view.key("death")], dtype=np.uint64)
        n = advance_sizes(
            slots, table.uid, table.f, names.index("log_size"),
            names.index("slow_size") if self.slow_share > 0 else -1, _drives(names), streams,
            np.uint64(view.clock.tick), self._motion(view.clock.tick_life),
            DEATHS[self.death] if view.mortal else ALIVE, doomed,
            Scratch(work, work.view(np.uint64), np.empty(BLOCK, dtype=np.uint64)),
        )  # fmt: skip
        view.kept(Doomed).slots = doomed[:n].copy()

    def birth_size(self) -> float:
        """The mean of newborns."""
        return self.newborn

    def _motion(self, t: float) -> Motion:
        """The constants of a tick of `t` ms."""
        fast, slow = self.sd * np.sqrt(1.0 - self.slow_share), self.sd * np.sqrt(self.slow_share)
        keep, slow_keep = np.exp(-t / self.tau), np.exp(-t / self.slow_tau)
        # without noise the path between two ticks is smooth: it crossed only if an end did
        variance = fast**2 * t / self.tau + slow**2 * t / self.slow_tau if self.noise else 0.0
        on = float(self.noise)
        motion = Motion(
            mean=self.mean, sd=self.sd, keep=keep, kick=on * fast * np.sqrt(1.0 - keep**2), slow_keep=slow_keep,
            slow_kick=on * slow * np.sqrt(1.0 - slow_keep**2), bound=self.minimum,
            scale=1.0 / variance if variance > 0 else np.inf, hazard=self.hazard_rate * t / day,
            slope=self.hazard_slope,
        )  # fmt: skip
        return Motion(*(float(x) for x in motion))

    def propose(self, view: SynapseView) -> Plan | None:
        """The deaths noted by `advance`, with their causes."""
        kept = view.kept(Doomed)
        doomed, kept.slots = kept.slots, np.zeros(0, dtype=np.int64)
        if not doomed.size:
            return None
        table = view.table
        names = table.column_names
        terms = {names[i][len(DRIVE) :]: table.f[i, doomed] for i in _drives(names)}
        unit = max(self.sd, 1e-12)  # steps are in units of ln V, drives in units of its sd
        terms |= {names[i][len(STEP) :]: table.f[i, doomed] / unit for i in _steps(names)}
        return Plan(
            self.name, doomed, self.decide(terms, doomed.size), table.column("log_size")[doomed].astype(np.float32),
            {name: values.astype(np.float32) for name, values in terms.items()},
        )  # fmt: skip

    def decide(self, terms: dict[str, F8], n: int) -> NDArray[np.uint8]:
        """Cause of each of `n` deaths, from the terms of the set-point (each (n,), in sd).

        `fluctuation` (or `hazard`) if the set-point was not lowered, else the term that lowered it most.
        """
        cause = np.full(n, cause_code("hazard" if self.death == "hazard" else "fluctuation"), dtype=np.uint8)
        if not terms:
            return cause
        stack = np.stack(list(terms.values()))
        codes = np.array([cause_code(name) for name in terms], dtype=np.uint8)
        lowered = stack.sum(axis=0) < 0
        cause[lowered] = codes[np.argmin(stack, axis=0)][lowered]
        return cause

    def born(self, view: SynapseView, slots: I8) -> None:
        """Newborns start at `newborn`, with its spread."""
        x = np.full(slots.size, self.newborn)
        if self.newborn_sd > 0:
            x += self.newborn_sd * normals_of(view.key("newborn"), view.table.uid[slots])
        view.table.column("log_size")[slots] = x
        self._split(view, slots, x - self.mean, "newborn slow size")


def _drives(names: list[str]) -> I8:
    """Positions of the drive columns, by name: their sum does not depend on the order of use."""
    return np.array([names.index(c) for c in sorted(names) if c.startswith(DRIVE)], dtype=np.int64)


def _steps(names: list[str]) -> list[int]:
    """Positions of the step columns, by name."""
    return [names.index(c) for c in sorted(names) if c.startswith(STEP)]


# ---------------------------------------------------------------------- closed forms


def mean_first_passage(start: float, bound: float, mean: float, sd: float, tau: float) -> float:
    """Mean time for the OU process to fall from `start` below `bound` (EX-41), in the unit of `tau`."""
    from scipy.integrate import quad
    from scipy.special import erfcx

    a, b = (bound - mean) / (sd * np.sqrt(2.0)), (start - mean) / (sd * np.sqrt(2.0))
    return float(tau * np.sqrt(np.pi) * quad(erfcx, a, b)[0])


def mean_life(size: SpineSize, setpoint: float = 0.0) -> float:
    """Mean life of a newborn under first passage, ms, with its set-point at `setpoint` sd above the mean."""
    target = size.mean + size.sd * setpoint
    return mean_first_passage(size.newborn, size.minimum, target, size.sd, size.tau)


def volume_moments(mean: float, sd: float) -> dict[str, float]:
    """Mean, median, mode, coefficient of variation and skewness of V = e^x (EX-36, EX-37), in units of V0."""
    cv = float(np.sqrt(np.expm1(sd**2)))
    return {
        "mean": float(np.exp(mean + sd**2 / 2.0)), "median": float(np.exp(mean)), "mode": float(np.exp(mean - sd**2)),
        "cv": cv, "skewness": float((np.exp(sd**2) + 2.0) * cv),
    }  # fmt: skip


def change_sd(lag: ArrayLike, sd: float, tau: float) -> F8:
    """Standard deviation of the change of ln V over `lag` (EX-38)."""
    return np.asarray(sd * np.sqrt(-2.0 * np.expm1(-np.asarray(lag, dtype=np.float64) / tau)))


def volume_correlation(lag: ArrayLike, sd: float, tau: float) -> F8:
    """Correlation of V with itself after `lag` (EX-39)."""
    keep = np.exp(-np.asarray(lag, dtype=np.float64) / tau)
    return np.asarray(np.expm1(sd**2 * keep) / np.expm1(sd**2))

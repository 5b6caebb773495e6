"""Neurons without a closed form between events: they integrate themselves, and are labelled approximate.

A model of this kind names its variables (the potential first), and gives a compiled rule for their slopes:

    flow(m, i, x, dx, current, t)      x, dx: addresses of variables and slopes (per ms);  t: ms since the start

and, if a spike changes the variables, ``after_spike(m, i, x, 0, 0.0, t)``.  `Stepped` does the rest: steps of Dormand
and Prince 1980 (J Comput Appl Math 6:19), of fifth order with an embedded fourth-order error estimate, cut where inputs
come.  A step is at most `step` long and is repeated shorter where its estimated error exceeds ``tolerance (1 + |x|)``
in any variable.  Synaptic currents are exact exponentials of time within a step.

A spike is an upward crossing of `peak`.  It is located by Newton's method on the length of the last step itself, kept
within its bracket, so that its time is of fifth order as the step is, without interpolation.  An excursion above `peak`
that begins and ends within one step is missed.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, ClassVar

import numpy as np

from neurodev.arrays import F8, Int
from neurodev.errors import ParameterError
from neurodev.jit import address_of_hook, call_rule, kernel, model_rule, rule, view2_f8, view_f8
from neurodev.neurons.current import CLOSE
from neurodev.neurons.door import LARGEST
from neurodev.neurons.model import Column, NeuronModel, Rules
from neurodev.neurons.rules import (
    block_end,
    cells_of,
    classes_of,
    is_free,
    kinds_of,
    model_of,
    schedule,
    unschedule,
)
from neurodev.params import check, param
from neurodev.rng import normal

# columns of a neuron: time of its state, of its start, length of its next step, 1 while it stays above peak since a
# spike, end of the step that was looked at, 1 if a spike is noted, 1 from a spike to its release, two currents; a noisy
# current, the time of its next value, how many it has had; then its variables, then those at the end of the step
T, SINCE, H, ABOVE, END, SPIKES, HELD, CURRENTS, NOISE, NEXT, DRAWS, STATE = *range(1, 9), 10, 11, 12, 13
# columns of the table of classes; then the parameters of the model's own, in order of declaration
FLOW, AFTER, N, STEP, TOLERANCE, PEAK, DRIVE, RATES, SYNAPTIC, RESTART = *range(8), 9, 10
# of a noisy current: how long a value is held (inf: there is none), mean, standard deviation, what is kept of the last
# value and what is new (its standard deviation), and the key of its draws in two halves
HELD_FOR, MEAN, SIGMA, KEPT, FRESH, KEY, PARAMETERS = *range(11, 17), 18
SHORTEST = 1e-9  # of a step, in the longest: then whatever comes is taken
DIGITS = 1e-14  # of a step, in the time itself, so that time goes on
STAGES, INNER, COPY, ROWS = 7, 7, 8, 10  # rows of the scratch: slopes, state within a step, two states

_HALF = np.uint64(32)
TIMES = np.array([0.0, 1 / 5, 3 / 10, 4 / 5, 8 / 9, 1.0, 1.0])
WEIGHTS = np.array(
    [
        [0.0, 0.0, 0.0, 0.0, 0.0, 0.0],
        [1 / 5, 0.0, 0.0, 0.0, 0.0, 0.0],
        [3 / 40, 9 / 40, 0.0, 0.0, 0.0, 0.0],
        [44 / 45, -56 / 15, 32 / 9, 0.0, 0.0, 0.0],
        [19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729, 0.0, 0.0],
        [9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656, 0.0],
        [35 / 384, 0.0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84],
    ]
)
ERRORS = np.array([71 / 57600, 0.0, -71 / 16695, 71 / 1920, -17253 / 339200, 22 / 525, -1 / 40])


@rule
def parameters_of(m: int, i: Int) -> F8:
    """The model's own parameters of neuron `i`, in order of declaration."""
    return classes_of(m)[kinds_of(m)[i]][PARAMETERS:]  # type: ignore[no-any-return]


@rule
def state_at(m: int, i: Int, k: Int) -> int:
    """Address of column `k` of neuron `i`."""
    r = model_of(m)
    return r.cells + 8 * (i * r.n_column + k)


@rule
def row_at(m: int, i: Int, k: Int) -> int:
    """Address of row `k` of the scratch, one variable a column."""
    return model_of(m).scratch + 8 * k * int(classes_of(m)[kinds_of(m)[i], N])


@kernel
def try_step(m: int, i: Int, free: bool, here: int, there: int, since: float, h: float) -> float:
    """One step of length `h` from the state at address `here` to that at `there`; its error over what is allowed.

    `since` is the time of `here` after that of the neuron's columns; V stands still if the neuron is not `free`.
    """
    cell, c = cells_of(m)[i], classes_of(m)[kinds_of(m)[i]]
    n, flow = np.int64(c[N]), np.int64(c[FLOW])
    slope, inner = view2_f8(model_of(m).scratch, ROWS, n), view_f8(row_at(m, i, INNER), n)
    x, y = view_f8(here, n), view_f8(there, n)
    for k in range(STAGES):
        for v in range(n):
            inner[v] = x[v]
            for j in range(k):
                inner[v] += h * WEIGHTS[k, j] * slope[j, v]
        after = since + TIMES[k] * h
        current = c[DRIVE] + cell[NOISE] + cell[CURRENTS] * np.exp(-c[RATES] * after)
        current += cell[CURRENTS + 1] * np.exp(-c[RATES + 1] * after)
        call_rule(flow, m, i, row_at(m, i, INNER), row_at(m, i, k), current, cell[T] - cell[SINCE] + after)
        if not free:
            slope[k, 0] = 0.0
        for v in range(n):
            if not abs(slope[k, v]) < np.inf:
                return np.inf
    worst = 0.0
    for v in range(n):
        y[v] = inner[v]  # the last stage stands at the end of the step
        error = 0.0
        for k in range(STAGES):
            error += ERRORS[k] * slope[k, v]
        share = abs(h * error) / (c[TOLERANCE] * (1.0 + max(abs(x[v]), abs(y[v]))))
        if not share < np.inf:  # NaN too
            return np.inf
        worst = max(worst, share)
    return worst


@rule
def other_step(h: float, worst: float) -> float:
    """The step that would just be allowed, with some reserve."""
    return h * min(4.0, max(0.1, 0.9 * max(worst, 1e-10) ** -0.2))  # type: ignore[no-any-return]


@rule
def shortest_step(longest: float, t: float) -> float:
    """Length of a step that is taken whatever comes of it."""
    return max(SHORTEST * longest, DIGITS * abs(t))


@kernel
def walk(m: int, i: Int, free: bool, here: int, there: int, span: float, h: float) -> float:
    """Bring the state at `here` on by `span`, with first steps of `h`; returns what the next step may be."""
    c = classes_of(m)[kinds_of(m)[i]]
    n, longest = np.int64(c[N]), c[STEP]
    x, y = view_f8(here, n), view_f8(there, n)
    at = 0.0
    while at < span:
        total = 0.0
        for v in range(n):
            total += x[v]
        if not abs(total) < np.inf:
            return h  # it has left the numbers, and stays there
        step = min(h, span - at)
        worst = try_step(m, i, free, here, there, at, step)
        if worst > 1.0 and step > SHORTEST * longest:
            h = other_step(step, worst)
            continue
        for v in range(n):
            x[v] = y[v]
        at = span if step == span - at else at + step
        h = min(longest, max(h, other_step(step, worst)) if step < h else other_step(step, worst))
        h = max(h, SHORTEST * longest)
    return h


@rule
def renew(m: int, i: Int) -> None:
    """The next value of the noisy current of neuron `i`, by Gillespie's exact update; the first is as all later ones.

    Gillespie 1996 (Phys Rev E 54:2084).  A draw belongs to the neuron and to the number of its value.
    """
    cell, c = cells_of(m)[i], classes_of(m)[kinds_of(m)[i]]
    key = (np.uint64(c[KEY]) << _HALF) | np.uint64(c[KEY + 1])
    drawn = normal(key, np.uint64(i), np.uint64(cell[DRAWS]))
    old = cell[NOISE] - c[MEAN]
    cell[NOISE] = c[MEAN] + (c[SIGMA] * drawn if cell[DRAWS] == 0.0 else c[KEPT] * old + c[FRESH] * drawn)
    cell[DRAWS] += 1.0
    cell[NEXT], cell[END] = cell[SINCE] + cell[DRAWS] * c[HELD_FOR], np.inf


@kernel
def advance(m: int, i: Int, free: bool, t: float) -> None:
    """Bring neuron `i` to `t`, from one value of its noisy current to the next."""
    if classes_of(m)[kinds_of(m)[i], HELD_FOR] < np.inf:
        while cells_of(m)[i, NEXT] <= t:
            bring(m, i, free, cells_of(m)[i, NEXT])
            renew(m, i)
    bring(m, i, free, t)


@kernel
def bring(m: int, i: Int, free: bool, t: float) -> None:
    """Bring neuron `i` to `t` while its noisy current stays as it is."""
    cell, c = cells_of(m)[i], classes_of(m)[kinds_of(m)[i]]
    n, span = np.int64(c[N]), t - cell[T]
    if span <= 0.0:
        return
    if cell[END] == t and free:
        for v in range(n):
            cell[STATE + v] = cell[STATE + n + v]
    else:
        cell[H] = walk(m, i, free, state_at(m, i, STATE), state_at(m, i, STATE + n), span, cell[H])
    cell[CURRENTS] *= np.exp(-c[RATES] * span)
    cell[CURRENTS + 1] *= np.exp(-c[RATES + 1] * span)
    cell[T], cell[END] = t, np.inf


@model_rule
def receive(m: int, i: Int, q: Int, k: Int, weight: float, t: float) -> int:
    """A current jumps, or V where synapses are delta jumps; the latter are lost while it is not free."""
    advance(m, i, is_free(m, i), t)
    cell = cells_of(m)[i]
    cell[END] = np.inf
    if classes_of(m)[kinds_of(m)[i], SYNAPTIC] == 1.0:
        cell[CURRENTS + (0 if weight > 0.0 else 1)] += weight
    elif is_free(m, i):
        cell[STATE] += weight
    return 0


@kernel
def locate(m: int, i: Int, low: float, high: float) -> float:
    """Length of the step from the neuron's state at whose end V is `peak`; the state there is left behind."""
    cell, c = cells_of(m)[i], classes_of(m)[kinds_of(m)[i]]
    n = np.int64(c[N])
    here, there = state_at(m, i, STATE), state_at(m, i, STATE + n)
    climb = cell[STATE + n] - cell[STATE]
    if high <= shortest_step(c[STEP], cell[T]):
        return high
    s = high * (c[PEAK] - cell[STATE]) / climb if climb > 0.0 else 0.5 * high
    for _ in range(100):
        try_step(m, i, True, here, there, 0.0, s)
        miss = cell[STATE + n] - c[PEAK]
        if miss < 0.0:
            low = s
        else:
            high = s
        steep = view2_f8(model_of(m).scratch, ROWS, n)[STAGES - 1, 0]
        new = s - miss / steep if steep > 0.0 else high + 1.0
        if not (low <= new <= high):
            new = 0.5 * (low + high)
        step = abs(new - s)
        s = new
        if step < CLOSE:
            break
    try_step(m, i, True, here, there, 0.0, s)
    return s


@kernel
def look_ahead(m: int, i: Int, left: float) -> float:
    """Length of the next step, at most `left`; the state at its end is left behind.

    Where V rises so steeply that no step can follow it (an exponential, in less than the last digit of time), it is at
    `peak` at the end of the shortest.
    """
    cell, c = cells_of(m)[i], classes_of(m)[kinds_of(m)[i]]
    n, shortest = np.int64(c[N]), shortest_step(c[STEP], cell[T])
    h = min(max(cell[H], shortest), left)
    while True:
        worst = try_step(m, i, True, state_at(m, i, STATE), state_at(m, i, STATE + n), 0.0, h)
        if worst <= 1.0 or h <= shortest:
            break
        h = max(other_step(h, worst), shortest)
    if worst > 1.0:
        slope = view2_f8(model_of(m).scratch, ROWS, n)[0, 0]
        steep = slope > 0.0 and (worst == np.inf or cell[STATE] + h * slope >= c[PEAK])
        if steep or worst == np.inf:
            for v in range(n):
                cell[STATE + n + v] = cell[STATE + v]
            cell[STATE + n] = c[PEAK] if steep else cell[STATE]
            cell[H] = c[STEP]
            return h if steep else left  # without a slope it stands still
    proposed = other_step(h, worst)
    cell[H] = max(min(c[STEP], max(cell[H], proposed) if h < cell[H] else proposed), shortest)
    return h  # type: ignore[no-any-return]


@kernel
def predict_one(m: int, i: Int, t: float) -> None:
    """Look one step ahead, and note the spike in it, or its end."""
    free = is_free(m, i)
    advance(m, i, free, t)
    unschedule(m, i)
    cell, c = cells_of(m)[i], classes_of(m)[kinds_of(m)[i]]
    cell[SPIKES] = 0.0
    until = min(block_end(m), cell[NEXT]) if c[HELD_FOR] < np.inf else block_end(m)
    left = until - t
    if not free or left <= 0.0:
        return
    n = np.int64(c[N])
    if cell[STATE] < c[PEAK]:
        cell[ABOVE] = 0.0
    elif cell[ABOVE] == 0.0:
        cell[SPIKES] = 1.0
        schedule(m, i, t)
        return
    h = look_ahead(m, i, left)
    cell[END] = until if h == left else t + h
    if cell[ABOVE] == 0.0 and cell[STATE + n] >= c[PEAK]:
        cell[SPIKES] = 1.0
        cell[END] = t + locate(m, i, 0.0, h)
        schedule(m, i, cell[END])
    elif cell[END] < block_end(m):
        schedule(m, i, cell[END])


@model_rule
def predict(m: int, first: Int, last: Int, unused: int, none: float, t: float) -> int:
    """Note the next event of each neuron."""
    for i in range(first, last):
        predict_one(m, i, t)
    return 0


@model_rule
def event(m: int, i: Int, b: int, c: int, none: float, t: float) -> int:
    """The end of a step, or a spike."""
    free = is_free(m, i)
    advance(m, i, free, t)
    cell, p = cells_of(m)[i], classes_of(m)[kinds_of(m)[i]]
    if cell[SPIKES] == 0.0 or not free:
        return 0
    cell[SPIKES], cell[ABOVE], cell[HELD], cell[END] = 0.0, 1.0, 1.0, np.inf
    cell[STATE] = max(cell[STATE], p[PEAK])
    if p[AFTER] != 0.0:
        call_rule(np.int64(p[AFTER]), m, i, state_at(m, i, STATE), 0, 0.0, t - cell[SINCE])
    return 1


@model_rule
def reset(m: int, i: Int, b: int, c: int, none: float, t: float) -> int:
    """After a spike V goes on from where the spike has put it; otherwise (silence ends) from its reset."""
    advance(m, i, False, t)
    cell = cells_of(m)[i]
    if cell[HELD] == 0.0:
        cell[STATE] = classes_of(m)[kinds_of(m)[i], RESTART]
    cell[HELD], cell[END] = 0.0, np.inf
    return 0


@model_rule
def potential(m: int, first: Int, last: Int, where: int, none: float, t: float) -> int:
    """V as it is at `t`; nothing but the scratch is changed."""
    out = view_f8(where, last - first)
    for i in range(first, last):
        cell = cells_of(m)[i]
        n = np.int64(classes_of(m)[kinds_of(m)[i], N])
        copy = view_f8(row_at(m, i, COPY), n)
        for v in range(n):
            copy[v] = cell[STATE + v]
        if is_free(m, i):
            walk(m, i, True, row_at(m, i, COPY), row_at(m, i, COPY + 1), t - cell[T], cell[H])
        out[i - first] = copy[0]
    return 0


QUIET = np.array([np.inf, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0])  # columns HELD_FOR to KEY + 1 without a noisy current


def noise_table(mean: F8, sigma: F8, tau: F8, held_for: float, key: int) -> F8:
    """The columns HELD_FOR to KEY + 1 of neurons with Ornstein-Uhlenbeck currents, (n, 7).

    ``x(t + h) = mean + (x(t) - mean) e + sigma sqrt(1 - e^2) N`` with ``e = exp(-h / tau)``; `key` has 64 bits.
    """
    kept = np.exp(-held_for / tau)
    fresh = sigma * np.sqrt(-np.expm1(-2.0 * held_for / tau))
    one = np.ones_like(mean)
    return np.column_stack([one * held_for, mean, sigma, kept, fresh, one * (key >> 32), one * (key & 0xFFFFFFFF)])


@dataclass(frozen=True, kw_only=True)
class Stepped(NeuronModel, word=False):
    """Base of neurons that integrate themselves; derive a class that gives `variables`, `flow` and its parameters.

    Parameters
    ----------
    drive : float or (n,) array, pA
        Constant current; `CurrentSteps` and `OrnsteinUhlenbeck` add to it.
    peak : float or (n,) array, mV
        A spike is where V rises through it; ``inf``: the cell never fires.
    refractory : float or (n,) array, ms
        V stands still for so long after a spike; the other variables and the currents go on.
    initial : float or (n,) array, mV, optional
        V at time 0.
    tau_excitatory, tau_inhibitory : float or (n,) array, ms, optional
        Decay of the synaptic currents; give both, and weights are in pA, else synapses jump V, by mV.
    initial_excitatory, initial_inhibitory : float or (n,) array, pA
        Synaptic currents at time 0 (signed).
    step : float, ms
        Longest step.
    tolerance : float
        Estimated error of a variable x that a step may have, in units of ``1 + |x|``.

    Examples
    --------
    >>> from dataclasses import dataclass
    >>> import numpy as np
    >>> from neurodev.jit import model_rule, view_f8
    >>> from neurodev.neurons.stepped import Stepped, parameters_of
    >>> from neurodev.params import param
    >>> @model_rule
    ... def quadratic(m, i, x, dx, current, t):
    ...     v, p = view_f8(x, 1)[0], parameters_of(m, i)
    ...     view_f8(dx, 1)[0] = (v * v + current) / p[0]
    ...     return 0
    >>> @dataclass(frozen=True)
    ... class Quadratic(Stepped):
    ...     tau: float = param(10.0, unit="ms", above=0.0)
    ...     reset: float = param(-5.0, unit="mV")
    ...     variables = ("v",)
    ...     def flow(self):
    ...         return quadratic
    >>> Quadratic(drive=2.0, peak=5.0).tau
    10.0
    """

    drive_changes: ClassVar[bool] = True
    variables: ClassVar[tuple[str, ...]] = ()

    drive: Any = param(0.0, unit="pA", array=True, source="free")
    peak: Any = param(0.0, unit="mV", low=-LARGEST, high=float("inf"), array=True, source="free")
    refractory: Any = param(0.0, unit="ms", clock="spike", low=0.0, array=True, source="free")
    initial: Any = param(None, unit="mV", array=True, none=True, source="free")
    tau_excitatory: Any = param(None, unit="ms", clock="spike", above=0.0, array=True, none=True, source="free")
    tau_inhibitory: Any = param(None, unit="ms", clock="spike", above=0.0, array=True, none=True, source="free")
    initial_excitatory: Any = param(0.0, unit="pA", array=True, source="free")
    initial_inhibitory: Any = param(0.0, unit="pA", array=True, source="free")
    step: float = param(0.1, unit="ms", clock="spike", low=1e-4, high=10.0, source="free")
    tolerance: float = param(1e-8, unit="1", low=1e-13, high=0.1, source="free")

    def __post_init__(self) -> None:
        check(self)
        word = type(self).__name__
        if (self.tau_excitatory is None) != (self.tau_inhibitory is None):
            raise ParameterError(
                f"{word}.tau_excitatory and {word}.tau_inhibitory belong together: give both for synaptic currents, or "
                f"neither for delta synapses; got {self.tau_excitatory!r} and {self.tau_inhibitory!r}"
            )
        if not self.has_currents and (np.any(self.initial_excitatory) or np.any(self.initial_inhibitory)):
            raise ParameterError(
                f"{word}.initial_excitatory and {word}.initial_inhibitory are synaptic currents: give tau_excitatory= "
                "and tau_inhibitory= as well"
            )
        reset = getattr(self, "reset", None)
        for name, value in (("reset", reset), ("initial", self.initial)):
            if value is not None and np.any(np.asarray(value) >= np.asarray(self.peak)):
                raise ParameterError(f"{word}.{name} must be below {word}.peak={self.peak!r}, got {value!r}")

    # ------------------------------------------------------------------ what a model gives

    def flow(self) -> Any:
        """The compiled rule of the slopes."""
        raise NotImplementedError(f"{type(self).__name__}.flow must return a function decorated with jit.model_rule")

    def after_spike(self) -> Any:
        """The compiled rule of what a spike does to the variables; by default V is put to `reset`, if there is one."""
        return _put_at_reset if hasattr(self, "reset") else None

    def first(self, values: dict[str, F8]) -> dict[str, F8]:
        """The variables at the beginning, given the parameters of each neuron; V at `initial` or `reset` or 0."""
        zero = np.zeros_like(values["drive"])
        return {self.variables[0]: values.get("initial", values.get("reset", zero))}

    # ------------------------------------------------------------------ what follows

    @property
    def has_currents(self) -> bool:
        """Whether synapses give exponential currents (weights in pA) rather than jumps of V (weights in mV)."""
        return self.tau_excitatory is not None

    @property
    def weight_unit(self) -> str:
        """That of `drive` with synaptic currents, mV with delta synapses."""
        return str(self.__dataclass_fields__["drive"].metadata["unit"]) if self.has_currents else "mV"

    def rules(self) -> Rules:
        """Those of all such models."""
        return Rules(predict, event, reset, receive, potential=potential)

    def columns(self) -> tuple[Column, ...]:
        """What the integration keeps; then the variables, and where they stand at the end of the step."""
        if not self.variables or not all(isinstance(v, str) for v in self.variables):
            raise ParameterError(f"{type(self).__name__}.variables must name its variables, the potential first")
        kept = (
            Column("t", None, True), Column("since", None, True), Column("step", self.step), Column("above"),
            Column("end", np.inf, True), Column("spikes"), Column("held"), Column("excitation"), Column("inhibition"),
            Column("noise"), Column("next_noise", None, True), Column("draws"),
        )  # fmt: skip
        return (*kept, *(Column(v) for v in self.variables), *(Column(f"{v}_ahead") for v in self.variables))

    def n_scratch(self) -> int:
        """Slopes of seven stages, and three states."""
        return ROWS * len(self.variables)

    def start(self, values: dict[str, F8]) -> dict[str, F8]:
        """The variables and the synaptic currents at the beginning."""
        currents = {w: values[f"initial_{w}"] for w in ("excitatory", "inhibitory")}
        return {**self.first(values), "excitation": currents["excitatory"], "inhibition": currents["inhibitory"]}

    def table(self, values: dict[str, F8], fastest: float) -> F8:
        """The columns at the top of the file; addresses are whole numbers that a float64 holds."""
        one, first, base = np.ones_like(values["drive"]), self.first(values), {f.name for f in fields(Stepped)}
        rates = [1.0 / values[k] if self.has_currents else one for k in ("tau_excitatory", "tau_inhibitory")]
        restart = values.get("reset", first.get(self.variables[0], 0.0 * one))
        own = [v for k, v in values.items() if k not in base and k != "noise"]
        after = self.after_spike()
        noise = values["noise"] if "noise" in values else np.tile(QUIET, (one.size, 1))
        columns = [
            one * address_of_hook(self.flow()), one * (0 if after is None else address_of_hook(after)),
            one * len(self.variables), one * self.step, one * self.tolerance, values["peak"], values["drive"], *rates,
            one * self.has_currents, restart, noise, *own,
        ]  # fmt: skip
        return np.column_stack(columns)

    def approximations(self) -> list[str]:
        """Its steps."""
        return [
            f"{type(self).__name__} neurons integrate by steps of Dormand and Prince (fifth order) of at most "
            f"{self.step:g} ms, with an estimated error of at most {self.tolerance:g} (1 + |x|) a step in each."
        ]


@model_rule
def _put_at_reset(m: int, i: Int, x: int, c: int, none: float, t: float) -> int:
    """V = reset."""
    view_f8(x, 1)[0] = classes_of(m)[kinds_of(m)[i], RESTART]
    return 0

"""Stimuli: inputs at times of one's own, and currents, that reach neurons without synapses and without a delay.

A stimulus says what it gives to n cells, numbered from 0; `net.drive(population, stimulus, cells=...)` says to which.
It offers one or more of

* `inputs`: jumps of V (or of a current, or a conductance, as a synapse makes them) at given times;
* `levels`: what is added to the model's parameter `drive` from given times on;
* `noise`: an Ornstein-Uhlenbeck current of their own, for neurons that integrate themselves.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np

from neurodev.arrays import F8, I8
from neurodev.card import outlined
from neurodev.errors import ParameterError, shown
from neurodev.neurons.door import LARGEST
from neurodev.params import check, numbers, param
from neurodev.registry import Registered
from neurodev.structure.selection import indices

LATEST = 4e9  # ms, 46 days of spikes: beyond it a float64 is coarser than the grid of windows
EVERYBODY = -1  # in place of a cell: all of them


class Inputs(NamedTuple):
    """Inputs to cells: times (k,) ms, amplitudes (k,), and the cell of each (k,), or EVERYBODY."""

    times: F8
    amplitudes: F8
    cells: I8


class Levels(NamedTuple):
    """What is added to `drive` from times (m,) on, ms: amplitudes (m,) of all cells, or (m, n) of each."""

    times: F8
    amplitudes: F8


class Noise(NamedTuple):
    """Ornstein-Uhlenbeck currents: mean, standard deviation and time constant (ms), (n,) each."""

    mean: F8
    sigma: F8
    tau: F8


class Stimulus(Registered, kind="stimulus"):
    """Base of all stimuli: derive a frozen dataclass that overrides `inputs`, `levels` or `noise`.

    Times are ms of spikes since the beginning of the run.

    Examples
    --------
    >>> from neurodev.neurons.stimulus import Inputs, Stimulus
    >>> class Pair(Stimulus):
    ...     def inputs(self, n, what):
    ...         return Inputs(np.array([1.0, 1.5]), np.array([3.0, -3.0]), np.array([-1, -1]))
    >>> Pair().inputs(1, "").times
    array([1. , 1.5])
    """

    equation: ClassVar[str] = ""

    def inputs(self, n: int, what: str) -> Inputs | None:
        """Inputs to some of `n` cells; `what` names the stimulus and its target for errors."""
        return None

    def levels(self, n: int, what: str) -> Levels | None:
        """What is added to `drive` of `n` cells."""
        return None

    def noise(self, n: int, what: str) -> Noise | None:
        """The currents of `n` cells."""
        return None

    def described(self) -> dict[str, Any]:
        """What of it is no parameter, as plain words and numbers for provenance."""
        return {}

    def approximations(self, step: float | None) -> list[str]:
        """One sentence for everything that is not exact about it; `step` (ms) is that of neurons that have one."""
        return []


def _own(value: Any) -> F8:
    """An array of its own that nobody can write to."""
    out = np.array(value, dtype=np.float64)
    out.setflags(write=False)
    return out


def _is_empty(value: Any) -> bool:
    return value.shape == (0,) if isinstance(value, np.ndarray) else isinstance(value, (list, tuple)) and not value


def _list_of_times(value: Any, what: str) -> F8:
    """Times (k,), ms."""
    if np.ndim(value) != 1:
        raise ParameterError(f"{what} must be a list of times in ms, got {shown(value)}")
    return _own(value)


@outlined
@dataclass(frozen=True)
class Kicks(Stimulus):
    """Inputs at given times, without a synapse and without a delay.

    Use it with ``net.drive(population, nd.Kicks(...))``.

    Parameters
    ----------
    times : (k,) array_like, ms
        Since the beginning of the run, in any order.
    amplitudes : float or (k,) array_like, mV
        Jump of V; of the current (pA) or the conductance (nS) where the cells have such synapses.  Its sign is that of
        an excitatory or inhibitory synapse.
    cells : (k,) int array_like, optional
        The cell of each input; every one reaches all cells if not given.

    Examples
    --------
    >>> train = Kicks(times=[10.0, 12.0, 14.0], amplitudes=5.0)
    >>> one_each = Kicks(times=[10.0, 11.0], amplitudes=[25.0, -3.0], cells=[0, 1])
    >>> one_each.cells
    array([0, 1])
    """

    equation: ClassVar[str] = "an input of amplitudes[k] at times[k] to all cells, or to cells[k]"
    times: Any = param(unit="ms", clock="spike", low=0.0, high=LATEST, array=True, source="given")
    amplitudes: Any = param(unit="mV", low=-LARGEST, high=LARGEST, array=True, source="given")
    cells: Any = param(None, unit="1", low=0.0, array=True, none=True, source="given")

    def __post_init__(self) -> None:
        if _is_empty(self.times) and _is_empty(self.cells):
            object.__setattr__(self, "cells", None)  # nobody has nothing
        check(self)
        times = _list_of_times(self.times, "Kicks.times")
        object.__setattr__(self, "times", times)
        for name in ("amplitudes", "cells"):
            value = getattr(self, name)
            if name == "cells" and value is not None and not np.ndim(value) or np.ndim(value) and (
                np.shape(value) != times.shape
            ):  # fmt: skip
                raise ParameterError(
                    f"Kicks.{name} must have one value for each of {times.size} times, got {shown(value)}"
                )
        if np.ndim(self.amplitudes):
            object.__setattr__(self, "amplitudes", _own(self.amplitudes))
        if self.cells is not None:  # `net.drive` knows how many there are
            cells = indices(self.cells, 2**63 - 1, "Kicks.cells", ordered=True)
            cells.setflags(write=False)
            object.__setattr__(self, "cells", cells)

    def inputs(self, n: int, what: str) -> Inputs:
        """See `Stimulus.inputs`."""
        cells = np.full(self.times.shape, EVERYBODY, dtype=np.int64)
        if self.cells is not None:
            cells = indices(self.cells, n, "Kicks.cells", of=f"cells of {what}", ordered=True)
        return Inputs(self.times, np.broadcast_to(np.asarray(self.amplitudes, dtype=float), self.times.shape), cells)


@outlined
@dataclass(frozen=True)
class CurrentSteps(Stimulus):
    """A constant current that changes at given times, added to the model's parameter `drive`.

    Use it with ``net.drive(population, nd.CurrentSteps(...))``.  Crossings are predicted anew at every change: it is as
    exact as the model is.

    Parameters
    ----------
    times : (m,) array_like, ms
        Since the beginning of the run, ascending; before the first of them nothing is added.
    amplitudes : (m,) or (m, n) array_like
        What is added from each time on, until the next: the same for all cells, or a column for each; in the unit of
        `drive` (mV, which is R I, in leaky neurons; pA or what the model says in those that integrate themselves).

    Examples
    --------
    >>> pulse = CurrentSteps(times=[100.0, 300.0], amplitudes=[25.0, 0.0])
    >>> pulse.levels(5, "").amplitudes
    array([25.,  0.])
    """

    equation: ClassVar[str] = "drive(t) = drive + amplitudes[k] for times[k] <= t < times[k + 1]"
    times: Any = param(unit="ms", clock="spike", low=0.0, high=LATEST, array=True, source="given")
    amplitudes: Any  # type: ignore[misc]  # no `param`: it may have two dimensions

    def __post_init__(self) -> None:
        check(self)
        times = _list_of_times(self.times, "CurrentSteps.times")
        if np.any(np.diff(times) <= 0.0):
            k = int(np.argmax(np.diff(times) <= 0.0))
            raise ParameterError(
                f"CurrentSteps.times must be ascending, got {times[k]:g} before {times[k + 1]:g}: sort them with "
                "their amplitudes"
            )
        object.__setattr__(self, "times", times)
        given = numbers(self.amplitudes, "CurrentSteps.amplitudes", "mV")
        levels = _own(given) if np.ndim(given) else _own(np.full(times.size, float(given)))
        if levels.ndim > 2 or levels.shape[0] != times.size or not np.all(np.abs(levels) <= LARGEST):
            raise ParameterError(
                f"CurrentSteps.amplitudes must be finite, within {LARGEST:g}, and have shape ({times.size},) or "
                f"({times.size}, n_cell), got {shown(self.amplitudes)}"
            )
        object.__setattr__(self, "amplitudes", levels)

    def levels(self, n: int, what: str) -> Levels:
        """See `Stimulus.levels`."""
        if self.amplitudes.ndim == 2 and self.amplitudes.shape[1] != n:
            raise ParameterError(
                f"CurrentSteps.amplitudes must have a column for each of {n} cells of {what}, got shape "
                f"{self.amplitudes.shape}"
            )
        return Levels(self.times, self.amplitudes)

    def described(self) -> dict[str, Any]:
        """Its amplitudes."""
        return {"amplitudes": self.amplitudes.tolist()}


@dataclass(frozen=True)
class OrnsteinUhlenbeck(Stimulus):
    """A noisy current, of its own for each cell, for neurons that integrate themselves.

    Use it with ``net.drive(population, nd.OrnsteinUhlenbeck(...))``.  It begins anywhere within its stationary
    distribution, and is held for the `step` of the model at a time; its values are exact (Gillespie 1996, Phys Rev E
    54:2084), and depend on nothing but the seed, the neuron and their number.

    Parameters
    ----------
    mean : float or (n,) array, pA
        In the unit of the model's parameter `drive`, to which the current is added.
    sigma : float or (n,) array, pA
        Its standard deviation.
    tau : float or (n,) array, ms
        It is forgotten as exp(-t / tau).

    Examples
    --------
    >>> noise = OrnsteinUhlenbeck(mean=200.0, sigma=100.0, tau=5.0)
    """

    equation: ClassVar[str] = (
        "tau dI/dt = mean - I + sigma sqrt(2 tau) xi(t), held over steps h: "
        "I(t + h) = mean + (I(t) - mean) e + sigma sqrt(1 - e^2) N with e = exp(-h / tau)"
    )
    mean: Any = param(0.0, unit="pA", low=-LARGEST, high=LARGEST, array=True, source="free")
    sigma: Any = param(100.0, unit="pA", low=0.0, high=LARGEST, array=True, source="free")
    tau: Any = param(5.0, unit="ms", clock="spike", above=0.0, high=LATEST, array=True, source="free")

    def __post_init__(self) -> None:
        check(self)

    def noise(self, n: int, what: str) -> Noise:
        """See `Stimulus.noise`."""
        values = []
        for name in ("mean", "sigma", "tau"):
            value = np.asarray(getattr(self, name), dtype=float)
            if value.ndim and value.shape != (n,):
                raise ParameterError(
                    f"OrnsteinUhlenbeck.{name} must be a number or have one value for each of {n} cells of {what}, got "
                    f"shape {value.shape}"
                )
            values.append(np.broadcast_to(value, (n,)).copy())
        return Noise(*values)

    def approximations(self, step: float | None) -> list[str]:
        """Its steps."""
        return (
            [] if step is None else [f"an Ornstein-Uhlenbeck current is held at its exact values for {step:g} ms each."]
        )

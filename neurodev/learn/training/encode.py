"""From samples of a data set to the input of a model: the encoders of `neurodev.data.encode`, laid out by step."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurodev.data.dataset import SpikeTrains, as_shape, samples_of
from neurodev.data.encode import bernoulli, intensity
from neurodev.errors import ParameterError
from neurodev.learn.core.doors import shape_of
from neurodev.learn.core.layer import Signal
from neurodev.learn.core.spikes import Current, Spikes
from neurodev.params import check_memory, number, whole
from neurodev.registry import Registered

MOST_STEPS = 1_000_000  # of a sample: far more than anybody trains through


class Encoder(Registered, kind="encoder"):
    """Makes the input of some samples; draws depend on (seed, epoch, sample) and on nothing else.

    Examples
    --------
    >>> from neurodev.learn import Bernoulli, Encoder
    >>> isinstance(Bernoulli(20), Encoder)
    True
    """

    steps: int = 1

    def __call__(self, x: Any, samples: NDArray[np.int64], seed: int, epoch: int) -> Signal:
        """Input for the samples x[samples]."""
        raise NotImplementedError


@dataclass(frozen=True)
class Bernoulli(Encoder):
    """A spike with probability ``gain * x`` at each step, x in [0, 1].

    Parameters
    ----------
    steps : int
    gain : float

    Examples
    --------
    >>> from neurodev.learn import Bernoulli
    >>> spikes = Bernoulli(8)(np.array([[0.0, 0.5, 1.0]]), np.arange(1), 0, 1)
    >>> spikes.steps, spikes.shape
    (8, (3,))
    """

    steps: int = 20
    gain: float = 1.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "steps", whole(self.steps, "Bernoulli.steps", 1, MOST_STEPS))
        object.__setattr__(self, "gain", number(self.gain, "Bernoulli.gain", low=0.0))

    def __call__(self, x: Any, samples: NDArray[np.int64], seed: int, epoch: int) -> Spikes:
        """Spikes (T * B, n)."""
        part = _images(x, self)[samples]
        flags = bernoulli(part, self.steps, seed, epoch=epoch, samples=samples, gain=self.gain)
        n, shape = part.shape[0], tuple(part.shape[1:])
        rows = np.ascontiguousarray(flags.reshape(n, self.steps, math.prod(shape)).swapaxes(0, 1))
        return _spikes(rows, self.steps, n, shape)


@dataclass(frozen=True)
class Direct(Encoder):
    """The values themselves as one step of current; a `Repeat` layer spreads them over time.

    Examples
    --------
    >>> from neurodev.learn import Direct
    >>> Direct()(np.array([[0.0, 0.5, 1.0]]), np.arange(1), 0, 1).value
    array([[0. , 0.5, 1. ]], dtype=float32)
    """

    def __call__(self, x: Any, samples: NDArray[np.int64], seed: int, epoch: int) -> Current:
        """Current (B, n), one step."""
        part = intensity(_images(x, self)[samples])
        return Current(
            part.reshape(part.shape[0], math.prod(part.shape[1:])), 1, part.shape[0], part.shape[1:], wanted=False
        )


@dataclass(frozen=True)
class Latency(Encoder):
    """One spike a value above `threshold`, the earlier the larger: step ``floor((1 - x) steps)``.

    Parameters
    ----------
    steps : int
    threshold : float
        In [0, 1).

    Examples
    --------
    >>> from neurodev.learn import Latency
    >>> spikes = Latency(8)(np.array([[0.0, 0.5, 1.0]]), np.arange(1), 0, 1)
    >>> spikes.steps, spikes.shape
    (8, (3,))
    """

    steps: int = 20
    threshold: float = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "steps", whole(self.steps, "Latency.steps", 1, MOST_STEPS))
        object.__setattr__(self, "threshold", number(self.threshold, "Latency.threshold", low=0.0, below=1.0))

    def __call__(self, x: Any, samples: NDArray[np.int64], seed: int, epoch: int) -> Spikes:
        """Spikes (T * B, n)."""
        part = intensity(_images(x, self)[samples]).reshape(samples.size, math.prod(x.shape[1:]))
        at = np.minimum(((1 - part) * self.steps).astype(np.int64), self.steps - 1)
        _check_memory(self, part.size)
        flags = np.zeros((self.steps, *part.shape), dtype=np.uint8)
        sample, unit = np.nonzero(part > self.threshold)
        flags[at[sample, unit], sample, unit] = 1
        return _spikes(flags, self.steps, samples.size, x.shape[1:])


@dataclass(frozen=True)
class Binned(Encoder):
    """Spike trains in `steps` equal bins of their duration; several spikes in a bin count once.

    Parameters
    ----------
    steps : int
    shape : (height, width, channels), optional
        Of the grid on which the cells lie, channel by channel; that of the trains, or a plain list, by default.
        Units come out with channels last.

    Examples
    --------
    >>> from neurodev.learn import Binned
    >>> trains = nd.data.SpikeTrains(np.array([1.0, 7.0]), np.array([0, 2]), np.array([0, 2]), 3, 10.0)
    >>> Binned(2)(trains, np.arange(1), 0, 1).by_row
    array([[1, 0, 0],
           [0, 0, 1]], dtype=uint8)
    """

    steps: int = 20
    shape: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "steps", whole(self.steps, "Binned.steps", 1, MOST_STEPS))
        if self.shape is not None:
            object.__setattr__(self, "shape", as_shape(self.shape, "Binned.shape"))

    def __call__(self, x: Any, samples: NDArray[np.int64], seed: int, epoch: int) -> Spikes:
        """Spikes (T * B, n)."""
        if not isinstance(x, SpikeTrains):
            raise ParameterError(
                f"Binned takes SpikeTrains, got {type(x).__name__}; use Bernoulli for images and Frames for frames"
            )
        shape = self.shape or x.grid or (x.n_cell,)
        if math.prod(shape) != x.n_cell:
            raise ParameterError(f"shape {shape} does not hold the {x.n_cell} cells of these trains")
        if x.grid is not None and len(shape) == 3 and tuple(shape) != tuple(x.grid):
            raise ParameterError(f"Binned.shape={shape} would scramble the grid {x.grid} on which these cells lie")
        unit = np.arange(x.n_cell)
        if len(shape) == 3:
            unit = unit.reshape(-1, shape[2]).T.reshape(-1)
        _check_memory(self, samples.size * x.n_cell)
        flags = np.zeros((self.steps, samples.size, x.n_cell), dtype=np.uint8)
        for k, sample in enumerate(samples):
            a, b = x.offsets[sample], x.offsets[sample + 1]
            step = np.minimum((x.times[a:b] * (self.steps / x.duration)).astype(np.int64), self.steps - 1)
            flags[step, k, unit[x.cells[a:b]]] = 1
        return _spikes(flags, self.steps, samples.size, tuple(shape))


@dataclass(frozen=True)
class Frames(Encoder):
    """Samples that are sequences already, (n, steps, ...): each frame is the input of a step.

    Frames of 0 and 1 in whole numbers or flags are spikes; floats are currents, as they are.  Counts of more than one
    spike a bin are refused: give ``counts > 0``, or floats.

    Parameters
    ----------
    steps : int
        Frames of a sample.

    Examples
    --------
    >>> from neurodev.learn import Frames
    >>> Frames(2)(np.zeros((1, 2, 3), dtype=np.uint8), np.arange(1), 0, 1).shape
    (3,)
    """

    steps: int = 20

    def __post_init__(self) -> None:
        object.__setattr__(self, "steps", whole(self.steps, "Frames.steps", 1, MOST_STEPS))

    def __call__(self, x: Any, samples: NDArray[np.int64], seed: int, epoch: int) -> Signal:
        """Spikes or current (T * B, n)."""
        part = _images(x, self)[samples]
        if part.ndim < 3 or part.shape[1] != self.steps:
            raise ParameterError(f"Frames(steps={self.steps}) takes samples (n, {self.steps}, ...), got {x.shape}")
        shape = tuple(part.shape[2:])
        rows = np.ascontiguousarray(part.swapaxes(0, 1)).reshape(self.steps * part.shape[0], math.prod(shape))
        if part.dtype.kind == "f":
            return Current(rows.astype(np.float32, copy=False), self.steps, part.shape[0], shape, wanted=False)
        if rows.size and (rows.min() < 0 or rows.max() > 1):
            raise ParameterError(
                f"Frames of whole numbers are spikes, 0 or 1, got {rows.min()}..{rows.max()}: give x > 0, or floats"
            )
        return _spikes(rows.astype(np.uint8, copy=False), self.steps, part.shape[0], shape)


def _spikes(flags: NDArray[np.uint8], steps: int, batch: int, shape: Any) -> Spikes:
    """Input of an encoder, (steps, batch, ...) in any form: its bytes need no look, as it made each of them 0 or 1."""
    batch, shape = whole(batch, "batch", 1), shape_of("shape", shape)
    return Spikes.made(flags.reshape(steps * batch, math.prod(shape)), steps, batch, shape, wanted=False)


def _images(x: Any, encoder: Encoder) -> Any:
    """Samples as an array."""
    if isinstance(x, SpikeTrains):
        raise ParameterError(f"{type(encoder).__name__} takes images, got SpikeTrains; use Binned for them")
    if getattr(x, "shape", None) is not None:  # what is read sample by sample is not read as a whole here
        return x
    return samples_of(x, f"x of {type(encoder).__name__}")


def _check_memory(encoder: Encoder, n: int) -> None:
    """Refuse flags of n units that no memory holds."""
    check_memory(
        2.0 * n * encoder.steps, f"{type(encoder).__name__} of {n} units", "take fewer steps, or a smaller batch"
    )


def encoder_for(x: Any, inputs: tuple[int, ...] | None) -> Encoder:
    """The encoder of samples for which none was named: `Bernoulli`, or `Frames` where a sample is a list of inputs."""
    shape = tuple(getattr(x, "shape", ()))
    if inputs is not None and shape[2:] == tuple(inputs) and shape[1:] != tuple(inputs):
        return Frames(shape[1])
    return Binned(20) if isinstance(x, SpikeTrains) else Bernoulli(20)

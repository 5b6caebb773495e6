"""From samples of a data set to the input of a model: the encoders of `neurodev.data.encode`, laid out by step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurodev.data.dataset import SpikeTrains
from neurodev.data.encode import bernoulli, intensity
from neurodev.errors import ParameterError
from neurodev.learn.core.layer import Signal
from neurodev.learn.core.spikes import Current, Spikes
from neurodev.learn.training.numbers import number, whole
from neurodev.registry import Registered

MOST_STEPS = 1_000_000  # of a sample: far more than anybody trains through


def _check_steps(steps: Any) -> None:
    if isinstance(steps, bool) or not isinstance(steps, (int, np.integer)) or steps < 1:
        raise ParameterError(f"steps must be a whole number of at least 1, got {steps!r}")
    if steps > MOST_STEPS:
        raise ParameterError(f"steps={steps} of a sample are more than any training goes through: at most {MOST_STEPS}")


def _images(x: Any, who: str) -> Any:
    """Samples that are arrays, as encoders of values take them."""
    if isinstance(x, SpikeTrains) or getattr(x, "shape", None) is None:
        cure = "use Binned for recordings" if isinstance(x, SpikeTrains) else "give an array, samples first"
        raise ParameterError(f"{who} takes an array of values, got {type(x).__name__}: {cure}")
    return x


class Encoder(Registered, kind="encoder"):
    """Makes the input of some samples; draws depend on (seed, epoch, sample) and on nothing else."""

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
    """

    steps: int = 20
    gain: float = 1.0

    def __post_init__(self) -> None:
        _check_steps(self.steps)
        number("gain", self.gain, low=0.0)

    def __call__(self, x: Any, samples: NDArray[np.int64], seed: int, epoch: int) -> Spikes:
        """Spikes (T * B, n)."""
        part = _images(x, "Bernoulli")[samples]
        flags = bernoulli(part, self.steps, seed, epoch=epoch, samples=samples, gain=self.gain)
        rows = np.ascontiguousarray(flags.reshape(part.shape[0], self.steps, -1).swapaxes(0, 1))
        return Spikes(
            rows.reshape(self.steps * part.shape[0], -1), self.steps, part.shape[0], part.shape[1:], wanted=False
        )


@dataclass(frozen=True)
class Direct(Encoder):
    """The values themselves as one step of current; a `Repeat` layer spreads them over time."""

    def __call__(self, x: Any, samples: NDArray[np.int64], seed: int, epoch: int) -> Current:
        """Current (B, n), one step."""
        part = intensity(_images(x, "Direct")[samples])
        return Current(part.reshape(part.shape[0], -1), 1, part.shape[0], part.shape[1:], wanted=False)


@dataclass(frozen=True)
class Latency(Encoder):
    """One spike a value above `threshold`, the earlier the larger: step ``floor((1 - x) steps)``.

    Parameters
    ----------
    steps : int
    threshold : float
        In [0, 1).
    """

    steps: int = 20
    threshold: float = 0.0

    def __post_init__(self) -> None:
        _check_steps(self.steps)
        number("threshold", self.threshold, low=0.0, below=1.0)

    def __call__(self, x: Any, samples: NDArray[np.int64], seed: int, epoch: int) -> Spikes:
        """Spikes (T * B, n)."""
        part = intensity(_images(x, "Latency")[samples]).reshape(samples.size, -1)
        at = np.minimum(((1 - part) * self.steps).astype(np.int64), self.steps - 1)
        flags = np.zeros((self.steps, *part.shape), dtype=np.uint8)
        sample, unit = np.nonzero(part > self.threshold)
        flags[at[sample, unit], sample, unit] = 1
        return Spikes(flags.reshape(-1, part.shape[1]), self.steps, samples.size, x.shape[1:], wanted=False)


@dataclass(frozen=True)
class Binned(Encoder):
    """Spike trains in `steps` equal bins of their duration; several spikes in a bin count once.

    Parameters
    ----------
    steps : int
    shape : (height, width, channels), optional
        Of the grid on which the cells lie, channel by channel; that of the trains, or a plain list, by default.
        Units come out with channels last.
    """

    steps: int = 20
    shape: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        _check_steps(self.steps)
        if self.shape is not None:
            if not isinstance(self.shape, (tuple, list)) or len(self.shape) not in (1, 3):
                raise ParameterError(f"shape must be (height, width, channels), got {self.shape!r}")
            object.__setattr__(self, "shape", tuple(whole("shape", n, 1) for n in self.shape))

    def __call__(self, x: Any, samples: NDArray[np.int64], seed: int, epoch: int) -> Spikes:
        """Spikes (T * B, n)."""
        if not isinstance(x, SpikeTrains):
            raise ParameterError(f"Binned takes SpikeTrains, got {type(x).__name__}; use Bernoulli for images")
        shape = self.shape or x.grid or (x.n_cell,)
        if not x.duration > 0:
            raise ParameterError(f"recordings of {x.duration:g} ms cannot be cut into {self.steps} steps")
        if np.prod(shape) != x.n_cell:
            raise ParameterError(f"shape {shape} does not hold the {x.n_cell} cells of these trains")
        unit = np.arange(x.n_cell)
        if len(shape) == 3:
            unit = unit.reshape(-1, shape[2]).T.reshape(-1)
        flags = np.zeros((self.steps, samples.size, x.n_cell), dtype=np.uint8)
        for k, sample in enumerate(samples):
            a, b = x.offsets[sample], x.offsets[sample + 1]
            step = np.minimum((x.times[a:b] * (self.steps / x.duration)).astype(np.int64), self.steps - 1)
            flags[step, k, unit[x.cells[a:b]]] = 1
        return Spikes(flags.reshape(-1, x.n_cell), self.steps, samples.size, tuple(shape), wanted=False)

"""Encoders: from numbers to spikes.

All take bytes (0..255) or floats in [0, 1], any shape after the first axis, and refuse NaN.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neurodev import rng
from neurodev.data.dataset import I8, SpikeTrains
from neurodev.errors import ParameterError, shown
from neurodev.jit import kernel
from neurodev.params import check_memory, number, whole, wholes

F4 = NDArray[np.float32]


def intensity(x: ArrayLike) -> F4:
    """Values as float32 in [0, 1]; bytes are divided by 255.

    Raises
    ------
    ParameterError
        If a value is NaN or outside [0, 1].

    Examples
    --------
    >>> nd.data.intensity(np.array([0, 128, 255], dtype=np.uint8))
    array([0.       , 0.5019608, 1.       ], dtype=float32)
    """
    if isinstance(x, SpikeTrains):
        raise ParameterError("x are SpikeTrains, which are spikes already: give them to Binned")
    try:
        a = np.asarray(x)
    except Exception:  # lists of different lengths, objects that are no arrays
        a = np.zeros((), dtype=object)
    if a.dtype == np.uint8:
        return a.astype(np.float32) * np.float32(1.0 / 255.0)
    if a.dtype.kind not in "fb":
        raise ParameterError(f"x must be bytes (0..255) or floats in [0, 1], got {a.dtype}: scale it")
    f = a.astype(np.float32)
    if f.size and not np.all(np.isfinite(f)):
        raise ParameterError("x holds NaN or infinity")
    if f.size and (f.min() < 0.0 or f.max() > 1.0):
        raise ParameterError(f"x must lie in [0, 1], got {f.min():g}..{f.max():g}: scale it")
    return f


def direct(x: ArrayLike, n_step: int) -> F4:
    """The values themselves as a current, the same at every step: a view (n, n_step, ...) float32.

    Rueckauer et al. 2017 (Front. Neurosci. 11:682): the first layer then does the encoding.

    Examples
    --------
    >>> nd.data.direct([[0.0, 1.0]], 2)
    array([[[0., 1.],
            [0., 1.]]], dtype=float32)
    """
    f = _samples(x)
    n_step = whole(n_step, "n_step", 1, (1 << 60) // max(f.size, 1))
    return np.broadcast_to(f[:, None], (f.shape[0], n_step, *f.shape[1:]))


def bernoulli(
    x: ArrayLike, n_step: int, seed: int, *, epoch: int = 0, samples: ArrayLike | None = None, gain: float = 1.0
) -> NDArray[np.uint8]:
    """A spike with probability ``gain * x`` at each step.

    Parameters
    ----------
    x : (n, ...) bytes or floats in [0, 1]
    n_step : int
    seed, epoch : int
        Draws depend on (seed, epoch, sample, feature, step) and on nothing else: not on the batch, nor on
        the order or the number of threads.
    samples : (n,) int, optional
        Identity of each sample, for example its index in the data set; 0 .. n - 1 if not given.
    gain : float
        Scales the probability, which is at most 1.

    Returns
    -------
    (n, n_step, ...) uint8

    Examples
    --------
    >>> nd.data.bernoulli([[0.0, 1.0]], 3, seed=1)
    array([[[0, 1],
            [0, 1],
            [0, 1]]], dtype=uint8)
    """
    n_step, gain = whole(n_step, "n_step", 1), number(gain, "gain", low=0.0)
    f = np.ascontiguousarray(_samples(x))
    flat = f.reshape(f.shape[0], math.prod(f.shape[1:]))
    which: I8 = np.arange(f.shape[0], dtype=np.int64) if samples is None else wholes(samples, "samples")
    if which.shape != (f.shape[0],) or np.any(which < 0):
        raise ParameterError(f"samples must be numbers >= 0 of shape {(f.shape[0],)}, got {shown(which)}")
    check_memory(float(flat.size) * n_step, f"{flat.size} values in {n_step} steps", "take fewer samples or steps")
    out = np.zeros((f.shape[0], n_step, flat.shape[1]), dtype=np.uint8)
    stream = rng.key(rng.check_seed(seed), "bernoulli", whole(epoch, "epoch"))
    _bernoulli(flat, np.float64(gain), stream, which, out)
    return out.reshape(f.shape[0], n_step, *f.shape[1:])


@kernel
def _bernoulli(x: Any, gain: Any, stream: Any, samples: Any, out: Any) -> None:
    n, n_step, width = out.shape
    for k in range(n):
        first = np.uint64(samples[k]) * np.uint64(width)
        for j in range(width):
            p = gain * x[k, j]
            if p <= 0.0:
                continue
            for t in range(n_step):
                if rng.uniform(stream, first + np.uint64(j), np.uint64(t)) < p:
                    out[k, t, j] = 1


def latency(x: ArrayLike, longest: float, *, shortest: float = 0.0, threshold: float = 0.0) -> SpikeTrains:
    """One spike a value, the earlier the larger it is.

    A value v above `threshold` fires once at ``shortest + (longest - shortest) * (1 - v)`` ms; others stay silent
    (the linear code of Mostafa 2017, IEEE TNNLS 29:3227).

    Parameters
    ----------
    x : (n, ...) bytes or floats in [0, 1]
        Cells are numbered with the last axis fastest.
    longest, shortest : float, ms
    threshold : float
        In [0, 1).

    Examples
    --------
    >>> nd.data.latency([[0.0, 0.5, 1.0]], 20.0).times
    array([ 0., 10.])
    """
    longest, shortest = number(longest, "longest", "ms"), number(shortest, "shortest", "ms")
    threshold = number(threshold, "threshold", low=0.0, below=1.0)
    if not 0.0 <= shortest < longest:
        raise ParameterError(f"need 0 <= shortest < longest ms, got {shortest} and {longest}")
    f = _samples(x)
    flat = f.reshape(f.shape[0], math.prod(f.shape[1:]))
    sample, cell = np.nonzero(flat > threshold)
    when = shortest + (longest - shortest) * (1.0 - flat[sample, cell].astype(np.float64))
    order = np.lexsort((cell, when, sample))
    offsets = np.concatenate([[0], np.cumsum(np.bincount(sample, minlength=f.shape[0]))]).astype(np.int64)
    return SpikeTrains(when[order], cell[order].astype(np.int64), offsets, flat.shape[1], float(longest))


def _samples(x: ArrayLike) -> F4:
    """Intensities (n, ...)."""
    f = intensity(x)
    if f.ndim < 1:
        raise ParameterError(f"x must be samples (n, ...), got the single value {shown(x)}")
    return f

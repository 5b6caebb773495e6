"""What an experiment on a dendrite measures: responses against the sum of the inputs alone.

Voltages of a run, of a protocol or of a recording: all the same to these functions.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from neurodev.arrays import F8
from neurodev.card import outlined
from neurodev.errors import ParameterError
from neurodev.metrics.given import metric


@outlined
class Course(NamedTuple):
    """Peak (mV above the first value), its time after the first (ms), and the steepest rise (mV/ms = V/s)."""

    peak: F8
    time_to_peak: F8
    steepest: F8


@metric
def course(times: ArrayLike, v: ArrayLike) -> Course:
    """Peak, time to peak and steepest rise of each trace, (n,).

    Parameters
    ----------
    times : (n_time,) array_like, ms, ascending
    v : (n_time, n) array_like, mV
    """
    t, x = np.asarray(times, dtype=float), np.asarray(v, dtype=float)
    if t.ndim != 1 or t.size < 2 or x.ndim != 2 or x.shape[0] != t.size or np.any(np.diff(t) <= 0):
        raise ParameterError(f"times (n_time,) must ascend and v be (n_time, n), got shapes {t.shape} and {x.shape}")
    at = np.argmax(x, axis=0)
    rise = np.max(np.diff(x, axis=0) / np.diff(t)[:, None], axis=0)
    return Course(x.max(axis=0) - x[0], t[at] - t[0], rise)


@metric
def nonlinearity(measured: ArrayLike, expected: ArrayLike) -> F8:
    """Measured peak over the sum of the single responses, in per cent, elementwise."""
    m, e = np.asarray(measured, dtype=float), np.asarray(expected, dtype=float)
    if m.shape != e.shape or np.any(e <= 0):
        raise ParameterError(
            f"nonlinearity needs expected peaks > 0, one for each measured, got shapes {m.shape}, {e.shape}"
        )
    return np.asarray(100.0 * m / e)


@metric
def supralinear_step(measured: ArrayLike) -> int:
    """Index of the first response after the largest growth from one number of inputs to the next.

    That is the number at which a branch goes over its threshold: largest growth of n -> n + 1, of at least twice the
    median one; -1 if there is none (the response is graded).
    """
    growth = np.diff(np.asarray(measured, dtype=float))
    if growth.ndim != 1 or growth.size < 3:
        raise ParameterError("supralinear_step needs responses to at least 4 numbers of inputs")
    k = int(np.argmax(growth))
    return k + 1 if growth[k] >= 2.0 * np.median(growth) else -1

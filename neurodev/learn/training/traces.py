"""What a method may know of activity in training: the trace that spikes leave by the end of a sample.

    S(t) = decay S(t-1) + s(t),  S(0) = 0;   c = S(T) / T

one value per sample and unit, or per sample and channel (summed over space).

Source: DPAP (Han et al. 2025, IEEE TPAMI 47:240), public code.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from neurodev.arrays import F4, U1
from neurodev.jit import kernel
from neurodev.learn.core.spikes import Current, Spikes


@kernel
def _fold(flags: U1, decay: np.float32, trace: F4) -> None:
    """trace (n,) after all steps; flags (T, n)."""
    for t in range(flags.shape[0]):
        row = flags[t]
        for k in range(row.shape[0]):
            trace[k] = decay * trace[k] + np.float32(row[k])


def final_trace(x: Spikes | Current, decay: float = 0.5, channels: int = 0) -> F4:
    """c of every sample and unit, (B, n); with `channels`, summed over space, (B, channels).

    Of currents (networks without spikes) c is the mean over steps.
    """
    if isinstance(x, Current):
        out = x.by_row.reshape(x.steps, x.batch, -1).mean(axis=0).astype(np.float32)
    else:
        trace = np.zeros(x.batch * x.n, dtype=np.float32)
        _fold(x.by_row.reshape(x.steps, -1), np.float32(decay), trace)
        out = trace.reshape(x.batch, x.n) * np.float32(x.scale / x.steps)
    if channels:
        out = out.reshape(x.batch, -1, channels).sum(axis=1)
    return np.ascontiguousarray(out, dtype=np.float32)


def traces_of_steps(x: Spikes, decay: float = 0.5) -> F4:
    """S(t), the mean over the units of each sample, (B, T)."""
    trace = x.by_row.reshape(x.steps, x.batch, -1).mean(axis=2, dtype=np.float32) * np.float32(x.scale)
    for t in range(1, x.steps):
        trace[t] += np.float32(decay) * trace[t - 1]
    return np.ascontiguousarray(trace.T)


def concatenated(parts: list[Any]) -> F4:
    """The traces of a whole batch from those of its pieces."""
    return np.concatenate(parts, axis=0) if len(parts) > 1 else np.asarray(parts[0])

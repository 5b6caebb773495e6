"""Readouts that do not spike: voltages of leaky integrators, in closed form from the spikes that reach them.

    scores, pull = readout(spikes)          # (n_sample, n)
    d_times = pull(d_scores)                # adds to the gradient column of the table

`mean` is the mean voltage over the trial, `weighted` the same with weights ``exp(-t / tau_w)`` (Nowotny et al. 2025,
Neuromorph. Comput. Eng. 5:014001, for whom it learns best), `max` the largest voltage (Wunderlich & Pehl 2021).
No time is stepped: the cost is spikes times fan-out, and for `max` the intervals between arrivals besides.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from neurodev import params
from neurodev.arrays import F8, I8
from neurodev.data.dataset import SpikeTrains, trains_of
from neurodev.errors import ParameterError
from neurodev.jit import kernel, rule
from neurodev.learn.eventprop.flow import decays
from neurodev.learn.eventprop.tables import Column, Rows, clear_dead, rows_of
from neurodev.structure.dense import DenseTable
from neurodev.structure.table import Table

KINDS = ("mean", "weighted", "max")


@rule
def _score(t: float, duration: float, tau_m: float, tau_s: float, tau_w: float) -> tuple[float, float]:
    """Contribution of a unit weight whose spike arrives at t to the integral of exp(-t / tau_w) V, and its slope in t.

    With J the integral of exp(-s / tau_w) I, ``tau_m V' = -V + I`` gives F (1 + tau_m / tau_w) = J - tau_m e V(end).
    """
    left = duration - t
    a, b, p = decays(left, tau_m, tau_s)
    start, end = np.exp(-t / tau_w), np.exp(-left / tau_w)
    beta = 1.0 / tau_s + 1.0 / tau_w
    f = (-np.expm1(-beta * left) / beta - tau_m * end * p) / (1.0 + tau_m / tau_w)
    return start * f, -start * (f / tau_w + end * p)


@kernel
def _integrals(
    times: F8, cells: I8, offsets: I8, rows: Rows, duration: float, tau_m: float, tau_s: float, tau_w: float, unit:
    float, out: F8, value: F8, slope: F8,
) -> None:  # fmt: skip
    """Scores of all samples; `value` and `slope` (n_spike, n_lane) keep what the way back needs."""
    for sample in range(offsets.shape[0] - 1):
        total = out[sample]
        for k in range(offsets[sample], offsets[sample + 1]):
            for lane in range(rows.delays.shape[0]):
                t = times[k] + rows.delays[lane]
                if t >= duration:
                    continue
                f, d = _score(t, duration, tau_m, tau_s, tau_w)
                f *= unit
                value[k, lane], slope[k, lane] = f, unit * d
                row = lane * rows.n_source + cells[k]
                for s in range(rows.start[row], rows.start[row] + rows.length[row]):
                    total[np.int64(rows.post[s])] += f * rows.weight[s]


@kernel
def _integrals_back(cells: I8, offsets: I8, rows: Rows, value: F8, slope: F8, d_out: F8, d_in: F8) -> None:
    """Adds to ``rows.gradient`` and `d_in` (n_spike,) what `d_out` (n_sample, n) asks for."""
    for sample in range(offsets.shape[0] - 1):
        push = d_out[sample]
        for k in range(offsets[sample], offsets[sample + 1]):
            for lane in range(rows.delays.shape[0]):
                f, total = value[k, lane], 0.0
                row = lane * rows.n_source + cells[k]
                for s in range(rows.start[row], rows.start[row] + rows.length[row]):
                    d = push[np.int64(rows.post[s])]
                    rows.gradient[s] += f * d
                    total += d * rows.weight[s]
                d_in[k] += slope[k, lane] * total


@rule
def _peak(v: float, i: float, dt: float, tau_m: float, tau_s: float) -> tuple[float, float]:
    """Time within [0, dt] and value of the largest voltage of one interval."""
    # the extremum, where V = I: a maximum if V rises at the start
    k = 1.0 / tau_s - 1.0 / tau_m
    bottom = i + k * tau_m * v
    g = tau_m * (i - v) / bottom if bottom != 0.0 else np.inf
    s = dt
    if i > v and bottom > 0.0:
        x = k * g
        s = min(g * (np.log1p(x) / x) if np.abs(x) > 1e-12 else g, dt)
    elif i <= v:
        s = 0.0
    a, b, p = decays(s, tau_m, tau_s)
    top = a * v + p * i
    # a voltage that falls first may rise again: look at the end too
    a, b, p = decays(dt, tau_m, tau_s)
    last = a * v + p * i
    if last > top:
        s, top = dt, last
    return s, top


@kernel
def _largest(
    when: F8,
    code: I8,
    offsets: I8,
    rows: Rows,
    duration: float,
    tau_m: float,
    tau_s: float,
    out: F8,
    at: F8,
    rise: F8,
    cut: F8,
) -> None:
    """Largest voltage `out` of each output (n_sample, n), and when, `at`.

    `when` and `code` (row), both (n_arrival,), are arrivals, ascending within a sample.  A voltage that rises until
    inhibition arrives has its maximum there, and it moves with that arrival: `rise` is the slope before it, mV/ms, 0
    for any other maximum, and `cut` the sum of the negative weights that arrive at this instant.
    """
    n = out.shape[1]
    v, i, last = np.empty(n), np.empty(n), np.empty(n)
    for sample in range(offsets.shape[0] - 1):
        v[:], i[:], last[:] = 0.0, 0.0, 0.0
        for k in range(offsets[sample], offsets[sample + 1] + 1):
            end = k == offsets[sample + 1]
            t = duration if end else when[k]
            if t > duration:
                continue
            begin = 0 if end else rows.start[code[k]]
            stop = n if end else begin + rows.length[code[k]]
            for s in range(begin, stop):
                j = s if end else np.int64(rows.post[s])
                moment, top = _peak(v[j], i[j], t - last[j], tau_m, tau_s)
                higher = top > out[sample, j]
                late = moment == t - last[j]
                if higher:
                    out[sample, j], at[sample, j] = top, t if late else last[j] + moment
                a, b, p = decays(t - last[j], tau_m, tau_s)
                v[j] = a * v[j] + p * i[j]
                i[j] = b * i[j]
                if higher:
                    rise[sample, j], cut[sample, j] = 0.0, 0.0
                    if late and t < duration:
                        rise[sample, j] = max(i[j] - v[j], 0.0) / tau_m
                if not end:
                    if at[sample, j] == t and rows.weight[s] < 0.0:
                        cut[sample, j] += rows.weight[s]
                    i[j] += rows.weight[s]
                last[j] = t


@kernel
def _largest_back(
    times: F8,
    cells: I8,
    offsets: I8,
    rows: Rows,
    tau_m: float,
    tau_s: float,
    at: F8,
    rise: F8,
    cut: F8,
    d_out: F8,
    d_in: F8,
) -> None:
    """The same for the largest voltages, which were at `at` (n_sample, n).

    Where several inhibitory spikes arrive at a maximum, each has the share of its weight in its gradient: of the
    one-sided ones, which differ, one that adds up to 0 over all spikes.
    """
    for sample in range(offsets.shape[0] - 1):
        for k in range(offsets[sample], offsets[sample + 1]):
            for lane in range(rows.delays.shape[0]):
                t = times[k] + rows.delays[lane]
                row = lane * rows.n_source + cells[k]
                for s in range(rows.start[row], rows.start[row] + rows.length[row]):
                    j = np.int64(rows.post[s])
                    if t < at[sample, j]:
                        a, b, p = decays(at[sample, j] - t, tau_m, tau_s)
                        rows.gradient[s] += p * d_out[sample, j]
                        d_in[k] -= rows.weight[s] * (b - p) / tau_m * d_out[sample, j]
                    elif t == at[sample, j] and rows.weight[s] < 0.0 and rise[sample, j] > 0.0:
                        d_in[k] += rows.weight[s] / cut[sample, j] * rise[sample, j] * d_out[sample, j]


class Readout:
    """Voltages of leaky integrators with exponential current synapses.

    Parameters
    ----------
    table : Table
        From spiking cells to outputs; delays are those of its lanes (a `DenseTable` has none).
    kind : {"mean", "weighted", "max"}
    duration : float, ms
    tau_m, tau_s : float, ms
    tau_w : float, ms, optional
        Of ``kind="weighted"``; half the duration if not given.

    Raises
    ------
    ParameterError
        If a time is not above 0, or the kind is unknown.
    """

    def __init__(
        self,
        table: Table,
        kind: str = "mean",
        *,
        duration: float,
        tau_m: float = 20.0,
        tau_s: float = 10.0,
        tau_w: float | None = None,
    ):
        if not isinstance(table, Table):
            raise ParameterError(f"table must be a Table or DenseTable of synapses, got {type(table).__name__}")
        self.table, self.kind = table, params.one_of(kind, "kind", KINDS)
        self.duration = params.number(duration, "duration", above=0)
        self.tau_m, self.tau_s = params.number(tau_m, "tau_m", above=0), params.number(tau_s, "tau_s", above=0)
        self.tau_w = np.inf
        if kind == "weighted":
            self.tau_w = params.number(self.duration / 2 if tau_w is None else tau_w, "tau_w", above=0)
        elif tau_w is not None:
            raise ParameterError(f"tau_w is of kind='weighted' only, got tau_w={tau_w!r} with kind={kind!r}")
        self.parameters = {"weight": Column(table, "weight", "gradient")}

    def __call__(self, spikes: SpikeTrains) -> tuple[F8, Callable[[ArrayLike], F8]]:
        """Scores (n_sample, n), mV, and the pullback ``pull(d_scores) -> d_times``."""
        if trains_of(spikes, "spikes").n_cell != self.table.n_source:
            raise ParameterError(f"the readout takes {self.table.n_source} cells, the spikes have {spikes.n_cell}")
        return self._max(spikes) if self.kind == "max" else self._mean(spikes)

    def project(self) -> None:
        """Absent synapses back to 0; call it after each step of the optimiser."""
        clear_dead(self.table, self.table.weight)

    def _rows(self) -> Rows:
        fixed = 0.0 if isinstance(self.table, DenseTable) else None
        return rows_of(self.table, self.parameters["weight"], None, fixed)

    def _mean(self, spikes: SpikeTrains) -> tuple[F8, Callable[[ArrayLike], F8]]:
        whole = self.duration
        if self.kind == "weighted":
            whole = -self.tau_w * float(np.expm1(-self.duration / self.tau_w))
        rows = self._rows()
        out = np.zeros((len(spikes), self.table.n_target))
        value, slope = (np.zeros((spikes.times.size, rows.delays.size)) for _ in range(2))
        _integrals(
            spikes.times, spikes.cells, spikes.offsets, rows, self.duration, self.tau_m, self.tau_s, self.tau_w,
            1.0 / whole, out, value, slope,
        )  # fmt: skip

        def pull(d_scores: ArrayLike) -> F8:
            d_in = np.zeros(spikes.times.size)
            d = _checked(d_scores, out.shape)
            _integrals_back(spikes.cells, spikes.offsets, self._rows(), value, slope, d, d_in)
            return d_in

        return out, pull

    def _max(self, spikes: SpikeTrains) -> tuple[F8, Callable[[ArrayLike], F8]]:
        rows = self._rows()
        lanes = rows.delays.size
        sample = np.repeat(np.arange(len(spikes)), np.diff(spikes.offsets))
        when = (spikes.times[:, None] + rows.delays).reshape(-1)
        row = (spikes.cells[:, None] + np.arange(lanes) * rows.n_source).reshape(-1)
        order = np.lexsort((row, when, np.repeat(sample, lanes))) if lanes > 1 else np.arange(when.size)
        out, at, rise, cut = (np.zeros((len(spikes), self.table.n_target)) for _ in range(4))
        times = self.duration, self.tau_m, self.tau_s
        _largest(when[order], row[order], spikes.offsets * lanes, rows, *times, out, at, rise, cut)

        def pull(d_scores: ArrayLike) -> F8:
            d_in = np.zeros(spikes.times.size)
            events = (spikes.times, spikes.cells, spikes.offsets)
            d = _checked(d_scores, out.shape)
            _largest_back(*events, self._rows(), self.tau_m, self.tau_s, at, rise, cut, d, d_in)
            return d_in

        return out, pull


def _checked(d_scores: ArrayLike, shape: tuple[int, ...]) -> F8:
    d = np.ascontiguousarray(d_scores, dtype=np.float64)
    if d.shape != shape:
        raise ParameterError(f"d_scores must have shape {shape}, got {d.shape}")
    return d

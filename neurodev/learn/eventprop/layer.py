"""A layer of spiking neurons whose gradient is exact: spikes in, spikes and a pullback out.

    spikes, pull = layer(spikes_in)
    d_times_in = pull(d_times)           # adds to the gradient columns of the layer's tables

The gradient is that of the loss as a function of weights, delays and input times, as long as no spike appears or
disappears (Wunderlich & Pehl 2021, Sci. Rep. 11:12829; with delays: Meszaros et al. 2025, Nat. Commun. 16:10422).
What the exact gradient cannot see, a spike that is not there, is the business of losses (`final`, `kicks`).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neurodev import params
from neurodev.arrays import F8, Array, Int
from neurodev.data.dataset import SpikeTrains, trains_of
from neurodev.errors import BuildError, ParameterError, SimulationError
from neurodev.learn.eventprop import queue, together
from neurodev.learn.eventprop.flow import EventNeuron, Flow
from neurodev.learn.eventprop.tables import Column, Inputs, Pushes, Rows, clear_dead, is_grid, rows_of
from neurodev.learn.eventprop.together import Record
from neurodev.structure.dense import DenseTable
from neurodev.structure.table import Table

# below this share of all pairs, one event at a time is faster than all neurons at once (measured on 784 x 350)
SPARSE = 0.02
MOST_SPIKES = 1 << 24  # of a call: half a GiB of them


class EventLayer:
    """Neurons driven by a table of synapses, and by each other if a recurrent table is given.

    Parameters
    ----------
    inputs : Table
        From inputs to neurons.  Delays are those of its lanes (a `DenseTable` has none).
    neuron : EventNeuron
    duration : float, ms
        Length of a trial; what arrives later is ignored.
    recurrent : Table, optional
        From neurons to neurons, delays of 0 or more.
    train_delays : bool
        Give every synapse a delay of its own, and a gradient for it: that of its lane plus the column ``delay_shift``,
        which is 0 at the start and at the birth of a synapse.
    clip : float, mV
        Smallest value used for I - threshold, the slope at a spike, by which the gradient is divided.  0 keeps the
        gradient exact; near-grazing spikes then make it explode.  `Pullback.clip_rate` tells how often it acts.
    path : {"auto", "together", "queue"}
        `together` advances all neurons at once (no recurrence, one delay), `queue` handles one event at a time.

    Raises
    ------
    ParameterError, BuildError
        If tables do not fit each other, or `together` cannot do what is asked.
    """

    def __init__(
        self,
        inputs: Table,
        neuron: EventNeuron | None = None,
        *,
        duration: float,
        recurrent: Table | None = None,
        train_delays: bool = False,
        clip: float = 0.05,
        path: str = "auto",
    ):
        duration, clip = params.number(duration, "duration", above=0), params.number(clip, "clip", low=0)
        train_delays = params.flag(train_delays, "train_delays")
        for name, table in (("inputs", inputs), ("recurrent", recurrent)):
            if not isinstance(table, Table) and not (table is None and name == "recurrent"):
                raise ParameterError(f"{name} must be a Table or DenseTable of synapses, got {type(table).__name__}")
        if neuron is not None and not isinstance(neuron, EventNeuron):
            raise ParameterError(f"neuron must be an EventNeuron, got {type(neuron).__name__}")
        if path == "lanes":
            warnings.warn("path='lanes' is called 'together' now", DeprecationWarning, stacklevel=2)
            path = "together"
        params.one_of(path, "path", ("auto", "together", "queue"))
        n = inputs.n_target
        if recurrent is not None and (recurrent.n_source, recurrent.n_target) != (n, n):
            raise BuildError(f"the recurrent table must be {n} x {n}, got {recurrent.n_source} x {recurrent.n_target}")
        self.inputs, self.recurrent, self.path = inputs, recurrent, path
        self.neuron = neuron if neuron is not None else EventNeuron()
        self.duration, self.clip = float(duration), float(clip)
        self.parameters: dict[str, Column] = {}
        for name, table in (("inputs", inputs), ("recurrent", recurrent)):
            if table is None:
                continue
            if np.any(_lane_delays(table) < 0):
                raise BuildError(f"delays of the {name} table must be 0 or more")
            self.parameters[name] = Column(table, "weight", "gradient")
            if train_delays:
                self.parameters[f"{name}_delay"] = Column(table, "delay_shift", "gradient_delay")
        if path == "together" and not self._together_possible():
            raise BuildError(
                "path='together' needs one delay lane, no recurrent table and no trained delays: use 'auto'"
            )

    def _together_possible(self) -> bool:
        return self.recurrent is None and "inputs_delay" not in self.parameters and self.inputs.n_lane == 1

    @property
    def n(self) -> int:
        """Number of neurons."""
        return self.inputs.n_target

    def _use_together(self) -> bool:
        if self.path != "auto" or not self._together_possible():
            return self.path == "together"
        return self.inputs.n_synapse >= SPARSE * self.inputs.n_source * self.inputs.n_target

    def _rows(self, name: str) -> Rows:
        table = self.inputs if name == "inputs" or self.recurrent is None else self.recurrent
        fixed = 0.0 if isinstance(table, DenseTable) else None
        name = name if name in self.parameters else "inputs"
        return rows_of(table, self.parameters[name], self.parameters.get(f"{name}_delay"), fixed)

    def __call__(self, spikes: SpikeTrains, *, integral: bool = False) -> tuple[SpikeTrains, Pullback]:
        """Run all samples.

        Parameters
        ----------
        spikes : SpikeTrains
        integral : bool
            Also give the integral of V over the trial as ``pull.integral`` (n_sample, n), mV ms.

        Returns
        -------
        spikes : SpikeTrains
        pull : Pullback

        Raises
        ------
        ParameterError
            If the number of cells does not fit, or a weight is not finite.
        SimulationError
            If the neurons fire more spikes than any memory holds.
        """
        if trains_of(spikes, "spikes").n_cell != self.inputs.n_source:
            raise ParameterError(f"the layer takes {self.inputs.n_source} cells, the spikes have {spikes.n_cell}")
        rows, inner = self._rows("inputs"), self._rows("recurrent")
        if not (np.all(np.isfinite(rows.weight)) and np.all(np.isfinite(inner.weight))):
            raise ParameterError("weights must be finite: a step of the optimiser was too large")
        n_sample = len(spikes)
        final, area = np.zeros((n_sample, self.n)), np.zeros((n_sample, self.n))
        record = _record(max(n_sample * self.n, 64), n_sample)
        at_once, grid, flow = self._use_together(), is_grid(self.inputs), self.neuron.flow()
        given = Inputs(spikes.times, spikes.cells, spikes.offsets)
        done: Int = 0
        while True:
            if at_once:
                done = together.forward(
                    given, rows, grid, flow, self.duration, bool(integral), done, record, final, area
                )  # fmt: skip
            else:
                done = queue.forward(
                    given, rows, inner, self.recurrent is not None, flow, self.duration, done, record, final, area
                )
            if done == n_sample:
                break
            if record.time.size >= MOST_SPIKES:
                raise SimulationError(
                    f"more than {MOST_SPIKES:.2g} spikes of {self.n} neurons in {n_sample} samples: lower the weights, "
                    "or show fewer samples at a time"
                )
            record = _larger(record)
        n = int(record.offsets[-1])
        record = _each(record, lambda a: a[:n])
        out = SpikeTrains(record.time, record.cell, record.offsets, self.n, self.duration)
        pull = Pullback(self, spikes, record, flow, at_once, grid, final, area if integral else None)
        return out, pull

    def project(self) -> None:
        """Trained delays back to 0 or more, absent synapses back to 0; call it after each step of the optimiser."""
        for name in ("inputs", "recurrent"):
            if name in self.parameters:
                clear_dead(self.parameters[name].table, self.parameters[name].value)
            column = self.parameters.get(f"{name}_delay")
            if column is not None:
                slots = column.table.slots()
                column.value[slots] = np.maximum(column.value[slots], -self._lane_delay(column.table, slots))

    def delays(self, name: str = "inputs") -> F8:
        """Delay of every synapse of a table (``"inputs"`` or ``"recurrent"``), in the order of its slots, ms."""
        table = self.parameters[name].table
        slots = table.slots()
        column = self.parameters.get(f"{name}_delay")
        return self._lane_delay(table, slots) + (0.0 if column is None else column.value[slots])

    @staticmethod
    def _lane_delay(table: Table, slots: NDArray[np.int64]) -> F8:
        return np.zeros(slots.size) if isinstance(table, DenseTable) else table.delays[table.lane(slots)]


@dataclass
class Pullback:
    """The reverse of one call of an `EventLayer`.

    Attributes
    ----------
    final : (n_sample, n) float64, mV
        V at the end of the trial.
    integral : (n_sample, n) float64, mV ms, or None
    clip_rate : float
        Share of the spikes whose slope was clipped in the last call of the pullback.
    """

    layer: EventLayer
    spikes: SpikeTrains
    record: Record
    flow: Flow
    together: bool
    grid: bool
    final: F8
    integral: F8 | None
    clip_rate: float = 0.0

    def __call__(
        self,
        d_times: ArrayLike | None = None,
        *,
        d_integral: ArrayLike | None = None,
        d_final: ArrayLike | None = None,
        kicks: ArrayLike | None = None,
        inputs: bool = True,
    ) -> F8:
        """Add to the gradients of the tables.

        Parameters
        ----------
        d_times : (n_spike,)
            Derivative of the loss with respect to each output spike time.
        d_integral, d_final : (n_sample, n)
            With respect to the integral of V, and to V at the end.
        kicks : (n_spike,)
            Added to lambda_V at each spike: not part of any exact gradient (see `losses.rate_penalty`).
        inputs : bool
            Whether the gradient of the input times is wanted (the first layer can do without).

        Returns
        -------
        (n_input_spike,) float64
            Gradient of the input times.
        """
        layer, x, record = self.layer, self.spikes, self.record
        n_spike, shape = record.time.size, self.final.shape
        d_time, kick = _given(d_times, (n_spike,), "d_times"), _given(kicks, (n_spike,), "kicks")
        d_area, d_last = _given(d_integral, shape, "d_integral"), _given(d_final, shape, "d_final")
        d_in = np.zeros(x.times.size)
        rows, inner = layer._rows("inputs"), layer._rows("recurrent")
        given, pushes = Inputs(x.times, x.cells, x.offsets), Pushes(d_time, kick, d_area, d_last)
        how = self.flow, layer.duration, layer.clip, record, pushes
        if self.together:
            clipped = together.backward(given, rows, self.grid, *how, bool(inputs), d_in)
        else:
            clipped = queue.backward(given, rows, inner, layer.recurrent is not None, *how, d_in)
        for table in (layer.inputs, layer.recurrent):
            if table is not None:
                clear_dead(table, table.column("gradient"))
        self.clip_rate = clipped / max(n_spike, 1)
        return d_in


def _given(values: ArrayLike | None, shape: tuple[int, ...], name: str) -> F8:
    if values is None:
        return np.zeros(shape)
    a = np.ascontiguousarray(values, dtype=np.float64)
    if a.shape != shape:
        raise ParameterError(f"{name} must have shape {shape}, got {a.shape}")
    return a


def _record(capacity: int, n_sample: int) -> Record:
    whole = lambda: np.zeros(capacity, dtype=np.int64)
    return Record(np.zeros(capacity), whole(), np.zeros(capacity), whole(), np.zeros(n_sample + 1, dtype=np.int64))


def _each(record: Record, change: Callable[[Array], Array]) -> Record:
    """The record with its columns changed, its offsets kept."""
    return Record(
        change(record.time), change(record.cell), change(record.current), change(record.group), record.offsets
    )


def _larger(record: Record) -> Record:
    """The same record with twice the room."""
    return _each(record, lambda a: np.concatenate([a, np.zeros_like(a)]))


def _lane_delays(table: Table) -> F8:
    return np.zeros(1) if isinstance(table, DenseTable) else table.delays

"""A trained network in the event engine, spike for spike.

    net = nd.to_network(model, spikes)        # a Network: simulate it, lesion it, let it develop
    begin = bridge.onsets(model, spikes)      # when each sample begins, ms
    report = bridge.compare(model, spikes)    # both sides side by side, on every sample

The trained network knows steps, the engine knows time: step k of the input lies at ``k * step`` ms, every layer adds
one step of delay, and all arrivals of one instant are summed before the threshold is tested (`Network(together=True)`).
Between steps ``V <- leak V`` is ``exp(-step / tau)``; the gain of a neuron goes into its threshold, so that weights
stay what they were and potentials come out divided by the gain.  Sample k of the input begins at
``k * period * step`` with ``period = steps + layers + gap``; what its step t makes of neurons of layer l (from 1) is a
spike ``(t + l) * step`` after that onset.

`fold` says what is run: each stretch of linear layers (Linear, Conv2d, AveragePool2d, Flatten, BatchNorm with its
running statistics, Dropout, which then does nothing) becomes one table of synapses with float32 weights.  Weights that
are float32 numbers already, and divisions by powers of two, come through unchanged; batch norm is rounded.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurodev import params
from neurodev.engine.engine import Engine
from neurodev.engine.network import Network, Population, Spines
from neurodev.errors import BuildError, ParameterError, shown
from neurodev.learn.core.layer import Layer, Vector, Weights
from neurodev.learn.core.spikes import Current, Spikes
from neurodev.learn.layers.conv import Conv2d
from neurodev.learn.layers.dropout import Dropout
from neurodev.learn.layers.linear import Linear
from neurodev.learn.layers.neurons import IF, LIF, PLIF, integrate
from neurodev.learn.layers.norm import BatchNorm
from neurodev.learn.layers.pool import AveragePool2d, Flatten
from neurodev.learn.layers.vote import Vote
from neurodev.learn.model import Sequential, arranged, name_layers
from neurodev.neurons import lif
from neurodev.neurons.drive import Drive
from neurodev.neurons.listed import Regular, SpikeList
from neurodev.structure.table import Table
from neurodev.structure.wiring import Pairs

I8 = NDArray[np.int64]
F8 = NDArray[np.float64]
U1 = NDArray[np.uint8]
LINEAR = (Linear, Conv2d, AveragePool2d, Flatten, BatchNorm, Dropout)  # and nothing derived from them
READOUTS = (Vote, Flatten)
NEAR = 1e-9
LONGEST_STEP = 1e6  # ms; windows of the engine are no longer than a step, and times must keep their digits
_FORGET = math.exp(-200.0)  # a leak of 0: what is left of a potential after one step


# ---------------------------------------------------------------- folding: what is run


def _parts(layer: Any) -> Iterator[Layer]:
    for part in layer.parts():
        if type(part) is Sequential:
            yield from _parts(part)
        else:
            yield part


def _stages(model: Sequential) -> list[tuple[list[Layer], LIF]]:
    """The stretches of linear layers, each with the neurons that follow it.

    Raises
    ------
    BuildError
        Naming a layer that cannot be bridged, and why.
    """
    if not isinstance(model, Sequential) or type(model).__call__ is not Sequential.__call__ or model.inputs is None:
        raise BuildError("to_network takes a built model: a Sequential made with inputs=(...)")
    stages: list[tuple[list[Layer], LIF]] = []
    linear: list[Layer] = []
    for layer in _parts(model):
        kind, name = type(layer), layer.name or type(layer).__name__
        if kind in (LIF, IF, PLIF):
            assert isinstance(layer, LIF)
            if layer.reset != "zero":
                raise BuildError(f"{name!r} resets by subtraction; the engine resets to a value: use reset='zero'")
            if not linear:
                raise BuildError(f"no weights lead to {name!r}")
            stages.append((linear, layer))
            linear = []
        elif kind in LINEAR or kind in READOUTS:
            linear.append(layer)
        else:
            raise BuildError(
                f"{name!r} ({kind.__name__}) has no counterpart in the engine; a model to bridge is made of "
                f"{', '.join(k.__name__ for k in LINEAR)} and LIF, IF or PLIF neurons"
            )
    if not stages:
        raise BuildError("the model has no spiking neurons")
    left = [layer for layer in linear if type(layer) not in READOUTS]
    inside = [layer for part, _ in stages for layer in part if type(layer) not in LINEAR]
    for layer in [*left, *inside]:
        raise BuildError(
            f"{layer.name!r} ({type(layer).__name__}) must be followed by neurons: the engine sends spikes"
        )
    return stages


def _apply(layers: list[Layer], flags: U1, shape: tuple[int, ...]) -> NDArray[Any]:
    """Output of linear layers for one-step inputs, (n_sample, n_out)."""
    x: Any = Spikes(flags, 1, flags.shape[0], shape, wanted=False)
    before = [layer.training for layer in layers]
    for layer in layers:
        layer.training = False
        x, _ = layer(x)
    for layer, training in zip(layers, before, strict=True):
        layer.training = training
    return np.asarray(x.by_row if isinstance(x, Current) else x.dense(np.float64))


@dataclass
class _Affine:
    """``current = W spikes + bias`` as lists of synapses with float32 weights."""

    source: I8
    target: I8
    weight: NDArray[np.float32]
    bias: NDArray[np.float32]


def _affine(layers: list[Layer], shape: tuple[int, ...], chunk: int = 64) -> _Affine:
    """Weights of a stretch of linear layers, read off its answers to one spike at a time."""
    n = int(np.prod(shape))
    rest = _apply(layers, np.zeros((1, n), dtype=np.uint8), shape)[0].astype(np.float64)
    source, target, weight = [], [], []
    for a in range(0, n, chunk):
        flags = np.zeros((min(chunk, n - a), n), dtype=np.uint8)
        flags[np.arange(flags.shape[0]), a + np.arange(flags.shape[0])] = 1
        w = (_apply(layers, flags, shape) - rest).astype(np.float32)
        i, j = np.nonzero(w)
        source.append(a + i)
        target.append(j)
        weight.append(w[i, j])
    if not np.all(np.isfinite(rest)) or not all(np.all(np.isfinite(w)) for w in weight):
        raise ParameterError(f"the weights of {layers[0].name!r} are not finite")
    return _Affine(np.concatenate(source), np.concatenate(target), np.concatenate(weight), rest.astype(np.float32))


def fold(model: Sequential) -> Sequential:
    """The same network of Linear and LIF layers only, sparse, in float64, with weights that float32 can hold.

    Parameters
    ----------
    model : Sequential
        Feed-forward, of the layers named at the top of this file; its batch norms use their running statistics.

    Returns
    -------
    Sequential
        Its neurons keep their names; layer k of weights is called ``to_`` and the name of its neurons.

    Raises
    ------
    BuildError, ParameterError
        Naming the layer that does not fit.
    """
    stages = _stages(model)
    assert model.inputs is not None
    shape = tuple(model.inputs)
    layers: list[Layer] = []
    for linear, neurons in stages:
        affine = _affine(linear, shape)
        n_in, n_out = int(np.prod(shape)), affine.bias.size
        one = Linear(n_out, n_in, bias=bool(affine.bias.any()), storage="sparse", name=f"to_{neurons.name}")
        table = Table.build(
            n_in, n_out, [1.0], affine.source, affine.target, np.zeros(affine.source.size, dtype=np.int64),
            affine.weight.astype(np.float64), columns=("gradient",), column_type=np.float64, weight_type=np.float64,
        )  # fmt: skip
        table.ensure_in_lists()
        one.parameters["weight"] = Weights(table)
        if one.bias:
            one.parameters["bias"] = Vector(affine.bias.astype(np.float64))
        leak, gain = neurons.constants()
        same = LIF(leak, neurons.threshold, gain=gain, reset="zero", surrogate=neurons.surrogate)
        same.name = neurons.name
        layers += [one, same]
        for layer in linear:
            shape = layer.out_shape(shape)
    folded = Sequential(*layers)
    n_out = layers[-2].n_out  # type: ignore[attr-defined]
    vars(folded).update(inputs=(int(np.prod(model.inputs)),), outputs=(n_out,))
    name_layers(folded)
    return folded


# ---------------------------------------------------------------- the network


def _neuron(neurons: LIF, step: float) -> lif.LIF:
    leak, gain = neurons.constants()
    tau = math.inf if leak == 1 else -step / math.log(max(leak, _FORGET))
    return lif.LIF(tau=tau, threshold=neurons.threshold / gain, reset=0.0, rest=0.0, refractory=0.0)


def _played(x: Spikes, step: float, period: int) -> SpikeList:
    """Input spikes of all samples, one sample every `period` steps."""
    if x.scale != 1.0 or x.counts:
        raise ParameterError("the input must be spikes, 0 or 1 each")
    row, cell = np.nonzero(x.by_row)
    t, sample = row // x.batch, row % x.batch
    when = sample * period + t
    order = np.lexsort((cell, when))
    return SpikeList(when[order] * step, cell[order])


def to_network(
    model: Sequential,
    inputs: Spikes | Drive | None = None,
    *,
    step: float = 1.0,
    gap: int = 0,
    seed: int = 0,
    dale: bool = False,
    spines: bool | Sequence[str] = False,
) -> Network:
    """A trained feed-forward network as a `Network` of the event engine.

    Parameters
    ----------
    model : Sequential
        See `fold`.
    inputs : Spikes or Drive, optional
        What the population ``input`` does: samples, shown one after the other, or any drive; silent if not given.
    step : float, ms
        Length of a step, and delay of each layer.
    gap : int
        Steps of silence between samples.  Potentials are carried over from one sample to the next, as time passes;
        `compare` begins every sample at rest.
    seed : int
    dale : bool
        Obey Dale's law, so that mechanisms can act on the synapses: every population but the last gets a mirror
        ``NAME_inh`` that hears the same and fires the same, and sends the negative weights.  Otherwise one population
        sends weights of both signs, which no mechanism accepts.
    spines : bool or list of str
        Put synapses on spines, with `dale`: those onto the neurons of all layers, or of the layers named.  Their scale
        is the mean weight of the projection.  Sizes are drawn when a simulation begins: `give_weights` makes them those
        of the trained weights.

    Returns
    -------
    Network
        Populations ``input`` and, by name, the neurons of each layer; where a layer has a bias, a cell ``bias_NAME``
        that fires at every step.  Projections are ``to_NAME``, or with `dale` ``SOURCE_TARGET``.

    Raises
    ------
    BuildError, ParameterError
        Naming the layer that has no counterpart, or the argument.

    Examples
    --------
    >>> net = to_network(trainer.model, spikes)                                             # doctest: +SKIP
    >>> run = simulate(net, 100.0)                                                          # doctest: +SKIP
    """
    folded = fold(model)
    return _network(folded, inputs, step, gap, seed, dale, _on_spines(folded, spines, dale))


def _on_spines(folded: Sequential, spines: Any, dale: Any) -> set[str]:
    """Names of neurons whose inputs sit on spines."""
    known = [neurons.name for _, neurons in _pairs(folded)]
    if isinstance(spines, (bool, np.bool_)):
        wanted = set(known) if spines else set()
    elif isinstance(spines, Sequence) and not isinstance(spines, (str, bytes)) and all(n in known for n in spines):
        wanted = set(spines)
    else:
        raise ParameterError(f"spines must be True, False or names of neurons, of {known}, got {shown(spines)}")
    if wanted and not params.flag(dale, "dale"):
        raise ParameterError(f"spines={spines!r} needs dale=True: a spine has the sign of the cell that sends to it")
    return wanted


def onsets(model: Sequential, inputs: Spikes, *, step: float = 1.0, gap: int = 0) -> F8:
    """When each sample begins in the network of `to_network`, ms, (n_sample,).

    Parameters
    ----------
    model, inputs, step, gap
        As `to_network` was given them.

    Returns
    -------
    (n_sample,) float64
        Spikes of layer l (from 1) that answer sample k lie in ``[onset + l step, onset + (l + steps) step)``.

    Raises
    ------
    BuildError, ParameterError
        As `to_network`.

    Examples
    --------
    >>> begin = onsets(model, spikes)                                                       # doctest: +SKIP
    """
    if not isinstance(inputs, Spikes):
        raise ParameterError(f"inputs must be Spikes, which have samples, got {type(inputs).__name__}")
    step = params.number(step, "step", "ms", above=0, high=LONGEST_STEP)
    period = inputs.steps + len(_stages(model)) + params.whole(gap, "gap", 0)
    return np.arange(inputs.batch, dtype=np.float64) * (period * step)


def give_weights(simulation: Any, model: Sequential) -> None:
    """Give synapses on spines the sizes that make their weights the trained ones; before the simulation runs.

    Parameters
    ----------
    simulation : Simulation
        Of a network that ``to_network(model, ..., dale=True, spines=...)`` made.
    model : Sequential

    Raises
    ------
    BuildError, ParameterError
        If the network was not made of this model, or has changed since.

    Examples
    --------
    >>> sim = nd.Simulation(net)                                                            # doctest: +SKIP
    >>> bridge.give_weights(sim, model)                                                     # doctest: +SKIP
    """
    tables = getattr(getattr(simulation, "simulator", None), "tables", None)
    if tables is None:
        raise ParameterError(f"simulation must be a Simulation of a network, got {shown(simulation)}")
    folded = fold(model)
    before = "input"
    for linear, neurons in _pairs(folded):
        table = linear.weights.table
        slots = table.slots()
        weight = table.weight[slots]
        for name, q in simulation.simulator.network.projections.items():
            mine = q.target.name.removesuffix("_inh") == neurons.name and q.source.name.removesuffix("_inh") == before
            if mine and q.spines is not None:
                sign = weight < 0 if q.source.inhibitory else weight > 0
                if tables[name].n_synapse != int(sign.sum()):
                    raise ParameterError(f"simulation: {name!r} is not that of this model: it has other synapses")
                simulation.set_weights(name, np.abs(weight[sign]))
        before = neurons.name


def _network(
    folded: Sequential, inputs: Spikes | Drive | None, step: float, gap: int, seed: int, dale: bool = False,
    spines: Collection[str] = (),
) -> Network:  # fmt: skip
    step = params.number(step, "step", "ms", above=0, high=LONGEST_STEP)
    gap, dale = params.whole(gap, "gap", 0), params.flag(dale, "dale")
    if inputs is not None and not isinstance(inputs, (Spikes, Drive)):
        raise ParameterError(f"inputs must be Spikes or a drive, got {type(inputs).__name__}")
    assert folded.inputs is not None
    n, pairs, period = folded.inputs[0], _pairs(folded), 0
    if isinstance(inputs, Spikes):
        if inputs.n != n:
            raise ParameterError(f"the model takes {n} inputs, the spikes have {inputs.n} cells")
        period = inputs.steps + len(pairs) + int(gap)
        drive: Drive = _played(inputs, step, period)
    else:
        drive = inputs if inputs is not None else SpikeList([], np.zeros(0, dtype=np.int64))
        if dale and not isinstance(drive, (SpikeList, Regular)):
            raise ParameterError(
                f"dale=True plays the input twice, so it needs given spikes, not {type(drive).__name__}: use Spikes, "
                "SpikeList or Regular"
            )
    net = Network(seed, together=True)
    before = _add(net, drive, n, "input", dale)
    for k, (linear, neurons) in enumerate(pairs):
        here = _add(net, _neuron(neurons, step), linear.n_out, neurons.name, dale and k < len(pairs) - 1)
        table = linear.weights.table
        slots = table.slots()
        pre, post, weight = table.pre(slots), table.post[slots].astype(np.int64), table.weight[slots]
        name = "" if dale else linear.name
        _connect(net, before, here, pre, post, weight, step, name, neurons.name in spines)
        bias = linear.parameters.get("bias")
        if isinstance(bias, Vector):
            beat: Drive = Regular(interval=step, phase=0.0)
            if isinstance(inputs, Spikes):
                at = np.arange(inputs.batch)[:, None] * period + k + np.arange(inputs.steps)
                beat = SpikeList(at.reshape(-1) * step, np.zeros(at.size, dtype=np.int64))
            cell = _add(net, beat, 1, f"bias_{neurons.name}", dale)
            some = np.flatnonzero(bias.value)
            name = "" if dale else f"bias_to_{neurons.name}"
            _connect(net, cell, here, np.zeros_like(some), some, bias.value[some], step, name)
        before = here
    return net


def _add(net: Network, model: Any, n: int, name: str, twice: bool) -> list[Population]:
    """A population, with `twice` also its inhibitory mirror, which hears and does the same."""
    return [net.add(model, n, name=name)] + ([net.add(model, n, name=f"{name}_inh", inhibitory=True)] if twice else [])


def _connect(
    net: Network,
    before: list[Population],
    here: list[Population],
    pre: I8,
    post: I8,
    weight: NDArray[Any],
    step: float,
    name: str,
    spines: bool = False,
) -> None:
    """Synapses of both signs: signed ones from a population that stands alone, else each sign from its own mirror."""
    for target in here:
        for source in before:
            mine = np.ones(weight.size, dtype=bool)
            signed = len(before) == 1
            if not signed:
                mine = weight < 0 if source.inhibitory else weight > 0
            given: Any = weight[mine] if signed else np.abs(weight[mine])
            how = {"spines": Spines(weight=float(given.mean()))} if spines and given.size else {"weight": given}
            net.connect(
                source, target, Pairs(pre[mine], post[mine]), **how, delay=step, signed=signed, name=name or None
            )


def _pairs(folded: Sequential) -> list[tuple[Linear, LIF]]:
    parts = folded.parts()
    return [
        (a, b) for a, b in zip(parts[::2], parts[1::2], strict=True) if isinstance(a, Linear) and isinstance(b, LIF)
    ]


# ---------------------------------------------------------------- side by side


@dataclass
class Near:
    """A potential within `NEAR` of threshold, where rounding could decide."""

    sample: int
    layer: str
    unit: int
    step: int
    distance: float


@dataclass
class Agreement:
    """What `compare` found.

    Attributes
    ----------
    n : int
        Samples.
    spikes : dict of str to int
        Spikes of each layer in the engine.
    differing : list of int
        Samples in which any spike of any layer differs.
    differing_outputs : list of int
        Samples in which a spike of the last layer differs.
    near : list of Near
        Every potential within 1e-9 of threshold.
    closest : float
        Smallest distance of a potential from threshold.
    changed_by_folding : list of int
        Samples in which the float32 weights of `fold` change an output spike of the model itself.
    """

    n: int
    spikes: dict[str, int] = field(default_factory=dict)
    differing: list[int] = field(default_factory=list)
    differing_outputs: list[int] = field(default_factory=list)
    near: list[Near] = field(default_factory=list)
    closest: float = math.inf
    changed_by_folding: list[int] = field(default_factory=list)

    def __str__(self) -> str:
        samples = len({x.sample for x in self.near})
        return (
            f"{self.n - len(self.differing_outputs)} of {self.n} samples with identical output spikes, "
            f"{self.n - len(self.differing)} with identical spikes in every layer ({self.spikes}); "
            f"{len(self.near)} potentials in {samples} samples within {NEAR:g} of threshold, "
            f"the closest at {self.closest:.2g}; folding changed {len(self.changed_by_folding)} samples"
        )


def _in_steps(folded: Sequential, x: Spikes, first: int, report: Agreement) -> list[U1]:
    """Spikes of each layer (B, T, n) by steps, in float64; close calls go into the report."""
    out = []
    for linear, neurons in _pairs(folded):
        current, _ = linear(x)
        cube = current.by_row.reshape(1, x.steps, -1)
        u, s = np.empty_like(cube), np.empty(cube.shape, dtype=np.uint8)
        leak, gain = neurons.constants()
        integrate(cube, (leak, gain, neurons.threshold, False), u, s)
        distance = np.abs(u - neurons.threshold).reshape(x.steps, x.batch, -1)
        report.closest = min(report.closest, float(distance.min()))
        for t, b, k in zip(*np.nonzero(distance < NEAR), strict=True):
            report.near.append(Near(first + int(b), neurons.name, int(k), int(t), float(distance[t, b, k])))
        x = Spikes(s.reshape(x.n_row, -1), x.steps, x.batch, (linear.n_out,))
        out.append(s.reshape(x.steps, x.batch, -1).swapaxes(0, 1))
    return out


def _in_engine(folded: Sequential, x: Spikes, step: float) -> list[U1]:
    """The same by the event engine, every sample from rest."""
    net = _network(folded, x, step, 0, 0)
    pairs = _pairs(folded)
    period = x.steps + len(pairs)
    caught: list[tuple[F8, NDArray[np.uint32], NDArray[np.uint32]]] = []
    engine = Engine(net, sink=lambda epoch, t, p, i: caught.append((epoch + t, p, i)))
    numbers = [net.populations[neurons.name].index for _, neurons in pairs]
    for k in numbers:
        engine.record_trains(k, True)
    for sample in range(x.batch):
        # half a step early: the last spikes of a sample are in, the first of the next are still to come
        engine.run_until(((sample + 1) * period - 0.5) * step)
        # these neurons rest at 0 and have no refractory period, so this is all there is to reset
        engine.state.neurons.u[:] = 0.0
    engine.run_until(x.batch * period * step)
    t, p, i = (np.concatenate([c[k] for c in caught] or [np.zeros(0)]) for k in range(3))
    at = np.rint(t / step).astype(np.int64)
    out = []
    for k, (linear, _) in enumerate(pairs):
        mine = p == numbers[k]
        sample, when = np.divmod(at[mine] - (k + 1), period)
        flags = np.zeros((x.batch, x.steps, linear.n_out), dtype=np.uint8)
        flags[sample, when, i[mine].astype(np.int64)] = 1
        out.append(flags)
    return out


def compare(model: Sequential, spikes: Spikes, *, step: float = 1.0, chunk: int = 100) -> Agreement:
    """Run samples in steps and in the event engine, every sample from rest, and compare every spike of every layer.

    Parameters
    ----------
    model : Sequential
    spikes : Spikes
        The input, 0 or 1 for each unit, step and sample.
    step : float, ms
    chunk : int
        Samples at a time.

    Returns
    -------
    Agreement
    """
    if not isinstance(spikes, Spikes) or spikes.scale != 1.0 or spikes.counts:
        raise ParameterError("spikes must be Spikes, 0 or 1 for each unit and step")
    step, chunk = params.number(step, "step", "ms", above=0, high=LONGEST_STEP), params.whole(chunk, "chunk", 1)
    folded = fold(model)
    spikes = arranged(spikes, model.inputs or ())  # type: ignore[assignment]
    report = Agreement(spikes.batch, dict.fromkeys((neurons.name for _, neurons in _pairs(folded)), 0))
    flags = spikes.by_row.reshape(spikes.steps, spikes.batch, -1)
    last = _stages(model)[-1][1]
    for a in range(0, spikes.batch, chunk):
        part = np.ascontiguousarray(flags[:, a : a + chunk])
        b = part.shape[1]
        x = Spikes(part.reshape(spikes.steps * b, -1), spikes.steps, b, spikes.shape, wanted=False)
        ours, theirs = _in_engine(folded, x, step), _in_steps(folded, x, a, report)
        unlike = [(p != q).any(axis=(1, 2)) for p, q in zip(ours, theirs, strict=True)]
        report.differing += (a + np.flatnonzero(np.any(unlike, axis=0))).tolist()
        report.differing_outputs += (a + np.flatnonzero(unlike[-1])).tolist()
        for name, found in zip(report.spikes, ours, strict=True):
            report.spikes[name] += int(found.sum())
        trained = _outputs(model, x, last).reshape(spikes.steps, b, -1).swapaxes(0, 1)
        report.changed_by_folding += (a + np.flatnonzero((trained != theirs[-1]).any(axis=(1, 2)))).tolist()
    return report


def _outputs(model: Sequential, x: Any, last: LIF) -> U1:
    """Spikes of the last neurons of the model itself, (R, n)."""
    before = [layer.training for layer in model.layers()]
    model.set_training(False)
    for layer in _parts(model):
        x, _ = layer(x)
        if layer is last:
            break
    for layer, training in zip(model.layers(), before, strict=True):
        layer.training = training
    return np.asarray(x.by_row)

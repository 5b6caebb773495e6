"""Putting layers together: `Sequential`, `Residual` and `Recurrent` are the whole vocabulary."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

from neurodev.errors import BuildError, ParameterError
from neurodev.learn.core.layer import Counters, Group, Layer, Pullback, Signal, Vector, Weights
from neurodev.learn.core.spikes import Current, Spikes
from neurodev.learn.layers import fused
from neurodev.learn.layers.linear import Linear
from neurodev.learn.layers.neurons import LIF, step_adjoint, step_forward
from neurodev.rng import check_seed
from neurodev.structure.table import UidSource


class Sequential(Group):
    """Layers one after the other.

    Parameters
    ----------
    *layers : Layer
    inputs : tuple of int, optional
        Shape of one sample's input: (n,) or (height, width, channels).  Given for a whole model: it is then built at
        once, every shape checked, every weight drawn.
    seed : int
        Of the initial weights; each layer draws from a stream named after it.
    kind : {numpy.float32, numpy.float64}
        Type of weights and currents (float64 for tests).

    Raises
    ------
    ParameterError, BuildError
        Naming the layer that does not fit.
    """

    def __init__(self, *layers: Layer, inputs: tuple[int, ...] | None = None, seed: int = 0, kind: type = np.float32):
        super().__init__()
        if not layers or not all(isinstance(layer, Layer) for layer in layers):
            raise BuildError(f"Sequential needs one or more layers, got {layers!r}")
        self._parts = list(layers)
        self.inputs = inputs
        self.uids = UidSource()
        if inputs is not None:
            self.seed = check_seed(seed)
            self.outputs = self.out_shape(tuple(inputs))
            name_layers(self)
            for layer in self.layers():
                layer.build(self.seed, self.uids, kind)
            for w in self.weights_of().values():
                w.drawn = w.fingerprint()

    def parts(self) -> list[Layer]:
        """The layers, in order."""
        return self._parts

    def _with(self, parts: list[Layer]) -> Sequential:
        other = copy.copy(self)
        other._parts = parts
        other.counters = Counters()
        return other

    def out_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Shape after the last layer."""
        for k, layer in enumerate(self._parts):
            try:
                shape = layer.out_shape(shape)
            except ParameterError as e:
                what = f"layer {k + 1} ({type(layer).__name__})"
                raise ParameterError(f"{what} does not fit its input of shape {shape}: {e}") from e
        return shape

    def __call__(self, x: Signal) -> tuple[Signal, Pullback]:
        """The last layer's output, and the pullback through all."""
        pulls = []
        k = 0
        while k < len(self._parts):
            layer, following = self._parts[k], self._parts[min(k + 1, len(self._parts) - 1)]
            if fused.fits(layer, following, x):
                x, pull = fused.fire_and_pool(layer, x)  # type: ignore[arg-type]
                k += 2
            else:
                x, pull = layer.through(x)
                k += 1
            pulls.append(pull)

        def pull_all(dy: Current) -> Current | None:
            d: Current | None = dy
            for pull in reversed(pulls):
                if d is None:
                    break
                d = pull(d)
            return d

        return x, pull_all

    # ------------------------------------------------------------------ as a model

    def parameters_of(self) -> list[Weights | Vector]:
        """Everything an optimiser moves, in a fixed order."""
        return [p for layer in self.layers() for p in layer.parameters.values()]

    def weights_of(self) -> dict[str, Weights]:
        """The weight tensors by name: the layer's, with ``.part`` where a layer has several."""
        out = {}
        for layer in self.layers():
            own = {k: p for k, p in layer.parameters.items() if isinstance(p, Weights)}
            for k, p in own.items():
                out[layer.name if len(own) == 1 else f"{layer.name}.{k}"] = p
        return out

    def set_training(self, training: bool) -> None:
        """Switch dropout and batch norm between training and evaluation."""
        for layer in self.layers():
            layer.training = training


class Residual(Group):
    """``y = body(x) + shortcut(x)``, both currents; without a shortcut, x itself is added.

    Parameters
    ----------
    body : Layer
        Ends in a layer that returns currents of the shape of the shortcut.
    shortcut : Layer, optional
    """

    def __init__(self, body: Layer, shortcut: Layer | None = None):
        super().__init__()
        self.body, self.shortcut = body, shortcut

    def parts(self) -> list[Layer]:
        """Body and shortcut."""
        return [self.body] if self.shortcut is None else [self.body, self.shortcut]

    def _with(self, parts: list[Layer]) -> Residual:
        return Residual(parts[0], parts[1] if len(parts) > 1 else None)

    def out_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Shape of the sum."""
        a = self.body.out_shape(shape)
        b = shape if self.shortcut is None else self.shortcut.out_shape(shape)
        if a != b:
            raise ParameterError(f"body gives {a}, shortcut gives {b}; both must have one shape")
        return a

    def __call__(self, x: Signal) -> tuple[Current, Pullback]:
        """The sum, and its pullback."""
        a, pull_a = self.body.through(x)
        if not isinstance(a, Current):
            raise BuildError("the body of a Residual must end in currents: put its neurons after the Residual")
        if self.shortcut is None:
            b: Any = x.dense(a.value.dtype.type) if isinstance(x, Spikes) else x.by_row
            pull_b: Any = None
        else:
            y, pull_b = self.shortcut.through(x)
            b = y.dense(a.value.dtype.type) if isinstance(y, Spikes) else y.by_row
        out = Current(a.by_row + b, a.steps, a.batch, a.shape)

        def pull(dy: Current) -> Current | None:
            da = pull_a(dy)
            if pull_b is not None:
                db = pull_b(dy)
            else:
                worth = x.scale if isinstance(x, Spikes) else 1.0
                db = Current(dy.by_row * dy.value.dtype.type(worth), x.steps, x.batch, x.shape)
            if da is None or db is None:
                return None
            return Current(da.by_row + db.by_row, x.steps, x.batch, x.shape)

        return out, pull


class Recurrent(Group):
    """Neurons that feed back on themselves, one step late: ``current[t] = feed(x)[t] + back(spikes[t - 1])``.

    Parameters
    ----------
    feed : Layer
        From input to currents.
    back : Linear
        From the neurons to themselves.
    neurons : LIF

    Notes
    -----
    Runs step by step; the gradient goes through the recurrent synapses and all of time.
    """

    def __init__(self, feed: Layer, back: Linear, neurons: LIF):
        super().__init__()
        if neurons.parameters:
            raise BuildError(f"{type(neurons).__name__} learns constants of its own, which Recurrent does not; use LIF")
        self.feed, self.back, self.neurons = feed, back, neurons

    def parts(self) -> list[Layer]:
        """Feed-forward layer, recurrent layer, neurons."""
        return [self.feed, self.back, self.neurons]

    def _with(self, parts: list[Layer]) -> Recurrent:
        feed, back, neurons = parts
        assert isinstance(back, Linear) and isinstance(neurons, LIF)
        return Recurrent(feed, back, neurons)

    def out_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Shape of the neurons."""
        out = self.feed.out_shape(shape)
        if self.back.out_shape(out) != out:
            raise ParameterError(f"the recurrent layer must return as many units as it takes: {out}")
        return self.neurons.out_shape(out)

    def __call__(self, x: Signal) -> tuple[Spikes, Pullback]:
        """Spikes, and their pullback through time."""
        drive, pull_feed = self.feed.through(x)
        cube = drive.by_row.reshape(drive.steps, drive.batch, -1)
        u, s = np.empty_like(cube), np.zeros(cube.shape, dtype=np.uint8)
        pulls: list[Pullback | None] = [None]
        for t in range(drive.steps):
            total = cube[t]
            if t:
                last = Spikes(s[t - 1], 1, drive.batch, drive.shape)
                feedback, pull_t = self.back(last)
                total = total + feedback.by_row
                pulls.append(pull_t)
            step_forward(self.neurons, u, s, t, total)
        self.neurons.counters.spikes += int(np.count_nonzero(s))
        self.neurons.counters.sites += s.size

        def pull(dy: Current) -> Current | None:
            g = dy.by_row.reshape(cube.shape)
            d = np.zeros_like(cube)
            for t in range(drive.steps - 1, -1, -1):
                push = g[t]
                pull_next = pulls[t + 1] if t + 1 < drive.steps else None
                if pull_next is not None:
                    back = pull_next(Current(d[t + 1], 1, drive.batch, drive.shape))
                    assert back is not None
                    push = push + back.by_row
                step_adjoint(self.neurons, u, push, t, d)
            return pull_feed(Current(d.reshape(-1, d.shape[2]), drive.steps, drive.batch, drive.shape))

        flags = s.reshape(-1, s.shape[2])
        return Spikes(flags, drive.steps, drive.batch, drive.shape), pull


def name_layers(model: Group) -> None:
    """Give layers without a name theirs: the kind in lower case with its number, as in ``linear1``."""
    count: dict[str, int] = {}
    seen = {layer.name for layer in model.layers() if layer.name}
    for layer in model.layers():
        kind = type(layer).__name__.lower()
        count[kind] = count.get(kind, 0) + 1
        if not layer.name:
            name = f"{kind}{count[kind]}"
            while name in seen:
                count[kind] += 1
                name = f"{kind}{count[kind]}"
            layer.name = name
            seen.add(name)


def total_counters(model: Group, replicas: list[Group]) -> dict[str, Counters]:
    """Counters per layer name, summed over replicas and cleared."""
    out: dict[str, Counters] = {}
    for one in [model, *replicas]:
        for layer in one.layers():
            c = out.setdefault(layer.name, Counters())
            c.add(layer.counters)
            layer.counters.clear()
    return out

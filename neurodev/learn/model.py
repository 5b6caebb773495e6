"""Putting layers together: `Sequential`, `Residual` and `Recurrent` are the whole vocabulary."""

from __future__ import annotations

import copy
import math
from typing import Any

import numpy as np

from neurodev import params
from neurodev.arrays import Array
from neurodev.errors import BuildError, ParameterError, shown
from neurodev.learn.core import doors
from neurodev.learn.core.fields import BUILT
from neurodev.learn.core.layer import Counters, Group, Layer, Pullback, Signal, Vector, Weights, expect, guarded
from neurodev.learn.core.spikes import Current, Spikes
from neurodev.learn.layers import fused, masked
from neurodev.learn.layers.linear import Linear
from neurodev.learn.layers.neurons import LIF
from neurodev.learn.usable import Usable
from neurodev.params import flag
from neurodev.registry import takes_over
from neurodev.rng import check_seed
from neurodev.structure.table import UidSource


class Sequential(Usable):
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
        Naming the layer that does not fit, is there twice, is part of another model, or shares its
        name with another.

    Examples
    --------
    >>> from neurodev.learn import LIF, Linear, Sequential, Surrogate
    >>> model = Sequential(Linear(8, name="fc"), LIF(), Linear(3, name="out"), LIF(), inputs=(6,), seed=1)
    >>> {name: w.matrix().shape for name, w in model.weights_of().items()}
    {'fc': (6, 8), 'out': (8, 3)}
    """

    def __init__(self, *layers: Layer, inputs: tuple[int, ...] | None = None, seed: int = 0, kind: type = np.float32):
        super().__init__()
        if not layers or not all(isinstance(layer, Layer) for layer in layers):
            raise BuildError(f"Sequential needs one or more layers, got {layers!r}")
        mute = [type(layer).__name__ for layer in layers if type(layer).__call__ is Layer.__call__]
        if mute:
            raise BuildError(f"the layer {mute[0]} computes nothing: it needs a __call__(x) that returns (y, pullback)")
        self._parts = [takes_over(f"{type(layer).__name__}:", layer, Layer) for layer in layers]
        self.inputs = None if inputs is None else doors.shape_of("inputs", inputs)
        self.uids = UidSource()
        if self.inputs is not None:
            self.seed, kind = check_seed(seed), _float_type(kind)
            _refuse_twins(self)
            self.outputs = self.out_shape(self.inputs)
            self.kind_after("either")
            name_layers(self)
            _check_room(self)
            for layer in self.layers():
                layer.float_type = kind
                layer.build(self.seed, self.uids, kind)
                for p in layer.parameters.values():
                    if isinstance(p, Vector):
                        p.cast(kind)
            for layer in self.layers():
                vars(layer)[BUILT] = None
            for w in self.weights_of().values():
                w.drawn = w.fingerprint()

    def parts(self) -> list[Layer]:
        """The layers, in order."""
        return self._parts

    def given(self) -> dict[str, Any]:
        """The layers, and what a whole model was built with."""
        whole = {} if self.inputs is None else {"inputs": self.inputs, "seed": self.seed}
        return {"layers": self.parts(), **whole}

    def _with(self, parts: list[Layer]) -> Sequential:
        other = copy.copy(self)
        vars(other)["_parts"] = parts
        return other

    def out_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Shape after the last layer."""
        shape = doors.shape_of("shape", shape)
        for k, layer in enumerate(self._parts):
            try:
                shape = doors.shape_of("out_shape", layer.out_shape(shape))
            except ParameterError as e:
                what = f"layer {k + 1} ({type(layer).__name__})"
                raise ParameterError(f"{what} does not fit its input of shape {shape}: {e}") from e
        return shape

    def kind_after(self, given: str) -> str:
        """What the last layer returns.

        Raises
        ------
        ParameterError
            Naming the layer that cannot take what reaches it.
        """
        for k, layer in enumerate(self._parts):
            try:
                given = layer.kind_after(given)
            except ParameterError as e:
                raise ParameterError(f"layer {k + 1} ({type(layer).__name__}) does not fit: {e}") from e
        return given

    def __call__(self, x: Signal) -> tuple[Signal, Pullback]:
        """The last layer's output, and the pullback through all.

        Raises
        ------
        ParameterError
            If the input is in another shape than the model was built for, or a layer does not return what it must.
        """
        if self.inputs is not None:
            expect(self, x)
            x = arranged(x, self.inputs)
        pulls = []
        k = 0
        while k < len(self._parts):
            layer, following = self._parts[k], self._parts[min(k + 1, len(self._parts) - 1)]
            if fused.fits(layer, following, x):
                x, pull = fused.fire_and_pool(layer, x)  # type: ignore[arg-type]
                k += 2
            elif masked.fits(layer, following, x):
                x, pull = masked.fire(layer, following, x)  # type: ignore[arg-type]
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

        return x, guarded(self, x, pull_all)

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
        training = flag(training, "training")
        for layer in self.layers():
            if layer.training is not training:
                layer.training = training


class Residual(Group):
    """``y = body(x) + shortcut(x)``, both currents; without a shortcut, x itself is added.

    Parameters
    ----------
    body : Layer
        Ends in a layer that returns currents of the shape of the shortcut.
    shortcut : Layer, optional

    Examples
    --------
    >>> from neurodev.learn import LIF, Linear, Residual, Sequential
    >>> model = Sequential(Linear(8), LIF(), Residual(Linear(8), Linear(8)), LIF(), inputs=(6,), seed=1)
    >>> model.outputs
    (8,)
    """

    def __init__(self, body: Layer, shortcut: Layer | None = None):
        super().__init__()
        for name, part in (("body", body), ("shortcut", shortcut)):
            if not isinstance(part, Layer) and not (name == "shortcut" and part is None):
                raise ParameterError(f"Residual: {name} must be a layer, got {shown(part)}")
        self.body, self.shortcut = body, shortcut

    def parts(self) -> list[Layer]:
        """Body and shortcut."""
        return [self.body] if self.shortcut is None else [self.body, self.shortcut]

    def _with(self, parts: list[Layer]) -> Residual:
        other = copy.copy(self)
        vars(other).update(body=parts[0], shortcut=parts[1] if len(parts) > 1 else None)
        return other

    gives = "currents"

    def kind_after(self, given: str) -> str:
        """Currents, of a body that must not end in neurons."""
        if self.body.kind_after(given) == "spikes":
            raise ParameterError("the body of a Residual must end in currents: put its neurons after the Residual")
        if self.shortcut is not None:
            self.shortcut.kind_after(given)
        return self.gives

    def out_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Shape of the sum."""
        a = self.body.out_shape(shape)
        b = shape if self.shortcut is None else self.shortcut.out_shape(shape)
        if a != b:
            raise ParameterError(f"body gives {a}, shortcut gives {b}; both must have one shape")
        return a

    def __call__(self, x: Signal) -> tuple[Current, Pullback]:
        """The sum, and its pullback."""
        expect(self, x)
        a, pull_a = self.body.through(x)
        if not isinstance(a, Current):
            raise BuildError("the body of a Residual must end in currents: put its neurons after the Residual")
        if self.shortcut is None:
            b: Any = x.dense(a.value.dtype.type) if isinstance(x, Spikes) else x.by_row
            pull_b: Any = None
        else:
            y, pull_b = self.shortcut.through(x)
            b = y.dense(a.value.dtype.type) if isinstance(y, Spikes) else y.by_row
        if a.by_row.shape != b.shape:
            raise ParameterError(f"body gives {a.by_row.shape}, shortcut gives {b.shape}; both must have one shape")
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

        return out, guarded(self, out, pull)


class Recurrent(Group):
    """Neurons that feed back on themselves, one step late: ``current[t] = feed(x)[t] + back(spikes[t - 1])``.

    Parameters
    ----------
    feed : Layer
        From input to currents.
    back : Linear
        From the neurons to themselves.
    neurons : LIF, IF or AdaptiveLIF
        Or a class of one's own derived from them: with other equations in its ``__call__`` it gives them as
        ``in_steps`` too.

    Raises
    ------
    BuildError
        If a part is of another kind, or the neurons learn constants or cannot go step by step.

    Notes
    -----
    Runs step by step; the gradient goes through the recurrent synapses and all of time.

    Examples
    --------
    >>> from neurodev.learn import LIF, Linear, Recurrent, Sequential
    >>> model = Sequential(Recurrent(Linear(8), Linear(8), LIF()), inputs=(6,), seed=1)
    >>> model.outputs
    (8,)
    """

    gives = "spikes"

    def __init__(self, feed: Layer, back: Linear, neurons: LIF):
        super().__init__()
        if not isinstance(feed, Layer):
            raise BuildError(f"feed must be a layer that returns currents, got {feed!r}")
        if not isinstance(back, Linear):
            raise BuildError(f"back must be a Linear, from the neurons to themselves, got {back!r}")
        if not isinstance(neurons, LIF):
            raise BuildError(f"neurons must be LIF, IF or AdaptiveLIF, got {neurons!r}")
        kind = type(neurons)
        if neurons.parameters or kind.learn_constants is not LIF.learn_constants:
            raise BuildError(f"{kind.__name__} learns constants of its own, which Recurrent does not; use LIF")
        whose = [next(k for k, c in enumerate(kind.__mro__) if word in vars(c)) for word in ("in_steps", "__call__")]
        if whose[0] > whose[1]:
            raise BuildError(
                f"{kind.__name__} has equations of its own in __call__, which Recurrent cannot step: give it in_steps "
                "too, or use LIF, IF or AdaptiveLIF"
            )
        self.feed, self.back, self.neurons = feed, back, neurons

    def parts(self) -> list[Layer]:
        """Feed-forward layer, recurrent layer, neurons."""
        return [self.feed, self.back, self.neurons]

    def _with(self, parts: list[Layer]) -> Recurrent:
        other = copy.copy(self)
        vars(other).update(zip(("feed", "back", "neurons"), parts, strict=True))
        return other

    def kind_after(self, given: str) -> str:
        """Spikes, of a feed that must not end in neurons."""
        if self.feed.kind_after(given) == "spikes":
            raise ParameterError("the feed of a Recurrent must end in currents, its neurons are given apart")
        return self.gives

    def out_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Shape of the neurons."""
        out = self.feed.out_shape(shape)
        if self.back.out_shape(out) != out:
            raise ParameterError(f"the recurrent layer must return as many units as it takes: {out}")
        return self.neurons.out_shape(out)

    def __call__(self, x: Signal) -> tuple[Spikes, Pullback]:
        """Spikes, and their pullback through time."""
        expect(self, x)
        drive, pull_feed = self.feed.through(x)
        if not isinstance(drive, Current):
            raise BuildError("the feed of a Recurrent must end in currents, its neurons are given apart")
        cube = drive.by_row.reshape(drive.steps, drive.batch, -1)
        cells = self.neurons.in_steps(cube.shape, cube.dtype.type)
        s = cells.s
        pulls: list[Pullback | None] = [None]
        totals, feedbacks = [], []
        for t in range(drive.steps):
            total = cube[t]
            if t:
                last = Spikes.made(s[t - 1], 1, drive.batch, drive.shape)
                feedback, pull_t = self.back(last)
                total = total + feedback.by_row
                pulls.append(pull_t)
                feedbacks.append(feedback.by_row)
            totals.append(total)
            cells.forward(t, total)
        self.neurons.counters.spikes += int(np.count_nonzero(s))
        self.neurons.counters.sites += s.size

        def pull(dy: Current) -> Current | None:
            g = dy.by_row.reshape(cube.shape)
            d = cells.d = np.zeros_like(cube)
            for t in range(drive.steps - 1, -1, -1):
                push = g[t]
                pull_next = pulls[t + 1] if t + 1 < drive.steps else None
                if pull_next is not None:
                    back = pull_next(Current(d[t + 1], 1, drive.batch, drive.shape))
                    assert back is not None
                    push = push + back.by_row
                cells.backward(t, push)
            return pull_feed(Current(d.reshape(-1, d.shape[2]), drive.steps, drive.batch, drive.shape))

        out = Spikes.made(s.reshape(-1, s.shape[2]), drive.steps, drive.batch, drive.shape)
        self._show(out, totals, feedbacks)
        return out, guarded(self, out, pull)

    def _show(self, out: Spikes, totals: list[Array], feedbacks: list[Array]) -> None:
        """What the inner layers did over all steps, to those who watch them: as if each had been called once."""
        back, neurons = self.back, self.neurons
        many = lambda parts: Current(np.concatenate(parts), out.steps, out.batch, out.shape)
        if back.heeded and back.watch is not None:
            late = np.zeros_like(out.flags)
            late[out.batch :] = out.flags[: -out.batch]
            heard = many([np.zeros_like(totals[0]), *feedbacks])
            back.watched.append(back.watch(Spikes.made(late, out.steps, out.batch, out.shape), heard))
        if neurons.heeded and neurons.watch is not None:
            neurons.watched.append(neurons.watch(many(totals), out))


def arranged(x: Signal, shape: tuple[int, ...]) -> Signal:
    """A signal in the shape that a model takes, where that only flattens it or adds and drops axes of one.

    Raises
    ------
    ParameterError
        For any other shape, also one of as many units: what is scrambled would not be noticed.
    """
    if x.shape == shape:
        return x
    same = [n for n in x.shape if n > 1] == [n for n in shape if n > 1]
    if same or x.n == math.prod(shape) and min(len(x.shape), len(shape)) == 1:
        return x.reshaped(shape)
    raise ParameterError(f"a sample has shape {x.shape}, but the model takes inputs={shape}")


def _float_type(kind: Any) -> type:
    try:
        given = None if kind is None else np.dtype(kind)
    except TypeError:
        given = None
    for known in (np.float32, np.float64):
        if given == known:
            return known
    raise ParameterError(f"kind must be numpy.float32 or numpy.float64, got {kind!r}")


def _check_room(model: Group) -> None:
    """Refuse weights that no memory holds, before any of them is drawn."""
    pairs = {layer.name: float(layer.pairs) for layer in model.layers()}
    most = max(pairs, key=lambda name: pairs[name])
    what = f"the model ({sum(pairs.values()):.3g} weights, {pairs[most]:.3g} of them in {most!r})"
    params.check_memory(doors.PAIR_BYTES * sum(pairs.values()), what, "n_out must be smaller")


def _refuse_twins(model: Group) -> None:
    """Refuse a layer that is there twice, or has the weights of another model: they would be shared silently."""
    seen: set[int] = set()
    for layer in model.layers():
        who = layer.name or type(layer).__name__
        if id(layer) in seen:
            raise BuildError(f"the layer {who!r} is there twice: make one for each place")
        # what was built knows its type of numbers; neurons have names, counters and watchers of one model too
        if "float_type" in vars(layer) or any(isinstance(p, Weights) for p in layer.parameters.values()):
            raise BuildError(
                f"the layer {who!r} is part of another model, whose weights and counts it would share: make "
                "one for each"
            )
        seen.add(id(layer))


def name_layers(model: Group) -> None:
    """Give layers without a name theirs: the kind in lower case with its number, as in ``linear1``.

    Raises
    ------
    BuildError
        If two layers have one name: methods, series and checkpoints go by it.
    """
    count: dict[str, int] = {}
    seen: set[str] = set()
    for layer in model.layers():
        if layer.name and layer.name in seen:
            raise BuildError(f"two layers are called {layer.name!r}: give each a name of its own")
        seen.add(layer.name)
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

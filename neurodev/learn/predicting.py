"""What a trained model says of samples: classes, scores, probabilities, and what its layers did.

Samples go in as arrays, data sets, recordings or signals, through the encoder that the model was trained with.  They
go through a replica, so that nothing of the model changes: neither counters nor gradients, nor who watches it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurodev import params
from neurodev.arrays import I8, Array
from neurodev.data.dataset import refuse_masked
from neurodev.errors import NeurodevError, ParameterError, nearest, shown
from neurodev.learn.core.layer import ALWAYS, Layer, Signal
from neurodev.learn.core.spikes import Current, Spikes, at_steps
from neurodev.learn.layers.adaptive import AdaptiveLIF
from neurodev.learn.layers.neurons import IF, LI, LIF, PLIF
from neurodev.registry import find, is_ours
from neurodev.rng import check_seed

TESTED = -1  # the epoch whose draws an encoder makes for tests
BATCH = 256
TARGETS = ("classes", "numbers", "labels")
WHAT = ("counts", "spikes", "potentials", "values")
CHANNELS = ("last", "first")


@dataclass
class Trained:
    """What a model knows of its training: what made its input, and what its output means.

    Attributes
    ----------
    encoder : Encoder
    loss : Loss or callable
    seed : int
        Of the draws of the encoder.
    methods : list of Method
        Those of the training; one of them may say which steps of the input the model sees.
    steps : list of (steps,) bool
        The same of a model that was loaded.
    targets : {"classes", "numbers", "labels"}
        What samples were to be met with: one class each, a number for each output, or any of several labels.
    """

    encoder: Any = None
    loss: Any = None
    seed: int = 0
    methods: list[Any] = field(default_factory=list)
    steps: list[NDArray[np.bool_]] = field(default_factory=list)
    targets: str = "classes"

    def seen(self) -> list[NDArray[np.bool_]]:
        """Which steps of the input the model sees, by each method that says so; empty: all."""
        return [*self.steps, *(kept for m in self.methods if (kept := m.living_steps()) is not None)]


# ---------------------------------------------------------------- samples


def samples(x: Any, channels: str, inputs: tuple[int, ...]) -> Any:
    """What an encoder takes, (n, ...): the test samples of a data set, an array with channels last, or spike trains.

    Raises
    ------
    ParameterError
        For anything else.
    """
    if isinstance(x, (Spikes, Current)):
        return x
    if hasattr(x, "x_test") and hasattr(x, "y_test") and not isinstance(x, type):
        x = x.x_test
    if hasattr(x, "offsets") and hasattr(x, "times"):
        return x
    if isinstance(x, (list, tuple)) and x and all(hasattr(one, "sensor_size") for one in x):
        raise ParameterError("X is a list of recordings: make one of them first, nd.data.recordings(events)")
    try:
        a = np.asarray(x)
    except Exception:  # lists of different lengths, objects that are no arrays
        a = np.zeros((), dtype=object)
    if a.ndim < 1 or a.dtype.kind not in "iufb" or isinstance(x, (str, bytes)):
        raise ParameterError(f"X must be samples (n, ...), a Dataset, SpikeTrains or Spikes, got {shown(x)}")
    refuse_masked(x, "X")
    if a.shape == inputs:
        raise ParameterError(f"X has the shape {inputs} of a single sample: give X[None], of shape {(1, *inputs)}")
    return channels_last(a) if channels == "first" else a


def channels_last(x: Any) -> Array:
    """Images (n, ..., C, H, W) as (n, ..., H, W, C), which is how everything here lies; frames of Tonic too.

    Parameters
    ----------
    x : array
        Images (n, C, H, W), or frames (n, steps, C, H, W) as ``tonic.transforms.ToFrame`` makes them.

    Returns
    -------
    array
        A view.  Rows run downwards before and after, as in pictures and on the sensor.

    Raises
    ------
    ParameterError
        For fewer axes.

    Examples
    --------
    >>> channels_last(np.zeros((10, 3, 32, 24))).shape
    (10, 32, 24, 3)
    """
    a = _images(x, "(n, channels, height, width)")
    return np.moveaxis(a, -3, -1)


def channels_first(x: Any) -> Array:
    """Images (n, ..., H, W, C) as (n, ..., C, H, W), as PyTorch and Tonic have them: a view.

    Raises
    ------
    ParameterError
        For fewer than four axes.

    Examples
    --------
    >>> channels_first(np.zeros((10, 32, 24, 3))).shape
    (10, 3, 32, 24)
    """
    return np.moveaxis(_images(x, "(n, height, width, channels)"), -1, -3)


def _images(x: Any, wanted: str) -> Array:
    try:
        a = np.asarray(x)
    except Exception:  # lists of different lengths
        a = np.zeros(())
    if a.ndim < 4 or a.dtype.kind not in "iufb":
        raise ParameterError(f"x must be images {wanted}, or frames with their steps after n, got {shown(x)}")
    return a


def encoder_of(model: Any, encoder: Any, x: Any) -> Any:
    """The encoder that was given, or that of the training; `Frames` where samples are lists of inputs.

    Raises
    ------
    ParameterError
        If there is none.
    """
    if encoder is not None:
        if not callable(encoder) or isinstance(encoder, type):
            raise ParameterError(f"encoder must be an encoder, such as Bernoulli(20), got {shown(encoder)}")
        return encoder
    known = model.trained.encoder
    if known is not None:
        return known
    shape = tuple(getattr(x, "shape", ()))
    if len(shape) == 2 + len(model.inputs) and shape[2:] == model.inputs:
        return find("encoder", "Frames")(shape[1])
    raise ParameterError(
        "encoder is not known: this model was trained by no Trainer that it remembers; give encoder=Bernoulli(20), "
        "Direct(), Binned(20), ..., or X as Spikes or as frames (n, steps, ...)"
    )


def _count(x: Any) -> int:
    return x.batch if isinstance(x, (Spikes, Current)) else len(x)


def parts(model: Any, x: Any, encoder: Any, batch: int, seed: int | None) -> Iterator[tuple[slice, Signal]]:
    """The input of a model, some samples at a time."""
    n = _count(x)
    if isinstance(x, (Spikes, Current)):
        for a in range(0, n, batch):
            yield slice(a, min(a + batch, n)), _some(x, slice(a, min(a + batch, n)))
        return
    encoder = encoder_of(model, encoder, x)
    seed = model.trained.seed if seed is None else seed
    for a in range(0, n, batch):
        ids = np.arange(a, min(a + batch, n))
        yield slice(a, a + ids.size), _encoded(encoder, x, ids, seed, model)


def _some(x: Signal, part: slice) -> Signal:
    """Some samples of a signal."""
    if part.start == 0 and part.stop == x.batch:
        return x
    value = x.by_row.reshape(x.steps, x.batch, -1)[:, part]
    n = value.shape[1]
    rows = np.ascontiguousarray(value).reshape(x.steps * n, -1)
    if isinstance(x, Current):
        return Current(rows, x.steps, n, x.shape, wanted=False)
    return Spikes(rows, x.steps, n, x.shape, scale=x.scale, wanted=False)


def _encoded(encoder: Any, x: Any, ids: I8, seed: int, model: Any) -> Signal:
    who = type(encoder).__name__
    try:
        y = encoder(x, ids, seed, TESTED)
    except NeurodevError as e:
        raise ParameterError(f"X: {e}") from e
    except Exception as e:  # whatever an encoder of a user's own raises
        raise ParameterError(f"{who} cannot encode X, {shown(x)}: {type(e).__name__}: {e}") from e
    if not isinstance(y, (Spikes, Current)) or y.batch != ids.size:
        raise ParameterError(f"{who} must return Spikes or a Current of {ids.size} samples, got {shown(y)}")
    for kept in model.trained.seen():
        y = at_steps(y, kept)
    return y


# ---------------------------------------------------------------- what comes out


def asked(model: Any, X: Any, batch: Any, seed: Any, channels: Any) -> tuple[Any, int, int | None]:
    """Samples as an encoder takes them, the batch and the seed, looked at."""
    if model.inputs is None:
        raise ParameterError("the model must be built: give inputs=(...) to the outermost Sequential")
    batch = params.whole(batch, "batch", 1)
    seed = None if seed is None else check_seed(seed)
    return samples(X, params.one_of(channels, "channels", CHANNELS), tuple(model.inputs)), batch, seed


def outputs(model: Any, X: Any, encoder: Any, batch: Any, seed: Any, channels: Any) -> Iterator[tuple[slice, Signal]]:
    """Output of a model for some samples at a time, without learning."""
    x, batch, seed = asked(model, X, batch, seed, channels)
    replica = model.replica()
    replica.set_training(False)
    for part, signal in parts(model, x, encoder, batch, seed):
        y, _ = replica(laid_out(signal, tuple(model.inputs)))
        yield part, y


def laid_out(x: Signal, inputs: tuple[int, ...]) -> Signal:
    """A signal as a model takes it; hints at channels where they lie elsewhere."""
    bare = lambda shape: [n for n in shape if n != 1]
    if x.n != math.prod(inputs):
        raise ParameterError(f"a sample of X has shape {x.shape}, but the model takes {inputs}")
    if x.shape != inputs and x.n == math.prod(inputs) and sorted(bare(x.shape)) == sorted(bare(inputs)):
        if bare(x.shape) != bare(inputs):
            raise ParameterError(
                f"a sample of X has shape {x.shape}, but the model takes {inputs}: give channels='first', or "
                "transpose X"
            )
    return x


def scores(model: Any, *given: Any) -> Array:
    """What samples are classified by, (n, n_out): as the loss of the training reads the output, else its mean."""
    trained = model.trained
    found = [_scored(y, trained.loss, trained.targets) for _, y in outputs(model, *given)]
    return np.concatenate(found) if found else np.zeros((0, math.prod(model.outputs)), dtype=np.float32)


def decided(found: Array, trained: Trained) -> NDArray[Any]:
    """What scores say: classes (n,), numbers as they are, or flags of labels (n, n_out)."""
    if trained.targets == "numbers":
        return found
    if trained.targets == "labels":
        return found > getattr(trained.loss, "cut", 0.5)
    return np.asarray(found.argmax(axis=1)) if found.size else np.zeros(len(found), dtype=np.int64)


def _scored(y: Signal, loss: Any, targets: str) -> Array:
    if loss is not None and _of_ours(loss):  # scores depend on no targets
        shape = (y.batch,) if targets == "classes" else (y.batch, y.n)
        kind = {"classes": np.int64, "numbers": np.float64, "labels": np.uint8}[targets]
        return np.asarray(loss(y, np.zeros(shape, dtype=kind), y.batch)[2])
    values = y.dense() if isinstance(y, Spikes) else y.by_row
    return np.asarray(values.reshape(y.steps, y.batch, -1).mean(axis=0))


def _of_ours(loss: Any) -> bool:
    """Whether the loss takes targets that are known here: its verdict is that of `Loss`."""
    return "right" not in vars(type(loss))


def probabilities(found: Array, trained: Trained) -> Array:
    """Scores as probabilities, (n, n_out): the softmax of a cross-entropy, else each output's share of the rates.

    Raises
    ------
    ParameterError
        For outputs that are numbers.
    """
    name = str(getattr(trained.loss, "name", getattr(trained.loss, "__name__", "")))
    if trained.targets == "numbers":
        raise ParameterError("X: the outputs of this model are numbers, not classes, and have no probability: predict")
    if trained.targets == "labels":
        return np.asarray(1 / (1 + np.exp(-found)) if "binary" in name else np.clip(found, 0, 1))
    if "cross_entropy" in name or found.size and found.min() < 0:
        e = np.exp(found - found.max(axis=1, keepdims=True))
        return np.asarray(e / e.sum(axis=1, keepdims=True))
    total = found.sum(axis=1, keepdims=True)
    share = found / np.where(total > 0, total, 1)
    return np.where(total > 0, share, share.dtype.type(1 / found.shape[1]))


# ---------------------------------------------------------------- what the layers did


def chosen(model: Any, layers: Any, what: str) -> list[str]:
    """The names of layers that are asked for; all neurons by default.

    Raises
    ------
    ParameterError
        For an unknown name, with the nearest, and for a layer that has nothing of the kind.
    """
    known = {layer.name: layer for layer in model.layers()}
    if layers is None:
        fits = [name for name, layer in known.items() if _has(layer, what)]
        if not fits:
            raise ParameterError(f"no layer of the model has {what}; its layers are {list(known)}")
        return fits
    if isinstance(layers, str) or not isinstance(layers, Sequence) or not layers:
        raise ParameterError(f"layers must be a list of names of layers, of {list(known)}, got {shown(layers)}")
    for name in layers:
        if not isinstance(name, str) or name not in known:
            hint = nearest(name, known) if isinstance(name, str) else ""
            raise ParameterError(f"layers: there is no layer {shown(name)}{hint}; there are {list(known)}")
        if not _has(known[name], what):
            raise ParameterError(
                f"layers: {name!r} ({type(known[name]).__name__}) has no {what}: "
                + ("potentials are known of LIF, IF, PLIF, AdaptiveLIF and LI" if what == "potentials" else
                   "it returns currents: ask for what='values'")
            )  # fmt: skip
    return list(layers)


def _has(layer: Layer, what: str) -> bool:
    if what == "values":
        return True
    if what == "potentials":
        return type(layer) in (LIF, IF, PLIF, AdaptiveLIF, LI)
    return layer.gives == "spikes" or isinstance(layer, LIF)


def activity(
    model: Any, X: Any, layers: Any, what: Any, encoder: Any, batch: Any, seed: Any, channels: Any
) -> dict[str, Array]:
    """What layers did, by name; see `Sequential.activity`."""
    what = params.one_of(what, "what", WHAT)
    x, batch, seed = asked(model, X, batch, seed, channels)
    names = chosen(model, layers, what)
    replica = model.replica()
    replica.set_training(False)
    found: dict[str, list[Array]] = {name: [] for name in names}
    for layer in replica.layers():
        if layer.name in found:
            layer.watch = _look(layer, what)
            vars(layer)[ALWAYS] = None
    n = _count(x)
    signals = (signal for _, signal in parts(model, x, encoder, batch, seed)) if n else [_silence(model, x, encoder)]
    for signal in signals:
        replica(laid_out(signal, tuple(model.inputs)))
        for layer in replica.layers():
            if layer.name in found:
                [seen] = layer.watched
                layer.watched = []
                if what != "counts" and not found[layer.name]:
                    room = float(seen.nbytes) / max(len(seen), 1) * n
                    params.check_memory(room, f"{what} of {layer.name!r} for {n} samples", "give fewer samples (X)")
                found[layer.name].append(seen)
    return {name: np.concatenate(parts_)[:n] for name, parts_ in found.items()}


def _silence(model: Any, x: Any, encoder: Any) -> Signal:
    """One sample without anything, to see of no samples what shape they would have had."""
    steps = int(x.steps if isinstance(x, (Spikes, Current)) else getattr(encoder_of(model, encoder, x), "steps", 1))
    inputs, n = tuple(model.inputs), math.prod(model.inputs)
    try:
        model.kind_after("spikes")
    except ParameterError:
        return Current(np.zeros((steps, n), dtype=model.float_type), steps, 1, inputs, wanted=False)
    return Spikes.made(np.zeros((steps, n), dtype=np.uint8), steps, 1, inputs, wanted=False)


def _look(layer: Layer, what: str) -> Callable[[Any, Any], Array]:
    """What is kept of a call of a layer, with samples first."""

    def by_sample(values: Array, y: Signal) -> Array:
        return np.ascontiguousarray(values.reshape(y.steps, y.batch, *y.shape).swapaxes(0, 1))

    def look(x: Any, y: Any) -> Array:
        if what == "potentials":
            return by_sample(potentials(layer, x, y), y)
        if what == "counts":
            flags = y.by_row.reshape(y.steps, y.batch, *y.shape)
            return np.asarray(flags.sum(axis=0, dtype=np.int64))
        if what == "spikes":
            return by_sample(y.by_row, y)
        return by_sample(y.dense() if isinstance(y, Spikes) else y.by_row, y)

    return look


def potentials(layer: Layer, x: Current, y: Any) -> Array:
    """Potentials of neurons before their reset, (R, n), from their input currents."""
    if isinstance(layer, LI):
        return np.asarray(y.by_row)
    assert isinstance(layer, LIF) and is_ours(type(layer))
    cube = x.by_row.reshape(x.steps, x.batch, -1)
    cells = layer.in_steps(cube.shape, cube.dtype.type)
    for t in range(x.steps):
        cells.forward(t, cube[t])
    return cells.u.reshape(x.steps * x.batch, -1)

"""What a training asks of what it is given, before anything runs or is written."""

from __future__ import annotations

import copy
import dataclasses
import math
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import FunctionType, MethodType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurodev.errors import NeurodevError, ParameterError, StudyError, nearest, shown
from neurodev.learn.core.layer import Weights
from neurodev.learn.core.spikes import Current, Spikes
from neurodev.learn.layers.norm import BatchNorm
from neurodev.learn.model import Sequential
from neurodev.learn.training import callback
from neurodev.learn.training.encode import Bernoulli, Direct, Latency
from neurodev.learn.training.kept import MARK, keep, put
from neurodev.learn.training.method import Method
from neurodev.params import flag, wholes
from neurodev.registry import kind_of, takes, takes_over
from neurodev.structure.dense import DenseTable
from neurodev.structure.plan import Plan


def instance(name: str, value: Any, kind: type, wanted: str) -> Any:
    """An instance of a class, not the class itself, its name, or something else.

    Raises
    ------
    ParameterError
        Naming the argument, its value and what is wanted.
    """
    if isinstance(value, kind):
        return takes_over(f"{name}:", value, kind)
    cure = f"; call it: {value.__name__}(...)" if isinstance(value, type) and issubclass(value, kind) else ""
    raise ParameterError(f"{name} must be {wanted}, got {value!r:.80}{cure}")


def several(name: str, value: Any, fits: Callable[[Any], bool], wanted: str) -> list[Any]:
    """A list of things of which each fits.

    Raises
    ------
    ParameterError
        Naming the argument, what is not one of them, and what is wanted.
    """
    if isinstance(value, (str, bytes, dict)) or not isinstance(value, Iterable):
        raise ParameterError(f"{name} must be a list of {wanted}, got {value!r:.80}; for a single one: {name}=[...]")
    found = list(value)
    for one in found:
        if not fits(one):
            raise ParameterError(f"{name} must be a list of {wanted}, but one is {one!r:.80}")
    return found


def function(name: str, value: Any, wanted: str, *arguments: str) -> Any:
    """Something that can be called with these arguments, not a class of ours that makes one.

    Raises
    ------
    ParameterError
        Naming the argument and its value.
    """
    if not callable(value) or isinstance(value, type) or kind_of(value) == name:
        cure = f"; call it: {value.__name__}(...)" if callable(value) else ""
        raise ParameterError(f"{name} must be {wanted}, got {value!r:.80}{cure}")
    return takes(name, value, *arguments)


def check_callbacks(given: Any) -> list[Any]:
    """A list of callbacks: objects of the class, or functions of the trainer.

    Raises
    ------
    ParameterError
        Naming what is none.
    """
    found = several("callbacks", given, callback.fits, "functions of the trainer, or Callbacks")
    for one in found:
        if isinstance(one, callback.Callback):
            takes_over("callbacks:", one, callback.Callback)
        else:
            takes("callbacks:", one, "trainer")
    return found


def check_methods(given: Any) -> list[Method]:
    """A list of methods, which can be called as the trainer does.

    Raises
    ------
    ParameterError
        Naming what is none.
    """
    found = several("methods", given, lambda m: isinstance(m, Method), "methods, such as NDSNN(0.9)")
    return [takes_over("methods:", method, Method) for method in found]


def check_file(to: Any, resume: Any, overwrite: Any) -> None:
    """Refuse to go on without a run file, and to go on with what is to be replaced.

    Raises
    ------
    ParameterError
        Saying what is missing.
    """
    if flag(resume, "resume") and to is None:
        raise ParameterError("resume needs to=: the run file to go on with")
    if flag(overwrite, "overwrite") and resume:
        raise ParameterError("resume goes on with the run file, overwrite replaces it: choose one of them")


# ---------------------------------------------------------------- data


def check_data(data: Any, outputs: tuple[int, ...]) -> None:
    """Refuse what is no data set, one without training samples, and one with other classes than the model has outputs.

    Raises
    ------
    ParameterError
        Saying what is missing.
    """
    missing = [w for w in ("name", "n_class", "x_train", "y_train", "x_test", "y_test") if not hasattr(data, w)]
    if missing or isinstance(data, type):
        raise ParameterError(
            f"data must be a data set (neurodev.data.Dataset) or a tuple (X, y), got {data!r:.80}"
            + (f" without {missing[0]}" if missing else "")
        )
    if not len(data.y_train):
        raise ParameterError(f"data {data.name!r} has no training samples: there is nothing to learn from")
    n_out = int(np.prod(outputs))
    if n_out != data.n_class:
        raise ParameterError(f"the model has {n_out} outputs, but {data.name} has {data.n_class} classes")


def check_bytes(data: Any, encoder: Any) -> None:
    """Warn of flags kept as bytes: an encoder of intensities takes bytes for 0..255, so that a 1 is almost black."""
    x = data.x_train
    looked = isinstance(x, np.ndarray) and not isinstance(x, np.memmap) and x.dtype == np.uint8
    if looked and isinstance(encoder, (Bernoulli, Direct, Latency)) and x.size and x.max() == 1:
        who = type(encoder).__name__
        warnings.warn(
            f"the training samples of {data.name} are bytes of 0 and 1, and {who} takes bytes for intensities of "
            "0..255: give x * 255, or x.astype(float)",
            stacklevel=4,
        )


def places(samples: Any, n: int) -> NDArray[np.int64]:
    """Samples of a batch as their places among n, (B,): whole numbers, a mask or a slice.

    Raises
    ------
    ParameterError
        For anything else, and for none.
    """
    if isinstance(samples, slice):
        samples = np.arange(n)[samples]
    try:
        a = np.asarray(samples)
    except ValueError:
        raise ParameterError(f"samples must be one or more places in [0, {n}), got {shown(samples)}") from None
    if a.dtype == np.bool_ and a.shape == (n,):
        a = np.flatnonzero(a)
    found = np.asarray(wholes(a, "samples"))
    if found.ndim != 1 or not found.size or found.min() < 0 or found.max() >= n:
        told = f"shape {found.shape}" if found.ndim != 1 or not found.size else f"{found.min()}..{found.max()}"
        raise ParameterError(f"samples must be one or more places in [0, {n}), got {told}")
    return found


MOST_STEPS = 2**31 - 1  # the log counts steps in 32 bits


def steps_per_epoch(n: int, batch: int, epochs: int) -> int:
    """Steps of an epoch of `n` samples.

    Raises
    ------
    ParameterError
        If the steps of all epochs are more than the log can count.
    """
    steps = -(-n // batch)
    if steps * epochs > MOST_STEPS:
        raise ParameterError(
            f"epochs={epochs} of {steps} steps are {steps * epochs:.3g} steps, more than the {MOST_STEPS} that a log "
            "counts, and years of training: lower epochs"
        )
    return steps


def encoded(encoder: Any, x: Any, samples: Any, *given: Any, of: str) -> Spikes | Current:
    """What an encoder makes of some samples.

    Raises
    ------
    ParameterError
        If it cannot, or makes something else than one signal of these samples.
    """
    who = type(encoder).__name__
    if not isinstance(getattr(encoder, "steps", None), (int, np.integer)) or encoder.steps < 1:
        raise ParameterError(f"{who}.steps must be a whole number of at least 1, got {encoder.steps!r}")
    try:
        y = encoder(x, samples, *given)
    except NeurodevError:
        raise
    except Exception as e:
        raise ParameterError(f"{who} cannot encode {of}, {_told(x)}: {type(e).__name__}: {e}") from e
    if not isinstance(y, (Spikes, Current)):
        raise ParameterError(f"{who} must return Spikes or a Current, got {type(y).__name__} for {of}")
    if y.batch != len(samples):
        raise ParameterError(f"{who} returned {y.batch} samples for {len(samples)} of {of}")
    return y


def _told(x: Any) -> str:
    shape = getattr(x, "shape", None)
    return f"a {type(x).__name__}" + ("" if shape is None else f" of shape {shape}")


def laid_out(y: Spikes | Current, inputs: tuple[int, ...]) -> Spikes | Current:
    """A signal as a model takes it: flattened, with or without axes of length 1, or a list as rows of one channel.

    Nothing else is moved: lists do not say where they keep their channels.

    Raises
    ------
    ParameterError
        If the samples have another layout, also where they have as many values.
    """
    if y.shape == inputs:
        return y
    bare = lambda shape: tuple(n for n in shape if n != 1)
    flat = len(bare(inputs)) <= 1 or (len(bare(y.shape)) <= 1 and len(bare(inputs)) == 2)
    if y.n == math.prod(inputs) and (bare(y.shape) == bare(inputs) or flat):
        return y.reshaped(inputs)
    hint = ""
    if sorted(bare(y.shape)) == sorted(bare(inputs)):
        hint = "; their axes are in another order: transpose the data (colour comes last)"
    elif y.n == math.prod(inputs):
        hint = "; as many values in another layout: reshape the data as they are meant"
    raise ParameterError(f"a sample has shape {y.shape}, but the model takes inputs={inputs}{hint}")


# ---------------------------------------------------------------- parts that hold a state


def own(part: Any) -> Any:
    """A part that holds the state of a training, for this training alone: a fresh copy where another has it already.

    The copy is as the part was when the first training took it.

    Raises
    ------
    StudyError
        If it is no dataclass, and nobody knows how to make it anew.
    """
    begun = getattr(part, MARK, None)
    who = type(part).__name__
    if begun is None:
        if getattr(part, "steps", 0):
            raise StudyError(
                f"this {who} has made {part.steps} steps already: make a new one for each training: {who}(...)"
            )
        return part
    if not dataclasses.is_dataclass(part):
        raise StudyError(
            f"this {who} holds the state of another training: make a new one for each training: {who}(...)"
        )
    try:
        return dataclasses.replace(part, **begun)  # type: ignore[type-var]
    except (TypeError, ValueError) as e:
        raise StudyError(f"this {who} belongs to another training, and a copy of it cannot be made: {e}") from e


def anew(part: Any) -> Any:
    """A loss, encoder, schedule or augmentation as the first training met it: a copy where one has changed it since.

    What it keeps in its attributes goes back to what it was; what cannot be kept in a checkpoint stays as it is.
    """
    if isinstance(part, (type, FunctionType, MethodType)) or not hasattr(part, "__dict__"):
        return part
    begun, now = vars(part).get(MARK), keep(part)
    if begun is None:
        object.__setattr__(part, MARK, {k: a.copy() for k, a in now.items()})
    elif begun.keys() != now.keys() or any(not np.array_equal(begun[k], now[k]) for k in now):
        part = copy.copy(part)
        put(part, begun)
    return part


def take(*parts: Any) -> None:
    """Mark parts as those of a training, with what they begin with, so that `own` gives others a copy."""
    for part in parts:
        known = dataclasses.fields(part) if dataclasses.is_dataclass(part) else ()
        object.__setattr__(part, MARK, {f.name: getattr(part, f.name) for f in known if f.init})


def check_storage(model: Sequential, methods: Sequence[Any]) -> None:
    """Refuse weight tensors in a storage that a method cannot use, or that nobody would train.

    Raises
    ------
    StudyError
        Naming the method and the tensor.
    """
    for name, w in model.weights_of().items():
        for m in methods:
            dense = isinstance(w.table, DenseTable)
            if m.dead == "move" and not dense or m.dead == "hidden" and not w.hidden:
                need = "dense" if m.dead == "move" else "hidden"
                raise StudyError(
                    f"{m.name} needs storage={need!r} (its absent synapses {m.dead}), but {name!r} is stored as "
                    f"{w.storage}: build the layer with it"
                )
        if w.hidden and not any(m.dead == "hidden" for m in methods):
            raise StudyError(
                f"{name!r} is stored as hidden: only methods such as NSPDI read its weights off the hidden parameter; "
                "without one they would never change: build the layer dense, or add the method"
            )


def tensor(every: Mapping[str, Weights], name: Any) -> Weights:
    """A weight tensor by its name.

    Raises
    ------
    StudyError
        For an unknown name, with the nearest.
    """
    if not isinstance(name, str) or name not in every:
        hint = nearest(name, every) if isinstance(name, str) else ""
        raise StudyError(f"there is no weight tensor {shown(name)}{hint}; there are {list(every)}")
    return every[name]


def check_parameter(model: Sequential, layer: str, key: Any) -> None:
    """Refuse a parameter that a layer of the model does not have.

    Raises
    ------
    StudyError
        With those that it has.
    """
    own = next(list(one.parameters) for one in model.layers() if one.name == layer)
    if not isinstance(key, str) or key not in own:
        raise StudyError(f"key must be a parameter that {layer!r} has, one of {own}, got {shown(key)}")


def check_alive(alive: Any, shape: tuple[int, int]) -> Any:
    """A mask of pairs, as an array.

    Raises
    ------
    ParameterError
        If it is none, or of another shape.
    """
    try:
        found = np.asarray(alive)
    except (TypeError, ValueError):
        found = np.zeros(0)
    if found.dtype != bool or found.shape != shape:
        raise ParameterError(f"alive must be True or False for each of {shape} pairs, got {shown(alive)}")
    return found


def check_plans(plans: Any) -> None:
    """Refuse what is no list of plans.

    Raises
    ------
    ParameterError
        Naming the argument and its value.
    """
    several("plans", plans, lambda one: isinstance(one, Plan), "Plan (methods.rewire makes them)")


def check_look(look: Any) -> None:
    """Refuse what cannot be called with the input and output of a layer.

    Raises
    ------
    ParameterError
        Naming the argument and its value.
    """
    if look is not None and not callable(look):
        raise ParameterError(f"look must be a function of a layer's input and output, or None, got {shown(look)}")


def factor_at(schedule: Callable[[float], float], share: float) -> float:
    """The factor of the learning rate at a share of the training.

    Raises
    ------
    ParameterError
        If the schedule makes no number of it.
    """
    try:
        return float(schedule(share))
    except NeurodevError:
        raise
    except (TypeError, ValueError, ArithmeticError, LookupError) as e:
        raise ParameterError(
            f"schedule must be a function of the share of training done that returns a factor, got {shown(schedule)}, "
            f"which raises {type(e).__name__}: {e}"
        ) from e


def check_watch(model: Sequential, layer: str, method: str) -> None:
    """Refuse to watch a layer that there is not.

    Raises
    ------
    StudyError
        Naming the layer, and the method that wants to watch it.
    """
    names = [one.name for one in model.layers()]
    if not isinstance(layer, str) or layer not in names:
        what = (
            "neurons behind a tensor that drives none"
            if isinstance(layer, str) and not layer
            else f"the layer {shown(layer)}"
        )
        raise StudyError(
            f"{method} wants to watch {what}, which the model does not have{nearest(str(layer)[:80], names)}; "
            f"its layers are {names}"
        )


def check_norms(model: Sequential, methods: Sequence[Any], settle: int) -> None:
    """Warn where batch norm would be tested with the means of another net."""
    moving = [m.name for m in methods if m.dead == "move"]
    if moving and not settle and any(isinstance(layer, BatchNorm) for layer in model.layers()):
        warnings.warn(
            f"under {moving[0]} absent synapses act until the epoch ends, so that batch norm's running means are "
            "those of another net than the one that is tested; settle=20 takes them anew before every test",
            stacklevel=5,
        )

"""A model as a file, and out of a run file: words for its parts, plain matrices for its weights, no pickle.

Arrays of a file are called ``LAYER/PARAMETER``.  Weights lie as PyTorch and NIR have them: (out, in) of a `Linear`,
(out, in, height, width) of a `Conv2d`, whose inputs keep the order of the house (channels last where an image was
flattened).  Where synapses are absent, ``LAYER/PARAMETER.alive`` tells which there are; their weight is 0.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurodev import params
from neurodev.arrays import Array
from neurodev.errors import NeurodevError, ParameterError, RunFileError, StudyError, shown
from neurodev.learn.core.layer import Layer, Vector, Weights
from neurodev.learn.core.storage import STORAGES, stored
from neurodev.learn.layers.conv import Conv2d
from neurodev.learn.layers.weighted import make_table
from neurodev.learn.predicting import TARGETS, Trained
from neurodev.learn.words import made, told
from neurodev.record.packed import under, unpack
from neurodev.record.provenance import check_sources, foreign
from neurodev.registry import find
from neurodev.runs.export import free, whole
from neurodev.writing import a_path, absolute

FORM = "neurodev model"
VERSION = 1
STEPS = "=steps/"  # arrays of a run file that say which steps of the input a model sees
Arrays = Mapping[str, NDArray[Any]]
_TYPES = {"float32": np.float32, "float64": np.float64}


# ---------------------------------------------------------------- shapes


def outward(layer: Layer, matrix: Array) -> Array:
    """A matrix (n_in, n_out) as others have it: (out, in), or (out, in, height, width) of a convolution."""
    if isinstance(layer, Conv2d):
        k, n = layer.kernel, matrix.shape[1]
        return np.ascontiguousarray(matrix.reshape(-1, k, k, n).transpose(3, 0, 1, 2))
    return np.ascontiguousarray(matrix.T)


def inward(layer: Layer, weight: Array, where: str) -> Array:
    """The matrix (n_in, n_out) of a weight as `outward` gives it.

    Raises
    ------
    ParameterError
        If it has another shape than that of the layer.
    """
    w = layer.parameters["weight"]
    assert isinstance(w, Weights)
    like = outward(layer, np.empty((w.table.n_source, w.table.n_target), dtype=np.uint8)).shape
    weight = np.asarray(weight)
    if weight.shape != like:
        hint = ": transpose it" if weight.shape == like[::-1] else ""
        raise ParameterError(f"{where} must have the shape {like} (out, in, ...), got {weight.shape}{hint}")
    return np.ascontiguousarray(weight.reshape(like[0], -1).T)


# ---------------------------------------------------------------- out


def about(model: Any) -> dict[str, Any]:
    """How a model is put together, in words; what was not ours, and how it was trained.

    Raises
    ------
    ParameterError
        Naming what has no name, and a model that is not built.
    """
    if model.inputs is None:
        raise ParameterError("the model must be built: give inputs=(...) to the outermost Sequential")
    kinds = {str(np.dtype(layer.float_type)) for layer in model.layers()}
    word = told(model, "the model")
    sources = foreign(*model.layers())
    return {
        "form": FORM, "version": VERSION, "model": word, "type": min(kinds),
        "names": [layer.name for layer in model.layers()],
        "sources": {k: v for k, v in sources.items() if "<" not in k},
        "storage": {name: w.storage for name, w in model.weights_of().items()},
    }  # fmt: skip


def training_words(trained: Trained) -> dict[str, Any]:
    """How a model was trained, in words, for a file; without what was written on the spot and has no name."""
    found: dict[str, Any] = {
        "seed": trained.seed,
        "targets": trained.targets,
        "steps": [kept.tolist() for kept in trained.seen()],
    }
    for name in ("encoder", "loss"):
        try:
            found[name] = told(getattr(trained, name), f"the {name} of the training")
        except ParameterError:  # a function that was written on the spot: the model goes without it
            found[name] = None
    return found


def arrays_of(model: Any) -> dict[str, Array]:
    """Parameters, masks and buffers of a model, by ``LAYER/PARAMETER``; weights as others have them."""
    out: dict[str, Array] = {}
    for layer in model.layers():
        for key, p in layer.parameters.items():
            name = f"{layer.name}/{key}"
            if isinstance(p, Vector):
                out[name] = p.value.copy()
                continue
            out[name] = outward(layer, p.matrix())
            table = p.table
            if table.n_synapse < table.n_source * table.n_target:
                out[f"{name}.alive"] = outward(layer, _alive(p)).astype(bool)
            if p.hidden:
                out[f"{name}.theta"] = outward(layer, p.value)
        out |= {f"{layer.name}/{key}": a.copy() for key, a in layer.buffers().items()}
    return out


def _alive(w: Weights) -> NDArray[np.bool_]:
    table = w.table
    out = np.zeros((table.n_source, table.n_target), dtype=bool)
    slots = table.slots()
    out[table.pre(slots), table.post[slots]] = True
    return out


def save(model: Any, path: Any, overwrite: Any) -> Path:
    """Write a model; see `Sequential.save`."""
    to = absolute(path, "path")
    if to.suffix.lower() != ".npz":
        raise ParameterError(f"path: a model is saved as .npz, got {to.name!r}: end it so, or export() it")
    words = json.dumps(about(model) | {"trained": training_words(model.trained)})
    arrays = arrays_of(model)
    free(to, params.flag(overwrite, "overwrite"))

    def write(part: Path) -> None:
        with part.open("wb") as file:
            np.savez_compressed(file, allow_pickle=False, about=np.array(words), **arrays)

    whole(to, write)
    return a_path(path)


# ---------------------------------------------------------------- in


def load(path: Any, trust: bool = False) -> Any:
    """A model as `Sequential.save` wrote it.

    Parameters
    ----------
    path : path
    trust : bool
        Take classes of one's own whose source has changed since, or cannot be read; otherwise they are refused.

    Returns
    -------
    Sequential
        Built, its weights in place; an optimiser begins anew, synapses have new identities.

    Raises
    ------
    ParameterError
        If there is no such file, or it is none of ours; if it was made with a class of one's own whose module is not
        imported: nothing is imported for a file.
    StudyError
        If the source of such a class has changed.

    Examples
    --------
    >>> model = nd.learn.load("digits.npz")                                                 # doctest: +SKIP
    >>> model.predict(images)                                                               # doctest: +SKIP
    """
    trust = params.flag(trust, "trust")
    file = a_path(path)
    try:
        with zipfile.ZipFile(file) as archive:
            n = float(sum(i.file_size for i in archive.infolist()))
            params.check_memory(n, f"the arrays of {file.name}", "load it where there is more memory")
        with file.open("rb") as raw, np.load(raw, allow_pickle=False) as found:
            arrays = {name: found[name] for name in found.files}
        words = json.loads(str(arrays.pop("about")))
        if not isinstance(words, dict) or words.get("form") != FORM:
            raise ValueError("it holds other arrays")
    except NeurodevError:
        raise
    except Exception as e:  # whatever a file from elsewhere raises
        raise ParameterError(f"path: {str(path)!r} holds no model as save() writes it: {_why(e)}") from e
    return model_of(words, arrays, str(path), trust)


def _why(e: Exception) -> str:
    return "there is no array 'about'" if isinstance(e, KeyError) else f"{type(e).__name__}: {e}"


def model_of(words: dict[str, Any], arrays: Arrays, where: str, trust: bool = False) -> Any:
    """A model of its words and arrays; see `load`."""
    model = rebuilt(words, where, trust)
    try:
        put_arrays(model, words["storage"], arrays)
        vars(model)["_trained"] = _trained(words)
    except NeurodevError:
        raise
    except Exception as e:  # whatever damaged words raise
        raise ParameterError(f"path: {where!r} is damaged: {type(e).__name__}: {e}") from e
    return model


def rebuilt(words: dict[str, Any], where: str, trust: bool = False) -> Any:
    """The model of some words, with weights as they are drawn."""
    if not isinstance(words, dict) or words.get("version") != VERSION:
        version = words.get("version") if isinstance(words, dict) else None
        raise ParameterError(
            f"path: {where!r} is of form {shown(version)} of models, this neurodev reads {VERSION}: update it"
        )
    try:
        _check_sources(words["sources"], where, trust)
        word = words["model"]
        kind, given = find("layer", _a_word(made_of := word["class"], words["sources"])), dict(word["given"])
        layers = [made(part) for part in given["layers"]]
        every = [one for layer in layers for one in layer.layers()]
        names = words["names"]
        if len(names) != len(every):
            raise ValueError(f"{len(names)} names for {len(every)} layers of {made_of}")
        for layer, name in zip(every, names, strict=True):
            layer.name = name
        return kind(*layers, inputs=tuple(given["inputs"]), seed=given["seed"], kind=_TYPES[words["type"]])
    except NeurodevError:
        raise
    except Exception as e:  # whatever damaged words raise
        raise ParameterError(f"path: {where!r} is damaged: {type(e).__name__}: {e}") from e


def _a_word(word: Any, sources: Any) -> str:
    if not isinstance(word, str) or ":" in word and word not in sources:
        raise ParameterError(f"{shown(word)} is no word for a model")
    return word


def _check_sources(sources: Any, where: str, trust: bool) -> None:
    try:
        check_sources({} if trust else sources)
    except StudyError as e:
        raise StudyError(f"{where!r}: {e}") from e


def put_arrays(model: Any, storage: Mapping[str, str], arrays: Arrays) -> None:
    """Give a model just built the parameters, masks and buffers of `arrays_of`.

    Raises
    ------
    ParameterError
        With the array that is missing, of another shape, or not finite.
    """
    names = {id(w): name for name, w in model.weights_of().items()}
    for layer in model.layers():
        for key, p in layer.parameters.items():
            name = f"{layer.name}/{key}"
            if isinstance(p, Vector):
                p.value = _array(arrays, name, p.value.shape)
                continue
            w = inward(layer, _finite(arrays, name), name).astype(p.table.weight.dtype)
            alive = arrays.get(f"{name}.alive")
            mask = None if alive is None else inward(layer, alive, f"{name}.alive").astype(bool)
            put_weights(p, w, mask, storage[names[id(p)]], model)
            if p.hidden and f"{name}.theta" in arrays:
                p.value[...] = inward(layer, _finite(arrays, f"{name}.theta"), f"{name}.theta")
        for key, a in layer.buffers().items():
            a[...] = _array(arrays, f"{layer.name}/{key}", a.shape)


def put_weights(w: Weights, matrix: Array, alive: NDArray[np.bool_] | None, storage: str, model: Any) -> None:
    """Give a tensor weights (n_in, n_out) and structure; synapses are new."""
    if alive is not None:
        matrix = np.where(alive, matrix, matrix.dtype.type(0))
    w.put(make_table(matrix, alive, storage, model.uids), storage == "hidden")


def _finite(arrays: Arrays, name: str) -> Array:
    if name not in arrays:
        raise ParameterError(f"there is no array {name!r}; there are {sorted(arrays)[:20]}")
    a = np.asarray(params.numbers(arrays[name], name))
    if not np.all(np.isfinite(a)):
        raise ParameterError(f"{name} must be finite: it holds NaN or infinity")
    return a


def _array(arrays: Arrays, name: str, shape: tuple[int, ...]) -> Array:
    a = _finite(arrays, name)
    if a.shape != shape:
        raise ParameterError(f"{name} must have the shape {shape}, got {a.shape}")
    return a


# ---------------------------------------------------------------- out of a run file


def of_checkpoint(words: dict[str, Any], data: bytes, arrays: Arrays, where: str, trust: bool) -> Any:
    """The model as a checkpoint of its training has it, with the identities of its synapses."""
    state = unpack(data)
    model = model_of_words(words, where, trust)
    _set_constants(model, arrays)
    for name, w in model.weights_of().items():
        mine = under(state, f"table/{name}/")
        storage = str(mine["storage"]) if "storage" in mine else ""
        if storage not in STORAGES:
            raise RunFileError(f"{where!r}: a checkpoint holds no weights of {name!r}")
        w.put(stored(w.table, "sparse" if storage == "sparse" else "dense"), storage == "hidden")
        w.table.load(mine)
        w.forget()
    model.uids.next = int(state["trainer"][2])
    for layer in model.layers():
        for key, p in layer.parameters.items():
            if isinstance(p, Vector):
                p.value = _array(state, f"vector/{layer.name}/{key}", p.value.shape)
        for key, a in layer.buffers().items():
            a[...] = _array(state, f"buffer/{layer.name}/{key}", a.shape)
    return model


def of_picture(
    words: dict[str, Any], synapses: Callable[[str], Arrays], arrays: Arrays, where: str, trust: bool
) -> Any:
    """The model as a picture of its training has it.

    Parameters
    ----------
    synapses : callable
        ``pre``, ``post``, ``weight`` (n_synapse,) of a weight tensor by its name.
    arrays : mapping of str to array
        Vectors and buffers, flat, by ``LAYER/PARAMETER``; constants that were changed since, ``LAYER/=NAME``.
    """
    model = model_of_words(words, where, trust)
    _set_constants(model, arrays)
    for name, w in model.weights_of().items():
        shape, mine = (w.table.n_source, w.table.n_target), synapses(name)
        pre, post = (np.asarray(mine[k]).astype(np.int64) for k in ("pre", "post"))
        if pre.size and (pre.max() >= shape[0] or post.max() >= shape[1]):
            raise RunFileError(f"{where!r}: a synapse of {name!r} leads where there is nothing")
        matrix, alive = np.zeros(shape, dtype=w.table.weight.dtype), np.zeros(shape, dtype=bool)
        matrix[pre, post], alive[pre, post] = mine["weight"], True
        storage = w.storage if w.storage != "hidden" else "dense"  # what moves behind the weights is in no picture
        put_weights(w, matrix, None if alive.all() else alive, storage, model)
    for layer in model.layers():
        for key, p in layer.parameters.items():
            if isinstance(p, Vector):
                p.value = _array(arrays, f"{layer.name}/{key}", (p.value.size,)).reshape(p.value.shape)
        for key, a in layer.buffers().items():
            a[...] = _array(arrays, f"{layer.name}/{key}", (a.size,)).reshape(a.shape)
    return model


def _set_constants(model: Any, arrays: Arrays) -> None:
    """Numbers of layers that were changed while it was trained."""
    layers = {layer.name: layer for layer in model.layers()}
    model.trained.steps += [arrays[name].astype(bool) for name in sorted(arrays) if name.startswith(STEPS)]
    for name in arrays:
        layer, changed, key = name.partition("/=")
        if changed and layer in layers:
            before = getattr(layers[layer], key)
            setattr(layers[layer], key, type(before)(_array(arrays, name, (1,))[0]))


def model_of_words(words: dict[str, Any], where: str, trust: bool) -> Any:
    """The model of a run file's words, with how it was trained."""
    model = rebuilt(words, where, trust)
    vars(model)["_trained"] = _trained(words)
    return model


def _trained(words: dict[str, Any]) -> Trained:
    """How a model was trained, by the words for it."""
    told = words.get("trained") or {}
    steps = [np.array(kept, dtype=bool) for kept in told.get("steps", ())]
    parts = [made(told.get(name)) for name in ("encoder", "loss")]
    targets = params.one_of(told.get("targets", "classes"), "targets", TARGETS)
    return Trained(parts[0], parts[1], int(told.get("seed", 0)), [], steps, targets)

"""Weights of a PyTorch model into one of ours of the same layers, and back; no torch is needed.

PyTorch has weights (out, in) and (out, in, height, width), images (channels, height, width), and so the inputs of a
`Linear` behind an image in that order; ours has (n_in, n_out) and channels last.  Both ways turn all of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurodev import params
from neurodev.arrays import I8, Array
from neurodev.errors import ParameterError, nearest, shown
from neurodev.learn.core.layer import Group, Layer, Vector, Weights
from neurodev.learn.layers.linear import Linear
from neurodev.learn.layers.neurons import LIF, PLIF
from neurodev.learn.layers.norm import BatchNorm
from neurodev.learn.layers.weighted import Weighted
from neurodev.learn.saving import inward, outward

CHANNELS = ("first", "last")
# what others call the numbers of a layer -> ours
_NORM = {"weight": "scale", "bias": "shift", "running_mean": "mean", "running_var": "variance"}
_NEURON = {"beta": "leak", "threshold": "threshold"}  # as snnTorch has them
# numbers of other libraries that say nothing about weights
_PASSED = (
    "num_batches_tracked", "beta", "threshold", "graded_spikes_factor", "reset_mechanism_val", "alpha", "mem", "syn",
    "spk", "v", "tau", "w",
)  # fmt: skip


def images_before(model: Any) -> dict[str, tuple[int, int, int]]:
    """The images (height, width, channels) that reach layers of weights, `Linear` ones flattened, by layer name."""
    found: dict[str, tuple[int, int, int]] = {}

    def walk(layer: Any, shape: tuple[int, ...], image: tuple[int, ...]) -> tuple[tuple[int, ...], tuple[int, ...]]:
        image = shape if len(shape) == 3 else image
        if isinstance(layer, Weighted) and len(image) == 3:
            found[layer.name] = image
        if isinstance(layer, Group):
            inner = shape, image
            for part in layer.parts():
                side = type(layer).__name__ in ("Residual", "Dendritic")
                out = walk(part, *((shape, image) if side else inner))
                inner = inner if side else out
        after = layer.out_shape(shape)
        kept = image if int(np.prod(after)) == int(np.prod(shape)) and not isinstance(layer, Weighted) else ()
        return after, after if len(after) == 3 else kept

    shape: tuple[int, ...] = tuple(model.inputs)
    image: tuple[int, ...] = ()
    for part in model.parts():
        shape, image = walk(part, shape, image)
    return found


def order_of(image: tuple[int, int, int]) -> I8:
    """Place of each of our inputs, channels last, among those of channels first, (n,)."""
    h, w, c = image
    return np.arange(h * w * c).reshape(c, h, w).transpose(1, 2, 0).reshape(-1)


def turned_in(layer: Layer, matrix: Array, images: Mapping[str, tuple[int, int, int]]) -> Array:
    """Rows of a matrix (n_in, n_out) from channels first to ours."""
    return matrix[order_of(images[layer.name])] if isinstance(layer, Linear) and layer.name in images else matrix


def turned_out(layer: Layer, matrix: Array, images: Mapping[str, tuple[int, int, int]]) -> Array:
    """Rows of a matrix (n_in, n_out) from ours to channels first."""
    if not isinstance(layer, Linear) or layer.name not in images:
        return matrix
    out = np.empty_like(matrix)
    out[order_of(images[layer.name])] = matrix
    return out


def _built(model: Any) -> dict[str, Layer]:
    if not isinstance(model, Group) or getattr(model, "inputs", None) is None:
        raise ParameterError(f"model must be built: a Sequential made with inputs=(...), got {shown(model)}")
    return {layer.name: layer for layer in model.layers()}


# ---------------------------------------------------------------- in


def from_torch(state: Any, model: Any, mapping: Any = None, *, channels: str = "first") -> Any:
    """Give a model the weights of a PyTorch model of the same layers.

    Parameters
    ----------
    state : dict of str to tensor or array
        Its ``state_dict()``.
    model : Sequential
        Built; its structure stays: a weight where it has no synapse is refused.
    mapping : dict of str to str, optional
        Name of our layer -> the beginning of their names (``{"fc1": "net.0"}`` takes ``net.0.weight`` and
        ``net.0.bias``); only these layers are set.  If not given, layers with weights follow each other in both.  A
        neuron layer that is named takes snnTorch's ``beta`` and ``threshold``, PLIF also SpikingJelly's ``w``.
    channels : {"first", "last"}
        Order in which images were flattened for their linear layers: "first" wherever `torch.nn.Conv2d` stands before.

    Returns
    -------
    Sequential
        `model`.

    Raises
    ------
    ParameterError
        Before anything is set: for names that there are not, shapes that differ, weights that nothing takes.

    Examples
    --------
    >>> from_torch(torch.load("net.pt"), model, {"fc1": "0", "out": "2"})                   # doctest: +SKIP
    """
    channels = params.one_of(channels, "channels", CHANNELS)
    layers = _built(model)
    if not isinstance(state, Mapping) or not all(isinstance(k, str) for k in state):
        raise ParameterError(f"state must be a dictionary of arrays by name, a state_dict(), got {shown(state)}")
    arrays = {name: _array(value, name) for name, value in state.items()}
    pairs = _in_order(layers, arrays) if mapping is None else _named(layers, arrays, mapping)
    images = images_before(model) if channels == "first" else {}
    found = [(layers[name], _read(layers[name], prefix, arrays, images)) for name, prefix in pairs.items()]
    for layer, values in found:
        _check(layer, values)
    for layer, values in found:
        _put(layer, values)
    return model


def _array(value: Any, name: str) -> NDArray[Any]:
    """A tensor or an array as an array of numbers."""
    if hasattr(value, "detach"):
        value = value.detach().cpu().numpy()
    a = np.asarray(params.numbers(value, f"state[{name!r}]"))
    if not np.all(np.isfinite(a)):
        raise ParameterError(f"state[{name!r}] must be finite: it holds NaN or infinity")
    return a


def _takes(layer: Layer) -> bool:
    return isinstance(layer, (Weighted, BatchNorm))


def _prefixes(arrays: Mapping[str, Any]) -> list[str]:
    """What the names of their layers with weights begin with, in order."""
    names = [n for n in arrays if n.rpartition(".")[2] not in _PASSED]
    return list(dict.fromkeys(n.rpartition(".")[0] for n in names))


def _in_order(layers: Mapping[str, Layer], arrays: Mapping[str, Any]) -> dict[str, str]:
    mine, theirs = [n for n, layer in layers.items() if _takes(layer)], _prefixes(arrays)
    if len(mine) != len(theirs):
        raise ParameterError(
            f"state has {len(theirs)} layers with weights, {theirs}, but the model {len(mine)}, {mine}: say which is "
            "which, mapping={'ours': 'theirs'}"
        )
    return dict(zip(mine, theirs, strict=True))


def _named(layers: Mapping[str, Layer], arrays: Mapping[str, Any], mapping: Any) -> dict[str, str]:
    if not isinstance(mapping, Mapping) or not mapping:
        raise ParameterError(f"mapping must be a dictionary, ours -> the beginning of theirs, got {shown(mapping)}")
    every = list(dict.fromkeys(n.rpartition(".")[0] for n in arrays))
    for name, prefix in mapping.items():
        if name not in layers:
            hint = nearest(name, layers) if isinstance(name, str) else ""
            raise ParameterError(f"mapping: there is no layer {shown(name)}{hint}; there are {list(layers)}")
        if prefix not in every:
            hint = nearest(prefix, every) if isinstance(prefix, str) else ""
            raise ParameterError(f"mapping: nothing in state begins with {shown(prefix)}{hint}; there are {every}")
        if not _takes(layers[name]) and not isinstance(layers[name], LIF):
            raise ParameterError(f"mapping: {name!r} ({type(layers[name]).__name__}) has no weights to be given")
    return dict(mapping)


def _read(
    layer: Layer, prefix: str, arrays: Mapping[str, NDArray[Any]], images: Mapping[str, tuple[int, int, int]]
) -> dict[str, Any]:
    """Our numbers of one of their layers."""
    dot = f"{prefix}." if prefix else ""
    mine = {n.removeprefix(dot): a for n, a in arrays.items() if n.rpartition(".")[0] == prefix}
    if isinstance(layer, Weighted):
        if "weight" not in mine:
            raise ParameterError(f"state has no {dot}weight for {layer.name!r}; it has {sorted(mine)}")
        found: dict[str, Any] = {"weight": turned_in(layer, inward(layer, mine["weight"], f"{dot}weight"), images)}
        if "bias" in mine:
            if "bias" not in layer.parameters:
                raise ParameterError(f"{dot}bias has no place in {layer.name!r}: build it with bias=True")
            found["bias"] = mine["bias"]
        elif "bias" in layer.parameters:
            found["bias"] = np.zeros(layer.n_out)
        return found
    if isinstance(layer, BatchNorm):
        missing = [n for n in ("running_mean", "running_var") if n not in mine]
        if missing:
            raise ParameterError(f"state has no {dot}{missing[0]} for {layer.name!r}; it has {sorted(mine)}")
        n = layer.channels
        plain = {"weight": np.ones(n), "bias": np.zeros(n)} | mine
        return {"scale": plain["weight"] / layer.level} | {ours: plain[k] for k, ours in _NORM.items() if k != "weight"}
    if isinstance(layer, PLIF):
        return {"w": float(mine["w"].reshape(-1)[0])} if "w" in mine and mine["w"].size == 1 else {}
    found = {}
    for theirs, ours in _NEURON.items():
        if theirs in mine:
            if np.unique(mine[theirs]).size != 1:
                raise ParameterError(f"{dot}{theirs} differs among neurons, {layer.name!r} has one for all")
            found[ours] = float(mine[theirs].reshape(-1)[0])
    return found


def _check(layer: Layer, values: Mapping[str, Any]) -> None:
    """Refuse what does not fit, before anything is set."""
    for key, value in values.items():
        p = layer.parameters.get(key)
        like = p.value.shape if isinstance(p, Vector) else getattr(layer, key, np.zeros(())) if p is None else None
        shape = like.shape if isinstance(like, np.ndarray) else like
        if isinstance(shape, tuple) and np.shape(value) != shape and key != "w":
            raise ParameterError(f"{key} of {layer.name!r} must have the shape {shape}, got {np.shape(value)}")
        if isinstance(p, Weights):
            p.check_matrix(value)


def _put(layer: Layer, values: Mapping[str, Any]) -> None:
    for key, value in values.items():
        p = layer.parameters.get("leak" if key == "w" else key)
        if isinstance(p, Weights):
            p.put_matrix(value)
        elif isinstance(p, Vector):
            p.value = np.asarray(value, dtype=p.value.dtype).reshape(p.value.shape)
        elif key in ("mean", "variance"):
            getattr(layer, key)[...] = value
        else:
            setattr(layer, key, value)


# ---------------------------------------------------------------- out


def to_torch(model: Any, *, channels: str = "first") -> dict[str, Array]:
    """Weights of a model as arrays under PyTorch's names and in its shapes, for ``load_state_dict``.

    Parameters
    ----------
    model : Sequential
        Built.
    channels : {"first", "last"}
        Order in which the PyTorch model flattens images.

    Returns
    -------
    dict of str to array
        ``LAYER.weight`` (out, in) or (out, in, height, width), ``LAYER.bias``; of a batch norm ``weight``, ``bias``,
        ``running_mean`` and ``running_var``.  A weight is 0 where there is no synapse.

    Raises
    ------
    ParameterError
        For a model that is not built.

    Examples
    --------
    >>> state = {k: torch.from_numpy(a) for k, a in to_torch(model).items()}                # doctest: +SKIP
    """
    channels = params.one_of(channels, "channels", CHANNELS)
    layers = _built(model)
    images = images_before(model) if channels == "first" else {}
    out: dict[str, Array] = {}
    for name, layer in layers.items():
        for key, p in layer.parameters.items():
            if isinstance(p, Weights):
                out[f"{name}.{key}"] = outward(layer, turned_out(layer, p.matrix(), images))
            elif isinstance(layer, BatchNorm):
                theirs = next(k for k, ours in _NORM.items() if ours == key)
                out[f"{name}.{theirs}"] = p.value * layer.level if key == "scale" else p.value.copy()
            else:
                out[f"{name}.{'w' if isinstance(layer, PLIF) else key}"] = p.value.copy()
        if isinstance(layer, BatchNorm):
            out |= {f"{name}.running_mean": layer.mean.copy(), f"{name}.running_var": layer.variance.copy()}
    return out

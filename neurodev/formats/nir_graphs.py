"""NIR, the Neuromorphic Intermediate Representation (Pedersen et al. 2024): a trained model as a graph of equations.

NIR speaks of continuous time, ``tau v' = v_leak - v + R I``, and says neither the step nor the integration.  Ours,
``u <- leak u + gain x``, is its forward Euler step of length dt, ``v <- v + dt / tau (R I - v)``, with

    tau = dt / (1 - leak),    R = 1,    v_threshold = threshold (1 - leak) / gain

so potentials of the graph are ours times ``(1 - leak) / gain``.  R is 1 because Norse reads no other.  Norse's LIFBox
and snnTorch's Leaky (as it is imported) make this very step; an exponential one, ``exp(-dt / tau)``, does not agree.
NIR fires above threshold, ours at it: potentials that are exactly at threshold differ.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurodev import __version__, params
from neurodev.arrays import Array
from neurodev.errors import NeurodevError, ParameterError, shown
from neurodev.formats import branches
from neurodev.formats.base import Format
from neurodev.learn.core.layer import Layer, Vector
from neurodev.learn.core.surrogate import Surrogate
from neurodev.learn.layers.conv import Conv2d
from neurodev.learn.layers.dropout import Dropout
from neurodev.learn.layers.linear import Linear
from neurodev.learn.layers.neurons import IF, LI, LIF, PLIF
from neurodev.learn.layers.norm import BatchNorm
from neurodev.learn.layers.pool import AveragePool2d, Flatten
from neurodev.learn.layers.vote import Vote
from neurodev.learn.layers.weighted import Weighted
from neurodev.learn.model import Residual, Sequential
from neurodev.learn.saving import outward
from neurodev.learn.transfer import images_before, order_of, turned_out
from neurodev.runs.run import Run
from neurodev.writing import a_path

SNNTORCH_STEP = 1e-4  # s, what snnTorch takes for the step of a graph
CLOSE = 1e-6  # share by which constants of a graph may differ from our own words about them
_HAS = (
    "Linear, Conv2d, BatchNorm after them, AveragePool2d, Flatten, Vote, Dropout, LI, LIF, IF, PLIF with "
    "reset='zero', and Residual of them"
)
_WHY: dict[str, str] = {
    "AdaptiveLIF": "NIR has no adaptive threshold", "MaxPool2d": "NIR has no maximum over a pool",
    "Repeat": "NIR has no steps: build the model without it, and give the input at every step",
    "Bias": "NIR has no bias without weights", "Branches": "NIR has no dendrites", "ReLU": "NIR has no rectifier",
    "Dendritic": "NIR has no gates: (W x)(1 + V x) is no sum of inputs",
    "Recurrent": "how late a loop acts is not said by NIR, and differs among its readers",
}  # fmt: skip


Ends = tuple[tuple[int, ...], list[str]]  # a shape, and the nodes whose sum has it


@dataclass
class _Growing:
    """A graph while it is written, and the images that reach layers of weights."""

    nodes: dict[str, Any]
    edges: list[tuple[str, str]]
    images: Any


class NIR(Format):
    """A trained model as a NIR graph (HDF5), which snnTorch, Norse, Sinabs, Rockpool and others read and write.

    Parameters
    ----------
    dt : float, s
        Length of a step, which NIR does not say; time constants follow from it.  snnTorch takes 1e-4.
    surrogates : bool
        Whether surrogates go along as metadata, which others leave unread; one of your own is refused then.

    Examples
    --------
    >>> model.export("digits.nir")                                                          # doctest: +SKIP
    >>> again = nd.learn.from_nir(nir.read("digits.nir"))                                   # doctest: +SKIP
    """

    suffix = ".nir"
    extra = "nir"

    def __init__(self, dt: float = SNNTORCH_STEP, surrogates: bool = True) -> None:
        self.dt = params.number(dt, "dt", above=0.0, high=1.0)
        self.surrogates = params.flag(surrogates, "surrogates")

    # ------------------------------------------------------------------ out

    def write(self, what: Any, path: Path | str) -> None:
        """Write a model, or that which a run of training ended with.

        Raises
        ------
        ParameterError
            Naming the layers that NIR cannot say.
        """
        graph = self.graph(what.model() if isinstance(what, Run) else what)
        with self.library():
            import nir
        nir.write(str(a_path(path)), graph)

    def graph(self, model: Any) -> Any:
        """The graph of a model, a `nir.NIRGraph`; see `neurodev.learn.to_nir`."""
        if not isinstance(model, Sequential) or model.inputs is None:
            raise ParameterError(
                f"NIR cannot say {shown(model)}: it has words for a built model, a Sequential made with inputs=(...)"
            )
        strange = [said for layer in _leaves(model) if (said := self._strange(layer))]
        if strange:
            self.refuse(strange, _HAS)
        with self.library():
            import nir
        inputs = nir.Input(input_type={"input": np.array(_first(tuple(model.inputs)))})
        into = _Growing({"input": inputs}, [], images_before(model))
        _, ends = self._emit(nir, list(_flat(model)), tuple(model.inputs), ["input"], into)
        into.nodes["output"] = nir.Output(output_type={"output": np.array(_first(tuple(model.outputs)))})
        into.edges += [(end, "output") for end in ends]
        return nir.NIRGraph(
            nodes=into.nodes, edges=into.edges, metadata={"written_by": f"neurodev {__version__}", "dt": self.dt}
        )

    def _strange(self, layer: Layer) -> str:
        """Why NIR cannot say a layer; empty if it can."""
        kind = type(layer)
        if kind in (LIF, IF, PLIF):
            assert isinstance(layer, LIF)
            if layer.reset != "zero":
                return f"{layer.name} (it resets by subtraction; NIR resets to a value)"
            if self.surrogates and type(layer.surrogate) is not Surrogate:
                return f"{layer.name} (its surrogate is one of your own: surrogates=False leaves them out)"
            return ""
        if kind in (Linear, Conv2d, BatchNorm, AveragePool2d, Flatten, Vote, Dropout, LI):
            return ""
        why = _WHY.get(kind.__name__, "it is none of the layers that NIR has")
        return f"{layer.name or kind.__name__} ({kind.__name__}: {why})"

    def _emit(self, nir: Any, layers: list[Layer], shape: tuple[int, ...], sources: list[str], into: _Growing) -> Ends:
        """Add the nodes of layers, one behind the other, and behind some sources, whose sum the first of them hears."""
        folded: set[str] = set()
        for k, layer in enumerate(layers):
            before, shape = shape, layer.out_shape(shape)
            if isinstance(layer, Residual):
                parts = [layer.body] if layer.shortcut is None else [layer.body, layer.shortcut]
                ends = [] if layer.shortcut is not None else list(sources)
                for part in parts:
                    ends += self._emit(nir, list(_flat(part)), before, sources, into)[1]
                if len(set(ends)) < len(ends):
                    self.refuse([f"{layer.name} (Residual: both of its ways are the same edge)"], _HAS)
                sources = ends
            elif layer.name not in folded and not isinstance(layer, Dropout):
                norm = layers[k + 1] if k + 1 < len(layers) and type(layers[k + 1]) is BatchNorm else None
                for name, node in self._nodes(nir, layer, norm, before, shape, into.images):
                    into.nodes[name] = node
                    into.edges += [(source, name) for source in sources]
                    sources = [name]
                folded |= {norm.name} if isinstance(layer, Weighted) and norm is not None else set()
        return shape, sources

    def _nodes(
        self, nir: Any, layer: Layer, norm: Layer | None, before: tuple[int, ...], shape: tuple[int, ...], images: Any
    ) -> Iterator[tuple[str, Any]]:
        """Name and node of a layer, with the batch norm behind its weights."""
        if isinstance(layer, Weighted):
            if len(before) == 3 and isinstance(layer, Linear):
                yield f"{layer.name}_flatten", self._flatten(nir, before)
            yield layer.name, _weighted(nir, layer, norm, images, before)
        elif isinstance(layer, BatchNorm):
            self.refuse([f"{layer.name} (a BatchNorm that follows no weights)"], _HAS)
        elif isinstance(layer, AveragePool2d):
            size = np.array([layer.size] * 2)
            yield layer.name, nir.AvgPool2d(kernel_size=size, stride=size, padding=np.array([0, 0]))
        elif isinstance(layer, Flatten):
            if len(before) == 3:
                yield layer.name, self._flatten(nir, before)
        elif isinstance(layer, Vote):
            n = math.prod(before) // layer.voters
            yield layer.name, nir.Linear(weight=np.repeat(np.eye(n), layer.voters, 1) / layer.voters)
        else:
            yield layer.name, self._neurons(nir, layer, _first(shape))

    def _flatten(self, nir: Any, shape: tuple[int, ...]) -> Any:
        # NIR has no axis of samples: who reads it feeds one at a time, or begins at 1
        return nir.Flatten(input_type={"input": np.array(_first(shape))}, start_dim=0, end_dim=-1)

    def _neurons(self, nir: Any, layer: Any, shape: tuple[int, ...]) -> Any:
        """Neurons; their own constants beside them."""
        full = lambda value: np.full(shape, value, dtype=np.float64)
        leak, gain = (layer.leak, layer.gain) if isinstance(layer, LI) else layer.constants()
        words: dict[str, Any] = {"class": type(layer).__name__, "leak": leak, "gain": gain}
        if isinstance(layer, LI):
            if leak == 1:
                self.refuse([f"{layer.name} (an LI that does not leak)"], _HAS)
            return nir.LI(
                tau=full(self.dt / (1 - leak)), r=full(gain / (1 - leak)), v_leak=full(0.0),
                metadata={"neurodev": json.dumps(words)},
            )  # fmt: skip
        words |= {"threshold": layer.threshold, "detach": layer.detach}
        if self.surrogates:
            words["surrogate"] = [layer.surrogate.kind, layer.surrogate.width, layer.surrogate.height]
        metadata = {"neurodev": json.dumps(words)}
        if leak == 1:  # one R a step, as snnTorch and Norse read it
            return nir.IF(
                r=full(1.0), v_threshold=full(layer.threshold / gain), v_reset=full(0.0), metadata=metadata
            )  # fmt: skip
        return nir.LIF(
            tau=full(self.dt / (1 - leak)), r=full(1.0), v_leak=full(0.0), v_reset=full(0.0),
            v_threshold=full(layer.threshold * (1 - leak) / gain), metadata=metadata,
        )  # fmt: skip

    # ------------------------------------------------------------------ in

    def read(self, path: Path | str) -> Any:
        """The model of a file.

        Raises
        ------
        ParameterError
            If the file holds no graph, or one that has no counterpart here.
        """
        file = a_path(path)
        with self.library():
            import nir
        try:
            graph = nir.read(str(file))
        except Exception as e:  # whatever a damaged file raises
            raise ParameterError(f"path: {str(path)!r} holds no NIR graph: {type(e).__name__}: {e}") from e
        return self.model(graph)

    def model(self, graph: Any) -> Sequential:
        """The model of a graph; see `neurodev.learn.from_nir`."""
        if type(graph).__name__ != "NIRGraph":
            raise ParameterError(f"graph must be a nir.NIRGraph (nir.read(path) gives one), got {shown(graph)}")
        with self.library():
            import nir
        chain = branches.parts(nir, graph)
        first = [int(n) for n in np.atleast_1d(np.asarray(graph.nodes[chain[0]].input_type["input"]))]
        given: list[_Given] = []
        layers = self._row(nir, graph, chain[1:-1], given)
        if not layers:
            raise ParameterError("graph: nothing lies between its input and its output")
        try:
            model = Sequential(*layers, inputs=_last(first))
        except NeurodevError as e:
            raise ParameterError(f"graph: {e}") from e
        images = images_before(model)
        for one in given:
            _give(one, images)
        return model

    def _row(self, nir: Any, graph: Any, chain: list[Any], given: list[_Given]) -> list[Layer]:
        """Layers of nodes one behind the other; a fork whose two ways meet again is a Residual."""
        made: list[Layer] = []
        sums: list[int] = []
        for one in chain:
            if isinstance(one, branches.Fork):
                made.append(self._residual(nir, graph, one, given))
                continue
            node = graph.nodes[one]
            if isinstance(node, nir.SumPool2d):
                sums.append(len(made))
            found = self._layers(nir, node, one)
            given += [_Given(layer, node, one) for layer in found if isinstance(layer, Weighted)]
            made += found
        for k in sums:
            _spread(made, k, given)
        return made

    def _residual(self, nir: Any, graph: Any, fork: branches.Fork, given: list[_Given]) -> Residual:
        """Both ways of a fork: the body ends in currents, a way without a node is what comes in."""
        ways = [self._row(nir, graph, way, given) for way in fork.ways]
        ways.sort(key=lambda way: not way or way[-1].gives == "spikes")
        body, rest = ways
        if not body or body[-1].gives == "spikes":
            raise ParameterError(f"graph branches at {fork.at!r}: both ways end in spikes, whose sum is no layer here")
        one = lambda way: way[0] if len(way) == 1 else Sequential(*way)
        return Residual(one(body), one(rest) if rest else None)

    def _layers(self, nir: Any, node: Any, name: str) -> list[Layer]:
        """The layers of a node: two where a synaptic current stands before the potential."""
        if not isinstance(node, (nir.CubaLIF, nir.CubaLI)):
            return [self._layer(nir, node, name)]
        tau = _one(node.tau_syn, f"tau_syn of {name!r}")
        if not tau >= self.dt:
            raise ParameterError(f"tau_syn of {name!r} is {tau:g} s, less than the step: give dt= of at most that")
        gain = _one(node.w_in, f"w_in of {name!r}") * self.dt / tau
        return [LI(1 - self.dt / tau, gain=gain, name=f"{name}_current"), self._neuron(nir, node, name)]

    def _layer(self, nir: Any, node: Any, name: str) -> Layer:
        if isinstance(node, (nir.Linear, nir.Affine)):
            if np.ndim(node.weight) != 2:
                raise ParameterError(f"{name!r}: weights must be (out, in), got the shape {np.shape(node.weight)}")
            return Linear(
                node.weight.shape[0], bias=isinstance(node, nir.Affine) and bool(np.any(node.bias)), name=name
            )
        if isinstance(node, nir.Conv2d):
            return _convolution(node, name)
        if isinstance(node, nir.Flatten):
            return _called(Flatten(), name)
        if isinstance(node, (nir.AvgPool2d, nir.SumPool2d)):
            sizes = {int(n) for n in (*np.ravel(node.kernel_size), *np.ravel(node.stride))}
            if len(sizes) != 1 or np.any(np.asarray(node.padding)):
                raise ParameterError(f"{name!r}: pools here are square, as far apart as they are large, and not padded")
            return _called(AveragePool2d(sizes.pop()), name)
        if isinstance(node, (nir.LIF, nir.IF, nir.LI)):
            return self._neuron(nir, node, name)
        raise ParameterError(
            f"{name!r} ({type(node).__name__}) has no counterpart here; a graph is made of Linear, Affine, Conv2d, "
            "AvgPool2d, SumPool2d beside weights, Flatten, LIF, IF, LI, CubaLIF and CubaLI"
        )

    def _neuron(self, nir: Any, node: Any, name: str) -> Layer:
        """Neurons of a graph, with our own words about them where they still hold."""
        if np.any(np.asarray(getattr(node, "v_leak", 0.0))) or np.any(np.asarray(getattr(node, "v_reset", 0.0))):
            raise ParameterError(f"{name!r}: neurons here rest at 0 and reset to it: shift v_leak and all else")
        r = _one(node.r, f"r of {name!r}")
        if isinstance(node, nir.IF):
            leak, gain = 1.0, (1.0 if np.isclose(r, 1 / self.dt) else r)
        else:
            tau = _one(node.tau_mem if hasattr(node, "tau_mem") else node.tau, f"tau of {name!r}")
            if not tau >= self.dt:
                raise ParameterError(f"tau of {name!r} is {tau:g} s, less than the step: give dt= of at most that")
            leak, gain = 1 - self.dt / tau, r * self.dt / tau
        words = _words(node)
        if isinstance(node, (nir.LI, nir.CubaLI)):
            known = words if _holds(words, leak, gain, None) else {}
            return LI(known.get("leak", leak), gain=known.get("gain", gain), name=name)
        threshold = _one(node.v_threshold, f"v_threshold of {name!r}")
        known = words if _holds(words, leak, gain, threshold) else {}
        more: dict[str, Any] = {"name": name, "detach": bool(known.get("detach", False))}
        if "surrogate" in known:
            more["surrogate"] = Surrogate(*known["surrogate"])
        return LIF(known.get("leak", leak), known.get("threshold", threshold), gain=known.get("gain", gain), **more)


# ---------------------------------------------------------------- shapes


def _flat(layer: Layer) -> Iterator[Layer]:
    """Layers one after the other: a Sequential taken apart."""
    if type(layer) is Sequential:
        for part in layer.parts():
            yield from _flat(part)
    else:
        yield layer


def _leaves(layer: Layer) -> Iterator[Layer]:
    """What a Sequential or a Residual is made of."""
    if type(layer) in (Sequential, Residual):
        for part in layer.parts():  # type: ignore[attr-defined]
            yield from _leaves(part)
    else:
        yield layer


def _first(shape: tuple[int, ...]) -> tuple[int, ...]:
    """A shape with channels first."""
    return (shape[2], *shape[:2]) if len(shape) == 3 else shape


def _last(shape: list[int]) -> tuple[int, ...]:
    """A shape with channels last."""
    return (*shape[1:], shape[0]) if len(shape) == 3 else tuple(shape)


def _called(layer: Layer, name: str) -> Layer:
    layer.name = name
    return layer


# ---------------------------------------------------------------- weights


def _weighted(nir: Any, layer: Any, norm: Any, images: Any, before: tuple[int, ...]) -> Any:
    """A linear map, with the running statistics of the batch norm behind it."""
    weight = turned_out(layer, layer.weights.matrix(), images).astype(np.float64)
    bias = layer.parameters.get("bias")
    shift = bias.value.astype(np.float64) if isinstance(bias, Vector) else np.zeros(layer.n_out)
    if norm is not None:
        scale = norm.level / np.sqrt(norm.variance + norm.epsilon) * norm.parameters["scale"].value
        weight, shift = weight * scale, (shift - norm.mean) * scale + norm.parameters["shift"].value
    kind = layer.weights.table.weight.dtype
    weight, shift = outward(layer, weight).astype(kind), shift.astype(kind)
    if isinstance(layer, Conv2d):
        return nir.Conv2d(
            input_shape=(before[0], before[1]), weight=weight, stride=(layer.stride,) * 2,
            padding=(layer.padding,) * 2, dilation=(1, 1), groups=1, bias=shift,
        )  # fmt: skip
    return nir.Affine(weight=weight, bias=shift) if bias is not None or norm is not None else nir.Linear(weight=weight)


def _convolution(node: Any, name: str) -> Conv2d:
    weight = np.asarray(node.weight)
    kernel = weight.shape[-1]
    if weight.ndim != 4 or weight.shape[2] != kernel:
        raise ParameterError(f"{name!r}: kernels here are square, got weights of shape {weight.shape}")
    stride, dilation = ({int(n) for n in np.ravel(a)} for a in (node.stride, node.dilation))
    if len(stride) != 1 or dilation != {1} or int(node.groups) != 1:
        raise ParameterError(f"{name!r}: convolutions here have one stride, no dilation and no groups")
    padding: Any = node.padding
    if isinstance(padding, (str, bytes)):
        word = padding if isinstance(padding, str) else padding.decode()
        padding = 0 if word == "valid" else kernel // 2
    sizes = {int(n) for n in np.ravel(padding)}
    if len(sizes) != 1:
        raise ParameterError(f"{name!r}: padding here is the same on all sides, got {shown(padding)}")
    bias = node.bias is not None and bool(np.any(node.bias))
    return Conv2d(weight.shape[0], kernel, stride=stride.pop(), padding=sizes.pop(), bias=bias, name=name)


@dataclass
class _Given:
    """Weights that a layer waits for, and factors of them and of its bias."""

    layer: Any
    node: Any
    name: str
    factor: float = 1.0
    bias: float = 1.0


def _spread(made: list[Layer], k: int, given: list[_Given]) -> None:
    """Let a pool of sums be one of means: the weights behind it, or before it, are larger by its number of places.

    Raises
    ------
    ParameterError
        Where no weights are beside it.
    """
    pool: Any = made[k]
    after = next((layer for layer in made[k + 1 :] if not isinstance(layer, Flatten)), None)
    known = {id(one.layer): one for one in given}
    if (one := known.get(id(after))) is not None:
        one.factor *= pool.size**2
    elif k and (one := known.get(id(made[k - 1]))) is not None:
        one.factor *= pool.size**2
        one.bias *= pool.size**2
    else:
        raise ParameterError(f"{pool.name!r} (SumPool2d) has no weights beside it: pools here are means, use AvgPool2d")


def _give(one: _Given, images: Any) -> None:
    """Weights of a node to its layer."""
    layer, weight = one.layer, np.asarray(one.node.weight)
    matrix = np.ascontiguousarray(weight.reshape(weight.shape[0], -1).T)
    if isinstance(layer, Linear) and layer.name in images:
        matrix = matrix[order_of(images[layer.name])]
    try:
        layer.weights.put_matrix(matrix * matrix.dtype.type(one.factor) if one.factor != 1 else matrix)
        if "bias" in layer.parameters:
            layer.parameters["bias"].value = np.asarray(one.node.bias) * one.bias
    except NeurodevError as e:
        raise ParameterError(f"{one.name!r}: {e}") from e


# ---------------------------------------------------------------- numbers and words


def _one(values: NDArray[Any], what: str) -> float:
    """The number that all neurons share."""
    a: Array = np.unique(np.asarray(values, dtype=np.float64))
    if a.size != 1 or not np.isfinite(a[0]):
        raise ParameterError(f"{what} must be one number for all neurons of a layer, got {shown(values)}")
    return float(a[0])


def _words(node: Any) -> dict[str, Any]:
    """What a graph of ours says of neurons in our own terms."""
    said = (getattr(node, "metadata", None) or {}).get("neurodev", "")
    try:
        found = json.loads(said.decode() if isinstance(said, bytes) else str(said))
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _holds(words: dict[str, Any], leak: float, gain: float, threshold: float | None) -> bool:
    """Whether our own words say the same as the graph, which may have been changed since."""
    try:
        theirs = float(words["leak"]), float(words["gain"])
        same = math.isclose(theirs[0], leak, rel_tol=CLOSE, abs_tol=CLOSE)
        if threshold is None:
            return same and math.isclose(theirs[1], gain, rel_tol=CLOSE)
        return same and math.isclose(float(words["threshold"]) / theirs[1], threshold / gain, rel_tol=CLOSE)
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return False

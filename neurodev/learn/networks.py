"""Networks by name: those of the seed papers, and the two on which sparse training is usually compared.

Every function returns a built model.  ``15C3`` is a convolution of 3 x 3 with 15 channels, ``AP2`` and ``MP2`` are
average and maximum pooling, ``300FC`` is fully connected.  None has biases.  Initial gains are such that no layer is
silent on ordinary input; the trainer checks that on the first batch (`neurodev.learn.training.health`).

============================  =================================================  =====  ======================
name                          network                                            steps  input
============================  =================================================  =====  ======================
`sdsnn_mnist`                 15C3-AP2-40C3-AP2-300FC-10FC                       20     Bernoulli
`sdsnn_nmnist`                the same, two input channels, 32 x 32              20     events in 20 bins
`sdsnn_dvs_gesture`           the same, 128 x 128, 11 classes                    64     events in 64 bins
`sdsnn_cifar10`               128C3-128C3-MP2-256C3-256C3-MP2-512C3-512C3-       8      direct
                              512FC-10FC, batch norm
`dpap_mnist`                  784-800-10                                         20     Bernoulli
`fully_connected`             any number of hidden layers                        any    any
`stds_cifar10`                (256C3)x3-MP2-(256C3)x3-MP2-2048FC-100FC-vote      8      direct
`vgg16`                       13 convolutions, batch norm, one linear layer      5      direct
`resnet19`                    stem, 8 residual blocks, 256FC                     5      direct
============================  =================================================  =====  ======================

Sources: SD-SNN (Han et al. 2025, arXiv 2211.12219), DPAP (Han et al. 2022), STDS (Chen et al. 2022), and for VGG-16 and
ResNet-19 the lottery-ticket baseline of Kim et al. 2022 (ECCV), whose 14,715,584 and 12.62 million weights these have.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np

from neurodev import params
from neurodev.errors import ParameterError, nearest, shown
from neurodev.learn.core import doors
from neurodev.learn.core.layer import Layer
from neurodev.learn.core.surrogate import Surrogate, as_surrogate
from neurodev.learn.layers.conv import Conv2d
from neurodev.learn.layers.dendritic import Dendritic
from neurodev.learn.layers.dropout import Dropout
from neurodev.learn.layers.linear import Linear
from neurodev.learn.layers.neurons import LIF, PLIF, ReLU
from neurodev.learn.layers.norm import BatchNorm
from neurodev.learn.layers.pool import AveragePool2d, Flatten, MaxPool2d, Repeat
from neurodev.learn.layers.vote import Vote
from neurodev.learn.model import Residual, Sequential
from neurodev.moved import names_of
from neurodev.registry import find, is_ours, registered

T = TypeVar("T")
__getattr__ = names_of(__name__)
ARCTAN = Surrogate.from_alpha(2.0)
TRIANGLE = Surrogate("triangle", 0.5)
# Measured on MNIST: hidden layers 6 to 19 % active at the start.  With a last gain of 1.73
# some classes stay far from threshold for hundreds of steps: 65 % after 40 steps, against 89 % with 1.0.
SMALL_GAINS = (1.15, 1.45, 1.45, 1.0)
READOUTS = ("spikes", "currents")
OUTPUT_WINDOW = 2.0  # half width, four thresholds; measured on 4,000 images of MNIST and of Fashion-MNIST


def _named(make: T) -> T:
    """Decorator: enter a network under its name; a keyword that neither it nor `Sequential` has gets the nearest."""

    @functools.wraps(make)  # type: ignore[arg-type]
    def call(*args: Any, **words: Any) -> Any:
        _check_words(make, words)
        return make(*args, **words)  # type: ignore[operator]

    return registered("network")(call)  # type: ignore[return-value]


def _check_words(make: Any, words: dict[str, Any]) -> None:
    known = inspect.signature(make).parameters
    openly = any(p.kind == p.VAR_KEYWORD for p in known.values())
    there = [*(word for word in known if word != "words"), *(("seed", "kind") if openly else ())]
    for word in words:
        if word not in there and (is_ours(make) or not openly):
            raise ParameterError(
                f"{make.__name__} has no parameter {word!r}{nearest(word, there)}; it takes {', '.join(there)}"
            )


def _wide(n: int, width: float) -> int:
    return max(1, round(n * params.number(width, "width", above=0)))


def _small_spike(window: float = 0.5) -> LIF:
    """The neurons of SD-SNN's small nets: leak 0.2, threshold 0.5, rectangle of half width 0.5, reset not detached."""
    return LIF(0.2, 0.5, surrogate=Surrogate("rectangle", window))


def _output(layer: Linear, readout: str, spike: LIF | None = None) -> list[Layer]:
    """The last layer, with its neurons (`spike`; those of the small nets) where the readout is their spikes.

    An output neuron that no input brings into the window of its surrogate has no gradient and is lost for good.  With
    the window of the hidden neurons that cost one class of MNIST, and four of Fashion-MNIST, in the first epochs of
    training; hence a wide one.  Currents (with a cross-entropy) always have a gradient.
    """
    params.one_of(readout, "readout", READOUTS)
    return [layer] if readout == "currents" else [layer, spike or _small_spike(OUTPUT_WINDOW)]


def _small(inputs: tuple[int, int, int], n_class: int, width: float, storage: str, density: float, readout: str,
           words: dict[str, Any]) -> Sequential:  # fmt: skip
    """15C3-AP2-40C3-AP2-300FC."""
    a, b, c, d = SMALL_GAINS
    spike = _small_spike
    how: dict[str, Any] = {"storage": storage, "density": density}
    return Sequential(
        Conv2d(_wide(15, width), 3, gain=a, name="conv1"), spike(), AveragePool2d(2),
        Conv2d(_wide(40, width), 3, gain=b, name="conv2", **how), spike(), AveragePool2d(2), Flatten(),
        Linear(_wide(300, width), gain=c, name="fc1", **how), spike(),
        *_output(Linear(n_class, gain=d, name="fc2"), readout), inputs=inputs, **words,
    )  # fmt: skip


@_named
def sdsnn_mnist(
    *, storage: str = "dense", density: float = 1.0, width: float = 1.0, readout: str = "spikes", **words: Any
) -> Sequential:
    """SD-SNN's net for MNIST and Fashion-MNIST.

    Parameters
    ----------
    storage, density
        Of the layers whose structure changes: conv2 and fc1.
    width : float
        Factor on all channels and hidden units.
    readout : {"spikes", "currents"}
        Spikes of ten neurons, as published, or the currents that would drive them.
    **words
        Of `Sequential`: ``seed``, ``kind``.
    """
    return _small((28, 28, 1), 10, width, storage, density, readout, words)


@_named
def sdsnn_nmnist(
    *, storage: str = "dense", density: float = 1.0, width: float = 1.0, readout: str = "spikes",
    inputs: tuple[int, int, int] = (32, 32, 2), n_class: int = 10, **words: Any,
) -> Sequential:  # fmt: skip
    """SD-SNN's net for N-MNIST (cropped to 32 x 32, as published) and other recordings; parameters as `sdsnn_mnist`."""
    return _small(inputs, n_class, width, storage, density, readout, words)


@_named
def sdsnn_dvs_gesture(
    *, storage: str = "dense", density: float = 1.0, width: float = 1.0, readout: str = "spikes",
    inputs: tuple[int, int, int] = (128, 128, 2), n_class: int = 11, **words: Any,
) -> Sequential:  # fmt: skip
    """SD-SNN's net for DVS-Gesture, 11 classes; parameters as `sdsnn_mnist`, `inputs` for a coarser sensor."""
    return _small(inputs, n_class, width, storage, density, readout, words)


@_named
def dpap_mnist(
    *, storage: str = "dense", density: float = 1.0, hidden: int = 800, readout: str = "spikes",
    dendritic: bool = False, rectifiers: bool = False, **words: Any,
) -> Sequential:  # fmt: skip
    """784-800-10 with the neurons of `sdsnn_mnist` (DPAP's two-layer net; its width is not published).

    Parameters
    ----------
    dendritic : bool
        Gate the hidden layer with a second set of synapses, as in `sdsnn_cifar10`.
    rectifiers : bool
        The net without spikes: hidden units are rectifiers, and the readout their currents; for a `Direct` encoder.
    storage, density, readout, **words
        As in `sdsnn_mnist`.
    """
    params.flag(dendritic, "dendritic"), params.flag(rectifiers, "rectifiers")
    layer = Linear(hidden, gain=1.0, storage=storage, density=density, name="fc1")
    if rectifiers:
        readout = "currents"
    return Sequential(
        Flatten(), Dendritic(layer) if dendritic else layer, ReLU() if rectifiers else _small_spike(),
        *_output(Linear(10, gain=1.0, name="fc2"), readout), inputs=(28, 28, 1), **words,
    )  # fmt: skip


@_named
def sdsnn_cifar10(
    *, storage: str = "dense", density: float = 1.0, width: float = 1.0, steps: int = 8, readout: str = "spikes",
    dendritic: bool = False, n_class: int = 10, **words: Any,
) -> Sequential:  # fmt: skip
    """The six convolutions of SD-SNN and DPAP for CIFAR-10: PLIF after convolutions, LIF after linear layers.

    As in the released code: threshold 1 and arctan for PLIF, threshold 0.5 for LIF, tau 2, reset detached.

    Parameters
    ----------
    storage, density
        Of all layers but the last.
    width : float
        Factor on all channels and hidden units.
    steps : int
    readout : {"spikes", "currents"}
        As in `sdsnn_mnist`; at small `width` and few images spikes lose classes.
    dendritic : bool
        Gate every hidden layer with a second set of synapses (`Dendritic`, as in NSPDI-SNN).
    n_class : int
    **words
        Of `Sequential`: ``seed``, ``kind``.
    """
    how: dict[str, Any] = {"storage": storage, "density": density}
    gate = Dendritic if params.flag(dendritic, "dendritic") else lambda layer: layer

    def block(n: int, number: int) -> list[Layer]:
        repeat = [Repeat(steps)] if number == 1 else []
        spike = PLIF(2.0, 1.0, detach=True, surrogate=ARCTAN)
        layer = Conv2d(_wide(n, width), 3, name=f"conv{number}", **how)
        return [gate(layer), BatchNorm(), *repeat, spike]

    spike = lambda: LIF.from_tau(2.0, 0.5, detach=True, surrogate=TRIANGLE)
    return Sequential(
        *block(128, 1), *block(128, 2), MaxPool2d(2), *block(256, 3), *block(256, 4), MaxPool2d(2),
        *block(512, 5), *block(512, 6), Flatten(),
        gate(Linear(_wide(512, width), gain=1.5, name="fc1", **how)), spike(),
        *_output(Linear(n_class, gain=2.0, name="fc2"), readout, spike()),
        inputs=(32, 32, 3), **words,
    )  # fmt: skip


@_named
def stds_cifar10(
    *, storage: str = "dense", density: float = 1.0, width: float = 1.0, steps: int = 8, voters: int = 10,
    dropout: float = 0.5, dendritic: bool = False, **words: Any,
) -> Sequential:  # fmt: skip
    """The six convolutions of STDS and Gradient Rewiring for CIFAR-10, with a voting readout; LIF, tau 2, arctan.

    Parameters
    ----------
    dropout : float
        Share dropped before each linear layer.
    voters : int
        Output neurons per class.
    storage, density, width, steps, dendritic, **words
        As in `sdsnn_cifar10`.
    """
    how: dict[str, Any] = {"storage": storage, "density": density}
    gate = Dendritic if params.flag(dendritic, "dendritic") else lambda layer: layer
    spike = lambda: LIF.from_tau(2.0, 1.0, detach=True, surrogate=ARCTAN)

    def block(number: int) -> list[Layer]:
        repeat = [Repeat(steps)] if number == 1 else []
        return [gate(Conv2d(_wide(256, width), 3, name=f"conv{number}", **how)), BatchNorm(), *repeat, spike()]

    first = [part for k in (1, 2, 3) for part in block(k)]
    second = [part for k in (4, 5, 6) for part in block(k)]
    return Sequential(
        *first, MaxPool2d(2), *second, MaxPool2d(2), Flatten(),
        Dropout(dropout), gate(Linear(_wide(2048, width), gain=3.0, name="fc1", **how)), spike(),
        Dropout(dropout), gate(Linear(10 * voters, gain=4.0, name="fc2", **how)), spike(), Vote(voters),
        inputs=(32, 32, 3), **words,
    )  # fmt: skip


@_named
def fully_connected(
    *, hidden: Sequence[int] = (200,), inputs: tuple[int, ...] = (784,), n_class: int = 10, leak: float = 0.2,
    threshold: float = 0.5, storage: str = "dense", density: float = 1.0, readout: str = "spikes",
    surrogate: str | Surrogate = "rectangle", normed: bool = False, dendritic: bool = False, gate_gain: float = 0.01,
    seed: int = 0,
) -> Sequential:  # fmt: skip
    """Fully connected layers of leaky integrate-and-fire neurons.

    Parameters
    ----------
    hidden : sequence of int
        Neurons of each hidden layer.
    storage, density
        Of the hidden weight tensors.
    readout : {"spikes", "currents"}
        Spikes of output neurons, or the currents that would drive them (with a cross-entropy).
    surrogate : {"rectangle", "arctan"} or Surrogate
        A rectangle as wide as the threshold, the arctan with alpha = 2, which is 0 nowhere, or one's own
        (``"module:Class"``).
    normed : bool
        Batch norm of the currents of hidden neurons.
    dendritic : bool
        Gate every hidden layer with a second set of synapses (`Dendritic`, as in NSPDI-SNN).
    gate_gain : float
        Gain of the initial gate.
    """
    params.one_of(readout, "readout", READOUTS)
    params.number(threshold, "threshold", above=0)
    params.number(gate_gain, "gate_gain", above=0)
    params.flag(normed, "normed"), params.flag(dendritic, "dendritic")
    if isinstance(hidden, (str, bytes)) or not isinstance(hidden, (Sequence, np.ndarray)):
        raise ParameterError(f"hidden must be a list of numbers of neurons, got {shown(hidden)}")
    slopes: dict[Any, Surrogate] = {"rectangle": Surrogate("rectangle", threshold), "arctan": ARCTAN}
    if isinstance(surrogate, str) and ":" not in surrogate and surrogate not in slopes:
        raise ParameterError(f"surrogate must be one of {tuple(slopes)} or your own, got {surrogate!r}")
    slope = slopes[surrogate] if isinstance(surrogate, str) and surrogate in slopes else as_surrogate(surrogate)
    spike = lambda: LIF(leak, threshold, surrogate=slope)
    layers: list[Any] = []
    for k, n in enumerate(hidden):
        layer = Linear(n, storage=storage, density=density, name=f"fc{k + 1}")
        layers += [Dendritic(layer, gate_gain) if dendritic else layer, *([BatchNorm()] if normed else []), spike()]
    layers += [Linear(n_class, name="out"), *([spike()] if readout == "spikes" else [])]
    return Sequential(*layers, inputs=inputs, seed=seed)


def _spike() -> LIF:
    """The neurons of the lottery-ticket baseline: tau 4/3, threshold 1, reset detached, arctan."""
    return LIF.from_tau(4 / 3, 1.0, detach=True, surrogate=ARCTAN)


@_named
def vgg16(
    n_class: int = 10, *, inputs: tuple[int, int, int] = (32, 32, 3), steps: int = 5, width: float = 1.0,
    storage: str = "dense", density: float = 1.0, **words: Any,
) -> Sequential:  # fmt: skip
    """VGG-16 with batch norm and one linear classifier, whose currents are the output.

    Parameters
    ----------
    n_class : int
    inputs : (height, width, channels)
        Height and width at least 32.
    steps : int
        The first convolution is computed once and repeated.
    width : float
        Factor on all channels.
    storage, density
        Of all convolutions but the first.
    **words
        Of `Sequential`: ``seed``, ``kind``.
    """
    how: dict[str, Any] = {"storage": storage, "density": density}
    layers: list[Layer] = []
    number = 0
    for channels, count in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
        for _ in range(count):
            number += 1
            conv = Conv2d(_wide(channels, width), 3, name=f"conv{number}", **(how if number > 1 else {}))
            layers += [conv, BatchNorm(), *([Repeat(steps)] if number == 1 else []), _spike()]
        layers.append(MaxPool2d(2))
    return Sequential(*layers, Flatten(), Linear(n_class, name="fc"), inputs=inputs, **words)


@_named
def resnet19(
    n_class: int = 10, *, inputs: tuple[int, int, int] = (32, 32, 3), steps: int = 5, width: float = 1.0,
    storage: str = "dense", density: float = 1.0, **words: Any,
) -> Sequential:  # fmt: skip
    """ResNet-19: a stem of 64, stages of 128 (3 blocks), 256 (3) and 512 (2), each starting with stride 2; 256FC.

    A block is ``LIF(conv-BN-LIF-conv-BN(x) + shortcut(x))``, the shortcut a 1 x 1 convolution with batch norm where
    the shape changes.  Parameters as `vgg16`; the storage is that of the blocks.
    """
    how: dict[str, Any] = {"storage": storage, "density": density}

    def block(channels: int, stride: int, name: str) -> list[Layer]:
        body = Sequential(
            Conv2d(channels, 3, stride=stride, name=f"{name}a", **how), BatchNorm(), _spike(),
            Conv2d(channels, 3, name=f"{name}b", **how), BatchNorm(),
        )  # fmt: skip
        if stride == 1:
            return [Residual(body), _spike()]
        short = Conv2d(channels, 1, stride=stride, padding=0, name=f"{name}short", **how)
        return [Residual(body, Sequential(short, BatchNorm())), _spike()]

    layers: list[Layer] = [Conv2d(_wide(64, width), 3, name="stem"), BatchNorm(), Repeat(steps), _spike()]
    for stage, (channels, count) in enumerate(((128, 3), (256, 3), (512, 2)), 1):
        for k in range(count):
            layers += block(_wide(channels, width), 2 if k == 0 else 1, f"stage{stage}block{k + 1}")
    if len(doors.shape_of("inputs", inputs)) != 3 or min(inputs[:2]) < 8:
        raise ParameterError(f"inputs must be (height, width, channels) of at least 8 pixels, got {inputs!r}")
    size = min(inputs[:2]) // 8
    return Sequential(
        *layers, AveragePool2d(size), Flatten(), Linear(_wide(256, width), gain=3.0, name="fc1"), _spike(),
        Linear(n_class, name="fc2"), inputs=inputs, **words,
    )  # fmt: skip


def network(name: str, **words: Any) -> Sequential:
    """A network by its name, or by ``"module:function"``; `words` go to its function.

    Raises
    ------
    ParameterError
        With the nearest name.
    """
    if not isinstance(name, str):
        raise ParameterError(f"name must be that of a network, got {name!r}")
    make = find("network", name)
    _check_words(make, words)
    made: Sequential = make(**words)
    return made


def n_weights(model: Sequential) -> int:
    """Synapses alive in all weight tensors."""
    if not isinstance(model, Sequential):
        raise ParameterError(f"model must be a Sequential of layers, got {shown(model)}")
    return int(np.sum([w.table.n_synapse for w in model.weights_of().values()]))

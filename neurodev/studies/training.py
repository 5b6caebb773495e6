"""A training run described in TOML: data, encoder, network, optimiser and methods by name.

    seed = 1
    [data]       kind = "digits"                     # or mnist, fashion_mnist, cifar10, spoken_digits with path = "..."
    [encoder]    kind = "Bernoulli"                  steps = 20
    [network]    kind = "fully_connected"            hidden = [200]
    [optimiser]  kind = "Adam"                       rate = 2e-3
    [schedule]   kind = "cosine"
    [train]      epochs = 10                         batch = 50
    [[method]]   kind = "NDSNN"                      sparsity = 0.9

Errors quote the line of the study and suggest the nearest key.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from neurodev import data as sets
from neurodev.data.dataset import Dataset, SpikeTrains
from neurodev.errors import NeurodevError, ParameterError, StudyError, nearest
from neurodev.learn import networks
from neurodev.learn.core.surrogate import Surrogate
from neurodev.learn.layers.dendritic import Dendritic
from neurodev.learn.layers.linear import Linear
from neurodev.learn.layers.neurons import LIF
from neurodev.learn.layers.norm import BatchNorm
from neurodev.learn.model import Sequential
from neurodev.learn.training import encode, optim
from neurodev.learn.training.trainer import Trainer
from neurodev.methods import METHODS
from neurodev.studies.reading import Study, check_keys, kind_of, quantity

SECTIONS = ("kind", "title", "seed", "data", "encoder", "network", "optimiser", "schedule", "train", "method")
TRAIN = ("epochs", "batch", "loss", "threads", "checkpoint", "patience", "settle")


def fully_connected(
    *, hidden: Sequence[int] = (200,), inputs: tuple[int, ...] = (784,), n_class: int = 10, leak: float = 0.2,
    threshold: float = 0.5, storage: str = "dense", density: float = 1.0, readout: str = "spikes",
    surrogate: str = "rectangle", normed: bool = False, dendritic: bool = False, gate_gain: float = 0.01, seed: int = 0,
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
    surrogate : {"rectangle", "arctan"}
        A rectangle as wide as the threshold, or the arctan with alpha = 2, which is 0 nowhere.
    normed : bool
        Batch norm of the currents of hidden neurons.
    dendritic : bool
        Gate every hidden layer with a second set of synapses (`Dendritic`, as in NSPDI-SNN).
    gate_gain : float
        Gain of the initial gate.
    """
    if readout not in ("spikes", "currents"):
        raise ParameterError(f"readout must be 'spikes' or 'currents', got {readout!r}")
    slopes = {"rectangle": Surrogate("rectangle", threshold), "arctan": networks.ARCTAN}
    if surrogate not in slopes:
        raise ParameterError(f"surrogate must be one of {tuple(slopes)}, got {surrogate!r}")
    spike = lambda: LIF(leak, threshold, surrogate=slopes[surrogate])
    layers: list[Any] = []
    for k, n in enumerate(hidden):
        layer = Linear(int(n), storage=storage, density=density, name=f"fc{k + 1}")
        layers += [Dendritic(layer, gate_gain) if dendritic else layer, *([BatchNorm()] if normed else []), spike()]
    layers += [Linear(n_class, name="out"), *([spike()] if readout == "spikes" else [])]
    return Sequential(*layers, inputs=inputs, seed=seed)


DATA: dict[str, Callable[..., Dataset]] = {
    "digits": sets.digits, "mnist": sets.mnist, "fashion_mnist": sets.fashion_mnist, "cifar10": sets.cifar10,
    "spoken_digits": sets.spoken_digits, "barrel_letters": sets.barrel_letters, "nmnist": sets.nmnist,
    "dvs_gesture": sets.dvs_gesture, "cifar10_dvs": sets.cifar10_dvs, "shd": sets.shd, "cifar100": sets.cifar100,
    "tiny_imagenet": sets.tiny_imagenet,
}  # fmt: skip
ENCODERS: dict[str, Callable[..., Any]] = {
    c.__name__: c for c in (encode.Bernoulli, encode.Direct, encode.Latency, encode.Binned)
}
OPTIMISERS: dict[str, Callable[..., Any]] = {"SGD": optim.SGD, "Adam": optim.Adam, "AdamW": optim.AdamW}
SCHEDULES: dict[str, Callable[..., Any]] = {
    "constant": optim.constant, "cosine": optim.cosine, "staircase": optim.staircase
}  # fmt: skip
NETWORKS: dict[str, Callable[..., Sequential]] = {"fully_connected": fully_connected} | networks.NETWORKS


def _called(study: Study, make: Callable[..., Any], given: dict[str, Any], place: str, **more: Any) -> Any:
    """Call a function with the keys of a section; keys it does not have are refused with the nearest."""
    known = [p.name for p in inspect.signature(make).parameters.values() if p.kind is not p.VAR_KEYWORD]
    words = {}
    for key, value in given.items():
        if key == "kind":
            continue
        if key not in known:
            raise StudyError(
                f"{study.where(place, key)}: {given.get('kind', place)} has no parameter {key!r}{nearest(key, known)}; "
                f"it has {sorted(known)}"
            )
        words[key] = tuple(value) if isinstance(value, list) else quantity(value)
    try:
        return make(**words, **more)
    except (NeurodevError, TypeError) as e:
        raise StudyError(f"{study.where(place)}: {e}") from e


def dataset(study: Study) -> Dataset:
    """The data of a study: ``train`` and ``test`` take random parts of so many samples.

    A path that does not exist is looked for under the folder named by NEURODEV_DATA.
    """
    given = dict(study.table.get("data", {"kind": "digits"}))
    make = kind_of(study, given, DATA, ("data",), "data set")
    if "path" in given and not Path(given["path"]).exists() and os.environ.get("NEURODEV_DATA"):
        given["path"] = str(Path(os.environ["NEURODEV_DATA"]) / given["path"])
    n, n_test = given.pop("train", None), given.pop("test", None)
    whole: Dataset = _called(study, make, given, "data")
    if n is None and n_test is None:
        return whole
    return whole.subset(n if n is not None else len(whole.y_train), int(study.table.get("seed", 0)), n_test=n_test)


def trainer(
    study: Study, to: str | os.PathLike[str] | None = None, *, seed: int | None = None, data: Dataset | None = None,
    **options: Any,
) -> Trainer:  # fmt: skip
    """The trainer of a study.

    Parameters
    ----------
    to : path, optional
        Run file.
    seed : int, optional
        In place of the study's.
    data : Dataset, optional
        Already read.
    **options
        Of `Trainer`: ``progress``, ``resume``, ``threads``.

    Raises
    ------
    StudyError
        With file and line, and the nearest valid key.
    """
    table = study.table
    check_keys(study, table, SECTIONS, ())
    seed = int(table.get("seed", 0)) if seed is None else seed
    data = dataset(study) if data is None else data
    part = lambda name, default: dict(table.get(name, {"kind": default}))
    given = part("network", "fully_connected")
    make = kind_of(study, given, NETWORKS, ("network",), "network")
    model = _called(study, make, given, "network", seed=seed, **_ends(make, given, data))
    given = part("encoder", "Bernoulli")
    encoder = _called(study, kind_of(study, given, ENCODERS, ("encoder",), "encoder"), given, "encoder")
    given = part("optimiser", "Adam")
    optimiser = _called(study, kind_of(study, given, OPTIMISERS, ("optimiser",), "optimiser"), given, "optimiser")
    given = part("schedule", "constant")
    schedule = _called(study, kind_of(study, given, SCHEDULES, ("schedule",), "schedule"), given, "schedule")
    methods = table.get("method", [])
    methods = [methods] if isinstance(methods, dict) else methods
    made = [_called(study, kind_of(study, m, METHODS, ("method",), "method"), m, "method") for m in methods]
    train = dict(table.get("train", {}))
    check_keys(study, train, TRAIN, ("train",))
    try:
        made_trainer = Trainer(
            model, data, encoder=encoder, optimiser=optimiser, schedule=schedule, methods=made, seed=seed,
            to=None if to is None else Path(to), **(train | options),
        )  # fmt: skip
    except ParameterError as e:
        raise StudyError(f"{study.path}: {e}") from e
    made_trainer.record.file.set_item("provenance", {"study": study.text})
    made_trainer.record.file.commit()
    return made_trainer


def shape_of(data: Dataset) -> tuple[int, ...]:
    """Shape of one sample: that of an image, the grid of a recording, or the number of its cells."""
    if isinstance(data.x_train, SpikeTrains):
        return data.x_train.grid or (data.x_train.n_cell,)
    return tuple(int(n) for n in data.x_train.shape[1:])


def _ends(make: Callable[..., Any], given: dict[str, Any], data: Dataset) -> dict[str, Any]:
    """What the data say of a network that does not say it itself: its input and its number of classes."""
    known = inspect.signature(make).parameters
    shape = shape_of(data)
    if "inputs" in known and len(known["inputs"].default) == 3 and len(shape) == 2:
        shape = (*shape, 1)
    found = {"inputs": shape, "n_class": data.n_class}
    return {k: v for k, v in found.items() if k in known and k not in given}


def told(t: Trainer) -> str:
    """A table of the epochs of a training run."""
    rows = [
        f"{'epoch':>5} {'loss':>8} {'train':>7} {'test':>7} {'density':>8} {'births':>8} {'deaths':>8} {'seconds':>8}"
    ]
    for e in t.history:
        count = {k: sum(v for n, v in e.series.items() if n.startswith(f"{k}/")) for k in ("births", "deaths")}
        rows.append(
            f"{e.number:5d} {e.train_loss:8.4f} {100 * e.train_accuracy:6.2f}% {100 * e.test_accuracy:6.2f}% "
            f"{e.density:8.3f} {count['births']:8.0f} {count['deaths']:8.0f} {e.seconds:8.2f}"
        )
    return "\n".join(rows)

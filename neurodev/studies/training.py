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
from collections.abc import Callable
from pathlib import Path
from typing import Any

from neurodev.data.dataset import Dataset, SpikeTrains
from neurodev.errors import ParameterError, StudyError
from neurodev.learn.training.trainer import Trainer
from neurodev.record.provenance import foreign
from neurodev.registry import Kinds
from neurodev.studies.reading import Place, Study, call, check_keys, kind_of

SECTIONS = ("kind", "title", "seed", "data", "encoder", "network", "optimiser", "schedule", "train", "method")
TRAIN = ("epochs", "batch", "loss", "threads", "checkpoint", "patience", "settle", "calibrate")


def _made(study: Study, kind: Kinds, given: dict[str, Any], place: Place, **more: Any) -> tuple[Any, Any]:
    """What a section describes, and the class or function that made it; plain lists are given as tuples."""
    make = kind_of(study, given, kind, place)
    words = {k: tuple(v) if isinstance(v, list) and not _of_tables(v) else v for k, v in given.items()}
    return call(study, make, words, place, **more), make


def _of_tables(value: list[Any]) -> bool:
    return bool(value) and all(isinstance(v, dict) for v in value)


def dataset(study: Study) -> Dataset:
    """The data of a study: ``train`` and ``test`` take random parts of so many samples.

    A path that does not exist is looked for under the folder named by NEURODEV_DATA.
    """
    given = dict(study.table.get("data", {"kind": "digits"}))
    if "path" in given and not Path(given["path"]).exists() and os.environ.get("NEURODEV_DATA"):
        given["path"] = str(Path(os.environ["NEURODEV_DATA"]) / given["path"])
    n, n_test = given.pop("train", None), given.pop("test", None)
    whole: Dataset = _made(study, "data set", given, ("data",))[0]
    if n is None and n_test is None:
        return whole
    try:
        return whole.subset(n if n is not None else len(whole.y_train), int(study.table.get("seed", 0)), n_test=n_test)
    except ParameterError as e:
        raise StudyError(f"{study.where('data', 'train' if n is not None else 'test')}: {e}") from e


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
    given = dict(table.get("network", {"kind": "fully_connected"}))
    make = kind_of(study, given, "network", ("network",))
    model, _ = _made(study, "network", given, ("network",), seed=seed, **_ends(make, given, data))
    makers = [make, kind_of(study, table.get("data", {"kind": "digits"}), "data set", ("data",))]
    parts = {}
    for kind, default in (("encoder", "Bernoulli"), ("optimiser", "Adam"), ("schedule", "constant")):
        parts[kind], make = _made(study, kind, table.get(kind, {"kind": default}), (kind,))
        makers.append(make)
    entries = table.get("method", [])
    places: list[tuple[Any, Place]] = [(m, ("method", k)) for k, m in enumerate(entries)]
    if isinstance(entries, dict):
        places = [(entries, ("method",))]
    methods = [_made(study, "method", m, place)[0] for m, place in places]
    train = dict(table.get("train", {}))
    check_keys(study, train, TRAIN, ("train",))
    if "loss" in train:
        makers.append(kind_of(study, {"kind": train["loss"]}, "loss", ("train", "loss")))
    try:
        made_trainer = Trainer(
            model, data, methods=methods, seed=seed, to=None if to is None else Path(to), **parts, **(train | options)
        )
    except ParameterError as e:
        raise StudyError(f"{study.path}: {e}") from e
    file = made_trainer.record.file
    everything = (*makers, *model.layers(), *methods)
    file.set_item("provenance", {"study": study.text, "sources": foreign(*everything)})
    file.commit()
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

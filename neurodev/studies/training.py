"""A training run described in TOML: data, encoder, network, optimiser and methods by name.

    seed = 1
    [data]       kind = "digits"                     # or mnist, fashion_mnist, cifar10, spoken_digits with path = "..."
    [encoder]    kind = "Bernoulli"                  steps = 20
    [network]    kind = "fully_connected"            hidden = [200]
    [augment]    kind = "RandomCrop"                 padding = 2
    [optimiser]  kind = "Adam"                       rate = 2e-3
    [schedule]   kind = "cosine"
    [train]      epochs = 10                         batch = 50
    [groups.out] rate = 1e-4                         decay = 0.0
    [[method]]   kind = "NDSNN"                      sparsity = 0.9
    [[callback]] kind = "mine:Settled"               share = 0.01

A network may also be a list of layers, each by its kind (our own or ``"module:Class"``); its input is that of the data:

    [[network.layers]]  kind = "Linear"              n_out = 200        name = "fc"
    [[network.layers]]  kind = "LIF"                 surrogate = { kind = "mine:Steep", width = 2.0 }
    [[network.layers]]  kind = "Linear"              n_out = 10         name = "out"

Errors quote the line of the study and suggest the nearest key.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from neurodev import rng
from neurodev.data.dataset import Dataset, SpikeTrains
from neurodev.errors import StudyError
from neurodev.learn.training.door import check_callbacks
from neurodev.learn.training.trainer import Trainer
from neurodev.record.provenance import foreign
from neurodev.registry import Kinds, takes
from neurodev.studies.quantities import quantity
from neurodev.studies.reading import Place, Study, call, check_keys, kind_of, made, table_at, tables_at, told_at

SECTIONS = (
    "kind", "title", "seed", "data", "encoder", "network", "optimiser", "schedule", "train", "method", "groups",
    "callback", "augment",
)  # fmt: skip
TRAIN = (
    "epochs", "batch", "loss", "threads", "checkpoint", "patience", "settle", "calibrate", "clip_norm", "clip_value",
    "accumulate", "keep_best",
)  # fmt: skip


def _made(
    study: Study, kind: Kinds, given: dict[str, Any], place: Place, skip: tuple[str, ...] = (), **more: Any
) -> tuple[Any, Any]:
    """What a section describes, and the class or function that made it; plain lists are given as tuples."""
    make = kind_of(study, given, kind, place)
    words = {k: tuple(v) if isinstance(v, list) and not _of_tables(v) else v for k, v in given.items()}
    return call(study, make, words, place, skip, **more), make


def _section(study: Study, name: str, default: str = "") -> dict[str, Any]:
    """A section of the study, with its kind where only that is left out."""
    given = table_at(study, study.table.get(name, {}), (name,), f"[{name}]")
    return {"kind": default, **given} if default else dict(given)


def _of_tables(value: list[Any]) -> bool:
    return bool(value) and all(isinstance(v, dict) for v in value)


def check_kind(study: Study) -> None:
    """Refuse a study of development.

    Raises
    ------
    StudyError
        With the command that runs it.
    """
    if "population" in study.table and "data" not in study.table:
        raise StudyError(f"{study.where('population')}: this is a study of development: neurodev run {study.path}")


def dataset(study: Study) -> Dataset:
    """The data of a study: ``train`` and ``test`` take random parts of so many samples, the same for equal ``draw``.

    Without ``draw`` they are those of the study's own seed, also where it is trained with others.  ``validation`` sets
    a share or number of the training samples aside (see `Dataset.split`).

    A path that does not exist is looked for beside the study, and under the folder named by NEURODEV_DATA.
    """
    given = _section(study, "data", "digits")
    path = given.get("path")
    if isinstance(path, str) and not Path(path).exists():
        beside, data = Path(study.path).parent / path, os.environ.get("NEURODEV_DATA")
        if beside.exists():
            given["path"] = str(beside)
        elif data:
            given["path"] = str(Path(data) / path)
    n, n_test = given.get("train"), given.get("test")
    for key, value in (("train", n), ("test", n_test)):
        if value is not None and (isinstance(value, bool) or not isinstance(value, int)):
            raise StudyError(f"{study.where('data', key)}: {key} must be a whole number of samples, got {value!r}")
    whole: Dataset = _made(study, "data set", given, ("data",), ("train", "test", "draw", "validation"))[0]
    with told_at(study, "data", "draw"):
        seed = rng.check_seed(given.get("draw", study.seed))
    if n is not None or n_test is not None:
        with told_at(study, "data", "train" if n is not None else "test"):
            whole = whole.subset(n if n is not None else len(whole.y_train), seed, n_test=n_test)
    if "validation" in given:
        with told_at(study, "data", "validation"):
            whole = whole.split(given["validation"], seed=seed)
    return whole


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
    _check_head(study)
    seed = study.seed if seed is None else seed
    train = _train(study)
    data = dataset(study) if data is None else data
    model, make = _network(study, data, seed)
    makers = [make, kind_of(study, _section(study, "data", "digits"), "data set", ("data",))]
    parts = {}
    for kind, default in (("encoder", "Bernoulli"), ("optimiser", "Adam"), ("schedule", "constant")):
        parts[kind], make = _made(study, kind, _section(study, kind, default), (kind,))
        makers.append(make)
    methods = [_made(study, "method", m, place)[0] for m, place in _listed(study, "method")]
    callbacks = [_callback(study, c, place) for c, place in _listed(study, "callback")]
    if "augment" in study.table:
        parts["augment"] = _augment(study)
        makers.append(parts["augment"])
    if "loss" in train:
        makers.append(kind_of(study, {"kind": train["loss"]}, "loss", ("train", "loss")))
    with told_at(study, *(("train",) if "train" in study.table else ())):
        made_trainer = Trainer(
            model, data, methods=methods, callbacks=callbacks, seed=seed, to=None if to is None else Path(to),
            groups=_groups(study),
            **parts, **(train | options),
        )  # fmt: skip
    file = made_trainer.record.file
    everything = (*makers, *model.layers(), *methods, *callbacks)
    file.set_item("provenance", {"study": resolved(study, seed).text, "sources": foreign(*everything)})
    file.commit()
    return made_trainer


def check(study: Study) -> None:
    """Build of a study all but its data and its network, which may cost minutes.

    Raises
    ------
    StudyError
        With file and line, and the nearest valid key.
    """
    check_kind(study)
    _check_head(study)
    _train(study)
    kind_of(study, _section(study, "data", "digits"), "data set", ("data",))
    for kind, default in (("encoder", "Bernoulli"), ("optimiser", "Adam"), ("schedule", "constant")):
        _made(study, kind, _section(study, kind, default), (kind,))
    for given, place in _listed(study, "method"):
        _made(study, "method", given, place)
    for given, place in _listed(study, "callback"):
        _callback(study, given, place)
    if "augment" in study.table:
        _augment(study)


def _check_head(study: Study) -> None:
    """Refuse unknown sections, another kind of study, and a title that is no text."""
    check_keys(study, study.table, SECTIONS, ())
    if study.table.get("kind", "training") != "training":
        raise StudyError(f'{study.where("kind")}: kind must be "training", or be left out, got {study.table["kind"]!r}')
    if not isinstance(study.table.get("title", ""), str):
        raise StudyError(f"{study.where('title')}: title must be a text, got {study.table['title']!r}")


def _network(study: Study, data: Dataset, seed: int) -> tuple[Any, Any]:
    """The model of a study, and what made it: a network by its name, or a list of layers."""
    given = _section(study, "network")
    if "layers" in given and "kind" not in given:
        listed = tables_at(study, given["layers"], ("network", "layers"), "[[network.layers]]")
        given = {"kind": "Sequential", **given, "layers": listed}
        make = kind_of(study, given, "layer", ("network",))
        layers = [made(study, "layer", one, ("network", "layers", k)) for k, one in enumerate(listed)]
        rest = {k: v for k, v in given.items() if k not in ("kind", "layers")}
        check_keys(study, rest, ("inputs", "seed"), ("network",))
        ends = {"inputs": shape_of(data), "seed": seed} | {k: tuple(v) if k == "inputs" else v for k, v in rest.items()}
        with told_at(study, "network"):
            return make(*layers, **ends), make
    given = {"kind": "fully_connected", **given}
    make = kind_of(study, given, "network", ("network",))
    found: dict[str, Any] = _ends(make, given, data) | ({} if "seed" in given else {"seed": seed})
    return _made(study, "network", given, ("network",), **found)


def _groups(study: Study) -> dict[str, Any] | None:
    """``[groups.NAME]``: rates and decays of some layers."""
    if "groups" not in study.table:
        return None
    found = table_at(study, study.table["groups"], ("groups",), "[groups.NAME]")
    return {k: table_at(study, v, ("groups", k), f"[groups.{k}]") for k, v in found.items()}


def resolved(study: Study, seed: int) -> Study:
    """The study as it is trained with a seed, random parts of the data being those of the study's own."""
    changes: dict[str, Any] = {} if study.table.get("seed") == seed else {"seed": seed}
    given = study.table.get("data", {})
    if seed != study.seed and {"train", "test", "validation"} & given.keys() and "draw" not in given:
        changes["data"] = {"draw": study.seed}
    return study.resolved(**changes)


def _train(study: Study) -> dict[str, Any]:
    """``[train]``: how long and how."""
    train = _section(study, "train")
    check_keys(study, train, TRAIN, ("train",))
    for key, value in train.items():
        with told_at(study, "train", key):
            train[key] = quantity(value, ())
    return train


def _listed(study: Study, name: str) -> list[tuple[dict[str, Any], Place]]:
    """The tables of a name, and where they stand; a single one may be ``[name]``."""
    entries = study.table.get(name, [])
    if isinstance(entries, dict):
        return [(entries, (name,))]
    return [(m, (name, k)) for k, m in enumerate(tables_at(study, entries, (name,), f"[[{name}]]"))]


def _called(study: Study, kind: Kinds, given: dict[str, Any], place: Place, check: Callable[[Any], Any]) -> Any:
    """What a training calls: an object of the class that a table names, or the function itself, without words."""
    make = kind_of(study, given, kind, place)
    if isinstance(make, type):
        return _made(study, kind, given, place)[0]
    check_keys(study, given, ("kind",), place)
    with told_at(study, *place, "kind"):
        return check(make)


def _callback(study: Study, given: dict[str, Any], place: Place) -> Any:
    return _called(study, "callback", given, place, lambda one: check_callbacks([one])[0])


def _augment(study: Study) -> Any:
    check = lambda one: takes("augment", one, "x", "generator")
    return _called(study, "augmentation", _section(study, "augment"), ("augment",), check)


def shape_of(data: Dataset) -> tuple[int, ...]:
    """Shape of one sample: that of an image, the grid of a recording, or the number of its cells."""
    if isinstance(data.x_train, SpikeTrains):
        return data.x_train.grid or (data.x_train.n_cell,)
    return tuple(int(n) for n in data.x_train.shape[1:])


def _ends(make: Callable[..., Any], given: dict[str, Any], data: Dataset) -> dict[str, Any]:
    """What the data say of a network that does not say it itself: its input and its number of classes."""
    known = inspect.signature(make).parameters
    shape = shape_of(data)
    images = known["inputs"].default if "inputs" in known else ()
    if isinstance(images, tuple) and len(images) == 3 and len(shape) == 2:
        shape = (*shape, 1)
    found = {"inputs": shape, "n_class": data.n_class}
    inside = given.get("parameters")
    asked = {*given, *(inside if isinstance(inside, dict) else ())}
    return {k: v for k, v in found.items() if k in known and k not in asked}


def told(t: Trainer) -> str:
    """A table of the epochs of a training run."""
    known = t.history[-1].series if t.history else {}
    parts = [p for p in ("train", "valid", "test") if p != "valid" or "validation_loss" in known]
    measure = "error" if "train_error" in known else "accuracy"
    tell = lambda v: f"{v:7.4g}" if measure == "error" else f"{100 * v:6.2f}%"
    heads = " ".join(f"{p:>7}" for p in parts)
    rows = [f"{'epoch':>5} {'loss':>8} {heads} {'density':>8} {'births':>8} {'deaths':>8} {'seconds':>8}"]
    for e in t.history:
        count = {k: sum(v for n, v in e.series.items() if n.startswith(f"{k}/")) for k in ("births", "deaths")}
        reached = " ".join(tell(e.series[f"{'validation' if p == 'valid' else p}_{measure}"]) for p in parts)
        rows.append(
            f"{e.number:5d} {e.train_loss:8.4f} {reached} {e.density:8.3f} {count['births']:8.0f} "
            f"{count['deaths']:8.0f} {e.seconds:8.2f}"
        )
    spent = np.nansum([e.series.get("compile_seconds", 0.0) for e in t.history])
    if spent >= 1.0:
        rows.append(f"kernels were compiled, or loaded, for {spent:.0f} s, which no epoch counts")
    return "\n".join(rows)

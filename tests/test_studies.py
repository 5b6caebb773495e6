"""The training studies of the examples: they load, their trainers are built, and their methods begin as they say."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from neurodev import study, training
from neurodev.data.dataset import Dataset, SpikeTrains
from neurodev.methods import METHODS

STUDIES = Path(__file__).resolve().parent.parent / "examples" / "studies"
FILES = sorted(p for p in STUDIES.glob("*.toml") if "data" in study.load(p).table)
FEW = {"train.batch": "10", "train.epochs": "20"}


def images(kind: str) -> Dataset:
    """Some bright blobs of the size of the images: the structure of a study does not depend on what they show."""
    rng = np.random.default_rng(3)
    shape = (32, 32, 3) if kind == "cifar10" else (28, 28)
    x = (255 * (rng.random((240, *shape)) < 0.2)).astype(np.uint8)
    y = np.arange(240) % 10
    return Dataset(x[:200], y[:200], x[200:], y[200:], "blobs", tuple("0123456789"))


def sounds() -> Dataset:
    """Some random spike trains of 64 channels."""
    rng = np.random.default_rng(4)
    x = SpikeTrains.of([(rng.uniform(0, 1000, 300), rng.integers(0, 64, 300)) for _ in range(120)], 64, 1000.0)
    y = np.arange(120) % 10
    return Dataset(x[:100], y[:100], x[100:], y[100:], "noise", tuple("0123456789"))


def methods_of(path: Path) -> list[str]:
    return [m["kind"] for m in study.load(path).table.get("method", [])]


def test_every_method_has_a_study() -> None:
    assert {m for p in FILES for m in methods_of(p)} == set(METHODS)


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_a_study_builds_its_trainer(path: Path, tmp_path: Path) -> None:
    s = study.load(path, FEW)
    heard = s.table["data"]["kind"] == "spoken_digits"
    t = training.trainer(s, tmp_path / "run.sqlite", data=sounds() if heard else images(s.table["data"]["kind"]))
    given = s.table.get("method", [{}])[0]
    begins_sparse = given and given["kind"] != "LTH"  # lottery tickets begin whole
    sparsity = given.get("first_sparsity", given.get("sparsity", 0.0)) if begins_sparse else 0.0
    alive = sum(w.table.n_synapse for w in t.weights().values())
    pairs = sum(w.table.n_source * w.table.n_target for w in t.weights().values())
    dense = methods_of(path) == ["SET"]  # its output stays dense, beside the sparsity asked for
    assert alive / pairs == pytest.approx(1 - sparsity, abs=0.02 if dense else 1e-4)
    assert t.close().provenance["study"] == s.text
    assert s.table["train"]["epochs"] and study.load(path).table["train"]["epochs"] == 10


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_a_study_finds_its_data(path: Path) -> None:
    """With NEURODEV_DATA set (or the data in the folder from which the tests run)."""
    s = study.load(path)
    name = s.table["data"]["path"]
    places = [Path(name), Path(os.environ.get("NEURODEV_DATA", ".")) / name]
    if not any(p.is_dir() for p in places):
        pytest.skip(f"no folder {name!r}: set NEURODEV_DATA")
    s.table["data"] |= {"train": 100, "test": 20}
    data = training.dataset(s)
    assert len(data.y_train) == 100 and data.n_class == 10
    x = data.x_train
    assert x.n_cell == 64 if isinstance(x, SpikeTrains) else x.shape[1:] == (28, 28)

"""The training studies of the examples: they load, their trainers are built, and their methods begin as they say."""

from __future__ import annotations

import tomllib
from pathlib import Path

import numpy as np
import pytest

from neurodev import registry
from neurodev.data.dataset import Dataset, SpikeTrains
from neurodev.studies import reading, training
from tests.places import data_folder

STUDIES = Path(__file__).resolve().parent.parent / "examples" / "studies"
FILES = sorted(p for p in STUDIES.glob("*.toml") if "data" in reading.load(p).table)
FEW = {"train.batch": "10", "train.epochs": "20"}
IMAGES = {
    "mnist": ((28, 28), 10), "fashion_mnist": ((28, 28), 10), "cifar10": ((32, 32, 3), 10),
    "cifar100": ((32, 32, 3), 100), "tiny_imagenet": ((64, 64, 3), 200),
}  # fmt: skip
TRAINS = {  # grid or number of cells, classes
    "spoken_digits": (64, 10), "barrel_letters": ((16, 16, 2), 26), "nmnist": ((34, 34, 2), 10),
    "dvs_gesture": ((32, 32, 2), 11), "cifar10_dvs": ((32, 32, 2), 10), "shd": (700, 20),
}  # fmt: skip


def made_up(kind: str) -> Dataset:
    """Noise in the shape of a data set: the structure of a study does not depend on what it shows."""
    rng, x = np.random.default_rng(3), None
    shape, n_class = IMAGES[kind] if kind in IMAGES else TRAINS[kind]
    y = np.arange(240) % n_class
    if kind in IMAGES:
        x = (255 * (rng.random((240, *shape)) < 0.2)).astype(np.uint8)
    else:
        grid = shape if isinstance(shape, tuple) else None
        n = int(np.prod(shape))
        spikes = [(rng.uniform(0, 1000, n), rng.integers(0, n, n)) for _ in range(240)]
        x = SpikeTrains.of(spikes, n, 1000.0, grid)
    return Dataset(x[:200], y[:200], x[200:], y[200:], "noise", tuple(str(k) for k in range(n_class)))


def methods_of(path: Path) -> list[str]:
    return [m["kind"] for m in reading.load(path).table.get("method", [])]


def test_every_method_has_a_study() -> None:
    assert {m for p in FILES for m in methods_of(p)} == set(registry.ours("method"))


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_a_study_builds_its_trainer(path: Path, tmp_path: Path) -> None:
    whole = reading.load(path).table["network"]
    large = whole["kind"] in ("vgg16", "resnet19") or (whole["kind"] == "sdsnn_cifar10" and "width" not in whole)
    large = {"network.width": "0.1"} if large else {}
    s = reading.load(path, FEW | large)
    t = training.trainer(s, tmp_path / "run.sqlite", data=made_up(s.table["data"]["kind"]))
    given = s.table.get("method", [{}])[0]
    begins_sparse = given and given["kind"] != "LTH"  # lottery tickets begin whole
    sparsity = given.get("first_sparsity", given.get("sparsity", 0.0)) if begins_sparse else 0.0
    alive = sum(w.table.n_synapse for w in t.weights().values())
    pairs = sum(w.table.n_source * w.table.n_target for w in t.weights().values())
    dense = methods_of(path) == ["SET"]  # its output stays dense, beside the sparsity asked for
    assert alive / pairs == pytest.approx(1 - sparsity, abs=0.02 if dense else 1e-4)
    assert tomllib.loads(t.close().provenance["study"]) == s.table  # with what was changed by --set
    assert s.table["train"]["epochs"] and reading.load(path).table["train"]["epochs"] in (10, 20, 40, 60, 600)


SETS = {repr(reading.load(p).table["data"]): p for p in FILES}  # one study of each set and its settings


@pytest.mark.parametrize("path", SETS.values(), ids=lambda p: p.stem)
def test_a_study_finds_its_data(path: Path) -> None:
    """In NEURODEV_DATA, or beside the checkout, or in the folder from which the tests run."""
    s = reading.load(path)
    name = s.table["data"]["path"]
    if not Path(name).is_dir():
        s.table["data"]["path"] = str(data_folder(name))
    if not Path(s.table["data"]["path"]).is_dir():
        pytest.skip(f"no data: no folder {name!r}, set NEURODEV_DATA")
    s.table["data"] |= {"train": 20, "test": 20}
    data, kind = training.dataset(s), s.table["data"]["kind"]
    shape, n_class = IMAGES[kind] if kind in IMAGES else TRAINS[kind]
    assert len(data.y_train) == 20 and data.n_class == n_class
    assert training.shape_of(data) == (shape if isinstance(shape, tuple) else (shape,))

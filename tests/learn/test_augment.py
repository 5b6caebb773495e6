"""Augmented images: against a loop over images, at the door, and by name in a study."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import neurodev as nd
from neurodev.errors import ParameterError, StudyError
from neurodev.learn import RandomCrop
from neurodev.studies import reading, training

STUDY = """
seed = 1
[data]
kind = "digits"
train = 60
test = 20
[encoder]
kind = "Bernoulli"
steps = 4
[network]
kind = "fully_connected"
hidden = [12]
[augment]
kind = "RandomCrop"
padding = 2
[train]
epochs = 2
batch = 20
checkpoint = 1
calibrate = true
"""


def cropped(x: Any, padding: int, flip: bool, seed: int) -> Any:
    """The slow twin: pad with zeros, turn, and cut a window out, image by image."""
    draw = np.random.default_rng(seed)
    down, right = draw.integers(-padding, padding + 1, (2, len(x)))
    turned = draw.random(len(x)) < 0.5 if flip else np.zeros(len(x), bool)
    h, w = x.shape[1:3]
    out = []
    for image, d, r, t in zip(x, down, right, turned, strict=True):
        wide = np.zeros((h + 2 * padding, w + 2 * padding, *x.shape[3:]), x.dtype)
        wide[padding : padding + h, padding : padding + w] = image[:, ::-1] if t else image
        # columns of a turned image run the other way: so does its shift
        r = -r if t else r
        out.append(wide[padding + d : padding + d + h, padding + r : padding + r + w])
    return np.array(out)


@pytest.mark.parametrize("shape", [(9, 7, 5), (9, 6, 6, 3)])
@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("padding", [0, 1, 4])
def test_crops_are_windows_of_padded_images(shape: tuple[int, ...], flip: bool, padding: int) -> None:
    x = np.random.default_rng(0).integers(1, 255, shape).astype(np.uint8)
    y = RandomCrop(padding, flip)(x, np.random.default_rng(5))
    assert y.dtype == x.dtype
    np.testing.assert_array_equal(y, cropped(x, padding, flip, 5))


def test_shifts_are_alike_likely() -> None:
    n, padding = 20_000, 2
    x = np.zeros((n, 9, 9))
    x[:, 4, 4] = 1
    where = RandomCrop(padding)(x, np.random.default_rng(1)).sum(axis=0)[2:7, 2:7]
    assert where.sum() == n
    p = 1 / 25
    assert np.abs(where - n * p).max() < 4 * np.sqrt(n * p * (1 - p))


@pytest.mark.parametrize("x", [np.zeros((3, 64)), np.zeros((2, 4, 9)), [1, 2]])
def test_what_is_no_image_is_refused(x: Any) -> None:
    with pytest.raises(ParameterError, match="RandomCrop"):
        RandomCrop(4)(x, np.random.default_rng(0))


def trained(folder: Path, text: str, **options: Any) -> nd.Run:
    (folder / "a.toml").write_text(text)
    study = reading.load(folder / "a.toml")
    training.check(study)
    return training.trainer(study, folder / "a.sqlite", progress=False, **options).fit().close()


def test_a_study_names_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("sklearn")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    with_it = trained(tmp_path, STUDY, overwrite=True).series("train_loss")
    without = trained(tmp_path, STUDY.replace("padding = 2", "padding = 0"), overwrite=True).series("train_loss")
    assert not np.array_equal(with_it, without)
    (tmp_path / "turning.py").write_text("def round(x, generator):\n    return x[:, ::-1]\n")
    own = STUDY.replace('"RandomCrop"\npadding = 2', '"turning:round"')
    run = trained(tmp_path, own, overwrite=True)
    assert "turning" in str(run.provenance["sources"])
    assert not np.array_equal(run.series("train_loss"), without)


def test_a_cut_training_goes_on_to_the_same_numbers(tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    whole = trained(tmp_path, STUDY).series("train_loss")
    (tmp_path / "a.sqlite").unlink()
    study = reading.load(tmp_path / "a.toml")
    cut = training.trainer(study, tmp_path / "a.sqlite", progress=False)
    cut.fit(1)
    cut.close()
    again = training.trainer(study, tmp_path / "a.sqlite", progress=False, resume=True).fit().close()
    np.testing.assert_array_equal(again.series("train_loss"), whole)


@pytest.mark.parametrize(
    ("right", "wrong", "match"),
    [
        ("padding = 2", "pading = 2", r"line 15.*did you mean 'padding'"),
        ("padding = 2", "padding = -1", r"RandomCrop.padding"),
        ('"RandomCrop"', '"RandomCrob"', r"line 14.*did you mean 'RandomCrop'"),
        ('"RandomCrop"', '"Bernoulli"', r"line 14"),
    ],
)
def test_the_door_quotes_the_line(right: str, wrong: str, match: str, tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text(STUDY.replace(right, wrong))
    with pytest.raises(StudyError, match=match):
        training.check(reading.load(tmp_path / "a.toml"))

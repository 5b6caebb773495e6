"""`neurodev train --set`: every key of a study can be set, is kept and counts; what is senseless is refused."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import neurodev as nd
from neurodev import cli
from neurodev.studies import reading, training

SMALL = [
    "data.train=60", "data.test=20", "train.epochs=1", "train.batch=20", "network.hidden=[8]", "encoder.steps=3",
    "method.0.every=1",
]  # fmt: skip
GOOD = {
    "seed": 5, "title": "mine", "kind": "training", "data.kind": "digits", "data.train": 50, "data.test": 30,
    "data.draw": 3, "encoder.kind": "Latency", "encoder.steps": 2, "network.kind": "fully_connected",
    "network.hidden": [8, 6], "network.leak": 0.3, "network.threshold": 0.4, "network.seed": 3,
    "optimiser.kind": "SGD", "optimiser.rate": 1e-3, "schedule.kind": "constant", "train.epochs": 2,
    "train.batch": 30, "train.loss": "rate_mse", "train.threads": 1, "train.checkpoint": 1, "train.patience": 2,
    "train.settle": 1, "train.calibrate": False, "train.clip_norm": 0.5, "train.clip_value": 0.1,
    "train.accumulate": 2, "train.keep_best": True, "groups.out.rate": 1e-4, "data.validation": 10,
    "augment.kind": "RandomCrop", "callback": [], "method": [], "method.0.sparsity": 0.5, "method.NDSNN.sparsity": 0.6,
}  # fmt: skip
SENSELESS = {
    "seed=1.5": "seed", "title=5": "title must be a text", "kind=3": 'kind must be "training"', "data=5": "data",
    "data.train=0": "train", "data.draw=1.5": "seed", "data.nokey=1": "nokey", "encoder.steps=0": "steps",
    "network.hidden=16": "hidden", "network.hidden=[1.5]": "1.5", "network.seed=1.5": "seed",
    "optimiser.rate=nan": "rate", "schedule.kind=[]": "kind must be a word", "train.epochs=0": "epochs",
    "train.epochs=1e9": "years of training", "train.batch=0": "batch", "train.loss='nope'": "no loss 'nope'",
    "train.threads=0": "threads must be 1 or 2", "train.threads=1.5": "threads", "train.checkpoint=-1": "checkpoint",
    "train.patience=0": "patience", "train.settle=-1": "settle", "train.calibrate='no'": "calibrate",
    "train.epoch=3": "did you mean 'epochs'", "method=5": "[[method]]", "method.5.sparsity=0.1": "no '5' here",
    "method.sparsity=0.1": "method.0.sparsity", "method.0.sparsity=2": "sparsity", "nosection.x=1": "nosection",
    "train.epochs": "KEY=VALUE", "train.accumulate=0": "accumulate", "train.clip_norm=0": "clip_norm",
    "callback=5": "[[callback]]", "groups.otu.rate=1e-3": "no layer 'otu'", "data.validation=1.5": "validation",
}  # fmt: skip


def words(value: Any) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value).lower()


def at(table: Any, key: str) -> Any:
    for word in key.split("."):
        table = table[0 if word in ("0", "NDSNN") else word] if isinstance(table, list) else table[word]
    return table


def test_every_key_can_be_set() -> None:
    """The list above names every table and key that there is."""
    named = {key.partition(".")[0] for key in GOOD}
    assert named == set(training.SECTIONS)
    assert {k.partition(".")[2] for k in GOOD if k.startswith("train.")} == set(training.TRAIN)


@pytest.mark.parametrize("key", GOOD)
def test_a_key_that_is_set_is_kept_and_counts(key: str, tmp_path: Path) -> None:
    """Set on the command line, in the study that the run keeps, and in what the trainer is."""
    study = Path(training.__file__).with_name("digits.toml")
    given = reading.settings([*SMALL, f"{key}={words(GOOD[key])}"])
    made = training.trainer(reading.load(study, given), tmp_path / "t.sqlite")
    kept = tomllib.loads(nd.Run(made.record.file.path).provenance["study"])
    assert at(kept, key) == GOOD[key]
    made.fit()
    made.close()


def test_the_command_takes_the_threads_of_the_study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of the command line before those of the study, before two."""
    asked: list[Any] = []
    trainer = training.trainer
    monkeypatch.setattr(
        training, "trainer", lambda *given, **more: (asked.append(more.get("threads")), trainer(*given, **more))[1]
    )
    sets = [word for s in SMALL for word in ("--set", s)]
    for k, more in enumerate(([], ["--set", "train.threads=1"], ["--threads", "1"])):
        assert cli.main(["train", *sets, *more, "--quiet", "--to", str(tmp_path / f"{k}.sqlite")]) == 0
    assert asked == [2, None, 1]


@pytest.mark.parametrize("setting", SENSELESS)
def test_a_senseless_value_is_refused_before_anything_is_written(
    setting: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sets = [word for s in (*SMALL, setting) for word in ("--set", s)]
    assert cli.main(["train", *sets, "--quiet", "--to", str(tmp_path / "t.sqlite")]) == 2
    said = capsys.readouterr().err
    assert SENSELESS[setting] in said and "Traceback" not in said and "TypeError" not in said
    assert not any(tmp_path.iterdir())


def test_a_study_may_be_started_from_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its data are found beside it, its run lies beside it, and nothing is left where one stood."""
    home, elsewhere = tmp_path / "home", tmp_path / "elsewhere"
    home.mkdir(), elsewhere.mkdir()
    (home / "data").mkdir()
    draw = np.random.default_rng(1)
    for part, n in (("train", 20), ("t10k", 10)):
        pixels, labels = draw.integers(0, 256, (n, 4, 4), dtype=np.uint8), np.arange(n, dtype=np.uint8) % 10
        for kind, a in (("images-idx3", pixels), ("labels-idx1", labels)):
            head = bytes([0, 0, 8, a.ndim]) + b"".join(k.to_bytes(4, "big") for k in a.shape)
            (home / "data" / f"{part}-{kind}-ubyte").write_bytes(head + a.tobytes())
    (home / "s.toml").write_text(
        '[data]\nkind = "mnist"\npath = "data"\n[encoder]\nkind = "Bernoulli"\nsteps = 3\n'
        '[network]\nkind = "fully_connected"\nhidden = [8]\n[train]\nepochs = 1\nbatch = 10\n'
    )
    monkeypatch.chdir(elsewhere)
    monkeypatch.delenv("NEURODEV_DATA", raising=False)
    assert cli.main(["train", "../home/s.toml", "--quiet"]) == 0
    assert sorted(p.name for p in home.iterdir()) == ["data", "s.sqlite", "s.toml"] and not any(elsewhere.iterdir())
    nd.Run(home / "s.sqlite").verify()

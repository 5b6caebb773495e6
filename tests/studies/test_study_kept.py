"""What a run keeps of its study is the study as it was run: with every --set, its seed, and as control or not."""

from __future__ import annotations

import datetime
import tomllib
from pathlib import Path

import numpy as np
import pytest

import neurodev as nd
from neurodev.cli import main
from neurodev.errors import StudyError
from neurodev.studies import development, reading, training, writing
from tests.studies.test_study_door import BASE

ROOT = Path(__file__).parents[2]
WAVES = BASE.replace('kind = "Poisson"', 'kind = "RetinalWaves"').replace("seed = 1\n", "")


def kept(path: Path) -> dict:
    return tomllib.loads(nd.Run(path).provenance["study"])


def test_text_of_a_table_gives_the_table() -> None:
    odd = {
        "a b": 'quoted "words" \\ and\nlines\x7f\x01', "none": [], "deep": {"deeper": {"deepest": {"x": [1, 2.5]}}},
        "list": [{"k": {"kind": "A", "more": [{"z": True}]}}, {}], "inf": [float("inf"), -float("inf"), 1e300, 1e-9],
        "when": datetime.date(1979, 5, 27), "mixed": [{"a": 1}, 2], "empty": {}, "dotted": {"x.y": {"z": 1}},
    }  # fmt: skip
    tables = [odd, *(reading.load(p).table for d in ("examples", "neurodev") for p in (ROOT / d).rglob("*.toml"))]
    assert len(tables) > 30
    for table in tables:
        assert tomllib.loads(writing.written(table)) == table


def test_an_unchanged_study_is_kept_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "s.toml"
    path.write_text("# mine\n" + BASE)
    assert development.run(reading.load(path), tmp_path / "r.sqlite").provenance["study"] == "# mine\n" + BASE


def test_what_was_changed_is_kept_and_runs_again_to_the_same_spikes(tmp_path: Path) -> None:
    path, first = tmp_path / "s.toml", tmp_path / "first.sqlite"
    path.write_text(WAVES)
    words = ["--set", "run.duration=300 ms", "--set", "projection.p.weight=21 mV", "--shuffled"]
    assert main(["run", str(path), "--seeds", "2", "--to", str(first), "--quiet", *words]) == 0
    for seed in (0, 1):
        run = nd.Run(first.with_name(f"first-seed{seed}.sqlite"))
        table = kept(run.path)
        assert table["seed"] == seed == run.provenance["seed"] and table["shuffled"] is True
        assert table["run"]["duration"] == "300 ms" and table["projection"]["p"]["weight"] == "21 mV"
        again = tmp_path / f"again{seed}.toml"
        again.write_text(run.provenance["study"])
        other = development.run(reading.load(again))
        assert other.network == run.network and other.days == run.days
        np.testing.assert_array_equal(other.counts("exc"), run.counts("exc"))
        assert other.provenance["study"] == run.provenance["study"]


def test_options_and_what_is_left_out_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "s.toml"
    use = 'spines = {weight = 4.0}\nuse = [{kind = "SpineSize"}, {kind = "Turnover"}]\n'
    path.write_text(BASE.replace("weight = 3.0\n", use))
    run = development.run(reading.load(path), seed=5, without="Turnover", events_per_tick=10**7)
    table = tomllib.loads(run.provenance["study"])
    assert table["seed"] == 5 and table["run"]["events_per_tick"] == 10**7
    assert [u["kind"] for u in table["projection"]["p"]["use"]] == ["SpineSize"]


def test_training_keeps_its_seed_and_the_part_of_the_data(tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    path = tmp_path / "t.toml"
    path.write_text('[data]\nkind = "digits"\ntrain = 60\ntest = 20\n[network]\nhidden = [8]\n[encoder]\nsteps = 3\n')
    study = reading.load(path, {"train.epochs": "1", "train.batch": "20"})
    t = training.trainer(study, tmp_path / "t.sqlite", seed=9)
    run = t.fit().close()
    table = tomllib.loads(run.provenance["study"])
    assert table["seed"] == 9 and table["data"]["draw"] == 0 and table["train"] == {"epochs": 1, "batch": 20}
    again = tmp_path / "again.toml"
    again.write_text(run.provenance["study"])
    other = training.trainer(reading.load(again), tmp_path / "u.sqlite").fit().close()
    assert other.series("train_loss").tolist() == run.series("train_loss").tolist()


def test_a_control_without_correlations_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "s.toml"
    path.write_text(BASE)
    assert main(["run", str(path), "--quiet", "--shuffled"]) == 2
    assert "src is Poisson" in capsys.readouterr().err and not list(tmp_path.glob("*.sqlite"))
    path.write_text(WAVES.replace("n = 20", "n = 20\nindependent = true"))  # it is its own control already
    with pytest.raises(StudyError, match="src is RetinalWaves"):
        development.build(reading.load(path), shuffled=True)
    path.write_text('shuffled = "yes"\n' + WAVES)
    with pytest.raises(StudyError, match="line 1.*must be true or false"):
        development.build(reading.load(path))

"""The table and figure of methods, in small, on digits that need no download."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from analysis import methods
from neurodev.errors import ParameterError
from neurodev.metrics import cost
from neurodev.runs.run import Run

pytest.importorskip("sklearn")

STUDY = """
seed = 4
[data]
kind = "digits"
train = 120
test = 40
[encoder]
kind = "Bernoulli"
steps = 5
[network]
kind = "fully_connected"
hidden = [20]
[optimiser]
kind = "Adam"
rate = 5e-3
[train]
epochs = 2
batch = 20
"""
METHODS = {
    "dense": "", "static": '[[method]]\nkind = "Static"\nsparsity = 0.7\n',
    "ndsnn": '[[method]]\nkind = "NDSNN"\nsparsity = 0.7\nevery = 3\n',
}  # fmt: skip


@pytest.fixture(scope="module")
def studies(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("methods")
    for name, part in METHODS.items():
        (folder / f"{name}.toml").write_text(STUDY + part)
    return [folder / f"{name}.toml" for name in METHODS]


def test_trains_what_is_missing_then_tells_and_draws(studies: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    to = studies[0].parent / "out"
    words = [*map(str, studies), "--seeds", "2", "--to", str(to), "--threads", "1", "--quiet"]
    methods.main(words)
    said = capsys.readouterr().out
    files = sorted(to.glob("*.sqlite"))
    assert [f.stem for f in files] == [f"{m}-seed{k}" for m in sorted(METHODS) for k in (4, 5)]
    assert "NOT AT EQUAL BUDGET" not in said and "2 seed(s)" in said and (to / "methods.png").stat().st_size > 20_000
    every = [methods.Trained(m, [Run(to / f"{m}-seed{k}.sqlite") for k in (4, 5)]) for m in METHODS]
    for one in every:
        mean, half = one.numbers("accuracy")
        right = [100 * float(np.trace(r.training.confusion)) / 40 for r in one.runs]
        assert (mean, half) == pytest.approx(cost.mean_and_interval(right)) and f"{mean:.2f} ± {half:.2f}" in said
        for run in one.runs:
            n = methods.measured(run)
            assert n["per operation"] == pytest.approx(1e6 * n["information"] / n["operations"])
            assert n["energy"] == pytest.approx(0.9e-3 * n["operations"])  # nJ: spikes are added, never multiplied
    assert every[0].numbers("of dense")[0] == 100 and every[1].numbers("of dense")[0] < 60
    before = {f: f.stat().st_mtime_ns for f in files}
    methods.main(words)
    assert {f: f.stat().st_mtime_ns for f in files} == before and capsys.readouterr().out == said


def test_different_budgets_are_named(studies: list[Path]) -> None:
    to = studies[0].parent / "out"
    more = methods.all_runs(studies[1:2], 1, studies[0].parent / "more", {"train.epochs": "3"}, threads=1)
    less = methods.all_runs(studies[:1], 1, to, {}, threads=1)
    assert "NOT AT EQUAL BUDGET: epochs differs: 2; 3" in methods.written([*less, *more])
    with pytest.raises(ParameterError, match="same file name"):
        methods.all_runs([studies[0], studies[0]], 1, to, {})


def test_a_row_is_of_the_study_that_was_asked_for(tmp_path: Path) -> None:
    """A run file of the same name that holds another study, or other settings, is neither believed nor replaced."""
    path, to = tmp_path / "one.toml", tmp_path / "out"
    path.write_text(STUDY)

    def epochs(settings: dict[str, str]) -> tuple[str, int]:
        (run,) = methods.all_runs([path], 1, to, {"data.train": "40", **settings}, threads=1)[0].runs
        return run.path.name, run.training.n_epoch

    first = epochs({"train.epochs": "1"})
    second = epochs({"train.epochs": "2"})
    assert (first[1], second[1]) == (1, 2) and first[0] == "one-seed4.sqlite" != second[0]
    before = {f: f.stat().st_mtime_ns for f in to.glob("*.sqlite")}
    path.write_text("# a comment changes nothing\n" + STUDY)
    assert epochs({"train.epochs": "1"}) == first and epochs({"train.epochs": "2"}) == second
    assert {f: f.stat().st_mtime_ns for f in to.glob("*.sqlite")} == before
    path.write_text(STUDY.replace("steps = 5", "steps = 4"))
    assert epochs({"train.epochs": "1"})[0] not in {f.name for f in before}

"""``[[callback]]`` in a study: classes with their words, functions, errors with their line; kept, resumed, told."""

from __future__ import annotations

from pathlib import Path

import pytest

import neurodev as nd
from neurodev import cli
from neurodev.errors import NeurodevError
from neurodev.studies import reading, training

MINE = '''
"""What is mine."""
from neurodev.learn import Callback

class Counts(Callback):
    """Notes every so many steps, and ends a training."""
    def __init__(self, every=2, last=100):
        self.every, self.last, self.seen = every, last, 0
    def batch_end(self, view):
        self.seen += 1
    def epoch_end(self, view):
        view.note(f"seen {self.seen}")
        if view.epoch == self.last:
            view.stop("enough of it")

def loud(trainer):
    """Ends after the second epoch."""
    return trainer.epoch == 2

def two(a, b):
    """No callback."""

class Other:
    """No callback either."""
'''
STUDY = """
[data]
kind = "digits"
train = 60
test = 20
[encoder]
steps = 3
[network]
hidden = [8]
[train]
epochs = 4
batch = 20
"""


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    pytest.importorskip("sklearn")
    monkeypatch.chdir(tmp_path)
    name = "mine_of_callbacks"
    (tmp_path / f"{name}.py").write_text(MINE)
    return name


def test_a_class_is_made_with_its_words(mine: str, tmp_path: Path) -> None:
    """And a broken training goes on with the same: what it counted is in the checkpoint."""
    (tmp_path / "a.toml").write_text(STUDY + f'[[callback]]\nkind = "{mine}:Counts"\nlast = 3\n')
    t = training.trainer(reading.load(tmp_path / "a.toml"), tmp_path / "a.sqlite")
    assert (t.callbacks[0].last, t.callbacks[0].every) == (3, 2)
    t.fit(1)
    t.record.close("broken off")
    assert cli.main(["train", "a.toml", "--to", "a.sqlite", "--resume", "--quiet"]) == 0
    run = nd.Run("a.sqlite")
    assert [text for _, _, text in run.training.notes] == ["seen 3", "seen 6", "seen 9"]
    assert "enough of it" in run.info() and f"{mine}:Counts" in run.file.provenance()["sources"]
    assert not run.file.item("cannot_rerun", [])


def test_a_function_is_taken_as_it_is(mine: str, tmp_path: Path) -> None:
    """Several callbacks stand in a list; a single one may be a table; one is set on the command line by its place."""
    (tmp_path / "a.toml").write_text(STUDY + f'[callback]\nkind = "{mine}:loud"\n')
    assert cli.main(["train", "a.toml", "--quiet"]) == 0 and nd.Run("a.sqlite").training.n_epoch == 2
    both = f'[[callback]]\nkind = "{mine}:loud"\n[[callback]]\nkind = "{mine}:Counts"\n'
    (tmp_path / "b.toml").write_text(STUDY + both)
    assert cli.main(["train", "b.toml", "--quiet", "--set", "callback.1.last=1"]) == 0
    assert nd.Run("b.sqlite").training.n_epoch == 1


@pytest.mark.parametrize(
    "given, told",
    [
        ('kind = "{0}:Count"', "line 14.*has no 'Count'"),
        ('kind = "{0}:Counts"\nevry = 3', "evry.*did you mean 'every'"),
        ('kind = "{0}:loud"\nlast = 3', "unknown key 'last'"), ('kind = "{0}:two"', "two"),
        ('kind = "{0}:Other"', "Callbacks"), ('kind = "Settled"', "no callback 'Settled'.*module:Class"),
        ("last = 3", "callback needs a kind"), ('kind = "NDSNN"', "no callback 'NDSNN'"),
    ],
)  # fmt: skip
def test_what_is_none_is_told_by_its_line(given: str, told: str, mine: str, tmp_path: Path) -> None:
    (tmp_path / "b.toml").write_text(STUDY + "[[callback]]\n" + given.format(mine) + "\n")
    with pytest.raises(NeurodevError, match=told):
        training.trainer(reading.load(tmp_path / "b.toml"))

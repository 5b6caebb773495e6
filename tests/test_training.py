"""Training studies and `neurodev train`, as a user meets them."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

import neurodev as nd
from neurodev.cli import main
from neurodev.errors import ParameterError, StudyError
from neurodev.learn import networks
from neurodev.studies import reading, training

LITTLE = """
seed = 3
[data]
kind = "digits"
train = 200
test = 60
[encoder]
kind = "Bernoulli"
steps = 8
[network]
kind = "fully_connected"
hidden = [30]
[optimiser]
kind = "Adam"
rate = 5e-3
[train]
epochs = 2
batch = 20
[[method]]
kind = "NDSNN"
sparsity = 0.6
every = 4
"""


@pytest.fixture
def little(tmp_path: Path) -> Path:
    pytest.importorskip("sklearn")
    path = tmp_path / "little.toml"
    path.write_text(LITTLE)
    return path


def test_train_writes_a_run_and_tells_it(little: Path, capsys: pytest.CaptureFixture[str]) -> None:
    to = little.with_suffix(".sqlite")
    assert main(["train", str(little), "--to", str(to), "--quiet", "--threads", "1"]) == 0
    said = capsys.readouterr().out
    assert "digits, seed 3" in said and said.count("%") == 4
    assert main(["info", str(to), "--verify"]) == 0
    assert main(["spine", str(to), "longest"]) == 0
    assert "smallest when synapses were dropped" in capsys.readouterr().out


def test_a_run_file_is_no_study(little: Path, capsys: pytest.CaptureFixture[str]) -> None:
    to = str(little.with_suffix(".sqlite"))
    assert main(["train", str(little), "--quiet", "--threads", "1"]) == 0
    for words, said in (
        (["train", to], "is a run file, not a study: .* neurodev train STUDY --to FILE --resume"),
        (["run", to], "is a run file, not a study: a run goes on with neurodev run --resume FILE"),
        (["rerun", to, "--to", to + "2"], "holds a training, which is not repeated.*neurodev train STUDY --to FILE"),
    ):  # fmt: skip
        assert main(words) == 2
        assert re.search(said, capsys.readouterr().err)
    assert not Path(to + "2").exists()


def test_a_training_has_no_map(little: Path) -> None:
    assert main(["train", str(little), "--quiet"]) == 0
    run = nd.Run(little.with_suffix(".sqlite"))  # beside the study, as of one that is run
    for ask in (run.summary, lambda: run.field(1.0)):
        with pytest.raises(ParameterError, match=r"run of training, .*run\.training"):
            ask()
    with pytest.raises(ParameterError, match="no synapse 99999999 in this run"):
        run.spines[99999999]


def test_train_resumes(little: Path, capsys: pytest.CaptureFixture[str]) -> None:
    to = little.with_suffix(".sqlite")
    t = training.trainer(reading.load(little), to)
    t.fit(1)
    t.record.close("broken off")
    assert main(["train", str(little), "--to", str(to), "--quiet", "--resume"]) == 0
    assert "    2 " in capsys.readouterr().out


def test_train_extends_a_finished_run(little: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", str(little), "--quiet"]) == 0
    assert main(["train", str(little), "--quiet", "--extend", "1"]) == 0
    run = nd.Run(little.with_suffix(".sqlite"))
    assert run.training.n_epoch == 3 and "    3 " in capsys.readouterr().out
    assert main(["train", str(little), "--quiet", "--extend", "0"]) == 2
    assert main(["train", str(little), "--extend", "1", "--overwrite"]) == 2
    assert nd.Run(little.with_suffix(".sqlite")).training.n_epoch == 3


def test_new_writes_a_training_study(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "mine"
    assert main(["new", str(path), "--training"]) == 0
    assert "neurodev train" in capsys.readouterr().out
    assert reading.load(path.with_suffix(".toml")).table["method"][0]["kind"] == "NDSNN"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"method.NDSNN.sparsty": "0.5"}, r"no parameter 'sparsty' \(did you mean 'sparsity'\?\)"),
        ({"method.NDSNN.sparsity": "1.5"}, "sparsity"),
        ({"network.kind": "vgg61"}, "no network 'vgg61'.*vgg16"),
        ({"data.kind": "mnits"}, "no data set 'mnits'.*mnist"),
        ({"encoder.steps": "0"}, "steps must be a whole number"),
        ({"optimiser.rate": "-1"}, "rate must be a positive number"),
        ({"train.epoch": "3"}, "unknown key 'epoch'.*epochs"),
        ({"data.train": "100000"}, "--set data.train=100000: a subset of 100000 train samples is not possible"),
    ],
)
def test_doors(little: Path, change: dict[str, str], message: str) -> None:
    with pytest.raises(StudyError, match=message):
        training.trainer(reading.load(little, change))


def test_studies_on_event_recordings(tmp_path: Path) -> None:
    """Letters before an event camera, by name: cells become the inputs, and a missing set is named."""
    letters = np.array([chr(65 + k) for k in range(26)] * 2)
    draw = np.random.default_rng(0)
    x = np.concatenate([draw.permutation(32)[:20] + 1 for _ in letters])
    np.savez(
        tmp_path / "barrel_letters.npz", x=x, y=x[::-1], p=np.where(x % 2, 1, -1),
        t_us=np.tile(np.arange(20) * 4000, 52), offsets=20 * np.arange(53), labels=letters,
        presentation=np.repeat([1, 2], 26),
    )  # fmt: skip
    path = tmp_path / "letters.toml"
    path.write_text(
        f'[data]\nkind = "barrel_letters"\npath = "{tmp_path}"\ncells = [8, 8]\n[encoder]\nkind = "Binned"\n'
        "steps = 10\n[train]\nepochs = 1\nbatch = 13\n"
    )
    t = training.trainer(reading.load(path))
    assert t.model.inputs == (8, 8, 2) and t.data.n_class == 26
    assert t.fit().history[0].train_loss > 0
    t.close()
    seen = path.read_text() + '[network]\nkind = "sdsnn_nmnist"\nreadout = "currents"\n'
    path.write_text(seen)
    t = training.trainer(reading.load(path))  # convolutions take the grid and the classes from the data
    assert t.model.inputs == (8, 8, 2) and t.model.outputs == (26,)
    t.close()
    path.write_text(f'[data]\nkind = "nmnist"\npath = "{tmp_path}"\n')
    with pytest.raises(StudyError, match="download Train.zip"):
        training.trainer(reading.load(path))


def test_fully_connected_as_it_is_asked_for() -> None:
    """Gated layers have two tensors, normed ones a batch norm; a readout by currents has no neurons at its end."""
    plain = networks.fully_connected(hidden=(9, 7), inputs=(20,))
    gated = networks.fully_connected(
        hidden=(9, 7), inputs=(20,), readout="currents", surrogate="arctan", normed=True, dendritic=True, gate_gain=0.5
    )
    assert list(plain.weights_of()) == ["fc1", "fc2", "out"]
    assert list(gated.weights_of()) == ["fc1", "fc1_gate", "fc2", "fc2_gate", "out"]
    table = gated.weights_of()["fc1_gate"].table
    assert table.weight[table.weight != 0].std() == pytest.approx(0.5 / np.sqrt(20), rel=0.2)  # rows are padded by 0
    kinds = [type(layer).__name__ for layer in gated.layers()]
    assert kinds.count("BatchNorm") == kinds.count("LIF") == 2
    assert [type(layer).__name__ for layer in plain.layers()].count("LIF") == 3
    assert all(n.surrogate.kind == "arctan" for n in gated.layers() if type(n).__name__ == "LIF")
    for words in ({"readout": "potentials"}, {"surrogate": "step"}):
        with pytest.raises(ParameterError, match="must be"):
            networks.fully_connected(inputs=(20,), **words)

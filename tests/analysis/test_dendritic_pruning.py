"""NSPDI-SNN against linear neurons, in small: equal numbers of synapses, the search for a displacement, the table."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from analysis import dendritic_pruning as one
from analysis import dendritic_tasks as tasks
from neurodev.errors import ParameterError
from neurodev.learn.networks import n_weights
from neurodev.studies import reading, training

STUDY = """
seed = 4
[data]
kind = "digits"
train = 120
test = 40
[encoder]
kind = "Bernoulli"
steps = 4
[network]
kind = "fully_connected"
hidden = [12]
dendritic = true
gate_gain = 0.1
readout = "currents"
surrogate = "arctan"
normed = true
[optimiser]
kind = "Adam"
rate = 1e-2
[train]
epochs = 2
batch = 20
loss = "rate_cross_entropy"
[[method]]
kind = "NSPDI"
displacement = 0.3
"""


def test_numbers_of_synapses() -> None:
    """Two tensors a gated hidden layer; the linear net that has as many is found to half a neuron."""
    assert one.synapses([784, 100, 10], True) == 2 * 78400 + 1000 and one.synapses([784, 100, 10], False) == 79400
    assert one.widened([784, 100, 10]) == [784, 199, 10][1:2]
    wide = one.widened([30, 20, 20, 5])
    assert one.synapses([30, *wide, 5], False) == pytest.approx(one.synapses([30, 20, 20, 5], True), rel=0.03)


def test_variants_remove_one_thing_each() -> None:
    own = {"kind": "NSPDI", "displacement": 0.3, "heterogeneity": 0.5}
    assert one.pruning("NSPDI", own, 0.1) == one.pruning("V = 0", own, 0.1) == own | {"displacement": 0.1}
    assert one.pruning("h = 0", own, 0.1)["heterogeneity"] == 0 and "cut" not in one.pruning("h = 0", own, 0.1)
    assert one.pruning("cut = 0", own, 0.1) == own | {"displacement": 0.1, "cut": 0.0}
    stds = one.pruning("STDS", own, 0.1)
    assert stds["kind"] == "STDS" and stds["heterogeneity"] == stds["cut"] == 0


def test_displacement_is_found_on_a_power_law_and_refused_on_a_constant() -> None:
    asked: list[float] = []

    def density(d: float) -> float:
        asked.append(d)
        return min(1.0, 3e-5 * d**-3.1)

    for want in (0.2, 0.1, 0.05):
        asked.clear()
        d = one.displacement_for(want, density, 0.06)
        assert density(d) == pytest.approx(want, rel=one.NEAR) and len(asked) <= 5
    with pytest.raises(ParameterError, match="no displacement gave a density"):
        one.displacement_for(0.1, lambda d: 0.7, 0.06)
    with pytest.raises(ParameterError, match="no displacement gave a density"):
        one.displacement_for(0.1, lambda d: 0.0, 0.06)


def test_table_of_a_little_task(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("sklearn")
    (tmp_path / "task.toml").write_text(STUDY)
    words = [str(tmp_path / "task.toml"), "--seeds", "2", "--sparsity", "0.6", "--to", str(tmp_path / "out")]
    one.main(words)
    said = capsys.readouterr().out
    rows = {line.split("  ")[0].strip(): line for line in said.splitlines()[1:8]}
    assert set(rows) == {"gated, unpruned", "linear, unpruned", *one.VARIANTS}
    base = reading.load(tmp_path / "task.toml")
    models = [training.trainer(one.of(base, v, 0.0, (64, 10))).model for v in ("NSPDI", "STDS")]
    gated, linear = (n_weights(m) for m in models)
    assert gated == pytest.approx(linear, rel=0.05) and f"{gated:,}" in said and f"{linear:,}" in said
    files = {f: f.stat().st_mtime_ns for f in (tmp_path / "out").glob("*.sqlite")}
    train = one.student(base, tmp_path / "out", threads=1)
    used = {f.name.split("-")[0]: float(f.name.split("-")[1]) for f in files if f.name.endswith("seed1.sqlite")
            and "-0-" not in f.name}  # fmt: skip
    reads = {v: [train(v, used[v.replace(" ", "")], k) for k in (0, 1)] for v in one.VARIANTS}
    for v, mine in reads.items():
        assert mine[0].density == pytest.approx(0.4, rel=one.NEAR)
        gap = np.array([a.accuracy - b.accuracy for a, b in zip(mine, reads["STDS"], strict=True)])
        assert v == "STDS" or f"{gap.mean():+.2f}" in rows[v]
    one.main(words)
    assert files == {f: f.stat().st_mtime_ns for f in files} and capsys.readouterr().out == said


def test_other_nets_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "task.toml").write_text(STUDY.replace("dendritic = true", "dendritic = false"))
    with pytest.raises(ParameterError, match="fully_connected, dendritic and pruned by NSPDI"):
        one.main([str(tmp_path / "task.toml"), "--to", str(tmp_path / "out")])


def test_within_a_run_and_divided(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exactly equal synapses, one more variant, seeds from where they are asked; and a made task by its word."""
    few = ["--set", "data.train=150", "--set", "data.test=50", "--set", "train.epochs=1", "--set", "network.hidden=[6]"]
    words = ["pro_anti", "--within", "--division", "saliency", "--sparsity", "0.5", "--seeds", "2", "--first-seed", "7"]
    one.main([*words, *few, "--variants", "STDS", "NSPDI", "even", "--to", str(tmp_path)])
    said = capsys.readouterr().out
    rows = {line.split()[0]: line.split() for line in said.splitlines()[1:4]}
    assert {"NSPDI", "even", "STDS"} <= set(rows) and "seeds 7 to 8" in said
    size = 2 * 100 * 6 + 6 * 2
    assert all(row[1] == "50.00" and f"{size / 2:,.0f}" in row for row in (rows["NSPDI"], rows["even"]))
    assert sorted(f.name for f in tmp_path.glob("*.sqlite")) == [
        f"{v}-share0.5-seed{k}.sqlite" for v in ("NSPDI", "STDS", "even") for k in (7, 8)
    ]
    with pytest.raises(ParameterError, match="--variants must have STDS"):
        one.main([*words, "--variants", "NSPDI", "--to", str(tmp_path)])


def test_methods_of_variants_within_a_run() -> None:
    own = {"kind": "NSPDI", "displacement": 0.3, "division": "saliency"}
    assert one.pruning("NSPDI", own, 0.9, True) == {"kind": "NSPDI", "division": "saliency", "sparsity": 0.9}
    assert one.pruning(one.EVEN, own, 0.9, True) == one.pruning("V = 0", own, 0.9, True) == {
        "kind": "NSPDI", "sparsity": 0.9
    }  # fmt: skip


def test_the_answer_is_in_no_cell_but_in_the_product_of_two_populations() -> None:
    for task in (tasks.pro_anti, tasks.turned):
        data = task()
        n = data.n_class
        mean = np.array([data.x_train[data.y_train == k].mean(axis=0) for k in range(n)])
        assert np.bincount(data.y_train).min() > 0.9 * len(data.y_train) / n
        assert np.abs(mean - mean.mean(axis=0)).max() < 0.02  # of rates of .1 to .4: what 4,000 samples scatter
        half = data.x_train.shape[1] // 2
        angle = [
            np.angle(part @ np.exp(2j * np.pi * (np.arange(half) + 0.5) / half))
            for part in (data.x_train[:, :half], data.x_train[:, half:])
        ]
        found = np.round((angle[0] + angle[1]) * n / (2 * np.pi)).astype(int) % n
        assert np.mean(found == data.y_train) > 0.99


def test_a_delay_is_where_two_ears_agree_most() -> None:
    data = tasks.delays()
    frames = data.x_test.frames(tasks.STEPS)
    taps = frames[:, :, : tasks.EARS * tasks.TAPS].reshape(len(frames), tasks.STEPS, tasks.TAPS, tasks.EARS)
    agree = np.einsum("nstc,nsd->nt", taps.astype(float), frames[:, :, tasks.EARS * tasks.TAPS :].astype(float))
    assert np.mean(agree.argmax(axis=1) == data.y_test) > 0.8


def test_what_the_synapses_of_a_net_are_worth(capsys: pytest.CaptureFixture[str]) -> None:
    """A net that has learned loses by the loss of its drive; living synapses are those asked for."""
    few = ("data.train=600", "data.test=100", "train.epochs=6", "network.hidden=[6]", "optimiser.rate=0.03")
    one.main(["pro_anti", "--worth", "--sparsity", "0.5", *(x for word in few for x in ("--set", word))])
    rows = {words[0]: words[1:] for words in map(str.split, capsys.readouterr().out.splitlines()[1:])}
    assert list(rows) == ["fc1", "fc1_gate", "out"]
    assert sum(int(row[2].replace(",", "")) for row in rows.values()) == 606
    first, last = ([float(row[k]) for row in rows.values()] for k in (0, 1))
    assert first[1] == pytest.approx(first[0] / 10, rel=0.1) and last[1] > 5 * first[1]
    assert float(rows["fc1"][-1]) > 0.02 and all(float(x) > 0 for row in rows.values() for x in row[3:5])

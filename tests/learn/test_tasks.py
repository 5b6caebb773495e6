"""What people bring and take, task by task, as a user writes it: public names alone, the way the manual says.

The table of `docs/how-to/training.md` names each of these tests; doors, edges and bytes are tested where each part is.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import neurodev as nd
from neurodev import bridge
from neurodev.cli import main
from neurodev.errors import NeurodevError
from neurodev.learn import (
    LI,
    LIF,
    Adam,
    AveragePool2d,
    Bernoulli,
    Binned,
    Callback,
    Conv2d,
    Flatten,
    Frames,
    Linear,
    Recurrent,
    Sequential,
    Surrogate,
    Trainer,
    eventprop,
    from_nir,
    from_torch,
    load,
    milestones,
    per_step,
    to_nir,
    to_torch,
)  # fmt: skip
from neurodev.methods import rewire
from neurodev.structure.dense import DenseTable

ROOT = Path(__file__).parents[2]
DRAW = np.random.default_rng(15)
WIDE = Surrogate(width=2.0)
X = DRAW.random((160, 6))
TURN = X[:, 0] > X[:, 1]


def net(outputs: int = 2, *last: Any, inputs: tuple[int, ...] = (6,)) -> Sequential:
    ends = last or (LIF(0.5, 0.5, surrogate=WIDE, name="classes"),)
    return Sequential(
        Linear(24, name="in"), LIF(0.5, 0.5, name="hidden"), Linear(outputs, name="out"), *ends, inputs=inputs, seed=1
    )


def trainer(model: Sequential | None = None, data: Any = None, **more: Any) -> Trainer:
    words: dict[str, Any] = {"epochs": 3, "batch": 10, "optimiser": Adam(5e-3), "encoder": Bernoulli(12)}
    return Trainer(model or net(), (X[:120], TURN[:120].astype(int)) if data is None else data, **(words | more))


@pytest.fixture(scope="module")
def learned(tmp_path_factory: pytest.TempPathFactory) -> Trainer:
    """Told left from right in most cases."""
    y = np.where(TURN, "left", "right")
    made = trainer(
        data=nd.data.of_arrays(X, y, test=0.25, seed=3), epochs=8, to=tmp_path_factory.mktemp("tasks") / "run.sqlite"
    )
    return made.fit()


def test_predict(learned: Trainer) -> None:
    """Classes, probabilities, scores, and what the layers did, of plain arrays."""
    model, x, y = learned.model, learned.data.x_test, learned.data.y_test
    assert np.mean(model.predict(x) == y) == learned.history[-1].test_accuracy > 0.7
    chances = model.predict_proba(x)
    np.testing.assert_allclose(chances.sum(axis=1), 1, rtol=1e-6)
    assert (model.scores(x).argmax(axis=1) == model.predict(x)).all()
    counts, spikes = model.activity(x, ["hidden"])["hidden"], model.activity(x, ["hidden"], "spikes")["hidden"]
    potentials = model.activity(x, ["hidden"], "potentials")["hidden"]
    assert counts.shape == (40, 24) and spikes.shape == potentials.shape == (40, 12, 24)
    np.testing.assert_array_equal(counts, spikes.sum(axis=1))
    np.testing.assert_array_equal(spikes, potentials >= 0.5)


def test_save_and_load(learned: Trainer, tmp_path: Path) -> None:
    """A file of plain matrices without padding; the same answers; trained on."""
    learned.model.save(tmp_path / "m.npz")
    again = load(tmp_path / "m.npz")
    np.testing.assert_array_equal(again.predict_proba(X), learned.model.predict_proba(X))
    with np.load(tmp_path / "m.npz") as arrays:
        np.testing.assert_array_equal(arrays["in/weight"].T, learned.model.weights_of()["in"].matrix())
    more = trainer(again, learned.data, encoder=again.trained.encoder, epochs=1).fit()
    assert more.history[-1].train_accuracy > 0.7


def test_a_model_out_of_a_run_and_further(tmp_path: Path) -> None:
    """Any epoch that was kept, the best among them; and a few epochs more."""
    data = nd.data.of_arrays(X, TURN.astype(int), test=0.2, validation=0.2, seed=1)
    made = trainer(data=data, to=tmp_path / "a.sqlite").fit()
    run = made.close()
    np.testing.assert_array_equal(run.model().predict(X), made.model.predict(X))
    best = run.training.best
    assert run.series("validation_accuracy")[best - 1] == run.series("validation_accuracy").max()
    np.testing.assert_array_equal(run.model("best").scores(X), run.model(best).scores(X))
    assert made.extend(epochs=2).close().training.n_epoch == 5


def test_from_and_to_pytorch() -> None:
    """A state_dict, with a mapping or by order; a convolution before a flat layer has its channels turned."""
    model = Sequential(
        Conv2d(3, 3, name="conv"), LIF(0.2, 0.3), AveragePool2d(2), Flatten(), Linear(4, name="out", bias=True), LIF(),
        inputs=(6, 8, 2),
    )  # fmt: skip
    state = {
        "features.0.weight": DRAW.normal(size=(3, 2, 3, 3)), "head.weight": DRAW.normal(size=(4, 3 * 3 * 4)),
        "head.bias": DRAW.normal(size=4),
    }  # fmt: skip
    from_torch(state, model, {"conv": "features.0", "out": "head"})
    back = to_torch(model)
    for ours, theirs in (
        ("conv.weight", "features.0.weight"),
        ("out.weight", "head.weight"),
        ("out.bias", "head.bias"),
    ):
        np.testing.assert_allclose(back[ours], state[theirs], rtol=1e-6)
    mine = model.weights_of()["out"].matrix().reshape(3, 4, 3, 4)  # rows, columns, channels, targets
    np.testing.assert_allclose(mine[1, 2, 0], state["head.weight"].reshape(4, 3, 3, 4)[:, 0, 1, 2], rtol=1e-6)
    other = Sequential(Conv2d(3, 3), LIF(0.2, 0.3), AveragePool2d(2), Flatten(), Linear(4, bias=True), inputs=(6, 8, 2))
    from_torch(state, other)  # by order
    np.testing.assert_array_equal(other.weights_of()["linear1"].matrix(), model.weights_of()["out"].matrix())


class Camera:
    """As a Tonic dataset of an event camera of 8 x 4 pixels; one recording is empty."""

    sensor_size = (8, 4, 2)
    form = np.dtype([("t", "i8"), ("x", "i2"), ("y", "i2"), ("p", "i2")])

    def __init__(self, transform: Any = None) -> None:
        self.transform, self.read = transform, 0

    def __len__(self) -> int:
        return 12

    def __getitem__(self, k: int) -> tuple[Any, int]:
        self.read += 1
        draw, n = np.random.default_rng(k), 0 if k == 3 else 30
        events = np.zeros(n, self.form)
        events["t"] = np.sort(draw.integers(0, 9_999, n))  # microseconds
        events["x"], events["y"] = draw.integers(0, 4, n) + 4 * (k % 2), draw.integers(0, 2, n)  # the upper half
        events["p"] = draw.integers(0, 2, n)
        return (events if self.transform is None else self.transform(events)), k % 2


def test_orientation_is_that_of_tonics_frames() -> None:
    """Channels last or first, rows downwards: the same answers for Tonic's own frames either way round, and events."""
    tonic = pytest.importorskip("tonic")
    bins = tonic.transforms.ToFrame(sensor_size=Camera.sensor_size, time_window=1000, include_incomplete=True)
    theirs = np.zeros((12, 10, 2, 4, 8), np.uint8)  # (n, step, polarity, row, column), as ToFrame makes them
    for k in range(12):
        if k != 3:  # of which Tonic makes frames with rows and columns exchanged
            found = bins(Camera()[k][0])
            theirs[k, : len(found)] = found[:10] > 0
    model = Sequential(
        Conv2d(3, 3, name="conv"), LIF(0.5, 0.2), Flatten(), Linear(2), LI(0.5), inputs=(4, 8, 2), seed=4
    )
    first = model.scores(theirs, encoder=Frames(10), channels="first")
    last = model.scores(nd.learn.channels_last(theirs), encoder=Frames(10))
    np.testing.assert_array_equal(first, last)
    with pytest.raises(NeurodevError, match="channels"):
        model.scores(theirs, encoder=Frames(10))
    row, column = np.nonzero(theirs[0].any(axis=(0, 1)))
    x = nd.data.tonic(Camera(), duration=10.0).x_train
    assert x.grid == (4, 8, 2) and set(row) <= {0, 1} and set(column) <= {0, 1, 2, 3}
    cells = np.unravel_index(x[:1].cells, (2, 4, 8))  # ON cells after OFF cells
    assert set(cells[1]) == set(row) and set(cells[2]) == set(column)  # above is above, left is left
    binned = Binned(10)(x, np.arange(12), 0, 0).by_row.reshape(10, 12, 4, 8, 2)
    np.testing.assert_array_equal(binned.any(axis=0), nd.learn.channels_last(theirs).any(axis=1))


def test_nir_there_and_back(learned: Trainer, tmp_path: Path) -> None:
    nir = pytest.importorskip("nir")
    learned.model.export(tmp_path / "m.nir")
    graph = nir.read(str(tmp_path / "m.nir"))
    for again in (from_nir(graph), from_nir(to_nir(learned.model))):
        np.testing.assert_allclose(again.scores(X, encoder=Bernoulli(12)), learned.model.scores(X), atol=1e-6)
    loop = Sequential(Recurrent(Linear(4), Linear(4), LIF()), inputs=(6,))
    with pytest.raises(NeurodevError, match="NIR cannot say"):
        loop.export(tmp_path / "loop.nir")


def test_own_data_in_one_line() -> None:
    """Arrays, words as labels, a table of pandas: a tuple will do."""
    y = np.where(TURN, "left", "right")
    assert trainer(data=(X, y)).fit().history[-1].train_accuracy > 0.5
    data = nd.data.of_arrays(X, y, test=0.25, validation=0.25)
    assert data.classes == ("left", "right")
    assert [len(part) for part in (data.y_train, data.y_validation, data.y_test)] == [80, 40, 40]
    pandas = pytest.importorskip("pandas")
    np.testing.assert_array_equal(nd.data.of_arrays(pandas.DataFrame(X), pandas.Series(y), test=0).x_train, X)


def test_tonic_objects_with_both_their_returns_and_empty_recordings() -> None:
    """Events, or the frames that its transform makes of them; each sample is read once; one without events counts."""
    tonic = pytest.importorskip("tonic")
    source = Camera()
    data = nd.data.tonic(source, duration=10.0).split(0.25, test=0.25)
    assert source.read == 12 and len(data.y_train) == 6
    model = lambda: Sequential(Flatten(), Linear(2), LIF(0.5, 0.2, surrogate=WIDE), inputs=(4, 8, 2), seed=2)
    events = trainer(model(), data, encoder=Binned(10)).fit()
    assert np.isfinite(events.history[-1].validation_loss)
    framed = Camera(tonic.transforms.ToFrame(sensor_size=Camera.sensor_size, n_time_bins=10))
    frames = nd.data.tonic(framed)
    assert framed.read == 12 and frames.x_train.shape == (12, 10, 4, 8, 2) and not frames.x_train[3].any()
    assert np.isfinite(trainer(model(), frames, encoder=None).fit().history[-1].train_loss)


def test_frames_and_recordings_with_empty_ones() -> None:
    """Lists of inputs (n, steps, ...) need no encoder to be named; a recording without events is answered, too."""
    steps = (DRAW.random((40, 9, 6)) < 0.3).astype(np.uint8)
    y = (steps[:, :, 0].sum(axis=1) > steps[:, :, 1].sum(axis=1)).astype(int)
    made = trainer(net(), (steps, y), encoder=None).fit()
    assert made.encoder == Frames(9) and made.model.predict(steps).shape == (40,)
    e = nd.data.Events
    several = [e(*(np.zeros(0, int) for _ in range(4)), sensor_size=(4, 4)) if k == 1 else
               e(np.full(5, k), np.zeros(5, int), np.ones(5, int), np.arange(5) * 1000, sensor_size=(4, 4))
               for k in range(4)]  # fmt: skip
    x = nd.data.recordings(several, duration=5.0)
    made = trainer(net(inputs=(4, 4, 2)), (x, np.arange(4) % 2), encoder=Binned(5), batch=4).fit()
    assert made.model.predict(x).shape == (4,) and x.counts().sum(axis=1).tolist() == [5, 0, 5, 5]


def test_validation_decides_and_the_test_set_does_not(tmp_path: Path) -> None:
    """Two data sets that differ in their tests alone: the same weights, the same end, the same best epoch."""
    data = nd.data.of_arrays(X, TURN.astype(int), test=0.25, validation=0.25, seed=2)
    other = nd.data.Dataset(
        data.x_train, data.y_train, data.x_test, 1 - data.y_test, data.name, data.classes, data.x_validation,
        data.y_validation,
    )  # fmt: skip
    a, b = (trainer(net(), d, epochs=12, patience=1, to=tmp_path / f"{k}.sqlite").fit() for k, d in
            enumerate((data, other)))  # fmt: skip
    one, two = a.close(), b.close()
    assert one.training.n_epoch == two.training.n_epoch < 12 and one.training.best == two.training.best
    np.testing.assert_array_equal(a.model.weights_of()["in"].matrix(), b.model.weights_of()["in"].matrix())
    np.testing.assert_allclose(one.series("test_accuracy"), 1 - two.series("test_accuracy"))


def test_numbers_and_several_labels() -> None:
    numbers = np.column_stack([X[:, 0] + X[:, 1], X[:, 2] - X[:, 3]]) / 2
    made = trainer(net(2, LI(0.5)), nd.data.of_arrays(X, numbers, test=0.2), epochs=10).fit()
    assert made.history[-1].test_error < made.history[0].test_error and made.model.predict(X).shape == (160, 2)
    labels = nd.data.of_arrays(X, X[:, :2] > 0.5, test=0.2)
    made = trainer(net(2, LI(0.5)), labels, loss="rate_binary_cross_entropy", epochs=12, optimiser=Adam(0.02)).fit()
    run = made.close()
    assert made.model.predict(labels).dtype == bool and run.training.confusion.shape == (2, 2, 2)
    assert (run.training.f1() > 0.6).all()


MINE = '''
"""Mine."""
from dataclasses import dataclass
import numpy as np
from neurodev.learn import LIF, Bernoulli, Callback, Linear, Loss, Surrogate
from neurodev.learn.training.loss import rate_mse

class Bell(Surrogate):
    """A bell."""
    def __call__(self, x):
        return self.height * np.exp(-(np.asarray(x) / self.width) ** 2)

class Quick(LIF):
    """Forgets."""
    def __init__(self, surrogate="rectangle"):
        super().__init__(0.2, 0.5, surrogate=surrogate)

class Wires(Linear):
    """Wires."""

@dataclass(frozen=True)
class Dim(Bernoulli):
    """Half as many spikes."""
    gain: float = 0.5

class Doubled(Loss):
    """Twice as steep."""
    name = "doubled"
    def __call__(self, y, labels, total):
        value, gradient, scores = rate_mse(y, labels, total)
        return 2 * value, gradient.like(2 * gradient.value), scores

class Last(Callback):
    """Stops."""
    def __init__(self, epoch=1):
        self.epoch = epoch
    def epoch_end(self, view):
        view.note(f"loss {view.loss:.3f}")
        if view.epoch == self.epoch:
            view.stop("that will do")
'''
LAYERS = """
[data]
kind = "digits"
train = 100
test = 40
[encoder]
kind = "mine_of_tasks:Dim"
steps = 8
[[network.layers]]
kind = "mine_of_tasks:Wires"
n_out = 20
[[network.layers]]
kind = "mine_of_tasks:Quick"
surrogate = { kind = "mine_of_tasks:Bell", width = 1.0 }
[[network.layers]]
kind = "Linear"
n_out = 10
[[network.layers]]
kind = "LI"
leak = 0.5
[train]
epochs = 4
batch = 20
loss = "mine_of_tasks:Doubled"
[[callback]]
kind = "mine_of_tasks:Last"
epoch = 2
"""


def test_own_parts_and_layer_lists_by_name_in_a_study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A loss, surrogate, neuron, layer, encoder and callback; the run names them, and so does what made it."""
    pytest.importorskip("sklearn")
    monkeypatch.chdir(tmp_path)
    Path("mine_of_tasks.py").write_text(MINE)
    Path("a.toml").write_text(LAYERS)
    assert main(["train", "a.toml", "--quiet"]) == 0
    run = nd.Run("a.sqlite")
    words = {"Dim", "Wires", "Quick", "Bell", "Doubled", "Last"}
    assert {f"mine_of_tasks:{w}" for w in words} <= set(run.file.provenance()["sources"])
    assert run.training.n_epoch == 2 and "that will do" in run.info() and run.training.notes[0][2].startswith("loss")
    assert run.model(trust=True).predict(nd.data.digits().x_test[:3]).shape == (3,)


def test_own_parts_in_python_are_what_is_computed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Twice the loss is twice the value; a steeper surrogate gives other gradients; half the gain half the spikes."""
    space: dict[str, Any] = {"__name__": "typed"}
    exec(MINE.replace("@dataclass(frozen=True)\n", ""), space)
    step = lambda **more: trainer(seed=1, **more).fit(1)
    plain, doubled = step(), step(loss=space["Doubled"]())
    assert doubled.history[0].train_loss > 1.5 * plain.history[0].train_loss
    other = trainer(Sequential(
        Linear(24, name="in"), space["Quick"](space["Bell"](width=1.0)), Linear(2, name="out"), LI(), inputs=(6,)
    )).fit(1)  # fmt: skip
    assert other.history[0].train_loss > 0
    assert not np.array_equal(plain.model.weights_of()["in"].matrix(), doubled.model.weights_of()["in"].matrix())


def test_clipping_accumulation_groups_and_schedules() -> None:
    made = trainer(
        batch=5, accumulate=4, clip_norm=1e-3, groups={"in": {"rate": 0.0}}, schedule=milestones([1], factor=0.1)
    )
    before = made.model.weights_of()["in"].matrix().copy()
    made.fit()
    assert made.steps_per_epoch == 6 and made.history[-1].clipped == 1 and made.history[-1].gradient_norm > 1e-3
    np.testing.assert_array_equal(made.model.weights_of()["in"].matrix(), before)
    assert [e.rate_factor for e in made.history] == pytest.approx([1.0, 0.1, 0.1])
    halves = trainer(schedule=per_step(lambda step: 0.5**step), epochs=1).fit().history[0]
    assert halves.rate_factor == 0.5**11


def test_a_callback_reads_its_view_and_nothing_else() -> None:
    class Watches(Callback):
        """Sees."""

        seen: list[Any] = []

        def batch_end(self, view: nd.learn.View) -> None:
            self.seen.append((view.step, view.progress, view.loss))

        def epoch_end(self, view: nd.learn.View) -> None:
            view.weights("in")[...] = 7.0  # a copy
            view.note(f"density {view.series['density']}")
            with pytest.raises(NeurodevError, match="read only"):
                view.epoch = 9  # type: ignore[misc]

    mine = Watches()
    made = trainer(callbacks=[mine], epochs=2).fit()
    assert [s for s, _, _ in mine.seen] == list(range(1, 25)) and mine.seen[-1][1] == 1.0
    assert made.model.weights_of()["in"].matrix().max() < 7 and len(made.close().training.notes) == 2


def test_numbers_go_elsewhere(learned: Trainer, tmp_path: Path) -> None:
    """All series as CSV and as TensorBoard's events."""
    run = nd.Run(learned.record.path)
    frame = run.training.to_pandas()
    run.export(tmp_path / "series.csv", table="series")
    pandas = pytest.importorskip("pandas")
    table = pandas.read_csv(tmp_path / "series.csv")
    assert {"train_loss", "test_accuracy", "seconds"} <= set(table.columns) and len(frame) == 8
    pytest.importorskip("tensorboardX")
    run.export(tmp_path / "run.tensorboard")
    from neurodev.formats import TensorBoard

    told = TensorBoard().read(tmp_path / "run.tensorboard")
    assert list(told["train_loss"].values()) == pytest.approx(frame["train_loss"], rel=1e-6)


def test_a_log_file_has_a_line_an_epoch(capsys: pytest.CaptureFixture[str]) -> None:
    trainer(progress=True).fit()
    lines = [line for line in capsys.readouterr().err.splitlines() if "epoch" in line]
    assert len(lines) == 3 and not any("\r" in line for line in lines)
    assert re.match(r"\s*33% epoch 1 of 3, loss [\d.]+, [\d.]+ % right in training", lines[0])


def test_where_it_errs(learned: Trainer, capsys: pytest.CaptureFixture[str]) -> None:
    """Confusion, the share and F1 of each class; the calibration of silent layers, with its switch."""
    training = nd.Run(learned.record.path).training
    assert training.confusion.sum() == 40 and training.confusion.trace() / 40 == learned.history[-1].test_accuracy
    np.testing.assert_allclose(training.per_class(), np.diag(training.confusion) / training.confusion.sum(axis=1))
    assert training.f1().shape == (2,)
    weak = lambda: Sequential(
        Linear(24, gain=0.05, name="in"), LIF(0.5, 0.5), Linear(2, name="out"), LIF(0.5, 0.5, surrogate=WIDE),
        inputs=(6,), seed=1,
    )  # fmt: skip
    capsys.readouterr()
    assert trainer(weak()).gains["in"] > 1 and "weights of 'in' times" in capsys.readouterr().err
    assert trainer(weak(), calibrate=False).gains == {} and not capsys.readouterr().err


def test_health_names_layers_and_units(learned: Trainer) -> None:
    made = trainer(epochs=3)
    made.fit(1)
    hidden = made.model.weights_of()["in"]
    hidden.put_matrix(np.full((6, 24), -1.0))
    with pytest.warns(UserWarning) as warned:
        made.fit(1)
    assert any("'hidden' did not fire a single time in epoch 2" in str(w.message) for w in warned)
    told = made.close().training.health()
    assert any("hidden is silent in epoch 2" in line and "lower its threshold" in line for line in told)
    units = made.model.health(X)["hidden"]
    assert units.silent.size == units.units == 24 and "24 of 24 units of 'hidden' never fired" in str(units)
    assert nd.Run(learned.record.path).training.health() == []


@pytest.mark.parametrize("name", ["NDSNN", "SDSNN", "DPAP", "STDS", "SET", "CHSNN"])
def test_a_recurrent_net_under_a_method(name: str, tmp_path: Path) -> None:
    words: dict[str, Any] = {
        "SET": {"sparsity": 0.5},
        "CHSNN": {"sparsity": 0.5},
        "NDSNN": {"sparsity": 0.5, "every": 4},
    }
    words |= {"SDSNN": {"sparsity": 0.5}, "DPAP": {"sparsity": 0.5}, "STDS": {"sparsity": 0.5}}
    model = Sequential(
        Recurrent(Linear(16, name="feed"), Linear(16, name="back"), LIF(0.5, 0.5)), Linear(2, name="out"),
        LIF(0.5, 0.5, surrogate=WIDE), inputs=(6,), seed=1,
    )  # fmt: skip
    made = trainer(model, methods=[getattr(nd.methods, name)(**words[name])], epochs=6, to=tmp_path / "r.sqlite").fit()
    run = made.close()
    assert run.series("density/back")[-1] < 0.8 and run.verify() == sum(
        w.table.n_synapse for w in made.weights().values()
    )


def test_event_layers_with_run_file_causes_tests_and_resume(tmp_path: Path) -> None:
    """Spike times are learned exactly; what a callback prunes has its cause; a break changes no byte."""
    times = np.where(TURN[:, None] == (np.arange(10) < 5), 2.0, 12.0) + DRAW.uniform(0, 4, (160, 10))
    x = nd.data.SpikeTrains.of([(t, np.arange(10)) for t in times], 10, 20.0)
    y = TURN.astype(int)

    def prune(t: eventprop.EventTrainer) -> None:
        table = t.tables()["inputs1"]
        slots = table.slots()
        size = np.abs(table.weight[slots])
        gone = slots[rewire.smallest(size, 5)]
        t.propose("inputs1", [rewire.deaths("prune", gone, "magnitude", np.abs(table.weight[gone]))])

    def made(name: str, **more: Any) -> eventprop.EventTrainer:
        draw, dense = np.random.default_rng(0), DenseTable.full
        layer = eventprop.EventLayer(dense(draw.normal(0.5, 0.3, (10, 20)).astype(np.float32)), duration=40.0)
        out = eventprop.Readout(dense(draw.normal(0, 0.2, (20, 2)).astype(np.float32)), "mean", duration=40.0)
        model = eventprop.EventModel(layer, readout=out)
        return eventprop.EventTrainer(
            model, 2e-2, epochs=4, batch=20, gain=30.0, callbacks=[prune], to=tmp_path / name, **more
        )

    parts = (x[:120], y[:120]), (x[120:], y[120:])
    whole = made("whole.sqlite")
    done = list(whole.fit(*parts[0], test=parts[1]))
    run = whole.close()
    assert done[-1].test_accuracy > 0.6 and run.spines.died_of("magnitude").size == 20 and run.training.n_epoch == 4
    part = made("part.sqlite")
    next(part.fit(*parts[0], test=parts[1]))
    part.record.close("broken off")  # type: ignore[union-attr]
    again = made("part.sqlite", resume=True)
    assert [e.test_loss for e in again.fit(*parts[0], test=parts[1])] == [e.test_loss for e in done[1:]]
    assert (again.model.layers[0].inputs.weight == whole.model.layers[0].inputs.weight).all()


def test_a_trained_net_lives_on_and_is_lesioned(learned: Trainer) -> None:
    """Spike for spike at first; then its synapses are of a developing network, and die."""
    spikes = Bernoulli(12)(learned.data.x_test[:20], np.arange(20), 0, -1)
    net_ = nd.to_network(learned.model, spikes, gap=8, dale=True, spines=["hidden"])
    begin = bridge.onsets(learned.model, spikes, gap=8)
    net_.projections["input_hidden"].use(nd.SpineSize(), nd.STDP(), nd.Turnover())
    sim = nd.Simulation(net_, acceleration=1e5, record="all", progress=False)
    bridge.give_weights(sim, learned.model)
    table = sim.simulator.tables["input_hidden"]
    before = table.n_synapse
    uids = table.uid_of(table.slots())[: before // 2]
    sim.at(0.01 * nd.units.day, nd.RemoveSynapses("input_hidden", uids=uids))
    sim.run(0.2 * nd.units.day)
    run = sim.close()
    assert begin.size == 20 and (np.diff(begin) == 12 + 8 + 2).all()
    deaths = run.log.deaths_by_cause()
    assert 0.8 * (before // 2) < deaths["intervention"] <= before // 2 and len(run.history("input_hidden").sessions) > 0


def test_methods_together_to_a_sparsity_and_shown(capsys: pytest.CaptureFixture[str]) -> None:
    """Two that get on train together, two that do not are told so; each has a sparsity; `show` knows it all."""
    from neurodev.learn.training.combined import why_not

    start, prune = nd.methods.Static(0.3), nd.methods.DPAP(sparsity=0.6, strict=True)
    assert not why_not(start, prune)
    run = trainer(methods=[start, prune], epochs=8).fit().close()
    assert run.series("density")[-1] == pytest.approx(0.4, abs=0.03)
    with pytest.raises(NeurodevError, match="NDSNN.*SET|SET.*NDSNN"):
        trainer(methods=[nd.methods.NDSNN(0.5), nd.methods.SET(0.5)])
    capsys.readouterr()
    for word in ("DPAP", "Linear", "PLIF", "Surrogate", "rate_mse"):
        assert main(["show", word]) == 0, word
        assert "equation" in capsys.readouterr().out


def test_the_manual_names_every_task() -> None:
    """A row a task, with the test that does it and the place where it is told."""
    rows = re.findall(r"^\| .* \| `(test_\w+)` \|$", (ROOT / "docs/how-to/training.md").read_text(), re.MULTILINE)
    mine = set(re.findall(r"^def (test_\w+)", Path(__file__).read_text(), re.MULTILINE))
    assert set(rows) == mine - {"test_the_manual_names_every_task"}

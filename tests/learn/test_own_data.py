"""One's own data in one line, samples set aside, and targets that are numbers or several labels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import neurodev as nd
from neurodev import data, registry
from neurodev.data.dataset import Dataset, SpikeTrains
from neurodev.data.events import Events
from neurodev.errors import ParameterError, RunFileError
from neurodev.learn.core.spikes import Current
from neurodev.learn.layers.linear import Linear
from neurodev.learn.layers.neurons import LI, LIF
from neurodev.learn.model import Sequential
from neurodev.learn.training.encode import Bernoulli, Binned, Frames
from neurodev.learn.training.loss import Loss, as_loss, cube_of, of_targets, spread_evenly
from neurodev.learn.training.optim import Adam
from neurodev.learn.training.trainer import Trainer
from neurodev.metrics.cost import confusion_of_labels
from neurodev.record.runfile import RunFile
from tests.learn.small import WIDE, patterns, trained

DRAW = np.random.default_rng(3)
X = DRAW.random((120, 6))
NUMBERS = np.column_stack([X[:, 0] + X[:, 1], X[:, 2] - X[:, 3]]) / 2


def readout(outputs: int = 2, **more: Any) -> Sequential:
    return Sequential(
        Linear(24), LIF(0.5, 0.5, surrogate=WIDE), Linear(outputs), LI(0.5), **({"inputs": (6,), "seed": 1} | more)
    )


# ---------------------------------------------------------------------- arrays


def test_arrays_in_one_line() -> None:
    y = np.where(X[:, 0] > 0.5, "high", "low")
    d = data.of_arrays(X, y, test=0.25, validation=20, seed=4)
    assert d.classes == ("high", "low") and d.targets == "classes"
    assert [len(getattr(d, f"x_{p}")) for p in ("train", "validation", "test")] == [70, 20, 30]
    rows = np.concatenate([d.x_train, d.x_validation, d.x_test])
    assert np.array_equal(np.unique(rows, axis=0), np.unique(X, axis=0))  # each sample once
    labels = np.concatenate([d.y_train, d.y_validation, d.y_test])
    assert np.array_equal(labels, (rows[:, 0] <= 0.5).astype(int))  # and its label with it
    again = data.of_arrays(X, y, test=0.25, validation=20, seed=4)
    assert np.array_equal(again.x_test, d.x_test)
    assert not np.array_equal(data.of_arrays(X, y, test=0.25, validation=20, seed=5).x_test, d.x_test)


def test_what_targets_say_of_themselves() -> None:
    kinds = {
        "classes": [np.arange(120) % 3, X[:, 0] > 0.5, list("ab" * 60), np.arange(120) % 3 + 1],
        "numbers": [X[:, 0], NUMBERS, NUMBERS.astype(np.float32)],
        "labels": [X[:, :3] > 0.5],
    }
    for kind, examples in kinds.items():
        for y in examples:
            assert data.of_arrays(X, y, test=0).targets == kind, (kind, y)
    assert data.of_arrays(X, np.arange(120) % 3 + 1, test=0).classes == ("1", "2", "3")
    flags = (X[:, :3] > 0.5).astype(int)
    assert data.of_arrays(X, flags, test=0, targets="labels").y_train.dtype == np.uint8
    assert data.of_arrays(X, np.arange(120.0), test=0).n_class == 1
    float_target = Dataset(X, X[:, 0], X, X[:, 0], name="r", classes=("y",))
    assert float_target.targets == "numbers" and float_target.y_test.shape == (120, 1)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"y": np.eye(3)[np.arange(120) % 3]}, "argmax"),
        ({"y": np.arange(119)}, "120 samples in x_train but y_train"),
        ({"y": np.where(X[:, :2] > 0.99, np.nan, X[:, :2])}, "numbers must be finite"),
        ({"targets": "labels", "y": np.arange(240).reshape(120, 2)}, "labels must be 0 or 1"),
        ({"targets": "flags"}, "targets must be 'classes'"), ({"test": 1.5}, "test must"),
        ({"test": 120}, "leave none"),
        ({"test": "half"}, "test must be a share"), ({"validation": -0.1}, "validation must"),
        ({"x": [[1.0], [1.0, 2.0]]}, "x must be an array"), ({"classes": ["a", "b"]}, "label 2 of sample"),
        ({"y": np.arange(120) % 2 + 1_700_000_000}, "1700000001 of sample 1 .*, of which 2 occur: numpy.unique"),
        ({"y": (np.arange(120) % 2) * 10**12, "targets": "classes"}, "one of 1000000000001 classes"),
        ({"y": np.arange(120) % 9 + 2001}, "targets='classes' has them all"),
        ({"y": np.stack([np.arange(120) % 2, np.arange(120) // 60], 1)}, 'say what they are; targets="labels"'),
        ({"y": np.array(["a", None] * 60, dtype=object)}, "None of sample 1 is no word"),
        ({"y": np.array([["a", "b"], ["c", 3]] * 60, dtype=object)}, "3 of sample 1 is no word"),
        ({"y": np.array([1, None] * 60, dtype=object)}, "None of sample 1 is neither a number nor a word"),
        ({"y": np.array([1, 2**70] * 60, dtype=object)}, "of no type of NumPy"),
        ({"y": np.array(["2026-01-01"] * 120, dtype="datetime64[D]")}, "numbers or words, got datetime64.*astype"),
        ({"y": np.ones(120) * 1j}, "must be numbers or words, got complex128$"),
        ({"y": np.array([b"a", b"\xff"] * 60)}, "of sample 1 is not UTF-8"),
        ({"y": np.ma.masked_equal(np.arange(120) % 3, 1)}, "masked entries, first in sample 1"),
        ({"y": np.ma.masked_equal(np.array(list("ab" * 60)), "b")}, "masked entries, first in sample 1"),
        ({"y": 1e300 * NUMBERS}, "of sample 0 is larger than 1e"),
    ],
)  # fmt: skip
def test_doors_of_arrays(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        data.of_arrays(**({"x": X, "y": np.arange(120) % 3} | given))


@pytest.mark.parametrize("kind", ["U", "S", "T", object])
def test_words_are_words_however_they_are_kept(kind: Any) -> None:
    words = np.where(X[:, 0] > 0.5, "high", "l\xf6w")
    kept: Any = [w.encode() for w in words] if kind == "S" else words.astype(kind)
    of_bytes = np.array([w.encode() for w in words], dtype=object) if kind is object else kept
    for y in (kept, of_bytes):
        d = data.of_arrays(X, y, test=0)
        assert d.classes == ("high", "l\xf6w") and np.array_equal(d.y_train, (X[:, 0] <= 0.5).astype(int))
        assert Trainer(readout(), (X[:80], y[:80], X[80:], y[80:]), epochs=1).data.classes == ("high", "l\xf6w")
        turned = data.of_arrays(X, y, test=0, classes=[y[k] for k in (words == "l\xf6w").argsort()[[-1, 0]]])
        assert turned.classes == ("l\xf6w", "high") and np.array_equal(turned.y_train, 1 - d.y_train)


def test_numbers_kept_as_objects_are_numbers() -> None:
    """As a column of a table that was cut out of a mixed one."""
    for y in (np.arange(120) % 3, X[:, 0], X[:, 0] > 0.5):
        a, b = data.of_arrays(X, y, test=0), data.of_arrays(X, y.astype(object), test=0)
        assert a.targets == b.targets and a.classes == b.classes and np.array_equal(a.y_train, b.y_train)
    years = np.arange(120) % 3 + 2000
    assert data.of_arrays(X, years, test=0, classes=range(2010)).n_class == 2010
    assert data.of_arrays(X, years, test=0, targets="classes").n_class == 2003
    assert data.of_arrays(X, np.arange(120) * 9, test=0).n_class == 1072  # enough of them occur


def test_tuples_are_data() -> None:
    y = np.arange(120) % 2
    for given, sizes in (
        ((X, y), (120, 0, 0)), ((X[:80], y[:80], X[80:], y[80:]), (80, 0, 40)),
        ((X[:60], y[:60], X[60:80], y[60:80], X[80:], y[80:]), (60, 20, 40)), ([X, ["ab"[k] for k in y]], (120, 0, 0)),
    ):  # fmt: skip
        d = Trainer(readout(), given, epochs=1).data
        assert (len(d.y_train), 0 if d.y_validation is None else len(d.y_validation), len(d.y_test)) == sizes
    only_first = Trainer(readout(3), (X, y), epochs=1)  # the model says how many classes there are
    assert only_first.data.n_class == 3
    with pytest.raises(ParameterError, match=r"\(X, y\).*got 3 values"):
        Trainer(readout(), (X, y, X), epochs=1)
    with pytest.raises(ParameterError, match="2 outputs, but own has 3 classes"):
        Trainer(readout(), (X, list("abc" * 40)), epochs=1)


def test_a_split_that_is_impossible() -> None:
    d = patterns().split(0.2)
    for call in (lambda: d.split(0.1), lambda: patterns().split(0, test=3), lambda: patterns().split(0.5, test=0.5)):
        with pytest.raises(ParameterError, match="already|leave none"):
            call()
    with pytest.raises(ParameterError, match="go together"):
        Dataset(X, np.arange(120) % 2, X, np.arange(120) % 2, "a", ("a", "b"), X)
    with pytest.raises(ParameterError, match="a validation sample"):
        Dataset(X, np.arange(120) % 2, X, np.arange(120) % 2, "a", ("a", "b"), X[:, :5], np.arange(120) % 2)


# ---------------------------------------------------------------------- recordings and frames


class Once:
    """As a Tonic dataset: events or frames, and a count of how often each sample was read."""

    sensor_size = (4, 4, 2)
    form = np.dtype([("t", "i8"), ("x", "i2"), ("y", "i2"), ("p", "i2")])

    def __init__(self, frames: bool = False, empty: tuple[int, ...] = (2,)):
        self.frames, self.empty, self.read = frames, empty, np.zeros(6, int)

    def __len__(self) -> int:
        return 6

    def __getitem__(self, k: int) -> tuple[Any, int]:
        self.read[k] += 1
        events = np.zeros(0 if k in self.empty else 5, self.form)
        events["t"], events["x"], events["y"], events["p"] = np.arange(events.size) * 1000, k % 4, 1, k % 2
        if not self.frames:
            return events, k % 2
        frames = np.zeros((5, 2, 4, 4), np.int16)  # step, polarity, row, column
        np.add.at(frames, (np.arange(events.size), events["p"], events["y"], events["x"]), 3)
        return frames, k % 2


def test_a_tonic_set_is_read_once() -> None:
    pytest.importorskip("tonic")
    source = Once()
    d = data.tonic(source, duration=10.0)
    assert source.read.tolist() == [1] * 6
    assert isinstance(d.x_train, SpikeTrains) and len(d.x_test) == 0 and d.y_train.tolist() == [0, 1] * 3
    assert np.diff(d.x_train.offsets).tolist() == [5, 5, 0, 5, 5, 5]  # one without events is a sample
    split = d.split(0.17, test=0.34)
    assert [len(split.y_train), len(split.y_validation), len(split.y_test)] == [3, 1, 2]
    model = Sequential(Linear(2), LIF(0.5, 0.1, surrogate=WIDE), inputs=(4, 4, 2))
    assert Trainer(model, split, encoder=Binned(5), epochs=1).fit().history[0].train_loss > 0
    with pytest.raises(ParameterError, match="duration must be given"):
        data.tonic(source)


def test_tonics_frames_are_the_events_in_bins() -> None:
    pytest.importorskip("tonic")
    source = Once(frames=True)
    d = data.tonic(source, Once(frames=True, empty=tuple(range(6))))
    assert source.read.tolist() == [1] * 6 and d.x_train.shape == (6, 5, 4, 4, 2) and not d.x_test.any()
    events = data.tonic(Once(), duration=5.0)
    binned = Binned(5)(events.x_train, np.arange(6), 0, 0)
    framed = Frames(5)(d.x_train, np.arange(6), 0, 0)
    assert np.array_equal(binned.flags, framed.flags)  # rows, columns and polarity at the same places


def test_only_empty_recordings() -> None:
    nothing = Events(*(np.zeros(0, int) for _ in range(4)), sensor_size=(4, 4))
    x = data.recordings([nothing] * 3, duration=5.0)
    assert len(x) == 3 and x.times.size == 0 and x.grid == (4, 4, 2)


# ---------------------------------------------------------------------- validation


def test_validation_has_series_and_the_last_word(tmp_path: Path) -> None:
    d = patterns(60, 20).split(20, seed=1)
    t = trained(data=d, to=tmp_path / "a.sqlite", epochs=4).fit()
    run = t.close()
    for name in ("validation_accuracy", "validation_loss", "test_accuracy"):
        assert run.series(name).shape == (4,)
    assert run.training.reached("validation")[-1] == 100 * t.history[-1].validation_accuracy
    assert "20 validation samples" in run.info()
    found = t.evaluate(on="validation")
    assert found.n == 20 and found.correct / 20 == t.history[-1].validation_accuracy
    with pytest.raises(ParameterError, match="on must be 'train'"):
        trained().evaluate(on="validation")


def test_patience_goes_by_validation_not_by_tests() -> None:
    d = patterns(60, 20).split(20, seed=1)

    def fake(part: str, values: list[float]) -> Any:
        def change(t: Trainer) -> None:
            t.history[-1].series[f"{part}_accuracy"] = values[len(t.history) - 1]

        return change

    falling, rising = [0.9, 0.5, 0.4, 0.3, 0.2, 0.1], [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]
    both = [fake("validation", falling), fake("test", rising)]
    assert len(trained(data=d, patience=2, callbacks=both).fit().history) == 3
    assert len(trained(patience=2, callbacks=[fake("test", rising)]).fit().history) == 6
    both = [fake("validation", rising), fake("test", falling)]
    assert len(trained(data=d, patience=2, callbacks=both).fit().history) == 6
    without = patterns(60, 0).split(20)
    assert len(trained(data=without, patience=1, epochs=2).fit().history) == 2
    with pytest.raises(ParameterError, match="patience=1 needs validation or test samples"):
        trained(data=patterns(60, 0), patience=1)


def test_validation_changes_no_other_number(tmp_path: Path) -> None:
    """The same training samples with and without a validation set: all other series, and the weights, are equal."""
    d = patterns(60, 20).split(20, seed=1)
    bare = Dataset(d.x_train, d.y_train, d.x_test, d.y_test, d.name, d.classes)
    runs = [trained(data=each, to=tmp_path / f"{k}.sqlite") for k, each in enumerate((d, bare))]
    a, b = (t.fit().close() for t in runs)
    assert set(a.series_names) - set(b.series_names) == {"validation_accuracy", "validation_loss"}
    for name in set(b.series_names) - {"seconds", "compile_seconds"}:
        assert np.array_equal(a.series(name), b.series(name), equal_nan=True), name
    for name, w in runs[0].weights().items():
        assert np.array_equal(w.matrix(), runs[1].weights()[name].matrix())


def test_resumed_with_validation_gives_the_same_file(tmp_path: Path) -> None:
    d = patterns(60, 20).split(20, seed=1)
    more: dict[str, Any] = {"data": d, "epochs": 6, "optimiser": Adam(0.01), "checkpoint": 2}
    whole = trained(to=tmp_path / "whole.sqlite", **more).fit().close()
    part = trained(to=tmp_path / "part.sqlite", **more).fit(3)
    part.record.close("broken off")
    again = trained(to=tmp_path / "part.sqlite", resume=True, **more)
    assert again.epoch in (2, 3)
    again.fit().close()
    with RunFile.open(tmp_path / "part.sqlite") as found:
        for name in whole.file.names():
            if "seconds" not in name:
                np.testing.assert_array_equal(whole.file.read(name), found.read(name), err_msg=name)
        assert found.item("best", None) == whole.file.item("best", None)
        assert [tick for tick, _ in found.checkpoints()] == [tick for tick, _ in whole.file.checkpoints()]


# ---------------------------------------------------------------------- numbers and labels


def test_regression_learns(tmp_path: Path) -> None:
    d = data.of_arrays(X, NUMBERS, test=0.2, validation=0.1)
    t = Trainer(
        readout(), d, encoder=Bernoulli(20), epochs=12, batch=10, optimiser=Adam(0.01),
        to=tmp_path / "a.sqlite",
    )  # fmt: skip
    run = t.fit().close()
    last = t.history[-1]
    assert last.test_error < 0.8 * t.history[0].test_error and "test_accuracy" not in last.series
    assert last.test_r2 == pytest.approx(1 - last.test_error**2 / np.var(d.y_test, axis=0).mean())
    assert run.training.measure == "error" and run.training.best == 1 + int(np.argmin(run.series("validation_error")))
    assert f"{last.test_error:.4g}" in run.info() and f"{last.test_error:.4g}" in repr(t)
    assert "error" in run.training.sentence()
    with pytest.raises(RunFileError, match="where targets are classes or labels"):
        _ = run.training.confusion
    assert "error" in nd.plot.accuracy_and_density(run).axes[0].get_ylabel()
    assert run.training.to_pandas()["test_error"].iloc[-1] == last.test_error


@pytest.mark.parametrize("threads", [1, 2])
def test_the_error_is_the_root_of_the_mean_square(threads: int) -> None:
    d = data.of_arrays(X, NUMBERS, test=0.2)
    t = Trainer(readout(), d, epochs=1, batch=10, threads=threads).fit()
    scores = np.zeros((24, 2), np.float32)
    make = lambda ids: t._encode(d.x_test, ids, -2)
    t.workers.run(make, np.arange(24), d.y_test, False, scores)
    assert t.history[-1].test_error == pytest.approx(np.sqrt(((scores - d.y_test) ** 2).mean()), rel=1e-6)
    assert t.history[-1].test_loss == pytest.approx(t.history[-1].test_error ** 2, rel=1e-5)


@pytest.mark.parametrize("loss", ["rate_mse", "rate_binary_cross_entropy"])
def test_several_labels_are_learned(loss: str) -> None:
    y = X[:, :2] > 0.5
    t = Trainer(readout(), data.of_arrays(X, y), epochs=15, batch=10, loss=loss, optimiser=Adam(0.02)).fit()
    assert t.history[-1].train_accuracy > 0.75 > 0.1 + t.history[0].train_accuracy
    cut = 0.5 if loss == "rate_mse" else 0.0
    d, scores = t.data, np.zeros((24, 2), np.float32)
    t.workers.run(lambda ids: t._encode(d.x_test, ids, -2), np.arange(24), d.y_test, False, scores)
    assert t.history[-1].test_accuracy == pytest.approx(((scores > cut) == d.y_test).mean())
    run = t.close()  # what was decided of each label
    table, told, there = run.training.confusion, scores > cut, d.y_test > 0
    np.testing.assert_array_equal(table, confusion_of_labels(there, told))
    np.testing.assert_array_equal(table, t.confusion)
    np.testing.assert_allclose(run.training.per_class(), (told & there).sum(axis=0) / there.sum(axis=0))
    np.testing.assert_allclose(run.training.f1(), 2 * (told & there).sum(axis=0) / (told.sum(0) + there.sum(0)))


@pytest.mark.parametrize(
    ("loss", "kind"), [("rate_mse", "numbers"), ("rate_mse", "labels"), ("rate_binary_cross_entropy", "labels")]
)
def test_gradients_of_other_targets(loss: str, kind: str) -> None:
    draw = np.random.default_rng(1)
    values, f = draw.normal(size=(3, 4, 2)), registry.ours("loss")[loss]
    y = draw.normal(size=(4, 2)) if kind == "numbers" else draw.integers(0, 2, (4, 2)).astype(np.uint8)
    make = lambda v: Current(np.ascontiguousarray(v).reshape(-1, 2), 3, 4, (2,))
    gradient = f(make(values), y, 4)[1].by_row.reshape(values.shape)
    for at in np.ndindex(values.shape):
        moved = [values.copy() for _ in range(2)]
        moved[0][at] += 1e-5
        moved[1][at] -= 1e-5
        a, b = (f(make(v), y, 4)[0] for v in moved)
        assert gradient[at] == pytest.approx((a - b) / 2e-5, abs=1e-8)


def test_a_loss_says_which_targets_it_takes() -> None:
    numbers, classes = data.of_arrays(X, NUMBERS), data.of_arrays(X, np.arange(120) % 2)
    with pytest.raises(
        ParameterError, match=r"takes classes, but the targets .* are numbers: take one of \['rate_mse'"
    ):
        Trainer(readout(), numbers, loss="rate_cross_entropy")
    with pytest.raises(ParameterError, match="takes labels, but the targets of the data are classes"):
        Trainer(readout(), classes, loss="rate_binary_cross_entropy")
    for word, loss in registry.ours("loss").items():
        assert set(loss.targets) <= {"classes", "numbers", "labels"}, word

    @of_targets("numbers")
    def absolute(y: Any, wanted: Any, total: int) -> Any:
        rate = cube_of(y).mean(axis=0)
        off = rate - wanted.astype(rate.dtype)
        scale = rate.dtype.type(1 / (off.shape[1] * total))
        return float(np.abs(off).sum()) * float(scale), spread_evenly(y, np.sign(off) * scale), rate

    assert Trainer(readout(), numbers, loss=absolute, epochs=1).fit().history[0].train_loss > 0
    with pytest.raises(ParameterError, match="takes numbers"):
        Trainer(readout(), classes, loss=absolute)

    class Within(Loss, word=False):
        """Worth 1 where both numbers are met within .5."""

        targets = ("numbers",)

        def __call__(self, y: Any, labels: Any, total: int) -> Any:
            return as_loss("rate_mse")(y, labels, total)

        def right(self, scores: Any, labels: Any) -> Any:
            return (np.abs(scores - labels) < 0.5).all(axis=1)

    t = Trainer(readout(), numbers, loss=Within(), epochs=1).fit()
    assert 0 <= t.history[0].test_error <= 1

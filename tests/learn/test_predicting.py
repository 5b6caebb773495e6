"""What a trained model is asked: predictions as the trainer's evaluation, and the activity of its layers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import neurodev as nd
from neurodev.data.dataset import Dataset, SpikeTrains
from neurodev.errors import ParameterError
from neurodev.learn import (
    LI,
    LIF,
    AdaptiveLIF,
    AveragePool2d,
    BatchNorm,
    Bernoulli,
    Binned,
    Conv2d,
    Direct,
    Dropout,
    Flatten,
    Linear,
    Recurrent,
    Repeat,
    Sequential,
    Spikes,
    channels_first,
    channels_last,
)  # fmt: skip
from neurodev.learn.predicting import Trained
from tests.learn.small import net, patterns, trained

DRAW = np.random.default_rng(3)


@pytest.mark.parametrize("loss", ["rate_mse", "rate_cross_entropy", "first_spike_cross_entropy"])
def test_predictions_are_those_of_the_last_evaluation(loss: str) -> None:
    t = trained(loss=loss, epochs=3).fit()
    data, model = t.data, t.model
    found = model.predict(data)
    assert found.dtype == np.int64 and found.shape == data.y_test.shape
    told = np.zeros_like(t.confusion)
    np.add.at(told, (data.y_test, found), 1)
    np.testing.assert_array_equal(told, t.confusion)
    np.testing.assert_array_equal(model.predict(data.x_test, batch=5), found)
    assert t.train_step(np.arange(4)).n == 4  # nothing of the training was touched


def test_probabilities_are_a_softmax_or_shares() -> None:
    shares = trained(epochs=2).fit().model
    scores, found = shares.scores(patterns()), shares.predict_proba(patterns())
    np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-6)
    busy = scores.sum(axis=1) > 0
    np.testing.assert_allclose(found[busy], scores[busy] / scores[busy].sum(axis=1, keepdims=True), rtol=1e-6)
    silent = shares.predict_proba(np.zeros((2, 6)))
    np.testing.assert_allclose(silent, 1 / 3, rtol=1e-6)
    softmax = trained(loss="rate_cross_entropy", epochs=1).fit().model
    z = softmax.scores(patterns()).astype(float)
    np.testing.assert_allclose(
        softmax.predict_proba(patterns()), np.exp(z) / np.exp(z).sum(axis=1, keepdims=True), rtol=1e-5
    )


def test_outputs_that_are_numbers_or_labels(tmp_path: Path) -> None:
    """What a training on other targets than classes leaves behind, by hand."""

    def squares(y: Any, labels: Any, total: int) -> Any:
        assert labels.shape == (y.batch, y.n)
        return 0.0, y, y.by_row.reshape(y.steps, y.batch, -1).mean(axis=0)

    model = Sequential(Linear(3), LI(0.5), inputs=(6,))
    x = DRAW.random((4, 6))
    vars(model)["_trained"] = Trained(Bernoulli(5), squares, 3, targets="numbers")
    scores = model.scores(x)
    np.testing.assert_array_equal(model.predict(x), scores)
    with pytest.raises(ParameterError, match="have no probability"):
        model.predict_proba(x)
    again = nd.learn.load(model.save(tmp_path / "m.npz"))  # its loss has no name: the mean is read
    np.testing.assert_allclose(again.predict(x), scores)
    vars(model)["_trained"] = Trained(Bernoulli(5), squares, 3, targets="labels")
    np.testing.assert_array_equal(model.predict(x), scores > 0.5)
    np.testing.assert_array_equal(model.predict_proba(x), np.clip(scores, 0, 1))


def test_asking_changes_nothing() -> None:
    """Neither what layers count, nor switches, nor who watches them, nor the bytes of a training."""
    seen: list[Any] = []
    plain, asked = trained(epochs=2), trained(epochs=2, callbacks=[lambda t: seen.append(t.model.activity(patterns()))])
    for t in (plain, asked):
        t.fit()
    for a, b in zip(plain.history, asked.history, strict=True):
        assert {k: v for k, v in a.series.items() if "seconds" not in k} == {
            k: v for k, v in b.series.items() if "seconds" not in k
        }
    assert len(seen) == 2 and all(layer.watch is None for layer in asked.model.layers())


def by_hand(model: Sequential, x: Any, leak: float) -> tuple[Any, Any]:
    """Potentials and spikes of the neurons of `net`, in NumPy."""
    u = np.zeros((x.steps, x.batch, 12))
    s = np.zeros(u.shape)
    w = model.weights_of()["fc"].matrix().astype(float)
    drive = x.by_row.reshape(x.steps, x.batch, -1) @ w
    for t in range(x.steps):
        v = np.where(s[t - 1] > 0, 0, u[t - 1]) if t else 0.0
        u[t] = leak * v + drive[t]
        s[t] = u[t] >= 0.5
    return u.swapaxes(0, 1), s.swapaxes(0, 1)


def test_steps_that_a_method_hides_are_hidden(tmp_path: Path) -> None:
    """DPAP may leave out steps of the input: predictions leave them out too, also those of a saved model."""

    class Half(nd.learn.Method):
        def living_steps(self) -> Any:
            return np.array([True, False, True, False])

    t = trained(methods=[Half()], epochs=2).fit()
    found = t.model.predict(patterns())
    assert t.confusion[patterns().y_test, found].all() and t.confusion.trace() == (found == patterns().y_test).sum()
    x = t.encoder(patterns().x_test, np.arange(12), t.seed, -1)
    half = Spikes(np.ascontiguousarray(x.by_row.reshape(4, 12, 6)[::2]).reshape(24, 6), 2, 12, (6,))
    np.testing.assert_array_equal(t.model.scores(half), t.model.scores(patterns()))
    again = nd.learn.load(t.model.save(tmp_path / "m.npz"))
    np.testing.assert_array_equal(again.scores(patterns()), t.model.scores(patterns()))


def test_counts_spikes_and_potentials_against_numpy() -> None:
    model = net(kind=np.float64)
    x = Bernoulli(7)(DRAW.random((9, 6)), np.arange(9), 0, 0)
    u, s = by_hand(model, x, 0.2)
    np.testing.assert_allclose(model.activity(x, ["lif1"], "potentials", batch=4)["lif1"], u, atol=1e-12)
    np.testing.assert_array_equal(model.activity(x, ["lif1"], "spikes")["lif1"], s)
    np.testing.assert_array_equal(model.activity(x, ["lif1"])["lif1"], s.sum(axis=1))
    assert list(model.activity(x)) == ["lif1", "lif2"]
    assert model.activity(x, ["fc"], "values")["fc"].shape == (9, 7, 12)


@pytest.mark.parametrize("what", ["counts", "spikes", "potentials", "values"])
@pytest.mark.parametrize("currents", [False, True])
def test_of_no_samples_nothing_in_its_shape(what: str, currents: bool) -> None:
    first = [BatchNorm(), LIF()] if currents else []
    model = Sequential(*first, Conv2d(2, 3), LIF(name="a"), Flatten(), Linear(3), LIF(), inputs=(5, 6, 1), seed=1)
    x = np.ones((4, 5, 6, 1))
    encoder = Direct() if currents else Bernoulli(3)
    some, none = (model.activity(x[:n], what=what, encoder=encoder) for n in (4, 0))
    assert list(some) == list(none)
    assert {k: (0, *v.shape[1:]) for k, v in some.items()} == {k: v.shape for k, v in none.items()}
    assert all(some[k].dtype == none[k].dtype for k in some)


def test_layers_of_all_kinds_are_told_with_their_shapes() -> None:
    model = Sequential(
        Conv2d(4, name="conv"), LIF(0.2, 0.5, name="a"), AveragePool2d(2), Flatten(), Dropout(0.5),
        Recurrent(Linear(5), Linear(5, name="back"), AdaptiveLIF(name="b")), Linear(3), LI(name="out"),
        inputs=(6, 8, 2),
    )  # fmt: skip
    x = DRAW.random((3, 6, 8, 2)).astype(np.float32)
    counts = model.activity(x, encoder=Bernoulli(5))
    assert {k: v.shape for k, v in counts.items()} == {"a": (3, 6, 8, 4), "b": (3, 5)}
    u = model.activity(x, what="potentials", encoder=Bernoulli(5))
    assert {k: v.shape for k, v in u.items()} == {"a": (3, 5, 6, 8, 4), "b": (3, 5, 5), "out": (3, 5, 3)}
    spikes = model.activity(x, ["a", "b"], "spikes", encoder=Bernoulli(5))
    np.testing.assert_array_equal(spikes["a"].sum(axis=1), counts["a"])
    np.testing.assert_array_equal(spikes["a"], u["a"] >= 0.5)  # pooled in one pass otherwise
    np.testing.assert_allclose(u["out"].mean(axis=1), model.scores(x, encoder=Bernoulli(5)), rtol=1e-5)
    one = Sequential(Linear(3), Repeat(4), LIF(), inputs=(6,))
    assert one.activity(np.ones((2, 6)), ["lif1"], "spikes", encoder=Direct())["lif1"].shape == (2, 4, 3)


def test_channels_first_is_turned_and_a_mistake_is_told() -> None:
    model = Sequential(Conv2d(3), LIF(0.2, 0.3), Flatten(), Linear(2), inputs=(5, 4, 2))
    x = DRAW.random((6, 5, 4, 2)).astype(np.float32)
    want = model.scores(x, encoder=Bernoulli(4))
    np.testing.assert_array_equal(model.scores(channels_first(x), encoder=Bernoulli(4), channels="first"), want)
    np.testing.assert_array_equal(channels_last(channels_first(x)), x)
    with pytest.raises(ParameterError, match="channels='first'"):
        model.scores(channels_first(x), encoder=Bernoulli(4))
    frames = (DRAW.random((6, 4, 5, 4, 2)) < 0.3).astype(np.uint8)  # n, steps, rows, columns, channels
    np.testing.assert_array_equal(model.scores(channels_first(frames), channels="first"), model.scores(frames))
    for wrong in (np.zeros((3, 4)), "no", [[1], [2, 3]]):
        with pytest.raises(ParameterError, match="x must be"):
            channels_last(wrong)


def test_recordings_lie_as_tonic_has_them() -> None:
    """An event at (x, y, p) arrives in channel p, row y, column x of our trains and of Tonic's frames."""
    sensor = (8, 4)
    x, y, p = (np.array(v) for v in ([5, 0, 7], [1, 3, 0], [0, 1, 1]))
    trains = nd.data.recordings([nd.data.Events(x, y, p, np.zeros(3, dtype=int), sensor)], duration=1.0)
    mine = Binned(1)(trains, np.array([0]), 0, 0).dense().reshape(1, 4, 8, 2)
    tonic = pytest.importorskip("tonic")
    events = np.array([*zip(x, y, p, [0, 0, 0], strict=True)], dtype=[(k, int) for k in "xypt"])
    theirs = tonic.transforms.ToFrame(sensor_size=(8, 4, 2), event_count=3)(events)  # steps, channels, rows, columns
    np.testing.assert_array_equal(mine[0], channels_last(theirs)[0])
    model = Sequential(Conv2d(2, 3), LIF(0.2, 0.1), Flatten(), Linear(2), inputs=(4, 8, 2))
    np.testing.assert_array_equal(
        model.scores(trains, encoder=Binned(1)), model.scores((theirs[None] > 0).astype(np.uint8), channels="first")
    )


def test_recordings_and_signals_are_samples_too() -> None:
    model = Sequential(Linear(3), LIF(0.2, 0.3), inputs=(6,))
    trains = SpikeTrains.of([([0.1, 0.8], [0, 5]), ([], [])], 6, 1.0)
    x = Binned(4)(trains, np.arange(2), 0, 0)
    np.testing.assert_array_equal(model.predict(trains, encoder=Binned(4)), model.predict(x))
    flags = x.by_row.reshape(4, 2, 6).swapaxes(0, 1)
    np.testing.assert_array_equal(model.scores(flags), model.scores(x, batch=1))
    assert model.predict(flags[:0], encoder=Bernoulli(2)).shape == (0,)
    counts = Spikes(np.full((2, 6), 3, np.uint8), 1, 2, (6,))
    np.testing.assert_array_equal(model.scores(counts, batch=1), model.scores(counts))


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda m: m.predict(np.ones((2, 6))), "encoder is not known"),
        (lambda m: m.predict(np.ones(6), encoder=Bernoulli(2)), r"give X\[None\]"),
        (lambda m: m.predict(np.ones((2, 7)), encoder=Bernoulli(2)), r"shape \(7,\)"),
        (lambda m: m.predict("no", encoder=Bernoulli(2)), "X must be samples"),
        (lambda m: m.predict(np.ones((2, 6)), encoder=Bernoulli), "encoder must be"),
        (lambda m: m.predict(np.ones((2, 6)), encoder=Bernoulli(2), batch=0), "batch"),
        (lambda m: m.predict(np.ones((2, 6)), channels="middle"), "channels"),
        (lambda m: m.activity(np.ones((2, 6)), ["lif"], encoder=Bernoulli(2)), "no layer 'lif'.*lif1"),
        (lambda m: m.activity(np.ones((2, 6)), ["fc"], encoder=Bernoulli(2)), "'fc'.*what='values'"),
        (lambda m: m.activity(np.ones((2, 6)), ["fc"], "potentials", encoder=Bernoulli(2)), "has no potentials"),
        (lambda m: m.activity(np.ones((2, 6)), "fc", encoder=Bernoulli(2)), "layers must be a list"),
        (lambda m: m.activity(np.ones((2, 6)), what="thoughts"), "what"),
        (lambda m: Sequential(Linear(3)).predict(np.ones((2, 6))), "must be built"),
        (
            lambda m: m.predict(np.ma.masked_greater(np.eye(6), 0.5), encoder=Direct()),
            "X: masked entries, first in sample 0",
        ),
        (lambda m: m.activity(np.ma.masked_greater(np.eye(6), 0.5), encoder=Direct()), "X: masked entries"),
        (lambda m: m.predict([nd.data.Events(*[np.array([0])] * 4, (2, 2))]), "nd.data.recordings"),
    ],
)
def test_what_does_not_fit_is_named(call: Any, said: str) -> None:
    with pytest.raises(ParameterError, match=said):
        call(net())


def test_a_data_set_stands_for_its_test_samples() -> None:
    t = trained(epochs=1).fit()
    data = patterns()
    assert isinstance(data, Dataset)
    np.testing.assert_array_equal(t.model.scores(data), t.model.scores(data.x_test))
    assert not np.array_equal(t.model.scores(data, seed=9), t.model.scores(data))

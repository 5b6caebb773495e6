"""CH-SNN: scores of hand-made graphs, brute force over paths, and what an exchange does to a net."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

import neurodev as nd
from analysis import rivals
from neurodev import methods
from neurodev.data.dataset import Dataset
from neurodev.errors import ParameterError, StudyError
from neurodev.learn.core.storage import dense_image
from neurodev.learn.layers.linear import Linear
from neurodev.learn.layers.neurons import LIF
from neurodev.learn.model import Recurrent, Sequential
from neurodev.learn.training.encode import Bernoulli, Direct
from neurodev.learn.training.optim import Adam, cosine
from neurodev.learn.training.trainer import Trainer
from neurodev.methods import rewire
from neurodev.methods.paths import ch3_l3, idle, removal_score
from neurodev.methods.tensors import tensors
from neurodev.structure.cause import CAUSES
from neurodev.studies import reading
from tests.learn.test_trainer import little_data
from tests.methods.test_methods import image_model, model, trainer


def slow_score(alive: np.ndarray) -> np.ndarray:
    """CH3-L3 by walking all simple paths of length three of the graph with both layers as nodes."""
    n_source, n_target = alive.shape
    near = {("s", i): {("t", j) for j in range(n_target) if alive[i, j]} for i in range(n_source)}
    near |= {("t", j): {("s", i) for i in range(n_source) if alive[i, j]} for j in range(n_target)}
    out = np.zeros(alive.shape)
    for i, j in itertools.product(range(n_source), range(n_target)):
        s, t = ("s", i), ("t", j)
        if t in near[s]:
            continue
        ways = [(b, a) for b in near[s] for a in near[b] if a != s and t in near[a] and b != t]
        community = {node for way in ways for node in way}
        outside = {node: len(near[node] - community - {s, t}) for node in community}
        out[i, j] = sum(1 / np.sqrt((1 + outside[b]) * (1 + outside[a])) for b, a in ways)
    return out


@pytest.mark.parametrize(
    ("rows", "pair", "expected"),
    [
        # one path s0 - t0 - s1 - t1, nothing leads out
        (["10", "11"], (0, 1), 1.0),
        # the same with another source at t0, which leads to nowhere: e of t0 is 1
        (["100", "110", "100"], (0, 1), 1 / np.sqrt(2)),
        # and another target of s1 beside it: e of s1 is 1 too
        (["100", "111", "100"], (0, 1), 1 / 2),
        # two paths, over s1 and s2, which both hear t0 and reach t1: the community holds both, e of t0 is 0
        (["10", "11", "11"], (0, 1), 2.0),
        # two steps over two targets each: t0 and t1 both shared with s1
        (["110", "111"], (0, 2), 2.0),
        # no path
        (["10", "01"], (0, 1), 0.0),
        # a pair that has a synapse has no score
        (["11", "11"], (0, 1), 0.0),
    ],
)
def test_scores_of_graphs_small_enough_to_count(rows: list[str], pair: tuple[int, int], expected: float) -> None:
    alive = np.array([[c == "1" for c in row] for row in rows])
    assert ch3_l3(alive)[pair] == pytest.approx(expected)
    assert ch3_l3(alive.T)[pair[::-1]] == pytest.approx(expected)  # a path leads both ways
    assert slow_score(alive)[pair] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("shape", "density"), [((9, 7), 0.3), ((5, 11), 0.4), ((8, 8), 0.8), ((6, 6), 0.1), ((1, 4), 0.5)]
)
def test_scores_against_all_paths_walked(shape: tuple[int, int], density: float) -> None:
    for seed in range(4):
        alive = np.random.default_rng(seed).random(shape) < density
        np.testing.assert_allclose(ch3_l3(alive), slow_score(alive), rtol=1e-12)


@pytest.mark.parametrize("bad", [np.ones(3, dtype=bool), np.ones((2, 2)), None])
def test_scores_of_what_is_no_graph(bad: Any) -> None:
    with pytest.raises(ParameterError, match="alive must be True or False for each pair"):
        ch3_l3(bad)


def test_removal_score_is_strength_and_share() -> None:
    """|w| over 4, and |w| over the sums of its source and of its target, over the largest of these."""
    w = np.array([[4.0, 0.0], [-1.0, 3.0]])
    np.testing.assert_allclose(removal_score(w, 1.0), np.abs(w) / 4)
    share = np.array([[4 / 4 + 4 / 5, 0], [1 / 4 + 1 / 5, 3 / 4 + 3 / 3]])
    np.testing.assert_allclose(removal_score(w, 0.0), share / share.max())
    np.testing.assert_allclose(removal_score(w, 0.25), 0.25 * np.abs(w) / 4 + 0.75 * share / share.max())
    assert not removal_score(np.zeros((2, 3)), 0.5).any()


def test_idle_units_have_one_side_only() -> None:
    below = np.array([[1, 0, 0, 1]], dtype=bool)
    above = np.array([[1], [1], [0], [0]], dtype=bool)
    assert idle(below, above).tolist() == [False, True, False, True]  # the third has neither and nothing to lose


# ---------------------------------------------------------------- at the beginning


def paired_inputs() -> Dataset:
    """Eight inputs, of which 0 and 1, 2 and 3, ... are equal; all pairs are equally likely."""
    draw = np.random.default_rng(0)
    x = np.repeat(draw.random((120, 4)) < 0.5, 2, axis=1).astype(np.float32)
    y = draw.integers(0, 2, 120)
    return Dataset(x[:100], y[:100], x[100:], y[100:], name="pairs", classes=("a", "b"))


def test_first_structure_joins_correlated_inputs() -> None:
    """Unit j stands for input j; the strongest eight pairs are those of each input with its twin, not with itself."""
    net = Sequential(Linear(8, name="hidden"), LIF(0.5, 0.5), Linear(2, name="out"), inputs=(8,), seed=1)
    method = methods.CHSNN(sparsity=1 - 8 / 64, layers=("hidden",))
    t = Trainer(net, paired_inputs(), methods=[method], encoder=Direct(), epochs=3, loss="rate_cross_entropy", batch=50)
    at = np.argwhere(rewire.occupancy(t.weights()["hidden"].table))
    assert [tuple(p) for p in at] == [(i, i ^ 1) for i in range(8)]
    assert t.weights()["hidden"].storage == "sparse" and t.weights()["out"].table.n_synapse == 16
    t.close()


@pytest.mark.parametrize("looked", [True, False])
def test_first_weights_make_currents_of_the_width_asked_for(looked: bool) -> None:
    """Variance of a weight, times the inputs of a unit and their spikes a step, is the square of the width."""
    data = little_data()
    net = Sequential(Linear(400, name="hidden"), LIF(0.5, 0.5), Linear(3, name="out"), LIF(0.5, 0.5), inputs=(16,))
    method = methods.CHSNN(0.5, width=0.7, correlated=looked)
    t = Trainer(net, data, methods=[method], encoder=Bernoulli(8), calibrate=False)
    spikes = float(t.encoder(data.x_train, np.arange(len(data.y_train)), 0, 0).by_row.mean())
    for name, rate in (("hidden", spikes if looked else 0.1), ("out", 0.1)):  # what nobody looked at is expected
        table = t.weights()[name].table
        found = float(np.var(table.weight[table.slots()])) * table.n_synapse / table.n_target * rate
        assert found == pytest.approx(0.49, rel=0.1)
    t.close()


def test_given_weights_are_not_drawn_again() -> None:
    net = model()
    net.weights_of()["hidden"].put_matrix(np.full((16, 24), 0.25))
    t = trainer(methods.CHSNN(0.75), net)
    table = t.weights()["hidden"].table
    assert len(set(table.weight[table.slots()].tolist())) == 1
    t.close()


@pytest.mark.parametrize(("convolutions", "sparse"), [("dense", False), ("static", True)])
def test_convolutions_stay_as_they_begin(convolutions: str, sparse: bool) -> None:
    method = methods.CHSNN(0.7, convolutions=convolutions, division="uniform")
    t = trainer(method, image_model())
    before = rewire.occupancy(t.weights()["conv"].table)
    assert before.all() != sparse
    t.fit()
    np.testing.assert_array_equal(rewire.occupancy(t.weights()["conv"].table), before)
    assert t.history[0].series["births/fc"] > 0
    t.close()
    with pytest.raises(StudyError, match="'conv' is a convolution: name others with layers="):
        trainer(methods.CHSNN(0.7, layers=("conv",)), image_model())


# ---------------------------------------------------------------- the exchange


def test_an_exchange_removes_the_weakest_and_grows_the_best_joined() -> None:
    """Against sorted lists: removal by score, units left without a side, growth by paths walked one by one."""
    method = methods.CHSNN(0.7, share=0.4, rest=1.0)
    t = trainer(method)
    draw = np.random.default_rng(3)
    before, kept, score = {}, {}, {}
    for x in tensors(t):
        slots = x.table.slots()
        x.table.weight[slots] = draw.normal(size=slots.size)
        before[x.name], w = rewire.occupancy(x.table), dense_image(x.table).astype(np.float64)
        score[x.name] = removal_score(w, method.mix)
        living = sorted((score[x.name][p], p) for p in zip(*np.nonzero(before[x.name]), strict=True))
        kept[x.name] = before[x.name].copy()
        for _, p in living[: int(0.4 * len(living))]:
            kept[x.name][p] = False
    while (out := idle(kept["hidden"], kept["out"])).any():
        kept["hidden"][:, out] = False
        kept["out"][out] = False
    method.epoch_end(t)
    for x in tensors(t):
        now = rewire.occupancy(x.table)
        grown, worth = now & ~kept[x.name], slow_score(kept[x.name])
        assert now.sum() == before[x.name].sum() and now[kept[x.name]].all()
        free = ~kept[x.name]
        least = worth[grown].min()
        assert (worth[free & ~grown] <= least + 1e-12).all()
        assert not dense_image(x.table)[grown & ~before[x.name]].any()  # newborn ones begin at 0
        stayed = grown & before[x.name]
        assert dense_image(x.table)[stayed].all()  # removed and grown at once: as they were
    t.close()


def test_a_training_says_who_was_born_why() -> None:
    method = methods.CHSNN(0.8, rest=1.0)
    t = trainer(method, epochs=5)
    t.fit()
    run = t.close()
    words = {
        CAUSES[int(code)] for lives in (run.spines.cause, run.spines.birth_cause[run.spines.born > 0])
        for code in np.unique(lives[lives >= 0])
    }  # fmt: skip
    assert words >= {"strength", "path"} and words <= {"initial", "strength", "idle", "path", "random"}
    assert run.verify() > 0
    assert {e.density for e in t.history} == {t.history[0].density}
    assert t.history[-1].series["births/hidden"] == 0  # what is grown last would never learn
    assert sum(e.series["births/hidden"] for e in t.history) > 0


def test_a_tensor_whose_removed_grow_back_rests() -> None:
    method = methods.CHSNN(0.6, rest=1e-9)
    t = trainer(method, epochs=5)
    t.fit()
    assert [e.series["resting/hidden"] for e in t.history][1:] == [1.0] * 4
    assert all(e.series["births/hidden"] == 0 for e in t.history[2:])
    t.close()


def test_recurrent_tensors_are_rewired_too() -> None:
    net = Sequential(
        Recurrent(Linear(20, name="feed"), Linear(20, name="back"), LIF(0.5, 0.5)), Linear(3, name="out"),
        LIF(0.5, 0.5), inputs=(16,), seed=2,
    )  # fmt: skip
    t = trainer(methods.CHSNN(0.7, rest=1.0), net)
    t.fit()
    assert all(sum(e.series[f"births/{n}"] for e in t.history) > 0 for n in ("feed", "back"))
    t.close()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ({"sparsity": 1.5}, "sparsity"), ({"share": -0.1}, "share"), ({"mix": 2.0}, "mix"), ({"width": 0.0}, "width"),
        ({"convolutions": "sparse"}, "convolutions"), ({"division": "even"}, "division"),
        ({"layers": "hidden"}, "layers"),
        ({"samples": 1}, "samples"), ({"rest": 0.0}, "rest"), ({"rate": 0.0}, "rate"),
    ],
)  # fmt: skip
def test_bad_parameters_are_refused(words: dict[str, Any], told: str) -> None:
    with pytest.raises(ParameterError, match=told):
        methods.CHSNN(**words)


def test_digits_at_ninety_per_cent() -> None:
    """8 x 8 digits, 64-128-10, 6 epochs: above a fixed random structure of as many synapses."""
    pytest.importorskip("sklearn")
    reached = {}
    for m in (methods.CHSNN(0.9), methods.Static(0.9)):
        net = Sequential(Linear(128, name="hidden"), LIF(0.5, 0.5), Linear(10, name="out"), inputs=(8, 8), seed=0)
        t = Trainer(
            net, nd.data.digits().subset(900, 1, n_test=300), encoder=Bernoulli(5), epochs=6, batch=32,
            optimiser=Adam(5e-3), schedule=cosine(), loss="rate_cross_entropy", methods=[m],
        )  # fmt: skip
        t.fit()
        reached[m.name] = 100 * t.history[-1].test_accuracy
        t.close()
    assert reached["CHSNN"] > 60 and reached["CHSNN"] > reached["Static"] - 3, reached  # 70.7 and 67.7 measured


def test_settings_of_a_rival_are_its_own() -> None:
    base = reading.load("examples/studies/ndsnn_mnist.toml", {})
    task = rivals.Task(base, [0.95], 2, 1e-3, rivals._own(["CHSNN.width=0.125", "RigL.death=0.2"]))
    assert task.of("CHSNN", 0.95).table["method"][0]["width"] == 0.125
    assert task.of("RigL", 0.95).table["method"][0]["death"] == 0.2
    assert "width" not in task.of("SET", 0.95).table["method"][0]
    for bad in ("CHSNN.width", "CHSN.width=1", "CHSNN=1", "LTH.share=0.5", "CHSNN.sparsity=0.5", "CHSNN.kind=SET"):
        with pytest.raises(ParameterError, match="--rival"):
            rivals._own([bad])


def test_rivals_train_it_on_the_same_task() -> None:
    base = reading.load("examples/studies/ndsnn_mnist.toml", {})
    task = rivals.Task(base, [0.95], 2, 1e-3)
    ours, theirs = task.of("NDSNN", 0.95).table, task.of("CHSNN", 0.95).table
    assert theirs["method"] == [{"kind": "CHSNN", "sparsity": 0.95, "convolutions": "static"}]
    assert "CHSNN" in rivals.RIVALS and {k: v for k, v in ours.items() if k != "method"} == {
        k: v for k, v in theirs.items() if k != "method"
    }

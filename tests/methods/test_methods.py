"""The rules of the methods on hand-made inputs, against brute force and golden numbers of the published rules."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from neurodev import methods
from neurodev.errors import StudyError
from neurodev.learn.core.spikes import Current, Spikes
from neurodev.learn.core.storage import dense_image, stored, suiting
from neurodev.learn.layers.conv import Conv2d
from neurodev.learn.layers.dendritic import Dendritic
from neurodev.learn.layers.linear import Linear
from neurodev.learn.layers.neurons import LIF, ReLU
from neurodev.learn.layers.pool import Flatten
from neurodev.learn.model import Sequential
from neurodev.learn.training.checkpoint import state_of
from neurodev.learn.training.encode import Bernoulli, Direct
from neurodev.learn.training.optim import Adam, cosine
from neurodev.learn.training.traces import final_trace, traces_of_steps
from neurodev.learn.training.trainer import Trainer
from neurodev.methods import rewire, schedule
from neurodev.methods.tensors import tensors
from neurodev.structure.dense import DenseTable
from tests.learn.test_trainer import little_data
from tests.methods.twin import expected_units


def model(hidden: int = 24, seed: int = 2) -> Sequential:
    return Sequential(
        Linear(hidden, name="hidden"), LIF(0.5, 0.5), Linear(3, name="out"), LIF(0.5, 0.5), inputs=(16,), seed=seed
    )  # fmt: skip


def image_model() -> Sequential:
    return Sequential(
        Conv2d(6, 3, name="conv"), LIF(0.5, 0.5), Flatten(), Linear(20, name="fc"), LIF(0.5, 0.5),
        Linear(3, name="out"), LIF(0.5, 0.5), inputs=(4, 4, 1), seed=2,
    )  # fmt: skip


def trainer(method: Any, net: Sequential | None = None, **more: Any) -> Trainer:
    given: dict[str, Any] = {"encoder": Bernoulli(8), "epochs": 6, "batch": 16, "seed": 4, "optimiser": Adam(0.01)}
    return Trainer(net or model(), little_data(), methods=[method], **(given | more))


# ---------------------------------------------------------------- SD-SNN


def test_sd_snn_prunes_the_published_numbers_of_neurons() -> None:
    """105, 163, 178, 183 of 300 neurons at the first four prunings, from epoch 37 on, if nothing regenerates."""
    method = methods.SDSNN(layers=("hidden",), regenerate=False, scale=1.0, dead_below=10)
    t = Trainer(
        Sequential(Linear(300, name="hidden"), LIF(0.5, 0.5), Linear(3, name="out"), LIF(0.5, 0.5), inputs=(16,)),
        little_data(), methods=[method], encoder=Bernoulli(4), epochs=300,
    )  # fmt: skip
    draw, counts = np.random.default_rng(1), []
    for e in range(41):
        vars(t)["epoch"] = e
        hidden = tensors(t)[0]
        hidden.table.weight[hidden.pairs()] = draw.normal(size=hidden.pairs().size)
        method.epoch_end(t)
        counts.append(int((tensors(t)[0].living() == 0).sum()))
    assert counts[:37] == [0] * 37
    assert counts[37:] == expected_units(300, 35, 1.0, 3, 4)  # the golden numbers with three classes above
    assert expected_units(300, 35, 1.0, 10, 4) == [105, 163, 178, 183]
    t.close()


def test_sd_snn_has_the_published_settings_of_cifar10() -> None:
    """Golden numbers of the public code: 15, 142, 177, 189 of 512 units of the first prunings, 236 after 600 epochs."""
    method = methods.SDSNN(published_epochs=600, percent=3.0, rate=0.5, late_rate=0.0005)
    pruned = method.over_a_run()["neurons pruned, of 300 under 10, if none comes back (%)"][1]
    assert pruned.size == 600 and not pruned[:37].any() and pruned[37] == pytest.approx(3.0)
    # the same rule on 512 units
    p, counts = 3.0, []
    for e in range(37, 600):
        counts.append(int(512 * p / 100))
        p += method.increase(e - 37, 1.0, False) * (512 - counts[-1]) / 10
    assert counts[:4] == [15, 142, 177, 189] and counts[-1] == 236
    assert p == pytest.approx(46.17, abs=0.02)
    assert method.scale_of(SimpleNamespace(epochs=600)) == 1.0  # type: ignore[arg-type]
    assert method.scale_of(SimpleNamespace(epochs=60)) == 0.1  # type: ignore[arg-type]


@pytest.mark.parametrize("clip", [True, False])
def test_sd_snn_clips_the_output_on_request(clip: bool) -> None:
    method = methods.SDSNN(layers=("hidden",), scale=1.0, clip_output=clip)
    t = trainer(method, epochs=300)
    out = next(w for w in tensors(t) if w.output)
    for e in range(20):
        vars(t)["epoch"] = e
        if e == 19:
            out.table.weight[out.pairs()] *= 10
        largest = float(np.abs(out.table.weight[out.pairs()]).max())
        method.epoch_end(t)
    assert (float(np.abs(out.table.weight[out.pairs()]).max()) < largest) == clip
    t.close()


@pytest.mark.parametrize(("signed", "value", "comes"), [(False, -9.0, True), (True, -9.0, False), (True, 9.0, True)])
def test_sd_snn_regenerates_after_twelve_epochs_in_a_row(signed: bool, value: float, comes: bool) -> None:
    """Tg = 10 of fully connected layers: twelve epochs above the percentile, with the value it has learned."""
    method = methods.SDSNN(layers=("hidden",), scale=1.0, percent=10.0, late_rate=0.0, rate=0.0, signed=signed)
    t = trainer(method, epochs=300)
    back = []
    for e in range(52):
        vars(t)["epoch"] = e
        h = tensors(t)[0]
        dead = h.pairs()[h.dense.alive[h.pairs()] == 0]
        if dead.size:
            h.table.weight[dead[0]] = value
        before = h.table.n_synapse
        method.epoch_end(t)
        if tensors(t)[0].table.n_synapse > before:
            back.append(e)
            assert float(h.table.weight[dead[0]]) == value
    assert back == ([49] if comes else [])  # pruned at the end of 37; above it at the ends of 38 to 49
    t.close()


def test_sd_snn_masks_only_at_the_end_of_an_epoch() -> None:
    """Between, pruned synapses are trained from 0 and act; after, they are 0 again."""
    method = methods.SDSNN(scale=0.02, percent=40.0)
    t = trainer(method, epochs=8)
    moved = []

    class Spy(methods.Static):
        dead = "move"

        def prepare(self, trainer: Trainer) -> None: ...

        def epoch_end(self, trainer: Trainer) -> None:
            h = tensors(trainer)[0]
            moved.append(float(np.abs(h.table.weight[h.dense.alive == 0]).sum()))

    t.methods.insert(0, Spy())
    t.fit()
    h = tensors(t)[0]
    assert moved[-1] > 0 and not h.table.weight[h.dense.alive == 0].any() and h.table.n_synapse < 16 * 24
    t.close()


# ---------------------------------------------------------------- DPAP


@pytest.mark.parametrize(
    ("kind", "golden"),
    [
        ("filter", {0.0: 25, 0.02: 28, 0.04: 35, 0.06: 52, 0.1: None}),
        ("neuron", {0.0: 11, 0.2: 14, 0.3: 16, 0.4: 21, 0.45: 27, 0.5: 48, 0.55: None}),
        ("synapse", {0.0: 11, 0.2: 14, 0.3: 16, 0.4: 21, 0.45: 27, 0.5: 48, 0.55: None}),
    ],
)
def test_dpap_death_epochs_of_constant_scores(kind: str, golden: dict[float, int | None]) -> None:
    """DPAP, public code: u between the minimum and the 75th percentile decides when a unit dies, if ever."""
    score = np.array([*golden, *[1.0] * 20])
    method = methods.DPAP(scale=1.0)
    left = np.full(score.size, method.survival(kind).start)
    died: list[int | None] = [None] * score.size
    for e in range(300):
        method._move(kind, score, left, range(e, e + 1))
        for k in np.flatnonzero(left < 0):
            died[k] = e if died[k] is None else died[k]
    assert died[: len(golden)] == list(golden.values()) and died[len(golden) :] == [None] * 20


@pytest.mark.parametrize("scale", [0.1, 1.0, 2.0, 7 / 300])
def test_dpap_takes_every_epoch_of_the_published_run_once(scale: float) -> None:
    """Clocks of any scale: all 300 epochs in order, none twice, within the epoch at the step at which they end."""
    method, steps, taken = methods.DPAP(scale=scale), 8, []
    method.memory["published"] = np.zeros(1, dtype=np.int64)
    method._units = lambda t, x, epochs: taken.extend((e, t.step) for e in epochs)  # type: ignore[method-assign]
    net = SimpleNamespace(epochs=round(300 * scale), steps_per_epoch=steps, epoch=0, step=0, model=model(), name="")
    net.weights = net.model.weights_of
    method.synapses, method.strict = False, True
    for epoch in range(net.epochs):
        net.epoch = epoch
        for _ in range(steps):
            net.step += 1
            method.after_step(net)
        method.epoch_end(net)
    assert [e for e, _ in taken] == list(range(300))
    if scale >= 1:  # all at ends of epochs, as published
        assert all(step % steps == 0 for _, step in taken)
    for e, step in taken:
        at = (e + 1) * steps * scale  # steps after which this epoch of the published run is over
        assert at - 1e-6 <= step < at + 1 + 1e-6 or step % steps == 0


@pytest.mark.parametrize("spread", [True, False])
def test_dpap_decays_within_the_epochs_of_a_short_run(spread: bool) -> None:
    """Six epochs of 24 steps for 300, of which one ends at every half step; what died is 0 from that step on."""
    method, at = methods.DPAP(spread=spread), list[int]()

    class Watch(methods.Static):
        dead = "move"

        def prepare(self, trainer: Trainer) -> None: ...

        def after_step(self, trainer: Trainer) -> None:
            h = tensors(trainer)[0]
            gone = 16 * 24 - h.table.n_synapse
            at.append(gone)
            if spread and len(at) > 1 and gone > at[-2]:
                assert not h.table.weight[h.dense.alive == 0].any()

    t = trainer(method, epochs=6, batch=4)
    t.methods.append(Watch())
    t.fit()
    steps = t.steps_per_epoch
    changed = np.flatnonzero(np.diff([0, *at])) + 1
    assert (len(changed) >= 3 and changed[1] < steps) if spread else all(k % steps == 1 for k in changed)
    first = 12 * 6 * steps / 300  # what scores least dies at the end of epoch 11, the twelfth
    assert abs(changed[0] - first) <= 3 if spread else changed[0] == steps + 1
    t.close()


@pytest.mark.parametrize("per_slot", [False, True])
def test_dpap_gathers_bcm_products(per_slot: bool) -> None:
    """Against DPAP's sums, written out."""
    method = methods.DPAP(per_slot=per_slot)
    t = trainer(method)
    draw = np.random.default_rng(2)
    hidden = tensors(t)[0]
    expected, active = np.zeros((16, 24)), np.zeros(24)
    theta = np.zeros((16, 24) if per_slot else 24)
    for n in range(1, 4):
        pre, post = draw.random((16, 16)).astype(np.float32), draw.random((16, 24)).astype(np.float32)
        for b in range(16):
            level = theta[b] if per_slot else theta
            expected += np.outer(pre[b], post[b] * (post[b] - level))
        active += post.sum(axis=0)
        theta = (theta * (n - 1) + (post if per_slot else post.mean(axis=0))) / n
        method._add(hidden, pre, post)
    np.testing.assert_allclose(method.memory["bcm/hidden"], expected, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(method.memory["activity/hidden"], active, rtol=1e-5)
    t.close()


def test_trace_is_the_sum_written_out() -> None:
    flags = (np.random.default_rng(0).random((5 * 3, 8)) < 0.4).astype(np.uint8)
    cube, expected = flags.reshape(5, 3, 8), np.zeros((3, 8))
    for step in cube:
        expected = 0.5 * expected + step
    x = Spikes(flags, 5, 3, (2, 2, 2))
    np.testing.assert_allclose(final_trace(x), expected / 5, rtol=1e-6)
    np.testing.assert_allclose(final_trace(x, channels=2), (expected / 5).reshape(3, 4, 2).sum(axis=1), rtol=1e-6)


@pytest.mark.compiled
@pytest.mark.parametrize("strict", [False, True])
def test_dpap_never_brings_anything_back(strict: bool) -> None:
    t = trainer(methods.DPAP(strict=strict), image_model(), epochs=6)
    t.fit()
    assert sum(e.series[f"births/{n}"] for e in t.history for n in t.weights()) == 0
    density = [e.density for e in t.history]
    assert density[-1] < 1 and all(b <= a for a, b in zip(density, density[1:], strict=False))
    t.close()


def test_dpap_prunes_time_steps_whose_traces_are_low() -> None:
    """At a constant rate traces are 1 - delta^t of their limit: the first two of eight steps have u of 0 and about .5.

    With u below .51 both die in the end (golden numbers above), the others not; dead steps cost no operations.
    """
    at_once = np.repeat(np.random.default_rng(0).random((1, 2, 4)) < 0.5, 8, axis=0).reshape(16, 4)
    traces = traces_of_steps(Spikes(at_once.astype(np.uint8), 8, 2, (4,)))
    rate = at_once.reshape(8, 2, 4)[0].mean(axis=1)
    np.testing.assert_allclose(traces, 2 * rate[:, None] * (1 - 0.5 ** np.arange(1, 9)), rtol=1e-6)
    method = methods.DPAP(temporal=True, units=False, synapses=False, spread=False)
    t = trainer(method, epochs=12)
    t.fit()
    assert method.memory["living_steps"].tolist() == [False, False] + 6 * [True]
    assert t.history[0].series["living_steps"] == 8 or t.history[0].operations > t.history[-1].operations
    x = t._input(np.arange(5))
    whole = t.encoder(t.data.x_train, np.arange(5), t.seed, 0)
    np.testing.assert_array_equal(x.flags.reshape(6, 5, 16), whole.flags.reshape(8, 5, 16)[2:])
    t.close()
    with pytest.raises(StudyError, match="several steps, this one has 1"):
        trainer(methods.DPAP(temporal=True), encoder=Bernoulli(1))


def test_dpap_prunes_nets_without_spikes() -> None:
    """Mean activities of rectifiers in place of traces: survival, structure and log as with spikes."""
    net = Sequential(Linear(24, name="hidden"), ReLU(), Linear(3, name="out"), inputs=(16,), seed=2)
    method = methods.DPAP()
    t = trainer(method, net, encoder=Direct(), loss="rate_cross_entropy", epochs=8)
    data = little_data()
    first = np.maximum(data.x_train[:16] @ dense_image(t.weights()["hidden"].table), 0)
    seen = final_trace(Current(first.astype(np.float32), 1, 16, (24,)))
    np.testing.assert_allclose(seen, first, rtol=1e-6)
    t.fit()
    assert t.history[-1].test_accuracy > 0.9 and t.history[-1].density < 0.8
    assert method.memory["activity/hidden"].sum() > 0
    t.close()


# ---------------------------------------------------------------- drop and grow


def brute_exchange(
    weight: np.ndarray, alive: np.ndarray, gradient: np.ndarray, n_next: int, share: float
) -> np.ndarray:
    """The exchange by sorting lists of pairs."""
    living = sorted((abs(weight[p]), p) for p in zip(*np.nonzero(alive), strict=True))
    n_dead = max(int(np.floor(share * len(living) + 1e-9)), len(living) - n_next)
    kept = {p for _, p in living[n_dead:]}
    free = sorted((-abs(gradient[p]), p) for p in np.ndindex(*alive.shape) if p not in kept)
    grown = {p for _, p in free[: n_next - len(kept)]}
    out = np.zeros_like(alive)
    for p in kept | grown:
        out[p] = True
    return out


@pytest.mark.parametrize(("n_next", "share"), [(80, 0.4), (100, 0.2), (20, 0.1)])
def test_exchange_against_brute_force(n_next: int, share: float) -> None:
    method = methods.NDSNN(sparsity=0.8, first_sparsity=0.7, every=4)
    t = trainer(method)
    hidden = tensors(t)[0]
    draw = np.random.default_rng(n_next)
    slots = hidden.table.slots()
    hidden.table.weight[slots] = draw.normal(size=slots.size)
    weight, alive = dense_image(hidden.table), rewire.occupancy(hidden.table)
    gradient = draw.normal(size=alive.shape)
    uid = dense_image(hidden.table, hidden.table.uid)
    method._exchange(t, hidden, gradient, n_next, share)
    found = rewire.occupancy(hidden.table)
    np.testing.assert_array_equal(found, brute_exchange(weight, alive, gradient, n_next, share))
    stayed = found & alive
    np.testing.assert_array_equal(dense_image(hidden.table)[stayed], weight[stayed])
    np.testing.assert_array_equal(dense_image(hidden.table, hidden.table.uid)[stayed], uid[stayed])
    assert not dense_image(hidden.table)[found & ~alive].any()
    t.close()


def test_ndsnn_counts_follow_the_cubic_law() -> None:
    method = methods.NDSNN(sparsity=0.9, every=3, death=0.5)
    t = trainer(method, epochs=10)
    counts: list[list[int]] = []

    class Count(methods.Static):
        def prepare(self, trainer: Trainer) -> None: ...

        def after_step(self, trainer: Trainer) -> None:
            counts.append([w.table.n_synapse for w in trainer.weights().values()])

    t.methods.append(Count())
    t.fit()
    sizes, n = [16 * 24, 24 * 3], method.rounds(t)
    first = schedule.erdos_renyi([(16, 24), (24, 3)], 0.5)
    last = schedule.erdos_renyi([(16, 24), (24, 3)], 0.1)
    for q in range(1, n + 1):
        for k in range(2):
            expected = round((1 - schedule.cubic(q / n, 1 - first[k], 1 - last[k])) * sizes[k])
            assert counts[3 * q][k] == expected
    assert all(
        b <= a for k in range(2) for a, b in zip([c[k] for c in counts], [c[k] for c in counts[1:]], strict=False)
    )
    t.close()


@pytest.mark.parametrize(
    "method", [methods.RigL(sparsity=0.7, every=4), methods.SET(sparsity=0.6), methods.Static(0.7)]
)
def test_constant_number_of_synapses(method: Any) -> None:
    t = trainer(method)
    t.fit()
    assert len({e.density for e in t.history}) == 1
    born = sum(e.series["births/hidden"] for e in t.history)
    assert (born == 0) == (type(method) is methods.Static)
    t.close()


def test_set_drops_the_weakest_of_each_sign() -> None:
    method = methods.SET(sparsity=0.5, share=0.3)
    t = trainer(method)
    h = tensors(t)[0]
    before = dense_image(h.table)
    method.epoch_end(t)
    after = rewire.occupancy(h.table)
    for sign in (1, -1):
        values = np.sort((sign * before)[sign * before > 0])
        n = int(0.3 * values.size)
        strong = sign * before > values[n - 1]
        assert after[strong].all()
    t.close()


def test_lth_prunes_globally_and_rewinds() -> None:
    method = methods.LTH(sparsity=1 - 0.75**5, rewind=0.5)
    t = trainer(method, epochs=12)
    kept: dict[str, np.ndarray] = {}
    for done in range(1, 13):
        t.fit(1)
        if done == 1:
            kept = {n: dense_image(w.table) for n, w in t.weights().items()}
        if done % 2 == 0 and done < 12:
            method.before_forward(t)  # as the next step will
            total = sum(w.table.n_synapse for w in t.weights().values())
            assert total == round(0.75 ** (done // 2) * (16 * 24 + 24 * 3))
            for n, w in t.weights().items():
                slots = w.table.slots()
                np.testing.assert_array_equal(w.table.weight[slots], kept[n][w.table.pre(slots), w.table.post[slots]])
    assert {n: w.storage for n, w in t.weights().items()} == {n: suiting(w.table) for n, w in t.weights().items()}
    t.close()
    with pytest.raises(StudyError, match="takes 6 rounds, into which 7 epochs do not divide"):
        trainer(methods.LTH(sparsity=1 - 0.75**5), epochs=7)


# ---------------------------------------------------------------- NSPDI and STDS


def weights_of(t: Trainer) -> dict[str, np.ndarray]:
    return {k: v for k, v in state_of(t).items() if k.endswith("/weight")}


def trained(method: Any, epochs: int = 3) -> dict[str, np.ndarray]:
    t = trainer(method, schedule=cosine())
    t.fit(epochs)
    out = weights_of(t)
    t.close()
    return out


def test_nspdi_with_equal_gains_and_no_cut_is_stds() -> None:
    a, b = trained(methods.NSPDI(heterogeneity=0.0, cut=0.0, displacement=0.3)), trained(methods.STDS(displacement=0.3))
    for k, w in a.items():
        np.testing.assert_array_equal(w, b[k])
    assert any((w == 0).mean() > 0.05 for w in a.values())


def test_stds_without_displacement_is_dense_training() -> None:
    dense = Trainer(
        model(),
        little_data(),
        encoder=Bernoulli(8),
        epochs=6,
        batch=16,
        seed=4,
        optimiser=Adam(0.01),
        schedule=cosine(),
    )
    dense.fit(3)
    for k, w in trained(methods.STDS(displacement=0.0)).items():
        np.testing.assert_array_equal(w, weights_of(dense)[k])
    dense.close()


def test_a_gate_has_a_threshold_of_its_own() -> None:
    """Synapses live where |theta| is above d, those of the gate V where it is above twice as much."""
    net = Sequential(
        Dendritic(Linear(24, name="hidden"), gate_gain=0.5), LIF(0.5, 0.5), Linear(3, name="out"), LIF(0.5, 0.5),
        inputs=(16,), seed=2,
    )  # fmt: skip
    method = methods.NSPDI(heterogeneity=0.0, cut=0.0, displacement=0.3, gate=2.0)
    t = trainer(method, net, schedule=cosine())
    t.fit(4)
    method._refresh(t)
    d, seen = method.threshold(t), []
    for tensor in tensors(t):
        table = tensor.dense
        theta, w = (table.grid(c)[:, : table.n_target] for c in (table.column("theta"), table.weight))
        np.testing.assert_array_equal(w != 0, np.abs(theta) > d * (2 if tensor.layer.gates else 1))
        seen.append(tensor.layer.gates)
    assert sorted(seen) == [False, False, True]
    t.close()


@pytest.mark.parametrize("ramp", ["sine", "linear", "rate"])
def test_ramps_run_from_zero_to_the_displacement(ramp: str) -> None:
    method = methods.NSPDI(ramp=ramp, displacement=0.2)
    t = trainer(method, schedule=cosine())
    assert method.threshold(t) == 0
    travel = sum(0.01 * t.schedule(k / 36) for k in range(36))
    vars(t)["step"] = 36
    assert method.threshold(t) == pytest.approx(0.2 * travel)
    t.close()


def test_learned_gains_get_the_gradient_of_the_map() -> None:
    """Central differences of sum(upstream * weight) over the raw gain."""
    method = methods.NSPDI(learn_gain=True, displacement=0.3, cut=0.0)
    t = trainer(method)
    vars(t)["step"] = 20
    h = tensors(t)[0]
    upstream = np.random.default_rng(1).normal(size=h.dense.capacity).astype(np.float32)
    upstream[h.dense.grid(np.arange(h.dense.capacity))[:, 24:].reshape(-1)] = 0
    raw = t.model.parts()[0].parameters["gain_of_weight"]
    found = []
    for k in (0, 7):
        values = []
        for step in (1e-3, -1e-3):
            raw.value[k] += step
            method.before_forward(t)
            values.append(float((upstream.astype(float) * h.table.weight).sum()))
            raw.value[k] -= step
        found.append((values[0] - values[1]) / 2e-3)
    method.before_forward(t)
    h.weights.gradient[:] = upstream
    raw.gradient[:] = 0
    method.after_backward(t)
    np.testing.assert_allclose(raw.gradient[[0, 7]], found, rtol=2e-2)
    t.close()


# ---------------------------------------------------------------- hybrids, storage


@pytest.mark.compiled
@pytest.mark.parametrize("kind", [methods.TrophicNDSNN, methods.TracedNDSNN])
def test_hybrids_end_at_their_sparsity(kind: type) -> None:
    t = trainer(kind(sparsity=0.8, every=4), image_model(), epochs=8)
    t.fit()
    assert t.history[-1].density == pytest.approx(0.2, abs=0.01)
    t.close()


def test_storage_goes_back_and_forth_with_identities() -> None:
    t = trainer(methods.Static(sparsity=0.9))
    t.fit(2)
    w = t.weights()["hidden"]
    assert w.storage == "sparse"
    before = w.table.state()
    there = stored(stored(w.table, "dense"), "sparse").state()
    assert set(before) == set(there)
    for k, v in before.items():
        np.testing.assert_array_equal(there[k], v, err_msg=k)
    t.close()


def test_a_tensor_is_stored_as_suits_its_density() -> None:
    """With holes while many live, by synapse when few do; what is absent is 0, its gradient and moments too."""
    t, seen = trainer(methods.NDSNN(sparsity=0.92, first_sparsity=0.5, every=4)), []
    for _ in range(6):
        t.fit(1)
        w = t.weights()["hidden"]
        seen.append(w.storage)
        assert w.storage == suiting(w.table)
        if isinstance(w.table, DenseTable):
            absent = w.table.alive == 0
            assert all(not w.table.column(c)[absent].any() for c in w.table.column_names)
            assert not w.table.weight[absent].any() and w.table.weight[~absent].any()
    assert seen[0] == "dense" and seen[-1] == "sparse"
    t.close()


def test_a_few_living_synapses_are_counted_as_they_change() -> None:
    """Each source's, in a table of all pairs: kept between births and deaths, and counted anew after them."""
    t = trainer(methods.RigL(sparsity=0.5, every=3))
    table = t.weights()["hidden"].table
    assert isinstance(table, DenseTable)
    for _ in range(3):
        np.testing.assert_array_equal(table.living_per_source(), table.grid(table.alive).sum(axis=1))
        t.fit(1)
    assert t.history[-1].series["births/hidden"] > 0
    again = DenseTable(table.n_source, table.n_target, tuple(table.column_names))
    assert not again.living_per_source().any()
    again.load(table.arrays())
    np.testing.assert_array_equal(again.living_per_source(), table.living_per_source())
    t.close()


def test_doors() -> None:
    with pytest.raises(StudyError, match="no weight tensor 'hiden'"):
        trainer(methods.SDSNN(layers=("hiden",)))
    with pytest.raises(StudyError, match="is above sparsity"):
        methods.NDSNN(sparsity=0.3, first_sparsity=0.5)
    with pytest.raises(StudyError, match="leaves no exchange in a run of 36 steps"):
        trainer(methods.NDSNN(every=100))
    with pytest.raises(StudyError, match="must come before"):
        methods.NDSNN(begin=0.8, end=0.5)

"""EventProp: spike times against a slow twin and a stepped one, gradients against central differences."""

import numpy as np
import pytest

from neurodev.data.dataset import SpikeTrains
from neurodev.errors import BuildError, ParameterError, SimulationError
from neurodev.learn.eventprop import EventLayer, EventModel, EventNeuron, EventTrainer, Readout, calibrate, losses
from neurodev.learn.eventprop.flow import crossing
from neurodev.structure.dense import DenseTable
from neurodev.structure.plan import Plan, apply, merge
from neurodev.structure.table import Table
from tests.naive import event_lif

DURATION = 40.0
LANES = [0.5, 2.0, 3.7]


def trains(n_cell, n_sample, seed, per_sample=14, ties=False):
    draw = np.random.default_rng(seed)
    out = []
    for _ in range(n_sample):
        t = draw.uniform(0.0, 25.0, per_sample)
        out.append((np.round(t / 2.5) * 2.5 if ties else t, draw.integers(0, n_cell, per_sample)))
    return SpikeTrains.of(out, n_cell, DURATION)


def table(n_source, n_target, seed, mean, spread, delays=(0.0,), density=0.8):
    draw = np.random.default_rng(seed)
    source, target = np.nonzero(draw.random((n_source, n_target)) < density)
    lane = draw.integers(0, len(delays), source.size)
    weight = draw.normal(mean, spread, source.size)
    return Table.build(
        n_source, n_target, list(delays), source, target, lane, weight, column_type=np.float64, weight_type=np.float64
    )


def make(kind, neuron=None, seed=5, **more):
    """A layer of 5 neurons on 6 inputs; `kind` is a path, with delays and recurrence where the path can do them."""
    neuron = neuron or EventNeuron(20.0, 7.0)
    if kind == "together":
        draw = np.random.default_rng(seed)
        return EventLayer(
            DenseTable.full(draw.normal(0.8, 0.5, (6, 5))), neuron, duration=DURATION, path="together", clip=0.0, **more
        )
    inner = table(5, 5, seed + 1, 0.1, 0.4, [1.0, 2.5], 0.9) if kind == "recurrent" else None
    return EventLayer(
        table(6, 5, seed, 0.9, 0.6, LANES), neuron, duration=DURATION, path="queue", clip=0.0, recurrent=inner,
        train_delays=True, **more,
    )  # fmt: skip


def edges(layer, name):
    t = layer.inputs if name == "inputs" else layer.recurrent
    if t is None:
        return []
    slots = t.slots()
    pre = slots // t.stride if isinstance(t, DenseTable) else t.pre(slots)
    rows = zip(pre, t.post[slots], t.weight[slots], layer.delays(name), strict=True)
    return [(int(a), int(b), float(w), float(d)) for a, b, w, d in rows]


def sample(spikes, k):
    a, b = spikes.offsets[k], spikes.offsets[k + 1]
    return list(zip(spikes.times[a:b], spikes.cells[a:b], strict=True))


@pytest.mark.parametrize("kind", ["together", "queue", "recurrent"])
def test_spikes_equal_those_of_the_slow_twin(kind):
    """Same cells, times to 1e-9 ms, final potentials to 1e-9, by dense grid and root finder."""
    layer, x = make(kind), trains(6, 3, 2)
    y, pull = layer(x)
    assert y.times.size > 15
    for k in range(3):
        spikes, v = event_lif.run(
            sample(x, k), edges(layer, "inputs"), 5, 20.0, 7.0, 1.0, DURATION, edges(layer, "recurrent")
        )
        ours = sample(y, k)
        assert [c for _, c in ours] == [c for _, c in spikes]
        np.testing.assert_allclose([t for t, _ in ours], [t for t, _ in spikes], rtol=0, atol=1e-9)
        np.testing.assert_allclose(pull.final[k], v, rtol=0, atol=1e-9)


@pytest.mark.parametrize("kind", ["together", "recurrent"])
def test_a_stepped_simulation_converges_to_the_spike_times(kind):
    """The error of a forward pass on a grid falls with dt, to first order, towards our spike times."""
    layer, x = make(kind), trains(6, 1, 2)
    y, _ = layer(x)
    error = []
    for n_step in (4_000, 16_000, 48_000):
        spikes, _ = event_lif.stepped(
            sample(x, 0), edges(layer, "inputs"), 5, 20.0, 7.0, 1.0, DURATION, n_step, edges(layer, "recurrent")
        )
        mine = np.lexsort((y.times, y.cells))
        theirs = sorted((c, t) for t, c in spikes)
        assert [c for c, _ in theirs] == list(y.cells[mine])
        error.append(max(abs(t - u) for (_, t), u in zip(theirs, y.times[mine], strict=True)))
    assert error[2] < 0.02 and error[1] < 0.5 * error[0] and error[2] < 0.6 * error[1]


def objective(layer, x, c):
    """A loss on spike times, integrals and final potentials, with its gradient and the counts of spikes."""
    y, pull = layer(x, integral=True)
    push = c["time"][: y.times.size]
    value = float((push * y.times).sum() + 0.005 * (y.times**2).sum())
    value += float((c["area"] * pull.integral).sum() + (c["final"] * pull.final).sum())
    back = lambda: pull(push + 0.01 * y.times, d_integral=c["area"], d_final=c["final"])
    return value, back, y.counts()


def difference(evaluate, array, k, step):
    """Central difference in array[k], and whether the counts of spikes stayed the same."""
    old = array[k]
    array[k] = old + step
    up, _, n_up = evaluate()
    array[k] = old - step
    down, _, n_down = evaluate()
    array[k] = old
    return (up - down) / (2 * step), bool(np.array_equal(n_up, n_down))


def check_gradients(layer, evaluate, tolerances):
    _, back, _ = evaluate()
    for column in layer.parameters.values():
        column.gradient[:] = 0.0
    d_in = back()
    for name, column in layer.parameters.items():
        slots = (layer.recurrent if name.startswith("recurrent") else layer.inputs).slots()
        delay = name.endswith("_delay")
        got = column.gradient[slots].copy()
        pairs = [difference(evaluate, column.value, s, 1e-4 if delay else 1e-6) for s in slots]
        assert all(same for _, same in pairs)
        numeric = np.array([d for d, _ in pairs])
        assert np.abs(numeric).max() > 1e-3
        # relative to each component, with the rounding of the difference quotient as a floor
        error = np.abs(got - numeric) / np.maximum(np.abs(numeric), 0.01 * np.abs(numeric).max())
        assert error.max() < tolerances[delay], (name, error.max())
    return d_in


@pytest.mark.parametrize("kind", ["together", "queue", pytest.param("recurrent", marks=pytest.mark.compiled)])
@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("tau", [(20.0, 7.0), (20.0, 10.0), (10.0, 10.0)])
def test_gradients_equal_central_differences(kind, seed, tau):
    """Weights to 1e-6, delays and input times to 1e-5, relative, in float64 (spike times, integrals, final V)."""
    layer, x = make(kind, EventNeuron(*tau), seed), trains(6, 2, 10 + seed)
    draw = np.random.default_rng(seed)
    c = {"time": draw.normal(size=400), "area": 0.05 * draw.normal(size=(2, 5)), "final": draw.normal(size=(2, 5))}
    evaluate = lambda: objective(layer, x, c)
    assert evaluate()[2].sum() >= 10
    d_in = check_gradients(layer, evaluate, {False: 1e-6, True: 1e-5})
    pairs = [difference(evaluate, x.times, k, 1e-4) for k in range(x.times.size)]
    numeric = np.array([d for d, _ in pairs])
    np.testing.assert_allclose(d_in, numeric, rtol=1e-5, atol=1e-7 * np.abs(numeric).max())


@pytest.mark.parametrize("kind", ["mean", "weighted", "max"])
def test_two_layers_and_a_readout(kind):
    """The chain of pullbacks: weights of all three, delays of the first, by central differences."""
    first, x = make("queue"), trains(6, 2, 11)
    second = EventLayer(
        table(5, 4, 8, 1.2, 0.4, [1.0, 2.0], 0.9), EventNeuron(15.0, 6.0), duration=DURATION, clip=0.0, path="queue"
    )
    readout = Readout(table(4, 3, 9, 0.5, 0.5, [0.5, 1.5], 1.0), kind, duration=DURATION, tau_m=12.0, tau_s=5.0)
    model, y = EventModel(first, second, readout=readout), np.array([2, 0])

    def evaluate():
        scores, pull = model(x)
        value, d = losses.cross_entropy(scores, y, 2.0)
        return value, lambda: pull(d), np.concatenate([h.counts().reshape(-1) for h in model.hidden])

    assert evaluate()[2].sum() > 15
    for part in (first, second):
        check_gradients(part, evaluate, {False: 1e-6, True: 1e-5})
    column = readout.parameters["weight"]
    column.gradient[:] = 0.0
    evaluate()[1]()
    numeric = [difference(evaluate, column.value, s, 1e-6)[0] for s in readout.table.slots()]
    np.testing.assert_allclose(column.gradient[readout.table.slots()], numeric, rtol=1e-6, atol=1e-9)


def check_push(push, evaluate, arrays):
    """`push.d_times` and `push.d_final` are the derivatives of `push.value` where they are exact."""
    for array, got in arrays:
        flat, want = array.reshape(-1), np.asarray(got).reshape(-1)
        for k in range(flat.size):
            old = flat[k]
            flat[k] = old + 1e-5
            up = evaluate()
            flat[k] = old - 1e-5
            down = evaluate()
            flat[k] = old
            assert abs((up - down) / 2e-5 - want[k]) < 1e-8


def test_losses_on_spike_times():
    """Derivatives of both losses on times; later spikes of a cell and spikes without a partner have none."""
    y = SpikeTrains.of([([3.0, 5.0, 9.0], [1, 0, 1]), ([4.0], [2])], 3, DURATION)
    target = SpikeTrains.of([([2.0, 6.0], [1, 0]), ([], [])], 3, DURATION)
    labels = np.array([0, 2])
    first = lambda: losses.first_spike_cross_entropy(y, labels)
    check_push(first(), lambda: first().value, [(y.times, first().d_times)])
    assert first().d_times[2] == 0.0
    error = lambda: losses.spike_time_error(y, target)
    check_push(error(), lambda: error().value, [(y.times, error().d_times)])
    assert error().value == pytest.approx((1.0 + 1.0) / 4) and error().d_times[3] == 0.0


def test_a_silent_output_is_pulled_up():
    """The phantom: a cell that should fire and does not gets a gradient that raises its potential; others do not."""
    x = SpikeTrains.of([([1.0, 2.0], [0, 1])], 2, DURATION)
    layer = EventLayer(DenseTable.full(np.full((2, 3), 0.1)), duration=DURATION)
    y, pull = layer(x)
    assert y.times.size == 0
    pull(**losses.first_spike_cross_entropy(y, np.array([1])).pull_arguments())
    gradient = layer.inputs.grid(layer.parameters["inputs"].gradient)[:, :3]
    assert np.all(gradient[:, 1] < 0) and np.all(gradient[:, [0, 2]] == 0)


def test_rate_penalty_pushes_towards_its_bounds():
    """A step down the kicks lowers the count of a cell that fires too much, and wakes one that is silent."""
    x = trains(6, 20, 3)
    for low, high, sign in ((0.0, 0.3, -1), (3.0, 9.0, 1)):
        layer = make("together")
        before, pull = layer(x)
        push = losses.rate_penalty(before, low, high, 1.0)
        pull(**push.pull_arguments())
        column = layer.parameters["inputs"]
        column.value[:] -= 0.2 * column.gradient
        assert sign * (layer(x)[0].times.size - before.times.size) > 0
        assert losses.rate_penalty(layer(x)[0], low, high, 1.0).value < push.value


# ---------------------------------------------------------------- the traps


@pytest.mark.parametrize("tau", [(20.0, 10.0), (10.0, 10.0), (10.0, 20.0), (20.0, 3.0)])
def test_crossings_of_all_solvers(tau):
    """Closed forms and bracket against a dense grid with a root finder, on random states."""
    draw = np.random.default_rng(4)
    flow, found = EventNeuron(*tau).flow(), 0
    for _ in range(300):
        v, i, dt = draw.uniform(-1, 1), draw.uniform(0, 6), draw.uniform(1, 60)
        ours, truth = crossing(v, i, dt, flow), event_lif.first_crossing(v, i, dt, *tau, 1.0)
        assert (ours < 0) == (truth is None)
        if truth is not None:
            found += 1
            assert abs(ours - truth) < 1e-10
    assert found > 20


@pytest.mark.parametrize("kind", ["together", "queue", "recurrent"])
def test_the_order_of_ties_does_not_matter(kind):
    """Inputs of equal time shuffled: the same spikes and gradients to 1e-12."""
    x = trains(6, 2, 6, per_sample=40, ties=True)
    out = []
    for shuffle in (False, True):
        cells = x.cells.copy()
        if shuffle:
            for k in range(len(x)):
                a, b = x.offsets[k], x.offsets[k + 1]
                for t in np.unique(x.times[a:b]):
                    here = a + np.flatnonzero(x.times[a:b] == t)
                    cells[here] = cells[here][::-1]
        layer = make(kind)
        y, pull = layer(SpikeTrains(x.times, cells, x.offsets, 6, DURATION))
        pull(y.times)
        out.append((y.times, y.cells, layer.parameters["inputs"].gradient.copy()))
    assert np.array_equal(out[0][1], out[1][1]) and out[0][0].size > 10
    np.testing.assert_allclose(out[0][0], out[1][0], rtol=0, atol=1e-10)
    np.testing.assert_allclose(out[0][2], out[1][2], rtol=1e-7, atol=1e-9)


def test_both_paths_agree_and_records_grow():
    """Lanes and queue give the same spikes and gradients, also where spikes outnumber the first guess by far."""
    w = np.random.default_rng(2).normal(6.0, 2.0, (6, 5))
    x, out = trains(6, 3, 2, per_sample=60), []
    for path in ("together", "queue"):
        layer = EventLayer(DenseTable.full(w), EventNeuron(20.0, 10.0), duration=DURATION, clip=0.0, path=path)
        y, pull = layer(x)
        d_in = pull(np.cos(y.times), d_final=np.ones((3, 5)))
        out.append((y, layer.inputs.grid(layer.parameters["inputs"].gradient)[:, :5], d_in))
    (a, ga, da), (b, gb, db) = out
    assert a.times.size > 3 * 64 and np.array_equal(a.cells, b.cells)
    np.testing.assert_allclose(a.times, b.times, rtol=0, atol=1e-9)
    np.testing.assert_allclose(ga, gb, rtol=1e-6, atol=1e-6 * np.abs(ga).max())
    np.testing.assert_allclose(da, db, rtol=1e-6, atol=1e-6 * np.abs(da).max())


def test_float32_as_shipped():
    """Dense float32 lanes: the same spike counts, gradients within 1e-4 of the largest."""
    w, x, out = np.random.default_rng(2).normal(0.8, 0.5, (6, 5)), trains(6, 3, 2), []
    for kind in (np.float64, np.float32):
        layer = EventLayer(DenseTable.full(w.astype(np.float32).astype(kind)), duration=DURATION)
        y, pull = layer(x)
        pull(np.cos(y.times))
        out.append((y.counts(), layer.inputs.grid(layer.parameters["inputs"].gradient)[:, :5].astype(float)))
    assert np.array_equal(out[0][0], out[1][0])
    assert np.abs(out[0][1] - out[1][1]).max() < 1e-4 * np.abs(out[0][1]).max()


@pytest.mark.parametrize("kind", ["together", "queue", "recurrent"])
def test_empty_input_and_a_batch_of_one(kind):
    """Samples without a spike give none and no gradient; a sample alone gives what it gives in a batch."""
    layer, x = make(kind), trains(6, 3, 2)
    y, pull = layer(SpikeTrains.of([([], []), ([], [])], 6, DURATION))
    assert y.times.size == 0 and len(y) == 2
    assert pull(d_final=np.ones((2, 5))).size == 0 and not layer.parameters["inputs"].gradient.any()
    assert len(layer(SpikeTrains.of([], 6, DURATION))[0]) == 0
    whole, one = layer(x)[0], layer(x[1])[0]
    assert np.array_equal(one.times, whole[1].times) and np.array_equal(one.cells, whole[1].cells)


def test_clipping_is_reported():
    """A spike that grazes threshold has a clipped slope, and the share of such spikes is told."""
    peak = 0.25  # of V for a unit weight, tau_m = 2 tau_s
    layer = EventLayer(DenseTable.full(np.array([[(1 + 1e-7) / peak]])), duration=DURATION, clip=0.05)
    y, pull = layer(SpikeTrains.of([([0.0], [0])], 1, DURATION))
    assert y.times.size == 1
    pull(np.ones(1))
    assert pull.clip_rate == 1.0
    clipped = abs(layer.parameters["inputs"].gradient[0])
    layer.clip = 0.0
    layer.parameters["inputs"].gradient[:] = 0.0
    pull(np.ones(1))
    assert pull.clip_rate == 0.0 and abs(layer.parameters["inputs"].gradient[0]) > 10 * clipped


def test_the_cost_follows_spikes_and_fan_out():
    """The queue reads each synapse of each spike once: at one per cent of the synapses the work is one per cent."""
    x = trains(50, 2, 3, per_sample=30)
    reads = {}
    for density in (1.0, 0.1):
        t = table(50, 40, 1, 0.05, 0.02, [1.0], density)
        layer = EventLayer(t, duration=DURATION, path="queue")
        _, pull = layer(x)
        pull(d_integral=np.ones((2, 40)))
        # every synapse whose source fired got a gradient, and no other slot was touched
        slots = t.slots()
        fired = np.isin(t.pre(slots), np.unique(x.cells))
        assert np.array_equal(layer.parameters["inputs"].gradient[slots] != 0, fired)
        reads[density] = int(fired.sum())
    assert reads[0.1] < 0.15 * reads[1.0]


def test_structure_may_change_between_steps():
    """After deaths and births a layer equals a fresh one of that structure; newborns have the delay of their lane."""
    layer, x = make("queue"), trains(6, 3, 2)
    shift = layer.parameters["inputs_delay"].value
    shift[layer.inputs.slots()] = np.random.default_rng(1).uniform(-1.0, 1.0, layer.inputs.n_synapse)
    layer.project()
    assert layer.delays().min() == 0.0
    slots = layer.inputs.slots()
    plan = Plan(
        "test", deaths=slots[:3], death_cause=np.full(3, 1, np.uint8), source=np.array([2, 4]), target=np.array([1, 3]),
        lane=np.array([2, 0]), birth_cause=np.full(2, 2, np.uint8), birth_weight=np.array([1.25, 1.5], np.float32),
    )  # fmt: skip
    done = apply(layer.inputs, merge([plan], layer.inputs, single_contact=False), tick=1, life=0.0)
    assert (done.n_died, done.n_born) == (3, 2)
    born = np.isin(layer.inputs.slots(), done.slots)
    assert sorted(layer.delays()[born]) == [0.5, 3.7]
    y, pull = layer(x)
    layer.parameters["inputs"].gradient[:] = 0.0
    pull(np.cos(y.times))
    now = edges(layer, "inputs")
    for k in range(3):
        spikes, _ = event_lif.run(sample(x, k), now, 5, 20.0, 7.0, 1.0, DURATION)
        np.testing.assert_allclose([t for t, _ in sample(y, k)], [t for t, _ in spikes], rtol=0, atol=1e-9)
    assert np.all(layer.parameters["inputs"].gradient[done.slots] != 0)


def test_pruned_synapses_stay_absent():
    """Dense tables, half pruned after an epoch: no moment of the optimiser brings a weight back."""
    x, y = toy(60, 1)
    model = model_of(0)
    trainer = EventTrainer(model, 1e-2, epochs=4, batch=20, gain=30.0)
    tables = (model.layers[0].inputs, model.readout.table)
    for done in trainer.fit(x, y):
        if done.number == 1:
            for t in tables:
                slots = t.slots()[::2]
                plan = Plan("test", deaths=slots, death_cause=np.full(slots.size, 1, np.uint8))
                apply(t, merge([plan], t, single_contact=True), tick=1, life=0.0)
    for t in tables:
        assert np.count_nonzero(t.weight[t.alive == 0]) == 0 and t.n_synapse == t.n_source * t.n_target // 2
        assert np.all(t.weight[t.slots()] != 0)


def toy(n, seed):
    """Two classes: the first or the second half of ten cells fires early."""
    draw = np.random.default_rng(seed)
    y = draw.integers(0, 2, n)
    early = (np.arange(10) < 5)[None] == (y == 0)[:, None]
    times = np.where(early, draw.uniform(1, 8, (n, 10)), draw.uniform(8, 20, (n, 10)))
    return SpikeTrains.of([(t, np.arange(10)) for t in times], 10, 20.0), y


def model_of(seed, scale=0.5):
    draw = np.random.default_rng(seed)
    layer = EventLayer(DenseTable.full(draw.normal(scale, 0.3, (10, 20)).astype(np.float32)), duration=40.0)
    out = Readout(DenseTable.full(draw.normal(0, 0.2, (20, 2)).astype(np.float32)), "mean", duration=40.0)
    return EventModel(layer, readout=out)


@pytest.mark.compiled
def test_training_learns_and_repeats():
    """A toy task is learned to 95 %, with the same bytes from the same seed."""
    x, y = toy(200, 1)
    results = []
    for _ in range(2):
        model = model_of(0)
        calibrate(model.layers[0], x, 1.0)
        done = list(EventTrainer(model, 2e-2, epochs=10, batch=20, gain=30.0, drop=0.1, low=0.2, push=0.1).fit(x, y))
        results.append((model.evaluate(*toy(100, 2)), model.layers[0].inputs.weight.tobytes()))
        assert done[-1].loss < done[0].loss and done[-1].number == 10
    assert results[0] == results[1] and results[0][0] >= 0.95


def test_a_silent_network_is_named():
    """Inhibition only: no neuron fires in the first epoch, and the layer is named with the cure."""
    x, y = toy(40, 1)
    with pytest.raises(ParameterError, match=r"layer 1 did not fire .* calibrate"):
        list(EventTrainer(model_of(0, scale=-5.0), epochs=1).fit(x, y))
    with pytest.raises(ParameterError, match="no scale of the weights"):
        calibrate(model_of(0, scale=-5.0).layers[0], x)


def test_bad_input_is_refused_by_name():
    """Argument, value and cure."""
    t = DenseTable.full(np.ones((6, 5)))
    with pytest.raises(ParameterError, match="duration"):
        EventLayer(t, duration=0.0)
    with pytest.raises(BuildError, match="5 x 5"):
        EventLayer(t, duration=10.0, recurrent=t)
    with pytest.raises(BuildError, match="use 'auto'"):
        EventLayer(t, duration=10.0, train_delays=True, path="together")
    with pytest.raises(ParameterError, match="takes 6 cells"):
        EventLayer(t, duration=10.0)(trains(4, 1, 1))
    t.weight[0] = np.nan
    with pytest.raises(ParameterError, match="finite"):
        EventLayer(t, duration=DURATION)(trains(6, 1, 1))
    with pytest.raises(BuildError, match="layer 1 has 20 neurons"):
        EventModel(model_of(0).layers[0], readout=Readout(DenseTable.full(np.ones((7, 2))), duration=40.0))
    with pytest.raises(ParameterError, match="kind must be"):
        Readout(t, "sum", duration=10.0)
    with pytest.raises(ParameterError, match=r"label 2 of sample 0"):
        model_of(0).evaluate(toy(1, 1)[0], np.array([2]))


# ---------------------------------------------------------------- where the maximum lies at an arrival


def peaked(weights, times, delays=(0.0,), kind="max"):
    """A readout of one output; every cell spikes once, and its lane is its number modulo the lanes."""
    n = len(weights)
    lane = np.arange(n) % len(delays)
    t = Table.build(
        n, 1, list(delays), np.arange(n), np.zeros(n, int), lane, np.array(weights, float), column_type=np.float64,
        weight_type=np.float64,
    )  # fmt: skip
    readout = Readout(t, kind, duration=DURATION)
    return lambda times: readout(SpikeTrains.of([(times, np.arange(n))], n, DURATION))


@pytest.mark.parametrize("seed", range(6))
def test_a_maximum_that_inhibition_cuts_off_moves_with_it(seed):
    """All but the simultaneous arrivals against central differences; a shift of all spikes leaves the score alone."""
    draw = np.random.default_rng(seed)
    delays = (0.0,) if seed % 2 else (0.0, 1.3)
    weights = [*draw.uniform(0.5, 2.0, 3), *draw.uniform(-3.0, -0.2, 2)]
    times = np.sort(draw.uniform(0, 8, 5))
    times[4] += 6.0
    score = peaked(weights, times, delays)
    order = np.argsort(times, kind="stable")
    _, pull = score(times)
    d = np.empty(5)
    d[order] = pull(np.ones((1, 1)))
    numeric = [
        (score(times + 1e-6 * e)[0][0, 0] - score(times - 1e-6 * e)[0][0, 0]) / 2e-6 for e in np.eye(5)
    ]  # fmt: skip
    np.testing.assert_allclose(d, numeric, atol=1e-8)
    assert abs(d.sum()) < 1e-12 and np.abs(d).max() > 1e-3


@pytest.mark.parametrize("weights", [(1.0, -2.0, -1.0), (1.0, -2.0, 0.3), (1.0, 0.3, -2.0), (1.0, 0.0, -2.0)])
def test_several_arrivals_at_the_maximum(weights):
    """Any order of them: the sum of their gradients is the slope before them, as if they were one."""
    score = peaked(weights, None)
    _, pull = score(np.array([1.0, 6.0, 6.0]))
    d = pull(np.ones((1, 1)))
    slope = -np.exp(-5 / 20) / 20 + np.exp(-5 / 10) / 10
    assert d[0] == pytest.approx(-slope) and d[1:].sum() == pytest.approx(slope)
    assert all((g > 0) == (w < 0) for g, w in zip(d[1:], weights[1:], strict=True))


def test_a_maximum_that_excitation_carries_on_has_no_kink():
    """At the arrival the voltage goes on rising: the maximum is later, where its time does not matter."""
    score = peaked((1.0, -0.1), None)
    s, pull = score(np.array([1.0, 2.0]))
    numeric = [
        (score(np.array([1.0, 2.0]) + 1e-5 * e)[0] - score(np.array([1.0, 2.0]) - 1e-5 * e)[0])[0, 0] / 2e-5
        for e in np.eye(2)
    ]
    np.testing.assert_allclose(pull(np.ones((1, 1))), numeric, atol=1e-9)


def test_a_layer_in_frenzy_is_stopped(monkeypatch):
    monkeypatch.setattr("neurodev.learn.eventprop.layer.MOST_SPIKES", 1 << 12)
    layer = EventLayer(DenseTable.full(np.full((3, 2), 1e7)), duration=DURATION)
    with pytest.raises(SimulationError, match="lower the weights"):
        layer(trains(3, 2, 0))

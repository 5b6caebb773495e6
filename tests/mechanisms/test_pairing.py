"""Elements make and break synapses: numbers, distances, rules, causes, and the lesion experiment."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

import neurodev as nd
from neurodev.engine.simulator import Simulator
from neurodev.errors import BuildError, ParameterError
from neurodev.mechanisms.base import NeuronBlock
from neurodev.structure.cause import CAUSES
from neurodev.structure.log import BIRTH, DEATH, LogBatch, concatenate
from neurodev.structure.verify import verify
from tests.mechanisms.drivers import few

POISSON = nd.LIF(tau=20.0, threshold=20.0, refractory=0.0)
STILL = nd.LinearGrowth(nu=0.0)
AXON, DENDRITE = "axonal", "dendritic_excitatory"


class Watch:
    """Keeps the log, and checks after every tick that elements reconcile with synapses."""

    def __init__(self, sim: Simulator, strict: bool = True) -> None:
        self.batches: list[LogBatch] = []
        self.strict = strict
        sim.listeners.append(self)

    def on_tick(self, sim: Simulator, report) -> None:
        self.batches += list(report.logs.values())
        reconcile(sim, self.strict)

    def log(self) -> LogBatch:
        return concatenate(self.batches)


def reconcile(sim: Simulator, strict: bool = True) -> None:
    """ALG-9 with element totals: every synapse occupies one element on each side, and nobody has too few."""
    expected = {(p, k[10:]): np.zeros(b.n) for p, b in sim.blocks.items() for k in b.signals if k[:10] == "connected_"}
    two_sided = True
    for q in sim.network.projections.values():
        table = sim.tables[q.name]
        verify(table)
        for m in q.mechanisms:
            if isinstance(m, nd.Pairing):
                slots = table.slots()
                two_sided &= (q.source.name, m.axonal) in expected and (q.target.name, m.dendritic) in expected
                for p, kind, end in (
                    (q.source, m.axonal, table.pre(slots)), (q.target, m.dendritic, table.post[slots])
                ):  # fmt: skip
                    if (p.name, kind) in expected:
                        expected[p.name, kind] += np.bincount(end, minlength=p.n)
    for (p, kind), count in expected.items():
        block: NeuronBlock = sim.blocks[p]
        assert np.array_equal(block[f"connected_{kind}"], count), (p, kind)
        if strict:
            assert np.all(count <= np.floor(block[f"elements_{kind}"])), (p, kind)
    both = [sum(c.sum() for (_, k), c in expected.items() if k.startswith(w)) for w in ("axonal", "dendritic")]
    assert both[0] == both[1] or not two_sided


def rest(n: int, elements: dict, pairing: nd.Pairing, wiring, **options) -> Simulator:
    """A silent population with recurrent synapses of `pairing`."""
    net = nd.Network(seed=options.pop("seed", 3), sheet=options.pop("sheet", None))
    p = net.add(POISSON, n, name="cells", positions=options.pop("positions", None))
    p.use(nd.Growth(elements, **options.pop("growth", {})))
    q = net.connect(p, p, wiring, weight=1.0, name="q", multapses=options.pop("multapses", False))
    q.use(pairing)
    return Simulator(net, tick=1000.0, acceleration=1.0)


def test_all_vacant_elements_meet_and_are_logged() -> None:
    """Three axonal and three dendritic elements a cell, one contact a pair: nearly all pair up, none twice."""
    sim = rest(60, {AXON: STILL, DENDRITE: STILL}, nd.Pairing(), nd.Degree(2), growth={"start": 3.0})
    watch = Watch(sim)
    before = sim.tables["q"].n_synapse
    assert before == 120 and np.all(sim.blocks["cells"][f"elements_{DENDRITE}"] == 5.0)
    sim.run_until_spike(3000.0)
    t, log = sim.tables["q"], watch.log()
    slots = t.slots()
    pairs = t.pre(slots) * 60 + t.post[slots]
    assert np.unique(pairs).size == slots.size and np.all(t.pre(slots) != t.post[slots])
    assert 290 <= t.n_synapse <= 300
    assert np.all(log.kind == BIRTH) and np.all(log.cause == CAUSES.index("elements"))
    assert log.uid.size == t.n_synapse - before
    assert np.all(t.weight[slots] == 1.0)


def test_distances_of_new_synapses() -> None:
    """EX-12: with plentiful elements distances have density ~ d exp(-(d/s)^2): mean s sqrt(pi)/2, rms s (2 %)."""
    n, sigma = few(4000, 400), 40.0
    net = nd.Network(seed=2, sheet=nd.Sheet(800.0, 800.0))
    a = net.add(POISSON, n, name="a", positions=np.random.default_rng(1).uniform(0, 800, (n, 2)))
    centre = 400 + np.random.default_rng(2).uniform(-150, 150, (few(1500, 100), 2))
    b = net.add(POISSON, centre.shape[0], name="b", positions=centre)
    b.use(nd.Growth({DENDRITE: STILL}, start=4.0))  # the axons of a have no elements: plentiful
    net.connect(a, b, nd.Degree(0), weight=1.0, name="q").use(nd.Pairing(sigma=sigma))
    sim = Simulator(net, tick=1000.0)
    watch = Watch(sim)
    sim.run_until_spike(1000.0)
    log = watch.log()
    d = np.linalg.norm(a.positions[log.pre] - b.positions[log.post], axis=1)
    assert d.size == 4 * b.n
    tolerance = 0.02 if n == 4000 else 0.15
    assert np.isclose(d.mean(), sigma * np.sqrt(np.pi) / 2, rtol=tolerance)
    assert np.isclose(np.sqrt(np.mean(d**2)), sigma, rtol=tolerance)


@pytest.mark.parametrize("sigma", [1e9, 100.0, 5.0, 0.7, 1e-3])
def test_elements_meet_at_any_distance(sigma) -> None:
    """Only the ratio of kernels counts: where all underflow (beyond 27 sigma) the nearest is chosen, not nobody."""
    where = np.array([[0.0, 0.0], [100.0, 0.0], [101.0, 0.0], [-130.0, 0.0]])
    net = nd.Network(seed=2)
    a = net.add(POISSON, 1, name="a", positions=where[:1])
    b = net.add(POISSON, 3, name="b", positions=where[1:])
    a.use(nd.Growth({AXON: STILL}, start=2.0))
    b.use(nd.Growth({DENDRITE: STILL}, start=1.0))
    net.connect(a, b, nd.Degree(0), weight=1.0, name="q").use(nd.Pairing(sigma=sigma))
    sim = Simulator(net, tick=1000.0)
    sim.run_until_spike(1000.0)
    t = sim.tables["q"]
    assert t.n_synapse == 2
    if sigma < 10.0:
        assert sorted(t.post[t.slots()].tolist()) == [0, 1]


@pytest.mark.parametrize("rule", ["random", "smallest", "oldest", "youngest"])
def test_deletion_follows_the_declared_rule(rule) -> None:
    """ALG-15: random deletion takes every synapse alike (chi-square p > 1e-3); the others take exactly theirs."""
    net = nd.Network(seed=4)
    sources, targets = net.add(nd.Poisson(rate_hz=0.01), 8, name="s"), net.add(POISSON, 400, name="t")
    targets.use(nd.Growth({DENDRITE: STILL}))
    draw = np.random.default_rng(7)
    net.connect(sources, targets, nd.AllToAll(), weight=draw.uniform(0.1, 1.0, 3200), name="q").use(
        nd.Pairing(deletion=rule)
    )
    sim = Simulator(net, tick=1000.0)
    watch, t = Watch(sim), sim.tables["q"]
    slots = t.slots()
    pre, post, uid, weight = t.pre(slots), t.post[slots].copy(), t.uid[slots].copy(), t.weight[slots].copy()
    sim.blocks["t"][f"elements_{DENDRITE}"][:] = 5.9
    sim.run_until_spike(1000.0)
    log = watch.log()
    assert log.uid.size == 3 * 400 and np.all(log.kind == DEATH)
    assert np.all(log.cause == CAUSES.index("dendritic_elements"))
    if rule == "random":
        assert stats.chisquare(np.bincount(log.pre, minlength=8)).pvalue > 1e-3
        rank = np.empty(3200)
        for j in range(400):
            mine = post == j
            rank[mine] = np.argsort(np.argsort(uid[mine]))
        gone = np.isin(uid, log.uid)
        assert stats.chisquare(np.bincount(rank[gone].astype(int), minlength=8)).pvalue > 1e-3
        return
    score = {"smallest": weight.astype(float), "oldest": uid.astype(float), "youngest": -uid.astype(float)}[rule]
    for j in range(0, 400, 37):
        mine = np.flatnonzero(post == j)
        assert set(uid[mine[np.argsort(score[mine])[:3]]]) == set(log.uid[log.post == j])
    assert pre.size == 3200


def two_targets(seed: int, elements: float, growth_start: float = 0.0) -> tuple[Simulator, Watch]:
    """The axons of one population end on two others, with the same axonal elements."""
    net = nd.Network(seed=seed)
    a, b, c = (net.add(POISSON, 40, name=x) for x in "abc")
    a.use(nd.Growth({AXON: STILL}, start=growth_start))
    for p in (b, c):
        p.use(nd.Growth({DENDRITE: STILL}, start=elements))
    net.connect(a, b, nd.Degree(6), weight=1.0, name="ab").use(nd.Pairing(sigma=300.0))
    net.connect(a, c, nd.Degree(2), weight=1.0, name="ac").use(nd.Pairing(sigma=300.0))
    sim = Simulator(net, tick=1000.0)
    return sim, Watch(sim)


def test_projections_share_deficits_and_vacancies_fairly() -> None:
    """Neither projection is served first: deficits fall on synapses alike, vacancies go where the offers are."""
    lost, won = np.zeros(2), np.zeros(2)
    for seed in range(few(6, 2)):
        sim, watch = two_targets(seed, 0.0)
        z = sim.blocks["a"][f"elements_{AXON}"]
        missing = np.minimum(z, 3.0).sum()
        z -= 3.0
        sim.run_until_spike(1000.0)
        log = watch.log()
        assert log.uid.size == missing and np.all(log.cause == CAUSES.index("axonal_elements"))
        lost += [240 - sim.tables["ab"].n_synapse, 80 - sim.tables["ac"].n_synapse]
        sim, watch = two_targets(seed, 10.0, growth_start=2.0)
        sim.run_until_spike(1000.0)
        won += [sim.tables["ab"].n_synapse - 240, sim.tables["ac"].n_synapse - 80]
    n, m = lost.sum(), won.sum()
    assert abs(lost[0] / n - 0.75) < 4 * np.sqrt(0.75 * 0.25 / n)  # 240 of 320 synapses
    assert m >= few(6, 2) * 78 and abs(won[0] / m - 0.5) < 4 * np.sqrt(0.25 / m)  # equal offers


def test_interventions_and_other_mechanisms_are_counted() -> None:
    """Synapses added or removed by others occupy or free elements from the next tick on."""
    sim = rest(30, {AXON: STILL, DENDRITE: STILL}, nd.Pairing(), nd.Degree(4))
    watch = Watch(sim)
    sim.run_until_spike(1000.0)
    nd.RemoveSynapses("q", target=[0, 1]).apply(sim)
    sim.run_until_spike(3000.0)
    log = watch.log()
    n_back = int((log.kind == BIRTH).sum())
    assert 6 <= n_back <= 8 and set(log.post[log.kind == BIRTH]) <= {0, 1}
    t = sim.tables["q"]
    partners = t.pre(t.slots())[t.post[t.slots()] == 9]
    nd.AddSynapses("q", np.setdiff1d(np.arange(30), [9, *partners])[:1], [9]).apply(sim)
    sim.run_until_spike(4000.0)
    log = watch.log()
    lost = log.cause[(log.kind == DEATH) & (log.cause != CAUSES.index("intervention"))]
    assert lost.size and set(lost) <= {CAUSES.index("axonal_elements"), CAUSES.index("dendritic_elements")}


@pytest.mark.compiled
def test_with_spines_and_turnover() -> None:
    """On a projection with spines: sizes of the dead are logged, other births are taken back for want of elements."""
    net = nd.Network(seed=1)
    s, t = net.add(nd.Poisson(rate_hz=1.0), 30, name="s"), net.add(POISSON, 20, name="t")
    t.use(nd.Growth({DENDRITE: nd.LinearGrowth(nu=1e-7)}))
    q = net.connect(s, t, nd.Degree(5), spines=nd.Spines(), name="q")
    q.use(nd.SpineSize(death="none"), nd.Turnover(early=8.0, late=8.0), nd.Pairing(deletion="youngest"))
    sim = Simulator(net, tick=7.2e6, acceleration=7200.0)
    watch = Watch(sim, strict=False)  # a synapse of Turnover may stand without an element until the next tick
    sim.run_until_spike(2e4)
    log = watch.log()
    dead = log.kind == DEATH
    assert dead.sum() > 20 and np.all(np.isfinite(log.value[dead]))


def test_what_is_refused() -> None:
    """Kinds that nobody has, one kind on both sides, unknown rules."""
    with pytest.raises(ParameterError, match="name two kinds"):
        nd.Pairing(axonal="x", dendritic="x")
    with pytest.raises(ParameterError, match="deletion"):
        nd.Pairing(deletion="first")
    net = nd.Network()
    p = net.add(POISSON, 5, name="p").use(nd.Growth({"other": STILL}))
    net.connect(p, p, nd.Degree(2), weight=1.0, name="q").use(nd.Pairing())
    with pytest.raises(BuildError, match="neither 'axonal'"):
        Simulator(net, tick=1000.0)


# ---------------------------------------------------------------------- with neurons that die and are born


def mortal(seed: int = 6, n: int = 40, room: int = 12) -> Simulator:
    """Cells with elements, of which some die and some are born, on a sheet; a drive without elements beside them."""
    net = nd.Network(seed=seed, sheet=nd.Sheet(300, 300))
    p = net.add(POISSON, n, name="cells", room=room)
    drive = net.add(nd.Poisson(rate_hz=0.01), 10, name="drive")
    net.background(p, nd.Background(rate_hz=4.0, weight=25.0))
    p.use(
        nd.Growth({AXON: nd.LinearGrowth(nu=2e-4), DENDRITE: nd.LinearGrowth(nu=2e-4)}, start=1.0),
        nd.NeuronDeath(fraction=0.6, begin=1e4, end=6e4, slope=0.0, average=0.0),
        nd.Neurogenesis(
            rate=2e-4 * 8.64e7, axon=2e3, first_spine=3e3, half=4e3, critical_begin=5e3, critical_end=6e3, end=4e4
        ),
    )
    net.connect(p, p, nd.Degree(4), weight=1.0, name="q").use(nd.Pairing(sigma=150.0))
    net.connect(drive, p, nd.Degree(2), weight=1.0, name="d").use(nd.Pairing(sigma=150.0))
    return Simulator(net, tick=1000.0, acceleration=1.0)


@pytest.mark.compiled
def test_elements_go_and_come_with_their_neurons() -> None:
    """ALG-9 with element totals while neurons die and are born: the dead and unborn have no elements and no calcium."""
    sim = mortal()
    watch = Watch(sim, strict=True)
    b = sim.blocks["cells"]
    assert np.all(b[f"elements_{AXON}"][40:] == 0.0) and np.all(b["calcium"][40:] == 0.0)
    for k in range(70):
        sim.run_until_spike((k + 1) * 1e3)
        sim.verify()
        for signal in ("calcium", f"elements_{AXON}", f"elements_{DENDRITE}", f"connected_{AXON}", f"vacant_{AXON}"):
            assert np.all(b[signal][~b.alive] == 0.0), signal
    dead, newborn = ~np.isnan(b.died), b.alive & (b.born > 0)
    assert 15 <= dead.sum() and newborn.sum() >= 4
    log = watch.log()
    assert (log.cause == CAUSES.index("neuron_death")).sum() > 10
    first = np.array([log.tick[(log.kind == BIRTH) & (log.post == j)].min(initial=99) for j in np.flatnonzero(newborn)])
    assert np.all(first * 1e3 >= b.born[newborn] + 3e3) and np.any(first < 99)


def test_death_in_a_tick_frees_the_partners_at_once() -> None:
    """A lesion leaves its partners with vacant elements; nobody loses a synapse for want of elements."""
    sim = rest(30, {AXON: STILL, DENDRITE: STILL}, nd.Pairing(), nd.Degree(4))
    watch = Watch(sim)
    sim.run_until_spike(1000.0)
    nd.Lesion("cells", [0, 1, 2]).apply(sim)
    sim.run_until_spike(4000.0)
    log, b = watch.log(), sim.blocks["cells"]
    assert set(log.cause[log.kind == DEATH]) == {CAUSES.index("lesion")}
    assert np.all(log.post[log.kind == BIRTH] > 2) and np.all(log.pre[log.kind == BIRTH] > 2)
    assert np.all(b[f"connected_{AXON}"][:3] == 0.0) and np.all(b[f"elements_{AXON}"][:3] == 0.0)
    assert b[f"connected_{AXON}"].sum() == sim.tables["q"].n_synapse


@pytest.mark.parametrize(("lost", "tick"), [(0.1, 100.0), (0.02, 50.0), (0.5, 500.0), (0.0, 100.0)])
def test_whole_elements_pair_before_the_vacant_decay(lost: float, tick: float) -> None:
    """What becomes whole at a tick meets its partner there, however fast vacancies decay; without one it decays."""
    net = nd.Network(seed=1)
    tau = -tick / np.log1p(-lost) if lost else np.inf
    growth = {name: nd.LinearGrowth(nu=1e-4) for name in (AXON, "odd")}
    pre, post = net.add(nd.LIF(), 4, name="pre"), net.add(nd.LIF(), 4, name="post")
    q = net.connect(pre, post, nd.Pairs([], []), weight=0.1, multapses=True)
    pre.use(nd.Growth(growth, vacancy_tau=tau))
    post.use(nd.Growth({DENDRITE: nd.LinearGrowth(nu=1e-4)}, vacancy_tau=tau))
    q.use(nd.Pairing(sigma=np.inf))
    sim = Simulator(net, tick=tick)
    Watch(sim, strict=False)
    sim.run_until_spike(30_500.0)
    z = sim.blocks["pre"]
    assert sim.tables[q.name].n_synapse == 4 * 3  # both sides become whole together, once in 10 s
    np.testing.assert_allclose(z[f"elements_{AXON}"], 3.05, rtol=1e-9)
    # nobody pairs this kind: it stays about whole, a tick's growth above or a tick's loss below
    assert np.all(np.abs(z["elements_odd"] - (3.05 if not lost else 1.0)) < 1.2 * max(lost, 0.05))


def test_what_a_synapse_leaves_has_a_tick_to_pair_again() -> None:
    """A freed element is vacant from the next tick on: it pairs there, or decays, and not before."""
    sim = rest(
        2,
        {AXON: STILL, DENDRITE: STILL},
        nd.Pairing(sigma=np.inf),
        nd.Pairs([0, 1], [1, 0]),
        growth={"vacancy_tau": 1e3},
    )
    b = sim.blocks["cells"]
    b[f"elements_{AXON}"][0] = 0.5  # its synapse goes; the dendrite of neuron 1 keeps its element over this tick
    z = []
    for k in range(1, 4):
        sim.run_until_spike(k * sim.tick_spike)
        z.append(float(b[f"elements_{DENDRITE}"][1]))
    kept = np.exp(-sim.tick / 1e3)
    np.testing.assert_allclose(z, [1.0, kept, kept], rtol=1e-12)
    assert sim.tables["q"].n_synapse == 1


@pytest.mark.parametrize("gap", [30.0, 3e3, 3e5])  # um: 3, 300 and 30000 sigma
def test_projections_share_elements_at_any_distance(gap: float) -> None:
    """Where every K underflows the vacant elements are dealt out in the same proportion: by its logarithm."""
    net = nd.Network(seed=5)
    axons = net.add(POISSON, 200, name="axons", positions=np.zeros((200, 2)))
    axons.use(nd.Growth({AXON: STILL}, start=1.0))
    for name in ("one", "two"):
        cells = net.add(POISSON, 40, name=name, positions=np.column_stack([np.full(40, gap), np.zeros(40)]))
        cells.use(nd.Growth({DENDRITE: STILL}, start=10.0))
        nothing = nd.Pairs(np.zeros(0, dtype=int), np.zeros(0, dtype=int))
        net.connect(axons, cells, nothing, weight=1.0, name=f"to_{name}").use(nd.Pairing(sigma=10.0))
    sim = Simulator(net, acceleration=1e5)
    Watch(sim)
    sim.run_until_spike(sim.tick_spike)
    made = [sim.tables[f"to_{name}"].n_synapse for name in ("one", "two")]
    assert sum(made) == 200
    assert 70 <= made[0] <= 130  # 200 tosses of a fair coin

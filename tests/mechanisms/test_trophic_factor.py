"""The consumer-resource model: its three classes of outcome, its solver, activity, pro-form, pruning and sprouting."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.integrate import solve_ivp

import neurodev as nd
from neurodev import jit
from neurodev.engine.simulator import Simulator
from neurodev.errors import BuildError, ParameterError
from neurodev.mechanisms.trophic_factor import TrophicFactor, least_ligand, steady_state
from neurodev.structure.cause import CAUSES
from neurodev.structure.log import BIRTH, DEATH
from neurodev.structure.table import Table
from neurodev.units import day, hour
from tests.mechanisms.drivers import World, few, star

PER = 24.0  # the reference problems are per hour, parameters per day


def model(growth: str, strength, **given) -> TrophicFactor:
    """A factor with the constants of the reference problems."""
    return TrophicFactor(growth=growth, strength=PER * np.asarray(strength, dtype=float), gain=0.0, **given)


def rest(m: TrophicFactor, n: int, hours: float = 6000.0, free=None) -> World:
    """`n` axons on one target after `hours`."""
    w = World((m,), star(n), tick=100 * hour)
    if free is not None:
        w.table.column("receptor_free")[w.table.slots()] = free
    w.step(round(hours / 100))
    return w


def twin(m: TrophicFactor, start: np.ndarray, ligand: float, days: float) -> np.ndarray:
    """The equations as they are written, by SciPy's stiff solver: C, R, phi of every axon, then L."""
    a, n = np.broadcast_to(m.strength, start.shape[1]), start.shape[1]

    def f(t, y):
        c, r, p = y[:-1].reshape(3, n)
        bind = m.association * y[-1] * r - m.dissociation * c
        made = {
            "linear": a * c, "michaelis": a * c / (m.half + c),
            "hill": a * c**m.exponent / (m.half**m.exponent + c**m.exponent),
        }[m.growth]  # fmt: skip
        return np.concatenate([
            bind - m.internalisation * c, p - m.turnover * r - bind, (made - p) / (m.production_tau / day),
            [m.release - m.loss * y[-1] - bind.sum() / m.volume],
        ])  # fmt: skip

    y0 = np.append(start.ravel(), ligand)
    return solve_ivp(f, (0, days), y0, method="Radau", rtol=1e-9, atol=1e-11).y[:, -1]


def test_linear_growth_excludes_all_but_one() -> None:
    """EX-1: only the axon with the smallest L* survives, L = .5 and C = 24.75 (1e-6)."""
    a = np.array([0.24, 0.25, 0.26, 0.28, 0.30])
    m = model("linear", a)
    assert [least_ligand(m, x) for x in PER * a] == pytest.approx([1.25, 1.0, 0.8333333, 0.625, 0.5], rel=1e-6)
    w = rest(m, 5)
    bound = w.of("receptor_bound")
    assert np.all(bound[:4] < 1e-6) and bound[4] == pytest.approx(24.75, rel=1e-6)
    assert w.view.target["ligand_trophin"][0] == pytest.approx(0.5, rel=1e-6)
    c, ligand = steady_state(m, PER * a)
    assert (c[4], ligand) == (pytest.approx(24.75), pytest.approx(0.5))
    assert w.view.source["trophic_level"] == pytest.approx(bound)


def test_michaelis_growth_lets_many_live() -> None:
    """EX-2: C = 1.3624 3.1498 4.9373 6.7247 8.5122, L = .62714 (1e-4)."""
    a = np.array([1.5, 2.0, 2.5, 3.0, 3.5])
    m = model("michaelis", a)
    w = rest(m, 5)
    expected = [1.3624, 3.1498, 4.9373, 6.7247, 8.5122]
    assert w.of("receptor_bound") == pytest.approx(expected, rel=1e-4)
    assert w.view.target["ligand_trophin"][0] == pytest.approx(0.62714, rel=1e-4)
    c, ligand = steady_state(m, PER * a)
    assert c == pytest.approx(w.of("receptor_bound"), rel=1e-8) and ligand == pytest.approx(0.62714, rel=1e-4)
    # an axon whose threshold lies above what the others leave dies
    w = rest(model("michaelis", [0.9, 3.5, 3.5, 3.5, 3.5]), 5, 12000)
    assert w.of("receptor_bound")[0] < 1e-6 and least_ligand(m, PER * 0.9) > w.view.target["ligand_trophin"][0]


def test_hill_growth_keeps_who_is_large() -> None:
    """EX-3: from small R all die (L = 50); from R = 8 8 8 .05 .05 three survive, C = 8.2452, L = .52893 (1e-3)."""
    m = model("hill", np.full(5, 3.0))
    w = rest(m, 5)
    assert np.all(w.of("receptor_bound") < 1e-6) and w.view.target["ligand_trophin"][0] == pytest.approx(50.0, rel=1e-6)
    w = rest(m, 5, free=[8.0, 8.0, 8.0, 0.05, 0.05])
    assert w.of("receptor_bound") == pytest.approx([8.2452] * 3 + [0.0] * 2, rel=1e-3, abs=1e-6)
    assert w.view.target["ligand_trophin"][0] == pytest.approx(0.52893, rel=1e-3)
    c, ligand = steady_state(m, np.full(5, 3.0 * PER), np.array([1, 1, 1, 0, 0], dtype=bool))
    assert (c[0], c[3], ligand) == (pytest.approx(8.2452, abs=1e-4), 0.0, pytest.approx(0.52893, abs=1e-5))


@pytest.mark.parametrize("growth", ["linear", "michaelis", "hill"])
def test_the_solver_is_of_order_two(growth) -> None:
    """Against SciPy's Radau on the way to the steady state: half the step, a quarter of the error."""
    error = []
    for step in (0.0125, 0.00625):
        m = replace(model(growth, 0.28 if growth == "linear" else [2.5, 2.0, 3.0]), step=step * hour)
        w = World((m,), star(3), tick=2 * hour)
        slots = w.table.slots()
        w.table.column("receptor_free")[slots] = [6.0, 3.0, 1.0]
        start = np.array([w.table.column(c)[slots] for c in m.owns])
        exact = twin(m, start, float(w.view.target["ligand_trophin"][0]), 1.0)
        w.step(12)
        got = np.append(np.array([w.table.column(c)[slots] for c in m.owns]).ravel(), w.view.target["ligand_trophin"])
        error.append(np.abs(got - exact).max() / np.abs(exact).max())
    assert error[0] < 3e-4 and 3.0 < error[0] / error[1] < 4.5


def test_a_tick_may_be_split() -> None:
    """Two ticks of an hour equal one of two, to 1e-12, where both hold whole steps; the coarse default is near."""
    m = model("michaelis", [2.0, 2.5, 3.0], pro_share=0.5, cleavage=12.0)
    a, b = (World((m,), star(3), tick=k * hour) for k in (1, 2))
    a.step(24)
    b.step(12)
    for name in m.owns:
        assert a.of(name) == pytest.approx(b.of(name), rel=1e-12)
    assert a.view.target["pro_trophin"] == pytest.approx(b.view.target["pro_trophin"], rel=1e-12)


def test_the_order_of_synapses_does_not_matter() -> None:
    """Three targets, the same axons in another order: the same receptors to 1e-12."""
    out = []
    for order in (np.arange(18), np.random.default_rng(1).permutation(18)):
        source, target = np.tile(np.arange(6), 3)[order], np.repeat(np.arange(3), 6)[order]
        t = Table.build(6, 3, [1.0], source, target, np.zeros(18, int), 1.0, columns=("size",))
        w = World((model("michaelis", np.linspace(2, 3, 6)),), t, tick=10 * hour)
        slots = t.slots()
        t.column("receptor_free")[slots] = 0.5 + 0.1 * t.pre(slots) + 0.3 * t.post[slots]
        w.step(10)
        key = np.argsort(t.pre(slots) * 3 + t.post[slots])
        out.append(t.column("receptor_bound")[slots][key])
    assert out[0] == pytest.approx(out[1], rel=1e-12)


def test_supply_is_what_is_taken_up_or_lost() -> None:
    """At rest release = loss of ligand + uptake, pro-form and infusion included; blocked receptors leave all free."""
    m = model("michaelis", 2.5, pro_share=0.6, cleavage=4.8, volume=2.0)
    w = World((m,), star(7, 2), tick=100 * hour)
    w.view.target["infused_trophin"][:] = 0.0, 48.0
    w.step(40)
    t, slots = w.table, w.table.slots()
    taken = np.bincount(t.post[slots], m.internalisation * t.column("receptor_bound")[slots]) / m.volume
    pro = m.pro_share * m.release / (m.pro_loss + m.cleavage)
    assert w.view.target["pro_trophin"] == pytest.approx(pro, rel=1e-9)
    mature = (1 - m.pro_share) * m.release + m.cleavage * pro + np.array([0.0, 48.0])
    assert taken + m.loss * w.view.target["ligand_trophin"] == pytest.approx(mature, rel=1e-9)
    w.view.target["blocked_trophin"][:] = 1.0
    w.step(80)
    assert np.all(w.of("receptor_bound") < 1e-9)
    assert w.view.target["ligand_trophin"] == pytest.approx(mature / m.loss, rel=1e-6)


def test_activity_releases_takes_up_and_cleaves() -> None:
    """At `activity_hz` a model that is driven by activity equals one that is not; silent, nothing is released."""
    plain = model("michaelis", 2.5)
    driven = replace(plain, release_activity=1.0, uptake_activity=1.0, growth_activity=1.0)
    a, b, c = (World((m,), star(4), tick=10 * hour) for m in (plain, driven, driven))
    for w, hz in ((b, plain.activity_hz), (c, 0.0)):
        w.view.source["rate_hz"][:] = hz
        w.view.target["rate_hz"][:] = hz
    for w in (a, b, c):
        w.step(30)
    assert np.array_equal(a.of("receptor_bound"), b.of("receptor_bound")) and np.all(c.of("receptor_bound") < 1e-9)
    fast = World((replace(plain, pro_share=1.0),), star(4), tick=10 * hour)
    levels = []
    for hz in (0.0, 0.5, 5.0):
        fast.view.target["rate_hz"][:] = hz
        fast.step(60)
        levels.append(float(fast.view.target["pro_trophin"][0]))
    # 12/h of release at a loss of .1/h; activity adds 1/h of cleavage at .5 Hz
    assert levels == pytest.approx([50.0, 5.0 / 1.1, 5.0 / 10.1], rel=1e-6)


def test_the_share_shifts_the_set_point() -> None:
    """T = feeds rho C / (release v) - 1: shares add up to what is taken up, as in the simple share."""
    m = replace(model("michaelis", 2.5, feeds=10.0, clip=100.0), gain=0.7)
    w = World((m, nd.SpineSize(noise=False, death="none")), star(12), tick=10 * hour)
    w.step(60)
    drive = w.of("drive_trophic")
    lost = m.loss * w.view.target["ligand_trophin"][0] / m.release
    assert (drive / 0.7 + 1.0).sum() == pytest.approx(10.0 * (1.0 - lost), rel=1e-6)
    assert w.of("log_size") == pytest.approx(np.full(12, w.of("log_size")[0]), abs=0.2)


def test_pruning_and_sprouting_follow_their_rates() -> None:
    """Hazard prune K/(K + C) + prune_pro Pro, births sprout L/(half + L), each within four standard errors."""
    n = few(3000, 300)
    m = model("michaelis", 2.5, prune=0.6, prune_half=2.0, prune_pro=0.002, pro_share=0.5)
    w = World((m,), star(4, n), tick=2 * hour)
    w.step(1)
    t, slots = w.table, w.table.slots()
    t.column("receptor_bound")[slots] = 1.0 + t.pre(slots)
    bound, pro = t.column("receptor_bound")[slots].copy(), w.view.target["pro_trophin"][t.post[slots]]
    p = -np.expm1(-(0.6 * 2.0 / (2.0 + bound) + 0.002 * pro) / 12)
    before, pre = t.uid[slots].copy(), t.pre(slots)
    w.clock.tick += 1  # fresh draws
    plan = m.propose(w.view)
    gone = np.isin(slots, plan.deaths)
    for k in range(4):
        mine = pre == k
        assert abs(gone[mine].mean() - p[mine].mean()) < 4 * np.sqrt(p[mine].mean() / mine.sum())
    assert before.size == slots.size and set(plan.death_cause) == {CAUSES.index("trophic")}
    m = model("michaelis", 2.5, sprout=3.0, sprout_half=10.0)
    w = World((m,), star(2, n), tick=2 * hour, options={"multapses": True})
    w.step(1)
    ligand = w.view.target["ligand_trophin"]
    expected = (3.0 * ligand / (10.0 + ligand)).sum() / 12
    w.clock.tick += 1
    assert abs(m.propose(w.view).source.size - expected) < 4 * np.sqrt(expected)


def test_competition_makes_and_breaks_synapses_until_it_settles() -> None:
    """Free factor attracts axons, the crowd starves and is pruned: an equal number from above and from below."""
    m = model("michaelis", 2.5, prune=1.0, prune_half=0.5, sprout=2.0, sprout_half=0.2)
    late = []
    for n in (2, 60):
        source, target = np.tile(np.arange(n), 20), np.repeat(np.arange(20), n)
        t = Table.build(100, 20, [1.0], source, target, np.zeros(20 * n, int), 1.0, columns=("size",))
        w = World((m,), t, tick=2 * hour)
        mean = []
        for k in range(few(480, 60)):
            w.step()
            if k >= few(240, 40):
                mean.append(t.n_synapse / 20)
        late.append(np.mean(mean))
    log = w.events()
    assert set(log.cause) <= {CAUSES.index("trophic")} and {BIRTH, DEATH} == set(log.kind)
    if few(1, 0):
        assert late[0] == pytest.approx(late[1], rel=0.15)


def ocular(independent: float, infused: float = 0.0, days: int = 100, seed: int = 3) -> float:
    """Mean ocular dominance (0: both eyes alike, 1: one alone) of 40 targets whose eyes are active in turn."""
    m = TrophicFactor(
        growth="hill", strength=72.0, release=24.0, release_activity=1.0 - independent, uptake_activity=1.0,
        activity_hz=1.0, axon_hz=1.0, gain=0.0, production_tau=12 * hour, step=0.5 * hour,
    )  # fmt: skip
    w = World((m,), star(2, 40), tick=2 * hour)
    t, slots = w.table, w.table.slots()
    free, bound, eye, post = t.column("receptor_free"), t.column("receptor_bound"), t.pre(slots), t.post[slots]
    free[slots] = 8.0 + np.random.default_rng(seed).uniform(-0.5, 0.5, slots.size)
    w.view.target["infused_trophin"][:] = infused
    for k in range(12 * days + 1):
        arbour = np.zeros((2, 40))
        arbour[eye, post] = bound[slots] + free[slots]
        dominance = np.abs(arbour[0] - arbour[1]) / np.maximum(arbour.sum(axis=0), 1e-9)
        w.view.source["rate_hz"][:] = 2.0 * np.eye(2)[k % 2]
        w.view.target["rate_hz"][:] = 2.0 * arbour[k % 2] / np.maximum(arbour.sum(axis=0), 1e-9)
        w.step()
    assert arbour.sum(axis=0).min() > 5.0  # nobody has lost both eyes
    return float(np.mean(dominance))


@pytest.mark.skipif(not jit.ENABLED, reason="a thousand ticks")
def test_two_eyes_part_unless_there_is_factor_for_everyone() -> None:
    """BIO-27: ocular dominance where release follows activity, none above a share of constant release, or infused."""
    assert min(ocular(0.0), ocular(0.1)) > 0.95
    assert max(ocular(0.3), ocular(0.6), ocular(0.0, infused=24.0)) < 0.05


# ---------------------------------------------------------------------- in a network


def small(**given) -> tuple[Simulator, nd.Projection]:
    """Twenty Poisson axons on ten silent cells, a factor between them."""
    net = nd.Network(seed=4)
    a, b = net.add(nd.Poisson(rate_hz=2.0), 20, name="a"), net.add(nd.LIF(), 10, name="b", room=given.pop("room", 0))
    b.use(*given.pop("cells", ()))
    q = net.connect(a, b, nd.Degree(6), spines=nd.Spines(weight=0.1), name="q")
    q.use(TrophicFactor(**given), nd.SpineSize(death="none"))
    return Simulator(net, tick=2 * hour, acceleration=7200.0), q


@pytest.mark.compiled
def test_infusion_and_blockade() -> None:
    """Infused factor is there from the next tick on; without receptors uptake and level fall, all of it reversible."""
    sim, q = small()
    sim.run_until_spike(36_000.0)
    b, level = sim.blocks["b"], sim.blocks["a"]["trophic_level"]
    normal, before = b["ligand_trophin"].copy(), level.sum()
    for what in (nd.Infuse(q, 240.0, [0, 1]), nd.Antagonise("q", 0.9, [5])):
        what.check(sim)
        what.apply(sim)
    sim.run_until_spike(60_000.0)
    now = b["ligand_trophin"]
    assert np.all(now[:2] > 5 * normal[:2]) and now[5] > 2 * normal[5] and now[3] == pytest.approx(normal[3], rel=0.01)
    nd.Infuse(q, 0.0).apply(sim)
    nd.Antagonise(q, 1.0).apply(sim)
    sim.run_until_spike(84_000.0)
    assert level.sum() < 1e-2 * before
    nd.Antagonise(q, 0.0).apply(sim)
    for wrong in (nd.Infuse(q, -1.0), nd.Infuse(q, 1.0, [10]), nd.Antagonise(q, 1.5)):
        with pytest.raises(ParameterError):
            wrong.check(sim)


@pytest.mark.compiled
def test_who_gets_no_factor_dies() -> None:
    """BIO-25, trophic side: neurons whose axons win factor survive; a dead target has neither ligand nor pro-form."""
    net = nd.Network(seed=2)
    a, b = net.add(nd.LIF(), 200, name="a"), net.add(nd.LIF(), 20, name="b", room=3)
    death = nd.NeuronDeath(
        fraction=0.5, begin=2 * day, end=6 * day, activity=0.0, trophic=1.0, slope=3.0, trophic_reference=1.5
    )
    a.use(death)
    strength = np.where(np.arange(200) < 100, 60.0, 24.0)
    net.connect(a, b, nd.Degree(40), spines=nd.Spines(), name="q").use(TrophicFactor(strength=strength, pro_share=0.3))
    sim = Simulator(net, tick=2 * hour, acceleration=7200.0)
    assert np.all(sim.blocks["b"]["ligand_trophin"][20:] == 0.0)
    sim.run_until_spike(24_000.0)
    nd.Lesion("b", [0]).apply(sim)
    sim.run_until_spike(84_000.0)
    sim.verify()
    dead, has = (
        ~np.isnan(sim.blocks["a"].died),
        np.bincount(sim.tables["q"].pre(sim.tables["q"].slots()), minlength=200),
    )
    assert dead[:100].sum() < dead[100:].sum() - 20 and np.all(has[dead] == 0)
    for signal in ("ligand_trophin", "pro_trophin"):
        assert sim.blocks["b"][signal][0] == 0.0 and np.all(sim.blocks["b"][signal][20:] == 0.0)


def test_what_is_refused() -> None:
    """Each message names the argument and the cure."""
    with pytest.raises(ParameterError, match="use step <="):
        TrophicFactor(growth="linear", strength=200.0)
    with pytest.raises(ParameterError, match="spread"):
        TrophicFactor(receptors=0.1)
    with pytest.raises(ParameterError, match="must be a word"):
        TrophicFactor(factor="two words")
    with pytest.raises(BuildError, match="one value per source"):
        small(strength=[1.0, 2.0])
    with pytest.raises(BuildError, match="too coarse for TrophicFactor"):
        small(prune=10.0)
    sim, q = small()
    with pytest.raises(BuildError, match="name this one"):
        q.mechanisms[0].prepare(sim.views["q"])
    net = nd.Network()
    p = net.add(nd.LIF(), 5, name="p")
    bare = net.connect(p, p, nd.Degree(2), weight=1.0, name="bare")
    with pytest.raises(BuildError, match="does not use TrophicFactor"):
        nd.Infuse(bare, 1.0).check(Simulator(net, tick=hour))
    bare.use(TrophicFactor())
    with pytest.raises(BuildError, match="has no spines"):
        Simulator(net, tick=hour)

"""The synapse table against a dictionary; plans, log, replay, wiring."""

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from neurodev.errors import InvariantError, ParameterError, RunFileError
from neurodev.structure import parts, weight
from neurodev.structure.cause import CAUSES
from neurodev.structure.delays import DelayList, Uniform, as_delay
from neurodev.structure.listing import living
from neurodev.structure.log import DEATH, StructuralLog, decode, encode, fill_partners
from neurodev.structure.places import Branches, Sheet, grid
from neurodev.structure.plan import Plan, apply, merge
from neurodev.structure.table import Table
from neurodev.structure.verify import replay, verify
from neurodev.structure.wiring import Degree, Near, Pairs, Probability
from tests.naive.weight_map import weight_of

N = 6


class TableAgainstDict(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.table = Table.build(N, N, [1.0, 2.0], [0, 1, 2], [3, 3, 4], [0, 1, 0], 1.0, columns=("a", "b"))
        self.model = {1: (0, 3, 0), 2: (1, 3, 1), 3: (2, 4, 0)}
        self.mark(self.table.slots())

    def mark(self, slots):
        for name, factor in (("a", 1.0), ("b", -2.0)):
            self.table.column(name)[slots] = factor * self.table.uid[slots]

    @rule(pairs=st.lists(st.tuples(st.integers(0, N - 1), st.integers(0, N - 1), st.integers(0, 1)), max_size=12))
    def born(self, pairs):
        plan = Plan("test")
        plan.source, plan.target, plan.lane = (
            np.array([p[k] for p in pairs], dtype=np.int64) for k in range(3)
        )  # fmt: skip
        done = apply(self.table, merge([plan], self.table, single_contact=False), tick=0, life=0.0)
        self.model.update({done.first_uid + k: p for k, p in enumerate(pairs)})
        self.mark(done.slots)

    @rule(data=st.data())
    def die(self, data):
        if not self.model:
            return
        uids = data.draw(st.lists(st.sampled_from(sorted(self.model)), unique=True))
        plan = Plan("test", self.table.slot_of(np.array(uids, dtype=np.uint64)))
        apply(self.table, merge([plan], self.table, single_contact=False), tick=0, life=0.0)
        for u in uids:
            del self.model[u]

    @invariant()
    def agrees(self):
        verify(self.table)
        s = self.table.state()
        ours = {int(u): (int(p), int(q), int(k)) for u, p, q, k in zip(s["uid"], s["pre"], s["post"], s["lane"])}  # noqa: B905
        assert ours == self.model
        np.testing.assert_array_equal(s["a"], s["uid"].astype(float))
        np.testing.assert_array_equal(s["b"], -2.0 * s["uid"])


TableAgainstDict.TestCase.settings = settings(max_examples=25, stateful_step_count=25, deadline=None)
TestTableAgainstDict = TableAgainstDict.TestCase


def churn(ticks=200):
    draw = np.random.default_rng(0)
    n_s, n_t = 40, 50
    pairs = draw.permutation(n_s * n_t)[:600]
    t = Table.build(n_s, n_t, [1.0, 2.0, 3.0], pairs // n_t, pairs % n_t, draw.integers(0, 3, 600), 1.0, columns=("a",))
    first, log = t.state(), StructuralLog()
    for k in range(ticks):
        slots = t.slots()
        m = int(draw.integers(0, 120))
        plan = Plan("x", draw.choice(slots, min(slots.size, int(draw.integers(0, 60))), replace=False))
        plan.source, plan.target, plan.lane = (draw.integers(0, n, m) for n in (n_s, n_t, 3))
        apply(t, merge([plan], t, single_contact=True), tick=k, life=float(k), log=log)
        verify(t)
    return t, first, log.take()


def test_log_replays_and_round_trips():
    table, first, log = churn()
    blob = encode(log)
    assert len(blob) / log.uid.size <= 24
    back = fill_partners(decode(blob), first["uid"], first["pre"], first["post"])
    for name in ("tick", "kind", "uid", "cause", "pre", "post"):
        np.testing.assert_array_equal(getattr(back, name), getattr(log, name))
    uid, pre, post, lane = replay(first["uid"], first["pre"], first["post"], first["lane"], back)
    state = table.state()
    order = np.argsort(state["uid"])
    for name, a in (("uid", uid), ("pre", pre), ("post", post), ("lane", lane)):
        np.testing.assert_array_equal(state[name][order], a)


def test_single_contact_is_kept():
    table, _, _ = churn(50)
    state = table.state()
    assert np.unique(state["pre"].astype(int) * 50 + state["post"]).size == state["pre"].size


def test_verify_sees_damage():
    table, _, _ = churn(5)
    slots = table.slots()
    table.pos_in[slots[3]], table.pos_in[slots[9]] = table.pos_in[slots[9]], table.pos_in[slots[3]]
    with pytest.raises(InvariantError, match="back-pointer"):
        verify(table)


def test_merge_takes_the_first_cause_and_counts_refusals():
    t = Table.build(3, 3, [1.0], [0, 1], [1, 2], [0, 0], 1.0, columns=("a",))
    slots = t.slots()
    a = Plan("a", slots[:1], np.array([3], np.uint8), np.array([-1.5], np.float32), {"x": np.array([1.0], np.float32)})
    b = Plan(
        "b", slots, np.array([4, 4], np.uint8), np.array([-9, -9], np.float32), {"y": np.array([2, 3], np.float32)}
    )
    b.source, b.target, b.lane = np.array([0, 2, 2]), np.array([1, 0, 0]), np.zeros(3, dtype=np.int64)
    m = merge([a, b], t, single_contact=True)
    assert m.plan.death_cause.tolist() == [3, 4]
    assert m.refused == {"duplicate": 1}  # the pair 0 -> 1 dies in the same tick, so it is free
    with pytest.raises(ParameterError, match="nobody declared the term 'y'"):
        apply(t, m, tick=1, life=0.0, log=StructuralLog(("x", "yy")))
    assert t.n_synapse == 2  # refused before anything was done
    log = StructuralLog(("x", "y"))
    done = apply(t, m, tick=1, life=0.0, log=log)
    assert (done.n_died, done.n_born, t.n_synapse) == (2, 2, 2)
    batch = log.take()
    dead = batch.kind == DEATH
    assert [CAUSES[c] for c in batch.cause[dead]] == ["evidence", "trophic"]
    # each death carries the terms of the plan whose cause counted; births none
    np.testing.assert_array_equal(batch.terms[dead], [[1.0, np.nan], [np.nan, 3.0]])
    assert np.isnan(batch.terms[~dead]).all()
    back = decode(encode(batch), 2)
    np.testing.assert_array_equal(back.terms, batch.terms)
    with pytest.raises(RunFileError, match="term 1 of 1"):
        decode(encode(batch), 1)


def test_weights_are_read_off_sizes():
    """As the map is written, to single precision: silent up to the threshold, then linear, scaled by target."""
    size, post = np.linspace(0.0, 0.2, 41), np.arange(41, dtype=np.uint32) % 3
    gain, threshold, factor = -80.0, 0.0113, np.array([1.0, 0.5, 2.0])
    found = np.full(41, np.nan, dtype=np.float32)
    weight.refresh_from_size(np.arange(41), size, found, post, gain, threshold, factor)
    np.testing.assert_array_equal(found, (weight_of(size, 1.0, gain, threshold) * factor[post]).astype(np.float32))
    assert np.all(found[size <= threshold] == 0) and np.all(found[size > threshold] < 0)


def test_near_conserves_in_degree_and_follows_its_kernel():
    sheet, draw = Sheet(1000, 1000), np.random.default_rng(1)
    source, target = grid(2500, sheet, 0.0, draw), grid(400, sheet, 0.0, draw)
    s, t = Near(sigma=100, inputs=12).draw(source, target, draw, False, True)
    assert np.all(np.bincount(t, minlength=400) == 12)
    middle = np.all(np.abs(target - 500) < 200, axis=1)[t]
    d2 = ((source[s] - target[t]) ** 2).sum(axis=1)[middle]
    # E d^2 = 2 sigma^2 for the Gaussian kernel; sd of d^2 is the same number
    assert abs(d2.mean() - 2e4) < 4 * 2e4 / np.sqrt(d2.size)
    s, t = Near(sigma=60, inputs=20).draw(source, source, draw, True, False)
    assert np.all(s != t) and np.unique(s * 2500 + t).size == s.size


def test_targets_far_from_all_sources_still_prefer_the_nearest():
    """Only ratios count: at 100 sigma the kernel itself is 0 in float64; near by nothing is changed."""
    sources, far = np.array([[0.0, 0.0], [10.0, 0.0], [13.0, 0.0]]), np.array([[5000.0, 0.0], [60.0, 0.0]])
    near = Near(sigma=50, inputs=1)
    a = near.log_affinity(sources, far)
    assert a[0].argmax() == 2 and np.all(near.affinity(sources, far, False)[0] == 0.0)
    assert a[0, 0] - a[0, 1] == pytest.approx(-(5000.0**2 - 4990.0**2) / 5000.0, rel=1e-12)
    np.testing.assert_array_equal(
        near.affinity(sources, far, False)[1], np.exp(-((60.0 - sources[:, 0]) ** 2) / 5000.0)
    )


def test_probability_and_degree():
    draw, x = np.random.default_rng(2), np.zeros((300, 2))
    s, _ = Probability(0.1).draw(x, x, draw, False, False)
    assert abs(s.size - 9000) < 4 * np.sqrt(9000 * 0.9)
    s, t = Degree(7).draw(x, x, draw, True, False)
    assert np.all(np.bincount(t) == 7) and np.all(s != t)


def test_places():
    b, at = Branches(4, 80.0).draw(np.uint64(0), np.arange(4000, dtype=np.uint64))
    assert np.all(np.bincount(b.astype(int)) > 1000 - 4 * np.sqrt(750)) and 0 <= at.min() and at.max() <= 80
    for n in (1, 7, 101, 400):
        p = grid(n, Sheet(1000, 500), 0.0, np.random.default_rng(0))
        assert p.shape == (n, 2) and np.all(p >= 0) and np.all(p <= [1000, 500])


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: Uniform(1, 9, step=0.0001), "80001 delay lanes"),
        (lambda: DelayList(np.arange(1, 70_000) * 0.1), "69999 distinct values"),
        (lambda: Table(2, 2, np.arange(1, 70_000), (), None), "1 to 65535 lanes"),
        (lambda: Table.build(2, 2, [1.0], [0, 5], [0, 1], [0, 0], 1.0), r"source indices must lie in \[0, 2\)"),
        (lambda: Table.build(2, 2, [1.0], [0], [0], [0], np.nan), "NaN"),
        (lambda: Pairs(np.array([0]), np.array([0, 1])), "equal length"),
        (lambda: Near(80, 2.5), "Near.inputs must be a whole number"),
        (lambda: Degree(0.5), "Degree.inputs must be a whole number"),
        (lambda: Uniform(1.0, 1e300, step=1e-9), "delay lanes; at most 65535"),
        (lambda: as_delay(["1 ms"]), "DelayList.delays must be a number or an array of numbers"),
        (lambda: as_delay([1.0, np.nan]), "must be finite"),
        (lambda: as_delay([1.0, -1.0]), "DelayList.delays must be > 0.0 ms"),
        (
            lambda: Near(80, 30).draw(np.zeros((5, 2)), np.zeros((5, 2)), np.random.default_rng(0), False, False),
            "exceeds",
        ),
    ],
)
def test_refused(call, match):
    with pytest.raises(ParameterError, match=match):
        call()


def test_one_array_of_the_state_at_a_time(monkeypatch):
    """`living` is `state`, whether the table is packed, has slack, is lean and in parts, or has changed."""
    monkeypatch.setattr(parts, "PART", 7)
    g = np.random.default_rng(8)
    for columns, shares, lean in (((), 1, False), (("a", "b"), 1, False), ((), 3, True), (("a",), 3, False)):
        s, t, k = g.integers(0, 9, 60), np.sort(g.integers(0, 11, 60)), g.integers(0, 3, 60)
        weight = 0.5 if lean else g.random(60)
        how = {"columns": columns, "parts": shares, "alike": lean, "consecutive": lean}
        table = Table.build(9, 11, [1.0, 2.0, 3.0], s, t, k, weight, born=4.0, **how)
        assert table.consecutive == lean
        for name in columns:
            table.column(name)[:] = g.random(table.capacity)
        for _ in range(2):
            for name, values in table.state().items():
                np.testing.assert_array_equal(living(table, name), values)
                assert living(table, name).dtype == values.dtype
            table._delete(table.slots()[3:40:5])
            table._insert(np.array([2, 2]), np.array([1, 3]), np.array([0, 2]), np.ones(2), 9.0)

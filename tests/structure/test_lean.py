"""Tables that keep little beside tables that keep everything: the same synapses, whatever happens to them."""

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

import neurodev as nd
from neurodev.engine.engine import Engine
from neurodev.errors import ParameterError
from neurodev.structure import births
from neurodev.structure.births import BirthDates
from neurodev.structure.dense import DenseTable
from neurodev.structure.plan import Plan, apply, merge
from neurodev.structure.table import Table, UidSource
from neurodev.structure.verify import verify

N, M, LANES = 5, 7, [1.0, 2.0]
SYNAPSE = st.tuples(st.integers(0, N - 1), st.integers(0, M - 1), st.integers(0, 1))


def table_of(pairs, weight=0.5, lean=True, born=0.0, parts=1):
    """Of (source, target, lane)."""
    source, target, lane = np.array(pairs, dtype=np.int64).reshape(-1, 3).T
    how = {"alike": True, "consecutive": True} if lean else {}
    return Table.build(N, M, LANES, source, target, lane, weight, born=born, uids=UidSource(4), parts=parts, **how)


class LeanAgainstFull(RuleBasedStateMachine):
    """Of the full one every uid, birth date and row is also kept in a dictionary, by the test alone."""

    @initialize(pairs=st.lists(SYNAPSE, max_size=20), parts=st.sampled_from([1, 1, 3]))
    def begin(self, pairs, parts):
        pairs = sorted(pairs, key=lambda p: (p[2], *p[:2]))  # in the order in which the lean one counts
        self.parts = parts
        self.lean, self.full = (table_of(pairs, lean=x, born=2.5, parts=parts) for x in (True, False))
        assert self.lean.consecutive
        self.living = {4 + k: (*p, 2.5) for k, p in enumerate(pairs)}
        self.life = 3.0

    @rule(pairs=st.lists(SYNAPSE, max_size=12), later=st.sampled_from([0.0, 1.0]), data=st.data())
    def change(self, pairs, later, data):
        uids = data.draw(st.lists(st.sampled_from(sorted(self.living)), unique=True)) if self.living else []
        self.life += later
        for table in (self.lean, self.full):
            plan = Plan("test", table.slot_of(np.array(uids, dtype=np.uint64)), birth_weight=np.full(len(pairs), 0.7))
            plan.source, plan.target, plan.lane = np.array(pairs, dtype=np.int64).reshape(-1, 3).T
            done = apply(table, merge([plan], table, single_contact=False), tick=0, life=self.life)
        for u in uids:
            del self.living[u]
        self.living.update({done.first_uid + k: (*p, self.life) for k, p in enumerate(pairs)})

    def row(self, source, target, lane):
        return (target * self.parts // M * len(LANES) + lane) * N + source

    @rule(which=st.sampled_from(["uid", "row", "born", "in-lists", "weights", "slots", "occupied"]))
    def ask(self, which):
        """What a table is asked for is the same before and after somebody has asked."""
        t = self.lean
        before, version = t.state(), t.version
        if which in ("uid", "row", "born"):
            slots = t.slots()
            values = getattr(t, which)
            assert values.shape == (t.capacity,)
            np.testing.assert_array_equal(values[slots], getattr(t, f"{which}_of")(slots))
            assert which != "uid" or t.uid is t.uid and t.version <= version + 1
        elif which == "in-lists":
            t.ensure_in_lists()
        elif which == "weights":
            t.own_weights()
        elif which == "slots":
            t.keep_slots()
        else:
            assert (t.occupied(np.arange(N), np.zeros(N, int), np.zeros(0, int)) == np.isin(
                np.arange(N), [p for p, q, *_ in self.living.values() if q == 0])).all()  # fmt: skip
        for name, a in t.state().items():
            np.testing.assert_array_equal(a, before[name], err_msg=name)

    @rule(into=st.booleans())
    def save_and_load(self, into):
        """Into a table that kept little, or much, before."""
        for name in ("lean", "full"):
            old = getattr(self, name)
            new = table_of([(0, 0, 0), (1, 1, 1)], lean=into, parts=self.parts)
            new.load({k: a.copy() for k, a in old.arrays().items()})
            new.uids.next = old.uids.next
            # of one synapse nobody can tell
            assert old.capacity == 1 or (new.alike, new.consecutive) == (old.alike, old.consecutive)
            for k, a in old.arrays().items():
                np.testing.assert_array_equal(new.arrays()[k], a, err_msg=k)
            setattr(self, name, new)

    @invariant()
    def agree(self):
        if not hasattr(self, "lean"):
            return
        one, two = self.lean.state(), self.full.state()
        for table in (self.lean, self.full):
            verify(table)
        for name in one:
            assert one[name].dtype == two[name].dtype
            np.testing.assert_array_equal(one[name], two[name], err_msg=name)
        columns = zip(*(one[k].tolist() for k in ("uid", "pre", "post", "lane", "born")), strict=True)
        assert {u: tuple(v) for u, *v in columns} == self.living
        wanted = [*self.living, 0, 1, 3, self.lean.uids.next, 2**40]
        slots = self.lean.slot_of(wanted)
        np.testing.assert_array_equal(slots, self.full.slot_of(wanted))
        found = slots[: len(self.living)]
        assert self.lean.is_live(found).all() and np.all(slots[len(self.living) :] == -1)
        assert self.lean.uid_of(found).tolist() == list(self.living)
        for few in (found[:1], found[::-1], found):  # few are looked up one by one
            rows = [self.row(*self.living[u][:3]) for u in self.lean.uid_of(few).tolist()]
            assert self.lean.row_of(few).tolist() == self.full.row_of(few).tolist() == rows
        assert np.all(self.lean.identities[self.lean.slots()] <= one["uid"])


LeanAgainstFull.TestCase.settings = settings(max_examples=15, stateful_step_count=10, deadline=None, derandomize=True)
TestLeanAgainstFull = LeanAgainstFull.TestCase


@pytest.mark.parametrize("n_target", [300, 70_000])
@pytest.mark.parametrize("how", [{}, {"alike": True, "consecutive": True}, {"columns": ("a",)}])
def test_blocks_are_the_table_of_all_at_once(n_target, how):
    """In blocks of any sizes, also empty ones, with one lane or lanes, and one weight or weights."""
    draw, n = np.random.default_rng(1), 2000
    source, target, lane = (draw.integers(0, k, n) for k in (50, n_target, 2))
    if "consecutive" in how:
        order = np.lexsort((target, source))  # within the rows, not as a whole
        source, target = source[order], target[order]
    weight = np.full(n, 0.25) if "alike" in how else draw.normal(size=n)
    one = Table.build(50, n_target, LANES, source, target, lane, weight, **how)
    cuts = [0, 0, 7, 1500, n]
    pieces = (slice(a, b) for a, b in zip(cuts[:-1], cuts[1:], strict=True))
    two = Table.of_blocks(50, n_target, LANES, ((source[p], target[p], lane[p], weight[p]) for p in pieces), **how)
    for name, a in one.arrays().items():
        np.testing.assert_array_equal(two.arrays()[name], a, err_msg=name)
    three = Table.of_blocks(50, n_target, LANES, [(source, target, 1, 0.25)], **how)
    four = Table.build(50, n_target, LANES, source, target, np.ones(n, int), 0.25, **how)
    for name, a in three.arrays().items():
        np.testing.assert_array_equal(four.arrays()[name], a, err_msg=name)
    verify(two)


@pytest.mark.parametrize("ordered", [False, True])
def test_uids_do_not_depend_on_the_number_of_parts(ordered):
    """Of targets in order they follow lane, source and target; of others the order in which they were given."""
    draw, n = np.random.default_rng(4), 600
    source, target, lane = (draw.integers(0, k, n) for k in (N, M, 2))
    if ordered:
        target = np.sort(target)
    found = []
    for parts in (1, 2, 3, 7):
        t = Table.build(N, M, LANES, source, target, lane, 0.5, parts=parts, alike=True, consecutive=True)
        assert t.consecutive == ordered
        s = t.state()
        order = np.argsort(s["uid"])
        found.append(np.stack([s[k][order].astype(int) for k in ("uid", "lane", "pre", "post")]))
        np.testing.assert_array_equal(t.uid_of(t.slot_of(s["uid"])), s["uid"])
    for f in found:
        np.testing.assert_array_equal(f, found[0])
    by = np.lexsort((target, source, lane)) if ordered else np.arange(n)
    np.testing.assert_array_equal(found[0], [1 + np.arange(n), lane[by], source[by], target[by]])


def test_blocks_that_do_not_fit_are_refused():
    good = ([0, 1], [2, 3], 0, 0.5)
    for bad, told in (
        (([0, 9], [2, 3], 0, 0.5), r"source indices must lie in \[0, 5\)"),
        (([0, 1], [2], 0, 0.5), r"target must have shape \(2,\)"),
        (([0, 1], [2, 3], [0], 0.5), r"lane must have shape \(2,\)"),
        (([0, 1], [2, 3], 2, 0.5), r"lane indices must lie in \[0, 2\)"),
        (([0, 1], [2, 3], 0, np.inf), "weight must be finite"),
        (([0, 1], [2, 3], 0, 0.75), "one and the same"),
        (([0, 1], [2, 3], 0, [0.5, 0.75]), "one and the same"),
    ):
        with pytest.raises(ParameterError, match=told):
            Table.of_blocks(N, M, LANES, [good, bad], alike=True)
    assert Table.of_blocks(N, M, LANES, [], alike=True, consecutive=True).state()["uid"].size == 0


def test_what_is_damaged_in_a_lean_table_is_refused():
    pairs = [(0, 1, 0), (2, 3, 0), (2, 4, 1)]
    lean, good = table_of(pairs), {k: a.copy() for k, a in table_of(pairs).arrays().items()}
    gaps = table_of(pairs, lean=False).arrays() | {"uid": good["uid"]}
    gaps = {k: a.copy() for k, a in gaps.items()}
    gaps["row_length"][0], gaps["numbers"][0] = 0, 2
    for bad, told in (
        (gaps, "without gaps"),
        (good | {"birth_uid": np.array([9], dtype=np.uint64)}, "birth_uid begins with 9"),
        (good | {"birth_time": np.array([np.nan])}, "birth_time finite"),
        (good | {"birth_uid": np.zeros(2, np.uint64), "birth_time": np.zeros(2)}, "ascending"),
        (good | {"uid": np.zeros(2, np.uint64)}, r"uid must have shape \(3,\)"),
    ):
        with pytest.raises(ParameterError, match=told):
            lean.load(bad)
    assert lean.consecutive and lean.state()["uid"].tolist() == [4, 5, 6]


@pytest.mark.parametrize("dense", [False, True])
def test_arrays_with_a_date_for_each_slot_are_still_read(dense):
    """As tables kept them before."""
    table = table_of([(0, 1, 0), (2, 3, 0), (2, 4, 0)], lean=False, born=1.0)
    if dense:
        table = DenseTable.of(table)
    plan = Plan("x", table.slots()[:1], source=[1], target=[1], lane=[0], birth_weight=[0.1])
    apply(table, merge([plan], table, single_contact=True), tick=0, life=9.0)
    arrays = {k: a for k, a in table.arrays().items() if not k.startswith("birth_")}
    arrays |= {"born": table.born, "row": table.row}
    other = DenseTable(N, M) if dense else table_of([])
    other.load(arrays)
    assert sorted(other.state()["born"].tolist()) == [1.0, 1.0, 9.0]
    np.testing.assert_array_equal(other.state()["born"], table.state()["born"])
    with pytest.raises(ParameterError, match="a date for each uid"):
        other.load(arrays | {"born": table.born[:-1]})


def test_dates_of_whom_nobody_lives_are_forgotten():
    dates, draw = BirthDates(), np.random.default_rng(0)
    living, when = np.zeros(0, np.uint64), {}
    for k in range(6000):
        dates.append(10 * k, float(k // 2))  # of two at one time the first tells
        living = np.concatenate([living, 10 * k + np.arange(3, dtype=np.uint64)])
        when |= {10 * k + i: k // 2 for i in range(3)}
        living = draw.permutation(living)[:50]
        if dates.worn:
            dates.forget_all_but(living)
        assert dates.uid.size <= 2 * 50 + births.SPARE
    assert dates.of(living).tolist() == [when[int(u)] for u in living]
    again = BirthDates.of_each(living, dates.of(living))
    assert again.uid.size <= 50 and again.of(living).tolist() == dates.of(living).tolist()
    assert BirthDates([5], [2.0]).of(np.array([4, 5, 6], np.uint64)).tolist() == [0.0, 2.0, 2.0]


def test_memory_counts_what_there_is():
    """Bytes a synapse of large rows, and what a first question costs."""
    draw, n, cells = np.random.default_rng(3), 200_000, 200
    pairs = draw.integers(0, cells, n), np.sort(draw.integers(0, cells, n)), np.zeros(n, int)
    small, plain, full = (
        Table.build(cells, cells, [1.0], *pairs, 0.5, **how)
        for how in ({"alike": True, "consecutive": True}, {"consecutive": True}, {})
    )
    assert 4.0 < small.memory() < 4.1 and 12.0 < plain.memory() < 12.1 and 20.0 < full.memory() < 20.1
    assert small.identities.size == small.capacity  # an address, no memory
    small.uid, small.own_weights(), small.ensure_in_lists()
    assert 32.0 < small.memory() < 34.0  # in-lists have room


def network(kind, weight, **how):
    net = nd.Network(seed=2, **how)
    source = net.add(nd.Poisson(200.0), 30, name="source")
    cells = net.add(kind, 20, name="cells")
    net.connect(source, cells, nd.Degree(12), weight=weight, delay=nd.Uniform(1.0, 3.0), name="q")
    return net


@pytest.mark.parametrize(("kind", "weight"), [(nd.LIF(), 9.0), (nd.LIF(tau_excitatory=3.0, tau_inhibitory=6.0), 900.0)])
@pytest.mark.parametrize("together", [False, True])
def test_the_loop_does_the_same_before_and_after_uids_are_asked_for(kind, weight, together):
    """Nobody is taken for a newborn where no uids are kept; and with births in flight they are compared."""
    counts = []
    for ask in (False, True):
        engine = Engine(network(kind, weight, together=together))
        (table,) = engine.tables
        assert table.consecutive
        if ask:
            assert table.uid.size
            engine.refresh_addresses()
        engine.run_until(40.0)
        plan = Plan("x", table.slot_of([3, 50]), source=[0, 1], target=[5, 6], lane=[0, 1], birth_weight=[weight] * 2)
        done = apply(table, merge([plan], table, single_contact=False), tick=0, life=0.0)
        assert not table.consecutive
        engine.mark_births(0, done.first_uid)
        engine.refresh_addresses()
        engine.run_until(80.0)
        counts.append((engine.take_counts()[1].tolist(), table.state()["uid"].tolist()))
    assert counts[0] == counts[1] and sum(counts[0][0]) > 20

"""The record of a hook: every entry by name, every door onto the right memory, parameters by name."""

from __future__ import annotations

import inspect
import re
from dataclasses import fields
from typing import NamedTuple

import numpy as np
import pytest

from neurodev import jit
from neurodev.errors import BuildError, InvariantError
from neurodev.jit import kernel
from neurodev.mechanisms import hooks
from neurodev.mechanisms.base import Hot
from neurodev.mechanisms.hook_record import HookArrays, HookRecord
from neurodev.mechanisms.inhibitory_stdp import InhibitorySTDP
from neurodev.mechanisms.stdp import STDP
from neurodev.structure.table import Table, UidSource
from tests.mechanisms.beds import MECHANISMS, make

SIZES = frozenset({"log_size", "accumulator"})


class Numbers(NamedTuple):
    first: float
    second: float
    third: float


class Pair(NamedTuple):
    one: float
    other: float


HOT = Hot(None, None, Numbers(1.5, 2.5, 3.5), ("b", "d"), (7.0, 8.0), (9.0,), (Pair(10.0, 11.0), Pair(12.0, 13.0)))
BASE = np.array([100.0, 200.0, 300.0])


@kernel
def entries(record):
    return hooks.fields_of(record)


@kernel
def parameters(record):
    p = hooks.parameters_of(record, Numbers)
    k = hooks.kind_of(record, 1, Pair)
    return p.first, p.second, p.third, k.one, k.other


@kernel
def doors(record, t, column, weight, post, uid, pre, later):
    """What lies behind every door of a projection, copied into arrays; returns the numbers."""
    column[:], weight[:], post[:] = hooks.column_of(record, 1), hooks.weights_of(record), hooks.targets_of(record)
    uid[:] = hooks.uids_of(record)
    pre[:], later[:] = hooks.pre_traces_of(record, 1), hooks.post_traces_of(record, 0)
    one = (hooks.pre_value(record, 2, 1, 1), hooks.post_value(record, 1, 0))
    return hooks.row_of(record, 2, 1), one, hooks.growth(record, 2, t), hooks.since_start(record, t)


@kernel
def inputs(record, j, out):
    slot, row = hooks.inputs_of(record, j)
    for k in range(slot.shape[0]):
        out[0, k], out[1, k] = slot[k], row[k]
    return slot.shape[0]


@kernel
def signals(record, out):
    for k in range(2):
        out[k] = hooks.signal_of(record, k)


@kernel
def write(record):
    """By each door that is written through."""
    hooks.column_of(record, 0)[3] = -1.0
    hooks.weights_of(record)[4] = -2.1
    hooks.raise_pre(record, 1, 1, 0, 16.0, False)
    hooks.raise_post(record, 0, 0, 32.0, True)


def table(weight_type: type = np.float64) -> Table:
    """Three sources, two targets, two lanes; every column and weight its own number."""
    s, t, k = np.array([0, 0, 1, 2, 2]), np.array([0, 1, 1, 0, 1]), np.array([0, 1, 0, 1, 1])
    out = Table.build(
        3, 2, [1.0, 2.0], s, t, k, np.arange(5) + 0.5, columns=("a", "b", "c", "d"), uids=UidSource(41),
        weight_type=weight_type,
    )  # fmt: skip
    out.ensure_in_lists()
    out.f[:] = np.arange(out.f.size, dtype=float).reshape(out.f.shape)
    return out


def filled(t: Table | None = None) -> HookArrays:
    t = table() if t is None else t
    arrays = HookArrays("Test", HOT, t.n_target, t)
    arrays.pre_trace[:] = 1000.0 + np.arange(arrays.pre_trace.size).reshape(arrays.pre_trace.shape)
    arrays.post_trace[:] = 2000.0 + np.arange(arrays.post_trace.size).reshape(arrays.post_trace.shape)
    arrays.fill(BASE)
    return arrays


def test_every_entry_comes_back_by_name() -> None:
    names = HookRecord._fields
    record = 7000 + np.arange(len(names), dtype=np.int64)
    found = entries(jit.address(record))
    assert found._fields == names
    for k, name in enumerate(names):
        assert getattr(found, name) == 7000 + k


def test_every_door_opens_onto_its_array() -> None:
    t = table()
    a = filled(t)
    record, n = jit.address(a.record), t.capacity
    column, weight, post, uid = np.zeros(n), np.zeros(n), np.zeros(n, np.uint32), np.zeros(n, np.uint64)
    pre, later = np.zeros(t.n_row), np.zeros(t.n_target)
    row, values, growth, since = doors(record, 310.0, column, weight, post, uid, pre, later)
    for ours, theirs in ((column, t.column("d")), (weight, t.weight), (post, t.post), (uid, t.uid)):
        np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_array_equal(pre, a.pre_trace[1])
    np.testing.assert_array_equal(later, a.post_trace[0])
    assert row == 5 and values == (a.pre_trace[1, 5], a.post_trace[0, 1])
    assert growth == pytest.approx(np.exp((310.0 - 300.0) / 9.0), rel=1e-14) and since == 210.0
    for j in range(t.n_target):
        out = np.zeros((2, 9), dtype=np.int64)
        m = inputs(record, j, out)
        slots = t.slots()[t.post[t.slots()] == j]
        assert m == slots.size and sorted(out[0, :m]) == sorted(slots)
        np.testing.assert_array_equal(out[1, :m], t.row[out[0, :m]])


def test_doors_are_written_through() -> None:
    t = table()
    a = filled(t)
    before = a.pre_trace.copy()
    write(jit.address(a.record))
    assert t.column("b")[3] == -1.0 and t.weight[4] == -2.1
    before[0, 1 * 3 + 1] += 16.0
    np.testing.assert_array_equal(a.pre_trace, before)
    assert a.post_trace[0, 0] == 32.0


def test_a_target_without_inputs_has_none() -> None:
    t = Table.build(1, 2, [1.0], [0], [0], [0], 1.0, columns=("b", "d"))
    t.ensure_in_lists()
    out = np.zeros((2, 1), dtype=np.int64)
    assert inputs(jit.address(filled(t).record), 1, out) == 0


def test_a_population_finds_its_signals() -> None:
    one, two = np.arange(4.0), 10.0 + np.arange(4.0)
    a = HookArrays("Test", HOT, 4, signals=[one, two])
    a.fill(BASE)
    out = np.zeros((2, 4))
    signals(jit.address(a.record), out)
    np.testing.assert_array_equal(out, [one, two])


def test_parameters_come_back_by_name() -> None:
    assert parameters(jit.address(filled().record)) == (1.5, 2.5, 3.5, 12.0, 13.0)


# ---------------------------------------------------------------------- what is refused


def test_arrays_that_a_hook_would_misread_are_refused() -> None:
    with pytest.raises(InvariantError, match=r"Test: 'weight' is float32 of .*float64"):
        filled(table(np.float32))
    t = table()
    t.f = np.zeros((8, t.capacity))[::2]
    with pytest.raises(InvariantError, match=r"'f' .*not contiguous"):
        filled(t)
    t = table()
    t.uid = t.uid[:-1]
    with pytest.raises(InvariantError, match="'uid'"):
        filled(t)
    a = filled()
    with pytest.raises(InvariantError, match="'base' is float64 of 2; they view 3"):
        a.fill(BASE[:2])
    t = table()
    with pytest.raises(InvariantError, match="3 targets, but the table has 2"):
        HookArrays("Test", HOT, 3, t).fill(BASE)
    a = HookArrays("Test", HOT, 4, signals=[np.zeros(4), np.zeros(3)])
    with pytest.raises(InvariantError, match="'signal' is float64 of 3"):
        a.fill(BASE)
    with pytest.raises(BuildError, match=r"columns \['d'\]"):
        t = Table.build(1, 1, [1.0], [0], [0], [0], 1.0, columns=("b",))
        HookArrays("Test", HOT, 1, t)


def test_parameters_without_names_are_refused() -> None:
    with pytest.raises(BuildError, match="NamedTuple"):
        Hot(None, None, (1.0, 2.0), ())
    with pytest.raises(BuildError, match="one type"):
        Hot(None, None, Pair(1.0, 2.0), (), kinds=(Pair(1.0, 2.0), Numbers(1.0, 2.0, 3.0)))


# ---------------------------------------------------------------------- our own mechanisms


def hots() -> list[tuple[str, object, Hot]]:
    """Every hot mechanism, every rule of STDP, on sizes and on weights."""
    out = [(f"STDP {r}", STDP(r), STDP(r).hot(c)) for r in ("pair", "nearest", "triplet", "burst") for c in
           (SIZES, frozenset())]  # fmt: skip
    for name in MECHANISMS:
        m = make(name)
        hot = m.hot(SIZES) if name != "STDP" else None
        if hot is not None:
            out.append((name, m, hot))
    assert {"CalciumPlasticity", "InhibitorySTDP", "Growth"} < {n for n, _, _ in out}
    return out


def test_hooks_read_the_type_that_the_mechanism_packs() -> None:
    for name, _, hot in hots():
        for h in (hot.on_pre, hot.on_post):
            if h is None:
                continue
            text = inspect.getsource(getattr(h, "py_func", h))
            read = set(re.findall(r"parameters_of\(record, (\w+)\)", text))
            assert read == {type(hot.parameters).__name__}, name
            kinds = set(re.findall(r"kind_of\(record, \w+, (\w+)\)", text))
            assert kinds == {type(k).__name__ for k in hot.kinds}, name


def test_parameters_travel_under_their_own_names() -> None:
    """Every parameter its own number: what a hook reads under a name is what the mechanism holds under it."""
    seen = 0
    for name, m, _ in hots():
        given = {
            f.name: float(3 + k) / 4096 if f.name == "rate" else float(3 + k)
            for k, f in enumerate(fields(m)) if f.metadata.get("unit") and isinstance(getattr(m, f.name), float)
            and f.metadata["high"] is None
        }  # fmt: skip
        distinct = type(m)(**{f.name: getattr(m, f.name) for f in fields(m)} | given)
        hot = distinct.hot(SIZES)
        arrays = np.array(hot.parameters, dtype=float)
        for k, field in enumerate(hot.parameters._fields):
            held = getattr(distinct, field, None)
            if isinstance(held, float):
                assert arrays[k] == held, (name, field)
                seen += 1
    assert seen > 20


def test_stdp_fills_in_the_defaults_of_its_rule() -> None:
    for rule in ("pair", "nearest", "triplet"):
        m = STDP(rule, potentiation=0.25, depression=0.5, triplet_potentiation=0.75, triplet_depression=1.25)
        p = m.hot(SIZES).parameters
        assert (p.potentiation, p.depression) == (0.25, 0.5)
        assert rule != "triplet" or (p.triplet_potentiation, p.triplet_depression) == (0.75, 1.25)
        assert STDP(rule).hot(SIZES).parameters.depression == STDP(rule).value("depression")
    p = STDP("burst", burst_gain=2.0, burst_loss=3.0, bounds="power", weight_max=4.0, power=0.5).hot(frozenset())
    assert p.parameters == (hooks.WEIGHT, hooks.POWER, 4.0, 0.5, 2.0, 3.0, 3.0)
    assert InhibitorySTDP(target_hz=10.0, tau=20.0).hot(frozenset()).parameters.loss == pytest.approx(0.4)


COUNT, TOO_FAR = 0, 2


class Wide(NamedTuple):
    a: float
    b: float
    c: float


@jit.hook
def asks_for_a_column_too_many(record, source, lane, first, last, t):
    hooks.column_of(record, TOO_FAR)[first] = 0.0


@jit.hook
def counts_from_the_end(record, source, lane, first, last, t):
    for s in range(first, last):
        hooks.column_of(record, -1)[s] = 0.0


@jit.hook
def reads_a_field_too_many(record, source, lane, first, last, t):
    hooks.column_of(record, COUNT)[first] = hooks.parameters_of(record, Wide).c


@jit.rule
def helper(record, j, t):
    hooks.raise_post(record, j, trace=1, g=1.0, saturating=False)


@jit.hook
def slips_in_a_helper(record, i, unused, none, never, t):
    helper(record, i, t)


@jit.hook
def asks_on_a_condition(record, source, lane, first, last, t):
    p = hooks.parameters_of(record, Narrow)
    if p.a > 0.0:
        hooks.column_of(record, TOO_FAR)[first] = 0.0


class Narrow(NamedTuple):
    a: float
    b: float


@pytest.mark.parametrize("hook, where, said", [
    (asks_for_a_column_too_many, "on_pre", "column_of for number 2, but its Hot names 2 columns"),
    (counts_from_the_end, "on_pre", "number -1"),
    (reads_a_field_too_many, "on_pre", r"3 fields by parameters_of\(record, Wide\), but its Hot.parameters hold 2"),
    (slips_in_a_helper, "on_post", "raise_post for number 1, but its Hot names 1 post traces"),
])  # fmt: skip
def test_a_slip_in_a_hook_is_seen_before_it_is_compiled(hook, where: str, said: str) -> None:
    both = {"on_pre": None, "on_post": None} | {where: hook}
    asked = Hot(parameters=Narrow(1.0, 2.0), columns=("a", "b"), post_traces=(20.0,), **both)
    with pytest.raises(BuildError, match=said):
        HookArrays("Slip", asked, 2, table())


def test_what_a_hook_asks_for_on_a_condition_is_its_own_affair() -> None:
    HookArrays("Careful", Hot(asks_on_a_condition, None, Narrow(-1.0, 0.0), ("a",)), 2, table())

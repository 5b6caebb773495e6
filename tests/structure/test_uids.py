"""Synapses by identity: found wherever they went, at a cost that does not grow with the table."""

import numpy as np
import pytest

from neurodev.errors import ParameterError
from neurodev.structure import index
from neurodev.structure.dense import DenseTable
from neurodev.structure.plan import Plan, apply, merge
from neurodev.structure.table import Table


def ring(n, columns=("a",)):
    return Table.build(n, n, [1.0], np.arange(n), (np.arange(n) + 1) % n, np.zeros(n, int), 1.0, columns=columns)


def change(table, draw, uids):
    """Some deaths by uid and as many births."""
    m = len(uids)
    plan = Plan("test", table.slot_of(uids), source=draw.integers(0, table.n_source, m),
                target=draw.integers(0, table.n_target, m), lane=np.zeros(m, int))  # fmt: skip
    return apply(table, merge([plan], table, single_contact=False), tick=0, life=0.0)


def test_they_are_found_through_births_deaths_and_moves_without_a_look_at_all_slots(monkeypatch):
    """After the first question nobody lists or sorts the table again, as long as the living are not outnumbered."""
    table, draw = ring(500), np.random.default_rng(1)
    table.ensure_in_lists()
    table.slot_of([1])
    monkeypatch.setattr(Table, "slots", lambda self: pytest.fail("all slots were listed"))
    living, dead = list(range(1, 501)), []
    for _ in range(30):
        gone = draw.choice(living, 20, replace=False).tolist()
        done = change(table, draw, gone)
        dead += gone
        living = [u for u in living if u not in gone] + list(range(done.first_uid, done.first_uid + 20))
        slots = table.slot_of(living)
        assert np.array_equal(table.uid[slots], living) and table.is_live(slots).all()
        assert np.all(table.slot_of(dead) == -1)


def test_the_list_of_uids_does_not_outgrow_the_living():
    table, draw = ring(100), np.random.default_rng(2)
    for _ in range(60):
        change(table, draw, draw.choice(table.uid[table.slots()], 60, replace=False))
        table.slot_of([1])
        assert table._index is not None and table._index.n <= 2 * 100 + index.SPARE
    assert table.memory() < 400


@pytest.mark.parametrize("make", [lambda: ring(40), lambda: DenseTable.of(ring(40))])
def test_whom_nobody_knows_is_not_found(make):
    table = make()
    assert table.slot_of([0, -3, 41, 2**62]).tolist() == [-1] * 4
    assert table.slot_of([]).size == 0 and table.slot_of(7).size == 1
    first = table.slots()[0]
    apply(table, merge([Plan("test", np.array([first]))], table, single_contact=True), tick=0, life=0.0)
    assert table.slot_of([1, 2])[0] == -1 and table.uid[table.slot_of([2])] == 2
    for senseless in ([1.0, 2.0], [True, False], ["1"], [[1, 2]], np.nan):
        with pytest.raises(ParameterError, match="uids must be whole numbers"):
            table.slot_of(senseless)


def test_a_loaded_table_forgets_what_it_knew():
    table = ring(10)
    table.slot_of([1])
    other = ring(10)
    change(other, np.random.default_rng(0), [1, 2])
    table.load(other.arrays())
    assert table.slot_of([1, 2]).tolist() == [-1, -1] and table.slot_of([11]) >= 0

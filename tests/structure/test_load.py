"""Tables taken apart and put together: what a checkpoint of a training does."""

import numpy as np
import pytest

from neurodev.errors import ParameterError
from neurodev.structure.dense import DenseTable
from neurodev.structure.log import StructuralLog
from neurodev.structure.plan import Plan, apply, merge
from neurodev.structure.table import Table
from neurodev.structure.verify import verify

N, M = 7, 5
DRAW = np.random.default_rng(3)
WEIGHT = DRAW.normal(size=(N, M)).astype(np.float32)
ALIVE = DRAW.random((N, M)) < 0.5


def dense():
    table = DenseTable.full(WEIGHT, ("a", "b"))
    table.keep_only(ALIVE)
    table.column("a")[:] = np.arange(table.capacity)
    return table


def sparse():
    return dense().sparse()


def changed(table, seed):
    """Two deaths and two births by plan."""
    draw = np.random.default_rng(seed)
    slots = table.slots()
    free = np.ones((N, M), dtype=bool)
    free[table.pre(slots), table.post[slots]] = False
    source, target = (a[:2] for a in np.nonzero(free))
    none = np.zeros(2, dtype=np.int64)
    plan = Plan(
        "test", np.sort(draw.choice(slots, 2, replace=False)), np.zeros(2, np.uint8), source=source, target=target,
        lane=none, birth_cause=np.zeros(2, np.uint8), birth_weight=np.full(2, 0.5, np.float32),
    )  # fmt: skip
    apply(table, merge([plan], table, single_contact=True), tick=1, life=3.0, log=StructuralLog())


@pytest.mark.parametrize("make", [dense, sparse])
def test_a_loaded_table_goes_on_as_the_first_one(make):
    """Loaded into a fresh one of other synapses and columns, it takes the same plans to the same bytes."""
    one = make()
    changed(one, 1)
    kept = {name: a.copy() for name, a in one.arrays().items()}
    two = DenseTable(N, M) if make is dense else Table.build(N, M, [1.0], [0], [0], [0], [9.0])
    version = two.version
    two.load(kept)
    two.uids.next = one.uids.next
    assert two.version > version and two.column_names == ["a", "b"]
    for table in (one, two):
        changed(table, 2)
        changed(table, 3)
    for name, a in one.arrays().items():
        np.testing.assert_array_equal(two.arrays()[name], a, err_msg=name)
    assert not np.shares_memory(two.weight, kept["weight"])
    if make is sparse:
        verify(two)


def test_what_does_not_fit_is_refused_by_name():
    arrays = dense().arrays()
    with pytest.raises(ParameterError, match="must hold 'alive'"):
        dense().load(sparse().arrays())
    with pytest.raises(ParameterError, match=r"row_start must have shape \(8,\), got \(7,\)"):
        DenseTable(N + 1, M).load(arrays)
    with pytest.raises(ParameterError, match=r"alive must have shape \(7, 5\), got \(5, 7\)"):
        dense().keep_only(ALIVE.T)


def test_only_some_pairs_are_kept():
    table = dense()
    assert table.n_synapse == ALIVE.sum()
    np.testing.assert_array_equal(table.grid(table.weight)[:, :M], np.where(ALIVE, WEIGHT, 0))
    slots = table.slots()
    np.testing.assert_array_equal(table.pre(slots) * M + table.post[slots], np.flatnonzero(ALIVE))


def test_storages_hold_the_same_synapses():
    one = dense()
    two = one.sparse()
    three = DenseTable.of(two)
    verify(two)
    for table in (two, three):
        assert table.uids is one.uids and table.column_names == one.column_names
        for name, a in one.state().items():
            np.testing.assert_array_equal(table.state()[name], a, err_msg=name)


def damages():
    """Every array of a table, changed in every way that leaves it an array: other sizes, types, and wild numbers."""
    draw = np.random.default_rng(7)
    for make in (dense, sparse):
        good = make().arrays()
        for name, a in good.items():
            yield make, name, "shorter", a[:-1]
            yield make, name, "longer", np.concatenate([a, a[:1]])
            yield make, name, "of two dimensions", a[None]
            yield make, name, "of bytes", np.zeros(a.shape, "S3")
            if a.dtype.kind in "iu" and name not in ("born", "uid", "alive", "in_start", "in_room"):
                for value in (-1, 10**6, 2**31 - 1, np.iinfo(a.dtype).max):
                    wild = a.copy()
                    used = np.flatnonzero(make().arrays()["row_length"]) if name.startswith("row_") else [0, -1]
                    wild.flat[int(draw.choice(used))] = np.array(value).astype(a.dtype)
                    yield make, name, f"wild {value}", wild


def test_damaged_arrays_are_refused_and_nothing_is_loaded():
    """No kernel is handed a size or a place that is not there; what is kept is what was."""
    refused = harmless = 0
    for make, name, how, bad in damages():
        table = make()
        changed(table, 5)
        before = {k: v.copy() for k, v in table.arrays().items()}
        try:
            table.load(make().arrays() | {name: bad})
        except ParameterError as e:
            refused += 1
            assert name in str(e) or "damaged" in str(e), how
            for k, v in table.arrays().items():
                assert v.tobytes() == before[k].tobytes(), (name, how)
        else:  # of a slot, or an in-list, that nobody uses
            harmless += 1
            assert name in ("post", "row", "pos_in", "in_slot", "in_row", "in_length", "columns", "numbers"), (
                name,
                how,
            )
            if make is sparse:
                verify(table)
    assert refused > 140 and harmless < 40

"""The fences of the kernels' memory: views written from the tuples, marks complete, records read back by name."""

import typing
from pathlib import Path

import numpy as np
import pytest

import neurodev as nd
from neurodev.engine.loop import emit, state, views
from neurodev.engine.loop.state import FIELDS, TIME, TIMES, State, pack
from neurodev.engine.simulator import Simulator
from neurodev.jit import address
from neurodev.neurons import rules
from neurodev.neurons.rules import ModelRecord, model_of

UNITS = {state.TIME, state.DURATION, state.RATE, state.POTENTIAL, state.MEMBRANE, state.KEY, state.SCRATCH}


def test_views_are_those_that_the_state_asks_for():
    """Whoever edits `state.py` runs `python -m neurodev.engine.loop.emit`."""
    assert Path(views.__file__).read_text(encoding="utf-8") == emit.text()


def test_every_field_says_what_it_holds():
    """Floats bear a unit; what is called a time in the loop is marked as one."""
    assert len(FIELDS) == sum(len(group) for group in arrays())
    for f in FIELDS:
        if f.type is np.float64:
            assert f.mark in UNITS, f"{f.group}.{f.field}"
        if f.field.endswith("time") or f.field in ("clock", "next", "trace_base"):
            assert f.mark == TIME or f.group in ("record", "fresh", "lists"), f"{f.group}.{f.field}"


def arrays() -> State:
    """A state of distinct shapes and values, element 0 of each array its number."""
    groups, k = [], 0
    for kind in typing.get_type_hints(State).values():
        made = []
        for _ in kind._fields:
            f = FIELDS[k]
            shape = (3 + k, 2 + k % 5) if f.n_dim == 2 else (3 + k,)
            made.append(np.full(shape, k + 1, dtype=f.type))
            k += 1
        groups.append(kind(*made))
    return State(*groups)


def test_every_view_finds_its_array():
    """A sentinel in every field comes back through every view, shape and all."""
    given = arrays()
    table = pack(given)
    for name, mine in zip(State._fields, given, strict=True):
        found = getattr(views, f"{name}_of")(address(table))
        assert type(found)._fields == type(mine)._fields
        for field, a, b in zip(mine._fields, mine, found, strict=True):
            assert a.shape == b.shape and a.dtype == b.dtype and np.array_equal(a, b), f"{name}.{field}"


def test_an_array_of_another_type_does_not_get_in():
    """The table of addresses is written from arrays that are what their fields say."""
    given = arrays()
    wrong = given._replace(clock=given.clock._replace(n=given.clock.n.astype(np.float64)))
    with pytest.raises(AssertionError, match=r"clock.n is float64"):
        pack(wrong)
    flat = given._replace(log=given.log._replace(time=given.log.time.ravel()))
    with pytest.raises(AssertionError, match=r"log.time is float64 with 1 dimensions"):
        pack(flat)


def test_every_entry_of_a_model_record_comes_back_by_name():
    """Distinct numbers in, the same numbers out under the same names."""
    given = np.arange(1, len(ModelRecord._fields) + 1, dtype=np.int64)
    assert tuple(model_of(address(given))) == tuple(range(1, given.size + 1))
    assert rules.RECORD_SIZE == given.size


def test_the_epoch_moves_every_time_and_nothing_else():
    """All fields marked as times lie one epoch earlier; all others keep their bytes, counters of windows apart."""
    net = nd.Network(seed=2)
    cells = net.add(nd.LIF(tau=20, threshold=18, tau_excitatory=5.0, tau_inhibitory=9.0, dendrite=nd.Plateau(3)), 5)
    source = net.add(nd.Poisson(rate_hz=40.0), 5)
    net.background(cells, nd.Background(rate_hz=100.0, weight=30.0))
    net.connect(source, cells, nd.AllToAll(), weight=40.0, delay=nd.Uniform(1, 3))
    sim = Simulator(net)
    sim.run_until_spike(100.0)
    engine = sim.engine
    engine.flush_spikes()
    before = {(f.group, f.field): getattr(getattr(engine.state, f.group), f.field).copy() for f in FIELDS}
    kept = {p: (c.state.copy(), c.places.copy()) for p, c in engine.cells.items()}
    engine._new_epoch()
    for f in FIELDS:
        now = getattr(getattr(engine.state, f.group), f.field)
        was = before[f.group, f.field]
        if f in TIMES:
            np.testing.assert_array_equal(now, was - engine.epoch_length, err_msg=f.field)
        elif (f.group, f.field) == ("clock", "n"):
            changed = np.flatnonzero(now != was)
            assert set(changed) <= {state.N_WINDOW, state.N_BLOCK, state.N_EPOCH_BLOCK}
        else:
            assert now.tobytes() == was.tobytes(), f"{f.group}.{f.field}"
    for p, c in engine.cells.items():
        for table, old, columns in ((c.state, kept[p][0], c.columns), (c.places, kept[p][1], c.place_columns)):
            for k, column in enumerate(columns):
                by = engine.epoch_length if column.time else 0.0
                np.testing.assert_array_equal(table[:, k], old[:, k] - by, err_msg=column.name)

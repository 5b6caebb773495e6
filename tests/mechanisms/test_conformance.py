"""Every registered mechanism keeps the contract of mechanisms; a new one is taken in by being registered."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import MISSING, dataclass, fields
from typing import NamedTuple

import numpy as np
import pytest

from neurodev import jit, registry
from neurodev.errors import BuildError, ParameterError
from neurodev.mechanisms.base import Hot, Mechanism
from neurodev.studies import development, reading
from neurodev.units import day
from tests.mechanisms.beds import (
    MECHANISMS,
    ROOM,
    Bystander,
    NeuronBystander,
    everybody,
    home,
    homes,
    make,
    same,
    small_network,
    start,
    state,
)

BYSTANDERS = [Bystander(), NeuronBystander()]


def where(name: str) -> str:
    """Where the test bed uses a mechanism."""
    return "p" if MECHANISMS[name].level == "synapse" else "target"


def near(one: dict[str, np.ndarray], two: dict[str, np.ndarray]) -> None:
    """Equal to 1e-12, integers exactly."""
    for k, ours in one.items():
        theirs = two[k]
        if ours.dtype.kind == "f":
            np.testing.assert_allclose(theirs, ours, rtol=1e-12, atol=1e-12, err_msg=k)
        else:
            np.testing.assert_array_equal(theirs, ours, err_msg=k)


@pytest.mark.parametrize("name", MECHANISMS)
def test_runs_alike_whole_or_cut(name):
    """The same bytes twice and however cut; every invariant after each tick; the log replays; others' columns stay."""
    for kind in homes(name):
        one, watch = start([*everybody(name, kind), *BYSTANDERS], kind)
        one.run_until_spike(20.0 * 15)
        watch.check_log()
        watch.check_bystanders()
        two, _ = start([*everybody(name, kind), *BYSTANDERS], kind)
        for stop in (0.7, 20.0, 33.3, 133.33, 20.0 * 15):
            two.run_until_spike(stop)
        same(state(one), state(two))
        assert state(one).keys() == state(two).keys()


def mix_rows(sim) -> None:
    """Turn the order of the synapses of every row of "p" round, with all that belongs to them."""
    t = sim.tables["p"]
    for first, n in zip(t.row_start, t.row_length, strict=True):
        here = slice(first, first + n)
        for a in (t.post, t.weight, t.uid, t.born, *t.f):
            a[here] = a[here][::-1].copy()
    if t.has_in_lists:
        t.has_in_lists = False
        t.ensure_in_lists()
    sim.engine.refresh_addresses()


def by_uid(found: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """A state with the synapses of "p" in the order of their uids."""
    order = np.argsort(found["p.uid"])
    return {k: v[order] if k.startswith("p.") and len(v) == order.size else v for k, v in found.items()}


@pytest.mark.parametrize("name", MECHANISMS)
def test_the_order_of_rows_is_irrelevant(name):
    """To 1e-12; who lives where, exactly."""
    for kind in homes(name):
        one, _ = start([*everybody(name, kind), *BYSTANDERS], kind)
        two, watch = start([*everybody(name, kind), *BYSTANDERS], kind)
        before = two.tables["p"].slots()
        uid = two.tables["p"].uid[before].copy()
        mix_rows(two)
        assert np.any(two.tables["p"].uid[before] != uid)
        for sim in (one, two):
            sim.run_until_spike(20.0 * 15)
        watch.check_bystanders()
        near(by_uid(state(one)), by_uid(state(two)))


@pytest.mark.parametrize("name", MECHANISMS)
def test_switched_off_equals_never_named(name):
    """Bit for bit in everything that both networks have; nobody's stream moves."""
    for kind in homes(name):
        company = everybody(name, kind)[:-1]
        off, _ = start([*company, make(name, kind), *BYSTANDERS], kind, blocked={(where(name), name)})
        never, _ = start([*company, *BYSTANDERS], kind)
        for sim in (off, never):
            sim.run_until_spike(20.0 * 12)
        a, b = state(off), state(never)
        assert b.keys() <= a.keys()
        same(a, b)


@pytest.mark.compiled
@pytest.mark.parametrize("name", MECHANISMS)
def test_has_an_effect_or_says_what_it_owns(name):
    """Not a stub: something of what it owns, adds to or reads off moves within two days."""
    kind, company = home(name)
    on, _ = start(everybody(name, kind), kind, spikes=100.0)
    off, _ = start(everybody(name, kind), kind, spikes=100.0, blocked={(where(name), name)})
    for sim in (on, off):
        sim.run_until_spike(100.0 * 40)
    a, b = state(on), state(off)
    assert any(a[k].tobytes() != b[k].tobytes() for k in b)


def test_one_owner_for_each_column():
    """A second owner is refused at build, with both names; what is owned is created by its owner."""
    for name, cls in MECHANISMS.items():
        kind = home(name)[0]
        one = make(name, kind)
        for column in cls.owns:

            class Second(Bystander):
                level = cls.level
                owns = (column,)

            with pytest.raises(BuildError, match="two owners") as e:
                small_network([one, Second()], kind, room=ROOM)
            assert name in str(e.value) and "Second" in str(e.value) and column in str(e.value)


# ---------------------------------------------------------------------- parameters


def toml(value) -> str:
    """A value as TOML."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{k} = {toml(v)}" for k, v in value.items() if v is not None) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(toml(v) for v in value) + "]"
    return json.dumps(value) if isinstance(value, str) else repr(value)


@pytest.mark.parametrize("name", MECHANISMS)
def test_a_description_builds_the_same_again(name, tmp_path):
    """Parameters through a study in TOML and back, and through JSON as in a run's provenance."""
    kind, company = home(name)
    others = [MECHANISMS[n]().describe() for n in company if n in MECHANISMS]
    for one in (MECHANISMS[name](), make(name, kind)):
        told = one.describe()
        assert told["kind"] == name and json.loads(json.dumps(told)) == told
        if any(v is None and getattr(MECHANISMS[name](), k, None) is not None for k, v in told.items()):
            continue  # TOML has no word for "none"
        levels: dict = {"neuron": [], "synapse": []}
        for use in (*others, told):
            levels[MECHANISMS[use["kind"]].level].append(toml(use))
        text = "[population.a]\nkind = 'Poisson'\nn = 3\n[population.b]\nkind = 'LIF'\nn = 3\n"
        text += f"use = [{', '.join(levels['neuron'])}]\n"
        text += "[projection.p]\nsource = 'a'\ntarget = 'b'\nwiring = {kind = 'AllToAll'}\nspines = {weight = 1.0}\n"
        text += f"use = [{', '.join(levels['synapse'])}]\n"
        path = tmp_path / "s.toml"
        path.write_text(text)
        net = development.build(reading.load(path))
        used = [*net.populations["b"].mechanisms, *net.projections["p"].mechanisms]
        assert [m.describe() for m in used if m.name == name] == [told]


@pytest.mark.parametrize("name", MECHANISMS)
def test_bad_parameters_are_refused_by_name(name):
    """Every parameter, each way it can be wrong; every one has a source."""
    cls = MECHANISMS[name]
    for f in fields(cls):
        if "unit" not in f.metadata:
            continue
        m, bad = f.metadata, []
        assert m["source"] and f.default is not MISSING, f.name
        if m["choices"]:
            bad = ["nonsense"]
        elif isinstance(f.default, bool):
            bad = [1.5, "yes"]
        elif not isinstance(f.default, str):
            bad = [float("nan"), "fast"]
            bad += [m["low"] - 1] if m["low"] is not None else []
            bad += [m["above"]] if m["above"] is not None else []
            bad += [m["high"] + 1] if m["high"] is not None and np.isfinite(m["high"]) else []
        for value in bad:
            with pytest.raises(ParameterError, match=rf"{name}\.{f.name}"):
                cls(**{f.name: value})


# ---------------------------------------------------------------------- compiled and interpreted


def numbers() -> dict[str, np.ndarray]:
    """What every mechanism comes to in two ticks."""
    out = {}
    for name in MECHANISMS:
        for kind in homes(name)[:1]:
            sim, _ = start(everybody(name, kind), kind, spikes=6.0)
            sim.run_until_spike(12.0)
            out |= {f"{name} {k}": v for k, v in state(sim).items()}
    return out


@pytest.mark.skipif(not jit.ENABLED, reason="compares with the interpreter")
def test_compiled_equals_interpreted(tmp_path):
    """To 1e-12; integers exactly."""
    path = tmp_path / "numbers.npz"
    code = (
        "import sys, numpy; from tests.mechanisms import test_conformance as t; numpy.savez(sys.argv[1], **t.numbers())"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(path)], env=os.environ | {"NUMBA_DISABLE_JIT": "1"}
    ) as process:
        compiled = numbers()
        assert process.wait() == 0
    interpreted = np.load(path)
    assert set(interpreted.files) == set(compiled)
    near(compiled, {k: interpreted[k] for k in interpreted.files})


# ---------------------------------------------------------------------- who moves the weights of spines


@dataclass(frozen=True)
class Reader(Mechanism):
    """Sees every arrival and writes nothing."""

    def hot(self, columns):
        return Hot(look, None, Nothing(0.0), ())


class Nothing(NamedTuple):
    nothing: float


@jit.hook
def look(record, source, lane, first, last, t):
    """Only looks."""


INTEGRATORS = {
    "BCM": lambda: MECHANISMS["BCM"](act="weight", reference_hz=20.0, rate=5.0),
    "STDP": lambda: MECHANISMS["STDP"]("pair", weight_max=5.0),
    "CalciumPlasticity": lambda: MECHANISMS["CalciumPlasticity"](),
}


def read_off(sim) -> np.ndarray:
    """Weights of "p" as sizes tell them."""
    v, slots = sim.views["p"], sim.tables["p"].slots()
    size = sim.tables["p"].column("size")[slots]
    return v.weight_gain * np.maximum(size - v.silent_volume, 0.0)


@pytest.mark.parametrize("name", INTEGRATORS)
def test_who_integrates_the_weight_moves_it_on_spines_too(name):
    """Sizes that nobody moves do not undo it, and newborns begin at the weight of the first synapses."""
    sim, _ = start([INTEGRATORS[name](), MECHANISMS["Turnover"](late=3.0)], "spines")
    t = sim.tables["p"]
    first, moved = float(t.weight[t.slots()[0]]), 0
    for tick in range(1, 16):
        before = int(t.uid.max())
        sim.run_until_spike(20.0 * tick)
        slots = t.slots()
        new = t.uid[slots] > before
        if name != "CalciumPlasticity":  # which gives newborns a weight of its own
            np.testing.assert_array_equal(t.weight[slots[new]], 1.5)
        moved += np.sum(t.weight[slots[~new]] != first)
    assert moved > 20 and t.uid[t.slots()].max() > 40
    assert np.any(t.weight[t.slots()] != read_off(sim))


def test_who_only_reads_leaves_the_weights_to_the_sizes():
    sim, _ = start([Reader()], "spines")
    t = sim.tables["p"]
    t.column("size")[t.slots()] *= np.linspace(0.1, 2.0, t.n_synapse)
    sim.run_until_spike(20.0)
    np.testing.assert_array_equal(t.weight[t.slots()], read_off(sim))
    assert np.unique(t.weight[t.slots()]).size > 10


def test_deaths_are_forbidden_as_long_as_who_forbids_them_acts():
    """With Turnover(deaths=False) sizes fall below the minimum unpunished; blocked, it forbids nothing."""

    def run(blocked):
        size = MECHANISMS["SpineSize"](mean=-3.0, tau=0.5 * day)
        used = [MECHANISMS["Turnover"](births=False, deaths=False), size]
        sim, _ = start(used, "spines", blocked={("p", "Turnover")} if blocked else ())
        sim.run_until_spike(20.0 * 12)
        return sim

    spared, not_spared = run(False), run(True)
    n = spared.tables["p"].n_synapse
    assert n == 30 and not_spared.tables["p"].n_synapse < 10
    spared.block("p", "Turnover")
    spared.run_until_spike(20.0 * 14)
    assert spared.tables["p"].n_synapse < 15
    spared.block("p", "Turnover", on=False)
    left = spared.tables["p"].n_synapse
    spared.run_until_spike(20.0 * 30)
    assert spared.tables["p"].n_synapse == left


@pytest.mark.parametrize("declared, said", [
    ({"owns": "log_size"}, r"owns must be a tuple of names as in owns = \('log_size',\)"),
    ({"adds": ["drive_x"]}, "adds must be a tuple of names"),
    ({"reads": (3,)}, "reads must be a tuple of names"),
    ({"terms": ("drive",)}, "terms must give a unit"),
    ({"level": "dendrite"}, "level must be 'synapse' or 'neuron'"),
])  # fmt: skip
def test_a_declaration_in_another_form_is_refused_as_it_is_made(declared, said):
    with pytest.raises(ParameterError, match=said):
        type("Slip", (Mechanism,), declared)
    assert "Slip" not in registry.names("mechanism")

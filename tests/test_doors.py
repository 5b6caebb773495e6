"""A walk past every door: senseless values for every parameter of everything in the registry, and for every metric.

Each is refused with an error of neurodev's own family that names the argument, or accepted with a stated meaning;
nothing else is raised, hangs, or asks for memory that is not there.
"""

from __future__ import annotations

import dataclasses
import inspect
import math
import warnings
from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest

import neurodev as nd
from neurodev import metrics, registry
from neurodev.errors import NeurodevError, ParameterError
from neurodev.learn.eventprop.flow import EventNeuron
from neurodev.metrics import (
    censored,
    cost,
    graphs,
    integration,
    layered,
    lifetimes,
    maps,
    persistence,
    risks,
    sizes,
    spikes,
    tails,
    topology,
    turnover,
)
from neurodev.params import number, numbers, whole, wholes

SENSELESS: dict[str, Any] = {
    "a word": "no", "a voltage": "1 mV", "a time": "3 ms", "NaN": math.nan, "infinity": math.inf,
    "minus infinity": -math.inf, "negative": -1.0, "a negative whole": -1, "zero": 0, "a fraction": 0.5,
    "huge": 1e300, "a huge whole": 10**400, "1e12": 10**12, "empty": [], "ragged": [[1.0, 2.0], [3.0]],
    "three dimensions": np.ones((2, 2, 2)), "True": True, "a mask": np.array([True, False]), "None": None,
    "an object": object(), "a class": dict, "a table": {}, "a set": {1, 2}, "complex": 1j, "bytes": b"x",
    "a masked entry": np.ma.array([1.0, 2.0], mask=[False, True]),
    "NaN in an array": np.array([1.0, math.nan]), "a function": len, "words": np.array(["a"]),
}  # fmt: skip
# what a thing needs beside the parameter that is tried
NEEDED: dict[str, dict[str, Any]] = {
    "ByDistance": {"inputs": 1}, "Rewired": {"wiring": nd.Near()},
    "Contacts": {"wiring": nd.Near()}, "InhomogeneousPoisson": {"rate_hz": [10.0]},
    "SpikeList": {"times": [1.0], "indices": [0]}, "Kicks": {"times": [1.0], "amplitudes": 1.0},
    "CurrentSteps": {"times": [1.0], "amplitudes": 1.0},
    "Pairs": {"source": [0], "target": [1]}, "DelayList": {"delays": [1.0]},
    "Recorded": {"trains": [([1.0], [0])], "places": [[0.5, 0.5]]},
    "AddSynapses": {"projection": "p", "source": [0], "target": [0]}, "Antagonise": {"projection": "p"},
    "Block": {"where": "p"}, "Infuse": {"projection": "p", "rate": 1.0}, "Lesion": {"population": "e"},
    "RemoveSynapses": {"projection": "p"}, "SetRate": {"population": "e", "rate_hz": 1.0},
    "Silence": {"population": "e"}, "staircase": {"every": 0.5},
}  # fmt: skip
WITH_PARAMETERS = [
    pytest.param(thing, id=f"{kind}-{name}")
    for kind in registry.OURS
    for name, thing in registry.ours(kind).items()
    if dataclasses.is_dataclass(thing) and any("unit" in f.metadata for f in dataclasses.fields(thing))
] + [nd.Sheet, nd.Spines, EventNeuron]
OTHERS = [
    pytest.param(thing, id=f"{kind}-{name}")
    for kind in ("wiring", "drive", "delay", "intervention", "method", "encoder", "optimiser", "schedule", "data set")
    for name, thing in registry.ours(kind).items()
]


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def fits(f: dataclasses.Field[Any], value: Any) -> bool:
    """Whether a parameter that stands alone can mean this value, by what it says of itself."""
    meta, kind = f.metadata, str(f.type).partition(" ")[0]
    if value is None:
        return bool(meta["none"])
    if meta["choices"] is not None:
        return isinstance(value, str) and value in meta["choices"]
    if isinstance(f.default, bool):
        return value is True
    if isinstance(f.default, str):
        return isinstance(value, str)
    if isinstance(value, str):
        return (value == "1 mV" and meta["unit"] == "mV") or (value == "3 ms" and meta["unit"] == "ms")
    if meta["array"] and isinstance(value, list) and not value:
        return f.default is dataclasses.MISSING
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    if isinstance(value, int) and value > 2**1023 or kind == "int" and (value != value or math.isinf(value)):
        return False
    if kind == "int" and (value != int(value) or value > 2**63):
        return False
    if not math.isfinite(value) and not (value == math.inf and meta["high"] == math.inf):
        return False
    above, low, high = meta["above"], meta["low"], meta["high"]
    return (above is None or value > above) and (low is None or value >= low) and (high is None or value <= high)


@pytest.mark.parametrize("thing", WITH_PARAMETERS)
def test_a_parameter_takes_what_it_says_of_itself_and_nothing_else(thing: Any) -> None:
    """What it cannot mean is refused by name with the value; what it can is kept as a plain number, flag or word."""
    base = NEEDED.get(thing.__name__, {})
    for f in dataclasses.fields(thing):
        if "unit" not in f.metadata or not f.init:
            continue
        for what, value in SENSELESS.items():
            given = f"{thing.__name__}({f.name}={what})"
            try:
                made = thing(**{**base, f.name: value})
            except NeurodevError as e:
                said = str(e)
                assert "does not fit" not in said, f"{given}: nobody looked at it: {said}"
                if not fits(f, value):
                    assert f"{thing.__name__}.{f.name}" in said or said.startswith(f.name), (
                        f"{given} is refused without its name: {said}"
                    )
                    assert "got" in said or ", not " in said, f"{given} is refused without the value: {said}"
                continue
            assert fits(f, value), f"{given} was accepted"
            kept = getattr(made, f.name)
            plain = kept is None or type(kept) in (int, float, bool, str, list, np.ndarray)
            assert plain, f"{given} is kept as {type(kept)}"


@pytest.mark.parametrize("thing", WITH_PARAMETERS)
def test_scalars_of_numpy_are_numbers_and_texts_have_a_dimension(thing: Any) -> None:
    """Defaults given again as NumPy's and pandas' scalars and as texts with a unit change nothing."""
    base = NEEDED.get(thing.__name__, {})
    for f in dataclasses.fields(thing):
        default = f.default
        if (
            "unit" not in f.metadata
            or not f.init
            or isinstance(default, (str, type(None)))
            or default is dataclasses.MISSING
        ):
            continue
        ways: list[Any] = [np.asarray(default)[()], np.asarray(default)]
        unit = f.metadata["unit"]
        if isinstance(default, float) and math.isfinite(default) and unit != "1":
            ways += [f"{default!r} {unit}", np.float64(default)]
        for value in ways:
            kept = getattr(thing(**{**base, f.name: value}), f.name)
            assert type(kept) is type(default) or f.metadata["array"], (f.name, value)
            assert kept == pytest.approx(default, rel=1e-12), (f.name, value)


@pytest.mark.parametrize("thing", OTHERS)
def test_nothing_foreign_comes_out_of_any_other_door(thing: Any, tmp_path: Any) -> None:
    base = dict(NEEDED.get(getattr(thing, "__name__", ""), {}))
    known = registry.keywords(thing)[0]
    if "path" in known:
        base["path"] = str(tmp_path)
    for name in known:
        for what, value in SENSELESS.items():
            if (name, what) == ("test_fraction", "a fraction") or (thing is nd.data.digits and name == "seed"):
                continue  # these are sensible, and read data
            try:
                thing(**{**base, name: value})
            except NeurodevError as e:
                words = (name, thing.__name__, "must be", "does not fit")
                assert any(w in str(e) for w in words) or "path" in known, f"{thing}({name}={what}): {e}"


# ---------------------------------------------------------------- metrics

MODULES = (
    censored, cost, integration, layered, lifetimes, maps, persistence, risks, sizes, spikes, tails, topology, turnover,
    *((graphs,) if find_spec("networkx") else ()),
)  # fmt: skip
POSITIONS = np.array([[0.0, 0.0], [100.0, 0.0], [0.0, 100.0]])
# a sensible value for every argument of every metric, by its name
SENSIBLE: dict[str, Any] = {
    "pre": [0, 1, 2], "post": [1, 2, 0], "pre_a": [0, 1], "post_a": [1, 2], "pre_b": [0, 1], "post_b": [1, 0],
    "weight": [1.0, 2.0, 3.0], "source": POSITIONS, "target": POSITIONS, "positions": POSITIONS, "n_source": 3,
    "n_target": 3, "n": 3, "n_class": 3, "labels": [0, 1], "decided": [0, 2], "table": np.eye(3), "width": 200.0,
    "height": 200.0, "times": [1.0, 2.0, 4.0], "indices": [0, 0, 1], "n_cells": 2, "counts": [1, 2, 0, 1],
    "values": [1.0, 2.0, 3.0], "edges": [0.0, 50.0, 200.0], "before": [1.0, 2.0, 3.0, 4.0],
    "after": [2.0, 3.0, 4.0, 5.0], "sessions": [0.0, 1.0, 2.0], "present": np.eye(3, dtype=bool),
    "born": [0.0, 1.0, 0.5], "died": [2.0, math.nan, 1.0],
    "first": [0.0, 1.0, 0.0], "last": [1.0, 2.0, 0.0], "duration": [1.0, 2.0, 3.0], "day": [1.0, 2.0, 3.0],
    "deaths": [0, 1, 0], "number": [5, 4, 4], "births": [0, 0, 1], "cause": [0, 1, 2], "until": 3.0,
    "at": [0.0, 1.0], "time": [0.0, 1.0], "share": 0.5, "slow": 0.1, "fast": 1.0, "log_size": [0.1, 0.2, 0.4],
    "size": [1.0, 2.0, 3.0], "limits": [1.0], "a": [1.0, 2.0, 4.0], "b": [2.0, 3.0, 1.0], "axon": [0, 0, 1],
    "dendrite": [0, 0, 1], "pairs": [[1.0, 2.0], [3.0, 4.0]], "lost": [True, False, True], "evidence": [0.1, 0.2, 0.3],
    "alive": [1.0, 2.0, 3.0], "dead": [1.0], "alive_target": [0, 1, 1], "dead_target": [0], "rates": [1.0, 2.0, 0.0],
    "rate": [1.0, 2.0], "density": [0.5, 0.4], "additions": 10.0, "operations": 10.0, "measured": [1.0, 2.0, 3.0, 4.0],
    "expected": [1.0, 2.0, 3.0, 4.0], "v": np.ones((3, 2)), "ticks": 2, "tick_spike": 100.0, "start": 0.0,
    "stop": 5.0, "found": spikes.avalanches([1.0, 2.0, 5.0], 1.0), "n_inputs": 10.0, "spacing": 50.0,
    "intervals": [1.0, 2.0], "chosen": np.ones(3, dtype=bool), "low": [0.0, 1.0], "high": [2.0, 3.0],
    "duration_a": [1.0, 2.0], "died_a": [True, False], "duration_b": [1.0, 3.0], "died_b": [True, True],
    "begin": [0.0, 1.0], "end": [1.0, 2.0], "ages": [0.0, 1.0, 2.0], "log_sizes": [-1.0, 1.0], "group": [0, 0, 1],
    "place": [1.0, 2.0, 3.0], "reach": 1.0, "matrix": np.eye(2), "layers": [([0, 1], [0, 1])], "widths": [2, 2],
    "label": [0, 0, 1], "told": [[1, 1], [0, 1]],
}  # fmt: skip
SPECIAL = {
    "confusion_of_labels": {"labels": [[1, 0], [1, 1]]},
    "kaplan_meier": {"died": [True, False, True]},
    "fit_two_classes": {"duration": [1.0, 2.0, 9.0, 9.0], "died": [True, True, True, False]},
    "death_rates_by_age": {"died": [True, False, True], "edges": [0.0, 3.0]},
    "rates_by_window": {"counts": np.ones((4, 2), dtype=int)}, "rate_spread": {"target": 2.0},
    "size_course": {"log_size": np.ones((4, 2))}, "paired_survival": {"sessions": [[1, 2], [2, 3]]},
    "relative_evidence": {"target": [0, 1, 1]},
    "cumulative_incidence": {"died": [True, False, True]}, "tails": {"values": np.arange(1.0, 21.0)},
    "stretches": {"log_size": np.zeros((3, 3))},
    "hazard_table": {"died": [True, False], "log_size": [0.0, 0.5]},
    "lives_from_sightings": {}, "course": {"times": [0.0, 1.0, 2.0]},
}  # fmt: skip
METRICS = [
    pytest.param(f, id=f"{m.__name__.rpartition('.')[2]}-{name}")
    for m in MODULES
    for name, f in sorted(vars(m).items())
    if inspect.isfunction(f) and f.__module__ == m.__name__ and name[0] != "_"
]


@pytest.mark.parametrize("metric", METRICS)
def test_a_metric_refuses_in_our_words(metric: Any) -> None:
    parameters = inspect.signature(metric).parameters
    base = {p.name: SENSIBLE[p.name] for p in parameters.values() if p.default is p.empty}
    base |= SPECIAL.get(metric.__name__, {})
    if metric.__name__ == "change_by_size":
        base["groups"] = 2
    metric(**base)
    for name in parameters:
        for value in SENSELESS.values():
            try:
                metric(**{**base, name: value})
            except NeurodevError as e:
                assert 10 < len(str(e)) < 1000 and "\n" not in str(e)


def test_every_room_of_metrics_is_walked() -> None:
    from pkgutil import iter_modules

    rooms = {m.name for m in iter_modules(metrics.__path__)}
    assert rooms == {m.__name__.rpartition(".")[2] for m in MODULES} | {"given", "graphs", "maturation"}


def test_everything_with_parameters_is_walked() -> None:
    """In every module of the package."""
    from importlib import import_module
    from pkgutil import walk_packages

    walked = {p.values[0] if hasattr(p, "values") else p for p in WITH_PARAMETERS}
    for m in walk_packages(nd.__path__, "neurodev."):
        for thing in vars(import_module(m.name)).values():
            ours = isinstance(thing, type) and dataclasses.is_dataclass(thing) and thing.__module__ == m.name
            if ours and any("unit" in f.metadata for f in dataclasses.fields(thing)) and thing.__name__[0] != "_":
                is_word = getattr(thing, "_is_word", True) and not inspect.isabstract(thing)
                assert thing in walked or not is_word, thing
                assert isinstance(thing, registry.Spoken), thing


def test_whole_numbers_are_never_cut_off() -> None:
    """Of any width and origin: what is whole passes as it is, what is not is named."""
    for good in (3, 3.0, np.int8(3), np.uint64(3), np.float32(3), np.array(3)):
        assert whole(good, "n") == 3 and type(whole(good, "n")) is int
    for bad in (2.7, math.nan, math.inf, "3", True, None, [3], 10**30):
        with pytest.raises(ParameterError, match="^n must be"):
            whole(bad, "n")
    wide = wholes(np.array([200, 250], np.uint8), "x")
    assert wide.dtype == np.int64 and (wide * 1000).tolist() == [200_000, 250_000]
    for bad in ([0.5], [math.nan], [True], ["1"], [2**63], np.array([2**64 - 1], np.uint64), [[1], [2, 3]]):
        with pytest.raises(ParameterError, match="^x must be whole numbers"):
            wholes(bad, "x")


def test_a_number_knows_its_dimension() -> None:
    assert number("2 minute", "t", "ms") == 120_000.0 and number("0.2 um/ms", "v", "um/ms") == 0.2
    assert number("14 1/day", "b", "1/day") == number("14 /day", "b", "1/day") == 14.0
    assert number("5 Hz", "r", "1/ms") == 0.005 and number("0.005 1/ms", "r", "Hz") == pytest.approx(5.0)
    assert numbers("1 nA", "i", "pA") == 1000.0 and nd.LIF(tau="0.02 second").tau == 20.0
    assert number("2 minute", "t", "ms of life") == 120_000.0 and number("5 Hz", "r", "Hz", low=0.0) == 5.0
    for wrong, of in (("1 mV", "ms"), ("1 mV", "1"), ("two", "ms"), ("2", "ms"), (True, "ms"), (math.nan, "ms")):
        with pytest.raises(ParameterError, match="^t must be a"):
            number(wrong, "t", of)
    for text, unit, said in (
        ("1 mV", "ms", r"duration must be a number in ms \(a time\), got '1 mV', which is a voltage"),
        ("3 ms", "mV", "which is a time"), ("3 ms", "1", "must be a plain number, got '3 ms'"),
        ("5 dya", "ms", "unknown unit 'dya' in 'dya' .did you mean 'day'"), ("5", "ms", "write 20.0, or '20 ms'"),
    ):  # fmt: skip
        with pytest.raises(ParameterError, match=said):
            number(text, "duration", unit)

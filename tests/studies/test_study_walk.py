"""Every table and key of a study, of development and of training, with senseless values of TOML."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from neurodev.studies import development, reading, training
from tests.walk import narrow, outcome


@pytest.fixture(autouse=True)
def _narrow() -> Iterator[None]:
    with narrow():
        yield


# ---------------------------------------------------------------------- keys of studies

DEVELOPMENT = """seed = 1
shuffled = false
name = "x"
sheet = {width = 500, height = 500}
[population.src]
kind = "RetinalWaves"
n = 4
room = 0
inhibitory = false
jitter = 0.0
parameters = {speed = 0.2}
[population.exc]
kind = "LIF"
n = 4
tau = 20.0
use = [{kind = "Scaling", target_hz = 0.5}]
[projection.p]
source = "src"
target = "exc"
wiring = {kind = "Degree", inputs = 2}
spines = {weight = 4.0}
delay = {low = 1.0, high = 2.0}
multapses = false
use = [{kind = "SpineSize", sd = 0.7}]
[projection.w]
source = "src"
target = "exc"
wiring = {kind = "AllToAll"}
weight = 1.0
delay = 1.0
[[background]]
target = "exc"
rate_hz = 10.0
[[at]]
kind = "Lesion"
population = "exc"
neurons = [0]
life = "1 second"
[run]
duration = "2 second"
tick = "100 ms"
acceleration = 1.0
record = "daily"
events_per_tick = 100000
[bands]
sd = [0.1, 1.0]
"""
TRAINING = """kind = "training"
title = "x"
seed = 1
network = {kind = "fully_connected", hidden = [4]}
data = {kind = "digits", test_fraction = 0.2, train = 20, test = 10, draw = 1}
encoder = {kind = "Bernoulli", steps = 2}
optimiser = {kind = "Adam", rate = 1e-3}
schedule = {kind = "cosine"}
[train]
epochs = 1
batch = 10
loss = "rate_mse"
threads = 1
checkpoint = 1
patience = 3
settle = 0
calibrate = true
[[method]]
kind = "NDSNN"
sparsity = 0.5
every = 1
"""
IN_TOML: dict[str, str] = {
    "a word": '"no"', "no word": '""', "a voltage": '"1 mV"', "a time": '"3 ms"', "NaN": "nan", "infinity": "inf",
    "minus infinity": "-inf", "negative": "-1.0", "a negative whole": "-1", "zero": "0", "a fraction": "0.5",
    "huge": "1e300", "40 digits": "1" + "0" * 40, "1e18": "1" + "0" * 18, "empty": "[]", "ragged": "[[1, 2], [3]]",
    "True": "true", "a mask": "[true, false]", "a table": "{}", "tables": "[{a = 1}]", "a date": "1979-05-27",
    "a path": '"/no/such/thing"',
}  # fmt: skip


def places(table: Any, place: tuple[str, ...] = ()) -> Iterator[str]:
    """Every table and key of a study, as ``--set`` names it."""
    for key, value in table.items() if isinstance(table, dict) else enumerate(table):
        here = (*place, str(key))
        yield ".".join(here)
        if isinstance(value, dict) or isinstance(value, list) and value and isinstance(value[0], dict):
            yield from places(value, here)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["development", "training"])
def test_senseless_values_in_every_key_of_a_study(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "s.toml"
    path.write_text(DEVELOPMENT if kind == "development" else TRAINING)
    study = reading.load(path)
    known = development.SECTIONS + development.RUN_KEYS + development._PROJECTION_KEYS
    if kind == "training":
        pytest.importorskip("sklearn")
        known = training.SECTIONS + training.TRAIN
    keys = list(places(study.table))
    assert not set(known) - {part for k in keys for part in k.split(".")} - {"branch"}

    def run(key: str, value: str) -> None:
        one = reading.load(path, {key: value})
        if kind == "training":
            training.trainer(one).record.close(False)
            return
        development.duration(one)
        development.simulation(one, development.build(one)).file.discard()

    counts: Counter[str] = Counter()
    wrong = []
    for key in keys:
        for what, value in IN_TOML.items():
            found = outcome(lambda key=key, value=value: run(key, value), key.rpartition(".")[2], value)
            counts[found if found in ("accepted", "refused") else "wrong"] += 1
            if found not in ("accepted", "refused"):
                wrong.append(f"{key}={what}: {found}")
    print(dict(counts))
    assert not wrong, f"{counts}\n" + "\n".join(wrong)
    assert counts["refused"] > 0.5 * len(keys) * len(IN_TOML)

"""Every benchmark runs, small, by its command; what it prints is one JSON object with a time."""

import json

import pytest

from neurodev import jit
from neurodev.bench.networks import _BENCHMARKS
from neurodev.cli import main

pytestmark = pytest.mark.skipif(not jit.ENABLED, reason="benchmarks of compiled code")
LONG = {"mechanisms", "startup"}  # whole seconds each, whatever the scale


@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.slow) if n in LONG else n for n in _BENCHMARKS])
def test_a_benchmark_runs(name, capsys):
    assert main(["bench", name, "--json", "--scale", "0.02"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["name"] == name and said["seconds"] > 0
    low, high = said["spread"]
    assert low <= said["seconds"] <= high

"""What `neurodev bench mechanisms` says: a cost for every mechanism, as valid JSON."""

import json

import numpy as np
import pytest

from neurodev import jit, registry
from neurodev.bench.mechanisms import costs
from neurodev.cli import main

MECHANISMS = registry.ours("mechanism")
pytestmark = pytest.mark.skipif(not jit.ENABLED, reason="costs of compiled code")


def refuse(word):
    """NaN and infinities are no JSON."""
    raise ValueError(word)


def test_every_mechanism_has_a_cost():
    """None is left out or unmeasured; rules that act through sizes are measured with them."""
    found = costs(0.005)
    assert set(found) == set(MECHANISMS)
    for name, c in found.items():
        assert c["per"] == MECHANISMS[name].level and np.isfinite(c["ns"]) and c["ns"] >= 0, name
    assert found["STDP"]["with"] == ["SpineSize"] and found["Pairing"]["with"] == ["Growth"]
    assert found["ClusteredBirths"]["with"] == ["Turnover"]


@pytest.mark.slow
def test_the_command_prints_json(capsys):
    """One object, without NaN."""
    assert main(["bench", "mechanisms", "--scale", "0.01", "--json"]) == 0
    out = json.loads(capsys.readouterr().out, parse_constant=refuse)
    assert out["name"] == "mechanisms" and set(out["ns"]) == set(MECHANISMS)
    assert all(c["ns"] >= 0 for c in out["ns"].values())

"""Every number that a mechanism has can be set in a run, or is refused; to set what it is already changes nothing."""

from __future__ import annotations

import numpy as np
import pytest

from neurodev.engine import steering
from neurodev.errors import NeurodevError
from tests.mechanisms.beds import MECHANISMS, everybody, homes, start, state
from tests.mechanisms.test_conformance import near, where


@pytest.mark.parametrize("name", MECHANISMS)
def test_every_number_of_a_mechanism(name: str) -> None:
    kind = homes(name)[0]
    sims = [start(everybody(name, kind), kind)[0] for _ in range(3)]
    for sim in sims:
        sim.run_until_spike(110.0)
    plain, same, other = sims
    [m] = [m for m in same.used[where(name)] if m.name == name]
    numbers = {k: v for k in steering._free(m) if isinstance(v := getattr(m, k), (int, float))}
    if not numbers:
        with pytest.raises(NeurodevError, match="can be set in a run|declares no parameters"):
            steering.set_parameters(same, where(name), name, {"tau": 1.0})
        return
    steering.set_parameters(same, where(name), name, numbers)
    accepted = 0
    for parameter, value in numbers.items():
        try:
            steering.set_parameters(other, where(name), name, {parameter: value * 0.9 if value else 0.01})
        except NeurodevError as e:
            assert parameter in str(e) or name in str(e)
            continue
        accepted += 1
        assert not any(np.isnan(h.arrays.parameters).any() for h in other.engine.hot)
    assert accepted
    for sim in sims:
        sim.run_until_spike(200.0)
        sim.verify()
    if name != "CalciumPlasticity":  # its weights are those of the last event, and this was one
        near(state(plain), state(same))

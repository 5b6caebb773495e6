"""JIT on equals JIT off to 1e-12, for every kernel and hook of these mechanisms."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

from neurodev import jit
from neurodev.mechanisms.neurotrophin import Neurotrophin
from neurodev.mechanisms.spine_size import SpineSize
from neurodev.mechanisms.stdp import STDP
from neurodev.mechanisms.trophic_factor import TrophicFactor
from neurodev.mechanisms.turnover import Turnover
from neurodev.units import hour
from tests.mechanisms.drivers import Trains, World, pairs_table, star


def everything() -> np.ndarray:
    """Numbers that every kernel had a part in."""
    draw, out = np.random.default_rng(9), []
    for rule in ("pair", "nearest", "triplet", "burst"):
        for columns in (("log_size", "accumulator"), ()):
            for bounds in ("hard", "multiplicative", "power"):
                table = pairs_table(2, 2, [0.0, 1.5], columns)
                trains = [np.sort(draw.uniform(0, 300, 15)) for _ in range(4)]
                Trains(STDP(rule, bounds=bounds, power=0.7), table).run(trains[:2], trains[2:])
                slots = table.slots()
                out.append(table.column("accumulator")[slots] if columns else table.weight[slots].astype(float))
    slow = SpineSize(slow_share=0.4, newborn_sd=0.1)
    hazard = SpineSize(death="hazard", hazard_rate=0.3)
    for size in (SpineSize(), slow, hazard):
        mechanisms = (STDP("burst"), size, Neurotrophin(coactivity=1.0, feeds=10.0), Turnover(hazard=0.02))
        w = World(mechanisms, star(12, 5), tick=4 * hour)
        w.view.source["rate_hz"][:] = np.linspace(0, 2, 12)
        w.view.target["rate_hz"][:] = np.linspace(0.5, 2, 5)
        for _ in range(15):
            slots = w.table.slots()
            w.table.column("accumulator")[slots] = 300 * np.sin(w.table.uid[slots].astype(float))
            w.step()
        out += [w.of(c) for c in ("log_size", "evidence", "drive_evidence", "drive_trophic")]
        out += [w.table.uid[w.table.slots()].astype(float), w.events().cause.astype(float)]
    for growth in ("linear", "michaelis", "hill"):
        w = World((TrophicFactor(growth=growth, strength=12.0, pro_share=0.5, prune=0.4, sprout=2.0),), star(12, 5))
        w.view.target["rate_hz"][:] = np.linspace(0.0, 1.0, 5)
        w.step(10)
        out += [w.of("receptor_bound"), w.of("receptor_free"), w.view.target["ligand_trophin"]]
    return np.concatenate(out)


@pytest.mark.skipif(not jit.ENABLED, reason="compares with the interpreter")
def test_compiled_equals_interpreted(tmp_path) -> None:
    path = tmp_path / "numbers.npy"
    code = f"""if True:
        import numpy as np
        from tests.mechanisms.test_compiled_and_interpreted import everything
        np.save({str(path)!r}, everything())"""
    subprocess.run([sys.executable, "-c", code], env=os.environ | {"NUMBA_DISABLE_JIT": "1"}, check=True)
    interpreted, compiled = np.load(path), everything()
    assert interpreted.shape == compiled.shape
    assert np.sum(compiled != compiled.astype(np.float32)) > 400
    assert np.allclose(interpreted, compiled, rtol=1e-12, atol=1e-12)

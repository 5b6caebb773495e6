"""Memory stays flat over many days of a developing network: what a run records lies in its file."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

DAYS, EVERY = 60, 5
MOST = 100e3  # bytes a day that memory may grow, after the first days
PROGRAM = """
import gc, sys
from dataclasses import replace
from pathlib import Path
import neurodev as nd
from neurodev.units import day
from tests.mechanisms.test_neuron_fate import DYING, FAST, GROWING, circuit

def resident():
    gc.collect()
    with open("/proc/self/status") as f:
        return next(1024 * int(line.split()[1]) for line in f if line.startswith("VmRSS"))

days, every, to = int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])
dying = replace(DYING, fraction=0.9, begin=1 * day, end=days * day)
net = circuit(room=120, death=dying, growth=replace(GROWING, rate=2.0))
sim = nd.Simulation(net, to=to, checkpoint=0.2, threads=1, **FAST)
for k in range(days // every):
    sim.run(every * day)
    births = sum(int((b.born > 0).sum()) for b in sim.simulator.blocks.values())
    print((k + 1) * every, resident(), to.stat().st_size, births, sim.simulator.engine.uids.next, flush=True)
run = sim.close()
assert len(run.log.deaths.uid) > 1000 and run.verify() > 0
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="Linux tells what memory a process has")
def test_memory_is_flat_over_sixty_days(tmp_path: Path) -> None:
    """Neurons are born and die, thousands of spines come and go, a file grows: resident memory does not."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PROGRAM, str(DAYS), str(EVERY), str(tmp_path / "r.sqlite")], text=True,
        capture_output=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    day, memory, file, births, uids = np.array([line.split() for line in done.stdout.splitlines()], dtype=float).T
    settled = day >= DAYS / 4
    slope = np.polyfit(day[settled], memory[settled], 1)[0]
    print(f"{DAYS} days: {memory[0] / 1e6:.1f} MB after {day[0]:.0f}, {memory[-1] / 1e6:.1f} MB at the end; "
          f"{slope / 1e3:.1f} kB a day from day {DAYS // 4} on; file {file[-1] / 1e6:.1f} MB, {births[-1]:.0f} neurons "
          f"and {uids[-1]:.0f} spines were born")  # fmt: skip
    assert uids[-1] - uids[0] > 2000 and births[-1] > births[0]
    assert abs(slope) < MOST, (day, memory)

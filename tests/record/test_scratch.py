"""Run files that nobody named: readable while the program runs, gone when it ends."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from neurodev.record.scratch import scratch_file

CODE = """
import neurodev as nd
net = nd.Network(seed=1)
net.connect(net.add(nd.Poisson(30.0), 4, name="a"), net.add(nd.LIF(), 3, name="b"), nd.AllToAll(), weight=8.0)
runs = [nd.simulate(net, 200.0, tick=100.0, progress=False) for _ in range(2)]
print(runs[0].path.parent.parent, runs[0].path != runs[1].path, *(int(r.counts("a").sum() > 0) for r in runs))
"""


def test_nothing_stays_of_runs_without_a_name(tmp_path: Path) -> None:
    env = os.environ | {"TMPDIR": str(tmp_path)}
    told = [sys.executable, "-W", "error::ResourceWarning", "-c", CODE]  # nothing is left to the interpreter to tidy up
    done = subprocess.run(told, env=env, capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(tmp_path), "True", "1", "1"] and not [
        line for line in done.stderr.splitlines() if "compiling" not in line
    ]
    assert not list(tmp_path.iterdir())


def test_every_call_gives_another_name() -> None:
    one, two = scratch_file(), scratch_file("other")
    assert one != two and one.parent == two.parent and one.parent.is_dir() and not one.exists()
    assert two.name.startswith("other-")

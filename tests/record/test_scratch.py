"""Run files that nobody named: readable while the program runs, gone when it ends."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from neurodev.record.scratch import scratch_file

CODE = """
from neurodev.record.scratch import scratch_file
for name in ("run", "training"):
    scratch_file(name).write_bytes(b"x")
print(scratch_file().parent.parent)
"""


def test_nothing_stays_of_runs_without_a_name(tmp_path: Path) -> None:
    env = os.environ | {"TMPDIR": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", CODE], env=env, capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(tmp_path)] and not done.stderr
    assert not list(tmp_path.iterdir())


def test_every_call_gives_another_name() -> None:
    one, two = scratch_file(), scratch_file("other")
    assert one != two and one.parent == two.parent and one.parent.is_dir() and not one.exists()
    assert two.name.startswith("other-")

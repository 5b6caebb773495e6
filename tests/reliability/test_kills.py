"""SIGKILL at random moments of a developing run with every mechanism on: it goes on to the bytes of a run in peace."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import neurodev as nd
from tests.simulation.test_resume import LIFE, begun, same

KILLS = 40
LONG = 8 * LIFE
PROGRAM = """
import sys
from pathlib import Path
import neurodev as nd
from tests.simulation.test_resume import begun, net
to, life, threads = Path(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3])
try:
    sim = nd.Simulation.resume(to, net(), checkpoint=0.0, threads=threads)
except nd.errors.RunFileError:  # killed before there was anything
    sim = begun(to, overwrite=True, threads=2)
print("on", flush=True)
sim.run(None if sim.goal else life).close()
"""


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*(not alive|RemoveSynapses|are made|AddSynapses).*:UserWarning")
def test_a_run_that_is_killed_again_and_again_ends_at_the_same_file(tmp_path: Path) -> None:
    whole, cut = tmp_path / "whole.sqlite", tmp_path / "cut.sqlite"
    begin = time.perf_counter()
    begun(whole, checkpoint=None, threads=2).run(LONG).close()
    took = time.perf_counter() - begin
    draw, killed, finished = np.random.default_rng(11), 0, 0
    while killed < KILLS:
        cut.unlink(missing_ok=True)
        done = False
        while not done:
            threads = str(draw.integers(1, 4))
            program = subprocess.Popen(
                [sys.executable, "-W", "ignore", "-c", PROGRAM, str(cut), str(LONG), threads], text=True,
                stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            )  # fmt: skip
            assert program.stdout is not None and program.stderr is not None
            heard = program.stdout.readline()
            assert heard == "on\n", program.stderr.read()
            try:
                program.wait(draw.uniform(0.0, 1.0) * took if killed < KILLS else None)
                done = True
            except subprocess.TimeoutExpired:
                program.kill()
                killed += 1
            said = program.communicate()[1]
            assert not done or program.returncode == 0, said
            nd.Run(cut).info()  # whatever it was, it opens
        same(whole, cut)
        finished += 1
    assert killed >= KILLS and finished >= 1

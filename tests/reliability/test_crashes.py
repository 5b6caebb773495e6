"""What `crashes.py` and `corruptions.py` try: a handful here, all of it with every mechanism in `make verify`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from neurodev import registry
from tests.reliability.everything import everything, used

ROOT = Path(__file__).parents[2]


def tried(script: str, *words: str) -> list[str]:
    """The lines that a script ends with."""
    done = subprocess.run(
        [sys.executable, "-m", f"tests.reliability.{script}", *words], capture_output=True, text=True, cwd=ROOT
    )
    assert done.returncode == 0, done.stdout + done.stderr
    print(done.stdout)
    return done.stdout.splitlines()


def all_right(network: str, **numbers: int) -> None:
    words = [w for way, n in numbers.items() for w in (f"--{way}", str(n))]
    lines = tried("crashes", "--network", network, *words)
    for (way, n), line in zip(numbers.items(), lines, strict=True):
        if "not tried" in line:
            pytest.skip(line)  # the last one
        assert line.startswith(f"{way}: {n} of {n} ("), lines


def test_a_run_goes_on_through_a_handful_of_crashes() -> None:
    all_right("jumps", killed=2, readers=1, full=2, locked=1)


@pytest.mark.slow
def test_a_run_with_every_mechanism_goes_on_through_seventy() -> None:
    all_right("everything", killed=40, readers=10, full=10, locked=10)


@pytest.mark.slow
@pytest.mark.parametrize(("network", "number", "forged"), [("jumps", 200, 60), ("everything", 20, 20)])
def test_corruptions_of_files_with_checkpoints(network: str, number: int, forged: int) -> None:
    lines = tried("corruptions", "--network", network, "--number", str(number), "--forged", str(forged))
    wanted = [f"damaged: {number} of {number};", f"forged: {forged} of {forged};"]
    assert [line.split("; ")[0] + ";" for line in lines] == wanted


def test_everything_is_everything() -> None:
    mechanisms, models = used(everything())
    assert mechanisms == set(registry.ours("mechanism"))
    assert models >= set(registry.ours("neuron model"))

"""The gallery of competition and growth: each example runs, ends in a picture, and finds what it says."""

import re
import runpy
import sys
from pathlib import Path

import pytest

from neurodev import jit

EXAMPLES = Path(__file__).parents[1] / "examples"
pytestmark = pytest.mark.skipif(not jit.ENABLED, reason="minutes without the compiler")


@pytest.fixture
def play(tmp_path, monkeypatch, capsys):
    """Runs an example: the lines that it prints, and the numbers in them."""

    def run(name: str, *arguments: str) -> tuple[list[str], list[float]]:
        monkeypatch.setattr(sys, "argv", [name, str(tmp_path), *arguments])
        runpy.run_path(str(EXAMPLES / f"{name}.py"), run_name="__main__")
        assert (tmp_path / f"{name}.png").stat().st_size > 10_000
        printed = capsys.readouterr().out.strip()
        lines = printed.splitlines()
        assert len(lines) == 2
        return lines, [float(x) for x in re.findall(r"-?\d+\.?\d*(?:e-?\d+)?", printed)]

    return run


def test_five_axons(play):
    """EX-1 to EX-3 with a network around them."""
    lines, _ = play("five_axons")
    assert "linear: 5 (" in lines[0] and "michaelis: 1, 2, 3, 4, 5 (" in lines[0] and "hill: 1, 2, 3, 5 (" in lines[0]
    assert max(map(float, re.findall(r"form by ([\d.e-]+)\)", lines[0]))) < 0.01


def test_lesion_and_rewiring(play):
    """BIO-28: dendritic elements rise, axons of the border overshoot and are pruned, rates return to the set-point."""
    _, found = play("lesion_and_rewiring", "480")
    before, lost, back, many, few, axons, peak, pruned, outside, onto = found
    assert abs(before - 5.0) < 0.4 and lost < 1.0 and abs(back - 5.0) < 0.8
    assert many > 2 * few and peak > 1.2 * axons and pruned < peak and 0 < outside < onto


def test_ocular_dominance(play):
    """BIO-27 with spikes: the eyes part, unless factor is infused."""
    _, found = play("ocular_dominance", "12")
    first, last, share, infused_first, infused_last, infused_share = found
    assert last > 2 * first and share > 40 and infused_last < infused_first and infused_share < 5

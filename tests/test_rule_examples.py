"""The gallery of rules and spines: each example runs, prints what it found, and ends in a picture."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

import pytest

from neurodev import jit

EXAMPLES = Path(__file__).parents[1] / "examples"
pytestmark = pytest.mark.skipif(not jit.ENABLED, reason="whole runs")


def play(name: str, words: list[str], monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setattr(sys, "argv", [name, *words, str(folder)])
    runpy.run_path(str(EXAMPLES / f"{name}.py"), run_name="__main__")
    assert (folder / f"{name}.png").read_bytes()[:4] == b"\x89PNG"


def test_spine_life(tmp_path, monkeypatch, capsys):
    play("spine_life", ["6"], monkeypatch, tmp_path)
    out = capsys.readouterr().out
    assert "a small spine keeps x 1.8" in out and "were retracted" in out


def test_inhibitory_balance(tmp_path, monkeypatch, capsys):
    play("inhibitory_balance", ["30"], monkeypatch, tmp_path)
    out = capsys.readouterr().out
    mean = float(out.split("mean ")[1].split()[0])
    # forty cells for twenty seconds, of which the first ten still settle
    assert abs(mean - 6.0) < 0.8


@pytest.mark.slow
def test_stdp_windows(tmp_path, monkeypatch, capsys):
    play("stdp_windows", [], monkeypatch, tmp_path)
    assert "with a closed form lie on it: True" in capsys.readouterr().out

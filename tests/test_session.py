"""The end of a session says how many tests had no data, and names them when asked."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

TESTS = """
import pytest

@pytest.mark.skipif(True, reason="no data: the moon is not here")
def test_far(): pass

def test_asks(): pytest.skip("no data: no folder 'mars', set NEURODEV_DATA")

def test_needs(): pytest.importorskip("a_package_that_nobody_wrote")

@pytest.mark.skipif(True, reason="whole runs")
def test_other(): pass
"""


def session(folder: Path, *words: str) -> str:
    """What pytest says at the end, with the conftest of this suite."""
    (folder / "inner").mkdir(exist_ok=True)
    shutil.copy(Path(__file__).parent / "conftest.py", folder / "inner" / "conftest.py")
    (folder / "inner" / "test_inner.py").write_text(TESTS)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(folder), *words]
    return subprocess.run([*command, "inner"], cwd=folder, capture_output=True, text=True).stdout


def test_one_line_or_all_of_them(tmp_path: Path) -> None:
    brief, full = session(tmp_path), session(tmp_path, "--name-skipped")
    assert "2 skipped for want of data (--name-skipped lists them)" in brief and "mars" not in brief
    assert "1 skipped for want of a package" in brief and "4 skipped" in brief
    assert "test_far: no data: the moon is not here" in full and "test_asks: no data: no folder 'mars'" in full
    assert "test_needs: could not import 'a_package_that_nobody_wrote'" in full and "whole runs" not in full

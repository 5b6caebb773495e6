"""Tests with the lowest versions that pyproject.toml allows: ``python -m tests.lowest -q tests/engine ...``.

Makes an environment of its own, ``.venv-lowest``, with kernels of its own; the words go to pytest.  `make lowest` calls
it with the tests of the core.
"""

from __future__ import annotations

import os
import subprocess
import sys

from tests.requirements import ROOT, core

HOME = ROOT / ".venv-lowest"


def lowest() -> list[str]:
    """Requirements at their lower bounds, whatever the last part of the version."""
    out = []
    for r in core():
        (bound,) = [s.version for s in r.specifier if s.operator == ">="]
        out.append(f"{r.name}=={bound if '.' in bound else f'{bound}.0'}.*")  # 2.* would be the youngest of all
    return out


def main() -> int:
    """Install, and run the tests."""
    python = HOME / "bin/python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(HOME)], check=True)
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    print("installing", ", ".join(lowest()), flush=True)
    tools = ["pytest", "pytest-xdist", "hypothesis", "packaging"]
    subprocess.run([*pip, *lowest(), *tools], check=True, cwd=ROOT)
    subprocess.run([*pip, "--no-deps", "-e", "."], check=True, cwd=ROOT)
    where = {**os.environ, "NEURODEV_CACHE_DIR": str(HOME / "kernels")}
    return subprocess.run([str(python), "-m", "pytest", *sys.argv[1:]], cwd=ROOT, env=where).returncode


if __name__ == "__main__":
    raise SystemExit(main())

"""The round trips of all formats, each by its own library, in an environment that is thrown away.

    python tests/formats/round_trips.py [--keep FOLDER]

It is made of the environment of this Python and of what the extras of the formats bring; libsonata, which is LGPL, and
TensorBoard are there as readers alone.  A test that is skipped for want of a library is a failure here.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import sysconfig
import tempfile
import tomllib
import venv
from pathlib import Path

ROOT = Path(__file__).parents[2]
EXTRAS = ("tables", "graphs", "neo", "sonata", "nwb", "tensorboard")
READERS = ("libsonata==0.2.2", "tensorboard==2.21.0")


def made(folder: Path) -> Path:
    """An environment beside this one, with the libraries; its Python."""
    venv.create(folder, with_pip=True)
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    code = "import sysconfig; print(sysconfig.get_paths()['purelib'])"
    own = Path(subprocess.run([python, "-c", code], check=True, capture_output=True, text=True).stdout.strip())
    here = sysconfig.get_paths()["purelib"]
    (own / "this.pth").write_text(f"import site; site.addsitedir({here!r})\n")
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    wanted = [r for extra in EXTRAS for r in declared[extra]]
    pip = [python, "-m", "pip", "install", "-q", "--disable-pip-version-check", "-c", ROOT / "constraints.txt"]
    subprocess.run([*pip, *wanted, *READERS], check=True)
    return python


def main() -> int:
    """Make it, run the tests of the formats there, and say what came out."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keep", type=Path, help="make the environment here, and leave it")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as lost:
        python = made(given.keep or Path(lost) / "formats")
        tests = [
            f"tests/formats/test_{name}.py"
            for name in ("export", "tables", "graphs", "neo", "sonata", "nwb", "tensorboard")
        ]
        run = subprocess.run(
            [python, "-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider", *tests], cwd=ROOT, text=True,
            capture_output=True, env={**os.environ, "PYTHONPATH": str(ROOT)},
        )  # fmt: skip
    print(run.stdout, run.stderr, sep="\n")
    skipped = "SKIPPED" in run.stdout
    print("every format came back by its own library" if not (run.returncode or skipped) else "NOT every format")
    return run.returncode or int(skipped)


if __name__ == "__main__":
    sys.exit(main())

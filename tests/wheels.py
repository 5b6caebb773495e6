"""For which versions of Python every core dependency has a wheel: ``python -m tests.wheels [3.12 3.13 3.14]``.

Asks the package index that pip is set up for, and downloads the wheels into a folder that is thrown away; the versions
are those of constraints.txt.  Prints a table, and ends with status 1 if one is missing.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile

from packaging.utils import canonicalize_name

from tests.requirements import core, pins


def pinned() -> dict[str, str]:
    """Version of each core dependency."""
    known = {canonicalize_name(name): version for name, version in pins()}
    return {r.name: known[canonicalize_name(r.name)] for r in core()}


def has_wheel(name: str, version: str, python: str) -> bool:
    """Whether pip finds a wheel for this machine and that Python."""
    with tempfile.TemporaryDirectory() as folder:
        command = [
            sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps",
            "--only-binary=:all:", "--python-version", python, "--dest", folder, f"{name}=={version}",
        ]  # fmt: skip
        return subprocess.run(command, capture_output=True).returncode == 0


def main() -> int:
    """The table."""
    pythons = sys.argv[1:] or ["3.12", "3.13", "3.14"]
    found = {(n, p): has_wheel(n, v, p) for n, v in pinned().items() for p in pythons}
    for name, version in pinned().items():
        print(f"{name}=={version:<12}", *(f"{p}: {'wheel' if found[name, p] else 'NONE':<6}" for p in pythons))
    return 0 if all(found.values()) else 1


if __name__ == "__main__":
    raise SystemExit(main())

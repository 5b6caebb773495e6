"""Subprocesses import this checkout wherever they run; every session ends with what was skipped for want of data.

A relative PYTHONPATH would lose the checkout.  Data that are not in the repository are looked for at run time; a test
that does not find them is skipped, and a green session must not hide that.
"""

import os
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
_given = [str(Path(p).resolve()) for p in os.environ.get("PYTHONPATH", "").split(os.pathsep) if p]
os.environ.setdefault("NEURODEV_COSTS", "reference")  # kernels, and with them roundings, as on any machine
os.environ["PYTHONPATH"] = os.pathsep.join(dict.fromkeys([str(ROOT), *_given]))

NO_DATA = re.compile(r"^no data: ")  # how the reason of such a skip begins (test_house_rules.py)
NO_PEER = re.compile(r"^no peer: ")  # NEST or Brian2, which tests compare with live
NO_BROWSER = re.compile(r"^no browser: ")  # in which pages are looked at
NO_PACKAGE = re.compile(r"^could not import ")


@pytest.fixture
def alone(tmp_path, monkeypatch):
    """A folder to run pages and examples in; what they define is forgotten afterwards."""
    from neurodev import registry

    monkeypatch.chdir(tmp_path)
    for kind in registry.OURS:  # ours are entered when they are first imported, which must not be forgotten
        registry.ours(kind)
    monkeypatch.setattr(registry, "_known", {kind: dict(known) for kind, known in registry._known.items()})
    return tmp_path


def pytest_addoption(parser):
    """`make verify` wants the whole list."""
    parser.addoption("--name-skipped", action="store_true", help="name every test that was skipped for want of data")


def _reasons(reports):
    """(test, reason) of every skip."""
    for report in reports:
        words = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        yield report.nodeid, words.removeprefix("Skipped: ")


def pytest_terminal_summary(terminalreporter, config):
    """Tests without their data, a peer (NEST, Brian2), a browser, or a package that an extra brings."""
    skipped = list(_reasons(terminalreporter.stats.get("skipped", [])))
    for what, sort in (("data", NO_DATA), ("a peer", NO_PEER), ("a browser", NO_BROWSER), ("a package", NO_PACKAGE)):
        mine = [(test, why) for test, why in skipped if sort.search(why)]
        if not mine:
            continue
        hint = "" if config.getoption("--name-skipped") else " (--name-skipped lists them)"
        terminalreporter.write_line(f"{len(mine)} skipped for want of {what}{hint}")
        if config.getoption("--name-skipped"):
            for test, why in sorted(mine):
                terminalreporter.write_line(f"    {test}: {why}")

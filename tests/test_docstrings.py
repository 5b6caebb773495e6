"""Every public name has an example, and every example in a docstring gives what it says.

Examples see ``nd`` and ``np`` beside the names of their module; what needs data, or a package that may not be there, is
skipped by its own words (``# doctest: +SKIP``).
"""

from __future__ import annotations

import ast
import doctest
import importlib
import inspect
import pkgutil
import re
import sys
from operator import attrgetter
from pathlib import Path

import numpy as np
import pytest

import neurodev as nd
from neurodev import jit
from neurodev.units import day

ROOT = Path(__file__).parents[1]
ASIDE = ("neurodev.__main__",)
MODULES = [m.name for m in pkgutil.walk_packages(nd.__path__, "neurodev.") if m.name not in ASIDE]
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE | doctest.IGNORE_EXCEPTION_DETAIL


def _shown(name: str) -> bool:
    path = ROOT / (name.replace(".", "/") + ".py")
    return path.is_file() and ">>> " in path.read_text(encoding="utf-8")


class OfWhatIsSaid(doctest.OutputChecker):
    """An example that says no result is run, and its result is its own affair."""

    def check_output(self, want: str, got: str, optionflags: int) -> bool:
        return not want or super().check_output(want, got, optionflags)


GIVEN = re.compile(r">>> (.*[ (=])?(run|sim)\.|>>> sim = Simulation\(net")


def given() -> dict[str, object]:
    """A network, a simulation of it that goes on, and a run, of which examples of their methods speak."""
    net = nd.Network(seed=1)
    retina, exc = net.add(nd.Poisson(20.0), 25, name="retina"), net.add(nd.LIF(), 12, name="exc")
    exc.use(nd.Scaling())
    net.background(exc, nd.Background(rate_hz=500.0, weight=1.0))
    spines = net.connect(retina, exc, nd.Near(sigma=160.0, inputs=6), spines=nd.Spines(weight=4.0), name="retina_exc")
    spines.use(nd.STDP("burst"), nd.SpineSize(), nd.Neurotrophin(feeds=10.0), nd.Turnover())
    how = {"acceleration": 2400.0, "progress": False}
    run = nd.simulate(net, 3 * day, record="all", **how)
    return {"net": net, "run": run, "sim": nd.Simulation(net, **how), "day": day}


@pytest.mark.skipif(not jit.ENABLED, reason="whole networks")
@pytest.mark.parametrize("name", [m for m in MODULES if _shown(m)])
def test_examples_give_what_they_say(name: str, alone: Path) -> None:
    module = importlib.import_module(name)
    here = {**vars(module), "nd": nd, "np": np}
    if GIVEN.search(inspect.getsource(module)):
        here |= given()
    runner = doctest.DocTestRunner(checker=OfWhatIsSaid(), optionflags=FLAGS)
    tests = doctest.DocTestFinder(exclude_empty=True).find(module, name, globs=here)
    assert any(t.examples for t in tests)
    told: list[str] = []
    for test in tests:
        runner.run(test, out=told.append)
    assert not runner.failures, "".join(told)


@pytest.mark.parametrize("path", sorted((ROOT / "neurodev").rglob("*.py")), ids=lambda p: p.stem)
def test_no_docstring_tells_a_thing_twice(path: Path) -> None:
    """Neither a section nor, within one, a name."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and (said := ast.get_docstring(node)):
            parts = re.split(r"^(\w[^\n]*)\n-{3,}$", said, flags=re.MULTILINE)
            heads, bodies = parts[1::2], parts[2::2]
            assert len(set(heads)) == len(heads), (node.name, heads)
            for head, body in zip(heads, bodies, strict=True):
                told = [line.partition(" : ")[0] for line in body.splitlines() if re.match(r"[\w*, ]+ : ", line)]
                names = [word.strip() for line in told if line[:1] != " " for word in line.split(",")]
                assert len(set(names)) == len(names), (node.name, head, names)


def test_every_public_name_has_an_example(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT / "docs")
    sys.modules.pop("names", None)
    import names

    things = {n: attrgetter(n.removeprefix("neurodev."))(nd) for group in names.groups().values() for n in group}
    mute = [
        n for n, t in things.items()
        if (isinstance(t, type) or callable(t)) and ">>> " not in (inspect.getdoc(t) or "")
    ]  # fmt: skip
    assert not mute

"""Every block of code in the manual, in CONTRIBUTING and (slow) in README runs, and the manual names every public name.

Blocks of one page are one program.  A block that begins with a comment that is a file name is written to that file;
lines of a console block that begin with ``$ neurodev`` are given to the command line.
"""

from __future__ import annotations

import ast
import linecache
import operator
import re
import shlex
import sys
import types
from pathlib import Path

import pytest

import neurodev as nd
from neurodev import jit
from neurodev.cli import main
from neurodev.structure.table import MAX_LANES

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILE = re.compile(r"# ([\w.]+\.\w+)\n")
PAGES = [ROOT / "CONTRIBUTING.md", *sorted(p for p in (ROOT / "docs").rglob("*.md") if "_build" not in p.parts)]
WITH_CODE = [p for p in PAGES if BLOCK.search(p.read_text(encoding="utf-8"))]


def play(page: Path, folder: Path) -> int:
    """Run the blocks of a page in a folder; returns how many."""
    text = page.read_text(encoding="utf-8")
    module = types.ModuleType(f"page_{page.stem}".replace("-", "_"))
    sys.modules[module.__name__] = module  # dataclasses look for the module of a class
    played = 0
    for block in BLOCK.finditer(text):
        language, code = block.groups()
        if named := FILE.match(code):
            (folder / named[1]).write_text(code, encoding="utf-8")
        if language == "python":
            where = f"{page.relative_to(ROOT)}, the block at line {text[: block.start()].count(chr(10)) + 1}"
            linecache.cache[where] = (len(code), None, code.splitlines(keepends=True), where)  # for tracebacks
            exec(compile(code, where, "exec", dont_inherit=True), vars(module))
        elif language == "console":
            for line in code.splitlines():
                program, *words = shlex.split(line.removeprefix("$ "))
                assert line.startswith("$ neurodev ") and program == "neurodev", line
                assert main(words) == 0, line
        elif language not in ("toml", "text"):
            raise AssertionError(f"{page}: nobody runs a block of {language}")
        played += 1
    return played


@pytest.mark.skipif(not jit.ENABLED, reason="whole runs")
@pytest.mark.parametrize("page", WITH_CODE, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_the_blocks_of_a_page_run(page: Path, alone: Path) -> None:
    assert play(page, alone)


@pytest.mark.slow
def test_the_blocks_of_the_readme_run(alone: Path) -> None:
    assert play(ROOT / "README.md", alone) == 2


@pytest.fixture(scope="module")
def made_by_docs() -> set[Path]:
    """Pages that `make docs` writes, so that a link to one holds in a fresh checkout: the gallery, the public names."""
    docs = ROOT / "docs"
    settings = (docs / "conf.py").read_text(encoding="utf-8")
    gallery = re.search(r'"gallery_dirs": \[?"(\w+)"', settings)
    listed = re.search(r'names\.write\(HERE / "(\w+)" / "(\w+\.rst)"\)', settings)
    assert gallery and listed, "conf.py says where they are written"
    sys.path.insert(0, str(docs))
    try:
        import model_pages
        import names
    finally:
        sys.path.remove(str(docs))
    made = {docs / gallery[1] / "index.rst", docs / listed[1] / listed[2]}
    made |= {docs / gallery[1] / f"{p.stem}.rst" for p in (ROOT / "examples").glob("*.py")}
    made |= {docs / listed[1] / "generated" / f"{n}.rst" for group in names.groups().values() for n in group}
    made |= model_pages.pages(docs / "models" / "made")
    return {p.resolve() for p in made}


def test_pages_that_are_made_are_known_by_name(made_by_docs: set[Path]) -> None:
    docs = (ROOT / "docs").resolve()
    assert {docs / "gallery/index.rst", docs / "reference/api.rst"} <= made_by_docs
    assert {docs / "gallery/five_axons.rst", docs / "reference/generated/neurodev.STDP.rst"} <= made_by_docs
    assert docs / "gallery/indx.rst" not in made_by_docs and docs / "gallery/five_axon.rst" not in made_by_docs


@pytest.mark.parametrize("page", [*PAGES, ROOT / "README.md"], ids=lambda p: p.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page: Path, made_by_docs: set[Path]) -> None:
    for link in re.findall(r"\]\(([^)]+)\)", page.read_text(encoding="utf-8")):
        file, _, anchor = link.partition("#")
        if file.startswith("http"):
            continue
        target = page.parent / file if file else page
        assert target.is_file() or target.is_dir() or target.resolve() in made_by_docs, link
        if anchor:
            heads = re.findall(r"^#+ (.*)$", target.read_text(encoding="utf-8"), re.MULTILINE)
            as_myst_does = {re.sub(r"[^\w-]", "", h.lower().replace(" ", "-")) for h in heads}
            assert anchor in as_myst_does, link


def test_every_public_name_has_its_page(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once each, under a heading; what is made by hand of the list would forget the next name."""
    monkeypatch.syspath_prepend(ROOT / "docs")
    sys.modules.pop("names", None)
    import names

    listed = [n for group in names.groups().values() for n in group]
    assert len(listed) == len(set(listed))
    assert {f"neurodev.{n}" for n in nd.__all__ if n not in names.ROOMS and not n.startswith("__")} <= set(listed)
    things = [operator.attrgetter(n.removeprefix("neurodev."))(nd) for n in listed]
    classes = [t for t in things if isinstance(t, type)]
    assert len(classes) == len(set(classes))  # sphinx refuses a thing that has two pages
    for room in (getattr(nd, r) for r in names.ROOMS):
        assert all(any(getattr(room, n) is t for t in things) for n in room.__all__)
    text = names.page()
    assert all(n in text for n in listed)


def test_pages_of_classes_tell_what_their_bases_give(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each member with its signature, wherever it is defined; what a base with a page has is told by its name."""
    monkeypatch.syspath_prepend(ROOT / "docs")
    sys.modules.pop("names", None)
    import names

    told = names.members()
    wanted = {
        "Simulation": "run close resume probe every until at do set_weights set_parameter life",
        "Run": "spikes counts series snapshot graph spines summary export info",
        "Network": "add connect background drive", "Projection": "use",
        "mechanisms.base.SynapseView": "uniforms normals deaths slots kept",
    }  # fmt: skip
    for name, members in wanted.items():
        assert set(members.split()) <= set(told[f"neurodev.{name}"]["names"]), name
    stdp = told["neurodev.STDP"]
    assert stdp["bases"] == ["neurodev.Mechanism"] and "settle" not in stdp["names"] and "hot" in stdp["names"]
    assert "automethod:: Simulation.run" in told["neurodev.Simulation"]["described"]
    assert "autoproperty:: Run.days" in told["neurodev.Run"]["described"]
    template = (ROOT / "docs/_templates/autosummary/class.rst").read_text(encoding="utf-8")
    assert "members_of.get(fullname)" in template and "mine.described" in template


def test_links_say_where_they_lead() -> None:
    """Not "the next page": pages change places, and a reader comes from anywhere."""
    for page in [*PAGES, ROOT / "README.md"]:
        for words in re.findall(r"(?i)\b(?:next|previous|last|following) page\b", page.read_text(encoding="utf-8")):
            raise AssertionError(f"{page}: {words}")


def test_programs_of_the_manual_use_public_names() -> None:
    programs = [(p, code) for p in [*PAGES, ROOT / "README.md"]
                for language, code in BLOCK.findall(p.read_text(encoding="utf-8")) if language == "python"]  # fmt: skip
    programs += [(p, p.read_text(encoding="utf-8")) for p in (ROOT / "examples").glob("*.py")]
    for page, code in programs:
        private = [n.attr for n in ast.walk(ast.parse(code)) if isinstance(n, ast.Attribute) and n.attr[0] == "_"]
        assert not [name for name in private if name[:2] != "__"], (page, private)


def _written(path: str, *functions: str) -> set[str]:
    """Names under which functions of a file put numbers into a dictionary, up to a ``/`` and what follows it."""
    found: set[str] = set()
    for f in ast.walk(ast.parse((ROOT / "neurodev" / path).read_text(encoding="utf-8"))):
        if isinstance(f, ast.FunctionDef) and f.name in functions:
            for node in ast.walk(f):
                keys = (
                    node.keys if isinstance(node, ast.Dict) else [node.slice] if isinstance(node, ast.Subscript) else []
                )
                for key in keys:
                    parts = key.values if isinstance(key, ast.JoinedStr) else [key]
                    words = [str(p.value) for p in parts if isinstance(p, ast.Constant) and isinstance(p.value, str)]
                    found |= {word.rstrip("/").removeprefix("_") for word in words[:1]}
    return found


def test_every_series_and_number_has_its_row() -> None:
    methods = [f"methods/{p.name}" for p in (ROOT / "neurodev/methods").glob("*.py")]
    names = _written("simulation/recording.py", "on_tick") | _written("learn/training/series.py", "series")
    names |= _written("learn/training/standing.py", "measures") | _written("learn/training/moving.py", "series")
    names |= _written("learn/training/trainer.py", "last_rate") | _written("learn/eventprop/fit.py", "_series")
    names |= set().union(*(_written(path, "series") for path in methods))
    names |= _written("metrics/maturation.py", "density_numbers", "rate_numbers", "map_numbers")
    names |= _written("runs/verdict.py", "numbers", "_rate_numbers") | _written("studies/sweeps/numbers.py", "_trained")
    names -= {"", "source", "target", "name", "radius", "floor", "sheet", "log_size"}  # read, not written
    assert {"events", "operations", "near", "gradient_norm", "living_units", "evidence_gap", "final"} <= names
    page = (ROOT / "docs/reference/numbers.md").read_text(encoding="utf-8")
    told = set(re.findall(r"`(\w+)(?:/NAME)?`", page))
    missing = {n for n in names if not any(n == t or t.endswith(f"_{n}") for t in told)}
    assert not missing


def test_a_stated_limit_is_the_limit() -> None:
    """Of numbers of delays, in docstrings and pages."""
    texts = [*(ROOT / "neurodev").rglob("*.py"), *PAGES]
    for path in texts:
        text = " ".join(path.read_text(encoding="utf-8").split())
        for number in re.findall(r"at most (\d[\d,]*)\s(?:distinct|different) (?:ones|delays)", text):
            assert int(number.replace(",", "")) == MAX_LANES, (path, number)


def test_policies_name_tests_that_are_there() -> None:
    page = (ROOT / "docs/explanation/policies.md").read_text(encoding="utf-8")
    tests = "\n".join(p.read_text(encoding="utf-8") for p in (ROOT / "tests").rglob("test_*.py"))
    named = re.findall(r"`(test_\w+)`", page)
    assert len(named) > 3
    for name in named:
        assert f"def {name}(" in tests, name

"""What is installed: declared imports, pins that agree with the declarations, and a wheel that holds neurodev alone."""

import ast
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import neurodev
from tests.requirements import PROJECT, ROOT, pins

DISTRIBUTION = {"sklearn": "scikit-learn", "PIL": "pillow"}  # where the name to import is not the name to install
BROUGHT = {"gymnasium"}  # whoever asks for an environment of its kind has it: only the tests install it
EXTRAS = PROJECT["project"]["optional-dependencies"]
OURS = {"test", "twins", "docs", "dev"}  # extras of who works on the package, not of who uses it


def names(requirements):
    return {canonicalize_name(Requirement(r).name) for r in requirements}


def foreign(tree):
    """(top-level name, whether the import runs when the module is imported) of what is not Python's or ours."""
    inside = {id(n) for f in ast.walk(tree) if isinstance(f, ast.FunctionDef) for n in ast.walk(f)}
    # under TYPE_CHECKING nothing is imported
    checked = [n for n in ast.walk(tree) if isinstance(n, ast.If) and "TYPE_CHECKING" in ast.dump(n.test)]
    skipped = {id(n) for c in checked for n in ast.walk(c)}
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        found = []
        if isinstance(node, ast.Import):
            found = [a.name for a in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found = [node.module]
        for name in {x.split(".")[0] for x in found} - sys.stdlib_module_names - {"neurodev"}:
            yield name, id(node) not in inside


def test_every_import_of_the_package_is_declared():
    """Dependencies always; what an extra or the user brings, only inside functions."""
    always = names(PROJECT["project"]["dependencies"])
    sometimes = BROUGHT.union(*(names(x) for extra, x in EXTRAS.items() if extra not in OURS))
    used = set()
    for path in sorted((ROOT / "neurodev").rglob("*.py")):
        for name, at_once in foreign(ast.parse(path.read_text(encoding="utf-8"))):
            name = canonicalize_name(DISTRIBUTION.get(name, name))
            used.add(name)
            assert name in always or (name in sometimes and not at_once), f"{path.name} imports {name}"
    assert always <= used, f"declared and never imported: {always - used}"


def test_pins_agree_with_the_declarations():
    """Each requirement is pinned, once and exactly, to a version that it accepts."""
    pinned = {canonicalize_name(name): version for name, version in pins()}
    assert len(pinned) == len(pins())
    for r in map(Requirement, PROJECT["project"]["dependencies"] + [x for e in EXTRAS.values() for x in e]):
        name = canonicalize_name(r.name)
        assert name in pinned, f"{name} has no line in constraints.txt"
        assert re.fullmatch(r"[\w.]+", pinned[name]) and r.specifier.contains(pinned[name]), (str(r), pinned[name])


def test_the_python_of_the_tools_is_the_python_declared():
    oldest = PROJECT["project"]["requires-python"].removeprefix(">=")
    assert PROJECT["tool"]["mypy"]["python_version"] == oldest
    assert PROJECT["tool"]["ruff"]["target-version"] == "py" + oldest.replace(".", "")


def test_every_file_of_the_package_reaches_the_wheel():
    """Folders of modules are packages; other files are named as package data; nothing but neurodev is found."""
    assert PROJECT["tool"]["setuptools"]["packages"]["find"]["include"] == ["neurodev*"]
    assert not [
        p.name for p in ROOT.glob("neurodev*") if p.is_dir() and p.suffix != ".egg-info" and p.name != "neurodev"
    ]
    package = ROOT / "neurodev"
    named = {p for pattern in PROJECT["tool"]["setuptools"]["package-data"]["neurodev"] for p in package.glob(pattern)}
    for path in package.rglob("*"):
        if path.is_dir() or "__pycache__" in path.parts:
            continue
        if path.suffix == ".py":
            assert (path.parent / "__init__.py").is_file(), f"{path.parent.name} is not a package"
        else:
            assert path in named, f"{path.name} would be missing after installation"


def test_the_version_is_one():
    said = re.findall(r"^version: (.+)$", (ROOT / "CITATION.cff").read_text(encoding="utf-8"), re.MULTILINE)
    assert said == [PROJECT["project"]["version"]] == [neurodev.__version__]


@pytest.mark.slow
def test_what_is_built_works_where_nothing_else_is(tmp_path):
    """A source distribution, the wheel made of it, and that wheel in an environment of its own."""
    pytest.importorskip("setuptools", minversion="77")
    build = "import sys; from setuptools.build_meta import build_sdist; build_sdist(sys.argv[1])"
    copy = tmp_path / "copy"
    shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(".*", "__pycache__", "demo", "trainings", "*.egg-info"))
    subprocess.run([sys.executable, "-c", build, str(tmp_path)], check=True, cwd=copy, capture_output=True)
    (sdist,) = tmp_path.glob("*.tar.gz")
    pip = ["-m", "pip", "--quiet", "--disable-pip-version-check"]
    subprocess.run(
        [sys.executable, *pip, "wheel", "--no-deps", "--no-build-isolation", "-w", str(tmp_path), str(sdist)],
        check=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    home = tmp_path / "home"
    subprocess.run([sys.executable, "-m", "venv", str(home)], check=True)
    python = str(home / "bin/python")
    clean = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "NEURODEV_DATA")}
    install = [python, *pip, "install", "-c", str(ROOT / "constraints.txt"), str(wheel)]
    subprocess.run(install, check=True, env=clean)
    where = "import neurodev; from importlib.resources import files; print(files('neurodev').joinpath('py.typed'))"
    found = subprocess.run([python, "-c", where], cwd=tmp_path, env=clean, capture_output=True, text=True, check=True)
    assert str(home) in found.stdout and Path(found.stdout.strip()).is_file()
    for words in (
        ["--version"],
        ["new", "mine"],
        ["show", "STDP"],
        ["run", "mine.toml", "--set", "run.duration=2 hour"],
    ):
        subprocess.run([str(home / "bin/neurodev"), *words], cwd=tmp_path, env=clean, capture_output=True, check=True)
    assert (tmp_path / "mine.sqlite").is_file()


@pytest.mark.slow
def test_the_wheel_holds_neurodev_alone(tmp_path):
    """Built without a network from a copy of the sources."""
    pytest.importorskip("setuptools", minversion="77")
    source = tmp_path / "source"
    source.mkdir()
    for name in ("neurodev", "analysis", "tests", "examples"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--no-index", "-q", "-w",
         str(tmp_path), str(source)], check=True,
    )  # fmt: skip
    (wheel,) = tmp_path.glob("*.whl")
    inside = zipfile.ZipFile(wheel).namelist()
    assert {x.split("/")[0].split("-")[0] for x in inside} == {"neurodev"}
    wanted = {p.relative_to(ROOT).as_posix() for p in (ROOT / "neurodev").rglob("*.py")}
    assert wanted <= set(inside) and "neurodev/studies/map.toml" in inside

"""House rules as programs."""

import ast
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import neurodev as nd
from neurodev import registry
from neurodev.params import UNITS

ROOT = Path(nd.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))


def imports(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (a.name.split(".")[0] for a in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module.split(".")[0]


def test_who_imports_what():
    for path in FILES:
        names = set(imports(ast.parse(path.read_text())))
        relative = path.relative_to(ROOT).as_posix()
        assert "numba" not in names or relative == "jit.py", relative
        assert "matplotlib" not in names or relative.startswith("plot/"), relative
        assert "tonic" not in names or relative.startswith("data/"), relative
        assert "pickle" not in names, relative


def decorators(node):
    return {d.id for d in node.decorator_list if isinstance(d, ast.Name)}


def test_kernels():
    for path in FILES:
        tree = ast.parse(path.read_text())
        for node in tree.body:
            if not isinstance(node, ast.FunctionDef) or not decorators(node) & {"kernel", "rule", "sum_kernel", "hook"}:
                continue
            where = f"{path.name}:{node.name}"
            assert not node.args.defaults and not node.args.kwonlyargs, where
            if path.relative_to(ROOT).parts[0] in ("learn", "methods"):
                assert len(node.args.args) <= 12, where
                assert node.returns and all(a.annotation for a in node.args.args) and ast.get_docstring(node), where
            for inner in ast.walk(node):
                assert not isinstance(inner, (ast.Raise, ast.Try)), where
                assert not (isinstance(inner, ast.Name) and inner.id == "print"), where
                if isinstance(inner, ast.Attribute):
                    assert inner.attr != "random", where


def test_kernels_say_what_they_take():
    """Annotated, described, and no more than twelve arguments: more are a tuple with names."""
    for path in FILES:
        relative = path.relative_to(ROOT).as_posix()
        if relative.startswith(("engine/loop/", "learn/")):
            continue
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.FunctionDef) and decorators(node) & {"kernel", "sum_kernel", "rule", "hook"}:
                where = f"{relative}:{node.name}"
                assert all(a.annotation for a in node.args.args) and node.returns, where
                assert len(node.args.args) <= 12, where
                assert ast.get_docstring(node) or node.name.startswith("_"), where


def test_sizes():
    for path in FILES:
        text = path.read_text()
        assert text.count("\n") <= 600, path
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef):
                assert node.end_lineno - node.lineno < 75, f"{path.name}:{node.name}"


def written(target):
    """Names of the attributes that an assignment to `target` changes: ``x.a``, ``x.a[k]``, ``view(x.a)[k]``."""
    if isinstance(target, (ast.Tuple, ast.List)):
        return set().union(*map(written, target.elts))
    while isinstance(target, (ast.Subscript, ast.Starred)):
        target = target.value
    places = target.args if isinstance(target, ast.Call) else [target]
    return {p.attr for p in places if isinstance(p, ast.Attribute)}


def test_only_plans_change_topology():
    for path in FILES:
        room = path.relative_to(ROOT).parts[0]
        # alive is also said of neurons, which are no part of a training
        fields = ("n_synapse", "alive") if room in ("learn", "methods") else ("n_synapse",)
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute):
                called = node.attr in ("_insert", "_delete") and path.name not in ("plan.py", "table.py")
                assert not called or path == ROOT / "bench" / "networks.py", path  # which times them
            if room != "structure" and isinstance(node, (ast.Assign, ast.AugAssign, ast.AnnAssign)):
                for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                    assert not written(target) & set(fields), f"{path}:{node.lineno}"


def test_every_parameter_has_unit_and_source():
    kinds = ("mechanism", "growth curve", "neuron model", "dendrite", "drive", "background", "wiring", "delay")
    for cls in (*(c for k in kinds for c in registry.ours(k).values()), nd.Spines):
        for f in fields(cls):
            if "unit" in f.metadata:
                assert f.metadata["unit"] in UNITS and f.metadata["source"], f"{cls.__name__}.{f.name}"


def test_import_is_cheap():
    code = "import sys, neurodev; print([m for m in ('matplotlib', 'tonic', 'pandas', 'tqdm') if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"

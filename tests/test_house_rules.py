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


KERNELS = {"kernel", "sum_kernel", "rule", "hook", "model_rule"}


def decorators(node):
    """Names of what decorates a function, also as attributes (`jit.hook`) and calls."""
    for d in node.decorator_list:
        d = d.func if isinstance(d, ast.Call) else d
        yield d.attr if isinstance(d, ast.Attribute) else getattr(d, "id", "")


def kernels(tree):
    """Every compiled function, nested ones and those that a factory returns included."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and KERNELS & set(decorators(node)):
            yield node


def faults(node):
    """What a compiled function must not hold."""
    if node.args.defaults or node.args.kwonlyargs or node.args.vararg or node.args.kwarg:
        yield "defaults or keywords"
    for inner in ast.walk(node):
        if isinstance(inner, (ast.Raise, ast.Try, ast.Assert)):
            yield type(inner).__name__
        if isinstance(inner, ast.Name) and inner.id == "print":
            yield "print"
        if isinstance(inner, ast.Attribute) and inner.attr == "random":
            yield "hidden random numbers"


def test_kernels():
    """Kernels never raise, print or draw from hidden state, and take what they are given by position."""
    seen = dict.fromkeys(KERNELS, 0)
    for path in FILES:
        for node in kernels(ast.parse(path.read_text())):
            for word in KERNELS & set(decorators(node)):
                seen[word] += 1
            assert not list(faults(node)), f"{path.relative_to(ROOT)}:{node.name}: {list(faults(node))}"
    assert all(seen.values()), f"none of a kind was found: {seen}"


def test_the_rule_for_kernels_sees_all_of_them():
    """Nested, by attribute, by a call, and of every kind."""
    code = """
@sum_kernel
def a(x): raise ValueError
def factory():
    @jit.kernel
    def b(x, y=1): print(x)
    @hook
    def c(x): return np.random.rand()
    return b, c
@rule
def d(x): assert x
@kernel
def good(x, y): return x + y
"""
    found = {k.name: sorted(faults(k)) for k in kernels(ast.parse(code))}
    assert found == {
        "a": ["Raise"], "b": ["defaults or keywords", "print"], "c": ["hidden random numbers"], "d": ["Assert"],
        "good": [],
    }  # fmt: skip


def test_skips_for_want_of_data_say_so():
    """The end of a session names them by the beginning of their reason (conftest.py)."""
    for path in sorted((ROOT.parent / "tests").rglob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "skipif":
                looks = any(getattr(n, "attr", "") in ("exists", "is_dir", "is_file") for n in ast.walk(node.args[0]))
                (reason,) = (ast.unparse(k.value).lstrip("f")[1:] for k in node.keywords if k.arg == "reason")
                assert not looks or reason.startswith("no data: "), f"{path.name}: {reason}"


def test_kernels_say_what_they_take():
    """Annotated, described, and no more than twelve arguments: more are a tuple with names."""
    for path in FILES:
        for node in kernels(ast.parse(path.read_text())):
            where = f"{path.relative_to(ROOT)}:{node.name}"
            assert all(a.annotation for a in node.args.args) and node.returns, where
            assert len(node.args.args) <= 12, where
            assert ast.get_docstring(node) or node.name.startswith("_"), where


def test_sizes():
    for path in FILES:
        text = path.read_text()
        assert text.count("\n") <= 600, path
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef):
                _, _, example = (ast.get_docstring(node, clean=False) or "").partition("Examples\n")
                lines = node.end_lineno - node.lineno - (example.count("\n") + 2 if example else 0)
                assert lines < 75, f"{path.name}:{node.name}"


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
    kinds = (
        "mechanism",
        "growth curve",
        "neuron model",
        "dendrite",
        "drive",
        "background",
        "stimulus",
        "wiring",
        "delay",
    )
    for cls in (*(c for k in kinds for c in registry.ours(k).values()), nd.Spines):
        for f in fields(cls):
            if "unit" in f.metadata:
                assert f.metadata["unit"] in UNITS and f.metadata["source"], f"{cls.__name__}.{f.name}"


def test_import_is_cheap():
    code = "import sys, neurodev; print([m for m in ('matplotlib', 'tonic', 'pandas', 'tqdm') if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"

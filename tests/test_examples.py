"""Every example compiles, uses names that exist, and stands in the gallery."""

import ast
import importlib
import re

import pytest

import neurodev as nd
from tests import gallery

SCRIPTS = {s.stem: s for s in gallery.scripts()}


def names_used(tree):
    """(module, name) of everything an example takes from neurodev."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "neurodev":
            yield from ((node.module, a.name) for a in node.names)
        elif isinstance(node, ast.Import):
            yield from ((a.name, "") for a in node.names if a.name.split(".")[0] == "neurodev")
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "nd":
            yield "neurodev", node.attr


@pytest.mark.parametrize("name", SCRIPTS)
def test_compiles_and_names_exist(name):
    """Also those that need data or a long run."""
    text = SCRIPTS[name].read_text(encoding="utf-8")
    tree = ast.parse(text)
    compile(text, name, "exec")
    for module, word in names_used(tree):
        found = nd if module == "neurodev" else importlib.import_module(module)
        assert not word or hasattr(found, word) or importlib.import_module(f"{module}.{word}"), (module, word)
    words = gallery.sentence(SCRIPTS[name])
    assert 10 < len(words) < 160, words


def test_the_gallery_names_them_all():
    """Every script has its line, and every file that the page links is there."""
    page = gallery.PAGE.read_text(encoding="utf-8")
    for name in SCRIPTS:
        assert f"({name}.py)" in page, f"{name} is missing: python -m tests.gallery"
    for link in re.findall(r"\]\(([^)]+)\)|src=\"([^\"]+)\"", page):
        assert (gallery.EXAMPLES / (link[0] or link[1])).is_file(), link


def test_the_page_is_what_the_scripts_say():
    """Rows follow the docstrings (a row per script, in order)."""
    rows = [line.split(" | ")[1] for line in gallery.page().splitlines() if line.startswith("| [")]
    assert rows == [gallery.sentence(s) for s in SCRIPTS.values()]

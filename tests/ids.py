"""Which test shows which published number: `python -m tests.ids` writes tests/README.md from the tests' own words.

Tests name the ids of what they show (EX: closed forms and published numbers, BIO: biology, ALG: algorithms) in their
docstrings and comments, also as ranges ("EX-13 to EX-18").
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

TESTS = Path(__file__).parent
PAGE = TESTS / "README.md"
KINDS = ("EX", "BIO", "ALG")
# What must have a test: the biological mechanisms (other ids are listed where tests name them).
REQUIRED = (
    [f"EX-{k}" for k in (*range(1, 20), 31, 35, 54, 55)]
    + [f"BIO-{k}" for k in range(1, 30)]
    + [f"ALG-{k}" for k in (9, 10, 11, 15)]
)
HEAD = """# Which test shows what

Ids: EX are closed forms and published numbers, BIO biological measurements, ALG algorithms.
Written by `python -m tests.ids` from the words of the tests themselves; a file without a test's name shows the id
in a header over several tests.

| id | tests |
|---|---|
"""
_RANGE = re.compile(r"\b(EX|BIO|ALG)-(\d+)(?:[a-z]\b)?(?:\s+to\s+(?:\1-)?(\d+))?")


def ids(words: str) -> set[str]:
    """All ids in a text, ranges written out."""
    found = set()
    for kind, first, last in _RANGE.findall(words):
        low = int(first)
        high = int(last) if last and low < int(last) < low + 30 else low
        found |= {f"{kind}-{k}" for k in range(low, high + 1)}
    return found


def shown() -> dict[str, list[str]]:
    """For every id the tests that name it; the file alone where only a header does."""
    inside: dict[str, list[str]] = {}
    headers: dict[str, list[str]] = {}
    for path in sorted(p for p in TESTS.rglob("test_*.py") if p.name != "test_ids.py"):
        text, name = path.read_text(encoding="utf-8"), str(path.relative_to(TESTS))
        lines, own = text.splitlines(), []
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test"):
                own.append((node.lineno, node.end_lineno or node.lineno))
                first = min([node.lineno, *(d.lineno for d in node.decorator_list)])
                for one in ids("\n".join(lines[first - 1 : node.end_lineno])):
                    inside.setdefault(one, []).append(f"{name}::{node.name}")
        rest = [x for k, x in enumerate(lines, 1) if not any(a <= k <= b for a, b in own)]
        rest = [re.sub(r"\b[A-Z]+-\d+(?: to \d+)? in test_\w+", "", x) for x in rest]  # pointers to other files
        for one in ids("\n".join(rest)):
            headers.setdefault(one, []).append(name)
    return {one: inside.get(one) or headers[one] for one in inside.keys() | headers.keys()}


def page() -> str:
    """The page as it should be."""
    found = shown()
    every = sorted(set(found) | set(REQUIRED), key=lambda x: (KINDS.index(x.split("-")[0]), int(x.split("-")[1])))
    return HEAD + "".join(f"| {x} | {'<br>'.join(sorted(found.get(x, ['**none**'])))} |\n" for x in every)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    missing = [x for x in REQUIRED if x not in shown()]
    print(f"wrote {PAGE}; without a test: {missing or 'none'}")

"""The gallery of examples, `examples/README.md`, from the scripts themselves: `python -m tests.gallery` writes it."""

from __future__ import annotations

import ast
from pathlib import Path

EXAMPLES = Path(__file__).parents[1] / "examples"
PAGE = EXAMPLES / "README.md"
HEAD = """# Examples

Each is one script that ends in a picture. From a checkout:

    python examples/five_axons.py

Most take a length of life and a folder for their output as arguments; the first lines say which.
This page is written by `python -m tests.gallery` from the first sentence of each script.

| example | what it shows | picture |
|---|---|---|
"""


def scripts() -> list[Path]:
    """All examples, in the order of their names."""
    return sorted(EXAMPLES.glob("*.py"))


def sentence(script: Path) -> str:
    """The first sentence (or line, without its stop) of a script's docstring."""
    words = ast.get_docstring(ast.parse(script.read_text(encoding="utf-8"))) or ""
    return " ".join(words.split("\n\n")[0].split()).split(". ")[0].rstrip(".")


def picture(script: Path) -> str:
    """The picture kept beside a script, with or without the script's number; "" without one."""
    for name in (script.stem, script.stem.split("_", 1)[-1]):
        if (EXAMPLES / f"{name}.png").is_file():
            return f"{name}.png"
    return ""


def page() -> str:
    """The page as it should be."""
    rows = []
    for s in scripts():
        name = picture(s)
        shown = f'<a href="{name}"><img src="{name}" width="320" alt="{s.stem}"></a>' if name else ""
        rows.append(f"| [{s.stem}]({s.name}) | {sentence(s)} | {shown} |")
    return HEAD + "\n".join(rows) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    print(f"wrote {PAGE}")

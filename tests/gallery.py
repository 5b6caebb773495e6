"""The gallery of examples, `examples/README.md`, from the scripts themselves: `python -m tests.gallery` writes it."""

from __future__ import annotations

import ast
import tomllib
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
STUDIES = """
## Training studies

One TOML a method and task, `neurodev train examples/studies/NAME.toml`; the first lines say what is published and where
the data are looked for. `--set train.epochs=2 --set data.train=5000` make any of them short.

"""
METHODS = ("SDSNN", "DPAP", "NDSNN", "NSPDI")


def scripts() -> list[Path]:
    """All examples, in the order of their names."""
    return sorted(EXAMPLES.glob("*.py"))


def sentence(script: Path) -> str:
    """The first sentence (or line, without its stop) of a script's docstring."""
    words = ast.get_docstring(ast.parse(script.read_text(encoding="utf-8"))) or ""
    return " ".join(words.split("\n\n")[0].split()).split(". ")[0].rstrip(".")


def picture(script: Path) -> str:
    """The picture (of several the first) kept beside a script, with or without the script's number; "" without one."""
    for name in (script.stem, script.stem.split("_", 1)[-1]):
        if found := sorted([*EXAMPLES.glob(f"{name}.png"), *EXAMPLES.glob(f"{name}_*.png")]):
            return found[0].name
    return ""


def studies() -> str:
    """The table of training studies: a row a data set, a column a method."""
    found: dict[str, dict[str, list[str]]] = {}
    for path in sorted((EXAMPLES / "studies").glob("*.toml")):
        study = tomllib.loads(path.read_text(encoding="utf-8"))
        if "data" not in study:
            continue
        kind = next((m["kind"] for m in study.get("method", [])), "")
        column = kind if kind in METHODS else "others"
        found.setdefault(study["data"]["kind"], {}).setdefault(column, []).append(f"[{path.stem}](studies/{path.name})")
    columns = (*METHODS, "others")
    rows = [
        f"| {task} | " + " | ".join(", ".join(row.get(c, [])) for c in columns) + " |" for task, row in found.items()
    ]
    return (
        STUDIES + f"| data | {' | '.join(columns)} |\n" + "|---" * (1 + len(columns)) + "|\n" + "\n".join(rows) + "\n"
    )


def page() -> str:
    """The page as it should be."""
    rows = []
    for s in scripts():
        name = picture(s)
        shown = f'<a href="{name}"><img src="{name}" width="320" alt="{s.stem}"></a>' if name else ""
        rows.append(f"| [{s.stem}]({s.name}) | {sentence(s)} | {shown} |")
    return HEAD + "\n".join(rows) + "\n" + studies()


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    print(f"wrote {PAGE}")

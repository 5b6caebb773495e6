"""The scripts of `examples/` as sphinx-gallery wants them: with a heading, and with the picture kept beside them.

They are shown and not run: some take minutes, some need data.  `tests/test_examples.py` looks after them.
"""

from __future__ import annotations

import ast
import shutil
from pathlib import Path

ROOT = Path(__file__).parents[1]
HEAD = """Gallery
=======

Each is one script that ends in a picture. From a checkout: ``python examples/five_axons.py``. Most take a length of
life and a folder for their output as arguments; their first lines say which.
"""


def write(to: Path) -> None:
    """Copy all scripts and pictures to `to`, which is made anew."""
    shutil.rmtree(to, ignore_errors=True)
    to.mkdir()
    (to / "GALLERY_HEADER.rst").write_text(HEAD, encoding="utf-8")
    for script in sorted((ROOT / "examples").glob("*.py")):
        text = script.read_text(encoding="utf-8")
        first = ast.parse(text).body[0]
        words = ast.get_docstring(ast.parse(text)) or ""
        title = script.stem.split("_", 1)[-1] if script.stem[0].isdigit() else script.stem
        title = title[0].upper() + title[1:].replace("_", " ").replace("tdp ", "TDP ")
        pictures = (script.with_suffix(".png"), script.parent / f"{script.stem[3:]}.png")
        picture = next((p for p in pictures if p.is_file()), None)
        top = [f'r"""{title}', "=" * len(title), "", words]
        if picture is not None:
            shutil.copy(picture, to)
            top += ["", f".. image:: /{to.name}/{picture.name}", f"   :alt: {title}"]
        top += ['"""', ""]
        if picture is not None:
            top.append(f"# sphinx_gallery_thumbnail_path = '{to.name}/{picture.name}'")
        rest = text.splitlines()[first.end_lineno or 0 :]
        (to / script.name).write_text("\n".join([*top, *rest]) + "\n", encoding="utf-8")

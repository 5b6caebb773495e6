"""What the programs of this folder share: where data lie, tables of numbers, and the picture's file."""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from neurodev.errors import ParameterError
from neurodev.plot.output import checked, write
from neurodev.plot.style import png

CHECKOUT = Path(__file__).resolve().parent.parent


def places(folder: str) -> list[Path]:
    """Where a data folder is looked for: $NEURODEV_DATA, then data/ of the checkout, then shared/data beside it."""
    roots = [os.environ.get("NEURODEV_DATA"), CHECKOUT / "data", CHECKOUT.parent / "shared" / "data"]
    return [Path(r) / folder for r in roots if r]


def find(folder: str, given: str | os.PathLike | None, files: Sequence[str], source: str) -> Path:
    """The folder that holds `files`.

    Raises
    ------
    ParameterError
        Saying where it was looked for, and where the data come from.
    """
    tried = [Path(given)] if given else places(folder)
    for place in tried:
        if all((place / f).is_file() for f in files):
            return place
    raise ParameterError(
        f"no {' and '.join(files)} in {', '.join(map(str, tried))}. The data are those of {source}; "
        "name the parent of their folder in NEURODEV_DATA (a program of one data set takes the folder by --data)"
    )


def arguments(description: str, picture: str, data: bool = True) -> argparse.ArgumentParser:
    """A parser with --to and, for a program that knows its data, --data."""
    p = argparse.ArgumentParser(description=description)
    if data:
        p.add_argument(
            "--data", help="folder of the data (default: $NEURODEV_DATA/NAME, data/NAME or ../shared/data/NAME)"
        )
    p.add_argument("--to", default=picture, help=f"picture: .png, .svg or .pdf (default: {picture})")
    return p


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Rows of words and numbers, aligned; NaN is a dash."""

    def cell(v: object) -> str:
        if isinstance(v, (float, np.floating)):
            return "-" if np.isnan(v) else f"{v:.3f}".replace("0.", ".", 1) if abs(v) < 1 else f"{v:.3g}"
        return str(v)

    words = [list(map(str, head))] + [[cell(v) for v in r] for r in rows]
    width = [max(len(r[k]) for r in words) for k in range(len(head))]
    return "\n".join(
        "  ".join(w.ljust(width[k]) if k == 0 else w.rjust(width[k]) for k, w in enumerate(r)).rstrip() for r in words
    )


def chance(p: float) -> str:
    """A p in words: ``p = 0.03``, ``p < 1e-300``."""
    return f"p = {p:.2g}" if p > 1e-300 else "p < 1e-300" if p >= 0 else "-"


def amount(value: float, unit: str) -> str:
    """A time in words: ``1 day``, ``2.5 hours``."""
    return f"{value:.3g} {unit}" + ("" if f"{value:.3g}" == "1" else "s")


def picture_kind(to: str | os.PathLike) -> str:
    """The end of a picture's name, which tells its format; asked before anything is computed.

    Raises
    ------
    ParameterError
        For another format, and where something else than a picture or page would be lost.
    """
    kind = Path(to).suffix.lower()
    if kind not in (".png", ".svg", ".pdf"):
        raise ParameterError(f"--to must end in .png, .svg or .pdf, got {str(to)!r}")
    checked(to, replace=kind != ".png")
    return kind


def save(figure: Any, to: str | os.PathLike) -> None:
    """Write the picture, in the format that its name tells, and say so.

    Raises
    ------
    ParameterError
        For another format, and where something else than a picture or page would be lost.
    """
    kind = picture_kind(to)
    if kind == ".png":
        data = png(figure)
    else:
        buffer = io.BytesIO()
        figure.savefig(buffer, format=kind[1:])
        data = buffer.getvalue()
    write(to, data, replace=kind != ".png")
    print(f"\nwrote {to}")


def run(main, *args) -> int:
    """Run a program; errors of the package are one line."""
    from neurodev.errors import NeurodevError

    try:
        main(*args)
    except NeurodevError as e:
        print(f"{Path(sys.argv[0]).name}: {e}", file=sys.stderr)
        return 2
    return 0

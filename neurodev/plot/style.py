"""One calm look: a colour for each cause, the same everywhere (Okabe & Ito's colour-blind-safe set)."""

from __future__ import annotations

import io
from typing import Any

from matplotlib.figure import Figure

COLOURS = {
    "initial": "#999999", "turnover": "#009E73", "fluctuation": "#E69F00", "evidence": "#0072B2", "trophic": "#CC79A7",
    "hazard": "#D55E00", "intervention": "#000000", "lesion": "#000000", "alive": "#BBBBBB", "birth": "#009E73",
    "run": "#0072B2", "control": "#D55E00",
}  # fmt: skip


def new_figure(width: float, height: float) -> Figure:
    """An empty figure, inches; no global state is touched."""
    return Figure(figsize=(width, height), layout="constrained")


def colour(cause: str) -> str:
    """The colour of a cause of death."""
    return COLOURS.get(cause, "#666666")


def plain(ax: Any, title: str, x: str, y: str) -> Any:
    """Title and labels, no box."""
    ax.set_title(title, loc="left", fontsize=10, fontweight="bold")
    ax.set_xlabel(x)
    ax.set_ylabel(y)
    ax.spines[["top", "right"]].set_visible(False)
    return ax


def png(figure: Figure, dpi: int = 110) -> bytes:
    """The figure as PNG bytes."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi)
    return buffer.getvalue()

"""A protocol as a figure: what the mechanism did (points), its closed form (lines), a measurement (open squares)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from neurodev.errors import ParameterError
from neurodev.plot.door import drawn
from neurodev.plot.style import AMBER, BLUE, INK, ORANGE, POPULATIONS, ROSE, SOFT, legend, new_figure, plain

if TYPE_CHECKING:
    from matplotlib.figure import Figure

HUES = (BLUE, ORANGE, *POPULATIONS[2:], ROSE, AMBER, INK)


@drawn()
def figure(protocol: Any) -> Figure:
    """All panels of a protocol side by side.

    Parameters
    ----------
    protocol : neurodev.protocols.Protocol

    Returns
    -------
    Figure
    """
    n = len(protocol.panels)
    columns = 2 if n == 4 else min(n, 3)
    rows = -(-n // columns)
    fig = new_figure(4.4 * columns, 3.3 * rows + 0.5)
    fig.suptitle(protocol.name, x=0.01, ha="left", fontsize=13, fontweight="bold", color=INK)
    axes = np.atleast_1d(fig.subplots(rows, columns, squeeze=False)).ravel()
    for ax, panel in zip(axes, protocol.panels, strict=False):
        (draw_bands if panel.bands else draw_panel)(ax, panel)
    for ax in axes[n:]:
        ax.set_visible(False)
    fig.draw_without_rendering()  # from here on, places are known
    for ax in axes[:n]:
        clear_legend(ax)
    return fig


@drawn()
def draw_panel(ax: Any, panel: Any) -> None:
    """One panel: points, lines and squares, with the largest deviation in the corner of the title."""
    tested = [c for c in panel.curves if not np.isnan(c.error)]
    note = f"largest deviation {max(c.error for c in tested):.2g}" if tested else ""
    plain(ax, panel.title, panel.x_label, panel.y_label, note)
    for k, c in enumerate(panel.curves):
        hue = HUES[k % len(HUES)]
        if not np.all(np.isnan(c.theory_y)):
            line = {"marker": "_", "markersize": 26, "linestyle": "none"} if panel.x_names else {"linewidth": 1.4}
            ax.plot(c.theory_x, c.theory_y, color=hue, zorder=2, alpha=0.85, **line)
        few = c.y.size <= 100
        style = (
            {"marker": "o", "markersize": 4.2 if few else 2.0, "linestyle": "none"} if tested else {"linewidth": 1.6}
        )
        ax.plot(c.x, c.y, color=hue, label=c.label or None, zorder=3, **style)
        if c.data_x.size:
            error = c.data_error if c.data_error.size else None
            ax.errorbar(
                c.data_x, c.data_y, yerr=error, fmt="s", mfc="white", color=SOFT, markersize=4.5, zorder=4,
                label="measured", linewidth=1.0,
            )  # fmt: skip
    if panel.x_names:
        ax.set_xticks(range(len(panel.x_names)), panel.x_names)
        ax.set_xlim(-0.6, len(panel.x_names) - 0.4)
    low, high = ax.get_ylim()
    if high - low < 1e-9 * max(1.0, abs(high)):  # nothing moved: rounding is not a shape
        ax.set_ylim(low - 0.5, high + 0.5)
    if panel.log_x:
        ax.set_xscale("log")
    if panel.log_y:
        ax.set_yscale("log")
    legend(ax)


@drawn()
def clear_legend(ax: Any) -> None:
    """Where the best place for the legend still lies on data, make room above them."""
    box = ax.get_legend() and ax.get_legend().get_window_extent()
    if not box or ax.get_yscale() == "log":
        return
    if any(box.contains(x, y) for line in ax.lines for x, y in line.get_transform().transform(line.get_xydata())):
        low, high = ax.get_ylim()
        share = min(box.height / ax.get_window_extent().height + 0.04, 0.7)
        ax.set_ylim(low, low + (high - low) / (1 - share))
        ax.get_legend().set_loc("upper right")


@drawn()
def draw_bands(ax: Any, panel: Any) -> None:
    """Numbers against their bands, one a row: the shaded part is what is accepted."""
    if not panel.bands:
        raise ParameterError(f"panel {panel.title!r} has no bands: draw_panel draws it")
    plain(ax, panel.title, panel.x_label, "")
    ax.axvspan(-1.0, 1.0, color="#E7EAEE", zorder=0)
    n = len(panel.curves)
    for k, c in enumerate(panel.curves):
        inside = c.share <= 1.0
        ax.plot(c.y, [-k], "o", color=HUES[0] if inside else ORANGE, markersize=6, zorder=3)
        ax.text(-1.55, 0.28 - k, c.label, fontsize=8.5, color=INK, va="center")
    ax.set(xlim=(-1.6, 1.6), ylim=(-n + 0.4, 0.7), xticks=(-1, 0, 1), yticks=())
    ax.set_xticklabels(("low", "middle", "high"))
    ax.spines["left"].set_visible(False)

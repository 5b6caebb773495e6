"""The life of one spine."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from neurodev.plot.style import COLOURS, colour, new_figure, plain


def spine_figure(spine: Any) -> Figure:
    """Size over its life, and the terms that moved its set-point."""
    fig = new_figure(8.5, 5.2)
    top, bottom = fig.subplots(2, 1, sharex=True, height_ratios=[2, 1])
    end = spine.died if spine.died is not None else spine.end
    top.plot(spine.days, spine.log_size, "o-", color=COLOURS["run"], ms=4, label="ln(V / V0) in daily pictures")
    if spine.died is not None and np.isfinite(spine.death_log_size):
        top.plot(end, spine.death_log_size, "X", color=colour(spine.cause or ""), ms=9, label=f"died of {spine.cause}")
    if spine.days.size and spine.died is not None:
        top.plot([spine.days[-1], end], [spine.log_size[-1], spine.death_log_size], ":", color="#999999", lw=1)
    top.axvline(spine.born, color=COLOURS["birth"], lw=1)
    top.annotate("born" if spine.birth_cause != "initial" else "from the start", (spine.born, 1), (3, -10),
                 xycoords=("data", "axes fraction"), textcoords="offset points", color=COLOURS["birth"])  # fmt: skip
    top.legend(loc="lower left")
    plain(top, f"Spine {spine.uid}: {spine.source} {spine.pre} onto {spine.target} {spine.post}", "", "ln(V / V0)")
    for term in ("evidence", "trophic"):
        values = spine.history.get(f"drive_{term}")
        if values is not None:
            bottom.plot(spine.days, values, "o-", ms=3, color=colour(term), label=term)
            last = getattr(spine, term)
            if np.isfinite(last):
                bottom.plot(end, last, "X", color=colour(term), ms=7)
    bottom.axhline(0, color="k", lw=0.5)
    if bottom.get_legend_handles_labels()[0]:
        bottom.legend(loc="lower left")
    plain(bottom, "What moved its set-point", "life time (days)", "shift (sd)")
    return fig

"""A history and the models that were fitted to it, in one figure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from neurodev.errors import ParameterError, shown
from neurodev.plot.door import drawn
from neurodev.plot.style import AMBER, BLUE, INK, ORANGE, ROSE, SOFT, legend, new_figure, plain

_HUES = (BLUE, ORANGE, AMBER, ROSE, "#7FB2DA")
_PANELS = (
    ("Survival", "survival", "after (days)", "share still there"),
    ("Survival of newborns", "newborn", "after first sight (days)", "share still there"),
    ("Correlation of ln size with itself", "correlation", "after (days)", "correlation"),
    ("Losses to the next session by size", "losses", "fifth of size, smallest first", "share lost"),
    ("Survival of those of the first session", "standing", "after (days)", "share still there"),
)


def _fits(value: Any, argument: str) -> Any:
    """A rule: fits, one at least."""
    if not isinstance(value, (list, tuple)) or not value or not all(hasattr(f, "fitted") for f in value):
        raise ParameterError(f"{argument} must be a list of fits, [nd.fit(history)], got {shown(value)}")
    return value


@drawn(fits=_fits)
def fit_figure(fits: Sequence[Any]) -> Figure:
    """Panels: survival, that of newborns, memory of sizes, losses by size; data with standard errors, and models.

    Parameters
    ----------
    fits : sequence of Fit
        Of one history; quantities that it does not tell have no panel.
    """
    first = fits[0].held_out or fits[0].fitted
    told = [
        p for p in _PANELS
        if np.isfinite(getattr(first.data, p[1])).any() and (p[1] != "standing" or p[1] in fits[0].fitted.quantities)
    ]  # fmt: skip
    columns = min(len(told), 2)
    figure = new_figure(6.2 * columns, 3.3 * -(-len(told) // columns))
    axes = np.atleast_1d(figure.subplots(-(-len(told) // columns), columns)).ravel()
    names = np.array(first.data.names())
    for ax, (title, key, x_label, y_label) in zip(axes, told, strict=False):
        plain(ax, title, x_label, y_label)
        x = np.arange(1, 6) if key == "losses" else first.data.lag
        for fit, hue in zip(fits, _HUES, strict=False):
            y = getattr((fit.held_out or fit.fitted).model, key)
            known = np.isfinite(y)
            ax.plot(x[known], y[known], color=hue, linewidth=1.8, label=fit.model)
        word = "held out" if fits[0].held_out is not None else "fitted"
        ax.errorbar(
            x, getattr(first.data, key), first.error[names == key], fmt="o", color=INK, markersize=4.5, linewidth=1,
            label=word,
        )  # fmt: skip
        if fits[0].held_out is not None and fits[0].fitted.data.lag.size == first.data.lag.size:
            ax.plot(x, getattr(fits[0].fitted.data, key), "s", mfc="white", color=SOFT, markersize=4.5, label="fitted")
    for ax in axes[len(told) :]:
        ax.set_visible(False)
    legend(axes[0], loc="best")
    return figure

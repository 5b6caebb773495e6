"""A history as a short film: lives as they come and go, density, and sizes."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import animation
from matplotlib.collections import LineCollection

from neurodev.arrays import F8
from neurodev.errors import ParameterError
from neurodev.metrics.sizes import DECADE
from neurodev.params import counted, flag
from neurodev.plot import output
from neurodev.plot.asked import About, about, causes_of, colours_of, names_of, rounded, say
from neurodev.plot.door import pictured
from neurodev.plot.style import COLOURS, INK, SOFT, Picture, empty, new_figure

_LINES = 400


def _writer(path: Path, rate: int) -> Any:
    """What writes a film of this ending.

    Raises
    ------
    ParameterError
        For other endings, and where ffmpeg is missing.
    """
    end = path.suffix.lower()
    if end == ".gif":
        return animation.PillowWriter(fps=rate)
    if end != ".mp4":
        raise ParameterError(f"to must end in .gif or .mp4, got {str(path)!r}")
    if not animation.FFMpegWriter.isAvailable():
        raise ParameterError(
            f"to: a film {path.name!r} needs the program ffmpeg, which is not found: install it (apt install ffmpeg, "
            "brew install ffmpeg), or write a .gif"
        )
    return animation.FFMpegWriter(fps=rate)


@pictured(frames=counted(2, 2000), rate=counted(1, 120), dpi=counted(1, 600), overwrite=flag)
def animate(
    of: Any, to: Any, *, colours: Any = None, unit: str | None = None, projection: Any = None, frames: int = 60,
    rate: int = 12, dpi: int = 100, overwrite: bool = False,
) -> Path:  # fmt: skip
    """Write a film: every life as a line that grows, density, and the distribution of sizes.

    Parameters
    ----------
    of : History or Run
    to : path
        It ends in ``.gif``, or in ``.mp4``, which needs the program ffmpeg.
    colours : dict or list, optional
        Of causes, and ``"alive"``.
    unit, projection : optional
        As for `density`.
    frames : int
        So many pictures.
    rate : int
        So many of them a second.
    dpi : int
        Pixels of an inch; the film is 8 by 4 inches.
    overwrite : bool
        Whether a file of that name may be replaced; one that holds a run never is.

    Returns
    -------
    Path

    Raises
    ------
    ParameterError
        For another ending, without ffmpeg, and where a file would be lost.

    Examples
    --------
    >>> import pandas as pd
    >>> draw = np.random.default_rng(0)
    >>> there = lambda: np.where(draw.random(40) < 0.7, draw.lognormal(-2.0, 0.5, 40), 0.0)
    >>> seen = {f"d{day}": there() for day in (0, 4, 8, 12)}
    >>> history = nd.read_sessions(pd.DataFrame({"spine": range(40), **seen}), id="spine")
    >>> nd.plot.animate(history, "lives.gif", frames=2).name
    'lives.gif'
    """
    path = output.checked(to, overwrite)
    if path.exists() and not overwrite:
        raise ParameterError(f"{str(to)!r} is there already: overwrite=True replaces it")
    writer = _writer(path, rate)
    it = about(of, projection, unit, own=True)
    film = _Film(it, colours)
    with tempfile.TemporaryDirectory() as folder:
        part = Path(folder) / path.name
        with writer.saving(film.figure, str(part), dpi):
            for t in np.linspace(it.start, it.end, frames).tolist():
                film.show(t)
                writer.grab_frame()
        return output.write(to, part.read_bytes(), replace=overwrite)


class _Film:
    """A figure that shows a history up to some time."""

    def __init__(self, it: About, colours: Any) -> None:
        self.it = it
        h = it.history
        self.figure: Picture = new_figure(8.0, 4.0)
        grid = self.figure.add_gridspec(2, 2, width_ratios=[1.5, 1.0])
        self._lives(self.figure.add_subplot(grid[:, 0]), colours)
        density = self.figure.add_subplot(grid[0, 1])
        self.at = np.linspace(h.start, h.end, 301)
        self.number = h.number(self.at)
        (self.curve,) = density.plot([], [], color=INK, lw=1.8)
        density.set(xlim=(it.start, it.end), ylim=(0, 1.1 * max(float(self.number.max(initial=0)), 1.0)))
        say(density, replace(it, own=False), "Density", it.clock.axis, "alive")
        self._sizes(self.figure.add_subplot(grid[1, 1]))
        self.figure.draw_without_rendering()
        self.figure.set_layout_engine("none")  # what moves must not move the panels

    def _lives(self, ax: Any, colours: Any) -> None:
        it, h = self.it, self.it.history
        born, died = it.times(h.birth), it.times(h.death)
        first, last = np.where(np.isnan(born), it.start, born), np.where(np.isnan(died), it.end, died)
        order = np.lexsort((last - first, first))
        order = order[np.unique(np.linspace(0, max(len(h) - 1, 0), min(_LINES, len(h))).astype(np.int64))]
        self.first, self.last = first[order], last[order]
        cause, usual = causes_of(it)
        words = [*usual, "alive"]
        shade = colours_of(words, colours, usual | {"alive": COLOURS["alive"]}, also=names_of(it))
        self.dead = np.isfinite(died[order])
        self.shade = np.array([shade[str(cause[i])] if np.isfinite(died[i]) else shade["alive"] for i in order])
        self.alive = shade["alive"]
        width = float(np.clip(190.0 / max(order.size, 1), 0.5, 3.0))
        self.lines = LineCollection([], linewidths=width)
        ax.add_collection(self.lines)
        self.now = ax.axvline(it.start, color=SOFT, lw=0.8, ls=":")
        ax.set(xlim=(it.start, it.end), ylim=(-2, max(order.size, 1) + 1), yticks=[])
        if not order.size:
            empty(ax, "nothing lived")
        say(ax, it, "Lives, from birth to death, by cause", it.clock.axis, "", f"{order.size:,} of {len(h):,}")

    def _sizes(self, ax: Any) -> None:
        it, h = self.it, self.it.history
        x = h.log_sizes() / DECADE
        known = np.flatnonzero(np.isfinite(x).any(axis=0)) if len(h) else np.zeros(0, dtype=np.int64)
        self.sessions = it.times(h.sessions[known])
        self.steps: list[F8] = []
        if not known.size:
            empty(ax, "no sizes were measured")
            say(ax, replace(it, own=False), "Sizes", "size", "share per decade")
            return
        low, high = float(np.nanmin(x)) - 0.05, float(np.nanmax(x)) + 0.05
        edges = np.linspace(low, high, 31)
        self.steps = [np.histogram(x[np.isfinite(x[:, k]), k], edges, density=True)[0] for k in known.tolist()]
        self.outline = ax.stairs(self.steps[0], edges, color=INK, fill=True, alpha=0.6)
        ticks = np.arange(np.ceil(low), np.floor(high) + 1)
        ax.set_xticks(ticks, [rounded(10.0**t) for t in ticks])
        ax.set(xlim=(low, high), ylim=(0, 1.1 * max(float(s.max()) for s in self.steps)))
        size = f"size ({h.size_unit})" if h.size_unit else "size"
        say(ax, replace(it, own=False), "Sizes", size, "share per decade")

    def show(self, t: float) -> None:
        """Everything up to a time, in the unit of the picture."""
        mine = self.first <= t
        y = np.arange(self.first.size)[mine]
        end = np.minimum(self.last[mine], t)
        ends = np.stack([np.column_stack([self.first[mine], y]), np.column_stack([end, y])], axis=1)
        self.lines.set_segments(list(ends))
        gone = self.dead[mine] & (self.last[mine] <= t)
        self.lines.set_color(np.where(gone, self.shade[mine], self.alive).tolist())
        self.now.set_xdata([t, t])
        past = self.it.times(self.at) <= t + 1e-9
        self.curve.set_data(self.it.times(self.at[past]), self.number[past])
        if self.steps:
            k = max(int(np.searchsorted(self.sessions, t + 1e-9, side="right")) - 1, 0)
            self.outline.set_data(self.steps[k])

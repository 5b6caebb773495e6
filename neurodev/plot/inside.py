"""Words stay inside: titles, notes and keys of panels are set anew for the place that there is, at every size."""

from __future__ import annotations

import textwrap
from typing import Any

from matplotlib.layout_engine import ConstrainedLayoutEngine

TITLE, NOTE, LABEL, TICK, KEY = 10.5, 8.2, 9.0, 8.5, 8.2  # points, where there is room
_SMALLEST = 5.0
_MOST_LINES = 2
_SHARE = 0.38  # of the width of a panel, for a legend beside it


class Fitting(ConstrainedLayoutEngine):
    """The layout of matplotlib, with words that fit before it and after."""

    def execute(self, fig: Any) -> None:
        """Lay a figure out; a second time where words had to be changed for it."""
        for ax in fig.axes:
            _narrow(ax)
        super().execute(fig)
        if any([fit(ax) for ax in fig.axes]):
            super().execute(fig)
            for ax in fig.axes:
                fit(ax)


def scale(ax: Any) -> float:
    """How much smaller than usual letters are, in a figure that is small."""
    width, height = ax.get_figure(root=True).get_size_inches()
    return float(min(max(min(width / 4.2, height / 2.6), 0.62), 1.0))


def _width(text: Any, words: str, renderer: Any) -> float:
    """Pixels of a line in the letters of a text."""
    before = text.get_text()
    text.set_text(words)
    found = float(text.get_window_extent(renderer).width)
    text.set_text(before)
    return found


def _wrapped(text: Any, words: str, room: float, renderer: Any) -> list[str]:
    """Words in lines of so many pixels; what does not fit into the last one ends in dots."""
    if not words.strip():
        return []
    letter = _width(text, words, renderer) / len(words)
    most = max(int(room / max(letter, 1e-9)), 4)
    for _ in range(6):
        lines = textwrap.wrap(words, most, max_lines=_MOST_LINES, placeholder=" ...") or [words[:most]]
        if max(_width(text, line, renderer) for line in lines) <= room or most <= 4:
            break
        most = max(int(0.9 * most), 4)
    return lines


def _room(ax: Any, box: Any) -> float:
    """Pixels from the left of some axes to the next ones at their right, or to the edge."""
    root = ax.get_figure(root=True)
    right = root.bbox.x1 - 4.0
    for other in root.axes:
        if other is ax or hasattr(other, "_colorbar") or not other.get_visible():
            continue
        theirs = other.get_window_extent()
        if theirs.x0 > box.x1 - 1.0 and theirs.y0 < box.y1 and theirs.y1 > box.y0:
            right = min(right, theirs.x0 - 10.0)
    return float(right - box.x0)


def _heading(ax: Any, renderer: Any, small: float) -> bool:
    """Title and note above a panel, as wide as there is room; whether anything changed."""
    said = getattr(ax, "said", None)
    if said is None:
        return False
    title, note, text = said
    room = max(_room(ax, ax.get_window_extent(renderer)), 30.0)
    head = ax._left_title
    before = (head.get_text(), text.get_text() if text is not None else "", head.get_fontsize())
    head.set_fontsize(TITLE * small)
    lines = _wrapped(head, title, room, renderer)
    head.set_text("\n".join(lines))
    below: list[str] = []
    if text is not None:
        text.set_fontsize(NOTE * small)
        below = _wrapped(text, note, room, renderer)
        text.set_text("\n".join(below))
    ax._set_title_offset_trans(7.0 * small + 10.0 * small * (len(below) or (1 if note else 0)))
    return before != (head.get_text(), text.get_text() if text is not None else "", head.get_fontsize())


def _labels(ax: Any, renderer: Any, small: float) -> bool:
    """Labels of the axes in lines that are no longer than the figure."""
    root, changed = ax.get_figure(root=True), False
    for axis, horizontal in ((ax.xaxis, True), (ax.yaxis, False)):
        label = axis.label
        words = " ".join(label.get_text().split())
        if not words:
            continue
        size = LABEL * small
        changed |= label.get_fontsize() != size
        label.set_fontsize(size)
        box = label.get_window_extent(renderer)
        length, room = (box.width, root.bbox.width - 8.0) if horizontal else (box.height, root.bbox.height - 8.0)
        if length > room:
            most = max(int(len(words) * room / length * 0.92), 8)
            label.set_text("\n".join(textwrap.wrap(words, most, max_lines=2, placeholder=" ...")))
            changed = True
    return changed


def _narrow(ax: Any) -> None:
    """A legend beside a panel that takes no more than its share of the room, with shorter words if need be."""
    box, spec = ax.get_legend(), ax.get_subplotspec()
    if getattr(ax, "said", None) is None or box is None or box._bbox_to_anchor is None or spec is None:
        return
    figure = ax.get_figure(root=True)
    cell = figure.bbox.width * len(spec.colspan) / spec.get_gridspec().ncols
    renderer, texts = figure._get_renderer(), box.get_texts()
    for text in texts:
        text.set_fontsize(min(text.get_fontsize(), KEY * scale(ax)))
    for _ in range(12):
        width = box.get_window_extent(renderer).width
        if width <= _SHARE * cell:
            return
        if min(t.get_fontsize() for t in texts) > _SMALLEST:
            for text in texts:
                text.set_fontsize(max(0.85 * text.get_fontsize(), _SMALLEST))
            continue
        most = max(len(t.get_text()) for t in texts)
        for text in texts:
            words = text.get_text()
            if len(words) > 0.8 * most:
                text.set_text(f"{words.removesuffix('...')[: max(int(0.8 * most) - 3, 3)]}...")


def _key(ax: Any, renderer: Any, small: float) -> bool:
    """The legend in smaller letters, where it would not fit into the figure."""
    box = ax.get_legend()
    if box is None or not box.get_visible():
        return False
    root, changed = ax.get_figure(root=True).bbox, False
    for text in box.get_texts():
        text.set_fontsize(min(text.get_fontsize(), KEY * small))
    for _ in range(8):
        found = box.get_window_extent(renderer)
        inside = found.x0 >= root.x0 - 1 and found.x1 <= root.x1 + 1
        inside &= found.y0 >= root.y0 - 1 and found.y1 <= root.y1 + 1
        size = min((t.get_fontsize() for t in box.get_texts()), default=0.0)
        if inside or size <= _SMALLEST:
            break
        changed = True
        for text in box.get_texts():
            text.set_fontsize(max(0.9 * text.get_fontsize(), _SMALLEST))
    return changed


def fit(ax: Any) -> bool:
    """Set the words of a panel for the place that there is; whether anything changed."""
    root = ax.get_figure(root=True)
    if getattr(ax, "said", None) is None:
        return False
    renderer, small = root._get_renderer(), scale(ax)
    ticks = TICK * small
    changed = any(t.get_fontsize() != ticks for t in ax.get_xticklabels()[:1])
    ax.tick_params(labelsize=ticks)
    changed |= _heading(ax, renderer, small)
    changed |= _labels(ax, renderer, small)
    return _key(ax, renderer, small) or changed

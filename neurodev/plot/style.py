"""One calm look, and one colour for each cause of death, the same in every figure.

The causes of the default study wear colours of Okabe and Ito's set (jfly.uni-koeln.de/color), which stay apart for
all common kinds of colour vision; runs are dark ink, controls a warm brown, what is still alive a light grey.
"""

from __future__ import annotations

import io
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from matplotlib import rc_context
from matplotlib.figure import Figure

from neurodev.plot.door import drawn
from neurodev.plot.inside import KEY, LABEL, NOTE, TICK, TITLE, Fitting
from neurodev.registry import spoken
from neurodev.structure.cause import Causes
from neurodev.structure.duration import Deed, deeds, unit_of
from neurodev.structure.run_like import RunLike

# all of Okabe and Ito's set that stands out on white, in the order in which they are taken
HUES = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#111111")

INK, SOFT, RULE = "#22304A", "#6B7280", "#D5D9E0"

BLUE, ORANGE, AMBER, ROSE = "#0072B2", "#D55E00", "#E69F00", "#CC79A7"  # of Okabe and Ito
# what is not a cause: causes say their colours themselves (`neurodev.structure.cause`)
COLOURS = {"alive": "#C3C8D0", "birth": "#3C9D7E", "run": INK, "control": "#B4703A", "early": "#4FA3B8"}

POPULATIONS = (INK, "#C0562F", "#3C9D7E", "#8E6BAF", "#B8902B")
COHORTS = ("#9CC3E0", "#4A8DBF", "#16456F")


_LETTER = 4.2  # points, of a note on the average


@dataclass(frozen=True)
class Clock:
    """The time of a run in the unit of its figures: `days` of life each, in words for one, many, and two axes."""

    days: float
    one: str
    many: str
    axis: str
    age: str


def _life(days: float, one: str) -> Clock:
    many = one if one == "ms" else f"{one}s"
    return Clock(days, one, many, f"life time ({many})", f"age ({many})")


DAYS = _life(1.0, "day")


@drawn()
def life_clock(days: float) -> Clock:
    """Days, or what is shorter for a run that does not last a day."""
    return _life(*unit_of(days)) if days > 0 else DAYS


@drawn()
def clock_of(run: RunLike) -> Clock:
    """Epochs for a run of training; days for all others, or what is shorter for one that does not last a day."""
    if not run.is_training:
        return life_clock(run.days)
    return Clock(run.training.epoch_days, "epoch", "epochs", "epoch", "age (epochs)")


@drawn()
def interventions(run: RunLike) -> list[Deed]:
    """What the experimenter did, and when."""
    return deeds(run.file.item("interventions", []) or [], run.tick_spike, run.tick_days)


@drawn()
def mark_interventions(ax: Any, run: RunLike) -> None:
    """A dashed line where the experimenter acted, with the number that the page lists it under."""
    if run.is_training:
        return
    unit = clock_of(run).days
    mark_moments(ax, [deed.day / unit for deed in interventions(run)])


@drawn()
def mark_moments(ax: Any, moments: Sequence[float]) -> None:
    """A dashed line at each moment that lies within an axis, with its number, from 1."""
    low, high = ax.get_xlim()
    for k, at in enumerate(moments, 1):
        if not low <= at <= high:
            continue
        ax.axvline(at, color=ROSE, lw=1.0, ls="--", zorder=2.5, gid="intervention")
        if len(moments) <= 12:
            ax.annotate(
                str(k), (at, 1), (0, -1), xycoords=ax.get_xaxis_transform(), textcoords="offset points", fontsize=7.5,
                color=ROSE, ha="center", va="top", bbox={"fc": "white", "ec": "none", "pad": 0.5},
            )  # fmt: skip
    ax.set_xlim(low, high)


class Picture(Figure):
    """A figure that shows itself in a notebook, without pyplot; words stay inside at any size."""

    def _repr_png_(self) -> bytes:
        return png(self)

    def savefig(self, *args: Any, **options: Any) -> None:
        """As of every figure; text stays text in files of vectors."""
        with rc_context({"svg.fonttype": "none", "pdf.fonttype": 42}):
            super().savefig(*args, **options)


@drawn()
def new_figure(width: float, height: float) -> Picture:
    """An empty figure, inches, laid out so that nothing overlaps; no global state is touched."""
    figure = Picture(figsize=(width, height), layout=Fitting(), facecolor="white")
    engine: Any = figure.get_layout_engine()
    engine.set(w_pad=0.09, h_pad=0.09, wspace=0.03, hspace=0.03)
    return figure


@drawn()
def colour(cause: str, causes: Causes | None = None) -> str:
    """The colour of a cause of death, as a run (or, without one, the package) declares it."""
    return COLOURS[cause] if cause in COLOURS else (causes or Causes())[cause].colour


@drawn()
def word(cause: str) -> str:
    """A cause as it is written in a legend."""
    return cause.replace("_", " ")


@drawn()
def plain(ax: Any, title: str, x: str, y: str, note: str = "") -> Any:
    """Title at the left (with a softer note behind it), labels with units, two thin axes; returns the axes."""
    width = ax.get_window_extent().width / ax.figure.dpi * 72  # points, before the layout is final
    lines = textwrap.wrap(note, max(int(width / _LETTER), 30)) or [note] if note else []
    # names come from users: a dollar in one is no formula
    ax.set_title(
        title, loc="left", fontsize=TITLE, fontweight="bold", color=INK, pad=7 + 10 * len(lines), parse_math=False
    )
    said = None
    if note:
        said = ax.annotate(
            "\n".join(lines), (0, 1), (0, 4.5), xycoords="axes fraction", textcoords="offset points", fontsize=NOTE,
            color=SOFT, va="bottom", parse_math=False, linespacing=1.05,
        )  # fmt: skip
        said.set_in_layout(False)  # a long note must not squeeze the panel; the title's padding makes room for it
    before = getattr(ax, "said", None)
    if before is not None and before[2] is not None:  # named anew
        before[2].remove()
    ax.said = (title, note, said)  # for `inside.fit`, which wraps them anew when the layout is known
    ax.set_xlabel(x, fontsize=LABEL, color=INK, parse_math=False)
    ax.set_ylabel(y, fontsize=LABEL, color=INK, parse_math=False)
    ax.spines[["top", "right"]].set_visible(False)
    for side in ("left", "bottom"):
        ax.spines[side].set_color(SOFT)
        ax.spines[side].set_linewidth(0.8)
    ax.tick_params(labelsize=TICK, colors=INK, length=3, width=0.8, color=SOFT)
    return ax


@partial(spoken, makes=True)
@drawn()
def legend(ax: Any, **options: Any) -> Any:
    """A legend without a frame, if there is anything to explain; where data pass below it, they are faint."""
    if not ax.get_legend_handles_labels()[0]:
        return None
    look = {
        "edgecolor": "none",
        "facecolor": "white",
        "framealpha": 0.8,
        "fancybox": False,
        "fontsize": KEY,
        "labelcolor": INK,
        "handlelength": 1.5,
        "borderaxespad": 0.3,
    }
    box = ax.legend(**(look | options))
    for text in box.get_texts():
        text.set_parse_math(False)
    return box


@drawn()
def beside(ax: Any) -> Any:
    """A legend at the right of a panel: within, there may be no room that no data take."""
    return legend(ax, loc="upper left", bbox_to_anchor=(1.01, 1.0), borderaxespad=0.0)


@drawn()
def empty(ax: Any, text: str, height: float = 0.5) -> None:
    """Say why a panel shows nothing, in its middle or at another height of it."""
    ax.text(0.5, height, text, transform=ax.transAxes, ha="center", va="center", fontsize=9, color=SOFT, wrap=True)


@drawn()
def png(figure: Figure, dpi: int = 120) -> bytes:
    """The figure as PNG bytes."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi)
    return buffer.getvalue()


@drawn()
def svg(figure: Figure) -> str:
    """The figure as an SVG element for a page, text kept as text."""
    buffer = io.StringIO()
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "neurodev"}):  # the same bytes for the same figure
        nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))  # a page needs no account of its parts
        figure.savefig(buffer, format="svg", metadata=nothing)
    text = buffer.getvalue()
    return text[text.index("<svg") :]

"""One interactive page about histories: a slider over life, neurons to tap, spines that tell their story.

Bokeh draws it (the extra ``report``) and is part of the page, as are the data: nothing is fetched.  Its own script
(`live.js`) composes stories and answers the widgets; this module says what there is to be seen.
"""

from __future__ import annotations

import base64
import gzip
import html
import json
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from neurodev.errors import NeurodevError, ParameterError, shown
from neurodev.plot import output
from neurodev.plot.door import drawn
from neurodev.plot.packing import MOST, Packed
from neurodev.plot.page import STYLE, Section, sectioned
from neurodev.plot.style import AMBER, COLOURS, INK, ROSE, RULE, SOFT, clock_of, interventions

_MANY = 6  # histories side by side
_MARKED = 12  # interventions
_GREY = "#7A6F66"  # of a death without a cause
_COUNTED = "return Math.abs(tick).toString().replace(/\\B(?=(\\d{3})+(?!\\d))/g, ',')"
_LOOK = """
.side{display:grid;gap:1.2rem 1.4rem;grid-template-columns:repeat(COLUMNS,minmax(0,1fr))}
.side>div{min-width:0}.panel h3{font-size:.95rem;margin:.6rem 0 .1rem}.panel p{color:var(--soft);font-size:.84rem;
margin:0 0 .2rem;min-height:1.3em}
.bar{position:sticky;top:0;background:#fff;z-index:9;padding:.5rem 0;border-bottom:1px solid var(--rule);display:flex;
gap:1.4rem;align-items:flex-end;flex-wrap:wrap}.bar>div{min-width:8rem}.bar>.slide{flex:1 1 22rem}
#when{font-size:1.25rem;font-weight:600;min-width:7rem}.story{min-height:6.2em;margin:.4rem 0}
.keys{display:flex;flex-wrap:wrap;gap:.2rem 1rem;font-size:.85rem;margin:.5rem 0}
.keys i{display:inline-block;width:.8em;height:.8em;border-radius:2px;margin-right:.35em;vertical-align:-.05em}
.count{font-variant-numeric:tabular-nums;font-weight:600}
@media(max-width:760px){.side{grid-template-columns:minmax(0,1fr)}}
"""


class Part(NamedTuple):
    """A history on a page, with what tells its stories and, where there is one, the run that it is of.

    `lead` is markup that stands above, `sections` are (title, note, markup) that stand below.
    """

    history: Any
    tell: Callable[[Any], Any]
    run: Any = None
    title: str = ""
    lead: str = ""
    sections: Sequence[Section] = ()


@drawn()
def installed() -> bool:
    """Whether Bokeh is there."""
    try:
        import_module("bokeh.models")
    except ImportError:
        return False
    return True


def _each_a_part(value: Any, argument: str) -> Any:
    """A rule: a list of parts."""
    if not isinstance(value, (list, tuple)) or not value or not all(isinstance(p, Part) for p in value):
        raise ParameterError(f"{argument} must be a list of live.Part, got {shown(value)}")
    return value


def _bokeh() -> tuple[Any, Any]:
    """Bokeh's models and its figure."""
    try:
        return import_module("bokeh.models"), import_module("bokeh.plotting").figure
    except ImportError as e:
        raise NeurodevError(
            f"an interactive page needs Bokeh, which cannot be imported ({e}): pip install 'neurodev[report]'"
        ) from None


class _Panels:
    """The figures of one part, each a root of the page's document with a name that says where it stands."""

    def __init__(self, index: int, packed: Packed, time: Any, deeds: Sequence[float]) -> None:
        self.models, self._figure = _bokeh()
        self.index, self.packed, self.meta, self.time = index, packed, packed.meta, time
        self.spans, self.deeds = 0, deeds
        self.roots: list[tuple[str, str, str, Any]] = []
        self.units = self.meta["units"]

    def source(self, name: str, **columns: Any) -> Any:
        """A source of that name, empty but for what is given."""
        return self.models.ColumnDataSource(columns, name=f"{name}-{self.index}")

    def callback(self, code: str, **args: Any) -> Any:
        """One call of the page's script."""
        return self.models.CustomJS(args=args, code=code)

    def figure(
        self, title: str, note: str, x: str, y: str, *, tools: str = "", marked: bool = True, **options: Any
    ) -> Any:
        """An empty figure; title and note stand above it on the page."""
        plain = self.models.PlainText
        f = self._figure(
            height=options.pop("height", 270), sizing_mode="stretch_width", toolbar_location="above",
            tools=f"pan,box_zoom,wheel_zoom,reset{tools}",
            x_axis_label=plain(text=x), y_axis_label=plain(text=y), **options,
        )  # fmt: skip
        f.toolbar.logo, f.toolbar.autohide = None, True
        f.outline_line_color, f.min_border_right = None, 12
        f.grid.grid_line_color = RULE
        f.grid.grid_line_alpha = 0.6
        for axis in (*f.xaxis, *f.yaxis):
            axis.axis_line_color = axis.major_tick_line_color = SOFT
            axis.minor_tick_line_color, axis.axis_label_text_font_style = None, "normal"
            axis.axis_label_text_color = axis.major_label_text_color = INK
        if y == "number":
            f.yaxis.formatter = self.models.CustomJSTickFormatter(code=_COUNTED)  # deaths, too, are counted from 0
            f.yaxis.ticker.min_interval = 1
        if marked:
            span = self.models.Span(location=0, dimension="height", line_color=ROSE, line_width=1.4, line_alpha=0.8)
            span.name = f"span-{self.index}-{self.spans}"
            self.spans += 1
            f.add_layout(span)
            for at in self.deeds:
                line = self.models.Span(location=at, dimension="height", line_color=SOFT, line_dash="dashed")
                f.add_layout(line)
        self.roots.append((f"panel-{self.index}-{len(self.roots)}", title, note, f))
        return f

    def cells(self) -> None:
        """Neurons, coloured by what the page's choice counts; tapped, they tell."""
        placed, where = self.meta["placed"], ("x (um)", "y (um)")
        note = (
            "Where they stand. Tap one." if placed else "In rows by their numbers: place means nothing here. Tap one."
        )
        colours = self.models.LinearColorMapper(palette=_shades(), low=0, high=1, name=f"colours-{self.index}")
        what = {"training": "Units of a layer", "development": "Neurons", "seen": "Cells"}[self.meta["kind"]]
        f = self.figure(what, note, *where, tools=",tap", marked=False, match_aspect=True, height=340)
        f.add_layout(self.models.ColorBar(color_mapper=colours, width=8, bar_line_color=None), "right")
        size = float(np.clip(230.0 / np.sqrt(max(self.meta["shown"], 1)), 4.0, 18.0))
        x, y = self.packed.cells["x"], self.packed.cells["y"]
        source = self.source("cells", x=x, y=y, value=np.zeros(x.size), label=[""] * x.size, cell=np.arange(x.size))
        dots = f.scatter("x", "y", source=source, size=size, line_color="white", line_width=0.4, marker="circle",
                         fill_color={"field": "value", "transform": colours}, nonselection_fill_alpha=1.0)  # fmt: skip
        if any(g["sources"] for g in self.meta["groups"]):
            f.segment(
                "x0", "y0", "x1", "y1", source=self.source("links", x0=[], y0=[], x1=[], y1=[]), color=AMBER, alpha=0.9
            )
        f.scatter("x", "y", source=self.source("chosen", x=[], y=[]), size=size + 6, fill_color=None, line_color=ROSE,
                  line_width=2)  # fmt: skip
        f.add_tools(self.models.HoverTool(renderers=[dots], tooltips=[("neuron", "@label"), ("number", "@value")]))
        source.selected.js_on_change(
            "indices", self.callback(f"window.neurodev.tap({self.index}, cb_obj.indices)", source=source)
        )
        if not placed:
            f.grid.visible = f.axis.visible = False

    def _pick(self, f: Any, renderer: Any, name: str) -> None:
        code = f"window.neurodev.hover({self.index}, '{name}', cb_data.index.indices)"
        f.add_tools(self.models.HoverTool(renderers=[renderer], tooltips=None, callback=self.callback(code)))

    def spines(self) -> None:
        """The lives of the chosen neuron, and their sizes."""
        what = (
            "Synapses"
            if self.meta["kind"] == "training"
            else "Spines"
            if self.meta["kind"] == "development"
            else "Lives"
        )
        note = "From birth to death, in the colour of its cause. Point at one: its story."
        rows = self.models.Range1d(0, 1, name=f"spine_range-{self.index}")
        f = self.figure(f"{what} of the chosen", note, self.axis, "in order of birth", x_range=self.time, y_range=rows,
                        height=340)  # fmt: skip
        f.ygrid.visible = False
        source = self.source("spines", x0=[], x1=[], y=[], colour=[], row=[])
        lines = f.segment("x0", "y", "x1", "y", source=source, color="colour", line_width=3, hover_line_color=INK)
        self._pick(f, lines, "spines")
        if not self.meta["scale"]:
            return
        note = "As the pictures saw them, on a scale of logarithms. Point at one."
        size = f"size ({self.meta['size_unit'] or 'as given'})"
        f = self.figure(f"Sizes of the same {what.lower()}", note, self.axis, size,
                        x_range=self.time, y_axis_type="log", y_range=self.sizes())  # fmt: skip
        source = self.source("traces", xs=[], ys=[], colour=[], row=[])
        look = {"alpha": 0.55, "line_width": 1.3, "hover_line_color": INK, "hover_line_alpha": 1.0}
        traces = f.multi_line("xs", "ys", source=source, color="colour", **look)
        self._pick(f, traces, "traces")
        note = "Of all that live at the moment of the slider"
        note += ", on the neurons that are shown." if self.meta["shipped"] < self.meta["lives"] else "."
        f = self.figure("Sizes now", note, size, "number", marked=False,
                        x_axis_type="log", x_range=self.sizes())  # fmt: skip
        bars = self.source("sizes_now", left=[self.sizes().start], right=[self.sizes().end], top=[1.0])
        f.quad(left="left", right="right", bottom=0, top="top", source=bars, color=INK, alpha=0.75, line_color="white",
               line_width=0.5)  # fmt: skip
        f.y_range.start = 0

    def sizes(self) -> Any:
        """The range of an axis of sizes."""
        low, high = self.meta["scale"]
        return self.models.Range1d(float(np.exp(low - 0.02 * (high - low))), float(np.exp(high + 0.02 * (high - low))))

    def courses(self) -> None:
        """Number, births and deaths by cause, survival."""
        what = (
            "synapses"
            if self.meta["kind"] == "training"
            else "spines"
            if self.meta["kind"] == "development"
            else "lives"
        )
        f = self.figure(
            "How many live", "Of all, or of the chosen, as is asked for above.", self.axis, "number", x_range=self.time
        )
        f.line(
            "t",
            "n",
            source=self.source("number", t=self.meta["steps"], n=self.packed.curves[0]["number"]),
            color=INK,
            line_width=2,
        )
        f.y_range.start = 0
        if not any(sum(c["births"][1:]) + sum(map(sum, c["deaths"])) for c in self.packed.curves):
            return
        title = "Births and deaths" + (
            " by cause" if any(sum(map(sum, c["deaths"][:-1])) for c in self.packed.curves) else ""
        )
        f = self.figure(title, "From step to step of the slider; deaths below.", self.axis, "number",
                        x_range=self.time)  # fmt: skip
        steps = self.meta["steps"]
        nothing = [0.0] * (len(steps) - 1)
        source = self.source("causes", left=steps[:-1], right=steps[1:], births=self.packed.curves[0]["births"][1:])
        f.quad(left="left", right="right", bottom=0, top="births", source=source, color=COLOURS["birth"],
               line_color="white", line_width=0.4)  # fmt: skip
        for k, colour in enumerate([*(c["colour"] for c in self.meta["causes"]), _GREY]):
            source.add(nothing, f"top_{k}"), source.add(nothing, f"bottom_{k}")
            f.quad(left="left", right="right", bottom=f"bottom_{k}", top=f"top_{k}", source=source, color=colour,
                   line_color="white", line_width=0.4)  # fmt: skip
        if any(c["newborn"] and c["age"] for c in self.packed.curves):
            self.survival(what)

    def survival(self, what: str) -> None:
        """Of all newborns, with its band, and of the chosen neuron's."""
        note = "Of those seen born: all, with 95 % band (dark); of the chosen (rose)."
        until = max(c["until"] for c in self.packed.curves)
        f = self.figure(f"Survival of {what}", note, f"age ({self.units})", "share that lives on", marked=False,
                        x_range=self.models.Range1d(0, until or 1.0), y_range=self.models.Range1d(0, 1.02))  # fmt: skip
        source = self.source("survival", age=[], share=[], low=[], high=[])
        f.varea("age", "low", "high", source=source, fill_color=INK, fill_alpha=0.15)
        f.line("age", "share", source=source, color=INK, line_width=2)
        mine = self.source("my_survival", age=[], share=[])
        f.line("age", "share", source=mine, color=ROSE, line_width=1.4)

    @property
    def axis(self) -> str:
        """Of time."""
        return "epoch" if self.meta["kind"] == "training" else f"time ({self.units})"

    def series(self, run: Any) -> None:
        """Accuracy and density of a training, epoch by epoch and layer by layer."""
        known = run.series_names
        if "test_accuracy" in known and run.series("test_accuracy").size:
            right = run.training.reached()
            epochs = np.arange(1.0, right.size + 1)
            f = self.figure("Accuracy", "Test samples that are told right.", self.axis, "%", x_range=self.time)
            f.line(epochs, right, color=INK, line_width=2)
            f.scatter(epochs, right, color=INK, size=6)
        note = "Share of pairs that a synapse joins; layers from dark to light."
        f = self.figure("Density of each layer", note, self.axis, "density", x_range=self.time)
        tensors = run.training.tensors
        for k, name in enumerate(tensors):
            epoch, density = run.training.density(name)
            f.line(epoch, density, color=_shade(k, len(tensors)), line_width=2)
            f.scatter(epoch, density, color=_shade(k, len(tensors)), size=5)
        f.y_range.start = 0


def _shades() -> list[str]:
    """From pale to dark, on which red and amber show."""
    ends = np.array([[238, 242, 246], [126, 178, 205], [14, 59, 110]], dtype=float)
    at = np.linspace(0, 2, 64)
    mixed = np.column_stack([np.interp(at, [0, 1, 2], ends[:, c]) for c in range(3)])
    return ["#{:02X}{:02X}{:02X}".format(*(int(round(v)) for v in row)) for row in mixed]


def _shade(k: int, n: int) -> str:
    return _shades()[63 - (k * 40) // max(n - 1, 1)]


def _walk(node: Any) -> Iterator[dict[str, Any]]:
    """All tables of a JSON tree, each before what is in it."""
    if isinstance(node, dict):
        yield node
        for value in node.values():
            yield from _walk(value)
    elif isinstance(node, list):
        for item in node:
            yield from _walk(item)


def _stable(tree: Any) -> tuple[Any, dict[str, str]]:
    """The document with ids by order of appearance, and its arrays squeezed as far as they go."""
    names: dict[str, str] = {}
    tree = json.loads(json.dumps(tree))  # nothing stands at two places, and there are no tuples
    tables = list(_walk(tree))
    for table in tables:
        if isinstance(table.get("id"), str):
            names.setdefault(table["id"], f"m{len(names)}")
    for table in tables:
        if isinstance(table.get("id"), str):
            table["id"] = names[table["id"]]
        data = table.get("data")
        if table.get("type") == "bytes" and isinstance(data, str):
            raw = gzip.decompress(base64.b64decode(data))
            table["data"] = base64.b64encode(gzip.compress(raw, 9, mtime=1)).decode()
    return tree, names


def _json(value: Any, ordered: bool = True) -> str:
    """JSON that no reader of HTML takes for markup; what Bokeh made is read in the order in which it was made."""
    text = json.dumps(value, sort_keys=ordered, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _parts(parts: Sequence[Part], most: int) -> list[Packed]:
    if len(parts) > _MANY:
        raise ParameterError(f"a page shows up to {_MANY} histories, got {len(parts)}")
    units = {p.history.unit for p in parts}
    if len(units) > 1:
        raise ParameterError(
            f"histories in {' and '.join(sorted(units))}s do not share a slider: give each kind a page of its own"
        )
    for p in parts:
        if not len(p.history):
            raise ParameterError(
                f"{p.title or p.history.title or 'the history'} has no lives: there is nothing to show"
            )
    share = max(most // len(parts), 1)
    return [Packed.of(p.history, p.tell, p.run, share) for p in parts]


def _panels(index: int, packed: Packed, run: Any, time: Any) -> _Panels:
    done = interventions(run)[:_MARKED] if run is not None and not run.is_training else []
    panels = _Panels(index, packed, time, [d.day / clock_of(run).days for d in done])
    panels.cells()
    panels.spines()
    panels.courses()
    if run is not None and run.is_training:
        panels.series(run)
    return panels


def _widgets(packed: Sequence[Packed], sources: Sequence[Any], names: Sequence[str]) -> list[tuple[str, str, Any]]:
    """(element, class, widget): the slider, what neurons are coloured by, of whom the courses are, and projections."""
    models, _ = _bokeh()
    steps = max(len(p.meta["steps"]) for p in packed)
    args = {f"source{k}": s for k, s in enumerate(sources)}
    slider = models.Slider(
        start=0, end=max(steps - 1, 1), step=1, value=steps - 1, show_value=False, title=None, name="slider",
        sizing_mode="stretch_width",
    )  # fmt: skip
    slider.js_on_change("value", models.CustomJS(args=args, code="window.neurodev.slide(cb_obj.value)"))
    out = [("slide", "slide", slider)]

    def select(name: str, options: Any, call: str, title: str) -> None:
        first = options[0] if isinstance(options[0], str) else options[0][0]
        widget = models.Select(options=options, value=first, name=name, title=title, sizing_mode="stretch_width")
        widget.js_on_change("value", models.CustomJS(args={}, code=call))
        out.append((name, "", widget))

    colour = [("living", "how many live"), ("born", "born since the last step"), ("died", "died since the last step")]
    select("what", colour, "window.neurodev.show(cb_obj.value)", "Colour of neurons")
    select(
        "scope", [("all", "all"), ("chosen", "the chosen neuron")], "window.neurodev.scope(cb_obj.value)", "Courses of"
    )
    for k, p in enumerate(packed):
        groups = [f"{i}: {g['name']}" for i, g in enumerate(p.meta["groups"])]
        if len(groups) > 1:
            title = "Layer" if p.meta["kind"] == "training" else "Projection"
            select(f"group-{k}", groups, f"window.neurodev.project({k}, cb_obj.value)", title)
    return out


def _keys(packed: Sequence[Packed]) -> str:
    """The colours of causes, once for all panels."""
    found = {c["word"]: c["colour"] for p in packed for c in p.meta["causes"] if c["word"] != "initial"}
    deaths = {
        p.meta["causes"][k]["word"] for p in packed for c in p.curves for k, d in enumerate(c["deaths"][:-1]) if sum(d)
    }
    keys = [("alive at the end", COLOURS["alive"])]
    if any(sum(c["births"][1:]) for p in packed for c in p.curves):
        keys.append(("born", COLOURS["birth"]))
    keys += [(f"died of {w.replace('_', ' ')}", colour) for w, colour in found.items() if w in deaths]
    if any(sum(c["deaths"][-1]) for p in packed for c in p.curves):
        keys.append(("died, of no stated cause", _GREY))
    return "".join(f'<span><i style="background:{c}"></i>{html.escape(w)}</span>' for w, c in keys)


def _name(part: Part) -> str:
    return str(part.title or part.history.title or "history")


def _lead(part: Part) -> str:
    """What is said above the panels; of a history without a run how much it is, and what could not be read."""
    if part.lead or part.run is not None:
        return part.lead
    h = part.history
    new, dead = int((~h.standing).sum()), int(np.isfinite(h.died[:, 1]).sum())
    said = f"{len(h):,} lives, {new:,} births and {dead:,} deaths in {h.end - h.start:g} {h.unit}s"
    said += f", {h.sessions.size} sessions" if h.sessions.size else ""
    notes = "".join(f"<li>{html.escape(n)}</li>" for n in h.notes)
    return f"<p class=sub>{html.escape(said)}</p>" + (f"<ul class=note>{notes}</ul>" if notes else "")


def _body(parts: Sequence[Part], packed: Sequence[Packed], panels: Sequence[_Panels], widgets: Any) -> str:
    out = ""
    for part in parts:
        lead = _lead(part)
        out += (f"<h2>{html.escape(_name(part))}</h2>" if lead and len(parts) > 1 else "") + lead
    out += "<div class=bar><div id=when></div>"
    out += "".join(f'<div class="{kind}" id="{element}"></div>' for element, kind, _ in widgets) + "</div>"
    out += f"<div class=keys>{_keys(packed)}</div><div class=side>"
    for k, p in enumerate(packed):
        said = f"{html.escape(_name(parts[k]))}: " if len(parts) > 1 else ""
        sampled = p.meta["shipped"] < p.meta["lives"]
        note = f" {p.meta['shipped']:,} of {p.meta['lives']:,} lives are on this page, those of {p.meta['shown']:,} of "
        note += f"{p.meta['cells']:,} neurons; numbers, causes and survival are of all." if sampled else ""
        told = (
            f"{said}<span class=count id=living-{k}></span>.{f'<span class=sampled>{note}</span>' if sampled else ''}"
        )
        out += (
            f"<div class=whole{k} style='grid-column:{'auto' if len(parts) > 1 else '1/-1'}'><p class=note>{told}<br>"
        )
        out += f"<span id=who-{k}></span></p><blockquote class=story id=story-{k} aria-live=polite></blockquote></div>"
    order = range(max(len(p.roots) for p in panels))
    for i in order:
        for each in panels:
            if i >= len(each.roots):
                out += "<div></div>"
                continue
            element, title, note, _ = each.roots[i]
            out += f"<div class=panel><h3>{html.escape(title)}</h3><p>{html.escape(note)}</p>"
            out += f"<div id={element}></div></div>"
    return out + "</div>"


def _script(document: Any, places: dict[Any, str], packed: Sequence[Packed]) -> str:
    """The libraries, the document and the data of a page."""
    from bokeh.resources import Resources

    tree, names = _stable(document.to_json(deferred=False))
    roots = {names[model.id]: element for model, element in places.items()}
    render = [{"docid": "page", "roots": roots, "root_ids": list(roots)}]
    data = [{"meta": p.meta, "curves": p.curves, "names": p.cells.get("name")} for p in packed]
    look = {"alive": COLOURS["alive"], "grey": _GREY}
    code = Resources(mode="inline", components=["bokeh", "bokeh-widgets"], minified=True).js_raw
    code.append(files("neurodev.plot").joinpath("live.js").read_text(encoding="utf-8"))
    out = "".join(f"<script>{c}</script>" for c in code)
    for name, value in (("document", {"page": tree}), ("render", render), ("data", data), ("look", look)):
        out += f'<script type="application/json" id="{name}">{_json(value, name != "document")}</script>'
    return out + (
        "<script>(async () => {const of = (id) => JSON.parse(document.getElementById(id).textContent);"
        "await Bokeh.embed.embed_items(of('document'), of('render'));"
        "window.neurodev.start(Bokeh.documents[0], of('data'), of('look'));"
        "document.body.dataset.ready = 'yes'})()</script>"
    )


@drawn(parts=_each_a_part)
def write(parts: Sequence[Part], path: str | Path, most: int = MOST) -> Path:
    """Write an interactive page about histories, side by side: one HTML file that needs nothing else.

    Parameters
    ----------
    parts : sequence of Part
        Of one unit of time.
    path : path
        The page; an existing one is replaced.
    most : int
        Lives on the page; of more those of some neurons are shown, and the page says so.

    Returns
    -------
    Path

    Raises
    ------
    ParameterError
        For histories that cannot share a slider or hold no life, and a path that holds something else.
    NeurodevError
        Without Bokeh, or if the page cannot be written.
    """
    output.checked(path)
    _bokeh()
    packed = _parts(parts, most)
    from bokeh.document import Document

    models, _ = _bokeh()
    start, end = min(p.meta["start"] for p in packed), max(p.meta["end"] for p in packed)
    time = models.Range1d(start, max(end, start + 1e-9))  # one for all, so that they move together
    panels = [_panels(k, p, parts[k].run, time) for k, p in enumerate(packed)]
    sources = []
    for k, p in enumerate(packed):
        shape = {n: np.asarray(v) for n, v in p.cells.items() if n != "name"}
        for name, columns in (
            ("lives", p.lives),
            ("shape", shape),
            ("sizes", {"size": p.sizes} if p.sizes.size else None),
        ):
            if columns is not None:
                sources.append(models.ColumnDataSource(columns, name=f"{name}-{k}"))
    widgets = _widgets(packed, sources, [p.title for p in parts])
    document = Document(title="page")
    places: dict[Any, str] = {}
    for element, _, widget in widgets:
        document.add_root(widget)
        places[widget] = element
    for each in panels:
        for element, _, _, f in each.roots:
            document.add_root(f)
            places[f] = element
    title = " beside ".join(dict.fromkeys(map(_name, parts)))
    body = f"<h1>{html.escape(title)}</h1>" + _body(parts, packed, panels, widgets)
    for part in parts:
        label = f": {_name(part)}" if len(parts) > 1 else ""
        body += sectioned([(f"{t}{label}", note, content) for t, note, content in part.sections])
    look = STYLE + _LOOK.replace("COLUMNS", str(max(len(parts), 2)))
    page = f"<!doctype html><html lang='en'><meta charset='utf-8'><title>{html.escape(title)}</title>"
    page += "<meta name='viewport' content='width=device-width,initial-scale=1'>"
    page += f"<style>{look}</style><body>{body}{_script(document, places, packed)}</body></html>"
    return output.write(path, page.encode("utf-8", "replace"))

"""One self-contained HTML page about a run."""

from __future__ import annotations

import base64
import html
import json
from pathlib import Path
from typing import Any

from neurodev.plot import evolution
from neurodev.plot.style import new_figure, png

_STYLE = """
body{font:16px/1.5 system-ui,sans-serif;max-width:1080px;margin:2rem auto;padding:0 1rem;color:#222}
h1{font-size:1.6rem;margin-bottom:.2rem} h2{font-size:1.15rem;margin-top:2.2rem;border-bottom:1px solid #ddd}
img{max-width:100%;height:auto} table{border-collapse:collapse} td,th{padding:.25rem .8rem;text-align:left}
tr:nth-child(even){background:#f6f6f6} .yes{color:#007a53} .no{color:#b33} .lead{font-size:1.1rem}
pre{background:#f6f6f6;padding:1rem;overflow:auto;font-size:.8rem} .note{color:#666;font-size:.9rem}
"""


def _image(figure: Any, alt: str) -> str:
    data = base64.b64encode(png(figure)).decode()
    return f'<img alt="{html.escape(alt)}" src="data:image/png;base64,{data}">'


def sentence(n: dict[str, float], control: dict[str, float] | None) -> str:
    """The success numbers in one sentence, beside their control."""
    text = (
        f"From {n['day_1']:.1f} spines a neuron on day 1 to {n['peak']:.1f} on day {n['peak_day']:.0f}, then down to "
        f"{n['final']:.1f}: {n['peak_to_final']:.2f} : 1. Receptive fields went from {n['field_start']:.0f} to "
        f"{n['field_end']:.0f} um ({n['field_change']:+.0f} %; packing floor {n['floor_end']:.0f} um), the topographic "
        f"error from {n['error_start']:.0f} to {n['error_end']:.0f} um"
    )
    if control is not None:
        text += (
            f"; in the control with shuffled input the fields went from {control['field_start']:.0f} to "
            f"{control['field_end']:.0f} um ({control['field_change']:+.0f} %), the error from "
            f"{control['error_start']:.0f} to {control['error_end']:.0f} um"
        )
    return text + "."


def _table(run: Any, control: Any) -> str:
    theirs = {c.name: c.value for c in control.checks()} if control is not None else {}
    rows = "<tr><th>number</th><th>run</th><th>band</th><th></th>" + ("<th>control</th>" if theirs else "") + "</tr>"
    for c in run.checks():
        band = f"{'' if c.low is None else f'{c.low:g}'} .. {'' if c.high is None else f'{c.high:g}'}"
        mark = '<span class="yes">inside</span>' if c.passed else '<span class="no">outside</span>'
        other = f"<td>{theirs[c.name]:.2f}</td>" if theirs else ""
        rows += f"<tr><td>{html.escape(c.name)}</td><td>{c.value:.2f}</td><td>{band}</td><td>{mark}</td>{other}</tr>"
    return f"<table>{rows}</table>"


def write(run: Any, path: str | Path, control: Any = None) -> Path:
    """Write the report of a run (and its control) as one HTML page.

    Order: the success numbers; density and causes; raster; survival; sizes; map; rates; provenance.
    """
    numbers = run.summary()
    theirs = control.summary() if control is not None else None
    first = new_figure(10.5, 6.4)
    top, bottom = first.subplots(2, 1)
    evolution.density(top, run, control)
    evolution.causes(bottom, run)
    longest = run.spines.longest()
    parts = [
        ("Density and causes", _image(first, "spine density, births and deaths")),
        ("Spine raster", _image(evolution.single(evolution.raster, run, size=(10.5, 6.0)), "spine raster")
         + f"<p class='note'>{html.escape(longest.story())}</p>"),
        ("Survival", _image(evolution.single(evolution.survival, run), "survival")),
        ("Sizes", _image(evolution.single(evolution.size_distribution, run), "sizes")),
        ("Map: first day, last day" + (", control" if control is not None else ""),
         _image(evolution.map_figure(run, control), "receptive fields")),
        ("Rates", _image(evolution.single(evolution.rates, run), "rates")),
    ]  # fmt: skip
    approximate = "".join(f"<li>{html.escape(a)}</li>" for a in run.file.item("approximations", []))
    name = run.provenance.get("study_name") or run.path.name
    body = f"<h1>{html.escape(str(name))}</h1><p class='lead'>{html.escape(sentence(numbers, theirs))}</p>"
    body += _table(run, control)
    body += "".join(f"<h2>{title}</h2>{content}" for title, content in parts)
    body += (
        f"<h2>Provenance, and what was approximate</h2><ul>{approximate or '<li>Nothing: acceleration 1.</li>'}</ul>"
    )
    body += f"<pre>{html.escape(run.info())}</pre><details><summary>Network and parameters</summary><pre>"
    body += html.escape(json.dumps(run.network, indent=1)) + "</pre></details>"
    page = f"<!doctype html><html lang='en'><meta charset='utf-8'><title>{html.escape(str(name))}</title>"
    page += f"<style>{_STYLE}</style><body>{body}</body></html>"
    target = Path(path)
    target.write_text(page, encoding="utf-8")
    return target

"""The page of a report: its look, its pictures, its sections; one HTML file that needs nothing else."""

from __future__ import annotations

import base64
import html
import json
import tomllib
from collections.abc import Iterable
from pathlib import Path

from matplotlib.figure import Figure

from neurodev.plot import output
from neurodev.plot.door import drawn
from neurodev.plot.style import COLOURS, png
from neurodev.structure.run_like import RunLike

STYLE = """
:root{--ink:#22304A;--soft:#6B7280;--rule:#E3E6EB;--wash:#F6F7F9}
*{box-sizing:border-box}
body{font:16px/1.55 system-ui,-apple-system,"Segoe UI",sans-serif;max-width:1120px;margin:2.5rem auto;padding:0 1.25rem;
color:var(--ink);background:#fff}
h1{font-size:1.7rem;margin:0 0 .15rem;letter-spacing:-.01em}
h2{font-size:1.2rem;margin:3rem 0 .3rem;padding-top:1.1rem;border-top:1px solid var(--rule)}
.sub{color:var(--soft);margin:0 0 1.4rem;font-size:.92rem}.lead{font-size:1.12rem;max-width:64rem;margin:0 0 1.2rem}
.note{color:var(--soft);font-size:.92rem;max-width:60rem;margin:.1rem 0 .9rem}
img,svg{max-width:100%;height:auto;display:block;margin:0 auto}
table{border-collapse:collapse;width:100%;font-size:.93rem;font-variant-numeric:tabular-nums}
th{color:var(--soft);font-weight:600;border-bottom:1px solid var(--ink)}
td,th{padding:.32rem .7rem;text-align:left;vertical-align:baseline}td.n,th.n{text-align:right;white-space:nowrap}
tr+tr td{border-top:1px solid var(--rule)}td.why{color:var(--soft)}td.control{color:CONTROL}
.yes{color:#1E7A57;font-weight:600}.no{color:#B4232A;font-weight:600}
pre{background:var(--wash);padding:.9rem 1rem;overflow:auto;font-size:.8rem;line-height:1.45;border-radius:4px}
summary{cursor:pointer;color:var(--soft)}blockquote{margin:1rem 0;padding:.7rem 1rem;background:var(--wash);
border-left:3px solid var(--ink);border-radius:0 4px 4px 0}
@media print{body{margin:0;max-width:none}h2{break-after:avoid}img,svg{break-inside:avoid}}
""".replace("CONTROL", COLOURS["control"])


Section = tuple[str, str, str]


@drawn()
def sectioned(sections: Iterable[Section]) -> str:
    """Sections as markup: title and note as plain words, content as markup."""
    out = ""
    for title, note, content in sections:
        out += f"<h2>{html.escape(title)}</h2>" + (f"<p class=note>{html.escape(note)}</p>" if note else "") + content
    return out


@drawn()
def image(figure: Figure, alt: str) -> str:
    """A figure as an element of a page, with words for those who cannot see it."""
    data = base64.b64encode(png(figure)).decode()
    return f'<img alt="{html.escape(alt)}" src="data:image/png;base64,{data}">'


@drawn()
def provenance(run: RunLike) -> str:
    """What was approximate, what is in the file, and the network, as a section."""
    said = run.file.item("approximations", []) or []
    approximate = "".join(f"<li>{html.escape(str(a))}</li>" for a in said)
    nothing = "<li>No approximation is named in the file.</li>"
    text = f"<ul>{approximate or nothing}</ul>"
    facts = "\n".join(line for line in run.info().splitlines() if not line.startswith("  approximate: "))  # said above
    text += f"<pre>{html.escape(facts)}</pre><details><summary>Network and all parameters</summary><pre>"
    return text + html.escape(json.dumps(run.network, indent=1, default=str)) + "</pre></details>"


@drawn()
def name_of(run: RunLike) -> str:
    """The name that the study of a run gives itself; the name of its file without one.  Not yet escaped."""
    try:
        study = tomllib.loads(str(run.provenance.get("study") or ""))
        named = study.get("name") or study.get("title")
    except tomllib.TOMLDecodeError:  # a study is a text for people first
        named = None
    return str(named or run.path.name)


@drawn()
def write_page(to: str | Path, name: str, lead: str, sections: Iterable[tuple[str, str, str]]) -> Path:
    """Write a page: a lead of markup, then sections.

    Parameters
    ----------
    to : path
    name : str
        What the page is about, as plain words.
    lead : str
        Markup: every word in it that comes from a run has been escaped.
    sections : iterable of (title, note, content)
        Title and note as plain words, content as markup.

    Raises
    ------
    RunFileError
        If the page would be written over a run, or cannot be written.
    """
    body = f"<h1>{html.escape(name)}</h1>{lead}" + sectioned(sections)
    page = f"<!doctype html><html lang='en'><meta charset='utf-8'><title>{html.escape(name)}</title>"
    page += "<meta name='viewport' content='width=device-width,initial-scale=1'>"
    page += f"<style>{STYLE}</style><body>{body}</body></html>"
    return output.write(to, page.encode("utf-8", "replace"))

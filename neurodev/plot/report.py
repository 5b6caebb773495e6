"""One self-contained HTML page about a run: what came out, beside its control, and what was approximate."""

from __future__ import annotations

import html
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from neurodev.moved import names_of
from neurodev.plot import activity, evolution, fields, life, lives, training_report
from neurodev.plot.page import image, name_of, provenance, write_page
from neurodev.plot.style import new_figure, svg
from neurodev.structure.run_like import CheckLike, RunLike

__getattr__ = names_of(__name__)


def _map_words(n: Mapping[str, float], floor: bool) -> str:
    """Fields and topography in words; empty if there are none."""
    if not np.isfinite(n["field_start"]) or not np.isfinite(n["field_end"]):
        return ""
    text = f"went from {n['field_start']:.0f} to {n['field_end']:.0f} um ({n['field_change']:+.0f} %"
    text += f"; packing floor {n['floor_end']:.0f} um)" if floor else ")"
    return f"{text}, the topographic error from {n['error_start']:.0f} to {n['error_end']:.0f} um"


def sentence(n: Mapping[str, float], control: Mapping[str, float] | None) -> str:
    """The success numbers in a sentence or two, beside their control.

    Parameters
    ----------
    n, control : mapping
        Numbers by name, as of a run's ``summary()``.
    """
    text = (
        f"From {n['day_1']:.1f} spines a neuron on day 1 to {n['peak']:.1f} on day {n['peak_day']:.0f}, then down to "
        f"{n['final']:.1f}: {n['peak_to_final']:.2f} : 1."
    )
    if n["peak"] <= n["final"]:
        text = f"From {n['day_1']:.1f} spines a neuron on day 1 to {n['final']:.1f} at the end."
    words = _map_words(n, True)
    if words:
        text += f" Receptive fields {words}"
        theirs = _map_words(control, False) if control is not None else ""
        text += f"; in the control they {theirs}." if theirs else "."
    return text


def _value(x: float) -> str:
    return f"{x:.2f}" if np.isfinite(x) else "n/a"


def _band(check: CheckLike) -> str:
    if check.low is None:
        return f"at most {check.high:g}"
    return f"at least {check.low:g}" if check.high is None else f"{check.low:g} to {check.high:g}"


def _table(run: RunLike, control: RunLike | None) -> str:
    rows = run.checks(control)
    other = {c.name: c.value for c in control.checks()} if control is not None else {}
    head = "<th>number</th><th class=n>run</th><th class=n>band</th><th></th>"
    head += ("<th class=n>control</th>" if control is not None else "") + "<th>what it says</th>"
    body = ""
    for c in rows:
        verdict = '<span class="yes">inside</span>' if c.passed else '<span class="no">outside</span>'
        if not np.isfinite(c.value):
            verdict = '<span class="no">not measured</span>'
        beside = ""
        if control is not None:
            beside = f"<td class='n control'>{_value(other[c.name]) if c.name in other else ''}</td>"
        body += (
            f"<tr><td>{html.escape(c.name)}</td><td class=n>{_value(c.value)}</td><td class=n>{_band(c)}</td>"
            f"<td>{verdict}</td>{beside}<td class=why>{html.escape(c.text)}</td></tr>"
        )
    held = sum(c.passed for c in rows)
    note = (
        f"<p class=note>{held} of {len(rows)} numbers lie inside their bands, which are those of the default study: 30 "
        "days of life under retinal waves. A shorter or different run need not meet them.</p>"
    )
    return f"<table><tr>{head}</tr>{body}</table>{note}"


def _density(run: RunLike, control: RunLike | None) -> str:
    fig = new_figure(10.5, 6.4)
    top, bottom = fig.subplots(2, 1)
    evolution.density(top, run, control)
    evolution.causes(bottom, run)
    return image(fig, "Spines per neuron over life; births and deaths by cause per day")


def _raster(run: RunLike) -> str:
    longest = run.spines.longest()
    picture = image(
        evolution.single(evolution.raster, run, size=(10.5, 6.6)), "One line for each spine of a few neurons"
    )
    told = f"<blockquote>{html.escape(longest.story())}</blockquote>"
    return (
        picture
        + "<p class=note>One of these lives, the longest that came to an end:</p>"
        + told
        + svg(life.spine_figure(longest))
    )


def _survival(run: RunLike) -> str:
    fig = new_figure(11.0, 3.7)
    left, middle, right = fig.subplots(1, 3, width_ratios=[1.5, 1, 1])
    evolution.survival(left, run)
    evolution.death_rates_by_age(middle, run)
    evolution.death_rates(right, run)
    return image(fig, "Survival of newborns by cohort; death rates by age and over life")


def _structure(run: RunLike, control: RunLike | None) -> list[tuple[str, str, str]]:
    """(title, note, content) of the sections that need a projection on spines."""
    sizes = evolution.single(evolution.size_distribution, run, control, size=(9.5, 3.8))
    maps_title = "The map: first day, last day" + (", control" if control is not None else "")
    return [
        ("Density and causes", "Every birth and death is logged with the mechanism that decided it.",
         _density(run, control)),
        ("Spine raster", "Each line is one spine from birth to death; its colour is the cause of its death.",
         _raster(run)),
        ("Survival", "Age is counted from birth; spines that live on at the end are censored, not dropped.",
         _survival(run)),
        ("Sizes", "The dark line is the log-normal of the same mean and sd; the dotted line is where spines are lost.",
         image(sizes, "Distribution of spine sizes")),
        (maps_title, "One contact per pair cannot pack tighter than the floor: fewer inputs alone make it smaller.",
         image(fields.map_figure(run, control), "Receptive fields, their radii, and topography")),
    ]  # fmt: skip


def write(run: RunLike, path: str | Path, control: RunLike | None = None) -> Path:
    """Write the report of a run (and its control) as one HTML page that needs nothing else.

    Order: the success numbers; density and causes; raster; survival; sizes; map; neurons (where some were born or
    died); rates; provenance and what was approximate.

    Parameters
    ----------
    run, control : Run
    path : path
        The page; an existing one is replaced.

    Returns
    -------
    Path
    """
    if run.is_training:
        return training_report.write(run, path)
    name = html.escape(name_of(run))
    seed = run.provenance.get("seed", "?")
    body = f"<h1>{name}</h1><p class=sub>{run.days:g} days of life, seed {html.escape(str(seed))}"
    body += f"; control: {html.escape(control.path.name)}</p>" if control is not None else "</p>"
    sections: list[tuple[str, str, str]] = []
    if run.plastic:
        theirs = control.summary() if control is not None else None
        body += f"<p class=lead>{html.escape(sentence(run.summary(), theirs))}</p>{_table(run, control)}"
        sections = _structure(run, control)
    else:
        body += "<p class=lead>No projection of this network is on spines: there is no structure to follow.</p>"
    if lives.changing(run):
        sections.append(
            ("Neurons", "With a neuron die its synapses both ways; a newborn one starts without any.",
             image(lives.lives_figure(run), "Living neurons; neurons born and dead by cause per day"))
        )  # fmt: skip
    sections.append(("Rates", "", image(activity.activity_figure(run), "Rates per day, and recorded spikes")))
    sections.append(("Provenance, and what was approximate", "", provenance(run)))
    return write_page(path, name, body, sections)

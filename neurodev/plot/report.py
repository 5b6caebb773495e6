"""One self-contained HTML page about a run: what came out, beside its control, and what was approximate."""

from __future__ import annotations

import html
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from neurodev.moved import names_of
from neurodev.plot import activity, evolution, fields, lives, output, spine, training_report
from neurodev.plot.asked import remembered
from neurodev.plot.door import comparable, developed, drawn
from neurodev.plot.page import Section, image, name_of, provenance, write_page
from neurodev.plot.style import interventions, new_figure, svg
from neurodev.structure.duration import lasting, moment
from neurodev.structure.run_like import CheckLike, RunLike

__getattr__ = names_of(__name__)


def _map_words(n: Mapping[str, float], floor: bool) -> str:
    """Fields and topography in words; empty if there are none."""
    if not np.isfinite(n["field_start"]) or not np.isfinite(n["field_end"]):
        return ""
    text = f"went from {n['field_start']:.0f} um on day 1 to {n['field_end']:.0f} um ({n['field_change']:+.0f} %"
    text += f"; packing floor {n['floor_end']:.0f} um)" if floor else ")"
    return f"{text}, the topographic error from {n['error_start']:.0f} to {n['error_end']:.0f} um"


def _course(run: RunLike, name: str) -> str:
    """What became of the number of synapses of a projection, in a sentence."""
    day, number = run.density(name)
    what, log, end = evolution.noun(run, name), run.log.batch(name), run.days
    target = run.projection(name)["target"]
    per = f"{what}s per {'living ' if target in lives.changing(run) else ''}{target} neuron"
    many = f"{name}: " if len(structured(run)) > 1 else ""
    if not log.uid.size:
        return f"{many}{number[0]:.1f} {per} throughout: nothing was born and nothing died."
    if evolution.rose_and_fell(run, name):
        peak = int(np.argmax(number))
        begin = float(np.interp(1.0, day, number)) if day[peak] > 1.0 else number[0]
        start = "on day 1" if day[peak] > 1.0 else "at the start"
        return (
            f"{many}From {begin:.1f} {per} {start} to {number[peak]:.1f} {_when(day[peak], end)}, then down to "
            f"{number[-1]:.1f}: {number[peak] / max(number[-1], 1e-9):.2f} : 1."
        )
    if f"{number[0]:.1f}" == f"{number[-1]:.1f}":
        return f"{many}{number[0]:.1f} {per} at the start and at the end, after {lasting(end)}."
    return f"{many}From {number[0]:.1f} {per} at the start to {number[-1]:.1f} at the end, after {lasting(end)}."


def _when(day: float, end: float) -> str:
    return f"on day {day:.0f}" if end >= 1.0 else f"after {lasting(day)}"


@developed
def structured(run: RunLike) -> list[str]:
    """The projections on spines, and those without of which synapses were born or died."""
    every = [q["name"] for q in run.network["projections"]]
    return [name for name in every if name in run.plastic or run.log.batch(name).uid.size]


@developed
def sentence(run: RunLike, control: RunLike | None = None) -> str:
    """What became of the structure of a run, in a sentence or two for each projection, beside a control.

    Fields are spoken of where the projection can have a map (`neurodev.plot.fields.mapped`).
    """
    told, maps = [], fields.mapped(run)
    for name in structured(run):
        told.append(_course(run, name))
        words = _map_words(run.summary(name), True) if name in maps and run.days >= 1.0 else ""
        if words:
            theirs = _map_words(control.summary(name), False) if control is not None else ""
            beside = f"; in the control they {theirs}." if theirs else "."
            told.append(f"{'Its r' if len(structured(run)) > 1 else 'R'}eceptive fields {words}{beside}")
    return " ".join(told)


def _value(x: float) -> str:
    return f"{x:.2f}" if np.isfinite(x) else "n/a"


def _band(check: CheckLike) -> str:
    if check.low is None:
        return f"at most {check.high:g}"
    return f"at least {check.low:g}" if check.high is None else f"{check.low:g} to {check.high:g}"


def _table(run: RunLike, control: RunLike | None) -> str:
    rows = run.checks(control)
    if not rows:
        return ""
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
        f"<p class=note>{held} of {len(rows)} numbers lie inside the bands that the study sets. A run with other "
        "settings, or a shorter one, need not meet them.</p>"
    )
    return f"<table><tr>{head}</tr>{body}</table>{note}"


def _density(run: RunLike, name: str, control: RunLike | None) -> str:
    fig = new_figure(10.5, 6.4)
    top, bottom = fig.subplots(2, 1)
    evolution.density(top, run, control, name)
    evolution.causes(bottom, run, name)
    return image(fig, f"Density of {name} over life; births and deaths by cause")


def _longest(run: RunLike, name: str) -> tuple[Any, bool]:
    """The longest life of a projection that came to an end, or the oldest if none did; and whether it did."""
    s = run.spines
    mine = np.flatnonzero(s.owner == s.projections.index(name))
    dead = mine[~np.isnan(s.died[mine])]
    among = dead if dead.size else mine
    return s[int(s.uid[among[int(np.argmax(s.life[among]))]])], bool(dead.size)


def _raster(run: RunLike, name: str) -> str:
    longest, ended = _longest(run, name)
    picture = image(
        evolution.single(evolution.raster, run, size=(10.5, 6.6), projection=name), "One line for each spine of a few"
    )
    which = "the longest that came to an end" if ended else "the oldest; none came to an end"
    told = f"<p class=note>One of these lives, {which}:</p><blockquote>{html.escape(longest.story())}</blockquote>"
    return picture + told + svg(spine.spine_figure(longest))


def _survival(run: RunLike, name: str) -> str:
    """Kaplan-Meier, and death rates where there are enough days to tell them."""
    s = run.spines
    mine = s.owner == s.projections.index(name)
    standing = not bool((mine & (s.born > 1e-9)).any())
    by_day = run.days >= 1.0 and f"deaths/{name}" in run.series_names
    fig = new_figure(11.0, 3.7)
    axes: Any = fig.subplots(1, 3, width_ratios=[1.5, 1, 1]) if by_day else [fig.add_subplot()]
    evolution.survival(axes[0], run, standing=standing, projection=name)
    if by_day:
        evolution.death_rates_by_age(axes[1], run, name)
        evolution.death_rates(axes[2], run, projection=name)
    return image(fig, f"Survival in {name}" + ("; death rates by age and over life" if by_day else ""))


def _structure(run: RunLike, name: str, control: RunLike | None) -> list[Section]:
    """(title, note, content) of the sections about one projection: those of which it has something to show."""
    label = f": {name}" if len(structured(run)) > 1 else ""
    lived, on_spines, out = bool(run.log.batch(name).uid.size), name in run.plastic, []
    theirs = control if control is not None and name in structured(control) else None
    if lived or (theirs is not None and theirs.log.batch(name).uid.size):
        note = "Every birth and death is logged with the cause that decided it."
        out.append((f"Density and causes{label}", note, _density(run, name, theirs)))
    if lived and on_spines:
        note = "Each line is one spine from birth to death; its colour is the cause of its death."
        out.append((f"Spine raster{label}", note, _raster(run, name)))
        note = "Age is counted from birth; spines that live on at the end are censored, not dropped."
        out.append((f"Survival{label}", note, _survival(run, name)))
    if run.days >= run.tick_days and evolution.sized(run, name):  # not those that it was given, before anything acted
        note = "The dark line is the log-normal of the same mean and sd"
        note += "; the dotted line is where spines are lost." if run.smallest_size(name) is not None else "."
        sizes = evolution.single(evolution.size_distribution, run, theirs, size=(9.5, 3.8), projection=name)
        out.append((f"Sizes{label}", note, image(sizes, "Distribution of spine sizes")))
    return out + _maps(run, name, theirs)


def _maps(run: RunLike, name: str, theirs: RunLike | None) -> list[Section]:
    """Receptive fields, where a projection can have a map and there was time for it to change."""
    if name not in fields.mapped(run) or len(run.snapshot_days) < 2 or run.days < 1.0:
        return []
    label = f": {name}" if len(structured(run)) > 1 else ""
    maps = "Receptive fields, first day and last" + (", and control" if theirs is not None else "") + label
    note = "The floor is the radius of as many contacts of equal weight, one a pair, packed as tightly as the "
    note += "sources stand: fewer inputs alone make it smaller, and a field of a few heavy ones can lie below it."
    picture = image(fields.map_figure(run, theirs, name), "Receptive fields, their radii, and topography")
    return [(maps, note, picture)]


def _interventions(run: RunLike) -> list[Section]:
    """What the experimenter did, by the numbers that mark it in the panels."""
    done = interventions(run)
    if not done:
        return []
    late = [d for d in done if d.day > run.days * (1 + 1e-9)]
    rows = "".join(
        f"<tr><td class=n>{k}</td><td>{html.escape(moment(d.day, run.days))}</td><td>{html.escape(d.text)}"
        f"{' (never done: the run ended before)' if d in late else ''}</td></tr>"
        for k, d in enumerate(done, 1)
    )
    note = "Dashed lines in the panels over time. Deaths by it are the experimenter's, under whatever cause it names."
    head = "<tr><th class=n></th><th>when</th><th>what</th></tr>"
    return [("Interventions", note, f"<table>{head}{rows}</table>")]


def _lead(run: RunLike, control: RunLike | None) -> str:
    """What there is to be said of a run, and what there is not."""
    said = []
    if not run.plastic:
        said.append("No projection of this network is on spines.")
    if words := sentence(run, control):
        said.append(words)
    elif not run.plastic:
        said.append("No synapse was born and none died: there is no structure to follow.")
    if run.days < run.tick_days:
        said.append(
            f"The run is shorter than one tick ({lasting(run.tick_days)} of life): "
            "what acts at ticks has not acted yet."
        )
    return f"<p class=lead>{html.escape(' '.join(said))}</p>"


@drawn()
@remembered()
def write(run: RunLike, path: str | Path, control: RunLike | None = None) -> Path:
    """Write the report of a run (and its control) as one HTML page that needs nothing else.

    Order: what became of the structure; numbers beside the bands that the study sets; interventions; of each
    projection that has them density and causes, raster, survival, sizes, map; neurons; rates; provenance and what was
    approximate.  What a run does not have has no section.

    Parameters
    ----------
    run, control : Run
    path : path
        The page; an existing one is replaced.

    Returns
    -------
    Path

    Raises
    ------
    ParameterError
        If the path holds a run; if the control is of another network, or one of the two is a training.
    NeurodevError
        If the page cannot be written.
    """
    output.checked(path)  # before anything is drawn
    if control is not None:
        comparable(run, control, run.network["projections"])
    if run.is_training:
        return training_report.write(run, path)
    sections = _interventions(run)
    for name in structured(run):
        sections += _structure(run, name, control)
    return write_page(path, name_of(run), _head(run, control), sections + _rest(run))


def _head(run: RunLike, control: RunLike | None) -> str:
    """What came out, and the numbers beside their bands."""
    seed = html.escape(str(run.provenance.get("seed", "?")))
    lead = f"<p class=sub>{lasting(run.days)} of life, seed {seed}"
    lead += f"; control: {html.escape(control.path.name)}</p>" if control is not None else "</p>"
    return lead + _lead(run, control) + (_table(run, control) if run.plastic else "")


def _rest(run: RunLike) -> list[Section]:
    """Neurons, rates, provenance: what has to do with no one projection."""
    sections: list[Section] = []
    if lives.changing(run):
        note = "With a neuron die its synapses both ways; a newborn one starts without any."
        picture = image(lives.lives_figure(run), "Living neurons; neurons born and dead by cause")
        sections.append(("Neurons", note, picture))
    if activity.has_rates(run) or activity.has_trains(run):
        title = "Rates" if not activity.has_trains(run) else "Rates and spikes"
        sections.append((title, "", image(activity.activity_figure(run), "Rates over life, and recorded spikes")))
    return [*sections, ("Provenance, and what was approximate", "", provenance(run))]


@drawn()
def around(run: RunLike, control: RunLike | None = None) -> tuple[str, list[Section]]:
    """What an interactive page has above and below its panels, as markup: what is no matter of single lives.

    The numbers beside their bands; interventions, maps, neurons, rates, provenance; of a training weights and cost.
    """
    if control is not None:
        comparable(run, control, run.network["projections"])
    if run.is_training:
        return training_report.around(run)
    sections = _interventions(run)
    for name in structured(run):
        theirs = control if control is not None and name in structured(control) else None
        sections += _maps(run, name, theirs)
    return _head(run, control), sections + _rest(run)

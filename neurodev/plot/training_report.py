"""One self-contained HTML page about a run of training: what it learned, what lived and died, what it cost."""

from __future__ import annotations

import html
from pathlib import Path

from neurodev.plot import evolution, output, spine, training
from neurodev.plot.asked import remembered
from neurodev.plot.door import trained
from neurodev.plot.page import Section, image, name_of, provenance, write_page
from neurodev.plot.style import new_figure, svg
from neurodev.structure.run_like import RunLike


def _learning(run: RunLike) -> str:
    fig = new_figure(11.0, 3.4)
    left, right = fig.subplots(1, 2)
    training.accuracy(left, run)
    training.loss(right, run)
    return image(fig, "Accuracy and loss in each epoch")


def _structure(run: RunLike) -> str:
    fig = new_figure(11.0, 3.8)
    left, right = fig.subplots(1, 2, width_ratios=[1, 1.3])
    training.densities(left, run)
    training.exchanges(right, run)
    return image(fig, "Density of each tensor; births and deaths by cause in each epoch")


def _raster(run: RunLike) -> str:
    picture = image(
        evolution.single(training.raster, run, size=(10.5, 6.6)), "One line for each synapse of a few units"
    )
    longest = run.spines.longest()
    which = "the longest that came to an end" if longest.died is not None else "the oldest; none came to an end"
    told = f"<p class=note>One of these lives, {which}:</p><blockquote>"
    return picture + told + html.escape(longest.story()) + "</blockquote>" + svg(spine.synapse_figure(longest))


def _weights(run: RunLike) -> str:
    fig = new_figure(11.0, 3.6)
    left, right = fig.subplots(1, 2)
    training.weights(left, run)
    training.size_distribution(right, run)
    return image(fig, "Weights and sizes at the start and at the end")


def _cost(run: RunLike) -> str:
    fig = new_figure(11.0, 3.6)
    left, right = fig.subplots(1, 2)
    training.rates(left, run)
    training.operations(right, run)
    return image(fig, "Spike rates; synaptic operations beside those of a dense network")


def _table(run: RunLike) -> str:
    """Each weight tensor at the end."""
    t = run.training
    head = "".join(
        f"<th{' class=n' * (k > 0)}>{word}</th>"
        for k, word in enumerate(("weight tensor", "synapses", "density", "births", "deaths", "units with a synapse"))
    )
    body = ""
    for name in t.tensors:
        living, units = t.units(name)
        numbers = [run.series(f"n_synapse/{name}")[-1], *(t.layers(k)[name].sum() for k in ("births", "deaths"))]
        cells = [f"{numbers[0]:,.0f}", f"{t.density(name)[1][-1]:.4g}", f"{numbers[1]:,.0f}", f"{numbers[2]:,.0f}"]
        cells.append(f"{living:,} of {units:,}")
        body += f"<tr><td>{html.escape(name)}</td>" + "".join(f"<td class=n>{c}</td>" for c in cells) + "</tr>"
    return f"<table><tr>{head}</tr>{body}</table>"


@trained
@remembered()
def write(run: RunLike, path: str | Path) -> Path:
    """Write the report of a run of training as one HTML page that needs nothing else.

    Order: what came out; accuracy and loss; density, births and deaths; raster; survival; weights; rates and
    operations; provenance and what was approximate.

    Parameters
    ----------
    run : Run
        Of training.
    path : path
        The page; an existing one is replaced.

    Returns
    -------
    Path
    """
    output.checked(path)  # before anything is drawn
    sections: list[Section] = []
    if run.training.n_epoch:
        sections = [("Learning", "", _learning(run))]
        if run.log.all.uid.size:  # a net that keeps its structure has no lives to be told
            survival = evolution.single(training.survival, run, size=(9.5, 3.8))
            sections += [
                ("Density, births and deaths", "Every birth and death is logged with the rule that decided it.",
                 _structure(run)),
                ("Synapses from birth to death", "Each line is one synapse; its colour is the cause of its death.",
                 _raster(run)),
                ("Survival", "Age is counted from birth; synapses that live on at the end are censored, not dropped.",
                 image(survival, "Survival of synapses")),
            ]  # fmt: skip
    return write_page(path, name_of(run), _head(run), sections + _rest(run))


def _head(run: RunLike) -> str:
    """What came out, and each weight tensor."""
    t = run.training
    seed = html.escape(str(run.provenance.get("seed", "?")))
    epochs = f"{t.n_epoch} epoch{'s' * (t.n_epoch != 1)}"
    body = f"<p class=sub>{epochs} of training, seed {seed}</p>"
    return body + f"<p class=lead>{html.escape(t.sentence())}</p>" + (_table(run) if t.n_epoch else "")


def _rest(run: RunLike) -> list[Section]:
    sections: list[Section] = []
    if run.training.n_epoch:
        note = "An operation is a weight read because a spike arrived; forward passes of training."
        sections = [
            ("Weights", "The size of a trained synapse is its |weight|.", _weights(run)),
            ("Activity and cost", note, _cost(run)),
        ]
    return [*sections, ("Provenance, and what was approximate", "", provenance(run))]


@trained
def around(run: RunLike) -> tuple[str, list[Section]]:
    """What an interactive page has above and below its panels, as markup."""
    return _head(run), _rest(run)

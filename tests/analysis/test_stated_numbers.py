"""The numbers that the READMEs of the five structural data sets state, each through a `History`, to rounding.

What the readers give of each table is asserted in `tests/formats/test_data_sets.py` as well; here they come by the
short names that the programs of `analysis/` take.
"""

from __future__ import annotations

import csv
import importlib.util
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import neurodev as nd
from analysis import common, source
from neurodev.errors import ParameterError
from neurodev.metrics import sizes, topology, turnover

SHEETS = {
    "nakajo": ("Fig.m_WT (gray)_72h", "synapse"), "nakajo_ko": ("Fig.m_KO (green)_72h", "synapse"),
    "nakajo_24h": ("Fig. m_WT (gray)_24h", "synapse"), "nakajo_ko_24h": ("Fig. m_KO (green)_24h", "synapse#"),
}  # fmt: skip


def history(name: str) -> Any:
    """A data set, or a skip that says why."""
    try:
        return source.data_set(name)
    except ParameterError as e:
        pytest.skip(f"no data: {e}")


def beside(name: str, file: str) -> Path:
    """Another file of a data set."""
    d = source.DATA[name]
    try:
        return common.find(d.folder, None, [file], d.source) / file
    except ParameterError as e:
        pytest.skip(f"no data: {e}")


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as f:
        return list(csv.DictReader(f))


def skew(x: np.ndarray) -> float:
    return float(((x - x.mean()) ** 3).mean() / x.std() ** 3)


def test_melander() -> None:
    """721 rows of the paper's matrix: survival, gains and losses, log-normal sizes; 14 dendrites, every 4 days."""
    h = history("melander")
    assert len(h) == 721 and len(h.by("dendrite")) == 14 and h.sessions.tolist() == [4.0 * k for k in range(8)]
    here, changes = h.present(), h.changes()
    assert here[:, 0].sum() == 496
    np.testing.assert_allclose(
        turnover.session_survival(here)[1:], [0.90, 0.84, 0.79, 0.76, 0.73, 0.72, 0.70], atol=0.005
    )
    np.testing.assert_allclose(h.survival("standing", place=1.0).at(h.sessions[1:]),
                               [0.90, 0.84, 0.79, 0.76, 0.73, 0.72, 0.70], atol=0.011)  # fmt: skip
    assert (changes.gained.min(), changes.gained.max()) == (27, 37)
    assert (changes.lost.min(), changes.lost.max()) == (30, 50)
    x = h.log_sizes()
    x = x[np.isfinite(x)]
    assert (round(x.std(), 2), abs(round(skew(x), 2))) == (0.94, 0.0)


def test_melander_of_scored_structures() -> None:
    """809 rows before the authors' quality filter, which the sizes do not have."""
    path = beside("melander", "pyr_annotations.npz")
    with np.load(path, allow_pickle=False) as f:
        tag, dendrite, days = f["tag"], f["dendrite"], f["session_days"]
    h = nd.History.of_sessions(tag > 0, 4.0 * np.arange(8), columns={"dendrite": dendrite})
    assert len(h) == 809 and len(h.by("dendrite")) == 14 and not h.notes
    assert sorted(np.unique(tag).tolist()) == [0, 1, 2, 3, 4] and (tag == 4).sum() == 5
    np.testing.assert_array_equal(days, np.tile(4 * np.arange(8), (14, 1)))


@pytest.mark.parametrize(
    ("name", "synapses", "cells", "at_first", "throughout"),
    [("nakajo", 363, 25, 257, 194), ("nakajo_ko", 296, 19, 220, 166), ("nakajo_24h", 219, 15, 171, 130),
     ("nakajo_ko_24h", 143, 8, 112, 93)],
)  # fmt: skip
def test_nakajo(name: str, synapses: int, cells: int, at_first: int, throughout: int) -> None:
    h = history(name)
    found = (len(h), len(h.by("cell")), int(h.standing.sum()), int(h.present().all(axis=1).sum()))
    assert found == (synapses, cells, at_first, throughout)
    assert h.survival("standing", place=1.0).at(h.end) == pytest.approx(throughout / at_first)


@pytest.mark.skipif(importlib.util.find_spec("openpyxl") is None, reason="openpyxl is not installed")
@pytest.mark.parametrize(("name", "wrong"), [("nakajo", 7), ("nakajo_ko", 2), ("nakajo_24h", 1), ("nakajo_ko_24h", 2)])
def test_nakajo_marks_against_its_column_of_lives(name: str, wrong: int) -> None:
    """In so many rows the marks of the sheet disagree with the column "life", of which the tables are drawn."""
    lived = history(name)
    sheet, synapse = SHEETS[name]
    marked = nd.read_sessions(
        beside(name, "synapse_data.xlsx"), sheet=sheet, header=4, unit="hour",
        id=["Experiment", "animal", "cell", synapse], fill=["Experiment", "animal", "cell"],
        session=[f"{t:g}h" for t in lived.sessions],
    )  # fmt: skip
    assert len(marked) == len(lived)
    there = [dict(zip(h.ident.tolist(), map(tuple, h.present().tolist()), strict=True)) for h in (lived, marked)]
    assert there[0].keys() == there[1].keys()
    assert sum(there[0][k] != there[1][k] for k in there[0]) == wrong


def test_witvliet() -> None:
    """Synapses at eight ages, connections, and their classes."""
    h = history("witvliet")
    totals = [1296, 1895, 2128, 2777, 4116, 4456, 7467, 7970]
    assert np.nansum(h.sizes(), axis=0).astype(int).tolist() == totals and sum(totals) == 32105
    assert (len(h), int(h.present().sum())) == (3676, 11337)
    classes = rows(beside("witvliet", "connection_classifications.csv"))
    assert {f"{r['pre']}>{r['post']}" for r in classes} == set(h.ident.tolist())
    said = Counter(r["classification"].split(" ")[0].strip("()") for r in classes)
    weak = sum("(weakened)" in r["classification"] for r in classes)
    assert (said["stable"], said["variable"], said["post-embryonic"]) == (829, 1995, 554)
    assert (said["developmentally"] - weak, weak) == (278, 20)
    # what the authors call stable is there at most ages, what they call variable at few
    word = {f"{r['pre']}>{r['post']}": r["classification"] for r in classes}
    ages = h.present().sum(axis=1)
    mean = {k: np.mean([a for i, a in zip(h.ident.tolist(), ages, strict=True) if word[i] == k])
            for k in ("stable", "variable")}  # fmt: skip
    assert mean["stable"] > 5.0 > 2.0 > mean["variable"]


def test_witvliet_as_arrays() -> None:
    """The same of the matrices: (8, 224, 180) of [age, post, pre], seven sized, hours after birth."""
    h, path = history("witvliet"), beside("witvliet", "connectomes_8stages.npz")
    with np.load(path, allow_pickle=False) as f:
        shapes = {k: f[k].shape for k in ("counts", "sizes", "contacts")}
        hours = f["counts_stage_hours_after_birth"].tolist()
    assert shapes == {"counts": (8, 224, 180), "sizes": (7, 224, 180), "contacts": (7, 212, 212)}
    assert hours == [0, 5, 8, 16, 23, 27, 50, 50] and h.sessions.tolist() == [*hours[:-1], 51.0]
    cube = nd.read_edges(path, size="counts", pre="counts_pre", post="counts_post", sources="columns",
                         ages=h.sessions, unit="hour")  # fmt: skip
    assert cube.ident.tolist() == h.ident.tolist()
    np.testing.assert_array_equal(cube.present(), h.present())


def test_kasthuri() -> None:
    """Spread of PSD sizes, volumes in um3, and pairs of one axon on one dendrite."""
    whole = nd.read_sessions(beside("kasthuri", "synapses.csv"), id="synapse", size="psd_size_px", days=0)
    volume = whole.column("spine_volume_vox").astype(float)
    assert len(whole) == 1700 and abs(np.median(volume) - 2785) < 1
    h = history("kasthuri")
    x = h.log_sizes()[:, 0]
    assert (len(h), round(x.std(), 2), round(skew(x), 2)) == (1405, 0.85, -0.14)
    volume = h.column("spine_volume_vox").astype(float)
    known = volume > 0
    assert round(float(np.median(volume[known])) * 0.024 * 0.024 * 0.030, 3) == 0.066
    assert round(np.corrcoef(x[known], np.log(volume[known]))[0, 1], 2) == 0.64
    axon, dendrite = (h.column(k).astype(int)[known] for k in ("pre", "post"))
    pairs = sizes.partner_pairs(np.log(volume[known]), axon, dendrite, first_two=True)
    assert len(pairs) == 85 and round(np.corrcoef(pairs.T)[0, 1], 2) == 0.44
    contacts = topology.contacts_per_pair(axon, dendrite, int(dendrite.max()) + 1)
    assert contacts[2:].sum() == 85  # pairs of partners with more than one contact


def test_kasthuri_groups() -> None:
    """28 groups of the same axon on the same dendrite, 59 synapses."""
    groups = Counter(r["group"] for r in rows(beside("kasthuri", "sasd_groups.csv")))
    assert (len(groups), sum(groups.values())) == (28, 59) and min(groups.values()) == 2


def test_horton() -> None:
    """Excitatory and inhibitory regions on 13 branches of two neurons, and the channel that is an error."""
    h = history("horton")
    parts = h.by("channel")
    assert (len(parts["gfp"]), len(parts["tdt"]), len(h.by("dendrite")), len(h.by("cell"))) == (406, 123, 13, 2)
    assert len(list((beside("horton", "synapse_rois.csv").parent / "swc").glob("*.swc"))) == 13
    whole = nd.read_sessions(
        beside("horton", "synapse_rois.csv"), id=["cell", "branch", "channel", "roi"], dendrite=["cell", "branch"],
        position=["x_um", "y_um", "z_um_at_peak"], size="sum_of_max_over_z", days=0,
    )  # fmt: skip
    assert (len(whole), len(whole.by("channel")["tdt"])) == (555, 149)
    both = whole.select(dendrite="cell2/branch6").by("channel").values()
    places = [sorted(zip(p.column("x").tolist(), p.column("y").tolist(), strict=True)) for p in both]
    assert len(places[0]) == 26 and places[0] == places[1]

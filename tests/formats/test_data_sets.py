"""The summary numbers of the structural data sets, each out of its own files, to rounding."""

from __future__ import annotations

import csv
import importlib.util

import numpy as np
import pytest

import neurodev as nd
from neurodev.formats.presets import PRESETS
from neurodev.metrics import turnover
from tests.places import data_folder

MELANDER = data_folder("synapse_dynamics_melander2021")
NAKAJO = data_folder("synapse_lifetimes_nakajo2025")
WITVLIET = data_folder("celegans_development_witvliet2021")
KASTHURI = data_folder("synapses_em_kasthuri2015")
HORTON = data_folder("dendrite_synapse_maps_horton2024")
books = pytest.mark.skipif(importlib.util.find_spec("openpyxl") is None, reason="openpyxl is not installed")


@pytest.mark.skipif(not MELANDER.is_dir(), reason="no data: synapse sizes of Melander 2021")
def test_melander() -> None:
    h = nd.read_sessions(MELANDER / "pyr_synapse_sizes.npz", "melander")
    here = h.present()
    assert int(here[:, 0].sum()) == 496 and len(h.by("dendrite")) == 14
    survived = turnover.session_survival(here)[1:]
    np.testing.assert_allclose(survived, [0.90, 0.84, 0.79, 0.76, 0.73, 0.72, 0.70], atol=0.0051)
    changes = h.changes()
    assert (changes.gained.min(), changes.gained.max()) == (27, 37)
    assert (changes.lost.min(), changes.lost.max()) == (30, 50)
    x = h.log_sizes()
    x = x[np.isfinite(x)]
    assert x.std() == pytest.approx(0.94, abs=0.005)
    assert ((x - x.mean()) ** 3).mean() / x.std() ** 3 == pytest.approx(0.0, abs=0.005)
    scored = nd.read_sessions(MELANDER / "pyr_synapse_sizes.npz", "melander", size="size_norm", dendrite="dendrite")
    assert len(scored) == 721 and "1 rows were never seen" in scored.notes[-1]  # of 722


@pytest.mark.skipif(not NAKAJO.is_dir(), reason="no data: synapse lifetimes of Nakajo 2025")
@pytest.mark.parametrize(
    ("name", "n", "cells", "first", "throughout"),
    [
        ("wt_72h", 363, 25, 257, 194), ("ko_mmp14b_72h", 296, 19, 220, 166),
        ("wt_24h", 219, 15, 171, 130), ("ko_mmp14b_24h", 143, 8, 112, 93),
    ],
)  # fmt: skip
def test_nakajo(name: str, n: int, cells: int, first: int, throughout: int) -> None:
    h = nd.read_sessions(NAKAJO / f"{name}.csv", "nakajo")
    assert (len(h), np.unique(h.column("cell")).size, int(h.standing.sum())) == (n, cells, first)
    assert int((h.standing & np.isinf(h.died[:, 1])).sum()) == throughout and not h.notes


@books
@pytest.mark.skipif(not NAKAJO.is_dir(), reason="no data: synapse lifetimes of Nakajo 2025")
def test_nakajo_by_the_marks_of_its_workbook() -> None:
    """In seven rows the marks disagree with the column "life", of which the tables of first and last are drawn."""
    h = nd.read_sessions(
        NAKAJO / "synapse_data.xlsx", sheet="Fig.m_WT (gray)_72h", header=4, unit="hour",
        id=["Experiment", "animal", "cell", "synapse"], fill=["Experiment", "animal", "cell"],
        session=["0h", "6h", "12h", "24h", "48h", "72h"],
    )  # fmt: skip
    assert len(h) == 363 and not h.notes
    with (NAKAJO / "wt_72h.csv").open() as f:
        life = {
            tuple(r[k] for k in ("experiment", "animal", "cell", "synapse")): (r["first_seen_h"], r["last_seen_h"])
            for r in csv.DictReader(f)
        }
    first, last = turnover.sightings(h.present(), h.sessions)
    marks = {tuple(i.split("/")): (f"{a:g}", f"{b:g}") for i, a, b in zip(h.ident.tolist(), first, last, strict=True)}
    assert set(marks) == set(life)
    assert sum(marks[k] != life[k] for k in marks) <= 7


@pytest.mark.skipif(not WITVLIET.is_dir(), reason="no data: connectomes of Witvliet 2021")
def test_witvliet() -> None:
    totals = [1296, 1895, 2128, 2777, 4116, 4456, 7467, 7970]
    listed = nd.read_edges(WITVLIET / "synapse_list.csv", "witvliet")
    assert np.nansum(listed.sizes(), axis=0).astype(int).tolist() == totals
    assert len(listed) == 3676 and listed.present().sum() == 11337
    cube = nd.read_edges(
        WITVLIET / "connectomes_8stages.npz", size="counts", pre="counts_pre", post="counts_post", sources="columns",
        ages=listed.sessions, unit="hour",
    )  # fmt: skip
    assert cube.ident.tolist() == listed.ident.tolist()
    np.testing.assert_array_equal(cube.sizes(), listed.sizes())
    sized = nd.read_edges(WITVLIET / "synapse_list.csv", "witvliet", size="size")
    np.testing.assert_array_equal(sized.present(), listed.present())
    assert "7,467 rows have no size" in sized.notes[-1]  # Dataset7 was not measured
    np.testing.assert_array_equal(sized.born, listed.born)


@books
@pytest.mark.skipif(not WITVLIET.is_dir(), reason="no data: connectomes of Witvliet 2021")
def test_witvliet_by_its_sheets() -> None:
    ages = PRESETS["witvliet"].given["ages"]
    two = {k: ages[k] for k in ("Dataset1", "Dataset8")}
    h = nd.read_edges(WITVLIET / "synapse_count_matrices.xlsx", ages=two, unit="hour")
    assert np.nansum(h.sizes(), axis=0).astype(int).tolist() == [1296, 7970]
    whole = nd.read_edges(WITVLIET / "synapse_list.csv", "witvliet").sizes()[:, [0, 7]]
    assert len(h) == np.isfinite(whole).any(axis=1).sum() and "'Dataset2'" in h.notes[0]


@pytest.mark.skipif(not KASTHURI.is_dir(), reason="no data: synapses of Kasthuri 2015")
def test_kasthuri() -> None:
    """One picture: sizes, and no lives."""
    h = nd.read_sessions(KASTHURI / "synapses.csv", id="synapse", size="psd_size_px", days=0)
    assert len(h) == 1700
    excitatory = h.select(axon_type=0, is_spine_synapse=1)
    x = excitatory.log_sizes()[:, 0]
    assert x.size == 1405 and x.std() == pytest.approx(0.85, abs=0.005)
    assert ((x - x.mean()) ** 3).mean() / x.std() ** 3 == pytest.approx(-0.14, abs=0.005)
    volume = excitatory.column("spine_volume_vox").astype(float)
    known = volume > 0
    assert np.corrcoef(x[known], np.log(volume[known]))[0, 1] == pytest.approx(0.64, abs=0.005)


@pytest.mark.skipif(not HORTON.is_dir(), reason="no data: dendritic maps of Horton 2024")
def test_horton() -> None:
    """One picture: places along 13 branches, of two channels."""
    h = nd.read_sessions(
        HORTON / "synapse_rois.csv", id=["cell", "branch", "channel", "roi"], dendrite=["cell", "branch"],
        position=["x_um", "y_um", "z_um_at_peak"], size="sum_of_max_over_z", days=0,
    )  # fmt: skip
    parts = h.by("channel")
    assert (len(h), len(h.by("dendrite")), len(parts["gfp"]), len(parts["tdt"])) == (555, 13, 406, 149)
    assert len(parts["tdt"].select(parts["tdt"].column("dendrite") != "cell2/branch6")) == 123
    assert {"x", "y", "z"} <= set(h.columns)

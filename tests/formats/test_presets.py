"""The forms that are known by name, each with one true header line and a row or two beneath."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import neurodev as nd
from neurodev.errors import ParameterError
from neurodev.formats.presets import PRESETS
from tests.formats.made import lines


def test_melander(tmp_path: Path) -> None:
    table = np.zeros((3, 8))
    table[0], table[1, 2:5], table[2, 7] = 1.5, 0.7, 2.0
    np.savez(
        tmp_path / "pyr_synapse_sizes.npz", size_norm=np.ones((4, 8)), dendrite=np.zeros(4, int),
        size_quantile4060=table, size_quantile4060_dendrite=[0, 0, 1],
    )  # fmt: skip
    h = nd.read_sessions(tmp_path / "pyr_synapse_sizes.npz", "melander")
    assert h.number(h.sessions).tolist() == [1, 1, 2, 2, 2, 1, 1, 2] and h.sessions[-1] == 28.0
    assert h.column("dendrite").tolist() == [0, 0, 1]
    more = nd.read_sessions(tmp_path / "pyr_synapse_sizes.npz", "melander", size="size_norm", dendrite="dendrite")
    assert len(more) == 4


def test_nakajo(tmp_path: Path) -> None:
    head = "experiment,animal,cell,dendrite_length_um,synapse,first_seen_h,last_seen_h"
    path = lines(
        tmp_path / "wt.csv",
        head,
        "Experiment #1,fish1,Cell1,28.6,Synapse#1,0,24",
        "Experiment #1,fish1,Cell2,9,Synapse#1,0,6",
    )
    h = nd.read_sessions(path, "nakajo", days=[0, 6, 12, 24])
    assert h.unit == "hour" and h.column("cell").tolist() == ["Experiment #1/fish1/Cell1", "Experiment #1/fish1/Cell2"]
    assert h.died.tolist() == [[24.0, np.inf], [6.0, 12.0]] and h.standing.all()


def test_loewenstein(tmp_path: Path) -> None:
    """Thirteen columns without names: cell, dendrite, spine, session, relative intensity; two of shape; and others."""
    rows = ["1,1,1,1,0.9,1,2,0,0,0,0,0,0.1", "1,1,1,2,1.1,1,2,0,0,0,0,0,0.1", "1,2,1,6,0.4,1,2,0,0,0,0,0,0.5"]
    h = nd.read_sessions(lines(tmp_path / "spines.csv", *rows), "loewenstein", days=[0, 4, 20])
    assert h.ident.tolist() == ["1/1/1", "1/2/1"] and h.column("dendrite").tolist() == ["1/1", "1/2"]
    np.testing.assert_array_equal(h.sizes(), [[0.9, 1.1, np.nan], [np.nan, np.nan, 0.4]])
    with pytest.raises(ParameterError, match="days must hold a time for each of the 3 sessions"):
        nd.read_sessions(tmp_path / "spines.csv", "loewenstein")  # which has six


def test_mapmanager(tmp_path: Path) -> None:
    head = '"spineID","segmentID","point","anchor","xBackgroundOffset","yBackgroundOffset","z","anchorZ","roiExtend",'
    path = lines(
        tmp_path / "points.csv", head + '"modified","t"',
        '0,0,"POINT (431 239)","POINT (425 225.4)",21.0,0.0,31,31,4,0,0',
        '0,0,"POINT (400 239)","POINT (425 225.4)",21.0,0.0,31,31,4,0,1',
        '1,2,"POINT (382 250)","POINT (378 236)",21.0,14.0,31.0,31.0,4,0,0',
    )  # fmt: skip
    h = nd.read_sessions(path, "mapmanager")
    assert h.unit == "session" and any("numbered" in n for n in h.notes)
    assert h.present().tolist() == [[True, True], [True, False]] and h.column("dendrite").tolist() == [0, 2]
    assert nd.read_sessions(path, "mapmanager", days=[0, 7]).sessions.tolist() == [0.0, 7.0]
    whole = lines(
        tmp_path / "spines.csv", "spineID,t,segmentID,x,y,z,spinePosition,accept,userType",
        "0,0,0,431,239,31,12.5,True,0", "0,1,0,400,239,31,12.5,False,0",
        "1,0,0,382,250,31,2.5,True,0", "1,1,0,382,250,31,2.5,True,0",
    )  # fmt: skip
    h = nd.read_sessions(whole, "mapmanager", days=[0, 7])
    assert h.looked is not None and h.looked.tolist() == [[True, False], [True, True]]
    assert h.column("place").tolist() == [12.5, 2.5] and h.column("x").tolist() == [431.0, 382.0]


def test_respan(tmp_path: Path) -> None:
    head = "spine_id,x,y,z,dendrite_id,geodesic_dist_to_soma,spine_vol,head_vol,neck_length,spine_type"
    lines(tmp_path / "d0.csv", head, "1,10,10,5,1,80,0.2,0.1,0.5,Mushroom", "2,30,10,5,1,90,0.3,0.1,0.5,Stubby")
    lines(tmp_path / "d4.csv", head, "1,30.5,10,5,1,90,0.4,0.1,0.5,Stubby")
    h = nd.read_sessions(tmp_path, "respan", within=1.0)
    np.testing.assert_array_equal(h.sizes(), [[0.2, np.nan], [0.3, 0.4]])
    with pytest.raises(ParameterError, match="within must say how far"):
        nd.read_sessions(tmp_path, "respan")


def test_synapflow(tmp_path: Path) -> None:
    head = "filename,width,height,xmin,ymin,xmax,ymax,id"
    lines(tmp_path / "t1.csv", head, "a_layer001.png,512,512,10,10,20,20,3", "a_layer002.png,512,512,11,10,21,20,3")
    lines(tmp_path / "t2.csv", head, "b_layer002.png,512,512,11,10,21,20,3", "b_layer002.png,512,512,90,10,99,20,4")
    h = nd.read_sessions(tmp_path, "synapflow", days=[0, 4])
    assert h.ident.tolist() == [3, 4] and h.present().tolist() == [[True, True], [False, True]]


def test_neuronstudio(tmp_path: Path) -> None:
    head = "ID SECTION-NUMBER X Y Z HEAD-DIAMETER NECK-DIAMETER MAX-DTS TYPE SOMA-DISTANCE"
    lines(
        tmp_path / "s0.txt",
        head,
        "1 4 10.0 12.0 3.0 0.45 0.1 1.2 mushroom 80",
        "2 4 20.0 12.0 3.0 0.35 0.1 1.2 thin 90",
    )
    lines(tmp_path / "s4.txt", head, "  7 4   10.2 12.0 3.0  0.5 0.1 1.2 mushroom 80")
    h = nd.read_sessions(tmp_path, "neuronstudio", within=0.5)
    np.testing.assert_array_equal(h.sizes(), [[0.45, 0.5], [0.35, np.nan]])


def test_deepd3(tmp_path: Path) -> None:
    lines(tmp_path / "stack1.csv", ",Pos,Y,X", "0,3.0,100.5,20.5", "1,4.0,50.0,10.0")
    lines(tmp_path / "stack2.csv", ",Pos,Y,X", "0,4.0,50.2,10.0")
    h = nd.read_sessions(tmp_path, "deepd3", days=[0, 3], within=1.0, scale=[0.1, 0.1, 0.5])
    assert h.present().tolist() == [[True, False], [True, True]]
    assert h.column("z").tolist() == pytest.approx([1.5, 2.0]) and h.column("x").tolist() == pytest.approx([2.05, 1.0])


def test_kwan(tmp_path: Path) -> None:
    """The names of the dendrite's and of the session's column are yours."""
    path = lines(
        tmp_path / "a.csv", "branch,day,density,formation rate,elimination rate,diameter", "b1,-3,1.0,,,0.5",
        "b1,1,1.1,0.2,0.1,0.5", "b2,-3,2.0,,,0.4", "b2,1,1.8,0.05,0.15,0.4",
    )  # fmt: skip
    c = nd.read_counts(path, "kwan", dendrite="branch", session="day")
    assert c.changes().gained == pytest.approx([0.3]) and c.changes().lost == pytest.approx([0.4])
    with pytest.raises(ParameterError, match="dendrite must say which column"):
        nd.read_counts(path, "kwan")
    with pytest.raises(ParameterError, match=r"use nd.read_counts\(path, 'kwan'\)"):
        nd.read_sessions(path, "kwan")


def test_witvliet(tmp_path: Path) -> None:
    head = "dataset,pre,post,syn_id,sections,size,post_is_branch"
    path = lines(
        tmp_path / "list.csv", head, "Dataset1,ADAL,AVAR,6942483,4.0,146308,no", "Dataset1,ADAL,AVAR,6942484,4.0,1,no",
        "Dataset7,ADAL,AVAR,1,1,-1,no", "Dataset8,ADAL,RICR,1,1,5,no",
    )  # fmt: skip
    h = nd.read_edges(path, "witvliet")
    assert h.sessions.tolist() == [0.0, 50.0, 51.0] and h.unit == "hour"
    np.testing.assert_array_equal(h.sizes(), [[2, 1, np.nan], [np.nan, np.nan, 1]])
    sized = nd.read_edges(path, "witvliet", size="size")
    assert sized.present().tolist() == h.present().tolist() and sized.sizes()[0, 0] == 146309.0
    assert any("row 4 ('-1')" in n for n in sized.notes)


def test_each_has_its_test_and_its_page() -> None:
    here = Path(__file__).read_text(encoding="utf-8")
    for name, preset in PRESETS.items():
        assert f"def test_{name}(" in here and preset.source
        assert hasattr(nd, preset.reader)
    with pytest.raises(ParameterError, match="preset must be .*'nakajo'.*did you mean 'melander'"):
        nd.read_sessions("a.csv", "melandr")

"""NWB by pynwb and its validator."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from neurodev import History
from neurodev.errors import ParameterError
from neurodev.formats.contents import spikes_of
from neurodev.formats.nwb import NWB
from tests.formats.conftest import same

pynwb = pytest.importorskip("pynwb")
pytestmark = pytest.mark.filterwarnings("ignore")  # of theirs


def valid(path: Path) -> bool:
    errors = pynwb.validate(path=str(path))
    found = errors[0] if isinstance(errors, tuple) else errors
    assert isinstance(found, list)
    return not found


def test_the_validator_sees_what_is_missing(strange: History, tmp_path: Path) -> None:
    import h5py

    path = strange.export(tmp_path / "a.nwb")
    assert valid(path)
    with h5py.File(path, "a") as file:
        del file["session_description"]
        del file["processing/structure/lives/id"]
    assert not valid(path)


def test_a_run_by_pynwb(run: Any, tmp_path: Path) -> None:
    path = run.export(tmp_path / "a.nwb")
    assert valid(path)
    h = run.history()
    with pynwb.NWBHDF5IO(str(path), "r") as io:
        file = io.read()
        assert file.subject is None and 0 < file.units.resolution < 1e-9
        units = file.units.to_dataframe()
        assert len(units) == 31
        for name in ("Körner", "cells", "at_rest"):
            time, cell = run.spikes(name)
            mine = units[units["population"] == name]
            for who, times in zip(mine["cell"], mine["spike_times"], strict=True):
                np.testing.assert_array_equal(np.asarray(times), np.sort(time[cell == who]) * 1e-3)
            assert len(mine["obs_intervals"].iloc[0]) == 8
        tables = file.processing["structure"].data_interfaces
        for k in (0, 5):
            frame = tables[f"spines_{k + 1}"].to_dataframe()
            here = h.present()[:, k]
            np.testing.assert_array_equal(frame["spine"], h.ident[here])
            np.testing.assert_array_equal(frame["size"], h.sizes()[here, k])
            np.testing.assert_array_equal(frame["cell"], h.column("cell")[here])
            np.testing.assert_array_equal(frame["cause"], h.column("cause")[here])
        assert len(tables["lives"].to_dataframe()) == len(h)
    again, spikes = NWB().read(path)
    assert again is not None
    same(h, again)
    np.testing.assert_array_equal(again.sizes(), h.sizes())
    assert (again.unit, again.end, again.title, again.size_unit) == (h.unit, h.end, h.title, h.size_unit)
    for name, s in spikes_of(run).items():
        np.testing.assert_allclose(spikes[name].time, np.sort(s.time), rtol=1e-14)
        np.testing.assert_array_equal(spikes[name].cells, s.cells)
        np.testing.assert_allclose(spikes[name].windows, s.windows)


def test_a_strange_history_by_pynwb(strange: History, tmp_path: Path) -> None:
    path = strange.export(tmp_path / "a.nwb", start="2026-11-28T12:00:00+00:00", identifier="x/ü", description="d")
    assert valid(path)
    with pynwb.NWBHDF5IO(str(path), "r") as io:
        file = io.read()
        assert file.identifier == "x/ü" and file.units is None and file.session_start_time.year == 2026
        frame = file.processing["structure"]["spines_1"].to_dataframe()
        assert frame["spine"].tolist() == ["a/1", "Ünïcode ∂"] and frame["cell"].tolist() == ["AVAL/R", "08"]
    again = NWB().read(path).history
    assert again is not None
    same(strange, again)
    assert again.causes["odd"].sentence == "oddly" and again.notes == strange.notes


def test_nobody_and_nothing(tmp_path: Path) -> None:
    nobody = History(np.zeros((0, 2)), np.zeros((0, 2)), 3.0)
    assert valid(nobody.export(tmp_path / "a.nwb"))
    assert len(NWB().read(tmp_path / "a.nwb").history) == 0
    empty = History.of_sessions([[1.0, np.nan]], [0, 4])  # a session in which nobody was seen
    assert valid(empty.export(tmp_path / "b.nwb"))
    assert NWB().read(tmp_path / "b.nwb").history.present().tolist() == [[True, False]]


def test_what_nwb_cannot_say(strange: History, tmp_path: Path) -> None:
    deep = History(strange.born, strange.died, 20.0, columns={"xyz": np.zeros((4, 3))})
    with pytest.raises(ParameterError, match="NWB cannot say 'xyz'"):
        deep.export(tmp_path / "a.nwb")
    named = History(strange.born, strange.died, 20.0, columns={"size": np.zeros(4)})
    with pytest.raises(ParameterError, match="NWB cannot say 'size': it has words for columns beside"):
        named.export(tmp_path / "a.nwb")
    with pytest.raises(ParameterError, match="start must be a datetime with a time zone"):
        strange.export(tmp_path / "a.nwb", start="2026-11-28")
    with pytest.raises(ParameterError, match="start must be a date such as"):
        strange.export(tmp_path / "a.nwb", start="today")
    with pytest.raises(ParameterError, match="spikes must be True or False"):
        strange.export(tmp_path / "a.nwb", spikes="yes")
    assert not list(tmp_path.iterdir())
    (tmp_path / "a.nwb").write_bytes(b"no")
    with pytest.raises(ParameterError, match="cannot be read as NWB"):
        NWB().read(tmp_path / "a.nwb")


def test_what_archives_ask_for(strange: History, tmp_path: Path) -> None:
    mouse = {"subject_id": "m7", "species": "Mus musculus", "age": "P30D", "sex": "F"}
    about = {"experimenter": "Kasai, H.", "keywords": ["spines", "turnover"], "institution": "here"}
    path = strange.export(tmp_path / "a.nwb", subject=mouse, about=about)
    assert valid(path)
    with pynwb.NWBHDF5IO(str(path), "r") as io:
        file = io.read()
        assert {k: getattr(file.subject, k) for k in mouse} == mouse
        assert tuple(file.experimenter) == ("Kasai, H.",) and tuple(file.keywords) == ("spines", "turnover")
        assert file.institution == "here"
    for wrong, said in (
        ({"subject": {"specie": "x"}}, "subject must be 'subject_id', 'species'"),
        ({"subject": "m7"}, "subject must be a mapping"),
        ({"subject": {"age": 30}}, r"subject\['age'\] must be a text"),
        ({"about": {"keywords": 3}}, "keywords.*must be a text"),
    ):
        with pytest.raises(ParameterError, match=said):
            NWB(**wrong)  # type: ignore[arg-type]

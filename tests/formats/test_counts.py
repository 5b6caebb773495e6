"""Numbers per dendrite: what they can say is what a history says, and no more."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import neurodev as nd
from neurodev import Counts, History
from neurodev.errors import ParameterError
from neurodev.metrics import turnover
from tests.formats.made import known, lines

NAN = np.nan


def test_counts_of_a_history_through_a_table(tmp_path: Path) -> None:
    h = known()
    written = Counts.of_history(h)
    written.to_pandas().to_csv(tmp_path / "a.csv", index=False)
    c = nd.read_counts(tmp_path / "a.csv")
    assert not c.notes and len(c) == 6
    for got, want in zip(c.changes(), h.changes(), strict=True):
        np.testing.assert_allclose(got, want)
    np.testing.assert_array_equal(c.number(), h.number(h.sessions))


def test_survival_by_the_calendar() -> None:
    """Kaplan-Meier with delayed entry, of lives whose time is that of the calendar."""
    h = known()
    here, at = h.present(), h.sessions
    first, last = here.argmax(axis=1), at.size - 1 - here[:, ::-1].argmax(axis=1)
    died = last < at.size - 1
    want = turnover.kaplan_meier(at[np.minimum(last + 1, at.size - 1)], died, entry=at[first])
    got = Counts.of_history(h).survival()
    np.testing.assert_array_equal(got.time, want.time)
    np.testing.assert_allclose(got.value, want.value)
    np.testing.assert_allclose(got.error, want.error)
    assert got.value[-1] < float(h.survival("standing").at(28.0 - 4.0))  # the young die sooner


def test_dendrites_that_were_not_looked_at(tmp_path: Path) -> None:
    path = lines(
        tmp_path / "a.csv",
        "dendrite,session,total,gained,lost",
        "a,0,10,,",
        "a,4,11,2,1",
        "a,8,9,1,3",
        "b,0,20,,",
        "b,8,18,1,3",
    )
    c = nd.read_counts(path)
    assert np.isnan(c.total[1, 1]) and c.number().tolist() == [30.0, 11.0, 27.0]
    assert c.changes().gained.tolist() == [2.0, 1.0] and c.changes().turnover_ratio.tolist() == [3 / 21, 4 / 20]
    looked = np.array([[True, False, True], [True, True, True]])
    h = History.of_sessions([[1.0, NAN, NAN], [1.0, 1.0, 1.0]], [0, 4, 8], looked=looked, columns={"dendrite": [1, 2]})
    assert Counts.of_history(h).lost[0].tolist()[2] == 1.0 and len(Counts.of_history(h, by=None)) == 1


def test_rates_and_percents(tmp_path: Path) -> None:
    path = lines(tmp_path / "a.csv", "dendrite,session,total,gained,lost", "a,0,20,0,0", "a,4,21,10,5")
    c = nd.read_counts(path, rates="percent")
    assert (c.gained[0, 1], c.lost[0, 1]) == (2.0, 1.0) and np.isnan(c.gained[0, 0])


def test_what_does_not_fit_is_told(tmp_path: Path) -> None:
    path = lines(
        tmp_path / "a.csv",
        "dendrite,session,total,gained,lost",
        "a,0,10,,",
        "a,4,15,1,1",
        "b,0,x,,",
        ",4,3,1,1",
        "b,4,-2,,",
    )
    notes = " | ".join(nd.read_counts(path).notes)
    assert "row 3" in notes and "plus gained, less lost" in notes and "row 4 ('x')" in notes
    assert "row 5" in notes and "row 6 ('-2')" in notes


def test_refused(tmp_path: Path) -> None:
    path = lines(tmp_path / "a.csv", "dendrite,session,total", "a,0,1", "a,0,2")
    with pytest.raises(ParameterError, match="row 3 of a.csv is of a dendrite and session that stand above"):
        nd.read_counts(path)
    with pytest.raises(ParameterError, match="no column 'n'.*'dendrite', 'session', 'total'"):
        nd.read_counts(path, total="n")
    with pytest.raises(
        ParameterError, match=r"nd.read_counts\('b.csv', dendrite='Dendrite'.*gained='new', lost='lost'\)"
    ):
        nd.read_sessions(lines(tmp_path / "b.csv", "Dendrite,day,n,new,lost", "a,0,1,0,0"))
    with pytest.raises(ParameterError, match=r"gained must be \(n, 2\)"):
        Counts([[1, 2]], [0, 4], gained=[[1]])
    with pytest.raises(ParameterError, match="rates"):
        nd.read_counts(path, rates="often")


def test_it_says_what_it_is() -> None:
    assert repr(Counts([[1, 2]], [0, 4], title="M1")) == "Counts('M1', 1 dendrites, 2 sessions in days)"

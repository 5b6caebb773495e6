"""What a history is asked: metrics of its arrays, of runs and of tables alike."""

from __future__ import annotations

import numpy as np
import pytest

from neurodev import History
from neurodev.errors import ParameterError
from neurodev.metrics.turnover import kaplan_meier
from tests.places import data_folder

WITVLIET = data_folder("celegans_development_witvliet2021")
NAN = np.nan


def imaged(n: int = 3000, seed: int = 1) -> History:
    """Newborns of two causes of death, small ones die sooner, seen every two days."""
    draw = np.random.default_rng(seed)
    x = draw.normal(0.0, 1.0, n)
    rate = 0.15 * np.exp(-0.5 * x)
    born, life = draw.uniform(0.0, 30.0, n), draw.exponential(1 / rate)
    at = np.arange(0.0, 42.0, 2.0)
    here = (born[:, None] <= at) & (at < (born + life)[:, None])
    cause = np.where(draw.random(n) < 0.25, "lesion", "shrunk")
    return History.of_sessions(
        np.where(here, np.exp(x)[:, None], NAN), at,
        columns={"cell": np.arange(n) % 5, "cause": cause, "place": draw.uniform(0.0, 50.0, n)},
    )  # fmt: skip


H = imaged()


def test_turnbull_on_even_sessions_is_the_life_table() -> None:
    curve = H.survival(method="turnbull", place=0.5)
    found = H.lives("newborn", 0.5)
    exact = kaplan_meier(found.duration, found.died)
    for age in (4.0, 8.0, 20.0):
        assert float(curve.at(age)) == pytest.approx(float(exact.at(age)), abs=1e-3)
    each = H.survival("newborn", by="cell", method="turnbull")
    assert list(each) == [0, 1, 2, 3, 4] and each[0].error[0] > 0
    with pytest.raises(ParameterError, match="method must be"):
        H.survival(method="cox")


def test_cohorts_and_sizes_at_first_sight() -> None:
    cohorts = H.bins("birth", [0.0, 10.0, 20.0])
    assert list(cohorts) == [(0.0, 10.0), (10.0, 20.0)]
    assert sum(len(c) for c in cohorts.values()) == np.sum((H.birth >= 0) & (H.birth < 20))
    small, large = H.bins("size", 2).values()
    assert len(small) + len(large) == len(H) and abs(len(small) - len(large)) <= 1
    test = small.compare(large)
    assert test.statistic > 4 and test.p < 1e-4 and large.compare(small).statistic == pytest.approx(-test.statistic)
    early, late = cohorts.values()
    assert abs(early.compare(late).statistic) < 4
    with pytest.raises(ParameterError, match="no numbers: use by"):
        H.bins("cause", 2)
    with pytest.raises(ParameterError, match="edges must be"):
        H.bins("birth", [2.0, 1.0])
    with pytest.raises(ParameterError, match="a history in days"):
        H.compare(History.of_lives([0], [1], unit="hour"))


def test_causes_and_hazards() -> None:
    found = H.incidence()
    assert found["lesion"].value[-1] / (found["lesion"].value[-1] + found["shrunk"].value[-1]) == pytest.approx(
        0.25, abs=4 * np.sqrt(0.25 * 0.75 / len(H))
    )
    table = H.hazard([0.0, 10.0], np.linspace(-1.5, 1.5, 4))
    assert np.all(np.diff(table.rate[0]) < 0)
    whole = H.hazard([0.0, np.inf])
    new = ~H.standing
    assert whole.deaths.sum() == np.isfinite(H.died[new, 1]).sum()


def test_positions_and_persistence() -> None:
    assert len(H.by_position(0.0)) == len(H)
    merged = H.by_position(0.4)
    assert len(merged) < len(H)
    np.testing.assert_array_equal(merged.present().sum(axis=0), H.present().sum(axis=0))
    long, short = merged.survival().at(12.0), H.survival().at(12.0)
    assert long > short
    found = H.persistence()
    np.testing.assert_array_equal(np.diag(found.both), H.present().sum(axis=0))
    k = np.flatnonzero(H.present()[:, 3])
    assert found.kept[3, 7] == H.present()[k, 7].mean() and found.correlation[3, 7] == pytest.approx(1.0)


@pytest.mark.skipif(not WITVLIET.is_dir(), reason="no data: Witvliet 2021")
def test_connections_of_the_adult_worms_stay() -> None:
    with np.load(WITVLIET / "connectomes_8stages.npz", allow_pickle=False) as f:
        counts, pre, post = f["counts"], f["counts_pre"], f["counts_post"]
    tables = []
    for c in counts:
        j, i = np.nonzero(c)  # (post, pre)
        tables.append((pre[i], post[j], c[j, i]))
    found = History.of_edges(tables, np.arange(8.0), unit="stage").persistence()
    assert np.all((found.jaccard >= 0) & (found.jaccard <= 1)) and found.jaccard[6, 7] > found.jaccard[0, 7]
    assert np.all(found.correlation[~np.eye(8, dtype=bool)] > 0.3)

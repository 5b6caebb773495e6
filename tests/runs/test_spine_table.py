"""`run.spines.to_pandas()`: words, and the same as the spines, the log and the history tell."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import neurodev as nd
from tests.learn.small import trained
from tests.test_card import DAY, network


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> nd.Run:
    net = network()
    s, e = net.populations["s"], net.populations["e"]
    net.connect(s, e, nd.AllToAll(), spines=nd.Spines(), name="other").use(nd.Turnover(early=9, late=9))
    folder = tmp_path_factory.mktemp("spine_table")
    return nd.simulate(net, 5 * DAY, acceleration=1e6, to=folder / "run.sqlite", progress=False)


def test_each_row_is_what_the_spine_says(run: nd.Run) -> None:
    frame = run.spines.to_pandas()
    assert len(frame) == len(run.spines) and set(frame["projection"]) == {"q", "other"}
    assert frame["cause"].ne("").sum() > 2 and frame["died"].notna().sum() > 2
    for row in frame.sample(12, random_state=1).itertuples():
        spine = run.spines[int(row.id)]
        died = np.nan if spine.died is None else spine.died
        told = (
            spine.projection,
            spine.source,
            spine.target,
            spine.pre,
            spine.post,
            spine.birth_cause,
            spine.cause or "",
        )
        assert told == (row.projection, row.source, row.target, row.pre, row.post, row.birth_cause, row.cause)
        assert np.allclose([spine.born, died, spine.life], [row.born, row.died, row.life], equal_nan=True)
        assert {k: getattr(row, k) for k in spine.terms} == pytest.approx(spine.terms)
    assert frame.attrs["units"]["life"] == "day"
    assert set(run.spines.terms) <= set(frame.columns) and set(run.spines.terms) <= set(frame.attrs["units"])


def test_what_the_history_calls_the_same_is_the_same(run: nd.Run, tmp_path: Path) -> None:
    spines, history = run.spines.to_pandas().sort_values("id"), run.history().to_pandas().sort_values("id")
    run.export(tmp_path / "spines.csv")
    written = nd.read_sessions(tmp_path / "spines.csv").to_pandas().sort_values("id")
    shared = set(spines.columns) & set(history.columns)
    assert {"id", "projection", "pre", "post", "cause", "birth_cause", *run.spines.terms} <= shared
    for other in (history, written):
        for name in shared:
            a, b = spines[name].to_numpy(), other[name].to_numpy()
            assert np.array_equal(a, b) if a.dtype.kind in "OU" else np.allclose(a, b, equal_nan=True), name
        by, died = other["born_by"].to_numpy(), other["died_by"].replace(np.inf, np.nan).to_numpy()
        assert np.allclose(by, spines["born"]) and np.allclose(died, spines["died"], equal_nan=True)
    log = run.log.to_pandas()
    deaths = log[log["event"] == "death"].set_index("uid")["cause"]
    dead = spines[spines["died"].notna()].set_index("id")["cause"]
    assert deaths.sort_index().tolist() == dead.sort_index().tolist()


def test_of_a_training_times_are_epochs(tmp_path: Path) -> None:
    t = trained(epochs=3, to=tmp_path / "training.sqlite", methods=[nd.methods.SET(0.5)])
    t.fit()
    run = t.close()
    frame, history = run.spines.to_pandas().sort_values("id"), run.history().to_pandas().sort_values("id")
    assert frame.attrs["units"]["born"] == "epoch" and frame["life"].max() == pytest.approx(3.0)
    assert np.allclose(frame["born"], history["born_by"])
    assert set(frame["cause"]) >= {"", "magnitude"} and frame.loc[frame["cause"] == "", "died"].isna().all()


def test_a_run_in_which_nothing_lived(tmp_path: Path) -> None:
    net = nd.Network(seed=1)
    cells = net.add(nd.LIF(), 3)
    net.connect(net.add(nd.Poisson(1.0), 2), cells, nd.Probability(0.0), spines=nd.Spines()).use(nd.SpineSize())
    run = nd.simulate(net, 0.1 * DAY, acceleration=1e6, to=tmp_path / "none.sqlite", progress=False)
    frame = run.spines.to_pandas()
    assert len(frame) == 0 and {"id", "projection", "cause", "life"} <= set(frame.columns)
    assert "0 spines" in repr(run.spines)

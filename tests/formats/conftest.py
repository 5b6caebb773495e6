"""What the formats are tried on: a run with names that are not ASCII and cells that never fire; a strange history."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import neurodev as nd
from neurodev import History
from neurodev.structure.cause import Cause, Causes


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Eight days of spines of Körner onto cells, a static projection among the cells, and a population at rest."""
    net = nd.Network(seed=4)
    source, cells = net.add(nd.Poisson(5.0), 20, name="Körner"), net.add(nd.LIF(), 8, name="cells")
    net.add(nd.LIF(), 3, name="at_rest")
    q = net.connect(source, cells, nd.Degree(6), spines=nd.Spines(weight=8.0), name="q")
    q.use(nd.SpineSize(), nd.Turnover(early=2.0, late=2.0))
    net.connect(cells, cells, nd.Degree(2), weight=1.0, delay=1.5, name="back")
    to: Path = tmp_path_factory.mktemp("formats") / "a.sqlite"
    return nd.simulate(net, 8 * nd.units.day, acceleration=7200.0, to=to, progress=False)


@pytest.fixture
def strange() -> History:
    """Names with every letter that a table may stumble over, sizes not measured, places not looked at."""
    nan = np.nan
    seen = [[1.0, 2.0, nan, nan], [nan, 1.25, 0.1, 2.0], [nan, nan, 3.0, 3.0], [0.5, nan, nan, nan]]
    return History.of_sessions(
        seen, [0.0, 4.0, 8.0, 12.5], ident=["a/1", '"b", c\n2', "007", "Ünïcode ∂"], unit="hour", size_unit="um3",
        columns={
            "cell": ["AVAL/R", "nan", "", "08"], "cause": ["odd", "", "", "lesion"], "branch": [1, 2, 3, 4],
            "place": [0.1, nan, 1e-300, -0.0], "spiny": [True, False, True, True], "pre": ["x/y", "ß", "x/y", "z"],
            "post": ["u", "u", "ß", "z"],
        },
        title="strange", notes=["one", "two"], causes=Causes(["initial", "lesion", "odd"], {"odd": Cause("oddly")}),
    )  # fmt: skip


def same(a: History, b: History, columns: bool = True) -> None:
    """Two histories are one, but for the order of their rows."""
    assert sorted(a.ident.tolist()) == sorted(b.ident.tolist())
    i, j = np.argsort(a.ident), np.argsort(b.ident)
    np.testing.assert_array_equal(a.born[i], b.born[j])
    np.testing.assert_array_equal(a.died[i], b.died[j])
    if columns:
        assert sorted(a.columns) == sorted(b.columns)
        for name, values in a.columns.items():
            np.testing.assert_array_equal(values[i], b.columns[name][j], err_msg=name)
            assert values.dtype.kind == b.columns[name].dtype.kind, name

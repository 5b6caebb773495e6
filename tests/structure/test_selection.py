"""What a user picks becomes the numbers that he means, or is refused with the argument, the value and the cure."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import numpy as np
import pandas as pd
import pytest

import neurodev as nd
from neurodev.engine.simulator import Simulator
from neurodev.errors import ParameterError
from neurodev.structure import selection

N = 6
MASK = np.array([False, True, False, True, True, False])

MEANT: dict[str, tuple[Any, list[int]]] = {
    "a number": (3, [3]),
    "numpy's number": (np.uint8(3), [3]),
    "an array without dimensions": (np.array(3, dtype=np.int16), [3]),
    "a list": ([4, 1], [4, 1]),
    "a tuple of numpy's": ((np.int8(4), np.uint64(1)), [4, 1]),
    "bytes as numbers": (np.array([4, 1], dtype=np.uint8), [4, 1]),
    "unsigned of 64 bits": (np.array([4, 1], dtype=np.uint64), [4, 1]),
    "the other order of bytes": (np.array([4, 1], dtype=">i4"), [4, 1]),
    "twice the same": ([2, 2], [2, 2]),
    "nothing": ([], []),
    "nothing of numpy": (np.array([]), []),
    "a mask": (MASK, [1, 3, 4]),
    "a mask as a list": (MASK.tolist(), [1, 3, 4]),
    "an empty mask": (np.zeros(N, bool), []),
    "a column of numbers": (pd.Series([4, 1], index=[7, 9]), [4, 1]),
    "an index": (pd.Index([4, 1]), [4, 1]),
    "a nullable column": (pd.Series([4, 1], dtype="Int64"), [4, 1]),
    "a mask as a column": (pd.Series(MASK, index=np.arange(N)[::-1]), [1, 3, 4]),
    "a nullable mask": (pd.Series(MASK, dtype="boolean"), [1, 3, 4]),
    "a slice": (slice(1, 4), [1, 2, 3]),
    "a slice from the end": (slice(-2, None), [4, 5]),
    "everything": (slice(None), [0, 1, 2, 3, 4, 5]),
    "a range": (range(5, 0, -2), [5, 3, 1]),
    "an empty range": (range(100, 100), []),
    "a set": ({4, 1}, [1, 4]),
    "a frozen set of numpy's": (frozenset({np.int64(4), np.int64(1)}), [1, 4]),
    "keys": ({4: "a", 1: "b"}.keys(), [1, 4]),
}

REFUSED: dict[str, tuple[Any, str]] = {
    "a fraction": (1.7, "fractions"),
    "a whole fraction": ([1.0, 2.0], "fractions"),
    "nan": (float("nan"), "fractions"),
    "fractions of numpy": (np.array([0.5]), "fractions"),
    "a column with a hole": (pd.Series([1, None]), "fractions"),
    "a nullable column with a hole": (pd.Series([1, None], dtype="Int64"), "fractions|something else"),
    "a short mask": (MASK[:-1], "the mask has length 5"),
    "a long mask": ([True] * 7, "the mask has length 7"),
    "a mask among numbers": ([True, 2], "mixes True and False"),
    "true": (True, "no number of a cell"),
    "numpy's false": (np.False_, "no number of a cell"),
    "text": ("2", "a text"),
    "bytes": (b"\x01\x02", "a text"),
    "texts": (["1", "2"], "select nothing"),
    "none": (None, "whole number"),
    "an object": (object(), "whole number"),
    "a generator": ((i for i in (1, 2)), "used up"),
    "an iterator": (iter([1, 2]), "used up"),
    "a dictionary": (OrderedDict({1: 2}), "dictionary"),
    "a set of fractions": ({1.5}, "whole numbers only"),
    "a set of all sorts": ({1, "a"}, "whole numbers only"),
    "a set of truth": ({True}, "whole numbers only"),
    "beyond the last": ([0, 6], "6 is beyond them"),
    "far beyond the last": (2**63, "number that no cell|beyond them"),
    "far beyond all numbers": (10**5000, "number that no cell"),
    "wrapped round": (np.array([2**64 - 1], dtype=np.uint64), "beyond them"),
    "negative": ([-1], "do not count from the end"),
    "a range beyond the last": (range(3, 10**12), "there are 6"),
    "a negative range": (range(-2, 2), "there are 6"),
    "a table": ([[1, 2], [3, 4]], "shape"),
    "rows of several lengths": ([[1], [2, 3]], "rows differ|something else"),
    "complex": ([1 + 0j], "select nothing"),
    "times": (np.array(["2020-01-01"], dtype="datetime64[D]"), "select nothing"),
    "a slice of fractions": (slice(0.5, 2.0), "whole numbers"),
}


@pytest.mark.parametrize("case", MEANT, ids=lambda c: c.replace(" ", "-"))
def test_what_is_meant(case: str) -> None:
    value, right = MEANT[case]
    found = selection.indices(value, N, "cells")
    assert found.tolist() == right and found.dtype == np.int64


@pytest.mark.parametrize("case", REFUSED, ids=lambda c: c.replace(" ", "-"))
def test_what_could_mean_several_things(case: str) -> None:
    value, match = REFUSED[case]
    with pytest.raises(ParameterError, match=match) as e:
        selection.indices(value, N, "cells", of="neurons of 'exc'")
    assert "cells must pick neurons of 'exc' by numbers in [0, 6)" in str(e.value) and len(str(e.value)) < 400


def test_an_empty_selection_and_one_without_order_can_be_refused() -> None:
    for nothing in ([], np.zeros(N, bool), slice(3, 3), set()):
        assert selection.indices(nothing, N, "cells").size == 0
        with pytest.raises(ParameterError, match="it picks none"):
            selection.indices(nothing, N, "cells", some=True)
    for unordered in ({1, 2}, MASK):
        with pytest.raises(ParameterError, match="order counts"):
            selection.indices(unordered, N, "source", ordered=True)


def test_one_cell() -> None:
    assert selection.one(np.int8(5), N, "cell") == 5
    for wrong in (6, -1, 1.0, True, "1", [1], None):
        with pytest.raises(ParameterError, match="cell must be one of cells"):
            selection.one(wrong, N, "cell")


def test_identities_are_found_alive_or_refused() -> None:
    net = nd.Network(seed=1)
    a, b = net.add(nd.Poisson(5.0), 4, name="a"), net.add(nd.LIF(), 4, name="b")
    net.connect(a, b, nd.OneToOne(), weight=1.0, name="one")
    net.connect(a, b, nd.AllToAll(), weight=1.0, name="other")
    sim = Simulator(net)
    nd.RemoveSynapses("one", uids=[2]).apply(sim)
    table = sim.tables["one"]
    for given in ([4, 1], (4, 1), np.array([4, 1], dtype=np.uint64), pd.Series([4, 1])):
        assert table.uid[selection.living(table, given, "uids", "synapses")].tolist() == [4, 1]
    assert table.uid[selection.living(table, {4, 1}, "uids", "synapses")].tolist() == [1, 4]
    for wrong, match in (
        ([2], "uid 2 the first .it died"),
        ([1, 7], "uid 7 the first .it died, or belongs to another projection"),
        ([10**6], "nobody has it yet"),
        ([0], "0 is no uid"),
        ([-1], "-1 is no uid"),
        ([1, 1], "twice"),
        ([1.0], "fractions"),
        (np.ones(3, bool), "identities"),
        (slice(None), "identities"),
        ("1", "a text"),
        (iter([1]), "used up"),
    ):
        with pytest.raises(ParameterError, match=match):
            selection.living(table, wrong, "uids", "synapses")

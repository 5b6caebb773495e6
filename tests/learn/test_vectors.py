"""The loops written in vectors equal their plain twins, for both kinds of numbers and of indices (ALG-VECTORS)."""

import numpy as np
import pytest

from neurodev import arrays
from neurodev.jit import kernel
from neurodev.learn.core import vectors
from neurodev.learn.core.vectors import add_row, add_rows, copy_row, dot_rows, dot_two_rows


@kernel
def _add(n, out, at, rows, base, stride, index, value, first, last):
    add_rows(n, out, at, rows, base, stride, index, value, first, last)


@kernel
def _dot(a, at, rows, p, q, r, s, n):
    return dot_rows(a, at, rows, p, q, r, s, n)


@kernel
def _dot_two(a, at, rows, p, q, n):
    return dot_two_rows(a, at, rows, p, q, n)


@kernel
def _one_row(n, copied, added, at, rows, base):
    copy_row(n, copied, at, rows, base)
    add_row(n, added, at, rows, base)


@pytest.mark.parametrize("kind, tolerance", [(np.float32, 1e-5), (np.float64, 1e-13)])
@pytest.mark.parametrize("index_kind", [np.uint32, np.int64])
def test_sums_of_rows(kind, tolerance, index_kind):
    """Any number of vectors, an empty list included; nothing beyond them is touched."""
    draw = np.random.default_rng(1)
    rows, value = draw.normal(size=30 * 301).astype(kind), draw.normal(size=12).astype(kind)
    index = draw.integers(0, 29, 12).astype(index_kind)
    for n in range(1, 39):
        for first, last in ((0, 12), (3, 4), (5, 5)):
            one = draw.normal(size=400).astype(kind)
            two = one.copy()
            _add(n, one, 5, rows, 2, 301, index, value, first, last)
            vectors._add_rows(n, two, 5, rows, 2, 301, index, value, first, last)
            np.testing.assert_allclose(one, two, rtol=0, atol=tolerance)
            assert np.array_equal(one[5 + 8 * n :], two[5 + 8 * n :]) and np.array_equal(one[:5], two[:5])


@pytest.mark.parametrize("kind, tolerance", [(np.float32, 1e-4), (np.float64, 1e-12)])
def test_dot_products(kind, tolerance):
    """Even and odd numbers of vectors."""
    draw = np.random.default_rng(2)
    a, rows = draw.normal(size=400).astype(kind), draw.normal(size=900).astype(kind)
    for n in (8, 16, 24, 120, 304):
        got = _dot(a, 3, rows, 0, 7, 500, 7, n)
        np.testing.assert_allclose(got, vectors._dot_rows(a, 3, rows, 0, 7, 500, 7, n), rtol=0, atol=tolerance)
        got = _dot_two(a, 3, rows, 7, 500, n)
        np.testing.assert_allclose(got, vectors._dot_two_rows(a, 3, rows, 7, 500, n), rtol=0, atol=tolerance)


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_one_row(kind):
    """Copied or added, from none to several vectors; exact, and nothing beyond them is touched."""
    rows = np.random.default_rng(3).normal(size=99).astype(kind)
    for n in (0, 1, 2, 5):
        copied, added = rows[::-1].copy(), rows[::-1].copy()
        want = copied.copy(), added.copy()
        _one_row(n, copied, added, 4, rows, 11)
        vectors._copy_row(n, want[0], 4, rows, 11)
        vectors._add_row(n, want[1], 4, rows, 11)
        assert np.array_equal(copied, want[0]) and np.array_equal(added, want[1])


def test_aligned():
    """Zeros of the shape asked for, or a copy; what is large begins at a cache line, whatever was given out before."""
    for kind in (np.float32, np.float64, np.uint8):
        for n in (1, 3, 20_001, np.int64(20_003)):
            a, b = arrays.aligned((n, 5), kind), arrays.on_lines(np.arange(n, dtype=kind))
            assert a.shape == (n, 5) and a.dtype == kind and not a.any() and arrays.aligned(n, kind).shape == (n,)
            assert np.array_equal(b, np.arange(n, dtype=kind)) and b.dtype == kind
            for x in (a, b):
                assert x.nbytes < arrays.SMALL or x.ctypes.data % arrays.LINE == 0
    assert arrays.aligned(0, np.float32).size == 0 == arrays.on_lines(np.empty((0, 3))).size
    assert arrays.on_lines(np.arange(3, dtype=">u4")).dtype == np.dtype(">u4")

"""Spikes as bits: packed, counted, turned, and summed under masks as the plain twins do."""

import numpy as np
import pytest

from neurodev.jit import kernel
from neurodev.learn.core import masks
from neurodev.learn.core.masks import LANES, few_products, masked_dots, masked_sums, turn_square, words_of
from neurodev.learn.core.spikes import Spikes, turned
from neurodev.learn.kernels import masks as kernels
from neurodev.learn.layers.weighted import make_table
from neurodev.structure.table import UidSource


@kernel
def _sums(n_word, out, at, words, apart, slot, row, weight, q, end):
    masked_sums(n_word, out, at, words, apart, slot, row, weight, q, end)


@kernel
def _dots(a, at, words, p, q, r, s, n_word):
    return masked_dots(a, at, words, p, q, r, s, n_word)


@kernel
def _square(a, at, apart, out, to, out_apart):
    turn_square(a, at, apart, out, to, out_apart)


@pytest.mark.parametrize("n_row", [1, 7, 8, 9, 15, 16, 17, 40, 96])
@pytest.mark.parametrize("rate", [0.0, 0.3, 1.0])
def test_packed(n_row, rate):
    """A bit for every flag, none beyond the last row; counted as they are."""
    flags = (np.random.default_rng(n_row).random((n_row, 21)) < rate).astype(np.uint8)
    x = Spikes(flags, 1, n_row, (21,))
    assert x.words.shape == (21, words_of(n_row)) and x.words.dtype == np.uint16
    bits = np.stack([masks._bits(w, 0, w.size) for w in x.words])
    assert np.array_equal(bits[:, :n_row], flags.T) and not bits[:, n_row:].any()
    assert x.per_unit.tolist() == flags.sum(axis=0, dtype=int).tolist() and "columns" not in x.__dict__


@pytest.mark.parametrize("kind, tolerance", [(np.float32, 1e-5), (np.float64, 1e-13)])
def test_sums_under_masks(kind, tolerance):
    """Any number of words, an empty list included; nothing beyond them is touched."""
    draw = np.random.default_rng(1)
    words = draw.integers(0, 1 << 16, 9 * 40).astype(np.uint16)
    slot, row = draw.permutation(12).astype(np.uint32), draw.integers(0, 9, 12).astype(np.uint32)
    weight = draw.normal(size=12).astype(kind)
    for n in range(1, 40):
        for q, end in ((0, 12), (3, 4), (5, 5)):
            one = draw.normal(size=700).astype(kind)
            two = one.copy()
            _sums(n, one, 5, words, 40, slot, row, weight, q, end)
            masks._masked_sums(n, two, 5, words, 40, 0, slot, row, weight, q, end)
            np.testing.assert_allclose(one, two, rtol=0, atol=tolerance)
            assert np.array_equal(one[5 + LANES * n :], two[5 + LANES * n :]) and np.array_equal(one[:5], two[:5])


@pytest.mark.parametrize("kind, tolerance", [(np.float32, 1e-4), (np.float64, 1e-12)])
def test_products_under_masks(kind, tolerance):
    """Even and odd numbers of words; what lies under no bit may be anything."""
    draw = np.random.default_rng(2)
    words = draw.integers(0, 1 << 16, 60).astype(np.uint16)
    a = draw.normal(size=400).astype(kind)
    for n in (0, 1, 2, 3, 8, 21):
        want = masks._masked_dots(a, 3, words, 0, 7, 30, 7, n)
        np.testing.assert_allclose(_dots(a, 3, words, 0, 7, 30, 7, n), want, rtol=0, atol=tolerance)
    bad, nothing = np.full(400, np.nan, dtype=kind), np.zeros(60, dtype=np.uint16)
    assert _dots(bad, 0, nothing, 0, 1, 2, 3, 4) == (0, 0, 0, 0)


@kernel
def _products(n_row, out, at, out_apart, a, p, apart, w, base, n):
    few_products(n_row, out, at, out_apart, a, p, apart, w, base, n)


@pytest.mark.parametrize("kind, tolerance", [(np.float32, 1e-5), (np.float64, 1e-13)])
def test_few_products(kind, tolerance):
    """Any number of rows and of factors; nothing beyond them is touched."""
    draw = np.random.default_rng(6)
    a, w = draw.normal(size=330).astype(kind), draw.normal(size=600).astype(kind)
    for n_row in range(10):
        for n in (0, 1, 10, 32):
            one = draw.normal(size=220).astype(kind)
            two = one.copy()
            _products(n_row, one, 1, 19, a, 2, 31, w, 7, n)
            masks._few_products(n_row, two, 1, 19, a, 2, 31, w, 7, n)
            np.testing.assert_allclose(one, two, rtol=0, atol=tolerance * max(n, 1))


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.float32, np.float64])
@pytest.mark.parametrize("shape", [(1, 1), (16, 16), (17, 33), (40, 5), (3, 64), (0, 4)])
def test_turned(kind, shape):
    """The transpose, whatever is left over beside whole squares; a square touches itself alone."""
    a = np.random.default_rng(3).integers(0, 200, shape).astype(kind)
    assert np.array_equal(turned(a), a.T) and turned(a).flags.c_contiguous
    rows = np.arange(500).astype(kind)
    one, two = rows[::-1].copy(), rows[::-1].copy()
    _square(rows, 3, 19, one, 2, 23)
    masks._turn_square(rows, 3, 19, two, 2, 23)
    assert np.array_equal(one, two)


@pytest.mark.parametrize("kind, tolerance", [(np.float32, 1e-4), (np.float64, 1e-12)])
@pytest.mark.parametrize("n_in, n_out, n_row", [(23, 37, 28), (5, 1, 3), (40, 64, 64), (9, 33, 16), (16, 100, 271)])
def test_products_of_tables(kind, tolerance, n_in, n_out, n_row):
    """Currents and weight gradients are those of matrices, whatever the table and the batch leave over."""
    draw = np.random.default_rng(n_row)
    w = np.where(draw.random((n_in, n_out)) < 0.3, draw.normal(size=(n_in, n_out)), 0).astype(kind)
    w[0, 0] = 1.5  # at least one synapse
    table = make_table(w, w != 0, "sparse", UidSource())
    table.ensure_in_lists()
    lists = table.in_start, table.in_length, table.in_slot, table.in_row
    flags = (draw.random((n_row, n_in)) < 0.4).astype(np.uint8)
    words = Spikes(flags, 1, n_row, (n_in,)).words
    out = np.full((n_row, n_out), np.nan, dtype=kind)
    kernels.add_by_masks(lists, table.weight, words.reshape(-1), words.shape[1], kind(0.5), out)
    np.testing.assert_allclose(out, 0.5 * flags @ w, atol=tolerance)
    delta, gradient = draw.normal(size=(n_row, n_out)).astype(kind), np.ones(table.capacity, dtype=kind)
    kernels.gradient_by_masks(lists, words.reshape(-1), words.shape[1], kind(0.5), delta, gradient)
    slots = table.slots()
    want = 1 + 0.5 * (flags.T @ delta)[table.pre(slots), table.post[slots]]
    np.testing.assert_allclose(gradient[slots], want, atol=tolerance)

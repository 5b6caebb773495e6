"""Neurons and flags in vectors: to the last bit what the plain twins give, and layers what they gave before."""

import numpy as np
import pytest

from neurodev.jit import ENABLED, kernel
from neurodev.learn.core import lanes
from neurodev.learn.core.lanes import FLAGS, bits_of, count_ones, count_window, flag_rows, lowest_one
from neurodev.learn.core.masks import LANES
from neurodev.learn.core.spikes import Current, Spikes, list_flags
from neurodev.learn.core.surrogate import KINDS, RECTANGLE, Surrogate, slope
from neurodev.learn.layers import neurons
from neurodev.learn.layers.neurons import IF, LIF

KINDS_OF_FLOAT = [np.float32, np.float64]
ODD = [0.0, -0.0, 1.0, np.nextafter(np.float32(1), np.float32(0)), 0.5, 1.5, np.inf, -np.inf, np.nan]


@kernel
def _step(subtract, n, now, before, drive, leak, gain, threshold):
    if subtract:
        lanes.step_by_subtraction(n, now, before, drive, leak, gain, threshold)
    else:
        lanes.step_to_zero(n, now, before, drive, leak, gain, threshold)


@kernel
def _back(subtract, n, now, up, later, out, leak, threshold, width, height, hold):
    if subtract:
        lanes.back_by_subtraction(n, now, up, later, out, leak, threshold, width, height, hold)
    else:
        lanes.back_to_zero(n, now, up, later, out, leak, threshold, width, height, hold)


@kernel
def _flags(a, threshold, n, flags, to, apart):
    return flag_rows(a, threshold, n, flags, to, apart)


@kernel
def _window(a, threshold, width, n):
    return count_window(a, threshold, width, n)


@kernel
def _bits(flags, at):
    return bits_of(flags, at)


@kernel
def _ones(bits):
    return count_ones(bits), lowest_one(bits)


def potentials(kind, n=5 * LANES, seed=0):
    """Some on both sides of 1, with every odd number among them."""
    draw = np.random.default_rng(seed)
    out = draw.normal(1, 0.7, n).astype(kind)
    out[draw.permutation(n)[: len(ODD)]] = np.array(ODD, dtype=kind)
    return out


@pytest.mark.filterwarnings("ignore:invalid value")
@pytest.mark.parametrize("kind", KINDS_OF_FLOAT)
@pytest.mark.parametrize("subtract", [False, True])
@pytest.mark.parametrize("n", [0, 1, 4])
def test_a_step_is_that_of_its_twin(kind, subtract, n):
    """Both ways, for any number of vectors; what is behind them stays."""
    before, drive, up = (potentials(kind, seed=k) for k in (1, 2, 3))
    leak, gain, threshold, width, height = (kind(v) for v in (0.9, 1.3, 1.0, 0.5, 0.7))
    one, two = np.full(before.size, 7, dtype=kind), np.full(before.size, 7, dtype=kind)
    _step(subtract, n, one, before, drive, leak, gain, threshold)
    lanes._step(subtract, n, two, before, drive, leak, gain, threshold)
    np.testing.assert_array_equal(one, two)
    for hold in (0, 1):
        args = subtract, n, before, up, drive
        _back(*args, one, leak, threshold, width, height, kind(hold))
        lanes._step_back(*args, two, leak, threshold, width, height, kind(hold))
        np.testing.assert_array_equal(one, two)
    assert (one[LANES * n :] == 7).all()


@pytest.mark.parametrize("kind", KINDS_OF_FLOAT)
@pytest.mark.parametrize("n", [0, 1, 5])
def test_flags_and_counts(kind, n):
    a = potentials(kind)
    one, two = (np.full(5 * 20 + 3, 9, dtype=np.uint8) for _ in range(2))
    assert _flags(a, kind(1), n, one, 3, 20) == lanes._flag_rows(a, kind(1), n, two, 3, 20)
    assert np.array_equal(one, two)
    assert _window(a, kind(1), kind(0.5), n) == lanes._count_window(a, kind(1), kind(0.5), n)


def test_bits():
    draw = np.random.default_rng(4)
    for rate in (0.0, 0.03, 0.5, 1.0):
        flags = (draw.random(FLAGS + 9) < rate).astype(np.uint8) * np.uint8(draw.integers(1, 5))
        for at in (0, 5, 9):
            bits = lanes._bits_of(flags, at)
            assert int(_bits(flags, at)) == int(bits)
            assert tuple(_ones(np.uint64(bits))) == (lanes._count_ones(bits), lanes._lowest_one(bits))
            assert lanes._count_ones(bits) == np.count_nonzero(flags[at : at + FLAGS])


@pytest.mark.parametrize("n", [1, 63, 64, 65, 200])
@pytest.mark.parametrize("rate", [0.0, 0.01, 0.2, 0.9, 1.0])
@pytest.mark.parametrize("most", [1, 4])
def test_flags_are_listed(n, rate, most):
    """Each once, or as often as it counts, also where flags lie in memory otherwise."""
    draw = np.random.default_rng(n)
    flags = np.where(draw.random((7, n)) < rate, draw.integers(1, most + 1, (7, n)), 0).astype(np.uint8)
    for laid in (flags, np.asfortranarray(flags), flags[::-1, ::-1].copy()[::-1, ::-1]):
        for several in (False, True):
            got = list_flags(laid, several)
            times = flags if several else flags != 0
            assert got.start.tolist() == [0, *np.cumsum(times.sum(axis=1, dtype=int)).tolist()]
            assert got.index[: got.n].tolist() == np.repeat(np.tile(np.arange(n), 7), times.ravel()).tolist()


def _plain_back(u, g, neuron, slopes, d):
    """`adjoint`, neuron by neuron."""
    leak, gain, threshold, subtract = neuron
    kind, width, height, attached = slopes
    for o, k in np.ndindex(u.shape[0], u.shape[2]):
        later = u.dtype.type(0)
        for t in range(u.shape[1] - 1, -1, -1):
            v, carry = u[o, t, k], leak * later
            h = height * slope(kind, v - threshold, width)
            push = g[o, t, k] - (carry * (threshold if subtract else v) if attached else u.dtype.type(0) * carry)
            kept = carry if subtract or v < threshold else u.dtype.type(0)
            later = kept + (h * push if h != 0 else u.dtype.type(0))
            d[o, t, k] = gain * later


@pytest.mark.parametrize("kind", KINDS_OF_FLOAT)
@pytest.mark.parametrize("subtract", [False, True])
@pytest.mark.parametrize("attached", [False, True])
@pytest.mark.parametrize("curve", list(KINDS))
def test_neurons_of_any_number(kind, subtract, attached, curve):
    """Whole vectors and what is left over are the same neurons: nothing depends on how many stand in a row."""
    draw = np.random.default_rng(5)
    x, g = draw.normal(0.3, 0.6, (1, 6, 37)).astype(kind), draw.normal(size=(1, 6, 37)).astype(kind)
    neuron = kind(0.8), kind(1.3), kind(1), subtract
    slopes = KINDS[curve], kind(0.5), kind(1.2), attached
    u, d, want = (np.empty_like(x) for _ in range(3))
    s = np.empty(x.shape, dtype=np.uint8)
    neurons.integrate(x, neuron, u, s)
    neurons.adjoint(u, g, neuron, slopes, d)
    _plain_back(u, g, neuron, slopes, want)
    np.testing.assert_allclose(d, want, rtol=1e-5 if kind == np.float32 else 1e-13, atol=0)
    if KINDS[curve] == RECTANGLE:
        np.testing.assert_array_equal(d, want)
    assert neurons.count_near(u, kind(1), kind(0.5), 1) == np.count_nonzero(abs(u - kind(1)) < kind(0.5))
    for n in (1, 16, 20):
        cut = np.ascontiguousarray(x[:, :, :n]), np.ascontiguousarray(g[:, :, :n])
        a, b, e = np.empty_like(cut[0]), np.empty_like(cut[0]), np.empty(cut[0].shape, dtype=np.uint8)
        neurons.integrate(cut[0], neuron, a, e)
        neurons.adjoint(a, cut[1], neuron, slopes, b)
        assert np.array_equal(a, u[:, :, :n]) and np.array_equal(b, d[:, :, :n]) and np.array_equal(e, s[:, :, :n])


@pytest.mark.parametrize("make", [LIF, lambda: LIF(reset="subtract"), IF, lambda: LIF(surrogate=Surrogate("arctan"))])
@pytest.mark.parametrize("layout", ["rows", "units"])
def test_it_does_not_matter_how_currents_and_gradients_lie_in_memory(make, layout):
    draw = np.random.default_rng(6)
    shape = (8, 33) if layout == "rows" else (33, 8)
    x, g = (draw.normal(0.5, 1, shape).astype(np.float32) for _ in range(2))
    found = []
    for lie in (lambda a: a, np.asfortranarray, lambda a: a[::-1, ::-1].copy()[::-1, ::-1]):
        for kind in KINDS_OF_FLOAT:  # of the gradient: a loss of one's own may give either
            y, pull = make()(Current(lie(x), 4, 2, (33,), layout))
            d = pull(Current(lie(g.astype(kind)), 4, 2, (33,), layout))
            found.append((y.flags, d.value))
    for flags, d in found[1:]:
        np.testing.assert_array_equal(flags, found[0][0])
        np.testing.assert_array_equal(d, found[0][1])


@pytest.mark.skipif(not ENABLED, reason="without the compiler there is nothing to refuse")
def test_what_vectors_cannot_go_through_is_not_compiled():
    """Strides and other types are not looked at when it runs: the compiler refuses them."""
    a, flags = potentials(np.float32), np.zeros(2 * FLAGS, dtype=np.uint8)
    with pytest.raises(Exception, match="contiguous"):
        _window(a[::2], np.float32(1), np.float32(0.5), 1)
    with pytest.raises(Exception, match="contiguous"):
        _bits(flags[::2], 0)
    with pytest.raises(Exception, match="one type of float"):
        _step(False, 1, a, a.astype(np.float64), a, np.float32(1), np.float32(1), np.float32(1))


def test_spikes_are_counted_by_bits_where_there_are_some():
    flags = (np.random.default_rng(7).random((20, 30)) < 0.2).astype(np.uint8)
    one, two = (Spikes(flags, 4, 5, (30,)) for _ in range(2))
    assert one.words.size and one.n_present == two.n_present == np.count_nonzero(flags)
    assert one.rate == two.rate

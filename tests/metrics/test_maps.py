"""Receptive fields: discs, floors, centroids and second peaks of known geometry."""

import numpy as np
import pytest

from neurodev.metrics import maps


def grid(n, spacing):
    x = (np.arange(n) + 0.5) * spacing
    return np.stack(np.meshgrid(x, x), axis=-1).reshape(-1, 2)


def field_of(positions, inside):
    pre = np.flatnonzero(inside)
    return pre, np.zeros(pre.size, int), np.ones(pre.size)


def test_radius_of_a_uniform_disc():
    source = grid(201, 1.0)
    centre = np.array([100.5, 100.5])
    inside = ((source - centre) ** 2).sum(axis=1) <= 80**2
    c, radius, total = maps.centroids(*field_of(source, inside), source, 1)
    np.testing.assert_allclose(c[0], centre)
    assert radius[0] == pytest.approx(80 / np.sqrt(2), rel=2e-3) and total[0] == inside.sum()
    # the same disc is its own packing floor
    assert radius[0] == pytest.approx(maps.packing_floor(inside.sum(), 1.0), rel=2e-3)


def test_packing_floor_of_the_default_study():
    """The packing floor: 22 contacts at 50 um fill a disc of 132 um, whose rms radius is 94 um."""
    assert maps.packing_floor(22, 50) == pytest.approx(93.6, abs=0.1)
    assert maps.packing_floor(22, 50) * np.sqrt(2) == pytest.approx(132.3, abs=0.1)
    assert maps.packing_floor(0, 50) == 0


def test_weights_count_and_signs_do_not():
    source = np.array([[0.0, 0.0], [4.0, 0.0]])
    for sign in (1, -1):
        c, radius, _ = maps.centroids([0, 1], [0, 0], np.array([3.0, 1.0]) * sign, source, 2)
        np.testing.assert_allclose(c[0], [1, 0])
        assert radius[0] == pytest.approx(np.sqrt((3 * 1 + 1 * 9) / 4))
        assert np.isnan(radius[1]) and np.isnan(c[1]).all()


def test_silent_synapses_spread_no_nan():
    source = grid(3, 10.0)
    c, radius, total = maps.centroids([0, 1, 2], [0, 0, 1], [1.0, 0.0, 0.0], source, 2)
    assert radius[0] == 0 and total.tolist() == [1, 0] and np.isnan(radius[1])
    c, radius, _ = maps.centroids([], [], [], source, 2)
    assert np.isnan(radius).all()


def test_central():
    p = np.array([[500, 500], [150, 500], [149, 500], [500, 851], [850, 850]])
    assert maps.central(p, 1000, 1000).tolist() == [True, True, False, False, True]
    assert maps.central(np.zeros((0, 2)), 1000, 1000).size == 0


def test_grid_spacing():
    assert maps.grid_spacing(grid(20, 50.0)) == pytest.approx(50)
    rng = np.random.default_rng(0)
    assert maps.grid_spacing(grid(20, 50.0) + rng.uniform(-10, 10, (400, 2))) == pytest.approx(49, abs=2)
    assert maps.grid_spacing(np.array([[0, 0], [0, 3], [0, 6.0]])) == pytest.approx(3)
    assert np.isnan(maps.grid_spacing(np.zeros((1, 2))))


def test_summary_of_an_exact_map():
    source = grid(20, 50.0)
    n = source.shape[0]
    d = np.sqrt(((source[:, None] - source[None]) ** 2).sum(axis=2))
    pre, post = np.nonzero(d <= 100.0)
    out = maps.field_summary(pre, post, np.ones(pre.size), source, source, 1000, 1000)
    assert out["error"] == pytest.approx(0, abs=1e-9) and out["inputs"] == 13 and out["spread"] == pytest.approx(1)
    assert out["radius"] == pytest.approx(50 * np.sqrt((4 * 1 + 4 * 2 + 4 * 4) / 13))
    assert out["floor"] == pytest.approx(50 * np.sqrt(13 / (2 * np.pi)))
    radii = maps.field_radii(pre, post, np.ones(pre.size), source, source, 1000, 1000)
    assert radii.mean() == pytest.approx(out["radius"]) and radii.size == maps.central(source, 1000, 1000).sum()
    shifted = maps.topographic_error(np.arange(n), np.arange(n), np.ones(n), source, source + [30.0, 40.0])
    assert shifted == pytest.approx(50)
    nothing = maps.field_summary([], [], [], source, source, 1000, 1000)
    assert np.isnan(nothing["radius"]) and nothing["inputs"] == 0
    assert np.isnan(maps.topographic_error([], [], [], source, source))


def two_lumps(apart, second):
    source = grid(20, 50.0)
    a = np.argmin(((source - [275, 475]) ** 2).sum(axis=1))
    b = np.argmin(((source - [275 + apart, 475]) ** 2).sum(axis=1))
    return [a, b], [0, 0], [1.0, second], source, np.array([True])


@pytest.mark.parametrize(
    ("apart", "second", "share"), [(300, 0.8, 1.0), (300, 0.4, 0.0), (150, 0.8, 0.0), (200, 0.9, 1.0)]
)
def test_second_peak(apart, second, share):
    assert maps.second_peak_share(*two_lumps(apart, second)) == share


def test_second_peak_needs_weight():
    source = grid(5, 50.0)
    assert np.isnan(maps.second_peak_share([], [], [], source, np.array([True, True])))
    # a target without inputs counts neither way
    assert maps.second_peak_share([12], [0], [1.0], source, np.array([True, True])) == 0.0
    assert np.isnan(maps.second_peak_share([12], [0], [1.0], source, np.array([False, True])))


def test_ring_profile_shows_a_side_lobe():
    source = grid(21, 50.0)
    centre = 10 * 21 + 10
    d = np.sqrt(((source - source[centre]) ** 2).sum(axis=1))
    compact = np.exp(-(d**2) / (2 * 60.0**2))
    pre, post = np.arange(source.shape[0]), np.zeros(source.shape[0], int)
    profile = maps.ring_profile(pre, post, compact, source, np.array([True]))
    assert profile[0] == 1 and np.all(np.diff(profile) < 0)
    lobed = compact + 0.5 * np.exp(-((d - 300) ** 2) / (2 * 25.0**2))
    profile = maps.ring_profile(pre, post, lobed, source, np.array([True]))
    assert np.argmax(profile[3:]) + 3 == 6

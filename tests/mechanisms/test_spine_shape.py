"""Necks and labels."""

from __future__ import annotations

import numpy as np
import pytest

from neurodev.errors import BuildError
from neurodev.mechanisms.spine_shape import LABELS, SpineShape, share_of_stubby, shares
from neurodev.mechanisms.spine_size import SpineSize
from neurodev.mechanisms.turnover import Turnover
from tests.mechanisms.drivers import World, few, star


def test_labels_of_the_reference_means() -> None:
    """BIO-4 (G): the label function on the published means gives thin, stubby, mushroom and filopodium in turn."""
    # Harris 1992: volumes; necks of Harris & Stevens 1989; a stubby spine has no neck, a filopodium no head
    volume, length, width = [0.04, 0.03, 0.29, 0.005], [0.45, 0.05, 0.45, 4.0], [0.15, 0.3, 0.15, 0.2]
    assert SpineShape().labels(volume, length, width).tolist() == ["thin", "stubby", "mushroom", "filopodium"]
    assert SpineShape().labels([0.29], [0.45], [0.15], stage=[0.0]).tolist() == ["filopodium"]
    assert SpineShape(mushroom_volume=0.03).labels([0.04], [0.45], [0.15]).tolist() == ["mushroom"]


def test_necks_are_independent_of_size_and_for_life() -> None:
    """BIO-3 (P): weight follows volume (> 0.8), neck length does not (abs < 0.2)."""
    n = few(5000, 1000)
    w = World((SpineSize(death="none"), SpineShape()), star(n))
    length = w.of("neck_length").copy()
    w.step(3)
    assert np.array_equal(w.of("neck_length"), length)
    x = w.of("log_size")
    weight = np.maximum(0.0, np.exp(x) - np.exp(-1.6))
    assert np.corrcoef(x, weight)[0, 1] > 0.8
    assert abs(np.corrcoef(x, length)[0, 1]) < min(4 / np.sqrt(n), 0.2)
    assert abs(length.mean() - 0.45) < 4 * 0.29 / np.sqrt(n)


def test_stubby_spines_of_rat_hippocampus() -> None:
    """8 stubby spines of 100 in CA1 (Harris & Stevens 1989): within 4 SE of the share by independent necks."""
    p = share_of_stubby(SpineShape())
    assert abs(p - 0.08) < 4 * np.sqrt(0.08 * 0.92 / 100)
    w = World((SpineSize(), SpineShape()), star(few(4000, 500)))
    s = shares(SpineShape().labels(0.05 * np.exp(w.of("log_size")), w.of("neck_length"), w.of("neck_diameter")))
    assert sum(s.values()) == pytest.approx(1.0) and set(s) == set(LABELS) and s["thin"] > s["mushroom"] > 0
    assert shares(np.array([], dtype=str)) == dict.fromkeys(LABELS, 0.0)


@pytest.mark.parametrize("powers", [(1.0, 1.0, 2.0), (0.5, 0.0, 3.0)])
def test_isotropic_spines_keep_their_proportions(powers) -> None:
    """Lengths go with the cube root of the volume, areas with its square, whatever the volume did; to 1e-12."""
    shape = SpineShape(isotropic=True, length_power=powers[0], diameter_power=powers[1], density_power=powers[2])
    drawn = World((SpineSize(death="none"), SpineShape()), star(300))
    w = World((SpineSize(death="none"), shape), star(300))
    area = w.of("density_area") / np.exp(w.of("log_size") * powers[2] / 3.0)
    assert abs(area.mean() - 0.069) < 4 * 0.02 / np.sqrt(300)
    for _ in range(3):
        v = np.exp(w.of("log_size"))
        for name, power in zip(("neck_length", "neck_diameter"), powers[:2], strict=True):
            np.testing.assert_allclose(w.of(name), drawn.of(name) * v ** (power / 3.0), rtol=1e-12)
        np.testing.assert_allclose(w.of("density_area"), area * v ** (powers[2] / 3.0), rtol=1e-12)
        w.step(5)
    assert np.ptp(w.of("log_size")) > 1.0


def test_newborns_and_volumes_without_a_process_are_scaled_too() -> None:
    shape = SpineShape(isotropic=True, neck_length_sd=0.0, neck_diameter_sd=0.0, density_area_sd=0.0)
    w = World((SpineSize(), Turnover(late=20.0, hazard=0.3), shape), star(60))
    w.step(20)
    v, uid = np.exp(w.of("log_size")), np.sort(w.table.uid[w.table.slots()])
    assert uid[-1] > 80
    np.testing.assert_allclose(w.of("neck_length"), 0.45 * np.cbrt(v), rtol=1e-12)
    np.testing.assert_allclose(w.of("density_area"), 0.069 * np.cbrt(v) ** 2, rtol=1e-12)
    still = World((shape,), star(5, columns=("size",)))
    still.table.column("size")[still.table.slots()] = 0.4
    still.step()
    s = np.cbrt(0.4 / still.view.reference_volume)
    np.testing.assert_allclose(still.of("neck_diameter"), 0.15 * s, rtol=1e-12)


def test_without_a_volume_nothing_is_followed() -> None:
    with pytest.raises(BuildError, match="has no spines, whose volume"):
        World((SpineShape(isotropic=True),), star(3, columns=()))
    assert "density_area" not in World((SpineShape(),), star(3)).table.column_names

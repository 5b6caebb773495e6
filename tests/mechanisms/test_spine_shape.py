"""Necks and labels."""

from __future__ import annotations

import numpy as np
import pytest

from neurodev.mechanisms.spine_shape import LABELS, SpineShape, share_of_stubby, shares
from neurodev.mechanisms.spine_size import SpineSize
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

"""Controllers and selectors against golden numbers worked out from the published rules."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurodev import methods
from neurodev.errors import ParameterError
from neurodev.methods import rewire, schedule
from tests.methods.twin import expected_units

VGG16 = [(3, 64, 3, 3), (64, 64, 3, 3), (64, 128, 3, 3), (128, 128, 3, 3), (128, 256, 3, 3), (256, 256, 3, 3),
         (256, 256, 3, 3), (256, 512, 3, 3), *[(512, 512, 3, 3)] * 5, (512, 10)]  # fmt: skip
ERK = {
    0.10: [1, 0.6702, 0.4952, 0.3276, 0.2438, 0.1619, 0.1619, 0.1210, *[0.0805] * 5, 1],
    0.05: [1, 0.3335, 0.2464, 0.1630, 0.1213, 0.0806, 0.0806, 0.0602, *[0.0401] * 5, 1],
    0.02: [1, 0.1315, 0.0972, 0.0643, 0.0479, 0.0318, 0.0318, 0.0237, *[0.0158] * 5, 1],
    0.01: [0.7485, 0.0644, 0.0476, 0.0315, 0.0234, 0.0156, 0.0156, 0.0116, *[0.0077] * 5, 1],
}


def test_vgg16_has_the_published_number_of_weights() -> None:
    assert sum(int(np.prod(s)) for s in VGG16) == 14_715_584


@pytest.mark.parametrize("density", ERK)
def test_layer_densities_of_vgg16(density: float) -> None:
    """Erdos-Renyi-kernel densities (RigL, public code), to the digits given."""
    found = schedule.erdos_renyi(VGG16, density)
    np.testing.assert_allclose(found, ERK[density], atol=5.1e-5)
    size = np.array([np.prod(s) for s in VGG16])
    assert (found * size).sum() / size.sum() == pytest.approx(density, rel=1e-12)


def test_cubic_sequence() -> None:
    """The cubic law (Zhu & Gupta 2017): sparsity 0.5 to 0.99 in ten rounds."""
    golden = [0.5, 0.6328, 0.7391, 0.8219, 0.8842, 0.9287, 0.9586, 0.9768, 0.9861, 0.9895, 0.99]
    np.testing.assert_allclose([schedule.cubic(q / 10, 0.5, 0.99) for q in range(11)], golden, atol=5.1e-5)


@pytest.mark.parametrize(("n", "golden"), [(10, 0.44), (20, 0.25), (50, 0.11), (100, 0.056)])
def test_feasible_death_ratio(n: int, golden: float) -> None:
    """NDSNN's feasibility: the worst round of 0.5 -> 0.01 in n rounds needs this share of deaths."""
    density = [1 - schedule.cubic(q / n, 0.5, 0.99) for q in range(n + 1)]
    worst = max(1 - b / a for a, b in zip(density, density[1:], strict=False))
    assert worst == pytest.approx(golden, abs=0.006)


@given(st.integers(0, 10_000), st.integers(0, 10_000), st.floats(0, 1))
def test_births_are_never_negative(n_now: int, n_next: int, ratio: float) -> None:
    n_next = min(n_next, n_now)
    dead = schedule.fewest_deaths(n_now, n_next, ratio)
    assert 0 <= dead <= n_now and n_next - (n_now - dead) >= 0
    assert dead >= math.floor(ratio * n_now + 1e-9) or dead == n_now


@pytest.mark.parametrize(
    ("n", "percent", "rate", "n_next", "epochs", "first", "last", "percents"),
    [
        (300, 35, 1.0, 10, 263, [105, 163, 178, 183], 192, [54.5, 59.54, 61.19, 61.77, 64.10]),
        (300, 45, 1.0, 10, 263, [135, 184, 197, 201], 208, [69.62]),
        (300, 60, 1.0, 11, 263, [180, 212, 221, 224], 229, [76.55]),
    ],
)
def test_pruned_neurons_of_sd_snn(
    n: int, percent: float, rate: float, n_next: int, epochs: int, first: list[int], last: int, percents: list[float]
) -> None:
    """Golden numbers of SD-SNN's public code, by the twin; the method itself is held against the twin elsewhere."""
    found = expected_units(n, percent, rate, n_next, epochs)
    assert found[:4] == first and found[-1] == last


def test_percentile_cap_of_regeneration() -> None:
    """SD-SNN, public code: from 66 % (65 + 1) to 99 %, reached at e = 74 for filters (k = e - 37)."""
    assert schedule.percentile(0, 65) == 66
    assert schedule.percentile(36, 65) < 99 <= schedule.percentile(37, 65)


def test_sine_ramp() -> None:
    """STDS: from 0 to D with zero slope at both ends, half way in the middle."""
    assert schedule.sine(0, 2.0) == 0 and schedule.sine(1, 2.0) == 2 and schedule.sine(0.5, 2.0) == pytest.approx(1)
    assert schedule.sine(1e-4, 2.0) < 1e-7 and 2 - schedule.sine(1 - 1e-4, 2.0) < 1e-7


def test_rates_add_up_in_short_runs() -> None:
    """Sum of exp(-k/5) is 5.517 whatever the length of the run."""
    for scale in (1.0, 0.5, 0.1, 0.03):
        total = sum(schedule.exponential_rate(k, 5.0, scale) for k in range(400))
        assert total == pytest.approx(1 / (1 - math.exp(-1 / 5)), rel=1e-9)


def test_lottery_rounds() -> None:
    golden = [0, 25, 43.75, 57.81, 68.36, 76.27, 82.20, 86.65, 89.99, 92.49, 94.37, 95.78, 96.83, 97.62, 98.22]
    method = methods.LTH(sparsity=1 - 0.75**14)
    found = [100 * (1 - method.density_after(k)) for k in range(15)]
    np.testing.assert_allclose(found, golden, atol=5.1e-3)
    assert method.prunings == 14


@given(st.lists(st.integers(-5, 5), min_size=1, max_size=40), st.data())
def test_smallest_is_a_stable_sort(scores: list[int], data: st.DataObject) -> None:
    n = data.draw(st.integers(0, len(scores)))
    expected = np.sort(np.argsort(np.array(scores, dtype=float), kind="stable")[:n])
    np.testing.assert_array_equal(rewire.smallest(np.array(scores, dtype=float), n), expected)


def test_ties_go_by_the_given_order() -> None:
    np.testing.assert_array_equal(rewire.smallest([1.0, 1, 1, 0], 2, tie=[3, 2, 1, 0]), [2, 3])
    np.testing.assert_array_equal(rewire.largest([1.0, 1, 1, 0], 2, tie=[3, 2, 1, 0]), [1, 2])


def test_persistence_counts_rounds_after_the_first() -> None:
    counter = np.full(2, -1)
    for now in ([True, True], [True, False], [True, True]):
        rewire.persistent(counter, np.array(now))
    np.testing.assert_array_equal(counter, [2, 0])


def test_doors() -> None:
    with pytest.raises(ParameterError, match=r"density must lie in \(0, 1\]"):
        schedule.erdos_renyi(VGG16, 0.0)
    with pytest.raises(ParameterError, match="leaves nothing beside the layers that stay dense"):
        schedule.erdos_renyi([(64, 20), (20, 10)], 0.05, dense=[False, True])
    with pytest.raises(ParameterError, match="NaN"):
        rewire.smallest([1.0, np.nan], 1)
    with pytest.raises(ParameterError, match="no living unit"):
        schedule.neurotrophic(5.0, 1.0, 10, 0)

"""Measures of dendritic integration, on traces whose numbers are known."""

import numpy as np
import pytest

from neurodev.errors import ParameterError
from neurodev.metrics.integration import course, nonlinearity, supralinear_step


def test_course_of_a_triangle_and_a_difference_of_exponentials():
    t = np.linspace(0.0, 80.0, 8001)
    triangle = np.where(t < 10, t * 0.5, 5 - (t - 10) * 0.1) - 60.0
    epsp = np.exp(-t / 20) - np.exp(-t / 5)
    found = course(t, np.column_stack([triangle, epsp]))
    peak = np.log(4) / (1 / 5 - 1 / 20)
    np.testing.assert_allclose(found.peak, [5.0, np.exp(-peak / 20) - np.exp(-peak / 5)], rtol=1e-6)
    np.testing.assert_allclose(found.time_to_peak, [10.0, peak], atol=0.01)
    np.testing.assert_allclose(found.steepest, [0.5, 1 / 5 - 1 / 20], rtol=2e-3)


def test_nonlinearity_and_step():
    n = np.arange(1.0, 13.0)
    linear, step = 0.3 * n, 0.3 * n + 1.5 * (n >= 10)
    np.testing.assert_allclose(nonlinearity(step, linear)[[8, 9]], [100.0, 150.0])
    assert supralinear_step(step) == 9
    assert supralinear_step(linear) == -1


@pytest.mark.parametrize(
    "call",
    [
        lambda: course([0.0, 1.0], np.zeros((3, 2))),
        lambda: course([1.0, 0.0], np.zeros((2, 1))),
        lambda: nonlinearity([1.0], [0.0]),
        lambda: supralinear_step([1.0, 2.0]),
    ],
)
def test_bad_input(call):
    with pytest.raises(ParameterError):
        call()

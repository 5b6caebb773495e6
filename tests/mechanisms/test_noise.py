"""Block draws and polynomials against `neurodev.rng` and NumPy; the speed of a tick."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from neurodev import noise, rng
from tests.mechanisms.drivers import few


@pytest.mark.parametrize("n", [1, 7, noise.BLOCK])
def test_normals_are_those_of_the_stream(n: int) -> None:
    counter = np.arange(n, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    out, work = np.empty(n), np.empty((2, noise.BLOCK))
    for step in (0, 1, 12345):
        noise.normals(np.uint64(77), counter, np.uint64(step), out, out.view(np.uint64), work)
        assert out == pytest.approx(noise.normals_of(np.uint64(77), counter, step), abs=5e-15, rel=1e-13)
        one = float(rng.normal(np.uint64(77), counter[0], np.uint64(step)))
        assert out[0] == pytest.approx(one, rel=1e-13)


def test_exponentials_and_logarithms() -> None:
    x = np.concatenate([np.linspace(-600, 600, 1001), np.linspace(-1, 1, 1001), [0.0]])
    y, power = x.copy(), np.empty(x.size)
    noise.exponentials(y, power, power.view(np.uint64))
    assert np.abs(y / np.exp(x) - 1).max() < 5e-16
    u = np.concatenate([np.exp(-np.linspace(1e-9, 36, 1001)), [0.5, 0.25, np.sqrt(0.5), 1 - 2**-53, 2.0**-54]])
    v, scratch = u.copy(), np.empty(u.size)
    noise.minus_logarithms(v, v.view(np.uint64), scratch)
    assert np.abs(v / -np.log(u) - 1).max() < 5e-16


def test_the_stream_is_normal() -> None:
    z = noise.normals_of(rng.key(3, "x"), np.arange(few(400_000, 5000), dtype=np.uint64), 7)
    n = z.size
    assert abs(z.mean()) < 4 / np.sqrt(n) and abs(z.var() - 1) < 4 * np.sqrt(2 / n)
    assert abs((z**3).mean()) < 4 * np.sqrt(15 / n) and abs((z**4).mean() - 3) < 4 * np.sqrt(96 / n)
    assert stats.kstest(z, "norm").pvalue > 1e-3
    later = noise.normals_of(rng.key(3, "x"), np.arange(n, dtype=np.uint64), 8)
    assert abs(np.corrcoef(z, later)[0, 1]) < 4 / np.sqrt(n)
    assert abs(np.corrcoef(z[1:], z[:-1])[0, 1]) < 4 / np.sqrt(n)

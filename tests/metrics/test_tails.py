"""Heavy tails: parameters recovered, the right one of three found nearest, no verdict where there is none."""

from __future__ import annotations

import numpy as np
import pytest

from neurodev.errors import ParameterError
from neurodev.metrics.spikes import power_law_fit
from neurodev.metrics.tails import tails

N = 3000


def test_closed_forms() -> None:
    draw = np.random.default_rng(0)
    x = 2.0 * (1 - draw.random(N)) ** (-1 / 1.5)
    found = tails(x, 2.0)
    a = found.power_law.parameters["exponent"]
    assert a == pytest.approx(1 + N / np.log(x / 2).sum()) and abs(a - 2.5) < 4 * 1.5 / np.sqrt(N)
    assert found.power_law.log_likelihood == pytest.approx(N * np.log((a - 1) / 2) - a * np.log(x / 2).sum())
    rate = found.exponential.parameters["rate"]
    assert rate == pytest.approx(1 / (x - 2).mean())
    assert found.exponential.log_likelihood == pytest.approx(N * np.log(rate) - N)
    assert (
        found.compare("power_law", "exponential").normalised > 3 and found.compare("power_law", "exponential").p < 0.01
    )
    # a log-normal far out looks like a power law: no verdict
    assert found.compare("power_law", "lognormal").p > 0.1
    back, there = found.compare("exponential", "power_law"), found.compare("power_law", "exponential")
    assert back.ratio == -there.ratio and back.p == there.p
    free = tails(x)
    assert free.xmin >= 2.0 and abs(free.power_law.parameters["exponent"] - 2.5) < 0.2


def test_each_is_nearest_to_its_own() -> None:
    draw = np.random.default_rng(1)
    x = draw.lognormal(0.3, 0.8, N)
    found = tails(x, 0.05)  # almost all are above: the parameters are the moments
    x = x[x >= 0.05]
    assert found.lognormal.parameters["mean"] == pytest.approx(np.log(x).mean(), abs=0.01)
    assert found.lognormal.parameters["sd"] == pytest.approx(np.log(x).std(), abs=0.01)
    assert found.nearest == "lognormal" and found.compare("lognormal", "power_law").p < 1e-6
    found = tails(1.0 + draw.exponential(2.0, N), 1.0)
    assert found.nearest in ("exponential", "lognormal") and found.compare("power_law", "exponential").normalised < -3


def test_counts() -> None:
    draw = np.random.default_rng(2)
    k = draw.zipf(2.5, N)
    found = tails(k, 1, counts=True)
    assert found.power_law.parameters["exponent"] == power_law_fit(k).exponent
    k = draw.geometric(0.2, N)
    found = tails(k, 1, counts=True)
    assert found.exponential.parameters["rate"] == pytest.approx(-np.log1p(-1 / k.mean()))
    law = -np.log(k.mean()) + (k - 1) * np.log1p(-1 / k.mean())
    assert found.exponential.log_likelihood == pytest.approx(law.sum())
    assert found.nearest == "exponential" and found.exponential.distance < 0.03
    y = np.maximum(np.rint(draw.lognormal(2.0, 0.7, N)), 1.0)
    found = tails(y, 1, counts=True)
    assert abs(found.lognormal.parameters["mean"] - 2.0) < 0.06 and abs(found.lognormal.parameters["sd"] - 0.7) < 0.05
    assert found.nearest == "lognormal"


def test_doors() -> None:
    for call, said in (
        (lambda: tails([1.0, -1.0]), "positive and finite, got -1"), (lambda: tails([1.5] * 20, counts=True), "whole"),
        (lambda: tails([1.0] * 20, 1.0), "10 different"), (lambda: tails([1.0, 2.0]), "ten at least"),
        (lambda: tails(np.arange(1.0, 30.0), 0.0), "xmin must be a positive"),
        (lambda: tails(np.arange(1.0, 30.0), 1.0).compare("a", "power_law"), "compare takes two of"),
    ):  # fmt: skip
        with pytest.raises(ParameterError, match=said):
            call()

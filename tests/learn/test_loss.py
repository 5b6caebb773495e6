"""Losses against finite differences and their definitions written as loops."""

import numpy as np
import pytest

from neurodev import registry
from neurodev.errors import ParameterError
from neurodev.learn.core.spikes import Current, Spikes
from neurodev.learn.training.loss import Loss, as_loss, first_spike_cross_entropy, judged, rate_mse

LOSSES = registry.ours("loss")

T, B, N = 6, 5, 4
DRAW = np.random.default_rng(8)
VALUES = DRAW.normal(size=(T, B, N))
LABELS = np.array([0, 3, 1, 1, 2])
DIFFERENTIABLE = ["rate_mse", "rate_cross_entropy", "step_cross_entropy", "peak_cross_entropy"]


def current(values):
    return Current(np.ascontiguousarray(values).reshape(-1, N), values.shape[0], values.shape[1], (N,))


def entropy(scores, label):
    return np.log(np.exp(scores).sum()) - scores[label]


SLOW = {
    "rate_mse": lambda v, k: ((v.mean(axis=0) - np.eye(N)[k]) ** 2).sum() / N,
    "rate_cross_entropy": lambda v, k: entropy(v.mean(axis=0), k),
    "step_cross_entropy": lambda v, k: sum(entropy(step, k) for step in v) / T,
    "peak_cross_entropy": lambda v, k: entropy(v.max(axis=0), k),
}
SCORES = {"peak_cross_entropy": lambda v: v.max(axis=0)}


@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_value_and_scores(name):
    value, _, scores = LOSSES[name](current(VALUES), LABELS, B)
    np.testing.assert_allclose(value, sum(SLOW[name](VALUES[:, b], LABELS[b]) for b in range(B)) / B, rtol=1e-12)
    np.testing.assert_allclose(scores, SCORES.get(name, lambda v: v.mean(axis=0))(VALUES), rtol=1e-12)


@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_gradient_is_the_difference(name):
    _, gradient, _ = LOSSES[name](current(VALUES), LABELS, B)
    found, h = gradient.by_row.reshape(T, B, N), 1e-5
    want = np.empty_like(VALUES)
    for at in np.ndindex(VALUES.shape):
        sides = []
        for sign in (1, -1):
            moved = VALUES.copy()
            moved[at] += sign * h
            sides.append(LOSSES[name](current(moved), LABELS, B)[0])
        want[at] = (sides[0] - sides[1]) / (2 * h)
    np.testing.assert_allclose(found, want, rtol=0, atol=1e-9)


@pytest.mark.parametrize("name", LOSSES)
def test_parts_of_a_batch_add_up(name):
    """With `total` the size of the whole batch, values and gradients are those of the whole."""
    loss = LOSSES[name]
    value, gradient, scores = loss(current(VALUES), LABELS, B)
    parts = [loss(current(VALUES[:, s]), LABELS[s], B) for s in (slice(0, 2), slice(2, B))]
    np.testing.assert_allclose(sum(p[0] for p in parts), value, rtol=1e-12)
    found = np.concatenate([p[1].by_row.reshape(T, -1, N) for p in parts], axis=1)
    np.testing.assert_allclose(found, gradient.by_row.reshape(T, B, N), atol=1e-15)
    np.testing.assert_allclose(np.concatenate([p[2] for p in parts]), scores, atol=1e-15)


def test_counts_are_worth_their_scale():
    flags = (DRAW.random((T * B, N)) < 0.5).astype(np.uint8)
    spikes = Spikes(flags, T, B, (N,), scale=0.25)
    for name in ("rate_mse", "step_cross_entropy"):
        a = LOSSES[name](spikes, LABELS, B)
        b = LOSSES[name](Current(flags.astype(np.float32) * np.float32(0.25), T, B, (N,)), LABELS, B)
        assert a[0] == b[0] and np.array_equal(a[1].value, b[1].value)


def test_first_spikes():
    """Score -t / T of the first spike, -1 in silence; the gradient sits at that spike, or everywhere in silence."""
    flags = np.zeros((T, 1, N), dtype=np.uint8)
    flags[2, 0, 0] = flags[4, 0, 0] = flags[0, 0, 1] = flags[5, 0, 3] = 1
    _, gradient, scores = first_spike_cross_entropy(Spikes(flags.reshape(-1, N), T, 1, (N,)), np.array([0]), 1)
    first = np.array([2, 0, T, 5])
    np.testing.assert_allclose(scores[0], -first / T, rtol=1e-6)
    p = np.exp(-first / T) / np.exp(-first / T).sum()
    want = np.zeros((T, N))
    for unit in range(N):
        for t in range(T):
            if t == first[unit] or first[unit] == T:
                want[t, unit] = (p[unit] - (unit == 0)) * (T - t) / T
    np.testing.assert_allclose(gradient.by_row, want, rtol=1e-6, atol=1e-8)


def test_a_sample_on_target_has_no_gradient():
    flags = np.zeros((T, 1, N), dtype=np.uint8)
    flags[:, 0, 2] = 1
    value, gradient, _ = LOSSES["rate_mse"](Spikes(flags.reshape(-1, N), T, 1, (N,)), np.array([2]), 1)
    assert value == 0.0 and not gradient.value.any()


def test_losses_by_name_and_of_ones_own():
    assert {as_loss(name).name for name in LOSSES} == set(LOSSES)
    plain = as_loss(LOSSES["rate_mse"])
    assert as_loss(plain) is plain and plain.name == "rate_mse"
    assert as_loss(lambda y, labels, total: LOSSES["rate_mse"](y, labels, total)).name == "<lambda>"
    with pytest.raises(ParameterError, match="says nothing"):
        as_loss(Loss())
    scores = np.array([[0.1, 0.7, 0.2], [0.5, 0.1, 0.4]])
    np.testing.assert_array_equal(plain.right(scores, np.array([1, 2])), [True, False])
    with pytest.raises(ParameterError, match="did you mean 'peak_cross_entropy'"):
        as_loss("peak_crossentropy")


def narrow(y, labels, total):
    value, gradient, scores = rate_mse(y, labels, total)
    return value, Current(gradient.by_row[:, 1:], T, B, (N - 1,)), scores


def short(y, labels, total):
    value, gradient, scores = rate_mse(y, labels, total)
    gradient.value = gradient.by_row[1:]
    return value, gradient, scores


def few_scores(y, labels, total):
    value, gradient, scores = rate_mse(y, labels, total)
    return value, gradient, scores[1:]


class OneVerdict(Loss, word=False):
    def __call__(self, y, labels, total):
        return rate_mse(y, labels, total)

    def right(self, scores, labels):
        return np.array([True])


@pytest.mark.parametrize(
    ("loss", "match"),
    [
        (narrow, r"narrow: the gradient must be a Current of .* \(6, 5, 4\) like y, got \(6, 5, 3\)"),
        (short, r"short: .* values of shape \(29, 4\)"),
        (lambda y, labels, total: (0.0, y.by_row, y.by_row), "Current of .* got ndarray"),
        (few_scores, r"scores need one row per sample, 5, got \(4, 4\)"),
        (OneVerdict(), r"right must say \(5,\) True or False, got \(1,\)"),
    ],
)
def test_a_loss_of_ones_own_is_looked_at(loss, match):
    """Its gradient goes to kernels that trust their arrays."""
    with pytest.raises(ParameterError, match=match):
        judged(as_loss(loss), current(VALUES), LABELS, B)

"""A spiking policy in the maze: the loss and the critic against their definitions, and learning under a method."""

from __future__ import annotations

import numpy as np
import pytest

from neurodev.data.maze import Maze
from neurodev.errors import ParameterError
from neurodev.learn.core.spikes import Current
from neurodev.learn.training.optim import Adam, cosine
from neurodev.learn.training.reinforce import ClippedPolicy, Critic, Experience, PolicyTrainer, policy_network
from neurodev.methods import NDSNN


def little(**more) -> PolicyTrainer:
    maze = Maze(side=5, walls=0.3, seed=2)
    given = {"epochs": 40, "batch": 20, "transitions": 400, "optimiser": Adam(5e-3), "schedule": cosine(0.1)} | more
    return PolicyTrainer(policy_network(maze, 80), maze, steps=8, **given)


def test_loss_has_the_gradient_of_its_value() -> None:
    """Central differences, within and beyond the clip."""
    draw = np.random.default_rng(0)
    n = 12
    e = Experience.empty(Maze(side=4, walls=0.2), n)
    e.action[:], e.chance[:] = draw.integers(4, size=n), draw.uniform(0.05, 0.9, n)
    e.advantage[:] = draw.normal(size=n)
    loss = ClippedPolicy(sharpness=3.0, clip=0.2, entropy=0.1, experience=e)
    labels, y = np.arange(n), draw.uniform(size=(5 * n, 4))
    value = lambda v: loss(Current(v, 5, n, (4,)), labels, n)[0]
    gradient = loss(Current(y, 5, n, (4,)), labels, n)[1].value
    for k in draw.choice(y.size, 40, replace=False):
        step = np.zeros(y.size)
        step[k] = 1e-6
        step = step.reshape(y.shape)
        assert gradient.reshape(-1)[k] == pytest.approx((value(y + step) - value(y - step)) / 2e-6, abs=1e-8)
    assert loss.right(np.eye(4)[e.action], labels).all()


@pytest.mark.parametrize("terminated", [True, False])
def test_advantages_are_sums_of_errors(terminated: bool) -> None:
    """sum over l of (discount trace)^l delta, written out; with trace 1 the discounted return less the value."""
    t = little()
    draw = np.random.default_rng(1)
    cells, reward = np.array([3, 5, 3, 4, 1]), np.array([0.0, 0.3, 0.0, 1.0])
    for trace in (0.7, 1.0):
        critic = Critic(discount=0.9, trace=trace)
        critic.start(t)
        v = critic.memory["value"]
        v[:] = draw.normal(size=v.size)
        end = 0.0 if terminated else v[1]
        values = np.array([*v[cells[:-1]], end])
        delta = reward + 0.9 * values[1:] - values[:-1]
        want = [sum((0.9 * trace) ** (l - k) * delta[l] for l in range(k, 4)) for k in range(4)]  # noqa: E741
        np.testing.assert_allclose(critic.advantages([(cells, reward, terminated)]), want, rtol=1e-13)
        if trace == 1.0:
            back = sum(0.9**k * reward[k] for k in range(4)) + 0.9**4 * end
            assert want[0] == pytest.approx(back - v[3])


def test_critic_moves_to_the_mean_return() -> None:
    t = little()
    critic = Critic(rate=0.5)
    critic.start(t)
    critic.learn(np.array([0, 0, 0, 2]), np.array([1.0, 2.0, 3.0, 4.0]))
    assert critic.memory["value"][:3].tolist() == [2.0, 0.0, 2.0]


@pytest.mark.compiled
def test_learns_while_pruned_and_resumes(tmp_path) -> None:
    """A little maze is solved at 80 % sparsity; a broken run goes on to the same weights, the critic's memory too."""
    options = {"methods": [NDSNN(sparsity=0.8, every=10)], "to": tmp_path / "a.sqlite"}
    whole = little(**options).fit()
    last = whole.history[-1]
    assert last.test_accuracy >= 0.95 and last.density == pytest.approx(0.2, abs=0.01)
    assert last.test_accuracy == whole.maze.success(whole.chances().argmax(axis=1)).mean()
    options = {"methods": [NDSNN(sparsity=0.8, every=10)], "to": tmp_path / "b.sqlite"}
    broken = little(**options)
    broken.fit(10)
    broken.record.close("broken off")
    again = little(resume=True, **options).fit()
    for name, w in whole.weights().items():
        np.testing.assert_array_equal(w.table.weight, again.weights()[name].table.weight)
    np.testing.assert_array_equal(whole.critic.memory["value"], again.critic.memory["value"])
    whole.close(), again.close()


def test_a_gated_policy_is_scaled_up_until_it_spikes() -> None:
    """One cell in 65 fires, too little for the weights as drawn: `calibrate` raises the drive, not the gate."""
    maze = Maze()
    t = PolicyTrainer(policy_network(maze, 40, readout="currents", dendritic=True), maze)
    assert set(t.gains) == {"hidden"} and t.gains["hidden"] > 1 and "hidden_gate" in str(list(t.weights()))
    with pytest.raises(ParameterError, match="readout must be"):
        policy_network(maze, readout="potentials")


def test_walks_keep_to_the_policy() -> None:
    """Every transition is one of the maze; chances are those of the policy at the beginning of the epoch."""
    t = little()
    t.gather()
    e = t.policy.experience
    assert e is not None and e.cell.size == 400
    np.testing.assert_allclose(t.chances()[e.cell, e.action], e.chance, rtol=1e-6)
    moved = t.maze.moves[e.cell, e.action]
    follows = (moved[:-1] == e.cell[1:]) | np.isin(e.cell[1:], t.maze.starts)
    assert follows.all() and not (e.cell == t.maze.goal).any()
    count = np.bincount(e.action, minlength=4) / e.n
    p = t.chances()[e.cell].mean(axis=0)
    assert np.all(np.abs(count - p) < 4 * np.sqrt(p * (1 - p) / e.n))


@pytest.mark.parametrize("value", ["one", None, float("nan"), -1, [1.0], 2.5, 0])
def test_words_of_a_policy(value: object) -> None:
    """Refused by name before a maze is walked."""
    maze, net = Maze(), policy_network(Maze(), 8)
    for word, call in (
        ("maze", lambda: policy_network(value)), ("maze", lambda: PolicyTrainer(net, value)),
        ("transitions", lambda: PolicyTrainer(net, maze, transitions=value)),
        ("steps", lambda: PolicyTrainer(net, maze, steps=value)), ("n_out", lambda: policy_network(maze, value)),
        ("sharpness", lambda: ClippedPolicy(sharpness=value) if value != 2.5 else ClippedPolicy(sharpness=-1)),
        ("clip", lambda: ClippedPolicy(clip=value)), ("loss", lambda: PolicyTrainer(net, maze, loss=value or "x")),
        ("critic", lambda: PolicyTrainer(net, maze, critic=value or "x")),
        ("dendritic", lambda: policy_network(maze, dendritic=value)),
        ("gate_gain", lambda: policy_network(maze, dendritic=True, gate_gain=value if value != 2.5 else -1)),
    ):  # fmt: skip
        with pytest.raises(ParameterError, match=word):
            call()

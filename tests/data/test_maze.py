"""The maze: its walls, its shortest paths, its interface."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from neurodev.data import maze as module
from neurodev.data.maze import Maze
from neurodev.errors import ParameterError


@pytest.mark.parametrize("seed", range(4))
def test_walls_and_shortest_paths(seed: int) -> None:
    """At least 30 % walls, all free cells connected; distances by the slow twin (relaxation until nothing changes)."""
    m = Maze(walls=0.3, seed=seed)
    assert m.grid.mean() >= 0.3 and m.grid.shape == (10, 10)
    far = {tuple(c): np.inf for c in m.cells}
    far[tuple(m.cells[m.goal])] = 0
    for _ in far:
        for r, c in far:
            near = [far.get((r + dr, c + dc), np.inf) + 1 for dr, dc in module.MOVES]
            far[r, c] = min(far[r, c], *near)
    assert [far[tuple(c)] for c in m.cells] == m.distance.tolist()
    assert np.array_equal(Maze(walls=0.3, seed=seed).grid, m.grid)
    assert not np.array_equal(Maze(walls=0.3, seed=seed + 10).grid, m.grid)


def test_every_free_cell_is_a_start_with_four_shortest_paths() -> None:
    m = Maze()
    assert m.starts.size == len(m.cells) - 1 and np.array_equal(m.limits, 4 * m.distance)
    for start in m.starts.tolist():
        at, info = m.reset(options={"start": start})
        assert at == start and info["distance"] == m.distance[start]
        wall = next((a for a in range(4) if m.moves[start, a] == start), None)
        steps, late, done = 0, False, False
        while wall is not None and not late:
            at, reward, done, late, _ = m.step(wall)
            steps += 1
            assert (at, reward, done) == (start, 0.0, False)
        assert wall is None or steps == 4 * m.distance[start]


def test_success_agrees_with_walking() -> None:
    """The policy of shortest paths always arrives; random policies are walked one by one."""
    m = Maze(seed=1)
    best = m.distance[m.moves].argmin(axis=1)
    assert m.success(best).all()
    draw = np.random.default_rng(0)
    for _ in range(5):
        policy = np.where(draw.random(best.size) < 0.8, best, draw.integers(4, size=best.size))
        found = []
        for start in m.starts.tolist():
            at, _ = m.reset(options={"start": start})
            done = late = False
            while not (done or late):
                at, reward, done, late, _ = m.step(int(policy[at]))
            assert reward == float(done)
            found.append(done)
        assert m.success(policy).tolist() == found


def test_spaces_and_seeds() -> None:
    m = Maze()
    assert m.action_space.n == 4 and m.observation_space.n == len(m.cells)
    assert 3 in m.action_space and 4 not in m.action_space and True not in m.action_space
    assert {m.action_space.sample() for _ in range(60)} == {0, 1, 2, 3}
    first = [m.reset(seed=5)[0]] + [m.reset()[0] for _ in range(5)]
    assert first == [m.reset(seed=5)[0]] + [m.reset()[0] for _ in range(5)]
    m.reset(options={"start": 0 if m.goal else 1})
    assert m.render().count("A") == m.render().count("G") == 1 and m.render().count("#") == m.grid.sum()


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: Maze(side=1), "side"),
        (lambda: Maze(walls=1.0), "walls must lie"),
        (lambda: Maze(walls=0.97), "lower walls"),
        (lambda: Maze(patience=0), "patience"),
        (lambda: Maze().reset(options={"start": Maze().goal}), "start must be a free cell"),
        (lambda: Maze().reset(options={"start": 10_000}), "start must be a free cell"),
        (lambda: Maze().step(0), "reset"),
        (lambda: (lambda m: (m.reset(), m.step(4)))(Maze()), "action must be one of"),
    ],
)
def test_doors(call, words: str) -> None:
    with pytest.raises(ParameterError, match=words):
        call()


def test_without_gymnasium(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gymnasium", None)
    with pytest.raises(ParameterError, match="pip install gymnasium"):
        module.as_gymnasium()


def test_with_gymnasium() -> None:
    gymnasium = pytest.importorskip("gymnasium")
    from gymnasium.utils.env_checker import check_env

    if "Maze-v0" not in gymnasium.registry and "neurodev/Maze-v0" not in gymnasium.registry:
        module.register()
    name = next(k for k in gymnasium.registry if k.endswith("Maze-v0"))
    e = gymnasium.make(name, side=6, walls=0.3)
    check_env(e.unwrapped, skip_render_check=True)
    at, _ = e.reset(seed=3)
    assert at == Maze(side=6, walls=0.3).reset(seed=3)[0]

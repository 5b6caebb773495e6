"""A walled grid maze behind the interface of Gymnasium, without depending on it.

`Maze` has `reset`, `step`, `action_space` and `observation_space` as Gymnasium's environments do.  Where Gymnasium is
installed, ``gymnasium.make("neurodev/Maze-v0")`` gives the same maze as an environment of its own kind.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from neurodev import params, rng
from neurodev.errors import ParameterError, shown
from neurodev.registry import Spoken

I8 = NDArray[np.int64]

MOVES = ((-1, 0), (0, 1), (1, 0), (0, -1))  # of row and column: up, right, down, left
ACTIONS = ("up", "right", "down", "left")


@dataclass
class Discrete:
    """The whole numbers 0 .. n - 1, as a space of actions or observations.

    Parameters
    ----------
    n : int
    seed : int
        Of `sample`.
    """

    n: int
    seed: int = 0
    start: int = 0
    _draw: np.random.Generator = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.n = params.whole(self.n, "n", 1)
        self._draw = rng.generator(rng.check_seed(self.seed), "space")

    def sample(self) -> int:
        """One of them, each as likely."""
        return int(self._draw.integers(self.n))

    def contains(self, x: Any) -> bool:
        """Whether x is one of them."""
        return isinstance(x, (int, np.integer)) and not isinstance(x, bool) and 0 <= int(x) < self.n

    __contains__ = contains


class Maze(metaclass=Spoken):
    """Find the goal of a walled grid from any free cell.

    An observation is the number of the free cell the agent is in (row by row); actions are up, right, down, left.  A
    step into a wall leaves the agent where it is.  The reward is 1 at the goal and 0 elsewhere.  An episode ends at
    the goal, or is cut off after ``patience`` times the shortest path from its start.

    Parameters
    ----------
    side : int
        Rows and columns.
    walls : float
        Share of the cells that are walls, at least; free cells stay connected.
    seed : int
        Of the walls; and of the starts, until `reset` is given another.
    patience : int
        Limit of steps, in shortest paths.

    Attributes
    ----------
    grid : (side, side) bool
        True where there is a wall.
    cells : (n_free, 2) int64
        Row and column of every free cell.
    goal : int
        Free cell of the goal: of the corner of the grid, or the nearest free cell to it.
    distance : (n_free,) int64
        Steps of the shortest path to the goal.
    moves : (n_free, 4) int64
        Where each action leads.

    Raises
    ------
    ParameterError
        If the share of walls cannot be reached with connected free cells.

    Examples
    --------
    >>> maze = nd.data.Maze(side=6, walls=0.2, seed=1)
    >>> maze.side
    6
    """

    metadata: ClassVar[dict[str, Any]] = {"render_modes": ["ansi"]}
    render_mode = None

    def __init__(self, side: int = 10, walls: float = 0.35, seed: int = 0, patience: int = 4):
        self.side, self.patience = params.whole(side, "side", 2, 1000), params.whole(patience, "patience", 1)
        self.walls, self.seed = params.number(walls, "walls", low=0.0, below=1.0), rng.check_seed(seed)
        self.grid = _walled(self.side, self.walls, self.seed)
        self.cells = np.argwhere(~self.grid).astype(np.int64)
        number = np.full(self.grid.shape, -1, dtype=np.int64)
        number[~self.grid] = np.arange(len(self.cells))
        self.goal = int(np.argmax(self.cells.sum(axis=1)))
        self.moves = _moves(self.cells, number)
        self.distance = _distances(self.moves, self.goal)
        self.action_space, self.observation_space = Discrete(4), Discrete(len(self.cells))
        self._draw = rng.generator(self.seed, "starts")
        self._at = self._taken = self._limit = 0
        self._open = False

    @property
    def starts(self) -> I8:
        """Every free cell but the goal."""
        return np.flatnonzero(np.arange(len(self.cells)) != self.goal)

    @property
    def limits(self) -> I8:
        """Limit of steps from each free cell."""
        return self.patience * self.distance

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[int, dict[str, Any]]:
        """Begin an episode at a start drawn at random, or at ``options={"start": cell}``.

        Returns
        -------
        observation : int
        info : dict
            ``distance``: steps of the shortest path from here.

        Raises
        ------
        ParameterError
            If that cell is not a start.
        """
        if seed is not None:
            self._draw = rng.generator(rng.check_seed(seed), "starts")
        if options is not None and not isinstance(options, dict):
            raise ParameterError(f"options must be a dictionary such as {{'start': 3}}, got {shown(options)}")
        start = (options or {}).get("start")
        if start is None:
            start = self._draw.choice(self.starts)
        if not self.observation_space.contains(start) or start == self.goal:
            raise ParameterError(f"start must be a free cell in [0, {len(self.cells)}) but {self.goal}, got {start!r}")
        self._at, self._taken, self._limit, self._open = int(start), 0, int(self.limits[int(start)]), True
        return self._at, {"distance": int(self.distance[self._at])}

    def step(self, action: int) -> tuple[int, float, bool, bool, dict[str, Any]]:
        """Take one step.

        Returns
        -------
        observation : int
        reward : float
        terminated, truncated : bool
            At the goal; at the limit of steps.
        info : dict
            As of `reset`.

        Raises
        ------
        ParameterError
            If the action is none of the four, or the episode is over.
        """
        if not self.action_space.contains(action):
            raise ParameterError(f"action must be one of 0 .. 3 {ACTIONS}, got {action!r}")
        if not self._open:
            raise ParameterError("this episode is over: call reset() first")
        self._at, self._taken = int(self.moves[self._at, action]), self._taken + 1
        done = self._at == self.goal
        late = not done and self._taken >= self._limit
        self._open = not (done or late)
        return self._at, float(done), done, late, {"distance": int(self.distance[self._at])}

    def render(self) -> str:
        """The maze in letters: ``#`` wall, ``A`` agent, ``G`` goal."""
        letters = np.where(self.grid, "#", ".")
        letters[tuple(self.cells[self.goal])] = "G"
        letters[tuple(self.cells[self._at])] = "A"
        return "\n".join("".join(row) for row in letters)

    def close(self) -> None:
        """Nothing to close; Gymnasium asks for it."""

    def success(self, action: I8) -> NDArray[np.bool_]:
        """Whether a policy that takes ``action[cell]`` reaches the goal in time, from each start.

        Parameters
        ----------
        action : (n_free,) int64

        Returns
        -------
        (n_start,) bool
        """
        action, n = params.wholes(action, "action"), len(self.cells)
        if action.shape != (n,) or not ((action >= 0) & (action < len(MOVES))).all():
            raise ParameterError(f"action must be one of 0 .. 3 {ACTIONS} for each of {n} cells, got {shown(action)}")
        at, there = self.starts, np.zeros(self.starts.size, dtype=bool)
        limit = self.limits[at]
        for taken in range(1, int(limit.max()) + 1):
            at = np.where(there, at, self.moves[at, action[at]])
            there |= (at == self.goal) & (taken <= limit)
        return there


def _walled(side: int, walls: float, seed: int) -> NDArray[np.bool_]:
    """Walls one after the other in random order, each only if the rest stays connected."""
    grid = np.zeros((side, side), dtype=bool)
    want = int(np.ceil(walls * side * side - 1e-9))
    for k in rng.generator(seed, "walls").permutation(side * side):
        if grid.sum() >= want:
            break
        grid[divmod(int(k), side)] = True
        if not _connected(grid):
            grid[divmod(int(k), side)] = False
    if grid.sum() < want or (~grid).sum() < 2:
        raise ParameterError(f"walls={walls} leaves no connected maze of side {side} with seed {seed}: lower walls")
    return grid


def _connected(grid: NDArray[np.bool_]) -> bool:
    from scipy.ndimage import label

    return int(label(~grid)[1]) == 1


def _moves(cells: I8, number: I8) -> I8:
    side = number.shape[0]
    out = np.empty((len(cells), len(MOVES)), dtype=np.int64)
    for a, move in enumerate(MOVES):
        row, column = (cells + move).T
        inside = (row >= 0) & (row < side) & (column >= 0) & (column < side)
        to = np.where(inside, number[row % side, column % side], -1)
        out[:, a] = np.where(to < 0, np.arange(len(cells)), to)
    return out


def _distances(moves: I8, goal: int) -> I8:
    """By breadth first; moves between two cells go both ways."""
    out = np.full(len(moves), -1, dtype=np.int64)
    out[goal], waiting = 0, deque([goal])
    while waiting:
        here = waiting.popleft()
        for there in moves[here]:
            if out[there] < 0:
                out[there] = out[here] + 1
                waiting.append(int(there))
    return out


# ---------------------------------------------------------------------- Gymnasium


def as_gymnasium(**options: Any) -> Any:
    """The maze as a ``gymnasium.Env``.

    Parameters
    ----------
    **options
        Of `Maze`.

    Raises
    ------
    ParameterError
        If Gymnasium is not installed.
    """
    try:
        import gymnasium  # type: ignore[import-not-found,unused-ignore]
    except ImportError:
        raise ParameterError("Gymnasium is not installed (pip install gymnasium); Maze does not need it") from None
    options = {k: v for k, v in options.items() if k != "render_mode"}

    class Wrapped(gymnasium.Env):  # type: ignore[misc,unused-ignore]
        """A `Maze` with Gymnasium's spaces."""

        metadata = Maze.metadata

        def __init__(self) -> None:
            self.maze = Maze(**options)
            self.action_space = gymnasium.spaces.Discrete(self.maze.action_space.n)
            self.observation_space = gymnasium.spaces.Discrete(self.maze.observation_space.n)
            self.render_mode = "ansi"

        def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
            super().reset(seed=seed)
            return self.maze.reset(seed=seed, options=options)

        def step(self, action: Any) -> Any:
            return self.maze.step(int(action))

        def render(self) -> str:
            return self.maze.render()

    return Wrapped()


def register() -> None:
    """Tell Gymnasium of the maze; it calls this by itself where both are installed."""
    import gymnasium

    gymnasium.register(id="Maze-v0", entry_point="neurodev.data.maze:as_gymnasium", disable_env_checker=True)

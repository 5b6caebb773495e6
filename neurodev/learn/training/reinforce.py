"""Reinforcement learning with a spiking policy: an actor with a critic, under any method that prunes or grows.

The actor is the model: the cell of the agent's place fires at every step, the rates of the output neurons are read as
``policy = softmax(sharpness * rate)``.  Every epoch the agent walks through the maze under its own policy until it
has gathered a fixed number of transitions; these are the epoch's samples.  The critic is one value a cell, learned
from the same walks.  Advantages are generalised (Schulman et al. 2016, arXiv:1506.02438), the loss is the clipped
one of proximal policies (Schulman et al. 2017, arXiv:1707.06347).  The model of the maze is never used for learning.

    trainer = PolicyTrainer(model, Maze(), epochs=60, methods=[NDSNN(sparsity=0.8, every=20)]).fit()
    trainer.history[-1].test_accuracy        # share of starts from which the greedy policy finds the goal in time
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurodev import params, rng
from neurodev.arrays import F8, Array
from neurodev.data.maze import ACTIONS, Maze
from neurodev.errors import ParameterError
from neurodev.learn.core.spikes import Current
from neurodev.learn.core.surrogate import Surrogate
from neurodev.learn.layers.dendritic import Dendritic
from neurodev.learn.layers.linear import Linear
from neurodev.learn.layers.neurons import LIF
from neurodev.learn.model import Sequential, total_counters
from neurodev.learn.training import door
from neurodev.learn.training.course import Course
from neurodev.learn.training.encode import Bernoulli
from neurodev.learn.training.loss import LEAST, Loss, cube_of, one_hot, softmax, spread_evenly
from neurodev.learn.training.method import Remembering
from neurodev.learn.training.pace import Pace
from neurodev.learn.training.trainer import Trainer
from neurodev.learn.training.workers import Outcome
from neurodev.params import param, whole
from neurodev.registry import spoken

I8 = NDArray[np.int64]
MOST_TRANSITIONS = 10**8  # of an epoch; each is a sample
EVEN = 1e-8  # where all advantages are equal, none is scaled up


@dataclass(eq=False)
class Experience:
    """What the agent has lived through in an epoch, in the place of a data set: the label of a sample is its number.

    Attributes
    ----------
    cell, action : (n,) int64
    chance : (n,) float64
        Probability of the action when it was chosen.
    advantage : (n,) float64
    """

    maze: Maze
    n: int
    cell: I8
    action: I8
    chance: F8
    advantage: F8

    name = "maze"
    classes = ACTIONS
    n_class = len(ACTIONS)

    @classmethod
    def empty(cls, maze: Maze, n: int) -> Experience:
        """Before the first step: every cell in turn."""
        cell = np.arange(n) % len(maze.cells)
        return cls(maze, n, cell, np.zeros(n, dtype=np.int64), np.full(n, 1 / len(ACTIONS)), np.zeros(n))

    @property
    def x_train(self) -> NDArray[np.uint8]:
        """(n, n_free) one 255 at the place of the agent, which fires at every step."""
        return self.x_test[self.cell]

    @property
    def y_train(self) -> I8:
        """The numbers of the transitions."""
        return np.arange(self.n)

    @property
    def x_test(self) -> NDArray[np.uint8]:
        """All places."""
        return np.eye(len(self.maze.cells), dtype=np.uint8) * np.uint8(255)

    @property
    def y_test(self) -> I8:
        """The numbers of the places."""
        return np.arange(len(self.maze.cells))


@dataclass
class ClippedPolicy(Loss, word=False):
    """The loss of proximal policies: value and gradient at the output for some transitions.

    ``-mean(min(r A, clip(r, 1 - c, 1 + c) A)) - entropy * mean(H)``, with r the policy's probability of the action
    over the one it had when it was chosen.

    Parameters
    ----------
    sharpness : float
        Of the softmax over rates in [0, 1].
    clip : float
    entropy : float

    Raises
    ------
    ParameterError
        Naming the argument.
    """

    sharpness: float = param(8.0, above=0.0, source="free")
    clip: float = param(0.2, above=0.0, high=1.0, source="arXiv:1707.06347: 0.1 to 0.3")
    entropy: float = param(0.01, low=0.0, source="free")
    experience: Experience | None = None

    name = "clipped_policy"

    def __post_init__(self) -> None:
        params.check(self)

    def right(self, scores: Array, labels: I8) -> NDArray[np.bool_]:
        """Whether the greedy action is the one that was taken."""
        assert self.experience is not None
        return np.asarray(scores.argmax(axis=1) == self.experience.action[labels])

    def __call__(self, y: Any, labels: I8, total: int) -> tuple[float, Current, Array]:
        """Value, gradient and scores (rates)."""
        assert self.experience is not None
        e = self.experience
        rate = cube_of(y).mean(axis=0)
        p = softmax(self.sharpness * rate.astype(np.float64))
        logp = np.log(np.maximum(p, LEAST))
        taken = one_hot(e.action[labels], p.shape[1], np.float64)
        a = e.advantage[labels]
        ratio = (p * taken).sum(axis=1) / e.chance[labels]
        bounded = np.clip(ratio, 1 - self.clip, 1 + self.clip)
        h = -(p * logp).sum(axis=1)
        value = -float((np.minimum(ratio * a, bounded * a) + self.entropy * h).sum()) / total
        moves = ratio * a <= bounded * a  # beyond the bound the gradient is 0
        push = -(moves * ratio * a)[:, None] * (taken - p) + self.entropy * p * (logp + h[:, None])
        gradient = (self.sharpness * push / total).astype(rate.dtype)
        return value, spread_evenly(y, gradient), rate


@dataclass
class Critic(Remembering, word=False):
    """One value a cell, moved towards the returns that were found; state of the trainer, so that checkpoints keep it.

    Parameters
    ----------
    discount : float
        Of a reward, per step.
    trace : float
        lambda of the generalised advantage.
    rate : float
        Share of the way to the mean return of an epoch, per visit, at most 1.
    """

    discount: float = param(0.95, low=0.0, high=1.0, source="free")
    trace: float = param(0.9, low=0.0, high=1.0, source="arXiv:1506.02438: 0.9 to 0.99")
    rate: float = param(0.1, above=0.0, high=1.0, source="free")

    def __post_init__(self) -> None:
        params.check(self)
        super().__init__()

    def start(self, trainer: Course) -> None:
        """All values 0."""
        self.memory["value"] = np.zeros(trainer.data.x_test.shape[1])

    def advantages(self, walks: list[tuple[I8, F8, bool]]) -> F8:
        """Advantage of every transition, one walk after the other.

        Parameters
        ----------
        walks : list of (cells, rewards, terminated)
            Cells has one more entry than rewards: the last cell reached.
        """
        value, out = self.memory["value"], []
        for cells, reward, terminated in walks:
            v = value[cells].copy()
            if terminated:
                v[-1] = 0.0
            delta = reward + self.discount * v[1:] - v[:-1]
            a = np.empty(reward.size)
            last = 0.0
            for k in range(reward.size - 1, -1, -1):
                last = delta[k] + self.discount * self.trace * last
                a[k] = last
            out.append(a)
        return np.concatenate(out)

    def learn(self, cell: I8, advantage: F8) -> None:
        """Move each visited value towards the mean of its returns (value + advantage)."""
        value = self.memory["value"]
        visits = np.bincount(cell, minlength=value.size)
        mean = np.bincount(cell, advantage, minlength=value.size) / np.maximum(visits, 1)
        value += np.minimum(self.rate * visits, 1.0) * mean


class PolicyTrainer(Trainer):
    """Trains a spiking policy in a maze; everything else is the `Trainer`'s.

    The series ``test_accuracy`` is the share of starts from which the greedy policy reaches the goal in time, and
    ``test_loss`` is 1 minus it; ``train_accuracy`` is the share of transitions whose action is the greedy one.

    Parameters
    ----------
    model : Sequential
        From ``inputs=(n_free,)`` to four output neurons.
    maze : Maze
    transitions : int
        Gathered in every epoch.
    steps : int
        Steps of the network for one decision.
    loss : ClippedPolicy, optional
    critic : Critic, optional
    **options
        Of `Trainer`.
    """

    def __init__(
        self, model: Sequential, maze: Maze, *, transitions: int = 1000, steps: int = 10,
        loss: ClippedPolicy | None = None, critic: Critic | None = None, **options: Any,
    ):  # fmt: skip
        self.maze = door.instance("maze", maze, Maze, "a maze, such as Maze()")
        transitions = whole(transitions, "transitions", 1)
        if transitions > MOST_TRANSITIONS:
            raise ParameterError(f"transitions={transitions} an epoch are too many: at most {MOST_TRANSITIONS}")
        given = door.instance("loss", loss if loss is not None else ClippedPolicy(), ClippedPolicy, "a ClippedPolicy")
        # a copy: another training may have the one that was given
        self.policy: ClippedPolicy = replace(given, experience=Experience.empty(maze, transitions))
        first = door.instance("critic", critic if critic is not None else Critic(), Critic, "a Critic")
        others = door.check_methods(options.pop("methods", ()))
        for name in ("data", "encoder", "augment"):
            if name in options:
                raise ParameterError(f"{name} has no place in a PolicyTrainer: the agent gathers its own samples")
        super().__init__(
            model, self.policy.experience, encoder=Bernoulli(steps), loss=self.policy, methods=[first, *others],
            **options,
        )  # fmt: skip

    @property
    def critic(self) -> Critic:
        """The critic in use."""
        found = self.methods[0]
        assert isinstance(found, Critic)
        return found

    def rates(self) -> NDArray[np.float32]:
        """Rates of the four output neurons at every place, (n_free, 4)."""
        e = self.policy.experience
        assert e is not None
        out = np.empty((len(self.maze.cells), len(ACTIONS)), dtype=np.float32)
        x = e.x_test
        make = lambda ids: self._encode(x, ids, -2)
        self.workers.run(make, e.y_test, np.zeros(len(out), dtype=np.int64), learn=False, out=out)
        return out

    def chances(self) -> F8:
        """The policy: probability of each action at every place, (n_free, 4)."""
        return np.asarray(softmax(self.policy.sharpness * self.rates().astype(np.float64)))

    def gather(self) -> None:
        """Walk under the policy, from all starts in a random order, until the epoch's transitions are there."""
        e, maze, p = self.policy.experience, self.maze, self.chances()
        assert e is not None
        total_counters(self.model, [self.workers.twin])  # walking is not training: its operations are not counted
        draw = rng.generator(self.seed, "walks", self.epoch)
        walks: list[tuple[I8, F8, bool]] = []
        action: list[int] = []
        starts: list[int] = []
        while len(action) < e.n:
            starts = starts or draw.permutation(maze.starts).tolist()
            at, _ = maze.reset(options={"start": starts.pop()})
            cells, rewards, terminated, truncated = [at], list[float](), False, False
            while not (terminated or truncated) and len(action) < e.n:
                action.append(int(min((draw.random() > np.cumsum(p[at])).sum(), len(ACTIONS) - 1)))
                at, reward, terminated, truncated, _ = maze.step(action[-1])
                cells.append(at)
                rewards.append(reward)
            walks.append((np.array(cells), np.array(rewards), terminated))
        e.action[:] = action
        e.cell[:] = np.concatenate([cells[:-1] for cells, _, _ in walks])
        e.chance[:] = p[e.cell, e.action]
        advantage = self.critic.advantages(walks)
        self.critic.learn(e.cell, advantage)
        e.advantage[:] = advantage / (advantage.std() + EVEN)

    def _one_epoch(self, pace: Pace) -> None:
        self.gather()
        super()._one_epoch(pace)

    def evaluate(self, train: bool = False, *, on: str | None = None) -> Outcome:
        """Starts from which the greedy policy reaches the goal in time."""
        there = self.maze.success(self.rates().argmax(axis=1))
        total_counters(self.model, [self.workers.twin])
        return Outcome(float((~there).sum()), int(there.sum()), there.size)


@spoken
def policy_network(
    maze: Maze, hidden: int = 128, *, storage: str = "dense", readout: str = "spikes", dendritic: bool = False,
    gate_gain: float = 0.1, seed: int = 0,
) -> Sequential:  # fmt: skip
    """One hidden layer between the places of a maze and the four actions; leaky integrate-and-fire neurons throughout.

    The surrogate never is 0: with a compact one, output neurons that fall silent cannot learn to fire again, and the
    policy stands still.

    Parameters
    ----------
    hidden : int
    storage : {"dense", "hidden", "sparse"}
        Of both weight tensors.
    readout : {"spikes", "currents"}
        Rates of four output neurons, or the mean currents that would drive them, which no pruning makes silent.
    dendritic : bool
        Gate the hidden layer with a second set of synapses (`Dendritic`, as in NSPDI-SNN), of gain `gate_gain`.
    """
    door.instance("maze", maze, Maze, "a maze, such as Maze()")
    params.flag(dendritic, "dendritic")
    params.one_of(readout, "readout", ("spikes", "currents"))
    spike = lambda: LIF(0.5, 0.5, surrogate=Surrogate("arctan", 2.0))
    layer = Linear(hidden, storage=storage, name="hidden")
    return Sequential(
        Dendritic(layer, gate_gain) if dendritic else layer, spike(),
        Linear(len(ACTIONS), storage=storage, name="out"), *([spike()] if readout == "spikes" else []),
        inputs=(len(maze.cells),), seed=seed,
    )  # fmt: skip

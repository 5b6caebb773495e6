"""The course of a training: what a method, the run file and checkpoints may read and do.

Whoever writes a method gets a `Course` in every clock (see `neurodev.learn.training.method`).  The trainer is one; it
lies above this file, and nothing here knows it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from neurodev.arrays import Array
from neurodev.learn.core.layer import Vector, Weights
from neurodev.learn.model import Sequential
from neurodev.learn.training.encode import Encoder
from neurodev.learn.training.epoch import Epoch
from neurodev.learn.training.loss import Loss
from neurodev.learn.training.optim import Schedule
from neurodev.structure.cause import Cause
from neurodev.structure.log import StructuralLog
from neurodev.structure.plan import Applied, Plan


class Samples(Protocol):
    """What a training learns from: a `neurodev.data.Dataset`, or what stands in its place (an agent's experience)."""

    @property
    def name(self) -> str:
        """As the run file calls it."""

    @property
    def n_class(self) -> int:
        """Number of classes: of outputs of the model."""

    @property
    def x_train(self) -> Any:
        """What an encoder takes, indexed by sample."""

    @property
    def y_train(self) -> NDArray[np.int64]:
        """Label of each training sample."""

    @property
    def x_test(self) -> Any:
        """The same for tests."""

    @property
    def y_test(self) -> NDArray[np.int64]:
        """The same for tests."""


class Optimiser(Protocol):
    """What moves the parameters; a method may look at its rate, and begin it anew.

    Attributes
    ----------
    rate : float
        Before the schedule.
    steps : int
        Taken since the beginning; a method that rewinds weights sets it to 0.
    """

    rate: float
    steps: int

    def step(self, parameters: Iterable[Weights | Vector], factor: float = 1.0) -> None:
        """Move all parameters and clear their gradients; `factor` is the schedule's."""


class Participant(Protocol):
    """What the run file and checkpoints ask of a method."""

    causes: ClassVar[dict[str, Cause]]

    @property
    def name(self) -> str:
        """The word by which the log calls it."""

    def approximations(self, trainer: Course) -> list[str]:
        """What a reader of the run must know."""

    def state(self) -> dict[str, Array]:
        """What a checkpoint must keep."""

    def restore(self, state: dict[str, Array]) -> None:
        """Take up a state again."""


class Course(Protocol):
    """A training as its methods see it.

    What may be **read** at any time: `model`, `weights`, `data`, `encoder`, `optimiser`, `schedule`, `seed`, `epochs`,
    `batch`, `steps_per_epoch`, `epoch`, `step`, `progress_share`, `life`, `history`.  Weights may be written in any
    clock (those of living synapses; of absent ones only by a method whose `dead` is not ``zero``).  Structure changes
    through `propose` alone, before the first step through `begin_with`.  The rest (`methods`, `loss`, `gains`, `logs`,
    `life_per_epoch`, `checkpoint_every`, `augment`, `callbacks`, `description`, `workers`, `clear_gradients`) is for
    the run file and checkpoints.

    Attributes
    ----------
    epoch, step : int
        Epochs and steps that are done: 0 in `start` and in the first `epoch_end`; only the loading of a checkpoint
        writes them.
    history : list of Epoch
        Numbers of the epochs that are done.

    Examples
    --------
    >>> from neurodev.learn import Course, Method
    >>> class Look(Method):
    ...     def epoch_end(self, trainer: Course) -> None:
    ...         print(trainer.epoch)
    ...
    """

    epoch: int
    step: int
    history: list[Epoch]

    # ------------------------------------------------------------------ what is trained, on what, for how long

    @property
    def model(self) -> Sequential:
        """The model; its layers by ``model.layers()``.  Where batches are halved a replica shares its values."""

    def weights(self) -> dict[str, Weights]:
        """The weight tensors by name, from input to output, each with its synapse table."""

    @property
    def data(self) -> Samples:
        """What is learned."""

    @property
    def encoder(self) -> Encoder:
        """From samples to input; ``encoder.steps`` time steps a sample."""

    @property
    def loss(self) -> Loss:
        """What is minimised."""

    @property
    def optimiser(self) -> Optimiser:
        """What moves the parameters."""

    @property
    def schedule(self) -> Schedule:
        """Share of the run in [0, 1] -> factor on the optimiser's rate."""

    @property
    def augment(self) -> Callable[[Any, np.random.Generator], Any] | None:
        """What is done to the training samples of a batch, if anything."""

    @property
    def callbacks(self) -> Sequence[Any]:
        """What is called at the end of every epoch, or step."""

    @property
    def seed(self) -> int:
        """Draw from ``neurodev.rng.generator(seed, name of the method, ...)``, so that a rerun draws the same."""

    @property
    def epochs(self) -> int:
        """Planned length of the run."""

    @property
    def batch(self) -> int:
        """Samples of a step."""

    @property
    def steps_per_epoch(self) -> int:
        """Steps of an epoch."""

    @property
    def progress_share(self) -> float:
        """Share of the planned steps that are done, at most 1."""

    @property
    def life(self) -> float:
        """Life time that the steps done stand for, ms."""

    # ------------------------------------------------------------------ structure

    def begin_with(self, name: str, alive: NDArray[np.bool_] | None = None, storage: str | None = None) -> None:
        """Structure and storage of a weight tensor before training; in `Method.prepare` only, nothing is logged.

        Parameters
        ----------
        name : str
        alive : (n_source, n_target) bool, optional
            Which synapses exist.
        storage : {"dense", "hidden", "sparse", "suiting"}, optional
            As it is by default; see `store`.
        """

    def propose(self, name: str, plans: Sequence[Plan]) -> Applied:
        """Merge plans on a weight tensor, apply them now and log them at this step; in any clock after `start`.

        Plans are made by `neurodev.methods.rewire.deaths` and `births`.  Newborn synapses have no gradient and no
        moments of the optimiser.
        """

    def store(self, name: str, storage: str) -> None:
        """Change how a weight tensor is stored, between steps; identities, moments and values go along.

        Parameters
        ----------
        name : str
        storage : {"dense", "hidden", "sparse", "suiting"}
            The last is the quicker one of dense and sparse for as many synapses as live now.
        """

    # ------------------------------------------------------------------ looking into a step

    def watch(self, layer: str, look: Callable[[Any, Any], Any] | None) -> None:
        """Have ``look(x, y)`` called at every training call of a layer, from now on; None ends it.

        A batch goes through in pieces; `look` returns what is to be kept of one, an array with samples first.
        """

    def watched(self, layer: str) -> list[Any]:
        """What `watch` kept in this step, in the order of the batch; in `after_backward`, once: then it is gone."""

    def probe(self, name: str) -> None:
        """Have this step add up the gradient of every pair of a weight tensor, living or not; in `before_forward`."""

    def probed(self, name: str) -> Array:
        """(n_source, n_target) gradients that `probe` asked for; in `after_backward`, once: they are then forgotten."""

    def share(self, layer: str, key: str) -> None:
        """Give replicas the parameter that a method has added to ``parameters`` of a layer; in `prepare`."""

    # ------------------------------------------------------------------ for the run file and checkpoints

    @property
    def methods(self) -> Sequence[Participant]:
        """All methods, in the order of their clocks."""

    @property
    def description(self) -> dict[str, Any]:
        """All that the numbers of the training depend on, as words and numbers."""

    @property
    def gains(self) -> dict[str, float]:
        """Factor by which the weights of each layer that would have been silent were scaled up before training."""

    @property
    def logs(self) -> dict[str, StructuralLog]:
        """Births and deaths of each weight tensor that are not written yet."""

    @property
    def life_per_epoch(self) -> float:
        """Life time that an epoch stands for, ms."""

    @property
    def keep_best(self) -> bool:
        """Whether the checkpoint of the best epoch stays in the run file."""

    @property
    def checkpoint_every(self) -> int:
        """Epochs between checkpoints; 0: none."""

    @property
    def workers(self) -> Any:
        """Who runs batches, and by which costs kernels are chosen."""

    def clear_gradients(self) -> None:
        """Set all gradients to 0, those of replicas too."""

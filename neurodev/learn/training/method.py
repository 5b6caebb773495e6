"""What a method is: a way to change structure while a network learns.

A method overrides the clocks it needs; each gets the `Course` of the training, which tells what a method may read and
do.  Structure changes only through `Course.propose`.  A method says what absent synapses do between its events, from
which the trainer takes the storage:

==========  =================================================  ==================================
`dead`      absent synapses                                    storage
==========  =================================================  ==================================
``move``    are trained from 0 and act until the next event    dense
``hidden``  have a hidden parameter; their weight is 0         hidden
``zero``    do not exist                                       dense with a mask, or sparse
==========  =================================================  ==================================
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from neurodev.learn.training.course import Course
from neurodev.learn.training.kept import MARK, keep, put
from neurodev.params import check
from neurodev.registry import Registered
from neurodev.structure.cause import Cause, declare


class Method(Registered, kind="method"):
    """Base of all methods.

    Attributes
    ----------
    dead : {"zero", "hidden", "move"}
    gradient : {"never", "at_update", "always"}
        When the gradient of absent synapses is needed.
    decides : tuple of str
        What no other method in the same training may decide, unless each works on tensors of its own (``layers``):
        ``"start"`` (the structure that a net begins with), ``"life"`` (which synapses live), or words of one's own.
        By default a method gets on with all whose absent synapses do the same.
    equation : str
        What it does, in a line, for `neurodev show`.
    causes : dict of str to Cause
        Why it lets synapses die and grow, by the words under which its plans name it; those of its bases count too.

    Examples
    --------
    >>> from neurodev.learn import Method
    >>> isinstance(nd.methods.NDSNN(), Method), nd.methods.NDSNN().dead
    (True, 'zero')
    """

    dead = "zero"
    gradient = "never"
    decides: ClassVar[tuple[str, ...]] = ()
    equation: ClassVar[str] = ""
    causes: ClassVar[dict[str, Cause]] = {}

    def __init_subclass__(cls, **more: Any) -> None:
        declare(cls)  # a class that is refused is not made known
        super().__init_subclass__(**more)

    def __setattr__(self, name: str, value: Any) -> None:
        before = vars(self).get(name, self)
        object.__setattr__(self, name, value)
        known = getattr(self, "__dataclass_fields__", {})
        if MARK in vars(self) and name in known and "unit" in known[name].metadata:
            try:
                check(self)  # also what a callback changes
            except BaseException:
                object.__setattr__(self, name, before)
                raise

    @property
    def name(self) -> str:
        """The word by which logs and studies call this method."""
        return type(self).__name__

    def over_a_run(self) -> dict[str, tuple[NDArray[Any], NDArray[Any]]]:
        """Its schedules as `neurodev show` draws them: by name, the shares of the run that are done, and the values."""
        return {}

    def prepare(self, trainer: Course) -> None:
        """Once, before weights are scaled and before anything is recorded: storage and structure to begin with."""

    def start(self, trainer: Course) -> None:
        """Once, before the first step."""

    def before_forward(self, trainer: Course) -> None:
        """At every step, before the forward pass."""

    def after_backward(self, trainer: Course) -> bool | None:
        """At every step, with the gradients complete; returns True if the optimiser is to leave this step out."""

    def after_step(self, trainer: Course) -> None:
        """At every step, after the optimiser."""

    def epoch_end(self, trainer: Course) -> None:
        """After the last step of an epoch, before evaluation."""

    def progress(self, trainer: Course) -> float | None:
        """Share of the schedule of the learning rate that has passed; None for that of the whole run."""
        return None

    def living_steps(self) -> NDArray[np.bool_] | None:
        """Which time steps of the input a net still sees, (steps,); None for all."""
        return None

    def approximations(self, trainer: Course) -> list[str]:
        """What a reader of the run must know that the published method does otherwise."""
        return []

    def series(self, trainer: Course) -> dict[str, float]:
        """Numbers of the epoch for the run file."""
        return {}

    def state(self) -> dict[str, NDArray[Any]]:
        """What a checkpoint must keep: the attributes that are numbers, words, arrays, generators, or lists of these.

        A method that keeps other things (objects of its own) says here what of them goes into arrays.
        """
        return keep(self)

    def restore(self, state: dict[str, NDArray[Any]]) -> None:
        """Take up a state again."""
        put(self, state)


class Remembering(Method, word=False):
    """A method whose state is a dictionary of arrays, `memory`."""

    def __init__(self) -> None:
        self.memory: dict[str, NDArray[Any]] = {}

    def state(self) -> dict[str, NDArray[Any]]:
        """The memory, and other attributes."""
        return keep(self, ("memory",)) | {f"memory/{k}": v for k, v in self.memory.items()}

    def restore(self, state: dict[str, NDArray[Any]]) -> None:
        """Take up both."""
        put(self, state)
        self.memory = {k[len("memory/") :]: np.array(v) for k, v in state.items() if k.startswith("memory/")}

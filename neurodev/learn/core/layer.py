"""What a layer is: a call that returns its output and its pullback.

    y, pull = layer(x)        # x, y: Spikes or Current
    dx = pull(dy)             # dy, dx: Current in the arrangement of y, x; adds to the gradients of the layer

No tape and no hidden state: what the backward pass needs lives in the closure `pull`.  Weights are columns of a
synapse table (`Weights`), small vectors such as biases are `Vector`s; both look the same to an optimiser.
A *replica* shares values and has gradients of its own, so that two threads can work on two half batches.
"""

from __future__ import annotations

import copy
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from neurodev.arrays import Array, aligned
from neurodev.errors import ParameterError, shown
from neurodev.learn.core import doors
from neurodev.learn.core.fields import DRAWN, MADE, Made, asked, check_name
from neurodev.learn.core.spikes import Current, Spikes
from neurodev.learn.core.storage import dense_image
from neurodev.params import a_name, flag, numbers
from neurodev.registry import Registered, is_ours, keywords
from neurodev.structure.dense import DenseTable
from neurodev.structure.table import Table, UidSource

Signal = Spikes | Current
ALWAYS = "_always"  # attribute of a layer that is watched outside of training too
Pullback = Callable[[Current], Current | None]


class Vector:
    """A trainable array outside the tables: a bias, a batch norm's scale, a leak.

    Parameters
    ----------
    value : array
    decay : bool
        Whether weight decay acts on it.
    """

    def __init__(self, value: Array, decay: bool = False):
        self.value = np.ascontiguousarray(value)
        self.gradient = np.zeros_like(self.value)
        self.decay = decay
        self.moments: dict[str, Array] = {}

    def __setattr__(self, name: str, value: Any) -> None:
        mine = vars(self)
        if name in ("value", "gradient") and name in mine:  # in place: replicas share the values
            found = np.asarray(numbers(value, name))
            if found.shape != mine[name].shape or not np.all(np.isfinite(found)):
                raise ParameterError(
                    f"{name} must be {mine[name].shape} finite numbers, got {shown(value)} of shape {found.shape}"
                )
            mine[name][...] = found
        else:
            mine[name] = value

    def cast(self, kind: type) -> None:
        """Take another type of numbers, that of a model; whole numbers and flags stay what they are."""
        if self.value.dtype.kind == "f" and self.value.dtype != kind:
            vars(self).update(value=self.value.astype(kind), gradient=self.gradient.astype(kind))
            self.moments.clear()

    def forget(self) -> None:
        """Begin anew with an optimiser: no moments, no gradient."""
        self.moments.clear()
        self.gradient[...] = 0

    def moment(self, name: str) -> Array:
        """A moment of the optimiser, zero at first."""
        return self.moments.setdefault(name, np.zeros_like(self.value))

    def flat(self) -> tuple[Array, Array]:
        """(value, gradient) as flat views."""
        return self.value.reshape(-1), self.gradient.reshape(-1)

    def replica(self) -> Vector:
        """The same values with gradients of its own."""
        other = copy.copy(self)
        vars(other).update(gradient=np.zeros_like(self.value), moments={})
        return other


class Weights:
    """A weight tensor: one synapse table, its gradient, and the moments of the optimiser as columns.

        model.weights_of()["fc1"].put_matrix(w)      # (n_in, n_out), out of anywhere
        w = model.weights_of()["fc1"].matrix()

    Attributes
    ----------
    table : Table
    hidden : bool
        Whether the optimiser moves the column ``theta`` and the weight is read off it (`structure.weight`).
    probe : (n_source, n_target) array, optional
        While set, layers add to it the gradient of every pair, synapse or not: what growth by gradient asks for.
    drawn : int, optional
        The `fingerprint` of the weights as the model drew them.
    """

    decay = True
    drawn: int | None = None

    def __init__(self, table: Table, hidden: bool = False):
        self._own: Array | None = None
        self.probe: Array | None = None
        self.put(table, hidden)

    @property
    def storage(self) -> str:
        """``dense``, ``hidden`` or ``sparse``."""
        return "hidden" if self.hidden else "dense" if isinstance(self.table, DenseTable) else "sparse"

    @property
    def value(self) -> Array:
        """What the optimiser moves, in place: (n_in, n_out) where every pair has a slot, else by slot; see `matrix`."""
        table, moved = self.table, self.moved
        return table.grid(moved)[:, : table.n_target] if isinstance(table, DenseTable) else moved

    @value.setter
    def value(self, value: Any) -> None:
        raise ParameterError(f"value cannot be replaced, got {shown(value)}: put_matrix takes an (n_in, n_out) array")

    @property
    def moved(self) -> Array:
        """What the optimiser moves, (capacity,), by slot of the table."""
        return self.table.column("theta") if self.hidden else self.table.weight

    def matrix(self) -> Array:
        """The weights as (n_in, n_out), 0 where there is no synapse: a copy.

        Rows are the inputs (of a convolution, channel and tap: ``(c k + i) k + j``), columns the units.
        """
        return dense_image(self.table)

    def put_matrix(self, weight: ArrayLike) -> None:
        """Give every synapse its weight out of a matrix as `matrix` returns it; structure stays as it is.

        Parameters
        ----------
        weight : (n_in, n_out)
            0 where there is no synapse.

        Raises
        ------
        ParameterError
            If the shape is another, a number is not finite, or a pair without a synapse has a weight.
        """
        w = self.check_matrix(weight)
        table, slots = self.table, self.table.slots()
        pre, post = table.pre(slots), table.post[slots]
        table.weight[slots] = w[pre, post]
        if self.hidden:
            table.column("theta")[slots] = w[pre, post]

    def check_matrix(self, weight: ArrayLike) -> Array:
        """The matrix in the type of the weights, if `put_matrix` would take it.

        Raises
        ------
        ParameterError
            As `put_matrix`.
        """
        table = self.table
        w = np.asarray(numbers(weight, "weight"))
        with np.errstate(over="ignore"):  # told below
            w = w.astype(table.weight.dtype)
        shape, slots = (table.n_source, table.n_target), table.slots()
        if w.shape != shape:
            hint = ": transpose it" if w.shape == shape[::-1] else ""
            raise ParameterError(f"weight must have the shape (n_in, n_out) = {shape}, got {w.shape}{hint}")
        if not np.all(np.isfinite(w)):
            raise ParameterError("weight must be finite: it holds NaN or infinity")
        absent = w.copy()
        pre, post = table.pre(slots), table.post[slots]
        absent[pre, post] = 0
        if absent.any():
            i, j = (int(k[0]) for k in np.nonzero(absent))
            raise ParameterError(
                f"weight[{i}, {j}] is {absent[i, j]!r}, but there is no synapse from {i} to {j}: methods and plans "
                "change structure, or draw the layer with density=1"
            )
        return w

    @property
    def gradient(self) -> Array:
        """Gradient of the loss with respect to the weights, (capacity,)."""
        if self._own is None:
            return self.table.column("gradient")
        if self._own.size != self.table.capacity:
            self._own = aligned(self.table.capacity, self.table.weight.dtype.type)
        return self._own

    def moment(self, name: str) -> Array:
        """A moment of the optimiser as a column of the table, zero at first."""
        return self.table.add_column(name)

    def flat(self) -> tuple[Array, Array]:
        """(what the optimiser moves, gradient), both (capacity,)."""
        return self.moved, self.gradient

    def replica(self) -> Weights:
        """The same table with a gradient of its own."""
        other = copy.copy(self)
        other._own = aligned(self.table.capacity, self.table.weight.dtype.type)
        other.probe = None
        return other

    def sound(self, n_source: int, n_target: int) -> Table:
        """The table, for kernels, which read it without a look.

        Raises
        ------
        ParameterError
            If it is between other numbers of units, or somebody has given it weights or a probe of another size.
        """
        table, shape = self.table, (n_source, n_target)
        if (table.n_source, table.n_target) != shape:
            raise ParameterError(f"the layer has {shape} pairs, its table {(table.n_source, table.n_target)}")
        weight = table.weight
        if weight.shape != table.post.shape or weight.dtype not in (np.float32, np.float64):
            raise ParameterError(
                f"table.weight must hold {table.post.size} numbers by slot, got {weight.dtype} {weight.shape}: "
                "put_matrix takes an (n_in, n_out) array"
            )
        if weight.dtype != table.column_type or not weight.flags.c_contiguous:
            raise ParameterError(
                f"table.weight must be contiguous {np.dtype(table.column_type)}, as its gradient is, got "
                f"{weight.dtype} with strides {weight.strides}: put_matrix takes any (n_in, n_out) array"
            )
        if self.probe is not None and self.probe.shape != shape:
            raise ParameterError(f"probe must have shape {shape}, got {self.probe.shape}")
        return table

    def put(self, table: Table, hidden: bool = False) -> None:
        """Take another table of the same pairs, as after a change of storage; its column is the gradient."""
        self.table, self.hidden = table, hidden
        table.add_column("gradient")
        if hidden:
            table.add_column("theta")[:] = table.weight
        self._own, self.probe = None, None

    def put_like(self, other: Weights) -> None:
        """The same for a replica, whose gradient stays its own."""
        self.table, self.hidden, self.probe = other.table, other.hidden, None
        self._own = aligned(self.table.capacity, self.table.weight.dtype.type)

    def forget(self) -> None:
        """Begin anew with an optimiser: no moments, no gradient, no probe."""
        for name in self.table.column_names:
            if name.startswith("moment"):
                self.table.column(name)[:] = 0
        gradient = self.gradient
        gradient[...] = 0
        self.probe = None

    def fingerprint(self) -> int:
        """A number by which weights are known to be those that were drawn."""
        return zlib.crc32(np.ascontiguousarray(self.table.weight).view(np.uint8).data)


@dataclass
class Counters:
    """What a layer did since the counters were cleared.

    `operations` are weights actually read because a spike arrived (living synapses only), `dense` what a layer without
    pruning would have read, `multiplied` those of the operations that a current caused, not a spike (each a
    multiplication too), `spikes` and `sites` give the rate of a neuron layer; `near` of `looked` places were inside
    the window of a compact surrogate, the only ones through which a gradient passes.
    """

    operations: int = 0
    dense: int = 0
    multiplied: int = 0
    spikes: int = 0
    near: int = 0
    looked: int = 0
    sites: int = 0
    kernels: dict[str, int] = field(default_factory=dict)

    def add(self, other: Counters) -> None:
        """Add the counts of a replica."""
        self.operations += other.operations
        self.dense += other.dense
        self.multiplied += other.multiplied
        self.spikes += other.spikes
        self.near += other.near
        self.looked += other.looked
        self.sites += other.sites
        for name, k in other.kernels.items():
            self.kernels[name] = self.kernels.get(name, 0) + k

    def clear(self) -> None:
        """Start again from zero."""
        self.operations = self.dense = self.multiplied = self.spikes = self.near = self.looked = self.sites = 0
        self.kernels = {}


def expect(layer: Layer, x: Any, *, n: int | None = None, shape: tuple[int, ...] | None = None) -> None:
    """Refuse what a layer cannot take, or was not built for, before a kernel meets it.

    Parameters
    ----------
    layer : Layer
    x
        Its input.
    n, shape
        Units that it takes, and their shape, where it depends on them.

    Raises
    ------
    ParameterError
        Naming the layer and what it was given.
    """
    who = layer.name or type(layer).__name__
    if not isinstance(x, (Spikes, Current)):
        raise ParameterError(f"{who} takes Spikes or a Current, got {type(x).__name__}: an encoder makes them")
    if layer.takes == "currents" and isinstance(x, Spikes):
        raise ParameterError(f"{who} takes currents, got spikes: put a layer of weights between")
    if n is not None and x.n != n or shape is not None and x.shape != shape:
        wanted = f"{n} units" if shape is None else f"units of shape {shape}"
        raise ParameterError(f"{who} takes {wanted}, got {x.shape}")


def guarded(layer: Layer, y: Signal, pull: Pullback) -> Pullback:
    """A pullback that refuses a gradient in another arrangement than the output `y`."""
    want = y.steps, y.batch, y.n
    who = layer.name or type(layer).__name__

    def checked(dy: Current) -> Current | None:
        got = (dy.steps, dy.batch, dy.n) if isinstance(dy, Current) else type(dy).__name__
        if got != want:
            raise ParameterError(
                f"{who}: the gradient must be a Current of (steps, samples, units) {want} like the output, got {got}"
            )
        return pull(dy)

    return checked


def _instance(value: Any, where: str, kind: type) -> Any:
    if not isinstance(value, kind):
        raise ParameterError(f"{where} must be a {kind.__name__}, got {shown(value)}")
    return value


def _a_look(value: Any, where: str) -> Any:
    if value is not None and not callable(value):
        raise ParameterError(f"{where} must be a function of input and output, or None, got {shown(value)}")
    return value


TAKES, GIVES = ("either", "currents"), ("same", "either", "currents", "spikes")


class Layer(Registered, metaclass=Made, kind="layer"):
    """Base of all layers.

    Attributes
    ----------
    parameters : dict of str to Weights or Vector
    counters : Counters
    coupled : bool
        Whether samples of a batch influence each other (batch norm): such a batch is not cut into pieces.
    meets : bool
        Whether a coupled layer works on one half of a batch, and knows the other by `core.meeting.HALF`; otherwise
        batches go through the model whole, in one thread.  To be said by the class that has the ``__call__``.
        In such a model all layers are called in a second thread too, also with ``threads=1``, which take turns then.
    training : bool
        Set by the model (dropout, batch norm).
    gates : bool
        Whether its output multiplies that of another layer (V of `Dendritic`).
    takes : {"either", "currents"}
        What it can be given; currents come from weights.
    gives : {"same", "either", "currents", "spikes"}
        What it returns: what it was given, one or the other, or always the same kind.
    neuronal : bool
        Whether it is a layer of neurons, which the weights before it drive: methods ask for their activity, and
        `training.health` keeps those that spike awake.
    float_type : type
        Of the weights and currents of the model that it is part of.
    watch : callable, optional
        ``watch(x, y)`` of every call in training; what it returns is kept in `watched`, in order of the batch.

    Examples
    --------
    >>> from neurodev.learn import Linear, Layer
    >>> isinstance(Linear(4), Layer)
    True
    """

    coupled = meets = False
    takes: ClassVar[str] = "either"
    gives: ClassVar[str] = "either"
    neuronal: ClassVar[bool] = False
    training: bool = asked(flag, default=True)
    gates: bool = asked(flag, default=False, fixed=DRAWN)
    float_type: type = asked(default=np.float32, fixed=DRAWN)
    name: str = asked(a_name, default="", fixed="methods, series and checkpoints go by it")
    watch: Callable[[Any, Any], Any] | None = asked(_a_look, default=None)
    parameters: dict[str, Weights | Vector] = asked(fixed=DRAWN)
    counters: Counters = asked(_instance, kind=Counters)
    watched: list[Any] = asked(_instance, kind=list)

    def __init__(self) -> None:
        self.parameters = {}
        self.counters = Counters()
        self.watched = []

    def __setattr__(self, name: str, value: Any) -> None:
        check_name(self, name)
        object.__setattr__(self, name, value)

    def __delattr__(self, name: str) -> None:
        if MADE in vars(self) and not name.startswith("_"):
            raise ParameterError(f"{name} of {self.name or type(self).__name__} cannot be taken away")
        object.__delattr__(self, name)

    def __getstate__(self) -> dict[str, Any]:
        # a copy is watched by nobody
        return {k: v for k, v in vars(self).items() if k not in ("watch", "watched")} | {"watched": []}

    def __call__(self, x: Any) -> tuple[Any, Pullback]:
        """Output and pullback."""
        raise NotImplementedError

    def through(self, x: Any) -> tuple[Any, Pullback]:
        """The call as groups make it: looked at, whoever wrote the layer, and watched, where somebody watches.

        Raises
        ------
        ParameterError
            If it does not return a signal and a pullback, or a class of a user's own fails.
        """
        own = not is_ours(type(self))
        made = doors.call_named(self, self, x) if own else self(x)
        if not (isinstance(made, tuple) and len(made) == 2 and isinstance(made[0], (Spikes, Current))):
            what = f"({', '.join(type(m).__name__ for m in made)})" if isinstance(made, tuple) else type(made).__name__
            raise ParameterError(
                f"{self.name or type(self).__name__} must return (Spikes or Current, pullback), got {what}"
            )
        y, pull = made
        if not callable(pull):
            raise ParameterError(f"{self.name or type(self).__name__} must return a pullback to call, got {pull!r}")
        if self.heeded:
            assert self.watch is not None
            self.watched.append(self.watch(x, y))
        return y, partial(doors.call_named, self, pull) if own else pull

    @property
    def heeded(self) -> bool:
        """Whether somebody watches this call: in training, or whenever there is one, for who only looks."""
        return self.watch is not None and (self.training or ALWAYS in vars(self))

    def out_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Shape of the output units, given that of the input units; called once when a model is put together.

        Raises
        ------
        ParameterError
            If the layer cannot take such an input.
        """
        return shape

    def kind_after(self, given: str) -> str:
        """What it returns, ``spikes``, ``currents`` or ``either``, where it is given one of these.

        Raises
        ------
        ParameterError
            If it cannot take that, or says of itself what nothing is.
        """
        for word, known in (("takes", TAKES), ("gives", GIVES)):
            if (said := getattr(self, word)) not in known:
                raise ParameterError(f"its {word} must be one of {known}, got {shown(said)}")
        if self.takes == "currents" and given == "spikes":
            raise ParameterError("it takes currents, but spikes reach it: put a layer of weights between")
        return given if self.gives == "same" else self.gives

    def build(self, seed: int, uids: UidSource, kind: type) -> None:
        """Draw weights and make vectors, once, when shapes and names are known; nothing by default.

        Parameters
        ----------
        seed : int
            Of the model; a layer draws from a stream named after itself.
        uids : UidSource
            Identities of synapses.
        kind : {numpy.float32, numpy.float64}
            Type of weights and currents.
        """

    def at(self, step: int, first: int) -> None:
        """Told before each call in a training step: its number, and the place in the batch of the first sample.

        For layers that draw (`Dropout`), so that draws depend on neither threads nor pieces; nothing by default.
        """

    def buffers(self) -> dict[str, Array]:
        """Arrays beside the parameters that a checkpoint must keep, as they are (not copies); none by default."""
        return {}

    @property
    def pairs(self) -> int:
        """Pairs that its weights may join, once its input is known: what it takes in memory; 0 without weights."""
        return 0

    @property
    def taps(self) -> int:
        """Weights between one unit, or channel, of the input and one of the output: the area of a kernel."""
        return 1

    def given(self) -> dict[str, Any]:
        """The arguments that make an unbuilt layer like this one, as its fields are now: what a saved model tells.

        Those of the class are read off the attributes of the same names; a class whose attributes are called otherwise
        has a `given` of its own.

        Raises
        ------
        ParameterError
            Naming an argument that is no attribute.
        """
        out = {}
        for name in keywords(type(self))[0]:
            if not hasattr(self, name):
                kind = type(self).__name__
                raise ParameterError(
                    f"{kind} is made with {name!r}, but keeps no attribute of that name: keep it as self.{name}, or "
                    "give the class a given() that returns the arguments that make it"
                )
            out[name] = getattr(self, name)
        return out

    def layers(self) -> Iterator[Layer]:
        """This layer and those inside it, in order."""
        yield self

    def replica(self) -> Layer:
        """The same layer with gradients and counters of its own."""
        other = copy.copy(self)
        own = {k: p.replica() for k, p in self.parameters.items()}
        vars(other).update(parameters=own, counters=Counters(), watched=[])
        return other


def _meets(layer: Layer) -> bool:
    """Whether a layer meets: it says so itself, not for a base whose call it has replaced."""
    said, called = (
        next(k for k, c in enumerate(type(layer).__mro__) if word in vars(c)) for word in ("meets", "__call__")
    )
    return layer.meets and said <= called


class Group(Layer, word=False):
    """A layer made of layers."""

    def parts(self) -> list[Layer]:
        """The layers inside, in order."""
        raise NotImplementedError

    def _with(self, parts: list[Layer]) -> Group:
        """The same group of other parts."""
        raise NotImplementedError

    def layers(self) -> Iterator[Layer]:
        """All layers inside, in order, groups left out."""
        for part in self.parts():
            yield from part.layers()

    @property
    def coupled(self) -> bool:  # type: ignore[override]
        """Whether any layer couples the samples of a batch."""
        return any(layer.coupled for layer in self.layers())

    @property
    def meets(self) -> bool:  # type: ignore[override]
        """Whether all layers that do so meet."""
        return all(_meets(layer) for layer in self.layers() if layer.coupled)

    def replica(self) -> Group:
        """The same group with gradients and counters of its own."""
        other = self._with([p.replica() for p in self.parts()])
        other.counters, other.watched = Counters(), []
        return other

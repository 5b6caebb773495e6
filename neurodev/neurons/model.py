"""The contract of a neuron model: one idea, its parameters, its columns, a few compiled rules.

A model says how a soma takes an arrival, where it stands at a time, and when it crosses.  The event loop knows it by
the addresses of its rules (`neurons/rules.py` has their signature), so that a new model compiles itself and nothing
else; leaky neurons with delta synapses are the one model that the loop has inlined.

A model that has no closed form between events integrates itself: its `predict` looks one step ahead and notes the
crossing it finds, or the end of the step as an event that is no spike.  It says so in `approximations`, and stands in
the same network as exact ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from neurodev.errors import BuildError, ParameterError
from neurodev.jit import address, address_of_hook, call_rule, kernel
from neurodev.neurons.door import Door
from neurodev.neurons.rules import FRAME, REFRACTORY, deliver_each, kick_one
from neurodev.registry import Registered
from neurodev.structure.places import Branches

F8 = NDArray[np.float64]
U4 = NDArray[np.uint32]


class Column(NamedTuple):
    """One number of each neuron (or place) that lasts from event to event.

    Attributes
    ----------
    name : str
    fill : float or None
        Its value at the start and after a birth; None: the present time.
    time : bool
        Whether it is a time (ms of the present epoch), which moves with the epoch.
    """

    name: str
    fill: float | None = 0.0
    time: bool = False


class Rules(NamedTuple):
    """The compiled rules of a model, each decorated with `neurodev.jit.model_rule`; see `neurons/rules.py`.

    `potential` writes the potentials (mV) of the neurons a..b into the float64 array at the address c.
    """

    predict: Any
    event: Any
    reset: Any
    receive: Any = None
    deliver: Any = deliver_each
    kick: Any = kick_one
    rebase: Any = None
    absorb: Any = None
    potential: Any = None


class Membrane(NamedTuple):
    """What the loop itself keeps of each neuron, (n,) each: ``u = (V - v_inf) exp(rate (t - frame))``.

    Only leaky membranes use more than `refractory`; to the others the loop is told that they never cross.
    """

    rate: F8  # 1/ms
    v_inf: F8  # mV
    threshold: F8  # mV; inf: crossings are the model's own affair
    reset: F8  # mV
    refractory: F8  # ms
    initial: F8  # mV


class Input(NamedTuple):
    """One kind of input to a neuron: weight, events per ms, and mean square over squared mean of the weight."""

    weight: float
    rate: float
    square: float = 1.0


def grouped(tables: Sequence[F8]) -> tuple[F8, list[U4]]:
    """Equal rows of all tables as classes (n_class, n_value), in ascending order, and the class of each row of each."""
    rows = np.concatenate(tables)
    order = np.lexsort(rows.T[::-1])  # twenty times faster than np.unique of rows
    ascending = rows[order]
    fresh = np.concatenate([[True], np.any(ascending[1:] != ascending[:-1], axis=1)])
    kind = np.empty(order.size, dtype=np.uint32)
    kind[order] = np.cumsum(fresh) - 1
    return ascending[fresh], np.split(kind, np.cumsum([t.shape[0] for t in tables])[:-1])


class Changes(NamedTuple):
    """All changes of the drive of some neurons, in order of time.

    Attributes
    ----------
    time : (m,) float64, ms since the start
    who : list of (k,) int64
        The neurons of each change.
    model : NeuronModel
        Of as many neurons as `who` names one after the other: what each of them is from then on.
    """

    time: F8
    who: list[NDArray[np.int64]]
    model: NeuronModel

    @property
    def n(self) -> int:
        """Neurons of `model`."""
        return sum(x.size for x in self.who)

    def split(self, values: U4) -> list[U4]:
        """A value of each neuron of `model`, (n,), by changes."""
        return np.split(values, np.cumsum([x.size for x in self.who])[:-1])


class Cells:
    """The neurons of one population in the event loop: their state, and what their model needs to be asked.

    Attributes
    ----------
    state : (n, 1 + n_column) float64
        Column 0 is the time of the event that was noted; then the columns that the model declares.
    places : (n * per_neuron, n_place_column) float64
    u : (n,) float64
        View of the loop's own; below REFRACTORY where a neuron is not free.
    frame : float, ms
        Where the frame of the membranes stands.
    later_kinds : list of (k,) uint32
        Classes of the neurons whose drive changes, for each of the changes.
    """

    def __init__(
        self, model: NeuronModel, n: int, name: str, fastest: float, now: float,
        changes: Changes | None = None, noise: F8 | None = None,
    ) -> None:  # fmt: skip
        door, rules = Door(model, n, name), model.rules()
        door.rules(rules, Rules)
        assert rules is not None
        self.model, self.n, self.rules, self.fastest = model, n, rules, fastest
        values = model.expand(n, name)
        tables = [door.table(model.table(values if noise is None else {**values, "noise": noise}, fastest))]
        self.later_kinds: list[U4] = []
        self._drives: F8 | None = None  # of each class, where they change
        if changes is None:
            self.classes, (self.kind,) = grouped(tables)
        else:
            then = changes.model.expand(changes.n, name)
            more = {} if noise is None else {"noise": noise[np.concatenate(changes.who)]}
            tables.append(Door(changes.model, changes.n, name).table(changes.model.table({**then, **more}, fastest)))
            self.classes, (self.kind, later) = grouped(tables)
            self.later_kinds = changes.split(later)
            self._drives = np.zeros(self.classes.shape[0])
            self._drives[self.kind], self._drives[later] = values["drive"], then["drive"]
        self.per_neuron = int(model.dendrite.per_neuron) if model.dendrite is not None else 0
        self.columns = (Column("event", np.inf, True), *door.columns(model.columns(), Column, "columns"))
        self.place_columns = door.columns(model.place_columns(), Column, "place_columns")
        if self.place_columns and not self.per_neuron:
            door.refuse("place_columns() without a dendrite: give the model one (dendrite = nd.Branches(8))")
        self._first = self._filled(n, self.columns, now)
        names = [c.name for c in self.columns[1:]]
        for word, start in door.start(model.start(values), names).items():
            self._first[:, 1 + names.index(word)] = start
        self.state = self._first.copy()
        self.places = self._filled(n * self.per_neuron, self.place_columns, now)
        self.n_scratch = door.count(model.n_scratch(), "n_scratch")
        self.record = np.zeros(0, dtype=np.int64)
        self.u: F8 = np.zeros(n)
        self.clock: F8 = np.zeros(3)

    @property
    def frame(self) -> float:
        """Where the frame of the membranes stands, ms."""
        return float(self.clock[FRAME])

    def values(self) -> dict[str, F8]:
        """The parameters of each neuron as they are now."""
        values = self.model.expand(self.n, "")
        if self._drives is not None:
            values["drive"] = self._drives[self.kind]
        return values

    @staticmethod
    def _filled(n: int, columns: Sequence[Column], now: float) -> F8:
        fill = np.array([now if c.fill is None else c.fill for c in columns], dtype=np.float64)
        return np.broadcast_to(fill, (n, len(columns))).copy()

    def forget(self, neurons: NDArray[np.int64], now: float) -> None:
        """These neurons stand as at their beginning, at the time `now`: nothing flows, nothing is predicted."""
        self.state[neurons] = self._first[neurons]
        for k, c in enumerate(self.columns):
            if c.fill is None:
                self.state[neurons, k] = now
        if self.per_neuron:
            rows = (neurons[:, None] * self.per_neuron + np.arange(self.per_neuron)).ravel()
            self.places[rows] = self._filled(rows.size, self.place_columns, now)

    def move_epoch(self, by: float) -> None:
        """Every time that is kept lies `by` ms earlier."""
        for table, columns in ((self.state, self.columns), (self.places, self.place_columns)):
            for k, c in enumerate(columns):
                if c.time:
                    table[:, k] -= by

    def column(self, name: str) -> F8:
        """A column of the neurons by its name, (n,)."""
        known = [c.name for c in self.columns]
        if name not in known:
            raise ParameterError(f"{type(self.model).__name__} has no column {name!r}; it has {known[1:]}")
        return self.state[:, known.index(name)]

    def ask(self, rule: str, first: int, last: int, t: float, where: int = 0) -> None:
        """Call one of the rules for the neurons first..last at `t`."""
        function = getattr(self.rules, rule)
        if rule in ("predict", "potential"):
            call(address_of_hook(function), address(self.record), first, last, where, 0.0, t)
            return
        for i in range(first, last):
            call(address_of_hook(function), address(self.record), i, 0, 0, 0.0, t)


@kernel
def call(rule: int, m: int, a: int, b: int, c: int, x: float, t: float) -> int:
    """Call a rule from outside the loop."""
    return call_rule(rule, m, a, b, c, x, t)


class NeuronModel(Registered, kind="neuron model"):
    """Base of all neuron models: a frozen dataclass whose parameters are `neurodev.params.param` fields.

    Attributes
    ----------
    equation : str
        What `neurodev show NAME` prints.
    weight_unit : str
        Of the synapses onto such a neuron.
    scales : bool
        Whether a rule `deliver` of its own multiplies weights by `rules.Row.scale`; without it short-term plasticity is
        refused onto such neurons.

    Examples
    --------
    >>> isinstance(nd.LIF(), nd.NeuronModel)
    True
    """

    equation: ClassVar[str] = ""
    scales: ClassVar[bool] = False
    inlined: ClassVar[bool] = False  # only membranes that the loop computes itself may have no rules
    # whether a parameter `drive` may change while it runs: then what follows from it is in `table` and `membrane`
    # alone, and either `receive` with a weight of 0 brings a neuron to `t`, or its u is V - v_inf in the frame
    drive_changes: ClassVar[bool] = False
    dendrite: Branches | None = None

    @property
    def weight_unit(self) -> str:
        """Unit of the weights of synapses onto such a neuron."""
        return "mV"

    # ------------------------------------------------------------------ what a model declares

    def rules(self) -> Rules | None:
        """Its compiled rules; None for leaky neurons with delta synapses, which the loop has inlined."""
        raise NotImplementedError(f"{type(self).__name__} must name its rules")

    def columns(self) -> tuple[Column, ...]:
        """State of each neuron, found by the rules from column 1 of `cells_of` on."""
        return ()

    def place_columns(self) -> tuple[Column, ...]:
        """State of each branch of each neuron."""
        return ()

    def n_scratch(self) -> int:
        """Numbers that the rules find in `scratch_of`."""
        return 0

    def start(self, values: dict[str, F8]) -> dict[str, F8]:
        """Columns that begin otherwise than at their fill value, (n,) each, given the parameters of each neuron."""
        return {}

    def table(self, values: dict[str, F8], fastest: float) -> F8:
        """What the rules find in `classes_of`, (n, n_value): by default the parameters in order of declaration.

        Equal rows are kept once.  `fastest` is the highest rate (1/ms) of any membrane or current in the network: the
        frame of the membranes lasts `neurons.channels.FRAME` of its time constants.
        """
        return np.column_stack(list(values.values())) if values else np.zeros((0, 0))

    def fastest_rate(self, n: int, name: str) -> float:
        """The highest rate (1/ms) that the frame of the membranes must be short for; 0 if it uses none."""
        return 0.0

    def membrane(self, n: int, name: str) -> Membrane:
        """What the loop keeps of each neuron."""
        zero, values = np.zeros(n), self.expand(n, name)
        return Membrane(zero, zero, zero + np.inf, zero, values.get("refractory", zero), zero)

    # ------------------------------------------------------------------ what follows

    def expand(self, n: int, name: str) -> dict[str, F8]:
        """Every parameter that is a number as an (n,) array; wrong lengths are refused by name."""
        Door(self, n, name).kind()
        out: dict[str, F8] = {}
        for f in fields(self):  # type: ignore[arg-type]
            value = getattr(self, f.name)
            if value is None or "unit" not in f.metadata or isinstance(value, str):
                continue
            array = np.asarray(value, dtype=float)
            if array.ndim and array.shape != (n,):
                raise ParameterError(
                    f"{type(self).__name__}.{f.name} of {name!r} must be a number or have shape ({n},), "
                    f"got shape {array.shape}"
                )
            out[f.name] = np.broadcast_to(array, (n,)).copy()
        return out

    def potentials(self, cells: Cells, t: float) -> F8:
        """Membrane potentials (mV) at the present time `t`, (n,)."""
        if cells.rules.potential is None:
            raise BuildError(f"{type(self).__name__} has no rule for its potential")
        out = np.zeros(cells.n)
        cells.ask("potential", 0, cells.n, t, address(out))
        return out

    def approximations(self) -> list[str]:
        """One sentence for everything that is not exact about such neurons."""
        return []

    def mean_drive(self, n: int, name: str, inputs: Sequence[Input]) -> tuple[float, float]:
        """Mean and noise amplitude (mV) that some inputs give a neuron, where the model has a closed form.

        Raises
        ------
        BuildError
            Where it has none.
        """
        raise BuildError(f"{type(self).__name__} has no closed form for its mean input")

    def outlook(self, n: int, name: str, inputs: Sequence[Input]) -> list[str]:
        """What can be said of a population before it runs: words that follow its sign, then further lines."""
        return [f"{type(self).__name__}" + ("" if not self.approximations() else ", approximate")]


def is_free(u: F8) -> NDArray[np.bool_]:
    """Who integrates, given `u`: not refractory, silenced, unborn or dead."""
    return u > REFRACTORY

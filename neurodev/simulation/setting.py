"""Interventions that set something: weights, columns and signals, parameters of mechanisms and drives.

They act from their time on.  What is picked is settled when they are scheduled; who died meanwhile is passed over, and
told.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from neurodev.arrays import F8, I8
from neurodev.card import outlined
from neurodev.engine import steering
from neurodev.engine.network import Population, Projection
from neurodev.engine.simulator import Simulator
from neurodev.errors import BuildError, ParameterError, nearest, shown
from neurodev.mechanisms.base import Mechanism
from neurodev.neurons.door import LARGEST
from neurodev.neurons.model import NeuronModel
from neurodev.params import numbers
from neurodev.simulation.interventions import Intervention, cells_of, known_as, projection_of, warn
from neurodev.structure import selection

# what values of columns of ours may be, where they are not any number
RANGES: dict[str, tuple[float, float]] = {
    "log_size": (-20.0, 20.0), "size": (0.0, 1e6), "efficacy": (-1.0, 2.0), "calcium": (0.0, LARGEST),
    "persistent": (0.0, 1.0), "scaling": (-20.0, 20.0), "receptor_bound": (0.0, LARGEST),
    "receptor_free": (0.0, LARGEST), "receptor_made": (0.0, LARGEST), "neck_length": (1e-6, 1e6),
    "neck_diameter": (1e-6, 1e6), "early": (-1.0, LARGEST), "rate_average": (0.0, LARGEST),
}  # fmt: skip
_WHOLE = {"stage": (0, 1, 2), "persistent": (0, 1)}


def _values(value: Any, argument: str, unit: str = "1", low: float = -LARGEST, high: float = LARGEST) -> float | F8:
    """Finite numbers within their range: one, or one for each, (n,), of its own."""
    found = np.array(numbers(value, argument, unit), dtype=np.float64)
    if found.ndim > 1 or not found.size:
        raise ParameterError(f"{argument} must be a number or a list of them, got {shown(value)}")
    wrong = ~(np.isfinite(found) & (found >= low) & (found <= high))
    if wrong.any():
        raise ParameterError(
            f"{argument} must be finite and lie in [{low:g}, {high:g}]{'' if unit == '1' else ' ' + unit}, got "
            f"{np.atleast_1d(found)[np.argmax(np.atleast_1d(wrong))]:g}"
        )
    return found if found.ndim else float(found)


def _check_number(values: float | F8, n: int, argument: str) -> None:
    if np.ndim(values) and np.size(values) != n:
        raise ParameterError(
            f"{argument} must be a number or a list of {n}, one for each, got {np.size(values)} values"
        )


def _picked(sim: Simulator, q: Projection, of: Any, values: float | F8, who: str) -> Any:
    """Uids of the synapses that are meant, (n,); None: all that there are at its time."""
    sim.check_whole(q.name)
    table = sim.tables[q.name]
    if of is None and not np.ndim(values):
        return None
    wanted = slice(None) if of is None else of
    slots = selection.synapses(table, wanted, f"{who}.of", f"synapses of {q.name!r}")
    _check_number(values, slots.size, f"{who}.values")
    return table.uid_of(slots)


def _living(sim: Simulator, q: Projection, of: Any, values: float | F8, what: Intervention) -> tuple[I8, F8]:
    """Slots and values (n,) of those that live."""
    table = sim.tables[q.name]
    slots = table.slots() if of is None else table.slot_of(of)
    lives = slots >= 0
    if not lives.all():
        warn(f"{what}: {int((~lives).sum())} of {slots.size} are not alive any more in {q.name!r}")
    return slots[lives], np.broadcast_to(values, slots.shape)[lives]


@outlined
@dataclass
class SetWeights(Intervention):
    """Set weights of a projection: one for all, or one for each, mV (pA where the target has synaptic currents).

    They have the sign of their source (``signed=True``: their own).  Where weights are read off sizes, the sizes become
    those whose weights they are, before a stage or an early phase takes or adds its share.

    Parameters
    ----------
    projection : Projection or name
    values : float or (n,) array
    of : uids, mask or slice, optional
        Which synapses, at least one: by uid, or by a mask or a slice over the living ones in the order of their uids.
        All if not given.

    Examples
    --------
    >>> net = nd.Network(seed=1)
    >>> a, b = net.add(nd.Poisson(10.0), 20, name="a"), net.add(nd.LIF(), 20, name="b")
    >>> q = net.connect(a, b, nd.OneToOne(), weight=1.0, name="q")
    >>> sim = nd.Simulation(net, progress=False)
    >>> sim.do(nd.SetWeights("q", 2.0))
    Simulation(2 populations, 1 projection, 0 ms of life at an acceleration of 1)
    >>> float(sim.run(10.0).close().graph(projection="q").data.mean())
    1.0
    """

    projection: Any
    values: Any
    of: Any = None

    def check(self, sim: Simulator) -> None:
        """The projection and its synapses exist; the weights are possible."""
        q = projection_of(sim, self.projection)
        low = -LARGEST if q.signed else 0.0
        unit = q.target.model.weight_unit if isinstance(q.target.model, NeuronModel) else "1"
        self.values = _values(self.values, "SetWeights.values", unit, low)
        self.of = _picked(sim, q, self.of, self.values, "SetWeights")
        steering.check_weights(sim, q, self._signed(q, np.atleast_1d(self.values)))

    @staticmethod
    def _signed(q: Projection, values: F8) -> F8:
        return -values if q.source.inhibitory and not q.signed else values

    def apply(self, sim: Simulator) -> None:
        """From now on, also for spikes that are on their way."""
        q = projection_of(sim, self.projection)
        slots, values = _living(sim, q, self.of, self.values, self)
        steering.set_weights(sim, q, slots, self._signed(q, values))


def _owned(sim: Simulator, place: Population | Projection) -> list[str]:
    """Columns or signals of a place that its mechanisms integrate, and that mean something by themselves."""
    used = sim.used[place.name]
    if isinstance(place, Population):
        names = [n for m in used for n in (*m.owns, *m.columns()) if n in sim.blocks[place.name]]
        names = [n for n in names if n != "rate_hz"]
    else:
        columns = sim.tables[place.name].column_names
        names = [n for m in used for n in m.owns if n in columns]
        if "log_size" in columns:  # sizes follow it
            names = [n for n in names if n != "size"]
        elif place.spines is not None:
            names.append("size")
    return sorted({n for n in names if not n.endswith(("_time", "_stream"))})


@outlined
@dataclass
class SetColumn(Intervention):
    """Set a column of synapses, or a signal of neurons, that a mechanism there integrates.

    Parameters
    ----------
    where : Projection, Population or name
    name : str
        ``"log_size"``, ``"scaling"``, ...; weights by `SetWeights`.
    values : float or (n,) array
    of : selection, optional
        Of a projection as in `SetWeights`; of a population cells by numbers, a mask, a slice or a set.  All if not
        given.

    Examples
    --------
    >>> net = nd.Network(seed=1)
    >>> a, b = net.add(nd.Poisson(10.0), 20, name="a"), net.add(nd.LIF(), 20, name="b")
    >>> q = net.connect(a, b, nd.Degree(5), spines=nd.Spines(weight=4.0), name="q")
    >>> q.use(nd.SpineSize())
    Projection('q', a to b, about 100 synapses, 5 inputs each, spines of 4 mV, uses SpineSize)
    >>> sim = nd.Simulation(net, progress=False)
    >>> sim.do(nd.SetColumn("q", "log_size", 0.5))
    Simulation(2 populations, 1 projection, 0 ms of life at an acceleration of 1)
    >>> run = sim.run(10.0).close()
    """

    where: Any
    name: str
    values: Any
    of: Any = None

    def check(self, sim: Simulator) -> None:
        """The column is there and somebody's own; the values are possible."""
        place = known_as(self.where, {**sim.network.populations, **sim.network.projections}, "population or projection")
        own = _owned(sim, place)
        if not isinstance(self.name, str):
            raise ParameterError(f"SetColumn.name must be the name of a column, got {shown(self.name)}")
        if self.name not in own:
            cure = "; weights are set by SetWeights" if self.name == "weight" else ""
            cure = "; sizes follow log_size" if self.name == "size" and "log_size" in own else cure
            raise ParameterError(
                f"SetColumn.name must be a column that a mechanism of {place.name!r} integrates, got "
                f"{shown(self.name)}{nearest(self.name, own)}; there are {own}{cure}"
            )
        low, high = RANGES.get(self.name, (-LARGEST, LARGEST))
        self.values = _values(self.values, f"SetColumn.values of {self.name}", low=low, high=high)
        whole = _WHOLE.get(self.name)
        if whole is not None and not np.isin(self.values, whole).all():
            raise ParameterError(f"SetColumn.values of {self.name} must be among {whole}, got {shown(self.values)}")
        if isinstance(place, Projection):
            self.of = _picked(sim, place, self.of, self.values, "SetColumn")
            return
        if self.of is not None:
            self.of = cells_of(
                self.of, place, "SetColumn.of", ordered=bool(np.ndim(self.values)) and _is_listed(self.of)
            )
        _check_number(self.values, place.n if self.of is None else self.of.size, "SetColumn.values")

    def apply(self, sim: Simulator) -> None:
        """From now on."""
        place = known_as(self.where, {**sim.network.populations, **sim.network.projections}, "population or projection")
        if isinstance(place, Projection):
            slots, values = _living(sim, place, self.of, self.values, self)
            steering.set_column(sim, place, self.name, slots, values)
            return
        cells = np.arange(place.n) if self.of is None else self.of
        steering.set_signal(sim, place, self.name, cells, np.broadcast_to(self.values, cells.shape))


def _is_listed(of: Any) -> bool:
    """Whether a selection of cells is a list of numbers, whose order counts."""
    return isinstance(of, (list, tuple, np.ndarray)) and np.asarray(of).dtype.kind in "iu"


@dataclass
class SetParameter(Intervention):
    """Set parameters of a mechanism, or of a drive: numbers, from now on.

    Hooks read them at once, the slow half of a mechanism at the end of the tick; what they did when the network was
    built is not done again, and what is kept as of the last event (calcium) is brought to the present first.  What a
    drive had still to emit is drawn anew.  The rate of a background is set by `SetRate`.

    Parameters
    ----------
    what : Mechanism, its class or its name; or a population that is a drive
    values : dict
        By the names of parameters: ``{"tau_plus": 15.0}``.
    where : Projection, Population or name, or a list of them, optional
        Where the mechanism is used; where this instance, or the only one of its kind, is if not given.

    Examples
    --------
    >>> net = nd.Network(seed=1)
    >>> a, b = net.add(nd.Poisson(10.0), 20, name="a"), net.add(nd.LIF(), 20, name="b")
    >>> q = net.connect(a, b, nd.Degree(5), spines=nd.Spines(weight=4.0), name="q")
    >>> sim = nd.Simulation(net, progress=False)
    >>> sim.at(5.0, nd.SetParameter("a", {"rate_hz": 30.0}))
    Simulation(2 populations, 1 projection, 0 ms of life at an acceleration of 1)
    >>> run = sim.run(10.0).close()
    """

    what: Any
    values: Any
    where: Any = None

    @staticmethod
    def _instead(args: Sequence[Any], given: Mapping[str, Any]) -> str:
        """The call that was meant, where values were given as keywords."""
        loose = {k: v for k, v in given.items() if k not in ("what", "values", "where")}
        what = args[0] if args else given.get("what")
        word = repr(what) if isinstance(what, str) else f"{getattr(what, 'name', getattr(what, '__name__', '...'))}"
        values = ", ".join(f"{k!r}: {shown(v, 30)}" for k, v in loose.items())
        return f"values are a dictionary, nd.SetParameter({word}, {{{values}}})" if loose else ""

    def check(self, sim: Simulator) -> None:
        """It is in use there, and has such parameters with such values."""
        if not isinstance(self.values, dict) or not all(isinstance(k, str) for k in self.values):
            raise ParameterError(
                f'SetParameter.values must be a dictionary such as {{"tau": 20.0}}, got {shown(self.values)}'
            )
        self.values = {k: np.array(v) if isinstance(v, (list, tuple)) else v for k, v in self.values.items()}
        self.what, self.where = self._meant(sim)
        for where in self.where:
            steering.trial(sim, where, self.what, self.values)

    def _meant(self, sim: Simulator) -> tuple[str, tuple[str, ...]]:
        """Name of the mechanism (none for a drive), and of the places where it is used."""
        net, what = sim.network, self.what
        kind = what.__name__ if isinstance(what, type) else getattr(what, "name", what)
        if not isinstance(kind, str):
            raise ParameterError(f"SetParameter.what must be a mechanism, its class or name, or a drive, got {what!r}")
        places: dict[str, Any] = {**net.populations, **net.projections}
        used = sorted({m.name for x in places.values() for m in x.mechanisms})
        if isinstance(what, Population) or (kind in net.populations and kind not in used):
            p = known_as(what, net.populations, "population")
            if not p.is_drive:
                raise BuildError(
                    f"{p.name!r} is no drive: its background is set by nd.SetRate, its neurons are settled"
                )
            if self.where is not None:
                raise ParameterError(f"SetParameter.where is for mechanisms, and {p.name!r} is a drive")
            return "", (p.name,)
        if self.where is not None:
            several = self.where if isinstance(self.where, (list, tuple)) else [self.where]
            if not all(isinstance(x, (str, Population, Projection)) for x in several) or not several:
                raise ParameterError(f"SetParameter.where must be a place of this network, got {shown(self.where)}")
            chosen = [known_as(x, places, "population or projection") for x in several]
            for place in chosen:
                here = [m.name for m in place.mechanisms]
                if kind not in here:
                    raise BuildError(f"{place.name!r} does not use {kind!r}{nearest(kind, here)}; it uses {here}")
            return kind, tuple(x.name for x in chosen)
        found = [
            x.name for x in places.values() for m in x.mechanisms
            if (m is what if isinstance(what, Mechanism) else m.name == kind)
        ]  # fmt: skip
        if not found:
            raise BuildError(f"nothing of this network uses {shown(what)}{nearest(kind, used)}; it uses {used}")
        if len(found) > 1 and not isinstance(what, Mechanism):
            raise BuildError(f"{kind!r} is used on {found}: say where=")
        return kind, tuple(found)

    def apply(self, sim: Simulator) -> None:
        """From now on."""
        for where in self.where:
            steering.set_parameters(sim, where, self.what, self.values)

    def __str__(self) -> str:
        told = ", ".join(f"{k}={shown(v, 20)}" for k, v in self.values.items())
        places = ", ".join(map(str, self.where)) if isinstance(self.where, tuple) else shown(self.where, 20)
        return f"SetParameter {self.what or 'drive'} of {places}: {told}"[:120]

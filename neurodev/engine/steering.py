"""Setting things in a running network, between two events: weights, columns, signals, parameters.

What is set acts from now on: an arrival meets the weight as it stands, a hook its parameters, a tick those of its end.
What a parameter did when the network was built (first sizes, first classes) is not done again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any

import numpy as np

from neurodev.arrays import F8, I8
from neurodev.engine.checks import check_episode, check_given, check_tick, check_use
from neurodev.engine.hooks import HotInstance, signal_blocks
from neurodev.engine.loop.state import T_NOW
from neurodev.engine.network import Population, Projection
from neurodev.engine.order import acting
from neurodev.engine.simulator import Simulator
from neurodev.errors import BuildError, NeurodevError, ParameterError, nearest, shown
from neurodev.mechanisms.base import Hot, Mechanism, NeuronView
from neurodev.neurons.drive import Drive
from neurodev.params import describe, scalar
from neurodev.structure import weight as weight_map
from neurodev.structure.table import Table, UidSource

# ---------------------------------------------------------------- parameters


def _free(thing: Any) -> list[str]:
    """Names of the parameters that are numbers, or would be if they were given."""
    out = []
    for f in fields(thing):
        value = getattr(thing, f.name)
        number = isinstance(value, (int, float, np.number, np.ndarray, list, tuple)) and not isinstance(value, bool)
        if "unit" in f.metadata and (number or (value is None and f.metadata["none"] and not f.metadata["choices"])):
            out.append(f.name)
    return out


def changed(thing: Any, values: Mapping[str, Any]) -> Any:
    """A mechanism or drive with other values of its parameters that are numbers (of a drive: arrays too).

    Raises
    ------
    ParameterError
        For a parameter that there is not, or that is settled when a network is built; as the class itself for values.
    """
    kind = type(thing).__name__
    if not is_dataclass(thing):
        raise ParameterError(f"{kind} declares no parameters (as a dataclass with nd.param): nothing of it can be set")
    told, free = [i.name for i in describe(thing)], _free(thing)
    for name in values:
        if name not in free:
            settled = f": {name!r} is settled when the network is built" if name in told else nearest(str(name), free)
            raise ParameterError(f"{kind} has no parameter {name!r} that can be set in a run{settled}; it has {free}")
    if not values:
        raise ParameterError(f"values must name a parameter of {kind}, got none; it has {free}")
    for name, value in values.items():
        if isinstance(scalar(value), (bool, np.bool_)) or value is None:
            raise ParameterError(f"{kind}.{name} must be a number, got {shown(value)}")
        if isinstance(thing, Mechanism) and np.ndim(value) != np.ndim(getattr(thing, name)):
            raise ParameterError(f"{kind}.{name} must have the shape it has, got {shown(value)}")
    dataclass_of: Any = thing
    return replace(dataclass_of, **values)


def _form(hot: Hot | None) -> list[Any]:
    """What of the hot half a network is built on: all but the values of parameters and time constants."""
    out: list[Any] = []
    for f in fields(hot) if hot is not None else ():
        value = getattr(hot, f.name)
        if f.name in ("pre_traces", "post_traces"):
            value = [tau == np.inf for tau in value]
        elif f.name in ("parameters", "kinds"):
            value = type(value) if f.name == "parameters" else [type(k) for k in value]
        out.append(value)
    return out


def _check_form(old: Mechanism, new: Mechanism, columns: frozenset[str]) -> None:
    """Refuse values that would make other columns, hooks or traces."""
    same = set(old.columns()) == set(new.columns()) and _form(old.hot(columns)) == _form(new.hot(columns))
    if not same or any(getattr(old, verb) != getattr(new, verb) for verb in ("owns", "adds", "reads")):
        raise ParameterError(
            f"{old.name} with these values would need other columns, hooks or traces than the network was built with: "
            f"build it so, or turn {old.name} off and on with nd.Block"
        )


def _rehearse(sim: Simulator, place: Population | Projection, used: list[Mechanism], new: Mechanism) -> None:
    """Prepare a mechanism where nobody lives: what it refuses is refused before anything is changed."""
    try:
        new.prepare(_nowhere(sim, place))
    except NeurodevError:  # perhaps for want of what others prepare
        view = _nowhere(sim, place)
        for m in acting(used):
            m.prepare(view)


def _nowhere(sim: Simulator, place: Population | Projection) -> Any:
    """What a mechanism sees of a place, without any synapse or history."""
    if isinstance(place, Population):
        return NeuronView(place.name, signal_blocks([place])[place.name], sim.clock, sim.network.seed)
    blocks = signal_blocks([*{p.name: p for p in (place.source, place.target)}.values()])
    t, names = sim.tables[place.name], tuple(sim.tables[place.name].column_names)
    nobody = Table(t.n_source, t.n_target, t.delays, names, UidSource(), t.column_type, t.weight_type, t.parts)
    return replace(
        sim.views[place.name], table=nobody, source=blocks[place.source.name], target=blocks[place.target.name],
        catch_up=lambda mechanism: None, _kept={},
    )  # fmt: skip


def _hot_of(sim: Simulator, place: Population | Projection, kind: str) -> list[HotInstance]:
    neurons = isinstance(place, Population)
    here = place.index if isinstance(place, Population) else list(sim.network.projections).index(place.name)
    held = sim.engine.hot_populations if neurons else sim.engine.hot
    return [h for h in held if h.place == here and h.mechanism.name == kind]


def _give(sim: Simulator, h: HotInstance, mechanism: Mechanism, hot: Hot) -> None:
    """Let hooks read other parameters; traces that decay otherwise from now on keep the values that they have now."""
    hooks, a = sim.engine.state.hooks, h.arrays
    now, n_pre = float(sim.engine.state.clock.time[T_NOW]), len(hot.pre_traces)
    for k, tau in enumerate((*hot.pre_traces, *hot.post_traces)):
        at = h.first_trace + k
        old = float(a.tau[k])
        if tau != old:
            trace = a.pre_trace[k] if k < n_pre else a.post_trace[k - n_pre]
            trace *= np.exp(-(now - hooks.trace_base[at]) / old)
            hooks.trace_base[at] = now
            hooks.trace_tau[at] = a.tau[k] = tau
    a.parameters[:] = [*hot.parameters, *(x for kind in hot.kinds for x in kind)]
    a.hot, h.mechanism = hot, mechanism


def trial(sim: Simulator, where: str, kind: str, values: Mapping[str, Any]) -> Mechanism | Drive:
    """The mechanism `kind` used at `where` (or, with ``""``, its drive) with other values; nothing is changed.

    Raises
    ------
    ParameterError, BuildError
        For values that can never be.
    """
    place: Any = sim.network.projections.get(where) or sim.network.populations[where]
    if not kind:
        drive: Drive = changed(sim.drives.get(where, place.model), values)
        drive.bind(place.n, place.positions, sim.network.seed, where)
        if any(sim.used.values()) and sim.acceleration != 1.0:
            check_episode(where, drive, sim.tick, sim.acceleration)
        return drive
    old = next(m for m in sim.used[where] if m.name == kind)
    new: Mechanism = changed(old, values)
    columns = frozenset(sim.blocks[where].signals if isinstance(place, Population) else sim.tables[where].column_names)
    _check_form(old, new, columns)
    check_tick(where, new, sim.tick)
    if isinstance(place, Projection):
        check_use(place, new)
    else:
        for name in new.wants():
            if name not in sim.blocks[where]:
                raise BuildError(
                    f"{kind} on {where!r} with these values needs the signal {name!r}, which nothing gives"
                )
    _rehearse(sim, place, [new if m is old else m for m in sim.used[where]], new)
    return new


def set_parameters(sim: Simulator, where: str, kind: str, values: Mapping[str, Any], turn: int | None = None) -> None:
    """Set parameters of the mechanism `kind` used at `where` (with ``""``, of its drive, for the `turn`-th time).

    Raises
    ------
    ParameterError, BuildError
        As `trial`; nothing is changed then.
    """
    place: Any = sim.network.projections.get(where) or sim.network.populations[where]
    new = trial(sim, where, kind, values)
    if isinstance(new, Drive):
        sim.engine.set_drive(place.index, new, turn)
        sim.drives[where] = new
    else:
        neurons = isinstance(place, Population)
        columns = frozenset(sim.blocks[where].signals if neurons else sim.tables[where].column_names)
        hot = new.hot(columns)
        for h in _hot_of(sim, place, kind):
            sim.engine.catch_up(h.place, kind, neurons)  # what was until now went by the old values
            if hot is not None:
                _give(sim, h, new, hot)
            sim.engine.catch_up(h.place, kind, neurons)  # weights that are read off them
        sim.used[where] = tuple(new if m.name == kind else m for m in sim.used[where])
    sim.changes.setdefault((where, kind), {}).update(values)


def changes_of(sim: Simulator) -> list[tuple[str, str, dict[str, Any], int]]:
    """All parameters that were set: where, of what, their values now, and how often of a drive."""
    found = sim.network.populations
    return [
        (where, kind, dict(values), 0 if kind else sim.engine.turn_of(found[where].index))
        for (where, kind), values in sim.changes.items()
    ]


# ---------------------------------------------------------------- weights and columns


def _bring_up(sim: Simulator, q: Projection) -> None:
    """What is kept as of the last event is brought to the present."""
    index = list(sim.network.projections).index(q.name)
    for m in sim.used[q.name]:
        sim.engine.catch_up(index, m.name)


def check_weights(sim: Simulator, q: Projection, weights: F8) -> None:
    """Refuse weights (n,), signed, that synapses of a projection cannot have.

    Raises
    ------
    ParameterError
    """
    columns = frozenset(sim.tables[q.name].column_names)
    for m in sim.used[q.name]:
        if m.sets_weight(columns):
            raise ParameterError(
                f"the weights of {q.name!r} follow {m.name}: set a column of it, one of {list(m.owns)}"
            )
    check_given(q, weights, columns)


def set_weights(sim: Simulator, q: Projection, slots: I8, weights: F8) -> None:
    """Give the synapses in some slots their weights (n,), signed.

    Where weights are read off sizes, the sizes become those whose weights they are, before a stage or an early phase
    takes or adds its share.
    """
    table, view = sim.tables[q.name], sim.views[q.name]
    _bring_up(sim, q)
    table.own_weights()
    if q.spines is None or sim.integrated[q.name]:
        table.weight[slots] = weights
    elif view.weight_gain != 0.0:
        block = sim.blocks[q.target.name]
        factor = np.exp(block["scaling"])[table.post[slots]] if "scaling" in block else np.ones(slots.size)
        sizes = weight_map.size_of(weights, view.weight_gain, view.silent_volume, factor)
        table.column("size")[slots] = sizes
        if "log_size" in table.column_names:
            table.column("log_size")[slots] = np.log(sizes / view.reference_volume)
        sim.refresh_weights(q, slots)
    sim.engine.refresh_addresses()


def set_column(sim: Simulator, q: Projection, name: str, slots: I8, values: F8) -> None:
    """Give the synapses in some slots their values (n,) of a column, and the weights that follow from it."""
    table = sim.tables[q.name]
    _bring_up(sim, q)
    table.column(name)[slots] = values
    _bring_up(sim, q)  # a weight that is read off it
    if q.spines is not None:
        sim.refresh_weights(q, slots)
    sim.engine.refresh_addresses()


def set_signal(sim: Simulator, p: Population, name: str, cells: I8, values: F8) -> None:
    """Give some neurons of a population their values (n,) of a signal, and synapses the weights that follow from it."""
    for m in sim.used[p.name]:
        sim.engine.catch_up(p.index, m.name, neurons=True)
    sim.blocks[p.name][name][cells] = values
    sim.blocks[p.name].clear_absent()
    if name == "scaling":
        for q in sim.projections:
            if q.target is p:
                sim.refresh_weights(q)
        sim.engine.refresh_addresses()

"""What the user describes: populations, projections, what they use.  Nothing runs here."""

from __future__ import annotations

import weakref
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurodev import params, rng
from neurodev.card import Card, Rows, brief, counted, named
from neurodev.engine.members import (
    CELL,
    MOST,
    PRECISIONS,
    Population,
    Projection,
    Spines,
    a_model,
    a_place,
    a_weight,
    check_count,
    one_given,
)  # fmt: skip
from neurodev.engine.stimuli import chosen
from neurodev.errors import BuildError, ParameterError, nearest, shown
from neurodev.neurons.drive import Background, Drive
from neurodev.neurons.model import Input, NeuronModel
from neurodev.neurons.stimulus import Stimulus
from neurodev.params import a_name, check_memory, flag, number, whole
from neurodev.registry import spoken, word_of
from neurodev.structure.delays import as_delay
from neurodev.structure.places import Sheet, grid
from neurodev.structure.weights import Weights
from neurodev.structure.wiring import SYNAPSE, Wiring, as_wiring

F8 = NDArray[np.float64]
I8 = NDArray[np.int64]
__all__ = ["PRECISIONS", "Network", "Population", "Projection", "Spines"]


class Network(Card):
    """Populations and projections on a sheet.

    Parameters
    ----------
    seed : int
        The one seed of everything random.
    sheet : Sheet, optional
        Where the cells lie; a sheet of 1 mm x 1 mm if not given.
    together : bool
        Sum arrivals of exactly equal time before the threshold is tested; otherwise it is tested after each of them,
        inhibition first.  The two differ where spikes keep to a grid of time, as in a network trained in steps.

    Examples
    --------
    >>> net = nd.Network(seed=7)
    >>> exc = net.add(nd.LIF(tau=20, threshold=20), 80)

    Notes
    -----
    While a `Simulation` of it runs, until that is closed, a network cannot be changed: interventions change what runs.
    """

    @spoken
    def __init__(self, seed: int = 0, sheet: Sheet | None = None, *, together: bool = False) -> None:
        self._runs: dict[int, weakref.ref[Any]] = {}
        self.seed = rng.check_seed(seed)
        self.together = flag(together, "together")
        if sheet is not None and not isinstance(sheet, Sheet):
            raise ParameterError(f"sheet must be nd.Sheet(width, height), got {shown(sheet)}")
        self.sheet = sheet if sheet is not None else Sheet(1000.0, 1000.0)
        self.populations: dict[str, Population] = {}
        self.projections: dict[str, Projection] = {}
        self.backgrounds: list[tuple[Population, Background]] = []
        self.stimuli: list[tuple[Population, Stimulus, I8]] = []

    # ------------------------------------------------------------------ open and closed

    def begin(self, run: Any) -> None:
        """Close the network, until `end` is called for this run or nobody holds it any more."""
        self._runs[id(run)] = weakref.ref(run)

    def end(self, run: Any) -> None:
        """A run is over: without another one the network may be changed again."""
        self._runs.pop(id(run), None)

    def _open(self, what: str, cure: str) -> None:
        """Refuse to change a network that runs."""
        self._runs = {k: r for k, r in self._runs.items() if r() is not None}
        if self._runs:
            raise BuildError(
                f"{what}: this network runs, and what is changed now would be ignored: {cure}; or close the simulation "
                "first (sim.close())"
            )

    def __setattr__(self, name: str, value: Any) -> None:
        if name != "_runs":
            self._open(f"network.{name} = ...", "make it so before the Simulation")
        object.__setattr__(self, name, value)

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_runs": {}}  # a copy does not run

    # ------------------------------------------------------------------ building

    @spoken
    def add(
        self,
        model: NeuronModel | Drive,
        n: int,
        *,
        name: str | None = None,
        inhibitory: bool = False,
        positions: Any = None,
        jitter: float = 0.0,
        room: int = 0,
    ) -> Population:
        """Add a population.

        Parameters
        ----------
        model : neuron model or drive
            What the cells are.
        n : int
            How many.
        name : str, optional
            By default the role: ``exc``, ``inh``, ``retina``, ``poisson``, ... with a number from the second on.
        inhibitory : bool
            Sign of all its synapses (Dale).
        positions : (n, 2) array_like, um, optional
            A grid over the sheet if not given, jittered by ``jitter`` um.
        room : int
            Places for neurons still to be born (`Neurogenesis`), at random on the sheet; they follow the `n` others.
        """
        self._open("net.add(...)", "room= and Neurogenesis let neurons be born while it runs")
        a_model(model, "model")
        inhibitory = flag(inhibitory, "inhibitory")
        role = a_name(name, word=True) if name is not None else self._role(model, inhibitory)
        n = check_count(n, role)
        room = whole(room, f"room of {role!r}", 0, MOST)
        check_memory(CELL * (n + room), f"population {role!r} of {n + room:g} places", "lower room=")
        if role in self.populations or role in self.projections:
            kind = "population" if role in self.populations else "projection"
            raise BuildError(f"there is already a {kind} named {role!r}; give another name=")
        where = self._positions(model, n, role, positions, jitter)
        if room:
            where = np.concatenate([where, self._places(model, room, role)])
            n += room
        population = Population(role, model, n, len(self.populations), inhibitory, where, room=room)
        population.positions.setflags(write=False)
        population._home = self
        self.populations[role] = population
        return population

    def _positions(self, model: NeuronModel | Drive, n: int, role: str, positions: Any, jitter: float) -> F8:
        draw = rng.generator(self.seed, role, "positions")
        jitter = number(jitter, f"jitter of {role!r}", "um", low=0.0)
        if positions is None and isinstance(model, Drive):
            own = model.positions(n, self.sheet, draw)
            if own is not None:
                return np.array(own, dtype=float)
        if positions is None:
            return grid(n, self.sheet, jitter, draw)
        where = a_place(positions, f"positions of {role!r}")
        if where.shape != (n, 2):
            raise ParameterError(
                f"positions of {role!r} must be finite numbers of um with shape ({n}, 2), got {shown(positions)}"
            )
        return where

    def _places(self, model: NeuronModel | Drive, room: int, role: str) -> F8:
        """Places of neurons still to be born."""
        if isinstance(model, Drive):
            raise BuildError(f"{role!r} is a drive: its cells are not born during a run; leave out room=")
        draw = rng.generator(self.seed, role, "positions of the unborn")
        return draw.uniform(0.0, [self.sheet.width, self.sheet.height], (room, 2))

    def _role(self, model: NeuronModel | Drive, inhibitory: bool) -> str:
        word = ("inh" if inhibitory else "exc") if isinstance(model, NeuronModel) else model.role
        name, k = word, 2
        while name in self.populations or name in self.projections:
            name, k = f"{word}{k}", k + 1
        return name

    @spoken
    def background(self, target: Population, drive: Background) -> None:
        """Give every neuron of `target` an independent Poisson input of its own."""
        self._open("net.background(...)", "nd.SetRate changes the rate of one that is there")
        self._mine(target, "target")
        if target.is_drive:
            raise BuildError(f"{target.name!r} is a drive and takes no input")
        if not isinstance(drive, Background):
            raise ParameterError(f"drive must be nd.Background(rate_hz=..., weight=...), got {shown(drive)}")
        if np.ndim(drive.rate_hz) and np.shape(drive.rate_hz) != (target.n,):
            raise ParameterError(
                f"Background.rate_hz for {target.name!r} must be a number or have shape ({target.n},), got shape "
                f"{np.shape(drive.rate_hz)}"
            )
        self.backgrounds.append((target, drive))

    @spoken
    def drive(self, target: Population, stimulus: Stimulus, cells: Any = None) -> None:
        """Give neurons of `target` inputs or currents at times of one's own, without synapses and without a delay.

        Parameters
        ----------
        stimulus : Kicks, CurrentSteps, ...
        cells : int, list or array of int, mask, slice or set, optional
            Who has it, each once; all of them if not given.  What the stimulus says of single cells is counted among
            these.

        Examples
        --------
        >>> net = nd.Network(seed=1)
        >>> exc = net.add(nd.LIF(), 80)
        >>> net.drive(exc, nd.Kicks(times=[10.0, 20.0], amplitudes=30.0), cells=slice(0, 8))
        """
        self._open("net.drive(...)", "give it all its times before the Simulation")
        self._mine(target, "target")
        if target.is_drive:
            raise BuildError(f"{target.name!r} is a drive and takes no input")
        if not isinstance(stimulus, Stimulus):
            raise ParameterError(
                f"stimulus must be nd.Kicks(times, amplitudes) or nd.CurrentSteps(times, amplitudes), got "
                f"{shown(stimulus)}; nd.Background goes by net.background(...), and cells of a drive by net.add(...)"
            )
        self.stimuli.append((target, stimulus, chosen(target, stimulus, cells)))

    def _mine(self, population: object, what: str) -> None:
        if not isinstance(population, Population) or self.populations.get(population.name) is not population:
            names = sorted(self.populations)
            hint = nearest(population, names) if isinstance(population, str) else ""
            raise BuildError(f"{what} must be a population of this network ({names}), got {shown(population)}{hint}")

    @spoken
    def connect(
        self,
        source: Population,
        target: Population,
        wiring: Any,
        *,
        weight: Any = None,
        delay: Any = None,
        spines: Spines | None = None,
        name: str | None = None,
        multapses: bool = False,
        signed: bool = False,
        branch: Any = None,
        weight_precision: str = "double",
    ) -> Projection:
        """Connect two populations.

        Parameters
        ----------
        wiring : Near, Degree, OutDegree, Probability, ByDistance, Pairs, Matrix, OneToOne, AllToAll, ...
            Who connects to whom.
        weight : float, (n_synapse,) array, or a distribution such as `LognormalWeights`, mV
            (pA where the target has synaptic currents.) Not negative: the sign comes from the source population.
            `Pairs` and `Matrix` may bring their own.
        delay : float, (n_synapse,) array, Uniform or Conduction, ms
            Axonal delay; 1 ms if neither this nor the wiring says one.
        spines : Spines, optional
            Synapses on spines: plastic in size, their weight read off it (give `spines` or `weight`, not both).
        multapses : bool
            Whether a pair may have several contacts.
        signed : bool
            Weights carry their own sign, as in a trained network; no mechanism can act on such synapses.
        branch : int or (n_synapse,) array of int, optional
            Branch of the target's dendrite: one for all (newborn ones too), or one for each initial synapse in the
            order of the wiring; at random if not given.
        weight_precision : {"double", "single"}
            How weights are kept.  Single halves what an arrival reads of them and rounds each to 6e-8 of itself, which
            the run names among its approximations; it is for synapses onto delta-current `LIF` neurons on which no
            mechanism changes the weight or sees single spikes.
        """
        self._open("net.connect(...)", "nd.AddSynapses adds synapses to a projection that is there")
        self._mine(source, "source")
        self._mine(target, "target")
        if target.is_drive:
            raise BuildError(f"{target.name!r} is a drive: it emits spikes but takes no synapses")
        signed = flag(signed, "signed")
        rule = as_wiring(wiring).on(self.sheet, source.positions, target.positions)
        weight = a_weight(source, one_given("weight", weight, rule.weights(), rule), spines, signed)
        delay = one_given("delay", delay, rule.delays(), rule)
        label = a_name(name, word=True) if name is not None else f"{source.name}_{target.name}"
        if label in self.projections or label in self.populations:
            kind = "projection" if label in self.projections else "population"
            raise BuildError(f"there is already a {kind} named {label!r}; give another name=")
        self._check_synapses(label, float(rule.mean_inputs(source.n, target.n)) * target.n)
        projection = Projection(
            label, source, target, rule, weight, as_delay(1.0 if delay is None else delay), spines, multapses, branch,
            signed=signed, weight_precision=weight_precision,
        )  # fmt: skip
        projection._home = self
        self.projections[label] = projection
        return projection

    def _check_synapses(self, label: str, more: float) -> None:
        """Refuse what does not fit the memory beside the projections that there are, before anything is drawn."""
        there = sum(q.wiring.mean_inputs(q.source.n, q.target.n) * q.target.n for q in self.projections.values())
        beside = f" beside {there:.3g} others" if there else ""
        what = f"projection {label!r} of {more:.3g} synapses{beside}"
        check_memory(SYNAPSE * (there + more), what, "connect fewer")

    # ------------------------------------------------------------------ telling what it is

    def inputs(self, population: Population) -> list[Input]:
        """What the drives give a neuron of `population`: an entry for each background and projection."""
        self._mine(population, "population")
        out = []
        for target, b in self.backgrounds:
            if target is population:
                rate = float(np.mean(b.rate_hz)) / 1e3
                out.append(Input(b.weight, rate, 2.0 if b.amplitudes == "exponential" else 1.0))
        for q in self.projections.values():
            if q.target is not population or not isinstance(q.source.model, Drive):
                continue
            w = q.mean_weight()
            for m in q.mechanisms:
                w *= m.mean_release(q.source.model.mean_rate_hz())
            k = q.wiring.mean_inputs(q.source.n, q.target.n)
            out.append(Input(-w if q.source.inhibitory else w, k * (q.source.model.mean_rate_hz() / 1e3)))
        return out

    def mean_input(self, population: Population) -> tuple[float, float]:
        """Mean and noise amplitude (mV, Brunel's sigma) that the drives alone give a neuron of `population`."""
        self._mine(population, "population")
        if not isinstance(population.model, NeuronModel):
            raise BuildError(f"{population.name!r} is a drive and takes no input")
        return population.model.mean_drive(population.n, population.name, self.inputs(population))

    def _words(self) -> str:
        cells = named(f"{p.name} ({p.n:,})" for p in self.populations.values())
        joined = named(self.projections)
        text = f"Network(seed={self.seed}, {self.sheet.width:g} x {self.sheet.height:g} um"
        text += f", {counted(len(self.populations), 'population')}{': ' if cells else ''}{cells}"
        return text + f", {counted(len(self.projections), 'projection')}{': ' if joined else ''}{joined})"

    def _rows(self) -> Rows:
        about = [("seed", str(self.seed)), ("sheet", f"{self.sheet.width:g} x {self.sheet.height:g} um")]
        told = [(q.name, brief(q).partition(", ")[2].removesuffix(")")) for q in self._members()]
        return [*about, *told]

    def _members(self) -> list[Any]:
        return [*self.populations.values(), *self.projections.values()]

    def __str__(self) -> str:
        lines = [f"Network(seed={self.seed}) on a sheet of {self.sheet.width:g} x {self.sheet.height:g} um"]
        for p in self.populations.values():
            if isinstance(p.model, Drive):
                rate = p.model.mean_rate_hz()
                lines.append(f"  {p.name:<10} {p.n:>6} cells    {type(p.model).__name__}, mean {rate:.3g} Hz")
                continue
            sign = "inhibitory" if p.inhibitory else "excitatory"
            used = f", uses {', '.join(m.name for m in p.mechanisms)}" if p.mechanisms else ""
            d = p.model.dendrite
            if d is not None:
                used = f", {d.per_neuron:g} branches ({type(d).__name__}){used}"
            about, *more = p.model.outlook(p.n, p.name, self.inputs(p))
            lines.append(f"  {p.name:<10} {p.n:>6} neurons  {sign}, {about}{used}")
            lines += more
            for target, stimulus, cells in self.stimuli:
                if target is p:
                    lines.append(f"             {type(stimulus).__name__} onto {cells.size} of them")
        for q in self.projections.values():
            k = q.wiring.mean_inputs(q.source.n, q.target.n)
            unit = q.target.model.weight_unit if isinstance(q.target.model, NeuronModel) else ""
            kind = f"spines of {q.spines.weight:g} {unit}" if q.spines else f"{q.mean_weight():g} {unit}"
            used = f", uses {', '.join(m.name for m in q.mechanisms)}" if q.mechanisms else ""
            lines.append(f"  {q.name:<18} {k * q.target.n:>8.0f} synapses, {k:.3g} inputs each, {kind}{used}")
        return "\n".join(lines)

    def describe(self) -> dict[str, Any]:
        """The network as plain data, for provenance."""

        def words(obj: Any) -> dict[str, Any]:
            given = {"kind": word_of(type(obj)), **params.asdict(obj)}
            if isinstance(obj, (Drive, Wiring, Stimulus)):
                given |= obj.described()
            if getattr(obj, "dendrite", None) is not None:
                given["dendrite"] = words(obj.dendrite)
            return given

        def weight(w: Any) -> Any:
            if w is None or isinstance(w, Weights):
                return None if w is None else words(w)
            return np.asarray(w).tolist() if np.size(w) < 64 else "array"

        stimuli = [
            {"target": p.name, **words(b), "onto": None if c.size == p.n and (np.diff(c) == 1).all() else c.tolist()}
            for p, b, c in self.stimuli
        ]
        return {
            "seed": self.seed,
            "sheet": [self.sheet.width, self.sheet.height], **({"periodic": True} if self.sheet.periodic else {}),
            "together": self.together,
            "populations": [
                {
                    "name": p.name, "n": p.n, "inhibitory": p.inhibitory, "drive": p.is_drive,
                    "room": p.room,
                    "model": words(p.model), "uses": [m.describe() for m in p.mechanisms],
                }
                for p in self.populations.values()
            ],
            "backgrounds": [{"target": p.name, **words(b)} for p, b in self.backgrounds],
            **({"stimuli": stimuli} if stimuli else {}),
            "projections": [
                {
                    "name": q.name, "source": q.source.name, "target": q.target.name, "wiring": words(q.wiring),
                    "delay": words(q.delay), "multapses": q.multapses,
                    "weight": weight(q.weight), "spines": words(q.spines) if q.spines else None,
                    **({} if q.branch is None else {"branch": weight(q.branch)}),
                    "signed": q.signed, "weight_precision": q.weight_precision,
                    "uses": [m.describe() for m in q.mechanisms],
                }
                for q in self.projections.values()
            ],
        }  # fmt: skip

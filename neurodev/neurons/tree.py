"""Neurons with a passive dendritic tree: compartments, branch points, and a soma that spikes; exact.

    C_i dU_i/dt = -g_i U_i + sum over neighbours j of G_ij (U_j - U_i) + I_i,     U = V - rest

(Rall 1959, 1964: compartments joined by axial conductances; a compartment without children is a sealed end.)  With
``y_i = sqrt(C_i) U_i`` the matrix of this system is symmetric, ``dy_i/dt = -(F' F y)_i + I_i / sqrt(C_i)``, where F has
a row ``sqrt(g_i / C_i)`` for every leak and a row ``sqrt(G_ij) (1 / sqrt C_i, -1 / sqrt C_j)`` for every axial
conductance.  The singular values of F are the roots of the rates l_k of its modes, and

    V_soma(t) = V_inf + sum_k a_k exp(-l_k t)

An arrival is a charge on one compartment, a jump of its potential, which the soma meets as a smooth response; or an
exponential current into it, which drives each mode and gives it a difference of two exponentials.  The soma spikes when
the sum reaches threshold, at an arrival or between (`tree_rules.py` finds the first time with bounds).  Then it is held
at reset for the refractory period, and the dendrite goes on with its soma held: a system of the same form without the
column of the soma, so that each axial conductance to the soma becomes a leak.  A spike does nothing else to the
dendrite, as in NEST's ``iaf_cond_alpha_mc``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from neurodev.arrays import F8, I8, U8
from neurodev.errors import ParameterError, shown
from neurodev.neurons import tree_rules
from neurodev.neurons.leaky import check_levels, with_initial
from neurodev.neurons.model import Cells, Column, NeuronModel, Rules, is_free
from neurodev.params import among, asks, check, check_memory, flag, number, numbers, param, wholes
from neurodev.structure.places import Branches, draw_places

MOST = 256  # compartments: what a class of neurons keeps grows with their square
_OF_EACH = ("capacitance", "leak", "axial", "length")  # what every compartment has
_AREA, _LENGTH = 1e-8, 1e-4  # cm2 of a um2, cm of a um


def _cylinders(parents: Sequence[int] | I8, length: ArrayLike, diameter: ArrayLike) -> tuple[I8, F8, F8]:
    """Parents, lengths and diameters of cylinders, (m,) each, or an error."""
    above: I8 = wholes(parents, "parents")
    long, wide = (
        np.asarray(numbers(x, w, "um"), dtype=np.float64) for x, w in ((length, "length"), (diameter, "diameter"))
    )
    if above.ndim != 1 or long.shape != above.shape or wide.shape != above.shape:
        raise ParameterError(
            f"parents, length and diameter must have one value for each cylinder, got shapes {above.shape}, "
            f"{long.shape}, {wide.shape}"
        )
    for name, values in (("length", long), ("diameter", wide)):
        if not np.all((values > 0.0) & (values <= 1e6)):
            raise ParameterError(f"{name} must be positive numbers of um, at most 1e6, got {shown(values)}")
    if np.any((above < -1) | (above >= np.arange(above.size))):
        raise ParameterError(f"parents must name cylinders that come before, or -1 for the soma, got {shown(parents)}")
    return above, long, wide


def _cut(above: I8, long: F8, wide: F8, most: float) -> tuple[I8, F8, F8]:
    """Parent, length and diameter of each compartment, (n,) each, of cylinders cut into pieces of at most `most` um."""
    pieces = np.maximum(np.ceil(long / most * (1.0 - 1e-12)), 1.0)
    if pieces.sum() >= MOST:
        raise ParameterError(
            f"longest={most:g} cuts the cylinders into {pieces.sum():g} pieces; a tree has at most {MOST} "
            "compartments: make longest larger"
        )
    up, steps, across = [-1], [0.0], [0.0]
    end: list[int] = []
    for k in range(above.size):
        at = 0 if above[k] < 0 else end[above[k]]
        for _ in range(int(pieces[k])):
            up.append(at)
            steps.append(long[k] / pieces[k])
            across.append(wide[k])
            at = len(up) - 1
        end.append(at)
    return np.array(up, dtype=np.int64), np.array(steps), np.array(across)


@dataclass(frozen=True, kw_only=True)
class Tree(Branches):
    """A passive dendritic tree of isopotential compartments; compartment 0 is the soma.

    The branch of a synapse (`branch`) is its compartment.  Synapses without one are drawn uniformly along the lengths
    of the compartments.  `of_cylinders` makes a tree of lengths and diameters.

    Parameters
    ----------
    parents : (n,) array_like of int
        The compartment that each is joined to, which comes before it; -1 for the soma, which is the first.
    capacitance : float or (n,) array_like, pF
        Of the membrane of each compartment.
    leak : float or (n,) array_like, nS
        Of the membrane of each compartment to rest; at least one must leak.
    axial : float or (n,) array_like, nS
        From each compartment to its parent; of the soma it is 0.  A number is that of all others.
    length : float or (n,) array_like, um
        Of the dendrite that leads to each compartment, on which its synapses have their places.  A number is that of
        all compartments but the soma.

    Attributes
    ----------
    per_neuron : int
        Number of compartments.

    Raises
    ------
    ParameterError
        Naming the parameter, where compartments do not make a tree.

    Examples
    --------
    >>> tree = Tree(parents=[-1, 0, 1, 1], capacitance=[100, 50, 25, 25], leak=[5, 2.5, 1.25, 1.25], axial=20.0)
    >>> tree.per_neuron, bool(tree.transfer()[0, 3] == tree.transfer()[3, 0])
    (4, True)
    """

    linear: ClassVar[bool] = False
    equation: ClassVar[str] = (
        "C_i dU_i/dt = -leak_i U_i + sum over neighbours of axial (U_j - U_i) + I_i, U = V - rest;  an arrival of w on "
        "compartment i: U_i + w / C_i"
    )

    per_neuron: int = field(init=False, repr=False)
    parents: Any = param((-1, 0, 1, 1), unit="1", array=True, source="free: a trunk and two twigs")
    capacitance: Any = param(50.0, unit="pF", above=0.0, array=True, source="free")
    leak: Any = param(2.5, unit="nS", low=0.0, array=True, source="free: 20 ms")
    axial: Any = param(20.0, unit="nS", low=0.0, array=True, source="free")
    length: Any = param(100.0, unit="um", low=0.0, array=True, source="free")

    def __post_init__(self) -> None:
        check(self)
        parents = wholes(self.parents, "Tree.parents")
        if parents.ndim != 1 or not 0 < parents.size <= MOST:
            raise ParameterError(f"Tree.parents must be a list of 1 to {MOST} compartments, got {shown(self.parents)}")
        wrong = (parents < 0) | (parents >= np.arange(parents.size))
        if parents[0] != -1 or wrong[1:].any():
            k = 0 if parents[0] != -1 else 1 + int(np.argmax(wrong[1:]))
            raise ParameterError(
                f"Tree.parents must begin with -1 (the soma) and then name a compartment that comes before, in [0, i) "
                f"for compartment i; got {parents[k]} for compartment {k}"
            )
        object.__setattr__(self, "per_neuron", int(parents.size))
        for name in _OF_EACH:
            self.each(name)
        axial = self.each("axial")
        if axial[0] != 0.0 or np.any(axial[1:] == 0.0):
            raise ParameterError(
                "Tree.axial must be 0 for the soma, which has no parent, and positive for every other compartment, got "
                f"{shown(self.axial)}"
            )
        if not self.each("leak").any():
            raise ParameterError("Tree.leak must be positive for some compartment: a tree without a leak never rests")

    @asks(name=among(_OF_EACH))
    def each(self, name: str) -> F8:
        """A parameter of each compartment, (n,): ``"capacitance"``, ``"leak"``, ``"axial"`` or ``"length"``."""
        given, n = np.asarray(getattr(self, name), dtype=np.float64), self.per_neuron
        if given.ndim == 0:
            out = np.full(n, given)
            if name in ("axial", "length"):
                out[0] = 0.0
            return out
        if given.shape != (n,):
            raise ParameterError(
                f"Tree.{name} must be a number or have one for each of {n} compartments, got shape {given.shape}"
            )
        return given

    # ------------------------------------------------------------------ made of cylinders

    @classmethod
    def of_cylinders(
        cls,
        parents: Sequence[int] | I8,
        length: ArrayLike,
        diameter: ArrayLike,
        *,
        soma: float = 20.0,
        membrane_resistance: float = 20_000.0,
        membrane_capacitance: float = 1.0,
        axial_resistivity: float = 150.0,
        longest: float | None = None,
    ) -> Tree:
        """A tree of cylinders that begin at the soma or at the end of another, with sealed ends.

        The compartment of a piece of cylinder is the point at which it ends: half of its membrane belongs to that point
        and half to the point from which it comes, and its whole axial resistance lies between.  This is of second order
        in the length of pieces, also at branch points and sealed ends (a test measures it).

        Parameters
        ----------
        parents : (m,) array_like of int
            The cylinder at whose end each begins, which comes before it; -1: at the soma.
        length, diameter : (m,) array_like, um
        soma : float, um
            Diameter of a sphere; 0: there is no soma but the point where cylinders begin.
        membrane_resistance : float, ohm cm2
            About 10,000 to 50,000 in pyramidal cells (recalled; free).
        membrane_capacitance : float, uF/cm2
            About 1 (Gentet et al. 2000, recalled: 0.9).
        axial_resistivity : float, ohm cm
            About 70 to 200 (recalled; free).
        longest : float, um, optional
            Cylinders are cut into equal pieces, each no longer than this.

        Returns
        -------
        Tree
            The soma, then the pieces of cylinder 0 from its beginning on, then those of cylinder 1, and so on.

        Raises
        ------
        ParameterError
            Naming the argument.

        Examples
        --------
        >>> tree = Tree.of_cylinders([-1, 0, 0], [100, 80, 80], [2.0, 1.0, 1.0], longest=50.0)
        >>> tree.per_neuron, tree.distances().tolist()
        (7, [0.0, 50.0, 100.0, 140.0, 180.0, 140.0, 180.0])
        """
        above, long, wide = _cylinders(parents, length, diameter)
        ball = number(soma, "soma", "um", low=0.0, high=1e6)
        resistance = number(membrane_resistance, "membrane_resistance", "ohm cm2", above=0.0)
        capacity = number(membrane_capacitance, "membrane_capacitance", "uF/cm2", above=0.0)
        resistivity = number(axial_resistivity, "axial_resistivity", "ohm cm", above=0.0)
        most = np.inf if longest is None else number(longest, "longest", "um", above=0.0)
        if not above.size and ball == 0.0:
            raise ParameterError(f"parents names no cylinder, got {shown(parents)}, and soma=0: there is no membrane")
        up, steps, across = _cut(above, long, wide, most)
        half = 0.5 * np.pi * across * steps
        area = half.copy()
        np.add.at(area, up[1:], half[1:])
        area[0] += np.pi * ball**2
        axial = np.zeros(steps.size)
        section = 0.25 * np.pi * across[1:] ** 2 * _AREA / (steps[1:] * _LENGTH)  # cm
        axial[1:] = 1e9 * section / resistivity
        values = {
            "parents": up, "capacitance": 1e6 * area * _AREA * capacity, "leak": 1e9 * area * _AREA / resistance,
            "axial": axial, "length": steps,
        }  # fmt: skip
        return cls(**{name: tuple(x.tolist()) for name, x in values.items()})

    # ------------------------------------------------------------------ what it is

    def conductances(self) -> F8:
        """The matrix G of ``C dU/dt = -G U + I``, (n, n), nS."""
        axial, up = self.each("axial"), np.asarray(self.parents, dtype=np.int64)
        out = np.diag(self.each("leak"))
        for i in range(1, self.per_neuron):
            out[i, i] += axial[i]
            out[up[i], up[i]] += axial[i]
            out[i, up[i]] = out[up[i], i] = -axial[i]
        return out

    def transfer(self) -> F8:
        """Steady potential (mV) of each compartment for 1 pA into each, (n, n): symmetric, as of any passive tree."""
        rates, weights = self.modes()
        out = (weights / rates) @ weights.T
        return 0.5 * (out + out.T)

    def distances(self) -> F8:
        """Way from the soma to each compartment, (n,), um."""
        out, up = self.each("length").copy(), np.asarray(self.parents, dtype=np.int64)
        for i in range(1, self.per_neuron):
            out[i] += out[up[i]] if up[i] else 0.0
        return np.where(np.arange(out.size) > 0, out, 0.0)

    def modes(self, held: bool = False) -> tuple[F8, F8]:
        """Rates (1/ms) of the modes, (k,), and what each is worth in each compartment, (n, k).

        A charge of 1 fC on compartment i adds ``weights[i]`` to the modes, and the potentials are ``weights @ modes``.

        Parameters
        ----------
        held : bool
            With the soma at a fixed potential: k = n - 1, and the row of the soma is 0.
        """
        rates, weights = self._held if flag(held, "held") else self._free
        return rates.copy(), weights.copy()

    @cached_property
    def _free(self) -> tuple[F8, F8]:
        return self._decomposed(0)

    @cached_property
    def _held(self) -> tuple[F8, F8]:
        return self._decomposed(1)

    def _decomposed(self, first: int) -> tuple[F8, F8]:
        """`modes` of the compartments from `first` on."""
        n, up, scale = self.per_neuron, np.asarray(self.parents, dtype=np.int64), self.each("capacitance") ** -0.5
        f = np.zeros((2 * n - 1, n))
        f[:n] = np.diag(np.sqrt(self.each("leak")) * scale)
        roots = np.sqrt(self.each("axial"))
        for i in range(1, n):
            f[n + i - 1, i], f[n + i - 1, up[i]] = roots[i] * scale[i], -roots[i] * scale[up[i]]
        f, v = np.ascontiguousarray(f[:, first:]), np.eye(n - first)
        tree_rules.rotate_apart(f, v)
        rates = np.sum(f * f, axis=0)
        order = np.argsort(rates, kind="stable")
        weights = np.zeros((n, n - first))
        weights[first:] = scale[first:, None] * v[:, order]
        return rates[order], weights

    def draw(self, stream: np.uint64, uids: U8) -> tuple[F8, F8]:
        """Compartment and place (um from the beginning of its dendrite) of synapses, each (n,), uniform in length."""
        ends = np.cumsum(self.each("length"))
        branch, place = np.empty(uids.size), np.empty(uids.size)
        draw_places(stream, uids, 1.0, 1.0, branch, place)
        place *= ends[-1]
        last = int(np.searchsorted(ends, ends[-1]))  # the last that has a length
        which = np.minimum(np.searchsorted(ends, place, side="right"), last)
        return which.astype(np.float64), place - np.concatenate([[0.0], ends])[which]


@dataclass(frozen=True)
class TreeLIF(NeuronModel):
    """Leaky integrate-and-fire neurons with a passive dendritic tree, exact.

    Each parameter is a number or one number per neuron; all neurons of a population have one tree.  A weight is a
    charge (fC): it jumps the potential of its compartment, of capacitance C (pF), by weight / C (mV).  With time
    constants of synapses it is the peak (pA) of an exponential current.  Both keep their meaning however finely a
    dendrite is cut into compartments.

    Parameters
    ----------
    dendrite : Tree
        The compartments; synapses sit on them (`branch`).
    threshold, reset, rest : float or (n,) array, mV
        Spike when V of the soma >= threshold (``inf``: the cell never fires); where the soma is held after a spike; V
        of all compartments without input.
    refractory : float or (n,) array, ms
        The soma is held at `reset` for so long: charges that meet it are lost.  The dendrite goes on, and a charge on
        it is kept.
    drive : float or (n,) array, pA
        A constant current into the soma; `CurrentSteps` adds to it.
    initial : float or (n,) array, mV, optional
        V of all compartments at time 0; rest (or reset, where rest is above threshold) if not given.
    background : int or (n,) array of int
        The compartment that inputs from outside the tables (`Network.background`) fall on; 0: the soma.
    tau_excitatory, tau_inhibitory : float or (n,) array, ms, optional
        Decay of the synaptic currents, chosen by the sign of the weight; give both, or neither for charges.  Currents
        into a held soma go on, and act when it is free.

    Examples
    --------
    >>> TreeLIF(dendrite=Tree(parents=[-1, 0], capacitance=100.0, leak=5.0, axial=10.0)).weight_unit
    'fC'
    """

    drive_changes: ClassVar[bool] = True
    equation: ClassVar[str] = (
        "C_i dU_i/dt = -leak_i U_i + sum over neighbours of axial (U_j - U_i) + I_i, U = V - rest, I = drive into the "
        "soma;  an arrival of w on compartment i: U_i + w / C_i, or I_i + w with dI/dt = -I / tau_excitatory or "
        "tau_inhibitory;  V_soma >= threshold: a spike, V_soma = reset for the refractory period, the dendrite goes on"
    )

    dendrite: Tree = Tree()
    threshold: Any = param(20.0, unit="mV", high=float("inf"), array=True, source="Brunel 2000")
    reset: Any = param(0.0, unit="mV", array=True, source="free")
    rest: Any = param(0.0, unit="mV", array=True, source="convention")
    refractory: Any = param(2.0, unit="ms", clock="spike", low=0.0, array=True, source="Brunel 2000")
    drive: Any = param(0.0, unit="pA", array=True, source="free")
    initial: Any = param(None, unit="mV", array=True, none=True, source="free")
    background: Any = param(0, unit="1", low=0, array=True, source="convention: the soma")
    tau_excitatory: Any = param(None, unit="ms", clock="spike", above=0.0, array=True, none=True, source="free")
    tau_inhibitory: Any = param(None, unit="ms", clock="spike", above=0.0, array=True, none=True, source="free")

    @property
    def has_currents(self) -> bool:
        """Whether synapses give exponential currents (weights in pA) rather than charges (weights in fC)."""
        return self.tau_excitatory is not None

    @property
    def weight_unit(self) -> str:
        """Of a charge: 1 fC is 1 pA ms, and jumps 1 pF by 1 mV; pA with synaptic currents."""
        return "pA" if self.has_currents else "fC"

    def __post_init__(self) -> None:
        check(self)
        if not isinstance(self.dendrite, Tree):
            raise ParameterError(f"TreeLIF.dendrite must be nd.Tree(...), got {shown(self.dendrite)}")
        check_levels(self)
        if (self.tau_excitatory is None) != (self.tau_inhibitory is None):
            raise ParameterError(
                "TreeLIF.tau_excitatory and TreeLIF.tau_inhibitory belong together: give both for synaptic currents, "
                f"or neither for charges; got {self.tau_excitatory!r} and {self.tau_inhibitory!r}"
            )
        where = wholes(self.background, "TreeLIF.background")
        if np.any(where >= self.dendrite.per_neuron):
            raise ParameterError(
                f"TreeLIF.background must be a compartment, in [0, {self.dendrite.per_neuron}), got "
                f"{shown(self.background)}"
            )

    def expand(self, n: int, name: str) -> dict[str, F8]:
        """Every parameter as an (n,) array."""
        return with_initial(super().expand(n, name))

    def rules(self) -> Rules:
        """Its compiled rules."""
        r = tree_rules
        return Rules(r.predict, r.event, r.reset, r.receive, potential=r.potential)

    def columns(self) -> tuple[Column, ...]:
        """The time of the modes, whether they are those of a held soma, the modes, and what drives them."""
        words = ["mode"]
        if self.has_currents:
            words += [f"{of}_{way}" for of in ("excitation", "inhibition") for way in ("free", "held")]
        each = (Column(f"{word}_{k}") for word in words for k in range(self.dendrite.per_neuron))
        return (Column("t", None, True), Column("held"), *each)

    def n_scratch(self) -> int:
        """Room for the potentials of the compartments."""
        return self.dendrite.per_neuron

    def _steady(self, values: dict[str, F8], held: bool) -> F8:
        """Where the modes settle, (n, n_mode): of a drive into the soma, or of a soma held at reset."""
        rates, weights = self.dendrite.modes(held)
        if not held:
            return np.asarray(values["drive"][:, None] * (weights[0] / rates))
        pull = -self.dendrite.conductances()[:, 0]  # of the soma, on its neighbours
        pull[0] = 0.0
        return np.asarray((values["reset"] - values["rest"])[:, None] * (np.einsum("jk,j->k", weights, pull) / rates))

    def start(self, values: dict[str, F8]) -> dict[str, F8]:
        """The modes at the beginning."""
        _, weights = self.dendrite.modes()
        # sums in one order, whatever library of linear algebra there is
        of_one = np.einsum("j,jk->k", self.dendrite.each("capacitance"), weights)
        return {f"mode_{k}": (values["initial"] - values["rest"]) * x for k, x in enumerate(of_one)}

    def table(self, values: dict[str, F8], fastest: float) -> F8:
        """The columns that `tree_rules.py` names."""
        q, n, m = values, self.dendrite.per_neuron, values["rest"].size
        size = tree_rules.VECTORS + n + 2 * (2 * n + n * n)
        check_memory(3.0 * 8.0 * size * m, f"the trees of {m:g} neurons", "make the population or its trees smaller")
        every = np.broadcast_to
        taus = (q[w] if self.has_currents else np.full(m, np.inf) for w in ("tau_excitatory", "tau_inhibitory"))
        rates, weights = self.dendrite.modes()
        settled = q["drive"] * np.sum(weights[0] ** 2 / rates)
        levels = (q["threshold"] - q["rest"], q["reset"] - q["rest"], q["rest"], settled, q["background"])
        out = [
            *(x[:, None] for x in levels), *(1.0 / tau[:, None] for tau in taus),
            every(self.dendrite.each("capacitance"), (m, n)),
        ]  # fmt: skip
        for held in (False, True):
            rates, weights = self.dendrite.modes(held)
            # a mode that is not there has no rate and is worth nothing
            missing = n - rates.size
            out += [
                every(np.concatenate([rates, np.zeros(missing)]), (m, n)),
                np.hstack([self._steady(q, held), np.zeros((m, missing))]),
                every(np.hstack([weights, np.zeros((n, missing))]).ravel(), (m, n * n)),
            ]  # fmt: skip
        return np.hstack(out)

    def compartments(self, cells: Cells, t: float) -> F8:
        """Potentials (mV) of all compartments of the neurons at the present time `t`, (n, n_compartment).

        Parameters
        ----------
        cells : Cells
            The neurons of a population of this model.
        t : float, ms
            Not before their last event.
        """
        n, c, of = self.dendrite.per_neuron, cells.classes[cells.kind], np.arange(cells.n)[:, None]
        held, s = cells.column("held").astype(np.int64)[:, None], (t - cells.column("t"))[:, None]
        first = tree_rules.VECTORS + n + held * (2 * n + n * n)
        rates, steady = (c[of, first + k * n + np.arange(n)] for k in (0, 1))
        weights = c[of, first + 2 * n + np.arange(n * n)].reshape(-1, n, n)
        modes = steady + (cells.state[:, tree_rules.MODES : tree_rules.MODES + n] - steady) * np.exp(-rates * s)
        if self.has_currents:
            for channel in range(2):
                rate = c[:, [tree_rules.CURRENTS + channel]]
                given = cells.state[of, tree_rules.MODES + n + (2 * channel + held) * n + np.arange(n)]
                apart = np.abs(rate - rates)
                with np.errstate(divide="ignore", invalid="ignore"):
                    phi = np.where(apart * s < 1e-8, s * (1.0 - 0.5 * apart * s), -np.expm1(-apart * s) / apart)
                modes += given * np.exp(-np.minimum(rate, rates) * s) * phi
        above = np.einsum("ijk,ik->ij", weights, modes)
        above[:, 0] = np.where(is_free(cells.u), above[:, 0], c[:, tree_rules.RESET])
        return np.asarray(c[:, [tree_rules.REST]] + above)


def compartment_signals(model: Any) -> list[str]:
    """Names by which the potentials of compartments are asked for; none of a model without a tree."""
    return [f"V_{k}" for k in range(model.dendrite.per_neuron)] if isinstance(model, TreeLIF) else []

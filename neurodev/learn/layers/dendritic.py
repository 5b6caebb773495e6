"""Dendrites that compute: a gate on every neuron's input, and neurons of two layers.

Both are made of ordinary weight layers (`Linear` or `Conv2d`), so that their synapses live in tables of their own.
"""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

from neurodev import params
from neurodev.errors import BuildError, ParameterError
from neurodev.learn.core import doors
from neurodev.learn.core.fields import DRAWN, asked
from neurodev.learn.core.layer import Group, Layer, Pullback, Signal, Vector, expect, guarded
from neurodev.learn.core.spikes import Current
from neurodev.learn.layers.conv import Conv2d
from neurodev.learn.layers.linear import Linear
from neurodev.structure.table import UidSource

STEEPEST = 80.0  # exponent beyond which the sigmoid of a branch is 0 or 1 in float32; exp does not overflow


class Bias(Layer):
    """Adds a constant current to every unit, one per output channel; starts at 0."""

    takes = gives = "currents"

    n: int = asked(fixed=DRAWN)

    def __init__(self, name: str = ""):
        super().__init__()
        self.n, self.name = 0, name

    def out_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The same."""
        self.n = shape[-1]
        return shape

    def build(self, seed: int, uids: UidSource, kind: type = np.float32) -> None:
        """Zeros."""
        self.parameters["bias"] = Vector(np.zeros(self.n, dtype=kind))

    def __call__(self, x: Current) -> tuple[Current, Pullback]:
        """Currents with the bias, and their pullback."""
        expect(self, x)
        if x.shape[-1] != self.n:
            raise ParameterError(f"{self.name or 'Bias'} takes {self.n} channels, got {x.shape[-1]}")
        bias = self.parameters["bias"]
        assert isinstance(bias, Vector)
        value = (x.by_row.reshape(-1, self.n) + bias.value).reshape(x.steps * x.batch, -1)

        def pull(dy: Current) -> Current:
            bias.gradient += dy.by_row.reshape(-1, self.n).sum(axis=0)
            return dy

        y = Current(value, x.steps, x.batch, x.shape, wanted=x.wanted)
        return y, guarded(self, y, pull)


def _again(layer: Linear | Conv2d, gain: float) -> Linear | Conv2d:
    """An unbuilt layer like `layer`, with another gain and name."""
    other = copy.copy(layer)
    vars(other).update(parameters={}, counters=type(layer.counters)(), watched=[], gain=gain, gates=True)
    vars(other)["name"] = f"{layer.name}_gate" if layer.name else ""
    return other


def _add(a: Current | None, b: Current | None) -> Current | None:
    if a is None or b is None:
        return None
    return Current(a.by_row + b.by_row, a.steps, a.batch, a.shape)


class Dendritic(Group):
    """``(W x) (1 + V x)``, elementwise: every neuron's drive is gated by a second set of synapses.

    The nonlinear dendritic integration of NSPDI-SNN (Cai et al. 2025, arXiv 2508.21566): one rank-one quadratic form
    per neuron.  V starts small, so that the layer starts linear.

    Parameters
    ----------
    layer : Linear or Conv2d
        W; V is a layer of the same kind and storage with a table of its own.
    gate_gain : float
        Gain of the initial V.
    bias : bool

    Raises
    ------
    BuildError
        If `layer` is of another kind or has a bias of its own.

    Examples
    --------
    >>> from neurodev.learn import LIF, Dendritic, Linear, Sequential
    >>> model = Sequential(Dendritic(Linear(8)), LIF(), inputs=(6,), seed=1)
    >>> model.outputs
    (8,)
    """

    def __init__(self, layer: Linear | Conv2d, gate_gain: float = 0.01, bias: bool = False):
        super().__init__()
        if not isinstance(layer, (Linear, Conv2d)) or layer.bias:
            raise BuildError(f"Dendritic takes a Linear or Conv2d without bias of its own, got {type(layer).__name__}")
        self.drive, self.gate = layer, _again(layer, params.number(gate_gain, "gate_gain", above=0))
        self.bias = Bias() if params.flag(bias, "bias") else None

    gives = "currents"

    def given(self) -> dict[str, Any]:
        """W, how V was drawn, and whether there is a bias."""
        return {"layer": self.drive, "gate_gain": self.gate.gain, "bias": self.bias is not None}

    def parts(self) -> list[Layer]:
        """W, V and the bias."""
        return [self.drive, self.gate] + ([] if self.bias is None else [self.bias])

    def _with(self, parts: list[Layer]) -> Dendritic:
        other = copy.copy(self)
        vars(other).update(drive=parts[0], gate=parts[1], bias=parts[2] if len(parts) > 2 else None)
        return other

    def out_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Shape of W's output."""
        out = self.drive.out_shape(shape)
        self.gate.out_shape(shape)
        return out if self.bias is None else self.bias.out_shape(out)

    def __call__(self, x: Signal) -> tuple[Current, Pullback]:
        """Gated currents, and their pullback."""
        drive, pull_drive = self.drive.through(x)
        gate, pull_gate = self.gate.through(x)
        a, b = drive.by_row, gate.by_row
        y = Current(a * (1 + b), drive.steps, drive.batch, drive.shape)
        pull_bias: Any = None
        if self.bias is not None:
            y, pull_bias = self.bias(y)

        def pull(dy: Current) -> Current | None:
            d = dy if pull_bias is None else pull_bias(dy)
            to_drive = Current(d.by_row * (1 + b), d.steps, d.batch, d.shape)
            to_gate = Current(d.by_row * a, d.steps, d.batch, d.shape)
            return _add(pull_drive(to_drive), pull_gate(to_gate))

        return y, guarded(self, y, pull)


class Branches(Layer):
    """The somatic layer of a two-layer neuron: ``sum over k of strength[k] s(u[k])`` over a neuron's branches.

    ``s(u) = 1 / (1 + exp((half - u) / slope)) + linear u``: the sigmoid of thin branches with its linear part
    (Poirazi, Brannon & Mel 2003).  Neuron j has the inputs ``j n_branch .. (j + 1) n_branch - 1``.  Its namesake
    `neurodev.Branches` is the dendrite of a neuron of the event engine, on which synapses have places.

    Parameters
    ----------
    n_branch : int
    half, slope, linear : float
        In units of a branch's drive; free.

    Examples
    --------
    >>> from neurodev.learn import LIF, Branches, Linear, Sequential
    >>> model = Sequential(Linear(8), Branches(2), LIF(), inputs=(6,), seed=1)
    >>> model.outputs
    (4,)
    """

    takes = gives = "currents"

    n_branch: int = asked(params.whole, low=1, fixed=DRAWN)
    slope: float = asked(doors.divisor)
    half: float = asked(params.number)
    linear: float = asked(params.number)
    channels: int = asked(fixed=DRAWN)

    def __init__(self, n_branch: int, *, half: float = 1.0, slope: float = 0.2, linear: float = 0.3, name: str = ""):
        super().__init__()
        self.n_branch, self.slope, self.half, self.linear = n_branch, slope, half, linear
        self.name, self.channels = name, 0

    def out_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The last axis divided by n_branch."""
        if shape[-1] % self.n_branch:
            raise ParameterError(f"{shape[-1]} branches cannot be shared out by {self.n_branch}")
        self.channels = shape[-1] // self.n_branch
        return (*shape[:-1], self.channels)

    def build(self, seed: int, uids: UidSource, kind: type = np.float32) -> None:
        """All strengths 1."""
        self.parameters["strength"] = Vector(np.ones((self.channels, self.n_branch), dtype=kind))

    def __call__(self, x: Current) -> tuple[Current, Pullback]:
        """Somatic currents, and their pullback."""
        expect(self, x)
        if x.shape[-1] != self.channels * self.n_branch:
            raise ParameterError(
                f"{self.name or 'Branches'} takes {self.channels * self.n_branch} branches, got {x.shape[-1]}"
            )
        strength = self.parameters["strength"]
        assert isinstance(strength, Vector)
        u = x.by_row.reshape(-1, self.channels, self.n_branch)
        kind = u.dtype.type
        sigmoid = 1 / (1 + np.exp(np.clip((kind(self.half) - u) / kind(self.slope), -STEEPEST, STEEPEST)))
        branch = sigmoid + kind(self.linear) * u
        y = (branch * strength.value).sum(axis=2).reshape(x.steps * x.batch, -1)

        def pull(dy: Current) -> Current:
            d = dy.by_row.reshape(-1, self.channels, 1)
            strength.gradient += (branch * d).sum(axis=0)
            steep = sigmoid * (1 - sigmoid) / kind(self.slope) + kind(self.linear)
            return Current((d * strength.value * steep).reshape(x.by_row.shape), x.steps, x.batch, x.shape)

        out = Current(y, x.steps, x.batch, self.out_shape(x.shape), wanted=x.wanted)
        return out, guarded(self, out, pull)

"""What the event loop has in its own words it recognises exactly: what a subclass adds is used, or refused by name."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

import neurodev as nd
from neurodev.engine.simulator import Simulator
from neurodev.errors import BuildError, ParameterError
from neurodev.mechanisms.growth_curves import CurveShape, GrowthCurve
from neurodev.neurons.model import Column
from neurodev.params import param

CURRENTS = {"tau_excitatory": 2.0, "tau_inhibitory": 5.0}


@dataclass(frozen=True)
class Leakier(nd.LIF):
    """Its parameter is read by nobody."""

    leak: float = param(0.1, unit="mV", source="test")


@dataclass(frozen=True)
class Told(nd.LIF):
    """Words about a model compute nothing."""

    leak: float = param(0.1, unit="mV", source="test")

    def approximations(self):
        return ["it leaks"]


@dataclass(frozen=True)
class Drawn(nd.LIF):
    """Potentials of its own, which only rules could serve."""

    def potentials(self, cells, t):
        return np.zeros(cells.n)


@dataclass(frozen=True)
class Kept(nd.LIF):
    """Columns of its own."""

    def columns(self):
        return (Column("mine"),)


@dataclass(frozen=True)
class Higher(nd.LIF):
    """A parameter that its own method puts to use."""

    above: float = param(7.0, unit="mV", source="test")

    def membrane(self, n, name):
        m = super().membrane(n, name)
        return m._replace(threshold=m.threshold + self.above)


@dataclass(frozen=True)
class Quick(nd.LIF):
    """Other defaults, and nothing else."""

    tau: float = param(5.0, unit="ms", clock="spike", above=0.0, source="test")


@dataclass(frozen=True)
class Halved(nd.LIF):
    """A parameter that sets another."""

    half: float = param(4.0, unit="mV", source="test")

    def __post_init__(self):
        object.__setattr__(self, "threshold", 2.0 * self.half)
        super().__post_init__()


@dataclass(frozen=True)
class Steep(nd.TwoLayer):
    """An output of its own, which the compiled rules do not know."""

    def output(self, n):
        return 2.0 * np.asarray(n, dtype=float)


@dataclass(frozen=True)
class Sinking(nd.Plateau):
    """A parameter for nobody."""

    sag: float = param(1.0, unit="pA", source="test")


@dataclass(frozen=True)
class Mine(nd.Bilinear):
    """Constants of its own, which are asked for."""

    def kappas(self):
        return 0.0, 0.0, 0.0


@dataclass(frozen=True)
class Bursty(nd.Background):
    """A parameter for nobody."""

    bursts: float = param(2.0, unit="Hz", source="test")


@dataclass(frozen=True)
class Stiff(nd.Spines):
    """A parameter for nobody."""

    stiffness: float = param(2.0, source="test")


def build(cell, background=None, spines=None):
    net = nd.Network(seed=1)
    a, e = net.add(nd.SpikeList([1.0], [0]), 1, name="a"), net.add(cell, 3, name="e")
    net.background(e, background or nd.Background(rate_hz=100.0, weight=1.0))
    net.connect(a, e, nd.AllToAll(), **({"spines": spines} if spines else {"weight": 10.0}))
    return Simulator(net)


@pytest.mark.parametrize(
    ("cell", "what"),
    [
        (Leakier(), "Leakier.leak"), (Told(), "Told.leak"), (Leakier(**CURRENTS), "Leakier.leak"),
        (Drawn(), "Drawn.potentials"), (Kept(), "Kept.columns"),
        (nd.LIF(**CURRENTS, dendrite=Steep(2)), "Steep.output"),
        (nd.LIF(**CURRENTS, dendrite=Sinking(2)), "Sinking.sag"),
    ],
)  # fmt: skip
def test_what_nothing_would_read_is_refused(cell, what):
    """Instead of running as if it were not there."""
    with pytest.raises(BuildError, match=f"population 'e': .*{what}"):
        build(cell)


def test_inputs_and_spines_too():
    """The loop draws backgrounds and reads weights off sizes in its own words."""
    with pytest.raises(BuildError, match="background of 'e': .*Bursty.bursts"):
        build(nd.LIF(), background=Bursty(rate_hz=100.0, weight=1.0))
    with pytest.raises(BuildError, match="projection 'a_e': .*Stiff.stiffness"):
        build(nd.LIF(), spines=Stiff())


@pytest.mark.parametrize(
    ("cell", "same"),
    [
        (Higher(), nd.LIF(threshold=27.0)), (Quick(), nd.LIF(tau=5.0)), (Halved(), nd.LIF(threshold=8.0)),
        (nd.LIF(**CURRENTS, dendrite=Mine(2)),
         nd.LIF(**CURRENTS, dendrite=nd.Bilinear(2, kappa_ee=0.0, kappa_ei=0.0, kappa_ii=0.0))),
    ],
)  # fmt: skip
def test_what_is_read_works(cell, same):
    """As the same numbers given to the class itself."""
    ours, theirs = build(replace(cell, drive=30.0)), build(replace(same, drive=30.0))
    for sim in (ours, theirs):
        sim.run_until_spike(23.0)
    assert ours.engine.potential("e").tobytes() == theirs.engine.potential("e").tobytes()
    assert ours.engine.take_counts()[1].tolist() == theirs.engine.take_counts()[1].tolist()


@dataclass(frozen=True)
class Square(GrowthCurve):
    """A law of its own where nobody looks."""

    def shape(self):
        return CurveShape(0.0, self.epsilon, 1.0)

    def __call__(self, calcium):
        return self.nu * (1.0 - np.asarray(calcium) ** 2)


@dataclass(frozen=True)
class Fourth(GrowthCurve):
    """A code that there is not."""

    def shape(self):
        return CurveShape(3.0, self.epsilon, 1.0)


@dataclass(frozen=True)
class Narrow(GrowthCurve):
    """A Gaussian of one's own."""

    def shape(self):
        return CurveShape(1.0, self.epsilon, 0.01)


def test_growth_curves_of_ones_own():
    """One that the kernels can integrate is used; another is refused."""
    for curve, why in ((Square(), "would never be called"), (Fourth(), "of code 0, 1 or 2")):
        with pytest.raises(ParameterError, match=why):
            nd.Growth({"axonal": curve})
    assert nd.Growth({"axonal": Narrow()}).curves()["axonal"](0.05) == pytest.approx(1e-4)

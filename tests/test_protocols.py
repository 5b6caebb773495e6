"""Each mechanism alone: every registered one has a protocol, and its curves lie on their closed forms."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

import neurodev as nd
from neurodev import cli, registry
from neurodev.errors import ParameterError
from neurodev.mechanisms.base import Mechanism
from neurodev.protocols import Panel, Protocol, protocol, protocol_of, rules, show
from neurodev.units import day

VARIANTS = {
    "STDP": [{"rule": "pair"}, {"rule": "nearest"}, {"rule": "triplet"}, {"rule": "burst"}],
    "SpineSize": [
        {}, {"death": "none", "slow_share": 0.5}, {"death": "hazard", "sd": 1.06, "tau": 150 * day},
    ],
    "BCM": [{"threshold": "running mean"}, {"threshold": "sliding"}],
    "SpineShape": [{}, {"isotropic": True}],
    "Survival": [{}, {"staircase": False, "reference": "max"}],
    "TrophicFactor": [{}, {"growth": "hill"}],
    "Turnover": [{}, {"hazard": 0.1}, {"births": False}],
    "Growth": [{}, {"elements": {"a": {"curve": "linear"}, "b": {"curve": "sigmoid", "psi": 0.02}}}],
    "Pairing": [{}, {"deletion": "smallest"}, {"deletion": "oldest", "sigma": 40.0}, {"deletion": "youngest"}],
}  # fmt: skip
DENDRITES = [
    nd.Branches(3), nd.Bilinear(), nd.Bilinear(3, kappa_ee=0.01, across=1.0), nd.TwoLayer(), nd.TwoLayer(4, slope=0.0),
    nd.Plateau(), nd.Plateau(2, threshold=100.0, duration=30.0, magnesium=0.0), nd.Tree(),
    nd.Tree.of_cylinders([-1, 0, 0], [120.0, 90.0, 60.0], [2.0, 1.2, 0.8], longest=30.0),
]  # fmt: skip
MECHANISMS = registry.ours("mechanism")
MODELS = registry.ours(("neuron model", "drive", "dendrite"))
MADE = {
    n: c for n, c in (MECHANISMS | MODELS).items() if n not in ("InhomogeneousPoisson", "Recorded", "SpikeList")
}  # these need data
CASES = [(name, given) for name in MECHANISMS for given in VARIANTS.get(name, [{}])]


def is_clear(figure):
    """Whether a figure has axes, and no point of theirs lies below a legend (logarithmic axes cannot make room)."""
    figure.draw_without_rendering()
    for ax in figure.get_axes():
        box = ax.get_legend() and ax.get_legend().get_window_extent()
        points = [xy for line in ax.lines for xy in line.get_transform().transform(line.get_xydata())]
        if box and ax.get_yscale() != "log" and any(box.contains(x, y) for x, y in points):
            return False
    return bool(figure.get_axes())


@pytest.mark.parametrize("name", MECHANISMS)
def test_every_registered_mechanism_has_a_protocol(name):
    """No mechanism without a curve."""
    assert protocol_of(MECHANISMS[name]) is not None, f"write a protocol for {name} in neurodev/protocols"


@pytest.mark.parametrize("name, given", CASES, ids=[f"{n}-{i}" for i, (n, _) in enumerate(CASES)])
def test_the_curves_lie_on_their_closed_forms(name, given):
    """EX-34, EX-38, EX-41, EX-46 to EX-49 and the others, by each mechanism's own code."""
    result = nd.isolate(MECHANISMS[name](**given))
    assert result.passed, str(result)
    assert result.name == name and result.question and result.source
    assert "DEVIATES" not in str(result)
    assert is_clear(result.plot())


@pytest.mark.parametrize("dendrite", DENDRITES)
def test_dendrites_lie_on_their_closed_forms(dendrite):
    """EX-13 to EX-18, by the engine."""
    result = nd.isolate(dendrite)
    assert result.passed, str(result)
    assert result.question and result.source and is_clear(result.plot())


def test_the_step_of_a_plateau():
    """BIO-29: a step between 8 and 20 synapses on one branch, none for synapses spread over branches."""
    together, apart = nd.isolate(nd.Plateau()).panels[0].curves
    steps = np.diff(together.y)
    assert 8 <= together.x[np.argmax(steps) + 1] <= 20 and steps.max() > 5 * np.median(steps)
    np.testing.assert_allclose(np.diff(apart.y), apart.y[0], rtol=1e-9)
    course = nd.isolate(nd.Plateau()).panels[1].curves[1]
    above = course.theory_x[course.theory_y > 0.5 * course.theory_y.max()]
    assert 50 <= np.ptp(above) <= 200


@pytest.mark.parametrize("given", [
    {}, {"tau_excitatory": 5.0, "tau_inhibitory": 10.0}, {"tau_excitatory": 20.0, "tau_inhibitory": 20.0},
    {"rest": -60.0, "reset": -65.0, "threshold": -50.0, "refractory": 0.0},
])  # fmt: skip
def test_neurons_answer_as_the_closed_form(given):
    """Rate under a constant drive, and the answer to one input, by the engine."""
    result = nd.isolate(nd.LIF(**given))
    assert result.passed, str(result)
    assert result.plot().get_axes()


@pytest.mark.parametrize("drive", [
    nd.Poisson(), nd.Poisson(rate_hz=80.0), nd.Regular(), nd.Regular(interval=333.3, phase=1.5), nd.RetinalWaves(),
    nd.RetinalWaves(speed=0.1, jitter=10.0, extent=2000.0),
])  # fmt: skip
def test_drives_have_the_statistics_they_promise(drive):
    result = nd.isolate(drive)
    assert result.passed, str(result)


def test_numbers_of_the_reference():
    """EX-34: peak 1.6667 at 23.21 d; EX-48c: the triplet rule changes sign near 19 Hz; EX-46: -5.0e-4 a second."""
    overshoot = nd.isolate(nd.Turnover()).panels[1].curves[0]
    peak = np.argmax(overshoot.theory_y)
    assert overshoot.theory_y[peak] == pytest.approx(5 / 3, abs=1e-3)
    assert overshoot.theory_x[peak] == pytest.approx(23.21, abs=0.3)
    low, high = nd.isolate(nd.STDP("triplet")).panels[1].curves[1].theory[[3, 4]]  # 15 and 20 Hz
    assert low < 0 < high
    ten = nd.isolate(nd.STDP()).panels[1].curves[0]
    assert ten.theory[2] == pytest.approx(-2.5e-4)  # 5 and 10 Hz


def test_the_burst_window_is_the_reference_at_no_offset():
    """The closed form of two bursts, at offset 0, is a_ref, and far apart only the losses remain."""
    rule = nd.STDP("burst")
    near, far = rules.burst_window(rule, np.array([0.0, 1e5]))
    assert near == pytest.approx(rule.reference(), rel=1e-12)
    assert far == pytest.approx(-2 * rule.value("burst_loss") * 25, rel=1e-9)


def test_a_wrong_mechanism_is_found_out():
    """A size that fluctuates too fast deviates from the theory of the size it claims to be."""
    right = nd.SpineSize(death="none")
    wrong = nd.isolate(replace(right, tau=right.tau / 2)).panels[0].curves[0]
    truth = nd.isolate(right).panels[0].curves[0]
    bad = Panel("", "", "").add("", truth.x, np.interp(truth.x, wrong.x, wrong.y), truth.theory, truth.accepted)
    assert bad.curves[0].share > 2
    assert not Protocol(right, "q", [bad]).passed


def test_data_is_kept_and_drawn():
    result = nd.isolate(nd.STDP(), data=([10.0, -10.0], [0.003, -0.003]))
    assert result.curves[0].data_x.size == 2
    labels = [t.get_text() for t in result.plot().get_axes()[0].get_legend().get_texts()]
    assert "measured" in labels


@dataclass(frozen=True)
class Idea(Mechanism):
    """A mechanism of a user."""

    owns = ("idea",)


def test_a_mechanism_without_protocol_is_refused_and_can_be_given_one():
    with pytest.raises(ParameterError, match="protocol for 'Idea'"):
        nd.isolate(Idea())

    @protocol(Idea)
    def alone(idea):
        return Protocol(idea, "nothing happens", [Panel("a", "x", "y").add("", [1.0], [1.0], [1.0])])

    assert nd.isolate(Idea).passed


def test_show(capsys, tmp_path):
    assert cli.main(["show"]) == 0
    out = capsys.readouterr().out
    assert all(name in out for name in (*MECHANISMS, *MODELS, "Adam", "rate_mse", "digits", "Surrogate", "losses:"))
    picture = tmp_path / "scaling.png"
    assert cli.main(["show", "Scaling", "--set", "tau=2 day", "--plot", str(picture)]) == 0
    out = capsys.readouterr().out
    assert "2 day" in out and "owns       scaling" in out and "agrees" in out and "life" in out
    assert picture.read_bytes()[:4] == b"\x89PNG"
    assert cli.main(["show", "Pairs"]) == 0  # needs data: told without an instance
    assert "source     to give" in capsys.readouterr().out
    assert cli.main(["show", "Pairs", "--plot", str(picture)]) == 2
    assert "no curve to plot" in capsys.readouterr().err
    assert cli.main(["show", "Scalin"]) == 2
    assert "Scaling" in capsys.readouterr().err
    assert cli.main(["show", "Scaling", "--set", "tao=1"]) == 2
    assert "tau" in capsys.readouterr().err


@pytest.mark.parametrize("kind", [kind for kind in registry.OURS if registry.OURS[kind]])
def test_show_tells_of_every_kind(kind, capsys):
    """Each name of ours with its first sentence, and what it is called with."""
    for name in registry.OURS[kind]:
        thing = registry.find(kind, name)
        if not isinstance(thing, type) or protocol_of(thing) is None:  # curves have tests of their own
            assert cli.main(["show", name]) == 0, name
            assert show.first_line(thing) in (out := capsys.readouterr().out), name
            assert "parameter  " in out or f"{name}(" in out, name


def test_show_tells_of_her_own(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "show_mine.py").write_text(
        'import neurodev as nd\ndef hinge(y, labels, total):\n    """How far a class comes."""\n'
        'class Gain(nd.learn.Layer):\n    """Multiply."""\n    def __init__(self, factor=2.0, way=\'up\'): ...\n'
    )
    assert cli.main(["show", "show_mine:hinge"]) == 0
    assert "hinge(y, labels, total)" in capsys.readouterr().out
    assert cli.main(["show", "show_mine:Gain"]) == 0
    assert "Gain(factor=2.0, way='up')" in capsys.readouterr().out
    assert cli.main(["show", "show_mine:Gain", "--set", "factor=3"]) == 2
    assert "declares no parameters" in capsys.readouterr().err
    registry._known["layer"].pop("Gain")


@pytest.mark.parametrize("name", registry.ours("neuron model"))
def test_the_curves_of_neuron_models(name):
    """Each alone beside its closed form, or beside an integration by SciPy."""
    result = nd.isolate(MODELS[name]())
    assert result.passed and result.question and result.source, str(result)
    assert all(np.isfinite(c.y).all() and np.isfinite(c.theory).any() for p in result.panels for c in p.curves)


@pytest.mark.parametrize("name", MADE)
def test_the_words_name_every_parameter_and_source(name):
    text = show.describe(MADE[name]())
    for info in show.params.describe(MADE[name]):
        assert info.name in text and info.source.split()[0] in text

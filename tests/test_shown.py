"""What `neurodev show` says of methods, layers, neurons, surrogates and losses: equation, sources, schedules drawn."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import neurodev as nd
from neurodev import registry
from neurodev.cli import main
from neurodev.protocols import show


@pytest.mark.parametrize("kind", ["method", "layer", "surrogate", "loss"])
def test_what_is_trained_shows_its_equation(kind: str) -> None:
    for name, thing in registry.ours(kind).items():
        equation, source = show.said_of(thing)
        assert equation and (source or kind == "method"), f"{kind} {name} has no equation"
        told = " ".join(show.describe(thing).split())
        assert " ".join(equation.split()) in told
    assert {k[1] for k in show.EQUATIONS} <= {n for k in ("layer", "surrogate", "loss") for n in registry.ours(k)}


def test_a_method_shows_its_schedule_and_its_company(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["show", "LTH", "--plot", str(tmp_path / "lth.png")]) == 0
    out = capsys.readouterr().out
    assert "gets on with Static" in out and "decides    decide which synapses live" in out and "magnitude" in out
    assert (tmp_path / "lth.png").stat().st_size > 5000
    assert main(["show", "DPAP", "--set", "offset=1.35"]) == 0
    assert "u = 0.55" in capsys.readouterr().out
    assert main(["show", "Static", "--plot", str(tmp_path / "none.png")]) == 2


def test_schedules_are_those_of_the_published_rules() -> None:
    """SD-SNN: 105, 163, 178, 183 of 300 neurons; DPAP: deaths at epochs 11, 14, 21, 48; NDSNN: the cubic law."""
    pruned = nd.isolate(nd.methods.SDSNN()).panels[0].curves[0]
    assert (np.round(3 * pruned.y[37:41]) == [105, 163, 178, 183]).all() and round(3 * pruned.y[-1]) == 192
    lives = nd.isolate(nd.methods.DPAP()).panels[0].curves
    assert [c.x.size - 1 for c in lives] == [11, 14, 21, 48, 299] and [c.y[-1] < 0 for c in lives] == 4 * [True] + [
        False
    ]
    density = nd.isolate(nd.methods.NDSNN(0.9, first_sparsity=0.5, end=1.0)).panels[0].curves[0]
    np.testing.assert_allclose(density.y, 1 - (0.9 + (0.5 - 0.9) * (1 - density.x) ** 3))
    silent = nd.isolate(nd.methods.STDS(sparsity=0.8)).panels[0].curves[0]
    assert silent.y[-1] == pytest.approx(0.8) and silent.y[0] == 0


@pytest.mark.parametrize("kind", ["rectangle", "triangle", "arctan", "fast_sigmoid"])
def test_surrogates_are_drawn_beside_their_formula(kind: str) -> None:
    assert nd.isolate(nd.learn.Surrogate(kind, 0.7, 1.3)).passed


class Bell(nd.learn.Surrogate):
    """One of a user."""

    def __call__(self, x: Any) -> Any:
        return np.exp(-np.square(x))


def test_surrogates_of_ones_own_too() -> None:
    curve = nd.isolate(Bell(width=1.0)).curves[0]
    np.testing.assert_allclose(curve.y, np.exp(-(curve.x**2)))


@pytest.mark.parametrize("neuron", [nd.learn.LIF(0.9, 1.0), nd.learn.LIF(0.5, 0.5, gain=0.5), nd.learn.IF(2.0)])
def test_neurons_of_steps_fire_at_their_closed_form(neuron: Any) -> None:
    result = nd.isolate(neuron)
    assert result.passed, str(result)
    assert result.curves[0].y.max() > 0


def test_a_layer_of_ones_own_says_its_equation() -> None:
    class Mine(nd.learn.Layer):
        """A layer."""

        equation = "y = 3 x"

        def __init__(self, n: int = 3):
            super().__init__()

    told = show.describe(Mine)
    assert "equation   y = 3 x" in told and "Mine(n: int = 3)" in told


@pytest.mark.parametrize("kind", registry.OURS)
def test_every_keyword_of_a_part_is_told(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """On its page and in a terminal, with what it is, also where it is no declared parameter."""
    for name, part in registry.ours(kind).items():
        if not show.has_parameters(part):
            continue
        told = show.table(part)
        for word in registry.keywords(part)[0]:
            assert f"\n  {word} " in told, (name, word)
        assert all(meaning for _, meaning in show.undeclared(part).values()), name


ROOMS = {"": nd, "learn.": nd.learn, "methods.": nd.methods, "data.": nd.data, "plot.": nd.plot}


@pytest.mark.parametrize("room", ROOMS)
def test_every_public_name_is_shown(room: str, capsys: pytest.CaptureFixture[str]) -> None:
    kinds = tuple(registry.OURS)
    for name in ROOMS[room].__all__:
        if name in registry.names(kinds) or isinstance(getattr(ROOMS[room], name), registry.Namespace):
            continue
        assert main(["show", room + name]) == 0, name
        assert len(capsys.readouterr().out) > 15, name


def test_a_class_is_shown_with_what_it_can_do(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "Simulation"]) == 0
    out = capsys.readouterr().out
    assert "call       Simulation(network: Network" in out and ".probe(what, signal='V', *, every=None" in out
    assert "Sample a signal of cells" in out and ".life\n" in out and "._run" not in out
    assert main(["show", "nd.Simulation.run"]) == 0
    assert "call       run(duration: float | None = None)" in capsys.readouterr().out
    assert main(["show", "Run.days"]) == 0 and "days" in capsys.readouterr().out
    assert main(["show", "Simulation._run"]) == 2 and main(["show", "Simulation", "--set", "a=1"]) == 2
    assert main(["show", "Simulaton"]) == 2
    assert "did you mean 'Simulation'" in capsys.readouterr().err

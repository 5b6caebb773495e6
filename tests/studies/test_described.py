"""A run that a program made, once more from its file alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import neurodev as nd
from neurodev import cli
from neurodev.errors import StudyError
from neurodev.record.runfile import RunFile
from neurodev.studies import development
from neurodev.studies.described import network_of
from neurodev.units import day, hour
from tests.simulation.test_resume import same


def network() -> nd.Network:
    """Something of everything: lists, distributions, dendrites, nested rules, stimuli, places of the user's own."""
    net = nd.Network(seed=11, sheet=nd.Sheet(400, 300, periodic=True))
    draw = np.random.default_rng(1)
    source = net.add(nd.Poisson(draw.uniform(2.0, 8.0, 12)), 12, name="source", positions=draw.uniform(0, 300, (12, 2)))
    cells = net.add(nd.LIF(initial=draw.uniform(0, 5, 13)), 10, name="cells", jitter=9.0, room=3)
    tree = net.add(
        nd.LIF(dendrite=nd.Branches(4), tau_excitatory=5.0, tau_inhibitory=10.0, capacitance=200.0), 4, name="tree"
    )
    back = net.add(nd.LIF(), 3, name="back", inhibitory=True)
    map_ = net.connect(
        source, cells, nd.Near(sigma=150, inputs=5), spines=nd.Spines(), delay=nd.Uniform(1, 3), name="map"
    )
    map_.use(nd.STDP("burst"), nd.SpineSize(), nd.Turnover(early=3.0, late=1.0))
    net.connect(source, tree, nd.Degree(4), weight=30.0, branch=2, name="onto_branches")
    net.connect(
        cells, back, nd.Pairs([0, 1, 2], [0, 1, 2]), weight=[0.5, 1.0, 1.5], delay=[1.0, 2.0, 1.5], name="pairs"
    )
    net.connect(
        back, cells, nd.Rewired(nd.Degree(2), p=0.3), weight=nd.LognormalWeights(0.5, 0.2),
        name="rewired",
    )  # fmt: skip
    net.background(cells, nd.Background(200.0, 0.3))
    net.drive(cells, nd.Kicks(times=[5.0, 7.5], amplitudes=[3.0, -1.0]), cells=[1, 2])
    cells.use(nd.Scaling(target_hz=2.0))
    return net


def made(path: Path, **more: Any) -> nd.Simulation:
    """A run that is steered, of two parts."""
    sim = nd.Simulation(network(), acceleration=3600.0, to=path, record={"cells": slice(0, 4)}, progress=False, **more)
    sim.at(6 * hour, nd.Silence("source"))
    sim.at(8 * hour, nd.Silence("source", on=False))
    sim.run(0.5 * day)
    sim.run(0.3 * day)
    return sim


def test_once_more_from_the_file_alone(tmp_path: Path) -> None:
    one, two = tmp_path / "one.sqlite", tmp_path / "two.sqlite"
    made(one).close()
    assert cli.main(["rerun", str(one), "--to", str(two), "--quiet"]) == 0
    same(one, two)


def test_what_a_description_leaves_out_is_named(tmp_path: Path) -> None:
    to = tmp_path / "a.sqlite"
    net = nd.Network(seed=1)
    a, b = net.add(nd.Poisson(5.0), 10, name="a"), net.add(nd.LIF(), 10, name="b")
    net.connect(a, b, nd.AllToAll(), weight=np.linspace(0.1, 1.0, 100), name="q")
    nd.simulate(net, 100.0, tick=100.0, to=to, progress=False)
    with RunFile.open(to) as file, pytest.raises(StudyError, match="weight of 'q' is a list too long"):
        network_of(file)
    with pytest.raises(StudyError, match=r"does not tell all of its network.*resume\(path, network\)"):
        development.repeated(to, tmp_path / "b.sqlite")
    assert not (tmp_path / "b.sqlite").exists()

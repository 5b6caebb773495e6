"""Wirings at their limits: one cell, no cell, more synapses than a memory holds, and blocks that change no draw."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import neurodev as nd
from neurodev.errors import ParameterError
from neurodev.structure import wiring
from neurodev.structure.delays import DelayList, Fixed, as_delay

ONE = np.zeros((1, 2))
RULES = [
    nd.OutDegree(2),
    nd.ByDistance(inputs=2),
    nd.ByDistance("exponential", p=0.9),
    nd.Rewired(nd.Degree(3), p=0.5),
    nd.Degree(1),
    nd.Degree(3),
    nd.Near(inputs=2),
    nd.Probability(1.0),
    nd.AllToAll(),
    nd.OneToOne(),
]


def drawn(rule: Any, source: Any, target: Any, same: bool, multapses: bool) -> Any:
    return rule.draw(source, target, np.random.default_rng(1), same, multapses)


@pytest.mark.parametrize("rule", RULES, ids=repr)
@pytest.mark.parametrize("multapses", [False, True])
def test_no_rule_makes_a_synapse_of_a_cell_onto_itself(rule: Any, multapses: bool) -> None:
    """One neuron onto itself: refused, or nothing."""
    try:
        pre, post = drawn(rule, ONE, ONE, True, multapses)
    except ParameterError as e:
        assert "onto itself" in str(e) or "to itself" in str(e)
    else:
        assert pre.size == post.size == 0
    many = np.random.default_rng(0).random((9, 2)) * 100
    if not isinstance(rule, nd.OneToOne):
        pre, post = drawn(rule, many, many, True, multapses)
        assert np.all(pre != post)


@pytest.mark.parametrize("rule", [nd.Degree(10**9), nd.Near(inputs=10**9), nd.Degree(10**15)], ids=repr)
def test_what_no_memory_holds_is_refused_before_it_is_asked_for(rule: Any) -> None:
    many = np.zeros((1000, 2))
    with pytest.raises(ParameterError, match="inputs=10+.* would take at least .* GiB.*lower inputs"):
        drawn(rule, many, many, False, True)
    with pytest.raises(ParameterError, match="exceeds the 1000 sources"):
        drawn(rule, many, many, False, False)
    wide = np.broadcast_to(np.zeros(2), (10**6, 2))
    for every in (nd.AllToAll(), nd.Probability(0.9)):
        with pytest.raises(ParameterError, match="would take at least"):
            drawn(every, wide, wide, False, False)


@pytest.mark.parametrize(
    "rule",
    [
        nd.Near(50.0, 3),
        nd.Probability(0.2),
        nd.Degree(9),
        nd.OutDegree(7),
        nd.ByDistance(p=0.5),
        nd.ByDistance("box", inputs=2),
    ],
    ids=repr,
)
@pytest.mark.parametrize("multapses", [False, True])
def test_blocks_change_no_draw(rule: Any, multapses: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    g = np.random.default_rng(2)
    source, target = g.random((20, 2)) * 200, g.random((31, 2)) * 200
    whole = drawn(rule, source, target, False, multapses)
    monkeypatch.setattr(wiring, "BLOCK", 47)  # two targets at a time
    for a, b in zip(whole, drawn(rule, source, target, False, multapses), strict=True):
        np.testing.assert_array_equal(a, b)


def test_no_inputs_are_none() -> None:
    for rule in (nd.Degree(0), nd.Near(inputs=0), nd.Probability(0.0), nd.Pairs([], [])):
        assert [a.size for a in drawn(rule, np.zeros((4, 2)), np.zeros((4, 2)), True, False)] == [0, 0]


@pytest.mark.parametrize("wrong", [[0.5], [True], ["a"], [np.nan], [-1], [4], [[0]]])
def test_pairs_are_whole_numbers_in_range(wrong: Any) -> None:
    with pytest.raises(ParameterError, match="Pairs"):
        drawn(nd.Pairs(wrong, [0]), np.zeros((4, 2)), np.zeros((4, 2)), False, False)


def test_delays_are_numbers_of_a_time() -> None:
    assert as_delay(np.float32(2.0)) == Fixed(2.0) and as_delay("0.5 ms") == Fixed(0.5) and as_delay(3) == Fixed(3)
    assert as_delay(np.array([1.0, 2.0])).lanes().tolist() == [1.0, 2.0]
    none = as_delay([])
    assert isinstance(none, DelayList) and none.draw(0, np.random.default_rng(0)).size == 0 and none.lanes().size == 1
    for wrong in ("soon", "1 mV", True, None, [1.0, np.nan], [0.0], [[1.0]], nd.Uniform, [True], {1.0}, 1j):
        with pytest.raises(ParameterError, match="[dD]elay"):
            as_delay(wrong)
    net = nd.Network(seed=1)
    s, e = net.add(nd.Poisson(5.0), 3), net.add(nd.LIF(), 3)
    q = net.connect(s, e, nd.Pairs([], []), weight=1.0, delay=[])
    assert nd.Simulation(net).simulator.tables[q.name].n_synapse == 0

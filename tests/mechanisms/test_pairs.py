"""Every pair of mechanisms that the build accepts lives together for ten days; the pairs that it refuses, and why."""

from __future__ import annotations

import re

import pytest

from neurodev.bench.testbed import KINDS
from neurodev.mechanisms.base import Mechanism
from tests.mechanisms.beds import MECHANISMS, PAIRS, ROOM, home, make, refusal, start

DAYS, TICK_SPIKES = 10, 5.0
# (mechanism, mechanism): what the build says.  A pair not named here must be accepted on some kind of projection.
REFUSED = {
    # both write weights; besides, one needs an inhibitory source and the other an excitatory one
    ("STDP", "InhibitorySTDP"): "'weight' has two owners, STDP and InhibitorySTDP",
    ("CalciumPlasticity", "InhibitorySTDP"): "'weight' has two owners, CalciumPlasticity and InhibitorySTDP",
    # one moves weights, the other reads weights off sizes
    ("SpineSize", "InhibitorySTDP"): "InhibitorySTDP changes weights; connect with weight=, no spines",
    ("Neurotrophin", "InhibitorySTDP"): "InhibitorySTDP changes weights; connect with weight=, no spines",
    # these act on sizes of spines, which inhibitory synapses, on shafts, do not have
    ("InhibitorySTDP", "EarlyPhase"): "has no spines",
    ("InhibitorySTDP", "Heterosynaptic"): "has no spines",
    ("InhibitorySTDP", "ClusteredBirths"): "has no spines",
    ("InhibitorySTDP", "TrophicFactor"): "has no spines",
}
# On projections without sizes these rules integrate the weight itself, and one may; with sizes each shifts a set-point.
WRITERS = [
    ("weights", "STDP", "CalciumPlasticity"),
    ("weights", "STDP", "BCM"),
    ("weights", "CalciumPlasticity", "BCM"),
    ("spines", "STDP", "CalciumPlasticity"),
    ("inhibitory", "BCM", "InhibitorySTDP"),
]


def together(a: str, b: str, kind: str, *more: str) -> list[Mechanism]:
    """Both mechanisms on one kind of projection, after the company of each and `more`."""
    names = [n for n in (*more, *home(a)[1], *home(b)[1]) if n not in (a, b)]
    everyone = dict.fromkeys([*names, a, b])
    # beside InhibitorySTDP, which writes the weights, BCM keeps its score only
    return [make(n, "spines" if n == "BCM" and "InhibitorySTDP" in everyone else kind) for n in everyone]


def settle(a: str, b: str) -> tuple[str, list[Mechanism]] | str:
    """The first kind of projection and order in which a pair is accepted, or all that is said where it is refused.

    Two rules that would both write weights are also tried on spines with sizes.
    """
    reasons = []
    for more in ((), ("SpineSize",)):
        for kind in dict.fromkeys([home(a)[0], home(b)[0], *KINDS]):
            for pair in ((a, b), (b, a)):
                everyone = together(*pair, kind, *more)
                why = refusal(everyone, kind, room=ROOM)
                if why is None:
                    return kind, everyone
                reasons.append(why)
    return "; ".join(dict.fromkeys(reasons))


# one pair in five in `make test`, and the refused ones; all of them in `make verify`
FAST = {p for i, p in enumerate(PAIRS) if i % 5 == 0} | set(REFUSED)
CASES = [pytest.param(*p, id="+".join(p), marks=() if p in FAST else pytest.mark.slow) for p in PAIRS]


@pytest.mark.compiled
@pytest.mark.parametrize(("a", "b"), CASES)
def test_a_pair_lives_together(a, b):
    """No NaN, no leak, no broken invariant after any tick; the log replays.  A refusal is the listed one."""
    found = settle(a, b)
    if isinstance(found, str):
        reason = REFUSED.get((a, b), REFUSED.get((b, a)))
        assert reason is not None, f"{a} and {b} are refused: {found}"
        assert re.search(reason, found), found
        return
    assert (a, b) not in REFUSED and (b, a) not in REFUSED, "listed as refused, yet accepted"
    kind, everyone = found
    sim, watch = start(everyone, kind, spikes=TICK_SPIKES)
    sim.run_until_spike(TICK_SPIKES * 12 * DAYS)
    assert sim.life >= DAYS * 86.4e6 * (1 - 1e-12)
    watch.check_log()
    limit = sim.tables["p"].n_source * sim.tables["p"].n_target
    assert sim.tables["p"].n_synapse <= limit  # one contact a pair: nothing accumulates


@pytest.mark.parametrize(("kind", "a", "b"), WRITERS)
def test_one_rule_writes_the_weight(kind, a, b):
    """A second one is refused with both names, in either order."""
    for pair in ((a, b), (b, a)):
        why = refusal([make(n, kind) for n in pair], kind)
        assert why is not None and "'weight' has two owners" in why and a in why and b in why


def test_the_list_of_refusals_names_mechanisms():
    """No stale entries."""
    assert {n for p in REFUSED for n in p} | {n for _, *p in WRITERS for n in p} <= set(MECHANISMS)

"""Every pair of mechanisms that the build accepts lives together for ten days; the pairs that it refuses, and why."""

from __future__ import annotations

import re

import pytest

from neurodev.engine.testbed import KINDS
from tests.mechanisms.beds import MECHANISMS, PAIRS, ROOM, home, make, refusal, start

DAYS, TICK_SPIKES = 10, 5.0
# (mechanism, mechanism): what the build says.  A pair not named here must be accepted on some kind of projection,
# unless one of the two is newer than this list: then its refusal must be a BuildError, which `refusal` sees to.
REFUSED = {
    # one needs an inhibitory source, the other an excitatory one
    ("STDP", "InhibitorySTDP"): "InhibitorySTDP would run away: make its source inhibitory=True, or use STDP",
    ("CalciumPlasticity", "InhibitorySTDP"): "InhibitorySTDP would run away",
    # one moves weights, the other reads weights off sizes
    ("SpineSize", "InhibitorySTDP"): "InhibitorySTDP changes weights; connect with weight=, no spines",
    ("Neurotrophin", "InhibitorySTDP"): "InhibitorySTDP changes weights; connect with weight=, no spines",
}
KNOWN = frozenset({
    "STDP", "SpineSize", "Neurotrophin", "Turnover", "Scaling", "BCM", "Survival", "SpineRange", "CalciumPlasticity",
    "InhibitorySTDP", "Growth", "Pairing", "NeuronDeath", "Neurogenesis",
})  # fmt: skip


def together(a: str, b: str, kind: str) -> list:
    """Both mechanisms on one kind of projection, after the company of each."""
    names = [n for n in (*home(a)[1], *home(b)[1]) if n not in (a, b)]
    return [make(n, kind) for n in dict.fromkeys([*names, a, b])]


def settle(a: str, b: str) -> tuple[str, tuple[str, str]] | str:
    """The first kind of projection and order in which a pair is accepted, or why it is refused at the home of `a`."""
    reasons = []
    for kind in dict.fromkeys([home(a)[0], home(b)[0], *KINDS]):
        for pair in ((a, b), (b, a)):
            why = refusal(together(*pair, kind), kind, room=ROOM)
            if why is None:
                return kind, pair
            reasons.append(why)
    return reasons[0]


# one pair in five in `make test`, and the refused ones; all of them in `make verify`
FAST = {p for i, p in enumerate(PAIRS) if i % 5 == 0} | set(REFUSED)
CASES = [pytest.param(*p, id="+".join(p), marks=() if p in FAST else pytest.mark.slow) for p in PAIRS]


@pytest.mark.parametrize(("a", "b"), CASES)
def test_a_pair_lives_together(a, b):
    """No NaN, no leak, no broken invariant after any tick; the log replays.  A refusal is the listed one."""
    found = settle(a, b)
    if isinstance(found, str):
        reason = REFUSED.get((a, b), REFUSED.get((b, a)))
        assert reason is not None or not {a, b} <= KNOWN, f"{a} and {b} are refused: {found}"
        assert reason is None or re.search(reason, found), found
        return
    assert (a, b) not in REFUSED and (b, a) not in REFUSED, "listed as refused, yet accepted"
    kind, pair = found
    sim, watch = start(together(*pair, kind), kind, spikes=TICK_SPIKES)
    sim.run_until_spike(TICK_SPIKES * 12 * DAYS)
    assert sim.life >= DAYS * 86.4e6 * (1 - 1e-12)
    watch.check_log()
    limit = sim.tables["p"].n_source * sim.tables["p"].n_target
    assert sim.tables["p"].n_synapse <= limit  # one contact a pair: nothing accumulates


def test_the_list_of_refusals_names_mechanisms():
    """No stale entries."""
    assert all(set(p) <= set(MECHANISMS) for p in REFUSED) and KNOWN <= set(MECHANISMS)

"""The default study in the exact engine against its published numbers."""

import pytest

from analysis.default_study import PUBLISHED, judged, one


def test_verdicts():
    """The published numbers pass; each moved beyond its tolerance fails, and it alone."""
    same = {k: published for k, (_, published, _) in PUBLISHED.items()}
    assert {row[-1] for row in judged([same, same])} == {"pass"}
    for name, (what, published, tolerance) in PUBLISHED.items():
        rows = judged([same | {name: published + 1.1 * tolerance}])
        assert [row[0] for row in rows if row[-1] == "FAIL"] == [what]


@pytest.mark.slow
def test_one_seed_repeats_the_published_numbers():
    """Seed 1: every number within its tolerance."""
    failed = [row for row in judged([one(1)]) if row[-1] == "FAIL"]
    assert not failed

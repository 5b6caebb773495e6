"""Every id that must be shown has a test, and the table names tests that exist."""

import re

from tests import ids


def test_ranges_are_written_out():
    """ "EX-13 to EX-15" names three."""
    assert ids.ids("(EX-13 to EX-15, BIO-23 to 24), EX-31e, ALG-9") == {
        "EX-13", "EX-14", "EX-15", "BIO-23", "BIO-24", "EX-31", "ALG-9",
    }  # fmt: skip


def test_nothing_is_without_a_test():
    """All of the biological mechanisms' ids."""
    found = ids.shown()
    assert [x for x in ids.REQUIRED if x not in found] == []


def test_the_table_names_what_there_is():
    """Every file and test that the page names exists: python -m tests.ids writes it anew."""
    words = ids.PAGE.read_text(encoding="utf-8")
    for file, _, name in re.findall(r"([\w/]+\.py)(::(\w+))?", words):
        if file == "tests/ids.py":
            continue
        assert (ids.TESTS / file).is_file(), file
        assert not name or f"def {name}(" in (ids.TESTS / file).read_text(encoding="utf-8"), name
    assert all(f"| {x} |" in words for x in ids.REQUIRED) and "**none**" not in words

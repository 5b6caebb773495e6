"""The schema for editors accepts what neurodev accepts, and refuses what is misspelt."""

from __future__ import annotations

import copy
import json
import re
import tomllib
from pathlib import Path

import pytest

from neurodev.cli import main
from neurodev.studies.schema import schema

jsonschema = pytest.importorskip("jsonschema")
ROOT = Path(__file__).parents[2]
STUDIES = sorted((*(ROOT / "examples/studies").glob("*.toml"), *(ROOT / "neurodev/studies").glob("*.toml")))


@pytest.fixture(scope="module")
def validators():
    made = {trained: jsonschema.Draft202012Validator(schema(trained)) for trained in (False, True)}
    for one in made.values():
        one.check_schema(one.schema)
    return made


def of(path):
    return tomllib.loads(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", STUDIES, ids=lambda p: p.name)
def test_studies_of_the_package_are_valid(path, validators):
    table = of(path)
    found = list(validators["population" not in table].iter_errors(table))
    assert not found, [(list(e.path), e.message[:80]) for e in found]


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("populations",), {}),
        (("population", "exc", "tua"), 20.0),
        (("projection", "map", "wiring", "kind"), "Neer"),
        (("projection", "map", "use", 0, "rule"), "brust"),
        (("projection", "map", "source"), 3),
        (("run", "accelaration"), 120.0),
        (("bands", "peak_day"), [1.0]),
    ],
    ids=str,
)
def test_what_is_misspelt_is_refused(place, value, validators):
    table = copy.deepcopy(of(ROOT / "neurodev/studies/map.toml"))
    here = table
    for word in place[:-1]:
        here = here[word]
    here[place[-1]] = value
    assert not validators[False].is_valid(table)


def test_parts_of_ones_own_may_say_what_they_like(validators):
    table = of(ROOT / "neurodev/studies/map.toml")
    table["projection"]["map"]["use"].append({"kind": "mine:Thing", "strength": 3})
    assert validators[False].is_valid(table)
    trained = of(ROOT / "neurodev/studies/digits.toml")
    trained["method"] = [{"kind": "mine:Method", "words": "any"}]
    assert validators[True].is_valid(trained)
    trained["callback"] = [{"kind": "mine:Settled", "share": 0.1}]
    assert validators[True].is_valid(trained)
    trained["callback"] = [{"share": 0.1}]
    assert not validators[True].is_valid(trained)
    del trained["callback"]
    trained["method"] = [{"kind": "NDSNN", "sparsty": 0.9}]
    assert not validators[True].is_valid(trained)


def test_the_command_writes_it(tmp_path, capsys):
    path = tmp_path / "study.json"
    assert main(["schema", "--to", str(path)]) == 0
    assert json.loads(path.read_text()) == schema()
    assert "#:schema" in capsys.readouterr().out
    assert main(["schema", "--training"]) == 0
    assert json.loads(capsys.readouterr().out) == schema(True)


def keys_of(part: dict) -> set[str]:
    """Keys of a section that belong to no kind."""
    if "anyOf" in part:
        kinds = [keys_of(one) for one in part["anyOf"] if "kind" in one.get("properties", {})]
        return set.intersection(*kinds) if kinds else set()
    if part.get("type") == "array":
        return keys_of(part["items"])
    own = set(part.get("properties", {}))
    more = part.get("additionalProperties")
    return own | (keys_of(more) if isinstance(more, dict) else set())


@pytest.mark.parametrize("training", [False, True])
def test_the_manual_names_every_key(training):
    page = (ROOT / "docs/reference/studies.md").read_text()
    told = set(re.findall(r"`(?:\[+)?([a-z_]+)(?:\.NAME)?(?:\]+)?`", page))
    sections = schema(training)["properties"]
    for name, part in sections.items():
        assert name in told, name
        assert keys_of(part) <= told, (name, keys_of(part) - told)

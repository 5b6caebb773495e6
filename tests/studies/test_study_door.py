"""Whatever a person writes wrong into a study is one message that quotes file and line, and names the cure."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import neurodev.units as units
from neurodev.cli import main
from neurodev.errors import NeurodevError, StudyError
from neurodev.quantity import WORDS, in_unit
from neurodev.studies import development, quantities, reading, training

BASE = """seed = 1
[population.src]
kind = "Poisson"
n = 20
[population.exc]
kind = "LIF"
n = 10
[projection.p]
source = "src"
target = "exc"
wiring = {kind = "Degree", inputs = 5}
weight = 3.0
delay = 1.0
[run]
duration = "1 second"
tick = "100 ms"
"""
LESION = '[[at]]\nkind = "Lesion"\npopulation = "exc"\n'
# (what is replaced, by what, what the message says); an empty first word appends
WRONG: dict[str, tuple[str, str, str]] = {
    "number with two points": ('"1 second"', '"1.5.2 second"', "line 15.*must be a number.*got '1.5.2 second'"),
    "duration is a voltage": ('"1 second"', '"1 mV"', "line 15.*is a voltage, but a time"),
    "duration is true": ('"1 second"', "true", "line 15.*must be a number"),
    "duration is a date": ('"1 second"', "1979-05-27", "line 15.*must be a number"),
    "duration is negative": ('"1 second"', "-1", "line 15.*positive life time"),
    "duration is infinite": ('"1 second"', "inf", "line 15.*positive life time"),
    "duration is missing": ('duration = "1 second"\n', "", r"line 14.*\[run\] needs duration"),
    "tick is a word": ('"100 ms"', '"often"', "line 16.*tick must be a number"),
    "tick is a length": ('"100 ms"', '"1 mm"', "line 16.*is a length, but a time"),
    "acceleration is a time": ('"100 ms"', '"100 ms"\nacceleration = "2 day"', "line 17.*a plain number"),
    "weight is a time": ("weight = 3.0", 'weight = "3 ms"', "line 12.*is a time, but a voltage"),
    "delay is a voltage": ("delay = 1.0", 'delay = "1 mV"', "line 13.*is a voltage, but a time"),
    "delay of a table": ("delay = 1.0", 'delay = {low = 1, high = "2 um"}', "line 13.*is a length, but a time"),
    "time constant is a voltage": ('kind = "LIF"', 'kind = "LIF"\ntau = "20 mV"', "line 7.*is a voltage, but a time"),
    "threshold is a time": ('kind = "LIF"', 'kind = "LIF"\nthreshold = "20 ms"', "line 7.*is a time, but a voltage"),
    "rate is a time": ('kind = "Poisson"', 'kind = "Poisson"\nrate_hz = "5 ms"', "line 4.*is a time, but a rate"),
    "count with a unit": ("inputs = 5", 'inputs = "5 ms"', "line 11.*a plain number"),
    "places are a time": ("n = 20", 'n = 20\njitter = "1 ms"', "line 5.*is a time, but a length"),
    "sheet is a time": ("seed = 1", 'seed = 1\nsheet = {width = "1 ms"}', "line 2.*is a time, but a length"),
    "no, in words": ("n = 10", 'n = 10\ninhibitory = "no"', "line 8.*must be true or false"),
    "multapses in words": ("delay = 1.0", 'delay = 1.0\nmultapses = "yes"', "line 14.*must be true or false"),
    "seed with a point": ("seed = 1", "seed = 1.5", "line 1.*seed must be an integer"),
    "seed in words": ("seed = 1", 'seed = "one"', "line 1.*seed must be an integer"),
    "wiring as a word": ('{kind = "Degree", inputs = 5}', '"AllToAll"', "line 11.*table with a kind"),
    "kind is a number": ('kind = "LIF"', "kind = 3", "line 6.*kind must be a word"),
    "source is a list": ('source = "src"', 'source = ["src"]', "line 9.*no population"),
    "use without a list": ("delay = 1.0", 'use = {kind = "STDP"}', r"line 13.*got one table: write use = \["),
    "use as words": ("delay = 1.0", 'use = ["STDP"]', r"line 13.*'STDP': write use = \["),
    "spines as a number": ("weight = 3.0", "spines = 4.0", "line 12.*spines must be a table"),
    "population as a list": ("[population.src]", "[[population]]", r"line 2.*must be a table.*population.NAME"),
    "population without a name": ('kind = "Poisson"\nn = 20\n', "", "needs a kind|must be a table"),
    "projection of projections": ("[projection.p]", "[projection]", r"projection.NAME"),
    "background without a list": ("", '[background]\ntarget = "exc"\n', r"line 17.*write \[\[background\]\]"),
    "at without a list": ("", LESION.replace("[[at]]", "[at]") + 'spike = "5 ms"\n', r"line 17.*write \[\[at\]\]"),
    "run as a list": ("[run]", "[[run]]", r"line 14.*run must be a table, got a list of tables: write \[run\]"),
    "at some time": ("", LESION + 'spike = "soon"\n', "line 20.*spike must be a number"),
    "at no time": ("", LESION, "line 17.*neither is given"),
    "at two times": ("", LESION + 'life = "7 ms"\nspike = "3 ms"\n', "line 17.*both is given"),
    "at a voltage": ("", LESION + 'life = "7 mV"\n', "line 20.*is a voltage, but a time"),
    "added weight is a time": (
        "", '[[at]]\nkind = "AddSynapses"\nprojection = "p"\nsource = [0]\ntarget = [0]\nweight = "3 ms"\nlife = 5\n',
        "line 22.*is a time, but a voltage",
    ),
    "infusion of a time": (
        "", '[[at]]\nkind = "Infuse"\nprojection = "p"\nrate = "3 ms"\nlife = 5\n', "line 20.*a plain number"
    ),
    "rate of an intervention": (
        "", '[[at]]\nkind = "SetRate"\npopulation = "exc"\nrate_hz = "3 ms"\nlife = 5\n', "line 20.*but a rate"
    ),
    "intervention of nobody": ("", LESION.replace("exc", "exx") + "life = 5\n", "line 17.*did you mean 'exc'"),
    "needed parameter": ('"Degree", inputs = 5', '"Contacts"', "line 11.*Contacts needs 'wiring'"),
    "option of a run": ('"100 ms"', '"100 ms"\nrecord = "dayly"', "line 17.*did you mean 'daily'"),
    "key of a run": ("tick =", "tik =", "line 16.*did you mean 'tick'"),
    "section": ("[run]", "[rum]", "line 14.*did you mean 'run'"),
    "key of a projection": ("delay = 1.0", "dealy = 1.0", "line 13.*did you mean 'delay'"),
    "key of a population": ("n = 10", "n = 10\ninhibitry = true", "line 8.*did you mean 'inhibitory'"),
    "unit": ('"1 second"', '"1 secnd"', "line 15.*did you mean 'second'"),
    "endless digits": ("seed = 1", "seed = " + "1" * 5000, "not valid TOML"),
    "endless brackets": ("seed = 1", "seed = " + "[" * 5000, "not valid TOML"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_one_message_with_its_line(case: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old, new, match = WRONG[case]
    assert not old or BASE.count(old) == 1
    path = tmp_path / "s.toml"
    path.write_text(BASE.replace(old, new) if old else BASE + new)
    assert main(["run", str(path), "--quiet"]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"neurodev: {path}") and re.search(match, said), said
    assert not list(tmp_path.glob("*.sqlite*"))


def test_a_file_that_is_no_text(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, raw, match in (
        ("mark", b"\xef\xbb\xbf" + BASE.encode(), "line 1.*byte order mark.*save it as UTF-8"),
        ("wide", BASE.encode("utf-16"), "line 1.*byte order mark"),
        ("latin", BASE.encode() + "# Grüße".encode("latin-1"), "line 17: .*UTF-8"),
        ("zeros", b"\0" * 40, "not valid TOML"),
    ):
        (tmp_path / name).write_bytes(raw)
        assert main(["run", str(tmp_path / name), "--quiet"]) == 2
        assert re.search(match, capsys.readouterr().err)
    for words, match in (
        (["run", str(tmp_path)], "is a folder"),
        (["run", "a\0b"], "cannot be read"),
        (["ablate", str(tmp_path)], "is a folder"),
        (["train", str(tmp_path)], "is a folder"),
        (["new", str(tmp_path / "a" / "b")], "does not exist: make it first"),
        (["new", ""], "an empty word for name"),
        (["new", ".."], "is no name"),
        (["run", ""], "an empty word for study"),
        (["train", ""], "an empty word for study"),
        (["report", "a.sqlite", "--control", ""], "an empty word for control"),
        (["train", str(tmp_path / "latin"), "--set", ""], "an empty word for set"),
        (["run", str(tmp_path / "latin"), "--set", "x"], "needs KEY=VALUE"),
    ):
        assert main(words) == 2
        assert match in capsys.readouterr().err


def test_windows_ends_of_lines_are_read(tmp_path: Path) -> None:
    path = tmp_path / "s.toml"
    path.write_bytes(BASE.replace("\n", "\r\n").encode())
    assert development.build(reading.load(path)).populations["exc"].n == 10


def test_a_study_of_training_is_told_apart(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["new", str(tmp_path / "mine"), "--training"]) == 0
    assert main(["run", str(tmp_path / "mine.toml")]) == 2
    assert "neurodev train" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("[[data]]\nkind = 'digits'", r"line 1.*data must be a table.*write \[data\]"),
        ("[data]\nkind = 'digits'\npath = 3", "line 3.*no parameter 'path'"),
        ("[data]\nkind = 'digits'\ntrain = 'all'", "line 3.*whole number of samples"),
        ("seed = 1.5", "line 1.*seed must be an integer"),
        ("method = 3", "line 1.*list of tables.*method"),
        ("network = 3", "line 1.*network must be a table"),
        ("[train]\nepochs = '2 day'", "line 2.*a plain number"),
        ("[optimiser]\nrate = '1 ms'", "line 2.*a plain number"),
        ("[network]\nparameters = 5", "line 2.*parameters must be a table"),
    ],
)
def test_studies_of_training(text: str, match: str, tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    path = tmp_path / "t.toml"
    path.write_text(text)
    with pytest.raises(StudyError, match=match):
        training.trainer(reading.load(path))


def test_every_unit_has_a_dimension() -> None:
    """A unit without one would be taken for whatever is meant."""
    words = {k for k, v in vars(units).items() if isinstance(v, float)}
    assert words == set(WORDS) - {"mM", "uM"}  # of which units knows no floats
    assert quantities.quantity("1_000 uM", ("mM",)) == 1.0 and quantities.quantity("14 /day", ("1/day",)) == 14.0
    assert quantities.quantity("14 /day", ()) == "14 /day"  # Infuse(rate=) converts it
    assert quantities.quantity("5 Hz") == quantities.quantity("5 Hz", ("Hz",)) == 5.0  # a user's own says no unit
    assert quantities.quantity("2 minute", ("ms",)) == 120_000.0 and quantities.quantity("1 nA", ("pA",)) == 1000.0
    assert quantities.quantity(["1 ms", 2.0, "word"]) == [1.0, 2.0, "word"]


def test_a_key_of_the_table_and_of_the_part(tmp_path: Path) -> None:
    """RetinalWaves has a jitter of its own, in ms, and so have places, in um: neither swallows the other."""
    path = tmp_path / "s.toml"
    wave = '[population.w]\nkind = "RetinalWaves"\nn = 9\njitter = 5.0\n'
    path.write_text(wave)
    with pytest.raises(
        StudyError, match=r"line 4.*'jitter' is a key of this table and a parameter of RetinalWaves too"
    ):
        development.build(reading.load(path))

    def built(more: str) -> tuple[float, bool]:
        path.write_text(wave + more)
        p = development.build(reading.load(path)).populations["w"]
        path.write_text(wave.replace("jitter = 5.0\n", ""))
        even = development.build(reading.load(path)).populations["w"]
        return p.model.jitter, bool((p.positions != even.positions).any())

    assert built("parameters = {}\n") == (100.0, True)
    assert built('parameters = { jitter = "20 ms" }\n') == (20.0, True)
    path.write_text(wave.replace("jitter", "parameters.jitter"))
    assert development.build(reading.load(path)).populations["w"].model.jitter == 5.0
    path.write_text(wave + 'parameters = { jitter = "20 um" }\n')
    with pytest.raises(StudyError, match="line 5.*is a length, but a time"):
        development.build(reading.load(path))


# ------------------------------------------------------------------ errors in a module of the user's

THEIRS = """import neurodev as nd
from dataclasses import dataclass

@dataclass(frozen=True)
class Odd(nd.Wiring):
    fail: str = ""

    def __post_init__(self):
        if self.fail == "made":
            {}["no such key"]

    def draw(self, source, target, draw, same, multapses):
        return source[0] / "two"

    def mean_inputs(self, n_source, n_target):
        return 1.0


@dataclass
class Late(nd.Intervention):
    population: object

    def check(self, sim):
        pass

    def apply(self, sim):
        raise IndexError("nothing here")
"""


@pytest.fixture
def theirs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    (tmp_path / "odd_parts.py").write_text(THEIRS)
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    sys.modules.pop("odd_parts", None)


@pytest.mark.parametrize(
    ("old", "new", "match"),
    [
        ('"Degree", inputs = 5', '"odd_parts:Odd", fail = "made"', r"line 11.*KeyError.*odd_parts.py, line 10"),
        ('"Degree", inputs = 5', '"odd_parts:Odd"', r"(TypeError|Error).*odd_parts.py, line 13, in draw"),
        ("", '[[at]]\nkind = "odd_parts:Late"\npopulation = "exc"\nlife = 5\n',
         r"IndexError: nothing here .*odd_parts.py, line 27, in apply"),
    ],
)  # fmt: skip
def test_an_error_in_her_module(
    old: str, new: str, match: str, theirs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Wherever it arises: when the part is made, when the network is built, while it runs."""
    Path("s.toml").write_text(BASE.replace(old, new) if old else BASE + new)
    assert main(["run", "s.toml", "--quiet"]) == 2
    said = capsys.readouterr().err
    assert re.search(match, said) and "Traceback" not in said and said.count("\n") == 1
    assert main(["--debug", "run", "s.toml", "--quiet", "--to", "other.sqlite"]) == 2
    said = capsys.readouterr().err
    assert "Traceback" in said and re.search(match, said)


def test_an_error_of_our_own_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault of the package keeps its traceback: no message would help to find it."""
    monkeypatch.setattr("neurodev.bench.networks.run", lambda *a: {}["fault"])
    monkeypatch.setattr("neurodev.blame.place_of", lambda e: "")  # the line above is not the package's
    with pytest.raises(KeyError):
        main(["bench", "brunel"])


@pytest.mark.parametrize(
    ("word", "meant"), [("s", "second"), ("h", "hour"), ("days", "day"), ("mv", "mV"), ("min", "minute")]
)
def test_the_short_words_of_units_are_known_for_what_they_mean(word: str, meant: str) -> None:
    """`s` is no misspelt `us`, which would be a millionth of it."""
    for ask in (quantities.quantity, lambda text: in_unit(text, "ms", "duration")):
        with pytest.raises(NeurodevError, match=f"did you mean '{meant}'"):
            ask(f"3 {word}")

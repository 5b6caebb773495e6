"""Tables on the command line: the same words as `nd.read_sessions`, and what it says as options."""

from __future__ import annotations

import json
import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import neurodev as nd
from neurodev.cli import main
from neurodev.plot import histories, live
from neurodev.studies import tables
from tests.places import data_folder
from tests.test_card import DAY, network

LONG = ["spine,day,volume,dend"] + [
    f"s{i},{4 * k},{1 + 0.1 * i:.2f},d{i % 3}" for i in range(30) for k in range(6) if k <= 1 + i // 4
]
QUICK = ["--spines", "100", "--rounds", "1", "--quiet", "--model", "my_models:flat", "--free", "rate"]
FLAT = """
import neurodev as nd
from neurodev.protocols.fit_models import Number

numbers = {"rate": Number(0.01, 1e-4, 1.0), "noise": Number(0.2, 0.01, 1.5)}
flat = nd.FitModel("flat", numbers, lambda p: [nd.Turnover(births=False, hazard=p["rate"])], tick=3.5e8)
steep = nd.FitModel("steep", numbers, lambda p: [nd.Turnover(births=False, hazard=2 * p["rate"])], tick=3.5e8)
"""
READ = ["--id", "spine", "--session", "day", "--size", "volume", "--set", "dendrite=dend"]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    Path("long.csv").write_text("\n".join(LONG) + "\n")
    Path("my_models.py").write_text(FLAT)
    yield tmp_path
    sys.modules.pop("my_models", None)


def run(capsys: pytest.CaptureFixture[str], *words: str, status: int = 0) -> str:
    """What a command says: on stdout, or of a refusal the one line on stderr."""
    capsys.readouterr()
    assert main(list(words)) == status, capsys.readouterr().err
    out, err = capsys.readouterr()
    assert len(err.splitlines()) == 1 or not status, err
    return err if status else out


def test_info_says_what_a_table_holds_and_what_it_could_not_read(here: Path, capsys) -> None:
    Path("long.csv").write_text("\n".join([*LONG, "s1,,3.0,d1", "s2,8,zz,d2"]) + "\n")
    said = run(capsys, "info", "long.csv", *READ)
    h = nd.read_sessions("long.csv", id="spine", session="day", size="volume", dendrite="dend", title="long")
    assert said.startswith(f"long.csv: {h!r}\n") and h.notes
    assert said.count("  note: ") == len(h.notes) and all(n in said for n in h.notes)
    assert "sessions: 6, from 0 to 20 days" in said


@pytest.mark.parametrize(
    "words, given",
    [
        (["--id", "1", "--session", "2", "--size", "3"], {"id": 1, "session": 2, "size": 3}),
        (["--id", "dend, spine", "--session", "day"], {"id": ["dend", "spine"], "session": "day"}),
        ([*READ, "--days", "0,1,2,3,4,9"],
         {"id": "spine", "session": "day", "size": "volume", "dendrite": "dend", "days": [0, 1, 2, 3, 4, 9]}),
        ([*READ, "--set", "unit=hour", "--set", 'na=["s1", "s2"]', "--set", "header=true"],
         {"id": "spine", "session": "day", "size": "volume", "dendrite": "dend", "unit": "hour", "na": ["s1", "s2"]}),
        (["--set", "pre=spine", "--set", "post=dend", "--set", "age=day", "--size", "volume"],
         {"pre": "spine", "post": "dend", "age": "day", "size": "volume"}),
    ],
)  # fmt: skip
def test_options_are_the_arguments_of_the_readers(words: list[str], given: dict, here: Path, capsys) -> None:
    reader = nd.read_edges if "pre" in given else nd.read_sessions
    want = reader("long.csv", **given)
    want.title = "long"
    assert run(capsys, "info", "long.csv", *words).startswith(f"long.csv: {want!r}\n")


def test_what_is_not_understood_says_the_options_that_would_read_it(here: Path, capsys) -> None:
    said = run(capsys, "info", "long.csv", status=2)
    head, _, words = said.rpartition("Perhaps ")
    assert "long.csv is not understood" in head and "nd.read" not in words
    assert "30 lives" in run(capsys, "info", "long.csv", *shlex.split(words))
    Path("wide.csv").write_text("id,S1 x,S2 x,S3 x\n" + "".join(f"a{k},1,{k % 2},{k % 3}\n" for k in range(9)))
    words = run(capsys, "info", "wide.csv", status=2).rpartition("Perhaps ")[2].replace("[...]", "0,4,8")
    said = run(capsys, "info", "wide.csv", *shlex.split(words.replace("...", "0,4,8")))
    assert "9 lives" in said and "3 sessions" in said


@pytest.mark.parametrize(
    "words, cure",
    [
        (["info", "none.csv"], "there is no file 'none.csv'"),
        (["info", "long.csv", "--id", "spin", "--session", "day"], "no column 'spin' in long.csv.*mean 'spine'"),
        (["info", "long.csv", "--set", "sice=3"], "no argument 'sice'.*did you mean 'size'"),
        (["info", "long.csv", "--size", "a", "--set", "size=b"], "--size is given as well"),
        (["info", "long.csv", "--set", "id"], "--set needs KEY=VALUE"),
        (["info", "long.csv", "--preset", "melandr"], "preset must be .*witvliet.*did you mean 'melander'"),
        (["info", "long.csv", "--preset", "witvliet", "--id", "spine"], "id is no argument of nd.read_edges"),
        (["info", "long.csv", "--verify"], "--verify looks at the bytes of a run"),
        (["report", "long.csv", *READ, "--control", "a.sqlite"], "--control is of a run"),
        (["report", "long.csv", "b.sqlite", *READ], "there is no run file .*b.sqlite"),
        (["report", "a.sqlite", "--id", "b"], "--id says how a table is read"),
        (["fit", "long.csv", *READ, "--model", "grade"], "did you mean 'graded'"),
        (["fit", "long.csv", *READ, *QUICK, "--hold", "branches"], "no column 'branches'"),
        (["fit", "long.csv", *READ, *QUICK, "--fixed", "noise"], "--fixed needs NAME=VALUE"),
        (["fit", "long.csv", *READ, *QUICK, "--to", "long.csv"], "long.csv"),
        (["fit", "a.sqlite", *QUICK], "is no table: of a run fit what a microscope would see"),
    ],
)  # fmt: skip
def test_a_refusal_names_the_cure_and_writes_nothing(words: list[str], cure: str, here: Path, capsys) -> None:
    files = lambda: {p: p.read_bytes() for p in here.iterdir() if p.is_file()}  # Python may keep a module compiled
    before = files()
    said = run(capsys, *words, status=2)
    assert re.search(cure, said), said
    assert files() == before


def test_which_words_are_tables(here: Path) -> None:
    for name in ("a.csv", "a.TSV", "b/day*.csv", "a.xlsx", "a.npz", "a.parquet", str(here)):
        assert tables.is_table(name), name
    Path("odd.csv").write_bytes(b"SQLite format 3\0 and so on")
    for name in ("a.sqlite", "odd.csv", "a.toml", "", "nothing", "x" * 5000):
        assert not tables.is_table(name), name
    names = ("day*.csv", "x/*.csv", "a.csv")
    assert [tables.plain_name(w) for w in names] == ["day", str(Path("x/tables")), "a.csv"]


def test_what_was_exported_needs_no_words(here: Path, capsys) -> None:
    h = nd.read_sessions("long.csv", id="spine", session="day", size="volume", dendrite="dend")
    for name, more in (("lives.csv", {}), ("sessions.csv", {"table": "sessions"}), ("whole.npz", {})):
        h.export(name, **more)
        assert f"{len(h)} lives, " in run(capsys, "info", name)
    back = nd.read_sessions("whole.npz")
    assert np.array_equal(back.sizes(), h.sizes(), equal_nan=True) and back.columns.keys() == h.columns.keys()


def test_a_fit_as_words_as_numbers_and_as_nd_fit_finds_it(here: Path, capsys) -> None:
    h = nd.read_sessions("long.csv", id="spine", session="day", size="volume", dendrite="dend", title="long")
    import my_models

    want = nd.fit(h, my_models.flat, ["rate"], held_out="dendrite", fixed={"noise": 0.1}, n=100, rounds=1)
    words = ["fit", "long.csv", *READ, *QUICK, "--hold", "dendrites", "--fixed", "noise=0.1"]
    said = run(capsys, *words)
    assert said.startswith(want.sentence() + "\n") and "nearest" not in said
    assert f"rate          {want.numbers['rate']:>12.4g}{want.errors['rate']:>12.2g}" in said
    assert "noise                  0.1       fixed" in said and "predicted" in said
    found = json.loads(run(capsys, *words, "--json"))
    assert found["lives"] == 30 and len(found["models"]) == 1
    mine = found["models"][0]
    assert mine["numbers"] == pytest.approx(want.numbers) and mine["standard_errors"] == pytest.approx(want.errors)
    assert mine["sentence"] == want.sentence() and mine["held_out"] == "1 of 3 by 'dendrite'"


def test_several_models_are_compared_one_may_be_ones_own(here: Path, capsys) -> None:
    words = ["--id", "spine", "--session", "day", *QUICK, "--model", "my_models:steep", "--to", "a.png"]
    said = run(capsys, "fit", "long.csv", *words)
    assert "is nearest." in said and "'flat' fitted to 30 lives" in said and said.endswith("wrote a.png\n")
    assert Path("a.png").read_bytes().startswith(b"\x89PNG")


def test_progress_goes_to_stderr(here: Path, capsys) -> None:
    assert main(["fit", "long.csv", *READ, *[w for w in QUICK if w != "--quiet"], "--json"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out) and "100% flat: " in err and "simulations" in err


def test_real_tables_by_their_presets(capsys) -> None:
    path = data_folder("celegans_development_witvliet2021") / "synapse_list.csv"
    if not path.is_file():
        pytest.skip(f"no data: {path}")
    said = run(capsys, "info", str(path), "--preset", "witvliet")
    assert "in 51 hours, 8 sessions)" in said and "note: both adults" in said


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tables") / "lived.sqlite"
    nd.simulate(network(), 3 * DAY, acceleration=1e6, to=path, progress=False)
    return path


def test_the_still_page_of_tables_and_a_run(here: Path, lived: Path, capsys) -> None:
    """Pictures of each, notes as text, nothing that is fetched or run."""
    Path("long.csv").write_text("\n".join([*LONG, "s1,8,<script>1</script>,d1"]) + "\n")
    title = ["--set", 'title="<b>mine"']
    said = run(capsys, "report", "long.csv", str(lived), *READ, *title, "--still")
    assert said == f"wrote {Path('long.html').absolute()}\n"
    page = Path("long.html").read_text()
    assert page.count("<img ") == 2 and "<h1>&lt;b&gt;mine beside lived</h1>" in page and "<h2>lived</h2>" in page
    assert "30 lives, " in page and "<script" not in page and "http" not in re.sub(r'base64,[^"]+', "", page)
    assert "&lt;script&gt;1&lt;/script&gt;" in page  # the row that could not be read


def test_the_still_page_is_what_is_written_without_bokeh(here: Path, capsys, monkeypatch) -> None:
    monkeypatch.setattr(live, "installed", lambda: False)
    said = run(capsys, "report", "long.csv", *READ)
    assert "long.html\na still page, since Bokeh is not there; an interactive one needs: pip install" in said
    with pytest.raises(nd.NeurodevError, match=r"histories\[0\] must hold a life"):
        histories.write([nd.History.of_lives([], [])], "none.html")
    with pytest.raises(nd.NeurodevError, match="histories must be a list of histories"):
        histories.write([], "none.html")
    assert not Path("none.html").exists()


def test_the_interactive_page_of_a_table_beside_a_run(here: Path, lived: Path, capsys) -> None:
    pytest.importorskip("bokeh")
    run(capsys, "report", "long.csv", str(lived), *READ, "--to", "both.html")
    page = Path("both.html").read_text()
    assert "<h1>long beside lived.sqlite</h1>" in page and "window.neurodev.start" in page
    said = run(capsys, "report", "long.csv", str(lived), *READ, "--set", "unit=hour", "--to", "no.html", status=2)
    assert "do not share a slider" in said and not Path("no.html").exists()

"""Every command and every option that the parser knows is run: one that no invocation below uses fails this file."""

from __future__ import annotations

import argparse
import ast
import importlib
import io
import json
import os
import re
import runpy
import shlex
import signal
import subprocess
import sys
from contextlib import redirect_stdout
from importlib.util import find_spec
from pathlib import Path

import pytest

import neurodev
from neurodev import cli, commands, completion, jit
from neurodev.cli import main
from neurodev.runs.run import Run
from neurodev.simulation.simulate import Simulation
from tests.studies.test_study_door import BASE

ROOT = Path(__file__).parents[1]
STUDIES = Path(cli.__file__).parent / "studies"
pytestmark = pytest.mark.skipif(not jit.ENABLED, reason="whole runs")

LIFE = BASE.replace('kind = "Poisson"', 'kind = "RetinalWaves"').replace(
    "weight = 3.0", 'spines = {weight = 9.0}\nuse = [{kind = "SpineSize"}, {kind = "Turnover", early = 9, late = 9}]'
)
LIFE = LIFE.replace('"1 second"', '"1 day"').replace('"100 ms"', '"2 hour"\nacceleration = 120')
LEARN = """
[data]
kind = "digits"
train = 60
test = 20
[encoder]
steps = 4
[network]
hidden = [12]
[train]
epochs = 1
batch = 20
[[method]]
kind = "NDSNN"
sparsity = 0.5
every = 1
"""
IMAGED = "cell,spine,day,vol\n" + "".join(
    f"c{c},{s},{4 * k},{1 + 0.1 * s + 0.01 * k}\n"
    for c in range(2) for s in range(20) for k in range(5) if k <= s or s > 6 and k > s - 12
)  # fmt: skip
SEEN = "experiment,animal,cell,synapse,first_seen_h,last_seen_h\n" + "".join(
    f"e,a,c,s{k},{k % 3 * 8},{min(24, k % 3 * 8 + k % 5 * 8)}\n" for k in range(30)
)
FEW = ["--set", "data.train=40", "--set", "data.test=20", "--set", "encoder.steps=3", "--set", "network.hidden=[8]",
       "--set", "train.epochs=1", "--set", "method.NDSNN.every=1"]  # fmt: skip


def parsers() -> dict[str, argparse.ArgumentParser]:
    """Each command with its parser, and the whole under an empty name."""
    whole = commands.parser()
    (sub,) = [a for a in whole._actions if isinstance(a, argparse._SubParsersAction)]
    return {"": whole, **sub.choices}


def options(command: str) -> list[argparse.Action]:
    # the last two have tests of their own
    skipped = (argparse._HelpAction, argparse._SubParsersAction, argparse._VersionAction, completion.Print)
    return [a for a in parsers()[command]._actions if not isinstance(a, skipped)]


def known(command: str, option: str) -> list[str]:
    """An option, if the command has it."""
    return [option] if any(option in a.option_strings for a in options(command)) else []


# in this order, in one folder: the words of each, and the status that it ends with
INVOCATIONS: list[tuple[list[str], int]] = [
    (["new", "mine"], 0),
    (["new", "learn", "--training"], 0),
    (["run", "life.toml", "--quiet", "--split", "--to", "life.sqlite", *known("run", "--overwrite")], 0),
    (["run", "life.toml", "--shuffled", "--seeds", "2", "--set", "run.duration=2 hour", "--threads", "2",
      "--jobs", "1"], 0),
    (["run", "--resume", "life.sqlite", "--trust", "--threads", "1"], 2),  # it is finished
    (["rerun", "life.sqlite", "--to", "again.sqlite", "--trust", "--split", "--threads", "1", "--overwrite",
      "--quiet"], 0),
    (["report", "life.sqlite", "--control", "life-seed1.sqlite", "--to", "page.html"], 0),
    (["report", "life.sqlite"], 0),
    (["export", "life.sqlite", "--to", "life.csv"], 0),
    (["export", "life.sqlite", "--to", "life.csv", "--set", "table=log"], 2),  # it is there
    (["export", "life.sqlite", "--to", "life.csv", "--set", "table=log", "--kind", "CSV", "--overwrite"], 0),
    (["report", "life.sqlite", "--still", "--to", "still.html"], 0),
    (["watch", "life.sqlite", "--every", "0.5", "--lines"], 0),
    (["spine", "life.sqlite", "longest", "--figure", "spine.png"], 0),
    (["spine", "life.sqlite", "1"], 0),
    (["info", "life.sqlite", "--verify"], 0),
    (["info", "imaged.csv", *(TABLE := ["--id", "cell,spine", "--session", "day", "--size", "vol"])], 0),
    (["info", "imaged.csv", *TABLE, "--days", "0,5,9,14,20", "--set", "dendrite=cell"], 0),
    (["info", "seen.csv", "--preset", "nakajo"], 0),
    (["report", "imaged.csv", *(TABLE := [*TABLE, "--days", "0,4,8,12,16", "--set", "dendrite=cell"]), "--to",
      "imaged.html"], 0),
    (["report", "seen.csv", "--preset", "nakajo"], 0),
    (["fit", "imaged.csv", *TABLE, *(RATE := ["--model", "constant", "--free", "rate", "--spines", "100", "--quiet",
      "--rounds", "1"]), "--fixed", "noise=0.1", "--hold", "dendrites", "--to", "fit.png"], 0),
    (["fit", "seen.csv", "--preset", "nakajo", "--json", *RATE], 0),
    (["show"], 0),
    (["show", "SpineSize", "--set", "noise=false", "--plot", "size.png"], 0),
    (["ablate", "life.toml", "--seeds", "1", "--jobs", "1", "--set", "run.duration=2 hour", "--to", "left-out"], 0),
    (["ablate", "life.toml", "--set", "run.duration=2 hour", "--to", "left-out", "--quiet"], 0),
    (["sweep", "life.toml", *(VARIED := ["--over", "projection.p.use.Turnover.early=7,9", "--seeds", "2", "--set",
      "run.duration=2 hour", "--to", "swept"]), "--list"], 0),
    (["sweep", "life.toml", *VARIED, "--jobs", "1", "--threads", "1", "--quiet", "--figure", "swept.png"], 0),
    (["sweep", "swept", "--task", "3", "--jobs", "1", "--overwrite"], 0),
    (["sweep", "life.toml", "--to", "swept", "--look", "--netcdf", "swept.nc"], 0 if find_spec("xarray") else 2),
    (["sweep", "life.toml", "--over", "projection.p.use.Turnover.early=7..9", "--draw", "2", "--how", "latin",
      "--list"], 0),
    (["sweep", "life.toml", "--over", "projection.p.use.Turnover.early=7,9", "--over",
      "projection.p.use.Turnover.late=1,2", "--paired", "--list"], 0),
    (["sweep", "life.toml", "--scheduler", "nowhere"], 2),
    (["train", "few.toml", "--quiet", "--threads", "1", "--to", "few.sqlite", *known("train", "--overwrite")], 0),
    (["train", "few.toml", "--quiet", "--threads", "2", "--to", "few.sqlite", "--resume"], 0),
    (["train", "few.toml", "--quiet", "--to", "few.sqlite", "--extend", "1"], 0),
    (["train", "few.toml", "--seeds", "2", "--set", "train.epochs=1", "--jobs", "1"], 0),
    (["train", "--quiet", *FEW], 0),
    (["bench", "vogels-abbott", "--scale", "0.05", "--threads", "2"], 0),
    (["schema"], 0),
    (["schema", "--training", "--to", "study.json"], 0),
    (["compile"], 0),
    (["bench", "spines", "--scale", "0.02"], 0),
    (["bench", "spines", "--scale", "0.02", "--json"], 0),
    (["demo", "--to", "sheet", "--days", "0.1", *known("demo", "--overwrite")], 0),
    (["--debug", "info", "nothing.sqlite"], 2),
]  # fmt: skip


def asked(command: str) -> argparse.Namespace:
    """What the invocations give to a command, each option once at least: its values, by destination."""
    given = argparse.Namespace()
    for words, _ in INVOCATIONS:
        args = commands.parser().parse_args(words)
        if command in ("", args.command):
            for key, value in vars(args).items():
                setattr(given, key, [*getattr(given, key, []), value])
    return given


@pytest.mark.parametrize("command", parsers())
def test_every_command_and_option_has_an_invocation(command: str) -> None:
    given = asked(command)
    assert vars(given), f"no invocation of {command}"
    for action in options(command):
        values = getattr(given, action.dest, [])
        typed = any(o in words for o in action.option_strings for words, _ in INVOCATIONS if words[0] == command)
        assert typed or [v for v in values if v != action.default], (
            f"no invocation of {command} uses {action.option_strings or action.dest}"
        )
        if action.choices:
            assert set(action.choices) <= set(values), f"{command}: {action.dest} is not tried with {action.choices}"


def test_all_invocations_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One after the other, as a user types them; what each writes is there."""
    pytest.importorskip("sklearn")
    monkeypatch.chdir(tmp_path)
    Path("life.toml").write_text(LIFE)
    Path("few.toml").write_text(LEARN)
    Path("imaged.csv").write_text(IMAGED)
    Path("seen.csv").write_text(SEEN)
    shipped = tmp_path / "shipped"  # the demo's own study, in small
    shipped.mkdir()
    text = re.sub(r"^n = (\d+)$", lambda m: f"n = {int(m[1]) // 8}", (STUDIES / "map.toml").read_text(), flags=re.M)
    text = re.sub(r"inputs = [2-4]0 ", "inputs = 9 ", text)
    (shipped / "map.toml").write_text(text)
    (shipped / "digits.toml").write_text((STUDIES / "digits.toml").read_text())
    monkeypatch.setattr(cli, "files", lambda package: shipped)
    said = {}
    for words, status in INVOCATIONS:
        assert main(words) == status, words
        out, err = capsys.readouterr()
        err = re.sub(r"neurodev: compiling .*\n", "", err)  # where no test before has done so
        said[" ".join(words[:3])] = out
        assert ("neurodev: " in err) == (status != 0) and ("Traceback" in err) == ("--debug" in words), words
    here = {p.name for p in tmp_path.iterdir()}
    assert here >= {
        "mine.toml", "learn.toml", "life.sqlite", "life-seed1.sqlite", "life-seed2.sqlite", "page.html", "life.html",
        "life.csv", "imaged.html", "seen.html", "fit.png",
        "spine.png", "spine-1.png", "size.png", "few.sqlite", "few-seed0.sqlite", "few-seed1.sqlite", "digits.sqlite",
    }  # fmt: skip
    assert not [n for n in here if n.endswith((".part", "-wal", "-shm")) or n.startswith(".")]
    assert {p.name for p in (tmp_path / "sheet").iterdir()} >= {
        "map.toml",
        "map.sqlite",
        "control.sqlite",
        "report.html",
    }
    assert "From 8.0 spines" in said["demo --to sheet"] and "OUTSIDE" in said["demo --to sheet"]
    assert "the log replays" in said["info life.sqlite --verify"]
    assert json.loads(said["bench spines --scale"])["name"] == "spines"
    assert (tmp_path / "life.csv").read_text().startswith('"day","tick","event"')
    assert [Run(f"life-seed{k}.sqlite").provenance["seed"] for k in (1, 2)] == [1, 2]
    assert "control: life-seed1.sqlite" in (tmp_path / "page.html").read_text()


@pytest.mark.parametrize("command", [c for c in parsers() if c])
def test_every_command_tells_of_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main([command, "--help"])
    said = capsys.readouterr().out
    assert end.value.code == 0 and f"neurodev {command}" in said
    page = (ROOT / "docs/reference/command-line.md").read_text()
    assert f"`neurodev {command}" in page, "the manual's list of commands"
    assert f"{command}" in (cli.__doc__ or "")


@pytest.mark.parametrize("scale", ["nan", "inf", "-1", "0", "1e9"])
def test_a_scale_that_no_memory_holds(scale: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "brunel", "--scale", scale]) == 2
    assert "--scale must" in capsys.readouterr().err


def test_an_interrupt_says_what_the_file_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Not "sealed" of a file that was not yet there, or that is another command's."""
    from neurodev.simulation.simulate import Simulation

    monkeypatch.chdir(tmp_path)
    Path("life.toml").write_text(LIFE)
    assert main(["run", "life.toml", "--quiet", "--set", "run.duration=2 hour"]) == 0

    def pressed(*args, **words):
        raise KeyboardInterrupt

    with monkeypatch.context() as m:
        m.setattr("neurodev.runs.reporting.write", pressed)
        assert main(["report", "life.sqlite"]) == 130
    assert capsys.readouterr().err == "neurodev: interrupted\n"
    real = Simulation.run

    def later(self, duration):
        real(self, 0.5 * duration)
        try:
            raise KeyboardInterrupt
        except KeyboardInterrupt:
            self._seal("interrupted")
            raise

    monkeypatch.setattr(Simulation, "run", later)
    assert main(["run", "life.toml", "--quiet", "--to", "other.sqlite"]) == 130
    said = capsys.readouterr().err
    assert "other.sqlite: 12 hours of life, ended early (interrupted)" in said


def test_an_interrupt_says_the_command_that_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from neurodev.learn.training.trainer import Trainer
    from neurodev.runs.run import Run
    from neurodev.simulation.simulate import Simulation

    monkeypatch.chdir(tmp_path)
    Path("a life.toml").write_text(LIFE)
    for kind, method, command in (
        (Simulation, "_one_piece", ["run", "a life.toml", "--quiet", "--set", "run.duration=6 hour"]),
        (Trainer, "_one_epoch", ["train", "--quiet", "--set", "train.epochs=2", "--set", "data.test_fraction=0.5"]),
    ):
        real, done = getattr(kind, method), []

        def pressed(self, *args, _real=real, _done=done):
            if len(_done) == 1:
                raise KeyboardInterrupt
            _done.append(_real(self, *args))

        with monkeypatch.context() as m:
            m.setattr(kind, method, pressed)
            assert main(command) == 130
        said = capsys.readouterr().err
        words = shlex.split(said.rpartition("it goes on with: neurodev ")[2])
        assert words and "day 0." not in said, said
        assert main([*words, "--quiet"]) == 0
        assert "finished" in Run(words[-1] if kind is Simulation else words[-2]).info().splitlines()[0]


# ------------------------------------------------------------------ programs beside the package


PROGRAMS = sorted([*(ROOT / "tests/benchmarks").glob("*.py"), *(ROOT / "analysis").glob("*.py")])


def calls(tree: ast.AST) -> list[tuple[str, str]]:
    """(module, name) of everything that a program takes from the package, also inside of functions."""
    found = [(n.module or "", a.name) for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) for a in n.names]
    return [(m, name) for m, name in found if m.split(".")[0] in ("neurodev", "analysis")]


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda p: p.stem)
def test_programs_name_what_is_there(path: Path) -> None:
    for module, name in calls(ast.parse(path.read_text(encoding="utf-8"))):
        found = importlib.import_module(module)
        assert hasattr(found, name) or importlib.import_module(f"{module}.{name}"), (path.name, module, name)


def test_our_side_of_the_benchmark_beside_peers(monkeypatch: pytest.MonkeyPatch) -> None:
    """The program that `train_fc.py` hands to an interpreter, with the words that it hands over."""
    monkeypatch.syspath_prepend(ROOT / "tests/benchmarks")  # as where it is a program
    code = runpy.run_path(str(ROOT / "tests/benchmarks/train_fc.py"))["OURS"]
    monkeypatch.setattr(sys, "argv", ["-", "fc", "0.05", "0.99", "1", "1"])
    out = io.StringIO()
    with redirect_stdout(out):
        exec(code, {})
    result = json.loads(out.getvalue())
    assert result["seconds"] > 0 and set(result["rates"]) == {"lif1", "lif2"} and result["peak_mb"] > 0


def test_the_cost_of_training_is_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from analysis import training_cost

    def little(densities=(1.0, 0.01), rates=(0.02, 0.05, 0.13), repeats=1, wall=True):
        return [
            {"density": d, "input_rate": r, "seconds": 1e-3 * d + r} for r in rates for d in densities
        ]  # fmt: skip

    monkeypatch.setattr(training_cost.bench_training, "scaling", little)
    monkeypatch.setattr(sys, "argv", ["training_cost", "--to", str(tmp_path / "a.png"), "--repeats", "1"])
    training_cost.main()
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")


def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with a small study, and a run of an hour as if it were somebody's month."""
    monkeypatch.chdir(tmp_path)
    Path("life.toml").write_text(LIFE)
    assert main(["run", "life.toml", "--quiet", "--set", "run.duration=2 hour", "--to", "old.sqlite"]) == 0


@pytest.mark.parametrize("name", ["", ".", "..", "/", "sub/", "a\nb", "\x1b[2J", "there", "link", "x" * 300, "no/x"])
def test_a_new_study_has_a_name_and_takes_nothing_away(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("sub").mkdir()
    Path("there.toml").write_text("mine")
    Path("link.toml").symlink_to("elsewhere.toml")
    before = sorted(tmp_path.rglob("*"))
    assert main(["new", name]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert sorted(tmp_path.rglob("*")) == before and Path("there.toml").read_text() == "mine"


def test_commands_that_are_refused_leave_everything_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Devices and pipes as studies, empty names, runs without end, pages and demos over what is not theirs."""
    _here(tmp_path, monkeypatch)
    os.mkfifo("pipe")
    Path("sheet").mkdir()
    Path("sheet/map.toml").write_text("seed = 3  # mine")
    Path("huge.toml").touch()
    os.truncate("huge.toml", 1 << 30)
    to = ["run", "life.toml", "--to"]
    for words in [
        ["run", "/dev/zero"], ["run", "pipe"], ["run", "huge.toml"], ["run", "."], ["train", "pipe"], [*to, ""],
        [*to, "new.sqlite", "--set", "run.duration=1e12 day"], ["report", ""], ["report", "/"], ["report", ".."],
        [*to, "old.sqlite", "--overwrite", "--set", "run.duration=1e12 day"], ["spine", "", "1"], ["info", ""],
        ["report", "old.sqlite", "--to", "life.toml"], ["report", "old.sqlite", "--to", ""],
        ["spine", "old.sqlite", "1", "--figure", "life.toml"], ["show", "STDP", "--plot", "life.toml"],
        ["demo", "--to", "sheet"], ["demo", "--to", ""], ["demo", "--to", "short", "--days", "0"], ["new", "pipe/x"],
    ]:  # fmt: skip
        files = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file() and p.name != "huge.toml"}
        names = sorted(tmp_path.rglob("*"))
        capsys.readouterr()
        assert main(words) == 2, words
        err = capsys.readouterr().err
        assert len(err.splitlines()) == 1 and err.startswith("neurodev: "), err
        assert sorted(tmp_path.rglob("*")) == names and all(p.read_bytes() == b for p, b in files.items()), words


def test_a_refusal_says_what_would_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One seed of several, a study in place of its run, the other kind of study, a name in other letters."""
    monkeypatch.chdir(tmp_path)
    Path("life-seed3.sqlite").touch()
    Path("few.toml").write_text(LEARN)
    Path("life.toml").write_text(LIFE)
    Path("life.sqlite").touch()
    for words, cure in [
        (["report", "life.sql"], "there is no run file"),
        (["report", "none.sqlite"], "there is no run file"),
        (["report", "few-seed1.sqlite"], "there is no run file"),
        (["info", "life.toml"], "is a study: name the run file that it wrote, 'life.sqlite'"),
        (["train", "life.toml"], "this is a study of development: neurodev run life.toml"),
        (["run", "few.toml"], "this is a study of training: neurodev train few.toml"),
        (["show", "stdp"], "did you mean 'STDP'?"),
        (["show", "rigl"], "did you mean 'RigL'?"),
    ]:
        assert main(words) == 2, words
        err = capsys.readouterr().err
        assert len(err.splitlines()) == 1 and cure in err, err
    Path("life.sqlite").unlink()
    assert main(["report", "life.sqlite"]) == 2 and "there is life-seed3.sqlite" in capsys.readouterr().err


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["--version"])
    assert end.value.code == 0 and capsys.readouterr().out == f"neurodev {neurodev.__version__}\n"


@pytest.mark.parametrize("words", [["--version"], ["--help"], ["sweep", "--help"], ["--print-completion", "bash"]])
def test_what_computes_nothing_starts_at_once(words: list[str]) -> None:
    """Neither arrays nor the compiler nor pictures are imported to tell of a command."""
    code = (
        "import sys; from neurodev.cli import main\n"
        f"try: main({words})\n"
        "except SystemExit: print([m for m in ('numpy', 'numba', 'scipy', 'matplotlib') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_the_package_is_a_program() -> None:
    """`python -m neurodev` is the command: what it prints, and the status of what the user can mend."""
    ask = lambda *words: subprocess.run(
        [sys.executable, "-m", "neurodev", *words],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    done = ask("--version")
    assert (done.returncode, done.stdout) == (0, f"neurodev {neurodev.__version__}\n")
    done = ask("spine", "nothing.sqlite", "1")
    assert done.returncode == 2 and done.stderr.startswith("neurodev: ") and "Traceback" not in done.stderr


def test_nothing_to_replay_is_no_replay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("static.toml").write_text(BASE)
    assert main(["run", "static.toml", "--quiet"]) == 0 and main(["info", "static.sqlite", "--verify"]) == 0
    said = capsys.readouterr().out
    assert "no projection is on spines" in said and "replays" not in said


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_before_the_run_begins_gives_the_older_run_back(
    number: signal.Signals, status: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    _here(tmp_path, monkeypatch)
    before, handler = Path("old.sqlite").read_bytes(), signal.getsignal(number)
    describe = Simulation._describe

    def ask(self: Simulation, study: str) -> None:
        describe(self, study)  # the older run waits beside
        os.kill(os.getpid(), number)

    monkeypatch.setattr(Simulation, "_describe", ask)
    assert main(["run", "life.toml", "--quiet", "--overwrite", "--to", "old.sqlite"]) == status
    assert Path("old.sqlite").read_bytes() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["life.toml", "old.sqlite"]
    assert len(capsys.readouterr().err.splitlines()) == 1 and signal.getsignal(number) is handler


def test_a_signal_waits_for_the_end_of_an_import(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Numba and numpy, broken off in the middle, end in a traceback or cannot be imported again."""
    brought = []

    def slowly(name: str) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        brought.append(name)

    monkeypatch.setattr(cli, "import_module", slowly)
    assert main(["show", "STDP"]) == 130 and len(brought) > 1
    assert capsys.readouterr() == ("", "neurodev: interrupted\n")


class Full(io.StringIO):
    """A stream on a full disk."""

    def write(self, text: str) -> int:
        raise OSError(28, "No space left on device")


def test_nobody_needs_to_listen(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    for stream in (Full(), None):
        monkeypatch.setattr(sys, "stderr", stream)
        assert main(["info", "nothing.sqlite"]) == 2
    assert capsys.readouterr().out == ""  # nor do messages stray into what is piped on


def test_a_terminal_that_knows_ascii_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", out)
    cli._say("r\u00e9seau \u540d")
    out.flush()
    assert out.buffer.getvalue() == b"r\\xe9seau \\u540d\n"  # type: ignore[attr-defined]


def test_a_module_that_fails_is_told_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("broken_at_import.py").write_text("raise RuntimeError('first\\nsecond')\n")
    assert main(["show", "broken_at_import:Thing"]) == 2
    err = capsys.readouterr().err
    assert len(err.splitlines()) == 1 and "first" in err and "broken_at_import.py" in err

"""What a shell is told to complete: every argument is spoken for, and bash does it."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

import pytest

from neurodev import commands, completion, registry
from neurodev.cli import main
from neurodev.formats import grid, presets

FREE = {  # words of the user's own: numbers, names that nobody knows, keys with values
    "new name", "bench name", "set", "seeds", "jobs", "threads", "days", "extend", "over", "draw", "scheduler", "task",
    "id", "session", "size", "every", "model", "free", "fixed", "spines", "rounds", "scale",
}  # fmt: skip


def arguments() -> dict[str, argparse.Action]:
    return dict(completion._arguments(commands.parser()))


def test_every_argument_is_spoken_for() -> None:
    """As files, as words, by its own choices, or named above as free; and nothing is said of what is not there."""
    used = set()
    for key, action in arguments().items():
        alone = key.partition(" ")[2]
        said = {k for k in (key, alone) if k in completion.FILES or k in completion.WORDS or k in FREE}
        used |= said
        assert said or action.choices or completion.words(key), key
    assert used == {*completion.FILES, *completion.WORDS, *FREE}


def test_words_are_those_of_the_package() -> None:
    from neurodev.studies.sweeps import points

    assert completion.WORDS["how"] == points.DRAWS
    assert {f"*{s}" for s in grid.SUFFIXES} == set(completion.TABLES)
    assert {"STDP", "RigL", "CSV"} <= set(completion.words("show name"))
    assert set(completion.words("export kind")) == set(registry.names("format"))
    assert set(completion.words("info preset")) == set(presets.PRESETS)
    assert not [w for key in arguments() for w in completion.words(key) if len(w.split()) != 1]


def test_without_shtab_the_extra_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(sys.modules, "shtab", None)
    with pytest.raises(SystemExit) as end:
        main(["--print-completion", "bash"])
    out, err = capsys.readouterr()
    assert end.value.code == 2 and not out
    assert err.startswith("neurodev: --print-completion needs shtab") and "neurodev[completion]'" in err


@pytest.mark.parametrize("shell", completion.SHELLS)
def test_a_script_for_each_shell(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("shtab")
    with pytest.raises(SystemExit) as end:
        main(["--print-completion", shell])
    said = capsys.readouterr().out
    assert end.value.code == 0 and "sweep" in said and "*.sqlite" in said and "nakajo" in said


ASK = 'source "$1"; shift; COMP_WORDS=(neurodev "$@"); COMP_CWORD=$#; _shtab_neurodev; printf "%s\\n" "${COMPREPLY[@]}"'
TYPED: list[tuple[list[str], list[str]]] = [
    (["sw"], ["sweep"]),
    (["run", ""], ["a.toml", "my own.toml", "runs"]),
    (["run", "a.toml", "--res"], ["--resume"]),
    (["run", "--resume", ""], ["b.sqlite", "runs"]),
    (["run", "--resume", "runs/"], ["runs/c.sqlite"]),
    (["report", "b.sqlite", ""], ["b.sqlite", "d.csv", "runs"]),
    (["demo", "--to", ""], ["runs"]),
    (["show", "SpineSi"], ["SpineSize"]),
    (["sweep", "a.toml", "--how", ""], ["halton", "latin", "random", "sobol"]),
    (["train", "--threads", ""], ["1", "2"]),
    (["spine", "b.sqlite", ""], ["longest"]),
    (["info", "d.csv", "--preset", "nak"], ["nakajo"]),
]


def test_bash_completes(tmp_path: Path) -> None:
    """The script is read by bash, and asked as the Tab key asks it."""
    pytest.importorskip("shtab")
    here = tmp_path / "here"
    (here / "runs").mkdir(parents=True)
    for name in ("a.toml", "my own.toml", "b.sqlite", "runs/c.sqlite", "d.csv", "e.html"):
        (here / name).touch()
    script = tmp_path / "completion.bash"
    script.write_text(completion.script(commands.parser(), "bash"))
    plain = {k: v for k, v in os.environ.items() if k not in ("BASH_ENV", "ENV")}
    for typed, wanted in TYPED:
        words = ["bash", "--norc", "--noprofile", "-c", ASK, "ask", str(script), *typed]
        try:
            done = subprocess.run(words, cwd=here, env=plain, capture_output=True, text=True, check=True)
        except FileNotFoundError:
            pytest.skip("could not import bash: there is no such program")
        assert not done.stderr and sorted(done.stdout.split("\n")[:-1]) == wanted, typed

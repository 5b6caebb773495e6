"""Completion of the command line by a shell: what may stand for each argument; shtab makes the script of it.

Imported with the parser: shtab is looked for when a script is asked for.  Names are written into the script, which is
made anew where a part of one's own or a newer neurodev has more of them.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from importlib import import_module
from typing import Any

from neurodev import registry
from neurodev.errors import ParameterError

SHELLS = ("bash", "zsh", "tcsh")
RUNS, PICTURES = ("*.sqlite",), ("*.png",)
TABLES = ("*.csv", "*.tsv", "*.txt", "*.tab", "*.dat", "*.xlsx", "*.xlsm", "*.npz", "*.npy", "*.parquet")

# An argument of all commands, or "command argument" of one, which goes before; a folder may stand for every file.
FILES: dict[str, tuple[str, ...]] = {
    "study": ("*.toml",), "run": RUNS, "resume": RUNS, "control": RUNS, "figure": PICTURES, "plot": PICTURES,
    "netcdf": ("*.nc",), "table": TABLES, "report run": RUNS + TABLES, "info run": RUNS + TABLES, "run to": RUNS,
    "rerun to": RUNS, "train to": RUNS, "report to": ("*.html",), "export to": ("*",), "fit to": PICTURES,
    "schema to": ("*.json",), "demo to": (), "sweep to": (), "ablate to": (),
}  # fmt: skip
WORDS: dict[str, tuple[str, ...]] = {
    "how": ("sobol", "halton", "latin", "random"), "hold": ("dendrites", "sessions"), "uid": ("longest",)
}  # fmt: skip


def words(key: str) -> tuple[str, ...]:
    """What may stand for an argument, beside words of one's own; empty where nobody can say."""
    if key == "show name":
        return tuple(dict.fromkeys([*registry.names(tuple(registry.OURS)), *import_module("neurodev").__all__]))
    if key == "export kind":
        return tuple(registry.names("format"))
    if key.endswith(" preset"):
        from neurodev.formats.presets import PRESETS

        return tuple(PRESETS)
    return WORDS.get(key, WORDS.get(key.partition(" ")[2], ()))


def _arguments(parser: argparse.ArgumentParser, command: str = "") -> Iterator[tuple[str, Any]]:
    """Each argument that takes a word, as ``"command argument"``, with what argparse knows of it."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, inner in action.choices.items():
                yield from _arguments(inner, name)
        elif action.nargs != 0:
            yield f"{command} {action.dest}".lstrip(), action


def _files(patterns: tuple[str, ...]) -> dict[str, str]:
    """How each shell looks for files of these patterns; of no pattern: for folders."""
    if not patterns:
        return {"bash": "_shtab_compgen_dirs", "zsh": "_files -/", "tcsh": "d"}
    if patterns == ("*",):
        return {"bash": "_shtab_compgen_files", "zsh": "_files", "tcsh": "f"}
    if len(patterns) == 1:  # in brackets zsh would take it for a qualifier
        return {"bash": _function(patterns), "zsh": f"_files -g '{patterns[0]}'", "tcsh": f"f:{patterns[0]}"}
    zsh, tcsh = "|".join(patterns), ",".join(patterns)
    return {"bash": _function(patterns), "zsh": f"_files -g '({zsh})'", "tcsh": f"f:{{{tcsh}}}"}


def _function(patterns: tuple[str, ...]) -> str:
    """The bash function that looks for files of these patterns."""
    return "_neurodev_files" + re.sub(r"\W", "", "_".join(patterns).replace("*.", "_"))


def _functions() -> str:
    """The bash functions: files of the patterns, and the folders on the way to them."""
    out = []
    for patterns in sorted({p for p in FILES.values() if p not in ((), ("*",))}):
        lines = [f'  compgen -f -X "!{p}" -- "$1"' for p in patterns]
        out.append("\n".join([f"{_function(patterns)}() {{", *lines, '  compgen -d -- "$1"', "}"]))
    return "\n".join(out)


def script(parser: argparse.ArgumentParser, shell: str) -> str:
    """The script by which a shell completes the commands of a parser.

    Parameters
    ----------
    parser : argparse.ArgumentParser
        It is marked with what may stand where, and is of no other use afterwards.
    shell : {"bash", "zsh", "tcsh"}

    Raises
    ------
    ParameterError
        Where shtab is not installed.
    """
    try:
        import shtab
    except ImportError as e:
        raise ParameterError(f"--print-completion needs shtab ({e}): pip install 'neurodev[completion]'") from None
    for key, action in _arguments(parser):
        patterns = FILES.get(key, FILES.get(key.partition(" ")[2]))
        if patterns is not None:
            action.complete = _files(patterns)
        elif action.choices is None:
            action.choices = words(key) or None
    return str(shtab.complete(parser, shell, preamble={"bash": _functions()}))


class Print(argparse.Action):
    """The action of ``--print-completion``: print the script and leave."""

    def __call__(self, parser: Any, namespace: Any, values: Any, option_string: str | None = None) -> None:
        """Leave with status 2 where shtab is not there."""
        try:
            print(script(parser, values))
        except ParameterError as e:
            parser.exit(2, f"{parser.prog}: {e}\n")
        parser.exit()

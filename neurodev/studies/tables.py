"""Tables on the command line: read by the words of `nd.read_sessions` and `nd.read_edges`, told, fitted, put on a page.

This module is imported with the parser: what reads and fits is imported where it is used.
"""

from __future__ import annotations

import argparse
import ast
import math
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from neurodev.errors import ParameterError
from neurodev.writing import holds_database

_OPTIONS = ("preset", "id", "session", "size", "days")
_OF_EDGES = {"pre", "post", "age", "ages", "sources"}


def options(a: argparse.ArgumentParser) -> None:
    """How a table is read: the arguments of `nd.read_sessions`, by the same words."""
    g = a.add_argument_group(
        "how a TABLE is read (all as in nd.read_sessions; with pre, post, age as in nd.read_edges)"
    )
    g.add_argument("--preset", help="a form known by name: melander, nakajo, loewenstein, witvliet, ...")
    g.add_argument("--id", metavar="COLUMN[,...]", help="what tells lives apart, together")
    g.add_argument("--session", metavar="COLUMN[,...]", help="the column of sessions, or the columns that are sessions")
    g.add_argument("--size", metavar="COLUMN", help="the column of sizes")
    g.add_argument("--days", metavar="TIME[,...]", help="when the sessions were, or the column that says so")
    g.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE",
        help="any other argument, e.g. dendrite=branch, unit=hour, first=seen, header=false, 'days={S1 = 0, S2 = 4}'",
    )  # fmt: skip


def fitting(sub: Any) -> None:
    """The options of `neurodev fit`."""
    a = sub.add_parser("fit", help="fit a model of spines to an imaging table: who dies, and how sizes move")
    a.add_argument("table", help="a table (CSV, TSV, xlsx, npz, parquet), a folder of them, or 'day*.csv'")
    a.add_argument(
        "--model", action="append", metavar="NAME",
        help="graded (default), nascent, constant, threshold, 'two components' or module:NAME; several are compared",
    )  # fmt: skip
    a.add_argument("--free", metavar="NAME[,...]", help="the numbers to be found (default: all of the model)")
    a.add_argument("--fixed", action="append", default=[], metavar="NAME=VALUE", help="what another number is")
    a.add_argument("--hold", metavar="WHAT", help="what is predicted: dendrites, sessions, or every other of a column")
    a.add_argument("--spines", type=int, default=6000, help="of the simulation (default: 6000)")
    a.add_argument("--rounds", type=int, default=20, help="steps of the search at most (default: 20)")
    a.add_argument("--to", metavar="FILE", help="draw data and models to this PNG file")
    a.add_argument("--json", action="store_true", help="all numbers as JSON")
    a.add_argument("--quiet", action="store_true", help="no progress")
    options(a)


# ---------------------------------------------------------------------- reading


def is_table(word: str) -> bool:
    """Whether a word names a table (or several), and not a run."""
    if not word:
        return False
    path = Path(word)
    try:
        if path.is_file() and holds_database(path):
            return False
        if path.is_dir() or "*" in path.name:
            return True
    except (OSError, ValueError):  # a name that no file has
        return False
    from neurodev.formats.grid import SUFFIXES

    return path.suffix.lower() in SUFFIXES


def plain_name(word: str) -> str:
    """A path after which a page can be called, also of a pattern: ``day*.csv`` is ``day.csv``."""
    path = Path(word)
    if "*" not in path.name:
        return word
    return str(path.with_name(re.sub(r"\*+", "", path.stem).strip("-_. ") or "tables"))


def _columns(word: str) -> Any:
    """A column, or several: names, and numbers from 1."""
    each: list[Any] = [int(w) if w.strip().isdecimal() else w.strip() for w in word.split(",")]
    return each if len(each) > 1 else each[0]


def _times(word: str) -> Any:
    """Times, or the column that says them."""
    try:
        return [float(w) for w in word.split(",")]
    except ValueError:
        return word


def asked(args: Any) -> dict[str, Any]:
    """What a reader is to be asked, by its words.

    Raises
    ------
    ParameterError
        For a word that no reader knows, or one that is given twice.
    """
    import inspect

    from neurodev.errors import nearest
    from neurodev.formats.edges import read_edges
    from neurodev.formats.sessions import read_sessions
    from neurodev.studies import reading

    how: dict[str, Any] = {"preset": str, "id": _columns, "session": _columns, "size": _columns, "days": _times}
    out = {k: how[k](getattr(args, k)) for k in _OPTIONS if getattr(args, k) is not None}
    known = {n for f in (read_sessions, read_edges) for n in inspect.signature(f).parameters} - {"path"}
    for key, word in reading.settings(args.set).items():
        if key not in known:
            raise ParameterError(f"--set: no argument {key!r}{nearest(key, known)}; there are {sorted(known)}")
        if key in out:
            raise ParameterError(f"--set {key}={word}: --{key} is given as well: leave one of them out")
        out[key] = reading.as_value(word)
    return out


def read(word: str, how: dict[str, Any]) -> Any:
    """The history of a table.

    Raises
    ------
    ParameterError
        Where it is not understood, with the options that would read it.
    """
    from neurodev.formats.edges import read_edges
    from neurodev.formats.presets import PRESETS
    from neurodev.formats.sessions import read_sessions
    from neurodev.params import one_of

    form = PRESETS[one_of(how["preset"], "preset", list(PRESETS))] if "preset" in how else None
    edges = form.reader == "read_edges" if form is not None else bool(_OF_EDGES & set(how))
    reader: Any = read_edges if edges else read_sessions
    theirs = set(reader.__annotations__)
    if strange := sorted(set(how) - theirs):
        raise ParameterError(
            f"{strange[0]} is no argument of nd.{reader.__name__}, which the others belong to: leave it out, "
            f"got {how[strange[0]]!r}"
        )
    with _on_the_command_line():
        return reader(word, **how)


@contextmanager
def _on_the_command_line() -> Iterator[None]:
    """A call that an error proposes becomes the options that say the same."""
    try:
        yield
    except ParameterError as e:
        head, perhaps, call = str(e).rpartition("Perhaps ")
        try:
            tree = ast.parse(call, mode="eval").body if perhaps else None
        except SyntaxError:
            tree = None
        if not isinstance(tree, ast.Call) or getattr(tree.func, "attr", "") == "read_counts":
            raise  # numbers per dendrite are no lives: what is proposed is to be done in Python
        said = " ".join(_option(str(k.arg), ast.unparse(k.value)) for k in tree.keywords)
        raise ParameterError(f"{head}Perhaps {said}") from None


def _option(name: str, value: str) -> str:
    """An argument of a call as an option."""
    words = re.sub(r"^\[|\]$|['\"]", "", value).replace(", ", ",")
    plain = re.fullmatch(r"[\w.,%-]+", words) is not None
    if name in _OPTIONS and ("," not in words or name in ("id", "session", "days")):
        return f"--{name} {words}" if plain else f'--{name} "{words}"'
    return (
        f"--set {name}={words}" if plain and "," not in words else f"--set '{name}={value.replace(chr(39), chr(34))}'"
    )


# ---------------------------------------------------------------------- what is asked of it


def report(args: Any, to: Any) -> Path:
    """One page about tables, and runs beside them.

    Raises
    ------
    ParameterError
        For a control, which only a run has, and what cannot stand on one page.
    """
    from neurodev.runs import reporting
    from neurodev.runs.run import Run

    if args.control:
        raise ParameterError("--control is of a run: name it as one more, beside the tables")
    how = asked(args)
    things = [read(word, how) if is_table(word) else Run(word) for word in args.run]
    return reporting.beside(things, to, True if args.still else None)


def no_tables(args: Any) -> None:
    """Refuse words about tables where there is none."""
    given = [f"--{k}" for k in _OPTIONS if getattr(args, k) is not None] + ["--set"] * bool(args.set)
    if given:
        raise ParameterError(f"{given[0]} says how a table is read, and there are runs alone: leave it out")


def info(args: Any) -> str:
    """What a table holds, and what could not be read, by row."""
    h = read(args.run, asked(args))
    rows = [(name, value if isinstance(value, str) else str(value())) for name, value in h._rows() if name != "notes"]
    lines = [f"{args.run}: {h!r}"]
    lines += [f"  {name}: {value}" for name, value in rows if name not in ("title", "lives", "births", "deaths")]
    return "\n".join([*lines, *(f"  note: {n}" for n in h.notes)])


def fit(args: Any) -> tuple[Any, Any]:
    """The history of a table, and the fits of the models to it, the nearest first.

    Raises
    ------
    ParameterError
        For a run, and what the table cannot tell.
    """
    from neurodev import registry
    from neurodev.protocols.fitting import Fits
    from neurodev.protocols.fitting import fit as fit_to
    from neurodev.studies import reading

    if not is_table(args.table):
        raise ParameterError(
            f"{args.table!r} is no table: of a run fit what a microscope would see, "
            "nd.fit(run.history().image([0, 4, 8, ...]))"
        )
    history = read(args.table, asked(args))
    models = [registry.load(m) if ":" in m else m for m in args.model or ["graded"]]
    found = fit_to(
        history, models, None if args.free is None else [w.strip() for w in args.free.split(",")],
        fixed={k: reading.as_value(v) for k, v in _named(args.fixed).items()},
        held_out={"dendrites": "dendrite"}.get(args.hold, args.hold), n=args.spines, rounds=args.rounds,
        progress=not args.quiet,
    )  # fmt: skip
    return history, Fits(found)


def _named(words: Sequence[str]) -> dict[str, str]:
    """``["noise=0.1"]`` as a dictionary."""
    out = {}
    for w in words:
        name, equals, value = w.partition("=")
        if not equals or not name:
            raise ParameterError(f"--fixed needs NAME=VALUE, got {w!r}")
        out[name] = value
    return out


def as_json(history: Any, fits: Any) -> dict[str, Any]:
    """Fits as plain data; what is no number is null."""

    def plain(x: Any) -> Any:
        if isinstance(x, dict):
            return {k: plain(v) for k, v in x.items()}
        return (float(x) if math.isfinite(x) else None) if isinstance(x, float) else x

    models = [
        {
            "model": f.model, "free": list(f.free), "numbers": f.numbers, "standard_errors": f.errors,
            "at_limit": list(f.at_limit), "mean_square_fitted": f.fitted.mean_square,
            "mean_square_predicted": f.held_out.mean_square if f.held_out else None,
            "off_fitted": f.fitted.largest(), "off_predicted": f.held_out.largest() if f.held_out else None,
            "held_out": f.what or None, "simulations": f.simulations, "sentence": f.sentence(),
        }
        for f in fits
    ]  # fmt: skip
    about = {"title": history.title, "lives": len(history), "notes": list(history.notes)}
    return {**about, "models": [plain(m) for m in models]}


def told(history: Any, fits: Any) -> str:
    """Fits in words: one sentence each, the numbers with their standard errors, how far off what is."""
    n = len(history.notes)
    lines = [f"{n} note{'s' * (n > 1)} on the table: `neurodev info` tells {'them' if n > 1 else 'it'}"] if n else []
    for f in fits:
        lines += [f.sentence(), "", f"  {'number':<14}{'found':>12}{'error':>12}"]
        for name, value in f.numbers.items():
            error = f"{f.errors[name]:.2g}" if name in f.free else "fixed"
            at = "  at its limit" if name in f.at_limit else ""
            lines.append(f"  {name:<14}{value:>12.4g}{error:>12}{at}")
        head = f"  {'at most off':<14}{'fitted':>12}" + (f"{'predicted':>12}" if f.held_out is not None else "")
        lines += ["", head]
        there, ahead = f.fitted.largest(), f.held_out.largest() if f.held_out is not None else {}
        for name in dict.fromkeys([*there, *ahead]):
            beside = f"{ahead[name]:>12.3g}" if name in ahead else ""
            lines.append(f"  {name.replace('_', ' '):<14}{there.get(name, math.nan):>12.3g}{beside}")
        lines.append("")
    return "\n".join([*lines, fits.sentence()] if len(fits) > 1 else lines[:-1])

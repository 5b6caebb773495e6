"""A page for each mechanism, neuron model, method and every other part that has a name, from the registry.

A part that is added has its page without a line here: what it says comes from its class, its curve from its protocol,
run when the manual is built.  Pictures are made again when the package has changed.
"""

from __future__ import annotations

import inspect
import re
import shutil
from pathlib import Path
from typing import Any

import neurodev as nd
from neurodev import params, registry
from neurodev.errors import ParameterError
from neurodev.protocols import isolate, protocol_of, show

ROOT = Path(__file__).parents[1]
# heading of a kind, and what one does with it; kinds that are not named here follow in their own order
ABOUT = {
    "mechanism": "One idea each, used on a projection or a population: ``projection.use(nd.STDP(...))``.",
    "neuron model": "How a soma takes an arrival, and when it fires: ``net.add(nd.LIF(...), 100)``.",
    "dendrite": "What lies between synapses and soma: ``nd.LIF(..., dendrite=nd.Plateau(8))``.",
    "drive": "Populations that fire without input: ``net.add(nd.Poisson(20.0), 100)``.",
    "stimulus": "What reaches cells without a synapse: ``net.drive(cells, nd.Kicks(...))``.",
    "wiring": "Who is connected to whom at the beginning: ``net.connect(a, b, nd.Degree(40))``.",
    "intervention": "What an experimenter does in the middle of a run: ``sim.at(time, nd.Silence(a))``.",
    "method": "Published ways to prune and grow while learning: ``Trainer(..., methods=[nd.methods.NDSNN(0.9)])``.",
    "layer": "What trained networks are made of, from ``neurodev.learn``.",
    "surrogate": "What stands for the slope of a spike.",
    "loss": 'What training makes small: ``Trainer(..., loss="rate_mse")``.',
}


def pages(to: Path) -> set[Path]:
    """All pages that `write` makes."""
    found = {to / f"{kind.replace(' ', '_')}.rst" for kind in registry.OURS}
    return found | {
        to / kind.replace(" ", "_") / f"{name}.rst" for kind in registry.OURS for name in registry.ours(kind)
    }


def write(to: Path) -> None:
    """Write all pages into the folder `to`; pictures that are younger than the package stay."""
    pictures = to / "pictures"
    newest = max(p.stat().st_mtime for p in (ROOT / "neurodev").rglob("*.py"))
    for old in to.glob("*/*.rst"):
        old.unlink()
    if pictures.is_dir() and any(p.stat().st_mtime < newest for p in pictures.glob("*.png")):
        shutil.rmtree(pictures)
    pictures.mkdir(parents=True, exist_ok=True)
    uses = _texts()
    kinds = [*ABOUT, *(k for k in registry.OURS if k not in ABOUT)]
    for kind in kinds:
        _kind(kind, to, pictures, uses)


def _kind(kind: str, to: Path, pictures: Path, uses: dict[str, str]) -> None:
    parts = registry.ours(kind)
    folder = to / kind.replace(" ", "_")
    folder.mkdir(exist_ok=True)
    for name, part in parts.items():
        (folder / f"{name}.rst").write_text(page(kind, name, part, pictures, uses), encoding="utf-8")
    heading = show.group(kind).capitalize()
    rows = [[f":doc:`{name} <{folder.name}/{name}>`", show.first_line(part)] for name, part in parts.items()]
    lines = [*_title(heading), ABOUT.get(kind, ""), "", *_table(["name", "what it is"], rows, (20, 80)), "",
             ".. toctree::", "   :hidden:", "", *(f"   {folder.name}/{name}" for name in parts)]  # fmt: skip
    (to / f"{folder.name}.rst").write_text("\n".join(lines) + "\n", encoding="utf-8")


def page(kind: str, name: str, part: Any, pictures: Path, uses: dict[str, str]) -> str:
    """One part: sentence, equation, what it owns, parameters, its curve beside theory, where it is used."""
    from numpydoc.docscrape import NumpyDocString  # which tests of links do without

    said = NumpyDocString(inspect.getdoc(part) or "")
    lines = _title(name)
    lines += [" ".join(said["Summary"]), "", *said["Extended Summary"], ""]
    equation, source = show.said_of(part)
    if equation:
        lines += [*_title("Equation", "-"), "::", "", *(f"    {piece.strip()}" for piece in equation.split(";  ")), ""]
    lines += _facts(part, source)
    lines += _parameters(part, said)
    lines += _alone(name, part, pictures)
    lines += _from_its_file(part)
    lines += _used(name, uses)
    where = _public(part)
    if where:
        lines += ["Its docstring: " + f":py:obj:`{where}`.", ""]
    return "\n".join(lines) + "\n"


def _title(text: str, mark: str = "=") -> list[str]:
    return [text, mark * len(text), ""]


def _table(head: list[str], rows: list[list[str]], widths: tuple[int, ...]) -> list[str]:
    """A list-table; texts of one line."""
    out = [".. list-table::", "   :header-rows: 1", f"   :widths: {' '.join(map(str, widths))}", ""]
    for row in (head, *rows):
        for k, cell in enumerate(row):
            out.append(f"   {'* -' if k == 0 else '  -'} {' '.join(cell.split())}".rstrip())
    return out


def _facts(part: Any, source: str) -> list[str]:
    """What it is used on, which columns it owns, adds to and reads, its causes, and who says so."""
    facts: list[tuple[str, str]] = []
    if hasattr(part, "level"):
        facts.append(("Used on", "a projection" if part.level == "synapse" else "a population"))
    for word in ("owns", "adds", "reads"):
        if columns := getattr(part, word, ()):
            facts.append((word.capitalize(), ", ".join(f"``{c}``" for c in columns)))
    if causes := getattr(part, "causes", {}):
        told = [
            f"``{word}`` ({cause.sentence})" if hasattr(cause, "sentence") else f"``{word}``"
            for word, cause in causes.items()
        ]
        facts.append(("Causes in the log", "; ".join(told)))
    if getattr(part, "level", "") == "synapse":
        has = "its share of the synapses, with ``split=True``" if part.reach == "target" else "all synapses"
        facts.append(("Over ranks", f"each has {has}"))
    if source:
        facts.append(("Source", source))
    return [*(f":{what}: {text}" for what, text in facts), ""] if facts else []


def _parameters(part: Any, said: Any) -> list[str]:
    """Declared parameters with default, range, clock and source; or those of the docstring."""
    meaning = {n.strip(): " ".join(p.desc) for p in said["Parameters"] for n in p.name.split(",")}
    if show.has_parameters(part):
        rows = []
        for info in params.describe(part):
            value = show.number(getattr(part, info.name, "to give"), info.unit, info.clock)
            rows.append([f"``{info.name}``", value, info.clock or "", meaning.get(info.name, ""), info.source])
        rows += [[f"``{n}``", value, "", told, ""] for n, (value, told) in show.undeclared(part).items()]
        head, widths = ["parameter", "default", "clock", "what it is", "source"], (18, 12, 8, 37, 25)
        if not any(row[2] for row in rows):  # nothing here has a time
            head, widths, rows = [*head[:2], *head[3:]], (18, 12, 40, 30), [[*r[:2], *r[3:]] for r in rows]
        return [*_title("Parameters", "-"), *_table(head, rows, widths), ""]
    rows = [[f"``{p.name}``", p.type.replace("`", ""), " ".join(p.desc)] for p in said["Parameters"]]
    return (
        [*_title("Parameters", "-"), *_table(["parameter", "type", "what it is"], rows, (22, 28, 50)), ""]
        if rows
        else []
    )


def _alone(name: str, part: Any, pictures: Path) -> list[str]:
    """Its own code, run alone, beside the closed form or the experiment."""
    if not isinstance(part, type) or protocol_of(part) is None:
        return []
    try:
        found = isolate(part)
    except (TypeError, ParameterError):  # it has no default: a list of spikes, a tree
        return []
    if not found.panels:
        return []
    picture = pictures / f"{part.__module__.split('.')[1]}_{name}.png"
    if not picture.is_file():
        found.plot().savefig(picture, dpi=100)
    about = str(found).splitlines()
    beside = any("largest deviation" in line for line in about)
    question = f"{found.question[0].upper()}{found.question[1:]}."
    return [*_title("Alone, beside its theory" if beside else "Alone", "-"), question, "",
            f".. image:: /models/made/pictures/{picture.name}", f"   :alt: {name} alone, beside its theory", "",
            "::", "", *(f"    {line}".rstrip() for line in about[1:]), ""]  # fmt: skip


def _from_its_file(part: Any) -> list[str]:
    """What the file says of itself, where it is about few parts."""
    module = inspect.getmodule(part)
    about = inspect.getdoc(module) or ""
    mine = [v for v in vars(module).values() if getattr(v, "__module__", "") == module.__name__ and registry.kind_of(v)]
    if len(about.splitlines()) < 3 or len(mine) > 3:
        return []
    return [*_title("From its file", "-"), "::", "", *(f"    {line}".rstrip() for line in about.splitlines()), ""]


def _texts() -> dict[str, str]:
    """Examples, studies and analyses, in which a name may be used: words for a link -> text."""
    found = {}
    for folder, pattern in (
        ("examples", "*.py"),
        ("examples/studies", "*.toml"),
        ("neurodev/studies", "*.toml"),
        ("analysis", "*.py"),
    ):
        for path in sorted((ROOT / folder).glob(pattern)):
            text = path.read_text(encoding="utf-8")
            if folder == "examples":
                found[f":doc:`/gallery/{path.stem}`"] = text
            else:
                found[f"``{path.relative_to(ROOT).as_posix()}``"] = text
    return found


def _used(name: str, uses: dict[str, str]) -> list[str]:
    word = re.compile(rf"\b{re.escape(name)}\(|kind = \"{re.escape(name)}\"|\.{re.escape(name)}\]")
    where = [link for link, text in uses.items() if word.search(text)]
    if not where:
        return []
    shown = where if len(where) <= 12 else [*where[:12], f"and {len(where) - 12} more"]
    return [*_title("Where it is used", "-"), ", ".join(shown) + ".", ""]


def _public(part: Any) -> str:
    """The name under which it stands in the reference."""
    word = getattr(part, "__name__", "")
    for room in ("", "learn", "methods", "data", "plot"):
        home = getattr(nd, room) if room else nd
        if word in getattr(home, "__all__", ()) and getattr(home, word) is part:
            return f"neurodev.{room}.{word}" if room else f"neurodev.{word}"
    return ""

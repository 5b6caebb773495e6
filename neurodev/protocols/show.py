"""The words of `neurodev show`: what a mechanism or model is, its parameters and where they come from."""

from __future__ import annotations

import inspect
import re
from collections.abc import Container, Mapping
from dataclasses import is_dataclass
from textwrap import wrap
from typing import Any

from neurodev import params, registry
from neurodev.learn.training.combined import DEAD, DECISIONS, why_not
from neurodev.learn.training.method import Method
from neurodev.mechanisms.presets import Preset
from neurodev.protocols.trainable import EQUATIONS
from neurodev.units import day, hour, minute

WIDTH = 118


def first_line(cls: Any) -> str:
    """The first sentence of a class's or function's docstring."""
    return (inspect.getdoc(cls) or "").split("\n")[0]


def index(groups: Mapping[str, Mapping[str, Any]]) -> str:
    """All names, by group, each with its sentence."""
    lines = []
    for group, members in groups.items():
        lines.append(f"{group}:")
        width = max((len(n) for n in members), default=0)
        lines += [f"  {name:<{width}}  {first_line(cls)}" for name, cls in sorted(members.items())]
    lines.append("neurodev show NAME, or module:name: equation, parameters, sources, and the curve beside its theory")
    return "\n".join(lines)


def number(value: Any, unit: str, clock: str | None) -> str:
    """A value with its unit, in days, hours or minutes where that reads better."""
    if value is None:
        return "not set"
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, (int, float)):
        if unit == "ms" and clock == "life":
            for size, word in ((day, "day"), (hour, "h"), (minute, "min")):
                if value >= size:
                    return f"{value / size:g} {word}"
        return f"{value:g}" if unit == "1" else f"{value:g} {unit}"
    return str(value)


def _range(info: params.ParameterInfo) -> str:
    if info.low is None and info.high is None:
        return ""
    low, high = ("" if b is None or b == float("inf") else f"{b:g}" for b in (info.low, info.high))
    return f"{low}..{high}"


def meanings(cls: Any) -> dict[str, str]:
    """What the docstring says of each parameter, by name, on one line."""
    said = re.split(r"^Parameters\n-+\n", inspect.getdoc(cls) or "", flags=re.MULTILINE)
    body = re.split(r"^\w[\w ]*\n-{3,}$", said[1], flags=re.MULTILINE)[0] if len(said) > 1 else ""
    out: dict[str, str] = {}
    for part in re.split(r"^(?=\S)", body, flags=re.MULTILINE):
        head, _, text = part.partition("\n")
        names, _, kind = head.partition(" : ")
        told = " ".join(text.split()) or kind.strip()
        out |= {name.strip(" `*"): told for name in names.split(",") if name.strip()}
    return out


def undeclared(cls: Any) -> dict[str, tuple[str, str]]:
    """Keywords that a part takes beside its declared parameters: default and meaning of each, by name."""
    declared = {info.name for info in params.describe(cls)}
    said, found = meanings(cls), inspect.signature(cls).parameters
    out = {}
    for name in registry.keywords(cls)[0]:
        if name not in declared:
            given = found[name].default if name in found else None
            default = "to give" if given is inspect.Parameter.empty else number(given, "1", None)
            out[name] = (default, said.get(name, ""))
    return out


def table(obj: Any) -> str:
    """Parameters of an instance (or of a class): value, unit, clock, range and source, one a line."""
    rows = [("parameter", "value", "clock", "range", "source")]
    for info in params.describe(obj) if is_dataclass(obj) else ():
        value = number(getattr(obj, info.name, "to give"), info.unit, info.clock)
        rows.append((info.name, value, info.clock or "", _range(info), info.source))
    kind = obj if isinstance(obj, type) else type(obj)
    for name, (default, meaning) in undeclared(kind).items() if is_dataclass(kind) else ():
        value = default if obj is kind else number(getattr(obj, name, None), "1", None)
        rows.append((name, " ".join(value.split())[:40], "", "", meaning))
    width = [max(len(r[k]) for r in rows) for k in range(4)]
    lines = []
    for r in rows:
        head = "  ".join(r[k].ljust(width[k]) for k in range(4))
        parts = wrap(r[4], max(WIDTH - len(head) - 4, 24)) or [""]
        lines.append(f"  {head}  {parts[0]}".rstrip())
        lines += [" " * (len(head) + 4) + p for p in parts[1:]]
    return "\n".join(lines)


def _between(low: float, high: float) -> str:
    return f"{low:g} to {high:g}" if high < float("inf") else f"above {low:g}"


def preset(given: Preset) -> str:
    """A preset: its mechanisms, the numbers it sets with their sources, and what it must give."""
    lines = [f"{given.name}: {given.sentence}"]
    for m in given:
        lines.append(f"  {m.name}: {first_line(type(m))}")
        rows = [(i.name, number(getattr(m, i.name), i.unit, i.clock), given.sources.get(f"{m.name}.{i.name}", ""))
                for i in params.describe(m)]  # fmt: skip
        rows = [r for r in rows if r[2]]
        width = [max(len(r[k]) for r in rows) for k in (0, 1)]
        for name, value, source in rows:
            head = f"    {name:<{width[0]}}  {value:<{width[1]}}  "
            lines += wrap(source, WIDTH, initial_indent=head, subsequent_indent=" " * len(head))
    if given.bands:
        lines.append("  must give")
        width = [max(len(b.name) for b in given.bands)]
        lines += [f"    {b.name:<{width[0]}}  {_between(b.low, b.high)}  ({b.source})" for b in given.bands]
    where = "population" if given.mechanisms[0].level == "neuron" else "projection"
    lines.append(f"  use it     {where}.use(*nd.presets.{given.name}(...))")
    return "\n".join(lines)


def has_parameters(cls: Any) -> bool:
    """Whether a class declares parameters with units, as mechanisms and models do."""
    return is_dataclass(cls) and bool(params.describe(cls))


def group(kind: str) -> str:
    """The heading of a kind: ``"growth curves"``."""
    return {"stimulus": "stimuli", "weights": "weights"}.get(kind, f"{kind}es" if kind.endswith("s") else f"{kind}s")


def said_of(thing: Any) -> tuple[str, str]:
    """Equation and source of a class or function: its own, or for one of ours that of the table."""
    own = getattr(thing, "equation", "")
    if own:
        return own, getattr(thing, "source", "")
    kind = registry.kind_of(thing)
    ours = kind is not None and registry.ours(kind).get(thing.__name__) is thing
    return EQUATIONS.get((str(kind), thing.__name__), ("", "")) if ours else ("", "")


def method(one: Method) -> list[str]:
    """What a method decides, with which of ours it gets on as they are by default, and its causes."""
    lines = []
    if one.decides:
        lines.append("  decides    " + ", ".join(DECISIONS.get(word, word) for word in one.decides))
    friends = [n for n, cls in sorted(registry.ours("method").items())
               if type(one) is not cls and why_not(one, cls()) is None]  # fmt: skip
    lines += wrap("gets on with " + (", ".join(friends) or "no other of ours as it is by default"), WIDTH,
                  initial_indent="  together   ", subsequent_indent=" " * 13)  # fmt: skip
    lines.append(f"  absent     synapses {DEAD[one.dead]}")
    if one.causes:
        lines.append("  causes     " + ", ".join(one.causes))
    return lines


def signature(thing: Any) -> str:
    """What has no declared parameters (a layer, a loss): its call, and what its docstring says first."""
    lines = [f"{thing.__name__}: {first_line(thing)}"]
    try:
        found = inspect.signature(thing)
    except ValueError:  # an error, or another class of Python's own form
        found = inspect.Signature()
    call = re.sub(r"(: |-> )'([^']*)'", r"\1\2", f"{thing.__name__}{found}").removesuffix(" -> None")
    call = re.sub(r"\((self|cls)(, |(?=\)))", "(", call)
    lines += wrap(call, WIDTH, initial_indent="  call       ", subsequent_indent=" " * 13)
    equation, source = said_of(thing)
    if equation:
        lines[1:1] = wrap(equation, WIDTH, initial_indent="  equation   ", subsequent_indent=" " * 13)
    if source:
        lines.append(f"  source     {source}")
    said = inspect.cleandoc(inspect.getdoc(thing) or "").split("\n")[1:]
    for k, line in enumerate(said):  # up to the end of the section of parameters, or of the prose before any section
        heads = said[k + 1 : k + 2] and set(said[k + 1]) == {"-"}
        if heads and line != "Parameters":
            break
        lines.append(f"  {line}".rstrip())
    while not lines[-1]:
        lines.pop()
    return "\n".join(lines)


def members(cls: type, told: Container[type] = ()) -> dict[str, Any]:
    """What a class can do, by name: public functions and properties with a docstring, those of our bases included.

    Parameters
    ----------
    cls : type
    told : container of type
        Bases that are left out.
    """
    out: dict[str, Any] = {}
    for base in cls.__mro__:
        if base in told or not registry.is_ours(base):
            continue
        for name, member in vars(base).items():
            bare = member.__func__ if isinstance(member, (classmethod, staticmethod)) else member
            seen = isinstance(bare, property) or hasattr(bare, "func")  # cached ones have a function
            if name[0] == "_" or name in out or not (seen or inspect.isfunction(bare)):
                continue
            found = member if seen else getattr(cls, name)
            if inspect.getdoc(found):
                out[name] = found
    return out


def called(thing: Any) -> str:
    """How a function is called, without types: ``"run(duration=None)"``; the name alone of what is none."""
    found = inspect.signature(thing)
    plain = [p.replace(annotation=p.empty) for p in found.parameters.values() if p.name not in ("self", "cls")]
    return f"{thing.__name__}{found.replace(parameters=plain, return_annotation=found.empty)}"


def public(thing: Any) -> str:
    """A public name that is no part of a network: its call, its docstring, and of a class or a room what is in it."""
    if inspect.ismodule(thing):
        mine = [n for n, v in vars(thing).items() if n[0] != "_" and getattr(v, "__module__", "") == thing.__name__]
        inside = {n: getattr(thing, n) for n in getattr(thing, "__all__", mine)}
        listed = index({thing.__name__: {n: v for n, v in inside.items() if callable(v)}}).rpartition("\n")[0]
        numbers = [f"{n} = {v:g}" for n, v in vars(thing).items() if n[0] != "_" and type(v) in (int, float)]
        return "\n".join([f"{inspect.getdoc(thing)}\n", listed, *wrap(", ".join(numbers), WIDTH)])
    if not callable(thing):
        return inspect.cleandoc(inspect.getdoc(thing) or "")
    lines = [describe(thing)]
    for name, member in members(thing).items() if isinstance(thing, type) else ():
        lines += wrap(f".{called(member) if callable(member) else name}", WIDTH, initial_indent="  ",
                      subsequent_indent=" " * 6)  # fmt: skip
        lines += wrap(first_line(member), WIDTH, initial_indent=" " * 6, subsequent_indent=" " * 6)
    return "\n".join(lines)


def describe(obj: Any) -> str:
    """Everything but the curve: sentence, equation, columns and parameters of an instance or a class."""
    if isinstance(obj, Preset):
        return preset(obj)
    cls = obj if isinstance(obj, type) or inspect.isfunction(obj) else type(obj)
    if not has_parameters(cls) and not hasattr(cls, "level"):
        return signature(cls)
    lines = [f"{cls.__name__}: {first_line(cls)}"]
    equation, source = said_of(cls)
    if equation:
        lines += wrap(equation, WIDTH, initial_indent="  equation   ", subsequent_indent=" " * 13)
    if source:
        lines.append(f"  source     {source}")
    if isinstance(obj, Method):
        lines += method(obj)
    if hasattr(cls, "level"):
        lines.append(f"  used on    {'a projection' if cls.level == 'synapse' else 'a population'}")
    for word in ("owns", "adds", "reads"):
        columns = getattr(cls, word, ())
        if columns:
            lines.append(f"  {word:<9}  {', '.join(columns)}")
    lines.append(table(obj))
    if obj is not cls and hasattr(
        obj, "constants"
    ):  # what the rule really uses, its own defaults and closed forms filled in
        lines.append("  uses  " + ", ".join(f"{k} = {v:.6g}" for k, v in obj.constants().items()))
    return "\n".join(lines)

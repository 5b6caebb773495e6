"""Looks at the source of a hook before it is compiled: what it asks for by number must be there.

A compiled hook views memory without bounds, so that a number that is one too large reads what lies behind an array.
Most such slips stand in the source as a constant: the third of two columns, a form with a field too many.
What is reckoned as the hook runs, or asked for on a condition, cannot be judged here; ``make bounds`` sees it.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable, Iterator
from typing import Any

from neurodev.errors import BuildError
from neurodev.mechanisms.base import Hot

# of each door of `mechanisms/hooks.py`: the name of its argument that counts something, and what it counts
_COUNTED = {
    "kind_of": ("k", "kinds"),
    "column_of": ("k", "columns"),
    "signal_of": ("k", "columns"),
    "pre_traces_of": ("trace", "pre_traces"),
    "post_traces_of": ("trace", "post_traces"),
    "growth": ("trace", "traces"),
    "raise_pre": ("trace", "pre_traces"),
    "raise_post": ("trace", "post_traces"),
    "pre_value": ("trace", "pre_traces"),
    "post_value": ("trace", "post_traces"),
    "change_row": ("trace", "post_traces"),
    "change_inputs": ("trace", "pre_traces"),
}
_FORMED = {"parameters_of": "parameters", "kind_of": "kinds"}
_DOORS = "neurodev.mechanisms.hooks"


def check_hooks(who: str, hot: Hot) -> None:
    """Refuse hooks that ask for a column, signal, trace or parameter that `hot` does not name.

    Parameters
    ----------
    who : str
        The mechanism, for messages.
    hot : Hot

    Raises
    ------
    BuildError
        Naming the hook, what it asks for, and how many there are.
    """
    there = {
        "columns": len(hot.columns), "kinds": len(hot.kinds), "pre_traces": len(hot.pre_traces),
        "post_traces": len(hot.post_traces), "traces": len(hot.pre_traces) + len(hot.post_traces),
    }  # fmt: skip
    width = {"parameters": len(hot.parameters), "kinds": min((len(k) for k in hot.kinds), default=0)}
    for name in ("on_pre", "on_post", "catch_up", "on_release"):
        hook = getattr(hot, name)
        if hook is None:
            continue
        for door, given in _calls(hook, set()):
            counted = _COUNTED.get(door)
            k = given.get(counted[0]) if counted else None
            if counted and isinstance(k, int) and not 0 <= k < there[counted[1]]:
                raise BuildError(
                    f"{name} of {who} asks {door} for number {k}, but its Hot names {there[counted[1]]} "
                    f"{counted[1].replace('_', ' ')}; name what the hook needs in Hot, or count from 0"
                )
            fields = getattr(given.get("form"), "_fields", None)
            if fields is not None and door in _FORMED and len(fields) > width[_FORMED[door]]:
                raise BuildError(
                    f"{name} of {who} reads {len(fields)} fields by {door}(record, {given['form'].__name__}), but its "
                    f"Hot.{_FORMED[door]} hold {width[_FORMED[door]]}; give Hot an instance of {given['form'].__name__}"
                )


def _plain(function: Any) -> Callable[..., Any] | None:
    """The Python function behind a hook, a rule or a kernel."""
    function = getattr(function, "py_func", function)
    return inspect.unwrap(function) if inspect.isroutine(function) else None


def _calls(hook: Any, seen: set[Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The doors that a hook, or what it calls, opens in any case, each with those arguments that are known."""
    plain = _plain(hook)
    if plain is None or plain in seen:
        return
    seen.add(plain)
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(plain)))
    except (OSError, TypeError, SyntaxError):
        return  # typed at a prompt
    if not isinstance(tree.body[0], ast.FunctionDef):
        return
    known = {**plain.__globals__, **inspect.getclosurevars(plain).nonlocals}
    code = plain.__code__
    for local in (*code.co_varnames, *code.co_cellvars):
        known.pop(local, None)
    for call in (node for part in _certain(tree.body[0].body) for node in ast.walk(part) if isinstance(node, ast.Call)):
        called = _plain(_value(call.func, known))
        if called is None:
            continue
        if called.__module__ == _DOORS and called.__name__ in (_COUNTED | _FORMED):
            places = dict(zip(inspect.signature(called).parameters, call.args, strict=False))
            places |= {word.arg: word.value for word in call.keywords if word.arg}
            yield called.__name__, {name: _value(node, known) for name, node in places.items()}
        elif called.__module__.partition(".")[0] not in ("numpy", "math", "builtins") and called.__module__ != _DOORS:
            yield from _calls(called, seen)


def _certain(body: list[ast.stmt]) -> Iterator[ast.AST]:
    """The parts of a function that run in any case, up to the first condition under which it ends."""
    for statement in body:
        if isinstance(statement, ast.If | ast.While | ast.Try):
            yield from [statement.test] if not isinstance(statement, ast.Try) else []
            if any(isinstance(node, ast.Return) for node in ast.walk(statement)):
                return
        elif isinstance(statement, ast.For):
            yield statement.iter
            yield from _certain(statement.body)
        elif not any(isinstance(node, ast.IfExp | ast.BoolOp) for node in ast.walk(statement)):
            yield statement


def _value(node: ast.expr, known: dict[str, Any]) -> Any:
    """What an expression is, where a name, an attribute or a constant says it."""
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub) and isinstance(node.operand, ast.Constant):
        return -node.operand.value if isinstance(node.operand.value, int) else None
    if isinstance(node, ast.Name):
        return known.get(node.id)
    if isinstance(node, ast.Attribute):
        return getattr(_value(node.value, known), node.attr, None)
    return None

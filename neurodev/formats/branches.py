"""Graphs of NIR as chains that may fork in two and meet again, which is how residual nets lie in them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from neurodev.errors import ParameterError


@dataclass
class Fork:
    """Two ways from a node to where they meet again, lists as `parts` gives them; an empty one is the edge alone."""

    at: str
    ways: list[list[Any]]


def parts(nir: Any, graph: Any) -> list[Any]:
    """Names of nodes from the input to the output, with a `Fork` where there are two ways.

    Raises
    ------
    ParameterError
        For a graph that loops, or branches otherwise.
    """
    edges = list(dict.fromkeys((str(a), str(b)) for a, b in graph.edges))
    ends = {kind: [n for n, node in graph.nodes.items() if isinstance(node, kind)] for kind in (nir.Input, nir.Output)}
    if len(ends[nir.Input]) != 1 or len(ends[nir.Output]) != 1:
        raise ParameterError(f"graph must have one input and one output, got {[*ends.values()]}")
    after: dict[str, list[str]] = {}
    before: dict[str, list[str]] = {}
    for a, b in edges:
        after.setdefault(a, []).append(b)
        before.setdefault(b, []).append(a)
    seen: set[str] = set()
    chain, met = _walk(ends[nir.Input][0], ends[nir.Output][0], after, before, seen)
    if met is not None:
        raise _strange(met)
    if left := sorted(set(graph.nodes) - seen):
        raise ParameterError(f"graph: {left} do not lie between its input and its output")
    return chain


def _strange(at: str) -> ParameterError:
    return ParameterError(
        f"graph branches or loops at {at!r}: a model here is a chain from input to output, of which two ways may part "
        "and meet again, as in a Residual"
    )


def _walk(
    here: str, last: str, after: dict[str, list[str]], before: dict[str, list[str]], seen: set[str]
) -> tuple[list[Any], str | None]:
    """Nodes from one on to the last, or to where another way comes in: that node then is told."""
    chain: list[Any] = []
    while True:
        if here in seen:
            raise _strange(here)
        seen.add(here)
        chain.append(here)
        if here == last:
            return chain, None
        following = after.get(here, [])
        if not following:
            raise ParameterError(f"graph ends at {here!r}: a model here is a chain from input to output")
        if len(following) > 2:
            raise _strange(here)
        if len(following) == 1:
            if len(before[following[0]]) > 1:
                return chain, following[0]
            here = following[0]
            continue
        ways: list[list[Any]] = []
        meet: list[str | None] = []
        for step in following:
            way, met = ([], step) if len(before[step]) > 1 else _walk(step, last, after, before, seen)
            ways.append(way)
            meet.append(met)
        if meet[0] is None or meet[0] != meet[1] or len(before[meet[0]]) != 2:
            raise _strange(here)
        chain.append(Fork(here, ways))
        here = meet[0]

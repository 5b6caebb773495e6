"""Who is connected to whom?  Degrees, reciprocity, clustering, motifs, groups and small worlds, at first and at last.

    python -m analysis.topology SOURCE [SOURCE ...] [--nulls 20] [--to topology.png]

A column for each graph: the first and the last time that was looked at, and of a run each projection.  Reciprocity and
what comes after it are asked where sources and targets are of one population.  Motifs, rich club, modularity and the
small world need networkx (``pip install 'neurodev[graphs]'``) and are left out without it; nulls are graphs of the
same degrees.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from typing import Any, NamedTuple

import numpy as np

from analysis import common, source
from neurodev import plot
from neurodev.errors import ParameterError
from neurodev.metrics import graphs, topology

NAN = float("nan")
MOST_EDGES = 20000
"""Beyond these, what networkx computes takes minutes: it is left out, and told."""
WITHIN = ("reciprocity", "clustering")
BY_NETWORKX = ("modularity", "groups", "small world", "rich club", "loops 030T", "cycles 030C")


class Graph(NamedTuple):
    """Who is connected to whom at a time: indices (n_synapse,) each."""

    name: str
    pre: np.ndarray
    post: np.ndarray
    n_pre: int
    n_post: int
    within: bool  # whether both are of one population


def parts(s: source.Source) -> Iterator[tuple[str, Any, bool]]:
    """Histories of one projection each, and whether it lies within one population."""
    h = s.history
    for name, part in (h.by("projection") if "projection" in h.columns else {"": h}).items():
        if s.run is not None:
            q = s.run.projection(name)
            within = q["source"] == q["target"]
        else:  # cells with names are of one population if some are on both sides
            pre, post = part.column("pre"), part.column("post")
            within = pre.dtype.kind == "U" and bool(np.isin(pre, post).any())
        yield f"{s.name}: {name}" if name and h.title.find(name) < 0 else s.name, part, within


def seen(s: source.Source) -> list[Graph]:
    """The graphs of its first and last time.

    Raises
    ------
    ParameterError
        If nobody knows who is connected.
    """
    if not {"pre", "post"} <= set(s.history.columns):
        raise ParameterError(f"{s.name}: no columns pre and post: nobody knows who is connected to whom")
    out = []
    for name, h, within in parts(s):
        names = [h.column("pre"), h.column("post")]
        known = [np.unique(np.concatenate(names))] * 2 if within else [np.unique(x) for x in names]
        at = h.sessions if h.sessions.size else np.array([h.start, h.end])
        for k in sorted({0, at.size - 1}):
            here = h.present()[:, k] if h.sessions.size and s.run is None else h.alive(at[k])
            i, j = (np.searchsorted(a, x[here]) for a, x in zip(known, names, strict=True))
            out.append(Graph(f"{name}, {h.unit} {at[k]:g}", i, j, known[0].size, known[1].size, within))
    return out


def numbers(g: Graph, nulls: int = 20, seed: int = 1) -> dict[str, float]:
    """All that a graph is asked; NaN where it has no sense, or networkx is not there."""
    made, received = topology.degrees(g.pre, g.post, g.n_pre, g.n_post)
    pairs = topology.contacts_per_pair(g.pre, g.post, g.n_post)
    out = {
        "connections": g.pre.size, "density": topology.connection_density(g.pre, g.post, g.n_pre, g.n_post),
        "out, mean": made.mean(), "sd": made.std(), "in, mean": received.mean(), "sd ": received.std(),
        "contacts a pair": g.pre.size / max(pairs.sum(), 1),
    }  # fmt: skip
    out |= dict.fromkeys((*WITHIN, *BY_NETWORKX), NAN)
    if not g.within or not g.pre.size:
        return out
    n = g.n_pre
    out["reciprocity"] = topology.reciprocity(g.pre, g.post, n)
    out["clustering"] = float(np.nanmean(topology.clustering(g.pre, g.post, n)))
    if find_spec("networkx") is None or g.pre.size > MOST_EDGES:
        return out
    found = graphs.communities(g.pre, g.post, n, seed=seed)
    out["modularity"], out["groups"] = found.modularity, int(np.sum(np.bincount(found.label) > 1))
    out["small world"] = graphs.small_world(g.pre, g.post, n, nulls, seed).sigma
    k, club = graphs.rich_club(g.pre, g.post, n, nulls, seed)
    rich = np.flatnonzero(np.isfinite(club) & (k >= np.quantile(k, 0.8)))
    out["rich club"] = float(club[rich].mean()) if rich.size else NAN
    census = graphs.motifs(g.pre, g.post, n)
    return out | {"loops 030T": census["030T"], "cycles 030C": census["030C"]}


def left_out(found: Sequence[Graph]) -> list[str]:
    """Lines that say what was not asked, and why."""
    said = []
    if any(not g.within for g in found):
        said.append(f"{', '.join((*WITHIN, *BY_NETWORKX))}: only of connections within one population")
    if any(g.within for g in found) and find_spec("networkx") is None:
        said.append(f"{', '.join(BY_NETWORKX)}: networkx is not installed (pip install 'neurodev[graphs]')")
    elif any(g.within and g.pre.size > MOST_EDGES for g in found):
        said.append(f"{', '.join(BY_NETWORKX)}: of at most {MOST_EDGES:,} synapses")
    return [f"left out: {line}" for line in said]


def sentence(first: dict[str, float], last: dict[str, float]) -> str:
    """What became of a graph."""
    pieces = [f"{first['connections']:,} connections became {last['connections']:,}"]
    for word in ("density", "reciprocity", "clustering", "modularity", "small world"):
        a, b = first[word], last[word]
        if np.isfinite(a) and np.isfinite(b):
            pieces.append(f"{word} {a:.2g} became {b:.2g}")
    return "; ".join(pieces)


def figure(found: Sequence[source.Source]) -> Any:
    """Degrees at first and at last, how they came about, and motifs over time (or who is connected at the end)."""

    def connected(s: source.Source, ax: Any) -> Any:
        if find_spec("networkx") is not None and all(g.within and g.pre.size <= MOST_EDGES for g in seen(s)):
            try:
                return plot.motifs(s.history, ax)
            except ParameterError:  # too many triples to count at all times
                pass
        return plot.matrix(next(parts(s))[1], ax)  # of several projections the first

    draws = [lambda s, ax: plot.degrees(s.history, ax), lambda s, ax: plot.degree_evolution(s.history, ax), connected]
    return source.pictures(found, draws)


def main(argv: Sequence[str] | None = None) -> None:
    """Tell, and draw."""
    args, found = source.asked(
        __doc__, "topology.png", argv,
        lambda p: p.add_argument("--nulls", type=int, default=20, help="graphs of the same degrees (default: 20)"),
    )  # fmt: skip
    for s in found:
        each = seen(s)
        asked = [numbers(g, args.nulls) for g in each]
        words = [w for w in asked[0] if any(np.isfinite(a[w]) for a in asked)]
        print(common.table(["", *[g.name for g in each]], [[w, *[a[w] for a in asked]] for w in words]))
        print("\n".join(left_out(each)))
        ends = [(each[k].name.rpartition(",")[0], asked[k], asked[k + 1]) for k in range(0, len(each) - 1, 2)]
        for name, first, last in ends:
            print(f"\n{name}: {sentence(first, last)}.")
    common.save(figure(found), args.to)


if __name__ == "__main__":
    raise SystemExit(common.run(main))

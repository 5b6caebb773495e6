"""Beds of the walk past every door (`tests.test_walk`) for readers of tables."""

from __future__ import annotations

from typing import Any

import numpy as np

import neurodev as nd
from tests.walk import Bed, Beds
from tests.walked import WORDS


def table_beds(w: Any) -> Beds:
    """Readers of tables: names of columns that a table has not are refused."""
    path = w.folder / "table.csv"
    path.write_text("id,session,size,there,x,y,z,on\na,0,1.5,1,0,0,0,d\na,4,2.5,1,0,0,0,d\nb,4,1,1,5,5,0,d\n")
    edges, counts = w.folder / "edges.csv", w.folder / "counts.csv"
    edges.write_text("pre,post,age,n\na,b,0,1\na,c,4,2\n")
    counts.write_text("dendrite,session,total,gained,lost\na,0,10,,\na,4,11,2,1\n")
    text = WORDS | {"None"}
    none = {"None"}
    shared: dict[str, set[str]] = {
        "id": none, "cell": none, "dendrite": none, "position": none, "fill": none, "days": none, "ages": none,
        "session": none, "age": none, "looked": none, "na": text | {"empty"}, "not_looked": text | {"empty"},
        "path": set(), "preset": none, "sheet": none, "rates": none | {"True"},
        "header": {"None", "True"}, "scale": none | {"a fraction", "huge", "1e18"},
        "unit": text, "size_unit": text, "title": text,
    }  # fmt: skip
    sightings = {
        "path": path, "preset": None, "id": "id", "session": "session", "size": "size", "first": None, "last": None,
        "days": [0, 4], "cell": "on", "dendrite": "on", "position": ["x", "y", "z"], "place": "x", "present": "there",
        "looked": "there", "within": 1.0, "scale": 1.0, "twice": "refuse", "again": "same", "not_looked": "ni",
        "na": "?", "decimal": ".", "sheet": None, "header": True, "delimiter": ",", "fill": "on", "unit": "day",
        "size_unit": "V", "title": "t",
    }  # fmt: skip
    more: dict[str, Any] = {
        "na": "?", "decimal": ".", "sheet": None, "header": True, "delimiter": ",", "unit": "day", "title": "t",
    }  # fmt: skip
    return {
        "nd.read_sessions": Bed(lambda: nd.read_sessions, sightings, exact=shared),
        "nd.read_edges": Bed(
            lambda: nd.read_edges,
            {"path": edges, "preset": None, "pre": "pre", "post": "post", "age": "age", "size": "n", "ages": [0, 4],
             "sources": None, "fill": "pre", "again": "same", "size_unit": "n", **more}, exact=shared,
        ),
        "nd.read_counts": Bed(
            lambda: nd.read_counts,
            {"path": counts, "preset": None, "dendrite": "dendrite", "session": "session", "total": "total",
             "gained": "gained", "lost": "lost", "rates": False, "days": [0, 4], "fill": "dendrite", **more},
            exact=shared,
        ),
        "nd.Counts": Bed(
            lambda: nd.Counts,
            {"total": [[1.0, 2.0]], "sessions": [0, 4], "gained": [[np.nan, 1.0]], "lost": [[np.nan, 0.0]],
             "ident": ["a"], "columns": {"cell": ["c"]}, "unit": "day", "title": "t", "notes": ()},
            exact={"columns": {"None", "a table"}, "notes": {"empty"}},
        ),
        "nd.History": Bed(
            lambda: nd.History,
            {"born": [[0.0, 1.0]], "died": [[2.0, 3.0]], "end": 5.0, "ident": ["a"], "sessions": [1.0], "seen": None,
             "looked": [[True]], "columns": {"cell": ["c"]}, "unit": "day", "size_unit": "V", "title": "t",
             "notes": (), "causes": None},
            exact={**{k: shared[k] for k in ("unit", "size_unit", "title")}, "columns": {"None", "a table"},
                   "notes": {"empty"}, "looked": none, "seen": none, "causes": none, "ident": none},
        ),
        "Counts.of_history": Bed(lambda: nd.Counts.of_history, {"history": nd.read_sessions(path), "by": "on"}),
    }  # fmt: skip

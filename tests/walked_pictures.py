"""Beds of the walk past every door (`tests.test_walk`) for the pictures of histories."""

from __future__ import annotations

import inspect
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np

import neurodev as nd
from tests.walk import Bed, Beds

WORDS = {"a word", "no word", "a voltage", "a time", "a path"}
NONE = {"None"}
SOME = NONE | {"zero", "a fraction"}  # times at which it was watched
ANY = SOME | {"negative", "a negative whole", "1e18", "huge"}
TAKEN: dict[str, set[str]] = {
    **dict.fromkeys(("ax", "colours", "unit", "projection", "per", "by", "kind", "parts", "ages", "log_sizes", "chosen",
                     "quantity", "control"), NONE),
    **dict.fromkeys(("of", "method", "groups", "histories", "to", "frames", "rate", "dpi"), set()),
    **dict.fromkeys(("events", "standing", "fit", "overwrite"), {"True"}),
    "place": {"zero", "a fraction"}, "t": SOME, "at": SOME, "sessions": ANY, "most": {"1e18"}, "ident": {"zero"},
    "name": WORDS | NONE, "width": NONE | {"a fraction"}, "day": SOME | {"1e18", "huge"},
}  # fmt: skip


def lives() -> nd.History:
    """A few of them, with all columns."""
    made = np.random.default_rng(1)
    size = np.where(np.cumprod(made.random((30, 4)) < 0.8, axis=1).astype(bool), made.random((30, 4)) + 0.5, np.nan)
    size[::3, 0] = np.nan
    columns = {c: made.integers(0, 4, 30) for c in ("cell", "pre", "post")}
    return nd.History.of_sessions(size, [0.0, 4.0, 8.0, 12.0], columns=columns)


def pictures() -> dict[str, Any]:
    """Every picture by ``plot.module.name``; without networkx there are no motifs."""
    found = {f"{f.__module__.removeprefix('neurodev.')}.{name}": f for name in nd.plot.__all__
             if (f := getattr(nd.plot, name))}  # fmt: skip
    if find_spec("networkx") is None:
        del found["plot.connected.motifs"]
    return found


def modules() -> set[str]:
    """Modules that hold pictures."""
    return {f.__module__ for f in (getattr(nd.plot, name) for name in nd.plot.__all__)}


def picture_beds(w: Any) -> Beds:
    """Pictures of a history, and of the runs that some need."""
    history = lives()
    right: dict[str, Any] = {
        "of": history, "ident": history.ident[0], "histories": [history, history], "to": "film.gif",
        "frames": 2, "rate": 2, "dpi": 20, "overwrite": True, "by": "cell", "chosen": [1], "parts": None,
    }  # fmt: skip
    runs = {
        "plot.learned.layers": w.training,
        "plot.learned.accuracy_and_density": w.training,
        "plot.learned.maps": None,
    }
    beds: Beds = {}
    for name, f in pictures().items():
        import_module(f.__module__)
        taken = inspect.signature(f).parameters.values()
        given = {p.name: right[p.name] if p.name in right else p.default for p in taken}
        if name in runs:
            given["of"] = runs[name] or placed(w)
        exact = {p.name: TAKEN[p.name] for p in taken}
        if name == "plot.connected.motifs":
            exact["most"] = set()
        beds[name] = Bed(lambda f=f: f, given, told=f, exact=exact)
    return beds


def placed(w: Any) -> nd.Run:
    """A run that has a map."""
    net = nd.Network(seed=1, sheet=nd.Sheet(100, 100))
    a, b = net.add(nd.Poisson(20.0), 9, name="a"), net.add(nd.LIF(), 9, name="b")
    net.connect(a, b, nd.Near(sigma=80, inputs=3), spines=nd.Spines(), name="q").use(nd.SpineSize())
    return nd.simulate(
        net, 2 * 86400000.0, acceleration=1e6, to=w.folder / "placed.sqlite", overwrite=True, progress=False
    )

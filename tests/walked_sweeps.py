"""Beds of the walk past every door (`tests.test_walk`) for sweeps."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import numpy as np

import neurodev as nd
from neurodev.plot.sweeps import Course, Swept
from tests.walk import Bed, Beds

NONE = {"None"}
STUDY = """
seed = 3
[population.a]
kind = "Poisson"
n = 4
[population.b]
kind = "LIF"
n = 4
[projection.q]
source = "a"
target = "b"
wiring = { kind = "OneToOne" }
spines = { weight = 6.0 }
use = [{ kind = "SpineSize" }]
[run]
duration = "4 hour"
acceleration = 1e6
"""


def swept() -> Swept:
    """What a figure of a sweep is drawn of."""
    course = Course("a", np.arange(3.0), np.ones((2, 3)))
    return Swept(
        "final", "feeds", np.array([1.0, 2.0]), [], [("", np.arange(2))], np.ones((2, 2)), "day", "n", [course]
    )


def sweep_beds(w: Any) -> Beds:
    """Sweeps, which run in this process, and what is asked of one."""
    study, folder = w.folder / "swept.toml", w.folder / "swept"
    study.write_text(STUDY)
    over = {"population.a.rate_hz": [50.0]}
    found = nd.sweep(study, over, jobs=1, to=folder, progress=False)
    of = lambda method, **given: Bed(lambda: getattr(found, method), given)
    beds = {
        "nd.Sweep": Bed(lambda: nd.Sweep, {"folder": folder}, exact={"folder": set()}),  # before others make folders
        "nd.sweep": Bed(
            lambda: nd.sweep,
            {"study": study, "over": over, "seeds": 1, "executor": None, "jobs": 1, "scheduler": None, "to": folder,
             "paired": False, "draw": None, "how": "sobol", "task": None, "threads": 1, "overwrite": True,
             "progress": False},
            exact={"study": set(), "over": NONE | {"a table", "empty"}, "seeds": set(), "jobs": NONE, "draw": NONE,
                   "executor": NONE, "scheduler": NONE, "to": NONE | {"a word", "a voltage", "a time"},
                   "how": set(), "task": NONE | {"zero"}, "threads": NONE},
        ),
        "Sweep.run": Bed(lambda: found.run, {"seed": 3}, exact={"seed": NONE}),
        "Sweep.values": of("values", name="final"), "Sweep.table": of("table", level=0.95),
        "Sweep.plot": of("plot", name="final"),
    }  # fmt: skip
    beds["Sweep.values"].exact["name"], beds["Sweep.plot"].exact["name"] = set(), NONE
    beds["Sweep.table"].exact["level"] = {"a fraction"}
    if find_spec("xarray") is not None:
        words = {"a word", "a voltage", "a time"}
        beds["Sweep.to_netcdf"] = Bed(lambda: found.to_netcdf, {"path": "swept.nc"}, exact={"path": words})
    return beds

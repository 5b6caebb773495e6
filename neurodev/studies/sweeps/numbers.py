"""What came out of a run, as numbers by name: of a development its success numbers, of a training its last epoch."""

from __future__ import annotations

from typing import Any

import numpy as np

from neurodev.runs.run import Run

# those that a table on a terminal has, where there are any
MAIN = ("final", "peak_to_final", "rate_hz", "sd", "field_end", "error_end", "accuracy", "error", "density", "synapses",
        "operations")  # fmt: skip


def numbers(run: Run) -> dict[str, float]:
    """The numbers of a run.

    Of a development those of `Run.summary`, or without spines the rate of the last days alone; of a training
    ``accuracy`` (%) or ``error`` on the test samples and ``best``, ``density``, ``synapses``, ``births``, ``deaths``
    and ``operations`` (synaptic operations of the last epoch).
    """
    if run.is_training:
        return _trained(run)
    if run.plastic:
        return run.summary()
    projections = run.network["projections"]
    target = projections[0]["target"] if projections else run.network["populations"][0]["name"]
    rates = run.rates(target)[-5:]
    living = rates[np.isfinite(rates)]
    return {"rate_hz": float(living.mean()) if living.size else float("nan")}


def _trained(run: Run) -> dict[str, float]:
    told = run.training
    reached = told.reached()
    accuracy = told.measure == "accuracy"
    out = {told.measure: float(reached[-1]), "best": float(np.nanmax(reached) if accuracy else np.nanmin(reached))}
    out["density"] = float(run.series("density")[-1])
    out["synapses"] = float(told.total("n_synapse")[-1])
    out |= {k: float(told.total(k).sum()) for k in ("births", "deaths")}
    return out | {"operations": float(run.series("operations")[-1])}


def series(run: Run) -> tuple[Any, dict[str, Any]]:
    """Times (days; of a training epochs from 1) and all series that have a number at each, (n_time,), by name."""
    n = run.n_tick
    time = np.arange(1.0, n + 1.0) if run.is_training else run.series("life")
    aside = {"life", "snapshot_day", "seconds"}  # the last is of the machine
    found = {name: run.series(name) for name in run.series_names if name not in aside}
    return time, {name: a for name, a in found.items() if a.size == n}

"""The structure of a trained network by layer, from a picture of its run."""

from __future__ import annotations

from typing import Any

import numpy as np

from neurodev.errors import ParameterError
from neurodev.metrics.layered import Layered, layered
from neurodev.runs.reading import Reading


def structure(run: Reading, epoch_days: float, epoch: float | None, ranks: bool) -> Layered:
    """Ways, idle units and ranks of a run of training; see `Training.structure`."""
    layers: list[tuple[Any, Any, Any]] = []
    widths: list[int] = []
    for k, name in enumerate(run.plastic):
        q = run.projection(name)
        day = run.days if epoch is None else epoch * epoch_days
        label = min(run.pictures(name), key=lambda p: abs(p[0] - day))[1]
        found = {word: run.file.read(f"{label}/{name}/{word}") for word in ("pre", "post", "weight")}
        taps = int(q.get("taps", 1))
        n_pre, n_post = (int(run.population(q[end])["n"]) for end in ("source", "target"))
        pre, n_pre = found["pre"].astype(np.int64) // taps, -(-n_pre // taps)
        if k:
            # a flattened picture: channels are its last axis
            fold, rest = divmod(n_pre, widths[-1])
            if rest or fold < 1:
                raise ParameterError(
                    f"layers {run.plastic[k - 1]!r} and {name!r} do not follow each other ({widths[-1]} units and "
                    f"{n_pre}): use metrics.layered.layered on parts of the network"
                )
            pre, n_pre = pre % widths[-1], widths[-1]
        else:
            widths.append(n_pre)
        layers.append((pre, found["post"].astype(np.int64), found["weight"]))
        widths.append(n_post)
    return layered(layers, widths, ranks)

"""The tables of others, by name: which of their columns is what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Preset:
    """What to say to a reader for one form of table.

    `given` are its arguments; of those that name a column in `may`, the column need not be there.
    """

    reader: str
    given: Mapping[str, Any]
    source: str
    may: Mapping[str, Any] = field(default_factory=dict)
    needs: tuple[str, ...] = ()
    """What the form does not say, and you do."""
    notes: tuple[str, ...] = ()


_HOURS = {f"Dataset{k}": t for k, t in enumerate((0, 5, 8, 16, 23, 27, 50, 51), 1)}

PRESETS: dict[str, Preset] = {
    "melander": Preset(
        "read_sessions",
        {"size": "size_quantile4060", "dendrite": "size_quantile4060_dendrite", "days": [4.0 * k for k in range(8)],
         "size_unit": "PSD-95, normalised"},
        "Melander et al. 2021, doi 10.1016/j.celrep.2021.109972: pyr_synapse_sizes.npz",
    ),
    "nakajo": Preset(
        "read_sessions",
        {"id": ["experiment", "animal", "cell", "synapse"], "cell": ["experiment", "animal", "cell"],
         "first": "first_seen_h", "last": "last_seen_h", "unit": "hour"},
        "Nakajo et al. 2025, doi 10.1101/2025.02.27.640672: tables of first and last sightings",
    ),
    "loewenstein": Preset(
        "read_sessions",
        {"id": [1, 2, 3], "cell": 1, "dendrite": [1, 2], "session": 4, "size": 5, "header": False,
         "days": [4.0 * k for k in range(6)], "size_unit": "relative intensity"},
        "Loewenstein, Yanover & Rumpel 2015 (decision-making-lab.com/data/spines): 13 columns without names",
    ),
    "mapmanager": Preset(
        "read_sessions",
        {"id": "spineID", "session": "t", "dendrite": "segmentID"},
        "MapManagerCore, schemas/spine.py",
        may={"position": ["x", "y", "z"], "place": "spinePosition", "looked": "accept"},
        needs=("days",),
    ),
    "respan": Preset(
        "read_sessions",
        {"position": ["x", "y", "z"], "size": "spine_vol"},
        "RESPAN, ImageAnalysis/Tables.py: a table an image",
        needs=("days", "within"),
    ),
    "synapflow": Preset(
        "read_sessions",
        {"id": "id", "twice": "first"},
        "SynapFlow (arXiv 2509.18926): a table a time point, with one id over time and a box in each layer",
        needs=("days",),
    ),
    "neuronstudio": Preset(
        "read_sessions",
        {"position": ["X", "Y", "Z"], "size": "HEAD-DIAMETER", "delimiter": " ", "size_unit": "um, diameter"},
        "NeuronStudio, spine file: a table a stack",
        needs=("days", "within"),
    ),
    "deepd3": Preset(
        "read_sessions",
        {"position": ["X", "Y", "Pos"]},
        "DeepD3 0.3.1, core/export.py: centroids, a table a stack",
        needs=("days", "within"),
    ),
    "kwan": Preset(
        "read_counts",
        {"total": "density", "gained": "formation rate", "lost": "elimination rate", "rates": True},
        "Kwan-Lab/shao2021 and jefferson2023: a row a dendrite and session",
        needs=("dendrite", "session"),
    ),
    "witvliet": Preset(
        "read_edges",
        {"pre": "pre", "post": "post", "age": "dataset", "ages": _HOURS, "unit": "hour"},
        "Witvliet et al. 2021, doi 10.1038/s41586-021-03778-8: synapse_list.csv",
        notes=("both adults are about 50 hours old: Dataset8 stands at 51, so that the two are two ages",),
    ),
}  # fmt: skip
"""By name; `source` says whose tables they are."""

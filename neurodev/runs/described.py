"""What a run file says of itself, looked at before anybody reckons with it: checksums find damage only."""

from __future__ import annotations

import math
from typing import Any

from numpy.typing import NDArray

from neurodev.errors import shown
from neurodev.record.runfile import RunFile
from neurodev.runs.sightings import each_once

LARGEST = 2**32  # cells of a population: sources are written with 32 bits
_SYNAPSE = ("uid", "pre", "post", "lane")


def number(file: RunFile, name: str, default: Any = ..., low: float = -math.inf) -> float:
    """An item that is a finite number, at least `low` (above it, where it is 0).

    Raises
    ------
    RunFileError
        If it is none.
    """
    value = file.item(name, default)
    if value is default and default is not ...:
        return value  # type: ignore[no-any-return]
    whole = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    if not whole or value < low or (low == 0.0 and value == 0.0):
        raise file.damaged(f"item {name!r}", f"it is {shown(value, 60)}")
    return float(value)


def network(file: RunFile) -> dict[str, Any]:
    """The populations and projections of a run.

    Raises
    ------
    RunFileError
        If one does not say its name, size or ends.
    """
    found = file.item("network")
    what = "item 'network'"
    if not isinstance(found, dict) or not all(
        isinstance(found.get(k), list) and all(isinstance(x, dict) for x in found[k])
        for k in ("populations", "projections")
    ):
        raise file.damaged(what, "it does not list populations and projections")
    sizes: dict[str, int] = {}
    for p in found["populations"]:
        name, n, room = p.get("name"), p.get("n"), p.get("room", 0)
        if not isinstance(name, str) or not _count(n) or n > LARGEST or not _count(room) or room > n:
            raise file.damaged(
                what, f"the population {shown(name, 60)} has n={shown(n, 40)} and room={shown(room, 40)}"
            )
        if name in sizes:
            raise file.damaged(what, f"two populations are called {shown(name, 60)}")
        sizes[name] = n
    names = set()
    for q in found["projections"]:
        name = q.get("name")
        ends = [q.get(k) for k in ("source", "target")]
        if not isinstance(name, str) or name in names or not all(isinstance(e, str) and e in sizes for e in ends):
            raise file.damaged(what, f"the projection {shown(name, 60)} joins {shown(ends, 60)}")
        if not isinstance(q.get("spines"), (dict, type(None))) or not isinstance(q.get("uses", []), list):
            raise file.damaged(what, f"the projection {shown(name, 60)} does not say what is on it")
        if not all(isinstance(use, dict) for use in q.get("uses", [])):
            raise file.damaged(what, f"the projection {shown(name, 60)} uses {shown(q['uses'], 60)}")
        names.add(name)
    sheet = found.get("sheet", [1.0, 1.0])
    if not isinstance(sheet, list) or len(sheet) != 2 or not all(isinstance(x, (int, float)) for x in sheet):
        raise file.damaged(what, f"its sheet is {shown(sheet, 60)}")
    return found


def _count(n: Any) -> bool:
    return isinstance(n, int) and not isinstance(n, bool) and n >= 0


def provenance(file: RunFile) -> dict[str, Any]:
    """Where the run comes from; what every run says is there, empty where this one does not."""
    found = file.provenance()
    versions = found.get("versions")
    if "versions" in found and not isinstance(versions, dict):
        raise file.damaged("the provenance", f"its versions are {shown(versions, 60)}")
    return found


def columns(
    file: RunFile, label: str, names: list[str] | tuple[str, ...], n_source: int, n_target: int
) -> dict[str, NDArray[Any]]:
    """Columns of a picture of synapses, equally long, between neurons that there are.

    Raises
    ------
    RunFileError
        If they do not fit each other, or the populations.
    """
    out = {name: file.read(f"{label}/{name}") for name in names}
    if len({a.shape for a in out.values()}) > 1 or any(a.ndim != 1 for a in out.values()):
        shapes = {name: a.shape for name, a in out.items()}
        raise file.damaged(f"the picture {label!r}", f"its columns have the shapes {shapes}")
    for name, most in (("pre", n_source), ("post", n_target)):
        check_index(file, f"the picture {label!r}", name, out.get(name), most)
    if "uid" in out and (out["uid"].dtype.kind != "u" or not each_once(out["uid"])):
        raise file.damaged(f"the picture {label!r}", "two synapses share a uid")
    return out


def one(file: RunFile, label: str, row: int) -> dict[str, float]:
    """The columns of one synapse in a picture.

    Raises
    ------
    RunFileError
        If one of them is too short.
    """
    names = [n for n in file.names(f"{label}/") if "/" not in n.removeprefix(f"{label}/")]
    found = {n.removeprefix(f"{label}/"): file.read(n, row, row + 1) for n in names}
    for name, value in found.items():
        if value.shape != (1,):
            raise file.damaged(f"the picture {label!r}", f"its {name} has no row {row}")
    return {name: float(value[0]) for name, value in found.items()}


def check_index(file: RunFile, what: str, name: str, index: NDArray[Any] | None, most: int) -> None:
    """Indices that there are.

    Raises
    ------
    RunFileError
        Otherwise.
    """
    if index is None or not index.size:
        return
    if index.dtype.kind not in "ui" or int(index.min()) < 0 or int(index.max()) >= most:
        raise file.damaged(what, f"its {name} reach beyond the {most} that there are")


def synapses(file: RunFile, label: str, n_source: int, n_target: int) -> tuple[NDArray[Any], ...]:
    """uid, pre, post and lane of a picture, as `columns` reads them."""
    found = columns(file, label, _SYNAPSE, n_source, n_target)
    return tuple(found[k] for k in _SYNAPSE)


def words(file: RunFile, name: str) -> list[str]:
    """An item that is a list of words; empty if there is none."""
    found = file.item(name, [])
    if not isinstance(found, list) or not all(isinstance(w, str) for w in found):
        raise file.damaged(f"item {name!r}", f"it is {shown(found, 60)}")
    return found


def training(file: RunFile) -> dict[str, Any]:
    """The settings of a training.

    Raises
    ------
    RunFileError
        If one that everybody reads is missing, or is something else.
    """
    found = file.item("training")
    what = "item 'training'"
    if not isinstance(found, dict):
        raise file.damaged(what, f"it is {shown(found, 60)}")
    for kind, names in (
        (int, ("n_train", "n_test", "epochs", "batch")), (str, ("data", "encoder", "optimiser", "loss")),
        (list, ("methods", "layers")),
    ):  # fmt: skip
        for name in names:
            if not isinstance(found.get(name), kind):
                raise file.damaged(what, f"{name} is {shown(found.get(name), 60)}")
    for name in ("methods", "layers"):
        if not all(isinstance(w, str) for w in found[name]):
            raise file.damaged(what, f"{name} is {shown(found[name], 60)}")
    return found

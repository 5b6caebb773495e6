"""Structure as it was: density over life, graphs at any time by replay of the log, and a check of the log."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurodev.errors import InvariantError, ParameterError, shown
from neurodev.params import number
from neurodev.runs.lives import Lives
from neurodev.runs.log import BY_HAND, F8
from neurodev.runs.reading import Reading
from neurodev.structure.duration import lasting
from neurodev.structure.log import BIRTH, LogBatch
from neurodev.structure.verify import replay
from neurodev.units import day as DAY


def density(run: Reading, projection: Any = None) -> tuple[F8, F8]:
    """Life time (days) and synapses per living target neuron, (n_tick + 1,) each, from the start."""
    q = run.projection(projection)
    n = np.maximum(_targets(run, q["target"]), 1)
    start = run.file.length(f"initial/{q['name']}/uid")
    if not run.n_tick:
        return np.zeros(1), start / n
    day = np.concatenate([[0.0], run.series("life")])
    # without a mechanism its number is kept at most where an experimenter or a neuron's death changed it
    if run.file.length(f"series/n_synapse/{q['name']}") != run.n_tick:
        log = run.log.batch(q["name"])
        step = np.where(log.kind == BIRTH, 1.0, -1.0)
        change = np.bincount(np.minimum(log.tick + 1, day.size), step, minlength=day.size)[: day.size]
        return day, (start + np.cumsum(change)) / n
    return day, np.concatenate([[start], run.series(f"n_synapse/{q['name']}")]) / n


def _targets(run: Reading, population: str) -> NDArray[np.int64]:
    """Living neurons as each tick saw them, (n_tick + 1,): an experimenter acts after the tick of his deeds."""
    p, b = run.population(population), Lives(run).batch(population)
    by_hand = np.isin(b.cause, [run.causes.code(c) for c in BY_HAND if c in run.causes])
    at, size = b.tick.astype(np.int64) + by_hand, run.n_tick + 1
    change = np.bincount(np.minimum(at, size), np.where(b.kind == BIRTH, 1, -1), minlength=size)[:size]
    return np.asarray(p["n"] - p.get("room", 0) + np.cumsum(change.astype(np.int64)))


def _replayed(run: Reading, name: str, batch: LogBatch) -> dict[str, NDArray[Any]]:
    """The synapses living after `batch`, sorted by uid."""
    uid, pre, post, lane = run.synapses("initial", name)
    return dict(zip(("uid", "pre", "post", "lane"), replay(uid, pre, post, lane, batch), strict=True))


def graph(run: Reading, t: float | None = None, projection: Any = None) -> Any:
    """The synapses alive at life time `t` (ms; the end if not given); see `Run.graph`."""
    from scipy.sparse import csr_array

    q = run.projection(projection)
    name, batch = q["name"], run.log.batch(q["name"])
    if t is not None:
        given, t = t, number(t, "t", "ms of life", cure="a number such as 10*day, or a text such as '10 day'")
        if not -1e-3 <= t <= run.days * DAY * (1 + 1e-9) + 1e-3:
            raise ParameterError(
                f"t must be a life time in ms between 0 and {lasting(run.days)}, the end of the run, got {shown(given)}"
            )
        batch = run.log.living_until(batch, t / DAY)
    columns = _replayed(run, name, batch)
    day = run.days if t is None else t / DAY
    columns["weight"], columns["seen"] = run._weighed(name, columns["uid"], day)
    _warn_of_old(run, name, columns, day)
    order = np.lexsort((columns["uid"], columns["post"], columns["pre"]))
    columns = {k: v[order] for k, v in columns.items()}
    shape = (run.population(q["source"])["n"], run.population(q["target"])["n"])
    ends = np.concatenate([[0], np.cumsum(np.bincount(columns["pre"].astype(np.int64), minlength=shape[0]))])
    matrix = csr_array((columns["weight"], columns["post"].astype(np.int64), ends), shape=shape)
    matrix.columns = columns
    return matrix


def _warn_of_old(run: Reading, name: str, columns: dict[str, NDArray[Any]], day: float) -> None:
    """Say that weights are not of this moment, where the pictures before and after it differ or one has none."""
    away, unseen = np.abs(columns["seen"] - day), np.isnan(columns["seen"])
    if not unseen.any() and not (away > 1e-9).any():
        return
    days = np.array([p[0] for p in run.pictures(name)]) - day
    across = days[days * days[np.argmin(np.abs(days))] <= 0]  # on the other side of the picture that was taken
    moved = False
    if across.size:
        weight, seen = run._weighed(name, columns["uid"], day + across[np.argmin(np.abs(across))])
        moved = bool(np.any((weight != columns["weight"]) & ~np.isnan(seen) & ~unseen))
    if moved or unseen.any():
        furthest = f"of pictures up to {lasting(float(np.nanmax(away)))} away" if not unseen.all() else "unknown"
        more = f", {int(unseen.sum())} that none saw are NaN" if unseen.any() else ""
        warnings.warn(
            f"graph of {name!r}: who is connected is exact, weights are {furthest} (columns['seen'], days){more}; "
            "probe a weight, or end a run at the moment, to have it exactly",
            stacklevel=4,
        )


def verify(run: Reading) -> int:
    """Replay the log onto the initial structure and compare with the final one; see `Run.verify`."""
    total = 0
    run.file.verify()
    plastic, arrays = set(run.plastic), set(run.file.names("final/"))
    for q in run.network["projections"]:
        name = q["name"]
        label, batch = "final", None
        if f"final/{name}/uid" not in arrays:
            if name not in plastic:
                continue  # static: nothing to compare
            last = run.snapshot_days[-1]
            label, batch = run.picture(last), run.log.living_until(run.log.batch(name), last)
        replayed = _replayed(run, name, run.log.batch(name) if batch is None else batch)
        kept = dict(zip(replayed, run.synapses(label, name), strict=True))
        _same(name, f"{label}/{name}", replayed, kept)
        total += int(replayed["uid"].size)
    return total


def _same(name: str, label: str, replayed: dict[str, NDArray[Any]], kept: dict[str, NDArray[Any]]) -> None:
    begin = f"replaying the log of {name!r} does not give its structure in {label!r}: "
    odd = np.setxor1d(replayed["uid"], kept["uid"])
    if odd.size:
        raise InvariantError(f"{begin}{odd.size} synapses live in only one of them, uid {odd[0]} the first")
    order = np.argsort(kept["uid"])
    for k, a in replayed.items():
        wrong = np.flatnonzero(kept[k][order] != a)
        if wrong.size:
            raise InvariantError(f"{begin}{k} of uid {replayed['uid'][wrong[0]]} differs")

"""Plans over ranks: each proposes for its own targets, all are told, and every rank knows what came of it.

Where a rank has the synapses onto its own neurons alone it merges the plans that concern them.  What they come to is
told to all in one message and put into the order that one process has: deaths by uid, births by the plan that asked for
them and, within a plan, by target.  Ranks have blocks of neighbours, so that this is the order of ranks; the uids of
newborns follow from their places in it, and the log is the same on every rank.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from neurodev.arrays import U8
from neurodev.engine.ranks import Ranks
from neurodev.structure.blocks import lane_type
from neurodev.structure.log import BIRTH, DEATH, LogBatch, StructuralLog
from neurodev.structure.plan import Applied, Merged, apply_share, events
from neurodev.structure.table import Table

_REASONS = ("absent", "occupied", "duplicate")  # why births are refused, as `merge` says it
_HEAD = 1 + len(_REASONS)  # int64 before the events of a rank: its deaths, and births that were refused
_COLUMNS = ("uid", "pre", "post", "lane", "cause", "value", "terms")


def _form(n_term: int) -> np.dtype[np.void]:
    """An event as it is told; `by` is the plan that asked for a birth."""
    return np.dtype(
        [
            ("uid", "<u8"), ("pre", "<u4"), ("post", "<u4"), ("value", "<f4"), ("terms", "<f4", (n_term,)),
            ("lane", "<u2"), ("by", "<u2"), ("cause", "u1"),
        ]
    )  # fmt: skip


def carry_out(
    ranks: Ranks, table: Table, merged: Merged, *, tick: int, life: float, log: StructuralLog
) -> tuple[Applied, U8]:
    """Carry out and log what all ranks are about to do to the synapses of a projection, each to its share.

    Parameters
    ----------
    table, merged
        The rank's share, and the plans that concern it as one.
    tick, life
        As of `structure.plan.apply`.

    Returns
    -------
    done : Applied
        Of all ranks together; `slots` of the newborns on this one.
    dead : (n,) uint64, ascending
        Who died, on any of them.

    Raises
    ------
    SimulationError
        If another rank failed.
    """
    form, mine = _form(len(log.terms)), events(table, merged, tick, log)
    n_dead = int(merged.plan.deaths.size)
    rows = np.zeros(mine.uid.size, form)
    for name in _COLUMNS:
        rows[name] = getattr(mine, name)
    rows["by"][n_dead:] = merged.by
    head = np.array([n_dead, *(merged.refused.get(k, 0) for k in _REASONS)], dtype="<i8")
    dead, born, refused = [], [], np.zeros(len(_REASONS), dtype=np.int64)
    for said in ranks.told(head.tobytes() + rows.tobytes()):
        n, *why = np.frombuffer(said, "<i8", _HEAD).tolist()
        theirs = np.frombuffer(said, form, offset=head.nbytes)
        dead.append(theirs[:n])
        born.append(theirs[n:])
        refused += why
    gone, come, owner = _in_order(dead, born)
    come["uid"] = table.uids.next + np.arange(come.size, dtype=np.uint64)
    uids = come["uid"][owner == ranks.rank].astype(np.uint64)
    slots, first = apply_share(table, merged, uids, come.size, life)
    log.append(_logged(np.concatenate([gone, come]), gone.size, tick, table.n_lane))
    found = {k: int(n) for k, n in zip(_REASONS, refused, strict=True) if n}
    return Applied(come.size, gone.size, first, slots, found), gone["uid"].astype(np.uint64)


def _in_order(
    dead: list[NDArray[np.void]], born: list[NDArray[np.void]]
) -> tuple[NDArray[np.void], NDArray[np.void], NDArray[np.int64]]:
    """Deaths and births of all ranks in the order of one process, and the rank of each birth."""
    gone, come = np.concatenate(dead), np.concatenate(born)
    order = np.argsort(come["by"], kind="stable")  # of one plan those onto the targets of earlier ranks first
    owner = np.repeat(np.arange(len(born)), [b.size for b in born])
    return gone[np.argsort(gone["uid"])], come[order], owner[order]


def _logged(rows: NDArray[np.void], n_dead: int, tick: int, n_lane: int) -> LogBatch:
    """Events as the log tells them."""
    n = rows.size
    return LogBatch(
        np.full(n, tick, dtype=np.int32),
        np.repeat(np.array([DEATH, BIRTH], dtype=np.uint8), [n_dead, n - n_dead]),
        rows["uid"].astype(np.uint64), rows["cause"].copy(), rows["pre"].astype(np.uint32),
        rows["post"].astype(np.uint32), rows["lane"].astype(lane_type(n_lane)), rows["value"].astype(np.float32),
        rows["terms"].astype(np.float32),
    )  # fmt: skip

"""Which kernel for which layer: the cheapest, by costs that are measured on the machine, once, and kept.

Costs are nanoseconds per pair of source and target and row of the batch, d the density of the weights, r the share of
sources that spike in a row, n the number of targets and R that of rows:

===============  ===================================  ============================================================
``gemm``         gemm                                 a matrix product
``rows``         rows r                               events add dense rows
``along_batch``  along_batch d + turn / n             every synapse goes along the batch
``masks``        (masks + synapse / R) d + words / n  the same sixteen rows at a time, where inputs are bits
``sparse_rows``  (sparse_rows d + event / n) r        events add the living synapses of their rows
===============  ===================================  ============================================================

A sparse table that is multiplied by rows or as a matrix is unpacked for the call: pack / R more.  Where neurons go
through in the same pass as ``masks``, each of their steps costs `PASSING` less.  `REFERENCE` is what an Intel Xeon
(family 6, model 207) gave; on another machine, or for another version of the kernels, `kept` measures when a sparse
table is first trained (a quarter of a second) and keeps what it found beside the compiled kernels.
``NEURODEV_COSTS=reference`` takes the reference instead.  A checkpoint holds the costs by which kernels were chosen, so
that a run goes on to the same bytes.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Callable
from contextvars import ContextVar
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from neurodev.arrays import aligned, on_lines
from neurodev.jit import ENABLED
from neurodev.kernel_cache import folder_of
from neurodev.learn.core.masks import LANES


class Costs(NamedTuple):
    """Nanoseconds; see the table of the module."""

    gemm: float
    rows: float
    along_batch: float
    sparse_rows: float
    event: float
    pack: float
    turn: float
    masks: float
    words: float
    synapse: float


REFERENCE = Costs(
    gemm=0.0135, rows=0.041, along_batch=0.064, sparse_rows=0.7, event=5.0, pack=0.34, turn=0.5, masks=0.0265,
    words=0.28, synapse=1.8,
)  # fmt: skip
PASSING = 0.6  # ns of a neuron and step, there; from steps of whole nets at densities of .1 to .005 (at least this)
FEW = 16  # targets up to which the gradients of their sources are made where they are needed
NARROW = 32  # targets up to which all input gradients, as one product, cost less than finding those of use
CHOSEN: ContextVar[Costs | None] = ContextVar("costs", default=None)
_OTHERS = 1 << 20  # numbers that a step goes through between two products with a whole matrix
_SIZE, _DENSITY, _FEW, _RATE, _TIMES = 784, 0.1, 0.004, 0.05, 5  # of the layer that is measured; no power of two


def choose(
    density: float, rate: float, sparse: bool, n_row: int = 1000, n_target: int = 1000, bits: bool = True,
    passing: float = 0.0,
) -> str:  # fmt: skip
    """Name of the kernel: ``rows``, ``gemm``, ``along_batch``, ``masks`` or ``sparse_rows``.

    Parameters
    ----------
    density : float
        Living synapses over pairs.
    rate : float
        Mean share of non-zero inputs per row; 1 for currents.
    sparse : bool
        Whether the table holds living synapses only.
    n_row, n_target : int
        Rows of the batch, and targets.
    bits : bool
        Whether inputs are spikes that count once.
    passing : float
        Neurons that go through in the same pass as masks, per pair of source and target: 1 / sources, or 0.
    """
    c = current() if sparse else REFERENCE
    unpacked = c.pack / n_row if sparse else 0.0
    cost = {"rows": c.rows * rate + unpacked, "gemm": c.gemm + unpacked}
    if sparse:
        cost["along_batch"] = c.along_batch * density + c.turn / n_target
        cost["sparse_rows"] = (c.sparse_rows * density + c.event / n_target) * rate
        if bits:
            whole = -(-n_row // LANES) * LANES  # rows of which there are words
            cost["masks"] = (c.masks * whole + c.synapse) * density / n_row + c.words / n_target
            cost["masks"] -= PASSING * passing * (n_row // LANES * LANES) / n_row
    return min(cost, key=lambda name: cost[name])


def by_window(density: float, share: float, n_target: int = 1000) -> bool:
    """Whether gradients of spikes, over living synapses, cost less where they are of use alone: a `share` of places."""
    c = current()
    return (c.sparse_rows * density + c.event / n_target) * share < c.along_batch * density + c.turn / n_target


def current() -> Costs:
    """The costs of the run that is going on, or what is kept of this machine."""
    return CHOSEN.get() or kept()


def known() -> Costs | tuple[()]:
    """What is kept of this machine, if anybody has asked for it."""
    return kept() if kept.cache_info().currsize else ()


@cache
def kept() -> Costs:
    """The costs on this machine, from the file beside the compiled kernels; measured if there is none yet."""
    if not ENABLED or os.environ.get("NEURODEV_COSTS") == "reference":
        return REFERENCE
    folder = folder_of(__file__)  # of another version of this file or of the kernels it measures, another folder
    file = None if folder is None else folder / f"costs-{_host()}.json"
    found = None if file is None else _read(file)
    if found is None:
        found = measured()
        if file is not None:
            _write(file, found)
            found = _read(file) or found  # another process may have been first
    return found


def _host() -> str:
    from llvmlite.binding import get_host_cpu_name

    return "".join(c if c.isalnum() else "-" for c in get_host_cpu_name())


def _read(file: Path) -> Costs | None:
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
        costs = Costs(**{name: float(values[name]) for name in Costs._fields})
    except (OSError, ValueError, TypeError, KeyError):
        return None
    return costs if sound(costs) else None


def sound(costs: Costs) -> bool:
    """Whether these can be costs."""
    return all(np.isfinite(costs)) and min(costs) >= 0 and costs.gemm > 0 and costs.rows > 0


def _write(file: Path, costs: Costs) -> None:
    """Whole or not at all, and never over what is there."""
    try:
        with tempfile.NamedTemporaryFile("w", dir=file.parent, suffix=".json", delete=False, encoding="utf-8") as f:
            f.write(json.dumps(costs._asdict()))
        try:
            if file.exists() and _read(file) is None:  # damaged, or of another neurodev
                file.unlink()
            os.link(f.name, file)
        finally:
            os.unlink(f.name)
    except OSError:  # measured again next time
        pass


def _least(call: Callable[[], object], others: int = 0) -> float:
    """Nanoseconds of the fastest of some calls, of this thread alone; so many other numbers are in the cache before."""
    call()
    spent, between = [], np.zeros(others)
    for _ in range(_TIMES):
        between += 1
        begin = time.thread_time_ns()
        call()
        spent.append(time.thread_time_ns() - begin)
    return float(min(spent))


def measured() -> Costs:
    """The costs of this machine, in a layer of 784 x 784 with 784 rows, for weights in single precision."""
    from neurodev.learn.core.masks import pack_flags
    from neurodev.learn.core.spikes import Spikes, list_flags, transposed, turned
    from neurodev.learn.core.threads import one_blas_thread
    from neurodev.learn.kernels import masks, rows, wide
    from neurodev.structure.table import Table, UidSource

    draw, n = np.random.default_rng(1), _SIZE
    weight = on_lines(draw.standard_normal((n, n)).astype(np.float32))
    flags = np.asarray(draw.random((n, n)) < _RATE, dtype=np.uint8)
    x, out, one = Spikes(flags, 1, n, (n,)), aligned((n, n), np.float32), np.float32(1)
    events, floats, pairs = x.columns, x.dense(), float(n * n)
    silent = np.zeros(n, dtype=bool)

    def table(density: float) -> Table:
        alive = draw.random((n, n)) < density
        pre, post = np.nonzero(alive)
        lane = np.zeros(pre.size, dtype=np.int64)
        made = Table.build(
            n, n, [1.0], pre, post, lane, weight[alive], columns=(), uids=UidSource(), weight_type=np.float32
        )
        made.ensure_in_lists()
        return made

    def by_source(t: Table) -> float:
        args = t.row_start, t.row_length, t.post, t.weight
        return _least(lambda: rows.add_sparse_by_source(events.start, events.index, *args, one, out))

    def by_masks(t: Table) -> float:
        args = (t.in_start, t.in_length, t.in_slot, t.in_row), t.weight, x.words.reshape(-1), x.words.shape[1]
        return _least(lambda: masks.add_by_masks(*args, one, out))

    def by_a_word(t: Table) -> float:
        """Of sixteen rows, where most of it is the way to each synapse: the mean of forward and backward."""
        lists, word = (t.in_start, t.in_length, t.in_slot, t.in_row), np.ascontiguousarray(x.words[:, 0])
        forward = _least(lambda: masks.add_by_masks(lists, t.weight, word, 1, one, out[:LANES]))
        gradient = np.zeros_like(t.weight)
        return (forward + _least(lambda: masks.gradient_by_masks(lists, word, 1, one, out[:LANES], gradient))) / 2

    some, few = table(_DENSITY), table(_FEW)
    into = some.in_start, some.in_length, some.in_slot, some.in_row
    base, packed = np.arange(n) * n, (some.row_start, some.row_length, some.post, some.weight)
    with one_blas_thread():
        gemm = _least(lambda: floats @ weight) / pairs / n
    flat, each = (weight.reshape(-1), n, n, out.reshape(-1), n), np.ones(x.rows.index.size, dtype=np.float32)
    dense = _least(lambda: wide.add_by_columns(x.rows.start, x.rows.index, each, *flat), _OTHERS) / x.rows.n / n
    along = _least(lambda: rows.add_along_batch(into, some.weight, x.by_unit, silent, one, out)) / some.n_synapse / n
    many, little = by_source(some), by_source(few)
    synapse = max(many - little, 0.0) / (some.n_synapse - few.n_synapse) / _RATE / n
    lists = _least(lambda: transposed(list_flags(flags), n)) / events.n  # forward and gradient share them
    event = max(little / events.n - synapse * few.n_synapse / n, 0.0) + lists / 2
    pack = _least(lambda: rows.pack(base, *packed, np.zeros(n * n, dtype=np.float32)), _OTHERS) / pairs
    turn = (_least(lambda: turned(flags)) + _least(lambda: turned(out))) / pairs
    mask = max(by_masks(some) - by_masks(few), 0.0) / (some.n_synapse - few.n_synapse) / n
    packed_words, tile = np.empty(x.words.shape[::-1], dtype=np.uint16), np.ascontiguousarray(out[:, :16])
    words = _least(lambda: pack_flags(flags, packed_words)) / pairs / 2 + _least(lambda: turned(tile)) / tile.size
    words = max(words - _least(lambda: out.fill(0)) / pairs, 0.0)  # the others fill their output first
    fixed = max(by_a_word(some) / some.n_synapse - mask * LANES, 0.0)
    return Costs(gemm, dense, along, synapse, event, pack, turn, mask, words, fixed)

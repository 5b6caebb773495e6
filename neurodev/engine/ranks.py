"""Ranks: processes that run one network together, each a share of its neurons with all that arrives at them.

What a rank owns is some of the parts of the network (`parts.py`): a block of neighbours in each population, and the
synapses onto them.  Within a window ranks know nothing of each other; when it closes each tells its spikes to all, and
every rank puts all of them in order of (time, population, neuron), as threads do.  Draws are keyed by neuron and
synapse, so that nothing that comes out depends on the number of ranks.

Between two windows everybody may look at everything: `share` brings the values that a rank wrote of its own neurons and
synapses to all others.  Ticks are then computed by every rank from the same numbers in the same order, plans, deaths,
births and their uids included; `compare` sees to it that nobody came to another result.
"""

from __future__ import annotations

import os
import sys
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurodev.arrays import F8, I8, Array
from neurodev.errors import NeurodevError, ParameterError, SimulationError, shown
from neurodev.structure.blocks import part_bounds

SPIKE = np.dtype([("time", "<f8"), ("population", "<u4"), ("index", "<u4")])
# int64 before the spikes of a rank: their number, events, background events, until when it is silent, whether it failed
_HEAD, _FAILED = 5, 4
_FEWEST, _MOST = 64, 4096  # spikes that travel with the numbers, for each rank
_PIECE = 1 << 27  # numbers in one message at most
_ASKED = ("Get_rank", "Get_size", "Allgather", "Allgatherv")
_LATER = 0.5  # s that ranks beside the first leave it to say why
# how launchers tell a process that it is one of several
LAUNCHED = ("PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "MV2_COMM_WORLD_SIZE")
_HERE = ("MPI_LOCALNRANKS", "OMPI_COMM_WORLD_LOCAL_SIZE", "MV2_COMM_WORLD_LOCAL_SIZE")  # of them on this machine


class Ranks:
    """The processes of one network, through a communicator of mpi4py.

    Parameters
    ----------
    comm : mpi4py.MPI.Comm
        All of its ranks run the same program.
    split : bool
        Keep only the synapses onto a rank's own neurons, where that is enough (`engine.splitting`).

    Attributes
    ----------
    rank, size : int
    broken : bool
        Somebody failed: nobody can be asked any more.
    messages : int
        So many were sent and received.

    Raises
    ------
    ParameterError
        If `comm` is no communicator.
    """

    def __init__(self, comm: Any, split: bool = False) -> None:
        if isinstance(comm, type) or not all(callable(getattr(comm, name, None)) for name in _ASKED):
            raise ParameterError(f"comm must be a communicator of mpi4py, such as MPI.COMM_WORLD, got {shown(comm)}")
        self.comm, self.split, self.broken = comm, split, False
        self.rank, self.size = int(comm.Get_rank()), int(comm.Get_size())
        self.messages = 0
        here = [int(word) for name in _HERE if (word := os.environ.get(name, "")).isdigit()]
        self._crowded = max(here, default=0) > (os.cpu_count() or 1)
        self._make_room(_FEWEST)

    @property
    def writes(self) -> bool:
        """Whether this rank writes the run file."""
        return self.rank == 0

    # ------------------------------------------------------------------ words

    def meet(self, word: int = 0) -> I8:
        """Wait for all ranks, each with a number; the numbers (size,) of all.

        Raises
        ------
        SimulationError
            If one of them cannot go on.
        """
        if self.broken:
            raise SimulationError("the ranks do not run any more: one of them failed")
        heads, _ = self._tell((0, word, 0, 0, 0), np.zeros(0, SPIKE))
        self._heed(heads)
        said: I8 = heads[:, 1].copy()
        return said

    def agree(self, value: float) -> float:
        """What rank 0 says, whatever the others think: clocks on walls differ."""
        return float(self.meet(int(np.float64(value).view(np.int64))).view(np.float64)[0])

    def any(self, asked: bool) -> bool:
        """Whether it is so on some rank."""
        return bool(self.meet(int(asked)).any())

    def compare(self, what: str, said: bytes) -> None:
        """Refuse to go on when ranks came to different results.

        Raises
        ------
        SimulationError
            On every rank.
        """
        words = self.meet(int.from_bytes(said[:8], "little", signed=True))
        if np.any(words != words[0]):
            self.broken = True
            raise SimulationError(
                f"the ranks came to different results {what}: they must be one program, of the same versions, on "
                "one kind of processor"
            )

    def fail(self) -> None:
        """This rank cannot go on: tell the others, where they wait for it next."""
        if not self.broken:
            self.broken = True
            self._tell((0, 0, 0, 0, 1), np.zeros(0, SPIKE))

    def _heed(self, heads: I8) -> None:
        if heads[:, _FAILED].any():
            self.broken = True
            raise SimulationError(f"rank {int(np.argmax(heads[:, _FAILED]))} stopped, and says why: no rank can go on")

    # ------------------------------------------------------------------ messages

    def _make_room(self, room: int) -> None:
        """Let so many spikes travel with the numbers of each rank."""
        self._room, size = room, 8 * _HEAD + room * SPIKE.itemsize
        self._mine, self._all = np.zeros(size, np.uint8), np.zeros((self.size, size), np.uint8)
        self._head, self._few = self._mine[: 8 * _HEAD].view("<i8"), self._mine[8 * _HEAD :].view(SPIKE)
        self._heads, self._first = self._all[:, : 8 * _HEAD].view("<i8"), self._all[:, 8 * _HEAD :].view(SPIKE)

    def _carry(self, name: str, *what: Any) -> None:
        """One message of all to all.

        MPI waits at full speed.  Where there are more ranks than cores, who waits must let others have the core: it
        may be that of the last.
        """
        self.messages += 1
        if not self._crowded:
            getattr(self.comm, name)(*what)
            return
        request = getattr(self.comm, f"I{name.lower()}")(*what)
        while not request.Test():
            time.sleep(0)

    def _tell(self, head: tuple[int, ...], spikes: NDArray[np.void]) -> tuple[I8, NDArray[np.void]]:
        """The heads (size, _HEAD) and the first spikes (size, room) of all, until the next message."""
        self._head[:] = head
        few = spikes[: self._room]
        self._few[: few.size] = few
        self._carry("Allgather", self._mine, self._all)
        return self._heads, self._first

    def exchange(
        self, spikes: NDArray[np.void], events: int, background: int, silent: float = 0.0
    ) -> tuple[NDArray[np.void], int, int, float]:
        """Tell the spikes (n,) of some windows to all ranks, and until when none comes here without an arrival (ms of
        the epoch); those of the others in order, the others' events, and until when none comes anywhere.

        Raises
        ------
        SimulationError
            If another rank failed.
        """
        head = (spikes.size, events, background, int(np.float64(silent).view(np.int64)), 0)
        heads, first = self._tell(head, spikes)
        self._heed(heads)
        count, total = heads[:, 0], heads.sum(axis=0)
        others_events, others_background = int(total[1]) - events, int(total[2]) - background
        until = float(np.ascontiguousarray(heads[:, 3]).view(np.float64).min())
        if total[0] == 0:
            self._fit(0)
            return np.zeros(0, SPIKE), others_events, others_background, until
        most, room = int(count.max()), self._room
        found = [first[k, : min(int(n), room)] for k, n in enumerate(count) if k != self.rank]
        if most > room:
            more = np.maximum(count - room, 0)
            rest = np.empty(int(more.sum()), SPIKE)
            self._gather(np.ascontiguousarray(spikes[room:]).view(np.uint8), rest.view(np.uint8), more * SPIKE.itemsize)
            ends = np.cumsum(more)
            found += [rest[e - n : e] for k, (e, n) in enumerate(zip(ends, more, strict=True)) if k != self.rank]
        others = np.concatenate(found) if found else np.zeros(0, SPIKE)
        self._fit(most)
        if others.size > 1:
            others = others[np.lexsort((others["index"], others["population"], others["time"]))]
        return others, others_events, others_background, until

    def _fit(self, most: int) -> None:
        """As much room as the last message asked for."""
        room = int(min(max(_FEWEST, 2 ** most.bit_length()), _MOST))
        if room != self._room:
            self._make_room(room)

    def tell_all(self, data: bytes) -> bytes:
        """What rank 0 says, on every rank.

        Raises
        ------
        SimulationError
            If it cannot go on.
        """
        counts = self.meet(len(data)) * (np.arange(self.size) == 0)
        return self.gather(np.frombuffer(data if self.rank == 0 else b"", np.uint8), counts).tobytes()

    def told(self, data: bytes) -> list[bytes]:
        """What each rank says, on every rank.

        Raises
        ------
        SimulationError
            If one of them cannot go on.
        """
        sizes = self.meet(len(data))
        everything = self.gather(np.frombuffer(data, np.uint8), sizes).tobytes()
        ends = np.cumsum(sizes)
        return [everything[end - n : end] for end, n in zip(ends.tolist(), sizes.tolist(), strict=True)]

    def all_or_none(self, failed: NeurodevError | None) -> None:
        """Let all ranks go on, or none: what one of them found wrong is told by all, the lowest first.

        Raises
        ------
        NeurodevError
            What was found wrong here, or what another rank says.
        """
        if not self.any(failed is not None):
            return
        said = self.told(b"" if failed is None else str(failed).encode())
        if failed is not None:
            raise failed
        first = next((k for k, text in enumerate(said) if text), 0)
        raise SimulationError(f"{said[first].decode()} (rank {first})")

    # ------------------------------------------------------------------ values

    def _gather(self, mine: Array, everybody: Array, counts: I8) -> None:
        where = [everybody, (counts.tolist(), (np.cumsum(counts) - counts).tolist())]
        self._carry("Allgatherv", mine, where)

    def gather(self, mine: Array, counts: I8) -> Array:
        """The values (n,) of all ranks, one after the other; `counts` (size,) says how many each has."""
        out = np.empty(int(counts.sum()), dtype=mine.dtype)
        mine, most = np.ascontiguousarray(mine), int(counts.max(initial=0))
        if int(counts.sum()) <= _PIECE:
            self._gather(mine, out, counts)
            return out
        ends, step = np.cumsum(counts), max(1, _PIECE // self.size)
        for at in range(0, most, step):
            few = np.clip(counts - at, 0, step)
            piece = np.empty(int(few.sum()), dtype=mine.dtype)
            self._gather(mine[at : at + step].copy(), piece, few)
            for e, n, part in zip(ends - counts + at, few, np.split(piece, np.cumsum(few)[:-1]), strict=True):
                out[e : e + n] = part
        return out

    def counts(self, n: int, parts: int) -> I8:
        """How many of `n` units each rank owns, (size,), where they are dealt into so many parts."""
        return np.diff(part_bounds(n, parts)[:: parts // self.size])

    def owners(self, unit: I8, n: I8, parts: int) -> I8:
        """Which rank owns each of some units, of so many each."""
        return (unit * parts // n) // (parts // self.size)

    def share(self, values: Array, parts: int, per: int = 1) -> None:
        """Bring to all what each rank wrote of its own units in `values` (n_unit * per,), in place."""
        counts = self.counts(values.shape[0] // per, parts) * per
        first = int(counts[: self.rank].sum())
        values[:] = self.gather(values[first : first + int(counts[self.rank])], counts)

    def pick(self, values: F8, owner: I8) -> F8:
        """Of each of some units the value (n,) that its owner has."""
        out = np.empty((self.size, values.size), dtype=values.dtype)
        self._carry("Allgather", np.ascontiguousarray(values), out)
        found: F8 = out[owner, np.arange(values.size)]
        return found


def as_ranks(comm: Any, split: bool = False) -> Ranks | None:
    """The ranks of a communicator; None for one process by itself."""
    return None if comm is None else Ranks(comm, split)


def launched() -> int:
    """Of how many processes a launcher (mpiexec) says this one is; 1 where there is none."""
    said = [os.environ.get(name, "") for name in LAUNCHED]
    said += [os.environ.get("SLURM_NTASKS", "")] if "PMIX_RANK" in os.environ else []  # srun
    return max([int(word) for word in said if word.isdigit()], default=1)


def world() -> Any:
    """The communicator of all processes that a launcher started; None where this one is alone.

    Raises
    ------
    SimulationError
        If several were started and mpi4py is not there, or if they do not know of each other: the launcher of another
        MPI starts as many runs of one process.
    """
    n = launched()
    if n == 1:
        return None
    try:
        from mpi4py import MPI
    except ImportError as e:
        raise SimulationError(
            f"{n} processes were started, and to run one network they need mpi4py: pip install 'neurodev[mpi]'"
        ) from e
    comm = MPI.COMM_WORLD
    if comm.Get_size() != n:
        raise SimulationError(
            f"{n} processes were started, and mpi4py sees {comm.Get_size()}: the launcher is of another MPI than "
            f"mpi4py ({MPI.Get_library_version().split(chr(10))[0][:60]}); use its own mpiexec"
        )
    return comm


def of_command(args: Any) -> dict[str, Any]:
    """Options of the simulation of ``neurodev run``, under mpiexec or in one process.  Rank 0 alone speaks.

    Raises
    ------
    SimulationError
        For what several ranks cannot do yet, with the cure.
    """
    options, comm = {"overwrite": args.overwrite, "threads": args.threads}, world()
    if comm is None:
        return options
    if getattr(args, "seeds", 1) != 1:
        raise SimulationError("ranks run one network, so --seeds must be 1: neurodev sweep runs many side by side")
    if comm.Get_rank() != 0:
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 (until the process ends)
        args.quiet = args.overwrite = True  # rank 0 looks whether it may write
    return options | {"comm": comm, "split": args.split}


def abort(status: int) -> None:
    """End all ranks: this one cannot go on, and others may wait for it; rank 0 speaks first."""
    from mpi4py import MPI

    if MPI.Is_initialized() and not MPI.Is_finalized() and MPI.COMM_WORLD.Get_size() > 1:
        sys.stderr.flush()
        time.sleep(_LATER * min(MPI.COMM_WORLD.Get_rank(), 1))
        MPI.COMM_WORLD.Abort(status)

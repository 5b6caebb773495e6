"""Neo: spikes and probes, for Elephant, Spyke Viewer, NIX and what else reads a Block."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from neurodev import __version__
from neurodev.arrays import F8
from neurodev.errors import ParameterError, shown
from neurodev.formats.base import Format
from neurodev.formats.contents import Spikes, joined, spikes_of
from neurodev.runs.run import Run
from neurodev.writing import a_path

_MOST = 100_000  # trains
_UNITS = {"V": "mV", "weight": "mV", "delay": "ms", "born": "ms"}  # of what probes sample; others have none


class Neo(Format):
    """Spikes and probes as a Block of Neo, kept by NIX (extra ``neo``).

    A Segment for each stretch of time over which spikes were recorded, with a SpikeTrain in ms for each cell that was
    recorded, whether it fired or not, annotated with its ``population`` and ``cell``; the block's own annotation
    ``populations`` is JSON with their models.  A probe is an IrregularlySampledSignal of the segment in which its
    samples lie, those between stretches in a segment of their own.  NIX takes about 50 ms and 25 kB for each train;
    `Neo.block` gives the Block itself, to be written by any of Neo's classes.

    Parameters
    ----------
    population : str, optional
        All if not given.
    probes : sequence of Probe
        What `Simulation.probe` returned.

    Examples
    --------
    >>> run.export("spikes.nix")  # doctest: +SKIP
    >>> block = Neo().block(run)  # doctest: +SKIP
    """

    suffix = ".nix"
    extra = "neo"

    def __init__(self, population: str | None = None, probes: Sequence[Any] = ()) -> None:
        self.population, self.probes = population, tuple(probes)
        for p in self.probes:
            if not all(hasattr(p, name) for name in ("times", "values", "signal", "of")):
                raise ParameterError(f"probes must be what Simulation.probe returned, got {shown(p)}")

    def block(self, what: Any) -> Any:
        """The Block of a run, or of spikes by population.

        Raises
        ------
        ParameterError
            If Neo is not installed, or there are neither spikes nor probes.
        """
        with self.library():
            import neo
        found = spikes_of(what, self.population)
        windows = joined(np.concatenate([np.zeros((0, 2)), *(s.windows for s in found.values())]))
        n = sum(s.cells.size for s in found.values()) * len(windows)
        if n > _MOST:
            raise ParameterError(
                f"population must be one of {sorted(found)}: there are {n:,} trains (cells times stretches), "
                f"and Neo holds {_MOST:,}; or simulate with record='all', which is one stretch"
            )
        title = what.path.stem if isinstance(what, Run) else ""
        block = neo.Block(name=title, description="spikes in ms of spike time", written_by=f"neurodev {__version__}")
        block.annotate(populations=json.dumps({name: s.about for name, s in found.items()}))
        if isinstance(what, Run):
            block.annotate(
                seed=int(what.provenance.get("seed", -1)), life_days=float(what.days),
                acceleration=float(what.file.item("acceleration", 1.0)),
            )  # fmt: skip
        for k, (start, stop) in enumerate(windows.tolist()):
            segment = neo.Segment(name=f"stretch {k}", index=k, start_ms=start, stop_ms=stop)
            for name, spikes in found.items():
                if np.any((spikes.windows[:, 0] <= start + 1e-6) & (spikes.windows[:, 1] >= stop - 1e-6)):
                    segment.spiketrains.extend(_trains(neo, name, spikes, start, stop))
                elif np.any((spikes.windows[:, 0] < stop) & (spikes.windows[:, 1] > start)):
                    self.refuse([name], "populations that are recorded over the same stretches: give population=")
            block.segments.append(segment)
        for probe in self.probes:
            _add_probe(neo, block, windows, probe)
        if not block.segments:
            raise ParameterError(f"{shown(what)} has no spikes recorded: simulate with record='all' or 'daily'")
        return block

    def write(self, what: Any, path: Path | str) -> None:
        """Write the spikes of a run, or spikes by population, and the probes.

        Raises
        ------
        ParameterError
            If the library is missing, or there is nothing to be written.
        """
        with self.library():
            import neo.io
            import nixio  # noqa: F401
        block = self.block(what)
        with neo.io.NixIO(str(path), mode="ow") as file:
            file.write_block(block, use_obj_names=False)

    def read(self, path: Path | str) -> dict[str, Spikes]:
        """Spikes by population, of a file that Neo wrote.

        Raises
        ------
        ParameterError
            If the file is none.
        """
        with self.library():
            import neo.io
            import nixio  # noqa: F401
        if not a_path(path).is_file():
            raise ParameterError(f"path: there is no file {str(path)!r}")
        try:
            with neo.io.NixIO(str(path), mode="ro") as file:
                (block,) = file.read_all_blocks()
        except Exception as e:  # whatever a damaged file raises in three libraries
            raise ParameterError(f"path: {str(path)!r} cannot be read by Neo: {e}") from e
        return spikes_in(block)


def spikes_in(block: Any) -> dict[str, Spikes]:
    """Spikes by population, of a Block of `Neo`."""
    abouts = json.loads(block.annotations.get("populations", "{}"))
    parts: dict[str, list[tuple[F8, int, float, float]]] = {}
    for train in (t for s in block.segments for t in s.spiketrains):
        own = dict(train.annotations)
        start, stop = (float(t.rescale("ms").magnitude) for t in (train.t_start, train.t_stop))
        times = np.asarray(train.rescale("ms").magnitude, dtype=np.float64)
        parts.setdefault(str(own.get("population", "")), []).append((times, int(own["cell"]), start, stop))
    out = {}
    for name, trains in parts.items():
        time = np.concatenate([t[0] for t in trains])
        cell = np.repeat([t[1] for t in trains], [t[0].size for t in trains])
        order = np.lexsort((cell, time))
        windows = joined(np.unique([(t[2], t[3]) for t in trains], axis=0))
        cells = np.unique([t[1] for t in trains])
        out[name] = Spikes(time[order], cell[order].astype(np.int64), cells, windows, abouts.get(name, {}))
    return out


def _trains(neo: Any, name: str, spikes: Spikes, start: float, stop: float) -> list[Any]:
    """A train for each recorded cell of a population."""
    inside = (spikes.time >= start) & (spikes.time <= stop)
    time, cell = spikes.time[inside], spikes.cell[inside]
    order = np.lexsort((time, cell))
    time, cell = time[order], cell[order]
    begin, end = (np.searchsorted(cell, spikes.cells, side=side) for side in ("left", "right"))
    return [
        neo.SpikeTrain(
            time[a:b], units="ms", t_start=start, t_stop=stop, name=f"{name} {who}", population=name, cell=int(who)
        )
        for who, a, b in zip(spikes.cells.tolist(), begin, end, strict=True)
    ]  # fmt: skip


def _add_probe(neo: Any, block: Any, windows: F8, probe: Any) -> None:
    """The samples of a probe, those of each stretch in its segment."""
    times, values = np.asarray(probe.times), np.asarray(probe.values)
    if not times.size:
        return
    who = {"cell": probe.cells} if probe.cells.size else {"uid": np.asarray(probe.uid).astype(np.int64)}
    place = np.full(times.size, -1)
    for k, (start, stop) in enumerate(windows.tolist()):
        place[(times >= start) & (times <= stop)] = k
    for k in np.unique(place).tolist():
        here = place == k
        if k < 0:
            segment = neo.Segment(name=f"between stretches: {probe.of}", index=len(block.segments))
            block.segments.append(segment)
        else:
            segment = block.segments[k]
        segment.irregularlysampledsignals.append(
            neo.IrregularlySampledSignal(
                times[here], values[here], units=_UNITS.get(probe.signal, "dimensionless"), time_units="ms",
                name=f"{probe.signal} of {probe.of}", of=probe.of, sampled=probe.signal, array_annotations=who,
            )
        )  # fmt: skip

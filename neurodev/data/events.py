"""Readers of event-camera files: arrays in, arrays out; nothing is downloaded.

`.bin` and `.bs2` (N-MNIST and relatives): 5 bytes an event: x, y, then one bit of polarity and 23 bits of time in
microseconds, big-endian; y = 240 marks an overflow of the time counter (2^13 us) in ATIS files.  `.bs1`: two
bytes of channel, then
polarity and time as above.  `.npz`: arrays x, y, p, t_us with offsets of the recordings.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from neurodev.errors import ParameterError

I8 = NDArray[np.int64]


class Events(NamedTuple):
    """One recording: pixel, polarity (0 or 1), time (us, ascending), and the sensor's size (width, height)."""

    x: I8
    y: I8
    p: I8
    t_us: I8
    sensor_size: tuple[int, int]


def _five_bytes(path: Path) -> I8:
    raw = np.fromfile(path, dtype=np.uint8)
    if raw.size == 0 or raw.size % 5:
        raise ParameterError(f"{path} holds {raw.size} bytes; an event file holds 5 for each event: was it truncated?")
    return raw.reshape(-1, 5).astype(np.int64)


def read_events(path: str | os.PathLike[str], sensor_size: tuple[int, int] | None = None) -> Events:
    """Read one recording.

    Parameters
    ----------
    path : path
        A `.bin`, `.bs2` or `.bs1` file.
    sensor_size : (int, int), optional
        Width and height; the smallest power of two that holds all events if not given (1 row for `.bs1`).

    Raises
    ------
    ParameterError
        If the file is missing, truncated, of an unknown kind, or reaches beyond the sensor.
    """
    path = Path(path)
    if not path.is_file():
        raise ParameterError(f"there is no event file {str(path)!r}")
    kind = path.suffix.lower()
    if kind not in (".bin", ".bs2", ".bs1"):
        raise ParameterError(f"{path.name}: unknown kind of event file {kind!r}; neurodev reads .bin, .bs2 and .bs1")
    a = _five_bytes(path)
    p = a[:, 2] >> 7
    t = ((a[:, 2] & 127) << 16) | (a[:, 3] << 8) | a[:, 4]
    if kind == ".bs1":
        x, y = (a[:, 0] << 8) | a[:, 1], np.zeros(a.shape[0], dtype=np.int64)
    else:
        x, y = a[:, 0], a[:, 1]
        overflow = y == 240
        if overflow.any() and kind == ".bin":
            t = t + (np.cumsum(overflow) << 13)
            x, y, p, t = x[~overflow], y[~overflow], p[~overflow], t[~overflow]
    order = np.argsort(t, kind="stable")
    x, y, p, t = x[order], y[order], p[order], t[order]
    if sensor_size is None:
        side = lambda v: 1 << int(np.ceil(np.log2(max(int(v.max()) + 1, 1))))
        sensor_size = (side(x), 1 if kind == ".bs1" else side(y))
    if x.max() >= sensor_size[0] or y.max() >= sensor_size[1]:
        raise ParameterError(
            f"{path.name} has events at x={int(x.max())}, y={int(y.max())}, beyond the sensor of {sensor_size}"
        )
    return Events(x, y, p, t, sensor_size)


def read_npz(path: str | os.PathLike[str], sensor_size: tuple[int, int]) -> list[Events]:
    """All recordings of an `.npz` file with x, y, p, t_us and offsets.

    Raises
    ------
    ParameterError
        If an array is missing.
    """
    with np.load(path, allow_pickle=False) as z:
        missing = [k for k in ("x", "y", "p", "t_us", "offsets") if k not in z]
        if missing:
            raise ParameterError(f"{path} lacks the arrays {missing}; it has {sorted(z)}")
        x, y, p, t, cut = (z[k].astype(np.int64) for k in ("x", "y", "p", "t_us", "offsets"))
    pieces = [slice(a, b) for a, b in zip(cut[:-1], cut[1:], strict=True)]
    return [Events(x[s], y[s], (p[s] > 0).astype(np.int64), t[s], sensor_size) for s in pieces]


def from_tonic(dataset: Any, index: int) -> Events:
    """One recording of a Tonic dataset.

    Raises
    ------
    ParameterError
        If Tonic is not installed, or the dataset has no sensor size.
    """
    try:
        import tonic  # noqa: F401
    except ImportError:
        raise ParameterError("Tonic is not installed: pip install 'neurodev[data]'") from None
    events, _ = dataset[index]
    size = getattr(dataset, "sensor_size", None)
    if size is None:
        raise ParameterError(f"{type(dataset).__name__} has no sensor_size: is it a Tonic dataset?")
    y = events["y"] if "y" in (events.dtype.names or ()) else np.zeros(len(events))
    columns = [np.asarray(v).astype(np.int64) for v in (events["x"], y, events["p"], events["t"])]
    order = np.argsort(columns[3], kind="stable")
    x, y8, p, t = (c[order] for c in columns)
    return Events(x, y8, (p > 0).astype(np.int64), t, (int(size[0]), int(size[1])))


def pool(
    recordings: list[Events], cells: tuple[int, int], *, refractory: float = 0.0, longest: float | None = None
) -> tuple[list[tuple[NDArray[np.float64], I8]], NDArray[np.float64]]:
    """Pool a sensor into a grid of cells, one ON and one OFF cell at each place.

    Parameters
    ----------
    recordings : list of Events
        All of one sensor size.
    cells : (int, int)
        Columns and rows of the grid; each must divide the sensor.
    refractory : float, ms
        A cell that has fired drops the events of this time, so that a busy pool does not fire without end.
    longest : float, ms, optional
        Use only the beginning of every recording.

    Returns
    -------
    trains : list of (times, cells)
        Ms from the first event; cell = polarity * columns * rows + row * columns + column.
    places : (2 * columns * rows, 2) float64
        Position of each cell as a fraction of the sensor, y upwards.
    """
    if not recordings:
        raise ParameterError("recordings is empty: give at least one")
    columns, rows = cells
    width, height = recordings[0].sensor_size
    if width % columns or height % rows:
        raise ParameterError(f"cells={cells} must divide the sensor of {width} x {height} pixels")
    trains = []
    for e in recordings:
        if e.sensor_size != (width, height):
            raise ParameterError(f"recordings have different sensors: {e.sensor_size} and {(width, height)}")
        column, row = e.x * columns // width, rows - 1 - e.y * rows // height
        cell = e.p * (columns * rows) + row * columns + column
        t = (e.t_us - e.t_us[0]) / 1e3
        if longest is not None:
            keep = t < longest
            t, cell = t[keep], cell[keep]
        if refractory > 0:
            t, cell = _thin(t, cell, refractory)
        trains.append((t, cell))
    x, y = (np.arange(columns) + 0.5) / columns, (np.arange(rows) + 0.5) / rows
    places = np.column_stack([np.tile(x, rows), np.repeat(y, columns)])
    return trains, np.concatenate([places, places])


def _thin(t: NDArray[np.float64], cell: I8, refractory: float) -> tuple[NDArray[np.float64], I8]:
    """Drop events that follow an accepted one of the same cell too soon."""
    last = np.full(int(cell.max()) + 1 if cell.size else 1, -np.inf)
    keep = np.zeros(t.size, dtype=bool)
    for k, (when, c) in enumerate(zip(t.tolist(), cell.tolist(), strict=True)):
        if when - last[c] >= refractory:
            last[c], keep[k] = when, True
    return t[keep], cell[keep]

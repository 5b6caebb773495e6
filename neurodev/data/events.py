"""Readers of event-camera files: arrays in, arrays out; nothing is downloaded.

`.bin` and `.bs2` (N-MNIST and relatives): 5 bytes an event: x, y, then one bit of polarity and 23 bits of time in
microseconds, big-endian; y = 240 marks an overflow of the time counter (2^13 us) in ATIS files.  `.bs1`: two
bytes of channel, then
polarity and time as above.  `.npz`: arrays x, y, p, t_us with offsets of the recordings.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from neurodev.data.door import grid_of, reads, sensor
from neurodev.errors import ParameterError, shown
from neurodev.jit import kernel
from neurodev.params import check_memory, number, whole, wholes
from neurodev.writing import a_path

I8 = NDArray[np.int64]


class Events(NamedTuple):
    """One recording: pixel, polarity (0 or 1), time (us), and the sensor's size (width, height).

    Made by hand, whole numbers of any width will do, in any order of time; `checked` is what readers of it call.

    Examples
    --------
    >>> four = np.array([0, 1, 2, 3])
    >>> nd.data.Events(x=four, y=four, p=four % 2, t_us=1000 * four, sensor_size=(4, 4)).sensor_size
    (4, 4)
    """

    x: I8
    y: I8
    p: I8
    t_us: I8
    sensor_size: tuple[int, int]


def checked(events: Events, where: str = "events") -> Events:
    """The same recording in int64, in order of time (events of one time as they came).

    Raises
    ------
    ParameterError
        If a value is no whole number, a pixel lies outside the sensor, a polarity is neither 0 nor 1, or the lists have
        different lengths.
    """
    try:
        width, height = events.sensor_size
        given = (events.x, events.y, events.t_us)
    except (AttributeError, TypeError, ValueError):
        raise ParameterError(f"{where} must be Events(x, y, p, t_us, (width, height)), got {shown(events)}") from None
    size = whole(width, f"{where}: the sensor's width", 1), whole(height, f"{where}: the sensor's height", 1)
    x, y, t = (wholes(a, f"{where}: {name}") for a, name in zip(given, ("x", "y", "t_us"), strict=True))
    p = np.asarray(events.p)
    p = p.astype(np.int64) if p.dtype == bool else wholes(p, f"{where}: p")
    if x.ndim != 1 or not x.shape == y.shape == p.shape == t.shape:
        shapes = ", ".join(str(a.shape) for a in (x, y, p, t))
        raise ParameterError(f"{where}: x, y, p and t_us must be lists of one length, got shapes {shapes}")
    outside = (x < 0) | (x >= size[0]) | (y < 0) | (y >= size[1])
    if outside.any():
        k = int(np.flatnonzero(outside)[0])
        raise ParameterError(
            f"{where}: event {k} at x={x[k]}, y={y[k]} lies outside the sensor of {size[0]} x {size[1]} pixels, which "
            "count from 0; leave such events out or give the true sensor_size"
        )
    if p.size and (p.min() < 0 or p.max() > 1):
        raise ParameterError(f"{where}: p must be 0 or 1, got {p.min()}..{p.max()}: give p > 0")
    if np.any(np.diff(t) < 0):
        order = np.argsort(t, kind="stable")
        x, y, p, t = x[order], y[order], p[order], t[order]
    return Events(x, y, p, t, size)


def unrolled(t: I8, bits: int) -> I8:
    """Times of a counter of so many bits, in order of the file, without its returns to 0.

    A fall by more than a sixteenth of its range is a return (half a second of 23 bits of microseconds); a smaller one
    is an event that was written a little late, also across a return.
    """
    if not t.size:
        return t
    little, step = 1 << (bits - 4), np.diff(t, prepend=t[:1])
    returns, late = step < -little, step > (1 << bits) - little
    late &= np.cumsum(returns) > 0
    return np.asarray(t + (np.cumsum(returns.astype(np.int64) - late) << bits), dtype=np.int64)


def _five_bytes(path: Path) -> I8:
    raw = np.fromfile(path, dtype=np.uint8)
    if raw.size == 0 or raw.size % 5:
        raise ParameterError(f"{path} holds {raw.size} bytes; an event file holds 5 for each event: was it truncated?")
    return raw.reshape(-1, 5).astype(np.int64)


@reads(sensor_size=sensor(needed=False))
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

    Examples
    --------
    >>> from pathlib import Path
    >>> _ = Path("one.bin").write_bytes(bytes([3, 2, 128, 0, 10, 1, 1, 0, 0, 20]))
    >>> nd.data.read_events("one.bin").t_us
    array([10, 20])
    """
    path = a_path(path)
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
    if not t.size:
        raise ParameterError(f"{path.name} holds no event of a pixel")
    t = unrolled(t, 23)
    if sensor_size is None:
        side = lambda v: 1 << int(np.ceil(np.log2(max(int(v.max()) + 1, 1))))
        sensor_size = (side(x), 1 if kind == ".bs1" else side(y))
    return checked(Events(x, y, p, t, sensor_size), path.name)


@reads(sensor_size=sensor(needed=True))
def read_npz(path: str | os.PathLike[str], sensor_size: tuple[int, int]) -> list[Events]:
    """All recordings of an `.npz` file with x, y, p, t_us and offsets.

    Raises
    ------
    ParameterError
        If an array is missing.

    Examples
    --------
    >>> np.savez("one.npz", x=[0, 1], y=[0, 1], p=[1, 0], t_us=[0, 500], offsets=[0, 2])
    >>> len(nd.data.read_npz("one.npz", (4, 4)))
    1
    """
    with npz(path) as z:
        missing = [k for k in ("x", "y", "p", "t_us", "offsets") if k not in z]
        if missing:
            raise ParameterError(f"{path} lacks the arrays {missing}; it has {sorted(z)}")
        x, y, t, cut = (wholes(z[k], f"{path}: {k}") for k in ("x", "y", "t_us", "offsets"))
        p = (z["p"] > 0).astype(np.int64)
    if not (x.ndim == cut.ndim == 1 and x.shape == y.shape == p.shape == t.shape):
        raise ParameterError(f"{path}: x, y, p and t_us must be lists of one length")
    if cut.size < 1 or cut[0] != 0 or cut[-1] != x.size or np.any(np.diff(cut) < 0):
        raise ParameterError(f"{path}: offsets must ascend from 0 to the number of events, {x.size}")
    pieces = [slice(a, b) for a, b in zip(cut[:-1], cut[1:], strict=True)]
    return [
        checked(Events(x[s], y[s], p[s], t[s], sensor_size), f"{path}, recording {k}") for k, s in enumerate(pieces)
    ]


def from_tonic(dataset: Any, index: int) -> Events:
    """One recording of a Tonic dataset.

    Raises
    ------
    ParameterError
        If Tonic is not installed, or the dataset has no sensor size.

    Examples
    --------
    >>> import tonic  # doctest: +SKIP
    >>> events = nd.data.from_tonic(tonic.datasets.NMNIST("folder"), 0)  # doctest: +SKIP
    """
    try:
        import tonic  # noqa: F401
    except ImportError:
        raise ParameterError("Tonic is not installed: pip install 'neurodev[data]'") from None
    n = length_of_set(dataset, "dataset")
    index = whole(index, "index", 0, n - 1)
    return events_of(dataset, dataset[index][0], f"recording {index} of {type(dataset).__name__}")


def length_of_set(given: Any, name: str) -> int:
    """Number of samples of a Tonic dataset.

    Raises
    ------
    ParameterError
        If it is none, or holds no samples.
    """
    if isinstance(given, type) or not hasattr(given, "__getitem__") or not hasattr(given, "sensor_size"):
        cure = "is it a Tonic dataset?" if hasattr(given, "__getitem__") else "make one of tonic.datasets"
        raise ParameterError(f"{name} must be a Tonic dataset with a sensor_size, got {shown(given)}: {cure}")
    if not len(given):
        raise ParameterError(f"{name} holds no samples: {shown(given)}")
    return len(given)


def events_of(dataset: Any, events: Any, where: str) -> Events:
    """What a Tonic dataset returned, as `Events`.

    Raises
    ------
    ParameterError
        If the dataset has no sensor size, or a time is no whole number of microseconds.
    """
    size = getattr(dataset, "sensor_size", None)
    if size is None:
        raise ParameterError(f"{type(dataset).__name__} has no sensor_size: is it a Tonic dataset?")
    names = getattr(getattr(events, "dtype", None), "names", None) or ()
    missing = [k for k in ("x", "p", "t") if k not in names]
    if missing:
        raise ParameterError(f"{where} lacks the fields {missing} of events; it has {list(names)}")
    t = np.asarray(events["t"])
    if t.dtype.kind == "f" and t.size and not np.array_equal(t, np.floor(t)):
        raise ParameterError(
            f"{where}: t must be whole microseconds, got {t[t != np.floor(t)][0]!r}; times in seconds? multiply by 1e6"
        )
    y = events["y"] if "y" in names else np.zeros(len(events), dtype=np.int64)
    p = (np.asarray(events["p"]) > 0).astype(np.int64)
    return checked(Events(events["x"], y, p, t, (size[0], size[1])), where)


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
        Ms from the first event; cell = polarity * columns * rows + row * columns + column, where rows run downwards
        from the top of the sensor (y = 0), as in pictures.  A recording without events gives an empty list.
    places : (2 * columns * rows, 2) float64
        Position of each cell as a fraction of the sensor, y upwards.

    Examples
    --------
    >>> four = np.array([0, 1, 2, 3])
    >>> one = nd.data.Events(x=four, y=four, p=four % 2, t_us=1000 * four, sensor_size=(4, 4))
    >>> trains, places = nd.data.pool([one], (2, 2))
    >>> trains[0][0].size, places.shape
    (4, (8, 2))
    """
    recordings = several(recordings, "recordings")
    columns, rows = grid_of(cells)
    refractory = number(refractory, "refractory", "ms", low=0.0)
    if longest is not None:
        longest = number(longest, "longest", "ms", above=0.0, infinite=True)
    trains, sensor = [], None
    for k, given in enumerate(recordings):
        e = checked(given, f"recording {k}")
        sensor = e.sensor_size if sensor is None else sensor
        width, height = sensor
        if e.sensor_size != sensor:
            raise ParameterError(f"recordings have different sensors: {e.sensor_size} and {sensor}")
        if width % columns or height % rows:
            raise ParameterError(f"cells={cells} must divide the sensor of {width} x {height} pixels")
        cell = e.p * (columns * rows) + e.y * rows // height * columns + e.x * columns // width
        t = (e.t_us - e.t_us[:1]) / 1e3
        if longest is not None:
            keep = t < longest
            t, cell = t[keep], cell[keep]
        if refractory > 0:
            keep = np.zeros(t.size, dtype=bool)
            thin(t, cell, refractory, np.full(2 * columns * rows, -np.inf), keep)
            t, cell = t[keep], cell[keep]
        trains.append((t, cell))
    x, y = (np.arange(columns) + 0.5) / columns, 1.0 - (np.arange(rows) + 0.5) / rows
    places = np.column_stack([np.tile(x, rows), np.repeat(y, columns)])
    return trains, np.concatenate([places, places])


def several(given: Any, name: str) -> list[Events]:
    """A list of recordings, not one recording, which is a tuple itself.

    Raises
    ------
    ParameterError
        Naming the argument and its value.
    """
    if (
        isinstance(given, (Events, str, bytes, dict))
        or not isinstance(given, Iterable)
        or getattr(given, "ndim", 1) == 0
    ):
        cure = ": write [events]" if isinstance(given, Events) else ""
        raise ParameterError(f"{name} must be a list of Events, got {shown(given)}{cure}")
    found = list(given)
    if not found:
        raise ParameterError(f"{name} is empty: give at least one, got {shown(given)}")
    return found


@kernel
def thin(t: Any, cell: Any, refractory: float, last: Any, keep: Any) -> None:
    """Mark the events that do not follow an accepted one of the same cell too soon, (n_event,)."""
    for k in range(t.shape[0]):
        if t[k] - last[cell[k]] >= refractory:
            last[cell[k]] = t[k]
            keep[k] = True


def npz(path: str | os.PathLike[str]) -> Any:
    """The arrays of a file, without pickles.

    Raises
    ------
    ParameterError
        If it is missing, damaged, or no such file.
    """
    try:
        file = open(a_path(path), "rb")  # noqa: SIM115  closed with the arrays
    except OSError as e:
        raise ParameterError(f"{str(path)!r} cannot be read ({e.strerror})") from None
    try:
        found = np.load(file, allow_pickle=False)
        if not isinstance(found, np.lib.npyio.NpzFile):
            raise ParameterError("it holds one array, not named ones; np.savez saves such")
        parts: Any = found.zip
        size = sum(part.file_size for part in parts.infolist())
        check_memory(2.0 * size, f"{path}, unpacked,", "is it damaged?")
        found.fid = file  # type: ignore[assignment]
    except ParameterError:
        file.close()
        raise
    except Exception as e:  # zipfile, zlib and numpy each have errors of their own
        file.close()
        raise ParameterError(f"{path} cannot be read as arrays ({type(e).__name__}: {e}): is it damaged?") from None
    return found

"""Event-camera and other recordings as a labelled set of spike trains."""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Set
from typing import Any

import numpy as np

from neurodev.data.dataset import I8, Dataset, SpikeTrains
from neurodev.data.door import RULES, grid_of
from neurodev.data.events import Events, checked, events_of, length_of_set, pool, several
from neurodev.data.targets import count_classes
from neurodev.errors import ParameterError, shown
from neurodev.params import asks, or_none, whole


@asks(**{name: RULES[name] for name in ("duration", "cells", "refractory")})
def recordings(
    events: list[Events], cells: tuple[int, int] | None = None, *, duration: float, refractory: float = 0.0
) -> SpikeTrains:
    """Recordings as spike trains of a grid of cells, ON cells after OFF cells; rows run downwards, as in pictures.

    Parameters
    ----------
    events : list of Events
        All of one sensor; one without events is a sample without spikes.
    cells : (int, int), optional
        Columns and rows of the grid (see `events.pool`); one cell a pixel if not given.
    duration : float, ms
        Events later than this after the first are left out.
    refractory : float, ms
        A cell that has fired drops the events of this time.

    Raises
    ------
    ParameterError
        If there is no recording, an event lies outside the sensor, or the cells do not divide it.

    Examples
    --------
    >>> four = np.array([0, 1, 2, 3])
    >>> one = nd.data.Events(x=four, y=four, p=four % 2, t_us=1000 * four, sensor_size=(4, 4))
    >>> nd.data.recordings([one], duration=10.0).n_cell
    32
    """
    events = several(events, "events")
    grid = grid_of(checked(events[0], "recording 0").sensor_size if cells is None else cells)
    trains, _ = pool(events, grid, refractory=refractory, longest=duration)
    return SpikeTrains.of(trains, 2 * grid[0] * grid[1], float(duration), (grid[1], grid[0], 2))


_RULES = {name: RULES[name] for name in ("cells", "refractory", "n_train", "n_test")}


@asks(duration=or_none(RULES["duration"]), **_RULES)
def tonic(
    train: Any,
    test: Any = None,
    *,
    duration: float | None = None,
    cells: tuple[int, int] | None = None,
    refractory: float = 0.0,
    classes: Sequence[str] | None = None,
    n_train: int | None = None,
    n_test: int | None = None,
) -> Dataset:
    """One or two Tonic datasets (or parts of one) as a `Dataset`; each sample is read once.

    Events become spike trains.  Where the dataset makes frames of them (``transform=ToFrame(...)``, of
    (step, polarity, row, column) or (step, cell)) they become frames of 0 and 1 with polarity last, for the encoder
    `Frames`: several events in a place of a frame count once, as in `Binned`.

    Parameters
    ----------
    train : Tonic dataset
    test : Tonic dataset, optional
        Without it there are no test samples: `Dataset.split` sets some aside.
    duration : float, ms
        As in `recordings`, and needed there; of frames nobody asks it.
    cells, refractory
        As in `recordings`.
    classes : sequence of str, optional
        Taken from the dataset, or numbered, if not given.
    n_train, n_test : int, optional
        Read only so many samples, from the beginning.

    Raises
    ------
    ParameterError
        If Tonic is not installed, the dataset has no sensor size, an event lies outside it, a time is no whole number
        of microseconds, or a target is not a class number.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> kind = np.dtype([("x", int), ("y", int), ("t", int), ("p", int)])
    >>> class Two:
    ...     sensor_size, classes = (2, 2, 2), ["a", "b"]
    ...     def __len__(self):
    ...         return 2
    ...     def __getitem__(self, k):
    ...         return np.array([(0, 1, 100, 1), (1, 1, 900, 0)], dtype=kind), k
    ...
    >>> data = nd.data.tonic(Two(), Two(), duration=1.0)
    >>> data.n_class
    2
    """
    try:
        import tonic  # noqa: F401
    except ImportError:
        raise ParameterError("Tonic is not installed: pip install 'neurodev[data]'") from None
    for name, given in (("train", train), ("test", test)):
        if given is not None or name == "train":
            length_of_set(given, name)
    if classes is not None and (isinstance(classes, (str, bytes, dict, Set)) or not isinstance(classes, Iterable)):
        raise ParameterError(f"classes must be a list of names, got {shown(classes)}")
    x, y = _read(train, n_train, cells, duration, refractory)
    x_test, y_test = (x[:0], y[:0]) if test is None else _read(test, n_test, cells, duration, refractory)
    names = classes if classes is not None else getattr(train, "classes", None)
    if names is None:
        cure = "a target_transform that numbers them, or classes= with all their names"
        names = [str(k) for k in range(count_classes(np.concatenate([y, y_test]), "targets of the dataset", cure))]
    return Dataset(x, y, x_test, y_test, name=type(train).__name__, classes=tuple(str(c) for c in names))


def _read(
    source: Any, n: int | None, cells: tuple[int, int] | None, duration: float | None, refractory: float
) -> tuple[Any, I8]:
    wanted = len(source) if n is None else min(whole(n, "number of samples", 1), len(source))
    name = type(source).__name__
    if not wanted:
        raise ParameterError(f"{name} holds no samples")
    samples, labels = [], []
    for k in range(wanted):
        found, label = source[k]
        where = f"recording {k} of {name}"
        samples.append(_frames(found, where) if _is_frames(found) else events_of(source, found, where))
        try:
            labels.append(whole(label, f"target of recording {k} of {name}", 0))
        except ParameterError as e:
            raise ParameterError(f"{e}: targets of {name} are not class numbers") from None
    y = np.asarray(labels, dtype=np.int64)
    if not isinstance(samples[0], Events):
        return _stacked(samples, name), y
    if duration is None:
        raise ParameterError(f"duration must be given, in ms: {name} returns events, not frames")
    return recordings(samples, cells, duration=duration, refractory=refractory), y


def _is_frames(found: Any) -> bool:
    """Whether a dataset made frames of its events."""
    return isinstance(found, np.ndarray) and found.dtype.names is None and found.ndim >= 2


def _frames(found: Any, where: str) -> Any:
    """Frames of bytes of 0 and 1, polarity last."""
    if found.dtype.kind not in "biuf" or found.ndim not in (2, 3, 4):
        raise ParameterError(f"{where}: frames must be (step, polarity, row, column), got {found.dtype} {found.shape}")
    flags = (found > 0).astype(np.uint8)
    return np.moveaxis(flags, 1, -1) if flags.ndim == 4 else flags


def _framed_empty(frames: Any, shape: tuple[int, ...]) -> bool:
    """Whether these are Tonic's frames of a recording without events: rows and columns exchanged, perhaps one step."""
    steps, rows, columns, polarity = shape
    return (
        getattr(frames, "ndim", 0) == 4 and not frames.any() and frames.shape[0] in (1, steps)
        and frames.shape[1:] in ((rows, columns, polarity), (columns, rows, polarity))
    )  # fmt: skip


def _stacked(samples: list[Any], name: str) -> Any:
    """Frames of all samples, (n, step, ...)."""
    full = {s.shape for s in samples if getattr(s, "ndim", 0) == 4 and s.any()}
    if len(full) == 1:
        [shape] = full
        samples = [np.zeros(shape, np.uint8) if _framed_empty(s, shape) else s for s in samples]
    shapes = {getattr(s, "shape", "events") for s in samples}
    if len(shapes) > 1:
        raise ParameterError(
            f"the samples of {name} differ: {sorted(map(str, shapes))[:4]}; let ToFrame make n_time_bins of each"
        )
    return np.stack(samples)

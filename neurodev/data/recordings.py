"""Event-camera and other recordings as a labelled set of spike trains."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from neurodev.data.dataset import I8, Dataset, SpikeTrains
from neurodev.data.events import Events, from_tonic, pool
from neurodev.errors import ParameterError


def recordings(
    events: list[Events], cells: tuple[int, int] | None = None, *, duration: float, refractory: float = 0.0
) -> SpikeTrains:
    """Recordings as spike trains of a grid of cells, ON cells after OFF cells.

    Parameters
    ----------
    events : list of Events
        All of one sensor.
    cells : (int, int), optional
        Columns and rows of the grid (see `events.pool`); one cell a pixel if not given.
    duration : float, ms
        Events later than this after the first are left out.
    refractory : float, ms
        A cell that has fired drops the events of this time.
    """
    if not events:
        raise ParameterError("events is empty: give at least one recording")
    if not (np.isfinite(duration) and duration > 0.0):
        raise ParameterError(f"duration must be above 0 ms, got {duration}")
    grid = events[0].sensor_size if cells is None else cells
    trains, _ = pool(events, grid, refractory=refractory, longest=duration)
    return SpikeTrains.of(trains, 2 * grid[0] * grid[1], float(duration), (grid[1], grid[0], 2))


def tonic(
    train: Any,
    test: Any,
    *,
    duration: float,
    cells: tuple[int, int] | None = None,
    refractory: float = 0.0,
    classes: Sequence[str] | None = None,
    n_train: int | None = None,
    n_test: int | None = None,
) -> Dataset:
    """Any two Tonic datasets (or parts of one) as a `Dataset` of spike trains.

    Parameters
    ----------
    train, test : Tonic datasets
    duration, cells, refractory
        As in `recordings`.
    classes : sequence of str, optional
        Taken from the dataset, or numbered, if not given.
    n_train, n_test : int, optional
        Read only so many samples, from the beginning.

    Raises
    ------
    ParameterError
        If Tonic is not installed, the dataset has no sensor size, or a target is not a class number.
    """
    (x, y), (x_test, y_test) = (
        _read(source, n, cells, duration, refractory) for source, n in ((train, n_train), (test, n_test))
    )
    names = classes if classes is not None else getattr(train, "classes", None)
    if names is None:
        names = [str(k) for k in range(int(max(y.max(), y_test.max())) + 1)]
    return Dataset(x, y, x_test, y_test, name=type(train).__name__, classes=tuple(str(c) for c in names))


def _read(
    source: Any, n: int | None, cells: tuple[int, int] | None, duration: float, refractory: float
) -> tuple[SpikeTrains, I8]:
    wanted = range(len(source) if n is None else min(n, len(source)))
    events = [from_tonic(source, k) for k in wanted]
    labels = [source[k][1] for k in wanted]
    try:
        whole = [int(label) for label in labels]
    except (TypeError, ValueError):
        raise ParameterError(
            f"targets of {type(source).__name__} are not class numbers, for example {labels[0]!r}"
        ) from None
    return recordings(events, cells, duration=duration, refractory=refractory), np.asarray(whole, dtype=np.int64)

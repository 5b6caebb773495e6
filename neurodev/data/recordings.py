"""Event-camera and other recordings as a labelled set of spike trains."""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Set
from typing import Any

import numpy as np

from neurodev.data.dataset import I8, Dataset, SpikeTrains
from neurodev.data.door import RULES, grid_of
from neurodev.data.events import Events, checked, events_of, length_of_set, pool, several
from neurodev.errors import ParameterError, shown
from neurodev.params import asks, whole


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
    """
    events = several(events, "events")
    grid = grid_of(checked(events[0], "recording 0").sensor_size if cells is None else cells)
    trains, _ = pool(events, grid, refractory=refractory, longest=duration)
    return SpikeTrains.of(trains, 2 * grid[0] * grid[1], float(duration), (grid[1], grid[0], 2))


@asks(**{name: RULES[name] for name in ("duration", "cells", "refractory", "n_train", "n_test")})
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
        If Tonic is not installed, the dataset has no sensor size, an event lies outside it, a time is no whole number
        of microseconds, or a target is not a class number.
    """
    try:
        import tonic  # noqa: F401
    except ImportError:
        raise ParameterError("Tonic is not installed: pip install 'neurodev[data]'") from None
    for name, given in (("train", train), ("test", test)):
        length_of_set(given, name)
    if classes is not None and (isinstance(classes, (str, bytes, dict, Set)) or not isinstance(classes, Iterable)):
        raise ParameterError(f"classes must be a list of names, got {shown(classes)}")
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
    wanted = len(source) if n is None else min(whole(n, "number of samples", 1), len(source))
    name = type(source).__name__
    if not wanted:
        raise ParameterError(f"{name} holds no samples")
    events, labels = [], []
    for k in range(wanted):
        found, label = source[k]
        events.append(events_of(source, found, f"recording {k} of {name}"))
        try:
            labels.append(whole(label, f"target of recording {k} of {name}", 0))
        except ParameterError as e:
            raise ParameterError(f"{e}: targets of {name} are not class numbers") from None
    return recordings(events, cells, duration=duration, refractory=refractory), np.asarray(labels, dtype=np.int64)

"""The two containers of training data: spike trains as event lists, and a labelled set with its split."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neurodev import rng
from neurodev.errors import ParameterError

F8 = NDArray[np.float64]
I8 = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class SpikeTrains:
    """Spikes of many samples, one list after the other.

    Attributes
    ----------
    times : (n_spike,) float64, ms
        Ascending within each sample; equal times are ordered by cell.
    cells : (n_spike,) int64
    offsets : (n_sample + 1,) int64
        Sample k is ``times[offsets[k]:offsets[k + 1]]``.
    n_cell : int
    duration : float, ms
        Every time lies in [0, duration].
    grid : (rows, columns, channels), optional
        Where cells lie on a grid: ``cell = (channel * rows + row) * columns + column``.
    """

    times: F8
    cells: I8
    offsets: I8
    n_cell: int
    duration: float
    grid: tuple[int, int, int] | None = None

    def __post_init__(self) -> None:
        t, c, o = self.times, self.cells, self.offsets
        if t.ndim != 1 or c.shape != t.shape or o.ndim != 1 or o.size < 1 or o[0] != 0 or o[-1] != t.size:
            raise ParameterError("times and cells must be of one length, and offsets must run from 0 to that length")
        if np.any(np.diff(o) < 0):
            raise ParameterError("offsets must ascend")
        if t.size and not (np.all(np.isfinite(t)) and t.min() >= 0.0 and t.max() <= self.duration):
            raise ParameterError(f"spike times must be finite and lie in [0, duration={self.duration}] ms")
        if c.size and (c.min() < 0 or c.max() >= self.n_cell):
            raise ParameterError(f"cells must lie in [0, {self.n_cell}), got {c.min()}..{c.max()}")
        if self.grid is not None and (len(self.grid) != 3 or np.prod(self.grid) != self.n_cell):
            raise ParameterError(f"grid must be (rows, columns, channels) of {self.n_cell} cells, got {self.grid}")

    @classmethod
    def of(
        cls, trains: Sequence[tuple[ArrayLike, ArrayLike]], n_cell: int, duration: float,
        grid: tuple[int, int, int] | None = None,
    ) -> SpikeTrains:  # fmt: skip
        """From one pair (times, cells) a sample, in any order of time.

        Raises
        ------
        ParameterError
            If a time is not finite or beyond the duration, or a cell is out of range.
        """
        times, cells = [], []
        for t_any, c_any in trains:
            t, c = np.asarray(t_any, dtype=np.float64), np.asarray(c_any, dtype=np.int64)
            if t.shape != c.shape or t.ndim != 1:
                raise ParameterError(
                    f"times and cells of a sample must be lists of one length, not {t.shape}, {c.shape}"
                )
            order = np.lexsort((c, t))
            times.append(t[order])
            cells.append(c[order])
        offsets = np.concatenate([[0], np.cumsum([t.size for t in times])]).astype(np.int64)
        none = np.zeros(0)
        return cls(
            np.concatenate([none, *times]), np.concatenate([none.astype(np.int64), *cells]), offsets, n_cell, duration,
            grid,
        )  # fmt: skip

    def __len__(self) -> int:
        return int(self.offsets.size - 1)

    def __getitem__(self, which: Any) -> SpikeTrains:
        """The samples of a slice, a mask or a list of indices."""
        chosen = np.atleast_1d(np.arange(len(self))[which])
        length = np.diff(self.offsets)[chosen]
        offsets = np.concatenate([[0], np.cumsum(length)]).astype(np.int64)
        at = np.arange(offsets[-1]) + np.repeat(self.offsets[chosen] - offsets[:-1], length)
        return SpikeTrains(self.times[at], self.cells[at], offsets, self.n_cell, self.duration, self.grid)

    def counts(self) -> I8:
        """Spikes of each cell in each sample, (n_sample, n_cell)."""
        sample = np.repeat(np.arange(len(self)), np.diff(self.offsets))
        flat = np.bincount(sample * self.n_cell + self.cells, minlength=len(self) * self.n_cell)
        return flat.reshape(len(self), self.n_cell).astype(np.int64)

    def frames(self, n_step: int) -> NDArray[np.uint8]:
        """Spikes in `n_step` equal bins of the duration, (n_sample, n_step, n_cell) uint8, at most 255 each."""
        if n_step < 1:
            raise ParameterError(f"n_step must be at least 1, got {n_step}")
        sample = np.repeat(np.arange(len(self)), np.diff(self.offsets))
        step = np.minimum((self.times * (n_step / self.duration)).astype(np.int64), n_step - 1)
        flat = (sample * n_step + step) * self.n_cell + self.cells
        count = np.bincount(flat, minlength=len(self) * n_step * self.n_cell)
        return np.minimum(count, 255).astype(np.uint8).reshape(len(self), n_step, self.n_cell)


@dataclass(frozen=True, eq=False)
class Dataset:
    """A labelled set with its split into training and test.

    Attributes
    ----------
    x_train, x_test : (n, ...) array or SpikeTrains
        Images keep the bytes of their file (uint8, 0..255; colour last); encoders accept both bytes and
        floats in [0, 1].
    y_train, y_test : (n,) int64
        Labels in [0, len(classes)).
    name : str
    classes : tuple of str
        What the labels mean.

    Raises
    ------
    ParameterError
        If lengths do not agree, a label is out of range, or a value is not finite.
    """

    x_train: Any
    y_train: I8
    x_test: Any
    y_test: I8
    name: str
    classes: tuple[str, ...]

    def __post_init__(self) -> None:
        for part in ("train", "test"):
            x, y = getattr(self, f"x_{part}"), np.asarray(getattr(self, f"y_{part}"))
            if y.ndim != 1 or len(x) != y.size:
                raise ParameterError(f"{self.name}: {len(x)} samples in x_{part} but y_{part} has shape {y.shape}")
            object.__setattr__(self, f"y_{part}", check_labels(y, len(self.classes), f"{self.name}, y_{part}"))
            if isinstance(x, np.ndarray) and x.dtype.kind == "f" and not np.all(np.isfinite(x)):
                bad = int(np.flatnonzero(~np.isfinite(x.reshape(len(x), -1)).all(axis=1))[0])
                raise ParameterError(f"{self.name}: x_{part} holds NaN or infinity, first in sample {bad}")

    @property
    def n_class(self) -> int:
        """Number of classes."""
        return len(self.classes)

    def subset(self, n: int, seed: int = 0, *, n_test: int | None = None) -> Dataset:
        """A random part: `n` training samples, and `n_test` (or all) test samples.

        Raises
        ------
        ParameterError
            If fewer samples exist.
        """
        chosen = _choose(len(self.x_train), n, seed, "train")
        part = replace(self, x_train=self.x_train[chosen], y_train=self.y_train[chosen])
        if n_test is None:
            return part
        chosen = _choose(len(self.x_test), n_test, seed, "test")
        return replace(part, x_test=self.x_test[chosen], y_test=self.y_test[chosen])


def _choose(have: int, n: int, seed: int, name: str) -> I8:
    if not 1 <= n <= have:
        raise ParameterError(f"a subset of {n} {name} samples is not possible: there are {have}")
    return np.sort(rng.generator(rng.check_seed(seed), "subset", name).permutation(have)[:n])


def check_labels(labels: ArrayLike, n_class: int, where: str) -> I8:
    """Labels as int64.

    Raises
    ------
    ParameterError
        If they are not whole numbers in [0, n_class).
    """
    y = np.asarray(labels)
    if y.dtype.kind not in "iu":
        raise ParameterError(f"{where}: labels must be whole numbers, got {y.dtype}")
    y = y.astype(np.int64)
    wrong = (y < 0) | (y >= n_class)
    if wrong.any():
        first = int(np.flatnonzero(wrong)[0])
        raise ParameterError(f"{where}: label {int(y[first])} of sample {first} is not in [0, {n_class})")
    return y

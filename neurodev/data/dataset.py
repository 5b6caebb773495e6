"""The two containers of training data: spike trains as event lists, and a labelled set with its split."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neurodev import rng
from neurodev.card import Card, Rows, counted, named
from neurodev.data.targets import check_targets, kind_of_targets
from neurodev.errors import ParameterError, shown
from neurodev.params import check_memory, number, numbers, whole, wholes
from neurodev.registry import Spoken

F8 = NDArray[np.float64]
I8 = NDArray[np.int64]


@dataclass(frozen=True, eq=False, repr=False)
class SpikeTrains(Card, metaclass=Spoken):
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
        Where cells lie on a grid: ``cell = (channel * rows + row) * columns + column``.  Rows run downwards, as in
        pictures.

    Raises
    ------
    ParameterError
        If the lists do not fit together, a train is not in order of time, or a time, cell or duration is out of range.

    Examples
    --------
    >>> trains = nd.data.SpikeTrains(np.array([1.0, 7.0]), np.array([0, 2]), np.array([0, 2]), n_cell=3, duration=10.0)
    >>> len(trains)
    1
    """

    times: F8
    cells: I8
    offsets: I8
    n_cell: int
    duration: float
    grid: tuple[int, int, int] | None = None

    def __post_init__(self) -> None:
        for name in ("times", "cells", "offsets"):
            if not hasattr(getattr(self, name), "dtype"):
                raise ParameterError(
                    f"{name} must be an array, got {shown(getattr(self, name))}: SpikeTrains.of makes trains of lists"
                )
        t, c, o = as_times(self.times, "times"), wholes(self.cells, "cells"), wholes(self.offsets, "offsets")
        duration, n_cell = number(self.duration, "duration", "ms", above=0.0), whole(self.n_cell, "n_cell", 1)
        if t.ndim != 1 or c.shape != t.shape or o.ndim != 1 or o.size < 1 or o[0] != 0 or o[-1] != t.size:
            raise ParameterError("times and cells must be of one length, and offsets must run from 0 to that length")
        if np.any(np.diff(o) < 0):
            raise ParameterError("offsets must ascend")
        if t.size and not (np.all(np.isfinite(t)) and t.min() >= 0.0 and t.max() <= duration):
            raise ParameterError(f"spike times must be finite and lie in [0, duration={duration}] ms")
        falls = np.diff(t) < 0
        falls[(o[(o > 0) & (o < t.size)] - 1)] = False  # from one sample to the next
        if falls.any():
            k = int(np.searchsorted(o, np.flatnonzero(falls)[0], side="right")) - 1
            raise ParameterError(f"times of sample {k} do not ascend: SpikeTrains.of puts trains in order of time")
        if c.size and (c.min() < 0 or c.max() >= n_cell):
            raise ParameterError(f"cells must lie in [0, {n_cell}), got {c.min()}..{c.max()}")
        for name, value in (("times", t), ("cells", c), ("offsets", o), ("duration", duration), ("n_cell", n_cell)):
            object.__setattr__(self, name, value)
        if self.grid is not None:
            grid = as_shape(self.grid, "grid")
            if len(grid) != 3 or math.prod(grid) != n_cell:
                raise ParameterError(f"grid must be (rows, columns, channels) of {n_cell} cells, got {self.grid}")
            object.__setattr__(self, "grid", grid)

    def _words(self) -> str:
        where = f" on a grid of {self.grid}" if self.grid else ""
        n = f"{counted(len(self), 'sample')}, {counted(self.times.size, 'spike')}"
        return f"SpikeTrains({n} of {counted(self.n_cell, 'cell')}{where} in {self.duration:g} ms each)"

    def _rows(self) -> Rows:
        return [
            ("samples", f"{len(self):,}"), ("spikes", f"{self.times.size:,}"), ("cells", f"{self.n_cell:,}"),
            ("grid (rows, columns, channels)", str(self.grid or "none")), ("duration", f"{self.duration:g} ms"),
        ]  # fmt: skip

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
        if isinstance(trains, (str, bytes, dict)) or not isinstance(trains, (Iterable, Sequence)):
            raise ParameterError(f"trains must be a list of pairs (times, cells), got {shown(trains)}")
        times, cells = [], []
        for k, pair in enumerate(trains):
            if not isinstance(pair, (tuple, list)) or len(pair) != 2:
                raise ParameterError(f"sample {k} must be a pair (times, cells), got {shown(pair)}")
            t, c = as_times(pair[0], f"times of sample {k}"), wholes(pair[1], f"cells of sample {k}")
            if t.shape != c.shape or t.ndim != 1:
                raise ParameterError(
                    f"trains: times and cells of a sample must be lists of one length, not {t.shape}, {c.shape}"
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
        chosen = _chosen(which, len(self))
        length = np.diff(self.offsets)[chosen]
        offsets = np.concatenate([[0], np.cumsum(length)]).astype(np.int64)
        at = np.arange(offsets[-1]) + np.repeat(self.offsets[chosen] - offsets[:-1], length)
        return SpikeTrains(self.times[at], self.cells[at], offsets, self.n_cell, self.duration, self.grid)

    def counts(self) -> I8:
        """Spikes of each cell in each sample, (n_sample, n_cell)."""
        check_memory(16.0 * len(self) * self.n_cell, f"{len(self)} samples of {self.n_cell} cells", "take some samples")
        sample = np.repeat(np.arange(len(self)), np.diff(self.offsets))
        flat = np.bincount(sample * self.n_cell + self.cells, minlength=len(self) * self.n_cell)
        return flat.reshape(len(self), self.n_cell).astype(np.int64)

    def frames(self, n_step: int) -> NDArray[np.uint8]:
        """Spikes in `n_step` equal bins of the duration, (n_sample, n_step, n_cell) uint8, at most 255 each."""
        n_step = whole(n_step, "n_step", 1)
        what = f"{len(self)} samples of {self.n_cell} cells in {n_step} steps"
        check_memory(8.0 * len(self) * n_step * self.n_cell, what, "take some samples, or fewer steps")
        sample = np.repeat(np.arange(len(self)), np.diff(self.offsets))
        step = np.minimum((self.times * (n_step / self.duration)).astype(np.int64), n_step - 1)
        flat = (sample * n_step + step) * self.n_cell + self.cells
        count = np.bincount(flat, minlength=len(self) * n_step * self.n_cell)
        return np.minimum(count, 255).astype(np.uint8).reshape(len(self), n_step, self.n_cell)


@dataclass(frozen=True, eq=False, repr=False)
class Dataset(Card, metaclass=Spoken):
    """A labelled set with its split into training and test.

    Attributes
    ----------
    x_train, x_test : (n, ...) array or SpikeTrains
        Images keep the bytes of their file (uint8, 0..255; colour last); encoders accept both bytes and
        floats in [0, 1].
    y_train, y_test : (n,) int64, or (n, len(classes))
        Labels in [0, len(classes)); or, by `targets`, a column of numbers or of labels for each name.
    name : str
    classes : tuple of str
        What the labels mean, or the columns.
    x_validation, y_validation : optional
        Samples on which choices are made (when to stop, which epoch is best), so that the test set is not: see `split`.
    targets : {"classes", "numbers", "labels"}, optional
        One class of several, numbers to be met (regression), or any of several labels (see `data.targets`); by default
        what `y_train` says: floats of as many columns as names are numbers, flags (bool) are labels.

    Raises
    ------
    ParameterError
        If lengths do not agree, a label is out of range, a value is not finite, training and test samples have
        different shapes, or there is nothing to train on.  A test set may be empty.

    Examples
    --------
    >>> data = nd.data.of_arrays(np.random.default_rng(0).random((50, 6)), np.arange(50) % 2, test=0.2)
    >>> data.n_class, len(data.x_train), len(data.x_test)
    (2, 40, 10)
    """

    x_train: Any
    y_train: I8
    x_test: Any
    y_test: I8
    name: str
    classes: tuple[str, ...]
    x_validation: Any = None
    y_validation: Any = None
    targets: str | None = None

    def __post_init__(self) -> None:
        self._check_names()
        if (self.x_validation is None) != (self.y_validation is None):
            raise ParameterError(f"{self.name}: x_validation and y_validation go together: give both, or none")
        kind = kind_of_targets(self.targets, self.y_train, len(self.classes), self.name)
        object.__setattr__(self, "targets", kind)
        shapes = {part: self._check_part(part) for part in self.parts()}
        for part, shape in shapes.items():
            if shape != shapes["train"]:
                raise ParameterError(
                    f"{self.name}: a training sample is {shapes['train']}, a {part} sample {shape}: give both one "
                    f"layout (x_train, x_{part})"
                )
        if not len(self.x_train):
            raise ParameterError(f"{self.name} holds no training samples")
        if self.x_validation is not None and not len(self.x_validation):
            raise ParameterError(f"{self.name} holds no validation samples: leave x_validation out, or see split")

    def _check_part(self, part: str) -> tuple[int, ...]:
        """Look at samples and targets of a part; returns the shape of a sample."""
        x = samples_of(getattr(self, f"x_{part}"), f"{self.name}, x_{part}")
        given, n, where = getattr(self, f"y_{part}"), len(self.classes), f"{self.name}, y_{part}"
        kind = str(self.targets)
        y = check_labels(given, n, where) if kind == "classes" else check_targets(given, kind, n, where)
        if len(x) != len(y):
            raise ParameterError(f"{self.name}: {len(x)} samples in x_{part} but y_{part} has shape {y.shape}")
        if isinstance(x, np.ndarray) and x.dtype.kind == "f" and not np.all(np.isfinite(x)):
            bad = int(np.flatnonzero(~np.isfinite(x.reshape(len(x), -1)).all(axis=1))[0])
            raise ParameterError(f"{self.name}: x_{part} holds NaN or infinity, first in sample {bad}")
        object.__setattr__(self, f"x_{part}", x)
        object.__setattr__(self, f"y_{part}", y)
        return _sample_shape(x)

    def parts(self) -> tuple[str, ...]:
        """The parts there are: ``train``, ``test`` and, where samples were set aside, ``validation``."""
        return ("train", "test") if self.x_validation is None else ("train", "test", "validation")

    def _check_names(self) -> None:
        if not isinstance(self.name, str):
            raise ParameterError(f"name must be a word, got {shown(self.name)}")
        if isinstance(self.classes, (str, bytes)) or not isinstance(self.classes, Iterable):
            raise ParameterError(f"{self.name}: classes must be a tuple of names, got {shown(self.classes)}")
        if isinstance(self.classes, (Set, Mapping)):
            raise ParameterError(
                f"{self.name}: classes must be a tuple of names in the order of their labels, got {shown(self.classes)}"
            )
        if isinstance(self.classes, np.ndarray) and self.classes.ndim != 1 or not len(list(self.classes)):
            raise ParameterError(f"{self.name}: classes must be one name or more, got {shown(self.classes)}")
        object.__setattr__(self, "classes", tuple(str(c) for c in self.classes))
        if len(set(self.classes)) < len(self.classes):
            raise ParameterError(f"{self.name}: classes must differ, one name a label, got {shown(self.classes)}")

    def _words(self) -> str:
        n = f"{len(self.x_train):,} training and {len(self.x_test):,} test samples"
        if self.x_validation is not None:
            n = f"{len(self.x_train):,} training, {len(self.x_validation):,} validation and {len(self.x_test):,} test"
            n += " samples"
        names = f"{self.n_class} {self.targets}: {named(self.classes)}"
        return f"Dataset({self.name!r}, {n} of {self._sample()}, {names})"

    def _sample(self) -> str:
        if isinstance(self.x_train, SpikeTrains):
            return f"spikes of {self.x_train.n_cell:,} cells in {self.x_train.duration:g} ms"
        return f"{' x '.join(map(str, _sample_shape(self.x_train))) or '1'} {self.x_train.dtype.name}"

    def _rows(self) -> Rows:
        aside = [] if self.x_validation is None else [("validation samples", f"{len(self.x_validation):,}")]
        each = lambda: named(np.bincount(self.y_train, minlength=self.n_class), 12)
        return [
            ("name", self.name), ("training samples", f"{len(self.x_train):,}"), *aside,
            ("test samples", f"{len(self.x_test):,}"),
            ("a sample", self._sample), (f"{self.n_class} {self.targets}", named(self.classes, 12)),
            *([("of each class, training", each)] if self.targets == "classes" else []),
        ]  # fmt: skip

    @property
    def n_class(self) -> int:
        """Number of classes, or of columns of the targets: of outputs of a model."""
        return len(self.classes)

    def split(self, validation: float = 0.1, *, test: float = 0, seed: int = 0) -> Dataset:
        """Set training samples aside at random, for validation and perhaps for tests.

        Parameters
        ----------
        validation, test : float or int
            A share of the training samples, or their number; 0: none.  Those that are set aside for tests take the
            place of an empty test set.
        seed : int
            Equal seeds set the same samples aside.

        Raises
        ------
        ParameterError
            If no training sample is left, or there is such a part already.

        Examples
        --------
        >>> import numpy as np, neurodev as nd
        >>> nd.data.of_arrays(np.random.rand(50, 4), np.arange(50) % 2, test=0).split(validation=0.2).x_validation.shape
        (10, 4)
        """
        n = len(self.x_train)
        counts = {part: _share(given, n, part) for part, given in (("validation", validation), ("test", test))}
        if counts["validation"] and self.x_validation is not None:
            raise ParameterError(f"validation={validation}: {self.name} has a validation set already")
        if counts["test"] and len(self.x_test):
            raise ParameterError(f"test={test}: {self.name} has a test set already, of {len(self.x_test):,} samples")
        if sum(counts.values()) >= n:
            raise ParameterError(f"validation={validation} and test={test} leave none of {n} training samples")
        order, new = rng.generator(rng.check_seed(seed), "split").permutation(n), dict[str, Any]()
        for part, count in counts.items():
            if count:
                chosen, order = np.sort(order[:count]), order[count:]
                new |= {f"x_{part}": self.x_train[chosen], f"y_{part}": self.y_train[chosen]}
        left = np.sort(order)
        return replace(self, x_train=self.x_train[left], y_train=self.y_train[left], **new)

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


def _share(given: Any, n: int, name: str) -> int:
    """A share in [0, 1), or a whole number, of n samples."""
    if isinstance(given, (bool, np.bool_)) or not isinstance(given, (int, float, np.integer, np.floating)):
        raise ParameterError(f"{name} must be a share in [0, 1) or a number of samples, got {shown(given)}")
    if isinstance(given, (int, np.integer)) and given != 0:
        return whole(given, name, 1)
    return round(number(given, name, low=0.0, below=1.0) * n)


def _choose(have: int, n: int, seed: int, name: str) -> I8:
    n = whole(n, f"number of {name} samples")
    if not 1 <= n <= have:
        raise ParameterError(f"a subset of {n} {name} samples is not possible, got n or n_test={n}: there are {have}")
    return np.sort(rng.generator(rng.check_seed(seed), "subset", name).permutation(have)[:n])


def _chosen(which: Any, n: int) -> I8:
    """Places among n samples: of a slice, a mask, a number or a list of numbers."""
    if not isinstance(which, slice):
        try:
            a = np.asarray(which)
        except Exception:  # lists of different lengths
            raise ParameterError(f"which must be whole numbers, a mask or a slice, got {shown(which)}") from None
        if a.ndim > 1:
            raise ParameterError(f"which must be a list of samples, a mask or a slice, got an array of shape {a.shape}")
        if a.dtype == bool and a.shape != (n,):
            raise ParameterError(f"a mask must have an entry for each of the {n} samples, got shape {a.shape}")
        which = a if a.dtype == bool else wholes(which, "which samples")
        if a.dtype != bool and which.size and (which.min() < -n or which.max() >= n):
            raise ParameterError(f"samples must lie in [0, {n}), got {which.min()}..{which.max()}")
    return np.atleast_1d(np.arange(n)[which])


def as_times(times: ArrayLike, where: str) -> F8:
    """Times as float64, of any shape."""
    return np.asarray(numbers(times, where, "ms"), dtype=np.float64)


def as_shape(shape: Any, where: str) -> tuple[int, ...]:
    """A shape as a tuple of whole numbers above 0."""
    if not isinstance(shape, (tuple, list, np.ndarray)) or not len(shape):
        raise ParameterError(f"{where} must be a tuple of whole numbers, got {shown(shape)}")
    return tuple(whole(n, where, 1) for n in shape)


def samples_of(x: Any, where: str) -> Any:
    """SpikeTrains as they are, anything else as an array (n, ...) of numbers.

    Raises
    ------
    ParameterError
        If it is neither.
    """
    if isinstance(x, SpikeTrains):
        return x
    if isinstance(x, (list, tuple)):
        raise ParameterError(
            f"{where} must be an array (n, ...) or SpikeTrains, got a {type(x).__name__}: np.asarray(x)"
        )
    try:
        a = np.asarray(x)
    except Exception:  # objects that are no arrays
        a = np.zeros((), dtype=object)
    if a.ndim < 1 or a.dtype.kind not in "iufb":
        raise ParameterError(f"{where} must be an array (n, ...) of numbers or SpikeTrains, got {shown(x)}")
    refuse_masked(x, where)
    return a


def trains_of(value: Any, where: str) -> SpikeTrains:
    """Spike trains as they are.

    Raises
    ------
    ParameterError
        For anything else.
    """
    if not isinstance(value, SpikeTrains):
        raise ParameterError(f"{where} must be SpikeTrains (nd.data.recordings makes them), got {shown(value)}")
    return value


def refuse_masked(a: Any, where: str) -> None:
    """What lies behind a mask is no value, and NumPy would hand it on as one.

    Raises
    ------
    ParameterError
        Naming the first sample that has one.
    """
    if isinstance(a, np.ma.MaskedArray) and np.ma.is_masked(a):
        first = int(np.argwhere(np.ma.getmaskarray(a))[0][0])
        raise ParameterError(
            f"{where}: masked entries, first in sample {first}: fill them (x.filled(0)) or leave the samples out"
        )


def _sample_shape(x: Any) -> tuple[int, ...]:
    """Of one sample."""
    if isinstance(x, SpikeTrains):
        return x.grid if x.grid is not None else (x.n_cell,)
    return tuple(x.shape[1:])


def _in_a_list(y: NDArray[Any], n_class: int) -> str:
    """What makes a list of labels of a table, as far as it can be told."""
    if y.ndim != 2:
        return ""
    if y.dtype.kind == "b" and y.shape[1] != n_class:
        return f": labels of which several may be on have a column for each of {n_class} names or outputs"
    if y.shape[1] == 1:
        return ": y.ravel() makes one list of a column"
    flags = y.dtype.kind in "biuf" and bool(np.isin(y, (0, 1)).all())
    other = 'targets="labels" takes columns for labels, of which several may be on, "numbers" for numbers to be met'
    if flags and (y.sum(axis=1) != 1).any():  # no rows of which argmax would make classes
        return f": rows of 0 and 1 do not say what they are; {other} (of_arrays, Dataset)"
    return ": y.argmax(axis=1) makes class numbers of one-hot rows" + (f"; {other}" if flags else "")


def check_labels(labels: ArrayLike, n_class: int, where: str) -> I8:
    """Labels as int64.

    Raises
    ------
    ParameterError
        If they are not whole numbers in [0, n_class).
    """
    refuse_masked(labels, where)
    try:
        y = np.asarray(labels)
    except Exception:  # lists of different lengths, objects that are no arrays
        raise ParameterError(f"{where}: labels must be a list, one a sample, got {shown(labels)}") from None
    if y.ndim != 1:
        raise ParameterError(
            f"{where}: labels must be a list, one a sample, got shape {y.shape}{_in_a_list(y, n_class)}"
        )
    if y.size == 0:
        return y.astype(np.int64)
    if y.dtype.kind not in "iu":
        cure = "numpy.unique(y, return_inverse=True) numbers words, y.astype(int) takes flags"
        if y.dtype.kind == "f":
            cure = "numbers to be met as such (regression) have a column for each name in classes, or targets='numbers'"
        raise ParameterError(f"{where}: labels must be whole numbers, class numbers from 0, got {y.dtype}; {cure}")
    y = np.asarray(wholes(y, where), dtype=np.int64)
    wrong = (y < 0) | (y >= n_class)
    if wrong.any():
        first = int(np.flatnonzero(wrong)[0])
        raise ParameterError(f"{where}: label {int(y[first])} of sample {first} is not in [0, {n_class})")
    return np.asarray(y)

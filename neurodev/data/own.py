"""One's own data in one line: arrays, lists of numbers, words as labels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from numbers import Number
from typing import Any

import numpy as np

from neurodev.data.dataset import Dataset, refuse_masked, samples_of
from neurodev.data.targets import MOST, count_classes, kind_of_targets
from neurodev.errors import ParameterError, shown

FORMS = "(X, y), (X, y, X_test, y_test) or (X, y, X_validation, y_validation, X_test, y_test)"


def of_arrays(
    x: Any, y: Any, *, test: float = 0.2, validation: float = 0, seed: int = 0, name: str = "own",
    classes: Sequence[Any] | None = None, targets: str | None = None,
) -> Dataset:  # fmt: skip
    """Samples and their targets as a data set, a random part of them set aside.

    Parameters
    ----------
    x : (n, ...) array or SpikeTrains
        Whatever NumPy takes for an array: tables of pandas, tensors.  Colour or polarity comes last.
    y : (n,) or (n, n_output)
        Class numbers (where they begin at 1, that is the first class), or words, which are numbered in their order;
        floats are numbers to be met (regression); rows of flags (bool) are labels, of which a sample may have several.
        Rows of 0 and 1 may be either, or one class: `targets` says which.
    test, validation : float or int
        A share, or a number of samples; 0: none.
    seed : int
        Of the parts.
    name : str
        As the run file calls it.
    classes : sequence, optional
        Names of the classes or columns.
    targets : {"classes", "numbers", "labels"}, optional
        What `y` means, where it does not say so itself.

    Raises
    ------
    ParameterError
        Naming the argument.

    Examples
    --------
    >>> import numpy as np, neurodev as nd
    >>> x = np.random.rand(100, 6)
    >>> nd.data.of_arrays(x, np.where(x[:, 0] > 0.5, "high", "low"), validation=0.1)
    Dataset('own', 70 training, 10 validation and 20 test samples of 6 float64, 2 classes: high, low)
    >>> nd.data.of_arrays(x, x[:, :2]).targets
    'numbers'
    """
    x = _samples(x, "x")
    y, names, kind = _numbered(_plain(y, "y"), "y", classes, targets)
    whole = Dataset(x, y, x[:0], y[:0], name, names, targets=kind)
    asked = [v for v in (test, validation) if not (isinstance(v, (int, float)) and v == 0)]
    return whole.split(validation, test=test, seed=seed) if asked else whole


def as_dataset(data: Any, outputs: int, name: str = "own") -> Any:
    """A tuple of arrays as a data set for a model of so many outputs; anything else as it is.

    Raises
    ------
    ParameterError
        For tuples of another length.
    """
    if not isinstance(data, (tuple, list)):
        return data
    if len(data) not in (2, 4, 6):
        raise ParameterError(f"data must be {FORMS}, or a data set, got {len(data)} values")
    x, y = _samples(data[0], "X"), _plain(data[1], "y")
    names = None if y.dtype.kind == "U" else tuple(map(str, range(outputs)))
    y, names, kind = _numbered(y, "y", names, None)
    rest = [_samples(v, "X") if k % 2 == 0 else _known(_plain(v, "y"), names, kind) for k, v in enumerate(data[2:])]
    x_test, y_test = rest[-2:] if rest else (x[:0], y[:0])
    x_aside, y_aside = rest[:2] if len(rest) == 4 else (None, None)
    return Dataset(x, y, x_test, y_test, name, names, x_aside, y_aside, targets=kind)


def _samples(x: Any, where: str) -> Any:
    if isinstance(x, (list, tuple)) or hasattr(x, "to_numpy") or hasattr(x, "detach"):
        x = _array(x, where)
    return samples_of(x, where)


def _array(y: Any, where: str) -> Any:
    try:
        a = np.asarray(y.detach().cpu() if hasattr(y, "detach") else y)
    except Exception:  # lists of different lengths, objects that are no arrays
        raise ParameterError(f"{where} must be an array, one row a sample, got {shown(y)}") from None
    if a.ndim < 1:
        raise ParameterError(f"{where} must be an array, one row a sample, got {shown(y)}")
    return y if isinstance(y, np.ndarray) else a


def _numbered(a: Any, where: str, classes: Any, targets: str | None) -> tuple[Any, tuple[str, ...], str]:
    """Targets, as `_plain` gives them, the names of classes or columns, and what they are."""
    if isinstance(classes, (str, bytes, Mapping, Set)) or classes is not None and not isinstance(classes, Iterable):
        raise ParameterError(f"classes must be a list of names, got {shown(classes)}")
    classes = None if classes is None else list(classes)
    if a.dtype.kind == "U":
        known = tuple(map(_name, np.unique(a) if classes is None else classes))
        return _known(a, known, "classes"), known, "classes"
    if a.ndim == 1 and a.dtype.kind == "b" and targets is None:
        a, classes = a.astype(np.int64), ("False", "True") if classes is None else classes
    columns = a.shape[1] if a.ndim == 2 else 1
    n = columns if classes is None else len(classes)
    floats = a.dtype.kind == "f" or a.ndim == 2
    kind = kind_of_targets(targets, a, n, where)
    if kind == "classes" and classes is None and not floats:
        cure = f"numpy.unique({where}, return_inverse=True)[1] numbers those, {where}.astype(str) takes them for words"
        cure += "" if a.max(initial=0) >= MOST else ", targets='classes' has them all"
        n = count_classes(a, where, cure, targets is not None)
        if a.size and a.min() == 1:  # counted from 1, as elsewhere
            return a - 1, tuple(map(str, range(1, n))), kind
        classes = range(n)
    names = tuple(map(_name, range(n) if classes is None else classes))
    return a, names, kind


def _plain(y: Any, where: str) -> Any:
    """Words as text (also those of bytes, or kept as objects), and objects that are numbers as numbers.

    Raises
    ------
    ParameterError
        Naming the first that is neither, or not of the kind of the others.
    """
    a = _array(y, where)
    refuse_masked(a, where)
    if a.dtype.kind == "O" and not any(isinstance(v, (str, bytes)) for v in a.flat):
        return _numbers(a, where)
    if a.dtype.kind in "OST":  # objects, bytes, NumPy's text of any length
        return np.array([_decoded(v, k, a, where) for k, v in enumerate(a.flat)], dtype=np.str_).reshape(a.shape)
    if a.dtype.kind not in "biufU":
        cure = f": {where}.astype(str) takes them for words" if a.dtype.kind in "mM" else ""
        raise ParameterError(f"{where} must be numbers or words, got {a.dtype}{cure}")
    return a


def _numbers(a: Any, where: str) -> Any:
    """Numbers that are kept as objects."""
    try:
        found = np.array(a.tolist())
    except Exception:  # of different lengths
        found = a
    if found.dtype.kind in "biuf" and found.shape == a.shape:
        return found
    for k, v in enumerate(a.flat):
        if not isinstance(v, (Number, np.generic)):
            raise ParameterError(f"{where}: {shown(v)} of sample {_row(k, a)} is neither a number nor a word")
    raise ParameterError(f"{where}: these numbers are of no type of NumPy; {where}.astype(float), or .astype(str)")


def _name(word: Any) -> str:
    return word.decode(errors="replace") if isinstance(word, bytes) else str(word)


def _row(k: int, a: Any) -> int:
    """The sample of an entry."""
    return k // max(a[0].size if a.ndim > 1 else 1, 1)


def _decoded(word: Any, k: int, a: Any, where: str) -> str:
    if not isinstance(word, (str, bytes)):
        raise ParameterError(
            f"{where}: {shown(word)} of sample {_row(k, a)} is no word as others are: leave the sample out, or say "
            "str(label)"
        )
    try:
        return word.decode() if isinstance(word, bytes) else str(word)
    except UnicodeDecodeError as e:
        raise ParameterError(f"{where}: {shown(word)} of sample {_row(k, a)} is not UTF-8 ({e.reason})") from None


def _known(a: Any, names: tuple[str, ...], kind: str) -> Any:
    """Words by the numbers of the names that there are."""
    if kind != "classes" or a.dtype.kind != "U":
        return a.astype(np.int64) if a.dtype.kind == "b" and kind == "classes" else a
    number = {word: k for k, word in enumerate(names)}
    unknown = sorted({str(v) for v in a.ravel()} - set(number))
    if unknown:
        raise ParameterError(f"y holds the label {unknown[0]!r}, which is none of {list(names)[:12]}")
    return np.array([number[str(v)] for v in a.ravel()], dtype=np.int64)

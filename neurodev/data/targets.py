"""What a sample is to be met with: the number of its class, numbers (regression), or several labels at once.

==========  ======================  ===========================================
word        targets                 array
==========  ======================  ===========================================
`classes`   one class of several    (n,) int64 in [0, n_class)
`numbers`   numbers, one an output  (n, n_class) float64
`labels`    any of several labels   (n, n_class) bytes of 0 and 1
==========  ======================  ===========================================
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurodev.errors import ParameterError, shown
from neurodev.params import one_of

LARGEST = 1e17  # of a number to be met: squared distances of ten thousand such outputs have a sum in single precision
MANY, SHARE = 1000, 0.1  # classes from which on a share of them must occur, unless they are said to be classes
MOST = 1 << 24  # classes in any case
KINDS = ("classes", "numbers", "labels")


def kind_of_targets(given: Any, y: Any, n: int, where: str) -> str:
    """The word of some targets: that which was given, or what the array itself says.

    Floats of as many columns as there are names are numbers, flags of as many columns are labels; a table of noughts
    and ones may mean either, or one class in a row, and is not guessed.
    """
    if given is not None:
        return one_of(given, f"{where}: targets", KINDS)
    try:
        a = np.asarray(y)
    except Exception:  # told by who checks it
        return "classes"
    fits = a.ndim == 2 and a.shape[1] == n or a.ndim == 1 and n == 1
    if not fits or not a.size:
        return "classes"
    if a.dtype.kind == "b" and a.ndim == 2:
        return "labels"
    return "numbers" if a.dtype.kind == "f" and not (a.ndim == 2 and n > 1 and np.isin(a, (0, 1)).all()) else "classes"


def check_targets(y: Any, kind: str, n: int, where: str) -> Any:
    """Targets of several columns as an array, (n_sample, n).

    Raises
    ------
    ParameterError
        If they have another number of columns, are not finite, or are labels other than 0 and 1.
    """
    if isinstance(y, np.ma.MaskedArray) and np.ma.is_masked(y):
        raise ParameterError(f"{where}: masked entries: leave the samples out")
    try:
        a = np.asarray(y)
    except Exception:
        a = np.zeros((), dtype=object)
    if a.dtype.kind not in "iufb" or a.ndim not in (1, 2):
        raise ParameterError(f"{where}: {kind} must be an array (n, {n}), got {shown(y)}")
    if not a.size:
        a = a.reshape(0, n)
    a = a[:, None] if a.ndim == 1 else a
    if a.shape[1] != n:
        raise ParameterError(f"{where}: {kind} need a column for each of {n} names in classes, got shape {a.shape}")
    if kind == "labels":
        if not np.isin(a, (0, 1)).all():
            raise ParameterError(f"{where}: labels must be 0 or 1, got {np.unique(a)[:4].tolist()}: threshold them")
        return a.astype(np.uint8)
    a = a.astype(np.float64)
    if not np.isfinite(a).all():
        bad = int(np.flatnonzero(~np.isfinite(a).all(axis=1))[0])
        raise ParameterError(f"{where}: numbers must be finite, the first that is not is of sample {bad}")
    if (far := np.abs(a).max(axis=1, initial=0) > LARGEST).any():
        bad = int(np.flatnonzero(far)[0])
        raise ParameterError(
            f"{where}: {shown(a[bad].tolist())} of sample {bad} is larger than {LARGEST:.0e}: squared distances would "
            "have no sum in single precision; scale the numbers"
        )
    return a


def count_classes(labels: NDArray[Any], where: str, cure: str, meant: bool = False) -> int:
    """How many classes there are, by the highest of their numbers.

    Parameters
    ----------
    cure : str
        What there is to do where they are keys.
    meant : bool
        Somebody said that they are classes: then only so many are refused as no memory holds.

    Raises
    ------
    ParameterError
        Where nearly none of them occurs: years, dates or keys, of which each would be a class.
    """
    highest = int(labels.max()) if labels.size else 0
    if highest < MANY:
        return highest + 1
    occurring = np.unique(labels).size
    if highest >= MOST or not meant and occurring < SHARE * highest:
        first = int(np.flatnonzero(labels == highest)[0])
        raise ParameterError(
            f"{where}: {highest} of sample {first} would be one of {highest + 1} classes, of which {occurring} occur: "
            f"{cure}"
        )
    return highest + 1

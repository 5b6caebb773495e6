"""What a computation cost and what it was worth: synaptic operations, energy by a stated model, information.

Pure functions of numbers and arrays; a run file holds the counts (``operations``, ``dense_operations``, per epoch).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neurodev.errors import ParameterError
from neurodev.metrics.given import indices, metric
from neurodev.params import number, whole

ADDITION = 0.9e-12  # J, 32-bit floating point addition, 45 nm, 0.9 V: Horowitz 2014, ISSCC, p. 10
MULTIPLICATION = 3.7e-12  # J, the same source


@metric
def energy(additions: float, multiplications: float = 0.0) -> float:
    """Joules of arithmetic alone; memory, which costs more, is left out as the literature does.

    Parameters
    ----------
    additions : float
        Synaptic operations: a weight is added because a spike arrived.
    multiplications : float
        For layers that take currents (each of which is added too).

    Notes
    -----
    An estimate for hardware that does nothing else, after Horowitz 2014 (ISSCC, p. 10): 0.9 pJ an addition, 3.7 pJ a
    multiplication, 32-bit floating point, 45 nm.  It says nothing about the processor that ran this program.
    """
    additions = number(additions, "additions", low=0.0)
    multiplications = number(multiplications, "multiplications", low=0.0)
    return additions * ADDITION + multiplications * MULTIPLICATION


@metric
def confusion(labels: ArrayLike, decided: ArrayLike, n_class: int) -> NDArray[np.int64]:
    """How often each label (row) was decided as each class (column)."""
    n_class = whole(n_class, "n_class", 1)
    y, d = indices(labels, "labels", n_class), indices(decided, "decided", n_class)
    if y.shape != d.shape or y.ndim != 1:
        raise ParameterError(f"labels and decided must be lists of one length, got {y.shape} and {d.shape}")
    return np.bincount(y * n_class + d, minlength=n_class * n_class).reshape(n_class, n_class).astype(np.int64)


@metric
def confusion_of_labels(labels: ArrayLike, told: ArrayLike) -> NDArray[np.int64]:
    """How often each of several labels was there (row: no, yes) and told (column), of samples that may have several.

    Parameters
    ----------
    labels, told : (n, n_label) flags

    Returns
    -------
    (n_label, 2, 2) int64
        As scikit-learn's ``multilabel_confusion_matrix`` has them.

    Examples
    --------
    >>> confusion_of_labels([[1, 0], [1, 1]], [[1, 1], [0, 1]]).tolist()
    [[[0, 0], [1, 1]], [[0, 1], [0, 1]]]
    """
    flags = []
    for name, given in (("labels", labels), ("told", told)):
        a = np.asarray(given)
        if a.ndim != 2 or a.dtype.kind not in "biuf" or not np.isin(a, (0, 1)).all():
            raise ParameterError(f"{name} must be flags of 0 and 1, (n, n_label), got {a.dtype} {a.shape}")
        flags.append(a.astype(bool))
    y, d = flags
    if y.shape != d.shape:
        raise ParameterError(f"labels and told must have one shape, got {y.shape} and {d.shape}")
    return np.array([[(~y & ~d).sum(0), (~y & d).sum(0)], [(y & ~d).sum(0), (y & d).sum(0)]], np.int64).transpose(
        2, 0, 1
    )


@metric
def f1(table: ArrayLike) -> NDArray[np.float64]:
    """Harmonic mean of precision and recall of each class or label, ``2 hits / (2 hits + missed + mistaken)``.

    Parameters
    ----------
    table : (n_class, n_class) or (n_label, 2, 2) counts
        As of `confusion` or `confusion_of_labels`.

    Returns
    -------
    (n_class,) float64
        NaN where a class neither occurs nor is told.

    Examples
    --------
    >>> f1([[3, 1], [0, 4]]).round(3).tolist()
    [0.857, 0.889]
    """
    n = np.asarray(table)
    if n.dtype.kind not in "biuf" or not (
        n.ndim == 2 and n.shape[0] == n.shape[1] or n.ndim == 3 and n.shape[1:] == (2, 2)
    ):
        raise ParameterError(f"table must be counts (n_class, n_class) or (n_label, 2, 2), got {n.dtype} {n.shape}")
    n = n.astype(np.float64)
    if not np.isfinite(n).all() or (n < 0).any():
        raise ParameterError("table must hold counts of at least 0")
    if n.ndim == 3:
        hits, wrong = n[:, 1, 1], n[:, 0, 1] + n[:, 1, 0]
    else:
        hits = np.diag(n)
        wrong = n.sum(axis=0) + n.sum(axis=1) - 2 * hits
    with np.errstate(invalid="ignore"):
        return np.asarray(2 * hits / (2 * hits + wrong))


@metric
def information(table: ArrayLike, correct_bias: bool = True) -> float:
    """Mutual information of the rows and columns of a table of counts, in bits.

    Parameters
    ----------
    table : (n, m) counts
        As of `confusion`: then a lower bound of what the output counts tell about the label (data processing).
    correct_bias : bool
        Take off the Miller-Madow bias of the plug-in estimate, ``(cells - rows - columns + 1) / (2 N ln 2)``
        with the cells, rows and columns that occur (Miller 1955).
    """
    n = np.asarray(table, dtype=np.float64)
    total = n.sum()
    if n.ndim != 2 or not 0 < total < np.inf or np.any(n < 0):
        raise ParameterError("information needs a table of counts that are not all 0")
    p = n / total
    row, column = p.sum(axis=1, keepdims=True), p.sum(axis=0, keepdims=True)
    used = p > 0
    value = float((p[used] * np.log2(p[used] / (row * column)[used])).sum())
    if correct_bias:
        occurring = int(used.sum()) - int((row > 0).sum()) - int((column > 0).sum()) + 1
        value -= occurring / (2 * total * np.log(2))
    return max(value, 0.0)


@metric
def information_per_operation(table: ArrayLike, operations: float) -> float:
    """Bits about the label for each synaptic operation, `operations` being those of all samples in the table."""
    operations = number(operations, "operations", above=0.0)
    return information(table) * float(np.asarray(table).sum()) / operations


@metric
def training_cost(rate: ArrayLike, density: ArrayLike) -> float:
    """Sum over epochs of spike rate times density: our definition of NDSNN's training cost (recalled)."""
    r, d = np.asarray(rate, dtype=np.float64), np.asarray(density, dtype=np.float64)
    if r.shape != d.shape:
        raise ParameterError(f"rate and density need one value an epoch each, got {r.shape} and {d.shape}")
    return float((r * d).sum())


@metric
def mean_and_interval(values: ArrayLike, level: float = 0.95) -> tuple[float, float]:
    """Mean over seeds and the half width of its confidence interval (Student's t); no interval for one value."""
    from scipy.stats import t

    x = np.asarray(values, dtype=np.float64)
    if x.ndim != 1 or x.size == 0:
        raise ParameterError("values must be a list with one number a seed")
    level = number(level, "level", above=0.0, below=1.0)
    if x.size == 1:
        return float(x[0]), float("nan")
    return float(x.mean()), float(t.ppf(0.5 + level / 2, x.size - 1) * x.std(ddof=1) / np.sqrt(x.size))

"""The set that needs no file and no download: scikit-learn's copy of 1,797 handwritten digits."""

from __future__ import annotations

import numpy as np

from neurodev import rng
from neurodev.data.dataset import Dataset
from neurodev.errors import ParameterError
from neurodev.params import number
from neurodev.registry import registered


@registered("data set")
def digits(test_fraction: float = 0.2, seed: int = 0) -> Dataset:
    """Handwritten digits of 8 x 8 pixels (Alpaydin & Kaynak 1998, UCI, doi 10.24432/C50P49).

    Parameters
    ----------
    test_fraction : float
        Part of each class that is set aside for the test.
    seed : int
        Decides which ones.

    Returns
    -------
    Dataset
        Images (n, 8, 8) float32 in [0, 1].

    Raises
    ------
    ParameterError
        If scikit-learn is not installed, or the fraction is not inside (0, 1).

    Examples
    --------
    >>> nd.data.digits().n_class
    10
    """
    test_fraction = number(test_fraction, "test_fraction", above=0.0, below=1.0)
    try:
        from sklearn.datasets import load_digits
    except ImportError:
        raise ParameterError("scikit-learn is not installed: pip install 'neurodev[data]'") from None
    bunch = load_digits()
    x, y = (bunch.images / 16.0).astype(np.float32), bunch.target.astype(np.int64)
    order = rng.generator(rng.check_seed(seed), "digits").permutation(len(y))
    test = np.zeros(len(y), dtype=bool)
    for label in range(10):
        mine = order[y[order] == label]
        test[mine[: round(test_fraction * mine.size)]] = True
    a, b = order[~test[order]], order[test[order]]
    return Dataset(x[a], y[a], x[b], y[b], name="digits", classes=tuple("0123456789"))

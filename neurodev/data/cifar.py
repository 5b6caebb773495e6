"""Readers of CIFAR: the binary batches, and the arrays of a subset.

A record of the binary version is one byte of label (CIFAR-100: coarse label, then fine label) and 3072 bytes of
pixels, the red plane first, row by row.  The "python version" is a pickle, which can run anything when read;
it is refused.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from neurodev.data.dataset import I8, Dataset, check_labels
from neurodev.data.door import reads
from neurodev.data.events import npz
from neurodev.errors import ParameterError
from neurodev.registry import registered
from neurodev.writing import a_path

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
SIDE = 32


@reads()
def read_cifar(path: str | os.PathLike[str], n_class: int = 10) -> tuple[NDArray[np.uint8], I8]:
    """Read one binary batch.

    Parameters
    ----------
    path : path
    n_class : 10 or 100
        Of CIFAR-100 the fine labels are returned.

    Returns
    -------
    images : (n, 32, 32, 3) uint8
    labels : (n,) int64

    Raises
    ------
    ParameterError
        If the file is missing, is a pickle, is truncated, or holds a label out of range.

    Examples
    --------
    >>> images, labels = nd.data.read_cifar("data_batch_1.bin")  # doctest: +SKIP
    """
    path = a_path(path)
    if not path.is_file():
        raise ParameterError(f"there is no file {str(path)!r}")
    raw = np.fromfile(path, dtype=np.uint8)
    n_label = 1 if n_class == 10 else 2
    record = n_label + 3 * SIDE * SIDE
    if raw.size == 0 or raw.size % record:
        pickled = raw[:1].tobytes() == b"\x80"
        cure = "it is the python version, a pickle: get the binary version" if pickled else "was it truncated?"
        raise ParameterError(f"{path} holds {raw.size} bytes, not a multiple of {record} (one image): {cure}")
    rows = raw.reshape(-1, record)
    labels = check_labels(rows[:, n_label - 1], n_class, str(path))
    planes = rows[:, n_label:].reshape(-1, 3, SIDE, SIDE)
    return np.ascontiguousarray(planes.transpose(0, 2, 3, 1)), labels


@registered("data set")
@reads()
def cifar10(path: str | os.PathLike[str], quality: str = "jpeg") -> Dataset:
    """CIFAR-10 (Krizhevsky 2009): the binary batches, or a subset kept as arrays.

    Parameters
    ----------
    path : path
        Folder with `data_batch_1.bin` .. `data_batch_5.bin` and `test_batch.bin`; or with the arrays
        `cifar10_train*.npz` and `cifar10_test*.npz` (keys images, labels, class_names).
    quality : "jpeg" or "lossless"
        Which training arrays to take, where a folder of arrays holds both.  A network tested on JPEG
        images should be trained on JPEG images.

    Returns
    -------
    Dataset
        Images (n, 32, 32, 3) uint8.  A set made from arrays is named as the subset it is: its accuracy cannot be
        compared with a published one.

    Raises
    ------
    ParameterError
        If neither form is complete in the folder.

    Examples
    --------
    >>> data = nd.data.cifar10("folder")  # doctest: +SKIP
    >>> nd.Trainer(model, data)  # doctest: +SKIP
    """
    folder = a_path(path)
    batches = [folder / f"data_batch_{k}.bin" for k in range(1, 6)]
    if batches[0].is_file():
        parts = [read_cifar(batch) for batch in batches]
        images, labels = (np.concatenate(column) for column in zip(*parts, strict=True))
        return Dataset(images, labels, *read_cifar(folder / "test_batch.bin"), name="CIFAR10", classes=CLASSES)
    train, test = (sorted(folder.glob(f"cifar10_{part}*{quality}*.npz")) for part in ("train", "test"))
    test = test or sorted(folder.glob("cifar10_test*.npz"))
    if len(train) != 1 or len(test) != 1:
        raise ParameterError(
            f"{str(folder)!r} holds neither data_batch_1.bin nor one cifar10_train*{quality}*.npz "
            "and one cifar10_test*.npz"
        )
    (x, y), (x_test, y_test) = _arrays(train[0]), _arrays(test[0])
    name = f"CIFAR10 subset ({len(x)} training images, {quality}; {len(x_test)} test images)"
    return Dataset(x, y, x_test, y_test, name=name, classes=CLASSES)


@registered("data set")
@reads()
def cifar100(path: str | os.PathLike[str]) -> Dataset:
    """CIFAR-100 with its fine labels (Krizhevsky 2009).

    Parameters
    ----------
    path : path
        Folder with `train.bin`, `test.bin` and `fine_label_names.txt` of the binary version (or that holds
        `cifar-100-binary` with them).

    Raises
    ------
    ParameterError
        If a file is missing (with where to get it) or damaged.

    Examples
    --------
    >>> data = nd.data.cifar100("folder")  # doctest: +SKIP
    >>> nd.Trainer(model, data)  # doctest: +SKIP
    """
    folder = a_path(path) if (a_path(path) / "train.bin").is_file() else a_path(path) / "cifar-100-binary"
    for name in ("train.bin", "test.bin", "fine_label_names.txt"):
        if not (folder / name).is_file():
            raise ParameterError(
                f"{str(path)!r} holds no {name}: download cifar-100-binary.tar.gz "
                "(https://www.cs.toronto.edu/~kriz/cifar.html) and unpack it there"
            )
    classes = tuple((folder / "fine_label_names.txt").read_text().split())
    if len(classes) != 100:
        raise ParameterError(f"{folder / 'fine_label_names.txt'} holds {len(classes)} names, not 100")
    (x, y), (x_test, y_test) = (read_cifar(folder / name, 100) for name in ("train.bin", "test.bin"))
    return Dataset(x, y, x_test, y_test, name="CIFAR100", classes=classes)


def _arrays(path: Path) -> tuple[NDArray[np.uint8], I8]:
    with npz(path) as z:
        missing = [k for k in ("images", "labels", "class_names") if k not in z]
        if missing:
            raise ParameterError(f"{path} lacks the arrays {missing}; it has {sorted(z)}")
        images, labels, names = z["images"], z["labels"], tuple(str(n) for n in z["class_names"])
    if names != CLASSES:
        raise ParameterError(f"{path}: class_names are {names}, expected {CLASSES}")
    if images.dtype != np.uint8 or images.shape[1:] != (SIDE, SIDE, 3) or len(images) != len(labels):
        raise ParameterError(f"{path}: images must be (n, 32, 32, 3) bytes with n labels, got {images.shape}")
    return images, check_labels(labels, len(CLASSES), str(path))

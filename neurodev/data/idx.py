"""Readers of IDX files (MNIST and its family), plain or gzipped.

The layout: two zero bytes, one byte for the type, one for the number of dimensions, each dimension as a big-endian
uint32, then the values, big-endian, last dimension fastest.
"""

from __future__ import annotations

import gzip
import math
import os
import zlib
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
from numpy.typing import NDArray

from neurodev.data.dataset import I8, Dataset, check_labels
from neurodev.data.door import reads
from neurodev.errors import ParameterError
from neurodev.params import check_memory
from neurodev.registry import registered
from neurodev.writing import a_path

TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
PIECE = 1 << 24  # bytes that are unpacked at a time
FASHION = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")


@reads()
def read_idx(path: str | os.PathLike[str]) -> NDArray[Any]:
    """Read one IDX file.

    Returns
    -------
    array
        Shape and type as the file says, in the byte order of this machine.

    Raises
    ------
    ParameterError
        If the file is missing, has another magic number, or is shorter or longer than its header says.

    Examples
    --------
    >>> from pathlib import Path
    >>> _ = Path("two.idx").write_bytes(bytes([0, 0, 8, 1, 0, 0, 0, 2, 7, 9]))
    >>> nd.data.read_idx("two.idx")
    array([7, 9], dtype=uint8)
    """
    path = a_path(path)
    try:
        with _opened(path) as file:
            return _values(path, file)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise ParameterError(f"{path} cannot be unpacked ({error}): was it truncated?") from None
    except OSError as error:
        raise ParameterError(f"{str(path)!r} cannot be read ({error.strerror})") from None


def _values(path: Path, file: IO[bytes]) -> NDArray[Any]:
    """What an open file holds; no more is unpacked than its header says, and one byte."""
    head = file.read(4)
    if len(head) < 4 or head[:2] != b"\0\0" or head[2] not in TYPES:
        raise ParameterError(f"{path} is not an IDX file: it begins with {head.hex(' ')}, not 00 00 and a known type")
    kind, n_dim = np.dtype(TYPES[head[2]]), head[3]
    sizes = file.read(4 * n_dim)
    if n_dim < 1 or len(sizes) < 4 * n_dim:
        raise ParameterError(f"{path} is truncated within its header")
    shape = tuple(int(n) for n in np.frombuffer(sizes, dtype=">u4"))
    want = math.prod(shape) * kind.itemsize
    check_memory(3.0 * want, f"{path}, {shape} by its header,", "is it damaged?")
    raw = b"".join(iter(lambda: file.read(min(PIECE, want + 1 - file.tell() + 4 + 4 * n_dim)), b""))
    if len(raw) != want:
        more = "more than that" if len(raw) > want else f"{len(raw)}"
        raise ParameterError(f"{path} holds {more} bytes, its header says {want} for {shape}: was it truncated?")
    values = np.frombuffer(raw, dtype=kind).reshape(shape)
    return values.astype(kind.newbyteorder("="))


def _opened(path: Path) -> IO[bytes]:
    """A file, unpacked as it is read if it is gzipped (seen by its first bytes, not by its name)."""
    if not path.is_file():
        raise ParameterError(f"there is no file {str(path)!r}")
    with path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    return cast(IO[bytes], gzip.open(path, "rb")) if packed else path.open("rb")


@registered("data set")
@reads()
def mnist(path: str | os.PathLike[str]) -> Dataset:
    """MNIST handwritten digits (LeCun et al. 1998, Proc. IEEE 86:2278).

    Parameters
    ----------
    path : path
        Folder with the four IDX files, gzipped or not (the folder `raw` of torchvision is found too).

    Returns
    -------
    Dataset
        Images (n, rows, columns) uint8.

    Raises
    ------
    ParameterError
        If a file is missing or damaged, or images and labels do not agree.

    Examples
    --------
    >>> data = nd.data.mnist("folder/of/mnist")  # doctest: +SKIP
    >>> nd.Trainer(model, data)  # doctest: +SKIP
    """
    return _family(path, "MNIST", tuple("0123456789"))


@registered("data set")
@reads()
def fashion_mnist(path: str | os.PathLike[str]) -> Dataset:
    """Fashion-MNIST clothing (Xiao et al. 2017, arXiv:1708.07747); as `mnist`.

    Examples
    --------
    >>> data = nd.data.fashion_mnist("folder")  # doctest: +SKIP
    >>> nd.Trainer(model, data)  # doctest: +SKIP
    """
    return _family(path, "FashionMNIST", FASHION)


def _family(path: str | os.PathLike[str], name: str, classes: tuple[str, ...]) -> Dataset:
    folder = a_path(path)
    places = [folder, folder / "raw", folder / name / "raw"]
    train, test = (_images_and_labels(places, part, len(classes)) for part in ("train", "t10k"))
    if train[0].shape[1:] != test[0].shape[1:]:
        raise ParameterError(f"{name}: training images are {train[0].shape[1:]}, test images {test[0].shape[1:]}")
    return Dataset(*train, *test, name=name, classes=classes)


def _images_and_labels(places: list[Path], part: str, n_class: int) -> tuple[NDArray[np.uint8], I8]:
    images_path, labels_path = (_find(places, f"{part}-{what}") for what in ("images-idx3-ubyte", "labels-idx1-ubyte"))
    images, labels = read_idx(images_path), read_idx(labels_path)
    if images.ndim != 3 or images.dtype != np.uint8 or labels.ndim != 1:
        raise ParameterError(
            f"{images_path} must hold (n, rows, columns) bytes and {labels_path} a list of labels, "
            f"got {images.dtype} {images.shape} and {labels.shape}"
        )
    if len(images) != len(labels):
        raise ParameterError(f"{images_path} holds {len(images)} images but {labels_path} {len(labels)} labels")
    return images, check_labels(labels, n_class, str(labels_path))


def _find(places: list[Path], stem: str) -> Path:
    for place in places:
        # some copies of the files have a dot where the original has a dash
        for name in (stem, f"{stem}.gz", stem.replace("-idx", ".idx"), stem.replace("-idx", ".idx") + ".gz"):
            if (place / name).is_file():
                return place / name
    raise ParameterError(f"there is no {stem} or {stem}.gz in {str(places[0])!r}: give the folder that holds the files")

"""Tiny-ImageNet: 200 classes of 64 x 64 pictures, from the folder of its archive."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from neurodev import rng
from neurodev.data.dataset import Dataset
from neurodev.data.door import reads
from neurodev.errors import ParameterError
from neurodev.params import whole
from neurodev.registry import registered
from neurodev.writing import a_path

SIDE = 64
HOW = "download https://cs231n.stanford.edu/tiny-imagenet-200.zip and unpack it there"


@registered("data set")
@reads()
def tiny_imagenet(
    path: str | os.PathLike[str], *, n_train: int | None = None, n_test: int | None = None, seed: int = 0
) -> Dataset:
    """Tiny-ImageNet (Stanford CS231n); the test set is the one that is called `val` there (`test` has no labels).

    Parameters
    ----------
    path : path
        Folder with `wnids.txt`, `train/<class>/images/*.JPEG`, `val/val_annotations.txt` and `val/images/*.JPEG` (or
        that holds `tiny-imagenet-200` with them).
    n_train, n_test : int, optional
        Read only so many pictures, drawn at random.
    seed : int
        Of that draw.

    Returns
    -------
    Dataset
        Images (n, 64, 64, 3) uint8; grey ones have three equal channels.

    Raises
    ------
    ParameterError
        If files are missing (with where to get them) or damaged.

    Examples
    --------
    >>> data = nd.data.tiny_imagenet("folder")  # doctest: +SKIP
    >>> nd.Trainer(model, data)  # doctest: +SKIP
    """
    folder = a_path(path) if (a_path(path) / "wnids.txt").is_file() else a_path(path) / "tiny-imagenet-200"
    notes = folder / "val" / "val_annotations.txt"
    for file in (folder / "wnids.txt", notes):
        if not file.is_file():
            raise ParameterError(f"{str(path)!r} holds no {file.relative_to(folder).as_posix()}: {HOW}")
    names = (folder / "wnids.txt").read_text().split()
    number = {name: k for k, name in enumerate(names)}
    train = [(f, k) for name, k in number.items() for f in sorted(folder.glob(f"train/{name}/images/*.JPEG"))]
    test = []
    for line in notes.read_text().splitlines():
        picture, _, name = line.partition("\t")
        name = name.partition("\t")[0]
        if name not in number:
            raise ParameterError(f"{notes}: class {name!r} of {picture} is not in wnids.txt")
        test.append((folder / "val" / "images" / picture, number[name]))
    if not train or not test:
        raise ParameterError(f"{str(folder)!r} holds no train/<class>/images/*.JPEG or no val/images: {HOW}")
    parts = [(_some(files, n, seed, part)) for files, n, part in ((train, n_train, "train"), (test, n_test, "test"))]
    (x, y), (x_test, y_test) = ((_pictures(p), np.array([k for _, k in p], dtype=np.int64)) for p in parts)
    return Dataset(x, y, x_test, y_test, name="Tiny-ImageNet", classes=tuple(names))


def _some(files: list[tuple[Path, int]], n: int | None, seed: int, part: str) -> list[tuple[Path, int]]:
    if n is None:
        return files
    n = whole(n, f"n_{part}")
    if not 1 <= n <= len(files):
        raise ParameterError(f"n_{part}={n} is not possible: there are {len(files)} pictures")
    chosen = rng.generator(rng.check_seed(seed), "pictures", part).permutation(len(files))[:n]
    return [files[k] for k in np.sort(chosen)]


def _pictures(files: list[tuple[Path, int]]) -> NDArray[np.uint8]:
    from PIL import Image, UnidentifiedImageError  # comes with matplotlib

    out = np.empty((len(files), SIDE, SIDE, 3), dtype=np.uint8)
    for k, (file, _) in enumerate(files):
        try:
            with Image.open(file) as picture:
                if picture.size != (SIDE, SIDE):
                    raise ParameterError(f"{file} must be {SIDE} x {SIDE} pixels, it is {picture.size}")
                out[k] = np.asarray(picture.convert("RGB"))
        except FileNotFoundError:
            raise ParameterError(f"there is no file {str(file)!r}: {HOW}") from None
        except (UnidentifiedImageError, OSError) as error:
            raise ParameterError(f"{file} is not a picture ({error})") from None
    return out

"""Sets of event recordings, each read from the folder in which its authors' (or Tonic's) files are unpacked.

======================  ==========================================================  ==========================
set                     files under the folder                                      cells of one recording
======================  ==========================================================  ==========================
`nmnist`                ``Train/<digit>/*.bin``, ``Test/<digit>/*.bin``             34 x 34, ON and OFF
`dvs_gesture`           ``ibmGestureTrain/<user>/<label>.npy``, ``...Test/``        128 x 128, ON and OFF
`cifar10_dvs`           ``<class>/*.aedat`` (AEDAT 2.0)                             128 x 128, ON and OFF
`shd`                   ``shd_train.h5``, ``shd_test.h5``                           700 channels
`barrel_letters`        ``barrel_letters.npz``                                      32 x 32, ON and OFF
======================  ==========================================================  ==========================

Nothing is downloaded: where files are missing, the error names them and where they are to be had.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from neurodev import rng
from neurodev.data.cifar import CLASSES
from neurodev.data.dataset import I8, Dataset, SpikeTrains, check_labels
from neurodev.data.door import reads
from neurodev.data.events import Events, checked, npz, read_events, read_npz, unrolled
from neurodev.data.recordings import recordings
from neurodev.errors import ParameterError
from neurodev.params import whole
from neurodev.registry import registered
from neurodev.writing import a_path

GESTURES = (
    "hand clapping", "right hand wave", "left hand wave", "right arm clockwise", "right arm counter clockwise",
    "left arm clockwise", "left arm counter clockwise", "arm roll", "air drums", "air guitar", "other gestures",
)  # fmt: skip
SPOKEN = tuple(f"{n} ({tongue})" for tongue in ("English", "German") for n in range(10))
LETTERS = tuple("ABCDEFGHIJKLMNOPQRSTUVWXYZ")


def _folder(path: str | os.PathLike[str], name: str, needs: str) -> Path:
    """The folder itself, or its folder `name`, whichever holds `needs`.

    Raises
    ------
    ParameterError
        If neither does.
    """
    for place in (a_path(path), a_path(path) / name):
        if any(place.glob(needs)):
            return place
    raise ParameterError(f"{str(path)!r} holds no {needs}: {HOW[name]}")


HOW = {
    "NMNIST": "download Train.zip and Test.zip of N-MNIST (https://www.garrickorchard.com/datasets/n-mnist) and unpack "
    "both there, to Train/<digit>/<id>.bin and Test/<digit>/<id>.bin",
    "DVSGesture": "download ibmGestureTrain.tar.gz and ibmGestureTest.tar.gz of DVS128 Gesture "
    "(https://research.ibm.com/interactive/dvsgesture, as the .npy files of tonic.datasets.DVSGesture) and unpack both "
    "there, to ibmGestureTrain/<user>/<label>.npy and ibmGestureTest/<user>/<label>.npy",
    "CIFAR10DVS": "download the ten class archives of CIFAR10-DVS (https://figshare.com/articles/dataset/4724671) and "
    "unpack them there, to <class>/<name>.aedat; Tonic's .aedat4 files are read by nd.data.tonic",
    "SHD": "download shd_train.h5.gz and shd_test.h5.gz of the Spiking Heidelberg Digits "
    "(https://zenkelab.org/datasets) and unpack both there, to shd_train.h5 and shd_test.h5",
    "barrel_letters": "it needs barrel_letters.npz with x, y, p, t_us, offsets, labels and presentation",
}


def _some(files: Sequence[tuple[Path, int]], n: int | None, seed: int, part: str) -> list[tuple[Path, int]]:
    """All files, or `n` of them drawn at random, in their order."""
    if n is None:
        return list(files)
    n = whole(n, f"n_{part}")
    if not 1 <= n <= len(files):
        raise ParameterError(f"n_{part}={n} is not possible: there are {len(files)} recordings")
    chosen = rng.generator(rng.check_seed(seed), "recordings", part).permutation(len(files))[:n]
    return [files[k] for k in np.sort(chosen)]


def _read(
    name: str, classes: Sequence[str], parts: Mapping[str, Sequence[tuple[Path, int]]], read: Callable[[Path], Events],
    wanted: tuple[int | None, int | None], seed: int, cells: tuple[int, int] | None, duration: float, refractory: float,
) -> Dataset:  # fmt: skip
    sets: list[tuple[SpikeTrains, I8]] = []
    for (part, files), n in zip(parts.items(), wanted, strict=True):
        some = _some(files, n, seed, part)
        trains = recordings([read(f) for f, _ in some], cells, duration=duration, refractory=refractory)
        sets.append((trains, np.array([label for _, label in some], dtype=np.int64)))
    return Dataset(*sets[0], *sets[1], name=name, classes=tuple(classes))


@registered("data set")
@reads()
def nmnist(
    path: str | os.PathLike[str], *, cells: tuple[int, int] | None = None, duration: float = 300.0,
    refractory: float = 0.0, n_train: int | None = None, n_test: int | None = None, seed: int = 0,
) -> Dataset:  # fmt: skip
    """N-MNIST: digits before a moving event camera (Orchard et al. 2015, Front. Neurosci. 9:437).

    Parameters
    ----------
    path : path
        Folder with `Train` and `Test` (or that holds `NMNIST` with them).
    cells : (int, int), optional
        Pool the 34 x 34 pixels to so many columns and rows, which must divide 34.
    duration : float, ms
    refractory : float, ms
        See `recordings`.
    n_train, n_test : int, optional
        Read only so many recordings, drawn at random.
    seed : int
        Of that draw.

    Raises
    ------
    ParameterError
        If files are missing (with where to get them) or damaged.

    Examples
    --------
    >>> data = nd.data.nmnist("folder")  # doctest: +SKIP
    >>> nd.Trainer(model, data)  # doctest: +SKIP
    """
    folder = _folder(path, "NMNIST", "Train/[0-9]/*.bin")
    _folder(folder, "NMNIST", "Test/[0-9]/*.bin")
    parts = {
        part: [(f, int(f.parent.name)) for f in sorted(folder.glob(f"{which}/[0-9]/*.bin"))]
        for part, which in (("train", "Train"), ("test", "Test"))
    }
    read = lambda f: read_events(f, (34, 34))
    digits = tuple("0123456789")
    return _read("N-MNIST", digits, parts, read, (n_train, n_test), seed, cells, duration, refractory)


@registered("data set")
@reads()
def dvs_gesture(
    path: str | os.PathLike[str], *, cells: tuple[int, int] | None = (32, 32), duration: float = 1500.0,
    refractory: float = 0.0, n_train: int | None = None, n_test: int | None = None, seed: int = 0,
) -> Dataset:  # fmt: skip
    """DVS128 Gesture: eleven hand and arm gestures (Amir et al. 2017, CVPR), as Tonic's .npy files.

    A file is an array (n_event, 4): x, y, polarity, time in ms.  Parameters as of `nmnist`.

    Examples
    --------
    >>> data = nd.data.dvs_gesture("folder")  # doctest: +SKIP
    >>> nd.Trainer(model, data)  # doctest: +SKIP
    """
    folder = _folder(path, "DVSGesture", "ibmGestureTrain/*/*.npy")
    _folder(folder, "DVSGesture", "ibmGestureTest/*/*.npy")
    parts = {
        part: [(f, _gesture(f)) for f in sorted(folder.glob(f"ibmGesture{part.capitalize()}/*/*.npy"))]
        for part in ("train", "test")
    }
    return _read("DVS128 Gesture", GESTURES, parts, _npy, (n_train, n_test), seed, cells, duration, refractory)


def _gesture(file: Path) -> int:
    if not file.stem.isdigit() or int(file.stem) >= len(GESTURES):
        raise ParameterError(f"{file}: the name must be a label from 0 to {len(GESTURES) - 1}")
    return int(file.stem)


def _npy(file: Path) -> Events:
    try:
        a = np.load(file, allow_pickle=False)
    except Exception as e:  # whatever NumPy says of a damaged file
        raise ParameterError(f"{file} cannot be read ({type(e).__name__}: {e}): is it damaged?") from None
    if not isinstance(a, np.ndarray) or a.dtype.kind not in "iuf":
        raise ParameterError(f"{file} must hold numbers (n_event, 4): x, y, polarity, time in ms")
    if a.ndim != 2 or a.shape[1] != 4 or not len(a):
        raise ParameterError(f"{file} must hold (n_event, 4): x, y, polarity, time in ms; it holds {a.shape}")
    x, y, p, t = a.astype(np.float64).T
    if not np.all(np.isfinite(t)):
        raise ParameterError(f"{file} holds NaN or infinity among its times")
    return checked(Events(x, y, p > 0, np.round(1e3 * t), (128, 128)), str(file))


@registered("data set")
@reads()
def cifar10_dvs(
    path: str | os.PathLike[str], *, cells: tuple[int, int] | None = (32, 32), duration: float = 1300.0,
    refractory: float = 0.0, n_train: int | None = None, n_test: int | None = None, seed: int = 0,
) -> Dataset:  # fmt: skip
    """CIFAR10-DVS: pictures moved before an event camera (Li et al. 2017, Front. Neurosci. 11:309).

    The set has no split of its own: every tenth recording of a class (by number) is for the test.  Parameters as of
    `nmnist`.

    Examples
    --------
    >>> data = nd.data.cifar10_dvs("folder")  # doctest: +SKIP
    >>> nd.Trainer(model, data)  # doctest: +SKIP
    """
    folder = _folder(path, "CIFAR10DVS", "airplane/*.aedat")
    parts: dict[str, list[tuple[Path, int]]] = {"train": [], "test": []}
    for label, name in enumerate(CLASSES):
        _folder(folder, "CIFAR10DVS", f"{name}/*.aedat")
        for k, file in enumerate(sorted(folder.glob(f"{name}/*.aedat"), key=_number)):
            parts["test" if k % 10 == 9 else "train"].append((file, label))
    if not parts["test"]:
        raise ParameterError(f"{str(folder)!r} needs at least ten recordings of a class, the tenth for the test")
    wanted = (n_train, n_test)
    return _read("CIFAR10-DVS", CLASSES, parts, read_aedat, wanted, seed, cells, duration, refractory)


def _number(file: Path) -> tuple[int, str]:
    digits = "".join(c for c in file.stem if c.isdigit())
    return int(digits or 0), file.name


@reads()
def read_aedat(path: str | os.PathLike[str]) -> Events:
    """One recording of a DVS128 in AEDAT 2.0.

    Lines that begin with ``#``, then 8 bytes an event, big-endian: address (bit 0 polarity, bits 1-7 x, bits 8-14 y,
    bit 15 set for what is not an event of a pixel), and time in microseconds.

    Raises
    ------
    ParameterError
        If the file is missing, truncated, empty, or of another version.

    Examples
    --------
    >>> events = nd.data.read_aedat("one.aedat")  # doctest: +SKIP
    """
    path = a_path(path)
    if not path.is_file():
        raise ParameterError(f"there is no event file {str(path)!r}")
    raw = path.read_bytes()
    if raw.startswith(b"#!AER-DAT") and not raw.startswith(b"#!AER-DAT2"):
        raise ParameterError(f"{path} is {raw[2:12].decode('ascii', 'replace')}; neurodev reads AER-DAT2.0")
    at = 0
    while raw[at : at + 1] == b"#":
        end = raw.find(b"\n", at)
        if end < 0:
            raise ParameterError(f"{path} is truncated within its header")
        at = end + 1
    if (len(raw) - at) % 8 or len(raw) == at:
        raise ParameterError(f"{path} holds {len(raw) - at} bytes of events; an event has 8: was it truncated?")
    address, t = np.frombuffer(raw, dtype=">u4", offset=at).reshape(-1, 2).astype(np.int64).T
    pixel = (address >> 15) == 0
    address, t = address[pixel], t[pixel]
    if not t.size:
        raise ParameterError(f"{path} holds no event of a pixel")
    x, y, p = (address >> 1) & 127, (address >> 8) & 127, address & 1
    return checked(Events(x, y, p, unrolled(t, 32), (128, 128)), str(path))


@registered("data set")
@reads()
def shd(
    path: str | os.PathLike[str], *, duration: float = 1000.0, n_train: int | None = None, n_test: int | None = None,
    seed: int = 0,
) -> Dataset:  # fmt: skip
    """Spiking Heidelberg Digits: spoken digits in English and German, 700 channels (Cramer et al. 2020, IEEE TNNLS 33).

    Times are kept as float16 seconds in the files: they are known to 0.5 ms up to 1 s, and to 1 ms beyond.

    Parameters
    ----------
    path : path
        Folder with `shd_train.h5` and `shd_test.h5` (or that holds `SHD` with them).
    duration : float, ms
        Later spikes are left out.
    n_train, n_test, seed
        As of `nmnist`.

    Raises
    ------
    ParameterError
        If h5py is not installed, or a file is missing or damaged.

    Examples
    --------
    >>> data = nd.data.shd("folder")  # doctest: +SKIP
    >>> nd.Trainer(model, data)  # doctest: +SKIP
    """
    try:
        import h5py  # type: ignore[import-untyped,import-not-found,unused-ignore]
    except ImportError:
        raise ParameterError("h5py is not installed: pip install 'neurodev[data]'") from None
    sets: list[tuple[SpikeTrains, I8]] = []
    for part, n in (("train", n_train), ("test", n_test)):
        file = _folder(path, "SHD", f"shd_{part}.h5") / f"shd_{part}.h5"
        with h5py.File(file, "r") as h:
            missing = [k for k in ("spikes/times", "spikes/units", "labels") if k not in h]
            if missing:
                raise ParameterError(f"{file} lacks {missing}; it has {sorted(h)}")
            labels = check_labels(np.asarray(h["labels"]), 20, str(file))
            chosen = [k for _, k in _some([(file, k) for k in range(labels.size)], n, seed, part)]
            trains = []
            for k in chosen:
                # as doubles before anything else: float16 overflows in milliseconds
                t, c = np.asarray(h["spikes/times"][k], dtype=np.float64) * 1e3, np.asarray(h["spikes/units"][k])
                trains.append((t[t <= duration], c[t <= duration].astype(np.int64)))
        sets.append((SpikeTrains.of(trains, 700, float(duration)), labels[chosen]))
    return Dataset(*sets[0], *sets[1], name="SHD", classes=SPOKEN)


@registered("data set")
@reads()
def barrel_letters(
    path: str | os.PathLike[str], *, cells: tuple[int, int] | None = (16, 16), duration: float = 100.0,
    refractory: float = 0.0,
) -> Dataset:  # fmt: skip
    """Letters on a turning barrel before an event camera (Orchard et al. 2015, IEEE TPAMI 37:2028); 56 recordings.

    The first presentation of every letter trains, the later ones test: 26 and 30 recordings.  Accuracies move in
    steps of 3.3 points.

    Parameters
    ----------
    path : path
        Folder with `barrel_letters.npz`: x and y from 1 to 32, p, t_us, offsets, labels, presentation.
    cells, duration, refractory
        As of `recordings`.

    Raises
    ------
    ParameterError
        If the file is missing or an array is.

    Examples
    --------
    >>> data = nd.data.barrel_letters("folder")  # doctest: +SKIP
    >>> nd.Trainer(model, data)  # doctest: +SKIP
    """
    file = _folder(path, "barrel_letters", "barrel_letters.npz") / "barrel_letters.npz"
    found = [e._replace(x=e.x - 1, y=e.y - 1, sensor_size=(32, 32)) for e in read_npz(file, (33, 33))]
    with npz(file) as z:
        missing = [k for k in ("labels", "presentation") if k not in z]
        if missing:
            raise ParameterError(f"{file} lacks the arrays {missing}; it has {sorted(z)}")
        letters, first = z["labels"].astype(str), z["presentation"] == 1
    unknown = sorted(set(letters.tolist()) - set(LETTERS))
    if unknown or letters.size != len(found) or first.size != len(found):
        raise ParameterError(f"{file}: labels and presentation must have one entry a recording, letters from A to Z")
    labels = np.array([LETTERS.index(c) for c in letters], dtype=np.int64)
    trains = recordings(found, cells, duration=duration, refractory=refractory)
    return Dataset(trains[first], labels[first], trains[~first], labels[~first], name="barrel letters", classes=LETTERS)

"""Sets of recordings and of pictures, on tiny files in the true layouts; what is missing is named with its source."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from neurodev import data
from neurodev.data.cifar import CLASSES
from neurodev.data.event_sets import LETTERS
from neurodev.errors import ParameterError


def five_bytes(x, y, p, t) -> bytes:
    """Events of N-MNIST: x, y, one bit of polarity, 23 bits of microseconds."""
    return b"".join(
        struct.pack(">BBBH", a, b, (c << 7) | (d >> 16), d & 0xFFFF) for a, b, c, d in zip(x, y, p, t, strict=True)
    )


def aedat2(x, y, p, t) -> bytes:
    address = [(b << 8) | (a << 1) | c for a, b, c in zip(x, y, p, strict=True)]
    return b"#!AER-DAT2.0\r\n# a line\r\n" + b"".join(struct.pack(">II", a, d) for a, d in zip(address, t, strict=True))


def written(file: Path, content: bytes) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)


def cells_of(x, y, p, side: int) -> list[int]:
    """Cell numbers: OFF before ON, rows downwards as in pictures and in Tonic's frames."""
    return [c * side * side + b * side + a for a, b, c in zip(x, y, p, strict=True)]


EVENTS = ([3, 33, 0, 7], [0, 12, 33, 7], [1, 0, 1, 1], [500, 1500, 70_000, 290_500])


@pytest.fixture
def nmnist(tmp_path: Path) -> Path:
    for part, each in (("Train", 3), ("Test", 1)):
        for digit in range(10):
            for k in range(each):
                x, y, p, t = (list(c) for c in EVENTS)
                x[0] = digit + k
                written(tmp_path / "NMNIST" / part / str(digit) / f"{k:05d}.bin", five_bytes(x, y, p, t))
    return tmp_path


def test_nmnist(nmnist: Path) -> None:
    d = data.nmnist(nmnist)
    assert (len(d.x_train), len(d.x_test), d.n_class, d.x_train.n_cell) == (30, 10, 10, 2 * 34 * 34)
    np.testing.assert_array_equal(d.y_train, np.repeat(np.arange(10), 3))
    last = d.x_train[29]
    np.testing.assert_allclose(last.times, [0.0, 1.0, 69.5, 290.0])
    assert last.cells.tolist() == cells_of([11, *EVENTS[0][1:]], EVENTS[1], EVENTS[2], 34)
    few = data.nmnist(nmnist / "NMNIST", n_train=7, n_test=4, cells=(17, 17), duration=100.0)
    assert len(few.x_train) == 7 and few.x_train.n_cell == 2 * 17 * 17 and len(few.x_train[0].times) == 3
    assert np.unique(few.y_train).size > 3
    with pytest.raises(ParameterError, match="n_train=31 is not possible: there are 30"):
        data.nmnist(nmnist, n_train=31)


def test_nmnist_as_tonic_reads_it(nmnist: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tonic = pytest.importorskip("tonic")
    monkeypatch.setattr(tonic.datasets.NMNIST, "_check_exists", lambda self: True)
    theirs = tonic.datasets.NMNIST(str(nmnist), train=True)
    mine = data.nmnist(nmnist).x_train
    found = set()
    for k in range(len(theirs)):
        events, label = theirs[k]
        cells = cells_of(events["x"].tolist(), events["y"].tolist(), events["p"].astype(int).tolist(), 34)
        times = tuple(((events["t"] - events["t"][0]) / 1e3).tolist())
        found.add((int(label), tuple(cells), times))
    ours = {
        (k // 3, tuple(mine[k].cells.tolist()), tuple(mine[k].times.tolist())) for k in range(30)
    }  # in order of class
    assert found == ours


def test_dvs_gesture(tmp_path: Path) -> None:
    for part, users in (("Train", ("user02_led", "user01_fluorescent")), ("Test", ("user24_led",))):
        for user in users:
            for label in range(11):
                events = np.array([[5, 9, 1, 20], [127, 0, 0, 10], [64, 64, 1, 1400]])
                file = tmp_path / f"DVSGesture/ibmGesture{part}/{user}/{label}.npy"
                file.parent.mkdir(parents=True, exist_ok=True)
                np.save(file, events)
    d = data.dvs_gesture(tmp_path, cells=None)
    assert (len(d.x_train), len(d.x_test), d.n_class) == (22, 11, 11)
    assert set(d.y_train.tolist()) == set(range(11)) and d.classes[0] == "hand clapping"
    # time is in milliseconds, and events need not be in order
    np.testing.assert_allclose(d.x_test[0].times, [0.0, 10.0, 1390.0])
    assert d.x_test[0].cells.tolist() == cells_of([127, 5, 64], [0, 9, 64], [0, 1, 1], 128)
    np.save(tmp_path / "DVSGesture/ibmGestureTest/user24_led/11.npy", events)
    with pytest.raises(ParameterError, match="label from 0 to 10"):
        data.dvs_gesture(tmp_path)


def test_cifar10_dvs(tmp_path: Path) -> None:
    for name in CLASSES:
        for k in range(10):
            written(tmp_path / name / f"cifar10_{name}_{k}.aedat", aedat2([k, 100], [5, 127], [1, 0], [100, 2100]))
    d = data.cifar10_dvs(tmp_path, cells=None)
    assert (len(d.x_train), len(d.x_test)) == (90, 10) and d.y_test.tolist() == list(range(10))
    np.testing.assert_allclose(d.x_test[3].times, [0.0, 2.0])
    assert d.x_test[3].cells.tolist() == cells_of([9, 100], [5, 127], [1, 0], 128)
    file = tmp_path / "airplane" / "cifar10_airplane_0.aedat"
    whole = file.read_bytes()
    for content, words in (
        (whole[:-3], "truncated"),
        (b"#!AER-DAT3.1\r\n" + whole, "AER-DAT3.1"),
        (b"#!AER-DAT2.0", "within its header"),
        (b"#!AER-DAT2.0\r\n" + struct.pack(">II", 1 << 15, 3), "no event of a pixel"),
    ):
        file.write_bytes(content)
        with pytest.raises(ParameterError, match=words):
            data.cifar10_dvs(tmp_path)


def test_shd(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    times = [np.array([0.0, 0.25, 0.5], np.float16), np.array([0.125, 1.25], np.float16)]
    units = [np.array([0, 699, 3], np.uint16), np.array([7, 8], np.uint16)]
    for part in ("train", "test"):
        with h5py.File(tmp_path / f"shd_{part}.h5", "w") as h:
            for name, kind, rows in (("times", np.float16, times), ("units", np.uint16, units)):
                column = h.create_dataset(f"spikes/{name}", (2,), dtype=h5py.vlen_dtype(kind))
                for k, row in enumerate(rows):
                    column[k] = row
            h["labels"] = np.array([19, 4], np.uint16)
            h["extra/keys"] = np.array([b"zero"] * 20)
    d = data.shd(tmp_path)
    assert d.n_class == 20 and d.x_train.n_cell == 700 and d.y_test.tolist() == [19, 4]
    np.testing.assert_array_equal(d.x_train[0].times, [0.0, 250.0, 500.0])
    np.testing.assert_array_equal(d.x_train[0].cells, [0, 699, 3])
    assert d.x_train[1].times.tolist() == [125.0]  # the other is later than the duration
    with h5py.File(tmp_path / "shd_test.h5", "a") as h:
        del h["labels"]
    with pytest.raises(ParameterError, match="lacks"):
        data.shd(tmp_path)


def test_barrel_letters(tmp_path: Path) -> None:
    n = 52
    np.savez(
        tmp_path / "barrel_letters.npz", x=np.full(2 * n, 32), y=np.tile([1, 32], n), p=np.tile([-1, 1], n),
        t_us=np.tile([10, 5010], n), offsets=2 * np.arange(n + 1), labels=np.array([*LETTERS, *LETTERS]),
        presentation=np.repeat([1, 2], 26),
    )  # fmt: skip
    d = data.barrel_letters(tmp_path, cells=None)
    assert (len(d.x_train), len(d.x_test), d.n_class) == (26, 26, 26) and d.y_test.tolist() == list(range(26))
    assert d.x_train[0].cells.tolist() == cells_of([31, 31], [0, 31], [0, 1], 32)
    pooled = data.barrel_letters(tmp_path).x_train
    assert pooled.n_cell == 512 and pooled.grid == pooled[3:5].grid == (16, 16, 2)


def test_cifar100(tmp_path: Path) -> None:
    folder = tmp_path / "cifar-100-binary"
    pixels = np.arange(3072, dtype=np.uint8)
    for name in ("train", "test"):
        written(folder / f"{name}.bin", bytes([3, 99]) + pixels.tobytes() + bytes([0, 5]) + bytes(3072))
    with pytest.raises(ParameterError, match=r"no fine_label_names.txt: download .*cs.toronto.edu"):
        data.cifar100(tmp_path)
    (folder / "fine_label_names.txt").write_text("\n".join(f"class_{k}" for k in range(100)))
    d = data.cifar100(tmp_path)
    assert d.y_train.tolist() == [99, 5] and d.classes[99] == "class_99"
    np.testing.assert_array_equal(d.x_train[0].transpose(2, 0, 1).reshape(-1), pixels)


def test_tiny_imagenet(tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image")
    folder = tmp_path / "tiny-imagenet-200"
    colour, grey = np.full((64, 64, 3), (200, 30, 90), np.uint8), np.full((64, 64), 128, np.uint8)
    names = ("n01443537", "n01629819")
    for name in names:
        (folder / "train" / name / "images").mkdir(parents=True)
        for k in range(3):
            image.fromarray(colour).save(folder / "train" / name / "images" / f"{name}_{k}.JPEG")
    (folder / "val" / "images").mkdir(parents=True)
    image.fromarray(grey).save(folder / "val" / "images" / "val_0.JPEG")
    (folder / "wnids.txt").write_text("\n".join(names) + "\n")
    with pytest.raises(ParameterError, match=r"no val/val_annotations.txt: download .*tiny-imagenet-200.zip"):
        data.tiny_imagenet(tmp_path)
    notes = folder / "val" / "val_annotations.txt"
    notes.write_text(f"val_0.JPEG\t{names[1]}\t0\t0\t62\t62\n")
    d = data.tiny_imagenet(tmp_path)
    assert d.y_train.tolist() == [0, 0, 0, 1, 1, 1] and d.y_test.tolist() == [1]
    assert np.abs(d.x_train.astype(int) - (200, 30, 90)).max() < 6 and np.abs(d.x_test.astype(int) - 128).max() < 4
    assert len(data.tiny_imagenet(tmp_path, n_train=2).x_train) == 2
    notes.write_text(f"val_1.JPEG\t{names[1]}\t0\t0\t62\t62\n")
    with pytest.raises(ParameterError, match="val_1.JPEG.*download"):
        data.tiny_imagenet(tmp_path)
    (folder / "val" / "images" / "val_1.JPEG").write_bytes(b"no picture")
    with pytest.raises(ParameterError, match="is not a picture"):
        data.tiny_imagenet(tmp_path)


@pytest.mark.parametrize(
    ("read", "words"),
    [
        (data.nmnist, r"no Train/\[0-9\]/\*.bin: download Train.zip and Test.zip"),
        (data.dvs_gesture, r"no ibmGestureTrain/\*/\*.npy: download ibmGestureTrain.tar.gz"),
        (data.cifar10_dvs, r"no airplane/\*.aedat: download .*figshare"),
        (data.shd, r"no shd_train.h5: download shd_train.h5.gz"),
        (data.barrel_letters, "no barrel_letters.npz"),
        (data.cifar100, "no train.bin: download cifar-100-binary.tar.gz"),
        (data.tiny_imagenet, "no wnids.txt: download"),
    ],
)
def test_missing_files_are_named_with_their_source(tmp_path: Path, read, words: str) -> None:
    with pytest.raises(ParameterError, match=words):
        read(tmp_path)

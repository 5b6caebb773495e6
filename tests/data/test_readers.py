"""Readers against tiny files in the true layouts, and what they say at the door."""

import gzip
import struct
import wave

import numpy as np
import pytest

from neurodev import data
from neurodev.data.cifar import CLASSES
from neurodev.errors import ParameterError

CODES = {"u1": 0x08, "i1": 0x09, "i2": 0x0B, "i4": 0x0C, "f4": 0x0D, "f8": 0x0E}


def idx_bytes(a):
    code = CODES[a.dtype.str[1:]]
    return struct.pack(f">BBBB{a.ndim}I", 0, 0, code, a.ndim, *a.shape) + a.astype(a.dtype.newbyteorder(">")).tobytes()


def write_family(folder, n=6, labels=None):
    rng = np.random.default_rng(0)
    out = {}
    for part, m in (("train", n), ("t10k", 3)):
        x = rng.integers(0, 256, (m, 28, 28), dtype=np.uint8)
        y = (np.arange(m) % 10).astype(np.uint8) if labels is None else labels[part]
        (folder / f"{part}-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx_bytes(x)))
        (folder / f"{part}-labels-idx1-ubyte").write_bytes(idx_bytes(y))
        out[part] = x, y
    return out


@pytest.mark.parametrize("kind", CODES)
def test_idx_round_trip(tmp_path, kind):
    a = (np.arange(24).reshape(2, 3, 4) * 3 - 5).astype(kind)
    (tmp_path / "a").write_bytes(idx_bytes(a))
    b = data.read_idx(tmp_path / "a")
    assert b.dtype == a.dtype and b.dtype.isnative
    np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda raw: b"\x01" + raw[1:], "not an IDX file"),
        (lambda raw: raw[:2] + b"\x07" + raw[3:], "not an IDX file"),
        (lambda raw: b"", "not an IDX file"),
        (lambda raw: raw[:6], "within its header"),
        (lambda raw: raw[:-1], "truncated"),
        (lambda raw: raw + b"x", "truncated"),
        (lambda raw: gzip.compress(raw)[:-9], "cannot be unpacked"),
    ],
)
def test_idx_at_the_door(tmp_path, spoil, words):
    (tmp_path / "a").write_bytes(spoil(idx_bytes(np.zeros((4, 5), np.uint8))))
    with pytest.raises(ParameterError, match=words):
        data.read_idx(tmp_path / "a")


def test_mnist_family(tmp_path):
    written = write_family(tmp_path)
    for reader in (data.mnist, data.fashion_mnist):
        d = reader(tmp_path)
        np.testing.assert_array_equal(d.x_train, written["train"][0])
        np.testing.assert_array_equal(d.y_test, written["t10k"][1])
        assert d.n_class == 10 and d.y_train.dtype == np.int64
    with pytest.raises(ParameterError, match="there is no train-images"):
        data.mnist(tmp_path / "nowhere")


def test_mnist_label_out_of_range_and_missing_labels(tmp_path):
    bad = {"train": np.array([0, 1, 10, 3, 4, 5], np.uint8), "t10k": np.zeros(3, np.uint8)}
    write_family(tmp_path, labels=bad)
    with pytest.raises(ParameterError, match="label 10 of sample 2"):
        data.mnist(tmp_path)
    bad["train"] = bad["train"][:2]
    write_family(tmp_path, labels=bad)
    with pytest.raises(ParameterError, match="6 images but .* 2 labels"):
        data.mnist(tmp_path)


def cifar_bytes(labels, images):
    return b"".join(bytes([y]) + x.transpose(2, 0, 1).tobytes() for y, x in zip(labels, images, strict=True))


def test_cifar_binary(tmp_path):
    x = np.random.default_rng(1).integers(0, 256, (4, 32, 32, 3), dtype=np.uint8)
    y = np.array([3, 0, 9, 1])
    for k in range(1, 6):
        (tmp_path / f"data_batch_{k}.bin").write_bytes(cifar_bytes(y, x))
    (tmp_path / "test_batch.bin").write_bytes(cifar_bytes(y[:2], x[:2]))
    d = data.cifar10(tmp_path)
    np.testing.assert_array_equal(d.x_train[4:8], x)
    np.testing.assert_array_equal(d.y_test, y[:2])
    assert d.name == "CIFAR10" and len(d.x_train) == 20
    fine = b"".join(b"\x05" + cifar_bytes([c], x[k : k + 1]) for k, c in enumerate((99, 7)))
    (tmp_path / "fine.bin").write_bytes(fine)
    images, labels = data.read_cifar(tmp_path / "fine.bin", 100)
    np.testing.assert_array_equal(images, x[:2])
    np.testing.assert_array_equal(labels, [99, 7])


def test_cifar_at_the_door(tmp_path):
    f = tmp_path / "b.bin"
    f.write_bytes(b"\x80\x02}q\x01")
    with pytest.raises(ParameterError, match="pickle"):
        data.read_cifar(f)
    f.write_bytes(bytes(3072))
    with pytest.raises(ParameterError, match="truncated"):
        data.read_cifar(f)
    f.write_bytes(b"\x0b" + bytes(3072))
    with pytest.raises(ParameterError, match="label 11"):
        data.read_cifar(f)
    with pytest.raises(ParameterError, match="neither"):
        data.cifar10(tmp_path)


def test_cifar_arrays(tmp_path):
    x = np.zeros((3, 32, 32, 3), np.uint8)
    for name in ("cifar10_train3_jpeg", "cifar10_train_first3_lossless", "cifar10_test3_jpeg"):
        np.savez(tmp_path / f"{name}.npz", images=x, labels=np.arange(3), class_names=np.array(CLASSES))
    d = data.cifar10(tmp_path)
    assert "subset" in d.name and "jpeg" in d.name
    assert "lossless" in data.cifar10(tmp_path, "lossless").name
    np.savez(tmp_path / "cifar10_test3_jpeg.npz", images=x, labels=np.arange(3))
    with pytest.raises(ParameterError, match="lacks the arrays"):
        data.cifar10(tmp_path)


def tone(frequency, n=4000, rate=8000):
    t = np.arange(n) / rate
    return (8000 * np.sin(2 * np.pi * frequency * t) * np.hanning(n)).astype(np.int16)


def write_wave(path, sound, rate=8000):
    with wave.open(str(path), "wb") as w:
        w.setnchannels(1)
        w.setsampwidth(2)
        w.setframerate(rate)
        w.writeframes(sound.astype("<i2").tobytes())


def test_spoken_digits_from_both_forms(tmp_path):
    rows = [(d, s, k) for d in (0, 7) for s in ("ann", "bob") for k in (0, 5, 6)]
    rows.sort(key=lambda r: f"{r[0]}_{r[1]}_{r[2]}.wav")
    sounds = [tone(300 + 200 * d + 10 * k, 3000 + 100 * k) for d, _, k in rows]
    for (d, s, k), sound in zip(rows, sounds, strict=True):
        write_wave(tmp_path / f"{d}_{s}_{k}.wav", sound)
    a = data.spoken_digits(tmp_path)
    packed = tmp_path / "packed"
    packed.mkdir()
    np.savez(
        packed / "fsdd_5speakers.npz", audio=np.concatenate(sounds), sample_rate=8000,
        offsets=np.cumsum([0, *(s.size for s in sounds)]), labels=[r[0] for r in rows],
        speakers=[r[1] for r in rows], take=[r[2] for r in rows],
    )  # fmt: skip
    b = data.spoken_digits(packed)
    np.testing.assert_array_equal(a.x_train.times, b.x_train.times)
    np.testing.assert_array_equal(a.y_test, b.y_test)
    assert len(a.x_train) == 8 and len(a.x_test) == 4
    left = data.spoken_digits(packed, leave_out="bob")
    assert len(left.x_test) == 6 and "bob" in left.name
    with pytest.raises(ParameterError, match="no speaker 'eve'"):
        data.spoken_digits(packed, leave_out="eve")


def test_wave_files_at_the_door(tmp_path):
    with pytest.raises(ParameterError, match="holds neither"):
        data.spoken_digits(tmp_path)
    write_wave(tmp_path / "0_ann_0.wav", tone(400))
    write_wave(tmp_path / "0_ann_9.wav", tone(400), rate=16000)
    with pytest.raises(ParameterError, match="different sample rates"):
        data.spoken_digits(tmp_path)
    write_wave(tmp_path / "0_ann_9.wav", tone(400))
    raw = (tmp_path / "0_ann_9.wav").read_bytes()
    (tmp_path / "0_ann_9.wav").write_bytes(raw[:-7])
    with pytest.raises(ParameterError, match="truncated"):
        data.spoken_digits(tmp_path)
    (tmp_path / "0_ann_9.wav").write_bytes(b"RIFFxxxx")
    with pytest.raises(ParameterError, match="not a wav file"):
        data.spoken_digits(tmp_path)


def test_digits():
    pytest.importorskip("sklearn")
    d = data.digits()
    assert len(d.x_train) + len(d.x_test) == 1797 and d.x_train.shape[1:] == (8, 8)
    assert d.x_train.dtype == np.float32 and d.x_train.max() == 1.0
    assert np.all(np.abs(np.bincount(d.y_test) - 36) <= 1)
    assert np.array_equal(data.digits().x_test, d.x_test)
    assert not np.array_equal(data.digits(seed=1).y_test, d.y_test)


def test_digits_names_the_extra(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "sklearn.datasets", None)
    with pytest.raises(ParameterError, match=r"neurodev\[data\]"):
        data.digits()
    with pytest.raises(ParameterError, match="test_fraction"):
        data.digits(0.0)


def test_tonic_style_dataset():
    pytest.importorskip("tonic")
    kind = np.dtype([("x", "i4"), ("y", "i4"), ("p", "?"), ("t", "i8")])

    class Two:
        sensor_size = (4, 2, 2)
        classes = ("left", "right")
        labels = (0, 1)

        def __len__(self):
            return 2

        def __getitem__(self, k):
            return np.array([(3 * k, 0, True, 5000), (0, 1, False, 7000), (1, 1, True, 99000)], kind), self.labels[k]

    d = data.tonic(Two(), Two(), duration=50.0)
    assert d.name == "Two" and d.classes == ("left", "right") and d.x_train.n_cell == 16
    np.testing.assert_array_equal(d.x_train.times, [0.0, 2.0] * 2)
    np.testing.assert_array_equal(d.x_train.cells, [8, 4, 8 + 3, 4])
    words = Two()
    words.labels = ("a", "b")
    with pytest.raises(ParameterError, match="not class numbers"):
        data.tonic(words, Two(), duration=50.0)


def test_no_more_is_unpacked_than_a_header_says(tmp_path, monkeypatch):
    """A gigabyte of zeros in a megabyte, behind a header that speaks of four pixels, and a header that lies upwards."""
    import tracemalloc

    head = b"\0\0\x08\3" + struct.pack(">III", 1, 2, 2)
    bomb = tmp_path / "bomb.gz"
    with gzip.open(bomb, "wb", compresslevel=1) as f:
        f.write(head)
        for _ in range(64):
            f.write(bytes(1 << 22))
    tracemalloc.start()
    with pytest.raises(ParameterError, match="holds more than that bytes, its header says 4"):
        data.read_idx(bomb)
    assert tracemalloc.get_traced_memory()[1] < 1 << 22
    tracemalloc.stop()
    large = tmp_path / "large"
    large.write_bytes(b"\0\0\x08\3" + struct.pack(">III", 2**32 - 1, 2**32 - 1, 2**32 - 1) + bytes(10))
    with pytest.raises(ParameterError, match="would take at least"):
        data.read_idx(large)

"""What is asked of recordings and of data sets before anything is made of them, and where pixels come to lie."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from neurodev import data
from neurodev.data import Dataset, Events, SpikeTrains, pool, read_events, recordings
from neurodev.data.event_sets import read_aedat
from neurodev.data.events import read_npz
from neurodev.errors import ParameterError
from neurodev.learn import Binned

WIDTH, HEIGHT = 200, 120
G = np.random.default_rng(5)
X, Y, P, T = (
    G.integers(0, WIDTH, 60),
    G.integers(0, HEIGHT, 60),
    G.integers(0, 2, 60),
    np.sort(G.integers(0, 30_000, 60)),
)


def events(x: Any = X, y: Any = Y, p: Any = P, t: Any = T, sensor: Any = (WIDTH, HEIGHT)) -> Events:
    return Events(*(np.asarray(a) for a in (x, y, p, t)), sensor)


@pytest.mark.parametrize("kind", [np.uint8, np.int16, np.uint16, np.uint32, np.int64, np.uint64, np.float64])
@pytest.mark.parametrize("cells", [None, (20, 30)])
def test_narrow_integers_do_not_wrap(kind: Any, cells: Any) -> None:
    """Pixels times cells, polarity times pixels, and differences of times, in the types that files come with."""
    wide = recordings([events()], cells, duration=60.0)
    time = np.uint32 if kind == np.uint8 else kind
    for p in (P.astype(kind), P.astype(bool)):
        small = recordings([events(X.astype(kind), Y.astype(kind), p, T.astype(time))], cells, duration=60.0)
        np.testing.assert_array_equal(small.cells, wide.cells)
        np.testing.assert_array_equal(small.times, wide.times)


def test_any_order_of_time_will_do() -> None:
    order = G.permutation(60)
    mixed = events(*(a[order].astype(np.uint32) for a in (X, Y, P, T)))
    np.testing.assert_array_equal(recordings([mixed], duration=60.0).times, recordings([events()], duration=60.0).times)


@pytest.mark.parametrize("changed", [{"x": WIDTH}, {"y": HEIGHT}, {"x": -1}, {"y": -1}, {"p": 2}, {"p": -1}])
def test_an_event_outside_the_sensor_is_named(changed: dict[str, int]) -> None:
    columns = {"x": X, "y": Y, "p": P}
    wrong = {k: np.where(np.arange(60) == 7, changed.get(k, a), a) for k, a in columns.items()}
    for read in (lambda e: recordings([e], duration=60.0), lambda e: pool([events(), e], (20, 30))):
        with pytest.raises(ParameterError, match="p must be 0 or 1" if "p" in changed else "event 7 at .* outside"):
            read(events(**wrong))


@pytest.mark.parametrize("name", ["x", "y", "t_us", "p"])
def test_fractions_of_pixels_and_microseconds_are_refused(name: str) -> None:
    given = {"x": X, "y": Y, "p": P, "t_us": T}
    given[name] = given[name] + np.where(np.arange(60) == 3, 0.5, 0.0)
    with pytest.raises(ParameterError, match=f"{name} must be whole numbers, got"):
        recordings([Events(**given, sensor_size=(WIDTH, HEIGHT))], duration=60.0)


def test_a_recording_without_events_is_a_sample_without_spikes() -> None:
    none = events([], [], [], [])
    trains = recordings([none, events(), none], duration=60.0, refractory=3.0)
    assert np.diff(trains.offsets).tolist()[::2] == [0, 0] and trains.counts().sum(axis=1)[1] > 50
    assert trains[[0, 2]].frames(4).sum() == 0
    with pytest.raises(ParameterError, match="at least one"):
        recordings([], duration=60.0)
    for wrong in (None, (X, Y, P, T), [1, 2]):
        with pytest.raises(ParameterError, match="must be Events"):
            recordings([wrong], duration=60.0)  # type: ignore[list-item]


def test_rows_run_downwards_as_in_pictures() -> None:
    """An event is where a picture of the sensor has it, in `counts`, in `Binned`, and by its place on a sheet."""
    e = events([150], [9], [1], [0])
    trains = recordings([e], (20, 12), duration=10.0)
    assert trains.grid == (12, 20, 2)
    assert np.argwhere(trains.counts().reshape(2, 12, 20)).tolist() == [[1, 0, 15]]
    assert np.argwhere(Binned(1)(trains, np.array([0]), 0, 0).dense().reshape(12, 20, 2)).tolist() == [[0, 15, 1]]
    found, places = pool([e], (20, 12))
    np.testing.assert_allclose(places[found[0][1][0]], [15.5 / 20, 1 - 0.5 / 12])  # places are of a sheet: y upwards
    with pytest.raises(ParameterError, match="would scramble the grid"):
        Binned(1, (20, 12, 2))(trains, np.array([0]), 0, 0)


@pytest.mark.parametrize("suffix", [".bin", ".bs2"])
def test_a_counter_that_begins_anew_goes_on(tmp_path: Path, suffix: str) -> None:
    """23 bits of microseconds are 8.4 s: twice around, with events that were written a little late."""
    true = np.array([0, 5_000_000, 8_388_600, 8_388_610, 8_388_590, 15_000_000, 16_777_216 + 40])
    bits = [struct.pack(">BBBH", k, 3, (t % 2**23) >> 16, t % 2**16) for k, t in enumerate(true)]
    (tmp_path / f"a{suffix}").write_bytes(b"".join(bits))
    found = read_events(tmp_path / f"a{suffix}", (32, 32))
    assert found.t_us.tolist() == sorted(true.tolist()) and found.x.tolist() == np.argsort(true, kind="stable").tolist()
    words = b"".join(struct.pack(">II", k << 1, (t + 2**32 - 8_388_605) % 2**32) for k, t in enumerate(true))
    (tmp_path / "a.aedat").write_bytes(b"#!AER-DAT2.0\r\n" + words)
    late = read_aedat(tmp_path / "a.aedat")
    assert np.diff(late.t_us).tolist() == np.diff(np.sort(true)).tolist()


def test_damaged_arrays_are_ours_to_refuse(tmp_path: Path) -> None:
    good = {"x": [1, 2], "y": [1, 2], "p": [0, 1], "t_us": [5, 9], "offsets": [0, 2]}
    np.savez(tmp_path / "good.npz", **good)
    assert len(read_npz(tmp_path / "good.npz", (4, 4))) == 1
    whole = (tmp_path / "good.npz").read_bytes()
    for content, said in ((whole[:-40], "damaged"), (b"", "damaged"), (b"no zip", "damaged")):
        (tmp_path / "bad.npz").write_bytes(content)
        with pytest.raises(ParameterError, match=said):
            read_npz(tmp_path / "bad.npz", (4, 4))
    for change, said in (
        ({"x": [1.5, 2]}, "x must be whole numbers, got 1.5"), ({"offsets": [0, 3]}, "offsets must ascend from 0"),
        ({"offsets": [0, 2, 1, 2]}, "offsets must ascend"), ({"y": [1]}, "lists of one length"),
        ({"x": [1, 4]}, "recording 0: event 1 at x=4"), ({"t_us": [5, 2**64 - 1]}, "t_us must be whole numbers"),
    ):  # fmt: skip
        np.savez(tmp_path / "bad.npz", **(good | change))
        with pytest.raises(ParameterError, match=said):
            read_npz(tmp_path / "bad.npz", (4, 4))


def test_a_pool_that_rests_is_the_slow_one() -> None:
    """Dropping events that follow an accepted one too soon, against a loop over events."""
    trains, _ = pool([events(X // 50 * 50, Y // 60 * 60, P, T)], (4, 2), refractory=7.0)
    t, cell = pool([events(X // 50 * 50, Y // 60 * 60, P, T)], (4, 2))[0][0]
    last: dict[int, float] = {}
    kept = []
    for k, (when, c) in enumerate(zip(t, cell, strict=True)):
        if when - last.get(c, -np.inf) >= 7.0:
            last[c] = when
            kept.append(k)
    np.testing.assert_array_equal(trains[0][0], t[kept])
    np.testing.assert_array_equal(trains[0][1], cell[kept])
    assert 0 < len(kept) < 60


# ---------------------------------------------------------------- trains and data sets


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (([2.0, 1.0], [0, 0], [0, 2], 1, 5.0), "times of sample 0 do not ascend"),
        (([1.0, 2.0, 3.0, 2.5], [0] * 4, [0, 2, 4], 1, 5.0), "times of sample 1 do not ascend"),
        (([1.0], [0.7], [0, 1], 1, 5.0), "cells must be whole numbers, got 0.7"),
        (([1.0], [0], [0, 1], 1.5, 5.0), "n_cell must be a whole number"),
        (([1.0], [0], [0, 1], 1, 0.0), "duration must be a positive number of ms"),
        (([1.0], [0], [0, 1], 1, "3 mV"), "duration must be a number in ms"),
        ((["a"], [0], [0, 1], 1, 5.0), "times must be a number or an array of numbers"),
        (([1.0], [0], [0, 0.5, 1], 1, 5.0), "offsets must be whole numbers"),
        (([1.0], [0], [0, 1], 4, 5.0, (2, 1, 1)), r"grid must be \(rows, columns, channels\) of 4"),
    ],
)
def test_trains_are_looked_at(given: Any, said: str) -> None:
    with pytest.raises(ParameterError, match=said):
        SpikeTrains(*(np.asarray(a) if k < 3 else a for k, a in enumerate(given)))
    with pytest.raises(ParameterError, match="times must be an array, got .* SpikeTrains.of makes trains of lists"):
        SpikeTrains(*given)


def test_trains_of_any_numbers_are_trains() -> None:
    cells, offsets = np.array([0, 1, 2], np.uint8), np.array([0.0, 1.0, 3.0, 3.0])
    trains = SpikeTrains(np.array([0.5, 0.1, 0.1], np.float32), cells, offsets, np.int64(3), "1 second")  # type: ignore
    assert trains.duration == 1000.0 and trains.counts().tolist() == [[1, 0, 0], [0, 1, 1], [0, 0, 0]]
    assert trains[np.array([True, False, True])].counts().tolist() == [[1, 0, 0], [0, 0, 0]] and len(trains[-1]) == 1
    for wrong in ([5], [0.5], [True], np.array([True, False])):
        with pytest.raises(ParameterError):
            trains[wrong]
    with pytest.raises(ParameterError, match="would take at least"):
        trains.frames(10**12)


def made(**changed: Any) -> Dataset:
    x, y = np.zeros((4, 3, 2), np.float32), np.array([0, 1, 0, 1])
    return Dataset(**({"x_train": x, "y_train": y, "x_test": x, "y_test": y, "name": "d", "classes": "ab"} | changed))


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"x_test": np.zeros((4, 2, 3))}, r"training sample is \(3, 2\), a test sample \(2, 3\)"),
        ({"x_train": np.zeros((0, 3, 2)), "y_train": np.zeros(0)}, "no training samples"),
        ({"y_train": np.array([0.0, 1.0, 0.5, 1.0])}, "class numbers from 0, got float64.*a column for each name"),
        ({"y_train": np.array([True, False, True, False])}, "labels must be whole numbers"),
        ({"y_train": [[0], [1], [0], [1]]}, "labels must be a list"),
        ({"y_train": [0, 1, 2, 1]}, r"label 2 of sample 2 is not in \[0, 2\)"),
        ({"x_train": [[1.0], [2.0]] * 2}, "must be an array .* np.asarray"), ({"x_train": "abcd"}, "must be an array"),
        ({"x_train": 3.0}, "must be an array"), ({"classes": 2}, "classes must be a tuple of names"),
        ({"x_test": SpikeTrains.of([([], [])] * 4, 6, 1.0)}, r"a test sample \(6,\)"),
    ],
)  # fmt: skip
def test_data_are_looked_at(changed: dict[str, Any], said: str) -> None:
    with pytest.raises(ParameterError, match=said):
        made(**({"classes": ("a", "b")} | changed))


def test_an_empty_test_set_is_one() -> None:
    d = made(classes=["a", "b"], x_test=np.zeros((0, 3, 2)), y_test=[], y_train=[0, 1, 1, 0])
    assert len(d.x_test) == d.y_test.size == 0 and d.x_train.shape == (4, 3, 2) and d.classes == ("a", "b")
    with pytest.raises(ParameterError, match="must be a whole number, got 2.5"):
        d.subset(2.5)  # type: ignore[arg-type]
    with pytest.raises(ParameterError, match="Dataset has no parameter 'x_tran' .did you mean 'x_train'"):
        Dataset(x_tran=1)  # type: ignore[call-arg]


def test_a_tonic_set_is_looked_at() -> None:
    pytest.importorskip("tonic")

    class Fake:
        sensor_size, classes = (8, 4, 2), None

        def __init__(self, t: list[float], x: int = 1, target: Any = 0) -> None:
            kind = [("t", "f8"), ("x", "i2"), ("y", "u1"), ("p", "?")]
            self.sample = np.array([(a, x, 3, k % 2) for k, a in enumerate(t)], dtype=kind), target

        def __getitem__(self, k: int) -> Any:
            return self.sample

        def __len__(self) -> int:
            return 1

    good = Fake([0.0, 2000.0], target=np.uint8(1))
    d = data.tonic(good, good, duration=5.0)
    assert d.x_train.times.tolist() == [0.0, 2.0] and d.y_train.tolist() == [1]
    for wrong, said in (
        (Fake([0.0, 0.25]), "whole microseconds, got .*0.25.*; times in seconds"), (Fake([0.0], x=8), "outside the"),
        (Fake([0.0], target=0.5), "target .* got 0.5"), (Fake([0.0], target=-1), "target .* at least 0"),
    ):  # fmt: skip
        with pytest.raises(ParameterError, match=said):
            data.tonic(good, wrong, duration=5.0)

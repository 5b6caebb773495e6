"""Damaged and hostile run files: each is refused in our own words, or read as it was written; none fills the memory."""

from __future__ import annotations

import io
import json
import resource
import shutil
import sqlite3
import struct
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import neurodev as nd
from neurodev.data.dataset import Dataset
from neurodev.errors import NeurodevError, RunFileError
from neurodev.learn.layers.linear import Linear
from neurodev.learn.layers.neurons import LIF
from neurodev.learn.model import Sequential
from neurodev.learn.training.encode import Bernoulli
from neurodev.learn.training.trainer import Trainer
from neurodev.methods.drop_and_grow import RigL
from neurodev.record import proof
from neurodev.record.packed import unpacked
from neurodev.record.runfile import RunFile
from neurodev.simulation import recording
from neurodev.structure.log import empty
from neurodev.units import day
from tests.record.forge import sign

MOST_MEMORY = 500e6
MOST_SECONDS = 10.0


def _development(to: Path) -> None:
    net = nd.Network(seed=3)
    a, b = net.add(nd.Poisson(10.0), 8, name="a"), net.add(nd.LIF(), 6, name="b", room=2)
    b.use(nd.NeuronDeath(fraction=0.1, begin=0.2 * day, end=1 * day, target_hz=None), nd.Neurogenesis(rate=1.0))
    q = net.connect(a, b, nd.Degree(4), spines=nd.Spines(weight=6), name="map")
    q.use(nd.SpineSize(), nd.Turnover(early=4.0, late=2.0))
    net.connect(b, b, nd.Degree(2), weight=0.5, name="lateral")
    sim = nd.Simulation(net, acceleration=7200, to=to, record="all")
    for _ in range(3):  # three pieces of every array, however fast the machine is
        sim.run(0.5 * day)
        sim._flush()
    sim.close()


def _trainer(to: Path, epochs: int = 3, **more: Any) -> Trainer:
    model = Sequential(
        Linear(10, name="one", storage="sparse"), LIF(0.5, 0.5), Linear(3, name="two"), LIF(0.5, 0.5),
        inputs=(16,), seed=2,
    )  # fmt: skip
    x = np.random.default_rng(0).random((60, 16)).astype(np.float32)
    data = Dataset(x[:45], np.arange(45) % 3, x[45:], np.arange(15) % 3, "little", ("a", "b", "c"))
    given: dict[str, Any] = {"encoder": Bernoulli(4), "batch": 15, "seed": 1, "methods": [RigL(sparsity=0.5, every=1)]}
    return Trainer(model, data, epochs=epochs, to=to, **(given | more))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("whole")
    out = {kind: folder / f"{kind}.sqlite" for kind in ("development", "training")}
    with pytest.MonkeyPatch.context() as m:
        m.setattr(recording, "_FLUSH_SECONDS", 1e9)
        _development(out["development"])
    _trainer(out["training"]).fit().close()
    return out


def told(path: Path) -> str:
    """All that a run says of itself, in the words that its holder sees."""
    run = nd.Run(path)
    spines = run.spines
    out: list[Any] = [run.info().replace(str(path), "").replace(f"{path.stat().st_size / 1e6:.1f} MB", "")]
    out += [run.log.to_pandas().to_csv(), run.log.deaths_by_cause(), [spines[u].story() for u in list(spines)[:20]]]
    for p in run.network["populations"]:
        if not run.is_training:
            out += [
                run.counts(p["name"]).tolist(),
                run.spikes(p["name"])[0].tolist(),
                run.positions(p["name"]).tolist(),
            ]
            out += [run.neurons.alive(p["name"]).tolist(), run.rates(p["name"]).tolist()]
    out += [run.series(name).tolist() for name in run.series_names]
    for name in run.plastic:
        out += [run.density(name)[1].tolist(), run.graph(projection=name).data.tolist()]
        out += [{k: v.tolist() for k, v in run.snapshot(name, 1.0).items()}]
    if run.is_training:
        out += [run.training.sentence(), run.training.confusion.tolist()]
    return repr([*out, run.verify()])  # so that NaN equals NaN


def _flip(raw: bytearray, rng: np.random.Generator) -> None:
    for _ in range(int(rng.integers(1, 6))):
        raw[int(rng.integers(len(raw)))] ^= 1 << int(rng.integers(8))


def _overwrite(raw: bytearray, rng: np.random.Generator) -> None:
    n = int(rng.integers(1, 400))
    at = int(rng.integers(len(raw) - n))
    raw[at : at + n] = rng.bytes(n)


def _cut(raw: bytearray, rng: np.random.Generator) -> None:
    del raw[int(rng.integers(1, len(raw))) :]


def _swap_pages(raw: bytearray, rng: np.random.Generator) -> None:
    i, j = (4096 * int(k) for k in rng.integers(0, len(raw) // 4096, 2))
    raw[i : i + 4096], raw[j : j + 4096] = raw[j : j + 4096], raw[i : i + 4096]


BYTES = (_flip, _overwrite, _cut, _swap_pages)
TABLES = ("chunk", "item", "provenance", "log", "checkpoint")


def _edit_rows(path: Path, rng: np.random.Generator) -> None:
    """One row less, twice, exchanged, or with another count, place, type or byte."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        table = TABLES[int(rng.integers(len(TABLES)))]
        rows = [r[0] for r in db.execute(f"SELECT rowid FROM {table}")]
        if not rows:
            return
        row, other = (int(rows[int(k)]) for k in rng.integers(0, len(rows), 2))
        columns = [c[1] for c in db.execute(f"PRAGMA table_info({table})")]
        column = columns[int(rng.integers(len(columns)))]
        try:
            match int(rng.integers(4)):
                case 0:
                    db.execute(f"DELETE FROM {table} WHERE rowid=?", (row,))
                case 1:
                    value = db.execute(f"SELECT {column} FROM {table} WHERE rowid=?", (other,)).fetchone()[0]
                    db.execute(f"UPDATE {table} SET {column}=? WHERE rowid=?", (value, row))
                case 2:
                    odd = [-1, 0, 1, 2**40, 2**62, "moon", b"\x00\xff", 1.5][int(rng.integers(8))]
                    db.execute(f"UPDATE {table} SET {column}=? WHERE rowid=?", (odd, row))
                case _:
                    value = db.execute(f"SELECT {column} FROM {table} WHERE rowid=?", (row,)).fetchone()[0]
                    turned = value + 1 if isinstance(value, int) else value[::-1]
                    db.execute(f"UPDATE {table} SET {column}=? WHERE rowid=?", (turned, row))
        except sqlite3.IntegrityError:
            pass  # then nothing is changed


def _corruptions(whole: dict[str, Path], path: Path, number: int) -> Iterator[tuple[str, str]]:
    """Damaged copies of the two runs at a path, one after the other: which run, and what was done to it."""
    rng = np.random.default_rng(12)
    for k in range(number):
        kind = ("development", "training")[k % 2]
        how = int(rng.integers(len(BYTES) + 3))
        if how < len(BYTES):
            raw = bytearray(whole[kind].read_bytes())
            BYTES[how](raw, rng)
            path.write_bytes(raw)
        else:
            shutil.copy(whole[kind], path)
            _edit_rows(path, rng)
        yield kind, f"{k}: {BYTES[how].__name__ if how < len(BYTES) else 'rows'} of {kind}"


def _tried(path: Path, expected: str, what: str) -> str:
    begin = time.perf_counter()
    try:
        seen = told(path)
    except NeurodevError as e:
        assert str(path) in str(e) or "log" in str(e), (what, e)
        outcome = "clear"
    else:
        assert seen == expected, f"{what}: silently wrong"
        outcome = "correct"
    finally:
        for end in ("-wal", "-shm", "-journal"):
            Path(f"{path}{end}").unlink(missing_ok=True)
    assert time.perf_counter() - begin < MOST_SECONDS, what
    return outcome


def _all_tried(whole: dict[str, Path], path: Path, number: int) -> dict[str, int]:
    expected: dict[str, str] = {}
    for kind, original in whole.items():
        shutil.copy(original, path)
        expected[kind] = told(path)
    found = {"clear": 0, "correct": 0}
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for kind, what in _corruptions(whole, path, number):
        found[_tried(path, expected[kind], what)] += 1
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 < MOST_MEMORY
    return found


def test_random_damage_is_clear_or_without_consequence(whole: dict[str, Path], tmp_path: Path) -> None:
    found = _all_tried(whole, tmp_path / "damaged.sqlite", 40)
    assert found["clear"] + found["correct"] == 40 and found["clear"] > 20


@pytest.mark.slow
def test_random_damage_three_hundred_times(whole: dict[str, Path], tmp_path: Path) -> None:
    found = _all_tried(whole, tmp_path / "damaged.sqlite", 300)
    assert found["clear"] + found["correct"] == 300 and found["clear"] > 200


# ---------------------------------------------------------------- made to harm: the checksums fit


def _packed(n: int) -> bytes:
    """So many zeros, deflated, without ever being there."""
    machine, out = zlib.compressobj(9), b""
    for _ in range(n >> 20):
        out += machine.compress(bytes(1 << 20))
    return out + machine.compress(bytes(n & ((1 << 20) - 1))) + machine.flush()


def _log_head(n: int, dead: int) -> bytes:
    return struct.pack("<4sIIBB", b"ndL2", n, dead, 0, 0) + zlib.compress(bytes(100))


def _network(change: Callable[[dict[str, Any]], None]) -> Callable[[sqlite3.Connection], None]:
    def edit(db: sqlite3.Connection) -> None:
        net = json.loads(db.execute("SELECT value FROM item WHERE name='network'").fetchone()[0])
        change(net)
        db.execute("UPDATE item SET value=? WHERE name='network'", (json.dumps(net),))

    return edit


def _sql(text: str, *values: Any) -> Callable[[sqlite3.Connection], None]:
    return lambda db: void(db.execute(text, values))


def void(_: object) -> None:
    """Nothing."""


NARROW = zlib.compress(np.zeros(1, "<u4").tobytes())
HOSTILE: dict[str, Callable[[sqlite3.Connection], None]] = {
    "a bomb": lambda db: _sql(
        "UPDATE chunk SET count=?, data=? WHERE name='initial/map/uid'", 20 << 20, _packed(160 << 20)
    )(db),
    "a count beyond all memory": _sql("UPDATE chunk SET count=4611686018427387904 WHERE name='series/life'"),
    "columns beyond all memory": _sql("UPDATE chunk SET columns=1073741824 WHERE name='counts/a'"),
    "a log head of 16 GiB": _sql("UPDATE log SET events=?, data=?", 2**32 - 1, _log_head(2**32 - 1, 0)),
    "a log of more deaths than events": _sql("UPDATE log SET events=1, data=?", _log_head(1, 2)),
    "a type of objects": _sql("UPDATE chunk SET dtype='|O' WHERE name='series/life'"),
    "a hole": _sql("UPDATE chunk SET first=first+1000 WHERE name='series/life'"),
    "an overlap": _sql("UPDATE chunk SET count=count+1 WHERE name='counts/a'"),
    "a column that is short": _sql("UPDATE chunk SET count=1, data=? WHERE name='initial/map/pre'", NARROW),
    "no lanes": _sql("DELETE FROM chunk WHERE name='initial/map/lane'"),
    "spikes of nobody": _sql("UPDATE chunk SET name='spikes/b/index2' WHERE name='spikes/b/index'"),
    "no snapshots": _sql("DELETE FROM chunk WHERE name='series/snapshot_day'"),
    "half a neuron log": _sql("DELETE FROM chunk WHERE name='neurons/b/cause'"),
    "a tick of nothing": _sql("UPDATE item SET value='0' WHERE name='tick'"),
    "a tick that is a word": _sql("UPDATE item SET value='\"soon\"' WHERE name='tick_spike'"),
    "a tick of NaN": _sql("UPDATE item SET value='NaN' WHERE name='tick'"),
    "a life of words": _sql("UPDATE item SET value='[1, 2]' WHERE name='life'"),
    "no JSON": _sql("UPDATE item SET value='{' WHERE name='network'"),
    "JSON without bottom": _sql("UPDATE item SET value=? WHERE name='meanings'", "[" * 100_000),
    "a network that is a list": _sql("UPDATE item SET value='[1, 2]' WHERE name='network'"),
    "a population of minus one": _network(lambda net: net["populations"][0].update(n=-1)),
    "a population of all": _network(lambda net: net["populations"][0].update(n=2**60)),
    "smaller than its synapses": _network(lambda net: net["populations"][0].update(n=1)),
    "a projection from nowhere": _network(lambda net: net["projections"][0].update(source="moon")),
    "a projection without a name": _network(lambda net: void(net["projections"][0].pop("name"))),
    "two of one name": _network(lambda net: net["populations"].append(net["populations"][0])),
    "causes that are few": _sql("UPDATE item SET value='[\"initial\"]' WHERE name='causes'"),
    "terms that are a word": _sql("UPDATE item SET value='{\"map\": \"moon\"}' WHERE name='terms'"),
    "interventions that are a number": _sql("UPDATE item SET value='5' WHERE name='interventions'"),
    "versions that are a number": _sql("UPDATE provenance SET value='5' WHERE name='versions'"),
    "an acceleration of none": _sql("UPDATE item SET value='null' WHERE name='acceleration'"),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_files_made_to_harm_are_refused(what: str, whole: dict[str, Path], tmp_path: Path) -> None:
    path = tmp_path / "hostile.sqlite"
    shutil.copy(whole["development"], path)
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        HOSTILE[what](db)
    sign(path)
    begin, before = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(NeurodevError, match="damaged|holds no array|no series"):
        told(path)
    assert time.process_time() - begin < MOST_SECONDS
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 < MOST_MEMORY


def test_tens_of_thousands_of_projections_take_a_moment(whole: dict[str, Path], tmp_path: Path) -> None:
    path = tmp_path / "many.sqlite"
    shutil.copy(whole["development"], path)

    def many(net: dict[str, Any]) -> None:
        net["projections"] += [net["projections"][1] | {"name": f"p{k}"} for k in range(30_000)]

    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        _network(many)(db)
    sign(path)
    begin = time.process_time()
    run = nd.Run(path)
    assert len(run.info()) > 100_000 and run.verify() > 0 and run.density("map")[1].size > 1
    assert time.process_time() - begin < MOST_SECONDS


def test_names_reach_a_terminal_spelled_out(whole: dict[str, Path], tmp_path: Path, capsys: Any) -> None:
    from neurodev import cli

    path = tmp_path / "named.sqlite"
    shutil.copy(whole["development"], path)
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        words = json.dumps(["5 ms of spikes: \x1b[2Jforged\r\n  sealed", "7 ms of spikes: \u202etxt"])
        db.execute("UPDATE item SET value=? WHERE name='interventions'", (words,))
    sign(path)
    assert cli.main(["info", str(path)]) == 0
    out = capsys.readouterr().out
    assert "\x1b" not in out and "\r" not in out and "\u202e" not in out and r"\x1b[2Jforged\r\n  sealed" in out


# ---------------------------------------------------------------- checkpoints


def _checkpoints(path: Path, change: Callable[[dict[str, Any]], None] | None, newest: bool = True) -> None:
    """Change the youngest checkpoint (or all), with checksums that fit; without a change, break its bytes."""
    from neurodev.record.packed import pack, unpack

    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        rows = db.execute("SELECT tick, data FROM checkpoint ORDER BY tick DESC").fetchall()
        for tick, data in rows[:1] if newest else rows:
            if change is None:
                data = data[: len(data) // 2]
            else:
                state = {k: a.copy() for k, a in unpack(data).items()}
                change(state)
                data = pack(state)
            db.execute("UPDATE checkpoint SET data=? WHERE tick=?", (data, tick))
    sign(path)


def _beyond(state: dict[str, Any]) -> None:
    name = next(k for k in state if k.startswith("table/one/") and k.endswith("/post"))
    state[name][:] = 10_000


def _row_beyond(state: dict[str, Any]) -> None:
    name = next(k for k in state if k.startswith("table/two/") and k.endswith("/row_start"))
    state[name][-1] = 2**40


def _short(state: dict[str, Any]) -> None:
    name = next(k for k in state if k.startswith("table/one/") and k.endswith("/weight"))
    state[name] = state[name][:3]


def _of_ghosts(state: dict[str, Any]) -> None:
    name = next(k for k in state if k.startswith("table/one/") and k.endswith("/uid"))
    state[name][:] = 2**50


@pytest.mark.parametrize("change", [None, _beyond, _row_beyond, _short, _of_ghosts])
def test_a_damaged_checkpoint_is_seen_before_anything_is_dropped(
    change: Callable[[dict[str, Any]], None] | None, whole: dict[str, Path], tmp_path: Path
) -> None:
    path = tmp_path / "t.sqlite"
    shutil.copy(whole["training"], path)
    _checkpoints(path, change, newest=False)
    before = path.read_bytes()
    with pytest.raises(RunFileError, match="no checkpoint that can be gone on from.*damaged"):
        _trainer(path, resume=True)
    assert path.read_bytes() == before
    shutil.copy(whole["training"], path)
    _checkpoints(path, change)
    with pytest.warns(UserWarning, match="older checkpoint"):
        again = _trainer(path, resume=True)
    assert again.epoch == 2
    run, straight = again.fit().close(), nd.Run(whole["training"])
    assert run.series("train_loss").tolist() == straight.series("train_loss").tolist()
    assert run.log.to_pandas().equals(straight.log.to_pandas()) and run.verify() == straight.verify()


def test_archives_that_would_grow_without_end_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proof, "_SUSPECT_WHOLE", 1 << 20)
    head = io.BytesIO()
    np.lib.format.write_array_header_1_0(head, {"descr": "<f8", "fortran_order": False, "shape": (2**31,)})
    for content in (head.getvalue() + bytes(8), head.getvalue() + bytes(4 << 20), b"moon", b""):
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("a.npy", content)
        with pytest.raises(RunFileError, match="damaged"):
            unpacked(buffer.getvalue())
    with pytest.raises(RunFileError, match="damaged"):
        unpacked(b"PK no archive at all")


# ---------------------------------------------------------------- pages of other runs


def _run(path: Path, values: int, seal: bool = True) -> RunFile:
    f = RunFile.create(path)
    for k in range(values):
        f.append("a", np.full(50, float(values)))
        f.append_log("p", k, empty())
        f.commit()
    if seal:
        f.close()
    return f


def test_the_pages_of_another_run_are_never_believed(tmp_path: Path) -> None:
    mine, other, mixed = (tmp_path / n for n in ("mine", "other", "mixed"))
    _run(mine, 3)
    f = _run(other, 5, seal=False)
    # a whole file beside the -wal of another run
    shutil.copy(mine, mixed)
    shutil.copy(f"{other}-wal", f"{mixed}-wal")
    with pytest.raises(RunFileError, match="of another run"):
        RunFile.open(mixed).read("a")
    # a file that grows, without its -wal
    Path(f"{mixed}-wal").unlink()
    shutil.copy(other, mixed)
    with pytest.raises(RunFileError, match="without its -wal"):
        RunFile.open(mixed).read("a")
    # and with that of another
    g = _run(tmp_path / "third", 4, seal=False)
    shutil.copy(other, mixed)
    shutil.copy(tmp_path / "third-wal", f"{mixed}-wal")
    with pytest.raises(RunFileError, match="another run|truncated|damaged"):
        RunFile.open(mixed).read("a")
    shutil.copy(f"{other}-wal", f"{mixed}-wal")
    Path(f"{mixed}-shm").unlink(missing_ok=True)
    assert RunFile.open(mixed).read("a").size == 250
    f.close()
    g.close()


@pytest.mark.parametrize(
    "made",
    [
        "CREATE TRIGGER t AFTER DELETE ON chunk BEGIN DELETE FROM log; END",
        "CREATE VIEW v AS WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT x FROM n",
        "ALTER TABLE chunk ADD COLUMN more BLOB GENERATED ALWAYS AS (zeroblob(2000000000)) VIRTUAL",
        "ALTER TABLE chunk RENAME TO old; CREATE VIEW chunk AS SELECT rowid, * FROM old",
    ],
)
def test_a_schema_that_reckons_is_refused(made: str, tmp_path: Path) -> None:
    _run(tmp_path / "mine", 3)
    with closing(sqlite3.connect(tmp_path / "mine", isolation_level=None)) as db:
        db.executescript(made)
    with pytest.raises(RunFileError, match="damaged|incomplete"):
        RunFile.open(tmp_path / "mine").read("a")


def test_a_row_of_another_run_proves_nothing(tmp_path: Path) -> None:
    _run(tmp_path / "mine", 3)
    _run(tmp_path / "other", 3)
    with closing(sqlite3.connect(tmp_path / "mine", isolation_level=None)) as db:
        db.execute("ATTACH ? AS other", (str(tmp_path / "other"),))
        db.execute("DELETE FROM chunk")
        db.execute("INSERT INTO chunk SELECT * FROM other.chunk")
    with pytest.raises(RunFileError, match="damaged"):
        RunFile.open(tmp_path / "mine").read("a")


@pytest.mark.parametrize("table", ["chunk", "log", "item"])
def test_a_row_that_is_missing_is_missed(table: str, tmp_path: Path) -> None:
    _run(tmp_path / "mine", 3)
    with closing(sqlite3.connect(tmp_path / "mine", isolation_level=None)) as db:
        db.execute(f"DELETE FROM {table} WHERE rowid=(SELECT max(rowid) FROM {table})")
    with pytest.raises(RunFileError, match="rows are missing"):
        RunFile.open(tmp_path / "mine").names()

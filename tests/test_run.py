"""A short development from end to end: run file, log, figures, report, command line, examples."""

import re
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import neurodev as nd
from neurodev.cli import main
from neurodev.engine.simulator import Simulator
from neurodev.errors import RunFileError
from neurodev.record.runfile import RunFile
from neurodev.studies import development, reading
from neurodev.units import day
from tests.places import data_folder

EXAMPLES = Path(__file__).parents[1] / "examples"
RECORDINGS = data_folder("dvs128_gesture")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    s = reading.load(EXAMPLES / "studies/map.toml", {"run.duration": '"2 day"'})
    return development.run(s, folder / "map.sqlite")


def test_shipped_study_is_the_example():
    shipped = Path(nd.__file__).parent / "studies/map.toml"
    assert shipped.read_text() == (EXAMPLES / "studies/map.toml").read_text()


def test_log_and_replay(run):
    assert run.verify() == run.spines.survivors().size
    assert run.days == pytest.approx(2.0)
    day_, number = run.density()
    assert day_[-1] == pytest.approx(2.0) and number[0] == 8.0
    births, deaths = run.log.births.uid.size, run.log.deaths.uid.size
    assert number[-1] * 800 == 6400 + births - deaths
    table = run.log.to_pandas()
    assert len(table) == len(run.log) and set(table.event) == {"birth", "death"}
    assert run.file.log_bytes()[1] / len(run.log) <= 24


def test_graph_follows_the_density(run):
    for when in (0.0, 1 * day, 2 * day):
        _, number = run.density()
        k = round(when / day * 12)
        assert run.graph(when).nnz == round(number[k] * 800)


def test_every_life_can_be_told(run):
    s = run.spines
    dead = s.uid[~np.isnan(s.died)]
    for uid in (int(dead[0]), int(dead[-1]), int(s.survivors()[0]), s.longest().uid):
        text = s[uid].story()
        assert str(uid) in text and ("died on day" in text or "alive at the end" in text)
    with pytest.raises(nd.NeurodevError, match="no spine"):
        s[10**9]


def test_trains_and_counts_agree(run):
    """Full trains are kept for the first tick of each day."""
    t, i = run.spikes("exc")
    counts = run.counts("exc")
    for k in (0, 12):
        here = (t >= k * 6e4) & (t < (k + 1) * 6e4)
        np.testing.assert_array_equal(np.bincount(i[here], minlength=800), counts[k])


def test_pages_and_pictures(run, tmp_path):
    path = str(run.path)
    page = tmp_path / "r.html"
    assert main(["report", path, "--control", path, "--to", str(page), "--still"]) == 0
    text = page.read_text()
    assert text.count("<img") == 6 and len(text) < 5e6
    assert main(["spine", path, "longest", "--figure", str(tmp_path / "s.png")]) == 0
    assert main(["info", path, "--verify"]) == 0
    run.plot().savefig(tmp_path / "o.png")
    assert (tmp_path / "o.png").stat().st_size > 50_000


def test_same_seed_same_bytes():
    def columns():
        s = reading.load(EXAMPLES / "studies/map.toml", {"run.duration": '"0.5 day"'})
        r = development.run(s)
        state = r.snapshot("map", 0.5)
        return [state[k].tobytes() for k in sorted(state)]

    assert columns() == columns()


def test_switched_off_equals_never_named():
    def weights(*mechanisms):
        net = nd.Network(seed=3)
        a, b = net.add(nd.Poisson(20.0), 30), net.add(nd.LIF(), 20)
        q = net.connect(a, b, nd.Degree(10), spines=nd.Spines(weight=8))
        q.use(nd.SpineSize(), nd.Turnover(), *mechanisms)
        sim = Simulator(net, acceleration=7200)
        sim.run_until_spike(20_000.0)
        return sim.tables[q.name].state()["weight"].tobytes()

    assert weights() == weights(nd.Neurotrophin(gain=0.0)) == weights(nd.STDP("burst", gain=0.0))


def test_block_and_lesion():
    net = nd.Network(seed=3)
    a, b = net.add(nd.Poisson(20.0), 30, name="a"), net.add(nd.LIF(), 20, name="b")
    q = net.connect(a, b, nd.Degree(10), spines=nd.Spines(weight=8), name="q")
    q.use(nd.SpineSize(), nd.Turnover())
    sim = nd.Simulation(net, acceleration=7200)
    sim.at(1 * day, nd.Block(q, nd.Turnover)).at(2 * day, nd.Lesion(b, [0, 1]))
    run = sim.run(3 * day).close()
    log = run.log
    assert log.days(log.births).max() <= 1.0 + 1e-9
    lesioned = log.deaths.post[log.deaths.cause == nd.structure.log.CAUSES.index("lesion")]
    assert lesioned.size > 0 and set(lesioned.tolist()) <= {0, 1}
    assert run.verify() > 0
    assert any("Lesion" in w for w in run.file.item("interventions"))


def test_interrupted_run_is_sealed(tmp_path, monkeypatch):
    net = nd.Network(seed=3)
    a, b = net.add(nd.Poisson(20.0), 30), net.add(nd.LIF(), 20)
    net.connect(a, b, nd.Degree(10), spines=nd.Spines(weight=8)).use(nd.SpineSize(), nd.Turnover())
    sim = nd.Simulation(net, acceleration=7200, to=tmp_path / "x.sqlite")
    tick = sim.simulator._do_tick

    def stop():
        tick()
        if sim.simulator.n_tick == 5:
            raise KeyboardInterrupt

    monkeypatch.setattr(sim.simulator, "_do_tick", stop)
    with pytest.raises(KeyboardInterrupt):
        sim.run(3 * day)
    run = nd.Run(tmp_path / "x.sqlite")
    assert run.file.item("finished") == "interrupted" and run.series("life").size == 5
    run.verify()


def small_net():
    net = nd.Network(seed=3)
    a, b = net.add(nd.Poisson(20.0), 30), net.add(nd.LIF(), 20)
    net.connect(a, b, nd.Degree(10), spines=nd.Spines(weight=8)).use(nd.SpineSize(), nd.Turnover())
    return net


def test_ctrl_c_in_the_middle_of_a_tick_waits_for_its_end(tmp_path, monkeypatch):
    """The signal comes between structure and recording of tick 5: tick 5 is recorded whole, tick 6 not begun."""
    sim = nd.Simulation(small_net(), acceleration=7200, to=tmp_path / "x.sqlite")
    refresh = sim.simulator.refresh_weights

    def press(projection):
        if sim.simulator.n_tick == 5:
            signal.raise_signal(signal.SIGINT)
        refresh(projection)

    monkeypatch.setattr(sim.simulator, "refresh_weights", press)
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        sim.run(3 * day)
    assert signal.getsignal(signal.SIGINT) is before
    assert not (tmp_path / "x.sqlite-wal").exists()
    run = nd.Run(tmp_path / "x.sqlite")
    assert run.file.item("finished") == "interrupted" and run.series("life").size == 5
    run.verify()


def test_a_failed_start_leaves_no_file(tmp_path, monkeypatch):
    """The file is opened, then the description fails: closed and removed, and the path can be used again at once."""
    path = tmp_path / "x.sqlite"
    with monkeypatch.context() as m:
        m.setattr(nd.Simulation, "_describe", lambda self, study: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            nd.Simulation(small_net(), to=path)
    assert not list(tmp_path.iterdir())
    nd.Simulation(small_net(), to=path).close()


def test_a_wrong_option_does_not_cost_an_older_run(tmp_path):
    path = tmp_path / "x.sqlite"
    nd.Simulation(small_net(), to=path).close()
    whole = path.read_bytes()
    for wrong in ({"record": "dayly"}, {"acceleration": -1.0}):
        with pytest.raises(nd.NeurodevError, match="must be"):
            nd.Simulation(small_net(), to=path, **wrong)
    assert path.read_bytes() == whole


def test_runaway_is_stopped():
    net = nd.Network()
    e = net.add(nd.LIF(), 100)
    net.connect(e, e, nd.Degree(50), weight=5.0, delay=1.0)
    net.background(e, nd.Background(rate_hz=2000.0, weight=1.0))
    with pytest.raises(nd.NeurodevError, match="runs away"):
        nd.simulate(net, 10_000.0, events_per_tick=1_000_000, progress=False)


def test_damaged_files(tmp_path):
    path = tmp_path / "a.sqlite"
    f = RunFile.create(path)
    f.append("x", np.arange(50_000.0))
    f.set_item("k", {"a": [1, 2.5, None]})
    f.commit()
    reader = RunFile.open(path)  # while it is still written
    np.testing.assert_array_equal(reader.read("x"), np.arange(50_000.0))
    assert reader.item("k") == {"a": [1, 2.5, None]}
    reader.close()
    f.close()
    assert not Path(str(path) + "-wal").exists()
    whole = path.read_bytes()
    (tmp_path / "short.sqlite").write_bytes(whole[: len(whole) // 3])
    with pytest.raises(RunFileError, match="truncated"):
        RunFile.open(tmp_path / "short.sqlite").read("x")
    other = sqlite3.connect(tmp_path / "other.sqlite")
    other.execute("CREATE TABLE t (a)")
    other.commit()
    other.close()
    with pytest.raises(RunFileError, match="not a neurodev run file"):
        RunFile.open(tmp_path / "other.sqlite")
    with pytest.raises(RunFileError, match="not a neurodev run file"):
        RunFile.create(tmp_path / "other.sqlite")
    newer = sqlite3.connect(path)
    newer.execute("PRAGMA user_version=99")
    newer.commit()
    newer.close()
    with pytest.raises(RunFileError, match="upgrade neurodev"):
        RunFile.open(path)


def test_killed_writer_leaves_what_was_flushed(tmp_path):
    code = (
        "import os, numpy as np; from neurodev.record.runfile import RunFile; f = RunFile.create('k.sqlite');"
        "f.append('x', np.arange(10)); f.commit(); f.append('x', np.arange(10)); os._exit(1)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=False)
    np.testing.assert_array_equal(RunFile.open(tmp_path / "k.sqlite").read("x"), np.arange(10))


def test_first_example(tmp_path):
    out = subprocess.run(
        [sys.executable, str(EXAMPLES / "01_a_developing_map.py"), "1", str(tmp_path)], capture_output=True, text=True
    )
    assert out.returncode == 0, out.stderr
    assert "Spine" in out.stdout and (tmp_path / "01_a_developing_map.png").exists()


def test_clustered_input(tmp_path):
    """Plateaus tell clustered from dispersed input, linear branches do not."""
    out = subprocess.run(
        [sys.executable, str(EXAMPLES / "clustered_input.py"), str(tmp_path)], capture_output=True, text=True
    )
    assert out.returncode == 0, out.stderr
    assert (tmp_path / "clustered_input.png").exists()
    linear, plateau = (
        [float(x) for x in re.findall(r"\d+\.\d+", line)] for line in out.stdout.splitlines() if "spikes" in line
    )
    assert plateau[0] > plateau[1] + 0.5 and abs(linear[0] - linear[1]) < 0.25 and plateau[2] < 0.5


@pytest.mark.skipif(not RECORDINGS.is_dir(), reason="no data: shared/data/dvs128_gesture is not here")
def test_event_camera(tmp_path):
    from neurodev.data.events import pool, read_events

    e = read_events(RECORDINGS / "1.bs2", (128, 128))
    assert e.x.size == 63_471 and np.all(np.diff(e.t_us) >= 0)
    trains, places = pool([e], (16, 16), refractory=40.0)
    assert places.shape == (512, 2) and all(np.diff(np.sort(trains[0][0][trains[0][1] == 9])) >= 40 - 1e-9)
    (tmp_path / "bad.bs2").write_bytes(b"\x00" * 7)
    with pytest.raises(nd.NeurodevError, match="truncated"):
        read_events(tmp_path / "bad.bs2")
    sample = RECORDINGS.parent / "event_samples/nmnist_tonic_sample.bin"
    assert read_events(sample, (34, 34)).x.size == 4325


def test_waves_against_their_shuffle():
    """The same number of spikes; neighbours correlate under waves only."""
    sheet = nd.Sheet(1000, 1000)
    from neurodev.structure.places import grid

    x = grid(400, sheet, 0.0, np.random.default_rng(0))
    results = []
    for drive in (nd.RetinalWaves(), nd.shuffled(nd.RetinalWaves())):
        source = drive.bind(400, x, 1, "retina")
        counts = np.zeros((60, 400))
        for k in range(60):
            t, i = source.chunk(k)
            assert np.all(np.diff(t) >= 0) and (t.size == 0 or (t[0] >= 0 and t[-1] < source.period))
            counts[k] = np.bincount(i[(t > 20_000) & (t < 40_000)], minlength=400)
        near = np.mean([np.corrcoef(counts[:, j], counts[:, j + 1])[0, 1] for j in range(0, 390, 13)])
        total = sum(source.chunk(k)[0].size for k in range(60))
        results.append((near, total))
    assert results[0][0] > 0.6 and abs(results[1][0]) < 0.2
    assert results[0][1] == pytest.approx(results[1][1], rel=0.15)


@pytest.mark.parametrize("wiring", [nd.OneToOne(), nd.Pairs([0], [0]), nd.Pairs([], [])])
def test_a_summary_of_fields_that_are_points(wiring):
    """One contact a target, or none at all: what has no size changes by no share of it."""
    net = nd.Network(seed=1)
    source, cells = net.add(nd.Poisson(50.0), 2), net.add(nd.LIF(), 2)
    net.connect(source, cells, wiring, spines=nd.Spines(), name="q").use(nd.SpineSize())
    run = nd.simulate(net, 123.0, tick=50.0, progress=False)
    numbers = run.summary()
    assert np.isnan(numbers.get("field_change", np.nan)) and numbers["rate_hz"] >= 0.0

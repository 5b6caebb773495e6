"""After Ctrl-C the same simulation goes on in the same process, to the bytes of a run that was never broken off."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import neurodev as nd
from neurodev.errors import BuildError, ParameterError, RunFileError, SimulationError, StudyError
from neurodev.record.runfile import RunFile
from neurodev.simulation.progress import Progress
from tests.mechanisms.test_neuron_fate import KINDS
from tests.simulation.test_resume import LIFE, begun, same, samples

QUIET = pytest.mark.filterwarnings("ignore:.*(not alive|RemoveSynapses|are made|AddSynapses).*:UserWarning")


def copied(sim: nd.Simulation, to: Path) -> Path:
    """Its run, as a file."""
    run = sim.close()
    return run.path if not run.file.in_memory else run.save(to)


def broken_pieces(sim: nd.Simulation, draw: np.random.Generator, breaks: int) -> list[int]:
    """Interrupt a run at random pieces, by real signals, until it is through; returns the pieces."""
    one, count = sim._one_piece, [0]
    at = sorted(draw.choice(38, breaks, replace=False).tolist())

    def piece(end: float) -> None:
        count[0] += 1
        sim._piece = 131.0
        if count[0] - 1 in at:
            os.kill(os.getpid(), signal.SIGINT)
        one(end)

    sim._one_piece = piece  # type: ignore[method-assign]
    duration: float | None = LIFE
    for _ in range(breaks + 1):
        try:
            sim.run(duration)
        except KeyboardInterrupt as e:
            assert "sealed and readable" in str(e) and "sim.run() goes on" in e.__notes__[0]
            duration = None
            continue
        break
    return at


@QUIET
@pytest.mark.parametrize(("kind", "name"), zip(list(KINDS)[::2], ["a.sqlite", None, "a.sqlite"], strict=True))
def test_interrupted_anywhere_and_gone_on_with(kind: str, name: str | None, tmp_path: Path) -> None:
    whole, cut = tmp_path / "whole.sqlite", tmp_path / "cut.sqlite"
    sim = begun(whole, kind)
    sim.run(LIFE)
    expected = samples(sim)
    sim.close()
    to, seed = None if name is None else tmp_path / name, list(KINDS).index(kind)
    sim = begun(to, kind, checkpoint=[1.0, 1.0, None][seed // 2], threads=1 + seed // 2)  # type: ignore[arg-type]
    assert broken_pieces(sim, np.random.default_rng(seed), 8)
    assert sim.spike == pytest.approx(4000.0)
    assert samples(sim) == expected
    same(whole, copied(sim, cut))


def small(rate: float = 40.0) -> nd.Network:
    made = nd.Network(seed=1)
    a, b = made.add(nd.Poisson(rate), 50, name="a"), made.add(nd.LIF(), 40, name="b")
    made.connect(a, b, nd.Degree(10), weight=3.0, name="ab")
    return made


def ticking(to: Path | None = None, **more: Any) -> nd.Simulation:
    return nd.Simulation(small(), to=to, **{"tick": 100.0, "record": "all", **more})


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    to = tmp_path_factory.mktemp("whole") / "whole.sqlite"
    ticking().run(1.0)  # compiled: a run that takes long keeps checkpoints by the clock
    ticking(to).run(6000.0).close()
    return to


def test_by_a_real_signal_at_any_moment(unbroken: Path, tmp_path: Path) -> None:
    """From a timer, wherever the run stands."""
    begin = time.perf_counter()
    ticking(tmp_path / "b.sqlite").run(6000.0).close()
    lasts = time.perf_counter() - begin  # on this machine, now
    sim = ticking(tmp_path / "a.sqlite")
    sim.run(1.0)  # compiled
    duration: float | None = 5999.0
    broken = 0
    for k in range(40):
        timer = threading.Timer(lasts * (0.05 + 0.1 * (k % 7)), os.kill, (os.getpid(), signal.SIGINT))
        try:
            timer.start()
            sim.run(duration)
            timer.join()
        except KeyboardInterrupt:
            broken += 1
        finally:
            try:
                timer.cancel()
                timer.join()
            except KeyboardInterrupt:  # it came as the run was over
                pass
        duration = None if sim.goal > 1.0 else 5999.0
        if sim.spike >= 6000.0:
            break
    try:
        if sim.spike < 6000.0:
            sim.run()
    except KeyboardInterrupt:
        sim.run()
    assert broken
    sim.close()
    same(unbroken, tmp_path / "a.sqlite")


def test_by_progress_bars_and_own_code(unbroken: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = [0]

    def update(self: Progress) -> None:
        told[0] += 1
        if told[0] % 3 == 0:
            raise KeyboardInterrupt

    monkeypatch.setattr(Progress, "update", update)
    monkeypatch.setattr(Progress, "close", lambda self: None)
    sim, calls, raised = ticking(tmp_path / "a.sqlite", progress=True), [], set[float]()

    def own(s: Any) -> None:
        if s.spike not in raised:
            raised.add(s.spike)
            raise KeyboardInterrupt
        calls.append(s.spike)

    sim.every(1500.0, own)
    duration: float | None = 6000.0
    for k in range(500):
        try:
            sim.run(duration)
            break
        except KeyboardInterrupt:
            duration = None
            if k % 5 == 0:
                with RunFile.open(tmp_path / "a.sqlite") as f:
                    assert f.item("finished") == "interrupted" and f.item("life") == sim.life
    assert calls == [1500.0, 3000.0, 4500.0, 6000.0]  # each once, though each was interrupted
    sim.close()
    from tests.simulation.test_resume import everything

    a, b = everything(unbroken), everything(tmp_path / "a.sqlite")
    assert b.pop("item/cannot_rerun")
    assert a == b


def interrupted(sim: nd.Simulation, at: float) -> nd.Simulation:
    one = sim._one_piece

    def piece(end: float) -> None:
        one(end)
        if sim.spike >= at:
            raise KeyboardInterrupt

    sim._one_piece = piece  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        sim.run(1000.0)
    sim._one_piece = one  # type: ignore[method-assign]
    return sim


def test_what_was_left_can_be_looked_at_steered_and_closed(tmp_path: Path) -> None:
    to = tmp_path / "a.sqlite"
    sim = interrupted(ticking(to), 300.0)
    run = nd.Run(to)
    assert run.counts("a").shape == (3, 50) and "ended early (interrupted)" in run.info()
    sim.at(500.0, nd.Silence("a"))
    sim.set_weights("ab", 0.0)
    v = sim.probe("b", "V", at=[400.0])
    sim.run()
    with pytest.raises(RunFileError, match="resumed since it was opened"):
        run.counts("b")
    run.refresh()
    assert v.values.shape == (1, 40) and sim.spike == pytest.approx(1000.0)
    done = sim.close()
    assert "SetWeights ab" in done.info() and done.counts("a")[6:].sum() == 0
    two = interrupted(ticking(tmp_path / "b.sqlite"), 300.0)
    assert two.close().counts("a").shape == (3, 50)
    with pytest.raises(ParameterError, match="is closed"):
        two.run()
    three = interrupted(ticking(tmp_path / "c.sqlite"), 300.0)
    three.set_weights("ab", 1.0)
    assert "SetWeights ab" in three.close().info()


def test_what_was_changed_or_taken_meanwhile_is_not_gone_on_with(tmp_path: Path) -> None:
    sim = interrupted(ticking(tmp_path / "a.sqlite"), 300.0)
    sim.simulator.network.populations["a"].model = nd.Poisson(41.0)  # nobody runs it
    with pytest.raises(StudyError, match="rate_hz of model of a is 41.0, the file has 40.0"):
        sim.run()
    sim.simulator.network.populations["a"].model = nd.Poisson(40.0)
    sim.run()
    with pytest.raises(BuildError, match="runs"):
        sim.simulator.network.add(nd.LIF(), 1)
    sim = interrupted(ticking(tmp_path / "b.sqlite"), 300.0)
    other = nd.Simulation.resume(tmp_path / "b.sqlite", small())
    with pytest.raises(RunFileError, match="cannot be resumed"):
        sim.run()
    other.run().close()
    with pytest.raises(RunFileError, match="another process has just taken it"):
        sim.run()
    sim = interrupted(ticking(tmp_path / "c.sqlite"), 300.0)
    (tmp_path / "c.sqlite").unlink()
    with pytest.raises(RunFileError, match="there is no run file"):
        sim.run()


def test_what_broke_within_a_piece_is_over(tmp_path: Path) -> None:
    """An error, or an interrupt in the middle of a tick that nobody can finish."""
    for error in (ZeroDivisionError, KeyboardInterrupt):
        sim = ticking(tmp_path / f"{error.__name__}.sqlite")

        def on_tick(simulator: Any, report: Any, error: Any = error) -> None:
            raise error

        sim.simulator.listeners.append(type("Listener", (), {"on_tick": staticmethod(on_tick)})())
        with pytest.raises(error):
            sim.run(500.0)
        with pytest.raises((ParameterError, SimulationError), match="is closed"):
            sim.run()

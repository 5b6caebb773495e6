"""What the compiler takes is told, and is in no epoch's seconds."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from itertools import count

import pytest

from neurodev import compiling, jit, kernel_cache
from neurodev.learn import Callback
from neurodev.learn.eventprop import EventTrainer
from neurodev.learn.training.callback import View
from tests.learn.small import trained
from tests.learn.test_eventprop import model_of, toy

pytestmark = pytest.mark.skipif(not jit.ENABLED, reason="there is no compiler")
number = count()


def fresh() -> Callable[[float], float]:
    """A kernel that has no file, so that it is compiled anew at every first call."""
    space = dict[str, Callable[[float], float]]()
    exec(f"def f(x):\n    return x + {next(number)}.0", space)
    return jit.kernel(space["f"])


class Compiles(Callback):
    """Compiles something in the first step of the second epoch."""

    def __init__(self) -> None:
        self.took = 0.0

    def batch_end(self, view: View) -> None:
        if view.step == view.steps_per_epoch + 1:
            begin = time.perf_counter()
            fresh()(1.0)
            self.took = time.perf_counter() - begin


def test_a_stopwatch_leaves_the_compiler_out() -> None:
    """Compiling and loading are counted, calls of what is compiled are not."""
    watch, on_the_processor, f = compiling.Stopwatch(), compiling.Stopwatch(processor=True), fresh()
    begin = time.perf_counter()
    f(1.0)
    whole = time.perf_counter() - begin
    assert watch.kernels() == 1 and 0.5 * whole < watch.compiling() <= whole
    assert 0 < on_the_processor.compiling() <= 1.1 * whole and on_the_processor.seconds() < 0.5 * whole
    before = watch.compiling()
    f(2.0)
    assert watch.compiling() == before and watch.seconds() < 0.5 * whole
    watch.begin()
    assert watch.compiling() == 0.0 and watch.kernels() == 0


def test_two_threads_are_busy_at_the_same_time() -> None:
    """Seconds on the wall in which any of them compiles, one kernel within another or not."""
    clock, barrier = compiling._Clock(), threading.Barrier(2)

    def compile_() -> None:
        clock.taken()
        barrier.wait()
        clock.taken()
        time.sleep(0.05)
        clock.left()
        barrier.wait()
        clock.left()

    begin = time.perf_counter()
    both = [threading.Thread(target=compile_) for _ in range(2)]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join()
    assert 0.05 <= clock.now().seconds <= time.perf_counter() - begin
    assert clock.now().processor < 0.05  # asleep
    at_rest = clock.now()
    assert clock.now() == at_rest


def test_an_epoch_counts_no_compiling() -> None:
    """It has a series of its own, which `Run.info` adds up."""
    mine = Compiles()
    run = trained(epochs=3, callbacks=[mine]).fit().close()
    seconds, compiled = run.series("seconds"), run.series("compile_seconds")
    assert mine.took > 0.02
    assert 0.5 * mine.took < compiled[1] < 1.1 * mine.took and compiled[2] == 0.0
    assert seconds[1] < 0.5 * mine.took + 3 * seconds[2]
    assert f"and {compiled.sum():.1f} s of compiling" in "\n".join(run.training.lines()) or compiled.sum() < 0.1


def test_event_layers_too() -> None:
    """Their `seconds` are the processor's."""
    took = []

    def schedule(progress: float) -> float:
        if not took and progress >= 0.5:
            begin = time.thread_time()
            fresh()(1.0)
            took.append(time.thread_time() - begin)
        return 1.0

    x, y = toy(20, 1)
    one, two = EventTrainer(model_of(0), epochs=2, batch=20, gain=30.0, schedule=schedule).fit(x, y)
    assert took[0] > 0.02 and one.seconds > 0
    assert 0.5 * took[0] < two.compile_seconds <= took[0] and two.seconds < 0.5 * took[0] + 3 * one.seconds


def test_compiling_is_said_once(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """By a training, before it compiles for the first time; nobody else says so."""
    monkeypatch.setattr(kernel_cache, "_said", set[str]())
    fresh()(1.0)
    assert capsys.readouterr().err == ""
    for _ in range(2):
        trained(epochs=2, callbacks=[Compiles()]).fit().close()
    said = capsys.readouterr().err
    assert said.count("compiling kernels") == 1 and said.startswith("neurodev: compiling kernels, once")
    assert len(said.splitlines()) == 1

"""Many runs going: handed to an executor, tried again where whoever ran them died, told of as they end."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, CancelledError, Executor, Future, wait
from pathlib import Path
from typing import Any

from neurodev import blame
from neurodev.card import counted
from neurodev.errors import NeurodevError
from neurodev.record.bar import Bar
from neurodev.record.runfile import RunFile
from neurodev.studies.sweeps import folder as place
from neurodev.studies.sweeps.cases import Case
from neurodev.studies.sweeps.one import CUT, DONE, ELSEWHERE, FAILED, How, Outcome, apart, one, share_done
from neurodev.studies.sweeps.workers import Here, Processes, at_work

TRIES = 3  # of a run whose process died
_LOOK = 1.0  # s between two looks at what is under way
_MOST_LOOKED_AT = 16  # runs

Tell = Callable[[Case, Outcome], None]


def is_finished(case: Case, folder: Path) -> bool:
    """Whether a run is there already, of the same study, and of no source but neurodev's own that may have changed."""
    path = folder / case.file
    if place.state(path, case.hash) != place.FINISHED:
        return False
    with RunFile.open(path) as f:
        return not f.provenance().get("sources")


class Going:
    """Runs of a sweep, from the first that is handed over to the last that ends.

    Parameters
    ----------
    cases : sequence of Case
    how : How
    executor : Executor
    width : int, optional
        Runs that are handed over at a time; all at once if not given.
    tell : callable
        Is told each case with how it went.
    progress : bool
        A bar over all runs, on a terminal; a line every ten seconds elsewhere.
    again : str
        What an interrupt says of how to go on.
    """

    def __init__(
        self, cases: Sequence[Case], how: How, executor: Executor, width: int | None, tell: Tell | None = None,
        progress: bool = False, again: str = "",
    ) -> None:  # fmt: skip
        self._again_by = again or "the same call goes on with the others"
        self._how, self._executor, self._width, self._tell = how, executor, width, tell
        self._folder = Path(how.folder)
        self.outcomes: dict[str, Outcome] = {}
        self._waiting = deque(c for c in cases if how.overwrite or not self._there(c))
        self._running: dict[Future[Any], Case] = {}
        self._elsewhere: list[Case] = []
        self._tries: Counter[str] = Counter()
        self._total, self._begin, self._asleep = len(self._waiting), time.perf_counter(), 0.05
        there = len(cases) - self._total
        said = f"{counted(self._total, 'run')} to do" + (f", {there} finished already" if there else "")
        self._bar = Bar(max(self._total, 1), said, on=progress and self._total > 0)

    def _there(self, case: Case) -> bool:
        if not is_finished(case, self._folder):
            return False
        self._end(case, Outcome(DONE))
        return True

    def _end(self, case: Case, outcome: Outcome) -> None:
        self.outcomes[case.file] = outcome
        if self._tell is not None:
            self._tell(case, outcome)

    def all(self) -> dict[str, Outcome]:
        """Have all of them run; returns how each went, by its file.

        Raises
        ------
        KeyboardInterrupt, SystemExit
            If it was broken off: files are sealed then, and gone on with by the next call.
        NeurodevError
            If the executor takes no more runs.
        """
        try:
            while self._waiting or self._running or self._elsewhere:
                self._hand_over()
                self._receive()
                self._look_elsewhere()
                self._show()
        except BaseException as e:
            for future in self._running:
                future.cancel()
            if isinstance(self._executor, Processes):
                self._executor.end()
            self._bar.close()
            if isinstance(e, KeyboardInterrupt):
                raise KeyboardInterrupt(self._told()) from None
            raise
        self._show()
        self._bar.close()
        return self.outcomes

    def _told(self) -> str:
        """What an interrupt left."""
        done = sum(o.state == DONE for o in self.outcomes.values())
        return (
            f"interrupted; {done} of {counted(len(self.outcomes) + len(self._left()), 'run')} are finished in "
            f"{str(self._folder)!r}; {self._again_by}"
        )

    def _left(self) -> list[Case]:
        return [*self._waiting, *self._running.values(), *self._elsewhere]

    # ------------------------------------------------------------------ to and fro

    def _hand_over(self) -> None:
        while self._waiting and (self._width is None or len(self._running) < self._width):
            case = self._waiting[0]
            try:
                if isinstance(self._executor, Here):
                    future = self._executor.submit(one, case, self._how)
                elif isinstance(self._executor, Processes):
                    future = self._executor.submit(at_work, apart, case, self._how)
                else:
                    future = self._executor.submit(apart, case, self._how)
            except RuntimeError as e:  # BrokenExecutor is one
                raise NeurodevError(
                    f"the executor takes no more runs ({blame.told(e)}), and {len(self._left())} are not finished: "
                    "call again with a new one, which goes on with them"
                ) from e
            self._running[future] = self._waiting.popleft()

    def _receive(self) -> None:
        if not self._running:
            return
        for future in wait(self._running, timeout=_LOOK, return_when=FIRST_COMPLETED).done:
            case = self._running.pop(future)
            try:
                outcome = future.result()
            except NeurodevError:  # no process can be begun
                self._waiting.appendleft(case)
                raise
            except (Exception, CancelledError) as e:
                self._again(case, blame.told(e))
                continue
            if not isinstance(outcome, Outcome):
                raise NeurodevError(f"the executor gave {outcome!r} back, and not what it was to call: it is none")
            if outcome.state == CUT:
                self._again(case, "it was told to end")
            elif outcome.state == ELSEWHERE:
                self._elsewhere.append(case)
            else:
                self._end(case, outcome)

    def _again(self, case: Case, why: str) -> None:
        """A run whose process died, or was told to end: it is handed over once more, and goes on where it can."""
        self._tries[case.file] += 1
        if self._tries[case.file] < TRIES:
            self._waiting.append(case)
            return
        message = f"whoever ran it died {TRIES} times, the last time so: {why}; is there memory enough? Lower jobs="
        if self._how.notes:
            place.note_failure(self._folder / case.file, message)
        self._end(case, Outcome(FAILED, message, 0.0, True))

    def _look_elsewhere(self) -> None:
        """Runs that another program writes: they are looked at again, as what it leaves may have to be gone on with."""
        still: list[Case] = []
        for case in self._elsewhere:
            growing = place.state(self._folder / case.file, case.hash) == place.GROWING
            (still if growing else self._waiting).append(case)
        self._elsewhere = still
        if still and not self._running and not self._waiting:
            time.sleep(self._asleep)
            self._asleep = min(2.0 * self._asleep, _LOOK)

    # ------------------------------------------------------------------ how far

    def _show(self) -> None:
        ended = self._total - len(self._left())
        growing = [c for c in self._running.values() if (self._folder / c.file).is_file()][:_MOST_LOOKED_AT]
        share = sum(share_done(c, self._folder / c.file) for c in growing) if self._bar.shown else 0.0
        failed = sum(o.state == FAILED for o in self.outcomes.values())
        text = f"{ended} of {counted(self._total, 'run')}"
        text += f", {failed} failed" if failed else ""
        text += f", {len(self._elsewhere)} written by another program" if self._elsewhere else ""
        left, done = self._total - ended - share, ended + share
        if left > 0 and done > 0:
            seconds = (time.perf_counter() - self._begin) * left / done
            text += f", about {_span(seconds)} left"
        self._bar.update(min(done, self._total), text)


def _span(seconds: float) -> str:
    """A time in words.

    Examples
    --------
    >>> _span(40.0), _span(300.0), _span(9000.0)
    ('40 s', '5 min', '2.5 h')
    """
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"

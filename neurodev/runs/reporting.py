"""The page of a run: interactive where Bokeh is installed and there are lives to show, still otherwise."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from neurodev.errors import ParameterError
from neurodev.runs import coding, gathering, telling
from neurodev.runs.coding import Telling
from neurodev.runs.history import History


def beside(things: Sequence[Any], path: str | Path, still: bool | None = None) -> Path:
    """Write one page about histories, and runs beside them.

    Parameters
    ----------
    things : sequence of Run or History
        Of one unit of time.
    path : path
        The page; an existing one is replaced.
    still : bool, optional
        Pictures alone; if not given, where Bokeh is not installed.

    Raises
    ------
    ParameterError
        If they do not fit on one page.
    """
    from neurodev.plot import histories, live, output
    from neurodev.plot.page import name_of

    output.checked(path)
    if still or (still is None and not live.installed()):
        return histories.write([t if isinstance(t, History) else t.history() for t in things], path)
    parts = [
        live.Part(t, coding.of_history) if isinstance(t, History) else _part(t, name_of(t), "", []) for t in things
    ]
    return live.write(parts, path)


def _part(run: Any, title: str, lead: str, sections: Any) -> Any:
    from neurodev.plot import live

    def tell(history: History) -> Telling:
        return telling.of_run(run, run.spines, history.ident)

    history = gathering.history(run, run.spines, None, None, True)
    return live.Part(history, tell, run, title, lead, sections)


def _titles(runs: Sequence[Any], control: Any) -> list[str]:
    """What the runs are called on a page, each differently."""
    from neurodev.plot.page import name_of

    names = [name_of(r) for r in runs]
    if len(set(names)) < len(names):
        names = [f"{n} ({r.path.name})" if names.count(n) > 1 else n for n, r in zip(names, runs, strict=True)]
    if len(set(names)) < len(names):
        names = [f"{n}, {k}" for k, n in enumerate(names, 1)]
    return names + ([f"control: {control.path.name}"] if control is not None else [])


def write(
    runs: Sequence[Any], path: str | Path, control: Any = None, still: bool | None = None
) -> Path:  # fmt: skip
    """Write one page about runs; see `Run.report`."""
    from neurodev.plot import live, output, report

    output.checked(path)
    if still and len(runs) > 1:
        raise ParameterError(
            f"the still page shows one run and its control, got {len(runs)} runs: leave out still=True"
        )
    if control is not None and len(runs) > 1:
        raise ParameterError("a control is of one run: give it as one run more, or leave the others out")
    lively = len(runs) > 1 or (bool(runs[0].plastic) and len(runs[0].spines) > 0 and live.installed())
    if still or (still is None and not lively):
        return report.write(runs[0], path, control)
    for run in runs:
        if not run.plastic:
            raise ParameterError(
                f"{run.path} has no projection on spines, so no life to show on an interactive page: give still=True"
            )
    titles = _titles(runs, control)
    parts = []
    for k, run in enumerate(runs):
        lead, sections = report.around(run, control if k == 0 else None)
        parts.append(_part(run, titles[k], lead, sections))
    if control is not None and control.plastic:
        parts.append(_part(control, titles[-1], "", []))
    return live.write(parts, path)

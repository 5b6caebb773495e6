"""A run is followed while it grows: a line at each look, until it is sealed."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

import neurodev as nd
from neurodev.cli import main
from neurodev.errors import RunFileError
from neurodev.runs import watching
from neurodev.units import day
from tests.learn.small import trained


def growing(path: Path) -> nd.Simulation:
    net = nd.Network(seed=4)
    source, cells = net.add(nd.Poisson(20.0), 20, name="source"), net.add(nd.LIF(), 8, name="cells")
    q = net.connect(source, cells, nd.Degree(10), spines=nd.Spines(weight=1.0), name="q")
    q.use(nd.SpineSize(), nd.Turnover(early=2.0, late=2.0))
    return nd.Simulation(net, acceleration=7200.0, to=path, progress=False, checkpoint=0.0)


def test_a_growing_file_is_followed_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    sim = growing(path)
    sim.run(3 * day)
    looks = watching.lines(path, every=0.01)
    first = next(looks)
    run = nd.Run(path)
    living = int(run.series("n_synapse/q")[-1])
    deaths = run.log.deaths_by_cause()
    assert first.startswith(f"{run.days:g} days of life: {living:,} live; ")
    assert f"{len(run.log) - sum(deaths.values())} born, {sum(deaths.values())} died" in first and "so far" in first
    assert all(f"{word} {n}" in first for word, n in deaths.items())
    assert re.search(r"source [\d.]+ Hz, cells [\d.e-]+ Hz$", first)
    sim.run(2 * day)
    second = next(looks)
    after, later = nd.Run(path), nd.Run(path).log.deaths_by_cause()
    died = sum(later.values()) - sum(deaths.values())
    born = len(after.log) - sum(later.values()) - (len(run.log) - sum(deaths.values()))
    assert f"{born} born, {died} died" in second and "since the last look" in second and "of life a second" in second
    sim.close()
    rest = list(looks)
    assert rest[-1].endswith("finished") and len(rest) <= 2
    # a finished one is told at once
    assert len(list(watching.lines(path))) == 2


def test_a_file_that_holds_no_run_yet_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "b.sqlite"
    sim = growing(path)
    looks = watching.lines(path, every=0.01)
    said = next(looks)
    assert "has not begun" in said or "0 ms of life" in said
    sim.run(1 * day)
    sim.close()
    assert list(looks)[-1].endswith("finished")
    with pytest.raises(RunFileError, match="there is no run file"):
        next(watching.lines(tmp_path / "none.sqlite"))


def test_silence_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "c.sqlite"
    sim = growing(path)
    sim.run(1 * day)
    monkeypatch.setattr(watching, "_SILENT", 0.0)
    looks = watching.lines(path, every=0.01)
    next(looks)
    assert "its writer may be gone" in next(looks)
    sim.close()


def test_the_command_prints_lines_where_there_is_no_terminal(tmp_path: Path, capsys: Any) -> None:
    path = tmp_path / "d.sqlite"
    growing(path).run(2 * day).close()
    assert main(["watch", str(path), "--every", "0.01"]) == 0
    out = capsys.readouterr().out
    assert out.count("\n") == 2 and "2 days of life" in out and "\r" not in out
    assert main(["watch", str(path), "--every", "0"]) == 2
    assert "--every must be" in capsys.readouterr().err


def test_on_a_terminal_one_line_is_refreshed(tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "e.sqlite"
    growing(path).run(2 * day).close()
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    assert main(["watch", str(path)]) == 0
    out = capsys.readouterr().out
    assert out.count("\r") == 2 and out.count("\n") == 1
    assert main(["watch", str(path), "--lines"]) == 0 and "\r" not in capsys.readouterr().out


def test_a_training_is_told_in_epochs(tmp_path: Path) -> None:
    t = trained(epochs=2, to=tmp_path / "t.sqlite", methods=[nd.methods.SET(0.3)])
    t.fit()
    t.close()
    first, last = watching.lines(tmp_path / "t.sqlite")
    assert first.startswith("epoch 2 of 2: ") and "% right" in first and "finished" in last

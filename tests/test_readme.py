"""What README says is so: its network is the demo's, its training ends where it says, its commands exist."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import numpy as np
import pytest

from neurodev import cli, commands, jit
from neurodev.bench.networks import _BENCHMARKS
from neurodev.engine.simulator import Simulator
from neurodev.studies import development, reading

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
LIFE, LEARN = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


@pytest.mark.skipif(not jit.ENABLED, reason="whole networks")
def test_the_network_in_python_is_that_of_the_demo() -> None:
    """To the last synapse: names, places, wirings, delays and mechanisms, hence the same run."""
    build, run = LIFE.split("run = nd.simulate(")
    program: dict = {}
    exec(build, program)
    study = reading.load(Path(cli.__file__).parent / "studies/map.toml")
    ours, theirs = development.build(study), program["net"]
    assert theirs.describe() == ours.describe()
    for name, p in ours.populations.items():
        np.testing.assert_array_equal(p.positions, theirs.populations[name].positions)
    tables = [Simulator(net, 120.0).tables for net in (ours, theirs)]
    for name, table in tables[0].items():
        ours_state, their_state = table.state(), tables[1][name].state()
        assert ours_state.keys() == their_state.keys()
        for column in ours_state:
            np.testing.assert_array_equal(ours_state[column], their_state[column])
    asked = study.table["run"]
    assert f"{asked['duration'].split()[0]} * day, acceleration={asked['acceleration']:g}," in run


@pytest.mark.skipif(not jit.ENABLED, reason="whole networks")
def test_the_program_runs_to_its_last_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Six hours of it; the thirty days are a slow test's."""
    monkeypatch.chdir(tmp_path)
    short = LIFE.replace("30 * day", "0.25 * day").replace("10 * day", "0.25 * day")  # a graph at the end is exact
    exec(compile(short, "README.md", "exec"), {})
    assert (tmp_path / "map.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.skipif(not jit.ENABLED, reason="a whole training")
def test_the_training_ends_where_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("sklearn")
    monkeypatch.chdir(tmp_path)
    said = float(re.findall(r"(\d+) % of the test set", LEARN)[0])
    program: dict = {}
    exec(LEARN, program)
    run = program["run"]
    assert run.training.n_epoch == 10 and run.series("density")[-1] == pytest.approx(0.1, abs=0.01)
    # a point beyond: the number is that of the machine that measured it
    assert abs(100 * run.series("test_accuracy")[-1] - said) <= 1.5


@pytest.mark.parametrize("page", ["README.md", "docs/reference/command-line.md", "CONTRIBUTING.md", "docs/faq.md"])
def test_commands_that_a_page_names_can_be_typed(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    found = re.findall(r"`neurodev ([a-z][^`]*)`", text) + re.findall(r"^    neurodev (.*)$", text, re.MULTILINE)
    for words in map(shlex.split, found):
        line = [w for w in words if w not in ("COMMAND", "--debug")]
        args = commands.parser().parse_args([*line, "x"] if line == ["run"] or line == ["ablate"] else line or ["show"])
        if args.command == "bench":
            assert args.name in _BENCHMARKS or args.name == "NAME", words
    assert page != "README.md" or len(found) > 8

"""Ablations follow from the study: each mechanism left out is absent, controls as far as the study has them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from neurodev.cli import main
from neurodev.errors import ParameterError, StudyError
from neurodev.mechanisms.base import Mechanism, SynapseView
from neurodev.params import param
from neurodev.structure.cause import Cause
from neurodev.studies import ablate, development, reading

STUDY = """
seed = 5
[population.a]
kind = "Poisson"
rate_hz = 10.0
n = 12
[population.b]
kind = "LIF"
n = 8
use = [{ kind = "Scaling", target_hz = 2.0 }]
[projection.map]
source = "a"
target = "b"
wiring = { kind = "Degree", inputs = 4 }
spines = { weight = 6.0 }
use = [
  { kind = "STDP", rule = "burst" },
  { kind = "SpineSize" },
  { kind = "Neurotrophin", feeds = 6.0 },
  { kind = "Turnover", births = true },
]
[run]
duration = "1 day"
acceleration = 7200.0
tick = "2 hour"
"""


@pytest.fixture
def path(tmp_path: Path) -> str:
    to = tmp_path / "tiny.toml"
    to.write_text(STUDY)
    return str(to)


def kinds(network: dict[str, Any]) -> list[str]:
    return sorted(
        use["kind"] for part in ("populations", "projections") for p in network[part] for use in p.get("uses", [])
    )


def test_conditions_follow_from_the_study(path: str) -> None:
    names = [c.name for c in ablate.conditions(reading.load(path))]
    assert names == [
        "full", "without Scaling", "without STDP", "without SpineSize, Neurotrophin", "without Neurotrophin",
        "without Turnover", "set-points stay", "no mechanism", "STDP.heterosynaptic off", "SpineSize.noise off",
        "Turnover.births off", "Turnover.deaths off",
    ]  # fmt: skip
    shipped = Path(development.__file__).with_name("map.toml")
    assert "drive shuffled" in [c.name for c in ablate.conditions(reading.load(shipped))]


def test_what_is_left_out_is_absent_from_the_run(path: str, tmp_path: Path) -> None:
    study = reading.load(path, {"run.duration": '"2 hour"'})
    everything = ["Neurotrophin", "STDP", "Scaling", "SpineSize", "Turnover"]
    for k, c in enumerate(ablate.conditions(study)):
        run = development.run(ablate.changed(study, c), tmp_path / f"{k}.sqlite")
        gone = c.name.removeprefix("without ").split(", ") if c.name.startswith("without") else []
        gone = {"set-points stay": ["STDP", "Neurotrophin"], "no mechanism": everything}.get(c.name, gone)
        assert kinds(run.network) == [kind for kind in everything if kind not in gone], c.name
        for use in run.network["projections"][0].get("uses", []):
            for switch in ("heterosynaptic", "noise", "births", "deaths"):
                if switch in use:
                    assert use[switch] == (c.name != f"{use['kind']}.{switch} off")
        assert study.table["projection"]["map"]["use"][1]["kind"] == "SpineSize"  # the study itself stays as it is


def test_the_table_has_paired_seeds_and_the_numbers_of_the_runs(
    path: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results = ablate.main(path, {}, seeds=2, jobs=1)
    out = capsys.readouterr().out
    assert not [r for r in results if "stopped" in r]
    seeds = {c: [r["seed"] for r in results if r["condition"] == c] for c in {r["condition"] for r in results}}
    assert all(s == [5, 6] for s in seeds.values()) and out.count("done: ") == len(results)
    whole = development.run(reading.load(path), tmp_path / "whole.sqlite").summary()
    full = results[0]
    assert {k: full[k] for k in ("final", "rate_hz", "field_end")} == {
        k: whole[k] for k in ("final", "rate_hz", "field_end")
    }
    by = {(r["condition"], r["seed"]): r for r in results}
    assert by["Turnover.births off", 5]["final"] < full["final"] < by["Turnover.deaths off", 5]["final"]
    assert by["without STDP", 5]["sd"] != full["sd"] and np.isnan(by["without STDP", 5]["evidence_gap"])
    table = out.splitlines()
    assert sum(line.startswith("without ") for line in table) == 5 and "full" in out


@dataclass(frozen=True)
class Fading(Mechanism):
    """A mechanism of a user: set-points fall."""

    adds: ClassVar[tuple[str, ...]] = ("drive_fading",)
    causes: ClassVar[dict[str, Cause]] = {"fading": Cause("it faded", colour="#123456")}
    by: float = param(3.0, source="free")

    def columns(self) -> dict[str, float]:
        return {"drive_fading": 0.0}

    def add(self, view: SynapseView) -> None:
        view.table.column("drive_fading")[view.slots()] = -self.by


def test_a_mechanism_of_a_user_is_left_out_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    to = tmp_path / "mine.toml"
    kind = f"{Fading.__module__}:Fading"
    to.write_text(STUDY.replace('{ kind = "Neurotrophin", feeds = 6.0 }', f'{{ kind = "{kind}" }}'))
    study = reading.load(to)
    c = next(c for c in ablate.conditions(study) if c.name == "without Fading")
    whole, without = (
        development.run(s, tmp_path / f"{k}.sqlite") for k, s in enumerate((study, ablate.changed(study, c)))
    )
    assert whole.log.deaths_by_cause()["fading"] > 0 and "fading" not in without.log.deaths_by_cause()
    assert (
        "Fading" not in str(without.network)
        and "it faded" in whole.spines[int(whole.spines.died_of("fading")[0])].story()
    )


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of all conditions the first and that without STDP."""
    every = ablate.conditions
    names = ("full", "without STDP")
    monkeypatch.setattr(ablate, "conditions", lambda study: [c for c in every(study) if c.name in names])


def test_what_stops_is_told_in_the_table(path: str, few: None, capsys: pytest.CaptureFixture[str]) -> None:
    results = ablate.main(path, {"run.events_per_tick": "3"}, 1, 1)
    assert all("stopped" in r for r in results) and "stopped: " in capsys.readouterr().out


def test_runs_that_are_kept_are_not_run_again(path: str, few: None, tmp_path: Path) -> None:
    to = tmp_path / "kept"
    first = ablate.main(path, {"run.duration": '"4 hour"'}, 1, 1, str(to))
    files = {p: p.stat().st_mtime_ns for p in to.glob("*.sqlite")}
    assert len(files) == len(first) and "without-STDP_seed=5" in " ".join(p.name for p in files)
    assert str(ablate.main(path, {"run.duration": '"4 hour"'}, 1, 1, str(to))) == str(first)
    assert {p: p.stat().st_mtime_ns for p in to.glob("*.sqlite")} == files


def test_the_command_line(path: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ablate", path, "--set", 'run.duration="4 hour"', "--jobs", "2"]) == 0
    assert "without STDP" in capsys.readouterr().out
    assert main(["ablate", path, "--seeds", "0"]) == 2
    assert "seeds must be at least 1" in capsys.readouterr().err
    with pytest.raises(ParameterError, match="jobs"):
        ablate.main(path, {}, 1, 0)
    with pytest.raises(StudyError, match="STPD"):
        ablate.main(path, {"projection.map.use.STDP.kind": "STPD"}, 1, 1)


def test_a_study_without_spines_has_its_rates(few: None, tmp_path: Path) -> None:
    to = tmp_path / "plain.toml"
    plain = STUDY.replace("spines = { weight = 6.0 }", "weight = 3.0")
    begin, end = plain.index("use = [\n"), plain.index("[run]")
    to.write_text(plain[:begin] + 'use = [{ kind = "Turnover", hazard = 0.2 }]\n' + plain[end:])
    result = ablate.main(str(to), {}, 1, 1)[0]
    assert result["rate_hz"] > 0 and "stopped" not in result

"""The success numbers of a developing map, and whether each lies where it should: one verdict for every reader."""

from __future__ import annotations

import tomllib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurodev.errors import ParameterError
from neurodev.metrics import maps, maturation, sizes, turnover
from neurodev.record.snapshots import first_of_days, nearest
from neurodev.runs.lives import rates
from neurodev.runs.log import F8
from neurodev.runs.reading import Reading
from neurodev.runs.replay import density
from neurodev.structure.log import DEATH

_WINDOW = 3.0  # days, of the death rates that are judged
_SETTLED = 3.0  # days after which the evidence of the living is compared with that of the dying
_ACQUAINTED = 1.0  # days after which a living spine has evidence of its own
_NEAR = 0.5  # days from day 1 to the picture that stands for it, at most
_NAN = float("nan")
_WEIGHTS = ("pre", "post", "weight")


def developing(run: Reading, what: str) -> None:
    """Refuse a run of training: its synapses join units that stand nowhere.

    Raises
    ------
    ParameterError
    """
    if run.is_training:
        raise ParameterError(
            f"{run.path} is a run of training, which has no {what}: run.training and run.series() hold its numbers"
        )


def field(run: Reading, day: float, projection: Any = None) -> dict[str, float]:
    """Receptive fields on a day: mean radius, packing floor, topographic error, inputs (central 70 %)."""
    developing(run, "receptive fields")
    q = run.projection(projection)
    state = run.snapshot(q["name"], day, _WEIGHTS)
    return maps.field_summary(
        state["pre"], state["post"], state["weight"], run.positions(q["source"]), run.positions(q["target"]),
        *run.network["sheet"],
    )  # fmt: skip


def death_rates(run: Reading, width: float = _WINDOW, projection: Any = None) -> tuple[F8, F8, F8]:
    """Deaths per spine and day in windows: left edges (days), rates, standard errors."""
    name = run.projection(projection)["name"]
    return turnover.death_rates(
        run.series("life"), run.series(f"deaths/{name}"), run.series(f"n_synapse/{name}"), width
    )


def numbers(run: Reading, projection: Any = None) -> dict[str, float]:
    """The success numbers of a developing map, by name.

    Rates on single days and blocks of days are there if five days and a target are; the course of the death rate if
    two of its windows lie after the peak.
    """
    developing(run, "numbers of a developing map")
    q = run.projection(projection)
    name = q["name"]
    day, number = density(run, name)
    out = maturation.density_numbers(day, number)
    last = run.snapshot(name, run.days, (*_WEIGHTS, "log_size"))
    if "log_size" in last:
        x = last["log_size"]
        _, out["sd"], out["skew"] = sizes.log_moments(x)
        out["decade"] = sizes.central_decade(x)
    source, target, sheet = run.positions(q["source"]), run.positions(q["target"]), run.network["sheet"]
    first = nearest(run.snapshot_days, 1.0)
    seen = _picture(run.columns(run.picture(first), name, _WEIGHTS))
    out |= maturation.map_numbers(seen, _picture(last), source, target, sheet)
    if run.days > 1.0 and abs(first - 1.0) > _NEAR:  # nobody looked at day 1
        out |= dict.fromkeys(("field_start", "field_change", "error_start"), _NAN)
    out |= _rate_numbers(run, q["target"], maps.central(target, *sheet))
    out["evidence_gap"] = _gap(run, name)
    if f"deaths/{name}" in run.series_names and run.days >= out["peak_day"] + 2 * _WINDOW:
        out["death_rate_rise"] = maturation.largest_rise(*death_rates(run, _WINDOW, name), out["peak_day"])
    return out


def _picture(state: dict[str, NDArray[Any]]) -> maturation.Picture:
    return maturation.Picture(state["pre"], state["post"], state["weight"])


def _rate_numbers(run: Reading, target: str, middle: Any) -> dict[str, float]:
    seen = rates(run, target, whole=run.days >= 1)[:, middle]  # of a day that has hardly begun little is known
    aim = run.file.item("target_hz", None)
    out = maturation.rate_numbers(seen, float(aim)) if aim and seen.shape[0] >= 5 else {}
    living = seen[-5:][np.isfinite(seen[-5:])]
    out["rate_hz"] = float(living.mean()) if living.size else _NAN
    out["rate_ratio"] = out["rate_hz"] / aim if aim else _NAN
    return out


def _gap(run: Reading, name: str) -> float:
    """Evidence drive of the living against that of those who died within the day before, in sd within neurons.

    Once a day, whenever pictures were taken: on the first of each day.
    """
    log, terms = run.log.batch(name), tuple(run.log.terms(name))
    if "evidence" not in terms:
        return _NAN
    evidence = log.terms[:, terms.index("evidence")]
    dead = (log.kind == DEATH) & np.isfinite(evidence)
    when = run.log.days(log)
    days = []
    for day in first_of_days(run.snapshot_days):
        if day <= _SETTLED:
            continue
        state = run.snapshot(name, day, ("drive_evidence", "born"))
        if "drive_evidence" not in state:
            return _NAN
        old = day - state["born"] > _ACQUAINTED
        here = dead & (when > day - 1.0) & (when <= day)
        # the drive is gain (h - hbar): already relative to the target's mean
        days.append((state["drive_evidence"][old], evidence[here]))
    return maturation.mean_gap(days)


def bands(run: Reading) -> dict[str, tuple[float | None, float | None]]:
    """The bands that the study of a run set, (lowest, highest) by number; a run without a study has none."""
    try:
        given = tomllib.loads(str(run.provenance.get("study") or "")).get("bands", {})
    except tomllib.TOMLDecodeError:  # a study is a text for people first
        return {}
    out = {}
    for key, pair in given.items() if isinstance(given, dict) else ():
        if key in maturation.BANDS and isinstance(pair, list) and len(pair) == 2:
            low, high = (float(b) if isinstance(b, (int, float)) and np.isfinite(b) else None for b in pair)
            out[key] = (low, high)
    return out


def verdict(run: Reading, control: Reading | None = None) -> list[maturation.Check]:
    """Every number that the run's study gave a band, with it; beside a control, also how much more the fields shrank.

    What the study did not set is not judged: the numbers themselves are those of `numbers`.
    """
    set_by_study = bands(run)
    if not set_by_study:
        return []
    controls = {"the control": numbers(control)} if control is not None else None
    return maturation.checks(numbers(run), controls, set_by_study)

"""Kernels compiled before the first process begins, so that several do not compile the same ones side by side."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

from neurodev.errors import NeurodevError
from neurodev.studies import development
from neurodev.studies.quantities import TIME, number
from neurodev.studies.sweeps.cases import Case, is_training
from neurodev.units import hour

_MOMENT = 2.0  # ms of spikes
_MOST = 8  # kinds of networks that are looked at


def kinds(table: Any) -> frozenset[str]:
    """All kinds that a study names, wherever they stand."""
    if isinstance(table, dict):
        own = {str(table["kind"])} if "kind" in table else set()
        return frozenset(own.union(*map(kinds, table.values())))
    return frozenset().union(*map(kinds, table)) if isinstance(table, list) else frozenset()


def compile_for(cases: Sequence[Case]) -> int:
    """Run a moment of one case of each set of kinds that no other contains, in memory; returns of how many.

    What goes wrong here goes wrong again in its run, which tells of it.
    """
    seen = dict[frozenset[str], Case]()
    for case in cases:
        seen.setdefault(kinds(case.study().table), case)
    whole = [case for own, case in seen.items() if not any(own < other for other in seen)][:_MOST]
    for case in whole:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                _moment(case)
            except Exception:  # as its run will say
                continue
    return len(whole)


def _moment(case: Case) -> None:
    study = case.study()
    if is_training(study):
        from neurodev.studies import training

        data = training.dataset(study)
        batch = int(study.table.get("train", {}).get("batch", 100))
        few = data.subset(min(batch, len(data.y_train)), 0, n_test=min(batch, len(data.y_test)))
        short = study.resolved(train={"epochs": 1})
        training.trainer(short, data=few).fit().close()
        return
    tick = number(study.table["run"].get("tick", 2 * hour), TIME, "tick")
    network = development.build(study)
    try:  # a tick of a moment reaches what acts at ticks too
        sim = development.simulation(study, network, acceleration=tick / _MOMENT)
    except NeurodevError:  # which not every network can have
        sim = development.simulation(study, development.build(study))
    try:
        sim.simulator.run_until_spike(2.5 * _MOMENT)
    finally:
        sim.file.discard()

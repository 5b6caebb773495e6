"""The first page of a run file: of what network it is, built of what, and who is connected to whom when it begins."""

from __future__ import annotations

from typing import Any

import numpy as np

from neurodev.engine.checks import approximations, mechanisms_of
from neurodev.engine.simulator import Simulator
from neurodev.engine.splitting import prepared
from neurodev.record import snapshots
from neurodev.record.provenance import environment, foreign, sources
from neurodev.record.recorder import Recorder, by_uid, plain
from neurodev.record.runfile import RunFile
from neurodev.structure.listing import living

STATIC = ("uid", "pre", "post", "lane", "weight", "branch", "place")  # what is kept of synapses without spines


def describe(s: Simulator, f: RunFile, recorder: Recorder, study: str) -> dict[str, Any]:
    """Write it; returns the sources of classes that are not neurodev's."""
    net = s.network
    parts: list[Any] = [x for p in net.populations.values() for x in (p.model, *p.mechanisms)] + [
        b for _, b in net.backgrounds
    ]
    parts += [b for _, b, _ in net.stimuli]
    parts += [x for q in net.projections.values() for x in (q.wiring, q.delay, *q.mechanisms)]
    own = foreign(*parts)
    told = {"seed": net.seed, "study": study, "sources": own, "threads": s.engine.parts.threads}
    if s.ranks is not None:
        told["ranks"] = s.ranks.size
    f.set_item("provenance", environment() | told)
    f.set_item("network", net.describe())
    f.set_item("mechanisms", sources(m for _, m in mechanisms_of(net)))
    f.set_item("causes", list(s.causes.words))
    f.set_item("meanings", s.causes.describe())
    f.set_item("terms", s.terms)
    f.set_item("acceleration", s.acceleration)
    f.set_item("tick", s.tick, "ms")
    f.set_item("tick_spike", s.tick_spike, "ms")
    settings = {"start": s.start, "events_per_tick": s.events_per_tick, "record": plain(recorder.spikes)}
    settings["snapshots"] = snapshots.plain(recorder.snapshots)
    f.set_item("settings", settings)
    f.set_item("approximations", approximations(net, s.tick, s.acceleration))
    f.set_item("interventions", [])
    f.set_item("finished", False)
    targets = {aim for _, m in mechanisms_of(net) if (aim := m.aims_hz()) is not None}
    f.set_item("target_hz", min(targets) if targets else None, "Hz")
    for p in net.populations.values():
        f.append(f"positions/{p.name}", p.positions)
    for q in net.projections.values():
        if q.spines is not None:
            state = s.state(q.name)
            recorder.snapshot(q.name, "initial", state)
            recorder.snapshot(q.name, "snapshot/0", state)
            continue
        if q.name in s.engine.split and prepared(q):
            state = s.state(q.name)
            order = by_uid(state["uid"])
            for k in (k for k in STATIC if k in state):
                recorder.snapshot(q.name, "initial", {k: state[k]}, order)
            continue
        table = s.engine.whole.get(q.name, s.tables[q.name])
        order = by_uid(living(table, "uid"))
        for k in STATIC:  # one after the other: there may be a hundred million
            if k not in ("branch", "place") or k in table.column_names:
                recorder.snapshot(q.name, "initial", {k: living(table, k)}, order)
    s.engine.whole.clear()
    recorder.begin()
    recorder.snapshot_due(0.0)
    f.append("series/snapshot_day", np.array([0.0]))
    f.commit()
    return own

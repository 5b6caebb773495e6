"""Write the two run files of this folder with the neurodev of commit 52653b4 (before causes were declared), and what it said of them.

    python write.py FOLDER
"""
import json
import sys

import numpy as np

import neurodev as nd
from neurodev.data import digits
from neurodev.learn import Trainer
from neurodev.learn.encode import Bernoulli
from neurodev.learn.optim import Adam
from neurodev.methods import METHODS
from neurodev.training import fully_connected
from neurodev.units import day


def development(to):
    net = nd.Network(seed=3)
    a, b = net.add(nd.Poisson(10.0), 16, name="a"), net.add(nd.LIF(), 12, name="b", room=2)
    b.use(nd.NeuronDeath(fraction=0.1, begin=0.5 * day, end=4 * day, target_hz=None), nd.Neurogenesis(rate=0.5))
    q = net.connect(a, b, nd.Degree(6), spines=nd.Spines(weight=6), name="map")
    q.use(
        nd.SpineSize(), nd.Turnover(early=4.0, late=2.0), nd.STDP("burst", gain=0.6), nd.Neurotrophin(feeds=12.0),
        nd.BCM(act="size", reference_hz=10.0, gain=200.0),
    )
    net.connect(b, b, nd.Degree(3), weight=0.5, name="lateral")
    sim = nd.Simulation(net, acceleration=7200, to=to, record="none")
    sim.at(1 * day, nd.AddSynapses(q, [0, 1], [3, 4]))
    sim.at(1.5 * day, nd.RemoveSynapses(q, source=[2], target=[5, 6])).at(2 * day, nd.Lesion(b, [0]))
    return sim.run(4 * day).close()


def training(to):
    data = digits().subset(60, 1, n_test=20)
    model = fully_connected(hidden=(10,), inputs=(64,), seed=1)
    methods = [METHODS["RigL"](sparsity=0.8, every=2)]
    return Trainer(
        model, data, encoder=Bernoulli(4), optimiser=Adam(2e-2), epochs=2, batch=20, seed=1, methods=methods, to=to
    ).fit().close()


def said(run):
    s, frame = run.spines, run.log.to_pandas()
    uids = [int(s.uid[s.cause == c][0]) for c in np.unique(s.cause)]
    uids += [int(s.uid[s.birth_cause == c][-1]) for c in np.unique(s.birth_cause)]
    out = {"deaths": run.log.deaths_by_cause(), "verified": run.verify(), "info": run.info().splitlines()[-6:]}
    out["stories"] = {u: s[u].story() for u in uids}
    out["causes"] = {u: [s[u].cause, s[u].birth_cause] for u in uids}
    out["sums"] = {k: float(np.nansum(frame[k].astype(float))) for k in ("log_size", "evidence", "trophic")}
    out["known"] = {k: int(frame[k].notna().sum()) for k in ("log_size", "evidence", "trophic")}
    if not run.is_training:
        out["neurons"] = {e: run.neurons.to_pandas().query("event == @e")["cause"].value_counts().to_dict() for e in ("birth", "death")}
    return out


if __name__ == "__main__":
    print(nd.__file__)
    told = {}
    for write in (development, training):
        run = write(f"{sys.argv[1]}/{write.__name__}.sqlite")
        told[write.__name__] = said(run)
    with open(f"{sys.argv[1]}/said.json", "w") as f:
        json.dump(told, f, indent=1)
    print(json.dumps(told, indent=1)[:6000])

"""A sheet of cortex wires itself under retinal waves: the lines of the manual, for a short life."""

import sys
from pathlib import Path

import neurodev as nd
from neurodev.units import day

days = float(sys.argv[1]) if len(sys.argv) > 1 else 4.0
folder = Path(sys.argv[2]) if len(sys.argv) > 2 else Path(".")

net = nd.Network(seed=7, sheet=nd.Sheet(1000, 1000))
retina = net.add(nd.RetinalWaves(), 400)
exc = net.add(nd.LIF(tau=20, threshold=20), 800, jitter=10)
inh = net.add(nd.LIF(tau=20, threshold=20), 200, inhibitory=True, jitter=20)

near, delay = (lambda inputs: nd.Near(sigma=120, inputs=inputs)), nd.Uniform(1, 5)
waves = nd.Near(sigma=160, inputs=8)
projection = net.connect(retina, exc, waves, spines=nd.Spines(weight=4), delay=delay, name="map")
net.connect(exc, exc, nd.Near(sigma=80, inputs=30), weight=0.8, delay=delay, name="lateral")
net.connect(exc, inh, near(40), weight=0.5, delay=delay, name="feed_back")
net.connect(retina, inh, near(30), weight=1.5, delay=delay, name="feed_forward")
net.connect(inh, exc, near(30), weight=1.0, delay=delay, name="inhibition")  # the sign comes from the population
net.connect(inh, inh, near(20), weight=0.5, delay=delay, name="disinhibition")

projection.use(nd.STDP("burst"), nd.SpineSize(), nd.Neurotrophin(feeds=30), nd.Turnover(early=14, late=1.4))
exc.use(nd.Scaling(target_hz=0.5))
print(net)

run = nd.simulate(net, days * day, acceleration=120, to=folder / "map.sqlite", progress=False, overwrite=True)
run.plot().savefig(folder / "01_a_developing_map.png")
print(run.spines.longest().story())

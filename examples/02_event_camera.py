"""Drive the sheet with gestures seen by an event camera, against the same recordings with shuffled pixels.

Data: DVS128 Gesture (Amir et al. 2017), ten recordings; give their folder.  Sensor pooled to 16 x 16, polarity kept.
"""

import sys
from pathlib import Path

import numpy as np

import neurodev as nd
from neurodev.data.events import pool, read_events
from neurodev.units import day

data = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parents[2] / "shared/data/dvs128_gesture"
days = float(sys.argv[2]) if len(sys.argv) > 2 else 8.0
seeds = int(sys.argv[3]) if len(sys.argv) > 3 else 1
if not data.is_dir():
    sys.exit(f"no recordings in {data}: give the folder of dvs128_gesture")

recordings = [read_events(f, (128, 128)) for f in sorted(data.glob("*.bs2"), key=lambda f: int(f.stem))]
trains, places = pool(recordings, (16, 16), refractory=40.0)


def develop(seed: int, shuffled: bool) -> float:
    """Mean field radius (um) at the end of a life under gestures."""
    drive = nd.Recorded(trains=trains, places=places, interval=6000.0)
    net = nd.Network(seed=seed)
    retina = net.add(nd.shuffled(drive) if shuffled else drive, len(places))
    exc = net.add(nd.LIF(), 400)
    inh = net.add(nd.LIF(), 100, inhibitory=True)
    delay = nd.Uniform(1, 4, step=1.0)
    q = net.connect(retina, exc, nd.Near(220, 8), spines=nd.Spines(weight=4), delay=delay)
    net.connect(exc, exc, nd.Near(80, 20), weight=0.8, delay=delay)
    net.connect(exc, inh, nd.Near(120, 30), weight=0.5, delay=delay)
    net.connect(inh, exc, nd.Near(120, 20), weight=1.0, delay=delay)
    q.use(nd.STDP("burst", burst_tau=100, period=6000), nd.SpineSize(), nd.Neurotrophin(feeds=30), nd.Turnover())
    exc.use(nd.Scaling(target_hz=2.0))
    run = nd.simulate(net, days * day, acceleration=1200, progress=False)
    field = run.field(days)
    print(f"seed {seed}, {'pixels shuffled' if shuffled else 'as recorded'}: {field['inputs']:.1f} inputs, "
          f"radius {field['radius']:.1f} um (packing floor {field['floor']:.1f}), {run.summary()['rate_hz']:.2f} Hz",
          flush=True)  # fmt: skip
    return field["radius"]


real, control = (np.array([develop(s, shuffled) for s in range(1, seeds + 1)]) for shuffled in (False, True))
gain = 1.0 - real / control
error = gain.std(ddof=1) / np.sqrt(seeds) if seeds > 1 else float("nan")
print(f"fields under gestures are {100 * gain.mean():.1f} % smaller than with shuffled pixels (standard error "
      f"{100 * error:.1f} % over {seeds} seeds)")  # fmt: skip

"""Many static synapses of one weight: seconds and memory, step by step.

``python tests/benchmarks/static_synapses.py [--cells 100000] [--inputs 1000] [--ms 30]``; reads /proc, so Linux only.
"""

import argparse
import time
from pathlib import Path

import neurodev as nd
from neurodev.engine import build
from neurodev.engine.engine import Engine


def memory():
    """Resident memory now and at most, GB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    values = {line.split(":")[0]: line.split()[1] for line in lines if line.startswith("Vm")}
    return f"{int(values['VmRSS']) / 1e6:6.2f} GB now {int(values['VmHWM']) / 1e6:6.2f} GB at most"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    for name, value in (("cells", 100_000), ("inputs", 1000), ("ms", 30)):
        parser.add_argument(f"--{name}", type=int, default=value)
    given = parser.parse_args()
    begin = time.perf_counter()

    def say(what):
        print(f"{time.perf_counter() - begin:7.1f} s {memory()}  {what}", flush=True)

    class Told(build.Table):
        @classmethod
        def build(cls, *what, **how):
            say("drawn")
            return super().build(*what, **how)

    build.Table = Told
    net = nd.Network(seed=1)
    cells = net.add(nd.LIF(refractory=2.0), given.cells, name="cells")
    net.connect(cells, cells, nd.Degree(given.inputs), weight=0.05, delay=1.5, multapses=True)
    net.background(cells, nd.Background(rate_hz=20e3, weight=0.1))
    engine = Engine(net)
    (table,) = engine.tables
    say(f"built: {table.n_synapse:.3g} synapses of {table.memory():.2f} bytes")
    for k in range(1, 4):
        engine.run_until(given.ms * k / 3)
        say(f"{given.ms * k / 3:.0f} ms: {engine.events:.3g} events")


if __name__ == "__main__":
    main()

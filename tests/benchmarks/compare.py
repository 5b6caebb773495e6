"""neurodev beside NEST and Brian2, alternating, one thread each: ``python tests/benchmarks/compare.py [--repeats 3]``.

Each peer lives in an environment of its own, made on first use.  Prints a table of medians and ratios.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
PLAN = {
    "brunel": ("NEST grid", "NEST precise", "Brian2"),
    "brunel-stdp": ("NEST grid", "Brian2"),
    "vogels-abbott": ("NEST grid", "NEST precise", "Brian2"),
    "vogels-abbott-current": ("Brian2",),
}
NEEDS = {"NEST": ("nest-simulator==3.10.0", "numpy"), "Brian2": ("brian2==2.9.0", "numpy<2.3", "setuptools")}


def peer_python(folder, needs):
    """Python of a peer's environment."""
    python = folder / "bin/python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "-q", *needs], check=True)
    return python


def command(folder, name, peer, scale):
    """How one peer runs one network once."""
    simulator, *mode = peer.split()
    python = peer_python(folder / simulator.lower(), NEEDS[simulator])
    script = {"NEST": "peers.py", "Brian2": "peers_brian2.py"}[simulator]
    return [str(python), str(HERE / script), name, *mode, str(scale)]


def run(command):
    """The JSON object that a command prints last."""
    out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return json.loads([line for line in out.splitlines() if line.startswith("{")][-1])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--folder", type=Path, default=Path(".peers"))
    parser.add_argument("--threads", type=int, default=1, help="of neurodev; the peers have one")
    parser.add_argument("--only", choices=sorted(PLAN))
    parser.add_argument("--scale", type=float, default=1.0, help="share of the neurons, for a quick look")
    args = parser.parse_args()
    print("| network, 1 s | neurodev (s, Hz) | peer | peer (s, Hz) | ratio |\n|---|---|---|---|---|")
    for name, peers in PLAN.items():
        if args.only and name != args.only:
            continue
        ours, theirs = [], {p: [] for p in peers}
        for _ in range(args.repeats):
            scale = str(args.scale)
            how = ["--json", "--scale", scale, "--threads", str(args.threads)]
            ours.append(run([sys.executable, "-m", "neurodev", "bench", name, *how]))
            for p in peers:
                theirs[p].append(run(command(args.folder, name, p, args.scale)))
        a = np.median([r["seconds"] / (r["simulated_ms"] / 1000) for r in ours])
        for p in peers:
            b = np.median([r["seconds"] for r in theirs[p]])
            print(f"| {name} | {a:.3g} ({ours[0]['rate_hz']:.1f}) | {p} | {b:.3g} ({theirs[p][0]['rate_hz']:.1f}) "
                  f"| {b / a:.1f} |", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()

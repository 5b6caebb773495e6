"""neurodev beside NEST, alternating, one thread each: ``python tests/benchmarks/compare.py [--repeats 3]``.

The peer lives in an environment of its own, made on first use.  Prints a table of medians and ratios.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
PLAN = {"brunel": ("grid", "precise"), "brunel-stdp": ("grid",), "vogels-abbott": ("grid", "precise")}


def peer_python(folder):
    """Python of the peer's environment."""
    python = folder / "bin/python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "-q", "nest-simulator==3.10.0", "numpy"], check=True)
    return python


def run(command):
    """The JSON object that a command prints last."""
    out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return json.loads([line for line in out.splitlines() if line.startswith("{")][-1])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--folder", type=Path, default=Path(".peers"))
    parser.add_argument("--only", choices=sorted(PLAN))
    args = parser.parse_args()
    python = peer_python(args.folder)
    print("| network, 1 s | neurodev (s, Hz) | peer | peer (s, Hz) | ratio |\n|---|---|---|---|---|")
    for name, modes in PLAN.items():
        if args.only and name != args.only:
            continue
        ours, theirs = [], {m: [] for m in modes}
        for _ in range(args.repeats):
            ours.append(run([sys.executable, "-m", "neurodev.cli", "bench", name, "--json"]))
            for m in modes:
                theirs[m].append(run([str(python), str(HERE / "peers.py"), name, m]))
        a = np.median([r["seconds"] / (r["simulated_ms"] / 1000) for r in ours])
        for m in modes:
            b = np.median([r["seconds"] for r in theirs[m]])
            print(f"| {name} | {a:.3g} ({ours[0]['rate_hz']:.1f}) | NEST {m} | {b:.3g} ({theirs[m][0]['rate_hz']:.1f}) "
                  f"| {b / a:.1f} |", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()

"""Subprocesses that tests start import this checkout, wherever they run: a relative PYTHONPATH would lose it."""

import os
from pathlib import Path

ROOT = Path(__file__).parents[1]
_given = [str(Path(p).resolve()) for p in os.environ.get("PYTHONPATH", "").split(os.pathsep) if p]
os.environ["PYTHONPATH"] = os.pathsep.join(dict.fromkeys([str(ROOT), *_given]))

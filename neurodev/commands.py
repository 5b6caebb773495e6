"""The command line: which commands there are, their options, and what `--help` says; `neurodev.cli` does them.

Whatever is typed imports this module: it must stay light.
"""

from __future__ import annotations

import argparse
from typing import Any

from neurodev import __version__, completion
from neurodev.studies import tables
from neurodev.studies.sweeps import command as sweeping


def parser() -> argparse.ArgumentParser:
    """The parser of the command line: every command with its options, and what `--help` says of them."""
    p = argparse.ArgumentParser(prog="neurodev", description="Developing networks whose spines live and die.")
    sub = p.add_subparsers(dest="command", required=True, metavar="COMMAND")
    p.add_argument("--version", action="version", version=f"neurodev {__version__}")
    p.add_argument(
        "--print-completion", action=completion.Print, choices=completion.SHELLS,
        help="print the script by which a shell completes commands, options, names and files",
    )  # fmt: skip
    p.add_argument("--debug", action="store_true", help="show where in the code an error arose")
    a = sub.add_parser("new", help="write a study to start from")
    a.add_argument("name")
    a.add_argument("--training", action="store_true", help="a study that trains by gradient")
    a = sub.add_parser("demo", help="run the default study and its control side by side, and report")
    a.add_argument("--to", default="demo", help="folder (default: demo)")
    a.add_argument("--days", type=float, default=None, help="a shorter life")
    a.add_argument("--overwrite", action="store_true", help="replace what an earlier demo left in the folder")
    a = sub.add_parser("run", help="run a study, or go on with a run that was broken off")
    a.add_argument("study", nargs="?")
    a.add_argument("--resume", metavar="FILE", help="go on from the last checkpoint of this run file")
    a.add_argument("--trust", action="store_true", help="with --resume: import the classes of your own that it names")
    a.add_argument("--to", help="run file (default: beside the study, with .sqlite)")
    a.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="e.g. run.acceleration=60")
    a.add_argument("--seeds", type=int, default=1, help="so many seeds from the study's on: NAME-seed7.sqlite, ...")
    a.add_argument("--jobs", type=int, default=1, help="with --seeds: processes that run side by side (default: 1)")
    a.add_argument("--shuffled", action="store_true", help="the control: shuffle correlated drives")
    a.add_argument("--threads", type=int, default=None, help="at most (default: the cores); no result depends on it")
    a.add_argument("--split", action="store_true", help="under mpiexec: a rank keeps the synapses onto its own neurons")
    a.add_argument("--overwrite", action="store_true", help="replace a run file of that name")
    a.add_argument("--quiet", action="store_true", help="no progress bar")
    a = sub.add_parser("rerun", help="repeat a run of a study from its file alone")
    a.add_argument("run")
    a.add_argument("--to", required=True, help="run file of the repetition")
    a.add_argument("--trust", action="store_true", help="import the classes of your own that it names")
    a.add_argument("--threads", type=int, help="the result does not depend on it")
    a.add_argument("--split", action="store_true", help="under mpiexec: a rank keeps the synapses onto its own neurons")
    a.add_argument("--overwrite", action="store_true", help="replace a run file of that name")
    a.add_argument("--quiet", action="store_true", help="no progress bar")
    a = sub.add_parser("train", help="train a spiking network that prunes and grows while it learns")
    a.add_argument("study", nargs="?", help="a training study (default: digits that need no download)")
    a.add_argument("--to", help="run file (default: beside the study, with .sqlite)")
    a.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="e.g. train.epochs=3")
    a.add_argument("--seeds", type=int, default=1, help="train this many seeds from the study's on, one file each")
    a.add_argument("--jobs", type=int, default=1, help="with --seeds: processes that train side by side (default: 1)")
    a.add_argument("--threads", type=int, choices=(1, 2), help="for speed alone (default: as the study says, else 2)")
    a.add_argument("--resume", action="store_true", help="go on from the last checkpoint of the run file")
    a.add_argument("--extend", type=int, metavar="EPOCHS", help="go on with a run file for so many more epochs")
    a.add_argument("--overwrite", action="store_true", help="replace a run file of that name")
    a.add_argument("--quiet", action="store_true", help="no progress bar")
    sweeping.options(sub)
    _exporting(sub)
    _looking(sub)
    a = sub.add_parser("schema", help="a JSON Schema of studies, by which editors complete and check them")
    a.add_argument("--training", action="store_true", help="of studies that train by gradient")
    a.add_argument("--to", metavar="FILE", help="write it there (default: say it)")
    sub.add_parser("compile", help="compile ahead what most networks use, so that no run waits for it")
    a = sub.add_parser("bench", help="built-in benchmarks")
    a.add_argument("name")
    a.add_argument("--json", action="store_true")
    a.add_argument("--scale", type=float, default=1.0, help="a smaller network, for a look")
    a.add_argument("--threads", type=int, default=1, help="of the event loop (default: 1)")
    return p


def _looking(sub: Any) -> None:
    """The commands that look at what there is."""
    a = sub.add_parser("report", help="write one self-contained HTML page about a run or a table, or several")
    a.add_argument("run", nargs="+", help="run files (of development all or of training all), or tables of imaging")
    a.add_argument("--control", help="run file of the control, of one run")
    a.add_argument("--to", help="HTML file (default: beside the first run)")
    a.add_argument(
        "--still", action="store_true",
        help="pictures alone: what is written too where Bokeh (pip install 'neurodev[report]') is not there",
    )  # fmt: skip
    tables.options(a)
    a = sub.add_parser("watch", help="follow a run that is still growing, until it is finished")
    a.add_argument("run")
    a.add_argument("--every", type=float, default=2.0, metavar="SECONDS", help="look again so often (default: 2)")
    a.add_argument("--lines", action="store_true", help="a new line at each look, also on a terminal")
    a = sub.add_parser("spine", help="tell the life of one spine")
    a.add_argument("run")
    a.add_argument("uid", help="its uid, or 'longest': of those that died, who lived longest")
    a.add_argument("--figure", help="PNG file (default: beside the run)")
    a = sub.add_parser("info", help="what is in a run file, or in a table and could not be read of it")
    a.add_argument("run", help="a run file, or a table of imaging")
    a.add_argument("--verify", action="store_true", help="replay the log and compare with the final structure")
    tables.options(a)
    tables.fitting(sub)
    a = sub.add_parser("show", help="one thing alone: equation, parameters, sources, its curve beside the theory")
    a.add_argument(
        "name",
        nargs="?",
        help="a part of any kind, a public name (Simulation.run), or module:name of your own (default: list the parts)",
    )
    a.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="e.g. rule=burst")
    a.add_argument("--plot", metavar="FILE", help="draw the curve to this PNG file")


def _exporting(sub: Any) -> None:
    """The options of `neurodev export`."""
    a = sub.add_parser("export", help="write a run in the format of others: tables, arrays, graphs, spikes")
    a.add_argument("run")
    a.add_argument("--to", required=True, metavar="FILE", help="its end tells the format, as in spines.csv, spikes.nwb")
    a.add_argument("--kind", help="the format by name, or module:Class of your own (default: by the end of FILE)")
    a.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE",
        help="what the format takes, e.g. table=log, projection=map, 't=\"10 day\"'; neurodev show CSV tells",
    )  # fmt: skip
    a.add_argument("--overwrite", action="store_true", help="replace what lies there, when the new file is whole")

"""What a program is given on its command line, as a history: a run, a table, or a data set by its short name.

Each word is one of these; how tables are read is said as for `neurodev fit` (``--id``, ``--session``, ``--set`` ...):

    map.sqlite                 a run of development or of training (told by its header)
    table.csv, folder          what `nd.read_sessions` reads: ``--id cell,spine --session day --size volume``
    edges.csv                  what `nd.read_edges` reads: ``--set pre=from --set post=to --set age=stage``
    mapmanager:folder          a form that is known by name (`neurodev.formats.presets`; ``--preset`` for all tables)
    melander, nakajo, nakajo_ko, nakajo_24h, nakajo_ko_24h, witvliet, kasthuri, horton     data sets
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import neurodev as nd
from analysis import common
from neurodev.errors import ParameterError, nearest, shown
from neurodev.formats.presets import PRESETS
from neurodev.studies import tables

PER_DAY = {"day": 1.0, "hour": 24.0}


class Source(NamedTuple):
    """A history, and the run that it is of, if it is of one."""

    history: Any
    run: Any = None

    @property
    def name(self) -> str:
        """What it is called in tables and pictures."""
        return self.history.title

    @property
    def unit(self) -> str:
        """Of its times."""
        return self.history.unit


class DataSet(NamedTuple):
    """Where a data set lies, and how it is read."""

    folder: str
    file: str
    read: Callable[[Path], Any]
    source: str
    title: str


def _of_kasthuri(path: Path) -> Any:
    """The excitatory synapses on spines, of one picture."""
    h = nd.read_sessions(path, id="synapse", size="psd_size_px", days=0, size_unit="pixels, PSD")
    h = h.select(axon_type=0, is_spine_synapse=1)
    h.columns |= {"pre": h.column("axon"), "post": h.column("dendrite")}
    return h


def _of_horton(path: Path) -> Any:
    """Both channels but that of cell2 branch6 whose places are an error of the source."""
    h = nd.read_sessions(
        path, id=["cell", "branch", "channel", "roi"], dendrite=["cell", "branch"],
        position=["x_um", "y_um", "z_um_at_peak"], size="sum_of_max_over_z", days=0,
    )  # fmt: skip
    return h.select(~((h.column("channel") == "tdt") & (h.column("dendrite") == "cell2/branch6")))


def _nakajo(file: str, title: str) -> DataSet:
    return DataSet(
        "synapse_lifetimes_nakajo2025", file, lambda path: nd.read_sessions(path, "nakajo"),
        "Nakajo et al., bioRxiv 2025.02.27.640672 (github.com/ChristophKirst/developmental_synapse_remodeling)",
        f"Nakajo 2025, {title}",
    )  # fmt: skip


DATA = {
    "melander": DataSet(
        "synapse_dynamics_melander2021", "pyr_synapse_sizes.npz", lambda path: nd.read_sessions(path, "melander"),
        "Melander et al., Cell Reports 37 (2021) 109972 (github.com/HZhongLab/melander_nayebi_2021)", "Melander 2021",
    ),
    "nakajo": _nakajo("wt_72h.csv", "wild type"), "nakajo_ko": _nakajo("ko_mmp14b_72h.csv", "mmp14b -/-"),
    "nakajo_24h": _nakajo("wt_24h.csv", "wild type 24 h"),
    "nakajo_ko_24h": _nakajo("ko_mmp14b_24h.csv", "mmp14b -/- 24 h"),
    "witvliet": DataSet(
        "celegans_development_witvliet2021", "synapse_list.csv", lambda path: nd.read_edges(path, "witvliet"),
        "Witvliet et al., Nature 596 (2021) 257 (github.com/dwitvliet/nature2021)", "Witvliet 2021",
    ),
    "kasthuri": DataSet(
        "synapses_em_kasthuri2015", "synapses.csv", _of_kasthuri,
        "Kasthuri et al., Cell 162 (2015) 648, table mmc2 (github.com/neurodata/kasthuri2015)", "Kasthuri 2015",
    ),
    "horton": DataSet(
        "dendrite_synapse_maps_horton2024", "synapse_rois.csv", _of_horton,
        "Horton et al., Cell Reports 2024 (github.com/jburrone/Horton_Burrone_2024)", "Horton 2024",
    ),
}  # fmt: skip


def data_set(name: str, given: str | None = None) -> Any:
    """One of the structural data sets, as a history.

    Raises
    ------
    ParameterError
        For an unknown name, and where the data are not there: where they were looked for, and whose they are.
    """
    if name not in DATA:
        raise ParameterError(f"no data set {name!r}; there are {sorted(DATA)}{nearest(name, DATA)}")
    h = DATA[name].read(file_of(name, given))
    h.title = DATA[name].title
    return h


def file_of(name: str, given: str | None = None) -> Path:
    """Where the file of a data set lies; `given` is its folder, if it lies where it is not looked for."""
    d = DATA[name]
    return common.find(d.folder, given, [d.file], d.source) / d.file


def source(text: str, *, projection: str | None = None, how: dict[str, Any] | None = None) -> Source:
    """What a word of the command line stands for.

    Parameters
    ----------
    text : a run file, a table, ``preset:path``, or the short name of a data set
    projection : of a run, the projection that is asked; all that have births and deaths if not named
    how : arguments of `nd.read_sessions` or `nd.read_edges`, for tables

    Raises
    ------
    ParameterError
        Where it is none of these, with what it may be.
    """
    form, colon, rest = text.partition(":")
    there = Path(text).exists()
    if not there and text in DATA:
        return Source(data_set(text))
    if not there and colon and form in PRESETS:
        return Source(tables.read(rest, {**(how or {}), "preset": form}))
    if tables.is_table(text):
        return Source(tables.read(text, how or {}))
    if Path(text).is_file():
        run = nd.Run(text)
        return Source(run.history(projection=projection), run)
    raise ParameterError(
        f"no run and no table at {shown(text)}: give a run file, a table, PRESET:PATH with one of {sorted(PRESETS)}, "
        f"or a data set of {sorted(DATA)}{nearest(text, DATA)}"
    )


def pictures(found: Sequence[Source], draws: Sequence[Callable[[Source, Any], Any]]) -> Any:
    """A figure with a row for each source and a column for each panel: functions of a source and its axes."""
    from neurodev.plot.style import new_figure

    figure = new_figure(5.6 * len(draws), 3.5 * len(found))
    for s, row in zip(found, figure.subplots(len(found), len(draws), squeeze=False), strict=True):
        for k, (ax, draw) in enumerate(zip(row, draws, strict=True)):
            draw(s, ax)
            if k == 0:
                ax.set_ylabel(f"{s.name}\n{ax.get_ylabel()}")
    return figure


def asked(
    doc: str, picture: str, argv: Sequence[str] | None, options: Callable[[argparse.ArgumentParser], Any] | None = None,
    count: int | None = None,
) -> tuple[argparse.Namespace, list[Source]]:  # fmt: skip
    """The arguments of a program and its sources.

    Parameters
    ----------
    doc : the text at the head of the program, of which the first sentence is its question
    picture : where the picture goes if the user does not say
    argv : words of the command line
    options : what else it takes
    count : how many sources it needs; one at least if not given

    Raises
    ------
    ParameterError
        If a source cannot be read, holds no life, or is of another unit than the first.
    """
    p = common.arguments(doc.split("\n\n")[0], picture, data=False)
    p.add_argument("sources", nargs="+" if count is None else count, metavar="SOURCE",
                   help=f"run file, table, PRESET:PATH, or one of {', '.join(DATA)}")  # fmt: skip
    p.add_argument("--projection", help="of a run (default: all that have births and deaths)")
    tables.options(p)
    if options:
        options(p)
    args = p.parse_intermixed_args(argv)
    common.picture_kind(args.to)
    how = tables.asked(args)
    found = [source(text, projection=args.projection, how=how) for text in args.sources]
    names: list[str] = []
    for s in found:
        if not len(s.history):
            raise ParameterError(f"{s.name}: nobody ever lived there")
        names.append(s.name)
        if names.count(s.name) > 1:  # two runs of one file name, in two folders
            s.history.title = f"{s.name} ({names.count(s.name)})"
    return args, [s._replace(history=in_unit(s.history, found[0].unit)) for s in found]


def in_unit(h: Any, unit: str) -> Any:
    """A history in days or hours in the other of them; any other as it is."""
    if h.unit == unit or {h.unit, unit} - set(PER_DAY):
        return h
    k = PER_DAY[unit] / PER_DAY[h.unit]
    return nd.History(
        k * h.born, k * h.died, k * h.end, ident=h.ident, sessions=k * h.sessions, seen=h.seen, looked=h.looked,
        columns=h.columns, unit=unit, size_unit=h.size_unit, title=h.title, notes=h.notes, causes=h.causes,
    )  # fmt: skip


def one_unit(found: Sequence[Source]) -> str:
    """The unit of all.

    Raises
    ------
    ParameterError
        If they have several: days and epochs have no axis in common.
    """
    units = {s.unit for s in found}
    if len(units) > 1:
        raise ParameterError(f"sources are in {' and '.join(f'{u}s' for u in sorted(units))}: give those of one unit")
    return units.pop()


def lived(s: Source) -> Any:
    """Its history, if births or deaths were seen.

    Raises
    ------
    ParameterError
        Of a single picture.
    """
    h = s.history
    if not (np.isfinite(h.born[:, 0]).any() or np.isfinite(h.died[:, 1]).any()):
        raise ParameterError(f"{s.name}: no birth and no death was seen ({h.sessions.size} sessions): nothing to tell")
    return h


def stretches(s: Source) -> Any:
    """Its history, where one of a table that is absent from a session and comes back is another one.

    Raises
    ------
    ParameterError
        Of a single picture.
    """
    h = s.history
    if s.run is not None or h.sessions.size < 3:
        return lived(s)
    apart = nd.History.of_sessions(
        h.sizes(), h.sessions, present=h.present(), looked=h.looked, again="new", ident=h.ident, columns=h.columns,
        unit=h.unit, size_unit=h.size_unit, title=h.title, causes=h.causes,
    )  # fmt: skip
    return lived(Source(apart))


def times(h: Any, many: int = 6) -> np.ndarray:
    """A few round ages within what was watched, rising."""
    span = h.end - h.start
    if 1 < h.sessions.size <= 2 * many:
        return h.sessions[1:] - h.sessions[0]
    if not span > 0:
        return np.ones(1)
    step = 10.0 ** np.floor(np.log10(span / many))
    step *= next(k for k in (1.0, 2.0, 5.0, 10.0) if span / (k * step) <= many)
    return step * np.arange(1, int(span / step) + 1)

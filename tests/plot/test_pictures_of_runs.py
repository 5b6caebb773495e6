"""Runs in pictures, several histories in one figure, all of a history in one, and films."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pytest
from matplotlib import animation
from PIL import Image

import neurodev as nd
from neurodev.errors import ParameterError
from neurodev.plot import style
from tests.learn.small import trained
from tests.places import data_folder
from tests.plot.test_pictures import LONG, line, made, outside
from tests.plot.test_plot import small

MELANDER, WITVLIET = data_folder("synapse_dynamics_melander2021"), data_folder("celegans_development_witvliet2021")
PANELS = 8


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pictures")


@pytest.fixture(scope="module")
def run(folder: Path) -> nd.Run:
    return small(folder / "sheet.sqlite", 4)


@pytest.fixture(scope="module")
def training(folder: Path) -> nd.Run:
    t = trained(epochs=3, to=folder / "training.sqlite", methods=[nd.methods.SET(0.5)])
    t.fit()
    return t.close()


def titles(figure: Any) -> list[str]:
    return [ax.get_title(loc="left") for ax in figure.axes if ax.get_title(loc="left")]


def words(figure: Any) -> str:
    figure.draw_without_rendering()
    return " ".join(" ".join(t.get_text().split()) for t in figure.findobj(matplotlib.text.Text))


def test_a_run_is_its_history(run: nd.Run, training: nd.Run) -> None:
    """Per cell of the network, whether it has a spine or not; in the units of the run."""
    history = run.history("map")
    drawn = line(nd.plot.density(run, projection="map").axes[0], "alive")
    assert drawn.get_ydata() == pytest.approx(history.number(drawn.get_xdata()) / 49)
    assert drawn.get_ydata()[-1] == pytest.approx(run.density("map")[1][-1])
    (ax,) = nd.plot.survival(training, standing=True).axes
    assert ax.get_xlabel() == "age (epochs)" and f"(n = {int(training.history().standing.sum()):,})" in words(ax.figure)
    (ax,) = nd.plot.size_distribution(run).axes
    assert "um³" in ax.get_xlabel() and any("lost below" in str(x.get_label()) for x in ax.lines)
    known = int(run.spines.longest().uid)
    assert f"Life of {known}" in words(nd.plot.life(run, known))
    with pytest.raises(ParameterError, match="'nothing'"):
        nd.plot.density(run, projection="nothing")


def test_hours_of_a_short_run(folder: Path) -> None:
    short = small(folder / "short.sqlite", 0.5)
    assert nd.plot.density(short).axes[0].get_xlabel() == "life time (hours)"
    assert nd.plot.density(short, unit="day").axes[0].get_xlabel() == "life time (days)"
    assert nd.plot.density(short).axes[0].get_xlim()[1] == pytest.approx(12)


def test_layers(training: nd.Run, run: nd.Run) -> None:
    figure = nd.plot.layers(training)
    assert len(figure.axes) == 4
    last = training.training.structure(3.0)
    (ax,) = nd.plot.layers(training, quantity="rank", colours={training.training.tensors[0]: "red"}).axes
    assert [x.get_ydata()[-1] for x in ax.lines] == pytest.approx(last.effective_rank)
    assert ax.lines[0].get_color() == "red"
    (ax,) = nd.plot.layers(training, quantity="idle").axes
    assert [x.get_ydata()[-1] for x in ax.lines] == last.idle[1:].tolist()
    ax, right = nd.plot.accuracy_and_density(training).axes
    assert ax.lines[0].get_ydata() == pytest.approx(100 * training.series("test_accuracy"))
    assert right.lines[0].get_ydata() == pytest.approx(training.series("density"))
    for draw in (nd.plot.layers, nd.plot.accuracy_and_density):
        with pytest.raises(ParameterError, match="of must be a run of training"):
            draw(run)
        with pytest.raises(ParameterError, match="of must be a run of training"):
            draw(made(3))
        with pytest.raises(ParameterError, match="unit must be 'epoch'"):
            draw(training, unit="day")


def test_maps(run: nd.Run, training: nd.Run) -> None:
    ax = style.new_figure(4, 4).add_subplot()
    assert nd.plot.maps(run, ax) is ax.figure and "From neuron" in ax.get_title(loc="left")
    with pytest.raises(ParameterError, match="a history does not know where its cells stand"):
        nd.plot.maps(made(3))
    with pytest.raises(ParameterError, match="of must be a run of development"):
        nd.plot.maps(training)


def test_cells_of_several_projections_are_not_mixed(training: nd.Run) -> None:
    several = training.training.tensors
    assert len(several) > 1
    with pytest.raises(ParameterError, match=f"projection must be one of .*{several[0]}.*each has a matrix"):
        nd.plot.matrix(training)
    m = nd.plot.matrix(training, projection=several[0]).axes[0].images[0].get_array()
    q = training.projection(several[0])
    assert m.shape[1] <= training.population(q["target"])["n"]
    cells = sum(np.unique(training.history(name).column("post")).size for name in several)
    assert f"{cells:,} with inputs" in nd.plot.degrees(training).axes[0].said[1]


# ---------------------------------------------------------------------- all in one, and several in one


def test_overview_has_what_the_history_has(run: nd.Run, training: nd.Run) -> None:
    full = made(title=LONG)
    whole = full.plot()
    assert len(titles(whole)) == PANELS and "Degrees" in titles(whole) and outside(whole) == []
    columns = {k: v for k, v in full.columns.items() if k not in ("pre", "post")}
    table = full._with(full.born, full.died, seen=full.seen, columns=columns)
    assert titles(table.plot())[-1] == "Losses by size"
    bare = titles(made(40, sized=False).plot())
    assert "Sizes over time" not in bare and len(bare) == PANELS - 1
    still = nd.History.of_lives([0.0, 0.0], [4.0, 4.0], [0.0, 4.0])  # who is always there
    found = titles(still.plot())
    assert found == ["Lives, from birth to death, by cause", "Density", "Survival of who was there",
                     "What stays between sessions"]  # fmt: skip
    assert "nothing lived" in words(nd.History([], [], 1.0).plot())
    assert titles(nd.plot.overview(run)) == titles(run.history().plot())
    assert nd.plot.overview(training).axes[0].get_xlabel() == "epoch"


@pytest.mark.parametrize(
    ("of", "path"), [("melander", MELANDER / "pyr_synapse_sizes.npz"), ("witvliet", WITVLIET / "synapse_list.csv")]
)
def test_one_figure_of_one_kind(of: str, path: Path) -> None:
    if not path.is_file():
        pytest.skip(f"no {path}")
    read = nd.read_sessions if of == "melander" else nd.read_edges
    history = read(path, of, **({"size": "size"} if of == "witvliet" else {}))
    figure = history.plot()
    assert len(titles(figure)) == PANELS and outside(figure) == []


def test_compare(run: nd.Run) -> None:
    one, other = made(title="one"), made(150, title="other")
    figure = nd.plot.compare([one, other], colours={"one": "#111111"})
    survival, density, sizes, degrees = figure.axes
    km = one.survival()
    assert line(survival, "one").get_ydata()[1:] == pytest.approx(km.value[km.at_risk >= 10])
    assert line(survival, "one").get_color() == "#111111"
    number = other.number(other.sessions)
    assert line(density, "other").get_ydata() == pytest.approx(number / number.max())
    assert line(sizes, "one").get_ydata()[0] == 1.0 and len(degrees.lines) == 2
    twice = words(nd.plot.compare([one, one, run.history()], unit="week"))
    assert "one (1)" in twice and "one (2)" in twice and "weeks" in twice
    with pytest.raises(ParameterError, match="unit must be 'epoch'"):
        nd.plot.compare([one, nd.History.of_lives([0.0], [1.0], unit="epoch")])
    with pytest.raises(ParameterError, match="histories must be a list of histories or runs"):
        nd.plot.compare(one)


# ---------------------------------------------------------------------- films


def test_a_film(run: nd.Run, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = nd.plot.animate(run, folder / "run.gif", frames=3, dpi=30)
    with Image.open(path) as film:
        assert film.n_frames == 3 and film.size == (240, 120)
        first = np.asarray(film.convert("RGB")).astype(int)
        film.seek(2)
        assert np.abs(np.asarray(film.convert("RGB")).astype(int) - first).sum() > 1000
    with pytest.raises(ParameterError, match=r"run.gif' .*holds neither a page nor a picture|is there already"):
        nd.plot.animate(run, path)
    assert nd.plot.animate(made(9, sized=False), path, frames=2, dpi=30, overwrite=True) == path
    with pytest.raises(ParameterError, match="to must end in .gif or .mp4"):
        nd.plot.animate(run, folder / "run.avi")
    with pytest.raises(ParameterError, match="holds a run, which would be lost"):
        nd.plot.animate(run, run.path, overwrite=True)
    monkeypatch.setattr(animation.FFMpegWriter, "isAvailable", classmethod(lambda cls: False))
    with pytest.raises(ParameterError, match="needs the program ffmpeg.*or write a .gif"):
        nd.plot.animate(run, folder / "run.mp4")
    assert sorted(p.name for p in folder.glob("run.*")) == ["run.gif"]


def test_a_history_is_made_once_for_a_figure(run: nd.Run, monkeypatch: pytest.MonkeyPatch) -> None:
    made_of, history = [], nd.Run.history

    def counted(self: nd.Run, projection: Any = None, cells: Any = None, *, sizes: bool = True) -> nd.History:
        made_of.append((projection, sizes))
        return history(self, projection, cells, sizes=sizes)

    monkeypatch.setattr(nd.Run, "history", counted)
    run.plot()
    assert made_of == [("map", False), ("map", True)]
    nd.plot.density(run)
    assert made_of[2:] == [(None, False)]  # and forgotten afterwards

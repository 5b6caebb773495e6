"""Runs of training as their holder sees them: epochs, weights, causes with their numbers, replay, page and figure."""

from __future__ import annotations

import io
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import matplotlib
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

import neurodev as nd
from neurodev import registry
from neurodev.cli import main
from neurodev.data import digits
from neurodev.errors import ParameterError
from neurodev.learn import Trainer
from neurodev.learn.networks import fully_connected
from neurodev.learn.training.encode import Bernoulli
from neurodev.learn.training.method import Method
from neurodev.learn.training.optim import Adam
from neurodev.methods import rewire
from neurodev.metrics import cost
from neurodev.plot import evolution, style, training
from neurodev.runs.training import Synapses, Training
from neurodev.structure.cause import CAUSES, Cause, our_cause
from neurodev.units import day

pytest.importorskip("sklearn")

METHODS = registry.ours("method")

WORDS: dict[str, dict[str, Any]] = {
    "NDSNN": {"sparsity": 0.8, "every": 4}, "RigL": {"sparsity": 0.8, "every": 4}, "SET": {"sparsity": 0.8},
    "Static": {"sparsity": 0.8}, "LTH": {"sparsity": 0.5}, "NSPDI": {"displacement": 0.3},
    "STDS": {"displacement": 0.3}, "TracedNDSNN": {"sparsity": 0.8, "every": 4},
    "TrophicNDSNN": {"sparsity": 0.8, "every": 4}, "DPAP": {}, "SDSNN": {}, "CHSNN": {"sparsity": 0.8},
}  # fmt: skip
PANELS = [
    training.accuracy, training.loss, training.densities, training.exchanges, training.raster, training.survival,
    training.weights, training.size_distribution, training.rates, training.operations,
]  # fmt: skip


def trained(to: Path, name: str, epochs: int = 4, **more: Any) -> nd.Run:
    methods = [METHODS[name](**WORDS[name])] if name else []
    data = digits().subset(160, 1, n_test=50)
    model = fully_connected(hidden=(24, 16), inputs=(64,), seed=1)
    t = Trainer(
        model, data, encoder=Bernoulli(6), optimiser=Adam(5e-3), epochs=epochs, batch=20, seed=1, methods=methods,
        to=to, **more,
    )  # fmt: skip
    return t.fit().close()


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, nd.Run]:
    folder = tmp_path_factory.mktemp("trained")
    return {name or "dense": trained(folder / f"{name or 'dense'}.sqlite", name) for name in ("", *WORDS)}


def words(figure: Any) -> str:
    FigureCanvasAgg(figure).print_png(io.BytesIO())
    return " ".join(t.get_text() for t in figure.findobj(matplotlib.text.Text))


def test_every_method_is_covered() -> None:
    assert set(WORDS) == set(METHODS)


@pytest.mark.parametrize("name", ["dense", *WORDS])
def test_the_log_replays_to_the_final_structure(runs: dict[str, nd.Run], name: str) -> None:
    """Structure is tracked: what the log says is what the file holds at the end, for every method."""
    run = runs[name]
    assert run.verify() == run.training.total("n_synapse")[-1]
    assert (len(run.log) > 0) == (name not in ("dense", "Static"))
    assert main(["info", str(run.path), "--verify"]) == 0


@pytest.mark.parametrize("name", ["dense", *WORDS])
def test_every_life_tells_its_cause_and_its_number(
    runs: dict[str, nd.Run], name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run = runs[name]
    spines = run.spines
    assert isinstance(spines, Synapses)
    for code in np.unique(spines.cause[spines.cause >= 0]):
        uid = int(spines.died_of(CAUSES[code])[0])
        life, story = spines[uid], spines[uid].story()
        assert (
            our_cause(CAUSES[code]).decided in story
            and our_cause(CAUSES[code]).decided
            and f"{life.death_value:.4g}" in story
        )
        assert "ln(V" not in story and "volume" not in story
        assert f"(step {round(spines.died[spines.uid == uid][0] / run.tick_days)})" in story
    for code in np.unique(spines.birth_cause[spines.born > 0]):
        newborn = spines[int(spines.uid[(spines.birth_cause == code) & (spines.born > 0)][0])]
        assert our_cause(CAUSES[code]).decided in newborn.story() and "was born at epoch" in newborn.story()
    to = run.path.with_suffix(".png")
    assert main(["spine", str(run.path), "longest", "--figure", str(to)]) == 0
    assert "Synapse" in capsys.readouterr().out and to.stat().st_size > 0
    assert "epoch" in words(spines.longest().plot())


class Whim(Method):
    """A method of a user: after the first epoch a synapse in ten goes, without a reason that ours would know."""

    causes: ClassVar[dict[str, Cause]] = {"whim": Cause("it was not liked", decided="its number was", colour="#123456")}

    def epoch_end(self, trainer: Any) -> None:
        for name, w in trainer.weights().items():
            gone = w.table.slots()[:: 10 if trainer.epoch == 0 else 10**9]
            trainer.propose(name, [rewire.deaths(self.name, gone, "whim", gone)])


def test_a_method_of_a_user_has_a_cause_of_its_own(tmp_path: Path) -> None:
    data = digits().subset(60, 1, n_test=20)
    model = fully_connected(hidden=(8,), inputs=(64,), seed=1)
    t = Trainer(
        model, data, encoder=Bernoulli(4), epochs=2, batch=20, seed=1, methods=[Whim()], to=tmp_path / "w.sqlite"
    )
    run = t.fit().close()
    assert run.file.item("causes") == [*CAUSES, "whim"] and set(run.log.deaths_by_cause()) == {"whim"}
    spine = run.spines[int(run.spines.died_of("whim")[1])]
    assert f"of whim: it was not liked (its number was {spine.death_value:.4g})." in spine.story()
    assert style.colour("whim", run.causes) == "#123456" and run.verify() > 0
    assert "deaths: whim" in words(run.plot())


def test_a_death_of_magnitude_is_the_smallest_weight(
    runs: dict[str, nd.Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The logged numbers are the n smallest |weight| of all that lived, over all tensors, at the moment of the drop."""
    seen: list[np.ndarray] = []

    def look(self: Any, trainer: Any, density: float, before: Any = METHODS["LTH"]._prune) -> None:
        tables = [w.table for w in trainer.model.weights_of().values()]
        seen.append(np.sort(np.concatenate([np.abs(t.weight[t.slots()]) for t in tables])))
        before(self, trainer, density)

    monkeypatch.setattr(METHODS["LTH"], "_prune", look)
    log = trained(tmp_path / "watched.sqlite", "LTH").log.deaths
    assert np.array_equal(log.value, runs["LTH"].log.deaths.value)  # watching changed nothing
    ticks = np.unique(log.tick)
    assert len(ticks) == len(seen) > 1
    for tick, living in zip(ticks, seen, strict=True):
        gone = np.sort(log.value[log.tick == tick])
        assert 0 < gone.size < living.size
        np.testing.assert_array_equal(gone, living[: gone.size].astype(gone.dtype))


def test_info_says_data_methods_and_accuracy(runs: dict[str, nd.Run]) -> None:
    run = runs["NDSNN"]
    said = run.info()
    assert "NDSNN on digits (160 training samples, 50 test samples)" in said
    assert f"{100 * run.series('test_accuracy')[-1]:.2f} % of the test set" in said
    assert "4 epochs of training, finished" in said and "NDSNN(sparsity=0.8" in said and "days of life" not in said
    assert "no method (dense) on digits" in runs["dense"].info()
    assert "an epoch stands for 75 of the published run of 300" in runs["DPAP"].info()


def test_confusion_and_operations_are_those_of_the_evaluation(runs: dict[str, nd.Run]) -> None:
    for name in ("dense", "NDSNN", "NSPDI"):
        run = runs[name]
        table = run.training.confusion
        assert table.shape == (10, 10) and table.sum() == 50
        assert np.trace(table) == round(50 * run.series("test_accuracy")[-1])
        done, dense = run.series("test_operations"), run.series("test_dense_operations")
        assert (done == dense).all() if name == "dense" else (done <= dense).all()
        assert (run.series("multiplications") == 0).all()  # Bernoulli spikes: nothing is multiplied
        assert cost.information_per_operation(table, done[-1]) > 0


def test_resume_keeps_one_table_an_epoch(tmp_path: Path) -> None:
    whole = trained(tmp_path / "whole.sqlite", "SET", epochs=3)
    data, model = digits().subset(160, 1, n_test=50), fully_connected(hidden=(24, 16), inputs=(64,), seed=1)
    how: dict[str, Any] = {"encoder": Bernoulli(6), "optimiser": Adam(5e-3), "epochs": 3, "batch": 20, "seed": 1,
                           "to": tmp_path / "parts.sqlite"}  # fmt: skip
    t = Trainer(model, data, methods=[METHODS["SET"](**WORDS["SET"])], **how)
    t.fit(2)
    t.record.close("broken off")
    model = fully_connected(hidden=(24, 16), inputs=(64,), seed=1)
    how["optimiser"] = Adam(5e-3)
    parts = Trainer(model, data, methods=[METHODS["SET"](**WORDS["SET"])], resume=True, **how).fit().close()
    assert (parts.file.read("confusion") == whole.file.read("confusion")).all()
    assert parts.file.length("confusion") == 30


@pytest.mark.parametrize("draw", PANELS, ids=lambda d: d.__name__)
def test_every_panel_draws(runs: dict[str, nd.Run], draw: Any) -> None:
    for name in ("dense", "NDSNN", "DPAP"):
        figure = evolution.single(draw, runs[name])
        said = words(figure)
        assert figure.axes[0].get_title(loc="left") and "nan" not in said and "days" not in said


def test_a_thinned_raster_says_so(runs: dict[str, nd.Run]) -> None:
    run = runs["NDSNN"]
    name, units = training.busiest(run)
    lived = int((np.isin(run.spines.post, units) & (run.spines.owner == run.training.tensors.index(name))).sum())
    figure = evolution.single(lambda ax, r: training.raster(ax, r, most=10), run)
    assert figure.axes[0].get_title(loc="left").startswith(f"{10 * units.size} of {lived} synapses of 3 {name} units")
    assert "Every synapse of 3" in evolution.single(training.raster, run).axes[0].get_title(loc="left")


def test_the_whole_figure(runs: dict[str, nd.Run]) -> None:
    said = words(runs["NDSNN"].plot())
    for title in ("Accuracy", "Loss", "Density", "Births (up)", "Survival of synapses", "Synaptic operations", "Sizes"):
        assert title in said
    assert "magnitude" in said and "gradient" in said and "life time" not in said


@pytest.mark.parametrize("name", ["NDSNN", "dense"])
def test_report(runs: dict[str, nd.Run], name: str) -> None:
    """One page that needs nothing else, with the numbers of the run file in words."""
    run, page = runs[name], runs[name].path.with_suffix(".html")
    assert main(["report", str(run.path), "--still"]) == 0
    text = page.read_text()
    assert 'src="http' not in text and "<link" not in text and "<script" not in text
    assert f"{100 * run.series('test_accuracy')[-1]:.2f} % of the test samples right" in text
    assert f"{int(run.training.total('n_synapse')[-1]):,} synapses live" in text
    assert "Provenance" in text and "surrogate" in text
    assert "24 of 24" in text or name != "dense"


def test_other_epochs_than_days(tmp_path: Path) -> None:
    """An epoch that stands for two days is one epoch in every story and figure."""
    run = trained(tmp_path / "slow.sqlite", "SET", epochs=3, life_per_epoch=2 * day)
    assert run.training.epoch_days == 2 and run.days == 6
    oldest = run.spines[int(run.spines.survivors()[np.argmin(run.spines.survivors())])]
    assert oldest.birth_cause == "initial" and "after 3.00 epochs" in oldest.story()
    figure = evolution.single(training.survival, run)
    assert figure.axes[0].get_xlim() == (0, 3)


def test_a_developing_run_is_no_training() -> None:
    life: Any = SimpleNamespace(is_training=False, path=Path("map.sqlite"))
    with pytest.raises(ParameterError, match="map.sqlite is a run of development"):
        Training(life)

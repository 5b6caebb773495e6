"""What a run, and what is asked of it, says: times in a unit that fits, how it ended, the call that was meant."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import neurodev as nd
from neurodev.errors import ParameterError
from neurodev.simulation.progress import Progress
from neurodev.units import day


def network():
    net = nd.Network(seed=1)
    a, b = net.add(nd.Poisson(40.0), 6, name="a"), net.add(nd.LIF(), 3, name="b")
    net.connect(a, b, nd.AllToAll(), weight=6.0, name="ab").use(nd.STDP(weight_max=9.0))
    return net


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    to = tmp_path_factory.mktemp("said") / "short.sqlite"
    return nd.simulate(network(), 4000.0, tick=500.0, to=to, record={"a": True, "b": [1]}, progress=False)


@pytest.mark.filterwarnings("ignore:graph of")
def test_a_time_of_a_graph_is_a_number_or_a_text_with_its_unit(run):
    one, other = run.graph(1500.0, "ab"), run.graph("1.5 second", "ab")
    assert (one.toarray() == other.toarray()).all()
    for wrong in (4100.0, "5 second"):
        with pytest.raises(ParameterError, match="t must be .* between 0 and 4 seconds, the end of the run, got"):
            run.graph(wrong, "ab")
    for wrong in ("5 mV", True, "soon", np.nan):
        with pytest.raises(ParameterError, match="t must be a "):
            run.graph(wrong, "ab")


def test_spikes_are_a_table(run, tmp_path):
    frame = pd.read_csv(run.export(tmp_path / "spikes.csv", table="spikes"))
    assert list(frame) == ["population", "cell", "time_ms"] and set(frame["cell"][frame["population"] == "b"]) == {1}
    for name in ("a", "b"):
        time, cell = run.spikes(name)
        mine = frame[frame["population"] == name]
        assert np.array_equal(mine["time_ms"], time) and np.array_equal(mine["cell"], cell)
    with pytest.raises(ParameterError, match="leave projection='ab' out"):
        run.export(tmp_path / "b.csv", table="spikes", projection="ab")
    bare = nd.simulate(network(), 500.0, tick=500.0, record="none", progress=False)
    with pytest.raises(ParameterError, match='record="all"'):
        bare.export(tmp_path / "b.csv", table="spikes")


@pytest.mark.parametrize("word", ["spikes", "log", "series", "snapshots", "sessions"])
def test_a_file_called_after_a_table_holds_no_other(run, tmp_path, word):
    with pytest.raises(ParameterError, match=f"called after the table '{word}' .* table='{word}'"):
        run.export(tmp_path / f"{word}.csv")
    assert not list(tmp_path.iterdir())


def test_where_a_condition_ended_it(tmp_path):
    def enough(sim):
        return sim.life >= 1000.0

    sim = nd.Simulation(network(), tick=500.0, to=tmp_path / "a.sqlite").until(enough).run(9000.0)
    said = sim.close().info().splitlines()[0]
    assert "1 second of life, finished, where " in said and "enough held" in said
    sim = nd.Simulation(network(), tick=500.0).until(enough).run(9000.0).run(500.0)  # and went on
    assert sim.close().info().splitlines()[0].endswith("of life, finished")


def test_events_of_a_run_that_nobody_sealed(tmp_path):
    sim = nd.Simulation(network(), tick=500.0, to=tmp_path / "a.sqlite", checkpoint=None)
    begun = nd.Run(tmp_path / "a.sqlite").info()
    assert "synaptic events" not in begun
    sim.run(1000.0)
    sim._flush()
    grown = nd.Run(tmp_path / "a.sqlite")
    told = f"{int(grown.series('events')[-1]):,} synaptic events up to its last tick"
    assert told in grown.info() and not told.startswith("0 ")
    sim.close()


def test_times_below_a_day_are_no_days(monkeypatch, tmp_path):
    sim = nd.Simulation(network(), tick=500.0, to=tmp_path / "a.sqlite")
    sim.every(500.0, pressed)
    with pytest.raises(KeyboardInterrupt, match="up to 500 ms of life"):
        sim.run(2000.0)
    shown = []
    for end, begins in ((2000.0, "500 ms of life, "), (3 * day, "day 0.00, ")):
        bar = Progress(sim.simulator, end)
        monkeypatch.setattr(bar._bar, "update", lambda done, text: shown.append(text))
        bar.update()
        assert shown[-1].startswith(begins)
    sim.close()


def pressed(sim):
    raise KeyboardInterrupt


def test_set_parameter_shows_the_call_that_was_meant():
    with pytest.raises(ParameterError, match=r"nd.SetParameter\('STDP', \{'tau_minus': 10\}\)"):
        nd.SetParameter("STDP", tau_minus=10)


def test_a_class_of_ones_own_is_trusted_on_the_command_line_too():
    from neurodev.errors import StudyError
    from neurodev.record.provenance import check_sources

    with pytest.raises(StudyError, match="import nowhere first.*--trust"):
        check_sources({"nowhere:Thing": {"kind": "mechanism", "sha256": "0" * 64}})


def test_no_message_tells_a_short_time_in_days():
    """A time of a run or a tick divided by a day, and told with its number alone, is 9.3e-05 d where it is short."""
    import re

    root = Path(nd.__file__).parent
    told = re.compile(r"\{[^{}]*(?:tick|life|epoch|run\.days)[^{}]*(?:/ day|days):[.\d]*g\}")
    allowed = {"plot", "protocols"}  # whose times are days
    found = [
        (path.name, line.strip())
        for path in root.rglob("*.py")
        if not allowed & set(path.relative_to(root).parts)
        for line in path.read_text(encoding="utf-8").splitlines()
        if told.search(line) and "label = " not in line and "snapshot/" not in line and "epoch_days" not in line
    ]
    assert not found

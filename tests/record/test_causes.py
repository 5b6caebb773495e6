"""Causes and terms: declared by whoever decides, kept by the run, told from the run's own list, in old files too."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

import neurodev as nd
from neurodev import cli
from neurodev.errors import BuildError, ParameterError, RunFileError
from neurodev.learn.training.method import Method
from neurodev.mechanisms.base import Mechanism, SynapseView, terms_of
from neurodev.methods import NDSNN
from neurodev.plot import report, style
from neurodev.record.recorder import Recorder
from neurodev.record.runfile import RunFile
from neurodev.structure.cause import CAUSES, Cause, Causes, cause_code, cause_word, our_cause
from neurodev.structure.log import NeuronBatch, decode, encode
from neurodev.structure.plan import Plan
from neurodev.structure.table import Table
from neurodev.units import hour
from tests.mechanisms.drivers import World
from tests.record.forge import sign

FILES = Path(__file__).with_name("files")
SAID = json.loads((FILES / "said.json").read_text())
# the codes that files of the first releases hold
FIRST = (
    "initial", "turnover", "fluctuation", "evidence", "trophic", "hazard", "shrunk", "intervention", "lesion",
    "neuron_death", "drive", "rewire", "survival", "retraction", "elements", "axonal_elements", "dendritic_elements",
    "neurogenesis", "magnitude", "density", "unit_survival", "threshold", "gradient", "random", "regeneration",
    "regrowth", "consolidation", "heterosynaptic",
)  # fmt: skip


# ---------------------------------------------------------------- declared


def every(base: type) -> list[type]:
    found = [base]
    for cls in found:
        found += [c for c in cls.__subclasses__() if c not in found]
    return [c for c in found if c.__module__.startswith("neurodev.")]


def test_codes_of_ours_never_change() -> None:
    assert CAUSES[: len(FIRST)] == FIRST and len(set(CAUSES)) == len(CAUSES)
    assert [cause_code(w) for w in CAUSES] == list(range(len(CAUSES))) and cause_word(8) == "lesion"


def test_ours_are_declared_once_and_alike() -> None:
    """Every word of the list has a home, and whoever declares it means the same; nothing else of ours logs a cause."""
    for word in CAUSES:
        cause = our_cause(word)
        assert cause.sentence and not cause.sentence.endswith(".")
    for cls in every(Mechanism) + every(Method):
        for word, cause in cls.causes.items():
            assert word == "push" or cause == our_cause(word), (cls, word)
    assert NDSNN.causes.keys() == {"magnitude", "gradient"}
    assert nd.SpineStage.causes.keys() == {"turnover", "retraction"}  # those of its base too


def test_every_column_that_moves_sizes_has_its_cause() -> None:
    moved = {c.partition("_")[2] for cls in every(Mechanism) for c in cls.adds if c.startswith(("drive_", "step_"))}
    assert moved == {"evidence", "trophic", "bcm", "calcium", "consolidation", "heterosynaptic", "push"}
    for cls in every(Mechanism):
        for c in cls.adds:
            assert not c.startswith(("drive_", "step_")) or c.partition("_")[2] in cls.causes, cls


def test_an_unknown_cause_is_refused_with_the_nearest() -> None:
    with pytest.raises(ParameterError, match="did you mean 'evidence'"):
        cause_code("evidnce")
    with pytest.raises(ParameterError, match="did you mean 'lesion'"):
        Causes().code("lession")


@pytest.mark.parametrize("bad", [{"sentence": ""}, {"sentence": "x", "colour": "red"}, {"sentence": 3}])
def test_a_cause_is_checked(bad: dict[str, Any]) -> None:
    with pytest.raises(ParameterError, match="Cause"):
        Cause(**bad)


def test_a_word_of_ours_keeps_its_meaning() -> None:
    with pytest.raises(ParameterError, match="'evidence' is a cause of STDP"):
        type("Thief", (Mechanism,), {"causes": {"evidence": Cause("it was stolen")}, "__module__": "theirs"})
    with pytest.raises(ParameterError, match="must give a Cause"):
        type("Sloppy", (Mechanism,), {"causes": {"gone": "it went"}, "__module__": "theirs"})
    with pytest.raises(ParameterError, match="must give a Cause"):
        type("Markup", (Method,), {"causes": {"<b>": Cause("it went")}, "__module__": "theirs"})


def defined(name: str, **causes: Cause) -> type[Mechanism]:
    return dataclass(frozen=True)(type(name, (Mechanism,), {"causes": causes, "__module__": "theirs"}))


def test_two_meanings_of_one_word_are_refused() -> None:
    one, other = defined("One", faded=Cause("it faded")), defined("Other", faded=Cause("it was washed out"))
    assert Causes.of([one()])["faded"].sentence == "it faded" and "faded" in Causes.of([other()])
    net = nd.Network(seed=1)
    a = net.add(nd.Poisson(5.0), 3)
    q = net.connect(a, net.add(nd.LIF(), 3), nd.Degree(1), weight=1.0)
    q.use(one(), other())
    with pytest.raises(BuildError, match="'faded' means two things: One says 'it faded', Other"):
        nd.Simulation(net)


def test_a_list_does_not_depend_on_the_order_of_definition(tmp_path: Path) -> None:
    """Codes of this process follow the order of definition; what is written does not."""
    later, earlier = defined("Later", zz_late=Cause("z")), defined("Earlier", aa_early=Cause("a"))
    assert cause_code("zz_late") < cause_code("aa_early")
    causes = Causes.of([later(), nd.Turnover(), earlier()])
    assert causes.words == (*CAUSES, "aa_early", "zz_late") == Causes.of([earlier(), later()]).words
    codes = np.array([cause_code(w) for w in ("zz_late", "lesion", "aa_early")], np.uint8)
    assert causes.names(causes.written(codes)).tolist() == ["zz_late", "lesion", "aa_early"]
    with RunFile.create(tmp_path / "r") as f:
        r = Recorder(f, "none", causes=causes)
        r.neurons("p", NeuronBatch(*(np.zeros(3, d) for d in ("<i4", "u1", "<u4")), codes, np.zeros(3, "<f4")))
        r.flush(1)
        assert f.read("neurons/p/cause").tolist() == [len(CAUSES) + 1, 8, len(CAUSES)]


# ---------------------------------------------------------------- decided


def table(n: int, **columns: Any) -> Table:
    """A target with n sources."""
    t = Table.build(n, 1, [1.0], np.arange(n), np.zeros(n, int), np.zeros(n, int), 1.0, columns=())
    for name, value in columns.items():
        t.add_column(name, value)
    return t


def test_spines_that_bcm_kills_carry_its_term() -> None:
    w = World((nd.BCM(act="size", reference_hz=10.0, gain=20.0), nd.SpineSize(minimum=-1.0, newborn=-0.9)), table(60))
    w.view.source["rate_hz"][:30], w.view.source["rate_hz"][30:], w.view.target["rate_hz"][:] = 30.0, 1.0, 10.0
    w.neurons.block["rate_hz"][:] = 10.0
    w.step(80)
    e = w.events()
    mine = e.cause == cause_code("bcm")
    assert mine.sum() > 10 and w.log.terms == ("bcm",) and set(e.cause) <= {cause_code("bcm"), 2}
    assert np.all(e.terms[mine, 0] < 0) and np.isfinite(e.terms).all()


@dataclass(frozen=True)
class Depressed(Mechanism):
    """Stands for STDP: every tick induces depression."""

    owns: ClassVar[tuple[str, ...]] = ("accumulator",)

    def columns(self) -> dict[str, float]:
        return {"accumulator": 0.0, "induction": 0.0}

    def signals(self, view: SynapseView) -> None:
        view.table.column("induction")[view.slots()] = -0.2


def test_spines_that_calcium_and_the_early_phase_kill_carry_their_terms() -> None:
    size = nd.SpineSize(minimum=-1.0, newborn=-0.9)
    w = World((nd.CalciumPlasticity(gain=3.0, initially_up=0.0), size), table(40), options={"weight_gain": 80.0})
    w.step(60)
    e = w.events()
    assert set(e.cause) == {cause_code("calcium")} and w.log.terms == ("calcium",) and np.all(e.terms == -3.0)

    early = nd.EarlyPhase(gain=1.0, consolidated=1.0)
    w = World((Depressed(), early, size), table(40), tick=hour, acceleration=60.0)
    w.step(60)
    e = w.events()
    mine = e.cause == cause_code("consolidation")
    assert mine.any() and w.log.terms == ("consolidation",) and np.all(e.terms[mine, 0] < 0)


def test_a_column_that_moves_sizes_needs_its_cause() -> None:
    @dataclass(frozen=True)
    class Nameless(Mechanism):
        adds: ClassVar[tuple[str, ...]] = ("drive_nameles",)

        def columns(self) -> dict[str, float]:
            return {"drive_nameles": 0.0}

    with pytest.raises(BuildError, match="'drive_nameles' moves sizes, but nobody declares the cause 'nameles'"):
        World((Nameless(), nd.SpineSize()), table(3))


def test_terms_are_what_moves_sizes_and_what_is_declared() -> None:
    found = terms_of([nd.Survival()], ["drive_x", "log_size", "step_a"])
    assert found == {"a": "sd", "survival": "1", "x": "sd"} and list(found) == ["a", "survival", "x"]


def test_a_cause_that_no_mechanism_in_use_declares_is_refused() -> None:
    defined("Absent", absent_cause=Cause("it was elsewhere"))

    @dataclass(frozen=True)
    class Careless(Mechanism):
        def propose(self, view: SynapseView) -> Plan:
            return Plan(self.name, view.slots()[:1], np.array([cause_code("absent_cause")], np.uint8))

    net = nd.Network(seed=1)
    a = net.add(nd.Poisson(5.0), 3)
    q = net.connect(a, net.add(nd.LIF(), 3), nd.Degree(1), weight=1.0)
    q.use(Careless())
    sim = nd.Simulator(net, acceleration=7200)
    with pytest.raises(ParameterError, match="Careless gives the cause 'absent_cause', which no mechanism in use"):
        sim.run_until_spike(1000.0)
    with pytest.raises(ParameterError, match="unknown cause 'lession' .did you mean 'lesion'"):
        nd.RemoveSynapses(q, uids=[1], cause="lession").check(sim)
    with pytest.raises(ParameterError, match="plan of x: 2 synapses are to die or be born with 0 causes"):
        sim.apply_plans(q, [Plan("x", np.array([0, 1]))])


# ---------------------------------------------------------------- kept and told

THEIRS = """
import sys
from dataclasses import dataclass
import neurodev as nd
from neurodev.mechanisms.base import Mechanism
from neurodev.structure.cause import Cause
from neurodev.units import day

@dataclass(frozen=True)
class Unused(Mechanism):
    causes = {"unused": Cause("it was not used")}

@dataclass(frozen=True)
class Moon(Mechanism):
    adds = ("drive_moon",)
    causes = {
        "moon": Cause("the moon was full", colour="#123456"),
        "howl": Cause("it was howled away", "howled at the moon"),
    }

    def columns(self):
        return {"drive_moon": 0.0}

    def add(self, view):
        view.table.column("drive_moon")[view.slots()] = -3.0

net = nd.Network(seed=3)
a, b = net.add(nd.Poisson(10.0), 12, name="a"), net.add(nd.LIF(), 8, name="b")
q = net.connect(a, b, nd.Degree(4), spines=nd.Spines(weight=6), name="map")
q.use(nd.SpineSize(), nd.Turnover(early=2.0), Moon())
nd.Simulation(net, acceleration=7200, to=sys.argv[1]).run(2 * day).close()
"""


@pytest.fixture(scope="module")
def foreign(tmp_path_factory: pytest.TempPathFactory) -> nd.Run:
    """A run of somebody else's mechanism, written by another process: its module does not exist here."""
    path = tmp_path_factory.mktemp("foreign") / "moon.sqlite"
    root = Path(nd.__file__).parents[1]
    subprocess.run([sys.executable, "-c", THEIRS, str(path)], cwd=root, check=True, timeout=500)
    return nd.Run(path)


def test_a_foreign_cause_is_told_in_its_own_words(foreign: nd.Run, tmp_path: Path) -> None:
    assert foreign.causes.words == (*CAUSES, "howl", "moon") == tuple(foreign.file.item("causes"))
    assert "moon" not in [cause_word(c) for c in range(len(CAUSES))]
    with pytest.raises(ParameterError, match="unknown cause 'moon'"):
        cause_code("moon")  # reading has imported and defined nothing
    assert set(foreign.log.deaths_by_cause()) == {"moon"}
    spine = foreign.spines[int(foreign.spines.died_of("moon")[0])]
    assert "died on day" in spine.story() and "of moon: the moon was full." in spine.story()
    assert spine.terms == {"moon": -3.0} and "(in sd): moon -3.00." in spine.story()
    frame = foreign.log.to_pandas()
    assert set(frame["cause"]) == {"moon", "turnover"} and (frame["moon"].dropna() == -3.0).all()
    assert "evidence" not in frame and foreign.verify() > 0
    assert style.colour("moon", foreign.causes) == "#123456" != style.colour("moon")
    page = report.write(foreign, tmp_path / "r.html").read_text()
    assert "the moon was full" in page and "#123456" in page
    assert foreign.causes["howl"].birth == "howled at the moon"


def test_a_file_with_its_own_order_is_read_by_its_own_list(foreign: nd.Run, tmp_path: Path) -> None:
    """Hand made: the same events under a list in another order give the same words."""
    path = tmp_path / "turned.sqlite"
    shutil.copy(foreign.path, path)
    words = foreign.file.item("causes")
    turned = words[::-1]
    with sqlite3.connect(path) as db:
        for tick, data in db.execute("SELECT tick, data FROM log").fetchall():
            b = decode(data, 1)
            codes = np.array([turned.index(words[c]) for c in b.cause], np.uint8)
            db.execute("UPDATE log SET data=? WHERE tick=?", (encode(b._replace(cause=codes)), tick))
        db.execute("UPDATE item SET value=? WHERE name='causes'", (json.dumps(turned),))
    db.close()
    sign(path)
    run = nd.Run(path)
    assert run.log.deaths_by_cause() == foreign.log.deaths_by_cause() and run.verify() == foreign.verify()
    assert [run.spines[u].story() for u in run.spines] == [foreign.spines[u].story() for u in foreign.spines]
    assert run.log.to_pandas().equals(foreign.log.to_pandas()) and run.plot().axes is not None
    assert set(run.spines.died_of("moon")) == set(foreign.spines.died_of("moon"))


def test_a_list_that_is_none_is_damage(foreign: nd.Run, tmp_path: Path) -> None:
    for k, bad in enumerate(['"moon"', "[1, 2]", '["initial"]']):
        path = tmp_path / f"{k}.sqlite"
        shutil.copy(foreign.path, path)
        with sqlite3.connect(path) as db:
            db.execute("UPDATE item SET value=? WHERE name='causes'", (bad,))
        db.close()
        with pytest.raises(RunFileError, match="damaged"):
            nd.Run(path)
        sign(path)
        with pytest.raises(RunFileError, match="damaged"):
            nd.Run(path).log.deaths_by_cause()


def test_what_a_file_says_of_its_causes_is_words_and_colours_only() -> None:
    odd = {"x": {"sentence": "s", "colour": "url(evil)", "more": "?"}, "y": 3, "z": {"sentence": 5}}
    c = Causes.read(["x", "y", "z"], odd)
    assert c["x"] == Cause("s") and c["y"].sentence == "by y" == c["y"].sentence and c["z"].sentence == "by z"
    assert Causes.read(["x"], "nonsense")["x"].sentence == "by x"


# ---------------------------------------------------------------- older files


@pytest.mark.parametrize("name", ["development", "training"])
def test_older_files_keep_telling_the_truth(name: str, tmp_path: Path) -> None:
    """What the neurodev that wrote them said of them (said.json), word for word; interventions now by their day."""
    run, said = nd.Run(FILES / f"{name}.sqlite"), SAID[name]
    with pytest.warns(UserWarning, match="without checksums"):
        assert run.verify() == said["verified"]
    assert run.log.deaths_by_cause() == said["deaths"]
    for uid, story in said["stories"].items():
        spine = run.spines[int(uid)]
        assert [spine.cause, spine.birth_cause] == said["causes"][uid]
        assert spine.story() == story
    frame = run.log.to_pandas()
    for column, total in said["sums"].items():
        if said["known"][column]:
            assert frame[column].notna().sum() == said["known"][column]
            assert float(frame[column].astype(float).sum()) == pytest.approx(total, rel=1e-12)
        else:
            assert column not in frame
    assert run.info().splitlines()[-len(said["info"]) :] == said["info"]
    assert report.write(run, tmp_path / "r.html").stat().st_size > 0
    if name == "development":
        assert set(said["deaths"]) == {
            "fluctuation", "trophic", "intervention", "lesion", "neuron_death", "drive"
        }  # fmt: skip
        events = run.neurons.to_pandas()
        for event, counts in said["neurons"].items():
            assert events[events["event"] == event]["cause"].value_counts().to_dict() == counts
        assert run.spines.longest().threshold == -1.6
    else:
        assert run.log.terms("fc1") == {} and run.log.all.terms.shape[1] == 0


@pytest.mark.parametrize("name", ["development", "training"])
def test_verify_says_that_older_files_have_no_checksums(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file that cannot be proven sound is not called so; one that can is not doubted."""
    assert cli.main(["info", str(FILES / f"{name}.sqlite"), "--verify"]) == 0
    assert "older format without checksums" in capsys.readouterr().out
    with pytest.warns(UserWarning, match="older format without checksums"):
        nd.Run(FILES / f"{name}.sqlite").verify()
    net = nd.Network(seed=1)
    net.add(nd.LIF(), 2, name="cells")
    nd.simulate(net, 1000.0, to=tmp_path / "new.sqlite", progress=False)
    assert cli.main(["info", str(tmp_path / "new.sqlite"), "--verify"]) == 0
    assert "checksums" not in capsys.readouterr().out

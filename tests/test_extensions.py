"""What a stranger adds, in a folder of her own: each kind one class in one file, and no file of the package touched.

The files are written into a temporary folder, and everything runs there by `python -m neurodev`, in fresh
interpreters, as she would run it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from neurodev.errors import StudyError
from neurodev.record.runfile import RunFile
from neurodev.studies import development, reading, training

ROOT = Path(__file__).parents[1]
FILES = {
    "decay.py": '''
"""A mechanism: spines drift down at a constant rate."""
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from neurodev.mechanisms.base import Mechanism
from neurodev.params import param
from neurodev.protocols import Panel, Protocol, protocol
from neurodev.structure.cause import Cause


@dataclass(frozen=True)
class Decay(Mechanism):
    """Spines drift down at a constant rate."""

    adds: ClassVar[tuple[str, ...]] = ("drive_decay",)
    causes: ClassVar[dict[str, Cause]] = {"decay": Cause("it had withered away", colour="#123456")}
    equation: ClassVar[str] = "set-point of ln(V / V0) lowered by rate"
    rate: float = param(0.1, unit="1", low=0.0, source="measured by nobody")

    def columns(self):
        return {"drive_decay": 0.0}

    def add(self, view):
        view.table.column("drive_decay")[view.slots()] = -self.rate


@protocol(Decay)
def alone(decay):
    day = np.arange(5.0)
    return Protocol(decay, "how far?", [Panel("decay", "d", "ln V").add("", day, -decay.rate * day, -decay.rate * day)])
''',
    "pulses.py": '''
"""A drive: all cells fire together."""
from dataclasses import dataclass

import numpy as np

from neurodev.neurons.drive import Drive, Source
from neurodev.params import check, param


class Beats(Source):
    def __init__(self, interval, n, together):
        self.period, self.n, self.together = interval, n, together

    def chunk(self, k):
        at = np.full(self.n, 0.5) if self.together else np.linspace(0.1, 0.9, self.n)
        return at * self.period, np.arange(self.n)


@dataclass(frozen=True)
class Pulses(Drive):
    """All cells fire together, once an interval."""

    interval: float = param(50.0, unit="ms", clock="spike", above=0.0, source="free")
    together: bool = param(True, source="the control")

    def __post_init__(self):
        check(self)

    def bind(self, n, positions, seed, name):
        return Beats(self.interval, n, self.together)

    def mean_rate_hz(self):
        return 1e3 / self.interval

    def shuffled(self):
        return Pulses(self.interval, together=False)
''',
    "places.py": '''
"""A wiring, a delay, a growth curve, an intervention, a background and a dendrite."""
from dataclasses import dataclass

import numpy as np

import neurodev as nd
from neurodev.simulation.interventions import Intervention
from neurodev.structure.delays import Delay
from neurodev.structure.wiring import Wiring


@dataclass(frozen=True)
class Shifted(Wiring):
    """Source i onto target i + by."""

    by: int = 1

    def draw(self, source, target, draw, same, multapses):
        i = np.arange(min(source.shape[0], target.shape[0]))
        return i, (i + self.by) % target.shape[0]

    def mean_inputs(self, n_source, n_target):
        return 1.0


@dataclass(frozen=True)
class Two(Delay):
    """Two delays in turn."""

    first: float = 1.0
    second: float = 2.0

    def lanes(self):
        return np.array([self.first, self.second])

    def draw(self, n, draw):
        return np.arange(n) % 2


@dataclass(frozen=True)
class Gentle(nd.LinearGrowth):
    """Slower growth."""

    nu: float = 1e-12


@dataclass
class Calm(Intervention):
    """Silence one population and say so."""

    population: str

    def check(self, sim):
        nd.Silence(self.population).check(sim)

    def apply(self, sim):
        nd.Silence(self.population).apply(sim)


@dataclass(frozen=True)
class Rain(nd.Background):
    """A weak background."""

    weight: float = 0.01


@dataclass(frozen=True)
class Twigs(nd.Branches):
    """Many branches."""

    per_neuron: int = 5
''',
    "life.toml": '''
seed = 4
[population.in]
kind = "pulses:Pulses"
n = 30
interval = "40 ms"
[population.out]
kind = "LIF"
n = 30
dendrite = {kind = "places:Twigs", length = 50.0}
use = [{kind = "Growth", elements = {axonal = {kind = "places:Gentle", epsilon = 0.1}}}]
[[background]]
kind = "places:Rain"
target = "out"
[projection.map]
source = "in"
target = "out"
wiring = {kind = "Contacts", more = 0.5, wiring = {kind = "places:Shifted", by = 2}}
multapses = true
delay = {kind = "places:Two", second = 3.0}
spines = {weight = 4.0}
use = [{kind = "SpineSize"}, {kind = "decay:Decay", rate = 0.5}]
[[at]]
kind = "places:Calm"
life = "1 day"
population = "in"
[run]
duration = "2 day"
acceleration = 7200
''',
    "weakest.py": '''
"""A pruning method: the weakest synapses of every tensor go at the end of every epoch."""
from dataclasses import dataclass

import numpy as np

from neurodev.learn import Method
from neurodev.methods import rewire
from neurodev.methods.tensors import tensors
from neurodev.params import param


@dataclass
class Weakest(Method):
    """The weakest synapses go."""

    share: float = param(0.1, low=0.0, high=1.0, source="free")

    def epoch_end(self, trainer):
        for t in tensors(trainer):
            slots = t.table.slots()
            size = np.abs(t.table.weight[slots])
            gone = slots[rewire.smallest(size, int(self.share * slots.size))]
            trainer.propose(t.name, [rewire.deaths(self.name, gone, "magnitude")])
''',
    "steps.py": '''
"""A layer with a surrogate of its own: neurons without memory that spike above a threshold."""
from dataclasses import dataclass

import numpy as np

from neurodev.learn import Current, Linear, Sequential, Spikes, Surrogate
from neurodev.learn.core.layer import Layer


@dataclass(frozen=True)
class Bell(Surrogate):
    """A Gaussian."""

    def __call__(self, x):
        return self.height * np.exp(-((x / self.width) ** 2)) / (self.width * np.sqrt(np.pi))


@dataclass(frozen=True)
class Narrow(Surrogate):
    """The rectangle, narrower."""

    width: float = 0.2


class Steps(Layer):
    """Spikes where the current reaches the threshold."""

    def __init__(self, threshold=0.5, slope=None):
        super().__init__()
        self.threshold, self.slope = threshold, slope or Bell()

    def __call__(self, x):
        above = x.by_row - self.threshold
        y = Spikes((above >= 0).astype(np.uint8), x.steps, x.batch, x.shape)

        def pull(dy):
            back = dy.by_row * self.slope(above).astype(dy.by_row.dtype)
            return Current(np.ascontiguousarray(back), x.steps, x.batch, x.shape)

        return y, pull


def stepping(*, hidden=20, inputs=(8, 8), n_class=10, layer=None, seed=0):
    """A network of these neurons."""
    first, out = Linear(hidden, name="first"), Linear(n_class, name="out")
    return Sequential(first, layer or Steps(), out, inputs=inputs, seed=seed)
''',
    "loops.py": '''
"""Data, an encoder, an optimiser, a schedule and a loss."""
from dataclasses import dataclass

import numpy as np

from neurodev.data import Dataset
from neurodev.learn import Bernoulli
from neurodev.learn.training import loss
from neurodev.learn.training.optim import Optimiser


def stripes(n=60, seed=0):
    """Rows of one of ten stripes."""
    draw, y = np.random.default_rng(seed), np.arange(n) % 10
    x = 0.1 * draw.random((n, 8, 8))
    x[np.arange(n), y % 8, :] += 0.4 + 0.4 * (y[:, None] > 7)
    return Dataset(x[: n // 2], y[: n // 2], x[n // 2 :], y[n // 2 :], "stripes", tuple("0123456789"))


@dataclass(frozen=True)
class Loud(Bernoulli):
    """More spikes."""

    gain: float = 1.1


@dataclass
class Signs(Optimiser):
    """Steps along the sign of the gradient."""

    rate: float = 1e-3
    steps: int = 0

    def step(self, parameters, factor=1.0):
        self.steps += 1
        for p in parameters:
            value, gradient = p.flat()
            value -= value.dtype.type(self.rate * factor) * np.sign(gradient)
            gradient[:] = 0


def halving(at=0.5):
    """Half the rate after a share of the run."""
    return lambda progress: 0.5 if progress >= at else 1.0


def doubled(y, labels, total):
    """Twice the cross-entropy."""
    value, gradient, score = loss.rate_cross_entropy(y, labels, total)
    gradient.value[:] *= 2
    return 2 * value, gradient, score
''',
    "learn.toml": '''
seed = 2
[data]
kind = "loops:stripes"
n = 80
[encoder]
kind = "loops:Loud"
steps = 6
[network]
kind = "steps:stepping"
hidden = 16
layer = {kind = "steps:Steps", threshold = 0.4}
[optimiser]
kind = "loops:Signs"
rate = 2e-3
[schedule]
kind = "loops:halving"
[train]
epochs = 2
batch = 20
loss = "loops:doubled"
[[method]]
kind = "weakest:Weakest"
share = 0.2
''',
}  # fmt: skip
MODULES = [name[:-3] for name in FILES if name.endswith(".py")]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Her folder, with all her files, as the working folder."""
    for name, text in FILES.items():
        (tmp_path / name).write_text(text.lstrip())
    monkeypatch.chdir(tmp_path)
    for name in MODULES:
        monkeypatch.delitem(sys.modules, name, raising=False)
    yield tmp_path
    for name in MODULES:
        sys.modules.pop(name, None)


def python(folder: Path, *words: str) -> str:
    """What a fresh interpreter prints."""
    done = subprocess.run(
        [sys.executable, *words], cwd=folder, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": str(ROOT)}
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def neurodev(folder: Path, *words: str) -> str:
    return python(folder, "-m", "neurodev", *words)


def test_a_development_of_foreign_parts(folder: Path) -> None:
    """Every table of a study takes a foreign kind; its run tells their sources, and opens without them."""
    said = neurodev(folder, "run", "life.toml", "--quiet", "--set", "projection.map.use.Decay.rate=1.5")
    assert "Silence" not in said and "Calm in" in said
    with RunFile.open("life.sqlite") as file:
        about, network = file.provenance(), file.item("network")
    words = {
        "pulses:Pulses", "places:Twigs", "places:Gentle", "places:Rain", "places:Shifted", "places:Two", "places:Calm",
        "decay:Decay",
    }  # fmt: skip
    assert set(about["sources"]) == words
    assert all(len(s["sha256"]) == 64 and s["kind"] for s in about["sources"].values())
    (q,) = network["projections"]
    assert q["uses"][1] == {"kind": "decay:Decay", "rate": 1.5} and q["wiring"]["wiring"]["kind"] == "places:Shifted"
    (folder / "away").mkdir()
    for name in MODULES:
        (folder / f"{name}.py").rename(folder / "away" / f"{name}.py")
    code = (
        "import json, sys, neurodev as nd\nr = nd.Run('life.sqlite')\n"
        "withered = r.spines.died_of('decay')\n"
        "s = r.spines[int(withered[0])]\n"
        "print(json.dumps([str(r), s.story(), r.verify(), r.log.deaths_by_cause()['decay'], s.terms['decay'], "
        f"[m for m in {MODULES} if m in sys.modules]]))"
    )
    shown, story, n, withered, term, loaded = json.loads(python(folder, "-c", code))
    assert "2 days of life" in shown and n > 0 and loaded == []
    # a cause of her own, with her own sentence, and the number that decided it
    assert "of decay: it had withered away." in story and withered > 0 and term == -1.5
    assert "wrote" in neurodev(folder, "report", "life.sqlite")
    assert (folder / "life.html").stat().st_size > 10_000 and "decay" in (folder / "life.html").read_text()


def test_an_ablation_leaves_out_what_is_hers(folder: Path) -> None:
    """Each mechanism that the study has, by its own name."""
    said = neurodev(folder, "ablate", "life.toml", "--jobs", "1", "--set", "run.duration=1 day")
    assert "without decay:Decay" in said or "without Decay" in said
    assert "SpineSize" in said


def test_neuron_models_in_a_study(folder: Path) -> None:
    """Two models from outside, exact and stepped, by ``kind = "module:Class"``; the run says which is approximate."""
    for name in ("alpha", "adaptive"):
        (folder / f"{name}_cells.py").write_text((ROOT / f"tests/neurons/outside/{name}.py").read_text())
    (folder / "cells.toml").write_text("""
[population.a]
kind = "alpha_cells:AlphaLIF"
n = 10
threshold = 8.0
[population.b]
kind = "adaptive_cells:AdaptiveExponential"
n = 5
inhibitory = true
[[background]]
target = "a"
rate_hz = 900.0
weight = 120.0
[projection.ab]
source = "a"
target = "b"
wiring = {kind = "AllToAll"}
weight = 4.0
[run]
duration = "2 second"
acceleration = 1.0
tick = "1 second"
record = "all"
""")
    said = neurodev(folder, "run", "cells.toml", "--quiet", "--set", "population.a.tau=15.0")
    assert "b: neurons integrate by steps" in said
    code = (
        "import json, sys, neurodev as nd\nr = nd.Run('cells.sqlite')\n"
        "print(json.dumps([r.spikes('a')[0].size, r.spikes('b')[0].size, r.network['populations'][0]['model'], "
        "sorted(r.provenance['sources']), [m for m in sys.modules if m.endswith('_cells')]]))"
    )
    n_a, n_b, model, sources, loaded = json.loads(python(folder, "-c", code))
    assert n_a > 20 and n_b > 0 and loaded == []
    assert model["kind"] == "alpha_cells:AlphaLIF" and model["tau"] == 15.0
    assert sources == ["adaptive_cells:AdaptiveExponential", "alpha_cells:AlphaLIF"]
    assert "adds w e" in neurodev(folder, "show", "alpha_cells:AlphaLIF")


def test_the_control_of_a_foreign_drive(folder: Path) -> None:
    s = reading.load("life.toml")
    assert development.build(s).populations["in"].model.together
    assert not development.build(s, shuffled=True).populations["in"].model.together
    assert [m.name for m in development.build(s, without="Decay").projections["map"].mechanisms] == ["SpineSize"]


def test_show_tells_a_foreign_mechanism(folder: Path) -> None:
    said = neurodev(folder, "show", "decay:Decay", "--set", "rate=0.3", "--plot", "decay.png")
    for word in ("Spines drift down", "ln(V / V0) lowered", "adds       drive_decay", "0.3", "measured by nobody"):
        assert word in said
    assert "agrees" in said and (folder / "decay.png").read_bytes()[:4] == b"\x89PNG"
    assert "interval" in neurodev(folder, "show", "pulses:Pulses")
    assert "share" in neurodev(folder, "show", "weakest:Weakest")


def test_a_training_of_foreign_parts(folder: Path) -> None:
    """Data, encoder, network, layer, surrogate, optimiser, schedule, loss and method, all of them hers."""
    said = neurodev(folder, "train", "learn.toml", "--quiet", "--threads", "1", "--set", "method.Weakest.share=0.25")
    assert "stripes, seed 2" in said
    with RunFile.open("learn.sqlite") as file:
        sources, deaths = file.provenance()["sources"], file.read("series/deaths/first")
    assert set(sources) == {
        "loops:stripes", "loops:Loud", "loops:Signs", "loops:halving", "loops:doubled", "steps:stepping", "steps:Steps",
        "steps:Bell", "weakest:Weakest",
    }  # fmt: skip
    assert deaths[0] == 256 and "smallest when" in neurodev(folder, "spine", "learn.sqlite", "longest")


def test_in_python(folder: Path) -> None:
    """The same classes without a study."""
    sys.path.insert(0, str(folder))
    try:
        from loops import Signs, stripes
        from steps import Narrow, Steps, stepping
        from weakest import Weakest

        import neurodev as nd
    finally:
        sys.path.remove(str(folder))
    model = stepping(hidden=12)
    trainer = nd.Trainer(model, stripes(), methods=[Weakest(0.5)], optimiser=Signs(1e-3), epochs=2, batch=10).fit()
    assert 0 < trainer.history[-1].density < 0.5
    trainer.close()
    hidden = nd.networks.network("fully_connected", hidden=(9,), inputs=(8, 8), surrogate="steps:Narrow").layers()
    assert [n.surrogate for n in hidden if isinstance(n, nd.learn.LIF)] == [Narrow(), Narrow()]
    with pytest.raises(nd.NeurodevError, match="not that of Bell: call it in a layer of your own"):
        nd.learn.LIF(0.5, surrogate="steps:Bell").surrogate.code  # noqa: B018
    assert type(Steps().replica()) is Steps


def test_resuming_a_training_asks_for_the_same_sources(folder: Path) -> None:
    study = reading.load("learn.toml")
    t = training.trainer(study, "part.sqlite")
    t.fit(1)
    t.record.close("broken off")
    source = (folder / "weakest.py").read_text()
    (folder / "weakest.py").write_text(source.replace("np.abs(", "1.0 * np.abs("))
    with pytest.raises(StudyError, match="the source of 'weakest:Weakest' is not what it was"):
        training.trainer(study, "part.sqlite", resume=True)
    (folder / "weakest.py").write_text(source)
    t = training.trainer(study, "part.sqlite", resume=True)
    assert len(t.fit().history) == 2
    t.close()


LIFE, LEARN = FILES["life.toml"].lstrip(), FILES["learn.toml"].lstrip()
WRONG = {
    "module missing": (LIFE, '"decay:Decay"', '"decoy:Decay"', "line 21: .*no module 'decoy' in the working folder"),
    "class missing": (LIFE, '"decay:Decay"', '"decay:Decoy"', r"line 21: .*no 'Decoy' \(did you mean 'Decay'\?\)"),
    "another kind": (LIFE, '"decay:Decay"', '"pulses:Pulses"', "line 21: .*is a drive, not a mechanism"),
    "abstract": (LIFE, '"pulses:Pulses"', '"pulses:Drive"', "line 3: .*abstract drive: define bind, mean_rate_hz"),
    "no class of ours": (LIFE, '"places:Twigs"', '"places:np"', "line 9: .*is not a dendrite: derive a class from"),
    "import raises": (LIFE, '"places:Two"', '"bad:Two"', "line 19: .*ZeroDivisionError.*bad.py, line 1"),
    "wrong key": (LIFE, "by = 2", "bye = 2", r"line 17: .*no parameter 'bye' \(did you mean 'by'\?\)"),
    "wrong value": (LIFE, "rate = 0.5", "rate = -0.5", "line 21: .*Decay.rate must be >= 0.0"),
    "in an intervention": (LIFE, '"places:Calm"', '"places:Clam"', r"line 23: .*did you mean 'Calm'"),
    "in a background": (LIFE, '"places:Rain"', '"places:Two"', "line 12: .*is a delay, not a background"),
    "method": (LEARN, '"weakest:Weakest"', '"weakest:Weaker"', r"line 22: .*did you mean 'Weakest'"),
    "optimiser": (LEARN, '"loops:Signs"', '"loops:Loud"', "line 13: .*is an encoder, not an optimiser"),
    "loss": (LEARN, '"loops:doubled"', '"loops:double"', r"line 20: .*did you mean 'doubled'"),
    "layer": (LEARN, '"steps:Steps"', '"steps:Bell"', "line 11: .*is a surrogate, not a layer"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_the_door_quotes_the_line(case: str, folder: Path) -> None:
    (folder / "bad.py").write_text("1 / 0\n")
    text, right, wrong, match = WRONG[case]
    assert text.count(right) == 1
    (folder / "s.toml").write_text(text.replace(right, wrong))
    with pytest.raises(StudyError, match=match):
        s = reading.load("s.toml")
        if text is LIFE:
            development.simulation(s, development.build(s))
        else:
            training.trainer(s)

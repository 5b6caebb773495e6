"""Parts of one's own, by subclass: what they say goes on every path, whichever way a net is run.

A subclass that says nothing new gives the very numbers of its base; one that does is asked wherever its base would be:
in fused passes, in step-by-step ones, in two threads, in a resumed run and by its word in a study.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import neurodev
from neurodev import registry
from neurodev.learn.core.surrogate import Surrogate
from neurodev.learn.layers.adaptive import AdaptiveLIF
from neurodev.learn.layers.conv import Conv2d
from neurodev.learn.layers.linear import Linear
from neurodev.learn.layers.neurons import IF, LIF, PLIF
from neurodev.learn.layers.pool import AveragePool2d, Flatten
from neurodev.learn.model import Recurrent, Sequential
from neurodev.learn.training.checkpoint import state_of
from neurodev.learn.training.encode import Bernoulli
from neurodev.learn.training.loss import Loss, as_loss
from neurodev.learn.training.optim import Adam
from neurodev.studies import reading, training
from tests.learn.small import WIDE, net, patterns, trained

ASKED: Counter[str] = Counter()
BESIDE = 4.0  # factor by which own parts differ, where they do


def own(base: type, **more: Any) -> type:
    """A subclass that says nothing new."""
    return type(f"Own{base.__name__}", (base,), {"__module__": __name__} | more, word=False)


def asked(base: type) -> type:
    """A subclass that counts its calls, and otherwise does as its base."""

    def call(self: Any, *given: Any) -> Any:
        ASKED[base.__name__] += 1
        return base.__call__(self, *given)

    return own(base, __call__=call)


@dataclass(frozen=True)
class Steep(Surrogate, word=False):
    """A curve of its own: that of its base, times four."""

    def __call__(self, x: Any) -> Any:
        return BESIDE * super().__call__(x)


class Sign(Surrogate, word=False):
    """Nothing but a constant, and a number of its own."""

    level = 0.5

    def __call__(self, x: Any) -> Any:
        return np.full(np.shape(x), self.level)


def head(cell: Any, linear: Any) -> list[Any]:
    return [linear(3, name="out"), cell(LIF)]


# a net for each way in which neurons are run, of the classes of its parts; names, by which weights are drawn, are given
NETS: dict[str, Callable[..., list[Any]]] = {
    "rows": lambda cell, linear, **_: [linear(12, name="a"), cell(LIF), *head(cell, linear)],
    "integrators": lambda cell, linear, **_: [linear(12, name="a"), cell(IF), *head(cell, linear)],
    "learned leaks": lambda cell, linear, **_: [linear(12, name="a"), cell(PLIF), *head(cell, linear)],
    "adaptive": lambda cell, linear, **_: [linear(12, name="a"), cell(AdaptiveLIF), *head(cell, linear)],
    "recurrent": lambda cell, linear, **_: [
        Recurrent(linear(8, name="a"), linear(8, name="b"), cell(LIF)), *head(cell, linear)
    ],
    "fused with pooling": lambda cell, linear, conv, pool, **_: [
        conv(4, 3, name="a"), cell(LIF), pool(2), conv(4, 3, name="b"), cell(IF), pool(2), Flatten(),
        *head(cell, linear),
    ],
}  # fmt: skip
SHAPES = {"fused with pooling": (8, 8, 1)}


def made(kind: str, surrogate: Any = WIDE, wrap: Callable[[type], type] = lambda c: c) -> Sequential:
    def neuron(base: type) -> Any:
        given: dict[str, Any] = {"surrogate": surrogate, "threshold": 0.3}
        return wrap(base)(**given)

    parts = NETS[kind](cell=neuron, linear=wrap(Linear), conv=wrap(Conv2d), pool=wrap(AveragePool2d))
    return Sequential(*parts, inputs=SHAPES.get(kind, (6,)), seed=1)


def numbers(kind: str, model: Sequential | None = None, **more: Any) -> dict[str, Any]:
    """The tables after two epochs."""
    t = trained(model or made(kind), patterns(24, 6, SHAPES.get(kind, (6,))), **({"epochs": 2, "batch": 8} | more))
    return {k: v.copy() for k, v in state_of(t.fit()).items() if k.startswith("table/")}


def same(a: dict[str, Any], b: dict[str, Any], exact: bool = True) -> None:
    assert a.keys() == b.keys()
    for name in a:
        if a[name].dtype.kind != "f":
            assert np.array_equal(a[name], b[name]), name
        elif exact:
            np.testing.assert_array_equal(a[name], b[name], err_msg=name)
        else:
            np.testing.assert_allclose(a[name], b[name], rtol=2e-3, atol=2e-5, err_msg=name)


@pytest.mark.parametrize("kind", NETS)
def test_a_subclass_that_says_nothing_new_is_its_base(kind: str) -> None:
    same(numbers(kind), numbers(kind, made(kind, wrap=own)), exact=kind != "fused with pooling")


@pytest.mark.parametrize("kind", NETS)
def test_every_layer_of_ones_own_is_asked(kind: str, threads: int = 2) -> None:
    """Two halves of 3 batches of 2 epochs, and those of tests: nobody goes round a layer's own call."""
    ASKED.clear()
    model = made(kind, wrap=asked if kind != "recurrent" else own)
    wanted = {type(layer).__base__.__name__ for layer in model.layers() if type(layer).__name__.startswith("Own")}
    numbers(kind, model, threads=threads)
    if kind != "recurrent":  # there neurons go step by step, by `in_steps`
        assert set(ASKED) == wanted and min(ASKED.values()) >= 2 * 2 * 3


@pytest.mark.parametrize("kind", NETS)
def test_a_curve_of_ones_own_is_used(kind: str, threads: int = 2) -> None:
    """Four times the arctangent by a class equals four times it by its height, which kernels know."""
    ours = numbers(kind, made(kind, Surrogate("arctan", 1.0, BESIDE)))
    theirs = numbers(kind, made(kind, Steep("arctan", 1.0)), threads=threads)
    same(ours, theirs, exact=False)
    with pytest.raises(AssertionError):
        same(numbers(kind, made(kind, Surrogate("arctan", 1.0))), theirs, exact=False)


def test_a_curve_changed_while_it_learns(tmp_path: Path, threads: int = 2) -> None:
    """Both halves of a batch see it, and a resumed run has it: as one of ours (a class is more than its words)."""

    def sharper(t: Any) -> None:
        if t.epoch == 2:
            for layer in t.model.layers():
                if isinstance(layer, LIF):
                    new = Sign()
                    object.__setattr__(new, "level", 0.05)
                    layer.surrogate = new

    model = lambda: made("rows", Sign())
    whole = trained(model(), callbacks=[sharper], threads=threads, epochs=4).fit()
    single = trained(model(), callbacks=[sharper], batch=10, epochs=4).fit()
    same({k: v for k, v in state_of(whole).items() if k[:5] == "table"},
         {k: v for k, v in state_of(single).items() if k[:5] == "table"})  # fmt: skip
    for one in whole.models():
        assert all(la.surrogate.level == 0.05 for la in one.layers() if isinstance(la, LIF))
    part = trained(model(), callbacks=[sharper], to=tmp_path / "a.sqlite", epochs=4).fit(3)
    part.record.close("broken off")
    again = trained(model(), callbacks=[sharper], to=tmp_path / "a.sqlite", epochs=4, resume=True)
    assert next(la for la in again.model.layers() if isinstance(la, LIF)).surrogate.level == 0.05
    again.fit()
    same({k: v for k, v in state_of(whole).items() if k[:5] == "table"},
         {k: v for k, v in state_of(again).items() if k[:5] == "table"})  # fmt: skip


def test_the_two_halves_differ_in_nothing() -> None:
    """The second half of a batch alone learns with a curve that was changed, as the first would."""

    def change(t: Any) -> None:
        for layer in t.model.layers():
            if isinstance(layer, LIF):
                layer.surrogate = Steep("arctan", 1.0)

    t = trained(made("rows", Surrogate("arctan", 1.0)), callbacks=[change], epochs=1).fit()
    t.train_step(np.arange(4))
    curves = [[type(la.surrogate) for la in m.layers() if isinstance(la, LIF)] for m in t.models()]
    assert curves == [[Steep, Steep]] * 2


class Twice(Loss, word=False):
    """Twice the mean squared error."""

    def __call__(self, y: Any, labels: Any, total: int) -> Any:
        value, gradient, scores = as_loss("rate_mse")(y, labels, total)
        gradient.value = gradient.value * 2
        return 2 * value, gradient, scores


@dataclass(frozen=True)
class Flipped(Bernoulli, word=False):
    """Bright is dark."""

    def __call__(self, x: Any, samples: Any, seed: int, epoch: int) -> Any:
        part = 1 - np.asarray(x[samples])
        full = np.zeros((int(samples.max()) + 1, *part.shape[1:]), part.dtype)
        full[samples] = part
        return super().__call__(full, samples, seed, epoch)


@pytest.mark.parametrize("threads", [1, 2])
def test_a_loss_and_an_encoder_of_ones_own(threads: int) -> None:
    from dataclasses import replace

    d = patterns()
    dark = replace(d, x_train=1 - d.x_train, x_test=1 - d.x_test)
    a = trained(data=d, encoder=Flipped(4), threads=threads).fit()
    b = trained(data=dark, encoder=Bernoulli(4)).fit()
    assert [e.test_loss for e in a.history] == pytest.approx([e.test_loss for e in b.history])
    once = trained(epochs=1).fit().history[0].test_loss
    assert trained(epochs=1, loss=Twice(), optimiser=Adam(), threads=threads).fit().history[0].test_loss > 1.9 * once


# ---------------------------------------------------------------------- in a study

MINE = '''
"""Parts of my own."""
import numpy as np
from neurodev.learn import LIF, Bernoulli, Linear, Loss, Surrogate
from neurodev.learn.training.loss import rate_mse
from dataclasses import dataclass

class Steep(Surrogate):
    """Steeper."""
    def __call__(self, x):
        return 3 * super().__call__(x)

class Cell(LIF):
    """A neuron of my own."""

class Wires(Linear):
    """A layer of my own."""

@dataclass(frozen=True)
class Coded(Bernoulli):
    """An encoder of my own."""

class Error(Loss):
    """A loss of my own."""
    name = "error of mine"
    def __call__(self, y, labels, total):
        return rate_mse(y, labels, total)
'''
STUDY = """
seed = 2
[data]
kind = "digits"
train = 120
test = 30
validation = 20
[encoder]
kind = "{0}:Coded"
steps = 4
[[network.layers]]
kind = "{0}:Wires"
n_out = 20
name = "fc"
[[network.layers]]
kind = "{0}:Cell"
leak = 0.2
threshold = 0.5
surrogate = {{ kind = "{0}:Steep", width = 2.0 }}
[[network.layers]]
kind = "Linear"
n_out = 10
name = "out"
[[network.layers]]
kind = "LIF"
leak = 0.2
threshold = 0.5
surrogate = {{ kind = "Surrogate", width = 2.0 }}
[optimiser]
kind = "Adam"
rate = 4e-3
[schedule]
kind = "milestones"
at = [1]
[groups.out]
rate = 1e-3
decay = 0.0
[train]
epochs = 2
batch = 20
loss = "{0}:Error"
clip_norm = 1.0
accumulate = 2
"""


def test_all_of_them_by_their_words_in_a_study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("sklearn")
    monkeypatch.chdir(tmp_path)
    name = "mine_of_own_parts"
    (tmp_path / f"{name}.py").write_text(MINE)
    (tmp_path / "a.toml").write_text(STUDY.format(name))
    t = training.trainer(reading.load(tmp_path / "a.toml"), tmp_path / "a.sqlite")
    parts = [type(layer).__name__ for layer in t.model.layers() if layer is not t.model]
    assert parts == ["Wires", "Cell", "Linear", "LIF"] and t.model.inputs == (8, 8)
    cell = next(la for la in t.model.layers() if type(la).__name__ == "Cell")
    assert type(cell.surrogate).__name__ == "Steep" and type(t.encoder).__name__ == "Coded"
    assert t.loss.name == "error of mine" and len(t.data.y_train) == 100 and len(t.data.y_validation) == 20
    assert t.accumulate == 2 and t.moving.norm == 1.0
    t.fit(1)
    t.record.close("broken off")
    again = training.trainer(reading.load(tmp_path / "a.toml"), tmp_path / "a.sqlite", resume=True).fit()
    run = again.close()
    assert run.training.n_epoch == 2 and run.series("rate_factor").tolist() == pytest.approx([1.0, 0.1])
    sources = set(run.file.provenance()["sources"])
    assert {f"{name}:{word}" for word in ("Wires", "Cell", "Steep", "Coded", "Error")} <= sources
    for text, message in (
        (STUDY.replace("n_out = 20", "n_uot = 20"), "n_uot.*did you mean 'n_out'"),
        (STUDY.replace(":Wires", ":Wire"), "has no 'Wire'"),
        (STUDY.replace("rate = 1e-3", "rat = 1"), "rate and decay"),
        (STUDY.replace("[groups.out]", "[groups.otu]"), "no layer 'otu'"),
        (STUDY.replace("validation = 20", "validation = 120"), "leave none"),
    ):  # fmt: skip
        (tmp_path / "b.toml").write_text(text.format(name))
        with pytest.raises(neurodev.NeurodevError, match=message):
            training.trainer(reading.load(tmp_path / "b.toml"))


GROUPED = """
[data]
kind = "digits"
train = 60
test = 20
[encoder]
steps = 4
[network]
inputs = [64]
[[network.layers]]
kind = "Recurrent"
feed = { kind = "Linear", n_out = 12 }
back = { kind = "Linear", n_out = 12, gain = 0.2 }
neurons = { kind = "AdaptiveLIF" }
[[network.layers]]
kind = "Residual"
body.kind = "Sequential"
shortcut = { kind = "Linear", n_out = 10 }
[[network.layers.body.layers]]
kind = "Linear"
n_out = 8
[[network.layers.body.layers]]
kind = "LIF"
threshold = 0.1
surrogate = { kind = "Surrogate", width = 2.0 }
[[network.layers.body.layers]]
kind = "Linear"
n_out = 10
[train]
epochs = 1
loss = "rate_cross_entropy"
"""


def test_layers_within_layers_in_a_study(tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    (tmp_path / "a.toml").write_text(GROUPED)
    t = training.trainer(reading.load(tmp_path / "a.toml"), tmp_path / "a.sqlite")
    kinds = [type(layer).__name__ for layer in t.model.layers()]
    assert kinds.count("Linear") == 5 and "AdaptiveLIF" in kinds
    assert [type(part).__name__ for part in t.model.parts()] == ["Recurrent", "Residual"]
    assert t.model.inputs == (64,) and t.fit().history[0].train_loss > 0
    t.close()


# ---------------------------------------------------------------------- places that ask for an exact class

# file -> what is asked there for an exact type, and why that goes round no part of one's own
EXACT = {
    "optim.py": "numbers of a step; and our own optimisers, whose fields alone are looked at",
    "combined.py": "two methods of one class",
    "augment.py": "what augment returned, beside what it was given",
    "kept.py": "plain numbers and words; our surrogate by three numbers, one of one's own by its class",
    "fused.py": "only our own neurons and pooling are fused: a subclass runs its own call",
    "masked.py": "only our own weights and neurons go in one pass: a subclass runs its own call",
    "fields.py": "an equal value of the same type", "spikes.py": "fields of a signal, which are plain",
    "layer.py": "plain fields", "words.py": "plain fields",
    "predicting.py": "potentials of our own neurons alone: those of a subclass are refused, not guessed",
    "recording.py": "plain numbers that were changed",
}  # fmt: skip


def test_exact_types_are_asked_for_only_where_it_is_known_why() -> None:
    """``type(x) is C`` and ``type(x) in (...)`` would go round a subclass: a new place must say why it does not."""
    found: dict[str, list[int]] = {}
    for path in sorted((Path(neurodev.__file__).parent / "learn").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Compare) or not isinstance(node.ops[0], (ast.Is, ast.Eq, ast.In, ast.IsNot)):
                continue
            left = node.left
            if isinstance(left, ast.Call) and isinstance(left.func, ast.Name) and left.func.id == "type":
                found.setdefault(path.name, []).append(node.lineno)
    assert set(found) - set(EXACT) == set(), {n: found[n] for n in set(found) - set(EXACT)}


def test_every_kind_of_part_can_be_derived_from() -> None:
    for kind in ("layer", "encoder", "optimiser", "method"):
        for name, base in registry.ours(kind).items():
            if isinstance(base, type):
                assert issubclass(own(base), base), name
    assert net().layers()

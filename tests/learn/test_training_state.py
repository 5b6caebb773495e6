"""What a training depends on is in its checkpoint, belongs to it alone, and is compared when it goes on."""

from __future__ import annotations

import dataclasses
import inspect
import logging
import warnings
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from neurodev import methods, registry
from neurodev.data.dataset import Dataset
from neurodev.data.maze import Maze
from neurodev.errors import NeurodevError, ParameterError, RunFileError, StudyError
from neurodev.learn.core.surrogate import Surrogate
from neurodev.learn.kernels import policy
from neurodev.learn.layers.dropout import Dropout
from neurodev.learn.layers.linear import Linear
from neurodev.learn.layers.neurons import LIF
from neurodev.learn.layers.norm import BatchNorm
from neurodev.learn.model import Residual, Sequential
from neurodev.learn.training import recording
from neurodev.learn.training.callback import Callback, View
from neurodev.learn.training.checkpoint import check_state, state_of
from neurodev.learn.training.description import described
from neurodev.learn.training.encode import Bernoulli, Direct
from neurodev.learn.training.kept import TEXT, put
from neurodev.learn.training.method import Method
from neurodev.learn.training.optim import SGD, Adam, cosine, staircase
from neurodev.learn.training.reinforce import ClippedPolicy, Critic, PolicyTrainer, policy_network
from neurodev.learn.training.trainer import Trainer
from neurodev.methods.tensors import tensors
from neurodev.record.differences import differences
from neurodev.record.packed import pack, unpack
from neurodev.record.runfile import RunFile
from tests.learn.small import layers, net, patterns, trained

pytestmark = pytest.mark.filterwarnings("ignore:layer")  # nets this small fall silent now and then


class StopError(Exception):
    """Breaks a training off, as a crash would."""


def after(epoch: int, do: Callable[[Trainer], Any]) -> Callable[[Trainer], None]:
    def callback(t: Trainer) -> None:
        if t.epoch == epoch:
            do(t)

    return callback


def stop(t: Trainer) -> None:
    raise StopError


def broken_and_resumed(to: Path, make: Callable[..., Trainer]) -> Trainer:
    """Broken off by a callback, gone on with new objects."""
    with pytest.raises(StopError):
        make(to=to, last=stop).fit()
    return make(to=to, resume=True, last=lambda t: None).fit()


def assert_same(a: Trainer, b: Trainer) -> None:
    one, two = state_of(a), state_of(b)
    drop = lambda s: {k for k in s if not k.startswith("part/callback")}
    assert drop(one) == drop(two)
    for key in drop(one):
        np.testing.assert_array_equal(one[key], two[key], err_msg=key)


# ---------------------------------------------------------------- what is changed while it runs


class Counts(Method):
    """Keeps numbers, a list, a generator and a dictionary in attributes of its own; says nothing of them."""

    def __init__(self) -> None:
        self.n, self.seen, self.by = 0, [0.5], {"fc": np.zeros(2)}
        self._draw = np.random.default_rng(3)

    def after_step(self, trainer: Any) -> None:
        self.n += 1
        self.by["fc"] += self.n
        if self.n % 3 == 0:
            self.seen.append(float(self._draw.random()))
            trainer.weights()["out"].table.weight[0] += 1e-3 * (self.seen[-1] + self.by["fc"][0])


class Noise:
    """An augmentation with a generator of its own."""

    def __init__(self) -> None:
        self.draw = np.random.default_rng(1)

    def __call__(self, x: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        return np.clip(x + self.draw.normal(0, 0.05, x.shape), 0, 1).astype(np.float32)


class Falling:
    """A schedule that falls with every call."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, share: float) -> float:
        self.calls += 1
        return 1.0 / self.calls


class Plateau:
    """A callback that counts, and lowers the rate at the third count."""

    def __init__(self) -> None:
        self.counted = 0

    def __call__(self, t: Trainer) -> None:
        self.counted += 1
        if self.counted == 4:
            t.optimiser.rate *= 0.1


def lif(t: Trainer, k: int = 0) -> Any:
    return [layer for layer in t.model.layers() if isinstance(layer, LIF)][k]


CHANGES: dict[str, tuple[dict[str, Callable[[], Any]], Callable[[Trainer], Any]]] = {
    "rate": ({"optimiser": lambda: Adam(0.02)}, lambda t: setattr(t.optimiser, "rate", 0.002)),
    "momentum": ({"optimiser": lambda: SGD(0.1)}, lambda t: setattr(t.optimiser, "momentum", 0.5)),
    "decay": ({"optimiser": lambda: SGD(0.1)}, lambda t: setattr(t.optimiser, "decay", 0.01)),
    "steps": ({"optimiser": lambda: Adam(0.02)}, lambda t: setattr(t.optimiser, "steps", 0)),
    "threshold": ({}, lambda t: setattr(lif(t), "threshold", 0.4)),
    "leak": ({}, lambda t: setattr(lif(t, 1), "leak", 0.7)),
    "surrogate": ({}, lambda t: setattr(lif(t), "surrogate", Surrogate("triangle", 1.0))),
    "parameter of a method": (
        {"methods": lambda: [methods.NDSNN(0.7, every=3)]}, lambda t: setattr(t.methods[0], "last_death", 0.4)
    ),
    "attributes of a method": ({"methods": lambda: [Counts()]}, lambda t: None),
    "generator of an augmentation": ({"augment": Noise}, lambda t: None),
    "calls of a schedule": ({"schedule": Falling}, lambda t: None),
    "count of a callback": ({"callbacks": lambda: [Plateau()]}, lambda t: None),
    "object behind a callback": ({"callbacks": lambda: [Plateau().__call__]}, lambda t: None),
    "weights": ({}, lambda t: t.weights()["fc"].table.weight.__imul__(1.1)),
}  # fmt: skip


@pytest.mark.parametrize("what", CHANGES)
def test_what_is_changed_while_it_runs_is_in_the_checkpoint(what: str, tmp_path: Path) -> None:
    """Also in the very epoch after which it is broken off."""
    parts, change = CHANGES[what]

    def make(last: Callable[[Trainer], Any] = lambda t: None, **more: Any) -> Trainer:
        given = {name: part() for name, part in parts.items()}
        given["callbacks"] = [*given.get("callbacks", []), after(3, change), after(3, last)]
        return trained(**(given | more))

    whole = make().fit()
    again = broken_and_resumed(tmp_path / "run.sqlite", make)
    assert_same(whole, again)
    assert [e.train_loss for e in whole.history] == [e.train_loss for e in again.history]


class Remembers(Callback):
    """Keeps all that a checkpoint can hold, and ends a training by what it kept."""

    def __init__(self) -> None:
        self.seen: Counter[str] = Counter()
        self.by_name: defaultdict[str, list[int]] = defaultdict(list)
        self.ordered: OrderedDict[str, int] = OrderedDict(b=1)
        self.raw, self.turn = b"", 1j

    def epoch_end(self, view: View) -> None:
        self.seen["epoch"] += 1
        self.by_name["new"].append(view.epoch)
        self.ordered.move_to_end("b")
        self.ordered[f"e{view.epoch}"] = view.epoch
        self.raw, self.turn = self.raw + b"\xff\0", self.turn * 1j
        if self.seen["epoch"] == 3:
            view.stop("three")


def test_callbacks_remember_collections(tmp_path: Path) -> None:
    def make(last: Callable[[Trainer], Any], **more: Any) -> Trainer:
        return trained(epochs=6, callbacks=[Remembers(), after(2, last)], **more)

    whole = make(lambda t: None).fit()
    broken = broken_and_resumed(tmp_path / "a.sqlite", make)
    assert whole.epoch == broken.epoch == 3
    assert vars(whole.callbacks[0]) == vars(broken.callbacks[0])
    assert {k: type(v) for k, v in vars(broken.callbacks[0]).items()} == {
        "seen": Counter, "by_name": defaultdict, "ordered": OrderedDict, "raw": bytes, "turn": complex,
    }  # fmt: skip
    assert broken.callbacks[0].by_name["other"] == [] and list(broken.callbacks[0].ordered) == ["e1", "e2", "b", "e3"]


class Meter:
    __slots__ = ("seen", "thing")

    def __init__(self) -> None:
        self.seen, self.thing = 0, object()

    def __call__(self, trainer: Trainer) -> None:
        self.seen += 1


class Forgets(Callback):
    """Holds what no checkpoint can; what does not change does not count."""

    def __init__(self) -> None:
        self.pen, self.meter, self.n = object(), Meter(), 0
        self.ring: dict[str, Any] = {}
        self.ring["itself"] = self.ring
        self.call, self.place, self.file, self.log = print, np, Path("x"), logging.getLogger("x")

    def epoch_end(self, view: View) -> None:
        self.n += 1

    @classmethod
    def look(cls, trainer: Trainer) -> None:
        """As a callback, a method of the class."""


def test_what_callbacks_hold_and_checkpoints_do_not_is_told_once(tmp_path: Path) -> None:
    calls = [Forgets(), Forgets.look, Meter(), lambda t: None]
    with pytest.warns(UserWarning, match="do not keep") as told:
        trained(epochs=3, callbacks=calls, to=tmp_path / "a.sqlite").fit()
    [words] = [str(w.message) for w in told if "do not keep" in str(w.message)]
    names = "Forgets.meter (Meter), Forgets.pen (object), Forgets.ring (dict), Meter.thing (object)"
    assert f"do not keep {names}: a training" in words
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message="checkpoints do not keep")
        trained(epochs=1, callbacks=calls).fit()  # nobody goes on with a file of the moment


def test_slots_are_kept(tmp_path: Path) -> None:
    def make(last: Callable[[Trainer], Any], **more: Any) -> Trainer:
        return trained(epochs=6, callbacks=[Meter(), after(2, last)], **more)

    with pytest.warns(UserWarning, match="Meter.thing"):
        assert broken_and_resumed(tmp_path / "a.sqlite", make).callbacks[0].seen == 6


def test_a_change_of_a_layer_reaches_both_halves_of_a_batch() -> None:
    """The second half goes through a replica: with one threshold for both, halves that are equal learn alike."""
    t = trained()
    lif(t).threshold, lif(t, 1).surrogate = 0.3, Surrogate("triangle", 1.5)
    t.train_step(np.arange(10))
    for mine, theirs in zip(t.model.layers(), t.workers.twin.layers(), strict=True):
        assert {k: v for k, v in vars(mine).items() if isinstance(v, (float, Surrogate))} == {
            k: v for k, v in vars(theirs).items() if isinstance(v, (float, Surrogate))
        }


# ---------------------------------------------------------------- what belongs to one training


@pytest.mark.parametrize("make", [lambda: Adam(0.01), lambda: SGD(0.05), lambda: Adam(0.01, decay=0.1, decoupled=True)])
@pytest.mark.parametrize("first", ["none", "DPAP", "SDSNN"])
def test_a_second_trainer_begins_anew(make: Callable[[], Any], first: str) -> None:
    """On a model that another trainer has trained it does what it would do on one with the same weights."""
    used, fresh = net(), net()
    before = {"none": [], "DPAP": [methods.DPAP()], "SDSNN": [methods.SDSNN(scale=0.02)]}[first]
    trained(used, optimiser=make(), methods=before).fit(2)
    for name, w in fresh.weights_of().items():
        theirs = used.weights_of()[name].table
        w.table.weight[:], w.table.alive[:], w.table.n_synapse = theirs.weight, theirs.alive, theirs.n_synapse
    then = {"none": [], "DPAP": [], "SDSNN": [methods.SDSNN(scale=0.02)]}[first]
    after = [trained(m, optimiser=make(), methods=[dataclasses.replace(x) for x in then]).fit(3) for m in (used, fresh)]
    one, two = (m.model.weights_of() for m in after)
    for name in one:
        np.testing.assert_array_equal(one[name].table.weight, two[name].table.weight)
    assert all(layer.watch is None for layer in used.layers() if first == "DPAP")


WORDS: dict[str, dict[str, Any]] = {
    "NDSNN": {"sparsity": 0.6, "every": 3}, "RigL": {"sparsity": 0.5, "every": 3},
    "TracedNDSNN": {"sparsity": 0.6, "every": 3}, "TrophicNDSNN": {"sparsity": 0.6, "every": 3},
    "LTH": {"sparsity": 0.5, "share": 0.3}, "Static": {"sparsity": 0.4}, "SET": {"sparsity": 0.4},
}  # fmt: skip


def shared(name: str) -> dict[str, Any]:
    """An optimiser or a method, by name."""
    if name in ("Adam", "SGD"):
        return {"optimiser": Adam(0.02) if name == "Adam" else SGD(0.1)}
    return {"methods": [registry.ours("method")[name](**WORDS.get(name, {}))]}


@pytest.mark.parametrize("name", ["Adam", "SGD", *registry.ours("method")])
def test_one_object_for_two_trainings(name: str) -> None:
    """The second of two trainings that are given the same object does what the first did; also where both are open."""
    given = shared(name)
    lowered = after(1, lambda t: setattr(t.optimiser, "rate", 1e-4))
    runs = [trained(callbacks=[lowered], **given) for _ in range(2)]
    for _ in range(2):
        for t in runs:
            t.fit(1)
    later = trained(callbacks=[lowered], **given).fit(2)
    assert_same(runs[0], runs[1])
    assert_same(runs[0], later)


def test_parts_of_a_policy_trainer_are_its_own() -> None:
    loss, critic, maze = ClippedPolicy(), Critic(), Maze(4, 0.2)
    make = lambda: PolicyTrainer(
        policy_network(maze, 20), maze, transitions=60, steps=4, epochs=2, batch=20, loss=loss, critic=critic
    )
    one, two = make(), make()
    assert one.policy is not two.policy and one.critic is not two.critic and loss.experience is None
    one.fit(), two.fit()
    assert_same(one, two)


def test_what_cannot_be_copied_is_refused() -> None:
    class Own(SGD):
        """No dataclass field says how it is made."""

    used = Own(0.1)
    used.steps = 7
    with pytest.raises(StudyError, match="has made 7 steps already"):
        trained(optimiser=used)
    plain = Counts()
    trained(methods=[plain])
    with pytest.raises(StudyError, match="this Counts holds the state of another training"):
        trained(methods=[plain])


def test_a_model_belongs_to_the_last_trainer() -> None:
    model = net()
    first = trained(model)
    second = trained(model)
    with pytest.raises(ParameterError, match="another trainer has taken this model over"):
        first.fit(1)
    assert second.fit(1).epoch == 1 and first.evaluate().n == 12


def test_a_structure_is_drawn_on_a_whole_tensor_only() -> None:
    """A method that draws its own structure would put synapses of weight 0, without identity, where some are gone."""
    model = net()
    trained(model, methods=[methods.Static(0.5)])
    with pytest.raises(StudyError, match="SET draws the structure of 'fc' itself, but it has lost synapses"):
        trained(model, methods=[methods.SET(0.3)])
    with pytest.raises(StudyError, match="density=1"):
        trained(
            Sequential(Linear(12, density=0.5), LIF(0.2, 0.5), Linear(3), LIF(0.2, 0.5), inputs=(6,)),
            methods=[methods.Static(0.5)],
        )


# ---------------------------------------------------------------- what is compared


def halved(share: float) -> float:
    return 0.5


def other_loss(y: Any, labels: Any, total: int) -> Any:
    raise NotImplementedError


def reversed_data() -> Dataset:
    d = patterns()
    return Dataset(d.x_train[::-1].copy(), d.y_train[::-1].copy(), d.x_test, d.y_test, d.name, d.classes)


# of every argument of a trainer: another value that must be refused, or None where it changes no number
OTHER: dict[str, Any] = {
    "model": lambda: net(leak=0.9), "data": reversed_data, "encoder": lambda: Bernoulli(4, gain=0.9),
    "loss": lambda: "rate_cross_entropy", "optimiser": lambda: Adam(2e-3), "schedule": cosine, "epochs": lambda: 7,
    "batch": lambda: 11, "seed": lambda: 3, "methods": lambda: [methods.Static(0.5)], "life_per_epoch": lambda: 7.0,
    "augment": lambda: lambda x, generator: 1 - x, "settle": lambda: 2, "patience": lambda: 3,
    "calibrate": lambda: False, "threads": None, "to": None, "checkpoint": None, "progress": None, "callbacks": None,
    "resume": None, "overwrite": None, "clip_norm": lambda: 0.5, "clip_value": lambda: 0.5, "accumulate": lambda: 2,
    "groups": lambda: {"out": {"rate": 1e-4}}, "keep_best": None,
}  # fmt: skip


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("begun") / "run.sqlite"
    t = trained(to=path, loss="rate_mse")
    t.fit(1)
    t.record.close("broken off")
    return path


def test_a_loss_that_differs_is_named(tmp_path: Path) -> None:
    with pytest.raises(StopError):
        trained(to=tmp_path / "a.sqlite", callbacks=[after(2, stop)]).fit()
    said = "function of loss is rate_cross_entropy, the file has rate_mse"
    with pytest.raises(StudyError, match=said):
        trained(to=tmp_path / "a.sqlite", loss="rate_cross_entropy", resume=True)


def test_every_argument_is_compared_or_changes_no_number() -> None:
    assert set(OTHER) == set(inspect.signature(Trainer.__init__).parameters) - {"self"}


@pytest.mark.parametrize("name", [n for n, other in OTHER.items() if other is not None])
def test_another_value_is_refused_by_name(name: str, begun: Path) -> None:
    wanted = {"model": "leak of lif1 is 0.9, the file has 0.2", "data": "x_train of data", "encoder": "gain of encoder",
              "optimiser": "rate of optimiser is 0.002, the file has 0.001", "batch": "batch is 11, the file has 10",
              "methods": "Static"}  # fmt: skip
    with pytest.raises(StudyError, match=wanted.get(name, name)):
        trained(to=begun, resume=True, **{name: OTHER[name]()})
    with RunFile.open(begun) as file:  # nothing was dropped
        assert file.length("series/train_loss") == 1


MODELS: dict[str, Callable[[], Sequential]] = {
    "surrogate": lambda: Sequential(
        Linear(12, name="fc"), LIF(0.2, 0.5), Linear(3, name="out"), LIF(0.2, 0.5), inputs=(6,), seed=1
    ),
    "width": lambda: net(13), "order": lambda: net(leak=0.3), "kind of numbers": lambda: net(kind=np.float64),
    "seed": lambda: net(seed=2),
    "dropout": lambda: Sequential(*layers()[:2], Dropout(0.1), *layers()[2:], inputs=(6,), seed=1),
    "residual": lambda: Sequential(Residual(Linear(12, name="fc"), Linear(12)), *layers()[1:], inputs=(6,), seed=1),
}  # fmt: skip


@pytest.mark.parametrize("what", MODELS)
def test_every_network_is_another(what: str, begun: Path) -> None:
    with pytest.raises(StudyError, match="cannot resume"):
        trained(MODELS[what](), to=begun, resume=True)


def test_every_field_of_every_part_is_described() -> None:
    """Of all methods, optimisers and encoders: another value of any field is another description."""
    looked = 0
    for kind in ("method", "optimiser", "encoder"):
        for cls in registry.ours(kind).values():
            one = cls() if not inspect.isfunction(cls) else cls()
            for f in dataclasses.fields(one):
                if not f.init or f.name == "steps":
                    continue
                other = dataclasses.replace(one)
                object.__setattr__(other, f.name, "something else")
                found = differences(described(other, ("memory",)), described(one, ("memory",)), (kind,))
                assert found and f.name in found[0], (cls, f.name)
                looked += 1
    assert looked > 60


def test_functions_are_what_they_do() -> None:
    """By code, by what they have closed over, by defaults and by numbers they use; not by the line they stand in."""
    same = lambda a, b: not differences(described(a), described(b), ("augment",))
    make = lambda c: lambda x, generator: x * c
    assert same(make(2), make(2)) and not same(make(2), make(3))
    assert not same(lambda x, generator: x, lambda x, generator: 1 - x)
    assert same(lambda x, generator: x, lambda x, generator: x)

    def shifted(x: Any, generator: Any, by: float = 0.1) -> Any:
        return x + by

    once = described(shifted)
    shifted.__defaults__ = (0.2,)
    assert differences(described(shifted), once)
    assert (
        not same(staircase(0.5), staircase(0.25)) and same(cosine(0.1), cosine(0.1)) and not same(cosine(0.1), cosine())
    )
    used = described(halved_by_a_number)
    globals()["NUMBER"] = 3.0
    assert differences(described(halved_by_a_number), used)
    globals()["NUMBER"] = 2.0


NUMBER = 2.0


def halved_by_a_number(x: Any, generator: Any) -> Any:
    return x / NUMBER


class Slotted:
    """Keeps what it is in a slot, and in an attribute that it calls private."""

    __slots__ = ("by", "_more")

    def __init__(self, by: float, more: float) -> None:
        self.by, self._more = by, more


def test_slots_private_attributes_and_long_lists_are_described() -> None:
    for one, other in (
        (Slotted(1, 2), Slotted(1, 3)), (Slotted(1, 2), Slotted(2, 2)), (list(range(5000)), [*range(4999), 0]),
        ({k: k for k in range(3000)}, {k: -k for k in range(3000)}),
        (np.random.default_rng(1), np.random.default_rng(2)),
    ):  # fmt: skip
        assert differences(described(other), described(one))
        assert not differences(described(one), described(one))


def test_a_lambda_can_be_gone_on_with(tmp_path: Path) -> None:
    make = lambda last=lambda t: None, **more: trained(
        schedule=lambda share: 1 - 0.5 * share, callbacks=[after(3, last)], **more
    )
    assert_same(make().fit(), broken_and_resumed(tmp_path / "run.sqlite", make))


# ---------------------------------------------------------------- numbers of epochs


class Seldom(Method):
    """Has a number in some epochs only, the first time in the third."""

    def series(self, trainer: Any) -> dict[str, float]:
        return {"seldom": float(trainer.epoch)} if trainer.epoch in (3, 5) else {"early": 1.0}


def test_every_series_has_a_row_an_epoch(tmp_path: Path) -> None:
    def make(last: Callable[[Trainer], Any] = lambda t: None, **more: Any) -> Trainer:
        return trained(methods=[Seldom()], callbacks=[after(4, last)], **more)

    again = broken_and_resumed(tmp_path / "run.sqlite", make)
    again.record.close(True)
    with RunFile.open(tmp_path / "run.sqlite") as file:
        names = file.names("series/")
        lengths = {n: file.length(n) for n in names if n != "series/snapshot_day"}
        np.testing.assert_array_equal(file.read("series/seldom"), [np.nan, np.nan, 3, np.nan, 5, np.nan])
    assert set(lengths.values()) == {6}
    assert [e.series["seldom"] for e in again.history if e.number in (3, 5)] == [3.0, 5.0]


class Spy(SGD):
    """Notes the rate of each step."""

    def step(self, parameters: Any, factor: float = 1.0) -> None:
        self.__dict__.setdefault("used", []).append(factor * self.rate)
        super().step(parameters, factor)


@pytest.mark.parametrize("method", [None, lambda: methods.LTH(0.5, share=0.3)])
def test_the_rate_of_an_epoch_is_that_of_its_last_step(method: Callable[[], Any] | None) -> None:
    spy = Spy(0.1)
    given = [] if method is None else [method()]
    t = trained(optimiser=spy, schedule=staircase(0.25, 0.5), methods=given, batch=40).fit()
    assert [e.learning_rate for e in t.history] == spy.__dict__["used"]
    assert [e.rate_factor for e in t.history] == [u / 0.1 for u in spy.__dict__["used"]]


# ---------------------------------------------------------------- checkpoints of an older neurodev


@pytest.mark.parametrize("costs", [None, policy.REFERENCE[:7], ()], ids=["none", "before masks", "of a table"])
def test_a_run_of_an_older_neurodev_goes_on(costs: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What its checkpoint says of kernels is of other kernels: they are measured anew."""

    def older(t: Any) -> dict[str, Any]:
        state = state_of(t)
        del state["costs"]
        return state if costs is None else state | {"costs": np.array(costs, dtype=np.float64)}

    with monkeypatch.context() as then:
        then.setattr(recording, "state_of", older)
        with pytest.raises(StopError):
            trained(to=tmp_path / "run.sqlite", epochs=3, checkpoint=1, callbacks=[after(2, stop)]).fit()
    resumed = trained(to=tmp_path / "run.sqlite", epochs=3, checkpoint=1, callbacks=[after(9, stop)], resume=True)
    assert resumed.epoch > 0
    assert resumed.workers.costs is None
    assert_same(resumed.fit(), trained(epochs=3, checkpoint=1).fit())


# ---------------------------------------------------------------- checkpoints that are damaged


def test_a_damaged_checkpoint_is_refused() -> None:
    t = trained(Sequential(Linear(12, bias=True), BatchNorm(), LIF(0.2, 0.5), Linear(3), LIF(0.2, 0.5), inputs=(6,)))
    state = state_of(t)
    whole = pack(state)
    check_state(t, unpack(whole))
    table = [f"table/linear1/{key}" for key in ("storage", "uid", "weight", "post", "numbers")]
    for name in ("trainer", "vector/linear1/bias", "buffer/batchnorm1/mean", *table):
        with pytest.raises(RunFileError, match="a checkpoint is damaged"):
            check_state(t, {k: v for k, v in state.items() if k != name})
    with pytest.raises(RunFileError, match="a checkpoint is damaged"):
        check_state(t, state | {"vector/linear1/bias": np.zeros(5)})
    with pytest.raises(RunFileError, match="does not end at step"):
        check_state(t, state | {"trainer": np.array([2, 3, 900])})
    costs = np.array(policy.REFERENCE)
    bad = np.where(np.arange(costs.size) == 1, np.nan, costs), -costs, costs[:8], costs.reshape(2, -1), 0 * costs
    for given in (*bad, np.array(["a"] * costs.size)):
        with pytest.raises(RunFileError, match="no costs of kernels"):
            check_state(t, state | {"costs": given})
    check_state(t, state | {"costs": costs})
    draw = np.random.default_rng(0)
    for _ in range(40):
        cut = bytearray(whole)
        for at in draw.integers(0, len(cut), 3):
            cut[at] ^= int(draw.integers(1, 256))
        try:
            check_state(t, unpack(bytes(cut[: draw.integers(1, len(cut))])))
        except NeurodevError:
            continue


@pytest.mark.parametrize(
    "word",
    ["{", "[]", '{"__class__": 1}', '{"n": {"array": "x"}}', '{"n": {"generator": {"dict": ["bit_generator", "os"]}}}'],
)
def test_attributes_that_nobody_kept_are_refused(word: str) -> None:
    with pytest.raises(RunFileError, match="Counts"):
        put(Counts(), {TEXT: np.frombuffer(word.encode(), dtype=np.uint8)})


def test_names_of_layers_may_hold_any_sign(tmp_path: Path) -> None:
    def make(last: Callable[[Trainer], Any] = lambda t: None, **more: Any) -> Trainer:
        model = Sequential(Linear(12, name="a|b", bias=True), LIF(0.2, 0.5), Linear(3), LIF(0.2, 0.5), inputs=(6,))
        return trained(model, callbacks=[after(3, last)], **more)

    assert_same(make().fit(), broken_and_resumed(tmp_path / "run.sqlite", make))


def test_an_older_run_stays_until_an_epoch_is_done(tmp_path: Path) -> None:
    path = tmp_path / "run.sqlite"
    trained(to=path, epochs=2).fit().close()
    with pytest.raises(RunFileError, match="overwrite"):
        trained(to=path)

    class Fails(Method):
        """Breaks off in the first epoch."""

        def after_step(self, trainer: Any) -> None:
            raise StopError

    with pytest.raises(StopError):
        trained(to=path, overwrite=True, methods=[Fails()]).fit()
    with RunFile.open(path) as file:
        assert file.length("series/life") == 2
    trained(to=path, overwrite=True, epochs=1).fit().close()
    with RunFile.open(path) as file:
        assert file.length("series/life") == 1
    with pytest.raises(ParameterError, match="choose one of them"):
        trained(to=path, overwrite=True, resume=True)


class Nameless(Method):
    """Lets synapses die without saying why."""

    def epoch_end(self, trainer: Any) -> None:
        from neurodev.structure.plan import Plan

        table = tensors(trainer)[0].table
        trainer.propose("fc", [Plan("Nameless", table.slots()[:1])])


def test_a_death_without_a_cause_is_refused() -> None:
    with pytest.raises(ParameterError, match="plan of Nameless: 1 synapses are to die or be born with 0 causes"):
        trained(methods=[Nameless()]).fit(1)
    assert isinstance(trained(encoder=Direct()).fit(1), Trainer)

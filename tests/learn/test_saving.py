"""Models as files: what was saved comes back, what is none of ours is refused, nothing is executed."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from neurodev.errors import NeurodevError, ParameterError, StudyError
from neurodev.learn import (
    IF,
    LI,
    LIF,
    PLIF,
    AdaptiveLIF,
    AveragePool2d,
    BatchNorm,
    Bernoulli,
    Branches,
    Conv2d,
    Dendritic,
    Direct,
    Dropout,
    Flatten,
    Linear,
    MaxPool2d,
    Recurrent,
    ReLU,
    Repeat,
    Residual,
    Sequential,
    Surrogate,
    Vote,
    load,
)  # fmt: skip
from tests.learn import own_layers
from tests.learn.small import net, patterns, trained

DRAW = np.random.default_rng(8)
NETS: dict[str, Any] = {
    "convolutions": lambda: Sequential(
        Conv2d(4, 3, stride=2, bias=True), BatchNorm(0.5), LIF(0.3, 0.4, reset="subtract", detach=True), MaxPool2d(2),
        Flatten(), Dropout(0.3), Linear(6, storage="sparse", density=0.4), PLIF(2.5, 0.4), Vote(2), inputs=(9, 7, 2),
    ),
    "hidden": lambda: Sequential(Flatten(), Linear(5, storage="hidden"), IF(0.5), Linear(2), LI(0.7), inputs=(9, 7, 2)),
    "masked": lambda: Sequential(Flatten(), Linear(5, density=0.3, name="fc"), ReLU(), inputs=(9, 7, 2), seed=7),
    "loops": lambda: Sequential(
        Flatten(), Recurrent(Linear(4, name="in"), Linear(4), AdaptiveLIF(boost=0.6)), Linear(3), inputs=(9, 7, 2)
    ),
    "dendrites": lambda: Sequential(
        Flatten(), Dendritic(Linear(6), 0.2, bias=True), LIF(surrogate=Surrogate("arctan", 0.3, 2.0)),
        Sequential(Linear(8), Branches(2, slope=0.3)), inputs=(9, 7, 2), kind=np.float64,
    ),
    "residues": lambda: Sequential(
        Residual(Conv2d(2, 3), Sequential(Conv2d(2, 1, padding=0), BatchNorm())), LIF(0.2, 0.3), AveragePool2d(2),
        Flatten(), Linear(3), inputs=(9, 7, 2),
    ),
    "own": lambda: Sequential(
        Flatten(), Linear(4), own_layers.Slow(0.4, surrogate=own_layers.Bell(width=0.3)), Linear(2),
        LIF(surrogate=own_layers.hill), inputs=(9, 7, 2),
    ),
}  # fmt: skip


def shaken(model: Sequential) -> Sequential:
    """A model whose numbers are none that a constructor would make."""
    for layer in model.layers():
        for key, p in layer.parameters.items():
            if key not in ("weight", "leak"):
                p.value = DRAW.random(p.value.shape) + 0.2  # type: ignore[union-attr]
        for a in layer.buffers().values():
            a[...] = DRAW.random(a.shape) + 0.2
        if isinstance(layer, LIF) and type(layer) is LIF:
            layer.threshold = 0.37
    return model


@pytest.mark.parametrize("name", NETS)
def test_a_model_comes_back(name: str, tmp_path: Path) -> None:
    model = shaken(NETS[name]())
    x = DRAW.random((5, 6, 9, 7, 2))
    again = load(model.save(tmp_path / "m.npz"))
    np.testing.assert_array_equal(again.scores(x), model.scores(x))
    assert [layer.name for layer in again.layers()] == [layer.name for layer in model.layers()]
    assert [type(layer) for layer in again.layers()] == [type(layer) for layer in model.layers()]
    for mine, theirs in zip(model.weights_of().values(), again.weights_of().values(), strict=True):
        assert (mine.storage, mine.table.n_synapse) == (theirs.storage, theirs.table.n_synapse)
        assert mine.table.weight.dtype == theirs.table.weight.dtype
        np.testing.assert_array_equal(mine.matrix(), theirs.matrix())
    for one, other in zip(model.layers(), again.layers(), strict=True):
        if isinstance(one, LIF) and isinstance(other, LIF):
            assert one.constants() == other.constants() and (one.reset, one.detach) == (other.reset, other.detach)
            assert one.threshold == other.threshold and repr(one.surrogate) == repr(other.surrogate)


def test_arrays_are_plain_and_in_the_shapes_that_are_stated(tmp_path: Path) -> None:
    model = NETS["convolutions"]()
    with np.load(model.save(tmp_path / "m.npz"), allow_pickle=False) as found:
        assert found["conv2d1/weight"].shape == (4, 2, 3, 3) and found["linear1/weight"].shape == (6, 16)
        matrix = model.weights_of()["conv2d1"].matrix()
        for c, i, j in ((0, 0, 0), (1, 2, 0), (1, 1, 2)):
            np.testing.assert_array_equal(found["conv2d1/weight"][:, c, i, j], matrix[(c * 3 + i) * 3 + j])
        alive = found["linear1/weight.alive"]
        assert alive.dtype == bool and alive.sum() == model.weights_of()["linear1"].table.n_synapse
        assert not found["linear1/weight"][~alive].any() and "conv2d1/weight.alive" not in found
        assert {"batchnorm1/mean", "batchnorm1/variance", "batchnorm1/scale", "plif1/leak"} <= set(found.files)


def test_what_moves_behind_the_weights_is_kept(tmp_path: Path) -> None:
    model = NETS["hidden"]()
    w = model.weights_of()["linear1"]
    w.value[...] = DRAW.normal(size=w.value.shape)
    again = load(model.save(tmp_path / "m.npz")).weights_of()["linear1"]
    np.testing.assert_array_equal(again.value, w.value)


def test_a_loaded_model_knows_its_encoder_and_can_be_trained_on(tmp_path: Path) -> None:
    t = trained(epochs=2, loss="rate_cross_entropy").fit()
    again = load(t.model.save(tmp_path / "m.npz"))
    np.testing.assert_array_equal(again.predict_proba(patterns()), t.model.predict_proba(patterns()))
    assert repr(again.trained.encoder) == repr(t.encoder) and again.trained.seed == t.seed
    more = trained(again, epochs=1)
    assert not more.gains  # trained weights are not scaled
    more.fit()


def test_a_path_that_is_taken_or_ends_otherwise(tmp_path: Path) -> None:
    model = net()
    path = model.save(tmp_path / "m.npz")
    with pytest.raises(ParameterError, match="overwrite=True"):
        model.save(path)
    model.save(path, overwrite=True)
    with pytest.raises(ParameterError, match="saved as .npz"):
        model.save(tmp_path / "m.pt")
    with pytest.raises(ParameterError, match="must be built"):
        Sequential(Linear(2)).save(tmp_path / "n.npz")


def test_files_from_elsewhere_are_refused(tmp_path: Path) -> None:
    def said(name: str) -> str:
        with pytest.raises(NeurodevError) as e:
            load(tmp_path / name)
        return str(e.value)

    np.savez(tmp_path / "other.npz", weight=np.ones(3))
    np.savez(tmp_path / "words.npz", about=np.array(json.dumps({"form": "else"})))
    np.savez(tmp_path / "objects.npz", about=np.array([{}], dtype=object))
    (tmp_path / "text.npz").write_text("no archive")
    assert "no array 'about'" in said("other.npz") and "other arrays" in said("words.npz")
    assert "no model" in said("text.npz") and "no model" in said("objects.npz") and "no model" in said("none.npz")


def changed(path: Path, change: Any, **arrays: Any) -> Path:
    """The same file with other words or arrays."""
    with np.load(path) as found:
        kept = {k: found[k] for k in found.files}
    words = json.loads(str(kept["about"]))
    change(words)
    kept = {k: v for k, v in (kept | arrays).items() if v is not None}
    np.savez(path, **(kept | {"about": np.array(json.dumps(words))}))
    return path


@pytest.mark.parametrize(
    ("change", "arrays", "said"),
    [
        (lambda w: w.update(version=99), {}, "reads 1"),
        (lambda w: w.pop("names"), {}, "damaged"),
        (lambda w: w["names"].pop(), {}, "damaged"),
        (lambda w: w["model"]["given"]["layers"][0].update({"class": "os:system"}), {}, "no layer, surrogate"),
        (lambda w: w["model"]["given"]["layers"][0].update({"class": "nowhere:Layer"}), {}, "import 'nowhere' first"),
        (lambda w: w["model"]["given"]["layers"][0]["given"].update(n_out=-1), {}, "n_out"),
        (lambda w: w["model"].update({"class": "os:getcwd"}), {}, "no word for a model"),
        (lambda w: None, {"fc/weight": np.ones((6, 12))}, "transpose it"),
        (lambda w: None, {"fc/weight": np.full((12, 6), np.nan)}, "finite"),
        (lambda w: None, {"fc/weight": None}, "no array 'fc/weight'"),
    ],
)
def test_a_damaged_file_is_told(change: Any, arrays: dict[str, Any], said: str, tmp_path: Path) -> None:
    path = changed(net().save(tmp_path / "m.npz"), change, **arrays)
    with pytest.raises(NeurodevError, match=said):
        load(path)


def test_own_classes_need_to_be_imported_and_unchanged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = NETS["own"]().save(tmp_path / "m.npz")
    word = "tests.learn.own_layers:Slow"
    stale = changed(path, lambda w: w["sources"][word].update(sha256="0" * 64))
    with pytest.raises(StudyError, match="source of 'tests.learn.own_layers:Slow'"):
        load(stale)
    assert type(next(iter(load(stale, trust=True).parts()[2].layers()))) is own_layers.Slow
    monkeypatch.delitem(sys.modules, "tests.learn.own_layers")
    with pytest.raises(NeurodevError, match=r"import '?tests.learn.own_layers"):
        load(path)
    with pytest.raises(ParameterError, match="import 'tests.learn.own_layers' first"):
        load(path, trust=True)
    assert "tests.learn.own_layers" not in sys.modules


def test_what_has_no_name_is_refused_when_it_is_saved(tmp_path: Path) -> None:
    def nameless(x: Any) -> Any:
        return np.exp(-(x**2))

    for layer, said in ((LIF(surrogate=nameless), "at the top of a module"), (own_layers.Forgetful(), "'half'")):
        with pytest.raises(ParameterError, match=said):
            Sequential(Linear(3), layer, inputs=(4,)).save(tmp_path / "m.npz")
    assert not (tmp_path / "m.npz").exists()


def test_an_encoder_without_a_name_is_left_out(tmp_path: Path) -> None:
    class Mine(Bernoulli):
        pass

    t = trained(encoder=Mine(4), epochs=1).fit()
    again = load(t.model.save(tmp_path / "m.npz"))
    assert again.trained.encoder is None
    np.testing.assert_array_equal(again.predict(patterns(), encoder=Bernoulli(4)), t.model.predict(patterns()))
    one = Sequential(Linear(3), Repeat(3), LIF(), inputs=(6,))
    assert load(one.save(tmp_path / "one.npz")).scores(np.ones((2, 6)), encoder=Direct()).shape == (2, 3)

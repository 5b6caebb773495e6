"""NIR graphs: what comes back is the same net, spike for spike; what NIR cannot say is named."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import neurodev as nd
from neurodev.errors import ParameterError
from neurodev.formats import NIR
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
    Dropout,
    Flatten,
    Linear,
    MaxPool2d,
    Recurrent,
    Repeat,
    Residual,
    Sequential,
    Surrogate,
    Vote,
    channels_first,
    from_nir,
    to_nir,
)  # fmt: skip

nir = pytest.importorskip("nir")
DRAW = np.random.default_rng(6)
NETS: dict[str, Any] = {
    "dense": lambda: Sequential(Linear(8, bias=True), LIF(0.3, 0.6), Linear(4), IF(0.8), inputs=(12,)),
    "learned": lambda: Sequential(
        Linear(8), PLIF(2.0, 0.4, surrogate=Surrogate("arctan", 0.3, 2.0)), Dropout(0.3), Linear(6), LI(0.6),
        inputs=(12,),
    ),
    "voters": lambda: Sequential(Linear(8), LIF.from_tau(2.0, 0.3), Vote(2), inputs=(12,)),
    "sparse": lambda: Sequential(Linear(8, storage="sparse", density=0.4), LIF(0.3, 0.4), inputs=(12,)),
    "images": lambda: Sequential(
        Conv2d(3, 3, stride=2, bias=True), BatchNorm(0.5), LIF(0.4, 0.3), AveragePool2d(2), Flatten(), Linear(4),
        BatchNorm(), LIF(0.2, 0.3), inputs=(9, 13, 2),
    ),
    "residual": lambda: Sequential(
        Conv2d(4, 3, padding=1), LIF(0.4, 0.3), Residual(
            Sequential(Conv2d(4, 3, padding=1, bias=True), BatchNorm(), LIF(0.3, 0.2), Conv2d(4, 3, padding=1)),
            Sequential(Conv2d(4, 1), BatchNorm(0.7)),
        ), LIF(0.4, 0.4), Residual(Conv2d(4, 3, padding=1)), LIF(0.3, 0.5), AveragePool2d(2), Linear(4), LI(0.4),
        inputs=(6, 8, 2),
    ),
    "nested": lambda: Sequential(
        Linear(6), LIF(0.4, 0.3), Residual(
            Sequential(Linear(6), LIF(0.3, 0.2), Residual(Linear(6), Linear(6)), LIF(0.3, 0.3), Linear(6))
        ),
        LIF(0.4, 0.4), Residual(Linear(4), Linear(4)), inputs=(5,),
    ),
    "straight": lambda: Sequential(Conv2d(3, 5, padding=1), LIF(0.4, 0.3), Linear(4), LIF(0.2, 0.3), inputs=(9, 13, 2)),
}  # fmt: skip


def shaken(model: Sequential) -> Sequential:
    for layer in model.layers():
        for key, p in layer.parameters.items():
            if key not in ("weight", "leak"):
                p.value = DRAW.random(p.value.shape) * 0.3  # type: ignore[union-attr]
        for key, a in layer.buffers().items():
            a[...] = DRAW.random(a.shape) * 0.3 + (key == "variance") * 0.1
    return model


def shown(model: Sequential) -> Any:
    """Random spikes as a signal for a model."""
    return Bernoulli(25)(DRAW.random((6, *(model.inputs or ()))), np.arange(6), 1, 0)


@pytest.mark.parametrize("name", NETS)
def test_a_model_comes_back_by_the_library(name: str, tmp_path: Path) -> None:
    model = shaken(NETS[name]())
    x = shown(model)
    path = model.export(tmp_path / "m.nir")
    graph = nir.read(str(path))
    for again in (from_nir(graph), NIR().read(path)):
        assert again.inputs == model.inputs
        np.testing.assert_allclose(again.scores(x), model.scores(x), atol=1e-5)
    spiking = [layer for layer in model.layers() if isinstance(layer, LIF)]
    back = [layer for layer in again.layers() if isinstance(layer, LIF)]
    for one, other in zip(spiking, back, strict=True):
        np.testing.assert_allclose(other.constants(), one.constants(), rtol=1e-12)
        assert (other.threshold, other.surrogate) == (one.threshold, one.surrogate)


def euler(graph: Any, x: Any, dt: float) -> Any:
    """The graph's own equations by forward Euler, in float64: counts of the last nodes, (n, ...); channels first."""
    chain = [n for n in graph.nodes if n not in ("input", "output")]
    v: dict[str, Any] = {}
    total: Any = 0
    for now in x:
        y = now
        for name in chain:
            node = graph.nodes[name]
            kind = type(node).__name__
            if kind in ("Linear", "Affine"):
                y = y @ node.weight.T.astype(float) + getattr(node, "bias", 0.0)
            else:
                u = v.get(name, np.zeros_like(y))
                u = u + dt / node.tau * (node.v_leak - u + node.r * y) if kind != "IF" else u + node.r * y
                y = u if kind == "LI" else (u > node.v_threshold).astype(float)
                v[name] = u if kind == "LI" else np.where(y > 0, node.v_reset, u)
        total = total + y
    return total


@pytest.mark.parametrize("name", ["dense", "learned", "sparse", "voters"])
@pytest.mark.parametrize("dt", [1e-4, 1e-3])
def test_the_equations_of_the_graph_are_ours_by_forward_euler(name: str, dt: float) -> None:
    """What `nir` itself means by its nodes, against our spikes; another step is another time constant alone."""
    model = shaken(NETS[name]())
    x = shown(model)
    found = euler(to_nir(model, dt=dt), x.by_row.reshape(x.steps, x.batch, -1).astype(float), dt)
    np.testing.assert_allclose(found / x.steps, model.scores(x), atol=1e-5)


def test_shapes_have_channels_first() -> None:
    graph = to_nir(NETS["images"]())
    assert graph.nodes["input"].input_type["input"].tolist() == [2, 9, 13]
    assert graph.nodes["lif1"].tau.shape == (3, 5, 7) and graph.nodes["conv2d1"].weight.shape == (3, 2, 3, 3)
    assert "batchnorm1" not in graph.nodes and type(graph.nodes["linear1"]).__name__ == "Affine"
    straight = NETS["straight"]()
    graph = to_nir(straight)
    assert "linear1_flatten" in graph.nodes and graph.nodes["linear1"].weight.shape[0] == 4
    w = graph.nodes["linear1"].weight
    n, h, wide = (3, 7, 11)
    mine = straight.weights_of()["linear1"].matrix().reshape(h, wide, n, 4)
    np.testing.assert_array_equal(w.reshape(4, n, h, wide), channels_first(mine.transpose(3, 0, 1, 2)))


def test_a_graph_of_others_is_read() -> None:
    """Without our words, with numbers for a layer or for each neuron, and its own reset left to its default."""
    one = lambda v, n=3: np.full(n, v)
    graph = nir.NIRGraph.from_list(
        nir.Affine(weight=np.eye(3, 2), bias=np.zeros(3)),
        nir.LIF(tau=one(5e-3), r=one(2.0), v_leak=one(0.0), v_threshold=one(0.4)),
        nir.Linear(weight=np.ones((1, 3))), nir.LI(tau=one(1e-2, 1), r=one(1.0, 1), v_leak=one(0.0, 1)),
    )  # fmt: skip
    model = from_nir(graph, dt=1e-3)
    lif, li = model.parts()[1], model.parts()[3]
    assert isinstance(lif, LIF) and isinstance(li, LI)
    np.testing.assert_allclose([lif.leak, lif.gain, lif.threshold, li.leak, li.gain], [0.8, 0.4, 0.4, 0.9, 0.1])


@pytest.mark.parametrize("kind", ["CubaLIF", "CubaLI"])
def test_a_synaptic_current_stands_before_the_potential(kind: str) -> None:
    """As snnTorch's Synaptic steps: the current of a step acts in the same step."""
    one = lambda v: np.full(3, v)
    more = {} if kind == "CubaLI" else {"v_threshold": one(0.3), "v_reset": one(0.0)}
    node = getattr(nir, kind)(tau_syn=one(2e-3), tau_mem=one(4e-3), r=one(1.5), v_leak=one(0.0), w_in=one(2.0), **more)
    model = from_nir(nir.NIRGraph.from_list(nir.Linear(weight=np.eye(3, 2)), node), dt=1e-3)
    x = Bernoulli(30)(DRAW.random((4, 2)), np.arange(4), 0, 0)
    i, v, out = np.zeros((4, 3)), np.zeros((4, 3)), np.zeros((4, 3))
    for now in x.by_row.reshape(30, 4, 2).astype(float):
        i = i + 1e-3 / 2e-3 * (2.0 * now @ np.eye(2, 3) - i)
        v = v + 1e-3 / 4e-3 * (1.5 * i - v)
        s = (v >= 0.3) if kind == "CubaLIF" else v
        v = np.where(s, 0, v) if kind == "CubaLIF" else v
        out += s
    np.testing.assert_allclose(model.scores(x), out / 30, atol=1e-6)


@pytest.mark.parametrize("neurons_first", [True, False])
def test_sums_over_pools_are_means_of_larger_weights(neurons_first: bool) -> None:
    """The weights behind, or before where the pool is of currents, take up the number of places."""
    conv = nir.Conv2d((4, 6), DRAW.random((3, 1, 3, 3)), 1, 1, 1, 1, DRAW.random(3) * 0.1)
    cells = lambda *shape: nir.LIF(
        tau=np.full(shape, 5e-4), r=np.ones(shape), v_leak=np.zeros(shape), v_threshold=np.full(shape, 0.5)
    )
    last = nir.Linear(weight=DRAW.random((2, 18)))
    size = {"kernel_size": np.array([2, 2]), "stride": np.array([2, 2]), "padding": np.array([0, 0])}
    flat = nir.Flatten(input_type={"input": np.array([3, 2, 3])}, start_dim=0, end_dim=-1)
    graph = lambda pool: nir.NIRGraph.from_list(
        conv, *([cells(3, 4, 6), pool, flat, last] if neurons_first else [pool, cells(3, 2, 3), flat, last])
    )
    total, mean = from_nir(graph(nir.SumPool2d(**size))), from_nir(graph(nir.AvgPool2d(**size)))
    x = Bernoulli(10)(DRAW.random((5, 4, 6, 1)), np.arange(5), 0, 0)
    if neurons_first:
        np.testing.assert_allclose(total.scores(x), 4 * mean.scores(x), rtol=1e-5)
    else:
        u = [m.activity(x, [m.parts()[1].name], "values")[m.parts()[1].name] for m in (total, mean)]
        np.testing.assert_allclose(u[0], 4 * u[1], rtol=1e-5)


def test_our_words_are_not_believed_where_the_graph_was_changed() -> None:
    graph = to_nir(Sequential(Linear(3), LIF(0.5, 0.8), inputs=(2,)))
    graph.nodes["lif1"].v_threshold = graph.nodes["lif1"].v_threshold * 2
    lif = from_nir(graph).parts()[1]
    assert isinstance(lif, LIF) and math.isclose(lif.threshold / lif.gain, 1.6)
    graph.nodes["lif1"].metadata["neurodev"] = "no words"
    assert isinstance(from_nir(graph).parts()[1], LIF)


REFUSED: dict[str, Any] = {
    "no adaptive threshold": lambda: [Linear(3), AdaptiveLIF(name="a")],
    "no gates": lambda: [Dendritic(Linear(3)), LIF()],
    "no dendrites": lambda: [Linear(4), Branches(2), LIF()], "resets by subtraction": lambda: [
        Linear(3), LIF(reset="subtract")], "maximum": lambda: [Conv2d(2), LIF(), MaxPool2d(2)],
    "no steps": lambda: [Conv2d(2), Repeat(3), LIF()],
    "how late a loop acts": lambda: [Recurrent(Linear(3, name="f"), Linear(3, name="b"), LIF())],
    "surrogates=False": lambda: [Linear(3), LIF(surrogate=np.exp)], "does not leak": lambda: [Linear(3), LI(1.0)],
    "follows no weights": lambda: [Conv2d(2), BatchNorm(), BatchNorm(), LIF()],
}  # fmt: skip


@pytest.mark.parametrize("said", REFUSED)
def test_what_nir_cannot_say_is_refused_by_name(said: str, tmp_path: Path) -> None:
    model = Sequential(*REFUSED[said](), inputs=(6, 6, 2))
    with pytest.raises(ParameterError, match=f"NIR cannot say.*({said})"):
        model.export(tmp_path / "m.nir")
    assert not (tmp_path / "m.nir").exists()
    with pytest.raises(ParameterError, match="NIR cannot say"):
        NIR().graph(nd.LIF())


def test_a_surrogate_of_ones_own_can_be_left_out() -> None:
    model = Sequential(Linear(3), LIF(0.4, surrogate=np.exp), inputs=(2,))
    graph = to_nir(model, surrogates=False)
    assert "surrogate" not in json.loads(graph.nodes["lif1"].metadata["neurodev"])
    assert isinstance(from_nir(graph).parts()[1], LIF)


def graph_of(*nodes: Any) -> Any:
    return nir.NIRGraph.from_list(*nodes, type_check=False)


ONE = np.ones(2)


def cell() -> Any:
    return nir.LIF(tau=ONE, r=ONE, v_leak=0 * ONE, v_threshold=ONE)


BAD: dict[str, Any] = {
    "tau_syn of .* less than the step": lambda: graph_of(
        nir.CubaLIF(tau_syn=ONE * 1e-6, tau_mem=ONE, r=ONE, v_leak=0 * ONE, v_threshold=ONE)),
    "SumPool2d.*no weights beside it": lambda: nir.NIRGraph.from_list(
        nir.Input(input_type={"input": np.array([2, 4, 4])}),
        nir.SumPool2d(kernel_size=np.array([2, 2]), stride=np.array([2, 2]), padding=np.array([0, 0])),
        nir.LIF(tau=np.ones((2, 2, 2)), r=np.ones((2, 2, 2)), v_leak=np.zeros((2, 2, 2)),
                v_threshold=np.ones((2, 2, 2))), type_check=False),
    "Delay.*no counterpart": lambda: graph_of(nir.Delay(delay=ONE)),
    "one number for all": lambda: graph_of(nir.LIF(tau=np.array([1.0, 2.0]), r=ONE, v_leak=0 * ONE, v_threshold=ONE)),
    "rest at 0": lambda: graph_of(nir.LIF(tau=ONE, r=ONE, v_leak=ONE, v_threshold=2 * ONE)),
    "less than the step": lambda: graph_of(nir.LIF(tau=ONE * 1e-6, r=ONE, v_leak=0 * ONE, v_threshold=ONE)),
    "no groups": lambda: graph_of(nir.Conv2d((4, 4), np.ones((2, 1, 3, 3)), 1, 1, 1, 2, np.zeros(2))),
    "kernels here are square": lambda: graph_of(nir.Conv2d((4, 4), np.ones((2, 1, 3, 5)), 1, 1, 1, 1, np.zeros(2))),
    "both ways end in spikes": lambda: nir.NIRGraph(
        nodes={"input": nir.Input(np.array([2])), "a": nir.Linear(np.eye(2)), "b": cell(), "c": cell(),
               "d": nir.Linear(np.eye(2)), "output": nir.Output(np.array([2]))},
        edges=[("input", "a"), ("a", "b"), ("a", "c"), ("b", "d"), ("c", "d"), ("d", "output")]),
    "branches or loops at 'a'": lambda: nir.NIRGraph(
        nodes={"input": nir.Input(np.array([2])), **{k: nir.Linear(np.eye(2)) for k in "abcd"},
               "output": nir.Output(np.array([2]))},
        edges=[("input", "a"), ("a", "b"), ("a", "c"), ("a", "d"), ("b", "output"), ("c", "output"), ("d", "output")]),
    "branches or loops": lambda: nir.NIRGraph(
        nodes={"input": nir.Input(np.array([2])), "a": nir.Linear(np.eye(2)), "b": nir.Linear(np.eye(2)),
               "output": nir.Output(np.array([2]))},
        edges=[("input", "a"), ("a", "b"), ("b", "a"), ("b", "output")]),
}  # fmt: skip


@pytest.mark.parametrize("said", BAD)
def test_what_has_no_counterpart_here_is_named(said: str) -> None:
    with pytest.raises(ParameterError, match=said):
        from_nir(BAD[said]())


def test_files_and_things_that_are_no_graphs(tmp_path: Path) -> None:
    (tmp_path / "a.nir").write_text("no graph")
    for name in ("a.nir", "none.nir"):
        with pytest.raises(ParameterError, match="holds no NIR graph"):
            NIR().read(tmp_path / name)
    with pytest.raises(ParameterError, match=r"must be a nir.NIRGraph"):
        from_nir({})
    with pytest.raises(ParameterError, match="dt must"):
        NIR(dt=0)

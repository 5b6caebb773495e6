"""Weights from PyTorch and to it: shapes, order of channels, names; with torch where it is, by hand where not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from neurodev.errors import ParameterError
from neurodev.learn import (
    LIF,
    PLIF,
    AveragePool2d,
    BatchNorm,
    Conv2d,
    Direct,
    Flatten,
    Linear,
    Sequential,
    channels_first,
    from_torch,
    to_torch,
)  # fmt: skip
from tests.learn.small import net

DRAW = np.random.default_rng(4)


def images(n_linear: int = 5) -> Sequential:
    return Sequential(
        Conv2d(4, 3, bias=True, name="conv"), BatchNorm(threshold=0.5, name="norm"), AveragePool2d(2), Flatten(),
        Linear(n_linear, bias=True, name="fc"), inputs=(6, 8, 3),
    )  # fmt: skip


def state(model: Sequential) -> dict[str, Any]:
    """A state dict of the same shapes, of other numbers."""
    return {k: DRAW.random(a.shape).astype(np.float32) + 0.1 for k, a in to_torch(model).items()}


def test_a_model_gives_what_pytorch_gives() -> None:
    torch = pytest.importorskip("torch")
    nn = torch.nn
    torch.manual_seed(1)
    theirs = nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(48, 5)
    ).eval()
    theirs[1].running_mean.uniform_()
    theirs[1].running_var.uniform_(0.5, 1)
    mine = from_torch(theirs.state_dict(), images())
    x = DRAW.random((7, 6, 8, 3)).astype(np.float32)
    want = theirs(torch.from_numpy(np.ascontiguousarray(channels_first(x)))).detach().numpy()
    np.testing.assert_allclose(mine.scores(x, encoder=Direct()), want, atol=1e-6)
    back = to_torch(mine)
    for (name, a), b in zip(back.items(), (v for k, v in theirs.state_dict().items() if "num" not in k), strict=True):
        np.testing.assert_allclose(a, b.numpy(), atol=1e-7, err_msg=name)


def test_channels_are_turned_behind_an_image_alone() -> None:
    """Our input (h, w, c) of the linear layer is theirs (c, h, w); by a loop."""
    model = images()
    given = state(model)
    from_torch(given, model)
    matrix = model.weights_of()["fc"].matrix()  # (3 * 4 * 4, 5)
    for h, w, c in ((0, 0, 1), (2, 3, 0), (1, 2, 3)):
        np.testing.assert_array_equal(matrix[(h * 4 + w) * 4 + c], given["fc.weight"][:, (c * 3 + h) * 4 + w])
    from_torch(given, model, channels="last")
    np.testing.assert_array_equal(model.weights_of()["fc"].matrix(), given["fc.weight"].T)
    flat = net()
    from_torch({"a.weight": np.ones((12, 6)), "b.weight": np.arange(36.0).reshape(3, 12)}, flat)
    np.testing.assert_array_equal(flat.weights_of()["out"].matrix(), np.arange(36.0).reshape(3, 12).T)


def test_there_and_back() -> None:
    model = images()
    given = state(model)
    back = to_torch(from_torch(given, model))
    assert list(back) == list(given)
    for name, a in given.items():
        np.testing.assert_allclose(back[name], a, rtol=1e-6, err_msg=name)


def test_a_mapping_takes_some_layers_and_constants_of_neurons() -> None:
    model = Sequential(Linear(4, name="fc"), LIF(name="lif"), Linear(2, name="out"), PLIF(name="last"), inputs=(3,))
    before = model.weights_of()["out"].matrix()
    given = {
        "net.0.weight": np.ones((4, 3)), "net.1.beta": np.array(0.8), "net.1.threshold": np.array([0.7]),
        "net.9.w": np.array([0.3]),
    }  # fmt: skip
    from_torch(given, model, {"fc": "net.0", "lif": "net.1", "last": "net.9"})
    lif = model.parts()[1]
    assert isinstance(lif, LIF) and (lif.leak, lif.threshold) == (0.8, 0.7)
    np.testing.assert_array_equal(model.weights_of()["out"].matrix(), before)
    assert model.parts()[3].parameters["leak"].value[0] == 0.3  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("given", "mapping", "said"),
    [
        ({"a.weight": np.ones((12, 6))}, None, "1 layers with weights.*'fc', 'out'"),
        ({"a.weight": np.ones((6, 12)), "b.weight": np.ones((3, 12))}, None, "transpose it"),
        ({"a.weight": np.ones((12, 6)), "b.weight": np.full((3, 12), np.nan)}, None, "finite"),
        ({"a.weight": np.ones((12, 6)), "a.bias": np.ones(12), "b.weight": np.ones((3, 12))}, None, "bias=True"),
        ({"a.weight": np.ones((12, 6))}, {"fk": "a"}, "did you mean 'fc'"),
        ({"a.weight": np.ones((12, 6))}, {"fc": "b"}, "nothing in state begins with 'b'"),
        ({"a.bias": np.ones(12)}, {"fc": "a"}, "no a.weight"),
        ({"a.beta": np.array([0.1, 0.2])}, {"lif1": "a"}, "differs among neurons"),
        ({"a.weight": "no"}, {"fc": "a"}, "state"),
        ([1, 2], None, "state must be a dictionary"),
        ({"a.weight": np.ones((12, 6))}, {}, "mapping must be"),
    ],
)
def test_what_does_not_fit_changes_nothing(given: Any, mapping: Any, said: str) -> None:
    model = net()
    before = to_torch(model)
    with pytest.raises(ParameterError, match=said):
        from_torch(given, model, mapping)
    for name, a in to_torch(model).items():
        np.testing.assert_array_equal(a, before[name])


def test_a_weight_without_a_synapse_is_refused() -> None:
    model = Sequential(Linear(4, density=0.5, name="fc"), LIF(), inputs=(3,))
    with pytest.raises(ParameterError, match="no synapse"):
        from_torch({"0.weight": np.ones((4, 3))}, model)
    with pytest.raises(ParameterError, match="must be built"):
        to_torch(Sequential(Linear(3)))

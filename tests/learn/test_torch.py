"""The layers against torch's autograd, in float64; skipped where torch is not installed (it is no dependency)."""

import numpy as np
import pytest

from neurodev.learn.core.spikes import Current, Spikes
from neurodev.learn.core.surrogate import Surrogate
from neurodev.learn.layers.adaptive import AdaptiveLIF
from neurodev.learn.layers.conv import Conv2d
from neurodev.learn.layers.dendritic import Dendritic
from neurodev.learn.layers.linear import Linear
from neurodev.learn.layers.neurons import LIF
from neurodev.learn.layers.norm import BatchNorm
from neurodev.learn.layers.pool import AveragePool2d, Flatten, MaxPool2d
from neurodev.learn.model import Residual, Sequential

from .test_conv import weights_of

torch = pytest.importorskip("torch")
T, B = 4, 3


class Spike(torch.autograd.Function):
    """1 where x >= 0; backward by one of our surrogates."""

    @staticmethod
    def forward(ctx, x, surrogate):
        ctx.save_for_backward(x)
        ctx.surrogate = surrogate
        return (x >= 0).to(x.dtype)

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return g * torch.from_numpy(ctx.surrogate(x.detach().numpy())), None


def lif(x, n):
    """x (T, B, ...) -> spikes."""
    v, a, out = torch.zeros_like(x[0]), torch.zeros_like(x[0]), []
    boost, hold = getattr(n, "boost", 0.0), getattr(n, "hold", 0.0)
    for t in range(x.shape[0]):
        u = n.leak * v + n.gain * x[t]
        theta = n.threshold + boost * a
        s = Spike.apply(u - theta, n.surrogate)
        back = s.detach() if n.detach else s
        v = u - back * (theta.detach() if n.detach and boost else theta) if n.reset == "subtract" else u * (1 - back)
        a = hold * a + (1 - hold) * s
        out.append(s)
    return torch.stack(out)


def run(layer, x, leaves):
    """The same model in torch; x (T, B, H, W, C) or (T, B, n); fills `leaves` with (our weights, their tensor)."""
    image = lambda f: f(x.flatten(0, 1).permute(0, 3, 1, 2)).permute(0, 2, 3, 1).unflatten(0, x.shape[:2])
    F = torch.nn.functional
    if isinstance(layer, Residual):
        short = x if layer.shortcut is None else run(layer.shortcut, x, leaves)
        return run(layer.body, x, leaves) + short
    if isinstance(layer, Dendritic):
        return run(layer.drive, x, leaves) * (1 + run(layer.gate, x, leaves))
    if isinstance(layer, Sequential):
        for part in layer.parts():
            x = run(part, x, leaves)
        return x
    if isinstance(layer, Conv2d):
        w = torch.tensor(weights_of(layer).transpose(3, 0, 1, 2), requires_grad=True)
        leaves.append((lambda: weights_of(layer, True).transpose(3, 0, 1, 2), w))
        return image(lambda y: F.conv2d(y, w, stride=layer.stride, padding=layer.padding))
    if isinstance(layer, Linear):
        table = layer.weights.table
        w = torch.tensor(table.grid(table.weight)[:, : table.n_target].copy(), requires_grad=True)
        leaves.append((lambda: table.grid(layer.weights.gradient)[:, : table.n_target], w))
        return x.flatten(2) @ w
    if isinstance(layer, LIF):
        return lif(x, layer)
    if isinstance(layer, AveragePool2d):
        return image(lambda y: F.avg_pool2d(y, layer.size))
    if isinstance(layer, MaxPool2d):
        return image(lambda y: F.max_pool2d(y, layer.size))
    if isinstance(layer, BatchNorm):
        scale, shift = (torch.tensor(layer.parameters[k].value, requires_grad=True) for k in ("scale", "shift"))
        leaves.append((lambda: layer.parameters["scale"].gradient, scale))
        leaves.append((lambda: layer.parameters["shift"].gradient, shift))
        flat = x.flatten(0, -2)
        y = F.batch_norm(flat, None, None, scale * layer.level, shift, training=True, eps=layer.epsilon)
        return y.unflatten(0, x.shape[:-1])
    return x.flatten(2)


RECTANGLE, ARCTAN = Surrogate("rectangle", 0.5), Surrogate.from_alpha(2.0)
small = lambda **n: LIF(0.4, 0.4, **n)


def models():
    body = lambda stride: Sequential(
        Conv2d(5, 3, stride=stride), BatchNorm(0.8), small(surrogate=ARCTAN), Conv2d(5, 3), BatchNorm()
    )  # fmt: skip
    return {
        "average": [Conv2d(6), small(), AveragePool2d(2), Conv2d(7), small(), AveragePool2d(2), Flatten(), Linear(5)],
        "maximum": [Conv2d(6), small(detach=True), MaxPool2d(2), Conv2d(7), small(reset="subtract"), MaxPool2d(2),
                    Flatten(), Linear(5), small()],
        "norms": [Conv2d(6, 5), BatchNorm(), small(surrogate=ARCTAN), Conv2d(4, 3, stride=2), BatchNorm(0.5), small(),
                  Flatten(), Linear(5)],
        "residual": [Conv2d(5), small(), Residual(body(1)), small(),
                     Residual(body(2), Sequential(Conv2d(5, 1, stride=2, padding=0), BatchNorm())),
                     small(surrogate=ARCTAN), Flatten(), Linear(5)],
        "dendritic": [Dendritic(Conv2d(6), 0.8), small(), AveragePool2d(2), Flatten(), Dendritic(Linear(9), 0.8),
                      small(), Linear(5)],
        "adaptive": [Conv2d(6), AdaptiveLIF(0.4, 0.4, boost=0.5, hold=0.7), Conv2d(4, 3, stride=2),
                     AdaptiveLIF(0.4, 0.4, reset="subtract", surrogate=ARCTAN), Flatten(), Linear(5)],
    }  # fmt: skip


@pytest.mark.parametrize("name", list(models()))
def test_gradients_of_whole_networks(name):
    """Output and every gradient equal autograd's to 1e-9 of the largest."""
    draw = np.random.default_rng(0)
    layers = models()[name]
    for layer in layers:
        if isinstance(layer, (Conv2d, Linear)):
            layer.gain = 2.0
    model = Sequential(*layers, inputs=(8, 8, 2), seed=1, kind=np.float64)
    for layer in model.layers():
        if isinstance(layer, BatchNorm):
            layer.parameters["scale"].value[:] = draw.uniform(0.5, 1.5, layer.channels)
    flags = (draw.random((T * B, 8, 8, 2)) < 0.5).astype(np.uint8)
    y, pull = model(Spikes(flags.reshape(T * B, -1), T, B, (8, 8, 2)))
    leaves = []
    x = torch.tensor(flags.reshape(T, B, 8, 8, 2).astype(float), requires_grad=True)
    want = run(model, x, leaves)
    got = y.dense(np.float64) if isinstance(y, Spikes) else y.by_row
    np.testing.assert_allclose(got, want.detach().numpy().reshape(T * B, -1), rtol=0, atol=1e-12)
    c = draw.normal(size=got.shape)
    (want.flatten(0, 1).flatten(1) * torch.tensor(c)).sum().backward()
    dx = pull(Current(c, T, B, y.shape))
    compare(dx.by_row.reshape(x.shape), x.grad.numpy())
    assert len(leaves) >= 3
    for ours, theirs in leaves:
        compare(ours(), theirs.grad.numpy())


def compare(got, want):
    assert np.abs(want).max() > 0
    np.testing.assert_allclose(got, want, rtol=0, atol=1e-9 * np.abs(want).max())

"""Layers the slow way: dense matrices and loops over values, whatever kernels, lists, windows and fusions do."""

import numpy as np

from neurodev.learn import (
    AdaptiveLIF,
    AveragePool2d,
    BatchNorm,
    Conv2d,
    Dendritic,
    Dropout,
    Flatten,
    Linear,
    MaxPool2d,
    Recurrent,
    Residual,
    Sequential,
)
from neurodev.learn.core.storage import dense_image
from neurodev.learn.layers.dropout import _draw
from tests.learn import twin


def conv_matrix(layer, shape):
    """(n_in, n_out) over all units, and for each entry of it the weight (row, output channel) it is a copy of."""
    high, wide, channels = shape
    k, s, p = layer.kernel, layer.stride, layer.padding
    oh, ow = (high + 2 * p - k) // s + 1, (wide + 2 * p - k) // s + 1
    source, target, row = [], [], []
    for oy, ox, i, j in np.ndindex(oh, ow, k, k):
        y, x = oy * s + i - p, ox * s + j - p
        if 0 <= y < high and 0 <= x < wide:
            for c in range(channels):
                source.append((y * wide + x) * channels + c)
                target.append(oy * ow + ox)
                row.append((c * k + i) * k + j)
    return np.array(source), np.array(target), np.array(row), (oh, ow, layer.n_out)


def weighted(layer, x, shape, gradients):
    rows = x.reshape(len(x), -1)
    w = dense_image(layer.weights.table).astype(float)
    alive = dense_image(layer.weights.table, np.ones(layer.weights.table.capacity))
    bias = layer.parameters["bias"].value if layer.bias else 0.0
    if isinstance(layer, Linear):
        matrix, out = w, (layer.n_out,)
    else:
        source, target, row, out = conv_matrix(layer, shape)
        matrix = np.zeros((rows.shape[1], out[0] * out[1], layer.n_out))
        matrix[source, target] += w[row]
        matrix = matrix.reshape(rows.shape[1], -1)
    y = (rows @ matrix).reshape(len(x), *out) + bias

    def pull(d):
        d = d.reshape(len(x), -1)
        g = rows.T @ d
        if isinstance(layer, Conv2d):
            full, g = g.reshape(rows.shape[1], out[0] * out[1], layer.n_out), np.zeros_like(w)
            np.add.at(g, row, full[source, target])
        gradients[layer.name] = gradients.get(layer.name, 0) + g * alive
        return (d @ matrix.T).reshape(len(x), *shape)

    return y, pull


def adaptive(layer, x):
    """One sample of adaptive neurons, (T, n): u - threshold, u and spikes."""
    u, over, s = (np.zeros_like(x) for _ in range(3))
    v, a = np.zeros(x.shape[1]), np.zeros(x.shape[1])
    for t in range(len(x)):
        u[t] = layer.leak * v + layer.gain * x[t]
        theta = layer.threshold + layer.boost * a
        over[t], s[t] = u[t] - theta, u[t] >= theta
        v = u[t] - theta * s[t] if layer.reset == "subtract" else u[t] * (1 - s[t])
        a = layer.hold * a + (1 - layer.hold) * s[t]
    return u, over, s


def adaptive_gradient(layer, u, over, s, g):
    d, dv, da = np.zeros_like(u), np.zeros(u.shape[1]), np.zeros(u.shape[1])
    subtract = layer.reset == "subtract"
    for t in range(len(u) - 1, -1, -1):
        theta = u[t] - over[t]
        ds = g[t] + (1 - layer.hold) * da
        if not layer.detach:
            ds = ds - dv * (theta if subtract else u[t])
        dtheta = -ds * layer.surrogate(over[t])
        if subtract and not layer.detach:
            dtheta -= dv * s[t]
        du = (dv if subtract else dv * (1 - s[t])) + ds * layer.surrogate(over[t])
        da = layer.hold * da + layer.boost * dtheta
        d[t], dv = layer.gain * du, layer.leak * du
    return d


def neurons(layer, x, steps):
    cube = x.reshape(steps, -1)
    if isinstance(layer, AdaptiveLIF):
        u, over, s = adaptive(layer, cube)
        return s.reshape(x.shape), lambda d: adaptive_gradient(layer, u, over, s, d.reshape(cube.shape)).reshape(
            x.shape
        )
    leak, gain = layer.constants()
    how = {"leak": leak, "gain": gain, "threshold": layer.threshold, "subtract": layer.reset == "subtract"}
    u, s = twin.lif(cube, **how)

    def pull(d):
        back = twin.lif_gradient(u, s, d.reshape(cube.shape), attached=not layer.detach, h=layer.surrogate, **how)
        return back.reshape(x.shape)

    return s.reshape(x.shape), pull


def pooled(layer, x):
    k = layer.size
    r, high, wide, c = x.shape
    cut = x[:, : high // k * k, : wide // k * k].reshape(r, high // k, k, wide // k, k, c)
    six = cut.transpose(0, 1, 3, 5, 2, 4).reshape(r, high // k, wide // k, c, k * k)
    share = np.full(six.shape, 1 / k**2)
    if isinstance(layer, MaxPool2d):
        share = np.eye(k * k)[six.argmax(axis=-1)]

    def pull(d):
        back = np.zeros_like(x)
        spread = (d[..., None] * share).reshape(*d.shape, k, k).transpose(0, 1, 4, 2, 5, 3)
        back[:, : high // k * k, : wide // k * k] = spread.reshape(r, high // k * k, wide // k * k, c)
        return back

    return (six * share).sum(axis=-1), pull


def normed(layer, x):
    rows = x.reshape(-1, x.shape[-1])
    mean, variance = rows.mean(axis=0), rows.var(axis=0)
    scale = layer.level * layer.parameters["scale"].value
    z = (rows - mean) / np.sqrt(variance + layer.epsilon)
    y = scale * z + layer.parameters["shift"].value

    def pull(d):
        d = d.reshape(rows.shape) * scale
        back = (d - d.mean(axis=0) - z * (d * z).mean(axis=0)) / np.sqrt(variance + layer.epsilon)
        return back.reshape(x.shape)

    return y.reshape(x.shape), pull


def recurrent(layer, x, steps, gradients):
    drive, pull_feed = run(layer.feed, x, steps, gradients)
    n = layer.neurons
    back, leak, gain = dense_image(layer.back.weights.table).astype(float), *n.constants()
    cube = drive.reshape(steps, -1, drive.shape[-1])
    u, s, v = np.zeros_like(cube), np.zeros_like(cube), np.zeros_like(cube[0])
    for t in range(steps):
        u[t] = leak * v + gain * (cube[t] + (s[t - 1] @ back if t else 0))
        s[t] = u[t] >= n.threshold
        v = u[t] - n.threshold * s[t] if n.reset == "subtract" else u[t] * (1 - s[t])

    def pull(d):
        d, out = d.reshape(cube.shape), np.zeros_like(cube)
        dv, later, grown = np.zeros_like(cube[0]), np.zeros_like(cube[0]), np.zeros_like(back)
        for t in range(steps - 1, -1, -1):
            ds = d[t] + later @ back.T
            grown += s[t].T @ later
            if not n.detach:
                ds = ds - dv * (n.threshold if n.reset == "subtract" else u[t])
            du = (dv if n.reset == "subtract" else dv * (1 - s[t])) + ds * n.surrogate(u[t] - n.threshold)
            out[t] = later = gain * du
            dv = leak * du
        gradients[layer.back.name] = grown * (
            dense_image(layer.back.weights.table, layer.back.weights.table.weight) != 0
        )
        return pull_feed(out.reshape(drive.shape))

    return s.reshape(drive.shape), pull


def run(layer, x, steps, gradients):
    """Values (T * B, *shape) through a layer, and the way back, which puts gradients of weights under their names."""
    if isinstance(layer, Sequential):
        pulls = []
        for part in layer.parts():
            x, pull = run(part, x, steps, gradients)
            pulls.insert(0, pull)

        def back(d):
            for pull in pulls:
                d = pull(d)
            return d

        return x, back
    if isinstance(layer, Residual):
        a, pull_a = run(layer.body, x, steps, gradients)
        b, pull_b = (x, lambda d: d) if layer.shortcut is None else run(layer.shortcut, x, steps, gradients)
        return a + b, lambda d: pull_a(d) + pull_b(d)
    if isinstance(layer, Dendritic):
        a, pull_a = weighted(layer.drive, x, x.shape[1:], gradients)
        b, pull_b = weighted(layer.gate, x, x.shape[1:], gradients)
        return a * (1 + b), lambda d: pull_a(d * (1 + b)) + pull_b(d * a)
    if isinstance(layer, Recurrent):
        return recurrent(layer, x, steps, gradients)
    if isinstance(layer, (Linear, Conv2d)):
        return weighted(layer, x, x.shape[1:], gradients)
    if isinstance(layer, (AveragePool2d, MaxPool2d)):
        return pooled(layer, x)
    if isinstance(layer, BatchNorm):
        return normed(layer, x)
    if isinstance(layer, Flatten):
        return x.reshape(len(x), -1), lambda d: d.reshape(x.shape)
    if isinstance(layer, Dropout):
        keep = np.empty((len(x) // steps, x[0].size), dtype=np.uint8)
        _draw(layer.stream, np.uint64(layer.step), layer.first, layer.share, keep)
        factor = np.tile(keep / (1 - layer.share), (steps, 1)).reshape(x.shape)
        return x * factor, lambda d: d * factor
    return neurons(layer, x, steps)

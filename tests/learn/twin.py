"""The slow truth of the trainable path: loops over samples, steps and units, gradients by the chain rule."""

import numpy as np


def lif(x, leak, gain, threshold, subtract):
    """x (T, n) -> potentials before reset and spikes of one sample."""
    u, s, v = np.zeros_like(x), np.zeros_like(x), np.zeros(x.shape[1])
    for t in range(x.shape[0]):
        u[t] = leak * v + gain * x[t]
        s[t] = u[t] >= threshold
        v = u[t] - threshold * s[t] if subtract else u[t] * (1 - s[t])
    return u, s


def lif_gradient(u, s, g, leak, gain, threshold, subtract, attached, h):
    """dL/dx (T, n) from g = dL/ds by walking the graph backwards: u -> (s, v) -> next u."""
    d = np.zeros_like(u)
    dv = np.zeros(u.shape[1])  # dL/dv[t]
    for t in range(u.shape[0] - 1, -1, -1):
        ds = g[t].copy()
        if subtract:
            du = dv.copy()
            if attached:
                ds += dv * (-threshold)
        else:
            du = dv * (1 - s[t])
            if attached:
                ds += dv * (-u[t])
        du += ds * h(u[t] - threshold)
        d[t] = gain * du
        dv = leak * du
    return d


def network(x, w1, w2, neuron, h, y):
    """Two layers with rate MSE; x (B, T, n_in); returns loss, dw1, dw2, dx."""
    b, steps, _ = x.shape
    g1, g2, dx = np.zeros_like(w1), np.zeros_like(w2), np.zeros_like(x)
    loss = 0.0
    for k in range(b):
        i1 = x[k] @ w1
        u1, s1 = lif(i1, **neuron["forward"])
        i2 = s1 @ w2
        u2, s2 = lif(i2, **neuron["forward"])
        rate = s2.mean(axis=0)
        error = rate - y[k]
        loss += (error**2).sum() / (rate.size * b)
        ds2 = np.tile(2 * error / (rate.size * b * steps), (steps, 1))
        di2 = lif_gradient(u2, s2, ds2, h=h, attached=neuron["attached"], **neuron["forward"])
        g2 += s1.T @ di2
        ds1 = di2 @ w2.T
        di1 = lif_gradient(u1, s1, ds1, h=h, attached=neuron["attached"], **neuron["forward"])
        g1 += x[k].T @ di1
        dx[k] = di1 @ w1.T
    return loss, g1, g2, dx

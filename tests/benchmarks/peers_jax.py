"""The three nets of the training benchmarks in plain JAX, as its users write them: scan over time, jit, optax.

    PYTHON tests/benchmarks/peers_jax.py fc RATE REPEATS        # an interpreter that has jax and optax
    PYTHON tests/benchmarks/peers_jax.py conv RATE REPEATS
    PYTHON tests/benchmarks/peers_jax.py cifar 0 REPEATS        # images as currents: no rate
    PYTHON tests/benchmarks/peers_jax.py fc RATE -5             # five steps for each line that is read: their seconds

Prints one JSON object: seconds of processor and on the wall a step, medians.  All that does not depend on the step
before (the product of the input with the first weights) stands outside the scan.
"""

import json
import resource
import sys
import time

import jax
import jax.numpy as jnp
import numpy as np
import optax


@jax.custom_jvp
def spike(v):
    return (v >= 0).astype(jnp.float32)


@spike.defjvp
def _slope(primals, tangents):
    (v,), (dv,) = primals, tangents
    return spike(v), (jnp.abs(v) < 0.5).astype(jnp.float32) * dv


def lif(current, leak, threshold):
    """Spikes (T, ...) of currents (T, ...), reset to zero."""

    def one(v, x):
        u = leak * v + x
        s = spike(u - threshold)
        return u * (1 - s), s

    return jax.lax.scan(one, jnp.zeros_like(current[0]), current)[1]


def fully_connected(parameters, x):
    """784-800-10, x (T, B, 784): mean output rate (B, 10)."""
    t, b = x.shape[:2]
    s = lif((x.reshape(t * b, -1) @ parameters[0]).reshape(t, b, -1), 0.9, 1.0)
    return lif((s.reshape(t * b, -1) @ parameters[1]).reshape(t, b, -1), 0.9, 1.0).mean(0)


def convolve(x, w):
    return jax.lax.conv_general_dilated(x, w, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))


def pooled(x):
    n, h, w, c = x.shape
    return x.reshape(n, h // 2, 2, w // 2, 2, c).mean((2, 4))


def convolutional(parameters, x):
    """15C3-AP2-40C3-AP2-300FC-10FC, x (T, B, 28, 28, 1)."""
    t, b = x.shape[:2]
    y = x.reshape(t * b, 28, 28, 1)
    for w in parameters[:2]:
        y = convolve(y, w)
        y = pooled(lif(y.reshape(t, b, *y.shape[1:]), 0.2, 0.5).reshape(y.shape))
    y = y.reshape(t * b, -1)
    for w in parameters[2:]:
        y = lif((y @ w).reshape(t, b, -1), 0.2, 0.5).reshape(t * b, -1)
    return y.reshape(t, b, -1).mean(0)


def normalised(x):
    """Of each channel over samples, steps and places."""
    axes = tuple(range(x.ndim - 1))
    return (x - x.mean(axes)) / jnp.sqrt(x.var(axes) + 1e-5)


def largest(x):
    return jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")


def six_convolutions(parameters, x, t=4):
    """32C3-32C3-MP2-64C3-64C3-MP2-128C3-128C3-128FC-10FC, batch norm, learned leaks; images x (B, 32, 32, 3)."""
    weights, scales, leaks = parameters
    b, y = x.shape[0], x
    for k, (w, scale) in enumerate(zip(weights[:6], scales, strict=True)):
        y = normalised(convolve(y, w)) * scale
        y = jnp.broadcast_to(y, (t, *y.shape)) if k == 0 else y.reshape(t, b, *y.shape[1:])
        leak = jax.nn.sigmoid(leaks[k])
        y = lif((1 - leak) * y, leak, 1.0)
        y = y.reshape(t * b, *y.shape[2:])
        y = largest(y) if k in (1, 3) else y
    y = y.reshape(t * b, -1)
    for w in weights[6:]:
        y = lif(0.5 * (y @ w).reshape(t, b, -1), 0.5, 0.5).reshape(t * b, -1)
    return y.reshape(t, b, -1).mean(0)


def nets(net, draw, rate):
    """Forward pass, parameters, and input of a net."""
    weight = lambda s, g: jnp.asarray(g * draw.uniform(-1, 1, s).astype(np.float32) * np.sqrt(3.0 / np.prod(s[:-1])))
    flags = lambda shape: jnp.asarray((draw.random(shape) < rate).astype(np.float32))
    if net == "cifar":
        channels = [3, 32, 32, 64, 64, 128, 128]
        shapes = [(3, 3, m, n) for m, n in zip(channels, channels[1:], strict=False)] + [(8192, 128), (128, 10)]
        weights = [weight(s, 1.5) for s in shapes]
        parameters = weights, [jnp.ones(c) for c in channels[1:]], jnp.zeros(6)
        return six_convolutions, parameters, jnp.asarray(draw.random((50, 32, 32, 3)).astype(np.float32)), 50
    if net == "fc":
        return fully_connected, [weight((784, 800), 1.0), weight((800, 10), 2.0)], flags((25, 64, 784)), 64
    shapes, gains = [(3, 3, 1, 15), (3, 3, 15, 40), (1960, 300), (300, 10)], (2.0, 2.5, 2.5, 3.0)
    return convolutional, list(map(weight, shapes, gains)), flags((20, 100, 28, 28, 1)), 100


def main(net, rate, repeats):
    draw = np.random.default_rng(0)
    forward, parameters, x, batch = nets(net, draw, rate)
    target = jax.nn.one_hot(jnp.arange(batch) % 10, 10)
    optimiser = optax.adam(1e-3)

    @jax.jit
    def step(parameters, state):
        loss, gradient = jax.value_and_grad(lambda p: jnp.mean((forward(p, x) - target) ** 2))(parameters)
        updates, state = optimiser.update(gradient, state)
        return optax.apply_updates(parameters, updates), state, loss

    state, seconds, wall = optimiser.init(parameters), [], []
    asked = (k for _ in sys.stdin for k in range(-repeats)) if repeats < 0 else range(repeats + 2)
    for _ in asked:
        begin, clock = time.process_time(), time.perf_counter()
        parameters, state, loss = step(parameters, state)
        loss.block_until_ready()
        seconds.append(time.process_time() - begin)
        wall.append(time.perf_counter() - clock)
        if repeats < 0:
            print(seconds[-1], wall[-1], flush=True)
    if repeats < 0:
        return
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    seconds, wall = seconds[2:], float(np.median(wall[2:]))
    print(json.dumps({"JAX": float(np.median(seconds)), "wall": wall, "least": min(seconds), "peak_mb": peak}))


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]), int(sys.argv[3]))

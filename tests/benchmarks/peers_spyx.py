"""The nets of the training benchmarks in Spyx, as its users write it; see `peers_task.py`.

Spyx (MIT, 1.0.0) builds on JAX and Flax NNX: `spyx.nn.Sequential`, `spyx.nn.run` (a scan over time, every layer
within it) and `spyx.optimize.make_train_step`.  Its `LIF` fires a step after the crossing and resets by subtraction;
its decay is a parameter, which is learned.  Inputs come as floats: the packing of spikes by bits,
`spyx.experimental`, is for the transfer to a GPU.  It has no sparse weights: the dense net stands for every sparsity.
"""

import peers_task

a = peers_task.arguments(__doc__, conv=True)

import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402
import optax  # noqa: E402
import spyx  # noqa: E402
import spyx.nn as snn  # noqa: E402
from flax import nnx  # noqa: E402


def net():
    rngs = nnx.Rngs(0)
    n_in, hidden, n_out = peers_task.SIZES
    linear = lambda m, n, gain: nnx.Linear(
        m, n, use_bias=False, rngs=rngs, kernel_init=nnx.initializers.variance_scaling(gain, "fan_in", "uniform")
    )
    if a.net == "conv":
        return convolutional(rngs, linear)
    lif = lambda n: snn.LIF((n,), beta=0.9, activation=spyx.axn.boxcar(1.0, 1.0), rngs=rngs)
    return snn.Sequential(linear(n_in, hidden, 1.0), lif(hidden), linear(hidden, n_out, 4.0), lif(n_out))


def convolutional(rngs, linear):
    lif = lambda *n: snn.LIF(n, beta=0.2, threshold=0.5, activation=spyx.axn.boxcar(1.0, 1.0), rngs=rngs)
    conv = lambda m, n: nnx.Conv(
        m, n, (3, 3), use_bias=False, rngs=rngs,
        kernel_init=nnx.initializers.variance_scaling(4.0, "fan_in", "uniform"),
    )  # fmt: skip
    pool = lambda x: nnx.avg_pool(x, (2, 2), (2, 2))
    return snn.Sequential(
        conv(1, 15), lif(28, 28, 15), pool, conv(15, 40), lif(14, 14, 40), pool, snn.Flatten(),
        linear(1960, 300, 6.0), lif(300), linear(300, 10, 9.0), lif(10),
    )  # fmt: skip


def loss(model, x, y):
    spikes, _ = snn.run(model, x)
    return jnp.mean((spikes.mean(0) - jax.nn.one_hot(y, 10)) ** 2)


def rates(model, x):
    hidden, _ = snn.run(snn.Sequential(*model.layers[:2]), x)
    out, _ = snn.run(model, x)
    return [float(hidden.mean()), float(out.mean())]


def main():
    for rate in a.rate:
        x, y = map(jnp.asarray, peers_task.task(rate, a.net))
        model = net()
        optimiser = nnx.Optimizer(model, optax.adam(1e-3), wrt=nnx.Param)
        train, fired = spyx.optimize.make_train_step(loss), rates(model, x)
        step = lambda x=x, y=y, model=model, o=optimiser, train=train: train(model, o, x, y).block_until_ready()
        packages = ("spyx", "jax", "flax", "optax")
        peers_task.report("Spyx", step, a.repeats, packages, net=a.net, input_rate=rate, rates=fired)


if __name__ == "__main__":
    main()

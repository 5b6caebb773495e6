"""The nets of the training benchmarks in jaxpike, as its users write it; see `peers_task.py`.

jaxpike (Apache-2, 0.1.4) builds on JAX and Equinox.  `unroll` lifts `Dense` out of the loop over time; `make_step` is
its own training step.  Its `LIF` scales the input by 1 - alpha, so that weights are larger by as much (`gain`),
resets to zero as ours does, and learns its time constant.  `unroll` emits several steps of time an iteration, which
suits a GPU; on a core of this kind one (`scan_unroll=1`) took half as long, so that it is timed both ways, each under
its name.  It has no sparse weights: a mask over a dense matrix would only add to a step, so that the dense one stands
for every sparsity.
"""

import peers_task

a = peers_task.arguments(__doc__, conv=True)

import equinox as eqx  # noqa: E402
import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402
import jaxpike as jp  # noqa: E402
import numpy as np  # noqa: E402
import optax  # noqa: E402


def lif_of(leak, threshold=1.0):
    tau = float(-1 / np.log(leak))
    return jp.LIF(tau=max(tau, 1.01), threshold=threshold, reset="zero", surrogate=jp.Triangular(width=1.0))


def net():
    if a.net == "conv":
        return convolutional()
    one, two = jax.random.split(jax.random.key(0))
    n_in, hidden, n_out = peers_task.SIZES
    lif = lambda: lif_of(0.9)
    return jp.Sequential(
        jp.Dense(n_in, hidden, key=one, use_bias=False, gain=10.0), lif(),
        jp.Dense(hidden, n_out, key=two, use_bias=False, gain=20.0), lif(),
    )  # fmt: skip


def convolutional():
    """A leak of .37 in place of .2: jaxpike's time constants are above a step."""
    one, two, three, four = jax.random.split(jax.random.key(0), 4)
    lif = lambda: lif_of(0.372, 0.5)
    return jp.Sequential(
        jp.Conv2d(1, 15, 3, key=one, use_bias=False, gain=3.0), lif(), jp.Pool2d(2, mode="avg"),
        jp.Conv2d(15, 40, 3, key=two, use_bias=False, gain=4.0), lif(), jp.Pool2d(2, mode="avg"), jp.Flatten(),
        jp.Dense(1960, 300, key=three, use_bias=False, gain=4.0), lif(),
        jp.Dense(300, 10, key=four, use_bias=False, gain=5.0), lif(),
    )  # fmt: skip


def loss_of(scan_unroll):
    def loss(model, xs, labels):
        spikes, _ = jp.unroll(model, xs, scan_unroll=scan_unroll)
        return jnp.mean((jp.spike_rate(spikes) - jax.nn.one_hot(labels, 10)) ** 2), None

    return loss


def rates(model, xs):
    hidden, _ = jp.unroll(jp.Sequential(*model.layers[:2]), xs)
    out, _ = jp.unroll(model, xs)
    return [float(hidden.mean()), float(out.mean())]


def main():
    cases = [(rate, unroll) for rate in a.rate for unroll in (1, None)]
    for rate, unroll in cases:
        x, y = map(jnp.asarray, peers_task.task(rate, a.net))
        state = {"model": net()}
        optimiser = optax.adam(1e-3)
        state["optimiser"] = optimiser.init(eqx.filter(state["model"], eqx.is_inexact_array))
        train, fired = jp.make_step(loss_of(unroll), optimiser), rates(state["model"], x)

        def step(x=x, y=y, state=state, train=train):
            state["model"], state["optimiser"], value, _ = train(state["model"], state["optimiser"], x, y)
            return value.block_until_ready()

        name = "jaxpike" if unroll else "jaxpike, its own scan_unroll"
        packages = ("jaxpike", "jax", "optax")
        peers_task.report(name, step, a.repeats, packages, net=a.net, input_rate=rate, rates=fired)


if __name__ == "__main__":
    main()

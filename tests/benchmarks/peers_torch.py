"""The fully connected net of the training benchmarks in snnTorch and SpikingJelly; see `peers_task.py`.

As `train_fc.py --torch` runs them, on one core or two and with names and versions; whichever is not installed is left
out.  Neither has sparse weights: a mask over a dense matrix only adds to a step, so that the dense one stands for every
sparsity.
"""

import peers_task

a = peers_task.arguments(__doc__)

import torch  # noqa: E402
from torch import nn  # noqa: E402

torch.set_num_threads(len(a.cores))
N_IN, HIDDEN, N_OUT = peers_task.SIZES


def snntorch_net():
    """Step by step; what does not depend on the step before stands outside the loop."""
    import snntorch as snn
    from snntorch import surrogate

    first, last = nn.Linear(N_IN, HIDDEN, bias=False), nn.Linear(HIDDEN, N_OUT, bias=False)
    one, two = (snn.Leaky(beta=0.9, spike_grad=surrogate.atan(), reset_mechanism="zero") for _ in range(2))

    def forward(x):
        u, v, hidden, out, current = one.init_leaky(), two.init_leaky(), [], [], first(x)
        for now in current:
            s, u = one(now, u)
            o, v = two(last(s), v)
            hidden.append(s.detach())
            out.append(o)
        return torch.stack(hidden), torch.stack(out)

    return forward, nn.ModuleList([first, last]), lambda: None


def spikingjelly_net():
    """Multi-step modules on the torch backend."""
    from spikingjelly.activation_based import functional, layer, neuron, surrogate

    linear = lambda m, n: layer.Linear(m, n, bias=False, step_mode="m")
    lif = lambda: neuron.LIFNode(
        tau=10.0, decay_input=False, v_reset=0.0, step_mode="m", surrogate_function=surrogate.ATan()
    )
    net = nn.Sequential(linear(N_IN, HIDDEN), lif(), linear(HIDDEN, N_OUT), lif())

    def forward(x):
        hidden = net[1](net[0](x))
        return hidden.detach(), net[3](net[2](hidden))

    return forward, net, lambda: functional.reset_net(net)


def main():
    for name, package, make in (
        ("snnTorch", "snntorch", snntorch_net), ("SpikingJelly", "spikingjelly", spikingjelly_net),
    ):  # fmt: skip
        for rate in a.rate:
            torch.manual_seed(0)
            x, y = map(torch.from_numpy, peers_task.task(rate))
            target = torch.eye(N_OUT)[y]
            try:
                forward, net, reset = make()
            except ImportError as e:
                print(f"{name} is left out: {e}")
                break
            optimiser = torch.optim.Adam(net.parameters(), 1e-3)

            def step(x=x, forward=forward, optimiser=optimiser, reset=reset, target=target):
                optimiser.zero_grad()
                value = ((forward(x)[1].mean(0) - target) ** 2).mean()
                value.backward()
                optimiser.step()
                reset()
                return value.detach()

            with torch.no_grad():
                fired = [float(s.mean()) for s in forward(x)]
            reset()
            peers_task.report(name, step, a.repeats, (package, "torch"), input_rate=rate, rates=fired)


if __name__ == "__main__":
    main()

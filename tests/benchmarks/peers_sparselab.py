"""The fully connected net of the training benchmarks on SparseLab's sparse weights, in PyTorch; see `peers_task.py`.

SparseLab (MIT, 0.2.2) stores weights as padded rows (CSR), with AVX2 kernels for x86: `SparseLinear` stands in the
place of `nn.Linear`.  It knows no spikes and no convolutions; its users bring their neurons, here snnTorch's where it
is there, else the same few lines of PyTorch.  The product of all inputs with the first weights is one call outside
the loop over time.  Only the first layer is sparse, as in our own benchmark.  `--sparsity 0` is refused: its users
take `nn.Linear` then (`peers_torch.py`).
"""

import peers_task

a = peers_task.arguments(__doc__, sparse=True)

import sparselab  # noqa: E402
import torch  # noqa: E402
from torch import nn  # noqa: E402

torch.set_num_threads(len(a.cores))
STEPS, BATCH = peers_task.STEPS, peers_task.BATCH


class Spike(torch.autograd.Function):
    """A step, with the arctangent's slope."""

    @staticmethod
    def forward(ctx, v):
        ctx.save_for_backward(v)
        return (v > 0).float()

    @staticmethod
    def backward(ctx, d):
        (v,) = ctx.saved_tensors
        return d / (1 + (torch.pi * v) ** 2)


def neurons():
    """Spikes (T, B, n) of currents (T, B, n): snnTorch's, or a loop of our own."""
    try:
        import snntorch as snn
        from snntorch import surrogate
    except ImportError:

        def plain(current):
            v, out = torch.zeros_like(current[0]), []
            for now in current:
                v = 0.9 * v + now
                s = Spike.apply(v - 1)
                v = v * (1 - s.detach())
                out.append(s)
            return torch.stack(out)

        return plain, "plain PyTorch"
    cells = snn.Leaky(beta=0.9, spike_grad=surrogate.atan(), reset_mechanism="zero")

    def leaky(current):
        v, out = cells.init_leaky(), []
        for now in current:
            s, v = cells(now, v)
            out.append(s)
        return torch.stack(out)

    return leaky, "snnTorch"


def main():
    n_in, hidden, n_out = peers_task.SIZES
    for sparsity in a.sparsity:
        if not 0 < sparsity < 1:
            raise SystemExit(f"--sparsity must lie between 0 and 1, got {sparsity}")
        for rate in a.rate:
            torch.manual_seed(0)
            x, y = map(torch.from_numpy, peers_task.task(rate))
            target = torch.eye(n_out)[y]
            first = sparselab.SparseLinear(n_in, hidden, bias=False, sparsity=sparsity)
            last = nn.Linear(hidden, n_out, bias=False)
            with torch.no_grad():
                last.weight *= 4.0
            (one, whose), (two, _) = neurons(), neurons()
            optimiser = torch.optim.Adam([*first.parameters(), *last.parameters()], 1e-3)

            def forward(x=x, first=first, last=last, one=one, two=two):
                s = one(first(x.reshape(STEPS * BATCH, -1)).reshape(STEPS, BATCH, -1))
                return s, two(last(s))

            def step(forward=forward, optimiser=optimiser, target=target):
                optimiser.zero_grad()
                value = ((forward()[1].mean(0) - target) ** 2).mean()
                value.backward()
                optimiser.step()
                return value.detach()

            with torch.no_grad():
                fired = [float(s.mean()) for s in forward()]
            name, packages = "SparseLab", ("sparselab", "torch", "snntorch")
            peers_task.report(
                name, step, a.repeats, packages, input_rate=rate, sparsity=sparsity, rates=fired, neurons=whose
            )


if __name__ == "__main__":
    main()

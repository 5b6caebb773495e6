"""The convolutional layer: spikes in, currents out, channels last; a synapse is one weight of a kernel.

Its table has a row for every (input channel, tap) and a target for every output channel, so that the structure of
a convolution is pruned, grown and logged like any other.  Row of channel c and tap (i, j): ``(c k + i) k + j``.
"""

from __future__ import annotations

import numpy as np

from neurodev import params
from neurodev.errors import ParameterError
from neurodev.learn.core.fields import DRAWN, asked
from neurodev.learn.core.layer import Pullback, Vector, expect, guarded
from neurodev.learn.core.spikes import Current, Spikes
from neurodev.learn.kernels import conv_ways as ways
from neurodev.learn.kernels.conv_grid import Grid
from neurodev.learn.layers.weighted import Weighted, living_per_source
from neurodev.structure.table import Table, UidSource


class Conv2d(Weighted):
    """``current[y, x] = sum over taps and channels of W spikes (+ bias)``: a cross-correlation, as everywhere.

    Takes (height, width, channels) and returns (out height, out width, n_out).

    Parameters
    ----------
    n_out : int
        Output channels.
    kernel : int
        Height and width of the kernel.
    stride : int
    padding : int, optional
        Zeros around the image, less than `kernel`; ``kernel // 2`` by default.
    bias : bool
    gain : float
        Standard deviation of the initial weights times sqrt(fan in).
    storage : {"dense", "hidden", "sparse"}
    density : float
        Share of living synapses at the start, drawn at random.
    name : str

    Raises
    ------
    ParameterError
        Naming the argument; at building, where the input is not an image or smaller than the kernel.

    Examples
    --------
    >>> from neurodev.learn import LIF, Conv2d, Sequential
    >>> model = Sequential(Conv2d(3, kernel=5, stride=2), LIF(), inputs=(8, 8, 1), seed=1)
    >>> model.outputs
    (4, 4, 3)
    """

    kernel: int = asked(params.whole, low=1, fixed=DRAWN)
    stride: int = asked(params.whole, low=1, fixed=DRAWN)
    padding: int = asked(params.whole, low=0, fixed=DRAWN)
    grid: Grid | None = asked(fixed=DRAWN)

    def __init__(
        self,
        n_out: int,
        kernel: int = 3,
        *,
        stride: int = 1,
        padding: int | None = None,
        bias: bool = False,
        gain: float = 1.0,
        storage: str = "dense",
        density: float = 1.0,
        name: str = "",
    ):
        super().__init__()
        self.keep_words(n_out, bias, gain, storage, density, name)
        self.kernel, self.stride = kernel, stride
        padding = kernel // 2 if padding is None else padding
        if isinstance(padding, bool) or not isinstance(padding, (int, np.integer)) or not 0 <= padding < kernel:
            raise ParameterError(f"padding must be a whole number in [0, kernel = {kernel}), got {padding!r}")
        self.padding = int(padding)
        self.grid = None

    # ------------------------------------------------------------------ building

    def out_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """(out height, out width, n_out); fixes the shape of the input."""
        if len(shape) != 3:
            raise ParameterError(f"a convolution takes (height, width, channels), got {shape}")
        if min(shape[0], shape[1]) + 2 * self.padding < self.kernel:
            raise ParameterError(f"an image of {shape[:2]} is smaller than the kernel of {self.kernel}")
        if self.grid is not None and shape[2] != self.grid.channels:
            raise ParameterError(f"{self.name or 'Conv2d'} takes {self.grid.channels} channels, got {shape[2]}")
        if self.grid is None or shape != (self.grid.height, self.grid.width, self.grid.channels):
            self.grid = Grid((shape[0], shape[1], shape[2]), self.n_out, self.kernel, self.stride, self.padding)
        return self.grid.high, self.grid.wide, self.n_out

    @property
    def pairs(self) -> int:
        """Channels of the input, area of the kernel and channels of the output, multiplied."""
        return 0 if self.grid is None else self.grid.channels * self.kernel**2 * self.n_out

    def build(self, seed: int, uids: UidSource, kind: type = np.float32) -> None:
        """Draw the weights; streams are named after the layer."""
        assert self.grid is not None
        self.draw(self.grid.channels * self.kernel**2, seed, uids, kind)

    @property
    def taps(self) -> int:
        """Area of the kernel."""
        return self.kernel**2

    # ------------------------------------------------------------------ running

    def __call__(self, x: Spikes | Current) -> tuple[Current, Pullback]:
        """Currents (R, pixels * n_out), and their pullback."""
        weights = self.weights
        assert self.grid is not None
        expect(self, x, shape=(self.grid.height, self.grid.width, self.grid.channels))
        table = weights.sound(self.grid.channels * self.kernel**2, self.n_out)
        chosen = ways.choose_for(x, table, self.grid)
        y, pull_weights = ways.WAYS[chosen](x, weights, self.grid)
        self._count(x, table, chosen)
        bias = self.parameters.get("bias")
        if isinstance(bias, Vector):
            y.value.reshape(-1, self.n_out)[...] += bias.value
            y = Current(y.value, y.steps, y.batch, y.shape)
        elif chosen != "gemm" and self.stride == 1 and isinstance(x, Spikes):
            y.spans = ways.spans_through(x, self.grid)
        grid = self.grid

        def pull(dy: Current) -> Current | None:
            if isinstance(bias, Vector):
                bias.gradient += dy.by_row.reshape(-1, self.n_out).sum(axis=0)
            if weights.probe is not None:
                weights.probe += ways.gradient_of_pairs(x, dy, grid, weights.probe.dtype.type)
            return pull_weights(dy)

        return y, guarded(self, y, pull)

    def _count(self, x: Spikes | Current, table: Table, chosen: str) -> None:
        """Operations: every event reads the synapses of those taps that fall inside the image."""
        c, grid = self.counters, self.grid
        assert grid is not None
        c.kernels[chosen] = c.kernels.get(chosen, 0) + 1
        shape = (grid.height, grid.width, grid.channels)
        if isinstance(x, Spikes):
            events = x.present.per_index(x.n).reshape(shape)
        else:
            events = np.full(shape, x.steps * x.batch)
        by_line = grid.lines @ events.reshape(grid.height, -1)
        by_tap = grid.columns @ by_line.reshape(-1, grid.width, grid.channels)  # (i, j, c)
        per_tap = by_tap.transpose(2, 0, 1).reshape(-1)
        c.dense += int(per_tap.sum()) * table.n_target
        done = int(per_tap @ living_per_source(table))
        c.operations += done
        c.multiplied += 0 if isinstance(x, Spikes) else done

"""The arithmetic of pixels of a convolution: which places its kernels read and write."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from neurodev.arrays import Array, aligned
from neurodev.learn.core.vectors import padded
from neurodev.learn.kernels.conv_planes import Numbers
from neurodev.learn.kernels.rows import pack
from neurodev.structure.table import Table


class Grid:
    """The arithmetic of pixels of one convolution, and the places of its units in a padded image."""

    def __init__(self, shape: tuple[int, int, int], n_out: int, kernel: int, stride: int, padding: int):
        self.height, self.width, self.channels = shape
        self.n_out, self.kernel, self.stride, self.padding = n_out, kernel, stride, padding
        self.high = (self.height + 2 * padding - kernel) // stride + 1
        self.wide = (self.width + 2 * padding - kernel) // stride + 1
        self.run, self.deep = padded(kernel * n_out), padded(n_out)  # whole vectors, the rest meets zero weights
        self.line = (self.width + kernel - 1) * n_out
        self.origin = (kernel - 1 - padding) * (self.line + n_out)
        self.plane = (self.height + kernel - 1) * (self.width + kernel - 1)  # numbers of a padded image of one channel

    @property
    def numbers(self) -> Numbers:
        """For the kernels that go tap by tap."""
        return (
            self.height, self.width, self.channels, self.high, self.wide, self.kernel, self.stride, self.padding,
        )  # fmt: skip

    def pad(self, kind: type) -> Array:
        """An empty padded image; the vectors of the last patch may read beyond its end."""
        return aligned(((self.height + self.kernel - 1) * self.line + self.run,), kind)

    @cached_property
    def units(self) -> NDArray[np.int32]:
        """(pixel, place in the padded image, channel) of every input unit, (3, n_in)."""
        y, x, c = np.indices((self.height, self.width, self.channels)).reshape(3, -1)
        return np.stack((y * self.width + x, y * self.line + x * self.n_out, c)).astype(np.int32)

    def _taps(self, n: int, n_out: int) -> NDArray[np.int64]:
        """(kernel, n): 1 where the tap of an input line falls on an output line."""
        o = np.arange(n)[None] + self.padding - np.arange(self.kernel)[:, None]
        return np.asarray(((o >= 0) & (o % self.stride == 0) & (o // self.stride < n_out)).astype(np.int64))

    @cached_property
    def lines(self) -> NDArray[np.int64]:
        """Which taps of which input lines fall inside the output, (kernel, height)."""
        return self._taps(self.height, self.high)

    @cached_property
    def columns(self) -> NDArray[np.int64]:
        """The same of columns, (kernel, width)."""
        return self._taps(self.width, self.wide)

    @cached_property
    def bases(self) -> dict[str, NDArray[np.int64]]:
        """Where each row of the table begins in the image of the weights that a kernel wants."""
        k = self.kernel
        c, i, j = np.indices((self.channels, k, k)).reshape(3, -1)
        scatter = (c * k + k - 1 - i) * self.run + (k - 1 - j) * self.n_out
        taps = np.arange(c.size) * self.n_out
        place = (i * k + j) * self.channels + c
        return {"patches": scatter, "under": place * self.deep, "taps": taps, "gemm": place * self.n_out}

    def image(self, table: Table, chosen: str, column: Array | None) -> Array:
        """Weights in the arrangement of a kernel; `column` None for zeros."""
        k = self.kernel
        shape = {
            "patches": (self.channels, k * self.run),
            "under": (k * k * self.channels, self.deep),
            "taps": (self.channels * k * k, self.n_out),
            "gemm": (k * k * self.channels, self.n_out),
        }[chosen]
        out = aligned(shape, table.weight.dtype.type)
        if column is not None:
            rows = table.row_start, table.row_length, table.post
            pack(self.bases[chosen], *rows, column, out.reshape(-1))
        return out

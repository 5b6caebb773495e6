"""Probes: samples of one quantity while a simulation runs."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurodev.engine.simulator import Simulator
from neurodev.errors import ParameterError


class Probe:
    """Samples of one quantity: `times` (ms of spikes) and `values` (n_sample, n)."""

    def __init__(self, simulator: Simulator, what: Any, signal: str) -> None:
        self._simulator, self._signal = simulator, signal
        self._name = what if isinstance(what, str) else what.name
        self._times: list[float] = []
        self._values: list[NDArray[np.float64]] = []
        self._read()

    def _read(self) -> NDArray[np.float64]:
        s = self._simulator
        if self._name in s.network.populations:
            known = ["V", *s.blocks[self._name].signals]
            if self._signal not in known:
                raise ParameterError(f"{self._name!r} has no signal {self._signal!r}; it has {known}")
            return s.sampled(self._name, self._signal, np.arange(s.network.populations[self._name].n))
        if self._name in s.tables:
            return s.sampled_synapses(self._name, self._signal, s.tables[self._name].slots())
        raise ParameterError(f"nothing named {self._name!r} to probe")

    def sample(self, now: float) -> None:
        """Take a sample."""
        self._times.append(now)
        self._values.append(self._read())

    @property
    def times(self) -> NDArray[np.float64]:
        """Spike times of the samples, ms."""
        return np.array(self._times)

    @property
    def values(self) -> Any:
        """Samples, (n_sample, n); a list where the number of synapses changed between them."""
        same = len({v.size for v in self._values}) <= 1
        return np.array(self._values) if same else self._values

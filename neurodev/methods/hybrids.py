"""Crossings that no paper has: the score of one method in the exchange of another.  Each is a few lines, and ours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from neurodev.learn.training.course import Course
from neurodev.methods.dpap import DPAP
from neurodev.methods.drop_and_grow import NDSNN
from neurodev.methods.tensors import Tensor, above, tensors

MOST_DEATHS = 0.9  # share of a layer that dies in one exchange


@dataclass
class TrophicNDSNN(NDSNN):
    """NDSNN whose death ratio follows SD-SNN's neurotrophic ratio.

    A layer with many living units for each living unit above it loses more: its share of deaths is NDSNN's, times
    its ratio over the geometric mean of all ratios, at most `MOST_DEATHS`.

    Examples
    --------
    >>> from neurodev.learn import LIF, Linear, Sequential, Surrogate
    >>> draw = np.random.default_rng(0)
    >>> X, y = draw.random((40, 30)), draw.integers(0, 2, 40)
    >>> cells = lambda: LIF(0.5, 0.5, surrogate=Surrogate(width=2.0))
    >>> model = Sequential(Linear(16, name="fc"), cells(), Linear(2, name="out"), cells(), inputs=(30,))
    >>> method = nd.methods.TrophicNDSNN(0.8, every=3)
    >>> trainer = nd.Trainer(model, (X, y, X, y), epochs=4, batch=10, methods=[method], progress=False).fit()
    >>> round(trainer.close().series("density")[-1], 1)
    np.float64(0.2)
    """

    equation: ClassVar[str] = "NDSNN, its share of deaths times (A/A_above) / geometric mean of all layers' A/A_above"

    def death_share(self, trainer: Course, number: int, x: float) -> float:
        """NDSNN's share, times the relative neurotrophic ratio of the layer."""
        every = tensors(trainer)
        units = {t.name: t.table.n_target if t.output else max(int((t.living() > 0).sum()), 1) for t in every}
        ratio = np.log([units[t.name] / units[above(t, every).name] for t in every])
        return float(min(super().death_share(trainer, number, x) * np.exp(ratio[number] - ratio.mean()), MOST_DEATHS))


@dataclass
class TracedNDSNN(NDSNN):
    """NDSNN that drops the synapses of the lowest BCM score, as DPAP gathers it, in place of the smallest weights.

    The output keeps dropping by magnitude: nobody gathers scores there.

    Examples
    --------
    >>> from neurodev.learn import LIF, Linear, Sequential, Surrogate
    >>> draw = np.random.default_rng(0)
    >>> X, y = draw.random((40, 30)), draw.integers(0, 2, 40)
    >>> cells = lambda: LIF(0.5, 0.5, surrogate=Surrogate(width=2.0))
    >>> model = Sequential(Linear(16, name="fc"), cells(), Linear(2, name="out"), cells(), inputs=(30,))
    >>> method = nd.methods.TracedNDSNN(0.8, every=3)
    >>> trainer = nd.Trainer(model, (X, y, X, y), epochs=4, batch=10, methods=[method], progress=False).fit()
    >>> round(trainer.close().series("density")[-1], 1)
    np.float64(0.2)
    """

    equation: ClassVar[str] = "NDSNN, deaths of the smallest B += sum_b c_post (c_post - theta) c_pre (DPAP)"

    def start(self, trainer: Course) -> None:
        """Have DPAP's traces taken."""
        self._gather = DPAP(units=False, synapses=False)
        self._gather.start(trainer)

    def after_backward(self, trainer: Course) -> bool:
        """Gather, then exchange."""
        self._gather.after_backward(trainer)
        return super().after_backward(trainer)

    def score(self, trainer: Course, t: Tensor, slots: NDArray[np.int64]) -> NDArray[Any]:
        """BCM score of each living synapse; of the synapses of a filter, that of their pair of channels."""
        gathered = self._gather.memory.get(f"bcm/{t.name}")
        if gathered is None:
            return super().score(trainer, t, slots)
        return np.asarray(gathered[t.table.pre(slots) // t.taps, t.table.post[slots]])

    def state(self) -> dict[str, NDArray[Any]]:
        """The scores, and what NDSNN keeps."""
        return super().state() | {f"gather/{k}": a for k, a in self._gather.state().items()}

    def restore(self, state: dict[str, NDArray[Any]]) -> None:
        """Take up both."""
        super().restore(state)
        self._gather.restore({k[len("gather/") :]: a for k, a in state.items() if k.startswith("gather/")})

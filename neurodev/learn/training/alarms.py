"""What a training says when it goes wrong without a loss that shows it: silent layers, lost gradients, NaN."""

from __future__ import annotations

import warnings

import numpy as np

from neurodev.errors import ParameterError
from neurodev.learn.core.layer import Counters, Weights
from neurodev.learn.model import Sequential
from neurodev.learn.training.course import Course

SATURATED = 0.9  # spikes a unit and step, above which a layer hardly tells one input from another
FEWEST_NEAR = 1e-3  # share of potentials near threshold below which training stalls (a tenth of what small nets show)


def broken(model: Sequential) -> str:
    """Name of the first layer with a parameter that is NaN or infinite; empty if there is none."""
    for layer in model.layers():
        for key, p in layer.parameters.items():
            values = [p.flat()[0], p.table.weight] if isinstance(p, Weights) else [p.value]
            if not all(np.isfinite(v).all() for v in values):
                return f"{key} of {layer.name!r}"
        for key, a in layer.buffers().items():
            if not np.isfinite(a).all():
                return f"{key} of {layer.name!r}"
    return ""


def stop_if_broken(trainer: Course) -> None:
    """Stop where a parameter is NaN or infinite: such a neuron never fires, and no loss would show it.

    Raises
    ------
    ParameterError
        Naming the layer.
    """
    where = broken(trainer.model)
    if where:
        raise ParameterError(
            f"{where} became NaN or infinite in epoch {trainer.epoch + 1} (by step {trainer.step}): lower the "
            "optimiser's rate, or look for a division by zero in the loss; checkpoints of earlier epochs are sound"
        )


class Alarms:
    """Looks at what layers counted in an epoch.

    A lost gradient is told once, silence and saturation once each time that they begin.
    """

    def __init__(self) -> None:
        self._lost: set[str] = set()
        self._silent: set[str] = set()
        self._saturated: set[str] = set()

    def look(self, epoch: int, counters: dict[str, Counters]) -> None:
        """Warn of silent and saturated layers and of lost gradients.

        Raises
        ------
        ParameterError
            In the first epoch, of layers that are silent and cannot learn to fire.
        """
        silent = {n for n, c in counters.items() if c.sites and not c.spikes}
        hopeless = sorted(n for n in silent if counters[n].looked and not counters[n].near)
        if hopeless and epoch == 1:
            raise ParameterError(
                f"layers without a single spike in epoch {epoch}, none of whose potentials came within the window "
                f"of the surrogate, so that they cannot learn to fire: {hopeless}; raise the gain of the layer below, "
                "lower its threshold, or widen its surrogate"
            )
        for name in sorted(silent - self._silent):
            warnings.warn(
                f"layer {name!r} did not fire a single time in epoch {epoch}: nothing passes it; raise the gain "
                "of the layer below, lower its threshold, or lower the optimiser's rate",
                stacklevel=3,
            )
        self._silent = silent
        saturated = {n: c.spikes / c.sites for n, c in counters.items() if c.sites and c.spikes > SATURATED * c.sites}
        for name in sorted(set(saturated) - self._saturated):
            warnings.warn(
                f"layer {name!r} fired at {100 * saturated[name]:.0f} % of all steps in epoch {epoch}: it hardly tells "
                "one input from another; lower the gain of the layer below, raise its threshold, or normalise its "
                "input (BatchNorm)",
                stacklevel=3,
            )
        self._saturated = set(saturated)
        for name, c in counters.items():
            if c.looked and c.near < FEWEST_NEAR * c.looked and name not in self._lost:
                self._lost.add(name)
                warnings.warn(
                    f"only {c.near / c.looked:.1e} of the potentials of {name!r} were within the window of its "
                    f"surrogate in epoch {epoch}: hardly any gradient passes; widen the surrogate",
                    stacklevel=3,
                )

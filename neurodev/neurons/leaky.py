"""What leaky neurons with rules of their own have in common: where they start, and levels that make sense."""

from __future__ import annotations

from typing import Any

import numpy as np

from neurodev.arrays import F8
from neurodev.errors import ParameterError


def check_levels(model: Any) -> None:
    """Refuse a reset or a start that would fire at once.

    Raises
    ------
    ParameterError
        Naming the parameter and both values.
    """
    word = type(model).__name__
    for name in ("reset", "initial"):
        value = getattr(model, name)
        if value is not None and np.any(np.asarray(value) >= np.asarray(model.threshold)):
            raise ParameterError(
                f"{word}.{name} must be below {word}.threshold, got {name}={value!r}, threshold={model.threshold!r}"
            )


def with_initial(values: dict[str, F8]) -> dict[str, F8]:
    """The parameters of each neuron with V at time 0: rest, or reset where rest would fire, if it is not given."""
    if "initial" not in values:
        values["initial"] = np.where(values["rest"] < values["threshold"], values["rest"], values["reset"])
    return values

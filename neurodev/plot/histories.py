"""The still page of histories: what each holds, what could not be read of it, and its pictures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from neurodev.errors import NeurodevError
from neurodev.plot.door import drawn


@drawn()
def write(histories: Sequence[Any], path: str | Path) -> Path:
    """Write one page of pictures about histories, one after the other: a file that needs nothing else.

    Raises
    ------
    NeurodevError
        Until there are pictures of histories.
    """
    raise NeurodevError("not yet")

"""Writes `views.py` from `state.py`: python -m neurodev.engine.loop.emit.  A test compares the two."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path

import numpy as np

from neurodev.engine.loop.state import FIELDS, State

VIEWS: dict[type, str] = {np.float64: "f8", np.int64: "i8", np.uint16: "u2", np.uint32: "u4", np.uint64: "u8"}
HEAD = '''"""Kernel-side access to the state: one address in, views of a group of arrays out.

Written by `emit.py` from the tuples of `state.py`: do not edit.

The loop is handed a single int64: the address of a table with (address, length, second length) of every array.  Passing
tuples of arrays instead costs microseconds a call (each array is seven words and a reference count) and a minute
of compilation; views made from addresses carry no reference counts and vanish in the optimiser.
"""

from __future__ import annotations

from neurodev.engine.loop.state import (
{groups}
)
from neurodev.jit import {names}
'''
GROUP = '''

@rule
def {name}_of(s: int) -> {kind}:
    """Views of `{kind}`."""
    return {kind}(
{views}
    )
'''


def text() -> str:
    """The source of `views.py`."""
    kinds = {name: str(getattr(kind, "__forward_arg__", kind)) for name, kind in State.__annotations__.items()}
    used = sorted({("view2_" if f.n_dim == 2 else "view_") + VIEWS[f.type] for f in FIELDS} | {"word"})
    out = HEAD.format(groups="\n".join(f"    {k}," for k in sorted(kinds.values())), names=", ".join(["rule", *used]))
    at = 0
    for name, fields in groupby(FIELDS, lambda f: f.group):
        views = []
        for f in fields:
            numbers = ", ".join(f"word(s, {3 * at + k})" for k in range(1 + f.n_dim))
            views.append(f"        {'view2_' if f.n_dim == 2 else 'view_'}{VIEWS[f.type]}({numbers}),  # {f.field}")
            at += 1
        out += GROUP.format(name=name, kind=kinds[name], views="\n".join(views))
    return out


if __name__ == "__main__":
    Path(__file__).with_name("views.py").write_text(text(), encoding="utf-8")

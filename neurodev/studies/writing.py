"""A table as the text of a study: what was changed by ``--set``, a seed or a control is written down with the run."""

from __future__ import annotations

import datetime
import json
import math
import re
import tomllib
from typing import Any

_BARE = re.compile(r"[A-Za-z0-9_-]+\Z")


def _text(value: str) -> str:
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _key(word: str) -> str:
    return word if _BARE.match(word) else _text(word)


def value(x: Any) -> str:
    """A value in a line.

    Examples
    --------
    >>> value({"kind": "Uniform", "low": 1.0, "high": [2, 3]})
    '{kind = "Uniform", low = 1.0, high = [2, 3]}'
    """
    if isinstance(x, bool):
        return "true" if x else "false"
    if isinstance(x, float):
        return repr(x) if math.isfinite(x) else "nan" if x != x else "inf" if x > 0 else "-inf"
    if isinstance(x, int):
        return str(x)
    if isinstance(x, (datetime.datetime, datetime.date, datetime.time)):
        return x.isoformat()
    if isinstance(x, dict):
        return f"{{{', '.join(f'{_key(k)} = {value(v)}' for k, v in x.items())}}}"
    if isinstance(x, (list, tuple)):
        return f"[{', '.join(map(value, x))}]"
    return _text(str(x))


def _table(table: dict[str, Any], name: str = "") -> list[str]:
    """Lines of a table: its values first, then the tables within it, two floors deep; deeper ones stand in a line."""
    deep = name.count(".") < 1

    def of_tables(v: Any) -> bool:
        return isinstance(v, list) and bool(v) and all(isinstance(x, dict) for x in v) and not name

    inner = {k: v for k, v in table.items() if deep and (isinstance(v, dict) or of_tables(v))}
    lines = [f"{_key(k)} = {value(v)}" for k, v in table.items() if k not in inner]
    if name and (lines or not inner):
        lines = [f"[{name}]", *lines]
    if lines:
        lines.append("")
    for k, v in inner.items():
        here = f"{name}.{_key(k)}" if name else _key(k)
        if isinstance(v, dict):
            lines += _table(v, here)
        else:
            for entry in v:
                lines += [f"[[{here}]]", *(f"{_key(a)} = {value(b)}" for a, b in entry.items()), ""]
    return lines


def written(table: dict[str, Any]) -> str:
    """The table as TOML, which gives the same table when it is read.

    Examples
    --------
    >>> written({"seed": 1, "run": {"duration": "1 day"}}).split("\\n")[:4]
    ['seed = 1', '', '[run]', 'duration = "1 day"']
    """
    return "\n".join(_table(table)).rstrip("\n") + "\n"


def same(text: str, table: dict[str, Any]) -> bool:
    """Whether a text says a table already."""
    try:
        return tomllib.loads(text) == table
    except ValueError:
        return False

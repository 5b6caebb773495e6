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


def _value(value: Any) -> str:
    """A value in a line."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return repr(value) if math.isfinite(value) else "nan" if value != value else "inf" if value > 0 else "-inf"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, (datetime.datetime, datetime.date, datetime.time)):
        return value.isoformat()
    if isinstance(value, dict):
        return f"{{{', '.join(f'{_key(k)} = {_value(v)}' for k, v in value.items())}}}"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_value, value))}]"
    return _text(str(value))


def _table(table: dict[str, Any], name: str = "") -> list[str]:
    """Lines of a table: its values first, then the tables within it, two floors deep; deeper ones stand in a line."""
    deep = name.count(".") < 1

    def of_tables(v: Any) -> bool:
        return isinstance(v, list) and bool(v) and all(isinstance(x, dict) for x in v) and not name

    inner = {k: v for k, v in table.items() if deep and (isinstance(v, dict) or of_tables(v))}
    lines = [f"{_key(k)} = {_value(v)}" for k, v in table.items() if k not in inner]
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
                lines += [f"[[{here}]]", *(f"{_key(a)} = {_value(b)}" for a, b in entry.items()), ""]
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

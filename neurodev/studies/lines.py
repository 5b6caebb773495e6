"""On which line of a TOML text each key and table stands, so that messages quote the right one.

`tomllib` gives values without places.  The text is read once more for its keys alone; it is known to be valid TOML.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

Path = tuple[str | int, ...]
# in order: comments, strings of three quotes, strings, brackets, and what separates
_TOKEN = re.compile(
    r"""(?P<space>[ \t\r]+|\#[^\n]*)
    |(?P<long>\"\"\"(?:\\.|[^\\])*?\"{3,5}(?!\")|'''.*?'{3,5}(?!'))
    |(?P<string>"(?:\\.|[^"\\\n])*"|'[^'\n]*')
    |(?P<mark>[\[\]{}=,.\n])
    |(?P<word>[^\s\[\]{}=,.\#"']+)""",
    re.VERBOSE | re.DOTALL,
)


@dataclass
class _Reader:
    """Walks through the tokens, and keeps the path of the table that is open."""

    found: dict[Path, int] = field(default_factory=dict)
    counts: dict[Path, int] = field(default_factory=dict)
    table: Path = ()

    def note(self, path: Path, line: int) -> None:
        for k in range(1, len(path) + 1):
            self.found.setdefault(path[:k], line)

    def inside(self, words: Path) -> Path:
        """The path of a header, which runs through the last entry of every array of tables on its way."""
        out: Path = ()
        for word in words:
            out = (*out, word)
            if out in self.counts:
                out = (*out, self.counts[out] - 1)
        return out

    def header(self, words: Path, line: int, entry: bool) -> None:
        if not entry:
            self.table = self.inside(words)
        else:
            path = (*self.inside(words[:-1]), words[-1])
            self.counts[path] = self.counts.get(path, 0) + 1
            self.table = (*path, self.counts[path] - 1)
        self.note(self.table, line)


def _tokens(text: str) -> list[tuple[str, str, int]]:
    """(kind, token, line) of everything but white space and comments; lines count from 1."""
    out, line = [], 1
    for m in _TOKEN.finditer(text):
        if m.lastgroup != "space":
            out.append((str(m.lastgroup), m[0], line))
        line += m[0].count("\n")
    return out


def lines_of(text: str) -> dict[Path, int]:
    """Line (from 1) of every key, table and entry of an array, by its path: ``("projection", "map", "use", 0, "tau")``.

    Examples
    --------
    >>> lines_of("[run]\\ntick = 1\\n[[at]]\\nkind = 'Lesion'")[("at", 0, "kind")]
    4
    """
    reader, tokens, k = _Reader(), _tokens(text), 0
    while k < len(tokens):
        _, token, line = tokens[k]
        if token == "[":  # at the start of a statement: [table] or [[entry]]
            entry = tokens[k + 1][1] == "["
            words, k = _key(tokens, k + 1 + entry)
            reader.header(words, line, entry)
            k += 1 + entry
        elif token == "\n":
            k += 1
        else:
            k = _pair(reader, reader.table, tokens, k)
    return reader.found


def _key(tokens: list[tuple[str, str, int]], k: int) -> tuple[Path, int]:
    """A key, dotted or not, and the position of what follows it."""
    words: list[str | int] = []
    while k < len(tokens) and tokens[k][0] in ("word", "string") or k < len(tokens) and tokens[k][1] == ".":
        if tokens[k][1] != ".":
            words.append(tokens[k][1].strip("\"'"))
        k += 1
    return tuple(words), k


def _pair(reader: _Reader, table: Path, tokens: list[tuple[str, str, int]], k: int) -> int:
    """One ``key = value``, from position `k`; returns the position behind it."""
    line = tokens[k][2]
    words, k = _key(tokens, k)
    path = (*table, *words)
    reader.note(path, line)
    return _value(reader, path, tokens, k + 1)  # behind the sign of equality


def _value(reader: _Reader, path: Path, tokens: list[tuple[str, str, int]], k: int) -> int:
    """A value, from position `k`; returns the position behind it."""
    if k >= len(tokens):
        return k
    token = tokens[k][1]
    if token == "{":
        k += 1
        while k < len(tokens) and tokens[k][1] != "}":
            k = k + 1 if tokens[k][1] in (",", "\n") else _pair(reader, path, tokens, k)
        return k + 1
    if token == "[":
        k, entry = k + 1, 0
        while k < len(tokens) and tokens[k][1] != "]":
            if tokens[k][1] in (",", "\n"):
                entry += tokens[k][1] == ","
                k += 1
            else:
                reader.note((*path, entry), tokens[k][2])
                k = _value(reader, (*path, entry), tokens, k)
        return k + 1
    while k < len(tokens) and tokens[k][1] not in (",", "\n", "}", "]"):
        k += 1  # a number with a point, or a date, is several tokens
    return k

"""What a format is: a history or a network written as others keep it, and read back."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, NoReturn

from neurodev.errors import ParameterError
from neurodev.registry import Registered


class Format(Registered, ABC, kind="format"):
    """Base of formats; a derived class is one format, known by its name.

    What `write` takes `read` gives back, but for what the format has no words for: `write` refuses that by name
    (`refuse`) before it touches the file, so that nothing is lost in silence.

    Attributes
    ----------
    tables : tuple of str
        Which tables it can hold, where it holds one: what its option ``table`` may be.
    suffix : str
        How its files end, with the dot: ``".csv"``; `export` finds it by that.
    marker : str
        Of a format that is a folder of files: one that is always in it.
    extra : str
        The extra of neurodev that brings its library: ``pip install 'neurodev[tables]'``; empty if none is needed.

    Examples
    --------
    >>> class Counts(Format):
    ...     suffix = ".txt"
    ...     def write(self, what, path):
    ...         if strange := [k for k, v in what.items() if not isinstance(v, int)]:
    ...             self.refuse(strange, "whole numbers alone")
    ...         Path(path).write_text("\\n".join(f"{k} {v}" for k, v in what.items()))
    ...     def read(self, path):
    ...         return {k: int(v) for k, v in map(str.split, Path(path).read_text().splitlines())}
    >>> Counts().write({"spines": 12, "rate": 0.5}, "counts.txt")
    Traceback (most recent call last):
    neurodev.errors.ParameterError: Counts cannot say 'rate': it has words for whole numbers alone
    """

    suffix: ClassVar[str] = ""
    tables: ClassVar[tuple[str, ...]] = ()
    marker: ClassVar[str] = ""
    extra: ClassVar[str] = ""

    @abstractmethod
    def write(self, what: Any, path: Path | str) -> None:
        """Write a history or a network to a file.

        Raises
        ------
        ParameterError
            With the names of what the format cannot say.
        """

    @abstractmethod
    def read(self, path: Path | str) -> Any:
        """What a file holds, as `write` takes it."""

    def refuse(self, names: Iterable[str], has: str) -> NoReturn:
        """Refuse to write what the format has no words for.

        Raises
        ------
        ParameterError
            With the names, and what it `has` words for.
        """
        raise ParameterError(f"{type(self).__name__} cannot say {', '.join(map(repr, names))}: it has words for {has}")

    @contextmanager
    def library(self) -> Iterator[None]:
        """Within it the library of the format is imported; where it is missing, the error says what to install.

        Raises
        ------
        ParameterError
            With the line for pip.
        """
        try:
            yield
        except ImportError as e:
            name = (e.name or "a library").partition(".")[0]
            raise ParameterError(
                f"{type(self).__name__} needs {name}, which is not installed: pip install 'neurodev[{self.extra}]'"
            ) from e

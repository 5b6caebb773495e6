"""What there is of every kind, ours and theirs: whatever is defined is known by its name.

Defining a class registers it (its base class derives from `Registered`), and so does the decorator `registered` for
functions.  Ours are found without being imported, by the tables of `neurodev.ours`; theirs by ``"module:Class"``,
imported from the working folder or the path.  Lower rooms ask here by name, so that they import nothing above them.

Examples
--------
>>> find("mechanism", "STDP").__name__
'STDP'
>>> "Near" in names("wiring")
True
"""

from __future__ import annotations

import importlib
import inspect
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from neurodev.errors import ParameterError, nearest

T = TypeVar("T")
Kinds = str | tuple[str, ...]

# where ours live: kind -> name -> module, filled by `neurodev.ours`
OURS: dict[str, dict[str, str]] = {}
# what classes of a kind derive from; a kind without an entry may also be a function of one's own
BASES: dict[str, str] = {
    "mechanism": "neurodev.Mechanism",
    "growth curve": "neurodev.mechanisms.growth_curves.GrowthCurve",
    "neuron model": "neurodev.NeuronModel",
    "dendrite": "neurodev.Branches",
    "drive": "neurodev.Drive",
    "background": "neurodev.Background",
    "wiring": "neurodev.Wiring",
    "delay": "neurodev.structure.wiring.Delay",
    "intervention": "neurodev.Intervention",
    "method": "neurodev.learn.Method",
    "layer": "neurodev.learn.core.layer.Layer",
    "surrogate": "neurodev.learn.Surrogate",
    "encoder": "neurodev.learn.training.encode.Encoder",
    "format": "neurodev.formats.base.Format",
}
# our causes, in the order of their codes -> "module:Class" that declares each, filled by `neurodev.ours`
CAUSES: dict[str, str] = {}
# kind -> name -> what bears it, one a module, the latest last
_known: dict[str, dict[str, tuple[Any, ...]]] = {}


# ---------------------------------------------------------------- entering


def is_ours(thing: Any) -> bool:
    """Whether a class or function is one of the package's own."""
    return str(thing.__module__).split(".")[0] == "neurodev"


def enter(kind: str, thing: T, name: str = "") -> T:
    """Make a class or function known under its name; who defines it again in the same module replaces it.

    A thing of a user's that bears the name of one of ours is known by ``"module:Class"`` alone, and so are two of one
    name from two modules.
    """
    name = name or thing.__name__  # type: ignore[attr-defined]
    if not name.startswith("_") and (is_ours(thing) or name not in OURS.get(kind, {})):
        bearers = _known.setdefault(kind, {})
        bearers[name] = (*(t for t in bearers.get(name, ()) if t.__module__ != thing.__module__), thing)
    return thing


def registered(kind: str, name: str = "") -> Callable[[T], T]:
    """Decorator of functions (losses, data sets, networks, ...): makes them known under their name."""

    def mark(thing: T) -> T:
        thing.registered_as = kind  # type: ignore[attr-defined]
        return enter(kind, thing, name)

    return mark


class Registered:
    """Base of classes that are known by being defined; the direct base of a kind says ``kind=``.

    The base itself and what is defined with ``word=False`` are no words of a study.

    Examples
    --------
    >>> class Sky(Registered, kind="sky"): ...
    >>> class Blue(Sky): ...
    >>> find("sky", "Blue") is Blue
    True
    """

    registered_as: str = ""
    _is_word: bool = False

    def __init_subclass__(cls, kind: str = "", word: bool | None = None, **more: Any) -> None:
        super().__init_subclass__(**more)
        if kind:
            cls.registered_as = kind
        cls._is_word = not kind if word is None else word
        if cls.registered_as and cls._is_word:
            enter(cls.registered_as, cls)

    def made_of(self) -> list[Any]:
        """The attributes that are of a kind themselves: a wiring within a wiring, a layer's surrogate."""
        found: list[Any] = []
        for value in vars(self).values():
            inside = list(value.values()) if isinstance(value, dict) else value
            found += inside if isinstance(inside, (list, tuple)) else [inside]
        return [x for x in found if isinstance(x, Registered)]


def _is_abstract(thing: Any) -> bool:
    return inspect.isabstract(thing) or not getattr(thing, "_is_word", True)


# ---------------------------------------------------------------- finding


@contextmanager
def _from_here() -> Iterator[None]:
    """Let modules be imported from the working folder, those that were just written too."""
    importlib.invalidate_caches()
    here = str(Path.cwd())
    if here in sys.path or "" in sys.path:
        yield
        return
    sys.path.insert(0, here)
    try:
        yield
    finally:
        sys.path.remove(here)


def _where(error: BaseException) -> str:
    """File and line of an error, for messages."""
    if isinstance(error, SyntaxError) and error.filename:
        return f" ({error.filename}, line {error.lineno})"
    frames = traceback.extract_tb(error.__traceback__)
    return f" ({frames[-1].filename}, line {frames[-1].lineno})" if frames else ""


def imported(module: str, word: str) -> Any:
    """The module of a word, imported from the working folder or the path.

    Raises
    ------
    ParameterError
        If there is none, or importing it fails.
    """
    try:
        with _from_here():
            return importlib.import_module(module)
    except ModuleNotFoundError as e:
        if not e.name or not f"{module}.".startswith(f"{e.name}."):
            raise ParameterError(f"{word!r}: module {module!r} imports {e.name!r}, which is not installed") from e
        raise ParameterError(
            f"{word!r}: there is no module {module!r} in the working folder ({Path.cwd()}) or on the path; start from "
            "the folder in which it lies, or name that in PYTHONPATH"
        ) from e
    except (Exception, SystemExit) as e:  # whatever their module does at import
        raise ParameterError(
            f"{word!r}: importing module {module!r} failed with {type(e).__name__}: {e}{_where(e)}; mend it there"
        ) from e


def load(word: str) -> Any:
    """The thing behind ``"module:Name"``, its module imported from the working folder or the path.

    Raises
    ------
    ParameterError
        If the module or the name in it does not exist, or importing it fails.
    """
    module, _, name = word.partition(":")
    if not module or not name or not all(part.isidentifier() for part in name.split(".")):
        raise ParameterError(f"{word!r} is not a word of the form 'module:Class'")
    if module.endswith(".py"):
        raise ParameterError(f"{word!r} names a file: write {module[:-3]!r}, as in an import")
    found = imported(module, word)
    for part in name.split("."):
        if not hasattr(found, part):
            raise ParameterError(f"{word!r}: module {module!r} has no {name!r}{nearest(name, vars(found))}")
        found = getattr(found, part)
    return found


def _tuple(kind: Kinds) -> tuple[str, ...]:
    return (kind,) if isinstance(kind, str) else kind


def _article(word: str) -> str:
    return f"{'an' if word[0] in 'aeiou' else 'a'} {word}"


def _made(kind: str) -> dict[str, Any]:
    """What was defined of a kind and can be made, by name, or by ``"module:Class"`` where several share the name."""
    out: dict[str, Any] = {}
    for name, bearers in _known.get(kind, {}).items():
        made = [t for t in bearers if not _is_abstract(t)]
        out |= {name if len(made) == 1 else word_of(t): t for t in made}
    return out


def names(kind: Kinds) -> list[str]:
    """All names of a kind (or of several), sorted: ours, and what was defined since."""
    return sorted({n for k in _tuple(kind) for n in (*_made(k), *OURS.get(k, {}))})


def every(kind: Kinds) -> dict[str, Any]:
    """Everything of a kind by name, in the order of `names`; imports what is ours."""
    made = {n: thing for k in reversed(_tuple(kind)) for n, thing in _made(k).items()}
    return {name: made[name] if name in made else find(kind, name) for name in names(kind)}


def ours(kind: Kinds) -> dict[str, Any]:
    """What the package itself has of a kind, by name and sorted, whatever a program defined beside it."""
    return {name: find(k, name) for name, k in sorted((n, k) for k in _tuple(kind) for n in OURS.get(k, {}))}


def find(kind: Kinds, word: str) -> Any:
    """The class or function of a kind (or of one of several) by its name, or by ``"module:Class"``.

    Raises
    ------
    ParameterError
        For an unknown word, with the nearest; for a name that several modules have given; for a thing of another kind
        or an abstract class; if its module cannot be imported.
    """
    kinds = _tuple(kind)
    if ":" in word:
        return _fitting(load(word), word, kinds)
    for k in kinds:
        if word in OURS.get(k, {}) and word not in _known.get(k, {}):
            importlib.import_module(OURS[k][word])
        if word in _known.get(k, {}):
            bearers = _known[k][word]
            made = [t for t in bearers if not _is_abstract(t)]
            if len(made) > 1:
                words = " or ".join(repr(word_of(t)) for t in made)
                raise ParameterError(f"{word!r} is the name of more than one {k}: say which, {words}")
            return _fitting(made[0] if made else bearers[-1], word, kinds)
    everything = names(kinds)
    raise ParameterError(
        f"there is no {' or '.join(kinds)} {word!r}{nearest(word, everything)}; there are {everything}, or your own as "
        "'module:Class'"
    )


def _fitting(thing: Any, word: str, kinds: tuple[str, ...]) -> Any:
    """The thing itself, if it is one of the kinds and can be made."""
    found, what = kind_of(thing), " or ".join(kinds)
    if found in kinds and not _is_abstract(thing):
        return thing
    if found in kinds:
        left = sorted(getattr(thing, "__abstractmethods__", ()))
        cure = f"define {', '.join(left)}" if left else "derive a class from it"
        raise ParameterError(f"{word!r} is an abstract {found}: {cure}")
    if found:
        raise ParameterError(f"{word!r} is {_article(found)}, not {_article(what)}")
    if not all(k in BASES for k in kinds) and callable(thing):  # a plain function of the user's
        return thing
    bases = " or ".join(BASES.get(k, "a function") for k in kinds)
    raise ParameterError(f"{word!r} is not {_article(what)}: derive a class from {bases}")


def kind_of(thing: Any) -> str:
    """The kind that a class or function was entered as; empty if it was not."""
    return str(getattr(thing, "registered_as", ""))


class Namespace:
    """What the package has of some kinds, as attributes: ``nd.wiring.Near``."""

    def __init__(self, title: str, *kinds: str) -> None:
        self._title, self._kinds = title, kinds

    def __getattr__(self, name: str) -> Any:
        table = {n: k for k in self.__dict__.get("_kinds", ()) for n in OURS[k]}
        if name not in table:
            raise AttributeError(f"{self.__dict__.get('_title')} has no {name!r}{nearest(name, table)}")
        return find(table[name], name)

    def __dir__(self) -> list[str]:
        return sorted(n for k in self._kinds for n in OURS[k])

    def __repr__(self) -> str:
        return f"<{self._title}: {', '.join(dir(self))}>"


# ---------------------------------------------------------------- telling where a thing comes from


def word_of(thing: Any) -> str:
    """The word by which a study names a class or function: its name if it is ours, else ``"module:Class"``."""
    return str(thing.__name__) if is_ours(thing) else f"{thing.__module__}:{thing.__qualname__}"

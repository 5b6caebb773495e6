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
from abc import ABCMeta
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import FunctionType, ModuleType
from typing import TYPE_CHECKING, Any, TypeVar

from neurodev.errors import NeurodevError, ParameterError, nearest, shown

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
    "stimulus": "neurodev.Stimulus",
    "wiring": "neurodev.Wiring",
    "delay": "neurodev.structure.delays.Delay",
    "weights": "neurodev.structure.weights.Weights",
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


# ---------------------------------------------------------------- calling

# what a wrong value raises where nobody looked at it before
_FOREIGN = (TypeError, ValueError, AttributeError, LookupError, ArithmeticError, MemoryError, RecursionError)


def keywords(make: Any) -> tuple[list[str], bool]:
    """The keywords that a class or function takes, and whether it takes others that cannot be told."""
    names: dict[str, None] = {}
    openly = False
    if isinstance(make, type):  # a class that hands ``**more`` on takes what its bases take
        calls = [vars(c)["__init__"] for c in make.__mro__[:-1] if "__init__" in vars(c)]
    else:
        calls = [make]
    for f in calls:
        parameters = list(inspect.signature(f).parameters.values())[int(isinstance(make, type)) :]
        names |= {p.name: None for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}
        openly = any(p.kind is p.VAR_KEYWORD for p in parameters)
        if not openly:
            break
    return [n for n in names if n[0] != "_" and n != "self"], openly


def misfit(make: Any, args: Sequence[Any], given: dict[str, Any]) -> str:
    """What is wrong with a call, the nearest keyword to one that there is not included; empty if it fits."""
    name = make.__name__ if isinstance(make, type) else make.__qualname__.removesuffix(".__init__")
    try:
        known, openly = keywords(make)
        wrong = [] if openly else [k for k in given if k not in known]
        if wrong:
            told = getattr(make, "_instead", lambda *_: "")(args, given)  # what a class knows of such a call
            cure = f"; {told}" if told else ""
            return f"{name} has no parameter {wrong[0]!r}{nearest(wrong[0], known)}; it has {known}{cure}"
        inspect.signature(make).bind(*args, **given)
    except TypeError as e:
        return f"{name}: {e}; it has {known}"
    return ""


def takes(name: str, function: Any, *arguments: str, **named: Any) -> Any:
    """A function that can be called with so many arguments; what does not say what it takes passes.

    Raises
    ------
    ParameterError
        Naming the argument, the function and what it will be called with.
    """
    try:
        signature = inspect.signature(function, follow_wrapped=False)  # a decorator may give arguments of its own
    except (TypeError, ValueError):  # compiled
        return function
    try:
        signature.bind(*arguments, **named)
    except TypeError as e:
        who = getattr(function, "__qualname__", type(function).__name__)
        told = ", ".join((*arguments, *named))
        raise ParameterError(f"{name} {who}{signature} cannot be called with ({told}): {e}") from None
    return function


def takes_over(name: str, thing: Any, base: type) -> Any:
    """An instance whose class, where it writes methods of `base` anew, lets them be called as those are.

    Raises
    ------
    ParameterError
        Naming the argument, the method and what it will be called with.
    """
    for hook, made in () if is_ours(type(thing)) else vars(base).items():
        public = isinstance(made, FunctionType) and (hook[0] != "_" or hook == "__call__")
        if public and getattr(type(thing), hook, made) is not made:
            asked = [p.name for p in inspect.signature(made).parameters.values() if p.kind is p.POSITIONAL_OR_KEYWORD]
            takes(name, getattr(thing, hook), *asked[1:])
    return thing


def _refusal(make: Any, args: Sequence[Any], given: dict[str, Any], error: Exception) -> NeurodevError | None:
    """The error of ours that stands for a foreign one; None where it is the user's own code that failed."""
    if said := misfit(make, args, given):
        return ParameterError(said)
    if inspect.isabstract(make):
        left = ", ".join(sorted(make.__abstractmethods__))
        return ParameterError(f"{make.__name__} is abstract: derive a class that defines {left}")
    if not is_ours(make):
        return None
    told = ", ".join([*map(shown, args), *(f"{k}={shown(v)}" for k, v in given.items())])
    return ParameterError(f"{make.__qualname__}({told}) does not fit: {type(error).__name__}: {error}")


class Spoken(ABCMeta):
    """Metaclass of what users make: a call that does not fit is refused in our words, with the nearest keyword.

    Examples
    --------
    >>> class Cup(metaclass=Spoken):
    ...     def __init__(self, volume=1.0): ...
    >>> Cup(volum=2.0)
    Traceback (most recent call last):
    neurodev.errors.ParameterError: Cup has no parameter 'volum' (did you mean 'volume'?); it has ['volume']
    """

    if not TYPE_CHECKING:  # checkers read the signature of ``__init__``

        def __call__(cls, *args: Any, **given: Any) -> Any:
            """Make one."""
            try:
                return super().__call__(*args, **given)
            except NeurodevError:
                raise
            except _FOREIGN as e:
                said = _refusal(cls, args, given, e)
                if said is None:
                    raise
                raise said from e

        @property
        def __signature__(cls) -> inspect.Signature:
            """That of ``__init__``: inspect would find the call above."""
            if cls.__init__ is object.__init__:
                return inspect.Signature()
            whole = inspect.signature(cls.__init__)
            return whole.replace(parameters=list(whole.parameters.values())[1:])


def spoken(function: T, *, makes: bool = False) -> T:
    """Decorator: a call of a function or method that does not fit is refused in our words, with the nearest keyword.

    With `makes`, so is whatever a wrong value raises in a function of ours that makes something.
    """
    f: Any = function
    wrong: tuple[type[Exception], ...] = _FOREIGN if makes else (TypeError,)

    @wraps(f)
    def call(*args: Any, **given: Any) -> Any:
        try:
            return f(*args, **given)
        except NeurodevError:
            raise
        except wrong as e:
            if makes and (error := _refusal(f, args, given, e)):
                raise error from e
            if said := misfit(f, args, given):
                raise ParameterError(said) from e
            raise

    return call  # type: ignore[return-value]


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
        if isinstance(thing, FunctionType) and kind != "loss":  # losses are called by us, and at every step
            thing = spoken(thing, makes=True)
        thing.registered_as = kind  # type: ignore[attr-defined]
        return enter(kind, thing, name)

    return mark


class Registered(metaclass=Spoken):
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


class Beside:
    """Finds what modules of a user's import later on, beside them: the last that Python asks, for what nobody else has.

    The folder itself leaves the path after a word was read, so that its files shadow nothing.
    """

    folders: list[str] = []

    @classmethod
    def find_spec(
        cls, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """A module of the top level in one of the folders."""
        return PathFinder.find_spec(name, cls.folders) if path is None and cls.folders else None

    @classmethod
    def remember(cls, module: ModuleType) -> None:
        """Keep the working folder, if a module came from there."""
        here, file = str(Path.cwd()), getattr(module, "__file__", None)
        if file and here not in cls.folders and Path(file).resolve().is_relative_to(Path(here).resolve()):
            cls.folders.append(here)
            if cls not in sys.meta_path:
                sys.meta_path.append(cls)


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
        if here in sys.path:  # their module may have taken it away
            sys.path.remove(here)


def _where(error: BaseException) -> str:
    """File and line of an error, for messages: in the user's own module, if the error passed through it."""
    from neurodev.blame import place_of

    if theirs := place_of(error):
        return f" ({theirs})"
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
            found = importlib.import_module(module)
        Beside.remember(found)
        return found
    except ModuleNotFoundError as e:
        if not e.name or not f"{module}.".startswith(f"{e.name}."):
            raise ParameterError(f"{word!r}: module {module!r} imports {e.name!r}, which is not installed") from e
        raise ParameterError(
            f"{word!r}: there is no module {module!r} in the working folder ({Path.cwd()}) or on the path; start from "
            "the folder in which it lies, or name that in PYTHONPATH"
        ) from e
    except (Exception, SystemExit) as e:  # whatever their module does at import
        said = str(e).strip().partition("\n")[0]
        raise ParameterError(
            f"{word!r}: importing module {module!r} failed with {type(e).__name__}: {said}{_where(e)}; mend it there"
        ) from e


def load(word: str) -> Any:
    """The thing behind ``"module:Name"``, its module imported from the working folder or the path.

    Raises
    ------
    ParameterError
        If the module or the name in it does not exist, or importing it fails.
    """
    module, _, name = (part.strip() for part in word.rpartition(":"))
    if not module or not name or not all(part.isidentifier() for part in name.split(".")):
        raise ParameterError(f"{word!r} is not a word of the form 'module:Class'")
    if "/" in module or "\\" in module or module.endswith(".py"):
        *folders, file = module.removesuffix(".py").replace("\\", "/").split("/")
        inside = [f for f in folders if f not in ("", ".")]
        away = module[0] in "/\\" or ".." in inside or ":" in module
        start = f", and start from {str(Path(module).parent)!r} or name that in PYTHONPATH" if away else ""
        cure = f"{file if away else '.'.join([*inside, file])}:{name}"
        raise ParameterError(f"{word!r} names a file: write {cure!r}, as in an import{start}")
    if module.startswith(".") or not all(part.isidentifier() for part in module.split(".")):
        raise ParameterError(f"{word!r}: {module!r} is not the name of a module: write 'module:Class', as in an import")
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
    if not isinstance(word, str):
        raise ParameterError(f"{_article(kinds[0])} is found by its name or by 'module:Class', got {shown(word)}")
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

"""What there is of every kind, ours and theirs: whatever is defined is known by its name.

Defining a class registers it (its base class calls `enter`), and so does the decorator `registered` for functions.
Ours are found without being imported, by the table `OURS`; theirs by ``"module:Class"``, imported from the working
folder or the path.  Lower rooms ask here by name, so that they import nothing above them.

Examples
--------
>>> find("mechanism", "STDP").__name__
'STDP'
>>> "Near" in names("wiring")
True
"""

from __future__ import annotations

import hashlib
import importlib
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from neurodev.errors import ParameterError, nearest

T = TypeVar("T")

# where ours live: kind -> name -> module.  A test compares it with what the package defines.
OURS: dict[str, dict[str, str]] = {}
_known: dict[str, dict[str, Any]] = {}


def _ours(kind: str, room: str, **modules: str) -> None:
    table = OURS.setdefault(kind, {})
    for module, words in modules.items():
        table.update(dict.fromkeys(words.split(), f"neurodev.{room}.{module}" if room else f"neurodev.{module}"))


_ours(
    "mechanism", "mechanisms",
    bcm="BCM", calcium_plasticity="CalciumPlasticity", clustered_births="ClusteredBirths", early_phase="EarlyPhase",
    growth="Growth", heterosynaptic="Heterosynaptic", inhibitory_stdp="InhibitorySTDP",
    neuron_fate="NeuronDeath Neurogenesis", neurotrophin="Neurotrophin", pairing="Pairing", persistence="Persistence",
    scaling="Scaling", spine_range="SpineRange", spine_shape="SpineShape", spine_size="SpineSize",
    spine_stage="SpineStage", stdp="STDP", survival="Survival", trophic_factor="TrophicFactor", turnover="Turnover",
)  # fmt: skip
_ours("growth curve", "mechanisms", growth_curves="GaussianGrowth LinearGrowth SigmoidGrowth")
_ours("neuron model", "neurons", lif="LIF")
_ours("dendrite", "neurons", dendrite="Bilinear Plateau TwoLayer")
_ours("dendrite", "structure", places="Branches")
_ours("drive", "neurons", drive="Background Poisson Recording Regular RetinalWaves SpikeList")
_ours("wiring", "structure", wiring="AllToAll Contacts Degree Near OneToOne Pairs Probability")
_ours("delay", "structure", wiring="Fixed Uniform")
_ours(
    "intervention", "simulation",
    interventions="AddSynapses Antagonise Block Infuse Lesion RemoveSynapses SetRate Silence",
)  # fmt: skip


# ---------------------------------------------------------------- entering


def is_ours(thing: Any) -> bool:
    """Whether a class or function is one of the package's own."""
    return str(thing.__module__).split(".")[0] == "neurodev"


def enter(kind: str, thing: T, name: str = "") -> T:
    """Make a class or function known under its name; who defines it again (in a notebook) replaces it.

    A thing of a user's that bears the name of one of ours is known by ``"module:Class"`` alone.
    """
    name = name or thing.__name__  # type: ignore[attr-defined]
    if not name.startswith("_") and (is_ours(thing) or name not in OURS.get(kind, {})):
        _known.setdefault(kind, {})[name] = thing
    return thing


def registered(kind: str, name: str = "") -> Callable[[T], T]:
    """Decorator of functions (losses, data sets, networks, ...): makes them known under their name."""
    return lambda thing: enter(kind, thing, name)


# ---------------------------------------------------------------- finding


@contextmanager
def _from_here() -> Iterator[None]:
    """Let modules be imported from the working folder."""
    here = str(Path.cwd())
    if here in sys.path or "" in sys.path:
        yield
        return
    sys.path.insert(0, here)
    try:
        yield
    finally:
        sys.path.remove(here)


def load(word: str) -> Any:
    """The thing behind ``"module:Name"``, its module imported from the working folder or the path.

    Raises
    ------
    ParameterError
        If the module or the name in it does not exist, or importing it fails.
    """
    module, _, name = word.partition(":")
    if not module or not name.isidentifier():
        raise ParameterError(f"{word!r} is not a word of the form 'module:Class'")
    try:
        with _from_here():
            found = importlib.import_module(module)
    except Exception as e:  # whatever their module does at import
        raise ParameterError(
            f"{word!r} cannot be imported ({type(e).__name__}: {e}); the module must lie in the working folder "
            f"({Path.cwd()}) or on the path"
        ) from e
    if not hasattr(found, name):
        raise ParameterError(f"module {module!r} has no {name!r}{nearest(name, vars(found))}")
    return getattr(found, name)


def names(kind: str) -> list[str]:
    """All names of a kind, sorted: ours, and what was defined since."""
    return sorted({*OURS.get(kind, {}), *_known.get(kind, {})})


def every(kind: str) -> dict[str, Any]:
    """Everything of a kind by name, in the order of `names`; imports what is ours."""
    return {name: find(kind, name) for name in names(kind)}


def find(kind: str, word: str) -> Any:
    """The class or function of a kind by its name, or by ``"module:Class"``.

    Raises
    ------
    ParameterError
        For an unknown word, with the nearest; for a thing of another kind.
    """
    if ":" in word:
        thing = load(word)
        if kind_of(thing) not in (kind, ""):
            raise ParameterError(f"{word!r} is a {kind_of(thing)}, not a {kind}")
        return thing
    known = _known.get(kind, {})
    if word not in known and word in OURS.get(kind, {}):
        importlib.import_module(OURS[kind][word])
    if word not in known:
        known = _known.get(kind, {})
    if word not in known:
        everything = names(kind)
        raise ParameterError(
            f"no {kind} {word!r}{nearest(word, everything)}; there are {everything}, or your own as 'module:Class'"
        )
    return known[word]


def kind_of(thing: Any) -> str:
    """The kind that a class or function was entered as; empty if it was not."""
    for kind, known in _known.items():
        if any(one is thing for one in known.values()):
            return kind
    return str(getattr(thing, "registered_as", ""))


# ---------------------------------------------------------------- telling where a thing comes from


def word_of(thing: Any) -> str:
    """The word by which a study names a class or function: its name if it is ours, else ``"module:Class"``."""
    return str(thing.__name__) if is_ours(thing) else f"{thing.__module__}:{thing.__qualname__}"


def source_hash(thing: Any) -> str:
    """SHA-256 of the source file of a class or function; empty where there is none (a notebook)."""
    file = getattr(sys.modules.get(thing.__module__), "__file__", None)
    return hashlib.sha256(Path(file).read_bytes()).hexdigest() if file and Path(file).is_file() else ""


class Registered:
    """Base of classes that are known by being defined; the direct base of a kind says ``kind=``.

    Examples
    --------
    >>> class Sky(Registered, kind="sky"): ...
    >>> class Blue(Sky): ...
    >>> find("sky", "Blue") is Blue
    True
    """

    registered_as: str = ""

    def __init_subclass__(cls, kind: str = "", abstract: bool = False, **more: Any) -> None:
        super().__init_subclass__(**more)
        if kind:
            cls.registered_as = kind
        elif cls.registered_as and not abstract:
            enter(cls.registered_as, cls)

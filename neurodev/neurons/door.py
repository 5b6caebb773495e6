"""The door of neuron models: what a model gives is looked at before the loop is told of it.

The loop reads what a model gives without a test, so that a table of the wrong shape would be read beyond its end.  What
cannot be seen from outside is a rule that reads a column it does not have: run new rules once under ``make bounds``
(or ``NUMBA_BOUNDSCHECK=1``), where such a read is an error.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from types import FunctionType
from typing import Any, NoReturn

import numpy as np

from neurodev.arrays import F8
from neurodev.errors import BuildError, nearest
from neurodev.jit import ENABLED, CompiledHook, address_of_hook
from neurodev.neurons.rules import deliver_each, kick_one

# mV, pA: no weight and no potential is larger: in the moving frame of the membranes, and summed, they stay finite.
LARGEST = 1e12
_FASTEST = 1e6  # 1/ms
NEEDED = ("predict", "event", "reset", "deliver", "kick")


_DESCRIBE = frozenset({"approximations", "outlook", "mean_drive", "as_jump"})  # tell of a model, and compute nothing


def check_subclass(given: Any, known: type, where: str, uncalled: tuple[str, ...] = ()) -> None:
    """Refuse what a subclass adds to a class that the event loop computes by itself, where nothing would look at it.

    Parameters
    ----------
    given : object
        An instance of `known` or of a class derived from it.
    known : type
        What the loop computes.
    where : str
        Whose it is, for messages.
    uncalled : tuple of str
        Methods of `known` that the loop has in its own words and never calls.

    Raises
    ------
    BuildError
        Naming the method or the parameter, and the cure.
    """
    own = type(given)
    cure = f"the event loop computes {known.__name__} by itself; write a class with rules of its own"
    for name in uncalled:
        if getattr(own, name) is not getattr(known, name):
            raise BuildError(f"{where}: {own.__name__}.{name} would never be called: {cure}")
    between = own.__mro__[: own.__mro__.index(known)]
    written = {n for c in between for n, v in vars(c).items() if isinstance(v, (FunctionType, property))}
    if {n for n in written if n == "__post_init__" or not n.startswith("__")} - _DESCRIBE:
        return  # its own methods may read it
    names = {f.name for f in fields(known)}
    for f in fields(given):
        if f.name not in names and "unit" in f.metadata:
            raise BuildError(f"{where}: nothing would read {own.__name__}.{f.name}: {cure}")


class Door:
    """Checks of what one model gives for one population.

    Every check raises `BuildError` with the population, the model, what it gave, and the cure.
    """

    def __init__(self, model: Any, n: int, name: str) -> None:
        self.model, self.n, self.name = model, n, name

    def refuse(self, what: str) -> NoReturn:
        """Say what is wrong."""
        raise BuildError(f"{type(self.model).__name__} of population {self.name!r}: {what}")

    def kind(self) -> None:
        """A model is a frozen dataclass, so that its parameters are known."""
        if not is_dataclass(self.model):
            self.refuse("a neuron model is a dataclass: decorate its class with @dataclass(frozen=True)")

    def rules(self, given: Any, form: type) -> None:
        """All rules that the loop calls are there, and compiled as rules."""
        if not isinstance(given, form):
            self.refuse(f"rules() must return a Rules(predict, event, reset, receive, ...), got {given!r:.60}")
        values = given._asdict()  # type: ignore[attr-defined]
        if (given.deliver is deliver_each or given.kick is kick_one) and given.receive is None:  # type: ignore[attr-defined]
            self.refuse("Rules needs receive, or both deliver and kick")
        for word, rule in values.items():
            if rule is None and word not in NEEDED:
                continue
            if not (isinstance(rule, CompiledHook) and rule.kind == "rule" if ENABLED else callable(rule)):
                self.refuse(f"rule {word!r} must be a function decorated with jit.model_rule, got {rule!r:.60}")
            try:
                address_of_hook(rule)
            except Exception as e:  # whatever the compiler says
                said = " ".join(str(e).strip().splitlines()[-3:])
                self.refuse(f"rule {word!r} does not compile as rule(m, a, b, c, x, t) -> int: {said:.300}")

    def columns(self, given: Any, form: type, what: str) -> tuple[Any, ...]:
        """Columns with names of their own and finite or infinite fills."""
        if not isinstance(given, (tuple, list)) or not all(isinstance(c, form) for c in given):
            self.refuse(f"{what}() must return a tuple of Column(name, fill, time), got {given!r:.80}")
        names = [c.name for c in given]
        for c in given:
            if not isinstance(c.name, str) or not c.name.isidentifier() or c.name == "event" or names.count(c.name) > 1:
                self.refuse(f"{what}(): every name must be a word of its own other than 'event', got {names}")
            if c.fill is not None and (not isinstance(c.fill, (int, float)) or np.isnan(c.fill)):
                self.refuse(f"{what}(): the fill of {c.name!r} must be a number, or None for the time, got {c.fill!r}")
        return tuple(given)

    def table(self, given: Any) -> F8:
        """(n, n_value) finite or infinite numbers, at least one a neuron."""
        try:
            values = np.ascontiguousarray(given, dtype=np.float64)
        except (TypeError, ValueError):
            self.refuse(f"table() must return numbers, got {given!r:.60}")
        fits = values.ndim == 2 and values.shape[0] == self.n and values.size
        if not fits or np.asarray(given).dtype.kind not in "fiub":
            self.refuse(f"table() must return numbers of shape ({self.n}, at least 1), got shape {values.shape}")
        if np.isnan(values).any():
            self.refuse("table() holds NaN: check the parameters (call neurodev.params.check in __post_init__)")
        return values

    def start(self, given: Any, names: list[str]) -> dict[str, F8]:
        """(n,) numbers for columns that there are."""
        if not isinstance(given, Mapping):
            self.refuse(f"start() must return a dictionary of columns, got {given!r:.60}")
        out = {}
        for word, values in given.items():
            if word not in names:
                self.refuse(f"start() names a column {word!r}{nearest(str(word), names)}; there are {names}")
            array = np.asarray(values, dtype=np.float64)
            if array.shape not in ((), (self.n,)) or np.isnan(array).any():
                self.refuse(f"start()[{word!r}] must be a number or have shape ({self.n},), without NaN")
            out[word] = array
        return out

    def count(self, given: Any, what: str) -> int:
        """A whole number, not negative."""
        if isinstance(given, bool) or not isinstance(given, (int, np.integer)) or given < 0:
            self.refuse(f"{what}() must return a whole number >= 0, got {given!r}")
        return int(given)

    def rate(self, given: Any) -> float:
        """A finite rate, not negative."""
        if not isinstance(given, (int, float, np.number)) or not np.isfinite(given) or given < 0:
            self.refuse(f"fastest_rate() must return a finite rate >= 0 (1/ms), got {given!r}")
        return float(given)

    def membrane(self, given: Any, form: type) -> Any:
        """Every field (n,), without NaN; refractory periods finite and not negative."""
        if not isinstance(given, form):
            self.refuse(f"membrane() must return a Membrane, got {given!r:.60}")
        for word, values in given._asdict().items():  # type: ignore[attr-defined]
            array = np.asarray(values, dtype=np.float64)
            if array.shape != (self.n,) or np.isnan(array).any():
                self.refuse(f"membrane().{word} must have shape ({self.n},), without NaN; got shape {array.shape}")
            if word == "refractory" and (np.any(array < 0) or np.isinf(array).any()):
                self.refuse("membrane().refractory must be finite and >= 0 ms")
            if word in ("v_inf", "threshold", "reset", "initial") and np.any(
                np.isfinite(array) & (abs(array) > LARGEST)
            ):
                self.refuse(f"its {word} must lie within {LARGEST:g} mV of 0, got {array[np.argmax(abs(array))]:g}")
            if word == "rate" and np.any(array > _FASTEST):
                self.refuse(f"its time constants must be at least {1.0 / _FASTEST:g} ms, got {1.0 / array.max():.3g}")
        return given

"""What the walks past every door share: senseless values, what they may mean, and how a call may end."""

from __future__ import annotations

import math
import resource
import signal
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from neurodev.errors import NeurodevError, shown

SENSELESS: dict[str, Any] = {
    "a word": "no", "no word": "", "a voltage": "1 mV", "a time": "3 ms", "NaN": math.nan, "infinity": math.inf,
    "minus infinity": -math.inf, "negative": -1.0, "a negative whole": -1, "zero": 0, "a fraction": 0.5,
    "huge": 1e300, "400 digits": 10**400, "1e18": 10**18, "empty": [], "ragged": [[1.0, 2.0], [3.0]],
    "three dimensions": np.ones((2, 2, 2)), "True": True, "a mask": np.array([True, False]), "None": None,
    "an object": object(), "a class": dict, "a table": {}, "a set": {1, 2}, "bytes": b"x",
    "NaN in an array": np.array([1.0, math.nan]), "a function": len, "a path": "/no/such/thing",
}  # fmt: skip
WORDS = {"a word", "no word", "a voltage", "a time", "a path"}
FINITE = {"negative", "a negative whole", "zero", "a fraction", "huge", "1e18"}
WHOLE = {"a negative whole", "zero", "1e18", "negative", "huge"}
# what an argument of a kind (by the annotation) may mean; all else is refused
MEANT: dict[str, tuple[set[str], str]] = {
    "float": (FINITE | {"a voltage", "a time", "infinity"}, "a number within its range, or a text of its dimension"),
    "int": (WHOLE, "a whole number within its range"),
    "bool": ({"True"}, "a flag"),
    "str": (WORDS, "a word: of its choices, a name, a title"),
    "None": ({"None"}, "left to its default"),
    "array": (FINITE | {"empty", "three dimensions", "a mask", "a set", "True"} - {"infinity"},
              "numbers of any shape; a selection by numbers, mask or set, the empty one too"),
    "Any": (FINITE | WORDS | {"infinity", "empty", "True", "a mask", "None", "a class", "a function", "a table"},
            "what its page says: a name, a selection, numbers, a part of another kind"),
}  # fmt: skip


def _each(names: str, values: set[str], meaning: str) -> dict[str, tuple[set[str], str]]:
    return dict.fromkeys((n.strip() for n in names.split(",")), (values, meaning))


# where a kind says too little: callable and argument -> what else is accepted, and its meaning
MORE: dict[str, tuple[set[str], str]] = {
    **_each("Spines.get default, Spines.get uid, Spines.__contains__ uid",
            set(SENSELESS), "as of a mapping: what is no uid is not there"),
    **_each("data.Events", set(SENSELESS), "a plain tuple: whoever reads it looks at it (`data.events.checked`)"),
    **_each("nd.param default", set(SENSELESS), "whatever: it is looked at when the class is made"),
    **_each("nd.param low, nd.param high, nd.param above", {"minus infinity"}, "no bound"),
    **_each("nd.param choices", {"empty", "ragged"}, "none of them; choices of any kind"),
    **_each("Run.columns projection, Run.synapses projection, Training.density tensor, Training.units tensor", {"None"},
            "the first on spines"),
    **_each("Run.columns only, Run.snapshot only", {"None", "empty", "ragged"}, "those that there are"),
    **_each("Spine.reason value", {"NaN", "minus infinity"}, "no number decided"),
    **_each("data.Dataset classes, data.tonic classes, data.of_arrays classes", {"ragged", "a mask", "NaN in an array"},
            "whatever can be written as a name"),
    **_each("SpikeTrains.of trains, nd.Trainer methods, nd.Trainer callbacks, Trainer.propose plans", {"empty"},
            "none of them"),
    **_each("networks.fully_connected hidden", {"empty"}, "no hidden layer"),
    **_each("Maze.reset options, presets.named words", {"a table"}, "none of them"),
    **_each("nd.Trainer model, nd.Trainer data", {"None"}, "that of this test"),
    **_each("networks.fully_connected inputs, networks.sdsnn_dvs_gesture inputs, networks.sdsnn_nmnist inputs, "
            "networks.vgg16 inputs", {"None"}, "shapes are fixed by what is put in"),
    **_each("nd.Trainer loss, nd.Trainer augment, learn.LIF surrogate, networks.fully_connected surrogate, "
            "Trainer.watch look", {"a function", "a class"}, "a function of one's own"),
    **_each("protocols.protocol_of kind, protocols.protocol kinds", {"a class"}, "any class"),
    **_each("Simulation.probe cells, Simulation.probe of synapses uids, nd.Lesion neurons, nd.RemoveSynapses uids, "
            "nd.RemoveSynapses source, nd.RemoveSynapses target, nd.Infuse targets, nd.Antagonise targets, "
            "nd.SetWeights of, nd.SetColumn of, Simulation.set_weights of, Simulation.set_column of, "
            "Network.drive cells, Run.history cells", {"a set"}, "a selection"),
    **_each("learn.per_epoch function, learn.per_step function", {"a function"}, "a function of what has passed"),
    **_each("Neurogenesis.maturity age", {"a time"}, "with its unit"),
    **_each("Plateau.onset v", {"a voltage"}, "with its unit"),
}  # fmt: skip
SECONDS, GIB = 8, 2**30


class Hang(BaseException):
    """A call that did not end."""


class Bed:
    """A callable, and arguments that are right.

    `told` is what the signature is read off, where the callable is a function of the test; `exact` says of an argument
    what it accepts, where its annotation says too little; `others` are further values of an argument.
    """

    def __init__(
        self, make: Callable[[], Any], given: dict[str, Any], walked: Any = None, *, told: Any = None,
        exact: dict[str, set[str]] | None = None, others: dict[str, dict[str, Any]] | None = None,
    ) -> None:  # fmt: skip
        self.make, self.given, self.told = make, given, told
        self.walked = tuple(given) if walked is None else tuple(walked)
        self.exact, self.others = exact or {}, others or {}


Beds = dict[str, Bed]


@contextmanager
def narrow() -> Iterator[None]:
    """An alarm, no more than a GiB beyond what is there, and no word of warnings."""

    def ring(*_: Any) -> None:
        raise Hang

    before = signal.signal(signal.SIGALRM, ring)
    limits = resource.getrlimit(resource.RLIMIT_AS)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + GIB, limits[1]))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, limits)
        signal.signal(signal.SIGALRM, before)


def outcome(call: Callable[[], Any], argument: str, value: Any) -> str:
    """``accepted``, ``refused``, or what is wrong."""
    signal.alarm(SECONDS)
    try:
        call()
    except NeurodevError as e:
        said, word = str(e), argument.removesuffix("s")
        if isinstance(e.__cause__, MemoryError):
            return f"asked for too much memory: {said}"
        together = "; use " in said or "GiB" in said  # what does not go together, or is too much, with what would
        told = ", line " in said and "refused with" not in said  # the line of a study
        words = (word, getattr(value, "__name__", "got"), "got", shown(value)[:20], str(value)[:20])
        named = together or told or any(w in said for w in words)
        if not argument:
            return f"refused: {said}"
        return "refused" if named else f"neither argument nor value is named: {said}"
    except Hang:
        return "did not end"
    except Exception as e:  # noqa: BLE001  that is what is looked for
        at = traceback.extract_tb(e.__traceback__)[-1]
        return f"{type(e).__name__}: {e} ({at.filename}, line {at.lineno})"[:300]
    finally:
        signal.alarm(0)
    return "accepted"


def kind_of(annotation: str, default: Any) -> set[str]:
    """What an argument may mean, of the values above."""
    parts = [p.strip() for p in annotation.replace("'", "").split("|")]
    out: set[str] = {"None"} if default is None else set()
    for part in parts:
        array = part in ("ArrayLike", "F8", "I8", "Array", "U1") or part.startswith("NDArray")
        out |= MEANT["array" if array else part][0] if array or part in MEANT else set()
    return out


def walk(beds: Beds, meant: Callable[[str, str], set[str]]) -> Counter[str]:
    """Every argument of every bed with every value; fails with all that is wrong."""
    counts: Counter[str] = Counter()
    wrong = []
    for name, bed in beds.items():
        right = outcome(lambda bed=bed: bed.make()(**bed.given), "", "")
        if right != "accepted":  # else every call below would be refused for the same reason
            wrong.append(f"{name}: the bed itself is not accepted: {right}")
        for argument in bed.walked:
            for what, value in (SENSELESS | bed.others.get(argument, {})).items():
                given = {**bed.given, argument: value}
                found = outcome(lambda given=given, bed=bed: bed.make()(**given), argument, value)
                if found == "accepted" and what not in meant(name, argument):
                    found = "accepted, without a stated meaning"
                counts["calls"] += 1
                counts[found if found in ("accepted", "refused") else "wrong"] += 1
                if found not in ("accepted", "refused"):
                    wrong.append(f"{name}({argument}={what}): {found}")
    print(dict(counts))
    assert not wrong, f"{counts}\n" + "\n".join(wrong)
    return counts

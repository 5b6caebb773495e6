"""Causes: why a synapse or a neuron is born or dies, declared by whoever decides it.

A mechanism or method says ``causes = {"word": Cause(...)}`` on its class; defining the class makes the word known and
gives it a code, by which plans and logs name it.  What the structure knows by itself is declared here.

Codes of ours are their places in `CAUSES` and never change; those of others follow in the order of definition, and
hold within this process only.  In a run file codes refer to the list of that run (`Causes`): ours, then the sorted
words of the mechanisms that it uses.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from neurodev.errors import BuildError, ParameterError, RunFileError, nearest, shown
from neurodev.registry import CAUSES as HOMES
from neurodev.registry import is_ours

U1 = NDArray[np.uint8]

_COLOUR = re.compile(r"#[0-9A-Fa-f]{6}\Z")
_NO_COLOUR = "#7A6F66"
_MOST = 256  # codes are bytes


@dataclass(frozen=True)
class Cause:
    """Why something was born or died, as it is told and drawn.

    Attributes
    ----------
    sentence : str
        Why it died (or, of a training, was grown): ``"its neuron died"``.
    birth : str
        How a birth by it is told, behind a comma: ``"made by the experimenter"``; empty if nothing is to be said.
    decided : str
        What the logged number is, as in ``"its |weight| was"``; empty if it is the size (development) or none.
    colour : str
        ``"#RRGGBB"``.

    Raises
    ------
    ParameterError
        For an empty sentence or a colour that is none.

    Examples
    --------
    >>> Cause("it was too old", colour="#D55E00").sentence
    'it was too old'
    """

    sentence: str
    birth: str = ""
    decided: str = ""
    colour: str = _NO_COLOUR

    def __post_init__(self) -> None:
        for name in ("sentence", "birth", "decided", "colour"):
            if not isinstance(getattr(self, name), str):
                raise ParameterError(f"Cause.{name} must be text, got {getattr(self, name)!r}")
        if not self.sentence:
            raise ParameterError("Cause.sentence is empty: say why a synapse died, e.g. 'it was too old'")
        if not _COLOUR.match(self.colour):
            raise ParameterError(f"Cause.colour must be of the form '#RRGGBB', got {self.colour!r}")


class Causing(Protocol):
    """A mechanism or a method."""

    causes: ClassVar[dict[str, Cause]]

    @property
    def name(self) -> str:
        """The word by which logs and studies call it."""


# What the structure knows by itself; the last three are told of older files only.
STRUCTURE: dict[str, Cause] = {
    "initial": Cause("it was there from the start", colour="#9AA3AF"),
    "intervention": Cause("the experimenter removed it", "made by the experimenter", colour="#111111"),
    "lesion": Cause("its neuron was destroyed", colour="#5A5A5A"),
    "neuron_death": Cause("its neuron died", colour="#7B2D4F"),
    "neurogenesis": Cause("it was born as a new neuron"),
    "shrunk": Cause("its size had fallen below the limit", colour="#8C8C00"),
    "rewire": Cause("a rule of rewiring chose it to be moved", "moved there by a rule of rewiring", colour="#2F6B3A"),
    "drive": Cause("a term without a cause of its own had lowered its set-point most", colour="#8C6D46"),
}

# Our words in the order of their codes (`neurodev.ours`); in a run file codes are places in this list.
CAUSES: tuple[str, ...] = tuple(HOMES)
_theirs: list[str] = []  # words of others, in the order in which they were defined


def our_cause(word: str) -> Cause:
    """The cause behind one of our words; imports the class that declares it."""
    home = HOMES[word]
    if not home:
        return STRUCTURE[word]
    module, _, name = home.partition(":")
    found: Cause = getattr(importlib.import_module(f"neurodev.{module}"), name).causes[word]
    return found


def declare(owner: type) -> None:
    """Make the causes known that a class declares, and add those of its bases; called when the class is defined.

    Raises
    ------
    ParameterError
        If `causes` is not a dictionary of causes by word, or gives one of our words another meaning.
    """
    declared = vars(owner).get("causes", {})
    if not isinstance(declared, dict):
        raise ParameterError(f"{owner.__name__}.causes must be a dictionary of Cause by word, got {declared!r}")
    for word, cause in declared.items():
        if not isinstance(word, str) or not word.isidentifier() or not isinstance(cause, Cause):
            raise ParameterError(
                f"{owner.__name__}.causes must give a Cause to a word (letters, digits, _), got {word!r}: {cause!r}"
            )
        if word in HOMES:
            if not is_ours(owner) and our_cause(word) != cause:  # a test sees to it that ours agree among themselves
                home = HOMES[word].rpartition(":")[2] or "the structure itself"
                raise ParameterError(
                    f"{owner.__name__}.causes: {word!r} is a cause of {home} and means {our_cause(word).sentence!r}; "
                    "use another word, or the same Cause"
                )
        elif word not in _theirs:
            if len(CAUSES) + len(_theirs) >= _MOST:
                raise ParameterError(f"{owner.__name__}.causes: {word!r} is one cause too many; there may be {_MOST}")
            _theirs.append(word)
    merged: dict[str, Cause] = {}
    for cls in reversed(owner.__mro__):
        merged |= vars(cls).get("causes", {})
    owner.causes = merged  # type: ignore[attr-defined]


def cause_code(word: str) -> int:
    """Code of a cause within this process.

    Raises
    ------
    ParameterError
        For a word that nothing declares, with the nearest.
    """
    known = (*CAUSES, *_theirs)
    if word not in known:
        raise ParameterError(
            f"unknown cause {word!r}{nearest(str(word), known)}; causes are {known}, or what a mechanism or method "
            f"declares: causes = {{{str(word)!r}: Cause('why it died')}}"
        )
    return known.index(word)


def cause_word(code: int) -> str:
    """The word behind a code of this process."""
    return (*CAUSES, *_theirs)[int(code)]


class Causes:
    """The causes of one run: the list that the codes in its log refer to, and what each means.

    Parameters
    ----------
    words : iterable of str
        In the order of the codes.
    meanings : mapping
        Causes by word, of those that are told by the run itself; ours are known without.

    Examples
    --------
    >>> Causes(["initial", "lesion"]).code("lesion")
    1
    >>> Causes(["initial", "lesion"])["lesion"].sentence
    'its neuron was destroyed'
    """

    def __init__(self, words: Iterable[str] = CAUSES, meanings: Mapping[str, Cause] | None = None) -> None:
        self.words: tuple[str, ...] = tuple(words)
        self._meanings = dict(meanings or {})

    @classmethod
    def of(cls, users: Iterable[Causing]) -> Causes:
        """Those of a network or a training, from its mechanisms or methods.

        Raises
        ------
        BuildError
            If two of them give one word different meanings.
        """
        meanings: dict[str, Cause] = {}
        owner: dict[str, str] = {}
        for user in users:
            for word, cause in user.causes.items():
                if meanings.setdefault(word, cause) != cause:
                    raise BuildError(
                        f"the cause {word!r} means two things: {owner[word]} says {meanings[word].sentence!r}, "
                        f"{user.name} {cause.sentence!r}; give one of them another word"
                    )
                owner.setdefault(word, user.name)
        return cls((*CAUSES, *sorted(set(meanings) - set(CAUSES))), meanings)

    @classmethod
    def read(cls, words: Any, described: Any) -> Causes:
        """From what a run file holds (see `describe`); what is not there is told as well as it can be.

        Raises
        ------
        RunFileError
            If the list is none.
        """
        if not isinstance(words, list) or not all(isinstance(w, str) for w in words) or len(words) > _MOST:
            raise RunFileError(f"the list of causes of this run cannot be read ({words!r:.60}); the file is damaged")
        meanings = {}
        for word, given in described.items() if isinstance(described, dict) else ():
            if isinstance(given, dict):
                known = {k: v for k, v in given.items() if k in Cause.__dataclass_fields__ and isinstance(v, str)}
                if not _COLOUR.match(known.get("colour", "")):
                    known["colour"] = _NO_COLOUR
                meanings[word] = Cause(**{"sentence": f"by {word}"} | {k: v for k, v in known.items() if v})
        # those of the start are told by the initial structure: a list that no log needs it for may lack the word
        return cls(words if "initial" in words else [*words, "initial"], meanings)

    def describe(self) -> dict[str, dict[str, str]]:
        """What the run itself says of its causes, as words: sentence, colour and so on by word."""
        return {word: asdict(cause) for word, cause in sorted(self._meanings.items())}

    def __contains__(self, word: object) -> bool:
        return word in self.words

    def __getitem__(self, word: str) -> Cause:
        """What a word means; one of which nothing is known is told by its name."""
        if word in self._meanings:
            return self._meanings[word]
        return our_cause(word) if word in HOMES else Cause(f"by {word}")

    def code(self, word: str) -> int:
        """Code of a cause in the log of this run.

        Raises
        ------
        ParameterError
            For a word that is not in its list, with the nearest.
        """
        if not isinstance(word, str) or word not in self.words:
            hint = nearest(word, self.words) if isinstance(word, str) else ""
            raise ParameterError(f"unknown cause {shown(word)}{hint}; causes are {self.words}")
        return self.words.index(word)

    def names(self, codes: NDArray[Any]) -> NDArray[np.str_]:
        """The words behind codes, of the same shape.

        Raises
        ------
        RunFileError
            For a code beyond the list.
        """
        if codes.size and int(codes.max()) >= len(self.words):
            raise RunFileError(
                f"the log names cause {int(codes.max())} of a list of {len(self.words)}; the file is damaged"
            )
        return np.asarray(np.array(self.words, dtype=np.str_)[codes])

    def count(self, codes: NDArray[Any]) -> dict[str, int]:
        """How often each cause is among codes, in the order of the list; those that are not are left out."""
        self.names(codes.max(keepdims=True) if codes.size else codes)
        number = np.bincount(codes, minlength=len(self.words))
        return {word: int(k) for word, k in zip(self.words, number, strict=True) if k}

    def check(self, who: str, codes: NDArray[Any], n: int | None = None) -> None:
        """Refuse codes of this process that name a cause which is not in the list, and `n` events without a cause.

        Raises
        ------
        ParameterError
            With the cause, and who gives it.
        """
        if n is not None and codes.size != n:
            raise ParameterError(
                f"plan of {who}: {n} synapses are to die or be born with {codes.size} causes; give each one "
                "(plan.death_cause, plan.birth_cause), as cause_code('word') of a cause that the mechanism declares"
            )
        if codes.size and int(codes.max()) >= len(CAUSES):
            for word in map(cause_word, np.unique(codes)):
                if word not in self.words:
                    raise ParameterError(
                        f"{who} gives the cause {word!r}, which no mechanism in use declares; say "
                        f"causes = {{{word!r}: Cause('why it died')}} on {who}"
                    )

    def written(self, codes: U1) -> U1:
        """Codes of this process as codes of this run."""
        if self.words[: len(CAUSES)] == CAUSES and (not codes.size or int(codes.max()) < len(CAUSES)):
            return codes
        words = [cause_word(c) for c in range(int(codes.max(initial=0)) + 1)]
        table = np.array([self.words.index(w) if w in self.words else 0 for w in words], dtype=np.uint8)
        for c in np.unique(codes):
            self.code(words[c])
        return table[codes]

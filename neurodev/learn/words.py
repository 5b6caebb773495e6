"""Layers, surrogates and encoders as words: what a saved model says of its parts, by the names of the registry.

A thing is ``{"class": word, "given": arguments}``: the word is the name of one of ours or ``"module:Class"``, the
arguments are those of a call that makes it.  Classes that are not ours are made only where their module is imported
already; nothing is executed for the sake of a file.
"""

from __future__ import annotations

import inspect
import sys
from typing import Any

import numpy as np

from neurodev.errors import NeurodevError, ParameterError, shown
from neurodev.learn.core.layer import Layer
from neurodev.registry import Registered, find, keywords, kind_of, word_of

KINDS = ("layer", "surrogate", "encoder", "loss")
Word = dict[str, Any]
_DEEPEST = 40  # parts within parts


def told(thing: Any, who: str) -> Any:
    """A layer, a surrogate, an encoder, or a value among their arguments, for JSON.

    Parameters
    ----------
    who : str
        For messages.

    Raises
    ------
    ParameterError
        Naming what has no name, such as a function that was written on the spot.
    """
    if isinstance(thing, np.generic):
        thing = thing.item()
    if thing is None or isinstance(thing, (bool, int, float, str)):
        return thing
    if isinstance(thing, (list, tuple)):
        return [told(value, who) for value in thing]
    if isinstance(thing, Registered) and kind_of(thing) in KINDS:
        made_of = thing.made_of()
        if type(thing).__name__.startswith("_") and made_of:  # a function that stands where a class may
            return {"function": _named(made_of[0], who)}
        return {"class": _named(type(thing), who), "given": {k: told(v, who) for k, v in _given(thing).items()}}
    if inspect.isfunction(thing):
        return {"function": _named(thing, who)}
    raise ParameterError(f"{who}: {shown(thing)} cannot be written in words: give numbers, words, or parts by name")


def _given(thing: Any) -> Word:
    if isinstance(thing, Layer):
        return thing.given()
    return {name: getattr(thing, name) for name in keywords(type(thing))[0] if hasattr(thing, name)}


def _named(thing: Any, who: str) -> str:
    word = word_of(thing)
    if "<" in word:
        raise ParameterError(
            f"{who}: {word!r} has no name that a file could tell: define it at the top of a module of your own"
        )
    return word


def made(word: Any, depth: int = 0) -> Any:
    """What `told` told, made anew.

    Raises
    ------
    ParameterError
        For what is no such word, a class that there is not, or one whose module the caller has not imported.
    """
    if depth > _DEEPEST:
        raise ParameterError(f"parts lie more than {_DEEPEST} deep within each other")
    if isinstance(word, list):
        return [made(one, depth + 1) for one in word]
    if not isinstance(word, dict):
        return word
    if set(word) == {"function"}:
        function = find(KINDS, _imported(word["function"]))
        if not inspect.isfunction(function):
            raise ParameterError(f"{word['function']!r} is no function of Python's")
        return function
    if set(word) != {"class", "given"} or not isinstance(word["given"], dict):
        raise ParameterError(f"{shown(word)} is no word for a layer, a surrogate or an encoder")
    kind = find(KINDS, _imported(word["class"]))
    if not isinstance(kind, type) or not issubclass(kind, Registered):  # nothing else is called for a file
        raise ParameterError(f"{word['class']!r} is no layer, surrogate, encoder or loss")
    given = {str(k): made(v, depth + 1) for k, v in word["given"].items()}
    spread = [p.name for p in inspect.signature(kind).parameters.values() if p.kind is p.VAR_POSITIONAL]
    several = [part for name in spread for part in given.pop(name, [])]
    try:
        return kind(*several, **given)
    except NeurodevError:
        raise
    except Exception as e:  # whatever a class of a user's own raises
        raise ParameterError(f"{word['class']} cannot be made of {shown(given)}: {type(e).__name__}: {e}") from e


def _imported(word: Any) -> str:
    """The word, if it is one of ours or of a module that is imported."""
    if not isinstance(word, str):
        raise ParameterError(f"a class is named by a word, got {shown(word)}")
    module = word.rpartition(":")[0]
    if module and module not in sys.modules:
        raise ParameterError(f"it was made with {word!r}: import {module!r} first, nothing is imported for a file")
    return word

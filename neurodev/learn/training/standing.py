"""By what a training is judged: which samples, which number, and in which epoch it was best."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurodev.learn.training.epoch import Epoch
from neurodev.learn.training.loss import Loss
from neurodev.learn.training.workers import Outcome
from neurodev.metrics.cost import confusion, confusion_of_labels


def measures(part: str, done: Outcome, targets: str, y: Any) -> dict[str, float]:
    """What a part of the samples came to, by the kind of their targets.

    ``accuracy``: share of samples (of labels, where a sample may have several) that are right; ``error``: root of the
    mean squared distance from numbers, and ``r2``: share of their variance that is met.
    """
    mean = done.correct / done.n if done.n else np.nan
    if targets != "numbers":
        return {f"{part}_accuracy": mean}
    spread = float(np.var(y, axis=0).mean()) if len(y) else 0.0
    return {f"{part}_error": float(np.sqrt(mean)), f"{part}_r2": 1 - mean / spread if spread else np.nan}


def targets_of(data: Any) -> str:
    """Kind of the targets of what is learned."""
    return getattr(data, "targets", None) or "classes"


def decisions(trainer: Any, y: Any, scores: Any) -> NDArray[np.int64]:
    """What scores (n, n_class) decide beside the targets: of classes (n_class, n_class), of labels (n_label, 2, 2)."""
    kind, n = targets_of(trainer.data), trainer.data.n_class
    if kind == "labels":
        cut = getattr(trainer.loss, "cut", Loss.cut)
        return confusion_of_labels(np.asarray(y).reshape(-1, n) > 0, np.asarray(scores) > cut)
    if kind == "numbers" or not len(y):
        return np.zeros((n, n), dtype=np.int64)
    return confusion(y, scores.argmax(axis=1), n)


def judge(data: Any) -> tuple[str, float]:
    """Series by which epochs are compared, and 1 if more is better, -1 if less: of validation samples if there are."""
    part = "test" if getattr(data, "x_validation", None) is None else "validation"
    return (f"{part}_error", -1.0) if targets_of(data) == "numbers" else (f"{part}_accuracy", 1.0)


def best(history: Sequence[Epoch], data: Any, first: int = 0) -> int:
    """Place of the best epoch from `first` on, the earliest of equals; the first if none has a number."""
    name, sign = judge(data)
    reached = [sign * e.series.get(name, np.nan) for e in history[first:]]
    return first + int(np.argmax([*(-np.inf if np.isnan(r) else r for r in reached), -np.inf]))

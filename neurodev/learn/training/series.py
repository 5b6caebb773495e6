"""The numbers of an epoch by name, as the run file keeps them."""

from __future__ import annotations

from typing import Any

import numpy as np

from neurodev.learn.core.layer import Counters
from neurodev.learn.training.standing import measures, targets_of
from neurodev.learn.training.workers import Outcome
from neurodev.units import day


def series(
    trainer: Any, train: Outcome, test: Outcome, counters: dict[str, Counters], seconds: float,
    validation: Outcome | None = None,
) -> dict[str, float]:  # fmt: skip
    """What an epoch of a trainer came to; its births and deaths are counted anew from here on."""
    data, kind = trainer.data, targets_of(trainer.data)
    out = {
        "life": trainer.life / day, "train_loss": train.loss / train.n, **measures("train", train, kind, data.y_train),
        "test_loss": test.loss / test.n if test.n else np.nan, **measures("test", test, kind, data.y_test),
        "seconds": seconds, **trainer.last_rate(),
    }  # fmt: skip
    if validation is not None:
        out |= {"validation_loss": validation.loss / validation.n}
        out |= measures("validation", validation, kind, data.y_validation)
    out |= trainer.moving.series()
    for prefix, part in (("", counters), ("test_", trainer.evaluated)):  # of forward passes
        out[f"{prefix}operations"] = float(sum(c.operations for c in part.values()))
        out[f"{prefix}dense_operations"] = float(sum(c.dense for c in part.values()))
        out[f"{prefix}multiplications"] = float(sum(c.multiplied for c in part.values()))
    alive = total = 0
    for name, w in trainer.weights().items():
        pairs = w.table.n_source * w.table.n_target
        out |= {f"n_synapse/{name}": w.table.n_synapse, f"density/{name}": w.table.n_synapse / pairs}
        out |= {f"births/{name}": trainer.births[name][0], f"deaths/{name}": trainer.births[name][1]}
        trainer.births[name] = [0, 0]
        alive, total = alive + w.table.n_synapse, total + pairs
    out["density"] = alive / total
    for m in trainer.methods:
        out |= m.series(trainer)
    for name, c in counters.items():
        if c.sites:
            out[f"rate/{name}"] = c.spikes / c.sites
        if c.looked:
            out[f"near/{name}"] = c.near / c.looked
    return out

"""Beds of the walk past every door (`tests.test_walk`) for models in and out."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

import neurodev as nd
from neurodev import bridge
from neurodev.formats.base import Format
from tests.learn.small import net, patterns
from tests.walk import Bed, Beds


class Numbered(Format):
    """How many weights a model has."""

    suffix = ".n_weights"

    def write(self, what: Any, path: Any) -> None:
        Path(path).write_text(str(nd.networks.n_weights(what)))

    def read(self, path: Any) -> int:
        return int(Path(path).read_text())


def model_beds(w: Any) -> Beds:
    """A model is asked, saved, filled and carried over."""
    asked = {
        "X": patterns(), "encoder": nd.learn.Bernoulli(2), "batch": 4, "seed": 0, "channels": "last",
    }  # fmt: skip
    meant = {"encoder": set[str](), "X": {"empty"}, "seed": {"None", "zero", "1e18"}}
    of = lambda method, given, **more: Bed(lambda: getattr(net(), method), given, **more)
    word = "tests.walked_models:Numbered"
    state = {"a.weight": np.ones((12, 6)), "b.weight": np.ones((3, 12))}
    images = np.zeros((2, 3, 4, 5))
    file = net().save(w.folder / "walked.npz", overwrite=True)
    spikes = nd.learn.Bernoulli(2)(np.ones((2, 6)), np.arange(2), 0, 0)

    def living() -> Any:
        made = nd.to_network(net(), dale=True, spines=True)
        sim = nd.Simulation(made, to=w.folder / "living.sqlite", overwrite=True, progress=False)

        def give(simulation: Any = None, model: Any = None) -> None:
            try:
                bridge.give_weights(sim if simulation is SIM else simulation, model)
            finally:
                sim.file.discard()

        return give

    beds = {
        **{f"Sequential.{name}": of(name, asked, exact=meant) for name in ("predict", "scores", "predict_proba")},
        "Sequential.health": of("health", dict(asked), exact=meant),
        "Sequential.activity": of("activity", asked | {"layers": None, "what": "counts"}, exact=meant),
        "Sequential.save": of("save", {"path": "walked_too.npz", "overwrite": True}),
        "Sequential.export": of("export", {"path": "walked.txt", "kind": word, "overwrite": True}),
        "Run.model": Bed(lambda: w.training.model, {"epoch": 1, "trust": False}, exact={"epoch": {"zero", "None"}}),
        "Training.model": Bed(
            lambda: w.training.training.model, {"epoch": 1, "trust": False}, exact={"epoch": {"zero", "None"}}
        ),
        "learn.load": Bed(lambda: nd.learn.load, {"path": file, "trust": False}, exact={"path": set()}),
        "learn.channels_last": Bed(lambda: nd.learn.channels_last, {"x": images}),
        "learn.channels_first": Bed(lambda: nd.learn.channels_first, {"x": images}),
        "learn.to_torch": Bed(lambda: nd.learn.to_torch, {"model": net(), "channels": "first"}, exact={"model": set()}),
        "learn.from_torch": Bed(
            lambda: nd.learn.from_torch, {"state": state, "model": net(), "mapping": None, "channels": "first"},
            exact={"model": set(), "state": set(), "mapping": {"None"}},
        ),
        "bridge.onsets": Bed(lambda: bridge.onsets, {"model": net(), "inputs": spikes, "step": 1.0, "gap": 0}),
        "bridge.give_weights": Bed(
            living, {"simulation": SIM, "model": net()}, told=bridge.give_weights, exact={"simulation": set()}
        ),
    }  # fmt: skip
    if find_spec("nir"):
        beds["learn.to_nir"] = Bed(
            lambda: nd.learn.to_nir, {"model": net(), "dt": 1e-4, "surrogates": True}, exact={"model": set()}
        )
        beds["learn.from_nir"] = Bed(
            lambda: nd.learn.from_nir, {"graph": nd.learn.to_nir(net()), "dt": 1e-4}, exact={"graph": set()}
        )
    return beds


SIM = object()

"""A small network in which mechanisms can be tried, alone or together: for tests, benchmarks and a first look.

One projection from a drive onto neurons that a background keeps firing.  What a mechanism needs beside it (a size that
carries its drive, a score that it reads) is found by trying: `companions` takes the first that the build accepts.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

from neurodev.engine.network import Network, Spines
from neurodev.engine.simulator import Simulator
from neurodev.errors import BuildError
from neurodev.mechanisms.base import Mechanism
from neurodev.neurons.drive import Background
from neurodev.neurons.lif import LIF
from neurodev.neurons.poisson import Poisson
from neurodev.structure.delays import Uniform
from neurodev.structure.places import Branches, Sheet
from neurodev.structure.wiring import Near
from neurodev.units import hour

KINDS = ("spines", "weights", "inhibitory")  # of the projection: weights read off sizes, plain ones, negative ones
TICK = 2 * hour


def small_network(
    mechanisms: Sequence[Mechanism], kind: str = "spines", *, seed: int = 1, sources: int = 16, targets: int = 6,
    inputs: int = 5, room: int = 0, rate_hz: float = 20.0, branches: int = 0,
) -> Network:  # fmt: skip
    """A drive, a projection ``"p"`` and a population ``"target"``, with the mechanisms where they belong.

    Parameters
    ----------
    kind : {"spines", "weights", "inhibitory"}
    sources, targets, inputs : int
        Cells, neurons, and synapses of a neuron at the start.
    room : int
        Places for newborn neurons.
    branches : int
        Branches of every neuron's dendrite; 0: no dendrite.

    Raises
    ------
    BuildError
        If a mechanism does not accept this kind of projection or its company.
    """
    net = Network(seed=seed, sheet=Sheet(300.0, 300.0))
    source = net.add(Poisson(rate_hz), sources, name="source", inhibitory=kind == "inhibitory")
    model = LIF(dendrite=Branches(branches)) if branches else LIF()
    target = net.add(model, targets, name="target", room=room)
    net.background(target, Background(rate_hz=900.0, weight=1.5))
    how: dict[str, Any] = {"spines": Spines(weight=1.5)} if kind == "spines" else {"weight": 0.5}
    p = net.connect(source, target, Near(sigma=150.0, inputs=inputs), delay=Uniform(1.0, 3.0, 1.0), name="p", **how)
    p.use(*(m for m in mechanisms if m.level == "synapse"))
    target.use(*(m for m in mechanisms if m.level == "neuron"))
    return net


def refusal(mechanisms: Sequence[Mechanism], kind: str, **options: Any) -> str | None:
    """Why the build does not accept these mechanisms on this kind of projection; None if it does."""
    try:
        Simulator(small_network(mechanisms, kind, **options), acceleration=TICK / 20.0, tick=TICK)
    except BuildError as e:
        return str(e)
    return None


def companions(
    mechanism: Mechanism, others: Sequence[Mechanism], kinds: Sequence[str] = KINDS, always: Sequence[Mechanism] = (),
    most: int = 2, **options: Any,
) -> tuple[str, list[Mechanism]] | None:  # fmt: skip
    """The kind of projection and which of the `others`, at most `most`, a mechanism needs to be built.

    Parameters
    ----------
    always : sequence of Mechanism
        Tried in addition where nothing else helps.

    Returns
    -------
    (str, list of Mechanism) or None
        The companions come first; None if nothing here accepts it.
    """
    pool = [m for m in others if type(m) is not type(mechanism)]
    for number in range(most + 1):
        for some in itertools.combinations(pool, number):
            for more in ((), tuple(always)) if always else ((),):
                for kind in kinds:
                    if refusal([*more, *some, mechanism], kind, **options) is None:
                        return kind, [*more, *some]
    return None

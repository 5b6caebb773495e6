"""What a picture may ask of a run: protocols that lie below the plots, and that `neurodev.runs` fulfils.

Shapes and units are those of the methods of the same names in `neurodev.runs`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from neurodev.structure.cause import Causes
from neurodev.structure.duration import Deed
from neurodev.structure.log import LogBatch, NeuronBatch

F8 = NDArray[np.float64]
I8 = NDArray[np.int64]


class FileLike(Protocol):
    """The arrays and items of a run file."""

    def item(self, name: str, default: Any = ...) -> Any:
        """The value of an item."""

    def read(self, name: str, start: int = 0, stop: int | None = None) -> NDArray[Any]:
        """An array, or some of its rows."""


class LogLike(Protocol):
    """Births and deaths of synapses."""

    @property
    def all(self) -> LogBatch:
        """Those of all projections."""

    def batch(self, projection: Any) -> LogBatch:
        """Those of one projection."""

    def days(self, batch: LogBatch) -> F8:
        """When each happened."""

    def deaths_by_cause(self, window: tuple[float, float] | None = None) -> dict[str, int]:
        """Number of deaths by cause."""


class SpineLike(Protocol):
    """The life of one spine."""

    @property
    def uid(self) -> int: ...  # noqa: D102
    @property
    def projection(self) -> str: ...  # noqa: D102
    @property
    def source(self) -> str: ...  # noqa: D102
    @property
    def target(self) -> str: ...  # noqa: D102
    @property
    def pre(self) -> int: ...  # noqa: D102
    @property
    def post(self) -> int: ...  # noqa: D102
    @property
    def born(self) -> float: ...  # noqa: D102
    @property
    def died(self) -> float | None: ...  # noqa: D102
    @property
    def end(self) -> float: ...  # noqa: D102
    @property
    def cause(self) -> str | None: ...  # noqa: D102
    @property
    def birth_cause(self) -> str: ...  # noqa: D102
    @property
    def death_value(self) -> float: ...  # noqa: D102
    @property
    def death_log_size(self) -> float: ...  # noqa: D102
    @property
    def terms(self) -> dict[str, float]: ...  # noqa: D102
    @property
    def units(self) -> dict[str, str]: ...  # noqa: D102
    @property
    def days(self) -> F8: ...  # noqa: D102
    @property
    def log_size(self) -> F8: ...  # noqa: D102
    @property
    def history(self) -> dict[str, F8]: ...  # noqa: D102
    @property
    def causes(self) -> Causes: ...  # noqa: D102
    @property
    def threshold(self) -> float | None: ...  # noqa: D102
    @property
    def by_hand(self) -> bool: ...  # noqa: D102
    @property
    def deeds(self) -> Sequence[Deed]: ...  # noqa: D102

    def story(self) -> str:
        """Its life in a few sentences."""


class SynapseLike(SpineLike, Protocol):
    """The life of one trained synapse."""

    @property
    def epoch_days(self) -> float: ...  # noqa: D102
    @property
    def epochs(self) -> F8: ...  # noqa: D102
    @property
    def weight(self) -> F8: ...  # noqa: D102

    def place(self) -> str:
        """What it connects."""


class SpinesLike(Protocol):
    """All spines that ever lived, in arrays (n_spine,)."""

    projections: list[str]

    @property
    def uid(self) -> NDArray[np.uint64]: ...  # noqa: D102
    @property
    def post(self) -> I8: ...  # noqa: D102
    @property
    def owner(self) -> I8: ...  # noqa: D102
    @property
    def born(self) -> F8: ...  # noqa: D102
    @property
    def died(self) -> F8: ...  # noqa: D102
    @property
    def cause(self) -> I8: ...  # noqa: D102
    @property
    def life(self) -> F8: ...  # noqa: D102
    @property
    def end(self) -> float: ...  # noqa: D102

    def __getitem__(self, uid: int) -> Any: ...  # noqa: D105
    def longest(self) -> Any:
        """The longest completed life: a `SpineLike`, of a training a `SynapseLike`."""


class LivesLike(Protocol):
    """Births and deaths of neurons."""

    def days(self, population: Any) -> F8:
        """Life time of each of them, days."""

    def batch(self, population: Any) -> NeuronBatch:
        """Those of one population."""

    def events(self, population: Any) -> bool:
        """Whether there are any, or could be."""

    def count(self, population: Any) -> tuple[F8, I8]:
        """Days, and number of the living."""


class TrainingLike(Protocol):
    """What a run of training says of itself."""

    settings: dict[str, Any]

    @property
    def epoch_days(self) -> float: ...  # noqa: D102
    @property
    def n_epoch(self) -> int: ...  # noqa: D102
    @property
    def tensors(self) -> list[str]: ...  # noqa: D102

    @property
    def measure(self) -> str: ...  # noqa: D102

    def reached(self, part: str = "test") -> F8:
        """Accuracy in %, or the error, after each epoch."""

    def density(self, tensor: str) -> tuple[F8, F8]:
        """Epochs, and the share of pairs that a synapse joins."""

    def units(self, tensor: str) -> tuple[int, int]:
        """Units that have a synapse at the end, and all of them."""

    def layers(self, kind: str) -> dict[str, F8]:
        """Series by the name of the layer."""

    def total(self, kind: str) -> F8:
        """Sum of such a series over layers."""

    def sentence(self) -> str:
        """What came out."""


class CheckLike(Protocol):
    """A number with its band (see `neurodev.metrics.maturation.Check`)."""

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def value(self) -> float: ...  # noqa: D102
    @property
    def low(self) -> float | None: ...  # noqa: D102
    @property
    def high(self) -> float | None: ...  # noqa: D102
    @property
    def text(self) -> str: ...  # noqa: D102
    @property
    def passed(self) -> bool: ...  # noqa: D102


class RunLike(Protocol):
    """A run, as the plots ask it: `neurodev.runs.run.Run` is one."""

    path: Path
    network: dict[str, Any]
    provenance: dict[str, Any]
    causes: Causes
    tick_days: float
    tick_spike: float

    @property
    def file(self) -> FileLike: ...  # noqa: D102
    @property
    def log(self) -> LogLike: ...  # noqa: D102
    @property
    def spines(self) -> SpinesLike: ...  # noqa: D102
    @property
    def neurons(self) -> LivesLike: ...  # noqa: D102
    @property
    def training(self) -> TrainingLike: ...  # noqa: D102
    @property
    def is_training(self) -> bool: ...  # noqa: D102
    @property
    def plastic(self) -> list[str]: ...  # noqa: D102
    @property
    def days(self) -> float: ...  # noqa: D102
    @property
    def series_names(self) -> list[str]: ...  # noqa: D102
    @property
    def snapshot_days(self) -> list[float]: ...  # noqa: D102

    def projection(self, name: Any = None) -> dict[str, Any]:
        """Description of a projection; the first on spines if not named."""

    def population(self, name: Any) -> dict[str, Any]:
        """Description of a population."""

    def series(self, name: str) -> F8:
        """One number per tick."""

    def spikes(self, population: Any) -> tuple[F8, NDArray[np.uint32]]:
        """Recorded spikes: times and cells."""

    def spike_windows(self, population: Any) -> F8:
        """The stretches over which they are complete."""

    def counts(self, population: Any) -> NDArray[np.uint32]:
        """Spike counts, a row for each tick and one for what came after the last whole one."""

    def count_windows(self, population: Any) -> F8:
        """The stretches of spike time that the rows of `counts` tell of."""

    def rates(self, population: Any) -> F8:
        """Mean rate of every cell on each day."""

    def positions(self, population: Any) -> F8:
        """Positions of cells."""

    def density(self, projection: Any = None) -> tuple[F8, F8]:
        """Days, and synapses per living target."""

    def picture(self, day: float) -> str:
        """The label of the snapshot near a day."""

    def pictured_days(self, projection: Any = None) -> list[float]:
        """The days of snapshots, and the end."""

    def snapshot(self, projection: Any, day: float, only: Sequence[str] | None = None) -> dict[str, NDArray[Any]]:
        """The living synapses near a day."""

    def smallest_size(self, projection: Any = None) -> float | None:
        """ln(V/V0) below which a spine is lost."""

    def field(self, day: float, projection: Any = None) -> dict[str, float]:
        """Receptive fields on a day."""

    def death_rates(self, width: float = 3.0, projection: Any = None) -> tuple[F8, F8, F8]:
        """Deaths per spine and day in windows."""

    def summary(self, projection: Any = None) -> dict[str, float]:
        """The success numbers."""

    def checks(self, control: Any = None) -> Sequence[CheckLike]:
        """Those that have a band, with it; `control` is another run of the same kind."""

    def info(self) -> str:
        """What is in the file."""

"""Poisson cells whose rate changes with time, exact by thinning.

Candidates come at a constant rate that the true one never exceeds, and each stays with probability rate / bound
(Lewis & Shedler 1979, Nav. Res. Logist. 26:403): no step of time, no approximation.  A rate above its bound would make
the drive wrong without a word, so every candidate is looked at and such a rate ends the run.
"""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from neurodev import registry, rng
from neurodev.arrays import F8, I8
from neurodev.card import outlined
from neurodev.errors import ParameterError, SimulationError, shown
from neurodev.neurons.drive import FASTEST_CELL, Drive, Source, check_chunk, ordered
from neurodev.params import check, numbers, param

Rate = Callable[[F8, I8], F8]  # Hz at times (ms) of cells, (m,) each
_MEAN_OVER = 10_000.0  # ms over which a function of one's own is averaged for `mean_rate_hz`
_SHOWN = 64  # samples that provenance spells out; of more it keeps their hash


class _Thinned(Source):
    """Candidates at `bound(k)` Hz (n_train,) in chunk k, each kept with probability rate / bound."""

    period = 1000.0

    def __init__(self, n: int, seed: int, name: str, rate: Rate, bound: Callable[[int], F8], alike: bool) -> None:
        self._n, self._seed, self._name, self._alike = n, seed, name, alike
        self._rate, self._bound = rate, bound

    def chunk(self, k: int) -> tuple[F8, I8]:
        draw = rng.generator(self._seed, self._name, "spikes", k)
        bound = self._bound(k)
        index = np.repeat(np.arange(bound.size), draw.poisson(bound * self.period / 1e3))
        times = draw.uniform(0.0, self.period, index.size)
        kept = draw.random(index.size) * bound[index] < self._rate(k * self.period + times, index)
        times, index = times[kept], index[kept]
        if self._alike:
            times, index = np.repeat(times, self._n), np.tile(np.arange(self._n), times.size)
        return ordered(times, index)


def _of_cells(value: Any, n: int, what: str) -> F8:
    """One number a cell, (n,)."""
    values = np.asarray(value, dtype=float)
    if values.ndim and values.shape != (n,):
        raise ParameterError(f"{what} must be a number or have shape ({n},), got {values.shape}")
    return np.broadcast_to(values, (n,)).copy()


@dataclass(frozen=True)
class SinusoidalPoisson(Drive):
    """Poisson cells whose rate swings about a mean as a sine.

    Parameters
    ----------
    rate_hz : float or (n,) array, Hz
        Mean rate.
    amplitude_hz : float or (n,) array, Hz
        Of the sine; not above the mean, for a rate is not negative.
    frequency_hz : float, Hz
    phase : float or (n,) array
        Radians at time 0.
    independent : bool
        Every cell draws spikes of its own; otherwise all cells fire the same train.

    Examples
    --------
    >>> SinusoidalPoisson(rate_hz=20.0, amplitude_hz=15.0, frequency_hz=8.0).mean_rate_hz()
    20.0
    """

    role: ClassVar[str] = "sinusoid"
    equation: ClassVar[str] = "Poisson;  rate(t) = rate_hz + amplitude_hz sin(2 pi frequency_hz t + phase)"
    rate_hz: Any = param(10.0, unit="Hz", clock="spike", low=0.0, high=FASTEST_CELL, array=True, source="free")
    amplitude_hz: Any = param(5.0, unit="Hz", clock="spike", low=0.0, high=FASTEST_CELL, array=True, source="free")
    frequency_hz: float = param(1.0, unit="Hz", clock="spike", low=0.0, high=FASTEST_CELL, source="free")
    phase: Any = param(0.0, unit="1", low=-1e6, high=1e6, array=True, source="free")
    independent: bool = param(True, source="off switch: one train for all cells")

    def __post_init__(self) -> None:
        check(self)
        mean, swing = np.asarray(self.rate_hz, dtype=float), np.asarray(self.amplitude_hz, dtype=float)
        try:
            above = bool(np.any(swing > mean))
        except ValueError:
            raise ParameterError(
                f"SinusoidalPoisson.amplitude_hz must have one value a cell as rate_hz has ({mean.shape}), "
                f"got {swing.shape}"
            ) from None
        if above:
            raise ParameterError(
                f"SinusoidalPoisson.amplitude_hz must not exceed rate_hz={shown(self.rate_hz)}, got "
                f"{shown(self.amplitude_hz)}: the rate would be negative; give nd.InhomogeneousPoisson a function "
                "that is cut off at 0"
            )
        if not self.independent and any(np.ndim(v) for v in (self.rate_hz, self.amplitude_hz, self.phase)):
            raise ParameterError("SinusoidalPoisson.independent=False is one train for all cells: give single numbers")

    def bind(self, n: int, positions: F8, seed: int, name: str) -> Source:
        """See `Drive.bind`."""
        trains, where = n if self.independent else 1, f"of {name!r}"
        most = n * (float(np.mean(self.rate_hz)) + float(np.mean(self.amplitude_hz)))
        check_chunk(most * _Thinned.period / 1e3, f"SinusoidalPoisson {where}")
        mean, swing, phase = (
            _of_cells(getattr(self, key), trains, f"SinusoidalPoisson.{key} {where}")
            for key in ("rate_hz", "amplitude_hz", "phase")
        )
        bound = mean + swing
        turn = 2.0 * np.pi * self.frequency_hz / 1e3  # 1/ms

        def rate(t: F8, cell: I8) -> F8:
            return np.asarray(mean[cell] + swing[cell] * np.sin(turn * t + phase[cell]))

        return _Thinned(n, seed, name, rate, lambda k: bound, not self.independent)

    def mean_rate_hz(self) -> float:
        """Mean over a period and the cells."""
        return float(np.mean(self.rate_hz))

    def shuffled(self) -> Drive:
        """Cells that share the rate, not the spikes."""
        return replace(self, independent=True) if not self.independent else super().shuffled()


# ---------------------------------------------------------------------- rates of one's own


def _takes_cells(function: Any) -> bool:
    """Whether a function asks for the cells as well as for the times."""
    try:
        known = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):  # compiled ones have no signature
        return False
    return sum(p.default is p.empty and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) for p in known) > 1


def _given(function: Any, t: F8, cell: I8) -> F8:
    """What a function of one's own says at times (ms) of cells, whatever that is worth."""
    given = function(t, cell) if _takes_cells(function) else function(t)
    return np.broadcast_to(np.asarray(given, dtype=np.float64), t.shape)


def _asked(function: Any, t: F8, cell: I8, most: F8, what: str) -> F8:
    """Rates of a function of one's own at times (ms) of cells, looked at.

    Raises
    ------
    SimulationError
        Where it gives no rate, or one above its bound: the time, the value and the bound.
    """
    try:
        rate = _given(function, t, cell)
    except Exception as e:  # whatever a function of the user's raises
        raise SimulationError(f"{what} failed at {t[:1].tolist()} ms ...: {type(e).__name__}: {e}") from e
    wrong = ~((rate >= 0.0) & (rate <= most))  # NaN too
    if wrong.any():
        k = int(np.argmax(wrong))
        raise SimulationError(
            f"{what} must be in [0, bound_hz={most[k]:g}] Hz, got {rate[k]:g} at {t[k]:g} ms: thinning is exact below "
            "the bound only, raise bound_hz= or cut the rate off there (np.minimum)"
        )
    return np.asarray(rate)


@outlined
@dataclass(frozen=True)
class InhomogeneousPoisson(Drive):
    """Poisson cells of any rate: a function of time, or samples of it.

    Parameters
    ----------
    rate_hz : function, text, or array_like of (n_sample,) or (n_sample, n), Hz
        ``f(t)`` or ``f(t, cell)``: rates (m,) at times t (m,) in ms of cells (m,); in a study ``"module:function"``.
        It is asked second by second, and therefore up to a second beyond the end of a run.
        Samples hold for `step` each, the same for all cells or a column a cell; after the last one there is silence.
    step : float, ms
        Of samples.
    repeat : bool
        Play samples again and again.
    bound_hz : float, Hz, optional
        What a function never exceeds; to be given with one.  A rate above it ends the run with an error.
    independent : bool
        Every cell draws spikes of its own; otherwise all cells fire the same train.

    Examples
    --------
    >>> step = InhomogeneousPoisson(rate_hz=[0.0, 50.0], step=200.0, repeat=True)
    >>> step.mean_rate_hz()
    25.0
    >>> def rise(t): return np.minimum(0.1 * t, 40.0)
    >>> ramp = InhomogeneousPoisson(rise, bound_hz=40.0)
    """

    role: ClassVar[str] = "inhomogeneous"
    equation: ClassVar[str] = "Poisson of rate(t): candidates at the bound, kept with probability rate / bound"
    rate_hz: Any | str = None
    step: float = param(1.0, unit="ms", clock="spike", low=1e-3, high=1e9, source="free")
    repeat: bool = param(False, source="off switch: silence after the last sample")
    bound_hz: Any = param(None, unit="Hz", clock="spike", low=0.0, high=FASTEST_CELL, none=True, source="given")
    independent: bool = param(True, source="off switch: one train for all cells")

    def __post_init__(self) -> None:
        check(self)
        if isinstance(self.rate_hz, str) and ":" in self.rate_hz:
            object.__setattr__(self, "rate_hz", registry.load(self.rate_hz))
        if callable(self.rate_hz) and not isinstance(self.rate_hz, type):
            if self.bound_hz is None:
                raise ParameterError(
                    f"InhomogeneousPoisson.rate_hz is a function, got {shown(self.rate_hz)}: say bound_hz=, the rate "
                    "that it never exceeds"
                )
            return
        if self.bound_hz is not None:
            raise ParameterError(
                f"InhomogeneousPoisson.bound_hz is for functions, got {self.bound_hz}: samples have it"
            )
        object.__setattr__(self, "rate_hz", self._samples())

    def _samples(self) -> F8:
        """Samples as an array of its own that nobody can write to."""
        given = np.array(numbers(self.rate_hz, "InhomogeneousPoisson.rate_hz", "Hz"), dtype=np.float64)
        wrong = given.ndim not in (1, 2) or not given.size or not np.all((given >= 0.0) & (given <= FASTEST_CELL))
        if wrong:
            raise ParameterError(
                "InhomogeneousPoisson.rate_hz must be a function of time, or samples (n_sample,) or (n_sample, n_cell) "
                f"in [0, {FASTEST_CELL:g}] Hz, got {shown(self.rate_hz)}"
            )
        if given.ndim == 2 and not self.independent:
            raise ParameterError(
                "InhomogeneousPoisson.independent=False is one train for all cells: give samples (n_sample,), "
                f"got {given.shape}"
            )
        given.setflags(write=False)
        return given

    def bind(self, n: int, positions: F8, seed: int, name: str) -> Source:
        """See `Drive.bind`."""
        trains, what = n if self.independent else 1, f"InhomogeneousPoisson.rate_hz of {name!r}"
        each = self.bound_hz if callable(self.rate_hz) else np.mean(np.max(self.rate_hz, axis=0))
        check_chunk(n * float(each) * _Thinned.period / 1e3, f"InhomogeneousPoisson of {name!r}")
        bound, rate = self._of_function(trains, what) if callable(self.rate_hz) else self._of_samples(trains, what)
        return _Thinned(n, seed, name, rate, bound, not self.independent)

    def _of_function(self, trains: int, what: str) -> tuple[Callable[[int], F8], Rate]:
        most = np.full(trains, float(self.bound_hz))
        return lambda k: most, lambda t, cell: _asked(self.rate_hz, t, cell, most[cell], what)

    def _of_samples(self, trains: int, what: str) -> tuple[Callable[[int], F8], Rate]:
        table = np.asarray(self.rate_hz)
        if table.ndim == 2 and table.shape[1] != trains:
            raise ParameterError(f"{what} must have a column for each of {trains} cells, got shape {table.shape}")
        size = table.shape[0]

        def bound(k: int) -> F8:
            """The highest sample of chunk k."""
            # one more at either end, however divisions are rounded
            begin, end = int(k * _Thinned.period // self.step) - 1, int((k + 1) * _Thinned.period // self.step) + 1
            if end - begin + 1 >= size:
                part = table
            elif self.repeat:
                part = table[np.arange(begin, end + 1) % size]
            else:
                part = table[max(begin, 0) : end + 1]
            return np.broadcast_to(part.max(axis=0) if part.size else 0.0, (trains,))

        def rate(t: F8, cell: I8) -> F8:
            at = np.floor(t / self.step).astype(np.int64)
            inside = np.ones(t.size, dtype=bool) if self.repeat else at < size
            at %= size
            return np.where(inside, table[at] if table.ndim == 1 else table[at, cell], 0.0)

        return bound, rate

    def mean_rate_hz(self) -> float:
        """Mean of the samples; of a function, of its first ten seconds and the first cell.

        A function need not be made for ten seconds: where it is no rate below its bound, the bound counts.
        """
        if not callable(self.rate_hz):
            return float(np.mean(np.asarray(self.rate_hz)))
        t, bound = np.arange(0.5, _MEAN_OVER), float(self.bound_hz)
        try:
            rate = _given(self.rate_hz, t, np.zeros(t.size, dtype=np.int64))
        except Exception:  # whatever a function of the user's raises; where the run asks, it is told
            return bound
        return float(np.mean(np.where((rate >= 0.0) & (rate <= bound), rate, bound)))

    def shuffled(self) -> Drive:
        """Cells that share the rate, not the spikes."""
        return replace(self, independent=True) if not self.independent else super().shuffled()

    def described(self) -> dict[str, Any]:
        """Samples, or their hash where there are many; a function by its place and a hash of its text."""
        if not callable(self.rate_hz):
            table = np.asarray(self.rate_hz)
            return {"rate_hz": table.tolist() if table.size <= _SHOWN else f"{table.shape}, {_hash(table.tobytes())}"}
        where = registry.word_of(self.rate_hz) if hasattr(self.rate_hz, "__qualname__") else type(self.rate_hz).__name__
        try:
            text = inspect.getsource(self.rate_hz).encode()
        except (OSError, TypeError):
            code = getattr(self.rate_hz, "__code__", None)
            text = code.co_code if code is not None else b""
        return {"rate_hz": f"{where}, {_hash(text)}"}


def _hash(text: bytes) -> str:
    return hashlib.blake2b(text, digest_size=8).hexdigest()

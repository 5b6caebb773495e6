"""Made tasks on which a gate on a neuron's drive might be worth its synapses.

pro_anti
    A stimulus (left or right) and a rule (towards it or away from it), each in the rates of a noisy population; the
    answer is their product: gain modulation, which is what a multiplying dendrite is for.
turned
    The same with four directions and four rules that turn them: (direction + rule) mod 4.
delays
    Which of eight delays lies between two ears that hear one train of clicks, half of them lost and some of their own
    added; the taps of a delay line give one ear at all delays, the other ear comes with its own.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from neurodev import rng
from neurodev.data.dataset import Dataset, SpikeTrains

F4 = NDArray[np.float32]
N_TRAIN, N_TEST = 4000, 2000
RATE, DEPTH = 0.25, 0.6  # mean chance of a spike a step; how far the best stimulus takes it
STEP = 5.0  # ms, of the delay line
EARS, TAPS, STEPS = 8, 8, 20


def _parts(x: F4 | SpikeTrains, y: NDArray[np.int64], name: str, classes: tuple[str, ...]) -> Dataset:
    return Dataset(x[:N_TRAIN], y[:N_TRAIN], x[N_TRAIN:], y[N_TRAIN:], name=name, classes=classes)


def _population(angle: NDArray[np.float64], n: int, draw: np.random.Generator) -> F4:
    """Rates (n_sample, n) of cells whose best angles are evenly spaced; each sample's depth is .5 to 1 of DEPTH."""
    best = 2 * np.pi * (np.arange(n) + 0.5) / n
    depth = DEPTH * draw.uniform(0.5, 1.0, (angle.size, 1))
    return np.asarray(RATE * (1 + depth * np.cos(angle[:, None] - best)), dtype=np.float32)


def _two(n_state: int, name: str, cells: int) -> Dataset:
    draw = rng.generator(0, "task", name)
    n = N_TRAIN + N_TEST
    stimulus, rule = draw.integers(n_state, size=(2, n))
    x = np.hstack([_population(2 * np.pi * k / n_state, cells, draw) for k in (stimulus, rule)])
    return _parts(x, (stimulus + rule) % n_state, name, tuple(str(k) for k in range(n_state)))


def pro_anti(cells: int = 50) -> Dataset:
    """Rates of two populations of `cells`; 2 classes."""
    return _two(2, "pro_anti", cells)


def turned(cells: int = 50) -> Dataset:
    """Rates of two populations of `cells`; 4 classes."""
    return _two(4, "turned", cells)


def delays() -> Dataset:
    """Spikes of `EARS` fibres of the left ear at `TAPS` delays, and of `EARS` of the right; a class is a delay."""
    draw = rng.generator(0, "task", "delays")
    n = N_TRAIN + N_TEST
    y = draw.integers(TAPS, size=n)
    clicks = draw.random((n, STEPS)) < 0.15
    chance = lambda p: draw.random((n, EARS, STEPS)) < p
    left, right = ((clicks[:, None] & chance(0.5)) | chance(0.07) for _ in range(2))
    taps = np.zeros((n, TAPS, EARS, STEPS), dtype=bool)
    late = np.zeros_like(right)
    for k in range(TAPS):
        taps[:, k, :, k:] = left[..., : STEPS - k]
        late[y == k, :, k:] = right[y == k][..., : STEPS - k]
    spikes = np.concatenate([taps.reshape(n, -1, STEPS), late], axis=1)  # (n, cell, step)
    trains = [((np.nonzero(s)[1] + 0.5) * STEP, np.nonzero(s)[0]) for s in spikes]
    heard = SpikeTrains.of(trains, spikes.shape[1], STEPS * STEP)
    return _parts(heard, y, "delays", tuple(str(k) for k in range(TAPS)))


TASKS: dict[str, Callable[[], Dataset]] = {"pro_anti": pro_anti, "turned": turned, "delays": delays}

STUDY = """
seed = 0
[data]
kind = "analysis.dendritic_tasks:{task}"
[encoder]
{encoder}
[network]
kind = "fully_connected"
hidden = [{hidden}]
leak = 0.5
surrogate = "arctan"
normed = true
dendritic = true
gate_gain = 0.1
readout = "currents"
[optimiser]
kind = "Adam"
rate = 1e-2
[schedule]
kind = "cosine"
[train]
epochs = 20
batch = 50
loss = "rate_cross_entropy"
checkpoint = 0
[[method]]
kind = "NSPDI"
heterogeneity = 0.5
"""


def study(task: str, hidden: int = 40) -> str:
    """The training study (TOML) of a task, with the settings of the other tasks of `analysis.dendritic_pruning`."""
    encoder = f'kind = "Binned"\nsteps = {STEPS}' if task == "delays" else 'kind = "Bernoulli"\nsteps = 5'
    return STUDY.format(task=task, encoder=encoder, hidden=hidden)

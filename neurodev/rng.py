"""Randomness: named streams in Python, counter-based draws in kernels.

Every component draws from a stream of its own, derived from the run's seed and the component's
*name*, so that adding a probe or a mechanism disturbs nobody else.  In kernels a draw is a pure function
of (key, counter, step): independent of the order of events, of slots and of threads.

The mixing function is the finaliser of SplitMix64 (Steele, Lea & Flood 2014, OOPSLA, doi
10.1145/2660193.2660195; constants of Stafford's variant 13), applied to a Weyl sequence.
"""

from __future__ import annotations

import hashlib

import numpy as np

from neurodev.errors import ParameterError, shown
from neurodev.jit import rule

GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_M1 = np.uint64(0xBF58476D1CE4E5B9)
_M2 = np.uint64(0x94D049BB133111EB)
_S30, _S27, _S31, _S11 = np.uint64(30), np.uint64(27), np.uint64(31), np.uint64(11)
_STEP = np.uint64(0xD1B54A32D192ED03)


def check_seed(seed: object) -> int:
    """Return `seed` as an int, or raise a ParameterError."""
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or not 0 <= int(seed) < 2**63:
        raise ParameterError(f"seed must be an integer in [0, 2**63), got {shown(seed)}")
    return int(seed)


def key(seed: int, *names: str | int) -> np.uint64:
    """The 64-bit key of the stream ``names`` of a run's seed."""
    text = "/".join([str(int(seed)), *map(str, names)])
    return np.uint64(int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little"))


def generator(seed: int, *names: str | int) -> np.random.Generator:
    """A NumPy Generator for set-up choices, one for every name."""
    return np.random.Generator(np.random.PCG64DXSM(int(key(seed, *names))))


@rule
def mix(z: np.uint64) -> np.uint64:
    """SplitMix64's finaliser; works on uint64 scalars and arrays."""
    z = (z ^ (z >> _S30)) * _M1
    z = (z ^ (z >> _S27)) * _M2
    return z ^ (z >> _S31)


@rule
def bits(stream: np.uint64, counter: np.uint64, step: np.uint64) -> np.uint64:
    """64 random bits for (stream key, counter, step), all uint64."""
    return mix(mix(stream + GOLDEN * (counter + np.uint64(1))) + _STEP * (step + np.uint64(1)))


@rule
def uniform(stream: np.uint64, counter: np.uint64, step: np.uint64) -> float:
    """A float64 uniform in the open interval (0, 1)."""
    return (np.float64(bits(stream, counter, step) >> _S11) + 0.5) * 1.1102230246251565e-16


@rule
def normal(stream: np.uint64, counter: np.uint64, step: np.uint64) -> float:
    """A standard normal (Box-Muller, cosine branch) for (stream key, counter, step)."""
    two = np.uint64(2)
    u = uniform(stream, counter, two * step)
    v = uniform(stream, counter, two * step + np.uint64(1))
    return np.sqrt(-2.0 * np.log(u)) * np.cos(6.283185307179586 * v)  # type: ignore[no-any-return]

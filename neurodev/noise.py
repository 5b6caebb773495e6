"""Normals, uniforms and exponentials in blocks: the same draws as `neurodev.rng`, several times faster.

A normal is a pure function of (stream, counter, step), here as there; but logarithm, sine and exponential are
polynomials in simple loops over small buffers, which LLVM turns into vector code (a libm call for each synapse costs
several times more).  Relative errors stay below 4e-16 (exponential, logarithm) and 2e-15 (normals); tests compare with
NumPy and with `rng.normal`.

A loop never reads one view of a buffer and writes another view of the same memory: LLVM would have to run it
as scalar code.
"""

from __future__ import annotations

import numpy as np

from neurodev.arrays import F8, U8
from neurodev.jit import kernel
from neurodev.rng import _STEP, GOLDEN, mix, normal, uniform

BLOCK = 256
STEEPEST = 600.0  # where callers cut the arguments of `exponentials`, far from overflow
_LN2_HIGH, _LN2_LOW = 6.93147180369123816490e-01, 1.90821492927058770002e-10
_MANTISSA = np.uint64(0x000FFFFFFFFFFFFF)
_ONE = np.uint64(0x3FF0000000000000)
_S52, _S11 = np.uint64(52), np.uint64(11)
_U1, _U2 = np.uint64(1), np.uint64(2)


@kernel
def exponentials(x: F8, power: F8, power_bits: U8) -> None:
    """Replace `x` by exp(x), for abs(x) < 700; `power_bits` views the memory of the scratch `power`; (n,) each."""
    n = x.shape[0]
    for k in range(n):
        # the power of two waits in `power` as a whole number, the rest r of the argument in `x`
        whole = np.floor(x[k] * 1.4426950408889634 + 0.5)
        power[k] = whole
        r = (x[k] - whole * _LN2_HIGH) - whole * _LN2_LOW
        p = 1.0 / 6227020800.0
        p = p * r + 1.0 / 479001600.0
        p = p * r + 1.0 / 39916800.0
        p = p * r + 1.0 / 3628800.0
        p = p * r + 1.0 / 362880.0
        p = p * r + 1.0 / 40320.0
        p = p * r + 1.0 / 5040.0
        p = p * r + 1.0 / 720.0
        p = p * r + 1.0 / 120.0
        p = p * r + 1.0 / 24.0
        p = p * r + 1.0 / 6.0
        p = p * r + 0.5
        p = p * r + 1.0
        x[k] = p * r + 1.0
    for k in range(n):
        # adding 1.5 * 2^52 leaves the whole number in the low bits: a conversion that every vector unit has
        power[k] = power[k] + (6755399441055744.0 + 1023.0)
    for k in range(n):
        power_bits[k] = power_bits[k] << _S52
    for k in range(n):
        x[k] = x[k] * power[k]


@kernel
def minus_logarithms(x: F8, bits: U8, exponent: F8) -> None:
    """Replace `x` (positive, normal) by -log(x); `bits` views the memory of `x`, `exponent` is scratch; (n,) each."""
    n = x.shape[0]
    for k in range(n):
        exponent[k] = np.float64(np.int64(bits[k] >> _S52) - 1023)
    for k in range(n):
        bits[k] = (bits[k] & _MANTISSA) | _ONE
    for k in range(n):
        m = x[k]
        big = 1.0 if m > 1.4142135623730951 else 0.0
        m = m - 0.5 * big * m
        e = exponent[k] + big
        s = (m - 1.0) / (m + 1.0)
        z = s * s
        p = 2.0 / 21.0
        p = p * z + 2.0 / 19.0
        p = p * z + 2.0 / 17.0
        p = p * z + 2.0 / 15.0
        p = p * z + 2.0 / 13.0
        p = p * z + 2.0 / 11.0
        p = p * z + 2.0 / 9.0
        p = p * z + 2.0 / 7.0
        p = p * z + 2.0 / 5.0
        p = p * z + 2.0 / 3.0
        p = p * z
        x[k] = -(e * _LN2_HIGH + (2.0 * s + (s * p + e * _LN2_LOW)))


@kernel
def normals(stream: np.uint64, counter: U8, step: np.uint64, out: F8, bits: U8, work: F8) -> None:
    """Write ``rng.normal(stream, counter[k], step)``, to rounding, to `out` (viewed by `bits`).

    counter, out, bits : (n,);  work : (2, >= n), scratch
    """
    n = out.shape[0]
    angle, exponent = work[0], work[1]
    first = _STEP * (_U2 * step + _U1)
    second = _STEP * (_U2 * step + _U2)
    for k in range(n):
        h = mix(stream + GOLDEN * (counter[k] + _U1))
        out[k] = (np.float64(np.int64(mix(h + first) >> _S11)) + 0.5) * 1.1102230246251565e-16
        angle[k] = (np.float64(np.int64(mix(h + second) >> _S11)) + 0.5) * 1.1102230246251565e-16
    minus_logarithms(out, bits, exponent[:n])
    for k in range(n):
        # cos(2 pi v) = -sin(2 pi (1/4 - abs(v - 1/2))): the argument of the series stays within pi/2
        a = 6.283185307179586 * (0.25 - abs(angle[k] - 0.5))
        z = a * a
        p = 1.0 / 51090942171709440000.0
        p = p * z - 1.0 / 121645100408832000.0
        p = p * z + 1.0 / 355687428096000.0
        p = p * z - 1.0 / 1307674368000.0
        p = p * z + 1.0 / 6227020800.0
        p = p * z - 1.0 / 39916800.0
        p = p * z + 1.0 / 362880.0
        p = p * z - 1.0 / 5040.0
        p = p * z + 1.0 / 120.0
        p = p * z - 1.0 / 6.0
        out[k] = -np.sqrt(2.0 * out[k]) * (a + a * z * p)


@kernel
def _fill_uniform(stream: np.uint64, counter: U8, step: np.uint64, out: F8) -> None:
    for k in range(out.shape[0]):
        out[k] = uniform(stream, counter[k], step)


@kernel
def _fill_normal(stream: np.uint64, counter: U8, step: np.uint64, out: F8) -> None:
    for k in range(out.shape[0]):
        out[k] = normal(stream, counter[k], step)


def uniforms_of(stream: np.uint64, counter: U8, step: int = 0) -> F8:
    """One uniform in (0, 1) for every counter (uids, say), at a step (a tick, say)."""
    out = np.empty(counter.size)
    _fill_uniform(stream, counter, np.uint64(step), out)
    return out


def normals_of(stream: np.uint64, counter: U8, step: int = 0) -> F8:
    """One standard normal for every counter, at a step."""
    out = np.empty(counter.size)
    _fill_normal(stream, counter, np.uint64(step), out)
    return out

"""Neurons and flags in vectors: what the compiler makes of the same loops takes two to five times as long.

It keeps to vectors of 256 bits, tests at every call whether arrays overlap, and counts in integers wider than floats.
Steps of neurons work on whole vectors, ``16 n_vector`` neurons; who calls does the rest by itself.  No operation is
joined with another, or put before it: results are those of the plain loops to the last bit, also those of the twins
here, which take their place without the compiler.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from neurodev.arrays import U1, Array
from neurodev.jit import ENABLED, types  # type: ignore[attr-defined]
from neurodev.learn.core import vectors
from neurodev.learn.core.masks import LANES

FLAGS = 64  # bytes whose flags go into one number


def _step(
    subtract: bool, n_vector: int, now: Array, before: Array, drive: Array, leak: Any, gain: Any, threshold: Any
) -> None:
    """Potentials `now` from those `before` and currents, with a reset in between: to zero, or by subtraction."""
    part = slice(LANES * n_vector)
    v = before[part]
    v = np.where(v >= threshold, v - threshold if subtract else v.dtype.type(0), v)
    now[part] = leak * v + gain * drive[part]


def _step_back(
    subtract: bool, n_vector: int, now: Array, up: Array, later: Array, out: Array, leak: Any, threshold: Any,
    width: Any, height: Any, hold: Any,
) -> None:  # fmt: skip
    """Gradient of the currents from that of the spikes, `up`, and of the next step, for slopes that are `height` inside
    the open window around threshold and 0 outside, where `up` may hold anything; `hold` 1 or 0: whether the reset
    counts."""
    part = slice(LANES * n_vector)
    v, carry = now[part], leak * later[part]
    push = height * (up[part] - hold * carry * (threshold if subtract else v))
    kept = carry if subtract else np.where(v >= threshold, v.dtype.type(0), carry)
    out[part] = kept + np.where(abs(v - threshold) < width, push, v.dtype.type(0))


def _flag_rows(a: Array, threshold: Any, n_vector: int, flags: U1, to: int, apart: int) -> int:
    """``flags[to + apart * r + k] = a[16 r + k] >= threshold``, k < 16, r < n_vector; returns how many are."""
    found = a[: LANES * n_vector].reshape(n_vector, LANES) >= threshold
    for r in range(n_vector):
        flags[to + apart * r : to + apart * r + LANES] = found[r]
    return int(found.sum())


def _count_window(a: Array, threshold: Any, width: Any, n_vector: int) -> int:
    """How many of `a` are inside the open window around threshold."""
    return int((abs(a[: LANES * n_vector] - threshold) < width).sum())


def _bits_of(flags: U1, at: int) -> np.uint64:
    """Bit k is whether byte at + k is not 0, k < 64."""
    found = np.flatnonzero(flags[at : at + FLAGS])
    return np.uint64(sum(1 << int(k) for k in found))


def _count_ones(bits: np.uint64) -> int:
    """How many bits are set."""
    return int(bits).bit_count()


def _lowest_one(bits: np.uint64) -> int:
    """Which is the first bit that is set; 64 if none is."""
    return (int(bits) & -int(bits)).bit_length() - 1 if bits else FLAGS


if ENABLED:
    from llvmlite import ir

    _intrinsic = vectors._intrinsic
    _LONG = ir.IntType(64)

    class _Code(vectors._Code):
        """Vectors of sixteen, of flat arrays and of numbers."""

        def __init__(self, context: Any, builder: Any, kind: Any, signature: Any, args: Any) -> None:
            super().__init__(context, builder, kind)
            self.signature, self.args = signature, args

        def array(self, k: int) -> Any:
            return self.data(self.signature.args[k], self.args[k])

        def floats(self, k: int) -> Any:
            kind = self.signature.args[k].dtype
            if self.context.get_value_type(kind) != self.kind:
                raise TypeError(f"neurons in vectors are of one type of float, got {kind}")
            return self.array(k)

        def number(self, k: int) -> Any:
            return self.splat(self.args[k])[1]

        def zero(self) -> Any:
            return ir.Constant(self.joined, [0.0] * LANES)

        def at(self, pointer: Any, k: Any) -> Any:
            return self.builder.gep(pointer, [self.builder.mul(k, _LONG(LANES))])

        def take(self, pointer: Any, k: Any) -> Any:
            return self.load(self.at(pointer, k), 0, True)

        def inside(self, v: Any, threshold: Any, width: Any) -> Any:
            """Whether abs(v - threshold) < width."""
            b = self.builder
            x = b.fsub(v, threshold)
            below = b.fcmp_ordered("<", x, width)
            return b.and_(below, b.fcmp_ordered(">", x, b.fsub(ir.Constant(self.joined, [-0.0] * LANES), width)))

        def several(self, mask: Any) -> Any:
            return self.builder.zext(self.builder.ctpop(self.builder.bitcast(mask, ir.IntType(LANES))), _LONG)

    def _make_step(subtract: bool) -> Any:
        @_intrinsic
        def step_in_vectors(
            typingctx: Any, n_vector: Any, now: Any, before: Any, drive: Any, leak: Any, gain: Any, threshold: Any
        ) -> Any:
            kind = now.dtype

            def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
                code = _Code(context, builder, kind, signature, args)
                now, before, drive = (code.floats(k) for k in (1, 2, 3))
                leak, gain, threshold = (code.number(k) for k in (4, 5, 6))

                def body(k: Any, _: Any) -> Any:
                    v = code.take(before, k)
                    reset = builder.fsub(v, threshold) if subtract else code.zero()
                    v = builder.select(builder.fcmp_ordered(">=", v, threshold), reset, v)
                    driven = builder.fmul(gain, code.take(drive, k))
                    code.store(builder.fadd(builder.fmul(leak, v), driven), code.at(now, k), 0)
                    return []

                code.loop(_LONG(0), args[0], _LONG(1), [], body)
                return context.get_dummy_value()

            return types.void(types.intp, now, before, drive, kind, kind, kind), codegen

        return step_in_vectors

    def _make_step_back(subtract: bool) -> Any:
        @_intrinsic
        def step_back_in_vectors(
            typingctx: Any, n_vector: Any, now: Any, up: Any, later: Any, out: Any, leak: Any, threshold: Any,
            width: Any, height: Any, hold: Any,
        ) -> Any:  # fmt: skip
            kind = now.dtype

            def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
                code = _Code(context, builder, kind, signature, args)
                now, up, later, out = (code.floats(k) for k in (1, 2, 3, 4))
                leak, threshold, width, height, hold = (code.number(k) for k in (5, 6, 7, 8, 9))

                def body(k: Any, _: Any) -> Any:
                    v, carry = code.take(now, k), builder.fmul(leak, code.take(later, k))
                    held = builder.fmul(builder.fmul(hold, carry), threshold if subtract else v)
                    push = builder.fmul(height, builder.fsub(code.take(up, k), held))
                    fired = builder.fcmp_ordered(">=", v, threshold)
                    kept = carry if subtract else builder.select(fired, code.zero(), carry)
                    push = builder.select(code.inside(v, threshold, width), push, code.zero())
                    code.store(builder.fadd(kept, push), code.at(out, k), 0)
                    return []

                code.loop(_LONG(0), args[0], _LONG(1), [], body)
                return context.get_dummy_value()

            return types.void(types.intp, now, up, later, out, kind, kind, kind, kind, kind), codegen

        return step_back_in_vectors

    @_intrinsic
    def flag_rows(typingctx: Any, a: Any, threshold: Any, n_vector: Any, flags: Any, to: Any, apart: Any) -> Any:
        """As `_flag_rows`."""

        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            code = _Code(context, builder, a.dtype, signature, args)
            source, least, target = code.floats(0), code.number(1), builder.gep(code.array(3), [args[4]])

            def body(r: Any, total: Any) -> Any:
                found = builder.fcmp_ordered(">=", code.take(source, r), least)
                flags = builder.zext(found, ir.VectorType(ir.IntType(8), LANES))
                place = builder.gep(target, [builder.mul(r, args[5])])
                builder.store(flags, builder.bitcast(place, flags.type.as_pointer()), align=1)
                return [builder.add(total[0], code.several(found))]

            return code.loop(_LONG(0), args[2], _LONG(1), [_LONG(0)], body)[0]

        n = types.intp
        return n(a, a.dtype, n, flags, n, n), codegen

    @_intrinsic
    def count_window(typingctx: Any, a: Any, threshold: Any, width: Any, n_vector: Any) -> Any:
        """As `_count_window`."""

        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            code = _Code(context, builder, a.dtype, signature, args)
            source, threshold, width = code.floats(0), code.number(1), code.number(2)

            def body(r: Any, total: Any) -> Any:
                return [builder.add(total[0], code.several(code.inside(code.take(source, r), threshold, width)))]

            return code.loop(_LONG(0), args[3], _LONG(1), [_LONG(0)], body)[0]

        return types.intp(a, a.dtype, a.dtype, types.intp), codegen

    @_intrinsic
    def bits_of(typingctx: Any, flags: Any, at: Any) -> Any:
        """As `_bits_of`."""

        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            kind = ir.VectorType(ir.IntType(8), FLAGS)
            place = builder.gep(_Code(context, builder, types.float32, signature, args).array(0), [args[1]])
            found = builder.load(builder.bitcast(place, kind.as_pointer()), align=1)
            return builder.bitcast(builder.icmp_unsigned("!=", found, ir.Constant(kind, [0] * FLAGS)), _LONG)

        return types.uint64(flags, types.intp), codegen

    @_intrinsic
    def count_ones(typingctx: Any, bits: Any) -> Any:
        """As `_count_ones`."""
        return types.intp(types.uint64), lambda context, builder, signature, args: builder.ctpop(args[0])

    @_intrinsic
    def lowest_one(typingctx: Any, bits: Any) -> Any:
        """As `_lowest_one`."""
        no = ir.Constant(ir.IntType(1), 0)
        return types.intp(types.uint64), lambda context, builder, signature, args: builder.cttz(args[0], no)

else:
    bits_of: Any = _bits_of  # type: ignore[no-redef]
    count_ones: Any = _count_ones  # type: ignore[no-redef]
    lowest_one: Any = _lowest_one  # type: ignore[no-redef]
    flag_rows: Any = _flag_rows  # type: ignore[no-redef]
    count_window: Any = _count_window  # type: ignore[no-redef]

    def _make_step(subtract: bool) -> Any:
        return lambda *args: _step(subtract, *args)

    def _make_step_back(subtract: bool) -> Any:
        return lambda *args: _step_back(subtract, *args)


step_to_zero, step_by_subtraction = _make_step(False), _make_step(True)
back_to_zero, back_by_subtraction = _make_step_back(False), _make_step_back(True)

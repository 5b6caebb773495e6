"""Spikes as bits, sixteen rows of a batch to a word, and sums over the rows in which a unit spiked: a bit a lane.

A machine with masked vectors (AVX-512) adds a weight to sixteen rows at once, and leaves alone those without a spike:
what a synapse costs then does not depend on how many spikes it carries.  Others compute the masks first, to the same
sums.  Further a square of sixteen numbers by sixteen, turned in registers.  All work on flat arrays and places in them,
as the loops of `neurodev.learn.core.vectors`; without the compiler they are the plain sums, also their twins in tests.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurodev.arrays import I8, U1, U2, U4, Array, Int
from neurodev.jit import ENABLED, kernel, rule, types  # type: ignore[attr-defined]
from neurodev.learn.core import vectors

LANES = 16  # rows to a word
TOGETHER = 32  # units that are turned into rows at a time, or back: few enough for a near cache


def words_of(n_row: int) -> int:
    """Words that hold a bit for each of some rows."""
    return -(-n_row // LANES)


@kernel
def pack_flags(flags: U1, words: U2) -> None:
    """Bit k of ``words[g, j]`` is flag (0 or 1) j of row 16 g + k; flags (R, n), words (R / 16, n)."""
    n_row, n = flags.shape
    low, high = np.empty(n, dtype=np.uint8), np.empty(n, dtype=np.uint8)  # bytes alone: as many to a vector as can be
    for g in range(words.shape[0]):
        for first, half in ((LANES * g, low), (LANES * g + 8, high)):
            half[:] = 0
            for r in range(first, min(first + 8, n_row)):
                row, worth = flags[r], np.uint8(1 << (r - first))
                for j in range(n):
                    half[j] |= worth if row[j] else np.uint8(0)  # a product of bytes is several times slower
        w = words[g]
        for j in range(n):
            w[j] = np.uint16(low[j]) | (np.uint16(high[j]) << np.uint16(8))


@kernel
def count_bits(words: U2, count: I8) -> None:
    """The bits of each row of words (n, n_word) into `count` (n,)."""
    for i in range(words.shape[0]):
        total = np.int64(0)
        for g in range(words.shape[1]):
            w = words[i, g]
            w = (w & np.uint16(0x5555)) + ((w >> np.uint16(1)) & np.uint16(0x5555))
            w = (w & np.uint16(0x3333)) + ((w >> np.uint16(2)) & np.uint16(0x3333))
            w = (w & np.uint16(0x0F0F)) + ((w >> np.uint16(4)) & np.uint16(0x0F0F))
            total += np.int64((w & np.uint16(0xFF)) + (w >> np.uint16(8)))
        count[i] = total


def _bits(words: U2, at: int, n_word: int) -> NDArray[np.bool_]:
    """The bits of some words, (16 n_word,)."""
    return np.asarray((words[at : at + n_word, None] >> np.arange(LANES)) & 1, dtype=bool).ravel()


def _masked_sums(
    n_word: int, out: Array, at: int, words: U2, apart: int, first: int, slot: U4, row: U4, weight: Array, q: int,
    end: int,
) -> None:  # fmt: skip
    """``out[at + k] = sum of weight[slot[q]] where bit k of words[apart * row[q] + first:] is set``, q <= .. < end."""
    total = np.zeros(LANES * n_word, dtype=weight.dtype)
    for s in range(q, end):
        total[_bits(words, apart * int(row[s]) + first, n_word)] += weight[slot[s]]
    out[at : at + LANES * n_word] = total


def _masked_dots(a: Array, at: int, words: U2, p: int, q: int, r: int, s: int, n_word: int) -> tuple[Any, ...]:
    """Four sums of ``a[at + k]`` where bit k of the words from p, q, r, s on is set."""
    x = a[at : at + LANES * n_word]
    return tuple(x[_bits(words, k, n_word)].sum(dtype=a.dtype) for k in (p, q, r, s))


def _turn_square(a: Array, at: int, apart: int, out: Array, to: int, out_apart: int) -> None:
    """``out[to + out_apart * i + j] = a[at + apart * j + i]`` for i and j below 16."""
    for i in range(LANES):
        for j in range(LANES):
            out[to + out_apart * i + j] = a[at + apart * j + i]


def _few_products(
    n_row: int, out: Array, at: int, out_apart: int, a: Array, p: int, apart: int, w: Array, base: int, n: int
) -> None:
    """``out[at + out_apart i + k] = sum over j < n of a[p + apart i + j] * w[base + 16 j + k]``, k < 16, i < n_row."""
    part = w[base : base + LANES * n].reshape(n, LANES)
    for i in range(n_row):
        to, row = at + out_apart * i, p + apart * i
        out[to : to + LANES] = a[row : row + n] @ part


if ENABLED:
    from llvmlite import ir

    _intrinsic = vectors._intrinsic

    class _Code(vectors._Code):
        """Vectors under masks."""

        def mask(self, words: Any, k: int) -> Any:
            word = self.builder.load(self.builder.gep(words, [ir.IntType(64)(k)]))
            return self.builder.bitcast(word, ir.VectorType(ir.IntType(1), LANES))

        def add_where(self, mask: Any, total: Any, x: Any) -> Any:
            return self.builder.select(mask, self.builder.fadd(total, x, flags=vectors.SUMS), total)

    def _make_masked_sums(n_word: int) -> Any:
        @_intrinsic
        def masked_sums_in_registers(
            typingctx: Any, out: Any, at: Any, words: Any, apart: Any, first: Any, slot: Any, row: Any, weight: Any,
            q: Any, end: Any,
        ) -> Any:  # fmt: skip
            n = types.intp

            def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
                code, long = _Code(context, builder, signature.args[0].dtype), ir.IntType(64)
                out, words, slot, row, weight = (code.data(signature.args[k], args[k]) for k in (0, 2, 5, 6, 7))
                out, words = builder.gep(out, [args[1]]), builder.gep(words, [args[4]])

                def body(k: Any, sums: Any) -> Any:
                    source = builder.zext(builder.load(builder.gep(row, [k])), long)
                    place = builder.zext(builder.load(builder.gep(slot, [k])), long)
                    w = code.splat(builder.load(builder.gep(weight, [place])))[1]
                    here = builder.gep(words, [builder.mul(source, args[3])])
                    return [code.add_where(code.mask(here, j), total, w) for j, total in enumerate(sums)]

                start = [ir.Constant(code.joined, [0.0] * LANES)] * n_word
                for j, total in enumerate(code.loop(args[8], args[9], long(1), start, body)):
                    code.store(total, out, 2 * j)
                return context.get_dummy_value()

            return types.void(out, n, words, n, n, slot, row, weight, n, n), codegen

        return masked_sums_in_registers

    @_intrinsic
    def masked_dots(typingctx: Any, a: Any, at: Any, words: Any, p: Any, q: Any, r: Any, s: Any, n_word: Any) -> Any:
        """As `_masked_dots`."""

        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            code, long = _Code(context, builder, signature.args[0].dtype), ir.IntType(64)
            shared = builder.gep(code.data(signature.args[0], args[0]), [args[1]])
            words = code.data(signature.args[2], args[2])
            pointers = [builder.gep(words, [place]) for place in args[3:7]]
            add = lambda x, y: builder.fadd(x, y, flags=vectors.SUMS)

            def turn(several: int) -> Any:
                def body(g: Any, sums: Any) -> Any:
                    out = []
                    for k in range(several):
                        x = code.load(builder.gep(shared, [builder.mul(g, long(LANES))]), 2 * k, True)
                        for i, pointer in enumerate(pointers):
                            mask = code.mask(builder.gep(pointer, [g]), k)
                            out.append(code.add_where(mask, sums[4 * k + i], x))
                    return out + sums[len(out) :]

                return body

            # two words at a time: no sum waits for the one before
            even, zero = builder.and_(args[7], long(-2)), ir.Constant(code.joined, [0.0] * LANES)
            sums = code.loop(long(0), even, long(2), [zero] * 8, turn(2))
            last = code.loop(even, args[7], long(1), sums[:4], turn(1))
            total = [add(*code.halves(add(x, y))) for x, y in zip(last, sums[4:], strict=True)]
            return context.make_tuple(builder, signature.return_type, code.four_sums(total))

        n = types.intp
        return types.UniTuple(a.dtype, 4)(a, n, words, n, n, n, n, n), codegen

    @_intrinsic
    def turn_square(typingctx: Any, a: Any, at: Any, apart: Any, out: Any, to: Any, out_apart: Any) -> Any:
        """As `_turn_square`: four times a perfect shuffle of the sixteen rows."""

        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            code = _Code(context, builder, signature.args[0].dtype)
            source = builder.gep(code.data(signature.args[0], args[0]), [args[1]])
            target = builder.gep(code.data(signature.args[3], args[3]), [args[4]])
            row = lambda base, apart, i: builder.gep(base, [builder.mul(apart, ir.IntType(64)(i))])
            v = [code.load(row(source, args[2], i), 0, True) for i in range(LANES)]
            half = LANES // 2
            low = [k // 2 + LANES * (k % 2) for k in range(LANES)]
            high = [half + k for k in low]
            for _ in range(4):
                v = [code.pick(v[i // 2], v[i // 2 + half], (low, high)[i % 2]) for i in range(LANES)]
            for i in range(LANES):
                code.store(v[i], row(target, args[5], i), 0)
            return context.get_dummy_value()

        n = types.intp
        return types.void(a, n, n, out, n, n), codegen

    def _make_few_products(n_row: Any) -> Any:
        @_intrinsic
        def few_products_in_registers(
            typingctx: Any, out: Any, at: Any, out_apart: Any, a: Any, p: Any, apart: Any, w: Any, base: Any, n: Any
        ) -> Any:
            long = types.intp

            def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
                code, word = _Code(context, builder, signature.args[0].dtype), ir.IntType(64)
                out, a, w = (code.data(signature.args[k], args[k]) for k in (0, 3, 6))
                w = builder.gep(w, [args[7]])
                place = lambda base, first, apart, i: builder.gep(
                    base, [builder.add(first, builder.mul(apart, word(i)))]
                )
                rows = [place(a, args[4], args[5], i) for i in range(n_row)]

                def body(j: Any, sums: Any) -> Any:
                    x = code.load(builder.gep(w, [builder.mul(j, word(LANES))]), 0, True)
                    each = [code.splat(builder.load(builder.gep(row, [j])))[1] for row in rows]
                    return [code.multiply_add(y, x, total) for y, total in zip(each, sums, strict=True)]

                start = [ir.Constant(code.joined, [0.0] * LANES)] * n_row
                for i, total in enumerate(code.loop(word(0), args[8], word(1), start, body)):
                    code.store(total, place(out, args[1], args[2], i), 0)
                return context.get_dummy_value()

            return types.void(out, long, long, a, long, long, w, long, long), codegen

        return few_products_in_registers

else:
    masked_dots: Any = _masked_dots  # type: ignore[no-redef]
    turn_square: Any = _turn_square  # type: ignore[no-redef]

    def _make_masked_sums(n_word: int) -> Any:
        return lambda *args: _masked_sums(n_word, *args)

    def _make_few_products(n_row: Any) -> Any:
        return lambda *args: _few_products(n_row, *args)


_sums_1, _sums_4, _sums_16 = (_make_masked_sums(n) for n in (1, 4, 16))


_products_4, _products_1 = _make_few_products(4), _make_few_products(1)


@rule
def few_products(
    n_row: Int, out: Array, at: Int, out_apart: Int, a: Array, p: Int, apart: Int, w: Array, base: Int, n: Int
) -> None:
    """As `_few_products`, for any number of rows: four share the load of w."""
    r = 0
    while r + 4 <= n_row:
        _products_4(out, at + out_apart * r, out_apart, a, p + apart * r, apart, w, base, n)
        r += 4
    while r < n_row:
        _products_1(out, at + out_apart * r, out_apart, a, p + apart * r, apart, w, base, n)
        r += 1


@rule
def masked_sums(
    n_word: Int, out: Array, at: Int, words: U2, apart: Int, slot: U4, row: U4, weight: Array, q: Int, end: Int
) -> None:
    """As `_masked_sums` from the first word on, for any number of words: as many at a time as there are registers."""
    g = 0
    while n_word - g >= 16:
        _sums_16(out, at + LANES * g, words, apart, g, slot, row, weight, q, end)
        g += 16
    while n_word - g >= 4:
        _sums_4(out, at + LANES * g, words, apart, g, slot, row, weight, q, end)
        g += 4
    while n_word - g >= 1:
        _sums_1(out, at + LANES * g, words, apart, g, slot, row, weight, q, end)
        g += 1


@kernel
def turn(a: Array, out: Array) -> None:
    """``out = a.T``, both contiguous, square by square: several times faster than a strided copy."""
    n, m = a.shape
    whole_n, whole_m = n // LANES * LANES, m // LANES * LANES
    flat, turned = a.reshape(-1), out.reshape(-1)
    for i in range(0, whole_n, LANES):
        for j in range(0, whole_m, LANES):
            turn_square(flat, i * m + j, m, turned, j * n + i, n)
        for j in range(whole_m, m):
            for q in range(LANES):
                out[j, i + q] = a[i + q, j]
    for i in range(whole_n, n):
        for j in range(m):
            out[j, i] = a[i, j]


@rule
def units_to_rows(units: Array, apart: Int, some: Int, rows: Array, first: Int) -> None:
    """Some units, flat, each `apart` numbers, into as many columns of rows (R, n), from `first` on."""
    n_row, n = rows.shape
    flat = rows.reshape(-1)
    whole, squares = n_row // LANES * LANES, some // LANES * LANES
    for r in range(0, whole, LANES):
        for m in range(0, squares, LANES):
            turn_square(units, m * apart + r, apart, flat, r * n + first + m, n)
    for r in range(n_row):
        for m in range(squares if r < whole else 0, some):
            rows[r, first + m] = units[m * apart + r]


@rule
def rows_to_units(rows: Array, first: Int, units: Array, apart: Int, some: Int) -> None:
    """The other way; what is beyond the last row keeps its value."""
    n_row, n = rows.shape
    flat = rows.reshape(-1)
    whole, squares = n_row // LANES * LANES, some // LANES * LANES
    for r in range(0, whole, LANES):
        for m in range(0, squares, LANES):
            turn_square(flat, r * n + first + m, n, units, m * apart + r, apart)
    for r in range(n_row):
        for m in range(squares if r < whole else 0, some):
            units[m * apart + r] = rows[r, first + m]

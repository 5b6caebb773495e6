"""Short loops written in vectors: a weighted sum of rows that stays in registers, four dot products at a time, one row.

The compiler keeps no sum of rows in registers when it is written as loops over arrays: it loads and stores the sum once
for every row, and tests each short loop for overlapping arrays.  All work on flat arrays and places in them, in
vectors of 8 numbers, two joined where there are two: a machine with vectors of 512 bits takes them whole, one with 256
cuts them, to the same sums.  Without the compiler they are the plain sums, which are also their twins in the tests.
"""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from neurodev.arrays import Array, Int
from neurodev.jit import ENABLED, intrinsic, rule, types  # type: ignore[attr-defined]

WIDTH = 8  # numbers in a vector; arrays that these loops go through are padded to whole vectors


def padded(n: int) -> int:
    """The next multiple of `WIDTH`."""
    return -(-n // WIDTH) * WIDTH


def _add_rows(
    n_vector: int, out: Array, at: int, rows: Array, base: int, stride: int, index: NDArray[Any], value: Array, first:
    int, last: int,
) -> None:  # fmt: skip
    """``out[at:at + n] += value[k] * rows[p:p + n]``, ``p = base + stride * index[k]``, for first <= k < last."""
    n = n_vector * WIDTH
    for k in range(first, last):
        p = base + stride * int(index[k])
        out[at : at + n] += value[k] * rows[p : p + n]


def _copy_row(n_vector: int, out: Array, at: int, rows: Array, base: int) -> None:
    """``out[at:at + n] = rows[base:base + n]``."""
    n = n_vector * WIDTH
    out[at : at + n] = rows[base : base + n]


def _add_row(n_vector: int, out: Array, at: int, rows: Array, base: int) -> None:
    """``out[at:at + n] += rows[base:base + n]``."""
    n = n_vector * WIDTH
    out[at : at + n] += rows[base : base + n]


def _dot_rows(a: Array, at: int, rows: Array, p: int, q: int, r: int, s: int, n: int) -> tuple[Any, ...]:
    """Four products of ``a[at:at + n]`` with the rows that begin at p, q, r, s; n a multiple of WIDTH."""
    x = a[at : at + n]
    return tuple((x * rows[k : k + n]).sum() for k in (p, q, r, s))


def _dot_two_rows(a: Array, at: int, rows: Array, p: int, q: int, n: int) -> tuple[Any, ...]:
    """The same with two rows."""
    return _dot_rows(a, at, rows, p, q, p, q, n)[:2]


if ENABLED:
    from llvmlite import ir

    SUMS = ("contract", "reassoc", "nsz")

    def _intrinsic(make: Any) -> Any:
        """Numba's own type of an intrinsic counts the typing context among the arguments of a call."""
        return intrinsic(make)

    class _Code:
        """What these loops share: typed pointers into flat arrays, and vectors."""

        def __init__(self, context: Any, builder: Any, kind: Any) -> None:
            self.context, self.builder = context, builder
            self.kind = context.get_value_type(kind)
            self.vector, self.joined = ir.VectorType(self.kind, WIDTH), ir.VectorType(self.kind, 2 * WIDTH)
            self.bytes = kind.bitwidth // 8

        def data(self, array_type: Any, value: Any) -> Any:
            if array_type.layout != "C":  # strides are not looked at
                raise TypeError(f"loops in vectors go through contiguous arrays, got {array_type}")
            return self.context.make_array(array_type)(self.context, self.builder, value).data

        def load(self, pointer: Any, k: Any, joined: bool = False) -> Any:
            place = self.builder.gep(pointer, [ir.Constant(ir.IntType(64), k * WIDTH)])
            vector = self.joined if joined else self.vector
            return self.builder.load(self.builder.bitcast(place, vector.as_pointer()), align=self.bytes)

        def store(self, v: Any, pointer: Any, k: Any) -> Any:
            place = self.builder.gep(pointer, [ir.Constant(ir.IntType(64), k * WIDTH)])
            self.builder.store(v, self.builder.bitcast(place, v.type.as_pointer()), align=self.bytes)

        def multiply_add(self, a: Any, b: Any, c: Any) -> Any:
            return self.builder.fadd(self.builder.fmul(a, b, flags=SUMS), c, flags=SUMS)

        def pick(self, a: Any, b: Any, places: Any) -> Any:
            mask = ir.Constant(ir.VectorType(ir.IntType(32), len(places)), list(places))
            return self.builder.shuffle_vector(a, b, mask)

        def splat(self, x: Any) -> Any:
            """A number in all places of a vector, and of two joined."""
            one = self.builder.insert_element(ir.Constant(self.vector, ir.Undefined), x, ir.IntType(32)(0))
            return self.pick(one, one, [0] * WIDTH), self.pick(one, one, [0] * 2 * WIDTH)

        def halves(self, v: Any) -> Any:
            """The two vectors that are joined in one."""
            return self.pick(v, v, range(WIDTH)), self.pick(v, v, range(WIDTH, 2 * WIDTH))

        def loop(self, first: Any, last: Any, step: Any, start: Any, body: Any) -> Any:
            """Carry the values `start` through ``body(k, values)`` for k = first, first + step, .. < last."""
            b = self.builder
            entry = b.block
            head, inside, after = (b.append_basic_block(name) for name in ("head", "inside", "after"))
            b.branch(head)
            b.position_at_end(head)
            k = b.phi(first.type)
            carried = [b.phi(v.type) for v in start]
            b.cbranch(b.icmp_signed("<", k, last), inside, after)
            b.position_at_end(inside)
            new = body(k, carried)
            following = b.add(k, step)
            for phi, before, now in zip([k, *carried], [first, *start], [following, *new], strict=True):
                phi.add_incoming(before, entry)
                phi.add_incoming(now, b.block)
            b.branch(head)
            b.position_at_end(after)
            return carried

        def four_sums(self, v: Any) -> Any:
            """The sums of the numbers of each of four vectors."""
            b = self.builder
            add = lambda x, y: b.fadd(x, y, flags=SUMS)
            low, high = range(WIDTH // 2), range(WIDTH // 2, WIDTH)
            v = [add(self.pick(x, x, low), self.pick(x, x, high)) for x in v]
            pairs = [add(self.pick(x, y, (0, 4, 1, 5)), self.pick(x, y, (2, 6, 3, 7))) for x, y in (v[:2], v[2:])]
            total = add(self.pick(pairs[0], pairs[1], (0, 1, 4, 5)), self.pick(pairs[0], pairs[1], (2, 3, 6, 7)))
            return [b.extract_element(total, ir.IntType(32)(k)) for k in range(4)]

    def _make_add_rows(n_vector: Any) -> Any:
        @_intrinsic
        def add_rows_in_registers(
            typingctx: Any, out: Any, at: Any, rows: Any, base: Any, stride: Any, index: Any, value: Any, first: Any,
            last: Any,
        ) -> Any:  # fmt: skip
            n = types.intp
            sig = types.void(out, n, rows, n, n, index, value, n, n)

            def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
                code = _Code(context, builder, signature.args[0].dtype)
                pointers = [code.data(signature.args[k], args[k]) for k in (0, 2, 5, 6)]
                out, rows, index, value = pointers
                out, rows = builder.gep(out, [args[1]]), builder.gep(rows, [args[3]])

                def body(k: Any, sums: Any) -> Any:
                    row = builder.load(builder.gep(index, [k]))
                    if row.type.width < 64:
                        row = builder.zext(row, ir.IntType(64))
                    row = builder.gep(rows, [builder.mul(row, args[4])])
                    v = code.splat(builder.load(builder.gep(value, [k])))
                    places = zip(parts, sums, strict=True)
                    return [code.multiply_add(v[two], code.load(row, j, two), a) for (j, two), a in places]

                # vectors by the place of the first, and whether two are joined
                parts = [(j, j + 1 < n_vector) for j in range(0, n_vector, 2)]
                start = [code.load(out, j, two) for j, two in parts]
                end = code.loop(args[7], args[8], ir.IntType(64)(1), start, body)
                for (j, _), v in zip(parts, end, strict=True):
                    code.store(v, out, j)
                return context.get_dummy_value()

            return sig, codegen

        return add_rows_in_registers

    def _make_one_row(add: Any) -> Any:
        @_intrinsic
        def one_row(typingctx: Any, n_vector: Any, out: Any, at: Any, rows: Any, base: Any) -> Any:
            n = types.intp

            def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
                code = _Code(context, builder, signature.args[1].dtype)
                out = builder.gep(code.data(signature.args[1], args[1]), [args[2]])
                rows = builder.gep(code.data(signature.args[3], args[3]), [args[4]])

                def body(k: Any, _: Any) -> Any:
                    place = builder.mul(k, ir.IntType(64)(WIDTH))
                    to = builder.gep(out, [place])
                    v = code.load(builder.gep(rows, [place]), 0)
                    code.store(builder.fadd(v, code.load(to, 0)) if add else v, to, 0)
                    return []

                code.loop(ir.IntType(64)(0), args[0], ir.IntType(64)(1), [], body)
                return context.get_dummy_value()

            return types.void(n, out, n, rows, n), codegen

        return one_row

    copy_row, add_row = _make_one_row(False), _make_one_row(True)

    def _dots(context: Any, builder: Any, signature: Any, args: Any, most: Any) -> Any:
        """Products of a[at:at + n] with rows; `most` vectors of each a turn: no sum waits for the one before."""
        code = _Code(context, builder, signature.args[0].dtype)
        rows = code.data(signature.args[2], args[2])
        shared = builder.gep(code.data(signature.args[0], args[0]), [args[1]])
        pointers = [builder.gep(rows, [place]) for place in args[3:-1]]
        count, zero, word = len(pointers), ir.Constant(code.joined, [0.0] * 2 * WIDTH), ir.IntType(64)

        def turn(joined: bool) -> Any:
            def body(j: Any, sums: Any) -> Any:
                out = []
                for k in range(most // 2 if joined else 1):
                    x = code.load(builder.gep(shared, [j]), 2 * k, joined)
                    for i, pointer in enumerate(pointers):
                        row = code.load(builder.gep(pointer, [j]), 2 * k, joined)
                        out.append(code.multiply_add(x, row, sums[count * k + i]))
                return out + sums[len(out) :]

            return body

        even = builder.and_(args[-1], word(-most * WIDTH))
        sums = code.loop(word(0), even, word(most * WIDTH), [zero] * (count * most // 2), turn(True))
        pairs = [code.halves(s) for s in sums]
        first = code.loop(even, args[-1], word(WIDTH), [low for low, _ in pairs[:count]], turn(False))
        total = list(first)
        for k in range(1, most):
            later = [pairs[count * (k // 2) + i][k % 2] for i in range(count)]
            total = [builder.fadd(x, y, flags=SUMS) for x, y in zip(total, later, strict=True)]
        return context.make_tuple(builder, signature.return_type, code.four_sums((total * 2)[:4])[:count])

    @_intrinsic
    def dot_rows(typingctx: Any, a: Any, at: Any, rows: Any, p: Any, q: Any, r: Any, s: Any, n: Any) -> Any:
        """As `_dot_rows`."""
        sig = types.UniTuple(a.dtype, 4)(a, types.intp, rows, *[types.intp] * 5)
        return sig, lambda context, builder, signature, args: _dots(context, builder, signature, args, 2)

    @_intrinsic
    def dot_two_rows(typingctx: Any, a: Any, at: Any, rows: Any, p: Any, q: Any, n: Any) -> Any:
        """As `_dot_two_rows`."""
        sig = types.UniTuple(a.dtype, 2)(a, types.intp, rows, *[types.intp] * 3)
        return sig, lambda context, builder, signature, args: _dots(context, builder, signature, args, 4)

else:
    copy_row: Any = _copy_row  # type: ignore[no-redef]
    add_row: Any = _add_row  # type: ignore[no-redef]
    dot_rows: Any = _dot_rows  # type: ignore[no-redef]
    dot_two_rows: Any = _dot_two_rows  # type: ignore[no-redef]

    def _make_add_rows(n_vector: Any) -> Any:
        return lambda *args: _add_rows(n_vector, *args)


_add_1, _add_2, _add_4 = (_make_add_rows(n) for n in (1, 2, 4))
_add_5, _add_8, _add_10 = (_make_add_rows(n) for n in (5, 8, 10))


@rule
def add_rows(
    n_vector: Int, out: Array, at: Int, rows: Array, base: Int, stride: Int, index: NDArray[Any], value: Array, first:
    Int, last: Int,
) -> None:  # fmt: skip
    """As `_add_rows`, for any number of vectors: some at a time, as many as there are registers for."""
    left = n_vector
    while left >= 10:
        _add_10(out, at, rows, base, stride, index, value, first, last)
        left, at, base = left - 10, at + 10 * WIDTH, base + 10 * WIDTH
    if left >= 8:
        _add_8(out, at, rows, base, stride, index, value, first, last)
        left, at, base = left - 8, at + 8 * WIDTH, base + 8 * WIDTH
    if left >= 5:
        _add_5(out, at, rows, base, stride, index, value, first, last)
        left, at, base = left - 5, at + 5 * WIDTH, base + 5 * WIDTH
    if left >= 4:
        _add_4(out, at, rows, base, stride, index, value, first, last)
        left, at, base = left - 4, at + 4 * WIDTH, base + 4 * WIDTH
    if left >= 2:
        _add_2(out, at, rows, base, stride, index, value, first, last)
        left, at, base = left - 2, at + 2 * WIDTH, base + 2 * WIDTH
    if left == 1:
        _add_1(out, at, rows, base, stride, index, value, first, last)

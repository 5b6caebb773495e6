"""The one door to Numba: options, kernels that are kept (`neurodev.kernel_cache`), raw pointers, a JIT-off mode.

Only this module imports Numba.  Kernels are module-level functions decorated with `kernel`
(outer loops) or `rule` (tiny pure functions that are inlined by LLVM).  Hot hooks of mechanisms are
decorated with `hook`: they are compiled to C functions and reach the event loop as one address, so the
engine compiles once and a new mechanism compiles only itself.

With ``NUMBA_DISABLE_JIT=1`` everything runs as plain Python on the same arrays: an address then
is a key into a table of Python functions, and `view_*` wraps memory with ctypes.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
from collections.abc import Callable
from functools import lru_cache, wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import numpy as np
from numba import cfunc, njit, types
from numba.core import caching, ccallback, cgutils, dispatcher, event, registry
from numba.core import config as _numba_config
from numba.extending import intrinsic
from numpy.typing import NDArray

from neurodev.arrays import F4, F8, I8, U2, U4, U8, Int
from neurodev.kernel_cache import folder_of, say

F = TypeVar("F", bound=Callable[..., Any])
Form = TypeVar("Form")  # a NamedTuple

CACHE = os.environ.get("NEURODEV_CACHE", "1") != "0"
_config: Any = _numba_config  # its settings are made as it is imported
ENABLED: bool = not _config.DISABLE_JIT

_OPTIONS: dict[str, Any] = {"nogil": True, "error_model": "numpy", "fastmath": False}


_unpickled: Any = caching.pickle.loads  # type: ignore[attr-defined]  # as Numba does itself; never before a look


class _Files(caching.IndexDataCacheFile):
    """Numba's two files of a kernel, each behind its hash: what was damaged is never unpickled, nor run."""

    def _save(self, path: str, content: Any) -> None:
        data = self._dump(content)
        with self._open_for_write(path) as file:
            file.write(hashlib.sha256(data).digest() + data)

    def _load(self, path: str) -> Any:
        data = Path(path).read_bytes()
        if hashlib.sha256(data[32:]).digest() != data[:32]:
            raise ValueError(f"{Path(path).name} is damaged")
        return _unpickled(data[32:])

    def _save_index(self, overloads: Any) -> None:
        self._save(self._index_path, (self._version, self._source_stamp, overloads))

    def _load_index(self) -> Any:
        try:
            version, stamp, overloads = self._load(self._index_path)
        except FileNotFoundError:
            return {}
        return overloads if (version, stamp) == (self._version, self._source_stamp) else {}

    def _save_data(self, name: str, data: Any) -> None:
        self._save(self._data_path(name), data)

    def _load_data(self, name: str) -> Any:
        return self._load(self._data_path(name))


class _Place(caching.CompileResultCacheImpl):
    _locator_classes = [caching.UserProvidedCacheLocator]  # ours or none


class _Kept(caching.FunctionCache):
    """A cache that is ignored where it cannot be used."""

    _impl_class = _Place

    def __init__(self, fn: Any, form: str = "") -> None:
        super().__init__(fn)
        files = self._cache_file
        self._cache_file = _Files(self._cache_path, self._impl.filename_base + form, files._source_stamp)

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        try:
            return super().load_overload(sig, target_context)
        except Exception as e:  # whatever a damaged or foreign file leads to
            say("damaged", f"a compiled kernel in {self._cache_path!r} cannot be used and is made anew ({e})")
            try:
                self._cache_file.flush()
            except OSError:
                self.disable()
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        try:
            super().save_overload(sig, data)
        except (OSError, ValueError) as e:
            say("full", f"compiled kernels cannot be kept in {self._cache_path!r} ({e})")
            self.disable()


def _cache_of(fn: Any, form: str = "") -> Any:
    try:
        return _Kept(fn, form)
    except (RuntimeError, OSError) as e:
        say("folder", f"compiled kernels cannot be kept in {_config.CACHE_DIR!r} ({e})")
        return caching.NullCache()


def _folder(source: str) -> Path | None:
    """Where the kernels of a file are kept, by what of Numba's settings changes code: its own cache does not look."""
    flags = {"bounds": _config.BOUNDSCHECK, "debug": _config.DEBUGINFO_DEFAULT}
    return folder_of(source, "".join(f"-{word}" for word, on in flags.items() if on))


def _kept(fn: Any) -> bool:
    """Whether what is compiled of a function is kept: what was typed at a prompt or in a notebook has no file."""
    name = fn.__code__.co_filename
    return CACHE and Path(name).is_file() and _folder(name) is not None


def _decorate(fn: Any, make: Callable[[Any], Any]) -> Any:
    """Apply a Numba decorator with our cache and its folder, then restore Numba's own."""
    if not _kept(fn):
        return make(fn)
    jitted: Any = dispatcher
    called: Any = ccallback
    before = _config.CACHE_DIR, jitted.FunctionCache, called.FunctionCache
    _config.CACHE_DIR = str(_folder(fn.__code__.co_filename))
    jitted.FunctionCache = called.FunctionCache = _cache_of
    try:
        return make(fn)
    finally:
        _config.CACHE_DIR, jitted.FunctionCache, called.FunctionCache = before


def _interpreted(fn: F) -> F:
    """A kernel as plain Python: hashes wrap around on purpose, in every thread, and compiled code never warns."""

    @wraps(fn)
    def call(*arguments: Any) -> Any:
        with np.errstate(over="ignore"):
            return fn(*arguments)

    return call  # type: ignore[return-value]


def kernel(fn: F) -> F:
    """Compile a kernel (lazily, cached, without the GIL)."""
    if not ENABLED:
        return _interpreted(fn)
    return _decorate(fn, njit(cache=_kept(fn), **_OPTIONS))  # type: ignore[no-any-return]


def sum_kernel(fn: F) -> F:
    """Compile a kernel whose sums may be taken in any order: dot products then use all lanes of a vector.

    The result is the same for the same machine and build; it differs from a left-to-right sum by rounding.
    """
    if not ENABLED:
        return _interpreted(fn)
    options = {**_OPTIONS, "fastmath": {"reassoc", "contract", "nsz"}}
    return _decorate(fn, njit(cache=_kept(fn), **options))  # type: ignore[no-any-return]


class _Rule(registry.CPUDispatcher):
    """A function that is there for the sake of its callers: without the two wrappers that Python, or C, would need.

    They take as long to compile as the function.  Python gets a kernel of the same function when it asks.
    """

    _asked: Any = None

    def enable_caching(self) -> None:
        self._cache = _cache_of(self.py_func, "-rule")

    def __call__(self, *arguments: Any) -> Any:
        if self._asked is None:
            self._asked = kernel(self.py_func)
        return self._asked(*arguments)


def rule(fn: F) -> F:
    """Compile a small function that LLVM always inlines: tuples of arrays then cost nothing to pass."""
    if not ENABLED:
        return fn

    def make(f: Any) -> Any:
        bare = {"nopython": True, "no_cpython_wrapper": True, "no_cfunc_wrapper": True}
        made = _Rule(f, targetoptions={**_OPTIONS, **bare, "forceinline": True})
        if _kept(f):
            made.enable_caching()
        return made

    return _decorate(fn, make)  # type: ignore[no-any-return]


def open_rule(fn: F) -> F:
    """A `rule` that is given a type of the caller's: never kept, since that type may change in a file of hers."""
    return fn if not ENABLED else njit(forceinline=True, **_OPTIONS)(fn)


class _Told(event.Listener):
    """What is called when the compiler is taken up, and when it is left."""

    def __init__(self, taken: Callable[[], None], left: Callable[[], None]) -> None:
        self._taken, self._left = taken, left

    def on_start(self, event: Any) -> None:
        self._taken()

    def on_end(self, event: Any) -> None:
        self._left()


def watch_compiler(taken: Callable[[], None], left: Callable[[], None], compiles: Callable[[], None]) -> None:
    """Call `taken` and `left` around whatever the compiler does, which may be to load what is kept, in any thread.

    They are called in pairs, one within another where kernels call kernels; `compiles` before a kernel is compiled that
    is not kept.
    """
    event.register("numba:compiler_lock", _Told(taken, left))
    event.register("numba:compile", _Told(compiles, lambda: None))


# ---------------------------------------------------------------- addresses and hooks
# A hook is called with (record, a, b, c, d, t): see mechanisms/base.py for what they mean.

Hook: TypeAlias = Callable[[int, int, int, int, int, float], None]
_HOOK_TYPES = (types.int64,) * 5 + (types.float64,)
_python_hooks: dict[int, Callable[..., Any]] = {}


class CompiledHook:
    """What is reached by its address, and compiles on first use, so that importing neurodev compiles nothing.

    Attributes
    ----------
    py_func : callable
        The Python function.
    kind : {"hook", "rule", "piece"}
        Hooks of mechanisms and rules of neuron models have signatures of their own; so has every piece of the loop.
    """

    def __init__(self, fn: Hook, signature: Any, kind: str) -> None:
        self.py_func, self.kind = fn, kind
        self._signature = signature
        self._compiled: Any = None

    @property
    def at_hand(self) -> bool:
        """Whether it is compiled, or kept: asking for its address takes no time."""
        if self._compiled is not None:
            return True
        code = self.py_func.__code__
        folder = _folder(code.co_filename) if _kept(self.py_func) else None
        return folder is not None and any(folder.rglob(f"*.{code.co_name}-{code.co_firstlineno}.*.nbi"))

    @property
    def address(self) -> int:
        """The address of the C function."""
        if self._compiled is None:
            make: Any = cfunc(self._signature, cache=_kept(self.py_func), nopython=True, error_model="numpy")  # type: ignore[call-arg]
            self._compiled = _decorate(self.py_func, make)
        return int(self._compiled.address)


def hook(fn: Hook) -> Hook | CompiledHook:
    """Compile a hot hook ``fn(record, a, b, c, d, t)``; `address_of_hook` of the result goes to the engine."""
    if not ENABLED:
        return fn
    signature = types.void(*_HOOK_TYPES)
    made: CompiledHook = _decorate(fn, lambda f: CompiledHook(f, signature, "hook"))
    return made


# A rule of a neuron model is called with (m, a, b, c, x, t) and returns an integer: see neurons/rules.py.
_RULE_TYPES = (types.int64,) * 4 + (types.float64,) * 2


def model_rule(fn: F) -> F:
    """Compile a rule of a neuron model ``fn(m, a, b, c, x, t)``, reached by its address as a hook is."""
    if not ENABLED:
        return fn
    signature = types.int64(*_RULE_TYPES)
    return _decorate(fn, lambda f: CompiledHook(f, signature, "rule"))  # type: ignore[no-any-return]


def address_of_hook(h: Callable[..., Any] | CompiledHook | None) -> int:
    """The number by which the event loop calls a hook, or a rule of a neuron model; 0 where there is none."""
    if h is None:
        return 0
    if isinstance(h, CompiledHook):
        return h.address
    key = id(h)
    _python_hooks[key] = h
    return key


def address(array: NDArray[Any]) -> int:
    """The memory address of a contiguous array; the caller keeps the array alive."""
    return int(array.ctypes.data)


def _signature_of(fn: Callable[..., Any]) -> Any:
    """The types of a function of whole numbers and float64, as its annotations name them."""
    kinds = {"int": types.int64, "Int": types.int64, "bool": types.int64, "float": types.float64, "None": types.void}
    named = {word: kinds[str(name)] for word, name in fn.__annotations__.items()}
    result = named.pop("return")
    return result(*named.values())


# The doors to memory, twice: as Python, which is also what a type checker reads, and for the compiler.
if TYPE_CHECKING or not ENABLED:
    np.seterr(over="ignore")  # for rules that are called by themselves; a thread of its own does not inherit it

    def call_hook(function: Int, record: int, a: int, b: int, c: int, d: int, t: float) -> None:
        """Call the hook registered under a key (compiled: the hook at an address)."""
        _python_hooks[int(function)](record, a, b, c, d, t)

    def call_rule(rule: Int, m: Int, a: Int, b: Int, c: Int, x: float, t: float) -> int:
        """Call the rule of a neuron model registered under a key (compiled: the rule at an address)."""
        return _python_hooks[int(rule)](m, a, b, c, x, t)  # type: ignore[no-any-return]

    def apart(fn: F, number: int) -> tuple[F, Callable[..., Any]]:
        """A function that compiled callers reach by its address: `fn`, and what `address_of_hook` is asked of."""
        return fn, fn

    def prefetch(array: NDArray[Any], index: Int) -> None:
        """Ask for the cache line of ``array[index]``; never faults."""

    @lru_cache(maxsize=1 << 16)
    def _wrap(number: Int, n: Int, ctype: Any) -> Any:
        # a view of an address owns nothing, so that one made before is as good as a new one, and a hundred times faster
        return np.ctypeslib.as_array((ctype * int(n)).from_address(int(number)))

    def view_f8(number: Int, n: Int) -> F8:
        """The `n` float64 at an address."""
        return _wrap(number, n, ctypes.c_double)  # type: ignore[no-any-return]

    def view_f4(number: Int, n: Int) -> F4:
        """The `n` float32 at an address."""
        return _wrap(number, n, ctypes.c_float)  # type: ignore[no-any-return]

    def view_u4(number: Int, n: Int) -> U4:
        """The `n` uint32 at an address."""
        return _wrap(number, n, ctypes.c_uint32)  # type: ignore[no-any-return]

    def view_u8(number: Int, n: Int) -> U8:
        """The `n` uint64 at an address."""
        return _wrap(number, n, ctypes.c_uint64)  # type: ignore[no-any-return]

    def view_u2(number: Int, n: Int) -> U2:
        """The `n` uint16 at an address."""
        return _wrap(number, n, ctypes.c_uint16)  # type: ignore[no-any-return]

    def view_i8(number: Int, n: Int) -> I8:
        """The `n` int64 at an address."""
        return _wrap(number, n, ctypes.c_int64)  # type: ignore[no-any-return]

    def word(number: Int, k: Int) -> int:
        """The int64 number `k` of those that lie one after the other at an address."""
        return int(view_i8(number, k + 1)[k])

    def view2_f8(number: Int, n: Int, m: Int) -> F8:
        """The (n, m) float64 at an address."""
        return view_f8(number, n * m).reshape(int(n), int(m))

    def view2_u4(number: Int, n: Int, m: Int) -> U4:
        """The (n, m) uint32 at an address."""
        return view_u4(number, n * m).reshape(int(n), int(m))

    def view2_u8(number: Int, n: Int, m: Int) -> U8:
        """The (n, m) uint64 at an address."""
        return view_u8(number, n * m).reshape(int(n), int(m))

    def read_i8(number: Int, k: Int, form: type[Form]) -> Form:
        """The k-th NamedTuple `form` of those that lie one after the other at an address, its fields int64."""
        n = _width(form)
        return form(*view_i8(number + 8 * n * k, n).tolist())

    def read_f8(number: Int, k: Int, form: type[Form]) -> Form:
        """The k-th NamedTuple `form` of those that lie one after the other at an address, its fields float64."""
        n = _width(form)
        return form(*view_f8(number + 8 * n * k, n).copy())

    def _width(form: Any) -> int:
        return len(form._fields)

else:

    @intrinsic
    def call_hook(typingctx, function, record, a, b, c, d, t):
        """Call the compiled hook at an address."""
        sig = types.void(types.int64, *_HOOK_TYPES)

        def codegen(context, builder, signature, args):
            from llvmlite import ir

            i8, f8 = ir.IntType(64), ir.DoubleType()
            # Numba's C wrapper of a void function returns nothing (i8* None is not exposed)
            fnty = ir.FunctionType(ir.VoidType(), [i8, i8, i8, i8, i8, f8])
            pointer = builder.inttoptr(args[0], fnty.as_pointer())
            builder.call(pointer, args[1:])
            return context.get_dummy_value()

        return sig, codegen

    @intrinsic
    def call_rule(typingctx, rule, m, a, b, c, x, t):
        """Call the compiled rule of a neuron model at an address."""
        sig = types.int64(types.int64, *_RULE_TYPES)

        def codegen(context, builder, signature, args):
            from llvmlite import ir

            i8, f8 = ir.IntType(64), ir.DoubleType()
            fnty = ir.FunctionType(i8, [i8, i8, i8, i8, f8, f8])
            return builder.call(builder.inttoptr(args[0], fnty.as_pointer()), args[1:])

        return sig, codegen

    def apart(fn, number):
        """A function that is compiled by itself, once, whoever calls it: what they call, and what has its address.

        Whatever a kernel calls directly is compiled into it again.  A caller of what stands apart loads its address
        instead: number `number` of the array that is first in the table at the address that the caller gives first.
        """
        signature = _signature_of(fn)
        compiled = _decorate(fn, lambda f: CompiledHook(f, signature, "piece"))

        @intrinsic
        def call(typingctx, *given):
            def codegen(context, builder, called, args):
                from llvmlite import ir

                values = cgutils.unpack_tuple(builder, args[0])
                if len(values) != len(signature.args):
                    raise TypeError(f"{fn.__name__} takes {len(signature.args)} arguments, got {len(values)}")
                cast = zip(values, given, signature.args, strict=True)
                values = [context.cast(builder, v, have, want) for v, have, want in cast]
                i8 = ir.IntType(64)
                first = builder.load(builder.inttoptr(values[0], i8.as_pointer()))
                where = builder.inttoptr(first, i8.as_pointer())
                function = builder.load(builder.gep(where, [i8(number)]))
                void = signature.return_type == types.void
                result = ir.VoidType() if void else context.get_value_type(signature.return_type)
                fnty = ir.FunctionType(result, [context.get_value_type(kind) for kind in signature.args])
                out = builder.call(builder.inttoptr(function, fnty.as_pointer()), values)
                return context.get_dummy_value() if void else out

            return signature.return_type(types.StarArgTuple(given)), codegen

        return call, compiled

    def _reader(typingctx, number, k, form, kind):
        cls = form.instance_class
        n = len(cls._fields)

        def codegen(context, builder, signature, args):
            from llvmlite import ir

            i8 = ir.IntType(64)
            where = builder.inttoptr(args[0], context.get_value_type(kind).as_pointer())
            first = builder.mul(args[1], i8(n))
            values = [builder.load(builder.gep(where, [builder.add(first, i8(i))])) for i in range(n)]
            return context.make_tuple(builder, signature.return_type, values)

        return types.NamedUniTuple(kind, n, cls)(types.int64, types.int64, form), codegen

    @intrinsic
    def read_i8(typingctx, number, k, form):
        """The k-th NamedTuple `form` of those that lie one after the other at an address, its fields int64."""
        return _reader(typingctx, number, k, form, types.int64)

    @intrinsic
    def read_f8(typingctx, number, k, form):
        """The k-th NamedTuple `form` of those that lie one after the other at an address, its fields float64."""
        return _reader(typingctx, number, k, form, types.float64)

    @intrinsic
    def prefetch(typingctx, array, index):
        """Ask for the cache line of ``array[index]``; never faults."""

        def codegen(context, builder, signature, args):
            from llvmlite import ir
            from numba.np.arrayobj import make_array

            ary = make_array(signature.args[0])(context, builder, args[0])
            element = builder.gep(ary.data, [args[1]])
            i32 = ir.IntType(32)
            pointer = builder.bitcast(element, cgutils.voidptr_t)
            fnty = ir.FunctionType(ir.VoidType(), [cgutils.voidptr_t, i32, i32, i32])
            fn = cgutils.get_or_insert_function(builder.module, fnty, "llvm.prefetch.p0")
            builder.call(fn, [pointer, i32(0), i32(3), i32(1)])
            return context.get_dummy_value()

        return types.void(array, types.intp), codegen

    # Views are built in place: functions would be compiled, kept and linked each by itself, and cost more than they do.
    def _view(kind, number, sizes):
        array = types.Array(kind, len(sizes), "C")

        def codegen(context, builder, signature, args):
            from numba.np.arrayobj import make_array, populate_array

            item = context.get_abi_sizeof(context.get_data_type(kind))
            intp = context.get_value_type(types.intp)
            shape = list(args[1:])
            strides = [intp(item)]
            for extent in reversed(shape[1:]):
                strides.insert(0, builder.mul(extent, strides[0]))
            made = make_array(array)(context, builder)
            data = builder.inttoptr(args[0], made.data.type)
            populate_array(made, data, shape, strides, intp(item), None)
            return made._getvalue()

        return array(types.int64, *(types.intp for _ in sizes)), codegen

    @intrinsic
    def word(typingctx, number, k):
        """The int64 number `k` of those that lie one after the other at an address."""

        def codegen(context, builder, signature, args):
            where = builder.inttoptr(args[0], context.get_value_type(types.int64).as_pointer())
            return builder.load(builder.gep(where, [args[1]]))

        return types.int64(types.int64, types.int64), codegen

    @intrinsic
    def view_f8(typingctx, number, n):
        """The `n` float64 at an address."""
        return _view(types.float64, number, (n,))

    @intrinsic
    def view_f4(typingctx, number, n):
        """The `n` float32 at an address."""
        return _view(types.float32, number, (n,))

    @intrinsic
    def view_u4(typingctx, number, n):
        """The `n` uint32 at an address."""
        return _view(types.uint32, number, (n,))

    @intrinsic
    def view_u8(typingctx, number, n):
        """The `n` uint64 at an address."""
        return _view(types.uint64, number, (n,))

    @intrinsic
    def view_u2(typingctx, number, n):
        """The `n` uint16 at an address."""
        return _view(types.uint16, number, (n,))

    @intrinsic
    def view_i8(typingctx, number, n):
        """The `n` int64 at an address."""
        return _view(types.int64, number, (n,))

    @intrinsic
    def view2_f8(typingctx, number, n, m):
        """The (n, m) float64 at an address."""
        return _view(types.float64, number, (n, m))

    @intrinsic
    def view2_u4(typingctx, number, n, m):
        """The (n, m) uint32 at an address."""
        return _view(types.uint32, number, (n, m))

    @intrinsic
    def view2_u8(typingctx, number, n, m):
        """The (n, m) uint64 at an address."""
        return _view(types.uint64, number, (n, m))

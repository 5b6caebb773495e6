"""The one door to Numba: options, a cache that cannot go stale, raw pointers, and a JIT-off mode.

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
import re
import tempfile
from collections.abc import Callable
from functools import cache, lru_cache, wraps
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

F = TypeVar("F", bound=Callable[..., Any])


PACKAGE = Path(__file__).parent


_IMPORT = re.compile(rb"^\s*(?:from|import) +(neurodev[\w.]*)(?: +import +(\([^)]*\)|[^\n]*))?", re.MULTILINE)


@cache
def _read(path: Path) -> tuple[bytes, frozenset[Path]]:
    """Digest of a source file, and the files of this package that it imports."""
    text = path.read_bytes()
    names = []
    for module, imported in _IMPORT.findall(text):
        names += [module.decode(), *(f"{module.decode()}.{word.decode()}" for word in re.findall(rb"\w+", imported))]
    files = (PACKAGE.parent.joinpath(*name.split(".")).with_suffix(".py") for name in dict.fromkeys(names))
    return hashlib.sha256(text).digest(), frozenset(file for file in files if file in _files())


@cache
def _files() -> frozenset[Path]:
    return frozenset(PACKAGE.rglob("*.py"))


@cache
def source_hash(path: Path) -> str:
    """Hash of a source file and of all it imports, directly or not, from this package.

    Numba's own cache misses changes in imported helpers; hashing the whole package would recompile the engine
    for a change in a plot.
    """
    seen: set[Path] = set()
    waiting = {path, Path(__file__)}
    while waiting:
        file = waiting.pop()
        seen.add(file)
        waiting |= _read(file)[1] - seen
    digest = hashlib.sha256()
    for file in sorted(seen):
        digest.update(file.name.encode())
        digest.update(_read(file)[0])
    return digest.hexdigest()[:16]


def _flags() -> str:
    """What of Numba's settings changes the code that it makes: its own cache does not look at them."""
    flags = {"bounds": _config.BOUNDSCHECK, "debug": _config.DEBUGINFO_DEFAULT}
    return "".join(f"-{word}" for word, on in flags.items() if on)


@cache
def cache_path(source: str) -> Path:
    """Folder of the compiled kernels of one source file, checked and ordinary ones apart."""
    base = os.environ.get("NEURODEV_CACHE_DIR") or os.environ.get("XDG_CACHE_HOME")
    file = Path(source)
    code = source_hash(file) if file.is_file() else "interactive"
    for root in (Path(base) if base else Path.home() / ".cache", Path(tempfile.gettempdir())):
        path = root / "neurodev" / f"{file.stem}-{code}{_flags()}"
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError:
            continue
        return path
    raise OSError("no folder for compiled kernels can be written; set NEURODEV_CACHE=0 or NEURODEV_CACHE_DIR")


CACHE = os.environ.get("NEURODEV_CACHE", "1") != "0"

import numba  # noqa: E402
from numba import carray, cfunc, njit, types  # noqa: E402
from numba.core import cgutils  # noqa: E402
from numba.core import config as _config  # noqa: E402
from numba.extending import intrinsic  # noqa: E402

ENABLED: bool = not _config.DISABLE_JIT
numba_version: str = numba.__version__

_OPTIONS: dict[str, Any] = {"nogil": True, "error_model": "numpy", "fastmath": False}


def _decorate(fn: Any, make: Callable[[Any], Any]) -> Any:
    """Apply a Numba decorator with our cache folder, then restore Numba's own setting."""
    if not CACHE:
        return make(fn)
    before = _config.CACHE_DIR
    _config.CACHE_DIR = str(cache_path(fn.__code__.co_filename))
    try:
        return make(fn)
    finally:
        _config.CACHE_DIR = before


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
    return _decorate(fn, njit(cache=CACHE, **_OPTIONS))  # type: ignore[no-any-return]


def sum_kernel(fn: F) -> F:
    """Compile a kernel whose sums may be taken in any order: dot products then use all lanes of a vector.

    The result is the same for the same machine and build; it differs from a left-to-right sum by rounding.
    """
    if not ENABLED:
        return _interpreted(fn)
    options = {**_OPTIONS, "fastmath": {"reassoc", "contract", "nsz"}}
    return _decorate(fn, njit(cache=CACHE, **options))  # type: ignore[no-any-return]


def rule(fn: F) -> F:
    """Compile a small function that LLVM always inlines: tuples of arrays then cost nothing to pass."""
    if not ENABLED:
        return fn
    return _decorate(fn, njit(cache=CACHE, forceinline=True, **_OPTIONS))  # type: ignore[no-any-return]


# ---------------------------------------------------------------- addresses and hooks
# A hook is called with (record, a, b, c, d, t): see mechanisms/base.py for what they mean.

_HOOK_TYPES = (types.int64,) * 5 + (types.float64,)
_python_hooks: dict[int, Callable[..., None]] = {}


def hook(fn: Callable[..., None]) -> Any:
    """Compile a hot hook ``fn(record, a, b, c, d, t)``; `address` of the result goes to the engine."""
    if not ENABLED:
        return fn
    signature = types.void(*_HOOK_TYPES)
    return _decorate(fn, lambda f: _LazyHook(f, signature))


class _LazyHook:
    """Compile on first use, so that importing neurodev compiles nothing."""

    def __init__(self, fn: Callable[..., None], signature: Any) -> None:
        self.py_func = fn
        self._signature = signature
        self._compiled: Any = None

    @property
    def address(self) -> int:
        if self._compiled is None:
            make = cfunc(self._signature, cache=CACHE, nopython=True, error_model="numpy")
            self._compiled = _decorate(self.py_func, make)
        return int(self._compiled.address)


def address_of_hook(h: Any) -> int:
    """The number by which the event loop calls a hook."""
    if isinstance(h, _LazyHook):
        return h.address
    key = id(h)
    _python_hooks[key] = h
    return key


def address(array: np.ndarray[Any, Any]) -> int:
    """The memory address of a contiguous array; the caller keeps the array alive."""
    return int(array.ctypes.data)


if ENABLED:

    @intrinsic
    def call_hook(typingctx, function, record, a, b, c, d, t):  # type: ignore[no-untyped-def]
        """Call the compiled hook at an address."""
        sig = types.void(types.int64, *_HOOK_TYPES)

        def codegen(context, builder, signature, args):  # type: ignore[no-untyped-def]
            from llvmlite import ir

            i8, f8 = ir.IntType(64), ir.DoubleType()
            # Numba's C wrapper of a void function returns nothing (i8* None is not exposed)
            fnty = ir.FunctionType(ir.VoidType(), [i8, i8, i8, i8, i8, f8])
            pointer = builder.inttoptr(args[0], fnty.as_pointer())
            builder.call(pointer, args[1:])
            return context.get_dummy_value()

        return sig, codegen

    @intrinsic
    def _pointer(typingctx, number):  # type: ignore[no-untyped-def]
        def codegen(context, builder, signature, args):  # type: ignore[no-untyped-def]
            return builder.inttoptr(args[0], cgutils.voidptr_t)

        return types.voidptr(types.int64), codegen

    @intrinsic
    def _prefetch(typingctx, array, index):  # type: ignore[no-untyped-def]
        def codegen(context, builder, signature, args):  # type: ignore[no-untyped-def]
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

    @njit(forceinline=True)
    def prefetch(array, index):  # type: ignore[no-untyped-def]
        """Ask for the cache line of ``array[index]``; never faults."""
        _prefetch(array, index)

    @njit(forceinline=True)
    def view_f8(number, n):  # type: ignore[no-untyped-def]
        """The `n` float64 at an address."""
        return carray(_pointer(number), (n,), np.float64)

    @njit(forceinline=True)
    def view_f4(number, n):  # type: ignore[no-untyped-def]
        """The `n` float32 at an address."""
        return carray(_pointer(number), (n,), np.float32)

    @njit(forceinline=True)
    def view_u4(number, n):  # type: ignore[no-untyped-def]
        """The `n` uint32 at an address."""
        return carray(_pointer(number), (n,), np.uint32)

    @njit(forceinline=True)
    def view_u2(number, n):  # type: ignore[no-untyped-def]
        """The `n` uint16 at an address."""
        return carray(_pointer(number), (n,), np.uint16)

    @njit(forceinline=True)
    def view2_f8(number, n, m):  # type: ignore[no-untyped-def]
        """The (n, m) float64 at an address."""
        return carray(_pointer(number), (n, m), np.float64)

    @njit(forceinline=True)
    def view2_u4(number, n, m):  # type: ignore[no-untyped-def]
        """The (n, m) uint32 at an address."""
        return carray(_pointer(number), (n, m), np.uint32)

    @njit(forceinline=True)
    def view2_u8(number, n, m):  # type: ignore[no-untyped-def]
        """The (n, m) uint64 at an address."""
        return carray(_pointer(number), (n, m), np.uint64)

    @njit(forceinline=True)
    def view_u8(number, n):  # type: ignore[no-untyped-def]
        """The `n` uint64 at an address."""
        return carray(_pointer(number), (n,), np.uint64)

    @njit(forceinline=True)
    def view_i8(number, n):  # type: ignore[no-untyped-def]
        """The `n` int64 at an address."""
        return carray(_pointer(number), (n,), np.int64)

else:
    np.seterr(over="ignore")  # for rules that are called by themselves; a thread of its own does not inherit it

    def call_hook(function, record, a, b, c, d, t):  # type: ignore[no-untyped-def]
        """Call the Python hook registered under a key."""
        _python_hooks[function](record, a, b, c, d, t)

    def prefetch(array, index):  # type: ignore[no-untyped-def]
        """Nothing to do without the compiler."""

    @lru_cache(maxsize=1 << 16)
    def _wrap(number, n, ctype):  # type: ignore[no-untyped-def]
        # a view of an address owns nothing, so that one made before is as good as a new one, and a hundred times faster
        return np.ctypeslib.as_array((ctype * int(n)).from_address(int(number)))

    def view_f8(number, n):  # type: ignore[no-untyped-def]
        """The `n` float64 at an address."""
        return _wrap(number, n, ctypes.c_double)

    def view_f4(number, n):  # type: ignore[no-untyped-def]
        """The `n` float32 at an address."""
        return _wrap(number, n, ctypes.c_float)

    def view_u4(number, n):  # type: ignore[no-untyped-def]
        """The `n` uint32 at an address."""
        return _wrap(number, n, ctypes.c_uint32)

    def view_u8(number, n):  # type: ignore[no-untyped-def]
        """The `n` uint64 at an address."""
        return _wrap(number, n, ctypes.c_uint64)

    def view_u2(number, n):  # type: ignore[no-untyped-def]
        """The `n` uint16 at an address."""
        return _wrap(number, n, ctypes.c_uint16)

    def view2_f8(number, n, m):  # type: ignore[no-untyped-def]
        """The (n, m) float64 at an address."""
        return view_f8(number, n * m).reshape(int(n), int(m))

    def view2_u4(number, n, m):  # type: ignore[no-untyped-def]
        """The (n, m) uint32 at an address."""
        return view_u4(number, n * m).reshape(int(n), int(m))

    def view2_u8(number, n, m):  # type: ignore[no-untyped-def]
        """The (n, m) uint64 at an address."""
        return view_u8(number, n * m).reshape(int(n), int(m))

    def view_i8(number, n):  # type: ignore[no-untyped-def]
        """The `n` int64 at an address."""
        return _wrap(number, n, ctypes.c_int64)

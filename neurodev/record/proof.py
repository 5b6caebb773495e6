"""Checksums of the rows of a run file, and arrays that are looked at before they are expanded.

Every row has a hash of its bytes and a proof of the rest (table, name, place, count, type, that hash), both keyed with
the identity of the run: a row of another run proves nothing here.  The proofs of all rows together (`Tally`) lie in a
row of their own, so that a row which is missing is missed.  This finds damage and mix-ups, not forgers: what is read
is still looked at.
"""

from __future__ import annotations

import hashlib
import re
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

NUMBERS = re.compile(r"(\|b1|[|<][iu]1|<[iu][248]|<f[248])\Z")  # the only dtypes that are ever read back
PIECE = 1 << 24  # bytes of an array in one row, about
DENSEST = 1040  # times that deflate can shrink at most, about
_SUSPECT = 250  # times that only arrays of nearly nothing shrink
_SUSPECT_PIECE, _SUSPECT_WHOLE = 1 << 27, 400 << 20  # bytes of such an array that are still expanded


def _fed(key: bytes, parts: Iterable[Any]) -> int:
    mac = hashlib.blake2b(digest_size=8, key=key)
    for part in parts:
        raw = part if isinstance(part, bytes) else repr(part).encode("utf-8", "surrogatepass")
        mac.update(f"{type(part).__name__} {len(raw)} ".encode())
        mac.update(raw)
    return int.from_bytes(mac.digest(), "little", signed=True)


def hash_of(run: str, data: bytes) -> int:
    """Checksum of the bytes of a row, 64 bits with a sign."""
    return _fed(run.encode(), [bytes(data)])


def proof_of(run: str, table: str, *fields: Any) -> int:
    """Checksum of the rest of a row: its table, and all its fields in order with the hash in place of bytes."""
    return _fed(run.encode(), [table, *fields])


@dataclass
class Tally:
    """How many rows there are in all tables of a run, and their proofs taken together, whatever their order."""

    rows: int = 0
    total: int = 0

    def add(self, proofs: Iterable[int], times: int = 1) -> None:
        """Count rows in (or out, ``times=-1``)."""
        for proof in proofs:
            self.rows += times
            self.total = (self.total + times * proof) % 2**64

    def proof(self, run: str, session: int) -> int:
        """Checksum of the row that keeps this."""
        return proof_of(run, "tally", session, self.rows, self.signed)

    @property
    def signed(self) -> int:
        """The total as a database keeps it."""
        return self.total - 2**64 if self.total >= 2**63 else self.total


def squeeze(a: NDArray[Any]) -> bytes:
    """The bytes of an array, deflated."""
    # bytes of equal significance side by side compress far better
    raw = np.ascontiguousarray(a.astype(a.dtype.newbyteorder("<"))).view(np.uint8)
    return zlib.compress(raw.reshape(-1, a.dtype.itemsize).T.tobytes(), 4)


def check_size(size: int, packed: int, most: int = _SUSPECT_PIECE) -> None:
    """Refuse a description that asks for more than its bytes can hold, or for far more than they are likely to.

    Raises
    ------
    ValueError
        With both numbers.
    """
    if size > DENSEST * packed + 64:
        raise ValueError(f"{packed} bytes cannot hold {size}")
    if size > most and size > _SUSPECT * packed:
        raise ValueError(f"{packed} bytes would grow to {size}: it may be made to fill the memory")


def check_whole(size: int, packed: int) -> None:
    """`check_size` of all the rows of an array together."""
    check_size(size, packed, _SUSPECT_WHOLE)


def inflate(blob: bytes, size: int) -> bytes:
    """The `size` bytes behind deflated ones; more are never made.

    Raises
    ------
    ValueError
        If there are more or fewer.
    """
    check_size(size, len(blob))
    machine = zlib.decompressobj()
    raw = machine.decompress(blob, size + 1)
    if len(raw) != size or not machine.eof or machine.unused_data:
        raise ValueError(f"the bytes do not hold the {size} that they should")
    return raw


def item_size(dtype: str) -> int:
    """Bytes of one number.

    Raises
    ------
    ValueError
        If it is no type of numbers.
    """
    if not isinstance(dtype, str) or not NUMBERS.match(dtype):
        raise ValueError(f"{dtype!r} is not a type of numbers")
    return int(np.dtype(dtype).itemsize)


def expand(blob: bytes, dtype: str, n: int) -> NDArray[Any]:
    """The `n` numbers behind `squeeze`."""
    size = item_size(dtype)
    raw = np.frombuffer(inflate(blob, size * n), dtype=np.uint8)
    return raw.reshape(size, n).T.copy().view(dtype).reshape(-1)

"""A setting of the whole process that makes training faster: `neurodev train` and the benchmarks opt in."""

from __future__ import annotations

import ctypes

# names and values of glibc's malloc.h
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
LARGEST_KEPT = 32 << 20  # bytes of an array that comes from the heap, which is kept
MOST_KEPT = 1 << 30  # bytes of free heap that stay with the process


def keep_freed_memory() -> bool:
    """Ask the C library (glibc; others are left alone) to keep what a step frees for the next step.

    By default large arrays go back to the system and are faulted in again, page by page, at every step: a tenth of
    the time of a step of the small convolutional net.  It holds for the whole process, and for good; therefore nobody
    does it for you: call it once, before training, where up to a gigabyte of freed memory may stay with the process.

    Returns
    -------
    bool
        Whether the C library took it.

    Examples
    --------
    >>> from neurodev.learn import keep_freed_memory
    >>> taken = keep_freed_memory()
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError, TypeError):  # no C library under this name, or one without the call
        return False
    taken = [mallopt(M_MMAP_THRESHOLD, LARGEST_KEPT), mallopt(M_TRIM_THRESHOLD, MOST_KEPT)]
    return all(taken)

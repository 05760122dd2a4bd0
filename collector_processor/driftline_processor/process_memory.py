"""The memory of the process: how much it takes, settings that keep it small, and giving back what nobody uses."""

from __future__ import annotations

import ctypes
import gc
import importlib.abc
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib.machinery import ModuleSpec
from types import ModuleType

# pyarrow is imported by those who use it: whoever only reads the configuration does without.

_M_TRIM_THRESHOLD, _M_ARENA_MAX = -1, -8
"""Numbers of glibc's ``mallopt`` for what follows."""

FREED_BYTES = 128 << 10
"""From so many free bytes at the end of the heap on they go back to the system: glibc's own first value, held there."""

ARENAS = 2
"""Heaps of the process. Each thread's own, glibc's default, keeps what one large block has needed once."""


def keep_memory_small() -> None:
    """Give freed memory back to the system, and let pyarrow not load pandas.

    For ``driftline up`` alone, which owns its process, and before the first table is made. Beside the defaults, after
    spans and columns of 20 features: 300 MB instead of 340, 397 at most instead of 454, with the same CPU. Pandas alone
    takes 25 MB and a fifth of a second where it is installed.
    """
    import pyarrow as pa

    pa.set_memory_pool(pa.system_memory_pool())
    _set_allocator()
    _pass_over_pandas()


def _set_allocator() -> None:
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # another C library
        return
    mallopt(_M_ARENA_MAX, ARENAS)
    mallopt(_M_TRIM_THRESHOLD, FREED_BYTES)


def resident() -> int:
    """Return the bytes of this process in memory; 0 where the system does not say."""
    try:
        with open("/proc/self/statm", "rb") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return 0


def give_back_memory() -> None:
    """Give all that nobody uses back to the system: some milliseconds."""
    gc.collect()
    give_back_tables()
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).malloc_trim(0)


def give_back_tables() -> None:
    """Give back what Arrow keeps for the next tables: after a pass over a file of 20 features that is 150 MB."""
    import pyarrow as pa

    pa.default_memory_pool().release_unused()


class _NoPandas(importlib.abc.MetaPathFinder):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        del path, target
        if fullname == "pandas":
            raise ModuleNotFoundError(fullname, name=fullname)
        return None


def _pass_over_pandas() -> None:
    """Let pyarrow ask for pandas while it cannot be found: it asks once, and no table here is one of pandas.

    Whoever imports pandas later has it, and ``Table.to_pandas`` works.
    """
    if "pandas" in sys.modules:
        return
    import pyarrow as pa

    nowhere = _NoPandas()
    sys.meta_path.insert(0, nowhere)
    try:
        pa.array([0])
    finally:
        sys.meta_path.remove(nowhere)

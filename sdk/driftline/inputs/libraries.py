"""The readers of libraries of tables and tensors, found by the type of a value; no library is imported to look."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


def libraries_of(kind: type) -> set[str]:
    """Return the top-level packages that a type and its bases are from.

    >>> import numpy as np
    >>> sorted(libraries_of(np.ndarray))
    ['builtins', 'numpy']
    """
    return {base.__module__.partition(".")[0] for base in kind.__mro__}


def library_readers(libraries: set[str]) -> Iterator[Any]:
    """Yield the module of this room for each library of a type; load only those.

    Each has ``reader`` and ``column_reader``: given a type, they return what reads its values, or None.
    """
    if "pandas" in libraries:
        from . import pandas

        yield pandas
    if "polars" in libraries:
        from . import polars

        yield polars
    if "pyarrow" in libraries:
        from . import arrow

        yield arrow
    if "torch" in libraries:
        from . import torch

        yield torch

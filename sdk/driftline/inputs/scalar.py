"""Numbers, texts and missing values: the one feature of its row. Several are gathered by the signature."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from .row import Row, clean

if TYPE_CHECKING:
    from .batch import Reader

SCALARS = (bool, int, float, str, type(None), np.generic, Decimal, Fraction)


def reader(kind: type) -> Reader | None:
    """Return the reader of scalars, if it is one."""
    return read if issubclass(kind, SCALARS) else None


def read(value: Any) -> Row:
    """Keep the value; the name of the parameter becomes the name of the feature."""
    return None, clean((value,))

"""Every table that is simulated, in the order in which they are run."""

from __future__ import annotations

from .frame import Table
from .table import DRIFT

TABLES: tuple[Table, ...] = (DRIFT,)

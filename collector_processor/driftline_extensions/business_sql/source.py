"""The source ``sql`` of business series: its keys and its reader."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from driftline_processor.config.business import BusinessReader

from .keys import SqlQuery


class SqlSource(SqlQuery):
    """A database query that returns the values of the business metric."""

    @classmethod
    def reader(cls, declared: Mapping[str, Any], retention: int, clock: Callable[[], int]) -> BusinessReader:
        """Return the reader of the queries."""
        from .queries import BusinessQueries

        return BusinessQueries(declared, retention, clock)

"""Ask the store for sums of panes in SQL, a row each."""

from __future__ import annotations

import re

import pyarrow as pa
from driftline_processor.store.database import Connection, read
from driftline_processor.store.panes import PANES, SLICED, read_sums
from driftline_processor.store.pruning import Condition


def read_of_sums(connection: Connection, query: str, *parameters: object) -> pa.Table:
    """Run a query that may name ``sums``, those of all rows, and ``slice_sums``: see :data:`.pane_rows.SUMS`."""
    asked = {
        name: read_sums(connection, Condition("true", ()), table)
        for name, table in (("sums", PANES), ("slice_sums", SLICED))
        if re.search(rf"FROM {name}\b", query)
    }
    return read(connection, query, *parameters, **asked)

"""The rows of a model that a running processor stores, as the traffic of a drill."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import pyarrow as pa
from driftline.tables.table import ModelKey
from driftline.tables.timestamps import instant
from driftline_processor.cli import client
from driftline_processor.cli.connection import Connection
from driftline_processor.config.model import Model
from driftline_processor.core.lazy_modules import pc
from driftline_processor.core.windows.window import DAY
from driftline_processor.core.windows.window import length as window_length
from driftline_processor.present.wording import iso_time, short
from driftline_processor.readers.column_options import ColumnOptions
from driftline_processor.readers.errors import BadInput, Say
from driftline_processor.replay.recorded import MOST_ROWS, recorded_traffic
from driftline_processor.replay.traffic import Traffic
from pyarrow import parquet

DAYS: Final = 28
"""Days of stored rows, the newest ones; more for long windows."""

FEWEST_DAYS: Final = 2
"""Minimum days of stored rows for a drill."""

_OUTCOME: Final = {"id": "id", "actual": "actual", "outcome_time": "time", "value": "value"}
"""Columns of outcomes in a snapshot, and in a file of outcomes."""

_SCORE, _SLICE = "score.", "slice."


def stored_traffic(server: Connection, name: str, settings: Model, say: Say) -> tuple[Traffic, str]:
    """Return the newest stored rows of the busiest version of a model, and a description of them.

    Args:
        server: A running processor.
        name: Name of the model.
        settings: Configuration of the model.
        say: Called with sentences on inferred or skipped data.

    Raises:
        BadInput: There is no answer, or there are too few rows with features.
    """
    version = _busiest(client.fetch_model(server, name))
    key = ModelKey(name, version["version"], version["environment"])
    end = instant(version["last"]) + 1
    days = _days_that_fit(version, max(DAYS, 8 * max(map(window_length, settings.windows)) // DAY))
    with TemporaryDirectory(prefix="driftline-rows-") as folder:
        rows, outcomes = Path(folder) / "rows.parquet", Path(folder) / "outcomes.parquet"
        baseline = Path(folder) / "baseline.json" if version["baseline"] else None
        since, until = iso_time(end - days * DAY), iso_time(end)
        selection = client.SnapshotRows(name, key.version, key.environment, since, until)
        if not client.fetch_snapshot(server, selection, rows)["features"]:
            raise BadInput(f"the stored rows of {short(name, 80)} have no features (keep_features)")
        if baseline is not None:
            client.fetch_baseline(server, key).save(baseline)
        columns = _split(rows, outcomes, has_baseline=baseline is not None)
        traffic = recorded_traffic([rows], baseline, outcomes if outcomes.exists() else None, columns, settings, say)
    if traffic.days < FEWEST_DAYS:
        raise BadInput(f"the stored rows of {short(name, 80)} cover less than {FEWEST_DAYS} days")
    of_version = f" of version {short(key.version, 40)}" if key.version else ""
    return traffic, f"{len(traffic):,} rows{of_version} that {server.address} stores"


def _busiest(model: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the version in use with most rows."""
    versions = [version for version in model["versions"] if version["in_use"]] or model["versions"]
    return max(versions, key=lambda version: int(version["rows"]))


def _days_that_fit(version: Mapping[str, Any], days: int) -> int:
    """Return at most some days, fewer if a model has more rows than a replay takes, but not below the fewest.

    >>> month = {"rows": 6_000_000, "first": "2026-03-01T00:00:00Z", "last": "2026-03-31T00:00:00Z"}
    >>> _days_that_fit(month, 28), _days_that_fit(month | {"rows": 3_000}, 28)
    (9, 28)
    """
    rows_a_day = int(version["rows"]) / max(1.0, (instant(version["last"]) - instant(version["first"])) / DAY)
    # 0.9: days with more rows than the average still fit
    return min(days, max(FEWEST_DAYS, int(0.9 * MOST_ROWS / max(rows_a_day, 1.0))))


def _split(rows: Path, outcomes: Path, *, has_baseline: bool) -> ColumnOptions:
    """Split a snapshot into rows and outcomes, and return the meaning of its columns."""
    table = parquet.read_table(rows)
    metadata = json.loads((table.schema.metadata or {})[b"driftline"])
    if metadata["task"] == "ranking":
        raise BadInput("stored rankings cannot be replayed; use --records")
    known = table.filter(pc.is_valid(table["actual"]))
    if len(known):
        parquet.write_table(pa.table({column: known[name] for name, column in _OUTCOME.items()}), outcomes)
    scores = [f"{_SCORE}{category}" for category in metadata["classes"]]
    scores = [column for column in scores if column in table.column_names] or ["score"]
    left = {*_OUTCOME, "version", "environment", "weight"} - {"id"}
    left |= {column for column in table.column_names if column.startswith(_SCORE) or column == "score"} - {*scores}
    table = table.select([column for column in table.column_names if column not in left])
    others = {column for column in table.column_names if not column.startswith(_SLICE)}
    names = {column: column.removeprefix(_SLICE) for column in table.column_names}
    slices = [name for column, name in names.items() if column != name and name not in others]
    table = table.rename_columns([name if name in slices else column for column, name in names.items()])
    parquet.write_table(table, rows)
    predicted = "predicted" if metadata["task"] != "regression" and table["predicted"].null_count < len(table) else ""
    task = {} if has_baseline else {name: metadata[name] for name in ("task", "positive_class")}
    classes = () if has_baseline else tuple(metadata["classes"])
    return ColumnOptions(
        model=metadata["model"],
        score=tuple(scores),
        predicted=predicted,
        time="time",
        id="id",
        slices=tuple(slices),
        classes=classes,
        **task,
    )

"""Run the requested drills, with options named as in the command, on recorded or synthetic traffic.

Recorded traffic is read from files as by ``driftline evaluate``.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import numpy as np
from driftline.baseline.baseline import Baseline
from driftline.tables.table import I64, Items, ModelKey, concatenate, length
from driftline.tables.timestamps import instant
from driftline_processor.config.model import Model
from driftline_processor.config.schema import Config, ConfigError, load
from driftline_processor.core.nearest_names import near
from driftline_processor.core.windows.window import DAY
from driftline_processor.core.windows.window import length as window_length
from driftline_processor.evaluation.files.dataset import read_dataset
from driftline_processor.evaluation.files.inputs import EvaluationInputs
from driftline_processor.evaluation.files.reference import baseline_of
from driftline_processor.readers.column_options import ColumnOptions
from driftline_processor.readers.errors import BadInput, Say
from driftline_processor.readers.memory import Reference, Rows
from driftline_processor.readers.prediction_rows import FileRows, table_batches
from driftline_processor.store.database import StorageError
from msgspec import Struct, field
from msgspec.structs import replace

from .drill import DrillResult, Range, Settings, default_fault
from .faults import FAULTS, Fault
from .shadow import shadow_folder
from .synthetic import synthetic_traffic
from .traffic import Traffic, joined

DELAY: Final = DAY // 2
"""Assumed delay of outcomes without a time in nanoseconds: half a day."""

MOST_ROWS: Final = 2_000_000
"""Upper limit of rows per drill: they are in memory, and sent again for each fault."""


def recorded_traffic(
    data: Sequence[Rows],
    reference: Reference | None,
    outcomes: Rows | None,
    options: ColumnOptions,
    name: str,
    sends: bool,
    say: Say,
) -> Traffic:
    """Read rows of files.

    Args:
        data: The files.
        reference: Their baseline, or the rows to build it from; None = learned from the first rows.
        outcomes: A file of outcomes.
        options: Meaning of the columns.
        name: Name of the model; "" = the baseline's.
        sends: Whether the service sends the baseline; False if the configuration has it.
        say: Called with sentences on inferred or skipped data.

    Raises:
        BadInput: A file or a column is invalid, or rows have no times.
    """
    options = replace(options, model=name or options.model)
    baseline = baseline_of(data[0] if reference is None else reference, data[0], options, say)
    if reference is not None and outcomes is not None:
        options = replace(options, actual="")
    key = ModelKey(name or baseline.model, options.version or baseline.version)
    read = read_dataset(EvaluationInputs(data, outcomes=outcomes), baseline, options, say)
    if not read.roles.time:
        raise BadInput(
            f"{data[0]}: a drill replays the rows in the order of their times; set the column with --time COL"
        )
    if sum(map(len, read.rows)) > MOST_ROWS:
        raise BadInput(f"{data[0]}: a drill can use at most {MOST_ROWS:,} rows; pass fewer files")
    parts = [
        _traffic(rows, [*table_batches(rows, read.roles, key, baseline.task, baseline)], key, baseline)
        for rows in read.rows
    ]
    if len(parts) > 1 and any(part.items is not None for part in parts):
        raise BadInput("rankings in several files: a drill can use only one file of rankings; pass one file")
    traffic = joined(parts)
    traffic = replace(traffic, number=np.arange(len(traffic), dtype=np.int64))
    if not len(traffic):
        raise BadInput(f"{data[0]}: contains no row with a time; a drill has nothing to replay")
    return replace(traffic, baseline=baseline.to_json() if sends and reference is not None else "")


def _traffic(rows: FileRows, tables: Sequence[object], key: ModelKey, baseline: Baseline) -> Traffic:
    from driftline.tables.table import PredictionTable

    batches = [table for table in tables if isinstance(table, PredictionTable)]
    n = len(rows)
    time = np.zeros(n, np.int64) if rows.time is None else np.asarray(rows.time)
    usable = np.ones(n, np.bool_) if rows.usable is None else rows.usable
    names = dict.fromkeys(name for table in batches for name in table.features)
    features = {
        name: concatenate([table.features[name] for table in batches if name in table.features]) for name in names
    }
    actual = rows.actual
    if baseline.task.ranks_items:
        actual = None  # relevance labels are encoded differently, and no fault changes them
    traffic = Traffic(
        key=key,
        task=baseline.task,
        time=time,
        number=np.arange(n, dtype=np.int64),
        features={name: column for name, column in features.items() if length(column) == n},
        scores=None if rows.scores is None or rows.items is not None else np.asarray(rows.scores),
        predicted=rows.predicted,
        items=_plain(rows.items),
        actual=actual,
        outcome_time=_outcome_times(rows, time),
        duration=None if rows.duration is None else np.asarray(rows.duration),
        slices=rows.slices,
    )
    return traffic.take(usable)


def _outcome_times(rows: FileRows, time: I64) -> I64:
    """Return the time of each outcome; if missing, :data:`DELAY` after its prediction."""
    if rows.outcome_time is None:
        return time + DELAY
    return np.where(rows.outcome_time > 0, np.maximum(rows.outcome_time, time), time + DELAY)


def _plain(items: Items | None) -> Items | None:
    return None if items is None else Items(items.offsets, items.ids, items.scores)


START: Final = 20_454 * DAY
"""Begin of synthetic traffic: Thursday, 1 January 2026."""

LONGEST: Final = 400
"""Upper limit of days of synthetic traffic."""

SHARE_BEFORE: Final = 2 / 3
"""Default fraction of recorded traffic before a fault."""

NAMELESS: Final = "churn"
"""Model name if the configuration has no models."""


class DrillRequest(Struct, frozen=True):
    """The options of drills.

    Attributes:
        faults: Their names; () = all.
        model: Name of the model; "" = the only one, or all of the configuration.
        config: A ``driftline.yaml``; None = the default configuration with one channel.
        records: Files of recorded rows; () = synthetic rows.
        outcomes: A file of outcomes.
        baseline: Baseline of recorded rows, or distribution of synthetic rows.
        columns: Meaning of the columns of files.
        at: Begin of the fault: a time, or a number of days after the first row; "" = the default.
        days: Days of synthetic traffic after the fault.
        rows: Synthetic rows per day.
        settings: Settings of faults.
    """

    faults: Sequence[str] = ()
    model: str = ""
    config: Path | None = None
    records: Sequence[Path] = ()
    outcomes: Path | None = None
    baseline: Path | None = None
    columns: ColumnOptions = field(default_factory=ColumnOptions)
    at: str = ""
    days: int | None = None
    rows: int = 500
    settings: Settings = field(default_factory=Settings)


def run_drills(request: DrillRequest, say: Say) -> Iterator[DrillResult]:
    """Run the requested drills, one model after the other.

    Args:
        request: The options.
        say: Called with sentences on inferred data and on the progress.

    Raises:
        BadInput: An option, a file or the configuration is invalid.
    """
    config = _configuration(request.config)
    faults = [default_fault(name) for name in request.faults] or [*FAULTS.values()]
    names = _models(config, request)
    with _quiet_logs():
        for name in names:
            yield from _drill_model(config, name, faults, request, say)


@contextmanager
def _quiet_logs() -> Iterator[None]:
    """Log only errors within the block, because messages of a shadow would be misleading."""
    logs = [logging.getLogger(name) for name in ("driftline", "driftline_processor")]
    before = [log.level for log in logs]
    for log in logs:
        log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        for log, level in zip(logs, before, strict=True):
            log.setLevel(level)


def _drill_model(
    config: Config, name: str, faults: Sequence[Fault], request: DrillRequest, say: Say
) -> Iterator[DrillResult]:
    settings = config.models.get(name, Model())
    if request.records:
        traffic, start = _recorded(config, name, request, say)
    else:
        traffic, start = _synthetic(name, settings, request)
    try:
        with shadow_folder() as folder:
            drills = Range(config, traffic, start, folder)
            for fault in faults:
                yield drills.drill(fault, request.settings)
    except (StorageError, OSError) as error:
        raise BadInput(f"the drill needs a temporary folder: {error}") from error


def _configuration(file: Path | None) -> Config:
    if file is None:
        return Config.model_validate({"notify": "json://127.0.0.1:1/"})
    try:
        return load(file)
    except ConfigError as error:
        raise BadInput(f"--config {file}: {error}") from error


def _models(config: Config, request: DrillRequest) -> list[str]:
    """Return the models of the drills; "" is the model of the recorded rows' baseline."""
    names = [*config.models]
    if request.model:
        if names and request.model not in names and not request.records:
            raise BadInput(
                f"--model: the configuration has no model '{request.model:.80}'; {near(request.model, names)}"
            )
        return [request.model]
    if request.records:
        if len(names) > 1:
            raise BadInput(
                f"--model is missing: {request.config} contains {len(names)} models; "
                f"add the model of the rows, such as {names[0]}"
            )
        return names or [""]
    return names or [NAMELESS]


def _synthetic(name: str, settings: Model, request: DrillRequest) -> tuple[Traffic, int]:
    longest = max(map(window_length, settings.windows))
    # 7: default days of synthetic traffic after the fault
    days = max(7, 4 * -(-longest // DAY)) if request.days is None else request.days
    # 14: days of synthetic traffic before the fault: enough to learn the normal rate, and for mature outcomes
    before = max(14, 2 * -(-longest // DAY))
    if request.at:
        before = _days(request.at)
    if not 1 <= before <= LONGEST or not 1 <= days <= LONGEST:
        raise BadInput(f"--at and --days: must be 1 to {LONGEST} days each, not {before} and {days}")
    if not 1 <= request.rows <= 100_000:
        raise BadInput(f"--rows {request.rows}: must be between 1 and 100,000 rows per day")
    baseline = _baseline(name, settings, request.baseline)
    seed = request.settings.seed
    traffic = synthetic_traffic(name, settings, baseline, start=START, days=before + days, rows=request.rows, seed=seed)
    return traffic, START + before * DAY


def _days(text: str) -> int:
    try:
        return int(text.removesuffix("d"))
    except ValueError:
        raise BadInput(f"--at '{text:.40}': for synthetic traffic, use days after its start, such as 28d") from None


def _baseline(name: str, settings: Model, file: Path | None) -> Baseline | None:
    path = file or settings.baseline
    if path is None:
        return None
    try:
        return Baseline.load(path)
    except (OSError, ValueError) as error:
        raise BadInput(f"{name}: {error}") from error


def _recorded(config: Config, name: str, request: DrillRequest, say: Say) -> tuple[Traffic, int]:
    settings = config.models.get(name, Model())
    reference = request.baseline or settings.baseline
    sends = settings.baseline is None
    columns = request.columns
    traffic = recorded_traffic(
        request.records, reference, request.outcomes, options=columns, name=name, sends=sends, say=say
    )
    first, last = int(traffic.time[0]), int(traffic.time[-1])
    if not request.at:
        return traffic, (first + int((last - first) * SHARE_BEFORE)) // DAY * DAY or first
    if request.at.removesuffix("d").isdigit():
        return traffic, first + _days(request.at) * DAY
    try:
        return traffic, instant(request.at)
    except (ValueError, TypeError):
        raise BadInput(
            f"--at '{request.at:.40}' is not a time; use 2026-03-01T00:00:00Z, or days after the first row, such as 28d"
        ) from None

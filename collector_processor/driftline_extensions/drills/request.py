"""What is asked of drills, in the words of the options of the command, and their results."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from driftline.baseline.baseline import Baseline
from driftline.tables.timestamps import instant
from driftline_processor.config.model import Model
from driftline_processor.config.schema import Config, ConfigError, load
from driftline_processor.core.nearest_names import near
from driftline_processor.core.windows.window import DAY, length
from driftline_processor.readers.column_options import ColumnOptions
from driftline_processor.readers.errors import BadInput, Say
from driftline_processor.store.database import StorageError
from msgspec import Struct, field

from .drill import DrillResult, Range, Settings, default_fault
from .faults import FAULTS, Fault
from .recorded import recorded_traffic
from .shadow import shadow_folder
from .synthetic import synthetic_traffic
from .traffic import Traffic

START: Final = 20_454 * DAY
"""When synthetic traffic begins: a Thursday, the first of January 2026."""

LONGEST: Final = 400
"""Days of synthetic traffic at most."""

SHARE_BEFORE: Final = 2 / 3
"""The fraction of recorded traffic after which a fault begins, unless somebody says when."""

NAMELESS: Final = "churn"
"""The model that is drilled where no configuration names any."""


class DrillRequest(Struct, frozen=True):
    """The options of drills.

    Attributes:
        faults: Their names; () = all.
        model: Which model; "" = the only one, or all of the configuration.
        config: A ``driftline.yaml``; None = the default configuration, with somebody who is told.
        records: Files of recorded rows; () = rows are drawn.
        outcomes: A file of what happened.
        baseline: What recorded rows are compared with, or by which rows are drawn.
        columns: Which column of the files plays which part.
        at: When the fault begins: a time, or a number of days after the first row; "" = as documented.
        days: Days of synthetic traffic after the fault.
        rows: Synthetic rows a day.
        settings: How faults are injected.
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
    """Do the drills that are asked for, one model after the other.

    Args:
        request: Which.
        say: Hears what was guessed of files, and how far the work is.

    Raises:
        BadInput: An option, a file or the configuration cannot be used.
    """
    config = _configuration(request.config)
    faults = [default_fault(name) for name in request.faults] or [*FAULTS.values()]
    names = _models(config, request)
    with _quiet_logs():
        for name in names:
            yield from _drill_model(config, name, faults, request, say)


@contextmanager
def _quiet_logs() -> Iterator[None]:
    """Log errors alone until the block ends: what a shadow notes is no news of a processor."""
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
    """Return the models to drill; "" stands for that of the baseline of recorded rows."""
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
    longest = max(map(length, settings.windows))
    # 7: days of synthetic traffic after the fault, unless somebody says otherwise
    days = max(7, 4 * -(-longest // DAY)) if request.days is None else request.days
    # 14: days of synthetic traffic before the fault: enough for a pace of its own, and for outcomes to have had their
    # time
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

"""Run the requested drills, with options named as in the command.

The traffic is the model's own where there is any: recorded rows, else the rows that a running processor stores, else
synthetic ones.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from driftline.baseline.baseline import Baseline
from driftline.tables.timestamps import instant
from driftline_processor.cli.connection import Connection
from driftline_processor.config.model import Model
from driftline_processor.config.schema import Config, ConfigError, load
from driftline_processor.core.nearest_names import near
from driftline_processor.core.windows.window import DAY
from driftline_processor.core.windows.window import length as window_length
from driftline_processor.present.progress import Progress, no_progress
from driftline_processor.readers.column_options import ColumnOptions
from driftline_processor.readers.errors import BadInput, Say
from driftline_processor.replay.recorded import recorded_traffic
from driftline_processor.replay.shadow import shadow_folder
from driftline_processor.replay.traffic import Traffic
from driftline_processor.store.database import StorageError
from msgspec import Struct, field
from msgspec.structs import replace

from .drill import DrillResult, Range, Settings, default_fault
from .faults import FAULTS
from .stored import stored_traffic
from .synthetic import synthetic_traffic

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
        records: Files of recorded rows.
        server: A running processor; without a URL = that of the configuration.
        simulated: Whether the rows are synthetic, even if there are others.
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
    server: Connection = Connection()
    simulated: bool = False
    outcomes: Path | None = None
    baseline: Path | None = None
    columns: ColumnOptions = field(default_factory=ColumnOptions)
    at: str = ""
    days: int | None = None
    rows: int = 500
    settings: Settings = field(default_factory=Settings)


def run_drills(request: DrillRequest, say: Say, progress: Progress = no_progress) -> Iterator[DrillResult]:
    """Run the requested drills, one model after the other.

    Args:
        request: The options.
        say: Called with sentences on inferred data.
        progress: Called with the processed hours of each model.

    Raises:
        BadInput: An option, a file or the configuration is invalid.
    """
    config = _configuration(request.config)
    faults = [default_fault(name) for name in request.faults] or [*FAULTS.values()]
    names = _models(config, request)
    for name in names:
        traffic, start, source = _traffic(config, name, request, say)
        try:
            with shadow_folder() as folder:
                drills = Range(config, traffic, start, folder, source, progress, len(faults))
                for fault in faults:
                    yield drills.drill(fault, request.settings)
        except (StorageError, OSError) as error:
            raise BadInput(f"the drill needs a temporary folder: {error}") from error


def _traffic(config: Config, name: str, request: DrillRequest, say: Say) -> tuple[Traffic, int, str]:
    """Return the traffic of a model, the begin of the fault, and the origin of the traffic in words."""
    settings = config.models.get(name, Model())
    if request.records:
        columns = replace(request.columns, model=name or request.columns.model)
        traffic = recorded_traffic(request.records, request.baseline, request.outcomes, columns, settings, say)
        return traffic, _start(traffic, request), f"{len(traffic):,} recorded rows"
    reason = "--simulated"
    if not request.simulated:
        try:
            scheme = "http" if config.web.tls is None else "https"
            url = request.server.url or f"{scheme}://{config.web.endpoint}"
            traffic, source = stored_traffic(replace(request.server, url=url), name, settings, say)
            return traffic, _start(traffic, request), source
        except BadInput as error:
            if request.server.url:
                raise
            reason = str(error)
    traffic, start = _synthetic(name, settings, request)
    return traffic, start, f"{len(traffic):,} simulated rows ({reason})"


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


def _start(traffic: Traffic, request: DrillRequest) -> int:
    """Return the begin of the fault in recorded traffic."""
    first, last = int(traffic.time[0]), int(traffic.time[-1])
    if not request.at:
        return (first + int((last - first) * SHARE_BEFORE)) // DAY * DAY or first
    if request.at.removesuffix("d").isdigit():
        return first + _days(request.at) * DAY
    try:
        return instant(request.at)
    except (ValueError, TypeError):
        raise BadInput(
            f"--at '{request.at:.40}' is not a time; use 2026-03-01T00:00:00Z, or days after the first row, such as 28d"
        ) from None

"""Which tool wrote a file, and the file converted."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec
from driftline_processor.present.numbers import many
from driftline_processor.readers.errors import BadInput

from driftline_extensions.expectation_suites.suite import ImportedSuite, SkippedCheck, to_yaml

from .column_summary import TableSummary
from .evidently import read_report
from .sagemaker import read_constraints, read_statistics
from .summary_baseline import baseline_of
from .whylogs_profile import MAGIC, read_profile

_NANNYML = (
    "NannyML has no file of a reference or of thresholds: its Store contains pickled Python objects, which are not "
    "read; use the rows instead: driftline evaluate ANALYSIS --baseline REFERENCE"
)
_PARTS = {
    "evidently": ("a report of Evidently 0.7", ("metrics",)),
    "sagemaker": ("statistics.json or constraints.json of SageMaker", ("features",)),
}


class Converted(NamedTuple):
    """The text of the new file, what it contains, and what was left out."""

    text: str
    what: str
    left_out: Sequence[SkippedCheck]


def convert(file: Path, tool: str | None, model: str, version: str) -> Converted:
    """Convert a file. Raises :class:`BadInput` if it cannot be read."""
    if tool == "nannyml":
        raise BadInput(f"{file}: {_NANNYML}")
    try:
        data = file.read_bytes()
    except OSError as error:
        raise BadInput(f"{file}: cannot be read: {error.strerror}") from error
    try:
        return _convert(data, tool, file.name, model, version)
    except (ValueError, RecursionError) as error:  # a msgspec.DecodeError is a ValueError
        raise BadInput(f"{file}: {str(error)[:300]}") from error


def _convert(data: bytes, tool: str | None, source: str, model: str, version: str) -> Converted:
    if tool == "whylogs" or (tool is None and data.startswith(MAGIC)):
        return _baseline(read_profile(data), model, version)
    try:
        document = msgspec.json.decode(data)
    except msgspec.DecodeError:
        raise ValueError("is neither JSON nor a profile of whylogs 1.x") from None
    keys = set(document) if isinstance(document, dict) else set()
    for name, (what, needed) in _PARTS.items():
        if tool == name and not keys >= {*needed}:
            raise ValueError(f"is not {what}: the key '{needed[0]}' is missing")
    if "metrics" in keys and tool in (None, "evidently"):
        return _configuration(read_report(data), model, source)
    if {"dataset", "features"} <= keys:
        return _baseline(read_statistics(data), model, version)
    if "features" in keys:
        return _configuration(read_constraints(data), model, source)
    raise ValueError("is not a file of Evidently, whylogs or SageMaker that can be imported")


def _configuration(suite: ImportedSuite, model: str, source: str) -> Converted:
    if not suite.check_count and not suite.methods and not suite.left_out:
        raise ValueError("has no drift threshold and no test, so there is nothing to import")
    return Converted(to_yaml(suite, model, source), f"{many(suite.check_count, 'check')} read", suite.left_out)


def _baseline(summary: TableSummary, model: str, version: str) -> Converted:
    if not summary.columns or summary.rows < 1:
        raise ValueError("has no column with a distribution")
    baseline = baseline_of(summary, model, version)
    what = f"a baseline of {many(len(summary.columns), 'feature')} and {many(summary.rows, 'row')}"
    return Converted(baseline.to_json(), what, summary.left_out)

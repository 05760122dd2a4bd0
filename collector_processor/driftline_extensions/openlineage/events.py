"""Evaluations as OpenLineage run events with the facets of data quality.

A window is a run of the job that evaluates a model; the rows are its input dataset. ``dataQualityMetrics`` has
the number of values per feature, ``dataQualityAssertions`` the expectations and the checks of
:mod:`~driftline_processor.core.quality`.

Source: OpenLineage 2-0-2, https://openlineage.io/spec/2-0-2/OpenLineage.json, and the facets named below.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any, NamedTuple

from driftline.capture.model_identity import VERSION
from driftline_processor.core.evaluation import ColumnDrift, Evaluation, Expected, Finding
from driftline_processor.core.quality.judge import CHECKS
from driftline_processor.present.sentences.expectations import expectation_sentence
from driftline_processor.present.sentences.findings import finding_sentence
from driftline_processor.present.wording import iso_time

_SPEC = "https://openlineage.io/spec"
EVENT = f"{_SPEC}/2-0-2/OpenLineage.json#/$defs/RunEvent"
METRICS = f"{_SPEC}/facets/1-0-3/DataQualityMetricsInputDatasetFacet.json#/$defs/DataQualityMetricsInputDatasetFacet"
ASSERTIONS = f"{_SPEC}/facets/1-1-0/DataQualityAssertionsDatasetFacet.json#/$defs/DataQualityAssertionsDatasetFacet"
NOMINAL = f"{_SPEC}/facets/1-0-1/NominalTimeRunFacet.json#/$defs/NominalTimeRunFacet"

PRODUCER = f"https://driftline.invalid/{VERSION}"
NAMESPACE = "driftline"
"""Namespace of the job, and of rows without a file."""

Json = dict[str, Any]


class Dataset(NamedTuple):
    """The name of a dataset by OpenLineage's rules: ``file`` and a path, or Driftline's namespace and a name."""

    namespace: str
    name: str


def dataset_of(evaluation: Evaluation) -> Dataset:
    """Return the dataset of a running model: its name, version and environment."""
    key = evaluation.key
    return Dataset(NAMESPACE, "/".join(part for part in (key.model, key.version, key.environment) if part))


def run_event(evaluation: Evaluation, now: int, datasets: Sequence[Dataset] = ()) -> Json:
    """Return one window as a run event of type COMPLETE.

    ``now``: time of the evaluation, unix nanoseconds. ``datasets``: the rows; by default the model's own dataset.
    The run's id depends on model, window and rows, so a repeated window is the same run.
    """
    key, window = evaluation.key, evaluation.window
    place = (key.model, key.version, key.environment, window.name, str(window.start), str(window.end))
    identity = "\0".join((*place, *(dataset.name for dataset in datasets)))
    facets: Json = {"dataQualityMetrics": _metrics(evaluation), "dataQualityAssertions": _assertions(evaluation)}
    timed = window.end > 0
    return {
        "eventType": "COMPLETE",
        "eventTime": iso_time(now),
        "run": {
            "runId": _uuid(identity),
            "facets": {"nominalTime": _facet(NOMINAL, **_nominal(window.start, window.end))} if timed else {},
        },
        "job": {"namespace": NAMESPACE, "name": f"evaluate.{key.model or 'model'}"},
        "inputs": [
            {"namespace": dataset.namespace, "name": dataset.name, "inputFacets": facets}
            for dataset in datasets or (dataset_of(evaluation),)
        ],
        "outputs": [],
        "producer": PRODUCER,
        "schemaURL": EVENT,
    }


def run_events(evaluations: Sequence[Evaluation], now: int, files: Sequence[Path] = ()) -> list[Json]:
    """Return an event for each window with the files as its input datasets."""
    datasets = [Dataset("file", str(path.resolve())) for path in files]
    return [run_event(evaluation, now, datasets) for evaluation in evaluations]


def _uuid(text: str) -> str:
    """Return a deterministic UUID of a text: version 8, RFC 9562, section 5.8.

    >>> _uuid("a")
    '27c35e6e-9373-877f-a9e5-62464e46497e'
    """
    digest = blake2b(text.encode(), digest_size=16).hexdigest()
    return f"{digest[:8]}-{digest[8:12]}-8{digest[13:16]}-a{digest[17:20]}-{digest[20:]}"


def _facet(schema: str, **fields: Any) -> Json:
    return {"_producer": PRODUCER, "_schemaURL": schema, **fields}


def _nominal(start: int, end: int) -> Json:
    return {"nominalStartTime": iso_time(start), "nominalEndTime": iso_time(end)}


def _metrics(evaluation: Evaluation) -> Json:
    columns = {name: _column(column, evaluation.rows) for name, column in evaluation.features.items()}
    return _facet(METRICS, rowCount=evaluation.rows, columnMetrics=columns)


def _column(column: ColumnDrift, rows: int) -> Json:
    """Return the number of valid values, and of rows without one: missing, or of another type."""
    return {"count": column.rows, "nullCount": max(0, rows - column.rows)}


def _assertions(evaluation: Evaluation) -> Json:
    """Return the expectations that are met or broken, and each check with its findings."""
    assertions = [_expected(expected) for expected in evaluation.expected if expected.state != "inconclusive"]
    findings_by_column: dict[str, list[Json]] = {}
    for finding in evaluation.findings:
        findings_by_column.setdefault(finding.check, []).extend(_finding(finding))
    if evaluation.features:  # without a baseline there are no checks
        for name, check in CHECKS.items():
            assertion = {"assertion": name, "success": name not in findings_by_column, "name": f"driftline.{name}"}
            assertions += [
                {**assertion, "description": check.title, "severity": "warn"},
                *findings_by_column.get(name, ()),
            ]
    return _facet(ASSERTIONS, assertions=assertions)


def _expected(expected: Expected) -> Json:
    document: Json = {
        "assertion": expected.rule.partition(":")[0],
        "success": expected.state == "met",
        "name": expected.rule,
        "description": expectation_sentence(expected),
        "severity": "error",
        "expected": expected.rule.partition(": ")[2],
    }
    if expected.low is not None:
        document["actual"] = (
            f"{expected.low:.10g}" if expected.low == expected.high else f"{expected.low} to {expected.high}"
        )
    return document | ({"column": expected.feature} if expected.feature else {})


def _finding(finding: Finding) -> list[Json]:
    document: Json = {
        "assertion": finding.check,
        "success": False,
        "name": f"driftline.{finding.check}",
        "description": finding_sentence(finding),
        "severity": "warn" if finding.severity == "minor" else "error",
    }
    if finding.was is not None and finding.now is not None:
        document |= {"expected": f"{finding.was:.10g}", "actual": f"{finding.now:.10g}"}
    return [document | {"column": feature} for feature in finding.features]

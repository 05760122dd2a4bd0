"""What is exported to OpenLineage keeps its published schemas, and says what the evaluation says."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import pytest
from driftline.tables.table import ModelKey
from driftline_extensions.openlineage.events import ASSERTIONS, EVENT, METRICS, NOMINAL, Dataset, run_event
from driftline_processor.core import facts
from driftline_processor.core.evaluation import ColumnDrift, Evaluation, Expected, Finding
from driftline_processor.core.quality.judge import CHECKS
from driftline_processor.core.windows.window import Window
from jsonschema import Draft202012Validator, FormatChecker, ValidationError
from referencing import Registry, Resource

from tests.support.paths import GOLDEN_FILES

GOLDEN = GOLDEN_FILES / "openlineage"
MISSING = facts.FractionOfValues(rule="missing", low=0.1, high=0.1)
UNKNOWN = facts.MeasurementUnknown(reason="no_value")
DAY = 86_400 * 10**9
NOW = 20_000 * DAY


@cache
def registry() -> Registry[Any]:
    read = [json.loads(path.read_text()) for path in GOLDEN.glob("*.json")]
    known = [(schema["$id"], Resource.from_contents(schema)) for schema in read]
    return Registry().with_resources(known)


def validate(value: object, schema: str) -> None:
    validator = Draft202012Validator({"$ref": schema}, registry=registry(), format_checker=FormatChecker())
    validator.validate(value)


def evaluation(**changes: Any) -> Evaluation:
    known: dict[str, Any] = {
        "features": {
            "age": ColumnDrift("feature", "age", "ok", "ks", 900, {}),
            "plan": ColumnDrift("feature", "plan", "drift", "chi2", 1_000, {}),
        },
        "findings": (
            Finding("missing", ("age",), "major", 0.02, 0.1, 1e-9),
            Finding("swapped", ("a", "b"), "critical", 0.0, 1.0, 0.0),
            Finding("stale", ("plan",), "minor", None, None, 1e-5),
        ),
        "expected": (
            Expected(
                "age",
                "missing: < 5%",
                "broken",
                0.1,
                0.1,
                1_000,
                MISSING,
            ),
            Expected("", "rows: >= 100", "met", 1_000.0, 1_000.0, 1_000, facts.RowsInWindow(rows=1_000)),
            Expected("age", "unique: true", "inconclusive", None, None, 0, UNKNOWN),
        ),
        "window": Window("1d", NOW - DAY, NOW),
    }
    return Evaluation(ModelKey("churn", "7", "prod"), rows=1_000, closed=True, **{**known, **changes})


def test_an_event_keeps_the_published_schemas() -> None:
    event = run_event(evaluation(), NOW)
    validate(event, EVENT)
    [dataset] = event["inputs"]
    facets = dataset["inputFacets"]
    for facet, schema in (
        (facets["dataQualityMetrics"], METRICS),
        (facets["dataQualityAssertions"], ASSERTIONS),
        (event["run"]["facets"]["nominalTime"], NOMINAL),
    ):
        assert facet["_schemaURL"] == schema
        validate(facet, schema)


def test_the_schemas_refuse_what_they_should() -> None:
    event = run_event(evaluation(), NOW)
    del event["run"]["runId"]
    with pytest.raises(ValidationError):
        validate(event, EVENT)
    facet = run_event(evaluation(), NOW)["inputs"][0]["inputFacets"]["dataQualityAssertions"]
    facet["assertions"][0]["success"] = "yes"
    with pytest.raises(ValidationError):
        validate(facet, ASSERTIONS)


def test_an_event_says_what_the_evaluation_says() -> None:
    event = run_event(evaluation(), NOW)
    assert (event["eventType"], event["job"]) == ("COMPLETE", {"namespace": "driftline", "name": "evaluate.churn"})
    assert event["inputs"][0]["name"] == "churn/7/prod"
    assert event["run"]["facets"]["nominalTime"]["nominalStartTime"] == "2024-10-03T00:00:00Z"
    facets = event["inputs"][0]["inputFacets"]
    assert facets["dataQualityMetrics"]["rowCount"] == 1_000
    assert facets["dataQualityMetrics"]["columnMetrics"] == {
        "age": {"count": 900, "nullCount": 100},
        "plan": {"count": 1_000, "nullCount": 0},
    }
    told = facets["dataQualityAssertions"]["assertions"]
    assert told[0] == {
        "assertion": "missing",
        "success": False,
        "name": "missing: < 5%",
        "description": "age: 10 % of values are missing",
        "severity": "error",
        "expected": "< 5%",
        "actual": "0.1",
        "column": "age",
    }
    assert (told[1]["assertion"], told[1]["success"]) == ("rows", True)
    checks = [one for one in told[2:] if "column" not in one]
    assert {one["assertion"]: one["success"] for one in checks} == {
        name: name not in ("missing", "swapped", "stale") for name in CHECKS
    }
    found = [(one["assertion"], one["column"], one["severity"]) for one in told[2:] if "column" in one]
    assert sorted(found) == [
        ("missing", "age", "error"),
        ("stale", "plan", "warn"),
        ("swapped", "a", "error"),
        ("swapped", "b", "error"),
    ]


def test_without_a_baseline_or_times_nothing_is_made_up() -> None:
    event = run_event(evaluation(features={}, findings=(), expected=(), window=Window("", 0, 0)), NOW)
    validate(event, EVENT)
    assert event["run"]["facets"] == {}
    assert event["inputs"][0]["inputFacets"]["dataQualityAssertions"]["assertions"] == []


def test_the_same_window_is_the_same_run_and_another_is_another() -> None:
    one, again = (run_event(evaluation(), now)["run"]["runId"] for now in (NOW, NOW + 1))
    assert one == again
    assert run_event(evaluation(window=Window("1d", NOW, NOW + DAY)), NOW)["run"]["runId"] != one


def test_files_are_datasets_of_their_own() -> None:
    event = run_event(evaluation(), NOW, [Dataset("file", "/data/a.parquet"), Dataset("file", "/data/b.parquet")])
    validate(event, EVENT)
    assert [one["name"] for one in event["inputs"]] == ["/data/a.parquet", "/data/b.parquet"]

"""`--fail-on`: exit code 3 when true in any window, silence never hides an unknown value."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from driftline_processor.cli.fail_on import check, parse
from driftline_processor.readers.errors import BadInput

from tests.support.churn_files import Run
from tests.support.facts import lacking

NO_VALUE = "is not a value of a column; available: rows, effect, missing.was, missing.now and methods.METHOD.value"
OF_SLICE = "slices.KEY=VALUE.METRIC, slices.KEY=VALUE.rows or slices.KEY=VALUE.coverage"
FORM = (
    "use PATH OP VALUE, as in 'drift.fraction > 0.3', 'any feature.psi > 0.25' or 'verdict.state == degraded'; "
    "OP is >, >=, <, <=, ==, !="
)
STATES = "healthy, degraded, at_risk, unknown, no_data, lagging"
KINDS = "data_fault, output_fault, covariate_shift, label_shift, concept_change, calibration, service"
COMPARE = "compare a number, such as methods.psi.value or drift.fraction"

WINDOW: dict[str, Any] = {
    "start": "2026-02-02T00:00:00Z",
    "rows": 100,
    "closed": True,
    "drift": {
        "fraction": 0.25,
        "features": {
            "temp.max": {
                "rows": 90,
                "effect": 0.2,
                "size": "small",
                "missing": {"was": 0.0, "now": 0.1},
                "methods": {"psi": {"value": 0.2, "p_value": None}},
            }
        },
        "score": None,
        "incident": {"feature:temp.max": "2026-02-01T00:00:00Z"},
    },
    "performance": {
        "realized": {"roc_auc": {"value": 0.7}},
        "estimated": {},
        "slices": {"country=N.L": {"rows": 9, "metrics": {"recall": {"value": 0.7, "low": 0.5}}}},
    },
    "outcomes": {"rows": 80, "coverage": 0.8},
    "service": {
        "calls": 100,
        "failed": 2,
        "values": {
            "latency_p99": {"value": 0.25, "low": 0.2, "high": None, "too_few_rows": 98},
            "error_rate": {"value": 0.02, "low": 0.0, "high": 0.07, "rows": 100},
        },
    },
}


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("drift.fraction > 0.25", False),
        ("drift.fraction >= 0.25", True),
        ("drift.fraction<.3", True),
        ("rows == 100", True),
        ("rows != 1e2", False),
        ("outcomes.coverage <= 0.8", True),
        ("drift.features.temp.max.rows < 91", True),
        ("drift.features.temp.max.methods.psi.value > 0.1", True),
        ("drift.features.temp.max.methods.psi.p_value > 0.1", None),
        ("drift.score.methods.ks.value > 0.1", None),
        ("drift.features.temp.max.effect >= 0.2", True),
        ("drift.features.temp.max.missing.now > 0.1", False),
        ("drift.features.temp.max.missing.was < 0.1", True),
        ("drift.features.temp.effect > 0", None),
        ("drift.score.effect > 0.1", None),
        ("drift.incident > 0", True),
        ("drift.incident > 1", False),
        ("performance.realized.roc_auc.value < 0.71", True),
        ("performance.realized.accuracy.value < 0.71", None),
        ("performance.estimated.roc_auc.value < 0.71", None),
        ("performance.realized.roc_auc.low < 0.71", None),
        ("slices.country=N.L.recall < 0.71", True),
        ("slices.country=N.L.rows > 9", False),
        ("slices.country=BE.recall < 0.71", None),
        ("performance.slices.country=N.L.metrics.recall.low < 0.5", False),
        ("performance.slices.country=N.L.fbeta@0.5.value < 0.5", None),
        ("service.latency_p99 > 240ms", True),
        ("service.latency_p99 > 0.26 s", False),
        ("service.values.latency_p99.low >= 200ms", True),
        ("service.latency_p99.high > 1s", None),
        ("service.latency_p50 > 1us", None),
        ("service.error_rate > 1 %", True),
        ("service.error_rate > 0.02", False),
        ("service.error_rate.rows < 101", True),
        ("service.failed >= 2", True),
        ("service.calls < 100", False),
    ],
)
def test_a_condition_reads_the_json(text: str, holds: bool | None) -> None:
    assert parse(text, ["temp.max", "temp"], "binary", slices=["country"]).holds(WINDOW) is holds


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("drift.fraction", FORM),
        ("> 3", FORM),
        ("drift.fraction => 0.3", FORM),
        ("drift.fraction = 0.3", FORM),
        ("drift.fraction > x", "'x' is not a number"),
        ("drift.features.tmp.rows > 1", "no feature 'tmp'; did you mean 'temp'?"),
        ("drift.score.state == 1", "'state' is text; compare a number, such as methods.psi.value or drift.fraction"),
        ("drift.features.temp.size > 1", "'size' is text; " + COMPARE),
        ("drift.features.temp.methods.kss.value > 1", "no method 'kss'; did you mean 'ks'?"),
        ("concept.state > 1", "concept has no numeric value 'state'; available: rise, before, after, outcomes"),
        ("drift.features.temp > 1", "'temp' " + NO_VALUE),
        ("drift.score.temp.rows > 1", "'temp.rows' " + NO_VALUE),
        ("performance.realized.auc.value > 1", "'auc' is not a metric of a binary model; did you mean 'roc_auc'?"),
        ("performance.realized.roc_auc.mean > 1", "no 'mean' in a metric; available: value, low, high, rows"),
        ("slices.country=NL.recall < 1", "there are no slices by 'country'; add --slices country"),
        ("slices.country < 1", "'slices.country' is not a value of a slice; use " + OF_SLICE),
        ("verdict.state == bad", "'bad' is not a state of a verdict; available: " + STATES),
        ("verdict.kind != bad", "'bad' is not a kind of a verdict; available: " + KINDS),
        ("verdict.state > wrong", "verdict.state is text; compare it with == or !="),
        ("verdict.effect > 1", "the verdict has no text value 'effect'; available: verdict.state, verdict.kind"),
        ("service.latency_p99 > 100", "latency_p99: '100' has no unit; use '100ms' or '100s'"),
        ("service.error_rate > 2 ms", "error_rate: '2 ms' is not a fraction; use '2 %'"),
        ("service.availability < 0.99", "availability is 1 - error_rate; use service.error_rate"),
        ("service.latency_p98 > 1s", "no 'latency_p98' of calls; did you mean 'latency_p99' or 'latency_p95' or"
         " 'latency_p50'?"),
        ("service.error_rate.mean > 1 %", "no 'mean' in error_rate; available: value, low, high, rows"),
        ("service > 3", "'service' is not a number; available: latency_p50, latency_p95, latency_p99, error_rate, "
            "calls,"
         " failed"),
        ("drift.fraction > 3 %", "'3 %' is not a number"),
        ("verdict == wrong", "the verdict has no text value ''; available: verdict.state, verdict.kind"),
    ],
)  # fmt: skip
def test_a_path_that_cannot_exist_is_bad_input(text: str, why: str) -> None:
    with pytest.raises(BadInput) as refused:
        parse(text, ["temp"], "binary")
    assert str(refused.value) == f"--fail-on {text!r}: {why}"


def test_a_value_of_calls_is_said_with_its_unit() -> None:
    said: list[str] = []
    assert check([parse("service.latency_p99 > 0.1s", (), "")], {"windows": [WINDOW]}, said.append)
    assert len(said) == 1
    assert lacking(said[0], "--fail-on", "'service.latency_p99 > 0.1s'", "1 of 1 window", "250 ms") == []


def test_only_closed_windows_fire_and_the_unknown_is_named() -> None:
    conditions = [parse("drift.fraction > 0.2", (), ""), parse("drift.score.methods.ks.value > 0", (), "")]
    later = {**WINDOW, "start": "2026-02-03T00:00:00Z", "drift": {"fraction": 0.1}}
    still_open = {**WINDOW, "closed": False}
    said: list[str] = []
    assert check(conditions, {"windows": [later, WINDOW, still_open]}, said.append)
    assert len(said) == 2
    assert (
        lacking(said[0], "--fail-on", "'drift.fraction > 0.2'", "1 of 2 windows", "2026-02-02T00:00:00Z", "0.25") == []
    )
    assert lacking(said[1], "--fail-on", "'drift.score.methods.ks.value > 0'", "unknown", "2 of 2 windows") == []
    said.clear()
    assert not check(conditions[:1], {"windows": [later, still_open]}, said.append)
    assert said == []


@pytest.mark.parametrize(
    ("concept", "crossed", "said"),
    [
        ({"state": "drift", "rise": 0.1}, True, "true for all rows, where the value is 0.1"),
        ({"state": "ok", "rise": 0.0}, False, None),
        ({"state": "unknown", "rise": None, "reason": "no_outcomes"}, False, "(no outcomes)"),
        (None, False, "the value is unknown, so the condition never fires"),
    ],
)
def test_concept_drift_is_named_by_the_rise_of_errors(concept: Any, crossed: bool, said: str | None) -> None:
    heard: list[str] = []
    condition = parse("concept.rise > 0", [], "binary")
    assert check([condition], {"concept": concept, "windows": [WINDOW]}, heard.append) is crossed
    assert [said in one for one in heard if said is not None] == ([] if said is None else [True])


@pytest.mark.parametrize(
    ("text", "crossed"),
    [
        ("verdict.state == degraded", True),
        ("verdict.state != healthy", True),
        ("verdict.state == healthy", False),
        ("verdict.kind == data_fault", False),
    ],
)
def test_a_word_of_the_verdict_is_compared(text: str, crossed: bool) -> None:
    said: list[str] = []
    answer = {"verdict": {"state": "degraded", "kind": None}, "windows": [WINDOW]}
    assert check([parse(text, [], "binary")], answer, said.append) is crossed
    assert said == ([f"--fail-on {text!r}: true for all rows, where the value is degraded"] if crossed else said)
    assert not check([parse(text, [], "binary")], {"verdict": None, "windows": []}, said.append)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("conditions", "code"),
    [
        (["drift.fraction > 0.3"], 3),
        (["drift.fraction > 0.9"], 0),
        (["drift.fraction > 0.9", "drift.features.region.methods.psi.value > 0.25"], 3),
        (["performance.realized.roc_auc.value < 2"], 0),
        (["drift.features.nosuch.rows > 0"], 2),
    ],
)
def test_the_exit_code(run: Run, files: Path, conditions: list[str], code: int) -> None:
    options = [part for condition in conditions for part in ("--fail-on", condition)]
    result = run(
        "evaluate", files / "week.parquet", "--baseline", files / "reference.parquet", "--task", "binary", *options
    )
    assert result.exit_code == code
    assert bool(result.stdout) is (code != 2)


@pytest.mark.slow
def test_without_outcomes_a_performance_condition_says_that_it_cannot_tell(run: Run, files: Path) -> None:
    result = run(
        "evaluate", files / "week.parquet", "--baseline", files / "reference.parquet", "--task", "binary",
        "--fail-on", "performance.realized.roc_auc.value < 0.9",
    )  # fmt: skip
    assert result.exit_code == 0
    assert result.stderr.endswith(
        "driftline: --fail-on 'performance.realized.roc_auc.value < 0.9': "
        "the value is unknown in 1 of 1 window, where the condition never fires\n"
    )


def test_estimates_have_a_short_path_and_metrics_of_their_own() -> None:
    window = {"performance": {"estimated": {"roc_auc": {"value": 0.7, "alert": True}}}}
    assert parse("estimated.roc_auc < 0.8", (), "binary").holds(window)
    assert parse("estimated.roc_auc.value < 0.6", (), "binary").holds(window) is False
    assert parse("performance.estimated.roc_auc.alert > 0", (), "binary").holds(window)
    assert parse("estimated.mae > 3", (), "regression").holds(window) is None
    with pytest.raises(BadInput, match="no estimated metric 'auc'"):
        parse("estimated.auc < 0.8", (), "binary")
    with pytest.raises(BadInput, match="no 'record' in an estimate"):
        parse("estimated.roc_auc.record > 0", (), "binary")


OF_FEATURES: dict[str, Any] = {
    "start": None,
    "closed": True,
    "drift": {
        "features": {
            "age": {"state": "drift", "effect": 0.3, "methods": {"psi": {"value": 0.31}, "ks": {"value": 0.3}}},
            "income": {"state": "drift", "effect": 0.4, "methods": {"psi": {"value": 0.4}, "ks": {"value": 0.4}}},
            "plan": {"state": "ok", "effect": 0.0, "methods": {"psi": {"value": 0.01}, "chi2": {"value": 3.0}}},
            "order": {"state": "inconclusive", "effect": None, "methods": {"psi": {"value": None}}},
        }
    },
}
BLIND = "the value of order is unknown in 1 of 1 window, where the condition never fires"


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("any feature.psi > 0.25", ["true in 1 of 1 window, where the value is 0.4 (income), 0.31 (age)", BLIND]),
        (
            "drift.features.*.methods.psi.value > 0.35",
            ["true in 1 of 1 window, where the value is 0.4 (income)", BLIND],
        ),
        ("any feature.effect > 1", [BLIND]),
        ("any feature.ks > 1", [BLIND]),
    ],
)
def test_any_feature_may_fire_and_a_blind_one_is_named(path: str, said: list[str]) -> None:
    condition = parse(path, list(OF_FEATURES["drift"]["features"]), "")
    told: list[str] = []
    assert check([condition], {"windows": [OF_FEATURES]}, told.append) is (len(said) > 1)
    assert told == [f"--fail-on '{path}': {one}" for one in said]


def test_any_feature_asks_for_a_method_that_is_computed() -> None:
    with pytest.raises(BadInput, match="no method 'psy'; did you mean 'psi'"):
        parse("any feature.psy > 0.25", ["age"], "")
    assert parse("drift.features.*.rows > 1", ["*"], "").values({"drift": {"features": {"*": {"rows": 7}}}}) == {"": 7}


def test_any_feature_ends_a_pipeline(run: Run, files: Path) -> None:
    command = ("evaluate", files / "week.parquet", "--baseline", files / "reference.parquet", "--fail-on")
    result = run(*command, "any feature.psi > 0.25")
    assert (result.exit_code, "where the value is 0.506 (region)" in result.stderr) == (3, True)
    assert run(*command, "any feature.psi > 0.9").exit_code == 0


@pytest.mark.parametrize("text", ["any feature drifts", "any feature psi > 0.25", "any feature > 0.25", "drfit > 1"])
def test_who_writes_a_condition_wrongly_is_told_of_any_feature(text: str) -> None:
    with pytest.raises(BadInput, match=r"any feature\.psi"):
        parse(text, ["a"], "")

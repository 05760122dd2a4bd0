"""The alerts for Prometheus ask for series that there are, fire when they should, and say what to do."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from driftline.semconv import attributes, metrics
from driftline_processor.alert_rules.files import rules_of_any_model

from tests.support.paths import ROOT
from tests.support.promtool import PROMTOOLS, Fires, check_firing, selector

RULES = ROOT / "otel-config/driftline.rules.yml"
SERIES = {*(instrument.prometheus for instrument in metrics.INSTRUMENTS.values()), "up"}
LABELS = {str(value).replace(".", "_") for name, value in vars(attributes).items() if name.isupper()}
OF_PROMETHEUS = {"job", "instance"}


def rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
def test_an_alert_asks_for_what_there_is(rule: dict[str, Any]) -> None:
    text = " ".join((rule["expr"], *rule["annotations"].values()))
    assert set(re.findall(r"\b(?:ml|driftline)_\w+(?=\{)", text)) <= SERIES
    assert set(re.findall(r"(?<![\w{,=$.])(?:ml|driftline)_\w+|\bup\b", rule["expr"])) <= SERIES
    assert set(re.findall(r"(?:\$labels\.|[{,])([a-z_]+)(?:=|\b)", text)) <= LABELS | OF_PROMETHEUS


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
def test_an_alert_says_how_bad_it_is_and_what_to_do(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in ("page", "ticket")
    assert re.fullmatch(r"\d+[mhd]", rule["for"])
    said = rule["annotations"]
    assert said.keys() == {"summary", "description", "runbook"}
    page, _, section = said["runbook"].partition("#")
    assert section == rule["alert"].lower()
    assert f"\n## {rule['alert']}\n" in (ROOT / page).read_text(encoding="utf-8")


def test_prometheus_is_told_of_them() -> None:
    said = yaml.safe_load((ROOT / "otel-config/prometheus.yml").read_text(encoding="utf-8"))
    assert said["rule_files"] == [RULES.name]


CHURN = {"ml_model_name": "churn", "ml_model_version": "7", "deployment_environment_name": "prod"}
WINDOW = {"ml_model_name": "churn", "ml_model_version": "7", "driftline_window": "1d"}
TO_JAEGER = {"instance": "a:8780", "driftline_destination": "jaeger", "driftline_signal": "traces"}
HOSTILE = 'ch"urn\\<b>{{ 1 }}'


def of_state(state: str, alert: str, quiet: str, fires: str, summary: str, step: str = "1m") -> Fires:
    """Return the case of a state of a model, which another state precedes."""
    before = selector("driftline_model_status", {**CHURN, "driftline_state": "healthy"})
    now = selector("driftline_model_status", {**CHURN, "driftline_state": state})
    series = {before: "1 1 1 1 1 stale", now: "_ _ _ _ _ 1x999"}
    return Fires(alert, series, quiet, fires, {**CHURN, "driftline_state": state}, summary, step=step)


CASES = (
    of_state("degraded", "ModelWrong", "6m", "7m", "churn 7 in prod: the model is degraded"),
    of_state("no_data", "ModelSilent", "6m", "7m", "churn 7 in prod: the predictions have stopped"),
    of_state(
        "at_risk", "ModelAtRisk", "34m", "35m", "churn 7 in prod: the model is at risk, outcomes are not known yet"
    ),
    of_state("lagging", "ModelBehind", "19m", "20m", "churn 7 in prod: its windows are waiting to be evaluated"),
    of_state(
        "unknown",
        "ModelUnknown",
        "7d4h",
        "7d5h",
        "churn 7 in prod: for a week, it has been unknown whether the model is healthy",
        step="1h",
    ),
    Fires(
        "ModelWrong",
        {selector("driftline_model_status", {"ml_model_name": HOSTILE, "driftline_state": "degraded"}): "1x20"},
        "1m",
        "2m",
        {"ml_model_name": HOSTILE, "driftline_state": "degraded"},
        f"{HOSTILE}: the model is degraded",
    ),
    Fires(
        "ConceptChanged",
        {
            selector(
                "driftline_drift_status", {**CHURN, "driftline_drift_column": "concept", "driftline_state": "drift"}
            ): "1x20",
            selector(
                "driftline_drift_status",
                {
                    **CHURN,
                    "driftline_drift_column": "concept",
                    "driftline_drift_slice": "a=b",
                    "driftline_state": "drift",
                },
            ): "1x20",
            selector(
                "driftline_drift_status", {**CHURN, "driftline_drift_column": "score", "driftline_state": "drift"}
            ): "1x20",
        },
        "4m",
        "5m",
        {**CHURN, "driftline_drift_column": "concept", "driftline_state": "drift"},
        "churn 7 in prod: its errors have increased",
    ),
    Fires(
        "ObjectiveBroken",
        {
            selector(
                "driftline_objective_status",
                {**WINDOW, "driftline_objective_rule": "recall >= 0.8", "driftline_state": "broken"},
            ): "1x20"
        },
        "1m",
        "2m",
        {**WINDOW, "driftline_objective_rule": "recall >= 0.8", "driftline_state": "broken"},
        "churn 7: recall >= 0.8 is broken in windows of 1d",
    ),
    Fires(
        "TooLittleReviewed",
        {
            selector("driftline_objective_overdue", {**WINDOW, "driftline_objective_rule": "recall >= 0.8"}): "1x20",
            selector(
                "driftline_objective_required_rows", {**WINDOW, "driftline_objective_rule": "recall >= 0.8"}
            ): "260x20",
        },
        "14m",
        "15m",
        {**WINDOW, "driftline_objective_rule": "recall >= 0.8"},
        "churn 7: recall >= 0.8 has been inconclusive for too long in windows of 1d",
        "About 260 rows in a window would be conclusive. Which rows to label next: GET /api/v1/models/churn/label-next",
    ),
    Fires(
        "LabelsLate",
        {selector("driftline_outcome_sla_status", {**WINDOW, "driftline_state": "broken"}): "1x20"},
        "14m",
        "15m",
        {**WINDOW, "driftline_state": "broken"},
        "churn 7: outcomes did not arrive in time in windows of 1d",
    ),
    Fires(
        "DriftIncident",
        {
            selector(
                "driftline_drift_incident",
                {**WINDOW, "driftline_drift_column": "feature", "driftline_feature_name": "age"},
            ): "0x3 1x20",
            selector("driftline_drift_incident", {**WINDOW, "driftline_drift_column": "score"}): "0x99",
        },
        "8m",
        "9m",
        {**WINDOW, "driftline_drift_column": "feature", "driftline_feature_name": "age"},
        "churn 7: feature age drifted in windows of 1d",
    ),
    Fires(
        "DataFault",
        {
            selector("driftline_quality_findings", {**WINDOW, "driftline_quality_check": "missing"}): "2x20",
            selector("driftline_quality_findings", {**WINDOW, "driftline_quality_check": "constant"}): "0x20",
        },
        "4m",
        "5m",
        {**WINDOW, "driftline_quality_check": "missing"},
        "churn 7: the check missing has 2 findings in the newest window of 1d",
    ),
    Fires(
        "ExpectationBroken",
        {
            selector("driftline_quality_expectations", {**WINDOW, "driftline_state": "broken"}): "1x20",
            selector("driftline_quality_expectations", {**WINDOW, "driftline_state": "met"}): "9x20",
        },
        "4m",
        "5m",
        {**WINDOW, "driftline_state": "broken"},
        "churn 7: 1 expectations are broken in the newest window of 1d",
    ),
    Fires(
        "RowsLost",
        {
            selector("driftline_record_completeness_ratio", CHURN): "0.9x20",
            selector("driftline_record_completeness_ratio", {"ml_model_name": "whole"}): "0.99x20",
        },
        "14m",
        "15m",
        CHURN,
        "churn 7 in prod: 90% of the predictions arrive",
    ),
    Fires(
        "DriftlineDown",
        {'up{job="driftline",instance="a:8780"}': "1 1 0x20", 'up{job="shop",instance="b:1"}': "0x20"},
        "6m",
        "7m",
        {"job": "driftline", "instance": "a:8780"},
        "Driftline at a:8780 does not respond",
    ),
    Fires(
        "DriftlineAbsent", {"driftline_pending_windows": "0 0 stale"}, "11m", "12m", {}, "Driftline sends no metrics"
    ),
    Fires(
        "DriftlineRefusesData",
        {'driftline_ready_ratio{instance="a:8780"}': "1 0x20"},
        "5m",
        "6m",
        {"instance": "a:8780"},
        "Driftline at a:8780 accepts no data",
    ),
    Fires(
        "DriftlineProblem",
        {'driftline_problems{instance="a:8780",driftline_problem="disk"}': "1x60"},
        "29m",
        "30m",
        {"instance": "a:8780", "driftline_problem": "disk"},
        "Driftline at a:8780 has the problem disk",
    ),
    Fires(
        "DriftlineBehind",
        {'driftline_evaluation_lag_seconds{instance="a:8780",driftline_window="1d"}': "1000x20"},
        "4m",
        "5m",
        {"instance": "a:8780", "driftline_window": "1d"},
        "Driftline at a:8780: a window of 1d has waited for 16m 40s to be evaluated",
    ),
    Fires(
        "DriftlineDrops",
        {
            selector("driftline_forward_dropped_requests_total", TO_JAEGER): "0+3x20",
            selector("driftline_forward_dropped_requests_total", {**TO_JAEGER, "driftline_destination": "old"}): "7x20",
        },
        "5m",
        "6m",
        TO_JAEGER,
        "Driftline at a:8780 drops requests for jaeger",
    ),
)


def test_every_alert_has_a_case() -> None:
    assert {case.alert for case in CASES} == {rule["alert"] for rule in rules()}


@pytest.mark.parametrize("step", ["1m", "1h"])
@pytest.mark.parametrize("which", PROMTOOLS)
def test_alerts_fire_when_they_should_and_not_before(which: str, step: str, tmp_path: Path) -> None:
    check_firing(which, RULES, [case for case in CASES if case.step == step], step, tmp_path)


def test_the_rules_beside_prometheus_are_those_that_the_command_writes() -> None:
    assert RULES.read_text(encoding="utf-8") == rules_of_any_model()

"""Monitors of Datadog and conditions of New Relic, checked against what their public documentation asks for.

Neither vendor has seen them: what is here is their form, their names, and that nothing is said which they cannot say.
"""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from driftline.semconv import attributes as a
from driftline.semconv import metrics as m
from driftline_processor.alert_rules.datadog import monitors
from driftline_processor.alert_rules.files import DATADOG, NEWRELIC, rule_files
from driftline_processor.alert_rules.newrelic import conditions
from driftline_processor.alert_rules.vendor_queries import VendorPolicy, vendor_policies
from driftline_processor.config.schema import Config

MODELS = {"churn": {"windows": ["1w"], "tier": 1}, "o'clock <b>": {"tier": 2}}
QUERY = re.compile(r"(?:min|max)\(last_(\d+)m\):(?:min|max|sum):([a-z._]+)\{(.+)\} by \{(.+)\} (<|<=|>|>=) ([-0-9.e]+)")


def made(**policies: dict[str, Any]) -> list[VendorPolicy]:
    config = Config.model_validate(
        {"models": MODELS, "policies": {"health": {"enabled": False}, **policies}, "notify": "json://127.0.0.1:1/"}
    )
    found, left_out = vendor_policies(config.watched_policies, config.models)
    assert left_out == []
    return found


def left_out(**policy: Any) -> str:
    config = Config.model_validate(
        {"models": MODELS, "policies": {"health": {"enabled": False}, "one": policy}, "notify": "json://127.0.0.1:1/"}
    )
    found, reasons = vendor_policies(config.watched_policies, config.models)
    assert found == []
    (reason,) = reasons
    assert reason.key == "policies.one.when"
    return reason.reason


def test_a_monitor_has_the_form_that_datadog_asks_for() -> None:
    keys = {"when": "accuracy < 85 %", "in_a_row": 2, "severity": "critical", "owner": "Pay Ments", "tiers": [2]}
    (monitor,) = monitors(made(low={**keys, "runbook": "https://wiki.example.com/low"}))
    assert monitor.keys() == {"name", "type", "query", "message", "tags", "priority", "options"}
    assert (monitor["name"], monitor["type"], monitor["priority"]) == ("driftline: low (1d)", "query alert", 1)
    assert monitor["tags"] == ["source:driftline", "policy:low", "team:pay_ments"]
    assert monitor["message"].endswith("Runbook: https://wiki.example.com/low")
    found = QUERY.fullmatch(monitor["query"])
    assert found is not None
    assert found.groups() == (
        *("1440", m.DRIFTLINE_PERFORMANCE_VALUE),
        f"{a.DRIFTLINE_WINDOW}:1d AND {a.DRIFTLINE_PERFORMANCE_METRIC}:accuracy AND NOT {a.DRIFTLINE_PERFORMANCE_SLICE}:* AND "
        f"{a.ML_MODEL_NAME}:o_clock_b",
        *(f"{a.ML_MODEL_NAME},{a.ML_MODEL_VERSION}", "<", "0.85"),
    )
    assert monitor["options"]["thresholds"]["critical"] == float(found[6])


def test_a_condition_has_the_form_that_nerdgraph_asks_for() -> None:
    (condition,) = conditions(
        made(low={"when": "accuracy < 85 %", "in_a_row": 2, "severity": "critical", "tiers": [2]})
    )
    assert condition["nrql"]["query"] == (
        f"SELECT min(`{m.DRIFTLINE_PERFORMANCE_VALUE}`) FROM Metric WHERE `{a.DRIFTLINE_WINDOW}` = '1d' AND "
        f"`{a.DRIFTLINE_PERFORMANCE_METRIC}` = 'accuracy' AND `{a.DRIFTLINE_PERFORMANCE_SLICE}` IS NULL AND "
        f"`{a.ML_MODEL_NAME}` = 'o\\'clock <b>' FACET `{a.ML_MODEL_NAME}`, `{a.ML_MODEL_VERSION}`"
    )
    (term,) = condition["terms"]
    assert term == {
        "operator": "BELOW",
        "priority": "CRITICAL",
        "threshold": 0.85,
        "thresholdDuration": 86_400,
        "thresholdOccurrences": "ALL",
    }
    signal = condition["signal"]
    assert term["thresholdDuration"] % signal["aggregationWindow"] == 0
    assert signal["aggregationMethod"] in ("EVENT_FLOW", "EVENT_TIMER", "CADENCE")


@pytest.mark.parametrize(
    ("when", "metric", "sign", "limit", "wanted"),
    [
        ("verdict is wrong or silent", m.DRIFTLINE_MODEL_STATUS, ">=", 1, {a.DRIFTLINE_STATE: ("wrong", "silent")}),
        (
            "3 features drift",
            m.DRIFTLINE_DRIFT_STATUS,
            ">=",
            3,
            {a.DRIFTLINE_DRIFT_COLUMN: ["feature"], a.DRIFTLINE_STATE: ["drift"]},
        ),
        (
            "score drifts",
            m.DRIFTLINE_DRIFT_STATUS,
            ">=",
            1,
            {a.DRIFTLINE_DRIFT_COLUMN: ["score"], a.DRIFTLINE_STATE: ["drift"]},
        ),
        ("objective broken", m.DRIFTLINE_OBJECTIVE_STATUS, ">=", 1, {a.DRIFTLINE_STATE: ["broken"]}),
        ("outcomes late", m.DRIFTLINE_OUTCOME_SLA_STATUS, ">=", 1, {a.DRIFTLINE_STATE: ["broken"]}),
        ("latency_p99 > 200ms", m.DRIFTLINE_SERVICE_LATENCY, ">", 0.2, {a.DRIFTLINE_SERVICE_QUANTILE: ["0.99"]}),
        ("availability < 99.9 %", m.DRIFTLINE_SERVICE_ERROR_RATE, ">", 0.001, {}),
        (
            "psi of age > 0.2",
            m.DRIFTLINE_DRIFT_VALUE,
            ">",
            0.2,
            {a.DRIFTLINE_FEATURE_NAME: ["age"], a.DRIFTLINE_DRIFT_METHOD: ["psi"]},
        ),
        ("drift_share > 30 %", m.DRIFTLINE_DRIFT_FRACTION, ">", 0.3, {a.DRIFTLINE_DRIFT_WEIGHTING: ["none"]}),
        ("coverage < 50 %", m.DRIFTLINE_OUTCOME_COVERAGE, "<", 0.5, {}),
    ],
)
def test_conditions_are_the_metrics_of_the_registry(
    when: str, metric: str, sign: str, limit: float, wanted: dict[str, Any]
) -> None:
    (one,) = made(one={"when": when, "tiers": [2]})
    assert (one.query.metric, str(one.query.sign)) == (metric, sign)
    assert one.query.limit == pytest.approx(limit)
    assert {name: values for name, values in one.query.wanted.items() if name != a.DRIFTLINE_WINDOW} == wanted
    assert len(monitors([one])) == len(conditions([one])) == 1


def test_what_must_hold_for_surely_is_the_end_of_the_interval() -> None:
    (one,) = made(one={"when": "accuracy < 85 %", "surely": True, "tiers": [2]})
    assert one.query.metric == m.DRIFTLINE_PERFORMANCE_HIGH


def test_models_with_other_windows_have_a_monitor_of_their_own() -> None:
    found = made(one={"when": "accuracy < 85 %"})
    assert [(one.scope.window, one.scope.names, one.scope.without) for one in found] == [
        ("1d", (), ("churn",)),
        ("1w", ("churn",), ()),
    ]


@pytest.mark.parametrize(
    ("policy", "reason"),
    [
        ({"when": "accuracy < baseline - 0.02"}, "compares with the past or the baseline"),
        ({"when": "accuracy < average of 7 - 1 deviation"}, "compares with the past or the baseline"),
        ({"when": {"all": ["features drift", "ctr < 2 %"]}}, "is more than one number"),
        ({"when": "accuracy < 85 % in country=NL"}, "is of a slice"),
        ({"when": "estimated accuracy < 85 %"}, "whether an estimate failed"),
        ({"when": "accuracy < 85 %", "in_a_row": 3, "tiers": [1]}, "3 windows of 1w in a row are longer"),
        ({"when": "accuracy < 85 %", "tiers": [3]}, "the file names no model"),
        ({"when": "data faulty"}, "is more than one number"),
        ({"when": "business conversion < 2 %"}, "is a metric of yours"),
        ({"when": "predictions < 100"}, "is no metric"),
    ],
)
def test_what_a_vendor_cannot_say_is_left_out_with_the_reason(policy: dict[str, Any], reason: str) -> None:
    assert reason in left_out(**policy)


def test_a_name_cannot_leave_its_quotes_or_its_tag() -> None:
    hostile = "x' OR 1=1 --} by {*} @all"
    keys = {"when": "accuracy < 85 %", "models": [hostile], "owner": "a,b:c{d}"}
    config = Config.model_validate(
        {"models": {hostile: {}}, "policies": {"one": keys}, "notify": "json://127.0.0.1:1/"}
    )
    found, _ = vendor_policies({"one": config.policies["one"]}, config.models)
    (monitor,), (condition,) = monitors(found), conditions(found)
    assert QUERY.fullmatch(monitor["query"]) is not None
    assert f"{a.ML_MODEL_NAME}:x_or_1_1_--_by_all" in monitor["query"]
    assert not re.search(r"[{}@]", monitor["message"])
    assert "= 'x\\' OR 1=1 --} by {*} @all' FACET" in condition["nrql"]["query"]


def test_both_files_are_json_and_say_which_policies_are_not_in_them() -> None:
    config = Config.model_validate(
        {"models": MODELS, "policies": {"low": {"when": "accuracy < last week"}}, "notify": "json://127.0.0.1:1/"}
    )
    files = rule_files(config)
    assert [one["name"] for one in json.loads(files.texts[DATADOG])] == [
        *("driftline: health (1d)", "driftline: health (1w)"),
    ]
    assert json.loads(files.texts[NEWRELIC]).keys() == {"query", "conditions"}
    assert [one.key for one in files.left_out] == [f"{DATADOG} and {NEWRELIC}: policies.low.when"]

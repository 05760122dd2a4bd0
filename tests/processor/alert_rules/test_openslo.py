"""Objectives become documents of OpenSLO v1."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import yaml
from driftline_processor.alert_rules.openslo import object_name, openslo_documents

from tests.support.rule_files import config

NAME = {"type": "string", "maxLength": 63, "pattern": "^[a-z0-9]([a-z0-9-]*[a-z0-9])?$"}
"""RFC 1123, as the specification asks for."""
SOURCE = {
    "type": "object",
    "required": ["metricSource"],
    "properties": {
        "metricSource": {
            "type": "object",
            "required": ["spec"],
            "properties": {"type": {"const": "Prometheus"}, "spec": {"type": "object", "required": ["query"]}},
        }
    },
}
METADATA = {
    "type": "object",
    "required": ["name"],
    "properties": {
        "name": NAME,
        "displayName": {"type": "string", "minLength": 1},
        "labels": {"additionalProperties": {"maxLength": 63, "pattern": "^[a-zA-Z0-9][a-zA-Z0-9._-]*$"}},
    },
}
SLO = {
    "type": "object",
    "required": ["service", "indicator", "budgetingMethod", "objectives", "timeWindow"],
    "properties": {
        "description": {"type": "string", "maxLength": 1050},
        "service": NAME,
        "budgetingMethod": {"enum": ["Occurrences", "Timeslices"]},
        "timeWindow": {
            "type": "array",
            "minItems": 1,
            "maxItems": 1,
            "items": {
                "required": ["duration", "isRolling"],
                "properties": {"duration": {"pattern": "^[1-9][0-9]*[mhdwMQY]$"}, "isRolling": {"const": True}},
            },
        },
        "indicator": {
            "type": "object",
            "required": ["metadata", "spec"],
            "properties": {
                "metadata": METADATA,
                "spec": {
                    "type": "object",
                    "required": ["ratioMetric"],
                    "properties": {
                        "ratioMetric": {
                            "type": "object",
                            "required": ["counter", "total", "bad"],
                            "not": {"required": ["good"]},
                            "properties": {"counter": {"type": "boolean"}, "total": SOURCE, "bad": SOURCE},
                        }
                    },
                },
            },
        },
        "objectives": {
            "type": "array",
            "minItems": 1,
            "items": {
                "required": ["target"],
                "properties": {"target": {"type": "number", "minimum": 0, "exclusiveMaximum": 1}},
            },
        },
    },
}
DOCUMENT = {
    "type": "object",
    "required": ["apiVersion", "kind", "metadata", "spec"],
    "properties": {
        "apiVersion": {"const": "openslo/v1"},
        "kind": {"enum": ["Service", "SLO"]},
        "metadata": METADATA,
        "spec": {"type": "object"},
    },
    "if": {"properties": {"kind": {"const": "SLO"}}},
    "then": {"properties": {"spec": SLO}},
}
"""What the published schema of ``openslo/v1`` asks of a service and an SLO."""

OBJECTIVES = ["precision >= 0.95 over 1d", "availability >= 99.9 %", "latency_p99 <= 100ms", "roc_auc >= 0.8 over 1d"]


def documents(models: dict[str, Any]) -> list[dict[str, Any]]:
    return [*yaml.safe_load_all(openslo_documents(config(models)))]


def test_documents_have_what_the_published_schema_asks_for() -> None:
    hostile = 'Ch"urn <b> ' + "x" * 300
    made = documents({hostile: {"team": "pay & go", "tier": 1, "performance": {"objectives": OBJECTIVES}}})
    for one in made:
        jsonschema.validate(one, DOCUMENT)
    assert [one["kind"] for one in made] == ["Service", "SLO", "SLO", "SLO"]
    assert made[0]["metadata"]["labels"] == {"team": "pay-go", "tier": "1"}
    assert {one["spec"]["service"] for one in made[1:]} == {made[0]["metadata"]["name"]}
    assert len({one["metadata"]["name"] for one in made}) == 4
    assert json.loads(json.dumps(made)) == made


def test_targets_are_what_may_not_fail() -> None:
    made = documents({"churn": {"performance": {"objectives": [*OBJECTIVES[:3], "error_rate <= 0.5 %"]}}})
    assert [one["spec"]["objectives"][0]["target"] for one in made[1:]] == [0.95, 0.999, 0.99, 0.995]


def test_an_indicator_is_the_share_that_fails() -> None:
    _, outcomes, calls, _ = documents({"churn": {"performance": {"objectives": OBJECTIVES[:3]}}})
    ratio = outcomes["spec"]["indicator"]["spec"]["ratioMetric"]
    value = (
        'driftline_performance_value{ml_model_name="churn",driftline_window="1d",driftline_performance_slice="",'
        'driftline_performance_metric="precision"}'
    )
    assert ratio["bad"]["metricSource"]["spec"]["query"] == f"sum(1 - {value})"
    assert ratio["total"]["metricSource"]["spec"]["query"] == f"sum({value} ^ 0)"
    failed = 'sum(sum without (error_type) (rate(driftline_prediction_failures_total{ml_model_name="churn"}[5m])))'
    assert calls["spec"]["indicator"]["spec"]["ratioMetric"]["bad"]["metricSource"]["spec"]["query"] == failed


def test_a_name_is_kept_where_it_can_be_and_else_told_apart() -> None:
    assert object_name("churn-2") == "churn-2"
    assert object_name("a", "b") != object_name("a b")
    assert len(object_name("x" * 300)) == 63
    assert object_name("é")

"""The alerts for Prometheus ask for series that there are, by labels that these have."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml
from driftline.semconv import attributes, metrics

from tests.support.paths import ROOT

RULES = ROOT / "otel-config/driftline.rules.yml"
SERIES = set(metrics.PROMETHEUS.values())
LABELS = {str(value).replace(".", "_") for name, value in vars(attributes).items() if name.isupper()}


def rules() -> list[dict[str, Any]]:
    (group,) = yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]
    found: list[dict[str, Any]] = group["rules"]
    return found


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
def test_an_alert_asks_for_what_there_is(rule: dict[str, Any]) -> None:
    text = " ".join((rule["expr"], *rule["annotations"].values()))
    assert set(re.findall(r"\bml_\w+(?=\{)", text)) <= SERIES
    assert set(re.findall(r"^ml_\w+", rule["expr"])) <= SERIES
    assert set(re.findall(r"(?:\$labels\.|[{,])([a-z_]+)(?:=|\b)", text)) <= LABELS


def test_prometheus_is_told_of_them() -> None:
    said = yaml.safe_load((ROOT / "otel-config/prometheus.yml").read_text(encoding="utf-8"))
    assert said["rule_files"] == [RULES.name]

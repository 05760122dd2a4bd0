"""Rules of Prometheus: two files that say nothing twice, from names of the registry."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from driftline.semconv import attributes, metrics
from driftline_processor.alert_rules.files import rules_of_any_model, rules_of_models

from tests.support.paths import ROOT
from tests.support.promtool import PROMTOOLS, check_rules
from tests.support.rule_files import config, rule_file

HOSTILE = 'ch"urn\\<b>{{ 1 }}\n# x: é'
OBJECTIVES = ["precision >= 0.95", "availability >= 99 %", "latency_p99 <= 100ms", "recall >= 0.9 in country=NL"]
POLICIES = {HOSTILE: {"when": "psi of age > 0.2", "models": ["*urn*", HOSTILE]}, "b": {"when": "data faulty"}}
KNOWN = config({HOSTILE: {"performance": {"objectives": OBJECTIVES}}}, policies=POLICIES)


def alert_names(text: str) -> set[str]:
    return {rule["alert"] for group in yaml.safe_load(text)["groups"] for rule in group["rules"] if "alert" in rule}


@pytest.mark.parametrize("which", PROMTOOLS)
def test_names_that_would_break_out_are_kept_in(which: str, tmp_path: Path) -> None:
    check_rules(which, rule_file(tmp_path, KNOWN))


def test_series_and_labels_are_those_of_the_registry() -> None:
    text = rules_of_models(KNOWN).text
    labels = {str(value).replace(".", "_") for name, value in vars(attributes).items() if name.isupper()}
    expressions = [rule["expr"] for group in yaml.safe_load(text)["groups"] for rule in group["rules"]]
    asked = {name for one in expressions for name in re.findall(r"\b((?:ml|driftline)_\w+)\{", one)}
    assert {name.removesuffix("_bucket").removesuffix("_count") for name in asked} <= {
        instrument.prometheus for instrument in metrics.INSTRUMENTS.values()
    }
    assert asked
    assert {name for one in expressions for name in re.findall(r"[{,](\w+)(?:=|!~)", one)} <= labels | {"le"}


def test_the_two_files_say_nothing_twice_and_each_alert_has_its_runbook() -> None:
    known = config({"churn": {"performance": {"objectives": OBJECTIVES}}}, policies={"p": {"when": "score drifts"}})
    own = alert_names(rules_of_models(known).text)
    assert own == {"BudgetBurns", "PolicyFires"}
    assert not own & alert_names(rules_of_any_model())
    page = (ROOT / "docs/alert/respond.md").read_text(encoding="utf-8")
    assert all(f"\n## {name}\n" in page for name in own)


def test_a_configuration_that_asks_for_nothing_has_no_rules() -> None:
    made = rules_of_models(config())
    assert yaml.safe_load(made.text) == {"groups": []}
    assert made.left_out == []

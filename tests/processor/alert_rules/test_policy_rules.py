"""Policies become alerts that fire where Driftline would, and what PromQL cannot say is named with its reason."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from driftline.semconv import metrics as m
from driftline_processor.alert_rules.files import rules_of_models
from driftline_processor.config.schema import Config

from tests.support.facts import lacking
from tests.support.promtool import PROMTOOLS, Fires, check_firing, check_rules, selector
from tests.support.rule_files import config, reasons, rule_file

MODEL = {"ml_model_name": "churn", "ml_model_version": "7"}
DAY = {**MODEL, "driftline_window": "1d"}
WEEK_MINUTES = 7 * 1440

POLICIES: dict[str, dict[str, Any]] = {
    "significant": {"when": "accuracy < 85 %", "significant": True, "severity": "critical", "owner": "ann"},
    "row": {"when": "accuracy < 85 %", "in_a_row": 3, "window": "1h"},
    "slice": {"when": "latency_p99 > 200ms in country=NL"},
    "failing": {"when": "availability < 99 %"},
    "baseline": {"when": "roc_auc < baseline - 0.02"},
    "estimate": {"when": "estimated roc_auc < 0.95 * baseline"},
    "average": {"when": "accuracy < average of 3 - 1 deviation", "window": "1h"},
    "week": {"when": "accuracy < 0.9 * last week"},
    "distance": {"when": "psi of age > 0.2"},
    "score": {"when": "psi of score > 0.2"},
    "share": {"when": "drift_fraction > 30 %"},
    "labels": {"when": "coverage < 80 %"},
    "verdict": {"when": "verdict is degraded or no_data"},
    "features": {"when": "2 features drift"},
    "score-drifts": {"when": "score drifts"},
    "objective": {"when": "objective 'precision >= 0.95' broken"},
    "any-objective": {"when": "objective broken"},
    "late": {"when": "outcomes late"},
    "burn": {"when": "burn rate of 'precision >= 0.95' > 4 over 1h and 1d"},
    "both": {"when": {"all": ["features drift", "ctr < 0.95 * baseline"]}},
    "either": {"when": {"any": ["features drift", "outcomes late"]}},
}


def series(metric: str, labels: dict[str, str] | None = None, **more: str) -> str:
    return selector(m.INSTRUMENTS[metric].prometheus, {**(DAY if labels is None else labels), **more})


def performance(name: str, metric: str = "accuracy", window: str = "1d", **more: str) -> str:
    return series(name, {**MODEL, "driftline_window": window}, driftline_performance_metric=metric, **more)


def drifts(target: str, feature: str = "", state: str = "drift") -> str:
    named = {"driftline_feature_name": feature} if feature else {}
    return series(m.DRIFTLINE_DRIFT_STATUS, None, driftline_drift_column=target, driftline_state=state, **named)


def latency(**more: str) -> str:
    return series(m.DRIFTLINE_SERVICE_LATENCY, None, driftline_service_quantile="0.99", **more)


def distance(target: str, **more: str) -> str:
    return series(m.DRIFTLINE_DRIFT_VALUE, None, driftline_drift_column=target, driftline_drift_method="psi", **more)


def broken(rule: str) -> str:
    return series(m.DRIFTLINE_OBJECTIVE_STATUS, None, driftline_objective_rule=rule, driftline_state="broken")


def labels_are(state: str) -> str:
    return series(m.DRIFTLINE_OUTCOME_SLA_STATUS, None, driftline_state=state)


def model_is(state: str) -> str:
    return series(m.DRIFTLINE_MODEL_STATUS, MODEL, driftline_state=state)


def fires(policy: str, all_series: dict[str, str], quiet: str = "14m", at: str = "16m") -> Fires:
    """Return the case of a policy whose condition holds from the tenth minute on."""
    summary = f"churn 7: the policy {policy} fires"
    return Fires("PolicyFires", all_series, quiet, at, MODEL, summary, of={"policy": policy})


ACCURACY = performance(m.DRIFTLINE_PERFORMANCE_VALUE)
HOURLY = performance(m.DRIFTLINE_PERFORMANCE_VALUE, window="1h")
REFERENCE = performance(m.DRIFTLINE_PERFORMANCE_REFERENCE, "roc_auc")
FROM_TEN = "_x10 1x200"

CASES = (
    fires("significant", {ACCURACY: "0.5x300", performance(m.DRIFTLINE_PERFORMANCE_HIGH): "0.86x9 0.84x200"}),
    fires("row", {HOURLY: "0.9x9 0.8x300"}, "134m", "136m"),
    fires(
        "slice",
        {latency(driftline_performance_slice="country=NL"): "0.1x9 0.3x99", latency(): "9x99"},
    ),
    fires("failing", {series(m.DRIFTLINE_SERVICE_ERROR_RATE): "0.005x9 0.02x99"}),
    fires("baseline", {performance(m.DRIFTLINE_PERFORMANCE_VALUE, "roc_auc"): "0.89x9 0.87x99", REFERENCE: "0.9x99"}),
    fires(
        "estimate",
        {
            performance(m.DRIFTLINE_ESTIMATE_VALUE, "roc_auc"): "0.8x99",
            performance(m.DRIFTLINE_ESTIMATE_STATUS, "roc_auc", driftline_state="failed"): "1x9 stale",
            REFERENCE: "0.9x99",
        },
    ),
    # Three hours of .9, .8 and .7: their mean is .8, and their deviation .1. In the fourth .73, and then .68.
    fires("average", {HOURLY: "0.9x59 0.8x59 0.7x59 0.73x59 0.68x20"}, quiet="244m", at="246m"),
    fires(
        "distance",
        {distance("feature", driftline_feature_name="age"): "0.1x9 0.3x99", distance("score"): "9x99"},
    ),
    fires("score", {distance("score"): "0.1x9 0.3x99"}),
    fires("share", {series(m.DRIFTLINE_DRIFT_FRACTION, None, driftline_drift_weighting="none"): "0.3x9 0.31x99"}),
    fires("labels", {series(m.DRIFTLINE_OUTCOME_COVERAGE): "0.8x9 0.7x99"}),
    fires("verdict", {model_is("healthy"): "1x9 stale", model_is("no_data"): FROM_TEN}),
    fires("features", {drifts("feature", "age"): "1x99", drifts("feature", "plan"): FROM_TEN, drifts("score"): "1x99"}),
    fires("score-drifts", {drifts("score"): FROM_TEN, drifts("feature", "age"): "1x99"}),
    fires("objective", {broken("precision >= 0.95"): FROM_TEN}),
    fires("any-objective", {broken("recall >= 0.9"): FROM_TEN}),
    fires("late", {labels_are("met"): "1x9 stale", labels_are("broken"): FROM_TEN}),
    fires(
        "burn",
        {
            performance(m.DRIFTLINE_PERFORMANCE_VALUE, "precision", "1h"): "0.7x200",
            performance(m.DRIFTLINE_PERFORMANCE_VALUE, "precision", "1d"): "0.9x9 0.7x200",
        },
    ),
    fires(
        "both",
        {
            drifts("feature", "age"): "1x99",
            performance(m.DRIFTLINE_PERFORMANCE_VALUE, "ctr"): "0.1x9 0.09x99",
            performance(m.DRIFTLINE_PERFORMANCE_REFERENCE, "ctr"): "0.1x99",
        },
    ),
    fires("either", {drifts("feature", "age"): FROM_TEN}),
)


LAST_WEEK = fires(
    "week", {ACCURACY: f"0.9x{WEEK_MINUTES + 9} 0.8x99"}, f"{WEEK_MINUTES + 10}m", f"{WEEK_MINUTES + 30}m"
)


@pytest.mark.slow
@pytest.mark.parametrize("which", PROMTOOLS)
def test_policies_fire_once_their_condition_has_held_and_not_before(which: str, tmp_path: Path) -> None:
    path = rule_file(tmp_path, config({"churn": {}}, policies=POLICIES))

    check_rules(which, path)
    check_firing(which, path, CASES, "1m", tmp_path)
    check_firing(which, path, [LAST_WEEK], "1m", tmp_path, every="10m")


def test_every_policy_has_a_case() -> None:
    assert {case.of["policy"] for case in (*CASES, LAST_WEEK)} == POLICIES.keys()


def alerts(known: Config) -> list[dict[str, Any]]:
    groups = yaml.safe_load(rules_of_models(known).text)["groups"]
    return [rule for group in groups for rule in group["rules"] if rule.get("alert") == "PolicyFires"]


def models_of(known: Config) -> list[tuple[str, str]]:
    """Return the window of each rule, and the models in its expression."""
    names = [rule["expr"].partition("{")[2].partition(",driftline_window")[0] for rule in alerts(known)]
    return [(rule["labels"]["driftline_window"], name) for rule, name in zip(alerts(known), names, strict=True)]


def test_models_are_chosen_by_name_tier_and_their_longest_window() -> None:
    models = {"a.b": {"windows": ["1w"], "tier": 1}, "churn-nl": {"tier": 1}, "churn-de": {"windows": ["1h"]}}

    def chosen(**keys: Any) -> list[tuple[str, str]]:
        return models_of(config(models, policies={"p": {"when": "score drifts", **keys}}))

    assert chosen(tiers=[1]) == [("1w", 'ml_model_name="a.b"'), ("1d", 'ml_model_name="churn-nl"')]
    assert chosen(models=["churn-*"]) == [
        ("1d", 'ml_model_name=~"churn\\\\-.*",ml_model_name!~"churn\\\\-de"'),
        ("1h", 'ml_model_name="churn-de"'),
    ]
    assert chosen(models=["a.b", "new"]) == [("1w", 'ml_model_name="a.b"'), ("1d", 'ml_model_name="new"')]
    assert [window for window, _ in chosen(window="6h")] == ["6h"]


def test_a_policy_keeps_its_severity_owner_runbook_and_times() -> None:
    keys = {"severity": "critical", "owner": "ann", "runbook": "https://wiki.example.com/a", "in_a_row": 3}
    policy = {"when": "score drifts", "resolve_after": 2, "cool_down": "6h", **keys}
    (rule,) = alerts(config(policies={"p": policy}))
    assert rule["labels"] == {"severity": "page", "policy": "p", "driftline_window": "1d", "owner": "ann"}
    assert (rule["for"], rule["keep_firing_for"]) == ("2d5m", "1d")
    assert rule["annotations"]["runbook"] == "https://wiki.example.com/a"


@pytest.mark.parametrize(
    ("cool_down", "resolve_after", "kept"), [("0s", 1, None), ("1h", 1, "1d"), ("25h", 1, "2d"), ("25h", 4, "3d")]
)
def test_a_rule_outlasts_as_many_good_windows_as_the_policy(
    cool_down: str, resolve_after: int, kept: str | None
) -> None:
    policy = {"when": "score drifts", "resolve_after": resolve_after, "cool_down": cool_down}
    (rule,) = alerts(config(policies={"p": policy}))
    assert rule.get("keep_firing_for") == kept


def test_names_and_conditions_are_no_templates() -> None:
    (rule,) = alerts(config(policies={"{{ 1 }}": {"when": "objective 'recall >= 0.9 in a={{ 2 }}' broken"}}))
    assert rule["labels"]["policy"] == '{{ "{{" }} 1 }}'
    assert rule["annotations"]["summary"].endswith(': the policy {{ "{{" }} 1 }} fires')
    assert 'a={{ "{{" }} 2 }}' in rule["annotations"]["description"]
    assert 'driftline_objective_rule="recall >= 0.9 in a={{ 2 }}"' in rule["expr"]


def test_the_default_policy_is_told_by_the_rules_for_any_model() -> None:
    assert alerts(config()) == []
    (rule,) = alerts(config(policies={"health": {"when": "verdict is degraded"}}))
    assert rule["labels"]["severity"] == "page"


def test_what_promql_cannot_say_is_left_out_with_the_reason() -> None:
    known = config(
        policies={
            "traffic": {"when": "predictions < 0.5 * last week"},
            "missing": {"when": "missing of age > 5 %"},
            "grave": {"when": "data faulty"},
            "sure": {"when": "recall < 90 % in country=NL", "significant": True},
            "no-baseline": {"when": "drift_fraction > baseline + 0.1"},
            "hovers": {"when": "accuracy < 85 %", "resolve": "accuracy > 87 %"},
        }
    )
    facts = {
        "policies.traffic.when": ("number of predictions", "Driftline"),
        "policies.missing.when": ("missing", "age", "DataFault"),
        "policies.grave.when": ("minor faults", "DataFault"),
        "policies.sure.when": ("'significant'", "recall in country=NL"),
        "policies.no-baseline.when": ("baseline", "drift_fraction", "number"),
        "policies.hovers.resolve": ("PromQL", "cool_down"),
    }
    left_out = reasons(known)
    assert {key: lacking(left_out[key], *words) for key, words in facts.items()} == {key: [] for key in left_out}
    assert "# policies.grave.when: is not exported: the metric of data faults" in rules_of_models(known).text
    assert len(alerts(known)) == 1

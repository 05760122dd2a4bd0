"""Which limits of policies are objectives of a model."""

from __future__ import annotations

from typing import Any

import pytest
from driftline_processor.config.policies import Policy, policy_objectives

LIMIT: dict[str, Any] = {"when": "accuracy < 85 %"}
DAYS = ("1h", "1d")


def rules(policies: dict[str, dict[str, Any]], tier: int | None = None, windows: tuple[str, ...] = DAYS) -> list[str]:
    known = {name: Policy.model_validate(keys) for name, keys in policies.items()}
    return [objective.rule for objective in policy_objectives(known, "churn", tier, windows)]


@pytest.mark.parametrize(
    ("when", "rule"),
    [
        ("accuracy < 85 %", "accuracy >= 0.85 over 1d"),
        ("mae >= 3", "mae <= 3 over 1d"),
        ("recall[1] < 0.8 in country=NL", "recall[1] >= 0.8 in country=NL over 1d"),
        ("accuracy > 99 %", None),
        ("accuracy < baseline - 0.02", None),
        ("accuracy < average of 7 - 1 deviation", None),
        ("accuracy < 0.9 * last week", None),
        ("estimated accuracy < 85 %", None),
        ("latency_p99 > 200ms", None),
        ("actual_rate > 30 %", None),
        ("psi of age > 0.2", None),
        ("predictions < 100", None),
        ("business conversion < 0.1", None),
        ("objective broken", None),
        ({"all": ["accuracy < 85 %", "features drift"]}, None),
    ],
)
def test_only_a_fixed_limit_of_a_realized_metric_is_an_objective(when: Any, rule: str | None) -> None:
    assert rules({"low": {"when": when}}) == ([] if rule is None else [rule])


def test_it_has_the_windows_models_and_tiers_of_its_policy() -> None:
    assert rules({"low": {**LIMIT, "window": "1h"}}) == ["accuracy >= 0.85 over 1h"]
    assert rules({"low": LIMIT}, windows=()) == ["accuracy >= 0.85"]
    assert rules({"low": {**LIMIT, "models": ["fraud-*"]}}) == []
    assert rules({"low": {**LIMIT, "tiers": [1]}}, tier=2) == []
    assert rules({"low": {**LIMIT, "severity": "info"}}) == []
    assert rules({"low": LIMIT, "again": {"when": "accuracy < 0.85"}}) == ["accuracy >= 0.85 over 1d"]

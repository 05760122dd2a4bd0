"""Warnings about policies and silences that can have no effect."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from driftline.baseline.baseline import Baseline
from driftline_processor.config.schema import Config, load, validate_file

MODELS: dict[str, Any] = {
    "churn": {
        "task": "binary",
        "tier": 1,
        "windows": ["1d"],
        "features": {"tenure": {}, "age": {}},
        "performance": {"objectives": ["precision >= 0.8"], "fairness": {"attributes": ["age_group"]}},
    },
    "price": {"task": "regression"},
}


def warnings(**keys: Any) -> list[str]:
    config = Config.model_validate({"storage": "memory", "models": MODELS, "notify": "https://127.0.0.1:1/", **keys})
    assert [*[*map(str, config.problems())]] == []
    return [*[*map(str, config.warnings())]]


@pytest.mark.parametrize(
    ("policy", "key", "named"),
    [
        ({"when": "data faulty", "models": ["chrun"]}, "models", "'churn'"),
        ({"when": "data faulty", "models": ["chrun-*", "price"]}, "models", "'churn'"),
        ({"when": "data faulty", "tiers": [2]}, "tiers", "tier 2"),
        ({"when": "data faulty", "unless": ["p"]}, "unless", "itself"),
        ({"when": "accuracy < 85 %", "models": ["price"]}, "when", "rmse"),
        ({"when": "estimated accuracy < 85 %", "models": ["price"]}, "when", "rmse"),
        ({"when": "fbeta@2 < 0.3", "models": ["churn"]}, "when", "performance.metrics"),
        ({"when": "psi of tenuer > 0.2"}, "when", "'tenure'"),
        ({"when": "data faulty", "resolve": "psi of tenuer < 0.1"}, "resolve", "'tenure'"),
        ({"when": "objective broken", "models": ["price"]}, "when", "objective"),
        ({"when": "objective 'precision >= 0.9' broken"}, "when", "'precision >= 0.8'"),
        ({"when": "demographic_parity_difference of age > 10 %"}, "when", "'age_group'"),
        ({"when": "burn rate of 'precision >= 0.95' > 14.4 over 1h and 6h"}, "when", "'6h'"),
        ({"when": "accuracy < 85 %", "models": ["churn"], "window": "1h"}, "window", "1d"),
        ({"when": "predictions < 1"}, "when", "is never true"),
        ({"when": {"any": ["predictions <= 0", "mae > 3"]}}, "when", "is never true"),
        ({"when": "coverage >= 0"}, "when", "is always true"),
        ({"when": "accuracy < 85 %", "resolve": "accuracy > 100 %"}, "resolve", "is never true"),
    ],
)
def test_a_policy_without_effect_is_one_warning(policy: dict[str, Any], key: str, named: str) -> None:
    (warning,) = warnings(policies={"p": policy})
    assert warning.startswith(f"policies.p.{key}: ")
    assert named in warning


@pytest.mark.parametrize(
    "policy",
    [
        {"when": "accuracy < 85 %"},  # price has none, churn has
        {"when": "mae > 3", "models": ["*"]},
        {"when": "objective broken"},
        {"when": "psi of tenure > 0.2"},
        {"when": "missing of colour > 5 %"},
        {"when": "psi of score > 0.2"},
        {"when": "r2 < 0", "resolve": "r2 >= 0"},
        {"when": "predictions < 0.5 * last week"},
        {"when": "precision < 85 %", "models": ["churn"], "window": "1d"},
        {"when": "data faulty", "models": ["chrun"], "enabled": False},
    ],
)
def test_what_a_declared_model_may_have_is_no_warning(policy: dict[str, Any]) -> None:
    assert warnings(policies={"p": policy}) == []


def test_without_declared_models_nothing_is_undeclared() -> None:
    policy = {"when": "ndcg@5 < 0.3", "models": ["new"], "window": "1h", "tiers": [2]}
    assert warnings(models={}, policies={"p": policy}) == []


def test_policies_without_a_channel_and_an_action_are_warnings() -> None:
    faults = {"when": "data faulty"}
    policies = {"a": faults, "b": faults, "c": {**faults, "actions": ["http/x"]}}
    config = Config.model_validate({"storage": "memory", "policies": policies, "models": {"churn": {}}})
    assert [warning.key for warning in config.warnings()] == ["policies.a", "policies.b"]
    assert warnings() == []


def test_a_silence_without_effect_is_a_warning_with_the_nearest_name() -> None:
    silence = {"since": "2026-01-01T00:00:00Z", "until": "2026-02-01T00:00:00Z"}
    models, policies = warnings(silences={"x": {**silence, "models": ["prce"], "policies": ["heath"]}})
    assert models.startswith("silences.x.models: ")
    assert "'price'" in models
    assert policies.startswith("silences.x.policies: ")
    assert "'health'" in policies


def test_a_file_with_warnings_loads(tmp_path: Path) -> None:
    file = tmp_path / "driftline.yaml"
    file.write_text("models: {churn: {}}\npolicies: {p: {when: data faulty, models: [other]}}\n", encoding="utf-8")
    assert [*map(str, validate_file(file))] == []
    assert [warning.key for warning in load(file).warnings()] == [
        "policies.p.models",
        "policies.p",
    ]


def test_a_limit_that_the_baseline_itself_breaks_is_named(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    score = rng.random(2_000)
    rows = {"x": score, "p": score, "y": np.where(rng.random(2_000) < 0.3, rng.integers(0, 2, 2_000), score > 0.5)}
    built = Baseline.from_frame(rows, score="p", actual="y", model="churn", task="binary", positive_class="1")
    built.save(tmp_path / "churn.json")
    models = {"churn": {"baseline": str(tmp_path / "churn.json")}}
    limits = {"close": "accuracy < 85 %", "far": "accuracy < 80 %", "of a slice": "accuracy < 99 % in country=NL"}
    found = warnings(models=models, policies={name: {"when": when} for name, when in limits.items()})
    assert [warning.partition(":")[0] for warning in found] == ["policies.close.when"]

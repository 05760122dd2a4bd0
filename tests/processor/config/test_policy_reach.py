"""Policies that could never fire, and those that were probably not meant so: named when the file is checked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from driftline_processor.config.schema import Config, load, validate_file

MODELS = (
    "models: {churn: {task: binary, windows: [1d], performance: {objectives: [precision >= 0.8], "
    "fairness: {attributes: [age_group]}}}, "
    "price: {task: regression}}\n"
)


def problems(tmp_path: Path, policies: str) -> list[str]:
    file = tmp_path / "driftline.yaml"
    file.write_text(f"{MODELS}policies: {{{policies}}}\n", encoding="utf-8")
    return validate_file(file)


@pytest.mark.parametrize(
    ("policy", "problem"),
    [
        (
            "when: accuracy < 85 %, resolve: accuracy < 80 %",
            "resolve: 'accuracy < 80 %' holds while 'accuracy < 85 %' does; write 'accuracy >= 85 %', or a higher "
            "limit",
        ),
        (
            "when: latency_p99 > 200ms, resolve: latency_p99 < 300ms",
            "resolve: 'latency_p99 < 300ms' holds while 'latency_p99 > 200ms' does; write 'latency_p99 <= 200ms', or a "
            "lower limit",
        ),
        (
            "when: accuracy < 85 %, models: [price]",
            "when: 'accuracy' is no metric of a regression model; there are bias, cost, cost_per_prediction, "
            "interval_coverage, mae, mape, quantile_loss, r2, rmse, value, value_per_prediction",
        ),
        (
            "when: objective broken, models: [price]",
            "when: 'objective broken': no model that it is about has an objective; declare one below the model",
        ),
        (
            "when: \"objective 'precision >= 0.9' broken\"",
            "when: 'objective 'precision >= 0.9' broken': no model that it is about has this objective; did you mean "
            "'precision >= 0.8'?",
        ),
        (
            "when: accuracy < 85 %, models: [churn], window: 1h",
            "window: no model that it is about has windows of '1h'; there are 1d",
        ),
        (
            "when: \"burn rate of 'precision >= 0.95' > 14.4 over 1h and 6h\"",
            "when: no model that it is about has windows of '6h'; there are 1h, 1d",
        ),
        (
            'when: "demographic_parity_difference of sex > 10 %"',
            "when: 'demographic_parity_difference of sex > 10 %': no model that it is about names groups by 'sex'; "
            "there are age_group",
        ),
        (
            'when: "demographic_parity_difference of age > 10 %"',
            "when: 'demographic_parity_difference of age > 10 %': no model that it is about names groups by 'age'; "
            "did you mean 'age_group'?",
        ),
        (
            'when: "demographic_parity_difference of sex > 10 %", models: [price]',
            "when: 'demographic_parity_difference of sex > 10 %': only the decisions of a binary model are compared, "
            "and no model that it is about is one",
        ),
        (
            'when: "demographic_parity_difference of sex > 10 %", models: [other]',
            "when: 'demographic_parity_difference of sex > 10 %': no model that it is about names groups; write "
            "'performance: {fairness: {attributes: [sex]}}' below the model",
        ),
        (
            'when: "fbeta@2 < 0.3"',
            "when: 'fbeta@2' is only computed where it is asked for; name it in performance.metrics of the model",
        ),
        (
            "when: data faulty, unless: [p]",
            "unless: it waits for itself, so it would never be told; name another",
        ),
        ("when: data faulty, in_a_row: 500", "in_a_row: '500' is out of range; write 400 or less"),
    ],
)
def test_a_policy_that_could_never_fire_is_one_problem(tmp_path: Path, policy: str, problem: str) -> None:
    assert problems(tmp_path, f"p: {{{policy}}}") == [f"policies.p.{problem}"]


@pytest.mark.parametrize(
    "policy",
    [
        "when: accuracy < 85 %, resolve: accuracy >= 85 %",
        "when: accuracy < baseline - 0.02, resolve: accuracy > 80 %",
        "when: accuracy < 85 %",  # price has none, churn has
        "when: mae > 3, models: ['*']",
        "when: objective broken",
        "when: accuracy < 85 %, window: 1h, models: ['churn*']",  # one that appears by itself has windows of an hour
        "when: ndcg@5 < 0.3, models: [new]",
        "when: ctr < 0.1, models: [new]",
        "when: accuracy < 85 %, window: 5m, enabled: false",
    ],
)
def test_what_some_model_may_have_is_no_problem(tmp_path: Path, policy: str) -> None:
    assert problems(tmp_path, f"p: {{{policy}}}") == []


def test_policies_that_wait_for_each_other_are_named(tmp_path: Path) -> None:
    found = problems(
        tmp_path,
        "a: {when: data faulty, unless: [b]}, b: {when: data faulty, unless: [c]}, "
        "c: {when: data faulty, unless: [a]}, d: {when: data faulty, unless: [a]}",
    )
    assert [one.partition(": ")[0] for one in found] == [f"policies.{name}.unless" for name in "abc"]
    assert found[0].endswith("unless: it waits for 'c', which waits for it, so neither would be told; name another")


@pytest.mark.parametrize("name", ["chrun", "Churn", "churm", "chur", "curn"])
def test_a_name_that_misspells_a_declared_model_is_a_problem(tmp_path: Path, name: str) -> None:
    assert problems(tmp_path, f"p: {{when: data faulty, models: [{name}]}}") == [
        f"policies.p.models: no declared model is called '{name}'; did you mean 'churn'? If it is another model, "
        f"declare it: models: {{{name}: {{}}}}"
    ]


@pytest.mark.parametrize("name", ["churn-eu", "churn2", "churn-*", "new", "price-churn", "*"])
def test_a_name_that_may_be_of_another_model_is_no_problem(tmp_path: Path, name: str) -> None:
    assert problems(tmp_path, f"p: {{when: data faulty, models: ['{name}']}}") == []


def test_a_silence_of_a_misspelt_model_is_a_problem_and_no_warning_beside() -> None:
    silence = {"since": "2026-01-01T00:00:00Z", "until": "2026-02-01T00:00:00Z", "models": ["prce", "price"]}
    keys = {"storage": "memory", "notify": "https://127.0.0.1:1/", "models": {"price": {}}, "silences": {"x": silence}}
    config = Config.model_validate(keys)
    assert [*config.problems()] == [
        "silences.x.models: no declared model is called 'prce'; did you mean 'price'? If it is another model, declare "
        "it: models: {prce: {}}"
    ]
    assert [*config.warnings()] == []


@pytest.mark.parametrize("section", ["policies", "silences", "channels"])
@pytest.mark.parametrize("name", ["", " "])
def test_what_has_no_name_is_refused(section: str, name: str) -> None:
    keys: dict[str, Any] = {
        "policies": {"when": "data faulty"},
        "silences": {"since": "2026-01-01T00:00:00Z", "until": "2026-02-01T00:00:00Z"},
        "channels": {"url": "https://127.0.0.1:1/"},
    }
    config = Config.model_validate({"storage": "memory", section: {name: keys[section]}})
    assert [*config.problems()] == [
        f"{section}: one has no name, by which messages, pages and commands know it; write one"
    ]


def test_a_comparison_that_no_window_decides_is_a_warning() -> None:
    policies = {
        "few": {"when": "predictions < 1"},
        "none": {"when": {"any": ["predictions <= 0", "accuracy < 85 %"]}},
        "any": {"when": "predictions >= 1"},
        "all": {"when": "accuracy < 85 %", "resolve": "accuracy > 100 %"},
        "good": {"when": "coverage >= 0"},
        "real": {"when": "r2 < 0", "resolve": "r2 >= 0"},
        "bias": {"when": "bias < 0"},
        "relative": {"when": "predictions < 0.5 * last week"},
    }
    least = "a window is there only once it has a prediction"
    assert warnings(notify="https://127.0.0.1:1/", policies=policies) == [
        f"policies.few.when: 'predictions < 1' never holds: {least}; write 'no data'",
        f"policies.none.when: 'predictions <= 0' never holds: {least}; write 'no data'",
        f"policies.any.when: 'predictions >= 1' always holds: {least}; write a greater number",
        "policies.all.resolve: 'accuracy > 100 %' never holds: accuracy is never more than 1; write another limit",
        "policies.good.when: 'coverage >= 0' always holds: coverage is never less than 0; write another limit",
    ]


def warnings(**keys: Any) -> list[str]:
    models = {"churn": {"tier": 1}, "price": {"task": "regression"}}
    return list(Config.model_validate({"storage": "memory", "models": models, **keys}).warnings())


def test_a_name_that_no_declared_model_has_is_a_warning_with_the_nearest_one() -> None:
    policies = {
        "health": {"models": ["churn_eu"]},
        "faults": {"when": "data faulty", "models": ["chrun-*", "*-eu", "price"], "tiers": [2]},
    }
    assert warnings(notify="https://127.0.0.1:1/", policies=policies) == [
        "policies.health.models: no declared model is called 'churn_eu'; did you mean 'churn'? One that appears by "
        "itself counts, too",
        "policies.faults.models: no declared model is called 'chrun-*'; did you mean 'churn'? One that appears by "
        "itself counts, too",
        "policies.faults.tiers: no declared model is of tier 2; give one a tier, or leave the key out",
    ]
    assert warnings(notify="https://127.0.0.1:1/", policies=policies, models={}) == []


def test_a_feature_that_is_nearly_called_as_a_declared_one_is_a_warning() -> None:
    policies = {"p": {"when": "psi of tenuer > 0.2", "resolve": "psi of tenuer < 0.1"}}
    models: dict[str, Any] = {"churn": {"features": {"tenure": {}, "age": {}}}}
    asked = "no declared feature is called 'tenuer'; did you mean 'tenure'?"
    found = warnings(notify="https://127.0.0.1:1/", policies=policies, models=models)
    assert found == [f"policies.p.when: {asked}", f"policies.p.resolve: {asked}"]
    for when in ("psi of tenure > 0.2", "missing of colour > 5 %", "psi of score > 0.2"):
        assert warnings(notify="https://127.0.0.1:1/", policies={"p": {"when": when}}, models=models) == []


def test_policies_that_tell_nobody_and_do_nothing_are_a_warning() -> None:
    faults = {"when": "data faulty"}
    several = {"a": faults, "b": faults, "c": {**faults, "actions": ["http/x"]}}
    assert warnings(policies=several) == [
        "policies.a: nobody is told and nothing is done, also of b; write 'notify' at the top of the file, or 'notify' "
        "or 'actions' in the policy"
    ]
    assert warnings(policies=several, notify="https://127.0.0.1:1/") == []
    assert warnings() == []


def test_a_silence_of_what_is_not_there_is_a_warning() -> None:
    silence = {"since": "2026-01-01T00:00:00Z", "until": "2026-02-01T00:00:00Z"}
    keys = {"notify": "https://127.0.0.1:1/", "silences": {"x": {**silence, "models": ["tax"], "policies": ["heath"]}}}
    assert warnings(**keys) == [
        "silences.x.models: no declared model is called 'tax'; there are churn, price; one that appears by itself "
        "counts, too",
        "silences.x.policies: there is no policy 'heath'; did you mean 'health'?",
    ]


def test_a_warning_lets_the_file_load(tmp_path: Path) -> None:
    assert problems(tmp_path, "p: {when: data faulty, models: [other]}") == []
    assert len([*load(tmp_path / "driftline.yaml").warnings()]) == 2


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "notify: [taem]\nchannels: {team: 'https://a.example/x'}",
            "notify.0: there is no channel 'taem'; did you mean 'team'?",
        ),
        (
            "notify: 'https://me:hunter22@[::1/x'",
            "notify.0: 'https://' is followed by no host, port and path; write 'https://host/path'",
        ),
        (
            "notify: 'https://me:hunter22@a.example:99999999/x'",
            "notify.0: 'https://' is followed by no host, port and path; write 'https://host/path'",
        ),
        ("notify: 'htps://a.example/x'", "notify.0: 'htps' is no kind of channel; did you mean 'https' or 'httpsms'?"),
        (
            "notify: ['https://a.example/x', 'slack://${DRIFTLINE_NOT_SET}/x']",
            "notify.1: the environment variable DRIFTLINE_NOT_SET is not set; set it, or write "
            "'${env:DRIFTLINE_NOT_SET:-default}'",
        ),
        (
            "channels: {team: 'slack://${DRIFTLINE_NOT_SET}/x'}",
            "channels.team: the environment variable DRIFTLINE_NOT_SET is not set; set it, or write "
            "'${env:DRIFTLINE_NOT_SET:-default}'",
        ),
        (
            "web: {endpoint: '${DRIFTLINE_NOT_SET}'}",
            "web.endpoint: the environment variable DRIFTLINE_NOT_SET is not set; set it, or write "
            "'${env:DRIFTLINE_NOT_SET:-default}'",
        ),
        (
            "policies: {p: {when: features drfit}}",
            "policies.p.when: 'features drfit' is no condition; did you mean 'features drift'?",
        ),
        (
            "policies: {p: {when: 3 featurs drift}}",
            "policies.p.when: '3 featurs drift' is no condition; did you mean '3 features drift'?",
        ),
        (
            "policies: {p: {when: accuracy < 85}}",
            "policies.p.when: accuracy: is a share, and '85' is more than 1; write '85 %'",
        ),
        (
            "policies: {p: {when: accuracy < 850 %}}",
            "policies.p.when: accuracy: '850 %' is more than all; write at most '100 %'",
        ),
    ],
)
def test_one_mistake_is_one_sentence_with_what_was_meant(tmp_path: Path, text: str, problem: str) -> None:
    file = tmp_path / "driftline.yaml"
    file.write_text(text, encoding="utf-8")
    assert validate_file(file) == [problem]

"""The keys of actions: what is wrong with them is said at the start, without anything that is secret."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from driftline_processor.config.actions import ActionKeys, parse_rate
from driftline_processor.config.approval_waivers import Waiver, waived_approvals
from driftline_processor.config.kinds import ACTIONS
from driftline_processor.config.schema import load, validate_file

from tests.support.facts import Facts, lacking

JIRA = "url: https://example.atlassian.net, project: PAY, token: secret-7"
AIRFLOW = "url: https://airflow.example.com, dag: retrain"
GITHUB = "repository: example/churn, token: secret-7"
KAFKA = 'brokers: "127.0.0.1:9092", topic: alerts'
ROLLOUT = "kind: Rollout, namespace: models, name: churn"
SELDON = "kind: SeldonDeployment, namespace: models, name: churn"
OTHER = "kind: Deployment, api_version: apps/v1, namespace: models, name: churn"
MLFLOW = "url: https://mlflow.example.com, alias: champion"


def problems(folder: Path, text: str) -> list[str]:
    path = folder / "driftline.yaml"
    path.write_text(text)
    return [*map(str, validate_file(path))]


@pytest.mark.parametrize(
    ("name", "keys", "facts"),
    [
        ("jra/pay", "", ("actions.jra/pay:", "'jra'", "'jira'")),
        ("payments", "", ("actions.payments:", "airflow/NAME")),
        ("jira/", JIRA, ("actions.jira/:", "airflow/NAME")),
        ("jira/pay", f"{JIRA}, projct: PAY", ("actions.jira/pay.projct:", "'project'")),
        ("jira/pay", f"{JIRA}, rate_limit: 3 a day", ("'3 a day'",)),
        ("jira/pay", f"{JIRA}, rate_limit: 0 per 1d", ("actions.jira/pay.rate_limit:", "'0 per 1d'")),
        ("jira/pay", f"{JIRA}, timeout: 0s", ("actions.jira/pay.timeout:", "'10s'")),
        ("jira/pay", f"{JIRA}, on: []", ("actions.jira/pay.on: is an empty list",)),
        ("jira/pay", f"{JIRA}, on: closed", ("actions.jira/pay.on:", "'closed'", "'opened'", "'worse'")),
        ("jira/pay", f"{JIRA}, api: 4", ("actions.jira/pay.api:", "'4'", "use 2")),
        ("jira/pay", JIRA.replace("PAY", "PAY 1"), ("actions.jira/pay.project:", "'PAY 1'")),
        ("jira/pay", f"{JIRA}, labels: a b", ("actions.jira/pay.labels: 'a b' contains a space",)),
        ("jira/pay", f"{JIRA}, fields: {{summary: x}}", ("actions.jira/pay.fields.summary:",)),
        ("jira/pay", f"{JIRA}, fields: x", ("actions.jira/pay.fields:",)),
        ("jira/pay", f"{JIRA}, on: opened, transition: Done", ("actions.jira/pay.transition:",)),
        ("jira/pay", f'{JIRA}, summary: "{{modl}}"', ("actions.jira/pay.summary:", "{modl}")),
        ("jira/pay", f"{JIRA}, approval: true", ("actions.jira/pay.approval:", "'required' or 'none'")),
        ("http/a", "url: 'https://h/{version}'", ("actions.http/a.url: {version} comes from telemetry", "{model}")),
        ("http/a", "url: 'https://h/{{x}}?t={title}'", ("actions.http/a.url: {title} comes from telemetry",)),
        ("label_queue/a", "url: 'https://h/{finding}'", ("label_queue/a.url: {finding} comes from telemetry",)),
        ("kubernetes/a", f'{ROLLOUT[:-5]}"{{environment}}"', ("name: {environment} comes from telemetry",)),
        ("kubernetes/a", ROLLOUT.replace("models", '"{state}"'), ("namespace: {state} comes from telemetry",)),
        ("mlflow/a", f'{MLFLOW}, model: "{{model}}-{{version}}"', ("mlflow/a.model: {version} comes from",)),
        ("airflow/a", AIRFLOW, ("actions.airflow/a.token:",)),
        ("airflow/a", f"{AIRFLOW}, user: x", ("actions.airflow/a.password:",)),
        ("airflow/a", f"{AIRFLOW.replace('retrain', 'a/b')}, token: t", ("actions.airflow/a.dag:", "'a/b'", "DAG")),
        ("http/a", "url: 'ftp://secret-7/x'", ("actions.http/a.url: is not an HTTP URL",)),
        ("http/a", "url: 'https://{model}/secret-7'", ("actions.http/a.url:",)),
        ("http/a", "url: 'https://h/secret-7/{modl}'", ("actions.http/a.url:",)),
        ("http/a", "url: https://h/, headers: {'a b': secret-7}", ("actions.http/a.headers:", "'a b'")),
        ("http/a", 'url: https://h/, headers: {a: "secret-7\\n"}', ("actions.http/a.headers.a:",)),
        ("http/a", 'url: https://h/, body: {a: "{model.x}"}', ("actions.http/a.body:", "'{model.x...'")),
        ("http/a", "url: https://h/, attach: report, method: GET", ("attach:", "GET", "POST")),
        ("http/a", "url: https://h/, attach: report, headers: {Content-Type: x}", ("headers.Content-Type: is set by",)),
        ("cloudevents/a", "source: /driftline", ("actions.cloudevents/a.url:",)),
        ("cloudevents/a", f"{KAFKA}, url: https://h/", ("actions.cloudevents/a.url:",)),
        ("cloudevents/a", "url: 'https://h/{model}/secret-7'", ("actions.cloudevents/a.url:",)),
        ("cloudevents/a", "url: https://h/, topic: x", ("actions.cloudevents/a.topic:",)),
        ("cloudevents/a", "url: https://h/, headers: {ce-id: x}", ("headers.ce-id:",)),
        ("cloudevents/a", "url: https://h/, source: a b", ("actions.cloudevents/a.source:", "'a b'", "URI")),
        ("cloudevents/a", "brokers: kafka, topic: a", ("brokers:", "'kafka'", "'kafka:9092'")),
        ("cloudevents/a", 'brokers: "k:1"', ("actions.cloudevents/a.topic:",)),
        ("cloudevents/a", KAFKA.replace("alerts", "a/b"), ("topic:", "'a/b'")),
        ("cloudevents/a", f"{KAFKA}, options: {{acks: 1}}", ("options:", "'acks'")),
        ("cloudevents/a", f"{KAFKA}, headers: {{a: b}}", ("actions.cloudevents/a.headers:", "HTTP")),
        ("github/a", GITHUB, ("actions.github/a.workflow:",)),
        (
            "github/a",
            f"{GITHUB.replace('example/churn', 'a/../b')}, workflow: a.yml",
            ("repository:", "'a/../b'", "OWNER"),
        ),
        (
            "github/a",
            f"{GITHUB.replace('churn', '..')}, workflow: a.yml",
            ("repository:", "'example/..'", "OWNER/NAME"),
        ),
        ("github/a", f"{GITHUB}, workflow: a/b.yml", ("workflow:", "'a/b.yml'")),
        ("github/a", f"{GITHUB}, workflow: a.yml, inputs: {{a: x}}", ("inputs:", "{id}")),
        ("github/a", f"{GITHUB}, workflow: a.yml, inputs: {{a: [x]}}", ("inputs.a:",)),
        ("mlflow/a", MLFLOW.replace("champion", "a b"), ("actions.mlflow/a.alias:", "'a b'", "MLflow")),
        ("mlflow/a", f"{MLFLOW}, previous: champion", ("actions.mlflow/a.previous:",)),
        ("mlflow/a", f"{MLFLOW}, user: x", ("actions.mlflow/a.password:",)),
        ("mlflow/a", f"{MLFLOW}, user: x, password: y, token: z", ("actions.mlflow/a.token: replaces user",)),
        ("kubernetes/a", ROLLOUT.replace("Rollout", "rollout"), ("kind:", "'rollout'")),
        ("kubernetes/a", ROLLOUT.replace("Rollout", "Rolout"), ("api_version:",)),
        ("kubernetes/a", OTHER, ("actions.kubernetes/a.patch:",)),
        ("kubernetes/a", OTHER.replace("apps/v1", "../v1"), ("api_version:", "'../v1'")),
        ("kubernetes/a", SELDON, ("traffic:", "SeldonDeployment")),
        ("kubernetes/a", f"{SELDON}, traffic: {{a: 60, b: 50}}", ("traffic:", "110 %")),
        ("kubernetes/a", f"{ROLLOUT}, traffic: {{a: 100}}", ("traffic:", "SeldonDeployment")),
        ("kubernetes/a", f"{ROLLOUT}, subresource: scale", ("patch:", "patch_type")),
        ("kubernetes/a", f"{ROLLOUT}, server: https://h", ("token:",)),
        ("kubernetes/a", f"{ROLLOUT}, server: http://h, token: x", ("server:",)),
        ("kubernetes/a", f"{ROLLOUT}, token: x, token_file: y", ("token:", "token_file")),
        ("kubernetes/a", f"{ROLLOUT}, patch: {{spec: {{pausd: true}}}}", ("a.patch.spec.pausd:",)),
        ("kubernetes/a", f"{ROLLOUT}, patch: {{spec: {{paused: 3}}}}", ("a.patch.spec.paused:",)),
        ("kubernetes/a", f"{ROLLOUT}, patch: [1]", ("actions.kubernetes/a.patch:",)),
        ("kubernetes/a", f"{ROLLOUT}, patch: {{spec: {{}}}}, patch_type: strategic", ("patch_type:",)),
        ("kubernetes/a", f"{OTHER}, patch: {{}}", ("patch:",)),
        (
            "kubernetes/a",
            f"{SELDON}, patch: {{spec: {{predictors: [{{name: a, traffic: 101}}]}}}}",
            ("a.patch.spec.predictors.0.graph:",),
        ),
        ("label_queue/a", "rows: 5", ("actions.label_queue/a.directory:",)),
        ("label_queue/a", "directory: driftline.yaml", ("driftline.yaml",)),
        ("label_queue/a", "directory: rows, headers: {a: b}", ("actions.label_queue/a.headers:", "remove")),
    ],
)
def test_a_mistake_is_named_with_its_fix(tmp_path: Path, name: str, keys: str, facts: Facts) -> None:
    found = problems(tmp_path, f"actions:\n  {name}: {{{keys}}}\n")
    assert [one for one in found if not lacking(one, *facts)], found
    assert "secret-7" not in " ".join(found)


def test_a_policy_names_actions_that_there_are(tmp_path: Path) -> None:
    text = f"actions: {{jira/payments: {{{JIRA}}}}}\npolicies: {{health: {{actions: [jira/payment]}}}}\n"
    assert problems(tmp_path, text) == [
        "policies.health.actions: there is no action 'jira/payment'; did you mean 'jira/payments'?"
    ]


def test_a_channel_has_no_name_that_an_action_could_have(tmp_path: Path) -> None:
    assert problems(tmp_path, "channels: {http/a: 'https://h.example/'}\n") == [
        "channels.http/a: contains a '/', which is allowed only in names of actions; use 'http-a'"
    ]


@pytest.mark.parametrize(
    ("url", "said"),
    [
        (
            "https://hooks.example.com/secret-7",
            ["attach: a webhook cannot send attachments; use an action http/NAME with attach: rep"],
        ),
        (
            "pagerduty://A1BRTD4JD@TIiajkdnlazkcOXrIdevi7F",
            ["attach: a channel of the type 'pagerduty' cannot send files; "],
        ),
        ("mailto://user:secret-7@gmail.com", []),
    ],
)
def test_a_channel_takes_a_report_where_its_service_takes_files(tmp_path: Path, url: str, said: list[str]) -> None:
    found = problems(tmp_path, f"channels: {{team: {{url: '{url}', attach: report}}}}\n")
    assert len(found) == len(said)
    assert all(one.startswith(f"channels.team.{want}") for one, want in zip(found, said, strict=True)), found
    assert "secret-7" not in " ".join(found)


def test_actions_are_read_by_their_type(tmp_path: Path) -> None:
    path = tmp_path / "driftline.yaml"
    path.write_text(f"actions: {{jira/payments: {{{JIRA}, rate_limit: 3 per 1d}}}}\n")
    read = load(path).actions["jira/payments"]
    assert (type(read).__name__, read.on) == ("Jira", ("opened", "worse", "resolved"))
    assert read.rate_limit == parse_rate("3 per 24h")
    assert parse_rate("3 per 24h").within == timedelta(days=1)
    assert "secret-7" not in repr(read)


def test_what_environment_variables_hold_is_known_as_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN", "hunter-2")
    path = tmp_path / "driftline.yaml"
    path.write_text(
        "actions: {http/a: {url: https://h/, body: {of: {token: 'x ${env:TOKEN}', b: '${env:B:-none}'}}}, http/b: "
        "{url: https://h/}}\n"
    )
    read = load(path).actions
    assert (read["http/a"].filled, read["http/b"].filled) == (("hunter-2",), ())


@pytest.mark.parametrize("name", ACTIONS.names())
def test_every_kind_is_a_set_of_keys_that_carries_out_messages(name: str) -> None:
    kind = ACTIONS.find(name)
    assert issubclass(kind, ActionKeys)
    assert not getattr(kind, "__abstractmethods__", ())
    assert {"describe", "carry_out"} <= {*dir(kind)}


@pytest.mark.parametrize("name", ["null", "~", "true", "12", "1e3", "0o17", "2026-11-01"])
def test_a_name_is_a_text_as_it_is_written_and_never_null_or_a_number(tmp_path: Path, name: str) -> None:
    assert problems(tmp_path, f"models: {{{name}: {{team: pay}}}}") == []
    assert [*load(tmp_path / "driftline.yaml").models] == [name]


@pytest.mark.parametrize("name", ["", ".", ".."])
def test_a_declared_model_has_a_name_that_leads_to_no_other_path(tmp_path: Path, name: str) -> None:
    (problem,) = problems(tmp_path, f'models: {{"{name}": {{}}}}')
    assert lacking(problem, "models:", f"'{name}'", "paths") == []


@pytest.mark.parametrize(("models", "warned"), [("{}", True), ("{fraud: {}}", True), ("{churn: {}, fraud: {}}", False)])
def test_actions_that_cover_no_declared_model_are_warned_of(tmp_path: Path, models: str, warned: bool) -> None:
    policies = "policies: {low: {when: accuracy < 5 %, models: [churn], actions: [jira/pay]}}"
    assert problems(tmp_path, f"models: {models}\nactions: {{jira/pay: {{{JIRA}}}}}\n{policies}") == []
    warnings = [str(one) for one in load(tmp_path / "driftline.yaml").warnings()]
    assert any("policies.low.actions: never run" in one for one in warnings) == warned


def test_tier_1_cannot_have_all_runs_to_itself(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, "limits: {actions: {total: 5 per 1h}}")
    assert lacking(problem, "limits.actions.tier_1:", "5 runs") == []


def test_each_action_without_an_approval_is_named_by_tier_or_model_with_its_limits(tmp_path: Path) -> None:
    text = """
models: {a: {tier: 1}, b: {tier: 1}, c: {}, d: {}}
actions:
  http/undo: {url: "https://h/", approval: none, rate_limit: 2 per 1d}
  http/asked: {url: "https://h/"}
  http/dry: {url: "https://h/", approval: none, dry_run: true}
  jira/pay: {url: "https://h", project: PAY, token: t}
policies: {low: {when: accuracy < 5 %, models: [a, b, c], actions: [http/undo, http/asked, http/dry, jira/pay]}}
"""
    assert problems(tmp_path, text) == []
    config = load(tmp_path / "driftline.yaml")
    limits = "at most 2 per 1d; 3 per 1d and model, 10 per 1h in all, with 30 rows or more"
    assert [*waived_approvals(config.actions, config.policies, config.models, config.limits.actions)] == [
        Waiver("http/undo", "", f"runs without an approval for tier 1 (2 models): {limits}"),
        Waiver("http/undo", "c", f"runs without an approval: {limits}"),
    ]

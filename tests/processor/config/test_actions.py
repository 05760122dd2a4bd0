"""The keys of actions: what is wrong with them is said at the start, without anything that is secret."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from driftline_processor.config.actions import ActionKeys, parse_rate
from driftline_processor.config.kinds import ACTIONS
from driftline_processor.config.schema import load, validate_file

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
    ("name", "keys", "said"),
    [
        ("jra/pay", "", "actions.jra/pay: 'jra' is not a type of action; did you mean 'jira'?"),
        ("payments", "", "actions.payments: the name must begin with the type of the action; use airflow/NAME or "),
        ("jira/", JIRA, "actions.jira/: the name must begin with the type of the action; use airflow/NAME or "),
        ("jira/pay", f"{JIRA}, projct: PAY", "actions.jira/pay.projct: there is no such key; did you mean 'project'?"),
        (
            "jira/pay",
            f"{JIRA}, rate_limit: 3 a day",
            "'3 a day' is not a rate; use a count and a period, such as '3 per",
        ),
        ("jira/pay", f"{JIRA}, rate_limit: 0 per 1d", "actions.jira/pay.rate_limit: '0 per 1d' is not a rate"),
        (
            "jira/pay",
            f"{JIRA}, timeout: 0s",
            "actions.jira/pay.timeout: must be greater than 0; use a duration such as '10s'",
        ),
        ("jira/pay", f"{JIRA}, on: []", "actions.jira/pay.on: is empty"),
        ("jira/pay", f"{JIRA}, on: closed", "actions.jira/pay.on: 'closed' is not allowed; use 'opened', 'worse' or"),
        ("jira/pay", f"{JIRA}, api: 4", "actions.jira/pay.api: '4' is not allowed; use 2 or 3"),
        ("jira/pay", JIRA.replace("PAY", "PAY 1"), "actions.jira/pay.project: 'PAY 1' is not a project key"),
        ("jira/pay", f"{JIRA}, labels: a b", "actions.jira/pay.labels: 'a b' contains a space"),
        ("jira/pay", f"{JIRA}, fields: {{summary: x}}", "actions.jira/pay.fields.summary: is set by another key"),
        ("jira/pay", f"{JIRA}, fields: x", "actions.jira/pay.fields: must be a mapping"),
        ("jira/pay", f"{JIRA}, on: opened, transition: Done", "actions.jira/pay.transition: applies when the alert is"),
        (
            "jira/pay",
            f'{JIRA}, summary: "{{modl}}"',
            "actions.jira/pay.summary: {modl} is not a placeholder; did you",
        ),
        ("airflow/a", AIRFLOW, "actions.airflow/a.token: set either a token, or user and password"),
        (
            "airflow/a",
            f"{AIRFLOW}, user: x",
            "actions.airflow/a.password: needs user, and user needs password; set both or neither",
        ),
        (
            "airflow/a",
            f"{AIRFLOW.replace('retrain', 'a/b')}, token: t",
            "actions.airflow/a.dag: 'a/b' is not a DAG id",
        ),
        ("http/a", "url: 'ftp://secret-7/x'", "actions.http/a.url: is not an HTTP URL"),
        ("http/a", "url: 'https://{model}/secret-7'", "actions.http/a.url: has a placeholder in its host"),
        (
            "http/a",
            "url: 'https://h/secret-7/{modl}'",
            "actions.http/a.url: contains a placeholder that does not exist",
        ),
        (
            "http/a",
            "url: https://h/, headers: {'a b': secret-7}",
            "actions.http/a.headers: 'a b' is not a valid header",
        ),
        (
            "http/a",
            'url: https://h/, headers: {a: "secret-7\\n"}',
            "actions.http/a.headers.a: the value contains a line",
        ),
        (
            "http/a",
            'url: https://h/, body: {a: "{model.x}"}',
            "actions.http/a.body: '{model.x...' has more than a name",
        ),
        (
            "http/a",
            "url: https://h/, attach: report, method: GET",
            "attach: needs a request with a body, but GET has none; set method: POST",
        ),
        ("http/a", "url: https://h/, attach: report, headers: {Content-Type: x}", "headers.Content-Type: is set by"),
        ("cloudevents/a", "mode: binary", "actions.cloudevents/a.url: set either url, or brokers and topic"),
        ("cloudevents/a", f"{KAFKA}, url: https://h/", "actions.cloudevents/a.url: set either url, or brokers and"),
        ("cloudevents/a", "url: 'https://h/{model}/secret-7'", "actions.cloudevents/a.url: contains a brace, but"),
        ("cloudevents/a", "url: https://h/, topic: x", "actions.cloudevents/a.topic: works only with Kafka; remove it"),
        (
            "cloudevents/a",
            "url: https://h/, headers: {ce-id: x}",
            "headers.ce-id: is set by the event itself; remove it",
        ),
        ("cloudevents/a", "url: https://h/, source: a b", "actions.cloudevents/a.source: 'a b' is not a URI reference"),
        ("cloudevents/a", "brokers: kafka, topic: a", "brokers: 'kafka' has no port; use 'kafka:9092'"),
        ("cloudevents/a", 'brokers: "k:1"', "actions.cloudevents/a.topic: is missing; set the name of a topic"),
        ("cloudevents/a", KAFKA.replace("alerts", "a/b"), "topic: 'a/b' is not a topic name"),
        ("cloudevents/a", f"{KAFKA}, options: {{acks: 1}}", "options: 'acks' is set by Driftline; remove it"),
        (
            "cloudevents/a",
            f"{KAFKA}, headers: {{a: b}}",
            "actions.cloudevents/a.headers: work only with url (HTTP); remove them",
        ),
        ("github/a", GITHUB, "actions.github/a.workflow: set either workflow or event"),
        ("github/a", f"{GITHUB}, workflow: a, event: b", "actions.github/a.workflow: set either workflow or event"),
        ("github/a", GITHUB.replace("example/churn", "a/../b"), "repository: 'a/../b' is not a repository; use OWNER"),
        ("github/a", GITHUB.replace("churn", ".."), "repository: 'example/..' is not a repository; use OWNER/NAME"),
        ("github/a", f"{GITHUB}, workflow: a/b.yml", "workflow: 'a/b.yml' is not a file name of a workflow"),
        ("github/a", f"{GITHUB}, workflow: a.yml, inputs: {{a: x}}", "inputs: the placeholder {id}"),
        (
            "github/a",
            f"{GITHUB}, workflow: a.yml, inputs: {{a: [x]}}",
            "inputs.a: is not a string; inputs of a workflow",
        ),
        ("github/a", f"{GITHUB}, workflow: a.yml, payload: {{}}", "payload: works only with event; use inputs"),
        ("github/a", f"{GITHUB}, event: a, ref: b", "actions.github/a.ref: works only with workflow; remove it"),
        ("github/a", f"{GITHUB}, event: {'x' * 101}", "event: must have at most 100 characters"),
        (
            "github/a",
            f"{GITHUB}, event: a, payload: {{{', '.join(f'k{at}: x' for at in range(11))}}}",
            "payload: must have at most 10 keys, the limit of GitHub; put some of them below one key",
        ),
        ("mlflow/a", MLFLOW.replace("champion", "a b"), "actions.mlflow/a.alias: 'a b' is not an alias of MLflow"),
        ("mlflow/a", f"{MLFLOW}, previous: champion", "actions.mlflow/a.previous: must differ from alias"),
        (
            "mlflow/a",
            f"{MLFLOW}, user: x",
            "actions.mlflow/a.password: needs user, and user needs password; set both or neither",
        ),
        ("mlflow/a", f"{MLFLOW}, user: x, password: y, token: z", "actions.mlflow/a.token: replaces user"),
        (
            "kubernetes/a",
            ROLLOUT.replace("Rollout", "rollout"),
            "kind: 'rollout' is not a kind of Kubernetes resource; did",
        ),
        ("kubernetes/a", ROLLOUT.replace("Rollout", "Rolout"), "api_version: is required for Rolout; use for example"),
        ("kubernetes/a", OTHER, "actions.kubernetes/a.patch: is missing, and Driftline has no default rollback"),
        ("kubernetes/a", OTHER.replace("apps/v1", "../v1"), "api_version: '../v1' is not valid; use group and version"),
        (
            "kubernetes/a",
            SELDON,
            "traffic: is missing, and Driftline has no default rollback for SeldonDeployment; set traffic or",
        ),
        ("kubernetes/a", f"{SELDON}, traffic: {{a: 60, b: 50}}", "traffic: is 110 % in total; the percentages must"),
        ("kubernetes/a", f"{ROLLOUT}, traffic: {{a: 100}}", "traffic: works only with a SeldonDeployment; use patch"),
        ("kubernetes/a", f"{ROLLOUT}, subresource: scale", "patch: is missing, but subresource and patch_type"),
        ("kubernetes/a", f"{ROLLOUT}, server: https://h", "token: is missing; the token of Driftline's own pod is not"),
        ("kubernetes/a", f"{ROLLOUT}, server: http://h, token: x", "server: is not encrypted, so others could read"),
        ("kubernetes/a", f"{ROLLOUT}, token: x, token_file: y", "token: is set together with token_file"),
        ("kubernetes/a", f"{ROLLOUT}, patch: {{spec: {{pausd: true}}}}", "a.patch.spec.pausd: there is no such field;"),
        ("kubernetes/a", f"{ROLLOUT}, patch: {{spec: {{paused: 3}}}}", "a.patch.spec.paused: 3 is not of type boolean"),
        ("kubernetes/a", f"{ROLLOUT}, patch: [1]", "actions.kubernetes/a.patch: must be a mapping"),
        (
            "kubernetes/a",
            f"{ROLLOUT}, patch: {{spec: {{}}}}, patch_type: strategic",
            "patch_type: Rollout is a custom resource, ",
        ),
        (
            "kubernetes/a",
            f"{OTHER}, patch: {{}}, patch_type: json",
            "patch: must be a list of operations for patch_type",
        ),
        (
            "kubernetes/a",
            f"{OTHER}, patch: [{{op: copy, path: /a}}], patch_type: json",
            "patch.0: is not an operation",
        ),
        (
            "kubernetes/a",
            f"{OTHER}, patch: [{{op: add, path: /a/-}}], patch_type: json",
            "patch.0.path: appends to the list again",
        ),
        (
            "kubernetes/a",
            f"{SELDON}, patch: {{spec: {{predictors: [{{name: a, traffic: 101}}]}}}}",
            "a.patch.spec.predictors.0.graph: is missing, "
            "and it is required because a merge patch replaces the whole list",
        ),
        ("label_queue/a", "rows: 5", "actions.label_queue/a.directory: set either directory or url"),
        ("label_queue/a", "directory: driftline.yaml", "driftline.yaml is not a folder; use another one"),
        (
            "label_queue/a",
            "directory: rows, headers: {a: b}",
            "actions.label_queue/a.headers: work only with url; remove",
        ),
    ],
)
def test_a_mistake_is_named_with_its_fix(tmp_path: Path, name: str, keys: str, said: str) -> None:
    found = problems(tmp_path, f"actions:\n  {name}: {{{keys}}}\n")
    assert [one for one in found if said in one], found
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
    assert (type(read).__name__, read.on) == ("Jira", ("opened", "worse", "over"))
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

"""Patches of Kubernetes: what an API server is asked, checked against the schemas of the kinds, and asked twice.

No cluster runs here. The requests are those of https://kubernetes.io/docs/reference/using-api/api-concepts/ and, of
Argo Rollouts, those of ``kubectl argo rollouts abort``.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from driftline_processor.demo.peers.recorder import Asked, Service, service
from driftline_processor.policy.actions import kubernetes
from driftline_processor.policy.actions.kubernetes import known_kinds, patch_problems
from driftline_processor.policy.message import Message
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.facts import lacking
from tests.support.ordered_actions import action, order

NAME = "kubernetes/rollback"
ROLLOUTS = "/apis/argoproj.io/v1alpha1/namespaces/models/rollouts"
SERVICES = "/apis/serving.kserve.io/v1beta1/namespaces/models/inferenceservices"
SELDON = "/apis/machinelearning.seldon.io/v1/namespaces/models/seldondeployments"
DEPLOYMENTS = "/apis/apps/v1/namespaces/models/deployments"


class Cluster:
    """An API server.

    Attributes:
        resources: What there is, by address.
        schema: What patches of type ``merge`` have to fit.
        subresources: Whether resources have any.
    """

    def __init__(self, schema: Any = None, **resources: Any) -> None:
        self.resources: dict[str, Any] = resources
        self.schema, self.subresources = schema, True

    def __call__(self, asked: Asked) -> tuple[int, Any]:
        assert asked.headers["authorization"] == "Bearer secret-7"
        if asked.path == "/apis/apps/v1":
            kinds = [{"name": "deployments/scale", "kind": "Scale"}, {"name": "deployments", "kind": "Deployment"}]
            return 200, {"kind": "APIResourceList", "resources": kinds}
        path = asked.path.removesuffix("/status").removesuffix("/scale")
        found = self.resources.get(path)
        if found is None or (path != asked.path and not self.subresources):
            return 404, {"kind": "Status", "status": "Failure", "reason": "NotFound"}
        if asked.method == "GET":
            return 200, found
        assert asked.method == "PATCH"
        assert asked.query == {"fieldManager": "driftline", "fieldValidation": "Strict"}
        kind = asked.headers["content-type"]
        if kind == "application/json-patch+json":
            changed = self._by_operations(found, asked.json)
            if changed is None:
                return 422, {"kind": "Status", "reason": "Invalid"}
        else:
            assert kind in ("application/merge-patch+json", "application/strategic-merge-patch+json")
            if self.schema is not None:
                jsonschema.validate(asked.json, self.schema)
            changed = merged(found, asked.json)
        if changed != found:
            changed["metadata"]["generation"] += 1
        self.resources[path] = changed
        return 200, changed

    def _by_operations(self, found: Any, operations: Any) -> Any:
        found = json.loads(json.dumps(found))
        for one in operations:
            *way, last = one["path"].lstrip("/").split("/")
            place = found
            for step in way:
                place = place[int(step) if isinstance(place, list) else step]
            if one["op"] == "test" and place.get(last) != one["value"]:
                return None
            if one["op"] in ("add", "replace"):
                place[last] = one["value"]
        return found


def merged(found: Any, patch: Any) -> Any:
    """Apply a merge patch (RFC 7396)."""
    if not isinstance(patch, dict):
        return patch
    kept = dict(found) if isinstance(found, dict) else {}
    for name, value in patch.items():
        if value is None:
            kept.pop(name, None)
        else:
            kept[name] = merged(kept.get(name), value)
    return kept


def resource(**more: Any) -> Any:
    return {"metadata": {"name": "churn", "generation": 1}, **more}


def sent(there: Service, *messages: Message, **keys: Any) -> list[tuple[str, str]]:
    """Return what becomes of messages; each goes to an action that knows nothing of those before."""
    answers = []
    all_keys = {"server": there.url, "token": "secret-7", "namespace": "models", "name": "churn", **keys}
    for message in messages:
        with action(NAME, **all_keys) as made:
            answers.append(made.send(message))
    return [(one.result, one.detail) for one in answers]


@pytest.mark.parametrize("subresources", [True, False])
def test_a_rollout_is_aborted_once(subresources: bool) -> None:
    cluster = Cluster(known_kinds()["Rollout"].schema, **{f"{ROLLOUTS}/churn": resource(spec={"paused": False})})
    cluster.subresources = subresources
    with service(cluster) as there:
        answers = sent(there, order(NAME), order(NAME), kind="Rollout")
    assert {result for result, _ in answers} == {"delivered"}
    assert [lacking(detail, "Rollout churn", "models", "generation 2") for _, detail in answers] == [[], []]
    assert cluster.resources[f"{ROLLOUTS}/churn"] == {
        "metadata": {"name": "churn", "generation": 2},
        "spec": {"paused": False},
        "status": {"abort": True},
    }
    lines = [f"PATCH {ROLLOUTS}/churn/status"] + [f"PATCH {ROLLOUTS}/churn"] * (not subresources)
    assert there.lines == lines * 2


def test_a_canary_of_kserve_gets_no_traffic() -> None:
    before = resource(spec={"predictor": {"model": {"storageUri": "s3://x"}, "canaryTrafficPercent": 20}})
    cluster = Cluster(known_kinds()["InferenceService"].schema, **{f"{SERVICES}/churn": before})
    with service(cluster) as there:
        sent(there, order(NAME), order(NAME), kind="InferenceService")
    predictor = cluster.resources[f"{SERVICES}/churn"]["spec"]["predictor"]
    assert predictor == {"model": {"storageUri": "s3://x"}, "canaryTrafficPercent": 0}
    assert there.lines == [f"PATCH {SERVICES}/churn"] * 2


def test_the_traffic_of_seldon_is_set_by_the_names_of_predictors() -> None:
    graph = {"name": "classifier"}
    predictors = [{"name": "canary", "graph": graph, "traffic": 30}, {"name": "main", "graph": graph}]
    cluster = Cluster(**{f"{SELDON}/churn": resource(spec={"predictors": predictors})})
    with service(cluster) as there:
        answers = sent(there, order(NAME), order(NAME), kind="SeldonDeployment", traffic={"main": 100, "canary": 0})
    assert {result for result, _ in answers} == {"delivered"}
    assert [lacking(detail, "SeldonDeployment churn", "models", "generation 2") for _, detail in answers] == [[], []]
    changed = cluster.resources[f"{SELDON}/churn"]["spec"]
    assert [(one["name"], one["traffic"]) for one in changed["predictors"]] == [("canary", 0), ("main", 100)]
    jsonschema.validate({"spec": changed}, known_kinds()["SeldonDeployment"].schema)


def test_a_predictor_that_is_not_there_is_refused() -> None:
    cluster = Cluster(**{f"{SELDON}/churn": resource(spec={"predictors": [{"name": "main"}]})})
    with service(cluster) as there:
        answers = sent(there, order(NAME), kind="SeldonDeployment", traffic={"man": 100})
    assert [result for result, _ in answers] == ["refused"]
    assert lacking(answers[0][1], " man;", "main") == []
    assert [one.method for one in there.asked] == ["GET"]


def test_any_kind_is_patched_and_the_server_says_how_addresses_name_it() -> None:
    cluster = Cluster(**{f"{DEPLOYMENTS}/churn": resource(spec={"replicas": 3})})
    keys = {"kind": "Deployment", "api_version": "apps/v1", "patch": {"spec": {"paused": True}}}
    with service(cluster) as there:
        answers = sent(there, order(NAME), patch_type="strategic", **keys)
    assert [result for result, _ in answers] == ["delivered"]
    assert lacking(answers[0][1], "Deployment churn", "models", "generation 2") == []
    assert there.lines == ["GET /apis/apps/v1", f"PATCH {DEPLOYMENTS}/churn"]
    assert there.asked[-1].headers["content-type"] == "application/strategic-merge-patch+json"


def test_a_subresource_is_patched_in_place_of_the_whole() -> None:
    cluster = Cluster(**{f"{DEPLOYMENTS}/churn": resource(spec={"replicas": 3})})
    keys: dict[str, Any] = {"kind": "Deployment", "api_version": "apps/v1", "patch": {"spec": {"replicas": 0}}}
    with service(cluster) as there:
        ((result, _),) = sent(there, order(NAME), subresource="scale", **keys)
    assert result == "delivered"
    assert there.asked[-1].path == f"{DEPLOYMENTS}/churn/scale"


def test_facts_stand_in_names_and_patches() -> None:
    cluster = Cluster(**{f"{ROLLOUTS}/churn-payments": resource()})
    patch = {"metadata": {"annotations": {"why": "{title}"}}}
    with service(cluster) as there:
        sent(there, order(NAME, model="churn"), kind="Rollout", name="{model}-{owner}", patch=patch)
    assert there.asked[0].json == {"metadata": {"annotations": {"why": "churn is degraded since 4 November 2026"}}}


@pytest.mark.parametrize(
    "name", ["../secrets/x", "a/b", "", "Churn", "a" * 254, "a?x=1", "-a", "ch\nurn", "a%2fb", "ä"]
)
def test_a_name_that_is_none_of_kubernetes_is_refused_and_nothing_is_asked(name: str) -> None:
    with service(Cluster()) as there:
        ((result, said),) = sent(there, order(NAME, model=name), kind="Rollout", name="{model}")
        ((other, _),) = sent(there, order(NAME, model=name), kind="Rollout", namespace="{model}")
    assert (result, other, there.asked) == ("refused", "refused", [])
    assert "is not a name of a resource" in said


def test_a_kind_that_the_server_does_not_know_is_put_off() -> None:
    with service(Cluster()) as there:
        keys: dict[str, Any] = {"kind": "Deploymnt", "api_version": "apps/v1", "patch": {"spec": {}}}
        ((result, detail),) = sent(there, order(NAME), **keys)
    assert result == "put_off"
    assert lacking(detail, "apps/v1", "Deploymnt") == []


@pytest.mark.parametrize(("status", "result"), [(404, "refused"), (403, "put_off"), (409, "put_off"), (422, "refused")])
def test_what_the_server_says_is_quoted_without_the_token(status: int, result: str) -> None:
    with service(lambda asked: (status, f"no {asked.headers['authorization']}")) as there:
        assert sent(there, order(NAME), kind="InferenceService") == [(result, f"HTTP {status} no Bearer ***")]


def test_a_pod_finds_its_server_and_reads_its_token_each_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kubernetes, "ACCOUNT", tmp_path)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "9")
    keys: dict[str, Any] = {"kind": "Rollout", "namespace": "models", "name": "churn"}
    with action(NAME, **keys) as made:
        assert made.send(order(NAME)).detail.startswith(f"{tmp_path}/ca.crt: ")
    with service(Cluster(**{f"{ROLLOUTS}/churn": resource()})) as there:
        (tmp_path / "token").write_text("secret-6\n")
        file: dict[str, Any] = {"server": there.url, "token_file": str(tmp_path / "token"), **keys}
        with action(NAME, **file) as made:
            (tmp_path / "token").write_text("secret-7\n")
            assert made.send(order(NAME)).result == "delivered"
            (tmp_path / "token").write_text("no token\n")
            assert made.send(order(NAME)).detail == f"{tmp_path}/token: contains no token"


def test_outside_of_a_cluster_it_says_what_is_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    monkeypatch.setattr(kubernetes, "ACCOUNT", tmp_path)
    with action(NAME, kind="Rollout", namespace="models", name="churn") as made:
        answer = made.send(order(NAME))
    assert (answer.result, answer.detail) == (
        "put_off",
        "Driftline does not run in a pod of Kubernetes; set server and token",
    )


def test_a_dry_run_says_the_patch_and_whose_schema_it_fits() -> None:
    with service(Cluster()) as there:
        found = [
            sent(there, order(NAME), dry_run=True, **keys)[0][1]
            for keys in (
                {"kind": "Rollout"},
                {"kind": "SeldonDeployment", "traffic": {"main": 100}},
                {"kind": "Deployment", "api_version": "apps/v1", "patch": {"spec": {"paused": True}}},
            )
        ]
    assert there.asked == []
    assert found == [
        "would patch Rollout churn in models (schema of argoproj.io/v1alpha1 at commit 009ba6ba): merge patch "
        '{"status": {"abort": true}}',
        "would patch SeldonDeployment churn in models (schema of machinelearning.seldon.io/v1 at commit 00908a96): "
        'traffic {"main": 100}',
        "would patch Deployment churn in models (its schema is not available here): merge patch "
        '{"spec": {"paused": true}}',
    ]


@pytest.mark.parametrize("kind", [*known_kinds().values()], ids=[*known_kinds()])
def test_a_rollback_fits_the_schema_of_its_kind(kind: Any) -> None:
    jsonschema.Draft202012Validator.check_schema(kind.schema)
    if kind.rollback:
        jsonschema.validate(kind.rollback["patch"], kind.schema)
        assert [*patch_problems(kind.schema, kind.rollback["patch"])] == []


VALUES: st.SearchStrategy[Any] = st.one_of(
    st.booleans(), st.integers(-5, 200), st.just("text"), st.builds(dict), st.builds(list)
)
NAMES = st.sampled_from(
    ["spec", "status", "predictor", "canaryTrafficPercent", "replicas", "paused", "abort", "pasued"]
)
PATCHES = st.recursive(VALUES, lambda inner: st.dictionaries(NAMES, inner, max_size=3), max_leaves=6)


@pytest.mark.slow
@settings(max_examples=60)
@given(kind=st.sampled_from([*known_kinds()]), patch=st.dictionaries(NAMES, PATCHES, max_size=3))
def test_the_check_at_the_start_agrees_with_json_schema(kind: str, patch: Any) -> None:
    schema = known_kinds()[kind].schema
    fits = jsonschema.Draft202012Validator(schema).is_valid(patch)
    assert fits == (not [*patch_problems(schema, patch)])

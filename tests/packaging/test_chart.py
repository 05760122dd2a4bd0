"""The chart: its values are checked, and the plain manifests are what it renders."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml
from driftline_processor.config.capabilities import CAPABILITIES

from tests.support.paths import ROOT

CHART = ROOT / "otel-config/helm/driftline"
VALUES = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
SCHEMA = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
HELM = next((path for path in (str(ROOT / ".peers/helm"), shutil.which("helm")) if path and Path(path).exists()), None)
EVERYTHING: dict[str, Any] = {
    "image": {"repository": "registry.example.com/driftline", "digest": f"sha256:{'a' * 64}"},
    "imagePullSecrets": [{"name": "registry"}],
    "existingTokenSecret": "tokens-of-ours",
    "tls": {"existingSecret": "tls-of-ours", "clientCertificates": True},
    "serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}},
    "networkPolicy": {"otlpFrom": [{"namespaceSelector": {}}], "egress": [{"ports": [{"port": 443}]}]},
    "persistence": {"size": "1Gi", "storageClass": "fast"},
    "env": [{"name": "A", "value": "b"}],
    "envFrom": [{"secretRef": {"name": "more"}}],
    "extraVolumes": [{"name": "more", "emptyDir": {}}],
    "extraVolumeMounts": [{"name": "more", "mountPath": "/more"}],
    "podLabels": {"team": "ml"},
    "podAnnotations": {"note": "yes"},
    "nodeSelector": {"disk": "ssd"},
    "tolerations": [{"operator": "Exists"}],
    "affinity": {"nodeAffinity": {}},
    "priorityClassName": "high",
    "config": {"web": {"public_url": "https://drift.example.com"}},
}


def test_the_schema_accepts_the_values_and_has_every_one() -> None:
    jsonschema.validate(VALUES, SCHEMA)
    jsonschema.validate({**VALUES, **EVERYTHING}, SCHEMA)
    assert VALUES.keys() | {"global"} == SCHEMA["properties"].keys()


@pytest.mark.parametrize(
    "wrong",
    [
        {"tokens": [{"name": "a", "may": ["everything"]}]},
        {"image": {"repository": "driftline", "tag": "latest"}},
        {"replicas": 2},
        {"tokenDigests": {"a": "the token itself"}},
        {"podDisruptionBudget": {"maxUnavailable": 2}},
        {"persistence": {"size": "much"}},
    ],
)
def test_the_schema_refuses(wrong: dict[str, Any]) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**VALUES, **wrong}, SCHEMA)


def test_the_schema_has_the_capabilities_of_the_processor() -> None:
    assert SCHEMA["definitions"]["capability"]["enum"] == [*CAPABILITIES, "all"]


def test_the_versions_agree() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text(encoding="utf-8"))
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert f'\nversion = "{chart["version"]}"\n' in text
    assert chart["appVersion"] == chart["version"]


def render(*arguments: str) -> list[dict[str, Any]]:
    command = [str(HELM), "template", "other", str(CHART), "--namespace", "ml", "--kube-version", "1.31.0", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [document for document in yaml.safe_load_all(done.stdout) if document]


@pytest.mark.interop
@pytest.mark.skipif(HELM is None, reason="helm is missing: make interop")
def test_helm_lints_the_chart() -> None:
    done = subprocess.run([str(HELM), "lint", "--strict", str(CHART)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.interop
@pytest.mark.skipif(HELM is None, reason="helm is missing: make interop")
def test_the_plain_manifests_are_rendered_from_the_chart(tmp_path: Path) -> None:
    subprocess.run(["sh", str(ROOT / "scripts/render_manifests.sh"), str(tmp_path)], check=True)
    rendered = sorted(tmp_path.glob("*.yaml"))
    assert len(rendered) == 6
    for path in rendered:
        committed = ROOT / "otel-config/kubernetes" / path.name
        assert committed.read_text(encoding="utf-8") == path.read_text(encoding="utf-8"), "run make manifests"


@pytest.mark.interop
@pytest.mark.skipif(HELM is None, reason="helm is missing: make interop")
def test_every_value_reaches_a_valid_object(tmp_path: Path) -> None:
    values = tmp_path / "values.yaml"
    values.write_text(yaml.safe_dump(EVERYTHING), encoding="utf-8")
    objects = render("--values", str(values))
    for one in objects:
        if one["kind"] != "ServiceMonitor":
            kubernetes_validate.validate(one, "1.31", strict=True)
    text = yaml.safe_dump_all(objects)
    for word in (
        "tokens-of-ours",
        "tls-of-ours",
        "client_ca_file",
        "drift.example.com",
        "sha256:aaaa",
        "fast",
        "high",
        "/more",
    ):
        assert word in text
    kinds = {one["kind"] for one in objects}
    assert "ServiceMonitor" in kinds
    assert "Secret" not in kinds


@pytest.mark.interop
@pytest.mark.skipif(HELM is None, reason="helm is missing: make interop")
def test_digests_make_a_secret_and_without_tls_the_probes_use_http() -> None:
    objects = render("--set", f"tokenDigests.collector={'a' * 64}", "--set", "tls.existingSecret=")
    (secret,) = [one for one in objects if one["kind"] == "Secret"]
    assert secret["stringData"] == {"collector": "a" * 64}
    (workload,) = [one for one in objects if one["kind"] == "StatefulSet"]
    assert workload["spec"]["template"]["spec"]["containers"][0]["readinessProbe"]["httpGet"]["scheme"] == "HTTP"

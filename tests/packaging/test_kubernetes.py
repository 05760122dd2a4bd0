"""The manifests are valid, run one writer without privileges, and give it a configuration that it accepts."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from driftline_processor.config.schema import Config, load

from tests.packaging.configuration import load_with_files
from tests.support.paths import ROOT

FOLDER = ROOT / "otel-config/kubernetes"
SIDECAR = ROOT / "otel-config/sidecar.yaml"
MANIFESTS = [path for path in sorted(FOLDER.glob("*.yaml")) if path.name != "kustomization.yaml"]


def documents(path: Path) -> list[dict[str, Any]]:
    return [document for document in yaml.safe_load_all(path.read_text(encoding="utf-8")) if document]


def every_object() -> dict[tuple[str, str], dict[str, Any]]:
    """Return the objects of all manifests by kind and name."""
    return {(one["kind"], one["metadata"]["name"]): one for path in MANIFESTS for one in documents(path)}


def pods() -> list[tuple[str, dict[str, Any]]]:
    objects = every_object().items()
    return [
        (name, one["spec"]["template"]["spec"])
        for (kind, name), one in objects
        if kind.endswith("Set") or kind == "Deployment"
    ]


def sidecar() -> dict[str, Any]:
    """Return the pod of the service with a sidecar."""
    (deployment,) = documents(SIDECAR)
    pod: dict[str, Any] = deployment["spec"]["template"]["spec"]
    return pod


@pytest.mark.parametrize("path", [*MANIFESTS, SIDECAR], ids=lambda path: path.name)
def test_every_manifest_is_valid_for_kubernetes(path: Path) -> None:
    for document in documents(path):
        if document["kind"] != "ServiceMonitor":  # of Prometheus Operator
            kubernetes_validate.validate(document, "1.31", strict=True)


def test_an_unknown_field_is_found() -> None:
    document = every_object()["StatefulSet", "driftline"]
    document["spec"]["replica"] = 1
    with pytest.raises(kubernetes_validate.ValidationError, match="replica"):
        kubernetes_validate.validate(document, "1.31", strict=True)


def test_kustomize_applies_every_manifest_but_the_examples() -> None:
    resources = yaml.safe_load((FOLDER / "kustomization.yaml").read_text(encoding="utf-8"))["resources"]
    assert sorted(resources) == sorted(path.name for path in MANIFESTS if ".example." not in path.name)


def test_there_is_one_writer() -> None:
    spec = every_object()["StatefulSet", "driftline"]["spec"]
    assert spec["replicas"] == 1
    assert spec["volumeClaimTemplates"][0]["spec"]["accessModes"] == ["ReadWriteOncePod"]
    assert spec["persistentVolumeClaimRetentionPolicy"] == {"whenDeleted": "Retain", "whenScaled": "Retain"}
    assert not [kind for kind, _ in every_object() if kind == "HorizontalPodAutoscaler"]


@pytest.mark.parametrize(("name", "pod"), [*pods(), ("sidecar", sidecar())])
def test_pods_run_without_root_and_privileges(name: str, pod: dict[str, Any]) -> None:
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] > 0
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is False
    for container in (*pod["containers"], *pod.get("initContainers", ())):
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert {"livenessProbe", "readinessProbe"} <= container.keys()
        assert container["resources"]["limits"]["memory"] == container["resources"]["requests"]["memory"]
        assert not container["image"].endswith(":latest"), name
        assert ":" in container["image"]


def configuration(folder: Path) -> Config:
    """Load driftline.yaml of the ConfigMap with files where the pod mounts its Secrets."""
    text = every_object()["ConfigMap", "driftline"]["data"]["driftline.yaml"]
    return load_with_files(text, "/etc/driftline/", folder)


def test_the_configuration_is_accepted_and_asks_everybody_for_a_token_over_tls(tmp_path: Path) -> None:
    config = configuration(tmp_path)
    assert config.auth.enabled
    assert not config.insecure_anonymous
    text = every_object()["ConfigMap", "driftline"]["data"]["driftline.yaml"]
    tree = yaml.safe_load(text)
    protocols = tree["receivers"]["otlp"]["protocols"]
    for listener in (protocols["grpc"], protocols["http"], tree["web"]):
        assert listener["tls"] == {
            "cert_file": "/etc/driftline/tls/tls.crt",
            "key_file": "/etc/driftline/tls/tls.key",
            "reload_interval": "60s",
        }


def test_the_state_is_a_directory_that_the_processor_makes_in_the_volume() -> None:
    text = every_object()["ConfigMap", "driftline"]["data"]["driftline.yaml"]
    directory = Path(yaml.safe_load(text)["storage"]["directory"])
    mounts = dict(pods())["driftline"]["containers"][0]["volumeMounts"]
    assert [mount["mountPath"] for mount in mounts if mount["name"] == "state"] == [str(directory.parent)]


def test_prometheus_finds_the_service_its_certificate_and_its_token() -> None:
    objects = every_object()
    spec = objects["ServiceMonitor", "driftline"]["spec"]
    services = [one for (kind, _), one in objects.items() if kind == "Service"]
    wanted = spec["selector"]["matchLabels"].items()
    (refused,) = spec["selector"]["matchExpressions"]
    found = [one for one in services if wanted <= one["metadata"]["labels"].items()]
    (service,) = [one for one in found if refused["key"] not in one["metadata"]["labels"]]
    (endpoint,) = spec["endpoints"]
    assert endpoint["port"] in {port["name"] for port in service["spec"]["ports"]}
    host = endpoint["tlsConfig"]["serverName"]
    assert host == f"{service['metadata']['name']}.{service['metadata']['namespace']}.svc"
    for reference in (endpoint["tlsConfig"]["ca"]["secret"], endpoint["authorization"]["credentials"]):
        assert reference["key"] in objects["Secret", reference["name"]]["stringData"]
    policy = objects["NetworkPolicy", "driftline-monitoring"]["spec"]
    pod = objects["StatefulSet", "driftline"]["spec"]["template"]["metadata"]["labels"]
    assert policy["podSelector"]["matchLabels"].items() <= pod.items()
    assert [port["port"] for rule in policy["ingress"] for port in rule["ports"]] == [endpoint["port"]]


def test_the_ports_are_the_defaults_of_the_processor(tmp_path: Path) -> None:
    ports = sorted(address.port for _, address in load().listeners)
    assert sorted(address.port for _, address in configuration(tmp_path).listeners) == ports
    assert sorted(port["port"] for port in every_object()["Service", "driftline"]["spec"]["ports"]) == ports
    container = dict(pods())["driftline"]["containers"][0]
    assert sorted(port["containerPort"] for port in container["ports"]) == ports
    assert {container[probe]["httpGet"]["scheme"] for probe in ("startupProbe", "livenessProbe", "readinessProbe")} == {
        "HTTPS"
    }


def test_the_container_has_room_beyond_the_limit_of_memory(tmp_path: Path) -> None:
    limit = dict(pods())["driftline"]["containers"][0]["resources"]["limits"]["memory"]
    assert int(limit.removesuffix("Mi")) * 2**20 - configuration(tmp_path).limits.memory >= 512 * 2**20


def test_the_volume_has_room_for_the_file_twice_and_the_log(tmp_path: Path) -> None:
    claim = every_object()["StatefulSet", "driftline"]["spec"]["volumeClaimTemplates"][0]
    size = int(claim["spec"]["resources"]["requests"]["storage"].removesuffix("Gi")) * 2**30
    storage = configuration(tmp_path).storage
    assert storage.max_size is not None
    assert size >= 2 * storage.max_size + storage.log.max_size


def test_a_pod_has_longer_to_stop_than_the_processor_takes(tmp_path: Path) -> None:
    grace = dict(pods())["driftline"]["terminationGracePeriodSeconds"]
    assert grace > configuration(tmp_path).shutdown.timeout.total_seconds()


def test_every_secret_that_is_named_has_an_example_with_its_keys() -> None:
    secrets = {name: one for (kind, name), one in every_object().items() if kind == "Secret"}
    for name, pod in pods():
        mounted = [volume["secret"]["secretName"] for volume in pod["volumes"] if "secret" in volume]
        assert set(mounted) <= secrets.keys(), name
    tokens = yaml.safe_load(every_object()["ConfigMap", "driftline"]["data"]["driftline.yaml"])["auth"]["tokens"]
    assert secrets["driftline-tokens"]["stringData"].keys() == {token["name"] for token in tokens}


@pytest.mark.slow
def test_the_script_makes_every_secret_of_the_examples(tmp_path: Path) -> None:
    recorded = tmp_path / "kubectl.log"
    tool = tmp_path / "bin/kubectl"
    tool.parent.mkdir()
    sent = tmp_path / "sent"
    tool.write_text(
        f'#!/bin/sh\necho "$@" >>{recorded}\n'
        f'for word; do case $word in --from-file=token=*) cat "${{word##*=}}" >{sent} ;; esac; done\n',
        encoding="utf-8",
    )
    tool.chmod(0o700)
    path = f"{tool.parent}:{ROOT / '.venv/bin'}:/usr/bin:/bin"
    command = ["sh", str(FOLDER / "create_secrets.sh"), str(tmp_path / "secrets")]
    for _ in range(2):  # a second time makes no new tokens
        subprocess.run(command, env={"PATH": path, "HOME": str(tmp_path)}, check=True, capture_output=True)
    lines = recorded.read_text(encoding="utf-8").splitlines()
    made = {line.split()[3] for line in lines if line.startswith("create secret generic")}
    assert made == {name for kind, name in every_object() if kind == "Secret"}
    tokens = {path.stem for path in (tmp_path / "secrets/tokens").glob("*.token")}
    assert tokens == {"collector", "labels", "prometheus", "operator", "shop"}
    token = (tmp_path / "secrets/tokens/prometheus.token").read_text(encoding="ascii")
    assert sent.read_text(encoding="ascii") == token.strip()  # Prometheus Operator sends an end of line, too


@pytest.mark.slow
def test_the_script_goes_on_after_an_interruption_and_in_another_namespace(tmp_path: Path) -> None:
    applied, folder = tmp_path / "applied", tmp_path / "secrets"
    tool = tmp_path / "bin/kubectl"
    tool.parent.mkdir()
    tool.write_text(f'#!/bin/sh\n[ "$1" != apply ] || cat >>{applied}\n', encoding="utf-8")
    tool.chmod(0o700)
    (folder / "driftline").mkdir(parents=True)  # an earlier run ended here
    path = f"{tool.parent}:{ROOT / '.venv/bin'}:/usr/bin:/bin"
    command = ["sh", str(FOLDER / "create_secrets.sh"), str(folder)]
    environment = {"PATH": path, "HOME": str(tmp_path), "NAMESPACE": "ml"}
    subprocess.run(command, env=environment, check=True, capture_output=True)
    authorities = {file.read_bytes() for file in folder.glob("**/ca.crt")}
    assert {file.parent.name for file in folder.glob("*/tls.crt")} == {"driftline", "collector"}
    assert len(authorities) == 1
    assert [file.parent for file in folder.glob("**/ca.key")] == [folder]
    assert yaml.safe_load(applied.read_text(encoding="utf-8"))["metadata"]["name"] == "ml"


def test_certificates_are_not_renewed_by_a_new_authority_unless_the_old_one_is_removed(tmp_path: Path) -> None:
    command = ["sh", str(ROOT / "otel-config/make_certificates.sh"), str(tmp_path), "localhost"]
    subprocess.run(command, check=True)
    authority = (tmp_path / "ca.crt").read_bytes()
    (tmp_path / "ca.key").unlink()
    again = subprocess.run(command, capture_output=True, text=True)
    assert (again.returncode, (tmp_path / "ca.crt").read_bytes()) == (2, authority)
    assert "ca.crt has no ca.key beside it" in again.stderr


def test_the_budget_lets_a_node_be_drained() -> None:
    assert every_object()["PodDisruptionBudget", "driftline"]["spec"]["maxUnavailable"] == 1


def test_the_network_policy_names_the_ports_and_allows_dns_only_outwards() -> None:
    spec = every_object()["NetworkPolicy", "driftline"]["spec"]
    assert spec["policyTypes"] == ["Ingress", "Egress"]
    ports = {port["port"] for rule in spec["ingress"] for port in rule["ports"]}
    assert ports == {"otlp-grpc", "otlp-http", "web"}
    assert [port["port"] for rule in spec["egress"] for port in rule["ports"]] == [53, 53]


def test_the_sidecar_runs_the_agent_with_the_collector_of_the_gateway_and_ends_after_the_service() -> None:
    pod = sidecar()
    (agent,) = pod["initContainers"]
    assert agent["restartPolicy"] == "Always"
    assert agent["image"] == dict(pods())["collector"]["containers"][0]["image"]
    assert agent["args"] == ["--config=/etc/agent/agent.yaml"]
    mounts = {mount["name"]: mount["mountPath"] for mount in agent["volumeMounts"]}
    assert mounts == {"agent-config": "/etc/agent", "agent-secrets": "/etc/driftline"}
    text = (ROOT / "otel-config/agent.yaml").read_text(encoding="utf-8")
    named = dict(re.findall(r"\$\{env:(\w+):-([^}]*)\}", text))
    assert f"{named['AGENT_SECRETS']}/" == f"{mounts['agent-secrets']}/"
    (gateway,) = [
        port for port in every_object()["Service", "collector"]["spec"]["ports"] if port["name"] == "otlp-grpc"
    ]
    assert named["GATEWAY"] == f"collector.driftline.svc:{gateway['port']}"
    (service,) = pod["containers"]
    endpoints = [one["value"] for one in service["env"] if one["name"] == "OTEL_EXPORTER_OTLP_ENDPOINT"]
    assert endpoints == [f"http://{named['COLLECTOR_HTTP']}"]
    limiter = yaml.safe_load(text)["processors"]["memory_limiter"]["limit_mib"]
    assert limiter < int(agent["resources"]["limits"]["memory"].removesuffix("Mi"))

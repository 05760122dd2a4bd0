"""compose.yaml: every file that it mounts exists, every service is confined, and everybody needs a token and TLS."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from driftline_processor.config.schema import load

from tests.packaging.configuration import load_with_files
from tests.support.paths import ROOT
from tests.support.promtool import PROMTOOLS

COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
FOLDER = ROOT / "otel-config/compose"
PROMTOOL = next((path for path in PROMTOOLS.values() if path and Path(path).exists()), None)


@pytest.mark.parametrize("name", SERVICES)
def test_every_mount_is_a_file_of_the_repository_or_a_volume(name: str) -> None:
    for mount in SERVICES[name].get("volumes", []):
        source, _, _ = mount.partition(":")
        if source.startswith("./"):
            assert (ROOT / source).exists(), mount
            assert mount.endswith(":ro"), mount
        else:
            assert source in COMPOSE["volumes"], mount


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_is_confined(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert {"cpus", "memory"} == service["deploy"]["resources"]["limits"].keys()
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))
    assert not service["image"].endswith(":latest")
    assert ":" in service["image"]


def test_only_the_step_that_makes_secrets_is_root_and_it_has_no_network() -> None:
    assert [name for name, service in SERVICES.items() if str(service.get("user", "")).startswith("0")] == ["init"]
    assert SERVICES["init"]["network_mode"] == "none"
    for name, service in SERVICES.items():
        if any(mount.startswith("secrets") for mount in service.get("volumes", [])) and name != "init":
            assert service["depends_on"]["init"] == {"condition": "service_completed_successfully"}


def test_who_sends_to_the_processor_waits_until_it_is_healthy() -> None:
    for name in ("collector", "prometheus", "shop"):
        assert SERVICES[name]["depends_on"]["driftline"] == {"condition": "service_healthy"}


def secrets(folder: Path) -> Path:
    """Run the init step with a folder in place of its volumes; return the folder."""
    for name in ("driftline", "collector", "prometheus", "grafana", "shop", "people", "init", "bin"):
        (folder / name).mkdir()
    for name in ("make_certificates.sh", "jaeger-ui.json"):
        shutil.copy(ROOT / "otel-config" / name, folder / "init")
    shutil.copytree(ROOT / "otel-config/grafana/dashboards", folder / "init/dashboards")
    (folder / "bin/chown").write_text("#!/bin/sh\n", encoding="ascii")  # not everybody may
    (folder / "bin/chown").chmod(0o700)
    text = (FOLDER / "init.sh").read_text(encoding="utf-8")
    for place in ("/init", "/links", "/secrets"):
        text = re.sub(rf"(?<=[ \"]){place}\b", f"{folder}{place.removeprefix('/secrets')}", text)
    script = folder / "init/init.sh"
    script.write_text(text, encoding="utf-8")
    path = f"{folder / 'bin'}:{ROOT / '.venv/bin'}:{os.environ['PATH']}"
    for _ in range(2):  # the second time changes nothing
        subprocess.run(["sh", str(script)], env={"PATH": path, "HOME": str(folder)}, check=True)
    return folder


@pytest.mark.slow
def test_the_init_step_gives_each_service_what_it_needs_and_nothing_else(tmp_path: Path) -> None:
    made = secrets(tmp_path)
    found = {
        name: {path.name for path in (made / name).iterdir()}
        for name in ("driftline", "collector", "prometheus", "shop", "people")
    }
    tokens = yaml.safe_load((FOLDER / "driftline.yaml").read_text(encoding="utf-8"))["auth"]["tokens"]
    assert found == {
        "driftline": {"ca.crt", "tls.crt", "tls.key", *(f"{token['name']}.sha256" for token in tokens)},
        "collector": {"ca.crt", "tls.crt", "tls.key", "shop.token", "collector.token"},
        "prometheus": {"ca.crt", "prometheus.token"},
        "shop": {"ca.crt", "shop.token", "labels.token"},
        "people": {"ca.crt", "grafana.password", "operator.token"},
    }
    assert [path for path in made.rglob("*.token") if path.stat().st_mode & 0o077] == []
    assert [path for path in made.rglob("*.key") if path.stat().st_mode & 0o077] == []
    token = (made / "collector/collector.token").read_text(encoding="ascii").strip()
    assert (made / "driftline/collector.sha256").read_text(encoding="ascii").strip() == hashlib.sha256(
        token.encode()
    ).hexdigest()


@pytest.mark.slow
def test_dashboards_and_traces_lead_to_the_pages(tmp_path: Path) -> None:
    pages = yaml.safe_load((FOLDER / "driftline.yaml").read_text(encoding="utf-8"))["web"]["public_url"]
    files = sorted((secrets(tmp_path) / "links").rglob("*.json"))
    assert len(files) == 1 + len(list((ROOT / "otel-config/grafana/dashboards").glob("*.json")))
    for file in files:
        text = file.read_text(encoding="utf-8")
        assert set(re.findall(r"https?://[\w.]+:8780", text)) == {pages}, file.name
        assert file.stat().st_mode & 0o044 == 0o044  # the users of Grafana and Jaeger read them


def test_the_processor_accepts_its_configuration_on_its_default_ports(tmp_path: Path) -> None:
    text = (FOLDER / "driftline.yaml").read_text(encoding="utf-8")
    config = load_with_files(text, "/secrets/", tmp_path)
    ports = [address.port for _, address in load().listeners]
    assert [address.port for _, address in config.listeners] == ports
    assert config.auth.enabled
    assert "driftline" in config.allowed_hosts
    memory = SERVICES["driftline"]["deploy"]["resources"]["limits"]["memory"]
    assert int(memory.removesuffix("M")) * 2**20 - config.limits.memory >= 512 * 2**20
    grace = SERVICES["driftline"]["stop_grace_period"]
    assert int(grace.removesuffix("s")) > config.shutdown.timeout.total_seconds()


def test_the_collector_sends_with_tls_and_a_token_and_asks_for_both() -> None:
    collector = yaml.safe_load((FOLDER / "collector.yaml").read_text(encoding="utf-8"))
    for protocol in collector["receivers"]["otlp"]["protocols"].values():
        assert {"tls", "auth"} <= protocol.keys()
    exporter = collector["exporters"]["otlp_grpc/driftline"]
    assert exporter["tls"] == {"ca_file": "/secrets/ca.crt"}
    assert exporter["auth"]["authenticator"] in collector["extensions"]
    named = {name for pipeline in collector["service"]["pipelines"].values() for name in pipeline["exporters"]}
    assert named == collector["exporters"].keys()


@pytest.mark.skipif(PROMTOOL is None, reason="neither Prometheus nor make interop is there")
def test_prometheus_accepts_its_configuration(tmp_path: Path) -> None:
    text = (FOLDER / "prometheus.yml").read_text(encoding="utf-8")
    for name in ("ca.crt", "prometheus.token"):
        (tmp_path / name).write_text("", encoding="ascii")
    shutil.copy(ROOT / "otel-config/driftline.rules.yml", tmp_path)
    file = tmp_path / "prometheus.yml"
    file.write_text(
        text.replace("/secrets/", f"{tmp_path}/").replace("/etc/prometheus/", f"{tmp_path}/"), encoding="utf-8"
    )
    done = subprocess.run([str(PROMTOOL), "check", "config", str(file)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_dashboards_are_provisioned_from_the_mounts() -> None:
    grafana = SERVICES["grafana"]
    mounts = dict(mount.split(":")[:2] for mount in grafana["volumes"])
    provisioning = ROOT / "otel-config/grafana/provisioning"
    named = {
        word
        for path in provisioning.rglob("*.yaml")
        for word in path.read_text(encoding="utf-8").split()
        if word.startswith("${")
    }
    assert {word.strip("${}") for word in named} <= grafana["environment"].keys()
    assert mounts["./otel-config/grafana/provisioning"] == grafana["environment"]["GF_PATHS_PROVISIONING"]
    assert grafana["environment"]["DRIFTLINE_DASHBOARDS"] == f"{mounts['links']}/dashboards"
    jaeger = SERVICES["jaeger"]
    assert "--query.ui-config=/links/jaeger-ui.json" in jaeger["command"]
    assert jaeger["volumes"] == ["links:/links:ro"]

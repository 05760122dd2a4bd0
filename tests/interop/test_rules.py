"""From predictions and outcomes to a webhook: a real Prometheus and Alertmanager with what `driftline rules` wrote."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from time import sleep
from typing import Any
from urllib.request import Request, urlopen

import pytest
import yaml
from driftline_processor.demo.processes import free_ports

from tests.support.webhooks import Hook, webhook

from .peers import Driftline, eventually, executable, get, running
from .rows import send_wrong_churn

pytestmark = pytest.mark.interop

MODEL = {
    "team": "payments",
    "tier": 1,
    "task": "binary",
    "windows": ["1h"],
    "outcome_delay": "0s",
    "performance": {"objectives": ["accuracy >= 0.97"]},
}
POLICY = {"when": "accuracy < 50 %", "significant": True, "severity": "critical", "notify": "oncall"}


def alertmanager_program() -> str:
    """Return the path of Alertmanager; skip the test where there is none."""
    path = shutil.which("prometheus-alertmanager") or shutil.which("alertmanager")
    if path is None:
        pytest.skip("no Alertmanager: Debian's package prometheus-alertmanager has one")
    return path


@contextmanager
def alertmanager(folder: Path, rules: Path, hook: Hook) -> Iterator[str]:
    """Run Alertmanager with the routes that were written, all of whose receivers are a webhook; yield its address."""
    (port,) = free_ports(1)
    tree = yaml.safe_load((rules / "alertmanager.yml").read_text(encoding="utf-8"))
    for one in tree["receivers"]:
        one["webhook_configs"] = [{"url": hook.url, "send_resolved": False}]
    tree["route"] |= {"group_wait": "1s", "group_interval": "1s"}
    path = folder / "alertmanager.yml"
    path.write_text(yaml.safe_dump(tree), encoding="utf-8")
    command = [
        alertmanager_program(),
        f"--config.file={path}",
        f"--storage.path={folder / 'alertmanager-data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--cluster.listen-address=",
    ]
    with running(command, lambda: get(f"http://127.0.0.1:{port}/-/ready"), folder / "alertmanager.log"):
        yield f"127.0.0.1:{port}"


@contextmanager
def prometheus(folder: Path, rules: Path, scraped: str, alerting: str) -> Iterator[str]:
    """Run Prometheus with the rules that were written, which wait for a second; yield its URL."""
    (port,) = free_ports(1)
    for path in rules.glob("*.rules.yml"):
        tree = yaml.safe_load(path.read_text(encoding="utf-8"))
        for rule in (rule for group in tree["groups"] for rule in group["rules"] if "alert" in rule):
            rule["for"] = "1s"
        (folder / path.name).write_text(yaml.safe_dump(tree), encoding="utf-8")
    tree = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "scrape_configs": [{"job_name": "driftline", "static_configs": [{"targets": [scraped]}]}],
        "rule_files": ["*.rules.yml"],
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": [alerting]}]}]},
    }
    path = folder / "prometheus.yml"
    path.write_text(yaml.safe_dump(tree), encoding="utf-8")
    command = [
        str(executable("prometheus")),
        f"--config.file={path}",
        f"--storage.tsdb.path={folder / 'prometheus-data'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    with running(command, lambda: get(f"http://127.0.0.1:{port}/-/ready"), folder / "prometheus.log"):
        yield f"http://127.0.0.1:{port}"


def told(hook: Hook) -> dict[tuple[str, str], dict[str, Any]]:
    """Return the alerts that came, by receiver and name."""
    calls = [call.body for call in hook.calls]
    return {(body["receiver"], one["labels"]["alertname"]): one for body in calls for one in body["alerts"]}


def test_the_alerts_of_one_fault_are_one_notification(tmp_path: Path) -> None:
    alertmanager_program()
    rules = tmp_path / "rules"
    (tmp_path / "driftline.yaml").write_text(yaml.safe_dump({"models": {"churn": MODEL}}), encoding="utf-8")
    command = [sys.executable, "-m", "driftline_processor", "rules", "--config", str(tmp_path / "driftline.yaml")]
    subprocess.run([*command, "-o", str(rules)], check=True, capture_output=True)
    severities = {"ModelWrong": "page", "ObjectiveBroken": "page", "DataFault": "ticket", "DriftIncident": "ticket"}
    alerts = [
        {"labels": {"alertname": name, "severity": severity, "ml_model_name": "churn", "ml_model_version": "1"}}
        for name, severity in severities.items()
    ]
    with webhook() as hook, alertmanager(tmp_path, rules, hook) as address:
        data = json.dumps(alerts).encode()
        headers = {"Content-Type": "application/json"}
        urlopen(Request(f"http://{address}/api/v2/alerts", data, headers), timeout=10).close()
        hook.wait_for(1)
        sleep(3)  # three times group_wait: another group would have been sent, too

    (call,) = hook.taken
    assert call.body["receiver"] == "payments page"
    assert {alert["labels"]["alertname"] for alert in call.body["alerts"]} == {"ModelWrong", "ObjectiveBroken"}


def test_a_model_that_went_wrong_reaches_the_webhook_of_its_team_and_of_its_policy(tmp_path: Path) -> None:
    alertmanager_program()
    driftline, rules = Driftline(), tmp_path / "rules"
    keys = {"models": {"churn": MODEL}, "policies": {"half": POLICY}, "channels": {"oncall": "json://127.0.0.1:1/"}}
    with webhook() as hook, driftline.up(tmp_path, **keys):
        written = [sys.executable, "-m", "driftline_processor", "rules", "--config", str(tmp_path / "driftline.yaml")]
        subprocess.run([*written, "-o", str(rules)], check=True, capture_output=True)
        address = driftline.web.removeprefix("http://")
        with (
            alertmanager(tmp_path, rules, hook) as alerting,
            prometheus(tmp_path, rules, address, alerting),
        ):
            send_wrong_churn(driftline, 2, 5)
            wanted = {("payments page", "BudgetBurns"), ("oncall", "PolicyFires")}
            found = eventually(partial(told, hook), lambda alerts: wanted <= alerts.keys())

    burns, fires = found["payments page", "BudgetBurns"], found["oncall", "PolicyFires"]
    assert burns["labels"]["driftline_objective_rule"] == "accuracy >= 0.97"
    assert burns["labels"]["over"] == "windows of 1h"
    assert burns["annotations"]["runbook"] == "docs/alert/respond.md#budgetburns"
    assert fires["labels"]["policy"] == "half"
    assert fires["labels"]["severity"] == "page"
    assert fires["annotations"]["summary"].startswith("churn")
    assert fires["annotations"]["summary"].endswith(": the policy half fires")
    assert not any(name == "DriftlineDown" for _, name in found)

"""Routes of Alertmanager go by owner, tier and severity, and receivers stay filled."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from driftline_processor.alert_rules.files import alertmanager_config
from driftline_processor.config.schema import Config

from tests.support.rule_files import config

HOSTILE = 'ch"urn\\{b}\n- x'
MODELS = {
    "churn": {"team": "payments", "tier": 1},
    "offer": {"team": "payments", "tier": 2},
    "taste": {"team": "payments", "tier": 3},
    HOSTILE: {},
}
POLICIES = {
    "drifts": {"when": "score drifts", "notify": ["oncall", "chat"], "unless": ["feed"]},
    "feed": {"when": "coverage < 50 %", "owner": "data"},
}
CHANNELS = {"oncall": "json://127.0.0.1:2/", "chat": "json://127.0.0.1:3/"}
KNOWN = config(MODELS, policies=POLICIES, channels=CHANNELS)


def amtool(*arguments: str) -> str:
    path = shutil.which("amtool")
    if path is None:
        pytest.skip("no amtool: Debian's package prometheus-alertmanager has one")
    ran = subprocess.run([path, *arguments], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout.strip()


def written(folder: Path, known: Config = KNOWN, before: str = "") -> str:
    path = folder / "alertmanager.yml"
    path.write_text(alertmanager_config(known, before), encoding="utf-8")
    return str(path)


def test_amtool_takes_it_whatever_the_names_are(tmp_path: Path) -> None:
    assert "SUCCESS" in amtool("check-config", written(tmp_path))
    assert "SUCCESS" in amtool("check-config", written(tmp_path, config()))


@pytest.mark.parametrize(
    ("labels", "receiver"),
    [
        (["alertname=ModelWrong", "severity=page", "ml_model_name=churn"], "payments page"),
        (["alertname=ModelAtRisk", "severity=ticket", "ml_model_name=churn"], "payments ticket"),
        (["alertname=ModelWrong", "severity=page", "ml_model_name=offer"], "payments page"),
        (["alertname=ModelWrong", "severity=page", "ml_model_name=taste"], "payments digest"),
        (["alertname=ModelWrong", "severity=page", "ml_model_name=churn2"], "unowned page"),
        (["alertname=DataFault", "severity=ticket", "ml_model_name=new"], "unowned ticket"),
        (["alertname=DriftlineDown", "severity=page"], "driftline"),
        (["alertname=PolicyFires", "severity=ticket", "policy=drifts", "ml_model_name=churn"], "oncall,chat"),
        (["alertname=PolicyFires", "severity=ticket", "policy=feed", "owner=data", "ml_model_name=x"], "data ticket"),
        (["alertname=PolicyFires", "severity=page", "policy=feed", "owner=data", "ml_model_name=x"], "data page"),
    ],
)  # fmt: skip
def test_an_alert_reaches_who_owns_its_model(labels: list[str], receiver: str, tmp_path: Path) -> None:
    path = written(tmp_path)
    assert amtool("config", "routes", "test", f"--config.file={path}", *labels) == receiver


def tree(text: str) -> dict[str, Any]:
    read: dict[str, Any] = yaml.safe_load(text)
    return read


def test_what_people_filled_in_is_kept_when_the_file_is_written_again() -> None:
    filled = tree(alertmanager_config(KNOWN))
    hook = {"name": "payments page", "webhook_configs": [{"url": "http://127.0.0.1:1/"}]}
    mine = {"name": "mine", "webhook_configs": [{"url": "http://127.0.0.1:2/"}]}
    filled["receivers"] = [hook if one["name"] == hook["name"] else one for one in filled["receivers"]] + [mine]
    filled["global"] = {"resolve_timeout": "1h"}

    again = tree(alertmanager_config(KNOWN, yaml.safe_dump(filled)))

    assert again["global"] == {"resolve_timeout": "1h"}
    assert hook in again["receivers"]
    assert mine in again["receivers"]
    assert again["route"] == filled["route"]


def test_a_file_that_is_no_yaml_is_not_written_over() -> None:
    with pytest.raises(ValueError, match=r"is not YAML .*; fix it, or move it away"):
        alertmanager_config(KNOWN, "receivers: [")


def test_unless_inhibits_for_the_same_model_alone() -> None:
    inhibited = tree(alertmanager_config(KNOWN))["inhibit_rules"]
    assert inhibited[2] == {
        "source_matchers": ['alertname="PolicyFires"', 'policy="feed"'],
        "target_matchers": ['alertname="PolicyFires"', 'policy="drifts"'],
        "equal": ["ml_model_name", "deployment_environment_name"],
    }


def test_silences_are_commands_that_amtool_can_run() -> None:
    times = {"since": "2026-12-24T00:00:00Z", "until": "2026-12-27T00:00:00Z"}
    silences = {"sale": {"models": ["churn-*", "it's"], **times}, "all": times}
    lines = alertmanager_config(config(silences=silences)).splitlines()
    start = "# amtool silence add --start=2026-12-24T00:00:00Z --end=2026-12-27T00:00:00Z --comment="
    assert [line for line in lines if "amtool silence" in line] == [
        f"{start}'driftline.yaml: silences.sale' 'ml_model_name=~\"churn\\\\-.*|it'\"'\"'s\"'",
        f"{start}'driftline.yaml: silences.all' 'alertname=~\".+\"'",
    ]

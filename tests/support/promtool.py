"""Rules of Prometheus before promtool: whether it can read them, and when their alerts fire."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.paths import ROOT

PROMTOOLS = {"system": shutil.which("promtool"), "built": str(ROOT / ".peers/promtool")}
"""Name → path, of the one that is installed and of the one that is built; there may be neither."""


@dataclass(frozen=True)
class Fires:
    """An alert over a minute's samples: it is quiet at one moment and fires at a later one.

    Attributes:
        series: A series, by its selector → its values, as promtool writes them.
        labels: Those of the alert, beside its name and severity.
        description: Where it is no fixed text.
        step: From one sample to the next.
        of: Labels of the rule, where several rules have its name.
    """

    alert: str
    series: dict[str, str]
    quiet: str
    fires: str
    labels: dict[str, str]
    summary: str
    description: str = ""
    step: str = "1m"
    of: dict[str, str] = field(default_factory=dict)


def selector(name: str, labels: dict[str, str]) -> str:
    """Write a series as Prometheus does."""

    def quoted(text: str) -> str:
        return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'

    return name + "{" + ",".join(f"{key}={quoted(value)}" for key, value in labels.items()) + "}"


def promtool(which: str) -> str:
    """Return the path of promtool; skip the test where it is not there."""
    path = PROMTOOLS[which]
    if path is None or not Path(path).exists():
        pytest.skip("no promtool: Debian's package prometheus has one, `make interop` builds another")
    return path


def check_rules(which: str, path: Path) -> None:
    """Fail where promtool cannot read rules, or finds one twice."""
    ran = subprocess.run([promtool(which), "check", "rules", str(path)], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr


def check_firing(
    which: str, rules: Path, cases: Sequence[Fires], step: str, folder: Path, every: str | None = None
) -> None:
    """Fail where an alert does not fire when its case says, or fires when it should be quiet.

    Args:
        which: One of ``PROMTOOLS``.
        rules: The file of rules.
        cases: What fires when.
        step: From one sample to the next.
        folder: Where promtool's files go.
        every: From one look at the rules to the next; None = ``step``.
    """
    groups = yaml.safe_load(rules.read_text(encoding="utf-8"))["groups"]
    for of in [dict(labels) for labels in dict.fromkeys(tuple(case.of.items()) for case in cases)]:
        kept = [{**group, "rules": [one for one in group["rules"] if _is_kept(one, of)]} for group in groups]
        alone = folder / "alone.rules.yml"
        alone.write_text(yaml.safe_dump({"groups": kept}), encoding="utf-8")
        known = [rule for group in kept for rule in group["rules"] if "alert" in rule]
        tests = [_test(case, known, step) for case in cases if case.of == of]
        path = folder / "alerts.yaml"
        tree = {"rule_files": [str(alone)], "evaluation_interval": every or step, "tests": tests}
        path.write_text(yaml.safe_dump(tree), encoding="utf-8")

        command = [promtool(which), "test", "rules", str(path)]
        ran = subprocess.run(command, capture_output=True, text=True, check=False)

        assert ran.returncode == 0, ran.stdout + ran.stderr


def _is_kept(rule: dict[str, Any], of: dict[str, str]) -> bool:
    """Return True for a rule that records, and for alerts with some labels: promtool compares all of one name."""
    return "record" in rule or of.items() <= rule["labels"].items()


def _test(case: Fires, known: Sequence[dict[str, Any]], step: str) -> dict[str, Any]:
    (rule,) = (one for one in known if one["alert"] == case.alert)
    said = {**rule["annotations"], "summary": case.summary}
    said["description"] = case.description or said["description"]
    firing = {"exp_labels": {**case.labels, **rule["labels"]}, "exp_annotations": said}
    return {
        "name": case.alert,
        "interval": step,
        "input_series": [{"series": series, "values": values} for series, values in case.series.items()],
        "alert_rule_test": [
            {"eval_time": case.quiet, "alertname": case.alert, "exp_alerts": []},
            {"eval_time": case.fires, "alertname": case.alert, "exp_alerts": [firing]},
        ],
    }

"""Workflows run pinned actions with the least permissions, and call targets that exist."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml
from driftline.semconv import metrics

from tests.support.paths import ROOT

WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
TEXTS = {path.name: path.read_text(encoding="utf-8") for path in WORKFLOWS}
TREES: dict[str, dict[str, Any]] = {name: yaml.safe_load(text) for name, text in TEXTS.items()}
JOBS = [(name, job, TREES[name]["jobs"][job]) for name in TREES for job in TREES[name]["jobs"]]
MAY_WRITE = {
    ("release.yml", "distributions"): {"id-token", "attestations"},
    ("release.yml", "image"): {"packages", "id-token", "attestations"},
    ("release.yml", "publish"): {"id-token"},
    ("release.yml", "announce"): {"contents"},
}
"""The jobs that may write, and what."""


@pytest.mark.parametrize("name", TEXTS)
def test_every_action_is_pinned_by_digest_with_its_version(name: str) -> None:
    used = re.findall(r"uses: (.*)", TEXTS[name])
    assert used
    for line in used:
        assert re.fullmatch(r"[\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line), line


def test_an_action_has_one_version_everywhere() -> None:
    versions: dict[str, set[str]] = {}
    for text in TEXTS.values():
        for action, version in re.findall(r"uses: ([^@]+)@(.*)", text):
            versions.setdefault(action, set()).add(version)
    assert {action: found for action, found in versions.items() if len(found) > 1} == {}


@pytest.mark.parametrize("name", TREES)
def test_a_workflow_may_read_at_most(name: str) -> None:
    assert TREES[name]["permissions"] in ({}, {"contents": "read"})


@pytest.mark.parametrize(("name", "job", "keys"), JOBS)
def test_a_job_may_write_only_what_it_publishes(name: str, job: str, keys: dict[str, Any]) -> None:
    permissions = keys.get("permissions", {})
    assert {scope for scope, access in permissions.items() if access == "write"} == MAY_WRITE.get((name, job), set())
    assert keys["timeout-minutes"] <= 350
    for step in keys["steps"]:
        if str(step.get("uses", "")).startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False


@pytest.mark.parametrize(("name", "job", "keys"), JOBS)
def test_no_step_runs_a_text_that_a_stranger_chooses(name: str, job: str, keys: dict[str, Any]) -> None:
    # A branch or a title in ${{ }} inside a command is a command. Only outputs of own steps may stand there.
    for step in keys["steps"]:
        inserted = re.findall(r"\$\{\{\s*([^}]*?)\s*\}\}", str(step.get("run", "")))
        assert [one for one in inserted if not one.startswith("steps.names.outputs.")] == [], (name, job)


@pytest.mark.parametrize("job", ["image", "publish"])
def test_what_is_published_is_approved_by_a_person(job: str) -> None:
    assert TREES["release.yml"]["jobs"][job]["environment"] == "release"


def test_every_target_and_script_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    for text in TEXTS.values():
        for line in re.findall(r"run: make (.*)", text):
            assert set(line.split()) <= targets
        for script in re.findall(r"(?:sh|bash) ((?:scripts|\.ci)/\S+)", text):
            assert (ROOT / script).exists()


def test_every_metric_that_a_step_waits_for_exists() -> None:
    named = {name for text in TEXTS.values() for name in re.findall(r"query=(\w+)", text)}
    assert named
    assert named <= {instrument.prometheus for instrument in metrics.INSTRUMENTS.values()}

"""`driftline policies test`: over rows in files, and over the windows of a running processor."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from driftline_processor.cli.policies import replay_lines

from tests.support.churn_files import Run
from tests.support.facts import Facts, lacking
from tests.support.fake_view import FakeView, app_of
from tests.support.policy_watch import model, watched
from tests.support.serve import serve
from tests.support.verdict_windows import right, value, wrong

POLICIES = """
notify: json://127.0.0.1:9/
models: {churn: {task: binary, windows: [1d]}}
policies:
  health: {enabled: false}
  regions: {when: features drift, models: [churn]}
  never: {when: accuracy < 1 %}
  other: {when: features drift, models: [fraud]}
silences:
  holidays: {models: [churn], policies: [regions], since: "2026-02-01T00:00:00Z", until: "2026-03-01T00:00:00Z"}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "driftline.yaml"
    path.write_text(POLICIES, encoding="utf-8")
    return path


@pytest.fixture
def running(tmp_path: Path) -> Iterator[str]:
    """The address of a processor that has seen one model."""
    days = [right(0), right(1), wrong(2, clear=True, realized={"accuracy": value(0.6)})]
    view = FakeView([model(days, "churn")])
    with watched(tmp_path / "state") as watch:
        view.alerts, view.explanations = watch.alerts, watch.explanations
        with serve(app_of(view)) as url:
            yield url


@pytest.mark.slow
def test_rows_of_files_are_replayed(run: Run, files: Path, file: Path) -> None:
    rows = ["policies", "test", file, "--rows", files / "week.parquet", "--outcomes", files / "outcomes.csv"]
    result = run(*rows, "--baseline", files / "reference.parquet", "--json")
    assert result.exit_code == 0, result.stderr
    found = json.loads(result.stdout)
    assert found["about_no_model"] == ["other"]
    [one] = found["models"]
    regions, never = one["policies"]
    assert (regions["channels"], regions["window"], regions["windows"]) == (["json"], "1d", 7)
    assert [fired["untold"] for fired in regions["firings"]] == ["silence holidays"]
    assert (regions["firings"][0]["held"], regions["firings"][0]["actions"]) == ([], [])  # nothing follows from it
    assert regions["firings"][0]["fired"] == "2026-02-03T00:00:00Z"
    assert "region" in regions["firings"][0]["finding"]
    assert never["firings"] == []
    assert never["false_alarms"]["sentence"].startswith("cannot be estimated: outcomes confirm no window")
    assert "has no effect for files" not in result.stderr

    again = run(*rows, "--baseline", files / "reference.parquet", "--fail-on-fire", "--quiet")
    assert again.exit_code == 0  # what fires is silenced
    assert "not notified, because of silence holidays" in again.stdout
    assert lacking(again.stdout, "18", "6 healthy") == []


def test_the_windows_of_a_running_processor_are_replayed(run: Run, file: Path, running: str) -> None:
    file.write_text("include: policies.yaml", encoding="utf-8")
    file.with_name("policies.yaml").write_text("policies: {low: {when: accuracy < 70 %}}", encoding="utf-8")
    result = run("policies", "test", file, "--url", running)
    assert (result.exit_code, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    assert "churn 1: low: accuracy < 70 %" in lines
    assert "  3 windows of 1d, 2013-07-01T00:00:00Z to 2013-07-04T00:00:00Z" in lines
    fired = "  fired 2013-07-04T00:00:00Z, since 2013-07-03T00:00:00Z and not over: accuracy is 60 %, below 70 %"
    assert lines[lines.index(fired) + 1] == "    notified: no channel, because notify is empty"
    assert run("policies", "test", file, "--url", running, "--fail-on-fire").exit_code == 3


@pytest.mark.slow
def test_each_firing_names_its_actions_and_who_holds_the_message_back(run: Run, file: Path, running: str) -> None:
    file.write_text(
        """
notify: [pager, team, night]
channels:
  pager: {url: "json://127.0.0.1:9/"}
  team: {url: "json://127.0.0.1:9/", digest: daily at 09:00}
  night: {url: "json://127.0.0.1:9/", quiet: {from: "22:00", to: "07:00"}}
actions:
  http/asked: {url: "https://127.0.0.1:9/", approval: required}
  http/dry: {url: "https://127.0.0.1:9/", dry_run: true, on: [opened, resolved], rate_limit: 3 per 1d}
models: {churn: {}}
policies:
  health: {enabled: false}
  low: {when: accuracy < 70 %, actions: [http/asked, http/dry]}
""",
        encoding="utf-8",
    )
    answer = json.loads(run("policies", "test", file, "--url", running, "--json").stdout)
    lines = [*replay_lines(answer)]
    at = next(number for number, line in enumerate(lines) if line.startswith("  fired"))
    assert lines[at + 1 : at + 6] == [
        "    notified: pager, team, night",
        "    held back: team, by its digest, until 2013-07-04T09:00:00Z",
        "    held back: night, by its quiet hours, until 2013-07-04T07:00:00Z",
        "    would run: http/asked (requires approval)",
        "    would run: http/dry (when the alert is opened and resolved, dry run: sends nothing, at most 3 per 1d)",
    ]
    [firing] = answer["models"][0]["policies"][0]["firings"]
    assert firing["held"] == [
        {"channel": "team", "by": "digest", "until": "2013-07-04T09:00:00Z"},
        {"channel": "night", "by": "quiet hours", "until": "2013-07-04T07:00:00Z"},
    ]
    asked, dry = firing["actions"]
    assert asked == {"action": "http/asked", "on": ["opened"], "approval": True, "dry_run": False, "rate_limit": None}
    assert (dry["approval"], dry["dry_run"], dry["rate_limit"]) == (False, True, "3 per 1d")


@pytest.mark.parametrize(
    ("more", "facts"),
    [
        (["--rows", "a.csv", "--url", "x"], ("--rows", "--url")),
        (["--baseline", "b.json"], ("--rows is missing",)),
        (["--rows", "nowhere.csv", "--baseline", "nowhere.json"], ("nowhere.json: no such file",)),
        (["--url", "127.0.0.1:9"], ("http://127.0.0.1:9",)),
    ],
)
def test_bad_input_is_one_sentence(run: Run, file: Path, more: list[str], facts: Facts) -> None:
    result = run("policies", "test", file, *more)
    assert result.exit_code == 2
    assert lacking(result.stderr, *facts) == []
    assert result.stdout == ""


def test_a_file_that_cannot_be_used_is_refused_with_its_key(run: Run, file: Path) -> None:
    file.write_text("policies: {low: {when: acuracy < 70 %}}", encoding="utf-8")
    result = run("policies", "test", file)
    assert result.exit_code == 2
    assert lacking(result.stderr, "policies.low.when:", "'acuracy'", "'accuracy'") == []

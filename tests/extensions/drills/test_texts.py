"""Drills as sentences, tables and XML; names from the wire are harmless in each."""

from __future__ import annotations

import pytest
from driftline_extensions.drills.drill import DrillResult, Fired
from driftline_extensions.drills.faults import FAULTS
from driftline_extensions.drills.texts import (
    drill_lines,
    expectations_table,
    first_sentence,
    has_passed,
    quiet_sentence,
    summary,
    table_markdown,
    table_text,
)
from driftline_processor.core.windows.window import DAY, HOUR
from msgspec.structs import replace

from tests.support.drill_results import ALL, FOUND, HEALTH, LATER, MISSED, NONE, THIN, UNNAMED
from tests.support.paths import ROOT


@pytest.mark.parametrize(
    ("result", "facts"),
    [
        (FOUND, ("unit change of tenure", "churn", "1 day", "health")),
        (LATER, ("unit change of tenure", "churn", "1 day", "health", "2 days")),
        (UNNAMED, ("concept shift", "churn", "6 hours", "health")),
        (MISSED, ("label delay", "churn", "7 days", "no policy fired")),
        (THIN, ("feature null of age", "churn", "windows have 3 rows")),
        (NONE, ("slow model", "fraud", "there are no durations of calls")),
    ],
)
def test_the_first_sentence_has_the_drill_the_model_and_what_came_of_it(
    result: DrillResult, facts: tuple[str, ...]
) -> None:
    sentence = first_sentence(result)
    assert [words for words in facts if words not in sentence] == []
    assert ("2 days" in sentence) == (result is LATER)


def test_a_drill_is_told_with_who_was_told() -> None:
    _, _, broke, _, fired = list(drill_lines(FOUND))[:5]
    assert [words for words in ("100", "2024-10-04T00:00:00Z", "500 rows") if words not in broke] == []
    assert [words for words in ("health", "critical", "1 day", "1 window of 1d", "slack") if words not in fired] == []


def test_a_limit_makes_a_late_finding_a_failure() -> None:
    assert has_passed(FOUND, DAY)
    assert not has_passed(FOUND, DAY - 1)
    assert [has_passed(one) for one in ALL] == [True, False, False, False, True]
    (late,) = {*drill_lines(FOUND, 12 * HOUR)} - {*drill_lines(FOUND)}
    assert "12 hours" in late


def test_the_table_has_a_line_for_each_fault_and_a_column_for_each_model() -> None:
    lines = table_text(ALL).splitlines()
    assert lines[0].startswith("1 of 4 ")
    assert lines[2:8] == [
        "fault          churn               fraud",
        "unit-change    1 day, named",
        "concept-shift  6 hours, not named",
        "label-delay    not found",
        "feature-null   inconclusive",
        "slow-model                         not applicable",
    ]
    assert [line.strip() for line in lines if line.strip() in MISSED.would] == [*MISSED.would]


def test_markdown_is_a_table_and_says_what_was_missed() -> None:
    text = table_markdown([FOUND, MISSED])
    assert "| fault | churn |\n| --- | --- |\n| unit-change | 1 day, named |\n| label-delay | not found |" in text
    assert f"- {first_sentence(MISSED)} {MISSED.would[0]}" in text


def test_alerts_without_a_fault_are_named() -> None:
    noisy = DrillResult(FAULTS["unit-change"], "churn", ("age",), "not_found", "why", noise=[HEALTH])
    assert "health" in quiet_sentence(noisy)
    assert quiet_sentence(noisy) in list(drill_lines(noisy))
    assert "churn" in summary([noisy])
    assert "churn" not in summary([replace(noisy, noise=[])])


def test_the_documentation_has_the_table_of_faults() -> None:
    page = (ROOT / "docs/alert/drills.md").read_text(encoding="utf-8")
    assert expectations_table() in page


@pytest.mark.parametrize(
    ("fired", "who"),
    [
        (HEALTH, "Notified: slack."),
        (replace(HEALTH, notified=()), "Notified: nobody: no channel."),
        (replace(HEALTH, notified=(), silenced=True), "Notified: nobody: silenced."),
        (replace(HEALTH, notified=(), hold_reasons=("digest of team",)), "Notified: held for the digest of team."),
        (
            replace(HEALTH, hold_reasons=("quiet hours of night",)),
            "Notified: slack, held for the quiet hours of night.",
        ),
    ],
)
def test_who_is_told_later_or_not_at_all_is_said(fired: Fired, who: str) -> None:
    (line,) = [line for line in drill_lines(replace(FOUND, fired=[fired])) if line.startswith("Fired")]
    assert line.endswith(who)

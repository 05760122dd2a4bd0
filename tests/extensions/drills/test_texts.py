"""Drills as sentences, tables and XML; names from the wire are harmless in each."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest
from driftline_extensions.drills.drill import DrillResult, Fired
from driftline_extensions.drills.faults import FAULTS
from driftline_extensions.drills.texts import (
    drill_lines,
    expectations_table,
    first_sentence,
    has_passed,
    summary,
    table_junit,
    table_markdown,
    table_text,
)
from driftline_processor.core.windows.window import DAY, HOUR
from msgspec.structs import replace

from tests.support.paths import ROOT

HEALTH = Fired("health", "critical", "degraded", "The model has been degraded.", (), DAY, 1, "1d", ("slack",), ())
FOUND = DrillResult(
    FAULTS["unit-change"], "churn", ("tenure",), "found", at=20_000 * DAY, size=100, lived=3 * DAY, rows=500,
    found_after=DAY, named_after=DAY, seen_after=DAY, fired=[HEALTH],
)  # fmt: skip
LATER = DrillResult(
    FAULTS["unit-change"], "churn", ("tenure",), "found", found_after=DAY, named_after=2 * DAY, fired=[HEALTH]
)
UNNAMED = DrillResult(FAULTS["concept-shift"], "churn", (), "unnamed", found_after=6 * HOUR, fired=[HEALTH])
MISSED = DrillResult(
    FAULTS["label-delay"], "churn", (), "not_found", "no policy fired", lived=7 * DAY,
    would=("A policy 'coverage < 50 %' would have found it after 1 day.",),
)  # fmt: skip
THIN = DrillResult(FAULTS["feature-null"], "churn", ("age",), "inconclusive", "windows have 3 rows")
NONE = DrillResult(FAULTS["slow-model"], "fraud", (), "not_applicable", "there are no durations of calls")
ALL = [FOUND, UNNAMED, MISSED, THIN, NONE]


@pytest.mark.parametrize(
    ("result", "said"),
    [
        (
            FOUND,
            "The drill 'unit change of tenure' of churn was detected after 1 day, by health; "
            "its cause was identified correctly.",
        ),
        (
            LATER,
            "The drill 'unit change of tenure' of churn was detected after 1 day, by health; "
            "its cause was identified correctly, after 2 days.",
        ),
        (
            UNNAMED,
            "The drill 'concept shift' of churn was detected after 6 hours, by health; its cause was not identified.",
        ),
        (MISSED, "The drill 'label delay' of churn was not detected in 7 days: no policy fired."),
        (
            THIN,
            "It is inconclusive whether the drill 'feature null of age' of churn would be detected: "
            "windows have 3 rows.",
        ),
        (NONE, "The drill 'slow model' of fraud cannot run: there are no durations of calls."),
    ],
)
def test_the_first_sentence_is_the_answer(result: DrillResult, said: str) -> None:
    assert first_sentence(result) == said


def test_a_drill_is_told_with_who_was_told() -> None:
    assert list(drill_lines(FOUND))[1:5] == [
        "The same traffic without the fault caused no alert.",
        "What broke: an input is in another unit, 100 times, from 2024-10-04T00:00:00Z on; 500 rows per day.",
        "Expected: All values are multiplied by the same factor: a data fault of this input.",
        "Fired: health, critical, after 1 day, in 1 window of 1d. Notified: slack.",
    ]


def test_a_limit_makes_a_late_finding_a_failure() -> None:
    assert has_passed(FOUND, DAY)
    assert not has_passed(FOUND, DAY - 1)
    assert [has_passed(one) for one in ALL] == [True, False, False, False, True]
    assert "That is later than --within 12 hours." in list(drill_lines(FOUND, 12 * HOUR))


def test_the_table_has_a_line_for_each_fault_and_a_column_for_each_model() -> None:
    lines = table_text(ALL).splitlines()
    assert lines[0] == (
        "1 of 4 faults were detected, and their cause identified correctly. The same traffic without a fault caused "
        "no alert."
    )
    assert lines[2:8] == [
        "fault          churn               fraud",
        "unit-change    1 day, named",
        "concept-shift  6 hours, not named",
        "label-delay    not found",
        "feature-null   too thin to tell",
        "slow-model                         not applicable",
    ]
    assert "  A policy 'coverage < 50 %' would have found it after 1 day." in lines


def test_markdown_is_a_table_and_says_what_was_missed() -> None:
    text = table_markdown([FOUND, MISSED])
    assert "| fault | churn |\n| --- | --- |\n| unit-change | 1 day, named |\n| label-delay | not found |" in text
    assert "- The drill 'label delay' of churn was not detected in 7 days: no policy fired. A policy" in text


def test_junit_counts_failures_and_what_was_skipped() -> None:
    suite = ET.fromstring(table_junit(ALL))
    assert {name: suite.get(name) for name in ("tests", "failures", "skipped")} == {
        "tests": "5",
        "failures": "3",
        "skipped": "1",
    }
    assert [case.get("name") for case in suite if case.find("failure") is not None] == [
        "concept-shift",
        "label-delay",
        "feature-null",
    ]


def test_names_that_are_no_text_of_xml_or_markdown_harm_neither() -> None:
    odd = DrillResult(FAULTS["unit-change"], "a|b<\x00\ud800", ("x\x1b[31m\n",), "not_found", "no\x00")
    suite = ET.fromstring(table_junit([odd]))
    assert suite[0].get("classname") == "a|b<"
    assert "| a\\|b<" in table_markdown([odd])
    assert "\x1b" not in "".join(drill_lines(odd))


def test_noise_is_said() -> None:
    noisy = DrillResult(FAULTS["unit-change"], "churn", ("age",), "not_found", "why", noise=[HEALTH])
    assert "The same traffic without the fault also caused alerts: health fired." in list(drill_lines(noisy))
    assert summary([noisy]).endswith("Alerts without a fault: churn.")


def test_the_documentation_has_the_table_of_faults() -> None:
    page = (ROOT / "docs" / "how-to" / "drill.md").read_text(encoding="utf-8")
    assert expectations_table() in page


@pytest.mark.parametrize(
    ("fired", "who"),
    [
        (HEALTH, "Notified: slack."),
        (replace(HEALTH, told=()), "Notified: nobody: no channel."),
        (replace(HEALTH, told=(), silenced=True), "Notified: nobody: silenced."),
        (replace(HEALTH, told=(), held=("digest of team",)), "Notified: held for the digest of team."),
        (replace(HEALTH, held=("quiet hours of night",)), "Notified: slack, held for the quiet hours of night."),
    ],
)
def test_who_is_told_later_or_not_at_all_is_said(fired: Fired, who: str) -> None:
    (line,) = [line for line in drill_lines(replace(FOUND, fired=[fired])) if line.startswith("Fired")]
    assert line.endswith(who)

"""What is said of a feature beside its state."""

from __future__ import annotations

import pytest
from driftline_processor.core.evaluation import Cause, ColumnDrift, Evaluation, Explanation, State
from driftline_processor.core.windows.window import Window
from driftline_processor.present.sentences.causes import cause_sentence
from driftline_processor.web.pages.feature import drifting_since, feature_facts
from msgspec.structs import replace

from tests.support.fake_view import ns, price


def windows(*states: State) -> list[Evaluation]:
    """Return days from 1 January 2014 on, in which temp has these states."""
    first = price().windows["1d"][0]
    days = [Window("1d", ns(2014, 1, 1 + at), ns(2014, 1, 2 + at)) for at in range(len(states))]
    made = {state: ColumnDrift("feature", "temp", state, "ks", 9, {}) for state in set(states)}
    return [replace(first, window=day, features={"temp": made[state]}) for day, state in zip(days, states, strict=True)]


@pytest.mark.parametrize(
    ("states", "day"),
    [
        (("ok", "drift", "drift"), 2),
        (("drift", "ok", "drift"), 3),
        (("drift", "inconclusive", "drift"), 1),
        (("within_normal_variation", "inconclusive", "drift"), 3),
        (("drift", "drift", "ok"), None),
    ],
)
def test_a_feature_drifts_since_the_first_window_of_its_run(states: tuple[State, ...], day: int | None) -> None:
    known = windows(*states)
    assert drifting_since("temp", known, known[-1]) == (None if day is None else ns(2014, 1, day))


def test_an_incident_says_since_when() -> None:
    known = windows("ok", "drift")
    known[-1].incident = {"feature:temp": ns(2013, 12, 24)}
    assert drifting_since("temp", known, known[-1]) == ns(2013, 12, 24)
    assert drifting_since("another", known, known[-1]) is None


def test_later_windows_do_not_count() -> None:
    known = windows("drift", "ok", "drift")
    assert drifting_since("temp", known, known[0]) == ns(2014, 1, 1)


def test_facts_say_since_when_how_important_and_what_it_carries() -> None:
    known = windows("ok", "drift")
    temp = Cause(("temp",), "", 0.5, score_shift=0.36)
    known[-1].explanation = Explanation((temp,), "", score_was=0.5, score_now=0.25)
    assert feature_facts("temp", known, known[-1], {"temp": 0.3, "dewp": 0.7}, "UTC") == [
        "since 2 January 2014",
        "importance 2nd of 2, 30 %",
        "carries 36 % of the score's shift",
    ]
    assert feature_facts("temp", known, known[0], {}, "UTC") == []
    sentence = cause_sentence(temp)
    assert sentence.endswith("it carries 36 % of the score's shift")
    known[-1].explanation = Explanation((replace(temp, score_shift=-0.36),))
    opposite = "alone, would shift the score in the opposite direction"
    assert feature_facts("temp", known, known[-1], {}, "UTC") == ["since 2 January 2014", opposite]

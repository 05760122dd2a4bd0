"""Dates have one form in sentences and one in tables, by the clock of a model."""

from __future__ import annotations

import pytest
from driftline_processor.present.times import date_label, date_words, on_words, since_words, span_words

JULY = 1_372_636_800 * 10**9
"""1 July 2013, 00:00 UTC."""

HOUR = 3600 * 10**9


@pytest.mark.parametrize(
    ("time", "zone", "words", "label"),
    [
        (JULY, "UTC", "1 July 2013", "2013-07-01 00:00"),
        (JULY + 90 * 60 * 10**9, "UTC", "1 July 2013, 01:30", "2013-07-01 01:30"),
        (JULY, "Asia/Tokyo", "1 July 2013, 09:00", "2013-07-01 09:00"),
        (JULY, "Mars/Olympus", "1 July 2013", "2013-07-01 00:00"),
        (2**63 - 1, "UTC", "11 April 2262, 23:47", "2262-04-11 23:47"),
    ],
)
def test_a_moment_has_one_form_in_sentences_and_one_in_tables(time: int, zone: str, words: str, label: str) -> None:
    assert (date_words(time, zone), date_label(time, zone)) == (words, label)


@pytest.mark.parametrize(
    ("hours", "days", "words"),
    [
        (3, False, "1 July 2013, 00:00 to 03:00"),
        (7 * 24, False, "1 to 7 July 2013"),
        (40 * 24, False, "1 July to 9 August 2013"),
        (200 * 24, False, "1 July 2013 to 16 January 2014"),
        (7 * 24 + 5, False, "1 July 2013 to 8 July 2013, 05:00"),
        (7 * 24 + 5, True, "1 to 8 July 2013"),
    ],
)
def test_a_stretch_is_named_by_its_days_where_these_are_whole(hours: int, days: bool, words: str) -> None:
    assert span_words(JULY, JULY + hours * HOUR, days=days) == words


def test_a_range_of_days_has_no_times_of_day() -> None:
    begin = JULY + 30 * HOUR
    assert since_words(begin, "UTC", earliest=JULY) == " since between 1 and 2 July 2013"
    assert since_words(begin, "UTC", days=True, earliest=JULY) == " since between 1 and 2 July 2013"
    assert since_words(JULY + 3 * HOUR, "UTC", earliest=JULY) == " since between 1 July 2013, 00:00 and 03:00"


def test_whole_days_are_from_the_first_to_the_last() -> None:
    assert on_words(JULY, JULY + 48 * HOUR) == "from 1 to 2 July 2013"
    assert on_words(JULY, JULY + 24 * HOUR) == "on 1 July 2013"

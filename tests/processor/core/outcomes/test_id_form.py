"""The form of ids: what differs between the ids of outcomes and of predictions."""

from __future__ import annotations

import uuid

import pytest
from driftline.tables.ids import IdSource
from driftline_processor.core.outcomes.id_form import IdForm, describe_ids
from driftline_processor.present.sentences.outcomes import id_fix_words, id_form_words

NUMBERS = [str(number) for number in range(600)]
PADDED = [f"{number:012d}" for number in range(600)]
PREFIXED = [f"CUST-{number}" for number in range(600)]
FLOATS = [f"{number}.0" for number in range(600)]
KEYS = [f"{number:08x}ab" for number in range(600)]
RANDOM = [str(uuid.UUID(int=number * 7919**9 % 2**128, version=4)) for number in range(1, 600)]
_SOURCE = IdSource()
GENERATED = [f"{_SOURCE.uuid7(1_700_000_000_000_000_000)}.{row}" for row in range(600)]
BOOKINGS = [f"{day}-{number}" for day in range(4) for number in range(150)]
NAMES = ["anna.smith", "bob.jones", "carol.w"]


@pytest.mark.parametrize(
    ("sent", "stored", "difference"),
    [
        (PADDED, NUMBERS, "leading_zeros"),
        (PREFIXED, NUMBERS, "prefix"),
        (FLOATS, NUMBERS, "suffix"),
        ([key.upper() for key in KEYS], KEYS, "case"),
        ([key.upper() for key in RANDOM], RANDOM, "case"),
        (NUMBERS, GENERATED, "generated"),
        (RANDOM, GENERATED, "generated"),
        (RANDOM, NUMBERS, "kind"),
        (NUMBERS, [], "none"),
        ([str(10**9 + number) for number in range(50)], NUMBERS, "length"),
        (NUMBERS[300:], NUMBERS[:300], ""),
        (BOOKINGS, BOOKINGS[::-1], ""),
    ],
)
def test_the_difference_of_two_forms(sent: list[str], stored: list[str], difference: str) -> None:
    assert describe_ids(sent).difference(describe_ids(stored)) == difference
    assert describe_ids(stored).difference(describe_ids(sent)) == difference
    assert id_fix_words(describe_ids(sent), describe_ids(stored))


@pytest.mark.parametrize(
    ("ids", "words"),
    [
        (RANDOM, "UUIDs in lower case"),
        ([key.upper() for key in RANDOM], "UUIDs in upper case"),
        (RANDOM[:9] + [key.upper() for key in RANDOM[9:]], "UUIDs"),
    ],
)
def test_the_words_of_uuids_name_their_case(ids: list[str], words: str) -> None:
    assert id_form_words(describe_ids(ids)) == words


@pytest.mark.parametrize(
    "ids", [NUMBERS, PADDED, PREFIXED, KEYS, RANDOM, GENERATED, BOOKINGS, NAMES, ["x-1"], ["secret"]]
)
def test_a_form_contains_no_id(ids: list[str]) -> None:
    words = id_form_words(describe_ids(ids))

    assert words
    assert not any(text in words.split() for text in ids if not text.isdigit())


def test_a_prefix_that_few_ids_share_is_not_part_of_the_form() -> None:
    assert describe_ids(PREFIXED[:19]).prefix == ""
    assert describe_ids(PREFIXED[:20]).prefix == "CUST-"


def test_some_ids_of_another_form_do_not_change_it() -> None:
    assert describe_ids([*NUMBERS, "unknown", "n/a"]) == describe_ids(NUMBERS)


def test_ids_of_several_forms_have_the_form_of_all_their_characters() -> None:
    form = describe_ids(NUMBERS[:50] + NAMES * 20 + [f"bob.{name}" for name in "abcdefghijklmnopqrstuvwxyz"])

    assert form == IdForm("characters", 1, 10, case="lower", alphabet=("letters", "digits", "."))

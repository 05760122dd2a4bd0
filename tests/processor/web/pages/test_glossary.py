"""The page of words, and the links of all other pages to it."""

from __future__ import annotations

import csv
from collections.abc import Callable
from io import StringIO

import pytest
from driftline_processor.present.glossary import WORDS
from starlette.testclient import TestClient

from tests.support.fake_view import FakeView, many
from tests.support.html_page import Page, page

Browse = Callable[[FakeView], TestClient]

PATH = "/glossary"
JULY = "?window=1mo&at=2013-07-04"


def led_to(found: Page) -> list[str]:
    """Return the words that a page leads to, in its order."""
    return [link.partition("#")[2] for link in found.links if link.startswith(f"{PATH}#")]


def test_the_page_has_every_word_under_its_anchor(browse: Browse) -> None:
    found = page(browse(many()), PATH)
    assert [one for one in found.ids if one.startswith("word-")] == [word.anchor for word in WORDS]
    for word in WORDS:
        assert word.term in found.text


def test_csv_and_json_have_the_words_too(browse: Browse) -> None:
    client = browse(many())
    rows = client.get(f"{PATH}?format=json").json()["words"]
    mature = next(word for word in WORDS if word.term == "mature")
    assert [row for row in rows if row["word"] in ("mature", "final")] == [
        {"word": name, "means": mature.plain, "address": f"{PATH}#word-mature"} for name in ("mature", "final")
    ]
    lines = list(csv.reader(StringIO(client.get(f"{PATH}?format=csv").text)))
    assert lines[0] == ["word", "means", "address"]
    assert len(lines) == len(rows) + 1


@pytest.mark.parametrize(
    ("address", "words"),
    [
        (f"/models/flights{JULY}", {"outcome", "baseline", "drift"}),
        (f"/models/flights/performance{JULY}", {"baseline", "coverage"}),
        (f"/models/flights/drift{JULY}", {"drift", "baseline", "PSI", "method", "p-value", "inconclusive"}),
        (f"/models/flights/features/temp{JULY}", {"baseline", "method", "p-value"}),
        (f"/models/flights/data{JULY}", {"outcome"}),
        ("/models/flights/versions", {"verdict"}),
        ("/incidents", {"incident"}),
    ],
)
def test_a_page_leads_once_to_each_of_its_words_and_to_all_of_them(
    browse: Browse, address: str, words: set[str]
) -> None:
    found = page(browse(many()), address)
    led = led_to(found)
    assert {f"word-{word}" for word in words} <= set(led)
    assert len(led) == len(set(led))
    assert set(led) <= {word.anchor for word in WORDS}
    assert found.links.count(PATH) == 1


def test_a_report_tells_its_own_words_and_no_others(browse: Browse) -> None:
    found = page(browse(many()), f"/models/flights/report{JULY}")
    told = [one for one in found.ids if one.startswith("word-")]
    assert {"word-baseline", "word-PSI", "word-drift", "word-coverage"} <= set(told)
    assert "word-selector" not in told
    assert [link for link in found.links if link.startswith(PATH)] == []
    assert {one for one in found.targets if one.startswith("word-")} == set(told)

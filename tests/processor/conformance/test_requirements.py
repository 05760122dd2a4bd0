"""The list of requirements has each sentence of the specification that is about receivers, in its words.

``OTLP_SPECIFICATION`` is the specification of open-telemetry/opentelemetry-proto in the version that the list names.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from pathlib import Path

import pytest
from driftline_processor.conformance.requirements import CHECKED, LEFT_OUT, REQUIREMENTS

ABOUT_CLIENTS = re.compile(
    r"[Tt]he client (implementation )?(MUST|SHOULD|MAY)"
    r"|^When the client receives this signal"
    r"|^If no such status is returned"
    r"|^The requests that receive a response status code"
    r"|^All other `4xx` or `5xx` response status codes MUST NOT be retried"
    r"|^In that case, the maximum number of parallel connections"
    r"|^The queues SHOULD reference"
    r"|^Given that, senders SHOULD NOT"
)


@pytest.fixture
def specification() -> str:
    path = os.environ.get("OTLP_SPECIFICATION")
    if path is None:
        pytest.skip("OTLP_SPECIFICATION does not name a copy of the specification")
    return Path(path).read_text(encoding="utf-8")


def paragraphs(specification: str) -> list[str]:
    """Return the paragraphs from Protocol Details on as one line each, without headings, code, links and bullets."""
    text = specification.partition("\n## Protocol Details\n")[2]
    text = re.sub(r"```.*?```", "\n\n", text, flags=re.DOTALL)
    text = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", text)
    text = re.sub(r"^#+ .*$", "", text, flags=re.MULTILINE)
    blocks = (" ".join(block.split()) for block in re.split(r"\n\s*\n", text))
    return [re.sub(r"(^|(?<= ))[*-] ", "", block) for block in blocks]


def anchors(specification: str) -> set[str]:
    """Return the fragments of the headings as GitHub makes them."""
    made: Counter[str] = Counter()
    found = set()
    for heading in re.findall(r"^#+ (.*)$", specification, flags=re.MULTILINE):
        name = re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")
        found.add(f"{name}-{made[name]}" if made[name] else name)
        made[name] += 1
    return found


def test_each_sentence_with_a_keyword_is_a_requirement_or_about_clients(specification: str) -> None:
    sentences = [
        sentence
        for block in paragraphs(specification)
        for sentence in re.split(r"(?<=[.:])\s+(?=[A-Z`\"])", block)
        if re.search(r"\b(MUST|SHOULD|RECOMMENDED|SHALL|REQUIRED)\b", sentence)
    ]
    required = [one.sentence for one in REQUIREMENTS]
    others = [sentence for sentence in sentences if not any(sentence in one or one in sentence for one in required)]

    assert len(sentences) == 109
    assert [sentence for sentence in others if not ABOUT_CLIENTS.search(sentence)] == []
    assert len(others) == 38


def test_each_requirement_is_in_the_words_of_the_specification(specification: str) -> None:
    text = " ".join(paragraphs(specification))

    assert [one.name for one in REQUIREMENTS if one.sentence not in text] == []
    assert [one.name for one in REQUIREMENTS if one.anchor not in anchors(specification)] == []


def test_each_requirement_has_a_check_or_a_reason() -> None:
    assert Counter(one.level for one in CHECKED) == {"MUST": 34, "SHOULD": 12, "other": 3}
    assert Counter(one.level for one in LEFT_OUT) == {"MUST": 6, "SHOULD": 16}
    assert [one.name for one in LEFT_OUT if not one.reason] == []
    assert [name for name, count in Counter(one.name for one in REQUIREMENTS).items() if count > 1] == []

"""Patterns of expectations: found as ``re.search`` finds them, in linear time, or refused with a sentence."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator
from types import FrameType

import numpy as np
import pytest
from driftline.tables.table import Column
from driftline_processor.core.expectations.counting import count_rules
from driftline_processor.core.expectations.pattern import UnusablePattern, check_pattern, find_pattern
from driftline_processor.core.expectations.rule import Expectations, Rule, count_limit
from hypothesis import given
from hypothesis import strategies as st

DEADLINE = 60
"""Seconds; the expressions below need years in ``re``."""


@pytest.fixture
def deadline() -> Iterator[None]:
    def end(_number: int, _frame: FrameType | None) -> None:
        raise TimeoutError(f"not done after {DEADLINE} s")

    before = signal.signal(signal.SIGALRM, end)
    signal.alarm(DEADLINE)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize(
    "pattern", [r"^([A-Za-z0-9_.+-]+)+@example\.com$", r"^(a|a)*$", r"^(a+)+$", r"(.*)*,(.*)*,x"], ids=str
)
@pytest.mark.usefixtures("deadline")
def test_nested_repetition_takes_no_longer_than_the_text_is_long(pattern: str) -> None:
    rule = Rule("pattern", "email", f"pattern: {pattern}", pattern=pattern)
    told = Column(codes=np.array([0, 1], np.int32), categories=("a" * 1000 + "!", "b"))
    counted = count_rules({"email": told}, Expectations(features={"email": (rule,)}), np.zeros(2, np.int64), 1)
    assert counted[rule.part].tolist() == [[2, 2, 0, 0]]


@pytest.mark.usefixtures("deadline")
def test_a_limit_of_many_digits_and_no_end_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match="is not a limit"):
        count_limit("1" * 100 + "x")


PIECES = st.sampled_from(
    [
        *("a", "é", "5", ".", " ", "@", r"\.", r"\d", r"\D", r"\w", r"\W", r"\s", r"\S", "[ab]", "[^a]", r"[\w.-]"),
        *(r"[\W\d]", r"[\s\S]", r"[^\W_]", "[[a]", "[]a]", "[^]a]", "[$]", "a+", "a{,2}", r"\d{1,3}", "(a|é)"),
        *("^", "$", "(?:5 )?", r"\Z", r"\x61", r"\u00e9", "(?P<name>a)", "(?i:A)", "(?s:.)", "x*?"),
    ]
)
TEXTS = st.text(st.sampled_from("aAbéÉ5٣_.- \u00a0\u3000\x1c\v\n[]@!€x\ud800"), max_size=8)


@pytest.mark.slow
@given(st.lists(PIECES, min_size=1, max_size=5), st.sampled_from(["", "(?m)", "(?s)", "(?a)"]), st.lists(TEXTS))
def test_a_pattern_is_found_where_python_finds_it(pieces: list[str], flags: str, texts: list[str]) -> None:
    pattern = flags + "".join(pieces)
    check_pattern(pattern)
    python = [re.search(pattern, text.replace("\ud800", "?")) is not None for text in texts]
    assert find_pattern(pattern, texts).tolist() == python


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("(", "Python cannot parse the expression: missing )"),
        ("(?<=a)b", "RE2 has no look-around"),
        (r"(a)\1", "RE2 has no back-references"),
        ("(?P<a>b)(?P=a)", "RE2 has no back-references"),
        ("(?>a)b", "RE2 has no atomic groups"),
        ("a*+b", "RE2 has no atomic groups"),
        ("(?x) a b", "RE2 has no comments or verbose form"),
        ("a{1001}", "invalid repetition size"),
        ("(" * 3000 + ")" * 3000, "Python cannot parse the expression"),
    ],
)
def test_what_cannot_be_matched_is_refused_with_its_reason(pattern: str, reason: str) -> None:
    with pytest.raises(UnusablePattern, match=re.escape(reason)):
        check_pattern(pattern)

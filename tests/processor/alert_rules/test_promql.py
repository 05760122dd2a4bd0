"""Names and texts that come from elsewhere stay inside of quotes, patterns and templates."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase

import pytest
from driftline.semconv import attributes as a
from driftline.semconv import metrics as m
from driftline_processor.alert_rules.promql import Pattern, glob, globs, literal, matcher, none_of, one_of, series
from driftline_processor.present.names import handle

NAMES = ("churn", "churn-nl", "a.b", "axb", "v1", "v[1]", "^x", "x", "!x", "")


@pytest.mark.parametrize(
    "pattern", ["*", "churn-*", "a.b", "?", "v[12]", "[!x]", "[^x]*", "*-n?", "[x", "[]x]", "[!]x]", "[]", "[!]"]
)
def test_a_pattern_matches_what_policies_mean_by_it(pattern: str) -> None:
    meant = [name for name in NAMES if fnmatchcase(name, pattern)]
    assert [name for name in NAMES if re.fullmatch(glob(pattern), name)] == meant


def test_every_model_needs_no_matcher() -> None:
    assert globs(["churn", "*"]) is None
    assert globs(["churn-*", "a.b"]) == Pattern(r"churn\-.*|a\.b")


def test_a_name_ends_no_quotes_and_no_line() -> None:
    assert matcher("severity", 'a"b\\c\nd') == 'severity="a\\"b\\\\c\\nd"'


def test_a_long_name_is_the_one_that_stands_for_it_on_the_page_of_metrics() -> None:
    long = "x" * 300
    assert one_of([long]) == handle(long)
    assert matcher("severity", long) == f'severity="{handle(long)}"'


def test_one_and_none_of_some_names() -> None:
    assert one_of(["a.b", "a.b"]) == "a.b"
    assert one_of(["a.b", "c"]) == Pattern(r"a\.b|c")
    assert none_of(["a.b"]) == Pattern(r"a\.b", negated=True)


def test_a_series_has_all_that_is_wanted_of_models_and_labels() -> None:
    of = (Pattern("a.*"), none_of(["ab"]))
    expected = (
        m.INSTRUMENTS[m.DRIFTLINE_MODEL_STATUS].prometheus
        + '{ml_model_name=~"a.*",ml_model_name!~"ab",driftline_state="degraded"}'
    )
    assert series(m.DRIFTLINE_MODEL_STATUS, of, {a.DRIFTLINE_STATE: "degraded"}) == expected
    assert series(m.DRIFTLINE_MODEL_STATUS, (), {}) == m.INSTRUMENTS[m.DRIFTLINE_MODEL_STATUS].prometheus


def test_a_text_is_no_template() -> None:
    assert literal("{{{ x }}") == '{{ "{{" }}{ x }}'

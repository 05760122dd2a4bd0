"""The words that pages lead to: each is there once, and each first use leads to it."""

from __future__ import annotations

import importlib.util
import re

import pytest
from driftline_processor.present.glossary import WORDS, Definitions

from tests.support.paths import ROOT
from tests.support.unwrap import unwrap


def test_a_word_is_told_once() -> None:
    terms = [term for word in WORDS for term in (word.term, *word.also)]
    assert len(terms) == len(set(terms))
    assert len({word.anchor for word in WORDS}) == len(WORDS)
    assert [word.anchor for word in WORDS if not re.fullmatch(r"word-[A-Za-z-]+", word.anchor)] == []


def test_only_the_first_use_leads_to_what_a_word_means() -> None:
    define = Definitions()
    link = str(define("outcome", "<Outcomes>"))
    assert link.startswith('<a class="word" tabindex="-1" href="/glossary#word-outcome" title="')
    assert link.endswith(">&lt;Outcomes&gt;</a>")
    assert define("outcome", "outcomes") == "outcomes"
    assert define.where_known("final") != "final"
    assert define("mature") == "mature", "final is the same word"
    assert [word.term for word in define.used] == ["outcome", "mature"]


def test_a_text_that_is_no_word_stays_and_a_misspelled_word_is_an_error() -> None:
    define = Definitions()
    assert define.where_known("July 2013") == "July 2013"
    with pytest.raises(KeyError):
        define("baselines")
    assert define.used == []


def test_marks_are_code_on_a_page_and_nothing_in_a_hint() -> None:
    (window,) = [word for word in WORDS if word.term == "window"]
    assert window.plain.endswith("as a whole: 1h, 1d, 1mo")
    assert window.html.endswith("<code>1h</code>, <code>1d</code>, <code>1mo</code>")


def test_the_documentation_has_the_same_words(capsys: pytest.CaptureFixture[str]) -> None:
    spec = unwrap(importlib.util.spec_from_file_location("generate_glossary", ROOT / "scripts/generate_glossary.py"))
    script = importlib.util.module_from_spec(spec)
    unwrap(spec.loader).exec_module(script)

    assert script.main(["--check"]) == 0, capsys.readouterr().out

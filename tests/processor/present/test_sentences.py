"""Sentences: all of them in one file, a maker for each kind of fact, and no fact without one."""

from __future__ import annotations

from typing import get_args

from driftline_processor.core.evaluation import ChangeReason
from driftline_processor.core.fact import UnknownFact
from driftline_processor.core.quality.judge import CHECKS
from driftline_processor.present.sentences import kinds
from driftline_processor.present.sentences.advice import ADVICE as MAKERS_OF_ADVICE

from tests.golden.sentences import ADVICE, CHANGES, FACTS, FINDINGS, PATH, lines


def test_the_sentences_are_those_of_the_file() -> None:
    """``python -m tests.golden.sentences`` writes the file anew."""
    assert list(lines()) == PATH.read_text(encoding="utf-8").splitlines()


def test_the_file_has_every_kind_of_fact() -> None:
    assert {type(one) for one in FACTS} == {*kinds()} - {UnknownFact}
    assert {type(one) for one in ADVICE} == {*MAKERS_OF_ADVICE}
    assert {one.check for one in FINDINGS} == {*CHECKS}
    assert {one.reason for one in CHANGES} == {*get_args(ChangeReason)}

"""Every kind of fact has words, and storage keeps every field of it.

A kind is a class of ``core.facts``; the type checker compares its fields with the code that makes it and its words.
"""

from __future__ import annotations

import pytest
from driftline.tables.table import ModelKey
from driftline_processor.core import facts
from driftline_processor.core.evaluation import Evaluation, KindOfChange
from driftline_processor.core.fact import FactStruct, UnknownFact
from driftline_processor.core.windows.window import Window
from driftline_processor.evaluation.evaluation_codec import decode_evaluation, encode_evaluation
from driftline_processor.present.sentences import forms, kinds
from driftline_processor.present.sentences.advice import ADVICE

from tests.support.any_object import Builder


def test_every_kind_has_words_and_all_words_are_of_a_kind() -> None:
    with_words, of_advice = {*kinds()}, {*ADVICE}
    assert with_words | of_advice == {*facts.KINDS}
    assert not with_words & of_advice
    assert len({kind.__name__ for kind in facts.KINDS}) == len(facts.KINDS) > 200
    assert forms(UnknownFact("of_a_later_release")) == ()


@pytest.mark.parametrize("kind", facts.KINDS, ids=lambda kind: kind.__name__)
def test_storage_keeps_every_field(kind: type[FactStruct]) -> None:
    for seed in range(3):
        fact: FactStruct = Builder(seed, gaps=seed / 2).build(kind)
        evaluation = Evaluation(ModelKey("churn"), Window("1d", 1, 2), 12, True)
        evaluation.change_kind = KindOfChange("concept_change", "meaning_changed", (fact, facts.AndAlso(fact)))
        read = decode_evaluation(encode_evaluation(evaluation)).change_kind
        assert read == evaluation.change_kind

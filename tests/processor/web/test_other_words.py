"""With every sentence in capitals nothing but the words changes: links, buttons, states, runbooks, policies, drills."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from driftline_extensions.drills.faults import FAULTS
from driftline_processor.core import facts
from driftline_processor.core.evaluation import Verdict
from driftline_processor.core.policy.condition import Finding, read_condition
from driftline_processor.present.evaluation_json import evaluations_to_json
from driftline_processor.present.runbooks import runbook_for
from driftline_processor.present.sentences import register
from driftline_processor.present.sentences.policies import found_words
from driftline_processor.present.sentences.verdict import verdict_action, verdict_certainty, verdict_sentence
from starlette.testclient import TestClient

from tests.golden.sentences import fact_lines, verdicts
from tests.support.fake_view import FakeView, flights, price
from tests.support.html_page import Page
from tests.support.verdict_examples import verdict_of_window
from tests.support.window_verdict_cases import WINDOWS

CONDITIONS = ("verdict is degraded or at_risk", "features drift", "data faulty", "accuracy < 85 %", "coverage < 50 %")
PAGES = ("/", "/incidents", "/models/flights", "/models/flights/drift", "/models/flights/data", "/scorecard")
TEXTS = frozenset({"sentence", "headline", "evidence", "cause", "action", "certainty", "immature", "explanation"})
"""Keys of JSON whose values are sentences."""


def capitals(text: str) -> str:
    """Write a text in capitals, but for the names of columns: no translation changes those."""
    return re.sub(r"\b(?!(?:temp|age|wind_speed)\b)\w+", lambda word: word[0].upper(), text)


def in_capitals(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(register, "voice", capitals)


def decisions(verdict: Verdict) -> list[Any]:
    """Return what code decides by a verdict."""
    named = [fault.identifies(verdict, (), ("age",)) for fault in FAULTS.values()]
    return [verdict.state, verdict.kind, runbook_for(verdict, (), verdict.state), *named]


def without_texts(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: without_texts(one) for name, one in value.items() if name not in TEXTS}
    return [without_texts(one) for one in value] if isinstance(value, list) else value


def shown(client: TestClient, address: str) -> tuple[list[str], list[str], list[str], str]:
    page = Page(client.get(address).text)
    return page.links, page.ids, page.tags, page.text


def test_every_sentence_passes_the_one_place(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = list(fact_lines())
    in_capitals(monkeypatch)
    for before, after in zip(plain, fact_lines(), strict=True):
        (kind, said), (same, louder) = before.split(": ", 1), after.split(": ", 1)
        assert (kind, louder.casefold()) == (same, said.casefold())
        assert {word for word in re.findall(r"\w+", louder) if word.islower()} <= {"temp", "age"}


def test_runbooks_and_drills_follow_from_facts(monkeypatch: pytest.MonkeyPatch) -> None:
    known = list(verdicts())
    plain = [decisions(one) for one in known]
    spoken = [(verdict_sentence(one), verdict_action(one), verdict_certainty(one)) for one in known]
    in_capitals(monkeypatch)
    assert [decisions(one) for one in verdicts()] == plain
    assert all(capitals(verdict_sentence(one)) == verdict_sentence(one) for one in known)
    assert all(verdict_sentence(one) != said[0] for one, said in zip(known, spoken, strict=True))


def test_policies_follow_from_facts(monkeypatch: pytest.MonkeyPatch) -> None:
    def judged() -> list[Any]:
        found = [
            read_condition(text).judge(Finding([evaluation], 0, verdict_of_window))
            for text in CONDITIONS
            for evaluation, *_ in WINDOWS
        ]
        return [(one.holds, [fact.kind for fact in one.facts], found_words(one.facts)) for one in found]

    plain = judged()
    in_capitals(monkeypatch)
    louder = judged()
    assert [one[:2] for one in louder] == [one[:2] for one in plain]
    assert louder != plain


def test_the_api_answers_the_same_but_for_sentences(monkeypatch: pytest.MonkeyPatch) -> None:
    def answers() -> list[Any]:
        return [
            evaluations_to_json("late", "1", [evaluation], verdict=verdict_of_window(evaluation))
            for evaluation, *_ in WINDOWS
        ]

    plain = answers()
    in_capitals(monkeypatch)
    louder = answers()
    assert without_texts(louder) == without_texts(plain)
    assert louder != plain


@pytest.mark.parametrize("address", PAGES)
def test_a_page_has_the_same_links_and_buttons(
    monkeypatch: pytest.MonkeyPatch, browse: Callable[[Any], TestClient], address: str
) -> None:
    model = flights()
    assert model.verdict is not None
    moved, retrain = facts.ColumnMoved(name="temp"), facts.Retrain(facts.Since(None, "UTC", of_days=True))
    for advice in (
        facts.SendOutcomesOrLabel(needed=facts.Needed(200, "accuracy")),
        facts.ChangeVersion(version="7"),
        retrain,
    ):
        model.verdict = Verdict("degraded", model.verdict.since, reasons=(moved,), advice=advice)
        client = browse(FakeView([model, price()]))
        plain = shown(client, address)
        with monkeypatch.context() as other:
            in_capitals(other)
            louder = shown(client, address)
        assert louder[:3] == plain[:3]
        assert louder[3].casefold() == plain[3].casefold()


def test_the_buttons_of_a_verdict_are_those_of_its_advice(browse: Callable[[Any], TestClient]) -> None:
    model = flights()
    assert model.verdict is not None
    found = {}
    for advice in (facts.SendOutcomes(), facts.NothingToDo()):
        model.verdict = Verdict("degraded", advice=advice)
        found[advice.kind] = [
            one for one in shown(browse(FakeView([model])), "/models/flights")[0] if "label-next" in one
        ]
    assert [len(one) for one in found.values()] == [1, 0]

"""Decisions about models are kept over restarts, with who and why."""

from __future__ import annotations

from pathlib import Path

import pytest
from driftline_processor.governance import decisions
from driftline_processor.governance.decisions import Decision, DecisionStore
from driftline_processor.maintenance.erasure import ErasureOrder, forget_model
from driftline_processor.store.audit_log import AuditLog
from driftline_processor.store.database import Store


def opened(store: Store) -> DecisionStore:
    return DecisionStore(store.connect(lasting=True), store.unreadable, AuditLog(store))


def test_a_decision_is_there_after_a_restart(tmp_path: Path) -> None:
    store = Store(tmp_path)
    made = opened(store).record("churn", "7", "retirement", "ann", "it is old", 5)
    store.close()
    again = Store(tmp_path)
    assert opened(again).of("churn") == [made]
    assert (made.words, made.by, made.why, made.version) == ("retired", "ann", "it is old", "7")
    again.close()


def test_the_newest_comes_first_and_another_model_has_its_own(store: Store) -> None:
    kept = opened(store)
    for now, (model, why) in enumerate([("churn", "one"), ("fraud", "two"), ("churn", "three")]):
        kept.record(model, "", "retraining", "ann", why, now)
    assert [one.why for one in kept.of("churn")] == ["three", "one"]
    assert kept.of("none") == []


def test_a_half_surrogate_in_a_name_is_kept_as_a_question_mark(store: Store) -> None:
    kept = opened(store)
    made = kept.record("a\ud800", "", "retraining", "b\ud800", "c", 1)
    assert (made.model, made.by) == ("a?", "b?")
    assert kept.of("a\ud800") == [made]


def test_a_decision_is_compared_with_no_other(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """With thousands of them, comparing each with each holds up everything else for seconds."""
    kept = opened(store)
    compared: list[object] = []

    def equals(one: Decision, other: object) -> bool:
        compared.append(other)
        return one is other

    monkeypatch.setattr(Decision, "__eq__", equals)
    for now in range(4):
        kept.record("churn", "", "retraining", "ann", "because", now)
    assert (len(kept.decisions), compared) == (4, [])


def test_the_oldest_go_where_there_are_too_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decisions, "MOST", 2)
    store = Store(tmp_path)
    kept = opened(store)
    for now in range(3):
        kept.record("churn", "", "retraining", "ann", f"{now}", now)
    assert [one.why for one in opened(store).of("churn")] == ["2", "1"]
    store.close()


def test_many_annotations_of_a_model_delete_no_decision_and_nothing_of_another(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decisions, "MOST", 6)
    kept = opened(store)
    kept.record("fraud", "", "note", "ann", "of another model", 1)
    kept.record("churn", "", "retirement", "ann", "a decision", 2)
    for now in range(20):
        kept.record("churn", "", "note", "eve", f"{now}", 3 + now)
    assert [one.why for one in opened(store).decisions] == ["of another model", "a decision", "16", "17", "18", "19"]


def test_who_forgets_a_model_forgets_what_was_decided_about_it(store: Store) -> None:
    kept = opened(store)
    for model, version in (("churn", "7"), ("churn", ""), ("fraud", "")):
        kept.record(model, version, "retraining", "ann", "why", 1)
    connection = store.connect(lasting=True)
    forget_model(connection, ErasureOrder("churn", "model", ("7",)), 1)
    assert [(one.model, one.version) for one in opened(store).decisions] == [("churn", ""), ("fraud", "")]
    forget_model(connection, ErasureOrder("churn", "model"), 1)
    assert [one.model for one in opened(store).decisions] == ["fraud"]

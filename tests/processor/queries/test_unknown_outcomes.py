"""The answer to outcomes names those that cannot be used now: unknown ids and classes, and impossible times."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from driftline.tables.table import OutcomeTable
from driftline_processor.core.outcomes.unknown import UnknownOutcomes
from driftline_processor.present.sentences.outcomes import unknown_outcomes_sentence
from driftline_processor.state import state as states

from tests.support.state_rows import DAY, NOON, Opened, outcomes, predictions

IDS = [str(number) for number in range(40)]


def review(state: Opened, table: OutcomeTable) -> Sequence[UnknownOutcomes]:
    state.send(table)
    return state.state.unknown_outcomes([table])


def test_outcomes_with_known_ids_and_classes_are_all_known(state: Opened) -> None:
    state.send(predictions(IDS))
    assert review(state, outcomes(IDS, [0, 1.0, "1", "0.0"] * 10)) == []


def test_the_forms_of_unknown_and_of_stored_ids_are_compared(state: Opened) -> None:
    state.send(predictions(IDS))

    (unknown,) = review(state, outcomes([*(f"{text:0>12}" for text in IDS[:30]), *IDS[30:]], [1] * 40))

    assert (unknown.kind, unknown.rows, unknown.checked) == ("id", 30, 40)
    assert (unknown.form.longest, unknown.form.leading_zeros) == (12, True)
    assert (unknown.stored.longest, unknown.stored.leading_zeros) == (2, False)


def test_classes_that_the_model_does_not_have_are_named(state: Opened) -> None:
    state.send(predictions(IDS))

    (unknown,) = review(state, outcomes(IDS, ["yes", "no", 1, 0] * 10))

    assert (unknown.kind, unknown.rows, unknown.classes) == ("actual", 20, ("no", "yes"))


def test_outcomes_dated_before_their_prediction_are_named(state: Opened) -> None:
    state.send(predictions(IDS))

    (unknown,) = review(state, outcomes(IDS, [1] * 40, times=[NOON - 3 * DAY] * 10 + [NOON - DAY] * 30))

    assert (unknown.kind, unknown.rows, unknown.checked) == ("time", 10, 40)


def test_outcomes_of_a_model_without_predictions_are_not_reviewed(state: Opened) -> None:
    assert review(state, outcomes(IDS, ["yes"] * 40)) == []


def test_outcomes_of_an_environment_without_predictions_are_named(state: Opened) -> None:
    state.send(predictions(IDS, environment="live"))

    (unknown,) = review(state, outcomes(IDS, [1] * 40, environment="prod"))

    assert (unknown.kind, unknown.rows, unknown.checked) == ("environment", 40, 40)
    assert review(state, outcomes(IDS, [1] * 40, environment="live")) == []


def test_predictions_of_another_model_do_not_count(state: Opened) -> None:
    state.send(predictions(IDS), predictions(["X-1"], model="risk"))

    (unknown,) = review(state, outcomes(IDS, [1] * 40, model="risk"))

    assert (unknown.kind, unknown.rows) == ("id", 40)


def test_reviews_rest_when_they_have_used_their_share_of_the_time(
    state: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(states, "REVIEW_CREDIT", 0.0)
    state.send(predictions(IDS))

    assert review(state, outcomes(["x"], [1]))
    assert not review(state, outcomes(["y"], [1]))


def test_a_misspelt_model_is_answered_with_the_near_names(state: Opened) -> None:
    state.send(predictions(IDS))

    (unknown,) = review(state, outcomes(IDS, [1] * 40, model="chrun"))

    assert (unknown.kind, unknown.rows, unknown.checked) == ("model", 40, 40)
    assert unknown_outcomes_sentence(unknown) == "no prediction of their model has come; did you mean 'churn'?"

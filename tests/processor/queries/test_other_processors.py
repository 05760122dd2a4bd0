"""Rows or predictions that another processor may have: a guess that is shown only where nothing here explains them."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from driftline.semconv import attributes as a
from driftline.semconv import events
from driftline.semconv import metrics as m
from driftline_processor.cli.checks import hint_findings
from driftline_processor.present.sentences.outcomes import OTHER_PROCESSORS
from starlette.testclient import TestClient

from tests.support.fake_view import app_of
from tests.support.html_page import page
from tests.support.metric_requests import histogram_of, metrics_body, predictions_of
from tests.support.otlp_requests import logs, record, span, traces
from tests.support.state_rows import DAY, HOUR, MINUTE, NOON, Clock, Opened, outcomes, predictions

MODEL = {a.ML_MODEL_NAME: "churn", a.ML_MODEL_VERSION: "1", a.ML_MODEL_TASK: "binary", a.ML_PREDICTION_SCORE: 0.5}
PAGES = ("/", "/models/churn", "/models/churn/data", "/models/churn/predictions", "/unknown-outcomes", "/status")


def count(state: Opened, n: int) -> None:
    """Send the count of ``n`` predictions that were made in the minute after noon."""
    body = metrics_body([predictions_of(n, start=NOON, time=NOON + MINUTE)], captured=False)
    state.state.submit("metrics", body).result(60)


def arrive(state: Opened, ids: Iterable[int]) -> None:
    """Send the records of predictions that were made in the minute after noon."""
    rows = [
        record(
            events.ML_PREDICTION,
            {**MODEL, a.ML_PREDICTION_ID: f"p{row}"},
            time_unix_nano=NOON + row,
            observed_time_unix_nano=NOON + row,
        )
        for row in ids
    ]
    state.state.submit("logs", logs(rows)).result(60)


def become_known(state: Opened, ids: Iterable[int], name: str = "p", model: str = "churn") -> None:
    """Send outcomes of predictions with these ids."""
    texts = [f"{name}{row}" for row in ids]
    state.send(outcomes(texts, [row % 2 for row in range(len(texts))], NOON + HOUR, model=model))


def shown(state: Opened, clock: Clock) -> dict[str, int]:
    """Return how often each page and the API contain the sentence; only places with it."""
    state.view()
    client = TestClient(app_of(state.state, clock))
    texts = {path: page(client, path).text for path in PAGES}
    texts["/api/v1/models"] = client.get("/api/v1/models").text
    return {path: text.count(OTHER_PROCESSORS) for path, text in texts.items() if OTHER_PROCESSORS in text}


@pytest.mark.slow
def test_half_of_the_rows_and_outcomes_may_be_at_another_processor(state: Opened, clock: Clock) -> None:
    arrive(state, range(0, 200, 2))
    become_known(state, range(100))
    count(state, 200)
    clock.now += 2 * HOUR
    assert shown(state, clock) == {
        "/models/churn": 2,
        "/models/churn/data": 2,
        "/models/churn/predictions": 1,
        "/api/v1/models": 2,
    }
    rows, waiting = (hint for hint in state.view().hints if OTHER_PROCESSORS in hint)
    assert rows.startswith("100 of the 200 predictions (50 %) that churn counted ")
    assert waiting.startswith("50 outcomes wait for a prediction of churn ")
    assert all(OTHER_PROCESSORS.rstrip(".") in finding.fix for finding in hint_findings((rows, waiting)))


def test_nothing_is_guessed_in_ordinary_operation(state: Opened, clock: Clock) -> None:
    arrive(state, range(200))
    become_known(state, range(100))
    count(state, 200)
    clock.now += 2 * HOUR
    assert shown(state, clock) == {}


@pytest.mark.slow
def test_some_rows_that_a_buffer_dropped_and_some_stray_outcomes_are_not_at_another_processor(
    state: Opened, clock: Clock
) -> None:
    arrive(state, range(190))
    become_known(state, range(209))
    count(state, 200)
    clock.now += 2 * HOUR
    assert shown(state, clock) == {}
    assert len([hint for hint in state.view().hints if "190 of the 200" in hint or "19 outcomes wait" in hint]) == 2


def test_sampled_spans_explain_rows_that_are_in_no_record(state: Opened, clock: Clock) -> None:
    spans = [span({**MODEL, a.ML_PREDICTION_ID: f"p{row}"}, row, start_time_unix_nano=NOON + row) for row in range(20)]
    state.state.submit("traces", traces(spans)).result(60)
    count(state, 200)
    clock.now += 2 * HOUR
    assert shown(state, clock) == {}


def test_a_service_that_sends_no_rows_explains_outcomes_without_a_prediction(state: Opened, clock: Clock) -> None:
    durations = histogram_of(m.ML_PREDICT_DURATION, [1.0], [200, 0], start=NOON, time=NOON + MINUTE, sum=1.0)
    state.state.submit("metrics", metrics_body([durations])).result(60)
    become_known(state, range(100))
    count(state, 200)
    clock.now += 2 * HOUR
    assert shown(state, clock) == {}


@pytest.mark.slow
def test_predictions_that_were_refused_for_their_time_are_not_at_another_processor(state: Opened, clock: Clock) -> None:
    arrive(state, range(100))
    ahead = [
        record(
            events.ML_PREDICTION,
            {**MODEL, a.ML_PREDICTION_ID: f"p{row}", a.DRIFTLINE_PREDICTION_TIME_UNIX_NANO: NOON + 400 * DAY},
            observed_time_unix_nano=NOON,
        )
        for row in range(100, 200)
    ]
    state.state.submit("logs", logs(ahead)).result(60)
    become_known(state, range(200))
    count(state, 200)
    clock.now += 2 * HOUR
    assert shown(state, clock) == {}


@pytest.mark.parametrize(("name", "expected"), [("p", 1), ("CUST-", 0)])
def test_only_ids_of_the_form_of_stored_ids_may_be_at_another_processor(
    state: Opened, clock: Clock, name: str, expected: int
) -> None:
    arrive(state, range(200))
    become_known(state, range(300, 400), name)
    clock.now += 2 * HOUR
    assert shown(state, clock).get("/models/churn/data", 0) == expected


@pytest.mark.parametrize(
    ("model", "n", "places"),
    [("risk", 20, {"/", "/api/v1/models", "/status", "/unknown-outcomes"}), ("risk", 19, set()), ("chrun", 20, set())],
)
def test_a_model_without_predictions_may_be_at_another_processor_unless_its_name_is_a_typo(
    state: Opened, clock: Clock, model: str, n: int, places: set[str]
) -> None:
    arrive(state, range(200))
    become_known(state, range(n), model=model)
    assert shown(state, clock).keys() == places


def test_the_answer_to_outcomes_names_another_processor(state: Opened, clock: Clock) -> None:
    state.send(predictions([f"p{row}" for row in range(200)]))
    client = TestClient(app_of(state.state, clock))

    def reason(name: str, n: int) -> str:
        rows = [{"id": f"{name}{row}", "actual": 1} for row in range(300, 300 + n)]
        (unknown,) = client.post("/v1/outcomes", json={"model": "churn", "outcomes": rows}).json()["unknown"]
        return str(unknown["reason"])

    assert reason("p", 20).endswith(f", in the same environment. {OTHER_PROCESSORS}")
    assert OTHER_PROCESSORS not in reason("p", 19)
    assert OTHER_PROCESSORS not in reason("CUST-", 20)

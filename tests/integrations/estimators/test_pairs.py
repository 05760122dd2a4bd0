"""Two calls of an estimator about the same rows are one prediction, with the class that the estimator decides."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import driftline
import driftline.testing
import lightgbm
import numpy as np
import pandas as pd
import pytest
import xgboost
from driftline.testing import Capture
from driftline_integrations.estimators import pairs
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import FixedThresholdClassifier, TunedThresholdClassifierCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from tests.support.service import Service

from .every_estimator import FRAME, LABELS, Threshold, nameless

Y = (LABELS == "stays").astype(int)
ALL = FRAME.to_numpy()


def fixed() -> Any:
    inner = LogisticRegression().fit(FRAME, Y)
    return FixedThresholdClassifier(inner, threshold=0.9, response_method="predict_proba").fit(FRAME, Y)


ESTIMATORS: dict[str, Callable[[], Any]] = {
    "logistic": lambda: LogisticRegression().fit(FRAME, Y),
    "fixed": fixed,
    "tuned": lambda: TunedThresholdClassifierCV(LogisticRegression(), cv=2, random_state=0).fit(FRAME, Y),
    "svc": lambda: SVC(probability=True, random_state=0).fit(FRAME, Y),
    "pipeline": lambda: make_pipeline(StandardScaler(), fixed()).fit(FRAME, Y),
    "own class": lambda: Threshold(level=0.9).fit(FRAME, Y),
    "xgboost": lambda: xgboost.XGBClassifier(n_estimators=3).fit(FRAME, Y),
    "lightgbm": lambda: lightgbm.LGBMClassifier(n_estimators=3, verbose=-1).fit(FRAME, Y),
    "three classes": lambda: LogisticRegression().fit(FRAME, Y + (FRAME["spend"] > 0)),
}


def rows_of(capture: Capture) -> list[tuple[Any, str]]:
    return [(prediction.score, prediction.predicted) for prediction in capture.predictions]


def expected(probabilities: Any, classes: Any) -> list[tuple[Any, str]]:
    scores = [row[1] if len(row) == 2 else tuple(row) for row in np.asarray(probabilities, np.float64).tolist()]
    return list(zip(scores, map(str, np.asarray(classes).tolist()), strict=True))


FORMS: dict[str, Callable[[int], Any]] = {
    "frame": lambda n: FRAME[:n],
    "array": lambda n: ALL[:n],
    "list": lambda n: ALL[:n].tolist(),
}


@pytest.mark.filterwarnings("ignore:X does not have valid feature names", "ignore:The `probability`")
@pytest.mark.parametrize("name", ESTIMATORS)
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("n", [1, 4])
@pytest.mark.parametrize("same", [True, False], ids=["the same object", "equal objects"])
@pytest.mark.parametrize("order", [("predict_proba", "predict"), ("predict", "predict_proba")], ids="-".join)
def test_the_class_that_predict_returned_is_recorded(
    name: str, form: str, n: int, same: bool, order: tuple[str, str]
) -> None:
    if form == "list" and name == "lightgbm":
        pytest.skip("LightGBM refuses lists")
    with driftline.testing.capture() as capture:
        estimator = driftline.Model("m").instrument(ESTIMATORS[name]())
        answers: dict[str, Any] = {"predict_proba": [], "predict": []}
        for _ in range(2):  # the second pair is known to be one
            rows = FORMS[form](n)
            for method in order:
                answers[method].extend(getattr(estimator, method)(rows if same else FORMS[form](n)))
    assert rows_of(capture) == expected(answers["predict_proba"], answers["predict"])
    assert not capture.lost


@pytest.mark.parametrize("order", [("predict_proba", "predict"), ("predict", "predict_proba")], ids="-".join)
@pytest.mark.parametrize("n", [1, 4])
def test_the_line_of_the_first_call_names_both_results(order: tuple[str, str], n: int) -> None:
    with driftline.testing.capture() as capture:
        estimator = driftline.Model("m").instrument(ESTIMATORS["logistic"]())
        for method in order:
            getattr(estimator, method)(FRAME[:n])
    (line,) = capture.log
    assert "the results of predict and predict_proba as the score" in line


def test_the_span_has_the_decided_class(service: Service) -> None:
    estimator = nameless(service).instrument(fixed())
    probability, decided = estimator.predict_proba(FRAME[:1])[0, 1], estimator.predict(FRAME[:1])[0]
    service.flush()
    attributes = service.attributes()
    assert (attributes["ml.prediction.score"], attributes["ml.prediction.class"]) == (probability, str(decided))
    assert (probability >= 0.5, decided) == (True, 0)


@pytest.mark.parametrize("n", [1, 4])
def test_calls_about_other_rows_are_other_predictions(n: int) -> None:
    other = FRAME[10 : 10 + n]
    with driftline.testing.capture() as capture:
        estimator = driftline.Model("m").instrument(fixed())
        scores = estimator.predict_proba(FRAME[:n])[:, 1].tolist()
        decided = estimator.predict(other).tolist()
        scores += estimator.predict_proba(other)[:, 1].tolist()
    assert [p.score for p in capture.predictions if p.score is not None] == scores
    assert [p.predicted for p in capture.predictions][n : 2 * n] == list(map(str, decided))
    assert len(capture.predictions) == 2 * n


@pytest.mark.parametrize("n", [1, 4])
@pytest.mark.parametrize("form", [lambda n: FRAME[:n].copy(), lambda n: ALL[:n].copy()], ids=["frame", "array"])
@pytest.mark.filterwarnings("ignore:X does not have valid feature names")
def test_an_object_that_is_filled_again_has_other_rows(n: int, form: Callable[[int], Any]) -> None:
    buffer = form(n)
    with driftline.testing.capture() as capture:
        estimator = driftline.Model("m").instrument(fixed())
        estimator.predict_proba(buffer)
        buffer += 1.0
        estimator.predict(buffer)
    assert [prediction.score is None for prediction in capture.predictions] == [False] * n + [True] * n


def test_a_second_call_of_the_same_method_is_another_prediction() -> None:
    with driftline.testing.capture() as capture:
        estimator = driftline.Model("m").instrument(fixed())
        for method in ("predict_proba", "predict_proba", "predict", "predict", "predict"):
            getattr(estimator, method)(FRAME[:1])
    assert [(p.score is None) for p in capture.predictions] == [False, False, True]


@pytest.mark.filterwarnings("ignore:X does not have valid feature names")
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("n", [1, 4])
def test_a_loop_of_first_calls_and_a_loop_of_second_calls_are_pairs(form: str, n: int) -> None:
    with driftline.testing.capture() as capture:
        estimator = driftline.Model("m").instrument(fixed())
        batches = [FRAME[at : at + n] for at in range(0, 10 * n, n)]
        as_form: dict[str, Callable[[Any], Any]] = {
            "frame": pd.DataFrame,
            "array": pd.DataFrame.to_numpy,
            "list": lambda frame: frame.to_numpy().tolist(),
        }
        probabilities = [estimator.predict_proba(as_form[form](batch)) for batch in batches]
        decided = [estimator.predict(as_form[form](batch)) for batch in reversed(batches)]
    assert rows_of(capture) == expected(np.concatenate(probabilities), np.concatenate(decided[::-1]))


def test_a_pair_may_have_a_form_for_each_call() -> None:
    rows = FRAME[:3].fillna(0.5)
    with driftline.testing.capture() as capture:
        estimator = driftline.Model("m").instrument(LogisticRegression().fit(ALL, Y))
        probabilities = [estimator.predict_proba(rows[at : at + 1].to_numpy()) for at in range(3)]
        decided = [estimator.predict(rows[at : at + 1].to_numpy().tolist()) for at in range(3)]
        probabilities.append(estimator.predict_proba(rows.to_numpy()))
        decided.append(estimator.predict(rows.to_numpy().tolist()))
    assert rows_of(capture) == expected(np.concatenate(probabilities), np.concatenate(decided))


def test_calls_in_other_threads_with_equal_lists_are_a_pair() -> None:
    async def serve(estimator: Any, at: int) -> list[tuple[Any, str]]:
        rows = ALL[at : at + 1].tolist()
        probabilities = await asyncio.to_thread(estimator.predict_proba, rows)
        return expected(probabilities, await asyncio.to_thread(estimator.predict, rows))

    async def main(estimator: Any) -> list[tuple[Any, str]]:
        return [answer for part in await asyncio.gather(*(serve(estimator, at) for at in range(20))) for answer in part]

    with driftline.testing.capture() as capture:
        answers = asyncio.run(main(driftline.Model("m").instrument(LogisticRegression().fit(ALL, Y))))
    assert sorted(rows_of(capture)) == sorted(answers)


def test_recent_calls_are_bounded_and_keep_no_rows_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pairs, "_MOST_CALLS", 3)
    with driftline.testing.capture() as capture:
        estimator = driftline.Model("m").instrument(fixed())
        rows = [FRAME[at : at + 2].copy() for at in range(5)]
        alive = [weakref.ref(frame) for frame in rows]
        for at in (0, 1, 2, 3, 4):
            estimator.predict_proba(rows[at])
        for at in (4, 3, 2, 1, 0):
            estimator.predict(rows[at])
        rows.clear()
        gc.collect()
        assert [reference() for reference in alive] == [None] * 5
    assert [p.score is None for p in capture.predictions] == [False] * 10 + [True] * 4


def test_missing_values_are_equal_to_themselves() -> None:
    rows = pd.DataFrame({"age": [np.nan, 1.0], "visits": [0.5, np.nan]})
    with driftline.testing.capture() as capture:
        model = xgboost.XGBClassifier(n_estimators=2).fit(FRAME[["age", "visits"]], Y)
        estimator = driftline.Model("m").instrument(model)
        for n in (1, 2):
            estimator.predict_proba(rows[:n].copy())
            estimator.predict(rows[:n].copy())
    assert len(capture.predictions) == 3


def test_within_an_open_prediction_the_decided_class_completes_it() -> None:
    churn = driftline.Model("m", task="binary")
    with driftline.testing.capture() as capture:
        estimator = churn.instrument(fixed())
        warm_up = estimator.predict_proba(FRAME[:1])[0, 1]
        with churn.prediction(id="A-1"):
            decided, probability = estimator.predict(FRAME[:1])[0], estimator.predict_proba(FRAME[:1])[0, 1]
    first, inside = capture.predictions
    assert (first.score, first.predicted) == (warm_up, "1")
    assert (inside.id, inside.score, inside.predicted) == ("A-1", probability, str(decided))


def test_threads_and_tasks_do_not_share_pairs() -> None:
    with driftline.testing.capture() as capture:
        estimator = driftline.Model("m").instrument(fixed())
        barrier = threading.Barrier(4)

        def serve(first: int) -> list[tuple[Any, str]]:
            barrier.wait()
            answers = []
            for at in range(first, 60, 4):
                probabilities = estimator.predict_proba(FRAME[at : at + 1])
                answers += expected(probabilities, estimator.predict(FRAME[at : at + 1]))
            return answers

        with ThreadPoolExecutor(4) as pool:
            answers = [answer for part in pool.map(serve, range(4)) for answer in part]
    assert sorted(rows_of(capture)) == sorted(answers)


def test_calls_in_other_threads_with_the_same_object_are_a_pair() -> None:
    async def serve(estimator: Any, at: int) -> list[tuple[Any, str]]:
        rows = FRAME[at : at + 1]
        probabilities = await asyncio.to_thread(estimator.predict_proba, rows)
        return expected(probabilities, await asyncio.to_thread(estimator.predict, rows))

    async def main(estimator: Any) -> list[tuple[Any, str]]:
        return [answer for part in await asyncio.gather(*(serve(estimator, at) for at in range(20))) for answer in part]

    with driftline.testing.capture() as capture:
        answers = asyncio.run(main(driftline.Model("m").instrument(fixed())))
    assert sorted(rows_of(capture)) == sorted(answers)


def test_the_background_thread_waits_for_the_second_call_and_not_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pairs, "PATIENCE", 60.0)
    with driftline.testing.capture() as capture:
        estimator = driftline.Model("m").instrument(fixed())
        probability = estimator.predict_proba(FRAME[:1])[0, 1]
        reader = threading.Thread(target=lambda: capture.predictions)
        reader.start()
        decided = estimator.predict(FRAME[:1])[0]
        reader.join(30)
        assert not reader.is_alive()
    assert rows_of(capture) == [(probability, str(decided))]


def test_a_call_after_the_record_is_encoded_is_not_a_second_row() -> None:
    with driftline.testing.capture() as capture:
        estimator = driftline.Model("m").instrument(ESTIMATORS["logistic"]())
        rows = FRAME[:4]
        estimator.predict_proba(rows)
        assert len(capture.predictions) == 4
        estimator.predict(rows)
    assert len(capture.predictions) == 4


def test_a_call_of_one_capture_does_not_complete_a_call_of_another() -> None:
    estimator = driftline.Model("m").instrument(fixed())
    with driftline.testing.capture() as first:
        estimator.predict(FRAME[:2])
    with driftline.testing.capture() as second:
        estimator.predict_proba(FRAME[:2])
    assert [p.score is None for p in first.predictions] == [True, True]
    assert [p.score is None for p in second.predictions] == [False, False]

"""XGBoost and LightGBM: their scikit-learn estimators and their native boosters."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path
from typing import Any

import driftline
import driftline.testing
import numpy as np
import pandas as pd
import pytest
from driftline.batch.conversion import list_of
from driftline.export import pipeline
from driftline_integrations.lightgbm import LightGBMInstrumentor
from driftline_integrations.sklearn import SklearnInstrumentor
from driftline_integrations.xgboost import XGBoostInstrumentor
from sklearn.datasets import make_multilabel_classification

from tests.integrations.estimators.every_estimator import (
    BATCH,
    FRAME,
    LABELS,
    ROW,
    VALUES,
    attributes_of,
    classes,
    forget,
    nameless,
    names,
)
from tests.support.service import Service
from tests.support.unwrap import unwrap

xgboost = pytest.importorskip("xgboost", reason="xgboost is not installed: pip install xgboost-cpu")
lightgbm = pytest.importorskip("lightgbm", reason="lightgbm is not installed: pip install lightgbm")

CODES = (LABELS == "stays").astype(int)
THREE = np.digitize(FRAME["age"], [-0.5, 0.5])


def xgb(objective: str, labels: Any, **parameters: Any) -> Any:
    matrix = xgboost.DMatrix(FRAME, label=labels)
    return xgboost.train({"objective": objective, "nthread": 1, **parameters}, matrix, 3)


def lgb(objective: str, labels: Any, **parameters: Any) -> Any:
    parameters = {"objective": objective, "verbose": -1, "min_data_in_leaf": 2, "num_threads": 1, **parameters}
    return lightgbm.train(parameters, lightgbm.Dataset(FRAME, label=labels), 3)


def of(kind: str, frame: Any) -> Any:
    return xgboost.DMatrix(frame) if kind == "xgboost" else frame


BINARY = [
    pytest.param("xgboost", lambda: xgb("binary:logistic", CODES), id="xgboost"),
    pytest.param("lightgbm", lambda: lgb("binary", CODES), id="lightgbm"),
]


@pytest.mark.parametrize(("kind", "make"), BINARY)
def test_a_native_booster_is_read_by_its_objective(service: Service, kind: str, make: Any) -> None:
    booster = make()
    plain = booster.predict(of(kind, BATCH))
    assert nameless(service).instrument(booster) is booster
    assert booster.predict(of(kind, BATCH)).tolist() == plain.tolist()

    table = service.table()
    assert (table.task.kind, table.task.classes, table.task.positive_class) == ("binary", ("0", "1"), "1")
    assert unwrap(table.scores)[:, 0].tolist() == plain.tolist()
    assert list(table.features) == list(FRAME)
    for name, column in table.features.items():
        assert np.array(column.numbers, np.float32).tolist() == BATCH[name].astype(np.float32).tolist()


@pytest.mark.parametrize(("kind", "make"), BINARY)
def test_one_row_of_a_booster_is_a_span_with_its_features(service: Service, kind: str, make: Any) -> None:
    booster = nameless(service).instrument(make())
    (score,) = booster.predict(of(kind, ROW)).tolist()
    attributes = service.attributes()
    assert attributes["ml.prediction.score"] == score
    assert attributes["driftline.feature.value.age"] == pytest.approx(ROW["age"][0], rel=1e-6)


@pytest.mark.parametrize(("kind", "make"), BINARY)
def test_the_codes_of_a_booster_stand_for_the_models_classes(service: Service, kind: str, make: Any) -> None:
    for positive in ("stays", "churns"):
        forget(service)
        churn = driftline.Model(
            "churn", task="binary", classes=("churns", "stays"), positive_class=positive, channel=service.channel
        )
        scores = churn.instrument(make()).predict(of(kind, BATCH))
        table = service.table()
        expected = scores if positive == "stays" else 1.0 - scores
        assert unwrap(table.scores)[:, 0].tolist() == expected.tolist()
    with pytest.raises(ValueError, match="3 classes"):
        service.model(task="", classes=("a", "b", "c")).instrument(make())


def test_objectives_decide_what_xgboost_answers(service: Service) -> None:
    softprob = nameless(service).instrument(xgb("multi:softprob", THREE, num_class=3))
    scores = softprob.predict(xgboost.DMatrix(BATCH))
    table = service.table()
    assert table.task.classes == ("0", "1", "2")
    assert table.scores is not None
    assert table.scores.tolist() == scores.tolist()

    forget(service)
    softmax = nameless(service).instrument(xgb("multi:softmax", THREE, num_class=3))
    decided = softmax.predict(xgboost.DMatrix(BATCH))
    table = service.table()
    assert table.scores is None
    assert classes(table) == [str(int(code)) for code in decided]


def test_one_class_against_the_others_says_the_class_because_its_scores_do_not_sum_to_one(service: Service) -> None:
    booster = nameless(service).instrument(lgb("multiclassova", THREE, num_class=3))
    scores = booster.predict(BATCH)
    table = service.table()
    assert table.scores is None
    assert classes(table) == list(map(str, scores.argmax(axis=1)))


@pytest.mark.parametrize("rows", [1, 2])
@pytest.mark.parametrize("labels", [2, 3])
def test_scores_of_several_labels_are_not_class_scores(rows: int, labels: int) -> None:
    samples, targets = make_multilabel_classification(80, 4, n_classes=labels, random_state=1)
    estimator = xgboost.XGBClassifier(n_estimators=2, n_jobs=1).fit(samples, targets)
    with driftline.testing.capture(raising=False) as capture:
        driftline.Model("m").instrument(estimator).predict_proba(samples[:rows])
    assert [prediction.score for prediction in capture.predictions] == [None] * rows
    assert [(loss.reason, loss.count) for loss in capture.lost] == [("unread_result", rows)]


def test_margins_say_the_class_and_explanations_say_nothing(service: Service) -> None:
    booster = nameless(service).instrument(xgb("binary:logistic", CODES))
    matrix = xgboost.DMatrix(BATCH)
    for explanation in ("pred_leaf", "pred_contribs", "pred_interactions"):
        booster.predict(matrix, **{explanation: True})
    assert service.tables() == []
    margins = booster.predict(matrix, output_margin=True)
    table = service.table()
    assert table.scores is None
    assert classes(table) == [str(int(margin > 0)) for margin in margins]

    forget(service)
    other = nameless(service).instrument(lgb("binary", CODES))
    other.predict(BATCH, pred_leaf=True)
    other.predict(BATCH, 0, None, False, False, True)  # pred_contrib by its position
    assert service.tables() == []
    other.predict(BATCH, raw_score=True)
    assert service.table().scores is None


def test_regression_and_ranking_boosters_say_values(service: Service) -> None:
    booster = nameless(service).instrument(xgb("reg:squarederror", VALUES))
    values = booster.inplace_predict(BATCH)
    table = service.table()
    assert table.task.kind == "regression"
    assert unwrap(table.scores)[:, 0].tolist() == values.tolist()
    forget(service)
    booster.predict(xgboost.DMatrix(BATCH), output_margin=True)
    assert service.tables() == []


def test_missing_values_of_a_matrix_are_missing(service: Service) -> None:
    booster = nameless(service).instrument(xgb("binary:logistic", CODES))
    rows = BATCH.to_numpy().copy()
    rows[0, 1], rows[1, 2] = np.nan, 0.0
    booster.predict(xgboost.DMatrix(rows, feature_names=list(FRAME)))
    features = service.table().features
    assert np.isnan(np.array(features["visits"].numbers)).tolist() == [True, False, False, False]
    assert np.array(features["spend"].numbers)[1] == 0.0


CHOSEN = pd.DataFrame(
    {
        "plan": pd.Categorical(["pro", None, "free", "basic"], ["basic", "pro", "free"]),
        "age": [1.0, 2.0, 3.0, 4.0],
    }
)


@pytest.mark.parametrize("rows", [1, 4])
def test_a_matrix_is_recorded_without_its_categories_and_a_frame_with_them(service: Service, rows: int) -> None:
    def categorical(frame: pd.DataFrame) -> Any:
        return xgboost.DMatrix(frame, label=np.arange(len(frame)) % 2, enable_categorical=True)

    settings = {"objective": "binary:logistic", "nthread": 1}
    chooser = nameless(service).instrument(xgboost.train(settings, categorical(CHOSEN), 2))

    chooser.predict(categorical(CHOSEN[:rows]))
    assert {name: list_of(column) for name, column in service.table().features.items()} == {
        "age": CHOSEN["age"].tolist()[:rows]
    }
    forget(service)
    chooser.inplace_predict(CHOSEN[:rows])
    assert list_of(service.table().features["plan"]) == ["pro", None, "free", "basic"][:rows]


def test_a_file_that_lightgbm_reads_itself_is_no_prediction_of_ours(service: Service, tmp_path: Path) -> None:
    booster = nameless(service).instrument(lgb("binary", CODES))
    BATCH.to_csv(tmp_path / "rows.csv", header=False, index=False)
    assert len(booster.predict(tmp_path / "rows.csv")) == 4
    assert service.tables() == []


@pytest.mark.parametrize(("kind", "make"), BINARY)
def test_boosters_are_saved_and_copied_as_they_were(service: Service, kind: str, make: Any, tmp_path: Path) -> None:
    booster = make()
    plain = booster.predict(of(kind, BATCH)).tolist()
    nameless(service).instrument(booster)
    booster.save_model(tmp_path / "model.json")
    module = xgboost if kind == "xgboost" else lightgbm
    loaded = module.Booster(model_file=tmp_path / "model.json")
    for other in (loaded, copy.deepcopy(booster), pickle.loads(pickle.dumps(booster))):
        assert type(other) is module.Booster
        assert other.predict(of(kind, BATCH)).tolist() == plain
    assert service.tables() == []


QUIET = {"n_estimators": 3, "verbose": -1, "min_child_samples": 2, "n_jobs": 1}
THEIRS = [
    pytest.param(lambda: xgboost.XGBClassifier(n_estimators=3, n_jobs=1), id="XGBClassifier"),
    pytest.param(lambda: lightgbm.LGBMClassifier(**QUIET), id="LGBMClassifier"),
]


def own_attributes(kind: type) -> list[dict[str, Any]]:
    """Return what the classes say that an estimator of theirs derives from, and both boosters."""
    return [attributes_of(base) for base in (*kind.__mro__, xgboost.Booster, lightgbm.Booster)]


@pytest.mark.filterwarnings("ignore:The argument 'eval_set' is deprecated")
@pytest.mark.parametrize("make", THEIRS)
def test_their_estimators_follow_scikit_learn(service: Service, make: Any) -> None:
    estimator = nameless(service).instrument(make().fit(FRAME, CODES))
    scores = estimator.predict_proba(BATCH)
    table = service.table()
    assert unwrap(table.scores)[:, 0].tolist() == scores[:, 1].tolist()
    assert list(table.features) == list(FRAME)
    forget(service)
    decided = estimator.predict(BATCH.copy())
    assert classes(service.table()) == [str(code) for code in decided]
    forget(service)
    estimator.fit(FRAME, CODES, eval_set=[(FRAME, CODES)])
    estimator.score(FRAME, CODES)
    assert service.tables() == []


@pytest.mark.parametrize("order", [(0, 1), (1, 0)], ids=["together", "the other way round"])
@pytest.mark.parametrize("make", THEIRS)
def test_with_both_instrumentors_a_prediction_counts_once(
    service: Service, monkeypatch: pytest.MonkeyPatch, make: Any, order: tuple[int, int]
) -> None:
    monkeypatch.setattr(pipeline, "_default", pipeline.pipeline_of(service.channel))
    before = own_attributes(type(make()))
    theirs = XGBoostInstrumentor() if "XGB" in type(make()).__name__ else LightGBMInstrumentor()
    both = [SklearnInstrumentor(), theirs]
    try:
        for i in order:
            both[i].instrument()
        estimator = make().fit(FRAME, CODES)
        estimator.predict_proba(BATCH)
        assert names(service) == 4 * [type(estimator).__name__]
        forget(service)
        both[order[0]].uninstrument()
        estimator.predict_proba(BATCH)
        assert len(service.table()) == 4
        forget(service)
    finally:
        for instrumentor in both:
            if instrumentor.is_instrumented_by_opentelemetry:
                instrumentor.uninstrument()
    estimator.predict_proba(BATCH)
    assert service.tables() == []
    after = own_attributes(type(estimator))
    changed = [name for own, was in zip(after, before, strict=True) for name in own if own[name] is not was.get(name)]
    assert changed == []


def test_a_booster_that_nobody_named_is_recorded_by_the_name_of_its_class(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline, "_default", pipeline.pipeline_of(service.channel))
    XGBoostInstrumentor().instrument()
    try:
        booster = xgb("binary:logistic", CODES)
        assert service.tables() == []  # its training asked it nothing that counts
        booster.predict(xgboost.DMatrix(BATCH))
        assert names(service) == 4 * ["Booster"]
    finally:
        XGBoostInstrumentor().uninstrument()

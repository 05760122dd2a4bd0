"""CatBoost: its estimators and its pools. In ``make frameworks``, since it brings plotting libraries of 400 MB."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import driftline
import numpy as np
import pytest
from driftline.export import pipeline
from driftline_integrations.catboost import CatBoostInstrumentor

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

catboost = pytest.importorskip("catboost", reason="catboost is not installed: make frameworks")
pytestmark = pytest.mark.frameworks

QUIET = {"iterations": 3, "verbose": 0, "allow_writing_files": False, "thread_count": 1}


def classifier() -> Any:
    return catboost.CatBoostClassifier(**QUIET).fit(FRAME, LABELS)


def test_classes_probabilities_and_margins(service: Service) -> None:
    estimator = nameless(service).instrument(classifier())
    scores = estimator.predict_proba(BATCH)
    table = service.table()
    assert table.task.classes == ("churns", "stays")
    assert table.scores is not None
    assert table.scores[:, 0].tolist() == scores[:, 1].tolist()
    assert list(table.features) == list(FRAME)

    for kind in ("Class", "RawFormulaVal"):
        forget(service)
        estimator.predict(BATCH.copy(), prediction_type=kind)
        assert classes(service.table()) == ["stays" if score > 0.5 else "churns" for score in scores[:, 1]]
    forget(service)
    estimator.predict(BATCH.copy(), "Probability")
    table = service.table()
    assert unwrap(table.scores)[:, 0].tolist() == scores[:, 1].tolist()
    forget(service)
    estimator.predict(BATCH.copy(), "Exponent")
    assert service.tables() == []


def test_a_row_is_a_span_with_its_features(service: Service) -> None:
    estimator = nameless(service).instrument(classifier())
    estimator.predict(ROW)
    assert service.attributes()["driftline.feature.value.age"] == ROW["age"][0]
    assert service.attributes()["ml.prediction.class"] in ("churns", "stays")


def test_a_pool_gives_its_numbers_back(service: Service) -> None:
    estimator = nameless(service).instrument(classifier())
    estimator.predict(catboost.Pool(BATCH))
    table = service.table()
    assert np.array(table.features["age"].numbers).tolist() == BATCH["age"].astype(np.float32).tolist()

    forget(service)
    frame = FRAME.assign(region="north")
    mixed = catboost.CatBoostClassifier(**QUIET, cat_features=["region"]).fit(frame, LABELS)
    nameless(service).instrument(mixed)
    mixed.predict(catboost.Pool(frame[:4], cat_features=["region"]))
    table = service.table()
    assert len(table) == 4
    assert table.features == {}


def test_regressors_say_values(service: Service) -> None:
    estimator = nameless(service).instrument(catboost.CatBoostRegressor(**QUIET).fit(FRAME, VALUES))
    values = estimator.predict(BATCH)
    table = service.table()
    assert table.task.kind == "regression"
    assert unwrap(table.scores)[:, 0].tolist() == values.tolist()


def test_more_classes_and_another_fit(service: Service) -> None:
    estimator = nameless(service).instrument(classifier())
    estimator.predict(BATCH)
    forget(service)
    estimator.fit(FRAME, np.digitize(FRAME["age"], [-0.5, 0.5]))
    estimator.score(FRAME, np.digitize(FRAME["age"], [-0.5, 0.5]))
    assert service.tables() == []
    decided = estimator.predict(BATCH.copy())
    table = service.table()
    assert table.task.classes == ("0", "1", "2")
    assert classes(table) == [str(code) for code in decided[:, 0]]


def test_copies_are_plain(service: Service) -> None:
    estimator = nameless(service).instrument(classifier())
    for other in (copy.deepcopy(estimator), pickle.loads(pickle.dumps(estimator))):
        assert type(other) is catboost.CatBoostClassifier
        assert other.predict(BATCH).tolist() == classifier().predict(BATCH).tolist()
    assert service.tables() == []


def test_every_model_of_the_process(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "_default", pipeline.pipeline_of(service.channel))
    before = {kind: attributes_of(kind) for kind in catboost.CatBoostClassifier.__mro__}
    CatBoostInstrumentor().instrument()
    try:
        estimator = classifier()
        assert service.tables() == []
        estimator.predict_proba(BATCH)
        assert names(service) == 4 * ["CatBoostClassifier"]
    finally:
        CatBoostInstrumentor().uninstrument()
    for kind, own in before.items():
        assert [name for name, value in attributes_of(kind).items() if own.get(name) is not value] == []


def test_a_positive_class_can_be_said(service: Service) -> None:
    churn = driftline.Model("churn", positive_class="churns", channel=service.channel)
    scores = churn.instrument(classifier()).predict_proba(BATCH)
    table = service.table()
    assert unwrap(table.scores)[:, 0].tolist() == scores[:, 0].tolist()

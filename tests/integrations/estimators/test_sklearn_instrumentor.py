"""Every estimator of the process, with no code: SklearnInstrumentor, and a process under opentelemetry-instrument."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import driftline
import joblib
import numpy as np
import pytest
from driftline.export import pipeline
from driftline_integrations.sklearn import SklearnInstrumentor, instrument
from opentelemetry import metrics
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.ensemble import BaggingClassifier, RandomForestClassifier
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator

from tests.support.service import Service
from tests.support.unwrap import unwrap

from .every_estimator import (
    BATCH,
    FRAME,
    LABELS,
    ROW,
    VALUES,
    Threshold,
    attributes_of,
    classifier,
    forget,
    nameless,
    names,
)


@pytest.fixture
def everywhere(service: Service, monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    """Instrument scikit-learn in a process whose records go to the service's channel."""
    monkeypatch.setattr(pipeline, "_default", pipeline.pipeline_of(service.channel))
    monkeypatch.setattr(metrics, "get_meter_provider", lambda: service.meters)
    instrumentor = SklearnInstrumentor()
    instrumentor.instrument()
    yield service
    instrumentor.uninstrument()


def every_attribute() -> dict[type, dict[str, Any]]:
    """Return what every class says that an estimator derives from."""
    waiting: list[type] = [BaseEstimator]
    kinds: set[type] = set()
    while waiting:
        kind = waiting.pop()
        if kind not in kinds:
            kinds.add(kind)
            waiting += kind.__subclasses__()
    return {base: attributes_of(base) for kind in kinds for base in kind.__mro__[:-1]}


def test_an_estimator_that_nobody_named_is_recorded_by_the_name_of_its_class(everywhere: Service) -> None:
    classifier().predict_proba(BATCH)
    make_pipeline(StandardScaler(), LinearRegression()).fit(FRAME, VALUES).predict(ROW)
    GridSearchCV(LogisticRegression(), {"C": [1.0]}, cv=2).fit(FRAME, LABELS).predict(ROW)
    assert names(everywhere) == ["LinearRegression"] + 5 * ["LogisticRegression"]


def test_the_environment_names_the_model(everywhere: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRIFTLINE_MODEL_NAME", "churn")
    monkeypatch.setenv("DRIFTLINE_MODEL_VERSION", "7")
    classifier().predict_proba(BATCH)
    table = everywhere.table()
    assert (table.key.model, table.key.version) == ("churn", "7")


def test_the_file_says_which_class_is_which_model(
    everywhere: Service, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    baseline = driftline.Baseline.from_frame(
        FRAME[["age", "visits"]], predicted=LABELS, model="churn", task="binary", positive_class="churns"
    )
    baseline.save(tmp_path / "churn.baseline.json")
    (tmp_path / "driftline.toml").write_text(
        """
        [models.churn]
        version = "3"
        baseline = "churn.baseline.json"
        estimator = "sklearn.linear_model.LogisticRegression"

        [models.spend]
        """
    )
    monkeypatch.setenv("DRIFTLINE_CONFIG", str(tmp_path / "driftline.toml"))
    scores = make_pipeline(StandardScaler(), LogisticRegression()).fit(FRAME, LABELS).predict_proba(BATCH)
    LinearRegression().fit(FRAME, VALUES).predict(ROW)
    churn, spend = sorted(everywhere.tables(), key=lambda table: table.key.model)
    assert (churn.key.model, churn.key.version, list(churn.features)) == ("churn", "3", ["age", "visits"])
    assert unwrap(churn.scores)[:, 0].tolist() == scores[:, 0].tolist()
    assert (spend.key.model, spend.task.kind) == ("spend", "regression")


def test_a_class_that_is_defined_later_counts_too(everywhere: Service) -> None:
    class Later(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
        def fit(self, X: Any, y: Any) -> Later:
            self.classes_ = np.unique(y)
            self.score(X, y)
            return self

        def predict(self, X: Any) -> Any:
            return np.repeat(self.classes_[:1], len(X))

    class Latest(Later):
        def predict(self, X: Any) -> Any:
            return super().predict(X)

    later, latest = Later().fit(FRAME, LABELS), Latest().fit(FRAME, LABELS)
    assert everywhere.tables() == []
    later.predict(BATCH)
    latest.predict(BATCH)
    assert names(everywhere) == 4 * ["Later"] + 4 * ["Latest"]


def test_inside_an_open_prediction_of_any_model_nothing_is_counted_twice(everywhere: Service) -> None:
    estimator = classifier()
    churn = driftline.Model(
        "churn", task="binary", classes=("stays", "churns"), positive_class="churns", channel=everywhere.channel
    )
    with churn.prediction(id="A-1"):
        LinearRegression().fit(FRAME, VALUES).predict(ROW)  # another question: no answer to this one
        scores = estimator.predict_proba(ROW)
    table = everywhere.table()
    assert (table.key.model, len(table)) == ("churn", 1)
    assert unwrap(table.scores).tolist() == [[scores[0, 0]]]
    assert list(table.features) == list(FRAME)


def test_a_named_estimator_keeps_its_name(everywhere: Service) -> None:
    estimator = instrument(nameless(everywhere), classifier())
    estimator.predict(BATCH)
    assert names(everywhere) == 4 * ["churn"]


@pytest.mark.slow
def test_forests_processes_threads_and_evaluation_are_silent(everywhere: Service) -> None:
    forest = RandomForestClassifier(4, n_jobs=2, random_state=0).fit(FRAME, LABELS)
    bagging = BaggingClassifier(LogisticRegression(), 4, n_jobs=2, random_state=0).fit(FRAME, LABELS)
    cross_val_predict(forest, FRAME, LABELS, cv=2, n_jobs=2)
    with joblib.parallel_config(backend="threading", n_jobs=2):
        cross_val_predict(Threshold(), FRAME, LABELS, cv=2)
        permutation_importance(bagging, FRAME, LABELS, n_repeats=1)
    assert everywhere.tables() == []
    forest.predict(BATCH)
    bagging.predict(BATCH)
    assert names(everywhere) == 4 * ["BaggingClassifier"] + 4 * ["RandomForestClassifier"]


def test_copies_are_recorded_like_any_other_estimator(everywhere: Service) -> None:
    estimator = classifier()
    for other in (pickle.loads(pickle.dumps(estimator)), copy.deepcopy(estimator), clone(estimator).fit(FRAME, LABELS)):
        forget(everywhere)
        other.predict(BATCH)
        assert len(everywhere.table()) == 4


def test_uninstrument_puts_every_attribute_back() -> None:
    before = every_attribute()
    SklearnInstrumentor().instrument()
    changed = {kind for kind, own in every_attribute().items() if own != before[kind]}
    assert LogisticRegression in changed
    assert BaseEstimator in changed

    class Between(LogisticRegression):  # type: ignore[misc]
        def predict(self, X: Any) -> Any:
            return super().predict(X)

    SklearnInstrumentor().uninstrument()
    after = every_attribute()
    assert type(after.pop(Between)["predict"]).__name__ == "function"
    assert set(after) == set(before)
    for kind, attributes in before.items():
        assert set(after[kind]) == set(attributes), kind
        assert [name for name in attributes if after[kind][name] is not attributes[name]] == [], kind


def test_instrumenting_again_works() -> None:
    for _ in range(2):
        SklearnInstrumentor().instrument()
        assert "__init_subclass__" in vars(BaseEstimator)
        SklearnInstrumentor().uninstrument()
        assert "__init_subclass__" not in vars(BaseEstimator)


CHECKED = [LogisticRegression(), make_pipeline(StandardScaler(), LinearRegression())]


@pytest.mark.slow
@pytest.mark.usefixtures("everywhere")
@pytest.mark.parametrize("estimator", CHECKED, ids=["LogisticRegression", "Pipeline"])
@pytest.mark.filterwarnings("ignore")
def test_scikit_learns_own_checks_pass(estimator: Any) -> None:
    results = check_estimator(estimator, on_fail=None, on_skip=None)
    failed = [result["check_name"] for result in results if result["status"] == "failed"]
    SklearnInstrumentor().uninstrument()
    plain = check_estimator(estimator, on_fail=None, on_skip=None)
    SklearnInstrumentor().instrument()
    assert failed == [result["check_name"] for result in plain if result["status"] == "failed"]
    assert len(results) > 40

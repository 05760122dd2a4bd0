"""One named estimator: what its calls leave behind, which calls are predictions, and that nothing on it changes."""

from __future__ import annotations

import copy
import io
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cloudpickle
import driftline
import driftline.testing
import joblib
import numpy as np
import pandas as pd
import pytest
from driftline.faults import FAULTS
from driftline.tables.column_codec import strings
from driftline_integrations.estimators.conventions import READINGS
from driftline_integrations.sklearn import instrument, uninstrument
from sklearn.base import clone, is_classifier
from sklearn.calibration import CalibratedClassifierCV
from sklearn.cluster import KMeans
from sklearn.datasets import make_multilabel_classification
from sklearn.ensemble import (
    BaggingClassifier,
    IsolationForest,
    RandomForestClassifier,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.frozen import FrozenEstimator
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.inspection import partial_dependence, permutation_importance
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LinearRegression, LogisticRegression, RidgeClassifier
from sklearn.model_selection import GridSearchCV, cross_val_predict, cross_val_score, learning_curve
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import MultiOutputClassifier
from sklearn.naive_bayes import GaussianNB, MultinomialNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, LinearSVC

from tests.integrations.estimators.every_estimator import (
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
)
from tests.support.facts import lacking
from tests.support.service import Service
from tests.support.slow import slow
from tests.support.unwrap import unwrap


def test_a_row_is_a_prediction_with_its_features_score_and_class(service: Service) -> None:
    estimator = classifier()
    plain = estimator.predict_proba(ROW)
    churn = nameless(service)

    assert instrument(churn, estimator) is estimator
    assert (estimator.predict_proba(ROW) == plain).all()

    assert service.spans[0].name == "predict churn"
    assert service.attributes() == {
        "ml.operation.name": "predict",
        "ml.model.name": "churn",
        "ml.model.task": "binary",
        "driftline.prediction.recorded": True,
        "ml.prediction.id": service.attributes()["ml.prediction.id"],
        "ml.prediction.score": plain[0, 1],
        "ml.prediction.class": "stays" if plain[0, 1] >= 0.5 else "churns",
        **{f"driftline.feature.value.{name}": value for name, value in FRAME.iloc[0].items()},
    }
    table = service.table()
    assert table.task.classes == ("churns", "stays")
    assert table.task.positive_class == "stays"  # the last, as scikit-learn has it
    assert unwrap(table.scores).tolist() == [[plain[0, 1]]]
    assert service.counts() == {(("ml.prediction.class", service.attributes()["ml.prediction.class"]),): 1}


@pytest.mark.parametrize("rows", [ROW, BATCH], ids=["one row", "batch"])
def test_a_function_that_serves_a_class_has_the_score_of_its_estimator(service: Service, rows: Any) -> None:
    churn = nameless(service)
    estimator = instrument(churn, classifier())

    @churn.predict
    def serve(frame: Any) -> list[str]:
        return ["stays" if score >= 0.9 else "churns" for score in estimator.predict_proba(frame)[:, 1]]

    served = serve(rows)
    table = service.table()
    assert unwrap(table.scores)[:, 0].tolist() == estimator.predict_proba(rows)[:, 1].tolist()
    decided = unwrap(table.predicted)
    assert [decided.categories[code] for code in unwrap(decided.codes)] == served


def test_the_methods_entry_point_finds_this_integration(service: Service) -> None:
    estimator = nameless(service).instrument(classifier())
    estimator.predict(BATCH)
    assert len(service.table()) == 4


def test_a_batch_is_a_prediction_per_row(service: Service) -> None:
    estimator = instrument(nameless(service), classifier())
    scores = estimator.predict_proba(BATCH)

    table = service.table()
    assert unwrap(table.scores)[:, 0].tolist() == scores[:, 1].tolist()
    assert {name: column.numbers.tolist() for name, column in table.features.items() if column.numbers is not None} == {
        name: BATCH[name].tolist() for name in BATCH
    }
    assert service.attributes()["ml.prediction.count"] == 4


def test_an_array_has_the_names_that_the_estimator_was_fitted_on(service: Service) -> None:
    estimator = instrument(nameless(service), classifier())
    with pytest.warns(UserWarning, match="feature names"):
        estimator.predict(BATCH.to_numpy())
    assert list(service.table().features) == ["age", "visits", "spend"]


def test_what_the_model_says_wins_and_columns_follow_its_order(service: Service) -> None:
    churn = service.model(classes=("stays", "churns"), positive_class="churns")
    estimator = instrument(churn, classifier())
    scores = estimator.predict_proba(BATCH)

    table = service.table()
    assert table.task.classes == ("stays", "churns")
    assert unwrap(table.scores)[:, 0].tolist() == scores[:, 0].tolist()


def test_a_positive_class_alone_is_enough(service: Service) -> None:
    churn = driftline.Model("churn", positive_class="churns", channel=service.channel)
    estimator = instrument(churn, classifier())
    scores = estimator.predict_proba(BATCH)
    table = service.table()
    assert unwrap(table.scores)[:, 0].tolist() == scores[:, 0].tolist()


def test_a_model_that_contradicts_the_estimator_is_an_error_with_the_fix(service: Service) -> None:
    with pytest.raises(
        ValueError, match=r"the classes of churn are \('no', 'yes'\), but the classes of its estimator are"
    ):
        instrument(service.model(classes=("no", "yes"), positive_class="yes"), classifier())
    with pytest.raises(ValueError, match=r"churn is a regression model, but its estimator is binary"):
        instrument(service.model(task="regression"), classifier())
    with pytest.raises(TypeError, match="StandardScaler has none; decorate"):
        instrument(service.model(), StandardScaler())
    two = MultiOutputClassifier(LogisticRegression()).fit(FRAME, np.stack([LABELS, LABELS], axis=1))
    with pytest.raises(TypeError, match="predicts 2 targets at once"):
        instrument(nameless(service), two)
    with pytest.raises(ValueError, match="'transform' is not supported"):
        instrument(nameless(service), classifier(), methods=["transform"])


def test_an_estimator_that_passes_its_calls_on_is_refused_with_the_fix(service: Service) -> None:
    frozen = FrozenEstimator(LogisticRegression().fit([[0.0], [1.0]], [0, 1]))
    churn = service.model(task="")
    with pytest.raises(TypeError, match="FrozenEstimator uses that of the estimator inside it; instrument that"):
        instrument(churn, frozen)
    instrument(churn, frozen.estimator)
    frozen.predict([[1.0]])
    assert len(service.table()) == 1


@pytest.mark.parametrize("labels", [2, 3])
@pytest.mark.parametrize(
    "create",
    [
        lambda: MLPClassifier(max_iter=2, random_state=0),
        lambda: OneVsRestClassifier(LogisticRegression()),
        lambda: RidgeClassifier(),
        lambda: KNeighborsClassifier(),
        lambda: make_pipeline(StandardScaler(), OneVsRestClassifier(LogisticRegression())),
        lambda: GridSearchCV(OneVsRestClassifier(LogisticRegression()), {"estimator__C": [1.0]}, cv=2),
    ],
    ids=["MLP", "one against the rest", "ridge", "neighbours", "pipeline", "search"],
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_an_estimator_that_predicts_several_labels_of_a_row_is_refused(
    service: Service, create: Callable[[], Any], labels: int
) -> None:
    rows, targets = make_multilabel_classification(80, 4, n_classes=labels, random_state=1)
    with pytest.raises(TypeError, match=f"predicts {labels} targets at once; record each as a separate model"):
        instrument(nameless(service), create().fit(rows, targets))


def readings() -> list[tuple[str, Any, str]]:
    integers = (LABELS == "stays").astype(int)
    return [
        ("classes of text", classifier(), "predict"),
        ("classes that are floats", LogisticRegression().fit(FRAME, integers.astype(float)), "predict"),
        ("probabilities", classifier(), "predict_proba"),
        ("log probabilities", classifier(), "predict_log_proba"),
        ("a margin", LinearSVC().fit(FRAME, LABELS), "decision_function"),
        ("a support vector machine", SVC().fit(FRAME, LABELS), "predict"),
    ]


@pytest.mark.parametrize(("estimator", "method"), [pytest.param(*case[1:], id=case[0]) for case in readings()])
def test_what_a_binary_classifier_says(service: Service, estimator: Any, method: str) -> None:
    decided = [str(value).removesuffix(".0") for value in estimator.predict(BATCH)]
    instrument(nameless(service), estimator)
    result = getattr(estimator, method)(BATCH)

    table = service.table()
    if "proba" in method:
        proba = np.exp(result) if "log" in method else result
        assert unwrap(table.scores)[:, 0].tolist() == proba[:, 1].tolist()
        assert table.predicted is None
    else:
        assert table.scores is None
        assert table.predicted is not None
        assert [table.predicted.categories[code] for code in unwrap(table.predicted.codes)] == decided


def test_more_classes_have_a_score_each(service: Service) -> None:
    three = np.digitize(FRAME["age"], [-0.5, 0.5])
    estimator = instrument(nameless(service), GaussianNB().fit(FRAME, three))
    scores = estimator.predict_proba(BATCH)
    table = service.table()
    assert table.task.kind == "multiclass"
    assert table.task.classes == ("0", "1", "2")
    assert unwrap(table.scores).tolist() == scores.tolist()


def test_a_margin_per_class_says_the_class(service: Service) -> None:
    three = np.digitize(FRAME["age"], [-0.5, 0.5])
    estimator = instrument(nameless(service), LinearSVC().fit(FRAME, three))
    margins = estimator.decision_function(BATCH)
    table = service.table()
    assert table.predicted is not None
    decided = [table.predicted.categories[code] for code in unwrap(table.predicted.codes)]
    assert decided == [str(i) for i in margins.argmax(axis=1)]


def test_a_regressor_says_a_value_with_its_deviation_or_without(service: Service) -> None:
    estimator = instrument(nameless(service), LinearRegression().fit(FRAME, VALUES))
    values = estimator.predict(BATCH)
    table = service.table()
    assert table.task.kind == "regression"
    assert table.scores is not None
    assert table.scores[:, 0].tolist() == values.tolist()

    forget(service)
    process = instrument(nameless(service), GaussianProcessRegressor().fit(FRAME, VALUES))
    mean, _ = process.predict(BATCH, return_std=True)
    table = service.table()
    assert unwrap(table.scores)[:, 0].tolist() == mean.tolist()


def test_outliers_and_clusters_are_classes(service: Service) -> None:
    forest = instrument(nameless(service), IsolationForest(n_estimators=10, random_state=0).fit(FRAME))
    outlying = forest.predict(FRAME)
    table = service.table()
    assert (table.task.classes, table.task.positive_class) == (("1", "-1"), "-1")
    assert service.counts() == {
        (("ml.prediction.class", "1"),): int((outlying == 1).sum()),
        (("ml.prediction.class", "-1"),): int((outlying == -1).sum()),
    }
    forget(service)
    means = instrument(nameless(service), KMeans(3, random_state=0, n_init=1).fit(FRAME))
    means.predict(BATCH)
    assert service.table().task.classes == ("0", "1", "2")


def test_samples_that_are_texts_are_a_row_each(service: Service) -> None:
    spam = make_pipeline(CountVectorizer(), MultinomialNB()).fit(["free money", "hello you"], ["spam", "ham"])
    instrument(nameless(service), spam)
    spam.predict_proba(["free", "you", "hello"])
    assert len(service.table()) == 3
    for samples in (np.array(["free", "you"], object), pd.Series(["free", "you"])):
        forget(service)
        spam.predict_proba(samples)
        assert len(service.table()) == 2
    forget(service)
    spam.predict_proba(["free"])
    assert len(service.table()) == 1


def test_the_error_of_a_prediction_is_recorded_and_raised_as_it_was(service: Service) -> None:
    estimator = instrument(nameless(service), classifier())
    with pytest.raises(ValueError, match="missing"):
        estimator.predict(BATCH[["age"]])
    assert service.counts() == {(("error.type", "ValueError"),): 4}


def test_an_estimator_may_be_fitted_later_and_again(service: Service) -> None:
    estimator = instrument(nameless(service), LogisticRegression())
    estimator.fit(FRAME, LABELS)
    estimator.predict(ROW)
    assert service.table().task.classes == ("churns", "stays")
    forget(service)
    estimator.fit(FRAME, (LABELS == "stays").astype(int))
    estimator.predict(ROW)
    assert service.table().task.classes == ("0", "1")


def test_a_contradiction_that_shows_only_later_is_a_line_and_harms_nobody(
    service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    estimator = instrument(service.model(task="regression"), LogisticRegression()).fit(FRAME, LABELS)
    assert len(estimator.predict(BATCH)) == 4
    assert service.tables() == []
    assert lacking(caplog.text, "LogisticRegression") == []


# Which calls are predictions


def test_two_questions_about_the_same_rows_are_one_prediction(service: Service) -> None:
    estimator = instrument(nameless(service), classifier())
    estimator.predict_proba(BATCH)
    estimator.predict(BATCH)
    estimator.decision_function(BATCH)
    assert len(service.table()) == 4
    forget(service)
    buffer = BATCH.copy()
    estimator.predict(buffer)
    buffer["age"] += 1.0
    estimator.predict(buffer)  # the same question: the object was filled anew
    estimator.predict(buffer.copy())
    assert sum(map(len, service.tables())) == 12


def test_the_methods_that_count_can_be_said(service: Service) -> None:
    estimator = instrument(nameless(service), classifier(), methods=["predict_proba"])
    estimator.predict(BATCH)
    assert service.tables() == []
    estimator.predict_proba(BATCH)
    assert len(service.table()) == 4


def test_inside_an_open_prediction_class_and_score_complete_it(service: Service) -> None:
    churn = driftline.Model(
        "churn", task="binary", classes=("churns", "stays"), positive_class="churns", channel=service.channel
    )
    estimator = instrument(churn, classifier())
    with churn.prediction(id="A-1"):
        estimator.predict(ROW.copy())
        scores = estimator.predict_proba(ROW.copy())
    table = service.table()
    assert strings(table.id) == ["A-1"]
    assert unwrap(table.scores).tolist() == [[scores[0, 0]]]
    assert unwrap(table.predicted).categories == tuple(estimator.predict(ROW))


def test_a_function_decorated_before_by_a_model_without_classes_keeps_its_own_result(service: Service) -> None:
    churn = service.model()  # classes 0 and 1, since nobody said any

    @churn.predict
    def score(row: dict[str, float]) -> float:
        return float(estimator.predict_proba(FRAME[:1].assign(**row))[0, 1])

    estimator = instrument(churn, classifier())
    value = score({"age": 1.0})
    table = service.table()
    assert table.task.classes == ("0", "1")
    assert unwrap(table.scores).tolist() == [[value]]


def compositions() -> list[tuple[str, Callable[[], Any]]]:
    return [
        ("pipeline", lambda: make_pipeline(StandardScaler(), LogisticRegression())),
        ("forest", lambda: RandomForestClassifier(5, n_jobs=2)),
        ("voting", lambda: VotingClassifier([("a", GaussianNB()), ("b", LogisticRegression())], voting="soft")),
        ("stacking", lambda: StackingClassifier([("a", GaussianNB())], LogisticRegression(), cv=2)),
        ("calibration", lambda: CalibratedClassifierCV(GaussianNB(), cv=2)),
        ("search", lambda: GridSearchCV(LogisticRegression(), {"C": [0.1, 1.0]}, cv=2)),
        ("bagging", lambda: BaggingClassifier(GaussianNB(), 3, n_jobs=2)),
        ("of somebody's own", Threshold),
    ]


@pytest.mark.slow
@pytest.mark.parametrize("make", [pytest.param(make, id=name) for name, make in compositions()])
def test_only_the_outermost_call_is_a_prediction_and_fitting_is_none(service: Service, make: Callable[[], Any]) -> None:
    estimator = instrument(nameless(service), make())
    estimator.fit(FRAME, LABELS)
    estimator.score(FRAME, LABELS)
    assert service.tables() == []

    estimator.predict(BATCH)
    assert len(service.table()) == 4
    assert len(service.spans) == 1


def silences() -> list[tuple[str, Callable[[Any], Any]]]:
    def scorer(estimator: Any, X: Any, y: Any) -> float:
        return float((estimator.predict(X) == y).mean())

    return [
        ("cross_val_score", lambda e: cross_val_score(e, FRAME, LABELS, cv=2)),
        ("cross_val_score in processes", lambda e: cross_val_score(e, FRAME, LABELS, cv=2, n_jobs=2)),
        ("cross_val_predict", lambda e: cross_val_predict(e, FRAME, LABELS, cv=2)),
        ("learning_curve", lambda e: learning_curve(e, FRAME, LABELS, cv=2, train_sizes=[20])),
        ("a search", lambda e: GridSearchCV(e, {"C": [0.1, 1.0]}, cv=2).fit(FRAME, LABELS)),
        ("permutation_importance", lambda e: permutation_importance(e, FRAME, LABELS, n_repeats=1)),
        ("in threads", lambda e: _in_threads(lambda: permutation_importance(e, FRAME, LABELS, n_repeats=1, n_jobs=2))),
        ("a scorer of somebody's own", lambda e: permutation_importance(e, FRAME, LABELS, n_repeats=1, scoring=scorer)),
        ("partial_dependence", lambda e: partial_dependence(e, FRAME, ["age"], grid_resolution=3)),
        ("score", lambda e: e.score(FRAME, LABELS)),
        ("calibration", lambda e: CalibratedClassifierCV(FrozenEstimator(e)).fit(FRAME, LABELS)),
    ]


def _in_threads(work: Callable[[], Any]) -> None:
    with joblib.parallel_config(backend="threading", n_jobs=2):
        work()


@pytest.mark.parametrize(
    "ask",
    [slow(ask, id=name) if name.endswith("in processes") else pytest.param(ask, id=name) for name, ask in silences()],
)
def test_evaluation_and_inspection_are_no_predictions(service: Service, ask: Callable[[Any], Any]) -> None:
    estimator = instrument(nameless(service), classifier())
    ask(estimator)
    assert service.tables() == []
    assert service.spans == []


def test_a_batch_job_in_threads_is_recorded(service: Service) -> None:
    from sklearn.utils.parallel import Parallel, delayed

    estimator = instrument(nameless(service), classifier())
    Parallel(2, backend="threading")(delayed(estimator.predict_proba)(FRAME[i : i + 20]) for i in (0, 20, 40))
    assert sum(map(len, service.tables())) == 60


# Nothing on it changes


def test_nothing_is_written_on_the_estimator(service: Service) -> None:
    plain = classifier()
    estimator = classifier()
    html = estimator._repr_html_()
    instrument(nameless(service), estimator)
    assert type(estimator) is LogisticRegression
    assert list(vars(estimator)) == list(vars(plain))
    assert repr(estimator) == repr(plain)
    assert is_classifier(estimator)
    assert estimator.get_params() == plain.get_params()
    assert estimator.set_params(C=2.0).C == 2.0
    assert estimator.__sklearn_tags__() == plain.__sklearn_tags__()
    assert estimator.feature_names_in_.tolist() == ["age", "visits", "spend"]
    assert len(html) == len(classifier()._repr_html_())
    assert estimator.predict.__name__ == "predict"
    assert estimator.predict.__doc__ == plain.predict.__doc__


@pytest.mark.parametrize("copied", [
    pytest.param(lambda e: pickle.loads(pickle.dumps(e)), id="pickle"),
    pytest.param(lambda e: pickle.loads(cloudpickle.dumps(e)), id="cloudpickle"),
    pytest.param(copy.deepcopy, id="deepcopy"),
    pytest.param(copy.copy, id="copy"),
    pytest.param(lambda e: _through_joblib(e), id="joblib"),
    pytest.param(lambda e: clone(e).fit(FRAME, LABELS), id="clone"),
])  # fmt: skip
def test_a_copy_is_plain_and_its_own(service: Service, copied: Callable[[Any], Any]) -> None:
    estimator = instrument(nameless(service), classifier())
    other = copied(estimator)
    assert type(other) is LogisticRegression
    assert other is not estimator
    other.predict(BATCH)
    assert service.tables() == []

    before = estimator.coef_.copy()
    other.fit(FRAME, LABELS[::-1])
    assert (estimator.coef_ == before).all()
    estimator.predict(BATCH)
    assert len(service.table()) == 4


def _through_joblib(estimator: Any) -> Any:
    file = io.BytesIO()
    joblib.dump(estimator, file)
    file.seek(0)
    return joblib.load(file)


@pytest.mark.slow
@pytest.mark.parametrize("dumps", [pickle.dumps, cloudpickle.dumps], ids=["pickle", "cloudpickle"])
def test_a_pickle_loads_where_driftline_is_not_installed(
    service: Service, tmp_path: Path, dumps: Callable[[Any], bytes]
) -> None:
    class OfANotebook(LogisticRegression):  # type: ignore[misc]
        """cloudpickle pickles it by its value, with everything in its class."""

        def predict(self, X: Any) -> Any:
            return super().predict(X)

    kinds = [LogisticRegression] if dumps is pickle.dumps else [LogisticRegression, OfANotebook]
    for kind in kinds:
        estimator = instrument(nameless(service), kind().fit(FRAME.to_numpy(), LABELS))
        (tmp_path / "model.pkl").write_bytes(dumps(estimator))
        code = (
            "import sys, pickle; sys.modules['driftline'] = sys.modules['driftline_integrations'] = None\n"
            f"model = pickle.load(open({str(tmp_path / 'model.pkl')!r}, 'rb'))\n"
            "print(type(model).__name__, model.predict([[9.0, 9.0, 0.0]])[0])"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
        assert done.stdout.split() == [kind.__name__, "stays"], done.stderr


def test_a_method_that_depends_is_there_when_it_was(service: Service) -> None:
    searching = GridSearchCV(LinearSVC(), {"C": [1.0]}, cv=2).fit(FRAME, LABELS)
    instrument(nameless(service), searching)
    assert hasattr(searching, "predict")
    assert hasattr(searching, "decision_function")
    assert not hasattr(searching, "predict_proba")
    hard = instrument(nameless(service), VotingClassifier([("a", GaussianNB())]).fit(FRAME, LABELS))
    assert not hasattr(hard, "predict_proba")
    hard.voting = "soft"
    assert hasattr(hard, "predict_proba")


def test_bound_methods_are_pickled(service: Service) -> None:
    estimator = instrument(nameless(service), classifier())
    other = pickle.loads(pickle.dumps(estimator.predict))
    assert other(BATCH).tolist() == estimator.predict(BATCH).tolist()


@pytest.mark.slow
def test_bound_methods_are_sent_to_processes(service: Service) -> None:
    estimator = instrument(nameless(service), classifier())
    predicted = joblib.Parallel(2)(joblib.delayed(estimator.predict)(BATCH) for _ in range(2))
    assert [one.tolist() for one in predicted] == [estimator.predict(BATCH).tolist()] * 2


def test_the_class_is_as_it_was_when_the_last_estimator_is_let_go(service: Service) -> None:
    before = {kind: attributes_of(kind) for kind in LogisticRegression.__mro__}
    one, two = instrument(nameless(service), classifier()), instrument(nameless(service), classifier())
    uninstrument(one)
    one.predict(BATCH)
    assert service.tables() == []
    two.predict(BATCH)
    assert len(service.table()) == 4
    uninstrument(two)
    for kind, attributes in before.items():
        assert [name for name, value in attributes_of(kind).items() if attributes.get(name) is not value] == []


def test_what_goes_wrong_inside_leaves_the_prediction_alone(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    from driftline_integrations.estimators import calls, pairs

    def broken(*_: Any) -> Any:
        raise RuntimeError("a bug of ours")

    estimator = instrument(nameless(service), classifier())
    plain = estimator.predict(BATCH).tolist()
    monkeypatch.setattr(FAULTS, "raising", False)
    steps = [(calls, name) for name in ("_watched_by", "is_service_call")]
    for place, name in [
        *steps,
        (pairs.RecentCalls, "first_call"),
        (calls.WatchedEstimator, "learn"),
        (calls.WatchedEstimator, "ask"),
        (calls.OpenPrediction, "answer"),
    ]:
        with monkeypatch.context() as patch:
            patch.setattr(place, name, broken)
            assert estimator.predict(BATCH).tolist() == plain, name
    with monkeypatch.context() as patch:
        patch.setitem(READINGS, "class", broken)
        assert estimator.predict(BATCH).tolist() == plain
    assert FAULTS.drain()["RuntimeError"] == 9  # the first two also where predict asks decision_function


def test_values_of_one_feature_are_rows_as_the_log_advises() -> None:
    values = np.array([1.0, 2.0])
    with driftline.testing.capture(raising=False) as capture:
        estimator = driftline.Model("m").instrument(IsotonicRegression().fit(np.arange(9.0), np.arange(9.0)))
        estimator.predict(values)
    assert capture.log[0].endswith(" for one row; pass one row per value, such as values.reshape(-1, 1)")
    with driftline.testing.capture() as capture:
        estimator.predict(values.reshape(-1, 1))
    assert [prediction.score for prediction in capture.predictions] == [1.0, 2.0]

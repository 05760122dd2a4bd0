"""MLflow's pyfunc models: recorded whichever flavour they were logged with, answering as they always did."""

from __future__ import annotations

import logging
import pickle
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.support.service import Service
from tests.support.unwrap import unwrap

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # MLflow's own, at its import
    mlflow = pytest.importorskip("mlflow", reason="mlflow is not installed: make frameworks")
    pytest.importorskip("mlflow.pyfunc")

from driftline_integrations.mlflow import MLflowInstrumentor, uninstrument
from sklearn.linear_model import LinearRegression, LogisticRegression

pytestmark = [pytest.mark.frameworks, pytest.mark.filterwarnings("ignore")]  # MLflow's own warnings are many

X = pd.DataFrame({"age": [20.0, 30.0, 40.0, 50.0], "visits": [1.0, 0.0, 3.0, 2.0]})
Y = np.array([0.0, 0.0, 1.0, 1.0])
PREDICT = mlflow.pyfunc.PyFuncModel.predict

PLAIN: dict[str, Any] = {"pip_requirements": ["scikit-learn"]}
"""Or else MLflow loads each model that is saved in a process of its own, for seconds, to see what it imports."""


class Own(mlflow.pyfunc.PythonModel):  # type: ignore[misc,name-defined]
    """A model of somebody's own: it gives a probability per row."""

    def predict(self, context, model_input, params=None):  # type: ignore[no-untyped-def]  # noqa: ARG002 - MLflow reads hints
        return (model_input["age"] / 100).to_numpy()


@pytest.fixture(autouse=True)
def _plain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path}/mlflow.db")
    yield
    MLflowInstrumentor().uninstrument()
    assert mlflow.pyfunc.PyFuncModel.predict is PREDICT


def saved(estimator: Any, folder: Path, **options: Any) -> Any:
    options.setdefault("signature", mlflow.models.infer_signature(X, Y))
    mlflow.sklearn.save_model(estimator, folder / "model", serialization_format="cloudpickle", **PLAIN, **options)
    return mlflow.pyfunc.load_model(str(folder / "model"))


def test_a_classifier_gives_classes_even_if_they_are_floats(service: Service, tmp_path: Path) -> None:
    loaded = service.model(task="", classes=None).instrument(saved(LogisticRegression().fit(X, Y), tmp_path))
    answer = loaded.predict(X)

    table = service.table()
    assert answer.tolist() == [0.0, 0.0, 1.0, 1.0]
    assert (table.task.kind, table.task.classes, table.scores) == ("binary", ("0", "1"), None)
    assert table.predicted is not None
    assert [table.predicted.categories[code] for code in unwrap(table.predicted.codes).tolist()] == ["0", "0", "1", "1"]
    assert sorted(table.features) == ["age", "visits"]
    uninstrument(loaded)


def test_probabilities_are_scores_where_the_model_was_logged_to_give_them(service: Service, tmp_path: Path) -> None:
    classifier = LogisticRegression().fit(X, Y)
    loaded = service.model(task="").instrument(saved(classifier, tmp_path, pyfunc_predict_fn="predict_proba"))
    loaded.predict(X)

    table = service.table()
    np.testing.assert_allclose(unwrap(table.scores)[:, 0], classifier.predict_proba(X)[:, 1])
    uninstrument(loaded)


def test_a_regressor_gives_values_and_one_row_is_one_prediction(service: Service, tmp_path: Path) -> None:
    loaded = service.model(task="").instrument(saved(LinearRegression().fit(X, Y), tmp_path))
    (answer,) = loaded.predict(X[:1])

    attributes = service.attributes()
    assert attributes["ml.prediction.value"] == answer
    assert attributes["driftline.feature.value.age"] == 20.0
    uninstrument(loaded)


def test_a_model_of_somebodys_own_is_read_by_its_result(service: Service, tmp_path: Path) -> None:
    mlflow.pyfunc.save_model(tmp_path / "own", python_model=Own(), **PLAIN)
    loaded = service.model().instrument(mlflow.pyfunc.load_model(str(tmp_path / "own")))
    loaded.predict(X)

    table = service.table()
    assert unwrap(table.scores)[:, 0].tolist() == [0.2, 0.3, 0.4, 0.5]
    uninstrument(loaded)


def test_errors_pass_and_are_counted(service: Service, tmp_path: Path) -> None:
    loaded = service.model(task="").instrument(saved(LinearRegression().fit(X, Y), tmp_path))
    with pytest.raises(mlflow.exceptions.MlflowException, match="age"):
        loaded.predict(X[["visits"]])

    assert service.attributes()["error.type"] == "mlflow.exceptions.MlflowException"
    uninstrument(loaded)


def test_a_flavour_that_says_no_task_is_told_what_to_say(service: Service, tmp_path: Path) -> None:
    mlflow.pyfunc.save_model(tmp_path / "own", python_model=Own(), **PLAIN)
    loaded = mlflow.pyfunc.load_model(str(tmp_path / "own"))

    with pytest.raises(TypeError, match=r"MLflow.*unknown"):
        service.model(task="").instrument(loaded)


def test_nothing_is_written_on_the_model(service: Service, tmp_path: Path) -> None:
    loaded = saved(LinearRegression().fit(X, Y), tmp_path)
    before = set(loaded.__dict__)
    service.model(task="").instrument(loaded)

    assert set(loaded.__dict__) == before
    assert type(loaded) is mlflow.pyfunc.PyFuncModel
    assert pickle.loads(pickle.dumps(type(loaded))) is type(loaded)
    uninstrument(loaded)


def test_every_model_is_recorded_by_the_name_it_was_logged_under(
    service: Service, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    import driftline

    made: list[tuple[str, dict[str, Any]]] = []
    original = driftline.Model

    def model(name: str, **options: Any) -> Any:
        made.append((name, options))
        return original(
            name,
            channel=service.channel,
            tracer_provider=service.tracers,
            meter_provider=service.meters,
            **options,
        )

    monkeypatch.setattr(driftline, "Model", model)
    MLflowInstrumentor().instrument()
    with mlflow.start_run():
        info = mlflow.sklearn.log_model(
            LogisticRegression().fit(X, Y), name="churn", serialization_format="cloudpickle", **PLAIN
        )
        mlflow.pyfunc.log_model(name="odd", python_model=Own(), **PLAIN)
        with caplog.at_level(logging.WARNING, "driftline"):
            loaded = mlflow.pyfunc.load_model(info.model_uri)
            for _ in range(2):
                loaded.predict(X)
            mlflow.pyfunc.load_model(mlflow.last_logged_model().model_uri).predict(X)

    assert made[0] == ("churn", {"version": info.model_id})
    assert sum(map(len, service.tables())) == 8
    assert [line for line in caplog.messages if line.startswith("driftline: odd is not recorded")]

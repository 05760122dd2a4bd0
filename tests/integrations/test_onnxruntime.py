"""ONNX Runtime sessions: recorded where somebody named them, answering as they always did."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from driftline.capture.prediction import current
from driftline.tables.column_codec import strings

from tests.support.facts import lacking
from tests.support.onnx_graphs import network, session_of
from tests.support.service import Service
from tests.support.unwrap import unwrap

pytest.importorskip("onnxruntime")
onnx = pytest.importorskip("onnx")

import onnxruntime as ort  # noqa: E402
from driftline_integrations.onnxruntime import ONNXRuntimeInstrumentor, uninstrument  # noqa: E402
from onnx import TensorProto, helper  # noqa: E402

RUN = ort.InferenceSession.run


def converted() -> Any:
    """Return a graph with the outputs that scikit-learn's converters give: a label, and probabilities."""
    return session_of(
        helper.make_node("Softmax", ["x"], ["probabilities"], axis=1),
        helper.make_node("ArgMax", ["x"], ["label"], axis=1, keepdims=0),
        inputs={"x": (TensorProto.FLOAT, ["n", 2])},
        outputs={"label": (TensorProto.INT64, ["n"]), "probabilities": (TensorProto.FLOAT, ["n", 2])},
    )


X = np.array([[0.0, 0.0], [0.0, np.log(3.0)]], np.float32)


@pytest.fixture(autouse=True)
def _plain() -> Iterator[None]:
    yield
    ONNXRuntimeInstrumentor().uninstrument()
    assert ort.InferenceSession.run is RUN


def test_the_only_output_of_a_network_is_its_score(service: Service) -> None:
    session = service.model().instrument(network(), feature_names=("age", "visits"))
    (answer,) = session.run(None, {"x": X})

    table = service.table()
    assert answer[1].tolist() == pytest.approx([0.25, 0.75])
    assert unwrap(table.scores)[:, 0].tolist() == pytest.approx([0.5, 0.75])
    assert {name: column.numbers.tolist() for name, column in table.features.items() if column.numbers is not None} == {
        "age": [0.0, 0.0],
        "visits": [0.0, pytest.approx(np.log(3.0))],
    }
    uninstrument(session)


def test_one_row_is_one_prediction_with_its_features_on_the_span(service: Service) -> None:
    session = service.model().instrument(network())
    session.run(None, {"x": X[1:]})

    attributes = service.attributes()
    assert attributes["ml.prediction.score"] == pytest.approx(0.75)
    assert attributes["driftline.feature.value.f1"] == pytest.approx(np.log(3.0))
    assert strings(service.table().id) == [attributes["ml.prediction.id"]]
    uninstrument(session)


@pytest.mark.parametrize("names", [None, ["probabilities"], ["label", "probabilities"]])
def test_label_and_probabilities_of_a_converted_estimator_are_class_and_score(
    service: Service, names: list[str] | None
) -> None:
    session = service.model(positive_class=0).instrument(converted())
    session.run(names, {"x": X})

    table = service.table()
    assert unwrap(table.scores)[:, 0].tolist() == pytest.approx([0.5, 0.25])
    assert (table.predicted is None) is (names == ["probabilities"])
    uninstrument(session)


def test_outputs_can_be_chosen(service: Service) -> None:
    session = service.model().instrument(converted(), score=lambda outputs: outputs["probabilities"][:, 0])
    session.run(None, {"x": X})

    table = service.table()
    assert unwrap(table.scores)[:, 0].tolist() == pytest.approx([0.5, 0.25])
    uninstrument(session)


def test_several_inputs_are_the_columns(service: Service) -> None:
    session = session_of(
        helper.make_node("Add", ["age", "visits"], ["value"]),
        inputs={"age": (TensorProto.FLOAT, ["n", 1]), "visits": (TensorProto.FLOAT, ["n", 1])},
        outputs={"value": (TensorProto.FLOAT, ["n", 1])},
    )
    service.model(task="regression").instrument(session)
    session.run(None, {"age": X[:, :1] + 1, "visits": X[:, :1] + 3})

    table = service.table()
    assert unwrap(table.scores)[:, 0].tolist() == [4.0, 4.0]
    assert sorted(table.features) == ["age", "visits"]
    uninstrument(session)


def test_features_can_be_made_of_an_image(service: Service) -> None:
    session = session_of(
        helper.make_node("ReduceMean", ["x", "axes"], ["value"], keepdims=0),
        helper.make_node("Constant", [], ["unused"], value_float=0.0),
        inputs={"x": (TensorProto.FLOAT, ["n", 3, 8, 8]), "axes": (TensorProto.INT64, [3])},
        outputs={"value": (TensorProto.FLOAT, ["n"])},
    )
    place = {"features": lambda x, axes: {"brightness": float(x.mean())}}  # noqa: ARG005
    service.model(task="regression").instrument(session, **place)
    session.run(None, {"x": np.ones((1, 3, 8, 8), np.float32), "axes": np.array([1, 2, 3])})

    assert sorted(service.table().features) == ["brightness"]
    uninstrument(session)


def test_what_the_session_raises_is_raised_and_counted(service: Service) -> None:
    session = service.model().instrument(network())
    with pytest.raises(ValueError, match="Required inputs"):
        session.run(None, {"y": X})

    assert service.attributes()["error.type"] == "ValueError"
    assert current() is None
    uninstrument(session)


def test_other_sessions_are_left_alone(service: Service) -> None:
    watched, other = service.model().instrument(network()), network()
    other.run(None, {"x": X})
    assert service.tables() == []
    uninstrument(watched)
    watched.run(None, {"x": X})
    assert service.tables() == []


def test_a_model_without_a_task_is_told_what_to_say(service: Service) -> None:
    with pytest.raises(TypeError, match="an ONNX graph does not contain the task; set the task: "):
        service.model(task="").instrument(network())


def test_sessions_that_nobody_named_are_recorded_where_their_model_is_declared(
    service: Service, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from driftline import declared_models

    declared = declared_models.DeclaredModel(service.model("churn"))
    monkeypatch.setenv("DRIFTLINE_CONFIG", "driftline.toml")
    monkeypatch.setitem(declared_models._read, "driftline.toml", declared_models.Declarations((declared,)))
    ONNXRuntimeInstrumentor().instrument()
    known, unknown = network(), converted()
    with caplog.at_level(logging.WARNING, "driftline"):
        for _ in range(2):
            known.run(None, {"x": X})
            unknown.run(None, {"x": X})

    assert sum(map(len, service.tables())) == 4
    assert [line for line in caplog.messages if "not recorded" in line] == [
        "driftline: graph is not recorded: an ONNX graph does not contain the task; set the task: "
        "driftline.Model('graph', task='binary'), or the key task of [models.graph] in the file that "
        "DRIFTLINE_CONFIG names"
    ]


def test_a_session_whose_model_the_file_leaves_out_is_not_recorded(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from driftline import declared_models

    left = declared_models.SkippedModel("graph", "", "it may be [models.graph] of driftline.toml, which is left out")
    monkeypatch.setenv("DRIFTLINE_CONFIG", "driftline.toml")
    monkeypatch.setitem(declared_models._read, "driftline.toml", declared_models.Declarations(left_out=(left,)))
    ONNXRuntimeInstrumentor().instrument()
    with caplog.at_level(logging.WARNING, "driftline"):
        converted().run(None, {"x": X})

    assert len(caplog.messages) == 1
    assert lacking(caplog.messages[0], "[models.graph]", "driftline.toml") == []

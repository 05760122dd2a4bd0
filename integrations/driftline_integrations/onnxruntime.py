"""ONNX Runtime: predictions of an ``InferenceSession``.

``session = churn.instrument(session)`` records one session. :class:`ONNXRuntimeInstrumentor`, which
``opentelemetry-instrument`` finds, records every session of the process whose model is declared. Only ``run`` is
recorded: values of ``run_with_iobinding`` stay on the device, so decorate the function that calls it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from driftline.capture.absent import ABSENT
from driftline.integration.recorder import Recorder
from driftline.tables.classes import class_text

from driftline_integrations.estimators.library_method import LibraryMethod, RecordingPlan
from driftline_integrations.estimators.model_names import declared_model
from driftline_integrations.estimators.samples import rows_of
from driftline_integrations.instrumentation import instrumentor
from driftline_integrations.instrumentation.instrumentor import ProcessInstrumentor

if TYPE_CHECKING:
    from driftline.capture.signature import Selector
    from driftline.model import Model
    from driftline.tables.task import Task

S = TypeVar("S")


def instrument(
    model: Model,
    session: S,
    *,
    features: Callable[..., Any] | None = None,
    feature_names: Sequence[str] | None = None,
    score: Selector | None = None,
    predicted: Selector | None = None,
    span_features: bool | None = None,
) -> S:
    """Record the predictions of a session's ``run``.

    Args:
        model: Model that the predictions belong to.
        session: ``onnxruntime.InferenceSession``.
        features: Function of the inputs, given as keyword arguments. Default: a single input contains the rows; several
            inputs of one column each are the columns.
        feature_names: Names of the columns of a single input.
        score: Name of the output that is the score, or a function of the outputs by name. Default: "probabilities" or
            "output_probability" of scikit-learn's converters, else the only output.
        predicted: Name of the output that is the predicted class, or a function of the outputs. Default: "label" or
            "output_label".
        span_features: Put the features of one row on sampled spans. Default: the model's setting.

    Returns:
        The session itself.

    Raises:
        TypeError: ``session`` is not a session, or the model has no task.
    """
    if not hasattr(session, "get_outputs") or not hasattr(session, "run"):
        raise TypeError(
            f"instrument() records an onnxruntime.InferenceSession, but {type(session).__name__} is not one; "
            "decorate the function that predicts instead: @model.predict"
        )
    place = _place(model, session, features, feature_names, score, predicted, span_features=span_features)
    _SESSIONS.name(session, place)
    return session


def uninstrument(session: Any) -> None:
    """Stop recording a session.

    Args:
        session: Session that was passed to :func:`instrument`.
    """
    _SESSIONS.forget(session)


def _unnamed(session: Any) -> RecordingPlan:
    from driftline import Model
    from driftline.settings import read

    name = read("DRIFTLINE_MODEL_NAME") or session.get_modelmeta().graph_name or "onnx"
    return _place(declared_model(name) or instrumentor.with_providers(Model(name)), session, joins=True)


def _place(
    model: Model,
    session: Any,
    features: Callable[..., Any] | None = None,
    feature_names: Sequence[str] | None = None,
    score: Selector | None = None,
    predicted: Selector | None = None,
    **options: Any,
) -> RecordingPlan:
    task = model._identity.task
    if not task.kind:
        raise TypeError(
            f"{model.name} is not recorded: an ONNX graph does not contain the task; set the task: "
            f"driftline.Model({model.name!r}, task='binary'), or the key task of [models.{model.name}] in the file "
            "that DRIFTLINE_CONFIG names"
        )
    names = tuple(output.name for output in session.get_outputs())
    recorder = Recorder(
        model,
        "InferenceSession.run",
        scope="driftline.onnxruntime",
        feature_names=None if feature_names is None else tuple(feature_names),
        score=score,
        predicted=predicted,
        **options,
    )

    def given(output_names: Any, input_feed: Mapping[str, Any], run_options: Any = None) -> Any:  # noqa: ARG001
        return rows_of_feed(input_feed) if features is None else features(**input_feed)

    def outputs(result: Any, output_names: Any, *_: Any, **__: Any) -> dict[str, Any]:
        return dict(zip(output_names or names, result, strict=True))

    def read(result: Any, output_names: Any = None, *_: Any, **__: Any) -> tuple[Any, Any]:
        return read_outputs(outputs(result, output_names), task)

    selected = score is not None or predicted is not None
    return RecordingPlan(recorder, given, None if selected else read, outputs)


def rows_of_feed(feed: Mapping[str, Any]) -> Any:
    """Return the features among the inputs of a graph: the rows of a single input, or one column per input.

    Args:
        feed: Array of each input, by name.

    >>> rows_of_feed({"x": np.array([[1.0, 2.0]])})
    array([1., 2.])
    >>> rows_of_feed({"age": np.array([[31], [64]]), "plan": np.array([["basic"], ["pro"]])})["plan"].tolist()
    ['basic', 'pro']
    """
    arrays = {name: np.asarray(values) for name, values in feed.items()}
    if len(arrays) == 1:
        return rows_of(next(iter(arrays.values())))
    rows = {array.shape[0] if array.ndim else 0 for array in arrays.values()}
    if len(rows) != 1 or any(array.size != len(array) for array in arrays.values()):
        return ABSENT
    columns = {name: array.reshape(-1) for name, array in arrays.items()}
    if rows == {1}:
        return {name: column.tolist()[0] for name, column in columns.items()}
    table = np.empty(rows.pop(), [(name, object if c.dtype.kind in "OUS" else c.dtype) for name, c in columns.items()])
    for name, column in columns.items():
        table[name] = column
    return table


def read_outputs(outputs: Mapping[str, Any], task: Task) -> tuple[Any, Any]:
    """Return the score and the predicted class among the outputs of a graph; ``ABSENT`` if missing.

    Args:
        outputs: Each output, by name.
        task: Task of the model.

    >>> from driftline.tables.task import Task
    >>> binary = Task("binary", ("0", "1"), "1")
    >>> read_outputs({"label": np.array([1]), "probabilities": [{0: 0.25, 1: 0.75}]}, binary)
    (array([[0.25, 0.75]]), array([1]))
    """
    if len(outputs) == 1:
        (only,) = outputs.values()
        return (
            (ABSENT, only)
            if _is_batch_of_values(only) and not task.predicts_number
            else (_by_class(only, task), ABSENT)
        )
    score = next((_by_class(value, task) for name, value in outputs.items() if "prob" in name.lower()), ABSENT)
    predicted = next((value for name, value in outputs.items() if "label" in name.lower()), ABSENT)
    return score, predicted


def _is_batch_of_values(values: Any) -> bool:
    return getattr(getattr(values, "dtype", None), "kind", "") in "biuOU" and hasattr(values, "dtype")


def _by_class(values: Any, task: Task) -> Any:
    """Return scores (n, k) in the order of the model's classes; a ZipMap's output names the class of each score."""
    if not isinstance(values, list) or not values or not isinstance(values[0], Mapping):
        return values
    order = {class_text(key): key for key in values[0]}
    if set(order) != set(task.classes):
        return values
    return np.array([[row[order[text]] for text in task.classes] for row in values])


_SESSIONS = LibraryMethod(
    "onnxruntime", "onnxruntime.capi.onnxruntime_inference_collection", "InferenceSession", "run", _unnamed
)


class ONNXRuntimeInstrumentor(ProcessInstrumentor):
    """Record the predictions of every session whose model is declared.

    A graph does not contain its task. ``[models.NAME]`` in the file of ``DRIFTLINE_CONFIG`` declares it; NAME is the
    name of the graph, or ``DRIFTLINE_MODEL_NAME``.
    """

    library = _SESSIONS
    dependencies = (
        "onnxruntime >= 1.18",
        "onnxruntime-gpu >= 1.18",
        "onnxruntime-openvino >= 1.18",
        "onnxruntime-directml >= 1.18",
        "onnxruntime-training >= 1.18",
    )

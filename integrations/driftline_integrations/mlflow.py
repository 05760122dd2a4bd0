"""MLflow: predictions of a ``pyfunc`` model of any flavour.

``loaded = churn.instrument(mlflow.pyfunc.load_model(uri))`` records one model. :class:`MLflowInstrumentor`, which
``opentelemetry-instrument`` finds, records every model of the process, also under ``mlflow models serve``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from driftline.integration.recorder import Recorder

from driftline_integrations.estimators.conventions import READINGS, conventional_reading
from driftline_integrations.estimators.fitted import FittedEstimator, look
from driftline_integrations.estimators.library_method import LibraryMethod, RecordingPlan
from driftline_integrations.estimators.model_names import declared_model
from driftline_integrations.estimators.samples import rows_of
from driftline_integrations.instrumentation import instrumentor
from driftline_integrations.instrumentation.instrumentor import ProcessInstrumentor

if TYPE_CHECKING:
    from driftline.baseline.baseline import Baseline
    from driftline.capture.signature import Selector
    from driftline.model import Model

P = TypeVar("P")


def instrument(
    model: Model,
    loaded: P,
    *,
    id: str = "",
    time: str = "",
    score: Selector | None = None,
    predicted: Selector | None = None,
    span_features: bool | None = None,
) -> P:
    """Record the predictions of a loaded ``mlflow.pyfunc`` model.

    For a scikit-learn model, task and classes come from the estimator, and results of ``predict`` are read as classes.
    For any other model, set the task: ``Model(task=...)``.

    Args:
        model: Model that the predictions belong to.
        loaded: Result of ``mlflow.pyfunc.load_model``.
        id: Column of the input that is the id, and not a feature.
        time: Column of the input that is the prediction's time, and not a feature.
        score: Field or column of the result that is the score, or a function of the result.
        predicted: Field or column of the result that is the predicted class or value, or a function of the result.
        span_features: Put the features of one row on sampled spans. Default: the model's setting.

    Returns:
        The loaded model itself.

    Raises:
        TypeError: ``loaded`` is not a pyfunc model, or the task is unknown.
        ValueError: Model and estimator contradict each other.
    """
    if not hasattr(loaded, "metadata") or not hasattr(loaded, "predict"):
        raise TypeError(
            f"instrument() records models from mlflow.pyfunc.load_model, but {type(loaded).__name__} is not one; "
            "decorate the function that predicts instead: @model.predict"
        )
    options = {"id_field": id, "time_field": time, "score": score, "predicted": predicted}
    _PYFUNC.name(loaded, _place(model, loaded, span_features=span_features, **options))
    return loaded


def log_baseline(baseline: Baseline, artifact_file: str = "driftline.baseline.json", run_id: str | None = None) -> str:
    """Log a baseline as an artifact of a run.

    ``driftline evaluate --baseline`` and ``driftline baseline show``, ``diff`` and ``push`` accept the URI as a file.

    Args:
        baseline: Baseline to log.
        artifact_file: Path of the artifact in the run.
        run_id: Id of the run. Default: the active run.

    Returns:
        URI of the artifact.

    Raises:
        ValueError: ``run_id`` is None and no run is active.
    """
    import mlflow

    run = run_id or (mlflow.active_run() and mlflow.active_run().info.run_id)
    if not run:
        raise ValueError(
            "there is no active run for the baseline; call this inside mlflow.start_run(), or pass run_id="
        )
    mlflow.log_text(baseline.to_json(), artifact_file, run_id=run)
    return f"runs:/{run}/{artifact_file}"


def uninstrument(loaded: Any) -> None:
    """Stop recording a model.

    Args:
        loaded: Model that was passed to :func:`instrument`.
    """
    _PYFUNC.forget(loaded)


def _unnamed(loaded: Any) -> RecordingPlan:
    from driftline import Model
    from driftline.settings import read

    name = read("DRIFTLINE_MODEL_NAME") or _logged_name(loaded)
    model = declared_model(name)
    if model is not None:
        return _place(model, loaded, joins=True)
    version = read("DRIFTLINE_MODEL_VERSION") or str(
        getattr(loaded, "model_id", "") or loaded.metadata.model_uuid or ""
    )
    return _place(instrumentor.with_providers(Model(name, version=version)), loaded, joins=True)


def _logged_name(loaded: Any) -> str:
    name = getattr(loaded.metadata.get_model_info(), "name", None)  # MLflow 3
    return str(name or loaded.metadata.artifact_path or "mlflow")


def _place(model: Model, loaded: Any, **options: Any) -> RecordingPlan:
    """Return the recording plan of a model, with the task completed from scikit-learn's estimator."""
    fitted = _estimator(loaded)
    if fitted is not None:
        model = model.completed(fitted.task, fitted.classes or None, fitted.positive)
    if not model._identity.task.kind:
        raise TypeError(
            f"{model.name} is not recorded: the task of an MLflow model of this flavor is unknown; set the task: "
            f"driftline.Model({model.name!r}, task='binary'), or the key task of [models.{model.name}] in the file "
            "that DRIFTLINE_CONFIG names"
        )
    schema = loaded.metadata.get_input_schema()
    names = tuple(schema.input_names()) if schema is not None and schema.has_input_names() else None
    recorder = Recorder(model, "PyFuncModel.predict", feature_names=names, scope="driftline.mlflow", **options)
    has_selectors = options.get("score") is not None or options.get("predicted") is not None
    return RecordingPlan(
        recorder, _features, None if has_selectors or fitted is None else _reading(fitted, loaded, model)
    )


def _features(data: Any, params: Any = None) -> Any:  # noqa: ARG001 - params say how, not what
    return rows_of(data)


def _reading(fitted: FittedEstimator, loaded: Any, model: Model) -> Callable[..., tuple[Any, Any]] | None:
    """Return the reader of a scikit-learn estimator's results, whose classes are classes in any dtype."""
    asks = str(loaded.metadata.flavors.get("python_function", {}).get("predict_fn", "predict"))
    reading, task = READINGS.get(conventional_reading(fitted, asks, {})), model._identity.task
    return None if reading is None else lambda result, *_, **__: reading(result, fitted, task)


def _estimator(loaded: Any) -> FittedEstimator | None:
    """Describe the scikit-learn estimator in a model; None for other flavours."""
    try:
        raw = loaded.get_raw_model()
    except (AttributeError, NotImplementedError):  # before MLflow 2.15, and flavours that have none
        return None
    if not any(base.__module__.partition(".")[0] == "sklearn" for base in type(raw).__mro__):
        return None
    return look(raw)


_PYFUNC = LibraryMethod("mlflow", "mlflow.pyfunc", "PyFuncModel", "predict", _unnamed)


class MLflowInstrumentor(ProcessInstrumentor):
    """Record the predictions of every pyfunc model of the process.

    The name of a model is ``DRIFTLINE_MODEL_NAME``, else the name under which MLflow logged it. The version is
    ``DRIFTLINE_MODEL_VERSION``, else MLflow's id of the logged model. A model of unknown task needs its declaration in
    the file of ``DRIFTLINE_CONFIG``, under that name.
    """

    library = _PYFUNC
    dependencies = ("mlflow >= 2.14", "mlflow-skinny >= 2.14")

"""MLflow: what a ``pyfunc`` model predicts, whichever flavour it was logged with.

``loaded = churn.instrument(mlflow.pyfunc.load_model(uri))`` records one model; :class:`MLflowInstrumentor`, which
``opentelemetry-instrument`` finds by itself, records every one of the process, those of ``mlflow models serve`` too.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any, TypeVar

from driftline.integration.recorder import Recorder

from driftline_integrations.estimators.conventions import READINGS, conventional_reading
from driftline_integrations.estimators.fitted import FittedEstimator, look
from driftline_integrations.estimators.library_method import LibraryMethod, RecordingPlan
from driftline_integrations.estimators.model_names import declared_model
from driftline_integrations.estimators.samples import rows_of
from driftline_integrations.instrumentation import instrumentor
from driftline_integrations.instrumentation.instrumentor import BaseInstrumentor

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
    """Record what a loaded ``mlflow.pyfunc`` model predicts; return the same object.

    ``id``, ``time``: columns of the input that are a prediction's id and time, and no features. ``score``,
    ``predicted``: a field or column of the result, or a function of it. A scikit-learn model says its task and classes
    itself, and that ``predict`` gives classes; of any other say the task: ``Model(task=...)``. ``span_features``:
    whether the features of one row ride on sampled spans; the model's own setting unless said.

    Raises ``TypeError`` for what is no pyfunc model, and where no task is known; ``ValueError`` where model and
    estimator contradict each other.
    """
    if not hasattr(loaded, "metadata") or not hasattr(loaded, "predict"):
        raise TypeError(
            f"instrument() records models that mlflow.pyfunc.load_model gave, and {type(loaded).__name__} is none; "
            "decorate the function that predicts instead: @model.predict"
        )
    options = {"id_field": id, "time_field": time, "score": score, "predicted": predicted}
    _PYFUNC.name(loaded, _place(model, loaded, span_features=span_features, **options))
    return loaded


def log_baseline(baseline: Baseline, artifact_file: str = "driftline.baseline.json", run_id: str | None = None) -> str:
    """Log a baseline as an artifact of a run, the active one unless ``run_id`` names one, and return its address.

    It is what ``driftline evaluate --baseline``, ``driftline baseline show``, ``diff`` and ``push`` take for a file.

    Raises ``ValueError`` where no run is active and none is named.
    """
    import mlflow

    run = run_id or (mlflow.active_run() and mlflow.active_run().info.run_id)
    if not run:
        raise ValueError("no run is active to log the baseline to; call it within mlflow.start_run(), or pass run_id=")
    mlflow.log_text(baseline.to_json(), artifact_file, run_id=run)
    return f"runs:/{run}/{artifact_file}"


def uninstrument(loaded: Any) -> None:
    """Record nothing of a model any more."""
    _PYFUNC.forget(loaded)


class MLflowInstrumentor(BaseInstrumentor):  # type: ignore[misc]
    """Record what every pyfunc model of the process predicts.

    A model is named by ``DRIFTLINE_MODEL_NAME``, else as it was logged; its version is ``DRIFTLINE_MODEL_VERSION``,
    else MLflow's id of the logged model. One whose task is not known is declared in the file that ``DRIFTLINE_CONFIG``
    names, under that name.
    """

    def instrumentation_dependencies(self) -> Collection[str]:
        """Return what has to be installed for this to do anything; ``mlflow-skinny`` brings the same package."""
        return ()

    def _instrument(self, **kwargs: Any) -> None:
        instrumentor.remember_providers(self, kwargs)
        _PYFUNC.instrument()

    def _uninstrument(self, **kwargs: Any) -> None:  # noqa: ARG002
        instrumentor.forget_providers(self)
        _PYFUNC.uninstrument()


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
    """Return where a model's predictions go. What scikit-learn knows of itself counts where the model was not told."""
    fitted = _estimator(loaded)
    if fitted is not None:
        model = model.completed(fitted.task, fitted.classes or None, fitted.positive)
    if not model._identity.task.kind:
        raise TypeError(
            f"{model.name} is not recorded: what an MLflow model of this flavour predicts is not known; say it: "
            f"driftline.Model({model.name!r}, task='binary'), or task in [models.{model.name}] of DRIFTLINE_CONFIG"
        )
    schema = loaded.metadata.get_input_schema()
    names = tuple(schema.input_names()) if schema is not None and schema.has_input_names() else None
    recorder = Recorder(model, "PyFuncModel.predict", feature_names=names, **options)
    said = options.get("score") is not None or options.get("predicted") is not None
    return RecordingPlan(recorder, _features, None if said or fitted is None else _reading(fitted, loaded, model))


def _features(data: Any, params: Any = None) -> Any:  # noqa: ARG001 - params say how, not what
    return rows_of(data)


def _reading(fitted: FittedEstimator, loaded: Any, model: Model) -> Callable[..., tuple[Any, Any]] | None:
    """Return what reads the results of a scikit-learn estimator: classes are classes there, whatever their dtype."""
    asks = str(loaded.metadata.flavors.get("python_function", {}).get("predict_fn", "predict"))
    reading, task = READINGS.get(conventional_reading(fitted, asks, {})), model._identity.task
    return None if reading is None else lambda result, *_, **__: reading(result, fitted, task)


def _estimator(loaded: Any) -> FittedEstimator | None:
    """Describe the scikit-learn estimator in a model; None where it is of another kind."""
    try:
        raw = loaded.get_raw_model()
    except (AttributeError, NotImplementedError):  # before MLflow 2.15, and flavours that have none
        return None
    if not any(base.__module__.partition(".")[0] == "sklearn" for base in type(raw).__mro__):
        return None
    return look(raw)


_PYFUNC = LibraryMethod("mlflow", "mlflow.pyfunc", "PyFuncModel", "predict", _unnamed)

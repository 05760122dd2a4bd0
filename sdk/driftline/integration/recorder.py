"""Record predictions without a function to decorate: for authors of integrations.

An integration opens a prediction when its framework begins to predict, and adds features as they arrive: the body of a
request follows its headers. It closes the prediction with the result or the error. No step raises.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from driftline.capture.absent import ABSENT
from driftline.capture.call import abandon, begin, end
from driftline.capture.call_plan import CallPlan
from driftline.capture.deferred import end_deferred
from driftline.capture.model_identity import SCOPE, Identity
from driftline.capture.prediction import DeferredReading, Prediction
from driftline.capture.signature import Selector, recorder_inputs
from driftline.capture.snapshot import take_features, take_id, take_slices
from driftline.decorate import tracer_for
from driftline.export.pipeline import Pipeline
from driftline.faults import FAULTS


class RecordedModel(Protocol):
    """The parts of a :class:`driftline.Model` that a recorder needs."""

    _identity: Identity
    _pipeline: Pipeline
    _span_features: bool


class Recorder:
    """One place in a program where a model predicts, such as a route or an estimator.

    Args:
        model: Model with a task.
        name: Name of the place, for messages: "POST /predict", "Pipeline.predict_proba".
        id_field: Field of the input that is the id.
        time_field: Field of the input that is the prediction's time.
        score: Selector of the score, as for ``Model.predict``.
        predicted: Selector of the predicted class or value, as for ``Model.predict``.
        span_features: Put features on sampled spans. Default: the model's setting.
        feature_names: Names of the features of an input without names, such as those of a fitted estimator.
        joins: Inside an open prediction of *any* model, only complete that prediction. For integrations that record a
            model whose name they do not know.
        scope: Instrumentation scope of the spans, such as ``driftline.sklearn``: one per integration, so that an
            OpenTelemetry SDK can configure each.
        fix: Function from the recommended selectors, such as ``score="probability"``, to the code that sets them.
            Default: the place has no selectors.
        selects_paths: True if selectors are paths in JSON, such as ``score="result.probability"``.

    >>> from driftline import Model
    >>> recorder = Recorder(Model("churn", task="binary"), "Booster.predict")
    >>> prediction = recorder.open({"amount": 17.5}, id="A-1001")
    >>> recorder.close(prediction, 0.25)
    """

    def __init__(
        self,
        model: RecordedModel,
        name: str,
        *,
        id_field: str = "",
        time_field: str = "",
        score: Selector | None = None,
        predicted: Selector | None = None,
        span_features: bool | None = None,
        feature_names: tuple[str, ...] | None = None,
        joins: bool = False,
        scope: str = SCOPE,
        fix: Callable[[str], str] | None = None,
        selects_paths: bool = False,
    ) -> None:
        identity, pipeline = model._identity, model._pipeline
        self.plan = CallPlan(
            *(identity, pipeline, tracer_for(identity, pipeline, scope), name, recorder_inputs(id_field, time_field)),
            score=score,
            predicted=predicted,
            span_features=model._span_features if span_features is None else span_features,
            joins=joins,
            names=feature_names,
            fix=fix,
            selects_paths=selects_paths,
        )

    def open(
        self,
        features: Any = ABSENT,
        *,
        id: Any = ABSENT,
        slices: Mapping[str, Any] | None = None,
        time: Any = ABSENT,
    ) -> Prediction:
        """Open a prediction and its span, current until :meth:`close`.

        Arguments can also be given later, by :meth:`add`.

        Args:
            features: One row or a batch, as the argument of a decorated function; Driftline takes a snapshot.
            id: Id of the prediction; n ids for a batch of n rows.
            slices: Value by slice; n values each for a batch.
            time: Time of the prediction. Default: now.

        Returns:
            The open prediction.
        """
        if features is ABSENT and id is ABSENT and time is ABSENT and slices is None:
            return begin(self.plan, None, {})
        return begin(self.plan, (features, id, ABSENT if slices is None else slices, time), {})

    def add(
        self,
        prediction: Prediction,
        *,
        features: Any = ABSENT,
        id: Any = ABSENT,
        slices: Mapping[str, Any] | None = None,
    ) -> None:
        """Add features, id or slices to an open prediction. These features win over those of an inner prediction.

        Args:
            prediction: Open prediction.
            features: One row or a batch.
            id: Id of the prediction; n ids for a batch of n rows.
            slices: Value by slice; n values each for a batch.
        """
        try:
            if features is not ABSENT and features is not None:
                prediction.shape = prediction.values = prediction.batch = None
                prediction.count = 1
                take_features(prediction, features)
            if id is not ABSENT:
                take_id(prediction, id)
            if slices:
                take_slices(prediction, slices)
        except Exception as fault:
            FAULTS.swallow("add", fault)

    def run(self, prediction: Prediction, call: Callable[[], Any], answer: Callable[[Any], Any]) -> Any:
        """Make a call within an open prediction, and close the prediction with its answer or its error.

        Args:
            prediction: Prediction of :meth:`open`.
            call: Call that predicts.
            answer: Returns the result to record, from the result of the call.

        Returns:
            The result of the call.
        """
        try:
            result = answered = call()
            try:
                answered = answer(result)
            except Exception as fault:
                FAULTS.swallow("answer", fault)
            self.close(prediction, answered)
        except BaseException as error:
            self.close(prediction, error=error)
            raise
        finally:
            prediction.closed = True
        return result

    def close(self, prediction: Prediction, result: Any = ABSENT, error: BaseException | str | None = None) -> None:
        """Close a prediction with its result or its error, in the context in which it was opened.

        Args:
            prediction: Open prediction.
            result: Return value of the model.
            error: Exception; or the type of an error without an exception, such as the status of a response.
        """
        end(prediction, result, error)

    def close_later(self, prediction: Prediction, deferred_reading: DeferredReading) -> None:
        """Close a prediction whose input and result are read on the background thread.

        Args:
            prediction: Open prediction.
            deferred_reading: Reader of input and result.
        """
        end_deferred(prediction, deferred_reading)

    def abandon(self, prediction: Prediction, reason: str) -> None:
        """Close a prediction without a result: no record, no count, and a span with the reason.

        Args:
            prediction: Open prediction.
            reason: Such as the status of a response.
        """
        abandon(prediction, reason)

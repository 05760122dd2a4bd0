"""Record predictions where there is no function to decorate: for authors of integrations.

An integration opens a prediction when its framework begins to predict. It adds what it learns on the way: the body of a
request is read later than its headers. It closes the prediction with the result or the error. No step raises.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from driftline.capture.absent import ABSENT
from driftline.capture.call import abandon, begin, end
from driftline.capture.deferred import end_deferred
from driftline.capture.model_identity import Identity
from driftline.capture.prediction import DeferredReading, Prediction
from driftline.capture.signature import Selector, recorder_inputs
from driftline.capture.snapshot import take_features, take_id, take_slices
from driftline.decorate import plan_of
from driftline.export.pipeline import Pipeline
from driftline.faults import FAULTS


class RecordedModel(Protocol):
    """The parts of a :class:`driftline.Model` that a recorder needs."""

    _identity: Identity
    _pipeline: Pipeline
    _span_features: bool


class Recorder:
    """One place in a program where a model predicts, such as a route or an estimator.

    ``model``: with a task. ``name``: of the place, for people ("POST /predict", "Pipeline.predict_proba").
    ``id_field``, ``time_field``: fields of the input that are not features. ``score``, ``predicted``: selectors of the
    result, as for ``Model.predict``. ``span_features``: whether features ride on sampled spans. ``feature_names``: of
    an input that has none, where the place knows them, as a fitted estimator does. ``joins``: whether, inside an open
    prediction of *any* model, this place only fills in what that one lacks: for integrations that see a model without
    having been told its name. ``fix``: what to write where a result cannot be read, given the selectors that would
    help, such as ``score="probability"``.

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
        fix: Callable[[str], str] | None = None,
    ) -> None:
        inputs = recorder_inputs(id_field, time_field)
        self.plan = plan_of(
            model._identity,
            model._pipeline,
            name,
            inputs,
            score,
            predicted,
            span_features=model._span_features if span_features is None else span_features,
        )
        self.plan.joins = joins
        self.plan.names = feature_names
        self.plan.fix = fix

    def open(
        self,
        features: Any = ABSENT,
        *,
        id: Any = ABSENT,
        slices: Mapping[str, Any] | None = None,
        time: Any = ABSENT,
    ) -> Prediction:
        """Open a prediction and its span, which becomes the current one until :meth:`close`.

        ``features``: one row or a batch, as a decorated function's argument; a snapshot is taken. ``id``: the
        prediction's, or n of a batch. ``slices``: name → value, or n values of a batch. ``time``: when the prediction
        counts, where that is not now. All can be left to :meth:`add`.
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
        """Add to a prediction what was not known when it was opened; features win over those of a layer inside it."""
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

    def close(self, prediction: Prediction, result: Any = ABSENT, error: BaseException | str | None = None) -> None:
        """Close it with what the model returned, or what it raised; in the context in which it was opened.

        ``error``: an exception, or the type of an error that is none here, such as the status of a response.
        """
        end(prediction, result, error)

    def close_later(self, prediction: Prediction, later: DeferredReading) -> None:
        """Close it, and let ``later`` say on the background thread what was given and returned."""
        end_deferred(prediction, later)

    def abandon(self, prediction: Prediction, reason: str) -> None:
        """Close it as one that never came to be: no record, no count, and a span with ``reason`` as its error type."""
        abandon(prediction, reason)

"""The model: records predictions and sends their outcomes."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar, overload

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import TracerProvider

    from driftline.baseline.baseline import Baseline
    from driftline.capture.prediction import Prediction
    from driftline.capture.signature import Selector
    from driftline.export.transport import Channel
    from driftline.integration.recorder import Recorder
    from driftline.privacy.policy import Capture, Privacy

    from .outcomes import Accepted

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")

_FLUSH_SECONDS = 2.0
"""Seconds that a call with many outcomes waits until the predictions before it are sent."""


class Model:
    """A model with a name, whose predictions you record and whose outcomes you send.

    Make a model when the process starts, and decorate the function that predicts. All models with the same name in a
    process share one buffer. If a process only sends outcomes, it needs only ``driftline.Model("churn")``.

    Args:
        name: Name of the model, such as "churn". Outcomes find their predictions under this name.
        task: "binary", "multiclass", "regression" or "ranking". Default: the task of the baseline. A model without a
            task can send outcomes, but cannot record predictions.
        version: Version of the model, such as "2026-11-01".
        classes: Classes in the order of the score columns. Default: the classes of the baseline. Without a baseline,
            the default for "binary" is (0, 1).
        positive_class: Class whose probability is the score of a binary model. Default: the positive class of the
            baseline. Without a baseline, the default is class 1 if the classes are 0 and 1 (also as texts, or as False
            and True).
        threshold: Smallest score for which a binary model predicts the positive class, if the function returns only a
            score. Default: the threshold of the baseline, or 0.5 without a baseline.
        quantiles: Levels of the quantiles that a regression predicts, in the order of its columns, such as (0.1, 0.5,
            0.9). The predicted value is the quantile of the level 0.5. If this level is missing, the predicted value is
            the quantile of the middle level.
        baseline: Reference of the model: a :class:`driftline.Baseline`, or the path of its file. Driftline sends the
            baseline once per process, and records only the features of the baseline.
        feature_names: Features to record, or names of the columns of arrays. Default: the features of the baseline, or
            all features without a baseline.
        text_features: Features that contain free text. Driftline records the length, the words and the script of each
            text.
        capture: Values of each row that leave the process: "features" (features and scores), "scores" or "none". All
            other values are sent as distributions only. Default: ``DRIFTLINE_CAPTURE``.
        privacy: Privacy rules per feature, for all signals (records, spans and metrics). Rules in environment variables
            also apply.
        distributions: Whether to send features, scores and durations also as metrics. Default:
            ``DRIFTLINE_DISTRIBUTIONS``. Without this variable, the default is true for models with up to 64 features.
        tracer_provider: Provider of the spans, for tests. Default: the global provider.
        meter_provider: Provider of the counters, for tests. Default: the global provider.
        channel: Destination of the records, for tests. Default: the endpoint of the environment.
        metrics_channel: Destination of the distributions, for tests. Default: the endpoint of the environment.

    Raises:
        ValueError: Task, classes and positive class contradict each other, or the baseline is not valid.
        TypeError: ``classes`` or ``feature_names`` is a single text instead of a list of texts.
        OSError: The file of the baseline cannot be read.

    >>> churn = Model("churn", task="binary", version="2026-11-01")
    >>> @churn.predict
    ... def score(order: dict) -> float:
    ...     return 0.25
    >>> score({"amount": 17.5, "country": "NO"})
    0.25
    """

    def __init__(
        self,
        name: str,
        *,
        task: str = "",
        version: str = "",
        classes: Sequence[object] | None = None,
        positive_class: object = None,
        threshold: float | None = None,
        quantiles: Sequence[float] | None = None,
        baseline: Baseline | str | os.PathLike[str] | None = None,
        feature_names: Sequence[str] | None = None,
        text_features: Sequence[str] = (),
        capture: Capture | None = None,
        privacy: Privacy | None = None,
        distributions: bool | None = None,
        tracer_provider: TracerProvider | None = None,
        meter_provider: MeterProvider | None = None,
        channel: Channel | None = None,
        metrics_channel: Channel | None = None,
    ) -> None:
        from driftline.capture.model_identity import Identity, declared_texts, most_features
        from driftline.export.endpoint import disabled
        from driftline.export.pipeline import SILENT, pipeline_of
        from driftline.privacy.policy import capture_of, rules_in_force
        from driftline.tables.classes import resolve_task
        from driftline.tables.task import Task

        from .settings import switch

        if not isinstance(name, str) or not name.strip():
            raise ValueError(f"the name of a model must be a string such as 'churn', not {name!r}")
        for argument, names in (("feature_names", feature_names), ("classes", classes)):
            if isinstance(names, str):
                raise TypeError(f"{argument} is a single string, {names!r}; use {argument}=({names!r},)")
        rules = rules_in_force(privacy)
        loaded = _load(baseline)
        if loaded is not None:
            task = task or loaded.task.kind
            if task == loaded.task.kind:
                classes = loaded.task.classes or None if classes is None else classes
                positive_class = loaded.task.positive_class or None if positive_class is None else positive_class
                threshold = loaded.task.threshold if threshold is None else threshold
                quantiles = loaded.task.quantiles if quantiles is None else quantiles
        task_options = Task()
        if task:
            threshold = 0.5 if threshold is None else threshold
            task_options = resolve_task(
                task, classes=classes, positive_class=positive_class, threshold=threshold, quantiles=quantiles
            )
        vocabularies = {} if loaded is None else loaded.texts
        texts = declared_texts(text_features, tuple(vocabularies))
        features = feature_names if feature_names is not None or loaded is None else loaded.raw_features
        level = capture_of(capture)
        self._identity = Identity(
            name=name.strip(),
            version=str(version),
            task=task_options,
            features=None if features is None else tuple(map(str, features)),
            tracer_provider=tracer_provider,
            meter_provider=meter_provider,
            capture=level,
            privacy=rules,
            text_features=texts,
            distributions=most_features(distributions, level),
            vocabularies=tuple(vocabularies.items()),
        )
        self._blocks: dict[tuple[str, bool], Recorder] = {}
        self._options_of_call = {
            "task": task,
            "version": str(version),
            "classes": None if classes is None else tuple(classes),
            "positive_class": positive_class,
            "threshold": threshold,
            "quantiles": quantiles,
            "baseline": loaded,
            "feature_names": feature_names,
            "text_features": text_features,
            "capture": capture,
            "privacy": privacy,
            "distributions": distributions,
        }
        self._span_features = switch("DRIFTLINE_SPAN_FEATURES")
        self._enabled = not disabled()
        self._pipeline = pipeline_of(channel, metrics_channel) if self._enabled else SILENT
        if loaded is not None:
            from driftline.baseline.baseline import protect_baseline

            from .faults import FAULTS, logger

            if loaded.model not in ("", self._identity.name) and FAULTS.once(f"baseline of {loaded.model}"):
                logger.warning(
                    "driftline: the baseline of the model %s was built for the model %s, so they are not compared; "
                    "build it with model=%r, or give the model that name",
                    self._identity.name, loaded.model, self._identity.name,
                )  # fmt: skip
            self._pipeline.announce(self._identity, protect_baseline(loaded, rules, level))

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle and copy the arguments of the model: a copy shares the buffer of its process."""
        return _restore, (self._identity.name, self._options_of_call)

    @property
    def name(self) -> str:
        """Name of the model."""
        return self._identity.name

    @property
    def version(self) -> str:
        """Version of the model, or "" if the model has no version."""
        return self._identity.version

    def completed(
        self, task: str, classes: Sequence[object] | int | None = None, positive_class: object = None
    ) -> Model:
        """Return a copy of this model with the task of a fitted estimator.

        Arguments of the model win over those of the estimator. This model does not change.

        Args:
            task: Task of the estimator: "binary", "multiclass", "regression" or "ranking".
            classes: Classes in any order, or their number n for the classes 0, 1, ... n - 1.
            positive_class: Positive class of the estimator.

        Returns:
            The completed copy, which shares the buffer of this model.

        Raises:
            ValueError: Model and estimator have different tasks or different classes.

        >>> Model("churn").completed("binary", ("stays", "churns"), "churns")
        driftline.Model('churn', task='binary')
        """
        from dataclasses import replace

        from driftline.tables.classes import complete_task

        declared, completed_task = complete_task(self.name, self._options_of_call, task, classes, positive_class)
        model = Model.__new__(Model)
        model.__dict__.update(
            self.__dict__, _options_of_call=declared, _blocks={}, _identity=replace(self._identity, task=completed_task)
        )
        return model

    def learn(self, task: str, classes: Sequence[object] | int | None = None, positive_class: object = None) -> Model:
        """Complete the task of this model in place; see :meth:`completed`.

        Blocks ``with model.prediction()`` use the new task from now on. Functions that are already decorated keep the
        old task.

        Args:
            task: Task of the estimator.
            classes: Classes in any order, or their number.
            positive_class: Positive class of the estimator.

        Returns:
            The completed copy that decorates functions with the new task.

        Raises:
            ValueError: Model and estimator have different tasks or different classes.
        """
        model = self.completed(task, classes, positive_class)
        self._identity, self._blocks = model._identity, {}
        return model

    def __repr__(self) -> str:
        task = f", task={self._identity.task.kind!r}" if self._identity.task.kind else ""
        version = f", version={self.version!r}" if self.version else ""
        return f"driftline.Model({self.name!r}{task}{version})"

    @overload
    def predict(
        self,
        function: F,
        /,
        *,
        id: Selector | None = None,
        features: Selector | Sequence[str] | None = None,
        score: Selector | None = None,
        predicted: Selector | None = None,
        slices: Selector | Sequence[str] | None = None,
        time: Selector | None = None,
        span_features: bool | None = None,
    ) -> F: ...

    @overload
    def predict(
        self,
        function: None = None,
        /,
        *,
        id: Selector | None = None,
        features: Selector | Sequence[str] | None = None,
        score: Selector | None = None,
        predicted: Selector | None = None,
        slices: Selector | Sequence[str] | None = None,
        time: Selector | None = None,
        span_features: bool | None = None,
    ) -> Callable[[F], F]: ...

    def predict(
        self,
        function: F | None = None,
        /,
        *,
        id: Selector | None = None,
        features: Selector | Sequence[str] | None = None,
        score: Selector | None = None,
        predicted: Selector | None = None,
        slices: Selector | Sequence[str] | None = None,
        time: Selector | None = None,
        span_features: bool | None = None,
    ) -> Any:
        """Decorate the function, coroutine function, generator or method that predicts.

        A selector is a name or a function. The decorated function returns the same results and raises the same
        exceptions as before, even if recording fails.

        Args:
            function: Function to decorate, or None if the decorator is used with options.
            id: Selector of the prediction's id: the name of an argument or of a field of the input, or a function of
                the call's arguments. If an argument and a field have this name, the argument is used. Default:
                Driftline generates an id.
            features: Selector of the features. The values of several named arguments make one row. Default: the
                argument that can be the features, if there is only one.
            score: Selector of the score: the name of a field of the result, or a function of the result.
            predicted: Selector of the predicted class or value, in the same form as ``score``.
            slices: Selector of the slices, in the same form as ``id``. A list of several names selects several slices.
            time: Selector of the prediction's time, in the same form as ``id``. It is for replays and nightly jobs. The
                time is a datetime (UTC if naive), ISO 8601 or unix time. A batch has one time per row. Default: now. If
                the time cannot be read, the current time is used.
            span_features: Whether to put features on sampled spans. Default: ``DRIFTLINE_SPAN_FEATURES``, or false
                without this variable.

        Returns:
            The decorated function, or the decorator if ``function`` is None.

        Raises:
            TypeError: ``function`` is not callable, the model has no task, or it is ambiguous
                which argument contains the features.

        >>> churn = Model("churn", task="binary")
        >>> @churn.predict(id="order_id", score="probability")
        ... def decide(order: dict) -> dict:
        ...     return {"probability": 0.25, "reason": "regular customer"}
        >>> decide({"order_id": "A-1001", "amount": 17.5})["probability"]
        0.25
        """
        from .capture.signature import Selectors
        from .decorate import decorate

        selectors = Selectors(id, features, score, predicted, slices, time)
        on_spans = self._span_features if span_features is None else span_features
        wrap = partial(decorate, self._identity, self._pipeline, selectors, on_spans, {})
        return wrap if function is None else wrap(function)

    @contextmanager
    def prediction(
        self,
        *,
        features: Any = None,
        id: object = None,
        slices: Mapping[str, Any] | None = None,
        span_features: bool | None = None,
    ) -> Iterator[Prediction]:
        """Record the prediction of a ``with`` block, if there is no function to decorate.

        Args:
            features: One row or a batch, in any form that a decorated function accepts.
            id: Id of the prediction. For a batch of n rows: n ids, or the name of their column. Default: Driftline
                generates an id.
            slices: Mapping from slice to value, such as ``{"country": "NO"}``. For a batch, each slice has n values.
            span_features: Whether to put features on sampled spans. Default: ``DRIFTLINE_SPAN_FEATURES``, or false
                without this variable.

        Yields:
            The open prediction. Set its ``score``, its ``predicted``, or both.

        >>> with Model("churn", task="binary").prediction(features={"amount": 17.5}, id="A-1001") as prediction:
        ...     prediction.score = 0.25
        >>> prediction.id
        'A-1001'
        """
        from driftline.capture.absent import ABSENT
        from driftline.capture.call import end
        from driftline.capture.prediction import Prediction

        from .faults import FAULTS

        prediction = None
        try:
            id = ABSENT if id is None else id
            prediction = self._block(features, id, span_features).open(features, id=id, slices=slices)
        except Exception as fault:
            FAULTS.swallow("prediction", fault)
        opened = prediction or Prediction.detached()
        try:
            yield opened
            end(opened, ABSENT, None)
        except BaseException as error:
            end(opened, ABSENT, error)
            raise
        finally:
            opened.closed = True

    def _block(self, features: Any, id: object, span_features: bool | None) -> Recorder:
        """Return the recorder of a ``with`` block: the same recorder for the same column of ids."""
        from driftline.capture.signature import column_named
        from driftline.integration.recorder import Recorder

        key = (column_named(features, id), self._span_features if span_features is None else span_features)
        recorder = self._blocks.get(key)
        if recorder is None:
            recorder = Recorder(self, f"{self.name}.prediction", id_field=key[0], span_features=key[1])
            self._blocks[key] = recorder
        return recorder

    def instrument(self, target: T, **options: Any) -> T:
        """Record the predictions of an application, an estimator or a network without a change to its code.

        Driftline selects the integration by the package of the target's type.

        Args:
            target: FastAPI or Flask application, fitted estimator, ``torch.nn.Module``, booster or ONNX session.
            **options: Options of the integration, such as ``routes`` for FastAPI.

        Returns:
            The target itself.

        Raises:
            TypeError: No integration is installed for the target, or the integration refuses the target.
        """
        from driftline.integration.discovery import integration_for

        instrumented: T = integration_for(target)(self, target, **options)
        return instrumented

    def outcome(
        self,
        id: object,
        actual: object = None,
        *,
        time: object = None,
        prediction_time: object = None,
        weight: float | None = None,
        item: object = None,
        value: float | None = None,
        slices: Mapping[str, Any] | None = None,
        retracted: bool = False,
    ) -> None:
        """Record the outcome of one prediction, in any process, seconds or months later. This method never raises.

        If a prediction has several outcomes, the outcome with the newest ``time`` wins.

        Args:
            id: Id of the prediction.
            actual: Actual class or value. For a ranking, it is the list of relevant items. If ``item`` is given, it is
                the relevance of this item.
            time: Time at which the outcome was known: a datetime (UTC if naive), ISO 8601 or unix time. Default: now.
            prediction_time: Time of the prediction, in the same forms as ``time``. With this time, finding the
                prediction is cheaper.
            weight: 1 divided by the probability with which the row was chosen for labelling. Default: 1.
            item: Item of a ranking that the outcome describes.
            value: Worth of the prediction, in a unit that you choose, such as euros.
            slices: Slices that are known only now, such as an attribute that the prediction may not contain. The
                privacy rules of the model apply to these slices.
            retracted: Whether to retract all earlier outcomes of the prediction. A retraction needs no ``actual``.

        >>> Model("churn").outcome("A-1001", actual=1, value=-40.0, slices={"age_group": "60+"})
        >>> Model("churn").outcome("A-1001", retracted=True)
        """
        from .outcomes import record_outcome

        record_outcome(
            self._identity,
            self._pipeline,
            self._declared_classes,
            id=id,
            actual=actual,
            time=time,
            prediction_time=prediction_time,
            weight=weight,
            item=item,
            value=value,
            slices=slices,
            retracted=retracted,
        )

    def _declared_classes(self) -> tuple[str, ...]:
        """Return the classes that the code passes; () for the default classes of a binary model."""
        return () if self._options_of_call["classes"] is None else self._identity.task.classes

    def outcomes(self, outcomes: Any) -> Accepted:
        """Send many outcomes, and wait until the receiver has stored them.

        Use this method in jobs that load labels.

        Args:
            outcomes: The outcomes, as a DataFrame or a mapping of columns. The columns are ``id`` and ``actual``, and
                optionally ``time``, ``prediction_time``, ``weight``, ``item``, ``value``, ``retracted``, and
                ``slice.NAME`` for each slice. Or an iterable of mappings with these keys, or of tuples with the values
                in this order, without slices. :meth:`outcome` explains each column.

        Returns:
            The number of accepted outcomes, and the rejected outcomes with their reasons. Also the accepted outcomes
            that the receiver cannot use at present, such as outcomes with an unknown class or id.

        Raises:
            driftline.Undelivered: The outcomes could not be delivered. No other method of a model raises because of the
                network.
            ValueError: The column ``id`` is missing, or the columns ``actual`` and ``retracted`` are both missing.
        """
        from .outcomes import Accepted, send_outcomes

        if not self._enabled:
            return Accepted(0)
        self._pipeline.flush(_FLUSH_SECONDS, again=())  # so that the receiver knows the predictions of this process
        return send_outcomes(self._identity, outcomes)


def _restore(name: str, arguments: dict[str, Any]) -> Model:
    return Model(name, **arguments)


def _load(baseline: Baseline | str | os.PathLike[str] | None) -> Baseline | None:
    """Return the baseline, read from its file if a path is given.

    If there is no path, no module of ``baseline/`` is loaded.
    """
    if not isinstance(baseline, str | os.PathLike):
        return baseline
    from driftline.baseline.baseline import Baseline

    return Baseline.load(baseline)

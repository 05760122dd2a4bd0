"""A model that predicts and later learns its outcomes: the object that people hold."""

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


class Model:
    """A model by its name. Make one where the process starts, and decorate the function that predicts.

    Every handle of one name in a process shares one buffer, so make as many as is convenient. A process that only
    learns outcomes needs no more than ``driftline.Model("churn")``.

    ``task``: "binary", "multiclass", "regression" or "ranking"; needed to predict, known from the baseline if there is
    one. ``classes``: in the order of the score columns; binary: (0, 1) unless said. ``positive_class``: the class that
    a binary score is the probability of; else the baseline's, else the last of (0, 1), (False, True), ("0", "1").
    ``threshold``: the score from which on the positive class counts as predicted where the function returns only a
    score. ``quantiles``: the levels that a regression predicts, in the order of its columns, such as (0.1, 0.5, 0.9);
    its value is then the level 0.5, or else the middle one. ``baseline``: a :class:`driftline.Baseline` or the path of
    one; it is sent once per process, and its features are the only ones recorded. ``feature_names``: the features to
    record instead, and the names of arrays' columns. ``text_features``: features that are documents; length, words and
    script of them are recorded, and the text itself only for ``{"message": "keep"}``. ``capture``: what leaves per row:
    "features" and scores, "scores" alone, or "none"; what does not leave per row is sent as distributions. ``privacy``:
    rules per feature, for every signal: a :class:`driftline.Privacy`. ``distributions``: whether features, scores and
    durations are sent as metrics, too; unless said, those of up to 64 features are. ``tracer_provider``,
    ``meter_provider``, ``channel``, ``metrics_channel``: for tests; else the global providers and the environment's
    endpoints.

    Raises ``ValueError`` or ``TypeError``, with the fix, when task, classes and positive class do not fit, and what
    ``Baseline.load`` raises.

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
        text_features: Sequence[str] | Mapping[str, str] = (),
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
        from driftline.tables.table import Task

        from .settings import switch

        if not isinstance(name, str) or not name.strip():
            raise ValueError(f"a model's name is a text, such as 'churn', but this one is {name!r}")
        for argument, names in (("feature_names", feature_names), ("classes", classes)):
            if isinstance(names, str):
                raise TypeError(f"{argument} is the text {names!r}; write {argument}=({names!r},)")
        rules = rules_in_force(privacy)
        loaded = _load(baseline)
        if loaded is not None:
            task = task or loaded.task.kind
            if task == loaded.task.kind:
                classes = loaded.task.classes or None if classes is None else classes
                positive_class = loaded.task.positive_class or None if positive_class is None else positive_class
                threshold = loaded.task.threshold if threshold is None else threshold
                quantiles = loaded.task.quantiles if quantiles is None else quantiles
        known = Task()
        if task:
            threshold = 0.5 if threshold is None else threshold
            known = resolve_task(
                task, classes=classes, positive_class=positive_class, threshold=threshold, quantiles=quantiles
            )
        vocabularies = {} if loaded is None else loaded.texts
        texts, kept_texts = declared_texts(text_features, tuple(vocabularies))
        features = feature_names if feature_names is not None or loaded is None else loaded.raw_features
        level = capture_of(capture)
        self._identity = Identity(
            name.strip(),
            str(version),
            known,
            None if features is None else tuple(map(str, features)),
            tracer_provider,
            meter_provider,
            level,
            rules,
            texts,
            most_features(distributions, level),
            kept_texts,
            tuple(vocabularies.items()),
        )
        self._blocks: dict[tuple[str, bool], Recorder] = {}
        self._given = {
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

            self._pipeline.announce(self._identity, protect_baseline(loaded, rules, level))

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle and copy as what it was made from: the copy shares this one's buffer, or that of its process."""
        return _restore, (self._identity.name, self._given)

    @property
    def name(self) -> str:
        """The model's name."""
        return self._identity.name

    @property
    def version(self) -> str:
        """The model's version, "" where none was given."""
        return self._identity.version

    def completed(
        self, task: str, classes: Sequence[object] | int | None = None, positive_class: object = None
    ) -> Model:
        """Return this model, with what it was not told of its task learned from what predicts: a fitted estimator.

        ``classes``: in any order, or how many: then 0, 1, ... What the model was told holds, and it stays as it is.
        Raises ``ValueError``, with the fix, where the two contradict each other: another task, or other classes.

        >>> Model("churn").completed("binary", ("stays", "churns"), "churns")
        driftline.Model('churn', task='binary')
        """
        from dataclasses import replace

        from driftline.tables.classes import complete_task

        given, known = complete_task(self.name, self._given, task, classes, positive_class)
        model = Model.__new__(Model)
        model.__dict__.update(self.__dict__, _given=given, _blocks={}, _identity=replace(self._identity, task=known))
        return model

    def learn(self, task: str, classes: Sequence[object] | int | None = None, positive_class: object = None) -> Model:
        """Complete the task, also for later blocks ``with model.prediction()``; see :meth:`completed`.

        What is decorated already stays as it was described.
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
        """Decorate the function, coroutine function or method that predicts.

        A selector is a name or a function. ``features``, ``id``, ``time``, ``slices``: the name of an argument, else of
        a field of the input, or a function of the call's arguments; several names of arguments as ``features`` are one
        row. Where ``features`` is a function, fields are those of the arguments, or else of what it returns. ``time``:
        when the prediction counts, where that is not now (a replay, a nightly job): a datetime (UTC if naive), ISO 8601
        or unix time, of a batch one per row; now is taken where it cannot be read.
        ``score``, ``predicted``: the name of a field of the result, or a function of the result. ``span_features``:
        whether the features ride on sampled spans; else ``DRIFTLINE_SPAN_FEATURES``, else they do.

        What the function returns and raises stays as it is, whatever happens here. Raises ``TypeError`` at decoration
        when it is used on something that is no function, or when several arguments could be the features.
        """
        from .decorate import decorate

        wrap = partial(
            decorate,
            self._identity,
            self._pipeline,
            id=id,
            features=features,
            score=score,
            predicted=predicted,
            slices=slices,
            time=time,
            span_features=self._span_features if span_features is None else span_features,
        )
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
        """Record what the ``with`` block predicts, where there is no function to decorate.

        ``features``: one row or a batch, as a function's argument would be. ``id``: the prediction's, or of a batch n
        ids or the name of a column. Set ``score``, ``predicted`` or both on what it gives.

        >>> with Model("churn", task="binary").prediction(features={"amount": 17.5}, id="A-1001") as p:
        ...     p.score = 0.25
        >>> p.id
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
        try:
            yield prediction or Prediction.detached()
        except BaseException as error:
            if prediction is not None:
                end(prediction, ABSENT, error)
            raise
        if prediction is not None:
            end(prediction, ABSENT, None)

    def _block(self, features: Any, id: object, span_features: bool | None) -> Recorder:
        """Return what records a ``with`` block; made once for each column that holds the ids."""
        from driftline.capture.signature import column_named
        from driftline.integration.recorder import Recorder

        key = (column_named(features, id), self._span_features if span_features is None else span_features)
        recorder = self._blocks.get(key)
        if recorder is None:
            recorder = Recorder(self, f"{self.name}.prediction", id_field=key[0], span_features=key[1])
            self._blocks[key] = recorder
        return recorder

    def instrument(self, target: Any, **options: Any) -> Any:
        """Record what an app, an estimator or a network predicts, without touching its code; return it.

        ``target``: a FastAPI or Flask app, a fitted estimator, a ``torch.nn.Module``, a booster, an ONNX session.
        ``options``: those of the integration, which is found by the package that the target's type comes from.
        Raises ``TypeError`` when there is no integration for it, and what the integration raises.
        """
        from driftline.integration.discovery import integration_for

        return integration_for(target)(self, target, **options)

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
        """Say what really happened after one prediction; in any process, seconds or months later. Never raises.

        ``id``: the prediction's. ``actual``: its class, or its number. ``time``: when the truth was known, now unless
        said; ``prediction_time``: when the prediction was made, if you know: it makes the join cheaper. Both a datetime
        (UTC if naive), ISO 8601 or unix time. ``weight``: 1 / the probability with which the row was chosen to be
        labelled. Said again, the newest ``time`` wins; ``retracted`` takes back what was said until then, and needs no
        ``actual``. ``item``: of a ranking, the item that this is about. ``value``: what the prediction was worth, in
        your unit. ``slices``: what is known of the row only now, such as an attribute that no prediction may carry; the
        rules of ``privacy`` hold for them.

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
        """Return the classes that somebody named, and not those that a binary model has unless told."""
        return () if self._given["classes"] is None else self._identity.task.classes

    def outcomes(self, outcomes: Any) -> Accepted:
        """Send many outcomes and wait until they are kept: for jobs that load labels.

        ``outcomes``: a DataFrame or mapping of columns with ``id``, ``actual`` and optionally ``time``,
        ``prediction_time``, ``weight``, ``item``, ``value``, ``retracted`` and a ``slice.NAME`` for each slice, or an
        iterable of such mappings or of tuples in that order (without slices). Returns how many were accepted, and which
        were rejected, with reasons. Raises :class:`driftline.Undelivered` when they cannot be delivered (the only call
        of Driftline that raises for the network), ``ValueError`` for a frame without ids.
        """
        from .outcomes import Accepted, send_outcomes

        return send_outcomes(self._identity, outcomes) if self._enabled else Accepted(0)


def _restore(name: str, given: dict[str, Any]) -> Model:
    return Model(name, **given)


def _load(baseline: Baseline | str | os.PathLike[str] | None) -> Baseline | None:
    """Return a baseline, read from its file where a path is given; nothing of ``baseline/`` loads without one."""
    if not isinstance(baseline, str | os.PathLike):
        return baseline
    from driftline.baseline.baseline import Baseline

    return Baseline.load(baseline)

"""scikit-learn, and every estimator that follows its conventions.

``clf = churn.instrument(clf)`` records what one estimator predicts; :class:`SklearnInstrumentor`, which
``opentelemetry-instrument`` finds by itself, records every one of the process.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from driftline_integrations.estimators.library import LibraryInstrumentation, sklearn_family
from driftline_integrations.estimators.library import uninstrument as uninstrument
from driftline_integrations.instrumentation import instrumentor
from driftline_integrations.instrumentation.instrumentor import BaseInstrumentor

if TYPE_CHECKING:
    from driftline.model import Model


E = TypeVar("E")


_SKLEARN = LibraryInstrumentation("sklearn", [("sklearn.base", "BaseEstimator", sklearn_family)])


def instrument(
    model: Model,
    estimator: E,
    *,
    methods: Sequence[str] | None = None,
    id: str = "",
    time: str = "",
    span_features: bool = True,
) -> E:
    """Record what an estimator predicts; return the same object, on which nothing has changed.

    ``model``: what it does not say of task, classes and positive class is learned from the fitted estimator; the
    positive class is the last one. ``methods``: which calls are predictions, of "predict", "predict_proba",
    "predict_log_proba" and "decision_function"; all unless said. ``id``, ``time``: columns of the samples that are a
    prediction's id and time. ``span_features``: whether features ride on sampled spans.

    Raises ``ValueError`` when model and estimator contradict each other, and ``TypeError`` for what has no ``predict``,
    predicts several targets, or cannot be referred to weakly. One that is not fitted yet is looked at when it first
    predicts.

    >>> import driftline, numpy as np
    >>> from sklearn.linear_model import LogisticRegression
    >>> classifier = LogisticRegression().fit([[0.0], [1.0]], ["stays", "churns"])
    >>> instrument(driftline.Model("churn", positive_class="churns"), classifier) is classifier
    True
    >>> uninstrument(classifier)
    """
    from driftline_integrations.estimators import calls

    calls.instrument(
        model, estimator, library="sklearn", methods=methods, id=id, time=time, span_features=span_features
    )
    return estimator


class SklearnInstrumentor(BaseInstrumentor):  # type: ignore[misc]
    """Record what every scikit-learn estimator of the process predicts.

    The model is named by ``DRIFTLINE_MODEL_NAME``, else by the class of the estimator (of a pipeline: of its last
    step; of a search: of what it found), its version by ``DRIFTLINE_MODEL_VERSION``.
    """

    def instrumentation_dependencies(self) -> Collection[str]:
        """Return what has to be installed for this to do anything."""
        return ("scikit-learn >= 1.4",)

    def _instrument(self, **kwargs: Any) -> None:
        instrumentor.remember_providers(self, kwargs)
        _SKLEARN.instrument()

    def _uninstrument(self, **kwargs: Any) -> None:  # noqa: ARG002
        instrumentor.forget_providers(self)
        _SKLEARN.uninstrument()

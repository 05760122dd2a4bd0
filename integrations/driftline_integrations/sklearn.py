"""Record scikit-learn, and every estimator that follows its conventions.

``clf = churn.instrument(clf)`` records one estimator. :class:`SklearnInstrumentor`, which ``opentelemetry-instrument``
finds, records every estimator of the process.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeVar

from driftline_integrations.estimators.library import LibraryInstrumentation, sklearn_family
from driftline_integrations.estimators.library import uninstrument as uninstrument
from driftline_integrations.instrumentation.instrumentor import ProcessInstrumentor

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
    span_features: bool | None = None,
) -> E:
    """Record the predictions of an estimator, which stays unchanged.

    An estimator that is not fitted yet is read at its first prediction.

    Args:
        model: Model that the predictions belong to. A missing task, classes and positive class come from the fitted
            estimator; its positive class is the last class.
        estimator: Estimator with ``predict``.
        methods: Methods that are predictions, of "predict", "predict_proba", "predict_log_proba" and
            "decision_function". Default: all of them.
        id: Column of the samples that is the id.
        time: Column of the samples that is the prediction's time.
        span_features: Put features on sampled spans. Default: the model's setting.

    Returns:
        The estimator itself.

    Raises:
        ValueError: Model and estimator contradict each other.
        TypeError: The estimator has no ``predict``, predicts several targets, or does not allow weak references.

    >>> import driftline, numpy as np
    >>> from sklearn.linear_model import LogisticRegression
    >>> classifier = LogisticRegression().fit([[0.0], [1.0]], ["stays", "churns"])
    >>> instrument(driftline.Model("churn", positive_class="churns"), classifier) is classifier
    True
    >>> uninstrument(classifier)
    """
    return _SKLEARN.record(model, estimator, methods=methods, id=id, time=time, span_features=span_features)


class SklearnInstrumentor(ProcessInstrumentor):
    """Record the predictions of every scikit-learn estimator of the process.

    The name of a model is ``DRIFTLINE_MODEL_NAME``, else the class name of the estimator (of a pipeline: of its last
    step; of a search: of its best estimator). The version is ``DRIFTLINE_MODEL_VERSION``.
    """

    library = _SKLEARN
    dependencies = ("scikit-learn >= 1.4",)

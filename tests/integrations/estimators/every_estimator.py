"""Small data and small estimators, seeded; and what a service's estimators leave behind."""

from __future__ import annotations

from typing import Any

import driftline
import numpy as np
import pandas as pd
from driftline.export.pipeline import pipeline_of
from driftline.tables.table import PredictionTable
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LogisticRegression

from tests.support.service import Service

FRAME = pd.DataFrame(np.random.default_rng(7).normal(size=(60, 3)), columns=["age", "visits", "spend"])
LABELS = np.where(FRAME["age"] + FRAME["visits"] > 0, "stays", "churns")
VALUES = FRAME["spend"].to_numpy() * 3.0 + 1.0
ROW = FRAME[:1]
BATCH = FRAME[:4]


def classifier() -> LogisticRegression:
    """Return one that was fitted on named features and two classes, 'churns' and 'stays'."""
    return LogisticRegression().fit(FRAME, LABELS)


def nameless(service: Service) -> driftline.Model:
    """Return a handle that knows its name and nothing else, and reports to that service."""
    return driftline.Model(
        "churn", tracer_provider=service.tracers, meter_provider=service.meters, channel=service.channel
    )


def names(service: Service) -> list[str]:
    """Return the model that each prediction counted for, one entry per row, sorted."""
    return sorted(table.key.model for table in service.tables() for _ in range(len(table)))


def forget(service: Service) -> None:
    """Forget what left the process so far."""
    pipeline_of(service.channel).flush(60.0)
    service.channel.forget()
    service.exporter.clear()


def classes(table: PredictionTable) -> list[str]:
    """Return the predicted class of each row."""
    assert table.predicted is not None
    assert table.predicted.codes is not None
    return [table.predicted.categories[code] for code in table.predicted.codes]


def attributes_of(kind: type) -> dict[str, Any]:
    """Return what a class itself defines, without what Python notes on it when it is first pickled."""
    return {name: value for name, value in vars(kind).items() if name != "__slotnames__"}


class Threshold(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """An estimator of somebody's own, which asks itself while it is fitted, as early stopping does."""

    def __init__(self, inner: Any = None, level: float = 0.5) -> None:
        self.inner = inner
        self.level = level

    def fit(self, X: Any, y: Any) -> Threshold:
        self.inner_ = LogisticRegression().fit(X, y) if self.inner is None else self.inner
        self.classes_ = self.inner_.classes_
        self.fitted_score_ = float((self.predict(X) == y).mean())
        return self

    def predict_proba(self, X: Any) -> Any:
        return self.inner_.predict_proba(X)

    def predict(self, X: Any) -> Any:
        return self.classes_[(self.predict_proba(X)[:, 1] >= self.level).astype(int)]

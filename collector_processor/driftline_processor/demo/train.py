"""Fit the winter model and build its baseline."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pandas as pd
from driftline.baseline.baseline import Baseline
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from .data import CATEGORIES, FEATURES, NUMBERS, reference_rows, training_rows

MODEL_NAME = "late-flights"
MODEL_VERSION = "winter-2013"


def fit(flights: pd.DataFrame) -> Any:
    """Fit the classifier on the training rows: median imputation, scaling, one-hot, logistic regression."""
    rows = training_rows(flights)
    model = make_pipeline(
        make_column_transformer(
            (make_pipeline(SimpleImputer(strategy="median"), StandardScaler()), NUMBERS),
            (OneHotEncoder(min_frequency=20, handle_unknown="infrequent_if_exist"), CATEGORIES),
        ),
        LogisticRegression(max_iter=1000),
    )
    return model.fit(rows[FEATURES], rows["late"].astype(int))


def baseline_of(model: Any, flights: pd.DataFrame) -> Baseline:
    """Build the baseline on days the model was not trained on."""
    rows = reference_rows(flights)
    return Baseline.from_frame(
        rows[[*FEATURES, "late"]],
        score=model.predict_proba(rows[FEATURES])[:, 1],
        actual="late",
        features=FEATURES,
        model=MODEL_NAME,
        version=MODEL_VERSION,
        task="binary",
        classes=["0", "1"],
        positive_class="1",
    )


def write(model: Any, baseline: Baseline, directory: Path) -> None:
    """Write ``model.pickle`` and ``baseline.json`` for the service."""
    (directory / "model.pickle").write_bytes(pickle.dumps(model))
    baseline.save(directory / "baseline.json")

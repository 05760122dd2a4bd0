"""Event names of log records. Generated from ``registry/events.yaml`` by ``scripts/generate_semconv.py``; do not edit."""
# ruff: noqa: E501

from typing import Final

ML_PREDICTION: Final = "ml.prediction"
"""One prediction, with its features as plain attributes; any language can send it."""

ML_PREDICTION_BATCH: Final = "ml.prediction.batch"
"""Up to 5,000 predictions of one model, as columns."""

ML_OUTCOME: Final = "ml.outcome"
"""What really happened after one prediction; seconds or months later, in any order, repeated, corrected."""

ML_BASELINE: Final = "ml.baseline"
"""The reference that a model's predictions are compared with; the body is its JSON as text, sent once per process."""

ML_TRAINING_RUN: Final = "ml.training.run"
"""One training run that ended, or failed; the time of the record is its end."""

ML_VERDICT_CHANGED: Final = "ml.verdict.changed"
"""The verdict of a model has another state; the body is the sentence that says whether the model is healthy."""

"""Event names of log records. Generated from ``registry/`` by ``scripts/generate_semconv.py``; do not edit."""

from typing import Final

ML_PREDICTION: Final = "ml.prediction"
"""One prediction."""

ML_OUTCOME: Final = "ml.outcome"
"""What really happened after a prediction; seconds or months later, in any order, repeated, corrected."""

DRIFTLINE_PREDICTION_BATCH: Final = "driftline.prediction.batch"
"""Up to 5,000 predictions of one model, as columns."""

DRIFTLINE_BASELINE: Final = "driftline.baseline"
"""The reference that a model's predictions are compared with; the body is its JSON as text, sent once per process."""

DRIFTLINE_TRAINING_RUN: Final = "driftline.training.run"
"""One training run that ended, or failed; the time of the record is its end."""

DRIFTLINE_VERDICT_CHANGE: Final = "driftline.verdict.change"
"""The verdict of a model has another state; the body is the sentence that says whether the model is healthy."""

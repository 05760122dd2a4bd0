"""Event names of log records. Generated from ``registry/`` by ``scripts/generate_semconv.py``; do not edit."""
# ruff: noqa: E501

from typing import Final

ML_PREDICTION: Final = "ml.prediction"
"""One prediction, also if its span is not sampled."""

ML_OUTCOME: Final = "ml.outcome"
"""What really happened after a prediction. Outcomes may arrive seconds or months later, in any order."""

DRIFTLINE_PREDICTION_BATCH: Final = "driftline.prediction.batch"
"""Up to 5,000 predictions of one model, as columns."""

DRIFTLINE_BASELINE: Final = "driftline.baseline"
"""The baseline that the predictions of a model are compared with. The body is the JSON of the baseline, as text. The event is sent once per process."""

DRIFTLINE_TRAINING_RUN: Final = "driftline.training.run"
"""One training run that finished or failed. The time of the record is the end of the run."""

DRIFTLINE_VERDICT_CHANGE: Final = "driftline.verdict.change"
"""The state of a model's verdict has changed. The body is the sentence of the new verdict."""

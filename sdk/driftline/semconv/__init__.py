"""Telemetry names, each written once: in ``registry/*.yaml``.

All names in ``ml.*`` are in ``registry/core.yaml``: a small core that any library could send. The others are ours.

``attributes``, ``events`` and ``metrics`` are generated from the registry by ``scripts/generate_semconv.py``, and so is
the reference page ``docs/reference/semconv.md``. The constant of a name is the name in upper case with ``_`` for ``.``:

>>> from driftline.semconv import attributes, metrics
>>> attributes.ML_MODEL_NAME
'ml.model.name'
>>> metrics.INSTRUMENTS[metrics.ML_PREDICT_DURATION].unit, metrics.INSTRUMENTS[metrics.ML_PREDICT_DURATION].prometheus
('s', 'ml_predict_duration_seconds')
"""

from typing import Final

SCHEMA_URL: Final = "https://driftline.invalid/schemas/0.1.0"
"""Identifies this version of the names, on instrumentation scopes (merging two resource schema URLs drops attributes).

The project owns no domain yet; ``.invalid`` (RFC 2606) says so and can never be somebody else's.
"""

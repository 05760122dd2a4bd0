"""Evaluates tables, and returns the windows and the verdict as objects instead of their JSON."""

from __future__ import annotations

from typing import Any

import pandas as pd
from driftline_processor.evaluation.files.evaluate import EvaluationResult
from driftline_processor.notebook.evaluate import evaluate


def evaluated(now: pd.DataFrame, baseline: Any, **options: Any) -> EvaluationResult:
    """Return what ``driftline.evaluate`` computes from the same arguments."""
    return evaluate(now, baseline, None, options, False).result

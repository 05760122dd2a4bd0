"""Evaluations as canonical JSON, by which tests compare them."""

from __future__ import annotations

import json

import msgspec
import numpy as np
from driftline_processor.core.drift.lasting import stored_lasting
from driftline_processor.core.evaluation import Evaluation


def evaluation_to_text(evaluation: Evaluation) -> str:
    """Return an evaluation as canonical JSON."""
    values = {name: getattr(evaluation, name) for name in Evaluation.__struct_fields__}
    if evaluation.lasting is not None:
        values["lasting"] = stored_lasting(evaluation.lasting)
    return json.dumps(msgspec.to_builtins(values, enc_hook=_plain), separators=(",", ":"))


def _plain(value: object) -> object:
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{type(value).__name__} is not allowed in an evaluation")

"""Retraining as JSON: runs, their effects, and the value of the next run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from driftline.tables.table import ModelKey
from msgspec.structs import asdict

from driftline_processor.core.decode.training_runs import TrainingRun
from driftline_processor.core.retraining.decision import RetrainAnswer
from driftline_processor.core.retraining.past import RetrainGain
from driftline_processor.present.wording import iso_time

from .sentences.register import clause
from .sentences.retraining import retraining_reasons, retraining_sentence


def run_json(run: TrainingRun) -> dict[str, Any]:
    """Return a training run."""
    return {
        "id": run.id,
        "version": run.version,
        "environment": run.environment,
        "start": iso_time(run.start),
        "end": iso_time(run.end),
        "seconds": run.seconds,
        "cpu_seconds": run.cpu_seconds,
        "peak_memory_bytes": run.peak_memory,
        "gpu_seconds": run.gpu_seconds,
        "gpu_type": run.gpu_type or None,
        "rows": run.rows,
        "epochs": run.epochs,
        "cost": run.cost,
        "currency": run.currency or None,
        "cost_parts": dict(run.parts),
        "results": dict(run.results),
        "error": run.error or None,
    }


def gain_json(gain: RetrainGain) -> dict[str, Any]:
    """Return a training run with its effect."""
    return {
        **run_json(gain.run),
        "loss_before": gain.before,
        "loss_after": gain.after,
        "loss_reference": gain.reference,
        "outcomes_before": gain.outcomes_before,
        "outcomes_after": gain.outcomes_after,
        "recovered_share": gain.recovered,
        "reason": clause(gain.reason) or None,
    }


def answer_json(answer: RetrainAnswer, key: ModelKey) -> dict[str, Any]:
    """Return whether retraining pays off, with every factor."""
    question, loss = answer.question, answer.question.loss
    return {
        "model": key.model,
        "version": key.version,
        "environment": key.environment,
        "answer": answer.answer,
        "sentence": retraining_sentence(answer),
        "reasons": retraining_reasons(answer),
        "gain": {"value": answer.gain, "low": answer.gain_low, "high": answer.gain_high},
        "loss": None if loss is None else _loss_json(asdict(loss)),
        "value_per_unit": question.value_per_unit,
        "horizon_days": question.horizon,
        "predictions": question.predictions,
        "recovered_share": {
            "value": answer.recovered.value,
            "source": "given" if question.share is not None else "past runs" if answer.recovered.runs else "assumed",
            "runs": answer.recovered.runs,
        },
        "cost": None if question.cost is None else asdict(question.cost),
        "break_even_loss": answer.break_even,
        "outcomes_needed": answer.outcomes_needed,
        "past_runs": [gain_json(gain) for gain in question.gains],
    }


def _loss_json(loss: Mapping[str, Any]) -> dict[str, Any]:
    window = {"start": iso_time(loss["start"]), "end": iso_time(loss["end"])}
    names = ("metric", "current", "reference", "degradation", "low", "high", "outcomes")
    return {**{name: loss[name] for name in names}, "window": window, "change": loss["kind"] or None}

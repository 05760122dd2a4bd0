"""The value of retraining a served model, from its windows and its training runs."""

from __future__ import annotations

from collections.abc import Sequence

from driftline_processor.core import facts
from driftline_processor.core.evaluation import Evaluation
from driftline_processor.core.retraining.decision import (
    RetrainAnswer,
    RetrainTerms,
    choose_loss,
    question_of,
    weigh_retraining,
)
from driftline_processor.core.retraining.past import RetrainGain, gains_of_runs

from .model_view import ModelView, leading_model


def weigh_model(models: Sequence[ModelView], terms: RetrainTerms, window: str = "") -> tuple[ModelView, RetrainAnswer]:
    """Return the version in use, and whether retraining it pays off.

    Args:
        models: Versions and environments of one model, at least one.
        terms: Costs and value of the request.
        window: Length of the windows; "" = the longest with outcomes.
    """
    model = leading_model(models)
    name = window or _longest_measured(model)
    windows = [evaluation for evaluation in model.windows.get(name, ()) if evaluation.closed]
    measured = measured_windows([model], name)
    siblings = _siblings(models, model)
    question = question_of(terms, windows, measured, measured_windows(siblings, name), model.training_runs)
    return model, weigh_retraining(question)


def gains_of_model(models: Sequence[ModelView]) -> tuple[str, list[RetrainGain]]:
    """Return the metric that represents the loss, "" without one, and the effect of each training run.

    Args:
        models: Versions and environments of one model, at least one.
    """
    model = leading_model(models)
    name = _longest_measured(model)
    windows = measured_windows(_siblings(models, model), name)
    metric = choose_loss(windows[-1]) if windows else None
    if metric is None:
        return "", [RetrainGain(run, reason=facts.NoOutcomesYet()) for run in model.training_runs]
    return metric, gains_of_runs(model.training_runs, windows, metric)


def measured_windows(models: Sequence[ModelView], name: str) -> list[Evaluation]:
    """Return the mature windows of one length of some versions, oldest first."""
    evaluations = [
        evaluation
        for model in models
        for evaluation in model.windows.get(name, ())
        if evaluation.realized and model.mature(evaluation)
    ]
    return sorted(evaluations, key=lambda evaluation: evaluation.window.start)


def _siblings(models: Sequence[ModelView], model: ModelView) -> list[ModelView]:
    return [sibling for sibling in models if sibling.key.environment == model.key.environment and not sibling.shadow]


def _longest_measured(model: ModelView) -> str:
    """Return the name of the longest windows with outcomes; else of the longest; "" without windows."""

    def length(name: str) -> tuple[bool, int]:
        newest = model.windows[name][-1].window
        return model.measured(name) is not None, newest.end - newest.start

    return max((name for name, window in model.windows.items() if window), key=length, default="")

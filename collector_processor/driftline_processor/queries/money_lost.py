"""Money that models lose per day, if the configuration has a currency and outcomes or costs are known."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from driftline_processor.core.evaluation import Evaluation
from driftline_processor.core.performance.daily_loss import DailyLoss, add_losses, daily_loss
from driftline_processor.core.windows.window import DAY

from .model_view import ModelView

TROUBLES = ("degraded", "no_data", "at_risk", "lagging")
"""States of a verdict that require action."""


def loss_of_model(versions: Iterable[ModelView]) -> DailyLoss | None:
    """Return the sum of the losses per day of a model's versions in use; None without a currency or a known loss.

    The loss of a version is that of its longest windows with a known loss, the newest of them.

    Args:
        versions: All versions and environments of the model.
    """
    counted = (version for version in versions if version.in_use and not version.shadow and version.currency)
    return add_losses(loss for version_view in counted if (loss := loss_of_version(version_view)) is not None)


def loss_of_version(model: ModelView) -> DailyLoss | None:
    """Return the loss per day of one version of a model."""
    evaluations_by_length = sorted(filter(None, model.windows.values()), key=_length, reverse=True)
    for windows in evaluations_by_length:
        for evaluation in reversed(windows):
            if model.mature(evaluation) and (loss := daily_loss(evaluation)) is not None:
                return loss
    return None


def loss_of_period(model: ModelView, windows: Sequence[Evaluation]) -> tuple[DailyLoss, float] | None:
    """Return the mean loss per day over some windows of one length, and the number of days with a known loss.

    None if no window has a known loss.
    """
    losss = [loss for window in windows if model.mature(window) and (loss := daily_loss(window)) is not None]
    days = [(loss.end - loss.start) / DAY for loss in losss]
    total_days = sum(days)
    if not losss or not total_days:
        return None

    def mean(values: Sequence[float | None]) -> float | None:
        if None in values:
            return None
        return sum((value or 0.0) * share for value, share in zip(values, days, strict=True)) / total_days

    loss = DailyLoss(
        metric=losss[0].metric,
        amount=mean([loss.amount for loss in losss]) or 0.0,
        low=mean([loss.low for loss in losss]),
        high=mean([loss.high for loss in losss]),
        predictions=mean([loss.predictions for loss in losss]) or 0.0,
        coverage=mean([loss.coverage for loss in losss]),
        start=min(loss.start for loss in losss),
        end=max(loss.end for loss in losss),
    )
    return loss, total_days


def _length(windows: Sequence[Evaluation]) -> int:
    return windows[-1].window.end - windows[-1].window.start

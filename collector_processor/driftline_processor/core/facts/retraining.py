"""Why the value of retraining is unknown."""

from __future__ import annotations

from driftline_processor.core.fact import FactStruct


class LossNotCompared(FactStruct):
    metric: str
    compared: tuple[str, ...]


class NoMetricOfLoss(FactStruct):
    metrics: tuple[str, ...]


class LossWithoutInterval(FactStruct):
    metric: str


class LossNotWorse(FactStruct):
    metric: str


class RetrainingDoesNotHelp(FactStruct):
    change: str


class FactorsLacking(FactStruct):
    names: tuple[str, ...]


class NoFinalOutcomes(FactStruct): ...


class BaselineWithoutOutcomes(FactStruct): ...


class NoWindowCompared(FactStruct): ...


class FactorsTooLarge(FactStruct): ...


class RunFailed(FactStruct):
    error: str


class NoOutcomesAfterRun(FactStruct): ...


class NoOutcomesBeforeRun(FactStruct): ...


class NoBaselineOutcomesBeforeRun(FactStruct): ...


class NotWorseBeforeRun(FactStruct): ...


class NoOutcomesYet(FactStruct): ...

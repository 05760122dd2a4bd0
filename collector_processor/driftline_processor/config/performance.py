"""The keys of ``models.NAME.performance``: intervals, objectives, metrics, costs, fairness and label SLA."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from datetime import timedelta
from typing import Annotated

from driftline.tables.classes import class_text
from driftline.tables.task import Task
from pydantic import BeforeValidator, Field

from driftline_processor.core.fairness.criteria import FOUR_FIFTHS, TOLERANCE, FairnessRule
from driftline_processor.core.labels.delay import Sla
from driftline_processor.core.metrics import misnamed
from driftline_processor.core.performance.objective import (
    Objective,
    checked_objective,
    misnamed_metric,
    read_limit,
    read_objective,
)
from driftline_processor.core.performance.settings import Outcomes, PerformanceSettings, Shares
from driftline_processor.core.service_level.level import LATENCIES
from driftline_processor.custom_metrics import unusable_names

from .section import Problem, Section
from .values import Between, ClassText, Cutoff, Days, Form, Share, Text

_LIMITS = ("min", "max", "min_change", "max_change")
_WITH_UNIT = re.compile(r"(\d+(?:\.\d+)?)\s*(\D{1,3})")
_COUNTS = ("min_rows", "alert_after")
_KEYS = ("metric", *_LIMITS, "slice", "window", "rolling", *_COUNTS)


def objective(value: object) -> Objective:
    """Read ``precision >= 0.95 in country=NL over 1h``, or ``{metric: precision, min: 0.95, slice: country}``."""
    if isinstance(value, Objective):
        return value
    if isinstance(value, str):
        return read_objective(value)
    if not isinstance(value, Mapping):
        raise ValueError(f"{value!r:.60} is not an objective; use for example {{metric: precision, min: 0.95}}")
    if unknown := [key for key in value if key not in _KEYS]:
        raise ValueError(f"an objective has no key '{unknown[0]}'; the keys are {', '.join(_KEYS)}")
    limits = {key: value[key] for key in _LIMITS if key in value}
    if not isinstance(value.get("metric"), str) or len(limits) != 1:
        raise ValueError(f"{dict(value)!r:.80}: must have the key metric and one of {', '.join(_LIMITS)}")
    limits = {key: _limit(value["metric"], key, limit) for key, limit in limits.items()}
    low, high, least_change, most_change = (limits.get(key) for key in _LIMITS)
    window, rolling = value.get("window", ""), value.get("rolling", False)
    if rolling not in (True, False) or (rolling and not window):
        raise ValueError("rolling must be true or false, and needs a window, as in {window: 1h, rolling: true}")
    slice = value.get("slice", "")
    if not isinstance(slice, str):
        raise ValueError(f"{slice!r:.60} is not a slice; use slice: country=NL, or slice: country for each country")
    for name in _COUNTS:
        if name in value and not (type(value[name]) is int and value[name] >= 1):
            raise ValueError(f"{name}: {value[name]!r:.60} is not a count; use a whole number of 1 or more")
    parsed_objective = Objective(
        value["metric"], low, high, least_change, most_change, window=str(window), rolling=rolling,
        **{name: value[name] for name in _COUNTS if name in value},
    )  # fmt: skip
    return checked_objective(parsed_objective, slice)


def _limit(metric: str, key: str, limit: object) -> float:
    """Read a limit: a number, or text with the metric's unit."""
    if isinstance(limit, str) and (match := _WITH_UNIT.fullmatch(limit.strip())):
        return read_limit(metric, float(match[1]), match[2])
    if isinstance(limit, bool) or not isinstance(limit, int | float):
        fix = "{metric: latency_p99, max: 100ms}" if metric in LATENCIES else "{metric: precision, min: 0.95}"
        raise ValueError(f"{limit!r:.60} is not a number; use for example {fix}")
    return read_limit(metric, float(limit), "") if key in ("min", "max") else limit


Objectives = tuple[Annotated[Objective, BeforeValidator(objective), Form("objective")], ...]


class Fairness(Section):
    """The attributes of groups of people, and the tolerated difference of their rates."""

    attributes: tuple[Text, ...] = Field(
        default=(),
        description="The attributes of people for which [fairness](../monitor/slices.md#fairness) is evaluated: "
        "slices of predictions or outcomes. Only for binary models. Drift is not evaluated for the groups of "
        "these attributes.",
        examples=["[gender]"],
    )
    reference: dict[str, ClassText] = Field(
        default_factory=dict,
        description="For each attribute, the group that the other groups are compared with.",
        examples=["{gender: M}"],
        json_schema_extra={"default": "the group with the highest rate"},
    )
    tolerance: Between = Field(
        default=TOLERANCE, description="The maximum difference between the rates of two groups.", examples=["0.05"]
    )
    min_ratio: Between = Field(
        default=FOUR_FIFTHS,
        description="The minimum ratio of two selection rates. The default is the four-fifths rule.",
        examples=["0.9"],
    )

    @property
    def rules(self) -> tuple[FairnessRule, ...]:
        """The attributes with their rules in the form of the evaluation."""
        return tuple(
            FairnessRule(name, self.reference.get(name, ""), self.tolerance, self.min_ratio) for name in self.attributes
        )


GREATEST_COST = 1e15


def _costs(value: object) -> object:
    """Read costs; classes are normalised: true, 1 and "1" are one."""
    if not isinstance(value, Mapping):
        raise ValueError(
            "costs must map each actual class to the costs by predicted class, as in {1: {0: 500}, 0: {1: 20}}"
        )
    read: dict[str, dict[str, float]] = {}
    for actual, row in value.items():
        if not isinstance(row, Mapping):
            raise ValueError(f"the costs of {actual} must be given by predicted class, as in {{{actual}: {{0: 500}}}}")
        for predicted, cost in row.items():
            if isinstance(cost, bool) or not isinstance(cost, int | float) or not abs(cost) <= GREATEST_COST:
                raise ValueError(f"the cost of predicting {predicted} for the class {actual} is {cost!r}; use a number")
        read[class_text(actual)] = {class_text(predicted): float(cost) for predicted, cost in row.items()}
    return read


def _names(value: object) -> object:
    names = (value,) if isinstance(value, str) else value
    if isinstance(names, list | tuple):
        for name in names:
            if problem := misnamed(str(name), custom=unusable_names()):
                raise ValueError(problem)
        return tuple(dict.fromkeys(map(str, names)))
    return names


MetricNames = Annotated[tuple[str, ...], BeforeValidator(_names), Form("list of metric")]


def _margin(value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, int | float | Mapping):
        raise ValueError("a margin is a number, or a number per metric, as in {log_loss: 0.02}")
    if isinstance(value, int | float):
        return {"": value}
    for name in value:
        if problem := misnamed(str(name), custom=unusable_names()):
            raise ValueError(problem)
    return value


Margin = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class LabelSla(Section):
    """The required fraction of predictions with an outcome, and the time for it."""

    within: Days = Field(
        description="The maximum delay of outcomes. Without `label_sla`, the delay is not evaluated.",
        examples=["7d"],
    )
    coverage: Share = Field(
        description="The fraction of the predictions of a window that must have an "
        "[outcome](../monitor/send-labels.md#label-slas) within the time `within`.",
        examples=["0.9"],
    )

    @property
    def sla(self) -> Sla:
        """The rule in the form of the evaluation."""
        return Sla(self.within // timedelta(microseconds=1) * 1_000, self.coverage)


class Performance(Section):
    """The computation and evaluation of a model's performance."""

    confidence: Between = Field(
        default=0.95,
        description="The confidence level of [intervals](../concepts/delayed-labels.md#intervals).",
        examples=["0.99"],
    )
    min_coverage: Share = Field(
        default=0.0,
        description="The minimum fraction of the predictions of a window that must have an outcome. If the fraction "
        "is lower, the performance of the window stays [immature](../concepts/delayed-labels.md#maturity) (not "
        "final), however old the window is.",
        examples=["0.8"],
    )
    margin: Annotated[dict[str, Margin], BeforeValidator(_margin)] = Field(
        default_factory=dict,
        description="How much worse a metric may become while the model is still "
        "[healthy](../concepts/delayed-labels.md#the-margin), in the unit of the metric. Write one number for the "
        "metric that decides, or one number per metric.",
        examples=["0.02", "{log_loss: 0.02, roc_auc: 0.01}"],
        json_schema_extra={
            "default": "a quarter of the [skill](../concepts/delayed-labels.md#the-margin), at most half of the error"
        },
    )
    cutoffs: tuple[Cutoff, ...] = Field(
        default=(),
        description="The ranks at which lists are evaluated, as in `ndcg@10` and `hit_rate@5`. Only for rankings. "
        "If the ranks change, past performance is computed again.",
        examples=["[3, 10]"],
        json_schema_extra={"default": "`[1, 5, 10]`"},
    )
    intervals: Shares = Field(
        default="clopper_pearson",
        description="How [intervals](../concepts/delayed-labels.md#intervals) of fractions are computed: "
        "`clopper_pearson` intervals are exact. `wilson` intervals are shorter, and their coverage is correct on "
        "average.",
        examples=["wilson"],
    )
    objectives: Objectives = Field(
        default=(),
        description="The [objectives](../concepts/alerting.md#objectives) of metrics, each as a sentence or a "
        "mapping. You can use the metrics of the model and of installed extensions. [All "
        "forms](../monitor/objectives.md).",
        examples=[
            '["precision >= 0.8 over 1d", {metric: roc_auc, min_change: -0.02}]',
            "[{metric: recall, min: 0.9, slice: country, min_rows: 50, window: 1d, alert_after: 7}]",
        ],
        json_schema_extra={"shown": True},
    )
    metrics: MetricNames = Field(
        default=(),
        description="[Metrics](metrics.md) in addition to the default ones. Examples for models with many classes: "
        "`recall[*]`, `top_k_accuracy@3`, `f1_micro`.",
        examples=["[fbeta@2, lift@0.05]"],
        json_schema_extra={"shown": True},
    )
    costs: Annotated[dict[str, dict[str, float]], BeforeValidator(_costs)] = Field(
        default_factory=dict,
        description="[The costs of errors](metrics.md#value-and-cost): under each actual class, write the cost of one "
        "row for each predicted class. A pair of classes that is not listed has no cost.",
        examples=["{1: {0: 500}, 0: {1: 20}}"],
        json_schema_extra={"shown": True},
    )
    fairness: Fairness = Field(default=Fairness(), description="How fairness is evaluated.")
    label_sla: LabelSla | None = Field(default=None, description="The maximum delay of outcomes.")
    outcomes: Outcomes = Field(
        default="explicit",
        description="Where outcomes come from. `explicit`: outcomes are sent. `implicit`: a ranked list without "
        "outcomes counts as a list that [was not clicked](../monitor/rankings.md), as soon as its window is older "
        "than `outcome_delay`. `sampled`: outcomes of [rows chosen for review](../monitor/label-sampling.md). Each "
        "outcome then needs a weight. A correction without a weight keeps the weight of the corrected outcome. Other "
        "outcomes without a weight are not used, and their number is shown.",
        examples=["sampled"],
    )

    @property
    def settings(self) -> PerformanceSettings:
        """The settings in the form of the evaluation."""
        metric_names = (*self.metrics, *(objective.metric for objective in self.objectives))
        return PerformanceSettings(
            self.confidence,
            self.min_coverage,
            self.cutoffs,
            self.intervals,
            metrics=tuple(name for name in metric_names if not misnamed(name)),
            costs=self.costs,
            fairness=self.fairness.rules,
            objectives=self.objectives,
            label_sla=None if self.label_sla is None else self.label_sla.sla,
            outcomes=self.outcomes,
            margin=self.margin,
        )

    def problems(self, task: str, classes: Collection[str]) -> Iterator[Problem]:
        """Yield a problem for every key that does not fit the model.

        Args:
            task: Task of the model, empty if unknown.
            classes: Classes of the model, empty if unknown.
        """
        known_task = Task(task)
        if self.outcomes == "implicit" and not known_task.ranks_items:
            yield Problem(
                "outcomes",
                "only a ranking model can have implicit outcomes; remove the key, or set task: "
                f"ranking instead of {task}",
            )
        custom = unusable_names()
        yield from (Problem("metrics", problem) for name in self.metrics if (problem := misnamed(name, task, custom)))
        margins = (name for name in self.margin if name)
        yield from (Problem("margin", problem) for name in margins if (problem := misnamed(name, task, custom)))
        yield from (
            Problem("objectives", problem)
            for objective in self.objectives
            if (problem := misnamed_metric(objective, task, custom))
        )
        if self.costs and not known_task.may_have_classes:
            yield Problem("costs", f"need predicted classes, but a {task} model has none; remove the costs")
        cost_classes = dict.fromkeys(name for actual, row in self.costs.items() for name in (actual, *row))
        if classes and (unknown := [name for name in cost_classes if name not in classes]):
            yield Problem("costs", f"{', '.join(unknown)} is not in classes ({', '.join(classes)}); use one of them")

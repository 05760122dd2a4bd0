"""Performance settings in ``driftline.yaml``: ``models.NAME.performance`` and its objectives."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from datetime import timedelta
from typing import Annotated

from driftline.tables.classes import class_text
from driftline.tables.table import CLASSLESS
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from driftline_processor.core.fairness.criteria import FOUR_FIFTHS, TOLERANCE, FairnessRule
from driftline_processor.core.labels.delay import Sla
from driftline_processor.core.metrics.names import misnamed
from driftline_processor.core.performance.objective import Objective, checked_objective, read_objective
from driftline_processor.core.performance.settings import Outcomes, PerformanceSettings, Shares
from driftline_processor.custom_metrics import custom_names

from .values import Between, ClassText, Cutoff, Days, Share, Text

_LIMITS = ("min", "max", "min_change", "max_change")
_COUNTS = ("min_rows", "alert_after")
_KEYS = ("metric", *_LIMITS, "slice", "window", "rolling", *_COUNTS)


def objective(written: object) -> Objective:
    """Read ``precision >= 0.95 in country=NL over 1h``, or ``{metric: precision, min: 0.95, slice: country}``."""
    if isinstance(written, Objective):
        return written
    if isinstance(written, str):
        return read_objective(written)
    if not isinstance(written, Mapping):
        raise ValueError(f"{written!r:.60} is no objective; write {{metric: precision, min: 0.95}}")
    if unknown := [key for key in written if key not in _KEYS]:
        raise ValueError(f"an objective has no '{unknown[0]}'; known: {', '.join(_KEYS)}")
    limits = {key: written[key] for key in _LIMITS if key in written}
    if not isinstance(written.get("metric"), str) or len(limits) != 1:
        raise ValueError(f"{dict(written)!r:.80}: write metric and one of {', '.join(_LIMITS)}")
    for limit in limits.values():
        if isinstance(limit, bool) or not isinstance(limit, (int, float)):
            raise ValueError(f"{limit!r:.60} is no number; write {{metric: precision, min: 0.95}}")
    least, most, least_change, most_change = (limits.get(key) for key in _LIMITS)
    window, rolling = written.get("window", ""), written.get("rolling", False)
    if rolling not in (True, False) or (rolling and not window):
        raise ValueError("rolling is true or false, and needs a window: {window: 1h, rolling: true}")
    slice = written.get("slice", "")
    if not isinstance(slice, str):
        raise ValueError(f"{slice!r:.60} is no slice; write slice: country=NL, or slice: country for each country")
    for name in _COUNTS:
        if name in written and not (type(written[name]) is int and written[name] >= 1):
            raise ValueError(f"{name}: {written[name]!r:.60} is no count; write 1 or more")
    found = Objective(
        written["metric"], least, most, least_change, most_change, window=str(window), rolling=rolling,
        **{name: written[name] for name in _COUNTS if name in written},
    )  # fmt: skip
    return checked_objective(found, slice)


Objectives = tuple[Annotated[Objective, BeforeValidator(objective)], ...]


class Fairness(BaseModel):
    """The attributes that tell groups of people, with whom others are compared, and how far rates may be apart.

    ``reference``: by attribute, the group of the highest rate where it names none.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    attributes: tuple[Text, ...] = ()
    reference: dict[str, ClassText] = Field(default_factory=dict)
    tolerance: Between = TOLERANCE
    least_ratio: Between = FOUR_FIFTHS

    @property
    def rules(self) -> tuple[FairnessRule, ...]:
        """The same, as an evaluation takes them."""
        return tuple(
            FairnessRule(name, self.reference.get(name, ""), self.tolerance, self.least_ratio)
            for name in self.attributes
        )


GREATEST_COST = 1e15


def _costs(written: object) -> object:
    """Classes as they are compared: true, 1 and "1" are one."""
    if not isinstance(written, Mapping):
        raise ValueError("costs are by actual class, then by predicted class, as in {1: {0: 500}, 0: {1: 20}}")
    read: dict[str, dict[str, float]] = {}
    for actual, row in written.items():
        if not isinstance(row, Mapping):
            raise ValueError(f"the costs of {actual} are by predicted class, as in {{{actual}: {{0: 500}}}}")
        for predicted, cost in row.items():
            if isinstance(cost, bool) or not isinstance(cost, int | float) or not abs(cost) <= GREATEST_COST:
                raise ValueError(f"the cost of {predicted} where it is {actual} is {cost!r}; write a number")
        read[class_text(actual)] = {class_text(predicted): float(cost) for predicted, cost in row.items()}
    return read


def _names(written: object) -> object:
    names = (written,) if isinstance(written, str) else written
    if isinstance(names, list | tuple):
        for name in names:
            if problem := misnamed(str(name), custom=custom_names()):
                raise ValueError(problem)
        return tuple(dict.fromkeys(map(str, names)))
    return names


MetricNames = Annotated[tuple[str, ...], BeforeValidator(_names)]


def broken(performance: Performance, task: str, classes: Collection[str]) -> Iterator[str]:
    """Yield a sentence for everything that the performance asks of a model and that such a model has not."""
    if performance.outcomes == "implicit" and task != "ranking":
        yield f"outcomes: only of a ranking silence is an outcome; leave it out, or write task: ranking, not {task}"
    for key, names in (
        ("metrics", performance.metrics),
        ("objectives", [one.metric for one in performance.objectives]),
    ):
        yield from (f"{key}: {problem}" for name in names if (problem := misnamed(name, task, custom_names())))
    if performance.costs and task in CLASSLESS:
        yield f"costs: are of decisions, and a {task} model decides for no class; leave them out"
    named = dict.fromkeys(name for actual, row in performance.costs.items() for name in (actual, *row))
    if classes and (unknown := [name for name in named if name not in classes]):
        yield f"costs: {', '.join(unknown)} is not in classes ({', '.join(classes)}); write one of them"


class LabelSla(BaseModel):
    """Of the predictions of a window so many shall have their outcome within so long."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    within: Days
    coverage: Share

    @property
    def sla(self) -> Sla:
        """The same, as an evaluation takes it."""
        return Sla(self.within // timedelta(microseconds=1) * 1_000, self.coverage)


class Performance(BaseModel):
    """What is asked of a model's performance.

    ``confidence``, ``intervals``: how sure intervals are, and how those of shares are made. ``min_coverage``: the share
    of outcomes that a window needs before its performance counts. ``metrics``: those that are wanted beside the usual
    ones. ``costs``: actual class → predicted class → what one such row costs. ``outcomes``:
    ``implicit`` where a list of which nobody says anything was not clicked.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    confidence: Between = 0.95
    min_coverage: Share = 0.0
    cutoffs: tuple[Cutoff, ...] = ()
    intervals: Shares = "clopper_pearson"
    objectives: Objectives = ()
    metrics: MetricNames = ()
    costs: Annotated[dict[str, dict[str, float]], BeforeValidator(_costs)] = Field(default_factory=dict)
    fairness: Fairness = Fairness()
    label_sla: LabelSla | None = None
    outcomes: Outcomes = "told"

    @property
    def asked(self) -> PerformanceSettings:
        """The same, as an evaluation takes it."""
        named = (*self.metrics, *(one.metric for one in self.objectives))
        return PerformanceSettings(
            self.confidence,
            self.min_coverage,
            self.cutoffs,
            self.intervals,
            metrics=tuple(name for name in named if not misnamed(name)),  # custom ones are computed anyway
            costs=self.costs,
            fairness=self.fairness.rules,
            objectives=self.objectives,
            label_sla=None if self.label_sla is None else self.label_sla.sla,
            outcomes=self.outcomes,
        )

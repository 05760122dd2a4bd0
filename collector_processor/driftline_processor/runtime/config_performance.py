"""What ``driftline.yaml`` may ask of a model's performance: ``models.NAME.performance``."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from datetime import timedelta
from typing import Annotated

from driftline.classes import class_text
from driftline.tables import CLASSLESS
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from driftline_processor.core.labels.delay import Sla
from driftline_processor.core.performance.asked import Asked, Outcomes, Shares
from driftline_processor.core.performance.fairness import FOUR_FIFTHS, TOLERANCE, Rule
from driftline_processor.core.performance.names import misnamed
from driftline_processor.custom_metrics import custom_names

from .config_objectives import Objectives
from .config_values import Between, ClassText, Cutoff, Days, Share, Text


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
    def rules(self) -> tuple[Rule, ...]:
        """The same, as an evaluation takes them."""
        return tuple(
            Rule(name, self.reference.get(name, ""), self.tolerance, self.least_ratio) for name in self.attributes
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
    def asked(self) -> Asked:
        """The same, as an evaluation takes it."""
        named = (*self.metrics, *(one.metric for one in self.objectives))
        return Asked(
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

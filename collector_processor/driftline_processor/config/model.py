"""The keys of ``models.NAME``: what the processor should know of one model, and the rules between its keys."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from functools import cached_property
from os.path import isfile
from typing import TYPE_CHECKING, Annotated, Literal

from driftline.tables.timestamps import AnySeasonality, Seasonality, UnknownSeasonality
from pydantic import BeforeValidator, Field

from .expectations import Expect, ExpectFeature, expectations
from .performance import Performance
from .recorded_metrics import Metric, mapped, metric_problems
from .section import Problem, Section, empty_is_default, under
from .values import (
    ClassText,
    ClassTexts,
    Days,
    Deciding,
    FilePath,
    Keep,
    Keeping,
    Levels,
    Share,
    Shown,
    Text,
    TimeZone,
    Together,
    WindowName,
)
from .versions import Versions

if TYPE_CHECKING:
    from driftline_processor.core.decode.foreign_metrics import MetricMapping
    from driftline_processor.core.drift.method_choice import Choice, Choices
    from driftline_processor.core.expectations.rule import Expectations
    from driftline_processor.core.reference.rolling import Rolling


class Concept(Section):
    """The search for concept drift."""

    enabled: bool = Field(
        default=True,
        description="Whether ADWIN looks for rises in the [stream of errors](../explanation/concept-drift.md).",
        examples=["false"],
    )


class Reference(Section):
    """The past that a model's windows are compared with, instead of the baseline's own rows."""

    last: WindowName = Field(
        description="How long the [past](../how-to/compare-with-the-last-days.md) is that windows are compared with, "
        "over the baseline's bins. Without `reference` they are compared with the baseline's own rows.",
        examples=["30d"],
    )
    without: WindowName | None = Field(
        default=None,
        description="How long before a window's end the past ends.",
        examples=["24h"],
    )

    @property
    def rolling(self) -> Rolling:
        """The past, as windows take it."""
        from driftline_processor.core.reference.rolling import Rolling

        return Rolling(self.last, self.without or "")


class Feature(Section):
    """The comparison of one feature, and its expectations."""

    method: Deciding = Field(
        default=(),
        description="The drift method that decides for this feature; of several the first that compares its kind. "
        "It comes before the model's.",
        examples=["anderson_darling"],
        json_schema_extra={"default": "the model's", "shown": True},
    )
    methods: Shown = Field(
        default=(),
        description="The methods that are shown for this feature, too. They come before the model's.",
        examples=["[mean_shift]"],
        json_schema_extra={"default": "the model's", "shown": True},
    )
    expect: ExpectFeature | None = Field(
        default=None,
        description="What is [expected](../how-to/expect-data.md) of the feature.",
        json_schema_extra={"shown": True},
    )

    @property
    def choice(self) -> Choice:
        """The methods, as the drift rule takes them."""
        from driftline_processor.core.drift.method_choice import Choice

        return Choice(self.method, self.methods)


class Model(Section):
    """Settings of one model beyond what arrives; every key is optional."""

    team: Annotated[Text, Field(max_length=80)] | None = Field(
        default=None,
        description="The team that answers for the model: home groups and filters by it.",
        examples=["payments"],
    )
    tier: Annotated[int, Field(ge=1, le=3, strict=True)] | None = Field(
        default=None,
        description="How much depends on the model: 1 most, 3 least.",
        examples=["1"],
    )
    task: Literal["binary", "multiclass", "regression", "ranking"] | None = Field(
        default=None,
        description="The kind of task.",
        examples=["binary"],
        json_schema_extra={"default": "what the sender says", "shown": True},
    )
    classes: ClassTexts = Field(
        default=(),
        description='The classes, in the order of the score columns; 1, 1.0, "1" and true are one class.',
        examples=['["0", "1"]'],
        json_schema_extra={"default": "what the sender says", "shown": True},
    )
    positive_class: ClassText | None = Field(
        default=None,
        description="The class whose probability the score is. Only a binary model.",
        examples=['"1"'],
        json_schema_extra={"default": "what the sender says", "shown": True},
    )
    threshold: Share | None = Field(
        default=None,
        description="The score from which on the positive class is predicted. Only a binary model; it may be "
        "[another than the baseline's](baselines.md#another-threshold).",
        examples=["0.5"],
        json_schema_extra={"default": "what the sender says, else `0.5`", "shown": True},
    )
    quantiles: Levels = Field(
        default=(),
        description="The levels that a regression predicts, in the order of its scores, for senders that cannot say "
        "`driftline.model.quantiles`.",
        examples=["[0.1, 0.5, 0.9]"],
        json_schema_extra={"default": "what the sender says"},
    )
    baseline: FilePath | None = Field(
        default=None,
        description="A file of `driftline baseline build` or `Baseline.save`, with which every version of the model is "
        "compared. The pages say where it is of another version.",
        examples=["churn.baseline.json"],
        json_schema_extra={"default": "one that the service sends, else the first 1,000 rows"},
    )
    reference: Reference | None = Field(
        default=None, description="The past that windows are compared with, instead of the baseline's own rows."
    )
    windows: tuple[WindowName, ...] = Field(
        default=("1h", "1d"), description="The stretches of time that are evaluated.", examples=["[5m, 1d, 1w, 1mo]"]
    )
    timezone: TimeZone = Field(
        default="UTC",
        description="The time zone in which days, weeks and months begin.",
        examples=["Europe/Amsterdam"],
    )
    outcome_delay: Days | None = Field(
        default=None,
        description="How long outcomes may take. Performance counts in windows that ended at least this long before "
        "the model's clock; the pages mark younger ones as [not final](../explanation/maturity.md).",
        examples=["2d"],
        json_schema_extra={"default": "learned from the outcomes that have come"},
    )
    performance: Annotated[Performance, BeforeValidator(empty_is_default)] = Field(
        default=Performance(), description="How performance is computed and judged."
    )
    versions: Annotated[Versions, BeforeValidator(empty_is_default)] = Field(
        default=Versions(), description="Which version the others are compared with."
    )
    seasonality: Literal["none", "hour", "weekday", "hour_of_week"] | None = Field(
        default=None,
        description="Compare a window [with the same hours or weekdays](../explanation/seasonality.md) by the clock of "
        "`timezone`, which the baseline must know; else those by which the baseline repeats; `none` for none.",
        examples=["hour_of_week"],
    )
    slices: tuple[Text, ...] = Field(
        default=(),
        description="Low-cardinality cuts that come with the rows or with outcomes. Drift and performance are computed "
        "[in each of their values, too](../how-to/configure-the-processor.md#slices-clusters-and-subjects).",
        examples=["[region]"],
    )
    cluster: Text | None = Field(
        default=None,
        description="The slice or feature whose rows of one value belong together, and "
        "[count for what they are worth](../how-to/configure-the-processor.md#slices-clusters-and-subjects).",
        examples=["customer"],
    )
    keep_features: Keeping = Field(
        default=Keep(5_000),
        description="How many rows of every day (UTC) keep their features, for "
        "[`driftline snapshot`](http-api.md#get-v1snapshotsmodel) and for what needs rows. They are drawn evenly, and "
        "expire with their predictions.",
        examples=["all"],
    )
    subject: Text | None = Field(
        default=None,
        description="The slice or feature that says whom a row is about, by which rows and outcomes can be "
        "[deleted](../how-to/configure-the-processor.md#slices-clusters-and-subjects).",
        examples=["customer"],
    )
    min_effect: dict[str, Share] = Field(
        default_factory=dict,
        description="The least effect that counts as drift, by feature, in the unit of the method that decides.",
        examples=["{age: 0.1}"],
        json_schema_extra={
            "default": "[the method's own](drift-methods.md): 0.04 (KS), 0.02 (chi-square, in PSI)",
        },
    )
    method: Deciding = Field(
        default=(),
        description="The [drift method](drift-methods.md) that decides: of several, all with a p-value, the first that "
        "compares a column's kind.",
        examples=["[ks, chi2]"],
        json_schema_extra={"default": "`[ks, chi2]`", "shown": True},
    )
    methods: Shown = Field(
        default=(),
        description="The methods that are shown beside the one that decides, PSI and Jensen-Shannon. Each is a series "
        "more per column.",
        examples=["[wasserstein, hellinger]"],
    )
    multivariate: Together = Field(
        default=("pca", "correlation"),
        description="What compares [all features together](../explanation/features-together.md); `[]` for nothing.",
        examples=["[pca]"],
    )
    expect: Expect = Field(
        default=Expect(),
        description="What is [expected](../how-to/expect-data.md) of the rows of every window.",
        json_schema_extra={"shown": True},
    )
    concept: Annotated[Concept, BeforeValidator(empty_is_default)] = Field(
        default=Concept(), description="How concept drift is looked for."
    )
    features: Annotated[dict[str, Feature], BeforeValidator(empty_is_default)] = Field(
        default_factory=dict,
        description="How single features are compared, and what is expected of them.",
        examples=[
            'region: {expect: {values: [north, south], not_values: [unknown], length: [1, 40], pattern: "^[a-z]+$"}}',
            "income: {expect: {min: [0, null], max: [null, 1e6], mean: [2e4, 8e4], stddev: [1e3, 1e5]}}",
        ],
        json_schema_extra={"name": "age"},
    )
    metrics: Annotated[dict[str, Metric], BeforeValidator(empty_is_default)] = Field(
        default_factory=dict,
        description="What metrics mean that a service records under names of its own. Each holds one "
        "thing. [How](../how-to/use-metrics-only.md).",
        examples=[
            "order.plan: {feature: plan, category_attribute: plan, version_attribute: service.version}",
            "order.late: {class_attribute: late, environment_attribute: site}",
            "churn.score: {score: true, rows: true}",
            "order.latency: {duration: true}",
            "values: {feature_attribute: driftline.feature.name}",
            "room.heat: {feature: heat, gauge: true}",
        ],
        json_schema_extra={"name": "order.amount"},
    )

    @property
    def seasons(self) -> AnySeasonality | None:
        """The seasons of the model's clock with which rows are compared, or that are to be found; None for none."""
        if self.seasonality is None:
            return UnknownSeasonality(self.timezone)
        return None if self.seasonality == "none" else Seasonality(self.seasonality, self.timezone)

    @property
    def sliced(self) -> tuple[str, ...]:
        """The keys by which rows are cut: of slices, of fairness and of objectives."""
        return tuple(dict.fromkeys((*self.slices, *self.performance.asked.keys)))

    @property
    def choices(self) -> Choices:
        """Methods that compare the model's columns."""
        from driftline_processor.core.drift.method_choice import Choice, Choices

        choices_by_name = {name: feature.choice for name, feature in self.features.items()}
        return Choices(Choice(self.method, self.methods), choices_by_name)

    @cached_property
    def expectations(self) -> Expectations:
        """Expectations of the model's data."""
        expected_by_name = {
            name: feature.expect for name, feature in self.features.items() if feature.expect is not None
        }
        return expectations(self.expect, expected_by_name)

    def mapped(self, name: str) -> tuple[MetricMapping, ...]:
        """Return the mapping of foreign metrics of the model ``name``."""
        return mapped(name, self.metrics)

    def problems(self) -> Iterator[Problem]:
        """Yield a problem for every rule between the keys, and with the baseline, that is broken."""
        yield from _model(self)
        yield from _baseline(self)
        is_known = bool(self.task or self.baseline)
        yield from under("metrics", metric_problems(self.metrics, is_known))


def _model(model: Model) -> Iterator[Problem]:
    from driftline.tables.task import Task

    task = Task(model.task or "")
    listed = ", ".join(model.classes)
    if len(set(model.classes)) < len(model.classes):
        yield Problem("classes", f"one class is named twice ({listed}); 1, 1.0, '1' and true are one class")
    if task.has_threshold and model.classes and len(model.classes) != 2:
        yield Problem(
            "classes", f"a binary model has two, not {len(model.classes)} ({listed}); or is its task multiclass?"
        )
    if task.has_class_scores and len(model.classes) == 1:
        yield Problem("classes", f"a multiclass model has at least two, not one ({listed})")
    if model.classes and not task.may_have_classes:
        yield Problem("classes", f"a {model.task} model has none; leave the key out, or write another task")
    if model.positive_class is not None:
        if task.kind and not task.has_threshold:
            yield Problem(
                "positive_class", f"only a binary model has one; leave it out, or write task: binary, not {model.task}"
            )
        elif model.classes and model.positive_class not in model.classes:
            yield Problem("positive_class", f"'{model.positive_class}' is not in classes ({listed}); write one of them")
    if model.quantiles and task.kind and not task.predicts_number:
        yield Problem(
            "quantiles", f"only a regression has any; leave them out, or write task: regression, not {model.task}"
        )
    if model.threshold is not None and task.kind and not task.has_threshold:
        yield Problem(
            "threshold", f"only a binary model has one; leave it out, or write task: binary, not {model.task}"
        )
    metric_problems = model.performance.problems(model.task or "", model.classes)
    yield from under("performance", metric_problems)
    if model.performance.cutoffs and task.kind and not task.ranks_items:
        yield Problem(
            "performance.cutoffs", f"only a ranking has any; leave it out, or write task: ranking, not {model.task}"
        )
    named_options: tuple[tuple[str, tuple[object, ...]], ...] = (
        ("windows", model.windows),
        ("slices", model.slices),
        ("performance.cutoffs", model.performance.cutoffs),
    )
    for key, values in named_options:
        if len(set(values)) < len(values):
            yield Problem(key, f"one of {', '.join(map(str, values))} is named twice; name each once")
    if model.subject is not None and model.subject in model.slices:
        yield (
            Problem(
                "subject",
                f"'{model.subject}' is also one of slices, whose values are shown; a subject is whom rows are "
                "about: leave it out of slices",
            )
        )
    for objective in model.performance.objectives:
        if objective.window and not objective.rolling and objective.window not in model.windows:
            yield (
                Problem(
                    "performance.objectives",
                    f"'{objective.rule}' is over {objective.window}, and windows are {', '.join(model.windows)}; "
                    "name it there, too, or write rolling: true",
                )
            )
        minutes = [name.endswith("m") for name in ((objective.window,) if objective.window else model.windows)]
        if objective.slice and minutes and all(minutes):
            yield (
                Problem(
                    "performance.objectives",
                    f"'{objective.rule}' is of a slice, and of windows of minutes none is known; write a window of "
                    "an hour or more",
                )
            )
    yield from (Problem("versions", problem) for problem in model.versions.problems())
    if not model.windows:
        yield Problem("windows", "none are named; write at least one, such as [1d]")
    if model.outcome_delay is not None and model.outcome_delay < timedelta(0):
        yield Problem(
            "outcome_delay", "is negative; write '0s' or more, or leave the key out: the delay is then learned"
        )


def _baseline(model: Model) -> Iterator[Problem]:
    if model.baseline is None:
        return
    from driftline.baseline.baseline import Baseline

    if not isfile(model.baseline):
        yield (
            Problem(
                "baseline",
                f"there is no file {model.baseline} (the path is relative to this one); build it with 'driftline "
                "baseline build'",
            )
        )
        return
    try:
        baseline = Baseline.load(model.baseline)
    except (OSError, ValueError) as error:
        yield Problem("baseline", str(error))
        return
    if model.task and baseline.task.kind and model.task != baseline.task.kind:
        yield Problem(
            "task", f"'{model.task}', but the baseline {model.baseline} is of a {baseline.task.kind} model; write that"
        )
    baseline_seasons, is_named = baseline.extras.seasons, model.seasonality not in (None, "none")
    if is_named and (baseline_seasons is None or baseline_seasons.seasonality.kind != model.seasonality):
        yield (
            Problem(
                "seasonality",
                f"the baseline {model.baseline} does not know its seasons of {model.seasonality}; build it with "
                f"'driftline baseline build --seasonality {model.seasonality} --timezone {model.timezone}'",
            )
        )
    elif is_named and baseline_seasons is not None and baseline_seasons.seasonality.timezone != model.timezone:
        yield (
            Problem(
                "timezone",
                f"'{model.timezone}', but the seasons of the baseline {model.baseline} are those of "
                f"{baseline_seasons.seasonality.timezone}; write that, or build it with --timezone {model.timezone}",
            )
        )
    if model.classes and baseline.task.classes and set(model.classes) != set(baseline.task.classes):
        yield (
            Problem(
                "classes",
                f"{', '.join(model.classes)}, but the baseline {model.baseline} has "
                f"{', '.join(baseline.task.classes)}; write those, or build it again",
            )
        )

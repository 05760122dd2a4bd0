"""The keys of ``models.NAME``, including ``versions`` with champion and challengers, and the rules between them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from functools import cached_property
from os.path import isfile
from typing import TYPE_CHECKING, Annotated, Literal

from driftline.tables.timestamps import AnySeasonality, Seasonality, UnknownSeasonality
from pydantic import BeforeValidator, Field

from driftline_processor.core.versions.side_by_side import VersionNames

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
    Form,
    Keep,
    Keeping,
    Levels,
    Moment,
    Share,
    Shown,
    Text,
    TimeZone,
    Together,
    WindowName,
)

if TYPE_CHECKING:
    from driftline.tables.task import Task

    from driftline_processor.core.decode.foreign_metrics import MetricMapping
    from driftline_processor.core.drift.method_choice import Choice, Choices
    from driftline_processor.core.expectations.rule import Expectations
    from driftline_processor.core.reference.rolling import Rolling


def _several(value: object) -> object:
    """Read one version or several; ``2`` means "2"."""
    return value if isinstance(value, (list, tuple)) or value is None else (value,)


Names = Annotated[tuple[Text, ...], BeforeValidator(_several), Form("list of text")]


class Versions(Section):
    """The version that others are compared with, and the roles of the others."""

    champion: Text | None = Field(
        default=None,
        description="The version that all other versions are [compared with](../monitor/versions.md).",
        examples=['"1"'],
        json_schema_extra={"default": "the version with the most rows"},
    )
    challenger: Names = Field(
        default=(),
        description="Versions whose kind of comparison depends on their requests with an outcome. If the champion "
        "also scored at least half of these requests, the version is compared request by request (like `shadow`). "
        "Otherwise, it is compared hour by hour (like `canary`). A version that is not in `challenger`, `shadow` or "
        "`canary` is a challenger.",
        examples=['["4"]'],
    )
    shadow: Names = Field(
        default=(),
        description="Versions that also score the requests of the champion, but whose results are not used. These "
        "versions are compared request by request.",
        examples=['["2"]'],
    )
    canary: Names = Field(
        default=(),
        description="Versions that answer requests of their own. These versions are compared hour by hour.",
        examples=['["3"]'],
    )
    since: Moment = Field(
        default=0,
        description="The start of the comparison: earlier predictions are not compared. The time must be a multiple "
        "of [five minutes](../monitor/versions.md).",
        examples=["2026-11-01T00:00:00Z"],
        json_schema_extra={"default": "the start of the later of the two versions"},
    )

    @property
    def names(self) -> VersionNames:
        """The versions in the form of the comparison."""
        return VersionNames(self.champion, self.shadow, self.canary, self.since)

    def problems(self) -> list[str]:
        """Return a sentence for every rule between the keys that is broken."""
        version_names = [*self.challenger, *self.shadow, *self.canary]
        problems_found = [
            f"'{version_name}' is listed twice; list each version once"
            for version_name in {*version_names}
            if version_names.count(version_name) > 1
        ]
        if self.champion is not None and self.champion in version_names:
            problems_found.append(
                f"'{self.champion}' is the champion and is also listed as another kind of version; "
                "remove one of the two"
            )
        return sorted(problems_found)


class Concept(Section):
    """The search for concept drift."""

    enabled: bool = Field(
        default=True,
        description="Whether ADWIN monitors the [stream of errors](../concepts/delayed-labels.md#concept-drift) for an "
        "increase.",
        examples=["false"],
    )


class Reference(Section):
    """The past that a model's windows are compared with, instead of the baseline's own rows."""

    last: WindowName = Field(
        description="The length of the [rolling reference](../concepts/windows.md#rolling-reference) that windows "
        "are compared with. Its rows are counted in the bins of the baseline. Without `reference`, windows are "
        "compared with the rows of the baseline.",
        examples=["30d"],
    )
    without: WindowName | None = Field(
        default=None,
        description="The time between the end of the rolling reference and the end of the window. Rows of this time "
        "are not in the reference.",
        examples=["24h"],
        json_schema_extra={"default": "the length of the window"},
    )
    accept_after: WindowName | None = Field(
        default=None,
        description="How long a window that drifted is left out of the reference. Earlier rows replace the rows of "
        "such a window. After this time, a lasting shift is accepted as normal.",
        examples=["7d"],
        json_schema_extra={"default": "`14d`; `last` if that is shorter"},
    )
    accepted_until: Moment = Field(
        default=0,
        description="All drift before this time is accepted: windows that began before this time are in the "
        "reference, even if they drifted. This applies to the reference of each window that ends after this time.",
        examples=["2026-11-01T00:00:00Z"],
        json_schema_extra={"default": "none"},
    )

    @property
    def rolling(self) -> Rolling:
        """The rolling reference in the form of the evaluation."""
        from driftline_processor.core.reference.rolling import Rolling

        return Rolling(self.last, self.without or "", self.accept_after or "", self.accepted_until)


class Feature(Section):
    """The comparison of one feature, and its expectations."""

    method: Deciding = Field(
        default=(),
        description="The drift method that decides for this feature. If there are several methods, the first method "
        "that supports the type of the feature decides. This key overrides the method of the model.",
        examples=["anderson_darling"],
        json_schema_extra={"default": "as for the model", "shown": True},
    )
    methods: Shown = Field(
        default=(),
        description="The drift methods that are shown in addition for this feature. This key overrides the methods of "
        "the model.",
        examples=["[mean_shift]"],
        json_schema_extra={"default": "as for the model", "shown": True},
    )
    expect: ExpectFeature | None = Field(
        default=None,
        description="The [expectations](../monitor/expect-data.md) of the feature.",
        json_schema_extra={"shown": True},
    )

    @property
    def choice(self) -> Choice:
        """The methods in the form of the drift rule."""
        from driftline_processor.core.drift.method_choice import Choice

        return Choice(self.method, self.methods)


class Model(Section):
    """Settings of one model beyond what arrives; every key is optional."""

    approvers: Annotated[int, Field(ge=1, le=2, strict=True)] = Field(
        default=1,
        description="How many different people must [approve](../alert/actions.md#approve) an action for the model.",
        examples=["2"],
    )
    team: Annotated[Text, Field(max_length=80)] | None = Field(
        default=None,
        description="The team that is responsible for the model. The home page groups and filters models by team.",
        examples=["payments"],
    )
    tier: Annotated[int, Field(ge=1, le=3, strict=True)] | None = Field(
        default=None,
        description="The importance of the model, from 1 (highest) to 3 (lowest).",
        examples=["1"],
    )
    task: Literal["binary", "multiclass", "regression", "ranking"] | None = Field(
        default=None,
        description="What the model predicts.",
        examples=["binary"],
        json_schema_extra={"default": "the value from the sender", "shown": True},
    )
    classes: ClassTexts = Field(
        default=(),
        description='The classes, in the order of the score columns; 1, 1.0, "1" and true are the same class.',
        examples=['["0", "1"]'],
        json_schema_extra={"default": "the value from the sender", "shown": True},
    )
    positive_class: ClassText | None = Field(
        default=None,
        description="The score is the probability of this class. Only for binary models.",
        examples=['"1"'],
        json_schema_extra={"default": "the value from the sender", "shown": True},
    )
    threshold: Share | None = Field(
        default=None,
        description="The positive class is predicted if the score is at least this threshold. Only for binary models. "
        "The threshold may [differ from the threshold of the baseline](baselines.md#another-threshold).",
        examples=["0.5"],
        json_schema_extra={"default": "the value from the sender, otherwise `0.5`", "shown": True},
    )
    quantiles: Levels = Field(
        default=(),
        description="The quantiles that a regression predicts, in the order of its scores. Set this key if the sender "
        "cannot send `driftline.model.quantiles`.",
        examples=["[0.1, 0.5, 0.9]"],
        json_schema_extra={"default": "the value from the sender"},
    )
    baseline: FilePath | None = Field(
        default=None,
        description="A file from `driftline baseline build` or `Baseline.save`. Every version of the model is "
        "compared with this baseline. The pages show whether it was built for another version.",
        examples=["churn.baseline.json"],
        json_schema_extra={"default": "the baseline that the service sends, otherwise the first 1,000 rows"},
    )
    reference: Reference | None = Field(
        default=None,
        description="The rolling reference: recent rows that windows are compared with, instead of the rows of the "
        "baseline. These rows are counted in the bins of the baseline.",
    )
    windows: tuple[WindowName, ...] = Field(
        default=("1h", "1d"),
        description="The lengths of the windows that are evaluated.",
        examples=["[5m, 1d, 1w, 1mo]"],
    )
    timezone: TimeZone = Field(
        default="UTC",
        description="The time zone in which days, weeks and months begin.",
        examples=["Europe/Amsterdam"],
    )
    outcome_delay: Days | None = Field(
        default=None,
        description="The time within which outcomes arrive. The performance of a window is final when this time has "
        "passed since the end of the window. The time of the model's newest row is used as the current time. The "
        "pages mark younger windows as [not final](../concepts/delayed-labels.md#maturity).",
        examples=["2d"],
        json_schema_extra={"default": "learned from the received outcomes"},
    )
    performance: Annotated[Performance, BeforeValidator(empty_is_default)] = Field(
        default=Performance(), description="How performance is computed and evaluated."
    )
    versions: Annotated[Versions, BeforeValidator(empty_is_default)] = Field(
        default=Versions(), description="Which version the other versions are compared with."
    )
    seasonality: Literal["none", "hour", "weekday", "hour_of_week"] | None = Field(
        default=None,
        description="Compare a window [with the same hours or "
        "weekdays](../concepts/false-alarms.md#hours-and-weekdays), in the time zone `timezone`. The baseline must be "
        "built with this seasonality. Without the key, the seasonality that was found in the baseline is used. `none` "
        "disables the seasonality.",
        examples=["hour_of_week"],
        json_schema_extra={"default": "the seasonality of the baseline"},
    )
    slices: tuple[Text, ...] = Field(
        default=(),
        description="Low-cardinality slices that are sent with predictions or outcomes. Drift and performance are "
        "also computed [for each value of these slices](../deploy/configure.md#slices-clusters-and-subjects).",
        examples=["[region]"],
    )
    cluster: Text | None = Field(
        default=None,
        description="A slice or feature, such as a customer. Rows with the same value are treated as dependent, and "
        "[count with their effective sample size](../deploy/configure.md#slices-clusters-and-subjects).",
        examples=["customer"],
    )
    keep_features: Keeping = Field(
        default=Keep(5_000),
        description="The number of rows per day (UTC) whose features are stored, for [`driftline "
        "snapshot`](http-api.md#get-v1snapshotsmodel) and for analyses that need rows. The rows are sampled "
        "uniformly and expire with their predictions.",
        examples=["all"],
    )
    subject: Text | None = Field(
        default=None,
        description="The slice or feature that identifies the subject of a row, such as a customer. Rows and "
        "outcomes can be [deleted by subject](../deploy/configure.md#slices-clusters-and-subjects).",
        examples=["customer"],
    )
    min_effect: dict[str, Share] = Field(
        default_factory=dict,
        description="The smallest effect that counts as drift, by feature, in the unit of the method that decides.",
        examples=["{age: 0.1}"],
        json_schema_extra={
            "default": "[the default of the method](drift-methods.md): 0.04 for KS, or 0.02 of PSI if chi-square "
            "decides",
        },
    )
    method: Deciding = Field(
        default=(),
        description="The [drift method](drift-methods.md) that decides. In a list of several methods, each method "
        "must have a p-value. For each column, the first method in the list that supports the type of the column "
        "decides.",
        examples=["[ks, chi2]"],
        json_schema_extra={"default": "`[ks, chi2]`", "shown": True},
    )
    methods: Shown = Field(
        default=(),
        description="Additional drift methods to show. The method that decides, PSI and Jensen-Shannon are always "
        "shown. Each method adds one series per column.",
        examples=["[wasserstein, hellinger]"],
    )
    multivariate: Together = Field(
        default=("pca", "correlation"),
        description="The methods that compare [all features together](../concepts/drift.md#features-together); `[]` "
        "disables them.",
        examples=["[pca]"],
    )
    expect: Expect = Field(
        default=Expect(),
        description="The [expectations](../monitor/expect-data.md) of the rows of every window.",
        json_schema_extra={"shown": True},
    )
    concept: Annotated[Concept, BeforeValidator(empty_is_default)] = Field(
        default=Concept(), description="How concept drift is detected."
    )
    features: Annotated[dict[str, Feature], BeforeValidator(empty_is_default)] = Field(
        default_factory=dict,
        description="How single features are compared, and their expectations.",
        examples=[
            'region: {expect: {values: [north, south], not_values: [unknown], length: [1, 40], pattern: "^[a-z]+$"}}',
            "income: {expect: {min: [0, null], max: [null, 1e6], mean: [2e4, 8e4], stddev: [1e3, 1e5]}}",
        ],
        json_schema_extra={"name": "age"},
    )
    metrics: Annotated[dict[str, Metric], BeforeValidator(empty_is_default)] = Field(
        default_factory=dict,
        description="The meaning of metrics that a service records under its own names. Each metric contains one kind "
        "of value. [How to configure it](../instrument/other-languages.md).",
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
        """The seasonality of the model's time zone for comparisons, or one to be detected; None for none."""
        if self.seasonality is None:
            return UnknownSeasonality(self.timezone)
        return None if self.seasonality == "none" else Seasonality(self.seasonality, self.timezone)

    @property
    def sliced(self) -> tuple[str, ...]:
        """Slice keys of slices, fairness and objectives."""
        return tuple(dict.fromkeys((*self.slices, *self.performance.settings.keys)))

    @property
    def choices(self) -> Choices:
        """Methods per column."""
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
    yield from _classes(model, task)
    yield from _keys_of_other_tasks(model, task)
    yield from under("performance", model.performance.problems(model.task or "", model.classes))
    yield from _repeated(model)
    if model.subject is not None and model.subject in model.slices:
        yield Problem(
            "subject",
            f"'{model.subject}' is also in slices, whose values are shown to users; a subject identifies "
            "persons: remove it from slices",
        )
    yield from _objectives(model)
    yield from (Problem("versions", problem) for problem in model.versions.problems())
    if not model.windows:
        yield Problem("windows", "the list is empty; add at least one window, such as [1d]")
    if model.outcome_delay is not None and model.outcome_delay < timedelta(0):
        yield Problem(
            "outcome_delay", "is negative; use '0s' or more, or remove the key and Driftline learns the delay"
        )


def _classes(model: Model, task: Task) -> Iterator[Problem]:
    classes, listed = model.classes, ", ".join(model.classes)
    if len(set(classes)) < len(classes):
        yield Problem("classes", f"a class is listed twice ({listed}); 1, 1.0, '1' and true are the same class")
    if task.has_threshold and classes and len(classes) != 2:
        yield Problem(
            "classes",
            f"a binary model has two classes, not {len(classes)} ({listed}); remove some, or set task: multiclass",
        )
    if task.has_class_scores and len(classes) == 1:
        yield Problem("classes", f"a multiclass model has at least two classes, not one ({listed})")
    if classes and not task.may_have_classes:
        yield Problem("classes", f"a {model.task} model has no classes; remove the key, or change the task")
    may_be_binary = task.has_threshold or not task.kind
    if may_be_binary and model.positive_class is not None and classes and model.positive_class not in classes:
        yield Problem("positive_class", f"'{model.positive_class}' is not in classes ({listed}); use one of them")


def _keys_of_other_tasks(model: Model, task: Task) -> Iterator[Problem]:
    """Yield a problem for each key that only models of another task have."""
    keys = (
        ("positive_class", model.positive_class is not None, task.has_threshold, "binary", "one", "it"),
        ("quantiles", bool(model.quantiles), task.predicts_number, "regression", "quantiles", "them"),
        ("threshold", model.threshold is not None, task.has_threshold, "binary", "one", "it"),
        ("performance.cutoffs", bool(model.performance.cutoffs), task.ranks_items, "ranking", "cutoffs", "the key"),
    )
    for key, is_set, is_of_task, owner, noun, pronoun in keys:
        if task.kind and is_set and not is_of_task:
            yield Problem(
                key,
                f"only a {owner} model has {noun}; remove {pronoun}, or set task: {owner} instead of {model.task}",
            )


def _repeated(model: Model) -> Iterator[Problem]:
    """Yield a problem for each list with the same value twice."""
    lists: tuple[tuple[str, tuple[object, ...]], ...] = (
        ("windows", model.windows),
        ("slices", model.slices),
        ("performance.cutoffs", model.performance.cutoffs),
    )
    for key, values in lists:
        if len(set(values)) < len(values):
            yield Problem(key, f"{', '.join(map(str, values))}: one of these is listed twice; list each one once")


def _objectives(model: Model) -> Iterator[Problem]:
    """Yield a problem for each objective whose windows the model does not have."""
    for objective in model.performance.objectives:
        if objective.window and not objective.rolling and objective.window not in model.windows:
            yield Problem(
                "performance.objectives",
                f"'{objective.rule}' needs windows of {objective.window}, "
                f"but the model's windows are {', '.join(model.windows)}; add the window there, "
                "or set rolling: true",
            )
        windows = (objective.window,) if objective.window else model.windows
        if objective.slice and windows and all(name.endswith("m") for name in windows):
            yield Problem(
                "performance.objectives",
                f"'{objective.rule}' is for a slice, but slices have no windows of minutes; "
                "use a window of one hour or more",
            )


def _baseline(model: Model) -> Iterator[Problem]:
    if model.baseline is None:
        return
    from driftline.baseline.baseline import Baseline

    if not isfile(model.baseline):
        yield (
            Problem(
                "baseline",
                f"there is no file {model.baseline} (the path is relative to the main configuration file); build the "
                "baseline with 'driftline baseline build'",
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
            "task",
            f"'{model.task}', but the baseline {model.baseline} is for a {baseline.task.kind} model; use the same task",
        )
    baseline_seasons, is_named = baseline.extras.seasons, model.seasonality not in (None, "none")
    if is_named and (baseline_seasons is None or baseline_seasons.seasonality.kind != model.seasonality):
        yield (
            Problem(
                "seasonality",
                f"the baseline {model.baseline} was built without the seasonality {model.seasonality}; build it with "
                f"'driftline baseline build --seasonality {model.seasonality} --timezone {model.timezone}'",
            )
        )
    elif is_named and baseline_seasons is not None and baseline_seasons.seasonality.timezone != model.timezone:
        yield (
            Problem(
                "timezone",
                f"'{model.timezone}', but the seasons of the baseline {model.baseline} use the time zone "
                f"{baseline_seasons.seasonality.timezone}; use that one, "
                f"or rebuild the baseline with --timezone {model.timezone}",
            )
        )
    if model.classes and baseline.task.classes and set(model.classes) != set(baseline.task.classes):
        yield (
            Problem(
                "classes",
                f"{', '.join(model.classes)}, but the baseline {model.baseline} has "
                f"{', '.join(baseline.task.classes)}; use the same classes, or rebuild the baseline",
            )
        )

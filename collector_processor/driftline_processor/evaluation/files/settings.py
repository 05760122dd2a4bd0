"""The options of an evaluation of files, and how a model's windows are judged by them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from driftline.baseline.baseline import Baseline

from driftline_processor.core.drift.method_choice import Choice, Choices, check_names, misfits
from driftline_processor.core.expectations.rule import Expectations
from driftline_processor.core.metrics import misnamed
from driftline_processor.core.metrics.families.cost_and_value import unknown_classes
from driftline_processor.core.model_settings import ModelSettings
from driftline_processor.core.performance.mispredictions import MOST
from driftline_processor.core.performance.objective import Objective, misnamed_metric
from driftline_processor.core.performance.settings import STANDARD, PerformanceSettings
from driftline_processor.core.reference.rolling import Rolling
from driftline_processor.core.versions import VersionNames
from driftline_processor.custom_metrics import load_custom_metrics
from driftline_processor.readers.column_options import ColumnOptions
from driftline_processor.readers.errors import BadInput, Say, about_option, listed, missing_option, near, option_text
from driftline_processor.readers.memory import Reference

from .exact_values import reference_rows_path


@dataclass(frozen=True, slots=True)
class EvaluationSettings:
    """``method``, ``methods``: the drift methods that decide, and that are shown beside, see ``Choices`` of drift.

    ``exact``: values of drift methods from the rows. ``classifier``: the domain classifier, too. ``expect``: what
    is expected of each model's data. ``past``: windows are compared with the rows before them,
    :mod:`.rolling_reference`. ``performance``: what each model's owner asks of its performance; ``metrics``: names
    of those that are wanted, too; ``objectives``: what it shall be. ``versions``: which of each model's are
    compared with which. ``model``: what a configuration says of it. ``weighted``: estimates by importance weights,
    too. ``mispredictions``: how many of the worst rows of each window. ``windows``: lengths of windows where
    neither an option nor the configuration names any.
    """

    method: Sequence[str] = ()
    methods: Sequence[str] = ()
    exact: bool = False
    classifier: bool = False
    expect: Mapping[str, Expectations] = field(default_factory=dict)
    past: Rolling | None = None
    performance: Mapping[str, PerformanceSettings] = field(default_factory=dict)
    metrics: Sequence[str] = ()
    objectives: Sequence[Objective] = ()
    versions: Mapping[str, VersionNames] = field(default_factory=dict)
    weighted: bool = False
    mispredictions: int = 0
    model: ModelSettings | None = None
    windows: Sequence[str] = ()

    def check(self, reference: Reference | None) -> None:
        """Raise :class:`BadInput` when something is asked for that cannot be had together.

        ``reference``: what is compared with, None where nobody named it.
        """
        if not 0 <= self.mispredictions <= MOST:
            raise BadInput(f"{self.mispredictions} is not a number from 1 to {MOST:,}", "mispredictions")
        rows_wanted = [name for name in ("exact", "classifier", "weighted") if getattr(self, name)]
        if self.past is not None and rows_wanted:
            option = "importance_weighted" if rows_wanted[0] == "weighted" else rows_wanted[0]
            last = option_text("reference_last")
            raise BadInput(f"needs rows, of which {last} keeps only counts; choose one", option)
        if reference is None:
            if self.past is None:
                raise missing_option(
                    "baseline",
                    "name a built one (.json), or rows to compare with; "
                    f"or {option_text('reference_last', '30d')}, to compare each day with those before it",
                )
            return
        if self.exact:
            reference_rows_path(reference, "exact")
        if self.classifier:
            reference_rows_path(reference, "classifier")
        if self.weighted:
            reference_rows_path(reference, "importance_weighted")


DEFAULT_SETTINGS = EvaluationSettings()


def read_choices(deciding: Sequence[str], shown: Sequence[str], baseline: Baseline) -> Choices:
    """Read the options, each as often as it was given; a feature's name may contain an equals sign.

    Raises :class:`BadInput` for a method that there is not, that cannot decide or that does not compare such a
    feature, and for a feature that the baseline has not.

    >>> rows = {"age": [3, 4, 5], "score": [0.1, 0.2, 0.3]}
    >>> baseline = Baseline.from_frame(rows, score="score", model="m", task="binary")
    >>> read_choices(["cramer_von_mises"], ["hellinger,l_infinity"], baseline).everywhere
    Choice(deciding=('cramer_von_mises',), shown=('hellinger', 'l_infinity'))
    """
    everywhere: list[list[str]] = [[], []]
    features: dict[str, list[list[str]]] = {}
    for index, (option, methods_given) in enumerate((("method", deciding), ("methods", shown))):
        for text in methods_given:
            feature, names = _split(option, text, baseline.bins.features)
            try:
                check_names(names, deciding=index == 0)
            except ValueError as error:
                raise BadInput(str(error), option, text) from None
            if feature is None:
                everywhere[index] += names
            else:
                features.setdefault(feature, [[], []])[index] += names
    choices_by_feature = {name: Choice(tuple(methods[0]), tuple(methods[1])) for name, methods in features.items()}
    choices = Choices(Choice(tuple(everywhere[0]), tuple(everywhere[1])), choices_by_feature)
    for wrong in misfits(choices, baseline):
        option = "method" if wrong.deciding else "methods"
        raise BadInput(str(wrong), option, f"{wrong.feature}={wrong.method}")
    return choices


def _split(option: str, text: str, features: Collection[str]) -> tuple[str | None, list[str]]:
    feature, sign, names = text.rpartition("=")
    if sign and feature not in features:
        raise BadInput(f"no feature '{feature}'; {near(feature, tuple(features))}", option, text)
    return feature if sign else None, [name.strip() for name in names.split(",") if name.strip()]


def performance_settings(evaluation_settings: EvaluationSettings, baseline: Baseline, say: Say) -> PerformanceSettings:
    """Return what is asked of a model.

    Custom metrics are those that are installed. Raises :class:`BadInput` where only of others anything is asked, and
    where something is that a model of its kind has not.
    """
    model, task, settings_by_model = baseline.model, baseline.task, evaluation_settings.performance
    option = "performance" if evaluation_settings.model is None else "config"
    if settings_by_model and model not in settings_by_model:
        raise BadInput(f"it says nothing of the model '{model}'; {near(model, tuple(settings_by_model))}", option)
    load_custom_metrics(say)
    model_performance = settings_by_model.get(model, STANDARD)
    wrong = [problem for name in model_performance.metrics if (problem := misnamed(name, task.kind))]
    wrong += [
        problem for objective in model_performance.objectives if (problem := misnamed_metric(objective, task.kind))
    ]
    if unknown := unknown_classes(model_performance.costs, task):
        wrong.append(f"costs: {listed(unknown)}: no class of the model, which has {', '.join(task.classes) or 'none'}")
    if wrong:
        raise BadInput(wrong[0], option)
    metrics = [*model_performance.metrics, *evaluation_settings.metrics]
    for objective in evaluation_settings.objectives:
        if problem := misnamed_metric(objective, task.kind):
            raise BadInput(problem, "objectives", objective.rule)
        metrics += () if objective.of_service else (objective.metric,)
    return replace(
        model_performance,
        metrics=tuple(metrics),
        objectives=(*model_performance.objectives, *evaluation_settings.objectives),
    )


def check_objective_slices(performance_settings: PerformanceSettings, keys: Collection[str]) -> None:
    """Raise :class:`BadInput` where an objective is of a slice that neither rows nor outcomes tell apart."""
    for objective in performance_settings.objectives:
        if objective.key and objective.key not in keys:
            suggestion = f"; {near(objective.key, tuple(keys))}" if keys else ""
            raise BadInput(
                f"objective '{objective.rule}': no column and no slice of an outcome is called '{objective.key}'{suggestion}"
            )


def expectations_of_model(
    expect: Mapping[str, Expectations], baseline: Baseline, say: Say, option: str = "expect"
) -> tuple[Expectations, Expectations]:
    """Return the expectations of the model, and those of its data; features that the baseline lacks are reported."""
    if expect and baseline.model not in expect:
        raise BadInput(
            f"it expects nothing of the model '{baseline.model}'; {near(baseline.model, tuple(expect))}", option
        )
    expected = expect.get(baseline.model, Expectations())
    unknown = [name for name in expected.features if name not in baseline.bins.features]
    if unknown:
        say(about_option(option, f"{listed(unknown)}: the baseline has no such feature; not checked"))
    known_features = {name: rules for name, rules in expected.features.items() if name not in unknown}
    return expected, replace(expected, features=known_features)


def model_settings(
    evaluation_settings: EvaluationSettings, baseline: Baseline, options: ColumnOptions, say: Say
) -> tuple[ModelSettings, Expectations]:
    """Return how windows are judged, and of the expectations those whose features the baseline has."""
    expected, counted = expectations_of_model(
        evaluation_settings.expect, baseline, say, "expect" if evaluation_settings.model is None else "config"
    )
    base = evaluation_settings.model or ModelSettings()
    if evaluation_settings.model is None or evaluation_settings.method or evaluation_settings.methods:
        choices = read_choices(evaluation_settings.method, evaluation_settings.methods, baseline)
    else:
        choices = base.choices
        for wrong in misfits(choices, baseline):
            say(f"{wrong.key(baseline.model)}: {wrong}; it is passed over")
    settings = replace(
        base,
        rolling=evaluation_settings.past,
        seasons=options.seasons,
        choices=choices,
        expectations=expected,
        performance=performance_settings(evaluation_settings, baseline, say),
        versions=evaluation_settings.versions.get(baseline.model, VersionNames()),
    )
    return settings, counted

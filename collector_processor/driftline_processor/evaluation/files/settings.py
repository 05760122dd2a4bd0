"""The options of an evaluation of files, and how a model's windows are judged by them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from driftline.baseline.baseline import Baseline
from msgspec import Struct, field
from msgspec.structs import replace

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
from driftline_processor.readers.errors import BadInput, Say, about_option, listed, missing_option, near, option_text
from driftline_processor.readers.memory import Reference

from .exact_values import reference_rows_path
from .options import EvaluationOptions


class EvaluationSettings(Struct, frozen=True):
    """What options and configurations declare, read into the objects that judge windows.

    Attributes:
        expect: Model → the expectations of its data.
        past: The past that windows are compared with; None = the rows of the baseline.
        performance: Model → what its owner declares of its performance.
        objectives: Objectives of options.
        versions: Model → which of its versions are compared.
        model: What a configuration declares of the model; None without a configuration.
    """

    expect: Mapping[str, Expectations] = field(default_factory=dict)
    past: Rolling | None = None
    performance: Mapping[str, PerformanceSettings] = field(default_factory=dict)
    objectives: Sequence[Objective] = ()
    versions: Mapping[str, VersionNames] = field(default_factory=dict)
    model: ModelSettings | None = None


DEFAULT_SETTINGS = EvaluationSettings()


def check_options(options: EvaluationOptions, past: Rolling | None, reference: Reference | None) -> None:
    """Raise :class:`BadInput` for options that exclude each other or need other rows.

    Args:
        options: The options.
        past: The past that windows are compared with.
        reference: The rows or the baseline that windows are compared with; None if neither is named.
    """
    if not 0 <= options.mispredictions <= MOST:
        raise BadInput(f"{options.mispredictions} is not a number from 1 to {MOST:,}", "mispredictions")
    need_rows = [name for name in ("exact", "classifier", "importance_weighted") if getattr(options, name)]
    if past is not None and need_rows:
        last = option_text("reference_last")
        raise BadInput(f"needs rows, of which {last} keeps only counts; choose one", need_rows[0])
    if reference is not None:
        for name in need_rows:
            reference_rows_path(reference, name)
    elif past is None:
        raise missing_option(
            "baseline",
            "name a built one (.json), or rows to compare with; "
            f"or {option_text('reference_last', '30d')}, to compare each day with those before it",
        )


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
    for at, (option, given) in enumerate((("method", deciding), ("methods", shown))):
        for text in given:
            feature, names = _split(option, text, baseline.bins.features)
            try:
                check_names(names, deciding=at == 0)
            except ValueError as error:
                raise BadInput(str(error), option, text) from None
            if feature is None:
                everywhere[at] += names
            else:
                features.setdefault(feature, [[], []])[at] += names
    made = {name: Choice(tuple(methods[0]), tuple(methods[1])) for name, methods in features.items()}
    choices = Choices(Choice(tuple(everywhere[0]), tuple(everywhere[1])), made)
    for wrong in misfits(choices, baseline):
        option = "method" if wrong.deciding else "methods"
        raise BadInput(str(wrong), option, f"{wrong.feature}={wrong.method}")
    return choices


def _split(option: str, text: str, features: Collection[str]) -> tuple[str | None, list[str]]:
    feature, sign, names = text.rpartition("=")
    if sign and feature not in features:
        raise BadInput(f"no feature '{feature}'; {near(feature, tuple(features))}", option, text)
    return feature if sign else None, [name.strip() for name in names.split(",") if name.strip()]


def performance_settings(
    asked: EvaluationSettings, wanted: Sequence[str], baseline: Baseline, say: Say
) -> PerformanceSettings:
    """Return what is declared of a model's performance, with the metrics of an option.

    Custom metrics are those that are installed. Raises :class:`BadInput` where only of others anything is asked, and
    where something is that a model of its kind has not.
    """
    model, task, known = baseline.model, baseline.task, asked.performance
    option = "performance" if asked.model is None else "config"
    if known and model not in known:
        raise BadInput(f"it says nothing of the model '{model}'; {near(model, tuple(known))}", option)
    load_custom_metrics(say)
    found = known.get(model, STANDARD)
    wrong = [problem for name in found.metrics if (problem := misnamed(name, task.kind))]
    wrong += [problem for one in found.objectives if (problem := misnamed_metric(one, task.kind))]
    if unknown := unknown_classes(found.costs, task):
        wrong.append(f"costs: {listed(unknown)}: no class of the model, which has {', '.join(task.classes) or 'none'}")
    if wrong:
        raise BadInput(wrong[0], option)
    metrics = [*found.metrics, *wanted]
    for objective in asked.objectives:
        if problem := misnamed_metric(objective, task.kind):
            raise BadInput(problem, "objectives", objective.rule)
        metrics += () if objective.of_service else (objective.metric,)
    return replace(found, metrics=tuple(metrics), objectives=(*found.objectives, *asked.objectives))


def check_objective_slices(asked: PerformanceSettings, keys: Collection[str]) -> None:
    """Raise :class:`BadInput` where an objective is of a slice that neither rows nor outcomes tell apart."""
    for objective in asked.objectives:
        if objective.key and objective.key not in keys:
            known = f"; {near(objective.key, tuple(keys))}" if keys else ""
            raise BadInput(
                f"objective '{objective.rule}': no column and no slice of an outcome is called '{objective.key}'{known}"
            )


def expectations_of_model(
    expect: Mapping[str, Expectations], baseline: Baseline, say: Say, option: str = "expect"
) -> tuple[Expectations, Expectations]:
    """Return the expectations of the model, and those of its data; features that the baseline lacks are reported."""
    if expect and baseline.model not in expect:
        raise BadInput(
            f"it expects nothing of the model '{baseline.model}'; {near(baseline.model, tuple(expect))}", option
        )
    wanted = expect.get(baseline.model, Expectations())
    unknown = [name for name in wanted.features if name not in baseline.bins.features]
    if unknown:
        say(about_option(option, f"{listed(unknown)}: the baseline has no such feature; not checked"))
    known = {name: rules for name, rules in wanted.features.items() if name not in unknown}
    return wanted, replace(wanted, features=known)


def model_settings(
    asked: EvaluationSettings, baseline: Baseline, options: EvaluationOptions, say: Say
) -> tuple[ModelSettings, Expectations]:
    """Return how windows are judged, and of the expectations those whose features the baseline has."""
    wanted, counted = expectations_of_model(asked.expect, baseline, say, "expect" if asked.model is None else "config")
    base = asked.model or ModelSettings()
    if asked.model is None or options.method or options.methods:
        choices = read_choices(options.method, options.methods, baseline)
    else:
        choices = base.choices
        for wrong in misfits(choices, baseline):
            say(f"{wrong.key(baseline.model)}: {wrong}; it is passed over")
    settings = replace(
        base,
        rolling=asked.past,
        seasons=options.seasons,
        choices=choices,
        expectations=wanted,
        performance=performance_settings(asked, options.metrics, baseline, say),
        versions=asked.versions.get(baseline.model, VersionNames()),
    )
    return settings, counted

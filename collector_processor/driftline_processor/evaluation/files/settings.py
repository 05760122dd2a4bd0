"""The settings of a model, from options of an evaluation of files, the configuration and the baseline.

The options and their descriptions are in :mod:`.evaluate_options`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from driftline.baseline.baseline import Baseline
from msgspec import structs

from driftline_processor.core.drift.method_choice import Choice, Choices, check_names, misfits
from driftline_processor.core.expectations.rule import Expectations
from driftline_processor.core.metrics import misnamed
from driftline_processor.core.metrics.cost_and_value import unknown_classes
from driftline_processor.core.model_settings import ModelSettings
from driftline_processor.core.nearest_names import listed, near
from driftline_processor.core.performance.mispredictions import MOST
from driftline_processor.core.performance.objective import Objective, misnamed_metric, read_objective
from driftline_processor.core.performance.settings import PerformanceSettings
from driftline_processor.core.reference.rolling import Rolling
from driftline_processor.core.windows.window import parse as parse_window
from driftline_processor.custom_metrics import load_custom_metrics
from driftline_processor.readers.errors import BadInput, Say, about_option, missing_option, option_text
from driftline_processor.readers.memory import Reference

from .evaluate_options import EvaluationOptions
from .reference import reference_rows_path
from .rolling_reference import read_rolling


def declared_settings(options: EvaluationOptions, configured: ModelSettings | None) -> ModelSettings:
    """Return the settings of a model with the windows, time zone and rolling reference from options.

    Raises :class:`BadInput` for an invalid length and for windows that exclude another option.
    """
    settings = ModelSettings() if configured is None else configured
    rolling = read_rolling(options.reference_last, options.reference_without) or settings.rolling
    windows: tuple[str, ...] = ()
    if options.window_rows is None:
        windows = (options.window,) if options.window else settings.windows
        windows = windows or (("1d",) if rolling else ())
    elif options.window:
        raise BadInput(f"use either this option or {option_text('window_rows')}", "window")
    elif options.window_rows < 1:
        raise BadInput(f"{options.window_rows} rows: must be at least 1", "window_rows")
    elif rolling is not None:
        text = f"works only with windows of time: use {option_text('window')}, not {option_text('window_rows')}"
        raise BadInput(text, "reference_last")
    for name in windows:
        try:
            parse_window(name)
        except ValueError as error:
            raise BadInput(str(error), "window") from error
    return structs.replace(settings, windows=windows, rolling=rolling, timezone=options.timezone or settings.timezone)


def check_options(options: EvaluationOptions, past: Rolling | None, reference: Reference | None) -> None:
    """Raise :class:`BadInput` for options that exclude each other or need other rows.

    Args:
        options: The options.
        past: The rolling reference.
        reference: The reference rows or baseline; None if neither is given.
    """
    if not 0 <= options.mispredictions <= MOST:
        raise BadInput(f"{options.mispredictions} must be a number from 1 to {MOST:,}", "mispredictions")
    need_rows = [name for name in ("exact", "classifier", "importance_weighted") if getattr(options, name)]
    if past is not None and need_rows:
        last = option_text("reference_last")
        raise BadInput(f"needs rows, but {last} keeps only counts; use only one of the two options", need_rows[0])
    if reference is not None:
        for name in need_rows:
            reference_rows_path(reference, name)
    elif past is None:
        raise missing_option(
            "baseline",
            "use a built baseline (.json), or rows to compare with; "
            f"or {option_text('reference_last', '30d')}, to compare each day with those before it",
        )


def read_choices(deciding: Sequence[str], additional: Sequence[str], baseline: Baseline) -> Choices:
    """Read the options for drift methods, which may repeat; a feature's name may contain an equals sign.

    Raises :class:`BadInput` for a method that is unknown, cannot decide or does not apply to the feature, and for an
    unknown feature.

    >>> rows = {"age": [3, 4, 5], "score": [0.1, 0.2, 0.3]}
    >>> baseline = Baseline.from_frame(rows, score="score", model="m", task="binary")
    >>> read_choices(["cramer_von_mises"], ["hellinger,l_infinity"], baseline).everywhere
    Choice(deciding=('cramer_von_mises',), additional=('hellinger', 'l_infinity'))
    """
    everywhere: list[list[str]] = [[], []]
    features: dict[str, list[list[str]]] = {}
    for index, (option, texts) in enumerate((("method", deciding), ("methods", additional))):
        for text in texts:
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


def _performance_settings(
    options: EvaluationOptions, settings: PerformanceSettings, baseline: Baseline, say: Say
) -> PerformanceSettings:
    """Return the performance settings of a model, with the metrics of an option.

    Installed custom metrics are included. Raises :class:`BadInput` for settings of a metric that is not installed or
    does not apply to the task.
    """
    task, option = baseline.task, "config" if options.performance is None else "performance"
    if options.performance is not None:
        from .configuration import performance_of  # it is slow to load

        settings = _of_model(performance_of(options.performance), baseline, option)
    load_custom_metrics(say)
    problems = [problem for name in settings.metrics if (problem := misnamed(name, task.kind))]
    problems += [problem for objective in settings.objectives if (problem := misnamed_metric(objective, task.kind))]
    if unknown := unknown_classes(settings.costs, task):
        problems.append(
            f"costs: {listed(unknown)}: not a class of the model, which has {', '.join(task.classes) or 'none'}"
        )
    if problems:
        raise BadInput(problems[0], option)
    for name in options.metrics:
        if problem := misnamed(name, task.kind):
            raise BadInput(problem, "metrics", name)
    metrics = [*settings.metrics, *options.metrics]
    objectives = _read_objectives(options.objectives)
    for objective in objectives:
        if problem := misnamed_metric(objective, task.kind):
            raise BadInput(problem, "objectives", objective.rule)
        metrics += () if objective.of_service else (objective.metric,)
    return structs.replace(settings, metrics=tuple(metrics), objectives=(*settings.objectives, *objectives))


_T = TypeVar("_T")


def _of_model(settings_by_model: Mapping[str, _T], baseline: Baseline, option: str) -> _T:
    """Return the settings of the baseline's model. Raises :class:`BadInput` if there are none."""
    if baseline.model not in settings_by_model:
        names = tuple(settings_by_model)
        raise BadInput(f"it has nothing for the model '{baseline.model}'; {near(baseline.model, names)}", option)
    return settings_by_model[baseline.model]


def _read_objectives(texts: Sequence[str]) -> tuple[Objective, ...]:
    """Read objectives. Raises :class:`BadInput` for invalid ones."""
    try:
        return tuple(read_objective(text) for text in texts)
    except ValueError as error:
        raise BadInput(str(error), "objectives") from error


def check_objective_slices(settings: PerformanceSettings, keys: Collection[str]) -> None:
    """Raise :class:`BadInput` if an objective names a slice that neither rows nor outcomes have."""
    for objective in settings.objectives:
        if objective.key and objective.key not in keys:
            hint = f"; {near(objective.key, tuple(keys))}" if keys else ""
            raise BadInput(
                f"objective '{objective.rule}': '{objective.key}' is neither a column nor a slice of the outcomes{hint}"
            )


def _expectations(
    options: EvaluationOptions, expectations: Expectations, baseline: Baseline, say: Say
) -> tuple[Expectations, Expectations]:
    """Return the expectations of the model, and those of its data; features that the baseline lacks are reported."""
    option = "config" if options.expect is None else "expect"
    if options.expect is not None:
        from .configuration import expectations_of

        expectations = _of_model(expectations_of(options.expect), baseline, option)
    unknown = [name for name in expectations.features if name not in baseline.bins.features]
    if unknown:
        say(about_option(option, f"{listed(unknown)}: the baseline has no such feature; not checked"))
    features = {name: rules for name, rules in expectations.features.items() if name not in unknown}
    return expectations, replace(expectations, features=features)


def model_settings(
    options: EvaluationOptions, settings: ModelSettings, baseline: Baseline, say: Say
) -> tuple[ModelSettings, Expectations]:
    """Return the settings of the windows, and the expectations whose features the baseline has.

    ``settings``: the result of :func:`declared_settings`.
    """
    expectations, counted = _expectations(options, settings.expectations, baseline, say)
    if options.method or options.methods:
        choices = read_choices(options.method, options.methods, baseline)
    else:
        choices = settings.choices
        for wrong in misfits(choices, baseline):
            say(f"{wrong.key(baseline.model)}: {wrong}; it is ignored")
    versions = settings.versions
    if options.performance is not None:
        from .configuration import versions_in

        versions = versions_in(options.performance)[baseline.model]
    settings = structs.replace(
        settings,
        seasons=options.seasons,
        choices=choices,
        expectations=expectations,
        performance=_performance_settings(options, settings.performance, baseline, say),
        versions=versions,
    )
    return settings, counted

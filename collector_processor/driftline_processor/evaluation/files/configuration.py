"""The model of a ``driftline.yaml`` as settings of an evaluation of files; options win over keys."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from driftline.baseline.baseline import Baseline
from msgspec.structs import replace

from driftline_processor.config.model import Model
from driftline_processor.config.policies import policy_objectives
from driftline_processor.config.schema import Config, ConfigError, load
from driftline_processor.core.expectations.rule import Expectations
from driftline_processor.core.nearest_names import near
from driftline_processor.core.performance.settings import PerformanceSettings
from driftline_processor.core.versions.side_by_side import VersionNames
from driftline_processor.evaluation.settings import settings_of
from driftline_processor.readers.column_options import ColumnOptions, options_of
from driftline_processor.readers.errors import BadInput, Say, option_text

from .evaluate_options import EvaluationOptions
from .inputs import EvaluationInputs
from .reference import load_baseline

NOT_FOR_FILES: Mapping[str, str] = {
    "team": "not needed to evaluate files",
    "approvers": "files have no actions",
    "tier": "evaluations of files have no priority",
    "keep_features": "files already contain their rows",
    "subject": "rows of files are not stored, so nothing needs to be deleted",
    "metrics": "files contain rows, not metrics of other tools",
}
"""Keys of a model that do not apply to files, and why."""


def configure_evaluation(
    inputs: EvaluationInputs, options: EvaluationOptions, say: Say
) -> tuple[EvaluationInputs, EvaluationOptions]:
    """Complete an evaluation with the keys of the configuration; an option wins over its key.

    Args:
        inputs: The rows. The baseline of the configuration is used if no other reference is named.
        options: The model, the columns and the other options.
        say: Called with the keys that do not apply to files.

    Raises:
        BadInput: The file cannot be used, has no such model, or contradicts the baseline.
    """
    file, reference = options.config, inputs.reference
    assert file is not None
    try:
        config = load(file)
    except ConfigError as error:
        raise BadInput(str(error), "config", str(file)) from error
    built = load_baseline(reference)
    name = _model_name(config, file, options.model or ("" if built is None else built.model))
    model = config.models[name]
    if reference is None and model.baseline is not None:
        reference = model.baseline
        built = load_baseline(reference)
    if built is not None:
        _check_task(model, built, file, f"models.{name}")
    timezone = options.timezone or (model.timezone if "timezone" in model.model_fields_set else "")
    windows = model.windows if "windows" in model.model_fields_set else ()
    objectives = policy_objectives(config.watched_policies, name, model.tier, windows)
    settings = replace(settings_of(model, objectives), windows=windows)
    _say_unused(config, name, file, say, ["policies"] if objectives else [])
    keys = keys_of_options(model, options, with_task=built is None)
    options = replace(options, model=name, timezone=timezone, **keys)
    return inputs._replace(reference=reference, settings=settings), options


TASK_KEYS = ("task", "classes", "positive_class", "quantiles")


def keys_of_options(model: Model, options: ColumnOptions, with_task: bool) -> dict[str, Any]:
    """Return the values of a model's keys for the options that are not given.

    Args:
        model: The model of a configuration.
        options: The options.
        with_task: True if keys describe the task; otherwise a built baseline does.
    """
    offered = options_of(ColumnOptions)
    other_keys = {
        "features",
        "timezone",
        *(() if with_task else TASK_KEYS),
    }  # the key ``features`` has settings, not names
    declared = {}
    for name in (offered.keys() & Model.model_fields.keys()) - other_keys:
        default, value = offered[name].default, getattr(model, name)
        if value is not None and getattr(options, name) == default:
            declared[name] = tuple(map(str, value)) if isinstance(default, tuple) else value
    return declared


def _model_name(config: Config, file: Path, name: str) -> str:
    model_names = tuple(config.models)
    if not model_names:
        raise BadInput("it contains no model; add 'models:', and the model's name below it", "config", str(file))
    if not name and len(model_names) > 1:
        raise BadInput(
            f"it contains {len(model_names)} models; choose one with {option_text('model')}, such as {model_names[0]}",
            "config",
            str(file),
        )
    name = name or model_names[0]
    if name not in model_names:
        raise BadInput(f"it does not contain the model '{name}'; {near(name, model_names)}", "config", str(file))
    return name


def _say_unused(config: Config, name: str, file: Path, say: Say, used: Collection[str]) -> None:
    """Report in one line the keys that apply to a running processor only."""
    keys = [key for key in NOT_FOR_FILES if key in config.models[name].model_fields_set]
    unused = [f"models.{name}.{key} ({NOT_FOR_FILES[key]})" for key in keys]
    sections = [key for key in Config.model_fields if key not in {"models", *used} and key in config.model_fields_set]
    unused += [key for key in sections if key != "storage" or config.storage.model_fields_set]
    if unused:
        say(f"{file}: has no effect for files: {', '.join(unused)}")


def _check_task(model: Model, built: Baseline, file: Path, place: str) -> None:
    """Raise :class:`BadInput` if the task differs from that of the baseline."""
    task = built.task
    for key, configured, baseline_value in (
        ("task", model.task, task.kind),
        ("positive_class", model.positive_class, task.positive_class),
        ("classes", set(model.classes), set(task.classes)),
        ("quantiles", model.quantiles, task.quantiles),
    ):
        if configured and baseline_value and configured != baseline_value:
            configured_text, baseline_text = (
                ", ".join(map(str, task_value)) if isinstance(task_value, tuple | set) else task_value
                for task_value in (configured, baseline_value)
            )
            problem = (
                f"{place}.{key}: '{configured_text}', but the baseline was built with '{baseline_text}'; "
                "use the same value"
            )
            raise BadInput(problem, "config", str(file))


def models_of(option: str, file: Path) -> Mapping[str, Model]:
    """Return the models of the configuration that an option names. Raises :class:`BadInput` if it is invalid."""
    try:
        return load(file).models
    except ConfigError as error:
        raise BadInput(str(error), option, str(file)) from error


def performance_of(file: Path | None) -> dict[str, PerformanceSettings]:
    """Return the performance settings of each model of a configuration; {} without a configuration."""
    if file is None:
        return {}
    metrics_by_model = {name: model.performance.settings for name, model in models_of("performance", file).items()}
    if not metrics_by_model:
        raise BadInput("it contains no model with 'performance:'; add the key below a model", "performance", str(file))
    return metrics_by_model


def expectations_of(file: Path | None) -> dict[str, Expectations]:
    """Return the expectations of each model of a configuration; {} without a configuration."""
    if file is None:
        return {}
    models = models_of("expect", file)
    expected = {name: model.expectations for name, model in models.items() if model.expectations}
    if not expected:
        raise BadInput(
            "it contains no 'expect:'; add the key below a model or one of its features", "expect", str(file)
        )
    return expected


def versions_in(file: Path | None) -> dict[str, VersionNames]:
    """Return the names of champion and challengers by model; {} without a configuration."""
    if file is None:
        return {}
    return {name: model.versions.names for name, model in models_of("performance", file).items()}

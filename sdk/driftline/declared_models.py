"""Read the TOML file that declares models, for programs that are instrumented without a code change.

::

    [models.churn]
    task = "binary"
    version = "2026-11-01"
    baseline = "churn.baseline.json"        # relative to this file
    estimator = "sklearn.pipeline.Pipeline" # for integrations of estimators: the class of this model
    outcomes = "/outcomes"                  # for web integrations: a route that accepts outcomes

    [models.churn.privacy]
    deny = ["ssn"]

    [models.churn.routes."POST /predict"]   # for web integrations
    id = "order_id"
    score = "probability"

The SDK reads the models; the integrations read their own keys. A file that cannot be read never stops the program: each
mistake is one line in the log. A model with a mistake is skipped. Its predictions are not recorded under another name
either, because its privacy rules would not apply there.
"""

from __future__ import annotations

import difflib
import inspect
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .configuration import show_log_lines
from .faults import FAULTS, logger
from .settings import read

if TYPE_CHECKING:
    from .model import Model

_TEXT = ((str,), "a string")
_NAMES = ((list,), "a list of strings")
_MODEL: Mapping[str, tuple[tuple[type, ...], str]] = {
    "task": _TEXT,
    "version": _TEXT,
    "baseline": _TEXT,
    "classes": ((list,), "a list of classes, in the order of the scores"),
    "positive_class": ((str, int, float, bool), "a class"),
    "threshold": ((int, float), "a number"),
    "quantiles": ((list,), "a list of levels, such as [0.1, 0.5, 0.9]"),
    "feature_names": _NAMES,
    "text_features": _NAMES,
    "capture": _TEXT,
    "distributions": ((bool,), "true or false"),
    "privacy": ((dict,), "a table, [models.NAME.privacy]"),
}
_INTEGRATIONS: Mapping[str, tuple[tuple[type, ...], str]] = {
    "estimator": _TEXT,
    "outcomes": ((str,), 'a path, such as "/outcomes"'),
    "routes": ((dict,), 'tables, [models.NAME.routes."POST /predict"]'),
}
_KEYS = {**_MODEL, **_INTEGRATIONS}


class Mistake(ValueError):  # noqa: N818 - of who wrote the file
    """A mistake in the file. The text names the key, the rule and the fix."""


@dataclass(frozen=True)
class DeclaredModel:
    """A model of the file, with the keys for integrations.

    Attributes:
        model: The model.
        estimator: Dotted name of a class; "" if not given.
        outcomes: Path of a route that accepts outcomes; "" if not given.
        routes: Table of each route, such as "POST /predict".
        source: Path of the file, for messages.
    """

    model: Model
    estimator: str = ""
    outcomes: str = ""
    routes: Mapping[str, Any] = field(default_factory=dict)
    source: str = ""


@dataclass(frozen=True)
class SkippedModel:
    """A model that is skipped because of its mistakes. No other model may use its name or its estimator.

    Attributes:
        name: Name of the model; "" if the file cannot be read, which reserves every name.
        estimator: Dotted name of a class; "" for every class that no other model names.
        reason: Sentence for the log.
    """

    name: str
    estimator: str
    reason: str


@dataclass
class Declarations:
    """The models of a file.

    Attributes:
        declared: Models without mistakes.
        left_out: Models with mistakes. No other model may use their names and classes.
        mistakes: All mistakes of the file.
    """

    declared: tuple[DeclaredModel, ...] = ()
    left_out: tuple[SkippedModel, ...] = ()
    mistakes: tuple[Mistake, ...] = ()

    def leave_out(self, declared: DeclaredModel) -> None:
        """Skip a model in which an integration found a mistake.

        Args:
            declared: Model to skip.
        """
        self.declared = tuple(other for other in self.declared if other is not declared)
        self.left_out += (_left_out(declared.model.name, {"estimator": declared.estimator}, declared.source),)


_read: dict[str, Declarations] = {}


def declared() -> tuple[DeclaredModel, ...]:
    """Return the models of the file in ``DRIFTLINE_CONFIG``.

    The file is read once per process. Never raises; each mistake is logged once.

    Returns:
        The models without mistakes; () if the variable is not set or the file cannot be read.

    >>> declared()
    ()
    """
    return read_declarations().declared


def read_declarations() -> Declarations:
    """Return the declarations of the file in ``DRIFTLINE_CONFIG``, read once per process. Never raises."""
    path = read("DRIFTLINE_CONFIG")
    if not path:
        return Declarations()
    if path not in _read:
        _read[path] = _load(path)
    return _read[path]


def _load(path: str) -> Declarations:
    try:
        show_log_lines()  # configure() is not called here, but authors need the lines that describe how a route is read
        contents = contents_of(path)
        for mistake in contents.mistakes:
            logger.error("driftline: %s: %s", path, mistake)
        return contents
    except OSError as error:
        logger.error(
            "driftline: DRIFTLINE_CONFIG: the file %s cannot be read (%s); its models are not instrumented",
            path,
            error.strerror or error,
        )
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        logger.error("driftline: %s is not valid TOML: %s; its models are not instrumented", path, error)
    except Exception as fault:
        FAULTS.swallow("config", fault)
    return Declarations(left_out=(SkippedModel("", "", f"{path}, which may declare this model, cannot be read"),))


def contents_of(path: str) -> Declarations:
    """Return the models of a file, its mistakes, and the skipped models.

    Args:
        path: Path of the file.

    Raises:
        OSError: The file cannot be read.
        tomllib.TOMLDecodeError: The file is not valid TOML.
    """
    with open(path, "rb") as file:
        document = tomllib.load(file)
    declared_models: list[DeclaredModel] = []
    mistakes = [Mistake(_unknown(key, key, ("models",))) for key in document if key != "models"]
    tables = document.get("models", {})
    if not isinstance(tables, dict):
        mistakes.append(Mistake("models: must be tables such as [models.churn]"))
        tables = {}
    left_out = [SkippedModel("", "", f"{path}, which may declare this model, has errors")] if mistakes else []
    for name, table in tables.items():
        try:
            declared_models.append(_declared(name, table, path))
        except Exception as error:  # the file can contain any value
            mistakes.append(error if isinstance(error, Mistake) else Mistake(f"models.{name}: {error}"))
            left_out.append(_left_out(name, table, path))
    return Declarations(tuple(declared_models), tuple(left_out), tuple(mistakes))


def _left_out(name: str, table: Any, path: str) -> SkippedModel:
    estimator = table.get("estimator", "") if isinstance(table, dict) else ""
    return SkippedModel(
        name,
        estimator if isinstance(estimator, str) else "",
        f"it may be [models.{name}] of {path}, which is skipped because of its errors",
    )


def _declared(name: str, table: Any, path: str) -> DeclaredModel:
    """Return the model of a table. Raises :class:`Mistake`, or what the arguments of the model raise."""
    from driftline.privacy.policy import Privacy

    from .model import Model

    key = f"models.{name}"
    if not isinstance(table, dict):
        raise Mistake(f"{key}: must be a table, [{key}]")
    for argument, value in table.items():
        if argument not in _KEYS:
            raise Mistake(_unknown(f"{key}.{argument}", argument, tuple(_KEYS)))
        kinds, expected = _KEYS[argument]
        strange = isinstance(value, list) and expected is _NAMES[1] and not all(isinstance(name, str) for name in value)
        if strange or not isinstance(value, kinds):
            raise Mistake(f"{key}.{argument}: must be {expected}, not {value!r}")
    if not table.get("task") and "baseline" not in table and "routes" in table:  # the estimator provides the task
        raise Mistake(
            f"{key}.task: is missing; use 'binary', 'multiclass', 'regression' or 'ranking', or set a baseline"
        )
    options = {argument: table[argument] for argument in _MODEL if argument in table}
    if "privacy" in options:
        parameters = tuple(inspect.signature(Privacy).parameters)
        for rule in options["privacy"]:
            if rule not in parameters:
                raise Mistake(_unknown(f"{key}.privacy.{rule}", rule, parameters))
        options["privacy"] = Privacy(**options["privacy"])
    if "baseline" in options:
        options["baseline"] = Path(path).resolve().parent / options["baseline"]
    extra = {integration: table[integration] for integration in _INTEGRATIONS if integration in table}
    return DeclaredModel(Model(name, **options), **extra, source=path)


def _unknown(key: str, name: str, known_keys: tuple[str, ...]) -> str:
    near = difflib.get_close_matches(name, known_keys, 1)
    fix = f"did you mean {near[0]!r}?" if near else f"the keys are {', '.join(known_keys)}"
    return f"{key}: unknown key; {fix}"

"""The TOML file of a program that is instrumented without a line of code: which models it has, and where they predict.

::

    [models.churn]
    task = "binary"
    version = "2026-11-01"
    baseline = "churn.baseline.json"        # relative to this file
    estimator = "sklearn.pipeline.Pipeline" # for integrations of estimators: which class this model is
    outcomes = "/outcomes"                  # for web integrations: a route that takes outcomes

    [models.churn.privacy]
    deny = ["ssn"]

    [models.churn.routes."POST /predict"]   # for web integrations
    id = "order_id"
    score = "probability"

The SDK reads the models; what else a table says is read by the integration that knows it. A file that cannot be read
never stops the program: each mistake is one line in the log.
"""

from __future__ import annotations

import difflib
import inspect
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .config import be_heard
from .faults import FAULTS, logger
from .settings import read

if TYPE_CHECKING:
    from .model import Model

_TEXT = ((str,), "a text")
_NAMES = ((list,), "a list of texts")
_MODEL: Mapping[str, tuple[tuple[type, ...], str]] = {
    "task": _TEXT,
    "version": _TEXT,
    "baseline": _TEXT,
    "classes": ((list,), "a list of classes, in the order of the scores"),
    "positive_class": ((str, int, float, bool), "a class"),
    "threshold": ((int, float), "a number"),
    "feature_names": _NAMES,
    "text_features": ((list, dict), "a list of texts, or a table of name = script"),
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
_CAPTURES = ("none", "scores", "features")


class Mistake(ValueError):  # noqa: N818 - of who wrote the file
    """One mistake in the file. Its text names the key, the rule and the fix."""


@dataclass(frozen=True)
class Declared:
    """A model that the file declares, with what integrations are to know of it.

    ``estimator``: the dotted name of a class, "" for none. ``routes``: "POST /predict" → its table. ``outcomes``: the
    path of a route that takes outcomes, "" for none. ``source``: the file, for messages.
    """

    model: Model
    estimator: str = ""
    outcomes: str = ""
    routes: Mapping[str, Any] = field(default_factory=dict)
    source: str = ""


_read: dict[str, tuple[Declared, ...]] = {}


def declared() -> tuple[Declared, ...]:
    """Return the models of the file that ``DRIFTLINE_CONFIG`` names; none where it is not set or cannot be read.

    The file is read once per process. Never raises; the log says what is wrong, once.

    >>> declared()
    ()
    """
    path = read("DRIFTLINE_CONFIG")
    if not path:
        return ()
    if path not in _read:
        _read[path] = _load(path)
    return _read[path]


def _load(path: str) -> tuple[Declared, ...]:
    try:
        be_heard()  # nobody calls configure() here, and how a route was read is what its author needs to see
        found, mistakes = models_of(path)
        for mistake in mistakes:
            logger.error("driftline: %s: %s", path, mistake)
        return tuple(found)
    except OSError as error:
        logger.error(
            "driftline: DRIFTLINE_CONFIG names %s, which cannot be read (%s); nothing of it is instrumented",
            path,
            error.strerror or error,
        )
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        logger.error("driftline: %s is no TOML: %s; nothing of it is instrumented", path, error)
    except Exception as fault:
        FAULTS.swallow("config", fault)
    return ()


def models_of(path: str) -> tuple[list[Declared], list[Mistake]]:
    """Return the models that a file declares, and its mistakes; a model with a mistake is left out.

    Raises ``OSError`` and ``tomllib.TOMLDecodeError``.
    """
    with open(path, "rb") as file:
        document = tomllib.load(file)
    found: list[Declared] = []
    mistakes = [Mistake(_unknown(key, key, ("models",))) for key in document if key != "models"]
    tables = document.get("models", {})
    if not isinstance(tables, dict):
        return [], [*mistakes, Mistake("models: must be tables, [models.churn]")]
    for name, table in tables.items():
        try:
            found.append(_declared(name, table, Path(path)))
        except Mistake as mistake:
            mistakes.append(mistake)
        except Exception as error:  # what the model or its baseline say
            mistakes.append(Mistake(f"models.{name}: {error}"))
    return found, mistakes


def _declared(name: str, table: Any, path: Path) -> Declared:
    from .model import Model

    key = f"models.{name}"
    if not isinstance(table, dict):
        raise Mistake(f"{key}: must be a table, [{key}]")
    for own, value in table.items():
        expected = _KEYS.get(own)
        if expected is None:
            raise Mistake(_unknown(f"{key}.{own}", own, tuple(_KEYS)))
        if not isinstance(value, expected[0]):
            raise Mistake(f"{key}.{own}: must be {expected[1]}, not {value!r}")
        if expected is _NAMES and not all(isinstance(element, str) for element in table[own]):
            raise Mistake(f"{key}.{own}: must be {expected[1]}, not {value!r}")
    options = {own: table[own] for own in _MODEL if own in table}
    if options.get("capture", "features") not in _CAPTURES:
        raise Mistake(f"{key}.capture: must be one of {', '.join(_CAPTURES)}, not {options['capture']!r}")
    if "privacy" in options:
        options["privacy"] = _privacy(options["privacy"], f"{key}.privacy")
    if "baseline" in options:
        options["baseline"] = path.resolve().parent / options["baseline"]
    if not table.get("task") and "baseline" not in options and "routes" in table:  # an estimator knows its task
        raise Mistake(
            f"{key}.task: is missing; say 'binary', 'multiclass', 'regression' or 'ranking', or give a baseline"
        )
    extra = {own: table[own] for own in _INTEGRATIONS if own in table}
    return Declared(Model(name, **options), **extra, source=str(path))


def _privacy(table: dict[str, Any], key: str) -> Any:
    from .privacy import Privacy

    known = tuple(name for name in inspect.signature(Privacy).parameters)
    for own in table:
        if own not in known:
            raise Mistake(_unknown(f"{key}.{own}", own, known))
    try:
        return Privacy(**table)
    except (TypeError, ValueError) as error:
        raise Mistake(f"{key}: {error}") from error


def _unknown(key: str, name: str, known: tuple[str, ...]) -> str:
    near = difflib.get_close_matches(name, known, 1)
    fix = f"did you mean {near[0]!r}?" if near else f"it is one of {', '.join(known)}"
    return f"{key}: there is no such key; {fix}"

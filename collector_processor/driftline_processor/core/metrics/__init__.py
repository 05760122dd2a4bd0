"""Performance metrics: those in a constant ``METRICS`` of a module of this package are found automatically.

Metrics of users are added by :func:`install_metrics`, see :mod:`driftline_processor.custom_metrics`. May import
`intervals` and below.
"""

from __future__ import annotations

import pkgutil
import re
from collections.abc import Collection, Iterable, Iterator
from importlib import import_module
from typing import get_args

from driftline.tables.task import KINDS, RANKING, Task

from driftline_processor.core.nearest_names import near

from .metric import Argument, Estimation, Metric, Slopes, Unit, usual_for
from .name_grammar import name_with_number, parse_name

__all__ = [
    "METRICS",
    "Argument",
    "Estimation",
    "Metric",
    "Slopes",
    "declaration_problems",
    "direction",
    "estimated_names",
    "install_metrics",
    "metric_named",
    "metric_of",
    "metrics_of_task",
    "misnamed",
    "title",
    "usual_for",
]


def _discovered() -> Iterator[Metric]:
    for module in pkgutil.iter_modules(__path__):
        yield from getattr(import_module(f"{__name__}.{module.name}"), "METRICS", ())


METRICS: dict[str, Metric] = {one.name: one for one in sorted(_discovered(), key=lambda one: (one.rank, one.name))}
"""All metrics by name: Driftline's in the order in which a task shows them, then those of users."""

_OURS = tuple(METRICS.values())
_BASES = {base: metric for metric in _OURS for base in metric.bases}


def install_metrics(metrics: Iterable[Metric]) -> None:
    """Add the metrics of users to Driftline's, replacing those of an earlier call."""
    catalogue = {metric.name: metric for metric in (*_OURS, *metrics)}
    bases = {base: metric for metric in catalogue.values() for base in metric.bases}
    for known, now in ((METRICS, catalogue), (_BASES, bases)):
        known.update(now)  # other threads read Driftline's own metrics meanwhile
        for name in known.keys() - now.keys():
            del known[name]


def declaration_problems(metric: Metric) -> Iterator[str]:
    """Yield one sentence per problem in the declaration of a user's metric.

    >>> from msgspec.structs import replace
    >>> list(declaration_problems(replace(METRICS["mcc"], name="my_mcc", tasks=frozenset({"binari"}))))
    ["its task 'binari' does not exist; use one or more of binary, multiclass, ranking, regression"]
    """
    name = metric.name
    if not isinstance(name, str) or re.fullmatch("[a-z][a-z0-9_]*", name) is None:
        yield (
            f"its name {name!r} is not allowed; use lowercase letters, digits and underscores, and begin with a letter"
        )
    elif any(base in our.bases for our in _OURS for base in metric.bases):
        yield "Driftline already has a metric with this name; rename it"
    if not metric.tasks:
        yield f"it has no task; add one or more of {', '.join(sorted(KINDS))}"
    for kind in sorted(set(metric.tasks) - {*KINDS, ""}):
        yield f"its task '{kind}' does not exist; use one or more of {', '.join(sorted(KINDS))}"
    if metric.direction not in (-1, 0, 1):
        yield f"its direction is {metric.direction!r}; use 1 = higher is better, -1 = lower is better, or 0 = neither"
    if metric.unit not in get_args(Unit):
        yield f"its unit '{metric.unit}' is not supported; use one of {', '.join(get_args(Unit))}"
    if not metric.title:
        yield "it has no title; add the title that pages show"
    if not metric.minimum < metric.maximum:
        yield f"its lower bound {metric.minimum:g} must be below its upper bound {metric.maximum:g}"


def metric_of(base: str) -> Metric | None:
    """Return the metric for the base of a name; None if it does not exist.

    >>> metric_of("f1_weighted").name, metric_of("no_such_metric")
    ('f1', None)
    """
    return _BASES.get(base)


def metric_named(name: str) -> Metric | None:
    """Return the metric for a full name, with or without a number; None if it does not exist.

    >>> metric_named("lift@0.1").name, metric_named("no_such_metric")
    ('lift', None)
    """
    parsed = parse_name(name)
    return None if parsed is None else metric_of(parsed.base)


def direction(name: str) -> int:
    """Return the good direction: 1 = higher, -1 = lower, 0 = neither or unknown.

    >>> direction("lift@0.1"), direction("quantile_loss@0.9"), direction("bias"), direction("my_metric")
    (1, -1, 0, 0)
    """
    metric = metric_named(name)
    return 0 if metric is None else metric.direction


def estimated_names() -> tuple[str, ...]:
    """Return the names of the metrics that can be estimated without outcomes.

    >>> "roc_auc" in estimated_names(), "ks" in estimated_names()
    (True, False)
    """
    return tuple(name for name, metric in METRICS.items() if metric.estimate is not None)


def metrics_of_task(task: Task, asked: Collection[str] = ()) -> tuple[str, ...]:
    """Return the metrics of a task: the default ones, then the requested ones.

    >>> metrics_of_task(Task("regression", quantiles=(0.1, 0.5, 0.9)), ["quantile_loss@0.9"])[4:9]
    ('bias', 'quantile_loss@0.1', 'quantile_loss@0.5', 'quantile_loss@0.9', 'interval_coverage@0.8')
    """
    usual = (name for metric in METRICS.values() for name in metric.usual(task))
    return tuple(dict.fromkeys((*usual, *_expand_classes(task, asked))))


def _expand_classes(task: Task, asked: Iterable[str]) -> Iterable[str]:
    """Replace ``name[*]`` by one name per class."""
    for name in asked:
        parsed = parse_name(name)
        if parsed is not None and parsed.of == "*":
            yield from (f"{parsed.base}[{label}]" for label in task.classes)
        else:
            yield name


def misnamed(name: str, kind: str = "", custom: Collection[str] = ()) -> str:
    """Return the error message for an invalid metric name; "" if the name is valid.

    Args:
        name: The name, with its number or its class.
        kind: The kind of task; "" if unknown.
        custom: Other valid names.

    >>> misnamed("fbeta")
    "'fbeta' needs a beta above 0, as in 'fbeta@2'"
    >>> misnamed("fbeta@2"), misnamed("recall[*]", "multiclass"), misnamed("fbeta@2.0")
    ('', '', "'fbeta@2.0' must be written 'fbeta@2'")
    >>> misnamed("acuracy", "binary")
    "'acuracy' is not a metric of a binary model; did you mean 'accuracy'?"
    """
    if name in custom:
        return ""
    parsed, of_kind = parse_name(name), kind if kind in KINDS else ""
    every = METRICS.values()
    known_bases = {base for metric in every for base in (metric.bases_for(of_kind) if of_kind else metric.bases)}
    if parsed is None or parsed.base not in known_bases:
        of_model = f" of a {of_kind} model" if of_kind else ""
        suggestion = near(
            name if parsed is None else parsed.base,
            sorted({*known_bases, *custom}),
            most=len(known_bases) + len(custom),
        )
        return f"'{name:.80}' is not a metric{of_model}; {suggestion}"
    metric = _BASES[parsed.base]
    need = metric.argument
    if need is not None and (parsed.at is None or not need.valid(parsed.at)):
        return f"'{name}' needs {need.words}, as in '{name_with_number(metric.name, need.example)}'"
    task = Task(kind)
    ranked = task.ranks_items or (not kind and RANKING.name in metric.tasks)
    if parsed.at is not None and (need is not None or ranked):
        of_model = "" if parsed.of is None else f"[{parsed.of}]"
        if name != (plain := name_with_number(parsed.base, parsed.at) + of_model):
            return f"'{name}' must be written '{plain}'"
    elif parsed.at is not None:
        return f"'{name}' takes no number: use '{parsed.base}'"
    if parsed.of is not None and (parsed.base not in _names_of_classes() or not (task.has_class_scores or not kind)):
        return f"'{name}' is not computed per class; in a multiclass model, {', '.join(_names_of_classes())} are"
    return ""


def _names_of_classes() -> list[str]:
    """Return the metrics that are computed per class, those from decisions first."""
    metrics = [metric for metric in METRICS.values() if metric.of_class]
    return [metric.name for metric in sorted(metrics, key=lambda one: not one.averages)]


def title(name: str) -> str:
    """Return the title of a metric by its name.

    >>> title("f1_weighted"), title("ndcg@10"), title("recall[cat]"), title("my_metric")
    ('F1, weighted', 'NDCG@10', 'recall[cat]', 'my metric')
    """
    parsed = parse_name(name)
    metric = None if parsed is None else metric_of(parsed.base)
    if parsed is None or metric is None:
        return name.replace("_", " ")
    average = parsed.base.removeprefix(metric.name).lstrip("_")
    return metric.title + (f", {average}" if average else "") + name.removeprefix(parsed.base)

"""Names of metrics: ``base``, ``base@number`` (``fbeta@2``), ``base[class]`` (``recall[cat]``); the usual ones of a
task.

The same name is a key of JSON, the attribute ``ml.performance.metric``, and what objectives and options refer to.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from typing import NamedTuple

from driftline.panes.outcome_sums import intervals
from driftline.tables.classes import number_text
from driftline.tables.table import Task

from driftline_processor.core.nearest_names import near

NAME = r"[a-z][a-z0-9_]*(?:@[0-9.eE+-]+)?(?:\[.*\])?"
"""A regular expression of every name."""

_NAME = re.compile(r"(?P<base>[a-z][a-z0-9_]*)(?:@(?P<at>[0-9.eE+-]+))?(?:\[(?P<of>.*)\])?", re.DOTALL)

_BINARY = (
    *("roc_auc", "average_precision", "accuracy", "precision", "recall", "f1", "specificity", "balanced_accuracy"),
    *("log_loss", "brier", "calibration_error", "ks", "lift@0.1", "gain@0.1", "mean_score", "actual_rate"),
)
_MULTICLASS = ("accuracy", "precision", "recall", "f1", "f1_weighted", "roc_auc_ovr", "log_loss", "brier")
_REGRESSION = ("mae", "rmse", "mape", "r2", "bias")
_WORTH = ("cost", "cost_per_prediction", "value", "value_per_prediction")

_AVERAGED = ("precision", "recall", "f1")
_AVERAGES = tuple(f"{name}_{average}" for name in _AVERAGED for average in ("micro", "weighted"))
OF_CLASS = (*_AVERAGED, "roc_auc")
"""What is known of each class of many: ``recall[cat]``, or of all of them: ``recall[*]``."""

KNOWN = {
    "binary": {*(name.partition("@")[0] for name in _BINARY), "fbeta", "log_loss_constant", *_WORTH},
    "multiclass": {*_MULTICLASS, *_AVERAGES, *OF_CLASS, "top_k_accuracy", "balanced_accuracy", *_WORTH},
    "regression": {*_REGRESSION, "quantile_loss", "interval_coverage", *_WORTH},
    "ranking": {"ctr", "hit_rate", "precision", "recall", "ndcg", "mrr", "map", *_WORTH},
}
"""Kind of task → what a metric's name may begin with."""

_WITH_NUMBER = {
    "fbeta": "a beta above 0, as in 'fbeta@2'",
    "lift": "a share of the rows, as in 'lift@0.1'",
    "gain": "a share of the rows, as in 'gain@0.1'",
    "top_k_accuracy": "a number of classes, as in 'top_k_accuracy@5'",
    "quantile_loss": "a declared level, as in 'quantile_loss@0.9'",
    "interval_coverage": "a nominal coverage, as in 'interval_coverage@0.8'",
}

LOWER_IS_BETTER = frozenset(
    {
        *("log_loss", "log_loss_constant", "brier", "calibration_error", "mae", "rmse", "mse", "mape"),
        *("quantile_loss", "cost", "cost_per_prediction"),
    }
)
_NEITHER = frozenset({"mean_score", "actual_rate", "bias", "interval_coverage", "log_loss_constant"})


class Name(NamedTuple):
    """A name in its pieces. ``at``: the number behind ``@``; ``of``: the class in brackets, ``*`` = every one."""

    base: str
    at: float | None = None
    of: str | None = None


def parse_name(name: str) -> Name | None:
    """Take a name to pieces; None where it is none.

    >>> parse_name("fbeta@2"), parse_name("recall[tabby cat]")
    (Name(base='fbeta', at=2.0, of=None), Name(base='recall', at=None, of='tabby cat'))
    """
    found = _NAME.fullmatch(name)
    if found is None:
        return None
    try:
        return Name(found["base"], None if found["at"] is None else float(found["at"]), found["of"])
    except ValueError:
        return None


def name_with_number(base: str, at: float) -> str:
    """Write a name with its number.

    >>> name_with_number("fbeta", 2.0), name_with_number("lift", 0.1)
    ('fbeta@2', 'lift@0.1')
    """
    return f"{base}@{number_text(at)}"


def direction(name: str) -> int:
    """Tell which way is good: 1 = higher, -1 = lower, 0 = neither, or it cannot be told (a custom metric).

    >>> direction("lift@0.1"), direction("quantile_loss@0.9"), direction("bias"), direction("my_metric")
    (1, -1, 0, 0)
    """
    found = parse_name(name)
    if found is None or found.base in _NEITHER or not any(found.base in known for known in KNOWN.values()):
        return 0
    return -1 if found.base in LOWER_IS_BETTER else 1


def metrics_of_task(task: Task, asked: Collection[str] = ()) -> tuple[str, ...]:
    """Return which metrics a task has: the usual ones, then those that somebody asked for by name.

    >>> metrics_of_task(Task("regression", quantiles=(0.1, 0.5, 0.9)), ["quantile_loss@0.9"])[4:]
    ('bias', 'quantile_loss@0.1', 'quantile_loss@0.5', 'quantile_loss@0.9', 'interval_coverage@0.8')
    """
    usual: tuple[str, ...] = ()
    if task.kind == "binary":
        usual = _BINARY
    elif task.kind == "multiclass":
        usual = (*_MULTICLASS, *(("top_k_accuracy@5",) if len(task.classes) > 5 else ()))
    elif task.kind == "regression":
        levels = (name_with_number("quantile_loss", level) for level in task.quantiles)
        usual = (*_REGRESSION, *levels, *(name_with_number("interval_coverage", share) for share in intervals(task)))
    return tuple(dict.fromkeys((*usual, *_spread(task, asked))))


def _spread(task: Task, asked: Iterable[str]) -> Iterable[str]:
    """Names of every class where they are asked of ``*``."""
    for name in asked:
        found = parse_name(name)
        if found is not None and found.of == "*":
            yield from (f"{found.base}[{label}]" for label in task.classes)
        else:
            yield name


def misnamed(name: str, kind: str = "", custom: Collection[str] = ()) -> str:
    """Say what is wrong with the name of a metric that somebody asks for; "" where nothing is.

    ``kind``: of the task; "" where it is not known. ``custom``: the names of metrics that are installed.

    >>> misnamed("fbeta")
    "'fbeta' needs a beta above 0, as in 'fbeta@2'"
    >>> misnamed("fbeta@2"), misnamed("recall[*]", "multiclass"), misnamed("fbeta@2.0")
    ('', '', "'fbeta@2.0' is written 'fbeta@2'")
    >>> misnamed("acuracy", "binary")
    "'acuracy' is no metric of a binary model; did you mean 'accuracy'?"
    """
    if name in custom:
        return ""
    found, known = parse_name(name), KNOWN.get(kind) or set().union(*KNOWN.values())
    if found is None or found.base not in known:
        of = f" of a {kind} model" if kind in KNOWN else ""
        meant = near(name if found is None else found.base, sorted({*known, *custom}), most=len(known) + len(custom))
        return f"'{name:.80}' is no metric{of}; {meant}"
    need = _WITH_NUMBER.get(found.base)
    if need is not None and (found.at is None or not _sensible(found.base, found.at)):
        return f"'{name}' needs {need}"
    ranked = kind == "ranking" or (not kind and found.base in KNOWN["ranking"])
    if found.at is not None and (need is not None or ranked):
        of = "" if found.of is None else f"[{found.of}]"
        if name != (plain := name_with_number(found.base, found.at) + of):
            return f"'{name}' is written '{plain}'"
    elif found.at is not None:
        return f"'{name}' has no number: write '{found.base}'"
    if found.of is not None and (found.base not in OF_CLASS or kind not in ("", "multiclass")):
        return f"'{name}' is not told of single classes; {', '.join(OF_CLASS)} are, of a multiclass model"
    return ""


def _sensible(base: str, at: float) -> bool:
    if base == "top_k_accuracy":
        return at >= 1 and at == int(at)
    return at > 0 if base == "fbeta" else 0 < at <= 1


def is_known(name: str) -> bool:
    """Tell whether a name means something already, so that no custom metric may have it."""
    found = parse_name(name)
    return found is not None and any(found.base in known for known in KNOWN.values())

"""Documents of OpenSLO v1: a service for each model, and an SLO for each objective with an error budget.

Source: OpenSLO specification, version 1 (``openslo/v1``), object types Service and SLO.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import xxhash
import yaml

from driftline_processor.config.model import Model
from driftline_processor.config.schema import Config
from driftline_processor.core.windows.window import length
from driftline_processor.core.wording import short

from .error_budgets import PERIOD, Budget, budgets, counted_calls, counted_failures
from .promql import one_of
from .signal_queries import query

VERSION: Final = "openslo/v1"
"""The version of the specification."""

_LONGEST: Final = 63
"""Characters of a name by RFC 1123."""
_DIGEST: Final = 8
"""Characters by which alike names are told apart."""
_RATE: Final = "5m"
"""Over which calls are counted."""

Document = dict[str, Any]
"""An object of OpenSLO."""


def openslo_documents(config: Config) -> str:
    """Return the objects of a configuration's objectives, as documents of YAML."""
    documents = [*_documents(config.models)]
    head = "# Objectives of driftline.yaml as OpenSLO, written by `driftline rules`; do not edit.\n"
    return head + yaml.safe_dump_all(documents, sort_keys=False, width=10**6, allow_unicode=True)


def _documents(models: Mapping[str, Model]) -> Iterator[Document]:
    budgets_of_models, _ = budgets(models)
    for name in dict.fromkeys(budget.model for budget in budgets_of_models):
        model = models[name]
        labels = {"team": _label(model.team or ""), "tier": str(model.tier or "")}
        metadata = {"name": object_name(name), "displayName": short(name)}
        filled_labels = {key: text for key, text in labels.items() if text}
        yield _object(
            "Service",
            {**metadata, **({"labels": filled_labels} if filled_labels else {})},
            {"description": short(f"The model {name}.", 200)},
        )
    for budget in budgets_of_models:
        yield _slo(budget)


def _slo(budget: Budget) -> Document:
    rule = budget.objective.rule
    metadata = {"name": object_name(budget.model, rule), "displayName": short(f"{budget.model}: {rule}")}
    target = round(1 - budget.allowed, 12)
    spec = {
        "description": short(f"{rule}. The error budget is for {PERIOD}.", 1_000),
        "service": object_name(budget.model),
        "indicator": {
            "metadata": {"name": object_name(budget.model, rule, "indicator")},
            "spec": {"ratioMetric": _ratio(budget)},
        },
        "timeWindow": [{"duration": PERIOD, "isRolling": True}],
        "budgetingMethod": "Occurrences",
        "objectives": [{"displayName": short(rule), "target": target}],
    }
    return _object("SLO", metadata, spec)


def _ratio(budget: Budget) -> Document:
    """Return the share that fails: of calls, or of the newest window, where every window counts alike."""
    if budget.counted:
        bad, total = counted_failures(budget, _RATE), counted_calls(budget, _RATE)
    else:
        longest = max((long for long, _ in budget.longs), key=length)
        ratio_query = query(budget.signal, longest, (one_of([budget.model]),))
        bad, total = (f"1 - {ratio_query}" if budget.objective.upwards else ratio_query), f"{ratio_query} ^ 0"
    return {"counter": False, "bad": _source(f"sum({bad})"), "total": _source(f"sum({total})")}


def _source(expression: str) -> Document:
    return {"metricSource": {"type": "Prometheus", "spec": {"query": expression}}}


def _object(kind: str, metadata: Document, spec: Document) -> Document:
    return {"apiVersion": VERSION, "kind": kind, "metadata": metadata, "spec": spec}


def object_name(*parts: str) -> str:
    """Return a name by RFC 1123 that stands for some texts: what it can keep of them, and a digest of the rest.

    >>> object_name("churn")
    'churn'
    >>> object_name("Churn", "recall >= 0.9")
    'churn-recall-0-9-90ac1d4e'
    """
    text = "\0".join(parts)
    slug = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
    if slug == text and len(slug) <= _LONGEST:
        return slug
    digest = xxhash.xxh3_64_hexdigest(text.encode("utf-8", "surrogatepass"))[:_DIGEST]
    return f"{slug[: _LONGEST - _DIGEST - 1].strip('-')}-{digest}".strip("-")


def _label(text: str) -> str:
    """Return what a label of an object can hold of a text."""
    return re.sub(r"[^a-zA-Z0-9._-]+", "-", text).strip("-._")[:_LONGEST]

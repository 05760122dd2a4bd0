"""Policies as NRQL conditions of New Relic: variables of ``alertsNrqlConditionStaticCreate``, one JSON file.

Untested against New Relic. A metric and its attributes keep their names, which NRQL puts in backticks for their dots.

Source: docs.newrelic.com, "NerdGraph tutorial: NRQL condition alerts", "Create a static NRQL condition".
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

from driftline.semconv import attributes as a

from driftline_processor.core.wording import short

from .vendor_queries import VendorPolicy

OPERATORS: Final = {"<": "BELOW", "<=": "BELOW_OR_EQUALS", ">": "ABOVE", ">=": "ABOVE_OR_EQUALS"}

MUTATION: Final = (
    "mutation($accountId: Int!, $policyId: ID!, $condition: AlertsNrqlConditionStaticInput!) "
    "{ alertsNrqlConditionStaticCreate(accountId: $accountId, policyId: $policyId, condition: $condition) { id name } }"
)
"""What each condition is a variable of."""

AGGREGATION: Final = 300
"""Seconds of an aggregation window."""

LEAST_TIME: Final = 600
"""Seconds for which a condition must hold: two aggregation windows."""

LIMIT: Final = 3 * 86_400
"""Seconds after which an open incident closes by itself."""


def conditions(policies: Sequence[VendorPolicy]) -> list[dict[str, Any]]:
    """Return the conditions of policies, as NerdGraph takes them."""
    return [_condition(one) for one in policies]


def newrelic_file(policies: Sequence[VendorPolicy]) -> str:
    """Return the file of conditions: the mutation, and what ``$condition`` is each time."""
    return json.dumps({"query": MUTATION, "conditions": conditions(policies)}, indent=2, ensure_ascii=False) + "\n"


def _condition(one: VendorPolicy) -> dict[str, Any]:
    policy, query = one.policy, one.query
    held = max(one.held // AGGREGATION * AGGREGATION, LEAST_TIME)
    return {
        "name": one.title,
        "description": short(f"It fires where {policy.condition.written}, in windows of {one.scope.window}.", 500),
        "enabled": True,
        **({"runbookUrl": policy.runbook} if policy.runbook else {}),
        "nrql": {"query": _query(one)},
        "signal": {"aggregationWindow": AGGREGATION, "aggregationMethod": "EVENT_FLOW", "aggregationDelay": 120},
        "terms": [
            {
                "operator": OPERATORS[query.sign],
                "priority": "CRITICAL" if policy.severity == "critical" else "WARNING",
                "threshold": query.limit,
                "thresholdDuration": held,
                "thresholdOccurrences": "ALL",
            }
        ],
        "violationTimeLimitSeconds": LIMIT,
    }


def _query(one: VendorPolicy) -> str:
    query = one.query
    of = _name(query.metric)
    number = (
        f"uniqueCount({_name(a.DRIFTLINE_FEATURE_NAME)})"
        if query.counted
        else f"{'max' if query.sign.startswith('>') else 'min'}({of})"
    )
    wanted = [_one_of(name, values) for name, values in query.wanted.items()]
    wanted += [f"{_name(name)} IS NULL" for name in query.absent]
    if query.counted:
        wanted.append(f"{of} = 1")
    if one.scope.names:
        wanted.append(_one_of(a.ML_MODEL_NAME, one.scope.names))
    if one.scope.without:
        wanted.append(f"NOT ({_one_of(a.ML_MODEL_NAME, one.scope.without)})")
    by = ", ".join(map(_name, (a.ML_MODEL_NAME, a.ML_MODEL_VERSION)))
    return f"SELECT {number} FROM Metric WHERE {' AND '.join(wanted)} FACET {by}"


def _name(name: str) -> str:
    return f"`{name}`"


def _one_of(name: str, values: Sequence[str]) -> str:
    quoted = [_text(value) for value in dict.fromkeys(values)]
    return f"{_name(name)} = {quoted[0]}" if len(quoted) == 1 else f"{_name(name)} IN ({', '.join(quoted)})"


def _text(text: str) -> str:
    r"""Return a text in quotes, as NRQL reads it.

    >>> print(_text("o'clock"))
    'o\'clock'
    """
    plain = "".join(letter for letter in text if letter.isprintable())
    return "'" + plain.replace("\\", "\\\\").replace("'", "\\'") + "'"

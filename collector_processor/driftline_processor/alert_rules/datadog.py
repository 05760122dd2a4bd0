"""Policies as monitors of Datadog: the bodies of ``POST /api/v1/monitor``, one JSON file. Untested against Datadog.

An OTLP gauge keeps its name in Datadog, and attributes of its points become tags, in lower case and with underscores
for all that a tag cannot hold.

Source: docs.datadoghq.com, "OTLP Metrics Types", "Getting Started with Tags" and "Monitors API".
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any, Final

from driftline.semconv import attributes as a

from driftline_processor.core.wording import short

from .vendor_queries import VendorPolicy

LONGEST_TAG: Final = 200
"""Characters of a tag at most, its key among them."""

PRIORITIES: Final = {"critical": 1, "warning": 3, "info": 5, None: 3}
"""Severity of a policy → priority of its monitor, 1 the highest."""

LEAST_TIME: Final = 10
"""Minutes for which a condition must hold: a value is shown as long as its window is the newest."""

BY: Final = (a.ML_MODEL_NAME, a.ML_MODEL_VERSION)
"""The tags by which a monitor tells models apart."""


def tag_value(text: str) -> str:
    """Return a text as the value of a tag.

    >>> tag_value("Späte Flüge <EU>")
    'späte_flüge_eu'
    """
    plain = "".join(letter if letter.isalnum() or letter in "-:./" else "_" for letter in text.lower())
    return re.sub(r"_+", "_", plain)[:LONGEST_TAG].strip("_")


def monitors(policies: Sequence[VendorPolicy]) -> list[dict[str, Any]]:
    """Return the monitors of policies, as the API takes them."""
    return [_monitor(one) for one in policies]


def datadog_file(policies: Sequence[VendorPolicy]) -> str:
    """Return the file of monitors: a list, each of which is the body of one request."""
    return json.dumps(monitors(policies), indent=2, ensure_ascii=False) + "\n"


def _monitor(one: VendorPolicy) -> dict[str, Any]:
    policy, query = one.policy, one.query
    minutes = max(one.held // 60, LEAST_TIME)
    tags = ["source:driftline", f"policy:{tag_value(one.name)}"]
    return {
        "name": one.title,
        "type": "query alert",
        "query": f"{_query(one, minutes)} {query.sign} {query.limit:.12g}",
        "message": _message(one),
        "tags": [*tags, *([f"team:{tag_value(policy.owner)}"] if policy.owner else [])],
        "priority": PRIORITIES[policy.severity],
        "options": {
            "thresholds": {"critical": query.limit},
            "notify_no_data": False,
            "require_full_window": False,
            "include_tags": True,
        },
    }


def _query(one: VendorPolicy, minutes: int) -> str:
    query = one.query
    within = "min" if query.sign.startswith(">") else "max"  # all of the time, not once
    space = "sum" if query.counted else "max" if query.sign.startswith(">") else "min"
    by = ",".join(BY)
    return f"{within}(last_{minutes}m):{space}:{query.metric}{{{_filter(one)}}} by {{{by}}}"


def _filter(one: VendorPolicy) -> str:
    wanted = [_one_of(name, values) for name, values in one.query.wanted.items()]
    wanted += [f"NOT {name}:*" for name in one.query.absent]
    if one.scope.names:
        wanted.append(_one_of(a.ML_MODEL_NAME, one.scope.names))
    if one.scope.without:
        wanted.append(f"NOT {_one_of(a.ML_MODEL_NAME, one.scope.without)}")
    return " AND ".join(wanted)


def _one_of(name: str, values: Sequence[str]) -> str:
    known = list(dict.fromkeys(tag_value(value) for value in values))
    return f"{name}:{known[0]}" if len(known) == 1 else f"{name} IN ({', '.join(known)})"


def _message(one: VendorPolicy) -> str:
    policy = one.policy
    lines = [f"It fires where {_plain(policy.condition.written)}, in windows of {one.scope.window}."]
    if policy.runbook:
        lines.append(f"Runbook: {policy.runbook}")
    return "\n".join(lines)


def _plain(text: str) -> str:
    """Return a text without what Datadog reads as a variable, or as somebody to notify."""
    return short(re.sub(r"[{}@]", "", text), 500)

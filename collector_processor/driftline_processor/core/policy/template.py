"""Placeholders such as ``{model}`` in the payload of an action: the facts of its message only, and no code.

A template is a text, or a tree of mappings and lists with texts. A placeholder is a bare name, without access to
attributes, items or the environment. Facts are never parsed as templates, so a malicious model name remains a text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from string import Formatter
from typing import Any, Final

from driftline_processor.core.nearest_names import near

FACTS: Final = (
    "id",
    "kind",
    "alert",
    "policy",
    "model",
    "version",
    "environment",
    "severity",
    "owner",
    "tier",
    "state",
    "since",
    "until",
    "title",
    "text",
    "finding",
    "verdict",
    "verdict_kind",
    "verdict_since",
    "sentence",
    "certainty",
    "cause",
    "action",
    "loss",
)
"""Names of the facts of a message; ``id`` is its key."""

DECLARED_FACTS: Final = ("id", "alert", "kind", "policy", "model", "owner", "tier", "severity")
"""Names of the facts that a sender of telemetry cannot choose, because actions run for declared models only."""

LINKS: Final = ("page", "report", "trace", "runbook")
"""Names of the links of a message; "" if it has none."""

DEEPEST: Final = 20
"""Maximum nesting of mappings and lists."""


def check_template(template: object, depth: int = 0) -> None:
    """Check a template.

    Raises:
        ValueError: A placeholder is not a fact of a message, or is not a bare name.
    """
    if depth > DEEPEST:
        raise ValueError(f"the template is nested deeper than {DEEPEST} mappings and lists; use fewer levels")
    if isinstance(template, str):
        for name in _placeholders(template):
            if name not in FACTS and name not in LINKS:
                raise ValueError(f"{{{name:.40}}} is not a placeholder; {near(name, [*FACTS, *LINKS], most=30)}")
    elif isinstance(template, Mapping):
        for key, part in template.items():
            if not isinstance(key, str):
                raise ValueError(f"the key {key!r:.40} is not a string; put it in quotes")
            check_template(part, depth + 1)
    elif isinstance(template, Sequence):
        for part in template:
            check_template(part, depth + 1)
    elif template is not None and not isinstance(template, bool | int | float):
        raise ValueError(f"{template!r:.40} is neither a string nor a number; put it in quotes")


def fill_text(template: str, facts: Mapping[str, Any], quoted: Callable[[str], str] = str) -> str:
    """Return a text with placeholders replaced by facts; null becomes an empty text.

    Args:
        template: A checked template.
        facts: Result of :func:`facts_for_templates`.
        quoted: Quotes a fact for the text, such as a URL.

    >>> fill_text("{model} is {state}; {{braces}}", {"model": "churn", "state": "degraded"})
    'churn is degraded; {braces}'
    """
    parts: list[str] = []
    for before, name, _, _ in Formatter().parse(template):
        parts.append(before)
        if name is not None:
            value = facts.get(name)
            parts.append(quoted("" if value is None else str(value)))
    return "".join(parts)


def fill_tree(template: Any, facts: Mapping[str, Any]) -> Any:
    """Return a tree with placeholders replaced by facts.

    A text with one placeholder only becomes the fact itself, with its type; keys of mappings are not changed.

    >>> fill_tree({"tier": "{tier}", "about": ["{model}!"]}, {"tier": 1, "model": 'a "b"'})
    {'tier': 1, 'about': ['a "b"!']}
    """
    if isinstance(template, str):
        alone = re.fullmatch(r"\{(\w+)\}", template)
        return facts.get(alone[1]) if alone else fill_text(template, facts)
    if isinstance(template, Mapping):
        return {key: fill_tree(part, facts) for key, part in template.items()}
    if isinstance(template, list | tuple):
        return [fill_tree(part, facts) for part in template]
    return template


def facts_for_templates(message: str, facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return the facts of a message by their template names.

    Args:
        message: Id of the message.
        facts: Its structured content.
    """
    links = facts.get("links", {})
    named: dict[str, Any] = {name: facts.get(name) for name in FACTS}
    return {**named, **{name: links.get(name, "") for name in LINKS}, "id": message}


def _placeholders(template: str) -> Iterator[str]:
    try:
        parts = [*Formatter().parse(template)]
    except ValueError:
        raise ValueError(
            f"'{template:.80}' has an unmatched brace; to get a brace in the text, write it twice"
        ) from None
    for _, name, form, conversion in parts:
        if name is None:
            continue
        if form or conversion or not re.fullmatch(r"\w+", name):
            raise ValueError(f"'{{{name:.40}...' has more than a name in braces; use only a name, such as {{model}}")
        yield name

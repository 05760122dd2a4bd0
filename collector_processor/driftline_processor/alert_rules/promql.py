"""PromQL from the registry's names: series, matchers, durations, and text escaped for templates."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from driftline.semconv import attributes as a
from driftline.semconv import metrics as m

from driftline_processor.present.names import LINKED, handle

MODEL: Final = (a.ML_MODEL_NAME, a.ML_MODEL_VERSION, a.DEPLOYMENT_ENVIRONMENT_NAME)
"""Attributes that identify the version of a model."""


class Pattern(NamedTuple):
    """A regular expression that matches a whole label value.

    Attributes:
        text: In the syntax of RE2.
        negated: Whether the label must not match.
    """

    text: str
    negated: bool = False


Wanted = Mapping[str, str | Pattern]
"""Attribute → value of its label; "" = label absent."""

Models = tuple[str | Pattern, ...]
"""Matchers of a model's name, all of which must match; empty = any model."""


def label(attribute: str) -> str:
    """Return the label of an attribute.

    >>> label(a.DRIFTLINE_WINDOW) == a.DRIFTLINE_WINDOW.replace(".", "_")
    True
    """
    return re.sub(r"[^a-zA-Z0-9_]", "_", attribute)


def labels(attributes: Iterable[str]) -> str:
    """Return the labels of attributes, separated by commas."""
    return ", ".join(map(label, attributes))


def quoted(text: str) -> str:
    r"""Return a text in quotes for PromQL and Alertmanager.

    >>> print(quoted('ch"urn\\'))
    "ch\"urn\\"
    """
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def matcher(attribute: str, value: str | Pattern) -> str:
    """Return a matcher of a label.

    >>> matcher("severity", "page"), matcher("severity", Pattern("page|info", negated=True))
    ('severity="page"', 'severity!~"page|info"')
    """
    if isinstance(value, Pattern):
        return f"{label(attribute)}{'!~' if value.negated else '=~'}{quoted(value.text)}"
    return f"{label(attribute)}={quoted(value if len(value) <= LINKED else handle(value))}"


def matchers(labels: Iterable[tuple[str, str | Pattern]]) -> str:
    """Return matchers in braces; "" if there are none."""
    text = ",".join(matcher(attribute, value) for attribute, value in labels)
    return f"{{{text}}}" if text else ""


def series(metric: str, models: Models, labels: Wanted, suffix: str = "") -> str:
    """Return the series of a metric of the registry.

    Args:
        metric: Its name in the registry.
        models: Matchers of the model's name.
        labels: Values of its other labels.
        suffix: Suffix of a histogram: ``_bucket`` or ``_count``.
    """
    model_labels = ((a.ML_MODEL_NAME, model) for model in models)
    return f"{m.INSTRUMENTS[metric].prometheus}{suffix}{matchers([*model_labels, *labels.items()])}"


def one_of(names: Iterable[str]) -> str | Pattern:
    r"""Return a matcher value for a label with one of some texts.

    >>> one_of(["churn"]), one_of(["a.b", "c"])
    ('churn', Pattern(text='a\\.b|c', negated=False))
    """
    names_written = [name if len(name) <= LINKED else handle(name) for name in dict.fromkeys(names)]
    return names_written[0] if len(names_written) == 1 else Pattern("|".join(map(re.escape, names_written)))


def none_of(names: Iterable[str]) -> Pattern:
    """Return a matcher value for a label with none of some texts."""
    pattern = one_of(names)
    return Pattern(pattern.text if isinstance(pattern, Pattern) else re.escape(pattern), negated=True)


def glob(pattern: str) -> str:
    r"""Return a shell pattern, as in the ``models`` of policies, in the syntax of RE2.

    >>> glob("churn-*"), glob("v?.[!ab]")
    ('churn\\-.*', 'v.\\.[^ab]')
    """
    parts = re.split(r"(\[!?\]?[^\]]*\]|\*|\?)", pattern)
    return "".join(_glob_part(part) for part in parts)


def _glob_part(part: str) -> str:
    if part in ("*", "?"):
        return ".*" if part == "*" else "."
    if part.startswith("[") and part.endswith("]") and part not in ("[]", "[!]"):
        inner = part[1:-1].replace("\\", "\\\\").replace("[", "\\[")
        return "[" + ("^" + inner[1:] if inner.startswith("!") else inner.replace("^", "\\^", 1)) + "]"
    return re.escape(part)


def globs(patterns: Iterable[str]) -> Pattern | None:
    """Return a regular expression for any of some shell patterns; None = matches everything."""
    patterns_list = [*patterns]
    return None if "*" in patterns_list else Pattern("|".join(map(glob, patterns_list)))


def literal(text: str) -> str:
    """Return a text escaped for a Prometheus template.

    >>> literal("a {{ b }}")
    'a {{ "{{" }} b }}'
    """
    return text.replace("{{", '{{ "{{" }}')


def summary(words: str) -> str:
    """Return the summary of an alert: model, version, environment, and the given words."""
    name, version, environment = (f"$labels.{label(attribute)}" for attribute in MODEL)
    of_version = f"{{{{ with {version} }}}} {{{{ . }}}}{{{{ end }}}}"
    of_environment = f"{{{{ with {environment} }}}} in {{{{ . }}}}{{{{ end }}}}"
    return f"{{{{ {name} }}}}{of_version}{of_environment}: {words}"

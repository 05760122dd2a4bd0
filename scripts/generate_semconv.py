"""Write the constants and the reference page of the semantic conventions from their registry.

    python -m scripts.generate_semconv            write the files
    python -m scripts.generate_semconv --check    exit 1 and name the files that differ

A development script, since it needs PyYAML, which the SDK does not depend on.
"""

from __future__ import annotations

import importlib
import pkgutil
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import opentelemetry.semconv._incubating.attributes as incubating
import yaml
from opentelemetry.semconv import attributes

from scripts.generated import ROOT, write_or_check

PACKAGE = ROOT / "sdk" / "driftline" / "semconv"
PAGE = ROOT / "docs" / "reference" / "semconv.md"

CORE = "core.yaml"
"""The file of the registry with all that is in ``ml.*``."""

Group = dict[str, Any]

EMITTERS = {"sdk": "the SDK", "processor": "`driftline up`"}
"""Who sends a metric → how the reference page says so."""

LINE = 120
"""Characters of a line that ruff allows."""

HEADER = '''"""{title} Generated from ``registry/`` by ``scripts/generate_semconv.py``; do not edit."""

from typing import Final
'''

INSTRUMENT = '''
class Instrument(NamedTuple):
    """The instrument of a metric.

    Attributes:
        kind: "counter", "updowncounter", "gauge" or "histogram".
        unit: UCUM unit.
        prometheus: Name in Prometheus, scraped or received over OTLP.
    """

    kind: str
    unit: str
    prometheus: str

'''


@dataclass(frozen=True)
class Registry:
    """All groups of the registry by kind: those of the core first, then in the order of the files.

    ``additions`` are groups of attributes that extend an event or a metric.
    """

    attribute_groups: list[Group]
    spans: list[Group]
    events: list[Group]
    metrics: list[Group]
    entities: list[Group]
    additions: list[Group]

    def attributes(self) -> Iterator[Group]:
        """Yield every attribute definition."""
        for group in self.attribute_groups:
            yield from group["attributes"]

    def imported(self) -> list[str]:
        """Return the names of OpenTelemetry's own attributes that groups refer to, sorted."""
        defined = {attribute["id"] for attribute in self.attributes()}
        groups = [*self.spans, *self.events, *self.metrics, *self.entities, *self.additions]
        return sorted({one["ref"] for group in groups for one in group.get("attributes", [])} - defined)


def read(folder: Path = PACKAGE / "registry") -> Registry:
    """Read the registry and check it.

    Raises ``ValueError`` when a name is defined twice, lacks a brief or a stability, when a ``ref`` is neither here nor
    in OpenTelemetry's registry, when a metric does not name the one who sends it, or when a group extends one that is
    not there.
    """
    groups: list[Group] = []
    for path in sorted(folder.rglob("*.yaml"), key=lambda file: (file.name != CORE, file.name)):
        groups += yaml.safe_load(path.read_text(encoding="utf-8"))["groups"]
    kinds = ("attribute_group", "span", "event", "metric", "entity")
    additions = [g for g in groups if g["type"] == "attribute_group" and "extends" in g]
    by_type = {kind: [g for g in groups if g["type"] == kind and g not in additions] for kind in kinds}
    registry = Registry(*(by_type | {"additions": additions}).values())
    if len(groups) != sum(map(len, by_type.values())) + len(additions):
        raise ValueError(f"a group's type is {', '.join(kinds[:-1])} or {kinds[-1]}")
    own = list(registry.attributes())
    ids = [g["id"] for g in groups] + [a["id"] for a in own]
    if twice := sorted({name for name in ids if ids.count(name) > 1}):
        raise ValueError(f"defined twice: {', '.join(twice)}; a name is defined once and referred to with ref")
    for thing in [*registry.spans, *registry.events, *registry.metrics, *registry.entities, *own]:
        if missing := {"brief", "stability"} - thing.keys():
            raise ValueError(f"{thing['id']} has no {' and no '.join(sorted(missing))}")
    for metric in registry.metrics:
        if metric["metric_name"].startswith("ml."):
            metric.setdefault("annotations", {"emitter": "sdk"})
        if (emitter := metric.get("annotations", {}).get("emitter")) not in EMITTERS:
            raise ValueError(f"{metric['id']}: the emitter is one of {', '.join(EMITTERS)}, not {emitter}")
    if unknown := sorted(set(registry.imported()) - opentelemetry_attributes()):
        raise ValueError(f"neither this registry nor OpenTelemetry's defines {', '.join(unknown)}")
    for group in [*registry.spans, *registry.additions]:
        if group.get("extends", group["id"]) not in ids:
            raise ValueError(f"{group['id']} extends {group['extends']}, which no file defines")
    return registry


@cache
def opentelemetry_attributes() -> set[str]:
    """Return all attributes of OpenTelemetry's own registry, from its Python package."""
    found: set[str] = set()
    for package in (attributes, incubating):
        for entry in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            constants = vars(importlib.import_module(entry.name)).items()
            found |= {value for key, value in constants if key.isupper() and isinstance(value, str)}
    return found


def constant(name: str) -> str:
    """Return the constant of a telemetry name: upper case, ``_`` for ``.``."""
    return name.upper().replace(".", "_")


def prometheus_name(metric: Group) -> str:
    """Return the name under which Prometheus knows a metric, scraped or received over OTLP.

    Rules: OpenTelemetry specification, Prometheus and OpenMetrics compatibility, metric metadata: ``.`` becomes ``_``,
    a unit is a suffix, an annotation in braces is not, ``1`` on a gauge is ``_ratio``, a counter ends in ``_total``.
    """
    name = metric["metric_name"].replace(".", "_")
    unit, instrument = metric["unit"], metric["instrument"]
    if unit == "1":
        suffix = "ratio" if instrument == "gauge" else ""
    elif unit.startswith("{"):
        suffix = ""
    else:
        suffix = {"s": "seconds", "By": "bytes"}[unit]
    if suffix:
        name += f"_{suffix}"
    return f"{name}_total" if instrument == "counter" else name


def module(head: str, body: str) -> str:
    """Return the source of a module, whose long lines are allowed where it has any."""
    if max(map(len, body.splitlines())) > LINE:
        head = head.replace('"""\n', '"""\n# ruff: noqa: E501\n', 1)
    return f"{head}\n{body}"


def constants(pairs: list[tuple[str, str]]) -> str:
    """Return assignments, each followed by its docstring."""
    return "\n".join(f'{constant(name)}: Final = "{name}"\n{docstring(text)}\n' for name, text in pairs)


def docstring(text: str) -> str:
    """Return text as a docstring on one line."""
    quoted = text.strip().replace("\\", "\\\\").replace('"""', "'''")
    return f'"""{quoted} """' if quoted.endswith('"') else f'"""{quoted}"""'


def attributes_module(registry: Registry) -> str:
    """Return the source of ``attributes.py``."""
    pairs = []
    for attribute in registry.attributes():
        brief = attribute["brief"]
        if type_name(attribute).startswith("template"):
            brief += " A prefix: append `.` and the name."
        pairs.append((attribute["id"], brief))
    pairs += [(name, "Defined by OpenTelemetry.") for name in registry.imported()]
    return module(HEADER.format(title="Attribute names."), constants(pairs))


def events_module(registry: Registry) -> str:
    """Return the source of ``events.py``."""
    pairs = [(event["name"], event["brief"]) for event in registry.events]
    return module(HEADER.format(title="Event names of log records."), constants(pairs))


def metrics_module(registry: Registry) -> str:
    """Return the source of ``metrics.py``."""
    head = HEADER.format(title="Metric names, units, instruments.")
    head = head.replace(
        "from typing import Final", "from collections.abc import Mapping\nfrom typing import Final, NamedTuple"
    )
    parts = [constants([(m["metric_name"], m["brief"]) for m in registry.metrics]), INSTRUMENT]
    tables: dict[str, tuple[str, str, Callable[[Group], str]]] = {
        "INSTRUMENTS": ("Instrument", "Metric name → its instrument.", instrument),
        "DESCRIPTIONS": ("str", "Metric name → what it says, in a sentence.", lambda m: quote(str(m["brief"]))),
    }
    for name, (kind, text, value) in tables.items():
        rows = "".join(f"    {constant(m['metric_name'])}: {value(m)},\n" for m in registry.metrics)
        parts.append(f"{name}: Final[Mapping[str, {kind}]] = {{\n{rows}}}\n{docstring(text)}\n")
    return module(head, "\n".join(parts))


def instrument(metric: Group) -> str:
    """Return the source of the instrument of a metric."""
    values = str(metric["instrument"]), str(metric["unit"]), prometheus_name(metric)
    arguments = ", ".join(map(quote, values))
    row = f"    {constant(metric['metric_name'])}: Instrument({arguments}),"
    return f"Instrument({arguments})" if len(row) <= LINE else f"Instrument(\n        {arguments}\n    )"


def quote(text: str) -> str:
    """Return text as a literal, in the quotes that the formatter prefers."""
    return repr(text) if '"' in text else f'"{text}"'


def type_name(attribute: Group) -> str:
    """Return the attribute's type as the reference page shows it; an enumeration is a string."""
    kind = attribute["type"]
    return "string" if isinstance(kind, dict) else str(kind)


def page(registry: Registry) -> str:
    """Return the reference page."""
    lines = [
        "# Telemetry names",
        "",
        "<!-- Generated from sdk/driftline/semconv/registry by scripts/generate_semconv.py; do not edit. -->",
        "",
        "This page lists every name that Driftline sends or reads. OpenTelemetry has no conventions for predictive",
        "models yet.",
        "Names in `ml.*` are a small core that could become [a proposal](proposal.md). They are in the file",
        "`sdk/driftline/semconv/registry/core.yaml`, which has the format of OpenTelemetry's registry.",
        "All other names are in `driftline.*`. All names are in development: before 1.0, a minor version may change",
        "them, and [CHANGELOG.md](../../CHANGELOG.md) lists each change",
        "([versions](../project/releases.md#versions-and-deprecation)).",
        "The package contains the file of the schema URL, which lists the names of earlier versions:",
        "`sdk/driftline/semconv/schemas/0.1.0`.",
        "[On the wire](wire.md) describes how the values are sent.",
        "",
        "## Spans",
        "",
    ]
    for span in registry.spans:
        lines += [
            f"### `{span['id']}`",
            "",
            span["brief"],
            "",
            f"{extended(span)}Kind: {span['span_kind']}. {span.get('note', '')}".strip(),
            "",
        ]
        lines += reference_table(span)
    lines += ["## Events", ""]
    for event in registry.events:
        about = f"Event name: `{event['name']}`. {event['brief']} {event['note']}"
        lines += [f"### `{event['id']}`", "", about, "", *reference_table(event)]
        for addition in (group for group in registry.additions if group["extends"] == event["id"]):
            lines += [addition["brief"], "", *reference_table(addition)]
    lines += [
        "## Metrics",
        "",
        "Each metric has one sender: Driftline's Python SDK, or `driftline up`. If you do not use this SDK, any",
        "OpenTelemetry SDK can send its metrics instead.",
        "",
        "| name | sent by | instrument | unit | in Prometheus | meaning |",
        "|---|---|---|---|---|---|",
    ]
    for metric in registry.metrics:
        name, instrument, unit = metric["metric_name"], metric["instrument"], metric["unit"]
        text = " ".join([metric["brief"], metric.get("note", "")]).strip()
        sender = EMITTERS[metric["annotations"]["emitter"]]
        lines.append(f"| `{name}` | {sender} | {instrument} | `{unit}` | `{prometheus_name(metric)}` | {text} |")
    lines += [
        "",
        "A metric whose name ends in `.status` has one series per subject, such as a model or a column. The series has",
        "the value 1, and the current state in `driftline.state`. So the sum over one state is the number of subjects",
        "in that state.",
        "A state that has ended has no series.",
        "",
        "Attributes:",
        "",
    ]
    for metric in registry.metrics:
        added = [one for group in registry.additions if group["extends"] == metric["id"] for one in group["attributes"]]
        names = ", ".join(f"`{reference['ref']}`" for reference in [*metric.get("attributes", []), *added])
        lines.append(f"- `{metric['metric_name']}`: {names or 'none'}")
    lines += ["", "## Attributes", ""]
    for group in registry.attribute_groups:
        lines += [
            f"### {group['display_name']}",
            "",
            group["brief"],
            "",
            "| name | type | examples | meaning |",
            "|---|---|---|---|",
        ]
        lines += [attribute_row(attribute) for attribute in group["attributes"]] + [""]
    lines += ["### Attributes of OpenTelemetry", "", "Used as OpenTelemetry's own registry defines them.", ""]
    lines += [f"- `{name}`" for name in registry.imported()] + [""]
    return "\n".join(lines)


def extended(group: Group) -> str:
    """Return the sentence that names the group of the core that a group adds to."""
    return f"Extends `{group['extends']}`. " if "extends" in group else ""


def reference_table(group: Group) -> list[str]:
    """Return the table of the attributes that a span or an event refers to."""
    rows = ["| attribute | required |", "|---|---|"]
    for reference in group["attributes"]:
        level = reference["requirement_level"]
        if isinstance(level, dict):
            condition = level["conditionally_required"].removesuffix(".")
            text = f"required {condition[0].lower()}{condition[1:]}"
        else:
            text = level.replace("_", "-")
        rows.append(f"| `{reference['ref']}` | {text} |")
    return [*rows, ""]


def attribute_row(attribute: Group) -> str:
    """Return one row of an attribute table."""
    name, kind, text = attribute["id"], type_name(attribute), attribute["brief"]
    if kind.startswith("template"):
        name, kind = f"{name}.<name>", kind.removeprefix("template[").removesuffix("]")
    if isinstance(attribute["type"], dict):
        members = "; ".join(f"`{m['value']}`: {m['brief'].rstrip('.')}" for m in attribute["type"]["members"])
        text += f" {members}."
    note = re.sub(r"^> ?", "", attribute.get("note", "").replace("[!WARNING]", "Warning:"), flags=re.MULTILINE)
    text = " ".join([text, *note.split()])
    examples = ", ".join(f"`{shown(example)}`" for example in attribute["examples"])
    return f"| `{name}` | {kind} | {examples} | {text} |"


def shown(example: object) -> str:
    """Return an example as it would be typed."""
    return str(example).lower() if isinstance(example, bool) else str(example).replace("'", '"')


def outputs(registry: Registry) -> dict[Path, str]:
    """Return every generated file and its text."""
    return {
        PACKAGE / "attributes.py": attributes_module(registry),
        PACKAGE / "events.py": events_module(registry),
        PACKAGE / "metrics.py": metrics_module(registry),
        PAGE: page(registry),
    }


def main(arguments: list[str]) -> int:
    """Write or check the generated files; return the exit status."""
    return write_or_check(outputs(read()), "differs from the registry", __file__, arguments)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))

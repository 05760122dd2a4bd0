"""Write docs/reference/configuration.md and otel-config/driftline.yaml from the keys of driftline_processor.config.

python -m scripts.generate_configuration            write both
python -m scripts.generate_configuration --check    exit 1 where one differs
"""

from __future__ import annotations

import re
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from driftline_processor.config.actions import ActionKeys
from driftline_processor.config.exporters import ExporterKeys
from driftline_processor.config.kinds import ACTIONS, EXPORTERS, RECEIVERS, installed
from driftline_processor.config.receivers import ReceiverKeys
from driftline_processor.config.schema import Config, validate_file
from driftline_processor.config.section import Section
from driftline_processor.config.values import Form, Keep
from pydantic import SecretStr
from pydantic.fields import FieldInfo

from scripts.generated import ROOT, write_or_check

PAGE = ROOT / "docs" / "reference" / "configuration.md"
EXAMPLE = ROOT / "otel-config" / "driftline.yaml"
BY_TYPE: dict[type[Section], dict[str, Any]] = {
    ExporterKeys: {name: EXPORTERS.find(name) for name in EXPORTERS.names()},
    ReceiverKeys: {name: RECEIVERS.find(name) for name in RECEIVERS.names()},
    ActionKeys: {name: ACTIONS.find(name) for name in ACTIONS.names()},
}
"""Sections whose name says which keys they have, and those of each kind."""
HEAD = """# driftline.yaml

<!-- Generated from the keys by scripts/generate_configuration.py (make semconv); do not edit. -->

This page lists every key of `driftline.yaml`. You can copy the keys from the file
[`otel-config/driftline.yaml`](../../otel-config/driftline.yaml), which has each key with its default and a comment.
[Configure the processor](../deploy/configure.md) describes how to use the file.

## How values are written

| type | how it is written | for example |
|---|---|---|
| duration | one or more numbers with a unit, `ms`, `s`, `m`, `h`, `d`, `w` | `90d`, `10s`, `1h30m`, `0s` |
| window | a number and `m` (a multiple of 5), `h`, `d`, `w` or `mo` | `5m`, `1h`, `1d`, `1mo` |
| size | a number and a unit of bytes | `10GB`, `512MiB` |
| address | `host:port`. `:port` means every address of the machine, and needs `insecure_anonymous`. Port 0 means any free port. | `[::1]:4317` |
| path | relative to the configuration file. Without this file, relative to the directory in which `driftline up` was started. `~` is your home directory. | `churn.baseline.json` |
| time | a time with its time zone | `2026-11-01T00:00:00Z` |
| class | text, number or boolean; 1, 1.0, "1" and true are the same class | `"1"` |
| limit of a fraction | a comparison sign and a fraction; [if the sign is missing](../monitor/expect-data.md), the usual sign of the rule is used | `"< 5%"` |
| range | the minimum and the maximum; null means no limit | `[0, null]` |
| template | a text, or keys and values, in which [placeholders](../alert/actions.md#placeholders) are replaced by facts of the message | `"{title}"` |
| secret text | text that is never shown or logged | `"${env:TOKEN}"` |

- **Environment**: `${env:NAME}` is replaced by the environment variable `NAME`. `${env:NAME:-default}` also has a
  default. A variable that is not set and has no default is an error. Write `$$` for a plain `$`.
- Only `true` and `false` are booleans, and only JSON numbers are numbers: a class called `no` or `01`
  is a text.
- A duplicate key is an error. A key without a value has its default.
"""  # noqa: E501
TOP = """# driftline.yaml: every key of `driftline up --config`, with its meaning. Generated from the keys by
# scripts/generate_configuration.py. Copy it, and keep the keys that you change. All keys are optional. Values are
# the defaults unless a comment says otherwise; keys in comments show an example.
# `driftline validate FILE` prints the key, the rule and the fix. ${env:NAME:-default} is replaced as in the
# OpenTelemetry Collector.
"""
WIDTH = 120


@dataclass(frozen=True)
class Key:
    """One key of a section, as the page and the example show it."""

    name: str
    field: FieldInfo

    @property
    def section(self) -> type[Section] | None:
        """The section that the key holds, None where it holds a value or sections by name."""
        parts = get_args(self.field.annotation) or (self.field.annotation,)
        named = get_origin(self.field.annotation) is dict
        return None if named else next((part for part in parts if is_section(part)), None)

    @property
    def by_name(self) -> type[Section] | None:
        """The section of each name that the key holds, None for other keys."""
        parts = get_args(self.field.annotation)
        found = parts[1] if get_origin(self.field.annotation) is dict and is_section(parts[1]) else None
        return BY_TYPE[found][self.extra["name"].partition("/")[0]] if found in BY_TYPE else found

    @property
    def extra(self) -> dict[str, Any]:
        """What the field says beside its description; see ``config/section.py``."""
        return self.field.json_schema_extra if isinstance(self.field.json_schema_extra, dict) else {}

    @property
    def type(self) -> str:
        """How the value is written, in the words of the page's first table."""
        return form(self.field.annotation, self.field.metadata)

    @property
    def default(self) -> str:
        """What holds where the key is absent, as markdown."""
        if "default" in self.extra:
            return str(self.extra["default"])
        if self.field.is_required():
            return "required"
        value = self.field.get_default(call_default_factory=True)
        return "none" if value is None else f"`{yaml_text(value, self.type)}`"

    @property
    def example(self) -> str:
        """The value to show, as YAML."""
        return str((self.field.examples or [self.default.strip("`")])[0])


def main(arguments: list[str]) -> int:
    """Write or check both files; return the exit code."""
    code = write_or_check({PAGE: page_text(), EXAMPLE: example_text()}, "is not what the keys say", __file__, arguments)
    if "--check" in arguments:
        return code
    problems = validate_file(EXAMPLE)
    print(*problems, sep="\n", end="\n" if problems else "")
    return 1 if problems else 0


def keys(section: type[Section]) -> list[Key]:
    """Return the keys of a section, those that are required first.

    Raises:
        SystemExit: A key has no description.
    """
    found = [key for name, field in section.model_fields.items() for key in of_kinds(Key(name, field))]
    found.sort(key=lambda key: not key.field.is_required())
    for key in found:
        if not key.field.description:
            raise SystemExit(f"{section.__name__}.{key.name}: has no description; write Field(description=...)")
    return found


def of_kinds(key: Key) -> list[Key]:
    """Return a key; instead of one that stands for the kinds of extensions, a key for each of these."""
    if "kinds" not in key.extra:
        return [key]
    kinds = {name: found.load() for name, found in sorted(installed(key.extra["kinds"]).items())}
    return [
        Key(name, FieldInfo(annotation=kind | None, default=None, description=kind.__doc__))
        for name, kind in kinds.items()
    ]


def is_section(part: object) -> bool:
    """Return whether a type is a section."""
    return isinstance(part, type) and issubclass(part, Section)


# -- the page ---------------------------------------------------------------------------------------------------------


def page_text() -> str:
    """Return the page: a table for each section of the file."""
    return "\n".join([HEAD, *tables("", Config, "## At the top of the file\n")]).rstrip() + "\n"


def tables(path: str, section: type[Section], head: str) -> Iterator[str]:
    """Yield the table of a section, then those of the sections that it holds by name."""
    flat = list(flattened("", section)) if path else [("", key) for key in keys(section) if not nested(key)]
    yield head
    yield "| key | type | default | meaning | example |\n|---|---|---|---|---|"
    yield "\n".join(row(prefix, key) for prefix, key in flat if key.by_name is None) + "\n"
    if not path:
        for key in keys(section):
            if key.section is not None:
                yield from tables(key.name, key.section, f"## `{key.name}`\n\n{key.field.description}\n")
            elif key.by_name is not None:
                yield from named_tables(key.name, key)
        return
    for prefix, key in flat:
        if key.by_name is not None:
            yield from named_tables(f"{path}.{prefix}{key.name}", key)


def named_tables(path: str, key: Key) -> Iterator[str]:
    """Yield the tables of a section that the file holds by name."""
    assert key.by_name is not None
    if (types := next((BY_TYPE[base] for base in BY_TYPE if issubclass(key.by_name, base)), None)) is not None:
        for name, section in types.items():
            others = [other for other, kind in EXPORTERS.aliases.items() if kind == name]
            also = "".join(f" The name may also start with `{name}/`." for name in others)
            yield from tables(
                path, section, f"## `{path.removesuffix('.named')}.{name}/NAME`\n\n{section.__doc__}{also}\n"
            )
        return
    path = f"{path}.NAME"
    yield from tables(path, key.by_name, f"## `{path}`\n\n{key.field.description}\n")


def nested(key: Key) -> bool:
    """Return whether a key holds one section or several."""
    return key.section is not None or key.by_name is not None


def flattened(prefix: str, section: type[Section]) -> Iterator[tuple[str, Key]]:
    """Yield the keys of a section and of the sections in it, each with what stands before its name."""
    for key in keys(section):
        yield prefix, key
        if key.section is not None:
            yield from flattened(f"{prefix}{key.name}.", key.section)


def row(prefix: str, key: Key) -> str:
    """Return the line of the table that shows a key."""
    cells = [f"`{prefix}{key.name}`", "section", "", key.field.description or "", ""]
    if key.section is None:
        cells[1:3], cells[4] = [key.type, key.default], f"`{key.example}`"
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def form(annotation: Any, metadata: Any = ()) -> str:
    """Name the type of a value.

    >>> form(tuple[Literal["traces", "logs"], ...]), form(bool), form(dict[str, float])
    ('list of `traces`, `logs`', '`true`, `false`', 'mapping of name to number')
    """
    named = next((one.name for one in metadata if isinstance(one, Form)), None)
    origin, parts = get_origin(annotation), get_args(annotation)
    if named is not None:
        return str(named)
    if origin is Annotated:
        return form(parts[0], parts[1:])
    if origin in (Union, UnionType):
        return " or ".join(form(part) for part in parts if part is not type(None))
    if origin is Literal:
        return ", ".join(f"`{part}`" if part else "empty" for part in parts)
    if origin is tuple:
        return f"list of {form(parts[0])}"
    if origin is dict:
        return f"mapping of name to {form(parts[1])}"
    simple = {bool: "`true`, `false`", int: "whole number", float: "number", str: "text", SecretStr: "secret text"}
    return simple[annotation]


def yaml_text(value: Any, type_name: str = "") -> str:
    """Write a default as people write it in the file.

    >>> yaml_text(timedelta(days=90)), yaml_text(("1h", "1d")), yaml_text(268_435_456, "size"), yaml_text(Keep(5_000))
    ('90d', '[1h, 1d]', '256MiB', 'sample:5000')
    """
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, timedelta):
        seconds = int(value.total_seconds())
        unit, size = next((u, n) for u, n in (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)) if seconds % n == 0)
        return f"{seconds // size}{unit}"
    if isinstance(value, Keep):
        return "all" if value.per_day is None else f"sample:{value.per_day}" if value.per_day else "none"
    if isinstance(value, tuple | list):
        return f"[{', '.join(yaml_text(item) for item in value)}]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name}: {yaml_text(item)}" for name, item in value.items()) + "}"
    if isinstance(value, float):
        return f"{value:g}"
    if type_name == "size":
        return f"{value // 2**20}MiB"
    return f'"{value}"' if ":" in str(value) or str(value).startswith("*") else str(value)


# -- the annotated example --------------------------------------------------------------------------------------------


def example_text() -> str:
    """Return the annotated example."""
    lines = [TOP, *(line for key in keys(Config) for line in (*entry(key, 0), *([""] if nested(key) else [])))]
    return "\n".join(lines).rstrip() + "\n"


def entry(key: Key, depth: int) -> Iterator[str]:
    """Yield the lines of a key: its comment, then the key with its value or its section."""
    indent = "  " * depth
    yield from comment(key, indent)
    as_comment = not active(key)
    lines = list(section_lines(key, depth) if nested(key) else [f"{indent}{key.name}: {value(key)}"])
    for line in lines:
        yield f"{indent}# {line.removeprefix(indent)}" if as_comment else line


def section_lines(key: Key, depth: int) -> Iterator[str]:
    """Yield a key that holds a section, or sections by name, with everything below it."""
    indent = "  " * depth
    if key.section is not None:
        yield f"{indent}{key.name}:"
        yield from (line for inner in keys(key.section) for line in entry(inner, depth + 1))
        return
    assert key.by_name is not None
    if key.name == "named":
        yield f"{indent}{key.extra['name']}:"
    else:
        yield f"{indent}{key.name}:"
        depth += 1
        yield f"{'  ' * depth}{key.extra['name']}:"
    yield from (line for inner in keys(key.by_name) for line in entry(inner, depth + 1))
    yield from (f"{'  ' * depth}{more}" for more in key.field.examples or ())


def active(key: Key) -> bool:
    """Return whether the file sets the key; else it stands there as a comment."""
    if "shown" in key.extra:
        return bool(key.extra["shown"] is True)
    if key.by_name is not None or key.field.is_required():
        return True
    if key.section is not None:
        return key.field.get_default(call_default_factory=True) is not None
    return set_to_default(key)


def set_to_default(key: Key) -> bool:
    """Return whether the file shows the default rather than an example."""
    return key.default.startswith("`") and "shown" not in key.extra and "default" not in key.extra


def value(key: Key) -> str:
    """Return what the file sets a key to."""
    return key.default.strip("`") if set_to_default(key) else key.example


def comment(key: Key, indent: str) -> Iterator[str]:
    """Yield the meaning of a key as comment lines, and its default or an example where the value is the other one."""
    said = plain(key.field.description or "")
    if not nested(key):
        if set_to_default(key):
            said += f" For example: {key.example}" if key.field.examples else ""
        elif not key.field.is_required() and key.default != "none":
            said += f" Default: {plain(key.default)}"
    yield from textwrap.wrap(said, WIDTH, initial_indent=f"{indent}# ", subsequent_indent=f"{indent}# ",
                             break_long_words=False, break_on_hyphens=False)  # fmt: skip


def plain(markdown: str) -> str:
    """Return a description without code marks and links; a sentence that is a link goes.

    >>> plain("How [intervals](../concepts/drift.md) of `wilson` are made. [Why](../concepts/drift.md).")
    'How intervals of wilson are made.'
    """
    markdown = re.sub(r"(?<=[.;]) \[[^\[\]]*\]\([^)]*\)\.", "", markdown)
    return re.sub(r"\[([^\[\]]*(?:\[[^\[\]]*\][^\[\]]*)*)\]\([^)]*\)", r"\1", markdown).replace("`", "")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

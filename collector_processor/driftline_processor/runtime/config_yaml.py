"""A YAML file as plain data: environment variables filled in, duplicate keys found, nothing guessed.

Only what JSON would read as a number or a boolean becomes one: ``no``, ``on``, ``01`` and ``2026-11-01`` stay texts, so
that a class called ``no`` is not ``false``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import yaml

_VARIABLE = re.compile(r"\$\$|\$\{(?:env:)?(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>[^}]*))?\}")


class Loader(yaml.SafeLoader):
    """SafeLoader with the JSON-like scalars of YAML 1.2, which collects duplicate keys."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 - PyYAML's own interface


Loader.add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile(r"^(?:true|false|True|False|TRUE|FALSE)$"), list("tTfF")
)
Loader.add_implicit_resolver("tag:yaml.org,2002:null", re.compile(r"^(?:~|null|Null|NULL|)$"), ["~", "n", "N", ""])
Loader.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(r"^[-+]?(?:0|[1-9][0-9]*)$"), list("-+0123456789"))
Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(?:\.[0-9]+|(?:0|[1-9][0-9]*)(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$"),
    list("-+0123456789."),
)
Loader.add_implicit_resolver("tag:yaml.org,2002:merge", re.compile(r"^<<$"), ["<"])


def _mapping(loader: Loader, node: yaml.MappingNode) -> dict[str, object]:
    seen: dict[str, int] = {}
    for key, _ in node.value:
        name = key.value if isinstance(key, yaml.ScalarNode) else ""
        line = key.start_mark.line + 1
        if name in seen and name != "<<":
            raise yaml.constructor.ConstructorError(
                None, None, f"'{name}' is already set in line {seen[name]}; keep one of the two", key.start_mark
            )
        seen[name] = line
    loader.flatten_mapping(node)
    return {str(key): value for key, value in loader.construct_pairs(node, deep=True)}


Loader.add_constructor("tag:yaml.org,2002:map", _mapping)


def parse_yaml(text: str, environ: Mapping[str, str], problems: list[str]) -> object:
    """Read ``text`` and fill in ``${env:NAME}``, ``${env:NAME:-default}`` and ``$$`` (a plain ``$``).

    Adds a sentence to ``problems`` for a syntax error, a duplicate key and each variable that is neither set nor has a
    default, and returns None in the first two cases.

    >>> parse_yaml("headers: {key: '${env:TOKEN:-none}'}", {}, [])
    {'headers': {'key': 'none'}}
    >>> problems = []
    >>> parse_yaml("key: ${env:TOKEN}", {}, problems), problems
    ({'key': ''}, ["key: the environment variable TOKEN is not set; set it, or write '${env:TOKEN:-default}'"])
    """
    try:
        tree = yaml.load(text, Loader=Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        problems.append(f"{where}{error.problem or error}")
        return None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        problems.append(f"not YAML that can be read: {error}")
        return None
    return _fill(tree, "", environ, problems)


def _fill(value: object, path: str, environ: Mapping[str, str], problems: list[str]) -> object:
    if isinstance(value, dict):
        return {k: _fill(v, f"{path}.{k}" if path else str(k), environ, problems) for k, v in value.items()}
    if isinstance(value, list):
        return [_fill(item, path, environ, problems) for item in value]
    if not isinstance(value, str) or "$" not in value:
        return value

    def variable(match: re.Match[str]) -> str:
        name, default = match["name"], match["default"]
        if name is None:
            return "$"
        # As in the shell and the Collector, `:-` also replaces a variable that is set to nothing.
        if environ.get(name) or (default is None and name in environ):
            return environ[name]
        if default is None:
            problems.append(
                f"{path}: the environment variable {name} is not set; set it, or write '${{env:{name}:-default}}'"
            )
            return ""
        return default

    return _VARIABLE.sub(variable, value)

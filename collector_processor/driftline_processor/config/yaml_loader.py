"""Read a YAML file as plain data: fill in environment variables, find duplicate keys, avoid implicit types.

Only JSON numbers and booleans are converted: ``no``, ``on``, ``01`` and ``2026-11-01`` stay text, so that a
class called ``no`` is not ``false``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

import yaml

from .section import Problem

_HALF = re.compile("[\ud800-\udfff]")
_VARIABLE = re.compile(r"\$\$|\$\{(?:env:)?(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>[^}]*))?\}")


MOST_VALUES: Final = 1_000_000
"""Upper limit of keys and values of a file, with aliases expanded: a few lines may mean billions."""


class Loader(yaml.SafeLoader):
    """SafeLoader with the JSON-like scalars of YAML 1.2, which collects duplicate keys."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 - PyYAML's own interface

    def get_single_node(self) -> yaml.Node | None:
        """Return the file's root if its aliases can be expanded."""
        root = super().get_single_node()
        if root is not None and _values(root, {}) > MOST_VALUES:
            raise yaml.constructor.ConstructorError(
                None,
                None,
                f"its aliases expand to more than {MOST_VALUES:,} values; use fewer aliases",
                root.start_mark,
            )
        return root


def _values(node: yaml.Node, counts_by_node: dict[int, int]) -> int:
    """Return the number of nodes with aliases expanded; recursive nodes are rejected on reading."""
    if id(node) in counts_by_node:
        return counts_by_node[id(node)]
    counts_by_node[id(node)] = 1
    if isinstance(node, yaml.ScalarNode):
        if not node.value.isascii() and _HALF.search(node.value):
            raise yaml.constructor.ConstructorError(
                None,
                None,
                "a string contains an unpaired surrogate, which is not valid text; use the whole character",
                node.start_mark,
            )
        return 1
    parts = (part for pair in node.value for part in pair) if isinstance(node, yaml.MappingNode) else node.value
    counts_by_node[id(node)] = 1 + sum(_values(part, counts_by_node) for part in parts)
    return counts_by_node[id(node)]


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
    lines_by_key: dict[str, int] = {}
    for key, _ in node.value:
        name = key.value if isinstance(key, yaml.ScalarNode) else ""
        line = key.start_mark.line + 1
        if name in lines_by_key and name != "<<":
            raise yaml.constructor.ConstructorError(
                None,
                None,
                f"'{name}' is already set in line {lines_by_key[name]}; remove one of the two",
                key.start_mark,
            )
        lines_by_key[name] = line
    loader.flatten_mapping(node)
    # Keys are names, so they are texts as written: the name null is not null, and 1e3 is not 1000.0.
    return {
        key.value if isinstance(key, yaml.ScalarNode) else str(loader.construct_object(key)): loader.construct_object(
            value, deep=True
        )
        for key, value in node.value
    }


Loader.add_constructor("tag:yaml.org,2002:map", _mapping)


Filled = dict[str, dict[str, str]]
"""Key → values of environment variables in it, "" if unset → their notation, such as ``${env:TOKEN}``."""


def parse_yaml(text: str, environ: Mapping[str, str], problems: list[Problem], filled: Filled | None = None) -> object:
    """Read ``text`` and fill in ``${env:NAME}``, ``${env:NAME:-default}`` and ``$$`` (a plain ``$``).

    Adds a problem for a syntax error, a duplicate key and each variable that is neither set nor has a default, and
    returns None in the first two cases. ``filled``: receives the filled-in values, for :func:`masked`.

    >>> parse_yaml("headers: {key: '${env:TOKEN:-none}'}", {}, [])
    {'headers': {'key': 'none'}}
    >>> problems = []
    >>> parse_yaml("key: ${env:TOKEN}", {}, problems), str(problems[0])
    ({'key': ''}, "key: the environment variable TOKEN is not set; set it, or use '${env:TOKEN:-default}'")
    """
    try:
        tree = yaml.load(text, Loader=Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        problems.append(Problem("", f"{where}{error.problem or error}"))
        return None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        problems.append(Problem("", f"not valid YAML: {error}"))
        return None
    return _fill(tree, "", environ, problems, {} if filled is None else filled)


def masked(problem: Problem, filled: Filled) -> Problem:
    """Return a problem with the names of environment variables in place of their values.

    If a part of six characters of a value remains visible, the text is replaced by a sentence that names the
    variable.

    >>> masked(Problem("web.endpoint", "'hunter2' has no port"), {"web.endpoint": {"hunter2": "${env:PLACE}"}}).text
    "'${env:PLACE}' has no port"
    >>> masked(Problem("web.endpoint", "'hunter' has no port"), {"web.endpoint": {"hunter2": "${env:PLACE}"}}).text
    'the value of ${env:PLACE} cannot be used here; docs/reference/configuration.md shows the allowed values'
    """
    key, message = problem
    for path, values in filled.items():
        is_same_path = f"{path}.".startswith(f"{key}.") or f"{key}.".startswith(f"{path}.")
        for value in sorted(values, key=len, reverse=True):
            if not value or not (is_same_path or len(value) >= _SHOWN):
                continue
            for form in {value, repr(value)[1:-1]}:
                bounds = ("", "") if len(form) >= _SHOWN else (r"(?<!\w)", r"(?!\w)")
                message = re.sub(re.escape(form).join(bounds), lambda _, name=values[value]: name, message, flags=re.I)  # type: ignore[misc]
        if is_same_path and any(_reveals(value, message, values) for value in values):
            names = " and ".join(dict.fromkeys(values.values()))
            message = (
                f"the value of {names} cannot be used here; docs/reference/configuration.md shows the allowed values"
            )
    return Problem(key, message)


_SHOWN = 6


def follows_unset(problem: Problem, filled: Filled) -> bool:
    """Return True for a problem of a key with an unset variable, which has its own problem.

    >>> unset = {"notify.0": {"": "${env:TOKEN}"}}
    >>> follows_unset(Problem("notify.0", "is no channel"), unset), follows_unset(Problem("notify.1", "..."), unset)
    (True, False)
    """
    key = problem.key
    unset = [path for path, values in filled.items() if "" in values]
    return any(f"{key}.".startswith(f"{path}.") or re.fullmatch(rf"{re.escape(key)}(\.\d+)+", path) for path in unset)


def _reveals(value: str, message: str, values: Mapping[str, str]) -> bool:
    """Return True if a sentence contains a part of a value."""
    for name in values.values():
        message = message.replace(name, "")
    pieces = (value[index : index + _SHOWN] for index in range(len(value) - _SHOWN + 1))
    return any(piece.lower() in message.lower() for piece in pieces)


def _fill(value: object, path: str, environ: Mapping[str, str], problems: list[Problem], filled: Filled) -> object:
    if isinstance(value, dict):
        return {k: _fill(v, f"{path}.{k}" if path else str(k), environ, problems, filled) for k, v in value.items()}
    if isinstance(value, list):
        return [_fill(item, f"{path}.{index}", environ, problems, filled) for index, item in enumerate(value)]
    if not isinstance(value, str) or "$" not in value:
        return value

    def variable(match: re.Match[str]) -> str:
        name, default = match["name"], match["default"]
        if name is None:
            return "$"
        # As in the shell and the Collector, `:-` also replaces an empty variable.
        if environ.get(name) or (default is None and name in environ):
            filled.setdefault(path, {})[environ[name]] = f"${{env:{name}}}"
            return environ[name]
        if default is None:
            filled.setdefault(path, {})[""] = f"${{env:{name}}}"
            problems.append(
                Problem(path, f"the environment variable {name} is not set; set it, or use '${{env:{name}:-default}}'")
            )
            return ""
        return default

    return _VARIABLE.sub(variable, value)

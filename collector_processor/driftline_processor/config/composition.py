"""Merge several files into one configuration, and the keys of tiers into models.

Both work on plain data before keys are read, so the result is read and checked like one file.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from .section import Problem
from .yaml_loader import Filled, parse_yaml

Tree = dict[str, Any]

INCLUDED: Final = ("models", "channels", "policies", "actions", "silences", "tiers", "business")
"""Sections by name that several files may contain."""

MOST_FILES: Final = 1_000
"""Upper limit of included files: one per model of a large company."""


def with_included(tree: Tree, folder: Path, problems: list[Problem], filled: Filled) -> Tree:
    """Return a tree with the files of its key ``include`` merged; the key is removed.

    Args:
        tree: The including file.
        folder: Its folder, to which patterns are relative.
        problems: Receives a problem for each unreadable file, and for each name in two files.
        filled: Values of environment variables, see :func:`~.yaml_loader.parse_yaml`.
    """
    patterns = tree.get("include", ())
    own_keys = {key: value for key, value in tree.items() if key != "include"}
    if isinstance(patterns, str):
        patterns = [patterns]
    if not isinstance(patterns, list | tuple) or not all(isinstance(pattern, str) and pattern for pattern in patterns):
        problems.append(
            Problem("include", f"{patterns!r:.60} is not a list of files; use a list such as [models/*.yaml]")
        )
        return own_keys
    origins = {(key, name): "this file" for key in INCLUDED for name in _names(own_keys.get(key))}
    for path in _files(patterns, folder, problems):
        included = _read(path, problems, filled)
        for key, value in included.items():
            if key not in INCLUDED:
                problems.append(
                    Problem(
                        "include",
                        f"{path.name}: '{key}' is allowed only in the main file, which contains 'include'; "
                        "move it there",
                    )
                )
                continue
            if value is None:
                continue
            if not isinstance(value, Mapping) or not isinstance(own_keys.get(key, {}) or {}, Mapping):
                problems.append(
                    Problem("include", f"{path.name}: {key}: must contain names, each with its keys indented below it")
                )
                continue
            places = {name: origins.setdefault((key, name), path.name) for name in value}
            problems += [
                Problem(f"{key}.{name}", f"is in both {before} and {path.name}; remove one of the two")
                for name, before in places.items()
                if before != path.name
            ]
            own_section = own_keys.get(key) or {}
            own_keys[key] = {**value, **own_section}
    return own_keys


def included_files(path: Path) -> list[Path]:
    """Return the files that a configuration file includes; none if it cannot be read. Raises OSError."""
    tree = parse_yaml(path.read_text(encoding="utf-8-sig", errors="replace"), os.environ, [])
    patterns = tree.get("include", ()) if isinstance(tree, dict) else ()
    patterns = [patterns] if isinstance(patterns, str) else patterns
    is_list = isinstance(patterns, list) and all(isinstance(pattern, str) and pattern for pattern in patterns)
    return _files(patterns, path.parent, []) if is_list else []


def with_tiers(tree: Tree) -> Tree:
    """Return a tree whose models have the keys of their tier as defaults.

    >>> tree = {"tiers": {"1": {"windows": ["1h"], "performance": {"confidence": 0.99}}},
    ...         "models": {"churn": {"tier": 1, "performance": {"min_coverage": 0.5}}}}
    >>> with_tiers(tree)["models"]["churn"]["performance"]
    {'confidence': 0.99, 'min_coverage': 0.5}
    """
    tiers, models = tree.get("tiers"), tree.get("models")
    if not isinstance(tiers, Mapping) or not isinstance(models, Mapping):
        return tree

    def whole(model: Any) -> Any:
        template = tiers.get(str(model.get("tier"))) if isinstance(model, Mapping) else None
        return _beneath(template, model) if isinstance(template, Mapping) else model

    return {**tree, "models": {name: whole(model) for name, model in models.items()}}


def _beneath(template: Mapping[str, Any], own: Mapping[str, Any]) -> Tree:
    """Return a model's keys with its tier's as defaults; lists are not merged."""
    merged = {**template, **own}
    for key in template.keys() & own.keys():
        if isinstance(template[key], Mapping) and isinstance(own[key], Mapping):
            merged[key] = _beneath(template[key], own[key])
    return merged


def _names(section: Any) -> Iterator[str]:
    yield from section if isinstance(section, Mapping) else ()


def _files(patterns: Sequence[str], folder: Path, problems: list[Problem]) -> list[Path]:
    paths: dict[Path, None] = {}
    for pattern in patterns:
        try:
            root = Path(Path(pattern).anchor) if Path(pattern).is_absolute() else folder
            matching = sorted(root.glob(pattern.removeprefix(Path(pattern).anchor)))
        except (ValueError, NotImplementedError, OSError) as error:
            problems.append(
                Problem(
                    "include", f"'{pattern:.80}' is not a file pattern ({error}); use a pattern such as models/*.yaml"
                )
            )
            continue
        files = [path for path in matching if path.is_file()]
        if not files:
            problems.append(
                Problem(
                    "include",
                    f"there is no file '{pattern:.80}'; patterns are relative to the main file, which contains "
                    "'include'",
                )
            )
        paths |= dict.fromkeys(files)
    if len(paths) > MOST_FILES:
        problems.append(Problem("include", f"the patterns match {len(paths):,} files; the limit is {MOST_FILES:,}"))
    return list(paths)[:MOST_FILES]


def _read(path: Path, problems: list[Problem], filled: Filled) -> Tree:
    parsing: list[Problem] = []
    try:
        tree = parse_yaml(path.read_text(encoding="utf-8-sig"), os.environ, parsing, filled)
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        problems.append(Problem("include", f"{path.name}: cannot be read: {reason}"))
        return {}
    problems += [Problem("include", f"{path.name}: {problem}") for problem in parsing]
    if tree is None:
        return {}
    if not isinstance(tree, dict):
        problems.append(
            Problem(
                "include", f"{path.name}: must be a mapping of keys to values, such as 'models: {{churn: {{tier: 1}}}}'"
            )
        )
        return {}
    return tree

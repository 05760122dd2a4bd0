"""Expectations as a ``driftline.yaml``: what ``driftline expectations import`` writes."""

from __future__ import annotations

from typing import Any

import yaml

from driftline_processor.runtime.config_yaml import Loader

from .imported import Imported


class _Dumper(yaml.SafeDumper):
    """Quotes what our reader would take for something else than a text."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.Node:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, None if _stays(text) else '"')


def _stays(text: str) -> bool:
    """Whether a scalar that is written without quotes is read as a text; what the dumper quotes itself is."""
    if not text.strip() or any(character in text for character in "\n:#[]{},&*!|>'\"%@`"):
        return True
    try:
        return isinstance(yaml.load(text, Loader=Loader), str)
    except yaml.YAMLError:
        return False


def _escaped(value: Any) -> Any:
    """A value in which our reader fills in no variable; keys are never filled in."""
    if isinstance(value, dict):
        return {key: _escaped(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_escaped(one) for one in value]
    if isinstance(value, str) and ("$$" in value or "${" in value):
        return value.replace("$", "$$")
    return value


def _list(dumper: yaml.SafeDumper, values: list[Any]) -> yaml.Node:
    return dumper.represent_sequence("tag:yaml.org,2002:seq", values, flow_style=True)


_Dumper.add_representer(str, _text)
_Dumper.add_representer(list, _list)


def to_yaml(imported: Imported, model: str, source: str) -> str:
    """Return the expectations of a model as a file that ``driftline validate`` takes; what was left out as comments."""
    settings: dict[str, Any] = {}
    if imported.rows:
        settings["expect"] = imported.rows
    if imported.features:
        settings["features"] = {name: {"expect": rules} for name, rules in imported.features.items()}
    head = [f"# {_line(f'from {source}: {imported.read} checks read, {len(imported.left_out)} left out')}"]
    head += [f"# {_line(one.sentence(source))}" for one in imported.left_out]
    body = yaml.dump(
        {"models": {model: _escaped(settings)}}, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120
    )
    return "\n".join(head) + "\n" + body


def _line(text: str) -> str:
    return text if text.isprintable() else "".join(c if c.isprintable() else "·" for c in text)

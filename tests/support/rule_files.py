"""Rules of configurations that tests make up, in files as promtool takes them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from driftline_processor.alert_rules.files import OF_MODELS, rules_of_models
from driftline_processor.config.schema import Config


def config(models: dict[str, Any] | None = None, **keys: Any) -> Config:
    """Return a configuration of some models, which somebody is told of."""
    return Config.model_validate({"models": models or {}, "notify": "json://127.0.0.1:1/", **keys})


def rule_file(folder: Path, known: Config) -> Path:
    """Write the rules of a configuration; return their file."""
    path = folder / OF_MODELS
    path.write_text(rules_of_models(known).text, encoding="utf-8")
    return path


def reasons(known: Config) -> dict[str, str]:
    """Return why something of a configuration is left out, by its key."""
    return {one.key: one.reason for one in rules_of_models(known).left_out}

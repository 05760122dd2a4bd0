"""The files of those who alert elsewhere, all of them from one configuration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from driftline_processor.config.schema import Config

from .alertmanager import alertmanager_config
from .prometheus import ANY_MODEL, OF_MODELS, rules_of_any_model, rules_of_models
from .signal_queries import LeftOut

ALERTMANAGER: Final = "alertmanager.yml"
"""The file with the routes, in which people fill in receivers."""


class RuleFiles(NamedTuple):
    """What is written.

    Attributes:
        texts: Name of a file → its text.
        left_out: What of the configuration no rule says.
    """

    texts: Mapping[str, str]
    left_out: Sequence[LeftOut]


def rule_files(config: Config, routes_before: str = "") -> RuleFiles:
    """Return all files for a configuration.

    Args:
        config: The models, with their objectives, teams and tiers, and the policies.
        routes_before: The file of routes as it was: what people filled in is kept.

    Raises:
        ValueError: The file of routes as it was cannot be read; the message says why.
    """
    rules = rules_of_models(config)
    texts = {
        ANY_MODEL: rules_of_any_model(),
        OF_MODELS: rules.text,
        ALERTMANAGER: alertmanager_config(config, routes_before),
    }
    return RuleFiles(texts, rules.left_out)

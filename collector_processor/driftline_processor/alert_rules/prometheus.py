"""Rules of Prometheus: those that hold for any model, and those that a configuration asks for."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources
from typing import Final, NamedTuple

import yaml

from driftline_processor.config.schema import Config
from driftline_processor.present.wording import printable

from . import error_budgets, policy_rules
from .signal_queries import LeftOut

ANY_MODEL: Final = "driftline.rules.yml"
"""The file of the rules that hold for any model: verdicts, drift, data and the processor itself."""

OF_MODELS: Final = "driftline.models.rules.yml"
"""The file of the rules that a configuration asks for."""

RUNBOOK: Final = "docs/how-to/answer-an-alert.md"
"""The page with a section for each alert."""

_HEAD: Final = f"""\
# Alerts of Prometheus on the objectives and policies of driftline.yaml, written by `driftline rules`; do not edit.
# {ANY_MODEL} contains the rules for all models: add both files to rule_files of prometheus.yml.
"""


class RuleFile(NamedTuple):
    """Rules, and what could not be one.

    Attributes:
        text: YAML, as Prometheus 2.42 and newer read it.
        left_out: What PromQL cannot say.
    """

    text: str
    left_out: Sequence[LeftOut]


def rules_of_any_model() -> str:
    """Return the rules that hold for any model, as YAML."""
    return resources.files(__package__).joinpath(ANY_MODEL).read_text(encoding="utf-8")


def rules_of_models(config: Config) -> RuleFile:
    """Return the rules on the error budgets of a configuration's objectives, and on its policies."""
    budgets, without = error_budgets.budgets(config.models)
    fired, policies_left_out = policy_rules.policy_rules(
        config.watched_policies, config.models, runbook(policy_rules.ALERT)
    )
    spent = [
        *error_budgets.recording_rules(budgets),
        *error_budgets.alerts(budgets, runbook(error_budgets.ALERT)),
    ]
    rule_groups = (("driftline-error-budgets", spent), ("driftline-policies", fired))
    groups = [{"name": name, "rules": rules} for name, rules in rule_groups if rules]
    left_out = [*without, *policies_left_out]
    return RuleFile(_HEAD + comments(left_out) + dump({"groups": groups}), left_out)


def runbook(alert: str) -> str:
    """Return where it is written what to do about an alert."""
    return f"{RUNBOOK}#{alert.lower()}"


def comments(left_out: Sequence[LeftOut]) -> str:
    """Return what is left out as comments of YAML."""
    return "".join(f"# {printable(omission.sentence)}\n" for omission in left_out)


def dump(tree: object) -> str:
    """Return YAML in the order of its keys, with each text on one line."""
    return yaml.safe_dump(tree, sort_keys=False, width=10**6, allow_unicode=True)
